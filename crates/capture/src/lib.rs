//! Where frames come from: a live interface, a capture file, standard input, a command's output.
//!
//! A [`Capture`] is opened on a [`Source`], gives out a [`StopHandle`] and its [`Counters`], and is
//! then run to its end on a thread of its own; it hands every probe request to a closure. Live
//! frames come through libpcap with a kernel filter for probe requests. Files and standard input are
//! read here (`pcap_file.rs`, `pcapng.rs`), because libpcap refuses pcapng files whose interfaces
//! differ in link type or snaplen, and cannot be woken while it waits for standard input. Both end in
//! the same loop.
//!
//! - A frame that cannot be decoded is counted and never ends a capture. So is one of an interface in
//!   a pcapng file that does not deliver 802.11, as another frame than a probe request.
//! - [`StopHandle::stop`] ends the loop before the next frame. It wakes a live capture that waits for
//!   a frame, and one that waits for standard input, a named pipe or a command. A handle that was given to
//!   [`Capture::open_with`] also ends the wait for the first bytes, which say what follows, and for someone who
//!   writes to a named pipe.
//!
//! [`monitor`] puts an interface into monitor mode, for a capture to be opened on.

mod byte_order;
mod command;
mod error;
mod file;
mod interruptible_reader;
mod live;
pub mod monitor;
mod pcap_file;
mod pcap_writer;
mod pcapng;
mod source;

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dot11::{Fcs, LinkType, ProbeRequest};

pub use error::{CaptureError, with_remedy};
pub use pcap_writer::PcapWriter;
pub use source::{ParseSourceError, Source};

use command::CommandOutput;
use file::CaptureFile;
use interruptible_reader::Window;
use live::Live;

/// How a live interface is captured. Files do not need any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many bytes of a frame are captured, radio header included. Each slot of the kernel's buffer
    /// is 80 bytes longer than that, and none goes over the end of a page: with the default four fit in
    /// one, and 20,000 frames a second fill the buffer in 0.4 s. The longest probe request of the
    /// recorded captures has 316 bytes.
    pub snaplen: u32,
    /// The size of the kernel's buffer in bytes.
    pub buffer_bytes: u32,
    /// How often the drop counters are read, also where no frame comes.
    pub stats_interval: Duration,
    /// Whether the kernel lets every frame through, to be counted: it tells whether anything is heard at all.
    pub all_frames: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            snaplen: 944,
            buffer_bytes: 8 << 20,
            stats_interval: Duration::from_millis(200),
            all_frames: false,
        }
    }
}

/// A probe request, and when it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedFrame<'a> {
    /// Microseconds since the Unix epoch, as captured; finer timestamps are cut to microseconds.
    pub time_us: i64,
    /// What was heard, whatever its FCS.
    pub probe_request: ProbeRequest<'a>,
}

/// What a capture has seen so far. Only the capture writes; anyone may read while it runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames captured, of every kind. The kernel's filter lets a live capture see few others than
    /// probe requests.
    pub frames: AtomicU64,
    /// Probe requests among them, of every FCS status.
    pub probe_requests: AtomicU64,
    /// Whole frames that are something else.
    pub other_frames: AtomicU64,
    /// Frames that cannot be decoded.
    pub undecodable: AtomicU64,
    /// Probe requests with a right FCS.
    pub fcs_good: AtomicU64,
    /// Probe requests with a wrong FCS.
    pub fcs_bad: AtomicU64,
    /// Probe requests without an FCS.
    pub fcs_absent: AtomicU64,
    /// Frames that the kernel dropped because its buffer was full.
    pub kernel_dropped: AtomicU64,
    /// Frames that the interface or its driver dropped.
    pub interface_dropped: AtomicU64,
    /// Bytes that the frames take in a capture file, their record headers included.
    pub bytes: AtomicU64,
    last_frame: Moment,
    loop_iterations: AtomicU64,
    is_waiting: AtomicBool,
}

/// Microseconds since the Unix epoch; the least there are stand for never.
#[derive(Debug)]
struct Moment(AtomicI64);

impl Default for Moment {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

/// Adds to a counter. There is one writer, so that this need not be one locked instruction.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl Counters {
    /// When the last frame was captured, of whatever kind, in microseconds since the Unix epoch; `None`
    /// before the first.
    pub fn last_frame_us(&self) -> Option<i64> {
        Some(self.last_frame.0.load(Relaxed)).filter(|micros| *micros != i64::MIN)
    }

    /// How often the capture's loop has turned; `None` while it waits for input that may not come for long.
    /// A live capture never waits so: its loop turns at least once in [`Settings::stats_interval`].
    pub fn loop_iterations(&self) -> Option<u64> {
        (!self.is_waiting.load(Relaxed)).then(|| self.loop_iterations.load(Relaxed))
    }

    /// Decodes a record and counts what it is.
    fn take<'a>(&self, record: Record<'a>) -> Option<CapturedFrame<'a>> {
        self.last_frame.0.store(record.time_us, Relaxed);
        add(&self.frames, 1);
        add(&self.bytes, record.stored_bytes);
        let decoded = match record.link {
            Some(link) => dot11::decode(link, record.bytes, record.original_length),
            None => Ok(None),
        };
        match decoded {
            Ok(Some(probe_request)) => {
                add(&self.probe_requests, 1);
                let by_fcs = match probe_request.fcs {
                    Fcs::Good => &self.fcs_good,
                    Fcs::Bad => &self.fcs_bad,
                    Fcs::Absent => &self.fcs_absent,
                };
                add(by_fcs, 1);
                Some(CapturedFrame { time_us: record.time_us, probe_request })
            }
            Ok(None) => {
                add(&self.other_frames, 1);
                None
            }
            Err(_) => {
                add(&self.undecodable, 1);
                None
            }
        }
    }
}

/// A captured frame with its radio header, as it lies in a buffer.
#[derive(Debug, PartialEq, Eq)]
struct Record<'a> {
    /// `None` where its interface does not deliver 802.11.
    link: Option<LinkType>,
    time_us: i64,
    /// The length in bytes before the snaplen.
    original_length: usize,
    /// The length of the record in a capture file.
    stored_bytes: u64,
    bytes: &'a [u8],
}

/// What waiting for the next record came to.
#[derive(Debug, PartialEq, Eq)]
enum ReadOutcome<'a> {
    Record(Record<'a>),
    /// Nothing for a while.
    Idle,
    /// There will be nothing more.
    End,
}

/// An open capture.
#[derive(Debug)]
pub struct Capture {
    origin: Origin,
    counters: Arc<Counters>,
    stop: StopHandle,
}

#[derive(Debug)]
enum Origin {
    Live(Live),
    File(CaptureFile),
    Command(CommandOutput),
}

impl Capture {
    /// Opens a source. For standard input, named pipes and commands, waits for the first bytes. What a
    /// command writes to standard error goes nowhere.
    ///
    /// # Errors
    ///
    /// Where there is no such source, it may not be read, or it does not carry 802.11 frames.
    pub fn open(source: &Source, settings: &Settings) -> Result<Self, CaptureError> {
        Self::open_with(source, settings, &StopHandle::default(), |_| {})
    }

    /// As [`Capture::open`], where `stop` ends the wait as well as the capture, and `tell` hears each line
    /// that a command writes to standard error.
    ///
    /// # Errors
    ///
    /// As [`Capture::open`], and where `stop` has ended the wait.
    pub fn open_with(
        source: &Source,
        settings: &Settings,
        stop: &StopHandle,
        tell: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let counters = Arc::new(Counters::default());
        let origin = match source {
            Source::Interface(interface) => {
                let (live, wake) = Live::open(interface, settings, Arc::clone(&counters))?;
                stop.wake_with(wake);
                Origin::Live(live)
            }
            Source::File(path) => Origin::File(CaptureFile::open(
                path.display().to_string(),
                || interruptible_reader::open(path),
                stop,
            )?),
            Source::Stdin => {
                Origin::File(CaptureFile::open("standard input".into(), interruptible_reader::stdin, stop)?)
            }
            Source::Command(command) => {
                Origin::Command(CommandOutput::open(command, &source.default_name(), stop, tell)?)
            }
        };
        Ok(Self { origin, counters, stop: stop.clone() })
    }

    /// Opens a capture file that `input` gives; errors call it `name`. A read that waits is not woken by
    /// [`StopHandle::stop`].
    ///
    /// # Errors
    ///
    /// As [`Capture::open`].
    pub fn from_reader(name: &str, input: impl Read + Send + 'static) -> Result<Self, CaptureError> {
        let file = CaptureFile::new(name.to_owned(), Window::new(Box::new(input)))?;
        Ok(Self { origin: Origin::File(file), counters: Arc::default(), stop: StopHandle::default() })
    }

    /// What the frames start with; in a pcapng file of several link types, the first that carries
    /// 802.11.
    pub fn link_type(&self) -> LinkType {
        match &self.origin {
            Origin::Live(live) => live.link_type(),
            Origin::File(file) => file.link_type(),
            Origin::Command(command) => command.link_type(),
        }
    }

    /// What has been captured, to be read while it runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// What ends [`Capture::run`] from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Hands every probe request of every FCS status to `on_probe_request`, until the source ends,
    /// the capture is stopped, or the closure breaks.
    ///
    /// # Errors
    ///
    /// Where the interface goes away, the command ends, or the file cannot be read to its end; the probe
    /// requests before that have been handed over.
    pub fn run(
        mut self,
        mut on_probe_request: impl FnMut(CapturedFrame<'_>) -> ControlFlow<()>,
    ) -> Result<(), CaptureError> {
        let outcome = self.read_frames(&mut on_probe_request);
        if let Origin::Live(live) = &mut self.origin {
            live.sample_drops();
        }
        // Stopping cuts off input in the middle of a record.
        if self.stop.is_stopped() { Ok(()) } else { outcome }
    }

    fn read_frames(
        &mut self,
        on_probe_request: &mut impl FnMut(CapturedFrame<'_>) -> ControlFlow<()>,
    ) -> Result<(), CaptureError> {
        let may_wait = !matches!(self.origin, Origin::Live(_));
        while !self.stop.is_stopped() {
            add(&self.counters.loop_iterations, 1);
            self.counters.is_waiting.store(may_wait, Relaxed);
            let outcome = match &mut self.origin {
                Origin::Live(live) => live.next(),
                Origin::File(file) => file.next(),
                Origin::Command(command) => command.next(),
            };
            self.counters.is_waiting.store(false, Relaxed);
            match outcome? {
                ReadOutcome::Record(record) => {
                    if let Some(frame) = self.counters.take(record)
                        && on_probe_request(frame).is_break()
                    {
                        return Ok(());
                    }
                }
                ReadOutcome::Idle => {}
                ReadOutcome::End => return Ok(()),
            }
        }
        Ok(())
    }
}

/// Ends a capture from another thread; clones end the same one.
#[derive(Clone, Default)]
pub struct StopHandle {
    stopped: Arc<AtomicBool>,
    wake: Arc<Mutex<Option<Wake>>>,
}

/// Wakes a capture that waits for its source.
type Wake = Arc<dyn Fn() + Send + Sync>;

impl StopHandle {
    /// Makes [`Capture::run`] return `Ok`, at once where it waits for a frame.
    pub fn stop(&self) {
        let wake = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Relaxed);
        if let Some(wake) = &*wake {
            wake();
        }
    }

    /// Has [`StopHandle::stop`] wake a capture so, also where it was called before.
    fn wake_with(&self, wake: Wake) {
        let mut place = self.wake.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_stopped() {
            wake();
        }
        *place = Some(wake);
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}

impl std::fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StopHandle").field("stopped", &self.stopped).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

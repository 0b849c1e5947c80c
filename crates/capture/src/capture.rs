//! Opens a source and passes each of its probe requests to a function, until the source ends or is stopped.

use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;

use dot11::{LinkType, ProbeRequest};

use crate::command::CommandOutput;
use crate::counters::Counters;
use crate::error::CaptureError;
use crate::file::CaptureFile;
use crate::interruptible_reader;
use crate::live::LiveCapture;
use crate::peek_reader::PeekReader;
use crate::record::{ReadOutcome, Record};
use crate::settings::CaptureSettings;
use crate::source::Source;
use crate::stop_handle::StopHandle;

/// A probe request and when it was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedFrame<'a> {
    /// Microseconds since the Unix epoch; finer timestamps are truncated.
    pub time_us: i64,
    /// The decoded probe request, of any FCS status.
    pub probe_request: ProbeRequest<'a>,
}

/// An open capture.
#[derive(Debug)]
pub struct Capture {
    input: Input,
    counters: Arc<Counters>,
    stop: StopHandle,
}

#[derive(Debug)]
enum Input {
    Live(LiveCapture),
    File(CaptureFile),
    Command(CommandOutput),
}

impl Capture {
    /// Opens a source. A file or stream may be compressed with gzip or zstd. For standard input, named pipes and
    /// commands, waits for the first bytes. Discards what a command writes to standard error.
    ///
    /// # Errors
    ///
    /// If there is no such source, it may not be read, or it does not carry 802.11 frames.
    pub fn open(source: &Source, settings: &CaptureSettings) -> Result<Self, CaptureError> {
        Self::open_with(source, settings, &StopHandle::default(), |_| {})
    }

    /// Like [`Capture::open`], but `stop` ends the wait as well as the capture, and `on_stderr_line` receives the
    /// lines that a command writes to standard error.
    ///
    /// # Errors
    ///
    /// As [`Capture::open`], and if `stop` ended the wait.
    pub fn open_with(
        source: &Source,
        settings: &CaptureSettings,
        stop: &StopHandle,
        on_stderr_line: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, CaptureError> {
        let counters = Arc::new(Counters::default());
        let input = match source {
            Source::Interface(interface) => {
                let (live, wake) = LiveCapture::open(interface, settings, Arc::clone(&counters))?;
                stop.wake_with(wake);
                Input::Live(live)
            }
            Source::File(path) => {
                let open = || interruptible_reader::open(path);
                Input::File(CaptureFile::open(path.display().to_string(), open, stop)?)
            }
            Source::Stdin => {
                Input::File(CaptureFile::open("standard input".into(), interruptible_reader::stdin, stop)?)
            }
            Source::Command(command) => {
                Input::Command(CommandOutput::open(command, &source.default_name(), stop, on_stderr_line)?)
            }
        };
        Ok(Self { input, counters, stop: stop.clone() })
    }

    /// Opens a capture file that is read from `reader`; errors call it `name`. [`StopHandle::stop`] does not wake a
    /// read that waits.
    ///
    /// # Errors
    ///
    /// As [`Capture::open`].
    pub fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Result<Self, CaptureError> {
        let file = CaptureFile::new(name.to_owned(), PeekReader::new(Box::new(reader)))?;
        Ok(Self { input: Input::File(file), counters: Arc::default(), stop: StopHandle::default() })
    }

    /// The header that frames start with; in a pcapng file of several link types, the first that carries 802.11.
    pub fn link_type(&self) -> LinkType {
        match &self.input {
            Input::Live(live) => live.link_type(),
            Input::File(file) => file.link_type(),
            Input::Command(command) => command.link_type(),
        }
    }

    /// The counters, to be read while the capture runs.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// A handle that ends [`Capture::run`] from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Passes every probe request, of every FCS status, to `on_probe_request` until the source ends, the capture is
    /// stopped, or the closure breaks.
    ///
    /// # Errors
    ///
    /// If the interface goes away, the command ends, or the file cannot be read to its end. The probe requests
    /// before that have been passed on.
    pub fn run(
        mut self,
        mut on_probe_request: impl FnMut(CapturedFrame<'_>) -> ControlFlow<()>,
    ) -> Result<(), CaptureError> {
        let outcome = self.run_loop(&mut on_probe_request);
        if let Input::Live(live) = &mut self.input {
            live.update_drop_counters();
        }
        // Stopping may cut the input off in the middle of a record.
        if self.stop.is_stopped() { Ok(()) } else { outcome }
    }

    fn run_loop(
        &mut self,
        on_probe_request: &mut impl FnMut(CapturedFrame<'_>) -> ControlFlow<()>,
    ) -> Result<(), CaptureError> {
        let may_wait_long = !matches!(self.input, Input::Live(_));
        while !self.stop.is_stopped() {
            self.counters.count_iteration();
            self.counters.set_waiting(may_wait_long);
            let outcome = match &mut self.input {
                Input::Live(live) => live.next(),
                Input::File(file) => file.next(),
                Input::Command(command) => command.next(),
            };
            self.counters.set_waiting(false);
            match outcome? {
                ReadOutcome::Record(record) => {
                    if let Some(frame) = decode_and_count(record, &self.counters)
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

fn decode_and_count<'a>(record: Record<'a>, counters: &Counters) -> Option<CapturedFrame<'a>> {
    let decoded = match record.link_type {
        Some(link_type) => {
            dot11::decode_from_file(link_type, record.bytes, record.original_length, record.has_fcs)
        }
        None => Ok(None),
    };
    counters.count(&record, &decoded);
    let probe_request = decoded.ok().flatten()?;
    Some(CapturedFrame { time_us: record.time_us, probe_request })
}

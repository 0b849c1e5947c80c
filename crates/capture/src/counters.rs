//! The counters of a capture. Only the capture writes them; any thread may read them while it runs.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};

use dot11::{DecodeError, Fcs, ProbeRequest};

use crate::record::Record;

/// What a capture has counted so far. Only the capture writes; any thread may read while it runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames captured, of every kind. The kernel's filter passes few frames other than probe requests to a live
    /// capture.
    pub frames: AtomicU64,
    /// Probe requests among them, of every FCS status.
    pub probe_requests: AtomicU64,
    /// Intact frames of any other kind.
    pub other_frames: AtomicU64,
    /// Frames that cannot be decoded.
    pub undecodable: AtomicU64,
    /// Probe requests with a correct FCS.
    pub fcs_good: AtomicU64,
    /// Probe requests with a wrong FCS.
    pub fcs_bad: AtomicU64,
    /// Probe requests without an FCS.
    pub fcs_absent: AtomicU64,
    /// Frames that the kernel dropped because its buffer was full.
    pub kernel_dropped: AtomicU64,
    /// Frames that the interface or its driver dropped.
    pub interface_dropped: AtomicU64,
    /// Bytes that the frames take in a capture file, record headers included.
    pub bytes: AtomicU64,
    last_frame: AtomicTime,
    loop_iterations: AtomicU64,
    is_waiting: AtomicBool,
}

/// Microseconds since the Unix epoch; `i64::MIN` means never.
#[derive(Debug)]
struct AtomicTime(AtomicI64);

impl Default for AtomicTime {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

/// Adds to a counter. With a single writer a load and a store suffice; no locked instruction is needed.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl Counters {
    /// When the last frame of any kind was captured, in microseconds since the Unix epoch; `None` before the first.
    pub fn last_frame_us(&self) -> Option<i64> {
        Some(self.last_frame.0.load(Relaxed)).filter(|time_us| *time_us != i64::MIN)
    }

    /// How many times the capture's loop has run; `None` while it waits for input that may take long to come.
    /// A live capture never waits that long: its loop runs at least once per
    /// [`CaptureSettings::stats_interval`](crate::CaptureSettings::stats_interval).
    pub fn loop_iterations(&self) -> Option<u64> {
        (!self.is_waiting.load(Relaxed)).then(|| self.loop_iterations.load(Relaxed))
    }

    /// Counts an iteration of the capture's loop.
    pub(crate) fn count_iteration(&self) {
        add(&self.loop_iterations, 1);
    }

    /// Notes whether the loop waits for input that may take long to come.
    pub(crate) fn set_waiting(&self, is_waiting: bool) {
        self.is_waiting.store(is_waiting, Relaxed);
    }

    /// Counts a record and what the decoder made of it.
    pub(crate) fn count(&self, record: &Record<'_>, decoded: &Result<Option<ProbeRequest<'_>>, DecodeError>) {
        self.last_frame.0.store(record.time_us, Relaxed);
        add(&self.frames, 1);
        add(&self.bytes, record.stored_bytes);
        match decoded {
            Ok(Some(probe_request)) => {
                add(&self.probe_requests, 1);
                let by_fcs = match probe_request.fcs {
                    Fcs::Good => &self.fcs_good,
                    Fcs::Bad => &self.fcs_bad,
                    Fcs::Absent => &self.fcs_absent,
                };
                add(by_fcs, 1);
            }
            Ok(None) => add(&self.other_frames, 1),
            Err(_) => add(&self.undecodable, 1),
        }
    }
}

//! The counters of a source, over all its captures.

use std::sync::atomic::{AtomicU64, Ordering};

use capture::Counters;
use store::event::Timestamp;

/// The sum over several captures of one source.
#[derive(Clone, Copy, Default)]
pub struct SourceStats {
    pub frames: u64,
    pub last_frame: Option<Timestamp>,
    pub undecodable: u64,
    pub bad_fcs: u64,
    pub dropped: DroppedFrames,
}

/// Frames that were lost before they were captured, by who lost them.
#[derive(Clone, Copy, Default)]
pub struct DroppedFrames {
    pub kernel: u64,
    pub interface: u64,
}

impl SourceStats {
    /// Adds those of another capture.
    pub fn plus(self, counters: &Counters) -> Self {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            frames: self.frames + count(&counters.frames),
            last_frame: counters.last_frame_us().map(Timestamp::from_micros).or(self.last_frame),
            undecodable: self.undecodable + count(&counters.undecodable),
            bad_fcs: self.bad_fcs + count(&counters.fcs_bad),
            dropped: DroppedFrames {
                kernel: self.dropped.kernel + count(&counters.kernel_dropped),
                interface: self.dropped.interface + count(&counters.interface_dropped),
            },
        }
    }
}

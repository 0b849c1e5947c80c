//! The settings of a capture on a live interface.

use std::time::Duration;

/// How a live interface is captured. Files, streams and commands need none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureSettings {
    /// The most bytes captured of a frame, radio header included. A slot of the kernel's buffer takes 80 bytes
    /// more, and no slot crosses a page boundary: with the default four slots share a page, and 20,000 frames a
    /// second fill the default buffer in 0.4 s. The longest probe request in the recorded captures has 316 bytes.
    pub snaplen: u32,
    /// The size of the kernel's buffer in bytes.
    pub buffer_bytes: u32,
    /// How often the drop counters are read, also while no frames arrive.
    pub stats_interval: Duration,
    /// Whether the kernel passes every frame and not only probe requests. It shows whether the radio receives
    /// anything at all.
    pub all_frames: bool,
}

impl Default for CaptureSettings {
    fn default() -> Self {
        Self {
            snaplen: 944,
            buffer_bytes: 8 << 20,
            stats_interval: Duration::from_millis(200),
            all_frames: false,
        }
    }
}

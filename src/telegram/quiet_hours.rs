//! The quiet hours in the operator's time zone.

use std::time::Duration;

use chrono_tz::Tz;
use store::event::Timestamp;
use tokio::time::Instant;

use crate::config::QuietHours;

/// How often to check whether quiet hours or a mute have ended: the system's clock may be set meanwhile.
pub(super) const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// The configured quiet hours and the time zone in which they count.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalQuietHours {
    pub(super) hours: Option<QuietHours>,
    pub(super) zone: Tz,
}

impl LocalQuietHours {
    /// Whether `time` is within quiet hours.
    pub(super) fn contains(self, time: Timestamp) -> bool {
        self.hours.is_some_and(|hours| hours.covers(time, self.zone))
    }

    /// When to check again; `None` if `time` is outside quiet hours.
    pub(super) fn next_check(self, time: Timestamp, now: Instant) -> Option<Instant> {
        self.contains(time).then(|| now + CLOCK_CHECK)
    }
}

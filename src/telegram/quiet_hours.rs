//! Whether it is a time at which nobody wants to be disturbed.

use std::time::Duration;

use chrono_tz::Tz;
use tokio::time::Instant;

use crate::config::QuietHours;
use crate::event::Timestamp;

/// How often it is looked whether quiet hours are over: the clock may be set meanwhile.
const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// The configured quiet hours in the configured zone.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalQuietHours {
    pub(super) hours: Option<QuietHours>,
    pub(super) zone: Tz,
}

impl LocalQuietHours {
    /// Whether `time` is in them.
    pub(super) fn covers(self, time: Timestamp) -> bool {
        self.hours.is_some_and(|hours| hours.covers(time, self.zone))
    }

    /// When to look again, where it is quiet now.
    pub(super) fn look_again(self, now: Instant) -> Option<Instant> {
        self.covers(Timestamp::now()).then(|| now + CLOCK_CHECK)
    }
}

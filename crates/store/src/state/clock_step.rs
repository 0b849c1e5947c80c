//! A step of the time: what was given as one time is another one now.

use crate::event::Timestamp;

/// A step of the time.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockStep {
    /// The time until then.
    pub(super) from: Timestamp,
    /// The time from then on.
    pub(super) to: Timestamp,
    /// Times from here on come from the clock that was wrong.
    pub(super) since: Timestamp,
}

impl ClockStep {
    /// A time that was given by the clock that was wrong, by the one that is right.
    pub(super) fn moved(self, time: Timestamp) -> Timestamp {
        if time < self.since && time <= self.to {
            return time;
        }
        let by = self.to.as_micros().saturating_sub(self.from.as_micros());
        Timestamp::from_micros(time.as_micros().saturating_add(by))
    }

    /// As [`ClockStep::moved`], of the end of something. A step forward ends nothing later.
    pub(super) fn moved_end(self, end: Timestamp) -> Timestamp {
        if self.to < self.from && end > self.to { self.moved(end) } else { end }
    }
}

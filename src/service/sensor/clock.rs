//! Whether a clock is behind, told by the times of the frames that it gives.
//!
//! A time is wrong that lies before the newest event in the log, or before this program was built. What was
//! heard at such a time is marked: it counts at the newest time that was known.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::BUILT_SECONDS;
use crate::event::Timestamp;

/// How far behind a right clock may seem: sensors are heard side by side, an access point's clock is another
/// than this machine's, and its frames come through a connection that stalls now and then. What a minute
/// confuses is nothing that anybody looks at.
const TOLERANCE: Duration = Duration::from_secs(60);

/// How near a clock that was behind must come to be right again: far less, so that one that is behind by just
/// about the tolerance is not told of again and again.
const RIGHT_AGAIN: Duration = Duration::from_secs(1);

/// The clock of a source.
#[derive(Debug, Default)]
pub(super) struct Clock {
    is_behind: AtomicBool,
}

/// What a frame's time says of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// What the time was at least, where the clock is behind.
    pub not_before: Option<Timestamp>,
    /// It was not behind before and is now, or the other way round.
    pub has_changed: bool,
}

impl Clock {
    /// Looks at the time of a frame, where `newest` is the time of the newest event in the log.
    pub(super) fn look(&self, time: Timestamp, newest: Option<Timestamp>) -> Look {
        let built = Timestamp::from_micros(BUILT_SECONDS.saturating_mul(1_000_000));
        let least = newest.map_or(built, |newest| newest.max(built));
        let was_behind = self.is_behind.load(Relaxed);
        let tolerance = if was_behind { RIGHT_AGAIN } else { TOLERANCE };
        let is_behind = time < least.earlier_by(tolerance);
        self.is_behind.store(is_behind, Relaxed);
        Look { not_before: is_behind.then_some(least), has_changed: is_behind != was_behind }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `seconds` after this program was built.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((BUILT_SECONDS + seconds) * 1_000_000)
    }

    #[track_caller]
    fn check(clock: &Clock, time: i64, newest: Option<i64>, not_before: Option<i64>, has_changed: bool) {
        let look = clock.look(at(time), newest.map(at));
        assert_eq!(look, Look { not_before: not_before.map(at), has_changed });
        assert_eq!(clock.is_behind(), not_before.is_some());
    }

    #[test]
    fn a_time_before_the_newest_event_is_behind() {
        let clock = Clock::default();
        check(&clock, 1000, None, None, false);
        check(&clock, 940, Some(1000), None, false);
        check(&clock, 939, Some(1000), Some(1000), true);
        check(&clock, 0, Some(1001), Some(1001), false);
        check(&clock, 999, Some(1001), Some(1001), false);
        check(&clock, 1000, Some(1001), None, true);
        check(&clock, 1000, Some(1001), None, false);
    }

    #[test]
    fn a_time_before_the_build_is_behind() {
        let clock = Clock::default();
        check(&clock, -61, None, Some(0), true);
        check(&clock, -1_000_000, Some(-1_000_001), Some(0), false);
        check(&clock, 5, Some(-1_000_000), None, true);
    }
}

//! Whether a clock is behind or ahead, told by the times of the frames that it gives.
//!
//! - A time is wrong that lies before the newest that is known ([`RecorderHandle::newest_time`]), or before this
//!   program was built. What was heard at such a time is marked: it counts at the newest time that was known.
//! - What is heard live was not heard in the future: where a source's clock is ahead of the machine's, as that of
//!   an access point may be, the machine's counts. Else one wrong frame would have all other clocks seem behind.
//!
//! [`RecorderHandle::newest_time`]: crate::recorder::RecorderHandle::newest_time

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::BUILT_SECONDS;
use crate::event::Timestamp;

/// How far behind or ahead a right clock may seem: sensors are heard side by side, an access point's clock is another
/// than this machine's, and its frames come through a connection that stalls now and then. What a minute
/// confuses is nothing that anybody looks at.
const TOLERANCE: Duration = Duration::from_secs(60);

/// How near a clock that was behind must come to be right again: far less, so that one that is behind by just
/// about the tolerance is not told of again and again.
const RECOVERY_TOLERANCE: Duration = Duration::from_secs(1);

/// The clock of a source.
#[derive(Debug, Default)]
pub(super) struct SourceClock {
    is_behind: AtomicBool,
    is_ahead: AtomicBool,
}

/// What a frame's time says of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockCheck {
    /// What the time was at least, where the clock is behind.
    pub not_before: Option<Timestamp>,
    /// It was not behind before and is now, or the other way round.
    pub has_changed: bool,
}

impl SourceClock {
    /// The time of a frame, or that of the machine where the frame's lies behind it; and whether the clock was not
    /// ahead before.
    pub(super) fn clamp_to_now(&self, time: Timestamp, now: Timestamp) -> (Timestamp, bool) {
        let is_ahead = time.saturating_sub(TOLERANCE) > now;
        let was_ahead = self.is_ahead.swap(is_ahead, Relaxed);
        (if is_ahead { now } else { time }, is_ahead && !was_ahead)
    }

    /// Looks at the time of a frame, where `newest` is the newest that is known.
    pub(super) fn check(&self, time: Timestamp, newest: Option<Timestamp>) -> ClockCheck {
        let least = lower_bound(newest);
        let was_behind = self.is_behind.load(Relaxed);
        let tolerance = if was_behind { RECOVERY_TOLERANCE } else { TOLERANCE };
        let is_behind = time < least.saturating_sub(tolerance);
        self.is_behind.store(is_behind, Relaxed);
        ClockCheck { not_before: is_behind.then_some(least), has_changed: is_behind != was_behind }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Relaxed)
    }

    /// Whether this time of the machine's clock may be right, where `newest` is the newest that is known.
    pub(super) fn is_plausible(now: Timestamp, newest: Option<Timestamp>) -> bool {
        now >= lower_bound(newest).saturating_sub(TOLERANCE)
    }
}

/// What the time is at least, where `newest` is the newest that is known.
fn lower_bound(newest: Option<Timestamp>) -> Timestamp {
    let built = Timestamp::from_micros(BUILT_SECONDS.saturating_mul(1_000_000));
    newest.map_or(built, |newest| newest.max(built))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `seconds` after this program was built.
    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((BUILT_SECONDS + seconds) * 1_000_000)
    }

    #[track_caller]
    fn check(
        clock: &SourceClock,
        time: i64,
        newest: Option<i64>,
        not_before: Option<i64>,
        has_changed: bool,
    ) {
        let look = clock.check(at(time), newest.map(at));
        assert_eq!(look, ClockCheck { not_before: not_before.map(at), has_changed });
        assert_eq!(clock.is_behind(), not_before.is_some());
    }

    #[test]
    fn a_time_before_the_newest_event_is_behind() {
        let clock = SourceClock::default();
        check(&clock, 1000, None, None, false);
        check(&clock, 940, Some(1000), None, false);
        check(&clock, 939, Some(1000), Some(1000), true);
        check(&clock, 0, Some(1001), Some(1001), false);
        check(&clock, 999, Some(1001), Some(1001), false);
        check(&clock, 1000, Some(1001), None, true);
        check(&clock, 1000, Some(1001), None, false);
    }

    #[test]
    fn a_time_ahead_of_the_machines_is_corrected() {
        let clock = SourceClock::default();
        for (time, expected, is_newly_ahead) in [
            (900, 900, false),
            (1060, 1060, false),
            (1061, 1000, true),
            (9999, 1000, false),
            (1000, 1000, false),
        ] {
            assert_eq!(clock.clamp_to_now(at(time), at(1000)), (at(expected), is_newly_ahead), "{time}");
        }
        assert!(clock.clamp_to_now(at(9999), at(1000)).1, "told again after it was right");
    }

    #[test]
    fn a_machine_that_knows_better_than_a_source_is_told() {
        for (now, newest, expected) in [
            (0, None, true),
            (-61, None, false),
            (940, Some(1000), true),
            (939, Some(1000), false),
            (9999, Some(1000), true),
        ] {
            assert_eq!(SourceClock::is_plausible(at(now), newest.map(at)), expected, "{now}");
        }
    }

    #[test]
    fn a_time_before_the_build_is_behind() {
        let clock = SourceClock::default();
        check(&clock, -61, None, Some(0), true);
        check(&clock, -1_000_000, Some(-1_000_001), Some(0), false);
        check(&clock, 5, Some(-1_000_000), None, true);
    }
}

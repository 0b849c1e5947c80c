//! Whether a source's clock is behind or ahead, from the times of its frames.
//!
//! - A time before the newest known one ([`RecorderHandle::time_floor`]), or before this program was built, is wrong. A
//!   probe with such a time is marked: it counts at the newest time that was known.
//! - A live frame cannot come from the future. If a source's clock is ahead of the machine's, as an access point's may
//!   be, the machine's time counts. Otherwise one wrong frame would make all other clocks seem behind.
//!
//! [`RecorderHandle::time_floor`]: store::recorder::RecorderHandle::time_floor

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use store::event::Timestamp;

use crate::BUILT_SECONDS;

/// How far behind or ahead a right clock may seem: sources capture side by side, an access point's clock differs from
/// this machine's, and its frames come through a connection that stalls now and then. Nobody notices a minute.
const TOLERANCE: Duration = Duration::from_secs(60);

/// How near a clock that was behind must come to count as right again. Far less than the tolerance: otherwise a clock
/// at the edge would be reported again and again.
const RECOVERY_TOLERANCE: Duration = Duration::from_secs(1);

/// The clock of a source.
#[derive(Debug, Default)]
pub(super) struct SourceClock {
    is_behind: AtomicBool,
    is_ahead: AtomicBool,
}

/// What a frame's time says about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockCheck {
    /// If the clock is behind: the earliest time that it can be.
    pub not_before: Option<Timestamp>,
    /// Whether that has changed with this frame.
    pub has_changed: bool,
}

impl SourceClock {
    /// The time of a frame, or the machine's if the frame's is ahead of it; and whether the clock has just become ahead.
    pub(super) fn clamp_to_now(&self, time: Timestamp, now: Timestamp) -> (Timestamp, bool) {
        let is_ahead = time.saturating_sub(TOLERANCE) > now;
        let was_ahead = self.is_ahead.swap(is_ahead, Relaxed);
        (if is_ahead { now } else { time }, is_ahead && !was_ahead)
    }

    /// Checks the time of a frame against the newest known time.
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

    /// Whether the machine's time `now` may be right, given the newest known time.
    pub(super) fn is_plausible(now: Timestamp, newest: Option<Timestamp>) -> bool {
        now >= lower_bound(newest).saturating_sub(TOLERANCE)
    }
}

/// The earliest time that it can be, given the newest known time.
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
        let check = clock.check(at(time), newest.map(at));
        assert_eq!(check, ClockCheck { not_before: not_before.map(at), has_changed });
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
        assert!(clock.clamp_to_now(at(9999), at(1000)).1, "reported again after it was right");
    }

    #[test]
    fn the_machines_clock_is_plausible_within_the_tolerance() {
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

//! The time floor: a lower bound for the current time. The clocks of live sources are checked against it.
//!
//! It is the newest time that the machine's own clock gave: that of live frames, and of changes by people and the
//! program. The times of a capture file are its own and do not count. At a start, times from the log count up to the
//! moment of the log's last write, or up to the mark of its latest probe.
//!
//! The machine's clock may have been ahead, and the floor be wrong. So the clock is trusted, however early it seems,
//! - when it is set back while this program runs: a board's clock by itself only jumps forward, so a
//!   deliberate set-back is trusted;
//! - when the system says that a time server sets it ([`RecorderHandle::trust_clock`]).
//!
//! Otherwise, as in a container that starts after the clock was corrected, probes are marked until the clock has
//! reached the floor.
//!
//! [`RecorderHandle::trust_clock`]: super::RecorderHandle::trust_clock

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::event::{Offset, Timestamp};

/// The least jump of a clock that was set; less may be due to a busy machine.
const MIN_JUMP: Duration = Duration::from_secs(60);

/// A lower bound for the current time.
#[derive(Debug)]
pub(super) struct TimeFloor(AtomicI64);

impl TimeFloor {
    /// The floor at a start: the log's newest event has the time `newest`, and the log was last written at `written`.
    pub(super) fn new(newest: Option<Timestamp>, written: Option<Timestamp>) -> Self {
        let floor = newest.zip(written).map(|(newest, written)| newest.min(written));
        Self(AtomicI64::new(floor.map_or(i64::MIN, Timestamp::as_micros)))
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        let floor = self.0.load(Ordering::Relaxed);
        (floor != i64::MIN).then(|| Timestamp::from_micros(floor))
    }

    /// Notes a time of a clock that is not known to be behind.
    pub(super) fn raise(&self, time: Timestamp) {
        self.0.fetch_max(time.as_micros(), Ordering::Relaxed);
    }

    /// Sets the floor to `now`, also if it was higher.
    pub(super) fn reset(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }
}

/// Compares the machine's clock with the monotonic one.
#[derive(Debug)]
pub(super) struct MachineClock {
    last: (Instant, Timestamp),
}

/// How the machine's clock was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockJump {
    Forward(Duration),
    Back(Duration),
}

impl MachineClock {
    pub(super) fn new(instant: Instant, now: Timestamp) -> Self {
        Self { last: (instant, now) }
    }

    /// How the clock was set since the last call, if it was set by at least [`MIN_JUMP`].
    pub(super) fn detect_jump(&mut self, instant: Instant, now: Timestamp) -> Option<ClockJump> {
        let (then, before) = std::mem::replace(&mut self.last, (instant, now));
        let elapsed = i64::try_from((instant - then).as_micros()).unwrap_or(i64::MAX);
        let expected = Timestamp::from_micros(before.as_micros().saturating_add(elapsed));
        let by = now.abs_diff(expected);
        (by >= MIN_JUMP).then_some(if now > expected { ClockJump::Forward(by) } else { ClockJump::Back(by) })
    }
}

/// Corrects the age of alerts that waited while the clock jumped forward: the jump does not count.
#[derive(Debug, Default)]
pub(super) struct AgeCorrection {
    jumps: Duration,
    before: Offset,
}

impl AgeCorrection {
    /// Notes a jump forward that came after all events before `next`.
    pub(super) fn record_jump(&mut self, jump: Duration, next: Offset) {
        self.jumps = self.jumps.saturating_add(jump);
        self.before = next;
    }

    /// What to subtract from the age of this event's alert.
    pub(super) fn of_event(&self, offset: Offset) -> Duration {
        if offset < self.before { self.jumps } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_capture_file_from_the_future_does_not_raise_the_floor() {
        assert_eq!(TimeFloor::new(Some(at(9000)), Some(at(1000))).get(), Some(at(1000)));
        assert_eq!(TimeFloor::new(Some(at(900)), Some(at(1000))).get(), Some(at(900)));
        assert_eq!(TimeFloor::new(None, Some(at(1000))).get(), None);
    }

    #[test]
    fn the_floor_goes_back_only_when_the_clock_is_trusted() {
        let floor = TimeFloor::new(None, None);
        for (raised, expected) in [(1000, 1000), (900, 1000), (1001, 1001)] {
            floor.raise(at(raised));
            assert_eq!(floor.get(), Some(at(expected)));
        }
        floor.reset(at(500));
        assert_eq!(floor.get(), Some(at(500)));
    }

    #[test]
    fn tells_a_set_clock_from_time_that_passes() {
        let start = Instant::now();
        let mut clock = MachineClock::new(start, at(1000));
        for (elapsed, now, expected) in [
            (500, 1500, None),
            (501, 1560, None),
            (502, 1561, None),
            (503, 1_000_562, Some(ClockJump::Forward(Duration::from_secs(999_000)))),
            (504, 1_000_563, None),
            (505, 564, Some(ClockJump::Back(Duration::from_secs(1_000_000)))),
            (506, 565, None),
        ] {
            assert_eq!(
                clock.detect_jump(start + Duration::from_secs(elapsed), at(now)),
                expected,
                "{elapsed}"
            );
        }
    }

    #[test]
    fn a_jump_does_not_age_alerts_that_waited() {
        let mut correction = AgeCorrection::default();
        assert_eq!(correction.of_event(Offset(0)), Duration::ZERO);
        correction.record_jump(Duration::from_secs(100), Offset(7));
        correction.record_jump(Duration::from_secs(100), Offset(9));
        assert_eq!(correction.of_event(Offset(8)), Duration::from_secs(200));
        assert_eq!(correction.of_event(Offset(9)), Duration::ZERO);
    }
}

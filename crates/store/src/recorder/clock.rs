//! The time that it is at least, against which the clocks of live sources are held.
//!
//! It is the newest time that the machine's own clock gave: that of frames that were heard live and of what
//! people and the program did. A capture file's times are its own and count for nothing here; at a start, what
//! the log knows counts up to the moment at which the log was written last, or up to that with which its latest
//! probe was marked.
//!
//! That clock may have been ahead, and what is known be wrong. So it is believed, however early it seems,
//! - when it is set back while this program runs: a board's clock only ever jumps forward by itself, and whoever
//!   sets it back knows better;
//! - when the system says that a time server sets it ([`RecorderHandle::trust_clock`]).
//!
//! Without either, as in a container that is started after the clock was put right, what is heard is marked until
//! the time has come that is known.
//!
//! [`RecorderHandle::trust_clock`]: super::RecorderHandle::trust_clock

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crate::event::{Offset, Timestamp};

/// By how much at least a clock jumps that was set; less may be due to a busy machine.
const MIN_JUMP: Duration = Duration::from_secs(60);

/// The newest time that is known.
#[derive(Debug)]
pub(super) struct TimeFloor(AtomicI64);

impl TimeFloor {
    /// At a start: the log's newest event has the time `newest`, and it was written last at `written`.
    pub(super) fn new(newest: Option<Timestamp>, written: Option<Timestamp>) -> Self {
        let known = newest.zip(written).map(|(newest, written)| newest.min(written));
        Self(AtomicI64::new(known.map_or(i64::MIN, Timestamp::as_micros)))
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        let newest = self.0.load(Ordering::Relaxed);
        (newest != i64::MIN).then(|| Timestamp::from_micros(newest))
    }

    /// The clock has given this time, and is not known to be behind.
    pub(super) fn note(&self, time: Timestamp) {
        self.0.fetch_max(time.as_micros(), Ordering::Relaxed);
    }

    /// It is now, whatever was known before.
    pub(super) fn believe(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::Relaxed);
    }
}

/// The machine's clock beside the one that nobody sets.
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

    /// Whether the clock was set since the last look, at least by a minute.
    pub(super) fn look(&mut self, instant: Instant, now: Timestamp) -> Option<ClockJump> {
        let (then, before) = std::mem::replace(&mut self.last, (instant, now));
        let elapsed = i64::try_from((instant - then).as_micros()).unwrap_or(i64::MAX);
        let expected = Timestamp::from_micros(before.as_micros().saturating_add(elapsed));
        let by = now.abs_diff(expected);
        (by >= MIN_JUMP).then_some(if now > expected { ClockJump::Forward(by) } else { ClockJump::Back(by) })
    }
}

/// For how long alerts are kept that waited while the clock jumped forward: their times are those of before. The
/// jump is no part of their age.
#[derive(Debug, Default)]
pub(super) struct Grace {
    jumps: Duration,
    before: Offset,
}

impl Grace {
    /// The clock has jumped forward by so much, behind all events before `next`.
    pub(super) fn note(&mut self, jump: Duration, next: Offset) {
        self.jumps = self.jumps.saturating_add(jump);
        self.before = next;
    }

    /// How much longer than others the alert of this event is kept.
    pub(super) fn of(&self, offset: Offset) -> Duration {
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
    fn a_capture_file_of_the_future_says_nothing_of_the_time() {
        assert_eq!(TimeFloor::new(Some(at(9000)), Some(at(1000))).get(), Some(at(1000)));
        assert_eq!(TimeFloor::new(Some(at(900)), Some(at(1000))).get(), Some(at(900)));
        assert_eq!(TimeFloor::new(None, Some(at(1000))).get(), None);
    }

    #[test]
    fn what_is_known_goes_back_only_where_the_clock_is_believed() {
        let known = TimeFloor::new(None, None);
        for (noted, expected) in [(1000, 1000), (900, 1000), (1001, 1001)] {
            known.note(at(noted));
            assert_eq!(known.get(), Some(at(expected)));
        }
        known.believe(at(500));
        assert_eq!(known.get(), Some(at(500)));
    }

    #[test]
    fn a_clock_that_was_set_is_told_from_time_that_passes() {
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
            assert_eq!(clock.look(start + Duration::from_secs(elapsed), at(now)), expected, "{elapsed}");
        }
    }

    #[test]
    fn a_jump_is_no_part_of_the_age_of_what_waited() {
        let mut grace = Grace::default();
        assert_eq!(grace.of(Offset(0)), Duration::ZERO);
        grace.note(Duration::from_secs(100), Offset(7));
        grace.note(Duration::from_secs(100), Offset(9));
        assert_eq!(grace.of(Offset(8)), Duration::from_secs(200));
        assert_eq!(grace.of(Offset(9)), Duration::ZERO);
    }
}

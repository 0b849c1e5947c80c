//! Whether a source's clock is behind or ahead, from the times of its frames.
//!
//! - A live frame was captured a moment ago ([`Delay`]). A time that is far from that is wrong: the frame counts at the
//!   present time, and its probe is marked if the source's clock is behind.
//! - While the machine's clock is in doubt, so are the times that it gives to frames. Such a probe counts at the
//!   recorder's time, and is marked.
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
/// at the edge would be reported again and again. A connection takes longer than the way from the kernel.
const RECOVERY_TOLERANCE: Duration = Duration::from_secs(1);
const CONNECTION_RECOVERY_TOLERANCE: Duration = Duration::from_secs(20);

/// How long ago a frame that arrives was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delay {
    /// An interface's frame may have waited in the kernel, as while the machine slept. It is no older than the newest
    /// time that is known ([`RecorderHandle::time_floor`]) and this program.
    InKernel,
    /// That of a command came through a connection: it was captured now.
    OnConnection,
    /// Nobody knows it of a pipe, which may give the frames of an old file. Only a time before the year 2000 is of a
    /// clock that counts from its start.
    Unknown,
}

/// The clock of a source.
#[derive(Debug, Default)]
pub(super) struct SourceClock {
    is_behind: AtomicBool,
    is_ahead: AtomicBool,
}

/// What is known of the time when a frame arrives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// By the recorder's clock.
    pub now: Timestamp,
    /// By the machine's clock, which gives interfaces' frames their times.
    pub machine: Timestamp,
    /// The newest time of a live frame or a change.
    pub newest: Option<Timestamp>,
    /// How old the frame may be.
    pub delay: Delay,
}

impl Times {
    /// The earliest time that the frame can have, and the tolerances for a clock that was right and for one that was
    /// behind.
    fn earliest(self) -> (Timestamp, [Duration; 2]) {
        match self.delay {
            Delay::InKernel => (lower_bound(self.newest), [TOLERANCE, RECOVERY_TOLERANCE]),
            Delay::OnConnection => (lower_bound(Some(self.now)), [TOLERANCE, CONNECTION_RECOVERY_TOLERANCE]),
            Delay::Unknown => (Timestamp::YEAR_2000, [Duration::ZERO; 2]),
        }
    }
}

/// What a frame's time says about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CheckedTime {
    /// The frame's time.
    pub time: Timestamp,
    /// If that is known to be wrong: when it was captured at least.
    pub not_before: Option<Timestamp>,
    /// What the frame has shown about the source's clock.
    pub news: Option<ClockNews>,
}

/// What a frame has shown about the source's clock for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockNews {
    Ahead,
    Behind,
    Right,
}

impl SourceClock {
    /// Checks and corrects the time of a frame.
    pub(super) fn check(&self, given: Timestamp, times: Times) -> CheckedTime {
        let Times { now, machine, .. } = times;
        if machine.abs_diff(now) > TOLERANCE && given.abs_diff(machine) <= TOLERANCE {
            // It is as old as the clock says that gave it its time.
            let age = Duration::from_micros(
                machine.as_micros().saturating_sub(given.as_micros()).max(0).cast_unsigned(),
            );
            let captured = now.saturating_sub(age);
            return CheckedTime { time: given.min(captured), not_before: Some(captured), news: None };
        }
        let is_ahead = given.saturating_sub(TOLERANCE) > now;
        let was_ahead = self.is_ahead.swap(is_ahead, Relaxed);
        let time = if is_ahead { now } else { given };
        let was_behind = self.is_behind.load(Relaxed);
        let (earliest, [tolerance, recovery]) = times.earliest();
        let is_behind = time < earliest.saturating_sub(if was_behind { recovery } else { tolerance });
        self.is_behind.store(is_behind, Relaxed);
        let news = match (is_behind, was_behind) {
            (true, false) => Some(ClockNews::Behind),
            (false, true) => Some(ClockNews::Right),
            _ => (is_ahead && !was_ahead).then_some(ClockNews::Ahead),
        };
        CheckedTime { time, not_before: is_behind.then_some(now), news }
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Relaxed)
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

    /// Checks a time while it is 5000 by both clocks.
    #[track_caller]
    fn check(
        clock: &SourceClock,
        given: i64,
        newest: Option<i64>,
        (time, is_marked): (i64, bool),
        news: Option<ClockNews>,
    ) {
        let newest = newest.map(at);
        let times = Times { now: at(5000), machine: at(5000), newest, delay: Delay::InKernel };
        let not_before = is_marked.then_some(at(5000));
        assert_eq!(
            clock.check(at(given), times),
            CheckedTime { time: at(time), not_before, news },
            "{given}"
        );
        assert_eq!(clock.is_behind(), is_marked);
    }

    #[test]
    fn a_time_before_the_newest_event_is_behind_and_counts_as_now() {
        let clock = SourceClock::default();
        check(&clock, 1000, None, (1000, false), None);
        check(&clock, 940, Some(1000), (940, false), None);
        check(&clock, 939, Some(1000), (939, true), Some(ClockNews::Behind));
        check(&clock, 0, Some(1001), (0, true), None);
        check(&clock, 999, Some(1001), (999, true), None);
        check(&clock, 1000, Some(1001), (1000, false), Some(ClockNews::Right));
        check(&clock, 1000, Some(1001), (1000, false), None);
    }

    #[test]
    fn a_time_ahead_of_the_machines_is_corrected() {
        let clock = SourceClock::default();
        check(&clock, 4900, None, (4900, false), None);
        check(&clock, 5060, None, (5060, false), None);
        check(&clock, 5061, None, (5000, false), Some(ClockNews::Ahead));
        check(&clock, 9999, None, (5000, false), None);
        check(&clock, 5000, None, (5000, false), None);
        // Reported again after it was right.
        check(&clock, 9999, None, (5000, false), Some(ClockNews::Ahead));
    }

    #[test]
    fn a_time_before_the_build_is_behind() {
        let clock = SourceClock::default();
        check(&clock, -61, None, (-61, true), Some(ClockNews::Behind));
        check(&clock, -1_000_000, Some(-1_000_001), (-1_000_000, true), None);
        check(&clock, 5, Some(-1_000_000), (5, false), Some(ClockNews::Right));
    }

    /// When frames of these times count by a clock of their own, if it is 5000, and whether they are marked.
    fn counted(delay: Delay, given: &[i64]) -> Vec<(i64, bool)> {
        let clock = SourceClock::default();
        let times = Times { now: at(5000), machine: at(5000), newest: None, delay };
        let checked = given.iter().map(|given| clock.check(at(*given), times));
        let counted =
            checked.map(|CheckedTime { time, not_before, .. }| (not_before.unwrap_or(time), not_before));
        let seconds = |time: Timestamp| time.as_micros() / 1_000_000 - BUILT_SECONDS;
        counted.map(|(time, not_before)| (seconds(time), not_before.is_some())).collect()
    }

    #[test]
    fn a_frame_of_a_command_was_captured_now_whatever_was_before_it() {
        let of = |given: &[i64]| counted(Delay::OnConnection, given);
        assert_eq!(
            of(&[4940, 4939, 4979, 4980, 4941]),
            [(4940, false), (5000, true), (5000, true), (4980, false), (4941, false)]
        );
        let boot = 60 - BUILT_SECONDS;
        assert_eq!(
            of(&[boot, boot + 130, 100, 5061, 9999]),
            [(5000, true), (5000, true), (5000, true), (5000, false), (5000, false)]
        );
    }

    #[test]
    fn a_pipe_may_give_an_old_file_but_no_impossible_time() {
        let (boot, old) = (60 - BUILT_SECONDS, 946_684_800 - BUILT_SECONDS);
        assert_eq!(
            counted(Delay::Unknown, &[100, old, old - 1, boot, 100, 5060, 5061]),
            [
                (100, false),
                (old, false),
                (5000, true),
                (5000, true),
                (100, false),
                (5060, false),
                (5000, false)
            ]
        );
    }

    #[test]
    fn while_the_machines_clock_is_in_doubt_a_frame_is_as_old_as_it_says() {
        let clock = SourceClock::default();
        for machine in [900_000_000, -900_000_000] {
            let newest = Some(at(4999));
            let times = Times { now: at(5000), machine: at(machine), newest, delay: Delay::InKernel };
            let check = |given| {
                let CheckedTime { time, not_before, news } = clock.check(at(given), times);
                assert_eq!(news, None);
                (time, not_before)
            };
            let marked = (at(4998.min(machine - 2)), Some(at(4998)));
            assert_eq!(check(machine - 2), marked);
            // The kernel gave this one its time after the clock was read.
            assert_eq!(check(machine + 1), (at(5000.min(machine + 1)), Some(at(5000))));
            // A sensor elsewhere has a clock of its own, and this frame was captured before the jump.
            assert_eq!(check(4997), (at(4997), None));
        }
    }
}

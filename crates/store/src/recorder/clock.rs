//! The recorder's clock. It does not follow the machine's clock when that jumps.
//!
//! - The time is CLOCK_BOOTTIME, which nobody can set and which counts while the machine sleeps, plus an offset. The
//!   offset follows the machine's clock as long as the two differ by no more than clocks drift ([`TOLERANCE`]).
//! - Otherwise the machine's clock is in doubt, and time goes on by the monotonic clock alone. That ends when the machine's
//!   clock agrees again, or when a time server or a person confirms it ([`RecorderHandle::trust_clock`]).
//! - A file in the data directory carries the time over restarts. Within one boot it is exact. After another boot nobody
//!   knows how long the machine was off, so the time is a lower bound, and the machine's clock is believed if it is later by
//!   at most [`MAX_OFF`].
//!
//! [`RecorderHandle::trust_clock`]: super::RecorderHandle::trust_clock

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// The least jump of a clock that was set; less may be due to a busy machine.
const TOLERANCE: Duration = Duration::from_secs(60);

/// Clocks may drift apart by this part of the time that passes.
const DRIFT_DIVISOR: u64 = 1000;

/// After this long, agreement is measured anew.
const ANCHOR_AGE: Duration = Duration::from_secs(86_400);

/// For how long the machine may have been off, unless a time server or a person says more.
const MAX_OFF: Duration = Duration::from_secs(31 * 86_400);

/// How often the file is written while nothing changes.
const SAVE_INTERVAL: Duration = Duration::from_secs(3600);

/// The file in the data directory.
const FILE: &str = "clock";

/// The machine's clocks, read together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Microseconds since the boot, also while the machine slept.
    monotonic: i64,
    /// What the machine's clock says.
    machine: Timestamp,
}

impl Reading {
    fn now() -> Self {
        Self { monotonic: monotonic(), machine: Timestamp::now() }
    }
}

fn monotonic() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1000)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// What is known of the time at a start.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// The offset when the file was written, earlier in this boot; and the monotonic time of that.
    Exactly {
        offset: i64,
        at: i64,
    },
    /// It is at least the first, and was the second when the log or the file was last written.
    AtLeast(Timestamp, Timestamp),
    Nothing,
}

/// That the machine's clock is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDoubt {
    /// Since when, by the recorder's clock.
    pub since: Timestamp,
    /// The recorder's time.
    pub now: Timestamp,
    /// What the machine's clock says.
    pub machine: Timestamp,
    /// Whether the recorder's time is only a lower bound: nobody knows how long the machine was off.
    pub is_estimate: bool,
}

/// What has changed about the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockChange {
    /// The machine's clock is in doubt from now on.
    Doubted(ClockDoubt),
    /// It is no longer. Until now the time was this.
    Believed { before: Timestamp, now: Timestamp, since: Option<Timestamp> },
}

/// The rules, without the machine.
#[derive(Debug, Clone)]
struct Steering {
    /// The time is the monotonic clock plus this, in microseconds.
    offset: i64,
    /// A moment at which the machine's clock was believed: the monotonic time and the offset.
    anchor: (i64, i64),
    /// If the time is a lower bound: the latest time that the machine's clock is believed at once.
    believed_until: Option<Timestamp>,
    /// Since when the machine's clock is in doubt.
    doubted: Option<Timestamp>,
}

impl Steering {
    /// The state at a start. No time before `earliest` is believed.
    fn start(reading: Reading, known: Known, earliest: Timestamp) -> Self {
        let at = |offset: i64, since, believed_until| Self {
            offset,
            anchor: (since, offset),
            believed_until,
            doubted: None,
        };
        let mut steering = match known {
            Known::Exactly { offset, at: since }
                if reading.monotonic.saturating_add(offset) >= earliest.as_micros() =>
            {
                at(offset, since, None)
            }
            Known::Exactly { .. } => at(
                earliest.as_micros() - reading.monotonic,
                reading.monotonic,
                Some(earliest.saturating_add(MAX_OFF)),
            ),
            Known::AtLeast(time, written) => {
                let time = time.max(earliest);
                let until = written.max(time).saturating_add(MAX_OFF);
                at(time.as_micros() - reading.monotonic, reading.monotonic, Some(until))
            }
            Known::Nothing => {
                at(earliest.as_micros() - reading.monotonic, reading.monotonic, Some(Timestamp::MAX))
            }
        };
        if !steering.believes(reading) {
            steering.doubted = Some(steering.time(reading));
        } else if steering.believed_until.is_some() {
            steering.trust(reading);
        } else {
            steering.observe(reading);
        }
        steering
    }

    fn time(&self, reading: Reading) -> Timestamp {
        Timestamp::from_micros(reading.monotonic.saturating_add(self.offset))
    }

    /// Whether the machine's clock is as near as a clock that was not set.
    fn believes(&self, reading: Reading) -> bool {
        let (since, offset) = self.anchor;
        let elapsed = Duration::from_micros(reading.monotonic.abs_diff(since));
        let anchored = Timestamp::from_micros(reading.monotonic.saturating_add(offset));
        let tolerance = TOLERANCE + Duration::from_micros(elapsed.as_micros() as u64 / DRIFT_DIVISOR);
        match self.believed_until {
            None => reading.machine.abs_diff(anchored) < tolerance,
            Some(until) => {
                reading.machine >= anchored.saturating_sub(TOLERANCE)
                    && reading.machine <= until.saturating_add(elapsed)
            }
        }
    }

    /// Compares the clocks.
    fn observe(&mut self, reading: Reading) -> Option<ClockChange> {
        let now = self.time(reading);
        if !self.believes(reading) {
            if self.doubted.is_some() {
                return None;
            }
            self.doubted = Some(now);
            return self.doubt(reading).map(ClockChange::Doubted);
        }
        if self.doubted.is_some() {
            return self.believe(reading);
        }
        self.offset = reading.machine.as_micros() - reading.monotonic;
        if reading.monotonic.abs_diff(self.anchor.0) > ANCHOR_AGE.as_micros() as u64 {
            self.anchor = (reading.monotonic, self.offset);
        }
        None
    }

    /// The machine's clock is right. `None` if that was never in doubt.
    fn believe(&mut self, reading: Reading) -> Option<ClockChange> {
        let before = self.time(reading);
        let since = self.doubted;
        self.trust(reading);
        since.is_some().then_some(ClockChange::Believed { before, now: reading.machine, since })
    }

    fn trust(&mut self, reading: Reading) {
        self.offset = reading.machine.as_micros() - reading.monotonic;
        self.anchor = (reading.monotonic, self.offset);
        (self.believed_until, self.doubted) = (None, None);
    }

    fn doubt(&self, reading: Reading) -> Option<ClockDoubt> {
        let (now, machine) = (self.time(reading), reading.machine);
        self.doubted.map(|since| ClockDoubt {
            since,
            now,
            machine,
            is_estimate: self.believed_until.is_some(),
        })
    }
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedClock {
    /// Identifies the boot.
    boot: String,
    /// The time when it was written.
    time: Timestamp,
    /// Microseconds from the boot to that.
    monotonic_us: i64,
    /// Whether the time was a lower bound.
    #[serde(default)]
    is_estimate: bool,
}

impl SavedClock {
    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Replaces the file. After a crash the old one or the new one is there.
    fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(temporary, path)
    }
}

/// The recorder's clock.
#[derive(Debug)]
pub(super) struct Clock {
    offset: AtomicI64,
    steering: Mutex<Steering>,
    path: PathBuf,
    boot: Option<String>,
    /// The offset in the file, and the monotonic time at which it was written.
    saved: Mutex<Option<(i64, i64)>>,
}

impl Clock {
    /// The clock of this data directory. The log's newest event has the time `newest`, and the log was last written at
    /// `written`, by the machine's clock. No time before `earliest` is believed.
    pub(super) fn start(
        data_dir: &Path,
        newest: Option<Timestamp>,
        written: Option<Timestamp>,
        earliest: Timestamp,
    ) -> Self {
        let path = data_dir.join(FILE);
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned());
        let of_log = newest.zip(written).map(|(newest, written)| newest.min(written));
        let reading = Reading::now();
        let known = match SavedClock::read(&path) {
            Some(saved) if Some(&saved.boot) == boot.as_ref() && saved.monotonic_us <= reading.monotonic => {
                match saved.is_estimate {
                    false => Known::Exactly {
                        offset: saved.time.as_micros() - saved.monotonic_us,
                        at: saved.monotonic_us,
                    },
                    true => {
                        let passed = Duration::from_micros(reading.monotonic.abs_diff(saved.monotonic_us));
                        let time = saved.time.saturating_add(passed);
                        Known::AtLeast(time, time)
                    }
                }
            }
            Some(saved) => {
                let time = of_log.map_or(saved.time, |of_log| of_log.max(saved.time));
                Known::AtLeast(time, time)
            }
            None => match (of_log, written) {
                (Some(of_log), Some(written)) => Known::AtLeast(of_log, written),
                _ => Known::Nothing,
            },
        };
        let steering = Steering::start(reading, known, earliest);
        let clock = Self {
            offset: AtomicI64::new(steering.offset),
            steering: Mutex::new(steering),
            path,
            boot,
            saved: Mutex::new(None),
        };
        clock.save(false);
        clock
    }

    /// The time.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(monotonic().saturating_add(self.offset.load(Relaxed)))
    }

    /// Whether the machine's clock is in doubt.
    pub(super) fn doubt(&self) -> Option<ClockDoubt> {
        self.steering().doubt(Reading::now())
    }

    /// What to add to the machine's clock for the time, in microseconds; 0 while that is not in doubt.
    pub(super) fn offset_to_machine(&self) -> i64 {
        self.doubt().map_or(0, |doubt| doubt.now.as_micros().saturating_sub(doubt.machine.as_micros()))
    }

    /// Compares the machine's clock with the monotonic one.
    pub(super) fn observe(&self) -> Option<ClockChange> {
        self.steer(Steering::observe)
    }

    /// The machine's clock is right: a time server or a person says so.
    pub(super) fn believe(&self) -> Option<ClockChange> {
        self.steer(Steering::believe)
    }

    fn steer(&self, change: fn(&mut Steering, Reading) -> Option<ClockChange>) -> Option<ClockChange> {
        let change = {
            let mut steering = self.steering();
            let change = change(&mut steering, Reading::now());
            self.offset.store(steering.offset, Relaxed);
            change
        };
        self.save(change.is_some());
        change
    }

    /// Writes the file if it is due. It is an aid: a failure has no other effect than a less exact start.
    pub(super) fn save(&self, now: bool) {
        let (offset, is_estimate) = {
            let steering = self.steering();
            (steering.offset, steering.believed_until.is_some())
        };
        let (monotonic_us, mut saved) =
            (monotonic(), self.saved.lock().unwrap_or_else(PoisonError::into_inner));
        let is_due = saved.is_none_or(|(known, at)| {
            known.abs_diff(offset) > 1_000_000 || monotonic_us.saturating_sub(at) > micros(SAVE_INTERVAL)
        });
        let Some(boot) = self.boot.clone().filter(|_| now || is_due) else { return };
        let time = Timestamp::from_micros(monotonic_us.saturating_add(offset));
        let file = SavedClock { boot, time, monotonic_us, is_estimate };
        if let Err(error) = file.write(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "could not save the clock");
        }
        *saved = Some((offset, monotonic_us));
    }

    fn steering(&self) -> MutexGuard<'_, Steering> {
        self.steering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lower bound for the current time. The clocks of live sources are checked against it.
///
/// It is the newest time of live frames, and of changes by people and the program. The times of a capture file are its own
/// and do not count.
#[derive(Debug)]
pub(super) struct TimeFloor(AtomicI64);

impl TimeFloor {
    pub(super) fn new(floor: Option<Timestamp>) -> Self {
        Self(AtomicI64::new(floor.map_or(i64::MIN, Timestamp::as_micros)))
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        let floor = self.0.load(Relaxed);
        (floor != i64::MIN).then(|| Timestamp::from_micros(floor))
    }

    /// Notes a time of a clock that is not known to be behind.
    pub(super) fn raise(&self, time: Timestamp) {
        self.0.fetch_max(time.as_micros(), Relaxed);
    }

    /// Sets the floor to `now`, also if it was higher.
    pub(super) fn reset(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    /// `monotonic` seconds after the boot, while the machine's clock says `machine`.
    fn reading(monotonic: i64, machine: i64) -> Reading {
        Reading { monotonic: monotonic * 1_000_000, machine: at(machine) }
    }

    #[test]
    fn the_clock_of_the_machine_is_read_in_microseconds() {
        let before = Reading::now();
        let uptime = fs::read_to_string("/proc/uptime").ok();
        let after = Reading::now();
        assert!(0 < before.monotonic && before.monotonic <= after.monotonic);
        // It may have slept, which that does not count in all systems.
        let uptime = uptime.and_then(|text| text.split('.').next()?.parse::<i64>().ok()).unwrap_or(0);
        assert!(after.monotonic >= (uptime - 1) * 1_000_000);
        assert_eq!(micros(Duration::from_millis(3)), 3_000);
    }

    fn right(monotonic: i64, machine: i64) -> Steering {
        let steering = Steering::start(reading(monotonic, machine), Known::Nothing, at(0));
        assert_eq!(steering.doubted, None);
        steering
    }

    #[test]
    fn a_clock_that_is_set_is_in_doubt_until_it_agrees_again() {
        for jumped in [1_000_000 + 3650 * DAY, 1_000_000 - 365 * DAY] {
            let mut clock = right(100, 1_000_000);
            // Small corrections are followed.
            assert_eq!(clock.observe(reading(101, 1_000_010)), None);
            assert_eq!(clock.time(reading(102, 0)), at(1_000_011));
            let doubted = clock.observe(reading(103, jumped));
            let Some(ClockChange::Doubted(doubt)) = doubted else { panic!("{doubted:?}") };
            assert_eq!((doubt.since, doubt.now, doubt.machine), (at(1_000_012), at(1_000_012), at(jumped)));
            assert!(!doubt.is_estimate);
            assert_eq!(clock.observe(reading(104, jumped + 1)), None, "it is told once");
            assert_eq!(clock.time(reading(700, jumped + 597)), at(1_000_609), "time goes on");
            let believed = clock.observe(reading(800, 1_000_705));
            assert_eq!(
                believed,
                Some(ClockChange::Believed {
                    before: at(1_000_709),
                    now: at(1_000_705),
                    since: Some(at(1_000_012))
                })
            );
            assert_eq!((clock.doubted, clock.time(reading(900, 0))), (None, at(1_000_805)));
        }
    }

    #[test]
    fn a_clock_that_runs_away_in_small_steps_is_in_doubt() {
        let mut clock = right(0, 0);
        let doubted = (1..100).find(|step| clock.observe(reading(*step, step * 11)).is_some());
        assert_eq!(doubted, Some(7));
    }

    #[test]
    fn a_slow_drift_is_followed() {
        let mut clock = right(0, 0);
        for hour in 1..24 * 30 {
            // A second an hour.
            assert_eq!(clock.observe(reading(hour * 3600, hour * 3601)), None, "{hour}");
        }
    }

    #[test]
    fn a_time_server_or_a_person_ends_the_doubt() {
        let mut clock = right(100, 1_000_000);
        assert_eq!(clock.believe(reading(101, 1_000_001)), None);
        clock.observe(reading(102, 9_000_000));
        let believed = clock.believe(reading(103, 9_000_001));
        assert_eq!(
            believed,
            Some(ClockChange::Believed {
                before: at(1_000_003),
                now: at(9_000_001),
                since: Some(at(1_000_002))
            })
        );
        assert_eq!(clock.observe(reading(104, 9_000_002)), None);
    }

    #[track_caller]
    fn starts(known: Known, machine: i64, time: i64, is_doubted: bool) -> Steering {
        let clock = Steering::start(reading(50, machine), known, at(100));
        assert_eq!(clock.time(reading(50, machine)), at(time));
        assert_eq!(clock.doubted.is_some(), is_doubted);
        clock
    }

    #[test]
    fn within_a_boot_the_clock_goes_on_over_a_restart() {
        let known = Known::Exactly { offset: 1_000_000 * 1_000_000, at: 40_000_000 };
        starts(known, 1_000_050, 1_000_050, false);
        starts(known, 1_000_090, 1_000_090, false);
        starts(known, 1_000_050 + 3650 * DAY, 1_000_050, true);
        starts(known, 500, 1_000_050, true);
    }

    #[test]
    fn after_a_boot_the_clock_is_believed_if_it_may_be_right() {
        let known = Known::AtLeast(at(1_000_000), at(1_000_000));
        starts(known, 1_000_000 + 30 * DAY, 1_000_000 + 30 * DAY, false);
        starts(known, 999_941, 999_941, false);
        let mut behind = starts(known, 999_000, 1_000_000, true);
        starts(known, 1_000_000 + 3650 * DAY, 1_000_000, true);
        // Nobody knows how long it was off, so a plausible time is believed.
        assert!(behind.doubt(reading(50, 999_000)).unwrap().is_estimate);
        let believed = behind.observe(reading(60, 1_000_010 + 20 * DAY));
        assert!(matches!(believed, Some(ClockChange::Believed { .. })), "{believed:?}");
        assert!(behind.observe(reading(61, 1_000_010)).is_some(), "but from then on no jump is");
    }

    #[test]
    fn without_a_log_any_time_after_the_build_is_believed() {
        starts(Known::Nothing, 3650 * DAY, 3650 * DAY, false);
        let mut early = starts(Known::Nothing, 0, 100, true);
        assert!(early.observe(reading(60, 3650 * DAY)).is_some());
    }

    #[test]
    fn the_file_carries_the_time_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let start = || Clock::start(folder.path(), None, None, at(0));
        let first = start();
        assert_eq!(first.doubt(), None);
        // As if the machine's clock had been ten years earlier when it was written.
        let path = folder.path().join(FILE);
        let saved = SavedClock::read(&path).unwrap();
        let earlier = saved.time.saturating_sub(Duration::from_secs(3650 * 86_400));
        SavedClock { time: earlier, ..saved.clone() }.write(&path).unwrap();
        let second = start();
        let doubt = second.doubt().unwrap();
        assert!(second.now().abs_diff(earlier) < Duration::from_secs(100), "{doubt:?}");
        assert!(!doubt.is_estimate);
        // In another boot it is a lower bound.
        SavedClock { boot: "another".to_owned(), time: earlier, ..saved }.write(&path).unwrap();
        assert!(start().doubt().unwrap().is_estimate);
        assert!(start().doubt().unwrap().is_estimate, "also after another restart");
        // A torn file counts as none.
        fs::write(&path, b"{").unwrap();
        assert_eq!(start().doubt(), None);
    }

    #[test]
    fn the_floor_goes_back_only_when_the_clock_was_set() {
        let floor = TimeFloor::new(None);
        assert_eq!(floor.get(), None);
        for (raised, expected) in [(1000, 1000), (900, 1000), (1001, 1001)] {
            floor.raise(at(raised));
            assert_eq!(floor.get(), Some(at(expected)));
        }
        floor.reset(at(500));
        assert_eq!(floor.get(), Some(at(500)));
    }

    /// A reading `micros` µs off.
    fn moved(reading: Reading, micros: i64) -> Reading {
        Reading { machine: Timestamp::from_micros(reading.machine.as_micros() + micros), ..reading }
    }

    #[test]
    fn a_minute_is_a_jump_and_less_is_none() {
        for (jump, less) in [(60, -1), (-60, 1)] {
            let jumped = reading(100, 1_000_000 + jump);
            assert!(right(100, 1_000_000).observe(jumped).is_some());
            assert_eq!(right(100, 1_000_000).observe(moved(jumped, less)), None);
        }
        // Clocks drift: a thousandth of the time more.
        let later = reading(1_100, 1_000_000 + 1_000 + 61);
        assert!(right(100, 1_000_000).observe(later).is_some());
        assert_eq!(right(100, 1_000_000).observe(moved(later, -1)), None);
    }

    #[test]
    fn agreement_is_measured_anew_after_a_day() {
        for (after, anchor) in [(DAY, 0), (DAY + 1, DAY + 1)] {
            let mut clock = right(0, 0);
            assert_eq!(clock.observe(reading(after, after + 30)), None);
            assert_eq!(clock.anchor.0, anchor * 1_000_000);
        }
    }

    #[test]
    fn after_a_boot_the_bounds_of_what_is_believed_are_exact() {
        let known = Known::AtLeast(at(1_000_000), at(2_000_000));
        let is_doubted = |reading: Reading| Steering::start(reading, known, at(100)).doubted.is_some();
        for (machine, outside) in [(1_000_000 - 60, -1), (2_000_000 + 31 * DAY, 1)] {
            assert!(!is_doubted(reading(50, machine)), "{machine}");
            assert!(is_doubted(moved(reading(50, machine), outside)), "{machine}");
        }
        // The longer it runs, the later the time may be.
        let mut clock = Steering::start(reading(50, 0), known, at(100));
        let late = reading(60, 2_000_000 + 31 * DAY + 10);
        assert_eq!(clock.observe(moved(late, 1)), None);
        assert!(matches!(clock.observe(late), Some(ClockChange::Believed { .. })));
    }

    #[test]
    fn no_time_before_the_program_was_built_is_carried_over_a_restart() {
        // The file says a time before `earliest`, which is 100: that is a lower bound then.
        let known = |micros: i64| Known::Exactly { offset: micros, at: 40_000_000 };
        let exact = starts(known(50_000_000), 100, 100, false);
        assert_eq!(exact.anchor, (40_000_000, 50_000_000));
        let bound = starts(known(50_000_000 - 1), 100 + 31 * DAY, 100 + 31 * DAY, false);
        assert_eq!(bound.believed_until, None, "it is trusted from now on");
        starts(known(50_000_000 - 1), 101 + 31 * DAY, 100, true);
        let known = Known::AtLeast(at(7), at(8));
        starts(known, 100 + 31 * DAY, 100 + 31 * DAY, false);
        starts(known, 101 + 31 * DAY, 100, true);
    }

    #[test]
    fn without_the_file_the_log_tells_the_time() {
        let start = |newest: Timestamp, written| {
            let folder = tempfile::tempdir().unwrap();
            Clock::start(folder.path(), Some(newest), written, at(0))
        };
        let (long_ago, now) = (at(1_000_000), Timestamp::now());
        let clock = start(long_ago, Some(long_ago));
        let doubt = clock.doubt().unwrap();
        assert!(doubt.is_estimate && clock.now().abs_diff(long_ago) < Duration::from_secs(100), "{doubt:?}");
        let behind = clock.offset_to_machine();
        assert!((behind - (long_ago.as_micros() - now.as_micros())).abs() < 100_000_000, "{behind}");
        // The newest event may be of a clock that was ahead: it was written when the file was.
        assert!(start(Timestamp::MAX, Some(now)).doubt().is_none());
        assert!(start(now, Some(Timestamp::MAX)).doubt().is_none());
        assert_eq!(start(now, Some(now)).offset_to_machine(), 0);
        assert!(start(long_ago, None).doubt().is_none(), "nobody knows when that was");
    }

    #[test]
    fn the_file_is_written_when_the_time_has_changed_and_once_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start(folder.path(), None, None, at(0));
        let path = folder.path().join(FILE);
        let is_written = |saved: (i64, i64)| {
            fs::remove_file(&path).unwrap();
            *clock.saved.lock().unwrap() = Some(saved);
            clock.save(false);
            let is_written = path.exists();
            clock.save(true);
            assert!(path.exists());
            is_written
        };
        let (offset, hour) = (clock.offset.load(Relaxed), 3_600_000_000);
        assert!(!is_written((offset, monotonic())));
        assert!(!is_written((offset - 1_000_000, monotonic())));
        assert!(is_written((offset - 1_000_001, monotonic())));
        assert!(is_written((offset + 1_000_001, monotonic())));
        assert!(!is_written((offset, monotonic() - hour + 600_000_000)));
        assert!(is_written((offset, monotonic() - hour - 1)));
    }
}

//! How long events and addresses are kept: which addresses and which segments of the log are due to leave.
//!
//! What is too old leaves in steps, so that a person can stop it: a day's worth an hour. If far more than usual is too
//! old, as after a long time without the service, that is announced a day before it begins. While the machine's clock is
//! in doubt, nothing leaves because of its age.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::event::{Event, EventKind, EvictionScope, Offset, Timestamp};
use crate::event_log::{Rotation, SealedSegment, Writer};
use crate::state::State;

/// How long events and addresses are kept; `None` means for good.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// How long an event stays in the log.
    pub log_age: Option<Duration>,
    /// How large the log may become, in bytes.
    pub log_bytes: Option<u64>,
    /// How long a random address without a name stays in the state after its last probe.
    pub random_addresses: Option<Duration>,
}

/// Segments for which the log has room in addition to the sealed ones: the one that is written, and the one that is
/// being compressed.
const UNSEALED_SEGMENTS: u64 = 2;

/// A log that is too large shrinks by this part of its limit more than it must. One snapshot then serves for many
/// segments.
const PRUNE_SLACK_DIVISOR: u64 = 8;

const DAY_MICROS: i64 = 86_400_000_000;

const DAY: Duration = Duration::from_secs(86_400);

/// How much leaves in a step, and how often there is one.
const STEP: Duration = DAY;
const STEP_INTERVAL: Duration = Duration::from_secs(3600);

/// Removing more than this is announced: a day's worth becomes too old every day.
const UNANNOUNCED: Duration = Duration::from_secs(3 * 86_400);

/// How long before it begins.
const NOTICE: Duration = DAY;

/// That many events are too old and will leave the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDeletion {
    /// When the oldest of them were recorded.
    pub oldest: Timestamp,
    /// What was recorded before this is too old.
    pub before: Timestamp,
    /// When the first of them leave.
    pub starts: Timestamp,
}

/// The steps in which old segments leave.
#[derive(Debug)]
pub(super) struct AgeSteps {
    /// When the next step is due.
    next: Instant,
    /// If far more than usual is too old: when the first step is due.
    announced: Option<(Instant, Timestamp)>,
}

impl AgeSteps {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, announced: None }
    }

    /// What was recorded before which time may leave now, and what is announced. The oldest segment was recorded at
    /// `oldest`, and what was recorded before `before` is too old; it is `time` now.
    pub(super) fn next(
        &mut self,
        (now, time): (Instant, Timestamp),
        oldest: Option<Timestamp>,
        before: Option<Timestamp>,
    ) -> (Option<Timestamp>, Option<PendingDeletion>) {
        let old = oldest.zip(before).filter(|(oldest, before)| oldest < before);
        let is_much = old.is_some_and(|(oldest, before)| before.abs_diff(oldest) > UNANNOUNCED);
        if !is_much {
            self.announced = None;
        }
        let Some((oldest, before)) = old else { return (None, None) };
        let announced =
            is_much.then(|| *self.announced.get_or_insert((now + NOTICE, time.saturating_add(NOTICE))));
        let is_due = now >= self.next && announced.is_none_or(|(starts, _)| now >= starts);
        let due = is_due.then(|| before.min(oldest.saturating_add(STEP)));
        (due, announced.map(|(_, starts)| PendingDeletion { oldest, before, starts }))
    }

    /// A step was taken.
    pub(super) fn taken(&mut self, now: Instant) {
        self.next = now + STEP_INTERVAL;
    }
}

/// The eviction of random addresses whose last probe is older than `age`, if there are any. If the clock is ahead of
/// the last probe, the age counts from that probe.
pub(super) fn evict_old(state: &State, age: Duration, now: Timestamp) -> Option<Event> {
    let newest = state.totals().last_probe?.min(now);
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let before = newest.as_micros().saturating_sub(age);
    // Whole days: one such event a day.
    let last_seen_before = Timestamp::from_micros(before - before.rem_euclid(DAY_MICROS));
    let addresses = EvictionScope::Random;
    // A day's worth at a time, see the module.
    let oldest = state.oldest_evictable(addresses).filter(|oldest| *oldest < last_seen_before)?;
    let step = Timestamp::from_micros(oldest.as_micros() - oldest.as_micros().rem_euclid(DAY_MICROS))
        .saturating_add(STEP);
    let last_seen_before = last_seen_before.min(step);
    Some(Event::new(now, EventKind::Evict { addresses, last_seen_before }))
}

/// The offset before which all segments are due to leave, if any are: those that were completed before this, and
/// the oldest of a log that would exceed its limit.
pub(super) fn segments_to_prune(
    log: &mut Writer,
    before: Option<Timestamp>,
    retention: Retention,
    rotation: Rotation,
) -> Option<Offset> {
    let segments: Vec<_> = log.sealed_segments().collect();
    let before = before.map(SystemTime::from);
    let old = segments.iter().take_while(|segment| before.is_some_and(|before| segment.modified < before));
    let too_old = old.last().map(|segment| segment.end);

    let too_many = surplus_bytes(&segments, retention, rotation).and_then(|surplus| {
        let mut freed = 0;
        let leaving = segments.iter().take_while(|segment| {
            let is_surplus = freed < surplus;
            freed += segment.bytes;
            is_surplus
        });
        leaving.last().map(|segment| segment.end)
    });
    too_old.max(too_many)
}

/// How many bytes of these segments must leave the log, if it exceeds its limit.
pub(super) fn surplus_bytes(
    segments: &[SealedSegment],
    retention: Retention,
    rotation: Rotation,
) -> Option<u64> {
    let limit = retention.log_bytes?;
    let limit = limit - UNSEALED_SEGMENTS * rotation.bytes.min(limit / 4);
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    (bytes > limit).then(|| bytes - (limit - limit / PRUNE_SLACK_DIVISOR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Probe;
    use dot11::{MacAddr, RequestedSsid};

    fn at(days: i64) -> Timestamp {
        Timestamp::from_micros(days * DAY_MICROS)
    }

    #[test]
    fn old_segments_leave_a_days_worth_an_hour() {
        let start = Instant::now();
        let mut steps = AgeSteps::new(start);
        let mut next = |minutes: u64, oldest, before| {
            let now = start + Duration::from_secs(60 * minutes);
            let (due, pending) = steps.next((now, at(1000)), Some(at(oldest)), Some(at(before)));
            assert_eq!(pending, None);
            if due.is_some() {
                steps.taken(now);
            }
            due
        };
        assert_eq!(next(0, 10, 10), None);
        assert_eq!(next(0, 10, 13), Some(at(11)));
        assert_eq!(next(1, 11, 13), None);
        assert_eq!(next(60, 11, 13), Some(at(12)));
        assert_eq!(next(120, 12, 13), Some(at(13)));
        assert_eq!(next(180, 13, 13), None);
    }

    #[test]
    fn far_more_than_usual_is_announced_a_day_before() {
        let start = Instant::now();
        let mut steps = AgeSteps::new(start);
        let mut next = |hours: u64, before| {
            let now = start + Duration::from_secs(3600 * hours);
            steps.next((now, at(1000)), Some(at(10)), before)
        };
        let pending = |before| Some(PendingDeletion { oldest: at(10), before: at(before), starts: at(1001) });
        assert_eq!(next(0, Some(at(20))), (None, pending(20)));
        assert_eq!(next(23, Some(at(21))), (None, pending(21)));
        assert_eq!(next(24, Some(at(21))), (Some(at(11)), pending(21)));
        // While the clock is in doubt, or somebody has stopped it, nothing is too old. Then it is announced anew.
        assert_eq!(next(25, None), (None, None));
        assert_eq!(next(26, Some(at(21))), (None, pending(21)));
    }

    #[test]
    fn a_log_at_its_limit_stays_and_one_above_it_makes_some_room() {
        let rotation = Rotation { bytes: 100, age: Duration::MAX };
        let surplus = |bytes, log_bytes| {
            let modified = SystemTime::UNIX_EPOCH;
            let segment = SealedSegment { base: Offset(0), end: Offset(1), bytes, modified };
            surplus_bytes(&[segment, segment], Retention { log_bytes, ..Retention::default() }, rotation)
        };
        let room = UNSEALED_SEGMENTS * 100;
        let limit = 10_000 - room;
        assert_eq!(surplus(1 << 40, None), None);
        assert_eq!(surplus(limit / 2, Some(10_000)), None);
        let rest = limit - limit / PRUNE_SLACK_DIVISOR;
        assert_eq!(surplus(limit / 2 + 1, Some(10_000)), Some(limit + 2 - rest));
        // Of a small limit at most a quarter is left for each segment that is not sealed.
        let limit = 200 - UNSEALED_SEGMENTS * 50;
        assert_eq!(
            (surplus(limit / 2, Some(200)), surplus(limit / 2 + 1, Some(200)).is_some()),
            (None, true)
        );
    }

    #[test]
    fn addresses_leave_a_days_worth_at_a_time() {
        let mut state = State::default();
        for day in [10, 12, 40] {
            let source = MacAddr::new([2, 0, 0, 0, 0, day]);
            let micros = i64::from(day) * DAY_MICROS + 5;
            let probe = Probe::example(source, RequestedSsid::Wildcard, micros);
            state.fold(state.next_offset(), &Event::from(probe));
        }
        let before = |age: u64, now| {
            let event = evict_old(&state, Duration::from_secs(age * 86_400), now)?;
            let EventKind::Evict { last_seen_before, .. } = event.kind else { panic!("{event:?}") };
            assert_eq!(event.time, Some(now));
            Some(last_seen_before)
        };
        assert_eq!(before(30, at(40)), None, "the last of day 10 is not older than that");
        assert_eq!(before(29, at(41)), Some(at(11)));
        assert_eq!(before(10, at(41)), Some(at(11)), "not all at once");
        // A clock that is ahead makes nothing older.
        assert_eq!(before(30, at(4_000)), None);
        assert_eq!(before(29, at(39)), None);
    }
}

//! How long events and addresses are kept: which addresses and which segments of the log are due to leave.

use std::time::{Duration, SystemTime};

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

/// The eviction of random addresses whose last probe is older than `age`, if there are any. If the clock is ahead of
/// the last probe, the age counts from that probe.
pub(super) fn evict_old(state: &State, age: Duration, now: Timestamp) -> Option<Event> {
    let newest = state.totals().last_probe?.min(now);
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let before = newest.as_micros().saturating_sub(age);
    // Whole days: one such event a day.
    let last_seen_before = Timestamp::from_micros(before - before.rem_euclid(DAY_MICROS));
    let addresses = EvictionScope::Random;
    let is_any = state.has_evictable(addresses, last_seen_before);
    is_any.then_some(Event::new(now, EventKind::Evict { addresses, last_seen_before }))
}

/// The offset before which all segments are due to leave, if any are: those that were completed too long ago, and
/// the oldest of a log that would exceed its limit.
pub(super) fn segments_to_prune(
    log: &mut Writer,
    retention: Retention,
    rotation: Rotation,
) -> Option<Offset> {
    let segments: Vec<_> = log.sealed_segments().collect();
    let oldest = retention.log_age.and_then(|age| SystemTime::now().checked_sub(age));
    let old = segments.iter().take_while(|segment| oldest.is_some_and(|oldest| segment.modified < oldest));
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

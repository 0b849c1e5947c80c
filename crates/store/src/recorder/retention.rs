//! What leaves: addresses that were not heard for long, and segments of the log that are too old or too many.
//!
//! Before a segment goes, a snapshot of a later state is on disk and was read back. It is copied and written on
//! a thread of its own, from a [`CowSnapshot`] of the state.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tracing::{info, warn};

use super::Settings;
use super::handle::Shared;
use crate::event::{Event, EventKind, EvictionScope, Offset, Timestamp};
use crate::event_log::{Snapshots, Writer};
use crate::state::{CowSnapshot, State};

/// How often the log is looked at.
const PRUNE_INTERVAL: Duration = Duration::from_millis(100);

/// The wait after a snapshot that could not be made.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// Segments for which the log has room besides those that are sealed: the one that is written, and the one
/// that is being compressed.
const UNSEALED_SEGMENTS: u64 = 2;

/// A log that is too large is brought down by one part in so many more than it must, so that a snapshot
/// serves for many segments.
const PRUNE_SLACK_DIVISOR: u64 = 8;

/// Events between two looks for addresses that may leave, where none may: as many bring a few MiB of devices.
const EVICTION_RETRY_EVENTS: u64 = 16_384;

const DAY_MICROS: i64 = 86_400_000_000;

/// The random addresses that are to leave because they were not heard for long, if there are any. What is
/// now is told by the last probe where the clock is ahead of it.
pub(super) fn forget_old(state: &State, age: Duration, now: Timestamp) -> Option<Event> {
    let newest = state.totals().last_probe?.min(now);
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let before = newest.as_micros().saturating_sub(age);
    // Whole days, so that there is one such event a day.
    let last_seen_before = Timestamp::from_micros(before - before.rem_euclid(DAY_MICROS));
    let addresses = EvictionScope::Random;
    let is_any = state.has_evictable(addresses, last_seen_before);
    is_any.then_some(Event::new(now, EventKind::Evict { addresses, last_seen_before }))
}

/// How addresses leave because there are too many to hold in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryLimit {
    /// Where nobody could leave: the offset from which on it is looked again.
    next_attempt: Offset,
}

impl MemoryLimit {
    /// The addresses that are to leave now, if any are.
    pub(super) fn forget(&mut self, state: &State, limit: usize, now: Timestamp) -> Option<Event> {
        let next = state.next_offset();
        if next < self.next_attempt || !state.exceeds_memory_limit(limit) {
            return None;
        }
        let whom = state.choose_eviction(limit);
        if whom.is_none() {
            self.next_attempt = Offset(next.0.saturating_add(EVICTION_RETRY_EVENTS));
        }
        let (addresses, last_seen_before) = whom?;
        Some(Event::new(now, EventKind::Evict { addresses, last_seen_before }))
    }
}

/// The offset before which all segments are to go, if any are: those that were written to their end too long
/// ago, and the oldest of a log that would not stay below its limit.
pub(super) fn segments_to_prune(log: &mut Writer, settings: &Settings) -> Option<Offset> {
    let retention = settings.retention;
    let segments: Vec<_> = log.sealed_segments().collect();
    let oldest = retention.log_age.and_then(|age| SystemTime::now().checked_sub(age));
    let old = segments.iter().take_while(|segment| oldest.is_some_and(|oldest| segment.modified < oldest));
    let too_old = old.last().map(|segment| segment.end);

    let room =
        retention.log_bytes.map(|limit| limit - UNSEALED_SEGMENTS * settings.rotation.bytes.min(limit / 4));
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let too_many = room.filter(|room| bytes > *room).and_then(|room| {
        let mut left = bytes;
        let surplus = segments.iter().take_while(|segment| {
            let goes = left > room - room / PRUNE_SLACK_DIVISOR;
            left -= segment.bytes;
            goes
        });
        surplus.last().map(|segment| segment.end)
    });
    too_old.max(too_many)
}

/// How segments go: first a snapshot, then they.
pub(super) struct SegmentPruner {
    next: Instant,
    job: Option<Job>,
}

struct Job {
    /// The offset before which the segments go.
    before: Offset,
    thread: JoinHandle<Result<(), String>>,
}

impl SegmentPruner {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, job: None }
    }

    /// Whether it is time to look for segments that are to go.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.job.is_none() && now >= self.next;
        if is_due {
            self.next = now + PRUNE_INTERVAL;
        }
        is_due
    }

    /// Begins to write the snapshot after which the segments before `before` may go: what `cut`, which was just
    /// begun in the state of `shared`, becomes.
    pub(super) fn begin(&mut self, data_dir: &Path, shared: &Arc<Shared>, cut: CowSnapshot, before: Offset) {
        let (snapshots, shared) = (Snapshots::of(data_dir), Arc::clone(shared));
        let offset = cut.next_offset();
        let time = Timestamp::now();
        let write = move || {
            let image = shared.finish_cow_snapshot(cut).map_err(|error| error.to_string())?;
            snapshots
                .write(offset, |file| image.write_to(time, file), |file| image.verify(file))
                .map_err(|error| error.to_string())
        };
        info!("taking a snapshot at event {offset}, so that the log's segments before event {before} can go");
        match thread::Builder::new().name("snapshot".to_owned()).spawn(write) {
            Ok(thread) => self.job = Some(Job { before, thread }),
            Err(error) => {
                warn!("could not start a thread to take a snapshot: {error}");
                self.next = Instant::now() + RETRY_INTERVAL;
            }
        }
    }

    /// The offset before which the segments may go now, once after each snapshot.
    pub(super) fn poll(&mut self) -> Option<Offset> {
        self.job.take_if(|job| job.thread.is_finished()).and_then(|job| self.end(job))
    }

    /// Waits for a snapshot that is being taken.
    pub(super) fn finish(&mut self) -> Option<Offset> {
        self.job.take().and_then(|job| self.end(job))
    }

    fn end(&mut self, job: Job) -> Option<Offset> {
        let why = match job.thread.join() {
            Ok(Ok(())) => return Some(job.before),
            Ok(Err(error)) => error,
            Err(_) => "taking it ended unexpectedly".to_owned(),
        };
        warn!("there is no snapshot ({why}); segments of the log that are too old or too many stay for now");
        self.next = Instant::now() + RETRY_INTERVAL;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{NamedBy, Probe};
    use dot11::{MacAddr, RequestedSsid};

    const LIMIT: usize = 100_000;

    /// Many addresses, the first of them with names.
    struct Street {
        state: State,
        addresses: u32,
    }

    impl Street {
        fn fold(&mut self, event: &Event) {
            self.state.fold(self.state.next_offset(), event);
        }

        fn hear(&mut self, second: i64) -> MacAddr {
            let [a, b, c, d] = self.addresses.to_be_bytes();
            self.addresses += 1;
            let source = MacAddr::new([0x02, 0, a, b, c, d]);
            self.fold(&Event::from(Probe::example(source, RequestedSsid::Wildcard, second * 1_000_000)));
            source
        }

        fn of_named() -> Self {
            let mut street = Self { state: State::default(), addresses: 0 };
            for second in 0..1_000 {
                let address = street.hear(second);
                let time = Timestamp::from_micros(0);
                street.fold(&Event::new(
                    time,
                    EventKind::Name { address, name: "Zoë".to_owned(), by: NamedBy::Chat },
                ));
            }
            assert!(street.state.exceeds_memory_limit(LIMIT));
            street
        }

        fn forgets(&mut self, memory_limit: &mut MemoryLimit) -> bool {
            let event = memory_limit.forget(&self.state, LIMIT, Timestamp::from_micros(0));
            event.inspect(|event| self.fold(event)).is_some()
        }
    }

    #[test]
    fn where_nobody_may_leave_it_is_looked_again_after_many_events() {
        let (mut street, mut memory_limit) = (Street::of_named(), MemoryLimit::default());
        assert!(!street.forgets(&mut memory_limit));
        let next_attempt = street.state.next_offset().0 + EVICTION_RETRY_EVENTS;
        let mut second = 1_000;
        while street.state.next_offset().0 < next_attempt {
            assert!(!street.forgets(&mut memory_limit), "at event {}", street.state.next_offset());
            street.hear(second);
            second += 1;
        }
        assert!(MemoryLimit::default().forget(&street.state, LIMIT, Timestamp::from_micros(0)).is_some());
        assert!(street.forgets(&mut memory_limit), "they may leave, and it is time");
        assert!(street.forgets(&mut memory_limit), "as long as some may leave it goes on at once");
    }

    #[test]
    fn nothing_is_said_where_nobody_would_leave() {
        let mut street = Street { state: State::default(), addresses: 0 };
        while !street.state.exceeds_memory_limit(LIMIT) {
            street.hear(7);
        }
        assert_eq!(street.state.choose_eviction(LIMIT), None, "all were heard at the same time");
        assert!(!street.forgets(&mut MemoryLimit::default()));
    }
}

//! Thins a log that exceeds its size limit: probes of invented addresses leave before the oldest segments do, so that a
//! flood does not push out the history before it.
//!
//! A probe is left out if
//! - its address is random, and was heard at most [`HEARD_AT_MOST`] times in the segment, and in the state if that still
//!   knows the address;
//! - in the minute in which the address was first heard there were [`FLOOD_PER_MINUTE`] such addresses or more;
//! - the device has no name, nobody follows or ignores it, and it is no phone with up to [`PHONE_ADDRESSES`] known
//!   addresses;
//! - it raised no alert.
//!
//! A segment stays as it is if that makes up less than a quarter of its events. The segments with the most bytes for their
//! time come first.
//!
//! Invariants:
//! - Only segments before the newest snapshot are thinned. A fold of the log begins with that snapshot, so the state, a
//!   rebuild and a check do not depend on what is left out.
//! - No segment is removed while one is thinned.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tracing::{info, warn};

use super::handle::{Shared, read, write};
use super::retention::surplus_bytes;
use super::run_loop::Recorder;
use crate::event::{AlertDecision, DeviceKey, Event, EventKind, Offset, Probe};
use crate::event_log::{LogError, SealedSegment, SegmentThinner, Snapshots, StopFlag, ThinnedSegment};
use crate::state::State;
use dot11::MacAddr;

/// The most probes of an address that counts as invented.
const HEARD_AT_MOST: u64 = 4;

/// New addresses in a minute that are a flood.
const FLOOD_PER_MINUTE: u32 = 60;

/// The most addresses of a group that counts as a phone here: a flood whose frames are numbered one after the other is a
/// group, too.
const PHONE_ADDRESSES: usize = 64;

/// A segment is thinned if one of so many of its events is left out, or more.
const MIN_SHARE_DIVISOR: u64 = 4;

/// Addresses that are counted in a segment; probes of further ones stay.
const ADDRESS_LIMIT: usize = 1 << 19;

/// Addresses that are looked up under one lock of the state.
const LOOK_UPS: usize = 256;

const DAY_SECONDS: u64 = 86_400;

/// Thins segments on a thread of its own.
#[derive(Default)]
pub(super) struct LogThinner {
    job: Option<Job>,
    /// The segments that were thinned, or need not be.
    done: BTreeSet<Offset>,
}

struct Job {
    thread: JoinHandle<Vec<Outcome>>,
    stop: StopFlag,
}

/// What became of a segment: `None` if it is as it was.
type Outcome = (Offset, Option<ThinnedSegment>);

impl Recorder {
    /// Whether segments are being thinned. Notes the result if that has ended.
    pub(super) fn is_thinning(&mut self) -> bool {
        if self.log_thinner.job.as_ref().is_some_and(|job| !job.thread.is_finished()) {
            return true;
        }
        self.finish_thinning();
        false
    }

    /// Ends the thinning after the segment at hand, if there is one, and notes the result.
    pub(super) fn finish_thinning(&mut self) {
        let Some(Job { thread, stop }) = self.log_thinner.job.take() else { return };
        stop.set();
        let Ok(outcomes) = thread.join() else {
            warn!(event = "log_thinning_failed", "the thread that thins the log panicked");
            return;
        };
        let (mut segments, mut count, mut bytes) = (0, 0, 0);
        for (base, thinned) in outcomes {
            self.log_thinner.done.insert(base);
            if let Some(thinned) = thinned {
                segments += 1;
                count += thinned.omitted;
                bytes += thinned.freed;
                self.log.note_thinned(thinned);
            }
        }
        if count > 0 {
            let shared = Arc::clone(&self.shared);
            let event = Event::new(shared.clock.now(), EventKind::Thinned { count });
            self.append(&mut write(&shared.state), &event);
            let total = read(&self.shared.state).totals().thinned_probes;
            info!(
                event = "log_thinned",
                count,
                segments,
                bytes,
                total,
                "left probes of invented addresses out of the log, to keep older events"
            );
        }
    }

    /// Begins to thin a log that is too large, or the snapshot that must come before. Returns whether there is anything to
    /// thin.
    pub(super) fn begin_thinning(&mut self) -> bool {
        let segments: Vec<SealedSegment> = self.log.sealed_segments().collect();
        let Some(surplus) = surplus_bytes(&segments, self.settings.retention, self.settings.rotation) else {
            return false;
        };
        let done = &mut self.log_thinner.done;
        done.retain(|base| segments.first().is_some_and(|first| first.base <= *base));
        let mut candidates = densest_first(&segments);
        candidates.retain(|segment| !done.contains(&segment.base));
        let snapshots = Snapshots::of(&self.settings.data_dir);
        let newest = snapshots.list().ok().and_then(|listed| Some(listed.first()?.offset()));
        let is_covered = |segment: &&SealedSegment| newest.is_some_and(|newest| segment.end <= newest);
        let covered = candidates.iter().filter(is_covered);
        let thinners: Vec<_> = covered.filter_map(|segment| self.log.thinner(segment.base)).collect();
        if thinners.is_empty() {
            let is_any = candidates.iter().any(|segment| self.log.thinner(segment.base).is_some());
            if is_any {
                // The snapshot alone: no segment leaves after it.
                self.begin_pruning(Offset::default());
            }
            return is_any;
        }
        let (shared, stop) = (Arc::clone(&self.shared), StopFlag::default());
        let is_stopped = stop.clone();
        let thin = move || thin_all(&shared, &thinners, surplus, &is_stopped);
        match thread::Builder::new().name("thin".to_owned()).spawn(thin) {
            Ok(thread) => self.log_thinner.job = Some(Job { thread, stop }),
            Err(error) => {
                warn!(event = "log_thinning_failed", %error, "could not start a thread to thin the log");
                return false;
            }
        }
        true
    }
}

/// The segments in the order of their bytes for each second, most first.
fn densest_first(segments: &[SealedSegment]) -> Vec<SealedSegment> {
    let mut before = None;
    let mut rated: Vec<(u64, SealedSegment)> = Vec::new();
    for segment in segments {
        let seconds = match before.replace(segment.modified) {
            Some(before) => segment.modified.duration_since(before).unwrap_or_default().as_secs().max(1),
            None => DAY_SECONDS,
        };
        rated.push((segment.bytes.saturating_mul(1024) / seconds, *segment));
    }
    rated.sort_by_key(|(rate, segment)| (std::cmp::Reverse(*rate), segment.base));
    rated.into_iter().map(|(_, segment)| segment).collect()
}

/// Thins segments until so many bytes are freed.
fn thin_all(shared: &Shared, segments: &[SegmentThinner], surplus: u64, stop: &StopFlag) -> Vec<Outcome> {
    let (mut outcomes, mut freed) = (Vec::new(), 0);
    for segment in segments {
        if freed >= surplus {
            break;
        }
        let thinned = thin(shared, segment, stop).unwrap_or_else(|error| {
            warn!(event = "log_thinning_failed", %error, "could not thin a segment of the log");
            None
        });
        if thinned.is_none() && stop.is_set() {
            break;
        }
        freed += thinned.as_ref().map_or(0, |thinned| thinned.freed);
        outcomes.push((segment.base(), thinned));
    }
    outcomes
}

fn thin(
    shared: &Shared,
    segment: &SegmentThinner,
    stop: &StopFlag,
) -> Result<Option<ThinnedSegment>, LogError> {
    let go_on = || match stop.is_set() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let mut census = Census::default();
    let counted = segment.read(|event| {
        census.count(event);
        go_on()
    })?;
    if counted.is_break() {
        return Ok(None);
    }
    let mut invented = census.addresses_of_flood();
    let addresses: Vec<MacAddr> = invented.keys().copied().collect();
    for addresses in addresses.chunks(LOOK_UPS) {
        if stop.is_set() {
            return Ok(None);
        }
        let state = read(&shared.state);
        for address in addresses.iter().filter(|address| is_known(&state, **address)) {
            invented.remove(address);
        }
    }
    let left_out: u64 = invented.values().map(|sight| sight.count).sum();
    if left_out < census.events.div_ceil(MIN_SHARE_DIVISOR) {
        return Ok(None);
    }
    segment.thin(|event| {
        go_on()?;
        ControlFlow::Continue(match &event.kind {
            EventKind::Probe(probe) => invented.contains_key(&probe.source),
            // It describes a model that the state does not remember.
            EventKind::Signature { signature, .. } => read(&shared.state).elements(*signature).is_none(),
            _ => false,
        })
    })
}

/// Whether it belongs to a device that somebody cares for, or that is more than an address.
fn is_known(state: &State, address: MacAddr) -> bool {
    let group = state.grouping().group_of(address);
    let phone = group.and_then(|id| state.grouping().group(id));
    let members = [Some(DeviceKey::Address(address)), group.map(DeviceKey::Phone)];
    let members = || members.iter().flatten();
    state.name_of(address).is_some()
        || !state.follows().of(members()).is_empty()
        || !state.mutes().ignored().of(members()).is_empty()
        || phone.is_some_and(|phone| (2..=PHONE_ADDRESSES).contains(&phone.addresses().count()))
        || state.probe_count(address).is_some_and(|count| count > HEARD_AT_MOST)
}

/// The random addresses of a segment.
#[derive(Default)]
struct Census {
    addresses: HashMap<MacAddr, Sight>,
    events: u64,
}

struct Sight {
    /// Its probes.
    count: u64,
    /// Whether one of them raised an alert.
    has_alert: bool,
    /// The minute of the first, from 1970.
    minute: i64,
}

impl Census {
    fn count(&mut self, event: &Event) {
        self.events += 1;
        let EventKind::Probe(probe) = &event.kind else { return };
        if !probe.source.is_random()
            || self.addresses.len() >= ADDRESS_LIMIT && !self.addresses.contains_key(&probe.source)
        {
            return;
        }
        let minute = probe.corrected_time().minute();
        let first = Sight { count: 0, has_alert: false, minute };
        let sight = self.addresses.entry(probe.source).or_insert(first);
        sight.count += 1;
        sight.has_alert |= has_alert(probe);
    }

    /// Takes the addresses that were heard so seldom and came so many at a time that they are invented.
    fn addresses_of_flood(&mut self) -> HashMap<MacAddr, Sight> {
        let mut addresses = std::mem::take(&mut self.addresses);
        addresses.retain(|_, sight| sight.count <= HEARD_AT_MOST && !sight.has_alert);
        let mut minutes: HashMap<i64, u32> = HashMap::new();
        for sight in addresses.values() {
            *minutes.entry(sight.minute).or_default() += 1;
        }
        addresses.retain(|_, sight| minutes.get(&sight.minute).is_some_and(|new| *new >= FLOOD_PER_MINUTE));
        addresses
    }
}

/// Whether a chat got an alert for it. One that was only counted is none.
fn has_alert(probe: &Probe) -> bool {
    use AlertDecision::{Mute, Overflow, Suppress};
    !probe
        .alerts
        .iter()
        .all(|decision| matches!(decision.kind(), Suppress { .. } | Overflow { .. } | Mute { .. }))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_segments_with_the_most_bytes_for_their_time_come_first() {
        let segment = |base, hour: u64, bytes| {
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(3600 * hour);
            SealedSegment { base: Offset(base), end: Offset(base + 1), bytes, modified }
        };
        // The first is taken for one of a whole day. A clock that was set back leaves a second.
        let segments = [
            segment(0, 100, 30_000),
            segment(1, 101, 1_000),
            segment(2, 105, 7_000),
            segment(3, 115, 9_000),
            segment(4, 114, 1_000),
            segment(5, 115, 1_000),
        ];
        let order: Vec<u64> = densest_first(&segments).iter().map(|segment| segment.base.0).collect();
        assert_eq!(order, [4, 2, 0, 1, 5, 3]);
    }
}

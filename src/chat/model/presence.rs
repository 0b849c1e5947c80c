//! Who was in range, and when: from the probes of a range of time.
//!
//! - Frames of a device that are less than [`GAP`] apart are one interval. The result does not depend on the order of
//!   the frames.
//! - Memory is bounded. If there are too many devices without a name, a quarter of them is left out: those with the
//!   fewest probes. So a flood of invented addresses displaces itself, not the devices that stayed.

mod counts;
mod interval;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use dot11::{MacAddr, ModelKey};
use store::event::{DeviceKey, GroupId, Probe, Timestamp};
use store::state::{Phones, State};

pub use counts::LeastDevices;
pub use interval::{GAP, Interval, SHORTEST_STAY};
use interval::{extend, overlapping};

use super::time_range::TimeRange;

/// Devices without a name that are kept.
const DEVICE_LIMIT: usize = 20_000;

/// Intervals of all devices without a name that are kept.
const INTERVAL_LIMIT: usize = 200_000;

/// Random addresses without a group that are counted. They have at most [`INTERVAL_LIMIT`] intervals of their own.
const UNGROUPED_LIMIT: usize = 65_536;

/// The microseconds of a quarter of an hour: whatever the time zone, no hour begins within one.
const QUARTER_HOUR: i64 = 900 * 1_000_000;

/// Random addresses of one device that are counted.
pub const ADDRESS_LIMIT: usize = 64;

/// What counts of a frame while its sender is not looked up.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    time: Timestamp,
    signal_dbm: Option<i8>,
    source: MacAddr,
}

impl Frame {
    /// The frame of a probe.
    pub fn of(probe: &Probe) -> Self {
        Self { time: probe.corrected_time(), signal_dbm: probe.signal_dbm, source: probe.source }
    }
}

/// A frame of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// When it was sent.
    pub time: Timestamp,
    /// Its signal, if the radio measured it.
    pub signal_dbm: Option<i8>,
    /// Its sender.
    pub sender: Sender,
}

/// The sender of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A device with a name or a fixed address, or a phone. The evidence is that of a random address.
    Device(DeviceKey, Option<PhoneEvidence>),
    /// A random address without a group and a name.
    Ungrouped(MacAddr),
}

/// What is known at some time of a device that uses a random address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneEvidence {
    /// The address.
    pub address: MacAddr,
    /// The model of its phone, unless the address has a name of its own.
    pub model: Option<ModelKey>,
    /// The least number of phones that it is.
    pub phones: Phones,
    /// Whether the address may be of any phone of the model ([`Group::is_guest`](store::state::Group::is_guest)).
    pub is_guest: bool,
    /// The group of the address and its model, if that or the address has a name.
    pub named_group: Option<(GroupId, ModelKey)>,
}

impl Sighting {
    /// The sighting that a frame is, as far as the state knows its sender.
    pub fn of(Frame { time, signal_dbm, source }: Frame, state: &State) -> Self {
        let sender = match state.device_key(source) {
            DeviceKey::Address(address) if address.is_random() => Sender::Ungrouped(address),
            key => Sender::Device(key, source.is_random().then(|| PhoneEvidence::of(source, time, state))),
        };
        Self { time, signal_dbm, sender }
    }
}

impl PhoneEvidence {
    fn of(address: MacAddr, time: Timestamp, state: &State) -> Self {
        let grouping = state.grouping();
        let has_own_name = state.names().of(address).is_some();
        let of_address = grouping.group_of(address).and_then(|id| Some((id, grouping.group(id)?)));
        let group = of_address.map(|(_, group)| group).filter(|_| !has_own_name);
        let named = of_address.filter(|(_, group)| has_own_name || group.name.is_some());
        Self {
            address,
            model: group.map(|group| group.model),
            phones: group.map_or(Phones::ONE, |group| group.phones_at(time)),
            is_guest: group.is_some_and(|group| group.is_guest(address)),
            named_group: named.map(|(id, group)| (id, group.model)),
        }
    }
}

/// The presence of a device in a range of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevicePresence {
    /// In order. The next one begins [`GAP`] or more after one ends.
    pub intervals: Vec<Interval>,
    /// Its frames.
    pub probes: u64,
    /// Its strongest signal.
    pub strongest_dbm: Option<i8>,
    /// The latest signal and its time.
    last_signal: Option<(Timestamp, i8)>,
    /// If it is a phone, its model.
    model: Option<ModelKey>,
    /// The random addresses that it used, at most [`ADDRESS_LIMIT`], in order.
    random_addresses: Vec<MacAddr>,
    /// Whether it used more.
    has_more_addresses: bool,
    /// For each quarter of an hour in which it was proven to be several phones: how many at least, and when first.
    proofs: BTreeMap<i64, (Phones, Timestamp)>,
    /// The intervals of its addresses that are no guests, if any is one.
    own_intervals: Option<Vec<Interval>>,
    /// If it is a phone, the groups that are other phones.
    apart: Vec<GroupId>,
    /// If it has a name, the groups of its random addresses and their models.
    named_groups: BTreeMap<GroupId, ModelKey>,
}

impl DevicePresence {
    /// The time of its first frame.
    pub fn first(&self) -> Option<Timestamp> {
        self.intervals.first().map(|interval| interval.start)
    }

    /// The time of its last frame.
    pub fn last(&self) -> Option<Timestamp> {
        self.intervals.last().map(|interval| interval.end)
    }

    /// How long it was in range.
    pub fn duration(&self) -> Duration {
        self.intervals.iter().map(Interval::length).sum()
    }

    /// Its latest signal.
    pub fn last_dbm(&self) -> Option<i8> {
        self.last_signal.map(|(_, dbm)| dbm)
    }

    /// How many random addresses it used, and whether there are more.
    pub fn random_addresses(&self) -> (u64, bool) {
        (self.random_addresses.len() as u64, self.has_more_addresses)
    }

    /// The model of the phones that it is, if it uses random addresses.
    pub fn model(&self) -> Option<ModelKey> {
        self.model
    }

    /// The least number of phones that it is.
    pub fn at_least(&self) -> u32 {
        self.proofs.values().map(|(phones, _)| phones.any).max().unwrap_or(1)
    }

    /// The least number of phones that it is, as far as it was proven in this range.
    fn phones_in(&self, range: &TimeRange) -> Phones {
        let in_range = self.proofs.values().filter(|(_, time)| range.contains(*time));
        in_range.fold(Phones::ONE, |least, (phones, _)| least.max(*phones))
    }

    /// Whether it was there then, and whether by an address that is no guest.
    fn was_seen(&self, range: &TimeRange, counts: impl Fn(&Interval) -> bool) -> Option<bool> {
        let is_there = |intervals| overlapping(intervals, range).any(&counts);
        let is_itself = || self.own_intervals.as_ref().is_none_or(|own| is_there(own));
        is_there(&self.intervals).then(is_itself)
    }

    /// The intervals that are kept of it; proofs take as much memory.
    fn interval_count(&self) -> usize {
        self.intervals.len() + self.own_intervals.as_ref().map_or(0, Vec::len) + self.proofs.len()
    }

    fn add(&mut self, time: Timestamp, signal_dbm: Option<i8>, evidence: Option<PhoneEvidence>) {
        self.probes += 1;
        let is_guest = evidence.is_some_and(|evidence| evidence.is_guest);
        if is_guest && self.own_intervals.is_none() {
            self.own_intervals = Some(self.intervals.clone());
        }
        extend(&mut self.intervals, time);
        if let Some(own) = self.own_intervals.as_mut().filter(|_| !is_guest) {
            extend(own, time);
        }
        if let Some(dbm) = signal_dbm {
            self.strongest_dbm = self.strongest_dbm.max(Some(dbm));
            self.last_signal = self.last_signal.max(Some((time, dbm)));
        }
        if let Some(PhoneEvidence { address, model, phones, named_group, .. }) = evidence {
            self.named_groups.extend(named_group);
            if let Err(place) = self.random_addresses.binary_search(&address) {
                match self.random_addresses.len() < ADDRESS_LIMIT {
                    true => self.random_addresses.insert(place, address),
                    false => self.has_more_addresses = true,
                }
            }
            self.model = model.or(self.model);
            if phones.any > 1 {
                let quarter = time.as_micros().div_euclid(QUARTER_HOUR);
                let (most, first) = self.proofs.entry(quarter).or_insert((phones, time));
                (*most, *first) = (most.max(phones), (*first).min(time));
            }
        }
    }
}

/// Who was in range within a range of time.
#[derive(Debug, Clone)]
pub struct PresenceTable {
    range: TimeRange,
    limits: Limits,
    devices: BTreeMap<DeviceKey, DevicePresence>,
    /// Of the devices without a name.
    unnamed: usize,
    unnamed_intervals: usize,
    ungrouped: HashMap<MacAddr, Vec<Interval>>,
    ungrouped_intervals: usize,
    /// Whether there are more random addresses without a group than are counted.
    has_more_ungrouped: bool,
    omitted_probes: u64,
    /// The models that count as another one ([`Grouping::counted_model`](store::state::Grouping::counted_model)).
    linked_models: BTreeMap<ModelKey, ModelKey>,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    devices: usize,
    intervals: usize,
    ungrouped: usize,
}

impl PresenceTable {
    /// A table of nobody.
    pub fn new(range: TimeRange) -> Self {
        let limits = Limits { devices: DEVICE_LIMIT, intervals: INTERVAL_LIMIT, ungrouped: UNGROUPED_LIMIT };
        Self::with_limits(range, limits)
    }

    fn with_limits(range: TimeRange, limits: Limits) -> Self {
        Self {
            range,
            limits,
            devices: BTreeMap::new(),
            unnamed: 0,
            unnamed_intervals: 0,
            ungrouped: HashMap::new(),
            ungrouped_intervals: 0,
            has_more_ungrouped: false,
            omitted_probes: 0,
            linked_models: BTreeMap::new(),
        }
    }

    /// Adds a frame, unless it is outside the range.
    pub fn add(&mut self, sighting: Sighting) {
        let Sighting { time, signal_dbm, sender } = sighting;
        if !self.range.contains(time) {
            return;
        }
        match sender {
            Sender::Ungrouped(address) => self.add_ungrouped(address, time),
            Sender::Device(key, evidence) => {
                let is_named = matches!(key, DeviceKey::Name(_));
                let presence = self.devices.entry(key).or_default();
                let (is_new, intervals) = (presence.probes == 0, presence.interval_count());
                presence.add(time, signal_dbm, evidence);
                if !is_named {
                    self.unnamed += usize::from(is_new);
                    self.unnamed_intervals = self.unnamed_intervals + presence.interval_count() - intervals;
                    self.enforce_limits();
                }
            }
        }
    }

    fn add_ungrouped(&mut self, address: MacAddr, time: Timestamp) {
        let is_new = !self.ungrouped.contains_key(&address);
        if is_new && self.ungrouped.len() >= self.limits.ungrouped
            || self.ungrouped_intervals >= self.limits.intervals
        {
            self.has_more_ungrouped = true;
            return;
        }
        let intervals = self.ungrouped.entry(address).or_default();
        let before = intervals.len();
        extend(intervals, time);
        self.ungrouped_intervals = self.ungrouped_intervals + intervals.len() - before;
    }

    fn enforce_limits(&mut self) {
        if self.unnamed <= self.limits.devices && self.unnamed_intervals <= self.limits.intervals {
            return;
        }
        let unnamed = self.devices.iter().filter(|(key, _)| !matches!(key, DeviceKey::Name(_)));
        let mut ranked: Vec<_> =
            unnamed.map(|(key, presence)| (presence.probes, presence.last(), key.clone())).collect();
        ranked.sort_unstable();
        for (probes, _, key) in ranked.into_iter().take(self.unnamed.div_ceil(4)) {
            let Some(left_out) = self.devices.remove(&key) else { continue };
            self.unnamed -= 1;
            self.unnamed_intervals -= left_out.interval_count();
            self.omitted_probes += probes;
        }
    }

    /// The range of time.
    pub fn range(&self) -> TimeRange {
        self.range
    }

    /// The devices, by their keys.
    pub fn devices(&self) -> impl Iterator<Item = (&DeviceKey, &DevicePresence)> {
        self.devices.iter()
    }

    /// The number of random addresses without a group, and whether there may be more.
    pub fn ungrouped(&self) -> (u64, bool) {
        (self.ungrouped.len() as u64, self.has_more_ungrouped)
    }

    /// How many random addresses the phones used; 0 if that is not known.
    pub fn grouped_addresses(&self) -> u64 {
        let phones = self.devices.iter().filter(|(key, _)| matches!(key, DeviceKey::Phone(_)));
        let known = phones.map(|(_, presence)| match presence.random_addresses() {
            (count, false) => Some(count),
            (_, true) => None,
        });
        known.sum::<Option<u64>>().unwrap_or(0)
    }

    /// The probes of devices that were left out because there were too many.
    pub fn omitted_probes(&self) -> u64 {
        self.omitted_probes
    }

    /// Learns which groups are other phones, and which models one phone sends: the counts depend on both.
    pub fn tell_apart(&mut self, state: &State) {
        let grouping = state.grouping();
        for (key, presence) in &mut self.devices {
            if let DeviceKey::Phone(id) = key
                && let Some(group) = grouping.group(*id)
            {
                presence.apart = group.apart().to_vec();
            }
            for model in presence.named_groups.values().copied().chain(presence.model) {
                let counted = grouping.counted_model(model);
                if counted != model {
                    self.linked_models.insert(model, counted);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

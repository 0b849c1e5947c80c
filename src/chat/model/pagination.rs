//! Pages of devices and networks.
//!
//! Each page scans all devices, some milliseconds for 100,000, so no sorted index is kept. The scan releases the state
//! between groups of shards, so the recorder never waits for the whole scan. Memory is bounded by the requested page,
//! and by the names and phones that exist; pages are bounded by `LAST_PAGE`.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use dot11::{MacAddr, ShortSsid, Ssid};
use store::event::{GroupId, Timestamp};
use store::recorder::RecorderHandle;
use store::state::{
    DEVICE_SHARDS, DeviceRow, DeviceSummary, Group, Names, Network, Phones, SeenGroup, SsidQuery, State,
    fold_case,
};

use super::phone::phone_name;
use crate::device_counts::{DeviceCounts, RandomAddresses};

/// Entries of a page. A message has room for as many of the longest.
pub const PAGE_ENTRIES: usize = 10;

/// The last page that is shown, counted from 0.
const LAST_PAGE: u32 = 999;

/// Shards of devices that are scanned before the state is released.
pub(super) const SHARDS_PER_LOCK: usize = 16;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its number, from 0.
    pub number: u32,
    /// The number of entries on all pages.
    pub total: usize,
    /// The entries of this page.
    pub entries: Vec<T>,
}

impl<T> Page<T> {
    /// The number of the first entry, from 1.
    pub fn first(&self) -> usize {
        self.number as usize * PAGE_ENTRIES + 1
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.total.div_ceil(PAGE_ENTRIES).clamp(1, LAST_PAGE as usize + 1)
    }

    /// Whether a page follows this one.
    pub fn has_next(&self) -> bool {
        self.number as usize + 1 < self.pages()
    }

    /// The page of this number, or the last.
    pub(in crate::chat) fn of(all: Vec<T>, number: u32) -> Self {
        let total = all.len();
        let number = (number as usize).min(total.saturating_sub(1) / PAGE_ENTRIES);
        let entries = all.into_iter().skip(number * PAGE_ENTRIES).take(PAGE_ENTRIES).collect();
        Self { number: number as u32, total, entries }
    }

    fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let entries = self.entries.into_iter().map(change).collect();
        Page { number: self.number, total: self.total, entries }
    }
}

/// A device in a list: all addresses that share a name, the random addresses of a phone, or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDevice {
    /// Its name.
    pub name: Option<String>,
    /// The phone that it is, if it has no name.
    pub phone: Option<GroupId>,
    /// The least number of phones that it is. Of phones that share a name, that of the one with the most.
    pub at_least: u32,
    /// Its most recently seen address.
    pub address: MacAddr,
    /// How many other addresses it has.
    pub further_addresses: usize,
    /// Its summary. In a list of the devices that look for a network, only probes for that network count.
    pub brief: DeviceSummary,
}

/// A page of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePage {
    /// The page.
    pub page: Page<ListedDevice>,
    /// The counts over all pages.
    pub counts: DeviceCounts,
}

/// What an entry of a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListBy {
    /// A device: a random address counts for its phone.
    Device,
    /// An address, or all addresses that share a name.
    Address,
}

/// Which entry comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// The most recently seen.
    Newest,
    /// The one whose last signal was strongest.
    Strongest,
    /// The one with the most probes.
    MostProbes,
}

/// A page of the devices seen since `since`.
pub fn devices(
    recorder: &RecorderHandle,
    by: ListBy,
    order: SortOrder,
    since: Option<Timestamp>,
    page: u32,
) -> DevicePage {
    let now = recorder.now();
    let is_recent = |brief: &DeviceSummary| {
        since.is_none_or(|since| brief.last_probe >= since && brief.last_probe.is_possible_at(now))
    };
    let phones = |group: &Group| since.map_or_else(|| group.phones(), |since| group.phones_since(since));
    collect_page(recorder, by, order, page, phones, |row| row.summary().filter(is_recent))
}

/// The devices that look for a network.
pub struct Requesters {
    /// A page of those that name it.
    pub devices: DevicePage,
    /// All their probes for it.
    pub probes: u64,
    /// Probes with its Short SSID, which other networks may share.
    pub short_probes: u64,
}

/// A page of the devices that look for a network.
pub fn requesters(recorder: &RecorderHandle, ssid: &Ssid, page: u32) -> Requesters {
    let network = SsidQuery::new(ssid);
    let short = ShortSsid::of(ssid);
    let (mut sum, mut short_probes) = (0, 0);
    // Of several phones of a group, only one may look for the network.
    let phones = |_: &Group| Phones::ONE;
    let requesters = collect_page(recorder, ListBy::Device, SortOrder::MostProbes, page, phones, |row| {
        short_probes += row.probes_for_short(short);
        let probe_count = Some(row.probes_for(&network)).filter(|count| *count > 0)?;
        sum += probe_count;
        Some(DeviceSummary { probe_count, ..row.summary()? })
    });
    Requesters { devices: requesters, probes: sum, short_probes }
}

/// A page of the networks, those with the most probes first.
pub fn networks(recorder: &RecorderHandle, page: u32) -> Page<(Ssid, Network)> {
    let state = recorder.state();
    let mut top = TopItems::for_page(page);
    for (ssid, network) in state.networks().iter() {
        top.push((network.probe_count, network.last_probe, Reverse(ssid), network.first_probe));
    }
    top.into_page(page).map(|(probe_count, last_probe, Reverse(ssid), first_probe)| {
        (ssid.clone(), Network { probe_count, first_probe, last_probe })
    })
}

/// A page of the devices for which `summarize` gives a summary. `phones_of` says how many phones a group is at least.
fn collect_page(
    recorder: &RecorderHandle,
    by: ListBy,
    order: SortOrder,
    page: u32,
    phones_of: impl Fn(&Group) -> Phones,
    mut summarize: impl FnMut(DeviceRow<'_>) -> Option<DeviceSummary>,
) -> DevicePage {
    let now = recorder.now();
    let mut merged = MergedDevices::new(by, recorder.state().names());
    let mut top = TopItems::for_page(page);
    let (mut fixed, mut random) = (0, RandomAddresses::default());
    for first in (0..DEVICE_SHARDS).step_by(SHARDS_PER_LOCK) {
        let state = recorder.state();
        for row in (first..first + SHARDS_PER_LOCK).flat_map(|part| state.devices_of_shard(part)) {
            let Some(brief) = summarize(row) else { continue };
            let device = merged.device_of(&state, row.address);
            // It is no newer than what has a time that is known.
            let is_dated = brief.last_probe.is_possible_at(now);
            let listed = Listed { device, address: row.address, further_addresses: 0, is_dated, brief };
            match device {
                Some(device) => merged.add(&state, device, listed),
                None => {
                    *if row.address.is_random() { &mut random.ungrouped } else { &mut fixed } += 1;
                    top.push(Ranked::new(order, listed));
                }
            }
        }
    }
    let state = recorder.state();
    let phones_of = |phone: GroupId| Some(phones_of(state.grouping().group(phone)?));
    let (mut named, mut phones) = (0, Vec::new());
    for device in &merged.devices {
        let Some(listed) = device.listed else { continue };
        top.push(Ranked::new(order, listed));
        match device.identity {
            Identity::Name(_) => {
                named += 1;
                random.named += u64::from(device.uses_random);
            }
            Identity::Phone(id) => {
                random.grouped += u64::from(listed.further_addresses) + 1;
                if let (Some(group), Some(count)) = (state.grouping().group(id), phones_of(id)) {
                    let seen = SeenGroup::of(id, group, count, device.is_itself);
                    phones.push(seen.linked_by(state.grouping()));
                }
            }
        }
    }
    let named_groups = merged.named_groups(&state);
    let seen_named = |(_, id): &(u32, GroupId)| {
        let group = state.grouping().group(*id)?;
        Some(SeenGroup::named(*id, group.model).linked_by(state.grouping()))
    };
    phones.extend(named_groups.iter().filter_map(seen_named));
    let counts = DeviceCounts::new(named, fixed, &phones, random);
    let mut names_in: HashMap<GroupId, u32> = HashMap::new();
    named_groups.iter().for_each(|(_, id)| *names_in.entry(*id).or_default() += 1);
    let mut at_least: HashMap<u32, u32> = HashMap::new();
    for (phone, device) in &merged.of_phone {
        let own = u32::from(named_groups.contains(&(*device, *phone)));
        let others = names_in.get(phone).map_or(0, |names| names - own);
        let phones = phones_of(*phone).map_or(1, |phones| phones.any).saturating_sub(others);
        let most = at_least.entry(*device).or_insert(1);
        *most = phones.max(*most);
    }
    let page = top.into_page(page).map(|Ranked { listed, .. }| {
        let (name, phone) = match merged.identity(&listed) {
            Some(Identity::Name(name)) => (Some(name.clone()), None),
            Some(Identity::Phone(phone)) => (None, Some(*phone)),
            None => (None, None),
        };
        ListedDevice {
            name,
            phone,
            at_least: listed.device.and_then(|device| at_least.get(&device).copied()).unwrap_or(1),
            address: listed.address,
            further_addresses: listed.further_addresses as usize,
            brief: listed.brief,
        }
    });
    DevicePage { page, counts }
}

/// A [`ListedDevice`] without its name: small, since many are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    /// Its place in [`MergedDevices`], if it may have several addresses.
    device: Option<u32>,
    address: MacAddr,
    further_addresses: u32,
    /// Whether it is known when it was seen last.
    is_dated: bool,
    brief: DeviceSummary,
}

impl Listed {
    /// By this, what has an unknown time comes last.
    fn last_seen(&self) -> (bool, Timestamp) {
        (self.is_dated, self.brief.last_probe)
    }

    /// Merges another address of the same device.
    fn merge(&mut self, other: Self) {
        self.further_addresses += 1 + other.further_addresses;
        let probe_count = self.brief.probe_count + other.brief.probe_count;
        if other.last_seen() > self.last_seen() {
            (self.address, self.is_dated, self.brief) = (other.address, other.is_dated, other.brief);
        }
        self.brief.probe_count = probe_count;
    }
}

/// The devices that may have several addresses: no more than there are names and phones.
struct MergedDevices {
    by: ListBy,
    devices: Vec<MergedDevice>,
    /// Places in `devices`.
    of_address: HashMap<MacAddr, u32>,
    of_name: HashMap<String, u32>,
    of_phone: HashMap<GroupId, u32>,
}

/// What several addresses share.
enum Identity {
    Name(String),
    Phone(GroupId),
}

struct MergedDevice {
    identity: Identity,
    /// Its listed addresses, merged.
    listed: Option<Listed>,
    /// Whether one of them is random.
    uses_random: bool,
    /// Whether one of them shows which phone it is ([`Group::is_guest`]).
    is_itself: bool,
}

impl MergedDevice {
    fn new(identity: Identity) -> Self {
        Self { identity, listed: None, uses_random: false, is_itself: false }
    }
}

impl MergedDevices {
    fn new(by: ListBy, names: &Names) -> Self {
        let (of_address, of_name, of_phone) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut merged = Self { by, devices: Vec::new(), of_address, of_name, of_phone };
        for (address, name) in names.iter() {
            let device = merged.named(name);
            merged.of_address.insert(address, device);
        }
        merged
    }

    /// The device of this name.
    fn named(&mut self, name: &str) -> u32 {
        let devices = &mut self.devices;
        *self.of_name.entry(fold_case(name)).or_insert_with(|| {
            devices.push(MergedDevice::new(Identity::Name(name.to_owned())));
            devices.len() as u32 - 1
        })
    }

    /// The device that this address is one of several of.
    fn device_of(&mut self, state: &State, address: MacAddr) -> Option<u32> {
        if let Some(device) = self.of_address.get(&address) {
            return Some(*device);
        }
        if self.by == ListBy::Address {
            return None;
        }
        let phone = state.grouping().phone_of(address)?;
        if let Some(device) = self.of_phone.get(&phone) {
            return Some(*device);
        }
        let device = match phone_name(state, phone) {
            Some(name) => self.named(name),
            None => {
                self.devices.push(MergedDevice::new(Identity::Phone(phone)));
                self.devices.len() as u32 - 1
            }
        };
        self.of_phone.insert(phone, device);
        Some(device)
    }

    /// The groups of the random addresses that listed devices with a name used.
    fn named_groups(&self, state: &State) -> BTreeSet<(u32, GroupId)> {
        let is_listed = |device: &u32| {
            let device = self.devices.get(*device as usize);
            device.is_some_and(|of| of.listed.is_some() && matches!(of.identity, Identity::Name(_)))
        };
        let of_addresses = self.of_address.iter().filter(move |(_, device)| is_listed(device));
        let of_addresses = of_addresses
            .filter_map(|(address, device)| Some((*device, state.grouping().group_of(*address)?)));
        let of_phones = self.of_phone.iter().filter(|(_, device)| is_listed(device));
        of_addresses.chain(of_phones.map(|(id, device)| (*device, *id))).collect()
    }

    fn add(&mut self, state: &State, device: u32, listed: Listed) {
        if let Some(merged) = self.devices.get_mut(device as usize) {
            let MergedDevice { identity, listed: known, uses_random, is_itself } = merged;
            *uses_random |= listed.address.is_random();
            if let Identity::Phone(phone) = identity
                && !*is_itself
            {
                let group = state.grouping().group(*phone);
                *is_itself = group.is_some_and(|group| !group.is_guest(listed.address));
            }
            match known {
                Some(known) => known.merge(listed),
                None => *known = Some(listed),
            }
        }
    }

    fn identity(&self, listed: &Listed) -> Option<&Identity> {
        Some(&self.devices.get(listed.device? as usize)?.identity)
    }
}

/// A device with its sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ranked {
    rank: (u64, (bool, Timestamp), Reverse<MacAddr>),
    listed: Listed,
}

impl Ranked {
    fn new(order: SortOrder, listed: Listed) -> Self {
        let Listed { address, brief, .. } = listed;
        let last_seen = listed.last_seen();
        let first = match order {
            SortOrder::Newest => 0,
            // Starts at 1: a device without a signal comes last.
            SortOrder::Strongest => {
                brief.signal.map_or(0, |signal| 1 + u64::from(signal.last_dbm.abs_diff(i8::MIN)))
            }
            SortOrder::MostProbes => brief.probe_count,
        };
        Self { rank: (first, last_seen, Reverse(address)), listed }
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// The greatest of the pushed items: those of all pages up to one, and up to twice as many in between.
struct TopItems<T> {
    limit: usize,
    kept: Vec<T>,
    /// Items below this are not among them.
    least: Option<T>,
    total: usize,
}

impl<T: Ord + Copy> TopItems<T> {
    fn for_page(page: u32) -> Self {
        let limit = (page.min(LAST_PAGE) as usize + 1) * PAGE_ENTRIES;
        Self { limit, kept: Vec::new(), least: None, total: 0 }
    }

    fn push(&mut self, item: T) {
        self.total += 1;
        if self.least.is_some_and(|least| item < least) {
            return;
        }
        self.kept.push(item);
        // Dropping half each time keeps the amortised cost of an item constant.
        if self.kept.len() >= 2 * self.limit {
            keep_greatest(&mut self.kept, self.limit);
            self.least = self.kept.iter().min().copied();
        }
    }

    /// The page of this number, or the last.
    fn into_page(mut self, page: u32) -> Page<T> {
        let last = self.total.saturating_sub(1) / PAGE_ENTRIES;
        let number = (page.min(LAST_PAGE) as usize).min(last);
        // Earlier pages need not be sorted.
        let before = keep_greatest(&mut self.kept, (number + 1) * PAGE_ENTRIES).min(number * PAGE_ENTRIES);
        if (1..self.kept.len()).contains(&before) {
            self.kept.select_nth_unstable_by_key(before, |item| Reverse(*item));
        }
        let mut entries = self.kept.split_off(before);
        entries.sort_unstable_by_key(|item| Reverse(*item));
        Page { number: number as u32, total: self.total, entries }
    }
}

/// Keeps the greatest `count` items, unsorted, and returns how many are left.
fn keep_greatest<T: Ord + Copy>(items: &mut Vec<T>, count: usize) -> usize {
    if (1..items.len()).contains(&count) {
        items.select_nth_unstable_by_key(count - 1, |item| Reverse(*item));
        items.truncate(count);
    }
    items.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_match_the_fully_sorted_list() {
        for total in [0_usize, 1, 10, 11, 95, 10_007] {
            for page in [0_u32, 1, 9, 10, u32::MAX] {
                let mut top = TopItems::for_page(page);
                (0..total).for_each(|number| top.push(number * 37 % 20_011));
                let mut all: Vec<usize> = (0..total).map(|number| number * 37 % 20_011).collect();
                all.sort_by_key(|number| Reverse(*number));
                let found = top.into_page(page);
                let shown: Vec<usize> =
                    all.chunks(PAGE_ENTRIES).nth(found.number as usize).unwrap_or_default().to_vec();
                assert_eq!((found.total, &found.entries), (total, &shown), "page {page} of {total}");
                assert_eq!(found.number, page.min(found.pages() as u32 - 1));
            }
        }
    }
}

//! Pages of devices and networks.
//!
//! Each page scans all devices, some milliseconds for 100,000, so no sorted index is kept. The scan releases the state
//! between groups of shards, so the recorder never waits for the whole scan. Memory is bounded by the requested page,
//! and pages by `LAST_PAGE`.

use std::cmp::Reverse;
use std::collections::HashMap;

use dot11::{MacAddr, Ssid};
use store::event::Timestamp;
use store::recorder::RecorderHandle;
use store::state::{DEVICE_SHARDS, DeviceRow, DeviceSummary, Names, Network, SsidQuery, fold_case};

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

/// A device in a list: an address, or all addresses that share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDevice {
    /// Its name.
    pub name: Option<String>,
    /// Its most recently seen address.
    pub address: MacAddr,
    /// How many other addresses it has.
    pub further_addresses: usize,
    /// Its summary. In a list of the devices that look for a network, only probes for that network count.
    pub brief: DeviceSummary,
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
    order: SortOrder,
    since: Option<Timestamp>,
    page: u32,
) -> Page<ListedDevice> {
    let is_recent = |brief: &DeviceSummary| since.is_none_or(|since| brief.last_probe >= since);
    collect_page(recorder, order, page, |row| row.summary().filter(is_recent))
}

/// A page of the devices that look for a network, and the number of all their probes for it.
pub fn requesters(recorder: &RecorderHandle, ssid: &Ssid, page: u32) -> (Page<ListedDevice>, u64) {
    let network = SsidQuery::new(ssid);
    let mut sum = 0;
    let requesters = collect_page(recorder, SortOrder::MostProbes, page, |row| {
        let probe_count = Some(row.probes_for(&network)).filter(|count| *count > 0)?;
        sum += probe_count;
        Some(DeviceSummary { probe_count, ..row.summary()? })
    });
    (requesters, sum)
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

/// A page of the devices for which `summarize` gives a summary.
fn collect_page(
    recorder: &RecorderHandle,
    order: SortOrder,
    page: u32,
    mut summarize: impl FnMut(DeviceRow<'_>) -> Option<DeviceSummary>,
) -> Page<ListedDevice> {
    let mut named = NameGroups::of(recorder.state().names());
    let mut top = TopItems::for_page(page);
    for first in (0..DEVICE_SHARDS).step_by(SHARDS_PER_LOCK) {
        let state = recorder.state();
        for row in (first..first + SHARDS_PER_LOCK).flat_map(|part| state.devices_of_shard(part)) {
            let Some(brief) = summarize(row) else { continue };
            let listed = Listed { address: row.address, further_addresses: 0, brief };
            match named.group_of(row.address) {
                None => top.push(Ranked::new(order, listed)),
                Some(group) => group.add(listed),
            }
        }
    }
    for listed in named.groups.iter().filter_map(|group| group.listed) {
        top.push(Ranked::new(order, listed));
    }
    top.into_page(page).map(|Ranked { listed, .. }| ListedDevice {
        name: named.group_of(listed.address).map(|group| group.name.clone()),
        address: listed.address,
        further_addresses: listed.further_addresses as usize,
        brief: listed.brief,
    })
}

/// A [`ListedDevice`] without its name: small, since many are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    address: MacAddr,
    further_addresses: u32,
    brief: DeviceSummary,
}

impl Listed {
    /// Merges another address of the same name.
    fn merge(&mut self, other: Self) {
        self.further_addresses += 1 + other.further_addresses;
        let probe_count = self.brief.probe_count + other.brief.probe_count;
        if other.brief.last_probe > self.brief.last_probe {
            (self.address, self.brief) = (other.address, other.brief);
        }
        self.brief.probe_count = probe_count;
    }
}

/// The named addresses, grouped by name.
struct NameGroups {
    groups: Vec<NameGroup>,
    /// Indices into `groups`.
    group_of_address: HashMap<MacAddr, usize>,
}

/// All addresses that share a name.
struct NameGroup {
    name: String,
    /// Its listed addresses, merged.
    listed: Option<Listed>,
}

impl NameGroups {
    fn of(names: &Names) -> Self {
        let mut groups: Vec<NameGroup> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let group_of_address = names.iter().map(|(address, name)| {
            let index = *by_name.entry(fold_case(name)).or_insert_with(|| {
                groups.push(NameGroup { name: name.to_owned(), listed: None });
                groups.len() - 1
            });
            (address, index)
        });
        let group_of_address = group_of_address.collect();
        Self { groups, group_of_address }
    }

    fn group_of(&mut self, address: MacAddr) -> Option<&mut NameGroup> {
        self.groups.get_mut(*self.group_of_address.get(&address)?)
    }
}

impl NameGroup {
    fn add(&mut self, listed: Listed) {
        match &mut self.listed {
            Some(known) => known.merge(listed),
            None => self.listed = Some(listed),
        }
    }
}

/// A device with its sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ranked {
    rank: (u64, Timestamp, Reverse<MacAddr>),
    listed: Listed,
}

impl Ranked {
    fn new(order: SortOrder, listed: Listed) -> Self {
        let Listed { address, brief, .. } = listed;
        let first = match order {
            SortOrder::Newest => 0,
            // Starts at 1: a device without a signal comes last.
            SortOrder::Strongest => {
                brief.signal.map_or(0, |signal| 1 + u64::from(signal.last_dbm.abs_diff(i8::MIN)))
            }
            SortOrder::MostProbes => brief.probe_count,
        };
        Self { rank: (first, brief.last_probe, Reverse(address)), listed }
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

//! The pages of devices and networks.
//!
//! All devices are looked at for a page, so that no order of them need be kept: some milliseconds for
//! 100,000. The state is let go of now and then meanwhile, so that the recorder does not wait for the whole
//! of it. What is gathered is bounded by the page that is asked for, and pages by [`LAST_PAGE`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::dot11::{MacAddr, Ssid};
use crate::event::Timestamp;
use crate::recorder::RecorderHandle;
use crate::state::{Brief, DEVICE_PARTS, DeviceRow, Network, SoughtNetwork, fold_case};

/// Entries of a page: of as many as long as they get, a message has room for all.
pub const PAGE_ENTRIES: usize = 10;

/// The number of the last page that is shown: nobody turns so many.
const LAST_PAGE: u32 = 999;

/// Parts of the devices that are looked at before the state is let go of.
const PARTS_AT_ONCE: usize = 16;

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Its number from 0.
    pub number: u32,
    /// The entries of all pages.
    pub total: usize,
    /// Those of this one.
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

    /// Whether there is a page behind this one.
    pub fn has_next(&self) -> bool {
        self.number as usize + 1 < self.pages()
    }

    fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        let entries = self.entries.into_iter().map(change).collect();
        Page { number: self.number, total: self.total, entries }
    }
}

/// A device in a list: an address, or all addresses that share a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Option<String>,
    /// Its address that was heard last.
    pub address: MacAddr,
    /// How many others it has.
    pub further_addresses: usize,
    /// What is known of it. In a list of those who asked for a network, the probes are those for it.
    pub brief: Brief,
}

impl Entry {
    /// Takes in another address of the same name.
    fn merge(&mut self, address: MacAddr, brief: Brief) {
        self.further_addresses += 1;
        let probe_count = self.brief.probe_count + brief.probe_count;
        if brief.last_probe > self.brief.last_probe {
            (self.address, self.brief) = (address, brief);
        }
        self.brief.probe_count = probe_count;
    }
}

/// What stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// What was heard last.
    Newest,
    /// What had the strongest signal when it was heard last.
    Strongest,
    /// What has most probes.
    MostProbes,
}

/// A page of the devices that were heard from `since` on.
pub fn devices(recorder: &RecorderHandle, order: Order, since: Option<Timestamp>, page: u32) -> Page<Entry> {
    let is_recent = |brief: &Brief| since.is_none_or(|since| brief.last_probe >= since);
    gather(recorder, order, page, |row| row.brief().filter(is_recent))
}

/// A page of the devices that asked for a network, and how often all of them did.
pub fn who_asked(recorder: &RecorderHandle, ssid: &Ssid, page: u32) -> (Page<Entry>, u64) {
    let network = SoughtNetwork::new(ssid);
    let mut sum = 0;
    let askers = gather(recorder, Order::MostProbes, page, |row| {
        let probe_count = Some(row.probes_for(&network)).filter(|count| *count > 0)?;
        sum += probe_count;
        Some(Brief { probe_count, ..row.brief()? })
    });
    (askers, sum)
}

/// A page of the networks, those with most probes first.
pub fn networks(recorder: &RecorderHandle, page: u32) -> Page<(Ssid, Network)> {
    let state = recorder.state();
    let mut greatest = Greatest::for_page(page);
    for (ssid, network) in state.networks().iter() {
        greatest.push((network.probe_count, network.last_probe, Reverse(ssid), network.first_probe));
    }
    greatest.into_page(page).map(|(probe_count, last_probe, Reverse(ssid), first_probe)| {
        (ssid.clone(), Network { probe_count, first_probe, last_probe })
    })
}

/// A page of the devices of which `look` tells something.
fn gather(
    recorder: &RecorderHandle,
    order: Order,
    page: u32,
    mut look: impl FnMut(DeviceRow<'_>) -> Option<Brief>,
) -> Page<Entry> {
    let names: HashMap<MacAddr, String> =
        recorder.state().names().iter().map(|(address, name)| (address, name.to_owned())).collect();
    let mut named: HashMap<String, Entry> = HashMap::new();
    let mut greatest = Greatest::for_page(page);
    for first in (0..DEVICE_PARTS).step_by(PARTS_AT_ONCE) {
        let state = recorder.state();
        for row in (first..first + PARTS_AT_ONCE).flat_map(|part| state.devices_of_part(part)) {
            let Some(brief) = look(row) else { continue };
            let address = row.address;
            let new = |name| Entry { name, address, further_addresses: 0, brief };
            match names.get(&address) {
                None => greatest.push(Ranked::new(order, new(None))),
                Some(name) => {
                    let entry = named.entry(fold_case(name));
                    entry
                        .and_modify(|entry| entry.merge(address, brief))
                        .or_insert_with(|| new(Some(name.clone())));
                }
            }
        }
    }
    for entry in named.into_values() {
        greatest.push(Ranked::new(order, entry));
    }
    greatest.into_page(page).map(|ranked| ranked.entry)
}

/// A device with its place in an order.
#[derive(Debug, PartialEq, Eq)]
struct Ranked {
    rank: (i128, Timestamp, Reverse<MacAddr>),
    entry: Entry,
}

impl Ranked {
    fn new(order: Order, entry: Entry) -> Self {
        let first = match order {
            Order::Newest => 0,
            Order::Strongest => entry.brief.signal.map_or(i128::MIN, |signal| signal.last_dbm.into()),
            Order::MostProbes => entry.brief.probe_count.into(),
        };
        Self { rank: (first, entry.brief.last_probe, Reverse(entry.address)), entry }
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

/// The greatest of what is pushed, as many as the pages up to one hold.
struct Greatest<T> {
    limit: usize,
    kept: BinaryHeap<Reverse<T>>,
    total: usize,
}

impl<T: Ord> Greatest<T> {
    fn for_page(page: u32) -> Self {
        Self { limit: (page.min(LAST_PAGE) as usize + 1) * PAGE_ENTRIES, kept: BinaryHeap::new(), total: 0 }
    }

    fn push(&mut self, item: T) {
        self.total += 1;
        if self.kept.len() < self.limit {
            self.kept.push(Reverse(item));
        } else if let Some(mut least) = self.kept.peek_mut()
            && least.0 < item
        {
            *least = Reverse(item);
        }
    }

    /// The page of this number, or the last.
    fn into_page(self, page: u32) -> Page<T> {
        let last = self.total.saturating_sub(1) / PAGE_ENTRIES;
        let number = (page.min(LAST_PAGE) as usize).min(last);
        let entries = self.kept.into_sorted_vec().into_iter().map(|Reverse(item)| item);
        let entries = entries.skip(number * PAGE_ENTRIES).take(PAGE_ENTRIES).collect();
        Page { number: number as u32, total: self.total, entries }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_of_the_sorted_whole() {
        for total in [0_usize, 1, 10, 11, 95, 10_007] {
            for page in [0_u32, 1, 9, 10, u32::MAX] {
                let mut greatest = Greatest::for_page(page);
                (0..total).for_each(|number| greatest.push(number * 37 % 20_011));
                let mut all: Vec<usize> = (0..total).map(|number| number * 37 % 20_011).collect();
                all.sort_by_key(|number| Reverse(*number));
                let found = greatest.into_page(page);
                let shown: Vec<usize> =
                    all.chunks(PAGE_ENTRIES).nth(found.number as usize).unwrap_or_default().to_vec();
                assert_eq!((found.total, &found.entries), (total, &shown), "page {page} of {total}");
                assert_eq!(found.number, page.min(found.pages() as u32 - 1));
            }
        }
    }
}

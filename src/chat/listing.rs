//! The pages of devices and networks.
//!
//! All devices are looked at for a page, so that no order of them need be kept: some milliseconds for
//! 100,000 of them. The state is let go of now and then meanwhile, so that the recorder does not wait for the whole
//! of it. What is gathered is bounded by the page that is asked for, and pages by [`LAST_PAGE`].

use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::dot11::{MacAddr, Ssid};
use crate::event::Timestamp;
use crate::recorder::RecorderHandle;
use crate::state::{Brief, DEVICE_PARTS, DeviceRow, Names, Network, SoughtNetwork, fold_case};

/// Entries of a page: of as many as long as they get, a message has room for all.
pub const PAGE_ENTRIES: usize = 10;

/// The number of the last page that is shown: nobody turns so many.
const LAST_PAGE: u32 = 999;

/// Parts of the devices that are looked at before the state is let go of.
const PARTS_AT_ONCE: usize = 16;

/// Threads that help to look at all devices: more of them than this wait for the same memory.
const HELPERS: usize = 3;

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
    let sum = AtomicU64::new(0);
    let askers = gather(recorder, Order::MostProbes, page, |row| {
        let probe_count = Some(row.probes_for(&network)).filter(|count| *count > 0)?;
        sum.fetch_add(probe_count, Ordering::Relaxed);
        Some(Brief { probe_count, ..row.brief()? })
    });
    (askers, sum.into_inner())
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

/// A page of the devices of which `look` tells something. Where the machine has several processors, they share
/// the devices: most of the time each waits for memory that no cache holds.
fn gather(
    recorder: &RecorderHandle,
    order: Order,
    page: u32,
    look: impl Fn(DeviceRow<'_>) -> Option<Brief> + Sync,
) -> Page<Entry> {
    let named = Named::of(recorder.state().names());
    let next_part = AtomicUsize::new(0);
    let sift = || {
        let mut sieve = Sieve::new(&named, order, page);
        loop {
            let first = next_part.fetch_add(PARTS_AT_ONCE, Ordering::Relaxed);
            if first >= DEVICE_PARTS {
                return sieve;
            }
            let state = recorder.state();
            for row in (first..first + PARTS_AT_ONCE).flat_map(|part| state.devices_of_part(part)) {
                if let Some(brief) = look(row) {
                    sieve.take(Listed { address: row.address, further_addresses: 0, brief });
                }
            }
        }
    };
    let sieve = thread::scope(|scope| {
        let helpers = thread::available_parallelism().map_or(0, |processors| processors.get() - 1);
        // One that cannot be started leaves its share to the others.
        let helpers: Vec<_> = (0..helpers.min(HELPERS))
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, sift).ok())
            .collect();
        let own = sift();
        let found =
            helpers.into_iter().map(|helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        found.fold(own, Sieve::merge)
    });
    sieve.into_page(page)
}

/// What is found of the devices that were looked at.
struct Sieve<'a> {
    named: &'a Named,
    order: Order,
    nameless: Greatest<Ranked>,
    /// Those with names, by the place of the name.
    groups: Vec<Option<Listed>>,
}

impl<'a> Sieve<'a> {
    fn new(named: &'a Named, order: Order, page: u32) -> Self {
        Self { named, order, nameless: Greatest::for_page(page), groups: vec![None; named.names.len()] }
    }

    fn take(&mut self, listed: Listed) {
        let place = self.named.places.get(&listed.address);
        match place.and_then(|place| self.groups.get_mut(*place)) {
            None => self.nameless.push(Ranked::new(self.order, listed)),
            Some(group) => *group = merged(*group, Some(listed)),
        }
    }

    /// What both have found.
    fn merge(mut self, other: Self) -> Self {
        self.nameless.merge(other.nameless);
        for (group, others) in self.groups.iter_mut().zip(other.groups) {
            *group = merged(*group, others);
        }
        self
    }

    fn into_page(mut self, page: u32) -> Page<Entry> {
        for listed in self.groups.into_iter().flatten() {
            self.nameless.push(Ranked::new(self.order, listed));
        }
        self.nameless.into_page(page).map(|Ranked { listed, .. }| Entry {
            name: self.named.name_of(listed.address),
            address: listed.address,
            further_addresses: listed.further_addresses as usize,
            brief: listed.brief,
        })
    }
}

/// An entry without its name, small enough to be sorted by the thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    address: MacAddr,
    further_addresses: u32,
    brief: Brief,
}

/// Both as one: what has the same name.
fn merged(one: Option<Listed>, other: Option<Listed>) -> Option<Listed> {
    let (Some(one), Some(other)) = (one, other) else { return one.or(other) };
    // Two that were heard at once are told apart by their addresses, whichever came first.
    let newest = |listed: &Listed| (listed.brief.last_probe, Reverse(listed.address));
    let mut both = if newest(&one) < newest(&other) { other } else { one };
    both.further_addresses = one.further_addresses + other.further_addresses + 1;
    both.brief.probe_count = one.brief.probe_count + other.brief.probe_count;
    Some(both)
}

/// The names of devices.
struct Named {
    /// Each once.
    names: Vec<String>,
    /// Which of them an address has.
    places: HashMap<MacAddr, usize>,
}

impl Named {
    fn of(all: &Names) -> Self {
        let mut names = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        let places = all.iter().map(|(address, name)| {
            let place = *known.entry(fold_case(name)).or_insert_with(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            (address, place)
        });
        let places = places.collect();
        Self { names, places }
    }

    fn name_of(&self, address: MacAddr) -> Option<String> {
        self.names.get(*self.places.get(&address)?).cloned()
    }
}

/// A device with its place in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ranked {
    rank: (u64, Timestamp, Reverse<MacAddr>),
    listed: Listed,
}

impl Ranked {
    fn new(order: Order, listed: Listed) -> Self {
        let Listed { address, brief, .. } = listed;
        let first = match order {
            Order::Newest => 0,
            // From 1 on, since a device without any signal stands behind all.
            Order::Strongest => {
                brief.signal.map_or(0, |signal| 1 + u64::from(signal.last_dbm.abs_diff(i8::MIN)))
            }
            Order::MostProbes => brief.probe_count,
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

/// The greatest of what is pushed: as many as the pages up to one hold, and at times twice as many.
struct Greatest<T> {
    limit: usize,
    kept: Vec<T>,
    /// What is less than this is none of them.
    least: Option<T>,
    total: usize,
}

impl<T: Ord + Copy> Greatest<T> {
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
        // Each time half of them go, so that an item costs the same however many are kept.
        if self.kept.len() >= 2 * self.limit {
            keep_greatest(&mut self.kept, self.limit);
            self.least = self.kept.iter().min().copied();
        }
    }

    /// Takes in what was pushed to another for the same page.
    fn merge(&mut self, other: Self) {
        self.total += other.total - other.kept.len();
        other.kept.into_iter().for_each(|item| self.push(item));
    }

    /// The page of this number, or the last.
    fn into_page(mut self, page: u32) -> Page<T> {
        let last = self.total.saturating_sub(1) / PAGE_ENTRIES;
        let number = (page.min(LAST_PAGE) as usize).min(last);
        // The pages before it need no order.
        let before = keep_greatest(&mut self.kept, (number + 1) * PAGE_ENTRIES).min(number * PAGE_ENTRIES);
        if (1..self.kept.len()).contains(&before) {
            self.kept.select_nth_unstable_by_key(before, |item| Reverse(*item));
        }
        let mut entries = self.kept.split_off(before);
        entries.sort_unstable_by_key(|item| Reverse(*item));
        Page { number: number as u32, total: self.total, entries }
    }
}

/// Leaves the greatest `count` items, in no order; how many there are then.
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
    fn a_page_is_as_of_the_sorted_whole() {
        for total in [0_usize, 1, 10, 11, 95, 10_007] {
            for page in [0_u32, 1, 9, 10, u32::MAX] {
                let [mut greatest, mut others] = [(); 2].map(|()| Greatest::for_page(page));
                for number in 0..total {
                    let of = if number % 3 == 0 { &mut others } else { &mut greatest };
                    of.push(number * 37 % 20_011);
                }
                greatest.merge(others);
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

    #[test]
    fn addresses_of_one_name_are_one_entry_in_whatever_order_they_come() {
        let listed = |last: u8, probe_count, seconds: i64| Listed {
            address: MacAddr::new([0, 0, 0, 0, 0, last]),
            further_addresses: 0,
            brief: Brief {
                probe_count,
                last_probe: Timestamp::from_micros(seconds * 1_000_000),
                signal: None,
            },
        };
        let [one, two, three] = [listed(1, 10, 5), listed(2, 20, 7), listed(3, 30, 7)];
        let expected = Listed { further_addresses: 2, brief: Brief { probe_count: 60, ..two.brief }, ..two };
        for [first, second, third] in
            [[one, two, three], [one, three, two], [two, one, three], [two, three, one], [three, two, one]]
        {
            let [first, second, third] = [first, second, third].map(Some);
            assert_eq!(merged(merged(first, second), third), Some(expected));
            assert_eq!(merged(first, merged(second, third)), Some(expected));
        }
        assert_eq!(merged(None, Some(one)), Some(one));
        assert_eq!(merged(None, None), None);
    }
}

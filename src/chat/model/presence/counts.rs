//! How many devices were in range, at least.
//!
//! - Random addresses without a group are one device at least: nothing shows whose they are.
//! - Counts are lower bounds. A phone that returns may begin another group, so groups of one model count as several
//!   phones only if that is known ([`least_phones`]).

use std::collections::BTreeMap;

use dot11::ModelKey;
use store::event::DeviceKey;
use store::state::{LeastPhones, SeenGroup, least_phones};

use super::PresenceTable;
use super::interval::{Interval, overlapping, stays_in_hours};
use crate::chart::DevicesInHour;
use crate::chat::model::time_range::TimeRange;
use crate::device_counts::{DeviceCounts, RandomAddresses};

/// The least number of devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeastDevices {
    /// Devices with a name.
    pub named: u64,
    /// Devices without a name that have a fixed address.
    pub fixed: u64,
    /// Phones with random addresses.
    pub phones: LeastPhones,
    /// The groups that these phones have.
    pub groups: u64,
    /// The devices with a name that used random addresses. More phones may share the name.
    pub named_random: u64,
    /// Random addresses of no group: all together one device at least.
    pub ungrouped: u64,
}

impl LeastDevices {
    /// All together.
    pub fn total(&self) -> u64 {
        self.counts(0).at_least
    }

    /// The counts; the phones used this many addresses, if that is known.
    pub fn counts(&self, grouped_addresses: u64) -> DeviceCounts {
        let Self { named, fixed, phones, groups, named_random, ungrouped } = *self;
        let random = RandomAddresses { grouped: grouped_addresses, ungrouped, named: named_random };
        DeviceCounts::of_groups(named, fixed, (phones, groups), random)
    }
}

impl PresenceTable {
    /// The least number of devices in range within `range`.
    pub fn least_devices(&self, range: &TimeRange) -> LeastDevices {
        self.count(range, |_| true)
    }

    /// The least number of devices that stayed, of those in range within `range`.
    pub fn least_stayed(&self, range: &TimeRange) -> LeastDevices {
        self.count(range, Interval::is_stay)
    }

    fn count(&self, range: &TimeRange, counts: impl Fn(&Interval) -> bool) -> LeastDevices {
        let mut least = LeastDevices::default();
        for (key, presence) in &self.devices {
            match (key, presence.model) {
                (DeviceKey::Phone(_), Some(_)) => {}
                _ if presence.was_seen(range, &counts).is_none() => {}
                (DeviceKey::Name(_), _) => {
                    least.named += 1;
                    least.named_random += u64::from(!presence.random_addresses.is_empty());
                }
                _ => least.fixed += 1,
            }
        }
        let phones: Vec<SeenGroup<'_>> = self.phones_in(range, &counts).collect();
        least.groups = phones.len() as u64;
        least.phones = least_phones(phones.into_iter().chain(self.named_in(range, &counts)));
        let is_there = |intervals: &&Vec<Interval>| overlapping(intervals, range).any(&counts);
        least.ungrouped = self.ungrouped.values().filter(is_there).count() as u64;
        least
    }

    /// The phones that were there in this range, as far as these intervals count.
    fn phones_in(
        &self,
        range: &TimeRange,
        counts: impl Fn(&Interval) -> bool,
    ) -> impl Iterator<Item = SeenGroup<'_>> {
        self.devices.iter().filter_map(move |(key, presence)| {
            let (&DeviceKey::Phone(id), Some(model)) = (key, presence.model) else { return None };
            let is_itself = presence.was_seen(range, &counts)?;
            Some(SeenGroup {
                id,
                model,
                counts_as: self.counted_model(model),
                phones: presence.phones_in(range),
                is_itself,
                apart: &presence.apart,
                is_named: false,
            })
        })
    }

    /// The groups of the devices with a name that were there in this range, as far as these intervals count.
    fn named_in<'a>(
        &'a self,
        range: &TimeRange,
        counts: impl Fn(&Interval) -> bool,
    ) -> impl Iterator<Item = SeenGroup<'a>> {
        let named = self.devices.values().filter(|presence| !presence.named_groups.is_empty());
        let there = named.filter(move |presence| presence.was_seen(range, &counts).is_some());
        there.flat_map(|presence| {
            presence.named_groups.iter().map(|(id, model)| SeenGroup {
                counts_as: self.counted_model(*model),
                ..SeenGroup::named(*id, *model)
            })
        })
    }

    fn counted_model(&self, model: ModelKey) -> ModelKey {
        self.linked_models.get(&model).copied().unwrap_or(model)
    }

    /// The least number of devices in each of these hours, which are in order and do not overlap. A device that stayed
    /// beyond an hour counts in each.
    pub fn devices_in_hours(&self, hours: &[TimeRange]) -> Vec<DevicesInHour> {
        let mut counts = vec![DevicesInHour::default(); hours.len()];
        for (key, presence) in &self.devices {
            if matches!((key, presence.model), (DeviceKey::Phone(_), Some(_))) {
                continue;
            }
            for (hour, is_stay) in stays_in_hours(&presence.intervals, hours) {
                let Some(count) = counts.get_mut(hour) else { continue };
                *(if is_stay { &mut count.stayed } else { &mut count.passed }) += 1;
            }
        }
        // Random addresses of no group may be any phone that is there, and all the same one.
        let mut others: BTreeMap<usize, bool> = BTreeMap::new();
        for intervals in self.ungrouped.values() {
            for (hour, is_stay) in stays_in_hours(intervals, hours) {
                *others.entry(hour).or_default() |= is_stay;
            }
        }
        // One hour after the other: of all hours at once there may be too many phones.
        for (hour, (range, count)) in hours.iter().zip(&mut counts).enumerate() {
            // Whoever has a name may be any phone that was there in the hour.
            let named: Vec<SeenGroup<'_>> = self.named_in(range, |_| true).collect();
            let phones = least_phones(self.phones_in(range, |_| true).chain(named.iter().copied())).phones;
            let stayed = self.phones_in(range, Interval::is_stay).chain(named.iter().copied());
            let stayed = least_phones(stayed).phones;
            match others.get(&hour) {
                Some(true) if phones == 0 && named.is_empty() => count.stayed += 1,
                Some(false) if phones == 0 && named.is_empty() => count.passed += 1,
                _ => {}
            }
            count.stayed += stayed;
            count.passed += phones.saturating_sub(stayed);
        }
        counts
    }
}

//! How many devices there are, as far as is known: the values and their text.
//!
//! A device with a name or a globally unique address counts once. Phones with random addresses are counted by their
//! groups. A phone that returns with another address may begin another group, so groups of one model count as different
//! phones only if they were in range at the same time.

use std::collections::{HashMap, HashSet};

use dot11::ModelKey;
use serde::Serialize;
use store::event::{DeviceKey, GroupId, Timestamp};
use store::state::{Group, OUT_OF_RANGE, State, fold_case};

use crate::text::format::pluralize;

/// Counts of devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// The least number of devices.
    pub at_least: u64,
    /// Devices with a name.
    pub named: u64,
    /// Devices without a name, each with an address that is globally unique.
    pub fixed: u64,
    /// The least number of phones that use random addresses.
    pub phones: u64,
    /// Groups of random addresses. One phone may have several, of different visits.
    pub groups: u64,
    /// The random addresses of these groups, as far as they were counted.
    pub grouped_addresses: u64,
    /// Random addresses of no group.
    pub ungrouped_addresses: u64,
    /// Whether there may be more devices: some use random addresses, with a name or without.
    pub may_be_more: bool,
}

/// How many random addresses there are.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomAddresses {
    /// Those of groups.
    pub grouped: u64,
    /// Those of no group.
    pub ungrouped: u64,
    /// Those of devices with a name.
    pub named: u64,
}

impl DeviceCounts {
    /// The counts for these numbers of devices with a name and with a fixed address, and for these groups, each of which
    /// is at least so many phones.
    pub fn new<'a>(
        named: u64,
        fixed: u64,
        groups: impl Iterator<Item = (&'a Group, u32)>,
        random: RandomAddresses,
    ) -> Self {
        let groups: Vec<(&Group, u32)> = groups.collect();
        let phones = least_phones(groups.iter().map(|(group, phones)| PhoneVisit {
            model: group.model,
            first: group.visit,
            last: group.last,
            phones: (*phones).into(),
            is_first: group.is_first_visit(group.visit),
        }));
        Self::of_groups(named, fixed, (phones, groups.len() as u64), random)
    }

    /// The counts for so many devices with a name, so many with a fixed address, and at least so many phones of so many
    /// groups.
    pub fn of_groups(named: u64, fixed: u64, (phones, groups): (u64, u64), random: RandomAddresses) -> Self {
        let others = u64::from(phones == 0 && random.ungrouped > 0);
        Self {
            at_least: named + fixed + phones + others,
            named,
            fixed,
            phones,
            groups,
            grouped_addresses: random.grouped,
            ungrouped_addresses: random.ungrouped,
            may_be_more: groups + random.ungrouped + random.named > 0,
        }
    }

    /// The counts over a whole state. Does not scan its addresses.
    pub fn of_state(state: &State) -> Self {
        let totals = state.totals();
        let grouping = state.grouping();
        let mut names = HashSet::new();
        let (mut named_fixed, mut named_random) = (0, 0);
        let mut named_of_group: HashMap<GroupId, u64> = HashMap::new();
        for (address, name) in state.names().iter() {
            if state.last_seen(&DeviceKey::Address(address)).is_none() {
                continue;
            }
            names.insert(fold_case(name));
            match address.is_random() {
                true => named_random += 1,
                false => named_fixed += 1,
            }
            if let Some(group) = grouping.group_of(address) {
                *named_of_group.entry(group).or_default() += 1;
            }
        }
        let mut unnamed = Vec::new();
        let (mut grouped, mut of_named_phones) = (0, 0);
        for (id, group) in grouping.groups() {
            let has_own_name = named_of_group.get(&id).copied().unwrap_or(0);
            let addresses = (group.addresses().len() as u64).saturating_sub(has_own_name);
            match &group.name {
                _ if addresses == 0 => {}
                Some(name) => {
                    names.insert(fold_case(name));
                    of_named_phones += addresses;
                }
                None if grouping.phone(id).is_none() => {}
                None => {
                    unnamed.push((group, group.visit_phones()));
                    grouped += addresses;
                }
            }
        }
        let fixed = totals.addresses.saturating_sub(totals.random_addresses + named_fixed);
        let named = of_named_phones + named_random;
        let ungrouped = totals.random_addresses.saturating_sub(grouped + named);
        let random = RandomAddresses { grouped, ungrouped, named };
        Self::new(names.len() as u64, fixed, unnamed.into_iter(), random)
    }

    /// What is known, in words: `at least 9 devices: 3 named, …`.
    pub fn text(&self) -> String {
        let Self { named, fixed, phones, groups, grouped_addresses, ungrouped_addresses, .. } = *self;
        let at_least = if self.may_be_more { "at least " } else { "" };
        let phones_and_addresses = || {
            let at_least = if phones < groups { "at least " } else { "" };
            let phones = pluralize(phones, "phone", "phones");
            let addresses = match grouped_addresses {
                0 => String::new(),
                count => format!(" ({})", pluralize(count, "address", "addresses")),
            };
            format!("{at_least}{phones} using random addresses{addresses}")
        };
        let others = if groups > 0 { "other random address" } else { "random address" };
        let parts = [
            (named > 0).then(|| format!("{named} named")),
            (fixed > 0).then(|| format!("{fixed} with a fixed address")),
            (groups > 0).then(phones_and_addresses),
            (ungrouped_addresses > 0).then(|| pluralize(ungrouped_addresses, others, &format!("{others}es"))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let total = format!("{at_least}{}", pluralize(self.at_least, "device", "devices"));
        if parts.is_empty() { total } else { format!("{total}: {}", parts.join(", ")) }
    }

    /// The text as a line of its own, and what makes a list longer than the count.
    pub fn line(&self) -> String {
        let text = self.text();
        let mut characters = text.chars();
        let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
        let again = match self.phones < self.groups {
            true => ". A phone that returned with another address is listed again.",
            false => "",
        };
        format!("{first}{}{again}", characters.as_str())
    }
}

/// A visit of a group of random addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneVisit {
    /// The model.
    pub model: ModelKey,
    /// The first frame.
    pub first: Timestamp,
    /// The last frame.
    pub last: Timestamp,
    /// The least number of phones.
    pub phones: u64,
    /// Whether it is the group's first visit ([`Group::is_first_visit`]).
    pub is_first: bool,
}

/// The least number of phones that made these visits: for each model the most that were in range at once. Visits of
/// one model at different times may be those of one phone that returned with another address. So may later visits of
/// groups at any time: of these only the one of most phones counts.
pub fn least_phones(visits: impl IntoIterator<Item = PhoneVisit>) -> u64 {
    // By model and time; of changes at the same time, arrivals come first.
    let mut changes: Vec<(ModelKey, Timestamp, bool, u64)> = Vec::new();
    let mut returned: HashMap<ModelKey, u64> = HashMap::new();
    for PhoneVisit { model, first, last, phones, is_first } in visits {
        if is_first {
            changes.push((model, first, false, phones));
            changes.push((model, last.saturating_add(OUT_OF_RANGE), true, phones));
        } else {
            let most = returned.entry(model).or_default();
            *most = phones.max(*most);
        }
    }
    changes.sort_unstable();
    let most_at_once = |changes: &[(ModelKey, Timestamp, bool, u64)]| {
        let (mut present, mut most) = (0_u64, 0_u64);
        for (_, _, has_left, phones) in changes {
            present = if *has_left { present.saturating_sub(*phones) } else { present + phones };
            most = most.max(present);
        }
        most
    };
    let mut most = returned;
    for of_model in changes.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some((model, ..)) = of_model.first() else { continue };
        let known = most.entry(*model).or_default();
        *known = most_at_once(of_model).max(*known);
    }
    most.into_values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(named: u64, fixed: u64, (phones, groups): (u64, u64), addresses: (u64, u64)) -> DeviceCounts {
        let (grouped_addresses, ungrouped_addresses) = addresses;
        let at_least = named + fixed + phones + u64::from(phones == 0 && ungrouped_addresses > 0);
        let may_be_more = grouped_addresses + ungrouped_addresses > 0;
        DeviceCounts {
            at_least,
            named,
            fixed,
            phones,
            groups,
            grouped_addresses,
            ungrouped_addresses,
            may_be_more,
        }
    }

    #[test]
    fn the_text_states_what_is_known() {
        for (counts, text) in [
            (
                counts(3, 2, (4, 4), (61, 0)),
                "at least 9 devices: 3 named, 2 with a fixed address, 4 phones using random addresses (61 addresses)",
            ),
            (counts(0, 0, (1, 1), (1, 0)), "at least 1 device: 1 phone using random addresses (1 address)"),
            (
                counts(1, 0, (2, 5), (9, 3)),
                "at least 3 devices: 1 named, at least 2 phones using random addresses (9 addresses), \
                 3 other random addresses",
            ),
            (counts(0, 1, (0, 0), (0, 0)), "1 device: 1 with a fixed address"),
            (counts(0, 0, (0, 0), (0, 1)), "at least 1 device: 1 random address"),
            (counts(2, 0, (0, 0), (0, 7)), "at least 3 devices: 2 named, 7 random addresses"),
        ] {
            assert_eq!(counts.text(), text);
        }
    }
}

//! How many devices there are, as far as is known: the values and their text.
//!
//! A device with a name or a globally unique address counts once. Phones with random addresses are counted by their
//! groups. A phone that returns with another address may begin another group, so groups of one model count as different
//! phones only if that is known ([`least_phones`]). Groups of different models count as different phones: that is probable,
//! and the text says so.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;
use store::event::{DeviceKey, GroupId};
use store::state::{LeastPhones, SeenGroup, State, fold_case, least_phones};

use crate::text::format::pluralize;

/// Counts of devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeviceCounts {
    /// The least number of devices, if phones of different models are different phones, and none of them also uses a fixed
    /// address.
    pub at_least: u64,
    /// The least number that is proven, without these assumptions.
    pub proven: u64,
    /// Devices with a name.
    pub named: u64,
    /// Devices without a name, each with an address that is globally unique.
    pub fixed: u64,
    /// The least number of phones that use random addresses, besides those with a name.
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
    /// The counts for these numbers of devices with a name and with a fixed address, and for these groups, those of named
    /// devices among them.
    pub fn new(named: u64, fixed: u64, groups: &[SeenGroup<'_>], random: RandomAddresses) -> Self {
        let least = least_phones(groups.iter().copied());
        let unnamed = groups.iter().filter(|group| !group.is_named).count();
        Self::of_groups(named, fixed, (least, unnamed as u64), random)
    }

    /// The counts for so many devices with a name, so many with a fixed address, and at least so many phones of so many
    /// groups.
    pub fn of_groups(
        named: u64,
        fixed: u64,
        (least, groups): (LeastPhones, u64),
        random: RandomAddresses,
    ) -> Self {
        let LeastPhones { phones, proven } = least;
        // They may be the addresses of any phone, also of one with a name.
        let others = u64::from(phones + random.named == 0 && random.ungrouped > 0);
        // A phone with a name may use one of the fixed addresses, too.
        let named_fixed = named.saturating_sub(random.named);
        Self {
            at_least: named + fixed + phones + others,
            proven: proven.max(others).max(named).max(named_fixed + fixed),
            named,
            fixed,
            phones,
            groups,
            grouped_addresses: random.grouped,
            ungrouped_addresses: random.ungrouped,
            may_be_more: groups + random.ungrouped + random.named > 0,
        }
    }

    /// The counts over a whole state: of the addresses that have statistics. Looks up those of groups.
    pub fn of_state(state: &State) -> Self {
        let totals = state.totals();
        let grouping = state.grouping();
        let mut names = HashSet::new();
        let (mut named_fixed, mut named_random) = (0, 0);
        let mut named_of_group: HashMap<GroupId, BTreeSet<String>> = HashMap::new();
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
                named_of_group.entry(group).or_default().insert(fold_case(name));
            }
        }
        let mut groups = Vec::new();
        let (mut grouped, mut of_named_phones) = (0, 0);
        for (id, group) in grouping.groups() {
            let own_names = named_of_group.get(&id).map_or(0, BTreeSet::len);
            let seen = group.addresses().map(|(address, _)| address);
            let seen = seen.filter(|address| state.first_seen(*address).is_some());
            let seen = seen.filter(|address| own_names == 0 || state.names().of(*address).is_none());
            let (mut addresses, mut is_itself) = (0, false);
            for address in seen {
                addresses += 1;
                is_itself |= !group.is_guest(address);
            }
            let named = own_names + usize::from(group.name.is_some() && addresses > 0);
            groups.extend((0..named).map(|_| SeenGroup::named(id, group.model).linked_by(grouping)));
            match &group.name {
                _ if addresses == 0 => {}
                Some(name) => {
                    names.insert(fold_case(name));
                    of_named_phones += addresses;
                }
                None if grouping.phone(id).is_none() => {}
                None => {
                    groups.push(SeenGroup::of(id, group, group.phones(), is_itself).linked_by(grouping));
                    grouped += addresses;
                }
            }
        }
        let fixed = totals.addresses.saturating_sub(totals.random_addresses + named_fixed);
        let named = of_named_phones + named_random;
        let ungrouped = totals.random_addresses.saturating_sub(grouped + named);
        let random = RandomAddresses { grouped, ungrouped, named };
        Self::new(names.len() as u64, fixed, &groups, random)
    }

    /// How sure the number is, in words before it: `probably at least `, for example.
    fn certainty(&self) -> &'static str {
        match self.may_be_more {
            _ if self.at_least > self.proven => "probably at least ",
            true => "at least ",
            false => "",
        }
    }

    /// The number, in words: `at least 9`.
    pub fn number(&self) -> String {
        format!("{}{}", self.certainty(), self.at_least)
    }

    /// What is known, in words: `at least 9 devices: 3 named, …`.
    pub fn text(&self) -> String {
        self.text_with("")
    }

    /// A sentence that says what they did: `At least 9 devices requested it: 3 named, …`.
    pub fn sentence(&self, did: &str) -> String {
        capitalize(&self.text_with(&format!(" {did}")))
    }

    fn text_with(&self, did: &str) -> String {
        let Self { named, fixed, phones, groups, grouped_addresses, ungrouped_addresses, .. } = *self;
        let phones_and_addresses = || {
            if phones == 0 {
                let addresses = match grouped_addresses {
                    0 => "random addresses".to_owned(),
                    count => pluralize(count, "random address", "random addresses"),
                };
                return format!("{addresses} that may be of a named device");
            }
            // Where the sum is only probable, so is its part.
            let at_least = if phones < groups && self.at_least == self.proven { "at least " } else { "" };
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
        let devices = pluralize(self.at_least, "device", "devices");
        let total = format!("{}{devices}{did}", self.certainty());
        if parts.is_empty() { total } else { format!("{total}: {}", parts.join(", ")) }
    }

    /// The text as a line of its own, and what makes a list longer than the count.
    pub fn line(&self) -> String {
        let again = match self.phones < self.groups {
            true => ". A phone that returned with another address may be listed again.",
            false => "",
        };
        format!("{}{again}", capitalize(&self.text()))
    }
}

fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts of so many groups, which are at least so many phones, of which so many are proven.
    fn counts(
        named: u64,
        fixed: u64,
        (phones, proven, groups): (u64, u64, u64),
        addresses: (u64, u64),
    ) -> DeviceCounts {
        let (grouped, ungrouped) = addresses;
        let random = RandomAddresses { grouped, ungrouped, named: 0 };
        DeviceCounts::of_groups(named, fixed, (LeastPhones { phones, proven }, groups), random)
    }

    #[test]
    fn the_text_states_what_is_known() {
        for (counts, text) in [
            (
                counts(3, 2, (4, 1, 4), (61, 0)),
                "probably at least 9 devices: 3 named, 2 with a fixed address, 4 phones using random addresses (61 \
                 addresses)",
            ),
            (
                counts(0, 0, (1, 1, 1), (1, 0)),
                "at least 1 device: 1 phone using random addresses (1 address)",
            ),
            // They are of one model, and were seen at the same time; or they are of two models.
            (
                counts(0, 0, (2, 2, 1), (5, 0)),
                "at least 2 devices: 2 phones using random addresses (5 addresses)",
            ),
            (
                counts(0, 0, (2, 1, 2), (5, 0)),
                "probably at least 2 devices: 2 phones using random addresses (5 addresses)",
            ),
            // The phone may use a fixed address, too.
            (
                counts(0, 1, (1, 1, 1), (5, 0)),
                "probably at least 2 devices: 1 with a fixed address, 1 phone using random addresses (5 addresses)",
            ),
            (
                counts(1, 0, (2, 3, 5), (9, 3)),
                "at least 3 devices: 1 named, at least 2 phones using random addresses (9 addresses), \
                 3 other random addresses",
            ),
            (
                counts(0, 0, (2, 1, 3), (9, 0)),
                "probably at least 2 devices: 2 phones using random addresses (9 addresses)",
            ),
            (counts(0, 1, (0, 0, 0), (0, 0)), "1 device: 1 with a fixed address"),
            (counts(0, 0, (0, 0, 0), (0, 1)), "at least 1 device: 1 random address"),
            (counts(2, 0, (0, 0, 0), (0, 7)), "probably at least 3 devices: 2 named, 7 random addresses"),
            (
                counts(1, 0, (0, 1, 2), (5, 0)),
                "at least 1 device: 1 named, 5 random addresses that may be of a named device",
            ),
        ] {
            assert_eq!(counts.text(), text);
        }
    }
}

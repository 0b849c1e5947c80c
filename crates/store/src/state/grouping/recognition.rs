//! Recognises a phone that returns with other addresses: it is of the same model, and looks for a network that only one
//! phone ever looked for. The model alone is no evidence: in the lab it was right in one of eleven cases.
//!
//! - Who looks for a network is learned in every mode, so that it is known when phones are first recognised.
//! - A network is nobody's own as soon as anything is unknown about who looked for it: it was known before its
//!   requesters, or its phone was forgotten, or turned out to be two.
//! - Beyond [`REQUESTER_LIMIT`] a quarter is forgotten: first what is no evidence anyway, then the networks of phones with
//!   one address, as a flood invents them; of each the longest not looked for. A [`NetworkFilter`] knows what was
//!   forgotten, which is never evidence again.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::group::JoinReason;
use super::network_filter::NetworkFilter;
use super::{Grouping, Renamed, are_apart};
use crate::event::{GroupId, GroupingMode, Timestamp};
use crate::state::dirty_map::DirtyMap;
use dot11::{MacAddr, Ssid};

/// Networks whose requesters are remembered: fewer than these.
pub(super) const REQUESTER_LIMIT: usize = 8192;

/// Networks of one phone that are remembered. No phone looks for so many; further ones are no evidence.
pub(super) const NETWORKS_PER_PHONE: usize = 64;

/// Who looks for a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::state) enum Requester {
    /// One phone with random addresses.
    Phone(GroupId),
    /// One address that is of no phone: a globally unique one, or any while addresses are not grouped.
    Address(MacAddr),
    /// More than one device, as far as is known.
    Several,
}

/// Who looks for each network.
#[derive(Debug, Clone, Default)]
pub(in crate::state) struct Requesters {
    pub(in crate::state) rows: DirtyMap<Ssid, Requester>,
    /// The same as `rows`, which each frame reads that looks for a network.
    by_network: HashMap<Ssid, Requester>,
    /// The networks of each phone, from `rows`.
    of_phone: BTreeSet<(GroupId, Ssid)>,
    /// The networks that were forgotten.
    pub(in crate::state) forgotten: NetworkFilter,
}

impl PartialEq for Requesters {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.forgotten == other.forgotten
    }
}

/// What a network that a device looked for changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// The device's group was recognised as another.
    pub(super) renamed: Option<Renamed>,
    /// Networks of which it was forgotten who looks for them.
    pub(super) forgotten: usize,
}

impl Requesters {
    fn set(&mut self, ssid: &Ssid, requester: Requester) {
        self.leave_phone(ssid);
        if let Requester::Phone(id) = requester {
            self.of_phone.insert((id, ssid.clone()));
        }
        self.by_network.insert(ssid.clone(), requester.clone());
        self.rows.insert(ssid.clone(), requester);
    }

    /// Takes a network out of those of its phone.
    fn leave_phone(&mut self, ssid: &Ssid) {
        if let Some(Requester::Phone(before)) = self.by_network.get(ssid) {
            self.of_phone.remove(&(*before, ssid.clone()));
        }
    }

    /// The networks of this phone, in order.
    fn of_phone(&self, phone: GroupId) -> impl Iterator<Item = &Ssid> {
        // The empty SSID is the lowest.
        let networks = self.of_phone.range((phone, Ssid::default())..);
        networks.take_while(move |(of, _)| *of == phone).map(|(_, ssid)| ssid)
    }

    /// Forgets who looks for a network, for good.
    fn forget(&mut self, ssid: &Ssid) {
        self.leave_phone(ssid);
        self.by_network.remove(ssid);
        self.rows.remove(ssid);
        self.forgotten.insert(ssid);
    }

    fn set_all_of(&mut self, phone: GroupId, requester: &Requester) {
        for ssid in self.of_phone(phone).cloned().collect::<Vec<_>>() {
            self.set(&ssid, requester.clone());
        }
    }

    /// Notes that it is not known any more who looked for the networks of this phone.
    pub(super) fn doubt(&mut self, phone: GroupId) {
        self.set_all_of(phone, &Requester::Several);
    }

    /// Gives a phone another identifier.
    pub(super) fn rename(&mut self, from: GroupId, to: GroupId) {
        self.set_all_of(from, &Requester::Phone(to));
    }

    /// Completes the indexes after all rows were loaded.
    pub(super) fn index(&mut self) {
        self.of_phone.clear();
        self.by_network.clear();
        for (ssid, requester) in self.rows.iter() {
            self.by_network.insert(ssid.clone(), requester.clone());
            if let Requester::Phone(id) = requester {
                self.of_phone.insert((*id, ssid.clone()));
            }
        }
        // Earlier versions noted nothing about further networks when the table was full.
        if self.rows.len() >= REQUESTER_LIMIT {
            self.forgotten.insert_all();
        }
    }
}

impl Grouping {
    /// Notes that this address of this group looks for a network. `last_probe` says when anybody looked for one before, if
    /// it is known. If the network shows that the address's phone was here before, and the mode is
    /// [`GroupingMode::Returns`], they become one.
    pub(super) fn note_requester(
        &mut self,
        (source, group): (MacAddr, Option<GroupId>),
        ssid: &Ssid,
        last_probe: impl Fn(&Ssid) -> Option<Timestamp>,
    ) -> Noted {
        let now = group.map_or(Requester::Address(source), Requester::Phone);
        let requester = match (self.requesters.by_network.get(ssid), &now) {
            (Some(Requester::Several), _) => return Noted::default(),
            (Some(known), now) if known == now => return Noted::default(),
            (None, _) if self.requesters.forgotten.contains(ssid) => return Noted::default(),
            (None, Requester::Phone(id)) if self.has_too_many_networks(*id) => {
                self.requesters.forget(ssid);
                return Noted { renamed: None, forgotten: 1 };
            }
            (None, _) if last_probe(ssid).is_some() => Requester::Several,
            (None, _) => now,
            // The phone of an address that was not grouped before.
            (Some(Requester::Address(known)), Requester::Phone(_)) if *known == source => now,
            (Some(&Requester::Phone(before)), &Requester::Phone(id)) if self.may_be_the_same(before, id) => {
                if self.mode() == GroupingMode::Returns {
                    self.merge(id, before, source);
                    return Noted { renamed: Some(Renamed { from: id, to: before }), forgotten: 0 };
                }
                now
            }
            (Some(_), _) => Requester::Several,
        };
        self.requesters.set(ssid, requester);
        Noted { renamed: None, forgotten: self.limit_requesters(last_probe) }
    }

    /// Of the networks that are new, how many of a hundred are no evidence because they are taken for forgotten ones. 0 unless
    /// the mode is [`GroupingMode::Returns`].
    pub fn mistaken_networks_percent(&self) -> u8 {
        match self.mode() {
            GroupingMode::Returns => self.requesters.forgotten.mistaken_percent(),
            GroupingMode::Off | GroupingMode::InRange => 0,
        }
    }

    fn has_too_many_networks(&self, phone: GroupId) -> bool {
        self.requesters.of_phone(phone).count() >= NETWORKS_PER_PHONE
    }

    /// Forgets who looks for some networks if there are too many. Returns how many.
    fn limit_requesters(&mut self, last_probe: impl Fn(&Ssid) -> Option<Timestamp>) -> usize {
        if self.requesters.rows.len() < REQUESTER_LIMIT {
            return 0;
        }
        let value = |requester: &Requester| match requester {
            // Forgotten, it is as little evidence as before.
            Requester::Several | Requester::Address(_) => 0,
            Requester::Phone(id) => {
                let group = self.groups.get(id);
                1 + u8::from(group.is_some_and(|group| group.is_kept || group.address_count > 1))
            }
        };
        let forgotten =
            self.requesters.rows.lowest_quarter(|ssid, requester| Some((value(requester), last_probe(ssid))));
        forgotten.iter().for_each(|ssid| self.requesters.forget(ssid));
        forgotten.len()
    }

    /// Whether the group `id` can be the phone `before`: it is of its model, began after it had left, neither was ever
    /// proven to be several phones, of which nobody knows which one looked for the network, and nobody said otherwise.
    fn may_be_the_same(&self, before: GroupId, id: GroupId) -> bool {
        let (Some(earlier), Some(later)) = (self.groups.get(&before), self.groups.get(&id)) else {
            return false;
        };
        earlier.model == later.model
            && earlier.last < later.first
            && earlier.proofs.is_empty()
            && later.proofs.is_empty()
            && !earlier.apart.contains(&id)
            && !later.is_kept
            && !are_apart(&self.group_of, &self.splits, before, id)
    }

    /// Adds the group `from` to `to`, because its address `requester` looks for a network of `to`. Its other addresses
    /// keep the reasons for which they belong to it.
    fn merge(&mut self, from: GroupId, to: GroupId, requester: MacAddr) {
        let Some(group) = self.groups.remove(&from) else { return };
        self.requesters.rename(from, to);
        self.replace_apart(&group.apart, from, Some(to));
        for (address, reason) in &group.addresses {
            let reason = match reason {
                _ if *address == requester => JoinReason::OwnNetwork,
                JoinReason::First => JoinReason::SameModel,
                reason => *reason,
            };
            self.move_address(*address, None, to, reason);
        }
        if let Some(into) = self.groups.get_mut(&to) {
            into.last = into.last.max(group.last);
            into.frames += group.frames;
            (into.visit, into.visit_count) = (group.visit, into.visit_count + group.visit_count);
            into.guests.extend(&group.guests);
            into.add_models_of(&group);
            // Only the addresses that show that it is the same phone are of the one that others are told apart from.
            if !into.apart.is_empty() {
                let by_model = into.addresses.iter().filter(|(_, reason)| reason.is_by_model());
                into.guests.extend(by_model.map(|(address, _)| *address));
            }
        }
        if let Some(model) = self.models.get_mut(&group.model) {
            model.rename(from, to);
        }
        self.rename_variants(&group, from, to);
    }
}

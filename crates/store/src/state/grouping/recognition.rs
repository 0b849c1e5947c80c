//! Recognises a phone that returns with other addresses: it is of the same model, and looks for a network that only one
//! phone ever looked for. The model alone is no evidence: in the lab it was right in one of eleven cases.
//!
//! - Who looks for a network is learned in every mode, so that it is known when phones are first recognised.
//! - A network is nobody's own as soon as anything is unknown about who looked for it: it was known before its
//!   requesters, or its phone was forgotten, or turned out to be two.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::group::JoinReason;
use super::{Grouping, Renamed, are_apart};
use crate::event::{GroupId, GroupingMode};
use crate::state::dirty_map::DirtyMap;
use dot11::{MacAddr, Ssid};

/// Networks whose requesters are remembered. Further ones are no evidence.
pub(super) const REQUESTER_LIMIT: usize = 8192;

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
    of_phone: HashMap<GroupId, BTreeSet<Ssid>>,
}

impl PartialEq for Requesters {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Requesters {
    fn set(&mut self, ssid: &Ssid, requester: Requester) {
        if let Some(Requester::Phone(before)) = self.by_network.get(ssid)
            && let Some(networks) = self.of_phone.get_mut(before)
        {
            networks.remove(ssid);
            if networks.is_empty() {
                self.of_phone.remove(before);
            }
        }
        if let Requester::Phone(id) = requester {
            self.of_phone.entry(id).or_default().insert(ssid.clone());
        }
        self.by_network.insert(ssid.clone(), requester.clone());
        self.rows.insert(ssid.clone(), requester);
    }

    fn set_all_of(&mut self, phone: GroupId, requester: &Requester) {
        for ssid in self.of_phone.remove(&phone).unwrap_or_default() {
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
                self.of_phone.entry(*id).or_default().insert(ssid.clone());
            }
        }
    }
}

impl Grouping {
    /// Notes that this address looks for a network. `is_known` says whether anybody looked for it before. If that shows
    /// that its phone was here before, and the mode is [`GroupingMode::Returns`], they become one, which is returned.
    pub(super) fn note_requester(
        &mut self,
        source: MacAddr,
        ssid: &Ssid,
        is_known: impl FnOnce(&Ssid) -> bool,
    ) -> Option<Renamed> {
        let now = self.group_of(source).map_or(Requester::Address(source), Requester::Phone);
        let requester = match (self.requesters.by_network.get(ssid), &now) {
            (Some(Requester::Several), _) => return None,
            (Some(known), now) if known == now => return None,
            (None, _) if self.requesters.rows.len() >= REQUESTER_LIMIT => return None,
            (None, _) if is_known(ssid) => Requester::Several,
            (None, _) => now,
            // The phone of an address that was not grouped before.
            (Some(Requester::Address(known)), Requester::Phone(_)) if *known == source => now,
            (Some(&Requester::Phone(before)), &Requester::Phone(id)) if self.may_be_the_same(before, id) => {
                if self.mode() == GroupingMode::Returns {
                    self.merge(id, before, source);
                    return Some(Renamed { from: id, to: before });
                }
                now
            }
            (Some(_), _) => Requester::Several,
        };
        self.requesters.set(ssid, requester);
        None
    }

    /// Whether the group `id` can be the phone `before`: it is of its model, began after it had left, neither was ever
    /// proven to be several phones, of which nobody knows which one looked for the network, and nobody said otherwise.
    fn may_be_the_same(&self, before: GroupId, id: GroupId) -> bool {
        let (Some(earlier), Some(later)) = (self.groups.get(&before), self.groups.get(&id)) else {
            return false;
        };
        earlier.model == later.model
            && earlier.last < later.first
            && earlier.proof.is_none()
            && later.proof.is_none()
            && !later.is_kept
            && !are_apart(&self.group_of, &self.splits, before, id)
    }

    /// Adds the group `from` to `to`, because its address `requester` looks for a network of `to`. Its other addresses
    /// keep the reasons for which they belong to it.
    fn merge(&mut self, from: GroupId, to: GroupId, requester: MacAddr) {
        let Some(group) = self.groups.remove(&from) else { return };
        self.requesters.rename(from, to);
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
        }
        if let Some(model) = self.models.get_mut(&group.model) {
            model.rename(from, to);
        }
    }
}

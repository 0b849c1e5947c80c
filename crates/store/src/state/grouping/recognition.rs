//! Recognises a phone that returns with other addresses: it is of the same model, and asks for a network that only one
//! phone ever asked for. The model alone is no evidence: in the lab it was right in one of eleven cases.

use serde::{Deserialize, Serialize};

use super::Grouping;
use super::group::JoinReason;
use crate::event::GroupId;
use dot11::{MacAddr, Ssid};

/// Networks whose requesters are remembered.
const REQUESTER_LIMIT: usize = 8192;

/// Who asks for a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::state) enum Requester {
    /// One phone with random addresses.
    Phone(GroupId),
    /// One address that is globally unique.
    Address(MacAddr),
    /// More than one device.
    Several,
}

impl Grouping {
    /// Notes that this address asks for a network; if that shows that its phone was here before, they become one.
    pub(super) fn recognize(&mut self, source: MacAddr, ssid: &Ssid) {
        let now = match self.group_of(source) {
            Some(id) => Requester::Phone(id),
            None if source.is_random() => return,
            None => Requester::Address(source),
        };
        match (self.requesters.get(ssid), &now) {
            (None, _) if self.requesters.len() >= REQUESTER_LIMIT => {}
            (None, _) => self.requesters.insert(ssid.clone(), now),
            (Some(Requester::Several), _) => {}
            (Some(known), now) if known == now => {}
            (Some(Requester::Phone(before)), Requester::Phone(id)) => {
                let (before, id) = (*before, *id);
                if self.groups.get(&before).is_none() {
                    // The phone that asked first is forgotten, so nobody can be recognised.
                    self.requesters.insert(ssid.clone(), Requester::Several);
                } else if self.may_be_the_same(before, id) {
                    self.merge(id, before);
                } else {
                    self.requesters.insert(ssid.clone(), Requester::Several);
                }
            }
            (Some(_), _) => self.requesters.insert(ssid.clone(), Requester::Several),
        }
    }

    /// Whether the group `id` can be the phone `before`: it is of its model, began after it had left, is not proven to be
    /// several phones, and nobody said otherwise.
    fn may_be_the_same(&self, before: GroupId, id: GroupId) -> bool {
        let (Some(earlier), Some(later)) = (self.groups.get(&before), self.groups.get(&id)) else {
            return false;
        };
        let is_split = |address: MacAddr, id| self.splits.get(&(address, id)).is_some();
        earlier.model == later.model
            && earlier.last < later.first
            && later.at_least(later.last) == 1
            && !later.is_kept
            && !later.addresses.iter().any(|(address, _)| is_split(*address, before))
            && !earlier.addresses.iter().any(|(address, _)| is_split(*address, id))
    }

    /// Adds the group `from` to `to`.
    fn merge(&mut self, from: GroupId, to: GroupId) {
        let Some(group) = self.groups.remove(&from) else { return };
        for (address, _) in &group.addresses {
            self.move_address(*address, None, to, JoinReason::OwnNetwork);
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

//! How many groups, addresses and models are kept, and which leave if there are too many.

use super::group::{ADDRESSES_PER_GROUP, Group, JoinReason};
use super::splits::Splits;
use super::{Grouping, Model};
use crate::event::{GroupId, Timestamp};
use dot11::MacAddr;

/// Groups that are kept.
pub const GROUP_LIMIT: usize = 16_384;

/// Addresses that all groups keep together.
pub const GROUPED_ADDRESS_LIMIT: usize = 262_144;

/// Addresses that each kept group keeps at least, the newest.
const ADDRESSES_PER_KEPT_GROUP: usize = 8;

/// Models that are remembered.
pub const MODEL_LIMIT: usize = 4096;

/// Whether a person said something about this address, which joined a group for this reason; `kept_by` is the evidence by
/// which the group is kept.
fn is_said((address, reason): &(MacAddr, JoinReason), kept_by: &[MacAddr], splits: &Splits) -> bool {
    *reason == JoinReason::Person || kept_by.contains(address) || splits.phones(*address).next().is_some()
}

impl Grouping {
    /// Lets a group's oldest address leave if there is no room for another one. What a person said something about stays.
    pub(super) fn make_room_in(&mut self, id: GroupId) {
        let Some(group) =
            self.groups.get_mut(&id).filter(|group| group.addresses.len() >= ADDRESSES_PER_GROUP)
        else {
            return;
        };
        let mut addresses = group.addresses.iter();
        let oldest = addresses.position(|address| !is_said(address, &group.kept_by, &self.splits));
        if let Some((oldest, _)) = group.addresses.remove(oldest.unwrap_or(0)) {
            group.guests.remove(&oldest);
            self.group_of.remove(&oldest);
        }
    }

    /// Lets groups and models leave if there are too many.
    pub(super) fn enforce_limits(&mut self) {
        let is_full = self.group_of.len() > GROUPED_ADDRESS_LIMIT && !self.shorten_kept();
        if self.groups.len() > GROUP_LIMIT || is_full {
            let rank =
                |_: &_, group: &Group| (!group.is_kept).then_some((group.address_count > 1, group.last));
            for id in self.groups.lowest_quarter(rank) {
                self.remove_group(id);
            }
        }
        if self.models.len() > MODEL_LIMIT {
            let rank = |_: &_, model: &Model| Some((model.address_count() > 1, model.last()));
            for key in self.models.lowest_quarter(rank) {
                self.models.remove(&key);
            }
        }
    }

    /// Kept groups do not leave. If they have more than half of the addresses that all may have, each gives up its oldest
    /// beyond a fair share of a quarter, but none about which a person said something. Returns whether any did.
    fn shorten_kept(&mut self) -> bool {
        let kept: Vec<GroupId> =
            self.groups.iter().filter(|(_, group)| group.is_kept).map(|(id, _)| *id).collect();
        let lengths = kept.iter().filter_map(|id| Some(self.groups.get(id)?.addresses.len()));
        if lengths.sum::<usize>() <= GROUPED_ADDRESS_LIMIT / 2 {
            return false;
        }
        let share = (GROUPED_ADDRESS_LIMIT / 4 / kept.len()).max(ADDRESSES_PER_KEPT_GROUP);
        let before = self.group_of.len();
        for id in kept {
            let Some(group) = self.groups.get_mut(&id) else { continue };
            let Group { addresses, guests, kept_by, .. } = group;
            let mut surplus = addresses.len().saturating_sub(share);
            addresses.retain(|address| {
                let is_old = surplus > 0;
                surplus = surplus.saturating_sub(1);
                let stays = !is_old || is_said(address, kept_by, &self.splits);
                if !stays {
                    guests.remove(&address.0);
                    self.group_of.remove(&address.0);
                }
                stays
            });
        }
        self.group_of.len() < before
    }

    fn remove_group(&mut self, id: GroupId) {
        let Some(group) = self.groups.remove(&id) else { return };
        self.requesters.doubt(id);
        self.replace_apart(&group.apart, id, None);
        for (address, _) in group.addresses {
            self.group_of.remove(&address);
        }
    }

    /// Removes the groups that were last seen before this time, unless a person relies on them.
    pub(in crate::state) fn forget_before(
        &mut self,
        last_seen_before: Timestamp,
        is_followed: impl Fn(GroupId) -> bool,
    ) {
        let old = self.groups.iter().filter(|(id, group)| {
            group.last < last_seen_before
                && group.name.is_none()
                && !is_followed(**id)
                && !self.is_split(**id)
        });
        for id in old.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.remove_group(id);
        }
        let old = self.models.iter().filter(|(_, model)| model.last() < Some(last_seen_before));
        for key in old.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.models.remove(&key);
        }
    }
}

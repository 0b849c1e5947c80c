//! What people say about phones: which they rely on, and which addresses are not of one.

use std::collections::BTreeMap;

use super::group::{Group, JoinReason};
use super::seen_times::{KnownSpan, SeenTimes, Span};
use super::{Grouping, Renamed};
use crate::event::{GroupId, Timestamp};
use dot11::{MacAddr, ModelKey};

/// Addresses that people can split off one phone, and phones that they can split one address off.
pub const SPLITS_PER_PHONE: usize = 32;

/// Splits beyond which none is added for addresses that move to another group. What people say is always kept.
const SPLIT_LIMIT: usize = 4096;

impl Grouping {
    /// Keeps the phone with the identifier `phone` by this evidence: the group that has most of its addresses. If none has
    /// any, the phone is made of them. Returns the groups that got another identifier, in order.
    pub(in crate::state) fn keep(
        &mut self,
        phone: GroupId,
        (model, addresses): (ModelKey, &[MacAddr]),
        time: Timestamp,
        known: KnownSpan<'_>,
    ) -> Vec<Renamed> {
        let mut renamed = Vec::new();
        match self.holder_of(addresses, phone) {
            Some(holder) if holder != phone => {
                renamed.extend(self.displace(phone));
                renamed.push(self.rename(holder, phone));
            }
            Some(_) => {}
            None if addresses.is_empty() && self.groups.get(&phone).is_some() => {}
            None => {
                renamed.extend(self.displace(phone));
                self.make_of_evidence(phone, model, addresses, time, known);
            }
        }
        if let Some(group) = self.groups.get_mut(&phone) {
            group.is_kept = true;
            group.kept_by = addresses.to_vec();
        }
        renamed
    }

    /// The addresses of a phone of which somebody said that they are not of it.
    pub(in crate::state) fn addresses_not_of(&self, phone: GroupId) -> Vec<MacAddr> {
        let addresses = self.groups.get(&phone).into_iter().flat_map(Group::addresses);
        addresses
            .map(|(address, _)| address)
            .filter(|address| self.splits.contains(*address, phone))
            .collect()
    }

    /// Gives a phone a name, or none; `by_member` says who gave it.
    pub(in crate::state) fn set_name(&mut self, phone: GroupId, name: Option<&str>, by_member: bool) {
        if let Some(group) = self.groups.get_mut(&phone) {
            group.name = name.map(str::to_owned);
            group.is_named_by_member = name.is_some() && by_member;
        }
    }

    /// The group that has most of these addresses: of several, this phone, if it is one of them.
    fn holder_of(&self, addresses: &[MacAddr], phone: GroupId) -> Option<GroupId> {
        let mut counts: BTreeMap<GroupId, usize> = BTreeMap::new();
        for id in addresses.iter().filter_map(|address| self.group_of(*address)) {
            *counts.entry(id).or_default() += 1;
        }
        let most = counts.values().max().copied()?;
        if counts.get(&phone) == Some(&most) {
            return Some(phone);
        }
        counts.into_iter().find(|(_, count)| *count == most).map(|(id, _)| id)
    }

    /// Makes a phone of addresses that are of no group. It was here when they were; only if nothing is known of them, it
    /// was at `time`, when a person kept it.
    fn make_of_evidence(
        &mut self,
        phone: GroupId,
        model: ModelKey,
        addresses: &[MacAddr],
        time: Timestamp,
        known: KnownSpan<'_>,
    ) {
        let spans: Vec<Span> = addresses.iter().filter_map(|address| known(*address)).collect();
        let seen = SeenTimes::of(&spans).unwrap_or_else(|| SeenTimes::at(time));
        self.groups.insert(phone, Group::new(model, seen));
        for address in addresses {
            self.move_address(*address, None, phone, JoinReason::Person);
        }
    }

    /// Gives a group another identifier, which is free.
    fn rename(&mut self, from: GroupId, to: GroupId) -> Renamed {
        let renamed = Renamed { from, to };
        let Some(group) = self.groups.remove(&from) else { return renamed };
        for (address, _) in &group.addresses {
            self.group_of.insert(*address, to);
        }
        if let Some(model) = self.models.get_mut(&group.model) {
            model.rename(from, to);
        }
        self.rename_variants(&group, from, to);
        self.requesters.rename(from, to);
        let apart = group.apart.clone();
        self.groups.insert(to, Group { apart: Vec::new(), ..group });
        self.replace_apart(&apart, from, Some(to));
        self.splits.rename(from, to);
        renamed
    }

    /// Addresses move from the group `from` to `to`. What is not of the one is not of the other either: nobody knows which
    /// of its addresses the person meant.
    pub(super) fn keep_apart(&mut self, from: GroupId, to: GroupId) {
        for address in self.splits.addresses(from).collect::<Vec<_>>() {
            if self.splits.len() < SPLIT_LIMIT && !self.splits.contains(address, to) {
                self.splits.copy(address, from, to);
                if let Some(group) = self.groups.get_mut(&to) {
                    group.is_kept = true;
                }
            }
        }
    }

    /// Frees an identifier: a group that has it gets another one.
    fn displace(&mut self, id: GroupId) -> Option<Renamed> {
        let group = self.groups.get(&id)?;
        let first = group.addresses.front().map_or(MacAddr::new([0; 6]), |(address, _)| *address);
        let free = self.free_id(first);
        Some(self.rename(id, free))
    }

    /// Takes an address out of a phone, for good: it gets a group of its own, which was here when the address was. Returns
    /// that group; `None` if the address is not of the phone.
    pub(in crate::state) fn split_off(
        &mut self,
        phone: GroupId,
        address: MacAddr,
        time: Timestamp,
        known: KnownSpan<'_>,
    ) -> Option<GroupId> {
        self.splits.insert(address, phone, time);
        if self.group_of(address) != Some(phone) {
            return None;
        }
        self.requesters.doubt(phone);
        let group = self.groups.get_mut(&phone)?;
        let others = group.addresses().filter(|(other, _)| *other != address);
        let others: Vec<Span> = others.filter_map(|(other, _)| known(other)).collect();
        let span = known(address);
        let seen = span.map_or(SeenTimes::at(group.last), |span| SeenTimes::of_one(span, group, &others));
        let rest = SeenTimes::without(span, group, &others);
        group.set_seen(rest);
        group.is_kept = true;
        let model = group.model;
        self.change_proofs(phone, |group| group.prove_one_less(span));
        let own = self.new_group(model, address, seen);
        self.move_address(address, Some(phone), own, JoinReason::Person);
        if let Some(group) = self.groups.get_mut(&own) {
            group.is_kept = true;
        }
        let model = self.models.entry(model);
        model.separate(address, own, seen);
        model.set_seen(phone, rest);
        Some(own)
    }

    /// Whether a person can split this address off this phone: what people say is never forgotten, so it has a bound.
    pub fn can_split(&self, phone: GroupId, address: MacAddr) -> bool {
        self.splits.len() < 2 * SPLIT_LIMIT
            && self.splits.phones(address).count() < SPLITS_PER_PHONE
            && self.splits.addresses(phone).count() < SPLITS_PER_PHONE
    }

    /// Whether a person split anything off this group.
    pub(super) fn is_split(&self, id: GroupId) -> bool {
        self.splits.addresses(id).next().is_some()
    }
}

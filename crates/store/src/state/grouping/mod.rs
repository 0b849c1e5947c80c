//! Groups random addresses by the phone that uses them: a part of the fold.
//!
//! - A globally unique address is a device of its own. It joins no group and continues no counter.
//! - A new random address joins a group of its model ([`ModelKey`]): that of the sequence counter that it continues
//!   best if the model continues its counters; else the group of its model that is in range. If there is none, it
//!   begins one.
//! - A phone that shows several models counts as one of its main model ([`variants`]).
//! - An address stays in its group when it is seen again. Only counters that alternate move addresses: to a group of
//!   their own.
//! - The result depends on the events alone: all arithmetic is in fixed point, and each choice among equals is by the
//!   order of arrival.
//! - A frame of a known address costs three look-ups; only a new address compares counters, at most
//!   `COUNTERS_PER_MODEL` of them.
//! - What a person said holds: a split address never comes back to the phone that it is not of, and a phone that
//!   somebody named or follows keeps its identifier and stays.
//! - Everything is bounded. If there are too many models or groups, a quarter leaves: first those that were seen with
//!   one address only, the longest silent of them first. So a flood of invented addresses displaces itself, not the
//!   phones beside it. Phones that stay give up their oldest addresses if they have too many.

mod apart;
#[cfg(test)]
mod apart_tests;
#[cfg(test)]
mod claims_tests;
mod counter;
mod fixed_point;
mod group;
mod limits;
#[cfg(test)]
mod limits_tests;
mod live_group;
mod model;
mod network_filter;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod order_tests;
mod person;
mod proofs;
#[cfg(test)]
mod proofs_tests;
mod recognition;
#[cfg(test)]
mod recognition_tests;
mod seen_times;
#[cfg(test)]
mod split_tests;
mod splits;
#[cfg(test)]
pub(super) mod tests;
mod variants;
#[cfg(test)]
mod variants_tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dirty_map::DirtyMap;
use super::hour::Hour;
use super::names::fold_case;
use crate::event::{GroupId, GroupingMode, Probe, Timestamp};
pub use apart::{LeastPhones, SeenGroup, least_phones};
use counter::Frame;
use dot11::{MacAddr, ModelKey, Ssid};
pub use group::{ADDRESSES_PER_GROUP, Group, JoinReason, OUT_OF_RANGE, Phones};
pub use limits::{GROUP_LIMIT, GROUPED_ADDRESS_LIMIT, MODEL_LIMIT};
pub(super) use model::Model;
use model::{Finding, Joined};
pub(super) use network_filter::Block;
pub(super) use recognition::{Requester, Requesters};
use seen_times::SeenTimes;
pub(super) use seen_times::Span;
use splits::Splits;
use twox_hash::XxHash3_64;

/// Rows of proofs that all groups keep together.
const PROOF_LIMIT: usize = 65_536;

/// What a probe changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    /// The group of its sender, if that was not seen in this hour before, or is proven to be more phones than before.
    pub(super) group: Option<GroupId>,
    /// The group of its sender was recognised as another, in this order: each network that the frame asks for may tell.
    pub(super) renamed: Vec<Renamed>,
    /// Networks of which it was forgotten who looks for them.
    pub(super) forgotten_networks: usize,
    /// Addresses of the first group of each pair turned out to be of the second.
    pub(super) splits: Vec<(GroupId, GroupId)>,
}

/// What was known of the phone `from` holds for the phone `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Renamed {
    pub(super) from: GroupId,
    pub(super) to: GroupId,
}

/// All groups, and what is known of their models.
#[derive(Debug, Clone, Default)]
pub struct Grouping {
    pub(super) groups: DirtyMap<GroupId, Group>,
    pub(super) models: DirtyMap<ModelKey, Model>,
    pub(super) requesters: Requesters,
    pub(super) splits: Splits,
    /// How addresses are grouped; the only row.
    pub(super) mode: DirtyMap<(), GroupingMode>,
    /// The group of each address, from `groups`.
    group_of: HashMap<MacAddr, GroupId>,
    /// How many rows of proofs there are, from `groups`. Groups may have left since it was counted.
    proofs: usize,
}

impl PartialEq for Grouping {
    fn eq(&self, other: &Self) -> bool {
        self.groups == other.groups
            && self.models == other.models
            && self.requesters == other.requesters
            && self.splits == other.splits
            && self.mode == other.mode
    }
}

impl Grouping {
    /// The group of this address.
    pub fn group_of(&self, address: MacAddr) -> Option<GroupId> {
        self.group_of.get(&address).copied()
    }

    /// A group.
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(&id)
    }

    /// The group, if it counts as a phone: while addresses are not grouped only one with a name does, because a name that
    /// a person gave stays.
    pub fn phone(&self, id: GroupId) -> Option<&Group> {
        self.group(id).filter(|group| group.name.is_some() || self.mode() != GroupingMode::Off)
    }

    /// The phone that this address belongs to.
    pub fn phone_of(&self, address: MacAddr) -> Option<GroupId> {
        self.group_of(address).filter(|id| self.phone(*id).is_some())
    }

    /// All groups, in the order of their identifiers.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.groups.iter().map(|(id, group)| (*id, group))
    }

    /// The groups with this name, whatever its case.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (GroupId, &Group)> {
        let wanted = fold_case(name);
        self.groups()
            .filter(move |(_, group)| group.name.as_deref().is_some_and(|known| fold_case(known) == wanted))
    }

    /// The groups of a model that were seen last, at most as many as it can have in range.
    pub(super) fn latest_groups(&self, model: ModelKey) -> impl Iterator<Item = (GroupId, &Group)> {
        let ids = self.models.get(&model).into_iter().flat_map(Model::latest_groups);
        ids.filter_map(|id| Some((id, self.groups.get(&id)?)))
    }

    /// Whether the sequence numbers of this model continue when it changes its address, as far as is known. If not, its
    /// phones cannot be told apart.
    pub fn continues_counters(&self, model: ModelKey) -> bool {
        self.models.get(&model).is_some_and(Model::is_continuing)
    }

    /// Whether anything is known of this model.
    pub(super) fn remembers(&self, model: ModelKey) -> bool {
        self.models.get(&model).is_some()
    }

    /// How addresses are grouped.
    pub fn mode(&self) -> GroupingMode {
        self.mode.get(&()).copied().unwrap_or_default()
    }

    pub(super) fn set_mode(&mut self, mode: GroupingMode) {
        self.mode.insert((), mode);
    }

    /// The group that the sender of this probe belongs to, if it joins one that is there before the probe is folded in.
    pub(super) fn group_before(&self, probe: &Probe, model: impl FnOnce() -> ModelKey) -> Option<GroupId> {
        if let Some(known) = self.group_of(probe.source) {
            return Some(known);
        }
        if !probe.source.is_random() || self.mode() == GroupingMode::Off {
            return None;
        }
        let key = self.main_model(model(), probe.time);
        let mut model = self.models.get(&key)?.clone();
        match model.begin(
            &Frame::of(probe),
            &may_belong(&self.groups, &self.group_of, &self.splits, key),
            &mut Vec::new(),
        ) {
            Joined::Continues(id) | Joined::SameModel(id) | Joined::SameNetwork(id) => Some(id),
            Joined::None => None,
        }
    }

    /// Folds in a probe. `model` gives the model of its elements, and `last_probe` says when anybody looked for a network
    /// before, if it is known.
    pub(super) fn fold(
        &mut self,
        probe: &Probe,
        model: impl FnOnce() -> ModelKey,
        last_probe: impl Fn(&Ssid) -> Option<Timestamp>,
    ) -> News {
        let is_grouped = probe.source.is_random() && self.mode() != GroupingMode::Off;
        let mut splits = Vec::new();
        let (group, is_news) = match is_grouped {
            true => self.fold_random(&Frame::of(probe), model, &mut splits),
            false => (self.group_of(probe.source), false),
        };
        let (mut group, mut renamed, mut forgotten_networks) = (group, Vec::new(), 0);
        for ssid in probe.names() {
            let noted = self.note_requester((probe.source, group), &ssid, &last_probe);
            group = noted.renamed.map_or(group, |renamed| Some(renamed.to));
            renamed.extend(noted.renamed);
            forgotten_networks += noted.forgotten;
        }
        let group = group.filter(|_| is_news || !renamed.is_empty());
        News { group, renamed, forgotten_networks, splits }
    }

    /// Returns the group of the frame's address, and whether there is news about it, see [`Grouping::fold`]. Adds what was
    /// split to `splits`, see [`News`].
    fn fold_random(
        &mut self,
        frame: &Frame,
        model: impl FnOnce() -> ModelKey,
        splits: &mut Vec<(GroupId, GroupId)>,
    ) -> (Option<GroupId>, bool) {
        let mut findings = Vec::new();
        let known = self.group_of(frame.source).and_then(|id| {
            let group = self.groups.get(&id)?;
            Some((id, group.model, group.signature == Some(frame.signature)))
        });
        let (key, id, is_news) = match known {
            Some((id, key, is_like_before)) => {
                if !is_like_before {
                    self.note_variant((id, key), frame, model());
                }
                let is_first = {
                    let may_belong = may_belong(&self.groups, &self.group_of, &self.splits, key);
                    self.models.entry(key).again(id, frame, &may_belong, &mut findings)
                };
                let mut is_news = false;
                if let Some(group) = self.groups.get_mut(&id) {
                    is_news = Hour::of(frame.time) > Hour::of(group.last);
                    group.see(frame.time, is_first);
                }
                (key, Some(id), is_news)
            }
            None => {
                let own = model();
                let key = self.main_model(own, frame.time);
                let is_news = self.begin((key, own), frame, &mut findings);
                (key, self.group_of(frame.source), is_news)
            }
        };
        if findings.is_empty() {
            return (id, is_news);
        }
        for finding in &findings {
            splits.extend(self.apply(key, finding));
        }
        (self.group_of(frame.source), true)
    }

    /// A new address of the model `own`: it joins a group of the model `key` or begins one. Returns whether that was not
    /// seen in this hour before.
    fn begin(
        &mut self,
        (key, own): (ModelKey, ModelKey),
        frame: &Frame,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let joined = {
            let may_belong = may_belong(&self.groups, &self.group_of, &self.splits, key);
            self.models.entry(key).begin(frame, &may_belong, findings)
        };
        let (id, reason) = match joined {
            Joined::Continues(id) => (id, JoinReason::SequenceContinued),
            Joined::SameModel(id) if key != own => (id, JoinReason::OtherModel),
            Joined::SameModel(id) => (id, JoinReason::SameModel),
            Joined::SameNetwork(id) => (id, JoinReason::SameNetwork),
            Joined::None => {
                let id = self.new_group(key, frame.source, SeenTimes::at(frame.time));
                self.models.entry(key).begin_first(id, frame);
                (id, JoinReason::First)
            }
        };
        let is_news = reason == JoinReason::First
            || self.group(id).is_some_and(|group| Hour::of(frame.time) > Hour::of(group.last));
        self.add_address(id, frame, reason);
        self.enforce_limits();
        is_news
    }

    fn add_address(&mut self, id: GroupId, frame: &Frame, reason: JoinReason) {
        let is_guest = self.joins_as_guest(id, frame.source, reason);
        self.make_room_in(id);
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.see(frame.time, true);
        group.address_count += 1;
        group.addresses.push_back((frame.source, reason));
        if is_guest {
            group.guests.insert(frame.source);
        }
        self.group_of.insert(frame.source, id);
    }

    /// A group without addresses. Its identifier follows from the address with which it begins; if that is taken, the
    /// next free one counts. It is no phone that the address is not of.
    fn new_group(&mut self, model: ModelKey, first_address: MacAddr, seen: SeenTimes) -> GroupId {
        let id = self.free_id(first_address);
        self.groups.insert(id, Group::new(model, seen));
        let others: Vec<GroupId> = self.splits.phones(first_address).collect();
        others.into_iter().for_each(|other| self.declare_apart(id, other));
        id
    }

    fn free_id(&self, first: MacAddr) -> GroupId {
        let mut id = GroupId(XxHash3_64::oneshot(&first.octets()) as u16);
        // There are more identifiers than groups.
        while self.groups.get(&id).is_some() {
            id = GroupId(id.0.wrapping_add(1));
        }
        id
    }

    /// Returns which group was split, and the one that has the addresses now.
    fn apply(&mut self, key: ModelKey, finding: &Finding) -> Option<(GroupId, GroupId)> {
        match *finding {
            Finding::AtLeast(id, phones, time) => {
                self.change_proofs(id, |group| group.prove(time, phones));
                None
            }
            Finding::Split { counter, from, to } => Some((from, self.split(key, counter, from, to)?)),
        }
    }

    /// Moves the addresses of a counter from the group `from` to the group `to`, or to a new one. Returns that.
    fn split(
        &mut self,
        key: ModelKey,
        counter: usize,
        from: GroupId,
        to: Option<GroupId>,
    ) -> Option<GroupId> {
        self.requesters.doubt(from);
        let model = self.models.get(&key)?;
        let addresses = model.counter_addresses(counter).to_vec();
        let (span, first) = (model.counter_span(counter)?, addresses.first().copied()?);
        // Of other groups only those that are told apart from this one: others may be its phones.
        let known = self.groups.get(&from).map_or(&[][..], |group| &group.apart);
        let mut beside: BTreeMap<GroupId, BTreeSet<MacAddr>> = BTreeMap::new();
        for (other, addresses) in model.beside(counter, from) {
            if other == from || known.contains(&other) {
                beside.entry(other).or_default().extend(addresses);
            }
        }
        let is_new = to.is_none();
        let to = to.unwrap_or_else(|| {
            let id = self.new_group(key, first, SeenTimes::at(span.0));
            self.models.entry(key).move_counter(counter, id, span.1);
            id
        });
        self.keep_apart(from, to);
        // In a group that was there before, nobody knows whether they are of the phone that others are told apart from, or
        // of one of those that it was proven to be. If there are none, it is told apart by these addresses.
        let are_guests = !is_new && self.joins_as_guest(to, first, JoinReason::SameModel);
        let tells_apart =
            is_new || (!are_guests && self.group(to).is_some_and(|group| group.proofs.is_empty()));
        let moved: BTreeSet<MacAddr> = addresses.iter().copied().collect();
        for address in addresses {
            if self.group_of(address) == Some(from) {
                self.move_address(address, Some(from), to, JoinReason::SequenceAlternated);
                if let Some(group) = self.groups.get_mut(&to).filter(|_| are_guests) {
                    group.guests.insert(address);
                }
            }
        }
        if tells_apart {
            self.keep_own(to, &moved);
            for (other, own) in beside {
                self.set_apart(to, other);
                self.keep_own(other, &own);
            }
        }
        // The phone that leaves was one of those that the group was proven to be, maybe since the visit began.
        self.change_proofs(from, |group| {
            let first = span.0.min(group.visit);
            group.prove_one_less(Some(Span { first, last: span.1 }));
        });
        if let Some(group) = self.groups.get_mut(&to) {
            group.first = group.first.min(span.0);
            group.last = group.last.max(span.1);
        }
        Some(to)
    }

    /// Changes the proofs of a group. If there are too many of all groups, the oldest quarter is forgotten.
    fn change_proofs(&mut self, id: GroupId, change: impl FnOnce(&mut Group)) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        let before = group.proofs.len();
        change(group);
        self.proofs = (self.proofs + group.proofs.len()).saturating_sub(before);
        if self.proofs <= PROOF_LIMIT {
            return;
        }
        let mut times: Vec<Timestamp> =
            self.groups.iter().flat_map(|(_, group)| group.proofs.times()).collect();
        self.proofs = times.len();
        if self.proofs <= PROOF_LIMIT {
            return;
        }
        let (_, oldest, _) = times.select_nth_unstable(PROOF_LIMIT / 4);
        let concerned =
            self.groups.iter().filter(|(_, group)| group.proofs.times().any(|time| time <= *oldest));
        for id in concerned.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(group) = self.groups.get_mut(&id) {
                self.proofs -= group.proofs.forget_until(*oldest);
            }
        }
    }

    fn move_address(&mut self, address: MacAddr, from: Option<GroupId>, to: GroupId, reason: JoinReason) {
        if let Some(group) = from.and_then(|from| self.groups.get_mut(&from)) {
            // Most moved addresses are new ones.
            if let Some(position) = group.addresses.iter().rposition(|(known, _)| *known == address) {
                group.addresses.remove(position);
            }
            group.guests.remove(&address);
            group.address_count = group.address_count.saturating_sub(1);
        }
        if let Some(group) = self.groups.get_mut(&to) {
            group.addresses.push_back((address, reason));
            group.address_count += 1;
        }
        self.group_of.insert(address, to);
    }

    /// Completes the index after all rows were loaded.
    pub(super) fn index(&mut self) {
        let groups = self.groups.iter();
        self.group_of = groups
            .flat_map(|(id, group)| group.addresses.iter().map(|(address, _)| (*address, *id)))
            .collect();
        self.proofs = self.groups.iter().map(|(_, group)| group.proofs.len()).sum();
        self.requesters.index();
        self.splits.index();
    }
}

/// Whether an address may belong to a group of this model: nobody said that it does not, nor that an address of the one is
/// not of the other.
fn may_belong(
    groups: &DirtyMap<GroupId, Group>,
    group_of: &HashMap<MacAddr, GroupId>,
    splits: &Splits,
    key: ModelKey,
) -> impl Fn(MacAddr, GroupId) -> bool {
    move |address, id| {
        groups.get(&id).is_some_and(|group| group.model == key)
            && !splits.contains(address, id)
            && group_of.get(&address).is_none_or(|now| *now == id || !are_apart(group_of, splits, *now, id))
    }
}

/// Whether somebody said of an address of one of these groups that it is not of the other.
fn are_apart(group_of: &HashMap<MacAddr, GroupId>, splits: &Splits, one: GroupId, other: GroupId) -> bool {
    [(one, other), (other, one)]
        .iter()
        .any(|(phone, other)| splits.addresses(*phone).any(|address| group_of.get(&address) == Some(other)))
}

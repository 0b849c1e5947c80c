//! Which groups of a model are different phones, and how many phones groups are at least.
//!
//! - Two groups are different phones once that was proven or declared: a person split the one off the other, or their
//!   counters went on at the same time. That holds for ever, also when both return on another day. Nothing else tells
//!   groups of one model apart: not the time at which each was here, and not the order in which files are read.
//! - It holds for the addresses that were meant. A later one that is only of the same model may be of any phone, so it is
//!   a *guest*: it shows that a phone of the model is here, not which.
//! - Models that one phone sends count as one ([`variants`](super::variants)).
//! - Counts are lower bounds: where a limit or a greedy search leaves something out, they get smaller.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, JoinReason, Phones};
use super::variants::MODELS_PER_PHONE;
use super::{Grouping, are_apart};
use crate::event::GroupId;
use crate::state::hour::Hour;
use dot11::{MacAddr, ModelKey};

/// Other phones that a group remembers because their counters told them apart. Beyond, the one that was added first is
/// forgotten. What people say is never forgotten.
pub(super) const APART_LIMIT: usize = 32;

impl Grouping {
    /// Notes that two groups are different phones: somebody said so, or their counters told them apart.
    pub(super) fn set_apart(&mut self, one: GroupId, other: GroupId) {
        self.note_apart(one, other, false);
    }

    /// Notes that two groups are different phones, because somebody says so.
    pub(super) fn declare_apart(&mut self, one: GroupId, other: GroupId) {
        self.note_apart(one, other, true);
    }

    fn note_apart(&mut self, one: GroupId, other: GroupId, is_declared: bool) {
        let models = [one, other].map(|id| self.groups.get(&id).map(|group| group.model));
        let [Some(of_one), Some(of_other)] = models else { return };
        if one == other || of_one != of_other {
            return;
        }
        for (id, other) in [(one, other), (other, one)] {
            if self.groups.get(&id).is_some_and(|group| group.apart.contains(&other)) {
                return;
            }
            if !is_declared && !self.has_room_apart(id, other) {
                return;
            }
        }
        for (id, other) in [(one, other), (other, one)] {
            if let Some(group) = self.groups.get_mut(&id) {
                group.apart.push(other);
            }
        }
    }

    /// Whether this group can remember `new`, too. If there are too many, it forgets one that was not declared, unless `new`
    /// was: what people say has room.
    fn has_room_apart(&mut self, id: GroupId, new: GroupId) -> bool {
        let Some(group) = self.groups.get(&id).filter(|group| group.apart.len() >= APART_LIMIT) else {
            return true;
        };
        let is_declared = |other: &GroupId| are_apart(&self.group_of, &self.splits, id, *other);
        if is_declared(&new) {
            return true;
        }
        let Some(forgotten) = group.apart.iter().copied().find(|other| !is_declared(other)) else {
            return false;
        };
        for (id, other) in [(id, forgotten), (forgotten, id)] {
            if let Some(group) = self.groups.get_mut(&id) {
                group.apart.retain(|known| *known != other);
            }
        }
        true
    }

    /// The least number of phones that these groups, which were here in this hour, were in it.
    pub(in crate::state) fn phones_in_hour(&self, ids: impl Iterator<Item = GroupId>, hour: Hour) -> u32 {
        let seen = ids.filter_map(|id| {
            let group = self.groups.get(&id)?;
            // A guest that is the newest address may be all that was seen of the group.
            let is_itself = group.addresses().next_back().is_none_or(|(newest, _)| !group.is_guest(newest));
            Some(SeenGroup::of(id, group, group.phones_in(hour), is_itself))
        });
        u32::try_from(least_phones(seen).phones).unwrap_or(u32::MAX)
    }

    /// Notes that these groups know the group `from` no more, but `to` in its place.
    pub(super) fn replace_apart(&mut self, groups: &[GroupId], from: GroupId, to: Option<GroupId>) {
        for id in groups {
            if let Some(group) = self.groups.get_mut(id) {
                group.apart.retain(|known| *known != from);
            }
        }
        if let Some(to) = to {
            groups.iter().for_each(|id| self.set_apart(to, *id));
        }
    }

    /// The group of some addresses is told apart by these `own` ones: its others may be of any phone of the model.
    pub(super) fn keep_own(&mut self, id: GroupId, own: &BTreeSet<MacAddr>) {
        if let Some(group) = self.groups.get_mut(&id) {
            let others = group.addresses.iter().map(|(address, _)| *address);
            let others: Vec<MacAddr> = others.filter(|address| !own.contains(address)).collect();
            group.guests.extend(others);
        }
    }

    /// Whether an address that joins this group for this reason may be of any phone of the model.
    pub(super) fn joins_as_guest(&self, id: GroupId, address: MacAddr, reason: JoinReason) -> bool {
        let Some(group) = self.groups.get(&id) else { return false };
        match reason {
            _ if reason.is_by_model() => !group.apart.is_empty() || self.is_split(id),
            JoinReason::SequenceContinued if !group.guests.is_empty() => {
                let continued = self.models.get(&group.model).and_then(|model| model.continued_by(address));
                continued.is_some_and(|continued| group.guests.contains(&continued))
            }
            _ => false,
        }
    }
}

/// A group of which some addresses were seen, as far as it matters to how many phones there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenGroup<'a> {
    /// Its identifier.
    pub id: GroupId,
    /// Its model.
    pub model: ModelKey,
    /// The model that it counts as ([`Grouping::counted_model`]).
    pub counts_as: ModelKey,
    /// How many phones it was proven to be.
    pub phones: Phones,
    /// Whether an address was seen that is no guest ([`Group::is_guest`]).
    pub is_itself: bool,
    /// The groups that are other phones.
    pub apart: &'a [GroupId],
    /// Whether one of its phones is a device with a name, which is counted by that.
    pub is_named: bool,
}

impl<'a> SeenGroup<'a> {
    /// All of a group.
    pub fn whole(id: GroupId, group: &'a Group) -> Self {
        Self::of(id, group, group.phones(), group.has_own_address())
    }

    /// A group that was proven to be so many phones. `is_itself` says whether an address was seen that is no guest.
    pub fn of(id: GroupId, group: &'a Group, phones: Phones, is_itself: bool) -> Self {
        let model = group.model;
        Self { id, model, counts_as: model, phones, is_itself, apart: &group.apart, is_named: false }
    }

    /// A group one of whose phones is a device with a name: once for each name.
    pub fn named(id: GroupId, model: ModelKey) -> Self {
        let phones = Phones::ONE;
        Self { id, model, counts_as: model, phones, is_itself: true, apart: &[], is_named: true }
    }

    /// The same group, which counts as one of the model that is known to be its main one.
    #[must_use]
    pub fn linked_by(self, grouping: &Grouping) -> Self {
        Self { counts_as: grouping.counted_model(self.model), ..self }
    }
}

/// How many phones some groups are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeastPhones {
    /// The least number besides those with a name, if no phone sends frames of several models without being known to.
    pub phones: u64,
    /// The most that are known to be different phones, one with a name among them. They are of one model, or of models that
    /// count as one: nothing proves that phones of different models are different.
    pub proven: u64,
}

/// The least number of phones that these groups are: for each model the most that are known to be different. Whatever else
/// was seen of the model may be one of them, or one with a name.
///
/// Models that count as the same are one, but at most so many as one phone sends: whoever invents links between models
/// does not hide all phones.
pub fn least_phones<'a>(seen: impl IntoIterator<Item = SeenGroup<'a>>) -> LeastPhones {
    let mut seen: Vec<SeenGroup<'a>> = seen.into_iter().collect();
    seen.sort_by_key(|group| (group.counts_as, group.model));
    let mut all = LeastPhones::default();
    for linked in seen.chunk_by(|one, other| one.counts_as == other.counts_as) {
        let models: Vec<_> = linked.chunk_by(|one, other| one.model == other.model).collect();
        for models in models.chunks(MODELS_PER_PHONE + 1) {
            let models = OfModels::of(models);
            let phones = models.least();
            all.phones += phones;
            // One name can have several groups.
            all.proven = all.proven.max(phones + u64::from(!models.named.is_empty()));
        }
    }
    all
}

/// The groups of a model, or of models that one phone sends.
#[derive(Default)]
struct OfModels<'a> {
    /// The group of each name, once for each that a group's addresses have.
    named: Vec<GroupId>,
    others: BTreeMap<GroupId, SeenGroup<'a>>,
}

impl<'a> OfModels<'a> {
    fn of(models: &[&[SeenGroup<'a>]]) -> Self {
        let mut of_models = Self::default();
        for group in models.iter().copied().flatten() {
            match group.is_named {
                true => of_models.named.push(group.id),
                false => drop(of_models.others.insert(group.id, *group)),
            }
        }
        of_models
    }

    /// Each group in turn, and greedily those of its others that are all different from each other: at most
    /// [`APART_LIMIT`].
    fn least(&self) -> u64 {
        let alone = self.others.values().map(|group| self.besides_named(&[group], |phones| phones.any));
        let told_apart = self.others.values().filter(|group| group.is_itself && !group.apart.is_empty());
        let together = told_apart.map(|group| {
            let mut different = vec![group];
            for other in
                group.apart.iter().filter_map(|id| self.others.get(id)).filter(|other| other.is_itself)
            {
                if different.iter().all(|known| known.apart.contains(&other.id)) {
                    different.push(other);
                }
            }
            match different.len() {
                1 => 0,
                _ => self.besides_named(&different, |phones| phones.own),
            }
        });
        alone.chain(together).max().unwrap_or(0)
    }

    /// How many phones these different groups are, without those that may be phones with a name.
    fn besides_named(&self, different: &[&SeenGroup<'_>], phones: impl Fn(Phones) -> u32) -> u64 {
        let all: u64 = different.iter().map(|group| u64::from(phones(group.phones))).sum();
        let may_be = |named: &&GroupId| {
            different
                .iter()
                .any(|group| !group.is_itself || group.id == **named || !group.apart.contains(named))
        };
        all.saturating_sub(self.named.iter().filter(may_be).count() as u64)
    }
}

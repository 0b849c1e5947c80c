//! A group: the random addresses that are taken for one phone, or for several that cannot be told apart.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counter::SECOND;
use super::model::OVERLAP;
use super::proofs::Proofs;
use super::seen_times::{SeenTimes, Span};
use super::variants::OtherModel;
use crate::event::{GroupId, Timestamp};
use crate::state::hour::Hour;
use dot11::{MacAddr, ModelKey, Signature};

/// Addresses of one group that are kept. Further ones are only counted, and the oldest leave the group.
pub const ADDRESSES_PER_GROUP: usize = 16_384;

/// A phone that was silent for longer has left the range. A new address does not join it then.
pub const OUT_OF_RANGE: Duration = Duration::from_secs(7200);

/// How much later than the last frame of a phone the frame can be that proves that it was here.
const PROOF_AFTER: Duration = Duration::from_secs(OVERLAP.unsigned_abs() / SECOND.unsigned_abs());

/// Why an address belongs to its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinReason {
    /// The group began with it.
    First,
    /// Its sequence numbers continue those of another address of the group.
    SequenceContinued,
    /// It is of the same model. Nothing distinguishes it from the phone that was in range, and nothing proves that it
    /// is the same.
    SameModel,
    /// Its sequence numbers alternated with those of another group, to which it belonged before.
    SequenceAlternated,
    /// It looked for a network that only this group ever looked for, and it is of the same model.
    OwnNetwork,
    /// A person said so.
    Person,
    /// It looks for a network that the group looked for while it was in range, and it is of one of its models. Its sequence
    /// numbers would continue those of a group that looked only for others.
    SameNetwork,
    /// It is of a model that the phone sends too. Otherwise like [`JoinReason::SameModel`].
    OtherModel,
}

impl JoinReason {
    /// Whether any phone of the model may have used the address.
    pub(super) fn is_by_model(self) -> bool {
        matches!(self, Self::SameModel | Self::SameNetwork | Self::OtherModel)
    }
}

/// Random addresses that are taken for one phone, or for several of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The model.
    #[serde(rename = "of_model")]
    pub model: ModelKey,
    /// The time of the earliest frame.
    pub first: Timestamp,
    /// Since when it is in range: the first frame after a silence of [`OUT_OF_RANGE`]. Only a frame of an older file can
    /// be of an earlier time.
    pub visit: Timestamp,
    /// Its visits.
    pub visit_count: u64,
    /// The time of the latest frame.
    pub last: Timestamp,
    /// Frames; one that several radios captured counts once.
    pub frames: u64,
    /// The latest addresses, at most [`ADDRESSES_PER_GROUP`], and why each belongs to the group. The newest is last.
    pub(super) addresses: VecDeque<(MacAddr, JoinReason)>,
    /// Addresses that it ever had.
    pub address_count: u64,
    /// The name that a person gave it.
    pub name: Option<String>,
    /// Whether that was a member, and no owner.
    #[serde(default)]
    pub is_named_by_member: bool,
    /// Whether a person named, followed or split it, so that it stays although it is silent.
    pub(super) is_kept: bool,
    /// Its addresses when a person named or followed it: they stay.
    #[serde(default)]
    pub(super) kept_by: Vec<MacAddr>,
    /// The proofs that it is several phones.
    #[serde(default)]
    pub(super) proofs: Proofs,
    /// Groups that are other phones, the one that was added last at the end.
    #[serde(default)]
    pub(super) apart: Vec<GroupId>,
    /// Other models that it sent frames of, from addresses that were known already: at most
    /// [`MODELS_PER_PHONE`](super::variants::MODELS_PER_PHONE), and one more if there were more.
    #[serde(default)]
    pub(super) other_models: Vec<OtherModel>,
    /// The signature of its latest frame that showed nothing new about its models: most frames are like the one before, and
    /// need no key of their model.
    #[serde(default)]
    pub(super) signature: Option<Signature>,
    /// Those of its addresses that may be of any phone of the model, also of the groups that are other phones.
    #[serde(default)]
    pub(super) guests: BTreeSet<MacAddr>,
}

/// How many phones a group is at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phones {
    /// All of them.
    pub any: u32,
    /// Those of them that are of none of the groups that are other phones.
    pub own: u32,
}

impl Phones {
    /// One phone, unless something proves more.
    pub const ONE: Self = Self { any: 1, own: 1 };

    /// What several proofs prove together.
    pub(super) fn proven_by(proofs: impl Iterator<Item = Self>) -> Self {
        proofs.fold(Self::ONE, Self::max)
    }

    /// The greater of each number.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { any: self.any.max(other.any), own: self.own.max(other.own) }
    }
}

impl Group {
    pub(super) fn new(model: ModelKey, SeenTimes { first, visit, visit_count, last }: SeenTimes) -> Self {
        Self {
            model,
            first,
            visit,
            visit_count,
            last,
            frames: 0,
            addresses: VecDeque::new(),
            address_count: 0,
            name: None,
            is_named_by_member: false,
            is_kept: false,
            kept_by: Vec::new(),
            proofs: Proofs::default(),
            apart: Vec::new(),
            other_models: Vec::new(),
            signature: None,
            guests: BTreeSet::new(),
        }
    }

    /// Notes a frame, which counts if no other radio captured it before.
    pub(super) fn see(&mut self, time: Timestamp, counts: bool) {
        let is_far_from = |other: Timestamp| time.abs_diff(other) > OUT_OF_RANGE;
        if time > self.last && is_far_from(self.last) {
            self.visit = time;
            self.visit_count += 1;
        } else if time < self.visit && !is_far_from(self.visit) {
            self.visit = time;
        } else if time < self.first && is_far_from(self.first) {
            self.visit_count += 1;
        }
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        self.frames += u64::from(counts);
    }

    /// Corrects when it was here.
    pub(super) fn set_seen(&mut self, SeenTimes { first, visit, visit_count, last }: SeenTimes) {
        (self.first, self.visit, self.visit_count, self.last) = (first, visit, visit_count, last);
    }

    /// Its latest addresses, and why each belongs to it. The newest is last.
    pub fn addresses(
        &self,
    ) -> impl DoubleEndedIterator<Item = (MacAddr, JoinReason)> + ExactSizeIterator + Clone {
        self.addresses.iter().copied()
    }

    /// Why this address belongs to the group.
    pub fn reason(&self, address: MacAddr) -> Option<JoinReason> {
        self.addresses.iter().rev().find(|(known, _)| *known == address).map(|(_, reason)| *reason)
    }

    /// Whether this address may be of any phone of the model: it joined only for its model, after this group had been told
    /// apart from others.
    pub fn is_guest(&self, address: MacAddr) -> bool {
        self.guests.contains(&address)
    }

    /// Whether any of its addresses is no guest.
    pub(super) fn has_own_address(&self) -> bool {
        self.guests.len() < self.addresses.len()
    }

    /// The groups that are other phones, as was proven or declared.
    pub fn apart(&self) -> &[GroupId] {
        &self.apart
    }

    /// The least number of phones that it is, around this time: 1 unless something proves more.
    pub fn at_least(&self, time: Timestamp) -> u32 {
        self.phones_at(time).any
    }

    /// The least number of phones that it is, around this time.
    pub fn phones_at(&self, time: Timestamp) -> Phones {
        self.proofs.at(time)
    }

    /// The least number of phones that it was in this visit.
    pub fn visit_phones(&self) -> u32 {
        self.phones_since(self.visit).any
    }

    /// The least number of phones that it was since then.
    pub fn phones_since(&self, since: Timestamp) -> Phones {
        self.proofs.since(since)
    }

    /// The least number of phones that it was in this hour.
    pub(super) fn phones_in(&self, hour: Hour) -> Phones {
        self.proofs.in_hour(hour)
    }

    /// The hours from `first` on in which it was proven to be several phones, in order.
    pub(in crate::state) fn hours_of_proofs(&self, first: Hour) -> impl Iterator<Item = Hour> {
        self.proofs.hours(first)
    }

    /// The least number of phones that it is.
    pub fn phones(&self) -> Phones {
        self.proofs.all()
    }

    /// Whether this moment is in its first visit, as far as is known. In a later visit it was found again by an address, and
    /// may be any phone of its model that was here before.
    pub fn is_first_visit(&self, time: Timestamp) -> bool {
        match self.visit_count {
            0 | 1 => true,
            2 => time < self.visit,
            _ => time.abs_diff(self.first) <= OUT_OF_RANGE,
        }
    }

    /// Adds a proof that it is several phones.
    pub(super) fn prove(&mut self, time: Timestamp, phones: u32) {
        self.proofs.add(time, phones, self.guests.is_empty());
    }

    /// Notes that one of its phones, which was here in this span, is known to be another. If nobody knows when it was, that
    /// concerns all proofs.
    pub(super) fn prove_one_less(&mut self, span: Option<Span>) {
        let always = Span { first: Timestamp::from_micros(i64::MIN), last: Timestamp::from_micros(i64::MAX) };
        let span = span.unwrap_or(always);
        self.proofs.lower(Span { last: span.last.saturating_add(PROOF_AFTER), ..span });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: i64 = OUT_OF_RANGE.as_secs() as i64;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn group() -> Group {
        Group::new(ModelKey::of_unknown_elements(Signature::from_u64(1)), SeenTimes::at(at(0)))
    }

    /// When the group was seen first, since when it is here, how often, and when last.
    fn seen(group: &Group) -> (i64, i64, u64, i64) {
        let second = |time: Timestamp| time.as_micros() / 1_000_000;
        (second(group.first), second(group.visit), group.visit_count, second(group.last))
    }

    #[test]
    fn a_visit_ends_with_a_silence_of_more_than_two_hours() {
        for (second, expected) in [
            (RANGE, (0, 0, 1, RANGE)),
            (RANGE + 1, (0, RANGE + 1, 2, RANGE + 1)),
            // Frames of an older file.
            (-RANGE, (-RANGE, -RANGE, 1, 0)),
            (-RANGE - 1, (-RANGE - 1, 0, 2, 0)),
            (0, (0, 0, 1, 0)),
        ] {
            let mut group = group();
            group.see(at(second), true);
            group.see(at(second), false);
            assert_eq!((seen(&group), group.frames), (expected, 1), "{second}");
        }
    }

    #[test]
    fn a_moment_is_in_the_first_visit_as_far_as_is_known() {
        let with = |visit_count| Group { visit: at(9 * RANGE), visit_count, ..group() };
        for (visit_count, second, is_first) in [
            (1, 9 * RANGE, true),
            (2, 9 * RANGE - 1, true),
            (2, 9 * RANGE, false),
            (3, RANGE, true),
            (3, RANGE + 1, false),
        ] {
            assert_eq!(with(visit_count).is_first_visit(at(second)), is_first, "{visit_count} {second}");
        }
    }
}

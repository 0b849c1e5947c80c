//! A group: the random addresses that are taken for one phone, or for several that cannot be told apart.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seen_times::SeenTimes;
use crate::event::Timestamp;
use dot11::{MacAddr, ModelKey};

/// Addresses of one group that are kept. Further ones are only counted, and the oldest leave the group.
pub const ADDRESSES_PER_GROUP: usize = 16_384;

/// A phone that was silent for longer has left the range. A new address does not join it then.
pub const OUT_OF_RANGE: Duration = Duration::from_secs(7200);

/// How long a proof that a group is several phones holds, before and after.
const PROOF_HOLDS: Duration = Duration::from_secs(120);

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
    /// It looks for a network that the group looked for while it was in range, and it is of the same model. Its sequence
    /// numbers would continue those of a group that looked only for others.
    SameNetwork,
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
    /// Whether a person named, followed or split it, so that it stays although it is silent.
    pub(super) is_kept: bool,
    /// The latest proof that it is several phones.
    pub(super) proof: Option<Proof>,
}

/// That several phones of a group were in range at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    pub(super) time: Timestamp,
    pub(super) phones: u32,
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
            is_kept: false,
            proof: None,
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

    /// The least number of phones that it is, around this time: 1 unless something proves more.
    pub fn at_least(&self, time: Timestamp) -> u32 {
        let proof = self.proof.filter(|proof| proof.time.abs_diff(time) <= PROOF_HOLDS);
        proof.map_or(1, |proof| proof.phones)
    }

    /// The least number of phones that it was in this visit, as far as the latest proof says.
    pub fn visit_phones(&self) -> u32 {
        self.phones_since(self.visit)
    }

    /// The least number of phones that it was since then in this visit, as far as the latest proof says.
    pub fn phones_since(&self, since: Timestamp) -> u32 {
        let proof = self.proof.filter(|proof| proof.time >= self.visit.max(since));
        proof.map_or(1, |proof| proof.phones)
    }

    /// Notes that one of its phones is known to be another: what proved several proves one less.
    pub(super) fn prove_one_less(&mut self) {
        let rest = self.proof.map(|proof| Proof { phones: proof.phones.saturating_sub(1), ..proof });
        self.proof = rest.filter(|proof| proof.phones > 1);
    }

    /// Whether this moment is in its first visit, as far as is known. A group begins only if its first address is of
    /// none that is in range, so groups of one model in their first visits are different phones. In a later visit it was
    /// found again by an address, and may be any phone of its model that was here before.
    pub fn is_first_visit(&self, time: Timestamp) -> bool {
        match self.visit_count {
            0 | 1 => true,
            2 => time < self.visit,
            _ => time.abs_diff(self.first) <= OUT_OF_RANGE,
        }
    }

    /// Adds a proof that it is several phones. Within the time that a proof holds, the larger number counts; else the
    /// later proof does.
    pub(super) fn prove(&mut self, time: Timestamp, phones: u32) {
        if self.proof.is_some_and(|proof| proof.time > time && proof.time.abs_diff(time) > PROOF_HOLDS) {
            return;
        }
        self.proof = Some(Proof { time, phones: phones.max(self.at_least(time)) });
    }
}

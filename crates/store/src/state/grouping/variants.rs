//! Phones that send frames of several models: that of a frame with a network's name can differ from that of one without,
//! or that of one band from that of another.
//!
//! - An address that was known already and sends a frame of another model, whose number continues its own, shows that one
//!   phone sends both. Groups of the two models count as groups of the *main* one, that of the two which had more addresses
//!   so far: each may be of a phone that sends both.
//! - Once [`LINKED_ADDRESSES`] of a phone's addresses showed it, and while that phone is in range, a new address of the
//!   other model is taken for one of the main model: that assumes the fewest phones. One address alone may be one that
//!   several devices use.
//! - Groups that were there before keep their model. While a phone on which somebody said something is in range, its model
//!   keeps its new addresses, too.
//! - No phone sends many models. An address that does is shared by several devices, or invented, and shows nothing.

use serde::{Deserialize, Serialize};

use super::counter::Frame;
use super::group::Group;
use super::seen_times::Span;
use super::{Grouping, Model};
use crate::event::{GroupId, Timestamp};
use dot11::{MacAddr, ModelKey};

/// Models besides its own that one phone sends. What sends more is no phone.
pub(super) const MODELS_PER_PHONE: usize = 8;

/// Addresses of a phone that must show that it sends two models before new addresses are taken for those of the other.
pub(super) const LINKED_ADDRESSES: usize = 2;

/// A model that a phone sends besides its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OtherModel {
    key: ModelKey,
    /// The first addresses that showed it, at most [`LINKED_ADDRESSES`].
    shown_by: Vec<MacAddr>,
}

/// The main model of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MainModel {
    pub(super) key: ModelKey,
    /// The phone that sends both.
    pub(super) phone: GroupId,
}

impl Group {
    /// Notes that this address shows that it sends another model, too.
    fn add_model(&mut self, key: ModelKey, address: MacAddr) {
        if key == self.model {
            return;
        }
        if let Some(other) = self.other_models.iter_mut().find(|other| other.key == key) {
            if other.shown_by.len() < LINKED_ADDRESSES && !other.shown_by.contains(&address) {
                other.shown_by.push(address);
            }
        } else if !self.sends_any_model() {
            self.other_models.push(OtherModel { key, shown_by: vec![address] });
        }
    }

    /// Adds the models that the group `from` sends, which turned out to be the same phone.
    pub(super) fn add_models_of(&mut self, from: &Self) {
        for other in &from.other_models {
            other.shown_by.iter().for_each(|address| self.add_model(other.key, *address));
        }
    }

    fn sends(&self, key: ModelKey) -> bool {
        self.model == key || self.other_models.iter().any(|other| other.key == key)
    }

    /// Whether enough of its addresses showed that it sends one of these models besides its own.
    fn is_linked(&self, keys: [ModelKey; 2]) -> bool {
        let others = self.other_models.iter().filter(|other| keys.contains(&other.key));
        others.map(|other| other.shown_by.len()).max() >= Some(LINKED_ADDRESSES)
    }

    /// Whether it sends so many models that it is no phone.
    fn sends_any_model(&self) -> bool {
        self.other_models.len() > MODELS_PER_PHONE
    }

    fn is_in_range(&self, now: Timestamp) -> bool {
        Span { first: self.visit, last: self.last }.is_in_range(now)
    }
}

impl Grouping {
    /// The model whose phones a new address of this model is of.
    pub(super) fn main_model(&self, key: ModelKey, now: Timestamp) -> ModelKey {
        let main = self.known_main(key).filter(|(main, phone)| {
            phone.is_linked([key, *main]) && phone.is_in_range(now) && !self.has_kept_phone(key, now)
        });
        main.map_or(key, |(main, _)| main)
    }

    /// Whether a phone of this model is in range on which somebody said something.
    fn has_kept_phone(&self, key: ModelKey, now: Timestamp) -> bool {
        self.latest_groups(key).any(|(_, group)| group.is_kept && group.is_in_range(now))
    }

    /// The main model of this one, and the phone that sends both.
    fn known_main(&self, key: ModelKey) -> Option<(ModelKey, &Group)> {
        let main = self.models.get(&key)?.main?;
        let phone = self.groups.get(&main.phone)?;
        let is_valid = !phone.sends_any_model() && phone.sends(key) && phone.sends(main.key);
        is_valid.then_some((main.key, phone))
    }

    /// The model that groups of this one count as ([`least_phones`](super::least_phones)): its main model, or the main model
    /// of that, and so on.
    pub fn counted_model(&self, key: ModelKey) -> ModelKey {
        let mut counted = key;
        for _ in 0..MODELS_PER_PHONE {
            match self.known_main(counted) {
                Some((main, _)) => counted = main,
                None => return counted,
            }
        }
        // There are too many, or each is the main model of another one.
        key
    }

    /// Notes that a known address of a phone, which is of the model `own`, sent this frame of the model `sent`.
    pub(super) fn note_variant(&mut self, (phone, own): (GroupId, ModelKey), frame: &Frame, sent: ModelKey) {
        let Some(group) = self.groups.get(&phone) else { return };
        // An address that was taken for one of the main model still sends its own one, which shows nothing.
        let is_settled = sent == own
            || group.is_linked([own, sent])
            || group.sends_any_model()
            || self.main_model(sent, frame.time) == own;
        let shows = !is_settled && self.models.get(&own).is_some_and(|model| model.is_continued_by(frame));
        let Some(group) = self.groups.get_mut(&phone).filter(|_| is_settled || shows) else { return };
        if is_settled {
            group.signature = Some(frame.signature);
            return;
        }
        group.add_model(sent, frame.source);
        if group.sends_any_model() {
            return;
        }
        let addresses = |key| self.models.get(&key).map_or(0, Model::address_count);
        let (main, other) = if addresses(sent) >= addresses(own) { (sent, own) } else { (own, sent) };
        if let Some(model) = self.models.get_mut(&main)
            && model.main.is_some_and(|main| main.key == other)
        {
            model.main = None;
        }
        self.models.entry(other).main = Some(MainModel { key: main, phone });
        self.enforce_limits();
    }

    /// The phone `from` got another identifier.
    pub(super) fn rename_variants(&mut self, group: &Group, from: GroupId, to: GroupId) {
        for key in group.other_models.iter().map(|other| &other.key).chain([&group.model]) {
            let Some(model) = self.models.get_mut(key) else { continue };
            if let Some(main) = model.main.as_mut().filter(|main| main.phone == from) {
                main.phone = to;
            }
        }
    }
}

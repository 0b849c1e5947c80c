//! Phones that send frames of several models: that of a frame with a network's name can differ from that of one without,
//! or that of one band from that of another.
//!
//! - An address that was known already and sends a frame of another model proves that one phone sends both. While that
//!   phone is in range, a new address of the one model may be of it, whichever model it shows first. So it is taken for
//!   an address of the *main* model, that of the two which had more addresses so far: that assumes the fewest phones.
//! - Groups that were there before keep their model. They count as groups of the main model, whenever they were here: each
//!   may be of a phone that sends both.
//! - No phone sends many models. An address that does is shared by several devices, or invented, and proves nothing.

use serde::{Deserialize, Serialize};

use super::counter::Frame;
use super::group::{Group, OUT_OF_RANGE};
use super::{Grouping, Model};
use crate::event::{GroupId, Timestamp};
use dot11::ModelKey;

/// Models besides its own that one phone sends. What sends more is no phone.
pub(super) const MODELS_PER_PHONE: usize = 8;

/// The main model of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MainModel {
    pub(super) key: ModelKey,
    /// The phone that sends both.
    pub(super) phone: GroupId,
}

impl Group {
    /// Notes that it sends another model, too.
    pub(super) fn add_model(&mut self, key: ModelKey) {
        let is_known = key == self.model || self.other_models.contains(&key);
        if !is_known && self.other_models.len() <= MODELS_PER_PHONE {
            self.other_models.push(key);
        }
    }

    fn sends(&self, key: ModelKey) -> bool {
        self.model == key || self.other_models.contains(&key)
    }

    /// Whether it sends so many models that it is no phone.
    fn sends_any_model(&self) -> bool {
        self.other_models.len() > MODELS_PER_PHONE
    }

    fn is_in_range(&self, now: Timestamp) -> bool {
        (self.visit..=self.last).contains(&now)
            || self.visit.abs_diff(now).min(self.last.abs_diff(now)) <= OUT_OF_RANGE
    }
}

impl Grouping {
    /// The model whose phones a new address of this model is of.
    pub(super) fn main_model(&self, key: ModelKey, now: Timestamp) -> ModelKey {
        let main = self.known_main(key).filter(|(_, phone)| phone.is_in_range(now));
        main.map_or(key, |(main, _)| main)
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
        // An address that was taken for one of the main model still sends its own one, which proves nothing.
        let is_new = sent != own && self.main_model(sent, frame.time) != own;
        let Some(group) = self.groups.get_mut(&phone) else { return };
        group.signature = Some(frame.signature);
        if !is_new {
            return;
        }
        group.add_model(sent);
        if group.sends_any_model() {
            return;
        }
        let addresses = |key| self.models.get(&key).map_or(0, Model::address_count);
        let (main, other) = if addresses(sent) > addresses(own) { (sent, own) } else { (own, sent) };
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
        for key in group.other_models.iter().chain([&group.model]) {
            let Some(model) = self.models.get_mut(key) else { continue };
            if let Some(main) = model.main.as_mut().filter(|main| main.phone == from) {
                main.phone = to;
            }
        }
    }
}

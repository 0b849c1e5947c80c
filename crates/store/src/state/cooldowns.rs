//! Cool-downs: for how long no further alert is raised for the same chat, network and device.
//!
//! At most [`COOLDOWN_LIMIT`] are remembered; beyond that the oldest is forgotten.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, DeviceKey, Timestamp};
use dot11::Ssid;

/// Cool-downs that are remembered; beyond that the oldest is forgotten.
pub const COOLDOWN_LIMIT: usize = 4096;

pub(super) type CooldownKey = (ChatId, Ssid, DeviceKey);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cooldown {
    /// When it began.
    pub(super) alerted: Timestamp,
    /// Alerts that it has suppressed since.
    #[serde(rename = "swallowed")]
    pub(super) suppressed: u64,
}

/// All cool-downs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cooldowns {
    pub(super) rows: DirtyMap<CooldownKey, Cooldown>,
    /// The keys by age, derived from `rows`.
    by_age: BTreeSet<(Timestamp, CooldownKey)>,
}

impl Cooldowns {
    /// Derives the order by age from rows that were loaded.
    pub(super) fn index(&mut self) {
        self.by_age = self.rows.iter().map(|(key, cooldown)| (cooldown.alerted, key.clone())).collect();
    }

    pub(super) fn get(&self, key: &CooldownKey) -> Option<&Cooldown> {
        self.rows.get(key)
    }

    /// Counts an alert that the cool-down suppresses.
    pub(super) fn suppress(&mut self, key: &CooldownKey) {
        if let Some(cooldown) = self.rows.get_mut(key) {
            cooldown.suppressed += 1;
        }
    }

    /// Starts a cool-down with an alert that was raised.
    pub(super) fn start(&mut self, key: CooldownKey, alerted: Timestamp) {
        self.set(key, Cooldown { alerted, suppressed: 0 });
    }

    /// Starts a cool-down although the chat gets no alert: what was suppressed before still counts.
    pub(super) fn restart(&mut self, key: CooldownKey, alerted: Timestamp) {
        let suppressed = self.rows.get(&key).map_or(0, |last| last.suppressed);
        self.set(key, Cooldown { alerted, suppressed });
    }

    fn set(&mut self, key: CooldownKey, cooldown: Cooldown) {
        if let Some(earlier) = self.rows.get(&key) {
            self.by_age.remove(&(earlier.alerted, key.clone()));
        }
        self.by_age.insert((cooldown.alerted, key.clone()));
        self.rows.insert(key, cooldown);
        if self.by_age.len() > COOLDOWN_LIMIT
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.rows.remove(&oldest);
        }
    }

    /// Sets the cool-down of `key`, unless it has a later one already.
    fn set_if_later(&mut self, key: CooldownKey, cooldown: Cooldown) {
        if self.rows.get(&key).is_none_or(|there| there.alerted < cooldown.alerted) {
            self.set(key, cooldown);
        }
    }

    /// Copies the cool-downs of the device `before` to `now`: an address was renamed.
    pub(super) fn rename(&mut self, before: &DeviceKey, now: &DeviceKey) {
        let copies: Vec<(CooldownKey, Cooldown)> = self
            .rows
            .iter()
            .filter(|((_, _, device), _)| device == before)
            .map(|((chat, ssid, _), cooldown)| ((*chat, ssid.clone(), now.clone()), cooldown.clone()))
            .collect();
        copies.into_iter().for_each(|(key, cooldown)| self.set_if_later(key, cooldown));
    }

    /// Gives the cool-downs of `from` to `to`.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        for key in self.keys_of(from) {
            if let Some(cooldown) = self.remove(&key) {
                let (_, ssid, device) = key;
                self.set_if_later((to, ssid, device), cooldown);
            }
        }
    }

    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        for key in self.keys_of(chat) {
            self.remove(&key);
        }
    }

    fn keys_of(&self, chat: ChatId) -> Vec<CooldownKey> {
        let of_chat = self.rows.iter().filter(|((of, _, _), _)| *of == chat);
        of_chat.map(|(key, _)| key.clone()).collect()
    }

    fn remove(&mut self, key: &CooldownKey) -> Option<Cooldown> {
        let cooldown = self.rows.remove(key)?;
        self.by_age.remove(&(cooldown.alerted, key.clone()));
        Some(cooldown)
    }
}

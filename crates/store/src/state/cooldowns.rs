//! Cool-downs: for how long no further alert is raised for the same chat, network and device.
//!
//! - Only an alert that was sent starts one. One that was only counted is remembered as well, so that it is not counted with
//!   every frame, but the next alert is raised as soon as there is room.
//! - At most [`COOLDOWN_LIMIT`] are remembered. Beyond that the oldest is forgotten: first of those that were only counted,
//!   then of devices without a name, so that a flood displaces itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::clock_step::ClockStep;
use super::dirty_map::DirtyMap;
use crate::event::{ChatId, DeviceKey, Timestamp};
use dot11::Ssid;

/// Cool-downs that are remembered.
pub const COOLDOWN_LIMIT: usize = 4096;

pub(super) type CooldownKey = (ChatId, Ssid, DeviceKey);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cooldown {
    /// When the alert was raised or counted.
    #[serde(rename = "alerted")]
    pub(super) since: Timestamp,
    /// Alerts that it has suppressed since the last one that was raised.
    #[serde(rename = "swallowed")]
    pub(super) suppressed: u64,
    /// Whether the alert was only counted.
    #[serde(default)]
    pub(super) only_counted: bool,
}

/// The order in which cool-downs are forgotten: whether an alert was raised, whether the device has a name, and since when.
type Rank = (bool, bool, Timestamp);

fn rank((_, _, device): &CooldownKey, cooldown: &Cooldown) -> Rank {
    (!cooldown.only_counted, matches!(device, DeviceKey::Name(_)), cooldown.since)
}

/// All cool-downs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cooldowns {
    pub(super) rows: DirtyMap<CooldownKey, Cooldown>,
    /// The keys by rank, derived from `rows`.
    by_rank: BTreeSet<(Rank, CooldownKey)>,
}

impl Cooldowns {
    /// Derives the order by rank from rows that were loaded.
    pub(super) fn index(&mut self) {
        self.by_rank = self.rows.iter().map(|(key, cooldown)| (rank(key, cooldown), key.clone())).collect();
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
    pub(super) fn start(&mut self, key: CooldownKey, since: Timestamp) {
        self.set(key, Cooldown { since, suppressed: 0, only_counted: false });
    }

    /// Notes an alert that was only counted: what was suppressed before still counts.
    pub(super) fn note_counted(&mut self, key: CooldownKey, since: Timestamp) {
        let suppressed = self.rows.get(&key).map_or(0, |last| last.suppressed);
        self.set(key, Cooldown { since, suppressed, only_counted: true });
    }

    /// The alert of this time was not sent after all.
    pub(super) fn not_sent(&mut self, key: &CooldownKey, since: Timestamp) {
        if let Some(last) = self.rows.get(key).filter(|last| last.since == since) {
            self.set(key.clone(), Cooldown { only_counted: true, ..last.clone() });
        }
    }

    fn set(&mut self, key: CooldownKey, cooldown: Cooldown) {
        if let Some(earlier) = self.rows.get(&key) {
            self.by_rank.remove(&(rank(&key, earlier), key.clone()));
        }
        self.by_rank.insert((rank(&key, &cooldown), key.clone()));
        self.rows.insert(key, cooldown);
        if self.by_rank.len() > COOLDOWN_LIMIT
            && let Some((_, first)) = self.by_rank.pop_first()
        {
            self.rows.remove(&first);
        }
    }

    /// Sets the cool-down of `key`, unless it has one already that is forgotten later.
    fn set_if_later(&mut self, key: CooldownKey, cooldown: Cooldown) {
        if self.rows.get(&key).is_none_or(|there| rank(&key, there) < rank(&key, &cooldown)) {
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

    /// The time became another one.
    pub(super) fn move_times(&mut self, step: ClockStep) {
        let moving = self.rows.iter().filter(|(_, cooldown)| step.moved(cooldown.since) != cooldown.since);
        let moving: Vec<_> = moving.map(|(key, cooldown)| (key.clone(), cooldown.clone())).collect();
        for (key, cooldown) in moving {
            self.set(key, Cooldown { since: step.moved(cooldown.since), ..cooldown });
        }
    }

    fn keys_of(&self, chat: ChatId) -> Vec<CooldownKey> {
        let of_chat = self.rows.iter().filter(|((of, _, _), _)| *of == chat);
        of_chat.map(|(key, _)| key.clone()).collect()
    }

    fn remove(&mut self, key: &CooldownKey) -> Option<Cooldown> {
        let cooldown = self.rows.remove(key)?;
        self.by_rank.remove(&(rank(key, &cooldown), key.clone()));
        Some(cooldown)
    }
}

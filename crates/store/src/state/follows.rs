//! The devices that chats follow: a chat gets an alert when one arrives, and when it has left.
//!
//! A device is present until it has sent nothing for the chat's silence period. This table holds only what was
//! announced; only the events of an arrival or a departure change it, and a split of its phone. The statistics of the device's addresses have the
//! time of its last probe.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, DeviceKey, Timestamp};
use dot11::MacAddr;

/// One chat's follow of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Since when.
    pub since: Timestamp,
    /// The silence after which the device has left, in seconds.
    pub silence_seconds: u64,
    /// The last announced presence.
    pub is_here: bool,
}

impl Follow {
    /// The silence after which the device has left.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(self.silence_seconds)
    }
}

/// All follows, by device and chat.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Follows {
    pub(super) rows: DirtyMap<(DeviceKey, ChatId), Follow>,
}

impl Follows {
    pub(super) fn set(&mut self, device: DeviceKey, chat: ChatId, follow: Follow) {
        let since = self.get(&device, chat).map_or(follow.since, |known| known.since);
        self.rows.insert((device, chat), Follow { since, ..follow });
    }

    pub(super) fn remove(&mut self, device: &DeviceKey, chat: ChatId) {
        self.rows.remove(&(device.clone(), chat));
    }

    /// Marks the device as present for all its followers.
    pub(super) fn mark_arrived(&mut self, device: &DeviceKey) {
        let away = self.followers_of(device).filter(|(_, follow)| !follow.is_here);
        let chats: Vec<ChatId> = away.map(|(chat, _)| chat).collect();
        for chat in chats {
            if let Some(follow) = self.rows.get_mut(&(device.clone(), chat)) {
                follow.is_here = true;
            }
        }
    }

    pub(super) fn mark_left(&mut self, device: &DeviceKey, chat: ChatId) {
        if let Some(follow) = self.rows.get_mut(&(device.clone(), chat)) {
            follow.is_here = false;
        }
    }

    /// Corrects whether the device is here: at `time`, its last probe turned out to be that of `last`.
    pub(super) fn correct(&mut self, device: &DeviceKey, last: Option<Timestamp>, time: Timestamp) {
        let is_silent = |follow: &Follow| last.is_none_or(|last| time.abs_diff(last) >= follow.silence());
        let gone = self.followers_of(device).filter(|(_, follow)| follow.is_here && is_silent(follow));
        for chat in gone.map(|(chat, _)| chat).collect::<Vec<_>>() {
            self.mark_left(device, chat);
        }
    }

    /// Moves the entries of device `before` to device `now`: its name changed.
    pub(super) fn rename(&mut self, before: &DeviceKey, now: &DeviceKey) {
        let chats: Vec<ChatId> = self.followers_of(before).map(|(chat, _)| chat).collect();
        for chat in chats {
            if let Some(follow) = self.rows.remove(&(before.clone(), chat))
                && self.get(now, chat).is_none()
            {
                self.rows.insert((now.clone(), chat), follow);
            }
        }
    }

    /// Moves the follows of `from` to `to`, which keeps its own.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        let of_from = self.iter().filter(|(_, chat, _)| *chat == from);
        let moving: Vec<DeviceKey> = of_from.map(|(device, _, _)| device.clone()).collect();
        for device in moving {
            if let Some(follow) = self.rows.remove(&(device.clone(), from))
                && self.get(&device, to).is_none()
            {
                self.rows.insert((device, to), follow);
            }
        }
    }

    /// Removes this chat's follows.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        let of_chat = self.iter().filter(|(_, by, _)| *by == chat);
        let gone: Vec<DeviceKey> = of_chat.map(|(device, _, _)| device.clone()).collect();
        gone.iter().for_each(|device| self.remove(device, chat));
    }

    /// The chat's follow of this device.
    pub fn get(&self, device: &DeviceKey, chat: ChatId) -> Option<&Follow> {
        self.rows.get(&(device.clone(), chat))
    }

    /// The chats that follow this device.
    pub fn followers_of(&self, device: &DeviceKey) -> impl Iterator<Item = (ChatId, &Follow)> {
        let [first, last] = [i64::MIN, i64::MAX].map(|chat| (device.clone(), ChatId(chat)));
        self.rows.range(first..=last).map(|((_, chat), follow)| (*chat, follow))
    }

    /// Whether alerts of the chat take the device for known: it has a name, or the chat or the terminal follows it.
    pub(super) fn is_known(&self, chat: ChatId, device: &DeviceKey) -> bool {
        let is_followed = |by: ChatId| self.get(device, by).is_some();
        matches!(device, DeviceKey::Name(_)) || is_followed(chat) || is_followed(ChatId::TERMINAL)
    }

    /// All follows, by device.
    pub fn iter(&self) -> impl Iterator<Item = (&DeviceKey, ChatId, &Follow)> {
        self.rows.iter().map(|((device, chat), follow)| (device, *chat, follow))
    }

    /// How many devices a chat follows.
    pub fn count(&self, chat: ChatId) -> usize {
        self.iter().filter(|(_, by, _)| *by == chat).count()
    }

    /// Whether any chat follows this address, which has no name.
    pub(super) fn has_address(&self, address: MacAddr) -> bool {
        self.rows.len() > 0 && self.followers_of(&DeviceKey::Address(address)).next().is_some()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }
}

//! What chats do not want to hear: anything for a while (mute), and of some devices nothing at all (ignore).
//!
//! What a mute keeps back is counted, and told once the mute is over.

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, DeviceKey, Timestamp};

/// A chat's wish for silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Until when.
    pub until: Timestamp,
    /// How many alerts it has kept back that the chat was not told of.
    #[serde(rename = "swallowed")]
    pub suppressed: u64,
}

/// That a chat ignores a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Since when.
    pub since: Timestamp,
}

/// All mutes and all devices that are ignored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mutes {
    pub(super) mutes: DirtyMap<ChatId, Mute>,
    pub(super) ignored: DirtyMap<(DeviceKey, ChatId), Ignored>,
}

impl Mutes {
    pub(super) fn mute(&mut self, chat: ChatId, until: Timestamp) {
        let suppressed = self.get(chat).map_or(0, |mute| mute.suppressed);
        self.mutes.insert(chat, Mute { until, suppressed });
    }

    pub(super) fn unmute(&mut self, chat: ChatId) {
        self.mutes.remove(&chat);
    }

    /// An alert was kept back.
    pub(super) fn suppress(&mut self, chat: ChatId) {
        if let Some(mute) = self.mutes.get_mut(&chat) {
            mute.suppressed += 1;
        }
    }

    /// The chat was told at `time` of so many.
    pub(super) fn reported(&mut self, chat: ChatId, count: u64, time: Timestamp) {
        if let Some(mute) = self.mutes.get_mut(&chat) {
            mute.suppressed = mute.suppressed.saturating_sub(count);
            if mute.suppressed == 0 && mute.until <= time {
                self.mutes.remove(&chat);
            }
        }
    }

    pub(super) fn ignore(&mut self, device: DeviceKey, chat: ChatId, since: Timestamp) {
        if self.ignored(&device, chat).is_none() {
            self.ignored.insert((device, chat), Ignored { since });
        }
    }

    pub(super) fn unignore(&mut self, device: &DeviceKey, chat: ChatId) {
        self.ignored.remove(&(device.clone(), chat));
    }

    /// Has what was meant by `before` be meant by `now`.
    pub(super) fn rename(&mut self, before: &DeviceKey, now: &DeviceKey) {
        self.move_ignored(|device, chat| (device == before).then(|| (now.clone(), chat)));
    }

    /// Gives all that is the chat `from`'s to `to`; of two mutes the longer one holds.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        if let Some(mute) = self.mutes.remove(&from) {
            let there = self.mutes.remove(&to).unwrap_or(Mute { until: mute.until, suppressed: 0 });
            let (until, suppressed) = (mute.until.max(there.until), mute.suppressed + there.suppressed);
            self.mutes.insert(to, Mute { until, suppressed });
        }
        self.move_ignored(|device, chat| (chat == from).then(|| (device.clone(), to)));
    }

    /// Forgets what this chat does not want to hear.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        self.unmute(chat);
        let of_chat = self.all_ignored().filter(|(_, by, _)| *by == chat);
        let gone: Vec<DeviceKey> = of_chat.map(|(device, _, _)| device.clone()).collect();
        gone.iter().for_each(|device| self.unignore(device, chat));
    }

    fn move_ignored(&mut self, target: impl Fn(&DeviceKey, ChatId) -> Option<(DeviceKey, ChatId)>) {
        let moves = self.ignored.iter().filter_map(|(key, _)| Some((key.clone(), target(&key.0, key.1)?)));
        let moves: Vec<_> = moves.collect();
        for (key, target) in moves {
            if let Some(ignored) = self.ignored.remove(&key)
                && self.ignored.get(&target).is_none()
            {
                self.ignored.insert(target, ignored);
            }
        }
    }

    /// The chat's mute, also one that is over but was not told of.
    pub fn get(&self, chat: ChatId) -> Option<&Mute> {
        self.mutes.get(&chat)
    }

    /// Whether the chat is muted at `time`.
    pub fn is_muted(&self, chat: ChatId, time: Timestamp) -> bool {
        self.get(chat).is_some_and(|mute| time < mute.until)
    }

    /// All mutes, also those that are over but were not told of.
    pub fn iter(&self) -> impl Iterator<Item = (ChatId, &Mute)> {
        self.mutes.iter().map(|(chat, mute)| (*chat, mute))
    }

    /// That the chat ignores the device.
    pub fn ignored(&self, device: &DeviceKey, chat: ChatId) -> Option<&Ignored> {
        self.ignored.get(&(device.clone(), chat))
    }

    /// The devices that are ignored, with the chats that do.
    pub fn all_ignored(&self) -> impl Iterator<Item = (&DeviceKey, ChatId, &Ignored)> {
        self.ignored.iter().map(|((device, chat), ignored)| (device, *chat, ignored))
    }
}

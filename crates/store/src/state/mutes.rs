//! Mutes (all alerts for a time) and ignored devices.
//!
//! The alerts that a mute suppresses are counted, and the count is reported after the mute.

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use super::subscriptions::Subscriptions;
use crate::event::{ChatId, Person, Timestamp};

/// A mute of one chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Until when.
    pub until: Timestamp,
    /// Suppressed alerts not yet reported to the chat.
    #[serde(rename = "swallowed")]
    pub suppressed: u64,
    /// Who set it, if that is known: the last person who changed it.
    #[serde(default)]
    pub set_by: Option<Person>,
}

/// An ignored device of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Since when.
    pub since: Timestamp,
    /// Who set it, if that is known: the last person who changed it.
    #[serde(default)]
    pub set_by: Option<Person>,
}

/// All mutes and all ignored devices.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mutes {
    pub(super) mutes: DirtyMap<ChatId, Mute>,
    pub(super) ignored: Subscriptions<Ignored>,
}

impl Mutes {
    pub(super) fn mute(&mut self, chat: ChatId, until: Timestamp, set_by: Option<Person>) {
        let suppressed = self.get(chat).map_or(0, |mute| mute.suppressed);
        self.mutes.insert(chat, Mute { until, suppressed, set_by });
    }

    pub(super) fn unmute(&mut self, chat: ChatId) {
        self.mutes.remove(&chat);
    }

    /// Counts an alert that the mute suppresses.
    pub(super) fn suppress(&mut self, chat: ChatId) {
        if let Some(mute) = self.mutes.get_mut(&chat) {
            mute.suppressed += 1;
        }
    }

    /// Records that a message reported `count` suppressed alerts at `time`.
    pub(super) fn reported(&mut self, chat: ChatId, count: u64, time: Timestamp) {
        if let Some(mute) = self.mutes.get_mut(&chat) {
            mute.suppressed = mute.suppressed.saturating_sub(count);
            if mute.suppressed == 0 && mute.until <= time {
                self.mutes.remove(&chat);
            }
        }
    }

    /// Moves the entries of the chat `from` to `to`; of two mutes the longer one is kept.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        if let Some(mute) = self.mutes.remove(&from) {
            let (kept, other) = match self.mutes.remove(&to) {
                Some(there) if there.until > mute.until => (there, mute.suppressed),
                there => (mute, there.map_or(0, |there| there.suppressed)),
            };
            let suppressed = kept.suppressed.saturating_add(other);
            self.mutes.insert(to, Mute { suppressed, ..kept });
        }
        self.ignored.migrate(from, to);
    }

    /// Removes this chat's mute and ignores.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        self.unmute(chat);
        self.ignored.remove_chat(chat);
    }

    /// The chat's mute, including an expired one not yet reported.
    pub fn get(&self, chat: ChatId) -> Option<&Mute> {
        self.mutes.get(&chat)
    }

    /// Whether the chat is muted at `time`.
    pub fn is_muted(&self, chat: ChatId, time: Timestamp) -> bool {
        self.get(chat).is_some_and(|mute| time < mute.until)
    }

    /// All mutes, including expired mutes not yet reported.
    pub fn iter(&self) -> impl Iterator<Item = (ChatId, &Mute)> {
        self.mutes.iter().map(|(chat, mute)| (*chat, mute))
    }

    /// The ignored devices.
    pub fn ignored(&self) -> &Subscriptions<Ignored> {
        &self.ignored
    }
}

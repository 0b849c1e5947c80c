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

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(1);
    const OTHER: ChatId = ChatId(2);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// What is kept of a chat: until when it is muted, and how many alerts the mute has suppressed.
    fn of(mutes: &Mutes, chat: ChatId) -> Option<(Timestamp, u64)> {
        mutes.get(chat).map(|mute| (mute.until, mute.suppressed))
    }

    /// The chats, muted until 100 s and `until`, with two and one suppressed alerts.
    fn muted(until: i64) -> Mutes {
        let mut mutes = Mutes::default();
        mutes.mute(CHAT, at(100), None);
        mutes.mute(OTHER, at(until), None);
        [CHAT, CHAT, OTHER, ChatId(3)].into_iter().for_each(|chat| mutes.suppress(chat));
        mutes
    }

    #[test]
    fn a_mute_holds_until_its_end() {
        let mutes = muted(200);
        for (second, is_muted) in [(0, true), (99, true), (100, false), (101, false)] {
            assert_eq!(mutes.is_muted(CHAT, at(second)), is_muted, "{second}");
        }
        assert!(!mutes.is_muted(ChatId(3), at(0)));
        assert!(mutes.iter().map(|(chat, _)| chat).eq([CHAT, OTHER]));
    }

    #[test]
    fn what_a_mute_has_suppressed_counts_until_it_is_reported() {
        let mut mutes = muted(200);
        mutes.mute(CHAT, at(50), None);
        assert_eq!(of(&mutes, CHAT), Some((at(50), 2)), "muted again");
        mutes.reported(CHAT, 1, at(60));
        assert_eq!(of(&mutes, CHAT), Some((at(50), 1)));
        mutes.reported(CHAT, 1, at(49));
        assert_eq!(of(&mutes, CHAT), Some((at(50), 0)), "it still lasts");
        mutes.reported(CHAT, 0, at(50));
        assert_eq!((of(&mutes, CHAT), of(&mutes, OTHER)), (None, Some((at(200), 1))));
        mutes.unmute(OTHER);
        assert_eq!(of(&mutes, OTHER), None);
    }

    #[test]
    fn of_two_mutes_of_a_chat_that_moves_the_longer_is_kept() {
        for (until, kept) in [(200, 200), (100, 100), (50, 100)] {
            let mut mutes = muted(until);
            mutes.migrate(CHAT, OTHER);
            assert_eq!((of(&mutes, CHAT), of(&mutes, OTHER)), (None, Some((at(kept), 3))));
        }
        let mut mutes = muted(200);
        mutes.migrate(CHAT, ChatId(3));
        assert_eq!((of(&mutes, ChatId(3)), of(&mutes, OTHER)), (Some((at(100), 2)), Some((at(200), 1))));
    }
}

//! What Telegram said of chats and updates that must outlast a restart: the numbers of groups that
//! became supergroups, and the updates that were acted on.

use super::rows::Rows;
use crate::event::{ChatId, Offset};

/// Updates that are remembered as acted on; past it the oldest is forgotten.
pub const ANSWERED_LIMIT: usize = 256;

/// The chats' part of the state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chats {
    /// Each earlier number with the present one.
    pub(super) migrated: Rows<ChatId, ChatId>,
    /// Numbers of updates, by the place of the event that says so.
    pub(super) answered: Rows<Offset, u32>,
}

impl Chats {
    /// The number that this chat has now.
    pub fn current(&self, chat: ChatId) -> ChatId {
        self.migrated.get(&chat).copied().unwrap_or(chat)
    }

    /// Whether this update from Telegram was acted on, as far as that is remembered.
    pub fn has_answered(&self, update: u32) -> bool {
        self.answered.iter().any(|(_, answered)| *answered == update)
    }

    /// Has `from`, and all that became `from` before, be `to`.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        let earlier = self.migrated.iter().filter(|(_, now)| **now == from).map(|(before, _)| *before);
        let moved: Vec<ChatId> = earlier.chain([from]).filter(|before| *before != to).collect();
        self.migrated.remove(&to);
        for before in moved {
            self.migrated.insert(before, to);
        }
    }

    pub(super) fn answered(&mut self, offset: Offset, update: u32) {
        self.answered.insert(offset, update);
        if self.answered.len() > ANSWERED_LIMIT
            && let Some(oldest) = self.answered.iter().next().map(|(offset, _)| *offset)
        {
            self.answered.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_followed_over_several_migrations() {
        let mut chats = Chats::default();
        let [a, b, c, other] = [-1, -2, -3, -4].map(ChatId);
        chats.migrate(a, b);
        chats.migrate(b, c);
        assert_eq!([a, b, c, other].map(|chat| chats.current(chat)), [c, c, c, other]);
        // Whatever Telegram says, no chat is followed in a circle.
        chats.migrate(c, a);
        assert_eq!([a, b, c].map(|chat| chats.current(chat)), [a, a, a]);
    }

    #[test]
    fn the_oldest_update_is_forgotten() {
        let mut chats = Chats::default();
        let limit = ANSWERED_LIMIT as u32;
        for number in 0..=limit {
            chats.answered(Offset(number.into()), 1000 + number);
        }
        assert!(!chats.has_answered(1000));
        assert!(chats.has_answered(1001) && chats.has_answered(1000 + limit));
        assert_eq!(chats.answered.len(), ANSWERED_LIMIT);
    }
}

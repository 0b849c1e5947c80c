//! Replies that wait because Telegram asked the bot to.
//!
//! Invariants:
//! - The replies of a chat are sent in order: while one waits, later ones queue behind it.
//! - At most [`CHAT_LIMIT`] replies of a chat wait, and [`TOTAL_LIMIT`] in all; further ones are dropped by the caller.
//! - They are in memory only, and their updates are acknowledged: a wait may be an hour, and Telegram sends no further
//!   updates of other chats while a hundred are unacknowledged. A restart loses them; a change that a reply confirms is
//!   on disk.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::event::ChatId;
use teloxide::types::MessageId;

use super::outgoing::Destination;
use crate::chat::Reply;

/// How many replies of one chat wait, and how many in all.
const CHAT_LIMIT: usize = 8;
const TOTAL_LIMIT: usize = 64;

/// A reply that waits.
#[derive(Debug)]
pub(super) struct DelayedReply {
    pub(super) destination: Destination,
    pub(super) reply: Reply,
    /// The message that it replaces.
    pub(super) edits: Option<MessageId>,
}

/// The replies that wait, by chat. A chat is in the map while a task works on its queue.
#[derive(Debug, Clone, Default)]
pub(super) struct DelayedReplies(Arc<Mutex<HashMap<ChatId, VecDeque<Arc<DelayedReply>>>>>);

/// What became of a reply that is to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// It is the chat's first: the caller starts the task that sends the queue.
    First,
    /// It is sent after the others.
    Behind,
    /// Too many wait.
    Full,
}

impl DelayedReplies {
    /// Adds a reply to its chat's queue.
    pub(super) fn push(&self, reply: DelayedReply) -> Queued {
        let mut chats = self.lock();
        let all: usize = chats.values().map(VecDeque::len).sum();
        let chat = reply.destination.chat;
        let is_first = !chats.contains_key(&chat);
        if all >= TOTAL_LIMIT || chats.get(&chat).is_some_and(|queue| queue.len() >= CHAT_LIMIT) {
            return Queued::Full;
        }
        chats.entry(chat).or_default().push_back(Arc::new(reply));
        if is_first { Queued::First } else { Queued::Behind }
    }

    /// Whether replies of this chat wait.
    pub(super) fn are_waiting(&self, chat: ChatId) -> bool {
        self.lock().contains_key(&chat)
    }

    /// The chat's next reply; without one, the chat's queue ends.
    pub(super) fn next(&self, chat: ChatId) -> Option<Arc<DelayedReply>> {
        let mut chats = self.lock();
        let next = chats.get(&chat).and_then(VecDeque::front).cloned();
        if next.is_none() {
            chats.remove(&chat);
        }
        next
    }

    /// Removes the chat's next reply, which was sent or dropped.
    pub(super) fn remove_next(&self, chat: ChatId) {
        if let Some(queue) = self.lock().get_mut(&chat) {
            queue.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChatId, VecDeque<Arc<DelayedReply>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    fn reply(chat: i64, text: &str) -> DelayedReply {
        DelayedReply { destination: ChatId(chat).into(), reply: Text::plain(text).into(), edits: None }
    }

    #[test]
    fn a_chat_has_one_queue_in_order() {
        let delayed = DelayedReplies::default();
        assert_eq!(delayed.push(reply(1, "a")), Queued::First);
        assert_eq!(delayed.push(reply(1, "b")), Queued::Behind);
        assert_eq!(delayed.push(reply(2, "c")), Queued::First);
        let mut texts = Vec::new();
        while let Some(next) = delayed.next(ChatId(1)) {
            texts.push(next.reply.text.to_string());
            delayed.remove_next(ChatId(1));
        }
        assert_eq!(texts, ["a", "b"]);
        assert!(!delayed.are_waiting(ChatId(1)) && delayed.are_waiting(ChatId(2)));
    }

    #[test]
    fn both_numbers_are_bounded() {
        let delayed = DelayedReplies::default();
        for _ in 0..CHAT_LIMIT {
            assert_ne!(delayed.push(reply(0, "")), Queued::Full);
        }
        assert_eq!(delayed.push(reply(0, "")), Queued::Full);
        for chat in CHAT_LIMIT..TOTAL_LIMIT {
            assert_eq!(delayed.push(reply(chat as i64, "")), Queued::First);
        }
        assert_eq!(delayed.push(reply(1000, "")), Queued::Full);
        assert!(!delayed.are_waiting(ChatId(1000)));
    }
}

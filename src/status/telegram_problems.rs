//! What keeps the bot from its work in Telegram until somebody helps, as the status shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use store::event::{ChatId, Timestamp};
use store::state::{Block, State};

/// The longest reason that is kept, in characters.
const REASON_LENGTH: usize = 200;

/// What keeps the bot from its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum TelegramProblem {
    /// A chat refuses alerts for a reason that an admin, or Telegram itself, may undo. They wait.
    ChatRefuses {
        /// The chat.
        chat: ChatId,
        /// Since when.
        since: Timestamp,
        /// Telegram's reason.
        reason: String,
    },
    /// A chat blocked or removed the bot, or is gone. Its alerts are dropped.
    ChatBlocks {
        /// The chat.
        chat: ChatId,
        /// Since when the bot knows.
        since: Timestamp,
        /// How it learned of it.
        reason: String,
    },
}

/// The chats that blocked the bot.
pub(super) fn blocking(state: &State) -> Vec<TelegramProblem> {
    let blocks = state.chats().blocked().map(|(chat, block)| {
        let Block { since, reason } = block.clone();
        TelegramProblem::ChatBlocks { chat, since, reason }
    });
    blocks.collect()
}

/// The problems that last. Clones share them. There is at most one entry for each served chat.
#[derive(Debug, Clone, Default)]
pub struct TelegramProblems(Arc<Mutex<Problems>>);

#[derive(Debug, Default)]
struct Problems {
    refusing: BTreeMap<ChatId, (Instant, String)>,
}

impl TelegramProblems {
    /// Records that a chat refuses alerts for this reason.
    pub fn record_refusal(&self, chat: ChatId, reason: &str) {
        let reason: String = reason.chars().take(REASON_LENGTH).collect();
        let mut problems = self.lock();
        let since = problems.refusing.get(&chat).map_or_else(Instant::now, |(since, _)| *since);
        problems.refusing.insert(chat, (since, reason));
    }

    /// Records that a chat accepts messages, or is to get none. Returns whether it refused them.
    pub fn clear_refusal(&self, chat: ChatId) -> bool {
        self.lock().refusing.remove(&chat).is_some()
    }

    /// Why the chat refuses alerts, if it does.
    pub fn refusal(&self, chat: ChatId) -> Option<String> {
        self.lock().refusing.get(&chat).map(|(_, reason)| reason.clone())
    }

    /// Whether the chat refused the latest alert.
    pub fn is_refusing(&self, chat: ChatId) -> bool {
        self.lock().refusing.contains_key(&chat)
    }

    /// The chats that refuse alerts at `now`.
    pub fn refusing(&self, now: Timestamp) -> Vec<TelegramProblem> {
        let shown = |(chat, (since, reason)): (&ChatId, &(Instant, String))| TelegramProblem::ChatRefuses {
            chat: *chat,
            since: now.saturating_sub(since.elapsed()),
            reason: reason.clone(),
        };
        self.lock().refusing.iter().map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Problems> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

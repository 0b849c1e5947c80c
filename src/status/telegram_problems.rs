//! What keeps the bot from its work in Telegram until somebody helps, as the status shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// The bot gets no updates, or only some: another program uses its token.
    UpdateConflict {
        /// How.
        by: UpdateConflict,
        /// Since when.
        since: Timestamp,
        /// How often Telegram said so.
        times: u32,
    },
}

/// Who gets updates in place of the bot, which polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateConflict {
    /// A webhook, which another program set. The bot deletes it.
    Webhook,
    /// Another program that polls.
    OtherPoller,
}

/// For how long a conflict counts after Telegram last spoke of it.
const CONFLICT_LIFETIME: Duration = Duration::from_secs(600);

/// How often Telegram must speak of a conflict before it is reported to the chats: one may be left from a restart.
const REPORTED_CONFLICTS: u32 = 3;

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
    conflict: Option<Conflict>,
}

#[derive(Debug, Clone, Copy)]
struct Conflict {
    by: UpdateConflict,
    since: Instant,
    last: Instant,
    times: u32,
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

    /// Records that Telegram gives updates elsewhere.
    pub fn record_conflict(&self, by: UpdateConflict, at: Instant) {
        let mut problems = self.lock();
        let before =
            problems.conflict.filter(|before| at.saturating_duration_since(before.last) < CONFLICT_LIFETIME);
        problems.conflict = Some(match before {
            Some(before) => Conflict { by, last: at, times: before.times.saturating_add(1), ..before },
            None => Conflict { by, since: at, last: at, times: 1 },
        });
    }

    /// The conflict about updates that lasts and came more than once or twice, if there is one.
    pub fn reported_conflict(&self, at: Instant) -> Option<UpdateConflict> {
        self.conflict(at).filter(|conflict| conflict.times >= REPORTED_CONFLICTS).map(|conflict| conflict.by)
    }

    fn conflict(&self, at: Instant) -> Option<Conflict> {
        self.lock()
            .conflict
            .filter(|conflict| at.saturating_duration_since(conflict.last) < CONFLICT_LIFETIME)
    }

    /// The problems of this run at `now`.
    pub fn current(&self, now: Timestamp) -> Vec<TelegramProblem> {
        let conflict = self.conflict(Instant::now()).map(|conflict| TelegramProblem::UpdateConflict {
            by: conflict.by,
            since: now.saturating_sub(conflict.since.elapsed()),
            times: conflict.times,
        });
        self.refusing(now).into_iter().chain(conflict).collect()
    }

    /// The chats that refuse alerts at `now`.
    fn refusing(&self, now: Timestamp) -> Vec<TelegramProblem> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_lasts_while_telegram_speaks_of_it() {
        let (problems, start) = (TelegramProblems::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        problems.record_conflict(UpdateConflict::OtherPoller, start);
        problems.record_conflict(UpdateConflict::Webhook, at(300));
        assert_eq!(problems.reported_conflict(at(300)), None);
        problems.record_conflict(UpdateConflict::Webhook, at(800));
        assert_eq!(problems.reported_conflict(at(1399)), Some(UpdateConflict::Webhook));
        assert_eq!(problems.reported_conflict(at(1400)), None);
        problems.record_conflict(UpdateConflict::Webhook, at(1400));
        assert_eq!(problems.reported_conflict(at(1400)), None, "it is a new one");
    }
}

//! Questions for a name in private chats, which the next plain text answers: Telegram leaves out at times that a
//! message is a reply.
//!
//! Invariants:
//! - A question is answered once, by the chat's next text, within [`LIFETIME`] and only if it was asked last.
//! - At most [`LIMIT`] questions are kept; beyond that the oldest is forgotten. A restart forgets all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::event::ChatId;

/// How long a question may be answered without a reply to it.
const LIFETIME: Duration = Duration::from_secs(300);

/// How many chats' questions are kept.
const LIMIT: usize = 256;

/// The latest question of each private chat.
#[derive(Debug, Default)]
pub(super) struct PendingQuestions(Mutex<HashMap<ChatId, (Instant, String)>>);

impl PendingQuestions {
    /// Records that the bot asks the chat this.
    pub(super) fn ask(&self, chat: ChatId, question: String, now: Instant) {
        let mut questions = self.lock();
        questions.retain(|_, (asked, _)| now.saturating_duration_since(*asked) < LIFETIME);
        if questions.len() >= LIMIT
            && let Some(oldest) = questions.iter().min_by_key(|(_, (asked, _))| *asked).map(|(chat, _)| *chat)
        {
            questions.remove(&oldest);
        }
        questions.insert(chat, (now, question));
    }

    /// Ends the chat's question, and returns it if it may still be answered.
    pub(super) fn take(&self, chat: ChatId, now: Instant) -> Option<String> {
        let (asked, question) = self.lock().remove(&chat)?;
        (now.saturating_duration_since(asked) < LIFETIME).then_some(question)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ChatId, (Instant, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once_and_in_time() {
        let (questions, start) = (PendingQuestions::default(), Instant::now());
        let ask = |chat: i64, text: &str| questions.ask(ChatId(chat), text.to_owned(), start);
        let take = |chat: i64, seconds| questions.take(ChatId(chat), start + Duration::from_secs(seconds));
        ask(1, "one");
        ask(1, "two");
        assert_eq!((take(1, 299).as_deref(), take(1, 299)), (Some("two"), None));
        ask(1, "three");
        assert_eq!(take(1, 300), None);
    }

    #[test]
    fn few_questions_are_kept() {
        let (questions, start) = (PendingQuestions::default(), Instant::now());
        for chat in 0..300_u64 {
            questions.ask(ChatId(chat as i64), String::new(), start + Duration::from_millis(chat));
        }
        assert_eq!(questions.lock().len(), LIMIT);
        assert_eq!(questions.take(ChatId(0), start), None);
        assert!(questions.take(ChatId(299), start).is_some());
    }
}

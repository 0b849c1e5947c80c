//! A rate limiter per chat and for all chats together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::event::ChatId;

/// Allows one action per chat and at most `limit` actions in all, within any `interval`.
#[derive(Debug)]
pub(super) struct RateLimiter {
    interval: Duration,
    limit: usize,
    /// The chats that acted within the last interval, and when.
    recent: Mutex<HashMap<ChatId, Instant>>,
}

impl RateLimiter {
    pub(super) fn new(interval: Duration, limit: usize) -> Self {
        Self { interval, limit, recent: Mutex::default() }
    }

    /// Counts an action of this chat at `now` and returns true, or returns false if the limit is reached.
    pub(super) fn try_acquire(&self, chat: ChatId, now: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, last| now.saturating_duration_since(*last) < self.interval);
        let is_allowed = recent.len() < self.limit && !recent.contains_key(&chat);
        if is_allowed {
            recent.insert(chat, now);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_each_chat_once_and_all_chats_up_to_the_limit() {
        let limiter = RateLimiter::new(Duration::from_secs(3600), 3);
        let start = Instant::now();
        let try_acquire = |chat: i64, minutes: u64| {
            limiter.try_acquire(ChatId(chat), start + Duration::from_secs(60 * minutes))
        };
        assert_eq!(
            [try_acquire(1, 0), try_acquire(1, 1), try_acquire(2, 1), try_acquire(3, 2), try_acquire(4, 3)],
            [true, false, true, true, false]
        );
        assert_eq!(
            [try_acquire(1, 59), try_acquire(1, 60), try_acquire(4, 60), try_acquire(4, 61)],
            [false, true, false, true]
        );
    }
}

//! What may happen once in a while for each chat, and so often for all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::event::ChatId;

/// Counts what happened lately.
#[derive(Debug)]
pub(super) struct RateLimiter {
    interval: Duration,
    most: usize,
    lately: Mutex<HashMap<ChatId, Instant>>,
}

impl RateLimiter {
    /// For each chat once in this time, and for all of them `most` times.
    pub(super) fn new(interval: Duration, most: usize) -> Self {
        Self { interval, most, lately: Mutex::default() }
    }

    /// Whether it may happen at `now` for this chat, which is counted.
    pub(super) fn try_acquire(&self, chat: ChatId, now: Instant) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, last| now.saturating_duration_since(*last) < self.interval);
        let may = lately.len() < self.most && !lately.contains_key(&chat);
        if may {
            lately.insert(chat, now);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_for_each_and_not_more_than_so_many() {
        let hour = Duration::from_secs(3600);
        let limiter = RateLimiter::new(hour, 3);
        let start = Instant::now();
        let may = |chat: i64, minutes: u64| {
            limiter.try_acquire(ChatId(chat), start + Duration::from_secs(60 * minutes))
        };
        assert_eq!([may(1, 0), may(1, 1), may(2, 1), may(3, 2), may(4, 3)], [true, false, true, true, false]);
        assert_eq!([may(1, 59), may(1, 60), may(4, 60), may(4, 61)], [false, true, false, true]);
    }
}

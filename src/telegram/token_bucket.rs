//! Token buckets that keep messages within Telegram's limits (Bot FAQ, "My bot is hitting limits"): about 30 messages
//! a second per bot, 20 a minute per group, and one a second per private chat.
//!
//! Invariants:
//! - In any stretch of time, no more messages go out than a bucket has tokens plus those refilled meanwhile.
//! - Replies and alerts draw on separate buckets for the bot's limit, so neither delays the other.
//! - In a group, replies and alerts share one bucket; alerts leave [`RESERVED_FOR_REPLIES`] tokens. In a private chat
//!   only alerts are counted: there are as many replies as the person sends messages.
//! - Drafts, which show the progress of a reply, leave [`RESERVED_FROM_DRAFTS`] tokens of all replies.
//! - Of each bucket, alerts about devices that are not known leave tokens for those about known ones.
//! - Nothing here reads a clock; callers pass the time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use store::event::ChatId;

use super::delivery_schedule::Devices;

/// The size of a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// Tokens in a full bucket: messages that may go out at once.
    pub(super) capacity: u32,
    /// The time in which one token is refilled.
    pub(super) refill: Duration,
}

/// All replies: at most 17 within a second, the capacity of 4 and 1 s / 80 ms = 12.5 refilled, rounded up.
const REPLIES: Limit = Limit { capacity: 4, refill: Duration::from_millis(80) };

/// All alerts: at most 13 within a second, the capacity of 3 and 1 s / 100 ms = 10 refilled.
const ALERTS: Limit = Limit { capacity: 3, refill: Duration::from_millis(100) };

/// One group: at most 20 within a minute, the capacity of 5 and 60 s / 4 s = 15 refilled.
const GROUP: Limit = Limit { capacity: 5, refill: Duration::from_secs(4) };

/// Tokens of a group that alerts leave.
const RESERVED_FOR_REPLIES: u32 = 2;

/// Tokens of all replies that drafts leave.
const RESERVED_FROM_DRAFTS: u32 = 2;

/// Tokens of each bucket that alerts about other devices leave for those about known ones.
const RESERVED_FOR_KNOWN: u32 = 1;

/// One private chat: one a second after a burst.
const PRIVATE: Limit = Limit { capacity: 20, refill: Duration::from_secs(1) };

/// The longest delay of a message that must go out soon or not at all.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Buckets of chats that are kept; more only while they are not full.
const CHAT_LIMIT: usize = 256;

/// The tokens of one limit. Tokens may be taken in advance; then the bucket is in debt.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenBucket {
    limit: Limit,
    /// When the bucket will be full; each token taken moves it back.
    full_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn new(limit: Limit, now: Instant) -> Self {
        Self { limit, full_at: now }
    }

    /// When a token is available besides `reserved` others.
    fn available_at(&self, reserved: u32, now: Instant) -> Instant {
        let spare = self.limit.refill * self.limit.capacity.saturating_sub(reserved + 1);
        self.full_at.checked_sub(spare).map_or(now, |at| at.max(now))
    }

    fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.limit.refill;
    }

    /// Takes a token if there is one.
    pub(super) fn try_take(&mut self, now: Instant) -> bool {
        let is_there = self.available_at(0, now) <= now;
        if is_there {
            self.take(now);
        }
        is_there
    }

    /// Whether it is as full as a new one.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// The buckets of all replies, all alerts, and each chat.
#[derive(Debug)]
pub(super) struct SendLimiter {
    replies: TokenBucket,
    alerts: TokenBucket,
    chats: HashMap<ChatId, TokenBucket>,
}

impl SendLimiter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            replies: TokenBucket::new(REPLIES, now),
            alerts: TokenBucket::new(ALERTS, now),
            chats: HashMap::new(),
        }
    }

    /// Takes a token of the chat for a reply, and returns when it is available.
    pub(super) fn reserve_in_chat(&mut self, chat: ChatId, now: Instant) -> Instant {
        if !is_group(chat) {
            return now;
        }
        let bucket = self.chat_bucket(chat, now);
        let available_at = bucket.available_at(0, now);
        bucket.take(now);
        available_at
    }

    /// Takes a token of all replies, and returns when it is available. Call it once the chat's token is available,
    /// so that a chat that must wait does not delay the others.
    pub(super) fn reserve_reply(&mut self, now: Instant) -> Instant {
        let available_at = self.replies.available_at(0, now);
        self.replies.take(now);
        available_at
    }

    /// Takes both tokens for a reply if they are available within [`MAX_DELAY`], and returns when.
    pub(super) fn try_reserve_soon(&mut self, chat: ChatId, now: Instant) -> Option<Instant> {
        let in_chat = if is_group(chat) { self.chat_bucket(chat, now).available_at(0, now) } else { now };
        let available_at = self.replies.available_at(0, now).max(in_chat);
        if available_at > now + MAX_DELAY {
            return None;
        }
        self.reserve_in_chat(chat, now);
        self.reserve_reply(now);
        Some(available_at)
    }

    /// Takes a token for a draft in a private chat if no reply needs it; otherwise returns false.
    pub(super) fn try_take_for_draft(&mut self, now: Instant) -> bool {
        let is_spare = self.replies.available_at(RESERVED_FROM_DRAFTS, now) <= now;
        if is_spare {
            self.replies.take(now);
        }
        is_spare
    }

    /// Takes both tokens for an alert that goes out at once: about known devices, or others.
    ///
    /// # Errors
    /// When to try again, if a token is missing.
    pub(super) fn try_take_for_alert(
        &mut self,
        chat: ChatId,
        devices: Devices,
        now: Instant,
    ) -> Result<(), Instant> {
        let for_replies = if is_group(chat) { RESERVED_FOR_REPLIES } else { 0 };
        let for_known = match devices {
            Devices::Known => 0,
            Devices::Others => RESERVED_FOR_KNOWN,
        };
        let of_all = self.alerts.available_at(for_known, now);
        let bucket = self.chat_bucket(chat, now);
        let available_at = of_all.max(bucket.available_at(for_replies + for_known, now));
        if available_at > now {
            return Err(available_at);
        }
        bucket.take(now);
        self.alerts.take(now);
        Ok(())
    }

    /// The bucket of a chat. Past [`CHAT_LIMIT`], full buckets are dropped: new ones are full too.
    fn chat_bucket(&mut self, chat: ChatId, now: Instant) -> &mut TokenBucket {
        if self.chats.len() >= CHAT_LIMIT {
            self.chats.retain(|known, bucket| *known == chat || bucket.full_at > now);
        }
        let limit = if is_group(chat) { GROUP } else { PRIVATE };
        self.chats.entry(chat).or_insert_with(|| TokenBucket::new(limit, now))
    }
}

/// Whether the chat is a group, supergroup or channel: their IDs are negative.
fn is_group(chat: ChatId) -> bool {
    chat.0 < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: ChatId = ChatId(1001);
    const SOME_GROUP: ChatId = ChatId(-100_200);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// The times at which `count` alerts for `chat` are sent, one after another.
    fn alerts(limiter: &mut SendLimiter, chat: ChatId, count: usize, mut now: Instant) -> Vec<Instant> {
        let next = || {
            while let Err(from) = limiter.try_take_for_alert(chat, Devices::Known, now) {
                assert!(from > now, "it moves forward");
                now = from;
            }
            now
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// The largest number of messages sent within any interval of this length.
    fn most_in(span: Duration, times: &[Instant]) -> usize {
        let within = |from: &Instant| times.iter().filter(|at| **at >= *from && **at < *from + span).count();
        times.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn alerts_to_a_person_are_sent_once_a_second_after_a_burst() {
        let start = Instant::now();
        let times = alerts(&mut SendLimiter::new(start), PERSON, 500, start);
        assert!(times.is_sorted());
        assert_eq!(most_in(SECOND, &times[50..]), 1);
        assert!(most_in(MINUTE, &times) <= 80);
        assert_eq!(times[499] - start, SECOND * 480);
    }

    #[test]
    fn alerts_about_other_devices_leave_a_token_for_known_ones() {
        for chat in [PERSON, SOME_GROUP] {
            let start = Instant::now();
            let mut limiter = SendLimiter::new(start);
            let mut now = start;
            for _ in 0..50 {
                while let Err(from) = limiter.try_take_for_alert(chat, Devices::Others, now) {
                    now = from;
                }
            }
            assert_eq!(limiter.try_take_for_alert(chat, Devices::Known, now), Ok(()));
            assert!(limiter.try_take_for_alert(chat, Devices::Known, now).is_err());
        }
    }

    #[test]
    fn a_group_gets_at_most_twenty_messages_a_minute_including_replies() {
        let start = Instant::now();
        let mut limiter = SendLimiter::new(start);
        let mut now = start;
        let mut times = Vec::new();
        // Someone sends a request now and then while five hundred alerts wait.
        for number in 1..=500 {
            times.extend(alerts(&mut limiter, SOME_GROUP, 1, now));
            now = *times.last().unwrap();
            if number % 3 == 0 {
                let reply = limiter.reserve_in_chat(SOME_GROUP, now);
                assert_eq!(reply, now, "alerts leave a token for it");
                assert_eq!(limiter.reserve_reply(now), now);
                times.push(reply);
            }
        }
        times.sort();
        assert!(most_in(MINUTE, &times) <= 20, "{}", most_in(MINUTE, &times));
        assert!(most_in(MINUTE, &times) >= 15);
    }

    #[test]
    fn replies_to_a_busy_group_wait_and_delay_no_other_chat() {
        let start = Instant::now();
        let mut limiter = SendLimiter::new(start);
        let times: Vec<Instant> = (0..100).map(|_| limiter.reserve_in_chat(SOME_GROUP, start)).collect();
        assert!(times.is_sorted());
        assert!(most_in(MINUTE, &times) <= 20);
        assert_eq!(times[4], start);
        assert_eq!(limiter.reserve_in_chat(PERSON, start), start, "other chats do not wait");
        assert_eq!(limiter.reserve_reply(start), start);
    }

    #[test]
    fn try_reserve_soon_delays_at_most_a_second() {
        let start = Instant::now();
        let mut limiter = SendLimiter::new(start);
        let times: Vec<Instant> =
            (0..20).filter_map(|_| limiter.try_reserve_soon(SOME_GROUP, start)).collect();
        assert_eq!(times.len(), 5);
        assert!(times.iter().all(|time| *time <= start + SECOND));
        let person: Vec<Instant> = (0..100).filter_map(|_| limiter.try_reserve_soon(PERSON, start)).collect();
        assert!((8..=17).contains(&person.len()), "{}", person.len());
        assert!(person.is_sorted() && person.iter().all(|time| *time <= start + SECOND));
        assert_eq!(limiter.try_reserve_soon(SOME_GROUP, start), None, "a refused reply takes no token");
        assert!(limiter.try_reserve_soon(SOME_GROUP, start + SECOND * 8).is_some());
    }

    #[test]
    fn drafts_delay_no_reply() {
        let start = Instant::now();
        let mut limiter = SendLimiter::new(start);
        for at in (0..1000).map(|step| start + Duration::from_millis(20) * step) {
            while limiter.try_take_for_draft(at) {}
            if (at - start).as_millis().is_multiple_of(200) {
                assert_eq!([limiter.reserve_reply(at), limiter.reserve_reply(at)], [at, at]);
            }
        }
        let taken = std::iter::repeat_with(|| limiter.try_take_for_draft(start + MINUTE));
        assert_eq!(taken.take_while(|is_taken| *is_taken).count(), 2);
    }

    #[test]
    fn all_chats_together_get_at_most_thirty_messages_a_second() {
        let start = Instant::now();
        let mut limiter = SendLimiter::new(start);
        let mut now = start;
        let mut times: Vec<Instant> = (0..400).map(|_| limiter.reserve_reply(start)).collect();
        for number in 0..300 {
            times.extend(alerts(&mut limiter, ChatId(1 + number % 50), 1, now));
            now = *times.last().unwrap();
        }
        assert!(now - start <= SECOND * 30, "replies do not delay alerts");
        times.sort();
        assert!(most_in(SECOND, &times) <= 30, "{}", most_in(SECOND, &times));
        assert!(most_in(SECOND, &times) >= 20);
    }
}

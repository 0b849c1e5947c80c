//! How fast messages may go out: Telegram takes about 30 a second from a bot, 20 a minute for a group, and
//! about one a second for a private chat.
//!
//! Each limit is a bucket of places that come back one by one, so that in any stretch of time no more go
//! out than it has places and get back meanwhile. What a bot may send in a second is divided between replies
//! and alerts, so that neither waits for the other. A group's replies and alerts share its places, of which
//! alerts leave some free. In a private chat only alerts are counted: of replies there are as many as the
//! person writes messages.
//!
//! Nothing here reads a clock: whoever asks says what time it is.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::event::ChatId;

/// What one limit allows.
#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Messages that may go out at once.
    places: u32,
    /// The time in which one place comes back.
    refill: Duration,
}

/// At most 17 in a second.
const REPLIES: Limit = Limit { places: 4, refill: Duration::from_millis(80) };

/// At most 13 in a second.
const ALERTS: Limit = Limit { places: 3, refill: Duration::from_millis(100) };

/// At most 20 in a minute.
const GROUP: Limit = Limit { places: 5, refill: Duration::from_secs(4) };

/// Places of a group's that alerts leave free.
const KEPT_FOR_REPLIES: u32 = 2;

const PRIVATE: Limit = Limit { places: 20, refill: Duration::from_secs(1) };

/// How long a reply waits for its places that others wait behind.
const SOON: Duration = Duration::from_secs(1);

/// Chats that are remembered, and more only while they have taken places.
const CHATS: usize = 256;

/// The places of one limit.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: Limit,
    /// When all places will be free; each that is taken moves it on.
    full_from: Instant,
}

impl Bucket {
    fn new(limit: Limit, now: Instant) -> Self {
        Self { limit, full_from: now }
    }

    /// When a place is free besides `kept` others.
    fn free_from(&self, kept: u32, now: Instant) -> Instant {
        let early = self.limit.refill * self.limit.places.saturating_sub(kept + 1);
        self.full_from.checked_sub(early).map_or(now, |from| from.max(now))
    }

    fn take(&mut self, now: Instant) {
        self.full_from = self.full_from.max(now) + self.limit.refill;
    }
}

/// The places that are left, for all chats and for each.
#[derive(Debug)]
pub(super) struct SendLimiter {
    replies: Bucket,
    alerts: Bucket,
    chats: HashMap<ChatId, Bucket>,
}

impl SendLimiter {
    pub(super) fn new(now: Instant) -> Self {
        Self { replies: Bucket::new(REPLIES, now), alerts: Bucket::new(ALERTS, now), chats: HashMap::new() }
    }

    /// Takes a place of the chat's for a reply, and returns when it is free.
    pub(super) fn take_in_chat(&mut self, chat: ChatId, now: Instant) -> Instant {
        if !is_group(chat) {
            return now;
        }
        let bucket = self.bucket(chat, now);
        let from = bucket.free_from(0, now);
        bucket.take(now);
        from
    }

    /// Takes the places for a reply, if they are free within a second, and returns when they are.
    pub(super) fn take_soon(&mut self, chat: ChatId, now: Instant) -> Option<Instant> {
        let in_chat = if is_group(chat) { self.bucket(chat, now).free_from(0, now) } else { now };
        let from = self.replies.free_from(0, now).max(in_chat);
        if from > now + SOON {
            return None;
        }
        self.take_in_chat(chat, now);
        self.take_among_replies(now);
        Some(from)
    }

    /// Takes a place among all replies, and returns when it is free. To be called once the chat's is, so
    /// that a chat that must wait does not hold up the others.
    pub(super) fn take_among_replies(&mut self, now: Instant) -> Instant {
        let from = self.replies.free_from(0, now);
        self.replies.take(now);
        from
    }

    /// Takes a place for an alert, which goes out at once.
    ///
    /// # Errors
    /// Where there is none, the moment at which to ask again.
    pub(super) fn take_for_alert(&mut self, chat: ChatId, now: Instant) -> Result<(), Instant> {
        let all_from = self.alerts.free_from(0, now);
        let kept = if is_group(chat) { KEPT_FOR_REPLIES } else { 0 };
        let bucket = self.bucket(chat, now);
        let from = all_from.max(bucket.free_from(kept, now));
        if from > now {
            return Err(from);
        }
        bucket.take(now);
        self.alerts.take(now);
        Ok(())
    }

    /// The bucket of a chat. Where there are many, those go that are full, as new ones are.
    fn bucket(&mut self, chat: ChatId, now: Instant) -> &mut Bucket {
        if self.chats.len() >= CHATS {
            self.chats.retain(|known, bucket| *known == chat || bucket.full_from > now);
        }
        let limit = if is_group(chat) { GROUP } else { PRIVATE };
        self.chats.entry(chat).or_insert_with(|| Bucket::new(limit, now))
    }
}

/// Telegram's numbers of groups, supergroups and channels are negative.
fn is_group(chat: ChatId) -> bool {
    chat.0 < 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: ChatId = ChatId(1001);
    const A_GROUP: ChatId = ChatId(-100_200);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// When each of `count` alerts for `chat` goes out, one after the other.
    fn alerts(pacing: &mut SendLimiter, chat: ChatId, count: usize, mut now: Instant) -> Vec<Instant> {
        let next = || {
            while let Err(from) = pacing.take_for_alert(chat, now) {
                assert!(from > now, "time goes on");
                now = from;
            }
            now
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    /// The most messages that went out in any stretch of this length.
    fn most_in(span: Duration, times: &[Instant]) -> usize {
        let within = |from: &Instant| times.iter().filter(|at| **at >= *from && **at < *from + span).count();
        times.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn five_hundred_alerts_for_a_person_take_their_time_after_a_small_burst() {
        let start = Instant::now();
        let times = alerts(&mut SendLimiter::new(start), PERSON, 500, start);
        assert!(times.is_sorted());
        assert_eq!(most_in(SECOND, &times[50..]), 1);
        assert!(most_in(MINUTE, &times) <= 80);
        assert_eq!(times[499] - start, SECOND * 480);
    }

    #[test]
    fn a_group_gets_no_more_than_twenty_messages_a_minute_with_its_replies() {
        let start = Instant::now();
        let mut pacing = SendLimiter::new(start);
        let mut now = start;
        let mut times = Vec::new();
        // Someone asks now and then while five hundred alerts wait.
        for number in 1..=500 {
            times.extend(alerts(&mut pacing, A_GROUP, 1, now));
            now = *times.last().unwrap();
            if number % 3 == 0 {
                let reply = pacing.take_in_chat(A_GROUP, now);
                assert_eq!(reply, now, "alerts leave a place for it");
                assert_eq!(pacing.take_among_replies(now), now);
                times.push(reply);
            }
        }
        times.sort();
        assert!(most_in(MINUTE, &times) <= 20, "{}", most_in(MINUTE, &times));
        assert!(most_in(MINUTE, &times) >= 15);
    }

    #[test]
    fn replies_to_a_group_that_asks_too_much_wait_their_turn() {
        let start = Instant::now();
        let mut pacing = SendLimiter::new(start);
        let times: Vec<Instant> = (0..100).map(|_| pacing.take_in_chat(A_GROUP, start)).collect();
        assert!(times.is_sorted());
        assert!(most_in(MINUTE, &times) <= 20);
        assert_eq!(times[4], start);
        assert_eq!(pacing.take_in_chat(PERSON, start), start, "others do not");
        assert_eq!(pacing.take_among_replies(start), start);
    }

    #[test]
    fn a_reply_that_others_wait_behind_goes_out_soon_or_not_at_all() {
        let start = Instant::now();
        let mut pacing = SendLimiter::new(start);
        let times: Vec<Instant> = (0..20).filter_map(|_| pacing.take_soon(A_GROUP, start)).collect();
        assert_eq!(times.len(), 5);
        assert!(times.iter().all(|time| *time <= start + SECOND));
        let person: Vec<Instant> = (0..100).filter_map(|_| pacing.take_soon(PERSON, start)).collect();
        assert!((8..=17).contains(&person.len()), "{}", person.len());
        assert!(person.is_sorted() && person.iter().all(|time| *time <= start + SECOND));
        assert_eq!(pacing.take_soon(A_GROUP, start), None, "what was not taken waits for nothing");
        assert!(pacing.take_soon(A_GROUP, start + SECOND * 8).is_some());
    }

    #[test]
    fn all_chats_together_get_less_than_thirty_messages_a_second() {
        let start = Instant::now();
        let mut pacing = SendLimiter::new(start);
        let mut now = start;
        let mut times: Vec<Instant> = (0..400).map(|_| pacing.take_among_replies(start)).collect();
        for number in 0..300 {
            times.extend(alerts(&mut pacing, ChatId(1 + number % 50), 1, now));
            now = *times.last().unwrap();
        }
        assert!(now - start <= SECOND * 30, "however much is asked, alerts go out");
        times.sort();
        assert!(most_in(SECOND, &times) <= 30, "{}", most_in(SECOND, &times));
        assert!(most_in(SECOND, &times) >= 20);
    }
}

//! Answers inline queries: `@bot kitchen`, typed in any chat, offers the cards of devices (Bot API, "Inline mode").
//!
//! Invariants:
//! - Only a person whose private chat with the bot has access gets cards. All others get an empty answer, like somebody
//!   who has access and whose query matches nothing; a few of them in each minute, the others none.
//! - No query waits behind another update, and an answer that takes long is given up: Telegram accepts none later.
//! - Cards have no buttons, which would act in chats that may have no access.
//! - An answer has at most [`CARDS`] cards and [`CONTENT_LIMIT`] bytes of content.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::IgnoredAny;
use store::event::ChatId;
use teloxide::requests::Payload;
use teloxide::types::True;
use tracing::debug;

use super::api::Api;
use super::outgoing::InlineContent;
use super::rate_limiter::RateLimiter;
use super::server_features::{MessageForm, send_in_accepted_form};
use super::token_bucket::{Limit, TokenBucket};
use super::update::InlineQuery;
use crate::chat::{Chat, InlineCard};
use crate::text::TimeMarkup;

/// The most cards in an answer (Bot API, `answerInlineQuery`: 50 results).
const CARDS: usize = 20;

/// The most bytes of all cards; further ones are left out.
const CONTENT_LIMIT: usize = 96 << 10;

/// The longest query that is read, in characters (Bot API, `InlineQuery`).
const QUERY_LENGTH: usize = 256;

/// How long Telegram may offer the same answer to the same person, in seconds. Ages and signals change.
const CACHE_SECONDS: u32 = 5;

/// As [`CACHE_SECONDS`], of the empty answer to somebody without access.
const STRANGER_CACHE_SECONDS: u32 = 300;

/// How long it may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The queries of one person that are answered. A client sends one whenever the person pauses while typing.
const PERSON: Limit = Limit { capacity: 10, refill: Duration::from_millis(400) };

/// Persons whose queries are counted; more only while they go on.
const PERSON_LIMIT: usize = 256;

/// Of those without access, each gets an answer at most once per `STRANGER_INTERVAL`, and at most `STRANGER_LIMIT` of
/// them in each.
const STRANGER_INTERVAL: Duration = Duration::from_secs(60);
const STRANGER_LIMIT: usize = 20;

/// Answers inline queries, within limits.
#[derive(Debug)]
pub(super) struct InlineQueries {
    persons: Mutex<HashMap<ChatId, TokenBucket>>,
    strangers: RateLimiter,
}

/// The request (Bot API, `answerInlineQuery`).
#[derive(Debug, Serialize)]
struct AnswerInlineQuery<'a> {
    inline_query_id: &'a str,
    results: Vec<Article<'a>>,
    cache_time: u32,
    /// Nobody else gets this answer from Telegram's cache.
    is_personal: bool,
}

impl Payload for AnswerInlineQuery<'_> {
    type Output = True;

    const NAME: &'static str = "AnswerInlineQuery";
}

/// A card (Bot API, `InlineQueryResultArticle`).
#[derive(Debug, Serialize)]
struct Article<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    title: &'a str,
    description: &'a str,
    input_message_content: InlineContent,
}

impl Default for InlineQueries {
    fn default() -> Self {
        Self { persons: Mutex::default(), strangers: RateLimiter::new(STRANGER_INTERVAL, STRANGER_LIMIT) }
    }
}

impl InlineQueries {
    /// Answers a query from `chat`. `has_access` says whether the person's private chat has access, `times` how times are
    /// written.
    pub(super) async fn answer(
        &self,
        query: &InlineQuery,
        has_access: bool,
        chat: &Chat,
        (api, times): (&Api, TimeMarkup),
    ) {
        let now = Instant::now();
        let person = ChatId(query.from.id);
        let (cards, cache_time) = match has_access {
            true if self.admits(person, now) => {
                let wanted: String = query.query.chars().take(QUERY_LENGTH).collect();
                (chat.inline_cards(&wanted, CARDS), CACHE_SECONDS)
            }
            false if self.strangers.try_acquire(person, now) => (Vec::new(), STRANGER_CACHE_SECONDS),
            _ => return debug!(%person, has_access, "an inline query beyond the limit gets no answer"),
        };
        let is_rich = cards.iter().any(|card| card.card.document.is_some());
        let request = |form| {
            let request = AnswerInlineQuery {
                inline_query_id: &query.id,
                results: articles(&cards, form),
                cache_time,
                is_personal: true,
            };
            async move { api.request_as(&request).await.map(|IgnoredAny| ()) }
        };
        let answered = send_in_accepted_form(api.features(), times, is_rich, request);
        match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(())) => {}
            // Telegram accepts an answer only for some seconds.
            Ok(Err(error)) => debug!(%person, %error, "could not answer an inline query"),
            Err(_) => debug!(%person, "an inline query was not answered in time"),
        }
    }

    /// Counts a query of this person, and returns whether it is within the limit.
    fn admits(&self, person: ChatId, now: Instant) -> bool {
        let mut persons = self.persons.lock().unwrap_or_else(PoisonError::into_inner);
        if persons.len() >= PERSON_LIMIT {
            persons.retain(|known, bucket| *known == person || !bucket.is_full(now));
        }
        let bucket = persons.entry(person).or_insert_with(|| TokenBucket::new(PERSON, now));
        bucket.try_take(now)
    }
}

/// As many cards as fit.
fn articles(cards: &[InlineCard], form: MessageForm) -> Vec<Article<'_>> {
    let mut left = CONTENT_LIMIT;
    let fitting = (0..).zip(cards).map_while(|(number, InlineCard { title, description, card })| {
        let input_message_content = InlineContent::new(card, form);
        left = left.checked_sub(input_message_content.bytes())?;
        Some(Article {
            kind: "article",
            id: format!("card:{number}"),
            title,
            description,
            input_message_content,
        })
    });
    fitting.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_has_queries_of_their_own() {
        let queries = InlineQueries::default();
        let start = Instant::now();
        let admitted = |person: i64, at: Instant| {
            std::iter::repeat_with(|| queries.admits(ChatId(person), at)).take(100).filter(|is| *is).count()
        };
        assert_eq!((admitted(1, start), admitted(2, start)), (10, 10));
        assert_eq!(admitted(1, start + Duration::from_secs(2)), 5);
        for person in 0..1000 {
            queries.admits(ChatId(person), start + Duration::from_secs(60 * person.unsigned_abs()));
        }
        assert!(queries.persons.lock().unwrap().len() <= PERSON_LIMIT);
    }
}

//! Messages out: all go through here, so that all keep inside Telegram's limits ([`SendLimiter`]) and all go to
//! where a chat is now.
//!
//! The chats that are served are those that the configuration names and those that let themselves in, and no
//! others. A group that became a supergroup is served under its new number: what Telegram says of it is logged,
//! and the state knows it from then on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use teloxide::payloads::{DeleteMessage, SendChatAction};
use teloxide::types::{ChatAction, MessageId};
use tracing::{debug, info, warn};

use super::api::{Api, Backoff, RequestError};
use super::outgoing::{Destination, OutgoingMessage, action, telegram_id};
use super::token_bucket::SendLimiter;
use super::topics::Topics;
use crate::chat::Reply;
use crate::event::{ChatId, Event, EventKind, Timestamp};
use crate::recorder::{ChangeError, RecorderHandle};
use crate::text::Text;

/// Tries for a reply: whoever asked is waiting, and may ask again.
const REPLY_TRIES: u32 = 3;
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// Sends to the chats that are served.
#[derive(Clone)]
pub(super) struct Sender {
    api: Api,
    recorder: RecorderHandle,
    configured: Arc<[ChatId]>,
    pacing: Arc<Mutex<SendLimiter>>,
    topics: Arc<Mutex<Topics>>,
}

impl Sender {
    pub(super) fn new(api: Api, recorder: RecorderHandle, configured: &[ChatId]) -> Self {
        let pacing = Arc::new(Mutex::new(SendLimiter::new(Instant::now())));
        Self { api, recorder, configured: configured.into(), pacing, topics: Arc::default() }
    }

    /// The chats that are served, by their present numbers.
    pub(super) fn served(&self) -> BTreeSet<ChatId> {
        let state = self.recorder.state();
        let configured = self.configured.iter().map(|chat| state.chats().current(*chat));
        configured.chain(state.chats().paired().map(|(chat, _)| chat)).collect()
    }

    /// Whether messages from this chat are answered. A group that the configuration names is known by its old
    /// number too.
    pub(super) fn serves(&self, chat: ChatId) -> bool {
        self.configured.contains(&chat) || self.served().contains(&chat)
    }

    /// Takes note that the chat `from`, which is served, has the number `to` now.
    ///
    /// # Errors
    /// [`ChangeError`] where that is not in the state.
    pub(super) async fn follow(&self, from: ChatId, to: ChatId) -> Result<(), ChangeError> {
        if self.recorder.state().chats().current(from) == to {
            return Ok(());
        }
        info!(
            event = "chat_migrated",
            %from,
            %to,
            "a group became a supergroup with a new number; if telegram.chats names the old number, replace it"
        );
        match self.recorder.change(Event::new(Timestamp::now(), EventKind::ChatMigrated { from, to })).await {
            // It holds, and is written as soon as the disk takes it.
            Err(ChangeError::NotOnDiskYet(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// Takes a place for an alert to this chat, which [`Sender::alert`] then sends.
    ///
    /// # Errors
    /// Where there is none yet, the moment at which to ask again.
    pub(super) fn take_place_for_alert(&self, chat: ChatId) -> Result<(), Instant> {
        self.pacing().take_for_alert(chat, Instant::now())
    }

    /// Sends an alert once, for which a place was taken.
    pub(super) async fn alert(&self, chat: ChatId, answer: &Reply) -> Result<(), RequestError> {
        self.send_unasked(chat, answer, false).await
    }

    /// Takes note of where someone spoke with the bot.
    pub(super) fn note_topic(&self, place: Destination) {
        self.topics().heard(place);
    }

    /// Sends what nobody asked for, to whichever topic takes it where the chat is a forum.
    async fn send_unasked(&self, chat: ChatId, answer: &Reply, silent: bool) -> Result<(), RequestError> {
        let mut place = self.topics().destination_of(chat);
        loop {
            let outcome = self.api.send(&OutgoingMessage { place, answer, silent }).await;
            let Err(RequestError::Topic(why)) = outcome else { return outcome.map(drop) };
            let other = self.topics().refused(place);
            // From General to a topic, once; back to General it is tried the next time.
            match other.filter(|other| other.topic.is_some()) {
                Some(other) => place = other,
                None => return Err(RequestError::Topic(why)),
            }
        }
    }

    /// Sends a reply; one that Telegram does not take within a few tries is given up with a warning. Where
    /// someone `hurries`, since others wait behind it, it goes out soon or not at all.
    pub(super) async fn reply(&self, place: Destination, answer: &Reply, hurries: bool) {
        let mut outgoing = OutgoingMessage { place, answer, silent: false };
        let mut backoff = Backoff::default();
        for left in (0..if hurries { 1 } else { REPLY_TRIES }).rev() {
            if !hurries {
                self.turn(outgoing.place.chat).await;
            } else if !self.turn_soon(place.chat).await {
                return warn!(
                    event = "reply_dropped",
                    chat = %place.chat,
                    "dropped a reply: the chat sends requests faster than Telegram accepts replies"
                );
            }
            if answer.file.is_some() {
                self.show_action(outgoing.place, action(answer)).await;
            }
            let failure = match self.api.send(&outgoing).await {
                Ok(_) => return,
                Err(failure) => failure,
            };
            match failure {
                RequestError::Later(named, _) if left > 0 && named.is_none_or(|wait| wait <= REPLY_WAIT) => {
                    tokio::time::sleep(backoff.next(named)).await;
                }
                RequestError::Moved(to) if left > 0 && self.follow(outgoing.place.chat, to).await.is_ok() => {
                    outgoing.place = to.into();
                }
                failure => {
                    return warn!(
                        event = "reply_failed",
                        chat = %place.chat,
                        error = %failure,
                        remedy = failure.remedy(),
                        "could not send a reply"
                    );
                }
            }
        }
    }

    /// Has a message say something else, or show another picture. One that cannot be edited any more is left,
    /// and the answer sent as a new one; what Telegram does not take within a few tries is given up.
    pub(super) async fn edit(&self, place: Destination, message: MessageId, answer: &Reply) {
        let mut backoff = Backoff::default();
        for left in (0..REPLY_TRIES).rev() {
            self.turn(place.chat).await;
            match self.api.edit(place.chat, message, answer).await {
                Ok(()) => return,
                Err(RequestError::Later(named, _))
                    if left > 0 && named.is_none_or(|wait| wait <= REPLY_WAIT) =>
                {
                    tokio::time::sleep(backoff.next(named)).await;
                }
                Err(failure @ RequestError::Later(..)) => {
                    return warn!(event = "edit_failed", chat = %place.chat, error = %failure, "could not edit a message");
                }
                Err(failure) => {
                    debug!(chat = %place.chat, error = %failure, "could not edit a message; sending a new one");
                    break;
                }
            }
        }
        self.reply(place, answer, false).await;
    }

    /// Shows for some seconds what the bot is doing. Nothing depends on it.
    pub(super) async fn show_action(&self, place: Destination, action: ChatAction) {
        let mut request = SendChatAction::new(telegram_id(place.chat), action);
        request.message_thread_id = place.topic;
        if let Err(failure) = self.api.ask(&request).await {
            debug!(chat = %place.chat, error = %failure, "could not show a chat action");
        }
    }

    /// Sends a line, or has the `line` that was sent say something else, if there is a place for it soon.
    /// Returns the line that stands now.
    pub(super) async fn show_line(
        &self,
        place: Destination,
        line: Option<MessageId>,
        answer: &Reply,
    ) -> Option<MessageId> {
        if !self.turn_soon(place.chat).await {
            return line;
        }
        let outcome = match line {
            Some(line) => self.api.edit(place.chat, line, answer).await.map(|()| Some(line)),
            None => self.api.send(&OutgoingMessage { place, answer, silent: true }).await,
        };
        outcome.unwrap_or_else(|failure| {
            debug!(chat = %place.chat, error = %failure, "could not show a progress message");
            line
        })
    }

    /// Deletes a message of the bot's.
    pub(super) async fn take_away(&self, chat: ChatId, message: MessageId) {
        if let Err(failure) = self.api.ask(&DeleteMessage::new(telegram_id(chat), message)).await {
            warn!(%chat, error = %failure, "could not delete a progress message");
        }
    }

    /// Sends a message that nobody asked for and that waits for no alert, once; `silent` where it is no cause
    /// to look up.
    pub(super) async fn notice(&self, chat: ChatId, text: &Text, silent: bool) -> Result<(), RequestError> {
        let answer = Reply::from(text.clone());
        self.turn(chat).await;
        match self.send_unasked(chat, &answer, silent).await {
            Err(RequestError::Moved(to)) if self.follow(chat, to).await.is_ok() => {
                self.turn(to).await;
                self.send_unasked(to, &answer, silent).await
            }
            outcome => outcome,
        }
    }

    /// Waits until a message that cannot wait behind the alerts may go to this chat.
    async fn turn(&self, chat: ChatId) {
        let from = self.pacing().take_in_chat(chat, Instant::now());
        tokio::time::sleep_until(from.into()).await;
        let from = self.pacing().take_among_replies(Instant::now());
        tokio::time::sleep_until(from.into()).await;
    }

    /// Waits until a message may go to this chat, if that is soon.
    async fn turn_soon(&self, chat: ChatId) -> bool {
        let from = self.pacing().take_soon(chat, Instant::now());
        if let Some(from) = from {
            tokio::time::sleep_until(from.into()).await;
        }
        from.is_some()
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pacing(&self) -> MutexGuard<'_, SendLimiter> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

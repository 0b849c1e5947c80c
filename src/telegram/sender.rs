//! Messages out: all go through here, so that all keep inside Telegram's limits ([`Pacing`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use teloxide::types::Message;
use tracing::warn;

use super::api::{Api, Backoff, Failure};
use super::pacing::Pacing;
use super::topic_of;
use crate::chat::Text;
use crate::event::ChatId;

/// Tries for a reply: whoever asked is waiting, and may ask again.
const REPLY_TRIES: u32 = 3;
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// Sends to chats.
#[derive(Clone)]
pub(super) struct Sender {
    api: Api,
    pacing: Arc<Mutex<Pacing>>,
}

impl Sender {
    pub(super) fn new(api: Api) -> Self {
        Self { api, pacing: Arc::new(Mutex::new(Pacing::new(Instant::now()))) }
    }

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for an alert to this chat, which [`Sender::alert`] then sends.
    ///
    /// # Errors
    /// Where there is none yet, the moment at which to ask again.
    pub(super) fn take_place_for_alert(&self, chat: ChatId) -> Result<(), Instant> {
        self.pacing().take_for_alert(chat, Instant::now())
    }

    /// Sends an alert once, for which a place was taken.
    pub(super) async fn alert(&self, chat: ChatId, text: &Text) -> Result<(), Failure> {
        self.api.send(chat, None, text).await
    }

    /// Waits until a reply to this chat may go out.
    async fn turn_for_reply(&self, chat: ChatId) {
        let from = self.pacing().take_in_chat(chat, Instant::now());
        tokio::time::sleep_until(from.into()).await;
        let from = self.pacing().take_among_replies(Instant::now());
        tokio::time::sleep_until(from.into()).await;
    }

    /// Sends a reply; one that Telegram does not take within a few tries is given up with a warning.
    pub(super) async fn reply(&self, message: &Message, text: &Text) {
        let chat = ChatId(message.chat.id.0);
        let mut backoff = Backoff::default();
        for left in (0..REPLY_TRIES).rev() {
            self.turn_for_reply(chat).await;
            let failure = match self.api.send(chat, topic_of(message), text).await {
                Ok(()) => return,
                Err(failure) => failure,
            };
            match failure {
                Failure::Later(named, _) if left > 0 && named.is_none_or(|wait| wait <= REPLY_WAIT) => {
                    tokio::time::sleep(backoff.next(named)).await;
                }
                failure => return warn!("a reply to chat {chat} was given up: {failure}"),
            }
        }
    }
}

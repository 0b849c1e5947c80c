//! Messages out: all go through here, so that all keep inside Telegram's limits ([`Pacing`]) and all go to
//! where a chat is now.
//!
//! The configuration names the chats that are served. A group that became a supergroup is served under its
//! new number: what Telegram says of it is logged, and the state knows it from then on.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use teloxide::types::Message;
use tracing::{info, warn};

use super::api::{Api, Backoff, Failure, Outgoing};
use super::pacing::Pacing;
use super::topic_of;
use crate::chat::{Answer, Text};
use crate::event::{ChatId, Event, Timestamp};
use crate::recorder::{ChangeError, RecorderHandle};

/// Tries for a reply: whoever asked is waiting, and may ask again.
const REPLY_TRIES: u32 = 3;
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// Sends to the chats that are served.
#[derive(Clone)]
pub(super) struct Sender {
    api: Api,
    recorder: RecorderHandle,
    configured: Arc<[ChatId]>,
    pacing: Arc<Mutex<Pacing>>,
}

impl Sender {
    pub(super) fn new(api: Api, recorder: RecorderHandle, configured: &[ChatId]) -> Self {
        let pacing = Arc::new(Mutex::new(Pacing::new(Instant::now())));
        Self { api, recorder, configured: configured.into(), pacing }
    }

    /// The chats that are served, by their present numbers.
    pub(super) fn served(&self) -> BTreeSet<ChatId> {
        let state = self.recorder.state();
        self.configured.iter().map(|chat| state.chats().current(*chat)).collect()
    }

    /// Whether messages from this chat are answered: one that the configuration names, or what it became.
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
            "the group {from} became the supergroup {to} and is served as that; put {to} into telegram.chats"
        );
        match self.recorder.change(Event::ChatMigrated { time: Timestamp::now(), from, to }).await {
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
    pub(super) async fn alert(&self, chat: ChatId, answer: &Answer) -> Result<(), Failure> {
        let Answer { text, buttons, .. } = answer;
        self.api.send(&Outgoing { chat, topic: None, text, buttons, silent: false }).await
    }

    /// Sends a reply; one that Telegram does not take within a few tries is given up with a warning.
    pub(super) async fn reply(&self, message: &Message, text: &Text) {
        let chat = ChatId(message.chat.id.0);
        let mut outgoing = Outgoing { chat, topic: topic_of(message), text, buttons: &[], silent: false };
        let mut backoff = Backoff::default();
        for left in (0..REPLY_TRIES).rev() {
            self.turn(outgoing.chat).await;
            let failure = match self.api.send(&outgoing).await {
                Ok(()) => return,
                Err(failure) => failure,
            };
            match failure {
                Failure::Later(named, _) if left > 0 && named.is_none_or(|wait| wait <= REPLY_WAIT) => {
                    tokio::time::sleep(backoff.next(named)).await;
                }
                Failure::Moved(to) if left > 0 && self.follow(outgoing.chat, to).await.is_ok() => {
                    outgoing = Outgoing { chat: to, topic: None, ..outgoing };
                }
                failure => return warn!("a reply to chat {chat} was given up: {failure}"),
            }
        }
    }

    /// Sends a message that nobody asked for and that waits for no alert, once; `silent` where it is no cause
    /// to look up.
    pub(super) async fn notice(&self, chat: ChatId, text: &Text, silent: bool) -> Result<(), Failure> {
        self.turn(chat).await;
        let outcome = self.api.send(&Outgoing { chat, topic: None, text, buttons: &[], silent }).await;
        match outcome {
            Err(Failure::Moved(to)) if self.follow(chat, to).await.is_ok() => {
                self.turn(to).await;
                self.api.send(&Outgoing { chat: to, topic: None, text, buttons: &[], silent }).await
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

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

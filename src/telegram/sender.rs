//! Sends messages. Every message goes through here, so that all stay within Telegram's limits ([`SendLimiter`]) and
//! reach the chat under its current ID.
//!
//! The served chats are those that the configuration names and those that were invited, and no others. A group that
//! became a supergroup is served under its new ID: the migration is recorded in the event log, and the state
//! knows it from then on.

mod progress;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::event::{ChatId, Event, EventKind, MessageId as AlertMessageId};
use store::recorder::{ChangeError, RecorderHandle};
use teloxide::types::MessageId;
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::api::Api;
use super::backoff::{Backoff, MAX_MESSAGE_WAIT};
use super::delayed_replies::{DelayedReplies, DelayedReply, Queued};
use super::delivery_schedule::Devices;
use super::outgoing::{Destination, OutgoingMessage, chat_action};
use super::request_error::{BLOCKED_BEFORE, RequestError};
use super::token_bucket::SendLimiter;
use super::topics::Topics;
use crate::chat::{File, Reply};
use crate::status::{TelegramProblems, WaitsWith};
use crate::text::{Text, TimeMarkup};

/// Tries for a reply. The person is waiting, and may ask again.
const REPLY_TRIES: u32 = 3;

/// The longest wait between two tries for a reply during which later requests of the chat wait, too. If Telegram asks
/// for a longer one, the reply joins the [`DelayedReplies`].
const MAX_REPLY_WAIT: Duration = Duration::from_secs(10);

/// Sends messages to the served chats.
#[derive(Clone)]
pub(super) struct Sender {
    api: Api,
    recorder: RecorderHandle,
    configured: Arc<[ChatId]>,
    limiter: Arc<Mutex<SendLimiter>>,
    topics: Arc<Mutex<Topics>>,
    delayed: DelayedReplies,
    problems: TelegramProblems,
    /// Notified when a chat that refused alerts accepts messages.
    accepted: Arc<Notify>,
}

impl Sender {
    pub(super) fn new(
        api: Api,
        recorder: RecorderHandle,
        configured: &[ChatId],
        problems: TelegramProblems,
    ) -> Self {
        let limiter = Arc::new(Mutex::new(SendLimiter::new(Instant::now())));
        Self {
            api,
            recorder,
            configured: configured.into(),
            limiter,
            topics: Arc::default(),
            delayed: DelayedReplies::default(),
            problems,
            accepted: Arc::default(),
        }
    }

    /// The served chats, by their current IDs.
    pub(super) fn chats_with_access(&self) -> BTreeSet<ChatId> {
        let state = self.recorder.state();
        let configured = self.configured.iter().map(|chat| state.chats().current(*chat));
        configured.chain(state.chats().paired().map(|(chat, _)| chat)).collect()
    }

    /// Whether messages from this chat are answered. A configured group is also known by its old ID.
    pub(super) fn has_access(&self, chat: ChatId) -> bool {
        self.configured.contains(&chat) || self.chats_with_access().contains(&chat)
    }

    /// Records that the served chat `from` now has the ID `to`.
    ///
    /// # Errors
    /// [`ChangeError`] if the state does not have the change.
    pub(super) async fn record_migration(&self, from: ChatId, to: ChatId) -> Result<(), ChangeError> {
        if self.recorder.state().chats().current(from) == to {
            return Ok(());
        }
        info!(
            event = "chat_migrated",
            %from,
            %to,
            "a group became a supergroup with a new ID; if telegram.chats names the old ID, replace it"
        );
        let event = Event::new(self.recorder.now(), EventKind::ChatMigrated { from, to });
        match self.recorder.change(event).await {
            // The state has it; it is written when the disk works again.
            Err(ChangeError::NotOnDiskYet(_)) => Ok(()),
            outcome => outcome,
        }
    }

    /// Records the topic in which someone wrote to the bot.
    pub(super) fn record_topic(&self, destination: Destination) {
        self.topics().record_message(destination);
    }

    /// Records that alerts to this chat wait after a failure.
    pub(super) fn record_wait(&self, chat: ChatId, asked: Option<Duration>, wait: Duration) {
        self.api.waits().record(WaitsWith::Alerts(chat), asked, wait);
    }

    /// Records that Telegram accepts alerts to this chat, or never will.
    pub(super) fn clear_problems(&self, chat: ChatId) {
        self.api.waits().clear(WaitsWith::Alerts(chat));
        self.problems.clear_refusal(chat);
    }

    /// Records that a chat refuses alerts, for this reason.
    pub(super) fn record_refusal(&self, chat: ChatId, reason: &str) {
        self.problems.record_refusal(chat, reason);
    }

    /// Records that a chat accepts messages, so that those alerts that it refused are sent at once.
    pub(super) fn record_accepted(&self, chat: ChatId) {
        if self.problems.clear_refusal(chat) {
            self.accepted.notify_one();
        }
    }

    /// Whether the chat refused the latest alert and no other message since.
    pub(super) fn is_refusing(&self, chat: ChatId) -> bool {
        self.problems.is_refusing(chat)
    }

    /// Why the chat refuses alerts, if it does.
    pub(super) fn refusal(&self, chat: ChatId) -> Option<String> {
        self.problems.refusal(chat)
    }

    /// Whether the chat blocked the bot. Then it gets no alerts and no notices.
    pub(super) fn is_blocked(&self, chat: ChatId) -> bool {
        self.recorder.state().chats().block(chat).is_some()
    }

    /// The chats that get notices, by their current IDs.
    pub(super) fn chats_to_notify(&self) -> BTreeSet<ChatId> {
        let mut chats = self.chats_with_access();
        let state = self.recorder.state();
        chats.retain(|chat| state.chats().block(*chat).is_none());
        chats
    }

    /// Records that a served chat blocked or removed the bot, or is gone.
    pub(super) async fn record_block(&self, chat: ChatId, reason: &str) {
        self.clear_problems(chat);
        if self.is_blocked(chat) || !self.has_access(chat) {
            return;
        }
        warn!(event = "chat_blocked", %chat, %reason, "a chat blocked the bot or is gone; it gets no alerts until it writes");
        self.log_block(chat, EventKind::ChatBlocked { chat, reason: reason.to_owned() }).await;
    }

    /// Records that a served chat accepts messages: it wrote, or let the bot in.
    pub(super) async fn record_presence(&self, chat: ChatId) {
        if self.is_blocked(chat) {
            info!(event = "chat_unblocked", %chat, "a chat that had blocked the bot is back");
            self.log_block(chat, EventKind::ChatUnblocked { chat }).await;
        }
    }

    async fn log_block(&self, chat: ChatId, kind: EventKind) {
        if let Err(error) = self.recorder.change(Event::new(self.recorder.now(), kind)).await {
            warn!(%chat, %error, "could not record whether a chat blocks the bot");
        }
    }

    /// Waits until a chat that refused alerts accepts messages.
    pub(super) async fn chat_accepts_again(&self) {
        self.accepted.notified().await;
    }

    /// How times are written now. While the clock is in doubt, ages on the readers' devices, whose clocks are right, may be
    /// wrong.
    pub(super) fn times(&self) -> TimeMarkup {
        match self.recorder.clock_doubt() {
            Some(_) => TimeMarkup::Text,
            None => TimeMarkup::entities_at(self.recorder.now()),
        }
    }

    /// Takes send capacity for an alert to this chat, which [`Sender::send_alert`] then uses.
    ///
    /// # Errors
    /// When to try again, if there is no capacity yet.
    pub(super) fn try_acquire_for_alert(&self, chat: ChatId, devices: Devices) -> Result<(), Instant> {
        self.limiter().try_take_for_alert(chat, devices, Instant::now())
    }

    /// Sends an alert once, after [`Sender::try_acquire_for_alert`]; as plain text if there is a `plain_limit`. Returns
    /// the message if Telegram names it.
    pub(super) async fn send_alert(
        &self,
        chat: ChatId,
        alert: &Reply,
        plain_limit: Option<usize>,
    ) -> Result<Option<AlertMessageId>, RequestError> {
        let sent = self.send_to_open_topic(chat, alert, false, plain_limit).await?;
        Ok(sent.map(|MessageId(number)| AlertMessageId(number)))
    }

    /// Edits the message of an alert once, after [`Sender::try_acquire_for_alert`].
    pub(super) async fn edit_alert(
        &self,
        chat: ChatId,
        AlertMessageId(number): AlertMessageId,
        alert: &Reply,
    ) -> Result<(), RequestError> {
        self.api.edit(chat, MessageId(number), alert, self.times()).await
    }

    /// Sends a notice once; it does not wait behind alerts. A `silent` one makes no sound. If Telegram rejects its
    /// content, it is sent once more as plain text.
    pub(super) async fn notify(&self, chat: ChatId, text: &Text, silent: bool) -> Result<(), RequestError> {
        self.send_notice(chat, &Reply::from(text.clone()), silent).await
    }

    /// As [`Sender::notify`], with buttons.
    pub(super) async fn send_notice(
        &self,
        chat: ChatId,
        notice: &Reply,
        silent: bool,
    ) -> Result<(), RequestError> {
        if self.is_blocked(chat) {
            return Err(RequestError::ChatUnreachable(BLOCKED_BEFORE.to_owned()));
        }
        let (mut to, mut plain_limit) = (chat, None);
        loop {
            self.acquire(to).await;
            let error = match self.send_to_open_topic(to, notice, silent, plain_limit).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            match error {
                RequestError::Migrated(new)
                    if to == chat && self.record_migration(chat, new).await.is_ok() =>
                {
                    to = new;
                }
                RequestError::InvalidContent(_) if plain_limit.is_none() => plain_limit = error.plain_limit(),
                RequestError::ChatUnreachable(reason) => {
                    self.record_block(to, &reason).await;
                    return Err(RequestError::ChatUnreachable(reason));
                }
                error => return Err(error),
            }
        }
    }

    /// Sends a message that is not a reply; in a forum, to a topic that is open.
    async fn send_to_open_topic(
        &self,
        chat: ChatId,
        reply: &Reply,
        silent: bool,
        plain_limit: Option<usize>,
    ) -> Result<Option<MessageId>, RequestError> {
        let mut destination = self.topics().destination_of(chat);
        loop {
            let message = OutgoingMessage { destination, reply, silent, plain_limit };
            let outcome = self.api.send(&message, self.times()).await;
            let Err(RequestError::TopicClosed(reason)) = outcome else { return outcome };
            let other = self.topics().record_closed(destination);
            // At most once, from General to a topic. General is tried again with the next message.
            match other.filter(|other| other.topic.is_some()) {
                Some(other) => destination = other,
                None => return Err(RequestError::TopicClosed(reason)),
            }
        }
    }

    /// Sends a reply, and drops it with a warning after a few failed tries. If the chat `is_busy`, because many of its
    /// updates wait, there is one try, soon or not at all. If Telegram asks for a long wait, the reply is sent after
    /// it.
    pub(super) async fn reply(&self, destination: Destination, reply: &Reply, is_busy: bool) {
        self.reply_or_delay(destination, None, reply, is_busy).await;
    }

    /// Replaces the text or picture of a message. If Telegram refuses the edit, sends the reply as a new message;
    /// after a few other failures, drops it with a warning. If Telegram asks for a long wait, tries again after it.
    pub(super) async fn edit(&self, destination: Destination, message: MessageId, reply: &Reply) {
        self.reply_or_delay(destination, Some(message), reply, false).await;
    }

    async fn reply_or_delay(
        &self,
        destination: Destination,
        edits: Option<MessageId>,
        reply: &Reply,
        is_busy: bool,
    ) {
        let wait = match self.delayed.are_waiting(destination.chat) {
            true => Some(Duration::ZERO),
            false => self.try_reply_or_edit(destination, edits, reply, is_busy).await,
        };
        if let Some(wait) = wait {
            self.delay(DelayedReply { destination, reply: reply.clone(), edits }, wait);
        }
        if let Some(then) = &reply.then {
            Box::pin(self.reply_or_delay(destination, None, then, is_busy)).await;
        }
    }

    /// Sends a reply, or replaces the message that it `edits`. Returns the wait if Telegram asks for a long one.
    async fn try_reply_or_edit(
        &self,
        destination: Destination,
        edits: Option<MessageId>,
        reply: &Reply,
        is_busy: bool,
    ) -> Option<Duration> {
        match edits {
            Some(message) => self.try_edit(destination, message, reply).await,
            None => self.try_reply(destination, reply, is_busy).await,
        }
    }

    /// As [`Sender::reply`], but returns the wait if Telegram asks for a long one.
    async fn try_reply(&self, destination: Destination, reply: &Reply, is_busy: bool) -> Option<Duration> {
        let chat = destination.chat;
        let classic = without_document(reply);
        let mut message = OutgoingMessage { destination, reply, silent: false, plain_limit: None };
        let mut backoff = Backoff::for_messages();
        let tries = if is_busy { 1 } else { REPLY_TRIES };
        for tries_left in (0..tries).rev() {
            if !is_busy {
                self.acquire(message.destination.chat).await;
            } else if !self.try_acquire_soon(chat).await {
                warn!(
                    event = "reply_dropped",
                    %chat,
                    "dropped a reply: the chat sends requests faster than Telegram accepts replies"
                );
                return None;
            }
            if reply.file.is_some() {
                self.show_action(message.destination, chat_action(reply)).await;
            }
            match self.api.send(&message, self.times()).await {
                Ok(_) => {
                    self.record_accepted(message.destination.chat);
                    return None;
                }
                Err(RequestError::Temporary { retry_after: Some(wait), .. }) if wait > MAX_REPLY_WAIT => {
                    return Some(wait);
                }
                Err(RequestError::Temporary { retry_after, .. }) if tries_left > 0 => {
                    message.reply = for_next_try(message.reply, classic.as_ref(), tries_left, retry_after);
                    tokio::time::sleep(backoff.next(retry_after)).await;
                }
                Err(RequestError::Migrated(to))
                    if tries_left > 0
                        && self.record_migration(message.destination.chat, to).await.is_ok() =>
                {
                    message.destination = to.into();
                }
                Err(error @ RequestError::InvalidContent(_))
                    if tries_left > 0 && message.plain_limit.is_none() && reply.text.length() > 0 =>
                {
                    warn!(event = "reply_content_refused", %chat, %error, "Telegram rejects a reply; sending it as plain text");
                    message.plain_limit = error.plain_limit();
                }
                Err(error) => {
                    warn!(
                        event = "reply_failed",
                        %chat,
                        %error,
                        remedy = error.remedy(),
                        "could not send a reply"
                    );
                    return None;
                }
            }
        }
        None
    }

    /// As [`Sender::edit`], but returns the wait if Telegram asks for a long one.
    async fn try_edit(
        &self,
        destination: Destination,
        message: MessageId,
        reply: &Reply,
    ) -> Option<Duration> {
        let chat = destination.chat;
        let classic = without_document(reply);
        let mut shown = reply;
        let mut backoff = Backoff::for_messages();
        for tries_left in (0..REPLY_TRIES).rev() {
            self.acquire(chat).await;
            match self.api.edit(chat, message, shown, self.times()).await {
                Ok(()) => return None,
                Err(RequestError::Temporary { retry_after: Some(wait), .. }) if wait > MAX_REPLY_WAIT => {
                    return Some(wait);
                }
                Err(RequestError::Temporary { retry_after, .. }) if tries_left > 0 => {
                    shown = for_next_try(shown, classic.as_ref(), tries_left, retry_after);
                    tokio::time::sleep(backoff.next(retry_after)).await;
                }
                Err(error @ RequestError::Temporary { .. }) => {
                    warn!(event = "edit_failed", %chat, %error, "could not edit a message");
                    return None;
                }
                Err(error) => {
                    debug!(%chat, %error, "could not edit a message; sending a new one");
                    break;
                }
            }
        }
        self.try_reply(destination, reply, false).await
    }

    /// Has a reply sent after this wait, or after those of its chat that wait already.
    fn delay(&self, delayed: DelayedReply, asked: Duration) {
        let chat = delayed.destination.chat;
        // A document takes memory that others wait for.
        let is_document = matches!(delayed.reply.file, Some(File::Document { .. }));
        match if is_document { Queued::Full } else { self.delayed.push(delayed) } {
            Queued::First => {
                info!(
                    event = "reply_delayed",
                    %chat,
                    asked_seconds = asked.as_secs(),
                    "Telegram asks to wait; a reply is sent after that"
                );
                tokio::spawn(self.clone().send_delayed(chat, asked));
            }
            Queued::Behind => {}
            Queued::Full => warn!(
                event = "reply_dropped",
                %chat,
                asked_seconds = asked.as_secs(),
                "dropped a reply: Telegram asks to wait, and too many replies wait already, or it is a document"
            ),
        }
    }

    /// Sends the chat's delayed replies, the first after the wait that Telegram `asked` for.
    async fn send_delayed(self, chat: ChatId, mut asked: Duration) {
        let mut tries_left = REPLY_TRIES;
        loop {
            let wait = asked.min(MAX_MESSAGE_WAIT);
            self.api.waits().record(WaitsWith::Replies(chat), Some(asked), wait);
            tokio::time::sleep(wait).await;
            self.api.waits().clear(WaitsWith::Replies(chat));
            let next_wait = loop {
                let Some(next) = self.delayed.next(chat) else { return };
                let DelayedReply { destination, reply, edits } = &*next;
                let wait = self.try_reply_or_edit(*destination, *edits, reply, false).await;
                if let Some(wait) = wait {
                    tries_left -= 1;
                    if tries_left > 0 {
                        break wait;
                    }
                    warn!(event = "reply_failed", %chat, "dropped a reply: Telegram asks to wait again and again");
                }
                tries_left = REPLY_TRIES;
                self.delayed.remove_next(chat);
            };
            asked = next_wait;
        }
    }

    /// Waits for capacity to send a message to this chat that does not wait behind alerts.
    async fn acquire(&self, chat: ChatId) {
        let available_at = self.limiter().reserve_in_chat(chat, Instant::now());
        tokio::time::sleep_until(available_at.into()).await;
        let available_at = self.limiter().reserve_reply(Instant::now());
        tokio::time::sleep_until(available_at.into()).await;
    }

    /// As [`Sender::acquire`] if there is capacity soon; otherwise returns false at once.
    async fn try_acquire_soon(&self, chat: ChatId) -> bool {
        let available_at = self.limiter().try_reserve_soon(chat, Instant::now());
        if let Some(at) = available_at {
            tokio::time::sleep_until(at.into()).await;
        }
        available_at.is_some()
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limiter(&self) -> MutexGuard<'_, SendLimiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reply as its last try sends it, if that is another: a server may fail at the rich form only.
fn without_document(reply: &Reply) -> Option<Reply> {
    reply.document.is_some().then(|| Reply { document: None, then: None, ..reply.clone() })
}

/// What the next try sends in place of `shown`: its `classic` form if that try is the last one and the server failed
/// without asking to wait.
fn for_next_try<'a>(
    shown: &'a Reply,
    classic: Option<&'a Reply>,
    tries_left: u32,
    retry_after: Option<Duration>,
) -> &'a Reply {
    classic.filter(|_| tries_left == 1 && retry_after.is_none()).unwrap_or(shown)
}

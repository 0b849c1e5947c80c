//! What becomes of an update, wherever it comes from.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use teloxide::payloads::AnswerCallbackQuery;
use teloxide::types::{
    CallbackQuery, Chat as TelegramChat, ChatMemberUpdated, MaybeInaccessibleMessage, Message, Update,
    UpdateId, UpdateKind,
};
use tokio::sync::OnceCell;
use tracing::{debug, info, warn};

use super::access::Access;
use super::api::Api;
use super::chat_queue::{ChatQueues, Ticket};
use super::incoming::{BotIdentity, IncomingMessage, bare_code};
use super::outgoing::Destination;
use super::progress_indicator::with_progress;
use super::rate_limiter::RateLimiter;
use super::sender::Sender;
use crate::chat::commands::{self, Request};
use crate::chat::{self, ButtonPress, Chat, File, PressReply, Reply, views};
use crate::event::ChatId;
use crate::recorder::RecorderHandle;
use crate::text::Text;

/// How many updates are remembered, so that one that Telegram repeats is handled once.
const REMEMBERED_UPDATES: usize = 1024;

/// Strangers are logged, and told how to be let in, once an hour each, and not more of them in that hour: what
/// they write takes next to nothing of what the bot may send.
const STRANGER_INTERVAL: Duration = Duration::from_secs(3600);
const STRANGERS_LOGGED: usize = 64;
const STRANGERS_TOLD: usize = 20;

/// How often a chat is told that the bot reads text only, and how many chats are in that time.
const HINT_INTERVAL: Duration = Duration::from_secs(60);
const HINTS: usize = 64;

/// Past so many updates of one chat that wait, its replies go out soon or not at all: everything that it
/// asked for is done, and others need not wait for it.
const QUEUE_LIMIT: usize = 8;

/// The longest text that vanishes again, in characters (Bot API, `answerCallbackQuery`).
const TOLD_LIMIT: usize = 200;

/// How long the sign of waiting stays on a button; Telegram takes no answer to a press much later.
const PRESS_TIME: Duration = Duration::from_secs(3);

/// Set once an update was handled to its end.
type Handled = Arc<OnceCell<()>>;

/// Handles updates.
pub(super) struct Handler {
    me: BotIdentity,
    api: Api,
    sender: Sender,
    access: Arc<Access>,
    chat: Chat,
    recorder: RecorderHandle,
    queues: Arc<ChatQueues>,
    handled: Mutex<VecDeque<(UpdateId, Handled)>>,
    strangers_logged: RateLimiter,
    strangers_told: RateLimiter,
    hints: RateLimiter,
}

impl Handler {
    pub(super) fn new(
        me: BotIdentity,
        api: Api,
        sender: Sender,
        access: Arc<Access>,
        chat: Chat,
        recorder: RecorderHandle,
    ) -> Arc<Self> {
        Arc::new(Self {
            me,
            api,
            sender,
            chat: chat.with_access(Arc::clone(&access) as _),
            access,
            recorder,
            queues: Arc::default(),
            handled: Mutex::default(),
            strangers_logged: RateLimiter::new(STRANGER_INTERVAL, STRANGERS_LOGGED),
            strangers_told: RateLimiter::new(STRANGER_INTERVAL, STRANGERS_TOLD),
            hints: RateLimiter::new(HINT_INTERVAL, HINTS),
        })
    }

    /// Takes the update's turn in its chat, which comes in the order of these calls. What is returned handles
    /// it to its end: then a change is on disk and the reply is out. One that comes again meanwhile waits for
    /// the same end, and takes over where the first was broken off.
    pub(super) fn handle(self: &Arc<Self>, update: Update) -> impl Future<Output = ()> + Send + use<> {
        // Strangers share a lane: of those that come with the same code, the first is let in.
        let served = chat_of(&update.kind).filter(|chat| self.sender.serves(*chat));
        let mut turn = self.queues.take_ticket(served);
        let handler = Arc::clone(self);
        async move {
            turn.served().await;
            handler.handled_of(update.id).get_or_init(|| handler.act_on(update, &turn)).await;
        }
    }

    async fn act_on(&self, update: Update, turn: &Ticket) {
        let UpdateId(number) = update.id;
        match update.kind {
            UpdateKind::Message(message) => self.handle_message(&message, number, turn).await,
            UpdateKind::CallbackQuery(query) => self.pressed(&query, number, turn).await,
            UpdateKind::MyChatMember(change) => self.note_membership(&change),
            // What else there is was not asked for.
            _ => {}
        }
    }

    async fn handle_message(&self, message: &Message, update: u32, turn: &Ticket) {
        let place = destination_of(message);
        let chat = place.chat;
        if let Some((before, now)) = migration(message)
            && self.sender.serves(before)
        {
            if let Err(error) = self.sender.record_migration(before, now).await {
                warn!(from = %before, to = %now, %error, "could not record that a group became a supergroup");
            }
            return;
        }
        let heard = self.me.classify(message);
        if !self.sender.serves(chat) {
            return self.handle_stranger(message, &heard).await;
        }
        if self.has_acted_on(update) {
            return;
        }
        self.access.note_name(chat, name_of(&message.chat));
        if matches!(heard, IncomingMessage::Text { .. }) {
            self.sender.record_topic(place);
        }
        let answer = match heard {
            IncomingMessage::Text { text, in_reply_to } => {
                let heard = chat::UserMessage {
                    chat,
                    text: &text,
                    in_reply_to: in_reply_to.as_deref(),
                    update: Some(update),
                };
                let work = async |progress| self.chat.answer(heard, &progress).await;
                with_progress(&self.sender, place, work).await
            }
            IncomingMessage::WithoutText if self.hints.try_acquire(chat, Instant::now()) => {
                views::wordless().into()
            }
            IncomingMessage::Forwarded if self.hints.try_acquire(chat, Instant::now()) => {
                views::forwarded().into()
            }
            _ => return,
        };
        self.sender.reply(place, &answer, turn.queue_length() > QUEUE_LIMIT).await;
    }

    async fn pressed(&self, query: &CallbackQuery, update: u32, turn: &Ticket) {
        // Without a message it is no button of a chat's, and does nothing.
        let Some(under) = &query.message else { return self.end_press(query, None).await };
        let place = match under {
            MaybeInaccessibleMessage::Regular(message) => {
                Destination { reply_to: None, ..destination_of(message) }
            }
            MaybeInaccessibleMessage::Inaccessible(message) => ChatId(message.chat.id.0).into(),
        };
        if !self.sender.serves(place.chat) {
            return self.log_stranger(place.chat);
        }
        if self.has_acted_on(update) {
            return self.end_press(query, None).await;
        }
        self.sender.record_topic(place);
        let press = ButtonPress {
            chat: place.chat,
            data: query.data.as_deref().unwrap_or_default(),
            update: Some(update),
        };
        let work = async |progress| self.chat.press(press, &progress).await;
        let mut work = pin!(with_progress(&self.sender, place, work));
        let (pressed, is_ended) = match tokio::time::timeout(PRESS_TIME, &mut work).await {
            Ok(pressed) => (pressed, false),
            Err(_) => (tokio::join!(work, self.end_press(query, None)).0, true),
        };
        match pressed {
            PressReply::Notify(text) if is_ended => {
                self.sender.reply(place, &Text::plain(text).into(), turn.queue_length() > QUEUE_LIMIT).await;
            }
            PressReply::Notify(text) => self.end_press(query, Some(text)).await,
            PressReply::Send(answer) => {
                if !is_ended {
                    self.end_press(query, None).await;
                }
                self.sender.reply(place, &answer, turn.queue_length() > QUEUE_LIMIT).await;
            }
            PressReply::NotifyAndEdit(text, answer) => {
                if is_ended {
                    self.sender
                        .reply(place, &Text::plain(text).into(), turn.queue_length() > QUEUE_LIMIT)
                        .await;
                } else {
                    self.end_press(query, Some(text)).await;
                }
                // What it says stands in the words too.
                if let Some(message) = under.regular_message().filter(|message| becomes(message, &answer)) {
                    self.sender.edit(place, message.id, &answer).await;
                }
            }
            PressReply::Edit(answer) => {
                if !is_ended {
                    self.end_press(query, None).await;
                }
                match under.regular_message().filter(|message| becomes(message, &answer)) {
                    Some(message) => self.sender.edit(place, message.id, &answer).await,
                    None => self.sender.reply(place, &answer, turn.queue_length() > QUEUE_LIMIT).await,
                }
            }
        }
    }

    /// Ends the sign of waiting on a button, with a few words or without.
    async fn end_press(&self, query: &CallbackQuery, text: Option<String>) {
        let mut request = AnswerCallbackQuery::new(query.id.clone());
        request.text = text.map(|text| text.chars().take(TOLD_LIMIT).collect());
        // Telegram takes it for some seconds only; what the press did is done all the same.
        if let Err(failure) = self.api.request(&request).await {
            debug!(error = %failure, "could not answer a button press");
        }
    }

    async fn handle_stranger(&self, message: &Message, heard: &IncomingMessage) {
        let place = destination_of(message);
        let text = match heard {
            IncomingMessage::Text { text, .. } => text.as_str(),
            _ => "",
        };
        let start = match commands::request_of_stranger(text) {
            Some(Request::Start { code }) => Some(code.unwrap_or_default()),
            _ => None,
        };
        let code = start.as_deref().or_else(|| bare_code(text).filter(|_| message.chat.is_private()));
        let paired = match code.filter(|code| !code.is_empty()) {
            Some(code) => self.access.pair_chat(place.chat, name_of(&message.chat), code).await,
            None => None,
        };
        if paired.is_none() {
            self.log_stranger(place.chat);
        }
        // The same for a code that is wrong, used or over as for none at all.
        let told = || start.is_some() && self.strangers_told.try_acquire(place.chat, Instant::now());
        let answer = paired.or_else(|| told().then(|| views::access::stranger(place.chat).into()));
        if let Some(answer) = answer {
            self.sender.reply(place, &answer, false).await;
        }
    }

    /// Tells the operator of a chat that is not served, so that the owner's own can be let in.
    fn log_stranger(&self, chat: ChatId) {
        if self.strangers_logged.try_acquire(chat, Instant::now()) {
            info!(
                event = "chat_not_served",
                %chat,
                "ignored a chat that is not served; to serve it, add its number to telegram.chats"
            );
        }
    }

    /// The bot was let into a chat, put out of it, or blocked by a person: nothing is said there, but the
    /// operator may wonder why alerts for it are dropped.
    fn note_membership(&self, change: &ChatMemberUpdated) {
        let chat = ChatId(change.chat.id.0);
        if !self.sender.serves(chat) {
            return self.log_stranger(chat);
        }
        self.access.note_name(chat, name_of(&change.chat));
        if change.new_chat_member.is_present() {
            info!(event = "bot_added", %chat, "the bot was added to a chat");
        } else {
            warn!(
                event = "bot_removed",
                %chat,
                "the bot was removed from a chat, or blocked there: alerts to it are dropped until it is back"
            );
        }
    }

    /// Whether the update was acted on before a restart.
    fn has_acted_on(&self, update: u32) -> bool {
        let has = self.recorder.state().chats().has_answered(update);
        if has {
            info!(event = "update_repeated", update, "skipped an update that was handled before the restart");
        }
        has
    }

    /// What is known of the handling of an update.
    fn handled_of(&self, id: UpdateId) -> Handled {
        let mut handled = self.handled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = handled.iter().find(|(known, _)| *known == id) {
            return Arc::clone(known);
        }
        if handled.len() >= REMEMBERED_UPDATES {
            handled.pop_front();
        }
        let new = Handled::default();
        handled.push_back((id, Arc::clone(&new)));
        new
    }
}

/// The chat in which an update is handled in its order.
fn chat_of(update: &UpdateKind) -> Option<ChatId> {
    let chat = match update {
        UpdateKind::Message(message) => &message.chat,
        UpdateKind::CallbackQuery(query) => query.message.as_ref()?.chat(),
        UpdateKind::MyChatMember(change) => &change.chat,
        _ => return None,
    };
    Some(ChatId(chat.id.0))
}

/// Whether the message can be edited to be this answer: a text becomes a text, and a picture a picture.
fn becomes(message: &Message, answer: &Reply) -> bool {
    match answer.file {
        _ if answer.asks_for.is_some() => false,
        None => message.text().is_some(),
        Some(File::Picture { .. }) => message.photo().is_some(),
        Some(File::Document { .. }) => false,
    }
}

/// Where the reply to a message belongs.
fn destination_of(message: &Message) -> Destination {
    Destination {
        chat: ChatId(message.chat.id.0),
        topic: message.thread_id.filter(|_| message.is_topic_message),
        reply_to: (!message.chat.is_private()).then_some(message.id),
    }
}

/// The title of a group, or the name of a person.
fn name_of(chat: &TelegramChat) -> String {
    match chat.title() {
        Some(title) => title.to_owned(),
        None => [chat.first_name(), chat.last_name()].into_iter().flatten().collect::<Vec<_>>().join(" "),
    }
}

/// The number that a group had, and the one that it has, where the message tells that it became a
/// supergroup: to the group itself, or to the new one.
fn migration(message: &Message) -> Option<(ChatId, ChatId)> {
    let here = ChatId(message.chat.id.0);
    match (message.migrate_to_chat_id(), message.migrate_from_chat_id()) {
        (Some(to), _) => Some((here, ChatId(to.0))),
        (_, Some(from)) => Some((ChatId(from.0), here)),
        _ => None,
    }
}

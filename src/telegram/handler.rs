//! Handles updates, whether they come by webhook or by polling.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::event::{ChatId, Person};
use store::recorder::RecorderHandle;
use teloxide::payloads::AnswerCallbackQuery;
use teloxide::types::{AllowedUpdate, CallbackQueryId};
use tracing::{debug, info, warn};

use super::access::Access;
use super::api::{Api, UPDATES, UPDATES_WITH_INLINE};
use super::chat_queue::{ChatQueues, Ticket};
use super::handled_updates::HandledUpdates;
use super::incoming::{BotIdentity, IncomingMessage, bare_code};
use super::inline_queries::InlineQueries;
use super::outgoing::Destination;
use super::pending_question::PendingQuestions;
use super::progress_indicator::with_progress;
use super::rate_limiter::RateLimiter;
use super::request_error::REMOVED;
use super::sender::Sender;
use super::slow_presses::{Repeated, RunningPress, SlowPresses};
use super::update::{
    CallbackQuery, Chat as TelegramChat, ChatMemberUpdated, InlineQuery, Message, Update, UpdateKind, User,
};
use crate::chat::commands::{self, Request};
use crate::chat::{ButtonPress, Chat, File, PressReply, Reply, UserMessage, views};
use crate::text::Text;

/// A stranger is logged, and gets a hint, at most once per `STRANGER_INTERVAL`; at most `STRANGER_LOG_LIMIT` and
/// `STRANGER_HINT_LIMIT` strangers per interval. So strangers use next to none of the bot's send capacity.
const STRANGER_INTERVAL: Duration = Duration::from_secs(3600);
const STRANGER_LOG_LIMIT: usize = 64;
const STRANGER_HINT_LIMIT: usize = 20;

/// A chat gets the notice that the bot reads only text at most once per `TEXT_ONLY_INTERVAL`; at most
/// `TEXT_ONLY_LIMIT` chats get it per interval.
const TEXT_ONLY_INTERVAL: Duration = Duration::from_secs(60);
const TEXT_ONLY_LIMIT: usize = 64;

/// If more updates of one chat wait, its replies are sent soon or dropped. Its requests are carried out all the same.
const QUEUE_LIMIT: usize = 8;

/// The longest notification of a button press, in characters (Bot API, `answerCallbackQuery`, `text`).
const NOTIFICATION_LIMIT: usize = 200;

/// The longest name of a person that is shown or stored, in characters.
const PERSON_LENGTH: usize = 64;

/// How long a button may show that it is pressed. Telegram accepts no answer to a press much later.
const PRESS_TIMEOUT: Duration = Duration::from_secs(3);

/// Handles updates.
pub(super) struct Handler {
    bot: BotIdentity,
    api: Api,
    sender: Sender,
    access: Arc<Access>,
    chat: Chat,
    recorder: RecorderHandle,
    queues: Arc<ChatQueues>,
    handled: HandledUpdates,
    slow_presses: Arc<SlowPresses>,
    questions: PendingQuestions,
    inline_queries: InlineQueries,
    stranger_log: RateLimiter,
    stranger_hints: RateLimiter,
    text_only_hints: RateLimiter,
}

impl Handler {
    pub(super) fn new(
        bot: BotIdentity,
        api: Api,
        sender: Sender,
        access: Arc<Access>,
        chat: Chat,
        recorder: RecorderHandle,
    ) -> Arc<Self> {
        Arc::new(Self {
            bot,
            api,
            sender,
            chat: chat.with_access(Arc::clone(&access) as _),
            access,
            recorder,
            queues: Arc::default(),
            handled: HandledUpdates::default(),
            slow_presses: Arc::default(),
            questions: PendingQuestions::default(),
            inline_queries: InlineQueries::default(),
            stranger_log: RateLimiter::new(STRANGER_INTERVAL, STRANGER_LOG_LIMIT),
            stranger_hints: RateLimiter::new(STRANGER_INTERVAL, STRANGER_HINT_LIMIT),
            text_only_hints: RateLimiter::new(TEXT_ONLY_INTERVAL, TEXT_ONLY_LIMIT),
        })
    }

    /// The kinds of updates to request.
    pub(super) fn requested_updates(&self) -> &'static [AllowedUpdate] {
        if self.bot.has_inline_mode { &UPDATES_WITH_INLINE } else { &UPDATES }
    }

    /// Queues an update behind the earlier ones of its chat, at once. The returned future handles it: when that ends,
    /// the update's change is on disk and its reply was sent or dropped. An inline query waits for nothing.
    pub(super) fn handle(self: &Arc<Self>, update: Update) -> impl Future<Output = ()> + Send + use<> {
        // Strangers share a queue: if several send the same code, the first one gets access.
        let served = chat_of(&update.kind).filter(|chat| self.sender.has_access(*chat));
        // A repeated press waits for nothing, least of all for the one that it repeats.
        let turn = match (&update.kind, self.begin_slow_press(served, &update)) {
            (UpdateKind::InlineQuery(_), _) => Turn::None,
            (_, Ok(running)) => Turn::Own(running, self.queues.take_ticket(served)),
            (_, Err(repeated)) => Turn::Repeated(repeated),
        };
        let handler = Arc::clone(self);
        async move {
            let (id, kind, handled) = (update.id, update.kind, &handler.handled);
            match (turn, kind) {
                // It changes nothing, so it may be answered again. It is not remembered: strangers can send any number.
                (_, UpdateKind::InlineQuery(query)) => handler.answer_inline(&query).await,
                (Turn::Own(_running, mut ticket), kind) => {
                    ticket.wait_for_turn().await;
                    handled.handle_once(id, || handler.dispatch(kind, id, &ticket)).await;
                }
                (Turn::Repeated(repeated), kind) => {
                    handled.handle_once(id, || handler.answer_repeated(kind, repeated)).await;
                }
                (Turn::None, _) => {}
            }
        }
    }

    /// Begins a press whose reply takes long, if it is one in a served chat.
    fn begin_slow_press(
        &self,
        served: Option<ChatId>,
        update: &Update,
    ) -> Result<Option<RunningPress>, Repeated> {
        let (Some(chat), UpdateKind::CallbackQuery(query)) = (served, &update.kind) else { return Ok(None) };
        let (Some(message), Some(data)) = (&query.message, &query.data) else { return Ok(None) };
        if Chat::slow_press_notice(data).is_none() {
            return Ok(None);
        }
        self.slow_presses.begin((chat, message.id.0), data, update.id, Instant::now())
    }

    /// Answers an inline query. The person's private chat decides about access: a group's access is for the group.
    async fn answer_inline(&self, query: &InlineQuery) {
        if !self.bot.has_inline_mode || query.from.is_bot {
            return debug!(person = query.from.id, "ignored an inline query");
        }
        let person = ChatId(query.from.id);
        let has_access = person.0 > 0 && self.sender.has_access(person);
        let server = (&self.api, self.sender.times());
        self.inline_queries.answer(query, has_access, &self.chat.in_zone_of(person), server).await;
    }

    /// Answers a press that is not carried out, since it repeats another.
    async fn answer_repeated(&self, update: UpdateKind, repeated: Repeated) {
        let UpdateKind::CallbackQuery(query) = update else { return };
        let notice = match repeated {
            Repeated::Running => Chat::slow_press_notice(query.data.as_deref().unwrap_or_default()),
            Repeated::JustDone => Some(views::JUST_MADE),
        };
        self.answer_query(&query, notice.map(str::to_owned)).await;
    }

    async fn dispatch(&self, update: UpdateKind, number: u32, ticket: &Ticket) {
        match update {
            UpdateKind::Message(message) => self.handle_message(&message, number, ticket).await,
            UpdateKind::CallbackQuery(query) => self.handle_press(&query, number, ticket).await,
            UpdateKind::InlineQuery(query) => self.answer_inline(&query).await,
            UpdateKind::MyChatMember(change) => self.handle_membership(&change, number).await,
            UpdateKind::Other { name, chat } => match chat {
                Some(chat) if !self.sender.has_access(chat) => self.log_stranger(chat),
                chat => info!(
                    event = "update_ignored",
                    update = number,
                    kind = name,
                    chat = chat.map(|chat| chat.0),
                    "ignored an update of a kind or form that the bot does not use"
                ),
            },
        }
    }

    async fn handle_message(&self, message: &Message, update: u32, ticket: &Ticket) {
        let destination = destination_of(message);
        let chat = destination.chat;
        if let Some((from, to)) = migration(message)
            && self.sender.has_access(from)
        {
            if let Err(error) = self.sender.record_migration(from, to).await {
                warn!(%from, %to, %error, "could not record that a group became a supergroup");
            }
            return;
        }
        let incoming = self.bot.classify(message);
        if !self.sender.has_access(chat) {
            return self.handle_stranger(message, &incoming).await;
        }
        if self.was_handled_before_restart(update) {
            return;
        }
        self.access.record_name(chat, message.chat.name.clone());
        self.access.set_menu_if_missing(chat).await;
        self.sender.record_presence(chat).await;
        let is_text = matches!(incoming, IncomingMessage::Text { .. });
        let question = is_text.then(|| self.questions.take(chat, Instant::now())).flatten();
        let reply = match incoming {
            IncomingMessage::Text { text, in_reply_to, is_plain } => {
                self.sender.record_topic(destination);
                // A look-up of a device stays one: to give its name to another, reply to the question.
                let answers =
                    is_plain && !text.trim_start().starts_with('/') && !self.chat.names_device(&text);
                let in_reply_to = in_reply_to.or_else(|| question.filter(|_| answers));
                let in_reply_to = in_reply_to.as_deref();
                let author = author_of(message);
                let message = UserMessage {
                    chat,
                    person: author.as_ref(),
                    text: &text,
                    in_reply_to,
                    update: Some(update),
                };
                let work = async |progress| self.chat.answer(message, &progress).await;
                with_progress(&self.sender, destination, work).await
            }
            IncomingMessage::WithoutText if self.may_hint(chat) => views::non_text_message().into(),
            IncomingMessage::Forwarded if self.may_hint(chat) => views::forwarded().into(),
            incoming => return log_ignored(message, &incoming, update),
        };
        self.reply(destination, &reply, ticket).await;
    }

    /// Lets a stranger with a valid code in; otherwise logs the chat and, after `/start`, sends a hint.
    async fn handle_stranger(&self, message: &Message, incoming: &IncomingMessage) {
        let destination = destination_of(message);
        let chat = destination.chat;
        let text = match incoming {
            IncomingMessage::Text { text, .. } => text.as_str(),
            _ => "",
        };
        let start = match commands::request_of_stranger(text) {
            Some(Request::Start { code }) => Some(code.unwrap_or_default()),
            _ => None,
        };
        let code = start.as_deref().or_else(|| bare_code(text).filter(|_| message.chat.is_private));
        let paired = match code.filter(|code| !code.is_empty()) {
            Some(code) => self.access.pair_chat(chat, message.chat.name.clone(), code).await,
            None => None,
        };
        if paired.is_none() {
            self.log_stranger(chat);
        }
        // The hint does not reveal whether there was a code, and whether it is wrong, used or expired.
        let may_hint = || start.is_some() && self.stranger_hints.try_acquire(chat, Instant::now());
        let paired = paired.map(|paired| match paired {
            Ok(role) => self.chat.welcome(chat, role),
            Err(refused) => refused.into(),
        });
        let reply = paired.or_else(|| may_hint().then(|| views::access::stranger(chat).into()));
        if let Some(reply) = reply {
            self.sender.reply(destination, &reply, false).await;
        }
    }

    /// Carries out a button press, and answers its callback query exactly once, at the latest after
    /// [`PRESS_TIMEOUT`].
    async fn handle_press(&self, query: &CallbackQuery, update: u32, ticket: &Ticket) {
        // Only a button under a message of the bot has a message.
        let Some(message) = &query.message else {
            info!(event = "update_ignored", update, "ignored a press of a button whose message is unknown");
            return self.answer_query(query, None).await;
        };
        let destination = Destination { reply_to: None, ..destination_of(message) };
        let chat = destination.chat;
        if !self.sender.has_access(chat) {
            return self.log_stranger(chat);
        }
        if self.was_handled_before_restart(update) {
            return self.answer_query(query, None).await;
        }
        self.sender.record_topic(destination);
        self.sender.record_presence(chat).await;
        self.questions.take(chat, Instant::now());
        let data = query.data.as_deref().unwrap_or_default();
        let person = query.from.as_ref().map(person_of);
        let press = ButtonPress { chat, person: person.as_ref(), data, update: Some(update) };
        let work = async |progress| self.chat.press(press, &progress).await;
        let mut work = pin!(with_progress(&self.sender, destination, work));
        let (press_reply, is_answered) = match Chat::slow_press_notice(data) {
            Some(notice) => (tokio::join!(work, self.answer_query(query, Some(notice.to_owned()))).0, true),
            None => match tokio::time::timeout(PRESS_TIMEOUT, &mut work).await {
                Ok(press_reply) => (press_reply, false),
                Err(_) => (tokio::join!(work, self.answer_query(query, None)).0, true),
            },
        };
        let notification = match &press_reply {
            PressReply::Notify(text) | PressReply::NotifyAndEdit(text, _) => Some(text.clone()),
            PressReply::Send(_) | PressReply::Edit(_) => None,
        };
        match (is_answered, notification) {
            (false, notification) => self.answer_query(query, notification).await,
            // Too late for a notification.
            (true, Some(text)) => self.reply(destination, &Text::plain(text).into(), ticket).await,
            (true, None) => {}
        }
        let editable = |reply: &Reply| {
            Some(message).filter(|message| query.is_accessible && is_editable_into(message, reply))
        };
        match press_reply {
            PressReply::Notify(_) => {}
            PressReply::Send(reply) => self.reply(destination, &reply, ticket).await,
            PressReply::NotifyAndEdit(_, reply) => {
                if let Some(message) = editable(&reply) {
                    self.sender.edit(destination, message.id, &reply).await;
                }
            }
            PressReply::Edit(reply) => match editable(&reply) {
                Some(message) => self.sender.edit(destination, message.id, &reply).await,
                None => self.reply(destination, &reply, ticket).await,
            },
        }
    }

    /// Ends the press of a button, with a notification or without (Bot API, `answerCallbackQuery`).
    async fn answer_query(&self, query: &CallbackQuery, notification: Option<String>) {
        let Some(id) = query.id.clone() else { return };
        let mut request = AnswerCallbackQuery::new(CallbackQueryId(id));
        request.text = notification.map(|text| text.chars().take(NOTIFICATION_LIMIT).collect());
        if let Err(error) = self.api.request(&request).await {
            // Telegram accepts an answer only for some seconds. The press has been carried out all the same.
            debug!(%error, "could not answer a button press");
        }
    }

    /// Logs that the bot was added to a chat, removed from it, or blocked, since alerts to the chat are then dropped
    /// (Bot API, `my_chat_member`).
    async fn handle_membership(&self, change: &ChatMemberUpdated, update: u32) {
        let chat = change.chat.id;
        if !self.sender.has_access(chat) {
            return self.log_stranger(chat);
        }
        self.access.record_name(chat, change.chat.name.clone());
        let Some(is_present) = change.is_present else {
            return info!(event = "update_ignored", update, %chat, "ignored a change of the bot's membership to an unknown status");
        };
        if is_present {
            info!(event = "bot_added", %chat, "the bot was added to a chat, or its rights there changed");
            self.sender.record_presence(chat).await;
            self.sender.record_accepted(chat);
        } else {
            warn!(
                event = "bot_removed",
                %chat,
                "the bot was removed from a chat, or blocked there: alerts to it are dropped until it is back"
            );
            self.sender.record_block(chat, REMOVED).await;
        }
    }

    /// Sends a reply; if too many updates of the chat wait, soon or not at all.
    async fn reply(&self, destination: Destination, reply: &Reply, ticket: &Ticket) {
        if reply.asks_for.is_some() && destination.chat.0 > 0 {
            self.questions.ask(destination.chat, reply.text.to_string(), Instant::now());
        }
        self.sender.reply(destination, reply, ticket.queue_length() > QUEUE_LIMIT).await;
    }

    fn may_hint(&self, chat: ChatId) -> bool {
        self.text_only_hints.try_acquire(chat, Instant::now())
    }

    /// Logs the ID of a chat that is not served, which the operator may want to add.
    fn log_stranger(&self, chat: ChatId) {
        if self.stranger_log.try_acquire(chat, Instant::now()) {
            info!(
                event = "chat_not_served",
                %chat,
                "ignored a chat that is not served; to serve it, add its ID to telegram.chats"
            );
        }
    }

    /// Whether the update made a change in an earlier run.
    fn was_handled_before_restart(&self, update: u32) -> bool {
        let was_handled = self.recorder.state().chats().was_handled(update);
        if was_handled {
            info!(event = "update_repeated", update, "skipped an update that was handled before the restart");
        }
        was_handled
    }
}

/// When an update is handled.
enum Turn {
    /// After the earlier ones of its chat; perhaps as a press that takes long.
    Own(Option<RunningPress>, Ticket),
    /// At once, since it repeats a press.
    Repeated(Repeated),
    /// At once.
    None,
}

/// The chat in whose queue an update belongs.
fn chat_of(update: &UpdateKind) -> Option<ChatId> {
    match update {
        UpdateKind::Message(message) => Some(message.chat.id),
        UpdateKind::CallbackQuery(query) => query.message.as_ref().map(|message| message.chat.id),
        UpdateKind::InlineQuery(_) => None,
        UpdateKind::MyChatMember(change) => Some(change.chat.id),
        UpdateKind::Other { chat, .. } => *chat,
    }
}

/// Logs why a message of a chat with access gets no reply. What people of a group say to each other is logged for
/// debugging only.
fn log_ignored(message: &Message, incoming: &IncomingMessage, update: u32) {
    let (chat, is_service) = (message.chat.id, message.is_service);
    if message.chat.is_private {
        info!(event = "update_ignored", update, %chat, is_service, form = ?incoming, "sent no reply to a message");
    } else {
        debug!(event = "update_ignored", update, %chat, is_service, "a message in a group is not for the bot");
    }
}

/// Whether `message` can be edited to show `reply`: a text can become a text, and a picture a picture (Bot API,
/// "Updating messages").
fn is_editable_into(message: &Message, reply: &Reply) -> bool {
    match reply.file {
        _ if reply.asks_for.is_some() => false,
        // A rich message has no text that a server knows which is older than those.
        None => message.text.is_some() || !(message.has_photo || message.has_document),
        Some(File::Picture { .. }) => message.has_photo,
        Some(File::Document { .. }) => false,
    }
}

/// Where to send the reply to a message.
fn destination_of(message: &Message) -> Destination {
    Destination {
        chat: message.chat.id,
        topic: message.topic,
        reply_to: (!message.chat.is_private).then_some(message.id),
    }
}

/// Who wrote the message. Who writes as the group, or as a channel, has the ID and the title of that.
fn author_of(message: &Message) -> Option<Person> {
    let as_chat = |chat: &TelegramChat| person(chat.id, &chat.name);
    message.sender_chat.as_ref().map(as_chat).or_else(|| message.from.as_ref().map(person_of))
}

/// The person. Their private chat with the bot has the ID of their account.
fn person_of(user: &User) -> Person {
    person(ChatId(user.id), &user.name)
}

fn person(id: ChatId, name: &str) -> Person {
    Person { id, name: name.chars().take(PERSON_LENGTH).collect() }
}

/// The old and the new ID of a group, if the message says that it became a supergroup. Telegram sends one such
/// message to the group and one to the supergroup (Bot API, `Message`, `migrate_to_chat_id`, `migrate_from_chat_id`).
fn migration(message: &Message) -> Option<(ChatId, ChatId)> {
    let chat = message.chat.id;
    match (message.migrate_to, message.migrate_from) {
        (Some(to), _) => Some((chat, to)),
        (_, Some(from)) => Some((from, chat)),
        _ => None,
    }
}

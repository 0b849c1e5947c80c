//! The bot: updates from Telegram become messages for the chat, replies and alerts go back.
//!
//! What must hold:
//! - Whether a chat is served is decided before anything else is looked at. A stranger gets no answer.
//! - An update is acknowledged to Telegram (by the webhook's 200, or the next `getUpdates`) only after its
//!   change is on disk and its reply was sent or given up, so a crash in between repeats the update
//!   instead of losing it. An update that comes again acts once: this process remembers what it handled, and
//!   the state, over restarts, which updates made a change.
//! - The token and the webhook's secret are in no message and no log line: errors of teloxide and reqwest,
//!   which name the address of a request, are put into words here ([`api::Failure`]).

mod api;
mod health;
mod notices;
mod outbox;
mod pacing;
mod polling;
mod quiet;
mod sender;
mod told;
mod webhook;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use teloxide::payloads::{GetMe, SetMyCommands};
use teloxide::types::{BotCommand, Message, Update, UpdateId, UpdateKind};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::chat::request::COMMANDS;
use crate::chat::{self, Chat};
use crate::config::{self, Telegram, Updates};
use crate::event::ChatId;
use crate::recorder::RecorderHandle;
use api::Api;
use quiet::Quiet;
use sender::Sender;

/// The bot cannot serve, and trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum TelegramError {
    /// Telegram does not know the token.
    #[error("Telegram refused the bot's token: check telegram.token, or ask @BotFather for a new one")]
    Token,
    /// The webhook's address cannot be listened on.
    #[error("could not listen on {address} for the webhook (telegram.webhook.listen): {source}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no random numbers for the webhook's secret.
    #[error("could not make a secret for the webhook: {0}")]
    Secret(String),
    /// The HTTP client cannot be made.
    #[error("could not set up HTTPS: {0}")]
    Client(String),
}

/// How many updates are remembered, so that one that Telegram repeats is handled once.
const REMEMBERED_UPDATES: usize = 1024;

/// A stranger is logged at most this often, and at most so many strangers in that time.
const STRANGER_INTERVAL: Duration = Duration::from_secs(3600);
const STRANGERS: usize = 64;

/// Serves the configured chats until `stop`.
///
/// # Errors
/// [`TelegramError`] where the bot cannot serve; a Telegram that is merely out of reach is waited for.
pub async fn run(
    settings: Telegram,
    chat: Chat,
    recorder: RecorderHandle,
    stop: CancellationToken,
) -> Result<(), TelegramError> {
    if settings.chats.is_empty() {
        warn!(
            "telegram.chats is empty, so nobody is served: write to the bot, and the number of the chat \
             appears here"
        );
    }
    let api = Api::new(&settings)?;
    let sender = Sender::new(api.clone(), recorder.clone(), &settings.chats);
    let config::Delivery { gather, quiet, silence } = settings.delivery;
    let quiet = Quiet { hours: quiet, zone: chat.zone() };
    let delivery = outbox::deliver(sender.clone(), recorder.clone(), gather, quiet, stop.clone());
    let notices = notices::tell(sender.clone(), recorder.clone(), quiet, stop.clone());
    let health = health::tell(sender.clone(), chat.clone(), silence, quiet, stop.clone());
    let updates = async {
        let outcome = receive(settings, api, sender, chat, recorder, &stop).await;
        // Without updates there is no bot: its end takes the rest with it.
        stop.cancel();
        outcome
    };
    let ((), (), (), outcome) = tokio::join!(delivery, notices, health, updates);
    outcome
}

async fn receive(
    settings: Telegram,
    api: Api,
    sender: Sender,
    chat: Chat,
    recorder: RecorderHandle,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    let updates = settings.updates.clone();
    let listener = match &updates {
        Updates::Webhook(webhook) => Some(webhook::listen(webhook.listen).await?),
        Updates::Polling => None,
    };
    let Some(me) = api.until_answered("getMe", &GetMe::new(), stop).await? else { return Ok(()) };
    info!("connected to Telegram as @{}", me.username());
    let menu = COMMANDS.map(|command| BotCommand::new(command.name, command.purpose));
    if let Err(failure) = api.ask(&SetMyCommands::new(menu)).await {
        warn!("could not set the bot's menu of commands: {failure}");
    }
    let handler = Arc::new(Handler {
        username: me.username().to_lowercase(),
        sender,
        chat,
        recorder,
        handled: Mutex::default(),
        strangers: Mutex::default(),
    });
    match (updates, listener) {
        (Updates::Webhook(webhook), Some(listener)) => {
            webhook::run(&webhook, &settings.token, listener, &api, handler, stop).await
        }
        _ => polling::run(&api, handler, stop).await,
    }
}

/// Set once an update was handled to its end.
type Handled = Arc<OnceCell<()>>;

/// Handles updates, wherever they come from.
struct Handler {
    username: String,
    sender: Sender,
    chat: Chat,
    recorder: RecorderHandle,
    handled: Mutex<VecDeque<(UpdateId, Handled)>>,
    strangers: Mutex<HashMap<ChatId, Instant>>,
}

impl Handler {
    /// Handles an update to its end: when this returns, a change is on disk and the reply is out. One that
    /// comes again meanwhile waits for the same end, and takes over where the first was broken off.
    async fn handle(&self, update: Update) {
        self.handled_of(update.id).get_or_init(|| self.act_on(update)).await;
    }

    async fn act_on(&self, update: Update) {
        // What else there is (edits, channel posts, members) asks for nothing.
        let UpdateKind::Message(message) = update.kind else { return };
        let from = ChatId(message.chat.id.0);
        if let Some((before, now)) = migration(&message)
            && self.sender.serves(before)
        {
            if let Err(error) = self.sender.follow(before, now).await {
                warn!("the group {before} became {now}, which could not be noted: {error}");
            }
            return;
        }
        if !self.sender.serves(from) {
            return self.note_stranger(from);
        }
        let UpdateId(number) = update.id;
        if self.recorder.state().chats().has_answered(number) {
            return info!("update {number} was acted on before a restart; it is not repeated");
        }
        if let Some(text) = message.text().and_then(|text| self.meant_for_me(text)) {
            let heard = chat::Message { chat: from, text: &text, in_reply_to: None, update: Some(number) };
            let answer = self.chat.answer(heard, &chat::Progress::untold()).await;
            self.sender.reply(&message, &answer.text).await;
        }
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

    /// The text, unless it is a command for another bot of the same group.
    fn meant_for_me(&self, text: &str) -> Option<String> {
        let first = text.split_whitespace().next()?;
        match first.strip_prefix('/').and_then(|command| command.split_once('@')) {
            Some((_, bot)) if bot.to_lowercase() != self.username => None,
            _ => Some(text.to_owned()),
        }
    }

    /// Tells the operator of a chat that is not served, so that the owner's own can be let in.
    fn note_stranger(&self, chat: ChatId) {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.retain(|_, seen| seen.elapsed() < STRANGER_INTERVAL);
        if strangers.len() < STRANGERS && strangers.insert(chat, Instant::now()).is_none() {
            info!("chat {chat} wrote and was not answered; to serve it, add {chat} to telegram.chats");
        }
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

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// The topic of a forum that a reply belongs into.
fn topic_of(message: &Message) -> Option<teloxide::types::ThreadId> {
    message.thread_id.filter(|_| message.is_topic_message)
}

//! The bot: updates from Telegram become messages for the chat, replies and alerts go back.
//!
//! What must hold:
//! - Whether a chat is served is decided before anything else is looked at. A stranger gets no answer.
//! - An update is acknowledged to Telegram (by the webhook's 200, or the next `getUpdates`) only after its
//!   change is on disk and its reply was sent or given up, so a crash in between repeats the update
//!   instead of losing it. An update that comes again acts once: this process remembers what it handled, and
//!   the state, over restarts, which updates made a change.
//! - The token and the webhook's secret are in no message and no log line: errors of teloxide and reqwest,
//!   which name the address of a request, are put into words here ([`api::RequestError`]).

mod access;
mod api;
mod bot_commands;
mod bot_status;
mod chat_queue;
mod disk_notifier;
mod handler;
mod incident_state;
mod incoming;
mod metrics;
mod outbox;
mod outgoing;
mod polling;
mod progress_indicator;
mod quiet_hours;
mod rate_limiter;
mod sender;
mod source_notifier;
mod token_bucket;
mod topics;
mod webhook;

use std::net::SocketAddr;
use std::path::Path;

use teloxide::payloads::GetMe;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::chat::Chat;
use crate::config::{self, Telegram, Updates};
use crate::http::CertificateError;
use crate::recorder::RecorderHandle;
use access::Access;
use api::Api;
pub use bot_status::{BotStatus, ConfiguredWebhook, QueryError, WebhookStatus, query_bot_status};
use handler::Handler;
use incoming::Me;
pub use metrics::RequestMetrics;
use quiet_hours::LocalQuietHours;
use sender::Sender;
use webhook::WebhookListener;

/// Why the bot cannot serve. Trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum TelegramError {
    /// Telegram rejects the token.
    #[error("Telegram refused the bot's token")]
    Token,
    /// The webhook's listener cannot bind its address.
    #[error("could not listen on {address} for the webhook (telegram.webhook.listen): {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// The webhook's port needs a capability that the process does not have.
    #[error(
        "could not listen on {address} for the webhook: ports below 1024 need the capability CAP_NET_BIND_SERVICE"
    )]
    ListenPermission {
        /// The configured address.
        address: SocketAddr,
    },
    /// The webhook's certificate cannot be made.
    #[error("could not make a certificate for the host in telegram.webhook.url: {0}")]
    Certificate(CertificateError),
    /// The system gives no random numbers for the webhook's secret.
    #[error("could not make a secret for the webhook: {0}")]
    Secret(String),
    /// The HTTP client cannot be set up.
    #[error("could not set up HTTPS: {0}")]
    Client(String),
}

impl TelegramError {
    /// What the operator can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Token => Some("check telegram.token, or ask @BotFather for a new one"),
            Self::Listen { .. } => Some("set telegram.webhook.listen to a free address of this machine"),
            Self::ListenPermission { .. } => Some(
                "use port 8443 in telegram.webhook.url, or set telegram.webhook.listen to a port above 1023 and have \
                 the router forward to it",
            ),
            Self::Certificate(_) => Some("check the host in telegram.webhook.url"),
            Self::Client(_) => Some("install the system's CA certificates"),
            Self::Secret(_) => None,
        }
    }
}

/// Serves the chats that the configuration names, and those that let themselves in, until `stop`. How requests
/// to Telegram go is counted in `requests`; a certificate for the webhook is kept in `data_dir`.
///
/// # Errors
/// [`TelegramError`] where the bot cannot serve; a Telegram that is merely out of reach is waited for.
pub async fn run(
    settings: Telegram,
    data_dir: &Path,
    chat: Chat,
    recorder: RecorderHandle,
    requests: RequestMetrics,
    stop: CancellationToken,
) -> Result<(), TelegramError> {
    let api = Api::new(&settings, requests)?;
    let sender = Sender::new(api.clone(), recorder.clone(), &settings.chats);
    let config::Delivery { gather, quiet, silence } = settings.delivery;
    let quiet = LocalQuietHours { hours: quiet, zone: chat.zone() };
    let delivery = outbox::deliver(sender.clone(), recorder.clone(), gather, quiet, stop.clone());
    let notices = disk_notifier::run(sender.clone(), recorder.clone(), quiet, stop.clone());
    let health = source_notifier::run(
        sender.clone(),
        chat.clone(),
        recorder.history().clone(),
        silence,
        quiet,
        stop.clone(),
    );
    let updates = async {
        let outcome = serve(settings, data_dir, api, sender, chat, recorder, &stop).await;
        // Without updates there is no bot: its end takes the rest with it.
        stop.cancel();
        outcome
    };
    let ((), (), (), outcome) = tokio::join!(delivery, notices, health, updates);
    outcome
}

async fn serve(
    settings: Telegram,
    data_dir: &Path,
    api: Api,
    sender: Sender,
    chat: Chat,
    recorder: RecorderHandle,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    let updates = settings.updates.clone();
    let entrance = match &updates {
        Updates::Webhook(webhook) => Some(WebhookListener::open(webhook, data_dir).await?),
        Updates::Polling => None,
    };
    let Some(me) = api.until_answered("getMe", &GetMe::new(), stop).await? else { return Ok(()) };
    info!(event = "telegram_connected", bot = %me.username(), "connected to Telegram");
    let access =
        Access::new(api.clone(), sender.clone(), recorder.clone(), &settings, chat.zone(), me.username());
    let known = Me { id: me.id, username: me.username().to_owned() };
    let handler = Handler::new(known, api.clone(), sender.clone(), access.clone(), chat, recorder.clone());
    let owners = access.all_owners();
    let menus = bot_commands::set_all(&api, &sender, &recorder, &owners);
    let beside = async {
        tokio::join!(menus, access.offer_ownership(stop));
        std::future::pending().await
    };
    tokio::select! {
        outcome = receive(updates, entrance, &settings, &api, handler, stop) => outcome,
        never = beside => never,
    }
}

/// Hands updates to the handler until `stop`.
async fn receive(
    updates: Updates,
    entrance: Option<WebhookListener>,
    settings: &Telegram,
    api: &Api,
    handler: std::sync::Arc<Handler>,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    match (updates, entrance) {
        (Updates::Webhook(webhook), Some(entrance)) => {
            webhook::run(&webhook, &settings.token, entrance, api, handler, stop).await
        }
        _ => polling::run(api, handler, stop).await,
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

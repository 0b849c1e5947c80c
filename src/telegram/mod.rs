//! The Telegram bot: receives updates, hands messages to the chat, and sends replies and alerts.
//!
//! Invariants:
//! - Whether a chat is served is decided before anything else is read. A stranger gets no answer but, at most, a hint
//!   on how the owner can authorise it.
//! - An update is acknowledged to Telegram (by the webhook's 200 or the next `getUpdates`) only after its change is on
//!   disk and its reply was sent or dropped, or waits because Telegram asked the bot to (`delayed_replies`). So after a
//!   crash Telegram repeats the update, and none is lost.
//! - A repeated update acts once: this process remembers what it handled, and the state remembers over restarts which
//!   updates made a change.
//! - No message and no log line contains the token or the webhook's secret. Errors of teloxide and reqwest name the
//!   address of a request, which contains the token, so `request_error` rewords them.
//!
//! The update loops are the project's own. teloxide's webhook answers 200 before the handler has run, and its polling
//! acknowledges updates before they are handled, so a crash would lose them; it also parses updates itself, so that one
//! part of an unknown kind would hide a whole message (`update`).

mod access;
mod api;
mod backoff;
mod bot_commands;
mod bot_status;
mod chat_queue;
mod clock_notifier;
mod conflict_notifier;
mod delayed_replies;
mod delivery_schedule;
mod disk_notifier;
mod draft;
mod error;
mod group_admins;
mod handled_updates;
mod handler;
mod incident_state;
mod incoming;
mod inline_queries;
mod keyboard;
mod metrics;
mod notifier;
mod outbox;
mod outgoing;
mod pending_question;
mod polling;
mod progress_indicator;
mod proposal_notifier;
mod rate_limiter;
mod request_error;
mod sender;
mod sent_warnings;
mod server_features;
mod slow_presses;
mod source_notifier;
mod token_bucket;
mod topics;
mod update;
mod webhook;

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use store::recorder::RecorderHandle;
use teloxide::payloads::GetMe;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::chat::Chat;
use crate::config::{self, Telegram, Updates};
use crate::status::TelegramProblems;
use access::Access;
use api::Api;
pub use bot_status::{BotStatus, ConfiguredWebhook, QueryError, WebhookStatus, query_bot_status};
pub use error::TelegramError;
use handler::Handler;
use incoming::BotIdentity;
pub use metrics::RequestMetrics;
use notifier::Notifier;
use outbox::Outbox;
use sender::Sender;
use sent_warnings::SentWarnings;
use webhook::WebhookListener;

/// Runs the bot until `stop`. Serves the configured chats and those that were invited. Counts its requests in
/// `metrics`, and keeps the webhook's certificate in `data_dir`.
///
/// # Errors
/// [`TelegramError`] if the bot cannot serve. While Telegram is out of reach, the bot keeps trying.
pub async fn run(
    settings: Telegram,
    data_dir: &Path,
    chat: Chat,
    recorder: RecorderHandle,
    metrics: RequestMetrics,
    stop: CancellationToken,
) -> Result<(), TelegramError> {
    let api = Api::new(&settings, metrics, chat.requested_waits(), chat.server_features())?;
    let problems = chat.telegram_problems();
    let sender = Sender::new(api.clone(), recorder.clone(), &settings.chats, problems.clone());
    let silence = settings.silence;
    let outbox = Outbox {
        sender: sender.clone(),
        recorder: recorder.clone(),
        settings: chat.configured_settings(),
        stop: stop.clone(),
    };
    let notifier = Notifier {
        sender: sender.clone(),
        recorder: recorder.clone(),
        settings: chat.configured_settings(),
        warnings: SentWarnings::open(data_dir),
    };
    let source_notifier = source_notifier::run(&notifier, chat.clone(), silence);
    let notifiers = stop.run_until_cancelled(async {
        tokio::join!(
            disk_notifier::run(&notifier),
            source_notifier,
            clock_notifier::run(&notifier),
            conflict_notifier::run(&notifier, &problems),
        )
    });
    let updates = async {
        let outcome = serve(settings, data_dir, api, sender, chat, recorder, &stop).await;
        // Without updates there is no bot, so the other parts end with them.
        stop.cancel();
        outcome
    };
    let ((), _, outcome) = tokio::join!(outbox.run(), notifiers, updates);
    outcome
}

/// Connects to Telegram, then handles updates until `stop`. Meanwhile sets the command menus, and logs a code for the
/// first owner.
async fn serve(
    settings: Telegram,
    data_dir: &Path,
    api: Api,
    sender: Sender,
    chat: Chat,
    recorder: RecorderHandle,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    // A bad address or certificate must show before the bot waits for Telegram.
    let receiver = Receiver::new(&settings, data_dir).await?;
    let Some(me) = api.request_until_accepted(&GetMe::new(), stop).await? else { return Ok(()) };
    info!(event = "telegram_connected", bot = %me.username(), "connected to Telegram");
    let access = Access::new(
        api.clone(),
        sender.clone(),
        recorder.clone(),
        &settings,
        chat.configured_settings(),
        me.username(),
    );
    let bot = BotIdentity {
        id: me.id,
        username: me.username().to_owned(),
        has_inline_mode: me.supports_inline_queries,
    };
    let (problems, ownership) = (chat.telegram_problems(), chat.ownership());
    let handler = Handler::new(bot, api.clone(), sender.clone(), access.clone(), chat, recorder.clone());
    let background = async {
        tokio::join!(
            access.set_all_menus(),
            access.offer_ownership(&ownership, stop),
            proposal_notifier::run(&access, &sender, &recorder),
        );
        pending().await
    };
    tokio::select! {
        outcome = receiver.run(&settings, &api, &problems, handler, stop) => outcome,
        never = background => never,
    }
}

/// How often to check whether quiet hours or a mute have ended: the system's clock may be set meanwhile.
const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// How updates come in.
enum Receiver {
    Webhook(Box<(config::Webhook, WebhookListener)>),
    Polling,
}

impl Receiver {
    async fn new(settings: &Telegram, data_dir: &Path) -> Result<Self, TelegramError> {
        Ok(match &settings.updates {
            Updates::Webhook(webhook) => {
                let listener = WebhookListener::bind(webhook, data_dir).await?;
                Self::Webhook(Box::new((webhook.clone(), listener)))
            }
            Updates::Polling => Self::Polling,
        })
    }

    /// Passes updates to the handler until `stop`.
    async fn run(
        self,
        settings: &Telegram,
        api: &Api,
        problems: &TelegramProblems,
        handler: std::sync::Arc<Handler>,
        stop: &CancellationToken,
    ) -> Result<(), TelegramError> {
        match self {
            Self::Webhook(webhook) => {
                let (webhook, listener) = *webhook;
                webhook::run(&webhook, &settings.token, listener, api, handler, stop).await
            }
            Self::Polling => polling::run(api, problems, handler, stop).await,
        }
    }
}

/// Sleeps until `wake`, or forever.
async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => pending().await,
    }
}

/// The earlier of two moments to wake at.
fn earliest(wake: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(wake.map_or(other, |wake| wake.min(other)))
}

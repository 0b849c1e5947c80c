//! Asks the Bot API server once what it knows of the bot and its webhook, for `doctor`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::event::Timestamp;
use teloxide::payloads::{GetMe, GetWebhookInfo};
use teloxide::requests::Payload;
use url::Url;

use super::api::Api;
use super::request_error::RequestError;
use super::{RequestMetrics, TelegramError, webhook};
use crate::config::{Telegram, Tls, Updates};
use crate::status::{RequestedWaits, ServerFeatures};

/// How long one response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);

/// What the server knows of the bot, and the webhook as it is configured.
#[derive(Debug, Serialize, Deserialize)]
pub struct BotStatus {
    /// The server's host.
    pub server: String,
    /// The configured webhook; `None` if the bot polls.
    pub configured: Option<ConfiguredWebhook>,
    /// The bot's username, without the `@`.
    pub bot: Result<String, QueryError>,
    /// The webhook that the server knows.
    pub webhook: Result<WebhookStatus, QueryError>,
}

/// The webhook as it is configured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ConfiguredWebhook {
    /// Who serves TLS.
    pub tls: Tls,
    /// The address on which the bot listens.
    pub listen: SocketAddr,
    /// The port of the public address, to which the server posts.
    pub public_port: u16,
}

/// Why the server gave no answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum QueryError {
    /// It rejects the token.
    Token,
    /// It did not respond in time.
    TimedOut,
    /// Another reason.
    Failed(String),
}

/// The webhook that the server knows (Bot API, `WebhookInfo`), without its secret path.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookStatus {
    /// The host to which the server posts; `None` if no webhook is set.
    pub host: Option<String>,
    /// Whether the webhook is set to the configured address, or neither is there.
    pub matches_configuration: bool,
    /// Whether the server accepts an uploaded certificate and no other.
    pub has_certificate: bool,
    /// The number of updates that wait for delivery.
    pub pending: u64,
    /// When a delivery last failed, and the server's message.
    pub last_error: Option<(Timestamp, String)>,
}

/// The fields of `WebhookInfo` that are read.
#[derive(Deserialize)]
struct WebhookInfo {
    #[serde(default)]
    url: String,
    #[serde(default)]
    has_custom_certificate: bool,
    #[serde(default)]
    pending_update_count: u64,
    last_error_date: Option<i64>,
    last_error_message: Option<String>,
}

/// Asks the server of `settings` for the bot's and the webhook's status.
///
/// # Errors
/// [`TelegramError::Client`] if the HTTP client cannot be built.
pub async fn query_bot_status(settings: &Telegram) -> Result<BotStatus, TelegramError> {
    #[derive(Deserialize)]
    struct User {
        username: String,
    }
    let api =
        Api::new(settings, RequestMetrics::default(), RequestedWaits::default(), ServerFeatures::default())?;
    let (bot, info) = tokio::join!(
        query::<_, User>(&api, GetMe::new()),
        query::<_, WebhookInfo>(&api, GetWebhookInfo::new())
    );
    let (expected, configured) = match &settings.updates {
        Updates::Webhook(webhook) => {
            let public_port = webhook.url.port_or_known_default().unwrap_or_default();
            let configured = ConfiguredWebhook { tls: webhook.tls, listen: webhook.listen, public_port };
            (Some(webhook::public_url(webhook, &settings.token)), Some(configured))
        }
        Updates::Polling => (None, None),
    };
    Ok(BotStatus {
        server: settings.api_url.host_str().unwrap_or_default().to_owned(),
        configured,
        bot: bot.map(|bot| bot.username),
        webhook: info.map(|info| info.into_status(expected.as_ref())),
    })
}

async fn query<P: Payload + Serialize, T: DeserializeOwned>(api: &Api, payload: P) -> Result<T, QueryError> {
    match tokio::time::timeout(RESPONSE_TIMEOUT, api.request_as(&payload)).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(RequestError::Token)) => Err(QueryError::Token),
        Ok(Err(error)) => Err(QueryError::Failed(error.to_string())),
        Err(_) => Err(QueryError::TimedOut),
    }
}

impl WebhookInfo {
    /// The status, compared with the `expected` address.
    fn into_status(self, expected: Option<&Url>) -> WebhookStatus {
        let url = self.url.parse::<Url>().ok();
        let matches_configuration = url.as_ref() == expected;
        let host = url.and_then(|url| Some(url.host_str()?.to_owned()));
        let time = Timestamp::from_micros(self.last_error_date.unwrap_or_default().saturating_mul(1_000_000));
        let last_error = self.last_error_message.map(|message| (time, message));
        WebhookStatus {
            host,
            matches_configuration,
            has_certificate: self.has_custom_certificate,
            pending: self.pending_update_count,
            last_error,
        }
    }
}

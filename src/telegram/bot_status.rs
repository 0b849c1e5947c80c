//! What the Bot API server says of the bot and its webhook, asked once: for who looks whether all is well.

use std::net::SocketAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use teloxide::payloads::{GetMe, GetWebhookInfo};
use teloxide::requests::Payload;
use url::Url;

use super::api::{Api, RequestError};
use super::{RequestMetrics, TelegramError, webhook};
use crate::config::{Telegram, Tls, Updates};
use crate::event::Timestamp;

/// How long one answer may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(8);

/// What the server said, and what the configuration says of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct BotStatus {
    /// The server's host.
    pub server: String,
    /// Where it is to post; `None` where the bot polls.
    pub wanted: Option<ConfiguredWebhook>,
    /// The bot's name, without the `@`.
    pub bot: Result<String, QueryError>,
    /// What it knows of the webhook.
    pub webhook: Result<WebhookStatus, QueryError>,
}

/// The webhook as it is configured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ConfiguredWebhook {
    /// Who serves TLS.
    pub tls: Tls,
    /// Where the bot listens.
    pub listen: SocketAddr,
    /// The port to which the server posts.
    pub outside: u16,
}

/// Why the server said nothing.
#[derive(Debug, Serialize, Deserialize)]
pub enum QueryError {
    /// It does not know the token.
    Token,
    /// There was no answer in time.
    TimedOut,
    /// Another reason.
    Failed(String),
}

/// What the server knows of the webhook. Its path, which nobody is to know, is not part of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookStatus {
    /// The host that it posts to, where a webhook is set.
    pub host: Option<String>,
    /// Whether that is the configured address.
    pub is_ours: bool,
    /// Whether it trusts a certificate that was uploaded, and no other.
    pub has_certificate: bool,
    /// Updates that wait.
    pub pending: u64,
    /// When posting failed last, and what the server says of it.
    pub last_error: Option<(Timestamp, String)>,
}

/// What is read of the answer to `getWebhookInfo`.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    url: String,
    #[serde(default)]
    has_custom_certificate: bool,
    #[serde(default)]
    pending_update_count: u64,
    last_error_date: Option<i64>,
    last_error_message: Option<String>,
}

/// Asks the server of `settings`.
///
/// # Errors
/// [`TelegramError`] where there is no client to be had.
pub async fn query_bot_status(settings: &Telegram) -> Result<BotStatus, TelegramError> {
    #[derive(Deserialize)]
    struct Named {
        username: String,
    }
    let api = Api::new(settings, RequestMetrics::default())?;
    let (bot, info) =
        tokio::join!(ask::<_, Named>(&api, GetMe::new()), ask::<_, Info>(&api, GetWebhookInfo::new()));
    let (expected, wanted) = match &settings.updates {
        Updates::Webhook(configured) => {
            let outside = configured.url.port_or_known_default().unwrap_or_default();
            let wanted = ConfiguredWebhook { tls: configured.tls, listen: configured.listen, outside };
            (Some(webhook::address(configured, &settings.token)), Some(wanted))
        }
        Updates::Polling => (None, None),
    };
    Ok(BotStatus {
        server: settings.api_url.host_str().unwrap_or_default().to_owned(),
        wanted,
        bot: bot.map(|bot| bot.username),
        webhook: info.map(|info| info.compared(expected.as_ref())),
    })
}

async fn ask<P: Payload + serde::Serialize, T: DeserializeOwned>(
    api: &Api,
    payload: P,
) -> Result<T, QueryError> {
    match tokio::time::timeout(RESPONSE_TIMEOUT, api.ask_for(&payload)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(RequestError::Token)) => Err(QueryError::Token),
        Ok(Err(failure)) => Err(QueryError::Failed(failure.to_string())),
        Err(_) => Err(QueryError::TimedOut),
    }
}

impl Info {
    fn compared(self, expected: Option<&Url>) -> WebhookStatus {
        let set = self.url.parse::<Url>().ok();
        let is_ours = set.as_ref() == expected;
        let host = set.and_then(|url| Some(url.host_str()?.to_owned()));
        let time = Timestamp::from_micros(self.last_error_date.unwrap_or_default().saturating_mul(1_000_000));
        let last_error = self.last_error_message.map(|message| (time, message));
        WebhookStatus {
            host,
            is_ours,
            has_certificate: self.has_custom_certificate,
            pending: self.pending_update_count,
            last_error,
        }
    }
}

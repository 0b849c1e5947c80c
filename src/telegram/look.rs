//! What the Bot API server says of the bot and its webhook, asked once: for who looks whether all is well.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use teloxide::payloads::{GetMe, GetWebhookInfo};
use teloxide::requests::Payload;
use url::Url;

use super::api::{Api, Failure};
use super::{Requests, TelegramError, webhook};
use crate::config::{Telegram, Updates};
use crate::event::Timestamp;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What the server said.
#[derive(Debug)]
pub struct Look {
    /// The bot's name, without the `@`.
    pub bot: Result<String, Unsaid>,
    /// What it knows of the webhook.
    pub webhook: Result<WebhookLook, Unsaid>,
}

/// Why the server said nothing.
#[derive(Debug)]
pub enum Unsaid {
    /// It does not know the token.
    Token,
    /// There was no answer in time.
    TimedOut,
    /// Another reason.
    Failed(String),
}

/// What the server knows of the webhook. Its path, which nobody is to know, is not part of it.
#[derive(Debug, PartialEq, Eq)]
pub struct WebhookLook {
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
pub async fn look(settings: &Telegram) -> Result<Look, TelegramError> {
    #[derive(Deserialize)]
    struct Named {
        username: String,
    }
    let api = Api::new(settings, Requests::default())?;
    let (bot, info) =
        tokio::join!(ask::<_, Named>(&api, GetMe::new()), ask::<_, Info>(&api, GetWebhookInfo::new()));
    let expected = match &settings.updates {
        Updates::Webhook(configured) => Some(webhook::address(configured, &settings.token)),
        Updates::Polling => None,
    };
    Ok(Look { bot: bot.map(|bot| bot.username), webhook: info.map(|info| info.compared(expected.as_ref())) })
}

async fn ask<P: Payload + serde::Serialize, T: DeserializeOwned>(api: &Api, payload: P) -> Result<T, Unsaid> {
    match tokio::time::timeout(PATIENCE, api.ask_for(&payload)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(Failure::Token)) => Err(Unsaid::Token),
        Ok(Err(failure)) => Err(Unsaid::Failed(failure.to_string())),
        Err(_) => Err(Unsaid::TimedOut),
    }
}

impl Info {
    fn compared(self, expected: Option<&Url>) -> WebhookLook {
        let set = self.url.parse::<Url>().ok();
        let is_ours = set.as_ref() == expected;
        let host = set.and_then(|url| Some(url.host_str()?.to_owned()));
        let time = Timestamp::from_micros(self.last_error_date.unwrap_or_default().saturating_mul(1_000_000));
        let last_error = self.last_error_message.map(|message| (time, message));
        WebhookLook {
            host,
            is_ours,
            has_certificate: self.has_custom_certificate,
            pending: self.pending_update_count,
            last_error,
        }
    }
}

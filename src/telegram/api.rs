//! Requests to the Bot API.
//!
//! teloxide provides the methods with their types, and the HTTP client; this module sends the requests. teloxide's
//! own sender sleeps ten seconds after a server error, whatever else is waiting, and drops the error code of a
//! refusal.
//!
//! - No request follows a redirect: the other host would get the bot's token, in the address or as its `Referer`.
//! - A response is read up to [`RESPONSE_LIMIT`]; serde_json bounds the depth of its JSON at 128.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, redirect};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::event::ChatId;
use teloxide::Bot;
use teloxide::payloads::{GetUpdates, GetUpdatesSetters, SetWebhook};
use teloxide::requests::Payload;
use teloxide::types::{AllowedUpdate, MessageId, True};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use super::backoff::{Backoff, MAX_WAIT};
use super::outgoing::{
    OutgoingMessage, Upload, edit_picture, edit_rich, edit_text, fits, webhook_with_certificate,
};
use super::request_error::{RequestError, Response, with_causes};
use super::server_features::{MessageForm, OPTIONAL_METHODS, send_in_accepted_form};
use super::update::{Update, elements_of_result, read_updates};
use super::{RequestMetrics, TelegramError};
use crate::chat::{File, Reply};
use crate::config::Telegram;
use crate::status::{RequestedWaits, ServerFeatures, WaitsWith};
use crate::text::TimeMarkup;

/// How long Telegram holds `getUpdates` open while there is no update (Bot API, `getUpdates`, `timeout`).
pub(super) const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request may take, with one second more for every [`UPLOAD_BYTES_PER_SECOND`] of a file.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(17);
const UPLOAD_BYTES_PER_SECOND: usize = 64 << 10;

/// The longest response that is read, in bytes. A hundred updates take less than a tenth of it.
const RESPONSE_LIMIT: usize = 8 << 20;

/// The kinds of updates to request (Bot API, `allowed_updates`). Edited messages are not among them: the original
/// request has been carried out.
pub(super) const UPDATES: [AllowedUpdate; 3] =
    [AllowedUpdate::Message, AllowedUpdate::CallbackQuery, AllowedUpdate::MyChatMember];

/// As [`UPDATES`], if inline mode is on.
pub(super) const UPDATES_WITH_INLINE: [AllowedUpdate; 4] = [
    AllowedUpdate::Message,
    AllowedUpdate::CallbackQuery,
    AllowedUpdate::InlineQuery,
    AllowedUpdate::MyChatMember,
];

/// The part of a sent `Message` that is read. Ignoring the rest keeps an unknown form from looking like a failure,
/// which would send the message again.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SentMessage {
    message_id: Option<i32>,
}

/// The Bot API of the configured server.
#[derive(Clone)]
pub(super) struct Api {
    bot: Bot,
    /// As `bot`, with the longer timeout of `getUpdates`.
    polling_bot: Bot,
    metrics: RequestMetrics,
    /// Waits with updates and alerts that the server asked for.
    waits: RequestedWaits,
    /// What the server is known to lack.
    features: ServerFeatures,
}

impl Api {
    /// # Errors
    /// [`TelegramError::Client`] if the HTTP client cannot be built.
    pub(super) fn new(
        settings: &Telegram,
        metrics: RequestMetrics,
        waits: RequestedWaits,
        features: ServerFeatures,
    ) -> Result<Self, TelegramError> {
        let bot = |timeout: Duration| {
            let client = teloxide::net::default_reqwest_settings()
                .timeout(timeout)
                .redirect(redirect::Policy::none())
                .build()
                .map_err(|error| {
                    TelegramError::Client(with_causes("the client could not be built", &error))
                })?;
            Ok(Bot::with_client(settings.token.reveal(), client).set_api_url(settings.api_url.clone()))
        };
        let polling_bot = bot(POLL_TIMEOUT + Duration::from_secs(10))?;
        Ok(Self { bot: bot(REQUEST_TIMEOUT)?, polling_bot, metrics, waits, features })
    }

    /// Sends a request once.
    pub(super) async fn request<P>(&self, payload: &P) -> Result<P::Output, RequestError>
    where
        P: Payload + Serialize,
        P::Output: DeserializeOwned,
    {
        self.request_as(payload).await
    }

    /// As [`Api::request`], and reads the result as another type.
    pub(super) async fn request_as<P: Payload + Serialize, T: DeserializeOwned>(
        &self,
        payload: &P,
    ) -> Result<T, RequestError> {
        self.measure(P::NAME, json_request(&self.bot, payload)?, parse).await
    }

    /// Repeats a request until Telegram accepts it; returns `None` if `stop` comes first.
    ///
    /// # Errors
    /// [`TelegramError::Token`] if Telegram rejects the token.
    pub(super) async fn request_until_accepted<P>(
        &self,
        payload: &P,
        stop: &CancellationToken,
    ) -> Result<Option<P::Output>, TelegramError>
    where
        P: Payload + Serialize,
        P::Output: DeserializeOwned,
    {
        retry_until_accepted(P::NAME, || self.request(payload), &self.waits, stop).await
    }

    /// What the server is known to lack.
    pub(super) fn features(&self) -> &ServerFeatures {
        &self.features
    }

    /// The waits that the server asked for.
    pub(super) fn waits(&self) -> &RequestedWaits {
        &self.waits
    }

    /// Sets the webhook, with this certificate or without any; returns `None` if `stop` comes first.
    ///
    /// # Errors
    /// [`TelegramError::Token`] if Telegram rejects the token.
    pub(super) async fn set_webhook_until_accepted(
        &self,
        request: &SetWebhook,
        certificate: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Option<True>, TelegramError> {
        retry_until_accepted(SetWebhook::NAME, || self.set_webhook(request, certificate), &self.waits, stop)
            .await
    }

    async fn set_webhook(
        &self,
        request: &SetWebhook,
        certificate: Option<&str>,
    ) -> Result<True, RequestError> {
        let Some(pem) = certificate else { return self.request(request).await };
        let upload = webhook_with_certificate(request, pem).map_err(RequestError::invalid)?;
        self.upload(upload).await
    }

    /// The updates of these kinds from `offset` on, as soon as there are any; none after `timeout`. One that cannot be
    /// read hides no other.
    pub(super) async fn updates(
        &self,
        kinds: &[AllowedUpdate],
        offset: i32,
        timeout: Duration,
    ) -> Result<Vec<Update>, RequestError> {
        let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        let payload = GetUpdates::new().offset(offset).timeout(seconds).allowed_updates(kinds.to_vec());
        let request = json_request(&self.polling_bot, &payload)?;
        self.measure(GetUpdates::NAME, request, parse_updates).await
    }

    /// Sends a message at `now` once, in the first form that the server knows. Returns its number if Telegram names it.
    pub(super) async fn send(
        &self,
        message: &OutgoingMessage<'_>,
        times: TimeMarkup,
    ) -> Result<Option<MessageId>, RequestError> {
        let file = message.reply.file.as_ref().filter(|file| message.plain_limit.is_none() && fits(file));
        let document = message.document().filter(|_| file.is_none());
        let send = async |form: MessageForm| -> Result<Value, RequestError> {
            match (file, document) {
                (Some(file), _) => {
                    let upload = message.to_upload(file, form).map_err(RequestError::invalid)?;
                    self.upload(upload).await
                }
                (None, Some(document)) if form.is_rich => {
                    self.request_as(&message.to_rich_request(document, form)).await
                }
                _ => self.request_as(&message.to_request(form)).await,
            }
        };
        let sent = send_in_accepted_form(&self.features, times, document.is_some(), send).await?;
        let sent: SentMessage = serde_json::from_value(sent).unwrap_or_default();
        Ok(sent.message_id.map(MessageId))
    }

    /// Replaces the text, or the picture, of one of the bot's messages. Succeeds if it already shows `reply`.
    pub(super) async fn edit(
        &self,
        chat: ChatId,
        message: MessageId,
        reply: &Reply,
        times: TimeMarkup,
    ) -> Result<(), RequestError> {
        let file = reply.file.as_ref().filter(|file| fits(file));
        let document = reply.document.as_ref().filter(|_| reply.file.is_none());
        let edit = async |form: MessageForm| -> Result<IgnoredAny, RequestError> {
            match (file, document) {
                (Some(File::Picture { png }), _) => {
                    let upload =
                        edit_picture(chat, message, reply, png, form).map_err(RequestError::invalid)?;
                    self.upload(upload).await
                }
                (_, Some(document)) if form.is_rich => {
                    self.request_as(&edit_rich(chat, message, reply, document, form)).await
                }
                _ => self.request_as(&edit_text(chat, message, reply, form)).await,
            }
        };
        match send_in_accepted_form(&self.features, times, document.is_some(), edit).await {
            Err(error) if error.is_not_modified() => Ok(()),
            outcome => outcome.map(|IgnoredAny| ()),
        }
    }

    async fn upload<T: DeserializeOwned>(&self, upload: Upload) -> Result<T, RequestError> {
        let seconds = u64::try_from(upload.bytes / UPLOAD_BYTES_PER_SECOND).unwrap_or_default();
        let timeout = REQUEST_TIMEOUT + Duration::from_secs(seconds);
        let request = self.bot.client().post(method_url(&self.bot, upload.method)?);
        self.measure(upload.method, request.multipart(upload.form).timeout(timeout), parse).await
    }

    /// Sends a request of this method, has `parse` read the status and body of the response, and counts duration and
    /// outcome.
    async fn measure<T>(
        &self,
        method: &'static str,
        request: RequestBuilder,
        parse: impl FnOnce(u16, &[u8]) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let start = Instant::now();
        let is_optional = OPTIONAL_METHODS.contains(&method);
        let outcome = receive(request).await.and_then(|(status, body)| match parse(status, &body) {
            Err(RequestError::UnknownMethod) if !is_optional => Err(RequestError::Token),
            // A proxy before the server may say it with a page of its own.
            Err(RequestError::Temporary { .. }) if is_optional && status == 404 => {
                Err(RequestError::UnknownMethod)
            }
            outcome => outcome,
        });
        self.metrics.record(method, start.elapsed(), &outcome);
        outcome
    }
}

/// Repeats `request` until Telegram accepts it; returns `None` if `stop` comes first.
async fn retry_until_accepted<T, R: Future<Output = Result<T, RequestError>>>(
    method: &str,
    request: impl Fn() -> R,
    waits: &RequestedWaits,
    stop: &CancellationToken,
) -> Result<Option<T>, TelegramError> {
    let mut backoff = Backoff::for_updates();
    loop {
        let outcome = tokio::select! {
            outcome = request() => outcome,
            () = stop.cancelled() => return Ok(None),
        };
        let error = match outcome {
            Ok(result) => {
                waits.clear(WaitsWith::Updates);
                return Ok(Some(result));
            }
            Err(RequestError::Token) => return Err(TelegramError::Token),
            Err(error) => error,
        };
        let wait = backoff.next(match &error {
            RequestError::Temporary { retry_after, .. } => *retry_after,
            // Only the operator can change the outcome.
            _ => Some(MAX_WAIT),
        });
        waits.record(WaitsWith::Updates, error.retry_after(), wait);
        warn!(
            event = "request_failed",
            method,
            wait_seconds = wait.as_secs(),
            %error,
            remedy = error.remedy(),
            "Telegram did not accept a request; trying again"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// The address of a method on the server of `bot` (Bot API, "Making requests").
fn method_url(bot: &Bot, method: &str) -> Result<Url, RequestError> {
    let mut url = bot.api_url();
    url.path_segments_mut()
        .map_err(|()| RequestError::invalid("telegram.api_url has no path"))?
        .pop_if_empty()
        .extend([&format!("bot{}", bot.token()), method]);
    Ok(url)
}

/// The request with this payload as JSON.
fn json_request<P: Payload + Serialize>(bot: &Bot, payload: &P) -> Result<RequestBuilder, RequestError> {
    let body = serde_json::to_vec(payload).map_err(RequestError::invalid)?;
    let request = bot.client().post(method_url(bot, P::NAME)?);
    Ok(request.header("content-type", "application/json").body(body))
}

/// Sends a request, and returns the response's HTTP status and body.
async fn receive(request: RequestBuilder) -> Result<(u16, Vec<u8>), RequestError> {
    let mut response = request.send().await.map_err(|error| RequestError::from_transport(&error))?;
    let status = response.status().as_u16();
    if response.status().is_redirection() {
        return Err(RequestError::Redirected(status));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| RequestError::from_transport(&error))? {
        if body.len() + chunk.len() > RESPONSE_LIMIT {
            return Err(RequestError::temporary(format!(
                "the server's answer is longer than {} MiB (HTTP {status})",
                RESPONSE_LIMIT >> 20
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

fn parse<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, RequestError> {
    let response: Response<T> = serde_json::from_slice(body).map_err(|_| not_the_api(status))?;
    response.into_result(status)
}

/// Reads each update by itself.
fn parse_updates(status: u16, body: &[u8]) -> Result<Vec<Update>, RequestError> {
    let Some(updates) = elements_of_result(body) else {
        return parse::<IgnoredAny>(status, body).and_then(|IgnoredAny| Err(not_the_api(status)));
    };
    read_updates(&updates)
        .ok_or_else(|| RequestError::temporary("Telegram sent only updates without a number"))
}

fn not_the_api(status: u16) -> RequestError {
    RequestError::temporary(format!("the server's answer is not the Bot API's (HTTP {status})"))
}

//! Requests to the Bot API and what their failures mean.
//!
//! teloxide gives the methods and their types, and its client. It does not send them: on a server's error it
//! would keep silent for ten seconds whatever is waiting, and of a refusal it drops the number.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use teloxide::Bot;
use teloxide::payloads::{GetUpdates, GetUpdatesSetters, SetWebhook};
use teloxide::requests::Payload;
use teloxide::types::{AllowedUpdate, MessageId, True, Update};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::Url;

use super::incoming::read_update;
use super::outgoing::{OutgoingMessage, Upload, edit_picture, edit_text, fits, webhook_with_certificate};
use super::{RequestMetrics, TelegramError};
use crate::chat::{File, Reply};
use crate::config::Telegram;
use crate::event::ChatId;

/// The shortest and the longest wait between two tries, unless Telegram names a longer one.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long Telegram holds `getUpdates` open when there is nothing to tell.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request may take, and how many bytes of a file give it a second more.
const TIMEOUT: Duration = Duration::from_secs(17);
const BYTES_A_SECOND: usize = 64 << 10;

/// The kinds of updates that are asked for: all others have no meaning here, so they are not even sent. An
/// edited message is none of them: what it asked for at first is done.
pub(super) const UPDATES: [AllowedUpdate; 3] =
    [AllowedUpdate::Message, AllowedUpdate::CallbackQuery, AllowedUpdate::MyChatMember];

/// What a failed request means for the next try.
#[derive(Debug)]
pub(super) enum RequestError {
    /// The same request will never be taken.
    Never(String),
    /// The topic of a forum takes nothing, or is there no more; General is one too.
    Topic(String),
    /// Telegram does not know the token.
    Token,
    /// The chat has another number now.
    Moved(ChatId),
    /// Later; after this time, where Telegram named one.
    Later(Option<Duration>, String),
}

impl RequestError {
    /// The wait that Telegram named.
    pub(super) fn named_wait(&self) -> Option<Duration> {
        if let Self::Later(named, _) = self { *named } else { None }
    }

    /// What the operator can do about it.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Topic(_) => Some(
                "open the forum's General topic, or write to the bot in another topic: alerts then go there",
            ),
            Self::Token => TelegramError::Token.remedy(),
            Self::Never(_) | Self::Moved(_) | Self::Later(..) => None,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never(why) | Self::Topic(why) | Self::Later(None, why) => f.write_str(why),
            Self::Moved(chat) => write!(f, "the group became the supergroup {chat}"),
            Self::Token => f.write_str("Telegram does not know the bot's token"),
            Self::Later(Some(wait), why) => write!(f, "{why} for {} s", wait.as_secs()),
        }
    }
}

/// What the Bot API answers.
#[derive(Deserialize)]
struct Response<T> {
    result: Option<T>,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

/// What the Bot API says of how a refusal can be mended.
#[derive(Default, Deserialize)]
struct Parameters {
    migrate_to_chat_id: Option<i64>,
    retry_after: Option<u32>,
}

impl<T> Response<T> {
    /// The result, or what the refusal with this HTTP status means.
    fn outcome(self, status: u16) -> Result<T, RequestError> {
        let Self { result, error_code, description, parameters } = self;
        if let Some(result) = result {
            return Ok(result);
        }
        Err(match (error_code.unwrap_or(status), parameters) {
            (_, Parameters { migrate_to_chat_id: Some(chat), .. }) => RequestError::Moved(ChatId(chat)),
            (_, Parameters { retry_after: Some(seconds), .. }) => RequestError::Later(
                Some(Duration::from_secs(seconds.into())),
                "Telegram asks for fewer messages".to_owned(),
            ),
            (401 | 404, _) => RequestError::Token,
            (400, _) if is_about_topic(&description) => RequestError::Topic(description),
            (400 | 403, _) => RequestError::Never(description),
            _ => RequestError::Later(None, description),
        })
    }
}

/// Whether a refusal says that a forum's topic takes no message (Bot API, in words alone: `TOPIC_CLOSED`,
/// `TOPIC_DELETED`, `message thread not found`).
fn is_about_topic(description: &str) -> bool {
    description.contains("TOPIC_") || description.contains("message thread not found")
}

/// `what` and the causes below `error`, but not its own words: reqwest's hold the address of the request,
/// and so the token.
fn with_causes(what: &str, error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(what.to_owned(), |text, cause| format!("{text}: {cause}"))
}

/// Waits that double from one second to a minute, unless Telegram names one.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) fn next(&mut self, named: Option<Duration>) -> Duration {
        let own = (SHORTEST_WAIT * (1 << self.failures.min(6))).min(LONGEST_WAIT);
        self.failures += 1;
        named.map_or(own, |named| named.max(SHORTEST_WAIT))
    }
}

/// What is read of a message that was sent: an unknown form of it is no reason to send it again.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    message_id: Option<i32>,
}

/// The Bot API of the configured server.
#[derive(Clone)]
pub(super) struct Api {
    bot: Bot,
    polling: Bot,
    requests: RequestMetrics,
}

impl Api {
    pub(super) fn new(settings: &Telegram, requests: RequestMetrics) -> Result<Self, TelegramError> {
        let bot = |timeout: Duration| {
            let client =
                teloxide::net::default_reqwest_settings().timeout(timeout).build().map_err(|error| {
                    TelegramError::Client(with_causes("the client could not be built", &error))
                })?;
            Ok(Bot::with_client(settings.token.reveal(), client).set_api_url(settings.api_url.clone()))
        };
        Ok(Self { bot: bot(TIMEOUT)?, polling: bot(POLL_TIMEOUT + Duration::from_secs(10))?, requests })
    }

    /// Asks once.
    pub(super) async fn ask<P>(&self, payload: &P) -> Result<P::Output, RequestError>
    where
        P: Payload + Serialize,
        P::Output: DeserializeOwned,
    {
        self.call(&self.bot, payload).await
    }

    /// As [`Api::ask`], and reads the answer as another type.
    pub(super) async fn ask_for<T: DeserializeOwned>(
        &self,
        payload: &(impl Payload + Serialize),
    ) -> Result<T, RequestError> {
        self.call(&self.bot, payload).await
    }

    /// Asks until there is an answer; `None` where `stop` comes first.
    pub(super) async fn until_answered<P>(
        &self,
        method: &str,
        payload: &P,
        stop: &CancellationToken,
    ) -> Result<Option<P::Output>, TelegramError>
    where
        P: Payload + Serialize,
        P::Output: DeserializeOwned,
    {
        until_answered(method, || self.ask(payload), stop).await
    }

    /// Sets the webhook, with this certificate or without any; `None` where `stop` comes first.
    pub(super) async fn until_webhook_set(
        &self,
        request: &SetWebhook,
        certificate: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<Option<True>, TelegramError> {
        until_answered("setWebhook", || self.set_webhook(request, certificate), stop).await
    }

    async fn set_webhook(
        &self,
        request: &SetWebhook,
        certificate: Option<&str>,
    ) -> Result<True, RequestError> {
        let Some(pem) = certificate else { return self.ask(request).await };
        let upload = webhook_with_certificate(request, pem).map_err(|error| unsendable(&error))?;
        self.upload(upload).await
    }

    /// The updates from this number on, as soon as there are any, or none after `timeout`.
    pub(super) async fn updates(&self, offset: i32, timeout: Duration) -> Result<Vec<Update>, RequestError> {
        let seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
        let request = GetUpdates::new().offset(offset).timeout(seconds);
        let updates: Vec<Value> = self.call(&self.polling, &request.allowed_updates(UPDATES)).await?;
        let no_update = |error| RequestError::Later(None, format!("it gave what is no update: {error}"));
        updates.into_iter().map(|update| read_update(update).map_err(no_update)).collect()
    }

    /// Sends a message once, and returns its number where Telegram tells it.
    pub(super) async fn send(
        &self,
        message: &OutgoingMessage<'_>,
    ) -> Result<Option<MessageId>, RequestError> {
        let sent: Value = match message.answer.file.as_ref().filter(|file| fits(file)) {
            None => self.call(&self.bot, &message.message()).await?,
            Some(file) => {
                let upload = message.upload(file).map_err(|error| unsendable(&error))?;
                self.upload(upload).await?
            }
        };
        let sent: Sent = serde_json::from_value(sent).unwrap_or_default();
        Ok(sent.message_id.map(MessageId))
    }

    /// Has a message of the bot's say something else; one with a picture, show another. That it says so already
    /// is no failure.
    pub(super) async fn edit(
        &self,
        chat: ChatId,
        message: MessageId,
        answer: &Reply,
    ) -> Result<(), RequestError> {
        let outcome = match answer.file.as_ref().filter(|file| fits(file)) {
            Some(File::Picture { png }) => {
                let upload = edit_picture(chat, message, answer, png).map_err(|error| unsendable(&error))?;
                self.upload(upload).await
            }
            _ => self.call(&self.bot, &edit_text(chat, message, answer)).await,
        };
        match outcome {
            Err(RequestError::Never(why)) if why.contains("message is not modified") => Ok(()),
            outcome => outcome.map(|IgnoredAny| ()),
        }
    }

    async fn upload<T: DeserializeOwned>(&self, upload: Upload) -> Result<T, RequestError> {
        let seconds = u64::try_from(upload.bytes / BYTES_A_SECOND).unwrap_or_default();
        let timeout = TIMEOUT + Duration::from_secs(seconds);
        let request = self.bot.client().post(url(&self.bot, upload.method)?);
        self.outcome_of(upload.method, request.multipart(upload.form).timeout(timeout)).await
    }

    /// Sends a request to the server of `bot`.
    async fn call<P: Payload + Serialize, T: DeserializeOwned>(
        &self,
        bot: &Bot,
        payload: &P,
    ) -> Result<T, RequestError> {
        let body = serde_json::to_vec(payload).map_err(|error| unsendable(&error))?;
        let request = bot.client().post(url(bot, P::NAME)?);
        self.outcome_of(P::NAME, request.header("content-type", "application/json").body(body)).await
    }

    /// Sends a request of this method, reads what came of it, and counts that.
    async fn outcome_of<T: DeserializeOwned>(
        &self,
        method: &'static str,
        request: RequestBuilder,
    ) -> Result<T, RequestError> {
        let start = Instant::now();
        let outcome = outcome_of(request).await;
        self.requests.count(method, start.elapsed(), &outcome);
        outcome
    }
}

/// Asks until there is an answer; `None` where `stop` comes first.
async fn until_answered<T, A: Future<Output = Result<T, RequestError>>>(
    method: &str,
    ask: impl Fn() -> A,
    stop: &CancellationToken,
) -> Result<Option<T>, TelegramError> {
    let mut backoff = Backoff::default();
    loop {
        let answer = tokio::select! {
            answer = ask() => answer,
            () = stop.cancelled() => return Ok(None),
        };
        let failure = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(failure) => failure,
        };
        let named = match &failure {
            RequestError::Token => return Err(TelegramError::Token),
            RequestError::Later(named, _) => *named,
            RequestError::Never(_) | RequestError::Topic(_) | RequestError::Moved(_) => Some(LONGEST_WAIT),
        };
        let wait = backoff.next(named);
        warn!(
            event = "request_failed",
            method,
            wait_seconds = wait.as_secs(),
            error = %failure,
            remedy = failure.remedy(),
            "Telegram did not accept a request; trying again"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

fn unsendable(why: &dyn fmt::Display) -> RequestError {
    RequestError::Never(format!("the request could not be made: {why}"))
}

/// Where the server of `bot` takes requests of this method.
fn url(bot: &Bot, method: &str) -> Result<Url, RequestError> {
    let mut url = bot.api_url();
    url.path_segments_mut()
        .map_err(|()| unsendable(&"telegram.api_url has no path"))?
        .pop_if_empty()
        .extend([&format!("bot{}", bot.token()), method]);
    Ok(url)
}

/// Sends a request, and reads what came of it.
async fn outcome_of<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, RequestError> {
    let answer = match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            response.bytes().await.map(|body| (status, body))
        }
        Err(error) => Err(error),
    };
    let (status, body) = answer.map_err(|error| {
        let what = match (error.is_timeout(), error.is_connect()) {
            (true, _) => "there was no answer in time",
            (_, true) => "could not connect",
            _ => "the request failed",
        };
        RequestError::Later(None, with_causes(what, &error))
    })?;
    let answer: Response<T> = serde_json::from_slice(&body)
        // The raw answer of a broken server is of no use to anybody here.
        .map_err(|_| {
            RequestError::Later(None, format!("the server's answer is not the Bot API's (HTTP {status})"))
        })?;
    answer.outcome(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let answer: Response<IgnoredAny> = serde_json::from_str(body).unwrap();
        let outcome = answer.outcome(status).map(|IgnoredAny| "taken");
        assert_eq!(format!("{outcome:?}"), expected, "{body}");
    }

    #[test]
    fn an_answer_means_what_the_bot_api_says() {
        check(200, r#"{"ok":true,"result":{"message_id":1,"of":"an unknown form"}}"#, r#"Ok("taken")"#);
        let blocked =
            r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#;
        check(403, blocked, r#"Err(Never("Forbidden: bot was blocked by the user"))"#);
        let not_found = r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
        check(400, not_found, r#"Err(Never("Bad Request: chat not found"))"#);
        let closed = r#"{"ok":false,"error_code":400,"description":"Bad Request: TOPIC_CLOSED"}"#;
        check(400, closed, r#"Err(Topic("Bad Request: TOPIC_CLOSED"))"#);
        let gone = r#"{"ok":false,"error_code":400,"description":"Bad Request: message thread not found"}"#;
        check(400, gone, r#"Err(Topic("Bad Request: message thread not found"))"#);
        let moved = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a
            supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}"#
            .replace('\n', " ");
        check(400, &moved, "Err(Moved(ChatId(-1001234567890)))");
        let slower = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 37",
            "parameters":{"retry_after":37}}"#;
        check(429, slower, r#"Err(Later(Some(37s), "Telegram asks for fewer messages"))"#);
        check(401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#, "Err(Token)");
        check(404, r#"{"ok":false,"error_code":404,"description":"Not LookupResult"}"#, "Err(Token)");
        let down = r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#;
        check(500, down, r#"Err(Later(None, "Internal Server Error"))"#);
        check(500, r#"{"ok":false}"#, r#"Err(Later(None, ""))"#);
    }

    #[test]
    fn minutes_of_failures_are_a_few_tries() {
        let mut backoff = Backoff::default();
        let ten_minutes = Duration::from_secs(600);
        let mut waited = Duration::ZERO;
        let tries = std::iter::repeat_with(|| backoff.next(None)).take_while(|wait| {
            waited += *wait;
            waited < ten_minutes
        });
        assert_eq!(tries.count(), 14);
        assert_eq!(backoff.next(None), LONGEST_WAIT);
        assert_eq!(backoff.next(Some(Duration::from_secs(300))), Duration::from_secs(300));
        assert_eq!(backoff.next(Some(Duration::ZERO)), SHORTEST_WAIT);
    }
}

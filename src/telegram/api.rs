//! Requests to the Bot API and what their failures mean.

use std::error::Error;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use teloxide::payloads::SendMessageSetters;
use teloxide::prelude::Requester;
use teloxide::types::{LinkPreviewOptions, Message, ParseMode, ThreadId};
use teloxide::{ApiError, Bot, RequestError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{TelegramError, topic_of};
use crate::chat::{MESSAGE_LIMIT, Text};
use crate::config::Telegram;
use crate::event::ChatId;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Tries for a reply: whoever asked is waiting, and may ask again.
const REPLY_TRIES: u32 = 3;
const REPLY_WAIT: Duration = Duration::from_secs(10);

/// How long Telegram holds `getUpdates` open when there is nothing to tell.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a failed request means for the next try.
#[derive(Debug)]
pub(super) enum Failure {
    /// The same request will never be taken.
    Never(String),
    /// Telegram does not know the token.
    Token,
    /// Later; after this time, where Telegram named one.
    Later(Option<Duration>, String),
}

impl Failure {
    pub(super) fn of(error: &RequestError) -> Self {
        match error {
            RequestError::RetryAfter(seconds) => {
                Self::Later(Some(seconds.duration()), "Telegram asks for fewer messages".to_owned())
            }
            RequestError::Api(ApiError::InvalidToken) => Self::Token,
            RequestError::Api(ApiError::Unknown(description)) => Self::described(description),
            RequestError::Api(known) => Self::described(&known.to_string()),
            RequestError::MigrateToChatId(chat) => {
                Self::Never(format!("the group became the supergroup {chat}: put that into telegram.chats"))
            }
            // The raw answer of a broken server is of no use to anybody here.
            RequestError::InvalidJson { .. } => {
                Self::Later(None, "the server's answer is not the Bot API's".to_owned())
            }
            RequestError::Network(error) => {
                let what = match (error.is_timeout(), error.is_connect()) {
                    (true, _) => "there was no answer in time",
                    (_, true) => "could not connect",
                    _ => "the request failed",
                };
                Self::Later(None, with_causes(what, error))
            }
            RequestError::Io(error) => Self::Later(None, error.to_string()),
        }
    }

    /// The wait that Telegram named.
    pub(super) fn named_wait(&self) -> Option<Duration> {
        if let Self::Later(named, _) = self { *named } else { None }
    }

    /// teloxide keeps of a refusal only its description; the Bot API begins it with the kind of error.
    fn described(description: &str) -> Self {
        if description.starts_with("Bad Request") || description.starts_with("Forbidden") {
            Self::Never(description.to_owned())
        } else {
            Self::Later(None, description.to_owned())
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never(why) | Self::Later(None, why) => f.write_str(why),
            Self::Token => f.write_str("Telegram does not know the bot's token"),
            Self::Later(Some(wait), why) => write!(f, "{why} for {} s", wait.as_secs()),
        }
    }
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
        let own = Duration::from_secs(1 << self.failures.min(6)).min(LONGEST_WAIT);
        self.failures += 1;
        named.unwrap_or(own)
    }
}

/// The Bot API of the configured server.
#[derive(Clone)]
pub(super) struct Api {
    bot: Bot,
    polling: Bot,
}

impl Api {
    pub(super) fn new(settings: &Telegram) -> Result<Self, TelegramError> {
        let bot = |timeout: Duration| {
            let client =
                teloxide::net::default_reqwest_settings().timeout(timeout).build().map_err(|error| {
                    TelegramError::Client(with_causes("the client could not be built", &error))
                })?;
            Ok(Bot::with_client(settings.token.reveal(), client).set_api_url(settings.api_url.clone()))
        };
        Ok(Self { bot: bot(Duration::from_secs(17))?, polling: bot(POLL_TIMEOUT + Duration::from_secs(10))? })
    }

    pub(super) fn bot(&self) -> &Bot {
        &self.bot
    }

    /// For `getUpdates`, whose answer may take [`POLL_TIMEOUT`].
    pub(super) fn polling(&self) -> &Bot {
        &self.polling
    }

    /// Asks until there is an answer; `None` where `stop` comes first.
    pub(super) async fn until_answered<R, T>(
        &self,
        method: &str,
        stop: &CancellationToken,
        request: impl Fn(&Bot) -> R,
    ) -> Result<Option<T>, TelegramError>
    where
        R: IntoFuture<Output = Result<T, RequestError>>,
    {
        let mut backoff = Backoff::default();
        loop {
            let answer = tokio::select! {
                answer = request(&self.bot).into_future() => answer,
                () = stop.cancelled() => return Ok(None),
            };
            let failure = match answer {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => Failure::of(&error),
            };
            let named = match &failure {
                Failure::Token => return Err(TelegramError::Token),
                Failure::Later(named, _) => *named,
                Failure::Never(_) => Some(LONGEST_WAIT),
            };
            let wait = backoff.next(named);
            warn!("Telegram did not take {method}: {failure}; trying again in {} s", wait.as_secs());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
    }

    /// Sends a message once.
    pub(super) async fn send(
        &self,
        chat: ChatId,
        topic: Option<ThreadId>,
        text: &Text,
    ) -> Result<(), Failure> {
        let no_preview = LinkPreviewOptions {
            is_disabled: true,
            url: None,
            prefer_small_media: false,
            prefer_large_media: false,
            show_above_text: false,
        };
        let mut request = self
            .bot
            .send_message(teloxide::types::ChatId(chat.0), text.shortened(MESSAGE_LIMIT).to_html())
            .parse_mode(ParseMode::Html)
            .link_preview_options(no_preview);
        if let Some(topic) = topic {
            request = request.message_thread_id(topic);
        }
        request.await.map(drop).map_err(|error| Failure::of(&error))
    }

    /// Sends a reply; one that Telegram does not take within a few tries is given up with a warning.
    pub(super) async fn reply(&self, message: &Message, text: &Text) {
        let chat = ChatId(message.chat.id.0);
        let mut backoff = Backoff::default();
        for left in (0..REPLY_TRIES).rev() {
            let failure = match self.send(chat, topic_of(message), text).await {
                Ok(()) => return,
                Err(failure) => failure,
            };
            match failure {
                Failure::Later(named, _) if left > 0 && named.is_none_or(|wait| wait <= REPLY_WAIT) => {
                    tokio::time::sleep(backoff.next(named)).await;
                }
                failure => return warn!("a reply to chat {chat} was given up: {failure}"),
            }
        }
    }
}

//! What a failed request to the Bot API means for the next try (Bot API, "Making requests", `ResponseParameters`).
//!
//! No error text contains the token: reqwest's own messages name the request's address, which contains it, so only
//! their causes are shown.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use store::event::ChatId;

use super::error::TelegramError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// Telegram will never accept this request.
    #[error("{0}")]
    Refused(String),
    /// The forum's topic (or General) is closed or deleted.
    #[error("{0}")]
    TopicClosed(String),
    /// Telegram rejects the bot's token.
    #[error("Telegram does not know the bot's token")]
    Token,
    /// The group became a supergroup, which has this ID.
    #[error("the group became the supergroup {0}")]
    Migrated(ChatId),
    /// The server redirects, with this HTTP status, which is not followed. The same request may succeed later.
    #[error(
        "the server redirects to another address (HTTP {0}), which was not followed: it would get the bot's token"
    )]
    Redirected(u16),
    /// The same request may succeed later.
    #[error("{reason}{}", retry_after.map(|wait| format!(" for {} s", wait.as_secs())).unwrap_or_default())]
    Temporary {
        /// The wait that Telegram asks for.
        retry_after: Option<Duration>,
        reason: String,
    },
}

impl RequestError {
    pub(super) fn temporary(reason: impl Into<String>) -> Self {
        Self::Temporary { retry_after: None, reason: reason.into() }
    }

    /// A request that could not be built.
    pub(super) fn invalid(reason: impl std::fmt::Display) -> Self {
        Self::Refused(format!("the request could not be made: {reason}"))
    }

    /// A request that was sent and got no complete response.
    pub(super) fn from_transport(error: &reqwest::Error) -> Self {
        let what = match (error.is_timeout(), error.is_connect()) {
            (true, _) => "there was no answer in time",
            (_, true) => "could not connect",
            _ => "the request failed",
        };
        Self::temporary(with_causes(what, error))
    }

    /// The wait that Telegram asks for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Temporary { retry_after, .. } = self { *retry_after } else { None }
    }

    /// Whether the same request may succeed later.
    pub(super) fn may_succeed_later(&self) -> bool {
        matches!(self, Self::Temporary { .. } | Self::Redirected(_))
    }

    /// What the operator can do about it.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::TopicClosed(_) => Some(
                "open the forum's General topic, or write to the bot in another topic: alerts then go there",
            ),
            Self::Token => TelegramError::Token.remedy(),
            Self::Redirected(_) => Some(
                "set telegram.api_url to the final address of your Bot API server; api.telegram.org never redirects, so \
                 if it is set, something in the network answers in its place, such as a sign-in page",
            ),
            Self::Refused(_) | Self::Migrated(_) | Self::Temporary { .. } => None,
        }
    }
}

/// The body of a response (Bot API, "Making requests").
#[derive(Deserialize)]
pub(super) struct Response<T> {
    result: Option<T>,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: ResponseParameters,
}

/// How a failed request can be repeated (Bot API, `ResponseParameters`).
#[derive(Default, Deserialize)]
struct ResponseParameters {
    migrate_to_chat_id: Option<i64>,
    retry_after: Option<u32>,
}

impl<T> Response<T> {
    /// The result, or the meaning of the error. `status` is the HTTP status.
    pub(super) fn into_result(self, status: u16) -> Result<T, RequestError> {
        let Self { result, error_code, description, parameters } = self;
        if let Some(result) = result {
            return Ok(result);
        }
        if let Some(chat) = parameters.migrate_to_chat_id {
            return Err(RequestError::Migrated(ChatId(chat)));
        }
        if let Some(seconds) = parameters.retry_after {
            let retry_after = Some(Duration::from_secs(seconds.into()));
            let reason = "Telegram asks for fewer messages".to_owned();
            return Err(RequestError::Temporary { retry_after, reason });
        }
        Err(match error_code.unwrap_or(status) {
            401 | 404 => RequestError::Token,
            400 if is_about_topic(&description) => RequestError::TopicClosed(description),
            400 | 403 => RequestError::Refused(description),
            _ => RequestError::temporary(description),
        })
    }
}

/// Whether an error says that a forum's topic accepts no message. Only its description does: `TOPIC_CLOSED`,
/// `TOPIC_DELETED` or `message thread not found`.
fn is_about_topic(description: &str) -> bool {
    description.contains("TOPIC_") || description.contains("message thread not found")
}

/// `what` and the causes below `error`, without the message of `error` itself, which may contain the token.
pub(super) fn with_causes(what: &str, error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(what.to_owned(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, expected: &str) {
        let response: Response<IgnoredAny> = serde_json::from_str(body).unwrap();
        let outcome = response.into_result(status).map(|IgnoredAny| "accepted");
        assert_eq!(format!("{outcome:?}"), expected, "{body}");
    }

    #[test]
    fn errors_mean_what_the_bot_api_says() {
        check(200, r#"{"ok":true,"result":{"message_id":1,"of":"an unknown form"}}"#, r#"Ok("accepted")"#);
        let blocked =
            r#"{"ok":false,"error_code":403,"description":"Forbidden: bot was blocked by the user"}"#;
        check(403, blocked, r#"Err(Refused("Forbidden: bot was blocked by the user"))"#);
        let not_found = r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
        check(400, not_found, r#"Err(Refused("Bad Request: chat not found"))"#);
        let closed = r#"{"ok":false,"error_code":400,"description":"Bad Request: TOPIC_CLOSED"}"#;
        check(400, closed, r#"Err(TopicClosed("Bad Request: TOPIC_CLOSED"))"#);
        let gone = r#"{"ok":false,"error_code":400,"description":"Bad Request: message thread not found"}"#;
        check(400, gone, r#"Err(TopicClosed("Bad Request: message thread not found"))"#);
        let migrated =
            r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was upgraded to a
            supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}"#
                .replace('\n', " ");
        check(400, &migrated, "Err(Migrated(ChatId(-1001234567890)))");
        let slower = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 37",
            "parameters":{"retry_after":37}}"#;
        let expected =
            r#"Err(Temporary { retry_after: Some(37s), reason: "Telegram asks for fewer messages" })"#;
        check(429, slower, expected);
        check(401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#, "Err(Token)");
        check(404, r#"{"ok":false,"error_code":404,"description":"Not Found"}"#, "Err(Token)");
        let down = r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#;
        check(500, down, r#"Err(Temporary { retry_after: None, reason: "Internal Server Error" })"#);
        check(500, r#"{"ok":false}"#, r#"Err(Temporary { retry_after: None, reason: "" })"#);
    }

    #[test]
    fn a_wait_that_telegram_names_is_shown() {
        let reason = "Telegram asks for fewer messages".to_owned();
        let error = RequestError::Temporary { retry_after: Some(Duration::from_secs(37)), reason };
        assert_eq!(error.to_string(), "Telegram asks for fewer messages for 37 s");
        assert_eq!(RequestError::temporary("could not connect").to_string(), "could not connect");
    }
}

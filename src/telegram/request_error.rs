//! What a failed request to the Bot API means for the next try (Bot API, "Making requests", `ResponseParameters`).
//!
//! Only the description of a 400 or 403 says what is wrong, and its wording is no part of the Bot API. So the meaning
//! is found by elimination: the few wordings that end everything ([`CHAT_UNREACHABLE`]), and those about the message's
//! own content, are known; any other one is about a state that an admin, or Telegram itself, may undo.
//!
//! No error text contains the token: reqwest's own messages name the request's address, which contains it, so only
//! their causes are shown.

use std::error::Error;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use store::event::ChatId;

use super::error::TelegramError;
use crate::status::UpdateConflict;
use crate::text::MESSAGE_LIMIT;

/// The reasons for a block of which no request told.
pub(super) const BLOCKED_BEFORE: &str = "the chat has blocked the bot";
pub(super) const REMOVED: &str = "the bot was removed from the chat, or blocked there";

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The chat blocked or removed the bot, or is gone: it gets no message until that changes.
    #[error("{0}")]
    ChatUnreachable(String),
    /// Telegram rejects what the message contains, such as an entity or its length, and will reject it again.
    #[error("{0}")]
    InvalidContent(String),
    /// The message cannot be edited, and is not to be sent anew.
    #[error("{0}")]
    NotEditable(String),
    /// Telegram refuses the request for another reason, such as a right that the bot lacks. An admin of the chat, or
    /// Telegram itself, may undo that.
    #[error("{0}")]
    Refused(String),
    /// The forum's topic (or General) is closed or deleted.
    #[error("{0}")]
    TopicClosed(String),
    /// Telegram gives its updates elsewhere: to a webhook, or to another program that polls.
    #[error("{0}")]
    Conflict(String),
    /// The server does not know the method, or not the bot's token.
    #[error("Telegram does not know the method, or the bot's token")]
    UnknownMethod,
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
        Self::InvalidContent(format!("the request could not be made: {reason}"))
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

    /// Why Telegram refuses this request, if it does: with a 400 or 403, or because the request could not be built.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::ChatUnreachable(reason)
            | Self::InvalidContent(reason)
            | Self::NotEditable(reason)
            | Self::Refused(reason)
            | Self::TopicClosed(reason) => Some(reason),
            Self::Conflict(_)
            | Self::UnknownMethod
            | Self::Token
            | Self::Migrated(_)
            | Self::Redirected(_)
            | Self::Temporary { .. } => None,
        }
    }

    /// Whether an edit was refused because the message is what it would become.
    pub(super) fn is_not_modified(&self) -> bool {
        self.refusal().is_some_and(|reason| reason.contains("message is not modified"))
    }

    /// Whether Telegram may accept the same message with other content.
    pub(super) fn may_be_about_content(&self) -> bool {
        match self {
            _ if self.is_not_modified() => false,
            Self::InvalidContent(_) => true,
            Self::Refused(_) => self.may_be_undone(),
            _ => false,
        }
    }

    /// Whether an admin, or Telegram itself, may undo why an edit was refused: it is not about the edited message.
    pub(super) fn may_be_undone(&self) -> bool {
        const EDITED_MESSAGE: [&str; 3] = ["edit", "message id invalid", "message not found"];
        match self {
            Self::TopicClosed(_) => true,
            Self::Refused(reason) => {
                let text = normalized(reason);
                !EDITED_MESSAGE.iter().any(|wording| text.contains(wording))
            }
            _ => false,
        }
    }

    /// If Telegram rejects the message's content: how many UTF-16 code units of it to send as plain text.
    pub(super) fn plain_limit(&self) -> Option<usize> {
        let Self::InvalidContent(reason) = self else { return None };
        Some(if normalized(reason).contains("long") { SHORT_PLAIN_LIMIT } else { MESSAGE_LIMIT })
    }

    /// Whether the same request may succeed later without anybody's doing.
    pub(super) fn may_succeed_later(&self) -> bool {
        matches!(self, Self::Temporary { .. } | Self::Redirected(_))
    }

    /// Who gets the updates, if it is not the bot. Without a known wording it is a webhook, which can be deleted.
    pub(super) fn conflict(&self) -> Option<UpdateConflict> {
        let Self::Conflict(reason) = self else { return None };
        let is_poller = reason.contains("getUpdates request") && !reason.to_lowercase().contains("webhook");
        Some(if is_poller { UpdateConflict::OtherPoller } else { UpdateConflict::Webhook })
    }

    /// What the operator can do about it.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::TopicClosed(_) => Some(
                "open the forum's General topic, or write to the bot in another topic: alerts then go there",
            ),
            Self::Conflict(_) => self.conflict().map(UpdateConflict::remedy),
            Self::UnknownMethod | Self::Token => TelegramError::Token.remedy(),
            Self::Redirected(_) => Some(
                "set telegram.api_url to the final address of your Bot API server; api.telegram.org never redirects, so \
                 if it is set, something in the network answers in its place, such as a sign-in page",
            ),
            Self::Refused(_) => {
                Some("let the bot send messages in this chat: what waits for it is sent then")
            }
            Self::ChatUnreachable(_)
            | Self::InvalidContent(_)
            | Self::NotEditable(_)
            | Self::Migrated(_)
            | Self::Temporary { .. } => None,
        }
    }
}

/// The body of a response (Bot API, "Making requests"). What describes an error is read leniently, so that an unknown
/// form of it does not hide that there was one.
#[derive(Deserialize)]
pub(super) struct Response<T> {
    result: Option<T>,
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    description: Value,
    /// How a failed request can be repeated (Bot API, `ResponseParameters`).
    #[serde(default)]
    parameters: Value,
}

impl<T> Response<T> {
    /// The result, or the meaning of the error. `status` is the HTTP status.
    pub(super) fn into_result(self, status: u16) -> Result<T, RequestError> {
        let Self { result, error_code, description, parameters } = self;
        if let Some(result) = result {
            return Ok(result);
        }
        if let Some(chat) = parameters.get("migrate_to_chat_id").and_then(Value::as_i64) {
            return Err(RequestError::Migrated(ChatId(chat)));
        }
        let code = error_code.as_u64().unwrap_or(status.into());
        let description = description.as_str().unwrap_or_default().to_owned();
        let asked = parameters.get("retry_after").and_then(seconds);
        if let Some(retry_after) = asked.or_else(|| retry_after_in(&description).filter(|_| code == 429)) {
            let reason = "Telegram asks for fewer messages".to_owned();
            return Err(RequestError::Temporary { retry_after: Some(retry_after), reason });
        }
        Err(match code {
            401 => RequestError::Token,
            404 => RequestError::UnknownMethod,
            409 => RequestError::Conflict(description),
            413 => RequestError::InvalidContent(description),
            400 | 403 => meaning(description),
            _ => RequestError::temporary(description),
        })
    }
}

/// A number of seconds, also one with a fraction or in quotes.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    // A longer wait than this is bounded anyway (`Backoff`).
    Duration::try_from_secs_f64(seconds.ceil().min(f64::from(u32::MAX))).ok()
}

/// The seconds in `Too Many Requests: retry after 37`.
fn retry_after_in(description: &str) -> Option<Duration> {
    let (_, rest) = description.split_once("retry after ")?;
    rest.split_whitespace().next()?.parse().ok().map(Duration::from_secs)
}

/// The only wordings that say that a chat gets no message until it lets the bot in again.
const CHAT_UNREACHABLE: [&str; 4] = ["bot was blocked", "kicked", "chat not found", "deactivated"];

/// Wordings that say that a topic of a forum accepts no message.
const TOPIC_CLOSED: [&str; 2] = ["topic ", "message thread not found"];

/// Wordings about rights: they are never about the content, whatever they name.
const RIGHTS: [&str; 5] = ["rights", "restricted", "forbidden", "not allowed", "permission"];

/// Wordings about a message's content, for which no admin can do anything.
const CONTENT: [&str; 14] = [
    "can't parse",
    "entit",
    "too long",
    "too big",
    "text is empty",
    "message is empty",
    "message empty",
    "must be non-empty",
    "must be encoded in utf-8",
    "button",
    "inline keyboard",
    "reply markup",
    "unsupported start tag",
    "caption",
];

/// The longest text that is sent in place of one that is too long, in UTF-16 code units.
const SHORT_PLAIN_LIMIT: usize = MESSAGE_LIMIT / 4;

/// What the description of a 400 or 403 says: `CHAT_WRITE_FORBIDDEN` as well as `have no rights to send a message`.
fn meaning(description: String) -> RequestError {
    let text = normalized(&description);
    let has_any = |wordings: &[&str]| wordings.iter().any(|wording| text.contains(wording));
    if has_any(&CHAT_UNREACHABLE) {
        RequestError::ChatUnreachable(description)
    } else if has_any(&TOPIC_CLOSED) {
        RequestError::TopicClosed(description)
    } else if has_any(&CONTENT) && !has_any(&RIGHTS) {
        RequestError::InvalidContent(description)
    } else {
        RequestError::Refused(description)
    }
}

/// The words of a description: Telegram writes `TOPIC_CLOSED` and `chat not found`, and mixes curly with straight
/// quotes.
fn normalized(description: &str) -> String {
    let text = description.strip_prefix("Forbidden: ").unwrap_or(description);
    text.replace('_', " ").replace('\u{2019}', "'").to_lowercase()
}

/// `what` and the causes below `error`, without the message of `error` itself, which may contain the token.
pub(super) fn with_causes(what: &str, error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(what.to_owned(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;
    use serde_json::json;

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
        check(403, blocked, r#"Err(ChatUnreachable("Forbidden: bot was blocked by the user"))"#);
        let not_found = r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#;
        check(400, not_found, r#"Err(ChatUnreachable("Bad Request: chat not found"))"#);
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
        check(404, r#"{"ok":false,"error_code":404,"description":"Not Found"}"#, "Err(UnknownMethod)");
        let down = r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#;
        check(500, down, r#"Err(Temporary { retry_after: None, reason: "Internal Server Error" })"#);
        check(500, r#"{"ok":false}"#, r#"Err(Temporary { retry_after: None, reason: "" })"#);
    }

    #[test]
    fn only_a_few_wordings_end_delivery() {
        let kind = |status: u16, description: &str| {
            let body = json!({"ok": false, "error_code": status, "description": description}).to_string();
            let response: Response<IgnoredAny> = serde_json::from_str(&body).unwrap();
            match response.into_result(status).map(|IgnoredAny| ()).unwrap_err() {
                RequestError::ChatUnreachable(_) => "unreachable",
                RequestError::InvalidContent(_) => "content",
                RequestError::TopicClosed(_) => "topic",
                RequestError::Refused(_) => "refused",
                _ => "other",
            }
        };
        for (status, description, expected) in [
            (403, "Forbidden: bot was blocked by the user", "unreachable"),
            (403, "Forbidden: bot was kicked from the supergroup chat", "unreachable"),
            (403, "Forbidden: bot was kicked from the channel chat", "unreachable"),
            (403, "Forbidden: user is deactivated", "unreachable"),
            (400, "Bad Request: group chat was deactivated", "unreachable"),
            (400, "Bad Request: INPUT_USER_DEACTIVATED", "unreachable"),
            (400, "Bad Request: chat not found", "unreachable"),
            (400, "Bad Request: not enough rights to send text messages to the chat", "refused"),
            (400, "Bad Request: have no rights to send a message", "refused"),
            (400, "Bad Request: CHAT_RESTRICTED", "refused"),
            (400, "Bad Request: CHAT_WRITE_FORBIDDEN", "refused"),
            (400, "Bad Request: not enough rights to send messages with inline keyboard buttons", "refused"),
            (403, "Forbidden: bot is not a member of the supergroup chat", "refused"),
            (403, "Forbidden: CHAT_SEND_PLAIN_FORBIDDEN", "refused"),
            (400, "Bad Request: need administrator rights in the channel chat", "refused"),
            (400, "Bad Request: a wording of tomorrow", "refused"),
            (403, "", "refused"),
            (400, "Bad Request: TOPIC_CLOSED", "topic"),
            (400, "Bad Request: TOPIC_DELETED", "topic"),
            (400, "Bad Request: message thread not found", "topic"),
            (400, "Bad Request: can't parse entities: Unsupported start tag", "content"),
            (400, "Bad Request: can\u{2019}t parse entities", "content"),
            (400, "Bad Request: message is too long", "content"),
            (400, "Bad Request: MESSAGE_TOO_LONG", "content"),
            (400, "Bad Request: message text is empty", "content"),
            (400, "Bad Request: ENTITY_BOUNDS_INVALID", "content"),
            (400, "Bad Request: BUTTON_DATA_INVALID", "content"),
            (413, "Request Entity Too Large", "content"),
        ] {
            assert_eq!(kind(status, description), expected, "{status} {description}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_as_plain_text() {
        let content = |reason: &str| RequestError::InvalidContent(reason.to_owned()).plain_limit();
        assert_eq!(content("Bad Request: MESSAGE_TOO_LONG"), Some(1024));
        assert_eq!(content("Bad Request: can't parse entities"), Some(MESSAGE_LIMIT));
        assert_eq!(RequestError::Refused("too long".to_owned()).plain_limit(), None);
    }

    #[test]
    fn a_conflict_is_about_a_webhook_or_another_program() {
        let conflict = |reason: &str| RequestError::Conflict(format!("Conflict: {reason}")).conflict();
        for reason in [
            "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
            "terminated by setWebhook request",
            "a wording of tomorrow",
        ] {
            assert_eq!(conflict(reason), Some(UpdateConflict::Webhook), "{reason}");
        }
        let other = "terminated by other getUpdates request; make sure that only one bot instance is running";
        assert_eq!(conflict(other), Some(UpdateConflict::OtherPoller));
        assert_eq!(RequestError::Token.conflict(), None);
    }

    #[test]
    fn a_wait_is_read_in_any_form() {
        for (body, expected) in [
            (r#"{"ok":false,"error_code":429,"parameters":{"retry_after":12.5}}"#, Some(13)),
            (r#"{"ok":false,"error_code":429,"parameters":{"retry_after":"12"}}"#, Some(12)),
            (r#"{"ok":false,"error_code":429,"parameters":{"retry_after":1e300}}"#, Some(u32::MAX.into())),
            (r#"{"ok":false,"error_code":429,"parameters":{"retry_after":-5}}"#, None),
            (r#"{"ok":false,"error_code":429,"parameters":null}"#, None),
            (r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 9"}"#, Some(9)),
            (r#"{"ok":false,"error_code":99999999,"description":5}"#, None),
        ] {
            let response: Response<IgnoredAny> = serde_json::from_str(body).unwrap();
            let error = response.into_result(429).map(|IgnoredAny| ()).unwrap_err();
            assert!(matches!(error, RequestError::Temporary { .. }), "{body}: {error:?}");
            assert_eq!(error.retry_after(), expected.map(Duration::from_secs), "{body}");
        }
    }

    #[test]
    fn a_wait_that_telegram_names_is_shown() {
        let reason = "Telegram asks for fewer messages".to_owned();
        let error = RequestError::Temporary { retry_after: Some(Duration::from_secs(37)), reason };
        assert_eq!(error.to_string(), "Telegram asks for fewer messages for 37 s");
        assert_eq!(RequestError::temporary("could not connect").to_string(), "could not connect");
    }
}

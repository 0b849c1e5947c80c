//! The calls that the server receives, and the faults that a test scripts.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Map, Value};

use super::detection::Detected;
use super::{certificate, limits};

/// A fault instead of a proper answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 429, with the seconds for which the bot has to wait.
    TooManyRequests { retry_after: u32 },
    /// 5xx: 502 with an HTML page as from a proxy, others with the API's JSON.
    ServerError(u16),
    /// A redirect to another address.
    Redirect { status: u16, location: String },
    /// 200, and a body that does not end.
    Endless,
    /// No answer until the client closes, the faults are cleared or the server goes down.
    Hang,
    /// The connection is cut, and the request has no effect.
    Close,
    /// The request takes effect, then the connection is cut.
    AcceptThenClose,
    /// 403, as for a user who blocked the bot.
    Forbidden,
    /// 400, as for an unknown chat.
    BadRequest,
    /// This status with this description.
    Error { status: u16, description: &'static str },
    /// 400, as for an edit that changes nothing.
    NotModified,
    /// 400, as for a group that became a supergroup with this ID.
    MigratedTo(i64),
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Accepted,
    /// Answered with this status.
    Refused(u16),
    /// A scripted fault.
    Faulted(Fault),
}

/// A request to the API with its outcome.
#[derive(Debug, Clone)]
pub struct Call {
    /// In the spelling of the API's documentation, or as received if the schema does not have it.
    pub method: String,
    /// Without what the server's version does not know, if it was accepted.
    pub params: Map<String, Value>,
    pub files: BTreeMap<String, UploadedFile>,
    pub at: Instant,
    pub outcome: Outcome,
    /// The message that it sent or changed.
    pub message_id: Option<i64>,
}

impl Call {
    /// Whether it is of this method, in any case. A rich message is a message: `sendMessage` is also sendRichMessage.
    pub fn is(&self, method: &str) -> bool {
        let is_rich_too = method.eq_ignore_ascii_case("sendMessage") && self.method == "sendRichMessage";
        self.method.eq_ignore_ascii_case(method) || is_rich_too
    }

    /// The displayed text or caption; of a rich message the plain form.
    pub fn plain(&self) -> String {
        Self::read(&self.params).0
    }

    /// The blocks of a rich message.
    pub fn rich_blocks(&self) -> Option<Vec<Value>> {
        limits::rich_blocks(&self.params).expect("a message that was accepted")
    }

    /// The displayed text or caption of these parameters (the call's, those of its media, or the content of an inline
    /// result), and its entities; of a rich message the plain form. Panics if it cannot be parsed, since the server
    /// accepts no such call.
    pub fn read(params: &Map<String, Value>) -> (String, Vec<Value>) {
        let (field, entities) = match ["text", "message_text"].iter().find(|name| params.contains_key(**name))
        {
            Some(name) => (*name, "entities"),
            None => ("caption", "caption_entities"),
        };
        let read = limits::read_formatted(params, field, entities).expect("a text that was accepted");
        (read.plain, read.entities)
    }
}

/// The buttons of a keyboard.
pub(super) fn keyboard_buttons(markup: &Value) -> impl Iterator<Item = &Value> + use<'_> {
    let rows = markup["inline_keyboard"].as_array().into_iter().flatten();
    rows.flat_map(|row| row.as_array().into_iter().flatten())
}

/// A file from a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadedFile {
    pub file_name: Option<String>,
    pub bytes: Vec<u8>,
}

/// A message that the API accepted, as a person in the chat sees it.
#[derive(Debug, Clone)]
pub struct SentMessage {
    pub method: String,
    pub chat_id: i64,
    pub message_id: i64,
    pub thread_id: Option<i64>,
    /// The text or caption as sent; of a rich message its HTML.
    pub text: String,
    /// The text or caption as displayed: without tags, with entities resolved. Of a rich message the readable form
    /// that `rich_plain.rs` describes.
    pub plain: String,
    /// The formatting, as the API reports it; of a rich message that of its plain form.
    pub entities: Vec<Value>,
    /// The blocks of a rich message.
    pub rich: Option<Vec<Value>>,
    /// What Telegram turned into something to tap: nothing in a rich message, in code or in links.
    pub detected: Vec<Detected>,
    pub files: Vec<UploadedFile>,
    /// All parameters.
    pub raw: Value,
    pub at: Instant,
}

impl SentMessage {
    /// Whether this is a progress message, which is edited during the work and deleted after it.
    pub fn is_progress(&self) -> bool {
        self.plain.starts_with('⏳')
    }

    /// The label and callback data of each button.
    pub fn buttons(&self) -> Vec<(String, String)> {
        let buttons = keyboard_buttons(&self.raw["reply_markup"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        buttons.map(|button| (text(&button["text"]), text(&button["callback_data"]))).collect()
    }

    /// The text that the button with this label copies, if it is a button that copies.
    pub fn copied_text(&self, label: &str) -> Option<String> {
        let mut buttons = keyboard_buttons(&self.raw["reply_markup"]);
        let button =
            buttons.find(|button| button["text"].as_str().is_some_and(|text| text.contains(label)))?;
        button["copy_text"]["text"].as_str().map(str::to_owned)
    }

    /// The style of the button with this label.
    pub fn style(&self, label: &str) -> Option<String> {
        let mut buttons = keyboard_buttons(&self.raw["reply_markup"]);
        let button =
            buttons.find(|button| button["text"].as_str().is_some_and(|text| text.contains(label)))?;
        button["style"].as_str().map(str::to_owned)
    }

    /// The text of each button that copies one.
    pub fn copied_texts(&self) -> Vec<String> {
        let buttons = keyboard_buttons(&self.raw["reply_markup"]);
        buttons.filter_map(|button| button["copy_text"]["text"].as_str().map(str::to_owned)).collect()
    }

    /// The callback data of the button with this label. Panics if there is none.
    pub fn button(&self, label: &str) -> String {
        let found = self.buttons().into_iter().find(|(text, _)| text.contains(label));
        found.unwrap_or_else(|| panic!("no button {label:?} under {self:?}")).1
    }
}

/// An article of an answered inline query.
#[derive(Debug, Clone)]
pub struct InlineArticle {
    pub id: String,
    pub title: String,
    pub description: String,
    /// What its message would show, as [`SentMessage::plain`].
    pub plain: String,
    /// As [`SentMessage::detected`].
    pub detected: Vec<Detected>,
    pub raw: Value,
}

/// The parameters of setWebhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    pub url: String,
    pub secret_token: Option<String>,
    pub allowed_updates: Vec<String>,
    /// The uploaded PEM, the only certificate that the server then trusts.
    pub certificate: Option<String>,
}

impl Webhook {
    /// The path (and query) of the URL.
    pub fn path(&self) -> &str {
        let rest = self.url.strip_prefix("https://").unwrap_or(&self.url);
        rest.find('/').map_or("/", |at| &rest[at..])
    }

    /// The host of the URL, without the port.
    pub fn host(&self) -> &str {
        certificate::host_of(&self.url)
    }
}

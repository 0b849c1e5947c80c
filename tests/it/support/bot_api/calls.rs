//! What the server sees of the bot, and what a test has it answer.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Map, Value};

use super::{certificate, limits};

/// What the server does in place of answering properly.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 429, with the seconds for which the bot is to be silent.
    TooManyRequests { retry_after: u32 },
    /// 5xx: 502 with a page of HTML as a proxy sends it, others with the API's JSON.
    ServerError(u16),
    /// No answer until the client gives up, the faults are cleared or the server goes down.
    Hang,
    /// The connection is cut; the request has had no effect.
    Close,
    /// The request takes effect, then the connection is cut: the bot cannot know.
    AcceptThenClose,
    /// 403, as for a user who blocked the bot.
    Forbidden,
    /// 400, as for a chat that is not found.
    BadRequest,
    /// 400, as for an edit that changes nothing.
    NotModified,
    /// 400, as for a group that became a supergroup of this id.
    MigratedTo(i64),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Accepted,
    /// Answered with this status.
    Refused(u16),
    /// Not answered, for this scripted reason.
    Faulted(Fault),
}

/// A request to the API, whatever became of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// As the API's documentation spells it, or as it came where the schema does not know it.
    pub method: String,
    pub params: Map<String, Value>,
    pub files: BTreeMap<String, UploadedFile>,
    pub at: Instant,
    pub outcome: Outcome,
    /// The message that it made or changed.
    pub message_id: Option<i64>,
}

impl Call {
    /// Whether it is of this method, in any case.
    pub fn is(&self, method: &str) -> bool {
        self.method.eq_ignore_ascii_case(method)
    }

    /// The text or caption of these parameters (the call's own, or those of the media in it) as its reader
    /// sees it, and its formatting. Panics where there is none that can be read, since none such is accepted.
    pub fn read(params: &Map<String, Value>) -> (String, Vec<Value>) {
        let (field, entities) = match params.contains_key("text") {
            true => ("text", "entities"),
            false => ("caption", "caption_entities"),
        };
        let read = limits::read_formatted(params, field, entities).expect("a text that was accepted");
        (read.plain, read.entities)
    }
}

/// A file that came in a multipart body.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadedFile {
    pub file_name: Option<String>,
    pub bytes: Vec<u8>,
}

/// A message that the API accepted: what a person in the chat would now see.
#[derive(Debug, Clone)]
pub struct SentMessage {
    pub method: String,
    pub chat_id: i64,
    pub message_id: i64,
    pub thread_id: Option<i64>,
    /// The text or caption as it was sent.
    pub text: String,
    /// The text or caption as it is read: tags removed, entities resolved.
    pub plain: String,
    /// The formatting, as the API reports it.
    pub entities: Vec<Value>,
    pub files: Vec<UploadedFile>,
    /// All parameters.
    pub raw: Value,
    pub at: Instant,
}

impl SentMessage {
    /// Whether it says how far a long answer is. Such a message is edited and deleted as the work goes on.
    pub fn is_progress(&self) -> bool {
        self.plain.starts_with('⏳')
    }

    /// The buttons under it: what stands on each and what it stands for.
    pub fn buttons(&self) -> Vec<(String, String)> {
        let rows = self.raw["reply_markup"]["inline_keyboard"].as_array().into_iter().flatten();
        let buttons = rows.flat_map(|row| row.as_array().into_iter().flatten());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        buttons.map(|button| (text(&button["text"]), text(&button["callback_data"]))).collect()
    }

    /// What the button stands for on which this stands. Panics where there is none.
    pub fn button(&self, label: &str) -> String {
        let found = self.buttons().into_iter().find(|(text, _)| text.contains(label));
        found.unwrap_or_else(|| panic!("no button {label:?} under {self:?}")).1
    }
}

/// What the bot asked for with setWebhook.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    pub url: String,
    pub secret_token: Option<String>,
    pub allowed_updates: Vec<String>,
    /// The PEM that was uploaded: what the server trusts then, and nothing else.
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

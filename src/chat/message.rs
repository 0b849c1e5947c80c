//! Messages to and from a chat, independent of Telegram.

use std::fmt;
use std::sync::Arc;

use store::event::{ChatId, Person};

use super::DocumentPermit;
use super::button::Button;
use crate::text::Text;
use crate::text::document::Document;

/// Who asks for something, and where.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The chat.
    pub chat: ChatId,
    /// The person, if it is known who it is.
    pub person: Option<&'a Person>,
    /// The ID of Telegram's update; the log records that a change was made for it.
    pub update: Option<u32>,
}

impl Asker<'_> {
    /// Whether others see what is said here.
    pub(super) fn is_in_group(&self) -> bool {
        self.chat.0 < 0
    }

    /// Whether somebody else set this in a group, or maybe did. In a private chat there is nobody else.
    pub(super) fn is_of_others(&self, set_by: Option<&Person>) -> bool {
        let is_own = set_by.is_some_and(|by| self.person.is_some_and(|person| person.id == by.id));
        self.is_in_group() && !is_own
    }
}

/// A message from a person.
#[derive(Debug, Clone, Copy)]
pub struct UserMessage<'a> {
    /// The chat it was sent in.
    pub chat: ChatId,
    /// Who wrote it, if that is known.
    pub person: Option<&'a Person>,
    /// Its text.
    pub text: &'a str,
    /// The text of the bot's message that it replies to.
    pub in_reply_to: Option<&'a str>,
    /// The ID of Telegram's update; the log records that a change was made for it.
    pub update: Option<u32>,
}

/// A press of a button under one of the bot's messages.
#[derive(Debug, Clone, Copy)]
pub struct ButtonPress<'a> {
    /// The chat of the message.
    pub chat: ChatId,
    /// Who pressed it, if that is known.
    pub person: Option<&'a Person>,
    /// The button's callback data ([`ButtonAction::Callback`](super::ButtonAction::Callback)).
    pub data: &'a str,
    /// The ID of Telegram's update; the log records that a change was made for it.
    pub update: Option<u32>,
}

/// A message to a person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// The text, or the caption of the file. Of a document it is the classic form.
    pub text: Text,
    /// What a rich message shows, where Telegram's server knows those and there is no file.
    pub document: Option<Document>,
    /// Rows of buttons.
    pub buttons: Vec<Vec<Button>>,
    /// Set if it is a question that expects a reply: the placeholder of the empty input field.
    pub asks_for: Option<&'static str>,
    /// The attached file.
    pub file: Option<File>,
    /// A message that follows this one.
    pub then: Option<Box<Reply>>,
}

/// The card of a device that a person can send in any chat.
#[derive(Debug, Clone, PartialEq)]
pub struct InlineCard {
    /// What it is about; on one line, like the description.
    pub title: String,
    /// What the person sees below the title.
    pub description: String,
    /// The card, without buttons.
    pub card: Reply,
}

/// A file attached to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A picture, shown inline.
    Picture {
        /// PNG.
        png: Vec<u8>,
    },
    /// A file to save.
    Document {
        /// Its name.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
        /// Its share of the memory for documents, held until it is sent.
        permit: DocumentPermit,
    },
}

/// The reply to a press of a button.
#[derive(Debug, Clone, PartialEq)]
pub enum PressReply {
    /// Edits the message to this one if both are texts or both are pictures; otherwise sends a new one.
    Edit(Reply),
    /// Sends a new message.
    Send(Reply),
    /// Shows a notification that disappears: plain text of at most 200 characters.
    Notify(String),
    /// Shows a notification, and edits the message if both are of the same kind.
    NotifyAndEdit(String, Reply),
}

/// The progress of a slow reply, for which the log is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressStep {
    /// What the reply will be.
    pub kind: ReplyKind,
    /// The progress as text, to be shown if the reply is slow; the next step's text replaces it.
    pub text: Text,
}

/// What a reply will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// A text.
    Text,
    /// A [`File::Picture`].
    Picture,
    /// A [`File::Document`].
    Document,
}

/// Receives the progress of a slow reply. It is called from any thread, a few times a second at most, and must not
/// block.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(ProgressStep) + Send + Sync>);

impl Progress {
    /// Calls `report` with each step.
    pub fn new(tell: impl Fn(ProgressStep) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Drops every step.
    pub fn ignored() -> Self {
        Self::new(drop)
    }

    pub(super) fn report(&self, step: ProgressStep) {
        (self.0)(step);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

impl Reply {
    /// The reply with a line more.
    #[must_use]
    pub(super) fn with_line(self, line: Text) -> Self {
        Self {
            text: self.text.append("\n").append_text(line.clone()),
            document: self.document.map(|document| document.paragraph(line)),
            ..self
        }
    }
}

impl From<Document> for Reply {
    fn from(document: Document) -> Self {
        Self { text: document.to_text(), document: Some(document), ..Self::default() }
    }
}

impl From<Text> for Reply {
    fn from(text: Text) -> Self {
        Self { text, ..Self::default() }
    }
}

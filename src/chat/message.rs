//! What comes into a chat and what goes out, without a word of Telegram.

use std::fmt;
use std::sync::Arc;

use super::DocumentPermit;
use crate::event::ChatId;
use crate::text::Text;

/// A message from a person.
#[derive(Debug, Clone, Copy)]
pub struct UserMessage<'a> {
    /// The chat that it was written in.
    pub chat: ChatId,
    /// Its text.
    pub text: &'a str,
    /// The text of the message that it is a reply to, where that was one of the bot's.
    pub in_reply_to: Option<&'a str>,
    /// The number of Telegram's update; a change is logged as made for it.
    pub update: Option<u32>,
}

/// A button under one of the bot's messages was pressed.
#[derive(Debug, Clone, Copy)]
pub struct ButtonPress<'a> {
    /// The chat that the message stands in.
    pub chat: ChatId,
    /// What the button stands for ([`Button::data`]).
    pub data: &'a str,
    /// The number of Telegram's update; a change is logged as made for it.
    pub update: Option<u32>,
}

/// A message to a person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// What it says; under a file, its caption.
    pub text: Text,
    /// The buttons under it, by rows.
    pub buttons: Vec<Vec<Button>>,
    /// It is a question: the reply to it is the answer, for which this stands in the empty field.
    pub asks_for: Option<&'static str>,
    /// What goes with it.
    pub file: Option<File>,
}

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What stands on it.
    pub label: String,
    /// What it stands for, 1 to 64 bytes as the Bot API takes them.
    pub data: String,
}

/// A file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// A picture that is shown at once.
    Picture {
        /// PNG.
        png: Vec<u8>,
    },
    /// A file to be kept.
    Document {
        /// Its name.
        name: String,
        /// What is in it.
        bytes: Vec<u8>,
        /// What it counts against, until it is sent.
        permit: DocumentPermit,
    },
}

/// What a press does.
#[derive(Debug, Clone, PartialEq)]
pub enum PressReply {
    /// The message becomes this one where it is of its kind, a text or a picture; else this is a new one.
    Edit(Reply),
    /// A new message.
    Send(Reply),
    /// A few words that vanish again, plain text of at most 200 characters.
    Notify(String),
    /// Both: such words, and the message becomes this one where it is of its kind.
    NotifyAndEdit(String, Reply),
}

/// How far an answer has come that takes its time, since the log is read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressStep {
    /// What the answer will be.
    pub kind: ReplyKind,
    /// How far it has come, in words: to be shown where it takes longer than a person waits in peace, and
    /// replaced by the next step's.
    pub text: Text,
}

/// What an answer will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// A text.
    Text,
    /// A [`File::Picture`].
    Picture,
    /// A [`File::Document`].
    Document,
}

/// Is told the steps of an answer that takes its time. It is called from any thread, a few times a second
/// at most, and must not wait.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(ProgressStep) + Send + Sync>);

impl Progress {
    /// Has `tell` called with each step.
    pub fn new(tell: impl Fn(ProgressStep) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// For whom no step is of interest.
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

impl From<Text> for Reply {
    fn from(text: Text) -> Self {
        Self { text, ..Self::default() }
    }
}

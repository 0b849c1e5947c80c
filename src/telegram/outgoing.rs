//! Answers as requests to the Bot API: messages, pictures and documents with what stands under them.
//!
//! Whatever the answer holds, the request is one that Telegram takes: what is too long is cut, and what
//! cannot be a button is left out.

use reqwest::multipart::{Form, Part};
use serde::Serialize;
use serde_json::{Value, json};
use teloxide::payloads::{
    EditMessageText, EditMessageTextSetters, SendMessage, SendMessageSetters, SetWebhook,
};
use teloxide::types::{
    ChatAction, ForceReply, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions, MessageId,
    ParseMode, ReplyMarkup, ReplyParameters, ThreadId,
};
use tracing::error;

use crate::chat::{Button, File, Reply};
use crate::event::ChatId;
use crate::text::{MESSAGE_LIMIT, Text};

/// The longest caption, in UTF-16 code units after entities are parsed (Bot API, `sendPhoto`).
const CAPTION_LIMIT: usize = 1024;

/// The largest photo and the largest document, in bytes (Bot API, "Sending files": 10 MB and 50 MB).
const PHOTO_LIMIT: usize = 10_000_000;
const DOCUMENT_LIMIT: usize = 50_000_000;

/// The name under which a request carries the picture that its JSON attaches.
const PICTURE: &str = "picture";

/// What a button may stand for, in bytes (Bot API, `InlineKeyboardButton`).
const BUTTON_DATA: std::ops::RangeInclusive<usize> = 1..=64;

/// The longest text in an empty field, in characters (Bot API, `ForceReply`).
const PLACEHOLDER_LIMIT: usize = 64;

/// A message to a chat.
#[derive(Clone, Copy)]
pub(super) struct OutgoingMessage<'a> {
    /// Where it goes.
    pub(super) place: Destination,
    /// What it says.
    pub(super) answer: &'a Reply,
    /// Without a sound or a buzz.
    pub(super) silent: bool,
}

/// A place for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) chat: ChatId,
    /// The topic of a forum.
    pub(super) topic: Option<ThreadId>,
    /// The message of a group's that is answered, so that a question goes to who wrote it.
    pub(super) answers: Option<MessageId>,
}

impl From<ChatId> for Destination {
    fn from(chat: ChatId) -> Self {
        Self { chat, topic: None, answers: None }
    }
}

/// A request with a file: the method and the form.
pub(super) struct Upload {
    pub(super) method: &'static str,
    pub(super) form: Form,
    /// The size of the file in bytes.
    pub(super) bytes: usize,
}

impl OutgoingMessage<'_> {
    /// The request for an answer without a file.
    pub(super) fn message(&self) -> SendMessage {
        let Destination { chat, topic, .. } = self.place;
        let mut request = SendMessage::new(telegram_id(chat), html(&self.answer.text, MESSAGE_LIMIT))
            .parse_mode(ParseMode::Html)
            .link_preview_options(no_preview());
        request.message_thread_id = topic;
        request.disable_notification = self.silent.then_some(true);
        request.reply_markup = self.markup();
        request.reply_parameters = self.reply_parameters();
        request
    }

    /// The request for an answer with this file.
    ///
    /// # Errors
    /// Where the parts cannot be put into words.
    pub(super) fn upload(&self, file: &File) -> Result<Upload, serde_json::Error> {
        let (method, field, part, bytes) = match file {
            File::Picture { png } => ("SendPhoto", "photo", picture(png), png.len()),
            File::Document { name, bytes, .. } => {
                let part = Part::bytes(bytes.clone()).file_name(name.clone());
                ("SendDocument", "document", part, bytes.len())
            }
        };
        let mut form = Form::new().text("chat_id", self.place.chat.0.to_string()).part(field, part);
        if let Some(caption) = caption(&self.answer.text) {
            form = form.text("caption", caption).text("parse_mode", "HTML");
        }
        if let Some(ThreadId(MessageId(topic))) = self.place.topic {
            form = form.text("message_thread_id", topic.to_string());
        }
        if self.silent {
            form = form.text("disable_notification", "true");
        }
        if let Some(markup) = self.markup() {
            form = form.text("reply_markup", to_json(&markup)?);
        }
        if let Some(parameters) = self.reply_parameters() {
            form = form.text("reply_parameters", to_json(&parameters)?);
        }
        Ok(Upload { method, form, bytes })
    }

    /// A question takes what would stand under a message: Telegram has room for one of the two.
    fn markup(&self) -> Option<ReplyMarkup> {
        let Some(placeholder) = self.answer.asks_for else {
            return keyboard(&self.answer.buttons).map(ReplyMarkup::InlineKeyboard);
        };
        let placeholder: String = placeholder.chars().take(PLACEHOLDER_LIMIT).collect();
        let question =
            ForceReply::new().input_field_placeholder(Some(placeholder).filter(|text| !text.is_empty()));
        Some(ReplyMarkup::ForceReply(match self.place.answers {
            Some(_) => question.selective(),
            None => question,
        }))
    }

    fn reply_parameters(&self) -> Option<ReplyParameters> {
        let answered = self.place.answers.filter(|_| self.answer.asks_for.is_some())?;
        Some(ReplyParameters::new(answered).allow_sending_without_reply())
    }
}

/// The request that makes `message` in this chat, which holds a text, say what `answer` says.
pub(super) fn edit_text(chat: ChatId, message: MessageId, answer: &Reply) -> EditMessageText {
    let text = html(&answer.text, MESSAGE_LIMIT);
    let mut request = EditMessageText::new(telegram_id(chat), message, text)
        .parse_mode(ParseMode::Html)
        .link_preview_options(no_preview());
    request.reply_markup = keyboard(&answer.buttons);
    request
}

/// The request that makes `message` in this chat, which holds a picture, show this one in its place, with what
/// `answer` says below it.
///
/// # Errors
/// Where the parts cannot be put into words.
pub(super) fn edit_picture(
    chat: ChatId,
    message: MessageId,
    answer: &Reply,
    png: &[u8],
) -> Result<Upload, serde_json::Error> {
    let mut media = json!({"type": "photo", "media": format!("attach://{PICTURE}")});
    if let Some(caption) = caption(&answer.text) {
        media["caption"] = caption.into();
        media["parse_mode"] = "HTML".into();
    }
    let mut form = Form::new()
        .text("chat_id", chat.0.to_string())
        .text("message_id", message.0.to_string())
        .text("media", to_json(&media)?)
        .part(PICTURE, picture(png));
    if let Some(keyboard) = keyboard(&answer.buttons) {
        form = form.text("reply_markup", to_json(&keyboard)?);
    }
    Ok(Upload { method: "EditMessageMedia", form, bytes: png.len() })
}

/// The request for a webhook with this certificate.
///
/// # Errors
/// Where the parts cannot be put into words.
pub(super) fn webhook_with_certificate(request: &SetWebhook, pem: &str) -> Result<Upload, serde_json::Error> {
    let certificate = Part::text(pem.to_owned()).file_name("webhook.pem");
    let mut form = Form::new().part("certificate", certificate);
    let fields = serde_json::to_value(request)?;
    for (name, value) in fields.as_object().into_iter().flatten() {
        form = match value {
            Value::Null => form,
            Value::String(text) => form.text(name.clone(), text.clone()),
            other => form.text(name.clone(), other.to_string()),
        };
    }
    Ok(Upload { method: "SetWebhook", form, bytes: pem.len() })
}

/// Whether Telegram takes the file. The chat makes none that is too large, so that what does not fit is a bug:
/// its text goes out without it.
pub(super) fn fits(file: &File) -> bool {
    let (bytes, limit) = match file {
        File::Picture { png } => (png.len(), PHOTO_LIMIT),
        File::Document { bytes, .. } => (bytes.len(), DOCUMENT_LIMIT),
    };
    let fits = (1..=limit).contains(&bytes);
    if !fits {
        error!(bytes, limit, "left out a file that Telegram would refuse; this is a bug");
    }
    fits
}

/// What the person sees the bot doing while it sends this.
pub(super) fn action(answer: &Reply) -> ChatAction {
    match answer.file {
        None => ChatAction::Typing,
        Some(File::Picture { .. }) => ChatAction::UploadPhoto,
        Some(File::Document { .. }) => ChatAction::UploadDocument,
    }
}

pub(super) fn telegram_id(chat: ChatId) -> teloxide::types::ChatId {
    teloxide::types::ChatId(chat.0)
}

fn html(text: &Text, limit: usize) -> String {
    text.shortened(limit).to_html()
}

/// What stands under a file, where anything does.
fn caption(text: &Text) -> Option<String> {
    (text.length() > 0).then(|| html(text, CAPTION_LIMIT))
}

fn picture(png: &[u8]) -> Part {
    Part::bytes(png.to_vec()).file_name("chart.png")
}

fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

fn keyboard(rows: &[Vec<Button>]) -> Option<InlineKeyboardMarkup> {
    let rows = rows.iter().map(|row| row.iter().filter_map(button).collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|row| !row.is_empty()).collect();
    (!rows.is_empty()).then(|| InlineKeyboardMarkup::new(rows))
}

fn button(Button { label, data }: &Button) -> Option<InlineKeyboardButton> {
    if BUTTON_DATA.contains(&data.len()) && !label.trim().is_empty() {
        return Some(InlineKeyboardButton::callback(label, data));
    }
    error!(label, data_bytes = data.len(), "left out a button that Telegram would refuse; this is a bug");
    None
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::DocumentPermit;

    /// What a person reads of HTML in Telegram's style.
    fn plain(html: &str) -> String {
        ["<b>", "</b>", "<code>", "</code>"]
            .iter()
            .fold(html.to_owned(), |text, tag| text.replace(tag, ""))
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }

    #[test]
    fn a_caption_is_the_beginning_that_fits() {
        for name in ["👻".repeat(256), "👩‍👩‍👧‍👦".repeat(256), "<&>".repeat(400), "<b>".repeat(400)]
        {
            for before in 0..4 {
                let text = Text::plain("x".repeat(before)).bold(&name).then(": 3 probes. ").code(&name);
                let caption = caption(&text).unwrap();
                let count = |tag: &str| caption.matches(tag).count();
                assert_eq!((count("<b>"), count("<code>")), (count("</b>"), count("</code>")), "{caption}");
                let read = plain(&caption);
                let length = read.encode_utf16().count();
                assert!((CAPTION_LIMIT - 16..=CAPTION_LIMIT).contains(&length), "{length}");
                let kept = read.strip_suffix('…').unwrap();
                assert!(text.to_string().starts_with(kept), "{kept}");
            }
        }
        assert_eq!(caption(&Text::default()), None);
    }

    #[test]
    fn a_file_that_telegram_would_refuse_is_left_out() {
        let document = |length| {
            let (name, bytes) = ("probes.csv".to_owned(), vec![0; length]);
            File::Document { name, bytes, room: DocumentPermit::default() }
        };
        let picture = |length| File::Picture { png: vec![0; length] };
        assert!(fits(&document(DOCUMENT_LIMIT)) && fits(&picture(PHOTO_LIMIT)));
        assert!(!fits(&document(DOCUMENT_LIMIT + 1)) && !fits(&picture(PHOTO_LIMIT + 1)));
        assert!(!fits(&document(0)) && !fits(&picture(0)));
    }
}

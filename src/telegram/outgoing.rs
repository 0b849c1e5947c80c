//! Builds Bot API requests from replies: messages, pictures and documents with their buttons.
//!
//! Telegram accepts every request built here, whatever the reply contains: texts that are too long are cut, and
//! buttons and files that Telegram would refuse are left out.

use reqwest::multipart::{Form, Part};
use serde::Serialize;
use serde_json::{Value, json};
use store::event::ChatId;
use teloxide::payloads::{
    EditMessageText, EditMessageTextSetters, SendMessage, SendMessageSetters, SetWebhook,
};
use teloxide::requests::Payload;
use teloxide::types::{
    ChatAction, ForceReply, LinkPreviewOptions, MessageId, ParseMode, ReplyParameters, ThreadId,
};
use tracing::error;

use super::keyboard::{Keyboard, Markup, WithMarkup};
use super::server_features::MessageForm;
use crate::chat::{File, Reply};
use crate::text::document::Document;
use crate::text::{MESSAGE_LIMIT, Text};

/// The longest caption, in UTF-16 code units after entities are parsed (Bot API, `sendPhoto`, `caption`).
const CAPTION_LIMIT: usize = 1024;

/// The largest photo and the largest document, in bytes (Bot API, "Sending files": 10 MB and 50 MB).
const PHOTO_LIMIT: usize = 10_000_000;
const DOCUMENT_LIMIT: usize = 50_000_000;

/// The form field of a picture that `media` refers to as `attach://…` (Bot API, "Sending files").
const PICTURE_FIELD: &str = "picture";

/// The longest placeholder of an input field, in characters (Bot API, `ForceReply`, `input_field_placeholder`).
const PLACEHOLDER_LIMIT: usize = 64;

/// A message to a chat.
#[derive(Clone, Copy)]
pub(super) struct OutgoingMessage<'a> {
    pub(super) destination: Destination,
    pub(super) reply: &'a Reply,
    /// Whether the recipient gets no sound (Bot API, `disable_notification`).
    pub(super) silent: bool,
    /// Set if Telegram rejected the message's content: only this many UTF-16 code units of its text are sent, without
    /// formatting, buttons and file.
    pub(super) plain_limit: Option<usize>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) chat: ChatId,
    /// The topic of a forum.
    pub(super) topic: Option<ThreadId>,
    /// The message in a group that is answered, so that a question goes to its sender alone.
    pub(super) reply_to: Option<MessageId>,
}

impl From<ChatId> for Destination {
    fn from(chat: ChatId) -> Self {
        Self { chat, topic: None, reply_to: None }
    }
}

/// A request with a file.
pub(super) struct Upload {
    pub(super) method: &'static str,
    pub(super) form: Form,
    /// The size of the file in bytes.
    pub(super) bytes: usize,
}

/// A request that sends a rich message (Bot API, `sendRichMessage`).
#[derive(Serialize)]
pub(super) struct SendRichMessage {
    chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<ThreadId>,
    rich_message: InputRichMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_notification: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_parameters: Option<ReplyParameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<Markup>,
}

impl Payload for SendRichMessage {
    type Output = Value;
    const NAME: &'static str = "SendRichMessage";
}

/// A request that replaces a message by a rich one (Bot API, `editMessageText`, `rich_message`).
#[derive(Serialize)]
pub(super) struct EditRichMessage {
    chat_id: i64,
    message_id: i32,
    rich_message: InputRichMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<Keyboard>,
}

impl Payload for EditRichMessage {
    type Output = Value;
    const NAME: &'static str = "EditMessageText";
}

/// The content of a rich message (Bot API, `InputRichMessage`).
#[derive(Debug, Serialize)]
pub(super) struct InputRichMessage {
    html: String,
    /// No SSID becomes a link, a mention or a command. Only a list of commands is searched for them.
    skip_entity_detection: bool,
}

impl InputRichMessage {
    fn new(document: &Document, form: MessageForm) -> Self {
        Self { html: document.to_rich_html(form.times), skip_entity_detection: !document.has_commands() }
    }
}

impl<'a> OutgoingMessage<'a> {
    /// What a rich message shows, unless the message is sent as plain text.
    pub(super) fn document(&self) -> Option<&'a Document> {
        self.reply.document.as_ref().filter(|_| self.plain_limit.is_none())
    }

    /// The request for a reply with this document.
    pub(super) fn to_rich_request(self, document: &Document, form: MessageForm) -> SendRichMessage {
        SendRichMessage {
            chat_id: self.destination.chat.0,
            message_thread_id: self.destination.topic,
            rich_message: InputRichMessage::new(document, form),
            disable_notification: self.silent.then_some(true),
            reply_parameters: self.reply_parameters(),
            reply_markup: self.markup(form),
        }
    }

    /// The request for a reply without a file.
    pub(super) fn to_request(self, form: MessageForm) -> WithMarkup<SendMessage, Markup> {
        let Destination { chat, topic, .. } = self.destination;
        if let Some(limit) = self.plain_limit {
            let text = self.reply.text.shortened(limit).to_string();
            let mut request = SendMessage::new(telegram_id(chat), text).link_preview_options(no_preview());
            request.message_thread_id = topic;
            request.disable_notification = self.silent.then_some(true);
            return WithMarkup { request, reply_markup: None };
        }
        let mut request = SendMessage::new(telegram_id(chat), html(&self.reply.text, MESSAGE_LIMIT, form))
            .parse_mode(ParseMode::Html)
            .link_preview_options(no_preview());
        request.message_thread_id = topic;
        request.disable_notification = self.silent.then_some(true);
        request.reply_parameters = self.reply_parameters();
        WithMarkup { request, reply_markup: self.markup(form) }
    }

    /// The request for a reply with this file.
    ///
    /// # Errors
    /// If a field cannot be serialized.
    pub(super) fn to_upload(self, file: &File, form: MessageForm) -> Result<Upload, serde_json::Error> {
        let (method, field, part, bytes) = match file {
            File::Picture { png } => ("SendPhoto", "photo", picture(png), png.len()),
            File::Document { name, bytes, .. } => {
                let part = Part::bytes(bytes.clone()).file_name(name.clone());
                ("SendDocument", "document", part, bytes.len())
            }
        };
        let mut fields = Form::new().text("chat_id", self.destination.chat.0.to_string()).part(field, part);
        if let Some(caption) = caption(&self.reply.text, form) {
            fields = fields.text("caption", caption).text("parse_mode", "HTML");
        }
        if let Some(ThreadId(MessageId(topic))) = self.destination.topic {
            fields = fields.text("message_thread_id", topic.to_string());
        }
        if self.silent {
            fields = fields.text("disable_notification", "true");
        }
        if let Some(markup) = self.markup(form) {
            fields = fields.text("reply_markup", to_json(&markup)?);
        }
        if let Some(parameters) = self.reply_parameters() {
            fields = fields.text("reply_parameters", to_json(&parameters)?);
        }
        Ok(Upload { method, form: fields, bytes })
    }

    /// A prompt for a reply takes the place of buttons: a message can have only one of them (Bot API, `reply_markup`).
    fn markup(&self, form: MessageForm) -> Option<Markup> {
        let Some(placeholder) = self.reply.asks_for else {
            return Keyboard::new(&self.reply.buttons, form.has_copy_text_buttons).map(Markup::Keyboard);
        };
        let placeholder: String = placeholder.chars().take(PLACEHOLDER_LIMIT).collect();
        let question =
            ForceReply::new().input_field_placeholder(Some(placeholder).filter(|text| !text.is_empty()));
        Some(Markup::ForceReply(match self.destination.reply_to {
            Some(_) => question.selective(),
            None => question,
        }))
    }

    fn reply_parameters(&self) -> Option<ReplyParameters> {
        let answered = self.destination.reply_to.filter(|_| self.reply.asks_for.is_some())?;
        Some(ReplyParameters::new(answered).allow_sending_without_reply())
    }
}

/// What somebody sends who chooses a card of an inline answer (Bot API, `InputMessageContent`).
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum InlineContent {
    /// Bot API, `InputRichMessageContent`.
    Rich { rich_message: InputRichMessage },
    /// Bot API, `InputTextMessageContent`.
    Text { message_text: String, parse_mode: ParseMode, link_preview_options: LinkPreviewOptions },
}

impl InlineContent {
    /// The reply without its buttons.
    pub(super) fn new(reply: &Reply, form: MessageForm) -> Self {
        match reply.document.as_ref().filter(|_| form.is_rich) {
            Some(document) => Self::Rich { rich_message: InputRichMessage::new(document, form) },
            None => Self::Text {
                message_text: html_of_length(&reply.text, form),
                parse_mode: ParseMode::Html,
                link_preview_options: no_preview(),
            },
        }
    }

    /// The length of the content in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Rich { rich_message } => rich_message.html.len(),
            Self::Text { message_text, .. } => message_text.len(),
        }
    }
}

/// The text in HTML that has itself at most [`MESSAGE_LIMIT`] UTF-16 code units: of an inline message, the Bot API does not
/// say that its length counts without tags.
fn html_of_length(text: &Text, form: MessageForm) -> String {
    let mut limit = MESSAGE_LIMIT;
    loop {
        let html = html(text, limit, form);
        let length = html.encode_utf16().count();
        if length <= MESSAGE_LIMIT || limit == 0 {
            return html;
        }
        // In proportion, since each character may become several.
        limit = (limit * MESSAGE_LIMIT / length).min(limit - 1);
    }
}

/// The request that makes `message` in this chat a rich one with this document.
pub(super) fn edit_rich(
    chat: ChatId,
    message: MessageId,
    reply: &Reply,
    document: &Document,
    form: MessageForm,
) -> EditRichMessage {
    EditRichMessage {
        chat_id: chat.0,
        message_id: message.0,
        rich_message: InputRichMessage::new(document, form),
        reply_markup: Keyboard::new(&reply.buttons, form.has_copy_text_buttons),
    }
}

/// The request that replaces the text of `message` in this chat.
pub(super) fn edit_text(
    chat: ChatId,
    message: MessageId,
    reply: &Reply,
    form: MessageForm,
) -> WithMarkup<EditMessageText, Keyboard> {
    let text = html(&reply.text, MESSAGE_LIMIT, form);
    let request = EditMessageText::new(telegram_id(chat), message, text)
        .parse_mode(ParseMode::Html)
        .link_preview_options(no_preview());
    WithMarkup { request, reply_markup: Keyboard::new(&reply.buttons, form.has_copy_text_buttons) }
}

/// The request that replaces the picture and caption of `message` in this chat.
///
/// # Errors
/// If a field cannot be serialized.
pub(super) fn edit_picture(
    chat: ChatId,
    message: MessageId,
    reply: &Reply,
    png: &[u8],
    form: MessageForm,
) -> Result<Upload, serde_json::Error> {
    let mut media = json!({"type": "photo", "media": format!("attach://{PICTURE_FIELD}")});
    if let Some(caption) = caption(&reply.text, form) {
        media["caption"] = caption.into();
        media["parse_mode"] = "HTML".into();
    }
    let mut fields = Form::new()
        .text("chat_id", chat.0.to_string())
        .text("message_id", message.0.to_string())
        .text("media", to_json(&media)?)
        .part(PICTURE_FIELD, picture(png));
    if let Some(keyboard) = Keyboard::new(&reply.buttons, form.has_copy_text_buttons) {
        fields = fields.text("reply_markup", to_json(&keyboard)?);
    }
    Ok(Upload { method: "EditMessageMedia", form: fields, bytes: png.len() })
}

/// The request that sets the webhook with this certificate (Bot API, `setWebhook`, `certificate`).
///
/// # Errors
/// If a field cannot be serialized.
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

/// Whether Telegram accepts a file of this size. The chat makes no larger ones, so a file that does not fit is a bug;
/// its text is sent without it.
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

/// The chat action to show while this reply is sent.
pub(super) fn chat_action(reply: &Reply) -> ChatAction {
    match reply.file {
        None => ChatAction::Typing,
        Some(File::Picture { .. }) => ChatAction::UploadPhoto,
        Some(File::Document { .. }) => ChatAction::UploadDocument,
    }
}

pub(super) fn telegram_id(chat: ChatId) -> teloxide::types::ChatId {
    teloxide::types::ChatId(chat.0)
}

/// The HTML of a text of at most `limit` UTF-16 code units.
fn html(text: &Text, limit: usize, form: MessageForm) -> String {
    text.shortened(limit).to_html(form.times)
}

/// The caption of a file; `None` if the text is empty.
fn caption(text: &Text, form: MessageForm) -> Option<String> {
    (text.length() > 0).then(|| html(text, CAPTION_LIMIT, form))
}

fn picture(png: &[u8]) -> Part {
    Part::bytes(png.to_vec()).file_name("chart.png")
}

fn to_json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
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
    use crate::text::TimeMarkup;

    const FORM: MessageForm =
        MessageForm { is_rich: true, times: TimeMarkup::Text, has_copy_text_buttons: true };

    /// The text that HTML in Telegram's style shows.
    fn plain(html: &str) -> String {
        ["<b>", "</b>", "<code>", "</code>"]
            .iter()
            .fold(html.to_owned(), |text, tag| text.replace(tag, ""))
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    }

    #[test]
    fn cuts_a_long_caption_without_breaking_characters_or_tags() {
        for name in ["👻".repeat(256), "👩‍👩‍👧‍👦".repeat(256), "<&>".repeat(400), "<b>".repeat(400)]
        {
            for before in 0..4 {
                let text = Text::plain("x".repeat(before)).bold(&name).append(": 3 probes. ").code(&name);
                let caption = caption(&text, FORM).unwrap();
                let count = |tag: &str| caption.matches(tag).count();
                assert_eq!((count("<b>"), count("<code>")), (count("</b>"), count("</code>")), "{caption}");
                let read = plain(&caption);
                let length = read.encode_utf16().count();
                assert!((CAPTION_LIMIT - 16..=CAPTION_LIMIT).contains(&length), "{length}");
                let kept = read.strip_suffix('…').unwrap();
                assert!(text.to_string().starts_with(kept), "{kept}");
            }
        }
        assert_eq!(caption(&Text::default(), FORM), None);
    }

    #[test]
    fn an_inline_text_is_short_enough_with_its_tags() {
        for name in ["<&>".repeat(4000), "x".repeat(5000), "👻".repeat(3000)] {
            let html = html_of_length(&Text::default().code(&name), FORM);
            let length = html.encode_utf16().count();
            assert!((MESSAGE_LIMIT / 2..=MESSAGE_LIMIT).contains(&length), "{length}");
            assert!(html.starts_with("<code>") && html.ends_with("…</code>"));
        }
        assert_eq!(html_of_length(&Text::plain("a"), FORM), "a");
    }

    #[test]
    fn leaves_out_files_that_telegram_would_refuse() {
        let document = |length| {
            let (name, bytes) = ("probes.csv".to_owned(), vec![0; length]);
            File::Document { name, bytes, permit: DocumentPermit::default() }
        };
        let picture = |length| File::Picture { png: vec![0; length] };
        assert!(fits(&document(DOCUMENT_LIMIT)) && fits(&picture(PHOTO_LIMIT)));
        assert!(!fits(&document(DOCUMENT_LIMIT + 1)) && !fits(&picture(PHOTO_LIMIT + 1)));
        assert!(!fits(&document(0)) && !fits(&picture(0)));
    }
}

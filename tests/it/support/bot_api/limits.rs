//! The Bot API's published limits that its schema does not contain: lengths, character sets, formats.

use serde_json::{Map, Value};

use super::detection::{self, Detected};
use super::html::{self, Formatted};
use super::{inline_limits, rich_html, rich_plain};

/// Lengths in UTF-16 units of the text after parsing its entities.
pub(super) const MAX_TEXT: usize = 4096;
const MAX_CAPTION: usize = 1024;

const CHAT_ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

/// All violations of the limits by these parameters. `method` is in lower case.
pub fn violations(method: &str, params: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    match method {
        "setwebhook" => {
            let url = text("url").unwrap_or_default();
            if params.contains_key("certificate") {
                found.push("bad webhook: the certificate must be uploaded as a file".into());
            }
            let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
            if !url.is_empty() && host.is_none_or(str::is_empty) {
                found.push("bad webhook: An HTTPS URL must be provided for webhook".into());
            }
            if let Some(port) = host.and_then(|host| host.rsplit_once(':')).map(|(_, port)| port)
                && !["443", "80", "88", "8443"].contains(&port)
            {
                found.push("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443".into());
            }
            if let Some(secret) = text("secret_token") {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
                if secret.is_empty() || secret.len() > 256 || !secret.bytes().all(allowed) {
                    found.push("bad webhook: secret token contains unallowed characters".into());
                }
            }
            in_range(params, "max_connections", 1..=100, &mut found);
        }
        "getupdates" => {
            in_range(params, "limit", 1..=100, &mut found);
            in_range(params, "timeout", 0..=600, &mut found);
        }
        "setmycommands" => {
            commands(params, &mut found);
            scope(params, &mut found);
        }
        "getmycommands" | "deletemycommands" => scope(params, &mut found),
        "answercallbackquery" if text("text").is_some_and(|text| utf16_length(text) > 200) => {
            found.push("answerCallbackQuery: text is longer than 200 characters".into());
        }
        "sendchataction" if !text("action").is_some_and(|action| CHAT_ACTIONS.contains(&action)) => {
            found.push("wrong parameter action in request".into());
        }
        "sendmessage" => formatted(params, "text", "entities", 1..=MAX_TEXT, &mut found),
        "editmessagetext" => inline_limits::edited_text(params, &mut found),
        "sendrichmessage" => inline_limits::rich_message(params, &mut found),
        "sendmessagedraft" | "sendrichmessagedraft" => inline_limits::draft(params, &mut found),
        "answerinlinequery" => inline_limits::inline_answer(params, &mut found),
        "editmessagemedia" => medium(params, &mut found),
        _ if params.contains_key("caption") => {
            formatted(params, "caption", "caption_entities", 0..=MAX_CAPTION, &mut found);
        }
        _ => {}
    }
    // One medium or a group.
    let media =
        params.get("media").map(|media| media.as_array().map_or(std::slice::from_ref(media), Vec::as_slice));
    for media in media.unwrap_or_default().iter().filter_map(Value::as_object) {
        formatted(media, "caption", "caption_entities", 0..=MAX_CAPTION, &mut found);
    }
    if let Some(markup) = params.get("reply_markup") {
        buttons(markup, &mut found);
    }
    found
}

/// The displayed text of a message or caption; of a rich message its plain form.
pub fn read_formatted(params: &Map<String, Value>, field: &str, entities: &str) -> Result<Formatted, String> {
    if let Some(blocks) = rich_blocks(params)? {
        return Ok(rich_plain::plain(&blocks));
    }
    let text = params.get(field).and_then(Value::as_str).unwrap_or_default();
    match params.get("parse_mode").and_then(Value::as_str) {
        None | Some("") => {
            let entities = params.get(entities).and_then(Value::as_array).cloned().unwrap_or_default();
            Ok(Formatted { plain: text.to_owned(), entities })
        }
        Some(mode) if mode.eq_ignore_ascii_case("HTML") => html::parse(text),
        Some(mode) => Err(format!("this test server cannot read parse_mode {mode:?}")),
    }
}

/// The blocks of a rich message.
pub fn rich_blocks(params: &Map<String, Value>) -> Result<Option<Vec<Value>>, String> {
    let html = params.get("rich_message").and_then(|message| message["html"].as_str());
    html.map(rich_html::parse).transpose()
}

/// What Telegram detects in the text or caption of these parameters: nothing in a rich message that asks for that.
pub fn detected(params: &Map<String, Value>) -> Result<Vec<Detected>, String> {
    let (field, entities) = match ["text", "message_text"].iter().find(|name| params.contains_key(**name)) {
        Some(name) => (*name, "entities"),
        None => ("caption", "caption_entities"),
    };
    let is_skipped =
        params.get("rich_message").is_some_and(|message| message["skip_entity_detection"] == true);
    let formatted = read_formatted(params, field, entities)?;
    Ok(if is_skipped { Vec::new() } else { detection::detect(&formatted.plain, &formatted.entities) })
}

/// The number of UTF-16 units, which is how Telegram counts.
pub fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

pub(super) fn formatted(
    params: &Map<String, Value>,
    field: &str,
    entities: &str,
    lengths: std::ops::RangeInclusive<usize>,
    found: &mut Vec<String>,
) {
    let formatted = match read_formatted(params, field, entities) {
        Ok(formatted) => formatted,
        Err(error) => return found.push(error),
    };
    let length = utf16_length(&formatted.plain);
    if length > *lengths.end() {
        found.push(format!("{field} is too long: {length} UTF-16 units of at most {}", lengths.end()));
    }
    if *lengths.start() > 0 && formatted.plain.trim().is_empty() {
        found.push(format!("{field} must be non-empty"));
    }
    for entity in &formatted.entities {
        let end = entity["offset"].as_u64().zip(entity["length"].as_u64()).map(|(at, len)| at + len);
        if end.is_none_or(|end| end > length as u64) {
            found.push(format!("{field}: the entity {entity} lies outside the text"));
        }
    }
}

/// A medium that replaces another.
fn medium(params: &Map<String, Value>, found: &mut Vec<String>) {
    let Some(medium) = params.get("media").and_then(Value::as_object) else {
        return found.push("media is no object".into());
    };
    let text = |name: &str| medium.get(name).and_then(Value::as_str).unwrap_or_default();
    if !["animation", "audio", "document", "photo", "video"].contains(&text("type")) {
        found.push(format!("media: unknown type {:?}", text("type")));
    }
    formatted(medium, "caption", "caption_entities", 0..=MAX_CAPTION, found);
    if let Some(markup) = params.get("reply_markup").filter(|markup| markup.get("inline_keyboard").is_none())
    {
        found.push(format!("no inline keyboard: {markup}"));
    }
}

fn commands(params: &Map<String, Value>, found: &mut Vec<String>) {
    let commands = params.get("commands").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if commands.len() > 100 {
        found.push(format!("setMyCommands: {} commands of at most 100", commands.len()));
    }
    for command in commands {
        let name = command["command"].as_str().unwrap_or_default();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(allowed) {
            found.push(format!("BOT_COMMAND_INVALID: {name:?}"));
        }
        let description = command["description"].as_str().unwrap_or_default();
        if !(1..=256).contains(&utf16_length(description)) {
            found.push(format!("BOT_COMMAND_DESCRIPTION_INVALID: {name:?}: {description:?}"));
        }
    }
}

/// A scope of commands has the fields of its type.
fn scope(params: &Map<String, Value>, found: &mut Vec<String>) {
    let Some(scope) = params.get("scope") else { return };
    let fields: &[&str] = match scope["type"].as_str().unwrap_or_default() {
        "default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators" => &["type"],
        "chat" | "chat_administrators" => &["type", "chat_id"],
        "chat_member" => &["type", "chat_id", "user_id"],
        other => return found.push(format!("can't parse BotCommandScope: unsupported type {other:?}")),
    };
    let present: Vec<&String> = scope.as_object().into_iter().flat_map(Map::keys).collect();
    if present.len() != fields.len() || fields.iter().any(|field| scope[*field].is_null()) {
        found.push(format!("can't parse BotCommandScope: {scope}"));
    }
}

pub(super) fn buttons(markup: &Value, found: &mut Vec<String>) {
    let rows = markup["inline_keyboard"].as_array().into_iter().flatten();
    for button in rows.flat_map(|row| row.as_array().into_iter().flatten()) {
        inline_limits::button(button, found);
    }
    let widths: Vec<usize> = markup["inline_keyboard"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| row.as_array().map_or(0, Vec::len))
        .collect();
    if widths.iter().sum::<usize>() > 100 || widths.iter().any(|width| *width > 8) {
        found.push(format!("too many buttons: rows of {widths:?}"));
    }
    let placeholder = markup["input_field_placeholder"].as_str().map(|text| text.chars().count());
    if placeholder.is_some_and(|length| !(1..=64).contains(&length)) {
        found.push("input_field_placeholder has not 1 to 64 characters".into());
    }
}

pub(super) fn in_range(
    params: &Map<String, Value>,
    name: &str,
    range: std::ops::RangeInclusive<i64>,
    found: &mut Vec<String>,
) {
    if let Some(value) = params.get(name).and_then(Value::as_i64)
        && !range.contains(&value)
    {
        found.push(format!("{name} is {value}, not within {} to {}", range.start(), range.end()));
    }
}

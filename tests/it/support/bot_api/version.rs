//! What a server of an older version of the Bot API makes of a request: an unknown method is not found, an unknown
//! field is ignored, an unknown tag or what is left of a message may be refused. None of this is a fault of the
//! request; the server counts what it did not know (`BotApi::unknown_count`).

use std::fmt;

use serde_json::{Map, Value};

use super::html;
use super::methods::Reply;
use super::schema::schema;

/// A version of the Bot API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// The oldest version that the bot's tests play; a method, field or tag without a version is at least as old.
    pub const V7_0: Self = Self(7, 0);
    /// Date-time entities, and drafts for all bots.
    pub const V9_5: Self = Self(9, 5);
    /// Rich messages. The schema is of this version.
    pub const V10_1: Self = Self(10, 1);

    /// `10.1`
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::V10_1
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// A request as a server of some version reads it.
pub struct Understood {
    /// The parameters that it knows.
    pub params: Map<String, Value>,
    /// The methods (`sendRichMessage`), fields (`InlineKeyboardButton.style`) and tags (`tg-time`) that it does not.
    pub unknown: Vec<String>,
    /// Its answer, if it does not carry out what is left.
    pub refusal: Option<Reply>,
}

/// Reads a request, which must be valid in the newest version, as a server of this version.
pub fn understand(version: Version, method: &str, params: &Map<String, Value>) -> Understood {
    if schema().since(method) > version {
        let refusal = Some(Reply::error(404, "Not Found"));
        return Understood { params: params.clone(), unknown: vec![method.to_owned()], refusal };
    }
    let mut unknown = Vec::new();
    let params = schema().known_fields(version, method, params, &mut unknown);
    let refusal = refusal(version, method, &params, &mut unknown);
    Understood { params, unknown, refusal }
}

/// The texts come first, then the keyboard, as in Telegram's server.
fn refusal(
    version: Version,
    method: &str,
    params: &Map<String, Value>,
    unknown: &mut Vec<String>,
) -> Option<Reply> {
    let bad = |what: &str| Some(Reply::error(400, &format!("Bad Request: {what}")));
    let is_text = ["sendMessage", "editMessageText"].iter().any(|name| method.eq_ignore_ascii_case(name));
    let is_rich = params.contains_key("rich_message");
    if is_text && !is_rich && params.get("text").and_then(Value::as_str).unwrap_or_default().is_empty() {
        return bad("message text is empty");
    }
    let results = params.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let contents = results.iter().filter_map(|result| result["input_message_content"].as_object());
    if contents.clone().any(Map::is_empty) {
        return bad("can't parse inline query result: message content is not specified");
    }
    let media = params.get("media").and_then(Value::as_object);
    for object in [params].into_iter().chain(media).chain(contents) {
        if !object.get("parse_mode").and_then(Value::as_str).is_some_and(|m| m.eq_ignore_ascii_case("HTML")) {
            continue;
        }
        for field in ["text", "caption", "message_text"] {
            let text = object.get(field).and_then(Value::as_str).unwrap_or_default();
            if let Err(error) = html::parse_as(version, text) {
                // It reads no keyboard then.
                unknown.retain(|what| !what.starts_with("InlineKeyboardButton."));
                unknown.extend(html::newer_tag(version, text).map(str::to_owned));
                return bad(&error);
            }
        }
    }
    let keyboards = results.iter().map(|result| &result["reply_markup"]).chain(params.get("reply_markup"));
    let mut buttons = keyboards.flat_map(super::calls::keyboard_buttons);
    let has_kind = |button: &Value| {
        button.as_object().is_some_and(|button| button.keys().any(|key| key != "text" && key != "style"))
    };
    if !buttons.all(has_kind) {
        return bad("can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard");
    }
    None
}

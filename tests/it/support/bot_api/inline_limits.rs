//! The limits of answers to inline queries, and of rich messages and drafts.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::limits::{self, MAX_TEXT, utf16_length};
use super::rich_html;

/// Violations by the answer to an inline query.
pub fn inline_answer(params: &Map<String, Value>, found: &mut Vec<String>) {
    let results = params.get("results").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if results.len() > 50 {
        found.push(format!("RESULTS_TOO_MUCH: {} of at most 50", results.len()));
    }
    let text = |object: &Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    let ids: BTreeSet<String> = results.iter().map(|result| text(result, "id")).collect();
    if ids.len() < results.len() {
        found.push("RESULT_ID_DUPLICATE".to_owned());
    }
    for result in results {
        let id = text(result, "id");
        if result["type"] != "article"
            || !(1..=64).contains(&id.len())
            || text(result, "title").trim().is_empty()
        {
            found.push(format!("RESULT_ID_INVALID or no article with a title: {result}"));
        }
        let Some(content) = result["input_message_content"].as_object() else { continue };
        if content.contains_key("message_text") {
            limits::formatted(content, "message_text", "entities", 1..=MAX_TEXT, found);
        } else {
            rich_message(content, found);
        }
        limits::buttons(&result["reply_markup"], found);
    }
    if params.get("next_offset").and_then(Value::as_str).is_some_and(|offset| offset.len() > 64) {
        found.push("NEXT_OFFSET_INVALID: longer than 64 bytes".to_owned());
    }
    if let Some(button) = params.get("button") {
        let parameter = text(button, "start_parameter");
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if !(1..=64).contains(&parameter.len())
            || !parameter.bytes().all(is_allowed)
            || text(button, "text").is_empty()
        {
            found.push(format!("START_PARAM_INVALID: {button}"));
        }
    }
    limits::in_range(params, "cache_time", 0..=i64::from(i32::MAX), found);
}

/// Violations by a draft, which only a private chat can have.
pub fn draft(params: &Map<String, Value>, found: &mut Vec<String>) {
    if params.get("chat_id").and_then(Value::as_i64).is_none_or(|chat| chat <= 0) {
        found.push("a draft outside a private chat".to_owned());
    }
    if params.get("draft_id").and_then(Value::as_i64) == Some(0) {
        found.push("draft_id must be non-zero".to_owned());
    }
    if params.contains_key("rich_message") {
        rich_message(params, found);
    } else {
        limits::formatted(params, "text", "entities", 0..=MAX_TEXT, found);
    }
}

/// Violations by the new content of a message, which is a text or rich.
pub fn edited_text(params: &Map<String, Value>, found: &mut Vec<String>) {
    if !params.contains_key("rich_message") {
        return limits::formatted(params, "text", "entities", 1..=MAX_TEXT, found);
    }
    for field in ["text", "parse_mode", "entities", "link_preview_options"] {
        if params.contains_key(field) {
            found.push(format!("editMessageText: {field} beside rich_message"));
        }
    }
    rich_message(params, found);
}

/// Violations by `rich_message`.
pub fn rich_message(params: &Map<String, Value>, found: &mut Vec<String>) {
    let message = params.get("rich_message").unwrap_or(&Value::Null);
    match (message["html"].as_str(), message["markdown"].as_str()) {
        (Some(html), None) => found.extend(rich_html::parse(html).err()),
        (None, Some(_)) => found.push("this test server cannot read rich markdown".to_owned()),
        _ => found.push("rich_message: exactly one of html and markdown must be there".to_owned()),
    }
    // The rule of this project: no name and no SSID turns into a link, a mention or a command. Only a text of the bot's
    // own, such as the list of commands, may be searched.
    if message["skip_entity_detection"] != true {
        let detected = limits::detected(params).unwrap_or_default();
        let is_searched_for_commands = detected.iter().any(|found| found.kind == "bot_command");
        if !is_searched_for_commands || detected.iter().any(|found| found.kind != "bot_command") {
            found
                .push(format!("rich_message: skip_entity_detection is not true, which detects {detected:?}"));
        }
    }
}

/// Violations by an inline button.
pub fn button(button: &Value, found: &mut Vec<String>) {
    let bytes = |name: &str| button[name].as_str().map(str::len);
    let kinds =
        ["url", "callback_data", "switch_inline_query", "switch_inline_query_current_chat", "copy_text"];
    let count = kinds.iter().filter(|kind| !button[**kind].is_null()).count();
    if count != 1 {
        found.push(format!("BUTTON_TYPE_INVALID: a button must be of exactly one kind: {button}"));
    }
    if bytes("callback_data").is_some_and(|length| !(1..=64).contains(&length)) {
        let data = &button["callback_data"];
        let length = bytes("callback_data").unwrap_or_default();
        found.push(format!("BUTTON_DATA_INVALID: {data} has {length} bytes of 1 to 64"));
    }
    if button["text"].as_str().is_some_and(str::is_empty) {
        found.push("a button without text".to_owned());
    }
    if let Some(style) = button["style"].as_str()
        && !["danger", "success", "primary"].contains(&style)
    {
        found.push(format!("a button of the unknown style {style:?}"));
    }
    const COPIED: RangeInclusive<usize> = 1..=256;
    if let Some(copied) = button["copy_text"]["text"].as_str()
        && !COPIED.contains(&utf16_length(copied))
    {
        found.push(format!("BUTTON_COPY_TEXT_INVALID: {} characters of 1 to 256", utf16_length(copied)));
    }
}

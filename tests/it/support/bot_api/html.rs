//! Telegram's HTML (https://core.telegram.org/bots/api#html-style): which tags are valid, the displayed
//! text, and the entities.
//!
//! Stricter than the server, as the documentation is: a `<`, `>` or `&` outside tags and entities must be escaped. The
//! server accepts a stray `&` or `>`, but here it means that text from outside was not escaped.

use serde_json::{Value, json};

use super::methods::now;
use super::version::Version;

/// Tags that are younger than [`Version::V7_0`].
const NEWER_TAGS: [(&str, Version); 1] = [("tg-time", Version::V9_5)];

/// How far in the future a date-time entity may lie, in seconds.
const TIME_AHEAD: u64 = 1_098 * 86_400;

/// The displayed text and its entities.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Formatted {
    pub plain: String,
    pub entities: Vec<Value>,
}

struct OpenTag {
    name: String,
    entity: Value,
    start: usize,
}

/// Parses HTML as Telegram's server does, with the server's error messages.
pub fn parse(html: &str) -> Result<Formatted, String> {
    parse_as(Version::default(), html)
}

/// The first tag in this HTML that a server of this version does not know.
pub fn newer_tag(version: Version, html: &str) -> Option<&'static str> {
    let mut newer = NEWER_TAGS.iter().filter(|(_, since)| *since > version).map(|(name, _)| *name);
    newer.find(|name| html.contains(&format!("<{name}")))
}

/// Parses HTML as a server of this version does.
pub fn parse_as(version: Version, html: &str) -> Result<Formatted, String> {
    let mut formatted = Formatted::default();
    let mut open: Vec<OpenTag> = Vec::new();
    let mut length = 0; // of the plain text, in UTF-16 units
    let mut rest = html;
    while let Some(first) = rest.chars().next() {
        let at = html.len() - rest.len();
        let fail = |what: String| format!("can't parse entities: {what} at byte offset {at}");
        match first {
            '&' => {
                let end = rest.find(';').ok_or_else(|| fail("a bare \"&\"".into()))?;
                let name = &rest[1..end];
                let character = character_entity(name).ok_or_else(|| fail(format!("entity {name:?}")))?;
                formatted.plain.push(character);
                length += character.len_utf16();
                rest = &rest[end + 1..];
            }
            '>' => return Err(fail("a bare \">\"".into())),
            '<' => {
                let end = tag_end(rest).ok_or_else(|| fail("Unclosed start tag".into()))?;
                let inside = &rest[1..end];
                rest = &rest[end + 1..];
                if let Some(name) = inside.strip_prefix('/') {
                    let name = name.trim_end().to_ascii_lowercase();
                    let Some(tag) = open.pop() else {
                        return Err(fail(format!("Unexpected end tag \"{name}\"")));
                    };
                    if tag.name != name {
                        let expected = tag.name;
                        return Err(fail(format!(
                            "Unmatched end tag, expected \"</{expected}>\", found \"</{name}>\""
                        )));
                    }
                    close(tag, length, &mut formatted.entities);
                } else {
                    let (name, attributes) = start_tag(inside).map_err(&fail)?;
                    if NEWER_TAGS.iter().any(|(newer, since)| *newer == name && *since > version) {
                        return Err(fail(format!("Unsupported start tag \"{name}\"")));
                    }
                    let entity = entity_of(&name, &attributes).map_err(&fail)?;
                    nesting(&open, &name).map_err(&fail)?;
                    open.push(OpenTag { name, entity, start: length });
                }
            }
            other => {
                formatted.plain.push(other);
                length += other.len_utf16();
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    if let Some(tag) = open.pop() {
        return Err(format!(
            "can't parse entities: Can't find end tag corresponding to start tag {:?}",
            tag.name
        ));
    }
    formatted.entities.sort_by_key(|entity| entity["offset"].as_u64());
    Ok(formatted)
}

fn close(tag: OpenTag, length: usize, entities: &mut Vec<Value>) {
    // `<pre><code class="language-x">` is one entity.
    if tag.name == "code" && tag.entity.get("language").is_some() {
        return;
    }
    if length > tag.start {
        let mut entity = tag.entity;
        entity["offset"] = tag.start.into();
        entity["length"] = (length - tag.start).into();
        entities.push(entity);
    }
}

/// The end of the tag at the start of the text. A `>` in quotes does not end it.
pub(super) fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (i, character) in text.char_indices().skip(1) {
        match (quote, character) {
            (None, '>') => return Some(i),
            (None, '<') => return None,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

pub(super) type Attributes = Vec<(String, String)>;

pub(super) fn start_tag(inside: &str) -> Result<(String, Attributes), String> {
    let split = inside.find(char::is_whitespace).unwrap_or(inside.len());
    let (name, mut rest) = inside.split_at(split);
    let mut attributes = Attributes::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((name.to_ascii_lowercase(), attributes));
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let key = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = String::new();
        if let Some(tail) = rest.strip_prefix('=') {
            let tail = tail.trim_start();
            let quote = tail.chars().next().filter(|c| matches!(c, '"' | '\''));
            let quote = quote.ok_or("an attribute without quotes")?;
            let end = tail[1..].find(quote).ok_or("an attribute without its closing quote")?;
            let decoded = parse(&tail[1..=end]).map_err(|_| "an attribute that is not escaped")?;
            value = decoded.plain;
            rest = &tail[end + 2..];
        }
        attributes.push((key, value));
    }
}

/// The entity of a tag, without its offset and length.
fn entity_of(name: &str, attributes: &Attributes) -> Result<Value, String> {
    let attribute = |key: &str| attributes.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let allowed: &[&str] = match name {
        "a" => &["href"],
        "span" | "code" => &["class"],
        "tg-emoji" => &["emoji-id"],
        "tg-time" => &["unix", "format"],
        "blockquote" => &["expandable"],
        _ => &[],
    };
    if let Some((key, _)) = attributes.iter().find(|(key, _)| !allowed.contains(&key.as_str())) {
        return Err(format!("Unsupported attribute {key:?} of the tag \"{name}\""));
    }
    Ok(match name {
        "b" | "strong" => json!({"type": "bold"}),
        "i" | "em" => json!({"type": "italic"}),
        "u" | "ins" => json!({"type": "underline"}),
        "s" | "strike" | "del" => json!({"type": "strikethrough"}),
        "tg-spoiler" => json!({"type": "spoiler"}),
        "span" if attribute("class") == Some("tg-spoiler") => json!({"type": "spoiler"}),
        "span" => return Err("Tag \"span\" must have class \"tg-spoiler\"".into()),
        "pre" => json!({"type": "pre"}),
        "code" => match attribute("class") {
            None => json!({"type": "code"}),
            Some(class) => {
                let language = class.strip_prefix("language-").ok_or("a class that is no language")?;
                json!({"type": "code", "language": language})
            }
        },
        "blockquote" if attribute("expandable").is_some() => json!({"type": "expandable_blockquote"}),
        "blockquote" => json!({"type": "blockquote"}),
        "a" => json!({"type": "text_link", "url": attribute("href").ok_or("a link without href")?}),
        "tg-emoji" => {
            let id = attribute("emoji-id").ok_or("Tag \"tg-emoji\" must have emoji-id")?;
            json!({"type": "custom_emoji", "custom_emoji_id": id})
        }
        "tg-time" => date_time(attribute("unix"), attribute("format"))?,
        _ => return Err(format!("Unsupported start tag \"{name}\"")),
    })
}

/// The entity of a date and time: when it is, and how it is shown.
pub(super) fn date_time(unix: Option<&str>, format: Option<&str>) -> Result<Value, String> {
    let digits = unix.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let time: u64 =
        digits.and_then(|text| text.parse().ok()).ok_or("Tag \"tg-time\" must have a unix time")?;
    if time > now() + TIME_AHEAD {
        return Err(format!("Tag \"tg-time\": {time} is too far in the future"));
    }
    let format = format.ok_or("Tag \"tg-time\" must have a format")?;
    let after_weekday = format.strip_prefix('w').unwrap_or(format);
    let after_date = after_weekday.strip_prefix(['d', 'D']).unwrap_or(after_weekday);
    let after_time = after_date.strip_prefix(['t', 'T']).unwrap_or(after_date);
    if format != "r" && (format.is_empty() || !after_time.is_empty()) {
        return Err(format!(
            "Tag \"tg-time\": the format {format:?} is not r, or w, d or D, t or T in this order"
        ));
    }
    Ok(json!({"type": "date_time", "unix_time": time, "date_time_format": format}))
}

/// `code` and `pre` cannot be nested with other tags, nor quotes with quotes. The one exception is
/// `<pre><code class="language-x">`.
fn nesting(open: &[OpenTag], name: &str) -> Result<(), String> {
    let Some(outer) = open.last() else { return Ok(()) };
    let verbatim = |name: &str| matches!(name, "code" | "pre");
    let allowed = if verbatim(name) {
        (name == "code" && outer.name == "pre") || open.iter().all(|tag| tag.name == "blockquote")
    } else {
        !open.iter().any(|tag| verbatim(&tag.name) || (tag.name == name && name == "blockquote"))
    };
    if allowed { Ok(()) } else { Err(format!("Tag \"{name}\" must not lie in \"{}\"", outer.name)) }
}

pub(super) fn character_entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|&character| character != '\0')
        }
    }
}

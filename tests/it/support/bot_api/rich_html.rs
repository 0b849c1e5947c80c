//! The HTML of rich messages (https://core.telegram.org/bots/api#rich-message-formatting-options): which tags may lie in
//! which, their attributes, and the limits. Media, maps, formulas and anchors, which the bot does not use, are refused.
//!
//! As strict as [`super::html`] about what is not escaped, and stricter than Telegram about where a tag lies: text
//! beside blocks is a paragraph only where Telegram says so.

use serde_json::Value;

use super::html::{self, Attributes};
use super::rich_blocks::Count;

/// The published limits.
pub const MAX_CHARACTERS: usize = 32_768;
pub const MAX_BLOCKS: usize = 500;
pub const MAX_COLUMNS: u64 = 20;
pub const MAX_LEVELS: usize = 16;

pub const BLOCKS: [&str; 17] = [
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "pre",
    "footer",
    "hr",
    "ul",
    "ol",
    "blockquote",
    "aside",
    "table",
    "details",
    "li",
];

/// The inline tags and the types of their texts.
pub const INLINE: [(&str, &str); 16] = [
    ("b", "bold"),
    ("strong", "bold"),
    ("i", "italic"),
    ("em", "italic"),
    ("u", "underline"),
    ("ins", "underline"),
    ("s", "strikethrough"),
    ("strike", "strikethrough"),
    ("del", "strikethrough"),
    ("tg-spoiler", "spoiler"),
    ("code", "code"),
    ("mark", "marked"),
    ("sub", "subscript"),
    ("sup", "superscript"),
    ("a", "url"),
    ("tg-time", "date_time"),
];

pub enum Node {
    Text(String),
    Element(Element),
}

pub struct Element {
    pub name: String,
    pub attributes: Attributes,
    pub children: Vec<Node>,
    /// Where its start tag is, in bytes.
    pub at: usize,
}

/// The blocks of a rich message, as Telegram returns them in `Message.rich_message`.
pub fn parse(html: &str) -> Result<Vec<Value>, String> {
    let nodes = read_nodes(html)?;
    let mut count = Count::default();
    let blocks = count.blocks(&nodes)?;
    if count.characters == 0 {
        return Err("rich message must be non-empty".to_owned());
    }
    if count.characters > MAX_CHARACTERS {
        return Err(format!("rich message is too long: {} characters of {MAX_CHARACTERS}", count.characters));
    }
    if count.blocks > MAX_BLOCKS {
        return Err(format!("rich message has too many blocks: {} of {MAX_BLOCKS}", count.blocks));
    }
    Ok(blocks)
}

pub fn failure(what: impl std::fmt::Display, at: usize) -> String {
    format!("can't parse rich message: {what} at byte offset {at}")
}

/// The tree of elements and texts.
fn read_nodes(html: &str) -> Result<Vec<Node>, String> {
    // The outermost level, and the open elements.
    let mut open =
        vec![Element { name: String::new(), attributes: Attributes::new(), children: Vec::new(), at: 0 }];
    let mut rest = html;
    while let Some(first) = rest.chars().next() {
        let at = html.len() - rest.len();
        let innermost = open.last_mut().expect("the outermost level stays open");
        if first == '<' {
            let end = html::tag_end(rest).ok_or_else(|| failure("Unclosed start tag", at))?;
            let inside = &rest[1..end];
            rest = &rest[end + 1..];
            if let Some(name) = inside.strip_prefix('/') {
                let name = name.trim_end().to_ascii_lowercase();
                if innermost.name != name || open.len() == 1 {
                    return Err(failure(format!("Unexpected end tag {name:?}"), at));
                }
                let element = open.pop().expect("more than one is open");
                open.last_mut().expect("the outermost level").children.push(Node::Element(element));
                continue;
            }
            let (inside, is_closed) =
                inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
            let (name, attributes) = html::start_tag(inside).map_err(|what| failure(what, at))?;
            check_attributes(&name, &attributes).map_err(|what| failure(what, at))?;
            let element = Element { children: Vec::new(), at, attributes, name };
            if element.name == "hr" {
                innermost.children.push(Node::Element(element));
            } else if is_closed {
                return Err(failure(format!("Tag {:?} must have an end tag", element.name), at));
            } else if open.len() > MAX_LEVELS {
                return Err(failure(format!("more than {MAX_LEVELS} levels of nesting"), at));
            } else {
                open.push(element);
            }
            continue;
        }
        let character = match first {
            '>' => return Err(failure("a bare \">\"", at)),
            '&' => {
                let end = rest.find(';').ok_or_else(|| failure("a bare \"&\"", at))?;
                let name = &rest[1..end];
                rest = &rest[end + 1..];
                html::character_entity(name).ok_or_else(|| failure(format!("entity {name:?}"), at))?
            }
            other => {
                rest = &rest[other.len_utf8()..];
                other
            }
        };
        match innermost.children.last_mut() {
            Some(Node::Text(text)) => text.push(character),
            _ => innermost.children.push(Node::Text(character.to_string())),
        }
    }
    let outermost = open.swap_remove(0);
    match open.pop() {
        Some(unclosed) => {
            Err(failure(format!("Can't find the end tag of the start tag {:?}", unclosed.name), unclosed.at))
        }
        None => Ok(outermost.children),
    }
}

/// Whether the tag exists and may have these attributes with these values.
fn check_attributes(name: &str, attributes: &Attributes) -> Result<(), String> {
    let is_known = BLOCKS.contains(&name)
        || INLINE.iter().any(|(inline, _)| *inline == name)
        || ["tr", "th", "td", "caption", "summary", "cite"].contains(&name);
    if !is_known {
        return Err(format!("Unsupported start tag {name:?}"));
    }
    for (key, value) in attributes {
        let number = value.parse::<u64>().ok();
        let is_allowed = match (name, key.as_str()) {
            ("table", "bordered" | "striped") | ("details", "open") | ("ol", "reversed") => value.is_empty(),
            ("td" | "th", "align") => ["left", "center", "right"].contains(&value.as_str()),
            ("td" | "th", "valign") => ["top", "middle", "bottom"].contains(&value.as_str()),
            ("td" | "th", "colspan") => number.is_some_and(|n| (1..=MAX_COLUMNS).contains(&n)),
            ("td" | "th", "rowspan") => number.is_some_and(|n| (1..=MAX_BLOCKS as u64).contains(&n)),
            ("ol", "start") | ("li", "value") => number.is_some(),
            ("ol" | "li", "type") => ["a", "A", "i", "I", "1"].contains(&value.as_str()),
            ("code", "class") => value.strip_prefix("language-").is_some_and(|name| !name.is_empty()),
            ("a", "href") => ["https://", "http://", "tg://", "mailto:", "tel:"]
                .iter()
                .any(|scheme| value.starts_with(scheme)),
            ("tg-time", "unix" | "format") => true,
            _ => return Err(format!("Unsupported attribute {key:?} of the tag {name:?}")),
        };
        if !is_allowed {
            return Err(format!("Attribute {key:?} of the tag {name:?} cannot be {value:?}"));
        }
    }
    if attributes
        .iter()
        .enumerate()
        .any(|(i, (key, _))| attributes[..i].iter().any(|(other, _)| other == key))
    {
        return Err(format!("An attribute of the tag {name:?} is there twice"));
    }
    Ok(())
}

impl Element {
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn fail<T>(&self, what: impl std::fmt::Display) -> Result<T, String> {
        Err(failure(what, self.at))
    }

    /// The elements in it, which has no text of its own.
    pub fn elements(&self) -> Result<Vec<&Element>, String> {
        let mut elements = Vec::new();
        for child in &self.children {
            match child {
                Node::Element(element) => elements.push(element),
                Node::Text(text) if is_blank(text) => {}
                Node::Text(_) => {
                    return self.fail(format_args!("Text must not lie directly in {:?}", self.name));
                }
            }
        }
        Ok(elements)
    }
}

/// HTML's white space. Others, such as the no-break space, are text.
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_space)
}

//! The text of a rich message (Bot API, `RichMessage`), which has no `text`.
//!
//! Lenient: of each block and each rich text only the parts that hold text are read, whatever their type. At most
//! [`LENGTH`] characters are read, and [`DEPTH`] levels.

use serde_json::Value;

/// The longest text that is read, in characters.
const LENGTH: usize = 4096;

/// The deepest level that is read. A message has 16 levels of blocks and formatting; some take several of JSON.
const DEPTH: usize = 64;

/// Fields of a block in which text or further blocks are, in the order in which they are shown.
const PARTS: [&str; 6] = ["summary", "text", "blocks", "items", "cells", "caption"];

/// The text of the blocks of a message, a line for each block and each row; `None` if it has none.
pub(super) fn of_message(message: &Value) -> Option<String> {
    let blocks = message.get("rich_message")?.get("blocks")?;
    let mut text = String::new();
    push_blocks(&mut text, blocks, 0);
    let text: String = text.trim_end().chars().take(LENGTH).collect();
    (!text.is_empty()).then_some(text)
}

fn push_blocks(text: &mut String, blocks: &Value, depth: usize) {
    for block in blocks.as_array().into_iter().flatten() {
        if depth > DEPTH || text.len() > 4 * LENGTH {
            return;
        }
        for part in PARTS {
            match (part, block.get(part)) {
                (_, None) => {}
                ("blocks" | "items", Some(blocks)) => push_blocks(text, blocks, depth + 1),
                ("cells", Some(rows)) => {
                    rows.as_array().into_iter().flatten().for_each(|row| push_row(text, row))
                }
                (_, Some(content)) => {
                    push_text(text, content, depth);
                    text.push('\n');
                }
            }
        }
    }
}

/// The cells of a row: `first: second, third`.
fn push_row(text: &mut String, row: &Value) {
    let mut separators = ["", ": "].into_iter();
    for content in row.as_array().into_iter().flatten().filter_map(|cell| cell.get("text")) {
        text.push_str(separators.next().unwrap_or(", "));
        push_text(text, content, 0);
    }
    text.push('\n');
}

/// A rich text: a string, several in a row, or an object with one (Bot API, `RichText`).
fn push_text(text: &mut String, content: &Value, depth: usize) {
    if depth > DEPTH || text.len() > 4 * LENGTH {
        return;
    }
    match content {
        Value::String(string) => text.push_str(string),
        Value::Array(parts) => parts.iter().for_each(|part| push_text(text, part, depth + 1)),
        Value::Object(fields) => {
            if let Some(content) = fields.get("text").or_else(|| fields.get("alternative_text")) {
                push_text(text, content, depth + 1);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(blocks: &Value) -> Option<String> {
        of_message(&json!({"rich_message": {"blocks": blocks}}))
    }

    #[test]
    fn reads_the_text_of_every_block() {
        let blocks = json!([
            {"type": "heading", "size": 3, "text": {"type": "bold", "text": "📡 Alice"}},
            {"type": "table", "cells": [
                [{"text": "Probes", "align": "left"}, {"text": ["1", {"type": "code", "text": "2"}], "align": "right"}],
                [{"align": "left"}, 5],
            ]},
            {"type": "details", "summary": "Addresses", "blocks": [
                {"type": "list", "items": [{"label": "•", "blocks": [{"type": "paragraph", "text": "one"}]}]},
                {"type": "block_of_tomorrow", "text": {"type": "text_of_tomorrow", "text": "two"}},
            ]},
            {"type": "divider"},
            7,
        ]);
        assert_eq!(read(&blocks).as_deref(), Some("📡 Alice\nProbes: 12\n\nAddresses\none\ntwo"));
        assert_eq!(read(&json!([{"type": "divider"}])), None);
        assert_eq!(of_message(&json!({"rich_message": [1]})), None);
    }

    #[test]
    fn reads_no_more_than_the_limits() {
        let long = json!([{"type": "paragraph", "text": "📡".repeat(100_000)}]);
        assert_eq!(read(&long).unwrap().chars().count(), LENGTH);
        let many = Value::from(vec![json!({"text": "abc"}); 100_000]);
        assert_eq!(read(&many).unwrap().chars().count(), LENGTH);
        let deep = (0..1_000).fold(json!("x"), |inner, _| json!({"type": "bold", "text": inner}));
        assert_eq!(read(&json!([{"text": deep}])), None);
    }
}

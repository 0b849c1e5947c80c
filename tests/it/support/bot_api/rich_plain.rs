//! The readable plain form of a rich message, for tests that look for a text in it. Every block is on lines of its own:
//! - the items of a list after "• " or their number, nested ones further in,
//! - the rows of a table with two columns and without a header row as "label: value", other rows with " · " between
//!   their cells (empty cells are left out), after the table's caption,
//! - details as their summary and, below it, their content, whether they are open or not,
//! - a divider as "———".
//!
//! The formatting is listed as entities, as in a classic message; a heading's is called `heading`, a header cell's
//! `bold`.

use serde_json::{Value, json};

use super::html::Formatted;
use super::limits::utf16_length;

/// Between the cells of a row.
pub const CELL_SEPARATOR: &str = " · ";

/// The plain form of these blocks.
pub fn plain(blocks: &[Value]) -> Formatted {
    let mut writer = Writer::default();
    writer.blocks(blocks, 0);
    let mut formatted = writer.formatted;
    formatted.entities.sort_by_key(|entity| entity["offset"].as_u64());
    formatted
}

#[derive(Default)]
struct Writer {
    formatted: Formatted,
    /// After the label of an item, its first block goes on in the same line.
    is_in_line: bool,
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

impl Writer {
    fn blocks(&mut self, blocks: &[Value], depth: usize) {
        for block in blocks {
            self.block(block, depth);
        }
    }

    fn block(&mut self, block: &Value, depth: usize) {
        match block["type"].as_str().unwrap_or_default() {
            "list" => {
                for item in array(&block["items"]) {
                    self.begin_line();
                    self.push(&"  ".repeat(depth));
                    self.push(item["label"].as_str().unwrap_or_default());
                    self.push(" ");
                    self.is_in_line = true;
                    self.blocks(array(&item["blocks"]), depth + 1);
                    self.is_in_line = false;
                }
            }
            "table" => self.table(block),
            "details" => {
                self.begin_line();
                self.text(&block["summary"]);
                self.blocks(array(&block["blocks"]), depth);
            }
            "blockquote" => self.blocks(array(&block["blocks"]), depth),
            "divider" => {
                self.begin_line();
                self.push("———");
            }
            kind @ ("heading" | "pre") => {
                self.begin_line();
                self.marked(json!({"type": kind}), &block["text"]);
            }
            _ => {
                self.begin_line();
                self.text(&block["text"]);
            }
        }
    }

    fn table(&mut self, table: &Value) {
        if !table["caption"].is_null() {
            self.begin_line();
            self.text(&table["caption"]);
        }
        let rows: Vec<&[Value]> = array(&table["cells"]).iter().map(array).collect();
        let is_header = |row: &&[Value]| row.iter().all(|cell| cell["is_header"] == true);
        let is_labelled = rows.iter().all(|row| row.len() == 2) && !rows.iter().any(is_header);
        for row in rows {
            self.begin_line();
            let mut is_first = true;
            for cell in row.iter().filter(|cell| !cell["text"].is_null()) {
                if !is_first {
                    let separator = match (is_labelled, self.formatted.plain.ends_with(':')) {
                        (true, true) => " ",
                        (true, false) => ": ",
                        (false, _) => CELL_SEPARATOR,
                    };
                    self.push(separator);
                }
                is_first = false;
                match cell["is_header"] == true {
                    true => self.marked(json!({"type": "bold"}), &cell["text"]),
                    false => self.text(&cell["text"]),
                }
            }
        }
    }

    fn begin_line(&mut self) {
        if !std::mem::take(&mut self.is_in_line) && !self.formatted.plain.is_empty() {
            self.push("\n");
        }
    }

    fn push(&mut self, text: &str) {
        self.formatted.plain.push_str(text);
    }

    /// A text with this entity over it.
    fn marked(&mut self, mut entity: Value, text: &Value) {
        let start = utf16_length(&self.formatted.plain);
        self.text(text);
        entity["offset"] = start.into();
        entity["length"] = (utf16_length(&self.formatted.plain) - start).into();
        self.formatted.entities.push(entity);
    }

    fn text(&mut self, text: &Value) {
        match text {
            Value::String(text) => self.push(text),
            Value::Array(parts) => parts.iter().for_each(|part| self.text(part)),
            Value::Object(object) => {
                let mut entity = object.clone();
                entity.remove("text");
                if entity["type"] == "url" {
                    entity.insert("type".into(), "text_link".into());
                }
                self.marked(entity.into(), &object["text"]);
            }
            _ => {}
        }
    }
}

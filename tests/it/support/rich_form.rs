//! How a transcript shows a rich message: with its structure, which the plain form does not have.
//! - `# ` to `###### ` before a heading, `— ` before a footer, `> ` before a quotation, `———` for a divider,
//! - `▸ ` before the summary of closed details and `▾ ` before that of open ones, with their content further in,
//! - `• ` or a number before an item,
//! - `┌ ` and its properties before a table, then `| a |→ 1 |` for a row: `→` before a cell aligned to the right, `↔`
//!   before one in the centre.

use serde_json::Value;

/// The lines of these blocks.
pub fn shown(blocks: &[Value]) -> String {
    let mut lines = Vec::new();
    push_blocks(blocks, "", &mut lines);
    lines.join("\n")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

fn push_blocks(blocks: &[Value], indent: &str, lines: &mut Vec<String>) {
    for block in blocks {
        push_block(block, indent, lines);
    }
}

fn push_block(block: &Value, indent: &str, lines: &mut Vec<String>) {
    let text = inline(&block["text"]);
    let further = format!("{indent}  ");
    match block["type"].as_str().expect("a type") {
        "paragraph" => lines.push(format!("{indent}{text}")),
        "heading" => {
            let size = block["size"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(1);
            lines.push(format!("{indent}{} {text}", "#".repeat(size)));
        }
        "footer" => lines.push(format!("{indent}— {text}")),
        "divider" => lines.push(format!("{indent}———")),
        "pre" => lines.extend(text.lines().map(|line| format!("{indent}▏{line}"))),
        "pullquote" => lines.push(format!("{indent}> {text}")),
        "blockquote" => push_blocks(array(&block["blocks"]), &format!("{indent}> "), lines),
        "details" => {
            let mark = if block["is_open"] == true { '▾' } else { '▸' };
            lines.push(format!("{indent}{mark} {}", inline(&block["summary"])));
            push_blocks(array(&block["blocks"]), &further, lines);
        }
        "list" => {
            for item in array(&block["items"]) {
                let label = item["label"].as_str().unwrap_or_default();
                let start = lines.len();
                push_blocks(array(&item["blocks"]), &further, lines);
                if let Some(first) = lines.get_mut(start) {
                    *first = format!("{indent}{label} {}", first.trim_start());
                }
            }
        }
        "table" => push_table(block, indent, lines),
        other => lines.push(format!("{indent}({other}) {text}")),
    }
}

fn push_table(table: &Value, indent: &str, lines: &mut Vec<String>) {
    let mut head = format!("{indent}┌");
    for property in ["bordered", "striped"] {
        if table[format!("is_{property}")] == true {
            head.push_str(&format!(" {property}"));
        }
    }
    if !table["caption"].is_null() {
        head.push_str(&format!(" “{}”", inline(&table["caption"])));
    }
    lines.push(head);
    for row in array(&table["cells"]) {
        let mut line = format!("{indent}|");
        for cell in array(row) {
            line.push_str(match cell["align"].as_str() {
                Some("right") => "→ ",
                Some("center") => "↔ ",
                _ => " ",
            });
            let text = inline(&cell["text"]);
            line.push_str(&if cell["is_header"] == true { format!("*{text}*") } else { text });
            for span in ["colspan", "rowspan"] {
                if let Some(count) = cell[span].as_u64() {
                    line.push_str(&format!(" ‹{span} {count}›"));
                }
            }
            line.push_str(" |");
        }
        lines.push(line);
    }
}

/// A rich text with its formatting, marked as in a classic message.
fn inline(text: &Value) -> String {
    match text {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(inline).collect(),
        Value::Object(object) => {
            let (before, after) = marks(text);
            format!("{before}{}{after}", inline(&object["text"]))
        }
        _ => String::new(),
    }
}

/// What surrounds the text of an entity: `*bold*`, `` `code` ``, `⟨5 minutes ago|r⟩` for a time that is shown in the
/// format `r`, anything else by its name.
pub fn marks(entity: &Value) -> (String, String) {
    match entity["type"].as_str().expect("a type") {
        "bold" => ("*".to_owned(), "*".to_owned()),
        "code" => ("`".to_owned(), "`".to_owned()),
        "date_time" => {
            ("⟨".to_owned(), format!("|{}⟩", entity["date_time_format"].as_str().unwrap_or_default()))
        }
        other => (format!("‹{other}›"), format!("‹{other}›")),
    }
}

//! The blocks of a rich message from its elements, and which element may lie in which.

use serde_json::{Map, Value, json};

use super::html;
use super::rich_html::{BLOCKS, Element, INLINE, MAX_COLUMNS, Node, failure, is_blank, is_space};

/// Builds the blocks and counts what the limits are about.
#[derive(Default)]
pub struct Count {
    pub characters: usize,
    pub blocks: usize,
}

impl Count {
    /// Blocks, and paragraphs of the text between them.
    pub fn blocks(&mut self, nodes: &[Node]) -> Result<Vec<Value>, String> {
        let mut blocks = Vec::new();
        let mut rest = nodes;
        while let Some(first) = rest.first() {
            if let Node::Element(element) = first
                && BLOCKS.contains(&element.name.as_str())
            {
                blocks.push(self.block(element)?);
                rest = &rest[1..];
                continue;
            }
            let is_block =
                |node: &Node| matches!(node, Node::Element(e) if BLOCKS.contains(&e.name.as_str()));
            let end = rest.iter().position(is_block).unwrap_or(rest.len());
            let text = self.text(&rest[..end])?;
            if text != "" {
                self.blocks += 1;
                blocks.push(json!({"type": "paragraph", "text": text}));
            }
            rest = &rest[end..];
        }
        Ok(blocks)
    }

    fn block(&mut self, element: &Element) -> Result<Value, String> {
        self.blocks += 1;
        let text = |count: &mut Self, kind: &str| {
            let text = count.text(&element.children)?;
            if text == "" { element.fail(format_args!("an empty {kind}")) } else { Ok(text) }
        };
        Ok(match element.name.as_str() {
            "p" => json!({"type": "paragraph", "text": text(self, "paragraph")?}),
            "footer" => json!({"type": "footer", "text": text(self, "footer")?}),
            "aside" => json!({"type": "pullquote", "text": text(self, "quotation")?}),
            "hr" => json!({"type": "divider"}),
            "pre" => self.preformatted(element)?,
            "ul" | "ol" => self.list(element)?,
            "table" => self.table(element)?,
            "details" => self.details(element)?,
            "blockquote" => match self.blocks(&element.children)? {
                blocks if blocks.is_empty() => return element.fail("an empty quotation"),
                blocks => json!({"type": "blockquote", "blocks": blocks}),
            },
            "li" => return element.fail("An item must lie in a list"),
            heading => {
                let size: u64 = heading[1..].parse().expect("the size of a heading");
                json!({"type": "heading", "text": text(self, "heading")?, "size": size})
            }
        })
    }

    /// The text of a `pre` stays as it is; `code` in it may name the language.
    fn preformatted(&mut self, element: &Element) -> Result<Value, String> {
        let (texts, language) = match &element.children[..] {
            [Node::Element(code)] if code.name == "code" => (&code.children, code.attribute("class")),
            _ => (&element.children, None),
        };
        let mut shown = String::new();
        for node in texts {
            match node {
                Node::Text(text) => shown.push_str(text),
                Node::Element(inner) => {
                    return inner.fail(format_args!("Tag {:?} must not lie in \"pre\"", inner.name));
                }
            }
        }
        self.characters += shown.chars().count();
        let mut block = json!({"type": "pre", "text": shown});
        if let Some(language) = language.and_then(|class| class.strip_prefix("language-")) {
            block["language"] = language.into();
        }
        Ok(block)
    }

    fn list(&mut self, list: &Element) -> Result<Value, String> {
        let mut items = Vec::new();
        let mut value: u64 =
            list.attribute("start").map_or(1, |start| start.parse().expect("a checked number"));
        for item in list.elements()? {
            if item.name != "li" {
                return item.fail(format_args!("Tag {:?} must not lie in a list", item.name));
            }
            self.blocks += 1;
            let blocks = self.blocks(&item.children)?;
            if blocks.is_empty() {
                return item.fail("an empty item");
            }
            let mut shown = json!({"label": "•", "blocks": blocks});
            if list.name == "ol" {
                value =
                    item.attribute("value").map_or(value, |value| value.parse().expect("a checked number"));
                shown["label"] = format!("{value}.").into();
                shown["value"] = value.into();
                value += 1;
            }
            items.push(shown);
        }
        if items.is_empty() {
            list.fail("an empty list")
        } else {
            Ok(json!({"type": "list", "items": items}))
        }
    }

    fn details(&mut self, details: &Element) -> Result<Value, String> {
        let is_summary = |node: &&Node| matches!(node, Node::Element(e) if e.name == "summary");
        let mut children =
            details.children.iter().skip_while(|node| matches!(node, Node::Text(t) if is_blank(t)));
        let Some(Node::Element(summary)) = children.next().filter(is_summary) else {
            return details.fail("Tag \"details\" must begin with a summary");
        };
        let text = self.text(&summary.children)?;
        if text == "" {
            return summary.fail("an empty summary");
        }
        let start = details.children.iter().position(|node| is_summary(&node)).expect("it was found") + 1;
        let blocks = self.blocks(&details.children[start..])?;
        if blocks.is_empty() {
            return details.fail("details without content");
        }
        let mut block = json!({"type": "details", "summary": text, "blocks": blocks});
        if details.attribute("open").is_some() {
            block["is_open"] = true.into();
        }
        Ok(block)
    }

    fn table(&mut self, table: &Element) -> Result<Value, String> {
        let mut block = json!({"type": "table"});
        for flag in ["bordered", "striped"] {
            if table.attribute(flag).is_some() {
                block[format!("is_{flag}")] = true.into();
            }
        }
        let (mut rows, mut width) = (Vec::new(), None);
        // How many more rows each column is covered for by a cell above.
        let mut covered = [0_u64; MAX_COLUMNS as usize];
        for (place, element) in table.elements()?.into_iter().enumerate() {
            match element.name.as_str() {
                "caption" if place == 0 => block["caption"] = self.text(&element.children)?,
                "tr" => {
                    let row = self.row(element, &mut covered)?;
                    if *width.get_or_insert(row.width) != row.width {
                        return element.fail("A row is not as wide as the first one");
                    }
                    rows.push(Value::Array(row.cells));
                }
                other => return element.fail(format_args!("Tag {other:?} must not lie here in a table")),
            }
        }
        if rows.is_empty() || covered.iter().any(|left| *left > 0) {
            return table.fail("a table without rows, or with a cell that goes beyond its end");
        }
        block["cells"] = rows.into();
        Ok(block)
    }

    fn row(&mut self, row: &Element, covered: &mut [u64; MAX_COLUMNS as usize]) -> Result<Row, String> {
        self.blocks += 1;
        let too_wide = || failure(format_args!("more than {MAX_COLUMNS} columns"), row.at);
        let (mut cells, mut column) = (Vec::new(), 0);
        let skip_covered = |covered: &mut [u64], column: &mut usize| {
            while covered.get(*column).is_some_and(|left| *left > 0) {
                covered[*column] -= 1;
                *column += 1;
            }
        };
        for cell in row.elements()? {
            if !["td", "th"].contains(&cell.name.as_str()) {
                return cell.fail(format_args!("Tag {:?} must not lie in a row", cell.name));
            }
            let number =
                |key| cell.attribute(key).map_or(1, |value| value.parse().expect("a checked number"));
            let (colspan, rowspan): (u64, u64) = (number("colspan"), number("rowspan"));
            let mut shown = json!({
                "align": cell.attribute("align").unwrap_or("left"),
                "valign": cell.attribute("valign").unwrap_or("top"),
            });
            let text = self.text(&cell.children)?;
            if text != "" {
                shown["text"] = text;
            }
            if cell.name == "th" {
                shown["is_header"] = true.into();
            }
            for (key, span) in [("colspan", colspan), ("rowspan", rowspan)] {
                if span > 1 {
                    shown[key] = span.into();
                }
            }
            cells.push(shown);
            skip_covered(covered, &mut column);
            for _ in 0..colspan {
                *covered.get_mut(column).ok_or_else(too_wide)? = rowspan - 1;
                column += 1;
            }
        }
        skip_covered(covered, &mut column);
        if cells.is_empty() { row.fail("a row without cells") } else { Ok(Row { cells, width: column }) }
    }

    /// Inline content, with white space as in HTML: a run of it is one space, and none at either end.
    fn text(&mut self, nodes: &[Node]) -> Result<Value, String> {
        let mut ends_with_space = true;
        let mut parts = self.parts(nodes, &[], &mut ends_with_space)?;
        if ends_with_space {
            self.characters -= usize::from(trim_end(&mut parts));
        }
        Ok(joined(parts))
    }

    fn parts(
        &mut self,
        nodes: &[Node],
        outer: &[&str],
        ends_with_space: &mut bool,
    ) -> Result<Vec<Value>, String> {
        let mut parts = Vec::new();
        for node in nodes {
            match node {
                Node::Text(text) => {
                    let mut shown = String::new();
                    for c in text.chars() {
                        if !is_space(c) {
                            shown.push(c);
                        } else if !*ends_with_space {
                            shown.push(' ');
                        }
                        *ends_with_space = is_space(c);
                    }
                    self.characters += shown.chars().count();
                    if !shown.is_empty() {
                        parts.push(shown.into());
                    }
                }
                Node::Element(element) => parts.push(self.inline(element, outer, ends_with_space)?),
            }
        }
        Ok(parts)
    }

    fn inline(
        &mut self,
        element: &Element,
        outer: &[&str],
        ends_with_space: &mut bool,
    ) -> Result<Value, String> {
        let name = element.name.as_str();
        let Some((_, kind)) = INLINE.iter().find(|(tag, _)| *tag == name) else {
            return element.fail(format_args!("Tag {name:?} must not lie in text"));
        };
        if outer.iter().any(|outer| *outer == *kind || ["code", "url", "date_time"].contains(outer)) {
            return element.fail(format_args!("Tag {name:?} must not lie in {outer:?}"));
        }
        let inner: Vec<&str> = outer.iter().copied().chain([*kind]).collect();
        let parts = self.parts(&element.children, &inner, ends_with_space)?;
        if parts.is_empty() {
            return element.fail(format_args!("Tag {name:?} is empty"));
        }
        let mut object = Map::new();
        object.insert("type".into(), (*kind).into());
        object.insert("text".into(), joined(parts));
        match name {
            "a" => {
                let Some(href) = element.attribute("href") else {
                    return element.fail("a link without href");
                };
                object.insert("url".into(), href.into());
            }
            "tg-time" => {
                let time = html::date_time(element.attribute("unix"), element.attribute("format"));
                let time = time.map_err(|what| failure(what, element.at))?;
                for field in ["unix_time", "date_time_format"] {
                    object.insert(field.into(), time[field].clone());
                }
            }
            "code" if element.attribute("class").is_some() => {
                return element.fail("only code in \"pre\" has a language");
            }
            _ => {}
        }
        Ok(object.into())
    }
}

struct Row {
    cells: Vec<Value>,
    /// In columns.
    width: usize,
}

/// A rich text: a string, an object, or an array of them.
fn joined(mut parts: Vec<Value>) -> Value {
    match parts.len() {
        0 => "".into(),
        1 => parts.swap_remove(0),
        _ => parts.into(),
    }
}

/// Removes one space at the end of a text. Returns whether there was one.
fn trim_end(parts: &mut Vec<Value>) -> bool {
    let Some(last) = parts.last_mut() else { return false };
    match last {
        Value::String(text) => {
            let had_space = text.ends_with(' ');
            text.truncate(text.trim_end_matches(' ').len());
            if text.is_empty() {
                parts.pop();
            }
            had_space
        }
        Value::Array(inner) => trim_end(inner),
        Value::Object(object) => {
            let mut inner = vec![object["text"].take()];
            let had_space = trim_end(&mut inner);
            object.insert("text".into(), joined(inner));
            had_space
        }
        _ => false,
    }
}

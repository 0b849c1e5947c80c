//! The rich form of a document: HTML for `rich_message` (Bot API, "Rich Message formatting").
//!
//! Only blocks that a bot may send, and no line breaks within one: each line of a text is a block.

use std::fmt::Write;

use super::fit::{Form, Size, more_line};
use super::{Align, Block, Column, Document, List, MAX_COLUMNS, Row, Table};
use crate::text::{Text, TimeMarkup, utf16_length};

/// The limits of a rich message (Bot API, "Rich Message Limits"). They count its characters without the markup, and it
/// is not said in which units; here the markup counts too.
const LIMIT: Size = Size { length: 32_768, blocks: 500 };

/// How deep details are nested. With the levels within the innermost, these stay within the 16 of a rich message, also if
/// each takes two. Deeper ones are shown open.
pub(super) const MAX_DETAILS: usize = 5;

impl Document {
    /// The HTML of a rich message that shows the document.
    pub fn to_rich_html(&self, times: TimeMarkup) -> String {
        let rich = Rich { times };
        let mut html = String::new();
        rich.push_blocks(&mut html, &self.fitted(&rich, LIMIT).0, 0);
        html
    }
}

/// What stands where Telegram requires a text and there is none.
const NOTHING: &str = "–";

struct Rich {
    times: TimeMarkup,
}

impl Form for Rich {
    fn shell(&self, block: &Block) -> Size {
        let mut html = String::new();
        let blocks = match block {
            Block::Gap => 0,
            Block::Title(text) => {
                self.push_element(&mut html, "h3", text);
                1
            }
            Block::Heading(text) => {
                self.push_element(&mut html, "h4", text);
                1
            }
            Block::Paragraph(text) => self.push_paragraphs(&mut html, text),
            Block::List(_) => {
                html.push_str("<ul></ul>");
                1
            }
            Block::Table(table) => {
                self.push_table(&mut html, &Table { rows: Vec::new(), ..table.clone() });
                1 + usize::from(table.has_headings())
            }
            Block::Details(details) => {
                // As if there was content: without it a paragraph, which is shorter, takes its place.
                self.push_details(&mut html, &details.summary, |content| content.push(' '));
                2
            }
        };
        Size { length: utf16_length(&html), blocks }
    }

    fn item(&self, block: &Block, index: usize) -> Size {
        let mut html = String::new();
        let blocks = match block {
            Block::List(List { items, .. }) => {
                items.get(index).map_or(0, |item| 1 + self.push_item(&mut html, item))
            }
            Block::Table(table) => table.rows.get(index).map_or(0, |row| {
                self.push_row(&mut html, row, &table.columns, table.width());
                1
            }),
            _ => 0,
        };
        Size { length: utf16_length(&html), blocks }
    }

    fn shortened(&self, text: &Text, limit: Size) -> Text {
        let mut length = limit.length;
        loop {
            let short = text.shortened(length);
            if length == 0 || self.shell(&Block::Paragraph(short.clone())).fits(limit) {
                return short;
            }
            length /= 2;
        }
    }
}

impl Rich {
    fn push_blocks(&self, html: &mut String, blocks: &[Block], depth: usize) {
        for block in blocks {
            match block {
                Block::Gap => {}
                Block::Title(text) => self.push_element(html, "h3", text),
                Block::Heading(text) => self.push_element(html, "h4", text),
                Block::Paragraph(text) => {
                    self.push_paragraphs(html, text);
                }
                Block::List(list) => {
                    if !list.items.is_empty() {
                        html.push_str("<ul>");
                        for item in &list.items {
                            self.push_item(html, item);
                        }
                        html.push_str("</ul>");
                    }
                    self.push_further(html, list.further);
                }
                Block::Table(table) => {
                    if !table.rows.is_empty() {
                        self.push_table(html, table);
                    }
                    self.push_further(html, table.further);
                }
                Block::Details(details) if depth < MAX_DETAILS => {
                    self.push_details(html, &details.summary, |html| {
                        self.push_blocks(html, &details.content, depth + 1)
                    });
                }
                Block::Details(details) => {
                    self.push_element(html, "p", &details.summary.to_bold());
                    self.push_blocks(html, &details.content, depth);
                }
            }
        }
    }

    /// An element with text. Without any it is left out: Telegram may refuse it.
    fn push_element(&self, html: &mut String, tag: &str, text: &Text) {
        if !text.is_blank() {
            let _ = write!(html, "<{tag}>{}</{tag}>", self.one_line(text));
        }
    }

    /// A paragraph for each line. Returns how many there are.
    fn push_paragraphs(&self, html: &mut String, text: &Text) -> usize {
        let lines = text.lines().into_iter().filter(|line| !line.is_blank());
        lines.inspect(|line| self.push_element(html, "p", line)).count()
    }

    /// An item; one of several lines has a paragraph for each. Returns how many lines there are.
    fn push_item(&self, html: &mut String, item: &Text) -> usize {
        let lines: Vec<Text> = item.lines().into_iter().filter(|line| !line.is_blank()).collect();
        html.push_str("<li>");
        match lines.as_slice() {
            [] => html.push_str(NOTHING),
            [line] => html.push_str(&line.to_html(self.times)),
            lines => lines.iter().for_each(|line| self.push_element(html, "p", line)),
        }
        html.push_str("</li>");
        lines.len().max(1)
    }

    fn push_further(&self, html: &mut String, further: u64) {
        if further > 0 {
            self.push_element(html, "p", &more_line(further));
        }
    }

    /// Details, or a paragraph if they have no content.
    fn push_details(&self, html: &mut String, summary: &Text, push_content: impl FnOnce(&mut String)) {
        let mut content = String::new();
        push_content(&mut content);
        if content.is_empty() {
            return self.push_element(html, "p", summary);
        }
        let summary = if summary.is_blank() { NOTHING.to_owned() } else { self.one_line(summary) };
        let _ = write!(html, "<details><summary>{summary}</summary>{content}</details>");
    }

    fn push_table(&self, html: &mut String, table: &Table) {
        html.push_str(if table.has_headings() { "<table bordered striped>" } else { "<table>" });
        if table.has_headings() {
            html.push_str("<tr>");
            for index in 0..table.width() {
                let column = table.columns.get(index).copied().unwrap_or(Column::text(""));
                self.push_cell(html, "th", column.align, &Text::plain(column.heading));
            }
            html.push_str("</tr>");
        }
        for row in &table.rows {
            self.push_row(html, row, &table.columns, table.width());
        }
        html.push_str("</table>");
    }

    /// A row of so many cells.
    fn push_row(&self, html: &mut String, row: &Row, columns: &[Column], width: usize) {
        html.push_str("<tr>");
        for index in 0..width {
            let align = columns.get(index).map_or(Align::Left, |column| column.align);
            let cell = row.cells.get(index).cloned().unwrap_or_default();
            // What has no column of its own is shown in the last one.
            let others = row.cells.iter().skip(MAX_COLUMNS).filter(|_| index + 1 == MAX_COLUMNS);
            let cell = others.fold(cell, |cell, other| cell.append(", ").append_text(other.clone()));
            self.push_cell(html, "td", align, &cell);
        }
        html.push_str("</tr>");
    }

    fn push_cell(&self, html: &mut String, tag: &str, align: Align, text: &Text) {
        let align = match align {
            Align::Left => "left",
            Align::Right => "right",
        };
        let _ = write!(html, "<{tag} align=\"{align}\">{}</{tag}>", self.one_line(text));
    }

    /// The HTML of a text without its line breaks.
    fn one_line(&self, text: &Text) -> String {
        text.to_html(self.times).replace('\n', " ")
    }
}

impl Table {
    /// How many columns are shown: all rows are as wide as the widest.
    fn width(&self) -> usize {
        let widest = self.rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
        widest.max(self.columns.len()).clamp(1, MAX_COLUMNS)
    }

    fn has_headings(&self) -> bool {
        self.columns.iter().any(|column| !column.heading.is_empty())
    }
}

//! The classic form of a document: a text of lines.

use super::fit::{Form, Size, more_line};
use super::{Block, Details, Document, List, Row};
use crate::text::{MESSAGE_LIMIT, Text};

/// The classic line of a row: `• first cell: second, third`.
pub(super) fn line_of(cells: &[Text]) -> Text {
    let mut line = Text::plain("•");
    for (index, cell) in cells.iter().filter(|cell| !cell.is_blank()).enumerate() {
        let separator = match index {
            0 => " ",
            1 => ": ",
            _ => ", ",
        };
        line = line.append(separator).append_text(cell.clone());
    }
    line
}

impl Document {
    /// The classic form, of at most [`MESSAGE_LIMIT`] UTF-16 code units.
    pub fn to_text(&self) -> Text {
        let limit = Size { length: MESSAGE_LIMIT, blocks: usize::MAX };
        let classic = Self(classic_blocks(&self.0));
        text_of(&classic.fitted(&Classic, limit).0, Text::default()).shortened(MESSAGE_LIMIT)
    }
}

/// The blocks without those that only a rich message shows.
fn classic_blocks(blocks: &[Block]) -> Vec<Block> {
    let shown =
        blocks.iter().filter(|block| !matches!(block, Block::Details(details) if details.is_only_rich));
    shown
        .map(|block| match block {
            Block::Details(details) => {
                Block::Details(Details { content: classic_blocks(&details.content), ..details.clone() })
            }
            other => other.clone(),
        })
        .collect()
}

struct Classic;

impl Form for Classic {
    fn shell(&self, block: &Block) -> Size {
        let lines = match block {
            Block::Title(text) | Block::Paragraph(text) => line(text),
            // With an empty line before it.
            Block::Heading(text) => line(text) + 1,
            Block::Gap => 1,
            Block::List(_) | Block::Table(_) => 0,
            Block::Details(details) => line(&details.summary),
        };
        Size { length: lines, blocks: 0 }
    }

    fn item(&self, block: &Block, index: usize) -> Size {
        let length = match block {
            Block::List(List { items, .. }) => items.get(index).map_or(0, |item| line(item) + 2),
            Block::Table(table) => table.rows.get(index).map_or(0, |row| line(&row.line)),
            _ => 0,
        };
        Size { length, blocks: 0 }
    }

    fn item_limit(&self, block: &Block) -> Option<usize> {
        match block {
            Block::List(list) => list.classic_limit,
            Block::Table(table) => table.classic_limit,
            _ => None,
        }
    }

    fn shortened(&self, text: &Text, limit: Size) -> Text {
        text.shortened(limit.length.saturating_sub(1))
    }
}

/// The length of a text with its line feed.
fn line(text: &Text) -> usize {
    text.length() + 1
}

fn text_of(blocks: &[Block], text: Text) -> Text {
    blocks.iter().fold(text, |text, block| match block {
        Block::Title(title) => on_new_line(text).append_text(title.to_bold()),
        Block::Heading(heading) if text.length() == 0 => text.append_text(heading.to_bold()),
        Block::Heading(heading) => text.append("\n\n").append_text(heading.to_bold()),
        Block::Paragraph(paragraph) => on_new_line(text).append_text(paragraph.clone()),
        Block::Gap if text.length() == 0 => text,
        Block::Gap => text.append("\n"),
        Block::List(list) if list.is_in_line => in_line(text, list),
        Block::List(list) => {
            let bulleted = |text: Text, item: &Text| on_new_line(text).append("• ").append_text(item.clone());
            with_further(list.items.iter().fold(text, bulleted), list.further)
        }
        Block::Table(table) => {
            let row = |text: Text, row: &Row| on_new_line(text).append_text(row.line.clone());
            with_further(table.rows.iter().fold(text, row), table.further)
        }
        Block::Details(details) => {
            text_of(&details.content, on_new_line(text).append_text(details.summary.clone()))
        }
    })
}

fn on_new_line(text: Text) -> Text {
    if text.length() == 0 { text } else { text.append("\n") }
}

fn in_line(text: Text, list: &List) -> Text {
    let item = |text: Text, (index, item): (usize, &Text)| {
        text.append(if index == 0 { ": " } else { ", " }).append_text(item.clone())
    };
    let text = list.items.iter().enumerate().fold(text, item);
    match list.further {
        0 => text,
        further => text.append(format_args!(" and {further} more")),
    }
}

fn with_further(text: Text, further: u64) -> Text {
    match further {
        0 => text,
        further => on_new_line(text).append_text(more_line(further)),
    }
}

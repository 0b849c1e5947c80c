//! A message of blocks: headings, paragraphs, tables, lists and collapsible details.
//!
//! One document gives both forms of a message from the same values: the HTML of a rich message
//! ([`Document::to_rich_html`]), and the classic text ([`Document::to_text`]), which older servers and the terminal show.
//!
//! Invariants:
//! - Each form keeps to its limits, whatever the document contains. Rows and items that do not fit are left out, and a
//!   line says how many; if the other blocks alone are too long, the last ones are left out.
//! - Content is escaped for the form in which it appears. A cell, a heading and a summary stay on one line.

mod classic;
mod fit;
mod rich;
#[cfg(test)]
mod tests;

use super::Text;

/// Columns of a table in a rich message (Bot API, "Rich Message Limits").
const MAX_COLUMNS: usize = 20;

/// Blocks in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document(Vec<Block>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Block {
    /// What the document is about.
    Title(Text),
    /// The heading of a part.
    Heading(Text),
    Paragraph(Text),
    /// An empty line in the classic form. A rich message has space between its blocks anyway.
    Gap,
    List(List),
    Table(Table),
    Details(Details),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    summary: Text,
    content: Vec<Block>,
    /// Whether the classic form leaves them out.
    is_only_rich: bool,
}

/// A list of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    items: Vec<Text>,
    /// Further items, which are not there.
    further: u64,
    /// How many items the classic form shows.
    classic_limit: Option<usize>,
    /// Whether the classic form shows the items in the line above the list.
    is_in_line: bool,
    /// Whether its items are commands to tap.
    is_of_commands: bool,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Their headings are shown if there is one.
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// Further rows, which are not there.
    further: u64,
    /// How many rows the classic form shows.
    classic_limit: Option<usize>,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    heading: &'static str,
    align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    cells: Vec<Text>,
    /// The row in the classic form.
    line: Text,
}

impl Document {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what the document is about: a heading in bold.
    #[must_use]
    pub fn title(self, text: Text) -> Self {
        self.with(Block::Title(text))
    }

    /// Adds the heading of a part, in bold; in the classic form with an empty line before it.
    #[must_use]
    pub fn heading(self, text: Text) -> Self {
        self.with(Block::Heading(text))
    }

    /// Adds a paragraph. Each of its lines is a paragraph of a rich message.
    #[must_use]
    pub fn paragraph(self, text: Text) -> Self {
        self.with(Block::Paragraph(text))
    }

    /// Adds these paragraphs.
    #[must_use]
    pub fn paragraphs(self, texts: impl IntoIterator<Item = Text>) -> Self {
        texts.into_iter().fold(self, Self::paragraph)
    }

    /// Adds an empty line to the classic form.
    #[must_use]
    pub fn gap(self) -> Self {
        self.with(Block::Gap)
    }

    /// Adds a list, unless it is empty.
    #[must_use]
    pub fn list(self, list: List) -> Self {
        match list {
            List { items, further: 0, .. } if items.is_empty() => self,
            list => self.with(Block::List(list)),
        }
    }

    /// Adds a table, unless it is empty.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        match table {
            Table { rows, further: 0, .. } if rows.is_empty() => self,
            table => self.with(Block::Table(table)),
        }
    }

    /// Adds content that a rich message shows only when its summary is tapped. The classic form shows it below the
    /// summary.
    #[must_use]
    pub fn details(self, summary: Text, content: Self) -> Self {
        self.with(Block::Details(Details { summary, content: content.0, is_only_rich: false }))
    }

    /// As [`Document::details`], but the classic form, which has no room for them, leaves them out.
    #[must_use]
    pub fn rich_details(self, summary: Text, content: Self) -> Self {
        self.with(Block::Details(Details { summary, content: content.0, is_only_rich: true }))
    }

    /// Adds the blocks of another document.
    #[must_use]
    pub fn append(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Both forms, for snapshots: the classic text, and the HTML of the rich message with a line for each block.
    #[cfg(test)]
    pub(crate) fn both_forms(&self) -> String {
        let mut html = self.to_rich_html(super::TimeMarkup::Text);
        for tag in
            ["<h", "<p>", "<ul>", "<li>", "</ul>", "<table", "<tr>", "</table>", "<details>", "</details>"]
        {
            html = html.replace(tag, &format!("\n{tag}"));
        }
        format!("{}\n{html}", self.to_text())
    }

    /// Whether it has a list of commands to tap.
    pub(crate) fn has_commands(&self) -> bool {
        fn has_commands(blocks: &[Block]) -> bool {
            blocks.iter().any(|block| match block {
                Block::List(list) => list.is_of_commands,
                Block::Details(details) => has_commands(&details.content),
                _ => false,
            })
        }
        has_commands(&self.0)
    }

    fn with(mut self, block: Block) -> Self {
        self.0.push(block);
        self
    }
}

impl List {
    /// A list of commands, which readers can tap. Nothing that others wrote may be in the same document: Telegram
    /// makes it tappable, too.
    #[must_use]
    pub(crate) fn of_commands(self) -> Self {
        Self { is_of_commands: true, ..self }
    }

    /// A list of these items.
    pub fn of(items: impl IntoIterator<Item = Text>) -> Self {
        Self { items: items.into_iter().collect(), ..Self::default() }
    }

    /// The same list with so many further items, which are only counted.
    #[must_use]
    pub fn and_further(self, further: u64) -> Self {
        Self { further, ..self }
    }

    /// The same list; the classic form shows at most so many of its items.
    #[must_use]
    pub fn classic_limit(self, items: usize) -> Self {
        Self { classic_limit: Some(items), ..self }
    }

    /// The same list; the classic form shows it in the line above it, after a colon: `Addresses: one, two`.
    #[must_use]
    pub fn in_line(self) -> Self {
        Self { is_in_line: true, ..self }
    }
}

impl Table {
    /// A table with these columns. Beyond the 20th, a rich message shows them in the 20th.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new(), further: 0, classic_limit: None }
    }

    /// A table of labels and values, without headings. In the classic form a row is `Label: value`.
    pub fn of_facts() -> Self {
        Self::new([Column::text(""), Column::text("")])
    }

    /// A table of labels and counts, as [`Table::of_facts`], whose counts are aligned right.
    pub fn of_counts() -> Self {
        Self::new([Column::text(""), Column::number("")])
    }

    /// Adds a row. In the classic form it is `• first cell: second, third`.
    #[must_use]
    pub fn row(self, cells: impl IntoIterator<Item = Text>) -> Self {
        let cells: Vec<Text> = cells.into_iter().collect();
        let line = classic::line_of(&cells);
        self.with_row(cells, line)
    }

    /// Adds a row that is `line` in the classic form, with a bullet.
    #[must_use]
    pub fn row_as(self, cells: impl IntoIterator<Item = Text>, line: Text) -> Self {
        self.with_row(cells.into_iter().collect(), Text::plain("• ").append_text(line))
    }

    /// Adds a row with a number before its other cells, which buttons refer to. In the classic form it is `1. line`.
    #[must_use]
    pub fn numbered(self, number: usize, cells: impl IntoIterator<Item = Text>, line: Text) -> Self {
        let cells = std::iter::once(Text::plain(number)).chain(cells).collect();
        self.with_row(cells, Text::plain(format_args!("{number}. ")).append_text(line))
    }

    /// Adds the row `Label: value`.
    #[must_use]
    pub fn fact(self, label: &'static str, value: Text) -> Self {
        let line = Text::plain(label).append(": ").append_text(value.clone());
        self.with_row(vec![Text::plain(label), value], line)
    }

    /// Adds a row of a label and a value that is `line` in the classic form.
    #[must_use]
    pub fn fact_as(self, label: &'static str, value: Text, line: Text) -> Self {
        self.with_row(vec![Text::plain(label), value], line)
    }

    /// The same table with so many further rows, which are only counted.
    #[must_use]
    pub fn and_further(self, further: u64) -> Self {
        Self { further, ..self }
    }

    /// The same table; the classic form shows at most so many of its rows.
    #[must_use]
    pub fn classic_limit(self, rows: usize) -> Self {
        Self { classic_limit: Some(rows), ..self }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.further == 0
    }

    fn with_row(mut self, cells: Vec<Text>, line: Text) -> Self {
        self.rows.push(Row { cells, line });
        self
    }
}

impl Column {
    /// A column of text, aligned left.
    pub const fn text(heading: &'static str) -> Self {
        Self { heading, align: Align::Left }
    }

    /// A column of numbers, aligned right.
    pub const fn number(heading: &'static str) -> Self {
        Self { heading, align: Align::Right }
    }
}

impl Block {
    /// How many rows, items and other lines it has.
    fn units(&self) -> u64 {
        let count =
            |shown: usize, further: u64| u64::try_from(shown).unwrap_or(u64::MAX).saturating_add(further);
        match self {
            Self::Gap | Self::Title(_) | Self::Heading(_) => 0,
            Self::Paragraph(_) => 1,
            Self::List(list) => count(list.items.len(), list.further),
            Self::Table(table) => count(table.rows.len(), table.further),
            Self::Details(details) => details.content.iter().map(Self::units).sum(),
        }
    }

    /// The items of a list or the rows of a table: how many there are, and how many further.
    fn items(&self) -> Option<(usize, u64)> {
        match self {
            Self::List(list) => Some((list.items.len(), list.further)),
            Self::Table(table) => Some((table.rows.len(), table.further)),
            _ => None,
        }
    }

    /// The list or table with the first `kept` of its items; the others are further ones.
    fn keeping(&self, kept: usize) -> Self {
        let further = self
            .items()
            .map_or(0, |(items, further)| further.saturating_add((items - kept.min(items)) as u64));
        match self {
            Self::List(list) => {
                let items = list.items.iter().take(kept).cloned().collect();
                Self::List(List { items, further, ..list.clone() })
            }
            Self::Table(table) => {
                let rows = table.rows.iter().take(kept).cloned().collect();
                Self::Table(Table {
                    columns: table.columns.clone(),
                    rows,
                    further,
                    classic_limit: table.classic_limit,
                })
            }
            other => other.clone(),
        }
    }
}

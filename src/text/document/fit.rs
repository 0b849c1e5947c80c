//! Leaves out what does not fit into a message, at the boundary of a block, a row or an item.

use std::ops::{Add, AddAssign};

use super::{Block, Details, Document};
use crate::text::Text;

/// The size of a part of a message, and the limit of a whole one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// In UTF-16 code units.
    pub(super) length: usize,
    /// Blocks, rows and items (Bot API, "Rich Message Limits").
    pub(super) blocks: usize,
}

impl Size {
    pub(super) fn fits(self, limit: Self) -> bool {
        self.length <= limit.length && self.blocks <= limit.blocks
    }

    fn left_of(self, limit: Self) -> Self {
        Self {
            length: limit.length.saturating_sub(self.length),
            blocks: limit.blocks.saturating_sub(self.blocks),
        }
    }
}

impl Add for Size {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            length: self.length.saturating_add(other.length),
            blocks: self.blocks.saturating_add(other.blocks),
        }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The sizes of blocks in one of the forms.
pub(super) trait Form {
    /// The size of a block without its items, its rows or its content.
    fn shell(&self, block: &Block) -> Size;

    /// The size of an item or a row.
    fn item(&self, block: &Block, index: usize) -> Size;

    /// How many items or rows of a block are shown at most.
    fn item_limit(&self, _: &Block) -> Option<usize> {
        None
    }

    /// The longest beginning of a text that is too long by itself.
    fn shortened(&self, text: &Text, limit: Size) -> Text;
}

/// The line that counts what was left out.
pub(super) fn more_line(count: u64) -> Text {
    Text::plain(format_args!("… and {count} more"))
}

impl Document {
    /// The document without what does not fit.
    pub(super) fn fitted(&self, form: &impl Form, limit: Size) -> Self {
        let fit = Fit { form, more: form.shell(&Block::Paragraph(more_line(u64::MAX))) };
        if fit.minimum(&self.0).fits(limit) {
            return Self(fit.with_items(&self.0, limit));
        }
        let mut cut = Cut { left: fit.more.left_of(limit), untold: 0, is_over: false };
        let mut blocks = fit.beginning(&self.0, &mut cut);
        if cut.untold > 0 {
            blocks.push(Block::Paragraph(more_line(cut.untold)));
        }
        Self(fit.with_items(&blocks, limit))
    }
}

struct Fit<'a, F> {
    form: &'a F,
    /// The size of the line that counts what was left out.
    more: Size,
}

/// How far a document that is too long is kept.
struct Cut {
    left: Size,
    /// The rows and lines that were left out.
    untold: u64,
    is_over: bool,
}

impl<F: Form> Fit<'_, F> {
    /// The size of the blocks without any items or rows.
    fn minimum(&self, blocks: &[Block]) -> Size {
        blocks.iter().fold(Size::default(), |sum, block| sum + self.minimum_of(block))
    }

    fn minimum_of(&self, block: &Block) -> Size {
        let shell = self.form.shell(block);
        match block {
            Block::Details(details) => shell + self.minimum(&details.content),
            Block::List(_) | Block::Table(_) => shell + self.more,
            _ => shell,
        }
    }

    /// The blocks, whose minimum fits into `limit`, with as many items and rows as there is room for.
    fn with_items(&self, blocks: &[Block], limit: Size) -> Vec<Block> {
        // What the blocks behind each one need at least.
        let mut behind = self.minimum(blocks);
        let mut left = limit;
        let mut kept = Vec::with_capacity(blocks.len());
        for block in blocks {
            behind = self.minimum_of(block).left_of(behind);
            let fitted = match block {
                Block::Details(Details { summary, content, is_only_rich }) => {
                    let space = (self.form.shell(block) + behind).left_of(left);
                    let content = self.with_items(content, space);
                    Block::Details(Details { summary: summary.clone(), content, is_only_rich: *is_only_rich })
                }
                Block::List(_) | Block::Table(_) => {
                    block.keeping(self.items_that_fit(block, behind.left_of(left)))
                }
                other => other.clone(),
            };
            left = self.size(&fitted).left_of(left);
            kept.push(fitted);
        }
        kept
    }

    /// How many items or rows of the block fit, with the line that counts the others.
    fn items_that_fit(&self, block: &Block, space: Size) -> usize {
        let Some((count, further)) = block.items() else { return 0 };
        let shown = self.form.item_limit(block).map_or(count, |limit| limit.min(count));
        let mut size = self.form.shell(block);
        for index in 0..shown {
            size += self.form.item(block, index);
            let are_all = index + 1 == count && further == 0;
            if !(if are_all { size } else { size + self.more }).fits(space) {
                // The last one may have fitted only without the line.
                return index;
            }
        }
        shown
    }

    fn size(&self, block: &Block) -> Size {
        let shell = self.form.shell(block);
        match (block, block.items()) {
            (Block::Details(details), _) => {
                details.content.iter().fold(shell, |sum, block| sum + self.size(block))
            }
            (_, Some((count, further))) => {
                let items = (0..count).fold(shell, |sum, index| sum + self.form.item(block, index));
                if further > 0 { items + self.more } else { items }
            }
            _ => shell,
        }
    }

    /// The first blocks, until one does not fit even without its items.
    fn beginning(&self, blocks: &[Block], cut: &mut Cut) -> Vec<Block> {
        let mut kept = Vec::new();
        for block in blocks {
            if cut.is_over {
                cut.untold = cut.untold.saturating_add(block.units());
                continue;
            }
            let shell = self.form.shell(block);
            match block {
                Block::Details(Details { summary, content, is_only_rich }) if shell.fits(cut.left) => {
                    cut.left = shell.left_of(cut.left);
                    let content = self.beginning(content, cut);
                    kept.push(Block::Details(Details {
                        summary: summary.clone(),
                        content,
                        is_only_rich: *is_only_rich,
                    }));
                }
                _ if self.minimum_of(block).fits(cut.left) => {
                    cut.left = self.minimum_of(block).left_of(cut.left);
                    kept.push(block.clone());
                }
                // Nothing is there yet, so a part of it is better than nothing.
                Block::Title(text) | Block::Heading(text) | Block::Paragraph(text) if kept.is_empty() => {
                    cut.is_over = true;
                    kept.push(Block::Paragraph(self.form.shortened(text, cut.left)));
                }
                _ => {
                    cut.is_over = true;
                    cut.untold = cut.untold.saturating_add(block.units());
                }
            }
        }
        kept
    }
}

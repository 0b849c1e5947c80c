//! A table that is sent as a document.
//!
//! # What must hold
//! A document is never longer than its bound, whatever stands in its rows: Telegram refuses one that is longer
//! than it takes. It has whole rows only, below its heading, and knows whether any were left out.

use std::collections::VecDeque;
use std::io::{self, Write};

/// The longest document that is sent, in bytes. Telegram takes 50 MB of a bot (Bot API, `sendDocument`); this
/// is what a phone still opens.
pub(in crate::chat) const DOCUMENT_LIMIT: usize = 20_000_000;

/// Which rows stay where not all have room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Keep {
    First,
    Last,
}

/// A document as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) struct Document {
    pub(in crate::chat) bytes: Vec<u8>,
    /// Rows below the heading.
    pub(in crate::chat) rows: u64,
    /// Whether any were left out.
    pub(in crate::chat) is_cut: bool,
}

/// Takes the rows of a table as they are written. What is written up to a flush is a row; the first is the
/// heading, which stays.
#[derive(Debug)]
pub(in crate::chat) struct Rows {
    limit: usize,
    keep: Keep,
    heading: Option<Vec<u8>>,
    bytes: VecDeque<u8>,
    lengths: VecDeque<usize>,
    /// The length of what was written since the last flush.
    unended: usize,
    is_cut: bool,
}

impl Rows {
    /// Rows for a document of at most `limit` bytes, which has room for its heading at least.
    pub(in crate::chat) fn new(limit: usize, keep: Keep) -> Self {
        Self {
            limit,
            keep,
            heading: None,
            bytes: VecDeque::new(),
            lengths: VecDeque::new(),
            unended: 0,
            is_cut: false,
        }
    }

    pub(in crate::chat) fn into_document(self) -> Document {
        let rows = self.lengths.len() as u64;
        let mut bytes = self.heading.unwrap_or_default();
        bytes.reserve_exact(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        bytes.extend_from_slice(front);
        bytes.extend_from_slice(back);
        Document { bytes, rows, is_cut: self.is_cut }
    }

    fn end_row(&mut self) {
        let length = std::mem::take(&mut self.unended);
        let Some(heading) = &self.heading else {
            self.heading = Some(self.bytes.drain(..).collect());
            return;
        };
        let room = self.limit.saturating_sub(heading.len());
        if self.keep == Keep::First && (self.is_cut || self.bytes.len() > room) {
            self.bytes.truncate(self.bytes.len() - length);
            self.is_cut = true;
            return;
        }
        self.lengths.push_back(length);
        while self.bytes.len() > room
            && let Some(oldest) = self.lengths.pop_front()
        {
            self.bytes.drain(..oldest);
            self.is_cut = true;
        }
    }
}

impl Write for Rows {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend(bytes);
        self.unended += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unended > 0 {
            self.end_row();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADING: &str = "heading\n";

    fn document(rows: &[String], limit: usize, keep: Keep) -> Document {
        let mut written = Rows::new(limit, keep);
        for row in std::iter::once(HEADING).chain(rows.iter().map(String::as_str)) {
            // In two parts, as a buffer that is full cuts it.
            let (one, other) = row.split_at(row.len() / 2);
            written.write_all(one.as_bytes()).unwrap();
            written.write_all(other.as_bytes()).unwrap();
            written.flush().unwrap();
            written.flush().unwrap();
        }
        written.into_document()
    }

    proptest! {
        #[test]
        fn a_document_has_as_many_whole_rows_as_its_bound_allows(
            lengths in prop::collection::vec(1_usize..60, 0..40),
            limit in HEADING.len()..400,
            keeps_first in any::<bool>(),
        ) {
            let rows: Vec<String> = (0..).zip(&lengths).map(|(number, length)| {
                format!("{number:x<length$}\n")
            }).collect();
            let keep = if keeps_first { Keep::First } else { Keep::Last };
            let document = document(&rows, limit, keep);
            prop_assert!(document.bytes.len() <= limit);
            let count = document.rows as usize;
            let (kept, next) = match keep {
                Keep::First => (&rows[..count], rows.get(count)),
                Keep::Last => (&rows[rows.len() - count..], rows[..rows.len() - count].last()),
            };
            prop_assert_eq!(&document.bytes, &[HEADING, &kept.concat()].concat().into_bytes());
            prop_assert_eq!(document.is_cut, next.is_some());
            if let Some(next) = next {
                prop_assert!(document.bytes.len() + next.len() > limit, "there was room for {next:?}");
            }
        }
    }
}

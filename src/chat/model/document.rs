//! A table that is sent as a document.
//!
//! # Invariants
//! A document never exceeds its size limit, whatever its rows contain: Telegram refuses longer ones. It consists of a
//! heading and whole rows, and records whether rows were left out.

use std::collections::VecDeque;
use std::io::{self, Write};

/// The largest document that is sent, in bytes. Telegram accepts 50 MB from a bot (Bot API, `sendDocument`); a phone
/// still opens one of this size.
pub(in crate::chat) const DOCUMENT_LIMIT: usize = 20_000_000;

/// Which rows stay if not all fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Keep {
    First,
    Last,
}

/// A finished document.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::chat) struct Document {
    pub(in crate::chat) bytes: Vec<u8>,
    /// The number of rows below the heading.
    pub(in crate::chat) rows: u64,
    /// Whether rows were left out.
    pub(in crate::chat) is_cut: bool,
}

/// Collects the rows of a table. Everything written up to a flush is one row; the first row is the heading, which is
/// always kept.
#[derive(Debug)]
pub(in crate::chat) struct Rows {
    limit: usize,
    keep: Keep,
    heading: Option<Vec<u8>>,
    bytes: VecDeque<u8>,
    lengths: VecDeque<usize>,
    /// Bytes written since the last flush.
    unended: usize,
    is_cut: bool,
}

impl Rows {
    /// Rows for a document of at most `limit` bytes; the heading must fit.
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
        let space = self.limit.saturating_sub(heading.len());
        if self.keep == Keep::First && (self.is_cut || self.bytes.len() > space) {
            self.bytes.truncate(self.bytes.len() - length);
            self.is_cut = true;
            return;
        }
        self.lengths.push_back(length);
        while self.bytes.len() > space
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
            // In two parts, as a full buffer would write it.
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
        fn keeps_as_many_whole_rows_as_fit(
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

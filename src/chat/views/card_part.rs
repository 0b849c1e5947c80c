//! The parts of a card that may be long.

use crate::text::Text;
use crate::text::document::Document;

/// Addresses or networks that a card shows without a tap.
pub(super) const SHOWN_OPEN: usize = 5;

/// A part of a card below its summary; a long one is shown when the summary is tapped.
pub(super) fn open_or_details(summary: Text, content: Document, is_long: bool) -> Document {
    match is_long {
        true => Document::default().details(summary, content),
        false => Document::default().paragraph(summary).append(content),
    }
}

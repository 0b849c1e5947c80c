//! Short text from the air.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::printable::write_printable;

/// Text that a stranger sent: at most [`ShortText::MAX_BYTES`] bytes of UTF-8. Its `Display` stays on one line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortText(Box<str>);

impl ShortText {
    /// The bytes of the longest text.
    pub const MAX_BYTES: usize = 64;

    /// The text of these bytes, without NULs and white space around it; `None` if nothing is left. Each invalid sequence
    /// becomes U+FFFD, and a longer text is cut.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes.get(..Self::MAX_BYTES).unwrap_or(bytes));
        let is_padding = |c: char| c == '\0' || c.is_whitespace();
        let text = beginning(text.trim_matches(is_padding)).trim_end_matches(is_padding);
        (!text.is_empty()).then(|| Self(Box::from(text)))
    }

    /// The text as it was sent, which may contain anything.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As much of the text as fits.
fn beginning(text: &str) -> &str {
    let longest = text.len().min(ShortText::MAX_BYTES);
    (0..=longest).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_printable(f, &self.0)
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for ShortText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ShortText {
    /// Any text; a longer one is cut.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Ok(Self(Box::from(beginning(&text))))
    }
}

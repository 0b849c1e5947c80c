//! Identifiers of events and chats.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The position of an event in the log. The first event has offset 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// No log gets this long: a larger offset is corrupt.
    pub const MAX: Self = Self(u64::MAX >> 1);

    /// The offset after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message of the bot in a chat, by Telegram's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub i32);

/// A chat, by Telegram's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub i64);

impl ChatId {
    /// The terminal of this machine (`probewatch chat`). Telegram has no chat 0. What the terminal watches alerts every
    /// chat with access.
    pub const TERMINAL: Self = Self(0);
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::TERMINAL { f.write_str("the terminal") } else { self.0.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_shown_by_its_number_and_the_terminal_by_its_name() {
        assert_eq!(ChatId::TERMINAL.to_string(), "the terminal");
        assert_eq!((ChatId(-7).to_string(), Offset(7).to_string()), ("-7".to_owned(), "7".to_owned()));
        assert_eq!((Offset(7).next(), Offset(u64::MAX).next()), (Offset(8), Offset(u64::MAX)));
    }
}

//! Buttons under messages.
//!
//! Invariants:
//! - Text that a button copies reaches the bot byte by byte if somebody sends it. What a client or Telegram may change on
//!   the way gets no button.
//! - A message has at most one [`ButtonStyle::Primary`]; the adapter drops the style of others.

use dot11::write_printable;

/// The longest text that a button copies, in UTF-16 code units (Bot API, `CopyTextButton`: 256 characters).
const COPIED_LENGTH: usize = 256;

/// Marks that Telegram may drop from a text, since whole stacks of them are drawn over other lines.
const COMBINING_DIACRITICS: std::ops::RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its label.
    pub label: String,
    /// What a press does.
    pub action: ButtonAction,
    /// How it looks; where Telegram does not know styles, like any other.
    pub style: Option<ButtonStyle>,
}

/// What a press of a button does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ButtonAction {
    /// Sends this callback data to the bot, 1 to 64 bytes (Bot API).
    Callback(String),
    /// Copies this text to the person's clipboard.
    Copy(String),
}

/// What a button is about (Bot API, `InlineKeyboardButton`, `style`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonStyle {
    /// It removes something.
    Danger,
    /// It accepts or confirms something.
    Success,
    /// The most likely choice.
    Primary,
}

impl Button {
    /// A button that copies `text`, if that is then sent as it is, and fits.
    pub(super) fn copying(label: impl Into<String>, text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=COPIED_LENGTH).contains(&text.encode_utf16().count());
        let action = ButtonAction::Copy(text.clone());
        (fits && is_copied_exactly(&text)).then(|| Self { label: label.into(), action, style: None })
    }

    /// The same button, which removes something.
    #[must_use]
    pub(super) fn danger(self) -> Self {
        Self { style: Some(ButtonStyle::Danger), ..self }
    }

    /// The same button, which accepts or confirms something.
    #[must_use]
    pub(super) fn success(self) -> Self {
        Self { style: Some(ButtonStyle::Success), ..self }
    }

    /// The same button as the most likely choice of its message.
    #[must_use]
    pub(super) fn primary(self) -> Self {
        Self { style: Some(ButtonStyle::Primary), ..self }
    }

    /// Its callback data, if it has any.
    pub fn data(&self) -> Option<&str> {
        match &self.action {
            ButtonAction::Callback(data) => Some(data),
            ButtonAction::Copy(_) => None,
        }
    }
}

/// Whether somebody who copies `text` and sends it sends exactly that: it has no control, format or combining
/// characters, no spaces but single-byte ones, and none at its ends.
pub(super) fn is_copied_exactly(text: &str) -> bool {
    let is_kept = |c: char| (!c.is_whitespace() || c == ' ') && !COMBINING_DIACRITICS.contains(&c);
    // Backslashes are printable, but shown doubled.
    let shown = text.replace('\\', "/");
    let mut printable = String::with_capacity(shown.len());
    // Writing to a String cannot fail.
    let _ = write_printable(&mut printable, &shown);
    text == text.trim() && text.chars().all(is_kept) && printable == shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_arrives_unchanged_can_be_copied() {
        let emoji = "👻".repeat(128);
        for text in ["a", "/name a4:83:e7:4e:39:15 NAME", r#"/watch "a \"b\" \\ c""#, "Zoë’s 📱", &emoji]
        {
            let button = Button::copying("Copy", text).unwrap();
            assert_eq!(button.action, ButtonAction::Copy(text.to_owned()));
            assert_eq!(button.data(), None);
        }
        let long = "x".repeat(257);
        let emoji = "👻".repeat(129);
        for text in [
            "",
            " ",
            " a",
            "a ",
            "a\nb",
            "a\tb",
            "a\0",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{a0}b",
            "Zoe\u{308}",
            "a\u{2003}b",
            "\u{feff}a",
            "a\u{200d}b",
            &long,
            &emoji,
        ] {
            assert_eq!(Button::copying("Copy", text), None, "{text:?}");
        }
    }
}

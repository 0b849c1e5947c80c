//! Text for people, rendered as Telegram's HTML or for a terminal.
//!
//! Text that a stranger may have written (an SSID, a name, a reason) enters through [`printable`] or the `Display` of
//! [`dot11::Ssid`], so it stays on its line. Markup is escaped here, on output.

pub(crate) mod format;

use std::fmt;

use dot11::write_printable;

/// The longest message that Telegram accepts, in UTF-16 code units after parsing entities (Bot API, `sendMessage`).
pub const MESSAGE_LIMIT: usize = 4096;

/// The longest text from elsewhere that is shown, in characters before escaping.
const ECHO_LENGTH: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Bold(String),
    Code(String),
}

impl Piece {
    fn content(&self) -> &str {
        match self {
            Self::Plain(content) | Self::Bold(content) | Self::Code(content) => content,
        }
    }
}

/// A message: plain, bold and monospace pieces in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

impl Text {
    /// A text of one plain piece.
    pub fn plain(content: impl fmt::Display) -> Self {
        Self::default().append(content)
    }

    /// Adds plain text.
    #[must_use]
    pub fn append(mut self, content: impl fmt::Display) -> Self {
        self.0.push(Piece::Plain(content.to_string()));
        self
    }

    /// Adds bold text.
    #[must_use]
    pub fn bold(mut self, content: impl fmt::Display) -> Self {
        self.0.push(Piece::Bold(content.to_string()));
        self
    }

    /// Adds text that can be copied with a tap.
    #[must_use]
    pub fn code(mut self, content: impl fmt::Display) -> Self {
        self.0.push(Piece::Code(content.to_string()));
        self
    }

    /// Adds another text.
    #[must_use]
    pub fn append_text(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The text, cut to `limit` UTF-16 code units with an ellipsis. It is cut between two characters as a reader sees them.
    #[must_use]
    pub fn shortened(&self, limit: usize) -> Self {
        let mut space = limit;
        let mut kept = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            let length = utf16_length(piece.content());
            if length <= space {
                space -= length;
                kept.push(piece.clone());
                continue;
            }
            let cut = |content: &String| format!("{}…", beginning(content, space.saturating_sub(1)));
            if space > 0 {
                kept.push(match piece {
                    Piece::Plain(content) => Piece::Plain(cut(content)),
                    Piece::Bold(content) => Piece::Bold(cut(content)),
                    Piece::Code(content) => Piece::Code(cut(content)),
                });
            }
            break;
        }
        Self(kept)
    }

    /// The length as Telegram counts it, in UTF-16 code units.
    pub fn length(&self) -> usize {
        self.0.iter().map(|piece| utf16_length(piece.content())).sum()
    }

    /// The text in Telegram's HTML style (Bot API, "Formatting options").
    pub fn to_html(&self) -> String {
        let mut html = String::new();
        for piece in &self.0 {
            let (open, close) = match piece {
                Piece::Plain(_) => ("", ""),
                Piece::Bold(_) => ("<b>", "</b>"),
                Piece::Code(_) => ("<code>", "</code>"),
            };
            html.push_str(open);
            for c in piece.content().chars() {
                match c {
                    '<' => html.push_str("&lt;"),
                    '>' => html.push_str("&gt;"),
                    '&' => html.push_str("&amp;"),
                    _ => html.push(c),
                }
            }
            html.push_str(close);
        }
        html
    }
}

/// The text without markup, for a terminal.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece.content()))
    }
}

pub(crate) fn utf16_length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The longest prefix of `text` of at most `space` UTF-16 code units. What is drawn as one character stays whole, unless it
/// alone is too long.
fn beginning(text: &str, space: usize) -> &str {
    let (mut fits, mut whole, mut length) = (0, 0, 0);
    let mut before = None;
    let mut flags = 0;
    for (at, c) in text.char_indices() {
        let is_flag = matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
        // Two regional indicators form a flag; a joiner binds its neighbours.
        let is_continued = continues(c) || before == Some(JOINER) || (is_flag && flags % 2 == 1);
        if !is_continued {
            whole = at;
        }
        length += c.len_utf16();
        if length > space {
            return text.get(..if whole > 0 { whole } else { fits }).unwrap_or_default();
        }
        flags = if is_flag { flags + 1 } else { 0 };
        fits = at + c.len_utf8();
        before = Some(c);
    }
    text
}

/// Zero-width joiner: binds two characters into one.
const JOINER: char = '\u{200d}';

/// Whether this is drawn with the character before it: joiners, combining marks, variation selectors, skin tones.
fn continues(c: char) -> bool {
    matches!(c,
        JOINER | '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
}

/// `text` in printable form on one line (see [`write_printable`]), cut to the length of the longest reason of a watch.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(ECHO_LENGTH));
    let (kept, cut) = match text.char_indices().nth(ECHO_LENGTH) {
        Some((end, _)) => (text.get(..end).unwrap_or_default(), true),
        None => (text, false),
    };
    // Writing to a String cannot fail.
    let _ = write_printable(&mut shown, kept);
    if cut {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_escapes_only_content() {
        let text = Text::plain("<b>&").bold("a<b").code("\"'");
        assert_eq!(text.to_html(), "&lt;b&gt;&amp;<b>a&lt;b</b><code>\"'</code>");
        assert_eq!(text.to_string(), "<b>&a<b\"'");
    }

    #[test]
    fn shortening_keeps_to_the_limit() {
        let text = Text::plain("ab").bold("📡📡📡").code("xyz");
        for (limit, shown) in [
            (0, ""),
            (1, "…"),
            (2, "ab"),
            (3, "ab…"),
            (4, "ab…"),
            (5, "ab📡…"),
            (8, "ab📡📡📡"),
            (11, "ab📡📡📡xyz"),
        ] {
            let short = text.shortened(limit);
            assert_eq!(short.to_string(), shown, "{limit}");
            assert!(short.length() <= limit);
        }
    }

    #[test]
    fn shortening_keeps_grapheme_clusters_whole() {
        for (text, limit, shown) in [
            ("a👩‍👧b", 7, "a👩‍👧b"),
            ("a👩‍👧bc", 7, "a👩‍👧…"),
            ("a👩‍👧bc", 6, "a…"),
            ("a👍🏽bc", 4, "a…"),
            ("🇩🇪🇫🇷🇮🇹", 7, "🇩🇪…"),
            ("🇩🇪🇫🇷🇮🇹", 9, "🇩🇪🇫🇷…"),
            ("e\u{301}e\u{301}e", 4, "e\u{301}…"),
            // Too many marks for one character: it is cut, not dropped.
            ("e\u{301}\u{301}\u{301}\u{301}", 3, "e\u{301}…"),
        ] {
            assert_eq!(Text::plain(text).shortened(limit).to_string(), shown, "{text} {limit}");
        }
    }
}

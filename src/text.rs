//! Text for people, rendered as Telegram's HTML or for a terminal.
//!
//! Text that a stranger may have written (an SSID, a name, a reason) enters through [`printable`] or the `Display` of
//! [`dot11::Ssid`], so it stays on its line. Markup is escaped here, on output.
//!
//! A time keeps the text that stands for it, in the configured zone. Where the server knows date-time entities, each reader
//! sees it in their own zone and language, and ages stay correct.

pub mod document;
mod foreign;
pub(crate) mod format;
mod time_format;

use std::fmt::{self, Write};

use dot11::write_printable;
use store::event::Timestamp;

use foreign::{BEGINNING, END, may_be_tapped};
pub(crate) use foreign::{Foreign, foreign};
use time_format::unix_seconds;
pub use time_format::{DateOrTime, TimeFormat, TimeLength, TimeMarkup};

/// The longest message that Telegram accepts, in UTF-16 code units after parsing entities (Bot API, `sendMessage`).
pub const MESSAGE_LIMIT: usize = 4096;

/// The longest text from elsewhere that is shown, in characters before escaping.
const ECHO_LENGTH: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Bold,
    Code,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    content: String,
    style: Style,
    /// The time that the content shows, in seconds since 1970, and its format. A piece of code has none.
    time: Option<(i64, TimeFormat)>,
    /// Whether it is left out where times are text.
    needs_entities: bool,
}

impl Piece {
    fn new(content: impl fmt::Display, style: Style) -> Self {
        Self { content: content.to_string(), style, time: None, needs_entities: false }
    }

    fn length(&self) -> usize {
        utf16_length(&self.content)
    }

    fn push_html(&self, html: &mut String, times: TimeMarkup) {
        let shown = self.time.filter(|(unix, _)| match times {
            TimeMarkup::Entities { latest } => *unix <= latest,
            TimeMarkup::Text => false,
        });
        if let Some((unix, format)) = shown {
            // Writing to a String cannot fail.
            let _ = write!(html, "<tg-time unix=\"{unix}\" format=\"{format}\">");
        }
        for c in self.content.chars() {
            match c {
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '&' => html.push_str("&amp;"),
                _ => html.push(c),
            }
        }
        if shown.is_some() {
            html.push_str("</tg-time>");
        }
    }
}

/// A message: plain, bold and monospace pieces and times in a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(Vec<Piece>);

impl Text {
    /// A text of one plain piece.
    pub fn plain(content: impl fmt::Display) -> Self {
        Self::default().append(content)
    }

    /// A time, which each reader sees in this format. `content` stands for it where that is not possible: on a terminal,
    /// in old clients, and before 1970.
    pub fn time(time: Timestamp, format: TimeFormat, content: impl fmt::Display) -> Self {
        let unix = unix_seconds(time);
        let time = (unix >= 0).then_some((unix, format));
        Self(vec![Piece { time, ..Piece::new(content, Style::Plain) }])
    }

    /// Adds plain text.
    #[must_use]
    pub fn append(self, content: impl fmt::Display) -> Self {
        self.push_marked(&content.to_string(), Style::Plain)
    }

    /// Adds bold text.
    #[must_use]
    pub fn bold(self, content: impl fmt::Display) -> Self {
        self.push_marked(&content.to_string(), Style::Bold)
    }

    /// Adds text that can be copied with a tap. Spaces alone, such as the name of a network, stand in quotes: nobody would
    /// see them, and Telegram refuses a rich message with code that is blank.
    #[must_use]
    pub fn code(self, content: impl fmt::Display) -> Self {
        let content = content.to_string().replace([BEGINNING, END], "");
        let is_blank = !content.is_empty() && content.trim().is_empty();
        self.push(Piece::new(if is_blank { format!("\"{content}\"") } else { content }, Style::Code))
    }

    /// Adds another text.
    #[must_use]
    pub fn append_text(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Adds another text, whose plain pieces become bold.
    #[must_use]
    pub fn bold_text(mut self, other: Self) -> Self {
        self.0.extend(other.0.into_iter().map(|piece| match piece.style {
            Style::Plain => Piece { style: Style::Bold, ..piece },
            Style::Bold | Style::Code => piece,
        }));
        self
    }

    /// Adds another text that is left out where times are text: it would soon be wrong there.
    #[must_use]
    pub fn append_if_live(mut self, other: Self) -> Self {
        self.0.extend(other.0.into_iter().map(|piece| Piece { needs_entities: true, ..piece }));
        self
    }

    /// Adds content in which parts from elsewhere are marked ([`Foreign`]). What Telegram might make a link, a mention or a
    /// command of becomes code, in which it makes nothing.
    fn push_marked(self, content: &str, style: Style) -> Self {
        let own = |text: Self, content: &str| match content {
            "" => text,
            content => text.push(Piece::new(content, style)),
        };
        let mut parts = content.split(BEGINNING);
        let text = own(self, parts.next().unwrap_or_default());
        parts.fold(text, |text, part| {
            let (foreign, behind) = part.split_once(END).unwrap_or((part, ""));
            let foreign_style = if may_be_tapped(foreign) { Style::Code } else { style };
            own(text.push(Piece::new(foreign, foreign_style)), behind)
        })
    }

    fn push(mut self, piece: Piece) -> Self {
        self.0.push(piece);
        self
    }

    /// The text, cut to `limit` UTF-16 code units with an ellipsis. It is cut between two characters as a reader sees them.
    #[must_use]
    pub fn shortened(&self, limit: usize) -> Self {
        let mut space = limit;
        let mut kept = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            let length = piece.length();
            if length <= space {
                space -= length;
                kept.push(piece.clone());
                continue;
            }
            if space > 0 {
                let content = format!("{}…", beginning(&piece.content, space.saturating_sub(1)));
                kept.push(Piece { content, time: None, ..*piece });
            }
            break;
        }
        Self(kept)
    }

    /// The text with its plain pieces in bold.
    pub(crate) fn to_bold(&self) -> Self {
        Self::default().bold_text(self.clone())
    }

    /// The lines of the text.
    pub(crate) fn lines(&self) -> Vec<Self> {
        let mut lines = vec![Self::default()];
        for piece in &self.0 {
            for (index, part) in piece.content.split('\n').enumerate() {
                if index > 0 {
                    lines.push(Self::default());
                }
                if let Some(line) = lines.last_mut()
                    && !part.is_empty()
                {
                    line.0.push(Piece { content: part.to_owned(), ..*piece });
                }
            }
        }
        lines
    }

    /// Whether nothing of the text can be seen.
    pub(crate) fn is_blank(&self) -> bool {
        self.0.iter().all(|piece| piece.content.trim().is_empty())
    }

    /// The length as Telegram counts it, in UTF-16 code units. A time counts as the text that stands for it.
    pub fn length(&self) -> usize {
        self.0.iter().map(Piece::length).sum()
    }

    /// Whether a time in it may be an entity.
    pub fn has_times(&self) -> bool {
        self.0.iter().any(|piece| piece.time.is_some())
    }

    /// The text in Telegram's HTML style (Bot API, "Formatting options").
    pub fn to_html(&self, times: TimeMarkup) -> String {
        let mut html = String::new();
        let mut is_bold = false;
        for piece in self.0.iter().filter(|piece| !piece.needs_entities || times != TimeMarkup::Text) {
            let begins_bold = piece.style == Style::Bold;
            if is_bold != begins_bold {
                html.push_str(if begins_bold { "<b>" } else { "</b>" });
                is_bold = begins_bold;
            }
            html.push_str(if piece.style == Style::Code { "<code>" } else { "" });
            piece.push_html(&mut html, times);
            html.push_str(if piece.style == Style::Code { "</code>" } else { "" });
        }
        html.push_str(if is_bold { "</b>" } else { "" });
        html
    }
}

/// The text without markup, for a terminal.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().filter(|piece| !piece.needs_entities);
        shown.map(|piece| &piece.content).try_for_each(|content| f.write_str(content))
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_is_never_blank() {
        for blank in [" ", "   ", "\u{a0}", "\u{3000}"] {
            let text = Text::default().code(blank);
            assert_eq!(text.to_html(TimeMarkup::Text), format!("<code>\"{blank}\"</code>"));
        }
        assert_eq!(Text::default().code(" a ").to_string(), " a ");
    }

    #[test]
    fn html_escapes_only_content() {
        let text = Text::plain("<b>&").bold("a<b").code("\"'");
        assert_eq!(text.to_html(TimeMarkup::Text), "&lt;b&gt;&amp;<b>a&lt;b</b><code>\"'</code>");
        assert_eq!(text.to_string(), "<b>&a<b\"'");
    }

    #[test]
    fn what_others_wrote_is_code_if_it_could_be_tapped() {
        for (name, is_code) in [
            ("Alice's phone", false),
            ("FRITZ!Box 7590", false),
            ("...", false),
            ("a4:83:e7:4e:39:15", false),
            ("@admin", true),
            ("/start", true),
            ("https://evil.example", true),
            ("evil.example", true),
            ("#tag", true),
            ("$USD", true),
            ("a@b.example", true),
            ("+49 30 123456", true),
        ] {
            let text = Text::plain(format_args!("«{}» and ", foreign(name)))
                .bold(format_args!("{}.", foreign(name)));
            let html = match is_code {
                true => format!("«<code>{name}</code>» and <code>{name}</code><b>.</b>"),
                false => format!("«{name}» and <b>{name}.</b>"),
            };
            assert_eq!(text.to_html(TimeMarkup::Text), html);
            assert_eq!(text.to_string(), format!("«{name}» and {name}."));
        }
    }

    #[test]
    fn no_foreign_text_ends_its_own_mark() {
        let hostile = format!("{END} @admin {BEGINNING}");
        let text = Text::plain(format_args!("a {} b", foreign(&hostile)));
        assert_eq!(text.to_html(TimeMarkup::Text), "a <code>\\u{ffff} @admin \\u{fffe}</code> b");
        let ssid = dot11::Ssid::from(hostile.as_str());
        let text = Text::plain(format_args!("a {} b", Foreign(&ssid)));
        assert_eq!(text.to_html(TimeMarkup::Text), format!("a <code>{ssid}</code> b"));
    }

    fn at(unix: i64) -> Timestamp {
        Timestamp::from_micros(unix * 1_000_000)
    }

    const NOW: i64 = 1_800_000_000;

    fn entities() -> TimeMarkup {
        TimeMarkup::entities_at(at(NOW))
    }

    #[test]
    fn formats_of_times_are_those_of_the_bot_api() {
        let lengths = [TimeLength::Short, TimeLength::Long];
        let both = |date| lengths.map(|time| DateOrTime::Both(date, time));
        let shown = [
            lengths.map(DateOrTime::Time),
            lengths.map(DateOrTime::Date),
            both(TimeLength::Short),
            both(TimeLength::Long),
        ];
        let formats: Vec<String> = [false, true]
            .into_iter()
            .flat_map(|weekday| shown.concat().into_iter().map(move |shown| (weekday, shown)))
            .map(|(weekday, shown)| TimeFormat::Absolute { weekday, shown }.to_string())
            .collect();
        assert_eq!(formats.join(" "), "t T d D dt dT Dt DT wt wT wd wD wdt wdT wDt wDT");
        assert_eq!(TimeFormat::Relative.to_string(), "r");
    }

    #[test]
    fn only_times_that_telegram_accepts_are_entities() {
        let latest = NOW + 1098 * 86_400;
        for (unix, is_entity) in [
            (i64::MIN / 2_000_000, false),
            (-1, false),
            (0, true),
            (NOW, true),
            (latest, true),
            (latest + 1, false),
            (i64::MAX / 2_000_000, false),
        ] {
            let html = Text::time(at(unix), TimeFormat::Relative, "then").to_html(entities());
            assert_eq!(html.contains("<tg-time"), is_entity, "{unix} {html}");
            assert!(html.contains("then"));
        }
    }

    #[test]
    fn bold_goes_around_times() {
        let range = Text::time(at(1), TimeFormat::Relative, "<then>").append("–").code("&");
        let text = Text::plain("a ").bold("b, ").bold_text(range.clone()).append("c");
        assert_eq!(
            text.to_html(entities()),
            "a <b>b, <tg-time unix=\"1\" format=\"r\">&lt;then&gt;</tg-time>–</b><code>&amp;</code>c"
        );
        assert_eq!(text.to_html(TimeMarkup::Text), "a <b>b, &lt;then&gt;–</b><code>&amp;</code>c");
        assert_eq!(text.to_string(), "a b, <then>–&c");
        assert_eq!(text.length(), 14);
        let live = Text::plain("a").append_if_live(range).append("b");
        assert_eq!((live.to_string(), live.to_html(TimeMarkup::Text)), ("ab".to_owned(), "ab".to_owned()));
        assert!(live.to_html(entities()).contains("&lt;then&gt;</tg-time>–"));
    }

    /// The text that HTML shows, if it is as Telegram demands: tags in pairs, times within nothing but bold text.
    fn shown(html: &str) -> Option<String> {
        let (mut shown, mut open, mut rest) = (String::new(), Vec::new(), html);
        while let Some((before, tag)) = rest.split_once('<') {
            let (tag, after) = tag.split_once('>')?;
            shown.push_str(before);
            rest = after;
            match tag.strip_prefix('/') {
                Some(closed) => (open.pop()? == closed).then_some(())?,
                None => {
                    let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
                    let is_time = name == "tg-time" && attributes.starts_with("unix=\"");
                    let is_valid = is_time || (["b", "code"].contains(&name) && attributes.is_empty());
                    let is_in_place = open.is_empty() || (is_time && open == ["b"]);
                    (is_valid && is_in_place).then_some(())?;
                    open.push(name);
                }
            }
        }
        shown.push_str(rest);
        let is_escaped = !shown.contains(['<', '>']);
        (open.is_empty() && is_escaped)
            .then(|| shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    }

    proptest! {
        #[test]
        fn html_shows_each_text_as_it_is(
            pieces in prop::collection::vec((any::<String>(), 0..6_u8, -3..NOW * 2), 0..8),
            limit in 0..60_usize,
        ) {
            let text = pieces.iter().fold(Text::default(), |text, (content, kind, unix)| {
                let time = || Text::time(at(*unix), TimeFormat::Relative, content);
                match kind {
                    0 => text.append(content),
                    1 => text.bold(content),
                    2 => text.code(content),
                    3 => text.append_text(time()),
                    4 => text.bold_text(time()),
                    _ => text.append_if_live(time()),
                }
            });
            for text in [text.shortened(limit), text] {
                let all: String = text.0.iter().map(|piece| piece.content.as_str()).collect();
                let needs_none = text.0.iter().filter(|piece| !piece.needs_entities);
                let classic: String = needs_none.map(|piece| piece.content.as_str()).collect();
                prop_assert_eq!(shown(&text.to_html(entities())), Some(all.clone()));
                prop_assert_eq!(shown(&text.to_html(TimeMarkup::Text)), Some(classic.clone()));
                prop_assert_eq!(text.to_string(), classic);
                prop_assert_eq!(text.length(), utf16_length(&all));
            }
        }
    }

    #[test]
    fn a_cut_time_is_no_entity() {
        let text = Text::plain("at ").append_text(Text::time(at(1), TimeFormat::Relative, "four o'clock"));
        assert!(text.shortened(15).has_times() && !text.shortened(14).has_times());
        assert_eq!(text.shortened(8).to_html(entities()), "at four…");
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

//! What Telegram makes of a plain text by itself: mentions, commands, hashtags, cashtags, links and email addresses. It
//! looks for them in every classic message, except in code and in links.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::limits::utf16_length;

/// A part of a text that Telegram turned into something to tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// As the type of an entity: `mention`, `bot_command`, `hashtag`, `cashtag`, `url`, `email`, `phone_number`.
    pub kind: &'static str,
    pub text: String,
}

/// The part in the first group is detected, unless the character before it is a part of a word or, for a command, a
/// slash or an angle bracket.
static PATTERNS: LazyLock<[(&str, Regex); 8]> = LazyLock::new(|| {
    [
        ("mention", r"(@\w{2,32})\b"),
        ("bot_command", r"(/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)(?:$|[^\w/<>])"),
        ("hashtag", r"(#[\w\u{200c}]*\p{L}[\w\u{200c}]*)"),
        ("cashtag", r"(\$[A-Z]{1,8})\b"),
        ("email", r"([\w.+-]+@[\w-]+(?:\.[\w-]+)*\.\p{L}{2,})"),
        ("phone_number", r"(\+[0-9][0-9-]{6,20})"),
        ("url", r"((?i:https?|ftp|tg|ton)://[^\s<>]+)"),
        // Telegram knows the top-level domains; these are some that a name might end in.
        (
            "url",
            r"((?:[\w-]+\.)+(?i:com|org|net|io|de|me|example|info|biz|app|dev|eu|uk|us|ru|fr|ch|at|wifi|link|xyz)(?:[:/?][^\s<>]*)?)(?:$|[^\w.@])",
        ),
    ]
    .map(|(kind, pattern)| (kind, Regex::new(pattern).expect("a pattern")))
});

/// What Telegram detects in a text with these entities, in the order of the patterns.
pub fn detect(text: &str, entities: &[Value]) -> Vec<Detected> {
    let mut detected: Vec<(std::ops::Range<usize>, Detected)> = Vec::new();
    for (kind, pattern) in PATTERNS.iter() {
        let mut from = 0;
        while let Some(found) = pattern.captures_at(text, from).and_then(|captures| captures.get(1)) {
            from = found.end();
            let before = text[..found.start()].chars().next_back();
            let continues = |c: char| {
                c.is_alphanumeric() || c == '_' || (*kind == "bot_command" && matches!(c, '/' | '<' | '>'))
            };
            let overlaps =
                |range: &std::ops::Range<usize>| range.start < found.end() && found.start() < range.end;
            let is_free = !detected.iter().any(|(range, _)| overlaps(range));
            if is_free && !before.is_some_and(continues) && !is_exempt(text, found.range(), entities) {
                let what = Detected { kind, text: found.as_str().to_owned() };
                detected.push((found.range(), what));
            }
        }
    }
    detected.sort_by_key(|(range, _)| range.start);
    detected.into_iter().map(|(_, what)| what).collect()
}

/// Whether the range touches code or a link.
fn is_exempt(text: &str, range: std::ops::Range<usize>, entities: &[Value]) -> bool {
    let start = utf16_length(&text[..range.start]) as u64;
    let end = start + utf16_length(&text[range]) as u64;
    entities.iter().any(|entity| {
        let number = |name: &str| entity[name].as_u64().unwrap_or_default();
        let (from, to) = (number("offset"), number("offset") + number("length"));
        let is_verbatim =
            ["code", "pre", "text_link", "text_mention"].iter().any(|kind| entity["type"] == *kind);
        is_verbatim && from < end && start < to
    })
}

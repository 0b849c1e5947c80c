//! What Telegram's server turns into something to tap, in every classic message: mentions, commands, hashtags, links,
//! addresses and numbers. No request can switch that off, but Telegram leaves code alone.
//!
//! Invariants:
//! - Nobody nearby can put a link or a mention into the bot's messages by the name of a network. Each word that might
//!   become one is shown as code, whoever wrote it; the bot's own links are pieces of their own.
//! - A command in the bot's own words stays one. One between quotation marks was said by somebody else.
//! - The text itself stays as it is.

/// A part of a text, and whether it must be shown as code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) content: &'a str,
    pub(super) is_code: bool,
}

/// The parts of a text that the bot wrote, in order; together they are the text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest_start = 0;
    for (start, word) in words(text) {
        let end = start + word.len();
        if !becomes_tappable(word) && !(is_command(word) && is_quoted(text, start, end)) {
            continue;
        }
        push(&mut parts, text.get(rest_start..start), false);
        push(&mut parts, Some(word), true);
        rest_start = end;
    }
    push(&mut parts, text.get(rest_start..), false);
    parts
}

/// Whether somebody else's text has a word that might be tapped.
pub(super) fn has_tappable(text: &str) -> bool {
    words(text).any(|(_, word)| becomes_tappable(word) || is_command(word))
}

fn push<'a>(parts: &mut Vec<Part<'a>>, content: Option<&'a str>, is_code: bool) {
    if let Some(content) = content.filter(|content| !content.is_empty()) {
        parts.push(Part { content, is_code });
    }
}

/// The words between white space with their places, without the punctuation around them.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(char::is_whitespace).filter_map(move |word| {
        let kept =
            |c: char| c.is_alphanumeric() || matches!(c, '\\' | '_' | '@' | '#' | '$' | '/' | '+' | '-');
        let first = word.find(kept)?;
        let last = word.rfind(kept)?;
        let after = last + word.get(last..)?.chars().next()?.len_utf8();
        let trimmed = word.get(first..after)?;
        // Both are slices of the text.
        Some(((trimmed.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?, trimmed))
    })
}

/// Whether a word becomes a mention, a hashtag, a link, an email address or a number to call or to pay with, if generously
/// judged.
fn becomes_tappable(word: &str) -> bool {
    let continues_in_word = |mark: char| {
        word.match_indices(mark).any(|(at, _)| {
            word.get(at + mark.len_utf8()..)
                .and_then(|after| after.chars().next())
                .is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
    };
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    continues_in_word('@')
        || continues_in_word('#')
        || continues_in_word('$')
        || word.contains("://")
        || has_domain(word)
        || (word.contains('+') && digits >= 7)
        || (digits >= 13 && word.chars().all(|c| c.is_ascii_digit() || c == '-'))
}

/// Whether a part of the word looks like a domain: a label, a dot, and letters.
fn has_domain(word: &str) -> bool {
    word.match_indices('.').any(|(at, _)| {
        let before = word.get(..at).and_then(|before| before.chars().next_back());
        let top = word.get(at + 1..).unwrap_or_default();
        let top = top.split(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap_or_default();
        before.is_some_and(char::is_alphanumeric)
            && top.chars().count() >= 2
            && top.chars().all(|c| c.is_alphabetic() || c == '-')
    })
}

/// Whether a word has a command in it: a slash that does not follow a letter or a digit.
fn is_command(word: &str) -> bool {
    word.match_indices('/').any(|(at, _)| {
        let before = word.get(..at).and_then(|before| before.chars().next_back());
        let after = word.get(at + 1..).and_then(|after| after.chars().next());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && after.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Whether there is a quotation mark before this part of the text and one after it, in its line. Somebody else's text may
/// have such marks in it, too, so they need not be a pair.
fn is_quoted(text: &str, start: usize, end: usize) -> bool {
    let before = text.get(..start).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    let after = text.get(end..).unwrap_or_default().split('\n').next().unwrap_or_default();
    before.contains(['"', '“']) && after.contains(['"', '”'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(text: &str) -> Vec<&str> {
        parts(text).into_iter().filter(|part| part.is_code).map(|part| part.content).collect()
    }

    #[test]
    fn what_others_wrote_is_shown_as_code_if_it_could_be_tapped() {
        for (text, expected) in [
            ("Watching for \"@admin\".", "@admin"),
            ("Watching for \"/mute\".", "/mute"),
            ("Watching for \"/mute@some_bot\".", "/mute@some_bot"),
            ("\"x\" /mute \"y\"", "/mute"),
            ("Reason: see https://evil.example/x?y#z, now", "https://evil.example/x?y#z"),
            ("evil.com", "evil.com"),
            ("Evil.COM/login!", "Evil.COM/login"),
            ("(mail@evil.example)", "mail@evil.example"),
            ("#tag: 2 probes", "#tag"),
            ("$USD", "$USD"),
            ("tg://resolve?domain=x", "tg://resolve?domain=x"),
            ("<@admin>", "@admin"),
            ("+49-170-1234567", "+49-170-1234567"),
            ("4242424242424242", "4242424242424242"),
            ("bücher.de", "bücher.de"),
            ("\\u{202e}moc.knab (1×)", "\\u{202e}moc.knab"),
        ] {
            assert_eq!(codes(text), [expected], "{text}");
        }
        assert_eq!(codes("@a_b and\n#c"), ["@a_b", "#c"]);
        assert!(has_tappable("/mute") && has_tappable("a /b") && !has_tappable("a/b 1/2"));
    }

    #[test]
    fn our_own_words_stay_as_they_are() {
        for text in [
            "Remove one first: /chats",
            "• /devices: all devices, such as 10.1",
            "a4:83:e7:4e:39:15 at 11:00:00 CET, 2026-11-22, -61 dBm, 3.5 kB, 24h/7d, and/or, e.g. this. Or that.",
            "1 # 2 @ 3 $ 4",
            "…",
            "",
        ] {
            assert_eq!(codes(text), [""; 0], "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text(text in ".*|[ @#$/.:a\"1]*") {
            let joined: String = parts(&text).into_iter().map(|part| part.content).collect();
            prop_assert_eq!(joined, text);
        }
    }
}

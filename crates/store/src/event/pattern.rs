//! Glob patterns for SSIDs: `*` matches any characters, `?` one character, and `\` escapes either of them or itself.
//!
//! A character is a UTF-8 character, or a byte of an SSID that is part of none. Matching takes at most as many steps as
//! the product of both lengths, whatever the pattern.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use dot11::Ssid;

/// A glob pattern for SSIDs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    /// This character.
    Literal(char),
    /// `?`: any one character.
    AnyOne,
    /// `*`: any number of characters.
    AnyNumber,
}

impl Pattern {
    /// Parses `text`. Any text is a pattern.
    pub fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let token = match c {
                '*' => Token::AnyNumber,
                '?' => Token::AnyOne,
                '\\' => Token::Literal(chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or(c)),
                _ => Token::Literal(c),
            };
            // Consecutive stars match the same as one.
            if token != Token::AnyNumber || tokens.last() != Some(&Token::AnyNumber) {
                tokens.push(token);
            }
        }
        Self { text: text.to_owned(), tokens }
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The only SSID that it matches, if it has neither `*` nor `?`.
    pub fn as_literal(&self) -> Option<String> {
        self.tokens.iter().map(|token| if let Token::Literal(c) = token { Some(*c) } else { None }).collect()
    }

    /// Whether it requires any character.
    pub fn has_literal(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Literal(_)))
    }

    /// Whether it matches the whole of `ssid`.
    pub fn matches(&self, ssid: &Ssid) -> bool {
        let name: Vec<Option<char>> = ssid
            .as_bytes()
            .utf8_chunks()
            .flat_map(|chunk| {
                let odd_bytes = chunk.invalid().iter().map(|_| None);
                chunk.valid().chars().map(Some).chain(odd_bytes)
            })
            .collect();
        let (mut at, mut token) = (0, 0);
        // The token after the last star, and where in the name that star's match ends.
        let mut star = None;
        while at < name.len() {
            match (self.tokens.get(token), name.get(at)) {
                (Some(Token::AnyNumber), _) => {
                    star = Some((token + 1, at));
                    token += 1;
                }
                (Some(Token::AnyOne), _) => (at, token) = (at + 1, token + 1),
                (Some(Token::Literal(wanted)), Some(Some(c))) if wanted == c => {
                    (at, token) = (at + 1, token + 1);
                }
                // The last star takes one more character. Earlier stars need no retry.
                _ => match &mut star {
                    Some((next, taken)) => {
                        *taken += 1;
                        (at, token) = (*taken, *next);
                    }
                    None => return false,
                },
            }
        }
        self.tokens.iter().skip(token).all(|token| *token == Token::AnyNumber)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, ssid: &[u8], expected: bool) {
        assert_eq!(Pattern::new(pattern).matches(&Ssid::new(ssid)), expected, "{pattern:?} and {ssid:?}");
    }

    #[test]
    fn stars_and_question_marks_match_characters() {
        for (pattern, ssid, expected) in [
            ("Depot*", "Depot 7", true),
            ("Depot*", "Depot", true),
            ("Depot*", "The Depot", false),
            ("*Depot*", "The Depot 7", true),
            ("D?pot", "Depot", true),
            ("D?pot", "Dpot", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("?", "📶", true),
            ("??", "📶", false),
            ("depot*", "Depot 7", false),
            ("", "", true),
            ("*", "", true),
        ] {
            check(pattern, ssid.as_bytes(), expected);
        }
        check("a?b*", b"a\xffb\xfe\x00", true);
        check("a?b", b"a\xff\xfeb", false);
    }

    #[test]
    fn a_backslash_escapes() {
        check(r"5\*", b"5*", true);
        check(r"5\*", b"55", false);
        check(r"what\?*", b"what? now", true);
        check(r"a\\*", br"a\b", true);
        check(r"a\b", br"a\b", true);
        assert_eq!(Pattern::new(r"5\*\?\\").as_literal().as_deref(), Some(r"5*?\"));
        assert_eq!(Pattern::new("5*").as_literal(), None);
        assert!(!Pattern::new("*?*").has_literal());
    }

    #[test]
    fn any_pattern_matches_in_bounded_time() {
        let started = std::time::Instant::now();
        check(&"*a".repeat(60), &[b'a'; 255], true);
        check(&("*a".repeat(60) + "b"), &[b'a'; 255], false);
        assert!(started.elapsed().as_secs() < 2);
    }

    /// The definition of a match, without regard to time.
    fn matches_by_definition(tokens: &[Token], name: &[char]) -> bool {
        match (tokens, name) {
            ([], name) => name.is_empty(),
            ([Token::AnyNumber, rest @ ..], name) => {
                (0..=name.len()).any(|taken| matches_by_definition(rest, &name[taken..]))
            }
            ([Token::AnyOne, rest @ ..], [_, name @ ..]) => matches_by_definition(rest, name),
            ([Token::Literal(wanted), rest @ ..], [c, name @ ..]) => {
                wanted == c && matches_by_definition(rest, name)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_definition(pattern in r"[ab*?\\]{0,8}", name in r"[ab*\\]{0,8}") {
            let pattern = Pattern::new(&pattern);
            let chars: Vec<char> = name.chars().collect();
            prop_assert_eq!(pattern.matches(&Ssid::from(name.as_str())), matches_by_definition(&pattern.tokens, &chars));
        }
    }

    #[test]
    fn a_pattern_is_shown_as_it_was_written() {
        let pattern = Pattern::new("a**\\?");
        assert_eq!((pattern.as_str(), pattern.to_string().as_str()), ("a**\\?", "a**\\?"));
        assert_eq!(format!("{pattern:?}"), r#""a**\\?""#);
    }
}

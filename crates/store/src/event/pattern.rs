//! Patterns of networks' names: `*` stands for any characters, `?` for one, and `\` before either of them
//! or itself takes its meaning away.
//!
//! A character is one of UTF-8; of an SSID that is no UTF-8 each other byte counts as one. Whether a name
//! matches takes no more steps than the lengths of both multiplied: no pattern makes it explode.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use dot11::Ssid;

/// A pattern of SSIDs, as a person wrote it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    /// Exactly this character.
    Literal(char),
    /// `?`
    One,
    /// `*`
    Any,
}

impl Pattern {
    /// The pattern that `text` writes.
    pub fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let token = match c {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => Token::Literal(chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or(c)),
                _ => Token::Literal(c),
            };
            // Two stars in a row are as one.
            if token != Token::Any || tokens.last() != Some(&Token::Any) {
                tokens.push(token);
            }
        }
        Self { text: text.to_owned(), tokens }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The one name that it stands for, where it has neither `*` nor `?`.
    pub fn as_literal(&self) -> Option<String> {
        self.tokens.iter().map(|token| if let Token::Literal(c) = token { Some(*c) } else { None }).collect()
    }

    /// Whether it says anything of a name but its length.
    pub fn has_literal(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Literal(_)))
    }

    /// Whether the whole of `ssid` is as the pattern says.
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
        // Behind the last star, and how much of the name that star has taken.
        let mut star = None;
        while at < name.len() {
            match (self.tokens.get(token), name.get(at)) {
                (Some(Token::Any), _) => {
                    star = Some((token + 1, at));
                    token += 1;
                }
                (Some(Token::One), _) => (at, token) = (at + 1, token + 1),
                (Some(Token::Literal(wanted)), Some(Some(c))) if wanted == c => {
                    (at, token) = (at + 1, token + 1);
                }
                // The last star takes one character more; those before it need not be tried again.
                _ => match &mut star {
                    Some((behind, taken)) => {
                        *taken += 1;
                        (at, token) = (*taken, *behind);
                    }
                    None => return false,
                },
            }
        }
        self.tokens.iter().skip(token).all(|token| *token == Token::Any)
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
    fn stars_and_question_marks_stand_for_characters() {
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
    fn a_backslash_takes_the_meaning_away() {
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
    fn no_pattern_explodes() {
        let started = std::time::Instant::now();
        check(&"*a".repeat(60), &[b'a'; 255], true);
        check(&("*a".repeat(60) + "b"), &[b'a'; 255], false);
        assert!(started.elapsed().as_secs() < 2);
    }

    /// What a pattern means, written down without a thought for time.
    fn means(tokens: &[Token], name: &[char]) -> bool {
        match (tokens, name) {
            ([], name) => name.is_empty(),
            ([Token::Any, rest @ ..], name) => (0..=name.len()).any(|taken| means(rest, &name[taken..])),
            ([Token::One, rest @ ..], [_, name @ ..]) => means(rest, name),
            ([Token::Literal(wanted), rest @ ..], [c, name @ ..]) => wanted == c && means(rest, name),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_matches_what_it_means(pattern in r"[ab*?\\]{0,8}", name in r"[ab*\\]{0,8}") {
            let pattern = Pattern::new(&pattern);
            let chars: Vec<char> = name.chars().collect();
            prop_assert_eq!(pattern.matches(&Ssid::from(name.as_str())), means(&pattern.tokens, &chars));
        }
    }
}

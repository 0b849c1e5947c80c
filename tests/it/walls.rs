//! Promise: each room uses only the rooms below it, only one room names each of the big crates, and every text
//! that a person sees in a chat stands in one place.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up. A room may use those before it.
const ROOMS: [&str; 21] = [
    "metrics",
    "suggest",
    "dot11",
    "vendor",
    "capture",
    "event",
    "chart",
    "event_log",
    "state",
    "recorder",
    "names_import",
    "config",
    "text",
    "status",
    "chat",
    "api",
    "http",
    "control",
    "telegram",
    "service",
    "cli",
];

/// What a room may not use although it lies below.
const APART: [(&str, &[&str]); 5] = [
    // Hands frames to a closure and knows only what a frame is.
    ("capture", &["event", "vendor"]),
    ("event", &["capture", "vendor"]),
    // Draws what it is given.
    ("chart", &["capture", "vendor"]),
    ("chat", &["capture", "config", "event_log"]),
    ("telegram", &["capture", "event_log", "state"]),
];

/// Macros whose texts go to the log of the service.
const LOGGING: [&str; 5] = ["error!", "warn!", "info!", "debug!", "trace!"];

/// Where the texts for a chat stand: the views, and the table of commands with its help lines.
const REPLIES: [&str; 3] = ["src/chat/views/", "src/chat/commands/mod.rs", "src/status.rs"];

/// The only texts elsewhere in `chart`, `chat`, `status` and `telegram`, since no chat is sent them: by file, and how
/// they begin.
const NO_REPLIES: [(&str, &str); 4] = [
    // Why Telegram did not take a request: for the log, of the service and of events.
    ("src/telegram/api.rs", ""),
    ("src/telegram/error.rs", ""),
    ("src/telegram/request_error.rs", ""),
    ("src/telegram/outbox.rs", "the chat is no longer served"),
];

/// Which file or folder of `src` alone may name a crate.
const CRATES: [(&str, &str); 5] = [
    ("pcap", "crates/capture"),
    ("sled", "crates/store/src/state/store"),
    ("teloxide", "src/telegram"),
    ("clap", "src/cli"),
    ("toml", "src/config"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

fn all_sources() -> Vec<PathBuf> {
    ["src", "crates"].iter().flat_map(|folder| sources(&root().join(folder))).collect()
}

fn room_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root()).unwrap();
    let names: Vec<&str> = inside.iter().filter_map(|name| name.to_str()).collect();
    let room = match names.as_slice() {
        ["crates", "store", "src", room, ..] | ["src", room, ..] => room.trim_end_matches(".rs").to_owned(),
        ["crates", name, ..] => (*name).to_owned(),
        _ => return None,
    };
    ROOMS.contains(&room.as_str()).then_some(room)
}

/// The code before the tests of a file.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The rooms that a text names after `crate::`.
fn rooms_used(text: &str) -> Vec<String> {
    let code = without_tests(text);
    code.match_indices("crate::")
        .filter_map(|(at, _)| {
            let rest = &code[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            ROOMS.contains(&name.as_str()).then_some(name)
        })
        .collect()
}

#[test]
fn a_room_uses_only_those_below_it() {
    let place = |room: &str| ROOMS.iter().position(|known| *known == room).unwrap();
    let mut seen = 0;
    for file in all_sources() {
        let Some(room) = room_of(&file) else { continue };
        let apart = APART.iter().find(|(known, _)| *known == room).map_or(&[][..], |(_, rooms)| rooms);
        for used in rooms_used(&fs::read_to_string(&file).unwrap()) {
            let allowed = used == room || place(&used) < place(&room) && !apart.contains(&used.as_str());
            assert!(allowed, "{} uses {used}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "the `use` lines were found: {seen}");
}

#[test]
fn only_one_room_names_each_big_crate() {
    for (name, owner) in CRATES {
        let owner = root().join(owner);
        let mut owned = 0;
        for file in all_sources() {
            let text = fs::read_to_string(&file).unwrap();
            let names_it = text.lines().map(str::trim).any(|line| {
                !line.starts_with("//")
                    && (line.starts_with(&format!("use {name}::"))
                        || line.starts_with(&format!("use ::{name}::"))
                        || name != "config" && names_path(line, name)
                        || names_path(line, &format!("::{name}")))
            });
            let is_owner = file.starts_with(&owner) || file.with_extension("") == owner;
            assert!(!names_it || is_owner, "{} names the crate {name}", file.display());
            owned += usize::from(names_it && is_owner);
        }
        assert!(owned > 0, "the crate {name} is named where it should be");
    }
}

/// Whether `line` has `name::` at the beginning of a path.
fn names_path(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[test]
fn every_text_of_a_chat_stands_in_one_place() {
    let mut replies = 0;
    for file in ["src/chart", "src/chat", "src/telegram"].iter().flat_map(|room| sources(&root().join(room)))
    {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap();
        let is_reply = REPLIES.iter().any(|place| name.starts_with(place));
        let is_tests = name.ends_with("/tests.rs");
        for literal in literals(without_tests(&text)).into_iter().filter(|literal| has_words(literal)) {
            let is_excused =
                NO_REPLIES.iter().any(|(file, start)| *file == name && literal.starts_with(start));
            assert!(is_reply || is_tests || is_excused, "{name} says {literal:?}");
            replies += usize::from(is_reply);
        }
    }
    assert!(replies > 100, "the texts were found: {replies}");
}

#[test]
fn texts_are_told_from_what_is_no_text() {
    let code = r##"
        /// "In a comment", isn't it? // "twice"
        #[error("in an attribute")]
        fn f<'a>(c: char) -> &'a str {
            warn!("in the log {}", g("and within"));
            match c { '"' | '\'' => "one \"two\" {three}", _ => r#"raw "four" five"# };
            (b"bytes of it", "{} {}", "\n• ", "one", "%a %-d %b")
        }
    "##;
    let found: Vec<&str> = literals(code).into_iter().filter(|literal| has_words(literal)).collect();
    assert_eq!(found, [r#"one \"two\" {three}"#, r#"raw "four" five"#]);
}

/// Whether a person could read it: more than one word, besides what is filled in and the parts of a time.
fn has_words(literal: &str) -> bool {
    let mut depth = 0;
    let is_outside = |c: &char| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0
    };
    let literal: String = literal.replace("\\n", " ").chars().filter(is_outside).collect();
    let mut parts = literal.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    let plain = parts
        .fold(first, |plain, part| plain + part.trim_start_matches(|c: char| c == '-' || c.is_alphabetic()));
    plain.contains(' ') && plain.contains(char::is_alphabetic)
}

/// The string literals in `code`, without those in comments, attributes and logging macros, and without those
/// of bytes.
fn literals(code: &str) -> Vec<&str> {
    let mut found = Vec::new();
    // What stands before each bracket that is open.
    let mut open: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(c) = code[at..].chars().next() {
        let rest = &code[at..];
        let before = &code[..at];
        let word = before.rfind(|c: char| !(c.is_alphanumeric() || "_!#".contains(c)));
        let word =
            &before[word.map_or(0, |place| place + before[place..].chars().next().unwrap().len_utf8())..];
        at += match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '\'' => character_length(rest),
            '"' => {
                let hashes = if word.starts_with('r') { word.len() - 1 } else { 0 };
                let length = if word.starts_with('r') {
                    rest[1..].find(&format!("\"{}", "#".repeat(hashes))).unwrap()
                } else {
                    string_length(&rest[1..])
                };
                let is_told = open.iter().any(|word| *word == "#" || LOGGING.contains(word));
                if word != "b" && !is_told {
                    found.push(&rest[1..1 + length]);
                }
                length + 2 + hashes
            }
            '(' | '[' | '{' => {
                open.push(word);
                1
            }
            ')' | ']' | '}' => {
                open.pop();
                1
            }
            other => other.len_utf8(),
        };
    }
    found
}

/// The length of the text before the closing quote.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    text.find(|c: char| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })
    .unwrap()
}

/// The length of the character literal, or of the sign of a lifetime.
fn character_length(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(escaped)) => {
            2 + escaped.len_utf8() + text[2 + escaped.len_utf8()..].find('\'').unwrap() + 1
        }
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1,
    }
}

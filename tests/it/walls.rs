//! Promise: each room uses only the rooms below it, and only one room names each of the big crates.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the bottom up. A room may use those before it.
const ROOMS: [&str; 15] = [
    "dot11",
    "vendor",
    "capture",
    "event",
    "chart",
    "event_log",
    "state",
    "names_import",
    "config",
    "recorder",
    "chat",
    "http",
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

/// Which file or folder of `src` alone may name a crate.
const CRATES: [(&str, &str); 4] = [
    ("pcap", "src/capture"),
    ("sled", "src/state/store.rs"),
    ("teloxide", "src/telegram"),
    ("config", "src/config"),
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

fn room_of(file: &Path) -> Option<String> {
    let inside = file.strip_prefix(root().join("src")).unwrap();
    let first = Path::new(inside.components().next()?.as_os_str());
    let room = first.file_stem()?.to_str()?.to_owned();
    ROOMS.contains(&room.as_str()).then_some(room)
}

/// The rooms that a text names after `crate::`.
fn rooms_used(text: &str) -> Vec<String> {
    let code: String = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
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
    for file in sources(&root().join("src")) {
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
        for file in sources(&root().join("src")) {
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

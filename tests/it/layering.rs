//! The parts of the layering that Cargo cannot enforce: inside a crate, modules use only those listed before them; only
//! one module uses each of the large dependencies; and the texts for chats are in the view modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Packages of several modules, with their source folders. `docs/architecture.md` lists their modules; each may use
/// itself and those before it.
const LAYERED: [(&str, &str); 2] = [("crates/store", "crates/store/src"), ("src", "src")];

/// Modules of `src`, and lower modules that they must not use.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    // It draws the data that it is given.
    ("chart", &["capture", "vendor", "model_hint"]),
    ("chat", &["capture", "config", "event_log"]),
    ("telegram", &["capture", "event_log", "state"]),
];

/// The only file or folder that may use a crate.
const CRATES: [(&str, &str); 5] = [
    ("sled", "crates/store/src/state/store"),
    ("teloxide", "src/telegram"),
    ("clap", "src/cli"),
    ("toml_edit", "src/config"),
    ("qrcode", "src/cli/setup"),
];

/// The files with texts for chats: the views, and the table of commands with its help lines.
const VIEWS: [&str; 3] = ["src/chat/views/", "src/chat/commands/mod.rs", "src/status/report.rs"];

/// Texts in other files of `chart`, `chat`, `status` and `telegram` that are not for chats: the file, and how they
/// begin.
const OTHER_TEXTS: [(&str, &str); 6] = [
    // Reasons why Telegram refused a request, for the service's log and the event log.
    ("src/telegram/api.rs", ""),
    ("src/telegram/request_error.rs", ""),
    // What such a reason says that an older server gives.
    ("src/telegram/server_features.rs", ""),
    ("src/telegram/outbox.rs", "the chat is no longer served"),
    // Why an update cannot be read, for the service's log.
    ("src/telegram/update.rs", "it has no number"),
    // Errors and their remedies, for the person who starts the service.
    ("src/telegram/error.rs", ""),
];

/// Folders whose modules import each other in one direction only.
const ACYCLIC: [&str; 2] = ["crates/store/src/state", "src/chat/views"];

/// A source file with its path from the root, without the tests at its end.
struct Source {
    path: String,
    code: String,
    /// The first two names of each path.
    paths: BTreeSet<(String, String)>,
}

impl Source {
    fn is_in(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
            || self.path.starts_with(path) && path.ends_with('/')
    }

    /// Whether one of its paths begins with this name, such as `teloxide`.
    fn names(&self, name: &str) -> bool {
        self.paths.iter().any(|(first, _)| first == name)
    }

    /// Whether it uses this module of its own crate.
    fn uses_own(&self, module: &str) -> bool {
        self.paths.contains(&("crate".to_owned(), module.to_owned()))
    }

    /// Whether it uses this module of its own crate or of `store`, or this crate.
    fn uses(&self, module: &str) -> bool {
        let of_store = ("store".to_owned(), module.to_owned());
        self.uses_own(module) || self.paths.contains(&of_store) || self.names(module)
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let paths = code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(paths);
                let paths = paths.collect();
                found.push(Source { path, code, paths });
            }
        }
    }
    found
}

/// The first two names of each path in a line.
fn paths(line: &str) -> Vec<(String, String)> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let parts: Vec<&str> = line.split("::").collect();
    let mut found = Vec::new();
    let mut is_within = false;
    for pair in parts.windows(2) {
        let before = pair[0].trim_end_matches(is_name);
        let first = &pair[0][before.len()..];
        let second: String = pair[1].chars().take_while(|c| is_name(*c)).collect();
        if !(first.is_empty() || is_within && before.is_empty()) {
            found.push((first.to_owned(), second));
        }
        is_within = pair[0].ends_with(is_name);
    }
    found
}

#[test]
fn finds_the_first_names_of_paths() {
    let pair = |(first, second): (&str, &str)| (first.to_owned(), second.to_owned());
    let found = paths("use a::b::{c::d}; ::e::f(g::h::<i::j>())");
    assert_eq!(found, [("a", "b"), ("c", "d"), ("e", "f"), ("g", "h"), ("i", "j")].map(pair));
    assert_eq!(paths("no_path: here"), []);
}

/// The modules in the table of `docs/architecture.md` about this package, in its order.
fn listed_modules(package: &str) -> Vec<&'static str> {
    let text = include_str!("../../docs/architecture.md");
    let heading = format!("Modules of `{package}`, each of which uses only those above it:\n\n");
    let (_, table) = text.split_once(&heading).unwrap_or_else(|| panic!("no table of {package}"));
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
    let names = |row: &'static str| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
    rows.flat_map(names).collect()
}

#[test]
fn the_architecture_lists_every_module() {
    for (package, folder) in LAYERED {
        let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("lib.rs"));
        let library = library.unwrap();
        let modules = library.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
        let listed = listed_modules(package);
        assert_eq!(BTreeSet::from_iter(listed.iter().copied()), modules.collect(), "{package}");
    }
}

#[test]
fn modules_use_only_those_below_them() {
    let mut count = 0;
    for (package, folder) in LAYERED {
        let modules = listed_modules(package);
        for source in sources(folder) {
            let Some(own) = modules.iter().position(|module| source.is_in(&format!("{folder}/{module}")))
            else {
                continue;
            };
            for module in &modules[own + 1..] {
                assert!(!source.uses_own(module), "{} uses {module}", source.path);
            }
            count += modules[..own].iter().filter(|module| source.uses_own(module)).count();
        }
    }
    assert!(count > 50, "the uses were found: {count}");
}

#[test]
fn modules_of_a_folder_do_not_import_each_other_in_cycles() {
    for folder in ACYCLIC {
        let mut imports = imports_within(folder);
        let count: usize = imports.values().map(BTreeSet::len).sum();
        assert!(count > 10, "the imports were found: {count}");
        // Removes the modules that import none of the others, until only cycles and what imports them are left.
        while let Some(lowest) =
            imports.iter().find(|(_, used)| used.is_empty()).map(|(name, _)| name.clone())
        {
            imports.remove(&lowest);
            for used in imports.values_mut() {
                used.remove(&lowest);
            }
        }
        assert!(imports.is_empty(), "{folder} has import cycles: {imports:?}");
    }
}

/// The modules of a folder, each with the other modules of the folder that it names. A module may be a folder itself.
fn imports_within(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let absolute = format!("crate::{}::", folder.rsplit_once("src/").unwrap().1.replace('/', "::"));
    let path = Regex::new(&format!(r"\b(?:(?<supers>(?:super::)+)|{absolute})(?<module>\w+)")).unwrap();
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources(folder).iter().filter(|source| !source.is_test()) {
        let within = source.path.strip_prefix(folder).unwrap().trim_matches('/').trim_end_matches(".rs");
        let names: Vec<&str> = within.split('/').filter(|name| *name != "mod").collect();
        let Some(module) = names.first() else { continue };
        let used = imports.entry((*module).to_owned()).or_default();
        for line in source.code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for found in path.captures_iter(line) {
                let levels =
                    found.name("supers").map_or(names.len(), |supers| supers.len() / "super::".len());
                if levels == names.len() {
                    used.insert(found["module"].to_owned());
                }
            }
        }
    }
    let modules: BTreeSet<String> = imports.keys().cloned().collect();
    for (module, used) in &mut imports {
        used.retain(|name| name != module && modules.contains(name));
    }
    imports
}

#[test]
fn modules_do_not_use_forbidden_modules() {
    for (module, forbidden) in FORBIDDEN {
        for source in sources("src").iter().filter(|source| source.is_in(&format!("src/{module}"))) {
            for other in forbidden {
                assert!(!source.uses(other), "{} uses {other}", source.path);
            }
        }
    }
}

/// Who may read the machine's clock, which may be wrong. Everybody else has the recorder's
/// (`RecorderHandle::now`).
#[test]
fn few_modules_read_the_machines_clock() {
    let readers = [
        "crates/store/src/recorder/clock.rs",
        // They only say when something was written.
        "crates/store/src/recorder/recovery.rs",
        "crates/store/src/recorder/segment_pruner.rs",
        "src/api/export.rs",
        // No service runs.
        "src/api/data_source.rs",
        "src/api/status.rs",
        // It compares the two.
        "src/service/source_worker.rs",
    ];
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    for source in sources("src").into_iter().chain(sources("crates/store/src")) {
        let reads = source.code.lines().filter(is_code).any(|line| line.contains("Timestamp::now()"));
        let is_test = source.path.ends_with("tests.rs");
        let may = is_test || source.is_in("src/cli/") || readers.contains(&source.path.as_str());
        assert!(may || !reads, "{}", source.path);
    }
}

#[test]
fn one_module_uses_each_large_dependency() {
    let sources: Vec<Source> = ["src", "crates"].into_iter().flat_map(sources).collect();
    for (name, owner) in CRATES {
        let naming: Vec<&Source> = sources.iter().filter(|source| source.names(name)).collect();
        assert!(!naming.is_empty(), "nothing names {name}");
        for source in naming {
            assert!(source.is_in(owner), "{} names the crate {name}", source.path);
        }
    }
}

#[test]
fn chat_texts_are_only_in_view_modules() {
    let mut count = 0;
    for source in sources("src") {
        let is_meant = ["src/chart", "src/chat", "src/status", "src/telegram"];
        if !is_meant.iter().any(|module| source.is_in(module)) || source.is_test() {
            continue;
        }
        let is_view = VIEWS.iter().any(|view| source.is_in(view));
        for literal in literals(&source.code).into_iter().filter(|literal| has_words(literal)) {
            let is_other = |(path, start): &(&str, &str)| source.path == *path && literal.starts_with(start);
            assert!(is_view || OTHER_TEXTS.iter().any(is_other), "{} says {literal:?}", source.path);
            count += usize::from(is_view);
        }
    }
    assert!(count > 100, "the texts were found: {count}");
}

#[test]
fn chat_texts_are_distinguished_from_other_literals() {
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

/// Whether it is a text for people: more than one word, not counting placeholders and parts of a time format.
fn has_words(literal: &str) -> bool {
    static FILLED_IN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{[^}]*\}|%-?[A-Za-z]+").unwrap());
    let plain = FILLED_IN.replace_all(literal, "").replace("\\n", " ");
    plain.contains(' ') && plain.contains(char::is_alphabetic)
}

/// The string literals in `code`, except byte strings and those in comments, attributes and logging macros.
fn literals(code: &str) -> Vec<&str> {
    static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
        let string = r#""(?:\\.|[^"\\])*""#;
        // Nested brackets, as deep as in logging macros.
        let inside = |open: &str, close: &str| {
            (0..6).fold(String::new(), |inner, _| {
                let inner = if inner.is_empty() { inner } else { format!("|{inner}") };
                format!("{open}(?:[^{open}{close}\"]|{string}{inner})*{close}")
            })
        };
        let (parentheses, brackets) = (inside(r"\(", r"\)"), inside(r"\[", r"\]"));
        Regex::new(&format!(
            r##"(?s)//[^\n]*|#!?{brackets}|\b(?:error|warn|info|debug|trace)!{parentheses}|b?'(?:\\u\{{\w+\}}|\\.|[^\\'])'|b{string}|r#"(?<raw>.*?)"#|"(?<text>(?:\\.|[^"\\])*)""##
        ))
        .unwrap()
    });
    let tokens = TOKENS.captures_iter(code);
    tokens.filter_map(|token| Some(token.name("raw").or(token.name("text"))?.as_str())).collect()
}

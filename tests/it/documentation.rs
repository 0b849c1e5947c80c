//! Every link in the documentation resolves, and it documents exactly what exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use probewatch::chat::commands::COMMANDS;
use probewatch::status::ServerFeature;

use crate::support::service::probewatch;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages of the repository.
fn pages() -> Vec<PathBuf> {
    let mut folders = vec![root().to_owned()];
    for folder in ["docs", "benches", "data", "crates/capture", "crates/dot11", "crates/store"] {
        folders.push(root().join(folder));
    }
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// The page's lines without code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence && !line.starts_with("    ")
    })
}

/// The targets of the links on a page.
fn links(text: &str) -> Vec<String> {
    let text = prose(text).collect::<Vec<_>>().join("\n");
    let ends = text.match_indices("](").map(|(at, open)| &text[at + open.len()..]);
    ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| heading.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.replace(|c: char| !(c.is_alphanumeric() || " -_".contains(c)), ""))
        .map(|heading| heading.replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_resolves() {
    let mut checked = 0;
    for path in pages() {
        let text = page(&path);
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
            let found = anchor.is_empty() || anchors(&page(&target)).contains(anchor);
            assert!(found, "{}: {link} matches no heading", path.display());
            checked += 1;
        }
    }
    assert!(checked > 20, "links were found: {checked}");
}

#[test]
fn the_readme_is_short() {
    let size = page("README.md").len();
    assert!(size < 10_000, "README.md has {size} bytes");
}

#[test]
fn the_readme_links_every_page() {
    let linked: BTreeSet<String> = links(&page("README.md")).into_iter().collect();
    for path in pages().iter().filter(|path| path.parent() == Some(&root().join("docs"))) {
        let link = format!("docs/{}", path.file_name().unwrap().to_str().unwrap());
        assert!(linked.contains(&link), "README.md does not link {link}");
    }
}

/// The first word in backticks of each row of the page's tables, after a prefix.
fn rows(text: &str, prefix: &str) -> BTreeSet<String> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_prefix(prefix));
    cells.map(|cell| cell.chars().take_while(|c| c.is_alphanumeric() || *c == '-').collect()).collect()
}

#[test]
fn documents_exactly_the_subcommands_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    assert!(probewatch(&["man", folder.path().to_str().unwrap()]).status.success());
    let manuals = fs::read_dir(folder.path()).unwrap();
    let names = manuals.map(|manual| manual.unwrap().file_name().into_string().unwrap());
    let exist: BTreeSet<String> = names
        .filter_map(|name| Some(name.strip_prefix("probewatch-")?.strip_suffix(".1")?.to_owned()))
        .filter(|name| name != "help")
        .collect();
    assert_eq!(rows(&page("docs/command-line.md"), "probewatch "), exist);
}

#[test]
fn documents_since_which_version_telegram_has_what_an_older_server_lacks() {
    let text = page("docs/telegram.md");
    for (feature, field) in [
        (ServerFeature::CopyTextButtons, "`copy_text`"),
        (ServerFeature::Drafts, "`sendMessageDraft`"),
        (ServerFeature::DateTimeEntities, "`tg-time`"),
        (ServerFeature::RichMessages, "`sendRichMessage`"),
    ] {
        let row = text.lines().find(|line| line.starts_with("| ") && line.contains(field));
        let row = row.unwrap_or_else(|| panic!("no row of {field}"));
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!(cells.get(2), Some(&feature.since()), "{row}");
    }
}

/// The code spans of a page, without code blocks.
fn code_spans(text: &str) -> Vec<String> {
    prose(text).flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn documents_exactly_the_chat_commands_that_exist() {
    let exist: BTreeSet<String> = COMMANDS.iter().map(|command| command.name.to_owned()).collect();
    let spans = code_spans(&page("docs/chat-commands.md"));
    let commands = spans.iter().filter_map(|span| span.strip_prefix('/'));
    let documented: BTreeSet<String> = commands
        .filter(|span| !span.contains('/'))
        .map(|span| span.chars().take_while(|c| c.is_alphanumeric()).collect())
        .collect();
    assert_eq!(documented, exist);
}

/// Every source file with its text.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// Messages in docs/troubleshooting.md that other programs print.
const MESSAGES_OF_OTHERS: [&str; 4] =
    ["systemctl start", "activating (start)", "Host key verification failed", "No user exists for uid"];

/// The messages in the first column of a page's tables: what is in backticks and has several words.
fn quoted_messages(text: &str) -> Vec<String> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let spans = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    spans.filter(|span| span.contains(' ')).map(str::to_owned).collect()
}

#[test]
fn troubleshooting_quotes_messages_that_exist() {
    // A message may be put together from parts: then a test expects it whole.
    let folders = ["src", "crates", "tests"].map(|folder| sources(&root().join(folder)));
    let texts: Vec<String> = folders
        .into_iter()
        .flatten()
        .filter(|(path, _)| !path.ends_with("tests/it/documentation.rs"))
        .map(|(_, text)| text.split("\\\n").map(str::trim_start).collect())
        .collect();
    let quoted = quoted_messages(&page("docs/troubleshooting.md"));
    assert!(quoted.len() > 15, "messages were found: {quoted:?}");
    for message in &quoted {
        let exists = texts.iter().any(|text| text.contains(message));
        assert!(exists || MESSAGES_OF_OTHERS.contains(&message.as_str()), "no message says {message:?}");
    }
    for message in MESSAGES_OF_OTHERS {
        assert!(quoted.iter().any(|quoted| quoted == message), "{message:?} is not quoted any more");
    }
}

#[test]
fn the_architecture_names_existing_items() {
    let code: Vec<_> = ["src", "crates"].iter().flat_map(|folder| sources(&root().join(folder))).collect();
    let defines = |name: &str| {
        let kinds = ["fn", "struct", "enum", "mod", "static", "type"];
        let is_module = |path: &Path| path.file_stem().is_some_and(|stem| stem == name);
        let is_defined = |text: &str| {
            kinds.iter().any(|kind| {
                let definition = format!("{kind} {name}");
                text.match_indices(&definition).any(|(at, _)| {
                    !text[at + definition.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            })
        };
        code.iter().any(|(path, text)| is_module(path) || is_defined(text))
            || root().join("crates").join(name).is_dir()
    };
    let mut checked = 0;
    for span in code_spans(&page("docs/architecture.md")) {
        if is_repository_path(&span) {
            checked += 1;
        } else if span.contains("::") {
            for name in span.split("::") {
                assert!(defines(name), "{span}: {name} does not exist");
            }
            checked += 1;
        }
    }
    assert!(checked > 30, "names were found: {checked}");
}

/// Whether a code span is the path of a file or folder of this repository.
fn is_repository_path(span: &str) -> bool {
    let folders = ["src/", "crates/", "tests/", "docs/", "data/", "benches/", "examples/", "packaging/"];
    folders.iter().any(|folder| span.starts_with(folder))
}

#[test]
fn every_path_of_the_repository_exists() {
    let mut checked = 0;
    for path in pages() {
        for span in code_spans(&page(&path)).iter().filter(|span| is_repository_path(span)) {
            // A script may have arguments, and a crate's page may name the crate's own files.
            let file = span.split(' ').next().unwrap();
            let exists = root().join(file).exists() || path.parent().unwrap().join(file).exists();
            assert!(exists, "{}: {file} does not exist", path.display());
            checked += 1;
        }
    }
    assert!(checked > 40, "paths were found: {checked}");
}

/// The code blocks of a page, fenced or indented by four spaces.
fn code_blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    let mut is_fenced = false;
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        let code = if is_fenced && !is_fence { Some(line) } else { line.strip_prefix("    ") };
        match (code, blocks.last_mut()) {
            (Some(code), Some(block)) => {
                block.push_str(code);
                block.push('\n');
            }
            _ => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Whether a block begins with a TOML table or `key = value`. The sections of systemd's files are capitalised.
fn looks_like_toml(block: &str) -> bool {
    let first = block.lines().next().unwrap_or_default();
    let is_key =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let table = first.trim_start_matches('[');
    table.len() < first.len() && table.starts_with(|c: char| c.is_ascii_lowercase())
        || first.split_once(" = ").is_some_and(|(key, _)| is_key(key))
}

#[test]
fn every_toml_example_parses() {
    let mut checked = 0;
    for path in pages() {
        for block in code_blocks(&page(&path)).iter().filter(|block| looks_like_toml(block)) {
            if let Err(error) = block.parse::<toml::Table>() {
                panic!("{}: {error}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 5, "examples were found: {checked}");
}

#[test]
fn the_architecture_names_functions_in_the_file_where_they_are() {
    let text = page("docs/architecture.md").replace("\n   ", "");
    let mut checked = 0;
    for step in text.split("**`").skip(1) {
        let Some((name, rest)) = step.split_once("`**") else { continue };
        let Some((file, _)) = rest.strip_prefix(" (`").and_then(|rest| rest.split_once('`')) else {
            continue;
        };
        let function = name.rsplit("::").next().unwrap();
        assert!(page(file).contains(&format!("fn {function}")), "{file} has no {function}");
        checked += 1;
    }
    assert!(checked > 10, "functions were found: {checked}");
}

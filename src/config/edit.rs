//! Changes keys of a configuration file and leaves everything else as it is: comments, order, other keys, a byte order
//! mark and the line endings.

use std::path::PathBuf;

use chrono_tz::Tz;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value, value};

use super::model::Secret;

const TIME_ZONE: &str = "time_zone";
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What is to be in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// `time_zone`.
    pub time_zone: Option<Tz>,
    /// An interface that is to be in `capture.sources`, beside the sources that are there.
    pub interface: Option<String>,
    /// An earlier name of that interface: if it is a source, it gets the new name.
    pub replaces: Option<String>,
}

/// Why a file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is no TOML.
    #[error("line {line} is no TOML: {problem}")]
    NotToml {
        /// The line, from 1.
        line: usize,
        /// What is wrong, without text of the file.
        problem: String,
    },
    /// A key holds something else than it should.
    #[error("`{0}` is neither a list nor a table of lists")]
    WrongKind(&'static str),
}

impl EditError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotToml { .. } => "correct the line, or move the file away",
            Self::WrongKind(_) => "correct it: docs/configuration.md describes every key",
        }
    }
}

/// The text with these edits; the same text if nothing needs to change.
///
/// # Errors
/// [`EditError`] if the text is no TOML, or a table or list is something else.
pub fn edit(text: &str, edits: &Edits) -> Result<String, EditError> {
    let (mark, body) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(body) => (BYTE_ORDER_MARK.to_string(), body),
        None => (String::new(), text),
    };
    let line_feeds = body.matches('\n').count();
    let is_dos = line_feeds > 0 && body.matches("\r\n").count() == line_feeds;
    let unix = if is_dos { body.replace("\r\n", "\n") } else { body.to_owned() };
    let edited = match edits.time_zone {
        Some(zone) => set_time_zone(&unix, zone)?,
        None => unix.clone(),
    };
    let edited = match &edits.interface {
        Some(interface) => set_interface(&edited, interface, edits.replaces.as_deref())?,
        None => edited,
    };
    if edited == unix {
        return Ok(text.to_owned());
    }
    Ok(mark + &if is_dos { edited.replace('\n', "\r\n") } else { edited })
}

/// Where a file says that the bot's token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenPlace {
    /// The file itself has it (`telegram.token`).
    Here(Secret),
    /// Another file (`telegram.token_file`).
    File(PathBuf),
    /// The file does not say: systemd's credential counts.
    Unset,
}

/// Where the text of a file says that the token is.
///
/// # Errors
/// [`EditError::NotToml`].
pub fn token_place(text: &str) -> Result<TokenPlace, EditError> {
    let document = parse(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))?;
    let of = |key: &str| document.get("telegram")?.get(key)?.as_str();
    Ok(match (of("token").and_then(Secret::bot_token), of("token_file")) {
        (Some(token), _) => TokenPlace::Here(token),
        (None, Some(file)) => TokenPlace::File(PathBuf::from(file)),
        (None, None) => TokenPlace::Unset,
    })
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
        EditError::NotToml { line, problem: error.message().to_owned() }
    })
}

fn set_time_zone(text: &str, zone: Tz) -> Result<String, EditError> {
    let mut document = parse(text)?;
    if document.get(TIME_ZONE).and_then(Item::as_str) == Some(zone.name()) {
        return Ok(text.to_owned());
    }
    if !document.contains_key(TIME_ZONE)
        && let Some(uncommented) = uncomment_time_zone(text, zone)
    {
        return Ok(uncommented);
    }
    replace(document.as_table_mut(), TIME_ZONE, zone.name().into());
    Ok(document.to_string())
}

/// The text where the commented-out key, as the example file has it, is set; `None` if there is none.
fn uncomment_time_zone(text: &str, zone: Tz) -> Option<String> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        // A table begins, or perhaps a text of several lines.
        if trimmed.starts_with('[') || line.contains("\"\"\"") || line.contains("'''") {
            return None;
        }
        let key = trimmed.strip_prefix('#').and_then(|comment| comment.trim_start().strip_prefix(TIME_ZONE));
        if key.is_some_and(|rest| rest.trim_start().starts_with('=')) {
            let (before, rest) = (text.get(..start)?, text.get(start + line.trim_end_matches('\n').len()..)?);
            let edited = format!("{before}{TIME_ZONE} = \"{}\"{rest}", zone.name());
            // In a list of several lines the line is no key.
            let is_set = parse(&edited).ok()?.get(TIME_ZONE).and_then(Item::as_str) == Some(zone.name());
            return is_set.then_some(edited);
        }
        start += line.len();
    }
    None
}

fn set_interface(text: &str, interface: &str, replaces: Option<&str>) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let capture = document.entry("capture").or_insert_with(|| Item::Table(Table::new()));
    let capture = capture.as_table_like_mut().ok_or(EditError::WrongKind("capture"))?;
    if !capture.contains_key("sources") {
        capture.insert("sources", value(Array::from_iter([interface])));
        return Ok(document.to_string());
    }
    // An environment variable's form of a list.
    if let Some(list) = capture.get("sources").and_then(Item::as_str).map(str::to_owned) {
        let sources: Vec<&str> = list.split(',').map(str::trim).filter(|source| !source.is_empty()).collect();
        if sources.contains(&interface) {
            return Ok(text.to_owned());
        }
        let mut sources: Vec<&str> = sources.into_iter().filter(|source| Some(*source) != replaces).collect();
        sources.push(interface);
        replace(capture, "sources", Array::from_iter(sources).into());
        return Ok(document.to_string());
    }
    let changed = match capture.get_mut("sources") {
        Some(Item::Value(Value::Array(list))) => set_in_list(list, interface, replaces),
        Some(Item::ArrayOfTables(tables)) => set_in_tables(tables, interface, replaces),
        _ => return Err(EditError::WrongKind("capture.sources")),
    };
    Ok(if changed { document.to_string() } else { text.to_owned() })
}

/// Whether the list was changed so that the interface is in it.
fn set_in_list(list: &mut Array, interface: &str, replaces: Option<&str>) -> bool {
    let name_of = |entry: &Value| match entry {
        Value::String(text) => Some(text.value().clone()),
        Value::InlineTable(table) => Some(table.get("interface")?.as_str()?.to_owned()),
        _ => None,
    };
    if list.iter().any(|entry| name_of(entry).as_deref() == Some(interface)) {
        return false;
    }
    let earlier = list.iter_mut().find(|entry| replaces.is_some() && name_of(entry).as_deref() == replaces);
    match earlier {
        Some(Value::InlineTable(table)) => replace(table, "interface", interface.into()),
        Some(entry) => {
            let decor = entry.decor().clone();
            *entry = interface.into();
            *entry.decor_mut() = decor;
        }
        None => push(list, interface),
    }
    true
}

/// Adds an entry at the end, on a line of its own if the last one is.
fn push(list: &mut Array, interface: &str) {
    let trailing = list.trailing().as_str().unwrap_or_default().to_owned();
    let prefix = list.iter().last().and_then(|last| last.decor().prefix()?.as_str()).unwrap_or_default();
    let indent = prefix.rsplit_once('\n').map(|(_, indent)| indent.to_owned());
    let mut entry = Value::from(interface);
    match indent {
        Some(indent) if list.trailing_comma() || list.is_empty() => {
            // What follows the last comma, perhaps a comment, stays with it.
            let end = trailing.trim_end_matches([' ', '\t', '\n']);
            entry.decor_mut().set_prefix(format!("{end}\n{indent}"));
            list.set_trailing("\n");
            list.push_formatted(entry);
        }
        _ if trailing.contains('#') => {
            // A comment ends with its line.
            entry.decor_mut().set_prefix(trailing);
            list.set_trailing("\n");
            list.push_formatted(entry);
        }
        _ => list.push(entry),
    }
}

/// As [`set_in_list`], of `[[capture.sources]]`.
fn set_in_tables(tables: &mut ArrayOfTables, interface: &str, replaces: Option<&str>) -> bool {
    let has = |table: &Table, name: &str| table.get("interface").and_then(Item::as_str) == Some(name);
    if tables.iter().any(|table| has(table, interface)) {
        return false;
    }
    let earlier = tables.iter().position(|table| replaces.is_some_and(|name| has(table, name)));
    if let Some(table) = earlier.and_then(|position| tables.get_mut(position)) {
        replace(table, "interface", interface.into());
    } else {
        let mut table = Table::new();
        table.insert("interface", value(interface));
        tables.push(table);
    }
    true
}

/// Sets a key; a comment behind its value stays.
fn replace(table: &mut dyn TableLike, key: &str, mut new: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        _ => {
            table.insert(key, value(new));
        }
    }
}

#[cfg(test)]
mod tests;

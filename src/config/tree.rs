//! The values of the file, overridden by those of the environment, and where each stands.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::de::Deserialize;
use serde_path_to_error::{Path, Segment};
use toml::de::{DeArray, DeTable, DeValue};

use super::deserialize::Fault;
use super::error::{ConfigError, Origin};
use super::schema::keys;
use crate::suggest::{nearest_by, similarity};

/// What the names of the program's variables begin with, and what separates the parts of a key in them.
const VARIABLE_PREFIX: &str = "PROBEWATCH__";
const VARIABLE_SEPARATOR: &str = "__";

/// A value, and where it stands: a table that is in both the file and the environment stands in the file.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) kind: Kind,
    place: Place,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Text(String),
    Integer(i64),
    /// An integer of more than 64 bits, which no key takes.
    LargeInteger,
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    Table(BTreeMap<String, Value>),
}

#[derive(Debug, Clone)]
enum Place {
    /// A line of the file, from 1.
    Line(usize),
    Variable(String),
}

/// The values of the file and the environment.
pub(super) struct Tree {
    /// The origin of missing values.
    origin: Origin,
    root: BTreeMap<String, Value>,
}

impl Tree {
    /// What the file of this name holds.
    ///
    /// # Errors
    /// [`ConfigError::File`] if it is no TOML.
    pub(super) fn parse(file: String, text: &str) -> Result<Self, ConfigError> {
        match DeTable::parse(text) {
            Ok(table) => {
                let root = table_of(table.into_inner(), &|start| line_at(text, start));
                Ok(Self { origin: Origin::File { file, line: None }, root })
            }
            Err(error) => Err(ConfigError::File { file, problem: without_source_lines(&error) }),
        }
    }

    /// No values, as without a file.
    pub(super) fn empty() -> Self {
        Self { origin: Origin::Environment, root: BTreeMap::new() }
    }

    /// Takes the variables whose names begin with `PROBEWATCH__`; empty ones count as missing.
    pub(super) fn override_with(&mut self, variables: HashMap<String, String>) {
        let ours = variables.into_iter().filter_map(|(name, text)| {
            let (prefix, key) = name.split_at_checked(VARIABLE_PREFIX.len())?;
            let key = key.to_lowercase();
            (prefix.eq_ignore_ascii_case(VARIABLE_PREFIX) && !text.is_empty()).then_some((name, key, text))
        });
        let mut ours: Vec<_> = ours.collect();
        // The last of two that set the same key wins, whatever the order of the environment.
        ours.sort_by(|one, other| other.cmp(one));
        for (name, key, text) in ours {
            let value = Value { kind: Kind::Text(text), place: Place::Variable(name) };
            let parts: Vec<&str> = key.split(VARIABLE_SEPARATOR).collect();
            insert(&mut self.root, &parts, value);
        }
    }

    /// Reads the tree as a `T`.
    ///
    /// # Errors
    /// [`ConfigError`] names the origin, the key and what was expected.
    pub(super) fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, ConfigError> {
        let root = Value { kind: Kind::Table(self.root.clone()), place: Place::Line(1) };
        serde_path_to_error::deserialize(root).map_err(|error| {
            let (key, entry) = key_of(error.path());
            match error.into_inner() {
                Fault::UnknownKey => self.unknown(&key),
                Fault::Value(problem) => match entry {
                    Some(entry) => self.wrong_value(&key, format!("(entry {entry}) {problem}")),
                    None => self.wrong_value(&key, problem),
                },
            }
        })
    }

    /// The error of a key whose value has a problem, such as `is 5: expected 1 to 3`.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        self.wrong_value(&parts, problem.into())
    }

    fn wrong_value(&self, key: &[String], problem: String) -> ConfigError {
        ConfigError::Value { origin: self.origin_of(key), key: shown_key(key), problem }
    }

    fn unknown(&self, parts: &[String]) -> ConfigError {
        let key = shown_key(parts);
        let keys: BTreeSet<String> = keys().into_iter().map(|key| key.name).collect();
        let tables: BTreeSet<String> =
            keys.iter().filter_map(|key| Some(key.rsplit_once('.')?.0.to_owned())).collect();
        let is_table = matches!(self.get(parts), Some(Value { kind: Kind::Table(_), .. }));
        let candidates = if is_table { tables } else { keys };
        let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        // The last part alone finds a key that stands in the wrong table.
        let likeness = |known: &str| {
            let whole = similarity(known, &key);
            whole.max(similarity(&leaf(known), &leaf(&key))) + whole / 1000.0
        };
        let nearest = nearest_by(candidates.iter().map(String::as_str), likeness).map(str::to_owned);
        ConfigError::UnknownKey { origin: self.origin_of(parts), key, nearest }
    }

    /// Where the value of `key` stands, or should stand: if it is missing, in the table or list that it belongs to.
    fn origin_of(&self, key: &[String]) -> Origin {
        if let Some(Value { place: Place::Variable(name), .. }) = self.get(key) {
            return Origin::Variable(name.clone());
        }
        let line = (1..=key.len()).rev().find_map(|length| match self.get(key.get(..length)?)?.place {
            Place::Line(line) => Some(line),
            Place::Variable(_) => None,
        });
        match &self.origin {
            Origin::File { file, .. } => Origin::File { file: file.clone(), line },
            other => other.clone(),
        }
    }

    fn get(&self, key: &[String]) -> Option<&Value> {
        let (last, tables) = key.split_last()?;
        let table = tables.iter().try_fold(&self.root, |table, part| match &table.get(part)?.kind {
            Kind::Table(table) => Some(table),
            _ => None,
        });
        table?.get(last)
    }
}

/// Puts `value` into `table`, in the tables of `key`.
fn insert(table: &mut BTreeMap<String, Value>, key: &[&str], value: Value) {
    match key {
        [] => {}
        [last] => {
            table.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let new = || Value { kind: Kind::Table(BTreeMap::new()), place: value.place.clone() };
            let inner = table.entry((*first).to_owned()).or_insert_with(new);
            if !matches!(inner.kind, Kind::Table(_)) {
                *inner = new();
            }
            if let Kind::Table(inner) = &mut inner.kind {
                insert(inner, rest, value);
            }
        }
    }
}

/// The values of a table. `line_at` gives the line of a byte.
fn table_of(table: DeTable<'_>, line_at: &dyn Fn(usize) -> usize) -> BTreeMap<String, Value> {
    let entries = table.into_iter().map(|(key, value)| {
        let line = line_at(key.span().start);
        (key.into_inner().into_owned(), value_of(value.into_inner(), line, line_at))
    });
    entries.collect()
}

fn list_of(list: DeArray<'_>, line_at: &dyn Fn(usize) -> usize) -> Vec<Value> {
    let entries = list.into_iter().map(|value| {
        let line = line_at(value.span().start);
        value_of(value.into_inner(), line, line_at)
    });
    entries.collect()
}

fn value_of(value: DeValue<'_>, line: usize, line_at: &dyn Fn(usize) -> usize) -> Value {
    let kind = match value {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Kind::LargeInteger, Kind::Integer)
        }
        // TOML's floats are among Rust's.
        DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Kind::Boolean(flag),
        DeValue::Datetime(time) => Kind::Text(time.to_string()),
        DeValue::Array(list) => Kind::List(list_of(list, line_at)),
        DeValue::Table(table) => Kind::Table(table_of(table, line_at)),
    };
    Value { kind, place: Place::Line(line) }
}

/// The line of a byte of `text`, from 1.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// A TOML error without the lines of the file that it quotes, since a token may stand there.
fn without_source_lines(error: &toml::de::Error) -> String {
    let is_quoted = |line: &&str| {
        line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
    };
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().filter(|line| !is_quoted(line)).map(str::trim).collect();
    lines.join(": ").trim_start_matches("TOML parse error at ").to_owned()
}

/// The parts of the key at a path, and if it goes through a list, the number of the entry there, from 1.
fn key_of(path: &Path) -> (Vec<String>, Option<usize>) {
    let mut entry = None;
    let mut parts = Vec::new();
    for segment in path {
        match segment {
            Segment::Map { key } => parts.push(key.clone()),
            Segment::Seq { index } => entry = entry.or(Some(index + 1)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    (parts, entry)
}

/// A key as it is written in TOML.
fn shown_key(parts: &[String]) -> String {
    let is_bare = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let shown = parts.iter().map(|part| if is_bare(part) { part.clone() } else { format!("{part:?}") });
    shown.collect::<Vec<_>>().join(".")
}

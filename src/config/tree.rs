//! The values of the file, overridden by those of the environment, and where each is.

use std::collections::{BTreeSet, HashMap};

use ::config::{Map, Source, Value, ValueKind};
use serde::de::Deserialize;
use serde_path_to_error::{Path, Segment};
use toml::de::{DeArray, DeTable, DeValue};

use super::deserialize::{Fault, Node};
use super::error::{ConfigError, Origin};
use super::schema::keys;
use crate::chat_settings::Configured;
use crate::suggest::{nearest_by, similarity};

/// What the names of the program's variables begin with, and what separates the parts of a key in them.
const VARIABLE_PREFIX: &str = "PROBEWATCH__";
const VARIABLE_SEPARATOR: &str = "__";

/// The values of the file and the environment.
pub(super) struct Tree {
    /// The origin of missing values.
    origin: Origin,
    /// The table of all. The origin of each value in it is a line of the file, from 1, or the name of a variable.
    root: Value,
}

impl Tree {
    /// What the file of this name holds.
    ///
    /// # Errors
    /// [`ConfigError::File`] if it is no TOML.
    pub(super) fn parse(file: String, text: &str) -> Result<Self, ConfigError> {
        match DeTable::parse(text) {
            Ok(table) => {
                let values = table_of(table.into_inner(), &|start| line_at(text, start));
                Ok(Self { origin: Origin::File { file, line: None }, root: values.into() })
            }
            Err(error) => Err(ConfigError::File { file, problem: without_source_lines(&error) }),
        }
    }

    /// No values, as without a file.
    pub(super) fn empty() -> Self {
        Self { origin: Origin::Environment, root: Map::<String, Value>::new().into() }
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
            let parts: Vec<&str> = key.split(VARIABLE_SEPARATOR).collect();
            let layer = Layer(nested(&parts, Value::new(Some(&name), text)));
            // A layer has its values already: to collect them cannot fail.
            let _ = layer.collect_to(&mut self.root);
        }
    }

    /// Reads the tree as a `T`.
    ///
    /// # Errors
    /// [`ConfigError`] names the origin, the key and what was expected.
    pub(super) fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(Node(self.root.clone())).map_err(|error| {
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

    /// The value of this key, which is set, and where that is.
    pub(super) fn configured<T>(&self, key: &str, value: T) -> Configured<T> {
        let parts: Vec<String> = key.split('.').map(str::to_owned).collect();
        Configured { value, origin: self.origin_of(&parts).to_string() }
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
        let is_table = matches!(self.get(parts), Some(Value { kind: ValueKind::Table(_), .. }));
        let candidates = if is_table { tables } else { keys };
        let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        // The last part alone finds a key that is in the wrong table.
        let likeness = |known: &str| {
            let whole = similarity(known, &key);
            whole.max(similarity(&leaf(known), &leaf(&key))) + whole / 1000.0
        };
        let nearest = nearest_by(candidates.iter().map(String::as_str), likeness).map(str::to_owned);
        ConfigError::UnknownKey { origin: self.origin_of(parts), key, nearest }
    }

    /// Where the value of `key` is, or should be: if it is missing, in the table or list that it belongs to.
    fn origin_of(&self, key: &[String]) -> Origin {
        let place = |key: &[String]| origin(self.get(key)?);
        if let Some(name) = place(key).filter(|place| line_of(place).is_none()) {
            return Origin::Variable(name.to_owned());
        }
        let line = (1..=key.len()).rev().find_map(|length| line_of(place(key.get(..length)?)?));
        match &self.origin {
            Origin::File { file, .. } => Origin::File { file: file.clone(), line },
            other => other.clone(),
        }
    }

    fn get(&self, key: &[String]) -> Option<&Value> {
        key.iter().try_fold(&self.root, |value, part| match &value.kind {
            ValueKind::Table(table) => table.get(part),
            _ => None,
        })
    }
}

/// Values that override those of earlier layers.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ::config::ConfigError> {
        Ok(self.0.clone())
    }

    /// Keys are taken as they are: the crate would read a dot in one as a path.
    fn collect_to(&self, into: &mut Value) -> Result<(), ::config::ConfigError> {
        merge(self.collect()?, into);
        Ok(())
    }
}

/// Sets the values of a table that is in both one by one.
fn merge(values: Map<String, Value>, into: &mut Value) {
    if !matches!(into.kind, ValueKind::Table(_)) {
        *into = Value::new(None, Map::<String, Value>::new());
    }
    let ValueKind::Table(table) = &mut into.kind else { return };
    for (key, value) in values {
        match value.kind {
            ValueKind::Table(inner) => merge(inner, table.entry(key).or_default()),
            _ => {
                table.insert(key, value);
            }
        }
    }
}

/// The origin of a value. A table that several variables make has none: theirs counts.
fn origin(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(table) => table.values().find_map(origin),
        _ => None,
    })
}

/// The line that an origin is, if it is one.
fn line_of(origin: &str) -> Option<usize> {
    origin.parse().ok()
}

/// `value` in the tables of `key`.
fn nested(key: &[&str], value: Value) -> Map<String, Value> {
    let Some((first, rest)) = key.split_first() else { return Map::new() };
    let origin = value.origin().map(str::to_owned);
    let inner = if rest.is_empty() { value } else { Value::new(origin.as_ref(), nested(rest, value)) };
    Map::from_iter([((*first).to_owned(), inner)])
}

/// The values of a table. `line_at` gives the line of a byte.
fn table_of(table: DeTable<'_>, line_at: &dyn Fn(usize) -> usize) -> Map<String, Value> {
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
        DeValue::String(text) => ValueKind::String(text.into_owned()),
        // No key takes an integer of more than 64 bits, whatever its value.
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(ValueKind::I128(i128::MAX), ValueKind::I64),
        // TOML's floats are among Rust's.
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => ValueKind::Boolean(flag),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
        DeValue::Array(list) => ValueKind::Array(list_of(list, line_at)),
        DeValue::Table(table) => ValueKind::Table(table_of(table, line_at)),
    };
    Value::new(Some(&line.to_string()), kind)
}

/// The line of a byte of `text`, from 1.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// A TOML error without the lines of the file that it quotes, since they may contain a token.
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

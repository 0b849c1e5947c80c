//! The values of the file, overridden by those of the environment, with their origins.
//!
//! Errors of reading hold the kind of a value, never the value itself: it may be a secret.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::fmt;

use ::config::{Environment, FileFormat, Format, Map, Source, Value, ValueKind};
use serde::de::value::{MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_path_to_error::{Path, Segment};

use super::error::ConfigError;
use super::schema::keys;
use crate::suggest::{nearest_by, similarity};

const ENVIRONMENT_PREFIX: &str = "PROBEWATCH";
pub(super) const ENVIRONMENT: &str = "the environment";

/// The values as they stand in the file and the environment.
pub(super) struct Tree {
    /// The file, or without one the environment: the origin of missing values.
    origin: String,
    root: Value,
}

impl Tree {
    /// What the file of this name holds.
    ///
    /// # Errors
    /// [`ConfigError::File`] if it is no TOML.
    pub(super) fn parse(file: String, text: &str) -> Result<Self, ConfigError> {
        match FileFormat::Toml.parse(Some(&file), text) {
            Ok(table) => Ok(Self { root: table.into(), ..Self::empty(file) }),
            Err(error) => Err(ConfigError::File { file, problem: without_source_lines(error.as_ref()) }),
        }
    }

    pub(super) fn empty(origin: String) -> Self {
        Self { origin, root: Map::<String, Value>::new().into() }
    }

    /// Takes the variables whose names begin with `PROBEWATCH__`; empty ones count as missing.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if the variables cannot be read.
    pub(super) fn override_with(&mut self, variables: HashMap<String, String>) -> Result<(), ConfigError> {
        let environment = Environment::with_prefix(ENVIRONMENT_PREFIX)
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true)
            .source(Some(variables));
        environment.collect_to(&mut self.root).map_err(|_| ConfigError::Value {
            origin: ENVIRONMENT.to_owned(),
            key: ENVIRONMENT_PREFIX.to_owned(),
            problem: "cannot be read: expected names such as PROBEWATCH__DATA_DIR".to_owned(),
        })
    }

    /// Reads the tree as a `T`.
    ///
    /// # Errors
    /// [`ConfigError`] names the origin, the key and what was expected.
    pub(super) fn read<'de, T: Deserialize<'de>>(&self) -> Result<T, ConfigError> {
        let node = Node(self.root.clone());
        serde_path_to_error::deserialize(node).map_err(|error| {
            let (key, entry) = key_of(error.path());
            match error.into_inner() {
                Fault::UnknownKey => self.unknown(key),
                Fault::Value(problem) => match entry {
                    Some(entry) => self.wrong(&key, format!("(entry {entry}) {problem}")),
                    None => self.wrong(&key, problem),
                },
            }
        })
    }

    /// The error of a key whose value has a problem, such as `is 5: expected 1 to 3`.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::Value { origin: self.origin_of(key), key: key.to_owned(), problem: problem.into() }
    }

    fn unknown(&self, key: String) -> ConfigError {
        let keys: BTreeSet<String> = keys().into_iter().map(|key| key.name).collect();
        let tables: BTreeSet<String> =
            keys.iter().filter_map(|key| Some(key.rsplit_once('.')?.0.to_owned())).collect();
        let candidates = if matches!(self.get(&key).map(|value| &value.kind), Some(ValueKind::Table(_))) {
            tables
        } else {
            keys
        };
        let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        // The last part alone finds a key that stands in the wrong table.
        let likeness = |known: &str| {
            let whole = similarity(known, &key);
            whole.max(similarity(&leaf(known), &leaf(&key))) + whole / 1000.0
        };
        let nearest = nearest_by(candidates.iter().map(String::as_str), likeness).map(str::to_owned);
        ConfigError::UnknownKey { origin: self.origin_of(&key), key, nearest }
    }

    /// Where the value of `key` comes from, or should come from.
    fn origin_of(&self, key: &str) -> String {
        let is_from_environment = self.get(key).is_some_and(is_from_environment);
        if is_from_environment { ENVIRONMENT.to_owned() } else { self.origin.clone() }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.root, |value, part| match &value.kind {
            ValueKind::Table(table) => table.get(part),
            _ => None,
        })
    }
}

/// Whether nothing of the value stands in the file.
fn is_from_environment(value: &Value) -> bool {
    match &value.kind {
        ValueKind::Table(table) => !table.is_empty() && table.values().all(is_from_environment),
        _ => value.origin() == Some(ENVIRONMENT),
    }
}

/// A TOML error without the lines of the file that it quotes, since a token may stand there.
fn without_source_lines(error: &dyn Error) -> String {
    let is_quoted = |line: &&str| {
        line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
    };
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().filter(|line| !is_quoted(line)).map(str::trim).collect();
    lines.join(": ").trim_start_matches("TOML parse error at ").to_owned()
}

/// The key at a path, and if it goes through a list, the number of the entry there, from 1.
fn key_of(path: &Path) -> (String, Option<usize>) {
    let is_bare = |key: &str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let mut entry = None;
    let mut names = Vec::new();
    for segment in path {
        match segment {
            Segment::Map { key } if is_bare(key) => names.push(key.clone()),
            Segment::Map { key } => names.push(format!("{key:?}")),
            Segment::Seq { index } => entry = entry.or(Some(index + 1)),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    (names.join("."), entry)
}

/// Why a value cannot be read.
#[derive(Debug)]
enum Fault {
    UnknownKey,
    /// The problem, as the predicate of a sentence.
    Value(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey => f.write_str("unknown key"),
            Self::Value(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::Value(problem.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Signed(_) | Unexpected::Unsigned(_) => "an integer",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Str(_) => "a string",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            Unexpected::Other(kind) => kind,
            _ => "something else",
        };
        Self::Value(format!("is {found}: expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let expected: Vec<String> = expected.iter().map(|value| format!("{value:?}")).collect();
        let expected = match expected.as_slice() {
            [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => expected.join(""),
        };
        Self::Value(format!("is {found:?}: expected {expected}"))
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownKey
    }
}

/// A value that is read with [`Fault`] as its error.
struct Node(Value);

impl<'de> Deserializer<'de> for Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_string(text),
            ValueKind::I64(number) => visitor.visit_i64(number),
            ValueKind::U64(number) => visitor.visit_u64(number),
            ValueKind::Float(number) => visitor.visit_f64(number),
            ValueKind::Boolean(flag) => visitor.visit_bool(flag),
            ValueKind::Array(entries) => {
                visitor.visit_seq(SeqDeserializer::new(entries.into_iter().map(Node)))
            }
            ValueKind::Table(table) => visitor
                .visit_map(MapDeserializer::new(table.into_iter().map(|(key, value)| (key, Node(value))))),
            // TOML has none of these.
            ValueKind::Nil | ValueKind::I128(_) | ValueKind::U128(_) => {
                Err(de::Error::invalid_type(Unexpected::Other("something else"), &visitor))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0.kind {
            ValueKind::String(text) => visitor.visit_enum(StringDeserializer::new(text)),
            // The enum refuses other types.
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl IntoDeserializer<'_, Fault> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

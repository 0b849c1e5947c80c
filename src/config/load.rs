//! Reads the file and the environment. No error quotes a line of the file, or the value of a variable that is no
//! text: it may be the token.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use config::{ConfigError as ReadError, Environment, FileFormat, Value};

use super::raw::Raw;
use super::validate::Validator;
use super::{Config, ConfigError};

const ENVIRONMENT_PREFIX: &str = "PROBEWATCH";
pub(super) const ENVIRONMENT: &str = "the environment";

/// The variable in which systemd names the folder of a service's credentials (systemd.exec(5)).
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The configuration in `file` with these variables of the environment over it.
pub(super) fn load_from(
    file: Option<&Path>,
    environment: HashMap<String, String>,
) -> Result<Config, ConfigError> {
    let place = file.map_or(ENVIRONMENT.to_owned(), |path| path.display().to_string());
    let mut sources = ::config::Config::builder();
    if let Some(path) = file {
        let text = fs::read_to_string(path).map_err(|error| not_read(place.clone(), &error))?;
        sources = sources.add_source(NamedText { name: place.clone(), text });
    }
    let credentials = environment.get(CREDENTIALS).map(PathBuf::from);
    let environment = Environment::with_prefix(ENVIRONMENT_PREFIX)
        .prefix_separator("__")
        .separator("__")
        .ignore_empty(true)
        .source(Some(environment));
    let read = sources.add_source(environment).build().map_err(|error| read_error(&place, &error))?;
    let checks = Validator { root: read.cache.clone(), place, credentials };
    checks.keys_are_known()?;
    let raw: Raw = read.try_deserialize().map_err(|error| read_error(&checks.place, &error))?;
    checks.into_config(raw)
}

/// The variables of this process that are text. The config crate would print one that is not, and it
/// may be the token.
pub(super) fn environment() -> Result<HashMap<String, String>, ConfigError> {
    let mut variables = HashMap::new();
    for (name, value) in env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(_) if name.starts_with(ENVIRONMENT_PREFIX) => {
                let why = "is not UTF-8: expected a text".to_owned();
                return Err(ConfigError::Value { place: ENVIRONMENT.to_owned(), key: name, why });
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// A file's text as a source whose values name the file as their origin.
#[derive(Debug, Clone)]
struct NamedText {
    name: String,
    text: String,
}

impl ::config::Source for NamedText {
    fn clone_into_box(&self) -> Box<dyn ::config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<::config::Map<String, Value>, ReadError> {
        use ::config::Format;
        FileFormat::Toml
            .parse(Some(&self.name), &self.text)
            .map_err(|cause| ReadError::FileParse { uri: Some(self.name.clone()), cause })
    }
}

fn not_read(file: String, error: &io::Error) -> ConfigError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ConfigError::NotPermitted { file },
        _ => ConfigError::File { file, why: error.to_string() },
    }
}

fn read_error(place: &str, error: &ReadError) -> ConfigError {
    match error {
        ReadError::FileParse { uri, cause } => {
            let file = uri.clone().unwrap_or_else(|| place.to_owned());
            ConfigError::File { file, why: without_source_lines(&cause.to_string()) }
        }
        ReadError::Type { origin, unexpected, expected, key } => ConfigError::Value {
            place: origin.clone().unwrap_or_else(|| place.to_owned()),
            key: key.clone().unwrap_or_default(),
            why: format!("is {unexpected}: expected {expected}"),
        },
        ReadError::At { error, origin, key } => {
            let inner = read_error(origin.as_deref().unwrap_or(place), error);
            match (inner, key) {
                (ConfigError::Value { place, key: inner_key, why }, Some(key)) if inner_key.is_empty() => {
                    ConfigError::Value { place, key: key.clone(), why }
                }
                (inner, _) => inner,
            }
        }
        other => ConfigError::Value {
            place: place.to_owned(),
            key: String::new(),
            why: format!("does not fit: {other}"),
        },
    }
}

/// A TOML error without the lines of the file that it quotes, since a token may stand there.
fn without_source_lines(message: &str) -> String {
    let is_quoted = |line: &&str| {
        line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().starts_with('|')
    };
    message.lines().filter(|line| !is_quoted(line)).map(str::trim).collect::<Vec<_>>().join(": ")
}

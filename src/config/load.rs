//! Reads the file and the environment.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::model::{Config, Secret};
use super::schema::Root;
use super::tree::Tree;
use super::validate::validate;

/// Read if no file is named and this one exists.
pub const SYSTEM_FILE: &str = "/etc/probewatch/config.toml";

/// The variable in which systemd names the folder of a service's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The variable that sets `telegram.token`.
const TOKEN: &str = "PROBEWATCH__TELEGRAM__TOKEN";

/// The variable that names the time zone (tzset(3)).
const TIME_ZONE: &str = "TZ";

/// The text of a configuration file.
#[derive(Debug, Clone, Copy)]
pub struct FileText<'a> {
    /// The file, for messages.
    pub path: &'a Path,
    /// What it holds.
    pub text: &'a str,
}

impl Config {
    /// The defaults, without a file and the environment.
    ///
    /// # Errors
    /// None: the defaults are valid.
    pub fn built_in() -> Result<Self, ConfigError> {
        validate(Root::default(), &Tree::empty(), None, env::var(TIME_ZONE).ok().as_deref())
    }

    /// Reads `file`, or else [`SYSTEM_FILE`] if it exists, and the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the key and what was expected.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        load_from(file.or(system_file()), environment()?)
    }

    /// The configuration in a text that need not be on disk, with the environment over it. With a `token`, that one
    /// counts in place of the configured one, and no file with a token is read.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of_text(file: Option<FileText<'_>>, token: Option<&Secret>) -> Result<Self, ConfigError> {
        let mut environment = environment()?;
        if let Some(token) = token {
            environment.insert(TOKEN.to_owned(), token.reveal().to_owned());
        }
        let tree = match file {
            Some(FileText { path, text }) => Tree::parse(path.display().to_string(), text)?,
            None => Tree::empty(),
        };
        configuration(tree, environment)
    }

    /// As [`Self::load`], with the credentials in `folder` unless systemd gives this process some: as the service
    /// has them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_credentials(file: Option<&Path>, folder: &Path) -> Result<Self, ConfigError> {
        let mut environment = environment()?;
        environment.entry(CREDENTIALS.to_owned()).or_insert_with(|| folder.display().to_string());
        load_from(file.or(system_file()), environment)
    }
}

fn system_file() -> Option<&'static Path> {
    Some(Path::new(SYSTEM_FILE)).filter(|file| file.exists())
}

/// The configuration in `file` with these variables of the environment over it.
pub(super) fn load_from(
    file: Option<&Path>,
    environment: HashMap<String, String>,
) -> Result<Config, ConfigError> {
    let tree = match file {
        Some(path) => {
            let file = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| not_read(file.clone(), &error))?;
            Tree::parse(file, &text)?
        }
        None => Tree::empty(),
    };
    configuration(tree, environment)
}

fn configuration(mut tree: Tree, environment: HashMap<String, String>) -> Result<Config, ConfigError> {
    let credentials = environment.get(CREDENTIALS).map(PathBuf::from);
    let time_zone = environment.get(TIME_ZONE).cloned();
    tree.override_with(environment);
    validate(tree.read()?, &tree, credentials.as_deref(), time_zone.as_deref())
}

/// The variables of this process. One of ours that is not UTF-8 is an error; its value may be the token and is not
/// shown.
fn environment() -> Result<HashMap<String, String>, ConfigError> {
    let mut variables = HashMap::new();
    for (name, value) in env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(_) if name.starts_with("PROBEWATCH") => return Err(ConfigError::NotUtf8(name)),
            Err(_) => {}
        }
    }
    Ok(variables)
}

fn not_read(file: String, error: &io::Error) -> ConfigError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => ConfigError::NotPermitted { file },
        _ => ConfigError::File { file, problem: error.to_string() },
    }
}

//! What can be wrong with the configuration.

use std::fmt;

/// Where a key is, or should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// The file.
        file: String,
        /// The line, from 1, if the key is there.
        line: Option<usize>,
    },
    /// In this environment variable.
    Variable(String),
    /// In the environment: no file was read.
    Environment,
}

impl Origin {
    fn correction(&self) -> String {
        match self {
            Self::File { line: Some(line), .. } => format!("correct line {line}"),
            Self::File { line: None, .. } => "correct this file".to_owned(),
            Self::Variable(name) => format!("correct or unset {name}"),
            Self::Environment => "set it in a file, or in the environment".to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: Some(line) } => write!(f, "{file}, line {line}"),
            Self::File { file, line: None } => f.write_str(file),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Environment => f.write_str("the environment"),
        }
    }
}

/// Why the configuration cannot be used. No message holds a secret, or a line of the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or is no TOML.
    #[error("could not read the configuration {file}: {problem}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, and in which line.
        problem: String,
    },
    /// This user may not read the file.
    #[error("could not read the configuration {file}: permission denied")]
    NotPermitted {
        /// The file.
        file: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key `{key}`")]
    UnknownKey {
        /// Where the key is.
        origin: Origin,
        /// The key.
        key: String,
        /// The most similar key that exists.
        nearest: Option<String>,
    },
    /// A value that does not fit its key.
    #[error("{origin}: `{key}` {problem}")]
    Value {
        /// Where the value is, or should be.
        origin: Origin,
        /// The key.
        key: String,
        /// What was found, unless that may be a secret, and what was expected.
        problem: String,
    },
    /// An environment variable that is not text.
    #[error("{}: it is not UTF-8", Origin::Variable(.0.clone()))]
    NotUtf8(String),
}

impl ConfigError {
    /// What to correct, and where.
    pub fn remedy(&self) -> String {
        let correction = match self {
            Self::UnknownKey { origin, .. } | Self::Value { origin, .. } => origin.correction(),
            Self::NotUtf8(name) => Origin::Variable(name.clone()).correction(),
            Self::File { .. } => "correct the file, or name another with --config".to_owned(),
            Self::NotPermitted { .. } => {
                return "run this command with sudo (or name a file that this user may read)".to_owned();
            }
        };
        match self {
            Self::UnknownKey { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`? ({correction})")
            }
            Self::UnknownKey { nearest: None, .. } => {
                format!("{correction}; docs/configuration.md and config.example.toml list every key")
            }
            _ => format!("{correction}; docs/configuration.md describes every key"),
        }
    }
}

//! What can be wrong with the configuration.

use std::borrow::Cow;
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
    /// What the reader can do about it, where the error does not say so itself.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NotPermitted { .. } => Some("run this command with sudo".into()),
            Self::UnknownKey { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?").into())
            }
            Self::File { .. }
            | Self::UnknownKey { nearest: None, .. }
            | Self::Value { .. }
            | Self::NotUtf8(_) => None,
        }
    }
}

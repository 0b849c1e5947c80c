//! What can be wrong with the configuration.

use std::borrow::Cow;

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
        /// The file or the environment.
        origin: String,
        /// The key as it stands there.
        key: String,
        /// The most similar key that exists.
        nearest: Option<String>,
    },
    /// A value that does not fit its key.
    #[error("{origin}: `{key}` {problem}")]
    Value {
        /// The file or the environment.
        origin: String,
        /// The key.
        key: String,
        /// What was found, unless that may be a secret, and what was expected.
        problem: String,
    },
}

impl ConfigError {
    /// What the reader can do about it, where the error does not say so itself.
    pub fn remedy(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::NotPermitted { .. } => Some("run this command with sudo".into()),
            Self::UnknownKey { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?").into())
            }
            Self::File { .. } | Self::UnknownKey { nearest: None, .. } | Self::Value { .. } => None,
        }
    }
}

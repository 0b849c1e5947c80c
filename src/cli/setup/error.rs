//! Why setup ends before it is done.

use std::io;

use super::files::FileError;
use super::record;
use crate::config::{ConfigError, EditError};

#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum SetupError {
    #[error("setup changes files of the system, which only root may: nothing was changed")]
    NotRoot,
    #[error("setup asks its questions on a terminal, and there is none: nothing was changed")]
    NoTerminal {
        /// The flags that answer what has no answer yet.
        missing: Vec<&'static str>,
    },
    #[error("the bot's token is missing: nothing was changed")]
    MissingToken,
    #[error("the input ended before the question was answered: what was not done yet is left undone")]
    InputEnded,
    #[error("interrupted")]
    Interrupted,
    #[error("another setup is running")]
    Locked,
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{file}: {error}")]
    Edit { file: &'static str, error: EditError },
    #[error("{file} is no text in UTF-8")]
    NotText { file: &'static str },
    #[error("the record of earlier changes, {}, cannot be used: {problem}", record::PATH)]
    Record { problem: String },
    #[error("could not list the Wi-Fi adapters: {0}")]
    Adapters(io::Error),
    #[error("no Wi-Fi adapter was found")]
    NoAdapter,
    #[error("none of the Wi-Fi adapters can be used")]
    NoUsableAdapter,
    #[error("there is no Wi-Fi adapter {wanted}; there is {known}")]
    UnknownAdapter { wanted: String, known: String },
    #[error("{name} cannot be used: {problem}")]
    UnusableAdapter { name: String, problem: String },
    #[error("{origin} holds no bot token: expected digits, a colon, and the key that @BotFather gave")]
    NoToken { origin: String },
    #[error("could not read the token from {origin}: {error}")]
    UnreadToken { origin: String, error: io::Error },
    #[error("the configuration has another token (`{key}`), which takes precedence")]
    OtherToken { key: &'static str },
    #[error("{problem}")]
    Unchecked { problem: String, remedy: String },
    #[error("the time zone {0}")]
    TimeZone(String),
    #[error("{problem}")]
    Service { problem: String, remedy: &'static str },
    #[error("could not use the terminal: {0}")]
    Terminal(io::Error),
}

impl SetupError {
    pub(in crate::cli) fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NotRoot => {
                "run sudo probewatch setup; --dry-run shows without root what it would do".to_owned()
            }
            Self::NoTerminal { missing } => {
                format!("give the answers as flags: probewatch setup {}", missing.join(" "))
            }
            Self::MissingToken => {
                "give it with --token-file FILE, or --token-file - for standard input".to_owned()
            }
            Self::InputEnded | Self::Interrupted => {
                "run setup again, which goes on where it stopped, or setup --undo".to_owned()
            }
            Self::Locked => "wait until it has ended".to_owned(),
            Self::File(error) => error.remedy().to_owned(),
            Self::Config(ConfigError::File { .. }) => {
                "correct it, or move it away; docs/configuration.md describes every key".to_owned()
            }
            Self::Config(error) => error.remedy(),
            Self::Edit { error, .. } => error.remedy().to_owned(),
            Self::NotText { .. } => "save it as UTF-8, or move it away".to_owned(),
            Self::Record { .. } => {
                "move it away if you can do without --undo for what was changed until now".to_owned()
            }
            Self::NoAdapter => "plug one in and run setup again; README.md says which ones serve".to_owned(),
            Self::NoUsableAdapter => {
                "the list above says why; README.md says which adapters serve".to_owned()
            }
            Self::UnknownAdapter { .. } => "name one of these, or its address".to_owned(),
            Self::NoToken { .. } => "put the token there, and nothing else".to_owned(),
            Self::OtherToken { .. } => "remove that key, and run setup again".to_owned(),
            Self::Unchecked { remedy, .. } => remedy.clone(),
            Self::TimeZone(_) => "timedatectl list-timezones lists the names".to_owned(),
            Self::Service { remedy, .. } => (*remedy).to_owned(),
            Self::UnreadToken { .. } => "name a file with the token and nothing else".to_owned(),
            Self::Adapters(_) | Self::UnusableAdapter { .. } | Self::Terminal(_) => {
                return None;
            }
        })
    }
}

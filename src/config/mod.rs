//! The configuration: a TOML file and the environment, read once into types that cannot be wrong.
//!
//! An environment variable overrides the file: `PROBEWATCH__TELEGRAM__TOKEN` is `telegram.token`. Every
//! key stands with its default in `config.example.toml`; a key that does not exist is an error, and so is
//! a value that does not fit. No secret is ever part of a message.

mod load;
mod quiet_hours;
mod raw;
mod sources;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use config::{Value, ValueKind};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::capture::{self, monitor};
use crate::dot11::MacAddr;
use crate::event::ChatId;
use crate::event_log::Rotation;
use crate::recorder::Retention;
pub use quiet_hours::QuietHours;
use raw::Raw;
use validate::Validator;

/// Read where no file is named and this one exists.
pub const SYSTEM_FILE: &str = "/etc/probewatch/config.toml";

const DEVICES: &str = "devices";

/// What is wrong with the configuration, in a sentence that names the file, the key and what it wants.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read or is no TOML.
    #[error("could not read the configuration {file}: {why}")]
    File {
        /// The file.
        file: String,
        /// What is wrong, and where.
        why: String,
    },
    /// This user may not read the file.
    #[error("could not read the configuration {file}: this user may not; run this command with sudo")]
    NotPermitted {
        /// The file.
        file: String,
    },
    /// A key that does not exist.
    #[error("{place}: there is no key `{key}`{nearest}")]
    UnknownKey {
        /// The file or the environment.
        place: String,
        /// The key as it stands there.
        key: String,
        /// The known key that is nearest to it, in words.
        nearest: String,
    },
    /// A value that does not fit its key.
    #[error("{place}: `{key}` {why}")]
    Value {
        /// The file or the environment.
        place: String,
        /// The key.
        key: String,
        /// What was expected, and what was found where that is no secret.
        why: String,
    },
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, to be sent to where it belongs and nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// All that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the log and the state lie.
    pub data_dir: PathBuf,
    /// The zone in which times are shown.
    pub time_zone: Tz,
    /// Where frames come from.
    pub capture: Capture,
    /// The bot, where there is a token.
    pub telegram: Option<Telegram>,
    /// How long the same device and network alert only once.
    pub alert_cooldown: Duration,
    /// How long an alert waits for Telegram before it is only counted.
    pub alert_keep: Duration,
    /// How long a followed device must be silent to have left.
    pub follow_silence: Duration,
    /// How long a probe may wait for its fsync.
    pub fsync_interval: Duration,
    /// How often the state goes to sled.
    pub checkpoint_interval: Duration,
    /// When a segment of the log is sealed.
    pub rotation: Rotation,
    /// How long what was heard is kept.
    pub retention: Retention,
    /// Where health and metrics are served, where they are.
    pub monitoring: Option<SocketAddr>,
    /// Files of other programs that give names to addresses.
    pub name_files: Vec<PathBuf>,
    /// Names of addresses; `None` where the configuration has no such table.
    pub devices: Option<BTreeMap<MacAddr, String>>,
}

/// What is captured, and how.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Where frames come from.
    pub sources: Vec<Source>,
    /// The bytes of a frame that are captured.
    pub snaplen: u32,
    /// The kernel's buffer for a live interface.
    pub buffer_bytes: u32,
}

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The interface, the file, or whatever it is.
    pub origin: capture::Source,
    /// The name under which its probes are recorded.
    pub name: String,
    /// How an interface is put into monitor mode; none is where this is missing.
    pub monitor: Option<monitor::Settings>,
}

/// The bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    /// The bot's token, as @BotFather gave it.
    pub token: Secret,
    /// The chats whose persons own the bot: they let others in and remove them.
    pub owners: Vec<ChatId>,
    /// The chats that are served, the owners' among them.
    pub chats: Vec<ChatId>,
    /// The Bot API server.
    pub api_url: Url,
    /// How updates arrive.
    pub updates: Updates,
    /// When alerts go out.
    pub delivery: Delivery,
}

/// When alerts go out.
#[derive(Debug, Clone, Copy)]
pub struct Delivery {
    /// How long alerts are gathered once a few came by themselves; zero sends each by itself.
    pub gather: Duration,
    /// The hours in which they wait.
    pub quiet: Option<QuietHours>,
    /// How long a source of frames may give none before that is told; `None`: for ever.
    pub silence: Option<Duration>,
}

/// How updates arrive.
#[derive(Debug, Clone)]
pub enum Updates {
    /// The bot asks for them.
    Polling,
    /// Telegram posts them.
    Webhook(Webhook),
}

/// Where Telegram posts to.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The public address to which Telegram posts; the bot adds an unguessable path.
    pub url: Url,
    /// Who serves the TLS that Telegram asks for.
    pub tls: Tls,
    /// Where the bot listens.
    pub listen: SocketAddr,
    /// What each post must carry; made at each start where it is not given.
    pub secret_token: Option<Secret>,
}

/// Who serves TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tls {
    /// A reverse proxy or tunnel in front of the bot.
    Off,
    /// The bot, with a certificate that it makes itself and gives to Telegram.
    SelfSigned,
}

fn system_file() -> Option<&'static Path> {
    Some(Path::new(SYSTEM_FILE)).filter(|file| file.exists())
}

impl Config {
    /// The defaults, without any file and whatever the environment says.
    ///
    /// # Errors
    /// None: the defaults fit.
    pub fn built_in() -> Result<Self, ConfigError> {
        let checks = Validator {
            root: Value::new(None, ValueKind::Nil),
            place: "the defaults".to_owned(),
            credentials: None,
        };
        checks.into_config(Raw::default())
    }

    /// Reads `file`, or else [`SYSTEM_FILE`] where it exists, and the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the key and what was expected.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        load::load_from(file.or(system_file()), load::environment()?)
    }

    /// As [`Self::load`], with the credentials in `folder` where systemd gives this process none of its own: as the
    /// service has them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_credentials(file: Option<&Path>, folder: &Path) -> Result<Self, ConfigError> {
        let mut environment = load::environment()?;
        environment.entry(load::CREDENTIALS.to_owned()).or_insert_with(|| folder.display().to_string());
        load::load_from(file.or(system_file()), environment)
    }
}

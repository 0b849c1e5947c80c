//! The configuration: a TOML file and the environment, read once into types that cannot be wrong.
//!
//! An environment variable overrides the file: `PROBEWATCH__TELEGRAM__TOKEN` is `telegram.token`. Every
//! key stands with its default in `config.example.toml`; a key that does not exist is an error, and so is
//! a value that does not fit. No secret is ever part of a message.

mod checks;
mod quiet;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use config::{ConfigError as ReadError, Environment, FileFormat, Value, ValueKind};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use url::Url;

use crate::dot11::MacAddr;
use crate::event::ChatId;
use crate::event_log::Rotation;
use checks::Checks;
pub use quiet::QuietHours;

/// Read where no file is named and this one exists.
pub const SYSTEM_FILE: &str = "/etc/probewatch/config.toml";

const ENVIRONMENT_PREFIX: &str = "PROBEWATCH";
const ENVIRONMENT: &str = "the environment";
const DEVICES: &str = "devices";

/// Every key that the configuration has, and what its value is.
const KEYS: [(&str, Kind); 29] = [
    ("data_dir", Kind::Text),
    ("time_zone", Kind::Text),
    ("capture.sources", Kind::Texts),
    ("capture.snaplen", Kind::Number),
    ("capture.buffer_mebibytes", Kind::Number),
    ("telegram.token", Kind::Text),
    ("telegram.token_file", Kind::Text),
    ("telegram.owners", Kind::Numbers),
    ("telegram.chats", Kind::Numbers),
    ("telegram.mode", Kind::Text),
    ("telegram.api_url", Kind::Text),
    ("telegram.webhook.url", Kind::Text),
    ("telegram.webhook.listen", Kind::Text),
    ("telegram.webhook.secret_token", Kind::Text),
    ("alerts.cooldown_seconds", Kind::Number),
    ("alerts.keep_hours", Kind::Number),
    ("alerts.gather_seconds", Kind::Number),
    ("alerts.quiet", Kind::Text),
    ("alerts.follow_minutes", Kind::Number),
    ("alerts.silence_minutes", Kind::Number),
    ("record.fsync_milliseconds", Kind::Number),
    ("record.checkpoint_seconds", Kind::Number),
    ("record.segment_mebibytes", Kind::Number),
    ("record.segment_hours", Kind::Number),
    ("retention.log_days", Kind::Number),
    ("retention.log_mebibytes", Kind::Number),
    ("retention.random_address_days", Kind::Number),
    ("names.import", Kind::Texts),
    (DEVICES, Kind::Names),
];

/// What a value is. The config crate alone would take `true` for 1 and 2.5 for 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    Number,
    Numbers,
    /// A table from addresses to names.
    Names,
}

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
    /// Files of other programs that give names to addresses.
    pub name_files: Vec<PathBuf>,
    /// Names of addresses; `None` where the configuration has no such table.
    pub devices: Option<BTreeMap<MacAddr, String>>,
}

/// Where frames come from.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Interfaces, capture files, or `-` for standard input.
    pub sources: Vec<String>,
    /// The bytes of a frame that are captured.
    pub snaplen: u32,
    /// The kernel's buffer for a live interface.
    pub buffer_bytes: u32,
}

/// How long what was heard is kept; for good where that is not said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// How long an event stays in the log.
    pub log_age: Option<Duration>,
    /// How large the log may become, in bytes.
    pub log_bytes: Option<u64>,
    /// How long a random address that has no name stays in the state after its last probe.
    pub random_addresses: Option<Duration>,
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

/// A webhook behind a reverse proxy or tunnel.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The public address to which Telegram posts; the bot adds an unguessable path.
    pub url: Url,
    /// Where the bot listens.
    pub listen: SocketAddr,
    /// What each post must carry; made at each start where it is not given.
    pub secret_token: Option<Secret>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct Raw {
    data_dir: PathBuf,
    time_zone: Option<String>,
    capture: RawCapture,
    telegram: RawTelegram,
    alerts: RawAlerts,
    record: RawRecord,
    retention: RawRetention,
    names: RawNames,
    devices: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawCapture {
    sources: List<String>,
    snaplen: i64,
    buffer_mebibytes: i64,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawTelegram {
    token: Option<String>,
    token_file: Option<PathBuf>,
    owners: List<i64>,
    chats: List<i64>,
    mode: String,
    api_url: String,
    webhook: RawWebhook,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawWebhook {
    url: Option<String>,
    listen: String,
    secret_token: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawAlerts {
    cooldown_seconds: i64,
    keep_hours: i64,
    gather_seconds: i64,
    quiet: Option<String>,
    follow_minutes: i64,
    silence_minutes: i64,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawRecord {
    fsync_milliseconds: i64,
    checkpoint_seconds: i64,
    segment_mebibytes: i64,
    segment_hours: i64,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawNames {
    import: List<String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawRetention {
    log_days: i64,
    log_mebibytes: i64,
    random_address_days: i64,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/probewatch"),
            time_zone: None,
            capture: RawCapture::default(),
            telegram: RawTelegram::default(),
            alerts: RawAlerts::default(),
            record: RawRecord::default(),
            retention: RawRetention::default(),
            names: RawNames::default(),
            devices: BTreeMap::new(),
        }
    }
}

impl Default for RawCapture {
    fn default() -> Self {
        Self { sources: List(Vec::new()), snaplen: 2304, buffer_mebibytes: 4 }
    }
}

impl Default for RawTelegram {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            owners: List(Vec::new()),
            chats: List(Vec::new()),
            mode: "polling".to_owned(),
            api_url: "https://api.telegram.org".to_owned(),
            webhook: RawWebhook::default(),
        }
    }
}

impl Default for RawWebhook {
    fn default() -> Self {
        Self { url: None, listen: "127.0.0.1:8080".to_owned(), secret_token: None }
    }
}

impl Default for RawAlerts {
    fn default() -> Self {
        Self {
            cooldown_seconds: 600,
            keep_hours: 24,
            gather_seconds: 60,
            quiet: None,
            follow_minutes: 15,
            silence_minutes: 10,
        }
    }
}

impl Default for RawRecord {
    fn default() -> Self {
        Self { fsync_milliseconds: 1000, checkpoint_seconds: 10, segment_mebibytes: 64, segment_hours: 24 }
    }
}

impl Default for RawNames {
    fn default() -> Self {
        Self { import: List(Vec::new()) }
    }
}

impl Default for RawRetention {
    fn default() -> Self {
        Self { log_days: 365, log_mebibytes: 4096, random_address_days: 90 }
    }
}

/// A TOML list, or a text with commas as an environment variable can give it.
struct List<T>(Vec<T>);

impl<'de, T> Deserialize<'de> for List<T>
where
    T: Deserialize<'de> + std::str::FromStr,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de> + std::str::FromStr> Visitor<'de> for ListVisitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<List<T>, E> {
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| item.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(item), &self)))
                    .collect::<Result<_, E>>()
                    .map(List)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<List<T>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
    }
}

impl Config {
    /// The defaults, without any file and whatever the environment says.
    ///
    /// # Errors
    /// None: the defaults fit.
    pub fn built_in() -> Result<Self, ConfigError> {
        let checks = Checks {
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
        let system = Path::new(SYSTEM_FILE);
        Self::load_from(file.or_else(|| system.exists().then_some(system)), environment()?)
    }

    fn load_from(file: Option<&Path>, environment: HashMap<String, String>) -> Result<Self, ConfigError> {
        let place = file.map_or(ENVIRONMENT.to_owned(), |path| path.display().to_string());
        let mut sources = ::config::Config::builder();
        if let Some(path) = file {
            let text = fs::read_to_string(path)
                .map_err(|error| ConfigError::File { file: place.clone(), why: error.to_string() })?;
            sources = sources.add_source(NamedText { name: place.clone(), text });
        }
        let credentials = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let environment = Environment::with_prefix(ENVIRONMENT_PREFIX)
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true)
            .source(Some(environment));
        let read = sources.add_source(environment).build().map_err(|error| read_error(&place, &error))?;
        let checks = Checks { root: read.cache.clone(), place, credentials };
        checks.keys_are_known()?;
        let raw: Raw = read.try_deserialize().map_err(|error| read_error(&checks.place, &error))?;
        checks.into_config(raw)
    }
}

/// The variables of this process that are text. The config crate would print one that is not, and it
/// may be the token.
fn environment() -> Result<HashMap<String, String>, ConfigError> {
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

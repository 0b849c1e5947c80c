//! The configuration: a TOML file and the environment, read once into types that cannot be wrong.
//!
//! An environment variable overrides the file: `PROBEWATCH__TELEGRAM__TOKEN` is `telegram.token`. Every
//! key stands with its default in `config.example.toml`; a key that does not exist is an error, and so is
//! a value that does not fit. No secret is ever part of a message.

use std::collections::BTreeMap;
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
use crate::state::check_name;

/// Read where no file is named and this one exists.
pub const SYSTEM_FILE: &str = "/etc/probewatch/config.toml";

const ENVIRONMENT_PREFIX: &str = "PROBEWATCH";
const ENVIRONMENT: &str = "the environment";
const TOKEN_CREDENTIAL: &str = "telegram-token";
const DEVICES: &str = "devices";

/// Every key that the configuration has.
pub const KEYS: [&str; 18] = [
    "data_dir",
    "time_zone",
    "capture.sources",
    "capture.snaplen",
    "capture.buffer_mebibytes",
    "telegram.token",
    "telegram.token_file",
    "telegram.chats",
    "telegram.mode",
    "telegram.api_url",
    "telegram.webhook.url",
    "telegram.webhook.listen",
    "telegram.webhook.secret_token",
    "alerts.cooldown_seconds",
    "record.fsync_milliseconds",
    "record.checkpoint_seconds",
    "record.segment_mebibytes",
    DEVICES,
];

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
    /// How long a probe may wait for its fsync.
    pub fsync_interval: Duration,
    /// How often the state goes to sled.
    pub checkpoint_interval: Duration,
    /// The size at which a segment of the log is sealed.
    pub segment_bytes: u64,
    /// Names of addresses; `None` where no configuration was given at all.
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

/// The bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    /// The bot's token, as @BotFather gave it.
    pub token: Secret,
    /// The chats that are served.
    pub chats: Vec<ChatId>,
    /// The Bot API server.
    pub api_url: Url,
    /// How updates arrive.
    pub updates: Updates,
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
    devices: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawCapture {
    sources: List<String>,
    snaplen: u32,
    buffer_mebibytes: u32,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawTelegram {
    token: Option<String>,
    token_file: Option<PathBuf>,
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
    cooldown_seconds: u64,
}

#[derive(serde::Deserialize)]
#[serde(default)]
struct RawRecord {
    fsync_milliseconds: u64,
    checkpoint_seconds: u64,
    segment_mebibytes: u64,
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
        Self { cooldown_seconds: 600 }
    }
}

impl Default for RawRecord {
    fn default() -> Self {
        Self { fsync_milliseconds: 1000, checkpoint_seconds: 10, segment_mebibytes: 64 }
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
        let checks = Checks { root: Value::new(None, ValueKind::Nil), place: "the defaults".to_owned() };
        checks.into_config(Raw::default(), false)
    }

    /// Reads `file`, or else [`SYSTEM_FILE`] where it exists, and the environment over it.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the key and what was expected.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let system = Path::new(SYSTEM_FILE);
        let file = file.or_else(|| system.exists().then_some(system));
        let mut sources = ::config::Config::builder();
        if let Some(path) = file {
            let text = fs::read_to_string(path).map_err(|error| ConfigError::File {
                file: path.display().to_string(),
                why: error.to_string(),
            })?;
            sources = sources.add_source(NamedText { name: path.display().to_string(), text });
        }
        let environment = Environment::with_prefix(ENVIRONMENT_PREFIX)
            .prefix_separator("__")
            .separator("__")
            .ignore_empty(true);
        let place = file.map_or(ENVIRONMENT.to_owned(), |path| path.display().to_string());
        let read = sources.add_source(environment).build().map_err(|error| read_error(&place, &error))?;
        let checks = Checks { root: read.cache.clone(), place };
        checks.keys_are_known()?;
        let raw: Raw = read.try_deserialize().map_err(|error| read_error(&checks.place, &error))?;
        checks.into_config(raw, file.is_some())
    }
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

/// The checks that types alone cannot make, with what they need to name the place of an error.
struct Checks {
    root: Value,
    /// The file, or the environment where there is none: the place of values that are missing.
    place: String,
}

impl Checks {
    fn keys_are_known(&self) -> Result<(), ConfigError> {
        self.table_is_known("", &self.root)
    }

    fn table_is_known(&self, prefix: &str, value: &Value) -> Result<(), ConfigError> {
        let ValueKind::Table(table) = &value.kind else { return Ok(()) };
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let is_table = matches!(value.kind, ValueKind::Table(_));
            let has_keys_below = KEYS.iter().any(|known| known.starts_with(&format!("{key}.")));
            if key == DEVICES && is_table {
                continue;
            }
            match (KEYS.contains(&key.as_str()) && key != DEVICES, has_keys_below || key == DEVICES) {
                (true, _) => {}
                (_, true) if is_table => self.table_is_known(&key, value)?,
                (_, true) => return Err(self.wrong(&key, format!("is a table: expected [{key}]"))),
                (false, false) => return Err(self.unknown(key, value)),
            }
        }
        Ok(())
    }

    fn unknown(&self, key: String, value: &Value) -> ConfigError {
        let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |known: &str| {
            strsim::jaro_winkler(known, &key).max(strsim::jaro_winkler(&leaf(known), &leaf(&key)))
        };
        let nearest = KEYS
            .iter()
            .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
            .map_or(String::new(), |nearest| format!("; the nearest one is `{nearest}`"));
        let place = origin_within(value).unwrap_or_else(|| self.place.clone());
        ConfigError::UnknownKey { place, key, nearest }
    }

    /// Where the value of `key` comes from, or should come from.
    fn place_of(&self, key: &str) -> String {
        let value = key.split('.').try_fold(&self.root, |value, name| match &value.kind {
            ValueKind::Table(table) => table.get(name),
            _ => None,
        });
        value.and_then(origin_within).unwrap_or_else(|| self.place.clone())
    }

    fn wrong(&self, key: &str, why: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place_of(key), key: key.to_owned(), why: why.into() }
    }

    fn into_config(self, raw: Raw, has_file: bool) -> Result<Config, ConfigError> {
        let alerts = &raw.alerts;
        let record = &raw.record;
        Ok(Config {
            time_zone: self.time_zone(raw.time_zone.as_deref())?,
            capture: self.capture(raw.capture)?,
            telegram: self.telegram(raw.telegram)?,
            alert_cooldown: Duration::from_secs(alerts.cooldown_seconds),
            fsync_interval: Duration::from_millis(self.within(
                "record.fsync_milliseconds",
                record.fsync_milliseconds,
                1,
                60_000,
            )?),
            checkpoint_interval: Duration::from_secs(self.within(
                "record.checkpoint_seconds",
                record.checkpoint_seconds,
                1,
                3600,
            )?),
            segment_bytes: self.within("record.segment_mebibytes", record.segment_mebibytes, 1, 1024)? << 20,
            devices: if has_file || !raw.devices.is_empty() {
                Some(self.devices(raw.devices)?)
            } else {
                None
            },
            data_dir: raw.data_dir,
        })
    }

    fn within(&self, key: &str, number: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(self.wrong(key, format!("is {number}: expected {least} to {most}")))
        }
    }

    fn time_zone(&self, name: Option<&str>) -> Result<Tz, ConfigError> {
        match name {
            Some(name) => name.parse().map_err(|_| {
                let nearest = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).max_by(|one, other| {
                    strsim::jaro_winkler(one, name).total_cmp(&strsim::jaro_winkler(other, name))
                });
                self.wrong(
                    "time_zone",
                    format!(
                        "is {name:?}: expected a name from the IANA time zone database such as \"Europe/Berlin\"{}",
                        nearest.map_or(String::new(), |nearest| format!("; the nearest one is {nearest:?}"))
                    ),
                )
            }),
            None => Ok(iana_time_zone::get_timezone()
                .ok()
                .and_then(|name| name.parse().ok())
                .unwrap_or(Tz::UTC)),
        }
    }

    fn capture(&self, raw: RawCapture) -> Result<Capture, ConfigError> {
        let sources = raw.sources.0;
        if sources.iter().any(String::is_empty) {
            return Err(
                self.wrong("capture.sources", "has an empty name: expected interfaces such as \"mon0\"")
            );
        }
        let snaplen = self.within("capture.snaplen", raw.snaplen.into(), 256, 65_535)?;
        let buffer = self.within("capture.buffer_mebibytes", raw.buffer_mebibytes.into(), 1, 512)?;
        Ok(Capture {
            sources,
            snaplen: u32::try_from(snaplen).unwrap_or(u32::MAX),
            buffer_bytes: u32::try_from(buffer << 20).unwrap_or(u32::MAX),
        })
    }

    fn telegram(&self, raw: RawTelegram) -> Result<Option<Telegram>, ConfigError> {
        let Some(token) = self.token(raw.token, raw.token_file)? else { return Ok(None) };
        if raw.chats.0.contains(&0) {
            return Err(self.wrong("telegram.chats", "has a 0: expected the numbers of Telegram chats"));
        }
        let updates = match raw.mode.as_str() {
            "polling" => Updates::Polling,
            "webhook" => Updates::Webhook(self.webhook(raw.webhook)?),
            other => {
                let why = format!("is {other:?}: expected \"polling\" or \"webhook\"");
                return Err(self.wrong("telegram.mode", why));
            }
        };
        let api_url = match Url::parse(&raw.api_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                let why =
                    "is no address of a Bot API server: expected one such as \"https://api.telegram.org\"";
                return Err(self.wrong("telegram.api_url", why));
            }
        };
        Ok(Some(Telegram { token, chats: raw.chats.0.into_iter().map(ChatId).collect(), api_url, updates }))
    }

    /// The token from the configuration, the file that it names, or systemd's credentials.
    fn token(&self, token: Option<String>, file: Option<PathBuf>) -> Result<Option<Secret>, ConfigError> {
        let credential = std::env::var_os("CREDENTIALS_DIRECTORY")
            .map(|folder| Path::new(&folder).join(TOKEN_CREDENTIAL))
            .filter(|path| path.exists());
        let (key, token) = match (token, file.or(credential)) {
            (Some(token), _) => ("telegram.token", token),
            (None, Some(path)) => {
                let token = fs::read_to_string(&path).map_err(|error| {
                    self.wrong(
                        "telegram.token_file",
                        format!("names {}, which could not be read: {error}", path.display()),
                    )
                })?;
                ("telegram.token_file", token)
            }
            (None, None) => return Ok(None),
        };
        let token = token.trim();
        let is_token = token.split_once(':').is_some_and(|(bot, key)| {
            !bot.is_empty()
                && bot.bytes().all(|b| b.is_ascii_digit())
                && !key.is_empty()
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        });
        if is_token {
            Ok(Some(Secret(token.to_owned())))
        } else {
            Err(self
                .wrong(key, "is no bot token: expected digits, a colon, and the key that @BotFather gave"))
        }
    }

    fn webhook(&self, raw: RawWebhook) -> Result<Webhook, ConfigError> {
        let key = "telegram.webhook.url";
        let wanted = "expected the public https address under which Telegram reaches this box, such as \"https://bot.example.org\"";
        let text = raw.url.ok_or_else(|| self.wrong(key, format!("is missing: {wanted}")))?;
        let url = Url::parse(&text).ok().filter(|url| url.scheme() == "https" && url.has_host());
        let url = url.ok_or_else(|| self.wrong(key, format!("is {text:?}: {wanted}")))?;
        if !matches!(url.port_or_known_default(), Some(443 | 80 | 88 | 8443)) {
            return Err(
                self.wrong(key, format!("is {text:?}: Telegram posts only to ports 443, 80, 88 and 8443"))
            );
        }
        let listen = raw.listen.parse().map_err(|_| {
            let why = format!("is {:?}: expected an address and port such as \"127.0.0.1:8080\"", raw.listen);
            self.wrong("telegram.webhook.listen", why)
        })?;
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        match &raw.secret_token {
            Some(secret) if !(1..=256).contains(&secret.len()) || !secret.bytes().all(is_allowed) => {
                Err(self.wrong(
                    "telegram.webhook.secret_token",
                    "does not fit: expected 1 to 256 of A-Z, a-z, 0-9, _ and -",
                ))
            }
            _ => Ok(Webhook { url, listen, secret_token: raw.secret_token.map(Secret) }),
        }
    }

    fn devices(&self, raw: BTreeMap<String, String>) -> Result<BTreeMap<MacAddr, String>, ConfigError> {
        let mut devices = BTreeMap::new();
        for (address, name) in raw {
            let key = format!("{DEVICES}.\"{address}\"");
            let place = || self.place_of(DEVICES);
            let mac: MacAddr = address.parse().map_err(|_| ConfigError::Value {
                place: place(),
                key: key.clone(),
                why: "is no MAC address: expected one such as \"a4:83:e7:4e:39:15\"".to_owned(),
            })?;
            let name = check_name(&name).map_err(|why| ConfigError::Value {
                place: place(),
                key: key.clone(),
                why: why.to_string(),
            })?;
            if devices.insert(mac, name).is_some() {
                let why = "names an address for the second time: expected each address once".to_owned();
                return Err(ConfigError::Value { place: place(), key, why });
            }
        }
        Ok(devices)
    }
}

/// The origin of a value, or of the first value within a table.
fn origin_within(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(table) if value.origin().is_none() => table.values().find_map(origin_within),
        _ => value.origin().map(str::to_owned),
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

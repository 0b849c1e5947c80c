//! The keys as they stand in the file, with their defaults: what [`super::validate`] makes a [`super::Config`] of.
//! `config.example.toml` shows the same defaults, which a test holds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use config::{Value, ValueKind};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::DEVICES;
use super::sources::RawSource;

/// Every key that the configuration has, and what its value is.
pub(super) const KEYS: &[(&str, Kind)] = &[
    ("data_dir", Kind::Text),
    ("time_zone", Kind::Text),
    ("capture.sources", Kind::Sources),
    ("capture.snaplen", Kind::Number),
    ("capture.buffer_mebibytes", Kind::Number),
    ("capture.monitor", Kind::Text),
    ("capture.channels", Kind::Channels),
    ("capture.bands", Kind::Bands),
    ("capture.dwell_milliseconds", Kind::Number),
    ("capture.force", Kind::Flag),
    ("telegram.token", Kind::Text),
    ("telegram.token_file", Kind::Text),
    ("telegram.owners", Kind::Numbers),
    ("telegram.chats", Kind::Numbers),
    ("telegram.mode", Kind::Text),
    ("telegram.api_url", Kind::Text),
    ("telegram.webhook.url", Kind::Text),
    ("telegram.webhook.tls", Kind::Text),
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
    ("monitoring.listen", Kind::Text),
    ("names.import", Kind::Texts),
    (DEVICES, Kind::Names),
];

/// What a value is. The config crate alone would take `true` for 1 and 2.5 for 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Texts,
    Number,
    Numbers,
    Flag,
    Channels,
    Bands,
    /// Texts, and tables with [`SOURCE_KEYS`](super::sources::SOURCE_KEYS).
    Sources,
    /// A table from addresses to names.
    Names,
}

impl Kind {
    /// What a value of this kind is called where it was expected.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Self::Text => "a text in quotes",
            Self::Texts => "a list of texts such as [\"mon0\"]",
            Self::Number => "a whole number",
            Self::Numbers => "a list of whole numbers such as [123456789]",
            Self::Flag => "true or false",
            Self::Channels => "a list of channels such as [1, 6, 11]",
            Self::Bands => "a list of bands such as [\"2.4\", \"5\"]",
            Self::Sources => "a list of sources such as [\"wlan1\", { command = \"ssh root@ap …\" }]",
            Self::Names => "a table [devices] of addresses and names",
        }
    }

    /// Whether `value` is of this kind. Every value from the environment is a text, so one that reads as a
    /// number is one.
    pub(super) fn fits(self, value: &Value) -> bool {
        let is_number = |text: &str| text.parse::<i64>().is_ok();
        match (self, &value.kind) {
            (Self::Text | Self::Texts | Self::Bands | Self::Sources, ValueKind::String(_)) => true,
            (Self::Number | Self::Numbers | Self::Channels, ValueKind::I64(_)) => true,
            (Self::Flag, ValueKind::Boolean(_)) => true,
            (Self::Flag, ValueKind::String(text)) => matches!(text.as_str(), "true" | "false"),
            (Self::Number, ValueKind::String(text)) => is_number(text),
            (Self::Numbers | Self::Channels, ValueKind::String(text)) => {
                text.split(',').all(|item| item.trim().is_empty() || is_number(item.trim()))
            }
            (Self::Texts | Self::Bands, ValueKind::Array(items)) => {
                items.iter().all(|item| Self::Text.fits(item))
            }
            (Self::Sources, ValueKind::Array(items)) => {
                items.iter().all(|item| Self::Text.fits(item) || matches!(item.kind, ValueKind::Table(_)))
            }
            (Self::Numbers | Self::Channels, ValueKind::Array(items)) => {
                items.iter().all(|item| Self::Number.fits(item))
            }
            _ => false,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct Raw {
    pub(super) data_dir: PathBuf,
    pub(super) time_zone: Option<String>,
    pub(super) capture: RawCapture,
    pub(super) telegram: RawTelegram,
    pub(super) alerts: RawAlerts,
    pub(super) record: RawRecord,
    pub(super) retention: RawRetention,
    pub(super) monitoring: RawMonitoring,
    pub(super) names: RawNames,
    pub(super) devices: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawCapture {
    pub(super) sources: List<RawSource>,
    pub(super) snaplen: i64,
    pub(super) buffer_mebibytes: i64,
    pub(super) monitor: String,
    pub(super) channels: List<i64>,
    pub(super) bands: List<String>,
    pub(super) dwell_milliseconds: i64,
    pub(super) force: bool,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawTelegram {
    pub(super) token: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) owners: List<i64>,
    pub(super) chats: List<i64>,
    pub(super) mode: String,
    pub(super) api_url: String,
    pub(super) webhook: RawWebhook,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawWebhook {
    pub(super) url: Option<String>,
    pub(super) tls: String,
    pub(super) listen: Option<String>,
    pub(super) secret_token: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawAlerts {
    pub(super) cooldown_seconds: i64,
    pub(super) keep_hours: i64,
    pub(super) gather_seconds: i64,
    pub(super) quiet: Option<String>,
    pub(super) follow_minutes: i64,
    pub(super) silence_minutes: i64,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawRecord {
    pub(super) fsync_milliseconds: i64,
    pub(super) checkpoint_seconds: i64,
    pub(super) segment_mebibytes: i64,
    pub(super) segment_hours: i64,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct RawMonitoring {
    pub(super) listen: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawNames {
    pub(super) import: List<String>,
}

#[derive(serde::Deserialize)]
#[serde(default)]
pub(super) struct RawRetention {
    pub(super) log_days: i64,
    pub(super) log_mebibytes: i64,
    pub(super) random_address_days: i64,
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
            monitoring: RawMonitoring::default(),
            names: RawNames::default(),
            devices: BTreeMap::new(),
        }
    }
}

impl Default for RawCapture {
    fn default() -> Self {
        Self {
            sources: List(Vec::new()),
            snaplen: 944,
            buffer_mebibytes: 8,
            monitor: "auto".to_owned(),
            channels: List(Vec::new()),
            bands: List(vec!["2.4".to_owned(), "5".to_owned()]),
            dwell_milliseconds: 250,
            force: false,
        }
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
        Self { url: None, tls: "off".to_owned(), listen: None, secret_token: None }
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
pub(super) struct List<T>(pub(super) Vec<T>);

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

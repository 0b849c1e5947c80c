//! The keys of the configuration: a struct for each table and a field for each key, with its type, range and
//! default. Nothing else lists them; [`keys`] reads them from here.
//!
//! `config.example.toml` shows the same keys and defaults, and `docs/configuration.md` describes them: tests
//! compare both with this file.

use std::fmt;
use std::net::SocketAddr;

use chrono_tz::Tz;
use ipnet::IpNet;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use store::event::DailyHours;

use super::model::Tls;
use super::types::{
    Band, BotToken, Channel, Chat, Devices, FolderPath, GroupingMode, MonitorMode, Owner, SourceName,
    TELEGRAM_NETWORKS, UpdateMode, WebhookSecret, WebhookUrl,
};
use super::values::{Entry, Flag, List, Number, Text};

/// Seconds, and hours, in a year.
const YEAR_SECONDS: u32 = 31_536_000;
const YEAR_HOURS: u32 = 8_760;

const DAY_MINUTES: u32 = 1_440;

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Root {
    pub(super) data_dir: Text<FolderPath>,
    pub(super) time_zone: Option<Text<Tz>>,
    pub(super) capture: Capture,
    pub(super) telegram: Telegram,
    pub(super) alerts: Alerts,
    pub(super) grouping: Grouping,
    pub(super) record: Record,
    pub(super) retention: Retention,
    pub(super) monitoring: Monitoring,
    pub(super) names: Names,
    /// A table whose keys are addresses.
    pub(super) devices: Option<Devices>,
}

impl Default for Root {
    fn default() -> Self {
        Self {
            data_dir: Text(FolderPath("/var/lib/probewatch".to_owned())),
            time_zone: None,
            capture: Capture::default(),
            telegram: Telegram::default(),
            alerts: Alerts::default(),
            grouping: Grouping::default(),
            record: Record::default(),
            retention: Retention::default(),
            monitoring: Monitoring::default(),
            names: Names::default(),
            devices: None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [capture]")]
pub(super) struct Capture {
    pub(super) sources: List<SourceSetting>,
    pub(super) monitor: MonitorMode,
    pub(super) channels: List<Channel>,
    pub(super) bands: List<Band>,
    pub(super) dwell_milliseconds: DwellMilliseconds,
    pub(super) force: Flag,
    pub(super) snaplen: Number<256, 65_535>,
    pub(super) buffer_mebibytes: Option<BufferMebibytes>,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            sources: List(Vec::new()),
            monitor: MonitorMode::Auto,
            channels: List(Vec::new()),
            bands: List(vec![Band::Ghz2, Band::Ghz5]),
            dwell_milliseconds: Number(250),
            force: Flag(false),
            snaplen: Number(944),
            buffer_mebibytes: None,
        }
    }
}

pub(super) type DwellMilliseconds = Number<10, 60_000>;
pub(super) type BufferMebibytes = Number<1, 512>;

/// A source: an interface, a file or `-`, or a table.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum SourceSetting {
    Text(String),
    Table(Box<SourceTable>),
}

impl Entry for SourceSetting {
    const LIST: &'static str = "a list of sources such as [\"wlan1\", { command = \"ssh root@ap …\" }]";
}

impl<'de> Deserialize<'de> for SourceSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SourceVisitor;

        impl<'de> Visitor<'de> for SourceVisitor {
            type Value = SourceSetting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a source such as \"wlan1\" or { command = \"ssh root@ap …\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SourceSetting, E> {
                Ok(SourceSetting::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<SourceSetting, A::Error> {
                SourceTable::deserialize(MapAccessDeserializer::new(table))
                    .map(|table| SourceSetting::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(SourceVisitor)
    }
}

/// A source that is a table. What is missing is as in [`Capture`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SourceTable {
    pub(super) interface: Option<String>,
    pub(super) command: Option<String>,
    pub(super) file: Option<String>,
    pub(super) name: Option<Text<SourceName>>,
    pub(super) monitor: Option<MonitorMode>,
    pub(super) channels: Option<List<Channel>>,
    pub(super) bands: Option<List<Band>>,
    pub(super) dwell_milliseconds: Option<DwellMilliseconds>,
    pub(super) force: Option<Flag>,
    pub(super) buffer_mebibytes: Option<BufferMebibytes>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [telegram]")]
pub(super) struct Telegram {
    pub(super) token: Option<Text<BotToken>>,
    pub(super) token_file: Option<String>,
    pub(super) owners: List<Owner>,
    pub(super) chats: List<Chat>,
    pub(super) members_may_name: bool,
    pub(super) mode: UpdateMode,
    pub(super) api_url: String,
    pub(super) webhook: Webhook,
}

impl Default for Telegram {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            owners: List(Vec::new()),
            chats: List(Vec::new()),
            members_may_name: false,
            mode: UpdateMode::Polling,
            api_url: "https://api.telegram.org".to_owned(),
            webhook: Webhook::default(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [telegram.webhook]")]
pub(super) struct Webhook {
    pub(super) url: Option<Text<WebhookUrl>>,
    pub(super) tls: Tls,
    pub(super) listen: Option<Text<SocketAddr>>,
    pub(super) secret_token: Option<Text<WebhookSecret>>,
    pub(super) reserved_networks: List<Text<IpNet>>,
}

impl Default for Webhook {
    fn default() -> Self {
        let reserved_networks = List(TELEGRAM_NETWORKS.map(Text).to_vec());
        Self { url: None, tls: Tls::Off, listen: None, secret_token: None, reserved_networks }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [alerts]")]
pub(super) struct Alerts {
    pub(super) cooldown_seconds: Number<0, YEAR_SECONDS>,
    pub(super) keep_hours: Number<1, YEAR_HOURS>,
    pub(super) gather_seconds: Option<Number<0, 3600>>,
    pub(super) quiet: Option<Text<DailyHours>>,
    pub(super) follow_minutes: Number<1, DAY_MINUTES>,
    pub(super) silence_minutes: Number<0, DAY_MINUTES>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            cooldown_seconds: Number(600),
            keep_hours: Number(24),
            gather_seconds: None,
            quiet: None,
            follow_minutes: Number(15),
            silence_minutes: Number(10),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [grouping]")]
pub(super) struct Grouping {
    pub(super) mode: GroupingMode,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { mode: GroupingMode::InRange }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [record]")]
pub(super) struct Record {
    pub(super) fsync_milliseconds: Number<1, 60_000>,
    pub(super) checkpoint_seconds: Number<1, 3600>,
    pub(super) segment_mebibytes: Number<1, 1024>,
    pub(super) segment_hours: Number<1, YEAR_HOURS>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            fsync_milliseconds: Number(1000),
            checkpoint_seconds: Number(10),
            segment_mebibytes: Number(64),
            segment_hours: Number(24),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [retention]")]
pub(super) struct Retention {
    pub(super) log_days: Number<0, 36_500>,
    pub(super) log_mebibytes: Number<0, { 1 << 30 }>,
    pub(super) random_address_days: Number<0, 36_500>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { log_days: Number(365), log_mebibytes: Number(4096), random_address_days: Number(90) }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [monitoring]")]
pub(super) struct Monitoring {
    pub(super) listen: Option<Text<SocketAddr>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table [names]")]
pub(super) struct Names {
    pub(super) import: List<String>,
}

impl Default for Names {
    fn default() -> Self {
        Self { import: List(Vec::new()) }
    }
}

/// A key of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its name with those of its tables, such as `telegram.webhook.url`; the keys of a source that is a table
    /// begin with `capture.sources.`.
    pub name: String,
    /// Its default; `None` if it has none, or one that depends on something else.
    pub default: Option<serde_json::Value>,
}

/// All keys, those of the same table together.
pub fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    // Values of these types always serialize.
    collect_keys("", serde_json::to_value(Root::default()).unwrap_or_default(), &mut keys);
    let source = serde_json::to_value(SourceTable::default()).unwrap_or_default();
    collect_keys("capture.sources", source, &mut keys);
    keys
}

fn collect_keys(name: &str, value: serde_json::Value, keys: &mut Vec<Key>) {
    match value {
        serde_json::Value::Object(table) => {
            for (key, value) in table {
                let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                collect_keys(&name, value, keys);
            }
        }
        value => {
            keys.push(Key { name: name.to_owned(), default: Some(value).filter(|value| !value.is_null()) })
        }
    }
}

//! What must be true of the values, said so that the reader knows which one to change, and to what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use config::{Value, ValueKind};
use url::{Host, Url};

use super::raw::{KEYS, Kind, Raw, RawAlerts, RawRetention, RawTelegram, RawWebhook};
use super::{Config, ConfigError, DEVICES, Delivery, QuietHours, Secret, Telegram, Tls, Updates, Webhook};
use crate::dot11::MacAddr;
use crate::event::ChatId;
use crate::event_log::Rotation;
use crate::recorder::Retention;
use crate::state::check_name;

/// The name of systemd's credential with the token.
const TOKEN_CREDENTIAL: &str = "telegram-token";

/// Where Telegram posts to (Bot API, `setWebhook`).
const WEBHOOK_PORTS: [u16; 4] = [443, 80, 88, 8443];

/// Where the webhook is heard behind a proxy, unless configured.
const BEHIND_PROXY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));

/// Seconds, and hours, in a year.
const YEAR: u32 = 31_536_000;
const YEAR_HOURS: u32 = 8_760;

/// Minutes in a day.
const DAY_MINUTES: u32 = 1_440;

/// How many segments the log may have at least: one that is written, one that is compressed meanwhile, and one
/// of each to leave.
const LOG_SEGMENTS: u32 = 4;

/// The checks that types alone cannot make, with what they need to name the place of an error.
pub(super) struct Validator {
    pub(super) root: Value,
    /// The file, or the environment where there is none: the place of values that are missing.
    pub(super) place: String,
    /// Where systemd puts credentials.
    pub(super) credentials: Option<PathBuf>,
}

impl Validator {
    /// Every key exists, and its value is of the right kind.
    pub(super) fn keys_are_known(&self) -> Result<(), ConfigError> {
        match &self.root.kind {
            ValueKind::Table(table) => self.table_is_known("", table),
            _ => Ok(()),
        }
    }

    fn table_is_known(&self, prefix: &str, table: &::config::Map<String, Value>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let known = KEYS.iter().find(|(known, _)| *known == key);
            let has_keys_below = || KEYS.iter().any(|(known, _)| known.starts_with(&format!("{key}.")));
            match (known, &value.kind) {
                (Some((_, kind)), _) => self.is_of_kind(&key, *kind, value)?,
                (None, ValueKind::Table(table)) if has_keys_below() => self.table_is_known(&key, table)?,
                (None, _) if has_keys_below() => {
                    return Err(wrong_kind(
                        &self.place_within(value),
                        key.clone(),
                        value,
                        &format!("a table [{key}]"),
                    ));
                }
                (None, _) => return Err(self.unknown(key, value)),
            }
        }
        Ok(())
    }

    pub(super) fn is_of_kind(&self, key: &str, kind: Kind, value: &Value) -> Result<(), ConfigError> {
        if let (Kind::Names, ValueKind::Table(names)) = (kind, &value.kind) {
            return names
                .iter()
                .try_for_each(|(address, name)| self.is_of_kind(&device_key(address), Kind::Text, name));
        }
        if kind.fits(value) {
            if kind == Kind::Sources { self.sources_are_known(key, value) } else { Ok(()) }
        } else {
            Err(wrong_kind(&self.place_within(value), key.to_owned(), value, kind.expected()))
        }
    }

    fn unknown(&self, key: String, value: &Value) -> ConfigError {
        let leaf = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let likeness = |known: &str| {
            strsim::jaro_winkler(known, &key).max(strsim::jaro_winkler(&leaf(known), &leaf(&key)))
        };
        let is_table = matches!(value.kind, ValueKind::Table(_));
        let nearest = KEYS
            .iter()
            .filter_map(|(known, kind)| match kind {
                Kind::Names => Some(*known),
                _ if is_table => known.rsplit_once('.').map(|(table, _)| table),
                _ => Some(*known),
            })
            .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
            .map_or(String::new(), |nearest| format!("; the nearest one is `{nearest}`"));
        ConfigError::UnknownKey { place: self.place_within(value), key, nearest }
    }

    pub(super) fn place_within(&self, value: &Value) -> String {
        origin_within(value).unwrap_or_else(|| self.place.clone())
    }

    /// Where the value of `key` comes from, or should come from.
    fn place_of(&self, key: &str) -> String {
        let value = key.split('.').try_fold(&self.root, |value, name| match &value.kind {
            ValueKind::Table(table) => table.get(name),
            _ => None,
        });
        value.map_or_else(|| self.place.clone(), |value| self.place_within(value))
    }

    pub(super) fn wrong(&self, key: &str, why: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place_of(key), key: key.to_owned(), why: why.into() }
    }

    /// The configuration that `raw` stands for.
    pub(super) fn into_config(self, raw: Raw) -> Result<Config, ConfigError> {
        let record = &raw.record;
        let cooldown = self.within("alerts.cooldown_seconds", raw.alerts.cooldown_seconds, 0, YEAR)?;
        let keep = self.within("alerts.keep_hours", raw.alerts.keep_hours, 1, YEAR_HOURS)?;
        let follow = self.within("alerts.follow_minutes", raw.alerts.follow_minutes, 1, DAY_MINUTES)?;
        let delivery = self.delivery(&raw.alerts)?;
        let fsync = self.within("record.fsync_milliseconds", record.fsync_milliseconds, 1, 60_000)?;
        let checkpoint = self.within("record.checkpoint_seconds", record.checkpoint_seconds, 1, 3600)?;
        let segment = self.within("record.segment_mebibytes", record.segment_mebibytes, 1, 1024)?;
        let age = self.within("record.segment_hours", record.segment_hours, 1, 8760)?;
        Ok(Config {
            time_zone: self.time_zone(raw.time_zone.as_deref())?,
            capture: self.capture(raw.capture)?,
            telegram: self.telegram(raw.telegram, delivery)?,
            alert_cooldown: Duration::from_secs(cooldown.into()),
            alert_keep: Duration::from_secs(3600 * u64::from(keep)),
            follow_silence: Duration::from_secs(60 * u64::from(follow)),
            fsync_interval: Duration::from_millis(fsync.into()),
            checkpoint_interval: Duration::from_secs(checkpoint.into()),
            rotation: Rotation {
                bytes: u64::from(segment) << 20,
                age: Duration::from_secs(u64::from(age) * 3600),
            },
            retention: self.retention(&raw.retention, segment)?,
            monitoring: self.monitoring(raw.monitoring.listen.as_deref())?,
            name_files: raw.names.import.0.into_iter().map(PathBuf::from).collect(),
            devices: if self.has_table(DEVICES) { Some(self.devices(raw.devices)?) } else { None },
            data_dir: self.data_dir(raw.data_dir)?,
        })
    }

    fn monitoring(&self, listen: Option<&str>) -> Result<Option<SocketAddr>, ConfigError> {
        let address = listen.map(|text| {
            text.parse().map_err(|_| {
                let why = format!("is {text:?}: expected an address and port such as \"127.0.0.1:9464\"");
                self.wrong("monitoring.listen", why)
            })
        });
        address.transpose()
    }

    fn delivery(&self, raw: &RawAlerts) -> Result<Delivery, ConfigError> {
        let gather = self.within("alerts.gather_seconds", raw.gather_seconds, 0, 3600)?;
        let silence = self.within("alerts.silence_minutes", raw.silence_minutes, 0, DAY_MINUTES)?;
        let quiet = raw.quiet.as_deref().map(|text| {
            text.parse::<QuietHours>().map_err(|_| {
                let why = format!("is {text:?}: expected two times of day such as \"22:30-07:00\"");
                self.wrong("alerts.quiet", why)
            })
        });
        Ok(Delivery {
            gather: Duration::from_secs(gather.into()),
            quiet: quiet.transpose()?,
            silence: (silence > 0).then_some(Duration::from_secs(60 * u64::from(silence))),
        })
    }

    fn retention(&self, raw: &RawRetention, segment_mebibytes: u32) -> Result<Retention, ConfigError> {
        let days = |key, days| {
            let days = self.within(key, days, 0, 36_500)?;
            Ok((days > 0).then_some(Duration::from_secs(u64::from(days) * 86_400)))
        };
        let log_mebibytes = self.within("retention.log_mebibytes", raw.log_mebibytes, 0, 1 << 30)?;
        let least = LOG_SEGMENTS * segment_mebibytes;
        if (1..least).contains(&log_mebibytes) {
            let why = format!(
                "is {log_mebibytes}: expected 0, or at least {least}, {LOG_SEGMENTS} times record.segment_mebibytes"
            );
            return Err(self.wrong("retention.log_mebibytes", why));
        }
        Ok(Retention {
            log_age: days("retention.log_days", raw.log_days)?,
            log_bytes: (log_mebibytes > 0).then_some(u64::from(log_mebibytes) << 20),
            random_addresses: days("retention.random_address_days", raw.random_address_days)?,
        })
    }

    pub(super) fn within(&self, key: &str, number: i64, least: u32, most: u32) -> Result<u32, ConfigError> {
        u32::try_from(number)
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.wrong(key, format!("is {number}: expected {least} to {most}")))
    }

    fn data_dir(&self, path: PathBuf) -> Result<PathBuf, ConfigError> {
        if path.as_os_str().is_empty() {
            Err(self.wrong("data_dir", "is empty: expected a folder such as \"/var/lib/probewatch\""))
        } else {
            Ok(path)
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

    fn telegram(&self, raw: RawTelegram, delivery: Delivery) -> Result<Option<Telegram>, ConfigError> {
        let token = self.token(raw.token, raw.token_file)?;
        if raw.chats.0.contains(&0) {
            return Err(self.wrong("telegram.chats", "has a 0: expected the numbers of Telegram chats"));
        }
        if raw.owners.0.iter().any(|owner| *owner <= 0) {
            let why = "has the number of a group: an owner is a person, by the number of the private chat \
                       with the bot";
            return Err(self.wrong("telegram.owners", why));
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
        let owners: BTreeSet<ChatId> = raw.owners.0.into_iter().map(ChatId).collect();
        let chats: BTreeSet<ChatId> = raw.chats.0.into_iter().map(ChatId).chain(owners.clone()).collect();
        let (owners, chats) = (owners.into_iter().collect(), chats.into_iter().collect());
        // What is wrong is told whether or not there is a token.
        Ok(token.map(|token| Telegram { token, owners, chats, api_url, updates, delivery }))
    }

    /// The token from the configuration, the file that it names, or systemd's credentials.
    fn token(&self, token: Option<String>, file: Option<PathBuf>) -> Result<Option<Secret>, ConfigError> {
        let wanted = "expected digits, a colon, and the key that @BotFather gave";
        if let Some(token) = token {
            let wrong = || self.wrong("telegram.token", format!("is no bot token: {wanted}"));
            return bot_token(&token).map(Some).ok_or_else(wrong);
        }
        let key = "telegram.token_file";
        let credential = || self.credentials.as_ref().map(|folder| folder.join(TOKEN_CREDENTIAL));
        let Some(path) = file.or_else(|| credential().filter(|path| path.exists())) else { return Ok(None) };
        if path.to_str().and_then(bot_token).is_some() {
            return Err(self.wrong(key, "is a token: expected a file that holds it, or telegram.token"));
        }
        let text = fs::read_to_string(&path).map_err(|error| {
            self.wrong(key, format!("names {}, which could not be read: {error}", path.display()))
        })?;
        bot_token(&text).map(Some).ok_or_else(|| {
            self.wrong(key, format!("names {}, which holds no bot token: {wanted}", path.display()))
        })
    }

    fn webhook(&self, raw: RawWebhook) -> Result<Webhook, ConfigError> {
        let (url, port) = self.webhook_url(raw.url)?;
        let tls = match raw.tls.as_str() {
            "off" => Tls::Off,
            "self-signed" => Tls::SelfSigned,
            other => {
                let why = format!("is {other:?}: expected \"off\" or \"self-signed\"");
                return Err(self.wrong("telegram.webhook.tls", why));
            }
        };
        let listen = match (raw.listen, tls) {
            (Some(text), _) => text.parse().map_err(|_| {
                let why = format!("is {text:?}: expected an address and port such as \"127.0.0.1:8080\"");
                self.wrong("telegram.webhook.listen", why)
            })?,
            (None, Tls::Off) => BEHIND_PROXY,
            // Telegram posts over IPv4 alone.
            (None, Tls::SelfSigned) => (Ipv4Addr::UNSPECIFIED, port).into(),
        };
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        match &raw.secret_token {
            Some(secret) if !(1..=256).contains(&secret.len()) || !secret.bytes().all(is_allowed) => {
                Err(self.wrong(
                    "telegram.webhook.secret_token",
                    "does not fit: expected 1 to 256 of A-Z, a-z, 0-9, _ and -",
                ))
            }
            _ => Ok(Webhook { url, tls, listen, secret_token: raw.secret_token.map(Secret) }),
        }
    }

    /// The webhook's public address, and its port.
    fn webhook_url(&self, text: Option<String>) -> Result<(Url, u16), ConfigError> {
        let key = "telegram.webhook.url";
        let wanted = "expected the public https address under which Telegram reaches this box, such as \"https://bot.example.org\"";
        let text = text.ok_or_else(|| self.wrong(key, format!("is missing: {wanted}")))?;
        let url = Url::parse(&text).ok().filter(|url| url.scheme() == "https" && url.has_host());
        let url = url.ok_or_else(|| self.wrong(key, format!("is {text:?}: {wanted}")))?;
        if matches!(url.host(), Some(Host::Ipv6(_))) {
            let why = "Telegram posts over IPv4 alone: expected a domain name or an IPv4 address";
            return Err(self.wrong(key, format!("is {text:?}: {why}")));
        }
        match url.port_or_known_default().filter(|port| WEBHOOK_PORTS.contains(port)) {
            Some(port) => Ok((url, port)),
            None => {
                let why = "Telegram posts only to ports 443, 80, 88 and 8443";
                Err(self.wrong(key, format!("is {text:?}: {why}")))
            }
        }
    }

    fn has_table(&self, name: &str) -> bool {
        matches!(&self.root.kind, ValueKind::Table(root) if root.contains_key(name))
    }

    fn devices(&self, raw: BTreeMap<String, String>) -> Result<BTreeMap<MacAddr, String>, ConfigError> {
        let mut devices = BTreeMap::new();
        for (address, name) in raw {
            let key = device_key(&address);
            let place = || self.place_of(DEVICES);
            let mac: MacAddr = address.parse().map_err(|_| ConfigError::Value {
                place: place(),
                key: key.clone(),
                why: "is no MAC address: expected one such as \"a4:83:e7:4e:39:15\"".to_owned(),
            })?;
            let name = check_name(&name).map_err(|why| ConfigError::Value {
                place: place(),
                key: key.clone(),
                why: format!("does not serve: {why}; expected a name such as \"Alice's phone\""),
            })?;
            if devices.insert(mac, name).is_some() {
                let why = "names an address for the second time: expected each address once".to_owned();
                return Err(ConfigError::Value { place: place(), key, why });
            }
        }
        Ok(devices)
    }
}

/// What the value is stays out of the message: it may be a secret.
fn wrong_kind(place: &str, key: String, value: &Value, expected: &str) -> ConfigError {
    let found = match &value.kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    };
    // A list is found where a list is expected when one of its items does not fit.
    let found =
        if expected.starts_with("a list") && found == "a list" { "a list of other things" } else { found };
    ConfigError::Value { place: place.to_owned(), key, why: format!("is {found}: expected {expected}") }
}

fn device_key(address: &str) -> String {
    format!("{DEVICES}.\"{address}\"")
}

/// The token in `text`, if it is one.
fn bot_token(text: &str) -> Option<Secret> {
    let is_key = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let token = text.trim();
    let (bot, key) = token.split_once(':')?;
    let is_token = !bot.is_empty()
        && bot.bytes().all(|b| b.is_ascii_digit())
        && !key.is_empty()
        && key.bytes().all(is_key);
    is_token.then(|| Secret(token.to_owned()))
}

/// The origin of a value, or of the first value within a table.
fn origin_within(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(table) if value.origin().is_none() => table.values().find_map(origin_within),
        _ => value.origin().map(str::to_owned),
    }
}

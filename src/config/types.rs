//! The types of single keys, each of which checks itself when it is read. Their messages hold no secret.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use capture::monitor;
use chrono_tz::Tz;
use dot11::MacAddr;
use ipnet::{IpNet, Ipv4Net};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use store::event::{self, ChatId, DailyHours};
use store::state::check_name;
use url::{Host, Url};

use super::model::Secret;
use super::values::{Entry, FromText, Text, integer};
use crate::suggest::nearest;

/// How long a source's name may be, in characters.
const SOURCE_NAME_LIMIT: usize = 64;

/// The ports to which Telegram posts (Bot API, `setWebhook`).
const WEBHOOK_PORTS: [u16; 4] = [443, 80, 88, 8443];

/// The networks from which Telegram posts (<https://core.telegram.org/bots/webhooks>).
pub(super) const TELEGRAM_NETWORKS: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(149, 154, 160, 0), 20)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(91, 108, 4, 0), 22)),
];

/// The path of a folder.
#[derive(Debug)]
pub(super) struct FolderPath(pub(super) String);

impl FromText for FolderPath {
    fn from_text(text: String) -> Result<Self, String> {
        match text.is_empty() {
            true => Err("is empty: expected a folder such as \"/var/lib/probewatch\"".to_owned()),
            false => Ok(Self(text)),
        }
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The IANA time zone of this name, in any case; a city alone will do if only one zone ends with it.
///
/// # Errors
/// What was expected, and the most similar name.
pub fn zone_named(text: &str) -> Result<Tz, String> {
    let text = text.trim();
    let wanted = text.replace(' ', "_").to_lowercase();
    let mut of_city = chrono_tz::TZ_VARIANTS.iter().filter(|zone| {
        let name = zone.name().to_lowercase();
        // Old names such as "posix/…" are none of the list.
        name.rsplit_once('/').is_some_and(|(_, city)| city == wanted)
    });
    let exact = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().to_lowercase() == wanted);
    match (exact, of_city.next(), of_city.next()) {
        (Some(zone), _, _) | (None, Some(zone), None) => Ok(*zone),
        _ => Tz::from_text(text.to_owned()),
    }
}

impl FromText for Tz {
    fn from_text(text: String) -> Result<Self, String> {
        text.parse().map_err(|_| {
            let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let problem = format!("is {text:?}: expected an IANA time zone such as \"Europe/Berlin\"");
            match nearest(&text, zones) {
                Some(nearest) => format!("{problem}; did you mean {nearest:?}?"),
                None => problem,
            }
        })
    }
}

impl FromText for SocketAddr {
    fn from_text(text: String) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("is {text:?}: expected an address and port such as \"127.0.0.1:8080\""))
    }
}

impl FromText for IpNet {
    fn from_text(text: String) -> Result<Self, String> {
        // A single address is a network, too.
        text.parse().or_else(|_| text.parse::<IpAddr>().map(Self::from)).map_err(|_| {
            format!("is {text:?}: expected a network or an address such as \"149.154.160.0/20\"")
        })
    }
}

impl Entry for Text<IpNet> {
    const LIST: &'static str = "a list of networks such as [\"149.154.160.0/20\"]";
}

impl FromText for DailyHours {
    fn from_text(text: String) -> Result<Self, String> {
        text.parse().map_err(|_| format!("is {text:?}: expected two times of day such as \"22:30-07:00\""))
    }
}

/// The name under which a source's probes are recorded.
#[derive(Debug, Clone)]
pub(super) struct SourceName(pub(super) String);

impl FromText for SourceName {
    fn from_text(text: String) -> Result<Self, String> {
        let name = text.trim();
        if (1..=SOURCE_NAME_LIMIT).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
            return Ok(Self(name.to_owned()));
        }
        Err(format!(
            "is {name:?}: expected 1 to {SOURCE_NAME_LIMIT} characters, none of them a control character"
        ))
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the service puts interfaces into monitor mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "\"auto\" or \"off\"")]
pub(super) enum MonitorMode {
    Auto,
    Off,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(expecting = "a band: \"2.4\", \"5\" or \"6\", in GHz")]
pub(super) enum Band {
    #[serde(rename = "2.4")]
    Ghz2,
    #[serde(rename = "5")]
    Ghz5,
    #[serde(rename = "6")]
    Ghz6,
}

impl Entry for Band {
    const LIST: &'static str = "a list of bands such as [\"2.4\", \"5\"]";
}

impl From<Band> for monitor::Band {
    fn from(band: Band) -> Self {
        match band {
            Band::Ghz2 => Self::Ghz2,
            Band::Ghz5 => Self::Ghz5,
            Band::Ghz6 => Self::Ghz6,
        }
    }
}

/// A Wi-Fi channel, by its number or its centre frequency in MHz.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel(pub(super) monitor::Channel);

impl Entry for Channel {
    const LIST: &'static str = "a list of channels such as [1, 6, 11]";
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = integer(deserializer)?;
        let short = u16::try_from(number)
            .map_err(|_| de::Error::custom(format!("is {number}, which is no channel")))?;
        let channel = monitor::Channel::try_from(short);
        channel.map(Self).map_err(|error| de::Error::custom(format!("does not fit: {error}")))
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A Telegram chat.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Chat(pub(super) ChatId);

impl Entry for Chat {
    const LIST: &'static str = "a list of chat IDs such as [123456789]";
}

impl<'de> Deserialize<'de> for Chat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match integer(deserializer)? {
            0 => Err(de::Error::custom("is 0: expected the ID of a Telegram chat")),
            number => Ok(Self(ChatId(number))),
        }
    }
}

/// The private chat of a person who owns the bot.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Owner(pub(super) ChatId);

impl Entry for Owner {
    const LIST: &'static str = Chat::LIST;
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match integer(deserializer)? {
            number if number > 0 => Ok(Self(ChatId(number))),
            _ => Err(de::Error::custom(
                "is the ID of a group: an owner is a person; expected the ID of a private chat with the bot",
            )),
        }
    }
}

/// How updates arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "\"polling\" or \"webhook\"")]
pub(super) enum UpdateMode {
    Polling,
    Webhook,
}

/// How random addresses are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "\"off\", \"in-range\" or \"returns\"")]
pub(super) enum GroupingMode {
    Off,
    InRange,
    Returns,
}

impl From<GroupingMode> for event::GroupingMode {
    fn from(mode: GroupingMode) -> Self {
        match mode {
            GroupingMode::Off => Self::Off,
            GroupingMode::InRange => Self::InRange,
            GroupingMode::Returns => Self::Returns,
        }
    }
}

/// What a bot token looks like.
pub(super) const TOKEN_FORM: &str = "expected digits, a colon, and the key that @BotFather gave";

#[derive(Debug, Clone)]
pub(super) struct BotToken(pub(super) Secret);

impl BotToken {
    /// The token in `text`, if it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let token = text.trim();
        let (bot, key) = token.split_once(':')?;
        let is_token = !bot.is_empty()
            && bot.bytes().all(|b| b.is_ascii_digit())
            && !key.is_empty()
            && key.bytes().all(is_token_byte);
        is_token.then(|| Self(Secret::new(token)))
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl FromText for BotToken {
    fn from_text(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("is no bot token: {TOKEN_FORM}"))
    }
}

impl fmt::Display for BotToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What each post of Telegram to the webhook must carry (Bot API, `setWebhook`, `secret_token`).
#[derive(Debug, Clone)]
pub(super) struct WebhookSecret(pub(super) Secret);

impl FromText for WebhookSecret {
    fn from_text(text: String) -> Result<Self, String> {
        match (1..=256).contains(&text.len()) && text.bytes().all(is_token_byte) {
            true => Ok(Self(Secret::new(&text))),
            false => Err("does not fit: expected 1 to 256 of A-Z, a-z, 0-9, _ and -".to_owned()),
        }
    }
}

impl fmt::Display for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The webhook's public address.
#[derive(Debug, Clone)]
pub(super) struct WebhookUrl {
    pub(super) url: Url,
    pub(super) port: u16,
}

/// What a webhook's address looks like.
pub(super) const WEBHOOK_URL_FORM: &str = "expected the public https address at which Telegram reaches this machine, such as \"https://bot.example.org\"";

impl FromText for WebhookUrl {
    fn from_text(text: String) -> Result<Self, String> {
        let url = Url::parse(&text).ok().filter(|url| url.scheme() == "https" && url.has_host());
        // The part before an @ may be a password.
        let found = if text.contains('@') { "has a user name".to_owned() } else { format!("is {text:?}") };
        let url = url.ok_or_else(|| format!("{found}: {WEBHOOK_URL_FORM}"))?;
        if matches!(url.host(), Some(Host::Ipv6(_))) {
            return Err(format!(
                "{found}: Telegram posts over IPv4 only; expected a domain name or an IPv4 address"
            ));
        }
        match url.port_or_known_default().filter(|port| WEBHOOK_PORTS.contains(port)) {
            Some(port) => Ok(Self { url, port }),
            None => Err(format!("{found}: Telegram posts only to ports 443, 80, 88 and 8443")),
        }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

/// Names by address.
#[derive(Debug, Serialize)]
pub(super) struct Devices(pub(super) BTreeMap<MacAddr, String>);

impl<'de> Deserialize<'de> for Devices {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DevicesVisitor;

        impl<'de> Visitor<'de> for DevicesVisitor {
            type Value = Devices;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table [devices] of addresses and names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Devices, A::Error> {
                let mut devices = BTreeMap::new();
                while let Some((Address(address), DeviceName(name))) = table.next_entry()? {
                    if devices.insert(address, name).is_some() {
                        return Err(de::Error::custom(format!(
                            "names {address} a second time: expected each address once"
                        )));
                    }
                }
                Ok(Devices(devices))
            }
        }
        deserializer.deserialize_map(DevicesVisitor)
    }
}

struct Address(MacAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map(Self)
            .map_err(|_| de::Error::custom("is no MAC address: expected one such as \"a4:83:e7:4e:39:15\""))
    }
}

struct DeviceName(String);

impl<'de> Deserialize<'de> for DeviceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        check_name(&String::deserialize(deserializer)?).map(Self).map_err(|error| {
            de::Error::custom(format!("cannot be used: {error}; expected a name such as \"Alice's phone\""))
        })
    }
}

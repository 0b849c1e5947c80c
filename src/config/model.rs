//! The configuration as the rest of the program uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use capture::monitor;
use chrono_tz::Tz;
use dot11::MacAddr;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use store::event::{ChatId, GroupingMode};
use store::event_log::Rotation;
use store::recorder::Retention;
use url::Url;

use super::time_zone::ZoneOrigin;
use super::types::BotToken;
use crate::chat_settings::ConfiguredSettings;

/// A string that no message and no debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The bot token in `text`, with or without white space around it; `None` if it does not look like one.
    pub fn bot_token(text: &str) -> Option<Self> {
        BotToken::parse(text).map(|BotToken(token)| token)
    }

    /// The string, for the place where it belongs and no other.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the event log and the state.
    pub data_dir: PathBuf,
    /// The zone in which times are shown.
    pub time_zone: Tz,
    /// What says so.
    pub time_zone_origin: ZoneOrigin,
    /// Where frames come from.
    pub capture: Capture,
    /// What it says about the settings that chats may choose.
    pub chat_settings: ConfiguredSettings,
    /// The bot; `None` without a token.
    pub telegram: Option<Telegram>,
    /// How long the same device and network alert only once.
    pub alert_cooldown: Duration,
    /// How long an alert waits for Telegram before it is only counted.
    pub alert_keep: Duration,
    /// After how long without a probe a followed device has left.
    pub follow_silence: Duration,
    /// How random addresses are grouped.
    pub grouping: GroupingMode,
    /// How long a probe may wait for its fsync.
    pub fsync_interval: Duration,
    /// How often the state is saved to sled.
    pub checkpoint_interval: Duration,
    /// When a segment of the log is sealed.
    pub rotation: Rotation,
    /// How long events and devices are kept.
    pub retention: Retention,
    /// The address on which health and metrics are served, if any.
    pub monitoring: Option<SocketAddr>,
    /// Files of other programs that give names to addresses.
    pub name_files: Vec<PathBuf>,
    /// Names of addresses; `None` without a table `[devices]`.
    pub devices: Option<BTreeMap<MacAddr, String>>,
}

/// What is captured, and how.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Where frames come from.
    pub sources: Vec<ConfiguredSource>,
    /// How many bytes of a frame are captured.
    pub snaplen: u32,
}

/// A source of frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredSource {
    /// The interface, file, stream or command.
    pub origin: capture::Source,
    /// The name under which its probes are recorded.
    pub name: String,
    /// How an interface is put into monitor mode; `None` captures on it as it is.
    pub monitor: Option<monitor::MonitorSettings>,
    /// The kernel's buffer, in bytes, if it is an interface.
    pub buffer_bytes: u32,
}

/// The bot.
#[derive(Debug, Clone)]
pub struct Telegram {
    /// The bot's token, as @BotFather gave it.
    pub token: Secret,
    /// The private chats of the people who own the bot: they give others access and remove them.
    pub owners: Vec<ChatId>,
    /// The chats that have access, including the owners.
    pub chats: Vec<ChatId>,
    /// Whether members name devices without asking an owner.
    pub members_may_name: bool,
    /// The Bot API server.
    pub api_url: Url,
    /// How updates arrive.
    pub updates: Updates,
    /// After how long without a frame a source is reported; `None` never reports.
    pub silence: Option<Duration>,
}

/// How updates arrive.
#[derive(Debug, Clone)]
pub enum Updates {
    /// The bot polls.
    Polling,
    /// Telegram posts them.
    Webhook(Webhook),
}

/// The webhook to which Telegram posts.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The public address to which Telegram posts; the bot adds an unguessable path.
    pub url: Url,
    /// Who serves TLS.
    pub tls: Tls,
    /// The address on which the bot listens.
    pub listen: SocketAddr,
    /// The secret that each post must carry; `None` makes a new one at each start.
    pub secret_token: Option<Secret>,
    /// The networks from which Telegram posts. No other network can take their connections.
    pub reserved_networks: Vec<IpNet>,
}

/// Who serves TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", expecting = "\"off\" or \"self-signed\"")]
pub enum Tls {
    /// A reverse proxy or tunnel in front of the bot.
    Off,
    /// The bot, with a certificate that it makes itself and gives to Telegram.
    SelfSigned,
}

//! The configuration as the rest of the program uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use url::Url;

use super::quiet_hours::QuietHours;
use crate::capture::{self, monitor};
use crate::dot11::MacAddr;
use crate::event::ChatId;
use crate::event_log::Rotation;
use crate::recorder::Retention;

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

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
#[serde(rename_all = "kebab-case", expecting = "\"off\" or \"self-signed\"")]
pub enum Tls {
    /// A reverse proxy or tunnel in front of the bot.
    Off,
    /// The bot, with a certificate that it makes itself and gives to Telegram.
    SelfSigned,
}

//! What a message asks for.

use dot11::Ssid;
use store::event::Role;

use super::{Command, UsageError, arguments, split};
use crate::chat::model::alert_preference::AlertPreference;
use crate::chat::model::chart::{ChartPeriod, ChartSubject};
use crate::chat::model::doorbell::DoorbellRequest;
use crate::chat::model::pagination::ListBy;
use crate::chat::model::phone::NamedDevice;
use crate::chat::model::settings::SettingsRequest;
use crate::chat::model::time_range::WrittenRange;
use crate::chat::model::watch_target::WatchTarget;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A device's statistics, by name, part of a name, or address.
    Lookup(String),
    /// `/devices`, a page from 0.
    Devices(ListBy, u32),
    /// `/nearby`, with the minutes.
    Nearby(u32),
    /// `/top`, a page from 0.
    Top(u32),
    /// `/ssid`
    Network(Ssid),
    /// `/networks`, a page from 0.
    Networks(u32),
    /// `/strangers`, of a day or a week.
    Strangers(ChartPeriod),
    /// `/chart`
    Chart(ChartSubject, ChartPeriod),
    /// `/between`
    Between(WrittenRange),
    /// `/count`
    Count(ChartPeriod),
    /// `/export` of a device.
    ExportDevice(String),
    /// `/export networks`
    ExportNetworks,
    /// `/watch`
    Watch {
        /// The network, or the pattern.
        target: WatchTarget,
        /// The reason.
        reason: Option<String>,
    },
    /// `/unwatch`
    Unwatch(WatchTarget),
    /// `/watches`, a page from 0.
    Watches(u32),
    /// `/doorbell`
    Doorbell(DoorbellRequest),
    /// `/settings`
    Settings(SettingsRequest),
    /// `/follow`, `/mute`, `/ignore` and their opposites.
    AlertPreference(AlertPreference),
    /// `/name`
    Name {
        /// The device to be named.
        device: NamedDevice,
        /// Its name, a valid one.
        name: String,
    },
    /// The reply to a question for a name, which is not a valid one.
    NameRefused {
        /// The device to be named.
        device: NamedDevice,
        /// What is wrong with the name.
        error: UsageError,
    },
    /// `/unname`
    Unname(NamedDevice),
    /// `/status`
    Status,
    /// `/clock`
    Clock {
        /// Whether it says that the machine's clock is right.
        is_right: bool,
    },
    /// `/history`
    History {
        /// Whether old events are kept from now on, if it says so.
        keep: Option<bool>,
    },
    /// `/help`
    Help,
    /// `/start`
    Start {
        /// An invitation code, in Telegram.
        code: Option<String>,
    },
    /// `/invite`, for the role that the code gives.
    Invite(Role),
    /// `/chats`
    Chats,
    /// `/proposals`
    Proposals,
    /// An empty message.
    Empty,
    /// A command with invalid arguments.
    UsageError {
        /// The command.
        command: &'static Command,
        /// What is wrong with its arguments.
        error: UsageError,
    },
    /// A command that does not exist, without its slash.
    UnknownCommand(String),
}

impl Request {
    /// Reads a message.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let Some((name, arguments)) = split(text) else {
            return if text.is_empty() { Self::Empty } else { Self::Lookup(text.to_owned()) };
        };
        match Command::named(name) {
            Some(command) => {
                (command.request)(arguments).unwrap_or_else(|error| Self::UsageError { command, error })
            }
            None => Self::UnknownCommand(name.to_lowercase()),
        }
    }

    /// Reads the reply to a question for this device's name.
    pub fn name_given(device: NamedDevice, text: &str) -> Self {
        arguments::naming(device, text).unwrap_or_else(|error| Self::NameRefused { device, error })
    }
}

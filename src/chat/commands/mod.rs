//! What a message asks for.

mod arguments;
mod command;
mod quotes;
#[cfg(test)]
mod tests;
mod usage_error;

use super::model::alert_preference::AlertPreference;
use super::model::chart::{ChartPeriod, ChartSubject};
use super::model::watch_target::WatchTarget;
use crate::dot11::{MacAddr, Ssid};
pub(in crate::chat) use arguments::{LONGEST_MUTE, NEARBY_LIMIT, PATTERN_LENGTH, SSID_BYTES};
pub use command::Command;
pub use usage_error::UsageError;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A device's statistics, by name, part of a name, or address.
    Lookup(String),
    /// `/devices`, a page from 0.
    Devices(u32),
    /// `/nearby`, so many minutes.
    Nearby(u32),
    /// `/top`, a page from 0.
    Top(u32),
    /// `/ssid`
    Network(Ssid),
    /// `/networks`, a page from 0.
    Networks(u32),
    /// `/chart`
    Chart(ChartSubject, ChartPeriod),
    /// `/export` of a device.
    ExportDevice(String),
    /// `/export networks`
    ExportNetworks,
    /// `/watch`
    Watch {
        /// The network, or which of them.
        wanted: WatchTarget,
        /// Why.
        reason: Option<String>,
    },
    /// `/unwatch`
    Unwatch(WatchTarget),
    /// `/watches`, a page from 0.
    Watches(u32),
    /// `/follow`, `/mute`, `/ignore` and their opposites.
    AlertPreference(AlertPreference),
    /// `/name`
    Name {
        /// The address to be named.
        address: MacAddr,
        /// Its name, which serves as one.
        name: String,
    },
    /// The reply to a question for a name, which does not serve as one.
    NameRefused {
        /// The address to be named.
        address: MacAddr,
        /// What is wrong with the name.
        why: UsageError,
    },
    /// `/unname`
    Unname(MacAddr),
    /// `/status`
    Status,
    /// `/help`
    Help,
    /// `/start`
    Start,
    /// Nothing but spaces.
    Nothing,
    /// A command whose arguments do not serve.
    UsageError {
        /// The command.
        command: Command,
        /// What is wrong with its arguments.
        why: UsageError,
    },
    /// A command that does not exist, without its slash.
    UnknownCommand(String),
}

impl Request {
    /// Reads a message. A command may carry the bot's name (`/watch@name`).
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let Some(rest) = text.strip_prefix('/') else {
            return if text.is_empty() { Self::Nothing } else { Self::Lookup(text.to_owned()) };
        };
        let (word, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let name = word.split('@').next().unwrap_or_default().to_lowercase();
        let arguments = arguments.trim();
        let Some(command) = Command::named(&name) else { return Self::UnknownCommand(name) };
        let request = match command {
            Command::Devices => arguments::page(arguments).map(Self::Devices),
            Command::Nearby => arguments::minutes(arguments).map(Self::Nearby),
            Command::Top => arguments::page(arguments).map(Self::Top),
            Command::Ssid => arguments::ssid_alone(arguments).map(Self::Network),
            Command::Networks => arguments::page(arguments).map(Self::Networks),
            Command::Chart => arguments::chart(arguments),
            Command::Export => arguments::export(arguments),
            Command::Watch => arguments::watch(arguments),
            Command::Unwatch => arguments::wanted_alone(arguments).map(Self::Unwatch),
            Command::Watches => arguments::page(arguments).map(Self::Watches),
            Command::Follow => wish_for(arguments, AlertPreference::Follow),
            Command::Unfollow => wish_for(arguments, AlertPreference::Unfollow),
            Command::Mute => arguments::mute_length(arguments)
                .map(|length| Self::AlertPreference(AlertPreference::Mute(length))),
            Command::Unmute => Ok(Self::AlertPreference(AlertPreference::Unmute)),
            Command::Ignore => wish_for(arguments, AlertPreference::Ignore),
            Command::Unignore => wish_for(arguments, AlertPreference::Unignore),
            Command::Name => arguments::device_name(arguments),
            Command::Unname => arguments::address(arguments).map(Self::Unname),
            Command::Status => Ok(Self::Status),
            Command::Help => Ok(Self::Help),
            Command::Start => Ok(Self::Start),
            // Who may let chats in, Telegram's side knows alone.
            Command::Invite | Command::Chats => return Self::UnknownCommand(name),
        };
        request.unwrap_or_else(|why| Self::UsageError { command, why })
    }

    /// Reads the reply to a question for this device's name.
    pub fn name_given(address: MacAddr, text: &str) -> Self {
        arguments::naming(address, text).unwrap_or_else(|why| Self::NameRefused { address, why })
    }
}

fn wish_for(arguments: &str, wish: fn(String) -> AlertPreference) -> Result<Request, UsageError> {
    arguments::device(arguments).map(|device| Request::AlertPreference(wish(device)))
}

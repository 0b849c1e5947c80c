//! What is wrong with a command's arguments, and how it is written.

use super::help::usage;
use crate::chat::commands::{Command, LONGEST_MUTE, NEARBY_LIMIT, PATTERN_LENGTH, SSID_BYTES, UsageError};
use crate::state::{MAX_NAME_CHARS, NameError};
use crate::text::{Text, printable};

pub(in crate::chat) fn usage_error(command: &Command, error: &UsageError) -> Text {
    Text::plain(format_args!("❌ {}\nUsage: ", sentence(error))).join(usage(command))
}

pub(super) fn sentence(error: &UsageError) -> String {
    match error {
        UsageError::MissingDevice => {
            "The device is missing: its name, a part of it, or its MAC address.".to_owned()
        }
        UsageError::MissingSsid => "The SSID is missing.".to_owned(),
        UsageError::MissingAddress => "The MAC address is missing.".to_owned(),
        UsageError::MissingExport => "What to export is missing: a device, or the word networks.".to_owned(),
        UsageError::InvalidPage(text) => {
            format!("“{}” is no page number. The first page is 1.", printable(text))
        }
        UsageError::InvalidMinutes(text) => {
            format!("“{}” is no number of minutes from 1 to {NEARBY_LIMIT}.", printable(text))
        }
        UsageError::InvalidMuteLength(text) => format!(
            "“{}” is no time from a minute to {} days. Write it like 30m, 2h or 1d.",
            printable(text),
            LONGEST_MUTE.as_secs() / 86_400
        ),
        UsageError::InvalidAddress(text) => {
            format!("“{}” is no MAC address. Write it like a4:83:e7:4e:39:15.", printable(text))
        }
        UsageError::TrailingText(text) => {
            format!("I do not know what “{}” after the SSID means. Leave it out.", printable(text))
        }
        UsageError::UnclosedQuote => "The closing quote is missing.".to_owned(),
        UsageError::InvalidHex => "Behind hex: I expect pairs of hex digits, as in hex:fffe00.".to_owned(),
        UsageError::MatchesEveryNetwork => {
            "That would be every network. Write at least one character of its SSID.".to_owned()
        }
        UsageError::PatternTooLong(length) => {
            format!("A pattern has at most {PATTERN_LENGTH} characters. This one has {length}.")
        }
        UsageError::WildcardSsid => {
            "The empty SSID means any network, and nearly every phone asks for that. Name one.".to_owned()
        }
        UsageError::SsidTooLong(length) => {
            format!("An SSID has at most {SSID_BYTES} bytes. This one has {length}.")
        }
        UsageError::UnknownRole(text) => {
            format!("“{}” is not a role. Leave it out, or write owner.", printable(text))
        }
        UsageError::Name(why) => name(*why),
    }
}

fn name(why: NameError) -> String {
    match why {
        NameError::Empty => "The name is missing.".to_owned(),
        NameError::TooLong => {
            format!("A name has at most {MAX_NAME_CHARS} characters. Choose a shorter one.")
        }
        NameError::Address => "That name reads like a MAC address. Choose another one.".to_owned(),
        NameError::Command => "That name begins with a slash, like a command. Choose another one.".to_owned(),
    }
}

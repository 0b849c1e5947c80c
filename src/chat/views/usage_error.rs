//! Usage errors, with the command's usage.

use store::state::{MAX_NAME_CHARS, NameError};

use super::help::usage;
use crate::chat::commands::{
    Command, DOORBELL_DBM, LONGEST_MUTE, NEARBY_LIMIT, PATTERN_LENGTH, SSID_BYTES, UsageError,
};
use crate::chat::model::settings::LONGEST_GATHER;
use crate::chat::model::time_range::{LONGEST_RANGE, RangeError};
use crate::text::{Text, foreign};

pub(in crate::chat) fn usage_error(command: &Command, error: &UsageError) -> Text {
    Text::plain(format_args!("❌ {}\nUsage: ", sentence(error))).append_text(usage(command))
}

/// For a [`Text`] only: what somebody wrote is marked in it.
pub(super) fn sentence(error: &UsageError) -> String {
    match error {
        UsageError::MissingDevice => {
            "Add a device: its name, part of its name, or its MAC address.".to_owned()
        }
        UsageError::MissingSsid => "Add an SSID.".to_owned(),
        UsageError::MissingAddress => "Add a MAC address, or a phone such as phone 3f2a.".to_owned(),
        UsageError::MissingExport => "Add what to export: a device, or the word networks.".to_owned(),
        UsageError::NoneOf(text, words) => {
            format!("“{}” means nothing here. Write {}, or nothing.", foreign(text), words.join(" or "))
        }
        UsageError::InvalidPage(text) => {
            format!("“{}” is not a page number. The first page is 1.", foreign(text))
        }
        UsageError::InvalidMinutes(text) => {
            format!("“{}” is not a number of minutes from 1 to {NEARBY_LIMIT}.", foreign(text))
        }
        UsageError::InvalidDoorbell(text) => format!(
            "“{}” is not a setting. Write on or off; after on, you can give a signal from {} to {} dBm, such as -65, a time \
             from 1m to 60m, and quiet for quiet hours only.",
            foreign(text),
            DOORBELL_DBM.start(),
            DOORBELL_DBM.end()
        ),
        UsageError::InvalidSetting(text) => {
            format!("“{}” is not a setting. Write quiet, gather, doorbell or zone.", foreign(text))
        }
        UsageError::InvalidQuietHours(text) => format!(
            "“{}” are no hours. Write two different times of day like 22:30-07:00, or off.",
            foreign(text)
        ),
        UsageError::InvalidGather(text) => format!(
            "“{}” is not a time of at most {} minutes. Write it like 30s or 5m, or off.",
            foreign(text),
            LONGEST_GATHER / 60
        ),
        UsageError::NeitherDayNorWeek(text) => {
            format!("“{}” is not a period. Write 24h or 7d.", foreign(text))
        }
        UsageError::InvalidMuteLength(text) => format!(
            "“{}” is not a duration from one minute to {} days. Write it like 30m, 2h or 1d.",
            foreign(text),
            LONGEST_MUTE.as_secs() / 86_400
        ),
        UsageError::InvalidPeriod(text) => format!(
            "“{}” is not a period. Write 24h, 7d or 30d, or put the SSID in quotes if it ends like this.",
            foreign(text)
        ),
        UsageError::InvalidAddress(text) => {
            format!(
                "“{}” is not a MAC address or a phone. Write it like a4:83:e7:4e:39:15 or phone 3f2a.",
                foreign(text)
            )
        }
        UsageError::TrailingText(text) => {
            format!("Nothing can follow the SSID. Leave out “{}”.", foreign(text))
        }
        UsageError::UnclosedQuote => "The closing quote is missing.".to_owned(),
        UsageError::InvalidHex => {
            "After hex: there must be pairs of hex digits, as in hex:fffe00.".to_owned()
        }
        UsageError::MatchesEveryNetwork => {
            "That would match every network. Add at least one character of the SSID.".to_owned()
        }
        UsageError::PatternTooLong(length) => {
            format!("A pattern can have up to {PATTERN_LENGTH} characters. This one has {length}.")
        }
        UsageError::WildcardSsid => {
            "The empty SSID means any network, which nearly every phone looks for. Name one.".to_owned()
        }
        UsageError::SsidTooLong(length) => {
            format!("An SSID can have up to {SSID_BYTES} bytes. This one has {length}.")
        }
        UsageError::UnknownRole(text) => {
            format!("“{}” is not a role. Write /invite or /invite owner.", foreign(text))
        }
        UsageError::InvalidCountPeriod(text) => {
            format!("“{}” is not a period. Write 24h, 7d or 30d.", foreign(text))
        }
        UsageError::Range(why) => range(why),
        UsageError::Name(why) => name(why),
    }
}

fn range(why: &RangeError) -> String {
    match why {
        RangeError::Missing => {
            "Add two times, such as 02:00 03:30, yesterday 22:00 01:00 or 2026-11-22 22:00 01:00.".to_owned()
        }
        RangeError::NotATime(text) => format!(
            "“{}” is not a time. Write it like 02:00; a day before it like yesterday or 2026-11-22.",
            foreign(text)
        ),
        RangeError::TrailingText(text) => {
            format!("Nothing can follow the second time. Leave out “{}”.", foreign(text))
        }
        RangeError::Empty => "The second time must be after the first.".to_owned(),
        RangeError::InFuture => "That is still to come. Name a time that has begun.".to_owned(),
        RangeError::TooLong => format!(
            "I can look at up to {} days at once. Choose a shorter time.",
            LONGEST_RANGE.as_secs() / 86_400
        ),
    }
}

fn name(why: &NameError) -> String {
    match why {
        NameError::Empty => "Add a name.".to_owned(),
        NameError::TooLong => {
            format!("A name can have up to {MAX_NAME_CHARS} characters. Choose a shorter one.")
        }
        NameError::Address => "That name looks like a MAC address. Choose another one.".to_owned(),
        NameError::Command => "That name starts with a slash, like a command. Choose another one.".to_owned(),
        NameError::Phone(name) => format!(
            "“{}” looks like the ID that I give to a phone with random addresses. Choose another name.",
            foreign(name)
        ),
    }
}

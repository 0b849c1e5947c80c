//! What is wrong with a command's arguments. [`crate::chat::views`] has the texts.

use store::state::NameError;

use crate::chat::model::time_range::RangeError;

/// What is wrong with a command's arguments. Texts in it are what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// No device.
    MissingDevice,
    /// No SSID.
    MissingSsid,
    /// No address and no phone.
    MissingAddress,
    /// Neither a device nor `networks`.
    MissingExport,
    /// Not a page number.
    InvalidPage(String),
    /// Not a number of minutes up to `NEARBY_LIMIT`.
    InvalidMinutes(String),
    /// Neither `on`, `off`, a signal within `DOORBELL_DBM` nor a duration of at most an
    /// hour.
    InvalidDoorbell(String),
    /// Not the name of a setting.
    InvalidSetting(String),
    /// Not two times of day.
    InvalidQuietHours(String),
    /// Not a duration up to `LONGEST_GATHER`.
    InvalidGather(String),
    /// Neither `24h` nor `7d`.
    NeitherDayNorWeek(String),
    /// Not a duration up to `LONGEST_MUTE`.
    InvalidMuteLength(String),
    /// A duration after the SSID of a chart that is none of the periods.
    InvalidPeriod(String),
    /// Not an address, and no phone.
    InvalidAddress(String),
    /// Text after a quoted SSID, where nothing may follow.
    TrailingText(String),
    /// A quote without its closing one.
    UnclosedQuote,
    /// Not pairs of hex digits after `hex:`.
    InvalidHex,
    /// A pattern that matches every SSID.
    MatchesEveryNetwork,
    /// A pattern with this many characters, more than `PATTERN_LENGTH`.
    PatternTooLong(usize),
    /// The empty SSID, which means any network.
    WildcardSsid,
    /// An SSID with this many bytes, more than `SSID_BYTES`.
    SsidTooLong(usize),
    /// Not a role that an invitation can give.
    UnknownRole(String),
    /// None of these words.
    NoneOf(String, &'static [&'static str]),
    /// Not `24h`, `7d` or `30d`.
    InvalidCountPeriod(String),
    /// Not a range of time.
    Range(RangeError),
    /// Not a name for a device.
    Name(NameError),
}

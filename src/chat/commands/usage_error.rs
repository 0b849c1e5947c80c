//! What is wrong with a command's arguments. [`crate::chat::views`] has the texts.

use crate::state::NameError;

/// What is wrong with a command's arguments; a text in it is what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// No device is named.
    MissingDevice,
    /// No network is named.
    MissingSsid,
    /// No address is named.
    MissingAddress,
    /// Neither a device nor `networks`.
    MissingExport,
    /// Not the number of a page.
    InvalidPage(String),
    /// Not a number of minutes, or not one within [`super::NEARBY_LIMIT`].
    InvalidMinutes(String),
    /// Not a time, or none within [`super::LONGEST_MUTE`].
    InvalidMuteLength(String),
    /// Not an address.
    InvalidAddress(String),
    /// Something behind an SSID in quotes, where nothing may follow.
    TrailingText(String),
    /// A quote is opened and not closed.
    UnclosedQuote,
    /// Not pairs of hex digits behind `hex:`.
    InvalidHex,
    /// A pattern that everything fits.
    MatchesEveryNetwork,
    /// A pattern of so many characters, more than [`super::PATTERN_LENGTH`].
    PatternTooLong(usize),
    /// The empty SSID, which means any network.
    WildcardSsid,
    /// An SSID of so many bytes, more than [`super::SSID_BYTES`].
    SsidTooLong(usize),
    /// Not a role that an invitation can give.
    UnknownRole(String),
    /// Not a name for a device.
    Name(NameError),
}

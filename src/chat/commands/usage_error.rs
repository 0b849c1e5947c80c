//! What is wrong with a command's arguments. Its words stand in [`crate::chat::views`].

use crate::state::NameError;

/// What is wrong with a command's arguments; a text in it is what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// No device is named.
    DeviceMissing,
    /// No network is named.
    SsidMissing,
    /// No address is named.
    AddressMissing,
    /// Neither a device nor `networks`.
    NothingToExport,
    /// Not the number of a page.
    NoPage(String),
    /// Not a number of minutes, or not one within [`super::NEARBY_LIMIT`].
    NoMinutes(String),
    /// Not a time, or none within [`super::LONGEST_MUTE`].
    NoMuteLength(String),
    /// Not an address.
    NoAddress(String),
    /// Something behind an SSID in quotes, where nothing may follow.
    AfterSsid(String),
    /// A quote is opened and not closed.
    QuoteOpen,
    /// Not pairs of hex digits behind `hex:`.
    NoHexDigits,
    /// A pattern that everything fits.
    EveryNetwork,
    /// A pattern of so many characters, more than [`super::PATTERN_LENGTH`].
    PatternTooLong(usize),
    /// The empty SSID, which means any network.
    AnyNetwork,
    /// An SSID of so many bytes, more than [`super::SSID_BYTES`].
    SsidTooLong(usize),
    /// Not a name for a device.
    Name(NameError),
}

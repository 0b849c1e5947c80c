//! Marks what somebody else wrote within the content of a text, so that nothing of it can be tapped.

use std::fmt;

use super::printable;

/// A part of a format string for a [`super::Text`] that somebody else wrote: an SSID, a name, a reason. It must be printable, as
/// [`printable`] and the `Display` of an SSID are: they escape the characters that mark it.
pub(crate) struct Foreign<T>(pub(crate) T);

/// Mark a part from elsewhere within a string.
pub(super) const BEGINNING: char = '\u{fffe}';
pub(super) const END: char = '\u{ffff}';

impl<T: fmt::Display> fmt::Display for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGINNING}{}{END}", self.0)
    }
}

/// As [`printable`], for a format string of a [`super::Text`].
pub(crate) fn foreign(text: &str) -> Foreign<String> {
    Foreign(printable(text))
}

/// Whether Telegram might turn a part of a plain text into something to tap: a mention, a command, a hashtag, a cashtag, a
/// link, an address or a number.
pub(super) fn may_be_tapped(text: &str) -> bool {
    let has_dot_within = || text.trim_matches('.').contains('.');
    let has_number = || {
        let runs = text.split(|c: char| !c.is_ascii_digit() && !" -()+".contains(c));
        runs.into_iter().any(|run| run.bytes().filter(u8::is_ascii_digit).count() >= 5)
    };
    text.contains(['@', '#', '$', '/']) || has_dot_within() || has_number()
}

//! Which alerts a chat wants, besides those for watched networks.

use std::time::Duration;

/// A preference, as a command states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertPreference {
    /// `/follow`: a device, and maybe behind it the minutes of silence.
    Follow(String),
    /// `/unfollow`
    Unfollow(String),
    /// `/mute`
    Mute(Duration),
    /// `/unmute`
    Unmute,
    /// `/ignore`
    Ignore(String),
    /// `/unignore`
    Unignore(String),
}

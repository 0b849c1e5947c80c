//! What a watch is on.

use std::fmt;

use dot11::Ssid;
use store::event::Pattern;
use twox_hash::XxHash3_64;

use crate::text::printable;

/// What a watch is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchTarget {
    /// A network.
    Network(Ssid),
    /// All networks of a pattern.
    Pattern(Pattern),
}

impl fmt::Display for WatchTarget {
    /// Writes the target as it is written after `/watch`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(ssid) => write!(f, "\"{ssid}\""),
            Self::Pattern(pattern) => f.write_str(&printable(pattern.as_str())),
        }
    }
}

/// What tells a chat's watches apart on a button.
pub(in crate::chat) fn watch_hash(target: &WatchTarget) -> u64 {
    match target {
        WatchTarget::Network(ssid) => XxHash3_64::oneshot_with_seed(0, ssid.as_bytes()),
        WatchTarget::Pattern(pattern) => XxHash3_64::oneshot_with_seed(1, pattern.as_str().as_bytes()),
    }
}

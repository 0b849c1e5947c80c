//! What a watch is on.

use dot11::Ssid;
use store::event::Pattern;
use twox_hash::XxHash3_64;

/// What a watch is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchTarget {
    /// A network.
    Network(Ssid),
    /// All networks of a pattern.
    Pattern(Pattern),
}

/// What tells a chat's watches apart on a button.
pub(in crate::chat) fn watch_hash(target: &WatchTarget) -> u64 {
    match target {
        WatchTarget::Network(ssid) => XxHash3_64::oneshot_with_seed(0, ssid.as_bytes()),
        WatchTarget::Pattern(pattern) => XxHash3_64::oneshot_with_seed(1, pattern.as_str().as_bytes()),
    }
}

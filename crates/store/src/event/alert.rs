//! What was decided about alerts, and of what device. A decision is made once, by the recorder, and kept
//! with the event that it is about: a rebuild repeats it and decides nothing.

use serde::{Deserialize, Serialize};

use super::{ChatId, Pattern};
use dot11::MacAddr;

/// A device as alerts tell them apart: by name, whatever its case, or by address where it has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKey {
    /// All addresses of this name.
    Name(String),
    /// An address that has no name.
    Address(MacAddr),
}

/// What a probe alerts a chat of, decided when it is heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum AlertDecision {
    /// The alert that a watched network was asked for goes out.
    Raise {
        /// The chat that is told.
        chat: ChatId,
        /// The pattern that the SSID is watched by, where it is not watched itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<Pattern>,
        /// Why the SSID is watched.
        reason: Option<String>,
        /// How many alerts the cool-down has kept back since the last one.
        swallowed: u64,
    },
    /// The cool-down keeps the alert back.
    Swallow {
        /// The chat that is not told.
        chat: ChatId,
    },
    /// Too many alerts wait for this chat already; this one is only counted.
    Overflow {
        /// The chat that will be told the count.
        chat: ChatId,
    },
    /// The chat is muted; the alert is only counted.
    Mute {
        /// The chat that will be told the count.
        chat: ChatId,
    },
    /// A followed device is back after a silence.
    Arrive {
        /// The chat that follows it.
        chat: ChatId,
        /// How long it was silent; `None` where it was never heard before.
        silent_seconds: Option<u64>,
        /// What becomes of the alert.
        fate: Fate,
    },
}

/// What becomes of an alert about a followed device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It goes out.
    Raise,
    /// Too many wait already; it is only counted.
    Overflow,
    /// The chat is muted; it is only counted.
    Mute,
    /// Nobody is told, and nothing is counted: nobody who is served wants to hear of the device, or what else the
    /// probe said is counted already. That the device is here is known all the same.
    Untold,
}

/// The alert to one chat that a followed device has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveDecision {
    /// The chat.
    pub chat: ChatId,
    /// What becomes of the alert.
    pub fate: Fate,
}

//! Decisions about alerts. The recorder decides once and keeps the decision in the event that caused it. A rebuild repeats
//! decisions and makes none.

use serde::{Deserialize, Serialize};

use super::group_id::GroupId;
use super::ids::ChatId;
use super::pattern::Pattern;
use super::timestamp::Timestamp;
use dot11::{MacAddr, Ssid};

/// What alerts treat as one device: all addresses with the same name, in any case; the random addresses of a phone; or
/// one address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKey {
    /// All addresses with this name.
    Name(String),
    /// An address without a name, of no phone.
    Address(MacAddr),
    /// A group of random addresses without a name.
    Phone(GroupId),
}

impl DeviceKey {
    /// The phone, if it is one.
    pub fn phone(&self) -> Option<GroupId> {
        match self {
            Self::Phone(phone) => Some(*phone),
            Self::Name(_) | Self::Address(_) => None,
        }
    }
}

/// What a probe means for one chat that watches its SSID or follows its device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum AlertDecision {
    /// The chat gets an alert: a device looks for a watched network.
    Raise {
        /// The chat.
        chat: ChatId,
        /// The pattern by which the chat watches the SSID, unless it watches the SSID itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<Pattern>,
        /// Why the chat watches it.
        reason: Option<String>,
        /// How many alerts the cool-down suppressed since the last one.
        #[serde(rename = "swallowed")]
        suppressed: u64,
    },
    /// The cool-down suppresses the alert.
    #[serde(rename = "swallow")]
    Suppress {
        /// The chat.
        chat: ChatId,
    },
    /// Too many alerts wait for the chat, so this one is only counted.
    Overflow {
        /// The chat, which gets the count later.
        chat: ChatId,
    },
    /// The chat is muted, so the alert is only counted.
    Mute {
        /// The chat, which gets the count later.
        chat: ChatId,
    },
    /// One of the first four about another network than that of the SSID element.
    Listed {
        /// The network.
        ssid: Ssid,
        /// Whether the frame has only its Short SSID, which other networks may share.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_short: bool,
        /// What it means for the chat.
        #[serde(rename = "alert")]
        decision: Box<AlertDecision>,
    },
    /// A followed device is back after a silence.
    Arrive {
        /// The chat that follows it.
        chat: ChatId,
        /// How long it was silent, in seconds; `None` if it was never seen before.
        silent_seconds: Option<u64>,
        /// What happens to the alert.
        #[serde(rename = "fate")]
        outcome: AlertOutcome,
    },
    /// A stranger stays near.
    Ring {
        /// The chat whose doorbell it is.
        chat: ChatId,
        /// Why the device is a stranger.
        reason: StrangerReason,
        /// Since when it is near.
        near_since: Timestamp,
        /// What happens to the alert.
        outcome: AlertOutcome,
    },
}

impl AlertDecision {
    /// The decision, whichever network it is about.
    pub fn kind(&self) -> &Self {
        match self {
            Self::Listed { decision, .. } => decision.kind(),
            other => other,
        }
    }
}

/// Why a visitor is taken for a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StrangerReason {
    /// A device with a fixed address that was not seen before.
    NeverSeen,
    /// A phone of a model that was not seen before.
    NewModel,
    /// A phone of a model that was not here at this hour of the week in any earlier week.
    UnusualModel {
        /// For how many weeks habits were learned before the visit.
        weeks_learned: u64,
    },
    /// One phone more of its model than there ever were at this hour of the week.
    OneMoreThanUsual {
        /// The most phones of the model so far.
        usual: u32,
        /// The phones of the model with this one.
        now: u32,
    },
}

/// What happens to an alert about a followed device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertOutcome {
    /// It is sent.
    Raise,
    /// Too many wait already, so it is only counted.
    Overflow,
    /// The chat is muted, so it is only counted.
    Mute,
    /// It is neither sent nor counted: no chat with access wants it, or another decision about the same probe was
    /// counted. The device still counts as present.
    #[serde(rename = "untold")]
    Skip,
}

/// What the departure of a followed device means for one chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveDecision {
    /// The chat.
    pub chat: ChatId,
    /// What happens to the alert.
    #[serde(rename = "fate")]
    pub outcome: AlertOutcome,
}

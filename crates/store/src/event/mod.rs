//! What happened, in the order in which it happened. Everything that changes state is an [`Event`];
//! what a fold depends on (a reason, the decision about an alert) travels in the event.
//!
//! An event's JSON form is public: the log keeps it and `probewatch decode` prints it. A field that
//! the radio did not report is `null`. An SSID that is UTF-8 stands in `ssid`, any other as hex digits
//! in `ssid_hex`; in a probe, `""` is the wildcard and `null` a frame without an SSID element. `not_before` stands in a
//! probe whose sensor's clock was behind, as that of a board without one is after a start: its `time` is
//! wrong, and it was heard no earlier than this.

use std::fmt;

use serde::{Deserialize, Serialize};

use dot11::{MacAddr, Signature, Ssid};

mod alert;
mod fields;
mod json;
mod pairing;
mod pattern;
mod probe;
mod read;
mod timestamp;

pub use alert::{AlertDecision, DeviceKey, Fate, LeaveDecision};
pub(crate) use fields::{hex_bytes, optional_ssid_fields, ssid_fields};
pub use json::push_probe;
pub use pairing::{CodeHash, Role};
pub use pattern::Pattern;
pub use probe::Probe;
pub use read::EventReader;
pub use timestamp::Timestamp;

/// An event's place in the log; the first event has offset 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// No log comes near it; what claims to is damaged.
    pub const LAST: Self = Self(u64::MAX >> 1);

    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A chat that may ask and that alerts go to, by Telegram's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub i64);

impl ChatId {
    /// The terminal of the box itself (`probewatch chat`). Telegram has no chat 0. What is watched from
    /// here alerts every chat that is served.
    pub const TERMINAL: Self = Self(0);
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::TERMINAL { f.write_str("the terminal") } else { self.0.fmt(f) }
    }
}

/// Which room a change of a device's name came from. A person's name wins over the
/// configuration's, and that over an imported one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// A person, with `/name`.
    Chat,
    /// The `[devices]` table of the configuration.
    Config,
    /// A file of another program, in which somebody wrote it.
    Import,
    /// A lease, which ends by itself. It takes the place of an imported name, and an imported one its place.
    Lease,
}

/// A change, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A probe request was heard.
    Probe(Probe),
    /// A signature was seen for the first time, on a frame with these information elements.
    Signature {
        /// The elements' signature.
        signature: Signature,
        /// The elements of the frame, as they were on the air.
        #[serde(with = "hex_bytes")]
        elements: Vec<u8>,
    },
    /// A chat watches an SSID; a second time, it changes the reason.
    Watch {
        /// When it was asked for.
        time: Timestamp,
        /// The chat that wants to be told.
        chat: ChatId,
        /// The SSID, exactly as phones ask for it.
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
        /// Why, in the chat's words.
        reason: Option<String>,
    },
    /// A chat no longer watches an SSID.
    Unwatch {
        /// When it was asked for.
        time: Timestamp,
        /// The chat that had watched it.
        chat: ChatId,
        /// The SSID.
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
    },
    /// A chat watches all SSIDs of a pattern; a second time, it changes the reason.
    WatchPattern {
        /// When it was asked for.
        time: Timestamp,
        /// The chat that wants to be told.
        chat: ChatId,
        /// The pattern.
        pattern: Pattern,
        /// Why, in the chat's words.
        reason: Option<String>,
    },
    /// A chat no longer watches the SSIDs of a pattern.
    UnwatchPattern {
        /// When it was asked for.
        time: Timestamp,
        /// The chat that had watched them.
        chat: ChatId,
        /// The pattern.
        pattern: Pattern,
    },
    /// A chat wants to hear when a device arrives and leaves; a second time, it changes the silence.
    Follow {
        /// When it was asked for.
        time: Timestamp,
        /// The chat that wants to be told.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
        /// How long it must be silent to have left.
        silence_seconds: u64,
    },
    /// A chat no longer follows a device.
    Unfollow {
        /// When it was asked for.
        time: Timestamp,
        /// The chat that had followed it.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
    },
    /// A followed device was silent for so long that it has left.
    Left {
        /// When that was decided.
        time: Timestamp,
        /// The chat that follows it.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
        /// The address that was heard last.
        source: MacAddr,
        /// When it was heard.
        last_heard: Timestamp,
        /// Who is told.
        alerts: Vec<LeaveDecision>,
    },
    /// A chat wants no alerts for a while.
    Mute {
        /// When it was asked for.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// When that ends.
        until: Timestamp,
    },
    /// A chat wants alerts again, and was told how many there were.
    Unmute {
        /// When it was asked for.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
    },
    /// A chat was told, after it was muted, how many alerts there were.
    MuteTold {
        /// When it was told.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// How many it was told of.
        count: u64,
    },
    /// A chat wants no alerts about a device.
    Ignore {
        /// When it was asked for.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
    },
    /// A chat wants alerts about a device again.
    Unignore {
        /// When it was asked for.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
    },
    /// An address got a name.
    Name {
        /// When it was given.
        time: Timestamp,
        /// The address.
        address: MacAddr,
        /// The name; several addresses may have the same.
        name: String,
        /// Where the name comes from.
        by: NamedBy,
    },
    /// An address lost its name.
    Unname {
        /// When it was taken.
        time: Timestamp,
        /// The address.
        address: MacAddr,
        /// Whose name it was.
        by: NamedBy,
    },
    /// Telegram took an alert.
    Delivered {
        /// When it did.
        time: Timestamp,
        /// The offset of the event that raised the alert: a probe, or that a device left.
        probe: Offset,
        /// The chat that it went to.
        chat: ChatId,
    },
    /// Telegram will never take an alert, so it left the outbox.
    Undeliverable {
        /// When that was clear.
        time: Timestamp,
        /// The offset of the event that raised the alert: a probe, or that a device left.
        probe: Offset,
        /// The chat that it was for.
        chat: ChatId,
        /// Why it cannot be delivered.
        reason: String,
    },
    /// A chat was told how many alerts did not fit into the outbox.
    OverflowTold {
        /// When it was told.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// How many it was told of.
        count: u64,
    },
    /// An alert waited so long for Telegram that it is only counted.
    AlertExpired {
        /// When it was taken out of the outbox.
        time: Timestamp,
        /// The offset of the event that raised the alert: a probe, or that a device left.
        probe: Offset,
        /// The chat that it was for.
        chat: ChatId,
    },
    /// The change before this one was asked for by an update from Telegram, which acts no second time.
    Answered {
        /// When it was handled.
        time: Timestamp,
        /// Telegram's number for the update.
        update: u32,
    },
    /// A group became a supergroup and has a new number.
    ChatMigrated {
        /// When that was learnt.
        time: Timestamp,
        /// Its number until then.
        from: ChatId,
        /// Its number from then on.
        to: ChatId,
    },
    /// A code was made with which one chat may let itself in.
    Invited {
        /// When it was made.
        time: Timestamp,
        /// The code's hash.
        code: CodeHash,
        /// What the chat may do then.
        role: Role,
        /// Until when the code is good.
        expires: Timestamp,
        /// The owner who asked for it; none where nobody owned the bot. Of the latter only the newest is good.
        by: Option<ChatId>,
    },
    /// A chat let itself in with a code, if that was still good.
    Paired {
        /// When it came.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// The code's hash.
        code: CodeHash,
        /// The title of the group, or the person's name.
        name: String,
    },
    /// A chat that had let itself in is served no longer, and what it watched is forgotten.
    ChatRemoved {
        /// When it was removed.
        time: Timestamp,
        /// The chat.
        chat: ChatId,
        /// The owner who removed it.
        by: ChatId,
    },
    /// Addresses that were not heard for long leave the state.
    Forget {
        /// When that was decided.
        time: Timestamp,
        /// Which of them go.
        addresses: Forgettable,
        /// Those go whose last probe was captured before this.
        heard_before: Timestamp,
    },
    /// In place of `count` events that the log lost by damage, from this offset on.
    Lost {
        /// How many offsets have no event any more.
        count: u64,
        /// What happened to them.
        why: String,
    },
}

/// Which addresses [`Event::Forget`] is about. Those that have a name stay, but for random ones whose name is only
/// imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgettable {
    /// Random ones.
    Random,
    /// All that their names do not keep.
    Unnamed,
}

impl Event {
    /// The offset behind the event when it stands at `offset`.
    pub fn end(&self, offset: Offset) -> Offset {
        match self {
            Self::Lost { count, .. } => Offset(offset.0.saturating_add((*count).max(1))),
            _ => offset.next(),
        }
    }

    /// When it happened, where that is known.
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Probe(probe) => Some(probe.known_time()),
            Self::Watch { time, .. }
            | Self::Unwatch { time, .. }
            | Self::WatchPattern { time, .. }
            | Self::UnwatchPattern { time, .. }
            | Self::Follow { time, .. }
            | Self::Unfollow { time, .. }
            | Self::Left { time, .. }
            | Self::Mute { time, .. }
            | Self::Unmute { time, .. }
            | Self::MuteTold { time, .. }
            | Self::Ignore { time, .. }
            | Self::Unignore { time, .. }
            | Self::Name { time, .. }
            | Self::Unname { time, .. }
            | Self::Delivered { time, .. }
            | Self::Undeliverable { time, .. }
            | Self::OverflowTold { time, .. }
            | Self::AlertExpired { time, .. }
            | Self::Answered { time, .. }
            | Self::ChatMigrated { time, .. }
            | Self::Invited { time, .. }
            | Self::Paired { time, .. }
            | Self::ChatRemoved { time, .. }
            | Self::Forget { time, .. } => Some(*time),
            Self::Signature { .. } | Self::Lost { .. } => None,
        }
    }

    /// The address that it is about, where it is about one.
    pub fn address(&self) -> Option<MacAddr> {
        match self {
            Self::Probe(probe) => Some(probe.source),
            Self::Name { address, .. } | Self::Unname { address, .. } => Some(*address),
            Self::Left { source, .. } => Some(*source),
            _ => None,
        }
    }

    /// Whether a person asked for the change, and is told whether it is on disk.
    pub fn is_a_persons(&self) -> bool {
        match self {
            Self::Watch { .. }
            | Self::Unwatch { .. }
            | Self::WatchPattern { .. }
            | Self::UnwatchPattern { .. }
            | Self::Follow { .. }
            | Self::Unfollow { .. }
            | Self::Mute { .. }
            | Self::Unmute { .. }
            | Self::Ignore { .. }
            | Self::Unignore { .. }
            | Self::Name { .. }
            | Self::Unname { .. }
            | Self::Invited { .. }
            | Self::Paired { .. }
            | Self::ChatRemoved { .. } => true,
            Self::Probe(_)
            | Self::Left { .. }
            | Self::MuteTold { .. }
            | Self::Signature { .. }
            | Self::Delivered { .. }
            | Self::Undeliverable { .. }
            | Self::OverflowTold { .. }
            | Self::AlertExpired { .. }
            | Self::Answered { .. }
            | Self::ChatMigrated { .. }
            | Self::Forget { .. }
            | Self::Lost { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests;

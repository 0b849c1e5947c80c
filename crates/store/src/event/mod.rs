//! Events: everything that changes state. What the fold depends on (a reason, the decision about an alert) travels in
//! the event.
//!
//! # JSON form
//! It is public: the log keeps it, and `probewatch decode` and exports print it.
//! - `type` is the first field and `time` the second. A [`Signature`](EventKind::Signature) and a
//!   [`Lost`](EventKind::Lost) have no time.
//! - A field that the radio did not report is `null`.
//! - An SSID that is UTF-8 is in `ssid`, any other as hex digits in `ssid_hex`. In a probe, `""` is the wildcard and
//!   `null` a frame without an SSID element.
//! - A probe has `not_before` if its sensor's clock was behind, as on a board without a battery after a start. Its
//!   `time` is then wrong; the frame was captured no earlier than `not_before`.
//!
//! [`push_event_fields`] writes the form and [`EventDecoder`] reads it, also as earlier versions wrote it.

use std::fmt;

use serde::{Deserialize, Serialize};

use dot11::MacAddr;

mod alert;
mod decode;
mod encode;
mod fields;
mod kind;
mod pairing;
mod pattern;
mod probe;
mod timestamp;

pub use alert::{AlertDecision, AlertOutcome, DeviceKey, LeaveDecision};
pub use decode::EventDecoder;
pub use encode::{push_event_fields, push_probe_fields};
pub(crate) use fields::{hex_bytes, optional_ssid_fields, ssid_fields};
pub use kind::{EventKind, EvictionScope, NamedBy};
pub use pairing::{CodeHash, Role};
pub use pattern::Pattern;
pub use probe::Probe;
pub use timestamp::Timestamp;

/// The position of an event in the log. The first event has offset 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// No log gets this long: a larger offset is corrupt.
    pub const MAX: Self = Self(u64::MAX >> 1);

    /// The offset after this one.
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

/// A chat, by Telegram's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatId(pub i64);

impl ChatId {
    /// The terminal of this machine (`probewatch chat`). Telegram has no chat 0. What the terminal watches alerts every
    /// chat with access.
    pub const TERMINAL: Self = Self(0);
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::TERMINAL { f.write_str("the terminal") } else { self.0.fmt(f) }
    }
}

/// One event: when, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened. `None` for kinds that the log keeps without a time. A probe's is its
    /// [`Probe::corrected_time`].
    pub time: Option<Timestamp>,
    /// What happened.
    pub kind: EventKind,
}

/// The event of a captured frame; its time is the probe's.
impl From<Probe> for Event {
    fn from(probe: Probe) -> Self {
        Self { time: Some(probe.corrected_time()), kind: EventKind::Probe(probe) }
    }
}

impl Event {
    /// What happened at `time`. A probe has a time of its own: see [`Event::from`].
    pub fn new(time: Timestamp, kind: EventKind) -> Self {
        Self { time: Some(time), kind }
    }

    /// What happened at a time that nobody keeps: a signature or a loss.
    pub fn without_time(kind: EventKind) -> Self {
        Self { time: None, kind }
    }

    /// The offset after the event, which is at `offset`.
    pub fn end(&self, offset: Offset) -> Offset {
        match self.kind {
            EventKind::Lost { count, .. } => Offset(offset.0.saturating_add(count.max(1))),
            _ => offset.next(),
        }
    }

    /// The address that it is about, if any.
    pub fn address(&self) -> Option<MacAddr> {
        match &self.kind {
            EventKind::Probe(probe) => Some(probe.source),
            EventKind::Name { address, .. } | EventKind::Unname { address, .. } => Some(*address),
            EventKind::Left { source, .. } => Some(*source),
            _ => None,
        }
    }

    /// Whether a person asked for the change and waits for a reply, which says whether it is on disk.
    pub fn is_user_command(&self) -> bool {
        match self.kind {
            EventKind::Watch { .. }
            | EventKind::Unwatch { .. }
            | EventKind::WatchPattern { .. }
            | EventKind::UnwatchPattern { .. }
            | EventKind::Follow { .. }
            | EventKind::Unfollow { .. }
            | EventKind::Mute { .. }
            | EventKind::Unmute { .. }
            | EventKind::Ignore { .. }
            | EventKind::Unignore { .. }
            | EventKind::Name { .. }
            | EventKind::Unname { .. }
            | EventKind::Invited { .. }
            | EventKind::Paired { .. }
            | EventKind::ChatRemoved { .. } => true,
            EventKind::Probe(_)
            | EventKind::Left { .. }
            | EventKind::MuteReported { .. }
            | EventKind::Signature { .. }
            | EventKind::Delivered { .. }
            | EventKind::Undeliverable { .. }
            | EventKind::OverflowReported { .. }
            | EventKind::AlertExpired { .. }
            | EventKind::UpdateHandled { .. }
            | EventKind::ChatMigrated { .. }
            | EventKind::Evict { .. }
            | EventKind::Lost { .. } => false,
        }
    }
}

#[cfg(test)]
pub(crate) mod test_probes;
#[cfg(test)]
mod tests;

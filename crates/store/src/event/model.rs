//! Events and what each kind carries.
//!
//! The names that serde gives variants and fields are a public format: the log on disk and exports have them.

use serde::{Deserialize, Serialize};

use super::alert::{AlertOutcome, DeviceKey, LeaveDecision};
use super::chat_setting::ChatSetting;
use super::fields::{hex_bytes, hex_list, ssid_fields};
use super::group_id::GroupId;
use super::ids::{ChatId, MessageId, Offset};
use super::pairing::{CodeHash, Role};
use super::pattern::Pattern;
use super::probe::Probe;
use super::proposed_change::ProposedChange;
use super::timestamp::Timestamp;
use dot11::{MacAddr, ModelKey, Signature, Ssid};

/// One event: when, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened. `None` for kinds that the log keeps without a time. A probe's is its
    /// [`Probe::corrected_time`].
    pub time: Option<Timestamp>,
    /// The person who asked for it in Telegram. `None` if nobody did, at the terminal, and in logs of earlier versions.
    pub person: Option<Box<Person>>,
    /// What happened.
    pub kind: EventKind,
}

/// A person in Telegram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their private chat with the bot. Who writes as a group or a channel has the ID of that.
    pub id: ChatId,
    /// What they called themselves: anything.
    pub name: String,
}

/// The event of a captured frame; its time is the probe's.
impl From<Probe> for Event {
    fn from(probe: Probe) -> Self {
        Self { time: Some(probe.corrected_time()), person: None, kind: EventKind::Probe(probe) }
    }
}

impl Event {
    /// What happened at `time`. A probe has a time of its own: see [`Event::from`].
    pub fn new(time: Timestamp, kind: EventKind) -> Self {
        Self { time: Some(time), person: None, kind }
    }

    /// What happened at a time that nobody keeps: a signature or a loss.
    pub fn without_time(kind: EventKind) -> Self {
        Self { time: None, person: None, kind }
    }

    /// The event, with the person who asked for it.
    pub fn by(self, person: Option<&Person>) -> Self {
        Self { person: person.cloned().map(Box::new), ..self }
    }

    /// The offset after the event, which is at `offset`.
    pub fn end(&self, offset: Offset) -> Offset {
        match self.kind {
            EventKind::Lost { count, .. } | EventKind::Omitted { count } => {
                Offset(offset.0.saturating_add(count.max(1)))
            }
            _ => offset.next(),
        }
    }

    /// The event for another count of offsets, if it stands for several.
    pub fn resized(mut self, offsets: u64) -> Self {
        if let EventKind::Lost { count, .. } | EventKind::Omitted { count } = &mut self.kind {
            *count = offsets;
        }
        self
    }

    /// The address that it is about, if any.
    pub fn address(&self) -> Option<MacAddr> {
        match &self.kind {
            EventKind::Probe(probe) => Some(probe.source),
            EventKind::Name { address, .. } | EventKind::Unname { address, .. } => Some(*address),
            EventKind::Left { source, .. } | EventKind::StrangerLeft { source, .. } => Some(*source),
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
            | EventKind::Doorbell { .. }
            | EventKind::DoorbellOff { .. }
            | EventKind::ChatSetting { .. }
            | EventKind::Name { .. }
            | EventKind::Unname { .. }
            | EventKind::KeepPhone { .. }
            | EventKind::SplitPhone { .. }
            | EventKind::NameProposed { .. }
            | EventKind::ProposalAnswered { .. }
            | EventKind::Invited { .. }
            | EventKind::Paired { .. }
            | EventKind::ChatRemoved { .. }
            | EventKind::KeepLog { .. } => true,
            EventKind::Probe(_)
            | EventKind::Left { .. }
            | EventKind::StrangerLeft { .. }
            | EventKind::OwnersAsked { .. }
            | EventKind::MuteReported { .. }
            | EventKind::Signature { .. }
            | EventKind::Delivered { .. }
            | EventKind::Undeliverable { .. }
            | EventKind::OverflowReported { .. }
            | EventKind::AlertExpired { .. }
            | EventKind::UpdateHandled { .. }
            | EventKind::ChatMigrated { .. }
            | EventKind::ChatBlocked { .. }
            | EventKind::ChatUnblocked { .. }
            | EventKind::Evict { .. }
            | EventKind::SetGrouping { .. }
            | EventKind::HistoryLost { .. }
            | EventKind::Thinned { .. }
            | EventKind::Omitted { .. }
            | EventKind::ClockSet { .. }
            | EventKind::Lost { .. } => false,
        }
    }
}

/// By what a phone is found in a fold that groups differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneEvidence {
    /// Its model.
    pub model: ModelKey,
    /// Its latest addresses.
    pub addresses: Vec<MacAddr>,
}

/// What an [`Event`] says happened. Its JSON form is an object whose first field is `type`; the event's
/// time is the second, and the person who asked for it, if any, the third. A probe carries its own time, which is what its
/// sensor's clock said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// A sensor captured a probe request.
    Probe(Probe),
    /// A signature was seen for the first time, on a frame with these information elements. It has no time.
    Signature {
        /// The elements' signature.
        signature: Signature,
        /// The elements of the frame, as they were on the air.
        #[serde(with = "hex_bytes")]
        elements: Vec<u8>,
    },
    /// A chat watches an SSID. A repeated watch replaces the reason.
    Watch {
        /// The chat that gets the alerts.
        chat: ChatId,
        /// The SSID, exactly as devices request it.
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
        /// Why, in the chat's words.
        reason: Option<String>,
    },
    /// A chat stops watching an SSID.
    Unwatch {
        /// The chat that watched it.
        chat: ChatId,
        /// The SSID.
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
    },
    /// A chat watches all SSIDs that match a pattern. A repeated watch replaces the reason.
    WatchPattern {
        /// The chat that gets the alerts.
        chat: ChatId,
        /// The pattern.
        pattern: Pattern,
        /// Why, in the chat's words.
        reason: Option<String>,
    },
    /// A chat stops watching a pattern.
    UnwatchPattern {
        /// The chat that watched it.
        chat: ChatId,
        /// The pattern.
        pattern: Pattern,
    },
    /// A chat gets alerts when a device arrives and leaves. A repeated follow replaces the silence, and adds members.
    Follow {
        /// The chat that gets the alerts.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
        /// The device has left once it was silent for this many seconds.
        silence_seconds: u64,
        /// The addresses and phones that the device is, if that does not follow from `device`. Earlier versions give none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        members: Vec<DeviceKey>,
    },
    /// A chat stops following a device.
    Unfollow {
        /// The chat that followed it.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
    },
    /// A followed device was silent for so long that it has left.
    Left {
        /// The chat that follows it.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
        /// The device's address that was seen last.
        source: MacAddr,
        /// When that was.
        #[serde(rename = "last_heard")]
        last_seen: Timestamp,
        /// Which chats get an alert.
        alerts: Vec<LeaveDecision>,
    },
    /// A chat gets an alert when a stranger stays near. A repeated one replaces the settings.
    Doorbell {
        /// The chat that gets the alerts.
        chat: ChatId,
        /// The signal from which on a device is near, in dBm.
        min_dbm: i8,
        /// For how long it must be near, in seconds.
        stay_seconds: u64,
        /// Whether it rings only during quiet hours, and its alerts are sent then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_in_quiet_hours: bool,
    },
    /// A chat gets no more alerts about strangers.
    DoorbellOff {
        /// The chat.
        chat: ChatId,
    },
    /// A stranger for which a chat's doorbell rang was silent for so long that it has left.
    StrangerLeft {
        /// The chat.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
        /// The device's address that was seen last.
        source: MacAddr,
        /// When it first came near.
        first: Timestamp,
        /// When it was seen last.
        last_seen: Timestamp,
        /// What happens to the alert.
        outcome: AlertOutcome,
    },
    /// A chat chose one of its settings. The terminal chooses for all chats that chose none.
    ChatSetting {
        /// The chat.
        chat: ChatId,
        /// The setting.
        setting: ChatSetting,
    },
    /// A chat mutes its alerts for a while.
    Mute {
        /// The chat.
        chat: ChatId,
        /// When the mute ends.
        until: Timestamp,
    },
    /// A chat ends its mute early; the reply reported how many alerts were held back.
    Unmute {
        /// The chat.
        chat: ChatId,
    },
    /// A message after the end of a mute reported how many alerts were held back.
    #[serde(rename = "mute_told")]
    MuteReported {
        /// The chat.
        chat: ChatId,
        /// The number that was reported.
        count: u64,
    },
    /// A chat gets no more alerts about a device.
    Ignore {
        /// The chat.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
        /// As in `Follow`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        members: Vec<DeviceKey>,
    },
    /// A chat gets alerts about a device again.
    Unignore {
        /// The chat.
        chat: ChatId,
        /// The device.
        #[serde(flatten)]
        device: DeviceKey,
    },
    /// An address gets a name.
    Name {
        /// The address.
        address: MacAddr,
        /// The name. Several addresses may share one: they are one device.
        name: String,
        /// Where the name comes from.
        by: NamedBy,
    },
    /// An address loses its name.
    Unname {
        /// The address.
        address: MacAddr,
        /// Where the name came from.
        by: NamedBy,
    },
    /// A person named or follows a phone, so it stays until nobody does. The event has the evidence: a later version that
    /// groups differently finds the phone by it.
    KeepPhone {
        /// The phone.
        phone: GroupId,
        /// Its name, if it has one.
        name: Option<String>,
        /// Whether a member gave it the name, and no owner.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        by_member: bool,
        /// Its model.
        model: ModelKey,
        /// Its latest addresses.
        addresses: Vec<MacAddr>,
        /// The networks that it looked for, as hex digits of their SSIDs.
        #[serde(with = "hex_list")]
        networks: Vec<Ssid>,
    },
    /// A person said that an address is not of the phone that it was grouped with. It and what is grouped with it later are
    /// never grouped with that phone again.
    SplitPhone {
        /// The phone that it is not of.
        phone: GroupId,
        /// The address.
        address: MacAddr,
        /// What else is known of the phone, so that a fold that groups differently finds it. An old event has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<PhoneEvidence>,
    },
    /// A chat that may not name devices asked for a change that the owners may accept.
    NameProposed {
        /// The chat.
        chat: ChatId,
        /// What they want.
        change: ProposedChange,
    },
    /// Telegram took the question about a proposal, at least for one owner.
    OwnersAsked {
        /// The offset of the proposal's event.
        proposal: Offset,
    },
    /// An owner answered a proposal.
    ProposalAnswered {
        /// The offset of the proposal's event.
        proposal: Offset,
        /// The owner.
        by: ChatId,
        /// Whether they accepted it; the change is an event of its own.
        accepted: bool,
    },
    /// How random addresses are grouped from here on.
    SetGrouping {
        /// The mode.
        mode: GroupingMode,
    },
    /// Telegram accepted an alert.
    Delivered {
        /// The offset of the event that raised the alert: a probe or a departure.
        probe: Offset,
        /// The chat that it went to.
        chat: ChatId,
        /// The message that shows it, if the message is edited later: that of a stranger's visit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<MessageId>,
    },
    /// Telegram will never accept an alert, so it left the outbox.
    Undeliverable {
        /// The offset of the event that raised the alert: a probe or a departure.
        probe: Offset,
        /// The chat that it was for.
        chat: ChatId,
        /// Why it cannot be delivered.
        reason: String,
    },
    /// A message reported to a chat how many alerts did not fit into the outbox, or that a flood has ended.
    #[serde(rename = "overflow_told")]
    OverflowReported {
        /// The chat.
        chat: ChatId,
        /// The number that was reported.
        count: u64,
        /// Since when the flood lasts of which the message told, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flood: Option<Timestamp>,
        /// The message, if it is edited later: while the flood lasts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<MessageId>,
    },
    /// An alert waited for Telegram for so long that it left the outbox and is only counted.
    AlertExpired {
        /// The offset of the event that raised the alert: a probe or a departure.
        probe: Offset,
        /// The chat that it was for.
        chat: ChatId,
    },
    /// The preceding change completed this Telegram update. A repeated update changes nothing.
    #[serde(rename = "answered")]
    UpdateHandled {
        /// Telegram's identifier of the update.
        update: u32,
    },
    /// A group became a supergroup, which has another identifier.
    ChatMigrated {
        /// The identifier until then.
        from: ChatId,
        /// The identifier from then on.
        to: ChatId,
    },
    /// A chat blocked or removed the bot, or is gone. It gets no alerts until it is back.
    ChatBlocked {
        /// The chat.
        chat: ChatId,
        /// How the bot learned of it.
        reason: String,
    },
    /// A chat that had blocked the bot is back: it wrote, or let the bot in.
    ChatUnblocked {
        /// The chat.
        chat: ChatId,
    },
    /// An invitation code was made. One chat may pair with it.
    Invited {
        /// The code's hash.
        code: CodeHash,
        /// What the chat may do once it is paired.
        role: Role,
        /// The code is valid until this time.
        expires: Timestamp,
        /// The owner who made it; `None` while nobody owns the bot. Of the codes with `None` only the newest is valid.
        by: Option<ChatId>,
    },
    /// A chat presented an invitation code; if the code is valid, the chat is paired.
    Paired {
        /// The chat.
        chat: ChatId,
        /// The code's hash.
        code: CodeHash,
        /// The title of the group, or the person's name.
        name: String,
    },
    /// A paired chat lost its access, and what it watched is forgotten.
    ChatRemoved {
        /// The chat.
        chat: ChatId,
        /// The owner who removed it.
        by: ChatId,
    },
    /// Addresses that were not seen for long leave the state.
    #[serde(rename = "forget")]
    Evict {
        /// Which kind of address leaves.
        addresses: EvictionScope,
        /// Those leave whose last probe was captured before this.
        #[serde(rename = "heard_before")]
        last_seen_before: Timestamp,
    },
    /// The log has lost `count` earlier events, of which the state keeps the effects. In their place may be a `Lost`, which the
    /// state does not fold.
    HistoryLost {
        /// How many events.
        count: u64,
    },
    /// A person stopped the deletion of old events and addresses, or allowed it again.
    KeepLog {
        /// Whether they are kept.
        keep: bool,
    },
    /// The time became another one at once: a time server or a person confirmed the machine's clock, or it became plausible.
    /// The event has the new time.
    ClockSet {
        /// The time until then.
        from: Timestamp,
        /// Since when the machine's clock was in doubt, by the earlier time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// Replaces `count` events lost to corruption, from this offset on. It has no time.
    Lost {
        /// How many offsets have no event any more.
        count: u64,
        /// What happened to them.
        why: String,
    },
    /// Replaces `count` probes of invented addresses that were left out of the log, from this offset on. It has no time.
    Omitted {
        /// How many offsets have no event any more.
        count: u64,
    },
    /// The log was too large, and probes of invented addresses were left out of it. Each run of them is an
    /// [`EventKind::Omitted`].
    Thinned {
        /// How many probes, and descriptions of their models.
        count: u64,
    },
}

/// Where a device's name comes from. A name from an owner's chat wins over one from the configuration, that over one from a
/// member, and that over an imported one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NamedBy {
    /// A person who may name devices used `/name`: an owner, or anybody before there were roles for names.
    Chat,
    /// A member used `/name`.
    Member,
    /// The `[devices]` table of the configuration.
    Config,
    /// A file of another program.
    Import,
    /// A DHCP lease, which expires. It and an imported name replace each other.
    Lease,
}

/// How random addresses are grouped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupingMode {
    /// Not at all: each address is a device.
    Off,
    /// By phone, while the phone is in range.
    #[default]
    InRange,
    /// By phone; one that returns is recognised by its model and a network that it alone ever looked for.
    Returns,
}

/// Which addresses [`EventKind::Evict`] removes. Named addresses stay, except random ones whose name is only imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvictionScope {
    /// Random ones.
    Random,
    /// All that are not kept by their names.
    Unnamed,
}

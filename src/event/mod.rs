//! What happened, in the order in which it happened. Everything that changes state is an [`Event`];
//! what a fold depends on (a reason, the decision about an alert) travels in the event.
//!
//! An event's JSON form is public: the log keeps it and `probewatch decode` prints it. A field that
//! the radio did not report is `null`. An SSID that is UTF-8 stands in `ssid`, any other as hex digits
//! in `ssid_hex`; in a probe, `""` is the wildcard and `null` a frame without an SSID element.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::dot11::{MacAddr, ProbeRequest, RequestedSsid, Signature, Ssid, hex, unhex};

mod alert;
mod json;
mod pairing;
mod pattern;
mod read;
mod timestamp;

pub use alert::{AlertDecision, DeviceKey, Fate, LeaveDecision};
pub use json::push_probe;
pub use pairing::{CodeHash, Role};
pub use pattern::Pattern;
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

/// A probe request as one sensor heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// When the frame was captured.
    pub time: Timestamp,
    /// The interface or file that it was heard on.
    pub sensor: Arc<str>,
    /// The address that it was sent from.
    pub source: MacAddr,
    /// The network that it asked for.
    pub ssid: RequestedSsid,
    /// The signal at the receiver in dBm.
    pub signal_dbm: Option<i8>,
    /// The centre frequency of the channel in MHz.
    pub frequency_mhz: Option<u16>,
    /// The frame's sequence number, 0 to 4095.
    pub sequence: u16,
    /// What names the frame's information elements.
    pub signature: Signature,
    /// What was decided about alerts when it was heard, a line or two for each chat that
    /// watches the SSID or follows the device.
    pub alerts: Vec<AlertDecision>,
}

impl Probe {
    /// The probe that a frame is, heard by this sensor at this time; no alert is decided about yet.
    pub fn heard(sensor: Arc<str>, time: Timestamp, frame: ProbeRequest<'_>) -> Self {
        Self {
            time,
            sensor,
            source: frame.source,
            ssid: frame.ssid,
            signal_dbm: frame.signal_dbm,
            frequency_mhz: frame.frequency_mhz,
            sequence: frame.sequence,
            signature: frame.signature,
            alerts: Vec::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ProbeForm<'a> {
    time: Timestamp,
    #[serde(borrow)]
    sensor: Cow<'a, str>,
    source: MacAddr,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    ssid: Option<Option<Cow<'a, str>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ssid_hex: Option<String>,
    signal_dbm: Option<i8>,
    frequency_mhz: Option<u16>,
    sequence: u16,
    signature: Signature,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    alerts: Cow<'a, [AlertDecision]>,
}

impl Serialize for Probe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (ssid, ssid_hex) = match &self.ssid {
            RequestedSsid::Absent => (Some(None), None),
            RequestedSsid::Wildcard => (Some(Some(Cow::Borrowed(""))), None),
            RequestedSsid::Named(ssid) => named_form(ssid),
        };
        ProbeForm {
            time: self.time,
            sensor: Cow::Borrowed(&self.sensor),
            source: self.source,
            ssid,
            ssid_hex,
            signal_dbm: self.signal_dbm,
            frequency_mhz: self.frequency_mhz,
            sequence: self.sequence,
            signature: self.signature,
            alerts: Cow::Borrowed(&self.alerts),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = ProbeForm::deserialize(deserializer)?;
        let ssid = match (form.ssid.flatten(), form.ssid_hex) {
            (None, None) => RequestedSsid::Absent,
            (Some(text), None) => RequestedSsid::from_element(text.as_bytes()),
            (None, Some(digits)) => RequestedSsid::Named(from_hex(&digits)?),
            (Some(_), Some(_)) => return Err(de::Error::custom("both `ssid` and `ssid_hex` are given")),
        };
        Ok(Self {
            time: form.time,
            sensor: Arc::from(form.sensor.as_ref()),
            source: form.source,
            ssid,
            signal_dbm: form.signal_dbm,
            frequency_mhz: form.frequency_mhz,
            sequence: form.sequence,
            signature: form.signature,
            alerts: form.alerts.into_owned(),
        })
    }
}

/// An SSID as the fields `ssid` or `ssid_hex`, of which the other is left out.
type SsidFields<'a> = (Option<Option<Cow<'a, str>>>, Option<String>);

fn named_form(ssid: &Ssid) -> SsidFields<'_> {
    match ssid.as_utf8() {
        Some(text) => (Some(Some(Cow::Borrowed(text))), None),
        None => (None, Some(ssid.to_hex())),
    }
}

fn from_hex<E: de::Error>(digits: &str) -> Result<Ssid, E> {
    unhex(digits)
        .map(|bytes| Ssid::new(&bytes))
        .ok_or_else(|| E::invalid_value(de::Unexpected::Str(digits), &"hex digits"))
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
    /// A file of another program.
    Import,
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

/// Which addresses [`Event::Forget`] is about. Those that have a name always stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgettable {
    /// Random ones.
    Random,
    /// All without a name.
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
            Self::Probe(probe) => Some(probe.time),
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

/// Bytes as a text of hex digits.
pub(crate) mod hex_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let digits = Cow::<str>::deserialize(deserializer)?;
        unhex(&digits).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&digits), &"hex digits"))
    }
}

/// An SSID as the field `ssid` or `ssid_hex` of the object that it is flattened into.
pub(crate) mod ssid_fields {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(ssid: &Ssid, serializer: S) -> Result<S::Ok, S::Error> {
        let (ssid, ssid_hex) = named_form(ssid);
        optional_ssid_fields::Form { ssid: ssid.flatten(), ssid_hex }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ssid, D::Error> {
        optional_ssid_fields::deserialize(deserializer)?
            .ok_or_else(|| de::Error::custom("one of `ssid` and `ssid_hex` is needed"))
    }
}

/// As [`ssid_fields`], with neither of the fields where there is no SSID.
pub(crate) mod optional_ssid_fields {
    use super::*;

    #[derive(Serialize, Deserialize)]
    pub(super) struct Form<'a> {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) ssid: Option<Cow<'a, str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub(super) ssid_hex: Option<String>,
    }

    pub(crate) fn serialize<S: Serializer>(ssid: &Option<Ssid>, serializer: S) -> Result<S::Ok, S::Error> {
        match ssid {
            Some(ssid) => ssid_fields::serialize(ssid, serializer),
            None => Form { ssid: None, ssid_hex: None }.serialize(serializer),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ssid>, D::Error> {
        match Form::deserialize(deserializer)? {
            Form { ssid: None, ssid_hex: None } => Ok(None),
            Form { ssid: Some(text), ssid_hex: None } => Ok(Some(Ssid::from(text.as_ref()))),
            Form { ssid: None, ssid_hex: Some(digits) } => from_hex(&digits).map(Some),
            _ => Err(de::Error::custom("both `ssid` and `ssid_hex` are given")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe() -> Probe {
        Probe {
            time: Timestamp::from_micros(1_587_229_467_123_456),
            sensor: Arc::from("mon0"),
            source: MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]),
            ssid: RequestedSsid::from_element(b"RNM0"),
            signal_dbm: Some(-42),
            frequency_mhz: Some(2437),
            sequence: 2743,
            signature: Signature::from_u64(0x9f1c_06d2_ab47_e310),
            alerts: Vec::new(),
        }
    }

    fn check(event: &Event, json: &str) {
        assert_eq!(serde_json::to_string(event).unwrap(), json);
        assert_eq!(&serde_json::from_str::<Event>(json).unwrap(), event);
    }

    #[test]
    fn a_probe_reads_as_the_design_says() {
        check(
            &Event::Probe(probe()),
            r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310"}"#,
        );
    }

    #[test]
    fn wildcard_absent_and_raw_ssids_are_told_apart() {
        for (ssid, field) in [
            (RequestedSsid::Wildcard, r#""ssid":"""#),
            (RequestedSsid::Absent, r#""ssid":null"#),
            (RequestedSsid::from_element(b"\xff\xfe\x00"), r#""ssid_hex":"fffe00""#),
            (RequestedSsid::from_element(b"a\"b\n"), r#""ssid":"a\"b\n""#),
        ] {
            let event = Event::Probe(Probe { ssid, signal_dbm: None, frequency_mhz: None, ..probe() });
            check(
                &event,
                &format!(
                    r#"{{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15",{field},"signal_dbm":null,"frequency_mhz":null,"sequence":2743,"signature":"9f1c06d2ab47e310"}}"#
                ),
            );
        }
    }

    #[test]
    fn changes_keep_every_field() {
        let time = Timestamp::from_micros(0);
        let chat = ChatId(-100_123);
        check(
            &Event::Probe(Probe {
                alerts: vec![
                    AlertDecision::Raise {
                        chat,
                        pattern: None,
                        reason: Some("the van".into()),
                        swallowed: 2,
                    },
                    AlertDecision::Swallow { chat },
                ],
                ..probe()
            }),
            r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","alerts":[{"decision":"raise","chat":-100123,"reason":"the van","swallowed":2},{"decision":"swallow","chat":-100123}]}"#,
        );
        check(
            &Event::Watch { time, chat, ssid: Ssid::new(b"\xff"), reason: None },
            r#"{"type":"watch","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"ssid_hex":"ff","reason":null}"#,
        );
        check(
            &Event::Name { time, address: probe().source, name: "Zoë".into(), by: NamedBy::Config },
            r#"{"type":"name","time":"1970-01-01T00:00:00.000000Z","address":"a4:83:e7:4e:39:15","name":"Zoë","by":"config"}"#,
        );
        check(
            &Event::Probe(Probe {
                alerts: vec![
                    AlertDecision::Raise {
                        chat,
                        pattern: Some(Pattern::new("RNM*")),
                        reason: None,
                        swallowed: 0,
                    },
                    AlertDecision::Arrive { chat, silent_seconds: Some(960), fate: Fate::Raise },
                    AlertDecision::Mute { chat },
                ],
                ..probe()
            }),
            r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","alerts":[{"decision":"raise","chat":-100123,"pattern":"RNM*","reason":null,"swallowed":0},{"decision":"arrive","chat":-100123,"silent_seconds":960,"fate":"raise"},{"decision":"mute","chat":-100123}]}"#,
        );
        check(
            &Event::WatchPattern { time, chat, pattern: Pattern::new(r"Dep*\*"), reason: None },
            r#"{"type":"watch_pattern","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"pattern":"Dep*\\*","reason":null}"#,
        );
        check(
            &Event::Follow { time, chat, device: DeviceKey::Address(probe().source), silence_seconds: 900 },
            r#"{"type":"follow","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"address":"a4:83:e7:4e:39:15","silence_seconds":900}"#,
        );
        check(
            &Event::Left {
                time,
                chat,
                device: DeviceKey::Address(probe().source),
                source: probe().source,
                last_heard: time,
                alerts: Vec::new(),
            },
            r#"{"type":"left","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"address":"a4:83:e7:4e:39:15","source":"a4:83:e7:4e:39:15","last_heard":"1970-01-01T00:00:00.000000Z","alerts":[]}"#,
        );
        check(
            &Event::Left {
                time,
                chat,
                device: DeviceKey::Name("zoë".into()),
                source: probe().source,
                last_heard: time,
                alerts: vec![LeaveDecision { chat, fate: Fate::Mute }],
            },
            r#"{"type":"left","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"name":"zoë","source":"a4:83:e7:4e:39:15","last_heard":"1970-01-01T00:00:00.000000Z","alerts":[{"chat":-100123,"fate":"mute"}]}"#,
        );
        check(
            &Event::Signature { signature: probe().signature, elements: vec![0, 1, 255] },
            r#"{"type":"signature","signature":"9f1c06d2ab47e310","elements":"0001ff"}"#,
        );
    }
}

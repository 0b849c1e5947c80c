//! A row of the state in its open form, which does not depend on how rows are packed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::alerts::{Alert, Presence, WatchMatch};
use super::super::allowance::LatestAlerts;
use super::super::chat_settings::ChatSettings;
use super::super::chats::{Block as ChatBlock, Invitation, Pairing};
use super::super::cooldowns::Cooldown;
use super::super::device::{Device, Signal};
use super::super::doorbells::{Doorbell, DoorbellVisitor};
use super::super::floods::{FloodMessage, FloodWatch};
use super::super::follows::Follow;
use super::super::grouping::{Block, Group, Model, Requester};
use super::super::habits::{Habit, Learning};
use super::super::hour_histogram::HourHistogram;
use super::super::mutes::{Ignored, Mute};
use super::super::names::AddressName;
use super::super::networks::Network;
use super::super::overflow::Overflow;
use super::super::proposals::Proposal;
use super::super::subscriptions::Subscription;
use super::super::table::{PackedRow, kind};
use super::super::totals::Totals;
use super::super::watches::Watch;
use crate::event::{
    ChatId, CodeHash, DeviceKey, EvictionScope, GroupId, GroupingMode, Offset, Pattern, Timestamp, hex_bytes,
    optional_ssid_fields, ssid_fields,
};
use dot11::{DeviceInfo, MacAddr, ModelKey, ShortSsid, Signature, Ssid, measured_dbm};

/// A line of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub(in crate::state) enum SnapshotRow {
    Totals(Totals),
    Forgetting {
        addresses: EvictionScope,
        #[serde(rename = "heard_before")]
        last_seen_before: Timestamp,
    },
    Device {
        address: MacAddr,
        #[serde(flatten)]
        statistics: DeviceJson,
    },
    Network {
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
        #[serde(flatten)]
        network: Network,
    },
    Name {
        address: MacAddr,
        #[serde(flatten)]
        name: AddressName,
    },
    Proposal {
        proposal: Offset,
        #[serde(flatten)]
        proposed: Proposal,
    },
    Watch {
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
        chat: ChatId,
        #[serde(flatten)]
        watch: Watch,
    },
    Pattern {
        pattern: Pattern,
        chat: ChatId,
        #[serde(flatten)]
        watch: Watch,
    },
    Follow {
        #[serde(flatten)]
        device: DeviceKey,
        chat: ChatId,
        /// Formats up to 3 have none.
        #[serde(default)]
        members: BTreeSet<DeviceKey>,
        #[serde(flatten)]
        follow: Follow,
    },
    ChatSettings {
        chat: ChatId,
        #[serde(flatten)]
        settings: ChatSettings,
    },
    Mute {
        chat: ChatId,
        #[serde(flatten)]
        mute: Mute,
    },
    Ignored {
        #[serde(flatten)]
        device: DeviceKey,
        chat: ChatId,
        /// Formats up to 3 have none.
        #[serde(default)]
        members: BTreeSet<DeviceKey>,
        #[serde(flatten)]
        ignored: Ignored,
    },
    Alert {
        chat: ChatId,
        probe: Offset,
        #[serde(flatten)]
        alert: AlertJson,
    },
    Overflow {
        chat: ChatId,
        #[serde(flatten)]
        overflow: Overflow,
    },
    Cooldown {
        chat: ChatId,
        #[serde(flatten, with = "ssid_fields")]
        ssid: Ssid,
        #[serde(flatten)]
        device: DeviceKey,
        #[serde(flatten)]
        cooldown: Cooldown,
    },
    LatestAlerts {
        chat: ChatId,
        #[serde(flatten)]
        latest: LatestAlerts,
    },
    Migrated {
        from: ChatId,
        to: ChatId,
    },
    Answered {
        event: Offset,
        update: u32,
    },
    Invitation {
        code: CodeHash,
        #[serde(flatten)]
        invitation: Invitation,
    },
    Paired {
        chat: ChatId,
        #[serde(flatten)]
        pairing: Pairing,
    },
    Blocked {
        chat: ChatId,
        #[serde(flatten)]
        block: ChatBlock,
    },
    Signature {
        signature: Signature,
        #[serde(with = "hex_bytes")]
        elements: Vec<u8>,
    },
    Group {
        group: GroupId,
        #[serde(flatten)]
        addresses: Group,
    },
    Model {
        model: ModelKey,
        #[serde(flatten)]
        behaviour: Model,
    },
    Requester {
        #[serde(flatten, with = "ssid_fields")]
        of: Ssid,
        requester: Requester,
    },
    ForgottenNetworks {
        block: u16,
        bits: Block,
    },
    Split {
        address: MacAddr,
        phone: GroupId,
        time: Timestamp,
    },
    Grouping {
        mode: GroupingMode,
    },
    Habit {
        model: ModelKey,
        #[serde(flatten)]
        habit: Habit,
    },
    Learning(Learning),
    Doorbell {
        chat: ChatId,
        #[serde(flatten)]
        doorbell: Doorbell,
    },
    Visitor {
        chat: ChatId,
        #[serde(flatten)]
        device: DeviceKey,
        visitor: DoorbellVisitor,
    },
    Flood(FloodWatch),
    FloodMessage {
        chat: ChatId,
        message: FloodMessage,
    },
    DeviceInfo {
        address: MacAddr,
        time: Timestamp,
        device_info: DeviceInfo,
    },
}

/// The statistics of a device in snapshots and in `probewatch export`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceJson {
    probe_count: u64,
    wildcard_count: u64,
    /// Formats up to 4 counted these among the SSIDs.
    #[serde(default, skip_serializing_if = "is_zero")]
    hidden_count: u64,
    first_probe: Timestamp,
    last_probe: Timestamp,
    signal: Option<Signal>,
    /// Formats 1 and 2 have none.
    #[serde(default)]
    signature: Option<Signature>,
    ssids: Vec<SsidCountJson>,
    probes_for_further_ssids: u64,
    /// Pairs of an hour of the day in UTC and its number of probes; format 1 has none.
    #[serde(default)]
    probes_by_hour: HourHistogram,
    /// Formats up to 4 have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    short_ssids: Vec<(ShortSsid, u64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SsidCountJson {
    #[serde(flatten, with = "ssid_fields")]
    ssid: Ssid,
    count: u64,
}

/// An alert. The fields of a [`WatchMatch`] are inline, as they were before there were other alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::state) struct AlertJson {
    time: Timestamp,
    source: MacAddr,
    #[serde(flatten, with = "optional_ssid_fields")]
    ssid: Option<Ssid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pattern: Option<Pattern>,
    reason: Option<String>,
    #[serde(rename = "swallowed")]
    suppressed: u64,
    signal_dbm: Option<i8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    presence: Option<Presence>,
    #[serde(default)]
    is_known: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_short: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    more_matches: Vec<WatchMatch>,
}

impl SnapshotRow {
    /// The address of a device's packed row.
    pub(super) fn address_in(packed: &PackedRow<'_>) -> Option<MacAddr> {
        postcard::from_bytes(packed.key).ok()
    }

    /// Unpacks a row of any [`kind`].
    pub(in crate::state) fn unpack(packed: &PackedRow<'_>) -> Result<Self, postcard::Error> {
        let key = packed.key;
        let bytes = packed.row.ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        Ok(match packed.kind {
            kind::DEVICE => {
                let device: Device = postcard::from_bytes(bytes)?;
                Self::Device { address: postcard::from_bytes(key)?, statistics: device.into() }
            }
            kind::NETWORK => {
                Self::Network { ssid: postcard::from_bytes(key)?, network: postcard::from_bytes(bytes)? }
            }
            kind::NAME => {
                Self::Name { address: postcard::from_bytes(key)?, name: postcard::from_bytes(bytes)? }
            }
            kind::PROPOSAL => Self::Proposal {
                proposal: postcard::from_bytes(key)?,
                proposed: postcard::from_bytes(bytes)?,
            },
            kind::WATCH => {
                let (ssid, chat) = postcard::from_bytes(key)?;
                Self::Watch { ssid, chat, watch: postcard::from_bytes(bytes)? }
            }
            kind::PATTERN => {
                let (pattern, chat) = postcard::from_bytes(key)?;
                Self::Pattern { pattern, chat, watch: postcard::from_bytes(bytes)? }
            }
            kind::FOLLOW => {
                let (device, chat) = postcard::from_bytes(key)?;
                let Subscription { members, value: follow } = postcard::from_bytes(bytes)?;
                Self::Follow { device, chat, members, follow }
            }
            kind::CHAT_SETTINGS => Self::ChatSettings {
                chat: postcard::from_bytes(key)?,
                settings: postcard::from_bytes(bytes)?,
            },
            kind::MUTE => Self::Mute { chat: postcard::from_bytes(key)?, mute: postcard::from_bytes(bytes)? },
            kind::IGNORED => {
                let (device, chat) = postcard::from_bytes(key)?;
                let Subscription { members, value: ignored } = postcard::from_bytes(bytes)?;
                Self::Ignored { device, chat, members, ignored }
            }
            kind::ALERT => {
                let (chat, probe) = postcard::from_bytes(key)?;
                let alert: Alert = postcard::from_bytes(bytes)?;
                Self::Alert { chat, probe, alert: alert.into() }
            }
            kind::OVERFLOW => {
                Self::Overflow { chat: postcard::from_bytes(key)?, overflow: postcard::from_bytes(bytes)? }
            }
            kind::COOLDOWN => {
                let (chat, ssid, device) = postcard::from_bytes(key)?;
                Self::Cooldown { chat, ssid, device, cooldown: postcard::from_bytes(bytes)? }
            }
            kind::LATEST_ALERTS => {
                Self::LatestAlerts { chat: postcard::from_bytes(key)?, latest: postcard::from_bytes(bytes)? }
            }
            kind::MIGRATED => {
                Self::Migrated { from: postcard::from_bytes(key)?, to: postcard::from_bytes(bytes)? }
            }
            kind::HANDLED_UPDATE => {
                Self::Answered { event: postcard::from_bytes(key)?, update: postcard::from_bytes(bytes)? }
            }
            kind::INVITATION => Self::Invitation {
                code: postcard::from_bytes(key)?,
                invitation: postcard::from_bytes(bytes)?,
            },
            kind::PAIRED => {
                Self::Paired { chat: postcard::from_bytes(key)?, pairing: postcard::from_bytes(bytes)? }
            }
            kind::BLOCKED => {
                Self::Blocked { chat: postcard::from_bytes(key)?, block: postcard::from_bytes(bytes)? }
            }
            kind::SIGNATURE => Self::Signature {
                signature: postcard::from_bytes(key)?,
                elements: postcard::from_bytes(bytes)?,
            },
            kind::GROUP => {
                Self::Group { group: postcard::from_bytes(key)?, addresses: postcard::from_bytes(bytes)? }
            }
            kind::MODEL => {
                Self::Model { model: postcard::from_bytes(key)?, behaviour: postcard::from_bytes(bytes)? }
            }
            kind::REQUESTER => {
                Self::Requester { of: postcard::from_bytes(key)?, requester: postcard::from_bytes(bytes)? }
            }
            kind::FORGOTTEN_NETWORKS => Self::ForgottenNetworks {
                block: postcard::from_bytes(key)?,
                bits: postcard::from_bytes(bytes)?,
            },
            kind::SPLIT => {
                let (address, phone) = postcard::from_bytes(key)?;
                Self::Split { address, phone, time: postcard::from_bytes(bytes)? }
            }
            kind::DEVICE_INFO => {
                let (time, device_info) = postcard::from_bytes(bytes)?;
                Self::DeviceInfo { address: postcard::from_bytes(key)?, time, device_info }
            }
            kind::GROUPING_MODE => Self::Grouping { mode: postcard::from_bytes(bytes)? },
            kind::HABIT => {
                Self::Habit { model: postcard::from_bytes(key)?, habit: postcard::from_bytes(bytes)? }
            }
            kind::FLOOD => Self::Flood(postcard::from_bytes(bytes)?),
            kind::FLOOD_MESSAGE => {
                Self::FloodMessage { chat: postcard::from_bytes(key)?, message: postcard::from_bytes(bytes)? }
            }
            kind::LEARNING => Self::Learning(postcard::from_bytes(bytes)?),
            kind::DOORBELL => {
                Self::Doorbell { chat: postcard::from_bytes(key)?, doorbell: postcard::from_bytes(bytes)? }
            }
            kind::VISITOR => {
                let (chat, device) = postcard::from_bytes(key)?;
                Self::Visitor { chat, device, visitor: postcard::from_bytes(bytes)? }
            }
            _ => return Err(postcard::Error::DeserializeBadEncoding),
        })
    }

    /// A description of what the row is about.
    pub(in crate::state) fn subject(&self) -> String {
        match self {
            Self::Totals(_) => "totals".to_owned(),
            Self::Forgetting { .. } => "addresses to forget".to_owned(),
            Self::Device { address, .. } => format!("device {address}"),
            Self::Network { ssid, .. } => format!("network \"{ssid}\""),
            Self::Name { address, .. } => format!("name of {address}"),
            Self::Proposal { proposal, .. } => format!("proposal of event {proposal}"),
            Self::Watch { ssid, chat, .. } => format!("watch of chat {} on \"{ssid}\"", chat.0),
            Self::Alert { chat, probe, .. } => format!("alert of event {probe} for chat {}", chat.0),
            Self::Overflow { chat, .. } => format!("overflow of chat {}", chat.0),
            Self::Pattern { pattern, chat, .. } => format!("watch of chat {} on {pattern:?}", chat.0),
            Self::Follow { device, chat, .. } => format!("follow of chat {} on {}", chat.0, describe(device)),
            Self::ChatSettings { chat, .. } => format!("settings of chat {}", chat.0),
            Self::Mute { chat, .. } => format!("mute of chat {}", chat.0),
            Self::Ignored { device, chat, .. } => {
                format!("{}, which chat {} ignores", describe(device), chat.0)
            }
            Self::Cooldown { chat, ssid, device, .. } => {
                format!("cool-down of chat {} for \"{ssid}\" by {}", chat.0, describe(device))
            }
            Self::LatestAlerts { chat, .. } => format!("latest alerts of chat {}", chat.0),
            Self::Migrated { from, .. } => format!("what chat {} became", from.0),
            Self::Answered { event, .. } => format!("update of event {event}"),
            Self::Invitation { code, .. } => format!("code {code:?}"),
            Self::Paired { chat, .. } => format!("chat {}", chat.0),
            Self::Blocked { chat, .. } => format!("block of chat {}", chat.0),
            Self::Signature { signature, .. } => format!("signature {signature}"),
            Self::Group { group, .. } => format!("phone {group}"),
            Self::Model { model, .. } => format!("model {model}"),
            Self::Requester { of, .. } => format!("requester of \"{of}\""),
            Self::ForgottenNetworks { block, .. } => format!("forgotten networks, block {block}"),
            Self::Split { address, phone, .. } => format!("{address}, which is not of phone {phone}"),
            Self::DeviceInfo { address, .. } => format!("what {address} says about itself"),
            Self::Grouping { .. } => "grouping".to_owned(),
            Self::Habit { model, .. } => format!("habit of model {model}"),
            Self::Flood(_) => "latest flood".to_owned(),
            Self::FloodMessage { chat, .. } => format!("message about a flood to chat {}", chat.0),
            Self::Learning(_) => "start of learning".to_owned(),
            Self::Doorbell { chat, .. } => format!("doorbell of chat {}", chat.0),
            Self::Visitor { chat, device, .. } => {
                format!("{} near the doorbell of chat {}", describe(device), chat.0)
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<Device> for DeviceJson {
    fn from(device: Device) -> Self {
        let Device {
            probe_count,
            wildcard_count,
            hidden_count,
            first_probe,
            last_probe,
            signal,
            signature,
            ssids,
            probes_for_further_ssids,
            hours: probes_by_hour,
            short_ssids,
        } = device;
        let ssids = ssids.into_iter().map(|(ssid, count)| SsidCountJson { ssid, count }).collect();
        Self {
            probe_count,
            wildcard_count,
            hidden_count,
            first_probe,
            last_probe,
            signal,
            signature,
            ssids,
            probes_for_further_ssids,
            probes_by_hour,
            short_ssids,
        }
    }
}

impl TryFrom<DeviceJson> for Device {
    type Error = &'static str;

    fn try_from(form: DeviceJson) -> Result<Self, Self::Error> {
        let DeviceJson {
            probe_count,
            wildcard_count,
            hidden_count,
            first_probe,
            last_probe,
            signal,
            signature,
            ssids,
            probes_for_further_ssids,
            probes_by_hour: hours,
            short_ssids,
        } = form;
        let mut ssids: Vec<(Ssid, u64)> =
            ssids.into_iter().map(|SsidCountJson { ssid, count }| (ssid, count)).collect();
        if !ssids.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err("its SSIDs are not in order, each once");
        }
        if !short_ssids.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err("its Short SSIDs are not in order, each once");
        }
        let of_hidden = ssids.iter().filter(|(ssid, _)| ssid.is_hidden()).map(|(_, count)| *count);
        let hidden_count = of_hidden.fold(hidden_count, u64::saturating_add);
        ssids.retain(|(ssid, _)| !ssid.is_hidden());
        Ok(Self {
            probe_count,
            wildcard_count,
            hidden_count,
            first_probe,
            last_probe,
            signal: signal.and_then(Signal::measured),
            signature,
            ssids,
            probes_for_further_ssids,
            hours,
            short_ssids,
        })
    }
}

fn describe(device: &DeviceKey) -> String {
    match device {
        DeviceKey::Name(name) => format!("{name:?}"),
        DeviceKey::Address(address) => address.to_string(),
        DeviceKey::Phone(phone) => format!("phone {phone}"),
    }
}

impl From<Alert> for AlertJson {
    fn from(alert: Alert) -> Self {
        let Alert { time, source, signal_dbm, watch_match, more_matches, presence, is_known } = alert;
        let (ssid, pattern, reason, suppressed, is_short) = match watch_match {
            Some(WatchMatch { ssid, pattern, reason, suppressed, is_short }) => {
                (Some(ssid), pattern, reason, suppressed, is_short)
            }
            None => (None, None, None, 0, false),
        };
        Self {
            time,
            source,
            ssid,
            pattern,
            reason,
            suppressed,
            signal_dbm,
            presence,
            is_known,
            is_short,
            more_matches,
        }
    }
}

impl From<AlertJson> for Alert {
    fn from(form: AlertJson) -> Self {
        let AlertJson { time, source, signal_dbm, presence, is_known, more_matches, .. } = form;
        let AlertJson { ssid, pattern, reason, suppressed, is_short, .. } = form;
        let watch_match = ssid.map(|ssid| WatchMatch { ssid, pattern, reason, suppressed, is_short });
        let signal_dbm = signal_dbm.and_then(measured_dbm);
        Self { time, source, signal_dbm, watch_match, more_matches, presence, is_known }
    }
}

//! Alerts: the outbox of those that Telegram has not taken yet, the cool-downs, and the overflow.
//!
//! - The recorder decides once which chats get an alert ([`decide`](super::decide)). The decisions travel in the
//!   event; [`Alerts::fold`] repeats them.
//! - What a chat gets in a minute of capture time, and what waits for it, is bounded ([`allowance`](super::allowance)).
//!   Alerts beyond that, and those that waited too long, are only counted: they go into the chat's [`Overflow`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::allowance::{LatestAlerts, OUTBOX_LIMIT, WAITING, count};
use super::cooldowns::{Cooldown, CooldownKey, Cooldowns};
use super::dirty_map::DirtyMap;
use super::overflow::Overflow;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, GroupId, Offset, Pattern, Probe, StrangerReason,
    Timestamp,
};
use dot11::{MacAddr, Ssid};

/// Watched networks of one frame that one alert is about. Further ones have an alert with a later frame.
pub const MATCHES_PER_ALERT: usize = 16;

/// Alerts that [`Alerts::expired`] returns at a time.
const MAX_EXPIRED: usize = 1_000;

/// An alert that waits in the outbox: a device looked for a watched network, a followed device arrived or left,
/// or a watch match and an arrival at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// When the probe was captured, or when the device was found to have left.
    pub time: Timestamp,
    /// The address that sent the probe, or the device's last.
    pub source: MacAddr,
    /// The probe's signal in dBm.
    pub signal_dbm: Option<i8>,
    /// The watched network that the device looked for.
    pub watch_match: Option<WatchMatch>,
    /// Further ones that the same frame asks for, at most [`MATCHES_PER_ALERT`] with the first.
    pub more_matches: Vec<WatchMatch>,
    /// What a followed device did.
    pub presence: Option<Presence>,
    /// Whether the device was known when the alert was raised: it had a name, or the chat followed it.
    pub is_known: bool,
}

/// A watched network that a device looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchMatch {
    /// The network.
    pub ssid: Ssid,
    /// The pattern that matched, unless the SSID itself is watched.
    pub pattern: Option<Pattern>,
    /// Why it is watched.
    pub reason: Option<String>,
    /// Alerts that the cool-down has suppressed since the last one.
    pub suppressed: u64,
    /// Whether the frame has only the network's Short SSID: it may be for another network with the same.
    pub is_short: bool,
}

/// What a followed device did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is back.
    Arrived {
        /// How long it was silent; `None` if this is its first probe.
        silent_seconds: Option<u64>,
    },
    /// It has gone.
    Left {
        /// When its last probe was captured.
        #[serde(rename = "last_heard")]
        last_seen: Timestamp,
    },
    /// A stranger stays near.
    Stranger {
        /// The phone, if it uses random addresses.
        phone: Option<GroupId>,
        /// Why it is a stranger.
        reason: StrangerReason,
        /// Since when it is near.
        near_since: Timestamp,
    },
    /// A stranger is still here. No alert waits for this: it edits the message of one.
    StrangerStays {
        /// The phone, if it uses random addresses.
        phone: Option<GroupId>,
        /// Why it is a stranger.
        reason: StrangerReason,
        /// Since when it was near.
        near_since: Timestamp,
        /// Its strongest signal, in dBm.
        strongest_dbm: Option<i8>,
    },
    /// A stranger that was near has gone.
    StrangerLeft {
        /// The phone, if it uses random addresses.
        phone: Option<GroupId>,
        /// When it first came near.
        first: Timestamp,
        /// When its last probe was captured.
        #[serde(rename = "last_heard")]
        last_seen: Timestamp,
        /// The rest of what the doorbell knew, unless it has forgotten the visitor.
        visit: Option<EndedVisit>,
    },
}

/// A visit that has ended, and its alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedVisit {
    /// The event that raised the alert.
    pub offset: Offset,
    /// Why the device is a stranger.
    pub reason: StrangerReason,
    /// Since when it was near.
    pub near_since: Timestamp,
    /// Its strongest signal, in dBm.
    #[serde(alias = "closest_dbm")]
    pub strongest_dbm: Option<i8>,
}

impl Alert {
    /// An alert about a device, with no presence or match set yet.
    pub(super) fn of_device(time: Timestamp, source: MacAddr, signal_dbm: Option<i8>) -> Self {
        Self {
            time,
            source,
            signal_dbm,
            watch_match: None,
            more_matches: Vec::new(),
            presence: None,
            is_known: false,
        }
    }

    /// The watched networks that the device looked for.
    pub fn matches(&self) -> impl Iterator<Item = &WatchMatch> {
        self.watch_match.iter().chain(&self.more_matches)
    }

    /// The event that raised the alert about the stranger's visit that this is about; `offset` is its own event.
    pub fn visit(&self, offset: Offset) -> Option<Offset> {
        match &self.presence {
            Some(Presence::Stranger { .. }) if self.watch_match.is_none() => Some(offset),
            Some(Presence::StrangerLeft { visit, .. }) => Some(visit.as_ref()?.offset),
            _ => None,
        }
    }
}

/// The alerts' part of the state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    pub(super) outbox: DirtyMap<(ChatId, Offset), Alert>,
    pub(super) overflow: DirtyMap<ChatId, Overflow>,
    pub(super) cooldowns: Cooldowns,
    pub(super) latest: DirtyMap<ChatId, LatestAlerts>,
}

impl Alerts {
    /// The chat's cool-down for this network and device, if it is remembered.
    pub(super) fn cooldown(&self, chat: ChatId, ssid: &Ssid, device: &DeviceKey) -> Option<&Cooldown> {
        self.cooldowns.get(&(chat, ssid.clone(), device.clone()))
    }

    /// Whether the chat may get one more alert at `time`: about this known device, or about another one. `device_of` gives
    /// the device of an address.
    pub(super) fn has_room(
        &self,
        chat: ChatId,
        known: Option<&DeviceKey>,
        time: Timestamp,
        device_of: impl Fn(MacAddr) -> DeviceKey,
    ) -> bool {
        if !self.latest.get(&chat).is_none_or(|latest| latest.has_room(known, time)) {
            return false;
        }
        let waiting = self.waiting_for(chat).filter(|(_, alert)| alert.is_known == known.is_some());
        match known {
            None => waiting.count() < OUTBOX_LIMIT,
            Some(device) => {
                let (used, of_device) = count(waiting.map(|(_, alert)| device_of(alert.source) == *device));
                WAITING.has_room(used, of_device)
            }
        }
    }

    /// Repeats the decisions about the probe at `offset`. `is_known` says for which chats its device is known.
    pub(super) fn fold(
        &mut self,
        offset: Offset,
        probe: &Probe,
        device: &DeviceKey,
        is_known: impl Fn(ChatId) -> bool,
    ) {
        let known = |chat: ChatId| is_known(chat).then_some(device);
        let alert = || Alert::of_device(probe.time, probe.source, probe.signal_dbm);
        for decision in &probe.alerts {
            match (decision, probe.ssid.named()) {
                (AlertDecision::Arrive { chat, silent_seconds, outcome }, _) => {
                    let presence = Some(Presence::Arrived { silent_seconds: *silent_seconds });
                    let alert = Alert { presence, ..alert() };
                    self.apply_outcome(*chat, *outcome, offset, alert, known(*chat));
                }
                (AlertDecision::Ring { chat, reason, near_since, outcome }, _) => {
                    let (phone, reason, near_since) = (device.phone(), *reason, *near_since);
                    let presence = Some(Presence::Stranger { phone, reason, near_since });
                    let alert = Alert { presence, ..alert() };
                    self.apply_outcome(*chat, *outcome, offset, alert, known(*chat));
                }
                (AlertDecision::Listed { ssid, is_short, decision }, _) => {
                    self.fold_watch_match((offset, alert()), (ssid, *is_short), decision, device, &is_known);
                }
                (decision, Some(ssid)) => {
                    self.fold_watch_match((offset, alert()), (ssid, false), decision, device, &is_known);
                }
                // Without an SSID no decision can be about a watched network.
                (_, None) => {}
            }
        }
    }

    fn fold_watch_match(
        &mut self,
        (offset, alert): (Offset, Alert),
        (ssid, is_short): (&Ssid, bool),
        decision: &AlertDecision,
        device: &DeviceKey,
        is_known: impl Fn(ChatId) -> bool,
    ) {
        let known = |chat: ChatId| is_known(chat).then_some(device);
        let time = alert.time;
        let key = |chat: &ChatId| -> CooldownKey { (*chat, ssid.clone(), device.clone()) };
        match decision {
            AlertDecision::Raise { chat, pattern, reason, suppressed } => {
                let watch_match = Some(WatchMatch {
                    ssid: ssid.clone(),
                    pattern: pattern.clone(),
                    reason: reason.clone(),
                    suppressed: *suppressed,
                    is_short,
                });
                self.raise(*chat, offset, Alert { watch_match, ..alert }, known(*chat));
                self.cooldowns.start(key(chat), time);
            }
            AlertDecision::Suppress { chat } => self.cooldowns.suppress(&key(chat)),
            AlertDecision::Overflow { chat } => {
                self.overflow.entry(*chat).add(
                    time,
                    Some(ssid),
                    known(*chat).map(|device| (device, alert.source)),
                );
                self.cooldowns.note_counted(key(chat), time);
            }
            AlertDecision::Mute { chat } => self.cooldowns.note_counted(key(chat), time),
            AlertDecision::Arrive { .. } | AlertDecision::Ring { .. } | AlertDecision::Listed { .. } => {}
        }
    }

    /// Repeats the decision about an alert that is about no network; `known` is its device if it is known.
    pub(super) fn apply_outcome(
        &mut self,
        chat: ChatId,
        outcome: AlertOutcome,
        offset: Offset,
        alert: Alert,
        known: Option<&DeviceKey>,
    ) {
        match outcome {
            AlertOutcome::Raise => self.raise(chat, offset, alert, known),
            AlertOutcome::Overflow => {
                self.overflow.entry(chat).add(alert.time, None, known.map(|device| (device, alert.source)));
            }
            AlertOutcome::Mute | AlertOutcome::Skip => {}
        }
    }

    /// Puts an alert into the outbox. A chat gets one alert for each probe, however many reasons there are.
    fn raise(&mut self, chat: ChatId, offset: Offset, alert: Alert, known: Option<&DeviceKey>) {
        if let Some(there) = self.outbox.get_mut(&(chat, offset)) {
            match (&there.watch_match, alert.watch_match) {
                (None, first) => there.watch_match = first,
                (Some(_), Some(further)) if there.more_matches.len() + 1 < MATCHES_PER_ALERT => {
                    there.more_matches.push(further);
                }
                (Some(_), _) => {}
            }
            there.presence = there.presence.take().or(alert.presence);
            return;
        }
        self.latest.entry(chat).add(known, alert.time);
        self.outbox.insert((chat, offset), Alert { is_known: known.is_some(), ..alert });
    }

    /// Corrects what waits about the visit whose alert the event at `visit` raised.
    pub(super) fn correct_visit(&mut self, chat: ChatId, visit: Offset, correct: impl Fn(&mut Alert)) {
        let about = self.waiting_for(chat).filter(|(offset, alert)| alert.visit(*offset) == Some(visit));
        for offset in about.map(|(offset, _)| offset).collect::<Vec<_>>() {
            let alert = self.outbox.get_mut(&(chat, offset));
            alert.into_iter().for_each(&correct);
        }
    }

    /// Gives everything of the chat `from` to `to`, as if it had always been that chat's.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        let waiting: Vec<Offset> = self.waiting_for(from).map(|(offset, _)| offset).collect();
        for offset in waiting {
            if let Some(alert) = self.outbox.remove(&(from, offset)) {
                self.outbox.insert((to, offset), alert);
            }
        }
        if let Some(overflow) = self.overflow.remove(&from) {
            self.overflow.entry(to).merge(overflow);
        }
        if let Some(moving) = self.latest.remove(&from) {
            self.latest.entry(to).merge(moving);
        }
        self.cooldowns.migrate(from, to);
    }

    /// Removes everything of this chat.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        let waiting: Vec<Offset> = self.waiting_for(chat).map(|(offset, _)| offset).collect();
        waiting.into_iter().for_each(|offset| drop(self.remove(chat, offset)));
        self.overflow.remove(&chat);
        self.latest.remove(&chat);
        self.cooldowns.remove_chat(chat);
    }

    /// Removes an alert that Telegram has taken or refused for good.
    pub(super) fn remove(&mut self, chat: ChatId, probe: Offset) -> Option<Alert> {
        self.outbox.remove(&(chat, probe))
    }

    /// Whether the alert that this event raised waits for the chat.
    pub(super) fn is_waiting(&self, chat: ChatId, probe: Offset) -> bool {
        self.outbox.get(&(chat, probe)).is_some()
    }

    /// Records that `count` alerts of the overflow were reported to the chat, and returns these.
    pub(super) fn overflow_reported(&mut self, chat: ChatId, count: u64) -> Overflow {
        let reported = self.overflow(chat).map(|overflow| overflow.reported(count));
        match self.overflow(chat).and_then(|overflow| overflow.after_reporting(count)) {
            Some(left) => self.overflow.insert(chat, left),
            None => drop(self.overflow.remove(&chat)),
        }
        reported.unwrap_or_default()
    }

    /// Moves an alert that waited too long into the overflow. `device_of` gives the device of an address.
    pub(super) fn expire(
        &mut self,
        chat: ChatId,
        probe: Offset,
        device_of: impl FnOnce(MacAddr) -> DeviceKey,
    ) {
        let Some((alert, device)) = self.give_up(chat, probe, device_of) else { return };
        let ssid = alert.watch_match.as_ref().map(|watch_match| &watch_match.ssid);
        self.overflow.entry(chat).add(alert.time, ssid, alert.is_known.then_some((&device, alert.source)));
    }

    /// Removes an alert that nobody gets, so that it starts no cool-down, and returns it with its device.
    pub(super) fn give_up(
        &mut self,
        chat: ChatId,
        probe: Offset,
        device_of: impl FnOnce(MacAddr) -> DeviceKey,
    ) -> Option<(Alert, DeviceKey)> {
        let alert = self.outbox.remove(&(chat, probe))?;
        let device = device_of(alert.source);
        for watch_match in alert.matches() {
            self.cooldowns.not_sent(&(chat, watch_match.ssid.clone(), device.clone()), alert.time);
        }
        Some((alert, device))
    }

    /// What is known of the device `before` holds for `now`: an address was renamed.
    pub(super) fn rename(&mut self, before: &DeviceKey, now: &DeviceKey) {
        self.cooldowns.rename(before, now);
        let chats: Vec<ChatId> = self.overflow.iter().map(|(chat, _)| *chat).collect();
        for chat in chats {
            if let Some(overflow) = self.overflow.get(&chat).and_then(|of| of.renamed(before, now)) {
                self.overflow.insert(chat, overflow);
            }
        }
    }

    /// Alerts that are older than what `before` gives for their chat, at most 1,000.
    pub fn expired(&self, before: impl Fn(ChatId) -> Timestamp) -> Vec<(ChatId, Offset)> {
        let mut of_chat: Option<(ChatId, Timestamp)> = None;
        // The alerts of a chat follow each other.
        let old = self.outbox.iter().filter(|((chat, _), alert)| {
            let limit = match of_chat {
                Some((latest, limit)) if latest == *chat => limit,
                _ => before(*chat),
            };
            of_chat = Some((*chat, limit));
            alert.time < limit
        });
        old.map(|(key, _)| *key).take(MAX_EXPIRED).collect()
    }

    /// The alerts that wait for this chat, oldest first.
    pub fn waiting_for(&self, chat: ChatId) -> impl Iterator<Item = (Offset, &Alert)> {
        self.outbox
            .range((chat, Offset(0))..=(chat, Offset(u64::MAX)))
            .map(|((_, offset), alert)| (*offset, alert))
    }

    /// The chats that have alerts in the outbox or the overflow.
    pub fn chats_waiting(&self) -> BTreeSet<ChatId> {
        let with_alerts = self.outbox.iter().map(|((chat, _), _)| *chat);
        with_alerts.chain(self.overflow.iter().map(|(chat, _)| *chat)).collect()
    }

    /// The number of alerts that wait, for all chats.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// When the oldest alert that waits was raised, for all chats.
    pub fn oldest_waiting(&self) -> Option<Timestamp> {
        self.outbox.iter().map(|(_, alert)| alert.time).min()
    }

    /// The chat's alerts that are only counted, if there are any.
    pub fn overflow(&self, chat: ChatId) -> Option<&Overflow> {
        self.overflow.get(&chat)
    }
}

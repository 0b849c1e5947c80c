//! Alerts: what was raised, what the cool-down keeps back, and the outbox of those that Telegram has not
//! taken yet.
//!
//! A chat gets at most [`ALERTS_PER_MINUTE`] new alerts in a minute of capture time; a flood of addresses
//! beyond that is counted, and told as a number.
//!
//! Who is told of what is decided once ([`decide`](super::decide)); the decisions travel in the event and
//! [`Alerts::fold`] repeats them. The outbox holds at most [`OUTBOX_LIMIT`] alerts a chat, the cool-downs
//! at most [`COOLDOWN_LIMIT`] pairs; what does not fit into the outbox, or has waited there too long, goes
//! into the chat's [`Overflow`].

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use super::names::{Names, fold_case};
use super::overflow::Overflow;
use crate::event::{AlertDecision, AlertOutcome, ChatId, DeviceKey, Offset, Pattern, Probe, Timestamp};
use dot11::{MacAddr, Ssid};

/// Alerts that may wait for one chat.
pub const OUTBOX_LIMIT: usize = 500;

/// Alerts that one chat gets within a minute; Telegram itself takes 20 a minute for a group.
pub const ALERTS_PER_MINUTE: usize = 20;

/// Alerts that [`Alerts::expired`] gives at a time.
const EXPIRED_AT_ONCE: usize = 1_000;

const MINUTE: Duration = Duration::from_secs(60);

/// Pairs of device and network whose cool-down is remembered; past it the oldest is forgotten.
pub const COOLDOWN_LIMIT: usize = 4096;

pub(super) type CooldownKey = (ChatId, Ssid, DeviceKey);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cooldown {
    pub(super) alerted: Timestamp,
    #[serde(rename = "swallowed")]
    pub(super) suppressed: u64,
}

/// An alert that waits in the outbox: that a watched network was asked for, that a followed device arrived
/// or left, or the first two at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// When the probe was captured, or when it was decided that the device has left.
    pub time: Timestamp,
    /// The address that sent it, or that was heard last.
    pub source: MacAddr,
    /// The probe's signal in dBm.
    pub signal_dbm: Option<i8>,
    /// The watched network that was asked for.
    pub watch_match: Option<WatchMatch>,
    /// What a followed device did.
    pub presence: Option<Presence>,
}

/// A watched network that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchMatch {
    /// The network.
    pub ssid: Ssid,
    /// The pattern that it is watched by, where it is not watched itself.
    pub pattern: Option<Pattern>,
    /// Why it is watched.
    pub reason: Option<String>,
    /// How many alerts the cool-down has kept back since the last one.
    pub suppressed: u64,
}

/// What a followed device did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is back.
    Arrived {
        /// How long it was silent; `None` where it was never heard before.
        silent_seconds: Option<u64>,
    },
    /// It has gone.
    Left {
        /// When it was heard last.
        last_heard: Timestamp,
    },
}

impl Alert {
    /// An alert about a device, of which it says nothing yet.
    pub(super) fn of_device(time: Timestamp, source: MacAddr, signal_dbm: Option<i8>) -> Self {
        Self { time, source, signal_dbm, watch_match: None, presence: None }
    }
}

/// The alerts' part of the state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    pub(super) outbox: DirtyMap<(ChatId, Offset), Alert>,
    pub(super) overflow: DirtyMap<ChatId, Overflow>,
    pub(super) cooldowns: DirtyMap<CooldownKey, Cooldown>,
    /// When each chat's latest alerts were raised, at most [`ALERTS_PER_MINUTE`].
    pub(super) latest: DirtyMap<ChatId, Vec<Timestamp>>,
    /// The cool-downs by age, made from `cooldowns`.
    pub(super) by_age: BTreeSet<(Timestamp, CooldownKey)>,
}

impl Alerts {
    /// Makes what is made from the rows, once they are loaded.
    pub(super) fn index(&mut self) {
        let cooldowns = self.cooldowns.iter();
        self.by_age = cooldowns.map(|(key, cooldown)| (cooldown.alerted, key.clone())).collect();
    }

    /// When the chat was last alerted of this device and network, as far as that is remembered.
    pub(super) fn cooldown(&self, chat: ChatId, ssid: &Ssid, device: &DeviceKey) -> Option<&Cooldown> {
        self.cooldowns.get(&(chat, ssid.clone(), device.clone()))
    }

    /// How many of the chat's latest alerts are within a minute of `time`.
    pub(super) fn alerted_lately(&self, chat: ChatId, time: Timestamp) -> usize {
        let latest = self.latest.get(&chat).map_or(&[][..], Vec::as_slice);
        latest.iter().filter(|alerted| time.abs_diff(**alerted) < MINUTE).count()
    }

    /// Repeats the decisions that were made about the probe at `offset`.
    pub(super) fn fold(&mut self, offset: Offset, probe: &Probe, names: &Names) {
        for decision in &probe.alerts {
            match (decision, probe.ssid.named()) {
                (AlertDecision::Arrive { chat, silent_seconds, outcome }, _) => {
                    let presence = Presence::Arrived { silent_seconds: *silent_seconds };
                    self.settle(*chat, *outcome, offset, || Alert {
                        presence: Some(presence),
                        ..Alert::of_device(probe.time, probe.source, probe.signal_dbm)
                    });
                }
                (decision, Some(ssid)) => self.fold_asked(offset, probe, ssid, decision, names),
                // Nothing was asked for, so that no decision can be about it.
                (_, None) => {}
            }
        }
    }

    fn fold_asked(
        &mut self,
        offset: Offset,
        probe: &Probe,
        ssid: &Ssid,
        decision: &AlertDecision,
        names: &Names,
    ) {
        let key = |chat: &ChatId| (*chat, ssid.clone(), device_key(probe.source, names));
        match decision {
            AlertDecision::Raise { chat, pattern, reason, suppressed } => {
                let watch_match = WatchMatch {
                    ssid: ssid.clone(),
                    pattern: pattern.clone(),
                    reason: reason.clone(),
                    suppressed: *suppressed,
                };
                let alert = Alert {
                    watch_match: Some(watch_match),
                    ..Alert::of_device(probe.time, probe.source, probe.signal_dbm)
                };
                self.raise(*chat, offset, alert);
                self.start_cooldown(key(chat), Cooldown { alerted: probe.time, suppressed: 0 });
            }
            AlertDecision::Suppress { chat } => {
                if let Some(cooldown) = self.cooldowns.get_mut(&key(chat)) {
                    cooldown.suppressed += 1;
                }
            }
            AlertDecision::Overflow { chat } => {
                self.overflow.entry(*chat).add(Some(ssid));
                self.restart_cooldown(key(chat), probe.time);
            }
            AlertDecision::Mute { chat } => self.restart_cooldown(key(chat), probe.time),
            AlertDecision::Arrive { .. } => {}
        }
    }

    /// Repeats what was decided about an alert that is about no network.
    pub(super) fn settle(
        &mut self,
        chat: ChatId,
        outcome: AlertOutcome,
        offset: Offset,
        alert: impl FnOnce() -> Alert,
    ) {
        match outcome {
            AlertOutcome::Raise => self.raise(chat, offset, alert()),
            AlertOutcome::Overflow => self.overflow.entry(chat).add(None),
            AlertOutcome::Mute | AlertOutcome::Skip => {}
        }
    }

    /// Puts an alert into the outbox. What one probe tells a chat is one alert.
    fn raise(&mut self, chat: ChatId, offset: Offset, alert: Alert) {
        if let Some(there) = self.outbox.get_mut(&(chat, offset)) {
            there.watch_match = there.watch_match.take().or(alert.watch_match);
            there.presence = there.presence.take().or(alert.presence);
            return;
        }
        let latest = self.latest.entry(chat);
        if latest.len() >= ALERTS_PER_MINUTE {
            latest.remove(0);
        }
        latest.push(alert.time);
        self.outbox.insert((chat, offset), alert);
    }

    /// A cool-down that begins although nobody was told.
    fn restart_cooldown(&mut self, key: CooldownKey, alerted: Timestamp) {
        let suppressed = self.cooldowns.get(&key).map_or(0, |last| last.suppressed);
        self.start_cooldown(key, Cooldown { alerted, suppressed });
    }

    fn start_cooldown(&mut self, key: CooldownKey, cooldown: Cooldown) {
        if let Some(earlier) = self.cooldowns.get(&key) {
            self.by_age.remove(&(earlier.alerted, key.clone()));
        }
        self.by_age.insert((cooldown.alerted, key.clone()));
        self.cooldowns.insert(key, cooldown);
        if self.by_age.len() > COOLDOWN_LIMIT
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.cooldowns.remove(&oldest);
        }
    }

    /// Has the cool-downs of what was meant by `before` go on for `now`.
    pub(super) fn renamed(&mut self, before: &DeviceKey, now: &DeviceKey) {
        let moved: Vec<(CooldownKey, Cooldown)> = self
            .cooldowns
            .iter()
            .filter(|((_, _, device), _)| device == before)
            .map(|((chat, ssid, _), cooldown)| ((*chat, ssid.clone(), now.clone()), cooldown.clone()))
            .collect();
        moved.into_iter().for_each(|(key, cooldown)| self.take_over(key, cooldown));
    }

    /// Has a cool-down go on under `key`, unless a later one does already.
    fn take_over(&mut self, key: CooldownKey, cooldown: Cooldown) {
        if self.cooldowns.get(&key).is_none_or(|there| there.alerted < cooldown.alerted) {
            self.start_cooldown(key, cooldown);
        }
    }

    /// Gives all that is the chat `from`'s to `to`, as if it had always been that chat's.
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
            let latest = self.latest.entry(to);
            latest.extend(moving);
            latest.sort_unstable();
            latest.drain(..latest.len().saturating_sub(ALERTS_PER_MINUTE));
        }
        let cooling: Vec<CooldownKey> = self
            .cooldowns
            .iter()
            .filter(|((chat, _, _), _)| *chat == from)
            .map(|(key, _)| key.clone())
            .collect();
        for key in cooling {
            if let Some(cooldown) = self.cooldowns.remove(&key) {
                self.by_age.remove(&(cooldown.alerted, key.clone()));
                let (_, ssid, device) = key;
                self.take_over((to, ssid, device), cooldown);
            }
        }
    }

    /// Forgets all that is this chat's.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        let waiting: Vec<Offset> = self.waiting_for(chat).map(|(offset, _)| offset).collect();
        waiting.into_iter().for_each(|offset| self.remove(chat, offset));
        self.overflow.remove(&chat);
        self.latest.remove(&chat);
        let cooling = self.cooldowns.iter().filter(|((of, _, _), _)| *of == chat);
        for key in cooling.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            if let Some(cooldown) = self.cooldowns.remove(&key) {
                self.by_age.remove(&(cooldown.alerted, key));
            }
        }
    }

    pub(super) fn remove(&mut self, chat: ChatId, probe: Offset) {
        self.outbox.remove(&(chat, probe));
    }

    pub(super) fn overflow_told(&mut self, chat: ChatId, count: u64) {
        match self.overflow(chat).and_then(|overflow| overflow.after_telling(count)) {
            Some(left) => self.overflow.insert(chat, left),
            None => drop(self.overflow.remove(&chat)),
        }
    }

    /// Leaves an alert that waited too long to be counted.
    pub(super) fn expire(&mut self, chat: ChatId, probe: Offset) {
        if let Some(alert) = self.outbox.remove(&(chat, probe)) {
            self.overflow.entry(chat).add(alert.watch_match.as_ref().map(|watch_match| &watch_match.ssid));
        }
    }

    /// Alerts of probes that were captured before what this says of them, at most 1,000 of them.
    pub fn expired(&self, before: impl Fn(Offset) -> Timestamp) -> Vec<(ChatId, Offset)> {
        let old = self.outbox.iter().filter(|((_, offset), alert)| alert.time < before(*offset));
        old.map(|(key, _)| *key).take(EXPIRED_AT_ONCE).collect()
    }

    /// The alerts that wait for this chat, oldest first.
    pub fn waiting_for(&self, chat: ChatId) -> impl Iterator<Item = (Offset, &Alert)> {
        self.outbox
            .range((chat, Offset(0))..=(chat, Offset(u64::MAX)))
            .map(|((_, offset), alert)| (*offset, alert))
    }

    /// The chats that have something to be told.
    pub fn chats_waiting(&self) -> BTreeSet<ChatId> {
        let with_alerts = self.outbox.iter().map(|((chat, _), _)| *chat);
        with_alerts.chain(self.overflow.iter().map(|(chat, _)| *chat)).collect()
    }

    /// How many alerts wait, for all chats.
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// When the oldest of the alerts that wait was raised, for all chats.
    pub fn oldest_waiting(&self) -> Option<Timestamp> {
        self.outbox.iter().map(|(_, alert)| alert.time).min()
    }

    /// The alerts for this chat that it will be told as a number, where there are any.
    pub fn overflow(&self, chat: ChatId) -> Option<&Overflow> {
        self.overflow.get(&chat)
    }
}

/// What alerts take the device with this address for.
pub(super) fn device_key(address: MacAddr, names: &Names) -> DeviceKey {
    match names.of(address) {
        Some(name) => DeviceKey::Name(fold_case(name)),
        None => DeviceKey::Address(address),
    }
}

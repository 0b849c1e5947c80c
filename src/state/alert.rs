//! Alerts: who is told of a probe for a watched network, what the cool-down keeps back, and the outbox
//! of those that Telegram has not taken yet.
//!
//! A chat gets at most [`ALERTS_A_MINUTE`] new alerts in a minute of capture time; a flood of addresses
//! beyond that is counted, and told as a number.
//!
//! [`Alerts::decide`] runs once, when a probe is heard; its decisions travel in the probe's event and
//! [`Alerts::fold`] repeats them. The outbox holds at most [`OUTBOX_LIMIT`] alerts a chat, the cool-downs
//! at most [`COOLDOWN_LIMIT`] pairs; what does not fit into the outbox, or has waited there too long, goes
//! into the chat's [`Overflow`].

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chats::Chats;
use super::name::{Names, fold_case};
use super::overflow::Overflow;
use super::rows::Rows;
use super::watch::Watches;
use crate::dot11::{MacAddr, Ssid};
use crate::event::{AlertDecision, ChatId, Offset, Probe, Timestamp};

/// Alerts that may wait for one chat.
pub const OUTBOX_LIMIT: usize = 500;

/// Alerts that one chat gets within a minute; Telegram itself takes 20 a minute for a group.
pub const ALERTS_A_MINUTE: usize = 20;

/// Alerts that [`Alerts::expired`] gives at a time.
const EXPIRED_AT_ONCE: usize = 1_000;

const MINUTE: Duration = Duration::from_secs(60);

/// Pairs of device and network whose cool-down is remembered; past it the oldest is forgotten.
pub const COOLDOWN_LIMIT: usize = 4096;

/// What the configuration says about alerts.
#[derive(Debug, Clone)]
pub struct AlertPolicy {
    /// The chats that the configuration has served. With those that let themselves in they are all that are
    /// alerted, whatever others watched before.
    pub chats: Vec<ChatId>,
    /// How long the same device and network alert a chat only once.
    pub cooldown: Duration,
    /// How long an alert waits for Telegram before it is only counted.
    pub keep: Duration,
}

/// A device as alerts tell them apart: by name, or by address where it has none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeviceKey {
    Name(String),
    Address(MacAddr),
}

pub(super) type CooldownKey = (ChatId, Ssid, DeviceKey);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cooldown {
    pub(super) alerted: Timestamp,
    pub(super) swallowed: u64,
}

/// An alert that waits in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// When the probe was captured.
    pub time: Timestamp,
    /// The address that sent it.
    pub source: MacAddr,
    /// The network that it asked for.
    pub ssid: Ssid,
    /// Why the network is watched.
    pub reason: Option<String>,
    /// How many alerts the cool-down has kept back since the last one.
    pub swallowed: u64,
    /// The probe's signal in dBm.
    pub signal_dbm: Option<i8>,
}

/// The alerts' part of the state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alerts {
    pub(super) outbox: Rows<(ChatId, Offset), Alert>,
    pub(super) overflow: Rows<ChatId, Overflow>,
    pub(super) cooldowns: Rows<CooldownKey, Cooldown>,
    /// When each chat's latest alerts were raised, at most [`ALERTS_A_MINUTE`].
    pub(super) latest: Rows<ChatId, Vec<Timestamp>>,
    /// The cool-downs by age, made from `cooldowns`.
    pub(super) by_age: BTreeSet<(Timestamp, CooldownKey)>,
}

impl Alerts {
    /// Makes what is made from the rows, once they are loaded.
    pub(super) fn index(&mut self) {
        let cooldowns = self.cooldowns.iter();
        self.by_age = cooldowns.map(|(key, cooldown)| (cooldown.alerted, key.clone())).collect();
    }

    /// Who is to be told of `probe`.
    pub(super) fn decide(
        &self,
        probe: &Probe,
        watches: &Watches,
        names: &Names,
        chats: &Chats,
        policy: &AlertPolicy,
    ) -> Vec<AlertDecision> {
        let Some(ssid) = probe.ssid.named() else { return Vec::new() };
        let mut watched = watches.on(ssid).peekable();
        if watched.peek().is_none() {
            return Vec::new();
        }
        let everyones = watches.get(ssid, ChatId::TERMINAL);
        let configured = policy.chats.iter().map(|chat| chats.current(*chat));
        let served: BTreeSet<ChatId> = configured.chain(chats.paired().map(|(chat, _)| chat)).collect();
        served
            .into_iter()
            .filter_map(|chat| {
                let reason = watches.get(ssid, chat).or(everyones)?.reason.clone();
                Some(self.decide_for(chat, ssid, reason, probe, names, policy.cooldown))
            })
            .collect()
    }

    fn decide_for(
        &self,
        chat: ChatId,
        ssid: &Ssid,
        reason: Option<String>,
        probe: &Probe,
        names: &Names,
        cooldown: Duration,
    ) -> AlertDecision {
        let last = self.cooldowns.get(&(chat, ssid.clone(), device_key(probe.source, names)));
        match last {
            Some(last) if probe.time.distance(last.alerted) < cooldown => AlertDecision::Swallow { chat },
            _ if self.waiting_for(chat).count() >= OUTBOX_LIMIT
                || self.alerted_lately(chat, probe.time) >= ALERTS_A_MINUTE =>
            {
                AlertDecision::Overflow { chat }
            }
            _ => AlertDecision::Raise { chat, reason, swallowed: last.map_or(0, |last| last.swallowed) },
        }
    }

    /// How many of the chat's latest alerts are within a minute of `time`.
    fn alerted_lately(&self, chat: ChatId, time: Timestamp) -> usize {
        let latest = self.latest.get(&chat).map_or(&[][..], Vec::as_slice);
        latest.iter().filter(|alerted| time.distance(**alerted) < MINUTE).count()
    }

    /// Repeats the decisions that were made about the probe at `offset`.
    pub(super) fn fold(&mut self, offset: Offset, probe: &Probe, names: &Names) {
        let Some(ssid) = probe.ssid.named() else { return };
        for decision in &probe.alerts {
            let key = |chat: &ChatId| (*chat, ssid.clone(), device_key(probe.source, names));
            match decision {
                AlertDecision::Raise { chat, reason, swallowed } => {
                    let alert = Alert {
                        time: probe.time,
                        source: probe.source,
                        ssid: ssid.clone(),
                        reason: reason.clone(),
                        swallowed: *swallowed,
                        signal_dbm: probe.signal_dbm,
                    };
                    self.outbox.insert((*chat, offset), alert);
                    let latest = self.latest.entry(*chat);
                    if latest.len() >= ALERTS_A_MINUTE {
                        latest.remove(0);
                    }
                    latest.push(probe.time);
                    self.start_cooldown(key(chat), Cooldown { alerted: probe.time, swallowed: 0 });
                }
                AlertDecision::Swallow { chat } => {
                    if let Some(cooldown) = self.cooldowns.get_mut(&key(chat)) {
                        cooldown.swallowed += 1;
                    }
                }
                AlertDecision::Overflow { chat } => {
                    self.overflow.entry(*chat).add(ssid);
                    let key = key(chat);
                    let swallowed = self.cooldowns.get(&key).map_or(0, |last| last.swallowed);
                    self.start_cooldown(key, Cooldown { alerted: probe.time, swallowed });
                }
            }
        }
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

    /// Has the cool-downs of an address go on under its new name, or without one.
    pub(super) fn renamed(&mut self, address: MacAddr, before: Option<&str>, now: Option<&str>) {
        let key = |name: Option<&str>| match name {
            Some(name) => DeviceKey::Name(fold_case(name)),
            None => DeviceKey::Address(address),
        };
        let (before, now) = (key(before), key(now));
        if before == now {
            return;
        }
        let moved: Vec<(CooldownKey, Cooldown)> = self
            .cooldowns
            .iter()
            .filter(|((_, _, device), _)| *device == before)
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
            latest.drain(..latest.len().saturating_sub(ALERTS_A_MINUTE));
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
            self.overflow.entry(chat).add(&alert.ssid);
        }
    }

    /// Alerts of probes that were captured before this, at most 1,000 of them.
    pub fn expired(&self, before: Timestamp) -> Vec<(ChatId, Offset)> {
        let old = self.outbox.iter().filter(|(_, alert)| alert.time < before);
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

    /// The alerts for this chat that it will be told as a number, where there are any.
    pub fn overflow(&self, chat: ChatId) -> Option<&Overflow> {
        self.overflow.get(&chat)
    }
}

fn device_key(address: MacAddr, names: &Names) -> DeviceKey {
    match names.of(address) {
        Some(name) => DeviceKey::Name(fold_case(name)),
        None => DeviceKey::Address(address),
    }
}

//! Who is told of what: decided once, by the one who writes the log. The decisions travel in the event
//! that they are about, and the fold repeats them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::alerts::{ALERTS_PER_MINUTE, OUTBOX_LIMIT, device_key};
use super::follows::Follow;
use super::{State, fold_case};
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, LeaveDecision, Pattern, Probe,
    Timestamp,
};
use dot11::{MacAddr, Ssid};

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
    /// Since when frames are heard without a break, where they are: of a silence before that nothing can be told.
    pub capturing_since: Option<Timestamp>,
}

impl State {
    /// Who is to be told of `probe`: decided once, before it is folded in.
    pub fn decide_alerts(&self, probe: &Probe, policy: &AlertPolicy) -> Vec<AlertDecision> {
        let probe = &*self.timed(probe);
        let mut decisions = match probe.ssid.named() {
            Some(ssid) => self.decide_asked(probe, ssid, policy),
            None => Vec::new(),
        };
        if !self.follows.is_empty() {
            let arrivals = self.decide_arrivals(probe, policy, &decisions);
            decisions.extend(arrivals);
        }
        decisions
    }

    fn served(&self, policy: &AlertPolicy) -> BTreeSet<ChatId> {
        let configured = policy.chats.iter().map(|chat| self.chats.current(*chat));
        configured.chain(self.chats.paired().map(|(chat, _)| chat)).collect()
    }

    /// Whether the chat wants to hear nothing of the device; what the terminal ignores holds for all.
    fn ignores(&self, chat: ChatId, device: &DeviceKey) -> bool {
        [chat, ChatId::TERMINAL].into_iter().any(|by| self.mutes.ignored(device, by).is_some())
    }

    fn decide_asked(&self, probe: &Probe, ssid: &Ssid, policy: &AlertPolicy) -> Vec<AlertDecision> {
        let by_pattern: Vec<(ChatId, &Pattern, Option<&str>)> = self.watches.patterns_of(ssid).collect();
        if by_pattern.is_empty() && self.watches.on(ssid).next().is_none() {
            return Vec::new();
        }
        let device = device_key(probe.source, &self.names);
        // The chat's own watch before the terminal's, and the SSID's own before a pattern's.
        let wish = |chat: ChatId| {
            [chat, ChatId::TERMINAL].into_iter().find_map(|by| {
                let exact = self.watches.get(ssid, by).map(|watch| (None, watch.reason.clone()));
                let pattern = || by_pattern.iter().find(|(watching, _, _)| *watching == by);
                exact.or_else(|| {
                    pattern()
                        .map(|(_, pattern, reason)| (Some((*pattern).clone()), reason.map(str::to_owned)))
                })
            })
        };
        self.served(policy)
            .into_iter()
            .filter(|chat| !self.ignores(*chat, &device))
            .filter_map(|chat| {
                let (pattern, reason) = wish(chat)?;
                let last = self.alerts.cooldown(chat, ssid, &device);
                Some(match last {
                    Some(last) if probe.time.abs_diff(last.alerted) < policy.cooldown => {
                        AlertDecision::Suppress { chat }
                    }
                    _ => match self.outcome(chat, probe.time) {
                        AlertOutcome::Skip => return None,
                        AlertOutcome::Mute => AlertDecision::Mute { chat },
                        AlertOutcome::Overflow => AlertDecision::Overflow { chat },
                        AlertOutcome::Raise => {
                            let suppressed = last.map_or(0, |last| last.suppressed);
                            AlertDecision::Raise { chat, pattern, reason, suppressed }
                        }
                    },
                })
            })
            .collect()
    }

    /// What becomes of an alert to this chat at this time.
    fn outcome(&self, chat: ChatId, time: Timestamp) -> AlertOutcome {
        if self.mutes.is_muted(chat, time) {
            AlertOutcome::Mute
        } else if self.alerts.waiting_for(chat).count() >= OUTBOX_LIMIT
            || self.alerts.alerted_lately(chat, time) >= ALERTS_PER_MINUTE
        {
            AlertOutcome::Overflow
        } else {
            AlertOutcome::Raise
        }
    }

    /// Who is told that a device is back, beside what is `decided` about the probe already. Where it is back and
    /// nobody is to be told, that is decided too: it is here, whoever asks later.
    fn decide_arrivals(
        &self,
        probe: &Probe,
        policy: &AlertPolicy,
        decided: &[AlertDecision],
    ) -> Vec<AlertDecision> {
        let device = device_key(probe.source, &self.names);
        let Some(shortest) = self.follows.of(&device).map(|(_, follow)| follow.silence()).min() else {
            return Vec::new();
        };
        let silence = |last: Timestamp| match probe.time < last {
            true => Duration::ZERO,
            false => probe.time.abs_diff(last),
        };
        // Most probes come shortly after another of the same address.
        let is_away = || self.follows.of(&device).any(|(_, follow)| !follow.is_here);
        let own_last = self.devices.last_probe(probe.source);
        if own_last.is_some_and(|last| silence(last) < shortest) && !is_away() {
            return Vec::new();
        }
        let last = self.last_heard(&device).map(|(_, last)| last);
        let has_arrived = |follow: &Follow| match last {
            None => !follow.is_here,
            Some(last) if !follow.is_here => probe.time > last,
            // That it left while nobody listened cannot be known, so that it is not said to be back.
            Some(last) => {
                silence(last) >= follow.silence() && policy.capturing_since.is_some_and(|since| since <= last)
            }
        };
        let silent_seconds = last.map(|last| silence(last).as_secs());
        // What one probe tells a chat is one alert, which is counted once where it is only counted.
        let is_counted = |chat: ChatId| {
            decided.iter().any(|decision| match decision {
                AlertDecision::Mute { chat: by } | AlertDecision::Overflow { chat: by } => *by == chat,
                _ => false,
            })
        };
        let told = self.served(policy).into_iter().filter(|chat| {
            let follows = &self.follows;
            let follow = follows.get(&device, *chat).or_else(|| follows.get(&device, ChatId::TERMINAL));
            follow.is_some_and(has_arrived) && !self.ignores(*chat, &device)
        });
        let arrive = |chat, outcome| AlertDecision::Arrive { chat, silent_seconds, outcome };
        let mut arrivals: Vec<AlertDecision> = told
            .map(|chat| match is_counted(chat) {
                true => arrive(chat, AlertOutcome::Skip),
                false => arrive(chat, self.outcome(chat, probe.time)),
            })
            .collect();
        let mut away = self.follows.of(&device).filter(|(_, follow)| !follow.is_here && has_arrived(follow));
        if arrivals.is_empty()
            && let Some((chat, _)) = away.next()
        {
            arrivals.push(arrive(chat, AlertOutcome::Skip));
        }
        arrivals
    }

    /// The followed devices that were silent for so long that they have left by `now`: an
    /// [`EventKind::Left`] each. Where nothing is heard, none has.
    pub fn departures(&self, now: Timestamp, policy: &AlertPolicy) -> Vec<Event> {
        let Some(capturing_since) = policy.capturing_since else { return Vec::new() };
        let here = self.follows.iter().filter(|(_, _, follow)| follow.is_here);
        here.filter_map(|(device, by, follow)| {
            let (source, last_heard) = self.last_heard(device)?;
            let silent_since = last_heard.max(capturing_since);
            (now > silent_since && now.abs_diff(silent_since) >= follow.silence()).then(|| {
                Event::new(
                    now,
                    EventKind::Left {
                        chat: by,
                        device: device.clone(),
                        source,
                        last_seen: last_heard,
                        alerts: self.told_of_leaving(device, by, now, policy),
                    },
                )
            })
        })
        .collect()
    }

    /// The chat itself, or for the terminal's wish every chat that has none of its own.
    fn told_of_leaving(
        &self,
        device: &DeviceKey,
        by: ChatId,
        now: Timestamp,
        policy: &AlertPolicy,
    ) -> Vec<LeaveDecision> {
        let is_meant = |chat: &ChatId| {
            *chat == by || by == ChatId::TERMINAL && self.follows.get(device, *chat).is_none()
        };
        let told = self.served(policy).into_iter().filter(is_meant);
        let told = told.filter(|chat| !self.ignores(*chat, device));
        told.map(|chat| LeaveDecision { chat, outcome: self.outcome(chat, now) }).collect()
    }

    /// The address of the device that was heard last, and when.
    pub fn last_heard(&self, device: &DeviceKey) -> Option<(MacAddr, Timestamp)> {
        let addresses = match device {
            DeviceKey::Name(name) => self.names.addresses_of(name),
            DeviceKey::Address(address) => vec![*address],
        };
        let heard =
            addresses.into_iter().filter_map(|address| Some((address, self.devices.last_probe(address)?)));
        heard.max_by_key(|(_, last)| *last)
    }

    /// What alerts take the device with this address for.
    pub fn device_key(&self, address: MacAddr) -> DeviceKey {
        device_key(address, &self.names)
    }
}

/// The key in the form in which keys are compared: of a name its case does not matter.
pub(super) fn normalized(device: &DeviceKey) -> DeviceKey {
    match device {
        DeviceKey::Name(name) => DeviceKey::Name(fold_case(name)),
        DeviceKey::Address(address) => DeviceKey::Address(*address),
    }
}

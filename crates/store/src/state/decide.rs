//! Decides which chats get an alert. The recorder does it once, before it writes the event; the decisions travel in
//! the event, and the fold repeats them.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::doorbells::{Ring, Sight, VISITOR_SILENCE};
use super::follows::Follow;
use super::model::State;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, LeaveDecision, Pattern, Probe,
    Timestamp,
};
use dot11::Ssid;

/// The configured quiet hours: whether a time is within them.
#[derive(Clone)]
pub struct QuietHours(Arc<dyn Fn(Timestamp) -> bool + Send + Sync>);

impl QuietHours {
    /// The times for which this is true.
    pub fn new(contains: impl Fn(Timestamp) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(contains))
    }
}

impl fmt::Debug for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuietHours")
    }
}

/// What the configuration says about alerts.
#[derive(Debug, Clone)]
pub struct AlertPolicy {
    /// The configured chats. Only they and the paired chats get alerts, whatever other chats watched before.
    pub chats: Vec<ChatId>,
    /// For how long the same device and network raise no further alert for a chat.
    pub cooldown: Duration,
    /// How long an alert waits for Telegram before it is only counted.
    pub max_age: Duration,
    /// Start of gapless capture; silence before it is not evidence of absence.
    pub capturing_since: Option<Timestamp>,
    /// The quiet hours, if there are any.
    pub quiet_hours: Option<QuietHours>,
}

impl State {
    /// The alerts that `probe` causes. To be called before the probe is folded in.
    pub fn decide_alerts(&self, probe: &Probe, policy: &AlertPolicy) -> Vec<AlertDecision> {
        let probe = &*self.at_effective_time(probe);
        let device = OnceCell::new();
        let device = || device.get_or_init(|| self.device_key_before(probe)).clone();
        let mut decisions = match probe.ssid.named() {
            Some(ssid) => self.decide_watch_matches(probe, ssid, device, policy),
            None => Vec::new(),
        };
        if !self.follows.is_empty() {
            let arrivals = self.decide_arrivals(probe, device(), policy, &decisions);
            decisions.extend(arrivals);
        }
        if !self.doorbells.is_empty()
            && let Some(sight) = Sight::of(probe)
        {
            let rings = self.decide_rings(&device(), sight, policy, &decisions);
            decisions.extend(rings);
        }
        decisions
    }

    /// The device that sent a probe which is not folded in yet.
    fn device_key_before(&self, probe: &Probe) -> DeviceKey {
        let group = self.grouping.group_before(probe, || self.model_key(probe.signature));
        self.known_device_key(probe.source, group)
    }

    /// The chats that may get alerts.
    fn alerted_chats(&self, policy: &AlertPolicy) -> BTreeSet<ChatId> {
        let configured = policy.chats.iter().map(|chat| self.chats.current(*chat));
        configured.chain(self.chats.paired().map(|(chat, _)| chat)).collect()
    }

    /// Whether the chat ignores the device. What the terminal ignores is ignored for all.
    pub fn ignores(&self, chat: ChatId, device: &DeviceKey) -> bool {
        [chat, ChatId::TERMINAL].into_iter().any(|by| self.mutes.ignored(device, by).is_some())
    }

    fn decide_watch_matches(
        &self,
        probe: &Probe,
        ssid: &Ssid,
        device: impl Fn() -> DeviceKey,
        policy: &AlertPolicy,
    ) -> Vec<AlertDecision> {
        let by_pattern: Vec<(ChatId, &Pattern, Option<&str>)> = self.watches.patterns_of(ssid).collect();
        if by_pattern.is_empty() && self.watches.on(ssid).next().is_none() {
            return Vec::new();
        }
        let device = device();
        // A chat's own watch goes before the terminal's, and a watch on the SSID before one on a pattern.
        let watch_of = |chat: ChatId| {
            [chat, ChatId::TERMINAL].into_iter().find_map(|by| {
                let exact = self.watches.get(ssid, by).map(|watch| (None, watch.reason.clone()));
                let pattern = || by_pattern.iter().find(|(watching, _, _)| *watching == by);
                exact.or_else(|| {
                    pattern()
                        .map(|(_, pattern, reason)| (Some((*pattern).clone()), reason.map(str::to_owned)))
                })
            })
        };
        self.alerted_chats(policy)
            .into_iter()
            .filter(|chat| !self.ignores(*chat, &device))
            .filter_map(|chat| {
                let (pattern, reason) = watch_of(chat)?;
                let last = self.alerts.cooldown(chat, ssid, &device);
                let current = last.filter(|last| probe.time.abs_diff(last.since) < policy.cooldown);
                if current.is_some_and(|last| !last.only_counted) {
                    return Some(AlertDecision::Suppress { chat });
                }
                Some(match self.outcome(chat, &device, probe.time) {
                    AlertOutcome::Skip => return None,
                    // It is counted already.
                    AlertOutcome::Mute | AlertOutcome::Overflow if current.is_some() => {
                        AlertDecision::Suppress { chat }
                    }
                    AlertOutcome::Mute => AlertDecision::Mute { chat },
                    AlertOutcome::Overflow => AlertDecision::Overflow { chat },
                    AlertOutcome::Raise => {
                        let suppressed = last.map_or(0, |last| last.suppressed);
                        AlertDecision::Raise { chat, pattern, reason, suppressed }
                    }
                })
            })
            .collect()
    }

    /// The outcome of an alert about this device for this chat at this time.
    fn outcome(&self, chat: ChatId, device: &DeviceKey, time: Timestamp) -> AlertOutcome {
        let known = self.follows.is_known(chat, device).then_some(device);
        if self.mutes.is_muted(chat, time) {
            AlertOutcome::Mute
        } else if self.alerts.has_room(chat, known, time, |address| self.device_key(address)) {
            AlertOutcome::Raise
        } else {
            AlertOutcome::Overflow
        }
    }

    /// Arrival alerts, besides those already in `decided`. If the device is back and no chat gets an alert, one decision
    /// still says so: the follow must record the presence.
    fn decide_arrivals(
        &self,
        probe: &Probe,
        device: DeviceKey,
        policy: &AlertPolicy,
        decided: &[AlertDecision],
    ) -> Vec<AlertDecision> {
        let Some(shortest) = self.follows.followers_of(&device).map(|(_, follow)| follow.silence()).min()
        else {
            return Vec::new();
        };
        let silence = |last: Timestamp| match probe.time < last {
            true => Duration::ZERO,
            false => probe.time.abs_diff(last),
        };
        // Most probes come shortly after another of the same address: decide those without a search.
        let is_away = || self.follows.followers_of(&device).any(|(_, follow)| !follow.is_here);
        let own_last = self.devices.last_probe(probe.source);
        if own_last.is_some_and(|last| silence(last) < shortest) && !is_away() {
            return Vec::new();
        }
        let last = self.last_seen(&device).map(|(_, last)| last);
        let has_arrived = |follow: &Follow| match last {
            None => !follow.is_here,
            Some(last) if !follow.is_here => probe.time > last,
            // A device may have stayed during a gap in the capture: it only counts as back without such a gap.
            Some(last) => {
                silence(last) >= follow.silence() && policy.capturing_since.is_some_and(|since| since <= last)
            }
        };
        let silent_seconds = last.map(|last| silence(last).as_secs());
        // A chat gets one alert for a probe, and counts it once if it is only counted.
        let is_counted = |chat: ChatId| {
            decided.iter().any(|decision| match decision {
                AlertDecision::Mute { chat: by } | AlertDecision::Overflow { chat: by } => *by == chat,
                _ => false,
            })
        };
        let following = self.alerted_chats(policy).into_iter().filter(|chat| {
            let follows = &self.follows;
            let follow = follows.get(&device, *chat).or_else(|| follows.get(&device, ChatId::TERMINAL));
            follow.is_some_and(has_arrived) && !self.ignores(*chat, &device)
        });
        let arrive = |chat, outcome| AlertDecision::Arrive { chat, silent_seconds, outcome };
        let mut arrivals: Vec<AlertDecision> = following
            .map(|chat| match is_counted(chat) {
                true => arrive(chat, AlertOutcome::Skip),
                false => arrive(chat, self.outcome(chat, &device, probe.time)),
            })
            .collect();
        let mut away =
            self.follows.followers_of(&device).filter(|(_, follow)| !follow.is_here && has_arrived(follow));
        if arrivals.is_empty()
            && let Some((chat, _)) = away.next()
        {
            arrivals.push(arrive(chat, AlertOutcome::Skip));
        }
        arrivals
    }

    /// The doorbells that ring because a stranger stays near. A chat that gets another alert about the frame, or counts
    /// one, gets this one with the next frame.
    fn decide_rings(
        &self,
        device: &DeviceKey,
        sight: Sight,
        policy: &AlertPolicy,
        decided: &[AlertDecision],
    ) -> Vec<AlertDecision> {
        if matches!(device, DeviceKey::Name(_)) || !decided.is_empty() {
            return Vec::new();
        }
        let chats = self.alerted_chats(policy).into_iter();
        let near = chats.filter_map(|chat| {
            let doorbell = self.doorbells.get(chat)?;
            let is_quiet = |QuietHours(contains): &QuietHours| contains(sight.time);
            // Without quiet hours it rings at any hour.
            if doorbell.only_in_quiet_hours && !policy.quiet_hours.as_ref().is_none_or(is_quiet) {
                return None;
            }
            let stay = Duration::from_secs(doorbell.stay_seconds);
            let visitor = self.doorbells.after(chat, device, sight)?;
            let near_since = visitor.near_since.filter(|_| visitor.ring == Ring::Silent)?;
            let is_long = sight.time > near_since && sight.time.abs_diff(near_since) >= stay;
            (is_long && !self.ignores(chat, device)).then_some((chat, near_since, visitor.first))
        });
        near.filter_map(|(chat, near_since, first)| {
            let reason = self.stranger_reason(device, first)?;
            let outcome = self.outcome(chat, device, sight.time);
            Some(AlertDecision::Ring { chat, reason, near_since, outcome })
        })
        .collect()
    }

    /// An [`EventKind::StrangerLeft`] for each visitor that a doorbell rang for and that has left by `now`.
    fn strangers_left(&self, now: Timestamp, capturing_since: Timestamp, policy: &AlertPolicy) -> Vec<Event> {
        let chats = self.alerted_chats(policy);
        let rang = self.doorbells.visitors.iter().filter(|(_, visitor)| visitor.ring == Ring::Rang);
        rang.filter_map(|((chat, device), visitor)| {
            let silent_since = visitor.last.max(capturing_since);
            let has_left = now > silent_since && now.abs_diff(silent_since) >= VISITOR_SILENCE;
            // What becomes part of a message that is there, or that waits, is not one more.
            let is_shown = visitor
                .alert
                .as_ref()
                .is_some_and(|alert| alert.message.is_some() || self.alerts.is_waiting(*chat, alert.offset));
            let outcome = match chats.contains(chat) && !self.ignores(*chat, device) {
                true if is_shown => AlertOutcome::Raise,
                true => self.outcome(*chat, device, now),
                false => AlertOutcome::Skip,
            };
            let kind = EventKind::StrangerLeft {
                chat: *chat,
                device: device.clone(),
                source: visitor.source,
                first: visitor.first,
                last_seen: visitor.last,
                outcome,
            };
            has_left.then(|| Event::new(now, kind))
        })
        .collect()
    }

    /// An [`EventKind::Left`] for each follow whose device was silent for so long that it has left by `now`, and an
    /// [`EventKind::StrangerLeft`] for each stranger that has. None while nothing is captured.
    pub fn departures(&self, now: Timestamp, policy: &AlertPolicy) -> Vec<Event> {
        let Some(capturing_since) = policy.capturing_since else { return Vec::new() };
        let here = self.follows.iter().filter(|(_, _, follow)| follow.is_here);
        let left = here.filter_map(|(device, by, follow)| {
            let (source, last_seen) = self.last_seen(device)?;
            let silent_since = last_seen.max(capturing_since);
            (now > silent_since && now.abs_diff(silent_since) >= follow.silence()).then(|| {
                Event::new(
                    now,
                    EventKind::Left {
                        chat: by,
                        device: device.clone(),
                        source,
                        last_seen,
                        alerts: self.decide_departure(device, by, now, policy),
                    },
                )
            })
        });
        left.chain(self.strangers_left(now, capturing_since, policy)).collect()
    }

    /// The alerts about a device that has left, for the chat that follows it. For the terminal's follow these are
    /// all chats without a follow of their own.
    fn decide_departure(
        &self,
        device: &DeviceKey,
        by: ChatId,
        now: Timestamp,
        policy: &AlertPolicy,
    ) -> Vec<LeaveDecision> {
        let is_meant = |chat: &ChatId| {
            *chat == by || by == ChatId::TERMINAL && self.follows.get(device, *chat).is_none()
        };
        let chats = self.alerted_chats(policy).into_iter().filter(is_meant);
        let chats = chats.filter(|chat| !self.ignores(*chat, device));
        chats.map(|chat| LeaveDecision { chat, outcome: self.outcome(chat, device, now) }).collect()
    }
}

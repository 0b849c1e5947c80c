//! Decides which chats get an alert. The recorder does it once, before it writes the event; the decisions travel in
//! the event, and the fold repeats them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::alerts::MATCHES_PER_ALERT;
use super::chat_settings::ChatSettings;
use super::doorbells::{Ring, Sight, VISITOR_SILENCE};
use super::follows::Follow;
use super::model::State;
use super::subscriptions::Subscription;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, LeaveDecision, Pattern, Probe,
    Timestamp,
};
use dot11::{MacAddr, ShortSsid, Ssid};

/// What the quiet hours of a chat are, by what it chose.
pub trait QuietHoursRule: Send + Sync {
    /// Whether a time is within the quiet hours; `None` if there are none.
    fn contains(&self, settings: &ChatSettings, time: Timestamp) -> Option<bool>;

    /// The length of the quiet hours on most days.
    fn length(&self, settings: &ChatSettings) -> Duration;
}

/// The times for which a function is true are quiet in all chats, whatever they chose.
impl<F: Fn(Timestamp) -> bool + Send + Sync> QuietHoursRule for F {
    fn contains(&self, _: &ChatSettings, time: Timestamp) -> Option<bool> {
        Some(self(time))
    }

    fn length(&self, _: &ChatSettings) -> Duration {
        Duration::ZERO
    }
}

/// The quiet hours of all chats.
#[derive(Clone)]
pub struct QuietHours(Arc<dyn QuietHoursRule>);

impl QuietHours {
    /// The quiet hours by this rule.
    pub fn new(rule: impl QuietHoursRule + 'static) -> Self {
        Self(Arc::new(rule))
    }
}

impl fmt::Debug for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuietHours")
    }
}

/// The sender of a frame.
struct Sender {
    /// What cool-downs and allowances count it as.
    device: DeviceKey,
    /// By which members subscriptions cover it.
    members: Vec<DeviceKey>,
}

/// What the configuration says about alerts.
#[derive(Debug, Clone)]
pub struct AlertPolicy {
    /// The configured chats. Only they and the paired chats get alerts, whatever other chats watched before.
    pub chats: Vec<ChatId>,
    /// For how long the same device and network raise no further alert for a chat.
    pub cooldown: Duration,
    /// How long an alert waits for Telegram before it is only counted, beside the quiet hours of its chat.
    pub max_age: Duration,
    /// Start of gapless capture; silence before it is not evidence of absence.
    pub capturing_since: Option<Timestamp>,
    /// The quiet hours, if there are any.
    pub quiet_hours: Option<QuietHours>,
}

impl AlertPolicy {
    /// How long an alert of this chat waits before it is only counted: during quiet hours without Telegram being at fault.
    pub fn max_age_in(&self, state: &State, chat: ChatId) -> Duration {
        let quiet = self.quiet_hours.as_ref();
        let quiet =
            quiet.map_or(Duration::ZERO, |QuietHours(rule)| rule.length(&state.chat_settings.of(chat)));
        self.max_age.saturating_add(quiet)
    }
}

/// What was decided about a frame for one chat.
enum DecidedForChat {
    Nothing,
    /// It gets an alert about so many networks.
    Raised(usize),
    /// The alert is only counted.
    Counted,
}

fn decided_for(decided: &[AlertDecision], chat: ChatId) -> DecidedForChat {
    let mut raised = 0;
    for decision in decided {
        match decision.kind() {
            AlertDecision::Mute { chat: by } | AlertDecision::Overflow { chat: by } if *by == chat => {
                return DecidedForChat::Counted;
            }
            AlertDecision::Raise { chat: by, .. } if *by == chat => raised += 1,
            _ => {}
        }
    }
    if raised > 0 { DecidedForChat::Raised(raised) } else { DecidedForChat::Nothing }
}

impl State {
    /// The alerts that `probe` causes. To be called before the probe is folded in.
    pub fn decide_alerts(&self, probe: &Probe, policy: &AlertPolicy) -> Vec<AlertDecision> {
        let probe = &*probe.as_counted();
        let sender = OnceCell::new();
        let sender = || sender.get_or_init(|| self.sender_before(probe));
        let mut decisions = match self.watches.is_empty() {
            true => Vec::new(),
            false => self.decide_all_watch_matches(probe, sender, policy),
        };
        if !self.follows.is_empty() {
            let arrivals = self.decide_arrivals(probe, sender(), policy, &decisions);
            decisions.extend(arrivals);
        }
        if !self.doorbells.is_empty()
            && let Some(sight) = Sight::of(probe)
        {
            let rings = self.decide_rings(sender(), sight, policy, &decisions);
            decisions.extend(rings);
        }
        decisions
    }

    /// The sender of a probe which is not folded in yet.
    fn sender_before(&self, probe: &Probe) -> Sender {
        let group = self.grouping.group_before(probe, || self.model_key(probe.signature));
        let device = self.known_device_key(probe.source, group);
        Sender { device, members: self.members_with(probe.source, group) }
    }

    /// The chats that may get alerts.
    fn alerted_chats(&self, policy: &AlertPolicy) -> BTreeSet<ChatId> {
        let configured = policy.chats.iter().map(|chat| self.chats.current(*chat));
        configured.chain(self.chats.paired().map(|(chat, _)| chat)).collect()
    }

    /// Whether the chat ignores this device, which has no name. What the terminal ignores is ignored for all.
    pub fn ignores(&self, chat: ChatId, device: &DeviceKey) -> bool {
        self.ignores_any(chat, &self.members_with_device(device))
    }

    fn ignores_any(&self, chat: ChatId, members: &[DeviceKey]) -> bool {
        let is_ignored = |by| members.iter().any(|member| self.mutes.ignored.get(member, by).is_some());
        [chat, ChatId::TERMINAL].into_iter().any(is_ignored)
    }

    /// The decisions about every network that the frame asks for. A chat gets one alert for a frame, and counts it once
    /// if it is only counted: what more it counts or gets comes with the next frame.
    fn decide_all_watch_matches<'a>(
        &self,
        probe: &Probe,
        sender: impl Fn() -> &'a Sender + Copy,
        policy: &AlertPolicy,
    ) -> Vec<AlertDecision> {
        let mut decisions = match probe.ssid.named() {
            Some(ssid) => self.decide_watch_matches(probe, ssid, sender, policy, &[]),
            None => Vec::new(),
        };
        if probe.listed.is_none() {
            return decisions;
        }
        let own = probe.ssid.named();
        let mut listed: Vec<(Cow<'_, Ssid>, bool)> =
            probe.names().filter(|ssid| own != Some(&**ssid)).map(|ssid| (ssid, false)).collect();
        let with_short_ssid = self.networks_with_short_ssids(probe.short_ssids().iter().copied());
        for short in probe.short_ssids() {
            for ssid in with_short_ssid.get(short).into_iter().flatten().copied() {
                if own != Some(ssid) && listed.iter().all(|(known, _)| **known != *ssid) {
                    listed.push((Cow::Borrowed(ssid), true));
                }
            }
        }
        for (ssid, is_short) in listed {
            let of_this = self.decide_watch_matches(probe, &ssid, sender, policy, &decisions);
            decisions.extend(of_this.into_iter().map(|decision| AlertDecision::Listed {
                ssid: ssid.clone().into_owned(),
                is_short,
                decision: Box::new(decision),
            }));
        }
        decisions
    }

    /// The watched and the known networks that each of these may be the Short SSID of; of the known ones, some if there
    /// are many.
    pub fn networks_with_short_ssids(
        &self,
        short_ssids: impl Iterator<Item = ShortSsid>,
    ) -> BTreeMap<ShortSsid, BTreeSet<&Ssid>> {
        let known = |short| self.networks.with_short_ssid(short).collect();
        let mut networks: BTreeMap<_, BTreeSet<_>> = short_ssids.map(|short| (short, known(short))).collect();
        if networks.is_empty() {
            return networks;
        }
        for (ssid, _, _) in self.watches.iter().filter(|(ssid, _, _)| !ssid.is_hidden()) {
            if let Some(of_short) = networks.get_mut(&ShortSsid::of(ssid)) {
                of_short.insert(ssid);
            }
        }
        networks
    }

    fn decide_watch_matches<'a>(
        &self,
        probe: &Probe,
        ssid: &Ssid,
        sender: impl Fn() -> &'a Sender,
        policy: &AlertPolicy,
        decided: &[AlertDecision],
    ) -> Vec<AlertDecision> {
        let by_pattern: Vec<(ChatId, &Pattern, Option<&str>)> = self.watches.patterns_of(ssid).collect();
        if by_pattern.is_empty() && self.watches.on(ssid).next().is_none() {
            return Vec::new();
        }
        let sender = sender();
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
            .filter(|chat| !self.ignores_any(*chat, &sender.members))
            .filter_map(|chat| {
                let (pattern, reason) = watch_of(chat)?;
                let last = self.alerts.cooldown(chat, ssid, &sender.device);
                let current = last.filter(|last| probe.time.abs_diff(last.since) < policy.cooldown);
                if current.is_some_and(|last| !last.only_counted) {
                    return Some(AlertDecision::Suppress { chat });
                }
                let outcome = match decided_for(decided, chat) {
                    // The alert is about one network more.
                    DecidedForChat::Raised(networks) if networks < MATCHES_PER_ALERT => AlertOutcome::Raise,
                    DecidedForChat::Raised(_) | DecidedForChat::Counted => AlertOutcome::Skip,
                    DecidedForChat::Nothing => self.outcome(chat, sender, probe.time),
                };
                Some(match outcome {
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

    /// The outcome of an alert about this sender for this chat at this time.
    fn outcome(&self, chat: ChatId, sender: &Sender, time: Timestamp) -> AlertOutcome {
        let Sender { device, members } = sender;
        let known = self.follows.is_known(chat, device, members).then_some(device);
        if self.mutes.is_muted(chat, time) {
            AlertOutcome::Mute
        } else if self.alerts.has_room(chat, known, time, |address| self.device_key(address)) {
            AlertOutcome::Raise
        } else {
            AlertOutcome::Overflow
        }
    }

    /// Arrival alerts, besides those already in `decided`. If a followed device is back and no chat gets an alert, one
    /// decision still says so: the follow must record the presence.
    fn decide_arrivals(
        &self,
        probe: &Probe,
        sender: &Sender,
        policy: &AlertPolicy,
        decided: &[AlertDecision],
    ) -> Vec<AlertDecision> {
        let follows = self.follows.of(&sender.members);
        let Some(shortest) = follows.iter().map(|(_, follow)| follow.value.silence()).min() else {
            return Vec::new();
        };
        let silence = |last: Timestamp| match probe.time < last {
            true => Duration::ZERO,
            false => probe.time.abs_diff(last),
        };
        // Most probes come shortly after another of the same address: decide those without a search.
        let is_away = || follows.iter().any(|(_, follow)| !follow.value.is_here);
        let own_last = self.devices.last_probe(probe.source);
        if own_last.is_some_and(|last| silence(last) < shortest) && !is_away() {
            return Vec::new();
        }
        let last = |follow: &Subscription<Follow>| self.last_seen_of(&follow.members).map(|(_, last)| last);
        // If it has arrived: how long it was silent, in seconds, if it was seen before.
        let arrival = |follow: &Subscription<Follow>| {
            let last = last(follow);
            let has_arrived = match last {
                None => !follow.value.is_here,
                Some(last) if !follow.value.is_here => probe.time > last,
                // A device may have stayed during a gap in the capture: it only counts as back without such a gap.
                Some(last) => {
                    silence(last) >= follow.value.silence()
                        && policy.capturing_since.is_some_and(|since| since <= last)
                }
            };
            has_arrived.then(|| last.map(|last| silence(last).as_secs()))
        };
        // A chat gets one alert for a probe, and counts it once if it is only counted.
        let is_counted = |chat: ChatId| matches!(decided_for(decided, chat), DecidedForChat::Counted);
        let arrivals = self.alerted_chats(policy).into_iter().filter_map(|chat| {
            let by = |by: ChatId| follows.iter().find(|(chat, _)| *chat == by).map(|(_, follow)| *follow);
            let silent_seconds = arrival(by(chat).or_else(|| by(ChatId::TERMINAL))?)?;
            let outcome = match is_counted(chat) {
                _ if self.ignores_any(chat, &sender.members) => return None,
                true => AlertOutcome::Skip,
                false => self.outcome(chat, sender, probe.time),
            };
            Some(AlertDecision::Arrive { chat, silent_seconds, outcome })
        });
        let mut arrivals: Vec<AlertDecision> = arrivals.collect();
        if arrivals.is_empty() {
            let away = follows.iter().filter(|(_, follow)| !follow.value.is_here);
            let skipped = away.filter_map(|(chat, follow)| {
                let (silent_seconds, outcome) = (arrival(follow)?, AlertOutcome::Skip);
                Some(AlertDecision::Arrive { chat: *chat, silent_seconds, outcome })
            });
            arrivals.extend(skipped.take(1));
        }
        arrivals
    }

    /// The doorbells that ring because a stranger stays near. A chat that gets another alert about the frame, or counts
    /// one, gets this one with the next frame.
    fn decide_rings(
        &self,
        sender: &Sender,
        sight: Sight,
        policy: &AlertPolicy,
        decided: &[AlertDecision],
    ) -> Vec<AlertDecision> {
        let device = &sender.device;
        if matches!(device, DeviceKey::Name(_)) || !decided.is_empty() {
            return Vec::new();
        }
        let chats = self.alerted_chats(policy).into_iter();
        let near = chats.filter_map(|chat| {
            let doorbell = self.doorbells.get(chat)?;
            let is_quiet =
                |QuietHours(rule): &QuietHours| rule.contains(&self.chat_settings.of(chat), sight.time);
            // Without quiet hours it rings at any hour.
            if doorbell.only_in_quiet_hours && policy.quiet_hours.as_ref().and_then(is_quiet) == Some(false) {
                return None;
            }
            let stay = Duration::from_secs(doorbell.stay_seconds);
            let visitor = self.doorbells.after(chat, device, sight)?;
            let near_since = visitor.near_since.filter(|_| visitor.ring == Ring::Silent)?;
            let is_long = sight.time > near_since && sight.time.abs_diff(near_since) >= stay;
            (is_long && !self.ignores_any(chat, &sender.members)).then_some((chat, near_since, visitor.first))
        });
        near.filter_map(|(chat, near_since, first)| {
            let reason = self.stranger_reason(device, first)?;
            let outcome = self.outcome(chat, sender, sight.time);
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
            let sender = Sender { device: device.clone(), members: self.members_with_device(device) };
            let outcome = match chats.contains(chat) && !self.ignores_any(*chat, &sender.members) {
                true if is_shown => AlertOutcome::Raise,
                true => self.outcome(*chat, &sender, now),
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
        let here = self.follows.iter().filter(|(_, follow)| follow.value.is_here);
        let left = here.filter_map(|(chat, follow)| {
            let (source, last_seen) = self.last_seen_of(&follow.members)?;
            let silent_since = last_seen.max(capturing_since);
            let has_left = now > silent_since && now.abs_diff(silent_since) >= follow.value.silence();
            // Any member names the follow.
            let device = follow.members.first().filter(|_| has_left)?.clone();
            let alerts = self.decide_departure(follow, source, chat, now, policy);
            Some(Event::new(now, EventKind::Left { chat, device, source, last_seen, alerts }))
        });
        left.chain(self.strangers_left(now, capturing_since, policy)).collect()
    }

    /// The alerts about a device that has left, for the chat that follows it. For the terminal's follow these are
    /// all chats without a follow of their own.
    fn decide_departure(
        &self,
        follow: &Subscription<Follow>,
        source: MacAddr,
        by: ChatId,
        now: Timestamp,
        policy: &AlertPolicy,
    ) -> Vec<LeaveDecision> {
        let members: Vec<DeviceKey> = follow.members.iter().cloned().collect();
        let sender = Sender { device: self.device_key(source), members };
        let follows_itself =
            |chat: ChatId| sender.members.iter().any(|member| self.follows.get(member, chat).is_some());
        let is_meant = |chat: &ChatId| *chat == by || by == ChatId::TERMINAL && !follows_itself(*chat);
        let chats = self.alerted_chats(policy).into_iter().filter(is_meant);
        let last_seen = self.members_with(source, self.grouping.group_of(source));
        let chats = chats.filter(|chat| !self.ignores_any(*chat, &last_seen));
        chats.map(|chat| LeaveDecision { chat, outcome: self.outcome(chat, &sender, now) }).collect()
    }
}

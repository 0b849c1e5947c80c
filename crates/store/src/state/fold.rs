//! The fold: what each event changes.
//!
//! A probe whose clock was in doubt counts at the time that was known then ([`Probe::not_before`]).

use super::alerts::{Alert, EndedVisit, Presence};
use super::chats::Invitation;
use super::clock_step::ClockStep;
use super::doorbells::{Doorbell, Sight, VisitAlert};
use super::follows::Follow;
use super::grouping::Renamed;
use super::model::{PendingEviction, State, device_of};
use super::mutes::Ignored;
use super::names::{Names, fold_case};
use super::proposals::Proposal;
use super::signatures::model_key;
use super::subscriptions::MEMBERS_LIMIT;
use super::watches::Watch;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, GroupId, Offset, PhoneEvidence, Probe,
    Timestamp,
};
use dot11::{MacAddr, ModelKey, Ssid};

impl State {
    /// Loads what the next events of these addresses change into the processor's caches. Call it for some hundred
    /// events at a time before folding them; it only makes that faster.
    pub fn prefetch(&self, addresses: impl Iterator<Item = MacAddr>) {
        self.devices.prefetch(addresses);
    }

    /// Folds in the event at `offset`.
    pub fn fold(&mut self, offset: Offset, event: &Event) {
        while self.continue_eviction() {}
        // Every kind whose fold depends on a time has one: the log holds no such event without.
        let time = event.time.or(self.newest_time()).unwrap_or(Timestamp::from_micros(0));
        let person = || event.person.as_deref().cloned();
        match &event.kind {
            EventKind::Probe(probe) => self.fold_probe(offset, probe),
            EventKind::Signature { signature, elements } => {
                self.keep_elements(*signature, elements);
            }
            EventKind::Watch { chat, ssid, reason } => {
                let watch = Watch { since: time, reason: reason.clone(), set_by: person() };
                self.watches.set(ssid, self.chats.current(*chat), watch);
            }
            EventKind::Unwatch { chat, ssid } => self.watches.remove(ssid, self.chats.current(*chat)),
            EventKind::WatchPattern { chat, pattern, reason } => {
                let watch = Watch { since: time, reason: reason.clone(), set_by: person() };
                self.watches.set_pattern(pattern, self.chats.current(*chat), watch);
            }
            EventKind::UnwatchPattern { chat, pattern } => {
                self.watches.remove_pattern(pattern, self.chats.current(*chat));
            }
            EventKind::Follow { chat, device, silence_seconds, members } => {
                let members = self.members_at_event(device, members);
                let follow = Follow {
                    since: time,
                    silence_seconds: *silence_seconds,
                    is_here: false,
                    set_by: person(),
                };
                self.follow(self.chats.current(*chat), members, follow);
            }
            EventKind::Unfollow { chat, device } => {
                self.follows.remove(&self.members_of(device), self.chats.current(*chat));
            }
            EventKind::Left { .. } => self.fold_departure(offset, time, &event.kind),
            EventKind::Doorbell { chat, min_dbm, stay_seconds, only_in_quiet_hours } => {
                let doorbell = Doorbell {
                    min_dbm: *min_dbm,
                    stay_seconds: *stay_seconds,
                    only_in_quiet_hours: *only_in_quiet_hours,
                    set_by: person(),
                };
                self.doorbells.set(self.chats.current(*chat), doorbell);
            }
            EventKind::DoorbellOff { chat } => self.doorbells.remove_chat(self.chats.current(*chat)),
            EventKind::StrangerLeft { .. } => self.fold_stranger_left(offset, time, &event.kind),
            EventKind::ChatSetting { chat, setting } => {
                self.chat_settings.choose(self.chats.current(*chat), setting.clone(), person());
            }
            EventKind::Mute { chat, until } => self.mutes.mute(self.chats.current(*chat), *until, person()),
            EventKind::Unmute { chat } => self.mutes.unmute(self.chats.current(*chat)),
            EventKind::MuteReported { chat, count } => {
                self.mutes.reported(self.chats.current(*chat), *count, time);
            }
            EventKind::Ignore { chat, device, members } => {
                let members = self.members_at_event(device, members);
                let set = |known: Option<Ignored>| {
                    let since = known.map_or(time, |known| known.since);
                    Ignored { since, set_by: person() }
                };
                self.mutes.ignored.set(self.chats.current(*chat), members, set);
            }
            EventKind::Unignore { chat, device } => {
                self.mutes.ignored.remove(&self.members_of(device), self.chats.current(*chat));
            }
            EventKind::Name { address, name, by } => {
                self.rename(*address, |names| names.set(*address, name, *by));
            }
            EventKind::Unname { address, by } => {
                self.rename(*address, |names| names.clear(*address, *by));
            }
            EventKind::KeepPhone { phone, name, by_member, model, addresses, networks: _ } => {
                self.find_phone(*phone, (*model, addresses), time);
                let before = self.phone_key(*phone);
                self.grouping.set_name(*phone, name.as_deref(), *by_member);
                let now = self.phone_key(*phone);
                self.rename_device(&before, &now);
            }
            EventKind::SplitPhone { phone, address, evidence } => {
                if let Some(PhoneEvidence { model, addresses }) = evidence {
                    self.find_phone(*phone, (*model, addresses), time);
                }
                self.split_phone(*phone, *address, time);
            }
            EventKind::NameProposed { chat, change } => {
                let chat = self.chats.current(*chat);
                let change = change.clone();
                self.proposals.add(offset, Proposal { time, chat, person: person(), change, asked: false });
            }
            EventKind::OwnersAsked { proposal } => self.proposals.asked(*proposal),
            EventKind::ProposalAnswered { proposal, .. } => self.proposals.answer(*proposal),
            EventKind::SetGrouping { mode } => self.grouping.set_mode(*mode),
            EventKind::Delivered { probe, chat, message } => {
                let chat = self.chats.current(*chat);
                let visit = self.alerts.remove(chat, *probe).and_then(|alert| alert.visit(*probe));
                if let (Some(visit), Some(message)) = (visit, message) {
                    self.doorbells.shown_in(chat, visit, *message);
                }
            }
            EventKind::Undeliverable { probe, chat, reason: _ } => {
                let device_of = device_of(&self.names, &self.grouping);
                self.alerts.give_up(self.chats.current(*chat), *probe, device_of);
            }
            EventKind::OverflowReported { chat, count, flood, message } => {
                let chat = self.chats.current(*chat);
                let reported = self.alerts.overflow_reported(chat, *count);
                if let Some(since) = flood {
                    self.floods.reported(chat, *since, *message, reported);
                }
            }
            EventKind::AlertExpired { probe, chat } => {
                let device_of = device_of(&self.names, &self.grouping);
                self.alerts.expire(self.chats.current(*chat), *probe, device_of);
            }
            EventKind::UpdateHandled { update } => self.chats.record_handled_update(offset, *update),
            EventKind::ChatMigrated { from, to } => self.migrate(*from, *to),
            EventKind::ChatBlocked { chat, reason } => {
                self.chats.set_blocked(time, self.chats.current(*chat), reason);
            }
            EventKind::ChatUnblocked { chat } => self.chats.set_unblocked(self.chats.current(*chat)),
            EventKind::Invited { code, role, expires, by } => {
                let invitation = Invitation { role: *role, expires: *expires, by: *by };
                self.chats.invite(time, *code, invitation);
            }
            EventKind::Paired { chat, code, name } => {
                self.chats.pair(time, self.chats.current(*chat), *code, name.clone());
            }
            EventKind::ChatRemoved { chat, by: _ } => self.remove_chat(self.chats.current(*chat)),
            EventKind::Evict { addresses, last_seen_before } => {
                let (addresses, last_seen_before) = (*addresses, *last_seen_before);
                self.eviction = Some(PendingEviction { addresses, last_seen_before, next_shard: 0 });
            }
            EventKind::ClockSet { from, since } => {
                let since = since.unwrap_or(Timestamp::MAX);
                self.step_clock(ClockStep { from: *from, to: time, since });
            }
            EventKind::KeepLog { keep } => self.totals.keeps_log = *keep,
            EventKind::HistoryLost { count } | EventKind::Lost { count, why: _ } => {
                self.totals.lost_events += count
            }
            // A `Thinned` event counts them.
            EventKind::Omitted { count: _ } => {}
            EventKind::Thinned { count } => self.totals.thinned_probes += count,
        }
        self.totals.last_event = self.totals.last_event.max(event.time);
        self.next = event.end(offset);
    }

    fn rename(&mut self, address: MacAddr, change: impl FnOnce(&mut Names)) {
        let before = self.device_key(address);
        change(&mut self.names);
        let now = self.device_key(address);
        self.rename_device(&before, &now);
    }

    /// The key of a phone: its name if it has one.
    pub(super) fn phone_key(&self, phone: GroupId) -> DeviceKey {
        let name = self.grouping.group(phone).and_then(|group| group.name.as_deref());
        name.map_or(DeviceKey::Phone(phone), |name| DeviceKey::Name(fold_case(name)))
    }

    /// Gives the identifier to the phone that has the most of these addresses, and keeps it.
    fn find_phone(&mut self, phone: GroupId, evidence: (ModelKey, &[MacAddr]), time: Timestamp) {
        let known = |address| self.devices.span(address);
        let renamed = self.grouping.keep(phone, evidence, time, &known);
        renamed.into_iter().for_each(|renamed| self.rename_phone(renamed));
        // What somebody said of the identifier holds for the phone that has it now.
        for address in self.grouping.addresses_not_of(phone) {
            self.split_phone(phone, address, time);
        }
    }

    /// What is kept by a phone's identifier follows its new one.
    fn rename_phone(&mut self, Renamed { from, to }: Renamed) {
        let now = self.phone_key(to);
        self.rename_device(&DeviceKey::Phone(from), &now);
        self.follows.rename_phone(from, to);
        self.mutes.ignored.rename_phone(from, to);
        self.proposals.rename_phone(from, to);
    }

    /// What is kept by the key of a device follows its new key. Subscriptions are kept by its members.
    fn rename_device(&mut self, before: &DeviceKey, now: &DeviceKey) {
        if before != now {
            self.alerts.rename(before, now);
            self.doorbells.rename(before, now);
        }
    }

    /// What a subscription covers from now on. An old event does not say: the device is what has its name now.
    fn members_at_event(&self, device: &DeviceKey, members: &[DeviceKey]) -> Vec<DeviceKey> {
        let mut members = match members {
            [] => self.members_of(device),
            members => members.to_vec(),
        };
        members.retain(|member| !matches!(member, DeviceKey::Name(_)));
        members.truncate(MEMBERS_LIMIT);
        members
    }

    /// Has a chat follow a device, which counts as here if its last probe is recent.
    fn follow(&mut self, chat: ChatId, members: Vec<DeviceKey>, mut follow: Follow) {
        let there = self.follows.of(&members);
        let there = there.into_iter().filter(|(by, _)| *by == chat).flat_map(|(_, follow)| &follow.members);
        let last = self.last_seen_of(members.iter().chain(there)).map(|(_, last)| last);
        follow.is_here = last.is_some_and(|last| follow.since.abs_diff(last) < follow.silence());
        self.follows.set(chat, members, |known| Follow {
            since: known.map_or(follow.since, |known| known.since),
            ..follow
        });
    }

    /// Repeats the decisions about a device that has left.
    fn fold_departure(&mut self, offset: Offset, time: Timestamp, left: &EventKind) {
        let EventKind::Left { chat, device, source, last_seen, alerts } = left else { return };
        let members = self.members_of(device);
        self.follows.mark_left(&members, self.chats.current(*chat));
        let device = self.device_key(*source);
        for alert in alerts {
            let chat = self.chats.current(alert.chat);
            let presence = Some(Presence::Left { last_seen: *last_seen });
            let left = Alert { presence, ..Alert::of_device(time, *source, None) };
            let known = self.follows.is_known(chat, &device, &members).then_some(&device);
            self.alerts.apply_outcome(chat, alert.outcome, offset, left, known);
            self.count_if_muted(chat, alert.outcome);
        }
    }

    /// Repeats the decision about a stranger that has left.
    fn fold_stranger_left(&mut self, offset: Offset, time: Timestamp, left: &EventKind) {
        let EventKind::StrangerLeft { chat, device, source, first, last_seen, outcome } = left else {
            return;
        };
        let chat = self.chats.current(*chat);
        let visit = self.doorbells.left(chat, device).and_then(|visitor| {
            let VisitAlert { offset, reason, near_since, .. } = visitor.alert.clone()?;
            Some(EndedVisit { offset, reason, near_since, strongest_dbm: visitor.strongest_dbm })
        });
        let (phone, first, last_seen) = (device.phone(), *first, *last_seen);
        let presence = Some(Presence::StrangerLeft { phone, first, last_seen, visit });
        let left = Alert { presence, ..Alert::of_device(time, *source, None) };
        let members = self.members_with_device(device);
        let known = self.follows.is_known(chat, device, &members).then_some(device);
        self.alerts.apply_outcome(chat, *outcome, offset, left, known);
        self.count_if_muted(chat, *outcome);
    }

    fn count_if_muted(&mut self, chat: ChatId, outcome: AlertOutcome) {
        if outcome == AlertOutcome::Mute {
            self.mutes.suppress(chat);
        }
    }

    /// Gives everything of the chat `from` to `to`.
    fn migrate(&mut self, from: ChatId, to: ChatId) {
        if from != to {
            self.watches.migrate(from, to);
            self.follows.migrate(from, to);
            self.doorbells.migrate(from, to);
            self.chat_settings.migrate(from, to);
            self.mutes.migrate(from, to);
            self.alerts.migrate(from, to);
            self.floods.migrate(from, to);
            self.proposals.migrate(from, to);
            self.chats.migrate(from, to);
        }
    }

    /// Removes everything of this chat.
    fn remove_chat(&mut self, chat: ChatId) {
        self.watches.remove_chat(chat);
        self.follows.remove_chat(chat);
        self.doorbells.remove_chat(chat);
        self.chat_settings.remove_chat(chat);
        self.mutes.remove_chat(chat);
        self.alerts.remove_chat(chat);
        self.floods.remove_chat(chat);
        self.proposals.remove_chat(chat);
        self.chats.remove(chat);
    }

    fn fold_probe(&mut self, offset: Offset, probe: &Probe) {
        self.totals.last_mark = probe.not_before;
        let probe = &*probe.as_counted();
        self.totals.probes += 1;
        self.totals.wildcard_probes += u64::from(probe.is_wildcard());
        self.totals.hidden_probes += u64::from(probe.is_hidden());
        self.totals.last_probe = self.totals.last_probe.max(Some(probe.time));
        let (signatures, networks) = (&self.signatures, &self.networks);
        let model = || model_key(signatures, probe.signature);
        let last_probe = |ssid: &Ssid| networks.get(ssid).map(|network| network.last_probe);
        let news = self.grouping.fold(probe, model, last_probe);
        self.totals.forgotten_networks += news.forgotten_networks as u64;
        news.renamed.into_iter().for_each(|renamed| self.rename_phone(renamed));
        for (from, to) in news.splits {
            self.split_visits(from, to);
        }
        self.habits.see_frame(probe.time);
        if let Some(id) = news.group
            && let Some(group) = self.grouping.group(id)
        {
            self.habits.learn(group.model, id, probe.time, |groups, hour| {
                groups.retain(|id| self.grouping.group(*id).is_some());
                self.grouping.phones_in_hour(groups.iter().copied(), hour)
            });
        }
        if self.devices.fold(probe) {
            self.totals.addresses += 1;
            self.totals.random_addresses += u64::from(probe.source.is_random());
            let model = model_key(&self.signatures, probe.signature);
            let suppressed = probe.alerts.iter().filter_map(|decision| match decision.kind() {
                AlertDecision::Suppress { chat } => Some(*chat),
                _ => None,
            });
            self.floods.see(probe.time, model, probe.signal_dbm, suppressed);
        }
        if !self.doorbells.is_empty()
            && let Some(sight) = Sight::of(probe)
        {
            let device = self.device_key(probe.source);
            if !matches!(device, DeviceKey::Name(_)) {
                self.doorbells.see(&device, sight);
            }
        }
        self.fold_device_info(probe);
        for ssid in probe.names() {
            self.networks.fold(&ssid, probe.time);
        }
        if !probe.alerts.is_empty() {
            self.fold_alerts(offset, probe);
        }
    }

    /// Repeats the decisions about a probe.
    fn fold_alerts(&mut self, offset: Offset, probe: &Probe) {
        let device = self.device_key(probe.source);
        let members = self.members_with(probe.source, self.grouping.group_of(probe.source));
        let follows = &self.follows;
        self.alerts.fold(offset, probe, &device, |chat| follows.is_known(chat, &device, &members));
        for decision in &probe.alerts {
            match decision.kind() {
                AlertDecision::Mute { chat } => self.mutes.suppress(*chat),
                AlertDecision::Arrive { chat, outcome, .. } => {
                    self.follows.mark_arrived(&members);
                    self.count_if_muted(*chat, *outcome);
                }
                AlertDecision::Ring { chat, outcome, reason, near_since } => {
                    let (reason, near_since) = (*reason, *near_since);
                    let alert = VisitAlert { offset, time: probe.time, reason, near_since, message: None };
                    let is_raised = *outcome == AlertOutcome::Raise;
                    self.doorbells.rang(*chat, &device, is_raised.then_some(alert));
                    self.count_if_muted(*chat, *outcome);
                }
                _ => {}
            }
        }
    }
}

//! What waits for a chat: its alerts, and how many it missed.
//!
//! A visit of a stranger has one message: the alert, which is edited while the visit lasts and when it has ended.
//! - What waits about a visit whose alert waits too is sent with it, as one message.
//! - A visit that has ended is an alert that waits, so its edit outlives a restart.
//! - A visit that lasts is no event, and nothing waits for it: see [`ShownVisit`].

use std::collections::{BTreeMap, BTreeSet};

use store::event::{ChatId, MessageId, Offset, Timestamp};
use store::state::{Alert, FloodMessage, State};
pub use store::state::{Flood, Overflow, ShownVisit};

use super::views::alerts::{AlertDevice, PendingAlert};
use crate::chat_settings::{ConfiguredSettings, EffectiveSettings};

/// What waits for one chat.
#[derive(Debug, Clone, Copy)]
pub struct PendingAlerts<'a> {
    state: &'a State,
    chat: ChatId,
}

impl<'a> PendingAlerts<'a> {
    /// What waits for this chat.
    pub fn of(state: &'a State, chat: ChatId) -> Self {
        Self { state, chat }
    }

    /// The chats for which something waits, or a message shows a visit or a flood that lasts.
    pub fn chats(state: &State) -> BTreeSet<ChatId> {
        let with_alerts = state.alerts().chats_waiting();
        let muted = state.mutes().iter().filter(|(_, mute)| mute.suppressed > 0).map(|(chat, _)| chat);
        let with_visits = state.doorbells().shown_visits().map(|(chat, ..)| chat);
        let with_floods = state.floods().chats();
        with_alerts.into_iter().chain(muted).chain(with_visits).chain(with_floods).collect()
    }

    /// The visits that last and that messages show, without those of devices that the chat ignores.
    pub fn shown_visits(&self) -> Vec<ShownVisit> {
        let visits = self.state.doorbells().shown_visits();
        let shown =
            visits.filter(|(chat, device, _)| *chat == self.chat && !self.state.ignores(*chat, device));
        shown.map(|(.., visit)| visit).collect()
    }

    /// The chat.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// What holds for the chat.
    pub fn settings(&self, configured: &ConfiguredSettings) -> EffectiveSettings {
        configured.of(&self.state.chat_settings().of(self.chat))
    }

    /// Whether there are alerts about devices that have a name or are followed.
    pub fn has_known_devices(&self) -> bool {
        self.all().any(|(_, alert)| alert.is_known)
    }

    /// The alerts, those about known devices first and each oldest first; about each visit only the newest.
    pub fn alerts(&self) -> Vec<PendingAlert<'a>> {
        let newest: BTreeMap<Offset, Offset> =
            self.all().filter_map(|(offset, alert)| Some((alert.visit(offset)?, offset))).collect();
        let is_newest = |offset: Offset, visit: &Offset| newest.get(visit) == Some(&offset);
        let mut alerts: Vec<PendingAlert<'a>> = self
            .all()
            .filter(|(offset, alert)| alert.visit(*offset).is_none_or(|visit| is_newest(*offset, &visit)))
            .map(|(offset, alert)| (offset, alert, AlertDevice::of(self.state, alert.source)))
            .collect();
        alerts.sort_by_key(|(_, alert, _)| !alert.is_known);
        alerts
    }

    /// These alerts, and the earlier ones about the same visits.
    pub fn with_earlier(&self, offsets: Vec<Offset>) -> Vec<Offset> {
        let newest: BTreeSet<Offset> = offsets.iter().copied().collect();
        let visits: BTreeMap<Offset, Offset> = self
            .all()
            .filter(|(offset, _)| newest.contains(offset))
            .filter_map(|(offset, alert)| Some((alert.visit(offset)?, offset)))
            .collect();
        let earlier = self.all().filter_map(|(offset, alert)| {
            let newest = visits.get(&alert.visit(offset)?)?;
            (offset < *newest).then_some(offset)
        });
        earlier.chain(offsets.iter().copied()).collect()
    }

    /// The message that shows the visit that an alert is about.
    pub fn message_of(&self, (offset, alert, _): &PendingAlert<'_>) -> Option<MessageId> {
        self.state.doorbells().message_of(self.chat, alert.visit(*offset)?)
    }

    /// The device of an alert, as it is known now.
    pub fn device(&self, alert: &Alert) -> AlertDevice<'a> {
        AlertDevice::of(self.state, alert.source)
    }

    /// The alerts that were too many.
    pub fn overflow(&self) -> Option<&'a Overflow> {
        self.state.alerts().overflow(self.chat)
    }

    /// The flood during which alerts of this overflow were counted.
    pub fn flood_of(&self, overflow: &Overflow) -> Option<Flood> {
        let since = overflow.since()?;
        self.state.floods().latest().filter(|flood| flood.last >= since)
    }

    /// A flood of which the chat is to be told, whether or not alerts were too many.
    pub fn untold_flood(&self) -> Option<Flood> {
        self.state.floods().untold(self.chat)
    }

    /// The message that tells of a flood and is to be edited, and the flood, unless a later one is known.
    pub fn flood_message(&self) -> Option<(&'a FloodMessage, Option<Flood>)> {
        let message = self.state.floods().message(self.chat)?;
        Some((message, self.state.floods().latest().filter(|flood| flood.since == message.since)))
    }

    /// The known devices of an overflow, as they are called now.
    pub fn known_in(&self, overflow: &Overflow) -> Vec<String> {
        let devices = overflow.devices().map(|address| (address, AlertDevice::of(self.state, address)));
        let mut labels: Vec<String> = devices.map(|(address, device)| device.shown(address)).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// The number of alerts that a mute suppressed, if there are any.
    pub fn suppressed(&self) -> Option<u64> {
        let mute = self.state.mutes().get(self.chat)?;
        Some(mute.suppressed).filter(|suppressed| *suppressed > 0)
    }

    /// Whether the chat is muted at this time.
    pub fn is_muted(&self, time: Timestamp) -> bool {
        self.state.mutes().is_muted(self.chat, time)
    }

    /// Whether the chat wants alerts about strangers during quiet hours.
    pub fn are_for_quiet_hours(&self) -> bool {
        self.state.doorbells().get(self.chat).is_some_and(|doorbell| doorbell.only_in_quiet_hours)
    }

    fn all(&self) -> impl Iterator<Item = (Offset, &'a Alert)> + use<'a> {
        self.state.alerts().waiting_for(self.chat)
    }
}

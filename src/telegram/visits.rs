//! One message for each visit of a stranger: the alert, which is edited while the visit lasts and when it has ended.
//!
//! - What is waiting about a visit whose alert waits too is sent with it, as one message.
//! - A visit that has ended is an alert of the outbox, so its edit outlives a restart.
//! - A visit that lasts is no event. Its message is edited once the visitor was seen [`UPDATE_STEP`] later than the message
//!   says, and a chat has one such edit in [`UPDATE_INTERVAL`]. After a restart there may be one edit too many, which
//!   changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use store::event::{ChatId, Offset};
use store::state::{ShownVisit, State};

use crate::chat::views::alerts::{AlertDevice, PendingAlert};

/// The time between two updates of a chat's messages about visits that last.
pub(super) const UPDATE_INTERVAL: Duration = Duration::from_secs(5);

/// How much longer a visit must have lasted than its message says.
pub(super) const UPDATE_STEP: Duration = Duration::from_secs(60);

/// The visits that last and that messages show, without those of devices that the chat ignores.
pub(super) fn shown(state: &State) -> BTreeMap<ChatId, Vec<ShownVisit>> {
    let mut of_chats: BTreeMap<ChatId, Vec<ShownVisit>> = BTreeMap::new();
    let visits = state.doorbells().shown_visits();
    for (chat, _, visit) in visits.filter(|(chat, device, _)| !state.ignores(*chat, device)) {
        of_chats.entry(chat).or_default().push(visit);
    }
    of_chats
}

/// The alerts that wait for this chat, oldest first; about each visit only the newest.
pub(super) fn waiting(state: &State, chat: ChatId) -> Vec<PendingAlert<'_>> {
    let all = || state.alerts().waiting_for(chat);
    let newest: BTreeMap<Offset, Offset> =
        all().filter_map(|(offset, alert)| Some((alert.visit(offset)?, offset))).collect();
    let is_newest = |offset: Offset, visit: &Offset| newest.get(visit) == Some(&offset);
    all()
        .filter(|(offset, alert)| alert.visit(*offset).is_none_or(|visit| is_newest(*offset, &visit)))
        .map(|(offset, alert)| (offset, alert, AlertDevice::of(state, alert.source)))
        .collect()
}

/// These alerts that wait for this chat, and the earlier ones about the same visits.
pub(super) fn with_earlier(state: &State, chat: ChatId, offsets: Vec<Offset>) -> Vec<Offset> {
    let newest: BTreeSet<Offset> = offsets.iter().copied().collect();
    let all = || state.alerts().waiting_for(chat);
    let visits: BTreeMap<Offset, Offset> = all()
        .filter(|(offset, _)| newest.contains(offset))
        .filter_map(|(offset, alert)| Some((alert.visit(offset)?, offset)))
        .collect();
    let earlier = all().filter_map(|(offset, alert)| {
        let newest = visits.get(&alert.visit(offset)?)?;
        (offset < *newest).then_some(offset)
    });
    earlier.chain(offsets.iter().copied()).collect()
}

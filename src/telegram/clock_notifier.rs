//! Tells each chat once when the machine's clock is in doubt, and once, silently, when it no longer is; likewise
//! that much of the log will be deleted because of its age ([`Notifier`]). During quiet hours all wait.
//!
//! What a chat was told of before a restart is over if it does not hold [`SETTLE_TIME`] after that.

use std::time::Duration;

use tokio::time::Instant;

use super::notifier::{Current, Incident, Notifier};
use crate::chat::views::notices;

/// How often to check. A clock that is set from the network soon after the start is not worth a message.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// How long after a restart it may take until what holds is known.
const SETTLE_TIME: Duration = Duration::from_secs(120);

/// Notifies the chats for ever.
pub(super) async fn run(notifier: &Notifier) {
    let (mut clock, mut deletion) = (Incident::new("clock", ()), Incident::new("deletion", ()));
    let started = Instant::now();
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let (doubt, pending) = (notifier.recorder.clock_doubt(), notifier.recorder.pending_deletion());
        for chat in notifier.awake_chats() {
            let zone = notifier.zone_of(chat);
            let is_certain = started.elapsed() >= SETTLE_TIME;
            let active = doubt.map(|doubt| move || notices::clock_doubted(&doubt, zone));
            let current = Current { active, is_certain, kept: () };
            notifier.notify(chat, &mut clock, current, |()| notices::clock_trusted()).await;
            let active = pending.map(|pending| move || notices::deletion_announced(&pending, zone));
            let current = Current { active, is_certain, kept: () };
            notifier.notify(chat, &mut deletion, current, |()| notices::deletion_over()).await;
        }
    }
}

//! Tells each chat once that another program takes the bot's updates, and once, silently, when that is over
//! ([`Notifier`]). During quiet hours both wait. If a chat was told before a restart, it is over once the bot got
//! updates undisturbed for [`SETTLE_TIME`].

use std::time::Duration;

use tokio::time::Instant;

use super::notifier::{Current, Incident, Notifier};
use crate::chat::views::notices;
use crate::status::TelegramProblems;

/// How often to check.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long after a restart there must be no conflict for an earlier one to be over.
const SETTLE_TIME: Duration = Duration::from_secs(60);

/// Notifies the chats for ever.
pub(super) async fn run(notifier: &Notifier, problems: &TelegramProblems) {
    let mut incident = Incident::new("updates", ());
    let started = Instant::now();
    loop {
        tokio::time::sleep(POLL_INTERVAL).await;
        let conflict = problems.reported_conflict(Instant::now().into());
        for chat in notifier.awake_chats() {
            let current = Current {
                active: conflict.map(|conflict| move || notices::update_conflict(conflict)),
                is_certain: started.elapsed() >= SETTLE_TIME,
                kept: (),
            };
            notifier.notify(chat, &mut incident, current, |()| notices::update_conflict_over()).await;
        }
    }
}

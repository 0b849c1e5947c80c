//! Tells each chat once that another program takes the bot's updates, and once, silently, when that is over
//! ([`IncidentState`]). During quiet hours both wait. If a chat was told before a restart, it is over once the bot got updates
//! undisturbed for [`SETTLE_TIME`] ([`SentWarnings`]).

use std::collections::HashMap;
use std::time::Duration;

use store::event::ChatId;
use store::recorder::RecorderHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::incident_state::{IncidentState, NextNotice};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use super::sent_warnings::SentWarnings;
use crate::chat::views::notices;
use crate::status::TelegramProblems;

/// How often to check.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long after a restart there must be no conflict for an earlier one to be over.
const SETTLE_TIME: Duration = Duration::from_secs(60);

/// What the warnings are kept by.
const INCIDENT: &str = "updates";

/// Notifies the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    problems: TelegramProblems,
    recorder: RecorderHandle,
    quiet_hours: LocalQuietHours,
    warnings: SentWarnings,
    stop: CancellationToken,
) {
    let mut chats: HashMap<ChatId, IncidentState<()>> = HashMap::new();
    let started = Instant::now();
    while stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        let conflict = problems.reported_conflict(Instant::now().into());
        if quiet_hours.contains(recorder.now()) {
            continue;
        }
        for chat in sender.chats_to_notify() {
            let told = chats.entry(chat).or_insert_with(|| warnings.state(INCIDENT, chat, ()));
            let in_doubt = told.is_resumed() && started.elapsed() < SETTLE_TIME;
            let notice = told.next(conflict.is_some() || in_doubt, Instant::now());
            let (text, silent) = match (notice, conflict) {
                (NextNotice::Started, Some(conflict)) => (notices::update_conflict(conflict), false),
                (NextNotice::Resolved(()), _) => (notices::update_conflict_over(), true),
                _ => continue,
            };
            warnings.announce(INCIDENT, chat, &notice).await;
            tokio::select! {
                outcome = sender.notify(chat, &text, silent) => {
                    told.record_outcome(notice, (), outcome, chat, Instant::now());
                    warnings.record(INCIDENT, chat, told).await;
                }
                () = stop.cancelled() => return,
            }
        }
    }
}

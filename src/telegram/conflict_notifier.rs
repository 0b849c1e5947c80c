//! Tells each chat once that another program takes the bot's updates, and once, silently, when that is over
//! ([`IncidentState`]). During quiet hours both wait.

use std::collections::HashMap;
use std::time::Duration;

use store::event::ChatId;
use store::recorder::RecorderHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::incident_state::{IncidentState, NextNotice};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use crate::chat::views::notices;
use crate::status::TelegramProblems;

/// How often to check.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Notifies the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    problems: TelegramProblems,
    recorder: RecorderHandle,
    quiet_hours: LocalQuietHours,
    stop: CancellationToken,
) {
    let mut chats: HashMap<ChatId, IncidentState<()>> = HashMap::new();
    while stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        let conflict = problems.reported_conflict(Instant::now().into());
        if quiet_hours.contains(recorder.now()) || (conflict.is_none() && chats.is_empty()) {
            continue;
        }
        for chat in sender.chats_to_notify() {
            let told = chats.entry(chat).or_default();
            let notice = told.next(conflict.is_some(), Instant::now());
            let (text, silent) = match (notice, conflict) {
                (NextNotice::Started, Some(conflict)) => (notices::update_conflict(conflict), false),
                (NextNotice::Resolved(()), _) => (notices::update_conflict_over(), true),
                _ => continue,
            };
            tokio::select! {
                outcome = sender.notify(chat, &text, silent) => {
                    told.record_outcome(notice, (), outcome, chat, Instant::now());
                }
                () = stop.cancelled() => return,
            }
        }
    }
}

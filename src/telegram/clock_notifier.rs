//! Tells each chat once when the machine's clock is in doubt, and once, silently, when it no longer is; likewise
//! that much of the log will be deleted because of its age ([`IncidentState`]). During quiet hours all wait.
//!
//! Notices are remembered in memory only. After a restart what still holds is reported again.

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
use crate::text::Text;

/// How often to check. A clock that is set from the network soon after the start is not worth a message.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// What one chat was told.
#[derive(Default)]
struct Told {
    clock: IncidentState<()>,
    deletion: IncidentState<()>,
}

/// Notifies the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    recorder: RecorderHandle,
    quiet_hours: LocalQuietHours,
    stop: CancellationToken,
) {
    let mut chats: HashMap<ChatId, Told> = HashMap::new();
    while stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        if quiet_hours.next_check(recorder.now(), Instant::now()).is_some() {
            continue;
        }
        let (doubt, deletion) = (recorder.clock_doubt(), recorder.pending_deletion());
        for chat in sender.chats_to_notify() {
            let told = chats.entry(chat).or_default();
            let zone = quiet_hours.zone;
            let clock = doubt.map(|doubt| notices::clock_doubted(&doubt, zone));
            let deletion = deletion.map(|pending| notices::deletion_announced(&pending, zone));
            let send = async {
                notify(&sender, chat, &mut told.clock, clock, notices::clock_trusted()).await;
                notify(&sender, chat, &mut told.deletion, deletion, notices::deletion_over()).await;
            };
            tokio::select! {
                () = send => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

/// Tells the chat of what has begun, or that it is over.
async fn notify(
    sender: &Sender,
    chat: ChatId,
    state: &mut IncidentState<()>,
    begun: Option<Text>,
    over: Text,
) {
    let notice = state.next(begun.is_some(), Instant::now());
    let (text, silent) = match notice {
        NextNotice::Started => (begun.unwrap_or_default(), false),
        NextNotice::Resolved(()) => (over, true),
        NextNotice::NotBefore(_) | NextNotice::Nothing => return,
    };
    let outcome = sender.notify(chat, &text, silent).await;
    state.record_outcome(notice, (), outcome, chat, Instant::now());
}

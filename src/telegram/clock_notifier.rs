//! Tells each chat once when the machine's clock is in doubt, and once, silently, when it no longer is; likewise
//! that much of the log will be deleted because of its age ([`IncidentState`]). During quiet hours all wait.
//!
//! What a chat was told of before a restart is over if it does not hold [`SETTLE_TIME`] after that ([`SentWarnings`]).

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
use crate::text::Text;

/// How often to check. A clock that is set from the network soon after the start is not worth a message.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// How long after a restart it may take until what holds is known.
const SETTLE_TIME: Duration = Duration::from_secs(120);

/// What the warnings are kept by.
const CLOCK: &str = "clock";
const DELETION: &str = "deletion";

/// What one chat was told.
struct Told {
    clock: IncidentState<()>,
    deletion: IncidentState<()>,
}

/// Notifies the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    recorder: RecorderHandle,
    quiet_hours: LocalQuietHours,
    warnings: SentWarnings,
    stop: CancellationToken,
) {
    let mut chats: HashMap<ChatId, Told> = HashMap::new();
    let started = Instant::now();
    while stop.run_until_cancelled(tokio::time::sleep(POLL_INTERVAL)).await.is_some() {
        if quiet_hours.next_check(recorder.now(), Instant::now()).is_some() {
            continue;
        }
        let (doubt, deletion) = (recorder.clock_doubt(), recorder.pending_deletion());
        for chat in sender.chats_to_notify() {
            let told = chats.entry(chat).or_insert_with(|| Told {
                clock: warnings.state(CLOCK, chat, ()),
                deletion: warnings.state(DELETION, chat, ()),
            });
            let is_settled = started.elapsed() >= SETTLE_TIME;
            let zone = quiet_hours.zone;
            let clock = doubt.map(|doubt| notices::clock_doubted(&doubt, zone));
            let deletion = deletion.map(|pending| notices::deletion_announced(&pending, zone));
            let send = async {
                let clock = (clock, notices::clock_trusted());
                let deletion = (deletion, notices::deletion_over());
                notify(&sender, &warnings, (CLOCK, chat), &mut told.clock, clock, is_settled).await;
                notify(&sender, &warnings, (DELETION, chat), &mut told.deletion, deletion, is_settled).await;
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
    warnings: &SentWarnings,
    (incident, chat): (&str, ChatId),
    state: &mut IncidentState<()>,
    (begun, over): (Option<Text>, Text),
    is_settled: bool,
) {
    let in_doubt = state.is_resumed() && !is_settled;
    let notice = state.next(begun.is_some() || in_doubt, Instant::now());
    let (text, silent) = match notice {
        NextNotice::Started => (begun.unwrap_or_default(), false),
        NextNotice::Resolved(()) => (over, true),
        NextNotice::NotBefore(_) | NextNotice::Nothing => return,
    };
    warnings.announce(incident, chat, &notice).await;
    let outcome = sender.notify(chat, &text, silent).await;
    state.record_outcome(notice, (), outcome, chat, Instant::now());
    warnings.record(incident, chat, state).await;
}

//! Shows a person that a reply is being made: a chat action, and after two seconds its progress. In a private chat that is
//! a draft, which disappears by itself. In a group, or where Telegram takes no drafts, it is a message, which is deleted
//! when the reply is ready.
//!
//! Invariants:
//! - The indicator never delays the reply.
//! - It takes no send capacity that a waiting message needs.

use std::time::Duration;

use teloxide::types::{ChatAction, MessageId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::draft::{DraftId, DraftOutcome};
use super::outgoing::Destination;
use super::sender::Sender;
use crate::chat::views::in_progress;
use crate::chat::{Progress, ProgressStep, ReplyKind};

/// When the first chat action is shown; most replies are ready before.
const ACTION_DELAY: Duration = Duration::from_millis(400);

/// When the chat action is repeated. Telegram shows it for five seconds (Bot API, `sendChatAction`).
const ACTION_INTERVAL: Duration = Duration::from_secs(4);

/// When the progress is shown, and how often it is updated. Telegram shows a draft for 30 seconds.
const MESSAGE_DELAY: Duration = Duration::from_secs(2);
const MESSAGE_INTERVAL: Duration = Duration::from_secs(2);

/// Runs `work`, which reports its progress, and shows the indicator meanwhile.
pub(super) async fn with_progress<W: Future>(
    sender: &Sender,
    destination: Destination,
    work: impl FnOnce(Progress) -> W,
) -> W::Output {
    let done = CancellationToken::new();
    let _done_on_return = done.clone().drop_guard();
    let (steps, latest_step) = watch::channel(None);
    let progress = Progress::new(move |step| drop(steps.send_replace(Some(step))));
    // A separate task: a progress message that is being sent when the work ends must still be deleted.
    tokio::spawn(show(sender.clone(), destination, latest_step, done));
    work(progress).await
}

async fn show(
    sender: Sender,
    destination: Destination,
    latest_step: watch::Receiver<Option<ProgressStep>>,
    done: CancellationToken,
) {
    let started = Instant::now();
    let mut next_action = started + ACTION_DELAY;
    let mut next_message = started + MESSAGE_DELAY;
    let mut draft = sender.shows_drafts(destination.chat).then(DraftId::next);
    let mut message: Option<MessageId> = None;
    loop {
        tokio::select! {
            () = done.cancelled() => break,
            () = tokio::time::sleep_until(next_action.min(next_message)) => {}
        }
        let step = latest_step.borrow().clone();
        if next_action <= Instant::now() {
            sender.show_action(destination, step.as_ref().map_or(ChatAction::Typing, action_of)).await;
            next_action = Instant::now() + ACTION_INTERVAL;
        }
        if next_message <= Instant::now() && !done.is_cancelled() {
            let text = step.map_or_else(|| in_progress(started.elapsed().as_secs()), |step| step.text);
            if let Some(id) = draft {
                // What is still on its way when the reply is ready must not come after it.
                let outcome = tokio::select! {
                    outcome = sender.show_draft(destination, id, &text) => outcome,
                    () = done.cancelled() => break,
                };
                draft = draft.filter(|_| outcome != DraftOutcome::Refused);
            }
            if draft.is_none() {
                message = sender.show_progress(destination, message, &text.into()).await;
            }
            next_message = Instant::now() + MESSAGE_INTERVAL;
        }
    }
    if let Some(message) = message {
        sender.delete(destination.chat, message).await;
    }
}

fn action_of(step: &ProgressStep) -> ChatAction {
    match step.kind {
        ReplyKind::Text => ChatAction::Typing,
        ReplyKind::Picture => ChatAction::UploadPhoto,
        ReplyKind::Document => ChatAction::UploadDocument,
    }
}

//! Shows a person that an answer takes its time: what the bot is doing, and past two seconds a line that says
//! so, which is gone when the answer comes.
//!
//! What must hold: nothing of this holds up the answer, or takes a place from messages that wait for one.

use std::time::Duration;

use teloxide::types::{ChatAction, MessageId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::outgoing::Destination;
use super::sender::Sender;
use crate::chat::views::working;
use crate::chat::{Progress, ProgressStep, ReplyKind};

/// Answers that come sooner need no sign of work.
const UNNOTICED: Duration = Duration::from_millis(400);

/// When the line comes, and how long it says the same at least.
const LINE_AFTER: Duration = Duration::from_secs(2);
const LINE_INTERVAL: Duration = Duration::from_secs(2);

/// Telegram shows an action for five seconds.
const ACTION_INTERVAL: Duration = Duration::from_secs(4);

/// Does the work that is told its progress, with the signs that it is being done.
pub(super) async fn with_progress<W: Future>(
    sender: &Sender,
    place: Destination,
    work: impl FnOnce(Progress) -> W,
) -> W::Output {
    let done = CancellationToken::new();
    let _ends = done.clone().drop_guard();
    let (steps, newest) = watch::channel(None);
    let progress = Progress::new(move |step| drop(steps.send_replace(Some(step))));
    // A task of its own: a line that is on its way when the work ends must still be taken away.
    tokio::spawn(show(sender.clone(), place, newest, done));
    work(progress).await
}

async fn show(
    sender: Sender,
    place: Destination,
    newest: watch::Receiver<Option<ProgressStep>>,
    done: CancellationToken,
) {
    let started = Instant::now();
    let mut next_action = started + UNNOTICED;
    let mut next_line = started + LINE_AFTER;
    let mut line: Option<MessageId> = None;
    loop {
        tokio::select! {
            () = done.cancelled() => break,
            () = tokio::time::sleep_until(next_action.min(next_line)) => {}
        }
        let step = newest.borrow().clone();
        if next_action <= Instant::now() {
            sender.show_action(place, step.as_ref().map_or(ChatAction::Typing, action_of)).await;
            next_action = Instant::now() + ACTION_INTERVAL;
        }
        if next_line <= Instant::now() && !done.is_cancelled() {
            let text = step.map_or_else(|| working(started.elapsed().as_secs()), |step| step.text);
            line = sender.show_line(place, line, &text.into()).await;
            next_line = Instant::now() + LINE_INTERVAL;
        }
    }
    if let Some(line) = line {
        sender.take_away(place.chat, line).await;
    }
}

fn action_of(step: &ProgressStep) -> ChatAction {
    match step.kind {
        ReplyKind::Text => ChatAction::Typing,
        ReplyKind::Picture => ChatAction::UploadPhoto,
        ReplyKind::Document => ChatAction::UploadDocument,
    }
}

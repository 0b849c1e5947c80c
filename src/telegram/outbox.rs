//! Brings the alerts that wait in the outbox to their chats: at least once, oldest first, and each logged
//! as delivered before the next of its chat goes out, no faster than Telegram takes them.

use std::collections::HashMap;
use std::time::Duration;

use chrono_tz::Tz;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::api::{Backoff, Failure};
use super::sender::Sender;
use super::sleep_until;
use crate::chat::{Text, reply};
use crate::event::{ChatId, Event, Offset, Timestamp};
use crate::recorder::{ChangeError, RecorderHandle};

/// How long a message that is on its way may still take when the service stops.
const LAST_SEND: Duration = Duration::from_secs(3);

/// How often a delivery that could not be logged is tried to be logged again.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// How long at least lies between two messages about alerts that were too many.
const OVERFLOW_INTERVAL: Duration = Duration::from_secs(60);

/// The next thing that a chat is to be told.
struct Due {
    chat: ChatId,
    what: What,
    text: Text,
}

#[derive(Clone, Copy)]
enum What {
    Alert(Offset),
    Overflow(u64),
}

/// A chat that is waited with.
#[derive(Default)]
struct Pause {
    backoff: Backoff,
    until: Option<Instant>,
    /// When Telegram's limits may have a place for it.
    place_from: Option<Instant>,
    /// When the chat may be told of an overflow again.
    overflow_from: Option<Instant>,
}

impl Pause {
    fn holds(&self, what: What, now: Instant) -> bool {
        let overflow = self.overflow_from.filter(|_| matches!(what, What::Overflow(_)));
        self.until.max(self.place_from).max(overflow).is_some_and(|until| until > now)
    }
}

/// Delivers until `stop`.
pub(super) async fn deliver(sender: Sender, recorder: RecorderHandle, zone: Tz, stop: CancellationToken) {
    let mut pauses: HashMap<ChatId, Pause> = HashMap::new();
    while !stop.is_cancelled() {
        let now = Instant::now();
        let is_paused =
            |chat: &ChatId, what: What| pauses.get(chat).is_some_and(|pause| pause.holds(what, now));
        let due = next_due(&recorder, zone, is_paused);
        if due.is_empty() {
            let ends = pauses.values().flat_map(|pause| [pause.until, pause.place_from, pause.overflow_from]);
            let wake = ends.flatten().filter(|until| *until > now).min();
            tokio::select! {
                () = recorder.alerts_waiting() => {}
                () = sleep_until(wake) => {}
                () = stop.cancelled() => return,
            }
            continue;
        }
        for Due { chat, what, text } in due {
            let pause = pauses.entry(chat).or_default();
            let answer = text.into();
            let outcome = if !sender.serves(chat) {
                Err(Failure::Never("the chat is served no longer".to_owned()))
            } else if let Err(from) = sender.take_place_for_alert(chat) {
                pause.place_from = Some(from.into());
                continue;
            } else {
                tokio::select! {
                    outcome = sender.alert(chat, &answer) => outcome,
                    () = shortly_after(&stop) => return,
                }
            };
            if let Err(Failure::Moved(to)) = outcome {
                // What waits for it waits for its new number from here on.
                match sender.follow(chat, to).await {
                    Ok(()) => continue,
                    Err(ChangeError::Stopped) => return,
                    Err(_) => {}
                }
            }
            let Some(event) = settle(pause, chat, what, outcome) else { continue };
            if !log(&recorder, event, &stop).await {
                return;
            }
        }
    }
}

/// What is to be logged of a delivery; nothing where the chat is to be waited with.
fn settle(pause: &mut Pause, chat: ChatId, what: What, outcome: Result<(), Failure>) -> Option<Event> {
    let failure = match outcome {
        Ok(()) => {
            pause.backoff = Backoff::default();
            if pause.until.take().is_some() {
                info!("Telegram takes alerts for chat {chat} again");
            }
            if matches!(what, What::Overflow(_)) {
                pause.overflow_from = Some(Instant::now() + OVERFLOW_INTERVAL);
            }
            return Some(delivered(chat, what));
        }
        Err(Failure::Never(why)) => {
            warn!("an alert for chat {chat} cannot be delivered and is dropped: {why}");
            return Some(undeliverable(chat, what, why));
        }
        Err(failure) => failure,
    };
    let wait = pause.backoff.next(failure.named_wait());
    pause.until = Some(Instant::now() + wait);
    warn!("an alert for chat {chat} waits {} s: {failure}", wait.as_secs());
    None
}

/// What comes next for each chat, where that is not waited with.
fn next_due(recorder: &RecorderHandle, zone: Tz, is_paused: impl Fn(&ChatId, What) -> bool) -> Vec<Due> {
    let state = recorder.state();
    let alerts = state.alerts();
    let next = |chat: ChatId| match alerts.waiting_for(chat).next() {
        Some((probe, alert)) => {
            let text = reply::alert(alert, state.names().of(alert.source), zone);
            Some(Due { chat, what: What::Alert(probe), text })
        }
        None => {
            let overflow = alerts.overflow(chat)?;
            Some(Due { chat, what: What::Overflow(overflow.count()), text: reply::overflow(overflow) })
        }
    };
    let mut due: Vec<Due> = alerts.chats_waiting().into_iter().filter_map(next).collect();
    due.retain(|due| !is_paused(&due.chat, due.what));
    due
}

fn delivered(chat: ChatId, what: What) -> Event {
    let time = Timestamp::now();
    match what {
        What::Alert(probe) => Event::Delivered { time, probe, chat },
        What::Overflow(count) => Event::OverflowTold { time, chat, count },
    }
}

fn undeliverable(chat: ChatId, what: What, reason: String) -> Event {
    match what {
        What::Alert(probe) => Event::Undeliverable { time: Timestamp::now(), probe, chat, reason },
        What::Overflow(_) => delivered(chat, what),
    }
}

/// Logs a delivery, trying again while the disk takes nothing: to send the alert again would be worse.
/// Whether there is still someone to log to.
async fn log(recorder: &RecorderHandle, event: Event, stop: &CancellationToken) -> bool {
    loop {
        match recorder.change(event.clone()).await {
            Ok(()) | Err(ChangeError::NotOnDiskYet(_)) => return true,
            Err(ChangeError::Disk(_)) => {}
            Err(stopped @ ChangeError::Stopped) => {
                error!("a delivered alert could not be logged: {stopped}");
                return false;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOG_RETRY) => {}
            () = stop.cancelled() => return false,
        }
    }
}

async fn shortly_after(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_SEND).await;
}

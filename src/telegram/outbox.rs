//! Brings the alerts that wait in the outbox to their chats: at least once, oldest first, and each logged
//! as delivered before the next of its chat goes out, no faster than Telegram takes them.
//!
//! A few alerts come by themselves; of more than [`FEW`] messages within the configured time the rest is
//! gathered and comes as one. In the quiet hours nothing comes: what they brought is one message afterwards.
//! While a chat is muted nothing comes either, and then how many alerts the mute kept back.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::api::{Backoff, RequestError};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use super::sleep_until;
use crate::chat::{Reply, views::alerts};
use crate::event::{ChatId, Event, EventKind, Offset, Timestamp};
use crate::recorder::{ChangeError, RecorderHandle};

/// How long a message that is on its way may still take when the service stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a delivery that could not be logged is tried to be logged again.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// How long at least lies between two messages about alerts that were too many.
const OVERFLOW_INTERVAL: Duration = Duration::from_secs(60);

/// Messages with alerts that a chat gets within the time for which they are gathered.
const FEW: usize = 3;

/// How often it is looked whether quiet hours or a mute are over: the clock may be set meanwhile.
const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// The next thing that a chat is to be told.
struct Due {
    chat: ChatId,
    what: What,
    answer: Reply,
}

enum What {
    /// These alerts.
    Alerts(Vec<Offset>),
    /// So many alerts that were too many.
    Overflow(u64),
    /// So many alerts that a mute kept back.
    MuteOver(u64),
}

/// What comes next for a chat.
enum Next {
    Due(Due),
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
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
    /// When it got its latest messages with alerts, at most [`FEW`].
    latest: VecDeque<Instant>,
}

impl Pause {
    /// The moment before which the chat is told nothing of this.
    fn holds_until(&self, what: &What, now: Instant) -> Option<Instant> {
        let overflow = self.overflow_from.filter(|_| matches!(what, What::Overflow(_)));
        self.until.max(self.place_from).max(overflow).filter(|until| *until > now)
    }

    /// How many more messages with alerts the chat may get, or from when on.
    fn room(&self, gather: Duration, now: Instant) -> Result<usize, Instant> {
        let ends: Vec<Instant> =
            self.latest.iter().map(|sent| *sent + gather).filter(|end| *end > now).collect();
        match ends.as_slice() {
            [first, ..] if ends.len() >= FEW => Err(*first),
            _ => Ok(FEW - ends.len()),
        }
    }

    fn note_sent(&mut self, now: Instant) {
        if self.latest.len() >= FEW {
            self.latest.pop_front();
        }
        self.latest.push_back(now);
    }
}

/// When alerts are told.
#[derive(Clone, Copy)]
struct Times {
    /// For how long they are gathered once a few came by themselves.
    gather: Duration,
    quiet: LocalQuietHours,
}

/// Delivers until `stop`.
pub(super) async fn deliver(
    sender: Sender,
    recorder: RecorderHandle,
    gather: Duration,
    quiet: LocalQuietHours,
    stop: CancellationToken,
) {
    let times = Times { gather, quiet };
    let mut pauses: HashMap<ChatId, Pause> = HashMap::new();
    while !stop.is_cancelled() {
        let (due, wake) = next_due(&recorder, times, &mut pauses);
        if due.is_empty() {
            tokio::select! {
                () = recorder.alerts_waiting() => {}
                () = sleep_until(wake) => {}
                () = stop.cancelled() => return,
            }
            continue;
        }
        for Due { chat, what, answer } in due {
            let pause = pauses.entry(chat).or_default();
            let outcome = if !sender.serves(chat) {
                Err(RequestError::Never("the chat is served no longer".to_owned()))
            } else if let Err(from) = sender.take_place_for_alert(chat) {
                pause.place_from = Some(from.into());
                continue;
            } else {
                tokio::select! {
                    outcome = sender.alert(chat, &answer) => outcome,
                    () = shortly_after(&stop) => return,
                }
            };
            if let Err(RequestError::Moved(to)) = outcome {
                // What waits for it waits for its new number from here on.
                match sender.follow(chat, to).await {
                    Ok(()) => continue,
                    Err(ChangeError::Stopped) => return,
                    Err(_) => {}
                }
            }
            let Some(events) = settle(pause, chat, &what, outcome) else { continue };
            if !log(&recorder, events, &stop).await {
                return;
            }
        }
    }
}

/// What is to be logged of a delivery; nothing where the chat is to be waited with.
fn settle(
    pause: &mut Pause,
    chat: ChatId,
    what: &What,
    outcome: Result<(), RequestError>,
) -> Option<Vec<Event>> {
    let failure = match outcome {
        Ok(()) => {
            pause.backoff = Backoff::default();
            if pause.until.take().is_some() {
                info!(event = "alerts_resumed", %chat, "Telegram accepts alerts for a chat again");
            }
            match what {
                What::Alerts(_) => pause.note_sent(Instant::now()),
                What::Overflow(_) => pause.overflow_from = Some(Instant::now() + OVERFLOW_INTERVAL),
                What::MuteOver(_) => {}
            }
            return Some(delivered(chat, what));
        }
        Err(RequestError::Never(why)) => {
            warn!(event = "alert_undeliverable", %chat, error = %why, "could not deliver an alert; it is dropped");
            return Some(undeliverable(chat, what, &why));
        }
        Err(failure) => failure,
    };
    let wait = pause.backoff.next(failure.named_wait());
    pause.until = Some(Instant::now() + wait);
    warn!(
        event = "alert_delayed",
        %chat,
        wait_seconds = wait.as_secs(),
        error = %failure,
        remedy = failure.remedy(),
        "could not deliver an alert; trying again"
    );
    None
}

/// What comes next for each chat that is not waited with, and when there may be more.
fn next_due(
    recorder: &RecorderHandle,
    times: Times,
    pauses: &mut HashMap<ChatId, Pause>,
) -> (Vec<Due>, Option<Instant>) {
    let (now, time) = (Instant::now(), Timestamp::now());
    let state = recorder.state();
    let mut chats = state.alerts().chats_waiting();
    chats.extend(state.mutes().iter().filter(|(_, mute)| mute.suppressed > 0).map(|(chat, _)| chat));
    let (mut due, mut wake) = (Vec::new(), None::<Instant>);
    for chat in chats {
        let pause = pauses.entry(chat).or_default();
        let next = if times.quiet.covers(time) || state.mutes().is_muted(chat, time) {
            Next::NotBefore(now + CLOCK_CHECK)
        } else if let Some(mute) = state.mutes().get(chat).filter(|mute| mute.suppressed > 0) {
            let answer = alerts::mute_over(mute.suppressed).into();
            Next::Due(Due { chat, what: What::MuteOver(mute.suppressed), answer })
        } else {
            let name = |address| state.names().of(address);
            let waiting = state.alerts().waiting_for(chat);
            let waiting: Vec<alerts::Waiting<'_>> =
                waiting.map(|(offset, alert)| (offset, alert, name(alert.source))).collect();
            match state.alerts().overflow(chat) {
                Some(overflow) if waiting.is_empty() => {
                    let answer = alerts::overflow(overflow).into();
                    Next::Due(Due { chat, what: What::Overflow(overflow.count()), answer })
                }
                _ => next_alerts(chat, &waiting, times, pause, now),
            }
        };
        let not_before = match next {
            Next::Due(next) => match pause.holds_until(&next.what, now) {
                Some(until) => until,
                None => {
                    due.push(next);
                    continue;
                }
            },
            Next::NotBefore(at) => at,
            Next::Nothing => continue,
        };
        wake = Some(wake.map_or(not_before, |wake| wake.min(not_before)));
    }
    (due, wake)
}

/// What a chat is told next of its alerts: one of them, or several as one message.
fn next_alerts(
    chat: ChatId,
    waiting: &[alerts::Waiting<'_>],
    times: Times,
    pause: &Pause,
    now: Instant,
) -> Next {
    let Times { gather, quiet } = times;
    let Some((first, alert, name)) = waiting.first() else { return Next::Nothing };
    let of_quiet_hours: Vec<_> =
        waiting.iter().filter(|(_, alert, _)| quiet.covers(alert.time)).copied().collect();
    let today = (Timestamp::now(), quiet.zone);
    let digest = if of_quiet_hours.len() > 1 {
        alerts::digest(&of_quiet_hours, alerts::quiet_headline, true, today)
    } else {
        match pause.room(gather, now) {
            Err(from) => return Next::NotBefore(from),
            Ok(room) if waiting.len() > room && !gather.is_zero() => {
                alerts::digest(waiting, alerts::burst_headline, false, today)
            }
            Ok(_) => {
                let answer = alerts::alert(alert, *name, quiet.zone);
                return Next::Due(Due { chat, what: What::Alerts(vec![*first]), answer });
            }
        }
    };
    Next::Due(Due { chat, what: What::Alerts(digest.told), answer: digest.answer })
}

fn delivered(chat: ChatId, what: &What) -> Vec<Event> {
    let time = Timestamp::now();
    match what {
        What::Alerts(offsets) => {
            offsets.iter().map(|&probe| Event::new(time, EventKind::Delivered { probe, chat })).collect()
        }
        What::Overflow(count) => vec![Event::new(time, EventKind::OverflowReported { chat, count: *count })],
        What::MuteOver(count) => vec![Event::new(time, EventKind::MuteReported { chat, count: *count })],
    }
}

fn undeliverable(chat: ChatId, what: &What, reason: &str) -> Vec<Event> {
    let time = Timestamp::now();
    let dropped = |&probe: &Offset| {
        Event::new(time, EventKind::Undeliverable { probe, chat, reason: reason.to_owned() })
    };
    match what {
        What::Alerts(offsets) => offsets.iter().map(dropped).collect(),
        What::Overflow(_) | What::MuteOver(_) => delivered(chat, what),
    }
}

/// Logs a delivery, trying again while the disk takes nothing: to send the alert again would be worse.
/// Whether there is still someone to log to.
async fn log(recorder: &RecorderHandle, events: Vec<Event>, stop: &CancellationToken) -> bool {
    loop {
        match recorder.change_all(events.clone()).await {
            Ok(()) | Err(ChangeError::NotOnDiskYet(_)) => return true,
            Err(ChangeError::Disk(_)) => {}
            Err(stopped @ ChangeError::Stopped) => {
                error!(error = %stopped, "could not log that an alert was delivered");
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
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_gets_a_few_messages_and_then_waits() {
        let (mut pause, start) = (Pause::default(), Instant::now());
        let (second, gather) = (Duration::from_secs(1), Duration::from_secs(60));
        for sent in 0..3 {
            assert_eq!(pause.room(gather, start + second * 5), Ok(FEW - sent));
            pause.note_sent(start + second * sent as u32);
        }
        assert_eq!(pause.room(gather, start + second * 5), Err(start + gather));
        assert_eq!(pause.room(gather, start + gather), Ok(1));
        pause.note_sent(start + gather);
        assert_eq!(pause.room(gather, start + gather), Err(start + gather + second));
        assert_eq!(pause.room(gather, start + gather * 3), Ok(FEW));
        assert_eq!(pause.room(Duration::ZERO, start + gather), Ok(FEW));
    }
}

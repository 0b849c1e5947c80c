//! Tells each chat once that recording has stopped, since the disk takes nothing, and once that it runs
//! again.
//!
//! What must hold:
//! - A chat is told that it runs again only where it was told that it stopped, and the next of the two
//!   only after the one before. What was over before it could be told is not told.
//! - A disk that comes and goes is no flood: within [`QUIET`] of one "stopped" a chat is told of no other.
//!   If recording has still, or again, stopped by then, that is told.
//! - Neither waits behind alerts, and Telegram's failures are tried again, at growing intervals.
//! - It is known in memory only, since nothing can be written: after a restart, a disk that still takes
//!   nothing is told again.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::api::{Backoff, Failure};
use super::sender::Sender;
use super::sleep_until;
use crate::chat::reply;
use crate::event::ChatId;
use crate::recorder::RecorderHandle;

/// How long after one "stopped" a chat is told of no other.
const QUIET: Duration = Duration::from_secs(600);

/// What one chat knows.
#[derive(Debug, Default)]
struct Told {
    /// When it was last told that recording stopped.
    stopped_at: Option<Instant>,
    /// The probes that were lost by then, while it was not told since that it runs again.
    stopped: Option<u64>,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

/// What a chat is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Stopped,
    /// With the probes that were lost before it stopped.
    Resumed {
        lost_before: u64,
    },
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
}

impl Told {
    /// What is to be told at `now`, when the disk takes nothing (`stopped`) or serves.
    fn due(&self, stopped: bool, now: Instant) -> Due {
        let (due, quiet_until) = match (stopped, self.stopped) {
            (true, None) => (Due::Stopped, self.stopped_at.map(|at| at + QUIET)),
            (false, Some(lost_before)) => (Due::Resumed { lost_before }, None),
            _ => return Due::Nothing,
        };
        match quiet_until.max(self.retry_at) {
            Some(until) if until > now => Due::NotBefore(until),
            _ => due,
        }
    }

    /// Takes note of what came of telling it.
    fn settle(&mut self, due: Due, lost: u64, outcome: Result<(), Failure>, chat: ChatId, now: Instant) {
        match outcome {
            Ok(()) => {}
            Err(Failure::Never(why)) => {
                warn!("chat {chat} cannot be told how the recording does: {why}");
            }
            Err(failure) => {
                let wait = self.backoff.next(failure.named_wait());
                self.retry_at = Some(now + wait);
                return warn!(
                    "chat {chat} is told in {} s how the recording does: {failure}",
                    wait.as_secs()
                );
            }
        }
        (self.backoff, self.retry_at) = (Backoff::default(), None);
        match due {
            Due::Stopped => (self.stopped, self.stopped_at) = (Some(lost), Some(now)),
            _ => self.stopped = None,
        }
    }
}

/// Tells the chats until `stop`.
pub(super) async fn tell(sender: Sender, recorder: RecorderHandle, stop: CancellationToken) {
    let mut disk = recorder.disk_errors();
    let mut chats: HashMap<ChatId, Told> = HashMap::new();
    let lost = || recorder.losses().disk_failed.load(Ordering::Relaxed);
    let mut lost_before = lost();
    loop {
        let error = disk.borrow_and_update().clone();
        if error.is_none() {
            lost_before = lost();
        }
        let mut wake = None;
        for chat in sender.served() {
            let told = chats.entry(chat).or_default();
            let due = told.due(error.is_some(), Instant::now());
            let (text, silent) = match due {
                Due::Stopped => (reply::recording_stopped(error.as_deref().unwrap_or_default()), false),
                Due::Resumed { lost_before } => (reply::recording_resumed(lost() - lost_before), true),
                Due::NotBefore(at) => {
                    wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
                    continue;
                }
                Due::Nothing => continue,
            };
            let outcome = tokio::select! {
                outcome = sender.notice(chat, &text, silent) => outcome,
                () = stop.cancelled() => return,
            };
            told.settle(due, lost_before, outcome, chat, Instant::now());
            // Before the next chat is told, it may be true no more; and this one may be due again.
            wake = Some(Instant::now());
            if disk.has_changed().unwrap_or(false) {
                break;
            }
        }
        tokio::select! {
            changed = disk.changed() => if changed.is_err() { return },
            () = sleep_until(wake) => {}
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(1001);

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    fn later() -> Result<(), Failure> {
        Err(Failure::Later(None, "down".to_owned()))
    }

    #[test]
    fn each_is_told_once() {
        let (mut told, now) = (Told::default(), Instant::now());
        assert_eq!(told.due(false, now), Due::Nothing);
        assert_eq!(told.due(true, now), Due::Stopped);
        told.settle(Due::Stopped, 7, Ok(()), CHAT, now);
        assert_eq!(told.due(true, now + minutes(60)), Due::Nothing);
        let resumed = Due::Resumed { lost_before: 7 };
        assert_eq!(told.due(false, now), resumed);
        told.settle(resumed, 9, Ok(()), CHAT, now);
        assert_eq!(told.due(false, now + minutes(60)), Due::Nothing);
    }

    #[test]
    fn a_disk_that_comes_and_goes_is_told_of_every_ten_minutes_at_most() {
        let (mut told, start) = (Told::default(), Instant::now());
        let mut messages = 0;
        // An hour of a minute without the disk and a minute with it.
        for minute in 0..60 {
            let now = start + minutes(minute);
            let due = told.due(minute % 2 == 0, now);
            if matches!(due, Due::Stopped | Due::Resumed { .. }) {
                told.settle(due, 0, Ok(()), CHAT, now);
                messages += 1;
            }
        }
        assert_eq!(messages, 12);
    }

    #[test]
    fn what_is_over_before_it_could_be_told_is_not_told() {
        let (mut told, now) = (Told::default(), Instant::now());
        told.settle(Due::Stopped, 0, later(), CHAT, now);
        assert_eq!(told.due(true, now), Due::NotBefore(now + Duration::from_secs(1)));
        assert_eq!(told.due(true, now + minutes(1)), Due::Stopped);
        assert_eq!(told.due(false, now + minutes(1)), Due::Nothing);
    }

    #[test]
    fn a_chat_that_blocked_the_bot_is_not_asked_again_and_again() {
        let (mut told, now) = (Told::default(), Instant::now());
        told.settle(Due::Stopped, 0, Err(Failure::Never("blocked".to_owned())), CHAT, now);
        assert_eq!(told.due(true, now + minutes(60)), Due::Nothing);
    }
}

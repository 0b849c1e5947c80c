//! What a chat was told of a trouble that comes and goes, and what it is to be told next.
//!
//! What must hold:
//! - A chat is told that it is over only where it was told that it has begun, and the next of the two only
//!   after the one before. What was over before it could be told is not told.
//! - What comes and goes is no flood: within [`QUIET`] of one beginning a chat is told of no other. If the
//!   trouble is still, or again, there by then, that is told.
//! - Telegram's failures are tried again, at growing intervals.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::api::{Backoff, Failure};
use crate::event::ChatId;

/// How long after one beginning a chat is told of no other.
const QUIET: Duration = Duration::from_secs(600);

/// What one chat knows of a trouble, with what was known of it when it was told.
#[derive(Debug)]
pub(super) struct Told<T> {
    /// When it was last told that it has begun.
    begun_at: Option<Instant>,
    /// That it was told so, and not since that it is over.
    begun: Option<T>,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

/// What a chat is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due<T> {
    /// That it has begun.
    Begun,
    /// That it is over, with what was known when its beginning was told.
    Over(T),
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { begun_at: None, begun: None, backoff: Backoff::default(), retry_at: None }
    }
}

impl<T: Copy> Told<T> {
    /// What is to be told at `now`, when there is trouble or none.
    pub(super) fn due(&self, trouble: bool, now: Instant) -> Due<T> {
        let (due, quiet_until) = match (trouble, self.begun) {
            (true, None) => (Due::Begun, self.begun_at.map(|at| at + QUIET)),
            (false, Some(begun)) => (Due::Over(begun), None),
            _ => return Due::Nothing,
        };
        match quiet_until.max(self.retry_at) {
            Some(until) if until > now => Due::NotBefore(until),
            _ => due,
        }
    }

    /// Takes note of what came of telling it; `begun` is what is known now.
    pub(super) fn settle(
        &mut self,
        due: Due<T>,
        begun: T,
        outcome: Result<(), Failure>,
        chat: ChatId,
        now: Instant,
    ) {
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
            Due::Begun => (self.begun, self.begun_at) = (Some(begun), Some(now)),
            _ => self.begun = None,
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
        assert_eq!(told.due(true, now), Due::Begun);
        told.settle(Due::Begun, 7, Ok(()), CHAT, now);
        assert_eq!(told.due(true, now + minutes(60)), Due::Nothing);
        let resumed = Due::Over(7);
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
            if matches!(due, Due::Begun | Due::Over(_)) {
                told.settle(due, 0, Ok(()), CHAT, now);
                messages += 1;
            }
        }
        assert_eq!(messages, 12);
    }

    #[test]
    fn what_is_over_before_it_could_be_told_is_not_told() {
        let (mut told, now) = (Told::default(), Instant::now());
        told.settle(Due::Begun, 0, later(), CHAT, now);
        assert_eq!(told.due(true, now), Due::NotBefore(now + Duration::from_secs(1)));
        assert_eq!(told.due(true, now + minutes(1)), Due::Begun);
        assert_eq!(told.due(false, now + minutes(1)), Due::Nothing);
    }

    #[test]
    fn a_chat_that_blocked_the_bot_is_not_asked_again_and_again() {
        let (mut told, now) = (Told::default(), Instant::now());
        told.settle(Due::Begun, 0, Err(Failure::Never("blocked".to_owned())), CHAT, now);
        assert_eq!(told.due(true, now + minutes(60)), Due::Nothing);
    }
}

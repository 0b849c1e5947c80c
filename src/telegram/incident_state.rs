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

use super::api::{Backoff, RequestError};
use crate::event::ChatId;

/// How long after one beginning a chat is told of no other.
const QUIET: Duration = Duration::from_secs(600);

/// What one chat knows of a trouble, with what was known of it when it was told.
#[derive(Debug)]
pub(super) struct IncidentState<T> {
    /// When it was last told that it has begun.
    begun_at: Option<Instant>,
    /// That it was told so, and not since that it is over.
    begun: Option<T>,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

/// What a chat is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextNotice<T> {
    /// That it has begun.
    Started,
    /// That it is over, with what was known when its beginning was told.
    Resolved(T),
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
}

impl<T> Default for IncidentState<T> {
    fn default() -> Self {
        Self { begun_at: None, begun: None, backoff: Backoff::default(), retry_at: None }
    }
}

impl<T: Copy> IncidentState<T> {
    /// What is to be told at `now`, when there is trouble or none.
    pub(super) fn next(&self, trouble: bool, now: Instant) -> NextNotice<T> {
        let (due, quiet_until) = match (trouble, self.begun) {
            (true, None) => (NextNotice::Started, self.begun_at.map(|at| at + QUIET)),
            (false, Some(begun)) => (NextNotice::Resolved(begun), None),
            _ => return NextNotice::Nothing,
        };
        match quiet_until.max(self.retry_at) {
            Some(until) if until > now => NextNotice::NotBefore(until),
            _ => due,
        }
    }

    /// Takes note of what came of telling it; `begun` is what is known now.
    pub(super) fn record_outcome(
        &mut self,
        due: NextNotice<T>,
        begun: T,
        outcome: Result<(), RequestError>,
        chat: ChatId,
        now: Instant,
    ) {
        match outcome {
            Ok(()) => {}
            Err(RequestError::Never(why)) => {
                warn!(event = "notice_undeliverable", %chat, error = %why, "could not send a notice; it is dropped");
            }
            Err(failure) => {
                let wait = self.backoff.next(failure.named_wait());
                self.retry_at = Some(now + wait);
                return warn!(
                    event = "notice_delayed",
                    %chat,
                    wait_seconds = wait.as_secs(),
                    error = %failure,
                    remedy = failure.remedy(),
                    "could not send a notice; trying again"
                );
            }
        }
        (self.backoff, self.retry_at) = (Backoff::default(), None);
        match due {
            NextNotice::Started => (self.begun, self.begun_at) = (Some(begun), Some(now)),
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

    fn later() -> Result<(), RequestError> {
        Err(RequestError::Later(None, "down".to_owned()))
    }

    #[test]
    fn each_is_told_once() {
        let (mut told, now) = (IncidentState::default(), Instant::now());
        assert_eq!(told.next(false, now), NextNotice::Nothing);
        assert_eq!(told.next(true, now), NextNotice::Started);
        told.record_outcome(NextNotice::Started, 7, Ok(()), CHAT, now);
        assert_eq!(told.next(true, now + minutes(60)), NextNotice::Nothing);
        let resumed = NextNotice::Resolved(7);
        assert_eq!(told.next(false, now), resumed);
        told.record_outcome(resumed, 9, Ok(()), CHAT, now);
        assert_eq!(told.next(false, now + minutes(60)), NextNotice::Nothing);
    }

    #[test]
    fn a_disk_that_comes_and_goes_is_told_of_every_ten_minutes_at_most() {
        let (mut told, start) = (IncidentState::default(), Instant::now());
        let mut messages = 0;
        // An hour of a minute without the disk and a minute with it.
        for minute in 0..60 {
            let now = start + minutes(minute);
            let due = told.next(minute % 2 == 0, now);
            if matches!(due, NextNotice::Started | NextNotice::Resolved(_)) {
                told.record_outcome(due, 0, Ok(()), CHAT, now);
                messages += 1;
            }
        }
        assert_eq!(messages, 12);
    }

    #[test]
    fn what_is_over_before_it_could_be_told_is_not_told() {
        let (mut told, now) = (IncidentState::default(), Instant::now());
        told.record_outcome(NextNotice::Started, 0, later(), CHAT, now);
        assert_eq!(told.next(true, now), NextNotice::NotBefore(now + Duration::from_secs(1)));
        assert_eq!(told.next(true, now + minutes(1)), NextNotice::Started);
        assert_eq!(told.next(false, now + minutes(1)), NextNotice::Nothing);
    }

    #[test]
    fn a_chat_that_blocked_the_bot_is_not_asked_again_and_again() {
        let (mut told, now) = (IncidentState::default(), Instant::now());
        told.record_outcome(
            NextNotice::Started,
            0,
            Err(RequestError::Never("blocked".to_owned())),
            CHAT,
            now,
        );
        assert_eq!(told.next(true, now + minutes(60)), NextNotice::Nothing);
    }
}

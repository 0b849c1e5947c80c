//! Which notices of an incident a chat has received, that it started or resolved, and which comes next.
//!
//! Invariants:
//! - A chat is notified that an incident resolved only if it was notified that it started. The two alternate. An
//!   incident that resolves before its notice could be sent is not mentioned.
//! - An incident that comes and goes does not flood the chat: within [`REPEAT_INTERVAL`] of one start notice there
//!   is no other. If the incident lasts, or has returned, by then, the chat is notified.
//! - A notice that Telegram does not accept is sent again, at growing intervals; callers leave out
//!   chats that blocked the bot.

use std::time::Duration;

use store::event::ChatId;
use tokio::time::Instant;
use tracing::warn;

use super::backoff::Backoff;
use super::request_error::RequestError;

/// The shortest time between two start notices to one chat.
const REPEAT_INTERVAL: Duration = Duration::from_secs(600);

/// What one chat knows of an incident. `T` is what is kept from the start notice for the one that follows.
#[derive(Debug)]
pub(super) struct IncidentState<T> {
    /// When the latest start notice was sent.
    started_at: Option<Instant>,
    /// Set between a start notice and its resolution.
    started: Option<T>,
    /// Whether an earlier run sent the latest start notice.
    is_resumed: bool,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

/// The next notice to a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextNotice<T> {
    /// The incident started.
    Started,
    /// The incident resolved; with what was kept from the start notice.
    Resolved(T),
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
}

impl<T> Default for IncidentState<T> {
    fn default() -> Self {
        Self {
            started_at: None,
            started: None,
            is_resumed: false,
            backoff: Backoff::for_messages(),
            retry_at: None,
        }
    }
}

impl<T> IncidentState<T> {
    /// Of an incident of which the chat was notified in an earlier run. It resolves only once that is certain.
    pub(super) fn resumed(started: T) -> Self {
        Self { started: Some(started), is_resumed: true, ..Self::default() }
    }

    /// Whether the chat was notified that it started, and not yet that it resolved.
    pub(super) fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Whether an earlier run notified the chat that it started.
    pub(super) fn is_resumed(&self) -> bool {
        self.is_resumed
    }
}

impl<T: Copy> IncidentState<T> {
    /// The notice that is due at `now`.
    pub(super) fn next(&self, is_active: bool, now: Instant) -> NextNotice<T> {
        let (notice, repeat_at) = match (is_active, self.started) {
            (true, None) => (NextNotice::Started, self.started_at.map(|at| at + REPEAT_INTERVAL)),
            (false, Some(started)) => (NextNotice::Resolved(started), None),
            _ => return NextNotice::Nothing,
        };
        match repeat_at.max(self.retry_at) {
            Some(at) if at > now => NextNotice::NotBefore(at),
            _ => notice,
        }
    }

    /// Records the outcome of sending `notice`. A start notice keeps `started`.
    pub(super) fn record_outcome(
        &mut self,
        notice: NextNotice<T>,
        started: T,
        outcome: Result<(), RequestError>,
        chat: ChatId,
        now: Instant,
    ) {
        match outcome {
            Ok(()) => {}
            // Counts as sent: Telegram will never accept it.
            Err(RequestError::InvalidContent(reason)) => {
                warn!(event = "notice_undeliverable", %chat, error = %reason, "could not send a notice; it is dropped");
            }
            Err(error) => {
                let wait = match error.refusal() {
                    Some(_) => self.backoff.next_after_refusal(),
                    None => self.backoff.next(error.retry_after()),
                };
                self.retry_at = Some(now + wait);
                return warn!(
                    event = "notice_delayed",
                    %chat,
                    wait_seconds = wait.as_secs(),
                    %error,
                    remedy = error.remedy(),
                    "could not send a notice; trying again"
                );
            }
        }
        self.backoff.reset();
        self.retry_at = None;
        self.is_resumed = false;
        match notice {
            NextNotice::Started => (self.started, self.started_at) = (Some(started), Some(now)),
            _ => self.started = None,
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

    fn temporary() -> Result<(), RequestError> {
        Err(RequestError::temporary("down"))
    }

    #[test]
    fn each_notice_is_sent_once() {
        let (mut state, now) = (IncidentState::default(), Instant::now());
        assert_eq!(state.next(false, now), NextNotice::Nothing);
        assert_eq!(state.next(true, now), NextNotice::Started);
        state.record_outcome(NextNotice::Started, 7, Ok(()), CHAT, now);
        assert_eq!(state.next(true, now + minutes(60)), NextNotice::Nothing);
        let resumed = NextNotice::Resolved(7);
        assert_eq!(state.next(false, now), resumed);
        state.record_outcome(resumed, 9, Ok(()), CHAT, now);
        assert_eq!(state.next(false, now + minutes(60)), NextNotice::Nothing);
    }

    #[test]
    fn a_recurring_incident_starts_a_notice_every_ten_minutes_at_most() {
        let (mut state, start) = (IncidentState::default(), Instant::now());
        let mut messages = 0;
        // For an hour, the incident starts and resolves every other minute.
        for minute in 0..60 {
            let now = start + minutes(minute);
            let notice = state.next(minute % 2 == 0, now);
            if matches!(notice, NextNotice::Started | NextNotice::Resolved(_)) {
                state.record_outcome(notice, 0, Ok(()), CHAT, now);
                messages += 1;
            }
        }
        assert_eq!(messages, 12);
    }

    #[test]
    fn an_incident_that_resolves_before_its_notice_is_not_mentioned() {
        let (mut state, now) = (IncidentState::default(), Instant::now());
        state.record_outcome(NextNotice::Started, 0, temporary(), CHAT, now);
        assert_eq!(state.next(true, now), NextNotice::NotBefore(now + Duration::from_secs(1)));
        assert_eq!(state.next(true, now + minutes(1)), NextNotice::Started);
        assert_eq!(state.next(false, now + minutes(1)), NextNotice::Nothing);
    }

    #[test]
    fn a_refused_notice_is_not_repeated() {
        let (mut state, now) = (IncidentState::default(), Instant::now());
        state.record_outcome(
            NextNotice::Started,
            0,
            Err(RequestError::InvalidContent("too long".to_owned())),
            CHAT,
            now,
        );
        assert_eq!(state.next(true, now + minutes(60)), NextNotice::Nothing);
    }
}

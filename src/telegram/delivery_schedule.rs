//! When a chat may get its next message about alerts.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use store::event::{ChatId, Offset, Timestamp};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::request_error::RequestError;
use crate::chat::pending_alerts::ShownVisit;

/// Messages with alerts that a chat gets one by one within the gathering time; then its alerts are gathered. Those
/// about known devices and about others are counted each by itself.
pub(super) const SINGLE_MESSAGES: usize = 3;

/// The shortest time between two messages about suppressed alerts.
const OVERFLOW_INTERVAL: Duration = Duration::from_secs(60);

/// The time between two updates of a chat's messages about visits that last.
pub(super) const UPDATE_INTERVAL: Duration = Duration::from_secs(5);

/// How much longer a visit must have lasted than its message says, to be updated.
const UPDATE_STEP: Duration = Duration::from_secs(60);

/// The schedules of all chats.
pub(super) type DeliverySchedules = HashMap<ChatId, DeliverySchedule>;

/// Which devices a message is about. Whatever the others do, messages about known ones are not delayed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Devices {
    /// Those with a name, and followed ones.
    Known,
    /// All others; also what is no alert.
    Others,
}

/// The messages about some of the devices.
#[derive(Debug, Default)]
struct Lane {
    /// When Telegram's limits may allow the next one.
    capacity_at: Option<Instant>,
    /// When the latest with alerts were sent, at most [`SINGLE_MESSAGES`].
    sent: VecDeque<Instant>,
}

/// When one chat may get its next message about alerts.
#[derive(Debug)]
pub(super) struct DeliverySchedule {
    backoff: Backoff,
    /// Set after a failure.
    retry_at: Option<Instant>,
    /// Whether the latest failure was a refusal, which somebody may undo at any time.
    is_refused: bool,
    /// Set after Telegram rejected the content of a message: how much of the next one to send, as plain text.
    plain_limit: Option<usize>,
    /// When the chat may get the next message about suppressed alerts.
    next_overflow: Option<Instant>,
    known: Lane,
    others: Lane,
    /// Until when the messages about visits show them, by the event that raised the alert; `None` if Telegram refused
    /// to edit one.
    visits: HashMap<Offset, Option<Timestamp>>,
    /// When a visit that lasts may be updated.
    next_update: Option<Instant>,
}

impl Default for DeliverySchedule {
    fn default() -> Self {
        Self {
            backoff: Backoff::for_messages(),
            retry_at: None,
            is_refused: false,
            plain_limit: None,
            next_overflow: None,
            known: Lane::default(),
            others: Lane::default(),
            visits: HashMap::new(),
            next_update: None,
        }
    }
}

impl DeliverySchedule {
    fn lane(&self, devices: Devices) -> &Lane {
        match devices {
            Devices::Known => &self.known,
            Devices::Others => &self.others,
        }
    }

    fn lane_mut(&mut self, devices: Devices) -> &mut Lane {
        match devices {
            Devices::Known => &mut self.known,
            Devices::Others => &mut self.others,
        }
    }

    /// The moment before which the chat gets no message about these devices, if that is not past. Messages about an
    /// overflow wait longer.
    pub(super) fn blocked_until(&self, devices: Devices, is_overflow: bool, now: Instant) -> Option<Instant> {
        let overflow = self.next_overflow.filter(|_| is_overflow);
        let capacity = self.lane(devices).capacity_at;
        self.retry_at.max(capacity).max(overflow).filter(|until| *until > now)
    }

    /// How many more messages with alerts about these devices the chat may get within `gather`.
    ///
    /// # Errors
    /// When it may get the next one, if none now.
    pub(super) fn messages_left(
        &self,
        devices: Devices,
        gather: Duration,
        now: Instant,
    ) -> Result<usize, Instant> {
        let sent = self.lane(devices).sent.iter();
        let counted: Vec<Instant> = sent.map(|sent| *sent + gather).filter(|end| *end > now).collect();
        match counted.as_slice() {
            [first, ..] if counted.len() >= SINGLE_MESSAGES => Err(*first),
            _ => Ok(SINGLE_MESSAGES - counted.len()),
        }
    }

    /// Records that a message with alerts about these devices was sent.
    pub(super) fn record_sent(&mut self, devices: Devices, now: Instant) {
        let sent = &mut self.lane_mut(devices).sent;
        if sent.len() >= SINGLE_MESSAGES {
            sent.pop_front();
        }
        sent.push_back(now);
    }

    /// Records that a message about suppressed alerts was sent.
    pub(super) fn record_overflow_sent(&mut self, now: Instant) {
        self.next_overflow = Some(now + OVERFLOW_INTERVAL);
    }

    /// Forgets visits that are no longer shown.
    pub(super) fn keep_visits(&mut self, shown: &[ShownVisit]) {
        self.visits.retain(|offset, _| shown.iter().any(|visit| visit.offset == *offset));
    }

    /// The visit whose message is the most outdated, if one may be edited now.
    pub(super) fn outdated_visit<'a>(&self, shown: &'a [ShownVisit], now: Instant) -> Option<&'a ShownVisit> {
        if self.next_update.is_some_and(|from| from > now) {
            return None;
        }
        let until =
            |visit: &ShownVisit| self.visits.get(&visit.offset).copied().unwrap_or(Some(visit.raised));
        let outdated = shown.iter().filter_map(|visit| {
            let until = until(visit)?;
            let step =
                if visit.alert.time > until { visit.alert.time.abs_diff(until) } else { Duration::ZERO };
            (step >= UPDATE_STEP).then_some((until, visit))
        });
        outdated.min_by_key(|(until, _)| *until).map(|(_, visit)| visit)
    }

    /// Records until when a message shows a visit; `None` if it cannot be edited.
    pub(super) fn record_update(&mut self, visit: Offset, until: Option<Timestamp>, now: Instant) {
        self.visits.insert(visit, until);
        self.next_update = Some(now + UPDATE_INTERVAL);
    }

    /// Records when Telegram's limits allow the next message about these devices.
    pub(super) fn record_no_capacity(&mut self, devices: Devices, until: Instant) {
        self.lane_mut(devices).capacity_at = Some(until);
    }

    /// Records a success. Returns whether it ends a series of failures.
    pub(super) fn record_success(&mut self) -> bool {
        self.backoff.reset();
        self.plain_limit = None;
        self.is_refused = false;
        self.retry_at.take().is_some()
    }

    /// Records a failure, and returns the wait until the next try.
    pub(super) fn record_failure(&mut self, error: &RequestError, now: Instant) -> Duration {
        self.is_refused = error.refusal().is_some();
        let wait = match self.is_refused {
            true => self.backoff.next_after_refusal(),
            false => self.backoff.next(error.retry_after()),
        };
        self.retry_at = Some(now + wait);
        wait
    }

    /// Whether the latest failure was a refusal.
    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Ends the wait after a refusal: the chat may accept messages now. The next wait is as long as it would have been.
    pub(super) fn retry_after_refusal(&mut self) {
        if std::mem::take(&mut self.is_refused) {
            self.retry_at = None;
        }
    }

    /// How much of the next message to send as plain text, after Telegram rejected the content of one.
    pub(super) fn plain_limit(&self) -> Option<usize> {
        self.plain_limit
    }

    /// Records that Telegram rejected a message's content; this much of it is sent next, as plain text.
    pub(super) fn record_invalid_content(&mut self, plain_limit: Option<usize>) {
        self.plain_limit = plain_limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_gets_a_few_messages_and_then_waits() {
        let (mut schedule, start) = (DeliverySchedule::default(), Instant::now());
        let (second, gather) = (Duration::from_secs(1), Duration::from_secs(60));
        let others = Devices::Others;
        for sent in 0..3 {
            assert_eq!(
                schedule.messages_left(others, gather, start + second * 5),
                Ok(SINGLE_MESSAGES - sent)
            );
            schedule.record_sent(others, start + second * sent as u32);
        }
        assert_eq!(schedule.messages_left(others, gather, start + second * 5), Err(start + gather));
        assert_eq!(
            schedule.messages_left(Devices::Known, gather, start + second * 5),
            Ok(SINGLE_MESSAGES),
            "others do not delay known devices"
        );
        assert_eq!(schedule.messages_left(others, gather, start + gather), Ok(1));
        schedule.record_sent(others, start + gather);
        assert_eq!(schedule.messages_left(others, gather, start + gather), Err(start + gather + second));
        assert_eq!(schedule.messages_left(others, gather, start + gather * 3), Ok(SINGLE_MESSAGES));
        assert_eq!(schedule.messages_left(others, Duration::ZERO, start + gather), Ok(SINGLE_MESSAGES));
    }
}

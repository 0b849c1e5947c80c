//! Delivers the alerts of the outbox.
//!
//! Invariants:
//! - Each alert is delivered at least once, the oldest of a chat first. It is logged as delivered before the next
//!   message of its chat is sent.
//! - No message exceeds Telegram's limits ([`Sender::try_acquire_for_alert`]).
//! - A few alerts are sent one by one. Once a chat got [`SINGLE_MESSAGES`] messages within the configured gathering
//!   time, its further alerts are gathered into one message.
//! - During quiet hours and while a chat is muted, nothing is sent. Afterwards one message lists the alerts of the
//!   quiet hours, or says how many alerts the mute suppressed.
//!
//! [`SINGLE_MESSAGES`]: super::delivery_schedule::SINGLE_MESSAGES

use std::ops::ControlFlow;
use std::time::Duration;

use store::event::{ChatId, Event, EventKind, Offset, Timestamp};
use store::recorder::{ChangeError, RecorderHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::delivery_schedule::{DeliverySchedule, DeliverySchedules};
use super::quiet_hours::LocalQuietHours;
use super::request_error::RequestError;
use super::sender::Sender;
use super::{earliest, sleep_until};
use crate::chat::{Reply, views::alerts};

/// How long a message that is being sent may take when the service stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The wait before a delivery that could not be logged is logged again.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// How often to check whether quiet hours or a mute have ended: the system's clock may be set meanwhile.
const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// The next message to a chat.
struct Message {
    chat: ChatId,
    content: Content,
    reply: Reply,
}

/// What a message reports.
enum Content {
    /// These alerts.
    Alerts(Vec<Offset>),
    /// The number of alerts that were suppressed because there were too many.
    Overflow(u64),
    /// The number of alerts that a mute suppressed.
    MuteOver(u64),
}

/// What to do next for a chat.
enum Next {
    Send(Message),
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
}

/// Delivers alerts to the chats that the sender serves.
pub(super) struct Outbox {
    pub(super) sender: Sender,
    pub(super) recorder: RecorderHandle,
    /// The time within which alerts are gathered.
    pub(super) gather: Duration,
    pub(super) quiet_hours: LocalQuietHours,
    pub(super) stop: CancellationToken,
}

impl Outbox {
    /// Delivers until `stop`.
    pub(super) async fn run(self) {
        let mut schedules = DeliverySchedules::new();
        while !self.stop.is_cancelled() {
            let (messages, wake) = self.next_messages(&mut schedules);
            if messages.is_empty() {
                tokio::select! {
                    () = self.recorder.alert_raised() => {}
                    () = sleep_until(wake) => {}
                    () = self.stop.cancelled() => return,
                }
            }
            for message in messages {
                let schedule = schedules.entry(message.chat).or_default();
                if self.deliver(&message, schedule).await.is_break() {
                    return;
                }
            }
        }
    }

    /// Sends a message once, and logs the outcome. Breaks if the service stops.
    async fn deliver(&self, message: &Message, schedule: &mut DeliverySchedule) -> ControlFlow<()> {
        let chat = message.chat;
        let outcome = if !self.sender.has_access(chat) {
            Err(RequestError::Refused("the chat is no longer served".to_owned()))
        } else if let Err(capacity_at) = self.sender.try_acquire_for_alert(chat) {
            schedule.record_no_capacity(capacity_at.into());
            return ControlFlow::Continue(());
        } else {
            tokio::select! {
                outcome = self.sender.send_alert(chat, &message.reply) => outcome,
                () = drain_timeout(&self.stop) => return ControlFlow::Break(()),
            }
        };
        if let Err(RequestError::Migrated(to)) = outcome {
            // From then on the chat's outbox belongs to its new ID.
            match self.sender.record_migration(chat, to).await {
                Ok(()) => return ControlFlow::Continue(()),
                Err(ChangeError::Stopped) => return ControlFlow::Break(()),
                Err(_) => {}
            }
        }
        match record_outcome(message, outcome, schedule) {
            Some(events) => self.log(events).await,
            None => ControlFlow::Continue(()),
        }
    }

    /// Logs a delivery. Tries again while writes fail: sending the alert a second time would be worse. Breaks if the
    /// service stops.
    async fn log(&self, events: Vec<Event>) -> ControlFlow<()> {
        loop {
            match self.recorder.change_all(events.clone()).await {
                Ok(()) | Err(ChangeError::NotOnDiskYet(_)) => return ControlFlow::Continue(()),
                Err(ChangeError::Disk(_)) => {}
                Err(error @ ChangeError::Stopped) => {
                    error!(%error, "could not log that an alert was delivered");
                    return ControlFlow::Break(());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOG_RETRY) => {}
                () = self.stop.cancelled() => return ControlFlow::Break(()),
            }
        }
    }

    /// The next message of each chat that may get one now, and when there may be more. A chat is first told of a mute
    /// that ended, then of its alerts, last of those that were too many.
    fn next_messages(&self, schedules: &mut DeliverySchedules) -> (Vec<Message>, Option<Instant>) {
        let (now, time) = (Instant::now(), Timestamp::now());
        let state = self.recorder.state();
        let mut chats = state.alerts().chats_waiting();
        chats.extend(state.mutes().iter().filter(|(_, mute)| mute.suppressed > 0).map(|(chat, _)| chat));
        let (mut messages, mut wake) = (Vec::new(), None);
        for chat in chats {
            let schedule = schedules.entry(chat).or_default();
            let next = if self.quiet_hours.contains(time) || state.mutes().is_muted(chat, time) {
                Next::NotBefore(now + CLOCK_CHECK)
            } else if let Some(mute) = state.mutes().get(chat).filter(|mute| mute.suppressed > 0) {
                let reply = alerts::mute_ended(mute.suppressed).into();
                Next::Send(Message { chat, content: Content::MuteOver(mute.suppressed), reply })
            } else {
                let waiting = state.alerts().waiting_for(chat);
                let waiting: Vec<alerts::PendingAlert<'_>> = waiting
                    .map(|(offset, alert)| (offset, alert, alerts::AlertDevice::of(&state, alert.source)))
                    .collect();
                match state.alerts().overflow(chat) {
                    Some(overflow) if waiting.is_empty() => {
                        let reply = alerts::overflow(overflow).into();
                        Next::Send(Message { chat, content: Content::Overflow(overflow.count()), reply })
                    }
                    _ => self.next_alerts(chat, &waiting, schedule, now),
                }
            };
            let not_before = match next {
                Next::Send(message) => {
                    let is_overflow = matches!(message.content, Content::Overflow(_));
                    let Some(until) = schedule.blocked_until(is_overflow, now) else {
                        messages.push(message);
                        continue;
                    };
                    until
                }
                Next::NotBefore(at) => at,
                Next::Nothing => continue,
            };
            wake = earliest(wake, not_before);
        }
        (messages, wake)
    }

    /// The next message with alerts: one alert, or several gathered.
    fn next_alerts(
        &self,
        chat: ChatId,
        waiting: &[alerts::PendingAlert<'_>],
        schedule: &DeliverySchedule,
        now: Instant,
    ) -> Next {
        let Some((first, alert, device)) = waiting.first() else { return Next::Nothing };
        let zone = self.quiet_hours.zone;
        let today = (Timestamp::now(), zone);
        let of_quiet_hours: Vec<_> =
            waiting.iter().filter(|(_, alert, _)| self.quiet_hours.contains(alert.time)).copied().collect();
        let digest = if of_quiet_hours.len() > 1 {
            alerts::digest(&of_quiet_hours, alerts::quiet_headline, true, today)
        } else {
            match schedule.messages_left(self.gather, now) {
                Err(at) => return Next::NotBefore(at),
                Ok(left) if waiting.len() > left && !self.gather.is_zero() => {
                    alerts::digest(waiting, alerts::burst_headline, false, today)
                }
                Ok(_) => {
                    let reply = alerts::alert(alert, *device, zone);
                    return Next::Send(Message { chat, content: Content::Alerts(vec![*first]), reply });
                }
            }
        };
        Next::Send(Message { chat, content: Content::Alerts(digest.included), reply: digest.answer })
    }
}

/// Updates the schedule with the outcome of a message. Returns the events to log; `None` if it is sent again later.
fn record_outcome(
    Message { chat, content, .. }: &Message,
    outcome: Result<(), RequestError>,
    schedule: &mut DeliverySchedule,
) -> Option<Vec<Event>> {
    match outcome {
        Ok(()) => {
            if schedule.record_success() {
                info!(event = "alerts_resumed", %chat, "Telegram accepts alerts for a chat again");
            }
            match content {
                Content::Alerts(_) => schedule.record_sent(Instant::now()),
                Content::Overflow(_) => schedule.record_overflow_sent(Instant::now()),
                Content::MuteOver(_) => {}
            }
            Some(delivered(*chat, content))
        }
        Err(RequestError::Refused(reason)) => {
            warn!(event = "alert_undeliverable", %chat, error = %reason, "could not deliver an alert; the alert is dropped");
            Some(undeliverable(*chat, content, &reason))
        }
        Err(error) => {
            let wait = schedule.record_failure(&error, Instant::now());
            warn!(
                event = "alert_delayed",
                %chat,
                wait_seconds = wait.as_secs(),
                %error,
                remedy = error.remedy(),
                "could not deliver an alert; trying again"
            );
            None
        }
    }
}

fn delivered(chat: ChatId, content: &Content) -> Vec<Event> {
    let time = Timestamp::now();
    match content {
        Content::Alerts(offsets) => {
            offsets.iter().map(|&probe| Event::new(time, EventKind::Delivered { probe, chat })).collect()
        }
        Content::Overflow(count) => {
            vec![Event::new(time, EventKind::OverflowReported { chat, count: *count })]
        }
        Content::MuteOver(count) => vec![Event::new(time, EventKind::MuteReported { chat, count: *count })],
    }
}

fn undeliverable(chat: ChatId, content: &Content, reason: &str) -> Vec<Event> {
    let time = Timestamp::now();
    let dropped = |&probe: &Offset| {
        Event::new(time, EventKind::Undeliverable { probe, chat, reason: reason.to_owned() })
    };
    match content {
        Content::Alerts(offsets) => offsets.iter().map(dropped).collect(),
        Content::Overflow(_) | Content::MuteOver(_) => delivered(chat, content),
    }
}

/// Returns [`DRAIN_TIMEOUT`] after `stop`.
async fn drain_timeout(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}

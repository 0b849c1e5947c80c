//! Delivers the alerts of the outbox.
//!
//! Invariants:
//! - Each alert is delivered at least once, unless it waits too long (`alerts.keep_hours`), the chat blocks the bot, or
//!   Telegram rejects its content also as plain text. A chat's messages are sent one after the other; those of
//!   different chats do not wait for each other.
//! - The alerts of a chat are sent in order: those about known devices first, and of these the oldest. It is
//!   logged as delivered before the next message of its chat is sent.
//! - Alerts about known devices, and those about others, are limited and gathered each by themselves ([`Devices`]).
//! - No message exceeds Telegram's limits ([`Sender::try_acquire_for_alert`]).

mod next;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use store::event::{ChatId, Event, EventKind, MessageId, Offset, Timestamp};
use store::recorder::{ChangeError, RecorderHandle};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::delivery_schedule::{DeliverySchedule, DeliverySchedules, Devices};
use super::request_error::RequestError;
use super::sender::Sender;
use super::{earliest, sleep_until};
use crate::chat::Reply;
use crate::chat::pending_alerts::PendingAlerts;
use crate::chat_settings::ConfiguredSettings;
use next::Next;

/// How long a message that is being sent may take when the service stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The wait before a delivery that could not be logged is logged again.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// The next message to a chat.
struct Message {
    chat: ChatId,
    devices: Devices,
    content: Content,
    reply: Reply,
    /// The message that it replaces.
    edits: Option<MessageId>,
}

/// What a message reports.
enum Content {
    /// These alerts.
    Alerts(Vec<Offset>),
    /// These alerts, which are about one visit of a stranger.
    Visit(Vec<Offset>),
    /// That the visit lasts whose alert this event raised, and the time of the visitor's last frame.
    VisitLasts(Offset, Timestamp),
    /// The number of alerts that were suppressed because there were too many.
    Overflow(u64, Option<ReportedFlood>),
    /// The number of alerts that a mute suppressed.
    MuteOver(u64),
    /// All of this, after quiet hours.
    Several(Vec<Content>),
}

/// The flood of which a message tells.
#[derive(Clone, Copy)]
struct ReportedFlood {
    since: Timestamp,
    /// Whether the message says that it is over.
    is_over: bool,
}

/// Delivers alerts to the chats that the sender serves.
pub(super) struct Outbox {
    pub(super) sender: Sender,
    pub(super) recorder: RecorderHandle,
    pub(super) settings: Arc<ConfiguredSettings>,
    pub(super) stop: CancellationToken,
}

impl Outbox {
    /// Delivers until `stop`.
    pub(super) async fn run(self) {
        let outbox = Arc::new(self);
        let mut schedules = DeliverySchedules::new();
        let mut deliveries = JoinSet::new();
        let mut delivering: BTreeMap<Id, ChatId> = BTreeMap::new();
        outbox.forget_blocks_of_others().await;
        while !outbox.stop.is_cancelled() {
            let (chats, mut wake) = outbox.chats();
            for chat in chats {
                if delivering.values().any(|busy| *busy == chat) {
                    continue;
                }
                let schedule = schedules.entry(chat).or_default();
                if schedule.is_refused() && !outbox.sender.is_refusing(chat) {
                    schedule.retry_after_refusal();
                }
                if let Some(events) = outbox.drop_for_blocked(chat) {
                    let schedule = schedules.remove(&chat).unwrap_or_default();
                    if !events.is_empty() {
                        let delivery = Arc::clone(&outbox).log_dropped(chat, schedule, events);
                        delivering.insert(deliveries.spawn(delivery).id(), chat);
                    }
                    continue;
                }
                let message = match outbox.next(chat, schedule) {
                    Next::Send(message) => message,
                    Next::NotBefore(at) => {
                        wake = earliest(wake, at);
                        continue;
                    }
                    Next::Nothing => continue,
                };
                // A chat that is no longer served gets nothing, so that takes no capacity.
                if outbox.sender.has_access(chat)
                    && let Err(capacity_at) = outbox.sender.try_acquire_for_alert(chat, message.devices)
                {
                    schedule.record_no_capacity(message.devices, capacity_at.into());
                    wake = earliest(wake, capacity_at.into());
                    continue;
                }
                let schedule = schedules.remove(&chat).unwrap_or_default();
                let delivery = Arc::clone(&outbox).deliver(message, schedule);
                delivering.insert(deliveries.spawn(delivery).id(), chat);
            }
            tokio::select! {
                Some(finished) = deliveries.join_next_with_id() => match finished {
                    Ok((task, (chat, schedule, next))) => {
                        delivering.remove(&task);
                        schedules.insert(chat, schedule);
                        if next.is_break() {
                            break;
                        }
                    }
                    Err(error) => {
                        error!(event = "delivery_panicked", %error, "the delivery of an alert panicked; this is a bug");
                        delivering.remove(&error.id());
                    }
                },
                () = outbox.recorder.alert_raised() => {}
                () = outbox.sender.chat_accepts_again() => {}
                () = sleep_until(wake) => {}
                () = outbox.stop.cancelled() => {}
            }
        }
        // Each ends soon after the stop.
        while deliveries.join_next().await.is_some() {}
    }

    /// Forgets that chats which are not served any more blocked the bot.
    async fn forget_blocks_of_others(&self) {
        let blocked: Vec<ChatId> = self.recorder.state().chats().blocked().map(|(chat, _)| chat).collect();
        let others = blocked.into_iter().filter(|chat| !self.sender.has_access(*chat));
        let time = self.recorder.now();
        let events = others.map(|chat| Event::new(time, EventKind::ChatUnblocked { chat })).collect();
        let _ = self.log(events).await;
    }

    /// If the chat blocked the bot: the events that drop what waits for it, without a request to Telegram.
    fn drop_for_blocked(&self, chat: ChatId) -> Option<Vec<Event>> {
        let state = self.recorder.state();
        let block = state.chats().block(chat)?;
        let (time, pending) = (self.recorder.now(), PendingAlerts::of(&state, chat));
        let alerts = state.alerts().waiting_for(chat).map(|(offset, _)| offset).collect();
        let overflow = pending.overflow().map(|overflow| Content::Overflow(overflow.count(), None));
        let muted = pending.suppressed().filter(|_| !pending.is_muted(time)).map(Content::MuteOver);
        let dropped = [Some(Content::Alerts(alerts)), overflow, muted].into_iter().flatten();
        Some(dropped.flat_map(|content| undeliverable(time, chat, &content, &block.reason)).collect())
    }

    async fn log_dropped(
        self: Arc<Self>,
        chat: ChatId,
        schedule: DeliverySchedule,
        events: Vec<Event>,
    ) -> (ChatId, DeliverySchedule, ControlFlow<()>) {
        let alerts = events.len();
        info!(event = "alert_undeliverable", %chat, alerts, "dropped alerts to a chat that has blocked the bot");
        let next = self.log(events).await;
        (chat, schedule, next)
    }

    /// Sends a message once, and logs the outcome. Breaks if the service stops.
    async fn deliver(
        self: Arc<Self>,
        message: Message,
        mut schedule: DeliverySchedule,
    ) -> (ChatId, DeliverySchedule, ControlFlow<()>) {
        let next = self.send_and_log(&message, &mut schedule).await;
        (message.chat, schedule, next)
    }

    async fn send_and_log(&self, message: &Message, schedule: &mut DeliverySchedule) -> ControlFlow<()> {
        let chat = message.chat;
        let outcome = if !self.sender.has_access(chat) {
            Err(RequestError::ChatUnreachable("the chat is no longer served".to_owned()))
        } else {
            tokio::select! {
                outcome = self.transmit(message, schedule.plain_limit()) => outcome,
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
        if let Err(RequestError::ChatUnreachable(reason)) = &outcome {
            self.sender.record_block(chat, reason).await;
        }
        match self.record_outcome(message, outcome, schedule) {
            Some(events) => self.log(events).await,
            None => ControlFlow::Continue(()),
        }
    }

    /// Sends a message, or edits the one that it replaces. If Telegram refuses the edit, what an alert says is sent as
    /// a new message, unless that would disturb. If there is a `plain_limit`, so much of the text is sent, as plain
    /// text.
    async fn transmit(
        &self,
        message: &Message,
        plain_limit: Option<usize>,
    ) -> Result<Option<MessageId>, RequestError> {
        let Message { chat, reply, .. } = message;
        let Some(edited) = message.edits else {
            return self.sender.send_alert(*chat, reply, plain_limit).await;
        };
        let error = match self.sender.edit_alert(*chat, edited, reply).await {
            Err(error) if error.refusal().is_some() => error,
            outcome => return outcome.map(|()| Some(edited)),
        };
        debug!(%chat, %error, "could not edit a message about alerts");
        let is_alert = matches!(message.content, Content::Visit(_) | Content::Overflow(1.., _));
        if is_alert && self.sends_visits(&PendingAlerts::of(&self.recorder.state(), *chat)) {
            return match self.sender.try_acquire_for_alert(*chat, message.devices) {
                Ok(()) => self.sender.send_alert(*chat, reply, plain_limit).await,
                Err(capacity_at) => {
                    let retry_after = Some(capacity_at.saturating_duration_since(Instant::now().into()));
                    Err(RequestError::Temporary { retry_after, reason: error.to_string() })
                }
            };
        }
        // It can be sent once that no longer disturbs, if the chat is in order then.
        Err(if is_alert && error.may_be_undone() {
            error
        } else {
            RequestError::NotEditable(error.to_string())
        })
    }

    /// Whether the chat gets alerts about strangers now.
    fn sends_visits(&self, pending: &PendingAlerts<'_>) -> bool {
        let now = self.recorder.now();
        !pending.is_muted(now)
            && (pending.are_for_quiet_hours() || !pending.settings(&self.settings).is_quiet(now))
    }

    /// Updates the schedule with the outcome of a message. Returns the events to log; `None` if it is sent again later.
    fn record_outcome(
        &self,
        Message { chat, devices, content, edits, .. }: &Message,
        outcome: Result<Option<MessageId>, RequestError>,
        schedule: &mut DeliverySchedule,
    ) -> Option<Vec<Event>> {
        match outcome {
            Ok(message) => {
                self.sender.clear_problems(*chat);
                if schedule.record_success() {
                    info!(event = "alerts_resumed", %chat, "Telegram accepts alerts for a chat again");
                }
                if !(matches!(content, Content::Visit(_)) && *edits == message) {
                    record_sent(schedule, *devices, content);
                }
                Some(delivered(self.recorder.now(), *chat, content, message))
            }
            Err(RequestError::NotEditable(_)) if matches!(content, Content::VisitLasts(..)) => {
                if let Content::VisitLasts(visit, _) = content {
                    schedule.record_update(*visit, None, Instant::now());
                }
                Some(Vec::new())
            }
            Err(error @ RequestError::InvalidContent(_)) if schedule.plain_limit().is_none() => {
                warn!(event = "alert_content_refused", %chat, %error, "Telegram rejects an alert; sending it as plain text");
                schedule.record_invalid_content(error.plain_limit());
                None
            }
            Err(
                RequestError::ChatUnreachable(reason)
                | RequestError::InvalidContent(reason)
                | RequestError::NotEditable(reason),
            ) => {
                schedule.record_invalid_content(None);
                self.sender.clear_problems(*chat);
                warn!(event = "alert_undeliverable", %chat, error = %reason, "could not deliver an alert; the alert is dropped");
                Some(undeliverable(self.recorder.now(), *chat, content, &reason))
            }
            Err(error) => {
                let wait = schedule.record_failure(&error, Instant::now());
                match error.refusal() {
                    Some(reason) => self.sender.record_refusal(*chat, reason),
                    None => self.sender.record_wait(*chat, error.retry_after(), wait),
                }
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

    /// Logs a delivery. Tries again while writes fail: sending the alert a second time would be worse. Breaks if the
    /// service stops.
    async fn log(&self, events: Vec<Event>) -> ControlFlow<()> {
        if events.is_empty() {
            return ControlFlow::Continue(());
        }
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
}

/// Updates the schedule after a message with this content was sent.
fn record_sent(schedule: &mut DeliverySchedule, devices: Devices, content: &Content) {
    let now = Instant::now();
    match content {
        Content::Alerts(_) | Content::Visit(_) => schedule.record_sent(devices, now),
        Content::VisitLasts(visit, last) => schedule.record_update(*visit, Some(*last), now),
        Content::Overflow(..) => schedule.record_overflow_sent(now),
        Content::MuteOver(_) => {}
        Content::Several(all) => all.iter().for_each(|content| record_sent(schedule, devices, content)),
    }
}

fn delivered(time: Timestamp, chat: ChatId, content: &Content, message: Option<MessageId>) -> Vec<Event> {
    let all = |offsets: &[Offset], message| {
        let delivered = |&probe: &Offset| EventKind::Delivered { probe, chat, message };
        offsets.iter().map(delivered).map(|kind| Event::new(time, kind)).collect()
    };
    match content {
        Content::Alerts(offsets) => all(offsets, None),
        Content::Visit(offsets) => all(offsets, message),
        Content::VisitLasts(..) => Vec::new(),
        Content::Overflow(count, reported) => {
            let message = message.filter(|_| reported.is_some_and(|flood| !flood.is_over));
            let (count, flood) = (*count, reported.map(|flood| flood.since));
            vec![Event::new(time, EventKind::OverflowReported { chat, count, flood, message })]
        }
        Content::MuteOver(count) => vec![Event::new(time, EventKind::MuteReported { chat, count: *count })],
        // Such a message is not edited later.
        Content::Several(all) => {
            all.iter().flat_map(|content| delivered(time, chat, content, None)).collect()
        }
    }
}

fn undeliverable(time: Timestamp, chat: ChatId, content: &Content, reason: &str) -> Vec<Event> {
    let dropped = |&probe: &Offset| {
        Event::new(time, EventKind::Undeliverable { probe, chat, reason: reason.to_owned() })
    };
    match content {
        Content::Alerts(offsets) | Content::Visit(offsets) => offsets.iter().map(dropped).collect(),
        Content::Several(all) => {
            all.iter().flat_map(|content| undeliverable(time, chat, content, reason)).collect()
        }
        Content::VisitLasts(..) | Content::Overflow(..) | Content::MuteOver(_) => {
            delivered(time, chat, content, None)
        }
    }
}

/// Returns [`DRAIN_TIMEOUT`] after `stop`.
async fn drain_timeout(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(DRAIN_TIMEOUT).await;
}

//! Chooses the next message to a chat.
//!
//! Invariants:
//! - A few alerts are sent one by one. Once a chat got [`SINGLE_MESSAGES`] messages within the configured gathering
//!   time, its further alerts are gathered into one message.
//! - A flood of invented addresses has one message, which counts the alerts that were too many. It is edited while the
//!   flood lasts, at most once a minute, and once it is over.
//! - During quiet hours and while a chat is muted, nothing is sent. Afterwards one message lists the alerts of the
//!   quiet hours, says how many more there were, and how many alerts a mute suppressed.
//! - Alerts of a doorbell for quiet hours are sent during quiet hours too.
//! - The message about a stranger's visit is edited, at any hour: an edit makes no sound. While the visit lasts, it is
//!   edited once the stranger was seen a minute later than the message says, and a chat has one such edit in
//!   [`UPDATE_INTERVAL`]. After a restart there may be one edit too many, which changes nothing.
//!
//! [`SINGLE_MESSAGES`]: crate::telegram::delivery_schedule::SINGLE_MESSAGES

use chrono_tz::Tz;
use store::event::{ChatId, Timestamp};
use tokio::time::Instant;

use super::{Content, Message, Outbox, ReportedFlood};
use crate::chat::pending_alerts::{Flood, Overflow, PendingAlerts, ShownVisit};
use crate::chat::views::alerts::{self, Digest, PendingAlert, Rest};
use crate::telegram::CLOCK_CHECK;
use crate::telegram::delivery_schedule::{DeliverySchedule, Devices, UPDATE_INTERVAL};
use crate::text::Text;

/// What to do next for a chat.
pub(super) enum Next {
    Send(Message),
    /// Nothing before this moment.
    NotBefore(Instant),
    Nothing,
}

impl Next {
    /// This if it is a message, else the other; of two moments the earlier one.
    fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Send(_) => self,
            Self::Nothing => other(),
            Self::NotBefore(at) => match other() {
                Self::NotBefore(other) => Self::NotBefore(at.min(other)),
                Self::Nothing => Self::NotBefore(at),
                send @ Self::Send(_) => send,
            },
        }
    }

    /// This, unless the schedule blocks such a message.
    fn unless_blocked(self, schedule: &DeliverySchedule, now: Instant) -> Self {
        let Self::Send(message) = &self else { return self };
        let is_overflow = matches!(message.content, Content::Overflow(..));
        schedule.blocked_until(message.devices, is_overflow, now).map_or(self, Self::NotBefore)
    }
}

impl Outbox {
    /// The chats for which there may be a message, first those with alerts about known devices; and when there may be
    /// one for others.
    pub(super) fn chats(&self) -> (Vec<ChatId>, Option<Instant>) {
        let state = self.recorder.state();
        // A frame of a visitor raises no alert, and one that had left may be back.
        let wake = (!state.doorbells().is_empty()).then(|| Instant::now() + UPDATE_INTERVAL);
        let mut chats: Vec<ChatId> = PendingAlerts::chats(&state).into_iter().collect();
        chats.sort_by_key(|chat| !PendingAlerts::of(&state, *chat).has_known_devices());
        (chats, wake)
    }

    /// What to do next for a chat.
    pub(super) fn next(&self, chat: ChatId, schedule: &mut DeliverySchedule) -> Next {
        let now = Instant::now();
        let state = self.recorder.state();
        let pending = PendingAlerts::of(&state, chat);
        let shown = pending.shown_visits();
        schedule.keep_visits(&shown);
        let alerts = pending.alerts();
        let known = self.next_about_known(&pending, &alerts, schedule, now).unless_blocked(schedule, now);
        known.or(|| {
            let others = self.next_message(&pending, alerts, schedule, now);
            let others = others.or(|| match schedule.outdated_visit(&shown, now) {
                Some(visit) => Next::Send(self.visit_lasts(&pending, visit)),
                None => Next::Nothing,
            });
            others.unless_blocked(schedule, now)
        })
    }

    /// The time that texts are made at, and the zone of the chat's times.
    fn today(&self, pending: &PendingAlerts<'_>) -> (Timestamp, Tz) {
        (self.recorder.now(), pending.settings(&self.settings).time_zone.value)
    }

    /// The edit of the message about a visit that lasts.
    fn visit_lasts(&self, pending: &PendingAlerts<'_>, visit: &ShownVisit) -> Message {
        Message {
            chat: pending.chat(),
            devices: Devices::Others,
            content: Content::VisitLasts(visit.offset, visit.alert.time),
            reply: alerts::alert(&visit.alert, pending.device(&visit.alert), self.today(pending)),
            edits: Some(visit.message),
        }
    }

    /// The next message about known devices; after quiet hours, about all alerts of those.
    fn next_about_known(
        &self,
        pending: &PendingAlerts<'_>,
        alerts: &[PendingAlert<'_>],
        schedule: &DeliverySchedule,
        now: Instant,
    ) -> Next {
        let today = self.today(pending);
        if !self.sends_visits(pending) || pending.settings(&self.settings).is_quiet(today.0) {
            return Next::Nothing;
        }
        if let Some(morning) = self.after_quiet_hours(pending, alerts, today) {
            return Next::Send(morning);
        }
        let known: Vec<_> = alerts.iter().filter(|(_, alert, _)| alert.is_known).copied().collect();
        self.next_alerts(pending, Devices::Known, &known, schedule, now)
    }

    /// All that waits since quiet hours in one message, if more than one would be needed.
    fn after_quiet_hours(
        &self,
        pending: &PendingAlerts<'_>,
        alerts: &[PendingAlert<'_>],
        today: (Timestamp, Tz),
    ) -> Option<Message> {
        let settings = pending.settings(&self.settings);
        let is_quiet = |time: Timestamp| settings.is_quiet(time);
        let of_quiet_hours: Vec<_> =
            alerts.iter().filter(|(_, alert, _)| is_quiet(alert.time)).copied().collect();
        let overflow = pending.overflow().filter(|overflow| overflow.since().is_some_and(is_quiet));
        // One that edits the message of a flood makes no sound.
        let overflow = overflow
            .map(|overflow| self.summary(pending, overflow))
            .filter(|summary| summary.edits.is_none());
        if of_quiet_hours.is_empty() && overflow.is_none() {
            return None;
        }
        let suppressed = pending.suppressed();
        let flood = pending.untold_flood().filter(|_| pending.overflow().is_none());
        let further = [
            overflow.map(|summary| (summary.content, summary.reply.text)),
            suppressed.map(|count| (Content::MuteOver(count), alerts::mute_ended(count))),
            flood.map(|flood| self.new_flood(pending, &flood)).map(|flood| (flood.content, flood.reply.text)),
        ];
        let (further, texts): (Vec<Content>, Vec<Text>) = further.into_iter().flatten().unzip();
        if of_quiet_hours.len() + further.len() < 2 {
            return None;
        }
        let tail =
            texts.into_iter().fold(Text::default(), |tail, text| tail.append("\n\n").append_text(text));
        let digest = alerts::digest(&of_quiet_hours, alerts::quiet_headline, Rest::Counted(tail), today);
        let mut message = gathered(pending, Devices::Known, digest);
        message.content = Content::Several([message.content].into_iter().chain(further).collect());
        Some(message)
    }

    /// The next message of a chat besides those about known devices: first about visits that have ended, then about a
    /// mute that ended, then other alerts, last the number of those that were too many.
    fn next_message(
        &self,
        pending: &PendingAlerts<'_>,
        mut waiting: Vec<PendingAlert<'_>>,
        schedule: &DeliverySchedule,
        now: Instant,
    ) -> Next {
        let (chat, devices) = (pending.chat(), Devices::Others);
        let are_all_sent = waiting.is_empty();
        let edit = waiting.iter().find_map(|waiting| Some((pending.message_of(waiting)?, waiting)));
        if let Some((message, (offset, alert, device))) = edit {
            let reply = alerts::alert(alert, *device, self.today(pending));
            let content = Content::Visit(pending.with_earlier(vec![*offset]));
            return Next::Send(Message { chat, devices, content, reply, edits: Some(message) });
        }
        if !self.sends_visits(pending) {
            return Next::NotBefore(now + CLOCK_CHECK);
        }
        if pending.settings(&self.settings).is_quiet(self.recorder.now()) {
            waiting.retain(|(offset, alert, _)| alert.visit(*offset).is_some());
            return match self.next_alerts(pending, devices, &waiting, schedule, now) {
                Next::Nothing => Next::NotBefore(now + CLOCK_CHECK),
                next => next,
            };
        }
        if let Some(suppressed) = pending.suppressed() {
            let reply = alerts::mute_ended(suppressed).into();
            let content = Content::MuteOver(suppressed);
            return Next::Send(Message { chat, devices, content, reply, edits: None });
        }
        waiting.retain(|(_, alert, _)| !alert.is_known);
        match (pending.overflow(), pending.untold_flood()) {
            // It follows those that it continues, which may be about known devices.
            (Some(overflow), _) if are_all_sent => Next::Send(self.summary(pending, overflow)),
            (None, Some(flood)) => Next::Send(self.new_flood(pending, &flood)),
            (None, None) if waiting.is_empty() => self.next_about_flood(pending, now),
            _ => self.next_alerts(pending, devices, &waiting, schedule, now),
        }
    }

    /// The first message about a flood, if no alert was too many. It waits for no alerts, since it continues none.
    fn new_flood(&self, pending: &PendingAlerts<'_>, flood: &Flood) -> Message {
        let now = self.recorder.now();
        let reported = ReportedFlood { since: flood.since, is_over: flood.is_over(now) };
        Message {
            chat: pending.chat(),
            devices: Devices::Others,
            content: Content::Overflow(0, Some(reported)),
            reply: alerts::flood(flood.since, Some(flood), self.today(pending)).into(),
            edits: None,
        }
    }

    /// The number of alerts that were too many. During a flood it adds to the number in the flood's message.
    fn summary(&self, pending: &PendingAlerts<'_>, overflow: &Overflow) -> Message {
        let (chat, now) = (pending.chat(), self.recorder.now());
        let flood = pending.flood_of(overflow);
        let shown = pending.flood_message().map(|(message, _)| message);
        let shown = shown.filter(|shown| flood.is_some_and(|flood| flood.since == shown.since));
        let all = shown.map_or_else(|| overflow.clone(), |shown| shown.reported.merged(overflow));
        let known = pending.known_in(&all);
        let text = alerts::overflow(&all, &known, flood.as_ref(), self.today(pending));
        let reported = flood.map(|flood| ReportedFlood { since: flood.since, is_over: flood.is_over(now) });
        Message {
            chat,
            devices: Devices::Others,
            content: Content::Overflow(overflow.count(), reported),
            reply: text.into(),
            edits: shown.map(|shown| shown.message),
        }
    }

    /// The last edit of the message about a flood, once that is over.
    fn next_about_flood(&self, pending: &PendingAlerts<'_>, now: Instant) -> Next {
        let Some((shown, flood)) = pending.flood_message() else { return Next::Nothing };
        let today = self.today(pending);
        if flood.is_some_and(|flood| !flood.is_over(today.0)) {
            return Next::NotBefore(now + CLOCK_CHECK);
        }
        let text = match shown.reported.count() {
            0 => alerts::flood(shown.since, flood.as_ref(), today),
            _ => alerts::overflow(&shown.reported, &pending.known_in(&shown.reported), flood.as_ref(), today),
        };
        Next::Send(Message {
            chat: pending.chat(),
            devices: Devices::Others,
            content: Content::Overflow(0, Some(ReportedFlood { since: shown.since, is_over: true })),
            reply: text.into(),
            edits: Some(shown.message),
        })
    }

    /// The next message with alerts about these devices: one alert, or several gathered.
    fn next_alerts(
        &self,
        pending: &PendingAlerts<'_>,
        devices: Devices,
        waiting: &[PendingAlert<'_>],
        schedule: &DeliverySchedule,
        now: Instant,
    ) -> Next {
        let Some((first, alert, device)) = waiting.first() else { return Next::Nothing };
        let chat = pending.chat();
        let gather = pending.settings(&self.settings).gather.value;
        match schedule.messages_left(devices, gather, now) {
            Err(at) => Next::NotBefore(at),
            Ok(left) if waiting.len() > left && !gather.is_zero() => {
                let today = self.today(pending);
                let digest = alerts::digest(waiting, alerts::burst_headline, Rest::Left, today);
                Next::Send(gathered(pending, devices, digest))
            }
            Ok(_) => {
                let reply = alerts::alert(alert, *device, self.today(pending));
                let content = match alert.visit(*first) {
                    Some(_) => Content::Visit(pending.with_earlier(vec![*first])),
                    None => Content::Alerts(vec![*first]),
                };
                Next::Send(Message { chat, devices, content, reply, edits: None })
            }
        }
    }
}

/// The message with several alerts.
fn gathered(pending: &PendingAlerts<'_>, devices: Devices, digest: Digest) -> Message {
    let content = Content::Alerts(pending.with_earlier(digest.included));
    Message { chat: pending.chat(), devices, content, reply: digest.answer, edits: None }
}

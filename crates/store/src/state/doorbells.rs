//! Doorbells: a chat gets one alert when a stranger stays near, which is edited while it stays and when it has left.
//!
//! - A chat sets the signal from which on a device is near, and for how long it must be.
//! - While there is a doorbell, a row for each device that came near says since when it is. Its signal is smoothed, so
//!   one weak frame does not end that.
//! - The recorder decides once whether a doorbell rings ([`decide`](super::decide)). A row that rang stays, so that the
//!   same visit does not ring again. It knows the message that shows the visit.
//! - At most [`VISITOR_LIMIT`] rows are kept. If there are more, a quarter leaves: first those that did not ring, the
//!   longest silent of them first.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::alerts::{Alert, Presence};
use super::clock_step::ClockStep;
use super::dirty_map::DirtyMap;
use super::grouping::OUT_OF_RANGE;
use crate::event::{ChatId, DeviceKey, MessageId, Offset, Person, Probe, StrangerReason, Timestamp};
use dot11::MacAddr;

/// Rows of devices that came near.
pub const VISITOR_LIMIT: usize = 1024;

/// A visitor that was silent for longer has left.
pub const VISITOR_SILENCE: Duration = Duration::from_secs(15 * 60);

/// The signal is smoothed in these parts of a dBm.
const PARTS: i32 = 16;

/// One chat's doorbell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doorbell {
    /// The signal from which on a device is near, in dBm.
    pub min_dbm: i8,
    /// For how long a stranger must be near, in seconds.
    pub stay_seconds: u64,
    /// Whether it rings only during quiet hours, and its alerts are sent then.
    #[serde(default)]
    pub only_in_quiet_hours: bool,
    /// Who set it, if that is known: the last person who changed it.
    #[serde(default)]
    pub set_by: Option<Person>,
}

/// A device that came near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DoorbellVisitor {
    /// When it first came near in this visit.
    pub(super) first: Timestamp,
    /// Since when it is near; `None` if it went farther away.
    pub(super) near_since: Option<Timestamp>,
    /// The latest frame.
    pub(super) last: Timestamp,
    /// The address that sent it.
    pub(super) source: MacAddr,
    /// The smoothed signal, in parts of a dBm.
    pub(super) signal: i32,
    /// The strongest signal, in dBm.
    #[serde(alias = "closest_dbm")]
    pub(super) strongest_dbm: Option<i8>,
    /// Whether the doorbell rang for it.
    pub(super) ring: Ring,
    /// The alert, if it was raised.
    pub(super) alert: Option<VisitAlert>,
    /// The address that was near last; once the doorbell rang, the one that was near then.
    #[serde(default)]
    pub(super) near: Option<NearAddress>,
}

/// An address that was near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NearAddress {
    pub(super) address: MacAddr,
    /// Since when no other address was.
    pub(super) since: Timestamp,
    /// Its latest frame that was near, and the signal of that in dBm.
    pub(super) last: Timestamp,
    pub(super) dbm: i8,
}

impl NearAddress {
    fn of(Sight { time, source, dbm }: Sight) -> Self {
        Self { address: source, since: time, last: time, dbm }
    }
}

/// The alert about a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VisitAlert {
    /// The event that raised it.
    pub(super) offset: Offset,
    /// When that was.
    pub(super) time: Timestamp,
    /// Why the device is a stranger.
    pub(super) reason: StrangerReason,
    /// Since when it was near.
    pub(super) near_since: Timestamp,
    /// The message that shows the visit, and no other.
    pub(super) message: Option<MessageId>,
}

/// A visit that a message shows, while it lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownVisit {
    /// The event that raised the alert.
    pub offset: Offset,
    /// When that was: the message showed the visit until then.
    pub raised: Timestamp,
    /// The message.
    pub message: MessageId,
    /// The alert as it is now. Its time is that of the last frame.
    pub alert: Alert,
}

/// What the doorbell did about a visitor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ring {
    /// Nothing yet.
    #[default]
    Silent,
    /// It rang, but no alert was sent, or the visitor has left.
    Done,
    /// An alert was sent, and the visitor has not left.
    Rang,
}

/// A frame of a device, as far as doorbells depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) time: Timestamp,
    pub(super) source: MacAddr,
    pub(super) dbm: i8,
}

impl Sight {
    /// The frame of this probe, if its signal is known.
    pub(super) fn of(probe: &Probe) -> Option<Self> {
        Some(Self { time: probe.time, source: probe.source, dbm: probe.signal_dbm? })
    }
}

impl DoorbellVisitor {
    fn new(sight: Sight) -> Self {
        let Sight { time, source, dbm } = sight;
        Self {
            first: time,
            near_since: Some(time),
            last: time,
            source,
            signal: Self::smoothed(dbm),
            strongest_dbm: Some(dbm),
            ring: Ring::Silent,
            alert: None,
            near: Some(NearAddress::of(sight)),
        }
    }

    /// The address that is near after this frame.
    fn near_after(&self, sight: Sight, silence: Duration, min_dbm: i8) -> Option<NearAddress> {
        if self.ring != Ring::Silent || sight.dbm < min_dbm {
            return self.near;
        }
        let is_still = |near: &NearAddress| {
            near.address == sight.source && self.near_since.is_some() && silence <= VISITOR_SILENCE
        };
        Some(match self.near.filter(is_still) {
            Some(near) => NearAddress { last: near.last.max(sight.time), dbm: sight.dbm, ..near },
            None => NearAddress::of(sight),
        })
    }

    /// The smoothed signal of one frame.
    pub(super) fn smoothed(dbm: i8) -> i32 {
        i32::from(dbm) * PARTS
    }

    /// The time became another one.
    pub(super) fn move_times(&mut self, step: ClockStep) {
        let alert = self.alert.iter_mut().flat_map(|alert| [&mut alert.time, &mut alert.near_since]);
        let times = [&mut self.first, &mut self.last].into_iter().chain(&mut self.near_since).chain(alert);
        times.for_each(|time| *time = step.moved(*time));
    }

    fn follow(&self, sight: Sight, min_dbm: i8) -> Self {
        let Sight { time, source, dbm } = sight;
        let silence = if time > self.last { time.abs_diff(self.last) } else { Duration::ZERO };
        let signal = if silence > VISITOR_SILENCE {
            Self::smoothed(dbm)
        } else {
            (4 * self.signal + Self::smoothed(dbm)) / 5
        };
        let is_near = signal >= Self::smoothed(min_dbm);
        let since = self.near_since.filter(|_| silence <= VISITOR_SILENCE).unwrap_or(time);
        // One that had left and is back goes on with its visit.
        let is_back = is_near && self.ring == Ring::Done && self.alert.is_some();
        Self {
            near_since: is_near.then_some(since),
            last: self.last.max(time),
            source,
            signal,
            strongest_dbm: self.strongest_dbm.max(Some(dbm)),
            ring: if is_back { Ring::Rang } else { self.ring },
            near: self.near_after(sight, silence, min_dbm),
            ..self.clone()
        }
    }

    /// What is known of two visitors that turn out to be one device: the later, which goes on with the visit of the
    /// other if that had not ended for good.
    pub(super) fn join(self, other: Self) -> Self {
        let (earlier, later) = if self.last <= other.last { (self, other) } else { (other, self) };
        let is_one_visit = later.first <= earlier.last || later.first.abs_diff(earlier.last) <= OUT_OF_RANGE;
        if !is_one_visit {
            return later;
        }
        let (ring, alert, near) = match (earlier.ring, later.ring) {
            (Ring::Silent, Ring::Silent) => (Ring::Silent, None, later.near.or(earlier.near)),
            (ring, Ring::Silent) => (ring, earlier.alert, earlier.near),
            (_, ring) => (ring, later.alert, later.near),
        };
        Self {
            first: earlier.first.min(later.first),
            strongest_dbm: earlier.strongest_dbm.max(later.strongest_dbm),
            ring,
            alert,
            near,
            ..later
        }
    }
}

/// All doorbells, and the devices that came near.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doorbells {
    pub(super) rows: DirtyMap<ChatId, Doorbell>,
    pub(super) visitors: DirtyMap<(ChatId, DeviceKey), DoorbellVisitor>,
}

impl Doorbells {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// The chat's doorbell.
    pub fn get(&self, chat: ChatId) -> Option<&Doorbell> {
        self.rows.get(&chat)
    }

    pub(super) fn set(&mut self, chat: ChatId, doorbell: Doorbell) {
        self.rows.insert(chat, doorbell);
    }

    /// Removes the doorbell of a chat.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        self.rows.remove(&chat);
        self.remove_visitors(|of, _| of == chat);
    }

    /// Moves the visits of the device `before` to `now`, which it is now. A named device is no stranger, so its visits are
    /// forgotten.
    pub(super) fn rename(&mut self, before: &DeviceKey, now: &DeviceKey) {
        let visitors = self.visitors.iter().filter(|((_, device), _)| device == before);
        let chats: Vec<ChatId> = visitors.map(|((chat, _), _)| *chat).collect();
        for chat in chats {
            let Some(visitor) = self.visitors.remove(&(chat, before.clone())) else { continue };
            if !matches!(now, DeviceKey::Name(_)) {
                let key = (chat, now.clone());
                let visitor = match self.visitors.remove(&key) {
                    Some(known) => known.join(visitor),
                    None => visitor,
                };
                self.visitors.insert(key, visitor);
            }
        }
    }

    /// Whether the chat's doorbell knows a visit of this device.
    pub(super) fn has_visit(&self, chat: ChatId, device: &DeviceKey) -> bool {
        self.visitors.get(&(chat, device.clone())).is_some()
    }

    fn remove_visitors(&mut self, is_gone: impl Fn(ChatId, &DeviceKey) -> bool) {
        let gone = self.visitors.iter().map(|(key, _)| key).filter(|(chat, device)| is_gone(*chat, device));
        for key in gone.cloned().collect::<Vec<_>>() {
            self.visitors.remove(&key);
        }
    }

    /// Gives the doorbell of `from` to `to`, which keeps its own.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        if let Some(doorbell) = self.rows.remove(&from)
            && self.get(to).is_none()
        {
            self.rows.insert(to, doorbell);
        }
        let moving = self.visitors.iter().filter(|((chat, _), _)| *chat == from);
        let moving: Vec<_> = moving.map(|((_, device), visitor)| (device.clone(), visitor.clone())).collect();
        for (device, mut visitor) in moving {
            self.visitors.remove(&(from, device.clone()));
            // The other chat numbers its messages anew.
            if let Some(alert) = &mut visitor.alert {
                alert.message = None;
            }
            self.visitors.insert((to, device), visitor);
        }
    }

    /// The visitor as it will be after this frame; `None` if the device is not near and was not.
    pub(super) fn after(&self, chat: ChatId, device: &DeviceKey, sight: Sight) -> Option<DoorbellVisitor> {
        let min_dbm = self.get(chat)?.min_dbm;
        let known = self
            .visitors
            .get(&(chat, device.clone()))
            .filter(|known| sight.time <= known.last || sight.time.abs_diff(known.last) <= OUT_OF_RANGE);
        match known {
            Some(known) => Some(known.follow(sight, min_dbm)),
            None => (sight.dbm >= min_dbm).then(|| DoorbellVisitor::new(sight)),
        }
    }

    /// Notes a frame of a device without a name.
    pub(super) fn see(&mut self, device: &DeviceKey, sight: Sight) {
        let chats: Vec<ChatId> = self.rows.iter().map(|(chat, _)| *chat).collect();
        for chat in chats {
            if let Some(visitor) = self.after(chat, device, sight) {
                self.visitors.insert((chat, device.clone()), visitor);
            }
        }
        if self.visitors.len() > VISITOR_LIMIT {
            for key in self.visitors.lowest_quarter(|_, visitor| Some((visitor.ring, visitor.last))) {
                self.visitors.remove(&key);
            }
        }
    }

    /// Records that the doorbell rang for a visitor, with the alert if it was raised.
    pub(super) fn rang(&mut self, chat: ChatId, device: &DeviceKey, alert: Option<VisitAlert>) {
        if let Some(visitor) = self.visitors.get_mut(&(chat, device.clone())) {
            visitor.ring = if alert.is_some() { Ring::Rang } else { Ring::Done };
            visitor.alert = alert;
        }
    }

    /// Records that a visitor has left, and returns it.
    pub(super) fn left(&mut self, chat: ChatId, device: &DeviceKey) -> Option<&DoorbellVisitor> {
        let visitor = self.visitors.get_mut(&(chat, device.clone()))?;
        visitor.ring = Ring::Done;
        Some(visitor)
    }

    /// Records the message that shows the visit whose alert the event at `offset` raised.
    pub(super) fn shown_in(&mut self, chat: ChatId, offset: Offset, message: MessageId) {
        let key = self.visit(chat, offset).map(|(device, _, _)| (chat, device.clone()));
        let visitor = key.and_then(|key| self.visitors.get_mut(&key));
        if let Some(alert) = visitor.and_then(|visitor| visitor.alert.as_mut()) {
            alert.message = Some(message);
        }
    }

    /// The message that shows the visit whose alert the event at `offset` raised.
    pub fn message_of(&self, chat: ChatId, offset: Offset) -> Option<MessageId> {
        self.visit(chat, offset)?.2.message
    }

    fn visit(&self, chat: ChatId, offset: Offset) -> Option<(&DeviceKey, &DoorbellVisitor, &VisitAlert)> {
        self.visits().find_map(|(of, device, visitor, alert)| {
            (of == chat && alert.offset == offset).then_some((device, visitor, alert))
        })
    }

    /// The visitors with an alert.
    fn visits(&self) -> impl Iterator<Item = (ChatId, &DeviceKey, &DoorbellVisitor, &VisitAlert)> {
        let visitors = self.visitors.iter();
        visitors
            .filter_map(|((chat, device), visitor)| Some((*chat, device, visitor, visitor.alert.as_ref()?)))
    }

    /// The visits that last and that messages show, with their chats.
    pub fn shown_visits(&self) -> impl Iterator<Item = (ChatId, &DeviceKey, ShownVisit)> {
        let lasting = self.visits().filter(|(_, _, visitor, _)| visitor.ring == Ring::Rang);
        lasting.filter_map(|(chat, device, visitor, alert)| {
            let presence = Presence::StrangerStays {
                phone: device.phone(),
                reason: alert.reason,
                near_since: alert.near_since,
                strongest_dbm: visitor.strongest_dbm,
            };
            let now =
                Alert { presence: Some(presence), ..Alert::of_device(visitor.last, visitor.source, None) };
            let (offset, raised) = (alert.offset, alert.time);
            Some((chat, device, ShownVisit { offset, raised, message: alert.message?, alert: now }))
        })
    }
}

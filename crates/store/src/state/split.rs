//! What is kept of a phone when an address is split off: each part has only its own times.
//!
//! What each part did follows from the rows of its own addresses. What is unknown is never made longer: while both parts
//! sent, of a stay in which there may have been a silence only the last frame counts.

use super::alerts::Presence;
use super::device_row::DeviceSummary;
use super::doorbells::{DoorbellVisitor, Ring, VISITOR_SILENCE, VisitAlert};
use super::model::State;
use crate::event::{ChatId, DeviceKey, GroupId, Timestamp};
use dot11::MacAddr;

/// The addresses of one part.
type Part = Vec<(MacAddr, DeviceSummary)>;

/// What is known of one part's visit.
struct PartVisit<'a> {
    /// The visit of both parts, as it was kept so far.
    both: &'a DoorbellVisitor,
    /// The part's addresses that were here in it, the newest first.
    addresses: Vec<&'a (MacAddr, DeviceSummary)>,
    /// The last frame of the other part.
    other_last: Option<Timestamp>,
    /// The signal from which on a device is near, in dBm.
    min_dbm: i8,
}

impl State {
    /// Takes an address out of a phone, for good.
    pub(super) fn split_phone(&mut self, phone: GroupId, address: MacAddr, time: Timestamp) {
        let known = |address| self.devices.span(address);
        let Some(own) = self.grouping.split_off(phone, address, time, &known) else { return };
        self.split_visits(phone, own);
        let mut follows = std::mem::take(&mut self.follows);
        follows.correct(&DeviceKey::Phone(phone), time, |follow| {
            self.last_seen_of(&follow.members).map(|(_, last)| last)
        });
        self.follows = follows;
    }

    /// Gives each part of a phone that was split its own visits. Of a phone with a name there are none.
    fn split_visits(&mut self, phone: GroupId, own: GroupId) {
        let keys = [phone, own].map(DeviceKey::Phone);
        let parts = [phone, own].map(|id| self.part(id));
        let chats: Vec<(ChatId, i8)> =
            self.doorbells.rows.iter().map(|(chat, doorbell)| (*chat, doorbell.min_dbm)).collect();
        for (chat, min_dbm) in chats {
            let Some(mut both) = self.doorbells.visitors.remove(&(chat, keys[0].clone())) else { continue };
            let alert = both.alert.take();
            let visits = [0, 1].map(|index| PartVisit::new(&both, &parts, index, min_dbm));
            // The alert stays with the phone that it names, unless only the other was near then.
            let holder = match &alert {
                Some(alert) if !visits[0].is_in(alert) && visits[1].is_in(alert) => 1,
                _ => 0,
            };
            for (index, visit) in visits.iter().enumerate() {
                let Some(mut visitor) = visit.visitor() else { continue };
                if index == holder {
                    visitor.ring = both.ring;
                    visitor.alert = alert.clone().map(|alert| visit.corrected(alert));
                    self.correct_alerts(chat, &visitor, keys[index].phone());
                }
                self.doorbells.visitors.insert((chat, keys[index].clone()), visitor);
            }
        }
    }

    /// Corrects what waits about a visit: it was only that of `visitor`, which is the phone `of`.
    fn correct_alerts(&mut self, chat: ChatId, visitor: &DoorbellVisitor, of: Option<GroupId>) {
        let Some(alert) = &visitor.alert else { return };
        self.alerts.correct_visit(chat, alert.offset, |presence| match presence {
            Presence::Stranger { phone, near_since, .. } => {
                (*phone, *near_since) = (of, alert.near_since);
            }
            Presence::StrangerLeft { phone, first, last_seen, visit: Some(visit) } => {
                (*phone, *first, *last_seen) = (of, visitor.first, visitor.last);
                (visit.near_since, visit.strongest_dbm) = (alert.near_since, visitor.strongest_dbm);
            }
            _ => {}
        });
    }

    fn part(&self, id: GroupId) -> Part {
        let addresses = self.grouping.group(id).into_iter().flat_map(|group| group.addresses());
        addresses.filter_map(|(address, _)| Some((address, self.devices.summary(address)?))).collect()
    }
}

impl<'a> PartVisit<'a> {
    fn new(both: &'a DoorbellVisitor, parts: &'a [Part; 2], index: usize, min_dbm: i8) -> Self {
        let [rest, own] = parts;
        let (part, other) = if index == 0 { (rest, own) } else { (own, rest) };
        // Doorbells know no frame without a signal.
        let in_visit = part.iter().filter(|(_, seen)| seen.last_probe >= both.first && seen.signal.is_some());
        let mut addresses: Vec<_> = in_visit.collect();
        addresses.sort_by_key(|(address, seen)| std::cmp::Reverse((seen.last_probe, *address)));
        let other_last = other.iter().map(|(_, seen)| seen.last_probe).max();
        Self { both, addresses, other_last, min_dbm }
    }

    /// Whether the part may have raised this alert.
    fn is_in(&self, alert: &VisitAlert) -> bool {
        let seen =
            |seen: &DeviceSummary| seen.first_probe <= alert.time && seen.last_probe >= alert.near_since;
        self.addresses.iter().any(|(_, summary)| seen(summary))
    }

    /// The times of an address in this visit, up to `until`, as far as it was near then.
    fn near(&self, seen: &DeviceSummary, until: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let last = seen.last_probe.min(until);
        let signal = seen.signal?;
        let is_alone = self.other_last.is_none_or(|other| other < seen.first_probe);
        let is_whole = seen.first_probe >= self.both.first
            && signal.min_dbm >= self.min_dbm
            && (is_alone || last.abs_diff(seen.first_probe) <= VISITOR_SILENCE);
        match is_whole {
            true => Some((seen.first_probe, last)),
            false => (signal.last_dbm >= self.min_dbm).then_some((last, last)),
        }
    }

    /// Since when the part had been near at `until`.
    fn near_since(&self, until: Timestamp) -> Option<Timestamp> {
        let mut since: Option<Timestamp> = None;
        for (_, seen) in self.addresses.iter().filter(|(_, seen)| seen.first_probe <= until) {
            let near = self.near(seen, until);
            let is_next = |last: Timestamp| {
                since.is_none_or(|since| last >= since || last.abs_diff(since) <= VISITOR_SILENCE)
            };
            let Some((first, _)) = near.filter(|(_, last)| is_next(*last)) else { break };
            since = Some(since.map_or(first, |since| since.min(first)));
        }
        since
    }

    /// What is kept of the visit, without its alert; `None` if the part was not here in it.
    fn visitor(&self) -> Option<DoorbellVisitor> {
        let (source, newest) = self.addresses.first()?;
        let known_first = |seen: &DeviceSummary| match seen.first_probe >= self.both.first {
            true => seen.first_probe,
            false => seen.last_probe,
        };
        let first = self.addresses.iter().map(|(_, seen)| known_first(seen)).min()?;
        let signals = self.addresses.iter().filter_map(|(_, seen)| seen.signal);
        let strongest = signals.map(|signal| signal.max_dbm).max();
        Some(DoorbellVisitor {
            first,
            near_since: self.near_since(newest.last_probe),
            last: newest.last_probe,
            source: *source,
            signal: DoorbellVisitor::smoothed(newest.signal?.last_dbm),
            strongest_dbm: strongest.min(self.both.strongest_dbm),
            ring: Ring::Silent,
            alert: None,
        })
    }

    /// The alert, with the time since which this part was near.
    fn corrected(&self, alert: VisitAlert) -> VisitAlert {
        let near_since = self.near_since(alert.time).unwrap_or(alert.time);
        VisitAlert { near_since: near_since.max(alert.near_since), ..alert }
    }
}

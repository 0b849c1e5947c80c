//! What is kept of a phone when an address is split off, or when counters tell two phones apart: each part has only its own
//! times.
//!
//! What each part did follows from the rows of its own addresses. What is unknown is never made longer: while both parts
//! sent, of a stay in which there may have been a silence only the last frame counts.

use super::alerts::Presence;
use super::device_row::DeviceSummary;
use super::doorbells::{DoorbellVisitor, NearAddress, Ring, VISITOR_SILENCE, VisitAlert};
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
    /// The address that was near last, or when the doorbell rang, if it is of this part.
    near: Option<NearAddress>,
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
    pub(super) fn split_visits(&mut self, phone: GroupId, own: GroupId) {
        let keys = [phone, own].map(DeviceKey::Phone);
        let chats: Vec<(ChatId, i8)> =
            self.doorbells.rows.iter().map(|(chat, doorbell)| (*chat, doorbell.min_dbm)).collect();
        let with_visit = chats.into_iter().filter(|(chat, _)| self.doorbells.has_visit(*chat, &keys[0]));
        let chats: Vec<_> = with_visit.collect();
        if chats.is_empty() {
            return;
        }
        let parts = [phone, own].map(|id| self.part(id));
        for (chat, min_dbm) in chats {
            let Some(mut both) = self.doorbells.visitors.remove(&(chat, keys[0].clone())) else { continue };
            let alert = both.alert.take();
            // Who was near when the doorbell rang has rung it.
            let is_of_own = |near: &NearAddress| self.grouping.group_of(near.address) == Some(own);
            let holder = usize::from(both.near.as_ref().is_some_and(is_of_own));
            let visits = [0, 1].map(|index| {
                let near = both.near.filter(|_| index == holder);
                PartVisit::new(&both, &parts, index, near, min_dbm)
            });
            for (index, visit) in visits.iter().enumerate() {
                if keys[index].phone().is_some_and(|id| self.phone_key(id) != keys[index]) {
                    continue;
                }
                let Some(mut visitor) = visit.visitor() else { continue };
                if index == holder {
                    visitor.ring = both.ring;
                    visitor.alert = alert.clone().map(|alert| visit.corrected(alert));
                    self.correct_alerts(chat, &visitor, (keys[index].phone(), &parts[index]));
                }
                let key = (chat, keys[index].clone());
                let visitor = match self.doorbells.visitors.remove(&key) {
                    Some(known) => known.join(visitor),
                    None => visitor,
                };
                self.doorbells.visitors.insert(key, visitor);
            }
        }
    }

    /// Corrects what waits about a visit: it was only that of `visitor`, which is the phone `of` with these addresses.
    fn correct_alerts(
        &mut self,
        chat: ChatId,
        visitor: &DoorbellVisitor,
        (of, part): (Option<GroupId>, &Part),
    ) {
        let Some(visit) = &visitor.alert else { return };
        self.alerts.correct_visit(chat, visit.offset, |alert| {
            if let Some(near) = visitor.near
                && part.iter().all(|(address, _)| *address != alert.source)
            {
                (alert.source, alert.signal_dbm) = (near.address, Some(near.dbm));
            }
            match &mut alert.presence {
                Some(Presence::Stranger { phone, near_since, .. }) => {
                    (*phone, *near_since) = (of, visit.near_since);
                }
                Some(Presence::StrangerLeft { phone, first, last_seen, visit: Some(ended) }) => {
                    (*phone, *first, *last_seen) = (of, visitor.first, visitor.last);
                    (ended.near_since, ended.strongest_dbm) = (visit.near_since, visitor.strongest_dbm);
                }
                _ => {}
            }
        });
    }

    fn part(&self, id: GroupId) -> Part {
        let addresses = self.grouping.group(id).into_iter().flat_map(|group| group.addresses());
        addresses.filter_map(|(address, _)| Some((address, self.devices.summary(address)?))).collect()
    }
}

impl<'a> PartVisit<'a> {
    fn new(
        both: &'a DoorbellVisitor,
        parts: &'a [Part; 2],
        index: usize,
        near: Option<NearAddress>,
        min_dbm: i8,
    ) -> Self {
        let [rest, own] = parts;
        let (part, other) = if index == 0 { (rest, own) } else { (own, rest) };
        // Doorbells know no frame without a signal.
        let in_visit = part.iter().filter(|(_, seen)| seen.last_probe >= both.first && seen.signal.is_some());
        let mut addresses: Vec<_> = in_visit.collect();
        addresses.sort_by_key(|(address, seen)| std::cmp::Reverse((seen.last_probe, *address)));
        let other_last = other.iter().map(|(_, seen)| seen.last_probe).max();
        Self { both, addresses, near, other_last, min_dbm }
    }

    /// Whether all that is known of an address is of this visit, and near.
    fn is_whole(&self, seen: &DeviceSummary) -> bool {
        seen.first_probe >= self.both.first
            && seen.signal.is_some_and(|signal| signal.min_dbm >= self.min_dbm)
    }

    /// The times of an address in this visit, up to `until`, as far as it is known to have been near then.
    fn near(&self, seen: &DeviceSummary, until: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let last = seen.last_probe.min(until);
        let is_alone = self.other_last.is_none_or(|other| other < seen.first_probe);
        if self.is_whole(seen) && (is_alone || last.abs_diff(seen.first_probe) <= VISITOR_SILENCE) {
            return Some((seen.first_probe, last));
        }
        let was_near_last = seen.last_probe <= until && seen.signal?.last_dbm >= self.min_dbm;
        was_near_last.then_some((last, last))
    }

    /// Since when the part had been near at `until`, if it had; `since` is known.
    fn near_since(&self, until: Timestamp, mut since: Option<Timestamp>) -> Option<Timestamp> {
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

    /// What is kept of the visit, without its alert; `None` if the part was never near in it.
    fn visitor(&self) -> Option<DoorbellVisitor> {
        let was_near =
            |seen: &DeviceSummary| seen.signal.is_some_and(|signal| signal.max_dbm >= self.min_dbm);
        let known_first = |seen: &DeviceSummary| match self.is_whole(seen) {
            true => seen.first_probe,
            false => seen.last_probe,
        };
        let near =
            self.addresses.iter().filter(|(_, seen)| was_near(seen)).map(|(_, seen)| known_first(seen));
        let first = near.chain(self.near.map(|near| near.since)).min()?;
        let newest = match self.addresses.first() {
            Some((address, seen)) => NearAddress {
                address: *address,
                since: seen.last_probe,
                last: seen.last_probe,
                dbm: seen.signal?.last_dbm,
            },
            // Its addresses were forgotten.
            None => self.near?,
        };
        let is_near = newest.dbm >= self.min_dbm;
        let still_near =
            self.near.filter(|near| self.both.ring == Ring::Silent && near.address == newest.address);
        let since = still_near.filter(|_| is_near).map(|near| near.since);
        let signals = self.addresses.iter().filter_map(|(_, seen)| seen.signal);
        let strongest = signals.map(|signal| signal.max_dbm).max().or(Some(newest.dbm));
        Some(DoorbellVisitor {
            first,
            near_since: self.near_since(newest.last, since),
            last: newest.last,
            source: newest.address,
            signal: DoorbellVisitor::smoothed(newest.dbm),
            strongest_dbm: strongest.min(self.both.strongest_dbm),
            ring: Ring::Silent,
            alert: None,
            near: self.near.or(is_near.then_some(newest)),
        })
    }

    /// The alert, with the time since which this part was near.
    fn corrected(&self, alert: VisitAlert) -> VisitAlert {
        let known = self.near.map(|near| near.since);
        let near_since = self.near_since(alert.time, known).unwrap_or(alert.time);
        VisitAlert { near_since: near_since.max(alert.near_since), ..alert }
    }
}

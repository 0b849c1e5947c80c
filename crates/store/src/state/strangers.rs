//! Strangers: who is here although they usually are not, and why they are taken for it.
//!
//! A device with a fixed address is a stranger during the first day ([`new_since`]). A phone with random addresses cannot
//! be recognised, so its model counts ([`habits`](super::habits)): one that is not usual at this hour of the week, or one
//! phone more of it than usual. Named devices are no strangers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::device_row::DeviceRow;
use super::grouping::{Group, OUT_OF_RANGE};
use super::habits::REMEMBERED_WEEKS;
use super::hour::Hour;
use super::model::State;
use crate::event::{DeviceKey, GroupId, StrangerReason, Timestamp};
use dot11::{MacAddr, ModelKey};

/// From then on hours of the week are compared.
pub const FULL_LEARNING: Duration = Duration::from_secs(14 * 86_400);

/// For how long a device with a fixed address is a stranger after it was first seen.
const NEW_FOR: Duration = Duration::from_secs(86_400);

const WEEK_SECONDS: u64 = 7 * 86_400;

/// Hours of a visit, the latest, in which the number of phones is compared with the usual one.
const HOURS_COMPARED: usize = 24;

/// Addresses of a phone whose signals are read.
const SIGNAL_ADDRESSES: usize = 64;

/// When a device with a fixed address that is a stranger from `from` to `to` can have been first seen at the earliest:
/// within that time, or within the day before its end.
pub fn new_since(from: Timestamp, to: Timestamp) -> Timestamp {
    from.min(to.saturating_sub(NEW_FOR))
}

/// What is known of a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranger {
    /// Its address, or the phone's newest.
    pub address: MacAddr,
    /// The phone, if it uses random addresses.
    pub phone: Option<GroupId>,
    /// Why it is a stranger.
    pub reason: StrangerReason,
    /// The first frame of the visit, or of a device with a fixed address the first that is known.
    pub first: Timestamp,
    /// The last frame so far.
    pub last: Timestamp,
    /// It is at least this many phones.
    pub at_least: u32,
    /// The strongest signal in dBm.
    pub strongest_dbm: Option<i8>,
}

impl Stranger {
    /// Whether it was here without leaving from its first to its last frame. Of a fixed address no others are known.
    pub fn is_one_visit(&self) -> bool {
        self.phone.is_some() || self.first.abs_diff(self.last) <= OUT_OF_RANGE
    }
}

impl State {
    /// How long habits had been learned at `time`: gaps between frames of more than a day do not count.
    pub fn learned(&self, time: Timestamp) -> Duration {
        self.habits.learned(time)
    }

    /// The stranger that this device is if it was first seen at `since` or later ([`new_since`]): it has a fixed address
    /// and no name.
    pub fn strange_device(&self, row: DeviceRow<'_>, since: Timestamp) -> Option<Stranger> {
        let address = row.address;
        if address.is_random() || self.names.of(address).is_some() {
            return None;
        }
        let summary = row.summary().filter(|summary| summary.first_probe >= since)?;
        Some(Stranger {
            address,
            phone: None,
            reason: StrangerReason::NeverSeen,
            first: summary.first_probe,
            last: summary.last_probe,
            at_least: 1,
            strongest_dbm: summary.signal.map(|signal| signal.max_dbm),
        })
    }

    /// The phones with random addresses that were seen at `since` or later and are strangers. Of each only the latest
    /// visit counts.
    pub fn strange_phones(&self, since: Timestamp) -> Vec<Stranger> {
        let mut by_model: BTreeMap<ModelKey, Vec<(GroupId, &Group)>> = BTreeMap::new();
        for (id, group) in self.grouping.groups() {
            by_model.entry(group.model).or_default().push((id, group));
        }
        let named: BTreeSet<GroupId> =
            self.names.iter().filter_map(|(address, _)| self.grouping.group_of(address)).collect();
        let phones =
            by_model.values().flat_map(|of_model| of_model.iter().map(move |phone| (phone, of_model)));
        let recent = phones
            .filter(|((id, group), _)| group.last >= since && group.name.is_none() && !named.contains(id));
        recent.filter_map(|((id, group), of_model)| self.strange_phone(*id, group, of_model)).collect()
    }

    /// Why the device of this key is a stranger in the visit in which it came near at `near`, if it is one. A frame of a
    /// device that lingers asks this, so only the phones that were here lately are compared with it.
    pub(super) fn stranger_reason(&self, device: &DeviceKey, near: Timestamp) -> Option<StrangerReason> {
        match device {
            DeviceKey::Name(_) => None,
            DeviceKey::Address(address) => self.address_reason(*address, new_since(near, near)),
            DeviceKey::Phone(id) => {
                let group = self.grouping.group(*id)?;
                let of_model: Vec<_> = self.grouping.latest_groups(group.model).collect();
                self.phone_reason(*id, group, &of_model).filter(|_| !self.is_named(*id, group))
            }
        }
    }

    /// Why an address without a name is a stranger if it was first seen at `since` or later ([`new_since`]): it is fixed.
    pub fn address_reason(&self, address: MacAddr, since: Timestamp) -> Option<StrangerReason> {
        let is_new = !address.is_random() && self.devices.get(address)?.first_probe >= since;
        is_new.then_some(StrangerReason::NeverSeen)
    }

    /// Whether a phone or any of its addresses has a name.
    fn is_named(&self, id: GroupId, group: &Group) -> bool {
        let addresses = group.addresses();
        let has_named_address = || match self.names.rows.len() < addresses.len() {
            true => self.names.iter().any(|(address, _)| self.grouping.group_of(address) == Some(id)),
            false => addresses.clone().any(|(address, _)| self.names.of(address).is_some()),
        };
        group.name.is_some() || has_named_address()
    }

    fn strange_phone(&self, id: GroupId, group: &Group, of_model: &[(GroupId, &Group)]) -> Option<Stranger> {
        let reason = self.phone_reason(id, group, of_model)?;
        let (address, _) = group.addresses().next_back()?;
        let newest = group.addresses().rev().take(SIGNAL_ADDRESSES);
        let signals = newest.filter_map(|(address, _)| self.devices.get(address)?.signal);
        Some(Stranger {
            address,
            phone: Some(id),
            reason,
            first: group.visit,
            last: group.last,
            at_least: group.visit_phones(),
            strongest_dbm: signals.map(|signal| signal.max_dbm).max(),
        })
    }

    /// Why a phone is a stranger in its latest visit; `of_model` are all phones of its model.
    fn phone_reason(
        &self,
        id: GroupId,
        group: &Group,
        of_model: &[(GroupId, &Group)],
    ) -> Option<StrangerReason> {
        let habit = self.habits.get(group.model)?;
        let hour = Hour::of(group.visit);
        if habit.first() >= hour {
            return Some(StrangerReason::NewModel);
        }
        let learned = self.learned(group.visit);
        if learned < FULL_LEARNING {
            return None;
        }
        let usual = habit.usual(hour);
        if usual.weeks == 0 {
            let weeks_learned = (learned.as_secs() / WEEK_SECONDS).min(REMEMBERED_WEEKS);
            return Some(StrangerReason::UnusualModel { weeks_learned });
        }
        // Of phones that cannot be told apart, the one that came last is one too many. A phone that was found again by
        // an address may be any of them.
        if !group.is_first_visit(group.visit) {
            return None;
        }
        let came_before =
            || of_model.iter().filter(|(other, seen)| (seen.visit, *other) <= (group.visit, id));
        let proven = came_before().flat_map(|(_, seen)| seen.hours_of_proofs(hour));
        let hours: BTreeSet<Hour> = proven.chain([hour]).collect();
        // The number in an hour is compared with what was learned of that hour.
        let too_many = hours.into_iter().rev().take(HOURS_COMPARED).filter_map(|hour| {
            let usual = habit.usual(hour);
            let here =
                || came_before().filter(|(_, seen)| seen.last >= hour.start()).map(|(other, _)| *other);
            let before = self.grouping.phones_in_hour(here().filter(|other| *other != id), hour);
            let now = self.grouping.phones_in_hour(here(), hour);
            (usual.weeks > 0 && now > usual.phones && now > before).then_some((now, usual.phones))
        });
        let (now, usual) = too_many.max_by_key(|(now, usual)| now - usual)?;
        Some(StrangerReason::OneMoreThanUsual { usual, now })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::devices::DEVICE_SHARDS;
    use super::super::grouping::tests::{fold, frame, from_snapshot, reloaded};
    use super::*;
    use crate::event::{ChatId, Event, EventKind, NamedBy, Probe};
    use dot11::Signature;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const WEEK: i64 = 7 * DAY;

    /// The model of the household's phones.
    const OURS: u64 = 7;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// A visit of a phone with an address of its own: a frame every five minutes for half an hour.
    fn visit(start: i64, address: u32, model: u64) -> Vec<Probe> {
        (0..7).map(|scan| frame(start + scan * 300, address, scan as u16 * 40, model)).collect()
    }

    /// Folds the probes in the order of their times.
    fn folded(mut probes: Vec<Probe>) -> State {
        probes.sort_by_key(|probe| probe.time);
        let mut state = State::default();
        probes.into_iter().for_each(|probe| fold(&mut state, &Event::from(probe)));
        state
    }

    /// A phone of the household is here at 18:00 on each day of this number of weeks, each time with another address.
    fn household(weeks: i64) -> Vec<Probe> {
        let days = (0..weeks * 7).map(|day| visit(day * DAY + 18 * HOUR, 1000 + day as u32, OURS));
        days.flatten().collect()
    }

    fn phones(state: &State, since: i64) -> Vec<(i64, StrangerReason)> {
        let strangers = state.strange_phones(time(since));
        // A doorbell says the same of each phone.
        for (id, group) in state.grouping.groups().filter(|(_, group)| group.last >= time(since)) {
            let stranger = strangers.iter().find(|stranger| stranger.phone == Some(id));
            let by_doorbell = state.stranger_reason(&DeviceKey::Phone(id), group.last);
            assert_eq!(by_doorbell, stranger.map(|stranger| stranger.reason), "{id}");
        }
        let strangers = strangers.into_iter();
        strangers.map(|stranger| (stranger.first.as_micros() / 1_000_000, stranger.reason)).collect()
    }

    #[test]
    fn a_model_at_its_usual_hour_is_no_stranger() {
        let today = 3 * WEEK;
        let mut probes = household(3);
        probes.extend(visit(today + 18 * HOUR + 1800, 1, OURS));
        assert_eq!(phones(&folded(probes), today), []);
    }

    #[test]
    fn a_model_at_another_hour_is_unusual() {
        let night = 3 * WEEK + 3 * HOUR;
        let mut probes = household(3);
        probes.extend(visit(night, 1, OURS));
        let reason = StrangerReason::UnusualModel { weeks_learned: 2 };
        assert_eq!(phones(&folded(probes.clone()), night), [(night, reason)]);
        // It does not become usual by being looked at later.
        probes.extend(visit(night + DAY, 2, OURS));
        assert!(phones(&folded(probes), night).contains(&(night, reason)));
    }

    #[test]
    fn weeks_that_are_forgotten_are_not_claimed() {
        let night = 20 * WEEK + 3 * HOUR;
        let mut probes = household(20);
        probes.extend(visit(8 * WEEK + 3 * HOUR, 2, OURS));
        probes.extend(visit(night, 1, OURS));
        let reason = StrangerReason::UnusualModel { weeks_learned: 8 };
        assert_eq!(phones(&folded(probes), night), [(night, reason)]);
    }

    #[test]
    fn weeks_without_frames_are_not_learned() {
        let yesterday = 20 * WEEK;
        let mut probes = visit(0, 1, OURS);
        probes.extend(visit(yesterday, 2, 99));
        probes.extend(visit(yesterday + 20 * HOUR, 3, OURS));
        let state = folded(probes);
        assert_eq!(phones(&state, yesterday), [(yesterday, StrangerReason::NewModel)]);
        assert!(state.learned(time(yesterday + DAY)) < Duration::from_secs(2 * 86_400));
    }

    #[test]
    fn one_phone_more_than_ever_is_a_stranger() {
        let evening = 3 * WEEK + 18 * HOUR;
        let mut probes = household(3);
        // Two phones use their addresses at the same time.
        for scan in 0..10 {
            let sequence = scan as u16 * 40;
            probes.push(frame(evening + scan * 20, 1, sequence, OURS));
            probes.push(frame(evening + scan * 20 + 5, 2, sequence + 2000, OURS));
        }
        let state = folded(probes);
        let reason = StrangerReason::OneMoreThanUsual { usual: 1, now: 2 };
        assert_eq!(phones(&state, evening), [(evening, reason)]);
        assert_eq!(state.strange_phones(time(evening))[0].at_least, 2);
    }

    /// Groups that nothing tells apart may be one phone, so they make two phones no more usual.
    #[test]
    fn what_is_usual_is_learned_as_it_is_compared() {
        let evening = 3 * WEEK + 18 * HOUR;
        let mut probes = household(3);
        // Each evening the address of the day before comes back for a moment.
        probes.extend((1..21).map(|day| frame(day * DAY + 18 * HOUR + 2400, 999 + day as u32, 7, OURS)));
        for scan in 0..10 {
            let sequence = scan as u16 * 40;
            probes.push(frame(evening + scan * 20, 1, sequence, OURS));
            probes.push(frame(evening + scan * 20 + 5, 2, sequence + 2000, OURS));
        }
        let reason = StrangerReason::OneMoreThanUsual { usual: 1, now: 2 };
        assert_eq!(phones(&folded(probes), evening), [(evening, reason)]);
    }

    /// The second phone comes hours after the first, when only one is usual.
    #[test]
    fn a_phone_more_is_compared_with_the_hour_in_which_it_was_known() {
        let evening = 3 * WEEK + 18 * HOUR;
        let mut probes: Vec<Probe> = (0..21)
            .flat_map(|day| {
                (0..36).map(move |scan| {
                    frame(day * DAY + 18 * HOUR + scan * 300, 1000 + day as u32, scan as u16 * 40, OURS)
                })
            })
            .collect();
        probes.extend((0..24).map(|scan| frame(evening + scan * 300, 1, scan as u16 * 40, OURS)));
        for scan in 0..10 {
            let (second, sequence) = (evening + 2 * HOUR + scan * 20, 960 + scan as u16 * 40);
            probes.push(frame(second, 1, sequence, OURS));
            probes.push(frame(second + 5, 2, sequence + 2000, OURS));
        }
        let reason = StrangerReason::OneMoreThanUsual { usual: 1, now: 2 };
        assert_eq!(phones(&folded(probes), evening), [(evening, reason)]);
    }

    #[test]
    fn a_doorbell_compares_few_of_the_phones_of_a_model() {
        let state = folded(household(10));
        let model = state.model_key(Signature::from_u64(OURS));
        assert_eq!(state.grouping.groups().count(), 70);
        assert!(state.grouping.latest_groups(model).count() <= 32);
        assert_eq!(phones(&state, 69 * DAY), []);
    }

    #[test]
    fn during_the_first_two_weeks_only_new_models_are_strangers() {
        let evening = WEEK + 20 * HOUR;
        let mut probes = household(1);
        // The household is away today, a neighbour is not.
        probes.extend(visit(WEEK + 9 * HOUR, 3, 98));
        probes.extend(visit(evening, 1, OURS));
        probes.extend(visit(evening + 60, 2, 99));
        let state = folded(probes);
        assert_eq!(phones(&state, evening), [(evening + 60, StrangerReason::NewModel)]);
        assert_eq!(state.learned(time(evening)).as_secs() as i64, evening - 18 * HOUR);
        let stranger = state.strange_phones(time(evening))[0];
        assert_eq!(stranger.strongest_dbm, Some(-60));
        assert_eq!(stranger.last, time(evening + 60 + 1800));
    }

    #[test]
    fn a_named_phone_is_no_stranger() {
        let (by, name) = (NamedBy::Chat, "Zoë".to_owned());
        let mut state = folded(visit(0, 1, 99));
        assert_eq!(phones(&state, 0).len(), 1);
        let address = state.strange_phones(time(0))[0].address;
        fold(&mut state, &Event::new(time(9), EventKind::Name { address, name, by }));
        assert_eq!(phones(&state, 0), []);
    }

    #[test]
    fn a_fixed_address_is_a_stranger_until_it_is_named() {
        let address = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
        let fixed = |second: i64| Probe { source: address, ..frame(second, 1, 0, OURS) };
        let mut state = folded(vec![fixed(100), fixed(700)]);
        let strangers = |state: &State, since: i64| -> Vec<Stranger> {
            let rows = (0..DEVICE_SHARDS).flat_map(|shard| state.devices_of_shard(shard));
            rows.filter_map(|row| state.strange_device(row, time(since))).collect()
        };
        let expected = Stranger {
            address,
            phone: None,
            reason: StrangerReason::NeverSeen,
            first: time(100),
            last: time(700),
            at_least: 1,
            strongest_dbm: Some(-60),
        };
        assert_eq!(strangers(&state, 100), [expected]);
        assert_eq!(strangers(&state, 101), [], "it was seen before");
        let (by, name) = (NamedBy::Chat, "Zoë".to_owned());
        fold(&mut state, &Event::new(time(900), EventKind::Name { address, name, by }));
        assert_eq!(strangers(&state, 100), []);
    }

    proptest! {
        #[test]
        fn restarts_and_snapshots_change_no_habit_and_no_visitor(
            steps in vec((0..4_u32, 0..3_u64, 0..40 * HOUR, 0..6_u8), 1..120),
        ) {
            let (mut straight, mut restarted) = (State::default(), State::default());
            let chat = ChatId(1);
            let doorbell = Event::new(time(0), EventKind::Doorbell { chat, min_dbm: -65, stay_seconds: 180, only_in_quiet_hours: false });
            fold(&mut straight, &doorbell);
            fold(&mut restarted, &doorbell);
            let mut second = 0;
            for (address, model, gap, restart) in steps {
                second += gap;
                let event = Event::from(frame(second, address + 10 * model as u32, second as u16, model));
                fold(&mut straight, &event);
                fold(&mut restarted, &event);
                match restart {
                    0 => restarted = reloaded(&restarted),
                    1 => restarted = from_snapshot(&restarted),
                    _ => {}
                }
            }
            prop_assert_eq!(straight.differences(&restarted, 3), Default::default());
            prop_assert_eq!(straight.strange_phones(time(0)), restarted.strange_phones(time(0)));
        }
    }

    #[test]
    fn only_a_fixed_address_is_a_stranger_because_it_is_new() {
        let fixed = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
        let probe = Probe { source: fixed, ..frame(100, 1, 0, OURS) };
        let random = frame(100, 1, 0, OURS).source;
        let state = folded(vec![probe, frame(100, 1, 0, OURS)]);
        let reason = |address, since: i64| state.address_reason(address, time(since));
        assert_eq!(reason(fixed, 100), Some(StrangerReason::NeverSeen));
        assert_eq!((reason(fixed, 101), reason(random, 0)), (None, None));
        let unknown = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 2]);
        assert_eq!(reason(unknown, 0), None);
        // A doorbell takes it for one during its first day.
        let by_doorbell = |near| state.stranger_reason(&DeviceKey::Address(fixed), time(near));
        assert_eq!(by_doorbell(100 + DAY), Some(StrangerReason::NeverSeen));
        assert_eq!(by_doorbell(101 + DAY), None);
    }

    #[test]
    fn two_frames_of_a_fixed_address_more_than_two_hours_apart_are_no_one_visit() {
        let stranger = |phone, last| Stranger {
            address: MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]),
            phone,
            reason: StrangerReason::NeverSeen,
            first: time(0),
            last: time(last),
            at_least: 1,
            strongest_dbm: None,
        };
        assert!(stranger(None, 2 * HOUR).is_one_visit() && !stranger(None, 2 * HOUR + 1).is_one_visit());
        assert!(stranger(Some(GroupId(1)), DAY).is_one_visit());
    }
}

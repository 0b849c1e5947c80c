//! Devices that come and go, made up.

use dot11::Signature;
use proptest::prelude::*;
use store::event::GroupId;
use store::state::LeastPhones;

use super::*;

const LIMITS: Limits = Limits { devices: 1000, intervals: 1000, ungrouped: 1000 };

fn second(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn range(from: i64, to: i64) -> TimeRange {
    TimeRange { from: second(from), to: second(to) }
}

fn interval(start: i64, end: i64) -> Interval {
    Interval { start: second(start), end: second(end) }
}

fn fixed(number: u8) -> DeviceKey {
    DeviceKey::Address(MacAddr::new([0, 0, 0, 0, 0, number]))
}

fn named(name: &str) -> DeviceKey {
    DeviceKey::Name(name.to_owned())
}

fn seen(time: i64, dbm: i8, key: DeviceKey) -> Sighting {
    Sighting { time: second(time), signal_dbm: Some(dbm), sender: Sender::Device(key, None) }
}

fn model_key(number: u64) -> ModelKey {
    ModelKey::of_unknown_elements(Signature::from_u64(number))
}

fn phone(time: i64, id: u16, model: u64, at_least: u32) -> Sighting {
    phone_by(time, id, evidence(u8::try_from(id).unwrap(), Some(model), at_least))
}

/// A phone, by an address that may be of any of its model.
fn phone_by_guest(time: i64, id: u16, model: u64, at_least: u32) -> Sighting {
    let evidence = evidence(100 + u8::try_from(id).unwrap(), Some(model), at_least);
    let phones = Phones { own: 1, ..evidence.phones };
    phone_by(time, id, PhoneEvidence { is_guest: true, phones, ..evidence })
}

fn phone_by(time: i64, id: u16, evidence: PhoneEvidence) -> Sighting {
    let sender = Sender::Device(DeviceKey::Phone(GroupId(id)), Some(evidence));
    Sighting { time: second(time), signal_dbm: None, sender }
}

fn evidence(address: u8, model: Option<u64>, at_least: u32) -> PhoneEvidence {
    let address = MacAddr::new([2, 0, 0, 0, 0, address]);
    let phones = Phones { any: at_least, own: at_least };
    PhoneEvidence { address, model: model.map(model_key), phones, is_guest: false, named_group: None }
}

/// The table, in which these phones are different.
fn told_apart(mut table: PresenceTable, phones: &[u16]) -> PresenceTable {
    for id in phones {
        let others = phones.iter().filter(|other| *other != id);
        if let Some(presence) = table.devices.get_mut(&DeviceKey::Phone(GroupId(*id))) {
            presence.apart = others.map(|other| GroupId(*other)).collect();
        }
    }
    table
}

fn ungrouped(time: i64, number: u8) -> Sighting {
    let sender = Sender::Ungrouped(MacAddr::new([2, 0, 0, 0, 0, number]));
    Sighting { time: second(time), signal_dbm: None, sender }
}

fn table(length: i64, limits: Limits, sightings: impl IntoIterator<Item = Sighting>) -> PresenceTable {
    let mut table = PresenceTable::with_limits(range(0, length), limits);
    sightings.into_iter().for_each(|sighting| table.add(sighting));
    table
}

fn of<'a>(table: &'a PresenceTable, key: &DeviceKey) -> &'a DevicePresence {
    table.devices.get(key).unwrap()
}

#[test]
fn frames_less_than_ten_minutes_apart_are_one_interval() {
    let times = [0, 599, 1198, 1798, 5000];
    let table = table(6000, LIMITS, times.map(|time| seen(time, -60, fixed(1))));
    let presence = of(&table, &fixed(1));
    assert_eq!(presence.intervals, [interval(0, 1198), interval(1798, 1798), interval(5000, 5000)]);
    assert_eq!((presence.first(), presence.last()), (Some(second(0)), Some(second(5000))));
    assert_eq!((presence.probes, presence.duration()), (5, Duration::from_secs(1198)));
}

#[test]
fn keeps_the_strongest_and_the_last_signal() {
    let sightings = [(10, -70), (30, -66), (20, -41)].map(|(time, dbm)| seen(time, dbm, fixed(1)));
    let table = table(100, LIMITS, sightings);
    let presence = of(&table, &fixed(1));
    assert_eq!((presence.strongest_dbm, presence.last_dbm()), (Some(-41), Some(-66)));
}

#[test]
fn frames_outside_the_range_do_not_count() {
    let table = table(100, LIMITS, [-1, 0, 99, 100].map(|time| seen(time, -60, fixed(1))));
    assert_eq!(of(&table, &fixed(1)).intervals, [interval(0, 99)]);
    assert_eq!(of(&table, &fixed(1)).probes, 2);
}

#[test]
fn random_addresses_without_a_group_are_counted_together() {
    let limits = Limits { ungrouped: 2, ..LIMITS };
    let ungrouped = |number| ungrouped(1, number);
    let two = table(10, limits, [1, 2, 1, 2].map(ungrouped));
    assert_eq!((two.ungrouped(), two.devices().count()), ((2, false), 0));
    let three = table(10, limits, [1, 2, 3].map(ungrouped));
    assert_eq!(three.ungrouped(), (2, true));
}

#[test]
fn a_flood_displaces_itself() {
    let limits = Limits { devices: 40, ..LIMITS };
    let mut sightings = Vec::new();
    for time in 0..100_i64 {
        sightings.push(seen(time, -60, named("Alice")));
        sightings.extend([1, 2, 3].map(|number| seen(time, -60, fixed(number))));
        let invented = |number: i64| {
            let [.., a, b] = (time * 20 + number).to_be_bytes();
            seen(time, -60, DeviceKey::Address(MacAddr::new([4, 0, 0, 0, a, b])))
        };
        sightings.extend((0..20).map(invented));
    }
    let table = table(100, limits, sightings);
    assert!(table.devices().count() <= limits.devices + 1);
    assert!(table.omitted_probes() >= 1900);
    for key in [named("Alice"), fixed(1), fixed(2), fixed(3)] {
        assert_eq!(of(&table, &key).probes, 100, "{key:?}");
    }
}

#[test]
fn intervals_are_limited_except_those_of_named_devices() {
    let limits = Limits { intervals: 10, ..LIMITS };
    let every_hour = |key: DeviceKey| (0..30_i64).map(move |hour| seen(hour * 3600, -60, key.clone()));
    let table = table(30 * 3600, limits, every_hour(named("Alice")).chain(every_hour(fixed(1))));
    assert_eq!(of(&table, &named("Alice")).intervals.len(), 30);
    let kept: usize = table.devices().map(|(_, presence)| presence.intervals.len()).sum();
    assert!(kept <= 40, "{kept}");
    assert!(table.omitted_probes() > 0);
}

#[test]
fn groups_of_a_model_are_several_phones_only_if_they_were_told_apart() {
    let hour = 3600;
    let least = |sightings: &[Sighting], apart: &[u16]| {
        let table = told_apart(table(24 * hour, LIMITS, sightings.to_vec()), apart);
        table.least_devices(&table.range()).phones.phones
    };
    let pair = [phone(0, 1, 7, 1), phone(5 * hour, 2, 7, 1)];
    assert_eq!((least(&pair, &[1, 2]), least(&pair, &[])), (2, 1));
    assert_eq!(least(&[phone(0, 1, 7, 1), phone(60, 2, 7, 1)], &[]), 1, "it may be the same phone");
    assert_eq!(least(&[phone(0, 1, 7, 1), phone(60, 2, 8, 1)], &[]), 2, "another model");
    assert_eq!(least(&[phone(0, 1, 7, 3), phone(60, 2, 7, 1)], &[]), 3);
    assert_eq!(least(&[phone(0, 1, 7, 3), phone(60, 2, 7, 1)], &[1, 2]), 4);
    let guest = [phone(0, 1, 7, 1), phone_by_guest(60, 2, 7, 1)];
    assert_eq!(least(&guest, &[1, 2]), 1, "it may be of the first phone");
    assert_eq!(least(&[guest.as_slice(), &[phone(70, 2, 7, 1)]].concat(), &[1, 2]), 2);
    let proven = [phone(0, 1, 7, 1), phone(0, 2, 7, 1), phone_by_guest(60, 2, 7, 2)];
    assert_eq!(least(&proven, &[1, 2]), 2, "one of the two may be the first phone");
}

#[test]
fn phones_count_in_the_hours_in_which_they_were_there_themselves() {
    let stay = |phone: fn(i64, u16, u64, u32) -> Sighting, id| [100, 500].map(|time| phone(time, id, 7, 1));
    let in_hours = |sightings: Vec<Sighting>, apart: &[u16]| {
        let table = told_apart(table(7200, LIMITS, sightings), apart);
        let counts = table.devices_in_hours(&[range(0, 3600), range(3600, 7200)]);
        [0, 1].map(|hour| (counts[hour].stayed, counts[hour].passed))
    };
    let both = [stay(phone, 1), stay(phone, 2)].concat();
    assert_eq!(in_hours(both.clone(), &[1, 2]), [(2, 0), (0, 0)]);
    assert_eq!(in_hours(both, &[]), [(1, 0), (0, 0)]);
    assert_eq!(
        in_hours([vec![phone(100, 1, 7, 1)], stay(phone, 3).to_vec()].concat(), &[1, 3]),
        [(1, 1), (0, 0)]
    );
    // One that was there before noon is not there in the afternoon, although an address of its model is.
    let later = vec![phone(100, 1, 7, 1), phone_by_guest(4000, 1, 7, 1), phone(4000, 2, 7, 1)];
    assert_eq!(in_hours(later, &[1, 2]), [(0, 1), (0, 1)]);
    assert_eq!(in_hours([stay(phone_by_guest, 1), stay(phone, 2)].concat(), &[1, 2]), [(1, 0), (0, 0)]);
}

#[test]
fn counts_are_by_kind_of_device() {
    let sightings =
        [seen(0, -60, named("alice")), seen(0, -60, fixed(1)), seen(200, -60, fixed(1)), phone(0, 1, 7, 2)];
    let table = table(1000, LIMITS, sightings);
    let least = table.least_devices(&table.range());
    assert_eq!(
        least,
        LeastDevices {
            named: 1,
            fixed: 1,
            phones: LeastPhones { phones: 2, proven: 2 },
            groups: 1,
            ..Default::default()
        }
    );
    assert_eq!(least.total(), 4);
    let text = "probably at least 4 devices: 1 named, 1 with a fixed address, 2 phones using random addresses, \
                3 other random addresses";
    assert_eq!(LeastDevices { ungrouped: 3, ..least }.counts(0).text(), text);
    let stayed = table.least_stayed(&table.range());
    assert_eq!(stayed, LeastDevices { fixed: 1, ..Default::default() });
}

#[test]
fn random_addresses_without_a_group_are_one_device_where_no_phone_is() {
    let hours = [range(0, 3600), range(3600, 7200), range(7200, 10_800)];
    let sightings = [
        // Two in the first hour, of which one stays.
        ungrouped(100, 1),
        ungrouped(100, 2),
        ungrouped(400, 2),
        // One in the second, with a phone.
        ungrouped(4000, 3),
        phone(4000, 9, 7, 1),
    ];
    let table = table(10_800, LIMITS, sightings);
    let counts = table.devices_in_hours(&hours);
    let counts: Vec<_> = counts.iter().map(|count| (count.stayed, count.passed)).collect();
    assert_eq!(counts, [(1, 0), (0, 1), (0, 0)]);
    let text = |hour: usize| table.least_devices(&hours[hour]).counts(0).text();
    assert_eq!(text(0), "at least 1 device: 2 random addresses");
    let phone = "at least 1 device: 1 phone using random addresses, 1 other random address";
    assert_eq!((text(1).as_str(), text(2).as_str()), (phone, "0 devices"));
    assert_eq!(table.least_stayed(&hours[0]).total(), 1);
    assert_eq!(table.least_stayed(&hours[1]).total(), 0);
}

#[test]
fn a_named_device_with_random_addresses_may_be_several() {
    let named_at = |time, evidence| Sighting {
        time: second(time),
        signal_dbm: None,
        sender: Sender::Device(named("bob"), evidence),
    };
    let of = |sightings: Vec<Sighting>| table(3600, LIMITS, sightings);
    let fixed = of(vec![named_at(0, None)]);
    assert_eq!(fixed.least_devices(&fixed.range()).counts(0).text(), "1 device: 1 named");
    let random = of(vec![named_at(0, None), named_at(9, Some(evidence(1, None, 1)))]);
    assert_eq!(random.least_devices(&random.range()).counts(0).text(), "at least 1 device: 1 named");
    let two = of(vec![named_at(0, Some(evidence(1, Some(7), 2))), named_at(300, None)]);
    assert_eq!(two.least_devices(&two.range()).total(), 1);
    assert_eq!(two.devices().next().unwrap().1.at_least(), 2);
    let counts = two.devices_in_hours(&[range(0, 3600)])[0];
    assert_eq!((counts.stayed, counts.passed), (1, 0));
}

#[test]
fn each_hour_says_what_was_proven_in_it() {
    let hours = [range(0, 3600), range(3600, 7200), range(7200, 10_800)];
    let times = [(100, 2), (200, 1), (3700, 3), (7300, 1)];
    let sightings = times.map(|(time, at_least)| phone(time, 1, 7, at_least));
    for sightings in [sightings.to_vec(), sightings.into_iter().rev().collect()] {
        let table = table(10_800, LIMITS, sightings);
        let least = hours.map(|hour| table.least_devices(&hour).phones.phones);
        assert_eq!((least, table.least_devices(&table.range()).phones.phones), ([2, 3, 1], 3));
        let counts = table.devices_in_hours(&hours);
        assert_eq!(counts.iter().map(|count| count.stayed + count.passed).collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!(of(&table, &DeviceKey::Phone(GroupId(1))).at_least(), 3);
    }
}

#[test]
fn the_addresses_of_a_phone_are_counted_up_to_a_limit() {
    let limit = u8::try_from(ADDRESS_LIMIT).unwrap();
    let used = |count: u8| {
        let frame = |address| {
            let sender = Sender::Device(DeviceKey::Phone(GroupId(1)), Some(evidence(address, Some(7), 1)));
            Sighting { time: second(1), signal_dbm: None, sender }
        };
        let table = table(10, LIMITS, (0..count).chain(0..count).rev().map(frame));
        (table.devices().next().unwrap().1.random_addresses(), table.grouped_addresses())
    };
    assert_eq!(used(3), ((3, false), 3));
    assert_eq!(used(limit), ((64, false), 64));
    assert_eq!(used(limit + 1), ((64, true), 0));
}

#[test]
fn a_device_counts_once_in_each_hour_of_its_stay() {
    let hours = [range(0, 3600), range(3600, 7200), range(7200, 10_800)];
    let sightings = [
        // From the first hour into the second, and again in the second.
        seen(3500, -60, fixed(1)),
        seen(3700, -60, fixed(1)),
        seen(5000, -60, fixed(1)),
        // Twice in the third, each time for less than two minutes.
        seen(7300, -60, fixed(2)),
        seen(7419, -60, fixed(2)),
        seen(9000, -60, fixed(2)),
        // Two phones in the first hour, of which nothing proves two later.
        phone(100, 1, 7, 2),
        phone(600, 1, 7, 1),
        phone(7300, 1, 7, 1),
    ];
    let table = table(10_800, LIMITS, sightings);
    let counts = table.devices_in_hours(&hours);
    let counts: Vec<_> = counts.iter().map(|count| (count.stayed, count.passed)).collect();
    assert_eq!(counts, [(3, 0), (1, 0), (0, 2)]);
}

/// The intervals of these times, found by sorting them.
fn naive_intervals(mut times: Vec<i64>) -> Vec<Interval> {
    times.sort_unstable();
    let runs = times.chunk_by(|one, next| next - one < 600);
    runs.map(|run| interval(*run.first().unwrap(), *run.last().unwrap())).collect()
}

proptest! {
    #[test]
    fn the_table_matches_a_naive_reference(
        frames in prop::collection::vec((-500_i64..20_000, 0_u8..4, -90_i8..-30), 0..120),
    ) {
        let to = 18_000;
        let table = table(to, LIMITS, frames.iter().map(|(time, device, dbm)| seen(*time, *dbm, fixed(*device))));
        let hours: Vec<TimeRange> = (0..5).map(|hour| range(hour * 3600, (hour + 1) * 3600)).collect();
        let mut expected = vec![(0, 0); hours.len()];
        let mut devices = 0;
        for device in 0..4 {
            let of_device: Vec<_> =
                frames.iter().filter(|(time, of, _)| *of == device && (0..to).contains(time)).collect();
            let presence = table.devices.get(&fixed(device));
            prop_assert_eq!(presence.is_some(), !of_device.is_empty());
            let Some(presence) = presence else { continue };
            devices += 1;
            let intervals = naive_intervals(of_device.iter().map(|(time, ..)| *time).collect());
            prop_assert_eq!(&presence.intervals, &intervals);
            prop_assert_eq!(presence.probes, of_device.len() as u64);
            prop_assert_eq!(presence.strongest_dbm, of_device.iter().map(|(.., dbm)| *dbm).max());
            let last = of_device.iter().map(|(time, _, dbm)| (*time, *dbm)).max();
            prop_assert_eq!(presence.last_dbm(), last.map(|(_, dbm)| dbm));
            for (hour, count) in hours.iter().zip(&mut expected) {
                let there = intervals.iter().filter(|interval| interval.overlaps(hour));
                match there.map(|interval| interval.length() >= SHORTEST_STAY).max() {
                    Some(true) => count.0 += 1,
                    Some(false) => count.1 += 1,
                    None => {}
                }
            }
        }
        prop_assert_eq!(table.devices.len(), devices);
        let counts: Vec<_> =
            table.devices_in_hours(&hours).iter().map(|count| (count.stayed, count.passed)).collect();
        prop_assert_eq!(counts, expected);
    }
}

//! How many phones there are at least: pairs that were told apart stay two, and nothing else makes two of one.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::apart::{APART_LIMIT, LeastPhones, SeenGroup, least_phones};
use super::group::Phones;
use super::person::SPLITS_PER_PHONE;
use super::seen_times::SeenTimes;
use super::tests::{counting_phone, fold, folded, frame, from_snapshot, group_of, later, reloaded, together};
use super::{Grouping, may_belong};
use crate::event::{Event, EventKind, EvictionScope, GroupId, Probe, Timestamp};
use crate::state::State;
use crate::state::hour::Hour;
use dot11::{ModelKey, Signature};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const MODEL: u64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// A frame of each of these addresses, a minute apart. No number is near one of another address.
fn scan(second: i64, addresses: impl IntoIterator<Item = u32>) -> Vec<Probe> {
    let frames = (0..).zip(addresses);
    frames
        .map(|(place, address)| frame(second + place * 60, address, (address * 500) as u16, MODEL))
        .collect()
}

/// Two addresses that are in use at once from this second on, for a minute.
fn at_once(second: i64, addresses: [u32; 2]) -> Vec<Probe> {
    let frames = (0..12_u16).map(|step| {
        let place = usize::from(step % 2);
        frame(second + i64::from(step) * 5, addresses[place], 2000 * place as u16 + step * 20, MODEL)
    });
    frames.collect()
}

fn fold_all(state: &mut State, probes: impl IntoIterator<Item = Probe>) {
    probes.into_iter().for_each(|probe| fold(state, &Event::from(probe)));
}

fn id_of(state: &State, address: u32) -> GroupId {
    group_of(state, &frame(0, address, 0, MODEL))
}

/// Says that this address is not of its group.
fn split(state: &mut State, address: u32) {
    let source = frame(0, address, 0, MODEL).source;
    let phone = state.grouping().group_of(source).unwrap();
    let time = state.newest_time().unwrap();
    fold(state, &Event::new(time, EventKind::SplitPhone { phone, address: source, evidence: None }));
}

/// The least number of phones of which these addresses were seen.
fn least(state: &State, addresses: &[u32]) -> u64 {
    let seen = addresses.iter().map(|address| {
        let id = id_of(state, *address);
        let group = state.grouping().group(id).unwrap();
        let of_group = addresses.iter().filter(|address| id_of(state, **address) == id);
        let mut sources = of_group.map(|address| frame(0, *address, 0, MODEL).source);
        SeenGroup::of(id, group, Phones::ONE, sources.any(|source| !group.is_guest(source)))
    });
    least_phones(seen).phones
}

/// The least number of all phones that are known.
fn least_of_all(state: &State) -> u64 {
    least_phones(state.grouping().groups().map(|(id, group)| SeenGroup::whole(id, group))).phones
}

#[test]
fn what_may_be_a_phone_with_a_name_adds_none() {
    let mut state = folded(scan(0, [1, 2, 3]));
    split(&mut state, 2);
    let [one, two] = [1, 2].map(|address| id_of(&state, address));
    let group = |id| SeenGroup::whole(id, state.grouping().group(id).unwrap());
    let model = group(one).model;
    let stranger = |id: u16| SeenGroup { id: GroupId(id), apart: &[], ..group(one) };
    let named = |id| SeenGroup::named(id, model);
    let free = GroupId(one.0.wrapping_add(two.0).wrapping_add(1));
    for (seen, expected) in [
        // It was here before, under a name, or not: nobody can tell.
        (vec![named(free), stranger(1)], 0),
        (vec![named(one), group(two)], 1),
        (vec![named(free), group(one), group(two)], 1),
        (vec![named(free), named(GroupId(free.0.wrapping_add(1))), group(one), group(two)], 0),
        // One of its phones has the name.
        (vec![named(one), group(one)], 0),
        (vec![SeenGroup { phones: Phones { any: 3, own: 3 }, ..stranger(1) }, named(free)], 2),
        // Two of its addresses have names of their own.
        (vec![SeenGroup { phones: Phones { any: 3, own: 3 }, ..stranger(1) }, named(free), named(free)], 1),
        (vec![named(free)], 0),
    ] {
        assert_eq!(least_phones(seen.iter().copied()).phones, expected, "{seen:?}");
    }
}

/// A phone can send frames of several models.
#[test]
fn only_phones_of_one_model_are_proven_to_be_several() {
    let of = |id, model| frame(i64::from(id), id, 0, model);
    let state = folded([of(1, MODEL), of(2, MODEL + 1), of(3, MODEL + 2)]);
    let [one, two, three] = [1, 2, 3].map(|address| SeenGroup {
        phones: Phones { any: address, own: address },
        ..state
            .grouping()
            .groups()
            .map(|(id, group)| SeenGroup::whole(id, group))
            .nth(address as usize - 1)
            .unwrap()
    });
    for (seen, phones, proven) in [
        (vec![], 0, 0),
        (vec![one], 1, 1),
        (vec![one, two, three], 6, 3),
        (vec![one, two, SeenGroup::named(GroupId(9), two.model)], 2, 2),
        (vec![SeenGroup::named(GroupId(9), two.model)], 0, 1),
        (vec![three, SeenGroup { counts_as: three.model, ..two }], 3, 3),
    ] {
        assert_eq!(least_phones(seen), LeastPhones { phones, proven });
    }
}

#[test]
fn phones_that_a_person_split_are_two_also_when_they_return() {
    let mut state = folded(scan(0, [1, 2]));
    assert_eq!((id_of(&state, 1), least(&state, &[1, 2])), (id_of(&state, 2), 1));
    split(&mut state, 2);
    for day in 0..3 {
        fold_all(&mut state, scan(DAY * day + 600, [2, 1]));
        assert_eq!((least(&state, &[1, 2]), least(&state, &[2]), least_of_all(&state)), (2, 1, 2), "{day}");
        state = from_snapshot(&reloaded(&state));
    }
}

#[test]
fn phones_whose_counters_told_them_apart_are_two_also_when_they_return() {
    let one = counting_phone(1, 60, 0, 40, MODEL);
    let other = counting_phone(1001, 60, 2048, 47, MODEL);
    let (last, of_other) = (60, 1060);
    let mut state = folded(together(&[one, other]));
    assert_ne!(id_of(&state, last), id_of(&state, of_other));
    fold_all(&mut state, scan(DAY, [last, of_other]));
    assert_eq!((least(&state, &[last, of_other]), least_of_all(&state)), (2, 2));
}

/// A phone whose counter turns out to be two; the address 1020 moves to the group of the address 500, which was there,
/// and which `prepare` changes before.
fn alternated_into_a_group(prepare: impl FnOnce(&mut State)) -> State {
    // The model is learned, then a phone begins another group, which stays in range, and is silent.
    let before = later(counting_phone(1, 40, 0, 30, MODEL), -3 * HOUR);
    let silent = frame(0, 500, 3000, MODEL);
    let again = Probe { time: at(600), sequence: 475, ..before[117].clone() };
    let one = later(counting_phone(101, 20, 480, 90, MODEL), 690);
    let other = later(counting_phone(1001, 20, 2048, 100, MODEL), 675);
    let first = before.into_iter().chain([silent, again]);
    let mut state = folded(first);
    prepare(&mut state);
    fold_all(&mut state, together(&[one, other]));
    assert_eq!(id_of(&state, 1020), id_of(&state, 500));
    assert_ne!(id_of(&state, 120), id_of(&state, 500));
    state
}

#[test]
fn counters_that_alternate_into_a_group_that_was_there_tell_it_apart() {
    let mut state = alternated_into_a_group(|_| {});
    // The phone that was there before may be either.
    let of_all = |state: &State| {
        (
            least(state, &[120, 1020]),
            least(state, &[120, 500]),
            least(state, &[500, 1020]),
            least_of_all(state),
        )
    };
    assert_eq!(of_all(&state), (2, 1, 1, 2));
    fold_all(&mut state, scan(DAY, [120, 1020]));
    assert_eq!(of_all(&state), (2, 1, 1, 2));
}

/// Nobody knows of which of its phones the addresses are that join it.
#[test]
fn counters_that_alternate_into_a_group_of_several_phones_tell_nothing_apart() {
    let are_apart = |state: &State| {
        let [one, other] = [120, 500].map(|address| id_of(state, address));
        state.grouping().group(one).unwrap().apart().contains(&other)
    };
    let is_guest = |state: &State| {
        let group = state.grouping().group(id_of(state, 500)).unwrap();
        group.is_guest(frame(0, 1020, 0, MODEL).source)
    };
    let state = alternated_into_a_group(|_| {});
    assert!(are_apart(&state) && !is_guest(&state));
    // It was proven to be two phones.
    let state = alternated_into_a_group(|state| {
        let id = id_of(state, 500);
        state.grouping.groups.get_mut(&id).unwrap().prove(at(-HOUR), 2);
    });
    assert!(!are_apart(&state) && !is_guest(&state));
    // It is told apart from a third group, to whose phone they may belong as well.
    let state = alternated_into_a_group(|state| {
        let (id, source) = (id_of(state, 500), frame(0, 7000, 0, MODEL).source);
        let model = state.grouping().group(id).unwrap().model;
        let third = state.grouping.new_group(model, source, SeenTimes::at(at(-100 * DAY)));
        state.grouping.set_apart(id, third);
    });
    assert!(!are_apart(&state) && is_guest(&state));
}

#[test]
fn an_address_belongs_to_no_phone_that_somebody_said_it_is_not_of() {
    let mut state = folded(scan(0, [1, 2, 3]));
    split(&mut state, 2);
    let source = |address| frame(0, address, 0, MODEL).source;
    let [phone, own] = [1, 2].map(|address| id_of(&state, address));
    let key = state.grouping().group(phone).unwrap().model;
    let other = state.grouping.new_group(key, source(50), SeenTimes::at(at(0)));
    let belongs = |address, id, key| {
        let Grouping { groups, group_of, splits, .. } = state.grouping();
        may_belong(groups, group_of, splits, key)(source(address), id)
    };
    for (address, id, expected) in [
        (2, phone, false),
        (2, own, true),
        // An address of its phone is not of the one that was split off, and the other way around.
        (1, own, false),
        (3, own, false),
        (3, phone, true),
        (3, other, true),
        (2, other, true),
        (9, phone, true),
        (9, own, true),
        (9, GroupId(other.0.wrapping_add(1)), false),
    ] {
        assert_eq!(belongs(address, id, key), expected, "{address} {id}");
        let another = ModelKey::of_unknown_elements(Signature::from_u64(MODEL + 1));
        assert!(!belongs(address, id, another));
    }
}

#[test]
fn old_addresses_that_are_used_by_turns_prove_nothing() {
    // A phone may go back and forth between addresses that it had before, such as one for each network.
    let mut state = folded(scan(0, [1, 2]));
    fold_all(&mut state, at_once(DAY, [1, 2]));
    assert_eq!((least(&state, &[1, 2]), least_of_all(&state)), (1, 1));
    // A new one in their midst is no address that it had.
    fold_all(&mut state, at_once(DAY + 300, [1, 3]));
    assert_eq!(least_of_all(&state), 2);
}

#[test]
fn three_phones_that_count_at_once_are_three() {
    let phones = [(1, 0, 40), (1001, 1400, 47), (2001, 2800, 43)]
        .map(|(address, start, interval)| counting_phone(address, 60, start, interval, MODEL));
    let state = folded(together(&phones));
    assert_eq!(least(&state, &[60, 1060, 2060]), 3);
    assert_eq!(least_of_all(&state), 3);
}

#[test]
fn an_address_that_joined_for_its_model_is_not_counted_beside_the_other_phone() {
    let mut state = folded(scan(0, [1, 2]));
    split(&mut state, 2);
    // It joins the one that was seen last, but may be of the other.
    fold_all(&mut state, scan(200, [1, 3]));
    assert_eq!(id_of(&state, 3), id_of(&state, 1));
    fold_all(&mut state, scan(DAY, [3, 2]));
    assert_eq!((least(&state, &[3, 2]), least(&state, &[1, 3, 2])), (1, 2));
    // Nor is another such address, in use at the same time, one phone more than the two.
    fold_all(&mut state, at_once(DAY + 900, [1, 4]));
    let group = state.grouping().group(id_of(&state, 1)).unwrap();
    assert_eq!((group.phones().any, least_of_all(&state)), (2, 2));
}

#[test]
fn a_split_takes_no_phone_from_those_that_were_proven() {
    // Three addresses in use at once.
    let frames = (0..30_u16).map(|step| {
        let place = step % 3;
        frame(i64::from(step) * 4, 1 + u32::from(place), 1300 * place + step * 9, MODEL)
    });
    let mut state = folded(frames);
    assert_eq!(least_of_all(&state), 3);
    split(&mut state, 2);
    assert_eq!(least_of_all(&state), 3);
}

#[test]
fn two_addresses_that_were_split_off_may_be_of_one_phone() {
    let mut state = folded(scan(0, [1, 2, 3]));
    split(&mut state, 2);
    split(&mut state, 3);
    assert_eq!((least(&state, &[1, 2, 3]), least(&state, &[2, 3])), (2, 1));
}

#[test]
fn an_address_that_was_forgotten_is_still_none_of_the_other_phone() {
    let mut state = folded(scan(0, [1, 2]));
    split(&mut state, 2);
    fold_all(&mut state, scan(DAY, [1]));
    let old = EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: at(DAY - HOUR) };
    fold(&mut state, &Event::new(at(DAY), old));
    assert_eq!(state.grouping().group_of(frame(0, 2, 0, MODEL).source), None);
    // In between another address joined the first phone, which may be of the second.
    fold_all(&mut state, scan(DAY + 60, [3, 2]));
    assert_eq!((least(&state, &[1, 2]), least(&state, &[3, 2])), (2, 1));
}

#[test]
fn an_older_file_after_a_newer_one_counts_no_phone_twice() {
    // One phone, silent for four hours, whose addresses in the older file lead up to those in the newer one.
    let newer = scan(10 * HOUR, [1]);
    let older: Vec<Probe> = (6..10).flat_map(|hour| scan(hour * HOUR, [hour as u32])).collect();
    let in_order = folded(older.iter().chain(&newer).cloned());
    let state = folded(newer.iter().chain(&older).cloned());
    assert_eq!((least_of_all(&in_order), least_of_all(&state)), (1, 1));
}

#[test]
fn proofs_do_not_depend_on_the_order_of_files() {
    let days = [at_once(0, [1, 2]), at_once(DAY, [1, 3]), at_once(2 * DAY, [1, 4])];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let state = folded(order.into_iter().flat_map(|day: usize| days[day].clone()));
        let group = state.grouping().group(id_of(&state, 1)).unwrap();
        assert_eq!((group.visit_phones(), group.at_least(at(2 * DAY + 50))), (2, 2), "{order:?}");
        assert_eq!(least_of_all(&state), 2);
    }
    // Each older file proves the same of a time shortly before.
    let files = [(600, [1, 2]), (500, [3, 4]), (400, [5, 6]), (300, [7, 8])];
    let state = folded(files.into_iter().flat_map(|(second, addresses)| at_once(second, addresses)));
    let group = state.grouping().group(id_of(&state, 1)).unwrap();
    assert_eq!((group.at_least(at(650)), group.phones_since(at(600)).any), (2, 2));
}

#[test]
fn what_a_person_said_is_never_forgotten() {
    let mut state = folded(scan(0, 1..60));
    let phone = id_of(&state, 59);
    for address in 1..=SPLITS_PER_PHONE as u32 {
        assert!(state.grouping().can_split(phone, frame(0, address, 0, MODEL).source));
        split(&mut state, address);
    }
    assert!(!state.grouping().can_split(phone, frame(0, 40, 0, MODEL).source));
    let told: Vec<GroupId> = (1..=SPLITS_PER_PHONE as u32).map(|address| id_of(&state, address)).collect();
    // Counters tell further groups apart from it and from one of the others.
    for number in 1000..1100 {
        let model = state.grouping().group(phone).unwrap().model;
        let seen = SeenTimes::at(at(0));
        let id = state.grouping.new_group(model, frame(0, number, 0, MODEL).source, seen);
        state.grouping.set_apart(phone, id);
        state.grouping.set_apart(id, told[0]);
    }
    check(&state);
    let apart = |id| state.grouping().group(id).unwrap().apart();
    assert_eq!((apart(phone), apart(told[0]).len()), (told.as_slice(), APART_LIMIT));
    assert!(apart(told[0]).contains(&phone));
}

#[test]
fn an_address_is_split_off_a_bounded_number_of_phones() {
    let mut state = folded(scan(0, [1, 2]));
    let [source, other] = [1, 2].map(|address| frame(0, address, 0, MODEL).source);
    for phone in 0..SPLITS_PER_PHONE as u16 {
        assert!(state.grouping().can_split(GroupId(9_999), source));
        state.grouping.splits.insert(source, GroupId(phone), at(0));
    }
    assert!(!state.grouping().can_split(GroupId(9_999), source));
    assert!(state.grouping().can_split(GroupId(9_999), other));
}

#[test]
fn only_two_groups_of_one_model_are_told_apart() {
    let mut state = folded([frame(0, 1, 0, MODEL), frame(1, 2, 0, MODEL + 1)]);
    let [one, other] = [1, 2].map(|address| id_of(&state, address));
    for (one, other) in
        [(one, other), (one, one), (one, GroupId(one.0.wrapping_add(other.0).wrapping_add(7)))]
    {
        state.grouping.set_apart(one, other);
    }
    assert!(state.grouping().groups().all(|(_, group)| group.apart().is_empty()));
}

/// What must be true of all groups.
pub(super) fn check(state: &State) {
    for (id, group) in state.grouping().groups() {
        assert!(group.apart().len() <= APART_LIMIT + state.grouping().splits.len());
        for other in group.apart() {
            let known = state.grouping().group(*other).unwrap();
            assert!(*other != id && known.model == group.model && known.apart().contains(&id));
        }
        assert!(group.guests.iter().all(|guest| group.reason(*guest).is_some()));
        assert!(group.proofs.times().map(Hour::of).is_sorted());
    }
}

#[test]
fn a_group_that_leaves_is_known_to_no_other() {
    let mut state = folded(scan(0, 1..60));
    for address in 2..60 {
        split(&mut state, address);
    }
    check(&state);
    assert_eq!(state.grouping().group(id_of(&state, 1)).unwrap().apart().len(), 58, "nothing is forgotten");
    fold_all(&mut state, scan(2 * DAY, [1, 50]));
    let old = EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: at(DAY) };
    fold(&mut state, &Event::new(at(2 * DAY), old));
    check(&state);
    assert_eq!(state.grouping().group(id_of(&state, 1)).unwrap().apart(), [id_of(&state, 50)]);
}

/// The most phones among groups that are all different, found by trying all sets of them.
fn exact(groups: &[SeenGroup<'_>]) -> u64 {
    let different = |set: u32| {
        let of_set: Vec<_> =
            (0..groups.len()).filter(|place| set >> place & 1 == 1).map(|place| &groups[place]).collect();
        let pairs = of_set
            .iter()
            .all(|one| of_set.iter().all(|other| one.id == other.id || one.apart.contains(&other.id)));
        let sum = of_set.iter().map(|group| u64::from(group.phones.own)).sum();
        if pairs && of_set.iter().all(|group| group.is_itself) { sum } else { 0 }
    };
    let alone = groups.iter().map(|group| u64::from(group.phones.any)).max().unwrap_or(0);
    (0..1_u32 << groups.len()).map(different).max().unwrap_or(0).max(alone)
}

proptest! {
    #[test]
    fn no_more_phones_are_counted_than_are_known(
        groups in btree_map(0..7_u16, (1..4_u32, any::<bool>(), any::<bool>()), 0..7),
        pairs in btree_set((0..7_u16, 0..7_u16), 0..20),
    ) {
        let apart = |id: u16| -> Vec<GroupId> {
            let other = |(one, other): &(u16, u16)| match (*one == id, *other == id) {
                (true, false) => Some(GroupId(*other)),
                (false, true) => Some(GroupId(*one)),
                _ => None,
            };
            pairs.iter().filter_map(other).collect()
        };
        let known: Vec<(u16, Vec<GroupId>)> = groups.keys().map(|id| (*id, apart(*id))).collect();
        let model = ModelKey::of_unknown_elements(Signature::from_u64(MODEL));
        let seen: Vec<SeenGroup<'_>> = groups.values().zip(&known).map(|((any, all_own, is_itself), (id, apart))| {
            let phones = Phones { any: *any, own: if *all_own { *any } else { 1 } };
            SeenGroup { id: GroupId(*id), model, counts_as: model, phones, is_itself: *is_itself, apart, is_named: false }
        }).collect();
        let (counted, exact) = (least_phones(seen.iter().copied()).phones, exact(&seen));
        prop_assert!(counted <= exact, "{} of {}", counted, exact);
        prop_assert_eq!(counted > 1, exact > 1);
        prop_assert_eq!(counted > 0, !seen.is_empty());
    }

    /// Two phones, of which one uses the even addresses, and files in any order: there are never more than two.
    #[test]
    fn two_phones_are_never_three(
        files in vec((0..6_i64, 0..6_i64, vec((0..8_u32, 1..200_i64), 1..20)), 1..6),
        told in any::<bool>(),
    ) {
        let mut state = folded(scan(0, [0, 1]));
        if told {
            split(&mut state, 1);
        }
        for (day, hour, frames) in files {
            let mut second = DAY * day + HOUR * hour;
            for (address, gap) in frames {
                second += gap;
                fold_all(&mut state, scan(second, [address]));
            }
            check(&state);
        }
        let seen: Vec<u32> = (0..8).filter(|address| {
            state.grouping().group_of(frame(0, *address, 0, MODEL).source).is_some()
        }).collect();
        prop_assert!(least(&state, &seen) <= 2);
        prop_assert!(least(&state, &seen) == 2 || !told);
        for parity in [0, 1] {
            let of_one: Vec<u32> = seen.iter().copied().filter(|address| address % 2 == parity).collect();
            prop_assert!(least(&state, &of_one) <= 1, "{:?}", of_one);
        }
    }
}

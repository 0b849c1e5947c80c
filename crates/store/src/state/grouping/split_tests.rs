//! A split invents no presence: the two phones were here when their addresses were.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Group;
use super::tests::{counting_phone, fold, fold_kind, folded, frame, group_of, reloaded};
use crate::event::{DeviceKey, Event, EventKind, GroupId, PhoneEvidence, Probe, Timestamp};
use crate::state::State;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const MODEL: u64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// A frame of an address each five minutes from `from` to `to`.
fn stay(address: u32, from: i64, to: i64) -> Vec<Probe> {
    let times = (from..=to).step_by(300);
    times.map(|second| frame(second, address, (second / 300) as u16 * 7, MODEL)).collect()
}

/// Folds the stays in the order of their times, then splits `address` off at `now`.
fn split(stays: &[Vec<Probe>], address: u32, now: i64) -> State {
    let mut probes = stays.concat();
    probes.sort_by_key(|probe| probe.time);
    let mut state = folded(probes);
    let source = frame(0, address, 0, MODEL).source;
    let phone = state.grouping().group_of(source).unwrap();
    // A rebuild gives the same: the state may have been saved before.
    let mut loaded = reloaded(&state);
    let split = Event::new(at(now), EventKind::SplitPhone { phone, address: source, evidence: None });
    fold(&mut state, &split);
    fold(&mut loaded, &split);
    assert_eq!(state.differences(&loaded, 3), Default::default());
    state
}

fn group(state: &State, address: u32) -> (GroupId, &Group) {
    let id = group_of(state, &frame(0, address, 0, MODEL));
    (id, state.grouping().group(id).unwrap())
}

/// The beginning and the end of the latest visit of an address's group, in seconds.
fn visit(state: &State, address: u32) -> (i64, i64) {
    let (_, group) = group(state, address);
    assert!(group.first <= group.visit && group.visit <= group.last, "{group:?}");
    (group.visit.as_micros() / 1_000_000, group.last.as_micros() / 1_000_000)
}

#[test]
fn the_next_address_of_a_phone_that_was_split_off_is_its_own() {
    let mut state = split(&[counting_phone(1, 40, 0, 30, MODEL)], 40, 1200);
    let next = frame(1210, 41, 40 * 12, MODEL);
    fold(&mut state, &Event::from(next.clone()));
    assert_eq!(group_of(&state, &next), group(&state, 40).0);
    assert_ne!(group_of(&state, &next), group(&state, 39).0);
}

/// The log may have lost its beginning, and the state with it: what is left of the phone has another identifier, or was not
/// seen before the split.
#[test]
fn a_split_holds_whatever_of_the_log_before_it_is_left() {
    let mut probes = [stay(1, 0, 900), stay(2, 600, 2400), stay(3, 1200, 2400)].concat();
    probes.sort_by_key(|probe| probe.time);
    let before = folded(probes.clone());
    let sources = [1, 2, 3].map(|address| frame(0, address, 0, MODEL).source);
    let (phone, of_phone) = group(&before, 3);
    assert!(sources.iter().all(|source| before.grouping().group_of(*source) == Some(phone)));
    let evidence = Some(PhoneEvidence { model: of_phone.model, addresses: sources[..2].to_vec() });
    let split = Event::new(at(2500), EventKind::SplitPhone { phone, address: sources[2], evidence });
    let mut later = [stay(2, 2700, 6000), stay(3, 2700, 6000), stay(4, 3000, 6000)].concat();
    later.sort_by_key(|probe| probe.time);
    for lost in 0..=probes.len() {
        let mut state = folded(probes[lost..].to_vec());
        for event in [split.clone()].into_iter().chain(later.iter().cloned().map(Event::from)) {
            fold(&mut state, &event);
            assert_ne!(state.grouping().group_of(sources[2]), Some(phone), "{lost} lost");
        }
        assert_eq!(group(&state, 2).0, phone, "{lost} lost");
        let loaded = reloaded(&state);
        assert_eq!(state.differences(&loaded, 3), Default::default());
    }
}

/// Also with as many splits as people can add, to forget a group costs about the same as without.
#[test]
fn splits_of_others_do_not_slow_a_group_down() {
    let mut state = folded((0..16_000).map(|number| frame(0, number, 0, number.into())));
    assert_eq!(state.grouping().groups().count(), 16_000);
    let forget = |state: &State| {
        let took = (0..3).map(|_| {
            let mut grouping = state.grouping().clone();
            let begun = Instant::now();
            grouping.forget_before(at(DAY), |_| false);
            assert_eq!(grouping.groups().count(), 0);
            begun.elapsed()
        });
        took.min().unwrap()
    };
    let without = forget(&state);
    let taken: BTreeSet<GroupId> = state.grouping().groups().map(|(id, _)| id).collect();
    let free: Vec<GroupId> = (0..=u16::MAX).map(GroupId).filter(|id| !taken.contains(id)).collect();
    for number in 0..8_000 {
        let source = frame(0, 20_000 + number, 0, MODEL).source;
        let phone = free[number as usize % 1000];
        fold_kind(&mut state, EventKind::SplitPhone { phone, address: source, evidence: None });
    }
    let with = forget(&state);
    assert!(with < 10 * without + Duration::from_millis(50), "{with:?}, without splits {without:?}");
}

#[test]
fn an_address_of_an_earlier_visit_was_not_here_since() {
    let now = 3 * DAY + HOUR;
    // The address 1 comes back beside another after three days, so that both are of one phone.
    let stays =
        [stay(1, 0, HOUR), stay(1, 3 * DAY, 3 * DAY), stay(2, 3 * DAY + 600, now), stay(3, 600, 1200)];
    let state = split(&stays, 3, now);
    assert_eq!(visit(&state, 3), (600, 1200));
    assert_eq!(group(&state, 3).1.visit_count, 1);
    assert_eq!(visit(&state, 1), (3 * DAY, now));
    assert_eq!(group(&state, 1).1.visit_count, 2);
    let (id, _) = group(&state, 3);
    assert!(state.strange_phones(at(2 * DAY)).iter().all(|stranger| stranger.phone != Some(id)));
    assert_eq!(state.last_seen(&DeviceKey::Phone(id)).map(|(_, last)| last), Some(at(1200)));
}

#[test]
fn a_new_address_does_not_join_a_phone_that_was_split_off_and_is_gone() {
    let now = DAY;
    let mut state = split(&[stay(1, 0, HOUR), stay(2, 600, HOUR)], 2, now);
    let next = frame(now + 60, 9, 3000, MODEL);
    fold(&mut state, &Event::from(next.clone()));
    for address in [1, 2] {
        assert_ne!(group_of(&state, &next), group(&state, address).0);
        assert_eq!(visit(&state, address).1, HOUR);
    }
}

#[test]
fn a_split_address_that_is_here_was_here_since_its_first_frame() {
    let state = split(&[stay(1, 0, HOUR), stay(2, 1200, HOUR)], 2, HOUR);
    assert_eq!((visit(&state, 1), visit(&state, 2)), ((0, HOUR), (1200, HOUR)));
    // The visit began with the address that is split off.
    let state = split(&[stay(1, 0, HOUR), stay(2, 1200, HOUR)], 1, HOUR);
    assert_eq!((visit(&state, 1), visit(&state, 2)), ((0, HOUR), (1200, HOUR)));
}

#[test]
fn a_visit_of_the_split_address_alone_is_none_of_the_phone() {
    let now = DAY + HOUR;
    let state = split(&[stay(1, 0, HOUR), stay(2, 600, HOUR), stay(2, DAY, now)], 2, now);
    assert_eq!(visit(&state, 2), (DAY, now));
    assert_eq!(group(&state, 2).1.visit_count, 2);
    assert_eq!(visit(&state, 1), (0, HOUR));
    assert_eq!(group(&state, 1).1.visit_count, 1);
}

#[test]
fn a_visit_that_another_address_began_is_not_claimed() {
    // The address 2 comes back in a visit that another one began, at a time that nobody remembers.
    let now = DAY + HOUR;
    let stays = [stay(2, 0, 600), stay(1, 300, 600), stay(1, DAY, now), stay(2, now - 300, now)];
    let state = split(&stays, 2, now);
    assert_eq!(visit(&state, 2).1, now);
    assert!(visit(&state, 2).0 >= now - 300);
}

#[test]
fn two_phones_that_were_told_apart_are_no_longer_at_least_two() {
    let both = (0..20).map(|scan| {
        let phone = scan % 2;
        frame(scan * 5, 1 + phone as u32, phone as u16 * 2000 + scan as u16 * 20, MODEL)
    });
    let probes: Vec<Probe> = both.collect();
    assert_eq!(group(&folded(probes.clone()), 1).1.at_least(at(95)), 2);
    let state = split(&[probes], 2, 100);
    assert_eq!([1, 2].map(|address| group(&state, address).1.at_least(at(95))), [1, 1]);
}

#[test]
fn a_phone_made_of_evidence_was_here_when_its_addresses_were() {
    // Addresses were not grouped when they were recorded.
    let mut state = State::default();
    fold_kind(&mut state, EventKind::SetGrouping { mode: crate::event::GroupingMode::Off });
    for probe in stay(1, 0, HOUR).into_iter().chain(stay(2, HOUR, HOUR + 600)) {
        fold(&mut state, &Event::from(probe));
    }
    let probe = frame(0, 1, 0, MODEL);
    let keep = EventKind::KeepPhone {
        phone: GroupId(7),
        name: Some("Zoë's phone".to_owned()),
        model: state.model_key(probe.signature),
        addresses: vec![probe.source, frame(0, 2, 0, MODEL).source],
        networks: Vec::new(),
        by_member: false,
    };
    fold(&mut state, &Event::new(at(3 * DAY), keep));
    assert_eq!(group(&state, 1).0, GroupId(7));
    assert_eq!(visit(&state, 1), (0, HOUR + 600));
}

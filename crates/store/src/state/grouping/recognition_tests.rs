//! Networks and who looks for them, in every mode.

use super::recognition::{NETWORKS_PER_PHONE, REQUESTER_LIMIT, Requester};
use super::tests::{fold, fold_kind, folded, frame, from_snapshot, group_of, reason, reloaded, requesting};
use super::{GROUP_LIMIT, JoinReason};
use crate::event::{Event, EventKind, EvictionScope, GroupingMode, Probe, Timestamp};
use crate::state::State;
use dot11::Ssid;

const DAY: i64 = 86_400;

/// The model of the phones that may return.
const MODEL: u64 = 7;

fn set_mode(state: &mut State, mode: GroupingMode) {
    fold_kind(state, EventKind::SetGrouping { mode });
}

fn fold_probe(state: &mut State, probe: &Probe) {
    fold(state, &Event::from(probe.clone()));
}

/// Whether a phone that looked for `ssid` before is recognised by it on the tenth day, from another address.
fn is_recognised(state: &State, before: &Probe, ssid: &str) -> bool {
    let mut state = state.clone();
    set_mode(&mut state, GroupingMode::Returns);
    let later = requesting(ssid, frame(10 * DAY, 900_000, 900, MODEL));
    fold_probe(&mut state, &later);
    let is_same = state.grouping().group_of(before.source) == Some(group_of(&state, &later));
    assert_eq!(is_same, reason(&state, &later) == JoinReason::OwnNetwork);
    is_same
}

#[test]
fn who_asks_for_a_network_is_learned_in_every_mode() {
    for mode in [GroupingMode::Off, GroupingMode::InRange, GroupingMode::Returns] {
        let mut state = State::default();
        set_mode(&mut state, mode);
        // Another phone, whose model is another, looked for the network of the first.
        fold_probe(&mut state, &requesting("Cafe", frame(0, 1, 0, 8)));
        set_mode(&mut state, GroupingMode::Returns);
        let first = requesting("Cafe", frame(DAY, 2, 50, MODEL));
        fold_probe(&mut state, &first);
        assert!(!is_recognised(&state, &first, "Cafe"), "{mode:?}");
        assert!(!is_recognised(&from_snapshot(&state), &first, "Cafe"), "{mode:?}");
    }
}

#[test]
fn a_phone_is_recognised_by_what_it_asked_for_in_another_mode() {
    for mode in [GroupingMode::Off, GroupingMode::InRange] {
        let mut state = State::default();
        set_mode(&mut state, mode);
        let first = requesting("Zoë's home", frame(0, 1, 0, MODEL));
        fold_probe(&mut state, &first);
        set_mode(&mut state, GroupingMode::Returns);
        let again = requesting("Zoë's home", frame(60, 1, 4, MODEL));
        fold_probe(&mut state, &again);
        assert!(is_recognised(&state, &first, "Zoë's home"), "{mode:?}");
        assert!(is_recognised(&reloaded(&state), &first, "Zoë's home"), "{mode:?}");
    }
}

#[test]
fn visits_that_may_be_of_one_phone_leave_its_network_its_own() {
    let visit = |day: i64| requesting("Zoë's home", frame(day * DAY, day as u32, 300, MODEL));
    let state = folded((0..3).map(visit));
    assert_eq!(state.grouping().groups().count(), 3, "in range, each visit is another phone");
    assert!(is_recognised(&state, &visit(2), "Zoë's home"));
    // Two at a time are two devices.
    let both = [visit(0), requesting("Zoë's home", frame(60, 50, 300, 8)), visit(2)];
    assert!(!is_recognised(&folded(both), &visit(2), "Zoë's home"));
}

#[test]
fn a_network_of_a_forgotten_phone_is_no_evidence() {
    let before = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    let mut state = folded([before.clone()]);
    let id = group_of(&state, &before);
    let last_seen_before = Timestamp::from_micros(DAY * 1_000_000);
    fold_kind(&mut state, EventKind::Evict { addresses: EvictionScope::Random, last_seen_before });
    // Its identifier is given to another phone of the model, which looks for another network.
    let other = requesting("Other", frame(DAY, 1, 0, MODEL));
    fold_probe(&mut state, &other);
    assert_eq!(group_of(&state, &other), id);
    assert!(!is_recognised(&state, &other, "Zoë's home"));
    assert!(is_recognised(&state, &other, "Other"));
}

#[test]
fn a_flood_of_groups_makes_no_network_the_own_of_another_phone() {
    let before = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    let mut state = folded([before]);
    for number in 0..=GROUP_LIMIT as u32 {
        fold_probe(&mut state, &frame(DAY, 1000 + number, 0, 1000 + u64::from(number)));
    }
    assert!(state.grouping().groups().all(|(_, group)| group.first > Timestamp::from_micros(0)));
    let other = requesting("Other", frame(DAY, 1, 0, MODEL));
    fold_probe(&mut state, &other);
    assert!(!is_recognised(&state, &other, "Zoë's home"));
}

#[test]
fn a_phone_that_gets_another_identifier_keeps_its_networks() {
    let before = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    let mut state = folded([before.clone()]);
    let group = state.grouping().group(group_of(&state, &before)).unwrap();
    let keep = EventKind::KeepPhone {
        phone: "0001".parse().unwrap(),
        name: None,
        model: group.model,
        addresses: vec![before.source],
        networks: Vec::new(),
        by_member: false,
    };
    fold_kind(&mut state, keep);
    assert_eq!(group_of(&state, &before), "0001".parse().unwrap());
    assert!(is_recognised(&state, &before, "Zoë's home"));
}

#[test]
fn a_phone_that_was_two_has_no_network_of_its_own() {
    let before = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    let other = frame(5, 2, 2000, MODEL);
    let mut state = folded([before.clone(), other.clone()]);
    let phone = group_of(&state, &before);
    assert_eq!(group_of(&state, &other), phone);
    fold_kind(&mut state, EventKind::SplitPhone { phone, address: before.source, evidence: None });
    assert!(!is_recognised(&state, &other, "Zoë's home"));
}

#[test]
fn only_the_address_that_looked_for_the_network_has_it_as_its_reason() {
    let before = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    let visit = [frame(DAY, 2, 700, MODEL), frame(DAY + 60, 3, 3000, MODEL)];
    let asking = requesting("Zoë's home", frame(DAY + 120, 4, 1500, MODEL));
    let mut state = State::default();
    set_mode(&mut state, GroupingMode::Returns);
    [&before, &visit[0], &visit[1], &asking].into_iter().for_each(|probe| fold_probe(&mut state, probe));
    let id = group_of(&state, &before);
    assert!(visit.iter().chain([&asking]).all(|probe| group_of(&state, probe) == id));
    assert_eq!(reason(&state, &before), JoinReason::First);
    assert_eq!(visit.each_ref().map(|probe| reason(&state, probe)), [JoinReason::SameModel; 2]);
    assert_eq!(reason(&state, &asking), JoinReason::OwnNetwork);
}

/// Two phones that use their addresses at the same time, from `second` on.
fn two_phones(second: i64, addresses: [u32; 2]) -> impl Iterator<Item = Probe> {
    (0..20).map(move |scan| {
        let phone = scan % 2;
        frame(second + scan * 5, addresses[phone as usize], phone as u16 * 2000 + scan as u16 * 20, MODEL)
    })
}

#[test]
fn one_of_two_phones_that_cannot_be_told_apart_is_not_recognised() {
    let before = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    let asks = |second, address| requesting("Zoë's home", frame(second, address, 3000, MODEL));
    let mut state = State::default();
    set_mode(&mut state, GroupingMode::Returns);
    let mut later = state.clone();
    // The two are proven long before one of them looks for the network.
    let asking = asks(DAY + 900, 3);
    let probes = [before].into_iter().chain(two_phones(DAY, [2, 3])).chain([asking.clone()]);
    probes.for_each(|probe| fold_probe(&mut later, &probe));
    assert_ne!(later.grouping().group_of(frame(0, 1, 0, MODEL).source), Some(group_of(&later, &asking)));
    // Of the two that were here, nobody knows which one is back.
    let (asked, returned) = (asks(900, 2), asks(DAY, 9));
    let probes = two_phones(0, [2, 3]).chain([asked.clone(), returned.clone()]);
    probes.for_each(|probe| fold_probe(&mut state, &probe));
    assert_ne!(group_of(&state, &asked), group_of(&state, &returned));
}

/// Invented phones, each of a model and with a network of its own.
fn flood(state: &mut State, second: i64, count: usize) {
    for number in 0..count as u32 {
        let probe = frame(second, 100_000 + number, 0, 1000 + u64::from(number));
        fold_probe(state, &requesting(&format!("net {second} {number}"), probe));
    }
}

#[test]
fn a_flood_of_networks_displaces_itself_and_makes_no_evidence() {
    let mut state = State::default();
    // A phone that was seen with two addresses, and one that is seen again during the flood.
    let lasting = [0, 60].map(|second| requesting("Zoë's home", frame(second, 1 + second as u32, 0, MODEL)));
    lasting.iter().for_each(|probe| fold_probe(&mut state, probe));
    let first = requesting("net of one", frame(70, 500, 0, 8));
    fold_probe(&mut state, &first);
    flood(&mut state, 100, REQUESTER_LIMIT);
    assert!(state.grouping().requesters.rows.len() < REQUESTER_LIMIT);
    assert_eq!(state.totals().forgotten_networks as usize, REQUESTER_LIMIT / 4);
    assert!(is_recognised(&state, &lasting[1], "Zoë's home"));
    // What was learned after the flood counts.
    let later = requesting("Ada's home", frame(9 * DAY, 2000, 0, MODEL));
    fold_probe(&mut state, &later);
    assert!(is_recognised(&state, &later, "Ada's home"));
    // What was forgotten does not, although `networks` may have forgotten it too.
    let forgotten = format!("net {} {}", 100, 0);
    assert!(state.grouping().requesters.rows.get(&Ssid::from(forgotten.as_str())).is_none());
    state.networks = Default::default();
    let phone = requesting(&forgotten, frame(9 * DAY, 2001, 0, MODEL));
    fold_probe(&mut state, &phone);
    for state in [reloaded(&state), from_snapshot(&state), state] {
        assert!(!is_recognised(&state, &phone, &forgotten));
        assert!(is_recognised(&state, &later, "Ada's home"));
    }
}

#[test]
fn a_phone_that_looks_for_many_networks_is_recognised_by_the_first_of_them() {
    let mut state = State::default();
    let looks =
        |number: u32| requesting(&format!("net {number}"), frame(i64::from(number), 1, number as u16, MODEL));
    (0..2 * NETWORKS_PER_PHONE as u32).for_each(|number| fold_probe(&mut state, &looks(number)));
    assert_eq!(state.grouping().requesters.rows.len(), NETWORKS_PER_PHONE);
    assert_eq!(state.totals().forgotten_networks as usize, NETWORKS_PER_PHONE);
    assert!(is_recognised(&state, &looks(0), "net 0"));
    assert!(!is_recognised(&state, &looks(0), &format!("net {NETWORKS_PER_PHONE}")));
}

#[test]
fn a_full_table_of_an_earlier_version_may_lack_any_network() {
    let mut state = State::default();
    for number in 0..REQUESTER_LIMIT {
        let ssid = Ssid::from(format!("net {number}").as_str());
        state.grouping.requesters.rows.insert(ssid, Requester::Several);
    }
    let mut state = from_snapshot(&state);
    let probe = requesting("Zoë's home", frame(0, 1, 0, MODEL));
    fold_probe(&mut state, &probe);
    assert!(!is_recognised(&state, &probe, "Zoë's home"));
}

#[test]
fn a_network_that_was_known_before_its_requesters_is_no_evidence() {
    // As a snapshot of an earlier version has it.
    let mut state = State::default();
    set_mode(&mut state, GroupingMode::Returns);
    fold_probe(&mut state, &requesting("Cafe", frame(0, 1, 0, 8)));
    state.grouping.requesters = Default::default();
    let first = requesting("Cafe", frame(DAY, 2, 50, MODEL));
    fold_probe(&mut state, &first);
    assert!(!is_recognised(&state, &first, "Cafe"));
}

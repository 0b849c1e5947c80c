//! Phones with random addresses, made up: how they scan is scripted, so what must be found is known.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::JoinReason;
use super::apart_tests::check;
use crate::event::{
    AlertDecision, ChatId, DeviceKey, Event, EventKind, EvictionScope, GroupId, GroupingMode, PhoneEvidence,
    Probe, Timestamp,
};
use crate::state::{AlertPolicy, State};
use dot11::{MacAddr, RequestedSsid, Signature};

/// A frame of the phone whose model is `model`.
pub(in crate::state) fn frame(second: i64, address: u32, sequence: u16, model: u64) -> Probe {
    let [a, b, c, d] = address.to_be_bytes();
    Probe {
        sequence: sequence % 4096,
        signature: Signature::from_u64(model),
        signal_dbm: Some(-60),
        ..Probe::example(MacAddr::new([0x02, 0, a, b, c, d]), RequestedSsid::Wildcard, second * 1_000_000)
    }
}

/// A sequence number that follows from none before.
pub(super) fn scattered(number: u32) -> u16 {
    (number.wrapping_mul(2_654_435_761) >> 11) as u16 % 4096
}

pub(super) fn requesting(ssid: &str, probe: Probe) -> Probe {
    Probe { ssid: RequestedSsid::from_element(ssid.as_bytes()), ..probe }
}

pub(in crate::state) fn fold(state: &mut State, event: &Event) {
    state.fold(state.next_offset(), event);
    while state.continue_eviction() {}
}

/// Folds a probe as the recorder does, with the alerts that it causes for this chat, which it returns.
pub(in crate::state) fn record(state: &mut State, chat: ChatId, probe: Probe) -> Vec<AlertDecision> {
    let policy = AlertPolicy {
        chats: vec![chat],
        cooldown: Duration::from_secs(60),
        max_age: Duration::from_secs(60),
        capturing_since: None,
        quiet_hours: None,
    };
    let alerts = state.decide_alerts(&probe, &policy);
    fold(state, &Event::from(Probe { alerts: alerts.clone(), ..probe }));
    alerts
}

pub(super) fn fold_kind(state: &mut State, kind: EventKind) {
    let time = state.newest_time().unwrap_or(Timestamp::from_micros(0));
    fold(state, &Event::new(time, kind));
}

pub(super) fn folded(probes: impl IntoIterator<Item = Probe>) -> State {
    let mut state = State::default();
    probes.into_iter().for_each(|probe| fold(&mut state, &Event::from(probe)));
    state
}

pub(super) fn group_of(state: &State, probe: &Probe) -> GroupId {
    state.grouping().group_of(probe.source).unwrap()
}

pub(super) fn reason(state: &State, probe: &Probe) -> JoinReason {
    state.grouping().group(group_of(state, probe)).unwrap().reason(probe.source).unwrap()
}

/// A phone that scans once in `interval` seconds, each time from another address, and goes on counting.
pub(in crate::state) fn counting_phone(
    first_address: u32,
    scans: u32,
    start: u16,
    interval: i64,
    model: u64,
) -> Vec<Probe> {
    let scan = |number: u32| {
        let (second, sequence) = (i64::from(number) * interval, start + number as u16 * 12);
        [0, 1, 2].map(|step| frame(second, first_address + number, sequence + step, model))
    };
    (0..scans).flat_map(scan).collect()
}

/// The frames of several phones in the order of their times.
pub(in crate::state) fn together(phones: &[Vec<Probe>]) -> Vec<Probe> {
    let mut probes = phones.concat();
    probes.sort_by_key(|probe| probe.time);
    probes
}

#[test]
fn one_phone_is_one_group_whatever_its_addresses() {
    let probes = counting_phone(1, 40, 0, 30, 7);
    let state = folded(probes.clone());
    let ids: Vec<GroupId> = probes.iter().map(|probe| group_of(&state, probe)).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let group = state.grouping().group(ids[0]).unwrap();
    assert_eq!((group.address_count, group.frames, group.at_least(group.last)), (40, 120, 1));
    assert!(state.grouping().continues_counters(group.model));
    assert_eq!(reason(&state, &probes[0]), JoinReason::First);
    assert_eq!(reason(&state, &probes[119]), JoinReason::SequenceContinued);
}

#[test]
fn two_phones_of_one_model_are_told_apart_by_their_counters() {
    let (one, other) = (counting_phone(1, 60, 0, 40, 7), counting_phone(1001, 60, 2048, 47, 7));
    let state = folded(together(&[one.clone(), other.clone()]));
    assert_ne!(group_of(&state, one.last().unwrap()), group_of(&state, other.last().unwrap()));
}

#[test]
fn two_phones_that_were_proven_and_then_told_apart_are_two() {
    // In the first seconds both addresses are in use at once, which proves two; then their counters alternate.
    let at_once = [(0, 1, 0), (2, 1001, 2048), (4, 1, 3), (6, 1001, 2051)]
        .map(|(second, address, sequence)| frame(second, address, sequence, 7));
    let state = folded(at_once.clone());
    assert_eq!(state.grouping().group(group_of(&state, &at_once[0])).unwrap().visit_phones(), 2);
    let later = |mut probes: Vec<Probe>| {
        for probe in &mut probes {
            probe.time = probe.time.saturating_add(std::time::Duration::from_secs(50));
        }
        probes
    };
    let phones = [counting_phone(2, 60, 6, 50, 7), counting_phone(1002, 60, 2054, 53, 7)].map(later);
    let state = folded(at_once.into_iter().chain(together(&phones)));
    assert_ne!(group_of(&state, phones[0].last().unwrap()), group_of(&state, phones[1].last().unwrap()));
    let phones: u32 = state.grouping().groups().map(|(_, group)| group.visit_phones()).sum();
    assert_eq!((state.grouping().groups().count(), phones), (2, 2));
}

#[test]
fn models_are_never_mixed() {
    let (one, other) = (counting_phone(1, 10, 0, 30, 7), counting_phone(1001, 10, 36, 30, 8));
    let state = folded(together(&[one.clone(), other.clone()]));
    assert_ne!(group_of(&state, &one[0]), group_of(&state, &other[0]));
    assert_eq!(state.grouping().groups().count(), 2);
}

#[test]
fn addresses_in_use_at_the_same_time_are_at_least_two_phones() {
    let probes = [(0, 1), (5, 2), (10, 1), (15, 2)]
        .map(|(second, address)| frame(second, address, address as u16 * 999 + second as u16, 7));
    let state = folded(probes.clone());
    let group = state.grouping().group(group_of(&state, &probes[0])).unwrap();
    assert_eq!((group.at_least(group.last), state.grouping().groups().count()), (2, 1));
    assert!(!state.grouping().continues_counters(group.model));
}

#[test]
fn one_address_after_another_proves_nothing() {
    let probes: Vec<Probe> = (0..50_u16)
        .map(|scan| frame(i64::from(scan) * 30, u32::from(scan), scan.wrapping_mul(1709), 7))
        .collect();
    let state = folded(probes.clone());
    let group = state.grouping().group(group_of(&state, &probes[0])).unwrap();
    assert_eq!((group.address_count, group.at_least(group.last)), (50, 1));
}

#[test]
fn a_frame_that_two_radios_capture_counts_once() {
    let here = frame(10, 1, 5, 7);
    let there = Probe { sensor: "mon1".into(), time: Timestamp::from_micros(10_400_000), ..here.clone() };
    let state = folded([here.clone(), there, frame(11, 1, 6, 7)]);
    assert_eq!(state.grouping().group(group_of(&state, &here)).unwrap().frames, 2);
}

#[test]
fn a_global_address_joins_no_group() {
    let fixed = |probe: Probe| Probe { source: MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]), ..probe };
    let probes: Vec<Probe> = counting_phone(1, 20, 0, 30, 7).into_iter().map(fixed).collect();
    let state = folded(probes);
    assert_eq!(state.grouping().groups().count(), 0);
}

#[test]
fn a_model_that_returns_is_no_phone_that_returns() {
    let before = counting_phone(1, 20, 0, 30, 7);
    let day = 86_400;
    let after: Vec<Probe> = counting_phone(1001, 20, 300, 30, 7)
        .into_iter()
        .map(|probe| Probe {
            time: Timestamp::from_micros(probe.time.as_micros() + day * 1_000_000),
            ..probe
        })
        .collect();
    let state = folded(before.iter().cloned().chain(after.clone()));
    assert_ne!(group_of(&state, &before[0]), group_of(&state, &after[0]));
    // The same address is the same phone.
    let again = Probe { time: after[0].time, ..before[3].clone() };
    let state = folded(before.iter().cloned().chain([again]));
    assert_eq!(group_of(&state, &before[0]), group_of(&state, &before[3]));
    assert_eq!(state.grouping().group(group_of(&state, &before[0])).unwrap().visit_count, 2);
}

#[test]
fn a_frame_of_the_future_brings_no_phones_together() {
    let day = 86_400_000_000;
    let later = |probe: Probe, days: i64| Probe {
        time: Timestamp::from_micros(probe.time.as_micros() + days * day),
        ..probe
    };
    let first = counting_phone(1, 20, 0, 30, 7);
    // A clock that was wrong for two frames, then right again on the next day.
    let glitch = [0, 1].map(|step| later(frame(601, 900 + step, 250 + step as u16, 7), 30_000));
    let second: Vec<Probe> =
        counting_phone(1001, 20, 300, 30, 7).into_iter().map(|probe| later(probe, 1)).collect();
    let state = folded(first.iter().chain(&glitch).chain(&second).cloned());
    assert_ne!(group_of(&state, &first[0]), group_of(&state, second.last().unwrap()));
    assert_ne!(group_of(&state, &glitch[0]), group_of(&state, second.last().unwrap()));
}

pub(super) fn later(probes: Vec<Probe>, seconds: i64) -> Vec<Probe> {
    let shifted = |time: Timestamp| Timestamp::from_micros(time.as_micros() + seconds * 1_000_000);
    probes.into_iter().map(|probe| Probe { time: shifted(probe.time), ..probe }).collect()
}

/// Two visits of phones of one model on two days; the later looks for `ssid`.
fn visits(mode: GroupingMode, ssid: &str) -> (State, Probe, Probe) {
    let first = requesting("Zoë's home", frame(0, 1, 0, 7));
    let later = requesting(ssid, frame(86_400, 2, 900, 7));
    let mut state = State::default();
    fold_kind(&mut state, EventKind::SetGrouping { mode });
    for probe in
        [&first, &requesting("Cafe", frame(5, 3, 0, 8)), &requesting("Cafe", frame(6, 4, 5, 9)), &later]
    {
        fold(&mut state, &Event::from(probe.clone()));
    }
    (state, first, later)
}

#[test]
fn a_phone_that_returns_is_recognised_by_a_network_that_it_alone_asks_for() {
    let (state, first, later) = visits(GroupingMode::Returns, "Zoë's home");
    assert_eq!(group_of(&state, &first), group_of(&state, &later));
    assert_eq!(reason(&state, &later), JoinReason::OwnNetwork);
    for (mode, ssid) in [(GroupingMode::Returns, "Cafe"), (GroupingMode::InRange, "Zoë's home")] {
        let (state, first, later) = visits(mode, ssid);
        assert_ne!(group_of(&state, &first), group_of(&state, &later), "{mode:?} {ssid}");
    }
}

#[test]
fn nothing_is_grouped_in_the_mode_off() {
    let mut state = State::default();
    fold_kind(&mut state, EventKind::SetGrouping { mode: GroupingMode::Off });
    counting_phone(1, 5, 0, 30, 7).into_iter().for_each(|probe| fold(&mut state, &Event::from(probe)));
    assert_eq!((state.grouping().groups().count(), state.grouping().mode()), (0, GroupingMode::Off));
}

#[test]
fn while_addresses_are_not_grouped_only_a_named_phone_counts() {
    let (named, other) = (counting_phone(1, 5, 0, 30, 7), counting_phone(50, 5, 2000, 30, 8));
    let mut state = folded(named.iter().chain(&other).cloned());
    let id = group_of(&state, &named[0]);
    let keep = EventKind::KeepPhone {
        phone: id,
        name: Some("Zoë's phone".to_owned()),
        model: state.grouping().group(id).unwrap().model,
        addresses: vec![named[0].source],
        networks: Vec::new(),
        by_member: false,
    };
    fold_kind(&mut state, keep);
    fold_kind(&mut state, EventKind::SetGrouping { mode: GroupingMode::Off });
    assert_eq!(state.grouping().phone_of(named[0].source), Some(id));
    assert_eq!(state.device_key(named[0].source), DeviceKey::Name("zoë's phone".to_owned()));
    assert_eq!(state.grouping().phone_of(other[0].source), None);
    assert_eq!(state.device_key(other[0].source), DeviceKey::Address(other[0].source));
}

#[test]
fn a_kept_phone_is_found_by_its_evidence() {
    let probes = counting_phone(1, 20, 0, 30, 7);
    let mut state = folded(probes.clone());
    let id = group_of(&state, &probes[0]);
    let model = state.grouping().group(id).unwrap().model;
    let other_id: GroupId = format!("{:04x}", id.0.wrapping_add(77)).parse().unwrap();
    // Another version gave the phone another identifier.
    let keep = EventKind::KeepPhone {
        phone: other_id,
        name: Some("Zoë's phone".to_owned()),
        model,
        addresses: vec![probes[0].source, probes[3].source],
        networks: Vec::new(),
        by_member: false,
    };
    fold_kind(&mut state, keep);
    assert_eq!(group_of(&state, &probes[0]), other_id);
    assert_eq!(state.name_of(probes[6].source), Some("Zoë's phone"));
    assert!(state.addresses_of("ZOË'S PHONE").contains(&probes[119 / 3].source));
    // It continues under that identifier, and stays when others are evicted.
    let next = frame(620, 500, 20 * 12, 7);
    fold(&mut state, &Event::from(next.clone()));
    assert_eq!(group_of(&state, &next), other_id);
    let far = Timestamp::from_micros(i64::MAX);
    fold_kind(&mut state, EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: far });
    assert!(state.grouping().group(other_id).is_some());
    assert_eq!(state.grouping().groups().count(), 1);
}

/// Some frames of some phones, and what people say about them in between.
#[derive(Debug, Clone)]
enum Step {
    Frame { phone: u8, address: u8, gap: u8, skip: u16, ssid: Option<u8>, is_variant: bool },
    Split { address: u8, has_evidence: bool },
    Keep { address: u8, name: Option<u8>, id: Option<u8> },
    KeepAgain { evidence: u8 },
    Evict { ago: u16 },
    Silence(u16),
    Restart,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..4_u8, 0..12_u8, 0..30_u8, 0..200_u16, any::<Option<u8>>(), any::<bool>()).prop_map(
            |(phone, address, gap, skip, ssid, is_variant)| {
                Step::Frame { phone, address, gap, skip, ssid: ssid.map(|n| n % 4), is_variant }
            }
        ),
        1 => (0..48_u8, any::<bool>())
            .prop_map(|(address, has_evidence)| Step::Split { address, has_evidence }),
        1 => (0..48_u8, any::<Option<u8>>(), any::<Option<u8>>())
            .prop_map(|(address, name, id)| Step::Keep { address, name, id: id.map(|n| n % 4) }),
        1 => any::<u8>().prop_map(|evidence| Step::KeepAgain { evidence }),
        1 => (0..20_000_u16).prop_map(|ago| Step::Evict { ago }),
        1 => (0..20_000_u16).prop_map(Step::Silence),
        2 => Just(Step::Restart),
        2 => Just(Step::Snapshot),
    ]
}

fn address(number: u8) -> MacAddr {
    MacAddr::new([0x02, 0, 0, 0, 0, number])
}

/// Plays the steps; `restarts` says whether the state is saved and loaded in between. Returns the pairs of addresses of
/// which people said that they are not of one phone.
fn play(steps: &[Step], mode: GroupingMode, restarts: bool) -> (State, Vec<[MacAddr; 2]>) {
    let mut state = State::default();
    fold_kind(&mut state, EventKind::SetGrouping { mode });
    let (mut second, mut sequences, mut apart) = (0_i64, [0_u16; 4], Vec::<[MacAddr; 2]>::new());
    let mut kept = Vec::new();
    for step in steps {
        match *step {
            Step::Frame { phone, address, gap, skip, ssid, is_variant } => {
                second += i64::from(gap);
                let sequence = &mut sequences[usize::from(phone)];
                *sequence = sequence.wrapping_add(skip);
                // Some phones show a second model.
                let model = u64::from(phone / 2) + if is_variant { 2 } else { 0 };
                let probe = frame(second, u32::from(phone * 12 + address), *sequence, model);
                let probe = match ssid {
                    Some(ssid) => requesting(&format!("net {ssid}"), probe),
                    None => probe,
                };
                fold(&mut state, &Event::from(probe));
            }
            Step::Split { address: number, has_evidence } => {
                if let Some(phone) = state.grouping().group_of(address(number)) {
                    let split = address(number);
                    // It was said of the phone that others are not of it, and this address is of another one now.
                    apart.retain(|[_, of_phone]| *of_phone != split);
                    let group = state.grouping().group(phone).unwrap();
                    let others = group.addresses().map(|(other, _)| other).filter(|other| *other != split);
                    let addresses: Vec<MacAddr> = others.collect();
                    apart.extend(addresses.iter().map(|other| [split, *other]));
                    let evidence = has_evidence.then_some(PhoneEvidence { model: group.model, addresses });
                    fold_kind(&mut state, EventKind::SplitPhone { phone, address: split, evidence });
                }
            }
            Step::Keep { address: number, name, id } => {
                if let Some(phone) = state.grouping().group_of(address(number)) {
                    let group = state.grouping().group(phone).unwrap();
                    let (model, addresses) =
                        (group.model, group.addresses().map(|(address, _)| address).collect());
                    let name = name.map(|name| format!("phone of {name}"));
                    // Another version may have given the phone another identifier.
                    let phone = id.map_or(phone, |id| GroupId(id.into()));
                    let keep = EventKind::KeepPhone {
                        phone,
                        name,
                        model,
                        addresses,
                        networks: Vec::new(),
                        by_member: false,
                    };
                    kept.push(keep.clone());
                    fold_kind(&mut state, keep);
                }
            }
            Step::KeepAgain { evidence } => {
                if let Some(keep) = kept.get(usize::from(evidence) % kept.len().max(1)) {
                    fold_kind(&mut state, keep.clone());
                }
            }
            Step::Evict { ago } => {
                let last_seen_before = Timestamp::from_micros((second - i64::from(ago)) * 1_000_000);
                fold_kind(
                    &mut state,
                    EventKind::Evict { addresses: EvictionScope::Random, last_seen_before },
                );
            }
            Step::Silence(seconds) => second += i64::from(seconds),
            Step::Restart if restarts => state = reloaded(&state),
            Step::Snapshot if restarts => state = from_snapshot(&state),
            Step::Restart | Step::Snapshot => {}
        }
    }
    (state, apart)
}

/// The state as the next start loads it: from packed rows, devices among them.
pub(in crate::state) fn reloaded(state: &State) -> State {
    let mut rows = Vec::new();
    state.for_each_row(|row| row.push_to(&mut rows));
    let mut loaded = State::default();
    loaded.load_rows(&rows).unwrap();
    loaded.finish_loading(state.next_offset(), state.totals());
    loaded
}

pub(in crate::state) fn from_snapshot(state: &State) -> State {
    let mut lines = Vec::new();
    state.image().write_to(Timestamp::from_micros(0), &mut lines).unwrap();
    State::from_snapshot(lines.as_slice()).unwrap()
}

fn mode() -> impl Strategy<Value = GroupingMode> {
    prop_oneof![Just(GroupingMode::InRange), Just(GroupingMode::Returns)]
}

proptest! {
    #[test]
    fn restarts_and_snapshots_change_no_group(steps in vec(step(), 1..300), mode in mode()) {
        let (straight, _) = play(&steps, mode, false);
        let (restarted, _) = play(&steps, mode, true);
        prop_assert_eq!(straight.differences(&restarted, 3), Default::default());
        prop_assert_eq!(straight.grouping(), restarted.grouping());
        check(&straight);
    }

    #[test]
    fn a_split_holds_for_ever(steps in vec(step(), 1..300), mode in mode()) {
        let (state, apart) = play(&steps, mode, true);
        let phone = |address| state.grouping().group_of(address);
        for ((address, id), _) in state.grouping().splits.rows.iter() {
            prop_assert_ne!(phone(*address), Some(*id));
        }
        for [split, other] in apart {
            prop_assert!(phone(split).is_none() || phone(split) != phone(other), "{} and {}", split, other);
        }
    }

    #[test]
    fn every_grouped_address_is_in_the_list_of_its_group(steps in vec(step(), 1..300), mode in mode()) {
        let (state, _) = play(&steps, mode, false);
        let mut listed = 0;
        for (id, group) in state.grouping().groups() {
            for (address, _) in group.addresses() {
                prop_assert_eq!(state.grouping().group_of(address), Some(id));
                listed += 1;
            }
        }
        prop_assert_eq!(listed, state.grouping().group_of.len());
    }
}

//! Whoever invents addresses displaces their own, not those of the phones beside them.

use std::collections::BTreeSet;

use super::counter::Frame;
use super::seen_times::SeenTimes;
use super::tests::{counting_phone, fold, folded, frame, group_of, scattered, together};
use super::{
    ADDRESSES_PER_GROUP, GROUP_LIMIT, GROUPED_ADDRESS_LIMIT, Group, Grouping, JoinReason, MODEL_LIMIT,
};
use crate::event::{Event, EventKind, GroupId, Probe, Timestamp};
use crate::state::State;
use dot11::{MacAddr, ModelKey, Signature};

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

#[test]
fn a_flood_displaces_itself_and_not_the_phones_beside_it() {
    let mut state = State::default();
    let mut phone = counting_phone(1, 60, 0, 30, 7).into_iter().peekable();
    let mut seen = Vec::new();
    // Nine invented addresses of a model each in a second, and more groups than there may be.
    let seconds = 1800;
    let flood = 3 * GROUP_LIMIT as u32 / seconds;
    for second in 0..seconds {
        for number in 0..flood {
            let invented = 1_000_000 + second * flood + number;
            let probe = frame(i64::from(second), invented, number as u16 * 37, 1_000 + u64::from(invented));
            fold(&mut state, &Event::from(probe));
        }
        while let Some(probe) = phone.next_if(|probe| probe.time.as_micros() <= i64::from(second) * 1_000_000)
        {
            fold(&mut state, &Event::from(probe.clone()));
            seen.push(probe);
        }
    }
    let id = group_of(&state, &seen[0]);
    assert!(seen.iter().all(|probe| state.grouping().group_of(probe.source) == Some(id)));
    assert_eq!(seen.len(), 180);
    assert!(state.grouping().groups.len() <= GROUP_LIMIT);
    assert!(state.grouping().models.len() <= MODEL_LIMIT);
    assert!(state.grouping().group_of.len() <= GROUPED_ADDRESS_LIMIT);
}

/// Phones that people named, whose models somebody invents addresses of.
#[test]
fn phones_that_stay_leave_room_for_others() {
    let said = |number: u16| frame(0, 1 << 27 | u32::from(number), 0, 0).source;
    let mut state = State::default();
    for number in 0..17_u16 {
        let probe = frame(0, u32::from(number) << 20, 0, number.into());
        fold(&mut state, &Event::from(probe.clone()));
        let id = group_of(&state, &probe);
        let group = state.grouping.groups.get_mut(&id).unwrap();
        group.is_kept = true;
        group.addresses.clear();
        group.addresses.push_back((said(number), JoinReason::Person));
        let invented = (1..ADDRESSES_PER_GROUP as u32).map(|count| u32::from(number) << 20 | count);
        group.addresses.extend(invented.map(|source| (frame(0, source, 0, 0).source, JoinReason::SameModel)));
    }
    state.grouping.index();
    let kept: Vec<GroupId> = state.grouping().groups().map(|(id, _)| id).collect();
    let newest = kept.iter().map(|id| state.grouping().group(*id).unwrap().addresses().next_back().unwrap());
    let newest: Vec<MacAddr> = newest.map(|(address, _)| address).collect();
    let phones: Vec<Vec<Probe>> =
        (0..8).map(|phone| counting_phone((20 + phone) << 20, 20, 0, 30, 100 + u64::from(phone))).collect();
    let mut flood =
        (0..).map(|count: u32| frame(0, 1 << 28 | count, scattered(count), u64::from(count % 17)));
    for probe in together(&phones) {
        let invented = Probe { time: probe.time, ..flood.next().unwrap() };
        fold(&mut state, &Event::from(probe));
        fold(&mut state, &Event::from(invented));
    }
    for phone in &phones {
        let groups: BTreeSet<_> = phone.iter().map(|probe| state.grouping().group_of(probe.source)).collect();
        assert_eq!((groups.len(), groups.contains(&None)), (1, false), "{groups:?}");
    }
    assert!(state.grouping().group_of.len() <= GROUPED_ADDRESS_LIMIT / 2);
    for (id, newest) in kept.iter().zip(newest) {
        assert_eq!(state.grouping().group_of(newest), Some(*id));
    }
    assert!((0..17).all(|number| state.grouping().group_of(said(number)).is_some()));
    let listed: usize = state.grouping().groups().map(|(_, group)| group.addresses().len()).sum();
    assert_eq!(state.grouping().group_of.len(), listed);
}

#[test]
fn a_group_keeps_its_newest_addresses() {
    let count = ADDRESSES_PER_GROUP as u32 + 5;
    let probes: Vec<Probe> =
        (0..count).map(|number| frame(i64::from(number), number, scattered(number), 7)).collect();
    let state = folded(probes.clone());
    let group = state.grouping().group(group_of(&state, probes.last().unwrap())).unwrap();
    assert_eq!((group.addresses().len(), group.address_count), (ADDRESSES_PER_GROUP, u64::from(count)));
    assert_eq!(state.grouping().group_of(probes[0].source), None);
}

/// Somebody copies what a phone with a name sends.
#[test]
fn a_flood_takes_no_phone_the_addresses_by_which_it_was_named() {
    let mut state = folded([frame(0, 1, 0, 7), frame(1, 2, 500, 7)]);
    let addresses = [1, 2].map(|address| frame(0, address, 0, 7).source);
    let phone = state.grouping().group_of(addresses[0]).unwrap();
    let kept = EventKind::KeepPhone {
        phone,
        name: Some("Anna".to_owned()),
        by_member: false,
        model: state.grouping().group(phone).unwrap().model,
        addresses: addresses.to_vec(),
        networks: Vec::new(),
    };
    fold(&mut state, &Event::new(at(2), kept));
    for number in 0..ADDRESSES_PER_GROUP as u32 + 100 {
        fold(&mut state, &Event::from(frame(3 + i64::from(number / 1000), 1000 + number, 0, 7)));
    }
    let group = state.grouping().group(phone).unwrap();
    assert_eq!(group.addresses().count(), ADDRESSES_PER_GROUP);
    assert!(addresses.iter().all(|address| state.grouping().group_of(*address) == Some(phone)));
}

fn model(number: usize) -> ModelKey {
    ModelKey::of_unknown_elements(Signature::from_u64(number as u64))
}

#[test]
fn up_to_the_limit_all_groups_stay_and_then_those_with_one_address_leave_first() {
    let mut grouping = Grouping::default();
    let insert = |grouping: &mut Grouping, id: usize, address_count| {
        let group = Group::new(model(7), SeenTimes::at(at(id as i64)));
        let is_kept = id == 1;
        grouping.groups.insert(GroupId(id as u16), Group { address_count, is_kept, ..group });
        grouping.enforce_limits();
        grouping.groups.len()
    };
    insert(&mut grouping, 0, 2);
    let last = (1..GROUP_LIMIT).map(|id| insert(&mut grouping, id, 1)).last();
    assert_eq!(last, Some(GROUP_LIMIT));
    let quarter = GROUP_LIMIT / 4;
    assert_eq!(insert(&mut grouping, GROUP_LIMIT, 1), GROUP_LIMIT + 1 - quarter);
    let is_there = |id: usize| grouping.group(GroupId(id as u16)).is_some();
    // The phone with two addresses, and the one that a person named, are silent for longest.
    assert!(is_there(0) && is_there(1));
    assert!(!is_there(2) && !is_there(quarter + 1) && is_there(quarter + 2) && is_there(GROUP_LIMIT));
}

#[test]
fn up_to_the_limit_all_models_stay_and_then_those_with_one_address_leave_first() {
    let mut grouping = Grouping::default();
    let see = |grouping: &mut Grouping, number: usize, address| {
        let frame = Frame::of(&frame(number as i64, address, 0, 0));
        let model = grouping.models.entry(model(number));
        model.begin(&frame, &|_, _| true, &mut Vec::new());
        model.begin_first(GroupId(number as u16), &frame);
        grouping.enforce_limits();
        grouping.models.len()
    };
    see(&mut grouping, 0, 1);
    see(&mut grouping, 0, 2);
    let last = (1..MODEL_LIMIT).map(|number| see(&mut grouping, number, 1)).last();
    assert_eq!(last, Some(MODEL_LIMIT));
    let quarter = MODEL_LIMIT / 4;
    assert_eq!(see(&mut grouping, MODEL_LIMIT, 1), MODEL_LIMIT + 1 - quarter);
    let is_there = |number| grouping.remembers(model(number));
    assert!(is_there(0) && !is_there(1) && !is_there(quarter) && is_there(quarter + 1));
}

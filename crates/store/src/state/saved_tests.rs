//! What is saved of a state is all of it: in snapshots, in the store, and in copies.

use super::grouping::tests::{fold, frame};
use super::store::StateStore;
use super::table::{PackedRow, Table};
use super::*;
use crate::event::{EventDecoder, EventKind, Offset, Timestamp};

/// Events of every kind, among frames of phones.
fn states(mut take: impl FnMut(&mut State)) {
    let mut state = State::default();
    let recorded = include_str!("../event_log/recorded.ndjson").lines();
    for (number, line) in recorded.enumerate() {
        let event = EventDecoder::default().decode(line.as_bytes()).unwrap();
        if matches!(event.kind, EventKind::ChatRemoved { .. } | EventKind::SetGrouping { .. }) {
            continue;
        }
        fold(&mut state, &event);
        for second in 0..3 {
            let seconds = 1_795_341_600 + 60 * number as i64 + second;
            let phone = number as u32 % 10;
            let frame =
                frame(seconds, 100 * phone + number as u32 / 10, number as u16 * 40, u64::from(phone));
            fold(&mut state, &crate::event::Event::from(frame));
        }
        take(&mut state);
    }
}

#[track_caller]
fn assert_equal(one: &State, other: &State) {
    let differences = one.differences(other, 3);
    assert_eq!((differences.count, differences.first), (0, Vec::new()));
    assert!(one == other);
}

#[test]
fn a_snapshot_has_all_of_the_state() {
    let mut number = 0;
    states(|state| {
        number += 1;
        if number % 30 != 0 {
            return;
        }
        let mut text = Vec::new();
        let image = state.image();
        image.write_to(Timestamp::from_micros(1), &mut text).unwrap();
        assert_equal(&State::from_snapshot(&text[..]).unwrap(), state);
        image.verify(&text[..]).unwrap();
        // No part of it is a snapshot, nor one with more.
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        for left_out in (0..lines.len()).step_by(9).chain([lines.len() - 1]) {
            let part = [&lines[..left_out], &lines[left_out + 1..]].concat().concat();
            assert!(
                image.verify(&part[..]).is_err() && State::from_snapshot(&part[..]).is_err(),
                "{left_out}"
            );
        }
        let more = [&text[..], lines[lines.len() - 1]].concat();
        assert!(image.verify(&more[..]).is_err() && State::from_snapshot(&more[..]).is_err());
    });
    assert!(number > 60);
}

#[test]
fn the_store_has_all_of_the_state_after_each_save() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (mut store, nothing) = StateStore::open(&path).unwrap();
    assert!(nothing.is_none());
    let mut number = 0;
    states(|state| {
        number += 1;
        if number % 5 != 0 {
            return;
        }
        assert!(state.has_unsaved_changes());
        store.save(state).unwrap();
        state.mark_saved();
        assert!(!state.has_unsaved_changes());
        let mut changed = 0;
        state.for_each_dirty_row(|_| changed += 1);
        assert_eq!(changed, 0);
        if number % 25 == 0 {
            // sled can be opened once at a time.
            let (next, _) = StateStore::open(&folder.path().join("other")).unwrap();
            drop(std::mem::replace(&mut store, next));
            let (again, saved) = StateStore::open(&path).unwrap();
            assert_equal(&saved.unwrap(), state);
            store = again;
        }
    });
    drop(store);
    // One that is made of another state has nothing of this one.
    let mut other = State::default();
    fold(&mut other, &crate::event::Event::from(frame(0, 1, 0, 1)));
    drop(StateStore::make(&path, &other).unwrap());
    assert_equal(&StateStore::open(&path).unwrap().1.unwrap(), &other);
    StateStore::remove(&path).unwrap();
    StateStore::remove(&path).unwrap();
    assert!(!path.exists());
}

#[test]
fn the_bytes_that_devices_take_are_those_of_their_rows() {
    let check = |state: &State| {
        let mut loaded = State::default();
        for shard in 0..DEVICE_SHARDS {
            for (address, row) in state.devices.packed_rows(shard) {
                loaded.devices.load(&address.octets(), Some(row)).unwrap();
            }
        }
        assert_eq!(state.devices.bytes(), loaded.devices.bytes());
    };
    let mut bytes = 0;
    states(|state| {
        check(state);
        bytes = bytes.max(state.devices.bytes());
        // A row that is loaded again takes the place of what is there.
        let mut twice = state.clone();
        for (address, row) in (0..DEVICE_SHARDS).flat_map(|shard| state.devices.packed_rows(shard)) {
            twice.devices.load(&address.octets(), Some(row)).unwrap();
        }
        check(&twice);
    });
    assert!(bytes > 1_000);
}

#[test]
fn each_row_is_current_and_no_other_is() {
    states(|state| {
        state.for_each_row(|row| {
            assert!(state.is_current(&row), "{}", char::from(row.kind));
            let other = [row.row.unwrap(), &[0]].concat();
            assert!(!state.is_current(&PackedRow { row: Some(&other), ..row }));
            assert!(!state.is_current(&PackedRow { row: None, ..row }));
        });
    });
}

#[test]
fn states_that_differ_in_one_thing_are_not_equal() {
    let mut before: Option<State> = None;
    states(|state| {
        if let Some(before) = before.replace(state.clone()) {
            assert!(*state != before && before.differences(state, 1).count > 0);
            assert!(before.next_offset() < state.next_offset() && state.next_offset() > Offset(0));
        }
        assert!(*state == state.clone());
    });
}

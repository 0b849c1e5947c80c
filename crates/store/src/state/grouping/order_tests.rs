//! Frames that come in another order than they were sent: older files after newer ones, and clocks that were wrong.

use std::collections::BTreeSet;

use super::JoinReason;
use super::tests::{counting_phone, fold, folded, frame, group_of, later, reason, together};
use crate::event::{Event, Probe, Timestamp};
use crate::state::State;
use dot11::MacAddr;

/// The addresses of each group, and of how many phones each is at least in its latest visit.
fn grouped(state: &State) -> BTreeSet<(Vec<MacAddr>, u32)> {
    let groups = state.grouping().groups();
    groups
        .map(|(_, group)| {
            let mut addresses: Vec<MacAddr> = group.addresses().map(|(address, _)| address).collect();
            addresses.sort_unstable();
            (addresses, group.visit_phones())
        })
        .collect()
}

#[test]
fn an_older_file_after_a_newer_one_gives_the_same_phones() {
    let day = 86_400;
    let older = together(&[counting_phone(1, 40, 0, 30, 7), counting_phone(1001, 20, 5, 30, 8)]);
    let newer = together(&[counting_phone(2001, 40, 700, 30, 7), counting_phone(3001, 20, 90, 30, 8)]);
    let newer = later(newer, 3 * day);
    let in_order = folded(older.iter().chain(&newer).cloned());
    let state = folded(newer.iter().chain(&older).cloned());
    assert_eq!(grouped(&state), grouped(&in_order));
    assert!(state.grouping().groups().all(|(_, group)| group.visit_count == 1));
}

#[test]
fn nobody_is_continued_from_the_future() {
    let newer = later(counting_phone(1, 40, 0, 30, 7), 600);
    let (last, state) = (newer.last().unwrap(), folded(newer.iter().cloned()));
    // Ten minutes before the newest frame, numbers that would continue it.
    let older =
        later(counting_phone(1001, 3, last.sequence + 5, 30, 7), last.time.as_micros() / 1_000_000 - 600);
    let mut after = state.clone();
    older.iter().for_each(|probe| fold(&mut after, &Event::from(probe.clone())));
    assert_ne!(reason(&after, &older[0]), JoinReason::SequenceContinued);
    // The phone goes on from where it was.
    let next = frame(last.time.as_micros() / 1_000_000 + 30, 500, last.sequence + 10, 7);
    fold(&mut after, &Event::from(next.clone()));
    assert_eq!(group_of(&after, &next), group_of(&after, last));
    assert_eq!(reason(&after, &next), JoinReason::SequenceContinued);
}

#[test]
fn a_frame_of_the_past_takes_no_phone_out_of_range() {
    let first = counting_phone(1, 20, 0, 30, 7);
    let last = first.last().unwrap().clone();
    let mut state = folded(first);
    // An older file is read while the phone is here; its clocks are of other days, and one address is known.
    for number in 1..20 {
        fold(&mut state, &Event::from(frame(-10_000 * i64::from(number), 600 + number, 77, 7)));
    }
    fold(&mut state, &Event::from(frame(-86_400, 3, 4000, 7)));
    let next = frame(650, 900, last.sequence + 10, 7);
    fold(&mut state, &Event::from(next.clone()));
    assert_eq!(group_of(&state, &next), group_of(&state, &last));
    assert_eq!(reason(&state, &next), JoinReason::SequenceContinued);
    let group = state.grouping().group(group_of(&state, &next)).unwrap();
    assert_eq!((group.first, group.visit_count), (Timestamp::from_micros(-86_400_000_000), 2));
    assert_eq!((group.visit, group.at_least(group.last)), (Timestamp::from_micros(0), 1));
}

#[test]
fn frames_of_the_future_keep_no_later_phone_from_being_in_range() {
    let glitches = (0..40).map(|number| frame(1_000_000_000 + number * 9000, 900 + number as u32, 5, 7));
    let mut state = folded(glitches);
    let phone = counting_phone(1, 20, 0, 30, 7);
    phone.iter().for_each(|probe| fold(&mut state, &Event::from(probe.clone())));
    let id = group_of(&state, &phone[0]);
    assert!(phone.iter().all(|probe| group_of(&state, probe) == id));
}

/// What a second radio captures of these frames, whose clock is `skew` milliseconds ahead.
fn by_other_radio(probes: &[Probe], skew: i64) -> Vec<Probe> {
    let copy = |probe: &Probe| Probe {
        sensor: "mon1".into(),
        time: Timestamp::from_micros(probe.time.as_micros() + skew * 1000),
        ..probe.clone()
    };
    probes.iter().map(copy).collect()
}

/// The frames of both radios, as files that are read in the order of their times, and as they arrive.
fn in_both_orders(probes: &[Probe], skew: i64) -> [Vec<Probe>; 2] {
    let copies = by_other_radio(probes, skew);
    let arrived =
        probes.iter().zip(&copies).flat_map(|(probe, copy)| [probe.clone(), copy.clone()]).collect();
    [together(&[probes.to_vec(), copies]), arrived]
}

/// A phone whose numbers restart with each address, two addresses in each scan.
fn restarting_phone() -> Vec<Probe> {
    let scan = |number: i64| {
        [0, 1].into_iter().flat_map(move |half: i64| {
            let address = 2 * number + half;
            let start = (address * 1709 % 4096) as u16;
            [0, 1, 2].map(|step| {
                let mut probe = frame(number * 60, address as u32, start + step, 7);
                let micros = half * 1_500_000 + i64::from(step) * 20_000;
                probe.time = Timestamp::from_micros(probe.time.as_micros() + micros);
                probe
            })
        })
    };
    (0..20).flat_map(scan).collect()
}

#[test]
fn clocks_that_differ_make_no_phone_two() {
    for skew in [-20_000, -2000, 300, 2000, 5000, 50_000] {
        for (phone, frames) in [(restarting_phone(), 120), (counting_phone(1, 40, 0, 30, 7), 120)] {
            for probes in in_both_orders(&phone, skew) {
                let state = folded(probes.clone());
                assert_eq!(state.grouping().groups().count(), 1, "{skew} ms");
                let group = state.grouping().group(group_of(&state, &probes[0])).unwrap();
                assert_eq!((group.visit_phones(), group.frames), (1, frames), "{skew} ms");
            }
        }
    }
}

#[test]
fn two_phones_that_two_radios_capture_are_still_two() {
    let in_turns = |scan: i64| {
        let phone = scan % 2;
        frame(scan * 5, 1 + phone as u32, phone as u16 * 2000 + scan as u16 * 20, 7)
    };
    let probes: Vec<Probe> = (0..20).map(in_turns).collect();
    for probes in in_both_orders(&probes, 2000) {
        let state = folded(probes.clone());
        let group = state.grouping().group(group_of(&state, &probes[0])).unwrap();
        assert_eq!(group.visit_phones(), 2);
    }
}

//! What counters of one model say of each other.

use super::*;
use crate::event::Probe;
use crate::state::grouping::tests::{frame as probe, scattered};

const CLOCK: u32 = 1;

fn frame(second: i64, address: u32, sequence: u16) -> Frame {
    let of = Frame::of(&Probe { signal_dbm: Some(-60), ..probe(second, address, sequence, 7) });
    Frame { clock: CLOCK, ..of }
}

/// A counter of an address of its own, which was seen from the first second to the last.
fn counter(group: u16, (first, last): (i64, i64), sequence: u16) -> Counter {
    let mut counter = Counter::new(GroupId(group), &frame(first, u32::from(sequence), sequence));
    counter.follow(&frame(last, u32::from(sequence), sequence), 0);
    counter
}

#[test]
fn beside_a_counter_are_those_that_went_on_while_it_did() {
    let own = counter(1, (1_000, 2_000), 500);
    let with = |group, change: fn(&mut Counter)| {
        let mut other = counter(group, (1_000, 2_000), 2_000);
        change(&mut other);
        other
    };
    for (other, is_beside) in [
        // Of the same group: at the same time, by the same clock.
        (counter(1, (0, 1_000), 2_000), true),
        (counter(1, (0, 999), 2_000), false),
        (counter(1, (2_000, 2_500), 2_000), true),
        (counter(1, (2_001, 2_500), 2_000), false),
        (with(1, |other| other.clock = 2), false),
        (with(1, |other| other.first_clock = 2), true),
        (counter(1, (1_000, 2_000), 510), true),
        // Of another group: lately, with other numbers.
        (counter(2, (1_000, 1_760), 2_000), true),
        (counter(2, (1_000, 1_759), 2_000), false),
        (counter(2, (1_000, 2_240), 2_000), true),
        (counter(2, (1_000, 2_241), 2_000), false),
        (with(2, |other| other.first_clock = 2), false),
        (with(2, |other| other.clock = 2), false),
        (counter(2, (1_000, 2_000), 628), false),
        (counter(2, (1_000, 2_000), 629), true),
        (counter(2, (1_000, 2_000), 372), false),
        (counter(2, (1_000, 2_000), 371), true),
    ] {
        let expected: Vec<_> =
            is_beside.then(|| (other.group, other.addresses.to_vec())).into_iter().collect();
        let model = Model { counters: [other.clone(), own.clone()].into(), ..Model::default() };
        let found = model.beside(1, GroupId(1)).into_iter();
        let found: Vec<_> = found.map(|(group, addresses)| (group, addresses.to_vec())).collect();
        assert_eq!(found, expected, "{other:?}");
        assert!(model.beside(2, GroupId(1)).is_empty(), "there is no such counter");
    }
}

/// What a model is taken for after new addresses two minutes apart, with these numbers.
fn continues(sequences: impl IntoIterator<Item = u16>) -> bool {
    let mut model = Model::default();
    for (number, sequence) in (0..).zip(sequences) {
        let frame = frame(i64::from(number) * 120, number, sequence);
        if model.begin(&frame, &|_, _| true, &mut Vec::new()) == Joined::None {
            model.begin_first(GroupId(1), &frame);
        }
    }
    model.is_continuing()
}

#[test]
fn a_model_that_restarts_its_numbers_does_not_continue_them() {
    assert!(continues((0..40).map(|number| number * 12)));
    assert!(!continues((0..200).map(scattered)));
    // They restart near zero: two of three are a little higher than one of the last two, as if they continued it.
    let restarts = |count: u32| (0..count).map(|number| ((number * number * 7 + number * 13) % 101) as u16);
    assert!(!continues(restarts(200)));
    // A model that goes on after it restarted often is found to do so.
    assert!(continues(restarts(40).chain((0..60).map(|number| 1_000 + number * 12))));
}

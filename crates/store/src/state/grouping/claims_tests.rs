//! Phones whose number is known, made up at random: how many of them are claimed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::apart::{SeenGroup, least_phones};
use super::tests::{folded, frame, together};
use crate::event::Probe;
use crate::state::State;

/// Places that are made up.
const PLACES: usize = 200;

/// What address a phone uses for a scan.
#[derive(Debug, Clone, Copy)]
enum Use {
    New,
    /// That of the scan before.
    Last,
    /// The one that it began with.
    Old,
}

/// A phone of the model.
#[derive(Debug, Clone)]
struct Phone {
    starts_at: i64,
    interval: i64,
    start: u16,
    /// Frames between two scans that nobody hears.
    step: u16,
    /// The addresses of its scans, and how much longer or shorter than the interval the time before each is, in seconds.
    scans: Vec<(Use, i64)>,
    /// After how many scans it is away, and for how many minutes.
    pause: (usize, i64),
}

fn phone(which: impl Strategy<Value = Use>) -> impl Strategy<Value = Phone> {
    let scans = vec((which, -9..10_i64), 10..60);
    let pause = (0..60_usize, prop_oneof![Just(0), 1..60_i64, 120..600_i64]);
    let times = (0..3600_i64, 15..150_i64);
    (times, 0..4096_u16, 3..40_u16, scans, pause).prop_map(
        |((starts_at, interval), start, step, scans, pause)| Phone {
            starts_at,
            interval,
            start,
            step,
            scans,
            pause,
        },
    )
}

/// Its frames, of addresses from `first` on.
fn frames(phone: &Phone, first: u32) -> Vec<Probe> {
    let (mut second, mut sequence, mut address, mut newest) = (phone.starts_at, phone.start, first, first);
    let mut probes = Vec::new();
    for (number, (which, jitter)) in phone.scans.iter().enumerate() {
        second += phone.interval + jitter + if number == phone.pause.0 { phone.pause.1 * 60 } else { 0 };
        sequence = sequence.wrapping_add(phone.step);
        match which {
            Use::New => (newest, address) = (newest + 1, newest + 1),
            Use::Last => {}
            Use::Old => address = first,
        }
        probes.extend((0..3).map(|step| frame(second, address, sequence.wrapping_add(step), 7)));
        sequence = sequence.wrapping_add(3);
    }
    probes
}

/// The least number of all phones.
fn claimed(state: &State) -> u64 {
    least_phones(state.grouping().groups().map(|(id, group)| SeenGroup::whole(id, group))).phones
}

/// In how many of so many places more phones are claimed than there are, and by how many at most. The places are the same
/// in every run.
fn too_many(places: usize, phones: impl Strategy<Value = Vec<Phone>>) -> (usize, u64) {
    let mut runner = TestRunner::deterministic();
    let surplus = (0..places).map(|_| {
        let phones = phones.new_tree(&mut runner).unwrap().current();
        let all: Vec<Vec<Probe>> =
            (0..).zip(&phones).map(|(number, phone)| frames(phone, number * 1000)).collect();
        claimed(&folded(together(&all))).saturating_sub(phones.len() as u64)
    });
    let surplus: Vec<u64> = surplus.filter(|surplus| *surplus > 0).collect();
    (surplus.len(), surplus.iter().copied().max().unwrap_or(0))
}

#[test]
fn no_more_phones_are_claimed_than_there_are() {
    let which = prop_oneof![4 => Just(Use::New), 1 => Just(Use::Last)];
    assert_eq!(too_many(PLACES, vec(phone(which), 1..5)), (0, 0));
}

#[test]
fn phones_that_use_old_addresses_again_are_rarely_taken_for_one_more() {
    let which = prop_oneof![4 => Just(Use::New), 1 => Just(Use::Last), 2 => Just(Use::Old)];
    let (places, by) = too_many(PLACES, vec(phone(which), 1..5));
    assert!(places <= PLACES / 50 && by <= 1, "{places} of {PLACES}, by {by}");
}

//! What was proven about an hour stays said about that hour.

use proptest::collection::vec;
use proptest::prelude::*;

use super::group::{Group, Phones};
use super::proofs::{Proofs, ROWS_PER_GROUP};
use super::seen_times::Span;
use super::tests::{fold, folded, frame, group_of};
use super::{GROUP_LIMIT, PROOF_LIMIT, SeenGroup, least_phones};
use crate::event::{Event, EventKind, Probe, Timestamp};
use crate::state::State;

const HOUR: i64 = 3600;
const MODEL: u64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// The proofs of so many phones at these seconds; the others may be of another phone.
fn proofs(of: &[(i64, u32, bool)]) -> Proofs {
    let mut proofs = Proofs::default();
    for (second, phones, is_own) in of {
        proofs.add(at(*second), *phones, *is_own);
    }
    proofs
}

fn own(phones: u32) -> Phones {
    Phones { any: phones, own: phones }
}

#[test]
fn a_proof_holds_for_the_minutes_beside_it() {
    let proofs = proofs(&[(1000, 2, true), (950, 2, true), (900, 3, true), (850, 2, true), (100, 4, false)]);
    let least = |second| proofs.at(at(second));
    assert_eq!(
        [100, 500, 900, 1000, 1070, 1090, 1130].map(|second| least(second).any),
        [4, 1, 3, 3, 2, 1, 1]
    );
    assert_eq!(least(100), Phones { any: 4, own: 1 });
    let since = |second| proofs.since(at(second)).any;
    assert_eq!([0, 100, 101, 900, 901, 1000, 1001].map(since), [4, 4, 3, 3, 2, 2, 1]);
    assert_eq!(proofs.all(), Phones { any: 4, own: 3 });
}

#[test]
fn a_later_proof_takes_no_earlier_one_away() {
    let mut of_both = proofs(&[(300, 2, true)]);
    let of_noon = of_both.at(at(300));
    for later in [600, HOUR + 300, 48 * HOUR] {
        of_both.add(at(later), 5, true);
    }
    assert_eq!((of_noon, of_both.at(at(300))), (own(2), own(2)));
    assert_eq!(of_both.at(at(48 * HOUR + 30)), own(5));
}

#[test]
fn a_split_concerns_only_the_proofs_of_its_time() {
    let span = |first, last| Span { first: at(first), last: at(last) };
    let all = [(300, 2, true), (5 * HOUR, 3, true), (5 * HOUR + 600, 3, true), (9 * HOUR, 2, true)];
    let mut lowered = proofs(&all);
    lowered.lower(span(5 * HOUR + 500, 9 * HOUR + 10));
    let least = |second| lowered.at(at(second)).any;
    assert_eq!([300, 5 * HOUR, 5 * HOUR + 600, 9 * HOUR].map(least), [2, 3, 2, 1]);
    assert_eq!(lowered.since(at(5 * HOUR + 601)), Phones::ONE);
    assert_eq!(lowered.since(at(5 * HOUR + 1)), own(2));
    // Of those that were proven at another time, one may be the other phone.
    assert_eq!(lowered.at(at(5 * HOUR)), Phones { any: 3, own: 2 });
    assert_eq!(lowered.at(at(300)), Phones { any: 2, own: 1 });
}

/// Frames of two addresses by turns, from this second on.
fn at_once(second: i64, addresses: [u32; 2]) -> Vec<Probe> {
    let turn = |step: u16| {
        let place = usize::from(step % 2);
        frame(second + i64::from(step) * 5, addresses[place], 2000 * place as u16 + step * 20, MODEL)
    };
    (0..12).map(turn).collect()
}

#[test]
fn what_was_proven_at_noon_stands_after_a_split_of_the_evening() {
    let (noon, evening) = (12 * HOUR, 13 * HOUR + 1800);
    let probes = [at_once(noon, [1, 2]), at_once(evening, [3, 4])].concat();
    let mut state = folded(probes.clone());
    let phone = group_of(&state, &probes[0]);
    assert_eq!(group_of(&state, probes.last().unwrap()), phone);
    let least = |state: &State, second| state.grouping().group(phone).unwrap().at_least(at(second));
    assert_eq!([noon, evening].map(|second| least(&state, second + 30)), [2, 2]);
    let address = probes.last().unwrap().source;
    fold(&mut state, &Event::new(at(evening + 60), EventKind::SplitPhone { phone, address, evidence: None }));
    assert_eq!([noon, evening].map(|second| least(&state, second + 30)), [2, 1]);
    // The one of the evening may be one of the two of noon.
    let groups = state.grouping().groups().map(|(id, group)| SeenGroup::whole(id, group));
    assert_eq!(least_phones(groups).phones, 2);
}

#[test]
fn the_proofs_of_all_groups_are_bounded() {
    let mut state = folded((0..200).map(|number| frame(0, number, 0, u64::from(number))));
    let ids: Vec<_> = state.grouping().groups().map(|(id, _)| id).collect();
    let most = PROOF_LIMIT / ids.len() + 200;
    assert!(ids.len() <= GROUP_LIMIT && most > ROWS_PER_GROUP);
    for hour in 0..most as i64 {
        for id in &ids {
            state.grouping.change_proofs(*id, |group| group.prove(at(hour * HOUR), 2));
        }
        let rows = |group: &Group| group.proofs.len();
        let kept: usize = state.grouping().groups().map(|(_, group)| rows(group)).sum();
        assert!(
            kept <= PROOF_LIMIT && state.grouping().groups().all(|(_, group)| rows(group) <= ROWS_PER_GROUP)
        );
        assert_eq!(kept, state.grouping.proofs);
    }
    let newest = at((most as i64 - 1) * HOUR);
    assert!(state.grouping().groups().all(|(_, group)| group.at_least(newest) == 2));
}

fn proof() -> impl Strategy<Value = (i64, u32, bool)> {
    (0..4 * HOUR, 2..5_u32, any::<bool>())
}

proptest! {
    #[test]
    fn the_order_of_proofs_makes_no_difference(
        (of, shuffled) in vec(proof(), 1..60).prop_flat_map(|of| (Just(of.clone()), Just(of).prop_shuffle())),
        time in 0..4 * HOUR,
    ) {
        let kept = proofs(&of);
        prop_assert_eq!(&kept, &proofs(&shuffled));
        // Nothing is said that was not proven less than two minutes away, and nothing less than at that minute.
        let near = |seconds: i64| Phones::proven_by(of.iter().filter(|(second, ..)| (second - time).abs() < seconds).map(
            |(_, phones, is_own)| Phones { any: *phones, own: if *is_own { *phones } else { 1 } }
        ));
        let least = kept.at(at(time));
        prop_assert_eq!((least.max(near(120)), near(60).max(least)), (near(120), least));
    }

    #[test]
    fn a_lowered_proof_is_no_higher(of in vec(proof(), 1..60), first in 0..4 * HOUR, length in 0..HOUR, time in 0..4 * HOUR) {
        let before = proofs(&of);
        let mut after = before.clone();
        after.lower(Span { first: at(first), last: at(first + length) });
        let (known, least) = (before.at(at(time)), after.at(at(time)));
        prop_assert_eq!(known.max(least), known);
        prop_assert_eq!(before.since(at(time)).max(after.since(at(time))), before.since(at(time)));
        let is_concerned = (first - 120..first + length + 120).contains(&time);
        prop_assert!(least.any + 1 >= known.any && least.own + 1 >= known.own);
        prop_assert!(is_concerned || least.any == known.any);
    }
}

//! Phones that send frames of several models.

use super::group::JoinReason;
use super::tests::{fold, fold_kind, folded, frame, from_snapshot, group_of, reason, reloaded};
use super::variants::MODELS_PER_PHONE;
use crate::event::{Event, EventKind, GroupId, Probe};
use crate::state::State;
use crate::state::{SeenGroup, least_phones};

const HOUR: i64 = 3600;

/// The models of the phone.
const ONE: u64 = 7;
const OTHER: u64 = 8;

/// A scan from an address, one frame of each of these models. Its numbers continue none before.
fn scan(second: i64, address: u32, models: &[u64]) -> Vec<Probe> {
    let frames = (0..).zip(models);
    frames
        .map(|(place, model)| frame(second + place, address, (address * 1709) as u16 + place as u16, *model))
        .collect()
}

fn groups(state: &State) -> usize {
    state.grouping().groups().count()
}

#[test]
fn a_phone_that_shows_two_models_at_one_address_is_one() {
    // Each address after the first two shows one of the two models only.
    let models: [&[u64]; 6] = [&[ONE, OTHER], &[ONE, OTHER], &[OTHER], &[ONE], &[OTHER], &[ONE]];
    let scans = (0..).zip(models).map(|(number, models)| scan(i64::from(number) * 60, number, models));
    let probes = scans.collect::<Vec<_>>().concat();
    let state = folded(probes.clone());
    assert_eq!(groups(&state), 1);
    let group = state.grouping().group(group_of(&state, &probes[0])).unwrap();
    assert_eq!((group.address_count, group.visit_phones()), (6, 1));
}

#[test]
fn two_models_that_no_address_shows_together_are_two_phones() {
    let state = folded((0..10).flat_map(|number| {
        let model = if number % 2 == 0 { ONE } else { OTHER };
        scan(i64::from(number) * 60, number, &[model, model])
    }));
    assert_eq!(groups(&state), 2);
}

#[test]
fn new_addresses_join_the_model_with_more_addresses_whichever_was_first() {
    for shown in [[ONE, OTHER], [OTHER, ONE]] {
        let before = (0..5).map(|number| scan(number * 60, number as u32, &[ONE]));
        let before = before.chain([scan(300, 5, &[OTHER]), scan(360, 6, &shown), scan(420, 7, &shown)]);
        let after = (8..11).map(|number| scan(number * 60, number as u32, &[OTHER]));
        let probes: Vec<Probe> = before.chain(after).flatten().collect();
        let state = folded(probes.clone());
        // The phone of the rarer model was there before the two were seen together.
        assert_eq!(groups(&state), 2, "{shown:?}");
        assert_eq!(group_of(&state, probes.last().unwrap()), group_of(&state, &probes[0]), "{shown:?}");
    }
}

#[test]
fn what_one_phone_shows_says_nothing_about_others_after_it_has_left() {
    let both = [scan(0, 0, &[ONE, OTHER]), scan(10, 1, &[ONE, OTHER])].concat();
    for (hours, phones) in [(1, 1), (3, 2)] {
        let later = scan(hours * HOUR, 2, &[OTHER, OTHER]);
        let state = folded(both.iter().chain(&later).cloned());
        assert_eq!(groups(&state), phones, "{hours} h");
        let key = state.model_key(later[0].signature);
        let group = state.grouping().group(group_of(&state, &later[0])).unwrap();
        assert_eq!(group.model == key, phones == 2);
    }
}

#[test]
fn an_address_that_was_taken_for_the_main_model_proves_nothing() {
    let both = [scan(0, 1, &[ONE, OTHER]), scan(20, 4, &[ONE, OTHER])].concat();
    let mut state = folded([both, scan(60, 2, &[ONE])].concat());
    let (own, address) = (group_of(&state, &scan(0, 1, &[ONE])[0]), scan(0, 2, &[ONE])[0].source);
    fold_kind(&mut state, EventKind::SplitPhone { phone: own, address, evidence: None });
    let later = scan(120, 3, &[OTHER, OTHER]);
    for probe in scan(90, 2, &[ONE]).iter().chain(&later) {
        fold(&mut state, &Event::from(probe.clone()));
    }
    let other = group_of(&state, &later[0]);
    assert_ne!(other, own);
    let others = |id| state.grouping().group(id).unwrap().other_models.len();
    assert_eq!((others(own), others(other)), (1, 0));
}

#[test]
fn an_address_that_shows_any_model_is_no_evidence() {
    let many: Vec<u64> = (0..=MODELS_PER_PHONE as u64 + 1).map(|number| ONE + number).collect();
    for (shown, phones) in [(&many[..2], 1), (&many[..MODELS_PER_PHONE + 1], 1), (&many[..], 2)] {
        let probes = [scan(0, 1, shown), scan(20, 2, shown), scan(60, 3, &[OTHER])].concat();
        assert_eq!(groups(&folded(probes)), phones, "{} models", shown.len());
    }
}

#[test]
fn an_address_that_invents_models_fills_no_memory() {
    let shown: Vec<u64> = (0..10_000).collect();
    let state = folded(scan(0, 1, &shown));
    assert!(state.grouping().models.len() <= MODELS_PER_PHONE + 2);
    assert_eq!(groups(&state), 1);
}

#[test]
fn a_phone_that_got_another_identifier_still_shows_both_models() {
    let both = [scan(0, 0, &[ONE, OTHER]), scan(10, 1, &[ONE, OTHER])].concat();
    let mut state = folded(both.clone());
    let id = group_of(&state, &both[0]);
    let keep = EventKind::KeepPhone {
        phone: GroupId(id.0.wrapping_add(1)),
        name: None,
        model: state.grouping().group(id).unwrap().model,
        addresses: vec![both[0].source],
        networks: Vec::new(),
        by_member: false,
    };
    fold_kind(&mut state, keep);
    let mut state = from_snapshot(&reloaded(&state));
    for probe in scan(60, 2, &[OTHER]) {
        fold(&mut state, &Event::from(probe));
    }
    assert_eq!(groups(&state), 1);
}

/// The least number of all phones.
fn least(state: &State) -> u64 {
    let grouping = state.grouping();
    least_phones(grouping.groups().map(|(id, group)| SeenGroup::whole(id, group).linked_by(grouping))).phones
}

#[test]
fn groups_that_were_there_before_count_as_one_phone_once_an_address_shows_both_models() {
    let before = [scan(0, 1, &[ONE]), scan(60, 2, &[OTHER])].concat();
    let state = folded(before.clone());
    assert_eq!((groups(&state), least(&state)), (2, 2));
    let state = folded([before, scan(120, 3, &[ONE, OTHER])].concat());
    assert_eq!((groups(&state), least(&state)), (2, 1));
    assert_eq!(least(&from_snapshot(&reloaded(&state))), 1);
}

#[test]
fn what_is_told_apart_stays_apart_among_linked_models() {
    let probes =
        [scan(0, 1, &[ONE]), scan(10, 2, &[ONE]), scan(60, 3, &[OTHER]), scan(120, 4, &[ONE, OTHER])];
    let mut state = folded(probes.concat());
    let (phone, address) = (group_of(&state, &probes[1][0]), probes[1][0].source);
    fold_kind(&mut state, EventKind::SplitPhone { phone, address, evidence: None });
    assert_eq!((groups(&state), least(&state)), (3, 2));
    // A device with a name may be any phone of the linked models, but not two.
    let grouping = state.grouping();
    let other = group_of(&state, &probes[2][0]);
    let named = SeenGroup::named(other, grouping.group(other).unwrap().model).linked_by(grouping);
    let unnamed = grouping.groups().filter(|(id, _)| *id != other);
    let unnamed = unnamed.map(|(id, group)| SeenGroup::whole(id, group).linked_by(grouping));
    assert_eq!(least_phones(unnamed.chain([named])).phones, 1);
}

#[test]
fn invented_links_do_not_hide_all_phones() {
    let links = 40;
    let own = |number: u32| u64::from(number) + 100;
    let phones = (0..links).map(|number| scan(i64::from(number) * 10, number, &[own(number)]));
    // Each is of another phone, and all show one model that has more addresses than any.
    let common = (0..5).map(|number| scan(1000 + i64::from(number) * 10, 1000 + number, &[ONE]));
    let invented = (0..links).map(|number| {
        let second = 2000 + i64::from(number) * 10;
        scan(second, 2000 + number, &[own(number), ONE])
    });
    let invented = common.chain(invented);
    let before = folded(phones.clone().flatten());
    let after = folded(phones.chain(invented).flatten());
    assert_eq!(least(&before), u64::from(links));
    let classes = u64::from(links).div_ceil(MODELS_PER_PHONE as u64 + 1);
    assert!((classes..u64::from(links) / 2).contains(&least(&after)), "{}", least(&after));
}

#[test]
fn models_that_are_each_others_main_ones_count_each() {
    let mut state = folded(scan(0, 1, &[ONE, OTHER]));
    let [one, other] = [ONE, OTHER].map(|model| state.model_key(scan(0, 1, &[model])[0].signature));
    assert_eq!((state.grouping().counted_model(one), state.grouping().counted_model(other)), (one, one));
    let main = state.grouping.models.get(&other).unwrap().main.unwrap();
    let opposite = super::variants::MainModel { key: other, ..main };
    state.grouping.models.get_mut(&one).unwrap().main = Some(opposite);
    assert_eq!((state.grouping().counted_model(one), state.grouping().counted_model(other)), (one, other));
}

#[test]
fn says_that_an_address_is_of_another_model_of_the_phone() {
    let both = [ONE, OTHER];
    let probes = [scan(0, 1, &both), scan(20, 4, &both), scan(60, 2, &[ONE]), scan(120, 3, &[OTHER])];
    let state = folded(probes.concat());
    let reasons = probes.map(|scan| reason(&state, &scan[0]));
    let same = JoinReason::SameModel;
    assert_eq!(reasons, [JoinReason::First, same, same, JoinReason::OtherModel]);
}

#[test]
fn an_address_that_two_phones_use_shows_nothing() {
    // Their numbers have nothing to do with each other.
    let shared = (1..4).flat_map(|address| {
        let second = i64::from(address) * 60;
        [frame(second, address, 100, ONE), frame(second + 10, address, 3000, OTHER)]
    });
    let probes: Vec<Probe> = shared.chain(scan(300, 9, &[OTHER])).collect();
    let state = folded(probes.clone());
    assert_ne!(group_of(&state, probes.last().unwrap()), group_of(&state, &probes[0]));
    assert_eq!(least(&state), 2);
}

#[test]
fn new_addresses_of_a_model_stay_with_its_phone_that_somebody_named() {
    for is_named in [false, true] {
        let named = scan(0, 1, &[OTHER]);
        let mut state = folded(named.clone());
        if is_named {
            let id = group_of(&state, &named[0]);
            let keep = EventKind::KeepPhone {
                phone: id,
                name: Some("Alice".to_owned()),
                model: state.grouping().group(id).unwrap().model,
                addresses: vec![named[0].source],
                networks: Vec::new(),
                by_member: false,
            };
            fold_kind(&mut state, keep);
        }
        let before = (2..6).map(|number| scan(i64::from(number) * 10, number, &[ONE]));
        let links = [scan(80, 7, &[ONE, OTHER]), scan(90, 8, &[ONE, OTHER])];
        let later = scan(120, 9, &[OTHER]);
        for probe in before.chain(links).flatten().chain(later.clone()) {
            fold(&mut state, &Event::from(probe));
        }
        let is_its_own = group_of(&state, &later[0]) == group_of(&state, &named[0]);
        assert_eq!(is_its_own, is_named);
    }
}

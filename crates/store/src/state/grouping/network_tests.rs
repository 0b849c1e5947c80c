//! Phones of one model that look for different networks.

use super::JoinReason;
use super::tests::{counting_phone, fold, folded, frame, group_of, later, reason, requesting, together};
use crate::event::{Event, GroupId, Probe};
use crate::state::State;

/// The number of Ada's phone at the end. Zoë's is 30 behind.
const END: u16 = 59 * 12 + 2;

/// The phones of Ada and Zoë, which are of one model, and each of which looks for a network.
fn household() -> (State, [GroupId; 2]) {
    let looking = |probes: Vec<Probe>, ssid: &str| -> Vec<Probe> {
        probes.into_iter().map(|probe| requesting(ssid, probe)).collect()
    };
    let zoe = looking(counting_phone(1001, 119, END - 32 + 4096 - 118 * 12, 15, 7), "Zoë's home");
    let ada = looking(later(counting_phone(1, 60, 0, 30, 7), 7), "Ada's home");
    let state = folded(together(&[zoe.clone(), ada.clone()]));
    let groups = [zoe.last().unwrap(), ada.last().unwrap()].map(|probe| group_of(&state, probe));
    (state, groups)
}

/// The group that a new address joins after a gap, and why, if it begins with this number.
fn after_gap(state: &State, sequence: u16, ssid: &str) -> (GroupId, JoinReason) {
    let mut state = state.clone();
    let probe = requesting(ssid, frame(60 * 30 + 240, 5000, sequence, 7));
    fold(&mut state, &Event::from(probe.clone()));
    (group_of(&state, &probe), reason(&state, &probe))
}

#[test]
fn of_two_counters_that_fit_the_one_is_continued_that_looked_for_the_network() {
    let (state, [zoe, ada]) = household();
    assert_ne!(zoe, ada);
    // 10 numbers after Ada's phone, and 40 after Zoë's.
    assert_eq!(after_gap(&state, END + 10, "Zoë's home"), (zoe, JoinReason::SequenceContinued));
    for ssid in ["Ada's home", "Cafe", ""] {
        assert_eq!(after_gap(&state, END + 10, ssid), (ada, JoinReason::SequenceContinued), "{ssid}");
    }
}

#[test]
fn a_phone_that_looked_for_other_networks_is_not_continued_if_another_looked_for_the_same() {
    let (state, [zoe, ada]) = household();
    // Too far from the counter of Zoë's phone.
    assert_eq!(after_gap(&state, END + 40, "Zoë's home"), (zoe, JoinReason::SameNetwork));
    for ssid in ["Ada's home", "Cafe", ""] {
        assert_eq!(after_gap(&state, END + 40, ssid), (ada, JoinReason::SequenceContinued), "{ssid}");
    }
}

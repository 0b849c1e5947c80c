//! Bounds how many signatures the state keeps the elements of.
//!
//! A flood of invented signatures fills the table. Then the elements of models that are not remembered leave, at most
//! once in [`REMOVAL_INTERVAL`]: that bounds what a flood adds to the log. A signature without elements still groups the
//! frames that have it.

use std::time::Duration;

use super::model::State;
use dot11::{ModelKey, Signature};

/// Signatures whose elements are kept.
const SIGNATURE_LIMIT: usize = 16_384;

/// The least time from one removal to the next.
const REMOVAL_INTERVAL: Duration = Duration::from_secs(600);

impl State {
    /// Whether the elements behind `signature` are still to be kept.
    pub fn wants_elements(&self, signature: Signature) -> bool {
        self.signatures.get(&signature).is_none()
            && (self.signatures.len() < SIGNATURE_LIMIT || self.may_remove_elements())
    }

    fn may_remove_elements(&self) -> bool {
        match (self.totals.elements_removed, self.newest_time()) {
            (Some(last), Some(now)) => now.abs_diff(last) >= REMOVAL_INTERVAL,
            _ => true,
        }
    }

    pub(super) fn keep_elements(&mut self, signature: Signature, elements: &[u8]) {
        if self.signatures.len() >= SIGNATURE_LIMIT && self.signatures.get(&signature).is_none() {
            self.remove_elements();
        }
        self.signatures.insert(signature, elements.to_vec());
    }

    /// Removes the elements of models that are not remembered; all if that makes little room.
    fn remove_elements(&mut self) {
        self.totals.elements_removed = self.newest_time();
        let is_used = |elements: &[u8]| self.grouping.remembers(ModelKey::of(elements));
        let unused = self.signatures.iter().filter(|(_, elements)| !is_used(elements));
        let mut removed: Vec<Signature> = unused.map(|(signature, _)| *signature).collect();
        if removed.len() < SIGNATURE_LIMIT / 4 {
            removed = self.signatures.iter().map(|(signature, _)| *signature).collect();
        }
        for signature in removed {
            self.signatures.remove(&signature);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Probe, Timestamp};
    use dot11::{MacAddr, RequestedSsid};

    /// A frame at this second.
    fn see(state: &mut State, second: i64) {
        let source = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
        let probe = Probe::example(source, RequestedSsid::Wildcard, second * 1_000_000);
        state.fold(state.next_offset(), &Event::from(probe));
    }

    fn signature(number: usize) -> Signature {
        Signature::from_u64(1_000 + number as u64)
    }

    /// Elements of a model of their own.
    fn unused(number: usize) -> Vec<u8> {
        [&[1, 8][..], &(number as u64).to_be_bytes()].concat()
    }

    /// Elements of the same model: an SSID is no part of that.
    fn used(number: usize) -> Vec<u8> {
        [&[0, 8][..], &(number as u64).to_be_bytes(), &[1, 1, 2]].concat()
    }

    /// A full table, of which so many signatures are of models that nobody remembers.
    fn full(unused_count: usize) -> State {
        let mut state = State::default();
        see(&mut state, 0);
        state.grouping.models.entry(ModelKey::of(&used(0)));
        for number in 0..SIGNATURE_LIMIT {
            assert!(state.wants_elements(signature(number)));
            let elements = if number < unused_count { unused(number) } else { used(number) };
            state.keep_elements(signature(number), &elements);
            assert!(!state.wants_elements(signature(number)));
        }
        assert_eq!(state.signatures.len(), SIGNATURE_LIMIT);
        state
    }

    #[test]
    fn models_that_are_not_remembered_make_room() {
        for (unused_count, left) in [
            (SIGNATURE_LIMIT, 0),
            (SIGNATURE_LIMIT / 4, SIGNATURE_LIMIT * 3 / 4),
            // That makes too little room.
            (SIGNATURE_LIMIT / 4 - 1, 0),
        ] {
            let mut state = full(unused_count);
            // One that is there needs no room.
            state.keep_elements(signature(0), &unused(0));
            assert_eq!(state.signatures.len(), SIGNATURE_LIMIT);
            state.keep_elements(signature(SIGNATURE_LIMIT), &unused(SIGNATURE_LIMIT));
            assert_eq!(state.signatures.len(), left + 1, "{unused_count}");
        }
    }

    #[test]
    fn a_flood_makes_room_at_most_once_in_ten_minutes() {
        let mut state = full(SIGNATURE_LIMIT);
        let new = signature(2 * SIGNATURE_LIMIT);
        assert!(state.wants_elements(new));
        for number in SIGNATURE_LIMIT..2 * SIGNATURE_LIMIT {
            state.keep_elements(signature(number), &unused(number));
        }
        assert_eq!(state.totals.elements_removed, Some(Timestamp::from_micros(0)));
        see(&mut state, 599);
        assert!(!state.wants_elements(new));
        see(&mut state, 600);
        assert!(state.wants_elements(new));
    }
}

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

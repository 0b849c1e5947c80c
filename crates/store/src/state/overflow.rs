//! Alerts that a chat is told as a number, since they were too many or too old to be sent one by one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use dot11::Ssid;

/// Networks that are told apart for one chat; a flood of invented ones ends here.
pub const OVERFLOW_NETWORK_LIMIT: usize = 1_000;

/// What one chat has not been told yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    count: u64,
    networks: BTreeSet<Ssid>,
}

impl Overflow {
    /// How many alerts.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// For how many networks, at most [`OVERFLOW_NETWORK_LIMIT`]: that many then stands for at least as many.
    pub fn networks(&self) -> u64 {
        // Those that some of the alerts were told of already are not taken off one by one.
        self.count.min(self.networks.len() as u64)
    }

    /// One alert more, for this network where it is for one.
    pub(super) fn add(&mut self, ssid: Option<&Ssid>) {
        self.count += 1;
        if let Some(ssid) = ssid {
            self.add_network(ssid.clone());
        }
    }

    /// All that `other` has.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        other.networks.into_iter().for_each(|ssid| self.add_network(ssid));
    }

    fn add_network(&mut self, ssid: Ssid) {
        if self.networks.len() < OVERFLOW_NETWORK_LIMIT {
            self.networks.insert(ssid);
        }
    }

    /// What is left once the chat was told of so many; `None` where that is all.
    pub(super) fn after_telling(&self, count: u64) -> Option<Self> {
        let left = self.count.saturating_sub(count);
        (left > 0).then(|| Self { count: left, networks: self.networks.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overflow(networks: std::ops::Range<usize>) -> Overflow {
        let mut overflow = Overflow::default();
        for number in networks {
            overflow.add(Some(&Ssid::from(format!("net {number}").as_str())));
        }
        overflow
    }

    #[track_caller]
    fn check(overflow: &Overflow, count: u64, networks: u64) {
        assert_eq!((overflow.count(), overflow.networks()), (count, networks));
    }

    #[test]
    fn alerts_and_networks_are_counted_within_the_bound() {
        let mut one = overflow(0..3);
        one.add(Some(&Ssid::from("net 1")));
        check(&one, 4, 3);
        one.merge(overflow(2..6));
        check(&one, 8, 6);
        one.merge(overflow(0..5_000));
        check(&one, 5_008, OVERFLOW_NETWORK_LIMIT as u64);
    }

    #[test]
    fn the_networks_go_with_the_last_alert() {
        let all = overflow(0..5);
        let rest = all.after_telling(3).unwrap();
        check(&rest, 2, 2);
        assert_eq!(rest.after_telling(2), None);
        assert_eq!(rest.after_telling(9), None);
    }
}

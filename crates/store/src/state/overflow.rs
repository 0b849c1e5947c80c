//! Alerts that are not sent one by one, because they were too many or waited too long: the chat gets their number.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use dot11::Ssid;

/// Networks counted for one chat, at most. It bounds a flood of invented ones.
pub const OVERFLOW_NETWORK_LIMIT: usize = 1_000;

/// The alerts not yet reported to the chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    count: u64,
    networks: BTreeSet<Ssid>,
}

impl Overflow {
    /// The number of alerts.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of networks, at most [`OVERFLOW_NETWORK_LIMIT`]; a count at the limit means "at least".
    pub fn networks(&self) -> u64 {
        // Networks of alerts that were reported already are not removed one by one.
        self.count.min(self.networks.len() as u64)
    }

    /// Adds an alert, with its network if it is about one.
    pub(super) fn add(&mut self, ssid: Option<&Ssid>) {
        self.count += 1;
        if let Some(ssid) = ssid {
            self.add_network(ssid.clone());
        }
    }

    /// Adds everything of `other`.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        other.networks.into_iter().for_each(|ssid| self.add_network(ssid));
    }

    fn add_network(&mut self, ssid: Ssid) {
        if self.networks.len() < OVERFLOW_NETWORK_LIMIT {
            self.networks.insert(ssid);
        }
    }

    /// The rest after `count` alerts were reported; `None` if nothing is left.
    pub(super) fn after_reporting(&self, count: u64) -> Option<Self> {
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
    fn counts_alerts_and_a_bounded_number_of_networks() {
        let mut one = overflow(0..3);
        one.add(Some(&Ssid::from("net 1")));
        check(&one, 4, 3);
        one.merge(overflow(2..6));
        check(&one, 8, 6);
        one.merge(overflow(0..5_000));
        check(&one, 5_008, OVERFLOW_NETWORK_LIMIT as u64);
    }

    #[test]
    fn forgets_the_networks_with_the_last_alert() {
        let all = overflow(0..5);
        let rest = all.after_reporting(3).unwrap();
        check(&rest, 2, 2);
        assert_eq!(rest.after_reporting(2), None);
        assert_eq!(rest.after_reporting(9), None);
    }
}

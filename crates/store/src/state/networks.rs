//! The networks that devices looked for by name.
//!
//! At most [`NETWORK_LIMIT`] are known. When there are more, half of them are forgotten: first those with the
//! fewest probes, of these first those with the oldest. The choice depends on the rows alone. So a flood of
//! SSIDs is bounded in memory; cost is amortised.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::table::{PackedRow, Table, packed};
use crate::event::Timestamp;
use dot11::{ShortSsid, Ssid};
use smallvec::SmallVec;

/// Networks that are known at most.
pub const NETWORK_LIMIT: usize = 32_768;

/// Networks with the same Short SSID that are told. Two by chance are rare; more are made up to collide.
const SHORT_SSID_MATCHES: usize = 4;

/// The probes for one network, by all addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Probe requests for it.
    pub probe_count: u64,
    /// The capture time of the earliest.
    pub first_probe: Timestamp,
    /// The capture time of the latest.
    pub last_probe: Timestamp,
}

/// Whether the store has a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saved {
    No,
    /// An older one of the key.
    Outdated,
    Yes,
}

/// Networks by their SSID.
#[derive(Debug, Clone, Default)]
pub struct Networks {
    rows: HashMap<Ssid, (Network, Saved)>,
    /// Forgotten networks that the store still has. Some may be known again.
    removed: HashSet<Ssid>,
    /// Networks by their Short SSID, from `rows`: at most [`SHORT_SSID_MATCHES`] for each.
    by_short_ssid: HashMap<ShortSsid, SmallVec<[Ssid; 1]>>,
}

/// Equal networks have the same rows, whichever of them are saved.
impl PartialEq for Networks {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(ssid, network)| other.get(ssid) == Some(network))
    }
}

impl Networks {
    /// The counts of this network, if it is known.
    pub fn get(&self, ssid: &Ssid) -> Option<Network> {
        self.rows.get(ssid).map(|(network, _)| *network)
    }

    /// The networks with this Short SSID, some of them if they are many.
    pub(super) fn with_short_ssid(&self, short: ShortSsid) -> impl Iterator<Item = &Ssid> {
        self.by_short_ssid.get(&short).into_iter().flatten()
    }

    fn index(&mut self, ssid: &Ssid) {
        let known = self.by_short_ssid.entry(ShortSsid::of(ssid)).or_default();
        if known.len() < SHORT_SSID_MATCHES && !known.contains(ssid) {
            known.push(ssid.clone());
        }
    }

    fn remove(&mut self, ssid: &Ssid) -> Option<(Network, Saved)> {
        let short = ShortSsid::of(ssid);
        if let Some(known) = self.by_short_ssid.get_mut(&short) {
            known.retain(|other| *other != *ssid);
            if known.is_empty() {
                self.by_short_ssid.remove(&short);
            }
        }
        self.rows.remove(ssid)
    }

    /// All networks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Ssid, Network)> {
        self.rows.iter().map(|(ssid, (network, _))| (ssid, *network))
    }

    /// The number of networks.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no network is known.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Counts a probe for `ssid`. The order of arrival does not matter: times are capture times.
    pub(super) fn fold(&mut self, ssid: &Ssid, time: Timestamp) {
        if let Some((network, saved)) = self.rows.get_mut(ssid) {
            network.probe_count += 1;
            network.first_probe = network.first_probe.min(time);
            network.last_probe = network.last_probe.max(time);
            if *saved == Saved::Yes {
                *saved = Saved::Outdated;
            }
            return;
        }
        let network = Network { probe_count: 1, first_probe: time, last_probe: time };
        self.rows.insert(ssid.clone(), (network, Saved::No));
        self.index(ssid);
        if self.rows.len() > NETWORK_LIMIT {
            self.forget_half();
        }
    }

    /// What seems to be later than `now` counts as now.
    pub(super) fn limit_times(&mut self, now: Timestamp) {
        for (network, saved) in self.rows.values_mut().filter(|(network, _)| network.last_probe > now) {
            (network.first_probe, network.last_probe) = (network.first_probe.min(now), now);
            if *saved == Saved::Yes {
                *saved = Saved::Outdated;
            }
        }
    }

    fn forget_half(&mut self) {
        let mut order: Vec<(u64, Timestamp, Reverse<&Ssid>)> = self
            .iter()
            .map(|(ssid, network)| (network.probe_count, network.last_probe, Reverse(ssid)))
            .collect();
        let half = order.len() / 2;
        order.select_nth_unstable(half);
        let forgotten: Vec<Ssid> =
            order.iter().take(half).map(|(_, _, Reverse(ssid))| (*ssid).clone()).collect();
        for ssid in forgotten {
            if let Some((_, Saved::Outdated | Saved::Yes)) = self.remove(&ssid) {
                self.removed.insert(ssid);
            }
        }
    }

    /// Sets a row without marking it dirty.
    pub(super) fn load_row(&mut self, ssid: Ssid, network: Network) {
        self.index(&ssid);
        self.rows.insert(ssid, (network, Saved::Yes));
    }
}

impl Table for Networks {
    fn dirty_rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for (ssid, (network, saved)) in &self.rows {
            if *saved != Saved::Yes {
                take(PackedRow { kind, key: &packed(ssid), row: Some(&packed(network)) });
            }
        }
        for ssid in self.removed.iter().filter(|ssid| !self.rows.contains_key(*ssid)) {
            take(PackedRow { kind, key: &packed(ssid), row: None });
        }
    }

    fn rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        let mut rows: Vec<(&Ssid, Network)> = self.iter().collect();
        rows.sort_unstable_by_key(|(ssid, _)| *ssid);
        for (ssid, network) in rows {
            take(PackedRow { kind, key: &packed(ssid), row: Some(&packed(&network)) });
        }
    }

    fn row(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let ssid: Ssid = postcard::from_bytes(key).ok()?;
        self.get(&ssid).map(|network| Cow::Owned(packed(&network)))
    }

    fn load(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<(), postcard::Error> {
        let ssid = postcard::from_bytes(key)?;
        match row {
            Some(row) => self.load_row(ssid, postcard::from_bytes(row)?),
            None => drop(self.remove(&ssid)),
        }
        Ok(())
    }

    fn mark_clean(&mut self) {
        self.rows.values_mut().for_each(|(_, saved)| *saved = Saved::Yes);
        self.removed = HashSet::new();
    }

    fn stored_bytes(&self) -> usize {
        const ROW_BYTES: usize = 48;
        self.len() * ROW_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssid(number: usize) -> Ssid {
        Ssid::from(format!("net {number}").as_str())
    }

    fn at(second: usize) -> Timestamp {
        Timestamp::from_micros(second as i64 * 1_000_000)
    }

    #[test]
    fn keeps_the_most_and_latest_requested_networks_of_a_flood() {
        let mut networks = Networks::default();
        for second in 0..3 {
            networks.fold(&ssid(0), at(second));
        }
        for number in 1..=NETWORK_LIMIT {
            networks.fold(&ssid(number), at(number));
        }
        assert_eq!(networks.len(), NETWORK_LIMIT / 2 + 1);
        let often = Network { probe_count: 3, first_probe: at(0), last_probe: at(2) };
        assert_eq!(networks.get(&ssid(0)), Some(often));
        assert_eq!(networks.get(&ssid(1)), None, "requested once, and longest ago");
        assert!(networks.get(&ssid(NETWORK_LIMIT)).is_some());
    }

    #[test]
    fn networks_are_found_by_their_short_ssids() {
        // Two names with the same checksum.
        let (one, other) = (Ssid::from("plumless"), Ssid::from("buckeroo"));
        let short = ShortSsid::of(&one);
        assert_eq!(ShortSsid::of(&other), short);
        let mut networks = Networks::default();
        assert_eq!(networks.with_short_ssid(short).count(), 0);
        networks.fold(&one, at(1));
        networks.load_row(other.clone(), Network { probe_count: 1, first_probe: at(1), last_probe: at(1) });
        networks.fold(&one, at(2));
        assert_eq!(networks.with_short_ssid(short).collect::<Vec<_>>(), [&one, &other]);
        networks.remove(&one);
        assert_eq!(networks.with_short_ssid(short).collect::<Vec<_>>(), [&other]);
        for number in 0..=NETWORK_LIMIT {
            networks.fold(&ssid(number), at(number + 9));
        }
        assert_eq!(networks.with_short_ssid(short).count(), 0, "forgotten");
        assert_eq!(networks.by_short_ssid.values().map(SmallVec::len).sum::<usize>(), networks.len());
    }

    #[test]
    fn passes_new_changed_and_removed_rows_to_the_store() {
        let dirty = |networks: &Networks| {
            let mut dirty: Vec<(Ssid, bool)> = Vec::new();
            networks.dirty_rows(b'k', &mut |row| {
                dirty.push((postcard::from_bytes(row.key).unwrap(), row.row.is_some()));
            });
            dirty.sort();
            dirty
        };
        let mut networks = Networks::default();
        networks.fold(&ssid(0), at(0));
        networks.fold(&ssid(1), at(1));
        assert_eq!(dirty(&networks), [(ssid(0), true), (ssid(1), true)]);
        networks.mark_clean();
        assert_eq!(dirty(&networks), []);
        networks.fold(&ssid(1), at(2));
        assert_eq!(dirty(&networks), [(ssid(1), true)]);
        networks.mark_clean();
        for number in 2..=NETWORK_LIMIT {
            networks.fold(&ssid(number), at(number));
        }
        assert!(dirty(&networks).contains(&(ssid(0), false)), "removed");
        networks.fold(&ssid(0), at(9));
        assert!(dirty(&networks).contains(&(ssid(0), true)), "and known again");
        assert_eq!(
            dirty(&networks).len(),
            NETWORK_LIMIT / 2 + 1,
            "a network that was never saved is not removed"
        );
    }

    #[test]
    fn without_a_probe_for_a_name_there_are_none() {
        let mut networks = Networks::default();
        assert!(networks.is_empty());
        networks.fold(&ssid(1), at(1));
        assert!(!networks.is_empty());
    }
}

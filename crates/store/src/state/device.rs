//! The statistics of one address: a fold of its probes, which [`device_row`](super::device_row) carries out.

use serde::{Deserialize, Serialize};

use super::hour_histogram::HourHistogram;
use crate::event::Timestamp;
use dot11::{ShortSsid, Signature, Ssid, measured_dbm};

/// SSIDs that are kept for one address. Probes for further ones are only counted.
pub const SSIDS_PER_ADDRESS: usize = 256;

/// Short SSIDs that are kept for one address.
pub(super) const SHORT_SSIDS_PER_ADDRESS: usize = 64;

/// The statistics of one address, or of several that share a name ([`Device::merge`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Probe requests.
    pub probe_count: u64,
    /// Those with a wildcard SSID (an SSID element of length 0).
    pub wildcard_count: u64,
    /// Those for a hidden network (an SSID of NUL bytes), which are for no network by its name.
    pub hidden_count: u64,
    /// The capture time of the earliest probe.
    pub first_probe: Timestamp,
    /// The capture time of the latest probe.
    pub last_probe: Timestamp,
    /// The signal, if any probe had one.
    pub signal: Option<Signal>,
    /// The signature of the latest probe; `None` in a row of an earlier version.
    pub signature: Option<Signature>,
    /// The number of probes for each SSID, ordered by SSID.
    pub(super) ssids: Vec<(Ssid, u64)>,
    /// Probes for networks beyond the first [`SSIDS_PER_ADDRESS`].
    pub probes_for_further_ssids: u64,
    /// The probes by the hour of the day.
    pub hours: HourHistogram,
    /// The number of probes for each Short SSID, ordered by that; the first [`SHORT_SSIDS_PER_ADDRESS`] of an address.
    pub(super) short_ssids: Vec<(ShortSsid, u64)>,
}

/// Signal at the receiver, in dBm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// The signal of the latest probe.
    pub last_dbm: i8,
    /// The weakest.
    pub min_dbm: i8,
    /// The strongest.
    pub max_dbm: i8,
    /// The capture time of the latest probe.
    last_time: Timestamp,
}

impl Signal {
    /// The signal of one probe.
    pub(super) fn of(dbm: i8, time: Timestamp) -> Self {
        Self { last_dbm: dbm, min_dbm: dbm, max_dbm: dbm, last_time: time }
    }

    /// The signal without the levels that no receiver measures, which earlier versions recorded; `None` if nothing is
    /// left.
    pub(super) fn measured(self) -> Option<Self> {
        let levels = || [self.last_dbm, self.min_dbm, self.max_dbm].into_iter().filter_map(measured_dbm);
        let (min_dbm, max_dbm) = (levels().min()?, levels().max()?);
        let last_dbm = measured_dbm(self.last_dbm).unwrap_or(max_dbm);
        Some(Self { last_dbm, min_dbm, max_dbm, ..self })
    }

    /// The signal with no time after `now`.
    pub(super) fn limit_time(self, now: Timestamp) -> Self {
        Self { last_time: self.last_time.min(now), ..self }
    }

    #[must_use]
    pub(super) fn merge(self, other: Self) -> Self {
        let last = if other.last_time >= self.last_time { other } else { self };
        Self { min_dbm: self.min_dbm.min(other.min_dbm), max_dbm: self.max_dbm.max(other.max_dbm), ..last }
    }
}

impl Device {
    /// The statistics before the first probe, which is captured at `time`.
    pub(super) fn before_first_probe(time: Timestamp) -> Self {
        Self {
            probe_count: 0,
            wildcard_count: 0,
            hidden_count: 0,
            first_probe: time,
            last_probe: time,
            signal: None,
            signature: None,
            ssids: Vec::new(),
            probes_for_further_ssids: 0,
            hours: HourHistogram::default(),
            short_ssids: Vec::new(),
        }
    }

    /// Adds the statistics of another address of the same device.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        self.probe_count += other.probe_count;
        self.wildcard_count += other.wildcard_count;
        self.hidden_count += other.hidden_count;
        self.first_probe = self.first_probe.min(other.first_probe);
        if other.last_probe >= self.last_probe {
            self.signature = other.signature.or(self.signature);
        }
        self.last_probe = self.last_probe.max(other.last_probe);
        self.signal = match (self.signal, other.signal) {
            (Some(one), Some(another)) => Some(one.merge(another)),
            (one, another) => one.or(another),
        };
        add_counts(&mut self.ssids, &other.ssids);
        self.probes_for_further_ssids += other.probes_for_further_ssids;
        self.hours = self.hours.merge(&other.hours);
        add_counts(&mut self.short_ssids, &other.short_ssids);
        self
    }

    /// The Short SSIDs of networks that it asked for without a name, and the number of probes for each, in order.
    pub fn short_ssids(&self) -> &[(ShortSsid, u64)] {
        &self.short_ssids
    }

    /// The requested SSIDs and the number of probes for each, ordered by SSID.
    pub fn ssids(&self) -> &[(Ssid, u64)] {
        &self.ssids
    }
}

/// Adds `others` to `counts`; both are ordered by their keys.
fn add_counts<K: Ord + Clone>(counts: &mut Vec<(K, u64)>, others: &[(K, u64)]) {
    for (key, count) in others {
        match counts.binary_search_by(|(known, _)| known.cmp(key)) {
            Ok(index) => counts[index].1 += count,
            Err(index) => counts.insert(index, (key.clone(), *count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// What is known of an address that sent probes at these seconds, for these networks.
    fn device(seconds: [i64; 2], dbm: [i8; 2], signature: Option<u64>, ssids: &[(&str, u64)]) -> Device {
        let mut hours = HourHistogram::default();
        seconds.iter().for_each(|second| hours.add(at(*second)));
        let signals = [0, 1].map(|index| Signal::of(dbm[index], at(seconds[index])));
        Device {
            probe_count: 20,
            wildcard_count: 3,
            hidden_count: 4,
            first_probe: at(seconds[0]),
            last_probe: at(seconds[1]),
            signal: Some(signals[0].merge(signals[1])),
            signature: signature.map(Signature::from_u64),
            ssids: ssids.iter().map(|(ssid, count)| (Ssid::from(*ssid), *count)).collect(),
            probes_for_further_ssids: 5,
            hours,
            short_ssids: vec![(ShortSsid::from_u32(7), 2)],
        }
    }

    #[test]
    fn the_statistics_of_two_addresses_are_those_of_all_their_probes() {
        let one = device([0, 100], [-50, -60], Some(1), &[("a", 1), ("c", 2)]);
        let other = device([50, 4_000], [-40, -70], Some(2), &[("b", 3), ("c", 4)]);
        let merged = one.clone().merge(&other);
        let mut expected = device([0, 4_000], [0, 0], Some(2), &[("a", 1), ("b", 3), ("c", 6)]);
        expected.hours = one.hours.merge(&other.hours);
        expected.signal = Some(Signal { last_dbm: -70, min_dbm: -70, max_dbm: -40, last_time: at(4_000) });
        expected.probe_count = 40;
        expected.wildcard_count = 6;
        expected.hidden_count = 8;
        expected.probes_for_further_ssids = 10;
        expected.short_ssids = vec![(ShortSsid::from_u32(7), 4)];
        assert_eq!((&merged, merged.ssids().len()), (&expected, 3));
        assert_eq!(other.clone().merge(&one), expected, "in either order");
        assert_eq!(serde_json::to_string(&merged.hours).unwrap(), "[[0,3],[1,1]]");
        // What the later one does not say, the earlier one may.
        let silent = Device { signal: None, signature: None, ..other };
        let merged = one.clone().merge(&silent);
        assert_eq!((merged.signal, merged.signature), (one.signal, one.signature));
        let merged = silent.merge(&one);
        assert_eq!((merged.signal, merged.signature), (one.signal, None));
        // Of two that ended at once, the other.
        let again = device([0, 100], [-50, -60], Some(9), &[]);
        assert_eq!(one.merge(&again).signature, again.signature);
    }
}

//! A device as it lies packed: what is asked for is read, and a probe folded in, without unpacking the rest.
//! A replay does little else.
//!
//! The row is what postcard makes of a [`Device`], so that [`fold`] must give what would come of unpacking
//! it, counting the probe, and packing it again.

use std::ops::Range;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use super::device::{Device, SSIDS_PER_ADDRESS, Signal};
use super::hour_histogram::{HOURS, HourHistogram};
use super::table::{packed, push};
use crate::event::{Probe, Timestamp};
use dot11::{MacAddr, RequestedSsid, Ssid};

/// A device of which no more is unpacked than what is asked for.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow<'a> {
    /// Its address.
    pub address: MacAddr,
    row: &'a [u8],
}

/// What can be told of a device at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceSummary {
    /// Probe requests heard.
    pub probe_count: u64,
    /// The capture time of the latest.
    pub last_probe: Timestamp,
    /// The signal, where any probe had one.
    pub signal: Option<Signal>,
}

impl<'a> DeviceRow<'a> {
    pub(super) fn new(address: MacAddr, row: &'a [u8]) -> Self {
        Self { address, row }
    }

    /// The first things of it.
    pub fn summary(&self) -> Option<DeviceSummary> {
        let Head { probe_count, last_probe, signal, .. } = take(&mut { self.row })?;
        Some(DeviceSummary { probe_count, last_probe, signal })
    }

    /// How often it asked for this network.
    pub fn probes_for(&self, network: &SsidQuery) -> u64 {
        // A row without these bytes need not be unpacked.
        if network.finder.find(self.row).is_none() {
            return 0;
        }
        counted(self.row, &network.ssid).unwrap_or(0)
    }
}

/// The count of an SSID in a packed device.
fn counted(mut row: &[u8], ssid: &Ssid) -> Option<u64> {
    let _: Head = take(&mut row)?;
    Counts::take(&mut row, Some(ssid.as_bytes()))?.count
}

/// A network that devices are asked about.
#[derive(Debug)]
pub struct SsidQuery {
    ssid: Ssid,
    finder: Finder<'static>,
}

impl SsidQuery {
    /// The network of this SSID.
    pub fn new(ssid: &Ssid) -> Self {
        Self { ssid: ssid.clone(), finder: Finder::new(&packed(ssid)).into_owned() }
    }
}

/// The first fields of a [`Device`].
#[derive(Serialize, Deserialize)]
struct Head {
    probe_count: u64,
    wildcard_count: u64,
    first_probe: Timestamp,
    last_probe: Timestamp,
    signal: Option<Signal>,
}

impl Head {
    /// The order of arrival does not matter: times are capture times.
    fn fold(&mut self, probe: &Probe) {
        self.probe_count += 1;
        self.wildcard_count += u64::from(probe.ssid == RequestedSsid::Wildcard);
        self.first_probe = self.first_probe.min(probe.time);
        self.last_probe = self.last_probe.max(probe.time);
        if let Some(dbm) = probe.signal_dbm {
            let heard = Signal::of(dbm, probe.time);
            self.signal = Some(self.signal.map_or(heard, |signal| signal.merge(heard)));
        }
    }
}

/// The last probe of a packed device.
pub(super) fn last_probe(row: &[u8]) -> Timestamp {
    let fields: Option<(u64, u64, Timestamp, Timestamp)> = take(&mut { row });
    fields.map_or(Timestamp::from_micros(i64::MIN), |(_, _, _, last_probe)| last_probe)
}

/// Packs behind what `into` has the statistics after a first probe.
pub(super) fn first_probe(probe: &Probe, into: &mut Vec<u8>) {
    // What was packed just now can be read.
    let _ = fold(&packed(&Device::before_first_probe(probe.time)), probe, into);
}

/// Packs behind what `into` has the statistics of `row` with one more probe; `None` where the row cannot be
/// read, and `into` then ends with a part of them.
pub(super) fn fold(row: &[u8], probe: &Probe, into: &mut Vec<u8>) -> Option<()> {
    let mut rest = row;
    let mut head: Head = take(&mut rest)?;
    head.fold(probe);
    push(&head, into);

    let ssid = probe.ssid.named().map(Ssid::as_bytes);
    let ssids = Counts::take(&mut rest, ssid)?;
    ssids.push(SSIDS_PER_ADDRESS, u64::MAX, into);
    let probes_for_further: u64 = take(&mut rest)?;
    push(&(probes_for_further + u64::from(ssids.is_beyond(SSIDS_PER_ADDRESS))), into);

    let hours = Counts::take(&mut rest, Some(HourHistogram::hour_of(probe.time)))?;
    hours.push(HOURS, u32::MAX.into(), into);
    Some(())
}

/// Packed pairs of a key and its count, in the order of the keys.
struct Counts<'a, K> {
    length: usize,
    pairs: &'a [u8],
    /// What is to be counted once more.
    key: Option<K>,
    /// Its count, where it has one.
    count: Option<u64>,
    /// Where that stands, or where the pair would.
    place: Range<usize>,
}

impl<'a, K: Copy + Ord + Serialize + Deserialize<'a>> Counts<'a, K> {
    /// Takes the pairs from `rest`, and looks for that of `key` meanwhile.
    fn take(rest: &mut &'a [u8], key: Option<K>) -> Option<Self> {
        let length = take(rest)?;
        let all = *rest;
        let at = |rest: &[u8]| all.len() - rest.len();
        let mut found = None;
        for _ in 0..length {
            let pair = at(rest);
            let known = take(rest)?;
            let value = at(rest);
            let count = take(rest)?;
            if found.is_none() && key.is_some_and(|key| key <= known) {
                let is_it = key == Some(known);
                found = Some(if is_it { (Some(count), value..at(rest)) } else { (None, pair..pair) });
            }
        }
        let pairs = all.get(..at(rest))?;
        let (count, place) = found.unwrap_or((None, pairs.len()..pairs.len()));
        Some(Self { length, pairs, key, count, place })
    }

    /// Whether the key is another than `most` others.
    fn is_beyond(&self, most: usize) -> bool {
        self.key.is_some() && self.count.is_none() && self.length >= most
    }

    /// Packs the pairs, with one more of the key unless that is beyond `most` others. No count becomes more
    /// than `highest`.
    fn push(&self, most: usize, highest: u64, into: &mut Vec<u8>) {
        let Some(key) = self.key.filter(|_| !self.is_beyond(most)) else {
            push(&self.length, into);
            return into.extend_from_slice(self.pairs);
        };
        let (before, behind) = self.pairs.split_at(self.place.start);
        push(&(self.length + usize::from(self.count.is_none())), into);
        into.extend_from_slice(before);
        match self.count {
            Some(count) => push(&count.saturating_add(1).min(highest), into),
            None => push(&(key, 1_u64), into),
        }
        into.extend_from_slice(&behind[self.place.len()..]);
    }
}

/// Takes what is packed at the beginning of `rest`.
fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Option<T> {
    let (value, behind) = postcard::take_from_bytes(rest).ok()?;
    *rest = behind;
    Some(value)
}

#[cfg(test)]
mod tests {

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// As [`fold`] is to come out.
    fn count(device: &mut Device, probe: &Probe) {
        device.probe_count += 1;
        device.first_probe = device.first_probe.min(probe.time);
        device.last_probe = device.last_probe.max(probe.time);
        device.hours.add(probe.time);
        if let Some(dbm) = probe.signal_dbm {
            let heard = Signal::of(dbm, probe.time);
            device.signal = Some(device.signal.map_or(heard, |signal| signal.merge(heard)));
        }
        match &probe.ssid {
            RequestedSsid::Absent => {}
            RequestedSsid::Wildcard => device.wildcard_count += 1,
            RequestedSsid::Named(ssid) => match device.ssids.binary_search_by(|(known, _)| known.cmp(ssid)) {
                Ok(place) => device.ssids[place].1 += 1,
                Err(place) if device.ssids.len() < SSIDS_PER_ADDRESS => {
                    device.ssids.insert(place, (ssid.clone(), 1));
                }
                Err(_) => device.probes_for_further_ssids += 1,
            },
        }
    }

    fn probe(micros: i64, ssid: RequestedSsid, signal_dbm: Option<i8>) -> Probe {
        Probe {
            signal_dbm,
            ..Probe::example(MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]), ssid, micros)
        }
    }

    #[track_caller]
    fn folds_as_unpacked(mut device: Device, probes: impl IntoIterator<Item = Probe>) {
        let mut row = packed(&device);
        for probe in probes {
            let mut next = b"before".to_vec();
            fold(&row, &probe, &mut next).unwrap();
            row = next.strip_prefix(b"before").unwrap().to_vec();
            count(&mut device, &probe);
            assert_eq!(postcard::from_bytes::<Device>(&row).unwrap(), device);
            assert_eq!(row, packed(&device));
        }
        let row = DeviceRow::new(MacAddr::new([0; 6]), &row);
        for (ssid, count) in &device.ssids {
            assert_eq!(row.probes_for(&SsidQuery::new(ssid)), *count);
        }
        assert_eq!(row.probes_for(&SsidQuery::new(&Ssid::from("another"))), 0);
    }

    /// Few of a kind, so that some come again.
    fn some_probe() -> impl Strategy<Value = Probe> {
        let ssid = prop_oneof![
            Just(RequestedSsid::Absent),
            Just(RequestedSsid::Wildcard),
            vec(0..3_u8, 1..4).prop_map(|bytes| RequestedSsid::from_element(&bytes)),
            vec(any::<u8>(), 1..=255).prop_map(|bytes| RequestedSsid::from_element(&bytes)),
        ];
        let micros = prop_oneof![any::<i64>(), -90_000_000_000..90_000_000_000_i64];
        (micros, ssid, any::<Option<i8>>()).prop_map(|(micros, ssid, dbm)| probe(micros, ssid, dbm))
    }

    proptest! {
        #[test]
        fn any_probes_are_folded_as_unpacked(probes in vec(some_probe(), 1..300)) {
            folds_as_unpacked(Device::before_first_probe(probes[0].time), probes);
        }
    }

    #[test]
    fn ssids_beyond_the_limit_are_only_counted() {
        let named = |number: usize| {
            let ssid = RequestedSsid::from_element(format!("net {number}").as_bytes());
            probe(number as i64, ssid, None)
        };
        let numbers = (0..SSIDS_PER_ADDRESS + 3).chain([0, SSIDS_PER_ADDRESS + 1]);
        folds_as_unpacked(Device::before_first_probe(Timestamp::from_micros(0)), numbers.map(named));
    }

    #[test]
    fn the_count_of_an_hour_stays_at_its_end() {
        let mut device = Device::before_first_probe(Timestamp::from_micros(0));
        device.hours = serde_json::from_str("[[0,4294967294],[23,1]]").unwrap();
        folds_as_unpacked(device, (0..3).map(|micros| probe(micros, RequestedSsid::Absent, None)));
    }

    #[test]
    fn what_is_no_row_is_not_folded() {
        let mut row = Vec::new();
        first_probe(&probe(7, RequestedSsid::from_element(b"RNM0"), Some(-42)), &mut row);
        let one = probe(8, RequestedSsid::from_element(b"RNM0"), None);
        assert!(fold(&row, &one, &mut Vec::new()).is_some());
        for length in 0..row.len() {
            assert_eq!(fold(&row[..length], &one, &mut Vec::new()), None, "its first {length} bytes");
        }
    }
}

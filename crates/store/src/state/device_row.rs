//! A packed device row. Reads fields and adds probes without unpacking all of it; a replay does little else.
//!
//! The row is a [`Device`] packed by postcard. [`fold`] gives the same bytes as unpacking the row, counting the probe,
//! and packing it again.

use std::ops::Range;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use super::device::{Device, SHORT_SSIDS_PER_ADDRESS, SSIDS_PER_ADDRESS, Signal};
use super::hour_histogram::{HOURS, HourHistogram};
use super::table::{packed, push};
use crate::event::{Probe, Timestamp};
use dot11::{MacAddr, ShortSsid, Signature, Ssid};

/// A packed device, decoded lazily.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow<'a> {
    /// Its address.
    pub address: MacAddr,
    row: &'a [u8],
}

/// The first fields of a device's statistics, which are cheap to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceSummary {
    /// Probe requests.
    pub probe_count: u64,
    /// The capture time of the earliest probe.
    pub first_probe: Timestamp,
    /// The capture time of the latest probe.
    pub last_probe: Timestamp,
    /// The signal, if any probe had one.
    pub signal: Option<Signal>,
}

impl<'a> DeviceRow<'a> {
    pub(super) fn new(address: MacAddr, row: &'a [u8]) -> Self {
        Self { address, row }
    }

    /// The header fields; `None` if the row cannot be read.
    pub fn summary(&self) -> Option<DeviceSummary> {
        let DeviceHeader { probe_count, first_probe, last_probe, signal, .. } = take(&mut { self.row })?;
        Some(DeviceSummary { probe_count, first_probe, last_probe, signal })
    }

    /// The number of its probes for this SSID.
    pub fn probes_for(&self, query: &SsidQuery) -> u64 {
        // A row without these bytes need not be unpacked.
        if query.finder.find(self.row).is_none() {
            return 0;
        }
        count_of(self.row, &query.ssid).unwrap_or(0)
    }

    /// The number of its probes with this Short SSID.
    pub fn probes_for_short(&self, short: ShortSsid) -> u64 {
        // The last field is empty in nearly every row; else its last byte is that of a count.
        if self.row.ends_with(&[0]) {
            return 0;
        }
        let device: Option<Device> = postcard::from_bytes(self.row).ok();
        let counts = device.iter().flat_map(Device::short_ssids);
        counts.filter(|(known, _)| *known == short).map(|(_, count)| *count).sum()
    }
}

/// The number of probes for an SSID in a packed device.
fn count_of(mut row: &[u8], ssid: &Ssid) -> Option<u64> {
    let _: DeviceHeader = take(&mut row)?;
    Counts::take(&mut row, Some(ssid.as_bytes()))?.count
}

/// The SSID of a query.
#[derive(Debug)]
pub struct SsidQuery {
    ssid: Ssid,
    finder: Finder<'static>,
}

impl SsidQuery {
    /// A query for this SSID.
    pub fn new(ssid: &Ssid) -> Self {
        Self { ssid: ssid.clone(), finder: Finder::new(&packed(ssid)).into_owned() }
    }
}

/// The first fields of a [`Device`].
#[derive(Serialize, Deserialize)]
struct DeviceHeader {
    probe_count: u64,
    wildcard_count: u64,
    hidden_count: u64,
    first_probe: Timestamp,
    last_probe: Timestamp,
    signal: Option<Signal>,
    signature: Option<Signature>,
}

impl DeviceHeader {
    /// The order of arrival does not matter: times are capture times.
    fn fold(&mut self, probe: &Probe) {
        self.probe_count += 1;
        self.wildcard_count += u64::from(probe.is_wildcard());
        self.hidden_count += u64::from(probe.is_hidden());
        self.first_probe = self.first_probe.min(probe.time);
        if probe.time >= self.last_probe {
            self.signature = Some(probe.signature);
        }
        self.last_probe = self.last_probe.max(probe.time);
        if let Some(dbm) = probe.signal_dbm {
            let signal = Signal::of(dbm, probe.time);
            self.signal = Some(self.signal.map_or(signal, |before| before.merge(signal)));
        }
    }
}

/// The time of the latest probe of a packed device.
pub(super) fn last_probe(row: &[u8]) -> Timestamp {
    let fields: Option<(u64, u64, u64, Timestamp, Timestamp)> = take(&mut { row });
    fields.map_or(Timestamp::from_micros(i64::MIN), |(_, _, _, _, last_probe)| last_probe)
}

/// Appends to `into` the row after a first probe.
pub(super) fn first_probe(probe: &Probe, into: &mut Vec<u8>) {
    // A row that was packed just now can be read.
    let _ = fold(&packed(&Device::before_first_probe(probe.time)), probe, into);
}

/// Appends the packed statistics of `row` with one more probe to `into`. Returns `None` if the row cannot be read; then
/// `into` ends with a part of them.
pub(super) fn fold(row: &[u8], probe: &Probe, into: &mut Vec<u8>) -> Option<()> {
    let mut rest = row;
    let mut header: DeviceHeader = take(&mut rest)?;
    header.fold(probe);
    push(&header, into);

    if probe.listed.is_none() {
        let ssid = probe.ssid.named().map(Ssid::as_bytes);
        let ssids = Counts::take(&mut rest, ssid)?;
        ssids.encode_incremented(SSIDS_PER_ADDRESS, u64::MAX, into);
        let probes_for_further: u64 = take(&mut rest)?;
        push(&(probes_for_further + u64::from(ssids.exceeds_limit(SSIDS_PER_ADDRESS))), into);
    } else {
        // Rare, and more than one key.
        let (mut ssids, mut probes_for_further): (Vec<(Ssid, u64)>, u64) = take(&mut rest)?;
        for ssid in probe.names() {
            probes_for_further += u64::from(!increment(&mut ssids, ssid.into_owned(), SSIDS_PER_ADDRESS));
        }
        push(&(ssids, probes_for_further), into);
    }

    let hours = Counts::take(&mut rest, Some(HourHistogram::hour_of(probe.time)))?;
    hours.encode_incremented(HOURS, u32::MAX.into(), into);
    let mut short_ssids: Vec<(ShortSsid, u64)> = take(&mut rest)?;
    for short in probe.short_ssids() {
        increment(&mut short_ssids, *short, SHORT_SSIDS_PER_ADDRESS);
    }
    push(&short_ssids, into);
    Some(())
}

/// Counts one more of `key`, unless that would be one of more than `limit` keys; returns whether it did.
fn increment<K: Ord>(counts: &mut Vec<(K, u64)>, key: K, limit: usize) -> bool {
    match counts.binary_search_by(|(known, _)| known.cmp(&key)) {
        Ok(index) => counts[index].1 += 1,
        Err(_) if counts.len() >= limit => return false,
        Err(index) => counts.insert(index, (key, 1)),
    }
    true
}

/// Appends to `into` the row with no time after `now`. Returns `None` if the row cannot be read.
pub(super) fn limit_times(row: &[u8], now: Timestamp, into: &mut Vec<u8>) -> Option<()> {
    let mut rest = row;
    let mut header: DeviceHeader = take(&mut rest)?;
    (header.first_probe, header.last_probe) = (header.first_probe.min(now), header.last_probe.min(now));
    header.signal = header.signal.map(|signal| signal.limit_time(now));
    push(&header, into);
    into.extend_from_slice(rest);
    Some(())
}

/// Packed pairs of a key and its count, in the order of the keys.
struct Counts<'a, K> {
    length: usize,
    pairs: &'a [u8],
    /// The key to increment.
    key: Option<K>,
    /// Its count, if it has one.
    count: Option<u64>,
    /// Its position, or the insert position.
    position: Range<usize>,
}

impl<'a, K: Copy + Ord + Serialize + Deserialize<'a>> Counts<'a, K> {
    /// Takes the pairs from `rest`, and finds that of `key`.
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
        let (count, position) = found.unwrap_or((None, pairs.len()..pairs.len()));
        Some(Self { length, pairs, key, count, position })
    }

    /// Whether a new key would exceed `most` keys.
    fn exceeds_limit(&self, most: usize) -> bool {
        self.key.is_some() && self.count.is_none() && self.length >= most
    }

    /// Appends the pairs with the key incremented, unless it exceeds `most` keys. Counts saturate at `highest`.
    fn encode_incremented(&self, most: usize, highest: u64, into: &mut Vec<u8>) {
        let Some(key) = self.key.filter(|_| !self.exceeds_limit(most)) else {
            push(&self.length, into);
            return into.extend_from_slice(self.pairs);
        };
        let (before, behind) = self.pairs.split_at(self.position.start);
        push(&(self.length + usize::from(self.count.is_none())), into);
        into.extend_from_slice(before);
        match self.count {
            Some(count) => push(&count.saturating_add(1).min(highest), into),
            None => push(&(key, 1_u64), into),
        }
        into.extend_from_slice(&behind[self.position.len()..]);
    }
}

/// Takes the value at the beginning of `rest`.
fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Option<T> {
    let (value, behind) = postcard::take_from_bytes(rest).ok()?;
    *rest = behind;
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::event::ListedNetworks;
    use dot11::RequestedSsid;
    use dot11::builder::FrameBuilder;

    /// Reference implementation of `fold`.
    fn count(device: &mut Device, probe: &Probe) {
        let mut ssids: BTreeMap<_, _> = device.ssids.drain(..).collect();
        for ssid in probe.names() {
            if ssids.len() < SSIDS_PER_ADDRESS || ssids.contains_key(&*ssid) {
                *ssids.entry(ssid.into_owned()).or_default() += 1;
            } else {
                device.probes_for_further_ssids += 1;
            }
        }
        device.ssids.extend(ssids);
        let mut short_ssids: BTreeMap<_, _> = device.short_ssids.drain(..).collect();
        for short in probe.short_ssids() {
            if short_ssids.len() < SHORT_SSIDS_PER_ADDRESS || short_ssids.contains_key(short) {
                *short_ssids.entry(*short).or_default() += 1;
            }
        }
        device.short_ssids.extend(short_ssids);
        device.probe_count += 1;
        device.wildcard_count += u64::from(probe.is_wildcard());
        device.hidden_count += u64::from(probe.is_hidden());
        device.first_probe = device.first_probe.min(probe.time);
        if probe.time >= device.last_probe {
            device.signature = Some(probe.signature);
        }
        device.last_probe = device.last_probe.max(probe.time);
        device.hours.add(probe.time);
        if let Some(dbm) = probe.signal_dbm {
            let signal = Signal::of(dbm, probe.time);
            device.signal = Some(device.signal.map_or(signal, |before| before.merge(signal)));
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

    /// From few different values, so some repeat.
    fn some_probe() -> impl Strategy<Value = Probe> {
        let ssid = prop_oneof![
            Just(RequestedSsid::Absent),
            Just(RequestedSsid::Wildcard),
            vec(0..3_u8, 1..4).prop_map(|bytes| RequestedSsid::from_element(&bytes)),
            vec(any::<u8>(), 1..=255).prop_map(|bytes| RequestedSsid::from_element(&bytes)),
        ];
        let micros = prop_oneof![any::<i64>(), -90_000_000_000..90_000_000_000_i64];
        let list = option::weighted(0.2, vec(vec(0..3_u8, 0..4), 0..9));
        (micros, ssid, any::<Option<i8>>(), any::<u64>(), list).prop_map(
            |(micros, ssid, dbm, signature, list)| {
                let list: Vec<&[u8]> = list.iter().flatten().map(Vec::as_slice).collect();
                let frame = FrameBuilder::new(MacAddr::BROADCAST).ssid_list(&list).short_ssid_list(&list);
                Probe {
                    signature: Signature::from_u64(signature),
                    listed: ListedNetworks::of(&frame.elements),
                    ..probe(micros, ssid, dbm)
                }
            },
        )
    }

    proptest! {
        #[test]
        fn folds_any_probes_as_unpacked(probes in vec(some_probe(), 1..300)) {
            folds_as_unpacked(Device::before_first_probe(probes[0].time), probes);
        }
    }

    #[test]
    fn only_counts_ssids_beyond_the_limit() {
        let named = |number: usize| {
            let ssid = RequestedSsid::from_element(format!("net {number}").as_bytes());
            probe(number as i64, ssid, None)
        };
        let numbers = (0..SSIDS_PER_ADDRESS + 3).chain([0, SSIDS_PER_ADDRESS + 1]);
        folds_as_unpacked(Device::before_first_probe(Timestamp::from_micros(0)), numbers.map(named));
    }

    #[test]
    fn counts_every_network_of_a_list_and_the_frame_once() {
        let elements =
            FrameBuilder::new(MacAddr::BROADCAST).ssid_list(&[b"", b"\0", b"a", b"First", b"a"]).elements;
        let listed = ListedNetworks::of(&elements);
        let one = Probe { listed, ..probe(7, RequestedSsid::from_element(b"First"), None) };
        let mut row = Vec::new();
        first_probe(&one, &mut row);
        let device: Device = postcard::from_bytes(&row).unwrap();
        assert_eq!((device.probe_count, device.wildcard_count, device.hidden_count), (1, 1, 1));
        assert_eq!(device.ssids(), [(Ssid::from("First"), 1), (Ssid::from("a"), 1)]);
        folds_as_unpacked(device, [one.clone(), one]);
    }

    #[test]
    fn the_count_of_an_hour_saturates() {
        let mut device = Device::before_first_probe(Timestamp::from_micros(0));
        device.hours = serde_json::from_str("[[0,4294967294],[23,1]]").unwrap();
        folds_as_unpacked(device, (0..3).map(|micros| probe(micros, RequestedSsid::Absent, None)));
    }

    #[test]
    fn does_not_fold_into_a_truncated_row() {
        let mut row = Vec::new();
        first_probe(&probe(7, RequestedSsid::from_element(b"RNM0"), Some(-42)), &mut row);
        let one = probe(8, RequestedSsid::from_element(b"RNM0"), None);
        assert!(fold(&row, &one, &mut Vec::new()).is_some());
        for length in 0..row.len() {
            assert_eq!(fold(&row[..length], &one, &mut Vec::new()), None, "its first {length} bytes");
        }
    }
}

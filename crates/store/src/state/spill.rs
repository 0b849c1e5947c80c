//! The rows of devices in temporary files, for a fold that must take little memory, however many devices there are.
//!
//! The rows are spread over [`BUCKETS`] files by a hash of the address. What a probe changes in its row is noted, and
//! carried out for a whole bucket at a time: once many notes wait, or somebody asks for a row. Only which addresses
//! there are is in memory, in six bytes each, since the fold needs that at once.
//!
//! A failure of a file is kept until [`Spill::finish`], and nothing is done after it: a fold has no errors.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::device_row;
use super::table::push;
use crate::event::{Probe, Timestamp};
use dot11::{MacAddr, RequestedSsid, Signature};

/// Files that the rows are spread over.
const BUCKETS: usize = 256;

/// Bytes of notes that wait.
const WAITING_BYTES: usize = 4 << 20;

/// Addresses for which a bucket makes room at a time.
const ADDRESSES_AT_A_TIME: usize = 256;

type Address = [u8; 6];

/// What is to be done with a row.
#[derive(Serialize, Deserialize)]
enum Note<'a> {
    Probe {
        time: Timestamp,
        signal_dbm: Option<i8>,
        signature: Signature,
        /// The body of the SSID element, if there is one.
        ssid: Option<&'a [u8]>,
    },
    /// A probe with more than that, as JSON.
    ProbeWithLists(&'a [u8]),
    Set(&'a [u8]),
    /// Compares it with that of another state, and removes it if it is equal.
    Compare(&'a [u8]),
}

struct Bucket {
    file: File,
    /// Its addresses, sorted.
    addresses: Vec<Address>,
    waiting: Vec<u8>,
}

/// Rows that differ from those of another state.
#[derive(Default)]
pub(super) struct Compared {
    /// Rows of the other state that this one has not.
    pub(super) missing: u64,
    /// Rows of this one that are not equal.
    pub(super) left: u64,
    /// The first of all, with the other state's row.
    pub(super) first: BTreeMap<Address, Option<Box<[u8]>>>,
}

/// The rows of all devices. Clones share them.
#[derive(Clone)]
pub(super) struct Spill(Arc<Mutex<Inner>>);

struct Inner {
    buckets: Vec<Bucket>,
    waiting_bytes: usize,
    /// How many different rows [`Compared`] keeps.
    limit: usize,
    compared: Compared,
    failure: Option<io::Error>,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").finish_non_exhaustive()
    }
}

impl Spill {
    /// No rows. The files are made in this folder, where nobody sees them.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let bucket =
            |_| Ok(Bucket { file: hidden_file(folder)?, addresses: Vec::new(), waiting: Vec::new() });
        let buckets = (0..BUCKETS).map(bucket).collect::<io::Result<_>>()?;
        let (compared, failure) = (Compared::default(), None);
        Ok(Self(Arc::new(Mutex::new(Inner { buckets, waiting_bytes: 0, limit: 0, compared, failure }))))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Folds in a probe; returns whether its address is new.
    pub(super) fn fold(&self, probe: &Probe) -> bool {
        let mut inner = self.lock();
        let address = probe.source.octets();
        let is_new = inner.add(address);
        if probe.listed.is_some() {
            match serde_json::to_vec(probe) {
                Ok(json) => inner.note(address, &Note::ProbeWithLists(&json)),
                Err(error) => drop(inner.failure.get_or_insert(error.into())),
            }
            return is_new;
        }
        let ssid = match &probe.ssid {
            RequestedSsid::Absent => None,
            RequestedSsid::Wildcard => Some(&[][..]),
            RequestedSsid::Named(ssid) => Some(ssid.as_bytes()),
        };
        let (time, signal_dbm, signature) = (probe.time, probe.signal_dbm, probe.signature);
        inner.note(address, &Note::Probe { time, signal_dbm, signature, ssid });
        is_new
    }

    /// Sets a row.
    pub(super) fn set(&self, address: MacAddr, row: &[u8]) {
        let mut inner = self.lock();
        inner.add(address.octets());
        inner.note(address.octets(), &Note::Set(row));
    }

    /// The row of an address.
    pub(super) fn row(&self, address: MacAddr) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        let address = address.octets();
        if !inner.has(address) {
            return None;
        }
        let rows = inner.work_off(bucket_of(address));
        rows_of(&rows).find(|(of, _)| *of == address).map(|(_, row)| row.to_vec())
    }

    /// Removes the rows of this bucket that `is_evicted` accepts by their address and last probe, and returns the
    /// addresses; `None` if there is no such bucket.
    pub(super) fn evict_from_bucket(
        &self,
        bucket: usize,
        is_evicted: impl Fn(MacAddr, Timestamp) -> bool,
    ) -> Option<Vec<MacAddr>> {
        let mut inner = self.lock();
        inner.buckets.get(bucket)?;
        let rows = inner.work_off(bucket);
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        for (address, row) in rows_of(&rows) {
            match is_evicted(MacAddr::new(address), device_row::last_probe(row)) {
                true => gone.push(MacAddr::new(address)),
                false => push_row(address, row, &mut left),
            }
        }
        if !gone.is_empty() {
            inner.remove(bucket, &gone);
            inner.write(bucket, &left);
        }
        Some(gone)
    }

    /// What seems to be later than `now` counts as now.
    pub(super) fn limit_times(&self, now: Timestamp) {
        let mut inner = self.lock();
        for bucket in 0..BUCKETS {
            let rows = inner.work_off(bucket);
            let mut all = Vec::new();
            for (address, row) in rows_of(&rows) {
                let mut limited = Vec::new();
                let is_later = device_row::last_probe(row) > now;
                match is_later && device_row::limit_times(row, now, &mut limited).is_some() {
                    true => push_row(address, &limited, &mut all),
                    false => push_row(address, row, &mut all),
                }
            }
            inner.write(bucket, &all);
        }
    }

    /// Begins to compare: `limit` different rows are kept.
    pub(super) fn begin_comparison(&self, limit: usize) {
        self.lock().limit = limit;
    }

    /// Compares the row with that of another state.
    pub(super) fn compare(&self, address: MacAddr, row: &[u8]) {
        self.lock().note(address.octets(), &Note::Compare(row));
    }

    /// What was compared, once that is all of the other state.
    ///
    /// # Errors
    /// The first failure of a file.
    pub(super) fn finish(&self) -> io::Result<Compared> {
        let mut inner = self.lock();
        for bucket in 0..BUCKETS {
            let rows = inner.work_off(bucket);
            for (address, _) in rows_of(&rows) {
                inner.compared.left += 1;
                inner.add_different(address, None);
            }
        }
        match inner.failure.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut inner.compared)),
        }
    }
}

impl Inner {
    fn has(&self, address: Address) -> bool {
        let bucket = self.buckets.get(bucket_of(address));
        bucket.is_some_and(|bucket| bucket.addresses.binary_search(&address).is_ok())
    }

    /// Adds an address; returns whether it is new.
    fn add(&mut self, address: Address) -> bool {
        let Some(Bucket { addresses, .. }) = self.buckets.get_mut(bucket_of(address)) else { return false };
        let Err(place) = addresses.binary_search(&address) else { return false };
        if addresses.len() == addresses.capacity() {
            // Doubling would waste half of the memory.
            addresses.reserve_exact(ADDRESSES_AT_A_TIME);
        }
        addresses.insert(place, address);
        true
    }

    fn note(&mut self, address: Address, note: &Note<'_>) {
        if self.failure.is_some() {
            return;
        }
        let Some(bucket) = self.buckets.get_mut(bucket_of(address)) else { return };
        let before = bucket.waiting.len();
        push(&(address, note), &mut bucket.waiting);
        self.waiting_bytes += bucket.waiting.len() - before;
        if self.waiting_bytes > WAITING_BYTES {
            for bucket in 0..BUCKETS {
                self.work_off(bucket);
            }
        }
    }

    /// Does what waits for the bucket, and returns its rows, packed in the order of their addresses.
    fn work_off(&mut self, number: usize) -> Vec<u8> {
        if self.failure.is_some() {
            return Vec::new();
        }
        self.try_work_off(number).unwrap_or_else(|error| {
            self.failure = Some(error);
            Vec::new()
        })
    }

    fn try_work_off(&mut self, number: usize) -> io::Result<Vec<u8>> {
        let Some(bucket) = self.buckets.get_mut(number) else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        bucket.file.rewind()?;
        bucket.file.read_to_end(&mut rows)?;
        let waiting = std::mem::take(&mut bucket.waiting);
        self.waiting_bytes -= waiting.len();
        if waiting.is_empty() {
            return Ok(rows);
        }
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let (mut notes, mut rest) = (Vec::new(), &waiting[..]);
        while !rest.is_empty() {
            let note: (Address, Note<'_>);
            (note, rest) = postcard::take_from_bytes(rest).map_err(invalid)?;
            notes.push(note);
        }
        // The notes of an address stay in their order.
        notes.sort_by_key(|(address, _)| *address);
        let mut all = Vec::with_capacity(rows.len() + waiting.len());
        let mut known = rows_of(&rows).peekable();
        let (mut row, mut folded) = (Vec::new(), Vec::new());
        for notes in notes.chunk_by(|(one, _), (next, _)| one == next) {
            let Some((address, _)) = notes.first() else { continue };
            while let Some((before, row)) = known.next_if(|(known, _)| known < address) {
                push_row(before, row, &mut all);
            }
            row.clear();
            let own = known.next_if(|(known, _)| known == address);
            let mut is_there = own.is_some();
            row.extend_from_slice(own.map_or(&[], |(_, row)| row));
            for (address, note) in notes {
                is_there = self.carry_out(*address, note, (is_there, &mut row), &mut folded);
            }
            if is_there {
                push_row(*address, &row, &mut all);
            }
        }
        known.for_each(|(address, row)| push_row(address, row, &mut all));
        self.write(number, &all);
        Ok(all)
    }

    /// Changes the row, which may not be there yet. Returns whether it is there now.
    fn carry_out(
        &mut self,
        address: Address,
        note: &Note<'_>,
        (is_there, row): (bool, &mut Vec<u8>),
        folded: &mut Vec<u8>,
    ) -> bool {
        match note {
            Note::Probe { time, signal_dbm, signature, ssid } => {
                let ssid = ssid.map_or(RequestedSsid::Absent, RequestedSsid::from_element);
                let probe = Probe {
                    signal_dbm: *signal_dbm,
                    signature: *signature,
                    ..Probe::example(MacAddr::new(address), ssid, time.as_micros())
                };
                fold_probe(&probe, (is_there, row), folded);
                true
            }
            Note::ProbeWithLists(json) => match serde_json::from_slice(json) {
                Ok(probe) => {
                    fold_probe(&probe, (is_there, row), folded);
                    true
                }
                Err(error) => {
                    self.failure.get_or_insert(error.into());
                    is_there
                }
            },
            Note::Set(new) => {
                row.clear();
                row.extend_from_slice(new);
                true
            }
            Note::Compare(theirs) if is_there && row == theirs => false,
            Note::Compare(theirs) => {
                self.compared.missing += u64::from(!is_there);
                self.add_different(address, Some(theirs));
                is_there
            }
        }
    }

    fn add_different(&mut self, address: Address, theirs: Option<&[u8]>) {
        let first = &mut self.compared.first;
        first.entry(address).or_insert_with(|| theirs.map(Box::from));
        if first.len() > self.limit {
            first.pop_last();
        }
    }

    /// Removes addresses of the bucket, in their order.
    fn remove(&mut self, number: usize, gone: &[MacAddr]) {
        if let Some(bucket) = self.buckets.get_mut(number) {
            bucket.addresses.retain(|address| gone.binary_search(&MacAddr::new(*address)).is_err());
        }
    }

    /// Replaces the bucket's rows.
    fn write(&mut self, number: usize, rows: &[u8]) {
        let Some(Bucket { file, .. }) = self.buckets.get_mut(number).filter(|_| self.failure.is_none())
        else {
            return;
        };
        let written = file.rewind().and_then(|()| file.write_all(rows));
        if let Err(error) = written.and_then(|()| file.set_len(rows.len() as u64)) {
            self.failure = Some(error);
        }
    }
}

/// Folds a probe into the row, which may not be there yet.
fn fold_probe(probe: &Probe, (is_there, row): (bool, &mut Vec<u8>), folded: &mut Vec<u8>) {
    folded.clear();
    if !is_there || device_row::fold(row, probe, folded).is_none() {
        folded.clear();
        device_row::first_probe(probe, folded);
    }
    std::mem::swap(row, folded);
}

/// The bucket of an address. A hash: senders choose their addresses, perhaps all with the same end.
fn bucket_of(address: Address) -> usize {
    XxHash3_64::oneshot(&address) as usize % BUCKETS
}

/// A file without a name, which is gone when it is closed.
fn hidden_file(folder: &Path) -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".check-{}-{number}.tmp", std::process::id()));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

/// The rows, in their order. They end at one that cannot be read.
fn rows_of(mut rows: &[u8]) -> impl Iterator<Item = (Address, &[u8])> {
    std::iter::from_fn(move || {
        let (row, rest) = postcard::take_from_bytes::<(Address, &[u8])>(rows).ok()?;
        rows = rest;
        Some(row)
    })
}

fn push_row(address: Address, row: &[u8], rows: &mut Vec<u8>) {
    push(&(address, row), rows);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::model::State;
    use super::super::snapshot::PackedImage;
    use super::*;
    use crate::event::test_probes::probe;
    use crate::event::{Event, EventKind, EvictionScope};

    /// Addresses of few devices, so that they come again.
    fn few(mut probe: Probe, number: u8) -> Probe {
        probe.source = MacAddr::new([number % 2 * 2, 0, 0, 0, 0, number]);
        probe
    }

    fn image_of(state: &State) -> Vec<u8> {
        let (mut state, mut image) = (state.clone(), Vec::new());
        while state.continue_eviction() {}
        let snapshot = state.begin_cow_snapshot().unwrap();
        snapshot.write_to(|| &state, &mut image).unwrap().unwrap();
        image
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn a_fold_in_files_gives_the_rows_of_one_in_memory(
            probes in prop::collection::vec((probe(), 0..40_u8, 0..20_u8), 1..200),
            more in (probe(), 0..60_u8),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut spilled = State::spilled(folder.path()).unwrap();
            let mut state = State::default();
            for (probe, number, action) in probes {
                let time = probe.corrected_time();
                let mut events = vec![Event::from(few(probe, number))];
                if action == 0 {
                    let evict = EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: time };
                    events.push(Event::new(time, evict));
                }
                if action == 1 {
                    let from = Timestamp::from_micros(time.as_micros().saturating_add(5_000_000));
                    events.push(Event::new(time, EventKind::ClockSet { from, since: None }));
                }
                for event in &events {
                    state.fold(state.next_offset(), event);
                    spilled.fold(spilled.next_offset(), event);
                }
            }
            while state.continue_eviction() {}
            while spilled.continue_eviction() {}
            for number in 0..40 {
                let address = MacAddr::new([number % 2 * 2, 0, 0, 0, 0, number]);
                prop_assert_eq!(state.device(address), spilled.device(address));
            }
            let compared = |one: &State, other: &State, limit| {
                one.clone().differences_from(PackedImage::open(&*image_of(other)).unwrap(), limit).unwrap()
            };
            let mut other = state.clone();
            other.fold(other.next_offset(), &Event::from(few(more.0, more.1)));
            let expected = [3, 100].map(|limit| state.differences(&other, limit));
            prop_assert_eq!(compared(&spilled, &state, 9), Default::default());
            // The comparison takes the rows: fold them again.
            prop_assert_eq!(compared(&state, &other, 3), expected[0].clone());
            let mut snapshot = Vec::new();
            state.image().write_to(Timestamp::from_micros(0), &mut snapshot).unwrap();
            for (limit, expected) in [3, 100].into_iter().zip(expected) {
                let spilled = State::spilled(folder.path()).unwrap().with_snapshot(&*snapshot).unwrap();
                prop_assert_eq!(compared(&spilled, &other, limit), expected);
            }
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nobody sees the files");
        }
    }

    #[test]
    fn many_notes_are_worked_off_in_between() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path()).unwrap();
        let ssid = |number: u32| RequestedSsid::from_element(format!("network {}", number % 7).as_bytes());
        let address = |number: u32| {
            let [a, b, c, d] = (number % 5000).to_be_bytes();
            MacAddr::new([2, 0, a, b, c, d])
        };
        let mut new = 0;
        for number in 0..200_000_u32 {
            new += u32::from(spill.fold(&Probe::example(address(number), ssid(number), number.into())));
            assert!(spill.lock().waiting_bytes <= WAITING_BYTES);
        }
        assert_eq!(new, 5000);
        let row = spill.row(address(17)).unwrap();
        assert_eq!(device_row::last_probe(&row), Timestamp::from_micros(195_017));
        assert!(spill.row(address(1)).is_some());
        assert_eq!(spill.row(MacAddr::new([9; 6])), None);
        assert_eq!(spill.finish().unwrap().left, 5000);
    }

    #[test]
    fn a_failure_is_kept_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path()).unwrap();
        let path = folder.path().join("read only");
        fs::write(&path, "").unwrap();
        for bucket in &mut spill.lock().buckets {
            bucket.file = File::open(&path).unwrap();
        }
        spill.fold(&Probe::example(MacAddr::new([2; 6]), RequestedSsid::Wildcard, 0));
        let _ = spill.row(MacAddr::new([2; 6]));
        assert_eq!(spill.row(MacAddr::new([2; 6])), None, "nothing is done any more");
        assert!(spill.finish().is_err());
        assert!(Spill::new(&folder.path().join("missing")).is_err());
    }
}

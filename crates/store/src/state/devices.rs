//! The statistics of all addresses, in memory and packed as the store keeps them: a million addresses take some
//! 140 MiB, and a look-up waits for no disk.
//!
//! The addresses are spread over [`DEVICE_SHARDS`] hash tables: growing one of them, or evicting from it, is short.
//!
//! A state that is only folded and compared may have the rows in files instead ([`Spill`]). Then those functions that
//! list rows find none.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;

use super::cow_tracker::CowTracker;
use super::device::Device;
use super::device_row::{self, DeviceRow, DeviceSummary};
use super::grouping::Span;
use super::spill::Spill;
use super::table::{PackedRow, Table, push};
use crate::event::{Probe, Timestamp};
use dot11::MacAddr;

/// Hash tables that the devices are spread over.
pub const DEVICE_SHARDS: usize = 256;

/// Bytes of memory above which devices are forgotten: room for more than 800,000 of them. With few more, the tables of all
/// shards would double.
pub const DEVICES_MEMORY_LIMIT: usize = 124 << 20;

/// Roughly the bytes that a row takes in addition to its own: its address, its slot in a table that is not full,
/// and the allocator's share.
const ROW_OVERHEAD: usize = 80;

/// Rows that are loaded into the processor's caches at once.
const PREFETCH_ROWS: usize = 256;

/// Changed devices above which a save is due; the store holds all of them in memory during a save.
const MAX_DIRTY_DEVICES: usize = 131_072;

/// Roughly the bytes that a changed device takes during a save.
const DIRTY_ROW_BYTES: usize = 64;

/// Roughly the bytes that the store adds to a device's row.
const STORED_OVERHEAD: usize = 10;

/// A row begins with the epoch of its last change.
const EPOCH_BYTES: usize = size_of::<u32>();

/// Rows of devices by address.
#[derive(Debug, Clone)]
pub(super) struct Devices {
    shards: Vec<HashMap<MacAddr, Box<[u8]>>>,
    /// Grows by one at each save.
    epoch: u32,
    /// The addresses whose rows changed or left in this epoch, some of them twice.
    dirty: Vec<MacAddr>,
    len: usize,
    row_bytes: usize,
    /// The buffer in which a row is packed before it is stored.
    packing: Vec<u8>,
    cow: CowTracker,
    /// Has the rows if they are not in memory.
    spill: Option<Spill>,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            shards: vec![HashMap::new(); DEVICE_SHARDS],
            epoch: 1,
            dirty: Vec::new(),
            len: 0,
            row_bytes: 0,
            packing: Vec::new(),
            cow: CowTracker::default(),
            spill: None,
        }
    }
}

/// Equal devices have the same rows, in whichever epoch these changed.
impl PartialEq for Devices {
    fn eq(&self, other: &Self) -> bool {
        let same = |(address, row): (&MacAddr, &[u8])| {
            let theirs = other.shards[shard_of(*address)].get(address);
            theirs.map(|row| packed(row)) == Some(packed(row))
        };
        self.len == other.len && self.rows().all(same)
    }
}

fn shard_of(address: MacAddr) -> usize {
    // The last octet: vendors count it up, and phones draw it at random.
    usize::from(address.octets()[5])
}

fn epoch(row: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*row.first_chunk()?))
}

/// The row as the store keeps it.
fn packed(row: &[u8]) -> &[u8] {
    row.get(EPOCH_BYTES..).unwrap_or_default()
}

impl Devices {
    /// No devices, whose rows will be in files.
    pub(super) fn spilled(spill: Spill) -> Self {
        Self { spill: Some(spill), ..Self::default() }
    }

    /// The rows in files, if they are there.
    pub(super) fn spill(&self) -> Option<&Spill> {
        self.spill.as_ref()
    }

    /// What `read` makes of the packed row.
    fn read_row<T>(&self, address: MacAddr, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        match &self.spill {
            Some(spill) => read(&spill.row(address)?),
            None => read(packed(self.shards[shard_of(address)].get(&address)?)),
        }
    }

    pub(super) fn get(&self, address: MacAddr) -> Option<Device> {
        self.read_row(address, |row| postcard::from_bytes(row).ok())
    }

    /// The time of the address's latest probe.
    pub(super) fn last_probe(&self, address: MacAddr) -> Option<Timestamp> {
        self.read_row(address, |row| Some(device_row::last_probe(row)))
    }

    /// The header fields of the address's row.
    pub(super) fn summary(&self, address: MacAddr) -> Option<DeviceSummary> {
        self.read_row(address, |row| DeviceRow::new(address, row).summary())
    }

    /// The times of the address's first and latest probe.
    pub(super) fn span(&self, address: MacAddr) -> Option<Span> {
        let summary = self.summary(address)?;
        Some(Span { first: summary.first_probe, last: summary.last_probe })
    }

    /// Roughly the bytes of memory that the devices take.
    pub(super) fn bytes(&self) -> usize {
        self.row_bytes + self.len * ROW_OVERHEAD
    }

    /// Every address, in order.
    pub(super) fn addresses(&self) -> Vec<MacAddr> {
        let mut addresses: Vec<MacAddr> = self.shards.iter().flat_map(HashMap::keys).copied().collect();
        addresses.sort_unstable();
        addresses
    }

    /// The devices of this shard.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = DeviceRow<'_>> {
        let rows = self.shards.get(shard).into_iter().flatten();
        rows.map(|(&address, row)| DeviceRow::new(address, packed(row)))
    }

    /// The devices of this shard, packed.
    pub(super) fn packed_rows(&self, shard: usize) -> impl Iterator<Item = (MacAddr, &[u8])> {
        self.shards.get(shard).into_iter().flatten().map(|(address, row)| (*address, packed(row)))
    }

    /// All devices, packed, in no order.
    pub(super) fn all_packed_rows(&self) -> impl Iterator<Item = (MacAddr, &[u8])> {
        self.rows().map(|(address, row)| (*address, packed(row)))
    }

    pub(super) fn cow(&self) -> &CowTracker {
        &self.cow
    }

    pub(super) fn cow_mut(&mut self) -> &mut CowTracker {
        &mut self.cow
    }

    fn rows(&self) -> impl Iterator<Item = (&MacAddr, &[u8])> {
        self.shards.iter().flatten().map(|(address, row)| (address, &**row))
    }

    /// Loads the rows of these addresses into the processor's caches. Requested one after the other they arrive
    /// together; the fold would wait for each.
    pub(super) fn prefetch(&self, addresses: impl Iterator<Item = MacAddr>) {
        let rows = addresses.filter_map(|address| self.shards[shard_of(address)].get(&address));
        // First all slots of the tables, then the rows that they point to.
        let rows: Vec<&[u8]> = rows.map(|row| &**row).collect();
        for row in rows {
            black_box((row.first().copied(), row.last().copied()));
        }
    }

    /// Folds in a probe; returns whether its address is new.
    pub(super) fn fold(&mut self, probe: &Probe) -> bool {
        if let Some(spill) = &self.spill {
            return spill.fold(probe);
        }
        let shard = shard_of(probe.source);
        match self.shards[shard].entry(probe.source) {
            Entry::Occupied(mut entry) => {
                self.cow.save_old_row(shard, probe.source, Some(packed(entry.get())));
                if epoch(entry.get()) != Some(self.epoch) {
                    self.dirty.push(probe.source);
                }
                begin_row(self.epoch, &mut self.packing);
                if device_row::fold(packed(entry.get()), probe, &mut self.packing).is_none() {
                    begin_row(self.epoch, &mut self.packing);
                    device_row::first_probe(probe, &mut self.packing);
                }
                let row = entry.get_mut();
                if row.len() == self.packing.len() {
                    row.copy_from_slice(&self.packing);
                } else {
                    self.row_bytes = self.row_bytes - row.len() + self.packing.len();
                    *row = Box::from(self.packing.as_slice());
                }
                false
            }
            Entry::Vacant(entry) => {
                self.cow.save_old_row(shard, probe.source, None);
                begin_row(self.epoch, &mut self.packing);
                device_row::first_probe(probe, &mut self.packing);
                self.len += 1;
                self.row_bytes += self.packing.len();
                entry.insert(Box::from(self.packing.as_slice()));
                self.dirty.push(probe.source);
                true
            }
        }
    }

    /// What seems to be later than `now` counts as now.
    pub(super) fn limit_times(&mut self, now: Timestamp) {
        if let Some(spill) = &self.spill {
            return spill.limit_times(now);
        }
        for (shard, rows) in self.shards.iter_mut().enumerate() {
            for (address, row) in rows.iter_mut().filter(|(_, row)| last_probe(row) > now) {
                begin_row(self.epoch, &mut self.packing);
                if device_row::limit_times(packed(row), now, &mut self.packing).is_none() {
                    continue;
                }
                self.cow.save_old_row(shard, *address, Some(packed(row)));
                if epoch(row) != Some(self.epoch) {
                    self.dirty.push(*address);
                }
                self.row_bytes = self.row_bytes - row.len() + self.packing.len();
                *row = Box::from(self.packing.as_slice());
            }
        }
    }

    /// Sets a device without marking it dirty.
    pub(super) fn load_device(&mut self, address: MacAddr, device: &Device) {
        begin_row(self.epoch.wrapping_sub(1), &mut self.packing);
        push(device, &mut self.packing);
        if let Some(spill) = &self.spill {
            return spill.set(address, packed(&self.packing));
        }
        self.replace_row(address, Some(Box::from(self.packing.as_slice())));
    }

    fn replace_row(&mut self, address: MacAddr, row: Option<Box<[u8]>>) {
        let shard = &mut self.shards[shard_of(address)];
        self.row_bytes += row.as_ref().map_or(0, |row| row.len());
        self.len += usize::from(row.is_some());
        let before = match row {
            Some(row) => shard.insert(address, row),
            None => shard.remove(&address),
        };
        if let Some(before) = before {
            self.row_bytes -= before.len();
            self.len -= 1;
        }
    }

    /// Removes the devices of this shard whose address and last probe `is_evicted` accepts, and returns them; `None`
    /// if there is no such shard.
    pub(super) fn evict_from_shard(
        &mut self,
        shard: usize,
        is_evicted: impl Fn(MacAddr, Timestamp) -> bool,
    ) -> Option<Vec<MacAddr>> {
        if let Some(spill) = &self.spill {
            return spill.evict_from_bucket(shard, is_evicted);
        }
        let rows = self.shards.get_mut(shard)?;
        let mut gone = Vec::new();
        rows.retain(|&address, row| {
            let stays = !is_evicted(address, last_probe(row));
            if !stays {
                self.cow.save_old_row(shard, address, Some(packed(row)));
                gone.push(address);
                self.row_bytes -= row.len();
                self.len -= 1;
            }
            stays
        });
        rows.shrink_to(rows.len() * 2);
        self.dirty.extend(&gone);
        Some(gone)
    }

    /// Whether enough devices changed that they should be saved now.
    pub(super) fn is_save_due(&self) -> bool {
        self.dirty.len() >= MAX_DIRTY_DEVICES
    }

    /// Roughly the bytes that the changed devices take in the store.
    pub(super) fn dirty_bytes(&self) -> usize {
        self.dirty.len() * DIRTY_ROW_BYTES
    }

    /// Every address with its last probe.
    pub(super) fn last_probes(&self) -> impl Iterator<Item = (MacAddr, Timestamp)> {
        self.rows().map(|(address, row)| (*address, last_probe(row)))
    }

    /// Addresses with their last probes: those of the first shards that have `at_least` this many.
    pub(super) fn sample(&self, at_least: usize) -> Vec<(MacAddr, Timestamp)> {
        let mut sample = Vec::new();
        for shard in &self.shards {
            sample.extend(shard.iter().map(|(&address, row)| (address, last_probe(row))));
            if sample.len() >= at_least {
                break;
            }
        }
        sample
    }
}

fn begin_row(epoch: u32, row: &mut Vec<u8>) {
    row.clear();
    row.extend(epoch.to_le_bytes());
}

fn last_probe(row: &[u8]) -> Timestamp {
    device_row::last_probe(packed(row))
}

impl Table for Devices {
    fn dirty_rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for addresses in self.dirty.chunks(PREFETCH_ROWS) {
            self.prefetch(addresses.iter().copied());
            for address in addresses {
                let row = self.shards[shard_of(*address)].get(address);
                take(PackedRow { kind, key: &address.octets(), row: row.map(|row| packed(row)) });
            }
        }
    }

    fn rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for (address, row) in self.rows() {
            take(PackedRow { kind, key: &address.octets(), row: Some(packed(row)) });
        }
    }

    fn row(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let address = address_of(key)?;
        match &self.spill {
            Some(spill) => spill.row(address).map(Cow::Owned),
            None => self.shards[shard_of(address)].get(&address).map(|row| Cow::Borrowed(packed(row))),
        }
    }

    fn load(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<(), postcard::Error> {
        let address = address_of(key).ok_or(postcard::Error::DeserializeBadEncoding)?;
        if let Some(row) = row {
            postcard::from_bytes::<Device>(row)?;
        }
        let before_any = [0; EPOCH_BYTES];
        self.replace_row(address, row.map(|row| Box::from([&before_any, row].concat())));
        Ok(())
    }

    fn mark_clean(&mut self) {
        self.dirty = Vec::new();
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn stored_bytes(&self) -> usize {
        self.row_bytes + self.len * STORED_OVERHEAD
    }
}

fn address_of(key: &[u8]) -> Option<MacAddr> {
    Some(MacAddr::new(key.try_into().ok()?))
}

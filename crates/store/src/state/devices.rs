//! The statistics of all addresses, held in memory in the bytes in which the store keeps them: a million
//! addresses take some 130 MiB, and a look-up waits for no disk.
//!
//! The addresses lie in [`SHARDS`] tables, so that none of them takes long to grow or to be swept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;

use super::Device;
use super::cow_snapshot::CowTracker;
use super::device_row::{self, DeviceRow};
use super::table::{PackedRow, Table, push};
use crate::event::{Probe, Timestamp};
use dot11::MacAddr;

pub(super) const SHARDS: usize = 256;

/// What a row takes besides its own bytes, roughly: its address, its place in a table that is not full,
/// and what the allocator adds.
const ROW_OVERHEAD: usize = 80;

/// DirtyMap that are brought into the processor's caches at once, where they find room.
const PREFETCH_ROWS: usize = 256;

/// A row begins with the epoch in which it was changed last.
const EPOCH_BYTES: usize = size_of::<u32>();

/// DirtyMap of devices by address.
#[derive(Debug, Clone)]
pub(super) struct Devices {
    shards: Vec<HashMap<MacAddr, Box<[u8]>>>,
    /// Grows by one whenever the changes are forgotten.
    epoch: u32,
    /// The addresses whose rows are of this epoch, and those that went in it, some of them twice.
    changed: Vec<MacAddr>,
    len: usize,
    row_bytes: usize,
    /// Where a row is packed before it takes its place.
    packing: Vec<u8>,
    cut: CowTracker,
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            shards: vec![HashMap::new(); SHARDS],
            epoch: 1,
            changed: Vec::new(),
            len: 0,
            row_bytes: 0,
            packing: Vec::new(),
            cut: CowTracker::default(),
        }
    }
}

/// The same rows, whenever they changed.
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
    // The octet that makers count up and phones make up.
    usize::from(address.octets()[5])
}

fn epoch(row: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(*row.first_chunk()?))
}

/// The row as the store keeps it.
fn packed(row: &[u8]) -> &[u8] {
    row.get(EPOCH_BYTES..).unwrap_or_default()
}

fn unpack(row: &[u8]) -> Option<Device> {
    postcard::from_bytes(packed(row)).ok()
}

impl Devices {
    pub(super) fn get(&self, address: MacAddr) -> Option<Device> {
        unpack(self.shards[shard_of(address)].get(&address)?)
    }

    /// When this address was heard last.
    pub(super) fn last_probe(&self, address: MacAddr) -> Option<Timestamp> {
        self.shards[shard_of(address)].get(&address).map(|row| last_probe(row))
    }

    /// The bytes of memory that they take, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.row_bytes + self.len * ROW_OVERHEAD
    }

    /// Every address, in order.
    pub(super) fn addresses(&self) -> Vec<MacAddr> {
        let mut addresses: Vec<MacAddr> = self.shards.iter().flat_map(HashMap::keys).copied().collect();
        addresses.sort_unstable();
        addresses
    }

    /// The devices of the shard of this number.
    pub(super) fn shard(&self, shard: usize) -> impl Iterator<Item = DeviceRow<'_>> {
        let rows = self.shards.get(shard).into_iter().flatten();
        rows.map(|(&address, row)| DeviceRow::new(address, packed(row)))
    }

    /// The devices of the shard of this number as the store keeps them.
    pub(super) fn packed_rows(&self, shard: usize) -> impl Iterator<Item = (MacAddr, &[u8])> {
        self.shards.get(shard).into_iter().flatten().map(|(address, row)| (*address, packed(row)))
    }

    /// The cut that is being made of them.
    pub(super) fn cut(&self) -> &CowTracker {
        &self.cut
    }

    pub(super) fn cut_mut(&mut self) -> &mut CowTracker {
        &mut self.cut
    }

    fn rows(&self) -> impl Iterator<Item = (&MacAddr, &[u8])> {
        self.shards.iter().flatten().map(|(address, row)| (address, &**row))
    }

    /// Has the rows of these addresses come into the processor's caches: asked for one behind the other they
    /// come at the same time, where folding would wait for each.
    pub(super) fn prefetch(&self, addresses: impl Iterator<Item = MacAddr>) {
        let rows = addresses.filter_map(|address| self.shards[shard_of(address)].get(&address));
        // First all places in the tables, then what they point to.
        let rows: Vec<&[u8]> = rows.map(|row| &**row).collect();
        for row in rows {
            black_box((row.first().copied(), row.last().copied()));
        }
    }

    /// Folds in a probe; whether its address is new.
    pub(super) fn fold(&mut self, probe: &Probe) -> bool {
        let shard = shard_of(probe.source);
        match self.shards[shard].entry(probe.source) {
            Entry::Occupied(mut entry) => {
                self.cut.keep(shard, probe.source, Some(packed(entry.get())));
                if epoch(entry.get()) != Some(self.epoch) {
                    self.changed.push(probe.source);
                }
                begin_row(self.epoch, &mut self.packing);
                if device_row::fold(packed(entry.get()), probe, &mut self.packing).is_none() {
                    begin_row(self.epoch, &mut self.packing);
                    device_row::first_heard(probe, &mut self.packing);
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
                self.cut.keep(shard, probe.source, None);
                begin_row(self.epoch, &mut self.packing);
                device_row::first_heard(probe, &mut self.packing);
                self.len += 1;
                self.row_bytes += self.packing.len();
                entry.insert(Box::from(self.packing.as_slice()));
                self.changed.push(probe.source);
                true
            }
        }
    }

    /// Takes in a device, whatever was there before, and counts it as no change.
    pub(super) fn load_device(&mut self, address: MacAddr, device: &Device) {
        begin_row(self.epoch.wrapping_sub(1), &mut self.packing);
        push(device, &mut self.packing);
        self.put(address, Some(Box::from(self.packing.as_slice())));
    }

    fn put(&mut self, address: MacAddr, row: Option<Box<[u8]>>) {
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

    /// Removes from the shard of this number those whose address and last probe are as `is_forgotten`
    /// says, and returns them; `None` where there is no such shard.
    pub(super) fn sweep(
        &mut self,
        shard: usize,
        is_forgotten: impl Fn(MacAddr, Timestamp) -> bool,
    ) -> Option<Vec<MacAddr>> {
        let rows = self.shards.get_mut(shard)?;
        let mut gone = Vec::new();
        rows.retain(|&address, row| {
            let stays = !is_forgotten(address, last_probe(row));
            if !stays {
                self.cut.keep(shard, address, Some(packed(row)));
                gone.push(address);
                self.row_bytes -= row.len();
                self.len -= 1;
            }
            stays
        });
        rows.shrink_to(rows.len() * 2);
        self.changed.extend(&gone);
        Some(gone)
    }

    /// How many rows changed since that was last forgotten.
    pub(super) fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Every address with its last probe.
    pub(super) fn last_probes(&self) -> impl Iterator<Item = (MacAddr, Timestamp)> {
        self.rows().map(|(address, row)| (*address, last_probe(row)))
    }

    /// Addresses with their last probes, as many shards of them as it takes to have `at_least` so many.
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
    fn changes(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for addresses in self.changed.chunks(PREFETCH_ROWS) {
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
        self.shards[shard_of(address)].get(&address).map(|row| Cow::Borrowed(packed(row)))
    }

    fn load(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<(), postcard::Error> {
        let address = address_of(key).ok_or(postcard::Error::DeserializeBadEncoding)?;
        if let Some(row) = row {
            postcard::from_bytes::<Device>(row)?;
        }
        let before_any = [0; EPOCH_BYTES];
        self.put(address, row.map(|row| Box::from([&before_any, row].concat())));
        Ok(())
    }

    fn forget_changes(&mut self) {
        self.changed = Vec::new();
        self.epoch = self.epoch.wrapping_add(1);
    }

    fn bytes(&self) -> usize {
        self.row_bytes + self.len * 10
    }
}

fn address_of(key: &[u8]) -> Option<MacAddr> {
    Some(MacAddr::new(key.try_into().ok()?))
}

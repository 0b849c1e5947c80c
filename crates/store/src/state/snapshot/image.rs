//! A copy of a state's packed rows, quickly made: the state goes on while the copy is written as a snapshot.

use std::io;

use super::super::model::State;
use super::super::table::{PackedRow, kind};
use super::super::totals::Totals;
use super::row::SnapshotRow;
use crate::event::Offset;
use dot11::MacAddr;

/// A copy of a state's packed rows: some 60 MB for a million devices.
#[derive(Debug)]
pub struct StateImage {
    next: Offset,
    /// Rows that are in no table.
    first_rows: Vec<SnapshotRow>,
    devices: Vec<u8>,
    others: Vec<u8>,
}

impl State {
    /// Copies the state of this moment. While others wait for the state, [`State::begin_cow_snapshot`] locks it for
    /// less long.
    pub fn image(&self) -> StateImage {
        let mut image = self.image_without_devices();
        for (address, row) in self.devices.all_packed_rows() {
            image.push_device(address, row);
        }
        image
    }

    pub(in crate::state) fn image_without_devices(&self) -> StateImage {
        let mut first_rows = vec![SnapshotRow::Totals(self.totals)];
        first_rows.extend(self.eviction.as_ref().map(|eviction| SnapshotRow::Forgetting {
            addresses: eviction.addresses,
            last_seen_before: eviction.last_seen_before,
        }));
        let bytes = self.stored_bytes();
        let devices = Vec::with_capacity(bytes + bytes / 8);
        let mut others = Vec::new();
        for (kind, table) in self.tables().into_iter().filter(|(number, _)| *number != kind::DEVICE) {
            table.rows(kind, &mut |row| row.push_to(&mut others));
        }
        StateImage { next: self.next, first_rows, devices, others }
    }
}

impl StateImage {
    /// The offset of the first event that is not in it.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Its counts over all devices.
    pub(in crate::state) fn totals(&self) -> Totals {
        let totals = self.first_rows.iter().find_map(|row| match row {
            SnapshotRow::Totals(totals) => Some(*totals),
            _ => None,
        });
        totals.unwrap_or_default()
    }

    pub(in crate::state) fn push_device(&mut self, address: MacAddr, row: &[u8]) {
        PackedRow { kind: kind::DEVICE, key: &address.octets(), row: Some(row) }.push_to(&mut self.devices);
    }

    /// The rows of its tables, packed one after the other.
    pub(super) fn rows_mut(&mut self) -> [&mut Vec<u8>; 2] {
        [&mut self.others, &mut self.devices]
    }

    /// Every row, in the order of a snapshot: the totals, devices by address, then the small tables.
    pub(super) fn rows(&self) -> impl Iterator<Item = io::Result<SnapshotRow>> {
        let mut devices: Vec<(Option<MacAddr>, &[u8])> = packed_rows(&self.devices)
            .map(|(rows, row)| (row.ok().and_then(|row| SnapshotRow::address_in(&row)), rows))
            .collect();
        devices.sort_unstable_by_key(|(address, _)| *address);
        let devices = devices.into_iter().filter_map(|(_, rows)| packed_rows(rows).next());
        let unpacked = devices.chain(packed_rows(&self.others)).map(|(_, row)| {
            row.and_then(|row| SnapshotRow::unpack(&row))
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        });
        self.first_rows.iter().cloned().map(Ok).chain(unpacked)
    }
}

/// The rows that were packed one after the other, each with the bytes from it on. Ends after a row that cannot be
/// read.
pub(super) fn packed_rows(
    mut rows: &[u8],
) -> impl Iterator<Item = (&[u8], Result<PackedRow<'_>, postcard::Error>)> {
    std::iter::from_fn(move || {
        let here = Some(rows).filter(|rows| !rows.is_empty())?;
        let row = PackedRow::take_from(&mut rows);
        if row.is_err() {
            rows = &[];
        }
        Some((here, row))
    })
}

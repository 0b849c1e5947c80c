//! A snapshot: the whole state in a form that anyone can read, a JSON object a line.
//!
//! # Format
//! The first line is `{"snapshot":N,"format":2,"time":…}`: N is the offset of the first event that is not
//! in it, `time` says when it was taken. Then a line a row, `row` first, which says what it is. The last
//! line is `{"end":N}` with the number of rows, so that a snapshot that was cut is told from a whole one.
//! Times, addresses and SSIDs are written as in events. Format 1, which is read as well, had no hours of
//! devices, no networks, no patterns, and nothing that is followed, muted or ignored.
//!
//! # What must hold
//! - It is lossless: the state that is read from it is equal to the one that was written, and folds every
//!   later event as that would.
//! - Two equal states give the same lines; only `time` tells them apart.
//! - Devices are unpacked one at a time.

mod row;

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::table::PackedRow;
use super::{DEVICE_SHARDS, DEVICES, Forgetting, State, Totals};
use crate::event::{Offset, Timestamp};
use dot11::MacAddr;
pub use row::DeviceJson;
pub(super) use row::Row;

/// Grows with each change that an older version would misread.
const FORMAT: u32 = 2;

/// A snapshot does not serve.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read, or not be decompressed.
    #[error("the snapshot could not be read: {0}")]
    Read(#[from] io::Error),
    /// Nothing is in it.
    #[error("the snapshot is empty")]
    Empty,
    /// A line is none of a snapshot.
    #[error("line {line} of the snapshot cannot be used: {why}")]
    Line {
        /// The line's number from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It has no last line.
    #[error("the snapshot is cut off behind its line {line}")]
    Truncated {
        /// The number of the last line that is there.
        line: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    snapshot: Offset,
    format: u32,
    time: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: u64,
}

/// A copy of a state's packed rows: quickly made, so that the state can go on while the copy is written as
/// a snapshot.
#[derive(Debug)]
pub struct StateImage {
    next: Offset,
    /// Those that are in no table.
    first_rows: Vec<Row>,
    devices: Vec<u8>,
    others: Vec<u8>,
}

impl State {
    /// What it takes to write a snapshot of this moment: some 50 MB for a million devices. Where others wait for
    /// the state, [`State::begin_cow_snapshot`] holds it for less.
    pub fn image(&self) -> StateImage {
        let mut image = self.image_without_devices();
        for part in 0..DEVICE_SHARDS {
            self.devices.packed_rows(part).for_each(|(address, row)| image.push_device(address, row));
        }
        image
    }

    pub(super) fn image_without_devices(&self) -> StateImage {
        let mut first_rows = vec![Row::Totals(self.totals)];
        first_rows.extend(self.forgetting.as_ref().map(|forgetting| Row::Forgetting {
            addresses: forgetting.addresses,
            last_seen_before: forgetting.last_seen_before,
        }));
        let bytes = self.row_bytes();
        let devices = Vec::with_capacity(bytes + bytes / 8);
        let mut others = Vec::new();
        for (kind, table) in self.tables().into_iter().filter(|(kind, _)| *kind != DEVICES) {
            table.rows(kind, &mut |row| row.push_to(&mut others));
        }
        StateImage { next: self.next, first_rows, devices, others }
    }

    /// The state that a snapshot holds.
    ///
    /// # Errors
    /// [`SnapshotError`] where it is not whole, to the end of what is read, or of another format.
    pub fn from_snapshot(snapshot: impl BufRead) -> Result<Self, SnapshotError> {
        let mut lines = Lines { reader: snapshot, line: Vec::new(), number: 0 };
        let next = lines.header()?;
        let mut state = Self::default();
        let mut has_totals = false;
        while let Some(row) = lines.next_row()? {
            has_totals |= matches!(row, Row::Totals(_));
            state.take_in(row).map_err(|why| lines.error(why))?;
        }
        if !has_totals {
            return Err(lines.error("there was no row `totals` before it"));
        }
        state.loaded(next, state.totals);
        Ok(state)
    }

    fn take_in(&mut self, row: Row) -> Result<(), &'static str> {
        match row {
            Row::Totals(totals) => self.totals = totals,
            Row::Forgetting { addresses, last_seen_before } => {
                self.forgetting = Some(Forgetting { addresses, last_seen_before, next_shard: 0 });
            }
            Row::Device { address, statistics } => {
                self.devices.load_device(address, &statistics.try_into()?);
            }
            Row::Name { address, name } => self.names.rows.load_row(address, Some(name)),
            Row::Watch { ssid, chat, watch } => self.watches.rows.load_row((ssid, chat), Some(watch)),
            Row::Pattern { pattern, chat, watch } => {
                self.watches.patterns.load_row((pattern, chat), Some(watch));
            }
            Row::Follow { device, chat, follow } => {
                self.follows.rows.load_row((device, chat), Some(follow));
            }
            Row::Mute { chat, mute } => self.mutes.mutes.load_row(chat, Some(mute)),
            Row::Ignored { device, chat, ignored } => {
                self.mutes.ignored.load_row((device, chat), Some(ignored));
            }
            Row::Alert { chat, probe, alert } => {
                self.alerts.outbox.load_row((chat, probe), Some(alert.into()));
            }
            Row::Overflow { chat, overflow } => self.alerts.overflow.load_row(chat, Some(overflow)),
            Row::Migrated { from, to } => self.chats.migrated.load_row(from, Some(to)),
            Row::Answered { event, update } => self.chats.answered.load_row(event, Some(update)),
            Row::Invitation { code, invitation } => {
                self.chats.invitations.load_row(code, Some(invitation));
            }
            Row::Paired { chat, pairing } => self.chats.paired.load_row(chat, Some(pairing)),
            Row::Cooldown { chat, ssid, device, cooldown } => {
                self.alerts.cooldowns.load_row((chat, ssid, device), Some(cooldown));
            }
            Row::LatestAlerts { chat, times } => self.alerts.latest.load_row(chat, Some(times)),
            Row::Network { ssid, network } => self.networks.load_row(ssid, network),
            Row::Signature { signature, elements } => self.signatures.load_row(signature, Some(elements)),
        }
        Ok(())
    }
}

impl StateImage {
    /// The offset of the first event that is not in it.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The counts over all devices in it.
    pub(super) fn totals(&self) -> Totals {
        let totals = self.first_rows.iter().find_map(|row| match row {
            Row::Totals(totals) => Some(*totals),
            _ => None,
        });
        totals.unwrap_or_default()
    }

    pub(super) fn push_device(&mut self, address: MacAddr, row: &[u8]) {
        PackedRow { kind: DEVICES, key: &address.octets(), row: Some(row) }.push_to(&mut self.devices);
    }

    /// Every row of its tables, in no order.
    pub(super) fn packed_rows(&self) -> impl Iterator<Item = PackedRow<'_>> {
        packed_rows(&self.devices).chain(packed_rows(&self.others)).filter_map(|(_, row)| row.ok())
    }

    /// Writes the snapshot, a line a write; `time` is when the image was made.
    ///
    /// # Errors
    /// Where `out` takes nothing more.
    pub fn write_to(&self, time: Timestamp, mut out: impl Write) -> io::Result<()> {
        let mut line = Vec::new();
        push_line(&Header { snapshot: self.next, format: FORMAT, time }, &mut line)?;
        let mut rows = 0;
        for row in self.rows() {
            out.write_all(&line)?;
            line.clear();
            push_line(&row?, &mut line)?;
            rows += 1;
        }
        push_line(&End { end: rows }, &mut line)?;
        out.write_all(&line)
    }

    /// Whether `snapshot` is whole and says the same as this.
    ///
    /// # Errors
    /// [`SnapshotError`] where it is not so.
    pub fn verify(&self, snapshot: impl BufRead) -> Result<(), SnapshotError> {
        let mut lines = Lines { reader: snapshot, line: Vec::new(), number: 0 };
        if lines.header()? != self.next {
            return Err(lines.error("it is of another offset than what was written"));
        }
        for row in self.rows() {
            if lines.next_row()? != Some(row?) {
                return Err(lines.error("it is not what was written"));
            }
        }
        match lines.next_row()? {
            None => Ok(()),
            Some(_) => Err(lines.error("it is not what was written")),
        }
    }

    /// Every row, in the order in which a snapshot has them: devices by address, then the small tables.
    fn rows(&self) -> impl Iterator<Item = io::Result<Row>> {
        let mut devices: Vec<(Option<MacAddr>, &[u8])> = packed_rows(&self.devices)
            .map(|(rows, row)| (row.ok().and_then(|row| Row::address_in(&row)), rows))
            .collect();
        devices.sort_unstable_by_key(|(address, _)| *address);
        let devices = devices.into_iter().filter_map(|(_, rows)| packed_rows(rows).next());
        let unpacked = devices.chain(packed_rows(&self.others)).map(|(_, row)| {
            row.and_then(|row| Row::unpack(&row))
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        });
        self.first_rows.iter().cloned().map(Ok).chain(unpacked)
    }
}

fn push_line(value: &impl Serialize, line: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    Ok(())
}

/// The rows that were packed one behind the other, each with the bytes from it on. After one that cannot
/// be read there is no other.
fn packed_rows(mut rows: &[u8]) -> impl Iterator<Item = (&[u8], Result<PackedRow<'_>, postcard::Error>)> {
    std::iter::from_fn(move || {
        let here = Some(rows).filter(|rows| !rows.is_empty())?;
        let row = PackedRow::take_from(&mut rows);
        if row.is_err() {
            rows = &[];
        }
        Some((here, row))
    })
}

/// The lines of a snapshot that is read.
struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; whether there is one.
    fn advance(&mut self) -> Result<bool, SnapshotError> {
        self.line.clear();
        let is_there = self.reader.read_until(b'\n', &mut self.line)? > 0;
        self.number += u64::from(is_there);
        Ok(is_there)
    }

    fn error(&self, why: impl ToString) -> SnapshotError {
        // What serde_json calls line 1 is this line.
        let why = why.to_string().replace(" at line 1 column ", " at its column ");
        SnapshotError::Line { line: self.number, why }
    }

    fn header(&mut self) -> Result<Offset, SnapshotError> {
        if !self.advance()? {
            return Err(SnapshotError::Empty);
        }
        let Header { snapshot, format, time: _ } = serde_json::from_slice(&self.line)
            .map_err(|error| self.error(format!("no snapshot begins like this: {error}")))?;
        match format {
            // The first had fewer kinds of rows and fields, and none that mean something else now.
            1..=FORMAT if snapshot <= Offset::MAX => Ok(snapshot),
            1..=FORMAT => Err(self.error(format!("no log has an event {snapshot}"))),
            _ => {
                Err(self
                    .error(format!("it is of format {format}, and this version reads up to format {FORMAT}")))
            }
        }
    }

    /// The next row, `None` behind the last one, where nothing follows any more.
    fn next_row(&mut self) -> Result<Option<Row>, SnapshotError> {
        if !self.advance()? {
            return Err(SnapshotError::Truncated { line: self.number });
        }
        if !self.line.starts_with(b"{\"end\":") {
            return serde_json::from_slice(&self.line).map(Some).map_err(|error| self.error(error));
        }
        let End { end } = serde_json::from_slice(&self.line).map_err(|error| self.error(error))?;
        let rows = self.number.saturating_sub(2);
        if end != rows {
            return Err(self.error(format!("it tells of {end} rows, and there are {rows}")));
        }
        match self.advance()? {
            false => Ok(None),
            true => Err(self.error("it stands behind the end of the snapshot")),
        }
    }
}

//! Writes and reads the lines of a snapshot.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::super::model::{PendingEviction, State};
use super::super::subscriptions::Subscription;
use super::image::StateImage;
use super::row::SnapshotRow;
use crate::event::{Offset, Timestamp};

/// Grows with each change that an older version would misread.
const FORMAT: u32 = 4;

/// A snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read or decompressed.
    #[error("the snapshot could not be read: {0}")]
    Read(#[from] io::Error),
    /// It has no bytes.
    #[error("the snapshot is empty")]
    Empty,
    /// A line does not belong to a snapshot.
    #[error("line {line} of the snapshot cannot be used: {why}")]
    Line {
        /// The line's number from 1.
        line: u64,
        /// Why it is invalid.
        why: String,
    },
    /// Its last line is missing.
    #[error("the snapshot is truncated after line {line}")]
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

impl State {
    /// The state that a snapshot holds.
    ///
    /// # Errors
    /// [`SnapshotError`] if the snapshot is incomplete, something follows it, or it is of another format.
    pub fn from_snapshot(snapshot: impl BufRead) -> Result<Self, SnapshotError> {
        Self::default().with_snapshot(snapshot)
    }

    /// As [`State::from_snapshot`], loaded into this state, which is empty.
    pub(crate) fn with_snapshot(mut self, snapshot: impl BufRead) -> Result<Self, SnapshotError> {
        let mut reader = SnapshotReader::new(snapshot);
        let next = reader.header()?;
        let mut has_totals = false;
        while let Some(row) = reader.next_row()? {
            has_totals |= matches!(row, SnapshotRow::Totals(_));
            self.load_snapshot_row(row).map_err(|why| reader.error(why))?;
        }
        if !has_totals {
            return Err(reader.error("there was no row `totals` before it"));
        }
        self.finish_loading(next, self.totals);
        Ok(self)
    }

    /// Sets a row that was read from a snapshot.
    fn load_snapshot_row(&mut self, row: SnapshotRow) -> Result<(), &'static str> {
        match row {
            SnapshotRow::Totals(totals) => self.totals = totals,
            SnapshotRow::Forgetting { addresses, last_seen_before } => {
                self.eviction = Some(PendingEviction { addresses, last_seen_before, next_shard: 0 });
            }
            SnapshotRow::Device { address, statistics } => {
                self.devices.load_device(address, &statistics.try_into()?);
            }
            SnapshotRow::Name { address, name } => self.names.rows.load_row(address, Some(name)),
            SnapshotRow::Proposal { proposal, proposed } => {
                self.proposals.rows.load_row(proposal, Some(proposed));
            }
            SnapshotRow::Watch { ssid, chat, watch } => self.watches.rows.load_row((ssid, chat), Some(watch)),
            SnapshotRow::Pattern { pattern, chat, watch } => {
                self.watches.patterns.load_row((pattern, chat), Some(watch));
            }
            SnapshotRow::Follow { device, chat, members, follow } => {
                self.follows.rows.load_row((device, chat), Some(Subscription { members, value: follow }));
            }
            SnapshotRow::ChatSettings { chat, settings } => {
                self.chat_settings.rows.load_row(chat, Some(settings));
            }
            SnapshotRow::Mute { chat, mute } => self.mutes.mutes.load_row(chat, Some(mute)),
            SnapshotRow::Ignored { device, chat, members, ignored } => {
                let one = Subscription { members, value: ignored };
                self.mutes.ignored.rows.load_row((device, chat), Some(one));
            }
            SnapshotRow::Alert { chat, probe, alert } => {
                self.alerts.outbox.load_row((chat, probe), Some(alert.into()));
            }
            SnapshotRow::Overflow { chat, overflow } => self.alerts.overflow.load_row(chat, Some(overflow)),
            SnapshotRow::Migrated { from, to } => self.chats.migrated.load_row(from, Some(to)),
            SnapshotRow::Answered { event, update } => {
                self.chats.handled_updates.load_row(event, Some(update))
            }
            SnapshotRow::Invitation { code, invitation } => {
                self.chats.invitations.load_row(code, Some(invitation));
            }
            SnapshotRow::Paired { chat, pairing } => self.chats.paired.load_row(chat, Some(pairing)),
            SnapshotRow::Blocked { chat, block } => self.chats.blocked.load_row(chat, Some(block)),
            SnapshotRow::Cooldown { chat, ssid, device, cooldown } => {
                self.alerts.cooldowns.rows.load_row((chat, ssid, device), Some(cooldown));
            }
            SnapshotRow::LatestAlerts { chat, latest } => self.alerts.latest.load_row(chat, Some(latest)),
            // Earlier versions took a hidden network's NUL bytes for a name.
            SnapshotRow::Network { ssid, network } if ssid.is_hidden() => {
                self.totals.hidden_probes += network.probe_count;
            }
            SnapshotRow::Network { ssid, network } => self.networks.load_row(ssid, network),
            SnapshotRow::Signature { signature, elements } => {
                self.signatures.load_row(signature, Some(elements))
            }
            SnapshotRow::Group { group, addresses } => {
                self.grouping.groups.load_row(group, Some(addresses));
            }
            SnapshotRow::Requester { of, requester: _ } if of.is_hidden() => {}
            SnapshotRow::Requester { of, requester } => {
                self.grouping.requesters.rows.load_row(of, Some(requester));
            }
            SnapshotRow::ForgottenNetworks { block, bits } => {
                self.grouping.requesters.forgotten.blocks.load_row(block, Some(bits));
            }
            SnapshotRow::Split { address, phone, time } => {
                self.grouping.splits.rows.load_row((address, phone), Some(time));
            }
            SnapshotRow::DeviceInfo { address, time, device_info } => {
                self.device_infos.load_row(address, Some((time, device_info)));
            }
            SnapshotRow::Grouping { mode } => self.grouping.mode.load_row((), Some(mode)),
            SnapshotRow::Habit { model, habit } => self.habits.rows.load_row(model, Some(habit)),
            SnapshotRow::Learning(learning) => self.habits.learning.load_row((), Some(learning)),
            SnapshotRow::Doorbell { chat, doorbell } => self.doorbells.rows.load_row(chat, Some(doorbell)),
            SnapshotRow::Visitor { chat, device, visitor } => {
                self.doorbells.visitors.load_row((chat, device), Some(visitor));
            }
            SnapshotRow::Flood(watch) => self.floods.watch.load_row((), Some(watch)),
            SnapshotRow::FloodMessage { chat, message } => self.floods.messages.load_row(chat, Some(message)),
            SnapshotRow::Model { model, behaviour } => {
                self.grouping.models.load_row(model, Some(behaviour));
            }
        }
        Ok(())
    }
}

impl StateImage {
    /// Writes the snapshot, one `write` a line; `time` is when the image was made.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, time: Timestamp, mut out: impl Write) -> io::Result<()> {
        let mut line = Vec::new();
        push_line(&Header { snapshot: self.next_offset(), format: FORMAT, time }, &mut line)?;
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

    /// Checks that `snapshot` is complete and has the rows of this image.
    ///
    /// # Errors
    /// [`SnapshotError`] if it does not.
    pub fn verify(&self, snapshot: impl BufRead) -> Result<(), SnapshotError> {
        let mut reader = SnapshotReader::new(snapshot);
        if reader.header()? != self.next_offset() {
            return Err(reader.error("it is of another offset than what was written"));
        }
        for row in self.rows() {
            if reader.next_row()? != Some(row?) {
                return Err(reader.error("it is not what was written"));
            }
        }
        match reader.next_row()? {
            None => Ok(()),
            Some(_) => Err(reader.error("it is not what was written")),
        }
    }
}

fn push_line(value: &impl Serialize, line: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    Ok(())
}

/// Reads the lines of a snapshot.
struct SnapshotReader<R> {
    reader: R,
    line: Vec<u8>,
    /// The number of the line from 1.
    number: u64,
}

impl<R: BufRead> SnapshotReader<R> {
    fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), number: 0 }
    }

    /// Reads the next line; returns whether there is one.
    fn advance(&mut self) -> Result<bool, SnapshotError> {
        self.line.clear();
        let is_there = self.reader.read_until(b'\n', &mut self.line)? > 0;
        self.number += u64::from(is_there);
        Ok(is_there)
    }

    fn error(&self, why: impl ToString) -> SnapshotError {
        // serde_json sees one line and always calls it line 1.
        let why = why.to_string().replace(" at line 1 column ", " at its column ");
        SnapshotError::Line { line: self.number, why }
    }

    fn header(&mut self) -> Result<Offset, SnapshotError> {
        if !self.advance()? {
            return Err(SnapshotError::Empty);
        }
        let Header { snapshot, format, time: _ } = serde_json::from_slice(&self.line)
            .map_err(|error| self.error(format!("this is not the beginning of a snapshot: {error}")))?;
        match format {
            // Earlier formats had fewer kinds of rows and fields, all with the same meaning.
            1..=FORMAT if snapshot <= Offset::MAX => Ok(snapshot),
            1..=FORMAT => Err(self.error(format!("no log has an event {snapshot}"))),
            _ => {
                Err(self
                    .error(format!("it is of format {format}, and this version reads up to format {FORMAT}")))
            }
        }
    }

    /// The next row, or `None` at the end line, after which nothing may follow.
    fn next_row(&mut self) -> Result<Option<SnapshotRow>, SnapshotError> {
        if !self.advance()? {
            return Err(SnapshotError::Truncated { line: self.number });
        }
        let no_row = match serde_json::from_slice(&self.line) {
            Ok(row) => return Ok(Some(row)),
            Err(error) => error,
        };
        let End { end } = serde_json::from_slice(&self.line).map_err(|_| self.error(no_row))?;
        let rows = self.number.saturating_sub(2);
        if end != rows {
            return Err(self.error(format!("it counts {end} rows, and there are {rows}")));
        }
        match self.advance()? {
            false => Ok(None),
            true => Err(self.error("it follows the end of the snapshot")),
        }
    }
}

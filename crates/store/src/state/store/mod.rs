//! The state's rows in sled. The store is disposable: whatever is wrong with it, it is removed and made again from
//! the log.
//!
//! # Format
//! - Each [`StateStore::save`] writes a generation: the rows that changed, packed one after the other into compressed
//!   chunks of some [`CHUNK_BYTES`]. A chunk's key is the number of the generation and that of the chunk. A row of a newer
//!   generation replaces that of an older one.
//! - Rows, outbox and checkpoint are only valid together. They go into one batch, which sled applies atomically, and
//!   are flushed.
//! - Rows share chunks because sled 0.34 keeps a copy of a leaf for each key of a batch until the batch ends, some
//!   40 KiB a key, and writes three to six times the bytes of a small row.
//!
//! # Invariants
//! - The caller saves only what the log has fsynced.
//! - A store without a checkpoint is one whose first save was not finished: it holds nothing.
//! - Outdated rows take, compressed, at most [`MAX_DEAD_RATIO`] times the bytes of the current rows as they are: each
//!   save rewrites the current rows of the oldest chunks and removes these.

mod chunk;
mod db;
mod error;
mod lock;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zstd::bulk::Decompressor;

use super::model::State;
use super::table::PackedRow;
use super::totals::Totals;
use crate::event::Offset;
use crate::event_log::FileId;
use chunk::{CHUNK, CHUNK_BYTES, Chunk, SaveBatchWriter, decompress, total_bytes};
use db::{catch_panic, ensure_room, open_sled, reopen_sled};
pub use error::StateStoreError;
use lock::{locked, once_unlocked};

/// Grows with each change to a row's form, so that an older store is rebuilt instead of misread; and with each change
/// to what the fold makes of an event.
const FORMAT: u32 = 46;

/// Rows that are loaded from sled before it is reopened, in bytes.
const MAX_READ_BYTES: usize = 16 << 20;

/// The most bytes that sled writes for each byte of rows, with some to spare.
const WRITE_AMPLIFICATION: usize = 8;

const MAX_DEAD_RATIO: usize = 2;

/// Outdated rows that are always acceptable, in bytes.
const MIN_DEAD_BYTES: usize = 1 << 20;

/// The key of the [`Checkpoint`].
const CHECKPOINT: &[u8] = b"m";

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    format: u32,
    next: Offset,
    totals: Totals,
    /// The number of chunks and their bytes: on a disk that was full, sled may have lost some.
    chunks: usize,
    bytes: usize,
}

/// The rows of a state in sled.
#[derive(Debug)]
pub struct StateStore {
    folder: PathBuf,
    /// `None` only if sled could not be reopened.
    db: Option<sled::Db>,
    /// sled's file, which a removal of the folder takes from under it.
    file: Option<FileId>,
    /// Bytes of rows that were read since sled was opened.
    read: usize,
    /// Oldest first.
    chunks: VecDeque<Chunk>,
    next_generation: u64,
    has_checkpoint: bool,
    has_failed: bool,
}

/// sled 0.34 may wait forever for what it could not write, also when it is closed. One that has failed is leaked.
impl Drop for StateStore {
    fn drop(&mut self) {
        if self.has_failed {
            std::mem::forget(self.db.take());
        }
    }
}

impl StateStore {
    /// Opens or makes the store in `folder` and reads the state at its checkpoint; `None` if there is no checkpoint
    /// of this format.
    ///
    /// # Errors
    /// [`StateStoreError`] if sled cannot open it or a row cannot be read.
    pub fn open(folder: &Path) -> Result<(Self, Option<State>), StateStoreError> {
        catch_panic(|| {
            let mut store = Self {
                folder: folder.to_owned(),
                db: Some(once_unlocked(|| open_sled(folder))?),
                file: file_id(folder),
                read: 0,
                chunks: VecDeque::new(),
                next_generation: 0,
                has_checkpoint: false,
                has_failed: false,
            };
            let state = store.load()?;
            store.has_checkpoint = state.is_some();
            store.release_memory()?;
            Ok((store, state))
        })
    }

    /// Makes a store in `folder` with all of `state`, in place of whatever was there.
    ///
    /// # Errors
    /// [`StateStoreError`] if that fails.
    pub fn make(folder: &Path, state: &State) -> Result<Self, StateStoreError> {
        Self::remove(folder)?;
        let (mut store, _) = Self::open(folder)?;
        store.save(state)?;
        Ok(store)
    }

    fn db(&self) -> Result<&sled::Db, StateStoreError> {
        self.db.as_ref().ok_or(StateStoreError::Closed)
    }

    /// Reopens sled while the state is loaded. sled 0.34 keeps what it has read in memory, whatever the size of its
    /// cache, until it has read thousands of pages, and ours are large. (Not after writing: closing then releases
    /// less than opening takes.)
    fn release_memory(&mut self) -> Result<(), StateStoreError> {
        if self.read >= MAX_READ_BYTES {
            self.db = None;
            self.db = Some(reopen_sled(&self.folder)?);
            self.read = 0;
        }
        Ok(())
    }

    /// Checks that no other process has locked the store in `folder`. Waits for one that was just closed.
    ///
    /// # Errors
    /// [`StateStoreError::Locked`] names the process.
    pub fn ensure_free(folder: &Path) -> Result<(), StateStoreError> {
        once_unlocked(|| locked(folder).map_or(Ok(()), Err))
    }

    /// Removes the store in `folder`.
    ///
    /// # Errors
    /// [`StateStoreError::Remove`].
    pub fn remove(folder: &Path) -> Result<(), StateStoreError> {
        let removed = match fs::symlink_metadata(folder) {
            Ok(what) if !what.is_dir() => fs::remove_file(folder),
            _ => fs::remove_dir_all(folder),
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StateStoreError::Remove { path: folder.to_owned(), source })
            }
            _ => Ok(()),
        }
    }

    fn load(&mut self) -> Result<Option<State>, StateStoreError> {
        let Some(checkpoint) = self.db()?.get(CHECKPOINT)? else { return Ok(None) };
        let (format, _) = postcard::take_from_bytes::<u32>(&checkpoint)?;
        if format != FORMAT {
            return Ok(None);
        }
        let Checkpoint { format: _, next, totals, chunks, bytes } = postcard::from_bytes(&checkpoint)?;
        let mut state = State::default();
        let mut decompressor = Decompressor::new().map_err(StateStoreError::Compression)?;
        let mut from = vec![CHUNK];
        loop {
            // sled can only be closed once everything that it handed out is dropped.
            let entry = self.db()?.range(from..vec![CHUNK + 1]).next().transpose()?;
            let Some((key, rows)) = entry else { break };
            let chunk = Chunk::of_entry(&key, &rows).ok_or(postcard::Error::DeserializeBadEncoding)?;
            self.chunks.push_back(chunk);
            state.load_rows(&decompress(&rows, &mut decompressor)?)?;
            from = [&key, &[0][..]].concat();
            self.read += rows.len();
            drop((key, rows));
            self.release_memory()?;
        }
        self.next_generation = self.chunks.back().map_or(0, |chunk| chunk.generation + 1);
        if (self.chunks.len(), total_bytes(&self.chunks)) != (chunks, bytes) {
            return Err(StateStoreError::Incomplete);
        }
        state.finish_loading(next, totals);
        Ok(Some(state))
    }

    /// Saves what changed in `state` (at the first save: all of it), with its offset as the checkpoint, and returns
    /// when it is on disk.
    ///
    /// # Errors
    /// [`StateStoreError`] if sled fails or the disk is full. Call [`State::mark_saved`] only after success.
    pub fn save(&mut self, state: &State) -> Result<(), StateStoreError> {
        if file_id(&self.folder) != self.file {
            return Err(StateStoreError::Replaced);
        }
        let rows = if self.has_checkpoint { state.dirty_bytes() } else { state.stored_bytes() };
        ensure_room(&self.folder, (WRITE_AMPLIFICATION * rows) as u64)?;
        let saved = catch_panic(|| self.write(state));
        self.has_failed = saved.is_err();
        saved
    }

    fn write(&mut self, state: &State) -> Result<(), StateStoreError> {
        let mut writer =
            SaveBatchWriter::new(self.db()?.clone(), self.next_generation, !self.has_checkpoint)?;
        match self.has_checkpoint {
            true => state.for_each_dirty_row(|row| writer.push(row)),
            false => state.for_each_row(|row| writer.push(row)),
        }
        let removed = self.compact(state, &mut writer)?;
        let mut chunks = self.chunks.clone();
        chunks.drain(..removed);
        self.chunks = writer.finish(chunks, |chunks| {
            let (next, totals, bytes) = (state.next_offset(), state.totals(), total_bytes(chunks));
            let checkpoint = Checkpoint { format: FORMAT, next, totals, chunks: chunks.len(), bytes };
            Ok((CHECKPOINT, postcard::to_stdvec(&checkpoint)?))
        })?;
        self.next_generation += 1;
        self.has_checkpoint = true;
        Ok(())
    }

    /// Rewrites the current rows of the oldest chunks into this generation and removes those chunks, while too many rows are
    /// outdated. Returns the number of removed chunks.
    fn compact(&self, state: &State, writer: &mut SaveBatchWriter) -> Result<usize, StateStoreError> {
        let most = (1 + MAX_DEAD_RATIO) * state.stored_bytes() + MIN_DEAD_BYTES;
        let mut stored = total_bytes(&self.chunks) + writer.bytes();
        // Twice the bytes of this generation: old chunks leave faster than new ones come.
        let mut effort = 2 * writer.bytes() + CHUNK_BYTES;
        let mut removed = 0;
        let mut decompressor = Decompressor::new().map_err(StateStoreError::Compression)?;
        for chunk in &self.chunks {
            if stored <= most || effort == 0 {
                break;
            }
            let rows = self.db()?.get(chunk.key())?.ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
            let rows = decompress(&rows, &mut decompressor)?;
            let mut rows = &rows[..];
            while !rows.is_empty() {
                let row = PackedRow::take_from(&mut rows)?;
                // A removal need not be repeated: the oldest chunk has nothing older to remove.
                if row.row.is_some() && state.is_current(&row) {
                    writer.push(row);
                }
            }
            writer.remove(chunk);
            effort = effort.saturating_sub(chunk.bytes);
            stored -= chunk.bytes;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Which file sled has in `folder`; `None` if there is none.
fn file_id(folder: &Path) -> Option<FileId> {
    fs::metadata(folder.join(lock::FILE)).ok().as_ref().map(FileId::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ChatId, Event, EventKind, Timestamp};
    use dot11::Ssid;

    /// Text that is hard to compress.
    fn text(seed: u64) -> String {
        let mut number = seed;
        let mut digits = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:08x}", number >> 32)
        };
        (0..750).map(|_| digits()).collect()
    }

    #[test]
    fn outdated_rows_leave_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = State::default();
        let (mut store, _) = StateStore::open(&path).unwrap();
        let fold = |state: &mut State, seed: u64, number: u32| {
            let ssid = Ssid::from(format!("net {number}").as_str());
            let watch = EventKind::Watch { chat: ChatId(1), ssid, reason: Some(text(seed)) };
            state.fold(state.next_offset(), &Event::new(Timestamp::from_micros(0), watch));
        };
        // Rows of which some never change again.
        (100..110).for_each(|number| fold(&mut state, number, number as u32));
        let mut most = 0;
        for round in 0..60 {
            (0..10).for_each(|number| fold(&mut state, 1_000 + 10 * round + number, number as u32));
            store.save(&state).unwrap();
            state.mark_saved();
            most = most.max(total_bytes(&store.chunks));
        }
        // Twenty rows of 3,000 bytes, and what may be outdated.
        assert!((MIN_DEAD_BYTES / 2..=MIN_DEAD_BYTES + 100_000).contains(&most), "{most}");
        drop(store);
        let (_, saved) = StateStore::open(&path).unwrap();
        assert!(saved.unwrap() == state);
    }
}

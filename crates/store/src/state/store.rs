//! The state's rows in sled, which is disposable: whatever is wrong with it, it is dropped and made
//! again from the log.
//!
//! # Format
//! Each [`StateStore::save`] is a run: the rows that changed, packed one behind the other into chunks of some
//! [`CHUNK_BYTES`] that are compressed, under the run's number and the chunk's. A newer run's row stands for
//! an older one's.
//! What is whole only together (rows, outbox, checkpoint) goes into one batch, which sled applies as a
//! whole, and is flushed.
//!
//! DirtyMap share chunks because sled 0.34 keeps a copy of a leaf for each key of a batch until the batch
//! ends, some 40 KiB a key, and writes three to six times what a small row has.
//!
//! # What must hold
//! - The caller saves only what the log has fsynced.
//! - A store without a checkpoint is one whose first save was not finished: it holds nothing.
//! - DirtyMap that newer ones stand for take, compressed, no more than [`MAX_DEAD_RATIO`] times what the living take
//!   as they are: each save takes the living rows of the oldest chunks along and drops these.

mod lock;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zstd::bulk::{Compressor, Decompressor};

use super::table::PackedRow;
use super::{State, Totals};
use crate::event::Offset;
use lock::{locked, once_unlocked};

/// Grows with each change to a row's form, so that an older store is dropped instead of misread; and to what the
/// fold makes of an event, so that it is made anew.
const FORMAT: u32 = 11;

const CACHE_BYTES: u64 = 1 << 20;

const CHUNK_BYTES: usize = 30_000;

/// A chunk ends behind the row with which it is full, and no row is nearly as large.
const LARGEST_CHUNK: usize = 4 << 20;

/// Of zstd: rows change often, and what is in them is short.
const ZSTD_LEVEL: i32 = 1;

/// What the first save hands to sled at once.
const FIRST_SAVE_BYTES: usize = 4 << 20;

/// DirtyMap that are loaded from sled before it is opened anew.
const READ_BYTES: usize = 16 << 20;

/// What sled writes at most of each byte of rows, with room to spare.
const WRITE_AMPLIFICATION: usize = 8;

/// What sled needs besides: a few of its segments of half a MiB.
const MIN_FREE_BYTES: u64 = 2 << 20;

const MAX_DEAD_RATIO: usize = 2;

/// Dead rows that are no matter, however few are alive.
const MIN_DEAD_BYTES: usize = 1 << 20;

const META: &[u8] = b"m";
const CHUNK: u8 = b'r';

/// sled failed, or holds what cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateStoreError {
    /// sled itself failed.
    #[error("the state in sled could not be used: {0}")]
    Sled(#[from] sled::Error),
    /// A row is not of this version's form.
    #[error("a row of the state in sled could not be read: {0}")]
    Row(#[from] postcard::Error),
    /// A chunk of rows cannot be compressed or decompressed.
    #[error("rows of the state in sled could not be compressed or decompressed: {0}")]
    Compression(io::Error),
    /// sled gave up in the middle.
    #[error("the state in sled could not be used: sled panicked")]
    Panicked,
    /// Another process has it.
    #[error("the state in {} is in use by {holder}; stop that first", path.display())]
    Locked {
        /// sled's file.
        path: PathBuf,
        /// The other process, as far as it can be told.
        holder: String,
    },
    /// DirtyMap are missing.
    #[error("the state in sled is not whole")]
    Incomplete,
    /// The disk is too full to begin.
    #[error("the state could not be kept in sled: it needs {} MiB of room on the disk", needed.div_ceil(1 << 20))]
    NoRoom {
        /// How many bytes.
        needed: u64,
    },
    /// sled was closed and could not be opened again.
    #[error("the state in sled could not be used: it was closed")]
    Closed,
    /// The folder cannot be removed.
    #[error("the state in {} could not be removed: {source}", path.display())]
    Remove {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StateStoreError {
    /// Whether it may come of sled's lock alone. sled calls it an I/O error, and that is all that is known of a lock
    /// that was let go of before [`locked`] could look who had it.
    fn may_be_lock(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Sled(sled::Error::Io(_)))
    }
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    next: Offset,
    totals: Totals,
    /// How many chunks there are, and their bytes: sled may lose some on a disk that was full.
    chunks: usize,
    bytes: usize,
}

/// DirtyMap of one run, one behind the other.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    run: u64,
    number: u32,
    bytes: usize,
}

impl Chunk {
    fn key(&self) -> Vec<u8> {
        [&[CHUNK][..], &self.run.to_be_bytes(), &self.number.to_be_bytes()].concat()
    }

    fn of_entry(key: &[u8], value: &[u8]) -> Option<Self> {
        let (run, number) = key.strip_prefix(&[CHUNK])?.split_first_chunk()?;
        let (run, number) = (u64::from_be_bytes(*run), u32::from_be_bytes(number.try_into().ok()?));
        Some(Self { run, number, bytes: value.len() })
    }
}

/// sled, holding rows of state.
#[derive(Debug)]
pub struct StateStore {
    folder: PathBuf,
    /// None only where sled could not be opened anew.
    db: Option<sled::Db>,
    /// Bytes of rows that were read from sled since it was opened.
    read: usize,
    /// Oldest first.
    chunks: VecDeque<Chunk>,
    next_run: u64,
    has_checkpoint: bool,
    has_failed: bool,
}

/// sled 0.34 may wait for ever for what it could not write, when it is closed as well: one that has failed is
/// left as it is.
impl Drop for StateStore {
    fn drop(&mut self) {
        if self.has_failed {
            std::mem::forget(self.db.take());
        }
    }
}

impl StateStore {
    /// Opens or makes the store in `folder` and reads the state at its checkpoint, `None` where it has
    /// none of this format.
    ///
    /// # Errors
    /// [`StateStoreError`] where sled cannot open it or a row cannot be read.
    pub fn open(folder: &Path) -> Result<(Self, Option<State>), StateStoreError> {
        unless_sled_panics(|| {
            let mut store = Self {
                folder: folder.to_owned(),
                db: Some(once_unlocked(|| open_sled(folder))?),
                read: 0,
                chunks: VecDeque::new(),
                next_run: 0,
                has_checkpoint: false,
                has_failed: false,
            };
            let state = store.load()?;
            store.has_checkpoint = state.is_some();
            store.let_go_of_memory()?;
            Ok((store, state))
        })
    }

    /// Makes a store in `folder`, in place of whatever was there, with all of `state`.
    ///
    /// # Errors
    /// [`StateStoreError`] where that cannot be.
    pub fn make(folder: &Path, state: &State) -> Result<Self, StateStoreError> {
        Self::remove(folder)?;
        let (mut store, _) = Self::open(folder)?;
        store.save(state)?;
        Ok(store)
    }

    fn db(&self) -> Result<&sled::Db, StateStoreError> {
        self.db.as_ref().ok_or(StateStoreError::Closed)
    }

    /// sled 0.34 keeps what it has read in memory, whatever the size of its cache, until it has read thousands
    /// of pages; ours are large. So it is closed and opened now and then while the state is loaded. (Not
    /// later: of what was written, closing lets go of less than opening takes.)
    fn let_go_of_memory(&mut self) -> Result<(), StateStoreError> {
        if self.read >= READ_BYTES {
            self.db = None;
            self.db = Some(reopen_sled(&self.folder)?);
            self.read = 0;
        }
        Ok(())
    }

    /// Holds where no other process has the store in `folder`; one that was just closed is waited for.
    ///
    /// # Errors
    /// [`StateStoreError::Locked`] names the one that has it.
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
        let Some(meta) = self.db()?.get(META)? else { return Ok(None) };
        let (format, _) = postcard::take_from_bytes::<u32>(&meta)?;
        if format != FORMAT {
            return Ok(None);
        }
        let Meta { format: _, next, totals, chunks, bytes } = postcard::from_bytes(&meta)?;
        let mut state = State::default();
        let mut decompressor = Decompressor::new().map_err(StateStoreError::Compression)?;
        let mut from = vec![CHUNK];
        loop {
            // What sled hands out must be let go of before sled can be closed.
            let entry = self.db()?.range(from..vec![CHUNK + 1]).next().transpose()?;
            let Some((key, rows)) = entry else { break };
            let chunk = Chunk::of_entry(&key, &rows).ok_or(postcard::Error::DeserializeBadEncoding)?;
            self.chunks.push_back(chunk);
            state.load_rows(&decompress(&rows, &mut decompressor)?)?;
            from = [&key, &[0][..]].concat();
            self.read += rows.len();
            drop((key, rows));
            self.let_go_of_memory()?;
        }
        self.next_run = self.chunks.back().map_or(0, |chunk| chunk.run + 1);
        if (self.chunks.len(), bytes_of(&self.chunks)) != (chunks, bytes) {
            return Err(StateStoreError::Incomplete);
        }
        state.loaded(next, totals);
        Ok(Some(state))
    }

    /// Saves what changed in `state` (at the first save: all of it), with its offset as the checkpoint,
    /// and returns when it is on disk.
    ///
    /// # Errors
    /// [`StateStoreError`] where sled takes nothing; the state's changes stay noted.
    pub fn save(&mut self, state: &State) -> Result<(), StateStoreError> {
        let rows = if self.has_checkpoint { state.changed_bytes() } else { state.row_bytes() };
        ensure_room(&self.folder, (WRITE_AMPLIFICATION * rows) as u64)?;
        let saved = unless_sled_panics(|| self.write(state));
        self.has_failed = saved.is_err();
        saved
    }

    fn write(&mut self, state: &State) -> Result<(), StateStoreError> {
        let mut writer = RunWriter::new(self.db()?.clone(), self.next_run, !self.has_checkpoint)?;
        match self.has_checkpoint {
            true => state.for_changes(|row| writer.push(row)),
            false => state.for_rows(|row| writer.push(row)),
        }
        let dropped = self.take_oldest_along(state, &mut writer)?;
        let mut chunks = self.chunks.clone();
        chunks.drain(..dropped);
        self.chunks = writer.finish(chunks, |chunks| {
            let (next, totals) = (state.next_offset(), state.totals());
            let meta = Meta { format: FORMAT, next, totals, chunks: chunks.len(), bytes: bytes_of(chunks) };
            postcard::to_stdvec(&meta)
        })?;
        self.next_run += 1;
        self.has_checkpoint = true;
        Ok(())
    }

    /// Writes the living rows of the oldest chunks into this run, as long as too many rows are dead, and has
    /// those chunks removed; how many they are.
    fn take_oldest_along(&self, state: &State, writer: &mut RunWriter) -> Result<usize, StateStoreError> {
        let most = (1 + MAX_DEAD_RATIO) * state.row_bytes() + MIN_DEAD_BYTES;
        let mut stored = bytes_of(&self.chunks) + writer.bytes();
        // Twice what this run brings, so that old chunks go faster than new ones come.
        let mut effort = 2 * writer.bytes() + CHUNK_BYTES;
        let mut dropped = 0;
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
                // That a row is gone needs no saying any more where nothing older is left.
                if row.row.is_some() && state.is_current(&row) {
                    writer.push(row);
                }
            }
            writer.batch.remove(chunk.key());
            effort = effort.saturating_sub(chunk.bytes);
            stored -= chunk.bytes;
            dropped += 1;
        }
        Ok(dropped)
    }
}

/// Packs the rows of one save into a batch.
struct RunWriter {
    db: sled::Db,
    batch: sled::Batch,
    compressor: Compressor<'static>,
    run: u64,
    chunks: Vec<Chunk>,
    rows: Vec<u8>,
    /// Whether chunks may go to sled before the run is whole.
    is_first: bool,
    batched: usize,
    failed: Option<StateStoreError>,
}

impl RunWriter {
    fn new(db: sled::Db, run: u64, is_first: bool) -> Result<Self, StateStoreError> {
        let compressor = Compressor::new(ZSTD_LEVEL).map_err(StateStoreError::Compression)?;
        let rows = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        let batch = sled::Batch::default();
        Ok(Self { db, batch, compressor, run, chunks: Vec::new(), rows, is_first, batched: 0, failed: None })
    }

    fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes).sum::<usize>() + self.rows.len()
    }

    fn push(&mut self, row: PackedRow<'_>) {
        row.push_to(&mut self.rows);
        if self.rows.len() >= CHUNK_BYTES {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        let compressed = match self.compressor.compress(&self.rows) {
            Ok(compressed) => [&(self.rows.len() as u32).to_le_bytes(), compressed.as_slice()].concat(),
            Err(error) => {
                self.failed.get_or_insert(StateStoreError::Compression(error));
                return self.rows.clear();
            }
        };
        let chunk = Chunk { run: self.run, number: self.chunks.len() as u32, bytes: compressed.len() };
        self.batch.insert(chunk.key(), compressed);
        self.chunks.push(chunk);
        self.batched += chunk.bytes;
        self.rows.clear();
        if self.is_first && self.batched >= FIRST_SAVE_BYTES && self.failed.is_none() {
            let batch = std::mem::take(&mut self.batch);
            self.batched = 0;
            self.failed = unless_sled_panics(|| Ok(self.db.apply_batch(batch)?)).err();
        }
    }

    /// Brings the run and what it leaves of the `older` chunks onto the disk; the chunks that there are then.
    fn finish(
        mut self,
        older: VecDeque<Chunk>,
        meta: impl FnOnce(&VecDeque<Chunk>) -> Result<Vec<u8>, postcard::Error>,
    ) -> Result<VecDeque<Chunk>, StateStoreError> {
        if !self.rows.is_empty() {
            self.end_chunk();
        }
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut chunks = older;
        chunks.extend(self.chunks);
        self.batch.insert(META, meta(&chunks)?);
        self.db.apply_batch(self.batch)?;
        self.db.flush()?;
        Ok(chunks)
    }
}

fn bytes_of(chunks: &VecDeque<Chunk>) -> usize {
    chunks.iter().map(|chunk| chunk.bytes).sum()
}

/// Holds where the disk has room for so many bytes and what sled takes besides. sled 0.34 does not bear a disk
/// that is full: it may hang, or lose a part of what it wrote and keep the rest.
fn ensure_room(folder: &Path, bytes: u64) -> Result<(), StateStoreError> {
    let at = if folder.exists() { folder } else { folder.parent().unwrap_or(folder) };
    let needed = bytes + MIN_FREE_BYTES;
    match rustix::fs::statvfs(at) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < needed => {
            Err(StateStoreError::NoRoom { needed })
        }
        _ => Ok(()),
    }
}

/// The rows of a chunk, which begins with how many bytes they are.
fn decompress(chunk: &[u8], decompressor: &mut Decompressor<'_>) -> Result<Vec<u8>, StateStoreError> {
    let (length, compressed) = chunk.split_first_chunk().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    decompressor.decompress(compressed, length.min(LARGEST_CHUNK)).map_err(StateStoreError::Compression)
}

fn open_sled(folder: &Path) -> Result<sled::Db, StateStoreError> {
    ensure_room(folder, 0)?;
    sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        // Flushed by the recorder, once a checkpoint is complete.
        .flush_every_ms(None)
        .open()
        .map_err(|error| locked(folder).unwrap_or(error.into()))
}

/// Opens a store that this process has just closed.
fn reopen_sled(folder: &Path) -> Result<sled::Db, StateStoreError> {
    once_unlocked(|| open_sled(folder)).map_err(|error| match error {
        // It is this process that holds it.
        StateStoreError::Locked { .. } => StateStoreError::Closed,
        error => error,
    })
}

/// sled 0.34 panics on some damage to its files where it should give an error.
fn unless_sled_panics<T>(work: impl FnOnce() -> Result<T, StateStoreError>) -> Result<T, StateStoreError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StateStoreError::Panicked))
}

//! Chunks: compressed runs of rows, which are the values in sled.

use std::collections::VecDeque;

use zstd::bulk::{Compressor, Decompressor};

use super::super::table::PackedRow;
use super::db::catch_panic;
use super::error::StateStoreError;

/// The first byte of a chunk's key.
pub(super) const CHUNK: u8 = b'r';

/// Bytes of rows in a chunk.
pub(super) const CHUNK_BYTES: usize = 30_000;

/// The most bytes that a chunk is decompressed to. A chunk ends after the row that fills it, and no row is nearly
/// as large.
const MAX_CHUNK_BYTES: usize = 4 << 20;

/// Low: rows change often, and are short.
const ZSTD_LEVEL: i32 = 1;

/// Bytes that the first save hands to sled at once.
const FIRST_SAVE_BYTES: usize = 4 << 20;

/// A chunk's place in sled, and its compressed size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) generation: u64,
    number: u32,
    pub(super) bytes: usize,
}

impl Chunk {
    pub(super) fn key(&self) -> Vec<u8> {
        [&[CHUNK][..], &self.generation.to_be_bytes(), &self.number.to_be_bytes()].concat()
    }

    pub(super) fn of_entry(key: &[u8], value: &[u8]) -> Option<Self> {
        let (generation, number) = key.strip_prefix(&[CHUNK])?.split_first_chunk()?;
        let (generation, number) =
            (u64::from_be_bytes(*generation), u32::from_be_bytes(number.try_into().ok()?));
        Some(Self { generation, number, bytes: value.len() })
    }
}

/// The compressed bytes of all chunks.
pub(super) fn total_bytes(chunks: &VecDeque<Chunk>) -> usize {
    chunks.iter().map(|chunk| chunk.bytes).sum()
}

/// The rows of a chunk. A chunk is their length (u32, little endian) and then a zstd frame.
pub(super) fn decompress(
    chunk: &[u8],
    decompressor: &mut Decompressor<'_>,
) -> Result<Vec<u8>, StateStoreError> {
    let (length, compressed) = chunk.split_first_chunk().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    decompressor.decompress(compressed, length.min(MAX_CHUNK_BYTES)).map_err(StateStoreError::Compression)
}

/// Packs the rows of one save into chunks of a batch.
pub(super) struct SaveBatchWriter {
    db: sled::Db,
    batch: sled::Batch,
    compressor: Compressor<'static>,
    generation: u64,
    chunks: Vec<Chunk>,
    rows: Vec<u8>,
    /// Whether chunks may go to sled before the save is complete.
    is_first: bool,
    batched: usize,
    failed: Option<StateStoreError>,
}

impl SaveBatchWriter {
    pub(super) fn new(db: sled::Db, generation: u64, is_first: bool) -> Result<Self, StateStoreError> {
        let compressor = Compressor::new(ZSTD_LEVEL).map_err(StateStoreError::Compression)?;
        let rows = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        let batch = sled::Batch::default();
        Ok(Self {
            db,
            batch,
            compressor,
            generation,
            chunks: Vec::new(),
            rows,
            is_first,
            batched: 0,
            failed: None,
        })
    }

    /// The bytes of the chunks so far, and of the rows in the next.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes).sum::<usize>() + self.rows.len()
    }

    pub(super) fn push(&mut self, row: PackedRow<'_>) {
        row.push_to(&mut self.rows);
        if self.rows.len() >= CHUNK_BYTES {
            self.end_chunk();
        }
    }

    /// Removes an older chunk with this save.
    pub(super) fn remove(&mut self, chunk: &Chunk) {
        self.batch.remove(chunk.key());
    }

    fn end_chunk(&mut self) {
        let compressed = match self.compressor.compress(&self.rows) {
            Ok(compressed) => [&(self.rows.len() as u32).to_le_bytes(), compressed.as_slice()].concat(),
            Err(error) => {
                self.failed.get_or_insert(StateStoreError::Compression(error));
                return self.rows.clear();
            }
        };
        let chunk =
            Chunk { generation: self.generation, number: self.chunks.len() as u32, bytes: compressed.len() };
        self.batch.insert(chunk.key(), compressed);
        self.chunks.push(chunk);
        self.batched += chunk.bytes;
        self.rows.clear();
        if self.is_first && self.batched >= FIRST_SAVE_BYTES && self.failed.is_none() {
            let batch = std::mem::take(&mut self.batch);
            self.batched = 0;
            self.failed = catch_panic(|| Ok(self.db.apply_batch(batch)?)).err();
        }
    }

    /// Applies and flushes the batch, together with the entry that `checkpoint` makes of all chunks: the `older` ones
    /// and those of this save. Returns all chunks.
    pub(super) fn finish(
        mut self,
        older: VecDeque<Chunk>,
        checkpoint: impl FnOnce(&VecDeque<Chunk>) -> Result<(&'static [u8], Vec<u8>), postcard::Error>,
    ) -> Result<VecDeque<Chunk>, StateStoreError> {
        if !self.rows.is_empty() {
            self.end_chunk();
        }
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut chunks = older;
        chunks.extend(self.chunks);
        let (key, value) = checkpoint(&chunks)?;
        self.batch.insert(key, value);
        self.db.apply_batch(self.batch)?;
        self.db.flush()?;
        Ok(chunks)
    }
}

//! A copy of the state in a file, for another process of the same version: rows as the store has them. Neither side holds
//! all of it in memory.
//!
//! Format: chunks, each with its length in bytes before it, as a little-endian `u32`. The first has the offset and the
//! totals, the others have rows. The last one is empty: a truncated file has none.

use std::io::{self, Read, Write};

use super::super::table::{PackedRow, packed};
use super::super::totals::Totals;
use super::image::{StateImage, packed_rows};
use crate::event::Offset;

/// The most bytes of a chunk with rows, apart from the last row.
const CHUNK_BYTES: usize = 1 << 20;

impl StateImage {
    /// Writes what comes before the rows.
    pub(in crate::state) fn write_packed_head(&self, out: &mut dyn Write) -> io::Result<()> {
        write_chunk(&packed(&(self.next_offset(), self.totals())), out)
    }

    /// Writes the rows that it has so far, and drops them.
    pub(in crate::state) fn drain_packed_rows(&mut self, out: &mut dyn Write) -> io::Result<()> {
        for rows in self.rows_mut() {
            let mut start = 0;
            for (rest, _) in packed_rows(rows) {
                let at = rows.len() - rest.len();
                if at - start >= CHUNK_BYTES {
                    write_chunk(&rows[start..at], out)?;
                    start = at;
                }
            }
            if start < rows.len() {
                write_chunk(&rows[start..], out)?;
            }
            rows.clear();
            // The small tables come once.
            rows.shrink_to(CHUNK_BYTES);
        }
        Ok(())
    }
}

/// Writes what comes after the rows.
pub(in crate::state) fn write_packed_end(out: &mut dyn Write) -> io::Result<()> {
    write_chunk(&[], out)
}

fn write_chunk(chunk: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let length = u32::try_from(chunk.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(chunk)
}

/// Reads a packed image.
pub struct PackedImage<R> {
    reader: R,
    chunk: Vec<u8>,
    next: Offset,
    totals: Totals,
}

impl<R: Read> PackedImage<R> {
    /// Reads what comes before the rows.
    ///
    /// # Errors
    /// [`io::Error`] if it cannot be read.
    pub fn open(reader: R) -> io::Result<Self> {
        let mut image =
            Self { reader, chunk: Vec::new(), next: Offset::default(), totals: Totals::default() };
        image.read_chunk()?;
        (image.next, image.totals) = postcard::from_bytes(&image.chunk).map_err(invalid)?;
        Ok(image)
    }

    /// The offset of the first event that is not in it.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Its counts over all devices.
    pub(in crate::state) fn totals(&self) -> Totals {
        self.totals
    }

    /// Passes every row to `take`, in no order.
    pub(in crate::state) fn for_each_row(mut self, mut take: impl FnMut(PackedRow<'_>)) -> io::Result<()> {
        while self.read_chunk()? {
            for (_, row) in packed_rows(&self.chunk) {
                take(row.map_err(invalid)?);
            }
        }
        Ok(())
    }

    /// Returns whether there is one that is not empty.
    fn read_chunk(&mut self) -> io::Result<bool> {
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        self.chunk.clear();
        let read = self.reader.by_ref().take(length).read_to_end(&mut self.chunk)?;
        match read as u64 == length {
            true => Ok(length > 0),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn invalid(error: postcard::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

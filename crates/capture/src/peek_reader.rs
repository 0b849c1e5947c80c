//! A buffered reader of which the next bytes can be seen before they are taken.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read};

use crate::error::ReadError;

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A buffered reader that shows the next bytes in one piece before they are taken. [`io::BufRead`] promises no more
/// than one byte in one piece.
pub(crate) struct PeekReader {
    input: Box<dyn Read + Send>,
    /// Whether the input is a file, of which a read never waits for a writer.
    is_file: bool,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl PeekReader {
    pub fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, is_file: false, buffer: Vec::new(), start: 0, end: 0 }
    }

    /// Reads a regular file.
    pub fn of_file(file: File) -> Self {
        Self { is_file: true, ..Self::new(Box::new(file)) }
    }

    /// Reads what `decode` makes of what this returns.
    pub fn decoded<R: Read + Send + 'static>(self, decode: impl FnOnce(Self) -> R) -> Self {
        Self { is_file: self.is_file, ..Self::new(Box::new(decode(self))) }
    }

    /// Whether the input is a regular file: reading ahead never waits.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// The next `count` bytes without taking them; fewer only if the input ends.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.fill(count)?;
        }
        let end = self.end.min(self.start + count);
        Ok(self.buffer.get(self.start..end).unwrap_or_default())
    }

    /// The next `count` bytes, or as many of them as have been read already.
    pub fn peek_buffered(&self, count: usize) -> &[u8] {
        let end = self.end.min(self.start + count);
        self.buffer.get(self.start..end).unwrap_or_default()
    }

    /// Takes the next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&[u8], ReadError> {
        if self.peek(count)?.len() < count {
            return Err(ReadError::Truncated);
        }
        let start = self.start;
        self.start += count;
        Ok(self.buffer.get(start..self.start).unwrap_or_default())
    }

    /// Reads until the buffer holds `count` bytes or the input ends.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < count {
            self.buffer.resize(count.next_multiple_of(CHUNK_BYTES), 0);
        }
        while self.end < count {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(free) {
                Ok(0) => break,
                Ok(more) => self.end += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads what it holds, then what its input returns.
impl Read for PeekReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        let (from, to) = (available.get(..count), buffer.get_mut(..count));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for PeekReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)?;
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }
}

impl fmt::Debug for PeekReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeekReader")
            .field("start", &self.start)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

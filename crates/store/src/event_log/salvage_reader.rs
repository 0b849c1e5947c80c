//! Reads a file around the parts that the disk does not return.

use std::io::{self, Read, SeekFrom};

use super::vfs::VfsFile;

/// The unit in which systems read files: a bad sector takes as much.
const BLOCK: u64 = 4096;

/// The most bytes that are given up after one failed read. A disk may take seconds for each of those.
const MAX_SKIP: u64 = 1 << 20;

/// The text of a file. In place of what cannot be read it has zeros that end with a line feed: damaged lines of their
/// own, between the whole ones.
#[derive(Debug)]
pub(super) struct SalvageReader {
    file: Box<dyn VfsFile>,
    position: u64,
    end: u64,
    /// What the next failed read gives up.
    skip: u64,
    /// Bytes that are still to be returned in place of unreadable ones.
    filling: u64,
}

impl SalvageReader {
    /// The first `bytes` bytes of the file, which was just opened.
    pub(super) fn new(file: Box<dyn VfsFile>, bytes: u64) -> Self {
        Self { file, position: 0, end: bytes, skip: BLOCK, filling: 0 }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let count = usize::try_from(self.filling).unwrap_or(usize::MAX).min(buffer.len());
        let filled = buffer.split_at_mut(count).0;
        filled.fill(0);
        self.filling -= count as u64;
        if let Some(last) = filled.last_mut().filter(|_| self.filling == 0) {
            *last = b'\n';
        }
        count
    }

    fn read_at_most(&mut self, buffer: &mut [u8], bytes: u64) -> io::Result<usize> {
        let count = usize::try_from(bytes).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(buffer.split_at_mut(count).0)?;
        self.position += read as u64;
        self.skip = BLOCK;
        Ok(read)
    }
}

impl Read for SalvageReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.filling > 0 {
            return Ok(self.fill(buffer));
        }
        let left = self.end - self.position;
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        match self.read_at_most(buffer, left) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {}
            read => return read,
        }
        // Of a long read, the beginning may be readable.
        let to_block = (BLOCK - self.position % BLOCK).min(left);
        self.file.seek(SeekFrom::Start(self.position))?;
        match self.read_at_most(buffer, to_block) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {}
            read => return read,
        }
        self.filling = (to_block + self.skip - BLOCK).min(left);
        self.skip = (self.skip * 2).min(MAX_SKIP);
        self.position += self.filling;
        self.file.seek(SeekFrom::Start(self.position))?;
        Ok(self.fill(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_disk::FaultyDisk;
    use super::super::vfs::{OpenMode, Vfs};
    use super::*;

    #[test]
    fn everything_but_the_bad_blocks_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes: Vec<u8> = (0..300_000_u32).map(|number| b'a' + (number % 26) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let length = bytes.len() as u64;
        for bad in [0..1, 5000..5001, 8191..8193, 4096..40_000, length - 1..length, 0..length] {
            let disk = FaultyDisk::default();
            disk.add("file", bad.clone());
            for size in [1 << 16, 5000, 7] {
                let file = disk.open(&path, OpenMode::Read).unwrap();
                let (mut reader, mut read) = (SalvageReader::new(file, length), Vec::new());
                let mut buffer = vec![0; size];
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break,
                        count => read.extend_from_slice(&buffer[..count]),
                    }
                }
                assert_eq!(read.len(), bytes.len(), "{bad:?}");
                let is_lost = |at: usize| read[at] != bytes[at];
                let lost: Vec<usize> = (0..bytes.len()).filter(|at| is_lost(*at)).collect();
                // Larger and larger parts are given up, in whole blocks.
                let (first, last) = (lost[0] as u64, *lost.last().unwrap() as u64);
                assert_eq!(first, bad.start / BLOCK * BLOCK, "{bad:?}");
                let given_up = 2 * (bad.end - first).next_multiple_of(BLOCK);
                assert!(last + 1 >= bad.end && last < first + given_up, "{bad:?}: {first} to {last}");
                assert!(lost.iter().all(|at| matches!(read[*at], 0 | b'\n')));
            }
        }
        let file = FaultyDisk::default().open(&path, OpenMode::Read).unwrap();
        let mut read = Vec::new();
        SalvageReader::new(file, 1000).read_to_end(&mut read).unwrap();
        assert_eq!(read, bytes[..1000]);
    }
}

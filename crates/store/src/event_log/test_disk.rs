//! A disk with bad sectors, for tests: the files of a folder, parts of which cannot be read.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::vfs::{FileId, FileMetadata, OpenMode, OsVfs, Vfs, VfsFile};

/// What a system reads at a time: a bad sector takes all of it.
const BLOCK: u64 = 4096;

type NamedBlocks = (String, Range<u64>);
type BlocksOfFile = (FileId, Range<u64>);

/// Clones share one disk. The sectors belong to the file: it may be renamed.
#[derive(Debug, Clone, Default)]
pub(crate) struct BadSectors {
    bad: Arc<Mutex<Vec<NamedBlocks>>>,
    /// The files that have them, once they were opened by their name.
    files: Arc<Mutex<Vec<BlocksOfFile>>>,
    /// So many reads of any file fail.
    failing_reads: Arc<AtomicU64>,
}

impl BadSectors {
    /// Makes these bytes of the file of this name unreadable, with those that share a block with them.
    pub(crate) fn add(&self, name: &str, bytes: Range<u64>) {
        let blocks = bytes.start / BLOCK * BLOCK..bytes.end.next_multiple_of(BLOCK);
        self.bad.lock().unwrap().push((name.to_owned(), blocks));
    }

    /// Has the next reads fail.
    pub(crate) fn fail_reads(&self, count: u64) {
        self.failing_reads.store(count, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct File {
    file: Box<dyn VfsFile>,
    position: u64,
    bad: Vec<Range<u64>>,
    failing_reads: Arc<AtomicU64>,
}

fn failure() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let take = |left: u64| left.checked_sub(1);
        if self.failing_reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return Err(failure());
        }
        let end = self.file.length()?.min(self.position + buffer.len() as u64);
        let ahead = self.bad.iter().filter(|bad| bad.start < end && self.position < bad.end);
        let until = ahead.map(|bad| bad.start).min().unwrap_or(end);
        if until < end && until <= self.position {
            return Err(failure());
        }
        let count = usize::try_from(until.saturating_sub(self.position)).unwrap();
        self.file.seek(SeekFrom::Start(self.position))?;
        let read = self.file.read(&mut buffer[..count])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl VfsFile for File {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn id(&self) -> io::Result<FileId> {
        self.file.id()
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.file.set_length(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

impl Vfs for BadSectors {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsVfs.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        OsVfs.sync_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        OsVfs.list(dir)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        OsVfs.metadata(path)
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let file = OsVfs.open(path, mode)?;
        let (id, mut files) = (file.id()?, self.files.lock().unwrap());
        self.bad.lock().unwrap().retain(|(name, bad)| {
            let is_it = path.ends_with(name);
            if is_it {
                files.push((id, bad.clone()));
            }
            !is_it
        });
        let bad = files.iter().filter(|(of, _)| *of == id).map(|(_, bad)| bad.clone()).collect();
        Ok(Box::new(File { file, position: 0, bad, failing_reads: Arc::clone(&self.failing_reads) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsVfs.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsVfs.remove_file(path)
    }

    fn set_modified(&self, path: &Path, time: SystemTime) -> io::Result<()> {
        OsVfs.set_modified(path, time)
    }
}

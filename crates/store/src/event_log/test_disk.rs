//! A disk with faults, for tests: parts of its files cannot be read, reads fail for a while, or whatever is written.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::vfs::{FileId, FileMetadata, OpenMode, OsVfs, Vfs, VfsFile};

/// What a system reads at a time: a bad sector takes all of it.
const BLOCK: u64 = 4096;

type NamedBlocks = (String, Range<u64>);
type BlocksOfFile = (FileId, Range<u64>);

/// Clones share one disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultyDisk {
    /// Bad sectors. They belong to the file: it may be renamed.
    bad: Arc<Mutex<Vec<NamedBlocks>>>,
    /// The files that have them, once they were opened by their name.
    files: Arc<Mutex<Vec<BlocksOfFile>>>,
    faults: Arc<Faults>,
}

/// What fails of any file.
#[derive(Debug, Default)]
struct Faults {
    /// So many reads.
    reads: AtomicU64,
    /// What changes a file, and what passes changes to the disk.
    writes: AtomicBool,
}

impl Faults {
    fn of_read(&self) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(1);
        match self.reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(failure()),
            Err(_) => Ok(()),
        }
    }

    fn of_write(&self) -> io::Result<()> {
        match self.writes.load(Ordering::SeqCst) {
            true => Err(failure()),
            false => Ok(()),
        }
    }
}

impl FaultyDisk {
    /// Makes these bytes of the file of this name unreadable, with those that share a block with them.
    pub(crate) fn add(&self, name: &str, bytes: Range<u64>) {
        let blocks = bytes.start / BLOCK * BLOCK..bytes.end.next_multiple_of(BLOCK);
        self.bad.lock().unwrap().push((name.to_owned(), blocks));
    }

    /// Has the next reads fail.
    pub(crate) fn fail_reads(&self, count: u64) {
        self.faults.reads.store(count, Ordering::SeqCst);
    }

    /// Has writes fail from now on, or no longer.
    pub(crate) fn fail_writes(&self, fail: bool) {
        self.faults.writes.store(fail, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct File {
    file: Box<dyn VfsFile>,
    bad: Vec<Range<u64>>,
    faults: Arc<Faults>,
}

fn failure() -> io::Error {
    io::Error::from_raw_os_error(5)
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.faults.of_read()?;
        let position = self.file.stream_position()?;
        let end = self.file.length()?.min(position + buffer.len() as u64);
        let ahead = self.bad.iter().filter(|bad| bad.start < end && position < bad.end);
        let until = ahead.map(|bad| bad.start).min().unwrap_or(end);
        if until < end && until <= position {
            return Err(failure());
        }
        let count = usize::try_from(until.saturating_sub(position)).unwrap();
        self.file.read(&mut buffer[..count])
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl Write for File {
    /// What fails writes half of it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.faults.of_write() {
            let _ = self.file.write(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
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
        self.faults.of_write()?;
        self.file.set_length(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.of_write()?;
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.faults.of_write()?;
        self.file.sync_all()
    }
}

impl Vfs for FaultyDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        OsVfs.create_dir(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.faults.of_write()?;
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
        Ok(Box::new(File { file, bad, faults: Arc::clone(&self.faults) }))
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

//! The machine's disk, which a test can hold. While it is held, syncs and listings of folders wait, and so do changes
//! and reads of the log. A test that fails meanwhile does not release it, so each such wait ends after [`DEADLINE`].

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::SystemTime;

use store::event_log::{FileId, FileMetadata, OpenMode, OsVfs, Vfs, VfsFile};

use super::DEADLINE;

/// Clones share one disk.
#[derive(Debug, Clone, Default)]
pub struct HeldDisk(Arc<Gate>);

#[derive(Debug, Default)]
struct Gate {
    is_held: Mutex<bool>,
    listing: Mutex<Listing>,
    changed: Condvar,
    changed_listing: Condvar,
}

/// The state of the one listing that a test holds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Listing {
    #[default]
    Free,
    /// The next listing will wait.
    Next,
    /// A listing waits, and others pass.
    Waits,
}

impl Gate {
    fn pass_listing(&self) {
        let mut listing = self.listing.lock().unwrap();
        if *listing == Listing::Next {
            *listing = Listing::Waits;
            self.changed_listing.notify_all();
            let is_held = |listing: &mut Listing| *listing != Listing::Free;
            drop(self.changed_listing.wait_timeout_while(listing, DEADLINE, is_held).unwrap());
        }
    }

    fn pass(&self) {
        let is_held = self.is_held.lock().unwrap();
        drop(self.changed.wait_timeout_while(is_held, DEADLINE, |is_held| *is_held).unwrap());
    }
}

impl HeldDisk {
    pub fn hold(&self) {
        *self.0.is_held.lock().unwrap() = true;
    }

    /// Holds only the next listing.
    pub fn hold_next_listing(&self) {
        *self.0.listing.lock().unwrap() = Listing::Next;
    }

    /// Waits until a listing waits.
    pub fn wait_until_listing(&self) {
        let listing = self.0.listing.lock().unwrap();
        let is_to_come = |listing: &mut Listing| *listing != Listing::Waits;
        let waited = self.0.changed_listing.wait_timeout_while(listing, DEADLINE, is_to_come).unwrap();
        assert!(!waited.1.timed_out(), "no folder is being listed");
    }

    pub fn release(&self) {
        *self.0.is_held.lock().unwrap() = false;
        self.0.changed.notify_all();
        *self.0.listing.lock().unwrap() = Listing::Free;
        self.0.changed_listing.notify_all();
    }
}

impl Vfs for HeldDisk {
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        OsVfs.create_dir(folder)
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        OsVfs.sync_dir(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.pass();
        self.0.pass_listing();
        OsVfs.list(folder)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        OsVfs.metadata(path)
    }

    fn open(&self, path: &Path, how: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        Ok(Box::new(HeldFile { file: OsVfs.open(path, how)?, gate: Arc::clone(&self.0) }))
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

#[derive(Debug)]
struct HeldFile {
    file: Box<dyn VfsFile>,
    gate: Arc<Gate>,
}

impl Read for HeldFile {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.file.read(bytes)
    }
}

impl Write for HeldFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for HeldFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl VfsFile for HeldFile {
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
        self.gate.pass();
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_all()
    }
}

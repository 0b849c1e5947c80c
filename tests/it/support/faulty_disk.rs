//! An in-memory file system with scripted failures, which can also return its contents after a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use store::event_log::{FileId, FileMetadata, OpenMode, Vfs, VfsFile};

/// An operation on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    CreateFolder,
    SyncFolder,
    List,
    Metadata,
    Open,
    Rename,
    Remove,
    Read,
    Write,
    Sync,
    SetLength,
}

/// Which operations fail, by their numbers, and how.
#[derive(Debug, Clone)]
pub struct Fault {
    pub operations: Range<usize>,
    /// If given, only operations of this kind fail.
    pub only: Option<Operation>,
    /// The error number of the operating system.
    pub errno: i32,
    /// If true, a write just before these operations is short: it accepts half of its bytes.
    pub is_short: bool,
}

/// What a power cut leaves of unsynced bytes.
#[derive(Debug, Clone, Copy)]
pub enum Leftover {
    Nothing,
    Half,
    /// Zeros of the same length. Removed names are gone, new names do not exist yet.
    Zeros,
}

/// Clones share one disk.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

#[derive(Debug, Clone, Default)]
struct State {
    operations: usize,
    fault: Option<Fault>,
    folders: BTreeSet<PathBuf>,
    names: Names,
    durable_names: Names,
    /// Removed since the folder's last sync.
    removed: BTreeSet<PathBuf>,
    files: Vec<File>,
    /// A number that the test attaches to the images taken from now on.
    note: u64,
    images: Option<Vec<State>>,
}

type Names = BTreeMap<PathBuf, usize>;

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Bytes that a failed fsync dropped. They can still be read, but a later fsync does not write them.
    dropped: Range<usize>,
    created: Option<SystemTime>,
}

impl FaultyDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// The number of operations so far.
    pub fn operations(&self) -> usize {
        self.state().operations
    }

    pub fn note(&self, note: u64) {
        self.state().note = note;
    }

    pub fn noted(&self) -> u64 {
        self.state().note
    }

    /// Keeps an image of the disk before each operation from now on.
    pub fn keep_images(&self) {
        self.state().images = Some(Vec::new());
    }

    /// The images, each after a power cut with this leftover.
    pub fn images(&self, leftover: Leftover) -> Vec<Self> {
        let images = self.state().images.clone().unwrap_or_default();
        images.into_iter().map(|state| state.after_power_cut(leftover)).map(Self::from).collect()
    }

    /// An independent copy of the disk.
    pub fn copy(&self) -> Self {
        let state = self.state().clone();
        Self::from(State { fault: None, images: None, operations: 0, ..state })
    }

    /// The names of the files.
    pub fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        self.state().names.keys().map(name).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        let state = self.state();
        state.names.keys().find(|path| path.ends_with(name)).unwrap().clone()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        let state = self.state();
        state.files[state.names[&path]].bytes.clone()
    }

    /// Damages a file.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(name);
        let mut state = self.state();
        let file = state.names[&path];
        let file = &mut state.files[file];
        change(&mut file.bytes);
        file.durable = file.bytes.clone();
    }

    /// Creates or replaces a file in the folder of another.
    pub fn plant(&self, beside: &str, name: &str, bytes: &[u8]) {
        let path = self.path(beside).with_file_name(name);
        self.state().make(&path, bytes);
    }

    /// Removes a file durably.
    pub fn lose(&self, name: &str) {
        let path = self.path(name);
        let mut state = self.state();
        state.names.remove(&path);
        let is_its = |other: &Path| other.file_name().unwrap().to_str().unwrap().starts_with(&name[..20]);
        state.durable_names.retain(|other, _| !is_its(other));
    }

    pub fn set_created(&self, name: &str, created: SystemTime) {
        let path = self.path(name);
        let mut state = self.state();
        let file = state.names[&path];
        state.files[file].created = Some(created);
    }

    /// Counts an operation and applies the scripted fault.
    fn step(&self, operation: Operation) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.images.is_some() {
            let image = State { images: None, ..state.clone() };
            state.images.as_mut().unwrap().push(image);
        }
        let number = state.operations;
        state.operations += 1;
        match &state.fault {
            Some(fault)
                if fault.operations.contains(&number) && fault.only.is_none_or(|only| only == operation) =>
            {
                Err(io::Error::from_raw_os_error(fault.errno))
            }
            _ => Ok(state),
        }
    }
}

impl From<State> for FaultyDisk {
    fn from(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }
}

impl State {
    fn make(&mut self, path: &Path, bytes: &[u8]) {
        let file = File { bytes: bytes.to_vec(), durable: bytes.to_vec(), ..File::default() };
        self.files.push(file);
        self.names.insert(path.to_owned(), self.files.len() - 1);
        self.durable_names.insert(path.to_owned(), self.files.len() - 1);
    }

    fn after_power_cut(mut self, leftover: Leftover) -> Self {
        for file in &mut self.files {
            let unsynced = file.bytes.get(file.durable.len()..).unwrap_or_default();
            match leftover {
                Leftover::Nothing => {}
                Leftover::Half => file.durable.extend_from_slice(&unsynced[..unsynced.len() / 2]),
                Leftover::Zeros => file.durable.extend(unsynced.iter().map(|_| 0)),
            }
            file.bytes = file.durable.clone();
            file.dropped = 0..0;
        }
        if matches!(leftover, Leftover::Zeros) {
            self.durable_names.retain(|path, _| !self.removed.contains(path));
        }
        self.names = self.durable_names.clone();
        Self { fault: None, operations: 0, ..self }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Vfs for FaultyDisk {
    fn create_dir(&self, folder: &Path) -> io::Result<()> {
        // The names of folders themselves are always durable here.
        let is_new = self.step(Operation::CreateFolder)?.folders.insert(folder.to_owned());
        if is_new { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.step(Operation::SyncFolder)?;
        let is_inside = |path: &Path| path.parent() == Some(folder);
        state.durable_names.retain(|path, _| !is_inside(path));
        let inside: Vec<_> = state.names.iter().filter(|(path, _)| is_inside(path)).collect();
        let inside: Names = inside.into_iter().map(|(path, file)| (path.clone(), *file)).collect();
        state.durable_names.extend(inside);
        state.removed.retain(|path| !is_inside(path));
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.step(Operation::List)?;
        Ok(state.names.keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let state = self.step(Operation::Metadata)?;
        let number = state.file(path)?;
        let file = &state.files[number];
        let modified = SystemTime::now();
        Ok(FileMetadata {
            id: file_id(number),
            bytes: file.bytes.len() as u64,
            modified,
            created: file.created,
        })
    }

    fn open(&self, path: &Path, how: OpenMode) -> io::Result<Box<dyn VfsFile>> {
        let mut state = self.step(Operation::Open)?;
        let file = match (how, state.file(path)) {
            (OpenMode::Read, file) => file?,
            (OpenMode::Append | OpenMode::Truncate, Ok(file)) => file,
            (OpenMode::Append | OpenMode::Truncate, Err(_)) => {
                let file = state.files.len();
                state.files.push(File::default());
                state.names.insert(path.to_owned(), file);
                file
            }
        };
        if how == OpenMode::Truncate {
            state.files[file].bytes.clear();
            state.files[file].dropped = 0..0;
        }
        Ok(Box::new(OpenFile { disk: self.clone(), file, position: 0 }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.step(Operation::Rename)?;
        let file = state.file(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.step(Operation::Remove)?;
        state.file(path)?;
        state.names.remove(path);
        state.removed.insert(path.to_owned());
        Ok(())
    }

    fn set_modified(&self, _: &Path, _: SystemTime) -> io::Result<()> {
        Ok(())
    }
}

fn file_id(number: usize) -> FileId {
    FileId { device: 0, inode: number as u64 }
}

#[derive(Debug)]
struct OpenFile {
    disk: FaultyDisk,
    file: usize,
    position: usize,
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.step(Operation::Read)?;
        let rest = state.files[self.file].bytes.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.step(Operation::Write)?;
        let next = state.operations;
        let is_short =
            state.fault.as_ref().is_some_and(|fault| fault.is_short && fault.operations.start == next);
        let taken = if is_short { bytes.len() / 2 } else { bytes.len() };
        // Both for a file that is opened to append and for a truncated one, writes go to the end.
        state.files[self.file].bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(position) = to else { unimplemented!("{to:?}") };
        self.position = position as usize;
        Ok(position)
    }
}

impl OpenFile {
    fn sync(&self) -> io::Result<()> {
        match self.disk.step(Operation::Sync) {
            Ok(mut state) => {
                let file = &mut state.files[self.file];
                file.durable = file.bytes.clone();
                let dropped = file.dropped.start..file.dropped.end.min(file.durable.len());
                file.durable.get_mut(dropped).unwrap_or_default().fill(0);
                Ok(())
            }
            Err(error) => {
                let mut state = self.disk.state();
                let file = &mut state.files[self.file];
                file.dropped = file.durable.len()..file.bytes.len();
                Err(error)
            }
        }
    }
}

impl VfsFile for OpenFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.step(Operation::Metadata)?.files[self.file].bytes.len() as u64)
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(file_id(self.file))
    }

    fn set_length(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.step(Operation::SetLength)?;
        let file = &mut state.files[self.file];
        file.bytes.resize(bytes as usize, 0);
        file.dropped.end = file.dropped.end.min(bytes as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }
}

//! Snapshots as files: what segments gave that are no longer there.
//!
//! # Format
//! `snapshots/` in the data directory, beside `events/`, holds files named by the offset of the first event
//! that is not in them, in twenty digits: `….ndjson.zst`, one zstd frame with a content checksum. What
//! stands in them is the business of the state.
//!
//! # What must hold
//! - A file has its name only when it is whole, on disk, and was read back.
//! - An older snapshot goes only when a newer one is on disk under its name.
//! - One that turned out unreadable is kept as `….damaged`, and never taken for a snapshot again.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::LogError;
use super::log_dir::LogDir;
use super::segment;
use super::vfs::OsVfs;
use crate::event::Offset;

const WHOLE: &str = ".ndjson.zst";
const UNFINISHED: &str = ".ndjson.zst.tmp";
const DAMAGED: &str = ".ndjson.zst.damaged";

/// A snapshot was not made.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// The disk does not take it.
    #[error(transparent)]
    Disk(#[from] LogError),
    /// What was read back is not what was written.
    #[error("the snapshot {} was written and does not read back: {why}", path.display())]
    Unverified {
        /// The file, which is gone again.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A snapshot that lies in its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    offset: Offset,
    path: PathBuf,
}

/// The snapshots of a data directory.
#[derive(Debug, Clone)]
pub struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    /// Those of `data_dir`, whether there are any or not.
    pub fn of(data_dir: &Path) -> Self {
        Self { folder: data_dir.join("snapshots") }
    }

    /// The snapshots that there are, newest first.
    ///
    /// # Errors
    /// [`LogError`] where the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<SnapshotFile>, LogError> {
        let mut found: Vec<SnapshotFile> =
            self.files()?.into_iter().filter_map(SnapshotFile::from_path).collect();
        found.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.offset));
        Ok(found)
    }

    /// Writes a snapshot of all events before `offset`, has `verify` read it back, and then removes the
    /// older ones.
    ///
    /// # Errors
    /// [`SnapshotFileError`]; the older ones are still there then.
    pub fn write<E: ToString>(
        &self,
        offset: Offset,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        verify: impl FnOnce(&mut dyn BufRead) -> Result<(), E>,
    ) -> Result<(), SnapshotFileError> {
        let folder = LogDir::make(Arc::new(OsVfs), &self.folder)?;
        self.remove_unfinished()?;
        let snapshot = SnapshotFile::new(&self.folder, offset);
        let unfinished = segment::temporary_path(&snapshot.path);
        let failed = || LogError::new("write the snapshot", &unfinished);
        let written = folder
            .write_whole(&snapshot.path, true, |file| write(file).map_err(failed()))
            .map_err(SnapshotFileError::from)
            .and_then(|_| {
                verify(&mut open(&unfinished)?).map_err(|why| SnapshotFileError::Unverified {
                    path: unfinished.clone(),
                    why: why.to_string(),
                })
            });
        if let Err(error) = written {
            // On a full disk the room is needed.
            if let Err(error) = folder.remove(&unfinished) {
                warn!("{error}");
            }
            return Err(error);
        }
        folder.put_in_place(&snapshot.path)?;
        for older in self.list()?.into_iter().filter(|older| older.offset < offset) {
            folder.remove(&older.path)?;
        }
        Ok(())
    }

    /// Removes what an interrupted [`Snapshots::write`] left behind.
    ///
    /// # Errors
    /// [`LogError`] where that cannot be listed or removed.
    pub fn remove_unfinished(&self) -> Result<(), LogError> {
        let is_unfinished = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(UNFINISHED))
        };
        self.files()?
            .into_iter()
            .filter(is_unfinished)
            .try_for_each(|path| fs::remove_file(&path).map_err(LogError::new("remove", &path)))
    }

    fn files(&self) -> Result<Vec<PathBuf>, LogError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(LogError::new("list the folder", &self.folder))?,
        };
        entries
            .map(|entry| Ok(entry.map_err(LogError::new("list the folder", &self.folder))?.path()))
            .collect()
    }
}

impl SnapshotFile {
    fn new(folder: &Path, offset: Offset) -> Self {
        Self { offset, path: folder.join(format!("{:020}{WHOLE}", offset.0)) }
    }

    fn from_path(path: PathBuf) -> Option<Self> {
        let digits = path.file_name()?.to_str()?.strip_suffix(WHOLE)?;
        let offset = digits.parse().ok().filter(|_| digits.len() == 20)?;
        Some(Self { offset: Offset(offset), path })
    }

    /// The offset of the first event that is not in it.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands in it. Corruption is an error of the reading.
    ///
    /// # Errors
    /// [`LogError`] where it cannot be opened.
    pub fn open(&self) -> Result<impl BufRead + use<>, LogError> {
        open(&self.path)
    }

    /// Renames it so that it is not taken for a snapshot any more; its new name.
    ///
    /// # Errors
    /// [`LogError`] where that fails.
    pub fn quarantine(&self) -> Result<PathBuf, LogError> {
        let aside = self.path.with_file_name(format!("{:020}{DAMAGED}", self.offset.0));
        fs::rename(&self.path, &aside).map_err(LogError::new("rename", &self.path))?;
        Ok(aside)
    }
}

fn open(path: &Path) -> Result<BufReader<zstd::Decoder<'static, BufReader<File>>>, LogError> {
    File::open(path)
        .and_then(zstd::Decoder::new)
        .map(|decoder| BufReader::with_capacity(1 << 16, decoder))
        .map_err(LogError::new("open the snapshot", path))
}

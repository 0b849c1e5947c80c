//! The files of snapshots, which hold the state that events of removed segments gave.
//!
//! # Format
//! `snapshots/` in the data directory, next to `events/`, holds `….ndjson.zst`: one zstd frame with a content checksum.
//! A file's name is the offset of the first event that is not in it, in twenty digits. The state defines the content.
//!
//! # Invariants
//! - A file gets its name once it is whole, on disk, and was read back.
//! - An older snapshot is removed once a newer one is on disk under its name.
//! - An unreadable snapshot is kept as `….damaged` and never used again.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::error::LogError;
use super::log_dir::LogDir;
use super::segment;
use super::vfs::OsVfs;
use crate::event::Offset;

const SUFFIX: &str = ".ndjson.zst";
const TEMPORARY: &str = ".ndjson.zst.tmp";
const QUARANTINED: &str = ".ndjson.zst.damaged";

/// A snapshot could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] LogError),
    /// The file failed verification after it was written.
    #[error("the snapshot {} failed verification after writing: {why}", path.display())]
    Unverified {
        /// The file, which was removed.
        path: PathBuf,
        /// Why it failed.
        why: String,
    },
}

impl From<SnapshotFileError> for LogError {
    fn from(error: SnapshotFileError) -> Self {
        match error {
            SnapshotFileError::Disk(error) => error,
            SnapshotFileError::Unverified { ref path, .. } => {
                Self::new("verify", path)(io::Error::other(error.to_string()))
            }
        }
    }
}

/// A snapshot in its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotFile {
    offset: Offset,
    path: PathBuf,
}

/// The snapshots of a data directory.
#[derive(Debug, Clone)]
pub struct Snapshots {
    dir: PathBuf,
}

impl Snapshots {
    /// The snapshots of `data_dir`, which may have none.
    pub fn of(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("snapshots") }
    }

    /// The snapshots, newest first.
    ///
    /// # Errors
    /// [`LogError`] if the directory cannot be listed.
    pub fn list(&self) -> Result<Vec<SnapshotFile>, LogError> {
        let mut found: Vec<SnapshotFile> =
            self.files()?.into_iter().filter_map(SnapshotFile::from_path).collect();
        found.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.offset));
        Ok(found)
    }

    /// Writes a snapshot of all events before `offset`, has `verify` read it back, and then removes the older ones.
    ///
    /// # Errors
    /// [`SnapshotFileError`]; the older snapshots still exist then.
    pub fn write<E: ToString>(
        &self,
        offset: Offset,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        verify: impl FnOnce(&mut dyn BufRead) -> Result<(), E>,
    ) -> Result<(), SnapshotFileError> {
        let dir = LogDir::create(Arc::new(OsVfs), &self.dir)?;
        self.remove_unfinished()?;
        let snapshot = SnapshotFile::new(&self.dir, offset);
        let temporary = segment::temporary_path(&snapshot.path);
        let failed = || LogError::new("write the snapshot", &temporary);
        let written = dir
            .write_temporary(&snapshot.path, true, |file| write(file).map_err(failed()))
            .map_err(SnapshotFileError::from)
            .and_then(|_| {
                verify(&mut open(&temporary)?).map_err(|why| SnapshotFileError::Unverified {
                    path: temporary.clone(),
                    why: why.to_string(),
                })
            });
        if let Err(error) = written {
            // A full disk needs the space.
            if let Err(error) = dir.remove(&temporary) {
                warn!(%error, "could not delete an unfinished snapshot");
            }
            return Err(error);
        }
        dir.install(&snapshot.path)?;
        for older in self.list()?.into_iter().filter(|older| older.offset < offset) {
            dir.remove(&older.path)?;
        }
        Ok(())
    }

    /// Removes what an interrupted [`Snapshots::write`] left.
    ///
    /// # Errors
    /// [`LogError`] if the directory cannot be listed or a file not removed.
    pub fn remove_unfinished(&self) -> Result<(), LogError> {
        let is_temporary = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(TEMPORARY))
        };
        self.files()?
            .into_iter()
            .filter(is_temporary)
            .try_for_each(|path| fs::remove_file(&path).map_err(LogError::new("remove", &path)))
    }

    fn files(&self) -> Result<Vec<PathBuf>, LogError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(LogError::new("list the folder", &self.dir))?,
        };
        entries.map(|entry| Ok(entry.map_err(LogError::new("list the folder", &self.dir))?.path())).collect()
    }
}

impl SnapshotFile {
    fn new(dir: &Path, offset: Offset) -> Self {
        Self { offset, path: dir.join(format!("{:020}{SUFFIX}", offset.0)) }
    }

    fn from_path(path: PathBuf) -> Option<Self> {
        let digits = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
        let offset = digits.parse().ok().filter(|_| digits.len() == 20)?;
        Some(Self { offset: Offset(offset), path })
    }

    /// The offset of the first event that is not in it.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of its content. Reading fails if the file is corrupt.
    ///
    /// # Errors
    /// [`LogError`] if it cannot be opened.
    pub fn open(&self) -> Result<impl BufRead + use<>, LogError> {
        open(&self.path)
    }

    /// Renames it so that it is not used as a snapshot again. Returns its new path.
    ///
    /// # Errors
    /// [`LogError`] if it cannot be renamed.
    pub fn quarantine(&self) -> Result<PathBuf, LogError> {
        let quarantine = self.path.with_file_name(format!("{:020}{QUARANTINED}", self.offset.0));
        fs::rename(&self.path, &quarantine).map_err(LogError::new("rename", &self.path))?;
        Ok(quarantine)
    }
}

fn open(path: &Path) -> Result<BufReader<zstd::Decoder<'static, BufReader<File>>>, LogError> {
    File::open(path)
        .and_then(zstd::Decoder::new)
        .map(|decoder| BufReader::with_capacity(1 << 16, decoder))
        .map_err(LogError::new("open the snapshot", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(snapshots: &Snapshots, offset: u64, text: &str) -> Result<(), SnapshotFileError> {
        let verify = |file: &mut dyn BufRead| -> Result<(), String> {
            let mut found = String::new();
            file.read_to_string(&mut found).map_err(|error| error.to_string())?;
            (!found.is_empty()).then_some(()).ok_or_else(|| "it is empty".to_owned())
        };
        snapshots.write(Offset(offset), |file| file.write_all(text.as_bytes()), verify)
    }

    fn listed(snapshots: &Snapshots) -> Vec<(u64, String)> {
        let read = |snapshot: &SnapshotFile| {
            let text = io::read_to_string(snapshot.open().unwrap()).unwrap();
            (snapshot.offset().0, text)
        };
        snapshots.list().unwrap().iter().map(read).collect()
    }

    #[test]
    fn a_snapshot_replaces_the_older_ones_once_it_is_verified() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::of(folder.path());
        assert_eq!(listed(&snapshots), []);
        write(&snapshots, 5, "five").unwrap();
        let error = LogError::from(write(&snapshots, 7, "").unwrap_err());
        assert!(error.to_string().contains("it is empty"), "{error}");
        assert_eq!(listed(&snapshots), [(5, "five".to_owned())]);
        write(&snapshots, 9, "nine").unwrap();
        // One of an offset before the newest is no reason to remove that.
        write(&snapshots, 8, "eight").unwrap();
        assert_eq!(listed(&snapshots), [(9, "nine".to_owned()), (8, "eight".to_owned())]);
        assert_eq!(fs::read_dir(folder.path().join("snapshots")).unwrap().count(), 2);
    }

    #[test]
    fn a_damaged_snapshot_is_kept_and_never_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::of(folder.path());
        write(&snapshots, 5, "five").unwrap();
        let damaged = snapshots.list().unwrap().remove(0);
        let bytes = fs::read(damaged.path()).unwrap();
        let kept = damaged.quarantine().unwrap();
        assert_eq!((fs::read(&kept).unwrap(), listed(&snapshots)), (bytes, vec![]));
        assert!(damaged.quarantine().is_err(), "it is not there any more");
        snapshots.remove_unfinished().unwrap();
        write(&snapshots, 6, "six").unwrap();
        assert!(kept.exists());
    }

    #[test]
    fn what_an_interrupted_write_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::of(folder.path());
        snapshots.remove_unfinished().unwrap();
        write(&snapshots, 5, "five").unwrap();
        let dir = folder.path().join("snapshots");
        let unfinished = dir.join(format!("{:020}{TEMPORARY}", 6));
        for path in [&unfinished, &dir.join("7.ndjson.zst"), &dir.join("notes")] {
            fs::write(path, "").unwrap();
        }
        snapshots.remove_unfinished().unwrap();
        assert!(!unfinished.exists() && dir.join("notes").exists());
        // A name without twenty digits is none of ours.
        assert_eq!(listed(&snapshots), [(5, "five".to_owned())]);
        fs::remove_dir_all(&dir).unwrap();
        fs::write(&dir, "no folder").unwrap();
        assert!(snapshots.list().is_err() && snapshots.remove_unfinished().is_err());
    }
}

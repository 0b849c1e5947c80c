//! Ensures that one process at a time writes a data directory.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::{Interference, LogError};
use super::log_dir::create_dir;
use super::vfs::{FileId, OsVfs};

/// The data directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the data directory {} is in use by {holder}", path.display())]
    Held {
        /// The data directory.
        path: PathBuf,
        /// The other process, as far as known.
        holder: String,
    },
    /// Another process has or had it, after its lock was removed or replaced.
    #[error("the data directory {} was taken over by {holder} while this one ran", path.display())]
    TakenOver {
        /// The data directory.
        path: PathBuf,
        /// The other process, as far as known.
        holder: String,
    },
    /// It cannot be created or locked.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<LockError> for LogError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Log(error) => error,
            LockError::Held { ref path, .. } | LockError::TakenOver { ref path, .. } => {
                Self::interference("lock", path, Interference::InUse(error.to_string()))
            }
        }
    }
}

impl LockError {
    /// What an operator can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Held { .. } => Some("stop that first, or name another directory with --data-dir"),
            Self::TakenOver { .. } => Some(
                "let only one probewatch use a data directory; the next start goes on with what is there",
            ),
            Self::Log(_) => None,
        }
    }
}

/// The exclusive right to write a data directory. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct DataDirLock {
    path: PathBuf,
    file: File,
    owner: String,
}

impl DataDirLock {
    /// Locks `data_dir`, which is created if it is missing.
    ///
    /// # Errors
    /// [`LockError::Held`] names the process that has it.
    pub fn acquire(data_dir: &Path) -> Result<Self, LockError> {
        // Containers give the same process ID again and again.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let owner = format!("{}\n{}\n", std::process::id(), since.as_nanos());
        Self::acquire_as(data_dir, owner, |_| false)
    }

    /// Locks `data_dir` unless it is another's by what its lock says.
    fn acquire_as(
        data_dir: &Path,
        owner: String,
        is_anothers: impl FnOnce(&str) -> bool,
    ) -> Result<Self, LockError> {
        create_dir(&OsVfs, data_dir)?;
        let path = data_dir.join("lock");
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LogError::new("open", &path))?;
        let locked = file.try_lock();
        let before = owner_in(&mut file);
        if is_anothers(&before) {
            return Err(LockError::TakenOver { path: data_dir.to_owned(), holder: shown(&before) });
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: data_dir.to_owned(), holder: shown(&before) });
            }
            Err(TryLockError::Error(error)) => return Err(LogError::new("lock", &path)(error).into()),
        }
        // It is for messages and [`DataDirLock::renew`]: the lock holds without it on a full disk.
        if let Err(error) = write_owner(&mut file, &owner) {
            tracing::debug!(path = %path.display(), %error, "could not write who has the lock");
        }
        Ok(Self { path, file, owner })
    }

    /// Locks the data directory again if its lock was removed or replaced, as together with the directory, which is
    /// then created.
    ///
    /// # Errors
    /// As [`DataDirLock::acquire`]; [`LockError::TakenOver`] if another process has locked it meanwhile: what is there now may
    /// be that one's. The old lock is kept, and does not keep others from the directory.
    pub fn renew(&mut self) -> Result<(), LockError> {
        let held = self.file.metadata().map_err(LogError::new("read the metadata of", &self.path))?;
        match fs::metadata(&self.path) {
            Ok(named) if FileId::from(&named) == FileId::from(&held) => Ok(()),
            _ => {
                let data_dir = self.path.parent().unwrap_or(Path::new("."));
                // A copy of the directory has a copy of this lock.
                let is_anothers = |owner: &str| !owner.is_empty() && owner != self.owner;
                *self = Self::acquire_as(data_dir, self.owner.clone(), is_anothers)?;
                Ok(())
            }
        }
    }
}

fn write_owner(file: &mut File, owner: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(owner.as_bytes())
}

/// What the file says; empty if it cannot be read.
fn owner_in(file: &mut File) -> String {
    let mut owner = String::new();
    match file.take(100).read_to_string(&mut owner) {
        Ok(_) => owner,
        Err(_) => String::new(),
    }
}

/// Who has the lock, by what is in the file: the process ID is its first line.
fn shown(owner: &str) -> String {
    match owner.lines().next() {
        Some(id) if !id.trim().is_empty() => format!("another probewatch (process {})", id.trim()),
        _ => "another probewatch".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_removed_is_taken_again_unless_another_process_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        fs::create_dir(&dir).unwrap();
        let mut lock = DataDirLock::acquire(&dir).unwrap();
        lock.renew().unwrap();
        assert!(matches!(DataDirLock::acquire(&dir), Err(LockError::Held { .. })));
        fs::remove_dir_all(&dir).unwrap();
        lock.renew().unwrap();
        assert!(matches!(DataDirLock::acquire(&dir), Err(LockError::Held { .. })), "it is locked again");
        // A copy of the directory, or an empty file in its place, is nobody else's.
        for owner in [lock.owner.clone(), String::new()] {
            let copy = lock.path.with_extension("copy");
            fs::write(&copy, owner).unwrap();
            fs::rename(copy, &lock.path).unwrap();
            lock.renew().unwrap();
        }
        fs::remove_file(&lock.path).unwrap();
        fs::write(&lock.path, "4711\nanother").unwrap();
        let error = lock.renew().unwrap_err();
        assert!(
            matches!(&error, LockError::TakenOver { holder, .. } if holder.contains("4711")),
            "{error:?}"
        );
    }
}

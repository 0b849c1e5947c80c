//! Ensures that one process at a time writes a data directory.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

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
    /// It cannot be created or locked.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<LockError> for LogError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Log(error) => error,
            LockError::Held { ref path, .. } => {
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
            Self::Log(_) => None,
        }
    }
}

/// The exclusive right to write a data directory. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct DataDirLock {
    path: PathBuf,
    file: File,
}

impl DataDirLock {
    /// Locks `data_dir`, which is created if it is missing.
    ///
    /// # Errors
    /// [`LockError::Held`] names the process that has it.
    pub fn acquire(data_dir: &Path) -> Result<Self, LockError> {
        create_dir(&OsVfs, data_dir)?;
        let path = data_dir.join("lock");
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(LogError::new("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder_of(&mut file);
                return Err(LockError::Held { path: data_dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(LogError::new("lock", &path)(error).into()),
        }
        // The process id is only for the message above: the lock holds without it on a full disk.
        if let Err(error) = write_process_id(&mut file) {
            tracing::debug!(path = %path.display(), %error, "could not write the process id");
        }
        Ok(Self { path, file })
    }

    /// Locks the data directory again if its lock was removed or replaced, as together with the directory, which is
    /// then created.
    ///
    /// # Errors
    /// As [`DataDirLock::acquire`]. The old lock is kept, and does not keep others from the directory.
    pub fn renew(&mut self) -> Result<(), LockError> {
        let held = self.file.metadata().map_err(LogError::new("read the metadata of", &self.path))?;
        match fs::metadata(&self.path) {
            Ok(named) if FileId::from(&named) == FileId::from(&held) => Ok(()),
            _ => {
                *self = Self::acquire(self.path.parent().unwrap_or(Path::new(".")))?;
                Ok(())
            }
        }
    }
}

fn write_process_id(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder_of(file: &mut File) -> String {
    let mut id = String::new();
    match file.take(20).read_to_string(&mut id) {
        Ok(_) if !id.trim().is_empty() => format!("another probewatch (process {})", id.trim()),
        _ => "another probewatch".to_owned(),
    }
}

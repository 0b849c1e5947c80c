//! One process at a time writes a data directory.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::LogError;
use super::log_dir::create_dir;
use super::vfs::OsVfs;

/// The data directory is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the data directory {} is in use by {holder}; stop that first, or name another directory with --data-dir",
        path.display()
    )]
    Held {
        /// The data directory.
        path: PathBuf,
        /// The other process, as far as it can be told.
        holder: String,
    },
    /// It cannot be made or locked.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The right to write a data directory; it ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Makes `data_dir` where it is missing and takes its lock.
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
                let holder = name_of_holder(&mut file);
                return Err(LockError::Held { path: data_dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(LogError::new("lock", &path)(error).into()),
        }
        // The process id serves only the message above: on a full disk the lock is as good without it.
        if let Err(error) = write_process_id(&mut file) {
            tracing::debug!("could not write the process id into {}: {error}", path.display());
        }
        Ok(Self { _file: file })
    }
}

fn write_process_id(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn name_of_holder(file: &mut File) -> String {
    let mut id = String::new();
    match file.take(20).read_to_string(&mut id) {
        Ok(_) if !id.trim().is_empty() => format!("another probewatch (process {})", id.trim()),
        _ => "another probewatch".to_owned(),
    }
}

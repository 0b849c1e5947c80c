//! The error of file operations on the log.

use std::io;
use std::path::{Path, PathBuf};

/// A file or directory of the log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {path}: {source}")]
pub struct LogError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl LogError {
    /// Adds to an error of the system what was being done to which file.
    pub(super) fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// The error of the system.
    pub fn io(&self) -> &io::Error {
        &self.source
    }

    pub(super) fn into_io(self) -> io::Error {
        self.source
    }

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        "check the disk and who owns the data directory"
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

//! What can be wrong with the state store.

use std::io;
use std::path::PathBuf;

/// The state store failed, or holds what cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateStoreError {
    /// sled itself failed.
    #[error("the saved state could not be used: {0}")]
    Sled(#[from] sled::Error),
    /// A row is not of this version's form.
    #[error("a row of the saved state could not be read: {0}")]
    Row(#[from] postcard::Error),
    /// A chunk of rows cannot be compressed or decompressed.
    #[error("rows of the saved state could not be compressed or decompressed: {0}")]
    Compression(io::Error),
    /// sled panicked.
    #[error("the saved state could not be used: sled panicked")]
    Panicked,
    /// Another process has locked the store.
    #[error("the state in {} is in use by {holder}", path.display())]
    Locked {
        /// sled's file.
        path: PathBuf,
        /// The other process, as far as it is known.
        holder: String,
    },
    /// Rows are missing.
    #[error("the saved state is not complete")]
    Incomplete,
    /// The disk is too full to begin.
    #[error("the state could not be saved: it needs {} MiB of free disk space", needed.div_ceil(1 << 20))]
    NoRoom {
        /// The bytes that are needed.
        needed: u64,
    },
    /// Its files were removed or replaced while it was open.
    #[error("the saved state could not be used: its files were removed or replaced")]
    Replaced,
    /// sled was closed and could not be opened again.
    #[error("the saved state could not be used: it was closed")]
    Closed,
    /// The folder cannot be removed.
    #[error("the state in {} could not be removed: {source}", path.display())]
    Remove {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl StateStoreError {
    /// What a person can do about it. For the other errors the recorder does it: it makes a new store.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Locked { .. } => Some("stop that first"),
            Self::NoRoom { .. } => Some("free some disk space"),
            _ => None,
        }
    }

    /// Whether sled's lock may be the only cause. sled reports it as an I/O error, and the lock may be released
    /// before [`locked`](super::lock::locked) can see who held it.
    pub(super) fn may_be_lock(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Sled(sled::Error::Io(_)))
    }
}

//! Why the recorder cannot start or go on.

use crate::event_log::{LockError, LogError};
use crate::state::StateStoreError;

/// The data directory could not be opened, or can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Another process uses the data directory, or it cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state can neither be used nor rebuilt.
    #[error(transparent)]
    Store(#[from] StateStoreError),
}

impl RecorderError {
    /// What a person can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Lock(error) => error.remedy(),
            Self::Log(error) => Some(error.remedy()),
            Self::Store(error) => error.remedy(),
        }
    }
}

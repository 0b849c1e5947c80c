//! Opens sled 0.34 and works around its faults.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use super::error::StateStoreError;
use super::lock::{locked, once_unlocked};

const CACHE_BYTES: u64 = 1 << 20;

/// Free disk space that sled needs besides the rows: a few of its segments of half a MiB.
const MIN_FREE_BYTES: u64 = 2 << 20;

pub(super) fn open_sled(folder: &Path) -> Result<sled::Db, StateStoreError> {
    ensure_room(folder, 0)?;
    sled::Config::new()
        .path(folder)
        .cache_capacity(CACHE_BYTES)
        // The store flushes, once a checkpoint is complete.
        .flush_every_ms(None)
        .open()
        .map_err(|error| locked(folder).unwrap_or(error.into()))
}

/// Opens a database that this process has just closed.
pub(super) fn reopen_sled(folder: &Path) -> Result<sled::Db, StateStoreError> {
    once_unlocked(|| open_sled(folder)).map_err(|error| match error {
        // The holder is this process.
        StateStoreError::Locked { .. } => StateStoreError::Closed,
        error => error,
    })
}

/// Checks that the disk has `bytes` and what sled needs besides. On a full disk sled 0.34 may hang, or lose a part
/// of what it wrote and keep the rest.
pub(super) fn ensure_room(folder: &Path, bytes: u64) -> Result<(), StateStoreError> {
    let at = if folder.exists() { folder } else { folder.parent().unwrap_or(folder) };
    let needed = bytes + MIN_FREE_BYTES;
    match rustix::fs::statvfs(at) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < needed => {
            Err(StateStoreError::NoRoom { needed })
        }
        _ => Ok(()),
    }
}

/// Turns a panic into an error: sled 0.34 panics on some damage to its files.
pub(super) fn catch_panic<T>(
    work: impl FnOnce() -> Result<T, StateStoreError>,
) -> Result<T, StateStoreError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StateStoreError::Panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_on_the_disk_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        for at in [folder.path().to_owned(), folder.path().join("missing")] {
            ensure_room(&at, 0).unwrap();
            let error = ensure_room(&at, u64::MAX / 2).unwrap_err();
            let StateStoreError::NoRoom { needed } = error else { panic!("{error:?}") };
            assert_eq!(needed, u64::MAX / 2 + MIN_FREE_BYTES);
        }
    }
}

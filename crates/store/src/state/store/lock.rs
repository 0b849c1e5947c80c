//! The lock that sled holds on its file: whether it is held, by whom, and waiting for its release.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::StateStoreError;

/// The name of sled's file.
pub(super) const FILE: &str = "db";

/// How long sled may hold its lock after it was closed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The wait before the lock is tried again.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Calls `open` until the store is not locked any more: sled's own threads may hold the lock for a moment after
/// closing. Returns the error that names the holder after [`LOCK_TIMEOUT`].
pub(super) fn once_unlocked<T>(open: impl Fn() -> Result<T, StateStoreError>) -> Result<T, StateStoreError> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(error) if error.may_be_lock() && begun.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_POLL_INTERVAL)
            }
            opened => return opened,
        }
    }
}

/// The error that another process has locked the store, if one has.
pub(super) fn locked(folder: &Path) -> Option<StateStoreError> {
    let path = folder.join(FILE);
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).ok()?;
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => {
            let holder = holder_of(&path).map_or("another process".to_owned(), |id| format!("process {id}"));
            Some(StateStoreError::Locked { path, holder })
        }
        _ => None,
    }
}

/// The process that has locked the file, from `/proc/locks` (proc(5)).
fn holder_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = fs::metadata(path).ok()?.ino().to_string();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(4);
        let id = fields.next()?.parse().ok()?;
        (fields.next()?.rsplit(':').next()? == inode).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_store_names_the_process_that_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(locked(folder.path()).is_none(), "there is no file");
        let file = fs::File::create(folder.path().join(FILE)).unwrap();
        assert!(locked(folder.path()).is_none());
        file.lock().unwrap();
        let error = locked(folder.path()).unwrap();
        assert!(error.may_be_lock() && error.remedy().is_some());
        let StateStoreError::Locked { holder, .. } = error else { panic!("{error:?}") };
        assert_eq!(holder, format!("process {}", std::process::id()));
    }
}

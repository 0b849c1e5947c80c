//! The lock that sled holds on its file: whether it is held, by whom, and the wait for one that was just let go.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::StateStoreError;

/// How long sled may hold its lock after it was closed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The wait before its lock is tried again.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(2);

/// What `open` gives once nothing holds the store's lock any more, as sled's own threads may for a moment after
/// it was closed; or the error that names who does.
pub(super) fn once_unlocked<T>(open: impl Fn() -> Result<T, StateStoreError>) -> Result<T, StateStoreError> {
    let asked = Instant::now();
    loop {
        match open() {
            Err(error) if error.may_be_lock() && asked.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_POLL_INTERVAL)
            }
            opened => return opened,
        }
    }
}

/// The error that another process has the store, where one has it.
pub(super) fn locked(folder: &Path) -> Option<StateStoreError> {
    let path = folder.join("db");
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).ok()?;
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => {
            let holder = holder_of(&path).map_or("another process".to_owned(), |id| format!("process {id}"));
            Some(StateStoreError::Locked { path, holder })
        }
        _ => None,
    }
}

/// The process that has locked the file, as Linux tells in proc(5)'s `/proc/locks`.
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

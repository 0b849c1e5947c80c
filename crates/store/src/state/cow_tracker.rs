//! Keeps the rows that a copy-on-write snapshot still needs: each change saves the old row first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dot11::MacAddr;

/// The old rows of one shard that changed since the snapshot began; `None` for a row that was not there.
pub(super) type OldRows = HashMap<MacAddr, Option<Box<[u8]>>>;

/// The rows as they were when the snapshot began, of shards that are not copied yet.
#[derive(Debug)]
pub(super) struct BeforeImages(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    next_shard: usize,
    shards: Vec<OldRows>,
}

/// The table's side: knows the snapshot that is being taken of it, if any. A clone of a table is in no snapshot.
#[derive(Debug, Default)]
pub(super) struct CowTracker(Weak<Mutex<Inner>>);

impl Clone for CowTracker {
    fn clone(&self) -> Self {
        Self::default()
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CowTracker {
    /// Saves a row of the shard that is about to change. Does nothing if no snapshot needs it.
    pub(super) fn save_old_row(&self, shard: usize, address: MacAddr, row: Option<&[u8]>) {
        let Some(inner) = self.0.upgrade() else { return };
        let mut inner = lock(&inner);
        if shard >= inner.next_shard
            && let Some(rows) = inner.shards.get_mut(shard)
        {
            rows.entry(address).or_insert_with(|| row.map(Box::from));
        }
    }

    /// Begins to keep the old rows of this many shards; `None` while another snapshot is being taken.
    pub(super) fn begin(&mut self, shards: usize) -> Option<BeforeImages> {
        if self.0.strong_count() > 0 {
            return None;
        }
        let shards = (0..shards).map(|_| HashMap::new()).collect();
        let inner = Arc::new(Mutex::new(Inner { next_shard: 0, shards }));
        self.0 = Arc::downgrade(&inner);
        Some(BeforeImages(inner))
    }
}

impl BeforeImages {
    /// Whether these are the old rows of this tracker's table.
    pub(super) fn is_for_snapshot(&self, tracker: &CowTracker) -> bool {
        Weak::ptr_eq(&Arc::downgrade(&self.0), &tracker.0)
    }

    /// The shard that is to be copied next.
    pub(super) fn next_shard(&self) -> usize {
        lock(&self.0).next_shard
    }

    /// Hands out the old rows of the next shard, which is copied now and needs none any more.
    pub(super) fn take_shard(&self) -> OldRows {
        let mut inner = lock(&self.0);
        let shard = inner.next_shard;
        inner.next_shard += 1;
        inner.shards.get_mut(shard).map(std::mem::take).unwrap_or_default()
    }
}

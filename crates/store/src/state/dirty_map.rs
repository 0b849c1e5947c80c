//! DirtyMap of one kind that are held in memory whole and know which of them changed.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Iter, Range};
use std::ops::RangeBounds;

/// A map that remembers which keys were written since the last [`DirtyMap::forget_changes`].
#[derive(Debug, Clone)]
pub(super) struct DirtyMap<K, V> {
    rows: BTreeMap<K, V>,
    changed: BTreeSet<K>,
}

impl<K, V> Default for DirtyMap<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), changed: BTreeSet::new() }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for DirtyMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<K: Ord + Clone, V> DirtyMap<K, V> {
    /// Takes in a row, or its absence, that is no change.
    pub(super) fn load_row(&mut self, key: K, row: Option<V>) {
        match row {
            Some(row) => self.rows.insert(key, row),
            None => self.rows.remove(&key),
        };
    }

    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key)
    }

    /// The row for `key`, counted as changed; a missing one begins as the default.
    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.changed.insert(key.clone());
        self.rows.entry(key).or_default()
    }

    /// The row for `key`, counted as changed, where there is one.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    pub(super) fn insert(&mut self, key: K, row: V) {
        self.changed.insert(key.clone());
        self.rows.insert(key, row);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.changed.insert(key.clone());
        Some(row)
    }

    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        self.rows.iter()
    }

    pub(super) fn range(&self, keys: impl RangeBounds<K>) -> Range<'_, K, V> {
        self.rows.range(keys)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The changed keys with their rows, `None` where the row is gone.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        self.changed.iter().map(|key| (key, self.rows.get(key)))
    }

    pub(super) fn forget_changes(&mut self) {
        self.changed.clear();
    }
}

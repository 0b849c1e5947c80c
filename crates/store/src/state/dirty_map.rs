//! A map in memory that knows which of its rows are not saved yet.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Iter, Range};
use std::ops::RangeBounds;

/// A map that remembers which keys were written since the last [`DirtyMap::mark_clean`].
#[derive(Debug, Clone)]
pub(super) struct DirtyMap<K, V> {
    rows: BTreeMap<K, V>,
    dirty: BTreeSet<K>,
}

impl<K, V> Default for DirtyMap<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), dirty: BTreeSet::new() }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for DirtyMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<K: Ord + Clone, V> DirtyMap<K, V> {
    /// Sets a row, or removes it for `None`, without marking it dirty.
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

    /// The row for `key`, marked dirty; a missing one begins as the default.
    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.dirty.insert(key.clone());
        self.rows.entry(key).or_default()
    }

    /// The row for `key`, marked dirty, if there is one.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.dirty.insert(key.clone());
        Some(row)
    }

    pub(super) fn insert(&mut self, key: K, row: V) {
        self.dirty.insert(key.clone());
        self.rows.insert(key, row);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.dirty.insert(key.clone());
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

    /// The keys of the lowest quarter of the rows that have a rank; of equal ranks, those with the lower keys.
    pub(super) fn lowest_quarter<R: Ord>(&self, rank: impl Fn(&K, &V) -> Option<R>) -> Vec<K> {
        let rows = self.rows.iter();
        let mut ranked: Vec<(R, K)> =
            rows.filter_map(|(key, row)| Some((rank(key, row)?, key.clone()))).collect();
        ranked.sort_unstable();
        ranked.truncate(ranked.len() / 4);
        ranked.into_iter().map(|(_, key)| key).collect()
    }

    /// The dirty keys with their rows, `None` for a removed one.
    pub(super) fn dirty_rows(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        self.dirty.iter().map(|key| (key, self.rows.get(key)))
    }

    pub(super) fn mark_clean(&mut self) {
        self.dirty.clear();
    }
}

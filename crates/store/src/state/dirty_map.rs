//! A map in memory that knows which of its rows are not saved yet.
//!
//! A row carries what is known of its saves, so that a change costs no second look-up, and a row that came and left between
//! two saves leaves nothing behind: a flood of rows is as bounded as the table.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;

/// A map that remembers which rows were written since the last [`DirtyMap::mark_clean`].
#[derive(Debug, Clone)]
pub(super) struct DirtyMap<K, V> {
    rows: BTreeMap<K, Row<V>>,
    /// Removed keys of which the store still has a row. Some may be there again.
    removed: BTreeSet<K>,
    /// Grows by one at each save.
    epoch: u32,
}

#[derive(Debug, Clone)]
struct Row<V> {
    value: V,
    /// The epoch in which it was added. The store has a row of its key if that is over.
    added: u32,
    /// The epoch of its last change.
    changed: u32,
}

/// The epoch of rows that were loaded.
const LOADED: u32 = 0;

impl<K, V> Default for DirtyMap<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), removed: BTreeSet::new(), epoch: LOADED + 1 }
    }
}

/// Equal maps have the same rows, whichever of them are saved.
impl<K: Ord, V: PartialEq> PartialEq for DirtyMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Ord, V> DirtyMap<K, V> {
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key).map(|row| &row.value)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, row)| (key, &row.value))
    }

    pub(super) fn range(&self, keys: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(keys).map(|(key, row)| (key, &row.value))
    }

    /// The lowest key.
    pub(super) fn first_key(&self) -> Option<&K> {
        self.rows.first_key_value().map(|(key, _)| key)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<K: Ord + Clone, V> DirtyMap<K, V> {
    /// Sets a row, or removes it for `None`, without marking it dirty.
    pub(super) fn load_row(&mut self, key: K, row: Option<V>) {
        match row {
            Some(value) => drop(self.rows.insert(key, Row { value, added: LOADED, changed: LOADED })),
            None => drop(self.rows.remove(&key)),
        }
    }

    /// The row for `key`, marked dirty; a missing one begins as the default.
    pub(super) fn entry(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let epoch = self.epoch;
        let row =
            self.rows.entry(key).or_insert_with(|| Row { value: V::default(), added: epoch, changed: epoch });
        row.changed = epoch;
        &mut row.value
    }

    /// The row for `key`, marked dirty, if there is one.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        row.changed = self.epoch;
        Some(&mut row.value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.get_mut(&key) {
            Some(row) => *row = value,
            None => drop(self.rows.insert(key, Row { value, added: self.epoch, changed: self.epoch })),
        }
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let row = self.rows.remove(key)?;
        if row.added < self.epoch {
            self.removed.insert(key.clone());
        }
        Some(row.value)
    }

    /// The keys of the lowest quarter of the rows that have a rank; of equal ranks, those with the lower keys.
    pub(super) fn lowest_quarter<R: Ord>(&self, rank: impl Fn(&K, &V) -> Option<R>) -> Vec<K> {
        let rows = self.iter();
        let mut ranked: Vec<(R, K)> =
            rows.filter_map(|(key, row)| Some((rank(key, row)?, key.clone()))).collect();
        ranked.sort_unstable();
        ranked.truncate(ranked.len() / 4);
        ranked.into_iter().map(|(_, key)| key).collect()
    }

    /// The dirty keys with their rows, `None` for a removed one.
    pub(super) fn dirty_rows(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        let changed = self.rows.iter().filter(|(_, row)| row.changed == self.epoch);
        let removed = self.removed.iter().filter(|key| !self.rows.contains_key(*key));
        changed.map(|(key, row)| (key, Some(&row.value))).chain(removed.map(|key| (key, None)))
    }

    /// Notes that all rows are saved.
    pub(super) fn mark_clean(&mut self) {
        self.epoch += 1;
        self.removed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirty(map: &DirtyMap<u8, u8>) -> Vec<(u8, Option<u8>)> {
        map.dirty_rows().map(|(key, row)| (*key, row.copied())).collect()
    }

    #[test]
    fn what_is_not_saved_is_dirty() {
        let mut map = DirtyMap::default();
        map.load_row(1, Some(10));
        map.load_row(2, Some(20));
        assert_eq!(dirty(&map), []);
        map.insert(3, 30);
        *map.entry(4) += 1;
        *map.get_mut(&1).unwrap() += 1;
        assert_eq!(map.remove(&2), Some(20));
        assert_eq!(dirty(&map), [(1, Some(11)), (3, Some(30)), (4, Some(1)), (2, None)]);
        map.mark_clean();
        assert_eq!(dirty(&map), []);
        assert_eq!(map.iter().count(), 3);
    }

    #[test]
    fn a_row_that_the_store_never_had_leaves_nothing_behind() {
        let mut map = DirtyMap::default();
        for key in 0..100 {
            map.insert(key, key);
            map.remove(&key);
        }
        assert_eq!(dirty(&map), []);
        map.insert(1, 1);
        map.mark_clean();
        // The store has it: it may come and go, but its row must leave the store in the end.
        map.remove(&1);
        map.insert(1, 2);
        assert_eq!(dirty(&map), [(1, Some(2))]);
        map.remove(&1);
        assert_eq!(dirty(&map), [(1, None)]);
    }
}

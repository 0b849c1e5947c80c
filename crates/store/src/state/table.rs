//! DirtyMap of one kind as the store sees them: bytes under bytes. Which kinds there are, `State` says.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::dirty_map::DirtyMap;

pub(super) trait Table {
    /// Hands over, as of this kind, what changed since [`Table::forget_changes`].
    fn changes(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>));

    /// Hands over every row, as of this kind.
    fn rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>));

    /// What stands under the key now.
    fn row(&self, key: &[u8]) -> Option<Cow<'_, [u8]>>;

    /// Takes in what was handed over once, and counts it as no change.
    fn load(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<(), postcard::Error>;

    fn forget_changes(&mut self);

    /// What all rows take in the store, roughly.
    fn bytes(&self) -> usize;
}

/// What a row of one of the small tables takes in the store, roughly.
const ROW_BYTES: usize = 64;

impl<K, V> Table for DirtyMap<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: PartialEq + Serialize + DeserializeOwned,
{
    fn changes(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for (key, row) in self.changes() {
            take(PackedRow { kind, key: &packed(key), row: row.map(packed).as_deref() });
        }
    }

    fn rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for (key, row) in self.iter() {
            take(PackedRow { kind, key: &packed(key), row: Some(&packed(row)) });
        }
    }

    fn row(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let key = postcard::from_bytes::<K>(key).ok()?;
        self.get(&key).map(|row| Cow::Owned(packed(row)))
    }

    fn load(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<(), postcard::Error> {
        let row = row.map(postcard::from_bytes::<V>).transpose()?;
        self.load_row(postcard::from_bytes(key)?, row);
        Ok(())
    }

    fn forget_changes(&mut self) {
        self.forget_changes();
    }

    fn bytes(&self) -> usize {
        self.len() * ROW_BYTES
    }
}

pub(super) fn packed(value: &impl Serialize) -> Vec<u8> {
    // Only an integer or a text could fail to be packed into a growing buffer, and none does.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Packs `value` behind what `bytes` has.
pub(super) fn push(value: &impl Serialize, bytes: &mut Vec<u8>) {
    *bytes = postcard::to_extend(value, std::mem::take(bytes)).unwrap_or_default();
}

/// A row of any kind, as it stands among others.
pub(super) struct PackedRow<'a> {
    pub(super) kind: u8,
    pub(super) key: &'a [u8],
    /// `None` where there is none any more.
    pub(super) row: Option<&'a [u8]>,
}

impl<'a> PackedRow<'a> {
    pub(super) fn push_to(&self, rows: &mut Vec<u8>) {
        let lengths = (self.kind, self.key.len(), self.row.map(<[u8]>::len));
        push(&lengths, rows);
        rows.extend_from_slice(self.key);
        rows.extend_from_slice(self.row.unwrap_or_default());
    }

    /// Takes the next of `rows`.
    pub(super) fn take_from(rows: &mut &'a [u8]) -> Result<Self, postcard::Error> {
        let ((kind, key, row), rest) = postcard::take_from_bytes::<(u8, usize, Option<usize>)>(rows)?;
        let end = || postcard::Error::DeserializeUnexpectedEnd;
        let (key, rest) = rest.split_at_checked(key).ok_or_else(end)?;
        let (bytes, rest) = rest.split_at_checked(row.unwrap_or(0)).ok_or_else(end)?;
        *rows = rest;
        Ok(Self { kind, key, row: row.map(|_| bytes) })
    }
}

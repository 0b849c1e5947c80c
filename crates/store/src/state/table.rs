//! A table of rows as the store and snapshots see it: byte keys and values.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::dirty_map::DirtyMap;

/// The kinds of rows, each by the letter that it has in the store.
pub(super) mod kind {
    pub const DEVICE: u8 = b'd';
    pub const NETWORK: u8 = b'k';
    pub const NAME: u8 = b'n';
    pub const PROPOSAL: u8 = b'P';
    pub const WATCH: u8 = b'w';
    pub const PATTERN: u8 = b'p';
    pub const FOLLOW: u8 = b'f';
    pub const CHAT_SETTINGS: u8 = b'C';
    pub const MUTE: u8 = b'm';
    pub const IGNORED: u8 = b'i';
    pub const ALERT: u8 = b'o';
    pub const OVERFLOW: u8 = b'v';
    pub const COOLDOWN: u8 = b'c';
    pub const LATEST_ALERTS: u8 = b'l';
    pub const MIGRATED: u8 = b'g';
    pub const HANDLED_UPDATE: u8 = b'a';
    pub const INVITATION: u8 = b'e';
    pub const PAIRED: u8 = b'r';
    pub const BLOCKED: u8 = b'B';
    pub const SIGNATURE: u8 = b's';
    pub const GROUP: u8 = b'G';
    pub const MODEL: u8 = b'M';
    pub const REQUESTER: u8 = b'R';
    pub const FORGOTTEN_NETWORKS: u8 = b'F';
    pub const SPLIT: u8 = b'S';
    pub const GROUPING_MODE: u8 = b'O';
    pub const HABIT: u8 = b'H';
    pub const LEARNING: u8 = b'L';
    pub const DOORBELL: u8 = b'D';
    pub const VISITOR: u8 = b'V';
    pub const DEVICE_INFO: u8 = b'I';
    pub const FLOOD: u8 = b'T';
    pub const FLOOD_MESSAGE: u8 = b'W';
}

pub(super) trait Table {
    /// Passes the rows that changed since [`Table::mark_clean`] to `take`, as of this kind.
    fn dirty_rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>));

    /// Passes every row to `take`, as of this kind.
    fn rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>));

    /// The current row of the key.
    fn row(&self, key: &[u8]) -> Option<Cow<'_, [u8]>>;

    /// Loads a row, or removes it for `None`. The row is not dirty then.
    fn load(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<(), postcard::Error>;

    /// Notes that all rows are saved.
    fn mark_clean(&mut self);

    /// Roughly the bytes that all rows take in the store.
    fn stored_bytes(&self) -> usize;
}

/// Roughly the bytes that a row of a small table takes in the store.
const ROW_BYTES: usize = 64;

impl<K, V> Table for DirtyMap<K, V>
where
    K: Ord + Clone + Serialize + DeserializeOwned,
    V: PartialEq + Serialize + DeserializeOwned,
{
    fn dirty_rows(&self, kind: u8, take: &mut dyn FnMut(PackedRow<'_>)) {
        for (key, row) in self.dirty_rows() {
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

    fn mark_clean(&mut self) {
        self.mark_clean();
    }

    fn stored_bytes(&self) -> usize {
        self.len() * ROW_BYTES
    }
}

pub(super) fn packed(value: &impl Serialize) -> Vec<u8> {
    // Packing into a growing buffer does not fail for the types of rows.
    postcard::to_stdvec(value).unwrap_or_default()
}

/// Appends the packed `value` to `bytes`.
pub(super) fn push(value: &impl Serialize, bytes: &mut Vec<u8>) {
    *bytes = postcard::to_extend(value, std::mem::take(bytes)).unwrap_or_default();
}

/// A row of any kind, with what it takes to tell it from others.
pub(super) struct PackedRow<'a> {
    pub(super) kind: u8,
    pub(super) key: &'a [u8],
    /// `None` if the row was removed.
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

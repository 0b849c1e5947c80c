//! The state's rows in sled, which is disposable: whatever is wrong with it, it is dropped and made
//! again from the log.
//!
//! One tree, a byte for the kind before each key, keys and rows in postcard. [`Store::save`] puts every
//! changed row and the checkpoint (the next offset) into one batch that sled applies as a whole, and
//! flushes it. The caller saves only what the log has fsynced.

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::alert::Alerts;
use super::chats::Chats;
use super::name::Names;
use super::rows::Rows;
use super::watch::Watches;
use super::{Device, Rest, State, Totals};
use crate::dot11::MacAddr;
use crate::event::Offset;

/// Grows with each change to a row's form, so that an older store is dropped instead of misread.
const FORMAT: u32 = 3;

const CACHE_BYTES: u64 = 16 << 20;

const META: u8 = b'm';
const DEVICE: u8 = b'd';
const NAME: u8 = b'n';
const WATCH: u8 = b'w';
const OUTBOX: u8 = b'o';
const OVERFLOW: u8 = b'v';
const COOLDOWN: u8 = b'c';
const LATEST: u8 = b'l';
const MIGRATED: u8 = b'g';
const ANSWERED: u8 = b'a';
const SIGNATURE: u8 = b's';

/// sled failed, or holds what cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// sled itself failed.
    #[error("the state in sled could not be used: {0}")]
    Sled(#[from] sled::Error),
    /// A row is not of this version's form.
    #[error("a row of the state in sled could not be read: {0}")]
    Row(#[from] postcard::Error),
    /// sled gave up in the middle.
    #[error("the state in sled could not be used: sled panicked")]
    Panicked,
    /// A row could not be read.
    #[error("the state in sled could not be used: a row could not be read")]
    Unreadable,
    /// The store has failed, and what lies in it is not known until it is made anew.
    #[error("the state is being made anew from the log")]
    Lost,
    /// The folder cannot be removed.
    #[error("the state in {path} could not be removed: {source}")]
    Remove {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Meta {
    format: u32,
    next: Offset,
    totals: Totals,
}

/// sled, holding rows of state.
#[derive(Debug)]
pub struct Store {
    db: sled::Db,
    /// A row could not be read, so none can be relied on.
    failed: AtomicBool,
}

impl Store {
    /// Opens or makes the store in `folder` and reads the state at its checkpoint, `None` where it has
    /// none of this format.
    ///
    /// # Errors
    /// [`StoreError`] where sled cannot open it or a row cannot be read.
    pub fn open(folder: &Path) -> Result<(Arc<Self>, Option<State>), StoreError> {
        unless_sled_panics(|| Self::open_and_load(folder))
    }

    fn open_and_load(folder: &Path) -> Result<(Arc<Self>, Option<State>), StoreError> {
        let db = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            // Flushed by the recorder, once a checkpoint is complete.
            .flush_every_ms(None)
            .open()?;
        let store = Arc::new(Self { db, failed: AtomicBool::new(false) });
        let state = store.load()?;
        Ok((store, state))
    }

    /// Removes the store in `folder`.
    ///
    /// # Errors
    /// [`StoreError::Remove`].
    pub fn remove(folder: &Path) -> Result<(), StoreError> {
        let removed = match fs::symlink_metadata(folder) {
            Ok(what) if !what.is_dir() => fs::remove_file(folder),
            _ => fs::remove_dir_all(folder),
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Remove { path: folder.to_owned(), source })
            }
            _ => Ok(()),
        }
    }

    fn load(self: &Arc<Self>) -> Result<Option<State>, StoreError> {
        let Some(meta) = self.db.get([META])? else { return Ok(None) };
        let (format, _) = postcard::take_from_bytes::<u32>(&meta)?;
        if format != FORMAT {
            return Ok(None);
        }
        let Meta { format: _, next, totals } = postcard::from_bytes(&meta)?;
        Ok(Some(State {
            names: Names { rows: self.rows(NAME)? },
            watches: Watches { rows: self.rows(WATCH)? },
            alerts: Alerts::load(
                self.rows(OUTBOX)?,
                self.rows(OVERFLOW)?,
                self.rows(COOLDOWN)?,
                self.rows(LATEST)?,
            ),
            chats: Chats { migrated: self.rows(MIGRATED)?, answered: self.rows(ANSWERED)? },
            signatures: self.rows(SIGNATURE)?,
            totals,
            next,
            saved: next,
            rest: Rest::Store(Arc::clone(self)),
            ..State::default()
        }))
    }

    /// The state before the first event, whose devices will lie here.
    pub fn empty_state(self: &Arc<Self>) -> State {
        State { rest: Rest::Store(Arc::clone(self)), ..State::default() }
    }

    fn rows<K: Ord + Clone + DeserializeOwned, V: DeserializeOwned>(
        &self,
        kind: u8,
    ) -> Result<Rows<K, V>, StoreError> {
        self.db
            .scan_prefix([kind])
            .map(|entry| {
                let (key, row) = entry?;
                Ok((postcard::from_bytes(key.get(1..).unwrap_or_default())?, postcard::from_bytes(&row)?))
            })
            .collect::<Result<_, StoreError>>()
            .map(Rows::load)
    }

    pub(super) fn device(&self, address: MacAddr) -> Result<Option<Device>, StoreError> {
        let row = unless_sled_panics(|| match self.db.get(key(DEVICE, &address)?)? {
            Some(row) => Ok(Some(postcard::from_bytes(&row)?)),
            None => Ok(None),
        });
        row.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))
    }

    /// Whether a row could not be read since the store was opened.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Saves what changed in `state`, with its offset as the checkpoint, and returns when it is on disk.
    ///
    /// # Errors
    /// [`StoreError`] where sled takes nothing; the state's changes stay noted.
    pub fn save(&self, state: &State) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (address, held) in state.devices.iter().filter(|(_, held)| held.changed) {
            batch.insert(key(DEVICE, address)?, postcard::to_stdvec(&held.device)?);
        }
        put(&mut batch, NAME, &state.names.rows)?;
        put(&mut batch, WATCH, &state.watches.rows)?;
        put(&mut batch, OUTBOX, &state.alerts.outbox)?;
        put(&mut batch, OVERFLOW, &state.alerts.overflow)?;
        put(&mut batch, COOLDOWN, &state.alerts.cooldowns)?;
        put(&mut batch, LATEST, &state.alerts.latest)?;
        put(&mut batch, MIGRATED, &state.chats.migrated)?;
        put(&mut batch, ANSWERED, &state.chats.answered)?;
        put(&mut batch, SIGNATURE, &state.signatures)?;
        let meta = Meta { format: FORMAT, next: state.next, totals: state.totals };
        batch.insert(&[META], postcard::to_stdvec(&meta)?);
        unless_sled_panics(|| {
            self.db.apply_batch(batch)?;
            self.db.flush()?;
            Ok(())
        })
    }
}

/// sled 0.34 panics on some damage to its files where it should give an error.
fn unless_sled_panics<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(StoreError::Panicked))
}

fn key(kind: u8, key: &impl Serialize) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_extend(key, vec![kind])
}

fn put<K: Ord + Clone + Serialize, V: Serialize>(
    batch: &mut sled::Batch,
    kind: u8,
    rows: &Rows<K, V>,
) -> Result<(), StoreError> {
    for (row_key, row) in rows.changes() {
        let row_key = key(kind, row_key)?;
        match row {
            Some(row) => batch.insert(row_key, postcard::to_stdvec(row)?),
            None => batch.remove(row_key),
        }
    }
    Ok(())
}

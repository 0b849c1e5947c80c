//! The state at a start: sled's checkpoint and the log after it, or the whole log where sled does not
//! serve.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::handle::Losses;
use crate::event::Offset;
use crate::event_log::{Events, Recovered};
use crate::state::{State, Store, StoreError};

/// Damaged places that are reported one by one; the rest are counted.
const DAMAGE_REPORTS: u64 = 10;

/// Events between two lines about how far a long read is.
const PROGRESS_EVENTS: u64 = 5_000_000;

fn state_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}

/// A store in place of whatever was there, with all of `state`.
pub(super) fn new_store(data_dir: &Path, state: &State) -> Result<Store, StoreError> {
    let folder = state_folder(data_dir);
    Store::remove(&folder)?;
    let (mut store, _) = Store::open(&folder)?;
    store.save(state)?;
    Ok(store)
}

/// The state at the log's end, and the store that keeps it: sled's checkpoint and the log after it, or
/// the whole log where sled is missing or cannot be used. Without a store where none can be made, as on a
/// full disk.
///
/// # Errors
/// [`StoreError::Locked`], where another process has the store.
pub(super) fn open_state(
    data_dir: &Path,
    log: &Recovered,
    losses: &Losses,
) -> Result<(Option<Store>, State), StoreError> {
    match checkpoint(data_dir, log) {
        Ok((store, mut state)) => {
            catch_up(&mut state, log, losses);
            Ok((Some(store), state))
        }
        Err(Unusable::Locked(error)) => Err(error),
        Err(Unusable::Other(why)) => {
            if log.next_offset() != Offset::default() {
                info!("rebuilding the state from {} events of the log: {why}", log.next_offset());
            }
            let mut state = State::default();
            catch_up(&mut state, log, losses);
            let store = new_store(data_dir, &state)
                .inspect_err(|error| warn!("{error}; the state is kept in memory until that is mended"));
            if store.is_ok() {
                state.forget_changes();
            }
            Ok((store.ok(), state))
        }
    }
}

/// Why the store does not serve.
enum Unusable {
    Locked(StoreError),
    Other(String),
}

/// The store with the state at its checkpoint.
fn checkpoint(data_dir: &Path, log: &Recovered) -> Result<(Store, State), Unusable> {
    let folder = state_folder(data_dir);
    if !folder.exists() {
        return Err(Unusable::Other("there is none".to_owned()));
    }
    let (store, state) = Store::open(&folder).map_err(|error| match error {
        StoreError::Locked { .. } => Unusable::Locked(error),
        other => Unusable::Other(other.to_string()),
    })?;
    let state = state.ok_or(Unusable::Other("it has no checkpoint of this version".to_owned()))?;
    let (at, end) = (state.next_offset(), log.next_offset());
    if at > end {
        return Err(Unusable::Other(format!("it is at event {at}, the log ends at {end}")));
    }
    Ok((store, state))
}

/// Folds into `state` what the log has after it.
fn catch_up(state: &mut State, log: &Recovered, losses: &Losses) {
    let events: Events = log.read_from(state.next_offset());
    let (mut folded, mut damaged) = (0_u64, 0);
    for entry in events {
        match entry {
            Ok((offset, event)) => {
                state.fold(offset, &event);
                folded += 1;
                if folded.is_multiple_of(PROGRESS_EVENTS) {
                    info!("read the log up to event {offset} of {}", log.next_offset());
                }
            }
            Err(damage) => {
                damaged += 1;
                if damaged <= DAMAGE_REPORTS {
                    warn!("{damage}");
                }
            }
        }
    }
    while state.sweep() {}
    if damaged > DAMAGE_REPORTS {
        warn!("{damaged} places of the log are damaged in all");
    }
    losses.damaged_lines.store(damaged, Ordering::Relaxed);
}

//! The state at a start: sled's checkpoint and the log after it, or the whole log where sled does not
//! serve.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use super::RecorderError;
use super::handle::Losses;
use crate::event::Offset;
use crate::event_log::{Events, Recovered};
use crate::state::{State, Store, StoreError};

/// Damaged places that are reported one by one; the rest are counted.
const DAMAGE_REPORTS: u64 = 10;

fn state_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}

/// A store in place of whatever was there, with the state before the first event.
fn new_store(data_dir: &Path) -> Result<(Arc<Store>, State), StoreError> {
    let folder = state_folder(data_dir);
    Store::remove(&folder)?;
    let (store, _) = Store::open(&folder)?;
    let state = store.empty_state();
    Ok((store, state))
}

/// The fold of `events`, which begin with the first one, in a store made anew.
pub(super) fn make_anew(
    data_dir: &Path,
    events: Events,
    losses: &Losses,
) -> Result<(Arc<Store>, State), StoreError> {
    let (store, mut state) = new_store(data_dir)?;
    catch_up(&mut state, &store, events, losses)?;
    Ok((store, state))
}

/// The state at the log's end: sled's checkpoint and the log after it, or the whole log where sled is
/// missing or cannot be used.
pub(super) fn open_state(
    data_dir: &Path,
    log: &Recovered,
    losses: &Losses,
) -> Result<(Arc<Store>, State), RecorderError> {
    let folder = state_folder(data_dir);
    let opened = match Store::open(&folder) {
        Ok((store, Some(state))) if state.next_offset() <= log.next_offset() => Ok((store, state)),
        Ok((_, Some(state))) => {
            Err(format!("it is at event {}, the log ends at {}", state.next_offset(), log.next_offset()))
        }
        Ok((store, None)) if log.next_offset() == Offset::default() => {
            let state = store.empty_state();
            return Ok((store, state));
        }
        Ok((_, None)) => Err("it has no checkpoint of this version".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match opened {
        Ok((store, mut state)) => {
            let from = state.next_offset();
            catch_up(&mut state, &store, log.read_from(from), losses)?;
            Ok((store, state))
        }
        Err(why) => {
            info!("rebuilding the state from {} events of the log: {why}", log.next_offset());
            Ok(make_anew(data_dir, log.read_from(Offset::default()), losses)?)
        }
    }
}

/// Folds `events` into `state`, which goes to the store whenever much has changed.
fn catch_up(state: &mut State, store: &Store, events: Events, losses: &Losses) -> Result<(), StoreError> {
    let mut damaged = 0;
    for entry in events {
        match entry {
            Ok((offset, event)) => {
                state.prepare(&event)?;
                state.fold(offset, &event);
            }
            Err(damage) => {
                damaged += 1;
                if damaged <= DAMAGE_REPORTS {
                    warn!("{damage}");
                }
            }
        }
        if state.is_checkpoint_due() {
            store.save(state)?;
            state.forget_changes();
        }
    }
    if damaged > DAMAGE_REPORTS {
        warn!("{damaged} places of the log are damaged in all");
    }
    losses.damaged_lines.store(damaged, Ordering::Relaxed);
    store.save(state)?;
    state.forget_changes();
    Ok(())
}

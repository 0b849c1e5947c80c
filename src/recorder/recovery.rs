//! The state at a start: sled's checkpoint and the log after it, or the whole log where sled does not
//! serve.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

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
/// missing or cannot be used. Without a store where none can be made, as on a full disk: what is known of
/// the log's end is in memory then.
pub(super) fn open_state(data_dir: &Path, log: &Recovered, losses: &Losses) -> (Option<Arc<Store>>, State) {
    let why = match checkpoint(data_dir, log, losses) {
        Ok((store, state)) => return (Some(store), state),
        Err(why) => why,
    };
    if log.next_offset() != Offset::default() {
        info!("rebuilding the state from {} events of the log: {why}", log.next_offset());
    }
    match make_anew(data_dir, log.read_from(Offset::default()), losses) {
        Ok((store, state)) => (Some(store), state),
        Err(error) => {
            warn!("{error}; only what was heard last is known until that is mended");
            let mut state = State::without_store();
            log.read_from(Offset::default())
                .filter_map(Result::ok)
                .for_each(|(offset, event)| state.fold(offset, &event));
            (None, state)
        }
    }
}

/// sled's checkpoint and the log after it; or why not.
fn checkpoint(data_dir: &Path, log: &Recovered, losses: &Losses) -> Result<(Arc<Store>, State), String> {
    let folder = state_folder(data_dir);
    if !folder.exists() {
        return Err("there is none".to_owned());
    }
    let (store, state) = Store::open(&folder).map_err(|error| error.to_string())?;
    let mut state = state.ok_or("it has no checkpoint of this version")?;
    let (at, end) = (state.next_offset(), log.next_offset());
    if at > end {
        return Err(format!("it is at event {at}, the log ends at {end}"));
    }
    catch_up(&mut state, &store, log.read_from(at), losses).map_err(|error| error.to_string())?;
    Ok((store, state))
}

/// Folds `events` into `state`, which goes to the store whenever much has changed. What has changed last
/// goes there with the recorder's next checkpoint.
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
    Ok(())
}

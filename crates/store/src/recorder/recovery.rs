//! The state at a start: sled's checkpoint and the log after it. Where sled does not serve, the newest
//! snapshot and the log after that, or the whole log where there is no snapshot.
//!
//! What must hold:
//! - What is folded goes on where its beginning ends. A checkpoint from before the log's first event does
//!   not serve, nor one that knows more than the log.
//! - No offset is given twice. A snapshot that knows more than the log, of which an end was lost, counts,
//!   and the log goes on behind it.
//! - What is damaged in the log is told, and mended before the recording goes on.
//! - Another process that has sled is an error; whatever else is wrong with it, it is made anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{BATCH_SIZE, RecorderError};
use crate::event::Offset;
use crate::event_log::{Entry, Events, LogError, Recovered, SnapshotFile, Snapshots};
use crate::state::{SnapshotError, State, StateStore, StateStoreError};

/// Damaged places that are reported one by one; the rest are counted.
const DAMAGE_REPORTS: u64 = 10;

/// Events that are folded between two looks at how far it is.
pub(super) const PROGRESS_EVENTS: u64 = 1 << 16;

/// How often the log is read where the disk does not always give the same.
const MAX_ATTEMPTS: u32 = 3;

/// Between two lines about how far a long read is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn state_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}

/// A store in place of whatever was there, with all of `state`.
pub(super) fn new_store(data_dir: &Path, state: &State) -> Result<StateStore, StateStoreError> {
    StateStore::make(&state_folder(data_dir), state)
}

/// The state at the log's end, and the store that keeps it. Without a store where none can be made, as on
/// a full disk. Last, the offset up to which the log once went, where its end is gone.
///
/// # Errors
/// [`StateStoreError::Locked`], where another process has the store, or [`LogError`] where the snapshots cannot
/// be looked at.
pub(super) fn open_state(
    data_dir: &Path,
    log: &mut Recovered,
) -> Result<(Option<StateStore>, State, Option<Offset>), RecorderError> {
    let snapshots = Snapshots::of(data_dir);
    snapshots.remove_unfinished()?;
    let mut tries = MAX_ATTEMPTS;
    let mut ahead = None;
    let (store, mut state) = loop {
        let (store, mut state) = match checkpoint(data_dir, log, &snapshots)? {
            Ok((store, state)) => (Some(store), state),
            Err(unusable) => {
                ahead = ahead.max(unusable.ahead);
                let state = newest_snapshot(&snapshots, &mut |file, error| set_aside(file, &error))?;
                log_rebuild(log, &state, &unusable.why);
                log.next_offset_at_least(state.next_offset());
                (None, state)
            }
        };
        let damaged = catch_up(&mut state, log, &mut log_progress(log.next_offset()));
        tries -= 1;
        if mend(log, &damaged) || tries == 0 {
            break (store, state);
        }
    };
    if store.is_some() {
        return Ok((store, state, None));
    }
    let store = new_store(data_dir, &state)
        .inspect_err(|error| warn!("{error}; the state is kept in memory until that is mended"));
    if store.is_ok() {
        state.mark_saved();
    }
    Ok((store.ok(), state, ahead.filter(|ahead| *ahead > log.next_offset())))
}

/// Mends the segments that were found damaged; whether what was read of them still holds, which it does
/// not where only the disk had failed to give it.
pub(super) fn mend(log: &mut Recovered, damaged: &BTreeSet<Offset>) -> bool {
    match log.repair(damaged) {
        Ok(mended) => mended == *damaged,
        Err(error) => {
            warn!("{error}; damaged segments of the log stay as they are for now");
            true
        }
    }
}

fn log_rebuild(log: &Recovered, from: &State, why: &str) {
    let (from, end) = (from.next_offset(), log.next_offset());
    if from > end {
        warn!(
            "the log ends at event {end}, and the snapshot of event {from} knows more: what the events \
             between were is lost, what followed from them is not; the log goes on at event {from}"
        );
    } else if from > Offset::default() {
        info!("rebuilding the state from the snapshot of event {from} and the log up to event {end}: {why}");
    } else if end > Offset::default() {
        info!("rebuilding the state from {end} events of the log: {why}");
    }
}

/// Why a store does not serve.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) why: String,
    /// The offset that it has come to, where the log has lost its end since.
    pub(super) ahead: Option<Offset>,
}

impl Unusable {
    fn because(why: impl std::fmt::Display) -> Self {
        Self { why: why.to_string(), ahead: None }
    }
}

/// The store with the state at its checkpoint, or why it does not serve.
///
/// # Errors
/// [`StateStoreError::Locked`], where another process has it, or [`LogError`] where the snapshots cannot be
/// listed.
pub(super) fn checkpoint(
    data_dir: &Path,
    log: &Recovered,
    snapshots: &Snapshots,
) -> Result<Result<(StateStore, State), Unusable>, RecorderError> {
    let folder = state_folder(data_dir);
    if !folder.exists() {
        return Ok(Err(Unusable::because("there is none in sled")));
    }
    let (store, state) = match StateStore::open(&folder) {
        Ok((store, Some(state))) => (store, state),
        Ok((_, None)) => return Ok(Err(Unusable::because("sled has no checkpoint of this version"))),
        Err(error @ StateStoreError::Locked { .. }) => return Err(error.into()),
        Err(other) => return Ok(Err(Unusable::because(other))),
    };
    let (at, first, end) = (state.next_offset(), log.first_offset(), log.next_offset());
    Ok(if at > end {
        let why = format!("sled is at event {at}, the log ends at {end}");
        Err(Unusable { why, ahead: Some(at) })
    } else if at < first {
        Err(Unusable::because(format_args!("sled is at event {at}, the log begins at {first}")))
    } else if snapshots.list()?.first().is_some_and(|newest| newest.offset() > end)
        // Its name alone costs no state.
        && newest_snapshot(snapshots, &mut |_, _| Ok(()))?.next_offset() > end
    {
        Err(Unusable::because(format_args!("the newest snapshot is newer than the log, which ends at {end}")))
    } else {
        Ok((store, state))
    })
}

/// The state of the newest snapshot that can be read, and that of no event where there is none; those that
/// cannot be read are handed over.
///
/// # Errors
/// [`LogError`] where one cannot be opened or the folder not be listed.
pub(super) fn newest_snapshot(
    snapshots: &Snapshots,
    unreadable: &mut dyn FnMut(&SnapshotFile, SnapshotError) -> Result<(), LogError>,
) -> Result<State, LogError> {
    for file in snapshots.list()? {
        match State::from_snapshot(file.open()?) {
            Ok(state) if state.next_offset() == file.offset() => return Ok(state),
            Ok(_) => {
                let why = "it is of another offset than its name".to_owned();
                unreadable(&file, SnapshotError::Line { line: 1, why })?;
            }
            Err(error) => unreadable(&file, error)?,
        }
    }
    Ok(State::default())
}

fn set_aside(file: &SnapshotFile, error: &SnapshotError) -> Result<(), LogError> {
    let aside = file.quarantine()?;
    warn!("{error}: {} was set aside as {}", file.path().display(), aside.display());
    Ok(())
}

/// Folds into `state` what the log has after it; the segments that are damaged, as [`Recovered::repair`] takes
/// them. `progress` hears now and then up to which event it is.
pub(super) fn catch_up(
    state: &mut State,
    log: &Recovered,
    progress: &mut dyn FnMut(Offset),
) -> BTreeSet<Offset> {
    fold_all(state, log.read_from(state.next_offset()), progress)
}

/// As [`catch_up`], of these events.
pub(super) fn fold_all(
    state: &mut State,
    events: Events,
    progress: &mut dyn FnMut(Offset),
) -> BTreeSet<Offset> {
    let (mut folded, mut reports) = (0_u64, 0_u64);
    let mut damaged = BTreeSet::new();
    let mut events = events.prefetch();
    let mut batch: Vec<Entry> = Vec::with_capacity(BATCH_SIZE);
    loop {
        batch.extend(events.by_ref().take(BATCH_SIZE));
        if batch.is_empty() {
            break;
        }
        state.prefetch(batch.iter().filter_map(|entry| entry.as_ref().ok()?.1.address()));
        for entry in batch.drain(..) {
            match entry {
                Ok((offset, event)) => {
                    state.fold(offset, &event);
                    folded += 1;
                    if folded.is_multiple_of(PROGRESS_EVENTS) {
                        progress(offset);
                    }
                }
                Err(damage) => {
                    damaged.insert(damage.segment());
                    reports += 1;
                    if reports <= DAMAGE_REPORTS {
                        warn!("{damage}");
                    }
                }
            }
        }
    }
    while state.continue_eviction() {}
    if reports > DAMAGE_REPORTS {
        warn!("{reports} places of the log are damaged in all");
    }
    damaged
}

/// Logs now and then how far a long read is on its way to `end`.
fn log_progress(end: Offset) -> impl FnMut(Offset) {
    let mut last = Instant::now();
    move |at| {
        if last.elapsed() >= PROGRESS_INTERVAL {
            last = Instant::now();
            info!("read the log up to event {at} of {end} ({} %)", at.0 * 100 / end.0.max(1));
        }
    }
}

//! The state at a start: the state store's checkpoint and the log after it. If the store cannot be used: the newest
//! snapshot and the log after that, or the whole log if there is no snapshot.
//!
//! Invariants:
//! - The fold has no gap: a checkpoint from before the log's first event is not used.
//! - No offset is used twice, and no effect of an event is forgotten. A checkpoint or a snapshot that is ahead of a log
//!   whose end was lost is used, and the log continues after it.
//! - A snapshot that is newer than the checkpoint is used instead of it: the log may have lost what is between them.
//! - Damage in the log is reported, and repaired before recording continues.
//! - A store that another process has locked is an error. Whatever else is wrong with the store, it is made again.

use std::collections::BTreeSet;
use std::io::{self, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::error::RecorderError;
use crate::event::{Offset, Timestamp};
use crate::event_log::{
    Entry, Events, LogError, RecoveredLog, SnapshotFile, SnapshotFileError, Snapshots, StopFlag, Stoppable,
};
use crate::state::{SnapshotError, State, StateImage, StateStore, StateStoreError};

/// Damaged places that are logged one by one; the rest are counted.
const MAX_DAMAGE_REPORTS: u64 = 10;

/// Events between two reports of progress.
pub(super) const PROGRESS_EVENTS: u64 = 1 << 16;

/// How often the log is read if the disk returns different bytes each time.
const MAX_ATTEMPTS: u32 = 3;

/// How often progress is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Events or inputs that are folded at a time. It bounds how long a look-up waits for the state, and the rows of one
/// batch fit into a core's own cache.
pub(super) const BATCH_SIZE: usize = 256;

pub(super) fn state_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}

/// Makes a store with all of `state`, in place of whatever was there.
pub(super) fn make_store(data_dir: &Path, state: &State) -> Result<StateStore, StateStoreError> {
    StateStore::make(&state_folder(data_dir), state)
}

/// The state at a start.
pub(super) struct OpenedState {
    /// `None` if none can be made, as on a full disk.
    pub(super) store: Option<StateStore>,
    pub(super) state: State,
    /// The events that the end of the log lacks, and whose effects the state has.
    pub(super) lost_tail: Option<Range<Offset>>,
    /// How many events the log had lost whose effects the state has.
    pub(super) lost: u64,
}

/// The state at the log's end and its store.
///
/// # Errors
/// [`StateStoreError::Locked`] if another process has the store, or [`LogError`] if the snapshots cannot be listed.
pub(super) fn open_state(data_dir: &Path, log: &mut RecoveredLog) -> Result<OpenedState, RecorderError> {
    let snapshots = Snapshots::of(data_dir);
    snapshots.remove_unfinished()?;
    let mut attempts = MAX_ATTEMPTS;
    // How far a snapshot was ahead of the log.
    let mut ahead = 0;
    let (store, mut state, begun) = loop {
        let (store, mut state) = match checkpoint(data_dir, log, &snapshots)? {
            Ok((store, state)) => (Some(store), state),
            Err(unusable) => {
                let state = newest_snapshot(&snapshots, &mut quarantine)?;
                log_rebuild(log, &state, &unusable);
                // A snapshot alone, as an import leaves it, follows from no log that was here.
                if log.next_offset() > Offset::default() {
                    ahead = ahead.max(state.next_offset().0.saturating_sub(log.next_offset().0));
                }
                log.next_offset_at_least(state.next_offset());
                (None, state)
            }
        };
        let begun = state.next_offset();
        let damaged = catch_up(&mut state, log, &mut log_progress(log.next_offset()));
        attempts -= 1;
        if repair(log, &damaged) || attempts == 0 {
            break (store, state, begun);
        }
    };
    // The state has the effects of what the disk did not return before that.
    let salvaged = log.salvaged_before(begun);
    if salvaged > 0 {
        keep_beside_log(&snapshots, &state);
    }
    if store.is_some() {
        let lost = log.next_offset()..state.next_offset();
        let lost_tail = Some(lost).filter(|lost| !lost.is_empty());
        if let Some(lost) = &lost_tail {
            keep_ahead_of_log(&snapshots, &state, lost);
        }
        let lost = salvaged + lost_tail.as_ref().map_or(0, |lost| lost.end.0 - lost.start.0);
        return Ok(OpenedState { store, state, lost_tail, lost });
    }
    let store = make_store(data_dir, &state)
        .inspect_err(|error| warn!(event = "state_store_failed", %error, remedy = error.remedy(), "could not make a state store; the state is in memory only until one can be made"));
    if store.is_ok() {
        state.mark_saved();
    }
    Ok(OpenedState { store: store.ok(), state, lost_tail: None, lost: ahead + salvaged })
}

/// Writes a snapshot of this time, and reads it back.
pub(super) fn write_snapshot(
    snapshots: &Snapshots,
    image: &StateImage,
    time: Timestamp,
) -> Result<(), SnapshotFileError> {
    write_snapshot_until(&StopFlag::default(), snapshots, image, time)
}

/// As [`write_snapshot`]. Fails within a row once `stop` is set; then the older snapshots are there, and no new file.
pub(super) fn write_snapshot_until(
    stop: &StopFlag,
    snapshots: &Snapshots,
    image: &StateImage,
    time: Timestamp,
) -> Result<(), SnapshotFileError> {
    snapshots.write(
        image.next_offset(),
        |file| image.write_to(time, Stoppable::new(file, stop)),
        |file| image.verify(BufReader::new(Stoppable::new(file, stop))),
    )
}

/// Saves a state that is ahead of the log as a snapshot, so that a rebuild keeps it too.
fn keep_ahead_of_log(snapshots: &Snapshots, state: &State, lost: &Range<Offset>) {
    warn!(
        event = "log_tail_lost",
        from = %lost.start, until = %lost.end,
        "the end of the log is missing; the events in between are lost, but not their effects"
    );
    keep_beside_log(snapshots, state);
}

/// Saves a state that has the effects of events which the log has lost as a snapshot, so that a rebuild has them too.
fn keep_beside_log(snapshots: &Snapshots, state: &State) {
    if let Err(error) = write_snapshot(snapshots, &state.image(), Timestamp::now()) {
        warn!(event = "snapshot_failed", %error, "a rebuild of the state would forget the effects of the lost events");
    }
}

/// Repairs the segments that were found damaged. Returns whether what was read of them is still right; it is not if
/// only reading had failed.
pub(super) fn repair(log: &mut RecoveredLog, damaged: &BTreeSet<Offset>) -> bool {
    match log.repair(damaged) {
        Ok(repaired) => repaired == *damaged,
        Err(error) => {
            warn!(event = "log_repair_failed", %error, "could not repair damaged segments of the log; they stay as they are");
            true
        }
    }
}

fn log_rebuild(log: &RecoveredLog, from: &State, why: &str) {
    let (from, end) = (from.next_offset(), log.next_offset());
    if from > end {
        warn!(
            event = "snapshot_ahead_of_log",
            %from, %end,
            "the snapshot is newer than the end of the log; the events in between are lost, but not their effects"
        );
    } else if from > Offset::default() {
        info!(event = "state_rebuild", %from, %end, reason = why, "rebuilding the state from a snapshot and the log");
    } else if end > Offset::default() {
        info!(event = "state_rebuild", %from, %end, reason = why, "rebuilding the state from the log");
    }
}

/// The store with the state at its checkpoint, or why it cannot be used. The checkpoint is after the log's end if that
/// is lost.
///
/// # Errors
/// [`StateStoreError::Locked`] if another process has it, or [`LogError`] if the snapshots cannot be listed.
pub(super) fn checkpoint(
    data_dir: &Path,
    log: &RecoveredLog,
    snapshots: &Snapshots,
) -> Result<Result<(StateStore, State), String>, RecorderError> {
    let folder = state_folder(data_dir);
    if !folder.exists() {
        return Ok(Err("none is saved".to_owned()));
    }
    let (store, state) = match StateStore::open(&folder) {
        Ok((store, Some(state))) => (store, state),
        Ok((_, None)) => return Ok(Err("the saved state is of another version".to_owned())),
        Err(error @ StateStoreError::Locked { .. }) => return Err(error.into()),
        Err(other) => return Ok(Err(other.to_string())),
    };
    let (at, first) = (state.next_offset(), log.first_offset());
    if at < first {
        return Ok(Err(format!("the saved state is at event {at}, the log begins at {first}")));
    }
    // The file name is checked first: it costs no read.
    if snapshots.list()?.first().is_some_and(|newest| newest.offset() > at) {
        let snapshot = newest_snapshot(snapshots, &mut |_, _| Ok(()))?.next_offset();
        if snapshot > at {
            return Ok(Err(format!("the saved state is at event {at}, the newest snapshot at {snapshot}")));
        }
    }
    Ok(Ok((store, state)))
}

/// The state of the newest readable snapshot, or the empty state if there is none. Passes the others to `unreadable`.
///
/// # Errors
/// [`LogError`] if a snapshot was removed meanwhile or the folder cannot be listed.
pub(super) fn newest_snapshot(
    snapshots: &Snapshots,
    unreadable: &mut dyn FnMut(&SnapshotFile, SnapshotError) -> Result<(), LogError>,
) -> Result<State, LogError> {
    load_newest_snapshot(&mut || Ok(State::default()), snapshots, unreadable)
}

/// As [`newest_snapshot`], loaded into the state that `empty` makes.
pub(super) fn load_newest_snapshot(
    empty: &mut dyn FnMut() -> Result<State, LogError>,
    snapshots: &Snapshots,
    unreadable: &mut dyn FnMut(&SnapshotFile, SnapshotError) -> Result<(), LogError>,
) -> Result<State, LogError> {
    for file in snapshots.list()? {
        let opened = match file.open() {
            Err(error) if error.io().kind() != io::ErrorKind::NotFound => {
                Err(SnapshotError::Read(error.into_io()))
            }
            opened => Ok(opened?),
        };
        let into = empty()?;
        match opened.and_then(|file| into.with_snapshot(file)) {
            Ok(state) if state.next_offset() == file.offset() => return Ok(state),
            Ok(_) => {
                let why = "it is of another offset than its name".to_owned();
                unreadable(&file, SnapshotError::Line { line: 1, why })?;
            }
            Err(error) => unreadable(&file, error)?,
        }
    }
    empty()
}

fn quarantine(file: &SnapshotFile, error: SnapshotError) -> Result<(), LogError> {
    match file.quarantine() {
        Ok(moved_to) => warn!(
            event = "snapshot_quarantined",
            path = %file.path().display(),
            moved_to = %moved_to.display(),
            %error,
            "moved an unreadable snapshot aside"
        ),
        Err(failure) => {
            warn!(%failure, "could not move an unreadable snapshot aside");
            skip_snapshot(file, error)?;
        }
    }
    Ok(())
}

/// Logs a snapshot that cannot be read, and leaves it in place.
pub(super) fn skip_snapshot(file: &SnapshotFile, error: SnapshotError) -> Result<(), LogError> {
    warn!(event = "snapshot_unreadable", path = %file.path().display(), %error, "skipped a snapshot");
    Ok(())
}

/// Folds the rest of the log into `state`. Returns the damaged segments. Calls `progress` now and then with the offset
/// that it has reached.
pub(super) fn catch_up(
    state: &mut State,
    log: &RecoveredLog,
    progress: &mut dyn FnMut(Offset),
) -> BTreeSet<Offset> {
    fold_all(state, log.read_from(state.next_offset()), progress)
}

/// As [`catch_up`], with these events.
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
                    if reports <= MAX_DAMAGE_REPORTS {
                        warn!(event = "log_damaged", error = %damage, "a part of the log is damaged");
                    }
                }
            }
        }
    }
    while state.continue_eviction() {}
    if reports > MAX_DAMAGE_REPORTS {
        warn!(event = "log_damaged", count = reports, "further parts of the log are damaged");
    }
    damaged
}

/// Logs the progress of a long read up to `end`.
fn log_progress(end: Offset) -> impl FnMut(Offset) {
    let mut last = Instant::now();
    move |at| {
        if last.elapsed() >= PROGRESS_INTERVAL {
            last = Instant::now();
            let percent = at.0 * 100 / end.0.max(1);
            info!(event = "log_read_progress", %at, %end, percent, "reading the log");
        }
    }
}

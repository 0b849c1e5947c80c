//! Whether a state is what the log gives: the one in sled while nothing is recorded, or the one in memory
//! while something is.
//!
//! Beside the recording, the state is copied as of one offset, in packed rows as for a snapshot, and the log is
//! folded up to that offset. Both together take as much memory as the two states that are compared where
//! nothing is recorded.

use std::fmt::Display;
use std::time::Duration;

use tokio::runtime::Handle;

use super::handle::write;
use super::recovery::{self, newest_snapshot};
use super::{ChangeError, History, RecorderHandle};
use crate::event::{Event, EventKind, Offset};
use crate::event_log::LogError;
use crate::state::{CowSnapshotLost, Differences, State, StateImage};

/// How often it is tried anew where segments left the log while it was read.
const MAX_ATTEMPTS: u32 = 3;

/// The wait before a copy is begun again that could not be begun.
const COW_RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// What a check found.
#[derive(Debug)]
pub struct CheckReport {
    /// The offset behind the log's last event.
    pub end: Offset,
    /// The offset behind the last event that the state has, or why there is nothing to compare.
    pub checkpoint: Result<Offset, String>,
    /// Devices in the state that the log gives at that offset.
    pub devices: u64,
    /// Where the state that the log gives (the one) and the other differ.
    pub differences: Differences,
    /// Places of the log and snapshots that are damaged, the first of them in words.
    pub damage: Vec<String>,
    /// How many they are.
    pub damaged: u64,
}

/// Damaged places, of which some are told one by one.
#[derive(Debug)]
pub(super) struct Damages {
    pub(super) count: u64,
    /// The first of them, in words.
    pub(super) first: Vec<String>,
    limit: usize,
}

impl Damages {
    /// None yet; at most `limit` will be told.
    pub(super) fn new(limit: usize) -> Self {
        Self { count: 0, first: Vec::new(), limit }
    }

    pub(super) fn note(&mut self, what: impl Display) {
        self.count += 1;
        if self.first.len() < self.limit {
            self.first.push(what.to_string());
        }
    }
}

/// The state in memory could not be compared with the log.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The log is not all on disk.
    #[error("the log cannot be read to its end: {0}")]
    Unwritten(#[from] ChangeError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Segments left the log faster than it was read.
    #[error("old parts of the log were removed while it was read; try again in a minute")]
    Moving,
}

impl RecorderHandle {
    /// A copy of the state, at a moment at which it is the fold of all events before its offset. Recording goes on
    /// while it is made. Not for async code.
    pub fn image(&self) -> StateImage {
        loop {
            let begun = write(&self.shared.state).begin_cow_snapshot();
            match begun.map(|cut| self.shared.finish_cow_snapshot(cut)) {
                Some(Ok(image)) => return image,
                Some(Err(CowSnapshotLost)) => {}
                // Another copy is being made, or addresses are leaving.
                None => std::thread::sleep(COW_RETRY_INTERVAL),
            }
        }
    }

    /// Compares the state in memory with the one that the log gives at the same offset, while the recording goes
    /// on. Describes at most `limit` differences and damages. `progress` hears how far the log is read, and
    /// up to where it will be. Not for async code.
    ///
    /// # Errors
    /// [`CheckError`] where the log cannot be read to its end.
    pub fn check(
        &self,
        runtime: &Handle,
        limit: usize,
        progress: &mut dyn FnMut(Offset, Offset),
    ) -> Result<CheckReport, CheckError> {
        for _ in 0..MAX_ATTEMPTS {
            let image = self.image();
            // Behind this, all events in the image can be read.
            runtime.block_on(self.sync())?;
            if let Some(check) = compare(self.history(), &image, limit, progress)? {
                return Ok(check);
            }
        }
        Err(CheckError::Moving)
    }
}

/// Compares the image with what the log gives; `None` where a part of the log has left meanwhile.
fn compare(
    history: &History,
    image: &StateImage,
    limit: usize,
    progress: &mut dyn FnMut(Offset, Offset),
) -> Result<Option<CheckReport>, LogError> {
    let end = image.next_offset();
    let mut damages = Damages::new(limit);
    let snapshots = history.snapshots();
    let newest = snapshots.list()?.first().map(|newest| newest.offset());
    if newest.is_some_and(|newest| newest > end) {
        return Ok(None);
    }
    let given = newest_snapshot(snapshots, &mut |file, error| {
        damages.note(format_args!("{error} ({})", file.path().display()));
        Ok(())
    });
    let mut given = match given {
        // A newer one has taken its place.
        Err(error) if error.io().kind() == std::io::ErrorKind::NotFound => return Ok(None),
        given => given?,
    };
    let begin = given.next_offset();
    for entry in history.events(Some(begin), end)? {
        match entry {
            Ok((offset, event)) => {
                fold_rest(&mut given, offset, &event);
                if offset.0.is_multiple_of(recovery::PROGRESS_EVENTS) {
                    progress(offset, end);
                }
            }
            // What the snapshot stands for may leave while it is read.
            Err(damage) if damage.is_missing_segment() && damage.segment() < begin => {}
            Err(damage) if damage.is_only_removal() => return Ok(None),
            Err(damage) => damages.note(damage),
        }
    }
    // Segments leave once a newer snapshot is there.
    if snapshots.list()?.first().map(|newest| newest.offset()) != newest {
        return Ok(None);
    }
    while given.continue_eviction() {}
    let devices = given.totals().addresses;
    let differences = given.differences_from(image, limit);
    let Damages { count: damaged, first: damage, .. } = damages;
    Ok(Some(CheckReport { end, checkpoint: Ok(end), devices, differences, damage, damaged }))
}

/// Folds in what of the event is not in the state yet: of lost events it may be a part.
pub(super) fn fold_rest(state: &mut State, offset: Offset, event: &Event) {
    let (next, end) = (state.next_offset(), event.end(offset));
    match event {
        _ if offset >= next => state.fold(offset, event),
        Event { kind: EventKind::Lost { why, .. }, .. } if end > next => {
            state.fold(
                next,
                &Event::without_time(EventKind::Lost { count: end.0 - next.0, why: why.clone() }),
            );
        }
        _ => {}
    }
}

//! Compares a state with the fold of the log: the state in the store while nothing is recorded, or the one in memory
//! while the recorder runs.
//!
//! While the recorder runs, the state is copied as of one offset, packed as for a snapshot, and the log is folded up to
//! that offset. Both together take as much memory as the two states of the other case.

use std::fmt::Display;
use std::time::Duration;

use tokio::runtime::Handle;

use super::handle::{ChangeError, RecorderHandle, write};
use super::history::History;
use super::recovery::{self, newest_snapshot};
use crate::event::{Event, EventKind, Offset};
use crate::event_log::LogError;
use crate::state::{CowSnapshotLost, Differences, State, StateImage};

/// Attempts if segments are removed from the log while it is read.
const MAX_ATTEMPTS: u32 = 3;

/// The wait before a copy that could not be begun is tried again.
const COW_RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// The result of a check.
#[derive(Debug)]
pub struct CheckReport {
    /// The offset after the log's last event.
    pub end: Offset,
    /// The offset after the last event of the state, or why there is nothing to compare.
    pub checkpoint: Result<Offset, String>,
    /// Devices in the fold of the log at that offset.
    pub devices: u64,
    /// Differences between the fold of the log (`one`) and the state (`other`).
    pub differences: Differences,
    /// Descriptions of damage to the log and the snapshots, as many as were asked for.
    pub damage: Vec<String>,
    /// The number of damaged places.
    pub damaged: u64,
}

/// Damaged places, the first of them with descriptions.
#[derive(Debug)]
pub(super) struct Damages {
    pub(super) count: u64,
    /// Descriptions of the first.
    pub(super) first: Vec<String>,
    limit: usize,
}

impl Damages {
    /// No damage; at most `limit` places will be described.
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
    /// The log is not on disk up to its end.
    #[error("the log cannot be read to its end: {0}")]
    Unwritten(#[from] ChangeError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Segments left the log faster than it was read.
    #[error("old parts of the log were removed while it was read")]
    Moving,
}

impl CheckError {
    /// What a person can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Unwritten(error) => error.remedy(),
            Self::Log(error) => Some(error.remedy()),
            Self::Moving => Some("try again in a minute"),
        }
    }
}

impl RecorderHandle {
    /// A copy of the state as the fold of all events before its offset. Recording goes on meanwhile. Blocks: not for
    /// async code.
    pub fn image(&self) -> StateImage {
        loop {
            let begun = write(&self.shared.state).begin_cow_snapshot();
            match begun.map(|snapshot| self.shared.finish_cow_snapshot(snapshot)) {
                Some(Ok(image)) => return image,
                Some(Err(CowSnapshotLost)) => {}
                // Another copy is being taken, or an eviction is half carried out.
                None => std::thread::sleep(COW_RETRY_INTERVAL),
            }
        }
    }

    /// Compares the state in memory with the fold of the log at the same offset. Recording goes on meanwhile.
    /// Describes at most `limit` differences and damaged places. Calls `progress` with the offset that it has reached and
    /// the one that it will reach. Blocks: not for async code.
    ///
    /// # Errors
    /// [`CheckError`] if the log cannot be read to its end.
    pub fn check(
        &self,
        runtime: &Handle,
        limit: usize,
        progress: &mut dyn FnMut(Offset, Offset),
    ) -> Result<CheckReport, CheckError> {
        for _ in 0..MAX_ATTEMPTS {
            let image = self.image();
            // After this, all events of the image can be read.
            runtime.block_on(self.sync())?;
            if let Some(check) = compare(self.history(), &image, limit, progress)? {
                return Ok(check);
            }
        }
        Err(CheckError::Moving)
    }
}

/// Compares the image with the fold of the log; `None` if segments were removed meanwhile.
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
        // A newer one has replaced it.
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
            // Segments before the snapshot may be removed while they are read.
            Err(damage) if damage.is_missing_segment() && damage.segment() < begin => {}
            Err(damage) if damage.is_only_removal() => return Ok(None),
            Err(damage) => damages.note(damage),
        }
    }
    // Segments are removed once a newer snapshot is there.
    if snapshots.list()?.first().map(|newest| newest.offset()) != newest {
        return Ok(None);
    }
    while given.continue_eviction() {}
    let devices = given.totals().addresses;
    let differences = given.differences_from(image, limit);
    let Damages { count: damaged, first: damage, .. } = damages;
    Ok(Some(CheckReport { end, checkpoint: Ok(end), devices, differences, damage, damaged }))
}

/// Folds in the part of the event that the state does not have yet; it can be a part for lost events.
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

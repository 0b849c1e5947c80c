//! Compares a state with the fold of the log: the state in the store while nothing is recorded, or the one in memory
//! while the recorder runs.
//!
//! While the recorder runs, the state is copied to a file as of one offset, shard by shard. Another process folds the
//! log up to that offset, and compares it with the file. It has the rows of devices in files, too: its memory hardly
//! grows with them.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::handle::{ChangeError, RecorderHandle, read, write};
use super::history::History;
use super::recovery::{self, load_newest_snapshot};
use crate::event::{Event, Offset};
use crate::event_log::{LogError, OsVfs, StopFlag};
use crate::state::{CowSnapshot, CowSnapshotLost, Differences, PackedImage, State, StateImage};

/// How an image is compressed: quickly.
const IMAGE_COMPRESSION_LEVEL: i32 = 1;

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
    /// The copy of the state cannot be written or read.
    #[error("could not copy the state: {0}")]
    Copy(#[from] io::Error),
    /// Segments left the log faster than it was read. A check with a new copy of the state may succeed.
    #[error("old parts of the log were removed while it was read")]
    Moving,
}

impl CheckError {
    /// What a person can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Unwritten(error) => error.remedy(),
            Self::Log(error) => Some(error.remedy()),
            Self::Copy(_) => Some("make room on the disk of the data directory"),
            Self::Moving => Some("try again in a minute"),
        }
    }
}

impl RecorderHandle {
    /// A copy of the state as the fold of all events before its offset. Recording goes on meanwhile. Blocks: not for
    /// async code.
    pub fn image(&self) -> StateImage {
        loop {
            let copied = self.shared.finish_cow_snapshot(self.begin_cow_snapshot(), &StopFlag::default());
            if let Ok(image) = copied {
                return image;
            }
        }
    }

    fn begin_cow_snapshot(&self) -> CowSnapshot {
        loop {
            match write(&self.shared.state).begin_cow_snapshot() {
                Some(snapshot) => return snapshot,
                // Another copy is being taken, or an eviction is half carried out.
                None => std::thread::sleep(COW_RETRY_INTERVAL),
            }
        }
    }

    /// Writes a copy of the state to `file`, for [`check_image`], and waits until its events are on disk. Recording goes
    /// on meanwhile. Blocks: not for async code.
    ///
    /// # Errors
    /// [`CheckError::Copy`] and [`CheckError::Unwritten`].
    pub fn write_image(&self, runtime: &Handle, file: &mut File) -> Result<(), CheckError> {
        loop {
            file.set_len(0)?;
            file.rewind()?;
            let mut encoder = zstd::Encoder::new(&mut *file, IMAGE_COMPRESSION_LEVEL)?;
            let state = || read(&self.shared.state);
            if let Err(CowSnapshotLost) = self.begin_cow_snapshot().write_to(state, &mut encoder)? {
                continue;
            }
            encoder.finish()?;
            file.rewind()?;
            // After this, all events of the image can be read.
            runtime.block_on(self.sync())?;
            return Ok(());
        }
    }
}

/// Compares a copy of the state with the fold of the log in `data_dir`, which may be recorded to. Describes at most
/// `limit` differences and damaged places. Calls `progress` with the offset that it has reached and the one that it will
/// reach.
///
/// # Errors
/// [`CheckError`] if the log or the image cannot be read to its end.
pub fn check_image(
    data_dir: &Path,
    image: impl Read,
    limit: usize,
    progress: &mut dyn FnMut(Offset, Offset),
) -> Result<CheckReport, CheckError> {
    let image = PackedImage::open(zstd::Decoder::new(image)?)?;
    let history = History::new(Arc::new(OsVfs), data_dir);
    let end = image.next_offset();
    let mut damages = Damages::new(limit);
    let snapshots = history.snapshots();
    let newest = snapshots.list()?.first().map(|newest| newest.offset());
    if newest.is_some_and(|newest| newest > end) {
        return Err(CheckError::Moving);
    }
    let mut empty = || State::spilled(data_dir).map_err(LogError::new("make temporary files in", data_dir));
    let given = load_newest_snapshot(&mut empty, snapshots, &mut |file, error| {
        damages.note(format_args!("{error} ({})", file.path().display()));
        Ok(())
    });
    let mut given = match given {
        // A newer one has replaced it.
        Err(error) if error.io().kind() == io::ErrorKind::NotFound => return Err(CheckError::Moving),
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
            Err(damage) if damage.is_only_removal() => return Err(CheckError::Moving),
            Err(damage) => damages.note(damage),
        }
    }
    // Segments are removed once a newer snapshot is there.
    if snapshots.list()?.first().map(|newest| newest.offset()) != newest {
        return Err(CheckError::Moving);
    }
    while given.continue_eviction() {}
    let devices = given.totals().addresses;
    let differences = given.differences_from(image, limit)?;
    let Damages { count: damaged, first: damage, .. } = damages;
    Ok(CheckReport { end, checkpoint: Ok(end), devices, differences, damage, damaged })
}

/// Folds in the part of the event that the state does not have yet; it can be a part for events that are gone.
pub(super) fn fold_rest(state: &mut State, offset: Offset, event: &Event) {
    let (next, end) = (state.next_offset(), event.end(offset));
    if offset >= next {
        state.fold(offset, event);
    } else if end > next {
        state.fold(next, &event.clone().resized(end.0 - next.0));
    }
}

//! A data directory while nothing is recorded: its state can be read, checked against the log, rebuilt, or imported
//! from a snapshot. No event is appended, whatever the configuration says.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{CheckReport, Damages, fold_rest};
use super::error::RecorderError;
use super::history::{History, LogSize};
use super::recovery::{self, catch_up, checkpoint, newest_snapshot, skip_snapshot, state_folder};
use super::settings::RecorderSettings;
use crate::event::{Offset, Timestamp};
use crate::event_log::{
    self, DataDirLock, Entry, LogError, OsVfs, RecoveredLog, SnapshotFile, SnapshotFileError, Snapshots,
};
use crate::state::{Differences, SnapshotError, State, StateImage, StateStore};

/// A snapshot was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The data directory holds something.
    #[error("{} is not empty: it holds {}", data_dir.display(), found.join(", "))]
    NotEmpty {
        /// The data directory.
        data_dir: PathBuf,
        /// The names in it.
        found: Vec<String>,
    },
    /// The data directory cannot be listed.
    #[error("could not list the folder {}: {error}", data_dir.display())]
    List {
        /// The data directory.
        data_dir: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The snapshot cannot be used.
    #[error("{0}; nothing was imported")]
    Snapshot(#[from] SnapshotError),
    /// The snapshot cannot be written.
    #[error(transparent)]
    File(#[from] SnapshotFileError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
}

impl ImportError {
    /// What a person can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NotEmpty { .. } => Some("import into an empty directory, named with --data-dir"),
            Self::Recorder(error) => error.remedy(),
            Self::List { .. } | Self::Snapshot(_) | Self::File(_) => None,
        }
    }
}

/// A data directory that no other process uses as long as this lives.
#[derive(Debug)]
pub struct OfflineDataDir {
    _lock: DataDirLock,
    data_dir: PathBuf,
    log: RecoveredLog,
    snapshots: Snapshots,
}

impl OfflineDataDir {
    /// Locks the data directory; makes it if it is missing.
    ///
    /// # Errors
    /// [`RecorderError`] if another process uses it or it cannot be read.
    pub fn open(data_dir: &Path) -> Result<Self, RecorderError> {
        let lock = DataDirLock::acquire(data_dir)?;
        let log = event_log::recover(&data_dir.join("events"))?;
        Ok(Self { _lock: lock, data_dir: data_dir.to_owned(), log, snapshots: Snapshots::of(data_dir) })
    }

    /// The log.
    pub fn log(&self) -> &RecoveredLog {
        &self.log
    }

    /// The size of the log on disk.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be listed.
    pub fn log_size(&self) -> Result<LogSize, LogError> {
        History::new(Arc::new(OsVfs), &self.data_dir).size()
    }

    /// The state at the log's end, as the next start would have it. The state store stays as it is.
    ///
    /// # Errors
    /// [`RecorderError`] if another process uses the state store, or the snapshots cannot be listed.
    pub fn state(&self, progress: &mut dyn FnMut(Offset)) -> Result<State, RecorderError> {
        let mut state = match checkpoint(&self.data_dir, &self.log, &self.snapshots)? {
            Ok((_, state)) => state,
            Err(_) => newest_snapshot(&self.snapshots, &mut skip_snapshot)?,
        };
        catch_up(&mut state, &self.log, progress);
        Ok(state)
    }

    /// Rebuilds the state store, from the log alone if that is complete, and returns the state. Repairs damage in the
    /// log. The old store is removed after the log was read.
    ///
    /// # Errors
    /// [`RecorderError`] if another process uses the state store, or a new one cannot be made.
    pub fn rebuild(&mut self, progress: &mut dyn FnMut(Offset)) -> Result<State, RecorderError> {
        StateStore::ensure_free(&state_folder(&self.data_dir))?;
        let mut state = self.fold_start(&mut skip_snapshot)?;
        let begin = state.next_offset();
        let mut damaged = catch_up(&mut state, &self.log, progress);
        damaged.extend(self.damaged_before(begin));
        if !recovery::repair(&mut self.log, &damaged) {
            state = self.fold_start(&mut skip_snapshot)?;
            catch_up(&mut state, &self.log, progress);
        }
        recovery::make_store(&self.data_dir, &state)?;
        Ok(state)
    }

    /// The damaged segments that have events before `end`. A snapshot replaces their events; they are read only to find
    /// damage.
    fn damaged_before(&self, end: Offset) -> BTreeSet<Offset> {
        let first = self.log.first_offset();
        if first >= end {
            return BTreeSet::new();
        }
        let is_before = |entry: &Entry| entry.as_ref().map_or(true, |(offset, _)| *offset < end);
        let before = self.log.read_from(first).prefetch().take_while(is_before);
        before.filter_map(|entry| Some(entry.err()?.segment())).collect()
    }

    /// Compares the state store with the fold of the log, at the store's offset, or at the snapshot's if that is later.
    /// Describes at most `limit` differences and damaged places.
    ///
    /// # Errors
    /// [`RecorderError`] if another process uses the state store, or the snapshots cannot be listed.
    pub fn check(
        &self,
        limit: usize,
        progress: &mut dyn FnMut(Offset),
    ) -> Result<CheckReport, RecorderError> {
        let mut damages = Damages::new(limit);
        let mut stored = match checkpoint(&self.data_dir, &self.log, &self.snapshots)? {
            Ok((_, state)) if state.next_offset() > self.log.next_offset() => {
                let (at, end) = (state.next_offset(), self.log.next_offset());
                Err(format!("the saved state is at event {at}, the log ends at {end}"))
            }
            Ok((_, state)) => Ok(state),
            Err(unusable) => Err(unusable),
        };
        let mut given = self.fold_start(&mut |file, error| {
            damages.note(format_args!("{error} ({})", file.path().display()));
            Ok(())
        })?;
        let checkpoint = stored.as_ref().map(State::next_offset).map_err(Clone::clone);
        let until = checkpoint.clone().unwrap_or_default().max(given.next_offset());
        // All of the log, and the gap before it unless a snapshot fills that.
        let from = self.log.first_offset().min(given.next_offset());
        for entry in self.log.read_from(from).prefetch() {
            match entry {
                Ok((offset, event)) if offset < until => {
                    for state in std::iter::once(&mut given).chain(stored.as_mut().ok()) {
                        fold_rest(state, offset, &event);
                    }
                    if offset.0.is_multiple_of(recovery::PROGRESS_EVENTS) {
                        progress(offset);
                    }
                }
                Ok(_) => {}
                Err(what) => damages.note(what),
            }
        }
        let mut differences = Differences::default();
        if let Ok(stored) = &mut stored {
            while given.continue_eviction() | stored.continue_eviction() {}
            differences = given.differences(stored, limit);
        }
        let (end, devices) = (self.log.next_offset(), given.totals().addresses);
        let Damages { count: damaged, first: damage, .. } = damages;
        Ok(CheckReport { end, checkpoint, devices, differences, damage, damaged })
    }

    /// The state that the fold of the log begins with, as at a start: the newest snapshot, which may hold what the log
    /// has lost since.
    fn fold_start(
        &self,
        unreadable: &mut dyn FnMut(&SnapshotFile, SnapshotError) -> Result<(), LogError>,
    ) -> Result<State, LogError> {
        newest_snapshot(&self.snapshots, unreadable)
    }
}

/// Makes a data directory from a snapshot: it has the snapshot's state, and recording continues after it. `settings`
/// are those of the recorder, `time` is now.
///
/// # Errors
/// [`ImportError`] if the directory is in use or not empty, or the snapshot is incomplete.
pub fn import(
    settings: &RecorderSettings,
    snapshot: impl BufRead,
    time: Timestamp,
) -> Result<State, ImportError> {
    let data_dir = &settings.data_dir;
    let _lock = DataDirLock::acquire(data_dir).map_err(RecorderError::from)?;
    ensure_empty(data_dir)?;
    let state = State::from_snapshot(snapshot)?;
    let image = state.image();
    let imported = write_imported(settings, &state, &image, time);
    if imported.is_err() {
        // The next import needs an empty directory.
        for folder in ["events", "state", "snapshots"] {
            let _ = fs::remove_dir_all(data_dir.join(folder));
        }
    }
    imported.map(|()| state)
}

/// Writes the data directory of an imported state.
fn write_imported(
    settings: &RecorderSettings,
    state: &State,
    image: &StateImage,
    time: Timestamp,
) -> Result<(), ImportError> {
    let data_dir = &settings.data_dir;
    // The snapshot first: the next start can make the rest from it, whatever happens from here on.
    recovery::write_snapshot(&Snapshots::of(data_dir), image, time)?;
    let mut log = event_log::recover(&data_dir.join("events")).map_err(RecorderError::from)?;
    log.next_offset_at_least(image.next_offset());
    log.into_writer(settings.rotation).map_err(RecorderError::from)?;
    recovery::make_store(data_dir, state).map_err(RecorderError::from)?;
    Ok(())
}

fn ensure_empty(data_dir: &Path) -> Result<(), ImportError> {
    let list = || -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(data_dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let counts = |name: &String| {
            !["lock", "control.sock"].contains(&name.as_str())
                && !is_from_interrupted_import(&data_dir.join(name))
        };
        names.filter(|name| name.as_ref().ok().is_none_or(counts)).collect()
    };
    let mut found = list().map_err(|error| ImportError::List { data_dir: data_dir.to_owned(), error })?;
    found.sort_unstable();
    match found.is_empty() {
        true => Ok(()),
        false => Err(ImportError::NotEmpty { data_dir: data_dir.to_owned(), found }),
    }
}

/// Whether an interrupted import can have left it: a folder with only unfinished files.
fn is_from_interrupted_import(path: &Path) -> bool {
    let is_unfinished = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "tmp"))
    };
    fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_unfinished))
}

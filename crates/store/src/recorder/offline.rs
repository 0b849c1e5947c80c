//! A data directory while nothing is recorded: its state is read, compared with the log, made anew, or
//! taken from a snapshot. No event is appended, whatever the configuration says.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check::{CheckReport, Damages, fold_rest};
use super::recovery::{self, catch_up, checkpoint, newest_snapshot, state_folder};
use super::{History, LogSize, RecorderError, Settings};
use crate::event::{Offset, Timestamp};
use crate::event_log::{
    self, DataDirLock, Entry, LogError, OsVfs, Recovered, SnapshotFile, SnapshotFileError, Snapshots,
};
use crate::state::{Differences, SnapshotError, State, StateImage, StateStore};

/// A snapshot was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something is there already.
    #[error("{} is not empty: it holds {}", data_dir.display(), found.join(", "))]
    NotEmpty {
        /// The data directory.
        data_dir: PathBuf,
        /// The names in it.
        found: Vec<String>,
    },
    /// Whether it is empty cannot be told.
    #[error("could not list the folder {}: {error}", data_dir.display())]
    List {
        /// The data directory.
        data_dir: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The snapshot cannot be used.
    #[error("{0}; nothing was imported")]
    Snapshot(#[from] SnapshotError),
    /// The snapshot cannot be kept.
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

/// A data directory that nothing else uses as long as this lives.
#[derive(Debug)]
pub struct OfflineDataDir {
    _lock: DataDirLock,
    data_dir: PathBuf,
    log: Recovered,
    snapshots: Snapshots,
}

impl OfflineDataDir {
    /// Takes the data directory, which is made where it is missing.
    ///
    /// # Errors
    /// [`RecorderError`] where another process has it or it cannot be read.
    pub fn open(data_dir: &Path) -> Result<Self, RecorderError> {
        let lock = DataDirLock::acquire(data_dir)?;
        let log = event_log::recover(&data_dir.join("events"))?;
        Ok(Self { _lock: lock, data_dir: data_dir.to_owned(), log, snapshots: Snapshots::of(data_dir) })
    }

    /// The log.
    pub fn log(&self) -> &Recovered {
        &self.log
    }

    /// What the log takes on disk.
    ///
    /// # Errors
    /// [`LogError`] where it cannot be looked at.
    pub fn log_size(&self) -> Result<LogSize, LogError> {
        History::new(Arc::new(OsVfs), &self.data_dir).size()
    }

    /// The state at the log's end, as the next start would have it. sled keeps what it has.
    ///
    /// # Errors
    /// [`RecorderError`] where another process has sled, or the snapshots cannot be looked at.
    pub fn state(&self, progress: &mut dyn FnMut(Offset)) -> Result<State, RecorderError> {
        let mut state = match checkpoint(&self.data_dir, &self.log, &self.snapshots)? {
            Ok((_, state)) => state,
            Err(_) => newest_snapshot(&self.snapshots, &mut warn_of)?,
        };
        catch_up(&mut state, &self.log, progress);
        Ok(state)
    }

    /// Makes the state in sled anew, from the log alone where that is whole, and returns it. What is damaged
    /// in the log is mended.
    ///
    /// # Errors
    /// [`RecorderError`] where another process has sled, or the new one cannot be made; the old one is
    /// gone only once the log is read.
    pub fn rebuild(&mut self, progress: &mut dyn FnMut(Offset)) -> Result<State, RecorderError> {
        StateStore::ensure_free(&state_folder(&self.data_dir))?;
        let mut state = self.beginning(&mut warn_of)?;
        let begin = state.next_offset();
        let mut damaged = catch_up(&mut state, &self.log, progress);
        damaged.extend(self.damaged_before(begin));
        if !recovery::mend(&mut self.log, &damaged) {
            state = self.beginning(&mut warn_of)?;
            catch_up(&mut state, &self.log, progress);
        }
        recovery::new_store(&self.data_dir, &state)?;
        Ok(state)
    }

    /// The damaged segments among those that have events before `end`: what a snapshot stands for is read for
    /// its damage only.
    fn damaged_before(&self, end: Offset) -> BTreeSet<Offset> {
        let first = self.log.first_offset();
        if first >= end {
            return BTreeSet::new();
        }
        let is_before = |entry: &Entry| entry.as_ref().map_or(true, |(offset, _)| *offset < end);
        let before = self.log.read_from(first).prefetch().take_while(is_before);
        before.filter_map(|entry| Some(entry.err()?.segment())).collect()
    }

    /// Compares the state in sled with the one that the log gives, at the offset that sled has come to, or
    /// at that of the snapshot where sled is older. Describes at most `limit` differences and damages.
    ///
    /// # Errors
    /// [`RecorderError`] where another process has sled, or the snapshots cannot be looked at.
    pub fn check(
        &self,
        limit: usize,
        progress: &mut dyn FnMut(Offset),
    ) -> Result<CheckReport, RecorderError> {
        let mut damages = Damages::new(limit);
        let mut in_sled = match checkpoint(&self.data_dir, &self.log, &self.snapshots)? {
            Ok((_, state)) => Ok(state),
            Err(unusable) => Err(unusable.why),
        };
        let mut given = self.beginning(&mut |file, error| {
            damages.note(format_args!("{error} ({})", file.path().display()));
            Ok(())
        })?;
        let checkpoint = in_sled.as_ref().map(State::next_offset).map_err(Clone::clone);
        let until = checkpoint.clone().unwrap_or_default().max(given.next_offset());
        // All of the log, and the gap before it where no snapshot fills that.
        let from = self.log.first_offset().min(given.next_offset());
        for entry in self.log.read_from(from).prefetch() {
            match entry {
                Ok((offset, event)) if offset < until => {
                    for state in std::iter::once(&mut given).chain(in_sled.as_mut().ok()) {
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
        if let Ok(in_sled) = &mut in_sled {
            while given.continue_eviction() | in_sled.continue_eviction() {}
            differences = given.differences(in_sled, limit);
        }
        let (end, devices) = (self.log.next_offset(), given.totals().addresses);
        let Damages { count: damaged, first: damage, .. } = damages;
        Ok(CheckReport { end, checkpoint, devices, differences, damage, damaged })
    }

    /// What the folding of the log by hand begins with, as at a start: the newest snapshot, which may hold what
    /// the log has lost since.
    fn beginning(
        &self,
        unreadable: &mut dyn FnMut(&SnapshotFile, SnapshotError) -> Result<(), LogError>,
    ) -> Result<State, LogError> {
        newest_snapshot(&self.snapshots, unreadable)
    }
}

/// Makes a data directory of a snapshot: the state is the one that it holds, and recording goes on behind
/// it. `settings` are those of the recorder, `time` is now.
///
/// # Errors
/// [`ImportError`] where the directory is in use or not empty, or the snapshot is not whole.
pub fn import(settings: &Settings, snapshot: impl BufRead, time: Timestamp) -> Result<State, ImportError> {
    let data_dir = &settings.data_dir;
    let _lock = DataDirLock::acquire(data_dir).map_err(RecorderError::from)?;
    ensure_empty(data_dir)?;
    let state = State::from_snapshot(snapshot)?;
    let image = state.image();
    let imported = keep(settings, &state, &image, time);
    if imported.is_err() {
        // So that it can be tried again.
        for folder in ["events", "state", "snapshots"] {
            let _ = fs::remove_dir_all(data_dir.join(folder));
        }
    }
    imported.map(|()| state)
}

/// Makes the data directory of the snapshot that `image` is.
fn keep(settings: &Settings, state: &State, image: &StateImage, time: Timestamp) -> Result<(), ImportError> {
    let data_dir = &settings.data_dir;
    // First what the rest follows from: whatever happens from here on, the next start goes on with it.
    Snapshots::of(data_dir).write(
        image.next_offset(),
        |file| image.write_to(time, file),
        |file| image.verify(file),
    )?;
    let mut log = event_log::recover(&data_dir.join("events")).map_err(RecorderError::from)?;
    log.next_offset_at_least(image.next_offset());
    log.into_writer(settings.rotation).map_err(RecorderError::from)?;
    recovery::new_store(data_dir, state).map_err(RecorderError::from)?;
    Ok(())
}

fn ensure_empty(data_dir: &Path) -> Result<(), ImportError> {
    let list = || -> io::Result<Vec<String>> {
        let names =
            fs::read_dir(data_dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let counts = |name: &String| {
            !["lock", "control.sock"].contains(&name.as_str()) && !is_leftover(&data_dir.join(name))
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

/// Whether an import that was broken off can have left it: a folder with nothing in it that is whole.
fn is_leftover(path: &Path) -> bool {
    let is_unfinished = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "tmp"))
    };
    fs::read_dir(path).is_ok_and(|mut entries| entries.all(is_unfinished))
}

fn warn_of(file: &SnapshotFile, error: SnapshotError) -> Result<(), LogError> {
    tracing::warn!("{error}: {} is left out", file.path().display());
    Ok(())
}

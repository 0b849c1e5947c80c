//! The event log: the truth, in files that anyone can read.
//!
//! # Format
//! `events/` in the data directory holds segments, each named by the offset of its first event in
//! twenty digits. `….ndjson` is being written or waits to be sealed: one event a line, `{"offset":N,`
//! first, each line ended by `\n`. `….ndjson.zst` is sealed: the same text as one zstd frame with a
//! content checksum. Offsets grow by one from line to line and from segment to segment; only behind a
//! [`lost`](EventKind::Lost) event they grow by its count. Old segments may be gone from the beginning.
//!
//! ConcurrentReader a segment, `….damaged` is what stood in its place before it was mended. A file that ends in
//! `.tmp` is not whole, and one that ends in `.mended` waits to take a segment's place; the next start
//! removes the one and finishes the other.
//!
//! # What must hold
//! - Only [`Recovered`] yields a [`Writer`], so nothing is appended to a log whose end is not known.
//! - A last line without its `\n` (torn, or zeros after a power cut) is cut off at recovery with one
//!   warning. It was never acknowledged: an acknowledged event has been fsynced. Whatever has its `\n`
//!   stays, readable or not.
//! - What recovery found is fsynced before anything is folded from it.
//! - An event stays in memory until fsync has taken it. After a write or fsync that failed nothing more is
//!   acknowledged until the segment was opened anew, holds all that was acknowledged, and what waited has
//!   been written behind that, fsynced and read back ([`Writer::resume`]).
//! - A file whose name a crash could lose has its folder fsynced before anything relies on it. No file is
//!   removed or renamed before what takes its place is on disk.
//! - Corruption is reported with file and line and read as an [`EventKind::Lost`] in place of what it took, so that
//!   every offset is accounted for; what is whole around it is read. Mending makes that so on disk and
//!   keeps the damaged file aside, so that it is reported once ([`Recovered::repair`]).

mod codec;
mod concurrent_reader;
mod corruption;
mod lock;
mod log_dir;
mod prefetch;
mod reader;
#[cfg(test)]
mod recorded;
mod repair;
mod segment;
mod segment_index;
mod segment_scanner;
mod snapshots;
mod vfs;
mod writer;
mod zstd_reader;

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::warn;

pub use codec::{LineFilter, encode_line};
pub use concurrent_reader::{ConcurrentReader, EventsUpTo, ListedSegment};
pub use corruption::Corruption;
pub use lock::{DataDirLock, LockError};
use log_dir::LogDir;
pub use prefetch::Prefetch;
pub use reader::{Entry, Events};
use segment::Segment;
pub use segment_index::SealedSegment;
use segment_index::SegmentIndex;
use segment_scanner::{Lines, OffsetChecker};
pub use snapshots::{SnapshotFile, SnapshotFileError, Snapshots};
pub use vfs::{FileMetadata, OpenMode, OsVfs, Vfs, VfsFile};
pub use writer::{LogFull, Rotation, Writer};

use crate::event::Offset;
#[cfg(doc)]
use crate::event::{Event, EventKind};

/// The log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} {path}: {source}")]
pub struct LogError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl LogError {
    fn new(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// What the system said.
    pub fn io(&self) -> &io::Error {
        &self.source
    }

    /// Whether there is no such file.
    fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// A log whose end is known: it can be read, mended, and turned into a [`Writer`].
#[derive(Debug)]
pub struct Recovered {
    folder: LogDir,
    /// All segments, also the one that is not full yet.
    inventory: SegmentIndex,
    /// The offset behind the last event.
    end: Offset,
    next: Offset,
}

/// As [`recover_on`], on the machine's own disk.
///
/// # Errors
/// As [`recover_on`].
pub fn recover(folder: &Path) -> Result<Recovered, LogError> {
    recover_on(Arc::new(OsVfs), folder)
}

/// Opens the log in `folder`, which is made where it is missing, and cuts a last line that is not whole.
///
/// # Errors
/// [`LogError`] where a file or the folder cannot be read, made or shortened.
pub fn recover_on(disk: Arc<dyn Vfs>, folder: &Path) -> Result<Recovered, LogError> {
    let folder = LogDir::make(disk, folder)?;
    let (inventory, end) = look_through(&folder)?;
    Ok(Recovered { folder, inventory, end, next: end })
}

/// What the folder holds, with its end cut to whole lines, and the offset behind the last event.
fn look_through(folder: &LogDir) -> Result<(SegmentIndex, Offset), LogError> {
    let mut listing = folder.list()?;
    let segments = &mut listing.segments;
    // An empty segment says nothing but its name. One before the last was never used: that before it went
    // on growing.
    let last = segments.last().map(|last| last.base);
    for unused in segments.extract_if(.., |one| !one.sealed && one.bytes == 0 && Some(one.base) != last) {
        folder.remove(&unused.path)?;
    }
    let mut end = Offset::default();
    while let Some(last) = segments.last_mut() {
        if !last.sealed {
            cut_torn_tail(folder, last)?;
        }
        end = end_of(folder, last)?;
        let base = last.base;
        // So may the one before an empty last one have done.
        let before = segments.iter().rev().nth(1).filter(|_| end == base);
        match before.map(|before| end_of(folder, before)).transpose()? {
            Some(end) if end > base => folder.remove_segment(base)?,
            _ => break,
        }
        segments.pop();
    }
    // An earlier process may have ended before this.
    folder.sync()?;
    Ok((SegmentIndex::new(listing), end))
}

impl Recovered {
    /// The offset that the next event will get.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The offset of the oldest event that is still there, or [`Recovered::next_offset`] where there is none.
    pub fn first_offset(&self) -> Offset {
        self.inventory.segments.first().map_or(self.next, |first| first.base)
    }

    /// When a file of the log was last written to, by the machine's clock then.
    pub fn last_written(&self) -> Option<SystemTime> {
        self.inventory.segments.iter().map(|segment| segment.modified).max()
    }

    /// Has the next event get `offset` at least. A snapshot may know more events than what is left of a log
    /// that was lost: their offsets are not given a second time.
    pub fn next_offset_at_least(&mut self, offset: Offset) {
        self.next = self.next.max(offset);
    }

    /// The events from `offset` on, in order. They are to be read before a [`Writer`] seals more segments.
    pub fn read_from(&self, offset: Offset) -> Events {
        Events::new(&self.folder, &self.inventory.segments, offset, self.end)
    }

    /// Mends the segments that reading found damaged, given by [`Corruption::segment`]: whole lines stay as they
    /// are, an [`EventKind::Lost`] takes the place of what is damaged or missing, as it was read, and the damaged
    /// file is kept beside as `….damaged`. Returns those that were mended: one that turns out whole, since
    /// only the disk had failed when it was read, stays as it is, and is to be read once more.
    ///
    /// # Errors
    /// [`LogError`]; what was not mended yet stays as it was, or is gone on with at the next start.
    pub fn repair(&mut self, segments: &BTreeSet<Offset>) -> Result<BTreeSet<Offset>, LogError> {
        if segments.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mended = repair::repair(&self.folder, &self.inventory.segments, self.end, segments);
        // Some may have been mended in spite of the failure.
        (self.inventory, self.end) = look_through(&self.folder)?;
        self.next = self.next.max(self.end);
        mended
    }

    /// The segments, oldest first.
    pub fn sealed_segments(&self) -> impl Iterator<Item = SealedSegment> {
        self.inventory.sealed_segments(self.end)
    }

    /// What the log takes on disk, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.inventory.bytes()
    }

    /// The writer that appends behind the last event.
    ///
    /// # Errors
    /// [`LogError`] where the last segment cannot be opened or a new one cannot be made.
    pub fn into_writer(self, rotation: Rotation) -> Result<Writer, LogError> {
        Writer::open(self, rotation)
    }
}

/// The offset behind the segment's last event. A line that cannot be read counts as one, and so does what
/// cannot be decompressed. A disk that does not give the bytes says nothing about the end.
fn end_of(folder: &LogDir, segment: &Segment) -> Result<Offset, LogError> {
    let mut sequence = OffsetChecker::new(segment.base, Offset(u64::MAX));
    let mut lines = Lines::open(folder, segment)?;
    loop {
        match lines.next_line() {
            // Corruption is reported where the events are read.
            Ok(Some(line)) => drop(sequence.take(line, Offset::default())),
            Ok(None) => break,
            Err(error) if segment.sealed && error.io().raw_os_error().is_none() => {
                return Ok(sequence.end().next());
            }
            Err(error) => return Err(error),
        }
    }
    // A sealed segment is never empty, even if it seems so.
    Ok(if segment.sealed { sequence.end().max(segment.base.next()) } else { sequence.end() })
}

/// Shortens the segment to the end of its last line, and has all of it on disk.
fn cut_torn_tail(folder: &LogDir, segment: &mut Segment) -> Result<(), LogError> {
    let path = &segment.path;
    let mut reader = io::BufReader::with_capacity(1 << 16, folder.open(path, OpenMode::Append)?);
    let (mut length, mut whole) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(LogError::new("read", path))?;
        if read == 0 {
            break;
        }
        length += read as u64;
        if line.ends_with(b"\n") {
            whole = length;
        }
    }
    let file = reader.into_inner();
    if whole < length {
        warn!(
            "cut {} bytes that are no whole event from the end of {}: the last write was not finished",
            length - whole,
            path.display()
        );
        file.set_length(whole).map_err(LogError::new("shorten", path))?;
    }
    segment.bytes = whole;
    file.sync_all().map_err(LogError::new("fsync", path))
}

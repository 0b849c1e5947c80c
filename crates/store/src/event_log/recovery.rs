//! Opens a log after any kind of stop and finds its end.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::SystemTime;

use tracing::warn;

#[cfg(doc)]
use super::Corruption;
use super::error::LogError;
use super::log_dir::LogDir;
use super::reader::Events;
use super::repair;
use super::segment::Segment;
use super::segment_index::{SealedSegment, SegmentIndex};
use super::segment_scanner::{LineReader, OffsetChecker};
use super::vfs::{OpenMode, OsVfs, Vfs};
#[cfg(doc)]
use crate::event::EventKind;
use crate::event::Offset;

/// A log whose end is known. It can be read, repaired, and turned into a [`Writer`](super::Writer).
#[derive(Debug)]
pub struct RecoveredLog {
    pub(super) dir: LogDir,
    /// All segments, including the open one.
    pub(super) index: SegmentIndex,
    /// The offset after the last event.
    pub(super) end: Offset,
    pub(super) next: Offset,
}

/// As [`recover_on`], on the file systems of the operating system.
///
/// # Errors
/// As [`recover_on`].
pub fn recover(dir: &Path) -> Result<RecoveredLog, LogError> {
    recover_on(Arc::new(OsVfs), dir)
}

/// Opens the log in `dir`, which is created if it is missing, and cuts off a last line that is not whole.
///
/// # Errors
/// [`LogError`] if a file or the directory cannot be read, created or shortened.
pub fn recover_on(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<RecoveredLog, LogError> {
    let dir = LogDir::create(vfs, dir)?;
    let (index, end) = find_end(&dir)?;
    Ok(RecoveredLog { dir, index, end, next: end })
}

/// The segments, the last one cut to whole lines, and the offset after the last event.
fn find_end(dir: &LogDir) -> Result<(SegmentIndex, Offset), LogError> {
    let mut listing = dir.clean_up_and_list()?;
    let segments = &mut listing.segments;
    // An empty segment before the last was never used: the writer went on in the one before it.
    let last = segments.last().map(|last| last.base);
    for unused in segments.extract_if(.., |one| !one.sealed && one.bytes == 0 && Some(one.base) != last) {
        dir.remove(&unused.path)?;
    }
    let mut end = Offset::default();
    while let Some(last) = segments.last_mut() {
        if !last.sealed {
            cut_torn_tail(dir, last)?;
        }
        end = end_offset_of(dir, last)?;
        let base = last.base;
        // The writer may also have gone on in the segment before an empty last one.
        let before = segments.iter().rev().nth(1).filter(|_| end == base);
        match before.map(|before| end_offset_of(dir, before)).transpose()? {
            Some(end) if end > base => dir.remove_segment(base)?,
            _ => break,
        }
        segments.pop();
    }
    // An earlier process may have ended before it did this.
    dir.sync()?;
    Ok((SegmentIndex::new(listing), end))
}

impl RecoveredLog {
    /// The offset that the next event will get.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The offset of the oldest event, or [`RecoveredLog::next_offset`] if there are no events.
    pub fn first_offset(&self) -> Offset {
        self.index.segments.first().map_or(self.next, |first| first.base)
    }

    /// The machine's clock when a file of the log was last written.
    pub fn last_written(&self) -> Option<SystemTime> {
        self.index.segments.iter().map(|segment| segment.modified).max()
    }

    /// What the log adds to the machine's clock, in microseconds: to be set while that is in doubt.
    pub fn clock_offset(&self) -> Arc<AtomicI64> {
        Arc::clone(self.dir.clock_offset())
    }

    /// Gives the next event at least `offset`. A snapshot may know more events than the rest of a log that was lost:
    /// their offsets must not be used again.
    pub fn next_offset_at_least(&mut self, offset: Offset) {
        self.next = self.next.max(offset);
    }

    /// The events from `offset` on, in order. Read them before a [`Writer`](super::Writer) seals more segments.
    pub fn read_from(&self, offset: Offset) -> Events {
        Events::new(&self.dir, &self.index.segments, offset, self.end)
    }

    /// Repairs the segments that readers found corrupt, as given by [`Corruption::segment`]. Whole lines stay as they
    /// are, an [`EventKind::Lost`] replaces what is corrupt or missing, as it was read, and the corrupt file is kept as
    /// `….damaged`. Returns the segments that were repaired. One that turns out whole, since only the disk failed when
    /// it was read, stays as it is; read it again.
    ///
    /// # Errors
    /// [`LogError`]; segments that were not repaired yet stay as they were, or the next start completes their repair.
    pub fn repair(&mut self, segments: &BTreeSet<Offset>) -> Result<BTreeSet<Offset>, LogError> {
        if segments.is_empty() {
            return Ok(BTreeSet::new());
        }
        let repaired = repair::repair(&self.dir, &self.index.segments, self.end, segments);
        // Some may have been repaired before a failure.
        (self.index, self.end) = find_end(&self.dir)?;
        self.next = self.next.max(self.end);
        repaired
    }

    /// The segments, oldest first.
    pub fn sealed_segments(&self) -> impl Iterator<Item = SealedSegment> {
        self.index.sealed_segments(self.end)
    }

    /// The size of the log on disk in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.index.bytes()
    }
}

/// The offset after the segment's last event. An unreadable line counts as one event, and so does a part that cannot be
/// decompressed. An error of the disk says nothing about the end, so it is returned.
fn end_offset_of(dir: &LogDir, segment: &Segment) -> Result<Offset, LogError> {
    let mut checker = OffsetChecker::new(segment.base, Offset(u64::MAX));
    let mut lines = LineReader::open(dir, segment)?;
    loop {
        match lines.next_line() {
            // The readers of events report corruption.
            Ok(Some(line)) => drop(checker.take(line, Offset::default())),
            Ok(None) => break,
            Err(error) if segment.sealed && error.io().raw_os_error().is_none() => {
                return Ok(checker.end().next());
            }
            Err(error) => return Err(error),
        }
    }
    // A sealed segment is never empty, even if it seems so.
    Ok(if segment.sealed { checker.end().max(segment.base.next()) } else { checker.end() })
}

/// Shortens the segment to the end of its last whole line and fsyncs it.
fn cut_torn_tail(dir: &LogDir, segment: &mut Segment) -> Result<(), LogError> {
    let path = &segment.path;
    let mut reader = io::BufReader::with_capacity(1 << 16, dir.open(path, OpenMode::Append)?);
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
        let (path, bytes) = (path.display(), length - whole);
        warn!(%path, bytes, "cut off the end of a segment: the last write was not completed");
        file.set_length(whole).map_err(LogError::new("shorten", &segment.path))?;
    }
    segment.bytes = whole;
    file.sync_all().map_err(LogError::new("fsync", &segment.path))
}

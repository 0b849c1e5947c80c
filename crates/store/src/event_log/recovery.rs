//! Opens a log after any kind of stop and finds its end, also on a disk with bad sectors.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::ops::Range;
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
use super::repair::{self, FoundBy};
use super::segment::{self, QuarantinedFile, Segment};
use super::segment_index::{SealedSegment, SegmentIndex};
use super::segment_scanner::{LineReader, OffsetChecker, Unreadable};
use super::vfs::{OpenMode, OsVfs, Vfs, VfsFile};
#[cfg(doc)]
use crate::event::EventKind;
use crate::event::Offset;

/// How often the last segment is read if the disk does not return all of it.
const READ_ATTEMPTS: usize = 3;

/// A log whose end is known. It can be read, repaired, and turned into a [`Writer`](super::Writer).
#[derive(Debug)]
pub struct RecoveredLog {
    pub(super) dir: LogDir,
    /// All segments, including the open one.
    pub(super) index: SegmentIndex,
    /// The offset after the last event.
    pub(super) end: Offset,
    pub(super) next: Offset,
    /// The events that the disk did not return just now.
    pub(super) salvaged: Vec<Range<Offset>>,
}

/// As [`recover_on`], on the file systems of the operating system.
///
/// # Errors
/// As [`recover_on`].
pub fn recover(dir: &Path) -> Result<RecoveredLog, LogError> {
    recover_on(Arc::new(OsVfs), dir)
}

/// Opens the log in `dir`, which is created if it is missing, and cuts off a last line that is not whole. If the disk
/// does not return a part of the last segment, a repaired copy takes its place.
///
/// # Errors
/// [`LogError`] if a file or the directory cannot be read, created or shortened.
pub fn recover_on(vfs: Arc<dyn Vfs>, dir: &Path) -> Result<RecoveredLog, LogError> {
    let dir = LogDir::create(vfs, dir)?;
    let Found { index, end, salvaged } = find_end(&dir)?;
    Ok(RecoveredLog { dir, index, end, next: end, salvaged })
}

/// A log's segments and its end.
struct Found {
    /// The last one is cut to whole lines.
    index: SegmentIndex,
    /// The offset after the last event.
    end: Offset,
    /// The events that the disk did not return.
    salvaged: Vec<Range<Offset>>,
}

fn find_end(dir: &LogDir) -> Result<Found, LogError> {
    let mut listing = dir.clean_up_and_list()?;
    let segments = &mut listing.segments;
    let mut salvaged = Vec::new();
    // An empty segment before the last was never used: the writer went on in the one before it.
    let last = segments.last().map(|last| last.base);
    for unused in segments.extract_if(.., |one| !one.sealed && one.bytes == 0 && Some(one.base) != last) {
        dir.remove(&unused.path)?;
    }
    let mut end = Offset::default();
    while let Some(last) = segments.last_mut() {
        if !last.sealed
            && let Some(Salvaged { quarantined, lost }) = make_whole(dir, last)?
        {
            listing.quarantined.extend(quarantined);
            salvaged.extend(lost);
        }
        end = end_offset_of(dir, last)?;
        let base = last.base;
        // The writer may also have gone on in the segment before an empty last one.
        let before = segments.iter().rev().nth(1).filter(|_| end == base);
        let end_before = |before: &Segment| match end_offset_of(dir, before) {
            // The writer does not go on in one that is sealed.
            Err(_) if before.sealed => Ok(base),
            end => end,
        };
        match before.map(end_before).transpose()? {
            Some(end) if end > base => dir.remove_segment(base)?,
            _ => break,
        }
        segments.pop();
    }
    // An earlier process may have ended before it did this.
    dir.sync()?;
    Ok(Found { index: SegmentIndex::new(listing), end, salvaged })
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

    /// How many of the events before `offset` the disk did not return when the log was opened. They are lost from now
    /// on.
    pub fn salvaged_before(&self, offset: Offset) -> u64 {
        self.salvaged.iter().map(|lost| lost.end.min(offset).0.saturating_sub(lost.start.0)).sum()
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
        let Found { index, end, salvaged } = find_end(&self.dir)?;
        (self.index, self.end) = (index, end);
        self.salvaged.extend(salvaged);
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
/// decompressed, or that the disk does not return again and again.
fn end_offset_of(dir: &LogDir, segment: &Segment) -> Result<Offset, LogError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match scan_to_end(dir, segment)? {
            (end, None) => return Ok(end),
            (_, Some(_)) if attempts < READ_ATTEMPTS => {}
            // An error of a disk that returns nothing says nothing about the end.
            (end, Some(error)) => match dir.works_beside(&segment.path) {
                Ok(()) if attempts > READ_ATTEMPTS => return Ok(end),
                Ok(()) => {}
                Err(_) => return Err(error),
            },
        }
    }
}

/// As [`end_offset_of`], and the error of the disk that made it end too early.
fn scan_to_end(dir: &LogDir, segment: &Segment) -> Result<(Offset, Option<LogError>), LogError> {
    let mut checker = OffsetChecker::new(segment.base, Offset(u64::MAX));
    let mut lines = LineReader::open(dir, segment)?;
    loop {
        match lines.next_line() {
            // The readers of events report corruption.
            Ok(Some(line)) => drop(checker.take(line, Offset::default())),
            Ok(None) => break,
            Err(error) => {
                let is_of_disk = error.io().raw_os_error().is_some();
                return Ok((checker.end().next(), Some(error).filter(|_| is_of_disk)));
            }
        }
    }
    // A sealed segment is never empty, even if it seems so.
    let end = if segment.sealed { checker.end().max(segment.base.next()) } else { checker.end() };
    Ok((end, None))
}

/// What became of a part of a segment that the disk does not return.
struct Salvaged {
    quarantined: Option<QuarantinedFile>,
    lost: Vec<Range<Offset>>,
}

/// Cuts a last line that is not whole off the open segment. If the disk does not return a part of the segment, time
/// after time, the whole lines around that part take the segment's place.
fn make_whole(dir: &LogDir, segment: &mut Segment) -> Result<Option<Salvaged>, LogError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match lengths(dir, &segment.path)? {
            Ok(lengths) => return cut_torn_tail(segment, lengths).map(|()| None),
            Err(_) if attempts < READ_ATTEMPTS => {}
            Err(error) if attempts > 2 * READ_ATTEMPTS => return Err(error),
            Err(error) => {
                if let Some(salvaged) = salvage(dir, segment, &error)? {
                    return Ok(Some(salvaged));
                }
            }
        }
    }
}

/// Replaces a segment that cannot be read because of `error`. `None` if it can be read after all.
fn salvage(dir: &LogDir, segment: &mut Segment, error: &LogError) -> Result<Option<Salvaged>, LogError> {
    let end = end_offset_of(dir, segment)?;
    let Some(repaired) = repair::prepare(dir, segment, end, FoundBy::Reader)? else { return Ok(None) };
    let path = segment.path.clone();
    let copy = Segment { path: segment::temporary_path(&path), bytes: repaired.bytes, ..segment.clone() };
    // A disk that returns nothing at the moment does not return the copy either.
    let mut lines = LineReader::open_with(dir, &copy, Unreadable::Fail)?;
    while lines.next_line()?.is_some() {}
    if lengths(dir, &path)?.is_ok() {
        dir.remove(&copy.path)?;
        return Ok(None);
    }
    dir.stage_replacement(&path)?;
    let quarantined = dir.replace_segment(&path)?;
    warn!(
        event = "bad_sector",
        path = %path.display(),
        %error,
        lost = repaired.lost_count(),
        moved_to = quarantined.as_ref().map(|file| file.path.display().to_string()),
        "the disk does not return a part of the log's last segment; the rest of it is kept in a new file. Check the disk"
    );
    *segment = Segment::new(segment.base, path.clone(), false, dir.metadata(&path)?);
    Ok(Some(Salvaged { quarantined, lost: repaired.lost }))
}

/// An open segment with its length, and the length of its whole lines.
type Lengths = (Box<dyn VfsFile>, u64, u64);

/// Reads the segment to its end. The inner error is that of a read.
fn lengths(dir: &LogDir, path: &Path) -> Result<Result<Lengths, LogError>, LogError> {
    let mut reader = io::BufReader::with_capacity(1 << 16, dir.open(path, OpenMode::Append)?);
    let (mut length, mut whole) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(Ok((reader.into_inner(), length, whole))),
            Ok(read) => length += read as u64,
            Err(error) => return Ok(Err(LogError::new("read", path)(error))),
        }
        if line.ends_with(b"\n") {
            whole = length;
        }
    }
}

/// Shortens the segment to the end of its last whole line and fsyncs it.
fn cut_torn_tail(segment: &mut Segment, (file, length, whole): Lengths) -> Result<(), LogError> {
    let path = &segment.path;
    if whole < length {
        let (path, bytes) = (path.display(), length - whole);
        warn!(%path, bytes, "cut off the end of a segment: the last write was not completed");
        file.set_length(whole).map_err(LogError::new("shorten", &segment.path))?;
    }
    segment.bytes = whole;
    file.sync_all().map_err(LogError::new("fsync", &segment.path))
}

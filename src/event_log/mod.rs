//! The event log: the truth, in files that anyone can read.
//!
//! # Format
//! `events/` in the data directory holds segments, each named by the offset of its first event in
//! twenty digits. `….ndjson` is being written or waits to be sealed: one event a line, `{"offset":N,`
//! first, each line ended by `\n`. `….ndjson.zst` is sealed: the same text as one zstd frame with a
//! content checksum. Offsets grow by one from line to line and from segment to segment.
//!
//! # What must hold
//! - Only [`Recovered`] yields a [`Writer`], so nothing is appended to a log whose end is not known.
//! - A last line without its `\n` (torn, or zeros after a power cut) is cut off at recovery with one
//!   warning. It was never acknowledged: an acknowledged event has been fsynced. Whatever has its `\n`
//!   stays, readable or not.
//! - What recovery found is fsynced before anything is folded from it.
//! - An event stays in memory until fsync has taken it, so a failed write or fsync loses nothing: the
//!   writer goes back to the last fsynced byte and writes again ([`Writer::repair`]).
//! - A file whose name a crash could lose has its folder fsynced before anything relies on it.
//! - A line in the middle that is no event is reported with file and line number and left out; what is
//!   whole around it is read.

mod lock;
mod reader;
mod segment;
mod snapshots;
mod writer;

use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use tracing::warn;

pub use lock::{DataDirLock, LockError};
pub use reader::{Damage, Events};
use reader::{Lines, Sequence};
use segment::Segment;
pub use snapshots::{SnapshotFile, SnapshotFileError, Snapshots};
pub use writer::{LogFull, Writer};

use crate::event::{self, Event, Offset};

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
}

/// A log whose end is known: it can be read, and turned into a [`Writer`].
#[derive(Debug)]
pub struct Recovered {
    folder: PathBuf,
    segments: Vec<Segment>,
    /// The offset behind the last event.
    end: Offset,
    next: Offset,
}

/// Opens the log in `folder`, which is made where it is missing, and cuts a last line that is not whole.
///
/// # Errors
/// [`LogError`] where a file or the folder cannot be read, made or shortened.
pub fn recover(folder: &Path) -> Result<Recovered, LogError> {
    segment::create_folder(folder)?;
    let mut segments = segment::list(folder)?;
    let mut next = Offset::default();
    while let Some(last) = segments.last() {
        if !last.sealed {
            cut_torn_tail(last)?;
        }
        next = end_of(last)?;
        // An empty segment says nothing but its name, and the one before it went on growing where making
        // it was interrupted.
        let before = segments.iter().rev().nth(1).filter(|_| next == last.base);
        match before.map(end_of).transpose()? {
            Some(end) if end > last.base => segment::remove(&last.path)?,
            _ => break,
        }
        segments.pop();
    }
    Ok(Recovered { folder: folder.to_owned(), segments, end: next, next })
}

impl Recovered {
    /// The offset that the next event will get.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// The offset of the oldest event that is still there, or [`Recovered::next_offset`] where there is none.
    pub fn first_offset(&self) -> Offset {
        self.segments.first().map_or(self.next, |first| first.base)
    }

    /// Has the next event get `offset` at least. A snapshot may know more events than what is left of a log
    /// that was lost: their offsets are not given a second time.
    pub fn next_offset_at_least(&mut self, offset: Offset) {
        self.next = self.next.max(offset);
    }

    /// The events from `offset` on, in order.
    pub fn read_from(&self, offset: Offset) -> Events {
        Events::new(&self.segments, offset)
    }

    /// The writer that appends behind the last event.
    ///
    /// # Errors
    /// [`LogError`] where the last segment cannot be opened or a new one cannot be made.
    pub fn into_writer(self, segment_bytes: u64) -> Result<Writer, LogError> {
        Writer::open(self.folder, &self.segments, self.end, self.next, segment_bytes)
    }
}

/// The offset behind the segment's last event that can be read.
fn end_of(segment: &Segment) -> Result<Offset, LogError> {
    let mut sequence = Sequence::new(segment.base);
    let mut lines = Lines::open(segment)?;
    // Damage is reported where the events are read.
    while let Ok(Some(line)) = lines.next_line() {
        let _ = sequence.take(line, Offset(u64::MAX));
    }
    Ok(sequence.end())
}

/// Shortens the segment to the end of its last line, and has all of it on disk.
fn cut_torn_tail(segment: &Segment) -> Result<(), LogError> {
    let path = &segment.path;
    let file =
        fs::OpenOptions::new().read(true).write(true).open(path).map_err(LogError::new("open", path))?;
    let length = file.metadata().map_err(LogError::new("look at", path))?.len();
    let mut reader = io::BufReader::with_capacity(1 << 16, &file);
    let (mut position, mut whole) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(LogError::new("read", path))?;
        if read == 0 {
            break;
        }
        position += read as u64;
        if line.ends_with(b"\n") {
            whole = position;
        }
    }
    if whole < length {
        warn!(
            "cut {} bytes that are no whole event from the end of {}: the last write was not finished",
            length - whole,
            path.display()
        );
        file.set_len(whole).map_err(LogError::new("shorten", path))?;
    }
    file.sync_all().map_err(LogError::new("fsync", path))
}

const LINE_START: &[u8] = b"{\"offset\":";

/// Appends `event` at `offset` to `lines` in the form in which the log keeps it, a line.
///
/// # Errors
/// Where a decision about an alert cannot be written; `lines` is as it was.
pub fn format_line(offset: Offset, event: &Event, lines: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let start = lines.len();
    lines.extend_from_slice(LINE_START);
    lines.extend_from_slice(itoa::Buffer::new().format(offset.0).as_bytes());
    let written = match event {
        Event::Probe(probe) => {
            lines.push(b',');
            event::push_probe(lines, probe).map(|()| lines.push(b'}'))
        }
        _ => {
            // The event's own opening brace becomes the comma after the offset.
            let brace = lines.len();
            let written = serde_json::to_writer(&mut *lines, event);
            if let Some(brace) = lines.get_mut(brace) {
                *brace = b',';
            }
            written
        }
    };
    match written {
        Ok(()) => lines.push(b'\n'),
        Err(_) => lines.truncate(start),
    }
    written
}

/// Splits a line into its offset and its event. The event's opening brace is written over the comma
/// after the offset.
fn split_line(line: &mut [u8]) -> Option<(Offset, &mut [u8])> {
    let rest = line.strip_prefix(LINE_START)?;
    let digits = rest.split(|byte| !byte.is_ascii_digit()).next()?;
    let offset = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let comma = LINE_START.len() + digits.len();
    let body = line.get_mut(comma..)?;
    let first = body.first_mut().filter(|first| **first == b',')?;
    *first = b'{';
    Some((Offset(offset), body))
}

//! Reads the log while another thread or process writes it: segment by segment for charts and tables, or all events up
//! to an offset for a fold.
//!
//! # Invariants
//! - A reader changes nothing and never blocks the writer.
//! - Segments may be appended to, sealed or removed meanwhile. A reader stops at the length that the segment had when it
//!   was listed, and skips a last line without `\n`.
//! - Segment by segment, corrupt lines are skipped: the writer reports and repairs them.
//! - Up to an offset, corruption is reported as it is to readers of a log that nobody writes. Removed segments are
//!   reported as such, once for all that were removed together.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::codec::{LineFilter, LogLine};
use super::corruption::Corruption;
use super::error::LogError;
use super::log_dir::LogDir;
use super::reader::{Entry, Events};
use super::segment::Segment;
use super::segment_scanner::LineReader;
use super::vfs::Vfs;
use crate::event::{Event, EventDecoder, EventKind, Offset};

/// How often a directory is listed that changes each time.
const LISTING_LIMIT: usize = 8;

/// A log that someone else may be writing.
#[derive(Debug, Clone)]
pub struct ConcurrentReader {
    dir: LogDir,
}

/// A segment as it was when it was listed.
#[derive(Debug)]
pub struct ListedSegment {
    dir: LogDir,
    segment: Segment,
}

impl ConcurrentReader {
    /// The log in `dir`.
    pub fn new(vfs: Arc<dyn Vfs>, dir: &Path) -> Self {
        Self { dir: LogDir::existing(vfs, dir) }
    }

    /// Its segments, oldest first.
    ///
    /// # Errors
    /// [`LogError`] if the directory cannot be listed.
    pub fn segments(&self) -> Result<Vec<ListedSegment>, LogError> {
        let listed = |segment| ListedSegment { dir: self.dir.clone(), segment };
        Ok(self.list()?.into_iter().map(listed).collect())
    }

    /// A listing may miss a segment whose file is being replaced, so list until two listings agree.
    fn list(&self) -> Result<Vec<Segment>, LogError> {
        let mut segments = self.dir.list_segments()?;
        for _ in 0..LISTING_LIMIT {
            let before = std::mem::replace(&mut segments, self.dir.list_segments()?);
            if before.iter().map(|segment| segment.base).eq(segments.iter().map(|segment| segment.base)) {
                break;
            }
        }
        Ok(segments)
    }

    /// The offset of the oldest event now, or 0 if that is unknown.
    fn first_base(&self) -> Offset {
        let segments = self.list().unwrap_or_default();
        segments.first().map_or(Offset::default(), |first| first.base)
    }

    /// The events up to `end`, all of which must have been written. They begin at `from`, or at the oldest event if
    /// that is earlier or `from` is `None`.
    ///
    /// # Errors
    /// [`LogError`] if the directory cannot be listed.
    pub fn events_up_to(&self, from: Option<Offset>, end: Offset) -> Result<EventsUpTo, LogError> {
        let segments = self.list()?;
        let first = segments.first().map_or(end, |first| first.base);
        let from = from.map_or(first, |from| from.min(first));
        let events = Events::new(&self.dir, &segments, from, Offset::MAX);
        Ok(EventsUpTo {
            log: self.clone(),
            events,
            next: from,
            removed_before: Offset::default(),
            removed_from: None,
            end,
        })
    }
}

/// The events before an offset, of a log that continues after it.
pub struct EventsUpTo {
    log: ConcurrentReader,
    events: Events,
    /// The offset after the last entry.
    next: Offset,
    /// Everything before this was removed, and that was reported.
    removed_before: Offset,
    /// The next `Lost` event at this offset covers removed events.
    removed_from: Option<Offset>,
    end: Offset,
}

impl Iterator for EventsUpTo {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        // What follows the end may be half written, so it is not read.
        if self.next >= self.end {
            return None;
        }
        loop {
            match self.events.next()? {
                Ok((offset, _)) if offset >= self.end => {
                    self.next = self.end;
                    return None;
                }
                // The log has no event for removed ones.
                Ok((offset, event @ Event { kind: EventKind::Lost { .. }, .. }))
                    if Some(offset) == self.removed_from.take() =>
                {
                    self.next = event.end(offset);
                    if self.next >= self.end {
                        return None;
                    }
                }
                Ok((offset, event)) => {
                    self.next = event.end(offset);
                    return Some(Ok((offset, self.cut_to_end(offset, event))));
                }
                Err(corruption) if corruption.is_missing_segment() => {
                    let from = corruption.segment();
                    let reported_before = self.removed_before;
                    if from >= reported_before {
                        self.removed_before = self.log.first_base();
                    }
                    if from >= self.removed_before {
                        return Some(Err(corruption));
                    }
                    self.removed_from = Some(from);
                    if from >= reported_before {
                        return Some(Err(Corruption::Removed { from, to: self.removed_before }));
                    }
                }
                Err(corruption) => return Some(Err(corruption)),
            }
        }
    }
}

impl EventsUpTo {
    /// If the last segment is corrupt to its end, the `Lost` event for that has no end of its own.
    fn cut_to_end(&self, offset: Offset, event: Event) -> Event {
        match self.next > self.end {
            true => event.resized(self.end.0 - offset.0),
            false => event,
        }
    }
}

impl ListedSegment {
    /// The offset of its first event.
    pub fn base(&self) -> Offset {
        self.segment.base
    }

    /// The length of its file in bytes.
    pub fn bytes(&self) -> u64 {
        self.segment.bytes
    }

    /// When its newest event was recorded, as far as known; `None` if it may get more events.
    pub fn sealed_at(&self) -> Option<SystemTime> {
        self.segment.sealed.then_some(self.segment.modified)
    }

    /// Passes the events whose lines `filter` accepts to `take`, in order, until that breaks.
    ///
    /// # Errors
    /// [`LogError`] if the file exists and cannot be opened. A removed segment has no events.
    pub fn read(
        &self,
        filter: &LineFilter,
        mut take: impl FnMut(Offset, Event) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LogError> {
        let Some(mut lines) = self.open()? else {
            // It may only be missing while its file is being replaced.
            filter.record_unread_lines();
            return Ok(ControlFlow::Continue(()));
        };
        let mut decoder = EventDecoder::default();
        loop {
            let text = match lines.next_line() {
                Ok(Some(text)) => text,
                Ok(None) => break,
                // A failed read ends the segment.
                Err(_) => {
                    filter.record_unread_lines();
                    break;
                }
            };
            if !text.ends_with(b"\n") || !filter.accepts(text) {
                continue;
            }
            let Some(mut line) = LogLine::new(text) else { continue };
            let offset = line.offset;
            if let Ok(event) = line.event(&mut decoder)
                && take(offset, event).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn open(&self) -> Result<Option<LineReader>, LogError> {
        let opened = match LineReader::open(&self.dir, &self.segment) {
            // It may have been sealed since it was listed.
            Err(error) if error.is_not_found() && !self.segment.sealed => {
                LineReader::open(&self.dir, &self.dir.sealed_copy(&self.segment))
            }
            opened => opened,
        };
        match opened {
            Err(error) if error.is_not_found() => Ok(None),
            opened => opened.map(Some),
        }
    }
}

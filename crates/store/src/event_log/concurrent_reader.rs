//! Reads the log beside the thread that writes it: by segments for pictures and tables, which want most of
//! what is there, and up to an offset for a fold, which wants all.
//!
//! # What must hold
//! - Nothing is changed, and the writer is kept from nothing.
//! - A segment may be written to, sealed or removed meanwhile. What lies behind the end that it had when it
//!   was listed is not read, nor a last line without its `\n`.
//! - By segments, what is damaged is left out: who writes the log tells of it and mends it. Up to an offset,
//!   it is told as to who reads a log that nobody writes; that segments were removed is told as what it is, once
//!   for those that go together.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::LogError;
use super::codec::{Line, LineFilter};
use super::corruption::Corruption;
use super::log_dir::LogDir;
use super::reader::{Entry, Events};
use super::segment::Segment;
use super::segment_scanner::Lines;
use super::vfs::Vfs;
use crate::event::{Event, EventDecoder, EventKind, Offset};

/// How often a folder is listed that is never twice the same.
const LISTINGS: usize = 8;

/// A log that someone else may be writing.
#[derive(Debug, Clone)]
pub struct ConcurrentReader {
    folder: LogDir,
}

/// A segment as it was when it was listed.
#[derive(Debug)]
pub struct ListedSegment {
    folder: LogDir,
    segment: Segment,
}

impl ConcurrentReader {
    /// The log in `folder`.
    pub fn new(disk: Arc<dyn Vfs>, folder: &Path) -> Self {
        Self { folder: LogDir::there(disk, folder) }
    }

    /// Its segments, oldest first.
    ///
    /// # Errors
    /// [`LogError`] where the folder cannot be listed.
    pub fn segments(&self) -> Result<Vec<ListedSegment>, LogError> {
        let beside = |segment| ListedSegment { folder: self.folder.clone(), segment };
        Ok(self.list()?.into_iter().map(beside).collect())
    }

    /// A folder in which a file takes another's place while it is listed may be given without either: so it is
    /// listed until the same segments are there twice.
    fn list(&self) -> Result<Vec<Segment>, LogError> {
        let mut segments = self.folder.look_through()?;
        for _ in 0..LISTINGS {
            let before = std::mem::replace(&mut segments, self.folder.look_through()?);
            if before.iter().map(|segment| segment.base).eq(segments.iter().map(|segment| segment.base)) {
                break;
            }
        }
        Ok(segments)
    }

    /// The offset with which the log begins now; the least there is where that cannot be told.
    fn first_base(&self) -> Offset {
        let segments = self.list().unwrap_or_default();
        segments.first().map_or(Offset::default(), |first| first.base)
    }

    /// The events from `from` on, or from the oldest where that is later said or nothing is, up to `end`, all of
    /// which the writer has written.
    ///
    /// # Errors
    /// [`LogError`] where the folder cannot be listed.
    pub fn events_up_to(&self, from: Option<Offset>, end: Offset) -> Result<EventsUpTo, LogError> {
        let segments = self.list()?;
        let first = segments.first().map_or(end, |first| first.base);
        let from = from.map_or(first, |from| from.min(first));
        let events = Events::new(&self.folder, &segments, from, Offset::MAX);
        Ok(EventsUpTo {
            log: self.clone(),
            events,
            next: from,
            left_before: Offset::default(),
            leaving: None,
            end,
        })
    }
}

/// The events of a log that goes on behind them.
pub struct EventsUpTo {
    log: ConcurrentReader,
    events: Events,
    /// The offset behind what was given.
    next: Offset,
    /// What lies before this has left the log, which was told.
    left_before: Offset,
    /// Where events begin that have left, and that are given as lost next.
    leaving: Option<Offset>,
    end: Offset,
}

impl Iterator for EventsUpTo {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        // What lies behind the end may be half written, so it is not looked at.
        if self.next >= self.end {
            return None;
        }
        loop {
            match self.events.next()? {
                Ok((offset, _)) if offset >= self.end => {
                    self.next = self.end;
                    return None;
                }
                // What stands for events that have left is no event of the log.
                Ok((offset, event @ Event { kind: EventKind::Lost { .. }, .. }))
                    if Some(offset) == self.leaving.take() =>
                {
                    self.next = event.end(offset);
                    if self.next >= self.end {
                        return None;
                    }
                }
                Ok((offset, event)) => {
                    self.next = event.end(offset);
                    return Some(Ok((offset, self.cut(offset, event))));
                }
                Err(damage) if damage.is_missing_segment() => {
                    let from = damage.segment();
                    let told = self.left_before;
                    if from >= told {
                        self.left_before = self.log.first_base();
                    }
                    if from >= self.left_before {
                        return Some(Err(damage));
                    }
                    self.leaving = Some(from);
                    if from >= told {
                        return Some(Err(Corruption::Left { from, to: self.left_before }));
                    }
                }
                Err(damage) => return Some(Err(damage)),
            }
        }
    }
}

impl EventsUpTo {
    /// Where a segment is damaged to its end, what that took has no end of its own.
    fn cut(&self, offset: Offset, event: Event) -> Event {
        match event {
            Event { kind: EventKind::Lost { why, .. }, .. } if self.next > self.end => {
                Event::without_time(EventKind::Lost { count: self.end.0 - offset.0, why })
            }
            event => event,
        }
    }
}

impl ListedSegment {
    /// The length of its file.
    pub fn bytes(&self) -> u64 {
        self.segment.bytes
    }

    /// When its newest event was recorded, as near as that is known; `None` where events may still be added.
    pub fn sealed_at(&self) -> Option<SystemTime> {
        self.segment.sealed.then_some(self.segment.modified)
    }

    /// Passes the events of the lines that `filter` accepts to `take`, in order, until it breaks.
    ///
    /// # Errors
    /// [`LogError`] where the file is there and cannot be opened. One that was removed holds nothing.
    pub fn read(
        &self,
        filter: &LineFilter,
        mut take: impl FnMut(Offset, Event) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LogError> {
        let Some(mut lines) = self.open()? else { return Ok(ControlFlow::Continue(())) };
        let mut reader = EventDecoder::default();
        // Where reading fails, what came before it was read.
        while let Ok(Some(text)) = lines.next_line() {
            if !text.ends_with(b"\n") || !filter.accepts(text) {
                continue;
            }
            let Some(mut line) = Line::new(text) else { continue };
            let offset = line.offset;
            if let Ok(event) = line.event(&mut reader)
                && take(offset, event).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn open(&self) -> Result<Option<Lines>, LogError> {
        let opened = match Lines::open(&self.folder, &self.segment) {
            Err(error) if error.is_missing() && !self.segment.sealed => {
                Lines::open(&self.folder, &self.folder.sealed_form(&self.segment))
            }
            opened => opened,
        };
        match opened {
            Err(error) if error.is_missing() => Ok(None),
            opened => opened.map(Some),
        }
    }
}

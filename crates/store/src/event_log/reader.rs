//! Reads events in order, from open and sealed segments alike.

use std::collections::VecDeque;

use super::corruption::Corruption;
use super::error::LogError;
use super::log_dir::LogDir;
use super::segment::Segment;
use super::segment_scanner::{Scanned, SegmentScanner};
#[cfg(doc)]
use crate::event::EventKind;
use crate::event::{Event, Offset};

/// An event with its offset, or corruption.
pub type Entry = Result<(Offset, Event), Corruption>;

/// The events of a log from an offset on. Corruption is an entry of its own. After it follow an [`EventKind::Lost`] in
/// place of the events that it took, and the events after it.
pub struct Events {
    dir: LogDir,
    /// Each with the offset after its last event.
    segments: VecDeque<(Segment, Offset)>,
    current: Option<SegmentScanner>,
    from: Offset,
    /// The offset after everything that was read.
    end: Offset,
    /// The event that follows the last corruption.
    lost: Option<(Offset, Event)>,
}

impl Events {
    /// The events from `from` on in `segments`, whose last event is before `end`.
    pub(super) fn new(dir: &LogDir, segments: &[Segment], from: Offset, end: Offset) -> Self {
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let ends = segments.iter().skip(first + 1).map(|next| next.base).chain([end]);
        let segments = segments.iter().skip(first).cloned().zip(ends).collect();
        Self { dir: dir.clone(), segments, current: None, from, end: from, lost: None }
    }

    /// Opens the segment, which may have been sealed since it was listed.
    fn open(&self, segment: &Segment, until: Offset) -> Result<SegmentScanner, LogError> {
        match SegmentScanner::open(&self.dir, segment, until, self.from) {
            Err(error) if error.is_not_found() && !segment.sealed => {
                SegmentScanner::open(&self.dir, &self.dir.sealed_copy(segment), until, self.from)
            }
            opened => opened,
        }
    }

    /// The event without the part of it that is before the first offset to read.
    fn cut_to_start(&self, offset: Offset, event: Event) -> (Offset, Event) {
        let end = event.end(offset);
        match offset < self.from {
            true => (self.from, event.resized(end.0 - self.from.0)),
            false => (offset, event),
        }
    }

    /// Returns the corruption, and keeps the event that follows it for the next call.
    fn report(&mut self, corruption: Corruption, lost: Option<(Offset, Event)>) -> Entry {
        let is_wanted = |(offset, event): &(Offset, Event)| event.end(*offset) > self.from;
        self.lost = lost.filter(is_wanted).map(|(offset, event)| self.cut_to_start(offset, event));
        Err(corruption)
    }
}

impl Iterator for Events {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(lost) = self.lost.take() {
            return Some(Ok(lost));
        }
        loop {
            if let Some(scanner) = &mut self.current {
                match scanner.next() {
                    Some(Scanned::Event(offset, event)) => {
                        return Some(Ok(self.cut_to_start(offset, event)));
                    }
                    Some(Scanned::Corrupt(corruption, lost)) => return Some(self.report(corruption, lost)),
                    None => {
                        self.end = self.end.max(scanner.end());
                        self.current = None;
                    }
                }
            }
            let (segment, _) = self.segments.front()?;
            if self.end < segment.base {
                let (from, to) = (self.end, segment.base);
                self.end = to;
                let gap = Corruption::Gap { from, to };
                let lost = gap.lost(from..to);
                return Some(self.report(gap, lost));
            }
            let (segment, until) = self.segments.pop_front()?;
            match self.open(&segment, until) {
                Ok(scanner) => self.current = Some(scanner),
                Err(error) => {
                    let (base, path) = (segment.base, segment.path);
                    let corruption = Corruption::Segment { base, path, line: 1, error };
                    let lost = corruption.lost(base..until);
                    self.end = self.end.max(until);
                    return Some(self.report(corruption, lost));
                }
            }
        }
    }
}

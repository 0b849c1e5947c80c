//! Reads events from an offset on, over open and sealed segments alike.

use std::collections::VecDeque;

use super::LogError;
use super::corruption::Corruption;
use super::log_dir::LogDir;
use super::segment::Segment;
use super::segment_scanner::{Scanned, SegmentScanner};
use crate::event::{Event, EventKind, Offset};

/// What reading gives: an event at its offset, or damage.
pub type Entry = Result<(Offset, Event), Corruption>;

/// The events of a log from an offset on. Corruption is an item of its own; an [`EventKind::Lost`] in place of the
/// events that it took and the events behind it follow.
pub struct Events {
    folder: LogDir,
    /// With the offset behind the last event of each.
    segments: VecDeque<(Segment, Offset)>,
    current: Option<SegmentScanner>,
    from: Offset,
    /// The offset behind what was read.
    end: Offset,
    /// What follows the damage that was given last.
    lost: Option<(Offset, Event)>,
}

impl Events {
    /// The events from `from` on in `segments`, whose last event is before `end`.
    pub(super) fn new(folder: &LogDir, segments: &[Segment], from: Offset, end: Offset) -> Self {
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let ends = segments.iter().skip(first + 1).map(|next| next.base).chain([end]);
        let segments = segments.iter().skip(first).cloned().zip(ends).collect();
        Self { folder: folder.clone(), segments, current: None, from, end: from, lost: None }
    }

    /// The pieces of the segment, which may have been sealed since it was listed.
    fn open(&self, segment: &Segment, until: Offset) -> Result<SegmentScanner, LogError> {
        match SegmentScanner::open(&self.folder, segment, until, self.from) {
            Err(error) if error.is_missing() && !segment.sealed => {
                SegmentScanner::open(&self.folder, &self.folder.sealed_form(segment), until, self.from)
            }
            opened => opened,
        }
    }

    /// The part of an event that is not before the first that is wanted.
    fn wanted(&self, offset: Offset, event: Event) -> (Offset, Event) {
        let end = event.end(offset);
        match event {
            Event { kind: EventKind::Lost { why, .. }, .. } if offset < self.from => {
                (self.from, Event::without_time(EventKind::Lost { count: end.0 - self.from.0, why }))
            }
            event => (offset, event),
        }
    }

    /// Gives the damage, and then what it took of the events that are wanted.
    fn report(&mut self, damage: Corruption, lost: Option<(Offset, Event)>) -> Entry {
        let is_wanted = |(offset, event): &(Offset, Event)| event.end(*offset) > self.from;
        self.lost = lost.filter(is_wanted).map(|(offset, event)| self.wanted(offset, event));
        Err(damage)
    }
}

impl Iterator for Events {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(lost) = self.lost.take() {
            return Some(Ok(lost));
        }
        loop {
            if let Some(pieces) = &mut self.current {
                match pieces.next() {
                    Some(Scanned::Event(offset, event)) => return Some(Ok(self.wanted(offset, event))),
                    Some(Scanned::Corrupt(damage, lost)) => return Some(self.report(damage, lost)),
                    None => {
                        self.end = self.end.max(pieces.end());
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
                Ok(pieces) => self.current = Some(pieces),
                Err(error) => {
                    let (base, path) = (segment.base, segment.path);
                    let damage = Corruption::Segment { base, path, line: 1, error };
                    let lost = damage.lost(base..until);
                    self.end = self.end.max(until);
                    return Some(self.report(damage, lost));
                }
            }
        }
    }
}

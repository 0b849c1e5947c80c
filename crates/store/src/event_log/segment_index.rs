//! The segments that get no more events, known without access to the disk: which there are, their size, and how the
//! oldest are removed.

use std::time::SystemTime;

use super::error::LogError;
use super::log_dir::{Listing, LogDir};
use super::segment::{QuarantinedFile, Segment};
use crate::event::Offset;

/// A segment that gets no more events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedSegment {
    /// The offset of its first event.
    pub base: Offset,
    /// The offset after its last event.
    pub end: Offset,
    /// Its size on disk, including what a repair of it quarantined.
    pub bytes: u64,
    /// When its newest event was recorded, as far as known.
    pub modified: SystemTime,
}

/// The files of the log, except the segment that is being written.
#[derive(Debug, Default)]
pub(super) struct SegmentIndex {
    /// In the order of their offsets; the last may not be sealed yet.
    pub(super) segments: Vec<Segment>,
    quarantined: Vec<QuarantinedFile>,
}

impl SegmentIndex {
    pub(super) fn new(Listing { segments, quarantined }: Listing) -> Self {
        Self { segments, quarantined }
    }

    /// The segments. The last ends before `end`.
    pub(super) fn sealed_segments(&self, end: Offset) -> impl Iterator<Item = SealedSegment> {
        let ends = self.segments.iter().skip(1).map(|next| next.base).chain([end]);
        self.segments.iter().zip(ends).map(|(segment, end)| SealedSegment {
            base: segment.base,
            end,
            bytes: segment.bytes + self.quarantined_bytes(segment.base, end),
            modified: segment.modified(),
        })
    }

    fn quarantined_bytes(&self, from: Offset, to: Offset) -> u64 {
        let files = self.quarantined.iter().filter(|file| (from..to).contains(&file.base));
        files.map(|file| file.bytes).sum()
    }

    /// The size of all files on disk in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let quarantined: u64 = self.quarantined.iter().map(|file| file.bytes).sum();
        quarantined + self.segments.iter().map(|segment| segment.bytes).sum::<u64>()
    }

    /// Notes that a segment is sealed now.
    pub(super) fn replace(&mut self, sealed: Segment) {
        if let Some(known) = self.segments.iter_mut().find(|known| known.base == sealed.base) {
            *known = sealed;
        }
    }

    /// Notes that a repair quarantined a file.
    pub(super) fn add_quarantined(&mut self, file: Option<QuarantinedFile>) {
        self.quarantined.extend(file);
    }

    /// How many of the segments have only events before `offset`. The last ends before `end`.
    pub(super) fn count_before(&self, offset: Offset, end: Offset) -> usize {
        self.sealed_segments(end).take_while(|segment| segment.end <= offset).count()
    }

    /// Removes the first `count` segments and their quarantined files, oldest first. `end` is the offset after the last
    /// segment. Each removal is on disk before the next begins, so a crash cannot leave a hole.
    pub(super) fn remove_first(&mut self, dir: &LogDir, count: usize, end: Offset) -> Result<(), LogError> {
        for _ in 0..count {
            let Some(oldest) = self.segments.first() else { break };
            let next = self.segments.get(1).map_or(end, |next| next.base);
            dir.remove_segment(oldest.base)?;
            self.segments.remove(0);
            for file in self.quarantined.extract_if(.., |file| file.base < next) {
                dir.remove(&file.path)?;
            }
            dir.sync()?;
        }
        Ok(())
    }
}

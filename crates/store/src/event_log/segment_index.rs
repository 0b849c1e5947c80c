//! The segments that no event is added to any more, known without looking at the disk: what there is, how
//! much it takes, and how the oldest of it goes.

use std::time::SystemTime;

use super::LogError;
use super::log_dir::{Listing, LogDir};
use super::segment::{QuarantinedFile, Segment};
use crate::event::Offset;

/// A segment that no event is added to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedSegment {
    /// The offset of its first event.
    pub base: Offset,
    /// The offset behind its last event.
    pub end: Offset,
    /// What it takes on disk, with what was set aside when it was mended.
    pub bytes: u64,
    /// When its newest event was recorded, as near as that is known.
    pub modified: SystemTime,
}

/// What the folder holds besides the segment that is being written.
#[derive(Debug, Default)]
pub(super) struct SegmentIndex {
    /// In the order of their offsets; the last may still have its open form.
    pub(super) segments: Vec<Segment>,
    quarantined: Vec<QuarantinedFile>,
}

impl SegmentIndex {
    pub(super) fn new(Listing { segments, quarantined }: Listing) -> Self {
        Self { segments, quarantined }
    }

    /// The segments, of which the last ends before `end`.
    pub(super) fn sealed_segments(&self, end: Offset) -> impl Iterator<Item = SealedSegment> {
        let ends = self.segments.iter().skip(1).map(|next| next.base).chain([end]);
        self.segments.iter().zip(ends).map(|(segment, end)| SealedSegment {
            base: segment.base,
            end,
            bytes: segment.bytes + self.bytes_aside(segment.base, end),
            modified: segment.modified(),
        })
    }

    fn bytes_aside(&self, from: Offset, to: Offset) -> u64 {
        let aside = self.quarantined.iter().filter(|file| (from..to).contains(&file.base));
        aside.map(|file| file.bytes).sum()
    }

    /// What all of it takes on disk, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let aside: u64 = self.quarantined.iter().map(|file| file.bytes).sum();
        aside + self.segments.iter().map(|segment| segment.bytes).sum::<u64>()
    }

    /// The segment has become this one.
    pub(super) fn replace(&mut self, sealed: Segment) {
        if let Some(known) = self.segments.iter_mut().find(|known| known.base == sealed.base) {
            *known = sealed;
        }
    }

    /// These were set aside.
    pub(super) fn quarantined(&mut self, files: Option<QuarantinedFile>) {
        self.quarantined.extend(files);
    }

    /// How many of the segments have only events before `offset`; the last ends before `end`.
    pub(super) fn count_before(&self, offset: Offset, end: Offset) -> usize {
        self.sealed_segments(end).take_while(|segment| segment.end <= offset).count()
    }

    /// Removes the first `count` segments, and what was set aside of them, the oldest first. Each is gone
    /// from the disk for good before the next one goes, so that no crash can leave a hole. `end` is the
    /// offset behind the last segment.
    pub(super) fn remove_first(
        &mut self,
        folder: &LogDir,
        count: usize,
        end: Offset,
    ) -> Result<(), LogError> {
        for _ in 0..count {
            let Some(oldest) = self.segments.first() else { break };
            let next = self.segments.get(1).map_or(end, |next| next.base);
            folder.remove_segment(oldest.base)?;
            self.segments.remove(0);
            for file in self.quarantined.extract_if(.., |file| file.base < next) {
                folder.remove(&file.path)?;
            }
            folder.sync()?;
        }
        Ok(())
    }
}

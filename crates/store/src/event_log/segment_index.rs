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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    fn segment(base: u64, bytes: u64) -> Segment {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(base);
        Segment { base: Offset(base), path: PathBuf::new(), sealed: true, bytes, modified }
    }

    fn index() -> SegmentIndex {
        let quarantined = [(10, 1_000), (15, 2_000), (20, 4_000)];
        let file = |(base, bytes)| QuarantinedFile { base: Offset(base), path: PathBuf::new(), bytes };
        SegmentIndex::new(Listing {
            segments: vec![segment(0, 7), segment(10, 8), segment(20, 9)],
            quarantined: quarantined.map(file).into(),
        })
    }

    #[test]
    fn a_segment_is_as_large_as_its_file_and_what_a_repair_quarantined() {
        let index = index();
        let of = |segment: SealedSegment| (segment.base.0, segment.end.0, segment.bytes);
        let segments: Vec<_> = index.sealed_segments(Offset(30)).map(of).collect();
        assert_eq!(segments, [(0, 10, 7), (10, 20, 3_008), (20, 30, 4_009)]);
        assert_eq!(index.bytes(), 7_024);
        let times = index.sealed_segments(Offset(30)).map(|segment| segment.modified);
        assert!(times.eq(index.segments.iter().map(|segment| segment.modified)));
    }

    #[test]
    fn a_segment_is_before_an_offset_if_all_of_it_is() {
        let index = index();
        for (offset, count) in [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (29, 2), (30, 3), (99, 3)] {
            assert_eq!(index.count_before(Offset(offset), Offset(30)), count, "{offset}");
        }
    }

    #[test]
    fn a_sealed_segment_takes_the_place_of_the_open_one() {
        let mut index = index();
        index.replace(segment(10, 5));
        index.replace(segment(40, 6));
        let known: Vec<_> = index.segments.iter().map(|segment| (segment.base.0, segment.bytes)).collect();
        assert_eq!(known, [(0, 7), (10, 5), (20, 9)]);
    }

    #[test]
    fn the_oldest_segments_leave_with_what_was_quarantined_of_them() {
        use super::super::vfs::OsVfs;
        let folder = tempfile::tempdir().unwrap();
        let dir = LogDir::create(std::sync::Arc::new(OsVfs), folder.path()).unwrap();
        let names =
            ["0.ndjson.zst", "10.ndjson.zst", "20.ndjson", "0.ndjson.zst.damaged", "10.ndjson.zst.damaged"];
        let path = |name: &str| {
            let (base, suffix) = name.split_once('.').unwrap();
            folder.path().join(format!("{base:0>20}.{suffix}"))
        };
        names.iter().for_each(|name| std::fs::write(path(name), "x").unwrap());
        let mut index = SegmentIndex::new(dir.clean_up_and_list().unwrap());
        let left = || names.iter().filter(|name| path(name).exists()).copied().collect::<Vec<_>>();
        index.remove_first(&dir, 1, Offset(30)).unwrap();
        assert_eq!(left(), ["10.ndjson.zst", "20.ndjson", "10.ndjson.zst.damaged"]);
        assert_eq!((index.segments.len(), index.quarantined.len(), index.bytes()), (2, 1, 3));
        index.remove_first(&dir, 9, Offset(30)).unwrap();
        assert!(left().is_empty() && index.bytes() == 0);
    }
}

//! Replaces a corrupt segment by a whole one: the whole lines as they are, and an
//! [`EventKind::Lost`](crate::event::EventKind::Lost) for each run of corrupt ones. The corrupt file is quarantined.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

use super::codec::encode_line;
use super::corruption::Corruption;
use super::error::LogError;
use super::log_dir::LogDir;
use super::segment::{self, Segment};
use super::segment_scanner::{Scanned, SegmentScanner, Unreadable};
use crate::event::{Event, Offset};

/// A whole segment under its temporary name. [`LogDir::stage_replacement`] is the next step.
pub(super) struct RepairedSegment {
    /// The first corruption.
    pub(super) corruption: Corruption,
    /// The length of the whole segment.
    pub(super) bytes: u64,
    /// The events that it lacks.
    pub(super) lost: Vec<Range<Offset>>,
}

impl RepairedSegment {
    /// How many events it lacks.
    pub(super) fn lost_count(&self) -> u64 {
        self.lost.iter().map(|lost| lost.end.0 - lost.start.0).sum()
    }
}

/// Who found a segment corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// A reader, in a segment that gets no more events. A segment of its own records events that are missing after the
    /// last line. Bytes that the disk does not return, now as when they were read, are lost.
    Reader,
    /// The writer, in its segment, which records events that are missing after the last line. The disk is failing now,
    /// so bytes that it does not return are read again later.
    Writer,
}

/// Repairs those of `segments` that are corrupt and whose bases are in `bases`. The last segment ends before `end`. A
/// base without a segment means events that are missing before the next segment. Returns the bases
/// that were repaired.
pub(super) fn repair(
    dir: &LogDir,
    segments: &[Segment],
    end: Offset,
    bases: &BTreeSet<Offset>,
) -> Result<BTreeSet<Offset>, LogError> {
    let mut repaired = BTreeSet::new();
    for &base in bases {
        let after = segments.partition_point(|segment| segment.base <= base);
        let until = segments.get(after).map(|segment| segment.base);
        match after.checked_sub(1).and_then(|last| segments.get(last)).filter(|own| own.base == base) {
            Some(own) => {
                if prepare(dir, own, until.unwrap_or(end), FoundBy::Reader)?.is_some() {
                    dir.stage_replacement(&own.path)?;
                    dir.replace_segment(&own.path)?;
                    repaired.insert(base);
                }
            }
            None => {
                // Events are missing after the last segment only once another one follows.
                if let Some(until) = until {
                    fill_gap(dir, base, until)?;
                    repaired.insert(base);
                }
            }
        }
    }
    Ok(repaired)
}

/// Writes the replacement of `segment`, whose last event is before `until`. Returns `None` if the segment is whole.
pub(super) fn prepare(
    dir: &LogDir,
    segment: &Segment,
    until: Offset,
    found_by: FoundBy,
) -> Result<Option<RepairedSegment>, LogError> {
    let unreadable = match found_by {
        FoundBy::Reader => Unreadable::Skip,
        FoundBy::Writer => Unreadable::Fail,
    };
    let mut scanner = SegmentScanner::open_with(dir, segment, (until, Offset::default()), unreadable)?;
    let (mut first, mut gone) = (None, Vec::new());
    let bytes = dir.write_temporary(&segment.path, segment.sealed, |file| {
        let failed = || LogError::new("write the whole part of", &segment.path);
        while let Some(part) = scanner.next() {
            match part {
                Scanned::Event(..) => {
                    let line = scanner.text();
                    file.write_all(line.strip_suffix(b"\n").unwrap_or(line)).map_err(failed())?;
                    file.write_all(b"\n").map_err(failed())?;
                }
                Scanned::Corrupt(Corruption::Segment { error, .. }, _)
                    if found_by == FoundBy::Writer && error.io().raw_os_error().is_some() =>
                {
                    return Err(error);
                }
                Scanned::Corrupt(corruption, lost) => {
                    gone.extend(lost.as_ref().map(|(offset, event)| *offset..event.end(*offset)));
                    write_lost(file, lost).map_err(failed())?;
                    first.get_or_insert(corruption);
                }
            }
        }
        if found_by == FoundBy::Writer && scanner.end() < until {
            let (from, to) = (scanner.end(), until);
            let gap = Corruption::Gap { from, to };
            gone.push(from..to);
            write_lost(file, gap.lost(from..to)).map_err(failed())?;
            first.get_or_insert(gap);
        }
        Ok(())
    })?;
    match first {
        Some(corruption) => Ok(Some(RepairedSegment { corruption, bytes, lost: gone })),
        None => {
            dir.remove(&segment::temporary_path(&segment.path))?;
            Ok(None)
        }
    }
}

/// Writes a segment that says that the events from `from` up to `until` are missing.
fn fill_gap(dir: &LogDir, from: Offset, until: Offset) -> Result<(), LogError> {
    let path = dir.sealed_path(from);
    let lost = Corruption::Gap { from, to: until }.lost(from..until);
    dir.write_temporary(&path, true, |file| write_lost(file, lost).map_err(LogError::new("write", &path)))?;
    dir.install(&path)
}

fn write_lost(file: &mut dyn Write, lost: Option<(Offset, Event)>) -> io::Result<()> {
    let mut text = Vec::new();
    if let Some((offset, event)) = lost {
        encode_line(offset, &event, &mut text)?;
    }
    file.write_all(&text)
}

//! Has a damaged segment's place taken by a whole one: the lines that are whole as they are, and one
//! [`EventKind::Lost`](crate::event::EventKind::Lost) for each run of those that are not. What was there stays
//! beside it under another name.

use std::collections::BTreeSet;
use std::io::Write;

use super::LogError;
use super::codec;
use super::corruption::Corruption;
use super::log_dir::LogDir;
use super::segment::{self, Segment};
use super::segment_scanner::{Scanned, SegmentScanner};
use crate::event::{Event, Offset};

/// A whole segment that is written under the name for what is unfinished; [`LogDir::await_replacing`] is
/// the next step.
pub(super) struct Repaired {
    /// What was wrong first.
    pub(super) damage: Corruption,
    /// The whole segment's length.
    pub(super) bytes: u64,
}

/// Who found a segment damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// Events that are missing behind its last line are told in a segment of their own. Bytes that the disk
    /// does not give, now as when it was read, are lost.
    Reader,
    /// The segment goes on: what is missing behind its last line is told there. The disk fails at the moment,
    /// so bytes that it does not give are asked for again.
    Writer,
}

/// Mends the damaged ones of `segments` that begin with `bases`, of which the last ends before `end`. A
/// base with which no segment begins is that of events that are missing before the next segment. Returns
/// the bases of those that were mended.
pub(super) fn repair(
    folder: &LogDir,
    segments: &[Segment],
    end: Offset,
    bases: &BTreeSet<Offset>,
) -> Result<BTreeSet<Offset>, LogError> {
    let mut mended = BTreeSet::new();
    for &base in bases {
        let after = segments.partition_point(|segment| segment.base <= base);
        let until = segments.get(after).map(|segment| segment.base);
        match after.checked_sub(1).and_then(|place| segments.get(place)).filter(|own| own.base == base) {
            Some(own) => {
                if prepare(folder, own, until.unwrap_or(end), FoundBy::Reader)?.is_some() {
                    folder.await_replacing(&own.path)?;
                    folder.finish_mending(&own.path)?;
                    mended.insert(base);
                }
            }
            None => {
                // What is missing behind the last segment is so only once another follows.
                if let Some(until) = until {
                    fill(folder, base, until)?;
                    mended.insert(base);
                }
            }
        }
    }
    Ok(mended)
}

/// Writes what is to take the place of `segment`, whose last event is before `until`; nothing where the
/// segment is whole.
pub(super) fn prepare(
    folder: &LogDir,
    segment: &Segment,
    until: Offset,
    found_by: FoundBy,
) -> Result<Option<Repaired>, LogError> {
    let mut pieces = SegmentScanner::open(folder, segment, until, Offset::default())?;
    let mut first = None;
    let bytes = folder.write_whole(&segment.path, segment.sealed, |file| {
        let failed = || LogError::new("write what is whole of", &segment.path);
        while let Some(piece) = pieces.next() {
            match piece {
                Scanned::Event(..) => {
                    let line = pieces.text();
                    file.write_all(line.strip_suffix(b"\n").unwrap_or(line)).map_err(failed())?;
                    file.write_all(b"\n").map_err(failed())?;
                }
                Scanned::Corrupt(Corruption::Segment { error, .. }, _)
                    if found_by == FoundBy::Writer && error.io().raw_os_error().is_some() =>
                {
                    return Err(error);
                }
                Scanned::Corrupt(damage, lost) => {
                    write_lost(file, lost).map_err(failed())?;
                    first.get_or_insert(damage);
                }
            }
        }
        if found_by == FoundBy::Writer && pieces.end() < until {
            let (from, to) = (pieces.end(), until);
            let gap = Corruption::Gap { from, to };
            write_lost(file, gap.lost(from..to)).map_err(failed())?;
            first.get_or_insert(gap);
        }
        Ok(())
    })?;
    match first {
        Some(damage) => Ok(Some(Repaired { damage, bytes })),
        None => {
            folder.remove(&segment::temporary_path(&segment.path))?;
            Ok(None)
        }
    }
}

/// Has a segment say that the events from `from` up to `until` are missing.
fn fill(folder: &LogDir, from: Offset, until: Offset) -> Result<(), LogError> {
    let path = folder.sealed_path(from);
    let lost = Corruption::Gap { from, to: until }.lost(from..until);
    folder.write_whole(&path, true, |file| write_lost(file, lost).map_err(LogError::new("write", &path)))?;
    folder.put_in_place(&path)
}

fn write_lost(file: &mut dyn Write, lost: Option<(Offset, Event)>) -> std::io::Result<()> {
    let mut text = Vec::new();
    if let Some((offset, event)) = lost {
        codec::encode_line(offset, &event, &mut text)?;
    }
    file.write_all(&text)
}

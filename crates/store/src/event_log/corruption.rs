//! What can be wrong with a log, and what stands for the events that it took.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::LogError;
use crate::event::{Event, EventKind, Offset};

/// A place in the log that holds no event where one should be.
#[derive(Debug, thiserror::Error)]
pub enum Corruption {
    /// Lines in a row that cannot be read as events.
    #[error("{} of {} {} damaged: {why}", numbered(lines), path.display(), is_or_are(lines))]
    Lines {
        /// The offset that the segment begins with.
        base: Offset,
        /// The segment's file.
        path: PathBuf,
        /// The lines' numbers from 1, in the segment's text.
        lines: Range<u64>,
        /// What is wrong with the first.
        why: String,
    },
    /// Events whose segments left the log while it was read, which is no damage.
    #[error(
        "the events from {from} up to {to} left the log while it was read: they were too old or too many"
    )]
    Left {
        /// The first that was still to be read.
        from: Offset,
        /// The first that is still there.
        to: Offset,
    },
    /// Events that are in no segment.
    #[error("the events from {from} up to {to} are missing: no segment holds them")]
    Gap {
        /// The first that is missing.
        from: Offset,
        /// The first that is there again.
        to: Offset,
    },
    /// A segment that cannot be read to its end, or whose checksum says that something in it is wrong.
    #[error("{error}; it could be read up to its line {line}")]
    Segment {
        /// The offset that the segment begins with.
        base: Offset,
        /// The segment's file.
        path: PathBuf,
        /// The number of the first line that could not be read.
        line: u64,
        /// What failed.
        error: LogError,
    },
}

impl Corruption {
    /// The offset with which the segment begins that has to be mended: the one that is damaged, or the one
    /// that is missing.
    pub fn segment(&self) -> Offset {
        match self {
            Self::Lines { base, .. } | Self::Segment { base, .. } => *base,
            Self::Gap { from, .. } | Self::Left { from, .. } => *from,
        }
    }

    /// Whether it is only that a segment is gone, as those are that left the log.
    pub fn is_missing_segment(&self) -> bool {
        match self {
            Self::Gap { .. } | Self::Left { .. } => true,
            Self::Segment { error, .. } => error.is_missing(),
            Self::Lines { .. } => false,
        }
    }

    /// Whether nothing is damaged, and the events left the log as they should.
    pub fn is_only_removal(&self) -> bool {
        matches!(self, Self::Left { .. })
    }

    /// The event that stands for those that are lost by it; none where it took none.
    pub(super) fn lost(&self, missing: Range<Offset>) -> Option<(Offset, Event)> {
        let count = missing.end.0.checked_sub(missing.start.0).filter(|count| *count > 0)?;
        let why = match self {
            Self::Lines { path, lines, .. } => {
                let was = if is_or_are(lines) == "is" { "was" } else { "were" };
                format!("{} of {} {was} damaged", numbered(lines), name(path))
            }
            Self::Gap { .. } => "no segment held them".to_owned(),
            Self::Left { .. } => "they had left the log".to_owned(),
            Self::Segment { path, line, .. } => {
                format!("{} could not be read from its line {line} on", name(path))
            }
        };
        Some((missing.start, Event::without_time(EventKind::Lost { count, why })))
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn numbered(lines: &Range<u64>) -> String {
    match lines.end - lines.start {
        1 => format!("line {}", lines.start),
        _ => format!("lines {} to {}", lines.start, lines.end - 1),
    }
}

fn is_or_are(lines: &Range<u64>) -> &'static str {
    if lines.end - lines.start == 1 { "is" } else { "are" }
}

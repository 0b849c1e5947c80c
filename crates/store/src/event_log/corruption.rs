//! What can be wrong with a log, and the event that takes the place of lost ones.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::LogError;
use crate::event::{Event, EventKind, Offset};

/// Offsets whose events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Corruption {
    /// Consecutive lines that are no events.
    #[error("{} of {} {} damaged: {why}", numbered(lines), path.display(), is_or_are(lines))]
    Lines {
        /// The base of the segment.
        base: Offset,
        /// The segment's file.
        path: PathBuf,
        /// The lines' numbers in the segment's text, from 1.
        lines: Range<u64>,
        /// Why the first is no event.
        why: String,
    },
    /// Retention removed the events while the log was read. This is no corruption.
    #[error(
        "the events from {from} up to {to} were removed while the log was read: they were too old or too many"
    )]
    Removed {
        /// The first that was still to be read.
        from: Offset,
        /// The first that still exists.
        to: Offset,
    },
    /// No segment contains the events.
    #[error("the events from {from} up to {to} are missing: no segment holds them")]
    Gap {
        /// The first that is missing.
        from: Offset,
        /// The first that is not.
        to: Offset,
    },
    /// A segment cannot be read to its end, or its checksum is wrong.
    #[error("{error} (readable up to line {line})")]
    Segment {
        /// The base of the segment.
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
    /// The base of the segment to repair: of the corrupt one or the missing one.
    pub fn segment(&self) -> Offset {
        match self {
            Self::Lines { base, .. } | Self::Segment { base, .. } => *base,
            Self::Gap { from, .. } | Self::Removed { from, .. } => *from,
        }
    }

    /// Whether a segment does not exist, which is normal for removed ones.
    pub fn is_missing_segment(&self) -> bool {
        match self {
            Self::Gap { .. } | Self::Removed { .. } => true,
            Self::Segment { error, .. } => error.is_not_found(),
            Self::Lines { .. } => false,
        }
    }

    /// Whether retention removed the events, and nothing is corrupt.
    pub fn is_only_removal(&self) -> bool {
        matches!(self, Self::Removed { .. })
    }

    /// The event that takes the place of the missing ones, if any are.
    pub(super) fn lost(&self, missing: Range<Offset>) -> Option<(Offset, Event)> {
        let count = missing.end.0.checked_sub(missing.start.0).filter(|count| *count > 0)?;
        let why = match self {
            Self::Lines { path, lines, .. } => {
                let was = if is_or_are(lines) == "is" { "was" } else { "were" };
                format!("{} of {} {was} damaged", numbered(lines), name(path))
            }
            Self::Gap { .. } => "no segment held them".to_owned(),
            Self::Removed { .. } => "they were removed from the log".to_owned(),
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

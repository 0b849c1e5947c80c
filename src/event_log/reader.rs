//! Reads events from an offset on, over open and sealed segments alike.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use super::segment::Segment;
use super::{LogError, split_line};
use crate::event::{Event, Offset};

/// A place in the log that holds no event where one should be.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A line that cannot be read as an event; reading goes on behind it.
    #[error("line {line} of {path} is damaged and was left out: {why}")]
    Line {
        /// The segment's file.
        path: PathBuf,
        /// The line's number from 1, in the segment's text.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Events that are in no segment.
    #[error("the events from {from} up to {to} are missing: no segment holds them")]
    Gap {
        /// The first that is missing.
        from: Offset,
        /// The first that is there again.
        to: Offset,
    },
    /// A segment that cannot be read (further); reading goes on with the next one.
    #[error("{error}; the rest of this segment was left out, from its line {line} on")]
    Segment {
        /// The number of the first line that could not be read.
        line: u64,
        /// What failed.
        error: LogError,
    },
}

/// The lines of one segment.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn open(segment: &Segment) -> Result<Self, LogError> {
        let file = File::open(&segment.path).map_err(LogError::new("open", &segment.path))?;
        let reader: Box<dyn BufRead + Send> = if segment.sealed {
            let decoder = zstd::Decoder::new(file).map_err(LogError::new("decompress", &segment.path))?;
            Box::new(BufReader::with_capacity(1 << 16, decoder))
        } else {
            Box::new(BufReader::with_capacity(1 << 16, file))
        };
        Ok(Self { path: segment.path.clone(), reader, line: Vec::new() })
    }

    pub(super) fn next_line(&mut self) -> Result<Option<&mut [u8]>, LogError> {
        self.line.clear();
        let read =
            self.reader.read_until(b'\n', &mut self.line).map_err(LogError::new("read", &self.path))?;
        Ok((read > 0).then_some(&mut self.line))
    }
}

/// The shortest line that an event can have, in bytes, or a little less.
const SHORTEST_LINE: u64 = 32;

/// Holds the lines of a segment to their offsets: each is one more than that of the line before it. Only
/// a damaged line may hide some; an offset that is further on than these is damage itself.
pub(super) struct Sequence {
    expected: u64,
    damaged_lines: u64,
    /// How many events the damaged lines since the last good one can have held.
    hidden: u64,
}

impl Sequence {
    pub(super) fn new(base: Offset) -> Self {
        Self { expected: base.0, damaged_lines: 0, hidden: 0 }
    }

    /// Reads the next line, whose bytes are used up: an event, or none where its offset is before `from`.
    pub(super) fn take(&mut self, line: &mut [u8], from: Offset) -> Result<Option<(Offset, Event)>, String> {
        let length = line.len() as u64;
        self.read(line, from).inspect_err(|_| {
            self.damaged_lines += 1;
            self.hidden += 1 + length / SHORTEST_LINE;
        })
    }

    fn read(&mut self, line: &mut [u8], from: Offset) -> Result<Option<(Offset, Event)>, String> {
        let (offset, body) = split_line(line).ok_or("it does not begin with an offset")?;
        let allowed = self.expected..=self.expected.saturating_add(self.hidden);
        if !allowed.contains(&offset.0) {
            return Err(format!("its offset is {offset}, expected {}", self.expected));
        }
        let event = match offset < from {
            true => None,
            false => Some(serde_json::from_slice(body).map_err(|error| error.to_string())?),
        };
        *self = Self::new(offset.next());
        Ok(event.map(|event| (offset, event)))
    }

    /// The offset behind the last line.
    pub(super) fn end(&self) -> Offset {
        Offset(self.expected.saturating_add(self.damaged_lines))
    }
}

/// The events of a log from an offset on. Damage is an item of its own, and the events behind it follow.
pub struct Events {
    segments: VecDeque<Segment>,
    current: Option<Current>,
    from: Offset,
    /// The offset behind the last segment that was read to its end, unless that was damaged.
    end: Option<Offset>,
}

struct Current {
    lines: Lines,
    line_number: u64,
    sequence: Sequence,
}

impl Events {
    pub(super) fn new(segments: &[Segment], from: Offset) -> Self {
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let segments: VecDeque<Segment> = segments.iter().skip(first).cloned().collect();
        Self { segments, current: None, from, end: Some(from) }
    }

    /// Opens the next segment; what is wrong with its beginning.
    fn open_next(&mut self, segment: &Segment) -> Option<Damage> {
        let gap = self.end.take().filter(|end| *end < segment.base);
        match Lines::open(segment) {
            Ok(lines) => {
                let sequence = Sequence::new(segment.base);
                self.current = Some(Current { lines, line_number: 0, sequence });
                gap.map(|from| Damage::Gap { from, to: segment.base })
            }
            Err(error) => Some(Damage::Segment { line: 1, error }),
        }
    }
}

impl Iterator for Events {
    type Item = Result<(Offset, Event), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(Current { lines, line_number, sequence }) = &mut self.current else {
                let segment = self.segments.pop_front()?;
                match self.open_next(&segment) {
                    Some(damage) => return Some(Err(damage)),
                    None => continue,
                }
            };
            *line_number += 1;
            let line = *line_number;
            match lines.next_line() {
                Ok(Some(text)) => match sequence.take(text, self.from) {
                    Ok(Some(event)) => return Some(Ok(event)),
                    Ok(None) => {}
                    Err(why) => {
                        let path = lines.path.clone();
                        return Some(Err(Damage::Line { path, line, why }));
                    }
                },
                Ok(None) => {
                    self.end = Some(sequence.end().max(self.from));
                    self.current = None;
                }
                Err(error) => {
                    self.current = None;
                    return Some(Err(Damage::Segment { line, error }));
                }
            }
        }
    }
}

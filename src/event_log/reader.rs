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

/// The events of a log from an offset on. Damage is an item of its own, and the events behind it follow.
pub struct Events {
    segments: VecDeque<Segment>,
    current: Option<(Lines, u64)>,
    from: Offset,
    next: Offset,
}

impl Events {
    pub(super) fn new(segments: &[Segment], from: Offset) -> Self {
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        Self { segments: segments.iter().skip(first).cloned().collect(), current: None, from, next: from }
    }
}

impl Iterator for Events {
    type Item = Result<(Offset, Event), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((lines, line_number)) = &mut self.current else {
                match Lines::open(&self.segments.pop_front()?) {
                    Ok(lines) => self.current = Some((lines, 0)),
                    Err(error) => return Some(Err(Damage::Segment { line: 1, error })),
                }
                continue;
            };
            *line_number += 1;
            let line_number = *line_number;
            let path = lines.path.clone();
            let line = match lines.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.current = None;
                    continue;
                }
                Err(error) => {
                    self.current = None;
                    return Some(Err(Damage::Segment { line: line_number, error }));
                }
            };
            let damaged = |why: String| Some(Err(Damage::Line { path, line: line_number, why }));
            let Some((offset, body)) = split_line(line) else {
                return damaged("it does not begin with an offset".to_owned());
            };
            if offset < self.from {
                continue;
            }
            if offset < self.next {
                return damaged(format!("its offset is {offset}, expected {} or more", self.next));
            }
            match serde_json::from_slice(body) {
                Ok(event) => {
                    self.next = offset.next();
                    return Some(Ok((offset, event)));
                }
                Err(error) => return damaged(error.to_string()),
            }
        }
    }
}

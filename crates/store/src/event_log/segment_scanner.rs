//! Scans a segment for its whole events and the corruption between them.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::PathBuf;

use super::codec::{LogLine, count_line_starts};
use super::corruption::Corruption;
use super::error::LogError;
use super::log_dir::LogDir;
use super::salvage_reader::SalvageReader;
use super::segment::Segment;
use super::vfs::OpenMode;
use super::zstd_reader::ZstdReader;
use crate::event::{Event, EventDecoder, Offset};
use dot11::write_printable;

/// Bytes per read. It divides zstd's blocks, so a corrupt block takes nothing of the one before it.
const READ_SIZE: usize = 64 << 10;

/// Characters of a decoder's error that are reported: it may quote the line.
const ERROR_LIMIT: usize = 120;

/// The lines of one segment.
pub(super) struct LineReader {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
}

/// What a reader makes of a part of an open segment that the disk does not return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It reads on after it, and has a damaged line in its place.
    Skip,
    /// Reading fails.
    Fail,
}

impl LineReader {
    pub(super) fn open(dir: &LogDir, segment: &Segment) -> Result<Self, LogError> {
        Self::open_with(dir, segment, Unreadable::Skip)
    }

    pub(super) fn open_with(
        dir: &LogDir,
        segment: &Segment,
        unreadable: Unreadable,
    ) -> Result<Self, LogError> {
        let path = &segment.path;
        let text: Box<dyn Read + Send> = if segment.sealed {
            Box::new(ZstdReader::open(dir, path)?)
        } else {
            // The writer may be appending after that.
            let (file, bytes) = (dir.open(path, OpenMode::Read)?, segment.bytes);
            match unreadable {
                Unreadable::Skip => Box::new(SalvageReader::new(file, bytes)),
                Unreadable::Fail => Box::new(file.take(bytes)),
            }
        };
        let reader = BufReader::with_capacity(READ_SIZE, text);
        Ok(Self { path: path.clone(), reader, line: Vec::new() })
    }

    pub(super) fn next_line(&mut self) -> Result<Option<&mut [u8]>, LogError> {
        self.line.clear();
        let read =
            self.reader.read_until(b'\n', &mut self.line).map_err(LogError::new("read", &self.path))?;
        Ok((read > 0).then_some(&mut self.line))
    }
}

/// A lower bound for the length of an event's line in bytes.
const MIN_LINE_BYTES: u64 = 32;

/// Checks the offsets of a segment's lines: each follows from the line before it. Corrupt lines may hide some events; an
/// offset further on than they can hide is itself corrupt.
pub(super) struct OffsetChecker {
    expected: Offset,
    /// The offset of the first event that cannot be in the segment.
    until: Offset,
    /// How many events the corrupt lines since the last good one seem to be.
    corrupt: u64,
    /// How many events the corrupt lines since the last good one can hide.
    hidden: u64,
    decoder: EventDecoder,
}

impl OffsetChecker {
    pub(super) fn new(base: Offset, until: Offset) -> Self {
        Self { expected: base, until, corrupt: 0, hidden: 0, decoder: EventDecoder::default() }
    }

    /// Takes the next line. Returns its offset, and its event unless that ends before `from`.
    pub(super) fn take(&mut self, text: &mut [u8], from: Offset) -> Result<(Offset, Option<Event>), String> {
        let taken = self.decode(text, from);
        if taken.is_err() {
            self.corrupt += count_line_starts(text).max(1);
            self.hidden += 1 + text.len() as u64 / MIN_LINE_BYTES;
        }
        taken
    }

    fn decode(&mut self, text: &mut [u8], from: Offset) -> Result<(Offset, Option<Event>), String> {
        let mut line = LogLine::new(text).ok_or("it does not begin with an offset")?;
        let (offset, end) = (line.offset, line.end(&mut self.decoder));
        if offset < self.expected || offset.0 > self.expected.0.saturating_add(self.hidden) {
            return Err(format!("its offset is {offset}, expected {}", self.expected));
        }
        if end > self.until {
            return Err(format!("it ends at offset {end}, where the next segment begins at {}", self.until));
        }
        let event = match end <= from {
            true => None,
            false => Some(line.event(&mut self.decoder).map_err(|error| printable(&error))?),
        };
        self.continue_at(end);
        Ok((offset, event))
    }

    fn continue_at(&mut self, offset: Offset) {
        (self.expected, self.corrupt, self.hidden) = (offset, 0, 0);
    }

    /// The offset after the last line.
    pub(super) fn end(&self) -> Offset {
        Offset(self.expected.0.saturating_add(self.corrupt))
    }
}

/// A decoder's error on one line, without control characters.
fn printable(error: &serde_json::Error) -> String {
    let text: String = error.to_string().chars().take(ERROR_LIMIT).collect();
    let mut printable = String::new();
    match write_printable(&mut printable, &text) {
        Ok(()) => printable,
        Err(_) => "it is no event".to_owned(),
    }
}

/// A part of a segment.
pub(super) enum Scanned {
    /// A line, whose text is [`SegmentScanner::text`].
    Event(Offset, Event),
    /// A part that cannot be read, and the event that replaces the lost ones.
    Corrupt(Corruption, Option<(Offset, Event)>),
}

/// Reads a segment part by part.
pub(super) struct SegmentScanner {
    segment: Segment,
    from: Offset,
    lines: LineReader,
    line_number: u64,
    checker: OffsetChecker,
    /// The corrupt lines since the last good one.
    run: Option<CorruptRun>,
    /// The event of the last line, which is due after the corruption before it.
    pending: Option<(Offset, Event)>,
    failure: Option<LogError>,
    is_at_end: bool,
}

/// Consecutive corrupt lines.
struct CorruptRun {
    lines: Range<u64>,
    why: String,
}

impl SegmentScanner {
    /// Scans `segment`, whose last event is before `until`. Events before `from` are left out.
    pub(super) fn open(
        dir: &LogDir,
        segment: &Segment,
        until: Offset,
        from: Offset,
    ) -> Result<Self, LogError> {
        Self::open_with(dir, segment, (until, from), Unreadable::Skip)
    }

    pub(super) fn open_with(
        dir: &LogDir,
        segment: &Segment,
        (until, from): (Offset, Offset),
        unreadable: Unreadable,
    ) -> Result<Self, LogError> {
        Ok(Self {
            segment: segment.clone(),
            from,
            lines: LineReader::open_with(dir, segment, unreadable)?,
            line_number: 0,
            checker: OffsetChecker::new(segment.base, until),
            run: None,
            pending: None,
            failure: None,
            is_at_end: false,
        })
    }

    /// The text of the last line that was read.
    pub(super) fn text(&self) -> &[u8] {
        &self.lines.line
    }

    /// The offset after the last part.
    pub(super) fn end(&self) -> Offset {
        self.checker.expected
    }

    pub(super) fn next(&mut self) -> Option<Scanned> {
        if let Some((offset, event)) = self.pending.take() {
            return Some(Scanned::Event(offset, event));
        }
        while !self.is_at_end {
            let expected = self.checker.expected;
            self.line_number += 1;
            match self.lines.next_line() {
                Ok(Some(text)) => match self.checker.take(text, self.from) {
                    Ok((offset, event)) => {
                        let event = event.map(|event| (offset, event));
                        if let Some(run) = self.run.take() {
                            self.pending = event;
                            return Some(self.corrupt_lines(run, expected..offset));
                        }
                        if let Some((offset, event)) = event {
                            return Some(Scanned::Event(offset, event));
                        }
                    }
                    Err(why) => {
                        let line = self.line_number;
                        let run = self.run.get_or_insert(CorruptRun { lines: line..line, why });
                        run.lines.end = line + 1;
                    }
                },
                Ok(None) => {
                    self.is_at_end = true;
                    if self.segment.sealed && self.line_number == 1 {
                        let empty = io::Error::new(io::ErrorKind::UnexpectedEof, "it holds nothing");
                        self.failure = Some(LogError::new("read", &self.segment.path)(empty));
                    }
                }
                Err(error) => {
                    self.is_at_end = true;
                    self.failure = Some(error);
                }
            }
        }
        self.corrupt_end()
    }

    /// Corruption at the segment's end, corrupt lines first.
    fn corrupt_end(&mut self) -> Option<Scanned> {
        let expected = self.checker.expected;
        let missing = expected..self.checker.until;
        match (self.run.take(), self.failure.take()) {
            (Some(run), None) => {
                self.checker.continue_at(missing.end.max(expected));
                Some(self.corrupt_lines(run, missing))
            }
            (Some(run), failure) => {
                self.failure = failure;
                Some(self.corrupt_lines(run, expected..expected))
            }
            (None, Some(error)) => {
                self.checker.continue_at(missing.end.max(expected));
                let (base, line) = (self.segment.base, self.line_number);
                let corruption = Corruption::Segment { base, path: self.segment.path.clone(), line, error };
                let lost = corruption.lost(missing);
                Some(Scanned::Corrupt(corruption, lost))
            }
            (None, None) => None,
        }
    }

    fn corrupt_lines(&self, CorruptRun { lines, why }: CorruptRun, missing: Range<Offset>) -> Scanned {
        let (base, path) = (self.segment.base, self.segment.path.clone());
        let corruption = Corruption::Lines { base, path, lines, why };
        let lost = corruption.lost(missing);
        Scanned::Corrupt(corruption, lost)
    }
}

//! A segment in pieces: the events that are whole, and what is damaged between them.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::PathBuf;

use super::LogError;
use super::codec::{Line, count_line_starts};
use super::corruption::Corruption;
use super::log_dir::LogDir;
use super::segment::Segment;
use super::vfs::OpenMode;
use super::zstd_reader::ZstdReader;
use crate::event::{Event, EventDecoder, Offset};
use dot11::write_printable;

/// Bytes that are read at once. It divides zstd's blocks, so that a damaged one takes nothing of the one
/// before it along.
const READ_AT_ONCE: usize = 64 << 10;

/// Characters of a reader's complaint that are told: it may quote the line.
const COMPLAINT: usize = 120;

/// The lines of one segment.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn open(folder: &LogDir, segment: &Segment) -> Result<Self, LogError> {
        let path = &segment.path;
        let text: Box<dyn Read + Send> = if segment.sealed {
            Box::new(ZstdReader::open(folder, path)?)
        } else {
            // What lies behind that is being written.
            Box::new(folder.open(path, OpenMode::Read)?.take(segment.bytes))
        };
        let reader = BufReader::with_capacity(READ_AT_ONCE, text);
        Ok(Self { path: path.clone(), reader, line: Vec::new() })
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

/// Holds the lines of a segment to their offsets: each is that behind the line before it. Only a damaged
/// line may hide some; an offset that is further on than these is damage itself.
pub(super) struct OffsetChecker {
    expected: Offset,
    /// The offset of the first event that the segment cannot hold.
    until: Offset,
    /// How many events the damaged lines since the last good one seem to be.
    damaged: u64,
    /// How many events the damaged lines since the last good one can have held.
    hidden: u64,
    reader: EventDecoder,
}

impl OffsetChecker {
    pub(super) fn new(base: Offset, until: Offset) -> Self {
        Self { expected: base, until, damaged: 0, hidden: 0, reader: EventDecoder::default() }
    }

    /// Takes the next line: its offset, and its event unless that ends before `from`.
    pub(super) fn take(&mut self, text: &mut [u8], from: Offset) -> Result<(Offset, Option<Event>), String> {
        let taken = self.read(text, from);
        if taken.is_err() {
            self.damaged += count_line_starts(text).max(1);
            self.hidden += 1 + text.len() as u64 / SHORTEST_LINE;
        }
        taken
    }

    fn read(&mut self, text: &mut [u8], from: Offset) -> Result<(Offset, Option<Event>), String> {
        let mut line = Line::new(text).ok_or("it does not begin with an offset")?;
        let (offset, end) = (line.offset, line.end(&mut self.reader));
        if offset < self.expected || offset.0 > self.expected.0.saturating_add(self.hidden) {
            return Err(format!("its offset is {offset}, expected {}", self.expected));
        }
        if end > self.until {
            return Err(format!("it ends at offset {end}, where the next segment begins at {}", self.until));
        }
        let event = match end <= from {
            true => None,
            false => Some(line.event(&mut self.reader).map_err(|error| complaint(&error))?),
        };
        self.go_on_from(end);
        Ok((offset, event))
    }

    fn go_on_from(&mut self, offset: Offset) {
        (self.expected, self.damaged, self.hidden) = (offset, 0, 0);
    }

    /// The offset behind the last line.
    pub(super) fn end(&self) -> Offset {
        Offset(self.expected.0.saturating_add(self.damaged))
    }
}

/// What a deserializer says about a line, without what would not stay in its place on one.
fn complaint(error: &serde_json::Error) -> String {
    let text: String = error.to_string().chars().take(COMPLAINT).collect();
    let mut told = String::new();
    match write_printable(&mut told, &text) {
        Ok(()) => told,
        Err(_) => "it is no event".to_owned(),
    }
}

/// A part of a segment.
pub(super) enum Scanned {
    /// A line; its text is [`SegmentScanner::text`].
    Event(Offset, Event),
    /// Something that cannot be read, and what stands for the events that it was.
    Corrupt(Corruption, Option<(Offset, Event)>),
}

/// Reads a segment piece by piece.
pub(super) struct SegmentScanner {
    segment: Segment,
    from: Offset,
    lines: Lines,
    line_number: u64,
    sequence: OffsetChecker,
    /// The damaged lines since the last good one.
    run: Option<Run>,
    /// The event of the last line, which follows the damage before it.
    waiting: Option<(Offset, Event)>,
    failure: Option<LogError>,
    is_at_end: bool,
}

/// Damaged lines in a row.
struct Run {
    lines: Range<u64>,
    why: String,
}

impl SegmentScanner {
    /// The pieces of `segment`, whose last event is before `until`. Events before `from` are left out.
    pub(super) fn open(
        folder: &LogDir,
        segment: &Segment,
        until: Offset,
        from: Offset,
    ) -> Result<Self, LogError> {
        Ok(Self {
            segment: segment.clone(),
            from,
            lines: Lines::open(folder, segment)?,
            line_number: 0,
            sequence: OffsetChecker::new(segment.base, until),
            run: None,
            waiting: None,
            failure: None,
            is_at_end: false,
        })
    }

    /// The text of the line that gave the last piece.
    pub(super) fn text(&self) -> &[u8] {
        &self.lines.line
    }

    /// The offset behind the last piece.
    pub(super) fn end(&self) -> Offset {
        self.sequence.expected
    }

    pub(super) fn next(&mut self) -> Option<Scanned> {
        if let Some((offset, event)) = self.waiting.take() {
            return Some(Scanned::Event(offset, event));
        }
        while !self.is_at_end {
            let expected = self.sequence.expected;
            self.line_number += 1;
            match self.lines.next_line() {
                Ok(Some(text)) => match self.sequence.take(text, self.from) {
                    Ok((offset, event)) => {
                        let event = event.map(|event| (offset, event));
                        if let Some(run) = self.run.take() {
                            self.waiting = event;
                            return Some(self.damaged_lines(run, expected..offset));
                        }
                        if let Some((offset, event)) = event {
                            return Some(Scanned::Event(offset, event));
                        }
                    }
                    Err(why) => {
                        let line = self.line_number;
                        let run = self.run.get_or_insert(Run { lines: line..line, why });
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
        self.last_damage()
    }

    /// What is wrong with the segment's end; the lines first.
    fn last_damage(&mut self) -> Option<Scanned> {
        let expected = self.sequence.expected;
        let missing = expected..self.sequence.until;
        match (self.run.take(), self.failure.take()) {
            (Some(run), None) => {
                self.sequence.go_on_from(missing.end.max(expected));
                Some(self.damaged_lines(run, missing))
            }
            (Some(run), failure) => {
                self.failure = failure;
                Some(self.damaged_lines(run, expected..expected))
            }
            (None, Some(error)) => {
                self.sequence.go_on_from(missing.end.max(expected));
                let (base, line) = (self.segment.base, self.line_number);
                let damage = Corruption::Segment { base, path: self.segment.path.clone(), line, error };
                let lost = damage.lost(missing);
                Some(Scanned::Corrupt(damage, lost))
            }
            (None, None) => None,
        }
    }

    fn damaged_lines(&self, Run { lines, why }: Run, missing: Range<Offset>) -> Scanned {
        let (base, path) = (self.segment.base, self.segment.path.clone());
        let damage = Corruption::Lines { base, path, lines, why };
        let lost = damage.lost(missing);
        Scanned::Corrupt(damage, lost)
    }
}

//! Replaces a sealed segment by one in which [`EventKind::Omitted`] events stand for some of its probes.
//!
//! All other lines stay as they are, and so do all offsets. The new file is whole and on disk before it takes the place of
//! the old one, so that a crash leaves one or the other. A segment with corruption is left to the repair.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::codec::encode_line;
use super::error::LogError;
use super::log_dir::LogDir;
use super::segment::{self, Segment};
use super::segment_scanner::{Scanned, SegmentScanner};
use crate::event::{Event, EventKind, Offset};

/// A sealed segment, for a thread that thins it. Nobody else may remove or replace it meanwhile.
#[derive(Debug)]
pub struct SegmentThinner {
    pub(super) dir: LogDir,
    pub(super) segment: Segment,
    /// The offset after its last event.
    pub(super) until: Offset,
}

/// A segment that was thinned.
#[derive(Debug)]
pub struct ThinnedSegment {
    pub(super) segment: Segment,
    /// How many events it lacks now that it had before.
    pub omitted: u64,
    /// How many bytes it is smaller.
    pub freed: u64,
}

/// Consecutive events that are left out.
#[derive(Default)]
struct Run {
    start: Offset,
    count: u64,
}

impl Run {
    /// Adds the event, which follows.
    fn add(&mut self, offset: Offset, event: &Event) {
        if self.count == 0 {
            self.start = offset;
        }
        self.count += event.end(offset).0 - offset.0;
    }

    /// Writes what stands for them, and begins anew.
    fn write(&mut self, file: &mut dyn Write) -> io::Result<()> {
        let Self { start, count } = std::mem::take(self);
        let mut line = Vec::new();
        if count > 0 {
            encode_line(start, &Event::without_time(EventKind::Omitted { count }), &mut line)?;
        }
        file.write_all(&line)
    }
}

impl SegmentThinner {
    /// The offset of its first event.
    pub fn base(&self) -> Offset {
        self.segment.base
    }

    fn scan(&self) -> Result<SegmentScanner, LogError> {
        SegmentScanner::open(&self.dir, &self.segment, self.until, Offset::default())
    }

    /// Passes every event to `take`. Breaks if that does, or if the segment is corrupt.
    ///
    /// # Errors
    /// [`LogError`] if the file cannot be opened.
    pub fn read(&self, mut take: impl FnMut(&Event) -> ControlFlow<()>) -> Result<ControlFlow<()>, LogError> {
        let mut scanner = self.scan()?;
        while let Some(part) = scanner.next() {
            match part {
                Scanned::Event(_, event) if take(&event).is_continue() => {}
                Scanned::Event(..) | Scanned::Corrupt(..) => return Ok(ControlFlow::Break(())),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Leaves out the events that `is_left_out` accepts. Returns `None` if that breaks, if the segment is corrupt, or if it
    /// would not become smaller; the segment is then as it was.
    ///
    /// # Errors
    /// [`LogError`] if the disk fails; the segment is then as it was, or thinned.
    pub fn thin(
        &self,
        mut is_left_out: impl FnMut(&Event) -> ControlFlow<(), bool>,
    ) -> Result<Option<ThinnedSegment>, LogError> {
        let Segment { base, path, bytes, modified, .. } = &self.segment;
        let mut scanner = self.scan()?;
        let (mut omitted, mut is_complete) = (0, false);
        let new_bytes = self.dir.write_temporary(path, true, |file| {
            let failed = || LogError::new("write the thinned form of", path);
            let mut run = Run::default();
            while let Some(part) = scanner.next() {
                let Scanned::Event(offset, event) = part else { return Ok(()) };
                // Those that were left out earlier.
                if matches!(event.kind, EventKind::Omitted { .. }) {
                    run.add(offset, &event);
                    continue;
                }
                match is_left_out(&event) {
                    ControlFlow::Break(()) => return Ok(()),
                    ControlFlow::Continue(true) => {
                        run.add(offset, &event);
                        omitted += 1;
                    }
                    ControlFlow::Continue(false) => {
                        run.write(file).map_err(failed())?;
                        let line = scanner.text();
                        file.write_all(line.strip_suffix(b"\n").unwrap_or(line)).map_err(failed())?;
                        file.write_all(b"\n").map_err(failed())?;
                    }
                }
            }
            is_complete = true;
            run.write(file).map_err(failed())
        })?;
        let temporary = segment::temporary_path(path);
        if !is_complete || new_bytes >= *bytes {
            self.dir.remove(&temporary)?;
            return Ok(None);
        }
        // The time tells how old its events are.
        self.dir.set_modified(&temporary, *modified)?;
        self.dir.install(path)?;
        let segment = Segment::new(*base, path.clone(), true, self.dir.metadata(path)?);
        Ok(Some(ThinnedSegment { segment, omitted, freed: bytes - new_bytes }))
    }
}

//! The probes in the log, read beside the recorder. Not for async code: it reads for as long as the log
//! is.
//!
//! Only segments are opened that can hold what is sought. A segment that was last written to before a
//! moment holds nothing that was captured after it: probes are recorded when they are captured, or later
//! where a capture file is replayed.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::event::{EventKind, Offset, Probe, Timestamp};
use crate::event_log::{ConcurrentReader, EventsUpTo, LineFilter, ListedSegment, LogError, Snapshots, Vfs};
use dot11::{MacAddr, Ssid};

/// How far the clock of a disk may be behind that of a capture.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Segments in which it is looked for whether a sensor was heard: some days, and read in a second or two.
const RECENT_SEGMENTS: usize = 3;

/// Whose probes are sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFilter {
    /// Of these addresses.
    Addresses(Vec<MacAddr>),
    /// For this network.
    Network(Ssid),
}

/// What the log takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogSize {
    /// Its segments' files.
    pub bytes: u64,
    /// The capture time of the oldest probe in it.
    pub oldest: Option<Timestamp>,
}

/// The log as who does not write it sees it.
#[derive(Debug, Clone)]
pub struct History {
    log: ConcurrentReader,
    snapshots: Snapshots,
}

impl History {
    pub(super) fn new(disk: Arc<dyn Vfs>, data_dir: &Path) -> Self {
        Self {
            log: ConcurrentReader::new(disk, &data_dir.join("events")),
            snapshots: Snapshots::of(data_dir),
        }
    }

    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Every event from `from` on, or from the oldest, up to `end`, with what is damaged among them. All of
    /// them are to have been written, see [`super::RecorderHandle::sync`].
    ///
    /// # Errors
    /// [`LogError`] where the log cannot be listed.
    pub fn events(&self, from: Option<Offset>, end: Offset) -> Result<EventsUpTo, LogError> {
        self.log.events_up_to(from, end)
    }

    /// Hands over the sought probes that were captured from `from` on, in the order in which they were
    /// recorded. `go_on` is told now and then how much is read, from 0 to 1, and may end the reading.
    ///
    /// # Errors
    /// [`LogError`] where the log cannot be read.
    pub fn read(
        &self,
        sought: &ProbeFilter,
        from: Timestamp,
        mut go_on: impl FnMut(f64) -> ControlFlow<()>,
        mut take: impl FnMut(Offset, Probe),
    ) -> Result<(), LogError> {
        let segments = self.segments(from)?;
        let all: u64 = segments.iter().map(ListedSegment::bytes).sum();
        let lines = SoughtLines::new(sought);
        let mut read = 0;
        for segment in segments {
            if go_on(read as f64 / all.max(1) as f64).is_break() {
                return Ok(());
            }
            read += segment.bytes();
            lines.read(&segment, |offset, probe| {
                if probe.corrected_time() >= from {
                    take(offset, probe);
                }
            })?;
        }
        Ok(())
    }

    /// The sought probes that were recorded last, at most `count` of them, newest first. `go_on` is asked
    /// before each segment, and whether none captured before `from` is of interest.
    ///
    /// # Errors
    /// [`LogError`] where the log cannot be read.
    pub fn newest(
        &self,
        sought: &ProbeFilter,
        from: Timestamp,
        count: usize,
        mut go_on: impl FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<(Offset, Probe)>, LogError> {
        let lines = SoughtLines::new(sought);
        let mut newest = Vec::new();
        for segment in self.segments(from)?.iter().rev() {
            let wanted = count - newest.len();
            if wanted == 0 || go_on().is_break() {
                break;
            }
            let mut last = VecDeque::new();
            lines.read(segment, |offset, probe| {
                if last.len() == wanted {
                    last.pop_front();
                }
                last.push_back((offset, probe));
            })?;
            newest.extend(last.into_iter().rev());
        }
        Ok(newest)
    }

    /// Whether this sensor was heard lately, as far as the newest segments go.
    ///
    /// # Errors
    /// [`LogError`] where the log cannot be read.
    pub fn has_heard(&self, sensor: &str) -> Result<bool, LogError> {
        let filter = LineFilter::sensor(sensor);
        for segment in self.log.segments()?.iter().rev().take(RECENT_SEGMENTS) {
            let found = segment.read(&filter, |_, event| match event.kind {
                EventKind::Probe(probe) if &*probe.sensor == sensor => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            })?;
            if found.is_break() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the log takes at the moment.
    ///
    /// # Errors
    /// [`LogError`] where it cannot be looked at.
    pub fn size(&self) -> Result<LogSize, LogError> {
        let segments = self.log.segments()?;
        let mut oldest = None;
        if let Some(first) = segments.first() {
            let _ = first.read(&LineFilter::any(), |_, event| match event.kind {
                EventKind::Probe(probe) => {
                    oldest = Some(probe.corrected_time());
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            })?;
        }
        Ok(LogSize { bytes: segments.iter().map(ListedSegment::bytes).sum(), oldest })
    }

    /// The segments that can hold what was captured from `from` on, oldest first.
    fn segments(&self, from: Timestamp) -> Result<Vec<ListedSegment>, LogError> {
        let mut segments = self.log.segments()?;
        let from = from.saturating_sub(MAX_CLOCK_SKEW);
        segments.retain(|segment| segment.sealed_at().is_none_or(|at| Timestamp::from(at) >= from));
        Ok(segments)
    }
}

/// Reads the sought probes of segments.
struct SoughtLines<'a> {
    sought: &'a ProbeFilter,
    filter: LineFilter,
}

impl<'a> SoughtLines<'a> {
    fn new(sought: &'a ProbeFilter) -> Self {
        let filter = match sought {
            ProbeFilter::Addresses(addresses) => LineFilter::source(addresses),
            ProbeFilter::Network(ssid) => LineFilter::ssid(ssid),
        };
        Self { sought, filter }
    }

    fn is_sought(&self, probe: &Probe) -> bool {
        match self.sought {
            ProbeFilter::Addresses(addresses) => addresses.contains(&probe.source),
            ProbeFilter::Network(ssid) => probe.ssid.named() == Some(ssid),
        }
    }

    fn read(&self, segment: &ListedSegment, mut take: impl FnMut(Offset, Probe)) -> Result<(), LogError> {
        let read = segment.read(&self.filter, |offset, event| {
            if let EventKind::Probe(probe) = event.kind
                && self.is_sought(&probe)
            {
                take(offset, probe);
            }
            ControlFlow::Continue(())
        });
        read.map(drop)
    }
}

//! Reads probes from the log while the recorder writes it. Blocks for as long as the log is: not for async code.
//!
//! Only segments that can hold wanted probes are opened. Probes are recorded when they are captured, or later when a
//! capture file is replayed: a segment that was last written before a moment holds no probe captured after it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::event::{EventKind, Offset, Probe, Timestamp};
use crate::event_log::{ConcurrentReader, EventsUpTo, LineFilter, ListedSegment, LogError, Snapshots, Vfs};
use dot11::{MacAddr, Ssid};

/// How far the clock of the file system may be behind that of a capture.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(3600);

/// Segments that are searched for a sensor's probes: some days of them, read in a second or two.
const RECENT_SEGMENTS: usize = 3;

/// Which probes to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeFilter {
    /// Every probe.
    All,
    /// Of these addresses.
    Addresses(Vec<MacAddr>),
    /// For this network.
    Network(Ssid),
}

/// The size of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogSize {
    /// The bytes of its segments' files.
    pub bytes: u64,
    /// The capture time of the oldest probe in it.
    pub oldest: Option<Timestamp>,
}

/// Read access to the log.
#[derive(Debug, Clone)]
pub struct History {
    log: ConcurrentReader,
    snapshots: Snapshots,
    sealed_starts: SealedStarts,
}

/// The time before which no probe of a sealed segment was captured, as far as the segment was read; by its first offset.
/// A segment gets no earlier probes later, but one that is not sealed may: a file may be replayed.
#[derive(Debug, Clone, Default)]
struct SealedStarts(Arc<Mutex<BTreeMap<Offset, Timestamp>>>);

impl SealedStarts {
    fn get(&self, segment: &ListedSegment) -> Option<Timestamp> {
        segment.sealed_at()?;
        self.lock().get(&segment.base()).copied()
    }

    fn insert(&self, segment: &ListedSegment, start: Option<Timestamp>) {
        if let (Some(start), Some(_)) = (start, segment.sealed_at()) {
            self.lock().insert(segment.base(), start);
        }
    }

    /// Forgets segments that were removed.
    fn remove_before(&self, oldest: Offset) {
        self.lock().retain(|base, _| *base >= oldest);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Offset, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    pub(super) fn new(disk: Arc<dyn Vfs>, data_dir: &Path) -> Self {
        Self {
            log: ConcurrentReader::new(disk, &data_dir.join("events")),
            snapshots: Snapshots::of(data_dir),
            sealed_starts: SealedStarts::default(),
        }
    }

    pub(super) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Every event from `from` on, or from the oldest, up to `end`, and the damage among them. All of them must have been
    /// written, see [`super::RecorderHandle::sync`].
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be listed.
    pub fn events(&self, from: Option<Offset>, end: Offset) -> Result<EventsUpTo, LogError> {
        self.log.events_up_to(from, end)
    }

    /// Passes the probes that match `filter` and were captured in `range` to `take`, in the order in which they were
    /// recorded. A file may be replayed at any time, so segments of later probes are read too, once each and without
    /// decoding them. Calls `go_on` before each segment with the part that is read, from 0 to 1; it can end the reading.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub fn read(
        &self,
        filter: &ProbeFilter,
        range: Range<Timestamp>,
        mut go_on: impl FnMut(f64) -> ControlFlow<()>,
        mut take: impl FnMut(Offset, Probe),
    ) -> Result<(), LogError> {
        let segments = self.segments(range.start)?;
        let all: u64 = segments.iter().map(ListedSegment::bytes).sum();
        let matching = MatchingProbes::new(filter).within(range.clone());
        let mut read = 0;
        for segment in segments {
            if go_on(read as f64 / all.max(1) as f64).is_break() {
                return Ok(());
            }
            read += segment.bytes();
            if self.sealed_starts.get(&segment).is_some_and(|start| start >= range.end) {
                continue;
            }
            matching.read(&segment, |offset, probe| {
                if range.contains(&probe.corrected_time()) {
                    take(offset, probe);
                }
            })?;
            self.sealed_starts.insert(&segment, matching.lines.take_earliest());
        }
        Ok(())
    }

    /// The latest `count` probes that match `filter`, newest first, from segments that can hold probes captured from
    /// `from` on. Calls `go_on` before each segment; it can end the reading.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub fn newest(
        &self,
        filter: &ProbeFilter,
        from: Timestamp,
        count: usize,
        mut go_on: impl FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<(Offset, Probe)>, LogError> {
        let matching = MatchingProbes::new(filter);
        let mut newest = Vec::new();
        for segment in self.segments(from)?.iter().rev() {
            let wanted = count - newest.len();
            if wanted == 0 || go_on().is_break() {
                break;
            }
            let mut last = VecDeque::new();
            matching.read(segment, |offset, probe| {
                if last.len() == wanted {
                    last.pop_front();
                }
                last.push_back((offset, probe));
            })?;
            newest.extend(last.into_iter().rev());
        }
        Ok(newest)
    }

    /// Whether the newest segments hold a probe of this sensor.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub fn has_probe_from(&self, sensor: &str) -> Result<bool, LogError> {
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

    /// The current size of the log.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be listed or its first segment cannot be read.
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

    /// The segments that can hold probes captured from `from` on, oldest first.
    fn segments(&self, from: Timestamp) -> Result<Vec<ListedSegment>, LogError> {
        let mut segments = self.log.segments()?;
        self.sealed_starts.remove_before(segments.first().map_or(Offset::MAX, ListedSegment::base));
        let from = from.saturating_sub(MAX_CLOCK_SKEW);
        segments.retain(|segment| segment.sealed_at().is_none_or(|at| Timestamp::from(at) >= from));
        Ok(segments)
    }
}

/// Reads the matching probes of segments.
struct MatchingProbes<'a> {
    filter: &'a ProbeFilter,
    lines: LineFilter,
}

impl<'a> MatchingProbes<'a> {
    fn new(filter: &'a ProbeFilter) -> Self {
        let lines = match filter {
            ProbeFilter::All => LineFilter::any(),
            ProbeFilter::Addresses(addresses) => LineFilter::source(addresses),
            ProbeFilter::Network(ssid) => LineFilter::ssid(ssid),
        };
        Self { filter, lines }
    }

    /// Of these, those that were captured in this range, and maybe others.
    fn within(self, range: Range<Timestamp>) -> Self {
        Self { lines: self.lines.within(range), ..self }
    }

    fn matches(&self, probe: &Probe) -> bool {
        match self.filter {
            ProbeFilter::All => true,
            ProbeFilter::Addresses(addresses) => addresses.contains(&probe.source),
            ProbeFilter::Network(ssid) => probe.names().any(|name| *name == *ssid),
        }
    }

    fn read(&self, segment: &ListedSegment, mut take: impl FnMut(Offset, Probe)) -> Result<(), LogError> {
        let read = segment.read(&self.lines, |offset, event| {
            if let EventKind::Probe(probe) = event.kind
                && self.matches(&probe)
            {
                take(offset, probe);
            }
            ControlFlow::Continue(())
        });
        read.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorder_tests::{Running, probe, settings};
    use super::*;
    use crate::event_log::OsVfs;

    /// What was learned of segments that are gone would fill the memory.
    #[test]
    fn only_segments_that_are_there_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let running = Running::start(settings(dir.path()));
        (0..20).for_each(|batch| running.record((batch * 10..batch * 10 + 10).map(probe)));
        running.stop();
        let history = History::new(Arc::new(OsVfs), dir.path());
        let everything = Timestamp::from_micros(0)..Timestamp::MAX;
        let read = || {
            let mut count = 0;
            let go_on = |_| ControlFlow::Continue(());
            history.read(&ProbeFilter::All, everything.clone(), go_on, |_, _| count += 1).unwrap();
            count
        };
        let remembered = || history.sealed_starts.lock().keys().copied().collect::<Vec<_>>();
        let sealed = || {
            let segments = history.log.segments().unwrap();
            let sealed = segments.iter().filter(|segment| segment.sealed_at().is_some());
            sealed.map(ListedSegment::base).collect::<Vec<_>>()
        };
        assert_eq!(read(), 200);
        assert_eq!((remembered(), sealed().len() > 3), (sealed(), true));
        for base in &sealed()[..2] {
            std::fs::remove_file(dir.path().join(format!("events/{:020}.ndjson.zst", base.0))).unwrap();
        }
        assert!(read() < 200);
        assert_eq!(remembered(), sealed());
        std::fs::remove_dir_all(dir.path().join("events")).unwrap();
        std::fs::create_dir(dir.path().join("events")).unwrap();
        assert_eq!((read(), remembered()), (0, vec![]));
    }
}

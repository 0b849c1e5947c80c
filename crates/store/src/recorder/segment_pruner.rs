//! Removes old segments of the log, each time after a snapshot.
//!
//! Before a segment is removed, a snapshot of a later state is on disk and was read back. It is copied and written on
//! a thread of its own, from a [`CowSnapshot`] of the state. A stop of the service waits for it only for a moment,
//! however many rows there are: an unfinished snapshot is removed, and the next start takes another.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::handle::{CopyError, Shared};
use super::recovery;
use crate::event::{Offset, Timestamp};
use crate::event_log::{SnapshotFileError, Snapshots, StopFlag};
use crate::state::CowSnapshot;

/// How often the log is checked for segments to remove.
const PRUNE_INTERVAL: Duration = Duration::from_millis(100);

/// The wait after a snapshot that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// How long a stop of the service waits for a snapshot: those of small states are whole by then.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes the snapshots before segments are removed, one at a time.
pub(super) struct SegmentPruner {
    next: Instant,
    job: Option<Job>,
}

struct Job {
    /// The offset before which the segments are removed.
    before: Offset,
    thread: JoinHandle<Result<(), SnapshotError>>,
    stop: StopFlag,
    /// Closed at the end of the thread.
    ended: Receiver<()>,
}

/// A snapshot was not taken.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    File(#[from] SnapshotFileError),
}

impl SegmentPruner {
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now, job: None }
    }

    /// Whether it is time to check for segments to remove.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.job.is_none() && now >= self.next;
        if is_due {
            self.next = now + PRUNE_INTERVAL;
        }
        is_due
    }

    /// Starts to write `snapshot`, which was just begun in the state of `shared`. After it the segments before
    /// `before` may go.
    pub(super) fn begin(
        &mut self,
        data_dir: &Path,
        shared: &Arc<Shared>,
        snapshot: CowSnapshot,
        before: Offset,
    ) {
        let (snapshots, shared) = (Snapshots::of(data_dir), Arc::clone(shared));
        let offset = snapshot.next_offset();
        let time = Timestamp::now();
        let stop = StopFlag::default();
        let is_stopped = stop.clone();
        let (end, ended) = mpsc::channel();
        let write = move || {
            let _end: Sender<()> = end;
            let image = shared.finish_cow_snapshot(snapshot, &is_stopped)?;
            Ok(recovery::write_snapshot_until(&is_stopped, &snapshots, &image, time)?)
        };
        info!(event = "snapshot_started", %offset, %before, "taking a snapshot, to remove or thin older segments of the log");
        match thread::Builder::new().name("snapshot".to_owned()).spawn(write) {
            Ok(thread) => self.job = Some(Job { before, thread, stop, ended }),
            Err(error) => {
                warn!(event = "snapshot_failed", %error, "could not start a thread for a snapshot");
                self.next = Instant::now() + RETRY_INTERVAL;
            }
        }
    }

    /// The offset before which the segments may be removed now, once after each snapshot.
    pub(super) fn poll(&mut self) -> Option<Offset> {
        self.job.take_if(|job| job.thread.is_finished()).and_then(|job| self.end(job))
    }

    /// As [`SegmentPruner::poll`], at the end of the service: a snapshot that is being taken gets a moment, and is then
    /// given up.
    pub(super) fn finish(&mut self) -> Option<Offset> {
        let job = self.job.take()?;
        // It sends nothing: this is its end, or a timeout.
        if job.ended.recv_timeout(STOP_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            job.stop.set();
        }
        self.end(job)
    }

    /// Gives up a snapshot that is being taken, so that another can be written. Its segments stay until the next.
    pub(super) fn stop(&mut self) {
        if let Some(job) = self.job.take() {
            job.stop.set();
            self.end(job);
        }
    }

    fn end(&mut self, job: Job) -> Option<Offset> {
        let error = match job.thread.join() {
            Ok(Ok(())) => return Some(job.before),
            Ok(Err(_)) if job.stop.is_set() => {
                info!(event = "snapshot_stopped", "a snapshot was given up; another one will be taken later");
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "its thread panicked".to_owned(),
        };
        warn!(
            event = "snapshot_failed",
            error, "could not take a snapshot; old segments of the log stay for now"
        );
        self.next = Instant::now() + RETRY_INTERVAL;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, BufReader, Read, Write};
    use std::path::PathBuf;

    use super::super::clock::{Clock, TimeFloor};
    use super::super::handle::{read, write};
    use super::*;
    use crate::event::{Event, Probe};
    use crate::event_log::Stoppable;
    use crate::state::State;
    use dot11::{MacAddr, RequestedSsid};

    /// Sets the flag at the end of so many reads or writes.
    struct StopsAfter<'a, T> {
        inner: T,
        left: usize,
        stop: &'a StopFlag,
    }

    impl<T> StopsAfter<'_, T> {
        fn count(&mut self) {
            match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None => self.stop.set(),
            }
        }
    }

    impl<T: Write> Write for StopsAfter<'_, T> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.count();
            self.inner.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.inner.flush()
        }
    }

    impl<T: Read> Read for StopsAfter<'_, T> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.count();
            self.inner.read(buffer)
        }
    }

    fn add_devices(state: &mut State, count: u32) {
        for number in 0..count {
            let [a, b, c, d] = number.to_be_bytes();
            let source = MacAddr::new([0x00, 0x11, a, b, c, d]);
            let probe = Probe::example(source, RequestedSsid::Wildcard, number.into());
            state.fold(state.next_offset(), &Event::from(probe));
        }
    }

    fn files(data_dir: &Path) -> Vec<PathBuf> {
        let files = fs::read_dir(data_dir.join("snapshots")).unwrap();
        files.map(|entry| entry.unwrap().path()).collect()
    }

    /// A data directory with a snapshot, and a state with more than that.
    fn with_snapshot(devices: u32) -> (tempfile::TempDir, State, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::default();
        add_devices(&mut state, 10);
        let time = Timestamp::from_micros(0);
        recovery::write_snapshot(&Snapshots::of(dir.path()), &state.image(), time).unwrap();
        add_devices(&mut state, devices);
        let before = files(dir.path());
        (dir, state, before)
    }

    #[test]
    fn a_snapshot_stops_within_a_row_and_leaves_the_older_one_alone() {
        let (dir, state, before) = with_snapshot(5000);
        let (snapshots, image) = (Snapshots::of(dir.path()), state.image());
        let time = Timestamp::from_micros(0);
        let write = |stop: &StopFlag, rows: usize, reads: usize| {
            snapshots.write(
                image.next_offset(),
                |file| {
                    let file = StopsAfter { inner: file, left: rows, stop };
                    image.write_to(time, Stoppable::new(file, stop))
                },
                |file| {
                    let file = StopsAfter { inner: file, left: reads, stop };
                    image.verify(BufReader::new(Stoppable::new(file, stop)))
                },
            )
        };
        for (rows, reads) in [(0, 0), (1, 0), (4000, 0), (usize::MAX, 0), (usize::MAX, 3)] {
            let stopped = write(&StopFlag::default(), rows, reads).unwrap_err();
            assert!(stopped.to_string().contains("stopped before its end"), "{stopped}");
            assert_eq!(files(dir.path()), before, "after {rows} rows and {reads} reads");
        }
        let stop = StopFlag::default();
        stop.set();
        assert!(recovery::write_snapshot_until(&stop, &snapshots, &image, time).is_err());
        assert_eq!(files(dir.path()), before);
        write(&StopFlag::default(), usize::MAX, usize::MAX).unwrap();
        assert_eq!(snapshots.list().unwrap().len(), 1);
        assert_ne!(files(dir.path()), before);
    }

    #[test]
    fn a_copy_of_the_state_stops() {
        let (dir, state, before) = with_snapshot(100);
        let clock = Clock::start(dir.path(), None, None, Timestamp::from_micros(0));
        let shared = Arc::new(Shared::new(state, clock, TimeFloor::new(None)));
        let begin = || write(&shared.state).begin_cow_snapshot().unwrap();
        let stop = StopFlag::default();
        stop.set();
        let copied = shared.finish_cow_snapshot(begin(), &stop);
        assert!(matches!(copied, Err(CopyError::Stopped(_))));
        // A snapshot that is given up lets the next one begin.
        let mut pruner = SegmentPruner::new(Instant::now());
        pruner.begin(dir.path(), &shared, begin(), Offset(10));
        pruner.stop();
        assert!(files(dir.path()).iter().all(|path| path.extension() == before[0].extension()));
        assert_eq!(Snapshots::of(dir.path()).list().unwrap().len(), 1);
        pruner.begin(dir.path(), &shared, begin(), Offset(10));
        assert_eq!(pruner.finish(), Some(Offset(10)), "a small one is whole in time");
        let newest = Snapshots::of(dir.path()).list().unwrap().remove(0);
        assert_eq!(newest.offset(), read(&shared.state).next_offset());
    }
}

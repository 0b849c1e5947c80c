//! Removes old segments of the log, each time after a snapshot.
//!
//! Before a segment is removed, a snapshot of a later state is on disk and was read back. It is copied and written on
//! a thread of its own, from a [`CowSnapshot`] of the state.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::handle::Shared;
use super::recovery;
use crate::event::{Offset, Timestamp};
use crate::event_log::Snapshots;
use crate::state::CowSnapshot;

/// How often the log is checked for segments to remove.
const PRUNE_INTERVAL: Duration = Duration::from_millis(100);

/// The wait after a snapshot that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(600);

/// Takes the snapshots before segments are removed, one at a time.
pub(super) struct SegmentPruner {
    next: Instant,
    job: Option<Job>,
}

struct Job {
    /// The offset before which the segments are removed.
    before: Offset,
    thread: JoinHandle<Result<(), String>>,
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
        let write = move || {
            let image = shared.finish_cow_snapshot(snapshot).map_err(|error| error.to_string())?;
            recovery::write_snapshot(&snapshots, &image, time).map_err(|error| error.to_string())
        };
        info!(event = "snapshot_started", %offset, %before, "taking a snapshot, to remove or thin older segments of the log");
        match thread::Builder::new().name("snapshot".to_owned()).spawn(write) {
            Ok(thread) => self.job = Some(Job { before, thread }),
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

    /// As [`SegmentPruner::poll`], after waiting for a snapshot that is being taken.
    pub(super) fn finish(&mut self) -> Option<Offset> {
        self.job.take().and_then(|job| self.end(job))
    }

    fn end(&mut self, job: Job) -> Option<Offset> {
        let error = match job.thread.join() {
            Ok(Ok(())) => return Some(job.before),
            Ok(Err(error)) => error,
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

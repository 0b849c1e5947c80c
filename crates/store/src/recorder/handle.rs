//! The handle to the recorder: its command queue, and read access to the state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::alert_metrics::AlertMetrics;
use super::clock::{Clock, ClockDoubt, TimeFloor};
use super::history::History;
use super::retention::PendingDeletion;
use crate::event::{Event, Probe, Timestamp};
use crate::event_log::{StopFlag, Stopped};
use crate::state::{CowSnapshot, CowSnapshotLost, State, StateImage};
use dot11::MacAddr;

/// A change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// Writes fail.
    #[error("it could not be written to disk ({0}); nothing was changed")]
    Disk(String),
    /// The write failed, and is tried again.
    #[error("it is not on disk yet ({0}); until it is, a restart loses it")]
    NotOnDiskYet(String),
    /// The recorder has stopped.
    #[error("the recorder has stopped")]
    Stopped,
}

impl ChangeError {
    /// What a person can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Disk(_) => Some("try again once the disk works"),
            Self::NotOnDiskYet(_) | Self::Stopped => None,
        }
    }
}

/// A probe as a source hands it over.
#[derive(Debug, Clone)]
pub struct CapturedProbe {
    /// The probe, with no decisions about alerts yet.
    pub probe: Probe,
    /// The frame's information elements, at least the first time that the source captures the signature.
    pub elements: Option<Box<[u8]>>,
}

pub(super) enum Input {
    Probe(CapturedProbe),
    Change(Vec<Event>, oneshot::Sender<Result<(), ChangeError>>),
    Sync(oneshot::Sender<Result<(), ChangeError>>),
    TrustClock(oneshot::Sender<Result<(), ChangeError>>),
    Stop,
}

impl Input {
    /// The address that sent the probe, if it is one.
    pub(super) fn source(&self) -> Option<MacAddr> {
        match self {
            Self::Probe(captured) => Some(captured.probe.source),
            Self::Change(..) | Self::Sync(_) | Self::TrustClock(_) | Self::Stop => None,
        }
    }
}

/// Why writes fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError {
    /// What the system says, or what somebody did to the log.
    pub why: String,
    /// What a person can do about it.
    pub remedy: &'static str,
}

/// What was lost since the start, for `/status`.
#[derive(Debug, Default)]
pub struct Losses {
    /// Probes dropped as the queue was full.
    pub queue_full: AtomicU64,
    /// Probes dropped as the log's buffer was full while writes failed.
    pub disk_failed: AtomicU64,
    /// Events that had been written and are gone from the log. The state has their effects, and counts them, too, over
    /// restarts.
    pub history: AtomicU64,
    /// As many were gone at the start already; [`Losses::history`] does not count these.
    pub history_at_start: AtomicU64,
}

pub(super) struct Shared {
    pub(super) state: RwLock<State>,
    pub(super) clock: Clock,
    pub(super) time_floor: TimeFloor,
    pub(super) losses: Losses,
    pub(super) iterations: AtomicU64,
    pub(super) alert_metrics: AlertMetrics,
    pub(super) alerts_waiting: Notify,
    pub(super) disk_error: watch::Sender<Option<DiskError>>,
    pub(super) pending_deletion: watch::Sender<Option<PendingDeletion>>,
    /// Asks the sources since when frames are captured without a gap.
    pub(super) capturing_since: OnceLock<CapturingSince>,
    /// Set at a stop: when probes that still wait are left out.
    pub(super) discards_from: OnceLock<Instant>,
}

impl Shared {
    pub(super) fn new(state: State, clock: Clock, time_floor: TimeFloor) -> Self {
        Self {
            clock,
            time_floor,
            losses: Losses::default(),
            iterations: AtomicU64::new(0),
            alert_metrics: AlertMetrics::default(),
            alerts_waiting: Notify::new(),
            disk_error: watch::Sender::new(None),
            pending_deletion: watch::Sender::new(None),
            capturing_since: OnceLock::new(),
            discards_from: OnceLock::new(),
            state: RwLock::new(state),
        }
    }

    /// Completes the copy shard by shard, unless it is stopped. Recording goes on in between.
    pub(super) fn finish_cow_snapshot(
        &self,
        mut snapshot: CowSnapshot,
        stop: &StopFlag,
    ) -> Result<StateImage, CopyError> {
        while !snapshot.is_complete() {
            stop.check()?;
            snapshot.copy_shard(&read(&self.state))?;
        }
        Ok(snapshot.into_image())
    }
}

/// A copy of the state was not completed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    Lost(#[from] CowSnapshotLost),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

pub(super) type CapturingSince = Box<dyn Fn(Timestamp) -> Option<Timestamp> + Send + Sync>;

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Hands probes and changes to the recorder, and reads the state.
#[derive(Clone)]
pub struct RecorderHandle {
    pub(super) inbox: mpsc::Sender<Input>,
    pub(super) shared: Arc<Shared>,
    pub(super) history: History,
}

impl RecorderHandle {
    /// Records a probe if the queue has room. Otherwise counts it as dropped and returns it.
    pub fn try_record(&self, captured: CapturedProbe) -> Option<CapturedProbe> {
        match self.inbox.try_reserve() {
            Ok(permit) => {
                permit.send(Input::Probe(captured));
                None
            }
            Err(_) => {
                self.shared.losses.queue_full.fetch_add(1, Ordering::Relaxed);
                Some(captured)
            }
        }
    }

    /// Records a probe, waiting for room in the queue. Not for async code.
    ///
    /// # Errors
    /// [`ChangeError::Stopped`].
    pub fn record(&self, captured: CapturedProbe) -> Result<(), ChangeError> {
        self.inbox.blocking_send(Input::Probe(captured)).map_err(|_| ChangeError::Stopped)
    }

    /// Makes a change and returns once it is on disk and in the state.
    ///
    /// # Errors
    /// [`ChangeError`] says whether the change holds.
    pub async fn change(&self, event: Event) -> Result<(), ChangeError> {
        self.change_all(vec![event]).await
    }

    /// As [`RecorderHandle::change`], with several events: they follow one another in the log. An interrupted write
    /// keeps the first of them.
    ///
    /// # Errors
    /// As [`RecorderHandle::change`].
    pub async fn change_all(&self, events: Vec<Event>) -> Result<(), ChangeError> {
        self.request(|done| Input::Change(events, done)).await
    }

    /// Returns once everything that was handed over before is on disk and in the state.
    ///
    /// # Errors
    /// As [`RecorderHandle::change`].
    pub async fn sync(&self) -> Result<(), ChangeError> {
        self.request(Input::Sync).await
    }

    async fn request(
        &self,
        input: impl FnOnce(oneshot::Sender<Result<(), ChangeError>>) -> Input,
    ) -> Result<(), ChangeError> {
        let (done, outcome) = oneshot::channel();
        self.inbox.send(input(done)).await.map_err(|_| ChangeError::Stopped)?;
        outcome.await.map_err(|_| ChangeError::Stopped)?
    }

    /// The current state. The recorder waits while the guard lives: drop it soon.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        read(&self.shared.state)
    }

    /// The time that it is at least, as far as is known.
    pub fn time_floor(&self) -> Option<Timestamp> {
        self.shared.time_floor.get()
    }

    /// Notes a time of a live source's clock that is not known to be behind.
    pub fn raise_time_floor(&self, time: Timestamp) {
        self.shared.time_floor.raise(time);
    }

    /// The time. It does not follow the machine's clock when that jumps.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Whether the machine's clock is in doubt.
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.shared.clock.doubt()
    }

    /// What is announced to leave the log because of its age.
    pub fn pending_deletion(&self) -> Option<PendingDeletion> {
        *self.shared.pending_deletion.borrow()
    }

    /// Notes that the machine's clock is right: a time server or a person says so.
    ///
    /// # Errors
    /// As [`RecorderHandle::change`].
    pub async fn trust_clock(&self) -> Result<(), ChangeError> {
        self.request(Input::TrustClock).await
    }

    /// The probes in the log.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was lost so far.
    pub fn losses(&self) -> &Losses {
        &self.shared.losses
    }

    /// The outcomes of alerts since the start.
    pub fn alert_metrics(&self) -> &AlertMetrics {
        &self.shared.alert_metrics
    }

    /// How many iterations the recorder's loop has done: at least one a second, unless it is stuck.
    pub fn iterations(&self) -> u64 {
        self.shared.iterations.load(Ordering::Relaxed)
    }

    /// Why writes fail at the moment, if they do.
    pub fn disk_error(&self) -> Option<DiskError> {
        self.shared.disk_error.borrow().clone()
    }

    /// As [`RecorderHandle::disk_error`], for waiting on changes.
    pub fn subscribe_disk_error(&self) -> watch::Receiver<Option<DiskError>> {
        self.shared.disk_error.subscribe()
    }

    /// Waits until an alert was raised since the last call.
    pub async fn alert_raised(&self) {
        self.shared.alerts_waiting.notified().await;
    }

    /// Sets the function that says since when frames are captured without a gap, as of a moment. The recorder calls it
    /// before it decides that a followed device has arrived or left. It is called often and must not block. Only the
    /// first call has an effect.
    pub fn set_capturing_since(
        &self,
        capturing_since: impl Fn(Timestamp) -> Option<Timestamp> + Send + Sync + 'static,
    ) {
        let _ = self.shared.capturing_since.set(Box::new(capturing_since));
    }

    /// Leaves out probes that are not recorded within `limit`, and counts them as those for which the queue had no
    /// room: a stop does not wait for a flood.
    pub fn discard_probes_after(&self, limit: Duration) {
        let _ = self.shared.discards_from.set(Instant::now() + limit);
    }

    /// Asks the recorder to write everything and stop.
    pub async fn stop(&self) {
        // It may have stopped already.
        let _ = self.inbox.send(Input::Stop).await;
    }
}

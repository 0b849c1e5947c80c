//! What the rest of the program has of the recorder: a queue into it, and a look at the state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::clock::TimeFloor;
use super::{AlertMetrics, History};
use crate::event::{Event, Probe, Timestamp};
use crate::state::{CowSnapshot, CowSnapshotLost, State, StateImage};
use dot11::MacAddr;

/// A change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// The disk takes nothing.
    #[error("it could not be written to disk ({0}); nothing was changed, try again once that is mended")]
    Disk(String),
    /// The disk failed while it was written.
    #[error("it is not on disk yet ({0}); it holds until a restart, and for good once the disk is mended")]
    NotOnDiskYet(String),
    /// The recorder has stopped.
    #[error("the recorder has stopped")]
    Stopped,
}

/// A probe as a sensor hands it over.
#[derive(Debug, Clone)]
pub struct CapturedProbe {
    /// The probe, with no decisions about alerts yet.
    pub probe: Probe,
    /// The frame's information elements, at least when the sensor sees the signature for the first time.
    pub elements: Option<Box<[u8]>>,
}

pub(super) enum Input {
    Probe(CapturedProbe),
    Change(Vec<Event>, oneshot::Sender<Result<(), ChangeError>>),
    Sync(oneshot::Sender<Result<(), ChangeError>>),
    Stop,
}

impl Input {
    /// The address that was heard, where one was.
    pub(super) fn source(&self) -> Option<MacAddr> {
        match self {
            Self::Probe(heard) => Some(heard.probe.source),
            Self::Change(..) | Self::Sync(_) | Self::Stop => None,
        }
    }
}

/// What was lost on the way, for `/status`.
#[derive(Debug, Default)]
pub struct Losses {
    /// Probes that found the queue full.
    pub queue_full: AtomicU64,
    /// Probes that the log had no room for while the disk took nothing.
    pub disk_failed: AtomicU64,
}

pub(super) struct Shared {
    pub(super) state: RwLock<State>,
    pub(super) known: TimeFloor,
    pub(super) losses: Losses,
    pub(super) turns: AtomicU64,
    pub(super) alert_metrics: AlertMetrics,
    pub(super) alerts_waiting: Notify,
    pub(super) disk_error: watch::Sender<Option<String>>,
    /// Since when frames are heard at a moment, where the sources tell.
    pub(super) capturing_since: OnceLock<CapturingSince>,
}

impl Shared {
    pub(super) fn new(state: State, known: TimeFloor) -> Self {
        Self {
            known,
            losses: Losses::default(),
            turns: AtomicU64::new(0),
            alert_metrics: AlertMetrics::default(),
            alerts_waiting: Notify::new(),
            disk_error: watch::Sender::new(None),
            capturing_since: OnceLock::new(),
            state: RwLock::new(state),
        }
    }

    /// Copies what is left of a cut, a part at a time, so that recording goes on in between.
    pub(super) fn finish_cow_snapshot(&self, mut cut: CowSnapshot) -> Result<StateImage, CowSnapshotLost> {
        while !cut.is_complete() {
            cut.copy_shard(&read(&self.state))?;
        }
        Ok(cut.into_image())
    }
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
    /// Records a probe if there is room in the queue; else it is dropped, counted and given back.
    pub fn try_record(&self, heard: CapturedProbe) -> Option<CapturedProbe> {
        match self.inbox.try_reserve() {
            Ok(place) => {
                place.send(Input::Probe(heard));
                None
            }
            Err(_) => {
                self.shared.losses.queue_full.fetch_add(1, Ordering::Relaxed);
                Some(heard)
            }
        }
    }

    /// Records a probe, waiting for room in the queue. Not for async code.
    ///
    /// # Errors
    /// [`ChangeError::Stopped`].
    pub fn record(&self, heard: CapturedProbe) -> Result<(), ChangeError> {
        self.inbox.blocking_send(Input::Probe(heard)).map_err(|_| ChangeError::Stopped)
    }

    /// Makes a change and returns once it is on disk and in the state.
    ///
    /// # Errors
    /// [`ChangeError`] says what holds where it is not.
    pub async fn change(&self, event: Event) -> Result<(), ChangeError> {
        self.change_all(vec![event]).await
    }

    /// As [`RecorderHandle::change`], with several events: they stand in the log one behind the other, and
    /// of a write that is cut off the first are kept.
    ///
    /// # Errors
    /// As [`RecorderHandle::change`].
    pub async fn change_all(&self, events: Vec<Event>) -> Result<(), ChangeError> {
        self.ask(|done| Input::Change(events, done)).await
    }

    /// Returns once all that was handed over before is on disk and in the state.
    ///
    /// # Errors
    /// As [`RecorderHandle::change`].
    pub async fn sync(&self) -> Result<(), ChangeError> {
        self.ask(Input::Sync).await
    }

    async fn ask(
        &self,
        input: impl FnOnce(oneshot::Sender<Result<(), ChangeError>>) -> Input,
    ) -> Result<(), ChangeError> {
        let (done, outcome) = oneshot::channel();
        self.inbox.send(input(done)).await.map_err(|_| ChangeError::Stopped)?;
        outcome.await.map_err(|_| ChangeError::Stopped)?
    }

    /// The newest state. Hold it briefly: the recorder waits.
    pub fn state(&self) -> RwLockReadGuard<'_, State> {
        read(&self.shared.state)
    }

    /// The time that it is at least, as far as is known.
    pub fn newest_time(&self) -> Option<Timestamp> {
        self.shared.known.get()
    }

    /// A live source's clock has given this time, and is not known to be behind.
    pub fn note_time(&self, time: Timestamp) {
        self.shared.known.note(time);
    }

    /// The machine's clock is right, however early it seems: what is known counts no longer.
    pub fn trust_clock(&self) {
        self.shared.known.believe(Timestamp::now());
    }

    /// The probes in the log.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was lost so far.
    pub fn losses(&self) -> &Losses {
        &self.shared.losses
    }

    /// What became of alerts since the start.
    pub fn alert_metrics(&self) -> &AlertMetrics {
        &self.shared.alert_metrics
    }

    /// How often the recorder's loop has turned, which it does at least once a second unless something holds it
    /// up.
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::Relaxed)
    }

    /// Why nothing can be written at the moment, where that is so.
    pub fn disk_error(&self) -> Option<String> {
        self.shared.disk_error.borrow().clone()
    }

    /// As [`RecorderHandle::disk_error`], to be waited on.
    pub fn subscribe_disk_error(&self) -> watch::Receiver<Option<String>> {
        self.shared.disk_error.subscribe()
    }

    /// Waits until an alert was raised since the last call.
    pub async fn alerts_waiting(&self) {
        self.shared.alerts_waiting.notified().await;
    }

    /// Has the recorder ask this, once for all, since when frames are heard without a break at a moment, before it
    /// says that a followed device has arrived or left. It is asked often and must not wait.
    pub fn set_capturing_since(
        &self,
        asked: impl Fn(Timestamp) -> Option<Timestamp> + Send + Sync + 'static,
    ) {
        // Whoever is asked already goes on being asked.
        let _ = self.shared.capturing_since.set(Box::new(asked));
    }

    /// Asks the recorder to write what it has and end.
    pub async fn stop(&self) {
        // Where it has stopped already there is nobody to ask.
        let _ = self.inbox.send(Input::Stop).await;
    }
}

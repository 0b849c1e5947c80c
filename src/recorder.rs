//! The one writer: appends events to the log, folds them into state, decides about alerts, and moves the
//! checkpoint. Everyone else reads.
//!
//! What must hold:
//! - Every event is appended to the log before its state is saved: sled's checkpoint is never ahead of
//!   what the log has fsynced.
//! - A change that a person made is fsynced before [`RecorderHandle::change`] returns. Probes are handed
//!   to the system at once and fsynced in groups.
//! - While the disk takes nothing, probes go on being counted from memory within the log's bound, then
//!   dropped and counted; changes are refused; it heals without a restart.
//! - The queue is bounded. A live source that finds it full drops the probe and counts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{error, info, warn};

use crate::dot11::MacAddr;
use crate::event::{Event, NamedBy, Offset, Probe, Timestamp};
use crate::event_log::{self, DataDirLock, Events, LockError, LogError, Recovered, Writer};
use crate::state::{AlertPolicy, State, Store, StoreError};

/// Inputs that may wait for the recorder: well over a second of the busiest street.
const QUEUE_LENGTH: usize = 32_768;

/// Inputs folded under one lock, so that a look-up waits for no more than these.
const BATCH: usize = 256;

/// Unsynced bytes above which the log is fsynced early.
const EARLY_SYNC_BYTES: usize = 16 << 20;

/// How often a disk that failed is tried again.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

/// Damaged places that are reported one by one; the rest are counted.
const DAMAGE_REPORTS: u64 = 10;

/// Where and how to record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds the log and the state.
    pub data_dir: PathBuf,
    /// How long a probe may wait for its fsync.
    pub fsync_interval: Duration,
    /// How often the state goes to sled.
    pub checkpoint_interval: Duration,
    /// The size at which a segment of the log is sealed.
    pub segment_bytes: u64,
    /// Who is alerted.
    pub alerts: AlertPolicy,
}

/// The data directory could not be opened, or can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Another process has the data directory, or it cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log cannot be read or written.
    #[error("{0}; check the disk and who owns the data directory")]
    Log(#[from] LogError),
    /// The state cannot be kept, even made anew.
    #[error(transparent)]
    Store(#[from] StoreError),
}

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
pub struct Heard {
    /// The probe, with no decisions about alerts yet.
    pub probe: Probe,
    /// The frame's information elements, at least when the sensor sees the signature for the first time.
    pub elements: Option<Box<[u8]>>,
}

enum Input {
    Heard(Heard),
    Change(Event, oneshot::Sender<Result<(), ChangeError>>),
    Sync(oneshot::Sender<Result<(), ChangeError>>),
    Stop,
}

/// What was lost on the way, for `/status`.
#[derive(Debug, Default)]
pub struct Losses {
    /// Probes that found the queue full.
    pub queue_full: AtomicU64,
    /// Probes that the log had no room for while the disk took nothing.
    pub disk_failed: AtomicU64,
    /// Lines of the log that were damaged when it was read.
    pub damaged_lines: AtomicU64,
}

struct Shared {
    state: RwLock<State>,
    losses: Losses,
    alerts_waiting: Notify,
    disk_error: RwLock<Option<String>>,
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Hands probes and changes to the recorder, and reads the state.
#[derive(Clone)]
pub struct RecorderHandle {
    inbox: mpsc::Sender<Input>,
    shared: Arc<Shared>,
}

impl RecorderHandle {
    /// Records a probe if there is room in the queue; else it is dropped and counted.
    pub fn record_or_drop(&self, heard: Heard) {
        if self.inbox.try_send(Input::Heard(heard)).is_err() {
            self.shared.losses.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records a probe, waiting for room in the queue. Not for async code.
    ///
    /// # Errors
    /// [`ChangeError::Stopped`].
    pub fn record(&self, heard: Heard) -> Result<(), ChangeError> {
        self.inbox.blocking_send(Input::Heard(heard)).map_err(|_| ChangeError::Stopped)
    }

    /// Makes a change and returns once it is on disk and in the state.
    ///
    /// # Errors
    /// [`ChangeError`] says what holds where it is not.
    pub async fn change(&self, event: Event) -> Result<(), ChangeError> {
        self.ask(|done| Input::Change(event, done)).await
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

    /// What was lost so far.
    pub fn losses(&self) -> &Losses {
        &self.shared.losses
    }

    /// Why nothing can be written at the moment, where that is so.
    pub fn disk_error(&self) -> Option<String> {
        read(&self.shared.disk_error).clone()
    }

    /// Waits until an alert was raised since the last call.
    pub async fn alerts_waiting(&self) {
        self.shared.alerts_waiting.notified().await;
    }

    /// Asks the recorder to write what it has and end.
    pub async fn stop(&self) {
        // Where it has stopped already there is nobody to ask.
        let _ = self.inbox.send(Input::Stop).await;
    }
}

/// The one writer of a data directory.
pub struct Recorder {
    _lock: DataDirLock,
    settings: Settings,
    log: Writer,
    store: Option<Arc<Store>>,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Input>,
    last_sync: Instant,
    last_checkpoint: Instant,
    last_repair: Instant,
}

impl Recorder {
    /// Takes the data directory, recovers the log, and brings the state up to it.
    ///
    /// # Errors
    /// [`RecorderError`] where another process has the directory or the disk does not serve.
    pub fn open(settings: Settings) -> Result<(Self, RecorderHandle), RecorderError> {
        let lock = DataDirLock::acquire(&settings.data_dir)?;
        let recovered = event_log::recover(&settings.data_dir.join("events"))?;
        let losses = Losses::default();
        let (store, state) = open_state(&settings.data_dir, &recovered, &losses)?;
        let log = recovered.into_writer(settings.segment_bytes)?;
        let (sender, inbox) = mpsc::channel(QUEUE_LENGTH);
        let shared = Arc::new(Shared {
            state: RwLock::new(state),
            losses,
            alerts_waiting: Notify::new(),
            disk_error: RwLock::new(None),
        });
        let now = Instant::now();
        let recorder = Self {
            _lock: lock,
            settings,
            log,
            store: Some(store),
            shared: Arc::clone(&shared),
            inbox,
            last_sync: now,
            last_checkpoint: now,
            last_repair: now,
        };
        Ok((recorder, RecorderHandle { inbox: sender, shared }))
    }

    /// Makes the names by which the configuration calls addresses the same as `devices`.
    ///
    /// # Errors
    /// [`LogError`] where the changes cannot be written.
    pub fn set_configured_names(
        &mut self,
        devices: &BTreeMap<MacAddr, String>,
        time: Timestamp,
    ) -> Result<(), LogError> {
        let by = NamedBy::Config;
        let changes: Vec<Event> = {
            let state = read(&self.shared.state);
            let known: BTreeMap<MacAddr, &str> = state.names().configured().collect();
            let gone = known.keys().filter(|address| !devices.contains_key(address));
            let new = devices.iter().filter(|(address, name)| known.get(address) != Some(&name.as_str()));
            gone.map(|&address| Event::Unname { time, address, by })
                .chain(new.map(|(&address, name)| Event::Name { time, address, name: name.clone(), by }))
                .collect()
        };
        let shared = Arc::clone(&self.shared);
        for event in &changes {
            if !self.append(&mut write(&shared.state), event) {
                break;
            }
        }
        self.log.sync()
    }

    /// Records until every handle is gone or one says stop, then writes all that it has.
    ///
    /// # Errors
    /// [`RecorderError`] where the last write fails.
    pub fn run(mut self, runtime: &Handle) -> Result<(), RecorderError> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            let inbox = &mut self.inbox;
            let received = runtime
                .block_on(async { tokio::time::timeout_at(wake, inbox.recv_many(&mut batch, BATCH)).await });
            let stop = received == Ok(0) || self.take(&mut batch);
            self.tick();
            if stop {
                return self.finish();
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let checkpoint = self.last_checkpoint + self.settings.checkpoint_interval;
        if self.log.has_failed() {
            checkpoint.min(self.last_repair + REPAIR_INTERVAL)
        } else if self.log.unsynced_bytes() > 0 {
            checkpoint.min(self.last_sync + self.settings.fsync_interval)
        } else {
            checkpoint
        }
    }

    /// Takes in what arrived; whether a stop was among it.
    fn take(&mut self, batch: &mut Vec<Input>) -> bool {
        let mut stop = false;
        let mut waiting = Vec::new();
        let mut alerts = false;
        if !batch.is_empty() {
            let shared = Arc::clone(&self.shared);
            let mut state = write(&shared.state);
            for input in batch.drain(..) {
                match input {
                    Input::Heard(heard) => alerts |= self.hear(&mut state, heard),
                    Input::Change(event, done) => {
                        // Nobody waits for the answer any more where sending it fails.
                        match self.disk_error() {
                            Some(why) => drop(done.send(Err(ChangeError::Disk(why)))),
                            None if self.append(&mut state, &event) => waiting.push(done),
                            None => drop(done.send(Err(ChangeError::Disk("no room".to_owned())))),
                        }
                    }
                    Input::Sync(done) => waiting.push(done),
                    Input::Stop => stop = true,
                }
            }
        }
        let outcome = if waiting.is_empty() { self.write() } else { self.sync() };
        for done in waiting {
            let _ = done.send(outcome.clone().map_err(ChangeError::NotOnDiskYet));
        }
        if alerts {
            self.shared.alerts_waiting.notify_one();
        }
        stop
    }

    /// Records a probe; whether it raised an alert.
    fn hear(&mut self, state: &mut State, Heard { mut probe, elements }: Heard) -> bool {
        if let Some(elements) = elements
            && state.wants_elements(probe.signature)
        {
            let signature = probe.signature;
            self.append(state, &Event::Signature { signature, elements: elements.into_vec() });
        }
        probe.alerts = state.decide_alerts(&probe, &self.settings.alerts);
        let alerts = !probe.alerts.is_empty();
        if !self.append(state, &Event::Probe(probe)) {
            self.shared.losses.disk_failed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        alerts
    }

    /// Appends and folds; whether there was room for it.
    fn append(&mut self, state: &mut State, event: &Event) -> bool {
        if let Err(error) = state.prepare(event) {
            self.give_up_store(&error);
        }
        match self.log.append(event) {
            Ok(offset) => {
                state.fold(offset, event);
                true
            }
            Err(_) => false,
        }
    }

    fn disk_error(&self) -> Option<String> {
        read(&self.shared.disk_error).clone()
    }

    fn write(&mut self) -> Result<(), String> {
        if self.log.has_failed() {
            return Err(self.disk_error().unwrap_or_default());
        }
        let outcome = match self.log.unsynced_bytes() {
            0..EARLY_SYNC_BYTES => self.log.write(),
            _ => self.log.sync(),
        };
        self.note_disk(outcome)
    }

    fn sync(&mut self) -> Result<(), String> {
        self.last_sync = Instant::now();
        let outcome = self.log.sync();
        self.note_disk(outcome)
    }

    /// Tells the operator when the disk fails and when it serves again, once each.
    fn note_disk(&mut self, outcome: Result<(), LogError>) -> Result<(), String> {
        let mut disk_error = write(&self.shared.disk_error);
        match outcome {
            Ok(()) => {
                if disk_error.take().is_some() {
                    info!("the disk takes events again; what waited in memory is written");
                }
                Ok(())
            }
            Err(failure) => {
                let why = failure.io().to_string();
                if disk_error.replace(why.clone()).is_none() {
                    error!("{failure}; events wait in memory until the disk takes them again");
                }
                Err(why)
            }
        }
    }

    /// What is due by the clock.
    fn tick(&mut self) {
        let now = Instant::now();
        if self.log.has_failed() {
            if now - self.last_repair >= REPAIR_INTERVAL {
                self.last_repair = now;
                let outcome = self.log.repair();
                let _ = self.note_disk(outcome);
            }
        } else if now - self.last_sync >= self.settings.fsync_interval {
            let _ = self.sync();
        }
        let due = now - self.last_checkpoint >= self.settings.checkpoint_interval;
        if due || read(&self.shared.state).is_checkpoint_due() {
            self.last_checkpoint = now;
            self.checkpoint();
        }
    }

    /// Saves the state, if the log has fsynced all that it is folded from.
    fn checkpoint(&mut self) {
        if self.log.has_failed() || self.sync().is_err() {
            return;
        }
        let Some(store) = self.store.clone() else { return self.reopen_store() };
        let saved = {
            let state = read(&self.shared.state);
            if !state.has_changes() {
                return;
            }
            store.save(&state)
        };
        match saved {
            Ok(()) => write(&self.shared.state).forget_changes(),
            Err(error) => self.give_up_store(&error),
        }
    }

    fn give_up_store(&mut self, error: &StoreError) {
        if self.store.take().is_some() {
            error!("{error}; the log is whole, the state will be made anew from it");
        }
    }

    /// Makes the state anew from the log, in place of a store that failed.
    fn reopen_store(&mut self) {
        match self.make_state_anew() {
            Ok((store, state)) => {
                self.store = Some(store);
                *write(&self.shared.state) = state;
                info!("the state was made anew from the log");
            }
            Err(error) => warn!("{error}; it will be tried again"),
        }
    }

    fn make_state_anew(&mut self) -> Result<(Arc<Store>, State), RecorderError> {
        Store::remove(&state_folder(&self.settings.data_dir))?;
        let (store, mut state) = new_store(&self.settings.data_dir)?;
        let events = self.log.read_from(Offset::default())?;
        catch_up(&mut state, &store, events, &self.shared.losses)?;
        Ok((store, state))
    }

    fn finish(mut self) -> Result<(), RecorderError> {
        self.log.sync()?;
        self.checkpoint();
        Ok(())
    }
}

fn state_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}

fn new_store(data_dir: &Path) -> Result<(Arc<Store>, State), StoreError> {
    let (store, state) = Store::open(&state_folder(data_dir))?;
    let state = state.unwrap_or_else(|| store.empty_state());
    Ok((store, state))
}

/// The state at the log's end: sled's checkpoint and the log after it, or the whole log where sled is
/// missing or cannot be used.
fn open_state(
    data_dir: &Path,
    log: &Recovered,
    losses: &Losses,
) -> Result<(Arc<Store>, State), RecorderError> {
    let folder = state_folder(data_dir);
    let opened = match Store::open(&folder) {
        Ok((store, Some(state))) if state.next_offset() <= log.next_offset() => Ok((store, state)),
        Ok((_, Some(state))) => {
            Err(format!("it is at event {}, the log ends at {}", state.next_offset(), log.next_offset()))
        }
        Ok((store, None)) if log.next_offset() == Offset::default() => {
            let state = store.empty_state();
            return Ok((store, state));
        }
        Ok((_, None)) => Err("it has no checkpoint of this version".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let (store, mut state) = match opened {
        Ok(opened) => opened,
        Err(why) => {
            info!("rebuilding the state from {} events of the log: {why}", log.next_offset());
            Store::remove(&folder)?;
            new_store(data_dir)?
        }
    };
    let from = state.next_offset();
    catch_up(&mut state, &store, log.read_from(from), losses)?;
    Ok((store, state))
}

/// Folds `events` into `state`, which goes to the store whenever much has changed.
fn catch_up(state: &mut State, store: &Store, events: Events, losses: &Losses) -> Result<(), StoreError> {
    let mut damaged = 0;
    for entry in events {
        match entry {
            Ok((offset, event)) => {
                state.prepare(&event)?;
                state.fold(offset, &event);
            }
            Err(damage) => {
                damaged += 1;
                if damaged <= DAMAGE_REPORTS {
                    warn!("{damage}");
                }
            }
        }
        if state.is_checkpoint_due() {
            store.save(state)?;
            state.forget_changes();
        }
    }
    if damaged > DAMAGE_REPORTS {
        warn!("{damaged} places of the log are damaged in all");
    }
    losses.damaged_lines.store(damaged, Ordering::Relaxed);
    store.save(state)?;
    state.forget_changes();
    Ok(())
}

//! The one writer: appends events to the log, folds them into state, decides about alerts, and moves the
//! checkpoint. Everyone else reads.
//!
//! What must hold:
//! - Every event is appended to the log before its state is saved: sled's checkpoint is never ahead of
//!   what the log has fsynced.
//! - A change that a person made is fsynced before [`RecorderHandle::change`] returns. Probes are handed
//!   to the system at once and fsynced in groups.
//! - While the disk takes nothing, probes and deliveries go on being counted from memory within the log's
//!   bound, then probes are dropped and counted; a person's changes are refused; it heals without a
//!   restart.
//! - The queue is bounded. A live source that finds it full drops the probe and counts it.

mod alert_metrics;
mod check;
mod clock;
mod handle;
mod history;
mod maintenance;
mod offline;
mod recovery;
mod retention;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::event::{Event, EventKind, NamedBy, Timestamp};
use crate::event_log::{self, DataDirLock, LockError, LogError, Rotation, Vfs, Writer};
use crate::state::{AlertPolicy, State, StateStore, StateStoreError};
pub use alert_metrics::AlertMetrics;
pub use check::{CheckError, CheckReport};
use clock::{Grace, MachineClock, TimeFloor};
use dot11::MacAddr;
pub use handle::{CapturedProbe, ChangeError, Losses, RecorderHandle};
use handle::{Input, Shared, read, write};
pub use history::{History, LogSize, ProbeFilter};
pub use offline::{ImportError, OfflineDataDir, import};
use retention::{MemoryLimit, SegmentPruner};

/// Inputs that may wait for the recorder: well over a second of the busiest street.
const QUEUE_CAPACITY: usize = 32_768;

/// Inputs folded under one lock, so that a look-up waits for no more than these. The rows that they change find
/// room in a core's own cache.
const BATCH_SIZE: usize = 256;

/// Unsynced bytes above which the log is fsynced early.
const MAX_UNSYNCED_BYTES: usize = 16 << 20;

/// How often a disk that failed is tried again.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

/// How often alerts that have waited too long for Telegram are looked for.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// How often followed devices that have left are looked for.
const DEPARTURE_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How often the loop turns where nothing comes, so that a watchdog can tell it from one that is stuck.
const MAX_IDLE: Duration = Duration::from_secs(1);

/// The wait before the state is made anew once more, which doubles up to the longest.
const STORE_RETRY_MIN: Duration = Duration::from_secs(10);
const STORE_RETRY_MAX: Duration = Duration::from_secs(600);

/// Where and how to record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds the log and the state.
    pub data_dir: PathBuf,
    /// Where the log lies.
    pub vfs: Arc<dyn Vfs>,
    /// How long a probe may wait for its fsync.
    pub fsync_interval: Duration,
    /// How often the state goes to sled.
    pub checkpoint_interval: Duration,
    /// When a segment of the log is sealed.
    pub rotation: Rotation,
    /// Who is alerted.
    pub alerts: AlertPolicy,
    /// How long what was heard is kept.
    pub retention: Retention,
    /// What devices may take in memory before those that were not heard for longest leave, in bytes.
    pub devices_memory_limit: usize,
}

/// How long what was heard is kept; for good where that is not said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retention {
    /// How long an event stays in the log.
    pub log_age: Option<Duration>,
    /// How large the log may become, in bytes.
    pub log_bytes: Option<u64>,
    /// How long a random address that has no name stays in the state after its last probe.
    pub random_addresses: Option<Duration>,
}

/// The data directory could not be opened, or can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Another process has the data directory, or it cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state can neither be used nor rebuilt.
    #[error(transparent)]
    Store(#[from] StateStoreError),
}

impl RecorderError {
    /// What a person can do about it, unless the error says so itself.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Lock(error) => error.remedy(),
            Self::Log(error) => Some(error.remedy()),
            Self::Store(error) => error.remedy(),
        }
    }
}

/// The one writer of a data directory.
pub struct Recorder {
    _lock: DataDirLock,
    settings: Settings,
    log: Writer,
    store: Option<StateStore>,
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Input>,
    last_sync: Instant,
    last_checkpoint: Instant,
    last_repair: Instant,
    next_eviction: Instant,
    memory_limit: MemoryLimit,
    segment_pruner: SegmentPruner,
    /// The disk has no room for a checkpoint, which was told.
    is_disk_full: bool,
    last_expiry: Instant,
    clock: MachineClock,
    grace: Grace,
    /// When to look next for followed devices that have left.
    next_departure_check: Instant,
    /// After a store that failed: when to make the next one, and how long to wait should that fail.
    next_store: (Instant, Duration),
}

impl Recorder {
    /// Takes the data directory, recovers the log, and brings the state up to it.
    ///
    /// # Errors
    /// [`RecorderError`] where another process has the directory or the disk does not serve.
    pub fn open(settings: Settings) -> Result<(Self, RecorderHandle), RecorderError> {
        let lock = DataDirLock::acquire(&settings.data_dir)?;
        let mut recovered =
            event_log::recover_on(Arc::clone(&settings.vfs), &settings.data_dir.join("events"))?;
        let written = recovered.last_written();
        let (store, state, lost_until) = recovery::open_state(&settings.data_dir, &mut recovered)?;
        let log = recovered.into_writer(settings.rotation)?;
        let (sender, inbox) = mpsc::channel(QUEUE_CAPACITY);
        // A clock that was behind has given the files their times too.
        let written = written.map(Timestamp::from).max(state.totals().last_mark);
        let known = TimeFloor::new(state.newest_time(), written);
        let shared = Arc::new(Shared::new(state, known));
        let history = History::new(Arc::clone(&settings.vfs), &settings.data_dir);
        let now = Instant::now();
        let mut recorder = Self {
            _lock: lock,
            settings,
            log,
            store,
            shared: Arc::clone(&shared),
            inbox,
            last_sync: now,
            last_checkpoint: now,
            last_repair: now,
            next_eviction: now,
            memory_limit: MemoryLimit::default(),
            segment_pruner: SegmentPruner::new(now),
            is_disk_full: false,
            last_expiry: now,
            clock: MachineClock::new(now, Timestamp::now()),
            grace: Grace::default(),
            next_departure_check: now,
            next_store: (now + STORE_RETRY_MIN, STORE_RETRY_MIN),
        };
        if let Some(until) = lost_until {
            recorder.log_lost_tail(until);
        }
        recorder.expire_alerts();
        Ok((recorder, RecorderHandle { inbox: sender, shared, history }))
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
            gone.map(|&address| Event::new(time, EventKind::Unname { address, by }))
                .chain(new.map(|(&address, name)| {
                    Event::new(time, EventKind::Name { address, name: name.clone(), by })
                }))
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
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        self.tick();
        loop {
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            let wake = tokio::time::Instant::from_std(self.next_wake());
            let inbox = &mut self.inbox;
            let received = runtime.block_on(async {
                tokio::time::timeout_at(wake, inbox.recv_many(&mut batch, BATCH_SIZE)).await
            });
            self.recreate_store();
            let stop = received == Ok(0) || self.take(&mut batch);
            self.tick();
            if stop {
                return self.finish();
            }
        }
    }

    /// When something is due by the clock.
    fn next_wake(&self) -> Instant {
        let checkpoint = (self.last_checkpoint + self.settings.checkpoint_interval)
            .min(self.last_expiry + EXPIRY_INTERVAL)
            .min(self.next_departure_check)
            .min(Instant::now() + MAX_IDLE);
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
            self.update_coverage(Timestamp::now());
            let shared = Arc::clone(&self.shared);
            let mut state = write(&shared.state);
            state.prefetch(batch.iter().filter_map(Input::source));
            for input in batch.drain(..) {
                match input {
                    Input::Probe(heard) => alerts |= self.record_probe(&mut state, heard),
                    // Nobody waits for the answer any more where sending it fails.
                    Input::Change(events, done) => match self.disk_error() {
                        Some(why) if events.iter().any(Event::is_user_command) => {
                            drop(done.send(Err(ChangeError::Disk(why))));
                        }
                        _ if events.iter().all(|event| self.append(&mut state, event)) => {
                            // What waited for its end can go out.
                            alerts |=
                                events.iter().any(|event| matches!(event.kind, EventKind::Unmute { .. }));
                            waiting.push(done);
                        }
                        _ => drop(done.send(Err(ChangeError::Disk("too much waits for it already".into())))),
                    },
                    Input::Sync(done) => waiting.push(done),
                    Input::Stop => stop = true,
                }
            }
        }
        let outcome = match self.disk_error() {
            _ if waiting.is_empty() => self.write(),
            // Tried again at its time, not for each delivery.
            Some(why) if self.log.has_failed() => Err(why),
            _ => self.sync(),
        };
        for done in waiting {
            let _ = done.send(outcome.clone().map_err(ChangeError::NotOnDiskYet));
        }
        if alerts {
            self.shared.alerts_waiting.notify_one();
        }
        stop
    }

    /// Takes note of since when frames are heard, where the sources tell.
    fn update_coverage(&mut self, now: Timestamp) {
        if let Some(capturing_since) = self.shared.capturing_since.get() {
            self.settings.alerts.capturing_since = capturing_since(now);
        }
    }

    /// Records a probe; whether it raised an alert.
    fn record_probe(
        &mut self,
        state: &mut State,
        CapturedProbe { mut probe, elements }: CapturedProbe,
    ) -> bool {
        if let Some(elements) = elements
            && state.wants_elements(probe.signature)
        {
            let signature = probe.signature;
            self.append(
                state,
                &Event::without_time(EventKind::Signature { signature, elements: elements.into_vec() }),
            );
        }
        probe.alerts = state.decide_alerts(&probe, &self.settings.alerts);
        let alerts = !probe.alerts.is_empty();
        if !self.append(state, &Event::from(probe)) {
            self.shared.losses.disk_failed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        alerts
    }

    /// Appends and folds; whether there was room for it.
    fn append(&mut self, state: &mut State, event: &Event) -> bool {
        match self.log.append(event) {
            Ok(offset) => {
                state.fold(offset, event);
                self.raise_time_floor(event);
                self.shared.alert_metrics.count(event);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes note of the time of what is no probe: the machine's clock gave it. Probes are their sources' to tell.
    fn raise_time_floor(&self, event: &Event) {
        if !matches!(event.kind, EventKind::Probe(_))
            && let Some(time) = event.time
        {
            self.shared.known.note(time);
        }
    }

    fn disk_error(&self) -> Option<String> {
        self.shared.disk_error.borrow().clone()
    }

    fn write(&mut self) -> Result<(), String> {
        if self.log.has_failed() {
            return Err(self.disk_error().unwrap_or_default());
        }
        let outcome = match self.log.unsynced_bytes() {
            0..MAX_UNSYNCED_BYTES => self.log.write(),
            _ => self.log.sync(),
        };
        self.track_disk_health(outcome)
    }

    fn sync(&mut self) -> Result<(), String> {
        self.last_sync = Instant::now();
        let outcome = self.log.sync();
        self.track_disk_health(outcome)
    }

    /// Tells the operator when the disk fails and when it serves again, once each.
    fn track_disk_health(&mut self, outcome: Result<(), LogError>) -> Result<(), String> {
        let disk_error = &self.shared.disk_error;
        match outcome {
            Ok(()) => {
                if disk_error.send_if_modified(|why| why.take().is_some()) {
                    info!("the disk takes events again; what waited in memory is written");
                }
                self.rebuild_after_damage();
                Ok(())
            }
            Err(failure) => {
                let why = failure.io().to_string();
                if disk_error.send_if_modified(|told| told.replace(why.clone()).is_none()) {
                    error!("{failure}; events wait in memory until the disk takes them again");
                }
                Err(why)
            }
        }
    }

    /// What is due by the clock.
    fn tick(&mut self) {
        let now = Instant::now();
        self.check_clock(now);
        if self.log.has_failed() {
            if now - self.last_repair >= REPAIR_INTERVAL {
                self.last_repair = now;
                let outcome = self.log.resume();
                let _ = self.track_disk_health(outcome);
            }
        } else if now - self.last_sync >= self.settings.fsync_interval {
            let _ = self.sync();
        }
        if now - self.last_expiry >= EXPIRY_INTERVAL {
            self.last_expiry = now;
            self.expire_alerts();
        }
        if now >= self.next_departure_check {
            self.next_departure_check = now + DEPARTURE_CHECK_INTERVAL;
            self.record_departures();
        }
        self.forget(now);
        self.prune_segments(now);
        let is_due = now - self.last_checkpoint >= self.settings.checkpoint_interval;
        if is_due || read(&self.shared.state).is_save_due() {
            self.last_checkpoint = now;
            self.checkpoint();
        }
    }

    fn finish(mut self) -> Result<(), RecorderError> {
        let waiting = self.log.unsynced_bytes();
        self.log.sync().inspect_err(|_| {
            error!("{waiting} bytes of events waited in memory for the disk and are lost");
        })?;
        self.checkpoint();
        if let Some(before) = self.segment_pruner.finish() {
            self.log.remove_before(before)?;
        }
        Ok(())
    }
}

//! The recorder's loop: takes inputs, writes them to the log, and runs due maintenance.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use super::clock::{Clock, TimeFloor};
use super::error::RecorderError;
use super::handle::{CapturedProbe, ChangeError, DiskError, Input, RecorderHandle, Shared, read, write};
use super::history::History;
use super::maintenance::warn_of;
use super::memory_limit::MemoryLimit;
use super::recovery::{self, BATCH_SIZE, OpenedState};
use super::retention::AgeSteps;
use super::segment_pruner::SegmentPruner;
use super::settings::RecorderSettings;
use super::thinning::LogThinner;
use crate::event::{Event, EventKind, NamedBy, Offset, Timestamp};
use crate::event_log::{self, DataDirLock, LockError, LogError, Snapshots, Writer};
use crate::state::{State, StateStore};
use dot11::MacAddr;

/// Inputs that may wait for the recorder: well over a second of the densest traffic.
const QUEUE_CAPACITY: usize = 32_768;

/// Unsynced bytes above which the log is fsynced early.
const MAX_UNSYNCED_BYTES: usize = 16 << 20;

/// How often a write that failed is tried again.
const REPAIR_INTERVAL: Duration = Duration::from_secs(1);

/// How often alerts that waited too long for Telegram are expired.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// How often followed devices that have left are searched for.
const DEPARTURE_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The longest sleep of the loop: a watchdog can tell an idle loop from a stuck one.
const MAX_IDLE: Duration = Duration::from_secs(1);

/// The wait before a failed state store is made again. It doubles from the shortest to the longest.
const STORE_RETRY_MIN: Duration = Duration::from_secs(10);
const STORE_RETRY_MAX: Duration = Duration::from_secs(600);

/// When the next attempt to make a state store is due.
pub(super) struct StoreRetry {
    due: Instant,
    wait: Duration,
}

impl StoreRetry {
    fn after_start(now: Instant) -> Self {
        Self { due: now + STORE_RETRY_MIN, wait: STORE_RETRY_MIN }
    }

    /// The store has failed: the first attempt is due at once.
    pub(super) fn at_once() -> Self {
        Self { due: Instant::now(), wait: STORE_RETRY_MIN }
    }

    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.due
    }

    /// Puts the next attempt off after one that failed; returns the wait until then.
    pub(super) fn back_off(&mut self) -> Duration {
        let wait = self.wait;
        *self = Self { due: Instant::now() + wait, wait: (wait * 2).min(STORE_RETRY_MAX) };
        wait
    }
}

/// The one writer of a data directory.
pub struct Recorder {
    lock: DataDirLock,
    /// Set once another process has taken over the data directory, to which this one then writes nothing more.
    taken_over: Option<LockError>,
    pub(super) settings: RecorderSettings,
    pub(super) log: Writer,
    /// The offset of the snapshot that keeps the state while the log is being repaired.
    pub(super) rescue_snapshot: Option<Offset>,
    pub(super) store: Option<StateStore>,
    pub(super) store_retry: StoreRetry,
    pub(super) shared: Arc<Shared>,
    inbox: mpsc::Receiver<Input>,
    last_sync: Instant,
    last_checkpoint: Instant,
    last_repair: Instant,
    last_expiry: Instant,
    next_departure_check: Instant,
    pub(super) next_eviction: Instant,
    pub(super) memory_limit: MemoryLimit,
    pub(super) segment_pruner: SegmentPruner,
    pub(super) log_thinner: LogThinner,
    /// Whether the disk is too full for a checkpoint, which is logged once.
    pub(super) is_disk_full: bool,
    /// When the clock was set last. What was captured before is measured in another time.
    pub(super) clock_set: Option<Timestamp>,
    /// What the log adds to the machine's clock.
    pub(super) log_clock_offset: Arc<AtomicI64>,
    pub(super) age_steps: AgeSteps,
}

impl Recorder {
    /// Locks the data directory, recovers the log, and brings the state up to the log's end.
    ///
    /// # Errors
    /// [`RecorderError`] if another process uses the directory or the disk fails.
    pub fn open(settings: RecorderSettings) -> Result<(Self, RecorderHandle), RecorderError> {
        let lock = DataDirLock::acquire(&settings.data_dir)?;
        let mut recovered =
            event_log::recover_on(Arc::clone(&settings.vfs), &settings.data_dir.join("events"))?;
        let written = recovered.last_written();
        let OpenedState { store, state, lost_tail, lost } =
            recovery::open_state(&settings.data_dir, &mut recovered)?;
        let (sender, inbox) = mpsc::channel(QUEUE_CAPACITY);
        // A clock that was behind also gave the files wrong times.
        let written = written.map(Timestamp::from).max(state.totals().last_mark);
        let newest = state.newest_time();
        let clock = Clock::start(&settings.data_dir, newest, written, settings.built);
        let log_clock_offset = recovered.clock_offset();
        log_clock_offset.store(clock.offset_to_machine(), Ordering::Relaxed);
        let log = recovered.into_writer(settings.rotation)?;
        let floor = newest.min(written).min(Some(clock.now()));
        let shared = Arc::new(Shared::new(state, clock, TimeFloor::new(floor)));
        let history = History::new(Arc::clone(&settings.vfs), &settings.data_dir);
        let now = Instant::now();
        let mut recorder = Self {
            lock,
            taken_over: None,
            settings,
            log,
            rescue_snapshot: None,
            store,
            store_retry: StoreRetry::after_start(now),
            shared: Arc::clone(&shared),
            inbox,
            last_sync: now,
            last_checkpoint: now,
            last_repair: now,
            last_expiry: now,
            next_departure_check: now,
            next_eviction: now,
            memory_limit: MemoryLimit::default(),
            segment_pruner: SegmentPruner::new(now),
            log_thinner: LogThinner::default(),
            is_disk_full: false,
            clock_set: None,
            log_clock_offset,
            age_steps: AgeSteps::new(now),
        };
        if let Some(doubt) = shared.clock.doubt() {
            warn_of(doubt);
        }
        if let Some(tail) = lost_tail {
            recorder.record_lost_tail(tail);
        }
        recorder.shared.losses.history_at_start.store(lost, Ordering::Relaxed);
        recorder.count_lost_history(lost);
        recorder.expire_alerts();
        Ok((recorder, RecorderHandle { inbox: sender, shared, history }))
    }

    /// Makes the names that the configuration gives to addresses equal to `devices`.
    ///
    /// # Errors
    /// [`LogError`] if the changes cannot be written.
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

    /// Records until every handle is dropped or [`RecorderHandle::stop`] is called, then writes everything.
    ///
    /// # Errors
    /// [`RecorderError`] if the last write fails.
    pub fn run(mut self, runtime: &Handle) -> Result<(), RecorderError> {
        let mut batch = Vec::with_capacity(BATCH_SIZE);
        self.run_due_tasks();
        loop {
            self.shared.iterations.fetch_add(1, Ordering::Relaxed);
            let wake = tokio::time::Instant::from_std(self.next_wake());
            let inbox = &mut self.inbox;
            let received = runtime.block_on(async {
                tokio::time::timeout_at(wake, inbox.recv_many(&mut batch, BATCH_SIZE)).await
            });
            self.recreate_store();
            let stop = received == Ok(0) || self.process(&mut batch);
            if stop && self.taken_over.is_none() {
                return self.finish();
            }
            self.run_due_tasks();
            if let Some(taken_over) = self.taken_over.take() {
                return Err(self.leave_to(taken_over));
            }
        }
    }

    /// When the next task is due.
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

    /// Folds in and writes what arrived; returns whether it contained a stop.
    fn process(&mut self, batch: &mut Vec<Input>) -> bool {
        let mut folded = Folded::default();
        if !batch.is_empty() {
            self.check_clock();
            self.update_coverage(self.shared.clock.now());
            let shared = Arc::clone(&self.shared);
            let mut state = write(&shared.state);
            state.prefetch(batch.iter().filter_map(Input::source));
            for input in batch.drain(..) {
                match input {
                    Input::Probe(_) if self.discards() => {
                        self.shared.losses.queue_full.fetch_add(1, Ordering::Relaxed);
                    }
                    Input::Probe(captured) => folded.has_alerts |= self.record_probe(&mut state, captured),
                    Input::Change(events, done) => self.apply(&mut state, &events, done, &mut folded),
                    Input::Sync(done) => folded.unsynced.push(done),
                    Input::TrustClock(done) => {
                        let change = self.shared.clock.believe();
                        self.apply_clock_change(&mut state, change);
                        folded.unsynced.push(done);
                    }
                    Input::Stop => folded.stop = true,
                }
            }
        }
        let outcome = match self.disk_error() {
            _ if folded.unsynced.is_empty() => self.write(),
            // Repairs have an interval of their own; a delivery does not trigger one.
            Some(error) if self.log.has_failed() => Err(error),
            _ => self.sync(),
        };
        for done in folded.unsynced {
            let _ = done.send(outcome.clone().map_err(ChangeError::NotOnDiskYet));
        }
        if folded.has_alerts {
            self.shared.alerts_waiting.notify_one();
        }
        folded.stop
    }

    /// Appends the events of a change, or refuses them. A caller that has gone away needs no reply.
    fn apply(&mut self, state: &mut State, events: &[Event], done: Done, folded: &mut Folded) {
        let refused = match self.disk_error() {
            Some(error) if events.iter().any(Event::is_user_command) => error,
            _ if events.iter().all(|event| self.append(state, event)) => {
                // Alerts that the mute or an earlier setting kept back can be sent now.
                folded.has_alerts |= events.iter().any(|event| {
                    matches!(event.kind, EventKind::Unmute { .. } | EventKind::ChatSetting { .. })
                });
                return folded.unsynced.push(done);
            }
            _ => "too many events wait for the disk already".to_owned(),
        };
        let _ = done.send(Err(ChangeError::Disk(refused)));
    }

    /// Asks the sources since when frames are captured without a gap, if they can tell.
    pub(super) fn update_coverage(&mut self, now: Timestamp) {
        if let Some(capturing_since) = self.shared.capturing_since.get() {
            let since = capturing_since(now);
            // What was captured before the clock was set proves no silence after it.
            let set = self.clock_set.filter(|set| since.is_some_and(|since| since < *set || since > now));
            self.settings.alerts.capturing_since = since.and(set).or(since);
        }
    }

    /// Whether the service stops and has no time left for probes.
    fn discards(&self) -> bool {
        self.shared.discards_from.get().is_some_and(|from| *from <= Instant::now())
    }

    /// Records a probe; returns whether it raised an alert.
    fn record_probe(&mut self, state: &mut State, captured: CapturedProbe) -> bool {
        let CapturedProbe { mut probe, elements } = captured;
        if let Some(elements) = elements
            && state.wants_elements(probe.signature)
        {
            let (signature, elements) = (probe.signature, elements.into_vec());
            self.append(state, &Event::without_time(EventKind::Signature { signature, elements }));
        }
        probe.alerts = state.decide_alerts(&probe, &self.settings.alerts);
        let has_alerts = !probe.alerts.is_empty();
        if !self.append(state, &Event::from(probe)) {
            self.shared.losses.disk_failed.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        has_alerts
    }

    /// Appends and folds; returns `false` if the log's buffer is full.
    pub(super) fn append(&mut self, state: &mut State, event: &Event) -> bool {
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

    /// Notes the times that the machine's clock gave: those of all events but probes, whose sources do it.
    fn raise_time_floor(&self, event: &Event) {
        if !matches!(event.kind, EventKind::Probe(_))
            && let Some(time) = event.time
        {
            self.shared.time_floor.raise(time);
        }
    }

    fn disk_error(&self) -> Option<String> {
        self.shared.disk_error.borrow().as_ref().map(|error| error.why.clone())
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

    pub(super) fn sync(&mut self) -> Result<(), String> {
        self.last_sync = Instant::now();
        let outcome = match self.renew_lock() {
            Ok(()) => self.log.sync(),
            Err(error) => {
                self.log.suspend();
                Err(error)
            }
        };
        self.track_disk_health(outcome)
    }

    fn renew_lock(&mut self) -> Result<(), LogError> {
        self.lock.renew().map_err(|error| {
            if let LockError::TakenOver { path, holder } = &error {
                let (path, holder) = (path.clone(), holder.clone());
                self.taken_over = Some(LockError::TakenOver { path, holder });
            }
            error.into()
        })
    }

    /// Ends after another process has taken over. Nothing of that one's is changed: the state goes into a data directory of
    /// its own.
    fn leave_to(&mut self, taken_over: LockError) -> RecorderError {
        while write(&self.shared.state).continue_eviction() {}
        let image = read(&self.shared.state).image();
        let aside = self.settings.data_dir.join(format!("saved-state-{}", image.next_offset()));
        // Segments of these names may be the other's.
        self.log.stop_sealing();
        match recovery::write_snapshot(&Snapshots::of(&aside), &image, self.shared.clock.now()) {
            Ok(()) => error!(
                event = "data_dir_taken_over",
                error = %taken_over,
                saved = %aside.display(),
                "another process uses the data directory; the state is saved in a data directory of its own, and the service ends"
            ),
            Err(error) => error!(
                event = "data_dir_taken_over",
                error = %taken_over,
                save_error = %error,
                "another process uses the data directory; the service ends, and its state could not be saved"
            ),
        }
        taken_over.into()
    }

    /// Tries to write again after a failure. If the log has lost events meanwhile, the state that follows from them is
    /// saved before the log is repaired.
    fn resume(&mut self) -> Result<(), LogError> {
        self.renew_lock()?;
        if self.log.has_lost_events()? {
            self.rescue_state()?;
        }
        self.log.resume()
    }

    /// Logs when writes begin to fail and when they work again, once each.
    fn track_disk_health(&mut self, outcome: Result<(), LogError>) -> Result<(), String> {
        let disk_error = &self.shared.disk_error;
        match outcome {
            Ok(()) => {
                // Before others learn that writing works: they tell what was lost.
                self.note_lost_history();
                let disk_error = &self.shared.disk_error;
                if disk_error.send_if_modified(|error| error.take().is_some()) {
                    info!(
                        event = "disk_recovered",
                        "writing to the log works again; buffered events were saved"
                    );
                }
                Ok(())
            }
            Err(failure) => {
                let error = failure.io().to_string();
                let found = DiskError { why: error.clone(), remedy: failure.remedy() };
                if disk_error.send_if_modified(|known| known.replace(found).is_none()) {
                    error!(
                        event = "disk_failed",
                        error = %failure,
                        remedy = failure.remedy(),
                        "could not write to the log; events are buffered in memory until writing works again"
                    );
                }
                Err(error)
            }
        }
    }

    /// Runs the tasks whose time has come.
    fn run_due_tasks(&mut self) {
        let now = Instant::now();
        self.check_clock();
        if self.log.has_failed() {
            if now - self.last_repair >= REPAIR_INTERVAL {
                self.last_repair = now;
                let outcome = self.resume();
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
        self.evict_devices(now);
        self.prune_segments(now);
        let is_due = now - self.last_checkpoint >= self.settings.checkpoint_interval;
        if is_due || read(&self.shared.state).is_save_due() {
            self.last_checkpoint = now;
            self.checkpoint();
        }
    }

    /// Writes what there is. Whatever else is being done is ended soon, however much of it there is: the next start
    /// goes on with it.
    fn finish(mut self) -> Result<(), RecorderError> {
        self.finish_thinning();
        let bytes = self.log.unsynced_bytes();
        if self.log.has_failed() || self.sync().is_err() {
            if let Some(taken_over) = self.taken_over.take() {
                return Err(self.leave_to(taken_over));
            }
            self.resume().inspect_err(|error| {
                error!(event = "events_lost", bytes, %error, "could not write the last events; they are lost");
            })?;
            self.note_lost_history();
            self.recreate_store();
        }
        self.checkpoint();
        self.shared.clock.save(true);
        if let Some(before) = self.segment_pruner.finish() {
            self.log.abort_sealing();
            self.log.remove_before(before)?;
        }
        Ok(())
    }
}

/// Where the outcome of a change goes.
type Done = oneshot::Sender<Result<(), ChangeError>>;

/// Work pending after a batch.
#[derive(Default)]
struct Folded {
    stop: bool,
    has_alerts: bool,
    /// Callers that wait for the fsync.
    unsynced: Vec<Done>,
}

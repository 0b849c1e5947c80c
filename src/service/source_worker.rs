//! A source of frames in the service: a thread that hears, and hears again after a failure.
//!
//! - What fails is begun again, also where it was never open, after a wait that doubles from [`FIRST_RETRY_DELAY`] to
//!   [`MAX_RETRY_DELAY`]; after [`STABLE_AFTER`] with frames it begins with the first again. An interface that comes back
//!   is not waited for any longer. No failure ends the other sources.
//! - A command is to run for ever: that it ends is a failure. A file and standard input have an end, and are
//!   not read a second time. A named pipe has none: after one writer it waits for the next.

mod open_source;
mod probe_converter;
mod source_clock;
mod source_stats;
mod startup_state;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::ServiceError;
use super::watchdog::Heartbeat;
use crate::capture::{self, CaptureError, Counters, Settings, StopHandle};
use crate::config::Source;
use crate::event::Timestamp;
use crate::recorder::{CapturedProbe, RecorderHandle};
use crate::status::{SourceState, SourceStatus};
use open_source::{OpenSource, SourceError};
pub use probe_converter::{ProbeConverter, is_excluded};
use source_clock::SourceClock;
pub(super) use source_stats::DroppedFrames;
use source_stats::SourceStats;
pub(super) use startup_state::StartupState;
use startup_state::is_named_pipe;

/// The wait after a failure, which doubles up to the longest.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// After so long with frames, a failure is the first.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// How often it is looked whether an interface that is gone has come back.
const INTERFACE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long a capture may take to end when it was told to: longer than a command that has to be killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What all sensors of the service have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) include_bad_fcs: bool,
    pub(super) recorder: RecorderHandle,
    /// Is told whenever it changes what [`SourceWorker::startup_state`] says.
    pub(super) starts: watch::Sender<()>,
}

/// A source of frames, on its own thread.
pub(super) struct SourceWorker {
    name: String,
    shared: Shared,
    status: Mutex<Status>,
    clock: SourceClock,
    stop: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

struct Status {
    start: StartupState,
    condition: SourceState,
    /// What helps against the last failure.
    remedy: Option<Cow<'static, str>>,
    /// When the capture at hand began.
    opened: Option<Timestamp>,
    /// Of the capture at hand; those before it have been added to `before`.
    counters: Arc<Counters>,
    before: SourceStats,
    restarts: u64,
    capture: StopHandle,
}

/// Tells, when the thread ends, that it has, also where it panics.
struct EndGuard<'a> {
    sensor: &'a SourceWorker,
    end: Option<oneshot::Sender<()>>,
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("hearing {} ended unexpectedly; this is a bug", self.sensor.name);
            {
                let mut now = self.sensor.now();
                (now.condition, now.start) = (SourceState::Broken, now.start.without_hope());
            }
            self.sensor.shared.starts.send_replace(());
        }
        if let Some(end) = self.end.take() {
            // Nobody waits for it any more where this fails.
            let _ = end.send(());
        }
    }
}

impl SourceWorker {
    /// Starts to hear a source.
    pub(super) fn start(source: &Source, shared: &Shared) -> Result<Arc<Self>, ServiceError> {
        let (end, ended) = oneshot::channel();
        let sensor = Arc::new(Self {
            name: source.name.clone(),
            shared: shared.clone(),
            status: Mutex::new(Status {
                start: StartupState::of(&source.origin),
                condition: SourceState::Opening,
                remedy: None,
                opened: None,
                counters: Arc::default(),
                before: SourceStats::default(),
                restarts: 0,
                capture: StopHandle::default(),
            }),
            clock: SourceClock::default(),
            stop: CancellationToken::new(),
            ended: Mutex::new(Some(ended)),
        });
        let runtime = Handle::current();
        let (hearing, source) = (Arc::clone(&sensor), source.clone());
        thread::Builder::new().name(format!("hear {}", sensor.name)).spawn(move || {
            let _end = EndGuard { sensor: &hearing, end: Some(end) };
            hearing.run(&source, &runtime);
        })?;
        Ok(sensor)
    }

    /// EndGuard the capture, and waits a little for that.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let capture = self.now().capture.clone();
        capture.stop();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err()
        {
            warn!(event = "source_stop_timeout", source = %self.name, "{} did not stop in time", self.name);
        }
    }

    /// The latest sign that it hears: that it was opened, or has given a frame; none while it is not open.
    pub(super) fn last_activity(&self) -> Option<Timestamp> {
        let now = self.now();
        if now.condition != SourceState::Hearing {
            return None;
        }
        now.opened.max(now.counters.last_frame_us().map(Timestamp::from_micros))
    }

    /// The name under which its probes are recorded.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing, for `/status`.
    pub(super) fn status(&self) -> SourceStatus {
        let now = self.now();
        let counts = now.before.and(&now.counters);
        let has_failed = matches!(now.condition, SourceState::Failed(_));
        SourceStatus {
            name: self.name.clone(),
            condition: now.condition.clone(),
            remedy: now.remedy.as_deref().filter(|_| has_failed).map(str::to_owned),
            last_frame: counts.last_frame,
            frames: counts.frames,
            undecodable: counts.undecodable,
            bad_fcs: counts.bad_fcs,
            dropped: counts.drops.kernel + counts.drops.interface,
            restarts: now.restarts,
            clock_is_behind: self.clock.is_behind(),
        }
    }

    /// What was lost before it was heard.
    pub(super) fn drops(&self) -> DroppedFrames {
        let now = self.now();
        now.before.and(&now.counters).drops
    }

    /// Its sign of life, for the watchdog.
    pub(super) fn heartbeat(&self) -> Heartbeat {
        let now = self.now();
        match now.condition {
            SourceState::Hearing => {
                now.counters.loop_iterations().map_or(Heartbeat::Idle, Heartbeat::Iterations)
            }
            SourceState::Broken => Heartbeat::Broken,
            // It waits to be opened, to try again, or for nothing any more.
            _ => Heartbeat::Idle,
        }
    }

    fn now(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come since the start of the service.
    pub(super) fn startup_state(&self) -> StartupState {
        self.now().start
    }

    fn run(&self, source: &Source, runtime: &Handle) {
        let mut wait = FIRST_RETRY_DELAY;
        while !self.stop.is_cancelled() {
            let opened = self.open(source);
            let was_open = opened.is_ok();
            let begun = Instant::now();
            let outcome = opened.and_then(|opened| Ok(self.capture(&source.origin, opened)?));
            let error = match outcome {
                _ if self.stop.is_cancelled() => break,
                Ok(()) if is_named_pipe(&source.origin) => {
                    info!(event = "source_waiting", source = %self.name, "nobody writes to {} any more; waiting for who does next", self.name);
                    self.now().condition = SourceState::Opening;
                    continue;
                }
                Ok(()) => {
                    info!(event = "source_finished", source = %self.name, "{} is at its end", self.name);
                    break;
                }
                Err(error) => error,
            };
            self.record_failure(&source.origin, &error);
            let named = match &source.origin {
                capture::Source::Command(_) => format!("{}: {error}", self.name),
                _ => error.to_string(),
            };
            let named = capture::with_remedy(named, error.remedy());
            if !is_reopened(&source.origin, was_open) {
                return warn!(event = "source_failed", source = %self.name, "{named}");
            }
            if begun.elapsed() >= STABLE_AFTER && self.has_captured_frames() {
                wait = FIRST_RETRY_DELAY;
            }
            // The service may end for want of it, and is the one to say why then.
            let is_refused = self.startup_state() == StartupState::Refused;
            if !is_refused {
                warn!(event = "source_retry", source = %self.name, wait_seconds = wait.as_secs(), "{named}; trying again");
            }
            let came_back = runtime.block_on(async {
                tokio::select! {
                    came_back = self.pause(&source.origin, wait) => came_back,
                    () = self.stop.cancelled() => false,
                }
            });
            if is_refused && !self.stop.is_cancelled() {
                warn!(event = "source_retry", source = %self.name, wait_seconds = 0, "{named}; trying again");
            }
            wait = if came_back { FIRST_RETRY_DELAY } else { (wait * 2).min(MAX_RETRY_DELAY) };
            self.now().restarts += 1;
        }
        self.now().condition = SourceState::Over;
    }

    fn open(&self, source: &Source) -> Result<OpenSource, SourceError> {
        let stop = StopHandle::default();
        self.now().capture = stop.clone();
        // It may have been told to stop before that, of which this handle knows nothing.
        if self.stop.is_cancelled() {
            stop.stop();
        }
        OpenSource::open(source, &self.shared.settings, &stop)
    }

    /// Takes note of a failure.
    fn record_failure(&self, origin: &capture::Source, error: &SourceError) {
        {
            let mut now = self.now();
            now.condition = SourceState::Failed(error.to_string());
            now.remedy = error.remedy();
            now.start = now.start.after(origin, error);
        }
        self.shared.starts.send_replace(());
    }

    /// Whether the capture at hand has given a frame.
    fn has_captured_frames(&self) -> bool {
        self.now().counters.frames.load(Ordering::Relaxed) > 0
    }

    /// Waits so long, or until an interface that is gone has come back; whether it has.
    async fn pause(&self, origin: &capture::Source, wait: Duration) -> bool {
        let comes_back = async {
            let capture::Source::Interface(interface) = origin else { return std::future::pending().await };
            let place = Path::new("/sys/class/net").join(interface);
            if place.exists() {
                return std::future::pending().await;
            }
            while !place.exists() {
                tokio::time::sleep(INTERFACE_POLL_INTERVAL).await;
            }
        };
        tokio::time::timeout(wait, comes_back).await.is_ok()
    }

    fn capture(&self, origin: &capture::Source, opened: OpenSource) -> Result<(), CaptureError> {
        let OpenSource { capture, monitor: _monitor } = opened;
        {
            let mut now = self.now();
            now.condition = SourceState::Hearing;
            now.start = StartupState::Opened;
            now.opened = Some(Timestamp::now());
            now.before = now.before.and(&now.counters);
            now.counters = capture.counters();
        }
        self.shared.starts.send_replace(());
        info!(event = "source_opened", source = %self.name, "hearing {} ({})", self.name, capture.link_type());
        let is_live = origin.is_live();
        let recorder = &self.shared.recorder;
        let mut converter = ProbeConverter::new(&self.name, self.shared.include_bad_fcs);
        capture.run(|frame| {
            let Some(mut heard) = converter.convert(frame) else { return ControlFlow::Continue(()) };
            if is_live {
                self.check_clock(&mut heard);
                if let Some(dropped) = recorder.try_record(heard) {
                    converter.forget(dropped);
                }
            } else if recorder.record(heard).is_err() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }

    /// Corrects or marks a probe whose time cannot be, and says when that begins and ends.
    fn check_clock(&self, heard: &mut CapturedProbe) {
        let recorder = &self.shared.recorder;
        let (name, given, now) = (&self.name, heard.probe.time, Timestamp::now());
        let (time, is_newly_ahead) = self.clock.clamp_to_now(given, now);
        if is_newly_ahead {
            warn!(
                "{name}: a frame says that it is {given}, and this machine that it is {now}, which counts: set \
                 the clock of whatever hears there"
            );
        }
        let newest = recorder.newest_time();
        let look = self.clock.check(time, newest);
        (heard.probe.time, heard.probe.not_before) = (time, look.not_before);
        let is_only_this_one = look.not_before.is_some() && SourceClock::is_plausible(now, newest);
        match look.not_before {
            None => recorder.note_time(time.min(now)),
            // Time goes on, whatever this source says.
            Some(_) if is_only_this_one => recorder.note_time(now),
            Some(_) => {}
        }
        match look.not_before {
            _ if !look.has_changed => {}
            Some(_) if is_only_this_one => warn!(
                event = "source_clock_behind",
                source = %name,
                frame_time = %time,
                "{name}: a frame says that it is {time}, and this machine that it is {now}: the clock is behind \
                 there. Until it is right, this machine's counts; set the clock of whatever hears there"
            ),
            Some(least) => warn!(
                event = "source_clock_behind",
                source = %name,
                frame_time = %time,
                "{name}: a frame says that it is {time}, but it is {least} at least: the clock is behind. Until \
                 it is right, probes count at the newest time that is known; see to it that the clock is set \
                 from the network (timedatectl)"
            ),
            None => info!(event = "source_clock_right", source = %name, "{name}: the clock is right again"),
        }
    }
}

/// Whether a source that has failed is heard again. What was read of a file would be there twice.
fn is_reopened(origin: &capture::Source, was_open: bool) -> bool {
    match origin {
        capture::Source::Interface(_) | capture::Source::Command(_) => true,
        capture::Source::File(_) => !was_open || is_named_pipe(origin),
        capture::Source::Stdin => false,
    }
}

//! The thread of a source: captures, and opens the source again after a failure.
//!
//! - A source that failed, or never opened, is opened again after a delay that doubles from [`FIRST_RETRY_DELAY`] to
//!   [`MAX_RETRY_DELAY`]. After [`STABLE_AFTER`] with frames the delay starts over. An interface that comes back ends
//!   the delay. No failure ends the other sources.
//! - A command runs forever: its end is a failure. A file and standard input have an end, and are not read twice. A
//!   named pipe has none: after one writer it waits for the next.

mod frame_times;
mod open_source;
mod probe_converter;
mod source_clock;
mod source_stats;
mod startup_state;

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use capture::{CaptureError, CaptureSettings, Counters, StopHandle};
use store::event::Timestamp;
use store::recorder::{CapturedProbe, RecorderHandle};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::ServiceError;
use super::watchdog::Heartbeat;
use crate::config::ConfiguredSource;
use crate::status::{HoppingFailure, SourceState, SourceStatus};
pub use frame_times::FrameTimes;
use open_source::{OpenSource, SourceError};
pub use probe_converter::{ProbeConverter, is_excluded};
use source_clock::{CheckedTime, ClockNews, Delay, SourceClock, Times};
pub(super) use source_stats::DroppedFrames;
use source_stats::SourceStats;
pub(super) use startup_state::StartupState;
use startup_state::{is_capture_file, is_named_pipe};

/// The delay after a failure, which doubles up to the maximum.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60);

/// After frames for this long, the next failure counts as the first.
const STABLE_AFTER: Duration = Duration::from_secs(30);

/// How often an interface that is gone is looked for.
const INTERFACE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long a capture may take to stop: longer than a command that has to be killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// What all sources of the service share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: CaptureSettings,
    pub(super) include_bad_fcs: bool,
    pub(super) recorder: RecorderHandle,
    /// Notified whenever a [`SourceWorker::startup_state`] changes.
    pub(super) startup: watch::Sender<()>,
}

/// A source of frames, on its own thread.
pub(super) struct SourceWorker {
    name: String,
    shared: Shared,
    status: Mutex<Status>,
    clock: SourceClock,
    hopping_failure: Arc<Mutex<Option<HoppingFailure>>>,
    /// When its last probe counts, in microseconds since the Unix epoch; `i64::MIN` before the first.
    last_probe: AtomicI64,
    stop: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

struct Status {
    startup: StartupState,
    condition: SourceState,
    /// The remedy for the last failure.
    remedy: Option<Cow<'static, str>>,
    /// When the current capture was opened.
    opened: Option<Timestamp>,
    /// Of the current capture; those of earlier ones are in `earlier`.
    counters: Arc<Counters>,
    earlier: SourceStats,
    restarts: u64,
    capture: StopHandle,
}

/// Reports the end of the thread, also after a panic.
struct EndGuard<'a> {
    worker: &'a SourceWorker,
    end: Option<oneshot::Sender<()>>,
}

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            error!(event = "source_broken", source = %self.worker.name, "a source ended unexpectedly; this is a bug");
            {
                let mut now = self.worker.lock_status();
                (now.condition, now.startup) = (SourceState::Crashed, now.startup.timed_out());
            }
            self.worker.shared.startup.send_replace(());
        }
        if let Some(end) = self.end.take() {
            // Fails if nobody waits for it.
            let _ = end.send(());
        }
    }
}

impl SourceWorker {
    /// Starts to capture from a source.
    pub(super) fn start(source: &ConfiguredSource, shared: &Shared) -> Result<Arc<Self>, ServiceError> {
        let (end, ended) = oneshot::channel();
        let worker = Arc::new(Self {
            name: source.name.clone(),
            shared: shared.clone(),
            status: Mutex::new(Status {
                startup: StartupState::of(&source.origin),
                condition: SourceState::Opening,
                remedy: None,
                opened: None,
                counters: Arc::default(),
                earlier: SourceStats::default(),
                restarts: 0,
                capture: StopHandle::default(),
            }),
            clock: SourceClock::default(),
            hopping_failure: Arc::default(),
            last_probe: AtomicI64::new(i64::MIN),
            stop: CancellationToken::new(),
            ended: Mutex::new(Some(ended)),
        });
        let runtime = Handle::current();
        let (running, source) = (Arc::clone(&worker), source.clone());
        thread::Builder::new().name(format!("source {}", worker.name)).spawn(move || {
            let _end = EndGuard { worker: &running, end: Some(end) };
            running.run(&source, &runtime);
        })?;
        Ok(worker)
    }

    /// Stops the capture, and waits for that for at most [`STOP_TIMEOUT`].
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let capture = self.lock_status().capture.clone();
        capture.stop();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err()
        {
            warn!(event = "source_stop_timeout", source = %self.name, "a source did not stop in time");
        }
    }

    /// When it was opened, or gave its last frame; `None` while it is not open.
    pub(super) fn last_activity(&self) -> Option<Timestamp> {
        let now = self.lock_status();
        if now.condition != SourceState::Capturing {
            return None;
        }
        now.opened.max(now.counters.last_frame_us().map(Timestamp::from_micros))
    }

    /// The name under which its probes are recorded.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// For `/status`, the metrics and the API.
    pub(super) fn status(&self) -> SourceStatus {
        let hopping_failure = self.hopping_failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.lock_status();
        let stats = now.earlier.plus(&now.counters);
        let has_failed = matches!(now.condition, SourceState::Failed(_));
        SourceStatus {
            name: self.name.clone(),
            condition: now.condition.clone(),
            remedy: now.remedy.as_deref().filter(|_| has_failed).map(str::to_owned),
            last_frame: self.corrected(stats.last_frame),
            frames: stats.frames,
            undecodable: stats.undecodable,
            bad_fcs: stats.bad_fcs,
            dropped: stats.dropped.kernel + stats.dropped.interface,
            restarts: now.restarts,
            clock_is_behind: self.clock.is_behind(),
            // A source that is not open has another problem.
            hopping_failure: hopping_failure.filter(|_| now.condition == SourceState::Capturing),
        }
    }

    /// When its last frame was captured. If the clock that gave that time is wrong, its last probe tells.
    fn corrected(&self, last_frame: Option<Timestamp>) -> Option<Timestamp> {
        let is_right =
            |time: &Timestamp| !self.clock.is_behind() && time.is_possible_at(self.shared.recorder.now());
        let last_probe = Some(self.last_probe.load(Ordering::Relaxed)).filter(|time| *time != i64::MIN);
        last_frame.filter(is_right).or(last_probe.map(Timestamp::from_micros)).or(last_frame)
    }

    /// Frames that were lost before they were captured.
    pub(super) fn dropped_frames(&self) -> DroppedFrames {
        let now = self.lock_status();
        now.earlier.plus(&now.counters).dropped
    }

    /// For the watchdog.
    pub(super) fn heartbeat(&self) -> Heartbeat {
        let now = self.lock_status();
        match now.condition {
            SourceState::Capturing => {
                now.counters.loop_iterations().map_or(Heartbeat::Idle, Heartbeat::Iterations)
            }
            SourceState::Crashed => Heartbeat::Broken,
            // It waits to open or to retry, or it is finished.
            _ => Heartbeat::Idle,
        }
    }

    fn lock_status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come since the service started.
    pub(super) fn startup_state(&self) -> StartupState {
        self.lock_status().startup
    }

    fn run(&self, source: &ConfiguredSource, runtime: &Handle) {
        let mut delay = FIRST_RETRY_DELAY;
        while !self.stop.is_cancelled() {
            let opened = self.open(source);
            let was_open = opened.is_ok();
            let begun = Instant::now();
            let outcome = opened.and_then(|opened| Ok(self.capture(&source.origin, opened)?));
            let error = match outcome {
                _ if self.stop.is_cancelled() => break,
                Ok(()) if is_named_pipe(&source.origin) => {
                    info!(event = "source_waiting", source = %self.name, "the writer closed the pipe; waiting for the next");
                    self.lock_status().condition = SourceState::Opening;
                    continue;
                }
                Ok(()) => {
                    info!(event = "source_finished", source = %self.name, "a source is at its end");
                    break;
                }
                Err(error) => error,
            };
            self.record_failure(&source.origin, &error);
            let error = capture::with_remedy(&error, error.remedy());
            if !is_reopened(&source.origin, was_open) {
                return warn!(event = "source_failed", source = %self.name, %error, "a source failed");
            }
            if begun.elapsed() >= STABLE_AFTER && self.has_captured_frames() {
                delay = FIRST_RETRY_DELAY;
            }
            // The service may end because of it, and then says why itself.
            let is_refused = self.startup_state() == StartupState::Refused;
            if !is_refused {
                warn!(event = "source_retry", source = %self.name, wait_seconds = delay.as_secs(), %error, "a source failed; trying again");
            }
            let came_back = runtime.block_on(async {
                tokio::select! {
                    came_back = self.wait_for_retry(&source.origin, delay) => came_back,
                    () = self.stop.cancelled() => false,
                }
            });
            if is_refused && !self.stop.is_cancelled() {
                warn!(event = "source_retry", source = %self.name, wait_seconds = 0, %error, "a source failed; trying again");
            }
            delay = if came_back { FIRST_RETRY_DELAY } else { (delay * 2).min(MAX_RETRY_DELAY) };
            self.lock_status().restarts += 1;
        }
        self.lock_status().condition = SourceState::Ended;
    }

    fn open(&self, source: &ConfiguredSource) -> Result<OpenSource, SourceError> {
        let stop = StopHandle::default();
        self.lock_status().capture = stop.clone();
        // A stop before this line did not reach this handle.
        if self.stop.is_cancelled() {
            stop.stop();
        }
        let failure = Arc::clone(&self.hopping_failure);
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let recorder = self.shared.recorder.clone();
        OpenSource::open(source, &self.shared.settings, &stop, move |change| {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) =
                change.err().map(|error| HoppingFailure {
                    since: recorder.now(),
                    why: error.to_string(),
                    remedy: error.remedy().map(Cow::into_owned),
                });
        })
    }

    /// Records a failure.
    fn record_failure(&self, origin: &capture::Source, error: &SourceError) {
        {
            let mut now = self.lock_status();
            now.condition = SourceState::Failed(error.to_string());
            now.remedy = error.remedy();
            now.startup = now.startup.after_attempt(origin, error);
        }
        self.shared.startup.send_replace(());
    }

    /// Whether the current capture has given a frame.
    fn has_captured_frames(&self) -> bool {
        self.lock_status().counters.frames.load(Ordering::Relaxed) > 0
    }

    /// Waits for `delay`, or until an interface that is gone has come back. Returns whether it has.
    async fn wait_for_retry(&self, origin: &capture::Source, delay: Duration) -> bool {
        let comes_back = async {
            let capture::Source::Interface(interface) = origin else { return std::future::pending().await };
            let path = Path::new("/sys/class/net").join(interface);
            if path.exists() {
                return std::future::pending().await;
            }
            while !path.exists() {
                tokio::time::sleep(INTERFACE_POLL_INTERVAL).await;
            }
        };
        tokio::time::timeout(delay, comes_back).await.is_ok()
    }

    fn capture(&self, origin: &capture::Source, opened: OpenSource) -> Result<(), CaptureError> {
        let OpenSource { capture, monitor: _monitor } = opened;
        {
            let mut now = self.lock_status();
            now.condition = SourceState::Capturing;
            now.startup = StartupState::Opened;
            now.opened = Some(self.shared.recorder.now());
            now.earlier = now.earlier.plus(&now.counters);
            now.counters = capture.counters();
        }
        self.shared.startup.send_replace(());
        info!(event = "source_opened", source = %self.name, link_type = %capture.link_type(), "capturing from a source");
        let recorder = &self.shared.recorder;
        let mut converter = ProbeConverter::new(&self.name, self.shared.include_bad_fcs);
        if is_capture_file(origin) {
            return self.capture_file(capture, converter);
        }
        let delay = match origin {
            capture::Source::Interface(_) => Delay::InKernel,
            capture::Source::Command(_) => Delay::OnConnection,
            capture::Source::File(_) | capture::Source::Stdin => Delay::Unknown,
        };
        capture.run(|frame| {
            let Some(mut probe) = converter.convert(frame) else { return ControlFlow::Continue(()) };
            self.check_clock(&mut probe, delay);
            self.note_time(&probe);
            if origin.is_live() {
                if let Some(dropped) = recorder.try_record(probe) {
                    converter.forget(dropped);
                }
            } else if recorder.record(probe).is_err() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }

    /// Records a capture file, whose times are its own, if they are possible.
    fn capture_file(
        &self,
        capture: capture::Capture,
        mut converter: ProbeConverter,
    ) -> Result<(), CaptureError> {
        let mut times = FrameTimes::default();
        let record = |probe: CapturedProbe| {
            self.note_time(&probe);
            self.shared.recorder.record(probe).is_ok()
        };
        capture.run(|frame| {
            let Some(probe) = converter.convert(frame) else { return ControlFlow::Continue(()) };
            match times.take(probe, &self.shared.recorder, record) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        times.rest(record);
        if times.impossible() > 0 {
            warn!(
                event = "impossible_times",
                source = %self.name,
                count = times.impossible(),
                "a file has frames with a time in the future or before 2000; they count at the time of the frame before \
                 them, or at an unknown time"
            );
        }
        Ok(())
    }

    /// Notes when a probe counts, for the status.
    fn note_time(&self, captured: &CapturedProbe) {
        self.last_probe.store(captured.probe.corrected_time().as_micros(), Ordering::Relaxed);
    }

    /// Corrects or marks a probe with an impossible time; logs when that starts and ends.
    fn check_clock(&self, captured: &mut CapturedProbe, delay: Delay) {
        let recorder = &self.shared.recorder;
        let (name, given, now) = (&self.name, captured.probe.time, recorder.now());
        let times = Times { now, machine: Timestamp::now(), newest: recorder.time_floor(), delay };
        let CheckedTime { time, not_before, news } = self.clock.check(given, times);
        (captured.probe.time, captured.probe.not_before) = (time, not_before);
        recorder.raise_time_floor(not_before.unwrap_or(time).min(now));
        match news {
            None => {}
            Some(ClockNews::Ahead) => warn!(
                event = "source_clock_ahead",
                source = %name,
                frame_time = %given,
                machine_time = %now,
                "the clock of a source is ahead; using this machine's time. Set the clock of the capturing machine"
            ),
            Some(ClockNews::Behind) => warn!(
                event = "source_clock_behind",
                source = %name,
                frame_time = %given,
                machine_time = %now,
                "the clock of a source is behind; using this machine's time until it is right. Set the clock of the \
                 capturing machine"
            ),
            Some(ClockNews::Right) => {
                info!(event = "source_clock_right", source = %name, "the clock of a source is right again");
            }
        }
    }
}

/// Whether a source that failed is opened again. A file would be recorded twice.
fn is_reopened(origin: &capture::Source, was_open: bool) -> bool {
    match origin {
        capture::Source::Interface(_) | capture::Source::Command(_) => true,
        capture::Source::File(_) => !was_open || is_named_pipe(origin),
        capture::Source::Stdin => false,
    }
}

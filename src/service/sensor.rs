//! A source of frames in the service: a thread that hears, and hears again after a failure.
//!
//! - What fails is begun again, also where it was never open, after a wait that doubles from [`FIRST_WAIT`] to
//!   [`LONGEST_WAIT`]; after [`STEADY`] with frames it begins with the first again. An interface that comes back
//!   is not waited for any longer. No failure ends the other sources.
//! - A command is to run for ever: that it ends is a failure. A file and standard input have an end, and are
//!   not read a second time. A named pipe has none: after one writer it waits for the next.

mod clock;
mod counts;
mod ear;
mod opened;
mod start;

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
use super::watchdog::Beat;
use crate::capture::{self, CaptureError, Counters, Settings, StopHandle};
use crate::chat::reply::{Condition, SensorStatus};
use crate::config::Source;
use crate::event::Timestamp;
use crate::recorder::{CapturedProbe, RecorderHandle};
use clock::Clock;
use counts::Counts;
pub(super) use counts::Drops;
pub use ear::{Ear, is_left_out};
use opened::{Opened, SourceError};
pub(super) use start::Start;
use start::is_named_pipe;

/// The wait after a failure, which doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// After so long with frames, a failure is the first.
const STEADY: Duration = Duration::from_secs(30);

/// How often it is looked whether an interface that is gone has come back.
const LOOK: Duration = Duration::from_millis(250);

/// How long a capture may take to end when it was told to: longer than a command that has to be killed.
const LAST_FRAMES: Duration = Duration::from_secs(5);

/// What all sensors of the service have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) include_bad_fcs: bool,
    pub(super) recorder: RecorderHandle,
    /// Is told whenever it changes what [`Sensor::start_so_far`] says.
    pub(super) starts: watch::Sender<()>,
}

/// A source of frames, on its own thread.
pub(super) struct Sensor {
    name: String,
    shared: Shared,
    now: Mutex<Now>,
    clock: Clock,
    stop: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

struct Now {
    start: Start,
    condition: Condition,
    /// What helps against the last failure.
    remedy: Option<Cow<'static, str>>,
    /// When the capture at hand began.
    opened: Option<Timestamp>,
    /// Of the capture at hand; those before it have been added to `before`.
    counters: Arc<Counters>,
    before: Counts,
    restarts: u64,
    capture: StopHandle,
}

/// Tells, when the thread ends, that it has, also where it panics.
struct Ends<'a> {
    sensor: &'a Sensor,
    end: Option<oneshot::Sender<()>>,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            error!("hearing {} ended unexpectedly; this is a bug", self.sensor.name);
            {
                let mut now = self.sensor.now();
                (now.condition, now.start) = (Condition::Broken, now.start.without_hope());
            }
            self.sensor.shared.starts.send_replace(());
        }
        if let Some(end) = self.end.take() {
            // Nobody waits for it any more where this fails.
            let _ = end.send(());
        }
    }
}

impl Sensor {
    /// Starts to hear a source.
    pub(super) fn start(source: &Source, shared: &Shared) -> Result<Arc<Self>, ServiceError> {
        let (end, ended) = oneshot::channel();
        let sensor = Arc::new(Self {
            name: source.name.clone(),
            shared: shared.clone(),
            now: Mutex::new(Now {
                start: Start::of(&source.origin),
                condition: Condition::Opening,
                remedy: None,
                opened: None,
                counters: Arc::default(),
                before: Counts::default(),
                restarts: 0,
                capture: StopHandle::default(),
            }),
            clock: Clock::default(),
            stop: CancellationToken::new(),
            ended: Mutex::new(Some(ended)),
        });
        let runtime = Handle::current();
        let (hearing, source) = (Arc::clone(&sensor), source.clone());
        thread::Builder::new().name(format!("hear {}", sensor.name)).spawn(move || {
            let _end = Ends { sensor: &hearing, end: Some(end) };
            hearing.keep_hearing(&source, &runtime);
        })?;
        Ok(sensor)
    }

    /// Ends the capture, and waits a little for that.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let capture = self.now().capture.clone();
        capture.stop();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(LAST_FRAMES, ended).await.is_err()
        {
            warn!("{} did not stop in time", self.name);
        }
    }

    /// The latest sign that it hears: that it was opened, or has given a frame; none while it is not open.
    pub(super) fn sign(&self) -> Option<Timestamp> {
        let now = self.now();
        if now.condition != Condition::Hearing {
            return None;
        }
        now.opened.max(now.counters.last_frame_us().map(Timestamp::from_micros))
    }

    /// The name under which its probes are recorded.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing, for `/status`.
    pub(super) fn status(&self) -> SensorStatus {
        let now = self.now();
        let counts = now.before.and(&now.counters);
        let has_failed = matches!(now.condition, Condition::Failed(_));
        SensorStatus {
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
    pub(super) fn drops(&self) -> Drops {
        let now = self.now();
        now.before.and(&now.counters).drops
    }

    /// Its sign of life, for the watchdog.
    pub(super) fn beat(&self) -> Beat {
        let now = self.now();
        match now.condition {
            Condition::Hearing => now.counters.turns().map_or(Beat::Waits, Beat::Turns),
            Condition::Broken => Beat::Broken,
            // It waits to be opened, to try again, or for nothing any more.
            _ => Beat::Waits,
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come since the start of the service.
    pub(super) fn start_so_far(&self) -> Start {
        self.now().start
    }

    fn keep_hearing(&self, source: &Source, runtime: &Handle) {
        let mut wait = FIRST_WAIT;
        while !self.stop.is_cancelled() {
            let opened = self.open(source);
            let was_open = opened.is_ok();
            let begun = Instant::now();
            let outcome = opened.and_then(|opened| Ok(self.hear(&source.origin, opened)?));
            let error = match outcome {
                _ if self.stop.is_cancelled() => break,
                Ok(()) if is_named_pipe(&source.origin) => {
                    info!("nobody writes to {} any more; waiting for who does next", self.name);
                    self.now().condition = Condition::Opening;
                    continue;
                }
                Ok(()) => {
                    info!("{} is at its end", self.name);
                    break;
                }
                Err(error) => error,
            };
            self.fails(&source.origin, &error);
            let named = match &source.origin {
                capture::Source::Command(_) => format!("{}: {error}", self.name),
                _ => error.to_string(),
            };
            let named = capture::with_remedy(named, error.remedy());
            if !is_heard_again(&source.origin, was_open) {
                return warn!("{named}");
            }
            if begun.elapsed() >= STEADY && self.has_heard() {
                wait = FIRST_WAIT;
            }
            // The service may end for want of it, and is the one to say why then.
            let is_refused = self.start_so_far() == Start::Refused;
            if !is_refused {
                warn!("{named}; trying again in {} s", wait.as_secs());
            }
            let came_back = runtime.block_on(async {
                tokio::select! {
                    came_back = self.pause(&source.origin, wait) => came_back,
                    () = self.stop.cancelled() => false,
                }
            });
            if is_refused && !self.stop.is_cancelled() {
                warn!("{named}; trying again");
            }
            wait = if came_back { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            self.now().restarts += 1;
        }
        self.now().condition = Condition::Over;
    }

    fn open(&self, source: &Source) -> Result<Opened, SourceError> {
        let stop = StopHandle::default();
        self.now().capture = stop.clone();
        // It may have been told to stop before that, of which this handle knows nothing.
        if self.stop.is_cancelled() {
            stop.stop();
        }
        Opened::open(source, &self.shared.settings, &stop)
    }

    /// Takes note of a failure.
    fn fails(&self, origin: &capture::Source, error: &SourceError) {
        {
            let mut now = self.now();
            now.condition = Condition::Failed(error.to_string());
            now.remedy = error.remedy();
            now.start = now.start.after(origin, error);
        }
        self.shared.starts.send_replace(());
    }

    /// Whether the capture at hand has given a frame.
    fn has_heard(&self) -> bool {
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
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(wait, comes_back).await.is_ok()
    }

    fn hear(&self, origin: &capture::Source, opened: Opened) -> Result<(), CaptureError> {
        let Opened { capture, monitor: _monitor } = opened;
        {
            let mut now = self.now();
            now.condition = Condition::Hearing;
            now.start = Start::Opened;
            now.opened = Some(Timestamp::now());
            now.before = now.before.and(&now.counters);
            now.counters = capture.counters();
        }
        self.shared.starts.send_replace(());
        info!("hearing {} ({})", self.name, capture.link_type());
        let is_live = origin.is_live();
        let recorder = &self.shared.recorder;
        let mut ear = Ear::new(&self.name, self.shared.include_bad_fcs);
        capture.run(|frame| {
            let Some(mut heard) = ear.hear(frame) else { return ControlFlow::Continue(()) };
            if is_live {
                self.look_at_clock(&mut heard);
                if let Some(dropped) = recorder.try_record(heard) {
                    ear.forget(dropped);
                }
            } else if recorder.record(heard).is_err() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }

    /// Corrects or marks a probe whose time cannot be, and says when that begins and ends.
    fn look_at_clock(&self, heard: &mut CapturedProbe) {
        let recorder = &self.shared.recorder;
        let (name, given, now) = (&self.name, heard.probe.time, Timestamp::now());
        let (time, is_newly_ahead) = self.clock.no_later_than(given, now);
        if is_newly_ahead {
            warn!(
                "{name}: a frame says that it is {given}, and this machine that it is {now}, which counts: set \
                 the clock of whatever hears there"
            );
        }
        let newest = recorder.newest_time();
        let look = self.clock.look(time, newest);
        (heard.probe.time, heard.probe.not_before) = (time, look.not_before);
        let is_only_this_one = look.not_before.is_some() && Clock::is_right(now, newest);
        match look.not_before {
            None => recorder.note_time(time.min(now)),
            // Time goes on, whatever this source says.
            Some(_) if is_only_this_one => recorder.note_time(now),
            Some(_) => {}
        }
        match look.not_before {
            _ if !look.has_changed => {}
            Some(_) if is_only_this_one => warn!(
                "{name}: a frame says that it is {time}, and this machine that it is {now}: the clock is behind \
                 there. Until it is right, this machine's counts; set the clock of whatever hears there"
            ),
            Some(least) => warn!(
                "{name}: a frame says that it is {time}, but it is {least} at least: the clock is behind. Until \
                 it is right, probes count at the newest time that is known; see to it that the clock is set \
                 from the network (timedatectl)"
            ),
            None => info!("{name}: the clock is right again"),
        }
    }
}

/// Whether a source that has failed is heard again. What was read of a file would be there twice.
fn is_heard_again(origin: &capture::Source, was_open: bool) -> bool {
    match origin {
        capture::Source::Interface(_) | capture::Source::Command(_) => true,
        capture::Source::File(_) => !was_open || is_named_pipe(origin),
        capture::Source::Stdin => false,
    }
}

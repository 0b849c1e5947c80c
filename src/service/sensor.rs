//! A source of frames in the service: a thread that hears, and hears again after a failure.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::ServiceError;
use super::watchdog::Beat;
use crate::capture::{Capture, CaptureError, Counters, Frame, Settings, Source, StopHandle};
use crate::chat::reply::{Condition, SensorStatus};
use crate::dot11::{Fcs, Signature};
use crate::event::{Probe, Timestamp};
use crate::recorder::{Heard, RecorderHandle};

/// The wait after a failure doubles up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long a capture may take to end when it was told to.
const LAST_FRAMES: Duration = Duration::from_secs(2);

/// Signatures that one sensor remembers to have handed over; past it, it begins anew.
const REMEMBERED_SIGNATURES: usize = 16_384;

/// Turns the frames of one sensor into probes for the recorder.
pub struct Ear {
    sensor: Arc<str>,
    include_bad_fcs: bool,
    signatures: HashSet<Signature>,
}

impl Ear {
    /// An ear for the sensor of this name, which leaves out what [`is_left_out`] says.
    pub fn new(sensor: &str, include_bad_fcs: bool) -> Self {
        Self { sensor: Arc::from(sensor), include_bad_fcs, signatures: HashSet::new() }
    }

    /// The probe that `frame` is, if it is taken. Its elements come along when their signature is new here.
    pub fn hear(&mut self, frame: Frame<'_>) -> Option<Heard> {
        let probe_request = frame.probe_request;
        if is_left_out(probe_request.fcs, self.include_bad_fcs) {
            return None;
        }
        let signature = probe_request.signature;
        if self.signatures.len() >= REMEMBERED_SIGNATURES {
            self.signatures.clear();
        }
        let elements = self.signatures.insert(signature).then(|| Box::from(probe_request.elements));
        let time = Timestamp::from_micros(frame.time_us);
        let probe = Probe::heard(Arc::clone(&self.sensor), time, probe_request);
        Some(Heard { probe, elements })
    }

    /// Takes back a probe that nobody has recorded: its elements are not known after all.
    pub fn forget(&mut self, unrecorded: Heard) {
        if unrecorded.elements.is_some() {
            self.signatures.remove(&unrecorded.probe.signature);
        }
    }
}

/// Whether a frame with this FCS is left out. One whose FCS is wrong has bits that were not sent, in its
/// addresses too, so it is taken only where that is asked for.
pub fn is_left_out(fcs: Fcs, include_bad_fcs: bool) -> bool {
    fcs == Fcs::Bad && !include_bad_fcs
}

/// The name under which the probes of `source` are recorded.
pub fn sensor_name(source: &Source) -> String {
    match source {
        Source::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        Source::Stdin => "stdin".to_owned(),
        Source::Interface(_) => source.to_string(),
    }
}

/// Whether the source cannot be opened before someone writes to it.
fn waits_for_bytes(source: &Source) -> bool {
    match source {
        Source::Stdin => true,
        Source::File(path) => std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo()),
        Source::Interface(_) => false,
    }
}

/// A source of frames, on its own thread.
pub(super) struct Sensor {
    name: String,
    include_bad_fcs: bool,
    now: Mutex<Now>,
    stop: CancellationToken,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

struct Now {
    condition: Condition,
    /// Of the capture at hand; those before it have been added to `before`.
    counters: Arc<Counters>,
    before: Counts,
    capture: Option<StopHandle>,
}

/// What several captures of one source have counted.
#[derive(Clone, Copy, Default)]
struct Counts {
    frames: u64,
    last_frame: Option<Timestamp>,
    undecodable: u64,
    bad_fcs: u64,
    drops: Drops,
}

/// Frames that were lost before they were heard, by who lost them.
#[derive(Clone, Copy, Default)]
pub(super) struct Drops {
    pub(super) kernel: u64,
    pub(super) interface: u64,
}

impl Counts {
    fn and(self, counters: &Counters) -> Self {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            frames: self.frames + count(&counters.frames),
            last_frame: counters.last_frame_us().map(Timestamp::from_micros).or(self.last_frame),
            undecodable: self.undecodable + count(&counters.undecodable),
            bad_fcs: self.bad_fcs + count(&counters.fcs_bad),
            drops: Drops {
                kernel: self.drops.kernel + count(&counters.kernel_dropped),
                interface: self.drops.interface + count(&counters.interface_dropped),
            },
        }
    }
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
            self.sensor.now().condition = Condition::Broken;
        }
        if let Some(end) = self.end.take() {
            // Nobody waits for it any more where this fails.
            let _ = end.send(());
        }
    }
}

impl Sensor {
    /// Opens the source and starts to hear it. Where opening waits for the first bytes it is left to the
    /// thread.
    pub(super) fn start(
        source: &str,
        settings: &Settings,
        include_bad_fcs: bool,
        recorder: RecorderHandle,
    ) -> Result<Arc<Self>, ServiceError> {
        let source: Source = source.parse().map_err(|_| ServiceError::NoSource)?;
        let opened = if waits_for_bytes(&source) { None } else { Some(Capture::open(&source, settings)?) };
        let (end, ended) = oneshot::channel();
        let sensor = Arc::new(Self {
            name: sensor_name(&source),
            include_bad_fcs,
            now: Mutex::new(Now {
                condition: Condition::Opening,
                counters: Arc::default(),
                before: Counts::default(),
                capture: None,
            }),
            stop: CancellationToken::new(),
            ended: Mutex::new(Some(ended)),
        });
        let (runtime, settings) = (Handle::current(), settings.clone());
        let hearing = Arc::clone(&sensor);
        thread::Builder::new().name(format!("hear {}", sensor.name)).spawn(move || {
            let _end = Ends { sensor: &hearing, end: Some(end) };
            hearing.keep_hearing(&source, opened, &settings, &recorder, &runtime);
        })?;
        Ok(sensor)
    }

    /// Ends the capture, and waits a little for that.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        if let Some(capture) = &self.now().capture {
            capture.stop();
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ended) = ended
            && tokio::time::timeout(LAST_FRAMES, ended).await.is_err()
        {
            warn!("{} did not stop in time", self.name);
        }
    }

    /// The name under which its probes are recorded.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How it is doing, for `/status`.
    pub(super) fn status(&self) -> SensorStatus {
        let now = self.now();
        let counts = now.before.and(&now.counters);
        SensorStatus {
            name: self.name.clone(),
            condition: now.condition.clone(),
            last_frame: counts.last_frame,
            frames: counts.frames,
            undecodable: counts.undecodable,
            bad_fcs: counts.bad_fcs,
            dropped: counts.drops.kernel + counts.drops.interface,
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

    fn keep_hearing(
        &self,
        source: &Source,
        opened: Option<Capture>,
        settings: &Settings,
        recorder: &RecorderHandle,
        runtime: &Handle,
    ) {
        let mut next = opened.map(Ok);
        let mut wait = Duration::from_secs(1);
        while !self.stop.is_cancelled() {
            let capture = next.take().unwrap_or_else(|| Capture::open(source, settings));
            let outcome = capture.and_then(|capture| {
                wait = Duration::from_secs(1);
                self.hear(source, capture, recorder)
            });
            match outcome {
                Ok(()) => {
                    self.now().condition = Condition::Over;
                    if !self.stop.is_cancelled() {
                        info!("{} is at its end", self.name);
                    }
                    return;
                }
                Err(error) => {
                    self.now().condition = Condition::Failed(error.to_string());
                    if !matches!(source, Source::Interface(_)) {
                        return warn!("{error}");
                    }
                    warn!("{error}; trying again in {} s", wait.as_secs());
                    runtime.block_on(async {
                        tokio::select! {
                            () = tokio::time::sleep(wait) => {}
                            () = self.stop.cancelled() => {}
                        }
                    });
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    fn hear(&self, source: &Source, capture: Capture, recorder: &RecorderHandle) -> Result<(), CaptureError> {
        {
            let mut now = self.now();
            now.condition = Condition::Hearing;
            now.before = now.before.and(&now.counters);
            now.counters = capture.counters();
            now.capture = Some(capture.stop_handle());
        }
        if self.stop.is_cancelled() {
            return Ok(());
        }
        info!("hearing {} ({})", self.name, capture.link_type());
        let is_live = matches!(source, Source::Interface(_));
        let mut ear = Ear::new(&self.name, self.include_bad_fcs);
        capture.run(|frame| {
            let Some(heard) = ear.hear(frame) else { return ControlFlow::Continue(()) };
            if is_live {
                if let Some(dropped) = recorder.record_or_drop(heard) {
                    ear.forget(dropped);
                }
            } else if recorder.record(heard).is_err() {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    }
}

//! `run`: starts the parts and stops them in order. The only place that wires.
//!
//! Sources hear on threads of their own and hand probes to the recorder's thread; the bot runs beside
//! them. On a signal, or when a part fails that the service is nothing without, it stops in the order in
//! which events flow: first the sources, then the bot, last the recorder, which writes what it has.
//!
//! systemd is told that the service is ready once the log is recovered and a source is open. Until then questions are
//! answered all the same, and nothing ends as long as a source may come.

mod coverage;
mod monitoring;
mod name_importer;
mod ntp_sync;
mod readiness;
mod sd_notify;
mod source_worker;
mod watchdog;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api;
use crate::capture;
use crate::chat::Chat;
use crate::config::{self, Config};
use crate::control;
use crate::event::Timestamp;
use crate::event_log::OsVfs;
use crate::recorder::{self, Recorder, RecorderError, RecorderHandle, Retention};
use crate::state::{AlertPolicy, DEVICES_MEMORY_LIMIT};
use crate::telegram::{self, RequestMetrics, TelegramError};
use coverage::coverage;
use monitoring::Monitored;
pub use ntp_sync::is_synchronized;
use readiness::Readiness;
pub use sd_notify::{NotifyState, Systemd};
pub use source_worker::{ProbeConverter, is_excluded};
use source_worker::{Shared, SourceWorker};
pub use watchdog::{Heartbeat, Watchdog, WatchedPart};

/// How long the bot may take to finish what it is doing when the service stops.
const BOT_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the service could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Nothing to hear with.
    #[error("there is nothing to capture from: set capture.sources, for example to [\"mon0\"]")]
    NoSource,
    /// No source can be opened, and none will be by itself; why the first cannot.
    #[error("{0}")]
    Source(String),
    /// The data directory cannot be used.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The bot cannot serve.
    #[error(transparent)]
    Telegram(#[from] TelegramError),
    /// The address for health and metrics cannot be listened on.
    #[error("could not listen on {address} for health and metrics (monitoring.listen): {source}")]
    Listen {
        /// The configured address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gives no threads or signals.
    #[error("could not start: {0}")]
    System(#[from] std::io::Error),
    /// A part ended in a way that it never should.
    #[error("the {0} ended unexpectedly; this is a bug")]
    Bug(&'static str),
}

impl ServiceError {
    /// What the reader can do about it, where the error does not say so itself.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Telegram(error) => error.remedy(),
            Self::Recorder(error) => error.remedy(),
            _ => None,
        }
    }
}

/// The recorder's settings in `config`; alerts go to the chats that the bot serves. Nothing is too old to be
/// kept.
pub fn recorder_settings(config: &Config) -> recorder::Settings {
    let quiet = config.telegram.as_ref().and_then(|telegram| telegram.delivery.quiet);
    recorder::Settings {
        data_dir: config.data_dir.clone(),
        vfs: Arc::new(OsVfs),
        fsync_interval: config.fsync_interval,
        checkpoint_interval: config.checkpoint_interval,
        rotation: config.rotation,
        alerts: AlertPolicy {
            chats: config.telegram.as_ref().map(|telegram| telegram.chats.clone()).unwrap_or_default(),
            cooldown: config.alert_cooldown,
            // The quiet hours are no fault of Telegram's.
            max_age: config.alert_keep + quiet.map_or(Duration::ZERO, |quiet| quiet.length()),
            capturing_since: None,
        },
        retention: Retention::default(),
        devices_memory_limit: DEVICES_MEMORY_LIMIT,
    }
}

/// A recorder that runs on its own thread.
pub struct RunningRecorder {
    handle: RecorderHandle,
    thread: thread::JoinHandle<Result<(), RecorderError>>,
}

impl RunningRecorder {
    /// Opens the data directory of `settings`, takes over the names in `config`, and starts recording.
    /// `ended` is cancelled when the recording ends, for whatever reason.
    ///
    /// # Errors
    /// [`ServiceError`] where the data directory cannot be used.
    pub fn start(
        config: &Config,
        settings: recorder::Settings,
        runtime: Handle,
        ended: CancellationToken,
    ) -> Result<Self, ServiceError> {
        let (mut recorder, handle) = Recorder::open(settings)?;
        if let Some(devices) = &config.devices
            && let Err(error) = recorder.set_configured_names(devices, Timestamp::now())
        {
            // They hold from memory until the disk takes them, as all does that is recorded meanwhile.
            warn!("{error}; the configuration's names are not on disk yet");
        }
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || {
            let _ended = ended.drop_guard();
            recorder.run(&runtime)
        })?;
        Ok(Self { handle, thread })
    }

    /// Hands it probes and changes.
    pub fn handle(&self) -> &RecorderHandle {
        &self.handle
    }

    /// Has it write all that it was given, and ends it.
    ///
    /// # Errors
    /// [`ServiceError`] where that could not be written.
    pub async fn stop(self) -> Result<(), ServiceError> {
        self.handle.stop().await;
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        match joined {
            Ok(Ok(outcome)) => Ok(outcome?),
            _ => Err(ServiceError::Bug("recorder")),
        }
    }
}

/// Runs the service until SIGTERM or SIGINT. Frames whose FCS is wrong are left out unless
/// `include_bad_fcs`.
///
/// # Errors
/// [`ServiceError`] where it cannot start, or a part fails that it is nothing without.
pub async fn run(mut config: Config, include_bad_fcs: bool) -> Result<(), ServiceError> {
    if config.capture.sources.is_empty() {
        return Err(ServiceError::NoSource);
    }
    // The service's configuration says all: names that are no longer in it are gone.
    config.devices.get_or_insert_default();
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let monitor = match config.monitoring {
        Some(address) => Some(monitoring::listen(address).await?),
        None => None,
    };
    let systemd = Systemd::from_environment();
    let Some(recorder) = open_recorder(&config, &systemd, &stop).await? else { return Ok(()) };
    let starts = watch::Sender::new(());
    let started = starts.subscribe();
    let settings = capture::Settings {
        snaplen: config.capture.snaplen,
        buffer_bytes: config.capture.buffer_bytes,
        ..capture::Settings::default()
    };
    let shared = Shared { settings, include_bad_fcs, recorder: recorder.handle().clone(), starts };
    let (sensors, outcome) = start_sources(&config.capture.sources, &shared);
    let outcome = match outcome {
        Ok(()) => {
            let readiness = Readiness::new(&sensors, started);
            serve(&config, &sensors, readiness, recorder.handle(), &systemd, monitor, &stop).await
        }
        Err(error) => Err(error),
    };
    stop_sources(&sensors).await;
    outcome.and(recorder.stop().await)
}

/// The recorder, or none where `stop` comes first: the log may be long, and what was read of it so far
/// need not be kept.
async fn open_recorder(
    config: &Config,
    systemd: &Systemd,
    stop: &CancellationToken,
) -> Result<Option<RunningRecorder>, ServiceError> {
    let (config, runtime, ended) = (config.clone(), Handle::current(), stop.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let settings = recorder::Settings { retention: config.retention, ..recorder_settings(&config) };
        RunningRecorder::start(&config, settings, runtime, ended)
    });
    tokio::select! {
        opened = opening => opened.map_err(|_| ServiceError::Bug("recorder"))?.map(Some),
        () = stop.cancelled() => Ok(None),
        never = systemd.keep_extending_startup("recovering the log") => match never {},
    }
}

/// Starts the sources. Those that were started, and why that is not all.
fn start_sources(
    sources: &[config::Source],
    shared: &Shared,
) -> (Vec<Arc<SourceWorker>>, Result<(), ServiceError>) {
    let mut sensors = Vec::new();
    for source in sources {
        match SourceWorker::start(source, shared) {
            Ok(sensor) => sensors.push(sensor),
            Err(error) => return (sensors, Err(error)),
        }
    }
    (sensors, Ok(()))
}

/// Answers and alerts until `stop`, or until nothing can be heard, and ends the sources before the bot.
async fn serve(
    config: &Config,
    sensors: &[Arc<SourceWorker>],
    mut readiness: Readiness,
    recorder: &RecorderHandle,
    systemd: &Systemd,
    monitor: Option<TcpListener>,
    stop: &CancellationToken,
) -> Result<(), ServiceError> {
    recorder.set_capturing_since(coverage(sensors.to_vec()));
    let _watchdog = Watchdog::start(systemd, parts(sensors, recorder))?;
    tokio::select! {
        tried = readiness.wait_until_all_tried() => tried?,
        () = stop.cancelled() => {}
    }
    let statuses = {
        let sensors = sensors.to_vec();
        move || sensors.iter().map(|sensor| sensor.status()).collect()
    };
    let chat =
        Chat::new(recorder.clone(), config.time_zone, statuses).with_follow_silence(config.follow_silence);
    start_control_socket(config, &chat, recorder, stop);
    let requests = RequestMetrics::default();
    if let Some(listener) = monitor {
        let monitored = Monitored {
            recorder: recorder.clone(),
            sensors: sensors.to_vec(),
            look_ups: chat.lookup_timings(),
            requests: requests.clone(),
        };
        let parts = parts(sensors, recorder);
        tokio::spawn(monitoring::serve(listener, monitored, parts, stop.clone()));
    }
    let bot = start_bot(config, chat, recorder.clone(), requests, stop);
    tokio::spawn(ntp_sync::watch(sensors.to_vec(), recorder.clone(), stop.clone()));
    tokio::spawn(name_importer::import(config.name_files.clone(), recorder.clone(), stop.clone()));
    let outcome = notify_ready_then_wait(readiness, systemd, stop).await;
    info!("stopping");
    systemd.notify_stopping();
    stop.cancel();
    stop_sources(sensors).await;
    outcome.and(stop_bot(bot).await)
}

/// Tells `systemd` when a source is open, and waits for `stop`.
async fn notify_ready_then_wait(
    mut readiness: Readiness,
    systemd: &Systemd,
    stop: &CancellationToken,
) -> Result<(), ServiceError> {
    tokio::select! {
        opened = readiness.wait_until_one_open(systemd) => opened?,
        () = stop.cancelled() => return Ok(()),
    }
    systemd.notify_ready("recording");
    stop.cancelled().await;
    Ok(())
}

/// Serves the HTTP API on the control socket until `stop`. The service also works without it.
fn start_control_socket(config: &Config, chat: &Chat, recorder: &RecorderHandle, stop: &CancellationToken) {
    let listener = match control::Listener::bind(&config.data_dir) {
        Ok(listener) => listener,
        Err(error) => {
            return warn!(
                event = "control_socket_failed",
                path = %config.data_dir.join(control::SOCKET).display(),
                %error,
                "could not make the control socket: lookup, chat, status, export and check do not work while the \
                 service runs"
            );
        }
    };
    let services = api::Services {
        recorder: recorder.clone(),
        chat: chat.clone(),
        zone: config.time_zone,
        data_dir: config.data_dir.clone(),
        bot: config.telegram.clone().map(bot_status_query),
    };
    tokio::spawn(control::serve(listener, api::router(services), stop.clone()));
}

fn bot_status_query(settings: config::Telegram) -> api::BotStatusQuery {
    Arc::new(move || {
        let settings = settings.clone();
        Box::pin(async move {
            let status = telegram::query_bot_status(&settings).await.map_err(|error| error.to_string())?;
            serde_json::to_string(&status).map_err(|error| error.to_string())
        })
    })
}

/// The parts that have to move.
fn parts(sensors: &[Arc<SourceWorker>], recorder: &RecorderHandle) -> Vec<WatchedPart> {
    let recorder = recorder.clone();
    let recorder = WatchedPart::new("the recorder", move || Heartbeat::Iterations(recorder.turns()));
    let sensors = sensors.iter().map(|sensor| {
        let sensor = Arc::clone(sensor);
        WatchedPart::new(format!("the source {}", sensor.name()), move || sensor.heartbeat())
    });
    std::iter::once(recorder).chain(sensors).collect()
}

/// Ends all sources at the same time; those that have ended stay so.
async fn stop_sources(sensors: &[Arc<SourceWorker>]) {
    let mut stopping = tokio::task::JoinSet::new();
    for sensor in sensors {
        let sensor = Arc::clone(sensor);
        stopping.spawn(async move { sensor.stop().await });
    }
    while stopping.join_next().await.is_some() {}
}

type BotTask = tokio::task::JoinHandle<Result<(), TelegramError>>;

fn start_bot(
    config: &Config,
    chat: Chat,
    recorder: RecorderHandle,
    requests: RequestMetrics,
    stop: &CancellationToken,
) -> Option<BotTask> {
    let Some(settings) = config.telegram.clone() else {
        warn!("there is no telegram.token: probes are recorded, and nobody is answered");
        return None;
    };
    let (data_dir, stop) = (config.data_dir.clone(), stop.clone());
    Some(tokio::spawn(async move {
        let _ends_all = stop.clone().drop_guard();
        telegram::run(settings, &data_dir, chat, recorder, requests, stop).await
    }))
}

async fn stop_bot(bot: Option<BotTask>) -> Result<(), ServiceError> {
    let Some(mut bot) = bot else { return Ok(()) };
    match tokio::time::timeout(BOT_STOP_TIMEOUT, &mut bot).await {
        Ok(Ok(outcome)) => Ok(outcome?),
        Ok(Err(_)) => Err(ServiceError::Bug("bot")),
        Err(_) => {
            warn!(event = "bot_stop_timeout", "Telegram did not accept the last replies in time");
            bot.abort();
            Ok(())
        }
    }
}

fn stop_on_signals(stop: &CancellationToken) -> Result<(), ServiceError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
        // A second one means: now.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        error!("told to stop a second time: what was not fsynced yet may be lost");
        std::process::exit(1);
    });
    Ok(())
}

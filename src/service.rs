//! `probewatch run`: starts the parts of the service, and stops them in order. All wiring is here.
//!
//! Each source captures on a thread of its own and hands probes to the recorder's thread; the bot, the control socket
//! and the metrics run as tasks. On a signal, or when a part fails that the service cannot do without, it stops in the
//! order in which events flow: first the sources, then the bot, last the recorder, which writes what it has.
//!
//! The service reports to systemd that it is ready once the log is recovered and a source is open. Until then the bot answers
//! already, and the service waits as long as a source may still open.

mod coverage;
mod health;
mod monitoring;
mod name_importer;
mod ntp_sync;
mod readiness;
mod running_recorder;
mod sd_notify;
mod source_worker;
mod watchdog;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use store::event_log::LockError;
use store::recorder::{self, RecorderError, RecorderHandle};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::chat::Chat;
use crate::config::{self, Config};
use crate::telegram::{self, RequestMetrics, TelegramError};
use crate::{api, control, log_writer};
use coverage::coverage;
use health::Health;
use monitoring::Monitored;
pub use ntp_sync::is_synchronized;
use readiness::Readiness;
pub use running_recorder::{RunningRecorder, recorder_settings};
pub use sd_notify::{NotifyState, Systemd};
pub use source_worker::{FrameTimes, ProbeConverter, is_excluded};
use source_worker::{Shared, SourceWorker};
pub use watchdog::{Heartbeat, Watchdog, WatchedPart};

/// How long the bot may take to finish what it is doing when the service stops.
const BOT_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long at a stop frames are recorded that wait: the service stops within five seconds, whatever waits.
const RECORDER_DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the last lines of the log may take when a second signal ends the service at once.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(200);

/// How long a start waits for another process that uses the data directory: a command such as `probewatch status`
/// uses it for a moment.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a start tries to lock the data directory meanwhile.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Why the service could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No source is configured.
    #[error("there is nothing to capture from")]
    NoSource,
    /// No source can be opened, and none will be without help; why the first cannot.
    #[error("{0}")]
    Source(String),
    /// The data directory cannot be used.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The bot cannot serve.
    #[error(transparent)]
    Telegram(#[from] TelegramError),
    /// Nothing can listen on the address for health and metrics.
    #[error("could not listen on {address} for health and metrics (monitoring.listen): {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread or a signal handler could not be started.
    #[error("could not start: {0}")]
    System(#[from] std::io::Error),
    /// A part ended in a way that it never should.
    #[error("the {0} ended unexpectedly; this is a bug")]
    Bug(&'static str),
}

impl ServiceError {
    /// What the reader can do about it, if the error does not say so itself.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NoSource => {
                Some("run sudo probewatch setup, or set capture.sources, for example to [\"mon0\"]")
            }
            Self::Telegram(error) => error.remedy(),
            Self::Recorder(error) => error.remedy(),
            _ => None,
        }
    }
}

/// Runs the service until SIGTERM or SIGINT. Frames with a wrong FCS are left out unless `include_bad_fcs`.
///
/// # Errors
/// [`ServiceError`] if it cannot start, or a part fails that it cannot do without.
pub async fn run(mut config: Config, include_bad_fcs: bool) -> Result<(), ServiceError> {
    if config.capture.sources.is_empty() {
        return Err(ServiceError::NoSource);
    }
    // A name that is no longer in the service's configuration is removed.
    config.devices.get_or_insert_default();
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let monitoring = listen(config.monitoring).await?;
    let systemd = Systemd::from_environment();
    let Some(recorder) = open_recorder(&config, &systemd, &stop).await? else { return Ok(()) };
    recorder.set_grouping(config.grouping).await;
    let (startup, startup_changes) = watch::channel(());
    let (sources, started) = start_sources(&config, include_bad_fcs, recorder.handle(), startup);
    let service = Service { config, systemd, recorder: recorder.handle().clone(), sources, stop };
    let outcome = match started {
        Ok(()) => service.serve(monitoring, startup_changes).await,
        Err(error) => Err(error),
    };
    stop_sources(&service.sources).await;
    outcome.and(recorder.stop().await)
}

/// The listener for health and metrics, if one is configured.
async fn listen(address: Option<SocketAddr>) -> Result<Option<TcpListener>, ServiceError> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    listener.map(Some).map_err(|source| ServiceError::Listen { address, source })
}

/// Recovers the log. `None` if `stop` comes first: the log may be long, and what was read of it so far need not be
/// kept.
async fn open_recorder(
    config: &Config,
    systemd: &Systemd,
    stop: &CancellationToken,
) -> Result<Option<RunningRecorder>, ServiceError> {
    tokio::select! {
        opened = start_recorder(config, stop) => opened.map(Some),
        () = stop.cancelled() => Ok(None),
        never = systemd.keep_extending_startup("recovering the log") => match never {},
    }
}

/// Starts the recorder once no other process uses the data directory. Gives up after [`LOCK_TIMEOUT`], and at once if
/// another service uses it.
async fn start_recorder(config: &Config, stop: &CancellationToken) -> Result<RunningRecorder, ServiceError> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    let mut is_reported = false;
    loop {
        let (config, runtime, ended) = (config.clone(), Handle::current(), stop.clone());
        let data_dir = config.data_dir.clone();
        let started = tokio::task::spawn_blocking(move || {
            let settings =
                recorder::RecorderSettings { retention: config.retention, ..recorder_settings(&config) };
            RunningRecorder::start(&config, settings, runtime, ended)
        });
        match started.await.map_err(|_| ServiceError::Bug("recorder"))? {
            Err(ServiceError::Recorder(RecorderError::Lock(error @ LockError::Held { .. })))
                if Instant::now() < deadline && !control::is_listening(&data_dir) =>
            {
                if !is_reported {
                    info!(event = "data_dir_in_use", %error, "waiting until the data directory is free");
                    is_reported = true;
                }
                tokio::time::sleep(LOCK_POLL_INTERVAL).await;
            }
            started => return started,
        }
    }
}

/// The sources that were started, and why not all of them were.
fn start_sources(
    config: &Config,
    include_bad_fcs: bool,
    recorder: &RecorderHandle,
    startup: watch::Sender<()>,
) -> (Vec<Arc<SourceWorker>>, Result<(), ServiceError>) {
    let settings =
        capture::CaptureSettings { snaplen: config.capture.snaplen, ..capture::CaptureSettings::default() };
    let shared = Shared { settings, include_bad_fcs, recorder: recorder.clone(), startup };
    let mut started = Vec::new();
    for source in &config.capture.sources {
        match SourceWorker::start(source, &shared) {
            Ok(source) => started.push(source),
            Err(error) => return (started, Err(error)),
        }
    }
    (started, Ok(()))
}

fn log_time_zone(config: &Config) {
    let (zone, origin) = (config.time_zone, &config.time_zone_origin);
    match origin.remedy() {
        None => info!(event = "time_zone", %zone, "times are shown in {zone}, {origin}"),
        Some(remedy) => warn!(event = "time_zone", %zone, "times are shown in {zone}, {origin}; {remedy}"),
    }
}

/// Stops all sources at the same time; those that have stopped already stay so.
async fn stop_sources(sources: &[Arc<SourceWorker>]) {
    let mut stopping = JoinSet::new();
    for source in sources {
        let source = Arc::clone(source);
        stopping.spawn(async move { source.stop().await });
    }
    while stopping.join_next().await.is_some() {}
}

/// The service while the recorder and the sources run.
struct Service {
    config: Config,
    systemd: Systemd,
    recorder: RecorderHandle,
    sources: Vec<Arc<SourceWorker>>,
    stop: CancellationToken,
}

impl Service {
    /// Answers and alerts until it is to stop, or until no source can be opened; stops the sources before the bot.
    async fn serve(
        &self,
        monitoring: Option<TcpListener>,
        startup_changes: watch::Receiver<()>,
    ) -> Result<(), ServiceError> {
        let mut readiness = Readiness::new(&self.sources, startup_changes);
        self.recorder.set_capturing_since(coverage(self.sources.clone()));
        let _watchdog = Watchdog::start(&self.systemd, self.watched_parts())?;
        tokio::select! {
            tried = readiness.wait_until_all_tried() => tried?,
            () = self.stop.cancelled() => {}
        }
        let chat = self.chat();
        let requests = RequestMetrics::default();
        log_time_zone(&self.config);
        let (recorder, sources) = (self.recorder.clone(), self.sources.clone());
        let health = Health::start(recorder, sources, self.watched_parts(), self.stop.clone());
        self.start_control_socket(&chat, health.clone());
        self.start_monitoring(monitoring, &chat, &requests, health);
        let bot = self.start_bot(chat, requests);
        self.start_ntp_sync();
        self.start_name_importer();
        let outcome = self.run_until_stopped(readiness).await;
        info!(event = "stopping", "stopping");
        self.recorder.discard_probes_after(RECORDER_DRAIN_TIMEOUT);
        self.systemd.notify_stopping();
        self.stop.cancel();
        stop_sources(&self.sources).await;
        outcome.and(stop_bot(bot).await)
    }

    fn chat(&self) -> Chat {
        let sources = self.sources.clone();
        let statuses = move || sources.iter().map(|source| source.status()).collect();
        Chat::new(self.recorder.clone(), self.config.time_zone, statuses)
            .with_zone_origin(&self.config.time_zone_origin)
            .with_follow_silence(self.config.follow_silence)
            .with_settings(self.config.chat_settings.clone())
    }

    /// Tells systemd once a source is open, and waits until the service is to stop.
    async fn run_until_stopped(&self, mut readiness: Readiness) -> Result<(), ServiceError> {
        tokio::select! {
            opened = readiness.wait_until_one_open(&self.systemd) => opened?,
            () = self.stop.cancelled() => return Ok(()),
        }
        self.systemd.notify_ready("recording");
        self.stop.cancelled().await;
        Ok(())
    }

    /// Serves the HTTP API on the control socket. The service also works without it.
    fn start_control_socket(&self, chat: &Chat, health: Health) {
        let listener = match control::Listener::bind(&self.config.data_dir) {
            Ok(listener) => listener,
            Err(error) => {
                return warn!(
                    event = "control_socket_failed",
                    path = %self.config.data_dir.join(control::SOCKET).display(),
                    %error,
                    "could not make the control socket: lookup, chat, status, export and check do not work while \
                     the service runs"
                );
            }
        };
        let services = api::Services {
            recorder: self.recorder.clone(),
            chat: chat.clone(),
            zone: self.config.time_zone,
            data_dir: self.config.data_dir.clone(),
            bot: self.config.telegram.clone().map(bot_status_query),
            problems: Arc::new(move || health.problems()),
        };
        let (data_dir, recorder) = (self.config.data_dir.clone(), self.recorder.clone());
        tokio::spawn(serve_control(listener, data_dir, recorder, api::router(services), self.stop.clone()));
    }

    /// Serves health and metrics.
    fn start_monitoring(
        &self,
        listener: Option<TcpListener>,
        chat: &Chat,
        requests: &RequestMetrics,
        health: Health,
    ) {
        let Some(listener) = listener else { return };
        let monitored = Monitored {
            recorder: self.recorder.clone(),
            sources: self.sources.clone(),
            lookups: chat.lookup_timings(),
            requests: requests.clone(),
            health,
        };
        tokio::spawn(monitoring::serve(listener, monitored, self.stop.clone()));
    }

    /// Answers and alerts in Telegram. If that ends, so does the service.
    fn start_bot(&self, chat: Chat, requests: RequestMetrics) -> Option<BotTask> {
        let Some(settings) = self.config.telegram.clone() else {
            warn!(
                event = "no_telegram_token",
                "there is no telegram.token: probes are recorded, but there is no bot"
            );
            return None;
        };
        let (data_dir, recorder, stop) =
            (self.config.data_dir.clone(), self.recorder.clone(), self.stop.clone());
        Some(tokio::spawn(async move {
            let _stops_service = stop.clone().drop_guard();
            telegram::run(settings, &data_dir, chat, recorder, requests, stop).await
        }))
    }

    /// Lets the recorder trust the machine's clock once a time server has set it.
    fn start_ntp_sync(&self) {
        tokio::spawn(ntp_sync::watch(self.recorder.clone(), self.stop.clone()));
    }

    /// Keeps the names of devices that other programs know up to date.
    fn start_name_importer(&self) {
        let files = self.config.name_files.clone();
        tokio::spawn(name_importer::import(files, self.recorder.clone(), self.stop.clone()));
    }

    /// The loops that must not stall.
    fn watched_parts(&self) -> Vec<WatchedPart> {
        let recorder = self.recorder.clone();
        let recorder = WatchedPart::new("the recorder", move || Heartbeat::Iterations(recorder.iterations()));
        let sources = self.sources.iter().map(|source| {
            let source = Arc::clone(source);
            WatchedPart::new(format!("the source {}", source.name()), move || source.heartbeat())
        });
        std::iter::once(recorder).chain(sources).collect()
    }
}

/// Serves the control socket until `stop`. Makes it again when the data directory was, after somebody removed that.
async fn serve_control(
    mut listener: control::Listener,
    data_dir: PathBuf,
    recorder: RecorderHandle,
    router: axum::Router,
    stop: CancellationToken,
) {
    let mut disk_error = recorder.subscribe_disk_error();
    loop {
        tokio::select! {
            () = control::serve(&listener, router.clone(), stop.clone()) => return,
            changed = disk_error.changed() => if changed.is_err() { return },
        }
        if disk_error.borrow_and_update().is_none() && !listener.is_in_place() {
            match control::Listener::bind(&data_dir) {
                Ok(renewed) => listener = renewed,
                Err(error) => {
                    warn!(event = "control_socket_failed", %error, "could not make the control socket again");
                }
            }
        }
    }
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

type BotTask = JoinHandle<Result<(), TelegramError>>;

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
        // A second signal: end now.
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        error!(event = "killed", "a second signal: what was not fsynced yet may be lost");
        log_writer::flush(LAST_LINES_TIMEOUT);
        std::process::exit(1);
    });
    Ok(())
}

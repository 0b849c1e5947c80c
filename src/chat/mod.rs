//! A message in, a reply out. Telegram and the terminal are two adapters over this core, which knows neither.
//!
//! - [`model`]: values and limits.
//! - [`commands`]: the table of all commands, and how their arguments are read.
//! - [`callbacks`]: the codec for what buttons do.
//! - `handlers`: the dispatcher, and what each command and button does.
//! - [`views`]: every text and button, as functions from values.
//! - [`pending_alerts`]: what waits to be sent.

mod access;
mod button;
pub mod callbacks;
pub mod commands;
pub mod console;
mod handlers;
mod message;
pub mod model;
pub mod pending_alerts;
pub mod views;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono_tz::Tz;
use store::event::{ChatId, Event, EventKind};
use store::recorder::RecorderHandle;

use crate::chat_settings::{ConfiguredSettings, EffectiveSettings, SettingOrigin};
use crate::log_writer;
use crate::metrics::Timings;
use crate::status::{
    Ownership, RequestedWaits, ServerFeatures, ShownTimeZone, SourceStatus, Status, TelegramProblems,
};
use crate::text::Text;
pub use access::{AccessControl, BoxFuture};
pub use button::{Button, ButtonAction, ButtonStyle};
pub use message::{
    Asker, ButtonPress, File, InlineCard, PressReply, Progress, ProgressStep, Reply, ReplyKind, UserMessage,
};
use model::document::DOCUMENT_LIMIT;
pub use model::read_limiter::DocumentPermit;
use model::read_limiter::ReadLimiter;

/// How long a followed device must be silent to count as gone, unless configured.
const FOLLOW_SILENCE: Duration = Duration::from_secs(15 * 60);

/// Answers messages.
#[derive(Clone)]
pub struct Chat {
    recorder: RecorderHandle,
    zone: Tz,
    /// The zone at the start, and where it comes from.
    time_zone: Option<Arc<ShownTimeZone>>,
    started: Instant,
    follow_silence: Duration,
    settings: Arc<ConfiguredSettings>,
    sources: Arc<dyn Fn() -> Vec<SourceStatus> + Send + Sync>,
    read_limiter: ReadLimiter,
    lookup_timings: Arc<Timings>,
    requested_waits: RequestedWaits,
    telegram_problems: TelegramProblems,
    server_features: ServerFeatures,
    ownership: Ownership,
    access: Option<Arc<dyn AccessControl>>,
    /// Held while a device is named or a proposal answered.
    naming: Arc<tokio::sync::Mutex<()>>,
}

impl Chat {
    /// A chat over the recorder's state and log, with times in `zone`; `sources` gives the status of every source.
    pub fn new(
        recorder: RecorderHandle,
        zone: Tz,
        sources: impl Fn() -> Vec<SourceStatus> + Send + Sync + 'static,
    ) -> Self {
        Self {
            recorder,
            zone,
            time_zone: None,
            started: Instant::now(),
            follow_silence: FOLLOW_SILENCE,
            settings: Arc::new(ConfiguredSettings::unset(zone)),
            sources: Arc::new(sources),
            read_limiter: ReadLimiter::new(DOCUMENT_LIMIT),
            lookup_timings: Arc::default(),
            requested_waits: RequestedWaits::default(),
            telegram_problems: TelegramProblems::default(),
            server_features: ServerFeatures::default(),
            ownership: Ownership::default(),
            access: None,
            naming: Arc::default(),
        }
    }

    /// The same chat with documents of at most `document_limit` bytes: rows beyond that are left out.
    #[must_use]
    pub fn with_document_limit(self, document_limit: usize) -> Self {
        Self { read_limiter: ReadLimiter::new(document_limit), ..self }
    }

    /// The same chat, where a followed device has left after `follow_silence` without probes, unless `/follow` sets
    /// another.
    #[must_use]
    pub fn with_follow_silence(self, follow_silence: Duration) -> Self {
        Self { follow_silence, ..self }
    }

    /// The same chat where the configuration says this about what chats may choose.
    #[must_use]
    pub fn with_settings(self, settings: ConfiguredSettings) -> Self {
        Self { settings: Arc::new(settings), ..self }
    }

    /// The same chat, whose status says where its zone comes from.
    #[must_use]
    pub fn with_zone_origin(self, origin: impl std::fmt::Display) -> Self {
        let zone = ShownTimeZone { name: self.zone.to_string(), origin: origin.to_string() };
        Self { time_zone: Some(Arc::new(zone)), ..self }
    }

    /// The same chat with times in another zone.
    #[must_use]
    pub fn with_time_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// The same chat where `access` knows who owns the bot. Without it, the commands of owners do not exist.
    #[must_use]
    pub fn with_access(self, access: Arc<dyn AccessControl>) -> Self {
        Self { access: Some(access), ..self }
    }

    /// The status of every source.
    pub fn source_statuses(&self) -> Vec<SourceStatus> {
        (self.sources)()
    }

    /// How long look-ups of devices and networks took.
    pub fn lookup_timings(&self) -> Arc<Timings> {
        Arc::clone(&self.lookup_timings)
    }

    /// The waits that Telegram asks for, which the status shows.
    pub fn requested_waits(&self) -> RequestedWaits {
        self.requested_waits.clone()
    }

    /// What keeps the bot from its work in Telegram, which the status shows.
    pub fn telegram_problems(&self) -> TelegramProblems {
        self.telegram_problems.clone()
    }

    /// What the Bot API server is known to lack, which the status shows.
    pub fn server_features(&self) -> ServerFeatures {
        self.server_features.clone()
    }

    /// Whether the bot has an owner, which the bot sets and the control API tells.
    pub fn ownership(&self) -> Ownership {
        self.ownership.clone()
    }

    /// The zone in which times are shown.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// What the configuration says about what chats may choose.
    pub fn configured_settings(&self) -> Arc<ConfiguredSettings> {
        Arc::clone(&self.settings)
    }

    /// What holds for this chat.
    fn settings_of(&self, chat: ChatId) -> EffectiveSettings {
        self.settings.of(&self.recorder.state().chat_settings().of(chat))
    }

    /// The same chat with times in the zone of this one. The terminal has that of its own environment.
    pub fn in_zone_of(&self, chat: ChatId) -> Self {
        let zone = self.settings_of(chat).time_zone;
        if chat == ChatId::TERMINAL || zone.origin != SettingOrigin::Chosen {
            return self.clone();
        }
        self.clone().with_time_zone(zone.value).with_zone_origin(views::settings::ZONE_IS_CHOSEN)
    }

    /// Makes changes that somebody asked for, and returns `done`, or why they failed. In a group the reply says who it
    /// was.
    async fn change(&self, asker: Asker<'_>, kinds: Vec<EventKind>, done: impl Into<Reply>) -> Reply {
        match self.change_all(asker, kinds).await {
            Ok(()) => views::by_whom(done.into(), asker),
            Err(failed) => failed.into(),
        }
    }

    /// Makes several changes at once, with the note that the update was handled. If that fails, returns the reply.
    async fn change_all(&self, asker: Asker<'_>, kinds: Vec<EventKind>) -> Result<(), Text> {
        let time = self.recorder.now();
        let changes = kinds.into_iter().map(|kind| Event::new(time, kind).by(asker.person));
        // Written after the change: if the write is cut off, the update comes again and repeats the change.
        let handled = asker.update.map(|update| Event::new(time, EventKind::UpdateHandled { update }));
        let events = changes.chain(handled).collect();
        self.recorder.change_all(events).await.map_err(|error| views::change_failed(&error))
    }

    /// The status of the service.
    pub async fn status(&self) -> Status {
        let history = self.recorder.history().clone();
        let log = tokio::task::spawn_blocking(move || history.size().ok()).await;
        // Before the state is locked: a source may take a while.
        let sources = (self.sources)();
        let losses = self.recorder.losses();
        let disk_error = self.recorder.disk_error();
        let mut offline = Status::offline(&self.recorder.state(), log.ok().flatten(), self.recorder.now());
        let mut telegram_problems = std::mem::take(&mut offline.telegram_problems);
        telegram_problems.extend(self.telegram_problems.current(self.recorder.now()));
        Status {
            uptime: self.started.elapsed(),
            sources,
            lost_probes: losses.queue_full.load(Ordering::Relaxed)
                + losses.disk_failed.load(Ordering::Relaxed),
            lost_log_lines: log_writer::lost_lines(),
            disk_error: disk_error.as_ref().map(|error| error.why.clone()),
            disk_remedy: disk_error.map(|error| error.remedy),
            telegram_waits: self.requested_waits.current(self.recorder.now()),
            telegram_problems,
            telegram_server_lacks: self.server_features.lacking(),
            clock_doubt: self.recorder.clock_doubt(),
            pending_deletion: self.recorder.pending_deletion(),
            time_zone: self.time_zone.as_deref().cloned(),
            ..offline
        }
    }
}

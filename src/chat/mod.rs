//! A message in, a reply out. Telegram and the terminal are two adapters over this one core, which knows
//! neither.

pub mod callbacks;
pub mod commands;
pub mod console;
mod handlers;
mod message;
pub mod model;
pub mod views;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono_tz::Tz;

use crate::dot11::{MacAddr, Ssid};
use crate::event::{ChatId, Event, EventKind, NamedBy, Timestamp};
use crate::metrics::Timings;
use crate::recorder::RecorderHandle;
use crate::status::{SourceStatus, Status};
use crate::suggest;
use crate::text::Text;
use callbacks::Action;
use commands::{Command, Request};
use handlers::subscriptions::WatchedNetworks;
pub use message::{
    Button, ButtonPress, File, PressReply, Progress, ProgressStep, Reply, ReplyKind, UserMessage,
};
use model::alert_preference::AlertButton;
use model::chart::ChartSubject;
use model::document::DOCUMENT_LIMIT;
use model::lookup::look_up;
use model::pagination::{self, SortOrder};
pub use model::read_limiter::DocumentPermit;
use model::read_limiter::ReadLimiter;
use model::watch_target::WatchTarget;

/// How long a followed device must be silent to have left, unless that is set.
const FOLLOW_SILENCE: Duration = Duration::from_secs(15 * 60);

/// The longest text that vanishes again, in characters (Bot API, `answerCallbackQuery`).
const TELL_LENGTH: usize = 200;

/// How similar to an unknown command one must be to be suggested for it.
const LEAST_SIMILARITY: f64 = 0.8;

/// Answers messages.
#[derive(Clone)]
pub struct Chat {
    recorder: RecorderHandle,
    zone: Tz,
    started: Instant,
    follow_silence: Duration,
    sensors: Arc<dyn Fn() -> Vec<SourceStatus> + Send + Sync>,
    read_limiter: ReadLimiter,
    look_ups: Arc<Timings>,
}

impl Chat {
    /// A chat over what `recorder` holds, with times in `zone`; `sensors` tells for `/status` how the
    /// sources of frames are doing.
    pub fn new(
        recorder: RecorderHandle,
        zone: Tz,
        sensors: impl Fn() -> Vec<SourceStatus> + Send + Sync + 'static,
    ) -> Self {
        Self {
            recorder,
            zone,
            started: Instant::now(),
            follow_silence: FOLLOW_SILENCE,
            sensors: Arc::new(sensors),
            read_limiter: ReadLimiter::new(DOCUMENT_LIMIT),
            look_ups: Arc::default(),
        }
    }

    /// The same chat, whose documents have at most so many bytes: rows that have no room are left out.
    #[must_use]
    pub fn with_documents_of(self, document_limit: usize) -> Self {
        Self { read_limiter: ReadLimiter::new(document_limit), ..self }
    }

    /// The same chat, where a followed device has left after so long a silence unless `/follow` says another.
    #[must_use]
    pub fn following_after(self, follow_silence: Duration) -> Self {
        Self { follow_silence, ..self }
    }

    /// The same chat, with times in another zone.
    #[must_use]
    pub fn in_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// How the sources of frames are doing.
    pub fn sensors(&self) -> Vec<SourceStatus> {
        (self.sensors)()
    }

    /// How long look-ups of devices and networks took.
    pub fn look_ups(&self) -> Arc<Timings> {
        Arc::clone(&self.look_ups)
    }

    /// The zone in which times are shown.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The answer to a message from a chat that is served. A change is on disk when this returns, and with
    /// it that it was made for the message's update. An answer that takes its time tells its steps.
    pub async fn answer(&self, message: UserMessage<'_>, progress: &Progress) -> Reply {
        let UserMessage { chat, text, in_reply_to, update } = message;
        let named = in_reply_to.and_then(views::asked_to_name).filter(|_| !text.trim().starts_with('/'));
        let request = match named {
            Some(address) => Request::name_given(address, text),
            None => Request::parse(text),
        };
        match request {
            Request::Lookup(query) => self.look_up(&query),
            Request::Devices(page) => self.devices(page),
            Request::Nearby(minutes) => self.nearby(minutes, 0),
            Request::Top(page) => self.top(page),
            Request::Network(ssid) => self.network(&ssid, 0),
            Request::Networks(page) => self.networks(chat, page),
            Request::Chart(subject, period) => self.chart(subject, period, progress).await,
            Request::ExportDevice(query) => self.export_device(&query, progress).await,
            Request::ExportNetworks => self.export_networks(chat, progress).await,
            Request::Watch { wanted, reason } => self.watch(chat, wanted, reason, update).await.into(),
            Request::Unwatch(wanted) => self.unwatch(chat, wanted, update).await.into(),
            Request::Watches(page) => self.watches(chat, page),
            Request::AlertPreference(wish) => self.apply(chat, wish, update).await,
            Request::Name { address, name } => self.name(address, name, update).await.into(),
            Request::NameRefused { address, why } => ask_for_name(views::name_refused(address, &why)),
            Request::Unname(address) => self.unname(address, update).await.into(),
            Request::Status => {
                crate::status::status(&self.status().await, Timestamp::now(), self.zone).into()
            }
            Request::Start => views::start().into(),
            Request::Help | Request::Nothing => views::help().into(),
            Request::UsageError { command, why } => views::misused(command, &why).into(),
            Request::UnknownCommand(name) => views::unknown_command(&name, nearest_command(&name)).into(),
        }
    }

    /// What a press of a button does, in a chat that is served. Changes and steps are as in
    /// [`Chat::answer`].
    pub async fn press(&self, press: ButtonPress<'_>, progress: &Progress) -> PressReply {
        // Both spell what they have in common alike.
        if let Some(button) = AlertButton::decode(press.data) {
            return self.press_under_alert(press, button).await;
        }
        let ButtonPress { chat, data, update } = press;
        let Some(action) = Action::decode(data) else {
            return PressReply::Notify(views::OLD_BUTTON.to_owned());
        };
        match action {
            Action::Card(address) => PressReply::Send(self.look_up(&address.to_string())),
            Action::ChartDevice(address, period) => {
                let subject = ChartSubject::Device(address.to_string());
                redrawn(self.chart(subject, period, progress).await)
            }
            Action::ChartNetwork(ssid, period) => {
                redrawn(self.chart(ChartSubject::Network(ssid), period, progress).await)
            }
            Action::NewestProbes(address) => PressReply::Send(self.probes(address, 0, progress).await),
            Action::Probes(address, page) => PressReply::Edit(self.probes(address, page, progress).await),
            Action::Name(address) => PressReply::Send(ask_for_name(views::name_question(address))),
            Action::Follow(address) => {
                PressReply::Send(self.follow(chat, &address.to_string(), update).await)
            }
            Action::Watch(ssid) => {
                let told = self.watch(chat, WatchTarget::Network(ssid), None, update).await;
                PressReply::Notify(told.shortened(TELL_LENGTH).to_string())
            }
            Action::WatchListed(ssid, page) => {
                let told = self.watch(chat, WatchTarget::Network(ssid), None, update).await;
                let told = told.shortened(TELL_LENGTH).to_string();
                PressReply::NotifyAndEdit(told, self.networks(chat, page))
            }
            Action::Watches(page) => PressReply::Edit(self.watches(chat, page)),
            Action::Devices(page) => PressReply::Edit(self.devices(page)),
            Action::Nearby(minutes, page) => PressReply::Edit(self.nearby(minutes, page)),
            Action::Top(page) => PressReply::Edit(self.top(page)),
            Action::Networks(page) => PressReply::Edit(self.networks(chat, page)),
            Action::Network(ssid, page) => PressReply::Edit(self.network(&ssid, page)),
        }
    }

    fn look_up(&self, query: &str) -> Reply {
        self.look_ups.time("device", || {
            let state = self.recorder.state();
            let found = look_up(&state, query);
            Reply {
                text: views::found(&found, Timestamp::now(), self.zone),
                buttons: views::found_buttons(&found, state.names()),
                ..Reply::default()
            }
        })
    }

    fn devices(&self, page: u32) -> Reply {
        let page = pagination::devices(&self.recorder, SortOrder::Newest, None, page);
        views::devices(&page, Timestamp::now())
    }

    fn nearby(&self, minutes: u32, page: u32) -> Reply {
        let now = Timestamp::now();
        let since = now.saturating_sub(Duration::from_secs(60 * u64::from(minutes)));
        let page = pagination::devices(&self.recorder, SortOrder::Strongest, Some(since), page);
        views::nearby(&page, minutes, now)
    }

    fn top(&self, page: u32) -> Reply {
        let page = pagination::devices(&self.recorder, SortOrder::MostProbes, None, page);
        views::top(&page, Timestamp::now())
    }

    fn network(&self, ssid: &Ssid, page: u32) -> Reply {
        self.look_ups.time("network", || {
            let network = self.recorder.state().networks().get(ssid);
            let askers = pagination::who_asked(&self.recorder, ssid, page);
            views::who_asked(ssid, network, &askers, (Timestamp::now(), self.zone))
        })
    }

    fn networks(&self, chat: ChatId, page: u32) -> Reply {
        let page = pagination::networks(&self.recorder, page);
        let state = self.recorder.state();
        let watched = WatchedNetworks::by(chat, &state);
        views::networks(&page, |ssid| watched.covers(ssid), Timestamp::now())
    }

    async fn name(&self, address: MacAddr, name: String, update: Option<u32>) -> Text {
        let namesakes = self.recorder.state().names().addresses_of(&name);
        let others = namesakes.iter().filter(|other| **other != address).count();
        let done = views::named(address, &name, others);
        let event = Event::new(Timestamp::now(), EventKind::Name { address, name, by: NamedBy::Chat });
        self.change(event, update, done).await
    }

    async fn unname(&self, address: MacAddr, update: Option<u32>) -> Text {
        let name = self.recorder.state().names().get(address).cloned().unwrap_or_default();
        match (name.chat, name.config) {
            (Some(_), configured) => {
                let done = views::unnamed(address, configured.or(name.import).as_deref());
                let event = Event::new(Timestamp::now(), EventKind::Unname { address, by: NamedBy::Chat });
                self.change(event, update, done).await
            }
            (None, Some(name)) => views::named_by_configuration(address, &name),
            (None, None) => match name.import {
                Some(name) => views::named_by_import(address, &name),
                None => views::had_no_name(address),
            },
        }
    }

    async fn change(&self, event: Event, update: Option<u32>, done: Text) -> Text {
        // Behind the change, so that of a write that is cut off the update comes again and repeats it.
        let answered = update.map(|update| Event::new(Timestamp::now(), EventKind::UpdateHandled { update }));
        match self.recorder.change_all([event].into_iter().chain(answered).collect()).await {
            Ok(()) => done,
            Err(error) => views::change_failed(&error),
        }
    }

    /// How the box is doing.
    pub async fn status(&self) -> Status {
        let history = self.recorder.history().clone();
        let log = tokio::task::spawn_blocking(move || history.size().ok()).await;
        // Before the state is held: a source may take its time.
        let sensors = (self.sensors)();
        let losses = self.recorder.losses();
        Status {
            uptime: self.started.elapsed(),
            sensors,
            lost_probes: losses.queue_full.load(Ordering::Relaxed)
                + losses.disk_failed.load(Ordering::Relaxed),
            disk_error: self.recorder.disk_error(),
            ..Status::of_state(&self.recorder.state(), log.ok().flatten())
        }
    }
}

/// What a press for a chart does: the picture takes the place of the one that it was pressed under. Why there is
/// none is a message of its own.
fn redrawn(chart: Reply) -> PressReply {
    if chart.file.is_some() { PressReply::Edit(chart) } else { PressReply::Send(chart) }
}

/// The question for a device's name.
fn ask_for_name(question: Text) -> Reply {
    Reply { text: question, asks_for: Some(views::NAME_FIELD), ..Reply::default() }
}

fn nearest_command(name: &str) -> Option<Command> {
    let known = Command::ALL.into_iter().map(Command::name);
    let similar = suggest::similar_by(known, LEAST_SIMILARITY, |known| suggest::similarity(known, name));
    similar.first().and_then(|nearest| Command::named(nearest))
}

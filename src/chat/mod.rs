//! A message in, a reply out. Telegram and the terminal are two adapters over this one core, which knows
//! neither.

mod answer;
pub mod button;
pub mod console;
mod document;
mod history;
pub mod listing;
pub mod lookup;
pub mod period;
mod readings;
pub mod reply;
pub mod request;
pub mod table;
mod text;
mod watching;
pub mod wish;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono_tz::Tz;

use crate::dot11::{MacAddr, Ssid};
use crate::event::{ChatId, Event, EventKind, NamedBy, Timestamp};
use crate::metrics::Timings;
use crate::recorder::RecorderHandle;
use crate::suggest;
pub use answer::{Answer, Button, File, Makes, Message, Press, Pressed, Progress, Step};
use button::Action;
use document::DOCUMENT_LIMIT;
pub use history::Subject;
use listing::Order;
use lookup::look_up;
use readings::Readings;
pub use readings::Room;
use reply::{SensorStatus, Status};
use request::{Command, Request, Wanted};
pub use text::{MESSAGE_LIMIT, Text, printable};
use watching::Watched;
use wish::AlertButton;

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
    sensors: Arc<dyn Fn() -> Vec<SensorStatus> + Send + Sync>,
    readings: Readings,
    look_ups: Arc<Timings>,
}

impl Chat {
    /// A chat over what `recorder` holds, with times in `zone`; `sensors` tells for `/status` how the
    /// sources of frames are doing.
    pub fn new(
        recorder: RecorderHandle,
        zone: Tz,
        sensors: impl Fn() -> Vec<SensorStatus> + Send + Sync + 'static,
    ) -> Self {
        Self {
            recorder,
            zone,
            started: Instant::now(),
            follow_silence: FOLLOW_SILENCE,
            sensors: Arc::new(sensors),
            readings: Readings::new(DOCUMENT_LIMIT),
            look_ups: Arc::default(),
        }
    }

    /// The same chat, whose documents have at most so many bytes: rows that have no room are left out.
    #[must_use]
    pub fn with_documents_of(self, document_limit: usize) -> Self {
        Self { readings: Readings::new(document_limit), ..self }
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
    pub fn sensors(&self) -> Vec<SensorStatus> {
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
    pub async fn answer(&self, message: Message<'_>, progress: &Progress) -> Answer {
        let Message { chat, text, in_reply_to, update } = message;
        let named = in_reply_to.and_then(reply::asked_to_name).filter(|_| !text.trim().starts_with('/'));
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
            Request::Wish(wish) => self.fulfil(chat, wish, update).await,
            Request::Name { address, name } => self.name(address, name, update).await.into(),
            Request::NameRefused { address, why } => ask_for_name(reply::name_refused(address, &why)),
            Request::Unname(address) => self.unname(address, update).await.into(),
            Request::Status => reply::status(&self.status().await, Timestamp::now(), self.zone).into(),
            Request::Start => reply::start().into(),
            Request::Help | Request::Nothing => reply::help().into(),
            Request::Misused { command, why } => reply::misused(command, &why).into(),
            Request::UnknownCommand(name) => reply::unknown_command(&name, nearest_command(&name)).into(),
        }
    }

    /// What a press of a button does, in a chat that is served. Changes and steps are as in
    /// [`Chat::answer`].
    pub async fn press(&self, press: Press<'_>, progress: &Progress) -> Pressed {
        // Both spell what they have in common alike.
        if let Some(button) = AlertButton::decode(press.data) {
            return self.press_under_alert(press, button).await;
        }
        let Press { chat, data, update } = press;
        let Some(action) = Action::decode(data) else { return Pressed::Tell(reply::OLD_BUTTON.to_owned()) };
        match action {
            Action::Card(address) => Pressed::Send(self.look_up(&address.to_string())),
            Action::ChartDevice(address, period) => {
                let subject = Subject::Device(address.to_string());
                redrawn(self.chart(subject, period, progress).await)
            }
            Action::ChartNetwork(ssid, period) => {
                redrawn(self.chart(Subject::Network(ssid), period, progress).await)
            }
            Action::NewestProbes(address) => Pressed::Send(self.probes(address, 0, progress).await),
            Action::Probes(address, page) => Pressed::Edit(self.probes(address, page, progress).await),
            Action::Name(address) => Pressed::Send(ask_for_name(reply::name_question(address))),
            Action::Follow(address) => Pressed::Send(self.follow(chat, &address.to_string(), update).await),
            Action::Watch(ssid) => {
                let told = self.watch(chat, Wanted::Network(ssid), None, update).await;
                Pressed::Tell(told.shortened(TELL_LENGTH).to_string())
            }
            Action::WatchListed(ssid, page) => {
                let told = self.watch(chat, Wanted::Network(ssid), None, update).await;
                let told = told.shortened(TELL_LENGTH).to_string();
                Pressed::TellAndEdit(told, self.networks(chat, page))
            }
            Action::Watches(page) => Pressed::Edit(self.watches(chat, page)),
            Action::Devices(page) => Pressed::Edit(self.devices(page)),
            Action::Nearby(minutes, page) => Pressed::Edit(self.nearby(minutes, page)),
            Action::Top(page) => Pressed::Edit(self.top(page)),
            Action::Networks(page) => Pressed::Edit(self.networks(chat, page)),
            Action::Network(ssid, page) => Pressed::Edit(self.network(&ssid, page)),
        }
    }

    fn look_up(&self, query: &str) -> Answer {
        self.look_ups.time("device", || {
            let state = self.recorder.state();
            let found = look_up(&state, query);
            Answer {
                text: reply::found(&found, Timestamp::now(), self.zone),
                buttons: reply::found_buttons(&found, state.names()),
                ..Answer::default()
            }
        })
    }

    fn devices(&self, page: u32) -> Answer {
        let page = listing::devices(&self.recorder, Order::Newest, None, page);
        reply::devices(&page, Timestamp::now())
    }

    fn nearby(&self, minutes: u32, page: u32) -> Answer {
        let now = Timestamp::now();
        let since = now.earlier_by(Duration::from_secs(60 * u64::from(minutes)));
        let page = listing::devices(&self.recorder, Order::Strongest, Some(since), page);
        reply::nearby(&page, minutes, now)
    }

    fn top(&self, page: u32) -> Answer {
        let page = listing::devices(&self.recorder, Order::MostProbes, None, page);
        reply::top(&page, Timestamp::now())
    }

    fn network(&self, ssid: &Ssid, page: u32) -> Answer {
        self.look_ups.time("network", || {
            let network = self.recorder.state().networks().get(ssid);
            let askers = listing::who_asked(&self.recorder, ssid, page);
            reply::who_asked(ssid, network, &askers, (Timestamp::now(), self.zone))
        })
    }

    fn networks(&self, chat: ChatId, page: u32) -> Answer {
        let page = listing::networks(&self.recorder, page);
        let state = self.recorder.state();
        let watched = Watched::by(chat, &state);
        reply::networks(&page, |ssid| watched.covers(ssid), Timestamp::now())
    }

    async fn name(&self, address: MacAddr, name: String, update: Option<u32>) -> Text {
        let namesakes = self.recorder.state().names().addresses_of(&name);
        let others = namesakes.iter().filter(|other| **other != address).count();
        let done = reply::named(address, &name, others);
        let event = Event::new(Timestamp::now(), EventKind::Name { address, name, by: NamedBy::Chat });
        self.change(event, update, done).await
    }

    async fn unname(&self, address: MacAddr, update: Option<u32>) -> Text {
        let name = self.recorder.state().names().get(address).cloned().unwrap_or_default();
        match (name.chat, name.config) {
            (Some(_), configured) => {
                let done = reply::unnamed(address, configured.or(name.import).as_deref());
                let event = Event::new(Timestamp::now(), EventKind::Unname { address, by: NamedBy::Chat });
                self.change(event, update, done).await
            }
            (None, Some(name)) => reply::named_by_configuration(address, &name),
            (None, None) => match name.import {
                Some(name) => reply::named_by_import(address, &name),
                None => reply::had_no_name(address),
            },
        }
    }

    async fn change(&self, event: Event, update: Option<u32>, done: Text) -> Text {
        // Behind the change, so that of a write that is cut off the update comes again and repeats it.
        let answered = update.map(|update| Event::new(Timestamp::now(), EventKind::UpdateHandled { update }));
        match self.recorder.change_all([event].into_iter().chain(answered).collect()).await {
            Ok(()) => done,
            Err(error) => reply::change_failed(&error),
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
fn redrawn(chart: Answer) -> Pressed {
    if chart.file.is_some() { Pressed::Edit(chart) } else { Pressed::Send(chart) }
}

/// The question for a device's name.
fn ask_for_name(question: Text) -> Answer {
    Answer { text: question, asks_for: Some(reply::NAME_FIELD), ..Answer::default() }
}

fn nearest_command(name: &str) -> Option<Command> {
    let known = Command::ALL.into_iter().map(Command::name);
    let similar = suggest::similar_by(known, LEAST_SIMILARITY, |known| suggest::similarity(known, name));
    similar.first().and_then(|nearest| Command::named(nearest))
}

//! A message in, a reply out. Telegram and the terminal are two adapters over this one core, which knows
//! neither.

mod answer;
pub mod console;
pub mod lookup;
pub mod reply;
pub mod reply_access;
pub mod request;
mod text;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chrono_tz::Tz;

use crate::dot11::{MacAddr, Ssid};
use crate::event::{ChatId, Event, NamedBy, Timestamp};
use crate::recorder::RecorderHandle;
pub use answer::{Answer, Button, File, Message, Press, Pressed};
use lookup::look_up;
use reply::{SensorStatus, Status};
use request::{COMMANDS, Request};
pub use text::{MESSAGE_LIMIT, Text, printable};

/// Networks that one chat may watch.
const WATCHES_PER_CHAT: usize = 200;

/// How alike a command must be to an unknown one (Jaro-Winkler, 0 to 1) to be offered for it.
const NEARNESS: f64 = 0.8;

/// Answers messages.
#[derive(Clone)]
pub struct Chat {
    recorder: RecorderHandle,
    zone: Tz,
    started: Instant,
    sensors: Arc<dyn Fn() -> Vec<SensorStatus> + Send + Sync>,
}

impl Chat {
    /// A chat over what `recorder` holds, with times in `zone`; `sensors` tells for `/status` how the
    /// sources of frames are doing.
    pub fn new(
        recorder: RecorderHandle,
        zone: Tz,
        sensors: impl Fn() -> Vec<SensorStatus> + Send + Sync + 'static,
    ) -> Self {
        Self { recorder, zone, started: Instant::now(), sensors: Arc::new(sensors) }
    }

    /// The zone in which times are shown.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The answer to a message from a chat that is served. A change is on disk when this returns, and with
    /// it that it was made for the message's update.
    pub async fn answer(&self, message: Message<'_>) -> Answer {
        let Message { chat, text, in_reply_to: _, update } = message;
        self.reply(chat, text, update).await.into()
    }

    /// What a press of a button does, in a chat that is served. Changes are as in [`Chat::answer`].
    pub async fn press(&self, _press: Press<'_>) -> Pressed {
        Pressed::Tell("This button does nothing any more.".to_owned())
    }

    async fn reply(&self, chat: ChatId, message: &str, update: Option<u32>) -> Text {
        match Request::parse(message) {
            Request::Lookup(query) => reply::found(&look_up(&self.recorder.state(), &query), self.zone),
            Request::Watch { ssid, reason } => self.watch(chat, ssid, reason, update).await,
            Request::Unwatch(ssid) => self.unwatch(chat, ssid, update).await,
            Request::Watches => self.watches(chat),
            Request::Name { address, name } => self.name(address, name, update).await,
            Request::Unname(address) => self.unname(address, update).await,
            Request::Status => reply::status(&self.status(), self.zone),
            Request::Start => reply::start(),
            Request::Help | Request::Nothing => reply::help(),
            Request::Misused { command, why } => reply::misused(command, &why),
            Request::UnknownCommand(name) => reply::unknown_command(&name, nearest_command(&name)),
        }
    }

    async fn watch(&self, chat: ChatId, ssid: Ssid, reason: Option<String>, update: Option<u32>) -> Text {
        let is_full = {
            let state = self.recorder.state();
            state.watches().get(&ssid, chat).is_none()
                && state.watches().iter().filter(|(_, by, _)| *by == chat).count() >= WATCHES_PER_CHAT
        };
        if is_full {
            return reply::too_many_watches(WATCHES_PER_CHAT);
        }
        let done = reply::watching(&ssid, reason.as_deref());
        self.change(Event::Watch { time: Timestamp::now(), chat, ssid, reason }, update, done).await
    }

    async fn unwatch(&self, chat: ChatId, ssid: Ssid, update: Option<u32>) -> Text {
        let watched_by = {
            let state = self.recorder.state();
            [chat, ChatId::TERMINAL].into_iter().find(|by| state.watches().get(&ssid, *by).is_some())
        };
        match watched_by {
            Some(chat) => {
                let done = reply::unwatched(&ssid);
                self.change(Event::Unwatch { time: Timestamp::now(), chat, ssid }, update, done).await
            }
            None => reply::was_not_watched(&ssid),
        }
    }

    /// A chat sees its own watches and those of the terminal, which alert it too; the terminal sees all.
    fn watches(&self, chat: ChatId) -> Text {
        let state = self.recorder.state();
        let watches: Vec<_> = state
            .watches()
            .iter()
            .filter(|(_, by, _)| chat == ChatId::TERMINAL || *by == chat || *by == ChatId::TERMINAL)
            .collect();
        reply::watches(&watches, chat, self.zone)
    }

    async fn name(&self, address: MacAddr, name: String, update: Option<u32>) -> Text {
        let namesakes = self.recorder.state().names().addresses_of(&name);
        let others = namesakes.iter().filter(|other| **other != address).count();
        let done = reply::named(address, &name, others);
        let event = Event::Name { time: Timestamp::now(), address, name, by: NamedBy::Chat };
        self.change(event, update, done).await
    }

    async fn unname(&self, address: MacAddr, update: Option<u32>) -> Text {
        let name = self.recorder.state().names().get(address).cloned().unwrap_or_default();
        match (name.chat, name.config) {
            (Some(_), configured) => {
                let done = reply::unnamed(address, configured.as_deref());
                let event = Event::Unname { time: Timestamp::now(), address, by: NamedBy::Chat };
                self.change(event, update, done).await
            }
            (None, Some(name)) => reply::named_by_configuration(address, &name),
            (None, None) => reply::had_no_name(address),
        }
    }

    async fn change(&self, event: Event, update: Option<u32>, done: Text) -> Text {
        // Behind the change, so that of a write that is cut off the update comes again and repeats it.
        let answered = update.map(|update| Event::Answered { time: Timestamp::now(), update });
        match self.recorder.change_all([event].into_iter().chain(answered).collect()).await {
            Ok(()) => done,
            Err(error) => reply::change_failed(&error.to_string()),
        }
    }

    fn status(&self) -> Status {
        let losses = self.recorder.losses();
        let state = self.recorder.state();
        let totals = state.totals();
        let age = |time: Timestamp| match Timestamp::now() {
            now if now < time => std::time::Duration::ZERO,
            now => now.distance(time),
        };
        Status {
            uptime: self.started.elapsed(),
            sensors: (self.sensors)(),
            probes: totals.probes,
            wildcard_probes: totals.wildcard_probes,
            addresses: totals.addresses,
            random_addresses: totals.random_addresses,
            forgotten_addresses: totals.forgotten_addresses,
            last_probe: totals.last_probe.map(|time| (time, age(time))),
            events: state.next_offset().0,
            watches: state.watches().len(),
            alerts_waiting: state.alerts().waiting(),
            lost_probes: losses.queue_full.load(Ordering::Relaxed)
                + losses.disk_failed.load(Ordering::Relaxed),
            lost_events: totals.lost_events,
            disk_error: self.recorder.disk_error(),
        }
    }
}

fn nearest_command(name: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .map(|command| (strsim::jaro_winkler(command.name, name), command.name))
        .filter(|(likeness, _)| *likeness >= NEARNESS)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

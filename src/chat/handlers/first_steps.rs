//! The first steps after pairing. Each button carries its step, so neither a restart nor a button that is pressed twice
//! or late loses the way: the step is shown as it is then.

use std::time::Duration;

use dot11::Ssid;
use store::event::{ChatId, ChatSetting, Role};
use store::state::ChatSettings;

use super::settings::step_after;
use super::subscriptions::WatchedNetworks;
use crate::chat::model::pagination::{self, ListBy, SortOrder};
use crate::chat::model::settings::{FirstStep, SettingsPage};
use crate::chat::model::watch_target::WatchTarget;
use crate::chat::views::first_steps::{self as texts, Steps};
use crate::chat::{Asker, Chat, Reply, views};

/// Networks that are offered to be watched first.
const OFFERED_NETWORKS: usize = 6;

/// A device that was seen within this time is here.
const HERE: Duration = Duration::from_secs(600);

/// Pages of devices that are searched for one with an address of its own.
const EXAMPLE_PAGES: u32 = 5;

/// How long after pairing a chat that repeats its code is greeted again: Telegram repeats a message whose handling a
/// crash cut off.
const GREETING_TIME: Duration = Duration::from_secs(3600);

impl Chat {
    /// The greeting of a chat that was paired, with the first question. A group is only offered the questions, and so is
    /// a chat that has chosen before.
    pub fn welcome(&self, chat: ChatId, role: Role) -> Reply {
        let text = texts::welcome(role);
        if chat.0 < 0 || !self.is_new(chat) {
            return Reply { text, buttons: texts::begin_button(), ..Reply::default() };
        }
        let first = self.in_zone_of(chat).first_step(chat, FirstStep::TimeZone);
        Reply { text: text.append("\n\n").append_text(first.text), ..first }
    }

    /// The greeting again, for a chat that was paired a moment ago and has chosen nothing.
    pub(super) fn welcome_again(&self, chat: ChatId) -> Option<Reply> {
        let pairing = self.recorder.state().chats().pairing(chat).cloned()?;
        let is_recent = self.recorder.now().abs_diff(pairing.since) < GREETING_TIME;
        (is_recent && self.is_new(chat)).then(|| self.welcome(chat, pairing.role))
    }

    /// Whether the chat has chosen and watches nothing.
    fn is_new(&self, chat: ChatId) -> bool {
        let state = self.recorder.state();
        state.chat_settings().own(chat) == ChatSettings::default() && self.watch_count(&state, chat) == 0
    }

    fn watch_count(&self, state: &store::state::State, chat: ChatId) -> usize {
        let networks = state.watches().iter().filter(|(_, by, _)| *by == chat).count();
        networks + state.watches().patterns().filter(|(_, by, _)| *by == chat).count()
    }

    /// A step as it is now. After the last one follows a device as an example.
    pub(in crate::chat) fn first_step(&self, chat: ChatId, step: FirstStep) -> Reply {
        let settings = self.shown_settings(chat);
        let networks = match step {
            FirstStep::Ready => Vec::new(),
            _ => self.offered_networks(chat),
        };
        let watches = self.watch_count(&self.recorder.state(), chat);
        let reply = texts::step(&Steps { settings: &settings, watches, networks: &networks }, step);
        if step != FirstStep::Ready {
            return reply;
        }
        match self.example(chat) {
            Some(example) => {
                Reply { text: texts::example_follows(reply.text), then: Some(Box::new(example)), ..reply }
            }
            None => Reply { text: texts::no_example(reply.text), ..reply },
        }
    }

    /// Makes a choice and goes on; also if the configuration has made it meanwhile.
    ///
    /// # Errors
    /// Why the choice was not made.
    pub(super) async fn first_choice(&self, asker: Asker<'_>, setting: ChatSetting) -> Result<Reply, Reply> {
        let next = step_after(&setting);
        if self.shown_settings(asker.chat).precedence(SettingsPage::of(&setting)).is_none() {
            self.choose(asker, setting).await?;
        }
        Ok(views::by_whom(self.in_zone_of(asker.chat).first_step(asker.chat, next), asker))
    }

    /// Watches what was chosen, and is ready.
    pub(in crate::chat) async fn first_watch(&self, asker: Asker<'_>, target: WatchTarget) -> Reply {
        let watched = self.watch(asker, target, None).await;
        let ready = self.first_step(asker.chat, FirstStep::Ready);
        Reply { text: watched.text.append("\n\n").append_text(ready.text), ..ready }
    }

    /// The networks that devices look for most, without those that alert the chat already.
    fn offered_networks(&self, chat: ChatId) -> Vec<Ssid> {
        let page = pagination::networks(&self.recorder, 0);
        let state = self.recorder.state();
        let watched = WatchedNetworks::for_chat(chat, &state);
        let networks = page.entries.into_iter().map(|(ssid, _)| ssid);
        networks.filter(|ssid| !watched.covers(ssid)).take(OFFERED_NETWORKS).collect()
    }

    /// The card of a device that is here, if possible of one whose address is not random.
    fn example(&self, chat: ChatId) -> Option<Reply> {
        let since = self.recorder.now().saturating_sub(HERE);
        let mut first = None;
        for number in 0..EXAMPLE_PAGES {
            let devices = pagination::devices(
                &self.recorder,
                ListBy::Device,
                SortOrder::Strongest,
                Some(since),
                number,
            );
            let addresses: Vec<_> = devices.page.entries.iter().map(|entry| entry.address).collect();
            if let Some(fixed) = addresses.iter().find(|address| !address.is_random()) {
                first = Some(*fixed);
                break;
            }
            first = first.or(addresses.first().copied());
            if !devices.page.has_next() {
                break;
            }
        }
        Some(self.look_up(chat, &first?.to_string()))
    }
}

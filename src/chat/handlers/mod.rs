//! The dispatcher: it reads each message and each press of a button, checks the role that it requires, and calls its
//! handler.

mod doorbell;
mod first_steps;
mod group_rights;
mod history;
mod lookups;
mod maintenance;
mod names;
mod phones;
mod presence;
mod proposals;
mod settings;
mod subscribed_device;
mod subscriptions;

use std::time::Duration;

use dot11::Ssid;
use store::event::ChatId;

use crate::chat::access::AccessControl;
use crate::chat::callbacks::Callback;
use crate::chat::commands::{self, Command, Request, RequiredRole};
use crate::chat::model::chart::ChartSubject;
use crate::chat::model::lookup;
use crate::chat::model::pagination::ListBy;
use crate::chat::model::watch_target::WatchTarget;
use crate::chat::views::access::refused;
use crate::chat::{Asker, ButtonPress, Chat, PressReply, Progress, Reply, UserMessage, views};
use crate::status;
use crate::text::Text;

/// The longest notification, in characters (Bot API, `answerCallbackQuery`).
const NOTIFICATION_LENGTH: usize = 200;

impl Chat {
    /// Answers a message of a chat that has access. When this returns, a change is on disk together with the note
    /// that the message's update was handled. A slow reply reports its progress.
    pub async fn answer(&self, message: UserMessage<'_>, progress: &Progress) -> Reply {
        self.in_zone_of(message.chat).answer_in_zone(message, progress).await
    }

    async fn answer_in_zone(&self, message: UserMessage<'_>, progress: &Progress) -> Reply {
        let UserMessage { chat, person, text, in_reply_to, update } = message;
        let asker = Asker { chat, person, update };
        let question = in_reply_to.filter(|_| !text.trim().starts_with('/'));
        if let Some(asked) = question.and_then(views::settings::asked) {
            return self.answer_setting(asker, asked, text).await;
        }
        if let Some(device) = question.and_then(views::asked_to_name) {
            return self.execute(Request::name_given(device, text), asker, progress).await;
        }
        if let Some(command) = commands::command_in_message(text)
            && let Err(refusal) = self.check_role(command, chat)
        {
            return refusal.into();
        }
        self.execute(Request::parse(text), asker, progress).await
    }

    fn access(&self) -> Option<&dyn AccessControl> {
        self.access.as_deref()
    }

    fn is_owner(&self, chat: ChatId) -> bool {
        self.access().is_some_and(|access| access.is_owner(chat))
    }

    /// Whether a chat that has access may use the command, or why not.
    fn check_role(&self, command: &Command, chat: ChatId) -> Result<(), Text> {
        if command.role < RequiredRole::Owner {
            return Ok(());
        }
        match self.access() {
            None => Err(views::access::in_telegram_only(command.name)),
            Some(access) if !access.has_owner() => Err(views::access::nobody_owns(command)),
            Some(_) if chat.0 < 0 => Err(views::access::in_private_only(command)),
            Some(access) if !access.is_owner(chat) => Err(views::access::for_owners_only(command)),
            Some(_) => Ok(()),
        }
    }

    async fn execute(&self, request: Request, asker: Asker<'_>, progress: &Progress) -> Reply {
        let chat = asker.chat;
        match request {
            Request::Lookup(query) => self.look_up(chat, &query),
            Request::Devices(by, page) => self.devices(by, page),
            Request::Nearby(minutes) => self.nearby(minutes, 0),
            Request::Strangers(period) => self.strangers(chat, period, 0),
            Request::Top(page) => self.top(page),
            Request::Network(ssid) => self.network(&ssid, 0),
            Request::Networks(page) => self.networks(chat, page),
            Request::Chart(subject, period) => self.chart(subject, period, progress).await,
            Request::Between(range) => self.between(chat, range, progress).await,
            Request::Count(period) => self.count(period, progress).await,
            Request::ExportDevice(query) => self.export_device(&query, progress).await,
            Request::ExportNetworks => self.export_networks(chat, progress).await,
            Request::Watch { target, reason } => self.watch(asker, target, reason).await,
            Request::Unwatch(target) => self.unwatch(asker, target).await,
            Request::Watches(page) => self.watches(chat, page),
            Request::Doorbell(request) => self.doorbell(asker, request).await,
            Request::Settings(request) => self.settings(asker, request).await,
            Request::AlertPreference(preference) => self.apply(asker, preference).await,
            Request::Name { device, name } => self.name(asker, device, name).await,
            Request::NameRefused { device, error } => ask_for_name(views::name_refused(device, &error)),
            Request::Unname(device) => self.unname(asker, device).await,
            Request::Status => {
                status::full_report(&self.status().await, self.recorder.now(), self.zone).into()
            }
            Request::Clock { is_right } => self.clock(asker, is_right).await.into(),
            Request::History { keep } => self.log_history(asker, keep).await,
            Request::Start { code } => self.start(chat, code.as_deref()).await,
            Request::Help | Request::Empty if asker.is_in_group() => views::help_in_group().into(),
            Request::Help | Request::Empty => views::help(self.is_owner(chat)).into(),
            Request::Invite(role) => match self.access() {
                Some(access) => access.invite(chat, role).await,
                None => views::access::in_telegram_only("invite").into(),
            },
            Request::Chats => match self.access() {
                Some(access) => access.chats(chat),
                None => views::access::in_telegram_only("chats").into(),
            },
            Request::Proposals => self.proposals(),
            Request::UsageError { command, error } => views::usage_error(command, &error).into(),
            Request::UnknownCommand(name) => views::unknown_command(&name, commands::nearest(&name)).into(),
        }
    }

    async fn start(&self, chat: ChatId, code: Option<&str>) -> Reply {
        let Some(access) = self.access() else { return views::start().into() };
        if let Some(code) = code {
            match access.pair(chat, code).await {
                Some(Ok(role)) => return self.welcome(chat, role),
                Some(Err(refused)) => return refused.into(),
                None => {}
            }
            if let Some(welcome) = self.welcome_again(chat) {
                return welcome;
            }
        }
        Reply { buttons: views::first_steps::begin_button(), ..Reply::from(views::start()) }
    }

    /// The notification of a press whose reply takes long, and which is therefore not carried out twice at a time.
    pub fn slow_press_notice(data: &str) -> Option<&'static str> {
        let callback = Callback::decode(data)?;
        callback.is_slow().then(|| views::is_being_made(&callback))
    }

    /// Does what a pressed button asks for, in a chat that has access. Changes and progress are as in [`Chat::answer`].
    pub async fn press(&self, press: ButtonPress<'_>, progress: &Progress) -> PressReply {
        self.in_zone_of(press.chat).press_in_zone(press, progress).await
    }

    async fn press_in_zone(&self, press: ButtonPress<'_>, progress: &Progress) -> PressReply {
        let ButtonPress { chat, person, data, update } = press;
        let asker = Asker { chat, person, update };
        let Some(callback) = Callback::decode(data) else { return notify(views::OLD_BUTTON) };
        if callback.is_for_owners() {
            return self.press_of_owner(callback, asker).await;
        }
        match callback {
            Callback::Card(address) => PressReply::Send(self.look_up(chat, &address.to_string())),
            Callback::ChartDevice(address, period) => {
                let subject = ChartSubject::Device(address.to_string());
                edited_reply(self.chart(subject, period, progress).await)
            }
            Callback::ChartNetwork(ssid, period) => {
                edited_reply(self.chart(ChartSubject::Network(ssid), period, progress).await)
            }
            Callback::NewestProbes(address) => PressReply::Send(self.probes(address, 0, progress).await),
            Callback::Probes(address, page) => PressReply::Edit(self.probes(address, page, progress).await),
            Callback::ChartBetween(range) => {
                PressReply::Send(self.chart_between(chat, range, progress).await)
            }
            Callback::ExportBetween(range) => {
                PressReply::Send(self.export_between(chat, range, progress).await)
            }
            Callback::Count(period) => edited_reply(self.count(period, progress).await),
            Callback::AlertOnReturn(phone) => PressReply::Send(self.alert_on_return(asker, phone).await),
            Callback::Name(address) => PressReply::Send(ask_for_name(self.name_question(address))),
            // What changes for the chat is sent as a message, so that everyone in it sees it.
            Callback::Follow(address) => PressReply::Send(self.follow(asker, &address.to_string()).await),
            Callback::Unfollow(address) => PressReply::Send(self.unfollow(asker, &address.to_string()).await),
            Callback::Ignore(address) => PressReply::Send(self.ignore(asker, &address.to_string()).await),
            Callback::Unignore(address) => PressReply::Send(self.unignore(asker, &address.to_string()).await),
            Callback::Mute(minutes) => {
                let length = Duration::from_secs(60 * u64::from(minutes));
                PressReply::Send(self.mute(asker, length).await)
            }
            Callback::Unwatch(hash) => match self.watch_with_hash(chat, hash) {
                Some(target) => PressReply::Send(self.unwatch(asker, target).await),
                None => notify(views::subscriptions::WATCH_IS_GONE),
            },
            Callback::Watch(ssid) => self.watch_from_button(asker, ssid, None).await,
            Callback::WatchListed(ssid, page) => self.watch_from_button(asker, ssid, Some(page)).await,
            Callback::Watches(page) => PressReply::Edit(self.watches(chat, page)),
            Callback::ChooseOtherDevice(address) => PressReply::Send(self.choose_other_device(address)),
            Callback::SplitPhone(phone, address) => {
                PressReply::Send(self.split_phone(asker, phone, address).await)
            }
            Callback::Devices(page) => PressReply::Edit(self.devices(ListBy::Device, page)),
            Callback::Addresses(page) => PressReply::Edit(self.devices(ListBy::Address, page)),
            Callback::Nearby(minutes, page) => PressReply::Edit(self.nearby(minutes, page)),
            Callback::Strangers(period, page) => PressReply::Edit(self.strangers(chat, period, page)),
            Callback::Top(page) => PressReply::Edit(self.top(page)),
            Callback::Networks(page) => PressReply::Edit(self.networks(chat, page)),
            Callback::Network(ssid, page) => PressReply::Edit(self.network(&ssid, page)),
            Callback::Settings(page) => PressReply::Edit(self.settings_page(chat, page)),
            Callback::Choose(setting, place) => self.choose_by_button(asker, setting, place).await,
            Callback::Doorbell(mode) => self.doorbell_by_button(asker, mode).await,
            Callback::Ask(asked, place) => self.ask_for_setting(chat, asked, place),
            Callback::FirstStep(step) => PressReply::Edit(self.first_step(chat, step)),
            Callback::FirstWatch(ssid) => {
                PressReply::Edit(self.first_watch(asker, WatchTarget::Network(ssid)).await)
            }
            Callback::Chats
            | Callback::ConfirmRemoval(_)
            | Callback::RemoveChat(_)
            | Callback::Answer(..) => notify(refused::NOT_YOURS),
        }
    }

    /// Whether the whole text is an address, the ID of a phone, or the name of a device.
    pub fn names_device(&self, text: &str) -> bool {
        lookup::is_device(&self.recorder.state(), text.trim())
    }

    async fn press_of_owner(&self, callback: Callback, asker: Asker<'_>) -> PressReply {
        let owner = asker.chat;
        match (self.access(), callback) {
            (Some(access), _) if !access.is_owner(owner) => notify(refused::NOT_YOURS),
            (Some(access), Callback::Chats) => PressReply::Edit(access.chats(owner)),
            (Some(access), Callback::ConfirmRemoval(chat)) => access.confirm_removal(owner, chat),
            (Some(access), Callback::RemoveChat(chat)) => access.remove(owner, chat).await,
            (Some(_), Callback::Answer(proposal, accepted)) => {
                self.answer_proposal(asker, (proposal, accepted)).await
            }
            _ => notify(views::OLD_BUTTON),
        }
    }

    /// Watches a network. `page` is that of the list under which the button was.
    async fn watch_from_button(&self, asker: Asker<'_>, ssid: Ssid, page: Option<u32>) -> PressReply {
        let reply = self.watch(asker, WatchTarget::Network(ssid), None).await;
        // Only who pressed the button sees a notification.
        if asker.is_in_group() {
            return PressReply::Send(reply);
        }
        let notification = reply.text.shortened(NOTIFICATION_LENGTH).to_string();
        match page {
            Some(page) => PressReply::NotifyAndEdit(notification, self.networks(asker.chat, page)),
            None => PressReply::Notify(notification),
        }
    }
}

fn notify(text: &str) -> PressReply {
    PressReply::Notify(text.to_owned())
}

/// A chart in place of the one that the button was under; where there is none, the reason as a new message.
fn edited_reply(chart: Reply) -> PressReply {
    if chart.file.is_some() { PressReply::Edit(chart) } else { PressReply::Send(chart) }
}

/// The question for a device's name.
fn ask_for_name(question: Text) -> Reply {
    Reply { text: question, asks_for: Some(views::NAME_FIELD), ..Reply::default() }
}

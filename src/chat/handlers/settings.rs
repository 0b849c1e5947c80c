//! What a chat chooses for itself.

use store::event::{ChatId, ChatSetting, EventKind, Person};
use store::state::{Choice, State};

use super::group_rights::others_are_alerted;
use crate::chat::commands;
use crate::chat::model::doorbell::DoorbellRequest;
use crate::chat::model::settings::{
    AskedSetting, DoorbellMode, FirstStep, Place, SettingsPage, SettingsRequest,
};
use crate::chat::model::time_zones;
use crate::chat::views::settings::{self as texts, Chooser, ChosenBy, ShownSettings};
use crate::chat::{Asker, Chat, PressReply, Reply, views};

impl Chat {
    pub(in crate::chat) async fn settings(&self, asker: Asker<'_>, request: SettingsRequest) -> Reply {
        match request {
            SettingsRequest::Show(page) => self.settings_page(asker.chat, page),
            SettingsRequest::Choose(setting) => self.choose_in_words(asker, setting).await,
            SettingsRequest::FindZone(text) => self.find_zone(asker, &text, Place::Settings).await,
            SettingsRequest::Doorbell(request) => self.doorbell(asker, request).await,
        }
    }

    pub(in crate::chat) fn settings_page(&self, chat: ChatId, page: SettingsPage) -> Reply {
        texts::page(&self.shown_settings(chat), page)
    }

    /// The settings as the pages show them.
    pub(super) fn shown_settings(&self, chat: ChatId) -> ShownSettings {
        let effective = self.settings_of(chat);
        // Without an owner, a private chat with access is that of whoever configures the bot.
        let is_unowned = chat.0 > 0 && self.access().is_some_and(|access| !access.has_owner());
        let sees_places = chat == ChatId::TERMINAL || is_unowned || self.is_owner(chat);
        let state = self.recorder.state();
        let doorbell = state.doorbells().get(chat).cloned();
        ShownSettings {
            chat,
            effective,
            chosen_by: chosen_by(&state, chat),
            doorbell,
            sees_places,
            zone_origin: self.time_zone.as_ref().map(|zone| zone.origin.clone()),
            now: self.recorder.now(),
        }
    }

    /// Records a choice.
    ///
    /// # Errors
    /// Why it was not made.
    pub(super) async fn choose(&self, asker: Asker<'_>, setting: ChatSetting) -> Result<(), Reply> {
        let chat = asker.chat;
        let shown = self.shown_settings(chat);
        if let Some(why) = shown.precedence(SettingsPage::of(&setting)) {
            return Err(texts::refused(&why).into());
        }
        let (is_same, is_of_others) = {
            let state = self.recorder.state();
            let own = state.chat_settings().own(chat);
            let (is_same, set_by) = match &setting {
                ChatSetting::QuietHours(value) => known(own.quiet_hours.as_ref(), value),
                ChatSetting::GatherSeconds(value) => known(own.gather_seconds.as_ref(), value),
                ChatSetting::TimeZone(value) => known(own.time_zone.as_ref(), value),
            };
            // Quiet hours and gathering keep alerts from the others, as a mute does; so does a zone that moves quiet hours.
            let delays = match setting {
                ChatSetting::TimeZone(_) => shown.effective.quiet_hours.value.is_some(),
                ChatSetting::QuietHours(_) | ChatSetting::GatherSeconds(_) => true,
            };
            let is_for_others = delays && others_are_alerted(&state, asker);
            (is_same, is_for_others || set_by.is_some_and(|set_by| asker.is_of_others(set_by)))
        };
        if is_same {
            return Ok(());
        }
        if let Some(refused) = self.refuse_if(is_of_others, asker).await {
            return Err(refused.into());
        }
        let kind = EventKind::ChatSetting { chat, setting };
        self.change_all(asker, vec![kind]).await.map_err(Reply::from)
    }

    /// Makes a choice that somebody wrote.
    async fn choose_in_words(&self, asker: Asker<'_>, setting: ChatSetting) -> Reply {
        let page = SettingsPage::of(&setting);
        match self.choose(asker, setting).await {
            Ok(()) => views::by_whom(texts::chosen(&self.shown_settings(asker.chat), page).into(), asker),
            Err(refused) => refused,
        }
    }

    async fn find_zone(&self, asker: Asker<'_>, text: &str, place: Place) -> Reply {
        let zone = match time_zones::find(text) {
            Ok(zone) => zone,
            Err(similar) => return texts::unknown_zone(text, &similar, self.recorder.now(), place),
        };
        let setting = ChatSetting::TimeZone(zone.name().to_owned());
        match place {
            Place::Settings => self.choose_in_words(asker, setting).await,
            Place::FirstSteps => self.first_choice(asker, setting).await.unwrap_or_else(|refused| refused),
        }
    }

    /// Makes a choice that a button of the settings or of the first steps stands for.
    pub(in crate::chat) async fn choose_by_button(
        &self,
        asker: Asker<'_>,
        setting: ChatSetting,
        place: Place,
    ) -> PressReply {
        if place == Place::FirstSteps {
            return match self.first_choice(asker, setting).await {
                Ok(next) => PressReply::Edit(next),
                Err(refused) => PressReply::Send(refused),
            };
        }
        let page = SettingsPage::of(&setting);
        let before = self.settings_of(asker.chat);
        match self.choose(asker, setting).await {
            Ok(()) if self.settings_of(asker.chat) == before => PressReply::NotifyAndEdit(
                texts::IS_SO_ALREADY.to_owned(),
                self.settings_page(asker.chat, page),
            ),
            Ok(()) => PressReply::Edit(views::by_whom(self.settings_page(asker.chat, page), asker)),
            Err(refused) => PressReply::Send(refused),
        }
    }

    /// Sets the doorbell by a button of the settings. What was set with `/doorbell` beside that stays.
    pub(in crate::chat) async fn doorbell_by_button(
        &self,
        asker: Asker<'_>,
        mode: DoorbellMode,
    ) -> PressReply {
        let known = self.recorder.state().doorbells().get(asker.chat).cloned();
        let request = match mode {
            DoorbellMode::Off => DoorbellRequest::Off,
            DoorbellMode::On | DoorbellMode::QuietHours => DoorbellRequest::On {
                min_dbm: known.as_ref().map(|known| known.min_dbm),
                stay: known.as_ref().map(|known| std::time::Duration::from_secs(known.stay_seconds)),
                only_in_quiet_hours: mode == DoorbellMode::QuietHours,
            },
        };
        match self.set_doorbell(asker, request).await {
            Ok(_) => PressReply::Edit(views::by_whom(
                self.settings_page(asker.chat, SettingsPage::Doorbell),
                asker,
            )),
            Err(refused) => PressReply::Send(refused),
        }
    }

    /// Asks for a value in words, unless the configuration sets it.
    pub(in crate::chat) fn ask_for_setting(
        &self,
        chat: ChatId,
        asked: AskedSetting,
        place: Place,
    ) -> PressReply {
        let page = match asked {
            AskedSetting::TimeZone => Some(SettingsPage::TimeZone),
            AskedSetting::QuietHours => Some(SettingsPage::QuietHours),
            AskedSetting::Watch => None,
        };
        let shown = self.shown_settings(chat);
        match page.and_then(|page| shown.precedence(page)) {
            Some(why) => PressReply::Send(texts::refused(&why).into()),
            None => PressReply::Send(asked_in_words(asked, place)),
        }
    }

    /// Takes the answer to a question for a value in words.
    pub(in crate::chat) async fn answer_setting(
        &self,
        asker: Asker<'_>,
        (asked, place): (AskedSetting, Place),
        text: &str,
    ) -> Reply {
        let text = text.trim();
        let error = match asked {
            AskedSetting::TimeZone => return self.find_zone(asker, text, place).await,
            AskedSetting::QuietHours => match commands::quiet_hours(text) {
                Ok(hours) if place == Place::FirstSteps => {
                    let next = self.first_choice(asker, ChatSetting::QuietHours(hours)).await;
                    return next.unwrap_or_else(|refused| refused);
                }
                Ok(hours) => return self.choose_in_words(asker, ChatSetting::QuietHours(hours)).await,
                Err(error) => error,
            },
            AskedSetting::Watch => match commands::watch_target_alone(text) {
                Ok(target) => return self.first_watch(asker, target).await,
                Err(error) => error,
            },
        };
        let question = asked_in_words(asked, place);
        Reply { text: views::refused_answer(&error).append_text(question.text), ..question }
    }
}

/// Whether a choice has this value, and who made it, if it was made.
fn known<'a, T: PartialEq>(choice: Option<&'a Choice<T>>, value: &T) -> (bool, Option<Option<&'a Person>>) {
    match choice {
        Some(choice) => (choice.value == *value, Some(choice.set_by.as_ref())),
        None => (false, None),
    }
}

fn asked_in_words(asked: AskedSetting, place: Place) -> Reply {
    let text = crate::text::Text::plain(texts::question(asked, place));
    Reply { text, asks_for: Some(texts::VALUE_FIELD), ..Reply::default() }
}

fn chosen_by(state: &State, chat: ChatId) -> ChosenBy {
    let (own, all) = (state.chat_settings().own(chat), state.chat_settings().of(chat));
    fn chooser<T>(own: Option<Choice<T>>, all: Option<Choice<T>>) -> Chooser {
        match (own, all) {
            (Some(choice), _) => Chooser::Person(choice.set_by),
            (None, Some(_)) => Chooser::Terminal,
            (None, None) => Chooser::Nobody,
        }
    }
    let doorbell = state.doorbells().get(chat).map(|doorbell| Chooser::Person(doorbell.set_by.clone()));
    ChosenBy {
        quiet_hours: chooser(own.quiet_hours, all.quiet_hours),
        gather: chooser(own.gather_seconds, all.gather_seconds),
        time_zone: chooser(own.time_zone, all.time_zone),
        doorbell: doorbell.unwrap_or_default(),
    }
}

/// The step after a choice of the first steps.
pub(super) fn step_after(setting: &ChatSetting) -> FirstStep {
    FirstStep::of(setting).next()
}

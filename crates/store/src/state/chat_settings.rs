//! What chats chose for themselves: quiet hours, gathering, time zone.
//!
//! - A choice of the terminal is that of every chat that made none.
//! - Whether a choice counts is not decided here: what the configuration sets takes precedence.

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, ChatSetting, DailyHours, Person};

/// A value that somebody chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice<T> {
    /// The value.
    pub value: T,
    /// Who chose it, if that is known: the last person who changed it.
    pub set_by: Option<Person>,
}

/// What one chat chose; `None` where it chose nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSettings {
    /// The hours in which it gets no alerts, if there are any.
    pub quiet_hours: Option<Choice<Option<DailyHours>>>,
    /// For how long alerts are gathered, in seconds.
    pub gather_seconds: Option<Choice<u32>>,
    /// The IANA name of its time zone.
    pub time_zone: Option<Choice<String>>,
}

impl ChatSettings {
    fn choose(&mut self, setting: ChatSetting, set_by: Option<Person>) {
        match setting {
            ChatSetting::QuietHours(value) => self.quiet_hours = Some(Choice { value, set_by }),
            ChatSetting::GatherSeconds(value) => self.gather_seconds = Some(Choice { value, set_by }),
            ChatSetting::TimeZone(value) => self.time_zone = Some(Choice { value, set_by }),
        }
    }

    /// These choices and, where there is none, those of `other`.
    fn or(&self, other: &Self) -> Self {
        Self {
            quiet_hours: self.quiet_hours.clone().or_else(|| other.quiet_hours.clone()),
            gather_seconds: self.gather_seconds.clone().or_else(|| other.gather_seconds.clone()),
            time_zone: self.time_zone.clone().or_else(|| other.time_zone.clone()),
        }
    }
}

/// What all chats chose.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AllChatSettings {
    pub(super) rows: DirtyMap<ChatId, ChatSettings>,
}

impl AllChatSettings {
    pub(super) fn choose(&mut self, chat: ChatId, setting: ChatSetting, set_by: Option<Person>) {
        let mut settings = self.rows.get(&chat).cloned().unwrap_or_default();
        settings.choose(setting, set_by);
        self.rows.insert(chat, settings);
    }

    /// Moves what the chat `from` chose to `to`, where that chose nothing.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        if let Some(moved) = self.rows.remove(&from) {
            let settings = self.rows.get(&to).map_or_else(|| moved.clone(), |there| there.or(&moved));
            self.rows.insert(to, settings);
        }
    }

    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        self.rows.remove(&chat);
    }

    /// What the chat chose itself.
    pub fn own(&self, chat: ChatId) -> ChatSettings {
        self.rows.get(&chat).cloned().unwrap_or_default()
    }

    /// What the chat chose and, where it chose nothing, what the terminal did.
    pub fn of(&self, chat: ChatId) -> ChatSettings {
        match self.rows.get(&ChatId::TERMINAL) {
            Some(for_all) => self.own(chat).or(for_all),
            None => self.own(chat),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Event, EventKind, Timestamp};
    use crate::state::State;

    const PERSON: i64 = 2002;

    fn setting() -> impl Strategy<Value = ChatSetting> {
        let hours = (0..1440_u32, 0..1440_u32).prop_map(|(from, to)| DailyHours::from_minutes(from, to));
        prop_oneof![
            hours.prop_map(ChatSetting::QuietHours),
            (0..=3600_u32).prop_map(ChatSetting::GatherSeconds),
            prop::sample::select(vec!["Europe/Berlin", "Asia/Kolkata", "UTC"])
                .prop_map(|name| ChatSetting::TimeZone(name.to_owned())),
        ]
    }

    fn kind() -> impl Strategy<Value = EventKind> {
        let chat = || (0..4_i64).prop_map(ChatId);
        prop_oneof![
            8 => (chat(), setting()).prop_map(|(chat, setting)| EventKind::ChatSetting { chat, setting }),
            1 => chat().prop_map(|chat| EventKind::ChatRemoved { chat, by: ChatId(PERSON) }),
        ]
    }

    fn fold(state: &mut State, kind: EventKind, person: Option<&Person>) {
        let event = Event::new(Timestamp::from_micros(1), kind).by(person);
        state.fold(state.next_offset(), &event);
    }

    proptest! {
        /// The newest choice of each chat counts, until the chat is removed; and each is saved.
        #[test]
        fn the_newest_choice_counts(kinds in prop::collection::vec(kind(), 0..40)) {
            let mut state = State::default();
            let mut chosen: BTreeMap<ChatId, [Option<ChatSetting>; 3]> = BTreeMap::new();
            let person = Person { id: ChatId(PERSON), name: "Anna".to_owned() };
            for kind in kinds {
                fold(&mut state, kind.clone(), Some(&person));
                match kind {
                    EventKind::ChatSetting { chat, setting } => {
                        let number = match setting {
                            ChatSetting::QuietHours(_) => 0,
                            ChatSetting::GatherSeconds(_) => 1,
                            ChatSetting::TimeZone(_) => 2,
                        };
                        chosen.entry(chat).or_default()[number] = Some(setting);
                    }
                    EventKind::ChatRemoved { chat, .. } => {
                        chosen.remove(&chat);
                    }
                    _ => {}
                }
            }
            let terminal = chosen.get(&ChatId::TERMINAL).cloned().unwrap_or_default();
            for chat in (0..4).map(ChatId) {
                let own = chosen.get(&chat).cloned().unwrap_or_default();
                let found = state.chat_settings().of(chat);
                let found = [
                    found.quiet_hours.map(|choice| ChatSetting::QuietHours(choice.value)),
                    found.gather_seconds.map(|choice| ChatSetting::GatherSeconds(choice.value)),
                    found.time_zone.map(|choice| ChatSetting::TimeZone(choice.value)),
                ];
                let expected = [0, 1, 2].map(|number: usize| own[number].clone().or_else(|| terminal[number].clone()));
                prop_assert_eq!(found, expected);
            }
            let mut text = Vec::new();
            state.image().write_to(Timestamp::from_micros(2), &mut text).unwrap();
            prop_assert!(State::from_snapshot(&text[..]).unwrap() == state);
        }
    }

    #[test]
    fn choices_follow_a_group_to_its_new_id() {
        let (from, to) = (ChatId(-5), ChatId(-100));
        let mut state = State::default();
        let mut choose = |chat, setting| fold(&mut state, EventKind::ChatSetting { chat, setting }, None);
        choose(from, ChatSetting::GatherSeconds(30));
        choose(from, ChatSetting::TimeZone("Asia/Tokyo".to_owned()));
        choose(to, ChatSetting::GatherSeconds(300));
        fold(&mut state, EventKind::ChatMigrated { from, to }, None);
        let settings = state.chat_settings().own(to);
        assert_eq!(settings.gather_seconds.map(|choice| choice.value), Some(300));
        assert_eq!(settings.time_zone.map(|choice| choice.value).as_deref(), Some("Asia/Tokyo"));
        assert_eq!(state.chat_settings().own(from), ChatSettings::default());
        // What comes late for the earlier ID counts for the new one.
        fold(&mut state, EventKind::ChatSetting { chat: from, setting: ChatSetting::GatherSeconds(0) }, None);
        assert_eq!(state.chat_settings().own(to).gather_seconds.map(|choice| choice.value), Some(0));
    }
}

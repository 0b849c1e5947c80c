//! The settings of a chat.

use chrono_tz::Tz;
use store::event::{ChatId, ChatSetting, DailyHours, Person, Timestamp};
use store::state::Doorbell;

use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::settings::{
    AskedSetting, DoorbellMode, GATHER_CHOICES, Place, SettingsPage, moved_hours, quiet_choices,
};
use crate::chat_settings::{EffectiveSettings, SettingOrigin};
use crate::text::format::{pluralize, time_of_day};
use crate::text::{Text, foreign, printable};

/// Where the zone of a chat's times comes from, if it was chosen in the chat.
pub(in crate::chat) const ZONE_IS_CHOSEN: &str = "chosen with /settings";

/// The placeholder of the input field for a value.
pub(in crate::chat) const VALUE_FIELD: &str = "Your answer";

/// The notification if nothing changes.
pub(in crate::chat) const IS_SO_ALREADY: &str = "It is set like this already.";

/// Buttons with a time zone in one row.
const ZONES_PER_ROW: usize = 2;

/// Who chose each setting.
#[derive(Debug, Clone, Default)]
pub(in crate::chat) struct ChosenBy {
    pub(in crate::chat) quiet_hours: Chooser,
    pub(in crate::chat) gather: Chooser,
    pub(in crate::chat) time_zone: Chooser,
    pub(in crate::chat) doorbell: Chooser,
}

/// Who chose a setting.
#[derive(Debug, Clone, Default)]
pub(in crate::chat) enum Chooser {
    /// Somebody of the chat, if that is known.
    Person(Option<Person>),
    /// Somebody at the terminal, for all chats.
    Terminal,
    #[default]
    Nobody,
}

/// The values on the pages of the settings.
#[derive(Debug, Clone)]
pub(in crate::chat) struct ShownSettings {
    pub(in crate::chat) chat: ChatId,
    pub(in crate::chat) effective: EffectiveSettings,
    pub(in crate::chat) chosen_by: ChosenBy,
    pub(in crate::chat) doorbell: Option<Doorbell>,
    /// Whether the reader sees where in the configuration a value is.
    pub(in crate::chat) sees_places: bool,
    /// Where the machine's zone comes from, as a phrase.
    pub(in crate::chat) zone_origin: Option<String>,
    pub(in crate::chat) now: Timestamp,
}

impl ShownSettings {
    /// Who or what set a value, as the end of its line.
    fn origin(&self, origin: &SettingOrigin, chooser: &Chooser) -> String {
        match (origin, chooser) {
            (SettingOrigin::Configuration(place), _) if self.sees_places => {
                format!(", set in {}", printable(place))
            }
            (SettingOrigin::Configuration(_), _) => ", set in the configuration".to_owned(),
            (SettingOrigin::Chosen, Chooser::Terminal) if self.chat != ChatId::TERMINAL => {
                ", set at the terminal for all chats".to_owned()
            }
            (SettingOrigin::Chosen, Chooser::Person(Some(person))) if self.chat.0 < 0 => {
                format!(", set by {}", foreign(&person.name))
            }
            (SettingOrigin::Chosen, _) => String::new(),
            (SettingOrigin::Default, _) => " (default)".to_owned(),
        }
    }

    fn quiet_hours_line(&self) -> String {
        let setting = &self.effective.quiet_hours;
        let origin = self.origin(&setting.origin, &self.chosen_by.quiet_hours);
        format!("{}{origin}", setting.value.map_or("none".to_owned(), shown_hours))
    }

    fn gather_line(&self) -> String {
        let setting = &self.effective.gather;
        let origin = self.origin(&setting.origin, &self.chosen_by.gather);
        format!("{}{origin}", shown_gather(setting.value.as_secs()))
    }

    fn doorbell_line(&self) -> String {
        let Some(doorbell) = &self.doorbell else { return "off".to_owned() };
        let when = if doorbell.only_in_quiet_hours { "on, during quiet hours" } else { "on" };
        format!("{when}{}", self.origin(&SettingOrigin::Chosen, &self.chosen_by.doorbell))
    }

    fn time_zone_line(&self) -> String {
        let setting = &self.effective.time_zone;
        let origin = match (&setting.origin, &self.zone_origin) {
            (SettingOrigin::Default, Some(origin)) => format!(", {}", printable(origin)),
            (origin, _) => self.origin(origin, &self.chosen_by.time_zone),
        };
        format!("{} ({}){origin}", setting.value, time_of_day(self.now, setting.value))
    }

    /// Where the configuration sets the value of a page, if it does.
    fn configured(&self, page: SettingsPage) -> Option<&str> {
        let origin = match page {
            SettingsPage::QuietHours => &self.effective.quiet_hours.origin,
            SettingsPage::Gather => &self.effective.gather.origin,
            SettingsPage::TimeZone => &self.effective.time_zone.origin,
            SettingsPage::All | SettingsPage::Doorbell => return None,
        };
        match origin {
            SettingOrigin::Configuration(place) => Some(place),
            SettingOrigin::Chosen | SettingOrigin::Default => None,
        }
    }

    /// Why nothing can be chosen on a page, if nothing can.
    pub(in crate::chat) fn precedence(&self, page: SettingsPage) -> Option<String> {
        let place = self.configured(page)?;
        let subject = match page {
            SettingsPage::QuietHours => "The quiet hours are",
            SettingsPage::Gather => "Gathering is",
            _ => "The time zone is",
        };
        Some(match self.sees_places {
            true => format!(
                "{subject} set in {}. That takes precedence: remove the key there and restart the service to choose here.",
                printable(place)
            ),
            false => format!(
                "{subject} set in the configuration, which takes precedence. Ask an owner of this bot."
            ),
        })
    }
}

/// Hours as people read them.
pub(super) fn shown_hours(hours: DailyHours) -> String {
    hours.to_string().replace('-', "–")
}

fn shown_gather(seconds: u64) -> String {
    match seconds {
        0 => "off".to_owned(),
        seconds if seconds.is_multiple_of(60) => pluralize(seconds / 60, "minute", "minutes"),
        seconds => pluralize(seconds, "second", "seconds"),
    }
}

/// A page of the settings.
pub(in crate::chat) fn page(shown: &ShownSettings, page: SettingsPage) -> Reply {
    match page {
        SettingsPage::All => all(shown),
        SettingsPage::QuietHours => quiet_hours(shown),
        SettingsPage::Gather => gather(shown),
        SettingsPage::Doorbell => doorbell(shown),
        SettingsPage::TimeZone => time_zone(shown),
    }
}

fn all(shown: &ShownSettings) -> Reply {
    let whose = match shown.chat {
        ChatId::TERMINAL => "Settings of all chats that chose none",
        _ => "Settings of this chat",
    };
    let lines = [
        Text::plain(format_args!("Quiet hours: {}", shown.quiet_hours_line())),
        Text::plain(format_args!("Gathering of alerts: {}", shown.gather_line())),
        Text::plain(format_args!("Time zone: {}", shown.time_zone_line())),
    ];
    let text = Text::plain("⚙️ ").bold(whose).list(lines.into_iter());
    if shown.chat == ChatId::TERMINAL {
        return text
            .append("\n\nTo change them: ")
            .code("/settings quiet 22:30-07:00")
            .append(", ")
            .code("/settings gather 5m")
            .append(", ")
            .code("/settings zone Berlin")
            .append(". What a chat chooses for itself counts there instead.")
            .into();
    }
    let text = text.append(format_args!("\n• Doorbell: {}", shown.doorbell_line()));
    let button = |page, label| Callback::Settings(page).button(label);
    let buttons = [
        [button(SettingsPage::QuietHours, "🌙 Quiet hours"), button(SettingsPage::Gather, "📥 Gathering")],
        [button(SettingsPage::Doorbell, "🚪 Doorbell"), button(SettingsPage::TimeZone, "🕰 Time zone")],
    ];
    let buttons = buttons.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
    Reply { text, buttons, ..Reply::default() }
}

/// A page with its buttons, or why nothing can be chosen, and the way back.
fn with_choices(
    shown: &ShownSettings,
    page: SettingsPage,
    text: Text,
    choices: Vec<Vec<Option<Button>>>,
) -> Reply {
    let (text, choices) = match shown.precedence(page) {
        Some(why) => (text.append(format_args!("\n\n🔒 {why}")), Vec::new()),
        None => (text, choices),
    };
    if shown.chat == ChatId::TERMINAL {
        return text.into();
    }
    let back = vec![Callback::Settings(SettingsPage::All).button("« Settings")];
    let rows = choices.into_iter().chain([back]).map(|row| row.into_iter().flatten().collect::<Vec<_>>());
    Reply { text, buttons: rows.filter(|row| !row.is_empty()).collect(), ..Reply::default() }
}

/// A label, marked if it is what holds.
fn marked(label: impl std::fmt::Display, holds: bool) -> String {
    if holds { format!("✓ {label}") } else { label.to_string() }
}

fn quiet_hours(shown: &ShownSettings) -> Reply {
    let text = Text::plain("🌙 ").bold("Quiet hours").append(format_args!(
        ": {}.\nNo alert is sent during them; one message sums them up afterwards.",
        shown.quiet_hours_line()
    ));
    let now = shown.effective.quiet_hours.value;
    let set = |hours: Option<DailyHours>, label: String| {
        Callback::Choose(ChatSetting::QuietHours(hours), Place::Settings).button(label)
    };
    let mut presets = vec![set(None, marked("None", now.is_none()))];
    presets.extend(
        quiet_choices().map(|hours| set(Some(hours), marked(shown_hours(hours), now == Some(hours)))),
    );
    let moved = |begin: i32, end: i32| {
        let hours = moved_hours(now?, begin, end)?;
        let shown = hours.to_string();
        let (from, to) = shown.split_once('-')?;
        let label = match (begin, end) {
            (0, _) => format!("to {to}"),
            _ => format!("from {from}"),
        };
        let arrow = if begin + end < 0 { "◀" } else { "▶" };
        set(Some(hours), format!("{arrow} {label}"))
    };
    let other = Callback::Ask(AskedSetting::QuietHours, Place::Settings).button("Other hours…");
    let choices =
        vec![presets, vec![moved(-1, 0), moved(1, 0)], vec![moved(0, -1), moved(0, 1)], vec![other]];
    with_choices(shown, SettingsPage::QuietHours, text, choices)
}

fn gather(shown: &ShownSettings) -> Reply {
    let text = Text::plain("📥 ").bold("Gathering of alerts").append(format_args!(
        ": {}.\nWithin this time the first three alerts come one by one, the others as one message.",
        shown.gather_line()
    ));
    let now = shown.effective.gather.value.as_secs();
    let choices = GATHER_CHOICES.map(|seconds| {
        let label = match seconds {
            0 => "Off".to_owned(),
            seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        };
        Callback::Choose(ChatSetting::GatherSeconds(seconds), Place::Settings)
            .button(marked(label, now == u64::from(seconds)))
    });
    with_choices(shown, SettingsPage::Gather, text, vec![choices.into_iter().collect()])
}

fn doorbell(shown: &ShownSettings) -> Reply {
    let text = Text::plain("🚪 ").bold("Doorbell").append(format_args!(
        ": {}.\nIt tells once when a stranger stays near. /doorbell has more settings.",
        shown.doorbell_line()
    ));
    let now = match &shown.doorbell {
        None => DoorbellMode::Off,
        Some(doorbell) if doorbell.only_in_quiet_hours => DoorbellMode::QuietHours,
        Some(_) => DoorbellMode::On,
    };
    let choices = DoorbellMode::ALL.map(|mode| {
        let label = match mode {
            DoorbellMode::On => "On",
            DoorbellMode::QuietHours => "In quiet hours",
            DoorbellMode::Off => "Off",
        };
        Callback::Doorbell(mode).button(marked(label, now == mode))
    });
    with_choices(shown, SettingsPage::Doorbell, text, vec![choices.into_iter().collect()])
}

fn time_zone(shown: &ShownSettings) -> Reply {
    let text = Text::plain("🕰 ").bold("Time zone").append(format_args!(
        ": {}.\nQuiet hours, charts and times are in this zone.",
        shown.time_zone_line()
    ));
    let mut choices =
        zone_buttons(&crate::chat::model::time_zones::near(shown.effective.time_zone.value, shown.now), {
            (shown.now, Some(shown.effective.time_zone.value), Place::Settings)
        });
    choices.push(vec![Callback::Ask(AskedSetting::TimeZone, Place::Settings).button("Another…")]);
    with_choices(shown, SettingsPage::TimeZone, text, choices)
}

/// Rows of buttons that choose these zones, with the time there; the one that holds is marked.
pub(super) fn zone_buttons(
    zones: &[Tz],
    (now, holds, place): (Timestamp, Option<Tz>, Place),
) -> Vec<Vec<Option<Button>>> {
    let button = |(number, zone): (usize, &Tz)| {
        let label = format!("{zone}, {}", time_of_day(now, *zone));
        let button = Callback::Choose(ChatSetting::TimeZone(zone.name().to_owned()), place)
            .button(marked(label, holds == Some(*zone)));
        // The guess and the most similar name come first.
        if number == 0 && holds.is_none() { button.map(Button::primary) } else { button }
    };
    let zones: Vec<_> = zones.iter().enumerate().map(button).collect();
    zones.chunks(ZONES_PER_ROW).map(<[_]>::to_vec).collect()
}

/// The reply to a choice that was made in words.
pub(in crate::chat) fn chosen(shown: &ShownSettings, page: SettingsPage) -> Text {
    match page {
        SettingsPage::QuietHours => {
            Text::plain(format_args!("🌙 Quiet hours: {}.", shown.quiet_hours_line()))
        }
        SettingsPage::Gather => Text::plain(format_args!("📥 Gathering of alerts: {}.", shown.gather_line())),
        _ => Text::plain(format_args!("🕰 Time zone: {}.", shown.time_zone_line())),
    }
}

/// The reply if the configuration sets a value.
pub(in crate::chat) fn refused(why: &str) -> Text {
    Text::plain(format_args!("🔒 {why}"))
}

/// The reply to a name that is no time zone, with similar ones. If there are none, it asks again.
pub(in crate::chat) fn unknown_zone(written: &str, similar: &[Tz], now: Timestamp, place: Place) -> Reply {
    let text = Text::plain(format_args!("❌ I know no time zone “{}”.", foreign(written)));
    if similar.is_empty() {
        let text = text.append("\n").append(question(AskedSetting::TimeZone, place));
        return Reply { text, asks_for: Some(VALUE_FIELD), ..Reply::default() };
    }
    let names = similar.iter().map(|zone| Text::default().code(zone));
    let text = text.append(" Did you mean one of these?").list(names);
    let other = vec![Callback::Ask(AskedSetting::TimeZone, place).button("Another…")];
    let rows = zone_buttons(similar, (now, None, place)).into_iter().chain([other]);
    let buttons = rows.map(|row| row.into_iter().flatten().collect()).collect();
    Reply { text, buttons, ..Reply::default() }
}

/// The question for a value in words. A reply to this message chooses it: by the text the bot knows what it asked for.
pub(in crate::chat) fn question(asked: AskedSetting, place: Place) -> &'static str {
    match (asked, place) {
        (AskedSetting::TimeZone, Place::Settings) => {
            "🕰 Reply with the time zone of this chat: a large city, or a name such as Europe/Berlin."
        }
        (AskedSetting::TimeZone, Place::FirstSteps) => {
            "🕰 Reply with your time zone: a large city near you, or a name such as Europe/Berlin."
        }
        (AskedSetting::QuietHours, Place::Settings) => {
            "🌙 Reply with the quiet hours of this chat, such as 22:30-07:00, or off."
        }
        (AskedSetting::QuietHours, Place::FirstSteps) => {
            "🌙 Reply with the hours in which you want no alerts, such as 22:30-07:00, or off."
        }
        (AskedSetting::Watch, _) => {
            "👁 Reply with the name of a network to watch, such as Depot; Depot* means every name that starts with Depot."
        }
    }
}

/// What this message asked for, if it did.
pub(in crate::chat) fn asked(message: &str) -> Option<(AskedSetting, Place)> {
    let last = message.trim().lines().last()?;
    let all = AskedSetting::ALL.into_iter().flat_map(|asked| Place::ALL.map(|place| (asked, place)));
    let mut all =
        all.filter(|(asked, place)| !matches!((asked, place), (AskedSetting::Watch, Place::Settings)));
    all.find(|(asked, place)| question(*asked, *place) == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_recognized_by_its_text() {
        for asked_for in AskedSetting::ALL {
            let of_watch = asked_for == AskedSetting::Watch;
            for place in Place::ALL.into_iter().filter(|place| !of_watch || *place == Place::FirstSteps) {
                let text = question(asked_for, place);
                assert_eq!(asked(text), Some((asked_for, place)));
                assert_eq!(asked(&format!("❌ No.\n{text}\n")), Some((asked_for, place)));
                assert_eq!(asked(&text[..text.len() - 1]), None);
            }
        }
        assert_eq!(asked(""), None);
    }
}

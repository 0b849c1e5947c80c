//! The first steps after pairing: three questions in one message, which is edited along, and an example.

use chrono_tz::Tz;
use dot11::Ssid;
use store::event::{ChatSetting, Role, Timestamp};

use super::settings::{ShownSettings, shown_hours, zone_buttons};
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::settings::{AskedSetting, FirstStep, Place, SettingsPage, quiet_choices};
use crate::chat::model::time_zones;
use crate::text::Text;
use crate::text::format::pluralize;

/// The longest label of a network's button, in characters.
const LABEL_LENGTH: usize = 24;

/// Networks' buttons in one row.
const NETWORKS_PER_ROW: usize = 2;

/// The button that begins the first steps.
pub(in crate::chat) fn begin_button() -> Vec<Vec<Button>> {
    let button = Callback::FirstStep(FirstStep::TimeZone).button("🚀 Set this chat up").map(Button::primary);
    button.map(|button| vec![button]).into_iter().collect()
}

/// What holds of the steps.
#[derive(Debug)]
pub(in crate::chat) struct Steps<'a> {
    pub(in crate::chat) settings: &'a ShownSettings,
    /// How many networks and patterns the chat watches.
    pub(in crate::chat) watches: usize,
    /// The networks that devices look for most, without those that are watched.
    pub(in crate::chat) networks: &'a [Ssid],
}

impl Steps<'_> {
    /// Whether the configuration answers a question.
    fn is_configured(&self, step: FirstStep) -> bool {
        let page = match step {
            FirstStep::TimeZone => SettingsPage::TimeZone,
            FirstStep::QuietHours => SettingsPage::QuietHours,
            FirstStep::Watch | FirstStep::Ready => return false,
        };
        self.settings.precedence(page).is_some()
    }

    /// This step, or the next one with a question that the configuration does not answer.
    fn next_open(&self, step: FirstStep) -> FirstStep {
        if self.is_configured(step) { self.next_open(step.next()) } else { step }
    }

    fn questions(&self) -> impl Iterator<Item = FirstStep> {
        FirstStep::ALL.into_iter().filter(|step| *step != FirstStep::Ready && !self.is_configured(*step))
    }

    /// What is known of a step.
    fn answer(&self, step: FirstStep) -> String {
        let (mark, origin) = match self.is_configured(step) {
            true => ("🔒", ", set in the configuration"),
            false => ("✓", ""),
        };
        let settings = &self.settings.effective;
        match step {
            FirstStep::TimeZone => format!("{mark} Time zone: {}{origin}", settings.time_zone.value),
            FirstStep::QuietHours => {
                let hours = settings.quiet_hours.value.map_or("none".to_owned(), shown_hours);
                format!("{mark} Quiet hours: {hours}{origin}")
            }
            FirstStep::Watch | FirstStep::Ready => match self.watches {
                0 => "👁 Watching nothing yet: /watch SSID, or /networks to choose from".to_owned(),
                count => format!("👁 Watching {}", pluralize(count as u64, "network", "networks")),
            },
        }
    }
}

/// The greeting after pairing.
pub(in crate::chat) fn welcome(role: Role) -> Text {
    super::access::paired(role)
}

/// A step: what was answered so far, and the next question or, after the last one, that the chat is ready.
pub(in crate::chat) fn step(steps: &Steps<'_>, step: FirstStep) -> Reply {
    let step = steps.next_open(step);
    if step == FirstStep::Ready {
        return ready(steps);
    }
    let number = steps.questions().take_while(|question| *question != step).count() + 1;
    let count = steps.questions().count();
    let text = Text::plain("🚀 ").bold(format_args!("Setting this chat up, {number} of {count}"));
    let passed = FirstStep::ALL.into_iter().filter(|passed| *passed < step || steps.is_configured(*passed));
    let text = passed
        .fold(text, |text, passed| text.append(format_args!("\n{}", steps.answer(passed))))
        .append("\n\n");
    let (text, rows) = match step {
        FirstStep::TimeZone => time_zone(text, steps.settings),
        FirstStep::QuietHours => quiet_hours(text),
        FirstStep::Watch | FirstStep::Ready => watch(text, steps.networks),
    };
    let buttons = rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>());
    Reply { text, buttons: buttons.filter(|row| !row.is_empty()).collect(), ..Reply::default() }
}

fn time_zone(text: Text, settings: &ShownSettings) -> (Text, Vec<Vec<Option<Button>>>) {
    let guess: Tz = settings.effective.time_zone.value;
    let now: Timestamp = settings.now;
    let text = text.append("Which time zone are you in? I guess ").code(guess).append(
        ". Quiet hours, charts and times will be in this zone. You can skip each question, and change each answer with \
         /settings later.",
    );
    let mut rows = zone_buttons(&time_zones::near(guess, now), (now, None, Place::FirstSteps));
    rows.push(vec![
        Callback::Ask(AskedSetting::TimeZone, Place::FirstSteps).button("Another…"),
        Callback::FirstStep(FirstStep::TimeZone.next()).button("Skip"),
    ]);
    (text, rows)
}

fn quiet_hours(text: Text) -> (Text, Vec<Vec<Option<Button>>>) {
    let text = text.append(
        "When do you want no alerts? During quiet hours they wait; one message sums them up afterwards.",
    );
    let choose = |hours| Callback::Choose(ChatSetting::QuietHours(hours), Place::FirstSteps);
    let hours = quiet_choices().map(|hours| choose(Some(hours)).button(shown_hours(hours))).collect();
    let none = vec![
        choose(None).button("No quiet hours"),
        Callback::Ask(AskedSetting::QuietHours, Place::FirstSteps).button("Other hours…"),
        Callback::FirstStep(FirstStep::QuietHours.next()).button("Skip"),
    ];
    (text, vec![hours, none])
}

fn watch(text: Text, networks: &[Ssid]) -> (Text, Vec<Vec<Option<Button>>>) {
    let text =
        text.append("Which network do you want to watch first? I alert you when a device looks for it.");
    let text = match networks.is_empty() {
        true => text.append(" No device has looked for a network by name yet."),
        false => text.append(" These are the ones that devices here look for most."),
    };
    let button = |ssid: &Ssid| {
        let name = ssid.to_string();
        // Spaces around it would not be seen, and a label of spaces only is refused.
        let name = if name.trim() == name { name } else { format!("\"{name}\"") };
        let shown = Text::plain(name).shortened(LABEL_LENGTH).to_string();
        Callback::FirstWatch(ssid.clone()).button(shown)
    };
    let mut rows: Vec<Vec<Option<Button>>> =
        networks.chunks(NETWORKS_PER_ROW).map(|row| row.iter().map(button).collect()).collect();
    rows.push(vec![
        Callback::Ask(AskedSetting::Watch, Place::FirstSteps).button("Something else…"),
        Callback::FirstStep(FirstStep::Ready).button("Nothing now"),
    ]);
    (text, rows)
}

fn ready(steps: &Steps<'_>) -> Reply {
    let lines = FirstStep::ALL.into_iter().filter(|step| *step != FirstStep::Ready);
    let text = Text::plain("🎉 ").bold("This chat is ready.");
    let text = lines.fold(text, |text, step| text.append(format_args!("\n{}", steps.answer(step)))).append(
        "\n\nSend me a device's name or MAC address to see what I know of it. /nearby lists what is here, /settings has \
         your answers, /help all commands.",
    );
    text.into()
}

/// The heading of the example, which follows as a message of its own.
pub(in crate::chat) fn example_follows(ready: Text) -> Text {
    ready.append("\n\nHere is an example: a device that is here right now.")
}

/// In place of the example, if no device is here.
pub(in crate::chat) fn no_example(ready: Text) -> Text {
    ready
        .append("\n\nI would show you a device that is here right now, but there is none. Try /nearby later.")
}

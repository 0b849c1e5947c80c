//! The doorbell's settings.

use std::time::Duration;

use store::state::Doorbell;

use super::strangers::still_learning;
use crate::text::Text;
use crate::text::format::pluralize;

pub(in crate::chat) fn shown(
    doorbell: Option<&Doorbell>,
    quiet_hours: Option<&str>,
    learned: Duration,
) -> Text {
    let Some(Doorbell { min_dbm, stay_seconds, only_in_quiet_hours, .. }) = doorbell else { return is_off() };
    let when = match quiet_hours.filter(|_| *only_in_quiet_hours) {
        Some(hours) => format!(" during quiet hours ({hours})"),
        None => String::new(),
    };
    let text = Text::plain(format_args!(
        "🚪 The doorbell is on{when}: you get one alert when a stranger stays near ({min_dbm} dBm or stronger) for {}. I \
         keep its message up to date while the stranger stays and when it has left. Use /doorbell off to stop it.",
        pluralize(stay_seconds / 60, "minute", "minutes")
    ));
    let text = match (quiet_hours, only_in_quiet_hours) {
        (Some(hours), false) => text.append(format_args!(
            "\nDuring quiet hours ({hours}) its alerts wait. Use /doorbell on quiet to get them then, and only then."
        )),
        (Some(_), true) => text.append("\nThese alerts do not wait for the end of the quiet hours."),
        (None, true) => text.append("\nThis chat has no quiet hours any more, so it rings at any hour."),
        (None, false) => text,
    };
    match still_learning(learned) {
        Some(note) => text.append(format_args!("\n{note}")),
        None => text,
    }
}

fn is_off() -> Text {
    Text::plain("🚪 The doorbell is off. Use /doorbell on to get an alert when a stranger stays near.")
}

pub(in crate::chat) fn no_quiet_hours() -> Text {
    Text::plain(
        "❌ This chat has no quiet hours, so the doorbell cannot be limited to them. Choose some with /settings, or use \
         /doorbell on.",
    )
}

pub(in crate::chat) fn off() -> Text {
    Text::plain("🚪 The doorbell is off. No more alerts about strangers.")
}

pub(in crate::chat) fn was_off() -> Text {
    Text::plain("🚪 The doorbell is off already.")
}

pub(in crate::chat) fn not_at_the_terminal() -> Text {
    Text::plain("❌ Each chat has its own doorbell: send /doorbell on to the bot.")
}

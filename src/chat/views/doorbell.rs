//! The doorbell's settings.

use std::time::Duration;

use store::state::Doorbell;

use super::strangers::still_learning;
use crate::text::Text;
use crate::text::format::pluralize;

pub(in crate::chat) fn shown(doorbell: Option<&Doorbell>, learned: Duration) -> Text {
    let Some(Doorbell { min_dbm, stay_seconds }) = doorbell else { return is_off() };
    let text = Text::plain(format_args!(
        "🚪 The doorbell is on: you get one alert when a stranger stays near ({min_dbm} dBm or stronger) for {}, and one \
         when it has left. Use /doorbell off to stop it.",
        pluralize(stay_seconds / 60, "minute", "minutes")
    ));
    match still_learning(learned) {
        Some(note) => text.append(format_args!("\n{note}")),
        None => text,
    }
}

fn is_off() -> Text {
    Text::plain("🚪 The doorbell is off. Use /doorbell on to get an alert when a stranger stays near.")
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

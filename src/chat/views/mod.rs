//! Every text that a person sees in a chat: functions from values to text, and nothing else.
//!
//! What must hold:
//! - No other module of the rooms `chart`, `chat` and `telegram` has a text for a person; what they tell
//!   apart comes here as a value. A test holds this (tests/it/layering.rs).
//! - An answer begins with the sign of what it is about; ❌ is a refusal, and says what to do. ⚠️ and ✅ begin
//!   what nobody asked for, trouble and its end, and ✅ what an owner removed.
//! - What somebody else wrote (a name, a reason, an SSID, what the system says of a disk) goes through
//!   [`printable`], or an SSID's `Display`, and stays on its line.

pub mod access;
pub mod alerts;
mod card;
mod help;
mod history;
mod lists;
mod names;
pub mod notices;
pub(in crate::chat) mod subscriptions;
mod usage_error;

use super::message::File;
use crate::recorder::ChangeError;
use crate::text::Text;
use crate::text::format::reason;

pub use card::found;
pub(super) use card::{choices, found_buttons};
pub(super) use help::{help, start, turn_to, unknown_command};
pub(super) use history::{
    READING_BROKEN_OFF, chart, chart_buttons, chart_subtitle, chart_words, exported_networks,
    exported_probes, log_unreadable, probes, reading, waiting_to_read,
};
pub(super) use lists::{devices, nearby, networks, requesters, top};
pub(super) use names::{
    NAME_FIELD, asked_to_name, had_no_name, name_question, name_refused, named, named_by_configuration,
    named_by_import, unnamed,
};
pub(super) use usage_error::usage_error;

/// A change that was not made, or not for good.
pub fn change_failed(error: &ChangeError) -> Text {
    let text = Text::plain("❌ That could not be saved: ");
    match error {
        ChangeError::Disk(why) => text.then(format_args!(
            "writing to disk fails ({}). Nothing was changed; try again when that is fixed.",
            reason(why)
        )),
        ChangeError::NotOnDiskYet(why) => text.then(format_args!(
            "it is not on disk yet ({}). It holds until a restart, and permanently once that is fixed.",
            reason(why)
        )),
        ChangeError::Stopped => text.then("I am shutting down. Try again in a minute."),
    }
}

/// What a button that nobody knows any more does.
pub(in crate::chat) const OLD_BUTTON: &str = "This button is too old. Send the command again for a new one.";

/// The line for a message without words.
pub fn wordless() -> Text {
    Text::plain(
        "I can only read text: a device's name, a MAC address or a command. /help lists the commands.",
    )
}

/// The line for a message that is someone else's.
pub fn forwarded() -> Text {
    Text::plain("I ignore forwarded messages. Copy the text and send it yourself.")
}

/// What a terminal, which can show no file, says of one.
pub(super) fn file_note(file: &File) -> String {
    match file {
        File::Picture { png } => format!("[a picture of {} bytes, shown in Telegram]", png.len()),
        File::Document { name, bytes, .. } => {
            format!("[{name}, {} bytes, sent in Telegram]", bytes.len())
        }
    }
}

/// The line that stands while an answer takes long; after so many seconds.
pub fn working(seconds: u64) -> Text {
    Text::plain(format_args!("⏳ Working on it… {seconds} s"))
}

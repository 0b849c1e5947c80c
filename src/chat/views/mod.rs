//! Every text and button of the chat: pure functions from values.
//!
//! Invariants:
//! - No other module of `chart`, `chat` and `telegram` contains a text for people, except the help lines in the table
//!   of commands; the others pass values to these functions. A test enforces this (tests/it/layering.rs).
//! - A reply starts with the emoji of its topic. ❌ is a refusal and says what to do. ⚠️ and ✅ start notices about a
//!   problem and its end; ✅ also confirms a removal.
//! - Text that somebody else wrote (a name, a reason, an SSID, an error of the system) goes through
//!   [`crate::text::printable`] or an SSID's `Display`, so it stays on its line.

pub mod access;
pub mod alerts;
mod card;
mod card_part;
pub(in crate::chat) mod doorbell;
pub(in crate::chat) mod first_steps;
mod help;
mod history;
mod inline;
mod lists;
pub(in crate::chat) mod maintenance;
mod names;
pub mod notices;
pub(in crate::chat) mod phones;
pub(in crate::chat) mod presence;
pub(crate) mod proposals;
pub(in crate::chat) mod settings;
mod strangers;
pub(in crate::chat) mod subscriptions;
mod usage_error;

use store::recorder::ChangeError;

use super::callbacks::Callback;
use super::commands::UsageError;
use super::message::{Asker, File, Reply};
use crate::text::format::reason;
use crate::text::{Text, foreign};

pub use card::device_reply;
pub(super) use card::{ambiguous_matches, found_buttons};
pub(super) use help::{help, help_in_group, page_command, start, unknown_command};
pub(super) use history::{
    READING_BROKEN_OFF, chart, chart_buttons, chart_labels, chart_subtitle, exported_networks,
    exported_probes, log_unreadable, probes, reading, waiting_to_read,
};
pub(super) use inline::inline_card;
pub(super) use lists::{devices, nearby, networks, requesters, top};
pub(super) use names::{
    NAME_FIELD, asked_to_name, had_no_name, name_question, name_refused, named, named_by_configuration,
    named_by_import, named_phone, no_such_phone, phone_had_no_name, unnamed, unnamed_phone, with_offers,
};
pub(super) use strangers::strangers;
pub(super) use usage_error::usage_error;

/// In a group, the reply says who made the change.
pub(super) fn by_whom(reply: Reply, asker: Asker<'_>) -> Reply {
    match asker.person.filter(|_| asker.is_in_group()) {
        Some(person) if person.id == asker.chat => reply.with_line(Text::plain("By an admin of this group.")),
        Some(person) => reply.with_line(Text::plain(format_args!("By {}", foreign(&person.name)))),
        None => reply,
    }
}

/// Why an answer is not taken, before the question is asked again.
pub(in crate::chat) fn refused_answer(error: &UsageError) -> Text {
    Text::plain(format_args!("❌ {}\n", usage_error::sentence(error)))
}

/// A change that was not made, or is not durable yet.
pub fn change_failed(error: &ChangeError) -> Text {
    let text = Text::plain("❌ That could not be saved: ");
    match error {
        ChangeError::Disk(why) => text.append(format_args!(
            "writing to disk fails ({}). Nothing was changed; try again when that is fixed.",
            reason(why)
        )),
        ChangeError::NotOnDiskYet(why) => text.append(format_args!(
            "it is not on disk yet ({}). It holds until a restart, and permanently once that is fixed.",
            reason(why)
        )),
        ChangeError::Stopped => text.append("I am shutting down. Try again in a minute."),
    }
}

/// The notification of a press whose reply takes long.
pub(in crate::chat) fn is_being_made(callback: &Callback) -> &'static str {
    match callback {
        Callback::ExportBetween(_) => "The table is being made.",
        Callback::NewestProbes(_) => "The probes are being read.",
        _ => "The chart is being made.",
    }
}

/// The notification of a press that was carried out a moment ago.
pub(crate) const JUST_MADE: &str = "I have just sent that.";

/// The notification if a button's data cannot be decoded.
pub(in crate::chat) const OLD_BUTTON: &str = "This button is too old. Send the command again for a new one.";

/// The reply to a message without text.
pub fn non_text_message() -> Text {
    Text::plain(
        "I can only read text: a device's name, a MAC address or a command. /help lists the commands.",
    )
}

/// The reply to a forwarded message.
pub fn forwarded() -> Text {
    Text::plain("I ignore forwarded messages. Copy the text and send it yourself.")
}

/// The note in place of a file on a terminal.
pub(super) fn file_note(file: &File) -> String {
    match file {
        File::Picture { png } => format!("[a picture of {} bytes, shown in Telegram]", png.len()),
        File::Document { name, bytes, .. } => {
            format!("[{name}, {} bytes, sent in Telegram]", bytes.len())
        }
    }
}

/// The message while a reply takes long, `seconds` after the request.
pub fn in_progress(seconds: u64) -> Text {
    Text::plain(format_args!("⏳ Working on it… {seconds} s"))
}

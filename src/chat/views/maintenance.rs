//! The machine's clock, and how far back the log goes.

use chrono_tz::Tz;
use store::event::Timestamp;
use store::recorder::ClockDoubt;

use crate::status::{self, Status};
use crate::text::Text;
use crate::text::format::{shown_time, time_and_age};

/// Whether the clock is in doubt.
pub(in crate::chat) fn clock(doubt: Option<&ClockDoubt>, now: Timestamp, zone: Tz) -> Text {
    match doubt {
        Some(doubt) => Text::plain("🕰 ").append_text(status::clock_doubt(doubt, zone)),
        None => Text::plain("🕰 It is ")
            .append_text(shown_time(now, zone))
            .append(". The machine's clock is not in doubt."),
    }
}

/// A person has said that the clock is right.
pub(in crate::chat) fn clock_trusted(now: Timestamp, zone: Tz) -> Text {
    Text::plain("🕰 The machine's clock is trusted: it is ").append_text(shown_time(now, zone)).append(".")
}

/// How far back the log goes, and what will be deleted.
pub(in crate::chat) fn history(status: &Status, keeps: bool, now: Timestamp, zone: Tz) -> Text {
    let text = match status.log.and_then(|log| log.oldest) {
        Some(oldest) => Text::plain("🗂 The oldest probe of the log: ")
            .append_text(time_and_age(oldest, now, zone))
            .append("."),
        None => Text::plain("🗂 The log has no probes yet."),
    };
    match (&status.pending_deletion, keeps) {
        (_, true) => text.append(
            "\nNothing is deleted because of its age. To let old events be deleted again: /history delete",
        ),
        (Some(pending), false) => text.append("\n🗑 ").append_text(status::pending_deletion(pending, zone)),
        (None, false) => text.append(
            "\nWhat is older than retention.log_days is deleted, a day's worth an hour. To keep it: /history keep",
        ),
    }
}

/// Whether old events are kept from now on.
pub(in crate::chat) fn history_decided(keep: bool) -> Text {
    Text::plain(match keep {
        true => {
            "🗂 Nothing is deleted because of its age from now on. The limit of the log's size still holds. To end this: \
             /history delete"
        }
        false => "🗂 Old events are deleted again, a day's worth an hour.",
    })
}

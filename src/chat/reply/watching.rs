//! What is said of watching, following, muting and ignoring.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono_tz::Tz;

use super::alerts::mute_over;
use super::words::{ago, shown_time};
use crate::chat::request::Wanted;
use crate::chat::text::{Text, printable};
use crate::dot11::{MacAddr, Ssid};
use crate::event::{ChatId, Timestamp};
use crate::state::{Follow, Mute, Watch};

pub(in crate::chat) fn muted(until: Timestamp, zone: Tz) -> Text {
    Text::plain(format_args!("🔕 Muted until {}. /unmute ends it.", shown_time(until, zone)))
}

pub(in crate::chat) fn unmuted(swallowed: u64) -> Text {
    match swallowed {
        0 => Text::plain("🔔 No longer muted. There was no alert meanwhile."),
        count => mute_over(count),
    }
}

pub(in crate::chat) fn was_not_muted() -> Text {
    Text::plain("🔔 This chat is not muted.")
}

/// The SSID as `/watch` takes it: in quotes where it would be a pattern.
pub(in crate::chat) fn spelled(ssid: &Ssid) -> String {
    let shown = ssid.to_string();
    if shown.contains(['*', '?']) { format!("\"{shown}\"") } else { shown }
}

/// As it is written after `/watch`.
fn shown(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Network(ssid) => format!("\"{ssid}\""),
        Wanted::Pattern(pattern) => printable(pattern.as_str()),
    }
}

pub(in crate::chat) fn watching(wanted: &Wanted, reason: Option<&str>) -> Text {
    let text = match wanted {
        Wanted::Network(_) => Text::plain(format_args!("👁 Watching for {}.", shown(wanted))),
        Wanted::Pattern(_) => {
            Text::plain(format_args!("👁 Watching for every network like {}.", shown(wanted)))
        }
    };
    match reason {
        Some(reason) => text.then(format_args!("\nReason: {}", printable(reason))),
        None => text,
    }
}

pub(in crate::chat) fn too_many_watches(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat watches {limit} networks already, which is the most. /unwatch one first."
    ))
}

pub(in crate::chat) fn too_many_patterns(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat watches {limit} patterns already, which is the most. /unwatch one first."
    ))
}

pub(in crate::chat) fn unwatched(wanted: &Wanted) -> Text {
    Text::plain(format_args!("👁 No longer watching for {}.", shown(wanted)))
}

pub(in crate::chat) fn was_not_watched(wanted: &Wanted) -> Text {
    Text::plain(format_args!("❌ {} is not watched here. /watches lists what is.", shown(wanted)))
}

/// What a button that stops a watch says where there is none.
pub(in crate::chat) const WATCH_IS_GONE: &str = "That is not watched any more.";

/// A followed device, as `/watches` shows it.
pub(in crate::chat) struct Followed<'a> {
    pub(in crate::chat) device: String,
    pub(in crate::chat) by: ChatId,
    pub(in crate::chat) follow: &'a Follow,
    pub(in crate::chat) last_heard: Option<Timestamp>,
}

pub(in crate::chat) fn watches(
    watches: &[(String, ChatId, &Watch)],
    follows: &[Followed<'_>],
    ignored: &[String],
    mute: Option<&Mute>,
    asked_by: ChatId,
    (now, zone): (Timestamp, Tz),
) -> Text {
    let set_by = |by: ChatId| match by {
        _ if by == asked_by => String::new(),
        ChatId::TERMINAL => ", set at the terminal".to_owned(),
        by => format!(", set in chat {by}"),
    };
    let mut text = match watches {
        [] => Text::plain("👁 No network is watched. Begin with /watch SSID [reason]."),
        _ => Text::default().bold("👁 Watched networks").list(watches.iter().map(|(ssid, by, watch)| {
            let text = Text::default().code(ssid);
            let text = match &watch.reason {
                Some(reason) => text.then(format_args!(": {}", printable(reason))),
                None => text,
            };
            text.then(format_args!(" (since {}{})", shown_time(watch.since, zone), set_by(*by)))
        })),
    };
    if !follows.is_empty() {
        let list = follows.iter().map(|Followed { device, by, follow, last_heard }| {
            let here = if follow.is_here { "here" } else { "not here" };
            let last = last_heard
                .map_or("not heard so far".to_owned(), |last| format!("last heard {}", ago(last, now)));
            let minutes = follow.silence_seconds / 60;
            let text = Text::plain(printable(device));
            text.then(format_args!(": {here}, {last} (gone after {minutes} min of silence{})", set_by(*by)))
        });
        text = text.then("\n\n").bold("🚶 Followed devices").list(list);
    }
    if !ignored.is_empty() {
        let list = ignored.iter().map(|device| Text::plain(printable(device)));
        text = text.then("\n\n").bold("🙈 Ignored devices").list(list);
    }
    match mute {
        Some(mute) => text.then("\n\n").join(muted(mute.until, zone)),
        None => text,
    }
}

pub(in crate::chat) fn following(
    device: &str,
    silence: Duration,
    last_heard: Option<Timestamp>,
    now: Timestamp,
    zone: Tz,
) -> Text {
    let text = Text::plain(format_args!(
        "🚶 Following {}: I tell when it arrives, and when it has left, after {} min of silence.",
        printable(device),
        silence.as_secs() / 60
    ));
    match last_heard {
        Some(last) if now.distance(last) < silence => text.then("\nIt is here now."),
        Some(last) => text.then(format_args!("\nIt was last heard at {}.", shown_time(last, zone))),
        None => text.then("\nIt was not heard so far."),
    }
}

/// Why a device all of whose addresses are random is not followed.
pub(in crate::chat) fn random_cannot_be_followed(address: MacAddr, count: usize) -> Text {
    let text = match count {
        1 => Text::plain("❌ ").code(address).then(" is a random address"),
        _ => Text::plain("❌ That name has random addresses only"),
    };
    text.then(
        ": the device made it up and takes another one before long, so that nobody could tell when it arrives or \
         leaves. Switch “private Wi-Fi address” off on it for your network, and follow the address that it has then.",
    )
}

pub(in crate::chat) fn bad_follow_minutes(range: &RangeInclusive<u64>) -> Text {
    Text::plain(format_args!(
        "❌ After how many minutes of silence has it left? Write {} to {}.",
        range.start(),
        range.end()
    ))
}

pub(in crate::chat) fn too_many_follows(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat follows {limit} devices already, which is the most. /unfollow one first."
    ))
}

pub(in crate::chat) fn no_such_device(query: &str) -> Text {
    Text::plain(format_args!("❌ No device is called {}. /name gives one a name.", printable(query)))
}

pub(in crate::chat) fn unfollowed(device: &str) -> Text {
    Text::plain(format_args!("🚶 No longer following {}.", printable(device)))
}

pub(in crate::chat) fn was_not_followed(query: &str) -> Text {
    Text::plain(format_args!("❌ {} is not followed here. /watches lists what is.", printable(query)))
}

pub(in crate::chat) fn too_many_ignored(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat ignores {limit} devices already, which is the most. /unignore one first."
    ))
}

pub(in crate::chat) fn ignoring(device: &str) -> Text {
    let device = printable(device);
    Text::plain(format_args!("🙈 No more alerts about {device}. /unignore {device} brings them back."))
}

pub(in crate::chat) fn unignored(device: &str) -> Text {
    Text::plain(format_args!("🔔 Alerts about {} come again.", printable(device)))
}

pub(in crate::chat) fn was_not_ignored(query: &str) -> Text {
    Text::plain(format_args!("❌ {} is not ignored here. /watches lists what is.", printable(query)))
}

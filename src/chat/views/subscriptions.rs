//! Watching, following, muting and ignoring.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono_tz::Tz;
use dot11::{MacAddr, Ssid};
use store::event::{ChatId, Person, Timestamp};
use store::state::{Follow, Ignored, Mute, Watch};

use super::alerts::mute_ended;
use super::lists::{ENTRY_LENGTH, Entry, page_suffix, with_page_buttons};
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::commands::ssid_argument;
use crate::chat::message::Reply;
use crate::chat::model::pagination::Page;
use crate::chat::model::watch_target::WatchTarget;
use crate::text::document::{Column, Document, Table};
use crate::text::format::{age, shown_time, time_of_event};
use crate::text::{Foreign, Text, foreign, printable};

/// Devices that the label of a subscription names.
const SHOWN_DEVICES: usize = 3;

/// What the devices of one subscription are called.
pub(in crate::chat) fn listed(devices: &[String]) -> String {
    let shown = devices.iter().take(SHOWN_DEVICES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match devices.len().saturating_sub(SHOWN_DEVICES) {
        0 => shown,
        further => format!("{shown} and {further} more"),
    }
}

pub(in crate::chat) fn muted(until: Timestamp, zone: Tz) -> Text {
    Text::plain("🔕 Muted until ").append_text(shown_time(until, zone)).append(". Use /unmute to end it now.")
}

/// Behind the reply to who sets an alert in a muted chat.
pub(in crate::chat) fn still_muted(until: Timestamp, zone: Tz) -> Text {
    Text::plain("\n🔕 Alerts are muted here until ")
        .append_text(shown_time(until, zone))
        .append(". Use /unmute to end it now.")
}

pub(in crate::chat) fn unmuted(suppressed: u64) -> Text {
    match suppressed {
        0 => Text::plain("🔔 No longer muted. There were no alerts meanwhile."),
        count => mute_ended(count),
    }
}

pub(in crate::chat) fn was_not_muted() -> Text {
    Text::plain("🔔 This chat is not muted.")
}

/// The SSID as `/watch` accepts it: quoted if it would be a pattern.
pub(in crate::chat) fn as_argument(ssid: &Ssid) -> String {
    let shown = ssid.to_string();
    if shown.contains(['*', '?']) { format!("\"{shown}\"") } else { shown }
}

pub(in crate::chat) fn watching(target: &WatchTarget, reason: Option<&str>) -> Text {
    let text = match target {
        WatchTarget::Network(_) => Text::plain(format_args!("👁 Watching for {}.", Foreign(target))),
        WatchTarget::Pattern(_) => {
            Text::plain(format_args!("👁 Watching for every network that matches {}.", Foreign(target)))
        }
    };
    match reason {
        Some(reason) => text.append(format_args!("\nReason: {}", foreign(reason))),
        None => text,
    }
}

pub(in crate::chat) fn hidden_network_not_watched() -> Text {
    Text::plain(
        "❌ An SSID of NUL bytes is what a hidden network shows in place of its name. It stands for any hidden network, so \
         it cannot be watched. /watch the network's name instead: devices that know it ask for that.",
    )
}

pub(in crate::chat) fn too_many_watches(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat watches {limit} networks already, which is the limit. /unwatch one first."
    ))
}

pub(in crate::chat) fn too_many_patterns(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat watches {limit} patterns already, which is the limit. /unwatch one first."
    ))
}

/// Why alerts about a network continue.
pub(in crate::chat) struct RemainingWatch {
    /// The watch that raises them.
    pub(in crate::chat) by: WatchTarget,
    /// It was set at the terminal, for all chats.
    pub(in crate::chat) from_terminal: bool,
}

pub(in crate::chat) fn unwatched(target: &WatchTarget, remaining: Option<&RemainingWatch>) -> Reply {
    let text = match remaining {
        Some(_) => Text::plain(format_args!("👁 This chat no longer watches for {}.", Foreign(target))),
        None => Text::plain(format_args!("👁 No longer watching for {}.", Foreign(target))),
    };
    with_remaining_watch(text, remaining)
}

pub(in crate::chat) fn was_not_watched(target: &WatchTarget, remaining: Option<&RemainingWatch>) -> Reply {
    let text = match remaining {
        Some(_) => Text::plain(format_args!("❌ This chat does not watch {}.", Foreign(target))),
        None => Text::plain(format_args!(
            "❌ {} is not watched here. Use /watches to list what is.",
            Foreign(target)
        )),
    };
    with_remaining_watch(text, remaining)
}

fn with_remaining_watch(text: Text, remaining: Option<&RemainingWatch>) -> Reply {
    let Some(RemainingWatch { by, from_terminal }) = remaining else { return text.into() };
    let (argument, shown) = match by {
        WatchTarget::Network(ssid) => (ssid_argument(ssid), ssid_argument(ssid)),
        WatchTarget::Pattern(pattern) => (pattern.as_str().to_owned(), printable(pattern.as_str())),
    };
    let shown = format!("/unwatch {shown}");
    let text = match from_terminal {
        true => {
            let text =
                text.append(format_args!(" Alerts continue: {} is watched for all chats.", Foreign(by)));
            with_terminal_hint(text, &shown)
        }
        false => text
            .append(format_args!(" Alerts continue: {} is still watched. ", Foreign(by)))
            .code(shown)
            .append(" stops them."),
    };
    with_command(text, "unwatch", &argument)
}

/// The text with a button that copies this command.
fn with_command(text: Text, command: &str, argument: &str) -> Reply {
    let copy = Button::copying(format!("📄 Copy /{command}"), format!("/{command} {argument}"));
    Reply { text, buttons: copy.map(|copy| vec![copy]).into_iter().collect(), ..Reply::default() }
}

/// How to undo what was set at the terminal.
fn with_terminal_hint(text: Text, command: &str) -> Text {
    text.append(" It was set at the terminal and can only be undone there: run ")
        .code("probewatch chat")
        .append(" and enter ")
        .code(command)
        .append(".")
}

/// The notification if there is no such watch.
pub(in crate::chat) const WATCH_IS_GONE: &str = "That is no longer watched.";

/// A followed device, as `/watches` shows it.
pub(in crate::chat) struct Followed<'a> {
    pub(in crate::chat) device: String,
    pub(in crate::chat) by: ChatId,
    pub(in crate::chat) follow: &'a Follow,
    pub(in crate::chat) last_seen: Option<Timestamp>,
}

/// An ignored device, as `/watches` shows it.
pub(in crate::chat) struct IgnoredDevice<'a> {
    pub(in crate::chat) device: String,
    pub(in crate::chat) by: ChatId,
    pub(in crate::chat) ignored: &'a Ignored,
}

/// What a chat is alerted about, and what not.
pub(in crate::chat) struct Subscriptions<'a> {
    /// Networks and patterns as `/watch` accepts them, with who set them.
    pub(in crate::chat) watches: Vec<(String, ChatId, &'a Watch)>,
    pub(in crate::chat) follows: Vec<Followed<'a>>,
    pub(in crate::chat) ignored: Vec<IgnoredDevice<'a>>,
    pub(in crate::chat) mute: Option<&'a Mute>,
}

/// A page of all subscriptions; each page starts with the mute.
pub(in crate::chat) fn watches(
    subscriptions: &Subscriptions<'_>,
    page: u32,
    asked_by: ChatId,
    (now, zone): (Timestamp, Tz),
) -> Reply {
    let Subscriptions { watches, follows, ignored, mute } = subscriptions;
    // In a group, who it was.
    let set_by = |by: ChatId, person: &Option<Person>| match (by, person) {
        (by, Some(person)) if by == asked_by && by.0 < 0 => Some(format!("set by {}", foreign(&person.name))),
        (by, _) if by == asked_by => None,
        (ChatId::TERMINAL, _) => Some("set at the terminal".to_owned()),
        (by, _) => Some(format!("set in chat {by}")),
    };
    let further = |set_by: Option<String>| set_by.map_or(String::new(), |set_by| format!(", {set_by}"));
    let alone = |set_by: Option<String>| set_by.map_or(String::new(), |set_by| format!(" ({set_by})"));
    let watched = watches.iter().map(|(ssid, by, watch)| {
        let network = Text::default().code(ssid);
        let reason = watch.reason.as_deref().map(foreign);
        let line = match &reason {
            Some(reason) => network.clone().append(format_args!(": {reason}")),
            None => network.clone(),
        };
        let set_by = further(set_by(*by, &watch.set_by));
        let since = shown_time(watch.since, zone).append(set_by);
        let line = line.append(" (since ").append_text(since.clone()).append(")");
        (
            Section::Watched,
            Entry { cells: vec![network, reason.map_or_else(Text::default, Text::plain), since], line },
        )
    });
    let followed = follows.iter().map(|Followed { device, by, follow, last_seen }| {
        let (device, minutes) = (Text::plain(foreign(device)), follow.silence_seconds / 60);
        let whereabouts = whereabouts(follow, *last_seen, now);
        let set_by = further(set_by(*by, &follow.set_by));
        let line = device.clone().append(": ").append_text(whereabouts.clone());
        let line = line.append(format_args!(" (gone after {minutes} min of silence{set_by})"));
        let silence = Text::plain(format_args!("{minutes} min of silence{set_by}"));
        (Section::Followed, Entry { cells: vec![device, whereabouts, silence], line })
    });
    let ignored = ignored.iter().map(|IgnoredDevice { device, by, ignored }| {
        let set_by = set_by(*by, &ignored.set_by).filter(|_| *by == asked_by);
        let line = Text::plain(foreign(device)).append(alone(set_by));
        (Section::Ignored, Entry { cells: vec![line.clone()], line })
    });
    let page = Page::of(watched.chain(followed).chain(ignored).collect(), page);
    let mute = mute.map(|mute| muted(mute.until, zone).append(alone(set_by(asked_by, &mute.set_by))));
    let mut document = mute.map_or_else(Document::default, |mute| Document::default().paragraph(mute));
    if watches.is_empty() && page.number == 0 {
        let none = Text::plain("👁 No network is watched. Start with /watch SSID [reason].");
        document = document.gap().paragraph(none);
    }
    let mut page_suffix = page_suffix(&page);
    for entries in page.entries.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((section, _)) = entries.first() else { continue };
        let heading = Text::plain(format_args!("{}{}", section.title(), std::mem::take(&mut page_suffix)));
        let table = entries.iter().fold(section.table(), |table, (_, Entry { cells, line })| {
            table.row_as(cells.iter().cloned(), line.shortened(ENTRY_LENGTH))
        });
        document = document.heading(heading).table(table);
    }
    Reply { buttons: with_page_buttons(Vec::new(), &page, Callback::Watches), ..Reply::from(document) }
}

/// Whether a followed device is here, and when it was last seen. It may have left while nothing was captured, and
/// nobody knows.
fn whereabouts(follow: &Follow, last_seen: Option<Timestamp>, now: Timestamp) -> Text {
    let Some(last) = last_seen else { return Text::plain("not seen yet") };
    let is_silent = now.abs_diff(last) >= follow.silence();
    let here = match (follow.is_here, is_silent) {
        (true, false) => "here, ",
        (true, true) => "",
        (false, _) => "not here, ",
    };
    Text::plain(format_args!("{here}last seen ")).append_text(age(last, now))
}

/// A section of `/watches`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Watched,
    Followed,
    Ignored,
}

impl Section {
    fn title(self) -> &'static str {
        match self {
            Self::Watched => "👁 Watched networks",
            Self::Followed => "🚶 Followed devices",
            Self::Ignored => "🙈 Ignored devices",
        }
    }

    /// Its table, without rows.
    fn table(self) -> Table {
        match self {
            Self::Watched => {
                Table::new([Column::text("Network"), Column::text("Reason"), Column::text("Since")])
            }
            Self::Followed => {
                Table::new([Column::text("Device"), Column::text("Where"), Column::text("Gone after")])
            }
            Self::Ignored => Table::new([Column::text("")]),
        }
    }
}

pub(in crate::chat) fn following(
    device: &str,
    is_new: bool,
    silence: Duration,
    last_seen: Option<Timestamp>,
    (now, zone): (Timestamp, Tz),
) -> Text {
    let text = Text::plain(format_args!(
        "🚶 {} {}: I will tell you when it arrives and, after {} min of silence, that it has left.",
        if is_new { "Following" } else { "Already following" },
        foreign(device),
        silence.as_secs() / 60
    ));
    match last_seen {
        Some(last) if now.abs_diff(last) < silence => text.append("\nIt is here now."),
        Some(last) => {
            text.append("\nIt was last seen at ").append_text(time_of_event(last, now, zone)).append(".")
        }
        None => text.append("\nIt has not been seen yet."),
    }
}

/// Why a device with only random addresses cannot be followed.
pub(in crate::chat) fn random_cannot_be_followed(address: MacAddr, count: usize) -> Text {
    let text = match count {
        1 => Text::plain("❌ ").code(address).append(" is a random address"),
        _ => Text::plain("❌ That name only has random addresses"),
    };
    text.append(
        ": the device changes its address from time to time, so I cannot tell when it arrives or leaves. Turn off “private \
         Wi-Fi address” on it for your network, and follow the address that it then uses.",
    )
}

pub(in crate::chat) fn bad_follow_minutes(range: &RangeInclusive<u64>) -> Text {
    Text::plain(format_args!(
        "❌ The minutes of silence after which a device has left must be from {} to {}.",
        range.start(),
        range.end()
    ))
}

pub(in crate::chat) fn too_many_follows(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat follows {limit} devices already, which is the limit. /unfollow one first."
    ))
}

pub(in crate::chat) fn too_many_members(device: &str, limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ {} has more than {limit} addresses, which is the limit. Give some of them another name: /name",
        foreign(device)
    ))
}

pub(in crate::chat) fn no_such_device(query: &str) -> Text {
    Text::plain(format_args!("❌ No device is called {}. Use /name to name one.", foreign(query)))
}

pub(in crate::chat) fn unfollowed(device: &str, remaining: bool) -> Text {
    let shown = foreign(device);
    if !remaining {
        return Text::plain(format_args!("🚶 No longer following {shown}."));
    }
    let text = Text::plain(format_args!(
        "🚶 This chat no longer follows {shown}. Alerts continue: it is followed for all chats."
    ));
    with_terminal_hint(text, &format!("/unfollow {shown}"))
}

pub(in crate::chat) fn followed_at_the_terminal(device: &str) -> Text {
    let shown = foreign(device);
    with_terminal_hint(
        Text::plain(format_args!("❌ This chat does not follow {shown}: it is followed for all chats.")),
        &format!("/unfollow {shown}"),
    )
}

pub(in crate::chat) fn was_not_followed(query: &str) -> Text {
    Text::plain(format_args!("❌ {} is not followed here. Use /watches to list what is.", foreign(query)))
}

pub(in crate::chat) fn too_many_ignored(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat ignores {limit} devices already, which is the limit. /unignore one first."
    ))
}

pub(in crate::chat) fn ignoring(device: &str, caveat: Text) -> Reply {
    let shown = foreign(device);
    let text = format!("🙈 No more alerts about {shown}. Use /unignore {shown} to get them again.");
    with_command(Text::plain(text).append_text(caveat), "unignore", device)
}

pub(in crate::chat) fn was_ignored(device: &str) -> Reply {
    let shown = foreign(device);
    let text = format!("🙈 Already ignoring {shown}. Use /unignore {shown} to get alerts about it again.");
    with_command(Text::plain(text), "unignore", device)
}

pub(in crate::chat) fn unignored(device: &str, remaining: bool) -> Text {
    let shown = foreign(device);
    if !remaining {
        return Text::plain(format_args!("🔔 Alerts about {shown} are on again."));
    }
    let text = Text::plain(format_args!(
        "🙈 This chat no longer ignores {shown}, but there are still no alerts: it is ignored for all chats."
    ));
    with_terminal_hint(text, &format!("/unignore {shown}"))
}

pub(in crate::chat) fn ignored_at_the_terminal(device: &str) -> Text {
    let shown = foreign(device);
    with_terminal_hint(
        Text::plain(format_args!("❌ This chat does not ignore {shown}: it is ignored for all chats.")),
        &format!("/unignore {shown}"),
    )
}

pub(in crate::chat) fn was_not_ignored(query: &str) -> Text {
    Text::plain(format_args!("❌ {} is not ignored here. Use /watches to list what is.", foreign(query)))
}

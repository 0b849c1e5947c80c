//! The texts of alerts, and of what people wish of them: functions from values to text, and nothing else.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono_tz::Tz;

use super::answer::{Answer, Button};
use super::reply::{counted, shown_duration, shown_time};
use super::request::Wanted;
use super::text::{MESSAGE_LIMIT, Text, printable};
use super::wish::AlertButton;
use crate::dot11::{MacAddr, Ssid};
use crate::event::{ChatId, Offset, Timestamp};
use crate::state::{Alert, Asked, Follow, Mute, OVERFLOW_NETWORKS, Overflow, Presence, Watch};
use crate::vendor::{self, Vendor};

/// How long a press mutes, in minutes.
const MUTE_MINUTES: u32 = 60;

/// An alert that waits, with the name of its device.
pub type Waiting<'a> = (Offset, &'a Alert, Option<&'a str>);

/// Many alerts as one message.
pub struct Digest {
    /// The message.
    pub answer: Answer,
    /// The alerts that it tells of.
    pub told: Vec<Offset>,
}

/// An alert by itself.
pub fn alert(alert: &Alert, name: Option<&str>, zone: Tz) -> Answer {
    let source = alert.source;
    let who = match name {
        Some(name) => format!(" ({})", printable(name)),
        None if source.is_random() => " (random address)".to_owned(),
        None => String::new(),
    };
    let at = format!("At {} MAC address {source}{who}", shown_time(alert.time, zone));
    let mut text = match (&alert.presence, &alert.asked) {
        (Some(Presence::Left { last_heard }), _) => Text::plain(format_args!(
            "📣 {}{} has left: it was last heard at {}",
            name.map_or_else(|| source.to_string(), printable),
            name.map_or(String::new(), |_| format!(" ({source})")),
            shown_time(*last_heard, zone)
        )),
        (Some(Presence::Arrived { silent_seconds }), _) => {
            Text::plain(format_args!("📣 {at} has arrived{}", after_silence(*silent_seconds)))
        }
        (None, Some(asked)) => Text::plain(format_args!("📣 {at} probed for SSID \"{}\"", asked.ssid)),
        (None, None) => Text::plain(format_args!("📣 {at} was heard")),
    };
    if let Some(asked) = &alert.asked {
        if alert.presence.is_some() {
            text = text.then(format_args!("\nIt probed for SSID \"{}\"", asked.ssid));
        }
        text = text.join(why(asked));
    }
    if let Some(facts) = facts(alert) {
        text = text.then(format_args!("\n{facts}"));
    }
    if let Some(Asked { swallowed: count @ 1.., .. }) = alert.asked {
        text = text.then(format_args!(
            "\n{} of this device for this SSID went unannounced since the last alert.",
            counted(count, "more probe", "more probes")
        ));
    }
    Answer { buttons: buttons(alert, name), ..Answer::from(text) }
}

fn after_silence(silent_seconds: Option<u64>) -> String {
    match silent_seconds {
        Some(seconds) => format!(" after a silence of {}", shown_duration(Duration::from_secs(seconds))),
        None => ": it was never heard before".to_owned(),
    }
}

fn why(asked: &Asked) -> Text {
    let by = asked
        .pattern
        .as_ref()
        .map_or(String::new(), |pattern| format!(" by {}", printable(pattern.as_str())));
    let reason = asked.reason.as_deref().map_or("no reason was given".to_owned(), printable);
    Text::plain(format_args!("\nThis SSID is being tracked{by} because: {reason}"))
}

/// Who made the device, and how well it is heard.
fn facts(alert: &Alert) -> Option<String> {
    let vendor = match vendor::of(alert.source) {
        Vendor::Known(vendor) => Some(format!("Vendor: {}", printable(vendor))),
        Vendor::Random | Vendor::Unknown => None,
    };
    let signal = alert.signal_dbm.map(|dbm| format!("Signal: {dbm} dBm"));
    let facts: Vec<String> = vendor.into_iter().chain(signal).collect();
    (!facts.is_empty()).then(|| facts.join(", "))
}

fn mute_button() -> Button {
    AlertButton::Mute(MUTE_MINUTES).button("🔕 Mute 1 h")
}

fn buttons(alert: &Alert, name: Option<&str>) -> Vec<Vec<Button>> {
    let source = alert.source;
    let naming = name.is_none().then(|| AlertButton::Name(source).button("✏️ Name it"));
    let first = [mute_button()].into_iter().chain(naming).collect();
    let stop = match &alert.asked {
        Some(asked) => {
            let wanted = asked.pattern.clone().map(Wanted::Pattern);
            let wanted = wanted.unwrap_or_else(|| Wanted::Network(asked.ssid.clone()));
            AlertButton::unwatch(&wanted).button("Stop watching")
        }
        None => AlertButton::Unfollow(source).button("Stop following"),
    };
    vec![first, vec![AlertButton::Ignore(source).button("Ignore device"), stop]]
}

/// What an entry of a digest is about: whatever is told of the same device and the same network is one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Subject<'a> {
    Network(Option<&'a str>, MacAddr, &'a Ssid),
    Presence(Option<&'a str>, MacAddr),
}

impl<'a> Subject<'a> {
    fn of(alert: &'a Alert, name: Option<&'a str>) -> Self {
        // The addresses of one name are one device.
        let address = if name.is_some() { MacAddr::new([0; 6]) } else { alert.source };
        match (&alert.presence, &alert.asked) {
            (None, Some(asked)) => Self::Network(name, address, &asked.ssid),
            _ => Self::Presence(name, address),
        }
    }
}

struct Entry<'a> {
    /// The newest of its alerts.
    alert: &'a Alert,
    name: Option<&'a str>,
    probes: u64,
    told: Vec<Offset>,
}

/// Alerts as one message under a headline for so many, cut between entries to what fits into it. With `all`,
/// the rest is told as a number; else it is left for a following message.
pub fn digest(alerts: &[Waiting<'_>], headline: fn(usize) -> String, all: bool, zone: Tz) -> Digest {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut places: BTreeMap<Subject<'_>, usize> = BTreeMap::new();
    for &(offset, alert, name) in alerts {
        let place = *places.entry(Subject::of(alert, name)).or_insert(entries.len());
        let probes = 1 + alert.asked.as_ref().map_or(0, |asked| asked.swallowed);
        match entries.get_mut(place) {
            Some(entry) => {
                if entry.alert.time <= alert.time {
                    entry.alert = alert;
                }
                entry.probes += probes;
                entry.told.push(offset);
            }
            None => entries.push(Entry { alert, name, probes, told: vec![offset] }),
        }
    }
    let headline = |count| Text::default().bold(format_args!("📣 {}", headline(count)));
    let last_line = |left: usize| format!("\n… and {}", counted(left as u64, "more alert", "more alerts"));
    // No number in either is longer than that of all alerts.
    let around = headline(alerts.len()).join(Text::plain(last_line(alerts.len())));
    let mut room = MESSAGE_LIMIT.saturating_sub(around.length());
    let (mut text, mut told) = (Text::default(), Vec::new());
    for entry in &entries {
        let line = Text::plain("\n• ").join(shown_entry(entry, zone));
        let Some(left) = room.checked_sub(line.length()) else { break };
        room = left;
        text = text.join(line);
        told.extend(&entry.told);
    }
    let left = alerts.len() - told.len();
    if left > 0 && all {
        text = text.then(last_line(left));
        told = alerts.iter().map(|(offset, _, _)| *offset).collect();
    }
    let text = headline(told.len()).join(text);
    Digest { answer: Answer { buttons: vec![vec![mute_button()]], ..Answer::from(text) }, told }
}

fn shown_entry(entry: &Entry<'_>, zone: Tz) -> Text {
    let Entry { alert, name, probes, .. } = entry;
    let time = alert.time.to_utc().with_timezone(&zone).format("%H:%M:%S");
    let mut text = Text::plain(format_args!("{time} "));
    text = match name {
        Some(name) => text.then(printable(name)),
        None => text.code(alert.source),
    };
    match &alert.presence {
        Some(Presence::Arrived { silent_seconds }) => {
            text = text.then(format_args!(" has arrived{}", after_silence(*silent_seconds)));
        }
        Some(Presence::Left { .. }) => text = text.then(" has left"),
        None => {}
    }
    if let Some(asked) = &alert.asked {
        text = text.then(format_args!(" → \"{}\"", asked.ssid));
        if *probes > 1 {
            text = text.then(format_args!(" ({probes}×)"));
        }
        if let Some(reason) = &asked.reason {
            text = text.then(format_args!(": {}", printable(reason)));
        }
    }
    match facts(alert) {
        Some(facts) => text.then(format_args!(" ({facts})")),
        None => text,
    }
}

/// The headline over alerts that came at once.
pub fn burst_headline(count: usize) -> String {
    counted(count as u64, "alert", "alerts")
}

/// The headline over what came in the quiet hours.
pub fn quiet_headline(count: usize) -> String {
    format!("Good morning. {} in the quiet hours:", counted(count as u64, "alert", "alerts"))
}

/// The message in place of alerts that were too many, or waited too long, to be sent one by one. It stands
/// behind those that were, or alone.
pub fn overflow(overflow: &Overflow) -> Text {
    let networks = counted(overflow.networks(), "network", "networks");
    let at_least = if overflow.networks() < OVERFLOW_NETWORKS as u64 { "" } else { "at least " };
    Text::plain(format_args!(
        "📣 … and {} more, {at_least}{networks}: alerts that were too many at a time, or waited too long, to \
         be sent one by one. Look-ups know of every probe.",
        overflow.count()
    ))
}

/// The message at the end of a mute that kept alerts back.
pub fn mute_over(swallowed: u64) -> Text {
    let alerts = counted(swallowed, "alert", "alerts");
    Text::plain(format_args!("🔔 No longer muted. {alerts} while muted; look-ups know of every probe."))
}

pub(super) fn muted(until: Timestamp, zone: Tz) -> Text {
    Text::plain(format_args!("🔕 Muted until {}. /unmute ends it.", shown_time(until, zone)))
}

pub(super) fn unmuted(swallowed: u64) -> Text {
    match swallowed {
        0 => Text::plain("🔔 No longer muted. There was no alert meanwhile."),
        count => mute_over(count),
    }
}

pub(super) fn was_not_muted() -> Text {
    Text::plain("🔔 This chat is not muted.")
}

/// The SSID as `/watch` takes it: in quotes where it would be a pattern.
pub(super) fn spelled(ssid: &Ssid) -> String {
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

pub(super) fn watching(wanted: &Wanted, reason: Option<&str>) -> Text {
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

pub(super) fn too_many_patterns(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat watches {limit} patterns already, which is the most. /unwatch one first."
    ))
}

pub(super) fn unwatched(wanted: &Wanted) -> Text {
    Text::plain(format_args!("No longer watching for {}.", shown(wanted)))
}

pub(super) fn was_not_watched(wanted: &Wanted) -> Text {
    Text::plain(format_args!("{} is not watched here. /watches lists what is.", shown(wanted)))
}

/// A followed device, as `/watches` shows it.
pub(super) struct Followed<'a> {
    pub(super) device: String,
    pub(super) by: ChatId,
    pub(super) follow: &'a Follow,
    pub(super) last_heard: Option<Timestamp>,
}

pub(super) fn watches(
    watches: &[(String, ChatId, &Watch)],
    follows: &[Followed<'_>],
    ignored: &[String],
    mute: Option<&Mute>,
    asked_by: ChatId,
    zone: Tz,
) -> Text {
    let set_by = |by: ChatId| match by {
        _ if by == asked_by => String::new(),
        ChatId::TERMINAL => ", set at the terminal".to_owned(),
        by => format!(", set in chat {by}"),
    };
    let mut text = match watches {
        [] => Text::plain("No network is watched. Begin with /watch SSID [reason]."),
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
                .map_or("never heard".to_owned(), |last| format!("last heard {}", shown_time(last, zone)));
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

pub(super) fn following(
    device: &str,
    silence: Duration,
    last_heard: Option<Timestamp>,
    now: Timestamp,
    zone: Tz,
) -> Text {
    let text = Text::plain(format_args!(
        "🚶 Following {}: I say when it arrives, and when it has left because nothing was heard of it for {} min.",
        printable(device),
        silence.as_secs() / 60
    ));
    match last_heard {
        Some(last) if now.distance(last) < silence => text.then("\nIt is here now."),
        Some(last) => text.then(format_args!("\nIt was last heard at {}.", shown_time(last, zone))),
        None => text.then("\nIt was never heard so far."),
    }
}

/// Why a device all of whose addresses are random is not followed.
pub(super) fn random_cannot_be_followed(address: MacAddr, count: usize) -> Text {
    let text = match count {
        1 => Text::plain("❌ ").code(address).then(" is a random address"),
        _ => Text::plain("❌ That name has random addresses only"),
    };
    text.then(
        ": the device made it up and takes another one before long, so that nobody could tell when it arrives or \
         leaves. Switch “private Wi-Fi address” off on it for your network, and follow the address that it has then.",
    )
}

pub(super) fn bad_follow_minutes(range: &RangeInclusive<u64>) -> Text {
    Text::plain(format_args!(
        "❌ The minutes of silence after which a device has left are {} to {}.",
        range.start(),
        range.end()
    ))
}

pub(super) fn too_many_follows(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat follows {limit} devices already, which is the most. /unfollow one first."
    ))
}

pub(super) fn no_such_device(query: &str) -> Text {
    Text::plain(format_args!("❌ No device is called {}.", printable(query)))
}

pub(super) fn unfollowed(device: &str) -> Text {
    Text::plain(format_args!("No longer following {}.", printable(device)))
}

pub(super) fn was_not_followed(query: &str) -> Text {
    Text::plain(format_args!("{} is not followed here. /watches lists what is.", printable(query)))
}

pub(super) fn too_many_ignored(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ This chat ignores {limit} devices already, which is the most. /unignore one first."
    ))
}

pub(super) fn ignoring(device: &str) -> Text {
    let device = printable(device);
    Text::plain(format_args!("🙈 No more alerts about {device}. /unignore {device} brings them back."))
}

pub(super) fn unignored(device: &str) -> Text {
    Text::plain(format_args!("Alerts about {} are told again.", printable(device)))
}

pub(super) fn was_not_ignored(query: &str) -> Text {
    Text::plain(format_args!("{} is not ignored here. /watches lists what is.", printable(query)))
}

/// A source of frames has trouble.
pub fn source_trouble(source: &str, why: &str) -> Text {
    Text::plain(format_args!("⚠️ {}: {}.", printable(source), printable(why)))
}

/// A source of frames that had trouble is heard again.
pub fn source_recovered(source: &str) -> Text {
    Text::plain(format_args!("✅ {} is heard again.", printable(source)))
}

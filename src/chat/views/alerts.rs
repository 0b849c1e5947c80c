//! Alerts: single ones, digests (`digest`), and the count of those that were not sent.

mod digest;

use std::time::Duration;

use chrono_tz::Tz;
use dot11::MacAddr;
use store::event::{GroupId, Offset, StrangerReason, Timestamp};
use store::state::{
    Alert, EndedVisit, Flood, OUT_OF_RANGE, OVERFLOW_NETWORK_LIMIT, Overflow, Presence, State, WatchMatch,
};

use super::strangers;
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::phone::phone_label;
use crate::chat::model::watch_target::WatchTarget;
use crate::status;
use crate::text::format::{
    live_age, pluralize, short_time, shown_duration, shown_time, time_of_day, time_of_event,
};
use crate::text::{Foreign, MESSAGE_LIMIT, Text, foreign, printable};
use crate::vendor::{self, Vendor};
pub use digest::{Digest, Rest, burst_headline, digest, quiet_headline};

/// How long the button mutes, in minutes.
const MUTE_MINUTES: u32 = 60;

/// Known devices that a summary names; the rest is counted.
const NAMED_IN_SUMMARY: usize = 20;

/// How long a text may be when one more network of the alert is added to it: an SSID of any bytes and a reason fit
/// then.
const FURTHER_MATCHES_LENGTH: usize = MESSAGE_LIMIT / 2;

/// The device of an alert, as it is known now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertDevice<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// The phone that its random address belongs to.
    pub phone: Option<GroupId>,
    /// When its address was first seen.
    pub first_seen: Option<Timestamp>,
}

impl<'a> AlertDevice<'a> {
    /// The device with this address.
    pub fn of(state: &'a State, address: MacAddr) -> Self {
        Self {
            name: state.name_of(address),
            phone: state.grouping().phone_of(address),
            first_seen: state.first_seen(address),
        }
    }

    /// Its name, or its phone, or its address.
    pub fn shown(&self, address: MacAddr) -> String {
        self.label().unwrap_or_else(|| address.to_string())
    }

    /// Its name, or its phone.
    fn label(&self) -> Option<String> {
        self.name.map(printable).or_else(|| self.phone.map(phone_label))
    }
}

/// A device of this name, or without one, that is no phone.
impl<'a> From<Option<&'a str>> for AlertDevice<'a> {
    fn from(name: Option<&'a str>) -> Self {
        Self { name, ..Self::default() }
    }
}

/// A pending alert with its device.
pub type PendingAlert<'a> = (Offset, &'a Alert, AlertDevice<'a>);

/// A single alert.
pub fn alert(alert: &Alert, device: AlertDevice<'_>, (now, zone): (Timestamp, Tz)) -> Reply {
    let event = |time| time_of_event(time, now, zone);
    let since = |first| shown_time(first, zone);
    let source = alert.source;
    let device_with_address = match (device.name, device.phone) {
        (Some(name), _) => format!("MAC address {source} ({})", foreign(name)),
        (None, Some(phone)) => format!("{} (random address {source})", phone_label(phone)),
        (None, None) if source.is_random() => format!("MAC address {source} (random address)"),
        (None, None) => format!("MAC address {source}"),
    };
    let seen =
        Text::plain("📣 At ").append_text(event(alert.time)).append(format_args!(" {device_with_address}"));
    let mut text = match (&alert.presence, &alert.watch_match) {
        (Some(Presence::Left { last_seen }), _) => Text::plain(format_args!(
            "📣 {}{} has left: it was last seen at ",
            Foreign(device.shown(source)),
            device.label().map_or(String::new(), |_| format!(" ({source})"))
        ))
        .append_text(event(*last_seen)),
        (Some(Presence::Arrived { silent_seconds }), _) => {
            seen.append(format_args!(" has arrived{}", after_silence(*silent_seconds)))
        }
        (Some(Presence::Stranger { phone, reason, near_since }), _) => {
            Text::plain(format_args!("📣 A stranger is near: {}, since ", visitor(*phone, source, device)))
                .append_text(event(*near_since))
                .append("\nWhy it is a stranger: ")
                .append_text(stranger_reason(*reason, *near_since, device, since))
        }
        (Some(Presence::StrangerStays { phone, reason, near_since, strongest_dbm }), _) => {
            let stay = shown_duration(alert.time.abs_diff(*near_since));
            Text::plain(format_args!("📣 A stranger is near: {}, since ", visitor(*phone, source, device)))
                .append_text(event(*near_since))
                .append("\nStill here at ")
                .append_text(time_of_day(alert.time, zone))
                .append(format_args!(", after {stay}{}\nWhy it is a stranger: ", strongest(*strongest_dbm)))
                .append_text(stranger_reason(*reason, *near_since, device, since))
        }
        (Some(Presence::StrangerLeft { phone, first, last_seen, visit }), _) => {
            let near_since = visit.as_ref().map_or(*first, |visit| visit.near_since);
            let text = Text::plain(format_args!(
                "📣 A stranger was near: {}, since ",
                visitor(*phone, source, device)
            ));
            let text = text
                .append_text(since(near_since))
                .append("\nLeft at ")
                .append_text(time_of_day(*last_seen, zone))
                .append_text(live_age(*last_seen, now))
                .append(format_args!(" after {}", shown_duration(last_seen.abs_diff(near_since))));
            match visit {
                Some(EndedVisit { reason, strongest_dbm, .. }) => text
                    .append(format_args!("{}\nWhy it was a stranger: ", strongest(*strongest_dbm)))
                    .append_text(stranger_reason(*reason, near_since, device, since)),
                None => text,
            }
        }
        (None, Some(watch_match)) => seen.append(format_args!(" {}", looked_for(watch_match))),
        (None, None) => seen.append(" was seen"),
    };
    if let Some(watch_match) = &alert.watch_match {
        if alert.presence.is_some() {
            text = text.append(format_args!("\nIt {}", looked_for(watch_match)));
        }
        text = text.append_text(watch_reason(watch_match));
    }
    text = with_further_matches(text, alert, |text, further| {
        let text = text.append(format_args!("\nIt also {}", looked_for(further)));
        text.append_text(watch_reason(further))
    });
    if let Some(details) = vendor_and_signal(alert) {
        text = text.append(format_args!("\n{details}"));
    }
    if let count @ 1.. = suppressed_probes(alert) {
        text = text.append(format_args!(
            "\n{} since the last alert.",
            pluralize(count, "more probe", "more probes")
        ));
    }
    Reply { buttons: buttons(alert, device), ..Reply::from(text) }
}

/// A visitor: its name, else the phone that it was when the doorbell rang, else its address.
fn visitor(phone: Option<GroupId>, source: MacAddr, device: AlertDevice<'_>) -> Foreign<String> {
    Foreign(AlertDevice { phone, ..device }.shown(source))
}

/// Why a visitor is a stranger. A device with a fixed address is one for a day, so it may have been here before this
/// visit.
fn stranger_reason(
    reason: StrangerReason,
    near_since: Timestamp,
    device: AlertDevice<'_>,
    shown: impl Fn(Timestamp) -> Text,
) -> Text {
    let is_earlier = |first: &Timestamp| *first < near_since && first.abs_diff(near_since) > OUT_OF_RANGE;
    match device.first_seen.filter(is_earlier) {
        Some(first) if reason == StrangerReason::NeverSeen => strangers::new_device(shown(first)),
        _ => Text::plain(strangers::reason(reason)),
    }
}

fn strongest(dbm: Option<i8>) -> String {
    dbm.map_or(String::new(), |dbm| format!(", strongest {dbm} dBm"))
}

fn after_silence(silent_seconds: Option<u64>) -> String {
    match silent_seconds {
        Some(seconds) => format!(" after {} of silence", shown_duration(Duration::from_secs(seconds))),
        None => ", for the first time".to_owned(),
    }
}

/// The text with what `append` adds for each further network of the alert, as long as there is room; the rest is
/// counted.
fn with_further_matches(mut text: Text, alert: &Alert, append: impl Fn(Text, &WatchMatch) -> Text) -> Text {
    for (shown, further) in alert.more_matches.iter().enumerate() {
        if text.length() > FURTHER_MATCHES_LENGTH {
            let rest = alert.more_matches.len() - shown;
            return text.append(format_args!(", and {rest} more watched SSIDs"));
        }
        text = append(text, further);
    }
    text
}

/// How many probes the cool-down suppressed since the last alert.
fn suppressed_probes(alert: &Alert) -> u64 {
    alert.matches().map(|watch_match| watch_match.suppressed).max().unwrap_or(0)
}

/// A frame with a Short SSID only shows the name's checksum, so the name is a guess.
fn looked_for(watch_match: &WatchMatch) -> String {
    let WatchMatch { ssid, is_short, .. } = watch_match;
    let ssid = Foreign(ssid);
    match is_short {
        false => format!("looked for SSID \"{ssid}\""),
        true => {
            format!("probably looked for SSID \"{ssid}\", by its Short SSID, which other names may share")
        }
    }
}

fn watch_reason(watch_match: &WatchMatch) -> Text {
    let by = watch_match
        .pattern
        .as_ref()
        .map_or(String::new(), |pattern| format!(" by {}", foreign(pattern.as_str())));
    let reason = watch_match
        .reason
        .as_deref()
        .map_or("no reason was given".to_owned(), |reason| foreign(reason).to_string());
    Text::plain(format_args!("\nThis SSID is watched{by} because: {reason}"))
}

/// The vendor and the signal.
fn vendor_and_signal(alert: &Alert) -> Option<String> {
    let vendor = match vendor::lookup(alert.source) {
        Vendor::Known(vendor) => Some(format!("Vendor: {}", printable(vendor))),
        Vendor::Random | Vendor::Unknown => None,
    };
    let signal = alert.signal_dbm.map(|dbm| format!("Signal: {dbm} dBm"));
    let details: Vec<String> = vendor.into_iter().chain(signal).collect();
    (!details.is_empty()).then(|| details.join(", "))
}

fn mute_button() -> Option<Button> {
    Callback::Mute(MUTE_MINUTES).button("🔕 Mute 1 h")
}

fn buttons(alert: &Alert, device: AlertDevice<'_>) -> Vec<Vec<Button>> {
    let source = alert.source;
    let naming = if device.name.is_none() { name_button(source) } else { None };
    let naming = naming.map(|name| if is_about_stranger(alert) { name } else { name.primary() });
    let stop = match &alert.watch_match {
        Some(watch_match) => {
            Callback::unwatch(&watch_of(watch_match)).button("✋ Stop watching").map(Button::danger)
        }
        None if is_about_stranger(alert) => card_button(source).map(Button::primary),
        None => unfollow_button(source),
    };
    let card = if is_about_stranger(alert) { None } else { phone_card_button(alert, device) };
    let rows = [vec![mute_button(), naming], vec![ignore_button(source), stop], vec![card]];
    let rows = rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>());
    rows.filter(|row| !row.is_empty()).collect()
}

/// The card of the phone that an alert is about.
fn phone_card_button(alert: &Alert, device: AlertDevice<'_>) -> Option<Button> {
    device.phone?;
    card_button(alert.source)
}

fn card_button(source: MacAddr) -> Option<Button> {
    Callback::Card(source).button("📇 Card")
}

/// Whether a doorbell raised the alert, and no follow.
fn is_about_stranger(alert: &Alert) -> bool {
    matches!(
        alert.presence,
        Some(Presence::Stranger { .. } | Presence::StrangerStays { .. } | Presence::StrangerLeft { .. })
    )
}

fn name_button(source: MacAddr) -> Option<Button> {
    Callback::Name(source).button("✏️ Name it")
}

fn ignore_button(source: MacAddr) -> Option<Button> {
    Callback::Ignore(source).button("🙈 Ignore device")
}

fn unfollow_button(source: MacAddr) -> Option<Button> {
    Callback::Unfollow(source).button("✋ Stop following").map(Button::danger)
}

/// The watch that raised the alert.
fn watch_of(watch_match: &WatchMatch) -> WatchTarget {
    match &watch_match.pattern {
        Some(pattern) => WatchTarget::Pattern(pattern.clone()),
        None => WatchTarget::Network(watch_match.ssid.clone()),
    }
}

/// The message in place of alerts that were too many, or pending for too long, to be sent one by one. It follows those
/// that were sent, or comes alone. `known` are the known devices among them, and `flood` is the flood during which they
/// were counted.
pub fn overflow(
    overflow: &Overflow,
    known: &[String],
    flood: Option<&Flood>,
    (now, zone): (Timestamp, Tz),
) -> Text {
    // The message of a flood is edited: it may stand before alerts that came later.
    let lead = if flood.is_some() { "📣" } else { "📣 … and" };
    let mut text =
        Text::plain(format_args!("{lead} {}", pluralize(overflow.count(), "more alert", "more alerts")));
    let networks = overflow.networks();
    if networks > 0 {
        let at_least = if networks < OVERFLOW_NETWORK_LIMIT as u64 { "" } else { "at least " };
        text = text.append(format_args!(", for {at_least}{}", pluralize(networks, "network", "networks")));
    }
    if !known.is_empty() {
        text = text.append(format_args!(", among them {}", enumeration(known, NAMED_IN_SUMMARY)));
    }
    let text = text.append(": too many at once, or too old, to send one by one. Every probe is recorded.");
    match flood {
        Some(flood) => text.append("\n").append_text(status::flood(flood, now, zone)),
        None => text,
    }
}

/// The message about a flood during which no alert was too many. `flood` is it, unless a later one is known.
pub fn flood(since: Timestamp, flood: Option<&Flood>, (now, zone): (Timestamp, Tz)) -> Text {
    match flood {
        Some(flood) => status::flood(flood, now, zone)
            .append(". Their alerts are suppressed like those of one device. Every probe is recorded."),
        None => Text::plain("🌊 The flood of invented addresses since ")
            .append_text(short_time(since, now, zone))
            .append(" is over."),
    }
}

/// The first names, joined by commas and "and"; the rest is counted.
fn enumeration(names: &[String], limit: usize) -> String {
    let shown: Vec<String> = names.iter().take(limit).map(|name| Foreign(name).to_string()).collect();
    match (shown.as_slice(), names.len() - shown.len()) {
        ([all @ .., last], 0) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (shown, 0) => shown.join(", "),
        (shown, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The message at the end of a mute that suppressed alerts.
pub fn mute_ended(suppressed: u64) -> Text {
    let alerts = pluralize(suppressed, "alert was", "alerts were");
    Text::plain(format_args!("🔔 No longer muted. {alerts} suppressed meanwhile; every probe is recorded."))
}

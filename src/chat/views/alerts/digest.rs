//! Digests: several alerts in one message.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use dot11::{MacAddr, Ssid};
use store::event::{GroupId, Offset, Timestamp};
use store::state::{Alert, Presence};

use super::{
    AlertDevice, PendingAlert, after_silence, ignore_button, is_about_stranger, mute_button, name_button,
    phone_card_button, stranger_reason, suppressed_probes, unfollow_button, vendor_and_signal, watch_of,
    with_further_matches,
};
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::watch_target::WatchTarget;
use crate::text::format::{live_age, pluralize, short_time};
use crate::text::{Foreign, MESSAGE_LIMIT, Text, foreign};

/// Buttons to stop a watch under a digest; with more watches, there is none.
const MAX_UNWATCH_BUTTONS: usize = 3;

/// Characters of an SSID on a button.
const LABEL_LENGTH: usize = 40;

/// Several alerts in one message.
pub struct Digest {
    /// The message.
    pub answer: Reply,
    /// The alerts that it covers.
    pub included: Vec<Offset>,
}

/// What identifies the device of an alert: its name, else its phone, else its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DeviceIdentity<'a> {
    Name(&'a str),
    Phone(GroupId),
    Address(MacAddr),
}

impl<'a> DeviceIdentity<'a> {
    fn of(alert: &Alert, device: AlertDevice<'a>) -> Self {
        match (device.name, device.phone) {
            (Some(name), _) => Self::Name(name),
            (None, Some(phone)) => Self::Phone(phone),
            (None, None) => Self::Address(alert.source),
        }
    }
}

/// The key of an entry of a digest: alerts about the same device and networks share one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum EntryKey<'a> {
    Networks(DeviceIdentity<'a>, Vec<&'a Ssid>),
    Presence(DeviceIdentity<'a>, Vec<&'a Ssid>),
}

impl<'a> EntryKey<'a> {
    fn of(alert: &'a Alert, device: AlertDevice<'a>) -> Self {
        let device = DeviceIdentity::of(alert, device);
        let networks = alert.matches().map(|of| &of.ssid).collect();
        match (&alert.presence, &alert.watch_match) {
            (None, Some(_)) => Self::Networks(device, networks),
            _ => Self::Presence(device, networks),
        }
    }
}

struct Entry<'a> {
    /// The newest of its alerts.
    alert: &'a Alert,
    device: AlertDevice<'a>,
    probes: u64,
    included: Vec<Offset>,
}

/// What becomes of the alerts that do not fit into a message.
pub enum Rest {
    /// They are left for the next message.
    Left,
    /// The message counts them. This text follows.
    Counted(Text),
}

/// Alerts in one message under a headline with their count, cut between entries to fit.
pub fn digest(
    alerts: &[PendingAlert<'_>],
    headline: fn(usize) -> String,
    rest: Rest,
    (now, zone): (Timestamp, Tz),
) -> Digest {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut indices: BTreeMap<EntryKey<'_>, usize> = BTreeMap::new();
    for &(offset, alert, device) in alerts {
        let index = *indices.entry(EntryKey::of(alert, device)).or_insert(entries.len());
        let probes = 1 + suppressed_probes(alert);
        match entries.get_mut(index) {
            Some(entry) => {
                if entry.alert.time <= alert.time {
                    entry.alert = alert;
                }
                entry.probes += probes;
                entry.included.push(offset);
            }
            None => entries.push(Entry { alert, device, probes, included: vec![offset] }),
        }
    }
    let headline = |count| Text::default().bold(format_args!("📣 {}", headline(count)));
    let last_line =
        |omitted: usize| format!("\n… and {}", pluralize(omitted as u64, "more alert", "more alerts"));
    // No count in either is longer than that of all alerts.
    let overhead = headline(alerts.len()).append_text(Text::plain(last_line(alerts.len())));
    let (is_counted, tail) = match rest {
        Rest::Left => (false, Text::default()),
        Rest::Counted(tail) => (true, tail),
    };
    let mut remaining_chars = MESSAGE_LIMIT.saturating_sub(overhead.length() + tail.length());
    let (mut text, mut included) = (Text::default(), Vec::new());
    for entry in &entries {
        let line = Text::plain("\n• ").append_text(shown_entry(entry, now, zone));
        let Some(after_line) = remaining_chars.checked_sub(line.length()) else { break };
        remaining_chars = after_line;
        text = text.append_text(line);
        included.extend(&entry.included);
    }
    let omitted = alerts.len() - included.len();
    if omitted > 0 && is_counted {
        text = text.append(last_line(omitted));
        included = alerts.iter().map(|(offset, _, _)| *offset).collect();
    }
    let text = headline(included.len()).append_text(text).append_text(tail);
    let is_included: BTreeSet<Offset> = included.iter().copied().collect();
    let of_included = alerts.iter().filter(|(offset, _, _)| is_included.contains(offset));
    let buttons = digest_buttons(&of_included.copied().collect::<Vec<_>>());
    Digest { answer: Reply { buttons, ..Reply::from(text) }, included }
}

/// The buttons under a digest: those of single alerts, if there are few of each.
fn digest_buttons(included: &[PendingAlert<'_>]) -> Vec<Vec<Button>> {
    let devices: BTreeSet<DeviceIdentity<'_>> =
        included.iter().map(|(_, alert, device)| DeviceIdentity::of(alert, *device)).collect();
    let mut rows = vec![vec![mute_button()]];
    if let (1, Some((_, alert, device))) = (devices.len(), included.last()) {
        if device.name.is_none() {
            rows = vec![vec![mute_button(), name_button(alert.source)]];
        }
        rows.push(vec![ignore_button(alert.source)]);
        if included.iter().any(|(_, alert, _)| alert.presence.is_some() && !is_about_stranger(alert)) {
            rows.push(vec![unfollow_button(alert.source)]);
        }
        rows.extend(device.phone.map(|_| vec![phone_card_button(alert, *device)]));
    }
    let mut watched: Vec<WatchTarget> = Vec::new();
    for target in included.iter().flat_map(|(_, alert, _)| alert.matches()).map(watch_of) {
        if !watched.contains(&target) {
            watched.push(target);
        }
        if watched.len() > MAX_UNWATCH_BUTTONS {
            watched.clear();
            break;
        }
    }
    rows.extend(watched.iter().map(|target| {
        let label: String = target.to_string().chars().take(LABEL_LENGTH).collect();
        vec![Callback::unwatch(target).button(format!("✋ Stop watching {label}")).map(Button::danger)]
    }));
    rows.into_iter().map(|row| row.into_iter().flatten().collect()).collect()
}

fn shown_entry(entry: &Entry<'_>, now: Timestamp, zone: Tz) -> Text {
    let Entry { alert, device, probes, .. } = entry;
    let time = short_time(alert.time, now, zone).append_text(live_age(alert.time, now));
    let mut text = time.append(" ");
    text = match device.label() {
        Some(label) => text.append(Foreign(label)),
        None => text.code(alert.source),
    };
    match &alert.presence {
        Some(Presence::Arrived { silent_seconds }) => {
            text = text.append(format_args!(" has arrived{}", after_silence(*silent_seconds)));
        }
        Some(Presence::Left { .. }) => text = text.append(" has left"),
        Some(
            Presence::Stranger { reason, near_since, .. }
            | Presence::StrangerStays { reason, near_since, .. },
        ) => {
            let reason = stranger_reason(*reason, *near_since, *device, |first| short_time(first, now, zone));
            text = text.append(", a stranger, is near: ").append_text(reason);
        }
        Some(Presence::StrangerLeft { .. }) => text = text.append(", a stranger, has left"),
        None => {}
    }
    if let Some(watch_match) = &alert.watch_match {
        text = text.append(format_args!(" → \"{}\"", Foreign(&watch_match.ssid)));
        if *probes > 1 {
            text = text.append(format_args!(" ({probes}×)"));
        }
        if watch_match.is_short {
            text = text.append(", probably, by its Short SSID");
        }
        if let Some(reason) = &watch_match.reason {
            text = text.append(format_args!(": {}", foreign(reason)));
        }
    }
    text = with_further_matches(text, alert, |text, further| {
        let guess = if further.is_short { "probably " } else { "" };
        text.append(format_args!(", {guess}\"{}\"", Foreign(&further.ssid)))
    });
    match vendor_and_signal(alert) {
        Some(details) => text.append(format_args!(" ({details})")),
        None => text,
    }
}

/// The headline over alerts that came together.
pub fn burst_headline(count: usize) -> String {
    pluralize(count as u64, "alert", "alerts")
}

/// The headline over alerts of the quiet hours.
pub fn quiet_headline(count: usize) -> String {
    match count {
        0 => "Good morning.".to_owned(),
        _ => format!("Good morning. {} during quiet hours:", pluralize(count as u64, "alert", "alerts")),
    }
}

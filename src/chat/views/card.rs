//! The card of a device, and the choice among several.

use chrono::{Offset, TimeDelta, Timelike};
use chrono_tz::Tz;
use dot11::{MacAddr, Ssid};
use store::event::{ChatId, DeviceKey, Timestamp};
use store::state::{HourHistogram, State};

use super::card_part::{SHOWN_OPEN, open_or_details};
use super::phones;
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::chart::ChartPeriod;
use crate::chat::model::lookup::{DeviceReport, LookupResult, ShortSsidReport};
use crate::chat::model::phone::{PhoneReport, phone_label};
use crate::text::document::{Column, Document, List, Table};
use crate::text::format::{pluralize, time_and_age};
use crate::text::{Foreign, Text, foreign, printable};
use crate::vendor::{self, Vendor};

/// Addresses of a device that a card lists.
const ADDRESSES_SHOWN: usize = 20;

/// Devices to choose from.
const MAX_CANDIDATE_BUTTONS: usize = 20;

/// Addresses of a name that get rename buttons; with more, `/name` renames one.
const MAX_RENAME_BUTTONS: usize = 3;

/// The number of probes from which the busiest hour is meaningful.
const MIN_PROBES_FOR_BUSIEST_HOUR: u64 = 10;

/// Characters of a name on a button.
const LABEL_LENGTH: usize = 40;

/// The reply to a look-up, without buttons.
pub fn device_reply(found: &LookupResult, now: Timestamp, zone: Tz) -> Reply {
    let text = match found {
        LookupResult::Device(report) => return card(report, now, zone).into(),
        LookupResult::Ambiguous(names) => {
            Text::plain("🤔 Several devices have that in their name. Which one do you mean?")
                .list(names.iter().map(|name| Text::default().code(printable(name))))
        }
        LookupResult::NeverSeen { device } => {
            Text::plain(format_args!("🛎 {} has a name but has not been seen yet.", foreign(device)))
        }
        LookupResult::NotFound { device, near } => {
            let text = Text::plain(format_args!("🛎 No device matches {}", foreign(device)));
            match near.as_slice() {
                [] => text,
                near => text
                    .append("\nDid you mean one of these?")
                    .list(near.iter().map(|name| Text::default().code(printable(name)))),
            }
        }
    };
    text.into()
}

/// The buttons under the reply to a look-up by this chat.
pub(in crate::chat) fn found_buttons(found: &LookupResult, state: &State, chat: ChatId) -> Vec<Vec<Button>> {
    match found {
        LookupResult::Device(report) => card_buttons(report, state, chat),
        other => ambiguous_matches(other, state, |address, label| Callback::Card(address).button(label)),
    }
}

/// A button for each candidate, which `action` makes of its address and label.
pub(in crate::chat) fn ambiguous_matches(
    found: &LookupResult,
    state: &State,
    action: impl Fn(MacAddr, String) -> Option<Button>,
) -> Vec<Vec<Button>> {
    let candidates = match found {
        LookupResult::Ambiguous(candidates) | LookupResult::NotFound { device: _, near: candidates } => {
            candidates.as_slice()
        }
        LookupResult::Device(_) | LookupResult::NeverSeen { .. } => &[],
    };
    let buttons = candidates.iter().take(MAX_CANDIDATE_BUTTONS).filter_map(|name| {
        let address = state.addresses_of(name).first().copied()?;
        let label: String = printable(name).chars().take(LABEL_LENGTH).collect();
        action(address, label)
    });
    buttons.map(|button| vec![button]).collect()
}

/// The buttons that begin or end what a chat wants of a device.
struct PreferenceButtons {
    follow: Option<Button>,
    unfollow: Option<Button>,
    ignore: Option<Button>,
    unignore: Option<Button>,
}

impl PreferenceButtons {
    /// Of the device with this address. What holds for the chat can only be ended, and what does not only begun. What
    /// holds for a part of the device can be both.
    fn new(address: MacAddr, state: &State, chat: ChatId) -> Self {
        let members = state.members_of(&state.device_key(address));
        let holds = |is_set: &dyn Fn(&DeviceKey) -> bool| {
            let set = members.iter().filter(|member| is_set(member)).count();
            (set == members.len(), set > 0)
        };
        let (is_followed, is_partly_followed) = holds(&|member| state.follows().get(member, chat).is_some());
        let ignored = state.mutes().ignored();
        let (is_ignored, is_partly_ignored) = holds(&|member| ignored.get(member, chat).is_some());
        let button = |is_shown: bool, callback: Callback, label| callback.button(label).filter(|_| is_shown);
        Self {
            follow: button(!is_followed, Callback::Follow(address), "🚶 Follow"),
            unfollow: button(is_partly_followed, Callback::Unfollow(address), "✋ Unfollow")
                .map(Button::danger),
            ignore: button(!is_ignored, Callback::Ignore(address), "🙈 Ignore"),
            unignore: button(is_partly_ignored, Callback::Unignore(address), "👀 Unignore"),
        }
    }
}

fn card_buttons(report: &DeviceReport, state: &State, chat: ChatId) -> Vec<Vec<Button>> {
    let Some(&address) = report.addresses.first() else { return Vec::new() };
    let preferences = PreferenceButtons::new(address, state, chat);
    if let Some(phone) = &report.phone {
        return phone_buttons(report.name.is_some(), phone, address, preferences);
    }
    let name = match (&report.name, report.addresses.len()) {
        (None, _) => Callback::Name(address).button("✏️ Name it").map(Button::primary),
        (Some(_), 1) => Callback::Name(address).button("✏️ Rename"),
        (Some(_), _) => None,
    };
    // Any of several addresses may turn out to belong to another device.
    let addresses = match report.addresses.as_slice() {
        several @ [_, _, ..] if several.len() <= MAX_RENAME_BUTTONS => several,
        _ => &[],
    };
    let renamed: Vec<(MacAddr, String)> = match report.namesakes.as_slice() {
        [] => addresses.iter().map(|address| (*address, address.to_string())).collect(),
        phones if phones.len() <= MAX_RENAME_BUTTONS => phones
            .iter()
            .filter_map(|phone| Some((phone.addresses.first()?.0, phone_label(phone.id))))
            .collect(),
        _ => Vec::new(),
    };
    let copies: Vec<Option<Button>> = match addresses {
        [] => vec![copy_address(address), rename_command(report)],
        several => several.iter().map(|address| copy_one_of_several(*address)).collect(),
    };
    let copies = copies.into_iter().map(|copy| copy.into_iter().collect::<Vec<_>>());
    let renames = renamed.into_iter().map(|(address, label)| {
        Callback::Name(address).button(format!("✏️ Rename {label}")).into_iter().collect::<Vec<_>>()
    });
    let upper = [
        Callback::ChartDevice(address, ChartPeriod::default()).button("📈 Chart"),
        Callback::NewestProbes(address).button("📋 Probes"),
    ];
    // A random address of no phone cannot be followed.
    let is_lasting =
        !report.namesakes.is_empty() || report.addresses.iter().any(|address| !address.is_random());
    let follow = preferences.follow.filter(|_| is_lasting).or(preferences.unfollow);
    let rows = [upper, [follow, name], [preferences.unignore, None]];
    let rows = rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>());
    rows.chain(renames).chain(copies).filter(|row| !row.is_empty()).collect()
}

/// Copies the address, of several the newest.
fn copy_address(address: MacAddr) -> Option<Button> {
    Button::copying("📄 Copy address", address.to_string())
}

fn copy_one_of_several(address: MacAddr) -> Option<Button> {
    Button::copying(format!("📄 Copy {address}"), address.to_string())
}

/// Copies the command that renames one of so many addresses that there is no button for each.
fn rename_command(report: &DeviceReport) -> Option<Button> {
    let first = report.addresses.first().filter(|_| has_rename_command(report))?;
    Button::copying("📄 Copy /name", format!("/name {first} NAME"))
}

/// Whether a card has the command that renames one of its addresses.
fn has_rename_command(report: &DeviceReport) -> bool {
    report.phone.is_none() && report.addresses.len() > MAX_RENAME_BUTTONS
}

/// The buttons of a phone; each has its newest address.
fn phone_buttons(
    has_name: bool,
    phone: &PhoneReport,
    newest: MacAddr,
    preferences: PreferenceButtons,
) -> Vec<Vec<Button>> {
    let PreferenceButtons { follow, unfollow, ignore, unignore } = preferences;
    let naming = Callback::Name(newest);
    let naming = match has_name {
        true => naming.button("✏️ Rename"),
        false => naming.button("✏️ Name it").map(Button::primary),
    };
    let other = (phone.addresses.len() > 1)
        .then(|| Callback::ChooseOtherDevice(newest).button("✂️ Not the same device"));
    let rows = [
        [
            Callback::ChartDevice(newest, ChartPeriod::default()).button("📈 Chart"),
            Callback::NewestProbes(newest).button("📋 Probes"),
        ],
        [follow.or(unfollow), naming],
        [ignore.or(unignore), other.flatten()],
        [copy_address(newest), None],
    ];
    rows.map(|row| row.into_iter().flatten().collect()).into()
}

fn card(report: &DeviceReport, now: Timestamp, zone: Tz) -> Document {
    let device = &report.device;
    let title = format!("📡 Wi-Fi probe stats for {}", foreign(&report.title()));
    let mut facts = Table::of_facts();
    if let Some(hint) = &report.hint {
        facts = facts.fact("Hint", Text::plain(Foreign(hint)));
    }
    if let Some(phone) = &report.phone {
        facts = phones::visits(facts, phone, now, zone);
    }
    let mut card = Document::default().title(Text::plain(title));
    if !report.namesakes.is_empty() {
        card = card.table(std::mem::replace(&mut facts, Table::of_facts()));
        card = card.append(phones::namesakes(&report.namesakes, now));
    }
    let unnamed = unnamed_probes(device.wildcard_count, device.hidden_count);
    let unnamed = unnamed.map(|unnamed| format!(" ({unnamed})")).unwrap_or_default();
    facts = facts
        .fact("Earliest probe", time_and_age(device.first_probe, now, zone))
        .fact("Latest probe", time_and_age(device.last_probe, now, zone))
        .fact("Probe count", Text::plain(format_args!("{}{unnamed}", device.probe_count)));
    if device.probe_count >= MIN_PROBES_FOR_BUSIEST_HOUR
        && let Some(hour) = busiest_hour(&device.hours, device.last_probe, zone)
    {
        facts = facts.fact("Busiest hour", Text::plain(format_args!("mostly around {hour}")));
    }
    if let Some(signal) = device.signal {
        let last = Text::plain(format_args!("{} dBm", signal.last_dbm));
        let shown = match signal.min_dbm < signal.max_dbm {
            true => last.append(format_args!(" last, {} to {} dBm", signal.min_dbm, signal.max_dbm)),
            false => last,
        };
        facts = facts.fact("Signal", shown);
    }
    let card = match &report.phone {
        Some(phone) => card.table(facts).append(phones::addresses(phone, report.name.is_some())),
        None => with_addresses(card, facts, report),
    };
    card.append(networks(report))
}

/// The networks that a device looked for, with the number of probes for each.
fn networks(report: &DeviceReport) -> Document {
    let device = &report.device;
    let summary = Text::plain(format_args!("Unique SSIDs: {}", device.ssids().len()));
    let summary = match device.probes_for_further_ssids {
        0 => summary,
        count => {
            summary.append(format_args!(" (and {} for other SSIDs)", pluralize(count, "probe", "probes")))
        }
    };
    let mut ssids: Vec<&(Ssid, u64)> = device.ssids().iter().collect();
    ssids.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = ssids.into_iter().map(|(ssid, count)| (Text::default().code(ssid), *count));
    let rows: Vec<(Text, u64)> = named.chain(report.short_ssids.iter().map(short_ssid)).collect();
    let is_long = rows.len() > SHOWN_OPEN;
    let columns = [Column::text("Network"), Column::number("Probes")];
    let table = rows.into_iter().fold(Table::new(columns), |table, (network, count)| {
        let line = network.clone().append(format_args!(" ({count}×)"));
        table.row_as([network, Text::plain(count)], line)
    });
    open_or_details(summary, Document::default().table(table), is_long)
}

/// A network that a device asked for by its Short SSID: a guess at its name, and the number of probes.
fn short_ssid(report: &ShortSsidReport) -> (Text, u64) {
    let ShortSsidReport { short_ssid, count, probably } = report;
    let text = Text::plain(format_args!("Short SSID {short_ssid}, "));
    let guess = match probably.as_slice() {
        [] => text.append("no network that I know"),
        [one] => text.append("probably ").code(one),
        [first, others @ ..] => others
            .iter()
            .fold(text.append("perhaps ").code(first), |text, other| text.append(" or ").code(other)),
    };
    (guess, *count)
}

/// How many probes named no network, if any: for any network, or for one that hides its name.
fn unnamed_probes(wildcard: u64, hidden: u64) -> Option<String> {
    match (wildcard, hidden) {
        (0, 0) => None,
        (wildcard, 0) => Some(format!("{wildcard} for any network")),
        (0, hidden) => Some(format!("{hidden} for hidden networks")),
        (wildcard, hidden) => Some(format!("{wildcard} for any network, {hidden} for hidden networks")),
    }
}

/// The hour of the day with the most probes. The state counts in UTC; the zone's offset at the last probe applies.
fn busiest_hour(hours: &HourHistogram, last_probe: Timestamp, zone: Tz) -> Option<String> {
    let hour = hours.busiest()?;
    let last = last_probe.to_utc();
    let at = last.with_minute(0)? + TimeDelta::hours(i64::from(hour) - i64::from(last.hour()));
    let offset = last.with_timezone(&zone).offset().fix();
    Some(at.with_timezone(&offset).format("%H:%M").to_string())
}

/// The card with these facts, and with the vendor or the addresses.
fn with_addresses(card: Document, facts: Table, report: &DeviceReport) -> Document {
    let addresses = report.addresses.as_slice();
    let card = match (&report.name, addresses) {
        (None, [address]) => {
            let vendor = match vendor::lookup(*address) {
                Vendor::Random => "random address (the device changes it from time to time)",
                Vendor::Known(name) => name,
                Vendor::Unknown => "unknown",
            };
            card.table(facts.fact("Vendor", Text::plain(vendor)))
        }
        (_, [address]) => card.table(facts.fact("Address", shown_address(*address))),
        _ => {
            let shown = addresses.iter().map(|address| shown_address(*address));
            let list = List::of(shown).in_line().classic_limit(ADDRESSES_SHOWN);
            let content = Document::default().list(list);
            let is_long = addresses.len() > SHOWN_OPEN;
            card.table(facts).append(open_or_details(Text::plain("Addresses"), content, is_long))
        }
    };
    match addresses.first() {
        Some(first) if has_rename_command(report) => {
            card.paragraph(Text::plain("To rename one of them: ").code(format_args!("/name {first} NAME")))
        }
        _ => card,
    }
}

/// An address with its vendor, if known.
pub(super) fn shown_address(address: MacAddr) -> Text {
    let text = Text::default().code(address);
    match vendor::lookup(address) {
        Vendor::Random => text.append(" (random address)"),
        Vendor::Known(name) => text.append(format_args!(" ({name})")),
        Vendor::Unknown => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_hour_is_shown_in_the_zone() {
        let at = |text: &str| {
            Timestamp::from_micros(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros())
        };
        let hours = |time| serde_json::from_str::<HourHistogram>(&format!("[[{time},7]]")).unwrap();
        for (now, zone, shown) in [
            ("2026-07-01T12:34:56Z", Tz::Europe__Berlin, "19:00"),
            ("2026-12-01T12:34:56Z", Tz::Europe__Berlin, "18:00"),
            ("2026-12-01T12:34:56Z", Tz::Asia__Kathmandu, "22:45"),
            ("2026-12-01T12:34:56Z", Tz::Pacific__Auckland, "06:00"),
        ] {
            assert_eq!(busiest_hour(&hours(17), at(now), zone).unwrap(), shown, "{now} {zone}");
        }
        assert_eq!(busiest_hour(&HourHistogram::default(), at("2026-07-01T12:34:56Z"), Tz::UTC), None);
    }
}

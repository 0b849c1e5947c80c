//! Lists of devices and networks, one page per message.

use std::fmt;

use chrono_tz::Tz;
use dot11::Ssid;
use store::event::Timestamp;
use store::state::Network;

use super::card::shown_address;
use super::phones;
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::commands::ssid_argument;
use crate::chat::message::Reply;
use crate::chat::model::chart::ChartPeriod;
use crate::chat::model::pagination::{DevicePage, ListBy, ListedDevice, PAGE_ENTRIES, Page, Requesters};
use crate::chat::model::phone::phone_label;
use crate::text::document::{Column, Document, Table};
use crate::text::format::{age, pluralize, time_and_age};
use crate::text::{Foreign, MESSAGE_LIMIT, Text, printable};

/// The longest entry of the classic form, in UTF-16 code units: only a hostile SSID or name is longer.
pub(super) const ENTRY_LENGTH: usize = MESSAGE_LIMIT / PAGE_ENTRIES - 30;

/// Buttons per row.
const ROW: usize = 5;

/// All devices or addresses, last seen first.
pub(in crate::chat) fn devices(by: ListBy, devices: &DevicePage, now: Timestamp) -> Reply {
    let suffix = page_suffix(&devices.page);
    match by {
        ListBy::Device => {
            let head =
                Document::default().title(Text::plain(format_args!("📱 Devices, last seen first{suffix}")));
            list_of_devices(with_counts(head, devices), &devices.page, now, Callback::Devices)
        }
        ListBy::Address => {
            let head =
                Document::default().title(Text::plain(format_args!("📱 Addresses, last seen first{suffix}")));
            list_of_devices(head, &devices.page, now, Callback::Addresses)
        }
    }
}

/// The devices seen within the last minutes.
pub(in crate::chat) fn nearby(devices: &DevicePage, minutes: u32, now: Timestamp) -> Reply {
    let within = the_last(minutes);
    let suffix = page_suffix(&devices.page);
    let title = Text::plain(format_args!("📍 Seen in {within}, strongest signal first{suffix}"));
    let head = Document::default().title(title);
    let turn = |page| Callback::Nearby(minutes, page);
    list_of_devices(with_counts(head, devices), &devices.page, now, turn)
}

/// The heading, and below it how many devices there are.
fn with_counts(head: Document, devices: &DevicePage) -> Document {
    match devices.counts.at_least {
        0 => head,
        _ => head.paragraph(Text::plain(devices.counts.line())),
    }
}

/// A number of minutes in the largest unit that divides it.
pub(super) fn the_last(minutes: u32) -> String {
    let (count, unit) = match minutes {
        _ if minutes.is_multiple_of(1_440) => (minutes / 1_440, "day"),
        _ if minutes.is_multiple_of(60) => (minutes / 60, "hour"),
        _ => (minutes, "minute"),
    };
    if count == 1 { format!("the last {unit}") } else { format!("the last {count} {unit}s") }
}

/// The devices with the most probes.
pub(in crate::chat) fn top(devices: &DevicePage, now: Timestamp) -> Reply {
    let suffix = page_suffix(&devices.page);
    let title = Text::plain(format_args!("🏆 Devices with the most probes{suffix}"));
    let head = Document::default().title(title);
    list_of_devices(with_counts(head, devices), &devices.page, now, Callback::Top)
}

fn list_of_devices(
    head: Document,
    page: &Page<ListedDevice>,
    now: Timestamp,
    turn: impl Fn(u32) -> Callback,
) -> Reply {
    if page.entries.is_empty() {
        return head.paragraph(Text::plain("No devices yet.")).into();
    }
    let columns = [Column::text("Device"), Column::text("Last seen"), DBM, Column::number("Probes")];
    let table = numbered(columns, page, |entry| {
        let ListedDevice { brief, .. } = entry;
        let (label, last) = (device_label(entry), age(brief.last_probe, now));
        let dbm = brief.signal.map(|signal| signal.last_dbm);
        let signal = dbm.map(|dbm| format!(", {dbm} dBm")).unwrap_or_default();
        let line = label.clone().append(": ").append_text(last.clone());
        let line = line.append(format_args!("{signal}, {}", pluralize(brief.probe_count, "probe", "probes")));
        Entry { cells: vec![label, last, number_cell(dbm), Text::plain(brief.probe_count)], line }
    });
    let cards = number_buttons(page, "", |entry| Some(Callback::Card(entry.address)));
    Reply { buttons: with_page_buttons(cards, page, turn), ..Reply::from(head.table(table)) }
}

fn device_label(entry: &ListedDevice) -> Text {
    let label = match (&entry.name, entry.phone) {
        (Some(name), _) => Text::default().code(printable(name)),
        (None, Some(phone)) => Text::default().code(phone_label(phone)),
        (None, None) => shown_address(entry.address),
    };
    let phones = (entry.at_least > 1).then(|| format!("at least {} phones", entry.at_least));
    let addresses = (entry.phone.is_some() || phones.is_some() || entry.further_addresses > 0)
        .then(|| phones::used_addresses(entry.further_addresses + 1));
    let known: Vec<String> = phones.into_iter().chain(addresses).collect();
    if known.is_empty() { label } else { label.append(format_args!(" ({})", known.join(", "))) }
}

/// The requested networks, those with the most probes first; `is_watched` marks watched ones. `hidden_probes` is how
/// many probes were for hidden networks, which have no name here.
pub(in crate::chat) fn networks(
    page: &Page<(Ssid, Network)>,
    hidden_probes: u64,
    is_watched: impl Fn(&Ssid) -> bool,
    now: Timestamp,
) -> Reply {
    let title = Text::plain(format_args!("📶 Most requested networks{}", page_suffix(page)));
    let head = Document::default().title(title);
    let with_hidden = |document: Document| match hidden_probes {
        0 => document,
        count => {
            let probes = pluralize(count, "probe", "probes");
            document.paragraph(Text::plain(format_args!("Hidden networks, without a name: {probes}")))
        }
    };
    if page.entries.is_empty() {
        let none = Text::plain("No device has looked for a network by name yet.");
        return with_hidden(head.paragraph(none)).into();
    }
    let columns = [Column::text("Network"), Column::number("Probes"), Column::text("Last")];
    let table = numbered(columns, page, |(ssid, network)| {
        let mark = if is_watched(ssid) { "👁 " } else { "" };
        let (name, last) = (Text::plain(mark).code(ssid), age(network.last_probe, now));
        let asked = pluralize(network.probe_count, "probe", "probes");
        let line = name.clone().append(format_args!(": {asked}, last ")).append_text(last.clone());
        Entry { cells: vec![name, Text::plain(network.probe_count), last], line }
    });
    let document = with_hidden(head.table(table)).gap().paragraph(Text::plain(
        "Press 👁 with a number to watch that network. /ssid SSID lists the devices that look for it.",
    ));
    let watch = number_buttons(page, "👁 ", |(ssid, _)| {
        Some(Callback::WatchListed(ssid.clone(), page.number)).filter(|_| !is_watched(ssid))
    });
    Reply { buttons: with_page_buttons(watch, page, Callback::Networks), ..Reply::from(document) }
}

/// The devices that look for a network. `network` is its record.
pub(in crate::chat) fn requesters(
    ssid: &Ssid,
    network: Option<Network>,
    Requesters { devices, probes: sum, short_probes }: &Requesters,
    (now, zone): (Timestamp, Tz),
) -> Reply {
    let page = &devices.page;
    if ssid.is_hidden() {
        return Text::plain(
            "🛎 An SSID of NUL bytes is what a hidden network shows in place of its name. /networks counts the probes for \
             hidden networks.",
        )
        .into();
    }
    let with_short = |document: Document| match short_probes {
        0 => document,
        count => document.paragraph(Text::plain(format_args!(
            "Probably for it, by its Short SSID, which other names may share: {}",
            pluralize(*count, "probe", "probes")
        ))),
    };
    if network.is_none() && page.entries.is_empty() {
        let none = Text::plain(format_args!("🛎 No device has looked for \"{}\" yet.", Foreign(ssid)));
        return with_short(Document::default().paragraph(none)).into();
    }
    let time_and_age = |time| time_and_age(time, now, zone);
    let facts = match &network {
        Some(network) => Table::of_facts()
            .fact("First request", time_and_age(network.first_probe))
            .fact("Last request", time_and_age(network.last_probe)),
        None => Table::of_facts(),
    };
    let probes = network.map_or(0, |network| network.probe_count).max(*sum);
    let title = Text::plain(format_args!("📶 \"{}\"{}", Foreign(ssid), page_suffix(page)));
    let head = Document::default().title(title).table(facts.fact("Probe count", Text::plain(probes)));
    let head = with_short(head).paragraph(Text::plain(match page.total {
        0 => "No device that I still know requested it".to_owned(),
        _ => devices.counts.sentence("requested it"),
    }));
    let columns = [Column::text("Device"), Column::number("Times"), Column::text("Last seen")];
    let table = numbered(columns, page, |entry| {
        let (label, last) = (device_label(entry), age(entry.brief.last_probe, now));
        let times = pluralize(entry.brief.probe_count, "time", "times");
        let line = label.clone().append(format_args!(": {times}, last seen ")).append_text(last.clone());
        Entry { cells: vec![label, Text::plain(entry.brief.probe_count), last], line }
    });
    let mut buttons = number_buttons(page, "", |entry| Some(Callback::Card(entry.address)));
    let watch = Callback::Watch(ssid.clone()).button("👁 Watch").map(Button::primary);
    let chart = Callback::ChartNetwork(ssid.clone(), ChartPeriod::default()).button("📈 Chart");
    buttons.push(watch.into_iter().chain(chart).collect());
    // With a reason behind it, which a button cannot ask for.
    let command = Button::copying("📄 Copy /watch", format!("/watch {}", ssid_argument(ssid)));
    buttons.push(command.into_iter().collect());
    let buttons = with_page_buttons(buttons, page, |page| Callback::Network(ssid.clone(), page));
    Reply { buttons, ..Reply::from(head.table(table)) }
}

/// The page and the number of pages, if there are several.
pub(super) fn page_suffix<T>(page: &Page<T>) -> String {
    match page.pages() {
        1 => String::new(),
        pages => format!(" (page {} of {pages})", page.number + 1),
    }
}

/// The column of signals.
pub(super) const DBM: Column = Column::number("dBm");

/// A number, or an empty cell.
pub(super) fn number_cell(number: Option<impl fmt::Display>) -> Text {
    number.map_or_else(Text::default, Text::plain)
}

/// An entry of a list.
pub(super) struct Entry {
    /// Its cells in the table of a rich message.
    pub(super) cells: Vec<Text>,
    /// Its line in the classic form.
    pub(super) line: Text,
}

/// The table of a page. Its first column has the numbers of the entries.
pub(super) fn numbered<T, const N: usize>(
    columns: [Column; N],
    page: &Page<T>,
    shown: impl Fn(&T) -> Entry,
) -> Table {
    let columns = std::iter::once(Column::number("#")).chain(columns);
    (page.first()..).zip(&page.entries).fold(Table::new(columns), |table, (number, entry)| {
        let Entry { cells, line } = shown(entry);
        table.numbered(number, cells, line.shortened(ENTRY_LENGTH))
    })
}

/// A numbered button for each entry.
pub(super) fn number_buttons<T>(
    page: &Page<T>,
    sign: &str,
    action: impl Fn(&T) -> Option<Callback>,
) -> Vec<Vec<Button>> {
    let numbered = (page.first()..).zip(&page.entries);
    let buttons: Vec<Button> =
        numbered.filter_map(|(number, entry)| action(entry)?.button(format!("{sign}{number}"))).collect();
    buttons.chunks(ROW).map(<[Button]>::to_vec).collect()
}

/// The rows, without empty ones, and a row that turns the page.
pub(super) fn with_page_buttons<T>(
    mut rows: Vec<Vec<Button>>,
    page: &Page<T>,
    turn: impl Fn(u32) -> Callback,
) -> Vec<Vec<Button>> {
    let back = page.number.checked_sub(1).and_then(|page| turn(page).button("◀"));
    let forth = Some(page.number + 1).filter(|_| page.has_next()).and_then(|page| turn(page).button("▶"));
    rows.push(back.into_iter().chain(forth).collect());
    rows.retain(|row| !row.is_empty());
    rows
}

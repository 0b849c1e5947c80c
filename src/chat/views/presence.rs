//! Who was here, and how many.

use std::time::Duration;

use chrono_tz::Tz;
use store::event::{DeviceKey, Timestamp};

use super::history::the_last;
use super::lists::{DBM, Entry, number_cell};
use super::phones::used_addresses;
use super::strangers::{new_device, reason, still_learning};
use crate::chart::{DeviceLabels, LaneLabels};
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::chart::ChartPeriod;
use crate::chat::model::presence::{Interval, LeastDevices, SHORTEST_STAY};
use crate::chat::model::time_range::TimeRange;
use crate::chat::model::visitor::{Visitor, VisitorList};
use crate::device_counts::DeviceCounts;
use crate::text::document::{Column, Document, List, Table};
use crate::text::format::{
    DAY_AND_SHORT_TIME, SHORT_TIME, WEEKDAY_AND_SHORT_TIME, age, live_age, local, pluralize, short_time,
    shown_duration,
};
use crate::text::{Text, printable};

/// The most intervals that are listed for a device.
const LISTED_INTERVALS: usize = 3;

/// The most strangers that have a button.
const STRANGER_BUTTONS: usize = 5;

/// The most devices of which all intervals are shown, in a part that is folded up.
const DETAILED_DEVICES: usize = 20;

/// The longest line about a device in the classic form, in UTF-16 code units.
const LINE_LENGTH: usize = 400;

/// The longest device on a button, in characters.
const BUTTON_DEVICE_LENGTH: usize = 30;

/// The name of the document with who was here.
pub(in crate::chat) const DOCUMENT_NAME: &str = "who-was-here.csv";

/// Who was here: a line for each device, strangers first.
pub(in crate::chat) fn visitors(list: &VisitorList, (now, zone): (Timestamp, Tz)) -> Reply {
    let VisitorList { range, visitors, least, learned, .. } = list;
    let head = Document::default().title(who_was_here(range, zone).append_text(live_age(range.to, now)));
    if visitors.is_empty() && least.ungrouped == 0 {
        return head.paragraph(Text::plain("Nobody. The log has no probe of that time.")).into();
    }
    let strangers = visitors.iter().filter(|visitor| visitor.reason.is_some()).count();
    let head = counts(list).into_iter().fold(head, Document::paragraph);
    let head = match still_learning(*learned) {
        Some(note) => head.paragraph(Text::plain(note)),
        None => head,
    };
    let shown_strangers = pluralize(strangers as u64, "stranger", "strangers");
    let head = head.paragraph(Text::plain(match (strangers, visitors.len() - strangers) {
        (0, 0) => "No device is listed: a random address alone shows nothing about whose it is.".to_owned(),
        (0, _) => "No strangers. The strongest signals come first.".to_owned(),
        (_, 0) => format!("{shown_strangers}, the strongest signals first:"),
        _ => format!("{shown_strangers}, then the others, each with the strongest signals first:"),
    }));
    let columns =
        [Column::text("Device"), Column::text("When"), DBM, Column::text("Last seen"), Column::text("Note")];
    let table = visitors.iter().fold(Table::new(columns), |table, visitor| {
        let Entry { cells, line } = entry(visitor, range, (now, zone));
        table.row_as(cells, line.shortened(LINE_LENGTH))
    });
    let document = with_all_times(head.table(table), list, zone);
    let mut buttons = vec![
        Callback::ChartBetween(*range)
            .button("📊 Chart")
            .into_iter()
            .chain(Callback::ExportBetween(*range).button("🗂 Export"))
            .collect(),
    ];
    let strangers = visitors.iter().filter(|visitor| visitor.reason.is_some());
    buttons.extend(strangers.filter_map(alert_button).take(STRANGER_BUTTONS).map(|button| vec![button]));
    Reply { buttons, ..Reply::from(document) }
}

fn alert_button(visitor: &Visitor) -> Option<Button> {
    let callback = match visitor.key {
        DeviceKey::Phone(phone) => Callback::AlertOnReturn(phone),
        DeviceKey::Address(address) => Callback::Follow(address),
        DeviceKey::Name(_) => return None,
    };
    let device: String = printable(&visitor.title).chars().take(BUTTON_DEVICE_LENGTH).collect();
    callback.button(format!("🔔 Alert me if {device} returns"))
}

/// All times of the devices whose line has only the first ones.
fn with_all_times(
    document: Document,
    VisitorList { range, visitors, .. }: &VisitorList,
    zone: Tz,
) -> Document {
    let intervals = |visitor: &Visitor| visitor.presence.intervals.len();
    let frequent = visitors.iter().filter(|visitor| intervals(visitor) > LISTED_INTERVALS);
    frequent.take(DETAILED_DEVICES).fold(document, |document, visitor| {
        let times = pluralize(intervals(visitor) as u64, "time", "times");
        let summary = Text::plain("All ").append(times).append(" of ").code(printable(&visitor.title));
        let shown = visitor.presence.intervals.iter().map(|interval| shown_interval(interval, range, zone));
        document.rich_details(summary, Document::default().list(List::of(shown)))
    })
}

/// A device with its times, its signal, and why it is a stranger.
fn entry(visitor: &Visitor, range: &TimeRange, (now, zone): (Timestamp, Tz)) -> Entry {
    let presence = &visitor.presence;
    let is_named = matches!(visitor.key, DeviceKey::Name(_));
    let device = Text::default().code(printable(&visitor.title));
    let device = match presence.random_addresses() {
        (0, _) => device,
        (1, _) if is_named => device,
        (count, false) => device.append(format_args!(" ({})", used_addresses(count as usize))),
        (count, true) => device.append(format_args!(" (more than {count} addresses)")),
    };
    let listed = presence.intervals.iter().take(LISTED_INTERVALS);
    let mut times: Vec<Text> = listed.map(|interval| shown_interval(interval, range, zone)).collect();
    if let Some(more) = presence.intervals.len().checked_sub(LISTED_INTERVALS).filter(|more| *more > 0) {
        times.push(Text::plain(format_args!("{more} more {}", if more == 1 { "time" } else { "times" })));
    }
    let times =
        times.into_iter().reduce(|text, time| text.append(", ").append_text(time)).unwrap_or_default();
    let times = match presence.duration() {
        Duration::ZERO => times,
        duration => times.append(format_args!(" ({})", shown_duration(duration))),
    };
    let last_seen = presence.last().map(|last| age(last, now));
    let notes: Vec<Text> =
        several_phones(visitor, is_named).into_iter().chain(why_stranger(visitor, range, zone)).collect();
    let line = device.clone().append(": ").append_text(times.clone());
    let line = match presence.strongest_dbm {
        Some(dbm) => line.append(format_args!(", strongest {dbm} dBm")),
        None => line,
    };
    let line = match &last_seen {
        Some(last) => line.append_if_live(Text::plain(", last seen ").append_text(last.clone())),
        None => line,
    };
    let line = notes.iter().fold(line, |line, note| line.append(". ").append_text(note.clone()));
    let note = notes.into_iter().reduce(|text, note| text.append(". ").append_text(note)).unwrap_or_default();
    let signal = number_cell(presence.strongest_dbm);
    Entry { cells: vec![device, times, signal, last_seen.unwrap_or_default(), note], line }
}

/// That a device may be several phones.
fn several_phones(visitor: &Visitor, is_named: bool) -> Option<Text> {
    let text = match (visitor.presence.at_least(), visitor.is_distinguishable) {
        (0 | 1, true) => return None,
        (0 | 1, false) => "One or more phones of this model".to_owned(),
        (phones, _) if is_named => format!("At least {phones} phones of one model share this name"),
        (phones, _) => format!("At least {phones} phones of this model, which cannot be told apart"),
    };
    Some(Text::plain(text))
}

fn why_stranger(visitor: &Visitor, range: &TimeRange, zone: Tz) -> Option<Text> {
    let why = visitor.reason?;
    let why = match visitor.first_seen.filter(|first| *first < range.from) {
        Some(first) => new_device(short_time(first, range.to, zone)),
        None => Text::plain(reason(why)),
    };
    Some(Text::plain("Stranger: ").append_text(why))
}

/// The times of an interval, with the day if the range covers several.
fn shown_interval(interval: &Interval, range: &TimeRange, zone: Tz) -> Text {
    let local = |time| local(time, zone);
    let [start, end] = [interval.start, interval.end].map(local);
    let time_of_day = (SHORT_TIME, "%H:%M");
    let is_one_day = local(range.from).date_naive() == local(range.to).date_naive();
    let (format, shown) = if is_one_day { time_of_day } else { (WEEKDAY_AND_SHORT_TIME, "%a %H:%M") };
    let text = Text::time(interval.start, format, start.format(shown));
    if start.format("%F %H:%M").to_string() == end.format("%F %H:%M").to_string() {
        return text;
    }
    let is_same_day = start.date_naive() == end.date_naive();
    let (format, shown) = if is_same_day { time_of_day } else { (format, shown) };
    text.append("–").append_text(Text::time(interval.end, format, end.format(shown)))
}

fn shown_range(range: &TimeRange, zone: Tz) -> Text {
    let [from, to] = [range.from, range.to].map(|time| local(time, zone));
    let (format, shown) = match from.date_naive() == to.date_naive() {
        true => (SHORT_TIME, "%H:%M %Z"),
        false => (DAY_AND_SHORT_TIME, "%a %-d %b %H:%M %Z"),
    };
    Text::time(range.from, DAY_AND_SHORT_TIME, from.format("%a %-d %b %Y %H:%M"))
        .append(" – ")
        .append_text(Text::time(range.to, format, to.format(shown)))
}

fn who_was_here(range: &TimeRange, zone: Tz) -> Text {
    Text::plain("👥 ").bold("Who was here, ").bold_text(shown_range(range, zone))
}

/// How many devices there were, and what the count leaves out: a line for each.
fn counts(list: &VisitorList) -> Vec<Text> {
    let counts = list.least.counts(list.grouped_addresses).line();
    let more = "There were more random addresses than are counted here.";
    let more = list.has_more_ungrouped.then(|| more.to_owned());
    [Some(counts), more, omitted(list.omitted_probes)].into_iter().flatten().map(Text::plain).collect()
}

fn omitted(probes: u64) -> Option<String> {
    let shown = pluralize(probes, "probe", "probes");
    (probes > 0)
        .then(|| format!("There were too many devices: {shown} of those with the fewest are left out."))
}

/// The line below the title of the lanes.
pub(in crate::chat) fn lanes_subtitle(range: &TimeRange, zone: Tz) -> String {
    shown_range(range, zone).to_string()
}

/// The line below the lanes if `further` devices have none.
pub(in crate::chat) fn further_lanes(further: usize) -> Option<String> {
    (further > 0).then(|| format!("… and {further} more, which the list and the export have"))
}

/// The labels of the lanes.
pub(in crate::chat) fn lane_labels<'a>(subtitle: &'a str, more: Option<&'a str>) -> LaneLabels<'a> {
    LaneLabels {
        title: "Who was here",
        subtitle,
        strangers: "Strangers",
        others: "Others",
        more,
        nothing: "Nobody",
    }
}

/// The caption of the lanes.
pub(in crate::chat) fn lanes(list: &VisitorList, zone: Tz) -> Text {
    let head = who_was_here(&list.range, zone);
    counts(list).into_iter().fold(head, |text, line| text.append("\n").append_text(line))
}

/// The caption of the table of who was here; if `is_cut`, it does not have all.
pub(in crate::chat) fn exported_visitors(range: &TimeRange, written: u64, is_cut: bool, zone: Tz) -> Text {
    let devices = pluralize(written, "device", "devices");
    let text = Text::plain("🗂 Who was here, ")
        .append_text(shown_range(range, zone))
        .append(format_args!(": {devices}, strangers first"));
    match is_cut {
        false => text,
        true => text.append("; one document cannot hold all of them."),
    }
}

/// The counts of devices.
pub(in crate::chat) struct Counts {
    pub(in crate::chat) period: ChartPeriod,
    pub(in crate::chat) today: LeastDevices,
    pub(in crate::chat) stayed_today: LeastDevices,
    /// The hour with the most devices: how many these were, and its start.
    pub(in crate::chat) busiest: Option<(LeastDevices, Timestamp)>,
    pub(in crate::chat) ungrouped: (u64, bool),
    pub(in crate::chat) omitted_probes: u64,
}

/// The line below the title of the chart of counts.
pub(in crate::chat) fn count_subtitle(period: ChartPeriod) -> String {
    format!("Probably at least this many, in {}", the_last(period))
}

/// The labels of the chart of counts.
pub(in crate::chat) fn count_labels(subtitle: &str) -> DeviceLabels<'_> {
    DeviceLabels {
        title: "Devices per hour",
        subtitle,
        stayed: "Stayed",
        passed: "Passed by (less than 2 minutes)",
        nothing: "No devices",
    }
}

/// The caption of the chart of counts, with today's numbers.
pub(in crate::chat) fn count(counts: &Counts, (now, zone): (Timestamp, Tz)) -> Text {
    let Counts { period, today, stayed_today, busiest, ungrouped, omitted_probes } = counts;
    let text = Text::plain("👥 ").bold(format_args!("Devices per hour, {}", the_last(*period)));
    let text = match today.total() {
        0 => text.append("\nToday: no devices so far."),
        _ => text.append(format_args!(
            "\nToday: {}. Of these, {} stayed for {} minutes or longer.",
            today.counts(0).text(),
            match stayed_today.counts(0) {
                DeviceCounts { at_least: 0, .. } => "none".to_owned(),
                stayed => stayed.number(),
            },
            SHORTEST_STAY.as_secs() / 60
        )),
    };
    let text = match busiest.filter(|(devices, _)| devices.total() > 0) {
        Some((devices, hour)) => {
            let from = short_time(hour, now, zone).to_string();
            // Hours begin without seconds.
            let from = from.strip_suffix(":00").unwrap_or(&from);
            text.append(format_args!("\nMost in one hour: {}, from ", devices.counts(0).number()))
                .append_text(Text::time(hour, DAY_AND_SHORT_TIME, from))
                .append(".")
        }
        None => text,
    };
    let text = match ungrouped {
        (0, _) => text,
        (count, is_at_least) => text.append(format_args!(
            "\nRandom addresses that are not grouped: {}{count}. In an hour without other phones they count as one \
             device.",
            if *is_at_least { "at least " } else { "" }
        )),
    };
    omitted(*omitted_probes).into_iter().fold(text, |text, line| text.append("\n").append(line))
}

/// A phone that a button is about is not known any more.
pub(in crate::chat) fn phone_is_gone() -> Text {
    Text::plain("❌ I no longer know this phone: nobody has seen it for long. It cannot be followed.")
}

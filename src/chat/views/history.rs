//! Replies from the log: charts, probes, tables.

use chrono_tz::Tz;
use dot11::{MacAddr, RequestedSsid};
use store::event::{Probe, Timestamp};

use super::lists::{DBM, number_cell, with_page_buttons};
use crate::chart::Labels;
use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::chart::ChartPeriod;
use crate::chat::model::pagination::Page;
use crate::text::document::{Column, Document, Table};
use crate::text::format::{age, pluralize, reason, shown_time};
use crate::text::{Foreign, Text, foreign};

/// The longest line about a probe in the classic form, in UTF-16 code units.
const CLASSIC_LINE_LENGTH: usize = 320;

/// Others' reads come first.
pub(in crate::chat) fn waiting_to_read() -> Text {
    Text::plain("⏳ Waiting: I am still reading the log for others.")
}

/// The progress of a read, from 0 to 1.
pub(in crate::chat) fn reading(share: f64) -> Text {
    Text::plain(format_args!("⏳ Reading the log: {:.0} %", share * 100.0))
}

pub(in crate::chat) fn log_unreadable(why: &str) -> Text {
    Text::plain(format_args!(
        "❌ The log could not be read: {}. Try again; /status shows whether the disk has a problem.",
        reason(why)
    ))
}

/// The reason if a bug of this program ended a read.
pub(in crate::chat) const READING_BROKEN_OFF: &str = "reading was interrupted";

/// The line below a chart's title.
pub(in crate::chat) fn chart_subtitle(probes: u64, period: ChartPeriod) -> String {
    format!("{} in {}", pluralize(probes, "probe", "probes"), the_last(period))
}

pub(super) fn the_last(period: ChartPeriod) -> &'static str {
    match period {
        ChartPeriod::Day => "the last 24 hours",
        ChartPeriod::Week => "the last 7 days",
        ChartPeriod::Month => "the last 30 days",
    }
}

/// The labels of a chart.
pub(in crate::chat) fn chart_labels<'a>(title: &'a str, subtitle: &'a str) -> Labels<'a> {
    let (per_hour, per_day) = ("Probes per hour", "Per day");
    Labels { title, subtitle, per_hour, per_day, signal: "Signal, dBm", nothing: "No probes" }
}

/// The caption of a chart.
pub(in crate::chat) fn chart(what: &str, probes: u64, period: ChartPeriod) -> Text {
    let text = Text::plain("📈 ").bold(foreign(what));
    text.append(format_args!(": {}", chart_subtitle(probes, period)))
}

/// Buttons for the other periods.
pub(in crate::chat) fn chart_buttons(
    shown: ChartPeriod,
    action: impl Fn(ChartPeriod) -> Option<Callback>,
) -> Vec<Vec<Button>> {
    let others = ChartPeriod::ALL.into_iter().filter(|period| *period != shown);
    vec![others.filter_map(|period| action(period)?.button(format!("📈 {period}"))).collect()]
}

/// A page of a device's newest probes; `is_all` if the pages show all of the log's.
pub(in crate::chat) fn probes(
    title: &str,
    address: MacAddr,
    page: &Page<Probe>,
    is_all: bool,
    (now, zone): (Timestamp, Tz),
) -> Reply {
    let head = Document::default().title(Text::plain(format_args!("📋 Newest probes of {}", foreign(title))));
    if page.entries.is_empty() {
        return head.paragraph(Text::plain("The log no longer has any.")).into();
    }
    let columns = [Column::text("Time"), DBM, Column::text("Network")];
    let table = page.entries.iter().fold(Table::new(columns), |table, probe| {
        let (time, networks) = (shown_time(probe.corrected_time(), zone), requested_networks(probe));
        let signal = probe.signal_dbm.map(|dbm| format!(", {dbm} dBm")).unwrap_or_default();
        let line = time.clone().append(format_args!("{signal}: {networks}"));
        table.row_as(
            [time, number_cell(probe.signal_dbm), Text::plain(networks)],
            line.shortened(CLASSIC_LINE_LENGTH),
        )
    });
    let mut document = head.table(table);
    if let Some(newest) = page.entries.first().filter(|_| page.number == 0) {
        let age = Text::plain("The newest was ").append_text(age(newest.time, now)).append(".");
        document = document.paragraph(age);
    }
    let mut buttons = with_page_buttons(Vec::new(), page, |page| Callback::Probes(address, page));
    if !is_all && !page.has_next() {
        let export = format!("/export {address}");
        document = document.paragraph(Text::plain("Older ones: ").code(&export));
        buttons.extend(Button::copying("📄 Copy /export", export).map(|copy| vec![copy]));
    }
    Reply { buttons, ..Reply::from(document) }
}

/// What a probe asks for.
fn requested_networks(probe: &Probe) -> String {
    let own = match &probe.ssid {
        RequestedSsid::Absent if probe.listed.is_some() => None,
        RequestedSsid::Absent => Some("no SSID".to_owned()),
        RequestedSsid::Wildcard => Some("any network".to_owned()),
        RequestedSsid::Named(ssid) if ssid.is_hidden() => Some("a hidden network".to_owned()),
        RequestedSsid::Named(ssid) => Some(format!("\"{}\"", Foreign(ssid))),
    };
    let named = usize::from(probe.ssid.named().is_some());
    let listed = probe.names().skip(named).map(|ssid| format!("\"{}\"", Foreign(ssid)));
    let short = probe.short_ssids().iter().map(|short| format!("Short SSID {short}"));
    let all: Vec<String> = own.into_iter().chain(listed).chain(short).collect();
    if all.is_empty() { "no SSID".to_owned() } else { all.join(", ") }
}

/// The caption of a table of `written` probes; if `is_cut`, there are older ones.
pub(in crate::chat) fn exported_probes(title: &str, written: u64, is_cut: bool) -> Text {
    let probes = pluralize(written, "probe", "probes");
    let text = Text::plain("🗂 ").bold(foreign(title)).append(format_args!(": {probes}"));
    match is_cut {
        false => text,
        true => text
            .append(", the newest only, since one document cannot hold all of them. For all of them, run ")
            .code("probewatch export events")
            .append(" on the server."),
    }
}

/// The caption of the table of `written` networks; if `is_cut`, there are more.
pub(in crate::chat) fn exported_networks(written: u64, is_cut: bool) -> Text {
    if written == 0 {
        return Text::plain("🗂 No device has looked for a network by name yet.");
    }
    let text =
        Text::plain(format_args!("🗂 {}, most requested first", pluralize(written, "network", "networks")));
    match is_cut {
        false => text,
        true => text.append("; one document cannot hold all of them."),
    }
}

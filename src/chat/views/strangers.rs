//! Strangers, and why they are taken for it.

use std::time::Duration;

use chrono_tz::Tz;
use store::event::{GroupingMode, StrangerReason, Timestamp};
use store::state::{FULL_LEARNING, Stranger};

use super::card::shown_address;
use super::lists::{
    DBM, Entry, number_buttons, number_cell, numbered, page_suffix, the_last, with_page_buttons,
};
use crate::chat::callbacks::Callback;
use crate::chat::message::Reply;
use crate::chat::model::chart::ChartPeriod;
use crate::chat::model::strangers::Strangers;
use crate::text::Text;
use crate::text::document::{Column, Document};
use crate::text::format::{pluralize, short_time, shown_duration};

/// A page of the strangers of a period.
pub(in crate::chat) fn strangers(
    strangers: &Strangers,
    period: ChartPeriod,
    (now, zone): (Timestamp, Tz),
) -> Reply {
    let Strangers { page, further, learned, mode } = strangers;
    let within = the_last(if period == ChartPeriod::Day { 24 * 60 } else { 7 * 24 * 60 });
    let head = match page.entries.is_empty() {
        true => Document::default().paragraph(Text::plain(format_args!("🕵 No strangers in {within}."))),
        false => Document::default()
            .title(Text::plain(format_args!("🕵 Strangers in {within}{}", page_suffix(page)))),
    };
    let head = match still_learning(*learned) {
        Some(note) => head.paragraph(Text::plain(note)),
        None => head,
    };
    let head = match mode {
        GroupingMode::Off => head.paragraph(Text::plain(
            "Random addresses are not grouped, so phones that use them are not listed: [grouping] mode is off.",
        )),
        GroupingMode::InRange | GroupingMode::Returns => head,
    };
    let columns = [Column::text("Stranger"), Column::text("Seen"), DBM, Column::text("Why")];
    let mut document = head.table(numbered(columns, page, |stranger| entry(stranger, now, zone)));
    if *further > 0 && !page.has_next() {
        let others = pluralize(*further as u64, "other", "others");
        document = document.paragraph(Text::plain(format_args!("… and {others} before")));
    }
    let cards = number_buttons(page, "", |stranger| Some(Callback::Card(stranger.address)));
    let buttons = with_page_buttons(cards, page, |page| Callback::Strangers(period, page));
    Reply { buttons, ..Reply::from(document) }
}

/// While habits have not been learned for long enough: that, and what follows from it.
pub(in crate::chat) fn still_learning(learned: Duration) -> Option<String> {
    if learned >= FULL_LEARNING {
        return None;
    }
    let since = match learned.as_secs() / 86_400 {
        0 => "less than a day".to_owned(),
        days => format!("{} only", pluralize(days, "day", "days")),
    };
    Some(format!(
        "I have learned for {since}. Until {} days have passed, only devices and models that I see for the first time \
         count as strangers; some of them may be regulars.",
        FULL_LEARNING.as_secs() / 86_400
    ))
}

fn entry(stranger: &Stranger, now: Timestamp, zone: Tz) -> Entry {
    let strongest = stranger.strongest_dbm.map(|dbm| format!(", strongest {dbm} dBm")).unwrap_or_default();
    let [first, last] = [stranger.first, stranger.last].map(|time| short_time(time, now, zone));
    let times = match stranger.first.abs_diff(stranger.last) {
        stay if stay.as_secs() == 0 => first.append(", seen once"),
        stay if stranger.is_one_visit() => first.append(format_args!(", for {}", shown_duration(stay))),
        _ => Text::plain("first seen ")
            .append_text(first)
            .append(", last seen ")
            .append_text(last)
            .append(", maybe in several visits"),
    };
    let (who, reason) = (who(stranger), reason(stranger.reason));
    let line = who.clone().append(": ").append_text(times.clone());
    let line = line.append(format_args!("{strongest}; {reason}"));
    Entry { cells: vec![who, times, number_cell(stranger.strongest_dbm), Text::plain(reason)], line }
}

/// The stranger: its phone or its address.
pub(super) fn who(stranger: &Stranger) -> Text {
    match (stranger.phone, stranger.at_least) {
        (None, _) => shown_address(stranger.address),
        (Some(phone), 0 | 1) => Text::default().code(format_args!("phone {phone}")),
        (Some(phone), phones) => Text::default()
            .code(format_args!("phone {phone}"))
            .append(format_args!(" (at least {phones} phones of one model, which cannot be told apart)")),
    }
}

/// Why it is a stranger, to follow the words that name it.
pub(super) fn reason(reason: StrangerReason) -> String {
    match reason {
        StrangerReason::NeverSeen => "a device that I do not remember from before".to_owned(),
        StrangerReason::NewModel => "a model that I do not remember from before".to_owned(),
        StrangerReason::UnusualModel { weeks_learned } => format!(
            "no phone of this model was here around this hour of the week before, in {}",
            pluralize(weeks_learned, "week", "weeks")
        ),
        StrangerReason::OneMoreThanUsual { usual, now } => format!(
            "one more than usual: at least {} of this model, where there were at most {usual} around this hour of the week \
             before",
            pluralize(now.into(), "phone", "phones")
        ),
    }
}

/// Why a device with a fixed address is a stranger that was here before; to follow the words that name it.
pub(super) fn new_device(first_seen: Text) -> Text {
    Text::plain("a new device, first seen ").append_text(first_seen)
}

#[cfg(test)]
mod tests {
    use dot11::MacAddr;

    use super::*;
    use crate::chat::model::pagination::Page;
    use crate::text::TimeMarkup;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn stranger(reason: StrangerReason) -> Stranger {
        Stranger {
            address: MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]),
            phone: "3f2a".parse().ok().filter(|_| reason != StrangerReason::NeverSeen),
            reason,
            first: time(7200),
            last: time(7200 + 725),
            at_least: 1,
            strongest_dbm: Some(-61),
        }
    }

    fn shown(entries: Vec<Stranger>, further: usize, days: u64, mode: GroupingMode) -> Reply {
        let learned = Duration::from_secs(days * 86_400 + 7);
        let list = Strangers { page: Page::of(entries, 0), further, learned, mode };
        strangers(&list, ChartPeriod::Day, (time(86_400), Tz::UTC))
    }

    /// The HTML of the rich form, with a line for each block and row.
    fn in_lines(document: &Document) -> String {
        let html = document.to_rich_html(TimeMarkup::entities_at(time(86_400)));
        ["<h3", "<p", "<table", "<tr"].iter().fold(html, |html, tag| html.replace(tag, &format!("\n{tag}")))
    }

    #[test]
    fn says_each_reason() {
        let reasons = [
            StrangerReason::NeverSeen,
            StrangerReason::NewModel,
            StrangerReason::UnusualModel { weeks_learned: 5 },
            StrangerReason::OneMoreThanUsual { usual: 2, now: 3 },
        ];
        let mut entries = reasons.map(stranger).to_vec();
        entries.push(Stranger { last: time(7200 + 75_600), ..stranger(reasons[0]) });
        entries.push(Stranger { at_least: 2, last: time(7200), strongest_dbm: None, ..stranger(reasons[1]) });
        let reply = shown(entries, 3, 14, GroupingMode::InRange);
        insta::assert_snapshot!(reply.text.to_string());
        insta::assert_snapshot!("says_each_reason_in_a_table", in_lines(&reply.document.unwrap()));
        assert_eq!(reply.buttons.iter().flatten().count(), 6);
    }

    #[test]
    fn says_how_long_it_has_learned_and_what_is_missing() {
        let texts = [0, 1, 13].map(|days| shown(vec![], 0, days, GroupingMode::InRange).text.to_string());
        let off = shown(vec![], 0, 14, GroupingMode::Off).text.to_string();
        insta::assert_snapshot!([texts.as_slice(), &[off]].concat().join("\n\n"));
    }
}

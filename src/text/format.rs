//! Formats times, amounts and lists alike in every text.

use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;
use store::event::{GroupId, Timestamp};

use super::{DateOrTime, MESSAGE_LIMIT, Text, TimeFormat, TimeLength, printable, utf16_length};

/// The formats of times in the texts. Readers with another zone may have another day, so a time that may be of a day before
/// has its weekday.
const DAY_AND_TIME: TimeFormat =
    TimeFormat::Absolute { weekday: true, shown: DateOrTime::Both(TimeLength::Short, TimeLength::Long) };
const WEEKDAY_AND_TIME: TimeFormat =
    TimeFormat::Absolute { weekday: true, shown: DateOrTime::Time(TimeLength::Long) };
pub(crate) const SHORT_TIME: TimeFormat =
    TimeFormat::Absolute { weekday: false, shown: DateOrTime::Time(TimeLength::Short) };
pub(crate) const WEEKDAY_AND_SHORT_TIME: TimeFormat =
    TimeFormat::Absolute { weekday: true, shown: DateOrTime::Time(TimeLength::Short) };
pub(crate) const DAY_AND_SHORT_TIME: TimeFormat =
    TimeFormat::Absolute { weekday: true, shown: DateOrTime::Both(TimeLength::Short, TimeLength::Short) };

/// A phone that has no name.
pub(crate) fn phone(id: GroupId) -> String {
    format!("phone {id}")
}

/// `time` in the zone.
pub(crate) fn shown_time(time: Timestamp, zone: Tz) -> Text {
    Text::time(time, DAY_AND_TIME, local(time, zone).format("%Y-%m-%d %H:%M:%S %Z"))
}

/// `time` in the zone, without its date.
pub(crate) fn time_of_day(time: Timestamp, zone: Tz) -> Text {
    Text::time(time, SHORT_TIME, local(time, zone).format("%H:%M"))
}

/// `time` for a line of a list: without the date if it is today, with the weekday if within the last seven days. A reader
/// in another zone, who may have another day, always sees the weekday.
pub(crate) fn short_time(time: Timestamp, now: Timestamp, zone: Tz) -> Text {
    let [then, today] = [time, now].map(|time| local(time, zone));
    let days = (today.date_naive() - then.date_naive()).num_days();
    let (format, shown) = match days {
        0 => (WEEKDAY_AND_TIME, "%H:%M:%S"),
        1..7 => (WEEKDAY_AND_TIME, "%a %H:%M:%S"),
        _ => (DAY_AND_TIME, "%Y-%m-%d %H:%M:%S"),
    };
    Text::time(time, format, then.format(shown))
}

/// How long before `now` a time was, in its largest unit.
pub(crate) fn age(time: Timestamp, now: Timestamp) -> Text {
    if !time.is_possible_at(now) {
        return Text::plain("at an unknown time");
    }
    let seconds = if time < now { now.abs_diff(time).as_secs() } else { 0 };
    let shown = match seconds {
        0..5 => "just now".to_owned(),
        5..100 => format!("{seconds} s ago"),
        100..6_000 => format!("{} min ago", seconds / 60),
        6_000..172_800 => format!("{} h ago", seconds / 3_600),
        172_800..1_814_400 => format!("{} days ago", seconds / 86_400),
        1_814_400..5_270_400 => format!("{} weeks ago", seconds / 604_800),
        // Twelve in 365 days.
        5_270_400..63_072_000 => format!("{} months ago", seconds / 2_628_000),
        _ => format!("{} years ago", seconds / 31_536_000),
    };
    Text::time(time, TimeFormat::Relative, shown)
}

/// How long before `now` a time was, with the time itself.
pub(crate) fn time_and_age(time: Timestamp, now: Timestamp, zone: Tz) -> Text {
    match time.is_possible_at(now) {
        true => age(time, now).append(" (").append_text(shown_time(time, zone)).append(")"),
        false => age(time, now),
    }
}

/// How long before `now` a time was, in parentheses, to follow the time itself where the age stays correct.
pub(crate) fn live_age(time: Timestamp, now: Timestamp) -> Text {
    match time.is_possible_at(now) {
        true => Text::default().append_if_live(Text::plain(" (").append_text(age(time, now)).append(")")),
        false => Text::default(),
    }
}

/// `time` in the zone, as evidence: with its age where that stays correct.
pub(crate) fn time_of_event(time: Timestamp, now: Timestamp, zone: Tz) -> Text {
    shown_time(time, zone).append_text(live_age(time, now))
}

pub(crate) fn local(time: Timestamp, zone: Tz) -> DateTime<Tz> {
    time.to_utc().with_timezone(&zone)
}

/// A duration in its two largest units.
pub(crate) fn shown_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

pub(crate) fn shown_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => pluralize(bytes, "byte", "bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// An error of the system, without its number.
pub(crate) fn reason(why: &str) -> String {
    let words = why.rsplit_once(" (os error ").filter(|(_, number)| number.ends_with(')'));
    printable(words.map_or(why, |(words, _)| words))
}

/// `count` with its singular or plural noun.
pub(crate) fn pluralize(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

impl Text {
    /// Adds a line for each of `items` that fits into a message, and a last line that counts the rest.
    #[must_use]
    pub(crate) fn list(mut self, items: impl ExactSizeIterator<Item = Self>) -> Self {
        let mut left = items.len();
        let mut space = MESSAGE_LIMIT.saturating_sub(self.length());
        for item in items {
            let line = Self::plain("\n• ").append_text(item);
            let last_line = format!("\n… and {left} more");
            let needed = line.length();
            if needed + if left > 1 { utf16_length(&last_line) } else { 0 } > space {
                return self.append(last_line);
            }
            space -= needed;
            left -= 1;
            self = self.append_text(line);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TimeMarkup;

    #[test]
    fn ages_have_their_largest_unit() {
        let now = Timestamp::from_micros(1_795_341_600_000_000);
        let ago = |seconds: i64| {
            age(Timestamp::from_micros(now.as_micros() - seconds * 1_000_000), now).to_string()
        };
        let day = 86_400;
        for (seconds, shown) in [
            (-day, "at an unknown time"),
            (-60, "just now"),
            (4, "just now"),
            (99, "99 s ago"),
            (100, "1 min ago"),
            (6_000, "1 h ago"),
            (2 * day - 1, "47 h ago"),
            (2 * day, "2 days ago"),
            (21 * day - 1, "20 days ago"),
            (21 * day, "3 weeks ago"),
            (60 * day, "8 weeks ago"),
            (61 * day, "2 months ago"),
            (365 * day, "12 months ago"),
            (729 * day, "23 months ago"),
            (730 * day, "2 years ago"),
            (3_653 * day, "10 years ago"),
        ] {
            assert_eq!(ago(seconds), shown);
        }
    }

    #[test]
    fn a_short_time_has_its_day_if_not_today() {
        let at = |text: &str| {
            Timestamp::from_micros(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros())
        };
        let now = at("2026-11-22T06:00:00Z");
        for (time, shown) in [
            ("2026-11-21T23:00:00Z", "00:00:00"),
            ("2026-11-22T05:59:59Z", "06:59:59"),
            ("2026-11-21T22:59:59Z", "Sat 23:59:59"),
            ("2026-11-15T23:00:00Z", "Mon 00:00:00"),
            ("2026-11-15T22:59:59Z", "2026-11-15 23:59:59"),
            ("2026-11-23T12:00:00Z", "2026-11-23 13:00:00"),
        ] {
            assert_eq!(short_time(at(time), now, Tz::Europe__Berlin).to_string(), shown, "{time}");
        }
    }

    #[test]
    fn an_impossible_time_is_unknown() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let now = at(1_800_000_000);
        for time in [at(0), at(946_684_799), at(-5), at(1_800_000_061), at(4_294_967_295)] {
            assert_eq!(time_and_age(time, now, Tz::UTC), Text::plain("at an unknown time"));
            assert_eq!(live_age(time, now), Text::default());
        }
        let shown = time_and_age(at(946_684_800), now, Tz::UTC).to_string();
        assert_eq!(shown, "27 years ago (2000-01-01 00:00:00 UTC)");
        assert_eq!(age(at(1_800_000_060), now).to_string(), "just now");
        assert_eq!(age(at(5), at(20)).to_string(), "15 s ago", "a clock that is not set");
    }

    #[test]
    fn a_reader_sees_times_in_their_own_way() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000 + 999_999);
        let (then, now, zone) = (at(1_795_341_600), at(1_795_341_840), Tz::Europe__Berlin);
        let html = |text: Text| text.to_html(TimeMarkup::entities_at(now));
        let tag = |format: &str, shown: &str| {
            format!("<tg-time unix=\"1795341600\" format=\"{format}\">{shown}</tg-time>")
        };
        let shown = tag("wdT", "2026-11-22 11:00:00 CET");
        assert_eq!(html(shown_time(then, zone)), shown);
        assert_eq!(html(time_of_day(then, zone)), tag("t", "11:00"));
        assert_eq!(html(short_time(then, now, zone)), tag("wT", "11:00:00"));
        assert_eq!(html(age(then, now)), tag("r", "4 min ago"));
        assert_eq!(html(time_and_age(then, now, zone)), format!("{} ({shown})", tag("r", "4 min ago")));
        let event = time_of_event(then, now, zone);
        assert_eq!(event.to_string(), "2026-11-22 11:00:00 CET");
        assert_eq!(event.to_html(TimeMarkup::Text), "2026-11-22 11:00:00 CET");
        assert_eq!(html(event), format!("{shown} ({})", tag("r", "4 min ago")));
    }

    #[test]
    fn a_list_never_exceeds_a_message() {
        for (count, width) in [(0, 1), (1, 4090), (1, 5000), (2, 2040), (700, 4), (5000, 30), (4000, 1)] {
            let head = Text::plain("head 📡");
            let text = head.list((0..count).map(|_| Text::plain("x".repeat(width))));
            assert!(text.length() <= MESSAGE_LIMIT, "{count} items of {width}");
            let shown = text.to_string().matches("\n• ").count();
            let untold = text
                .to_string()
                .split("… and ")
                .nth(1)
                .map_or(0, |rest| rest.strip_suffix(" more").unwrap().parse::<usize>().unwrap());
            assert_eq!(shown + untold, count, "{count} items of {width}");
        }
    }
}

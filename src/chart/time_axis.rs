//! The labels of the time axis.

use chrono::{Datelike, NaiveDate, Weekday};

use super::series::{Hour, Series};

/// A labelled moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Microseconds since the Unix epoch.
    pub(super) time: i64,
    pub(super) text: String,
    /// A day begins here.
    pub(super) is_day: bool,
}

/// The distance between labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelInterval {
    Hours(u8),
    Day,
    Week,
}

/// The labels of the time axis, as dense as is readable: at full hours, days or Mondays.
pub(super) fn marks(series: &Series) -> Vec<Mark> {
    let every = match series.length_hours() {
        ..=8 => LabelInterval::Hours(1),
        9..=14 => LabelInterval::Hours(2),
        15..=26 => LabelInterval::Hours(3),
        27..=50 => LabelInterval::Hours(6),
        51..=100 => LabelInterval::Hours(12),
        101..=200 => LabelInterval::Day,
        _ => LabelInterval::Week,
    };
    let mut previous: Option<&Hour> = None;
    let mut marks = Vec::new();
    for hour in series.hours() {
        let before = previous.replace(hour);
        // The first hour is partial and has no label.
        let Some(before) = before else { continue };
        let is_day = hour.date != before.date;
        let labelled = match every {
            LabelInterval::Hours(step) => is_day || hour.hour % step == 0 && hour.hour != before.hour,
            LabelInterval::Day => is_day,
            LabelInterval::Week => is_day && hour.date.weekday() == Weekday::Mon,
        };
        if labelled {
            let text = match every {
                _ if !is_day => format!("{:02}:00", hour.hour),
                LabelInterval::Week => day(hour.date),
                _ => hour.date.format("%a %-d").to_string(),
            };
            marks.push(Mark { time: hour.start, text, is_day });
        }
    }
    marks
}

/// A day as `Mon 16 Nov`.
pub(super) fn day(date: NaiveDate) -> String {
    date.format("%a %-d %b").to_string()
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use chrono_tz::{Europe, Tz};
    use store::event::Timestamp;

    use super::*;

    #[track_caller]
    fn check(zone: Tz, to: (i32, u32, u32, u32, u32), hours: i64, labels: &str) {
        let (year, month, day, hour, minute) = to;
        let to = zone.with_ymd_and_hms(year, month, day, hour, minute, 0).unwrap().timestamp_micros();
        let from = to - hours * 3_600_000_000;
        let series = Series::new(Timestamp::from_micros(from), Timestamp::from_micros(to), zone);
        let found: Vec<String> = marks(&series).into_iter().map(|mark| mark.text).collect();
        assert_eq!(found.join(", "), labels);
    }

    #[test]
    fn labels_are_at_full_hours_days_and_mondays() {
        let berlin = Europe::Berlin;
        check(berlin, (2026, 11, 22, 17, 20), 24, "18:00, 21:00, Sun 22, 03:00, 06:00, 09:00, 12:00, 15:00");
        check(berlin, (2026, 11, 22, 17, 0), 3, "15:00, 16:00");
        check(
            berlin,
            (2026, 11, 22, 17, 0),
            7 * 24,
            "Mon 16, Tue 17, Wed 18, Thu 19, Fri 20, Sat 21, Sun 22",
        );
        check(berlin, (2026, 11, 22, 17, 0), 30 * 24, "Mon 26 Oct, Mon 2 Nov, Mon 9 Nov, Mon 16 Nov");
    }

    #[test]
    fn a_repeated_hour_is_labelled_once() {
        check(Europe::Berlin, (2026, 10, 25, 5, 0), 7, "Sun 25, 01:00, 02:00, 03:00, 04:00");
    }
}

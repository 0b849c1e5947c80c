//! Periods of time on the command line.

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use store::event::Timestamp;

use crate::api::export::Period;

/// A point in time on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Day(NaiveDate),
    Local(NaiveDateTime),
    Exact(Timestamp),
}

const LOCAL_FORMS: [&str; 4] =
    ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"];

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Exact(Timestamp::from_micros(time.timestamp_micros())));
        }
        if let Ok(day) = text.parse() {
            return Ok(Self::Day(day));
        }
        LOCAL_FORMS
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(Self::Local)
            .ok_or_else(|| {
                "expected a date such as 2026-11-22, a local time such as \"2026-11-22 18:30\", \
                 or one in RFC 3339 such as 2026-11-22T18:30:00+01:00"
                    .to_owned()
            })
    }
}

/// The period between two points in time; days are whole.
pub(super) fn period(from: Option<Moment>, to: Option<Moment>, zone: Tz) -> Period {
    let from = from.map(|from| match from {
        Moment::Day(day) => first(zone, day.and_time(NaiveTime::MIN)),
        Moment::Local(time) => first(zone, time),
        Moment::Exact(time) => time,
    });
    let to = to.map(|to| match to {
        Moment::Day(day) => {
            let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
            first(zone, next.and_time(NaiveTime::MIN))
        }
        Moment::Local(time) => last(zone, time),
        Moment::Exact(time) => time,
    });
    Period { from, to }
}

/// The first moment at which clocks show this local time. If they skip it, an hour later.
fn first(zone: Tz, time: NaiveDateTime) -> Timestamp {
    moment(zone, time, |one, _| one)
}

/// The last moment at which clocks show this local time.
fn last(zone: Tz, time: NaiveDateTime) -> Timestamp {
    moment(zone, time, |_, other| other)
}

fn moment(
    zone: Tz,
    time: NaiveDateTime,
    choose: impl Fn(DateTime<Tz>, DateTime<Tz>) -> DateTime<Tz>,
) -> Timestamp {
    let moment = match zone.from_local_datetime(&time) {
        LocalResult::Single(moment) => moment,
        LocalResult::Ambiguous(one, other) => choose(one, other),
        LocalResult::None => {
            let later = time.checked_add_signed(TimeDelta::hours(1)).unwrap_or(time);
            zone.from_local_datetime(&later).earliest().unwrap_or_else(|| zone.from_utc_datetime(&time))
        }
    };
    Timestamp::from_micros(moment.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, expected: [&str; 2]) {
        let moment = |text: &str| Some(text.parse::<Moment>().unwrap());
        let period = super::period(moment(from), moment(to), Tz::Europe__Berlin);
        assert_eq!([period.from, period.to].map(|time| time.unwrap().to_string()), expected, "{from} {to}");
    }

    #[test]
    fn reads_local_times_in_the_zone_and_whole_days() {
        check("2026-11-22", "2026-11-22", ["2026-11-21T23:00:00.000000Z", "2026-11-22T23:00:00.000000Z"]);
        check(
            "2026-07-01 12:30",
            "2026-07-01T12:30:05.5",
            ["2026-07-01T10:30:00.000000Z", "2026-07-01T10:30:05.500000Z"],
        );
        check(
            "2026-07-01T12:30:00Z",
            "2026-07-01T12:30:00+05:00",
            ["2026-07-01T12:30:00.000000Z", "2026-07-01T07:30:00.000000Z"],
        );
        // When the clocks go back, 02:30 occurs twice; when they go forward, it does not occur.
        check(
            "2026-10-25 02:30",
            "2026-10-25 02:30",
            ["2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00.000000Z"],
        );
        check(
            "2026-03-29 02:30",
            "2026-03-29 02:30",
            ["2026-03-29T01:30:00.000000Z", "2026-03-29T01:30:00.000000Z"],
        );
    }

    #[test]
    fn rejects_invalid_times() {
        for text in ["", "yesterday", "2026-13-01", "2026-11-22 25:00", "22.11.2026", "18:30"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }
}

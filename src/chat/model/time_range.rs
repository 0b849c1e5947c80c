//! A range of time, as people write it: `02:00 03:30`, `yesterday 22:00 01:00`, `2026-11-22 22:00 01:00`.

use std::str::FromStr;
use std::time::Duration;

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use store::event::Timestamp;

/// The longest range.
pub const LONGEST_RANGE: Duration = Duration::from_secs(7 * 86_400);

/// How many days back the most recent range is searched for: the clocks may skip it on some days.
const SEARCHED_DAYS: u64 = 3;

/// A range of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// Its start.
    pub from: Timestamp,
    /// Its end, which is not part of it.
    pub to: Timestamp,
}

impl TimeRange {
    /// Whether `time` is in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }

    /// Its length.
    pub fn length(&self) -> Duration {
        self.to.abs_diff(self.from)
    }
}

/// A range as it was written. Which one it is depends on the present and on the time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenRange {
    from: WrittenTime,
    to: WrittenTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct WrittenTime {
    day: Option<Day>,
    time: NaiveTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    Today,
    Yesterday,
    Date(NaiveDate),
}

/// Why a text is no range of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeError {
    /// There are no two times.
    Missing,
    /// This is neither a time nor a day.
    NotATime(String),
    /// Nothing may follow the range, but this does.
    TrailingText(String),
    /// It ends before or when it begins.
    Empty,
    /// It begins in the future.
    InFuture,
    /// It is longer than [`LONGEST_RANGE`].
    TooLong,
}

impl FromStr for WrittenRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let words = text.split_whitespace().flat_map(split_times).filter(|word| !is_between(word));
        let mut words = words.peekable();
        let range = Self { from: WrittenTime::read(&mut words)?, to: WrittenTime::read(&mut words)? };
        match words.next() {
            Some(more) => Err(RangeError::TrailingText(more.to_owned())),
            None => Ok(range),
        }
    }
}

impl WrittenTime {
    /// Reads a time, which may have a day before it.
    fn read<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Self, RangeError> {
        let word = words.next().ok_or(RangeError::Missing)?;
        let (day, word) = match day(word) {
            Some(day) => (Some(day), words.next().ok_or(RangeError::Missing)?),
            None => (None, word),
        };
        let time = time(word).ok_or_else(|| RangeError::NotATime(word.to_owned()))?;
        Ok(Self { day, time })
    }

    /// The time on its day, if it has one.
    fn on_its_day(self, today: NaiveDate) -> Option<NaiveDateTime> {
        let date = match self.day? {
            Day::Today => today,
            Day::Yesterday => before(today, 1),
            Day::Date(date) => date,
        };
        Some(date.and_time(self.time))
    }
}

fn day(word: &str) -> Option<Day> {
    match word.to_ascii_lowercase().as_str() {
        "today" => Some(Day::Today),
        "yesterday" => Some(Day::Yesterday),
        date => NaiveDate::parse_from_str(date, "%Y-%m-%d").ok().map(Day::Date),
    }
}

fn time(word: &str) -> Option<NaiveTime> {
    let (hour, minute) = word.split_once(':')?;
    let is_number = |digits: &str, lengths: &[usize]| {
        lengths.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(hour, &[1, 2]) || !is_number(minute, &[2]) {
        return None;
    }
    NaiveTime::from_hms_opt(hour.parse().ok()?, minute.parse().ok()?, 0)
}

/// The two times of `02:00-03:30`; other words stay whole.
fn split_times(word: &str) -> impl Iterator<Item = &str> {
    let times = word.split_once(['-', '–']).filter(|(from, to)| time(from).is_some() && time(to).is_some());
    let (first, second) = times.map_or((word, None), |(from, to)| (from, Some(to)));
    std::iter::once(first).chain(second)
}

/// Whether the word only joins two times.
fn is_between(word: &str) -> bool {
    matches!(word, "-" | "–") || ["and", "to"].iter().any(|joining| word.eq_ignore_ascii_case(joining))
}

impl WrittenRange {
    /// The range that is meant at `now`: without days, the most recent one that has begun; with one day, the shortest
    /// that begins or ends on it. It ends at `now` at the latest. A time that came twice when the clocks went back
    /// begins a range when it came first and ends it when it came last; a time that the clocks skipped is the first
    /// moment after it.
    ///
    /// # Errors
    /// [`RangeError`] if there is no such range, or it is too long.
    pub fn resolve(self, now: Timestamp, zone: Tz) -> Result<TimeRange, RangeError> {
        let today = now.to_utc().with_timezone(&zone).date_naive();
        let range = match (self.from.on_its_day(today), self.to.on_its_day(today)) {
            (Some(from), Some(to)) => in_zone(from, to, zone),
            (Some(from), None) => in_zone(from, first_after(from, self.to.time), zone),
            (None, Some(to)) => in_zone(last_before(to, self.from.time), to, zone),
            (None, None) => {
                let days = (0..=SEARCHED_DAYS).map(|days| before(today, days).and_time(self.from.time));
                let mut ranges = days.filter_map(|from| in_zone(from, first_after(from, self.to.time), zone));
                ranges.find(|range| range.from < now)
            }
        };
        let range = range.ok_or(RangeError::Empty)?;
        if range.from >= now {
            return Err(RangeError::InFuture);
        }
        let range = TimeRange { to: range.to.min(now), ..range };
        if range.length() > LONGEST_RANGE { Err(RangeError::TooLong) } else { Ok(range) }
    }
}

fn before(date: NaiveDate, days: u64) -> NaiveDate {
    date.checked_sub_days(Days::new(days)).unwrap_or(date)
}

/// The first moment after `from` at this time of day.
fn first_after(from: NaiveDateTime, time: NaiveTime) -> NaiveDateTime {
    let days = u64::from(time <= from.time());
    from.date().checked_add_days(Days::new(days)).unwrap_or(from.date()).and_time(time)
}

/// The last moment before `to` at this time of day.
fn last_before(to: NaiveDateTime, time: NaiveTime) -> NaiveDateTime {
    before(to.date(), u64::from(time >= to.time())).and_time(time)
}

/// The range in this zone, unless it is empty.
fn in_zone(from: NaiveDateTime, to: NaiveDateTime, zone: Tz) -> Option<TimeRange> {
    let range = TimeRange { from: moment(from, zone, Which::First)?, to: moment(to, zone, Which::Last)? };
    (range.from < range.to).then_some(range)
}

#[derive(Clone, Copy)]
enum Which {
    First,
    Last,
}

/// The moment of this time in the zone, or the first after it if the clocks skipped it.
fn moment(time: NaiveDateTime, zone: Tz, which: Which) -> Option<Timestamp> {
    // Clocks change at full minutes, and no zone skips more than a day.
    let mut moments = (0..=24 * 60).filter_map(|minutes| {
        let local = zone.from_local_datetime(&time.checked_add_signed(TimeDelta::minutes(minutes))?);
        match which {
            Which::First => local.earliest(),
            Which::Last => local.latest(),
        }
    });
    moments.next().map(|moment| Timestamp::from_micros(moment.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        let time: DateTime<Utc> = format!("{text}:00Z").parse().unwrap();
        Timestamp::from_micros(time.timestamp_micros())
    }

    /// The range that `written` means in Berlin at a time in UTC, in UTC.
    fn resolved(written: &str, now: &str) -> Result<String, RangeError> {
        let range = written.parse::<WrittenRange>()?.resolve(at(now), Tz::Europe__Berlin)?;
        let shown = |time: Timestamp| time.to_utc().format("%m-%d %H:%M").to_string();
        Ok(format!("{} to {}", shown(range.from), shown(range.to)))
    }

    #[track_caller]
    fn check(written: &str, now: &str, range: &str) {
        assert_eq!(resolved(written, now).as_deref(), Ok(range), "{written} at {now}");
    }

    #[test]
    fn times_alone_mean_the_most_recent_range() {
        check("02:00 03:30", "2026-11-22T12:00", "11-22 01:00 to 11-22 02:30");
        check("2:00 3:30", "2026-11-22T12:00", "11-22 01:00 to 11-22 02:30");
        check("02:00-03:30", "2026-11-22T12:00", "11-22 01:00 to 11-22 02:30");
        check("02:00 – 03:30", "2026-11-22T12:00", "11-22 01:00 to 11-22 02:30");
        check("02:00 and 03:30", "2026-11-22T12:00", "11-22 01:00 to 11-22 02:30");
        check("02:00 03:30", "2026-11-22T00:30", "11-21 01:00 to 11-21 02:30");
        check("22:00 01:00", "2026-11-22T12:00", "11-21 21:00 to 11-22 00:00");
        check("12:00 12:00", "2026-11-22T12:00", "11-22 11:00 to 11-22 12:00");
    }

    #[test]
    fn a_range_that_is_not_over_ends_now() {
        check("02:00 03:30", "2026-11-22T01:30", "11-22 01:00 to 11-22 01:30");
        check("22:00 01:00", "2026-11-22T22:00", "11-22 21:00 to 11-22 22:00");
        check("today 02:00 today 20:00", "2026-11-22T12:00", "11-22 01:00 to 11-22 12:00");
    }

    #[test]
    fn days_may_be_given() {
        check("yesterday 22:00 01:00", "2026-11-22T12:00", "11-21 21:00 to 11-22 00:00");
        check("Yesterday 02:00 03:00", "2026-11-22T12:00", "11-21 01:00 to 11-21 02:00");
        check("today 02:00 03:00", "2026-11-22T12:00", "11-22 01:00 to 11-22 02:00");
        check("2026-11-20 22:00 01:00", "2026-11-22T12:00", "11-20 21:00 to 11-21 00:00");
        check("2026-11-20 22:00 2026-11-22 01:00", "2026-11-22T12:00", "11-20 21:00 to 11-22 00:00");
        check("22:00 today 01:00", "2026-11-22T12:00", "11-21 21:00 to 11-22 00:00");
        check("yesterday 22:00 to today 01:00", "2026-11-22T12:00", "11-21 21:00 to 11-22 00:00");
    }

    #[test]
    fn times_that_the_clocks_skip_or_repeat() {
        // On 29 March the clocks went from 02:00 to 03:00.
        check("01:00 04:00", "2026-03-29T12:00", "03-29 00:00 to 03-29 02:00");
        check("02:30 04:00", "2026-03-29T12:00", "03-29 01:00 to 03-29 02:00");
        check("02:10 02:40", "2026-03-29T12:00", "03-28 01:10 to 03-28 01:40");
        assert_eq!(resolved("today 02:10 02:40", "2026-03-29T12:00"), Err(RangeError::Empty));
        // On 25 October the hour from 02:00 came twice.
        check("02:00 02:30", "2026-10-25T12:00", "10-25 00:00 to 10-25 01:30");
        check("yesterday 23:00 03:00", "2026-10-25T12:00", "10-24 21:00 to 10-25 02:00");
    }

    #[test]
    fn rejects_invalid_ranges() {
        let now = "2026-11-22T12:00";
        let not_a_time = |text: &str| RangeError::NotATime(text.to_owned());
        for (written, error) in [
            ("", RangeError::Missing),
            ("02:00", RangeError::Missing),
            ("yesterday", RangeError::Missing),
            ("02:00 yesterday", RangeError::Missing),
            ("24:00 01:00", not_a_time("24:00")),
            ("02:00 3", not_a_time("3")),
            ("02:60 03:00", not_a_time("02:60")),
            ("+2:00 03:00", not_a_time("+2:00")),
            ("2026-02-30 02:00 03:00", not_a_time("2026-02-30")),
            ("tomorrow 02:00 03:00", not_a_time("tomorrow")),
            ("02:00 03:00 04:00", RangeError::TrailingText("04:00".to_owned())),
            ("today 03:00 yesterday 02:00", RangeError::Empty),
            ("today 03:00 today 03:00", RangeError::Empty),
            ("today 22:00 23:00", RangeError::InFuture),
            ("2027-01-01 02:00 03:00", RangeError::InFuture),
            ("2026-11-01 02:00 today 03:00", RangeError::TooLong),
        ] {
            assert_eq!(resolved(written, now), Err(error), "{written}");
        }
    }

    proptest! {
        #[test]
        fn any_two_times_mean_a_range_that_ends_by_now(
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            now in 0_i64..4_000_000_000,
            (from, to) in (0_u32..1440, 0_u32..1440),
        ) {
            let written = format!("{}:{:02} {}:{:02}", from / 60, from % 60, to / 60, to % 60);
            let now = Timestamp::from_micros(now * 1_000_000);
            let range = written.parse::<WrittenRange>().unwrap().resolve(now, zone).unwrap();
            prop_assert!(range.from < range.to && range.to <= now);
            prop_assert!(range.length() <= Duration::from_secs(50 * 3600));
        }

        #[test]
        fn any_text_is_read_or_rejected(text: String) {
            let now = at("2026-11-22T12:00");
            let _ = text.parse::<WrittenRange>().and_then(|range| range.resolve(now, Tz::Europe__Berlin));
        }
    }
}

//! Points in time and their RFC 3339 form.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time in microseconds since the Unix epoch, within the years 0 to 9999 of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    const MIN_MICROS: i64 = -62_167_219_200_000_000;
    const MAX_MICROS: i64 = 253_402_300_799_999_999;

    /// The latest time.
    pub const MAX: Self = Self(Self::MAX_MICROS);
    /// The beginning of the year 2000. A time before it is of a clock that was never set, or stands for one that nobody
    /// knows.
    pub const YEAR_2000: Self = Self(946_684_800_000_000);
    /// How far ahead of this machine's clock another may be.
    pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);
    const DAY_MICROS: u64 = 86_400_000_000;
    /// The microseconds of a minute.
    pub(crate) const MINUTE_MICROS: i64 = 60_000_000;

    /// The time `micros` µs after the Unix epoch, clamped to the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN_MICROS, Self::MAX_MICROS))
    }

    /// The machine's clock.
    pub fn now() -> Self {
        Self::from_micros(Utc::now().timestamp_micros())
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The date and time in UTC.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// Whether something can have happened then, if it is `now`. Texts call other times unknown.
    pub fn is_possible_at(self, now: Self) -> bool {
        // Before 2000 nothing is possible; then the clock is not set.
        (self >= Self::YEAR_2000 || now < Self::YEAR_2000)
            && self <= now.saturating_add(Self::CLOCK_TOLERANCE)
    }

    /// The time `duration` earlier, or the first of year 0.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// The time `duration` later, or the last of year 9999.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// The number of its minute since the Unix epoch.
    pub(crate) const fn minute(self) -> i64 {
        self.0.div_euclid(Self::MINUTE_MICROS)
    }

    /// The time between the two, whichever is earlier.
    pub fn abs_diff(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }

    /// RFC 3339, in UTC with microseconds. This avoids a formatter, since every probe is written with a time.
    pub(super) fn rfc3339(self) -> [u8; 27] {
        // Not negative: no time is before year 0.
        let since_year_0 = self.0.abs_diff(Self::MIN_MICROS);
        let (year, month, day) = date((since_year_0 / Self::DAY_MICROS) as u32);
        let seconds = (since_year_0 % Self::DAY_MICROS / 1_000_000) as u32;
        let micros = (since_year_0 % 1_000_000) as u32;

        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put_digits(&mut text[0..4], year);
        put_digits(&mut text[5..7], month);
        put_digits(&mut text[8..10], day);
        put_digits(&mut text[11..13], seconds / 3600);
        put_digits(&mut text[14..16], seconds / 60 % 60);
        put_digits(&mut text[17..19], seconds % 60);
        put_digits(&mut text[20..26], micros);
        text
    }

    /// The inverse of [`Timestamp::rfc3339`]. Returns `None` for any other form of a time, and for a leap second.
    pub(crate) fn from_rfc3339(text: &[u8; 27]) -> Option<Self> {
        let marks = [4, 7, 10, 13, 16, 19, 26].map(|at| text[at]);
        if marks != *b"--T::.Z" {
            return None;
        }
        let (year, month, day) = (digits(&text[0..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
        let (hour, minute, second) = (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
        let micros = digits(&text[20..26])?;
        let is_time = (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !is_time {
            return None;
        }
        let seconds = u64::from(hour * 3600 + minute * 60 + second);
        let since_year_0 = u64::from(days_before(year, month, day)) * Self::DAY_MICROS
            + seconds * 1_000_000
            + u64::from(micros);
        // The year 9999 is far below the limit of an i64.
        Some(Self(Self::MIN_MICROS.saturating_add_unsigned(since_year_0)))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        let since = Duration::from_micros(time.0.unsigned_abs());
        if time.0 < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since }
    }
}

/// The nearest time that a timestamp can have.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = |since: Duration| i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(match time.duration_since(UNIX_EPOCH) {
            Ok(after) => micros(after),
            Err(before) => -micros(before.duration()),
        })
    }
}

/// Year, month and day in the Gregorian calendar from the days since 0000-01-01. The algorithm is `civil_from_days` of
/// Howard Hinnant ("chrono-Compatible Low-Level Date Algorithms"). It counts years from March, so a leap day is a year's
/// last day.
fn date(days: u32) -> (u32, u32, u32) {
    // From 1 March of the year -400: 400 years, less January and February of the year 0.
    let days = days + 146_097 - 60;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_from_march + 2) / 5 + 1;
    let (month, year_more) =
        if months_from_march < 10 { (months_from_march + 3, 0) } else { (months_from_march - 9, 1) };
    (400 * era + year_of_era + year_more - 400, month, day)
}

/// The inverse of [`date`]: Hinnant's `days_from_civil`.
fn days_before(year: u32, month: u32, day: u32) -> u32 {
    let (months_from_march, year_less) = if month > 2 { (month - 3, 0) } else { (month + 9, 1) };
    let year = year + 400 - year_less;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * months_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - (146_097 - 60)
}

fn days_of_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[inline]
fn digits(text: &[u8]) -> Option<u32> {
    text.iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

#[inline]
fn put_digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// RFC 3339 in UTC with microseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc3339()).unwrap_or_default())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self::from_micros);
        }
        let text = Cow::<str>::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|time| Self::from_micros(time.timestamp_micros()))
            .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"a time in RFC 3339"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn agrees_with_chrono(micros: i64) {
        let time = Timestamp::from_micros(micros);
        assert_eq!(time.to_string(), time.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true));
        assert_eq!(Timestamp::from_rfc3339(&time.rfc3339()), Some(time));
    }

    #[test]
    fn every_day_is_written_as_by_chrono() {
        for day in Timestamp::MIN_MICROS / 86_400_000_000..=Timestamp::MAX_MICROS / 86_400_000_000 {
            agrees_with_chrono(day * 86_400_000_000);
        }
    }

    proptest! {
        #[test]
        fn every_time_is_written_as_by_chrono(micros in Timestamp::MIN_MICROS..=Timestamp::MAX_MICROS) {
            agrees_with_chrono(micros);
        }
    }

    #[test]
    fn every_time_survives_json() {
        for micros in [i64::MIN, -1, 0, 1_587_229_467_123_456, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            agrees_with_chrono(micros);
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time, "{json}");
        }
    }

    #[test]
    fn times_before_and_after_1970_are_those_of_the_system() {
        for (micros, system) in [
            (-1_500_000, UNIX_EPOCH - Duration::from_millis(1_500)),
            (-1, UNIX_EPOCH - Duration::from_micros(1)),
            (0, UNIX_EPOCH),
            (1_500_000, UNIX_EPOCH + Duration::from_millis(1_500)),
        ] {
            let time = Timestamp::from_micros(micros);
            assert_eq!((SystemTime::from(time), Timestamp::from(system)), (system, time));
        }
    }
}

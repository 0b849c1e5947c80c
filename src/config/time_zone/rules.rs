//! When which offset from UTC holds: a file of compiled rules (TZif, RFC 8536) or a rule in the form of POSIX.1-2024,
//! 8.3 (`CET-1CEST,M3.5.0,M10.5.0/3`), compared with the zones of chrono-tz.

use std::path::Path;

use chrono::{DateTime, Datelike, Days, NaiveDate, Offset, TimeZone as _, Weekday};
use chrono_tz::{OffsetName, TZ_VARIANTS, Tz};

use super::read;

/// The years in which rules and zones are compared. Changes before are history; those after are a guess anyway.
const YEARS: std::ops::Range<i32> = 2025..2031;

/// Years whose offsets tell zones with the same present rules apart, such as Berlin and Paris.
const HISTORY: std::ops::Range<i32> = 1900..2025;

/// How long before and after a change it is looked at, in seconds. Files with leap seconds count up to half a minute
/// more.
const MARGIN: i64 = 60;

const DAY: i64 = 86_400;

/// Parts of the world, the most probable first.
const AREAS: [&str; 9] =
    ["Europe", "America", "Asia", "Australia", "Africa", "Pacific", "Atlantic", "Indian", "Etc"];

/// The rules in a file.
#[derive(Debug)]
pub(super) struct Rules {
    /// When each type begins, in seconds since 1970.
    transitions: Vec<(i64, usize)>,
    types: Vec<LocalTime>,
    /// What holds after the last transition.
    footer: Option<PosixRule>,
}

/// A type of local time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LocalTime {
    /// Seconds ahead of UTC.
    offset: i64,
    abbreviation: String,
}

impl Rules {
    /// The rules in the file at `path`; `None` if it is none, or cannot be read.
    pub(super) fn of_file(path: &Path) -> Option<Self> {
        Self::parse(&read(path)?)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = Block::parse(bytes, 4)?;
        if first.version == 0 {
            return first.rules(None);
        }
        let (second, rest) = Block::parse(rest, 8)?;
        let footer = rest.strip_prefix(b"\n").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
        second.rules(footer.and_then(|rule| PosixRule::parse(std::str::from_utf8(rule).ok()?)))
    }

    fn at(&self, time: i64) -> Option<LocalTime> {
        let passed = self.transitions.partition_point(|(start, _)| *start <= time);
        if let Some(footer) = self.footer.as_ref().filter(|_| passed == self.transitions.len()) {
            return footer.at(time);
        }
        let kind =
            passed.checked_sub(1).and_then(|last| self.transitions.get(last)).map_or(0, |(_, kind)| *kind);
        self.types.get(kind).cloned()
    }

    /// Whether the zone has the same offsets in these years.
    pub(super) fn agrees_with(&self, zone: Tz) -> bool {
        Sampled::of_rules(self).agrees_with(zone)
    }

    /// The zone with the same rules, if there is one.
    pub(super) fn zone(&self) -> Option<Tz> {
        let has_history = !self.transitions.is_empty();
        Sampled::of_rules(self).zone(|time| self.at(time).filter(|_| has_history))
    }
}

/// The part of a file with times of one width.
struct Block<'a> {
    version: u8,
    width: usize,
    times: &'a [u8],
    kinds: &'a [u8],
    types: &'a [u8],
    abbreviations: &'a [u8],
}

impl<'a> Block<'a> {
    fn parse(bytes: &'a [u8], width: usize) -> Option<(Self, &'a [u8])> {
        let rest = bytes.strip_prefix(b"TZif")?;
        let (version, rest) = rest.split_first()?;
        let (counts, mut rest) = rest.get(15..)?.split_at_checked(24)?;
        let count = |index: usize| -> Option<usize> {
            let bytes: [u8; 4] = counts.get(4 * index..4 * index + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        let (is_utc, is_standard, leaps) = (count(0)?, count(1)?, count(2)?);
        let (transitions, types, characters) = (count(3)?, count(4)?, count(5)?);
        let mut take = |length: usize| -> Option<&'a [u8]> {
            let (taken, after) = rest.split_at_checked(length)?;
            rest = after;
            Some(taken)
        };
        let block = Self {
            version: *version,
            width,
            times: take(transitions.checked_mul(width)?)?,
            kinds: take(transitions)?,
            types: take(types.checked_mul(6)?)?,
            abbreviations: take(characters)?,
        };
        take(leaps.checked_mul(width + 4)?)?;
        take(is_standard)?;
        take(is_utc)?;
        Some((block, rest))
    }

    fn rules(&self, footer: Option<PosixRule>) -> Option<Rules> {
        let time = |bytes: &[u8]| match self.width {
            4 => bytes.try_into().ok().map(|bytes| i64::from(i32::from_be_bytes(bytes))),
            _ => bytes.try_into().ok().map(i64::from_be_bytes),
        };
        let kind = |bytes: &[u8]| -> Option<LocalTime> {
            let offset = i32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
            let text =
                self.abbreviations.get(usize::from(*bytes.get(5)?)..)?.split(|byte| *byte == 0).next()?;
            Some(LocalTime {
                offset: offset.into(),
                abbreviation: String::from_utf8_lossy(text).into_owned(),
            })
        };
        let times = self.times.chunks_exact(self.width).map(time);
        let transitions: Option<Vec<(i64, usize)>> =
            times.zip(self.kinds).map(|(time, kind)| Some((time?, usize::from(*kind)))).collect();
        let types: Option<Vec<LocalTime>> = self.types.chunks_exact(6).map(kind).collect();
        let rules = Rules { transitions: transitions?, types: types?, footer };
        (!rules.types.is_empty()).then_some(rules)
    }
}

/// Moments with the local time that holds then.
struct Sampled(Vec<(i64, LocalTime)>);

impl Sampled {
    fn of_rules(rules: &Rules) -> Self {
        let near =
            rules.transitions.iter().map(|(time, _)| *time).filter(|time| YEARS.contains(&year_of(*time)));
        let footer = rules.footer.iter().flat_map(PosixRule::changes);
        Self::at(near.chain(footer), |time| rules.at(time))
    }

    /// On two days of each month, and around the `changes`.
    fn at(changes: impl Iterator<Item = i64>, local: impl Fn(i64) -> Option<LocalTime>) -> Self {
        let around = changes.flat_map(|time| [time - MARGIN, time + MARGIN]);
        let times = regular(YEARS, &[1, 15]).chain(around);
        Self(times.filter_map(|time| Some((time, local(time)?))).collect())
    }

    fn agrees_with(&self, zone: Tz) -> bool {
        self.0
            .iter()
            .all(|(time, local)| zone_at(zone, *time).is_some_and(|(offset, _)| offset == local.offset))
    }

    /// Of the zones that agree, the one with the same abbreviations and the most common history.
    fn zone(&self, local: impl Fn(i64) -> Option<LocalTime>) -> Option<Tz> {
        // A rule without a history holds since ever.
        let history: Vec<(i64, i64)> =
            regular(HISTORY, &[1]).filter_map(|time| Some((time, local(time)?.offset))).collect();
        let key = |zone: &Tz| {
            let is_named_so = self.0.iter().all(|(time, local)| {
                zone_at(*zone, *time).is_some_and(|(_, abbreviation)| abbreviation == local.abbreviation)
            });
            let of_zone = |time: i64| zone_at(*zone, time).map(|(offset, _)| offset);
            let differences = history.iter().filter(|(time, offset)| of_zone(*time) != Some(*offset)).count();
            let (area, _) = zone.name().split_once('/').unwrap_or_default();
            let area = AREAS.iter().position(|known| *known == area).unwrap_or(AREAS.len());
            (!is_named_so, differences, *zone != Tz::Etc__UTC, area, zone.name())
        };
        TZ_VARIANTS.iter().copied().filter(|zone| self.agrees_with(*zone)).min_by_key(key)
    }
}

/// Noon on these days of each month.
fn regular(years: std::ops::Range<i32>, days: &[u32]) -> impl Iterator<Item = i64> {
    years
        .flat_map(|year| (1..=12).map(move |month| (year, month)))
        .flat_map(move |(year, month)| {
            days.iter().filter_map(move |day| NaiveDate::from_ymd_opt(year, month, *day))
        })
        .map(|date| start_of(date) + DAY / 2)
}

fn start_of(date: NaiveDate) -> i64 {
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
}

fn year_of(time: i64) -> i32 {
    DateTime::from_timestamp(time, 0).map_or(0, |time| time.year())
}

fn zone_at(zone: Tz, time: i64) -> Option<(i64, String)> {
    let offset = zone.offset_from_utc_datetime(&DateTime::from_timestamp(time, 0)?.naive_utc());
    Some((offset.fix().local_minus_utc().into(), offset.abbreviation().unwrap_or_default().to_owned()))
}

/// A rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
#[derive(Debug)]
pub(super) struct PosixRule {
    standard: LocalTime,
    daylight: Option<(LocalTime, [Change; 2])>,
}

/// When daylight saving time begins or ends: a day, and the seconds after its midnight.
#[derive(Debug, Clone, Copy)]
struct Change {
    day: Day,
    seconds: i64,
}

#[derive(Debug, Clone, Copy)]
enum Day {
    /// The month, the week (5 is the last one), and the day of the week from Sunday on.
    Week(u32, u32, u32),
    /// The day of the year from 1 on; February 29 is never counted.
    Julian(u32),
    /// The day of the year from 0 on.
    Ordinal(u32),
}

impl PosixRule {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (abbreviation, rest) = abbreviation(text)?;
        let (west, rest) = duration(rest, 24)?;
        let standard = LocalTime { offset: -west, abbreviation };
        if rest.is_empty() {
            return Some(Self { standard, daylight: None });
        }
        let (abbreviation, rest) = self::abbreviation(rest)?;
        let (offset, rest) = match duration(rest, 24) {
            Some((west, rest)) => (-west, rest),
            None => (standard.offset + 3_600, rest),
        };
        // Without dates, those of the United States hold.
        let dates = if rest.is_empty() { ",M3.2.0,M11.1.0" } else { rest };
        let (start, end) = dates.strip_prefix(',')?.split_once(',')?;
        let changes = [Change::parse(start)?, Change::parse(end)?];
        Some(Self { standard, daylight: Some((LocalTime { offset, abbreviation }, changes)) })
    }

    /// The zone with this rule, if there is one.
    pub(super) fn zone(&self) -> Option<Tz> {
        self.fixed_zone().or_else(|| Sampled::at(self.changes(), |time| self.at(time)).zone(|_| None))
    }

    /// The zone of a whole number of hours that never changes, in whose name the sign is that of the rule: west is
    /// positive.
    fn fixed_zone(&self) -> Option<Tz> {
        if self.daylight.is_some() || self.standard.offset % 3_600 != 0 {
            return None;
        }
        match -self.standard.offset / 3_600 {
            0 => Some(Tz::Etc__UTC),
            west => format!("Etc/GMT{west:+}").parse().ok(),
        }
    }

    /// The changes in the years that are compared.
    fn changes(&self) -> impl Iterator<Item = i64> {
        YEARS.filter_map(|year| self.changes_of(year)).flatten()
    }

    /// When daylight saving time begins and ends in a year.
    fn changes_of(&self, year: i32) -> Option<[i64; 2]> {
        let (daylight, [start, end]) = self.daylight.as_ref()?;
        Some([start.in_year(year)? - self.standard.offset, end.in_year(year)? - daylight.offset])
    }

    fn at(&self, time: i64) -> Option<LocalTime> {
        let Some((daylight, _)) = &self.daylight else { return Some(self.standard.clone()) };
        let [start, end] = self.changes_of(year_of(time + self.standard.offset))?;
        let is_daylight =
            if start < end { (start..end).contains(&time) } else { !(end..start).contains(&time) };
        Some(if is_daylight { daylight } else { &self.standard }.clone())
    }
}

impl Change {
    fn parse(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('/').map_or((text, None), |(day, time)| (day, Some(time)));
        let seconds = match time {
            Some(time) => duration(time, 167).filter(|(_, rest)| rest.is_empty())?.0,
            None => 2 * 3_600,
        };
        Some(Self { day: Day::parse(day)?, seconds })
    }

    /// The seconds from 1970 to this local time.
    fn in_year(self, year: i32) -> Option<i64> {
        let january = NaiveDate::from_ymd_opt(year, 1, 1)?;
        let date = match self.day {
            Day::Ordinal(day) => january.checked_add_days(Days::new(day.into()))?,
            Day::Julian(day) => {
                let is_after_february = january.leap_year() && day >= 60;
                january.checked_add_days(Days::new(u64::from(day - 1) + u64::from(is_after_february)))?
            }
            Day::Week(month, week, day) => {
                let weekday = Weekday::try_from(u8::try_from((day + 6) % 7).ok()?).ok()?;
                let week = u8::try_from(week).ok()?;
                // The fifth one may not exist; the last one is the fourth then.
                let at = |week| NaiveDate::from_weekday_of_month_opt(year, month, weekday, week);
                at(week).or_else(|| at(4))?
            }
        };
        Some(start_of(date) + self.seconds)
    }
}

impl Day {
    fn parse(text: &str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('M') {
            let numbers: Option<Vec<u32>> = rest.split('.').map(|number| number.parse().ok()).collect();
            return match numbers?.as_slice() {
                [month @ 1..=12, week @ 1..=5, day @ 0..=6] => Some(Self::Week(*month, *week, *day)),
                _ => None,
            };
        }
        if let Some(day) = text.strip_prefix('J') {
            return day.parse().ok().filter(|day| (1..=365).contains(day)).map(Self::Julian);
        }
        text.parse().ok().filter(|day| *day <= 365).map(Self::Ordinal)
    }
}

/// The abbreviation at the start: letters, or anything in angle brackets.
fn abbreviation(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('<') {
        let (inner, rest) = rest.split_once('>')?;
        return Some((inner.to_owned(), rest));
    }
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, rest) = text.split_at_checked(end)?;
    (letters.len() >= 3).then(|| (letters.to_owned(), rest))
}

/// The hours, minutes and seconds at the start, in seconds.
fn duration(text: &str, most_hours: i64) -> Option<(i64, &str)> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at_checked(end)?;
    let mut numbers =
        digits.split(':').map(|number| number.parse::<i64>().ok().filter(|_| number.len() <= 3));
    let hours = numbers.next()??;
    let minutes = numbers.next().unwrap_or(Some(0))?;
    let seconds = numbers.next().unwrap_or(Some(0))?;
    let is_valid = numbers.next().is_none() && hours <= most_hours && minutes < 60 && seconds < 60;
    is_valid.then_some((sign * (hours * 3_600 + minutes * 60 + seconds), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rules_of_posix() {
        let agrees = |rule: &str, zone: Tz| {
            let rule = PosixRule::parse(rule).unwrap();
            Sampled::at(rule.changes(), |time| rule.at(time)).agrees_with(zone)
        };
        assert!(agrees("CET-1CEST,M3.5.0,M10.5.0/3", Tz::Europe__Berlin));
        assert!(agrees("GMT0BST,M3.5.0/1,M10.5.0", Tz::Europe__London));
        assert!(agrees("IST-1GMT0,M10.5.0,M3.5.0/1", Tz::Europe__Dublin));
        assert!(agrees("EST5EDT", Tz::America__New_York));
        assert!(agrees("AEST-10AEDT,M10.1.0,M4.1.0/3", Tz::Australia__Sydney));
        assert!(agrees("<+0530>-5:30", Tz::Asia__Kolkata));
        assert!(agrees("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", Tz::America__Nuuk));
        assert!(!agrees("CET-1CEST,M3.5.0,M10.4.0/3", Tz::Europe__Berlin));
        assert!(!agrees("CET-1CEST,M3.5.0/5,M10.5.0/3", Tz::Europe__Berlin));
        assert!(!agrees("CET-1", Tz::Europe__Berlin));
    }

    #[test]
    fn a_rule_without_changes_is_a_zone_without_changes() {
        let zone = |rule: &str| PosixRule::parse(rule).unwrap().zone();
        assert_eq!(zone("<-03>3"), Some(Tz::Etc__GMTPlus3));
        assert_eq!(zone("MSK-3"), Some(Tz::Etc__GMTMinus3));
        assert_eq!(zone("UTC0"), Some(Tz::Etc__UTC));
        assert!(zone("EST5EDT").is_some_and(|zone| !zone.name().starts_with("Etc/")));
    }

    #[test]
    fn days_of_a_year() {
        let date = |text: &str, year| {
            DateTime::from_timestamp(Change::parse(text).unwrap().in_year(year).unwrap(), 0)
                .unwrap()
                .to_string()
        };
        assert_eq!(date("M3.5.0", 2026), "2026-03-29 02:00:00 UTC");
        assert_eq!(date("M2.5.1/0", 2026), "2026-02-23 00:00:00 UTC");
        assert_eq!(date("J60/1:30", 2028), "2028-03-01 01:30:00 UTC");
        assert_eq!(date("59/-1", 2028), "2028-02-28 23:00:00 UTC");
        for text in
            ["M13.1.0", "M1.6.0", "M1.1.7", "M1.1", "J0", "J366", "366", "", "x", "M3.5.0/168", "M3.5.0/1:60"]
        {
            assert!(Change::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_any_file_can_be_read(
            text in "[A-Z<>0-9+:,./MJ-]{0,40}",
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Some(rule) = PosixRule::parse(&text) {
                let _ = rule.at(0);
            }
            let _ = Rules::parse(&[b"TZif2".as_slice(), &bytes].concat()).map(|rules| rules.at(0));
        }
    }
}

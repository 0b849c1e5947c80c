//! The data of a chart, added probe by probe.
//!
//! A [`Series`] has a fixed size, however many probes are added: a count per hour of the wall clock, and one per cell of a
//! raster of times and signals, since probes in one cell would look alike.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Timelike};
use chrono_tz::Tz;
use store::event::Timestamp;

const HOUR: i64 = 3_600_000_000;

/// The longest period: the longest month.
const MAX_PERIOD: i64 = 31 * 24 * HOUR;

/// Columns of the raster of signals, about three pixels each.
pub(super) const SIGNAL_COLUMNS: usize = 368;

/// Rows of the raster of signals, one per decibel from 0 dBm down to −100 dBm.
const SIGNAL_ROWS: usize = 101;

/// The probes of a period, counted.
#[derive(Debug, Clone)]
pub struct Series {
    zone: Tz,
    /// Microseconds since the Unix epoch, like all times here; `to` is exclusive.
    from: i64,
    to: i64,
    /// Contiguous from `from` to `to`; the first and the last hour may be partial.
    hours: Vec<Hour>,
    /// Probes in each cell of the raster, column by column.
    signals: Vec<u32>,
}

/// An hour of the wall clock. When clocks go back, an hour appears twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) date: NaiveDate,
    /// 0 to 23.
    pub(super) hour: u8,
    pub(super) probes: u64,
}

/// A calendar day, by its hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: NaiveDate,
    pub(super) cells: [Cell; 24],
}

impl Day {
    /// The day's probes.
    pub(super) fn probes(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| sum.saturating_add(cell.probes()))
    }
}

/// An hour of a [`Day`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// The hour is outside the period.
    Outside,
    /// The clocks skipped the hour.
    Skipped,
    /// The probes; if the clocks repeated the hour, those of both passes.
    Captured(u64),
}

impl Cell {
    pub(super) const fn probes(self) -> u64 {
        match self {
            Self::Captured(probes) => probes,
            Self::Outside | Self::Skipped => 0,
        }
    }
}

/// A cell of the raster of signals with probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signal {
    /// 0 to [`SIGNAL_COLUMNS`] - 1.
    pub(super) column: usize,
    /// −100 to 0.
    pub(super) dbm: i32,
    pub(super) probes: u32,
}

impl Series {
    /// An empty series from `from` to `to` (exclusive), with hours and days of `zone`. The start is moved so that the period
    /// is at least an hour and at most 31 days long.
    pub fn new(from: Timestamp, to: Timestamp, zone: Tz) -> Self {
        let to = to.as_micros();
        let from = from.as_micros().clamp(to - MAX_PERIOD, to - HOUR);
        let signals = vec![0; SIGNAL_COLUMNS * SIGNAL_ROWS];
        Self { zone, from, to, hours: hours(from, to, zone), signals }
    }

    /// Counts a probe at `time`, unless it is outside the period. A signal beyond −100 to 0 dBm is shown at the edge. Takes
    /// constant time.
    pub fn add(&mut self, time: Timestamp, signal_dbm: Option<i8>) {
        let time = time.as_micros();
        if !(self.from..self.to).contains(&time) {
            return;
        }
        let place = self.hours.partition_point(|hour| hour.end <= time);
        if let Some(hour) = self.hours.get_mut(place) {
            hour.probes = hour.probes.saturating_add(1);
        }
        if let Some(dbm) = signal_dbm {
            let column = self.share(time) * SIGNAL_COLUMNS as f64;
            let row = usize::from(dbm.min(0).unsigned_abs().min(SIGNAL_ROWS as u8 - 1));
            if let Some(cell) = self.signals.get_mut(column as usize * SIGNAL_ROWS + row) {
                *cell = cell.saturating_add(1);
            }
        }
    }

    /// The probes counted.
    pub fn probes(&self) -> u64 {
        self.hours.iter().fold(0, |sum, hour| sum.saturating_add(hour.probes))
    }

    /// The length of the period, in hours.
    pub(super) const fn length_hours(&self) -> i64 {
        (self.to - self.from) / HOUR
    }

    pub(super) const fn zone(&self) -> Tz {
        self.zone
    }

    /// The start and the end of the period on the wall clock.
    pub(super) fn bounds(&self) -> (NaiveDateTime, NaiveDateTime) {
        (local(self.from, self.zone), local(self.to, self.zone))
    }

    /// The position of `time` in the period, from 0 (its start) to 1.
    pub(super) fn share(&self, time: i64) -> f64 {
        (time - self.from) as f64 / (self.to - self.from) as f64
    }

    /// The hours of the period, in order.
    pub(super) fn hours(&self) -> &[Hour] {
        &self.hours
    }

    /// The days of the period, in order.
    pub(super) fn days(&self) -> Vec<Day> {
        let (Some(first), Some(last)) = (self.hours.first(), self.hours.last()) else { return Vec::new() };
        let mut days = Vec::new();
        let mut hours = self.hours.iter().peekable();
        let mut next = Some(first.date);
        while let Some(date) = next.filter(|date| *date <= last.date) {
            let mut cells = std::array::from_fn(|hour| {
                let place = (date, hour as u8);
                let inside = (first.date, first.hour) <= place && place <= (last.date, last.hour);
                if inside { Cell::Skipped } else { Cell::Outside }
            });
            while let Some(hour) = hours.next_if(|hour| hour.date <= date) {
                if let Some(cell) = cells.get_mut(usize::from(hour.hour)) {
                    *cell = Cell::Captured(cell.probes().saturating_add(hour.probes));
                }
            }
            days.push(Day { date, cells });
            next = date.checked_add_days(Days::new(1));
        }
        days
    }

    /// The cells of the raster of signals with probes, in order.
    pub(super) fn signals(&self) -> impl Iterator<Item = Signal> {
        self.signals.iter().enumerate().filter(|(_, probes)| **probes > 0).map(|(place, &probes)| Signal {
            column: place / SIGNAL_ROWS,
            dbm: -((place % SIGNAL_ROWS) as i32),
            probes,
        })
    }
}

fn local(time: i64, zone: Tz) -> NaiveDateTime {
    DateTime::from_timestamp_micros(time).unwrap_or_default().with_timezone(&zone).naive_local()
}

/// Splits a period into hours of the wall clock.
fn hours(from: i64, to: i64, zone: Tz) -> Vec<Hour> {
    let mut hours = Vec::new();
    let mut start = from;
    while start < to {
        let clock = local(start, zone);
        let since_full_hour = i64::from(clock.minute() * 60 + clock.second()) * 1_000_000
            + i64::from(clock.nanosecond() / 1000);
        let end = (start + HOUR - since_full_hour).min(to);
        hours.push(Hour { start, end, date: clock.date(), hour: clock.hour() as u8, probes: 0 });
        start = end;
    }
    hours
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use chrono_tz::{Asia, Australia, Europe, Pacific};
    use proptest::prelude::*;

    use super::*;

    fn at(zone: Tz, year: i32, month: u32, day: u32, hour: u32) -> Timestamp {
        let time = zone.with_ymd_and_hms(year, month, day, hour, 0, 0).earliest().unwrap();
        Timestamp::from_micros(time.timestamp_micros())
    }

    fn later(time: Timestamp, minutes: i64) -> Timestamp {
        Timestamp::from_micros(time.as_micros() + minutes * 60_000_000)
    }

    /// A day from midnight to midnight, with a probe in the middle of each hour that passes.
    fn a_full_day(zone: Tz, month: u32, day: u32) -> Series {
        let (from, to) = (at(zone, 2026, month, day, 0), at(zone, 2026, month, day + 1, 0));
        let mut series = Series::new(from, to, zone);
        let mut time = later(from, 30);
        while time < to {
            series.add(time, None);
            time = later(time, 60);
        }
        series
    }

    /// The only day of `series`, a character for each hour: its probes, `-` for a skipped hour, a blank
    /// for one outside the period.
    fn shown(series: &Series) -> Vec<String> {
        let sign = |cell: &Cell| match cell {
            Cell::Outside => ' ',
            Cell::Skipped => '-',
            Cell::Captured(probes) => char::from_digit(*probes as u32, 36).unwrap(),
        };
        series
            .days()
            .iter()
            .map(|day| format!("{} {}", day.date, day.cells.iter().map(sign).collect::<String>()))
            .collect()
    }

    #[test]
    fn an_ordinary_day_has_24_hours() {
        let series = a_full_day(Europe::Berlin, 6, 1);
        assert_eq!(shown(&series), ["2026-06-01 111111111111111111111111"]);
        assert_eq!(series.hours().len(), 24);
    }

    #[test]
    fn a_skipped_hour_differs_from_a_silent_one() {
        let series = a_full_day(Europe::Berlin, 3, 29);
        assert_eq!(shown(&series), ["2026-03-29 11-111111111111111111111"]);
        assert_eq!(series.hours().len(), 23);
    }

    #[test]
    fn a_repeated_hour_counts_both_passes() {
        let series = a_full_day(Europe::Berlin, 10, 25);
        assert_eq!(shown(&series), ["2026-10-25 112111111111111111111111"]);
        assert_eq!(series.hours().len(), 25);
        let twice: Vec<u64> =
            series.hours().iter().filter(|hour| hour.hour == 2).map(|hour| hour.probes).collect();
        assert_eq!(twice, [1, 1], "the time axis has both");
    }

    #[test]
    fn handles_half_hour_offsets_and_shifts() {
        let series = a_full_day(Asia::Kathmandu, 6, 1);
        assert_eq!(shown(&series), ["2026-06-01 111111111111111111111111"]);
        // The clocks go from 02:00 to 02:30, so this hour has 30 minutes.
        let series = a_full_day(Australia::Lord_Howe, 10, 4);
        assert_eq!(series.hours().len(), 24);
        assert_eq!(series.days()[0].probes(), 23);
        assert_eq!(series.hours().iter().map(|hour| hour.end - hour.start).sum::<i64>(), 47 * HOUR / 2);
    }

    #[test]
    fn a_skipped_day_is_skipped_whole() {
        let (from, to) = (at(Pacific::Apia, 2011, 12, 29, 22), at(Pacific::Apia, 2011, 12, 31, 2));
        assert_eq!(
            shown(&Series::new(from, to, Pacific::Apia)),
            [
                "2011-12-29                       00",
                "2011-12-30 ------------------------",
                "2011-12-31 00                      "
            ]
        );
    }

    #[test]
    fn a_period_includes_its_start_and_excludes_its_end() {
        let zone = Europe::Berlin;
        let (from, to) = (later(at(zone, 2026, 6, 1, 17), 20), later(at(zone, 2026, 6, 2, 17), 20));
        let mut series = Series::new(from, to, zone);
        for time in [-1, 0, 39, 40, 24 * 60 - 1, 24 * 60, 24 * 60 + 1] {
            series.add(later(from, time), Some(-50));
        }
        assert_eq!(
            shown(&series),
            [
                "2026-06-01                  2100000 ".trim_end().to_owned(),
                "2026-06-02 000000000000000001      ".to_owned()
            ]
        );
        let columns: Vec<(usize, u32)> =
            series.signals().map(|signal| (signal.column, signal.probes)).collect();
        assert_eq!(columns, [(0, 1), (9, 1), (10, 1), (SIGNAL_COLUMNS - 1, 1)]);
    }

    #[test]
    fn clamps_periods_to_an_hour_and_a_month() {
        let now = at(Europe::Berlin, 2026, 6, 1, 12);
        for (minutes, hours) in
            [(-5, 1), (0, 1), (59, 1), (60, 1), (90, 1), (24 * 60, 24), (9_999_999, 31 * 24)]
        {
            let series = Series::new(later(now, -minutes), now, Europe::Berlin);
            assert_eq!(series.length_hours(), hours, "{minutes}");
        }
    }

    #[test]
    fn signals_are_kept_at_the_resolution_of_the_raster() {
        let now = at(Europe::Berlin, 2026, 6, 1, 12);
        let mut series = Series::new(later(now, -60), now, Europe::Berlin);
        for signal in [Some(-128), Some(-101), Some(-100), Some(-42), Some(-1), Some(0), Some(127), None] {
            series.add(later(now, -60), signal);
        }
        let signals: Vec<(i32, u32)> = series.signals().map(|signal| (signal.dbm, signal.probes)).collect();
        assert_eq!(signals, [(0, 2), (-1, 1), (-42, 1), (-100, 3)]);
        assert_eq!(series.probes(), 8);
    }

    proptest! {
        #[test]
        fn totals_match_the_added_probes(
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            to: i64,
            length in 0..MAX_PERIOD + HOUR,
            probes in proptest::collection::vec((0..MAX_PERIOD, any::<Option<i8>>()), 0..60),
        ) {
            let to = Timestamp::from_micros(to);
            let mut series = Series::new(Timestamp::from_micros(to.as_micros().saturating_sub(length)), to, zone);
            let (mut inside, mut with_signal) = (0, 0);
            for (before, signal) in probes {
                let time = Timestamp::from_micros(to.as_micros() - before);
                series.add(time, signal);
                if (series.from..series.to).contains(&time.as_micros()) {
                    inside += 1;
                    with_signal += u64::from(signal.is_some());
                }
            }
            prop_assert_eq!(series.probes(), inside);
            prop_assert_eq!(series.days().iter().map(Day::probes).sum::<u64>(), inside);
            prop_assert_eq!(series.signals().map(|signal| u64::from(signal.probes)).sum::<u64>(), with_signal);
            prop_assert!(series.days().len() <= 34);
            let mut edge = series.from;
            for hour in series.hours() {
                prop_assert!(hour.start == edge && hour.start < hour.end && hour.end - hour.start <= HOUR);
                edge = hour.end;
            }
            prop_assert_eq!(edge, series.to);
        }
    }
}

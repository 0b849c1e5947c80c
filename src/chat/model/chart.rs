//! What a chart shows: a device or a network, over a period.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeZone};
use chrono_tz::Tz;
use dot11::Ssid;
use store::event::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);

/// Whose probes a chart shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartSubject {
    /// A device, by name, part of a name, or address.
    Device(String),
    /// A network.
    Network(Ssid),
}

/// A period that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChartPeriod {
    /// 24 hours.
    #[default]
    Day,
    /// Seven days of the calendar, of which today is the last.
    Week,
    /// Thirty days of the calendar.
    Month,
}

impl ChartPeriod {
    /// All periods, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The start of the period that ends at `now`. Calendar days start at midnight in `zone`, or at their first moment
    /// if the clocks skip midnight.
    pub fn start(self, now: Timestamp, zone: Tz) -> Timestamp {
        match self {
            Self::Day => now.saturating_sub(DAY),
            Self::Week => start_of_day(now, 6, zone),
            Self::Month => start_of_day(now, 29, zone),
        }
    }
}

/// The start of the calendar day `days` before the one of `now`.
pub(in crate::chat) fn start_of_day(now: Timestamp, days: u64, zone: Tz) -> Timestamp {
    let today = now.to_utc().with_timezone(&zone).date_naive();
    let first = today.checked_sub_days(Days::new(days)).unwrap_or(today).and_time(NaiveTime::MIN);
    // No zone skips more than a day.
    let moments = (0..=24 * 4).filter_map(|quarters| {
        let later = first.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters))?;
        zone.from_local_datetime(&later).earliest()
    });
    let start: Option<DateTime<Tz>> = moments.into_iter().next();
    start.map_or(now.saturating_sub(DAY), |start| Timestamp::from_micros(start.timestamp_micros()))
}

/// As people write it: `24h`, `7d`, `30d`.
impl fmt::Display for ChartPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        })
    }
}

/// The text is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPeriod;

impl FromStr for ChartPeriod {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        Self::ALL
            .into_iter()
            .find(|period| period.to_string().eq_ignore_ascii_case(text))
            .ok_or(InvalidPeriod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(period: &str, now: &str, zone: Tz, start: &str) {
        let now: DateTime<chrono::Utc> = now.parse().unwrap();
        let now = Timestamp::from_micros(now.timestamp_micros());
        let period: ChartPeriod = period.parse().unwrap();
        assert_eq!(period.start(now, zone).to_utc().to_rfc3339(), format!("{start}:00+00:00"));
    }

    #[test]
    fn days_begin_at_midnight_of_the_zone() {
        check("24H", "2026-06-07T12:34:00Z", Tz::Europe__Berlin, "2026-06-06T12:34");
        check("7d", "2026-06-07T12:34:00Z", Tz::Europe__Berlin, "2026-05-31T22:00");
        check("7d", "2026-06-07T22:34:00Z", Tz::Europe__Berlin, "2026-06-01T22:00");
        // The clocks went forward in between.
        check("7d", "2026-03-31T12:00:00Z", Tz::Europe__Berlin, "2026-03-24T23:00");
        check("30d", "2026-03-31T12:00:00Z", Tz::Europe__Berlin, "2026-03-01T23:00");
        // The clocks skipped midnight that day.
        check("7d", "2018-11-10T12:00:00Z", Tz::America__Sao_Paulo, "2018-11-04T03:00");
        // The zone skipped the whole day.
        check("7d", "2012-01-05T12:00:00Z", Tz::Pacific__Apia, "2011-12-30T10:00");
    }
}

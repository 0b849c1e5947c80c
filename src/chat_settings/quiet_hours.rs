//! The hours of the day in which no alert is sent.

use chrono_tz::Tz;
use store::event::{DailyHours, Timestamp};

/// Whether `time` is within these hours in this zone. Daylight saving time moves them with the clock.
pub(super) fn covers(hours: DailyHours, time: Timestamp, zone: Tz) -> bool {
    hours.contains(time.to_utc().with_timezone(&zone).time())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ZONE: Tz = Tz::Europe__Berlin;

    #[track_caller]
    fn check(hours: &str, utc: &str, expected: bool) {
        let hours: DailyHours = hours.parse().unwrap();
        let time: Timestamp = serde_json::from_str(&format!("\"{utc}\"")).unwrap();
        assert_eq!(covers(hours, time, ZONE), expected, "{hours:?} at {utc}");
    }

    #[test]
    fn hours_may_pass_midnight() {
        for (utc, expected) in [
            ("2026-01-10T21:29:59.000000Z", false),
            ("2026-01-10T21:30:00.000000Z", true),
            ("2026-01-11T00:00:00.000000Z", true),
            ("2026-01-11T05:59:59.000000Z", true),
            ("2026-01-11T06:00:00.000000Z", false),
            ("2026-01-11T12:00:00.000000Z", false),
        ] {
            check("22:30-07:00", utc, expected);
        }
        check("13:00 - 14:30", "2026-01-11T13:00:00.000000Z", true);
        check("13:00-14:30", "2026-01-11T11:59:00.000000Z", false);
    }

    #[test]
    fn follow_daylight_saving_time() {
        // On 29 March 2026 the clocks go from 02:00 to 03:00, on 25 October from 03:00 back to 02:00.
        for (utc, expected) in [
            ("2026-03-29T00:59:59.000000Z", false),
            ("2026-03-29T01:00:00.000000Z", true),
            ("2026-03-29T04:59:59.000000Z", true),
            ("2026-03-29T05:00:00.000000Z", false),
            ("2026-10-25T00:30:00.000000Z", true),
            ("2026-10-25T01:30:00.000000Z", true),
            ("2026-10-25T05:59:59.000000Z", true),
            ("2026-10-25T06:00:00.000000Z", false),
        ] {
            check("02:30-07:00", utc, expected);
        }
    }

    #[test]
    fn rejects_invalid_ranges() {
        for text in ["", "22:30", "22:30-", "24:00-07:00", "7-8", "07:00-07:00", "22:30-07:00-08:00"] {
            assert!(text.parse::<DailyHours>().is_err(), "{text}");
        }
        assert_eq!(
            "22:30-07:00".parse::<DailyHours>().unwrap().length(),
            Duration::from_secs(8 * 3600 + 1800)
        );
    }
}

//! Hours, in UTC.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Hours of a week.
pub(super) const HOURS_PER_WEEK: i64 = 7 * 24;

/// The microseconds of an hour.
const HOUR: i64 = 3600 * 1_000_000;

/// An hour, counted from 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Hour(i64);

impl Hour {
    /// The hour of this time.
    pub(super) fn of(time: Timestamp) -> Self {
        Self(time.as_micros().div_euclid(HOUR))
    }

    /// Its first moment.
    pub(super) fn start(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(HOUR))
    }

    /// The hour of the week, counted from Thursday 00:00 UTC.
    pub(super) fn of_week(self) -> u8 {
        // Below 168.
        self.0.rem_euclid(HOURS_PER_WEEK) as u8
    }

    /// This number of hours later, or earlier.
    pub(super) fn plus(self, hours: i64) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// The hours since `earlier`.
    pub(super) fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_and_ends_on_the_hour_also_before_1970() {
        let hour = |micros: i64| Hour::of(Timestamp::from_micros(micros));
        for (micros, number, of_week) in [
            (0, 0, 0),
            (HOUR - 1, 0, 0),
            (HOUR, 1, 1),
            (-1, -1, 167),
            (168 * HOUR, 168, 0),
            (-169 * HOUR, -169, 167),
        ] {
            assert_eq!((hour(micros), hour(micros).of_week()), (Hour(number), of_week), "{micros}");
            assert_eq!(hour(micros).start(), Timestamp::from_micros(number * HOUR));
        }
        assert_eq!((Hour(5).plus(3), Hour(5).plus(-8)), (Hour(8), Hour(-3)));
        assert_eq!((Hour(5).since(Hour(3)), Hour(3).since(Hour(5))), (2, -2));
    }
}

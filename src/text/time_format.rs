//! How times are shown and written (Bot API, "Date-time entity formatting").

use std::fmt;
use std::time::Duration;

use store::event::Timestamp;

/// How far ahead a time may be that readers see in their own way (Bot API, "Date-time entity formatting").
const TIME_ENTITY_HORIZON: Duration = Duration::from_secs(1098 * 86_400);

/// How a reader's client shows a time, in the reader's own zone and language (Bot API, "Date-time entity formatting").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFormat {
    /// How long ago it was, or how far ahead it is; the client keeps that up to date.
    Relative,
    /// When it was.
    Absolute {
        /// With the weekday.
        weekday: bool,
        /// The date, the time of day, or both.
        shown: DateOrTime,
    },
}

/// What of a time is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrTime {
    /// The date.
    Date(TimeLength),
    /// The time of day.
    Time(TimeLength),
    /// The date and the time of day.
    Both(TimeLength, TimeLength),
}

/// How much of a date or a time of day is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLength {
    /// A date with a short month, a time of day without seconds.
    Short,
    /// A date with its month in full, a time of day with seconds.
    Long,
}

/// The value of the attribute `format`.
impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Absolute { weekday, shown } = self else { return f.write_str("r") };
        let (date, time) = match *shown {
            DateOrTime::Date(date) => (Some(date), None),
            DateOrTime::Time(time) => (None, Some(time)),
            DateOrTime::Both(date, time) => (Some(date), Some(time)),
        };
        f.write_str(if *weekday { "w" } else { "" })?;
        f.write_str(match date {
            None => "",
            Some(TimeLength::Short) => "d",
            Some(TimeLength::Long) => "D",
        })?;
        f.write_str(match time {
            None => "",
            Some(TimeLength::Short) => "t",
            Some(TimeLength::Long) => "T",
        })
    }
}

/// How times are written in Telegram's HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeMarkup {
    /// As date-time entities, for servers that know them (Bot API 9.5); a time after `latest` as text.
    Entities {
        /// The latest time that may be an entity, in seconds since 1970.
        latest: i64,
    },
    /// As text, for other servers.
    Text,
}

impl TimeMarkup {
    /// Entities in a message that is sent at `now`.
    pub fn entities_at(now: Timestamp) -> Self {
        Self::Entities { latest: unix_seconds(now.saturating_add(TIME_ENTITY_HORIZON)) }
    }
}

/// The full seconds since 1970.
pub(super) fn unix_seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000_000)
}

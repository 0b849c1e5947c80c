//! What a chat chose for itself.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{NaiveTime, Timelike};
use serde::{Deserialize, Serialize};

const DAY_SECONDS: u32 = 86_400;

/// A setting of a chat, with the value that it chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatSetting {
    /// The hours in which it gets no alerts; `None` if it gets them at any hour.
    QuietHours(Option<DailyHours>),
    /// For how long alerts are gathered after the first few were sent one by one, in seconds; 0 never gathers.
    GatherSeconds(u32),
    /// The time zone of its texts and its quiet hours, by its IANA name.
    TimeZone(String),
}

/// From one time of day to another, which may be on the next day. Their JSON form is a string such as `22:30-07:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DailyHours {
    from: NaiveTime,
    to: NaiveTime,
}

impl DailyHours {
    /// From one time to another one, in minutes since midnight; `None` if a day does not have them or they are the same.
    pub fn from_minutes(from: u32, to: u32) -> Option<Self> {
        let time = |minutes: u32| NaiveTime::from_hms_opt(minutes / 60, minutes % 60, 0);
        let (from, to) = (time(from)?, time(to)?);
        (from != to).then_some(Self { from, to })
    }

    /// Their begin and their end, in minutes since midnight.
    pub fn minutes(&self) -> (u32, u32) {
        let minutes = |time: NaiveTime| time.num_seconds_from_midnight() / 60;
        (minutes(self.from), minutes(self.to))
    }

    /// Whether this time of day is within them.
    pub fn contains(&self, clock: NaiveTime) -> bool {
        match self.from < self.to {
            true => self.from <= clock && clock < self.to,
            false => self.from <= clock || clock < self.to,
        }
    }

    /// Their length on a day without a change of the clock.
    pub fn length(&self) -> Duration {
        let [from, to] = [self.from, self.to].map(|time| time.num_seconds_from_midnight());
        Duration::from_secs(u64::from((to + DAY_SECONDS - from) % DAY_SECONDS))
    }
}

impl fmt::Display for DailyHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.format("%H:%M"), self.to.format("%H:%M"))
    }
}

impl From<DailyHours> for String {
    fn from(hours: DailyHours) -> Self {
        hours.to_string()
    }
}

impl TryFrom<String> for DailyHours {
    type Error = ParseDailyHoursError;

    fn try_from(text: String) -> Result<Self, ParseDailyHoursError> {
        text.parse()
    }
}

/// The text is not a range such as `22:30-07:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected two times of day such as 22:30-07:00")]
pub struct ParseDailyHoursError;

impl FromStr for DailyHours {
    type Err = ParseDailyHoursError;

    fn from_str(text: &str) -> Result<Self, ParseDailyHoursError> {
        let (from, to) = text.split_once('-').ok_or(ParseDailyHoursError)?;
        let time =
            |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").map_err(|_| ParseDailyHoursError);
        let (from, to) = (time(from)?, time(to)?);
        if from == to { Err(ParseDailyHoursError) } else { Ok(Self { from, to }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hours_read_as_written(from in 0..1440_u32, to in 0..1440_u32) {
            let hours = DailyHours::from_minutes(from, to);
            prop_assert_eq!(hours.is_some(), from != to);
            if let Some(hours) = hours {
                prop_assert_eq!(hours.minutes(), (from, to));
                prop_assert_eq!(hours.to_string().parse(), Ok(hours));
                let json = serde_json::to_string(&hours).unwrap();
                prop_assert_eq!(serde_json::from_str::<DailyHours>(&json).unwrap(), hours);
                let covered = (0..1440).filter(|minute| {
                    hours.contains(NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap())
                });
                prop_assert_eq!(covered.count() as u64 * 60, hours.length().as_secs());
            }
        }
    }

    #[test]
    fn no_day_has_other_times() {
        assert_eq!(
            [(1440, 0), (0, 1440), (7, 7)].map(|(from, to)| DailyHours::from_minutes(from, to)),
            [None; 3]
        );
        for text in ["", "22:30", "22:30-", "24:00-07:00", "7-8", "07:00-07:00", "22:30-07:00-08:00"] {
            assert_eq!(text.parse::<DailyHours>(), Err(ParseDailyHoursError), "{text}");
        }
    }
}

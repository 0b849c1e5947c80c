//! Since when frames are heard without a break, as far as the sources tell: of a silence that nobody listened to
//! nothing can be said.
//!
//! What must hold:
//! - One source that hears is enough.
//! - Where none is open, or all are silent for as long as the configuration has a source reported, nothing is
//!   heard: a radio that is dead gives no error. So a device whose own frames were the last has not left.
//! - Where frames come again, listening begins with them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::sensor::Sensor;
use crate::event::Timestamp;

/// Tells since when any of the sensors hears without a break, at the moment that it is asked of.
pub(super) fn listening(
    sensors: Vec<Arc<Sensor>>,
    silence: Option<Duration>,
) -> impl Fn(Timestamp) -> Option<Timestamp> {
    let listening = Mutex::new(Listening::new(silence));
    move |now| {
        let latest = sensors.iter().filter_map(|sensor| sensor.sign()).max();
        listening.lock().unwrap_or_else(PoisonError::into_inner).since(latest, now)
    }
}

/// Follows the sources' signs of life: that one was opened, or has given a frame.
#[derive(Debug)]
struct Listening {
    /// After how long without a sign nothing is heard; never where it is `None`.
    silence: Option<Duration>,
    /// Since when there is no break, and the latest sign.
    heard: Option<(Timestamp, Timestamp)>,
}

impl Listening {
    fn new(silence: Option<Duration>) -> Self {
        Self { silence, heard: None }
    }

    /// Since when frames are heard at `now`, with the latest sign of the sources that are open; `None` where
    /// nothing is heard.
    fn since(&mut self, sign: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        // What is read from a pipe may be stamped ahead.
        let sign = sign.map(|sign| sign.min(now));
        self.heard = sign.filter(|sign| !self.is_break(*sign, now)).map(|sign| match self.heard {
            Some((since, last)) if !self.is_break(last, sign) => (since, sign.max(last)),
            _ => (sign, sign),
        });
        self.heard.map(|(since, _)| since)
    }

    fn is_break(&self, from: Timestamp, to: Timestamp) -> bool {
        self.silence.is_some_and(|silence| from < to && to.distance(from) >= silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(count: i64) -> Timestamp {
        Timestamp::from_micros(60_000_000 * count)
    }

    #[test]
    fn listening_begins_anew_after_each_break() {
        let mut listening = Listening::new(Some(Duration::from_secs(600)));
        let mut since = |sign: Option<i64>, now| listening.since(sign.map(minute), minute(now));
        assert_eq!(since(None, 0), None);
        assert_eq!(since(Some(1), 1), Some(minute(1)));
        assert_eq!(since(Some(9), 12), Some(minute(1)));
        assert_eq!(since(Some(9), 18), Some(minute(1)));
        // Silent for ten minutes, whether somebody looked at the time or not.
        assert_eq!(since(Some(9), 19), None);
        assert_eq!(since(Some(30), 30), Some(minute(30)));
        assert_eq!(since(Some(45), 45), Some(minute(45)));
        // All have failed, and one is open again.
        assert_eq!(since(None, 46), None);
        assert_eq!(since(Some(47), 47), Some(minute(47)));
        assert_eq!(since(Some(90), 50), Some(minute(47)));
        assert_eq!(since(Some(90), 61), Some(minute(61)));
    }

    #[test]
    fn silence_is_no_break_where_it_is_not_reported() {
        let mut listening = Listening::new(None);
        assert_eq!(listening.since(Some(minute(1)), minute(1)), Some(minute(1)));
        assert_eq!(listening.since(Some(minute(1)), minute(900)), Some(minute(1)));
        assert_eq!(listening.since(None, minute(901)), None);
    }
}

//! Since when frames are heard without a break, as far as the sources tell: of a silence that nobody listened to
//! nothing can be said.
//!
//! What must hold:
//! - One source that is open is enough, also where it is silent: nobody near sends anything once the last device
//!   has left.
//! - Where none is open nothing is heard, and listening begins anew with the first that is open again.

use std::sync::{Arc, Mutex, PoisonError};

use super::source_worker::SourceWorker;
use crate::event::Timestamp;

/// Tells since when any of the sensors hears without a break, at the moment that it is asked of.
pub(super) fn coverage(sensors: Vec<Arc<SourceWorker>>) -> impl Fn(Timestamp) -> Option<Timestamp> {
    let coverage = Mutex::new(Coverage::default());
    move |now| {
        let latest = sensors.iter().filter_map(|sensor| sensor.last_activity()).max();
        coverage.lock().unwrap_or_else(PoisonError::into_inner).since(latest, now)
    }
}

/// Follows the sources' signs of life: that one was opened, or has given a frame.
#[derive(Debug, Default)]
struct Coverage {
    /// Since when there is no break.
    since: Option<Timestamp>,
}

impl Coverage {
    /// Since when frames are heard at `now`, with the latest sign of the sources that are open; `None` where
    /// nothing is heard.
    fn since(&mut self, sign: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        // What is read from a pipe may be stamped ahead.
        self.since = sign.map(|sign| self.since.unwrap_or(sign.min(now)));
        self.since
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
        let mut coverage = Coverage::default();
        let mut since = |sign: Option<i64>, now| coverage.since(sign.map(minute), minute(now));
        assert_eq!(since(None, 0), None);
        assert_eq!(since(Some(1), 1), Some(minute(1)));
        // However silent it is.
        assert_eq!(since(Some(9), 900), Some(minute(1)));
        // All have failed, and one is open again.
        assert_eq!(since(None, 901), None);
        assert_eq!(since(Some(950), 902), Some(minute(902)));
        assert_eq!(since(Some(950), 960), Some(minute(902)));
    }
}

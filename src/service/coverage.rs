//! Since when at least one source has captured without a break. Nothing can be said about a silence during which no
//! source captured.
//!
//! Invariants:
//! - One open source is enough, even a silent one: nothing is sent nearby once the last device has left.
//! - While none is open there is no coverage. It starts again with the first source that is open again.

use std::sync::{Arc, Mutex, PoisonError};

use store::event::Timestamp;

use super::source_worker::SourceWorker;

/// A function from a moment to the start of the coverage at that moment.
pub(super) fn coverage(sources: Vec<Arc<SourceWorker>>) -> impl Fn(Timestamp) -> Option<Timestamp> {
    let coverage = Mutex::new(Coverage::default());
    move |now| {
        let latest = sources.iter().filter_map(|source| source.last_activity()).max();
        coverage.lock().unwrap_or_else(PoisonError::into_inner).since(latest, now)
    }
}

/// Follows the sources' activity: that one was opened, or has given a frame.
#[derive(Debug, Default)]
struct Coverage {
    /// The start of the coverage.
    since: Option<Timestamp>,
}

impl Coverage {
    /// The start of the coverage at `now`. `activity` is the latest of the sources that are open; without one there is
    /// no coverage.
    fn since(&mut self, activity: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        // The timestamps in a pipe may be ahead of the clock.
        self.since = activity.map(|activity| self.since.unwrap_or(activity.min(now)));
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
    fn coverage_starts_again_after_each_break() {
        let mut coverage = Coverage::default();
        let mut since = |activity: Option<i64>, now| coverage.since(activity.map(minute), minute(now));
        assert_eq!(since(None, 0), None);
        assert_eq!(since(Some(1), 1), Some(minute(1)));
        // A silent source is enough.
        assert_eq!(since(Some(9), 900), Some(minute(1)));
        // All failed, and one is open again.
        assert_eq!(since(None, 901), None);
        assert_eq!(since(Some(950), 902), Some(minute(902)));
        assert_eq!(since(Some(950), 960), Some(minute(902)));
    }
}

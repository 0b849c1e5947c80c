//! Uninterrupted times in range.

use std::collections::BTreeMap;
use std::time::Duration;

use store::event::Timestamp;

use crate::chat::model::time_range::TimeRange;

/// A device that is silent for this long has left.
pub const GAP: Duration = Duration::from_secs(600);

/// A device that was seen for less passed by; others stayed.
pub const SHORTEST_STAY: Duration = Duration::from_secs(120);

/// An uninterrupted time in range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The time of its first frame.
    pub start: Timestamp,
    /// The time of its last frame.
    pub end: Timestamp,
}

impl Interval {
    /// The time from its first frame to its last.
    pub fn length(&self) -> Duration {
        self.end.abs_diff(self.start)
    }

    pub(super) fn is_stay(&self) -> bool {
        self.length() >= SHORTEST_STAY
    }

    pub(super) fn overlaps(&self, range: &TimeRange) -> bool {
        self.start < range.to && range.from <= self.end
    }
}

/// Adds a moment to intervals: it extends one, joins two, or begins one.
pub(super) fn extend(intervals: &mut Vec<Interval>, time: Timestamp) {
    let is_near = |one: Timestamp, other: Timestamp| one.abs_diff(other) < GAP;
    let at = intervals.partition_point(|interval| interval.end < time && !is_near(interval.end, time));
    match intervals.get_mut(at) {
        Some(interval) if interval.start <= time || is_near(interval.start, time) => {
            interval.start = interval.start.min(time);
            interval.end = interval.end.max(time);
            let end = interval.end;
            if let Some(next) = intervals.get(at + 1).copied().filter(|next| is_near(end, next.start)) {
                intervals.remove(at + 1);
                if let Some(interval) = intervals.get_mut(at) {
                    interval.end = next.end;
                }
            }
        }
        _ => intervals.insert(at, Interval { start: time, end: time }),
    }
}

/// In which hours a device with these intervals was there, and whether it stayed.
pub(super) fn stays_in_hours(intervals: &[Interval], hours: &[TimeRange]) -> BTreeMap<usize, bool> {
    let mut seen: BTreeMap<usize, bool> = BTreeMap::new();
    for interval in intervals {
        let first = hours.partition_point(|hour| hour.to <= interval.start);
        let overlapping = hours.iter().enumerate().skip(first);
        for (hour, _) in overlapping.take_while(|(_, hour)| interval.overlaps(hour)) {
            *seen.entry(hour).or_default() |= interval.is_stay();
        }
    }
    seen
}

/// Those of these intervals, which are in order, that overlap a range.
pub(super) fn overlapping<'a>(
    intervals: &'a [Interval],
    range: &TimeRange,
) -> impl Iterator<Item = &'a Interval> {
    let first = intervals.partition_point(|interval| interval.end < range.from);
    intervals.iter().skip(first).take_while(|interval| interval.overlaps(range))
}

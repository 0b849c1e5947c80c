//! When an address or a group was here, as far as the first and the last frame of its addresses tell.
//!
//! What is unknown is never made longer: of a visit whose beginning nobody knows, only the last frame counts.

use std::time::Duration;

use super::group::{Group, OUT_OF_RANGE};
use crate::event::Timestamp;
use dot11::MacAddr;

/// The first and the last frame of an address, or of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::state) struct Span {
    pub(in crate::state) first: Timestamp,
    pub(in crate::state) last: Timestamp,
}

impl Span {
    /// How long before or after `time` it is; zero if it contains that.
    pub(super) fn distance(self, time: Timestamp) -> Duration {
        if (self.first..=self.last).contains(&time) {
            return Duration::ZERO;
        }
        self.first.abs_diff(time).min(self.last.abs_diff(time))
    }

    /// Whether what was seen in it is in range at `time`. What was seen in the future, by a clock that was wrong, is as far
    /// away as what was seen in the past.
    pub(super) fn is_in_range(self, time: Timestamp) -> bool {
        self.distance(time) <= OUT_OF_RANGE
    }
}

/// The span of an address, if it is known.
pub(in crate::state) type KnownSpan<'a> = &'a dyn Fn(MacAddr) -> Option<Span>;

/// When a group was here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeenTimes {
    pub(super) first: Timestamp,
    pub(super) visit: Timestamp,
    pub(super) visit_count: u64,
    pub(super) last: Timestamp,
}

impl SeenTimes {
    /// Of one frame.
    pub(super) fn at(time: Timestamp) -> Self {
        Self { first: time, visit: time, visit_count: 1, last: time }
    }

    /// Of addresses of which nothing else is known; `None` if there are none.
    pub(super) fn of(spans: &[Span]) -> Option<Self> {
        let first = spans.iter().map(|span| span.first).min()?;
        let last = spans.iter().map(|span| span.last).max()?;
        Some(Self { first, visit: latest_visit(spans, None)?, visit_count: 1, last })
    }

    /// Of an address of this group, whose `others` are known too.
    pub(super) fn of_one(own: Span, group: &Group, others: &[Span]) -> Self {
        let Span { first, last } = own;
        let (visit, visit_count) = match began_visit(own, group.visit, others) {
            _ if last < group.visit => (latest_visit(&[own], None).unwrap_or(last), 1),
            _ if first >= group.visit => (first, 1),
            // It was here in an earlier visit, and in the latest.
            true => (group.visit, 2),
            false => (last, 2),
        };
        Self { first, visit, visit_count, last }
    }

    /// Of this group without one of its addresses. `others` are those of its other addresses that are known.
    pub(super) fn without(own: Option<Span>, group: &Group, others: &[Span]) -> Self {
        let Group { first, visit, visit_count, last, .. } = *group;
        let before = Self { first, visit, visit_count, last };
        let (Some(own), Some(rest)) = (own, Self::of(others)) else { return before };
        let last = rest.last.min(last);
        let (visit, visit_count) = match began_visit(own, visit, others) {
            _ if last < visit => (rest.visit, visit_count.saturating_sub(1).max(1)),
            true => (latest_visit(others, Some(visit)).unwrap_or(visit), visit_count),
            false => (visit, visit_count),
        };
        // Addresses that were forgotten may have been here earlier.
        let is_complete = others.len() as u64 == group.address_count.saturating_sub(1);
        let first = if is_complete { rest.first.max(first) } else { first };
        let visit_count = if first >= visit { 1 } else { visit_count };
        Self { first, visit, visit_count, last }
    }
}

/// Whether the visit began with this address and can have begun with no other.
fn began_visit(own: Span, visit: Timestamp, others: &[Span]) -> bool {
    let may_have = |span: &Span| (span.first..=span.last).contains(&visit);
    own.first == visit || may_have(&own) && !others.iter().any(may_have)
}

/// The beginning of the latest visit of the phone with these addresses. What began after `visit` is of that visit.
fn latest_visit(spans: &[Span], visit: Option<Timestamp>) -> Option<Timestamp> {
    let mut spans = spans.to_vec();
    spans.sort_unstable_by_key(|span| std::cmp::Reverse((span.last, span.first)));
    let mut begin = spans.first()?.last;
    for Span { first, last } in spans {
        if last < begin && begin.abs_diff(last) > OUT_OF_RANGE {
            break;
        }
        let is_one_visit = first.abs_diff(last) <= OUT_OF_RANGE || visit.is_some_and(|visit| first >= visit);
        begin = begin.min(if is_one_visit { first } else { last });
    }
    Some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dot11::{ModelKey, Signature};

    const RANGE: i64 = OUT_OF_RANGE.as_secs() as i64;
    /// The latest visit of the group begins at this second.
    const VISIT: i64 = 100_000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    fn span(first: i64, last: i64) -> Span {
        Span { first: at(first), last: at(last) }
    }

    fn seen(first: i64, visit: i64, visit_count: u64, last: i64) -> SeenTimes {
        SeenTimes { first: at(first), visit: at(visit), visit_count, last: at(last) }
    }

    /// A group with three visits, the latest from [`VISIT`] to 500 s later.
    fn group(address_count: u64) -> Group {
        let model = ModelKey::of_unknown_elements(Signature::from_u64(1));
        Group { address_count, ..Group::new(model, seen(0, VISIT, 3, VISIT + 500)) }
    }

    #[test]
    fn what_is_up_to_two_hours_away_is_in_range() {
        let span = span(1_000, 2_000);
        for (second, distance) in [(1_000, 0), (1_500, 0), (2_000, 0), (999, 1), (2_001, 1), (900, 100)] {
            assert_eq!(span.distance(at(second)).as_secs(), distance, "{second}");
        }
        for (second, is_in_range) in
            [(2_000 + RANGE, true), (2_001 + RANGE, false), (1_000 - RANGE, true), (999 - RANGE, false)]
        {
            assert_eq!(span.is_in_range(at(second)), is_in_range, "{second}");
        }
    }

    #[test]
    fn a_visit_begins_after_a_silence_of_more_than_two_hours() {
        let of = |spans: &[(i64, i64)]| {
            let spans: Vec<Span> = spans.iter().map(|(first, last)| span(*first, *last)).collect();
            SeenTimes::of(&spans)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(10, 20)]), Some(seen(10, 10, 1, 20)));
        assert_eq!(of(&[(10, 20), (20 + RANGE, 30 + RANGE)]), Some(seen(10, 10, 1, 30 + RANGE)));
        assert_eq!(of(&[(10, 20), (21 + RANGE, 30 + RANGE)]), Some(seen(10, 21 + RANGE, 1, 30 + RANGE)));
        // In between it may have been away: only its last frame counts.
        assert_eq!(of(&[(10, 10 + RANGE)]), Some(seen(10, 10, 1, 10 + RANGE)));
        assert_eq!(of(&[(10, 11 + RANGE)]), Some(seen(10, 11 + RANGE, 1, 11 + RANGE)));
    }

    #[test]
    fn an_address_of_a_group_has_only_its_own_times() {
        let of_one = |own, others: &[Span]| SeenTimes::of_one(own, &group(3), others);
        let before = span(50, 90);
        assert_eq!(of_one(before, &[]), seen(50, 50, 1, 90));
        let in_visit = span(VISIT, VISIT + 300);
        assert_eq!(of_one(in_visit, &[]), seen(VISIT, VISIT, 1, VISIT + 300));
        // It was here before and in the visit, which may have begun with it, or with another.
        let both = span(50, VISIT + 300);
        assert_eq!(of_one(both, &[]), seen(50, VISIT, 2, VISIT + 300));
        assert_eq!(of_one(both, &[in_visit]), seen(50, VISIT + 300, 2, VISIT + 300));
        assert_eq!(of_one(span(50, VISIT), &[]), seen(50, VISIT, 2, VISIT));
        assert_eq!(of_one(span(50, VISIT - 1), &[]), seen(50, VISIT - 1, 1, VISIT - 1));
    }

    #[test]
    fn a_group_without_one_of_its_addresses_has_the_times_of_the_others() {
        let without = |own, others: &[Span]| SeenTimes::without(own, &group(3), others);
        let before = seen(0, VISIT, 3, VISIT + 500);
        let (old, older) = (span(50_000, 50_100), span(0, 100));
        // Of the latest visit nothing is left.
        let own = Some(span(VISIT, VISIT + 500));
        assert_eq!(without(own, &[old, older]), seen(0, 50_000, 2, 50_100));
        // Another address was in it, from its beginning or from later on.
        let other = span(VISIT, VISIT + 200);
        assert_eq!(without(own, &[other, older]), seen(0, VISIT, 3, VISIT + 200));
        let later = span(VISIT + 100, VISIT + 200);
        assert_eq!(without(own, &[later, older]), seen(0, VISIT + 100, 3, VISIT + 200));
        // One that ended exactly when it began was in it.
        assert_eq!(without(own, &[span(VISIT - 10, VISIT), older]), seen(0, VISIT - 10, 3, VISIT));
        // An address that came in the middle changes nothing, unless it was the last.
        assert_eq!(without(Some(later), &[other, older]).visit, at(VISIT));
        // It was first: the group began later, if all of its other addresses are known.
        assert_eq!(without(Some(older), &[old, other]), seen(50_000, VISIT, 3, VISIT + 200));
        assert_eq!(without(Some(older), &[other]).first, at(0));
        // What is left is one visit.
        assert_eq!(without(Some(older), &[other, other]), seen(VISIT, VISIT, 1, VISIT + 200));
        // Nothing is known.
        assert_eq!(without(None, &[old]), before);
        assert_eq!(without(own, &[]), before);
    }
}

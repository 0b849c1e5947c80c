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

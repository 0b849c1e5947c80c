//! A group of a model that is in range, or was lately.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seen_times::{SeenTimes, Span};
use crate::event::{GroupId, Timestamp};

/// A group of a model that is in range, or was lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LiveGroup {
    pub(super) id: GroupId,
    /// The earliest and the latest frame while it was in range.
    first: Timestamp,
    pub(super) last: Timestamp,
    /// The number of addresses of the model when it was last seen.
    pub(super) seen_at: u64,
}

impl LiveGroup {
    pub(super) fn new(id: GroupId, time: Timestamp, seen_at: u64) -> Self {
        Self { id, first: time, last: time, seen_at }
    }

    pub(super) fn see(&mut self, time: Timestamp, seen_at: u64) {
        if !self.is_in_range(time) {
            (self.first, self.last) = (time, time);
        }
        (self.first, self.last) = (self.first.min(time), self.last.max(time));
        self.seen_at = seen_at;
    }

    /// Corrects when it was in range.
    pub(super) fn set_seen(&mut self, seen: SeenTimes) {
        (self.first, self.last) = (seen.visit, seen.last);
    }

    /// How long before or after `time` it was seen; zero if that is while it was in range.
    pub(super) fn distance(&self, time: Timestamp) -> Duration {
        self.span().distance(time)
    }

    /// Whether it is in range at `time`.
    pub(super) fn is_in_range(&self, time: Timestamp) -> bool {
        self.span().is_in_range(time)
    }

    fn span(&self) -> Span {
        Span { first: self.first, last: self.last }
    }
}

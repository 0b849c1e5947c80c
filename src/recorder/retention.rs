//! What leaves: addresses that were not heard for long.

use std::time::Duration;

use crate::event::{Event, Forgettable, Timestamp};
use crate::state::State;

const DAY_MICROS: i64 = 86_400_000_000;

/// The random addresses that are to leave because they were not heard for long, if there are any. What is
/// now is told by the last probe where the clock is ahead of it.
pub(super) fn forget_old(state: &State, age: Duration, now: Timestamp) -> Option<Event> {
    let newest = state.totals().last_probe?.min(now);
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let before = newest.as_micros().saturating_sub(age);
    // Whole days, so that there is one such event a day.
    let heard_before = Timestamp::from_micros(before - before.rem_euclid(DAY_MICROS));
    let addresses = Forgettable::Random;
    let is_any = state.has_forgettable(addresses, heard_before);
    is_any.then_some(Event::Forget { time: now, addresses, heard_before })
}

/// The addresses that are to leave because there are too many to hold in memory.
pub(super) fn forget_crowd(state: &State, limit: usize, now: Timestamp) -> Option<Event> {
    let (addresses, heard_before) = state.whom_to_forget(limit)?;
    Some(Event::Forget { time: now, addresses, heard_before })
}

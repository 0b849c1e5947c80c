//! The strangers of a period.
//!
//! They are searched in the state as devices are for lists: some shards at a time, in bounded memory.

use std::cmp::Reverse;
use std::time::Duration;

use store::event::{ChatId, GroupingMode};
use store::recorder::RecorderHandle;
use store::state::{DEVICE_SHARDS, State, Stranger, new_since};

use super::pagination::{Page, SHARDS_PER_LOCK};
use super::time_range::TimeRange;

/// Strangers that a list holds; the newest.
pub const MAX_STRANGERS: usize = 1000;

/// A page of the strangers of a period, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strangers {
    /// The strangers.
    pub page: Page<Stranger>,
    /// Strangers beyond [`MAX_STRANGERS`].
    pub further: usize,
    /// How long habits have been learned.
    pub learned: Duration,
    /// How random addresses are grouped.
    pub mode: GroupingMode,
}

/// The strangers of a range of time that ends now, without those that the chat ignores.
pub fn strangers(recorder: &RecorderHandle, chat: ChatId, range: TimeRange, page: u32) -> Strangers {
    let new_since = new_since(range.from, range.to);
    let (mut found, mut total) = (Vec::new(), 0);
    let mut add = |state: &State, stranger: Stranger| {
        if !state.ignores(chat, &state.device_key(stranger.address)) {
            total += 1;
            found.push(stranger);
            if found.len() >= 2 * MAX_STRANGERS {
                keep_newest(&mut found);
            }
        }
    };
    for first in (0..DEVICE_SHARDS).step_by(SHARDS_PER_LOCK) {
        let state = recorder.state();
        for row in (first..first + SHARDS_PER_LOCK).flat_map(|shard| state.devices_of_shard(shard)) {
            if let Some(stranger) = state.strange_device(row, new_since) {
                add(&state, stranger);
            }
        }
    }
    let state = recorder.state();
    for stranger in state.strange_phones(range.from) {
        add(&state, stranger);
    }
    keep_newest(&mut found);
    Strangers {
        further: total - found.len(),
        page: Page::of(found, page),
        learned: state.learned(state.newest_time().unwrap_or(range.from)),
        mode: state.grouping().mode(),
    }
}

fn keep_newest(strangers: &mut Vec<Stranger>) {
    strangers.sort_unstable_by_key(|stranger| Reverse((stranger.first, stranger.address)));
    strangers.truncate(MAX_STRANGERS);
}

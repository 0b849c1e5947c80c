//! What the recorder does by the clock besides writing: it saves the state, has old things leave, and makes
//! a store in place of one that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::clock::ClockJump;
use super::handle::{read, write};
use super::{Recorder, STORE_RETRY_MAX, STORE_RETRY_MIN, recovery, retention};
use crate::event::{Event, EventKind, Offset, Timestamp};
use crate::event_log::{SnapshotFile, Snapshots};
use crate::state::StateStoreError;

/// How often it is looked at which addresses were not heard for long.
const EVICTION_INTERVAL: Duration = Duration::from_secs(3600);

impl Recorder {
    /// Has addresses leave the state that were not heard for long, or that are too many.
    pub(super) fn forget(&mut self, now: Instant) {
        let event = {
            let state = read(&self.shared.state);
            let old = match self.settings.retention.random_addresses {
                Some(age) if now >= self.next_eviction => {
                    self.next_eviction = now + EVICTION_INTERVAL;
                    retention::forget_old(&state, age, Timestamp::now())
                }
                _ => None,
            };
            old.or_else(|| {
                self.memory_limit.forget(&state, self.settings.devices_memory_limit, Timestamp::now())
            })
        };
        let Some(event) = event else { return };
        let shared = Arc::clone(&self.shared);
        if self.append(&mut write(&shared.state), &event) {
            // In parts, so that look-ups come in between.
            while write(&shared.state).continue_eviction() {
                std::thread::yield_now();
            }
            info!(
                "{} addresses in all were not heard for long and are forgotten",
                read(&shared.state).totals().forgotten_addresses
            );
        }
    }

    /// Has what follows from the machine's clock follow where somebody sets that.
    pub(super) fn check_clock(&mut self, now: Instant) {
        let time = Timestamp::now();
        match self.clock.look(now, time) {
            Some(ClockJump::Forward(by)) => self.grace.note(by, read(&self.shared.state).next_offset()),
            Some(ClockJump::Back(by)) => {
                info!("the machine's clock was set back by {} s and is believed", by.as_secs());
                self.shared.known.believe(time);
            }
            None => {}
        }
    }

    /// Takes alerts that have waited too long for Telegram out of the outbox.
    pub(super) fn expire_alerts(&mut self) {
        let time = Timestamp::now();
        let shared = Arc::clone(&self.shared);
        let mut state = write(&shared.state);
        let keep = |offset| self.settings.alerts.max_age.saturating_add(self.grace.of(offset));
        let expired = state.alerts().expired(|offset| time.saturating_sub(keep(offset)));
        for &(chat, probe) in &expired {
            self.append(&mut state, &Event::new(time, EventKind::AlertExpired { probe, chat }));
        }
        if !expired.is_empty() {
            info!("{} alerts have waited too long for Telegram and will be told as a number", expired.len());
            self.shared.alerts_waiting.notify_one();
        }
    }

    /// Notes which followed devices have left.
    pub(super) fn record_departures(&mut self) {
        let now = Timestamp::now();
        self.update_coverage(now);
        let left = read(&self.shared.state).departures(now, &self.settings.alerts);
        if left.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = write(&shared.state);
        // What does not fit while the disk takes nothing is noted at another time.
        left.iter().all(|event| self.append(&mut state, event));
        self.shared.alerts_waiting.notify_one();
    }

    /// Saves the state, if the log has fsynced all that it is folded from.
    pub(super) fn checkpoint(&mut self) {
        if self.log.has_failed() || self.sync().is_err() {
            return;
        }
        while write(&self.shared.state).continue_eviction() {}
        let saved = match &mut self.store {
            Some(store) => {
                let state = read(&self.shared.state);
                if !state.has_unsaved_changes() {
                    return;
                }
                store.save(&state)
            }
            None => return,
        };
        match saved {
            Ok(()) => {
                self.is_disk_full = false;
                write(&self.shared.state).mark_saved();
            }
            Err(error @ StateStoreError::NoRoom { .. }) => {
                if !std::mem::replace(&mut self.is_disk_full, true) {
                    warn!("{error}; until then a start reads more of the log");
                }
            }
            Err(error) => {
                error!("{error}; the log is whole and the state is in memory: a new one will be made");
                self.store = None;
                self.next_store = (Instant::now(), STORE_RETRY_MIN);
            }
        }
    }

    /// Makes a store in place of one that failed, from the state in memory.
    pub(super) fn recreate_store(&mut self) {
        let (due, wait) = self.next_store;
        if self.store.is_some() || Instant::now() < due || self.log.has_failed() || self.sync().is_err() {
            return;
        }
        let made = recovery::new_store(&self.settings.data_dir, &read(&self.shared.state));
        match made {
            Ok(store) => {
                self.store = Some(store);
                write(&self.shared.state).mark_saved();
                info!("the state in sled was made anew");
            }
            Err(error) => {
                warn!("{error}; it will be tried again in {} s", wait.as_secs());
                self.next_store = (Instant::now() + wait, (wait * 2).min(STORE_RETRY_MAX));
            }
        }
    }

    /// Has the log say that events before `until` are lost, whose offsets are not given a second time.
    pub(super) fn log_lost_tail(&mut self, until: Offset) {
        let shared = Arc::clone(&self.shared);
        let mut state = write(&shared.state);
        let from = state.next_offset();
        warn!("the log ends at event {from} and went up to {until} once: what was between is lost");
        let why = "the end of the log was gone at a start".to_owned();
        self.append(
            &mut state,
            &Event::without_time(EventKind::Lost { count: until.0.saturating_sub(from.0), why }),
        );
    }

    /// Where a disk that failed has lost what it had taken, makes the state what the log gives now.
    pub(super) fn rebuild_after_damage(&mut self) {
        let damage = self.log.take_corruption();
        if damage.is_empty() {
            return;
        }
        damage.iter().for_each(|damage| error!("{damage}; what the disk had taken before is lost"));
        let snapshots = Snapshots::of(&self.settings.data_dir);
        let unreadable = &mut |file: &SnapshotFile, error| {
            warn!("{error}: {} is left out", file.path().display());
            Ok(())
        };
        match recovery::newest_snapshot(&snapshots, unreadable) {
            Ok(mut state) => {
                let events = self.log.read_from(state.next_offset());
                recovery::fold_all(&mut state, events, &mut |_| {});
                *write(&self.shared.state) = state;
                // sled has what the log has lost.
                self.store = None;
                self.next_store = (Instant::now(), STORE_RETRY_MIN);
            }
            Err(error) => warn!("{error}; until the next start the state tells of what the log has lost"),
        }
    }

    /// Has segments leave the log that are too old or too many, once a snapshot holds what they gave.
    pub(super) fn prune_segments(&mut self, now: Instant) {
        if let Some(before) = self.segment_pruner.poll() {
            match self.log.remove_before(before) {
                Ok(removed) => info!("{removed} segments of the log were too old or too many and are gone"),
                Err(error) => warn!("{error}; segments that are too old or too many stay for now"),
            }
        }
        if !self.segment_pruner.is_due(now) || self.log.has_failed() {
            return;
        }
        let Some(before) = retention::segments_to_prune(&mut self.log, &self.settings) else { return };
        // The snapshot is not to know more than the log.
        if self.sync().is_ok() {
            while write(&self.shared.state).continue_eviction() {}
            // While another copy is being made, it is tried again at the next look.
            if let Some(cut) = write(&self.shared.state).begin_cow_snapshot() {
                self.segment_pruner.begin(&self.settings.data_dir, &self.shared, cut, before);
            }
        }
    }
}

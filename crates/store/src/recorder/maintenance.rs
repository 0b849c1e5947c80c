//! The recorder's periodic tasks besides writing: it saves the state, evicts devices, prunes the log, and makes a new
//! state store after a failure.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::clock::{ClockChange, ClockDoubt};
use super::handle::{read, write};
use super::recovery;
use super::retention::{PendingDeletion, evict_old, segments_to_prune};
use super::run_loop::{Recorder, StoreRetry};
use crate::event::{Event, EventKind, Offset, Timestamp};
use crate::event_log::{LogError, SnapshotFile, Snapshots};
use crate::state::{State, StateStoreError};

/// How often old addresses are searched for.
const EVICTION_INTERVAL: Duration = Duration::from_secs(3600);

/// A smaller step of the clock changes nothing that anybody would notice.
const MIN_CLOCK_STEP: Duration = Duration::from_secs(60);

/// Logs that the machine's clock is in doubt.
pub(super) fn warn_of(ClockDoubt { now, machine, is_estimate, .. }: ClockDoubt) {
    warn!(
        event = "clock_doubted",
        machine_time = %machine,
        time = %now,
        is_estimate,
        "the machine's clock is in doubt, so time goes on without it; a time server ends that (timedatectl), or \
         /clock in the chat"
    );
}

impl Recorder {
    /// Evicts addresses whose last probe is too old, or devices that take too much memory.
    pub(super) fn evict_devices(&mut self, now: Instant) {
        let event = {
            let (time, deletes_old) = (self.shared.clock.now(), self.deletes_old());
            let state = read(&self.shared.state);
            let old = match self.settings.retention.random_addresses {
                Some(age) if now >= self.next_eviction && deletes_old => {
                    self.next_eviction = now + EVICTION_INTERVAL;
                    evict_old(&state, age, time)
                }
                _ => None,
            };
            old.or_else(|| self.memory_limit.evict(&state, self.settings.devices_memory_limit, time))
        };
        let Some(event) = event else { return };
        let shared = Arc::clone(&self.shared);
        let before = read(&shared.state).totals().forgotten_addresses;
        if self.append(&mut write(&shared.state), &event) {
            // In parts, with look-ups in between.
            while write(&shared.state).continue_eviction() {
                std::thread::yield_now();
            }
            let total = read(&shared.state).totals().forgotten_addresses;
            info!(
                event = "devices_evicted",
                count = total - before,
                total,
                "forgot addresses that sent no probe for long"
            );
        }
    }

    /// Whether anything may leave because of its age: the clock is not in doubt, and nobody has stopped it.
    fn deletes_old(&self) -> bool {
        self.shared.clock.doubt().is_none() && !read(&self.shared.state).totals().keeps_log
    }

    /// Compares the machine's clock with the monotonic one.
    pub(super) fn check_clock(&mut self) {
        if let Some(change) = self.shared.clock.observe() {
            let shared = Arc::clone(&self.shared);
            self.apply_clock_change(&mut write(&shared.state), Some(change));
        }
        self.log_clock_offset.store(self.shared.clock.offset_to_machine(), Ordering::Relaxed);
    }

    /// Tells of a change of the clock. If the time is another one now, what depends on times follows.
    pub(super) fn apply_clock_change(&mut self, state: &mut State, change: Option<ClockChange>) {
        match change {
            None => {}
            Some(ClockChange::Doubted(doubt)) => warn_of(doubt),
            Some(ClockChange::Believed { before, now, since }) => {
                info!(event = "clock_believed", %before, %now, "the machine's clock is no longer in doubt");
                if before.abs_diff(now) >= MIN_CLOCK_STEP {
                    self.shared.time_floor.reset(now);
                    self.clock_set = Some(now);
                    self.append(state, &Event::new(now, EventKind::ClockSet { from: before, since }));
                }
            }
        }
    }

    /// Moves alerts that waited too long for Telegram from the outbox into the overflow.
    pub(super) fn expire_alerts(&mut self) {
        let time = self.shared.clock.now();
        let shared = Arc::clone(&self.shared);
        let mut state = write(&shared.state);
        let policy = &self.settings.alerts;
        let expired = state.alerts().expired(|chat| time.saturating_sub(policy.max_age_in(&state, chat)));
        for &(chat, probe) in &expired {
            self.append(&mut state, &Event::new(time, EventKind::AlertExpired { probe, chat }));
        }
        if !expired.is_empty() {
            info!(
                event = "alerts_expired",
                count = expired.len(),
                "alerts waited too long for Telegram; chats get their number instead"
            );
            self.shared.alerts_waiting.notify_one();
        }
    }

    /// Records which followed devices have left.
    pub(super) fn record_departures(&mut self) {
        let now = self.shared.clock.now();
        self.update_coverage(now);
        let departures = read(&self.shared.state).departures(now, &self.settings.alerts);
        if departures.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut state = write(&shared.state);
        // Those for which the log's buffer has no room are found again later.
        departures.iter().all(|event| self.append(&mut state, event));
        self.shared.alerts_waiting.notify_one();
    }

    /// Saves the state, if the log could fsync all events that it is folded from.
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
                    warn!(
                        event = "checkpoint_skipped",
                        %error,
                        remedy = error.remedy(),
                        "could not save the state; the next start will be slower"
                    );
                }
            }
            Err(error) => {
                error!(
                    event = "state_store_failed",
                    %error,
                    "the state store failed and will be made again; the log and the state in memory are complete"
                );
                self.store = None;
                self.store_retry = StoreRetry::at_once();
            }
        }
    }

    /// Makes a new state store after a failure, from the state in memory.
    pub(super) fn recreate_store(&mut self) {
        let is_due = self.store.is_none() && self.store_retry.is_due();
        if !is_due || self.log.has_failed() || self.sync().is_err() {
            return;
        }
        let made = recovery::make_store(&self.settings.data_dir, &read(&self.shared.state));
        match made {
            Ok(store) => {
                self.store = Some(store);
                write(&self.shared.state).mark_saved();
                info!(event = "state_store_recreated", "made a new state store");
            }
            Err(error) => {
                let wait_seconds = self.store_retry.back_off().as_secs();
                warn!(
                    event = "state_store_retry",
                    %error,
                    remedy = error.remedy(),
                    wait_seconds,
                    "could not make a new state store; trying again"
                );
            }
        }
    }

    /// Records that the log lacks these events before its end. Their effects are in the state, so they are not folded, and
    /// their offsets are not used a second time.
    pub(super) fn record_lost_tail(&mut self, lost: Range<Offset>) {
        let count = lost.end.0 - lost.start.0;
        let why = "the end of the log was missing at startup".to_owned();
        // The log's buffer is empty.
        let _ = self.log.append(&Event::without_time(EventKind::Lost { count, why }));
    }

    /// Has the state count events whose loss it does not fold, since it has their effects.
    pub(super) fn count_lost_history(&mut self, count: u64) {
        if count > 0 {
            let shared = Arc::clone(&self.shared);
            let event = Event::new(shared.clock.now(), EventKind::HistoryLost { count });
            // Right after a repair or at a start, the log's buffer has room.
            let _ = self.append(&mut write(&shared.state), &event);
        }
    }

    /// Saves the state as a snapshot because the log has lost events that it follows from. A start prefers it to the log
    /// and to an older state store.
    pub(super) fn rescue_state(&mut self) -> Result<(), LogError> {
        self.finish_thinning();
        // Two must not write snapshots at the same time.
        self.segment_pruner.stop();
        let snapshots = Snapshots::of(&self.settings.data_dir);
        let newest = snapshots.list()?.first().map(SnapshotFile::offset);
        if newest.is_some() && newest == self.rescue_snapshot {
            return Ok(());
        }
        while write(&self.shared.state).continue_eviction() {}
        let image = read(&self.shared.state).image();
        let offset = image.next_offset();
        recovery::write_snapshot(&snapshots, &image, self.shared.clock.now())?;
        self.rescue_snapshot = Some(offset);
        info!(event = "state_rescued", %offset, "saved the state, since the log has lost events that it follows from");
        Ok(())
    }

    /// After a failure: reports the events that had been written and are gone from the log. The state has their effects.
    pub(super) fn note_lost_history(&mut self) {
        self.rescue_snapshot = None;
        let corruption = self.log.take_corruption();
        let count = self.log.take_lost();
        if count == 0 && corruption.is_empty() {
            return;
        }
        let found = corruption.first().map(ToString::to_string);
        error!(
            event = "history_lost",
            count, found, "the log has lost events that had been written; the state keeps their effects"
        );
        self.shared.losses.history.fetch_add(count, Ordering::Relaxed);
        self.count_lost_history(count);
        // The old one may be gone with the log, or older than what the log has lost.
        self.store = None;
        self.store_retry = StoreRetry::at_once();
    }

    /// Removes segments of the log that are too old or too many, once a snapshot replaces them.
    pub(super) fn prune_segments(&mut self, now: Instant) {
        if self.is_thinning() {
            return;
        }
        if let Some(before) = self.segment_pruner.poll() {
            match self.log.remove_before(before) {
                Ok(0) => {}
                Ok(count) => info!(event = "segments_removed", count, "removed old segments of the log"),
                Err(error) => {
                    warn!(event = "segment_removal_failed", %error, "could not remove old segments of the log");
                }
            }
        }
        if !self.segment_pruner.is_due(now) || self.log.has_failed() {
            return;
        }
        if self.begin_thinning() {
            return;
        }
        let (retention, rotation) = (self.settings.retention, self.settings.rotation);
        let log_age = retention.log_age.filter(|_| self.deletes_old());
        let due = log_age.map(|age| self.shared.clock.now().saturating_sub(age));
        let oldest = self.log.sealed_segments().next().map(|segment| Timestamp::from(segment.modified));
        let (due, pending) = self.age_steps.next((now, self.shared.clock.now()), oldest, due);
        self.announce_deletion(pending);
        let Some(before) = segments_to_prune(&mut self.log, due, retention, rotation) else { return };
        if self.begin_pruning(before) {
            self.age_steps.taken(now);
        }
    }

    /// Begins the snapshot after which the segments before `before` may go. Returns whether it began: if another copy is
    /// being taken, the next check tries again.
    pub(super) fn begin_pruning(&mut self, before: Offset) -> bool {
        // The snapshot must not be ahead of the log.
        if self.sync().is_err() {
            return false;
        }
        while write(&self.shared.state).continue_eviction() {}
        let Some(snapshot) = write(&self.shared.state).begin_cow_snapshot() else { return false };
        self.segment_pruner.begin(&self.settings.data_dir, &self.shared, snapshot, before);
        true
    }

    /// Tells what will leave the log, once.
    fn announce_deletion(&self, pending: Option<PendingDeletion>) {
        let is_new = self.shared.pending_deletion.send_if_modified(|known| {
            let same = |one: PendingDeletion, other: PendingDeletion| {
                (one.oldest, one.starts) == (other.oldest, other.starts)
            };
            let is_changed = match (*known, pending) {
                (Some(known), Some(pending)) => !same(known, pending),
                (known, pending) => known.is_some() || pending.is_some(),
            };
            if is_changed {
                *known = pending;
            }
            is_changed
        });
        if let Some(PendingDeletion { oldest, before, starts }) = pending.filter(|_| is_new) {
            warn!(
                event = "deletion_announced",
                %oldest,
                %before,
                %starts,
                "much of the log is older than retention.log_days and will be deleted in steps of a day's worth an hour; \
                 /history keep in the chat stops that"
            );
        }
    }
}

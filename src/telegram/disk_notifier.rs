//! Tells each chat once when recording stops because writes to the disk fail, and once when it resumes
//! ([`Notifier`]); and once if the log had lost events when the service started.
//!
//! Invariants:
//! - A failure that a chat was told of before a restart is over once an event was written after it.
//! - Notices do not wait behind alerts. During quiet hours both wait.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use store::event::ChatId;
use tokio::time::Instant;

use super::incident_state::{IncidentState, NextNotice};
use super::notifier::{Current, Incident, Notifier};
use super::{earliest, sleep_until};
use crate::chat::views::notices;

/// Notifies the chats until the recorder ends.
pub(super) async fn run(notifier: &Notifier) {
    let Notifier { sender, recorder, .. } = notifier;
    let mut disk_error = recorder.subscribe_disk_error();
    // A start notice keeps how many probes and events of the log had been lost before; that of an earlier run, nothing.
    let mut incident: Incident<Option<[u64; 2]>> = Incident::new("disk", None);
    let losses = recorder.losses();
    let lost = || [&losses.disk_failed, &losses.history].map(|count| count.load(Ordering::Relaxed));
    let mut lost_before = lost();
    let lost_at_start = losses.history_at_start.load(Ordering::Relaxed);
    // This incident does not end.
    let mut told_of_start: HashMap<ChatId, IncidentState<()>> = HashMap::new();
    let first_offset = recorder.state().next_offset();
    // Whether an event of this run is on disk.
    let mut has_written = false;
    loop {
        let error = disk_error.borrow_and_update().clone();
        if error.is_none() {
            lost_before = lost();
            has_written |= recorder.state().next_offset() > first_offset && recorder.sync().await.is_ok();
        }
        let awake = notifier.awake_chats();
        let mut wake = notifier.next_quiet_check(&awake);
        for chat in awake {
            let start = told_of_start.entry(chat).or_default();
            match start.next(lost_at_start > 0, Instant::now()) {
                notice @ NextNotice::Started => {
                    let text = notices::history_lost_at_start(lost_at_start);
                    let outcome = sender.notify(chat, &text, false).await;
                    start.record_outcome(notice, (), outcome, chat, Instant::now());
                    wake = Some(Instant::now());
                }
                NextNotice::NotBefore(at) => wake = earliest(wake, at),
                NextNotice::Resolved(()) | NextNotice::Nothing => {}
            }
            let current = Current {
                active: error.as_ref().map(|error| || notices::recording_stopped(&error.why, error.remedy)),
                is_certain: has_written,
                kept: Some(lost_before),
            };
            let over = |before: Option<[u64; 2]>| match before {
                Some([probes_before, history_before]) => {
                    let [probes, history] = lost();
                    notices::recording_resumed(probes - probes_before, history - history_before)
                }
                None => notices::recording_resumed_after_restart(),
            };
            if let Some(at) = notifier.notify(chat, &mut incident, current, over).await {
                wake = earliest(wake, at);
            }
            // The next notice must not tell an outdated error.
            if disk_error.has_changed().unwrap_or(false) {
                break;
            }
        }
        tokio::select! {
            changed = disk_error.changed() => if changed.is_err() { return },
            () = sleep_until(wake) => {}
        }
    }
}

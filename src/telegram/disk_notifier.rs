//! Tells each chat once when recording stops because writes to the disk fail, and once when it resumes
//! ([`IncidentState`]); and once if the log had lost events when the service started.
//!
//! Invariants:
//! - A failure that a chat was told of before a restart is over once an event was written after it ([`SentWarnings`]).
//! - Notices do not wait behind alerts. During quiet hours both wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use store::event::ChatId;
use store::recorder::RecorderHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::incident_state::{IncidentState, NextNotice};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use super::sent_warnings::SentWarnings;
use super::{earliest, sleep_until};
use crate::chat::views::notices;

/// What its warnings are kept by.
const INCIDENT: &str = "disk";

/// How often to check, after a restart, whether an event was written.
const WRITE_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Notifies the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    recorder: RecorderHandle,
    quiet_hours: LocalQuietHours,
    warnings: SentWarnings,
    stop: CancellationToken,
) {
    let mut disk_error = recorder.subscribe_disk_error();
    // A start notice keeps how many probes and events of the log had been lost before.
    let mut chats: HashMap<ChatId, IncidentState<[u64; 2]>> = HashMap::new();
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
        let mut wake = quiet_hours.next_check(recorder.now(), Instant::now());
        let served = if wake.is_some() { BTreeSet::new() } else { sender.chats_to_notify() };
        for chat in served {
            let start = told_of_start.entry(chat).or_default();
            match start.next(lost_at_start > 0, Instant::now()) {
                notice @ NextNotice::Started => {
                    let text = notices::history_lost_at_start(lost_at_start);
                    let outcome = tokio::select! {
                        outcome = sender.notify(chat, &text, false) => outcome,
                        () = stop.cancelled() => return,
                    };
                    start.record_outcome(notice, (), outcome, chat, Instant::now());
                    wake = Some(Instant::now());
                }
                NextNotice::NotBefore(at) => wake = earliest(wake, at),
                NextNotice::Resolved(()) | NextNotice::Nothing => {}
            }
            let state = chats.entry(chat).or_insert_with(|| warnings.state(INCIDENT, chat, [0; 2]));
            let (is_resumed, in_doubt) = (state.is_resumed(), state.is_resumed() && !has_written);
            if in_doubt {
                wake = earliest(wake, Instant::now() + WRITE_POLL_INTERVAL);
            }
            let notice = state.next(error.is_some() || in_doubt, Instant::now());
            let (text, silent) = match notice {
                NextNotice::Started => {
                    let (why, remedy) = error.as_ref().map_or(("", ""), |error| (&*error.why, error.remedy));
                    (notices::recording_stopped(why, remedy), false)
                }
                NextNotice::Resolved(_) if is_resumed => (notices::recording_resumed_after_restart(), true),
                NextNotice::Resolved([probes_before, history_before]) => {
                    let [probes, history] = lost();
                    (notices::recording_resumed(probes - probes_before, history - history_before), true)
                }
                NextNotice::NotBefore(at) => {
                    wake = earliest(wake, at);
                    continue;
                }
                NextNotice::Nothing => continue,
            };
            warnings.announce(INCIDENT, chat, &notice).await;
            let outcome = tokio::select! {
                outcome = sender.notify(chat, &text, silent) => outcome,
                () = stop.cancelled() => return,
            };
            state.record_outcome(notice, lost_before, outcome, chat, Instant::now());
            warnings.record(INCIDENT, chat, state).await;
            // This chat may be due again, and the next notice must not tell an outdated error.
            wake = Some(Instant::now());
            if disk_error.has_changed().unwrap_or(false) {
                break;
            }
        }
        tokio::select! {
            changed = disk_error.changed() => if changed.is_err() { return },
            () = sleep_until(wake) => {}
            () = stop.cancelled() => return,
        }
    }
}

//! Tells each chat once that recording has stopped, since the disk takes nothing, and once that it runs
//! again; each as [`IncidentState`] has it.
//!
//! It is known in memory only, since nothing can be written: after a restart, a disk that still takes nothing
//! is told again. Neither waits behind alerts; in the quiet hours, both wait for their end.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::incident_state::{IncidentState, NextNotice};
use super::quiet_hours::LocalQuietHours;
use super::sender::Sender;
use super::sleep_until;
use crate::chat::views::notices;
use crate::event::ChatId;
use crate::recorder::RecorderHandle;

/// Tells the chats until `stop`.
pub(super) async fn run(
    sender: Sender,
    recorder: RecorderHandle,
    quiet: LocalQuietHours,
    stop: CancellationToken,
) {
    let mut disk = recorder.subscribe_disk_error();
    let mut chats: HashMap<ChatId, IncidentState<u64>> = HashMap::new();
    let lost = || recorder.losses().disk_failed.load(Ordering::Relaxed);
    let mut lost_before = lost();
    loop {
        let error = disk.borrow_and_update().clone();
        if error.is_none() {
            lost_before = lost();
        }
        let mut wake = quiet.look_again(Instant::now());
        let served = if wake.is_some() { BTreeSet::new() } else { sender.served() };
        for chat in served {
            let told = chats.entry(chat).or_default();
            let due = told.next(error.is_some(), Instant::now());
            let (text, silent) = match due {
                NextNotice::Started => {
                    (notices::recording_stopped(error.as_deref().unwrap_or_default()), false)
                }
                NextNotice::Resolved(lost_before) => (notices::recording_resumed(lost() - lost_before), true),
                NextNotice::NotBefore(at) => {
                    wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
                    continue;
                }
                NextNotice::Nothing => continue,
            };
            let outcome = tokio::select! {
                outcome = sender.notice(chat, &text, silent) => outcome,
                () = stop.cancelled() => return,
            };
            told.record_outcome(due, lost_before, outcome, chat, Instant::now());
            // Before the next chat is told, it may be true no more; and this one may be due again.
            wake = Some(Instant::now());
            if disk.has_changed().unwrap_or(false) {
                break;
            }
        }
        tokio::select! {
            changed = disk.changed() => if changed.is_err() { return },
            () = sleep_until(wake) => {}
            () = stop.cancelled() => return,
        }
    }
}

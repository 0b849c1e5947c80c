//! Tells each chat once that recording has stopped, since the disk takes nothing, and once that it runs
//! again; each as [`Told`] has it.
//!
//! It is known in memory only, since nothing can be written: after a restart, a disk that still takes nothing
//! is told again. Neither waits behind alerts; in the quiet hours, both wait for their end.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::quiet::Quiet;
use super::sender::Sender;
use super::sleep_until;
use super::told::{Due, Told};
use crate::chat::reply::notices;
use crate::event::ChatId;
use crate::recorder::RecorderHandle;

/// Tells the chats until `stop`.
pub(super) async fn tell(sender: Sender, recorder: RecorderHandle, quiet: Quiet, stop: CancellationToken) {
    let mut disk = recorder.disk_errors();
    let mut chats: HashMap<ChatId, Told<u64>> = HashMap::new();
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
            let due = told.due(error.is_some(), Instant::now());
            let (text, silent) = match due {
                Due::Begun => (notices::recording_stopped(error.as_deref().unwrap_or_default()), false),
                Due::Over(lost_before) => (notices::recording_resumed(lost() - lost_before), true),
                Due::NotBefore(at) => {
                    wake = Some(wake.map_or(at, |wake: Instant| wake.min(at)));
                    continue;
                }
                Due::Nothing => continue,
            };
            let outcome = tokio::select! {
                outcome = sender.notice(chat, &text, silent) => outcome,
                () = stop.cancelled() => return,
            };
            told.settle(due, lost_before, outcome, chat, Instant::now());
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

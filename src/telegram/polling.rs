//! Receives updates by long polling (Bot API, `getUpdates`).
//!
//! Invariants:
//! - A request acknowledges all updates before its offset. So the offset moves past an update only when that update
//!   and all before it are handled.
//! - With each request Telegram sends the unacknowledged updates again, at most a hundred. So at most a hundred are
//!   in progress, and until then a slow one delays no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use teloxide::payloads::DeleteWebhook;
use teloxide::types::AllowedUpdate;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::TelegramError;
use super::api::{Api, POLL_TIMEOUT};
use super::backoff::Backoff;
use super::handler::Handler;
use super::update::Update;
use crate::status::{TelegramProblems, UpdateConflict, WaitsWith};

/// The wait before the next request while updates are in progress: Telegram would send the same ones at once.
const RECHECK_INTERVAL: Duration = Duration::from_millis(250);

/// How long updates in progress, and then the acknowledgement, may take when the service stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(1);

/// Polls for updates until `stop`.
///
/// # Errors
/// [`TelegramError::Token`] if Telegram rejects the token at the start.
pub(super) async fn run(
    api: &Api,
    problems: &TelegramProblems,
    handler: Arc<Handler>,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    // While a webhook is set, `getUpdates` fails.
    if api.request_until_accepted(&DeleteWebhook::new(), stop).await?.is_none() {
        return Ok(());
    }
    info!(event = "polling_started", "polling Telegram for updates");
    let mut updates = UpdatesInProgress::new(handler);
    poll(api, problems, &mut updates, stop).await;
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, updates.finish()).await;
    // The next start must not get the updates that were just handled.
    let offset = updates.offset();
    if offset != 0 {
        let _ =
            tokio::time::timeout(ACKNOWLEDGE_TIMEOUT, api.updates(updates.kinds(), offset, Duration::ZERO))
                .await;
    }
    Ok(())
}

async fn poll(
    api: &Api,
    problems: &TelegramProblems,
    updates: &mut UpdatesInProgress,
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::for_updates();
    let mut conflicts = Conflicts::new();
    loop {
        let offset = updates.offset();
        let outcome = tokio::select! {
            outcome = api.updates(updates.kinds(), offset, POLL_TIMEOUT) => outcome,
            () = stop.cancelled() => return,
        };
        let error = match outcome {
            Ok(new) => {
                backoff.reset();
                api.waits().clear(WaitsWith::Updates);
                updates.start(new);
                tokio::select! {
                    _ = tokio::time::timeout(RECHECK_INTERVAL, updates.finish()) => continue,
                    () = stop.cancelled() => return,
                }
            }
            Err(error) => error,
        };
        if let Some(by) = error.conflict() {
            problems.record_conflict(by, Instant::now());
            let wait = conflicts.next(Instant::now());
            warn!(
                event = "updates_taken",
                wait_seconds = wait.as_secs(),
                %error,
                remedy = by.remedy(),
                "another program takes the bot's updates"
            );
            tokio::select! {
                () = resolve(api, by, wait) => continue,
                () = stop.cancelled() => return,
            }
        }
        // Telegram accepted the token at the start. Even if it rejects it now, recording must go on.
        let wait = backoff.next(error.retry_after());
        api.waits().record(WaitsWith::Updates, error.retry_after(), wait);
        warn!(
            event = "polling_failed",
            wait_seconds = wait.as_secs(),
            %error,
            remedy = error.remedy(),
            "could not get updates from Telegram; trying again"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// When to try again after conflicts with another program. Only ten minutes without any make the waits short again: a
/// program that sets its webhook after each poll must not have the bot answer each time at once.
struct Conflicts {
    backoff: Backoff,
    last: Option<Instant>,
}

impl Conflicts {
    const MEMORY: Duration = Duration::from_secs(600);

    fn new() -> Self {
        Self { backoff: Backoff::for_updates(), last: None }
    }

    /// The wait after one more conflict at `now`; none after the first.
    fn next(&mut self, now: Instant) -> Duration {
        let last = self.last.replace(now);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= Self::MEMORY) {
            self.backoff.reset();
            return Duration::ZERO;
        }
        self.backoff.next(None)
    }
}

/// After this wait, deletes the webhook that is in the way, if it is one.
async fn resolve(api: &Api, by: UpdateConflict, wait: Duration) {
    tokio::time::sleep(wait).await;
    if by == UpdateConflict::OtherPoller {
        return;
    }
    match api.request(&DeleteWebhook::new()).await {
        Ok(_) => {
            info!(event = "webhook_deleted", "deleted a webhook that another program had set; polling again")
        }
        Err(error) => warn!(
            event = "request_failed",
            method = "DeleteWebhook",
            %error,
            remedy = error.remedy(),
            "could not delete a webhook that another program has set"
        ),
    }
}

/// The updates that are not acknowledged yet.
struct UpdatesInProgress {
    handler: Arc<Handler>,
    tasks: JoinSet<()>,
    /// The task of each update; `None` once it is handled.
    task_ids: BTreeMap<u32, Option<Id>>,
    /// Follows the last update that was removed from `task_ids`.
    offset: i32,
}

impl UpdatesInProgress {
    fn new(handler: Arc<Handler>) -> Self {
        Self { handler, tasks: JoinSet::new(), task_ids: BTreeMap::new(), offset: 0 }
    }

    /// The kinds of updates to request.
    fn kinds(&self) -> &'static [AllowedUpdate] {
        self.handler.requested_updates()
    }

    /// Starts to handle those of `updates` that are new, in order.
    fn start(&mut self, updates: Vec<Update>) {
        for update in updates {
            let id = update.id;
            self.task_ids
                .entry(id)
                .or_insert_with(|| Some(self.tasks.spawn(self.handler.handle(update)).id()));
        }
    }

    /// Waits until all updates are handled. Cancelling the wait loses no finished update.
    async fn finish(&mut self) {
        while let Some(finished) = self.tasks.join_next_with_id().await {
            self.record_finished(finished);
        }
    }

    fn record_finished(&mut self, finished: Result<(Id, ()), JoinError>) {
        let task = match finished {
            Ok((task, ())) => task,
            Err(error) => {
                error!(event = "handler_panicked", %error, "the handler of an update panicked; this is a bug");
                error.id()
            }
        };
        if let Some(id) = self.task_ids.values_mut().find(|id| **id == Some(task)) {
            *id = None;
        }
    }

    /// The offset that acknowledges the leading handled updates, which are removed.
    fn offset(&mut self) -> i32 {
        while let Some(finished) = self.tasks.try_join_next_with_id() {
            self.record_finished(finished);
        }
        while let Some(first) = self.task_ids.first_entry().filter(|first| first.get().is_none()) {
            // Telegram's numbers fit into 31 bits (Bot API, "Update").
            self.offset = i32::try_from(*first.key()).unwrap_or(i32::MAX).saturating_add(1);
            first.remove();
        }
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_that_recur_are_answered_ever_more_rarely() {
        let (mut conflicts, mut now) = (Conflicts::new(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..9 {
            let wait = conflicts.next(now);
            waits.push(wait.as_secs());
            now += wait + Duration::from_millis(10);
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(conflicts.next(now + Conflicts::MEMORY), Duration::ZERO);
    }
}

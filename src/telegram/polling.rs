//! Updates by long polling: the bot asks, Telegram answers when there is something.
//!
//! What must hold: a request acknowledges the updates before its offset, so the offset stands behind an update
//! only once that and all before it were handled. Telegram gives the rest again with each request, at most a
//! hundred: so many are under way at most, and one that takes long holds up no other until then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use teloxide::payloads::DeleteWebhook;
use teloxide::types::{Update, UpdateId};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::TelegramError;
use super::api::{Api, Backoff, POLL_TIMEOUT};
use super::handler::Handler;

/// How often is asked for more while updates are under way: Telegram would answer at once, with the same.
const RECHECK: Duration = Duration::from_millis(250);

/// How long updates that are under way, and then the acknowledgement, may take when the service stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks for updates until `stop`.
pub(super) async fn run(
    api: &Api,
    handler: Arc<Handler>,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    // While a webhook is set, Telegram answers no getUpdates.
    let removed = api.until_answered("deleteWebhook", &DeleteWebhook::new(), stop).await?;
    if removed.is_none() {
        return Ok(());
    }
    info!(event = "polling_started", "polling Telegram for updates");
    let mut under_way = UnderWay { handler, tasks: JoinSet::new(), ids: BTreeMap::new(), offset: 0 };
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let answer = tokio::select! {
            answer = api.updates(under_way.offset(), POLL_TIMEOUT) => answer,
            () = stop.cancelled() => break,
        };
        let failure = match answer {
            Ok(updates) => {
                backoff = Backoff::default();
                under_way.begin(updates);
                tokio::select! {
                    _ = tokio::time::timeout(RECHECK, under_way.end()) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            Err(failure) => failure,
        };
        // Even a token that is refused now, and was not before, is no reason to stop recording.
        let wait = backoff.next(failure.named_wait());
        warn!(
            event = "polling_failed",
            wait_seconds = wait.as_secs(),
            error = %failure,
            "could not get updates from Telegram; trying again"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => break,
        }
    }
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, under_way.end()).await;
    // Acknowledges what was handled last, so that the next start does not answer it again.
    if under_way.offset() != 0 {
        let _ =
            tokio::time::timeout(ACKNOWLEDGE_TIMEOUT, api.updates(under_way.offset(), Duration::ZERO)).await;
    }
    Ok(())
}

/// The updates that are not acknowledged yet.
struct UnderWay {
    handler: Arc<Handler>,
    tasks: JoinSet<()>,
    /// Each with the task that handles it; none where it was handled.
    ids: BTreeMap<UpdateId, Option<Id>>,
    /// Behind all that were handled, where none is under way.
    offset: i32,
}

impl UnderWay {
    /// Begins with those of `updates` that are new, in their order.
    fn begin(&mut self, updates: Vec<Update>) {
        for update in updates {
            let id = update.id;
            self.ids.entry(id).or_insert_with(|| Some(self.tasks.spawn(self.handler.begin(update)).id()));
        }
    }

    /// Returns once all were handled. What was handled before this is broken off stays so.
    async fn end(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.note_end(ended);
        }
    }

    fn note_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) => {
                error!(%error, "the handler of an update panicked; this is a bug");
                error.id()
            }
        };
        if let Some(handled) = self.ids.values_mut().find(|known| **known == Some(task)) {
            *handled = None;
        }
    }

    /// The offset behind the first updates that were handled, which are forgotten.
    fn offset(&mut self) -> i32 {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note_end(ended);
        }
        while let Some(first) = self.ids.first_entry().filter(|first| first.get().is_none()) {
            self.offset = first.key().as_offset();
            first.remove();
        }
        self.offset
    }
}

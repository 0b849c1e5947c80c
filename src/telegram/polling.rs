//! Updates by long polling: the bot asks, Telegram answers when there is something.

use std::sync::Arc;
use std::time::Duration;

use teloxide::payloads::DeleteWebhook;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::api::{Api, Backoff, POLL_TIMEOUT};
use super::{Handler, TelegramError};

/// How long the acknowledgement may take when the service stops.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// Asks for updates until `stop`. The next request acknowledges the updates before it, so each is handled
/// before it goes out.
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
    info!("polling Telegram for updates");
    let mut offset = 0;
    let mut backoff = Backoff::default();
    while !stop.is_cancelled() {
        let answer = tokio::select! {
            answer = api.updates(offset, POLL_TIMEOUT) => answer,
            () = stop.cancelled() => break,
        };
        let failure = match answer {
            Ok(updates) => {
                backoff = Backoff::default();
                for update in updates {
                    if stop.is_cancelled() {
                        break;
                    }
                    offset = update.id.as_offset();
                    handler.handle(update).await;
                }
                continue;
            }
            Err(failure) => failure,
        };
        // Even a token that is refused now, and was not before, is no reason to stop recording.
        let wait = backoff.next(failure.named_wait());
        warn!("Telegram did not give updates: {failure}; trying again in {} s", wait.as_secs());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => break,
        }
    }
    // Acknowledges what was handled last, so that the next start does not answer it again.
    if offset != 0 {
        let _ = tokio::time::timeout(LAST_REQUEST, api.updates(offset, Duration::ZERO)).await;
    }
    Ok(())
}

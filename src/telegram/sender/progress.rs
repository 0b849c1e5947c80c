//! Sends what shows a person that a reply is being made: chat actions, drafts, and messages that are deleted afterwards.

use std::time::Instant;

use serde::de::IgnoredAny;
use store::event::ChatId;
use teloxide::payloads::{DeleteMessage, SendChatAction};
use teloxide::types::{ChatAction, MessageId};
use tracing::{debug, warn};

use super::Sender;
use crate::chat::Reply;
use crate::status::ServerFeature;
use crate::telegram::draft::{DraftId, DraftOutcome, SendMessageDraft};
use crate::telegram::outgoing::{Destination, OutgoingMessage, telegram_id};
use crate::telegram::server_features::{lacks_drafts, record_lacking};
use crate::text::Text;

impl Sender {
    /// Shows for some seconds what the bot is doing. A failure has no effect.
    pub(in crate::telegram) async fn show_action(&self, destination: Destination, action: ChatAction) {
        let mut request = SendChatAction::new(telegram_id(destination.chat), action);
        request.message_thread_id = destination.topic;
        if let Err(error) = self.api.request(&request).await {
            debug!(chat = %destination.chat, %error, "could not show a chat action");
        }
    }

    /// Sends a progress message, or edits the `shown` one, if there is send capacity soon. Returns the message that
    /// is shown now.
    pub(in crate::telegram) async fn show_progress(
        &self,
        destination: Destination,
        shown: Option<MessageId>,
        reply: &Reply,
    ) -> Option<MessageId> {
        let chat = destination.chat;
        if !self.try_acquire_soon(chat).await {
            return shown;
        }
        let outcome = match shown {
            Some(message) => self.api.edit(chat, message, reply, self.times()).await.map(|()| Some(message)),
            None => {
                let message = OutgoingMessage { destination, reply, silent: true, plain_limit: None };
                self.api.send(&message, self.times()).await
            }
        };
        outcome.unwrap_or_else(|error| {
            debug!(%chat, %error, "could not show a progress message");
            shown
        })
    }

    /// Whether progress is shown in this chat as a draft. Telegram has drafts only in private chats.
    pub(in crate::telegram) fn shows_drafts(&self, chat: ChatId) -> bool {
        chat.0 > 0 && self.api.features().has(ServerFeature::Drafts)
    }

    /// Shows the text as a draft, or replaces that of this draft, if no reply needs the send capacity.
    pub(in crate::telegram) async fn show_draft(
        &self,
        destination: Destination,
        draft: DraftId,
        text: &Text,
    ) -> DraftOutcome {
        if !self.limiter().try_take_for_draft(Instant::now()) {
            return DraftOutcome::Skipped;
        }
        let request = SendMessageDraft::new(destination, draft, text);
        let error = match self.api.request_as(&request).await {
            Ok(IgnoredAny) => {
                self.api.features().record_shown(ServerFeature::Drafts);
                return DraftOutcome::Shown;
            }
            Err(error) => error,
        };
        debug!(chat = %destination.chat, %error, "could not show a draft");
        let is_unknown = lacks_drafts(&error);
        if is_unknown {
            record_lacking(self.api.features(), ServerFeature::Drafts);
        }
        if is_unknown || error.refusal().is_some() { DraftOutcome::Refused } else { DraftOutcome::Skipped }
    }

    /// Deletes one of the bot's messages.
    pub(in crate::telegram) async fn delete(&self, chat: ChatId, message: MessageId) {
        if let Err(error) = self.api.request(&DeleteMessage::new(telegram_id(chat), message)).await {
            warn!(event = "delete_failed", %chat, %error, "could not delete a progress message");
        }
    }
}

//! Drafts of messages in private chats (Bot API, `sendMessageDraft`): the person sees the text for 30 seconds, or until
//! the next one or a message takes its place.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use teloxide::requests::Payload;
use teloxide::types::{ThreadId, True};

use super::outgoing::Destination;
use crate::text::{MESSAGE_LIMIT, Text};

/// The highest identifier that is used; they are positive 32-bit numbers.
const LAST_ID: u32 = 0x7fff_ffff;

/// What identifies a draft: its texts replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct DraftId(u32);

impl DraftId {
    /// An identifier that no other draft has had for a long time.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed) % LAST_ID + 1)
    }
}

/// The request that shows a draft, or replaces its text.
#[derive(Debug, Serialize)]
pub(super) struct SendMessageDraft {
    chat_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<ThreadId>,
    draft_id: DraftId,
    text: String,
}

impl SendMessageDraft {
    pub(super) fn new(destination: Destination, draft: DraftId, text: &Text) -> Self {
        Self {
            chat_id: destination.chat.0,
            message_thread_id: destination.topic,
            draft_id: draft,
            text: text.shortened(MESSAGE_LIMIT).to_string(),
        }
    }
}

impl Payload for SendMessageDraft {
    type Output = True;

    const NAME: &'static str = "SendMessageDraft";
}

/// What came of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DraftOutcome {
    /// It is shown.
    Shown,
    /// It is not shown now, but a later one may be.
    Skipped,
    /// Telegram does not take drafts here.
    Refused,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::event::ChatId;

    use super::*;

    #[test]
    fn a_draft_has_an_identifier_that_is_not_zero() {
        let (one, other) = (DraftId::next(), DraftId::next());
        assert!(one != other && one.0 > 0 && other.0 > 0);
        let text = Text::plain("⏳ Reading the log… <50 %>");
        let request = SendMessageDraft::new(ChatId(1001).into(), one, &text);
        let expected = json!({"chat_id": 1001, "draft_id": one.0, "text": "⏳ Reading the log… <50 %>"});
        assert_eq!(serde_json::to_value(&request).unwrap(), expected);
    }
}

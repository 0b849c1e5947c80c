//! Updates without the parts that the bot does not use, for one that serde_json rejects because of such a part.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The number of an update.
#[derive(Deserialize)]
pub(super) struct Numbered {
    pub(super) update_id: u32,
}

/// An update without the parts that the bot does not use, which are skipped whatever they contain.
#[derive(Serialize, Deserialize)]
pub(super) struct UsedParts {
    update_id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<UsedMessage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback_query: Option<UsedQuery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inline_query: Option<UsedInlineQuery>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    my_chat_member: Option<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct UsedMessage {
    message_id: Value,
    date: Value,
    chat: Value,
    from: Value,
    sender_chat: Value,
    message_thread_id: Value,
    is_topic_message: Value,
    text: Value,
    caption: Value,
    is_automatic_forward: Value,
    via_bot: Value,
    #[serde(serialize_with = "presence")]
    forward_origin: Option<IgnoredAny>,
    #[serde(serialize_with = "presence")]
    external_reply: Option<IgnoredAny>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_message: Option<UsedReply>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct UsedReply {
    from: Value,
    text: Value,
    caption: Value,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct UsedQuery {
    id: Value,
    from: Value,
    message: UsedMessage,
    data: Value,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct UsedInlineQuery {
    id: Value,
    from: Value,
    query: Value,
}

/// Whether there was something.
fn presence<S: serde::Serializer>(part: &Option<IgnoredAny>, serializer: S) -> Result<S::Ok, S::Error> {
    match part {
        Some(IgnoredAny) => serializer.serialize_bool(true),
        None => serializer.serialize_none(),
    }
}

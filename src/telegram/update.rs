//! Updates as the bot reads them (Bot API, `Update`): only the parts that it uses, each by itself.
//!
//! teloxide's types reject a whole update for one part that they do not know: a new kind of origin, medium, button,
//! entity or chat. Here such a part hides nothing else. What is not there, or has an unknown form, counts as absent.

mod batch;
mod rich_text;
mod used_parts;

use std::fmt;

use serde_json::Value;
use store::event::ChatId;
use teloxide::types::{MessageId, ThreadId};
use tracing::warn;

pub(super) use batch::{elements_of_result, read_updates};
use used_parts::{Numbered, UsedParts};

/// Fields of a message that say that something happened in the chat, and that nobody wrote (Bot API, `Message`,
/// "Service message").
const SERVICE_FIELDS: [&str; 30] = [
    "new_chat_members",
    "left_chat_member",
    "new_chat_title",
    "new_chat_photo",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "pinned_message",
    "users_shared",
    "chat_shared",
    "write_access_allowed",
    "boost_added",
    "chat_background_set",
    "successful_payment",
    "proximity_alert_triggered",
    "connected_website",
    "refunded_payment",
    "gift",
    "unique_gift",
    "gift_upgrade_sent",
    "passport_data",
    "giveaway_completed",
    "giveaway_winners",
    "web_app_data",
    "managed_bot_created",
    "paid_message_price_changed",
];

/// Beginnings of the names of further such fields.
const SERVICE_PREFIXES: [&str; 9] = [
    "forum_topic_",
    "general_forum_topic_",
    "video_chat_",
    "giveaway_created",
    "suggested_post_",
    "chat_owner_",
    "checklist_tasks_",
    "poll_option_",
    "direct_message_price_",
];

/// An update.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Update {
    /// Its number.
    pub(super) id: u32,
    pub(super) kind: UpdateKind,
}

/// What an update reports.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum UpdateKind {
    Message(Box<Message>),
    CallbackQuery(Box<CallbackQuery>),
    InlineQuery(Box<InlineQuery>),
    MyChatMember(ChatMemberUpdated),
    /// A kind that the bot does not use, or one of its kinds without the part that it is about.
    Other {
        /// The name of its field.
        name: String,
        chat: Option<ChatId>,
    },
}

/// A message (Bot API, `Message`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) chat: Chat,
    /// Who wrote it.
    pub(super) from: Option<User>,
    /// The group or channel in whose name it was written.
    pub(super) sender_chat: Option<Chat>,
    /// The topic of a forum that it is in.
    pub(super) topic: Option<ThreadId>,
    /// Its text, or that of the blocks of a rich message.
    pub(super) text: Option<String>,
    pub(super) caption: Option<String>,
    pub(super) has_photo: bool,
    pub(super) has_document: bool,
    pub(super) is_forwarded: bool,
    /// A channel's post in the group that discusses it.
    pub(super) is_automatic_forward: bool,
    /// Nobody wrote it.
    pub(super) is_service: bool,
    /// The account of the bot through which it was sent.
    pub(super) via_bot: Option<i64>,
    /// It replies to something.
    pub(super) is_reply: bool,
    /// The message of this chat that it replies to.
    pub(super) replies_to: Option<RepliedMessage>,
    /// The new ID of the group, or its old one.
    pub(super) migrate_to: Option<ChatId>,
    pub(super) migrate_from: Option<ChatId>,
}

/// The part of a message that another one replies to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RepliedMessage {
    /// The account that wrote it.
    pub(super) from: Option<i64>,
    /// Its text, the text of its blocks, or its caption.
    pub(super) text: Option<String>,
}

/// A chat (Bot API, `Chat`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chat {
    pub(super) id: ChatId,
    pub(super) is_private: bool,
    /// The title of a group or channel, or the name of a person.
    pub(super) name: String,
}

/// An account (Bot API, `User`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) is_bot: bool,
    pub(super) name: String,
}

/// A press of a button (Bot API, `CallbackQuery`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CallbackQuery {
    /// What an answer names.
    pub(super) id: Option<String>,
    pub(super) from: Option<User>,
    /// The message with the button.
    pub(super) message: Option<Message>,
    /// Whether the bot can still see and edit that message (Bot API, `InaccessibleMessage`).
    pub(super) is_accessible: bool,
    pub(super) data: Option<String>,
}

/// What somebody typed behind the bot's name in any chat (Bot API, `InlineQuery`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct InlineQuery {
    /// What an answer names.
    pub(super) id: String,
    pub(super) from: User,
    pub(super) query: String,
}

/// A change of the bot's own membership (Bot API, `ChatMemberUpdated`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChatMemberUpdated {
    pub(super) chat: Chat,
    /// Whether the bot is in the chat now; `None` if the status is unknown.
    pub(super) is_present: Option<bool>,
}

/// An update that cannot be read at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has no number")
    }
}

impl Update {
    /// Reads one update.
    ///
    /// # Errors
    /// [`Unreadable`] if it has no number, without which it cannot be acknowledged.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = String::from_utf8_lossy(bytes);
        let value = serde_json::from_str(&text).or_else(|_| {
            // A part that the bot does not use has a form that serde_json rejects, such as too deep a nesting.
            serde_json::from_str::<UsedParts>(&text).and_then(serde_json::to_value)
        });
        match value {
            Ok(value) => Self::from_value(&value),
            Err(error) => {
                let numbered: Numbered = serde_json::from_str(&text).map_err(|_| Unreadable)?;
                warn!(event = "update_unreadable", update = numbered.update_id, %error, "ignored an update that cannot be read");
                let kind = UpdateKind::Other { name: "unreadable".to_owned(), chat: None };
                Ok(Self { id: numbered.update_id, kind })
            }
        }
    }

    /// As [`Update::read`], of parsed JSON.
    ///
    /// # Errors
    /// [`Unreadable`] if it has no number.
    pub(super) fn from_value(value: &Value) -> Result<Self, Unreadable> {
        let id = value.get("update_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        let id = id.ok_or(Unreadable)?;
        let fields = || value.as_object().into_iter().flatten().filter(|(name, _)| *name != "update_id");
        let known = fields().find_map(|(name, content)| {
            Some(match name.as_str() {
                "message" => UpdateKind::Message(Box::new(Message::from_value(content)?)),
                "callback_query" => UpdateKind::CallbackQuery(Box::new(CallbackQuery::from_value(content))),
                "inline_query" => UpdateKind::InlineQuery(Box::new(InlineQuery::from_value(content)?)),
                "my_chat_member" => UpdateKind::MyChatMember(ChatMemberUpdated::from_value(content)?),
                _ => return None,
            })
        });
        let kind = known.unwrap_or_else(|| {
            let (name, content) =
                fields().next().map_or(("nothing", &Value::Null), |(name, content)| (name, content));
            let chat =
                Chat::in_field(content, "chat").or_else(|| Chat::in_field(content.get("message")?, "chat"));
            UpdateKind::Other { name: name.chars().take(64).collect(), chat: chat.map(|chat| chat.id) }
        });
        Ok(Self { id, kind })
    }
}

impl Message {
    fn from_value(value: &Value) -> Option<Self> {
        let chat = Chat::in_field(value, "chat")?;
        let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
        let has = |name: &str| value.get(name).is_some_and(|field| !field.is_null());
        let id = |name: &str| value.get(name).and_then(Value::as_i64);
        let message_id = |name: &str| id(name).and_then(|id| i32::try_from(id).ok()).map(MessageId);
        let topic = message_id("message_thread_id").filter(|_| flag("is_topic_message"));
        let is_service = |name: &str| {
            SERVICE_FIELDS.contains(&name) || SERVICE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        Some(Self {
            id: message_id("message_id").unwrap_or(MessageId(0)),
            chat,
            from: User::in_field(value, "from"),
            sender_chat: Chat::in_field(value, "sender_chat"),
            topic: topic.map(ThreadId),
            text: text(value, "text").or_else(|| rich_text::of_message(value)),
            caption: text(value, "caption"),
            has_photo: has("photo"),
            has_document: has("document"),
            is_forwarded: has("forward_origin") || has("forward_date"),
            is_automatic_forward: flag("is_automatic_forward"),
            is_service: value.as_object().is_some_and(|fields| fields.keys().any(|name| is_service(name))),
            via_bot: value.get("via_bot").and_then(|bot| bot.get("id")).and_then(Value::as_i64),
            is_reply: has("reply_to_message") || has("external_reply") || has("reply_to_story"),
            replies_to: value.get("reply_to_message").map(|replied| RepliedMessage {
                from: replied.get("from").and_then(|from| from.get("id")).and_then(Value::as_i64),
                text: text(replied, "text")
                    .or_else(|| rich_text::of_message(replied))
                    .or_else(|| text(replied, "caption")),
            }),
            migrate_to: id("migrate_to_chat_id").map(ChatId),
            migrate_from: id("migrate_from_chat_id").map(ChatId),
        })
    }
}

impl Chat {
    fn in_field(value: &Value, name: &str) -> Option<Self> {
        let chat = value.get(name)?;
        let id = chat.get("id")?.as_i64()?;
        let is_private = match chat.get("type").and_then(Value::as_str) {
            Some("private") => true,
            Some("group" | "supergroup" | "channel") => false,
            // A person's ID is positive.
            _ => id > 0,
        };
        let name = text(chat, "title").unwrap_or_else(|| full_name(chat));
        Some(Self { id: ChatId(id), is_private, name })
    }
}

impl User {
    fn in_field(value: &Value, name: &str) -> Option<Self> {
        let user = value.get(name)?;
        let is_bot = user.get("is_bot").and_then(Value::as_bool).unwrap_or(false);
        Some(Self { id: user.get("id")?.as_i64()?, is_bot, name: full_name(user) })
    }
}

impl CallbackQuery {
    fn from_value(value: &Value) -> Self {
        let message = value.get("message");
        let date = message.and_then(|message| message.get("date")).and_then(Value::as_i64);
        Self {
            id: text(value, "id").or_else(|| Some(value.get("id")?.as_i64()?.to_string())),
            from: User::in_field(value, "from"),
            message: message.and_then(Message::from_value),
            is_accessible: date != Some(0),
            data: text(value, "data"),
        }
    }
}

impl InlineQuery {
    fn from_value(value: &Value) -> Option<Self> {
        let query = text(value, "query").unwrap_or_default();
        Some(Self { id: text(value, "id")?, from: User::in_field(value, "from")?, query })
    }
}

impl ChatMemberUpdated {
    fn from_value(value: &Value) -> Option<Self> {
        let chat = Chat::in_field(value, "chat")?;
        let member = value.get("new_chat_member");
        let status = member.and_then(|member| member.get("status")).and_then(Value::as_str);
        let is_present = match status {
            Some("creator" | "administrator" | "member") => Some(true),
            Some("restricted") => {
                let is_member = member.and_then(|member| member.get("is_member")).and_then(Value::as_bool);
                Some(is_member.unwrap_or(true))
            }
            Some("left" | "kicked") => Some(false),
            _ => None,
        };
        Some(Self { chat, is_present })
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The first and the last name.
fn full_name(value: &Value) -> String {
    let names = [text(value, "first_name"), text(value, "last_name")];
    names.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn message(fields: Value) -> Value {
        let mut message = json!({
            "message_id": 64,
            "date": 1_769_000_000,
            "from": {"id": 777, "is_bot": false, "first_name": "Alice"},
            "chat": {"id": 1, "type": "private", "first_name": "Alice"},
            "text": "/status",
        });
        for (name, value) in fields.as_object().unwrap() {
            message[name] = value.clone();
        }
        message
    }

    #[track_caller]
    fn read(update: &str) -> Update {
        Update::read(update.as_bytes()).unwrap()
    }

    #[test]
    fn no_unknown_part_hides_text_chat_and_sender() {
        let unknown = json!({"type": "of tomorrow", "date": -1, "nested": [{"a": null}]});
        let keyboard = json!({"inline_keyboard": [[{"text": "x", "of_tomorrow": {}}, 7], "row"]});
        for fields in [
            json!({"external_reply": {"origin": {"type": "user"}}, "quote": {"text": "b", "position": 1}}),
            json!({"external_reply": unknown, "reply_markup": keyboard, "entities": [unknown, 5]}),
            json!({"reply_to_message": unknown, "via_bot": 7, "checklist": unknown, "rich_message": [1]}),
            json!({"link_preview_options": 5, "date": "yesterday", "edit_date": [], "photo": "none"}),
            json!({"chat": {"id": 1, "type": "of tomorrow"}, "from": {"id": 777, "language_code": 5}}),
            json!({"message_id": 9_999_999_999_999_i64, "sender_boost_count": 1.5, "of_tomorrow": unknown}),
        ] {
            let update = json!({"update_id": 7, "message": message(fields.clone())}).to_string();
            let Update { id: 7, kind: UpdateKind::Message(message) } = read(&update) else {
                panic!("{update}")
            };
            assert_eq!(
                (message.text.as_deref(), message.chat.id, message.from.map(|from| from.id)),
                (Some("/status"), ChatId(1), Some(777)),
                "{fields}"
            );
            assert!(message.chat.is_private && !message.is_forwarded && !message.is_service, "{fields}");
        }
    }

    /// Any JSON, a few levels deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z_]{1,8}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_the_other_parts_are_a_message_has_its_text_and_chat(
            parts in prop::collection::vec((0..12_usize, any_json()), 0..6)
        ) {
            const PARTS: [&str; 12] = [
                "date", "external_reply", "reply_to_message", "quote", "entities", "reply_markup", "photo", "via_bot",
                "link_preview_options", "sender_chat", "message_thread_id", "of_tomorrow",
            ];
            let fields = parts.into_iter().map(|(part, value)| (PARTS[part].to_owned(), value)).collect();
            let update = json!({"update_id": 7, "message": message(Value::Object(fields))});
            let read = Update::read(update.to_string().as_bytes()).unwrap();
            let UpdateKind::Message(message) = read.kind else { panic!("{update}") };
            prop_assert_eq!(message.text.as_deref(), Some("/status"));
            prop_assert_eq!(message.chat.id, ChatId(1));
            prop_assert_eq!(message.from.map(|from| from.id), Some(777));
        }

        #[test]
        fn any_json_is_read_as_some_update(update in any_json(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Update::from_value(&update);
            let _ = Update::read(&bytes);
            let numbered = json!({"update_id": 7, "message": update.clone(), "callback_query": update});
            prop_assert_eq!(Update::from_value(&numbered).unwrap().id, 7);
            let body = json!({"ok": true, "result": [numbered, update]}).to_string();
            prop_assert_eq!(elements_of_result(body.as_bytes()).map(|found| found.len()), Some(2));
            let _ = elements_of_result(&bytes);
        }
    }

    #[test]
    fn a_part_that_is_no_usable_json_hides_nothing() {
        let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
        for part in [deep.as_str(), r#""\ud83d""#, "1e999", r#"{"a":1,"a":2}"#] {
            let update = json!({"update_id": 7, "message": message(json!({"external_reply": "PART"}))});
            let update = update.to_string().replace("\"PART\"", part);
            let UpdateKind::Message(message) = read(&update).kind else { panic!("{update}") };
            assert_eq!((message.text.as_deref(), message.is_reply), (Some("/status"), true), "{part}");
            let query = json!({"update_id": 8, "callback_query": {"id": "5", "data": "x", "game": "PART",
                "message": message_with_markup()}});
            let UpdateKind::CallbackQuery(query) = read(&query.to_string().replace("\"PART\"", part)).kind
            else {
                panic!("{part}")
            };
            assert_eq!((query.id.as_deref(), query.data.as_deref()), (Some("5"), Some("x")));
            assert_eq!(query.message.map(|message| message.chat.id), Some(ChatId(1)));
        }
        // What the bot uses cannot be read, but the update can be acknowledged.
        let update = read(r#"{"update_id":9,"message":{"text":"\ud83d","chat":{"id":1}}}"#);
        assert_eq!((update.id, matches!(update.kind, UpdateKind::Other { .. })), (9, true));
    }

    fn message_with_markup() -> Value {
        message(json!({"reply_markup": {"inline_keyboard": [[{"of_tomorrow": 1}]]}}))
    }

    #[test]
    fn other_updates_have_their_number_and_chat() {
        for (update, name, chat) in [
            (json!({"update_id": 5}), "nothing", None),
            (json!({"update_id": 5, "message": "none"}), "message", None),
            (json!({"update_id": 5, "of_tomorrow": {"chat": {"id": 3}}}), "of_tomorrow", Some(ChatId(3))),
            (
                json!({"update_id": 5, "edited_message": message(json!({"caption": 5}))}),
                "edited_message",
                Some(ChatId(1)),
            ),
            (json!({"update_id": 5, "my_chat_member": {"chat": 5}}), "my_chat_member", None),
        ] {
            assert_eq!(
                Update::from_value(&update).unwrap().kind,
                UpdateKind::Other { name: name.to_owned(), chat }
            );
        }
        for update in [json!(null), json!({}), json!([]), json!({"update_id": "5"}), json!({"update_id": -1})]
        {
            assert_eq!(Update::from_value(&update), Err(Unreadable), "{update}");
        }
    }

    #[test]
    fn an_inline_query_is_read_whatever_its_other_parts_are() {
        let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
        for location in ["null", "5", r#""\ud83d""#, deep.as_str()] {
            let from = r#"{"id":777,"is_bot":false,"first_name":"Alice"}"#;
            let update = format!(
                r#"{{"update_id":5,"inline_query":{{"id":"9","from":{from},"query":"lamp","location":{location}}}}}"#
            );
            let UpdateKind::InlineQuery(query) = read(&update).kind else { panic!("{update}") };
            assert_eq!((query.id.as_str(), query.from.id, query.query.as_str()), ("9", 777, "lamp"));
        }
        for unreadable in [json!(null), json!([]), json!({"id": 9}), json!({"id": "9", "from": {"id": "x"}})]
        {
            let update = Update::from_value(&json!({"update_id": 5, "inline_query": unreadable})).unwrap();
            assert_eq!(update.kind, UpdateKind::Other { name: "inline_query".to_owned(), chat: None });
        }
    }

    #[test]
    fn a_membership_of_an_unknown_status_is_neither() {
        let present = |member: Value| {
            let update = json!({"update_id": 5, "my_chat_member":
                {"chat": {"id": -1, "type": "of tomorrow"}, "new_chat_member": member}});
            match Update::from_value(&update).unwrap().kind {
                UpdateKind::MyChatMember(change) => change.is_present,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(present(json!({"status": "member", "of_tomorrow": {}})), Some(true));
        assert_eq!(present(json!({"status": "restricted", "is_member": false})), Some(false));
        assert_eq!(present(json!({"status": "restricted"})), Some(true));
        assert_eq!(present(json!({"status": "kicked"})), Some(false));
        assert_eq!(present(json!({"status": "of tomorrow"})), None);
        assert_eq!(present(json!(5)), None);
    }
}

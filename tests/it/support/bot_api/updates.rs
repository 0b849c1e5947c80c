//! Updates as Telegram sends them: messages, button presses and changes of membership.

use serde_json::{Value, json};

use super::SentMessage;
use super::limits::utf16_length;
use super::methods::{self, now};

/// An action of a person in a chat.
#[derive(Debug, Clone)]
pub struct Incoming {
    chat_id: i64,
    user_id: i64,
    first_name: String,
    thread_id: Option<i64>,
    /// Additional fields of the message.
    with: Value,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Text(String),
    EditedText(String),
    /// A message without text: a sticker, a photo, a service message.
    Other(Value),
    Callback {
        message_id: i64,
        data: String,
    },
    /// A press on a button under this message.
    CallbackUnder {
        message: Value,
        data: String,
    },
    ChannelPost(String),
    /// A change of the bot's own membership to this status.
    Membership(String),
    /// Text after the bot's name, while a message is written in any chat.
    InlineQuery(String),
}

impl Incoming {
    /// A text message. A positive chat ID is the private chat with that user, a negative one a supergroup in which the
    /// user 777 writes.
    pub fn text(chat_id: i64, text: impl Into<String>) -> Self {
        Self::new(chat_id, What::Text(text.into()))
    }

    /// An edit of an earlier message.
    pub fn edited_text(chat_id: i64, text: impl Into<String>) -> Self {
        Self::new(chat_id, What::EditedText(text.into()))
    }

    /// A message with these fields, such as `{"sticker": …}`, instead of a text.
    pub fn other(chat_id: i64, fields: Value) -> Self {
        Self::new(chat_id, What::Other(fields))
    }

    /// A press on an inline button under the bot's own message.
    pub fn callback(chat_id: i64, message_id: i64, data: impl Into<String>) -> Self {
        Self::new(chat_id, What::Callback { message_id, data: data.into() })
    }

    /// A press on a button under a message that the bot sent.
    pub fn press(under: &SentMessage, data: impl Into<String>) -> Self {
        let what = What::CallbackUnder { message: methods::message_json(under), data: data.into() };
        Self::new(under.chat_id, what)
    }

    /// A press on a button under a message that is too old for the bot to see.
    pub fn press_under_old(chat_id: i64, message_id: i64, data: impl Into<String>) -> Self {
        let message = json!({"chat": chat(chat_id), "message_id": message_id, "date": 0});
        Self::new(chat_id, What::CallbackUnder { message, data: data.into() })
    }

    /// A post in a channel.
    pub fn channel_post(chat_id: i64, text: impl Into<String>) -> Self {
        Self::new(chat_id, What::ChannelPost(text.into()))
    }

    /// The bot's membership in the chat changed to `member`, `left` or `kicked`.
    pub fn membership(chat_id: i64, status: impl Into<String>) -> Self {
        Self::new(chat_id, What::Membership(status.into()))
    }

    /// What this user writes after the bot's name in some chat.
    pub fn inline_query(user_id: i64, query: impl Into<String>) -> Self {
        Self::new(user_id, What::InlineQuery(query.into()))
    }

    /// A reply to one of the bot's messages.
    pub fn reply(to: &SentMessage, text: impl Into<String>) -> Self {
        Self::text(to.chat_id, text).with(json!({"reply_to_message": methods::message_json(to)}))
    }

    /// Adds fields to the message.
    pub fn with(mut self, fields: Value) -> Self {
        match (self.with.as_object_mut(), fields) {
            (Some(with), Value::Object(fields)) => with.extend(fields),
            (_, fields) => self.with = fields,
        }
        self
    }

    pub fn by_user(mut self, user_id: i64, first_name: impl Into<String>) -> Self {
        (self.user_id, self.first_name) = (user_id, first_name.into());
        self
    }

    /// In this topic of a forum.
    pub fn in_thread(mut self, thread_id: i64) -> Self {
        self.thread_id = Some(thread_id);
        self
    }

    fn new(chat_id: i64, what: What) -> Self {
        let user_id = if chat_id > 0 { chat_id } else { 777 };
        Self { chat_id, user_id, first_name: "Test".into(), thread_id: None, with: Value::Null, what }
    }

    pub(super) fn into_update(self, update_id: i64, message_id: i64) -> Value {
        let mut message = json!({
            "message_id": message_id,
            "from": {
                "id": self.user_id,
                "is_bot": false,
                "first_name": self.first_name,
                "language_code": "en",
            },
            "chat": chat(self.chat_id),
            "date": now(),
        });
        if let Some(thread_id) = self.thread_id {
            message["message_thread_id"] = thread_id.into();
            message["is_topic_message"] = true.into();
            message["chat"]["is_forum"] = true.into();
        }
        for (name, value) in self.with.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        let mut update = json!({"update_id": update_id});
        match self.what {
            What::Text(text) => {
                set_text(&mut message, &text);
                update["message"] = message;
            }
            What::EditedText(text) => {
                set_text(&mut message, &text);
                message["edit_date"] = now().into();
                update["edited_message"] = message;
            }
            What::Other(fields) => {
                for (name, value) in fields.as_object().into_iter().flatten() {
                    message[name] = value.clone();
                }
                update["message"] = message;
            }
            What::CallbackUnder { message: under, data } => {
                update["callback_query"] = json!({
                    "id": format!("{update_id}"),
                    "from": message["from"].take(),
                    "message": under,
                    "chat_instance": "1",
                    "data": data,
                });
            }
            What::ChannelPost(text) => {
                set_text(&mut message, &text);
                message["chat"] = json!({"id": self.chat_id, "type": "channel", "title": "Test channel"});
                message["sender_chat"] = message["chat"].clone();
                message["from"].take();
                update["channel_post"] = message;
            }
            What::Membership(status) => {
                let member = |status: &str| {
                    json!({"user": methods::bot_user(), "status": status,
                                                   "until_date": 0})
                };
                update["my_chat_member"] = json!({
                    "chat": message["chat"].take(),
                    "from": message["from"].take(),
                    "date": now(),
                    "old_chat_member": member(if status == "member" { "left" } else { "member" }),
                    "new_chat_member": member(&status),
                });
            }
            What::InlineQuery(query) => {
                update["inline_query"] = json!({
                    "id": format!("{update_id}"),
                    "from": message["from"].take(),
                    "query": query,
                    "offset": "",
                    "chat_type": "private",
                });
            }
            What::Callback { message_id, data } => {
                let from = message["from"].take();
                message["message_id"] = message_id.into();
                message["from"] = json!({"id": 123456, "is_bot": true, "first_name": "probewatch under test",
                           "username": "probewatch_test_bot"});
                set_text(&mut message, "(the bot's message)");
                update["callback_query"] = json!({
                    "id": format!("{update_id}"),
                    "from": from,
                    "message": message,
                    "chat_instance": "1",
                    "data": data,
                });
            }
        }
        update
    }
}

/// The kind of an update, as in `allowed_updates`.
pub fn kind(update: &Value) -> &str {
    let mut names = update.as_object().into_iter().flat_map(|object| object.keys());
    names.find(|name| *name != "update_id").map_or("", String::as_str)
}

/// The chat with this ID: private if positive, else a supergroup.
pub fn chat(id: i64) -> Value {
    if id > 0 {
        json!({"id": id, "type": "private", "first_name": "Test"})
    } else {
        json!({"id": id, "type": "supergroup", "title": "Test group"})
    }
}

fn set_text(message: &mut Value, text: &str) {
    message["text"] = text.into();
    let entities = bot_commands(text);
    if !entities.is_empty() {
        message["entities"] = entities.into();
    }
}

/// Telegram marks `/command` and `/command@bot` at the start of any word.
fn bot_commands(text: &str) -> Vec<Value> {
    let mut entities = Vec::new();
    let mut before = None;
    for (at, character) in text.char_indices() {
        let starts_word = before.is_none_or(char::is_whitespace);
        before = Some(character);
        if character != '/' || !starts_word {
            continue;
        }
        let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = &text[at + 1..];
        let mut length = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
        if !(1..=64).contains(&length) {
            continue;
        }
        if let Some(bot) = rest[length..].strip_prefix('@') {
            let name = bot.find(|c| !in_name(c)).unwrap_or(bot.len());
            length += if name > 0 { 1 + name } else { 0 };
        }
        let offset = utf16_length(&text[..at]);
        entities.push(json!({"type": "bot_command", "offset": offset, "length": length + 1}));
    }
    entities
}

//! What a message asks of the bot, before it is read.
//!
//! In a private chat everything is for the bot. In a group people speak with each other: the bot hears its own
//! commands, what mentions it, and replies to its messages, and keeps silent else. What another bot wrote, or
//! someone else wrote and a person passed on, is nobody's wish.

use serde_json::Value;
use teloxide::types::{Message, MessageKind, Update, UpdateKind, UserId};
use tracing::warn;

use crate::chat::commands;

/// An update as Telegram has put it. The marks in its texts are left out: nobody here looks at them, and a kind
/// of mark that teloxide does not know yet would hide the whole message.
///
/// # Errors
/// Where it is none.
pub(super) fn read_update(mut update: Value) -> Result<Update, serde_json::Error> {
    leave_out_marks(&mut update);
    // teloxide reads the kind of an update from text alone.
    let update: Update = serde_json::from_str(&update.to_string())?;
    if let UpdateKind::Error(_) = update.kind {
        warn!(update = update.id.0, "ignored an update of an unknown form");
    }
    Ok(update)
}

fn leave_out_marks(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["entities", "caption_entities"].contains(&name.as_str()));
            fields.values_mut().for_each(leave_out_marks);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_marks),
        _ => {}
    }
}

/// Who the bot is.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) id: UserId,
    /// Without the `@`.
    pub(super) username: String,
}

/// What a message asks of the bot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IncomingMessage {
    /// It says this.
    Text {
        text: String,
        /// The message of the bot's that it is a reply to.
        in_reply_to: Option<String>,
    },
    /// A sticker, a voice, a picture without words, to the bot alone.
    Wordless,
    /// A message of someone else's that was passed on, to the bot alone.
    Forwarded,
    /// Nothing.
    Nothing,
}

impl Me {
    /// What `message` asks of the bot.
    pub(super) fn classify(&self, message: &Message) -> IncomingMessage {
        // Admins who hide, and channels that write in a group, do so through a bot of Telegram's.
        let is_bots = message.from.as_ref().is_some_and(|from| from.is_bot) && message.sender_chat.is_none();
        if is_bots || message.is_automatic_forward() {
            return IncomingMessage::Nothing;
        }
        let is_private = message.chat.is_private();
        if message.forward_origin().is_some() {
            return if is_private { IncomingMessage::Forwarded } else { IncomingMessage::Nothing };
        }
        let Some(text) = message.text().or(message.caption()) else {
            let is_service = !matches!(message.kind, MessageKind::Common(_) | MessageKind::Dice(_));
            return if is_private && !is_service {
                IncomingMessage::Wordless
            } else {
                IncomingMessage::Nothing
            };
        };
        let in_reply_to = self.replied_to(message);
        let text = match (is_private, in_reply_to.is_some()) {
            (true, _) => (!is_for_another(text, &self.username)).then(|| text.to_owned()),
            (false, is_reply) => self.meant(text, is_reply),
        };
        text.map_or(IncomingMessage::Nothing, |text| IncomingMessage::Text { text, in_reply_to })
    }

    /// The message of the bot's that this one is a reply to.
    fn replied_to(&self, message: &Message) -> Option<String> {
        let replied = message.reply_to_message()?;
        let is_mine = replied.from.as_ref().is_some_and(|from| from.id == self.id);
        is_mine.then(|| replied.text().or(replied.caption()).map(str::to_owned)).flatten()
    }

    /// What is said to the bot in a group, where anything is.
    fn meant(&self, text: &str, is_reply: bool) -> Option<String> {
        let is_command = text.trim_start().starts_with('/');
        if is_command && is_for_another(text, &self.username) {
            return None;
        }
        if let Some(text) = without_mention(text, &self.username) {
            return Some(text);
        }
        // A command that does not exist is another bot's, unless it carries this one's name.
        (is_reply || is_command && (names_me(text, &self.username) || exists(text))).then(|| text.to_owned())
    }
}

/// The word behind the slash, and the bot that it names.
fn command(text: &str) -> Option<(&str, Option<&str>)> {
    let word = text.split_whitespace().next()?.strip_prefix('/')?;
    Some(word.split_once('@').map_or((word, None), |(name, bot)| (name, Some(bot))))
}

/// The code that the text is and nothing else, where it has the form of one: 32 hex digits.
pub(super) fn bare_code(text: &str) -> Option<&str> {
    let text = text.trim();
    (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

fn is_for_another(text: &str, username: &str) -> bool {
    command(text).and_then(|(_, bot)| bot).is_some_and(|bot| !bot.eq_ignore_ascii_case(username))
}

fn names_me(text: &str, username: &str) -> bool {
    command(text).and_then(|(_, bot)| bot).is_some_and(|bot| bot.eq_ignore_ascii_case(username))
}

fn exists(text: &str) -> bool {
    commands::find(text).is_some()
}

/// The text without the first `@username` in it, where there is one as a word of its own.
fn without_mention(text: &str, username: &str) -> Option<String> {
    let mention = format!("@{}", username.to_ascii_lowercase());
    // Of the same length as the text, byte for byte.
    let lower = text.to_ascii_lowercase();
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    lower.match_indices(&mention).find_map(|(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + mention.len()..)?);
        let is_word = !before.ends_with(|c| in_name(c) || c == '/') && !after.starts_with(in_name);
        // The name within `/watch@name` belongs to the command.
        let is_commands = before.rsplit(char::is_whitespace).next().is_some_and(|word| word.starts_with('/'));
        (is_word && !is_commands).then(|| format!("{} {}", before.trim(), after.trim()).trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn classified(chat: i64, fields: Value) -> IncomingMessage {
        let kind = if chat > 0 { "private" } else { "supergroup" };
        let mut message = json!({
            "message_id": 1,
            "date": 1_600_000_000,
            "from": {"id": 777, "is_bot": false, "first_name": "Alice"},
            "chat": {"id": chat, "type": kind, "first_name": "Alice", "title": "Group"},
        });
        for (name, value) in fields.as_object().unwrap() {
            message[name] = value.clone();
        }
        let me = Me { id: UserId(99), username: "Watch_Bot".to_owned() };
        me.classify(&serde_json::from_value(message).unwrap())
    }

    fn said(text: &str) -> IncomingMessage {
        IncomingMessage::Text { text: text.to_owned(), in_reply_to: None }
    }

    #[test]
    fn a_mark_that_is_not_known_hides_no_message() {
        let update = json!({"update_id": 7, "message": {
            "message_id": 1,
            "date": 1_600_000_000,
            "text": "/watches",
            "entities": [{"type": "of tomorrow", "offset": 0, "length": 8, "unix_time": 5}],
            "from": {"id": 777, "is_bot": false, "first_name": "Alice"},
            "chat": {"id": 1, "type": "private", "first_name": "Alice"},
        }});
        assert!(matches!(read_update(update).unwrap().kind, UpdateKind::Message(_)));
        assert!(read_update(json!({"message": {}})).is_err());
        let unknown = read_update(json!({"update_id": 8, "of_tomorrow": {}})).unwrap();
        assert!(matches!(unknown.kind, UpdateKind::Error(_)));
    }

    #[test]
    fn in_a_group_only_what_is_for_the_bot_is_heard() {
        for (text, meant) in [
            ("Alice's phone", None),
            ("a4:83:e7:4e:39:15", None),
            ("@watch_bot Alice's phone", Some("Alice's phone")),
            ("where is Alice, @Watch_Bot?", Some("where is Alice, ?")),
            ("@watch_bot", Some("")),
            ("@watch_bots Alice", None),
            ("mail alice@watch_bot", None),
            ("/watch Depot", Some("/watch Depot")),
            ("/watch@WATCH_bot Depot", Some("/watch@WATCH_bot Depot")),
            ("/watch@other_bot Depot", None),
            ("/chats", Some("/chats")),
            ("/roll", None),
            ("/roll@watch_bot", Some("/roll@watch_bot")),
        ] {
            assert_eq!(
                classified(-100, json!({"text": text})),
                meant.map_or(IncomingMessage::Nothing, said),
                "{text}"
            );
        }
        assert_eq!(classified(1, json!({"text": "/help@other_bot"})), IncomingMessage::Nothing);
        assert_eq!(classified(1, json!({"text": "Alice"})), said("Alice"));
    }

    #[test]
    fn a_reply_to_the_bot_is_heard_with_what_it_replies_to() {
        let reply = |id: u64| {
            json!({"text": "Depot", "reply_to_message": {
                "message_id": 7, "date": 1_600_000_000, "text": "Which network?",
                "chat": {"id": -100, "type": "supergroup", "title": "Group"},
                "from": {"id": id, "is_bot": true, "first_name": "Bot"},
            }})
        };
        let in_reply_to = Some("Which network?".to_owned());
        assert_eq!(
            classified(-100, reply(99)),
            IncomingMessage::Text { text: "Depot".to_owned(), in_reply_to }
        );
        assert_eq!(classified(-100, reply(98)), IncomingMessage::Nothing);
        assert_eq!(classified(1, reply(98)), said("Depot"));
    }

    #[test]
    fn what_is_no_text_of_a_persons_own() {
        let file = json!({"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1, "file_size": 1});
        let photo = |caption: Option<&str>| match caption {
            Some(caption) => json!({"photo": [file], "caption": caption}),
            None => json!({"photo": [file]}),
        };
        assert_eq!(classified(1, photo(None)), IncomingMessage::Wordless);
        assert_eq!(classified(-100, photo(None)), IncomingMessage::Nothing);
        assert_eq!(classified(1, photo(Some("Alice"))), said("Alice"));
        assert_eq!(classified(-100, photo(Some("Alice"))), IncomingMessage::Nothing);
        assert_eq!(classified(-100, photo(Some("/status"))), said("/status"));
        assert_eq!(classified(1, json!({"dice": {"emoji": "🎲", "value": 3}})), IncomingMessage::Wordless);
        // A message about the chat is no message to the bot.
        assert_eq!(
            classified(1, json!({"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}})),
            IncomingMessage::Nothing
        );
        let forwarded = json!({"text": "/watch Depot", "forward_origin": {
            "type": "hidden_user", "sender_user_name": "Bob", "date": 1_500_000_000}});
        assert_eq!(classified(1, forwarded.clone()), IncomingMessage::Forwarded);
        assert_eq!(classified(-100, forwarded), IncomingMessage::Nothing);
    }

    #[test]
    fn who_wrote_a_message_in_a_group() {
        let group = json!({"id": -100, "type": "supergroup", "title": "Group"});
        let anonymous = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group"});
        let admin = json!({"text": "/status", "from": anonymous, "sender_chat": group});
        assert_eq!(classified(-100, admin), said("/status"));
        let channel = json!({"id": -200, "type": "channel", "title": "Channel"});
        let as_channel = json!({"id": 136_817_688, "is_bot": true, "first_name": "Channel"});
        assert_eq!(
            classified(-100, json!({"text": "/status", "from": as_channel, "sender_chat": channel})),
            said("/status")
        );
        let telegram = json!({"id": 777_000, "is_bot": false, "first_name": "Telegram"});
        let passed_on = json!({"text": "/status", "from": telegram, "sender_chat": channel,
                               "is_automatic_forward": true});
        assert_eq!(classified(-100, passed_on), IncomingMessage::Nothing);
        let bot = json!({"id": 5, "is_bot": true, "first_name": "Other"});
        assert_eq!(classified(-100, json!({"text": "/status", "from": bot})), IncomingMessage::Nothing);
    }
}

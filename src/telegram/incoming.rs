//! Decides whether a message is meant for the bot.
//!
//! In a private chat every message is. In a group people talk to each other: the bot takes its own commands, messages
//! that mention it, and replies to its messages, and ignores the rest (compare Bot API, "Privacy mode"). It ignores
//! messages of other bots, forwarded messages, and cards that somebody sent in inline mode: none is a request of the
//! sender's own.

use teloxide::types::UserId;

use super::update::Message;
use crate::chat::commands;

/// The bot's own user (Bot API, `getMe`).
#[derive(Debug, Clone)]
pub(super) struct BotIdentity {
    pub(super) id: UserId,
    /// Without the `@`.
    pub(super) username: String,
    /// Whether it gets inline queries: a switch of @BotFather's.
    pub(super) has_inline_mode: bool,
}

/// A message as the bot understands it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IncomingMessage {
    /// A text for the bot.
    Text {
        text: String,
        /// The text of the bot's message that this one replies to.
        in_reply_to: Option<String>,
        /// Whether it is a text by itself: no caption, and no reply to anything.
        is_plain: bool,
    },
    /// A message without text in a private chat: a sticker, a voice message, a picture.
    WithoutText,
    /// A forwarded message in a private chat.
    Forwarded,
    /// Not for the bot.
    Ignored,
}

impl BotIdentity {
    /// Decides whether `message` is meant for the bot, and what it contains.
    pub(super) fn classify(&self, message: &Message) -> IncomingMessage {
        // Anonymous admins and channels write through a bot of Telegram's; those messages have a `sender_chat`.
        let is_from_bot =
            message.from.as_ref().is_some_and(|from| from.is_bot) && message.sender_chat.is_none();
        let is_inline = message.via_bot.and_then(|id| u64::try_from(id).ok()) == Some(self.id.0);
        if is_from_bot || is_inline || message.is_automatic_forward {
            return IncomingMessage::Ignored;
        }
        let is_private = message.chat.is_private;
        let in_private = |incoming| if is_private { incoming } else { IncomingMessage::Ignored };
        if message.is_forwarded {
            return in_private(IncomingMessage::Forwarded);
        }
        let Some(text) = message.text.as_deref().or(message.caption.as_deref()) else {
            return match message.is_service {
                true => IncomingMessage::Ignored,
                false => in_private(IncomingMessage::WithoutText),
            };
        };
        let in_reply_to = self.text_replied_to(message);
        let text = if is_private {
            (!self.is_for_another_bot(text)).then(|| text.to_owned())
        } else {
            self.text_for_bot(text, in_reply_to.is_some())
        };
        let is_plain = message.text.is_some() && !message.is_reply;
        text.map_or(IncomingMessage::Ignored, |text| IncomingMessage::Text { text, in_reply_to, is_plain })
    }

    /// The text of the bot's message that this one replies to.
    fn text_replied_to(&self, message: &Message) -> Option<String> {
        let original = message.replies_to.as_ref()?;
        original
            .text
            .clone()
            .filter(|_| original.from.and_then(|id| u64::try_from(id).ok()) == Some(self.id.0))
    }

    /// The part of a text in a group that is meant for the bot.
    fn text_for_bot(&self, text: &str, is_reply: bool) -> Option<String> {
        if self.is_for_another_bot(text) {
            return None;
        }
        if let Some(text) = without_mention(text, &self.username) {
            return Some(text);
        }
        // An unknown command belongs to another bot, unless it names this one.
        let is_own_command = command(text).is_some_and(|(_, bot)| {
            bot.is_some_and(|bot| bot.eq_ignore_ascii_case(&self.username))
                || commands::command_in_message(text).is_some()
        });
        (is_reply || is_own_command).then(|| text.to_owned())
    }

    /// Whether the text is a command that names another bot: `/command@other_bot`.
    fn is_for_another_bot(&self, text: &str) -> bool {
        let bot = command(text).and_then(|(_, bot)| bot);
        bot.is_some_and(|bot| !bot.eq_ignore_ascii_case(&self.username))
    }
}

/// The name of the command that a text begins with, and the bot that it names (Bot API, "Commands").
fn command(text: &str) -> Option<(&str, Option<&str>)> {
    let word = text.split_whitespace().next()?.strip_prefix('/')?;
    Some(word.split_once('@').map_or((word, None), |(name, bot)| (name, Some(bot))))
}

/// The text if it is nothing but an invitation code: 32 hex digits.
pub(super) fn bare_code(text: &str) -> Option<&str> {
    let text = text.trim();
    (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// The text without its first `@username`; `None` if it has none as a separate word.
fn without_mention(text: &str, username: &str) -> Option<String> {
    let mention = format!("@{}", username.to_ascii_lowercase());
    // Lowering ASCII keeps every byte offset.
    let lower = text.to_ascii_lowercase();
    let is_name_char = |c: char| c.is_alphanumeric() || c == '_';
    lower.match_indices(&mention).find_map(|(at, _)| {
        let (before, after) = (text.get(..at)?, text.get(at + mention.len()..)?);
        let is_word = !before.ends_with(|c| is_name_char(c) || c == '/') && !after.starts_with(is_name_char);
        // In `/watch@name`, the mention is part of the command.
        let is_in_command =
            before.rsplit(char::is_whitespace).next().is_some_and(|word| word.starts_with('/'));
        (is_word && !is_in_command).then(|| format!("{} {}", before.trim(), after.trim()).trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::telegram::update::{Update, UpdateKind};

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
        let bot = BotIdentity { id: UserId(99), username: "Watch_Bot".to_owned(), has_inline_mode: true };
        match Update::from_value(&json!({"update_id": 1, "message": message})).unwrap().kind {
            UpdateKind::Message(message) => bot.classify(&message),
            other => panic!("{other:?}"),
        }
    }

    fn text_message(text: &str) -> IncomingMessage {
        IncomingMessage::Text { text: text.to_owned(), in_reply_to: None, is_plain: true }
    }

    #[test]
    fn in_a_group_only_texts_for_the_bot_are_taken() {
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
                meant.map_or(IncomingMessage::Ignored, text_message),
                "{text}"
            );
        }
        assert_eq!(classified(1, json!({"text": "/help@other_bot"})), IncomingMessage::Ignored);
        assert_eq!(classified(1, json!({"text": "Alice"})), text_message("Alice"));
    }

    #[test]
    fn a_reply_to_the_bot_carries_the_text_it_replies_to() {
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
            IncomingMessage::Text { text: "Depot".to_owned(), in_reply_to, is_plain: false }
        );
        assert_eq!(classified(-100, reply(98)), IncomingMessage::Ignored);
        let text = "Depot".to_owned();
        assert_eq!(
            classified(1, reply(98)),
            IncomingMessage::Text { text, in_reply_to: None, is_plain: false }
        );
    }

    #[test]
    fn ignores_or_reports_messages_without_own_text() {
        let file = json!({"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1, "file_size": 1});
        let photo = |caption: Option<&str>| match caption {
            Some(caption) => json!({"photo": [file], "caption": caption}),
            None => json!({"photo": [file]}),
        };
        assert_eq!(classified(1, photo(None)), IncomingMessage::WithoutText);
        assert_eq!(classified(-100, photo(None)), IncomingMessage::Ignored);
        let captioned =
            |text: &str| IncomingMessage::Text { text: text.to_owned(), in_reply_to: None, is_plain: false };
        assert_eq!(classified(1, photo(Some("Alice"))), captioned("Alice"));
        assert_eq!(classified(-100, photo(Some("Alice"))), IncomingMessage::Ignored);
        assert_eq!(classified(-100, photo(Some("/status"))), captioned("/status"));
        assert_eq!(classified(1, json!({"medium_of_tomorrow": {}})), IncomingMessage::WithoutText);
        assert_eq!(classified(1, json!({"dice": {"emoji": "🎲", "value": 3}})), IncomingMessage::WithoutText);
        // A service message is not for the bot.
        assert_eq!(
            classified(1, json!({"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}})),
            IncomingMessage::Ignored
        );
        let forwarded = json!({"text": "/watch Depot", "forward_origin": {
            "type": "hidden_user", "sender_user_name": "Bob", "date": 1_500_000_000}});
        assert_eq!(classified(1, forwarded.clone()), IncomingMessage::Forwarded);
        assert_eq!(classified(-100, forwarded), IncomingMessage::Ignored);
    }

    #[test]
    fn ignores_cards_that_were_sent_through_it() {
        let via = |id: i64| {
            let bot = json!({"id": id, "is_bot": true, "first_name": "Bot"});
            json!({"text": "/status", "via_bot": bot})
        };
        for chat in [1, -100] {
            assert_eq!(classified(chat, via(99)), IncomingMessage::Ignored);
            assert_eq!(classified(chat, via(98)), text_message("/status"));
        }
        let rich = json!({"rich_message": {}, "via_bot": {"id": 99, "is_bot": true, "first_name": "Bot"}});
        assert_eq!(classified(1, rich), IncomingMessage::Ignored);
    }

    #[test]
    fn takes_anonymous_admins_and_channels_but_no_bots() {
        let group = json!({"id": -100, "type": "supergroup", "title": "Group"});
        let anonymous = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group"});
        let admin = json!({"text": "/status", "from": anonymous, "sender_chat": group});
        assert_eq!(classified(-100, admin), text_message("/status"));
        let channel = json!({"id": -200, "type": "channel", "title": "Channel"});
        let as_channel = json!({"id": 136_817_688, "is_bot": true, "first_name": "Channel"});
        assert_eq!(
            classified(-100, json!({"text": "/status", "from": as_channel, "sender_chat": channel})),
            text_message("/status")
        );
        let telegram = json!({"id": 777_000, "is_bot": false, "first_name": "Telegram"});
        let forwarded = json!({"text": "/status", "from": telegram, "sender_chat": channel,
                               "is_automatic_forward": true});
        assert_eq!(classified(-100, forwarded), IncomingMessage::Ignored);
        let bot = json!({"id": 5, "is_bot": true, "first_name": "Other"});
        assert_eq!(classified(-100, json!({"text": "/status", "from": bot})), IncomingMessage::Ignored);
    }
}

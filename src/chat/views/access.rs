//! Access to the bot: invitations, pairing, removal.

use chrono_tz::Tz;
use store::event::{ChatId, Role, Timestamp};

use crate::chat::button::Button;
use crate::chat::callbacks::Callback;
use crate::chat::commands::Command;
use crate::chat::message::Reply;
use crate::text::format::shown_time;
use crate::text::{Foreign, Text, foreign, printable};

/// Characters of a title on a button.
const LABEL_LENGTH: usize = 40;

/// A chat in the list of `/chats`.
#[derive(Debug, Clone)]
pub struct ListedChat {
    /// Its ID.
    pub chat: ChatId,
    /// The title of the group or the person's name, if known.
    pub name: Option<String>,
    /// Its role.
    pub role: Role,
    /// When it was paired; `None` if the configuration names it.
    pub since: Option<Timestamp>,
    /// Why it gets no alerts, if it gets none.
    pub problem: Option<ChatProblem>,
}

/// Why a chat gets no alerts.
#[derive(Debug, Clone)]
pub enum ChatProblem {
    /// Since this time it blocks the bot, or is gone, and its alerts are dropped.
    Blocked(Timestamp),
    /// Telegram refuses messages for this reason, and its alerts wait.
    Refused(String),
}

impl ListedChat {
    fn title(&self) -> String {
        self.name.as_deref().map_or_else(|| format!("chat {}", self.chat), printable)
    }
}

/// The only reply that a stranger gets.
pub fn stranger(chat: ChatId) -> Text {
    Text::plain("This bot is private. Ask its owner for an invitation; this chat's ID is ")
        .code(chat)
        .append(".")
}

/// The greeting after pairing.
pub fn paired(role: Role) -> Text {
    match role {
        Role::Owner => Text::plain(
            "🔑 You now own this bot. Use /invite to give others access, /chats to manage it, /help for all \
             commands.",
        ),
        Role::Member => Text::plain("👋 This chat now has access. Use /help for all commands."),
    }
}

/// The reply to an owner's code in a group.
pub fn owner_is_a_person() -> Text {
    Text::plain("❌ Owner codes only work in a private chat with me. Send it there.")
}

/// An invitation, valid for `hours` hours, with buttons that copy its link and its command.
pub fn invitation(bot: &str, code: &str, role: Role, hours: u64) -> Reply {
    let whom = match role {
        Role::Owner => "🎟 The first person to open this link, in a private chat, becomes an owner like you",
        Role::Member => "🎟 The first person to open this link gets access",
    };
    let link = format!("https://t.me/{bot}?start={code}");
    let command = format!("/start@{bot} {code}");
    let text = Text::plain(format_args!("{whom}. It works once, for {hours} hours.\n{link}"));
    let copy_link = Button::copying("📄 Copy link", link);
    let (text, copy_command) = match role {
        Role::Owner => (text, None),
        Role::Member => {
            let group = format!("https://t.me/{bot}?startgroup={code}");
            let text = text
                .append(format_args!("\n\nTo add a group:\n{group}\nor send this there: "))
                .code(&command);
            (text, Button::copying("📄 Copy command for a group", command))
        }
    };
    let buttons = [copy_link, copy_command].into_iter().flatten().map(|button| vec![button]).collect();
    Reply { text, buttons, ..Reply::default() }
}

/// The reply to `/invite` if the system provides no random numbers.
pub fn no_code(why: &str) -> Text {
    Text::plain(format_args!(
        "❌ I cannot create a code: the system provides no random numbers ({}). Try again later.",
        printable(why)
    ))
}

/// The reply to `/invite` at the limit of chats.
pub fn too_many_chats(limit: usize) -> Text {
    Text::plain(format_args!(
        "❌ {limit} chats have access already, which is the limit. Remove one first: /chats"
    ))
}

/// The reply to an owner's command in a group.
pub(in crate::chat) fn in_private_only(command: &Command) -> Text {
    Text::plain(format_args!("❌ /{} only works in a private chat with me. Send it there.", command.name))
}

/// The reply to an owner's command on the terminal.
pub(in crate::chat) fn in_telegram_only(command: &str) -> Text {
    Text::plain(format_args!("❌ /{command} works only in Telegram."))
}

/// The reply to an owner's command from somebody else.
pub(in crate::chat) fn for_owners_only(command: &Command) -> Text {
    Text::plain(format_args!("❌ Only the bot's owner can use /{}. Ask whoever invited you.", command.name))
}

/// The reply to a member of a group who may not change what others set there.
pub(in crate::chat) fn for_admins_only() -> Text {
    Text::plain(
        "❌ Only admins of this group and the bot's owners can do that, since it changes what others set or get here. Ask \
         one of them.",
    )
}

/// As [`for_admins_only`], if Telegram does not say who the admins are.
pub(in crate::chat) fn admins_unknown() -> Text {
    Text::plain(
        "❌ Only admins of this group and the bot's owners can do that, since it changes what others set or get here. \
         Telegram does not tell me whether you are an admin. Try again in a minute. If that does not help, make me an admin \
         of this group, or ask an owner of the bot.",
    )
}

/// The reply to an owner's command if there is no owner.
pub(in crate::chat) fn nobody_owns(command: &Command) -> Text {
    Text::plain(format_args!(
        "❌ /{} is for owners, and nobody owns this bot yet. Open the link in the service's log, or add an owner \
         to telegram.owners in the configuration.",
        command.name
    ))
}

/// The list of chats.
pub fn chats(chats: &[ListedChat], zone: Tz) -> Text {
    let text = Text::default().bold("👥 Chats with access").list(chats.iter().map(|listed| {
        let role = if listed.role == Role::Owner { ", owner" } else { "" };
        let since = match listed.since {
            Some(since) => Text::plain(", since ").append_text(shown_time(since, zone)),
            None => Text::plain(", from the configuration"),
        };
        let name = listed.name.as_deref().map(|name| format!("{} ", foreign(name))).unwrap_or_default();
        let problem = match &listed.problem {
            Some(ChatProblem::Blocked(since)) => Text::plain("\n   🚫 blocks the bot or is gone since ")
                .append_text(shown_time(*since, zone))
                .append(": alerts are dropped until it writes"),
            Some(ChatProblem::Refused(reason)) => {
                Text::plain(format_args!("\n   ⚠️ takes no alerts, so they wait: {}", printable(reason)))
            }
            None => Text::default(),
        };
        Text::plain(name).code(listed.chat).append(role).append_text(since).append_text(problem)
    }));
    if chats.iter().all(|listed| listed.since.is_some()) {
        return text;
    }
    text.append(
        "\n\nTo remove a chat that comes from the configuration, edit telegram.owners or telegram.chats there.",
    )
}

/// The buttons that remove chats, except those that the configuration names.
pub fn removal_buttons(chats: &[ListedChat]) -> Vec<Vec<Button>> {
    let removable = chats.iter().filter(|listed| listed.since.is_some());
    let buttons = removable.filter_map(|listed| {
        let title: String = listed.title().chars().take(LABEL_LENGTH).collect();
        Callback::ConfirmRemoval(listed.chat).button(format!("Remove {title}")).map(Button::danger)
    });
    buttons.map(|button| vec![button]).collect()
}

/// The question before a chat is removed, with buttons for yes and no.
pub fn confirm_removal(listed: &ListedChat) -> Reply {
    let leaves = if listed.chat.0 < 0 { " I will leave it." } else { "" };
    let text = Text::plain(format_args!("Remove {} (", Foreign(listed.title())))
        .code(listed.chat)
        .append(format_args!(")? It loses access, its watches and its pending alerts.{leaves}"));
    let remove = Callback::RemoveChat(listed.chat).button("Remove").map(Button::danger);
    let buttons = [remove, Callback::Chats.button("Keep")];
    Reply { text, buttons: vec![buttons.into_iter().flatten().collect()], ..Reply::default() }
}

/// The confirmation after a removal. Unless the bot `has_left`, somebody there must remove it.
pub fn removed(listed: &ListedChat, has_left: bool) -> Text {
    let text = Text::plain(format_args!("✅ Removed {}.", Foreign(listed.title())));
    match has_left {
        true => text,
        false => text.append(
            " I could not leave it, since Telegram did not answer. I will not reply there; please remove me from it.",
        ),
    }
}

/// Notifications if a button of `/chats` is refused.
pub mod refused {
    /// The chat has no access.
    pub const NOT_THERE: &str = "That chat no longer has access.";
    /// The configuration names it.
    pub const CONFIGURED: &str = "That chat comes from the configuration: remove it from telegram.chats.";
    /// It is the last owner.
    pub const LAST_OWNER: &str = "You are the last owner. Add another one first: /invite owner";
    /// Not pressed by an owner in a private chat.
    pub const NOT_YOURS: &str = "Only owners can do that, in a private chat.";
}

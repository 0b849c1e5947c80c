//! The menus of commands: one for everybody, and a longer one for each owner.

use teloxide::payloads::{DeleteMyCommands, DeleteMyCommandsSetters, SetMyCommands, SetMyCommandsSetters};
use teloxide::types::{BotCommand, BotCommandScope, Recipient};
use tracing::{debug, warn};

use super::api::Api;
use super::outgoing::telegram_id;
use crate::chat::reply;
use crate::chat::request::Command;
use crate::event::ChatId;

/// Sets the menu that everybody sees who has none of their own.
pub(super) async fn set_for_all(api: &Api) {
    if let Err(failure) = api.ask(&SetMyCommands::new(Command::ALL.map(shown))).await {
        warn!("could not set the bot's menu of commands: {failure}");
    }
}

/// Sets the menu of an owner.
pub(super) async fn set_for_owner(api: &Api, chat: ChatId) {
    let commands = Command::ALL.into_iter().chain(Command::OWNERS).map(shown);
    if let Err(failure) = api.ask(&SetMyCommands::new(commands).scope(scope(chat))).await {
        // Telegram knows no chat that never wrote to the bot; the menu is set at the next start.
        debug!("could not set the menu of owner {chat}: {failure}");
    }
}

/// Takes an owner's menu away.
pub(super) async fn clear(api: &Api, chat: ChatId) {
    if let Err(failure) = api.ask(&DeleteMyCommands::new().scope(scope(chat))).await {
        debug!("could not take the menu of chat {chat} away: {failure}");
    }
}

fn shown(command: Command) -> BotCommand {
    BotCommand::new(command.name(), reply::purpose(command))
}

fn scope(chat: ChatId) -> BotCommandScope {
    BotCommandScope::Chat { chat_id: Recipient::Id(telegram_id(chat)) }
}

//! Sets the command menus: one for everybody, and a longer one for each owner (Bot API, `setMyCommands`).
//!
//! While Telegram is out of reach, the requests are repeated: a service often starts before its network.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::event::ChatId;
use store::recorder::RecorderHandle;
use teloxide::payloads::{DeleteMyCommands, DeleteMyCommandsSetters, SetMyCommands, SetMyCommandsSetters};
use teloxide::requests::Payload;
use teloxide::types::{BotCommand, BotCommandScope, Recipient};
use tracing::{debug, warn};

use super::api::Api;
use super::backoff::Backoff;
use super::outgoing::telegram_id;
use super::sender::Sender;
use crate::chat::commands::{self, Command};

/// Tries for a menu that changes while the service runs.
const TRIES: u32 = 12;

/// Sets the default menu and those of the owners, and deletes those of former owners.
pub(super) async fn set_all(
    api: &Api,
    sender: &Sender,
    recorder: &RecorderHandle,
    owners: &BTreeSet<ChatId>,
) {
    for chat in known_private_chats(sender, recorder).difference(owners) {
        retry_until_accepted(api, &delete_menu(*chat), u32::MAX).await;
    }
    let default = SetMyCommands::new(commands::commands_for_role(false).map(menu_entry));
    retry_until_accepted(api, &default, u32::MAX).await;
    for owner in owners {
        retry_until_accepted(api, &set_owner_menu(*owner), u32::MAX).await;
    }
}

/// Sets the menu of a new owner. If that fails, it is repeated in the background.
pub(super) async fn set_for_owner(api: &Api, chat: ChatId) {
    request_or_repeat(api, set_owner_menu(chat)).await;
}

/// Deletes the menu of a former owner. If that fails, it is repeated in the background.
pub(super) async fn clear(api: &Api, chat: ChatId) {
    request_or_repeat(api, delete_menu(chat)).await;
}

/// The private chats that may have an owner's menu: those that are served, and those with a watch or a followed
/// device.
fn known_private_chats(sender: &Sender, recorder: &RecorderHandle) -> BTreeSet<ChatId> {
    let mut chats = sender.chats_with_access();
    let state = recorder.state();
    chats.extend(state.watches().iter().map(|(_, chat, _)| chat));
    chats.extend(state.watches().patterns().map(|(_, chat, _)| chat));
    chats.extend(state.follows().iter().map(|(chat, _)| chat));
    chats.retain(|chat| chat.0 > 0);
    chats
}

fn set_owner_menu(chat: ChatId) -> SetMyCommands {
    SetMyCommands::new(commands::commands_for_role(true).map(menu_entry)).scope(scope(chat))
}

fn delete_menu(chat: ChatId) -> DeleteMyCommands {
    DeleteMyCommands::new().scope(scope(chat))
}

async fn request_or_repeat<P>(api: &Api, payload: P)
where
    P: Payload + Serialize + Send + Sync + 'static,
    P::Output: DeserializeOwned,
{
    if api.request(&payload).await.is_err_and(|error| error.may_succeed_later()) {
        let api = api.clone();
        tokio::spawn(async move { retry_until_accepted(&api, &payload, TRIES).await });
    }
}

/// Sends a request until Telegram accepts or refuses it, at most `tries` times.
async fn retry_until_accepted<P>(api: &Api, payload: &P, tries: u32)
where
    P: Payload + Serialize,
    P::Output: DeserializeOwned,
{
    let mut backoff = Backoff::for_messages();
    for number in 1..=tries {
        let error = match api.request(payload).await {
            Ok(_) => return,
            Err(error) if error.may_succeed_later() => error,
            // Telegram refuses menus for a chat that never wrote to the bot. They are set at the next start.
            Err(error) => {
                return debug!(method = P::NAME, %error, "Telegram refused a command menu");
            }
        };
        let wait = backoff.next(error.retry_after());
        if number == 1 {
            warn!(method = P::NAME, %error, "could not set a command menu; trying again");
        }
        tokio::time::sleep(wait).await;
    }
}

fn menu_entry(command: &Command) -> BotCommand {
    BotCommand::new(command.name, command.help)
}

fn scope(chat: ChatId) -> BotCommandScope {
    BotCommandScope::Chat { chat_id: Recipient::Id(telegram_id(chat)) }
}

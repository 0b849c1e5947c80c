//! The menus of commands: one for everybody, and a longer one for each owner.
//!
//! What Telegram cannot be told, since it is out of reach, is tried again until it is told: a service often
//! starts before its network.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use teloxide::payloads::{DeleteMyCommands, DeleteMyCommandsSetters, SetMyCommands, SetMyCommandsSetters};
use teloxide::requests::Payload;
use teloxide::types::{BotCommand, BotCommandScope, Recipient};
use tracing::{debug, warn};

use super::api::Api;
use super::backoff::Backoff;
use super::outgoing::telegram_id;
use super::request_error::RequestError;
use super::sender::Sender;
use crate::chat::commands::{self, Command};
use crate::event::ChatId;
use crate::recorder::RecorderHandle;

/// Tries for the menu of a chat that became an owner's, or is one no more, while the service runs.
const TRIES: u32 = 12;

/// Sets the menu that everybody sees who has none of their own, and those of the owners. Who is known and owns
/// the bot no more has none of their own from then on.
pub(super) async fn set_all(
    api: &Api,
    sender: &Sender,
    recorder: &RecorderHandle,
    owners: &BTreeSet<ChatId>,
) {
    for chat in persons_known(sender, recorder).difference(owners) {
        until_taken(api, &without_own(*chat), u32::MAX).await;
    }
    until_taken(api, &SetMyCommands::new(commands::available(false).map(shown)), u32::MAX).await;
    for owner in owners {
        until_taken(api, &of_owner(*owner), u32::MAX).await;
    }
}

/// Sets the menu of a new owner. Where Telegram does not take it at once, it is not waited for.
pub(super) async fn set_for_owner(api: &Api, chat: ChatId) {
    at_once_or_later(api, of_owner(chat)).await;
}

/// Takes the menu of a former owner away. Where Telegram does not take that at once, it is not waited for.
pub(super) async fn clear(api: &Api, chat: ChatId) {
    at_once_or_later(api, without_own(chat)).await;
}

/// The private chats that may have had a menu of their own: those that are served, and those that wished for
/// something while they were.
fn persons_known(sender: &Sender, recorder: &RecorderHandle) -> BTreeSet<ChatId> {
    let state = recorder.state();
    let watching = state.watches().iter().map(|(_, chat, _)| chat);
    let watching = watching.chain(state.watches().patterns().map(|(_, chat, _)| chat));
    let following = state.follows().iter().map(|(_, chat, _)| chat);
    let mut known: BTreeSet<ChatId> = watching.chain(following).collect();
    drop(state);
    known.extend(sender.served());
    known.retain(|chat| chat.0 > 0);
    known
}

fn of_owner(chat: ChatId) -> SetMyCommands {
    let commands = commands::available(true).map(shown);
    SetMyCommands::new(commands).scope(scope(chat))
}

fn without_own(chat: ChatId) -> DeleteMyCommands {
    DeleteMyCommands::new().scope(scope(chat))
}

async fn at_once_or_later<P>(api: &Api, payload: P)
where
    P: Payload + Serialize + Send + Sync + 'static,
    P::Output: DeserializeOwned,
{
    if let Err(RequestError::Temporary { .. }) = api.request(&payload).await {
        let api = api.clone();
        tokio::spawn(async move { until_taken(&api, &payload, TRIES).await });
    }
}

/// Asks so often at most, until Telegram takes it or refuses it for good.
async fn until_taken<P>(api: &Api, payload: &P, tries: u32)
where
    P: Payload + Serialize,
    P::Output: DeserializeOwned,
{
    let mut backoff = Backoff::default();
    for number in 1..=tries {
        let (retry_after, reason) = match api.request(payload).await {
            Ok(_) => return,
            Err(RequestError::Temporary { retry_after, reason }) => (retry_after, reason),
            // Telegram knows no chat that never wrote to the bot; its menu is set at the next start.
            Err(refused) => {
                return debug!(method = P::NAME, error = %refused, "Telegram refused a command menu");
            }
        };
        let wait = backoff.next(retry_after);
        if number == 1 {
            warn!(method = P::NAME, error = %reason, "could not set a command menu; trying again");
        }
        tokio::time::sleep(wait).await;
    }
}

fn shown(command: &Command) -> BotCommand {
    BotCommand::new(command.name, command.help)
}

fn scope(chat: ChatId) -> BotCommandScope {
    BotCommandScope::Chat { chat_id: Recipient::Id(telegram_id(chat)) }
}

//! The command menus (Bot API, `setMyCommands`): one for strangers, which tells nothing of what the bot does, and one
//! for each served chat by its role.
//!
//! Invariants:
//! - A start sends one request for strangers, one for each served chat, and one for each chat that is known from before
//!   and served no more. Later there is one for each change of a chat's role.
//! - While Telegram is out of reach, the requests are repeated: a service often starts before its network.
//! - Telegram refuses the menu of a chat that never wrote to the bot. It is set once more when the chat writes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::event::{ChatId, Role};
use teloxide::payloads::{DeleteMyCommands, DeleteMyCommandsSetters, SetMyCommands, SetMyCommandsSetters};
use teloxide::requests::Payload;
use teloxide::types::{BotCommand, BotCommandScope, Recipient};
use tracing::{debug, warn};

use super::api::Api;
use super::backoff::Backoff;
use super::outgoing::telegram_id;
use crate::chat::commands::{self, Audience};

/// Tries for a menu that changes while the service runs.
const TRIES: u32 = 12;

/// Which chats have their menu.
#[derive(Debug, Default)]
struct Progress {
    /// Those whose menu Telegram took in this run.
    set: BTreeSet<ChatId>,
    /// Those whose menu was sent once more because they wrote.
    sent_again: BTreeSet<ChatId>,
}

/// The menus of the bot.
#[derive(Clone)]
pub(super) struct Menus {
    api: Api,
    progress: Arc<Mutex<Progress>>,
    /// Whether every chat that was served at the start was tried.
    has_tried_all: Arc<AtomicBool>,
}

impl Menus {
    pub(super) fn new(api: Api) -> Self {
        Self { api, progress: Arc::default(), has_tried_all: Arc::default() }
    }

    /// Sets the menus of strangers and of these served chats, and deletes those of `former` chats.
    pub(super) async fn set_all(&self, served: Vec<(ChatId, Role)>, former: BTreeSet<ChatId>) {
        for chat in former {
            retry_until_accepted(&self.api, &delete_menu(chat), u32::MAX).await;
        }
        let default = SetMyCommands::new(menu(Audience::Strangers));
        retry_until_accepted(&self.api, &default, u32::MAX).await;
        for (chat, role) in served {
            if retry_until_accepted(&self.api, &set_menu(chat, role), u32::MAX).await {
                self.progress().set.insert(chat);
            }
        }
        self.has_tried_all.store(true, Ordering::Relaxed);
    }

    /// Sets the menu of a chat that has a new role. If that fails, it is repeated in the background.
    pub(super) async fn set(&self, chat: ChatId, role: Role) {
        self.progress().set.insert(chat);
        request_or_repeat(&self.api, set_menu(chat, role)).await;
    }

    /// Deletes the menu of a chat that is served no more. If that fails, it is repeated in the background.
    pub(super) async fn clear(&self, chat: ChatId) {
        self.progress().set.remove(&chat);
        request_or_repeat(&self.api, delete_menu(chat)).await;
    }

    /// Sets the menu of a chat that wrote, if it has none yet: once.
    pub(super) async fn set_if_missing(&self, chat: ChatId, role: impl FnOnce() -> Role) {
        let is_due = {
            let mut progress = self.progress();
            self.has_tried_all.load(Ordering::Relaxed)
                && !progress.set.contains(&chat)
                && progress.sent_again.insert(chat)
        };
        if is_due {
            self.set(chat, role()).await;
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn set_menu(chat: ChatId, role: Role) -> SetMyCommands {
    let audience = match role {
        _ if chat.0 < 0 => Audience::Group,
        Role::Member => Audience::Member,
        Role::Owner => Audience::Owner,
    };
    SetMyCommands::new(menu(audience)).scope(scope(chat))
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

/// Sends a request until Telegram accepts or refuses it, at most `tries` times. Returns whether it was accepted.
async fn retry_until_accepted<P>(api: &Api, payload: &P, tries: u32) -> bool
where
    P: Payload + Serialize,
    P::Output: DeserializeOwned,
{
    let mut backoff = Backoff::for_messages();
    for number in 1..=tries {
        let error = match api.request(payload).await {
            Ok(_) => return true,
            Err(error) if error.may_succeed_later() => error,
            Err(error) => {
                debug!(method = P::NAME, %error, "Telegram refused a command menu");
                return false;
            }
        };
        let wait = backoff.next(error.retry_after());
        if number == 1 {
            warn!(method = P::NAME, %error, "could not set a command menu; trying again");
        }
        tokio::time::sleep(wait).await;
    }
    false
}

fn menu(audience: Audience) -> Vec<BotCommand> {
    commands::menu(audience).map(|(name, help)| BotCommand::new(name, help)).collect()
}

fn scope(chat: ChatId) -> BotCommandScope {
    BotCommandScope::Chat { chat_id: Recipient::Id(telegram_id(chat)) }
}

//! Who may speak with the bot: owners let chats in with one-time codes, and remove them. While nobody owns the
//! bot, the log has the code for the first.
//!
//! What must hold:
//! - A code has 128 random bits and is good once and for [`CODE_TIME`]. Only its hash is kept; the code itself
//!   stands in the log of the service, or in the owner's chat, and nowhere else.
//! - A code for the first owner is good only while there is none. A new one ends the one before.
//! - Whoever comes with a wrong code learns nothing, not even that it is wrong.
//! - What an owner's code gives, it gives as long as that owner is one.
//! - What the configuration names stays; so does the last owner.
//! - A group that was removed is left, once its removal is on disk: a bot that is killed in between serves it
//!   no longer, although it is in it still.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono_tz::Tz;
use teloxide::payloads::LeaveChat;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::api::Api;
use super::bot_commands;
use super::outgoing::telegram_id;
use super::request_error::RequestError;
use super::sender::Sender;
use crate::chat::views::access::{self as views, ListedChat, refused};
use crate::chat::{AccessControl, BoxFuture, PressReply, Reply, views::change_failed};
use crate::dot11::hex;
use crate::event::{ChatId, CodeHash, Event, EventKind, Role, Timestamp};
use crate::recorder::{ChangeError, RecorderHandle};
use crate::text::Text;

/// For how long a code is good.
const CODE_TIME: Duration = Duration::from_secs(24 * 3600);

/// When a code that could not be made is tried again.
const CODE_RETRY: Duration = Duration::from_secs(60);

/// The longest name of a chat that is kept, in characters.
const NAME_LENGTH: usize = 64;

/// Decides who is let in.
pub(super) struct Access {
    api: Api,
    sender: Sender,
    recorder: RecorderHandle,
    zone: Tz,
    username: String,
    /// The chats and the owners that the configuration names, by the numbers that it gives.
    configured: Vec<ChatId>,
    owners: Vec<ChatId>,
    /// What chats are called that wrote lately, for those of the configuration.
    names: Mutex<BTreeMap<ChatId, String>>,
    /// Held from the look at who owns the bot until the removal is in the state: of two owners who remove each
    /// other at once, one stays.
    removing: tokio::sync::Mutex<()>,
    /// Told whenever an owner has come or gone.
    owners_changed: Notify,
}

/// No code could be made.
#[derive(Debug, thiserror::Error)]
enum CodeError {
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl Access {
    pub(super) fn new(
        api: Api,
        sender: Sender,
        recorder: RecorderHandle,
        settings: &crate::config::Telegram,
        zone: Tz,
        username: &str,
    ) -> Arc<Self> {
        let (configured, owners) = (settings.chats.clone(), settings.owners.clone());
        Arc::new(Self {
            api,
            sender,
            recorder,
            zone,
            username: username.to_owned(),
            configured,
            owners,
            names: Mutex::default(),
            removing: tokio::sync::Mutex::default(),
            owners_changed: Notify::new(),
        })
    }

    /// Logs a code for the first owner whenever there is none, and anew whenever the code is over.
    pub(super) async fn offer_ownership(&self, stop: &CancellationToken) {
        loop {
            if !self.is_unowned() {
                tokio::select! {
                    () = self.owners_changed.notified() => continue,
                    () = stop.cancelled() => return,
                }
            }
            let wait = match self.new_code(Role::Owner, None).await {
                Ok(code) => {
                    info!(
                        event = "ownership_offered",
                        link = %format_args!("https://t.me/{}?start={code}", self.username),
                        command = format!("/start {code}"),
                        valid_hours = CODE_TIME.as_secs() / 3600,
                        "this bot has no owner yet: the first person to open the link, or to send it the command, owns it",
                    );
                    CODE_TIME
                }
                Err(error) => {
                    warn!(event = "ownership_code_failed", %error, "this bot has no owner yet, and no code could be made; trying again");
                    CODE_RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.owners_changed.notified() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Lets the chat in where the code is good, and says so; nothing where it is not.
    pub(super) async fn pair_chat(&self, chat: ChatId, name: String, code: &str) -> Option<Reply> {
        let (code, time) = (CodeHash::of(code), Timestamp::now());
        let invitation = self.recorder.state().chats().invitation(&code, chat, time)?;
        // Who has made the code may own the bot no longer, as where the configuration does not say so any more.
        if !invitation.by.map_or_else(|| self.is_unowned(), |by| self.is_owner(by)) {
            return None;
        }
        if invitation.role == Role::Owner && chat.0 < 0 {
            return Some(views::owner_is_a_person().into());
        }
        let name = name.chars().take(NAME_LENGTH).collect();
        if let Err(error) =
            self.recorder.change(Event::new(time, EventKind::Paired { chat, code, name })).await
        {
            return Some(change_failed(&error).into());
        }
        // Another chat may have come first.
        let role = self.recorder.state().chats().pairing(chat)?.role;
        info!(event = "chat_paired", %chat, ?role, "a chat used an invitation code");
        if role == Role::Owner {
            self.owners_changed.notify_one();
            bot_commands::set_for_owner(&self.api, chat).await;
        }
        Some(views::paired(role).into())
    }

    /// The chat, if this owner may remove it, or why not.
    fn removable(&self, owner: ChatId, chat: ChatId) -> Result<ListedChat, &'static str> {
        if !self.is_owner(owner) {
            return Err(refused::NOT_YOURS);
        }
        let Some(listed) = self.listed().into_iter().find(|listed| listed.chat == chat) else {
            return Err(refused::NOT_THERE);
        };
        if listed.since.is_none() {
            return Err(refused::CONFIGURED);
        }
        if listed.role == Role::Owner && self.all_owners().len() == 1 {
            return Err(refused::LAST_OWNER);
        }
        Ok(listed)
    }

    /// Removes the chat, if this owner may.
    async fn remove_chat(&self, owner: ChatId, chat: ChatId) -> PressReply {
        let listed = {
            let _alone = self.removing.lock().await;
            let listed = match self.removable(owner, chat) {
                Ok(listed) => listed,
                Err(why) => return PressReply::Notify(why.to_owned()),
            };
            let gone = Event::new(Timestamp::now(), EventKind::ChatRemoved { chat: listed.chat, by: owner });
            if let Err(error) = self.recorder.change(gone).await {
                return PressReply::Send(change_failed(&error).into());
            }
            listed
        };
        info!(event = "chat_removed", chat = %listed.chat, %owner, "an owner removed a chat");
        if listed.role == Role::Owner {
            self.owners_changed.notify_one();
            bot_commands::clear(&self.api, listed.chat).await;
        }
        let done = views::removed(&listed, self.leave(listed.chat).await);
        PressReply::Edit(if listed.chat == owner { done.into() } else { self.list(done.then("\n\n")) })
    }

    /// Leaves a group or channel that is served no longer. Whether the bot is in it no more; a private chat
    /// has nothing to leave.
    async fn leave(&self, chat: ChatId) -> bool {
        if chat.0 > 0 {
            return true;
        }
        match self.api.request(&LeaveChat::new(telegram_id(chat))).await {
            Ok(_) => true,
            // The bot was put out of it, or it is no more.
            Err(RequestError::Refused(why)) => {
                info!(event = "chat_already_left", %chat, reason = %why, "the bot is no longer in a removed chat");
                true
            }
            Err(failure) => {
                warn!(event = "leave_failed", %chat, error = %failure, "could not leave a removed chat; the bot answers nobody there");
                false
            }
        }
    }

    /// Whether the person of this private chat owns the bot.
    pub(super) fn is_owner(&self, chat: ChatId) -> bool {
        self.all_owners().contains(&chat)
    }

    /// Takes note of what a chat that is served is called.
    pub(super) fn note_name(&self, chat: ChatId, name: String) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(chat, name);
    }

    /// Everybody who owns the bot.
    pub(super) fn all_owners(&self) -> BTreeSet<ChatId> {
        let state = self.recorder.state();
        let paired = state.chats().paired().filter(|(_, pairing)| pairing.role == Role::Owner);
        self.owners.iter().copied().chain(paired.map(|(chat, _)| chat)).collect()
    }

    /// Whether neither the configuration names anyone nor anybody owns the bot.
    fn is_unowned(&self) -> bool {
        self.all_owners().is_empty()
    }

    async fn new_code(&self, role: Role, by: Option<ChatId>) -> Result<String, CodeError> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).map_err(CodeError::Random)?;
        let code = hex(&octets);
        let time = Timestamp::now();
        let micros = i64::try_from(CODE_TIME.as_micros()).unwrap_or(i64::MAX);
        let expires = Timestamp::from_micros(time.as_micros().saturating_add(micros));
        self.recorder
            .change(Event::new(time, EventKind::Invited { code: CodeHash::of(&code), role, expires, by }))
            .await?;
        Ok(code)
    }

    async fn new_invitation(&self, by: ChatId, role: Role) -> Text {
        if let Some(limit) = self.recorder.state().chats().paired_limit_reached() {
            return views::too_many_chats(limit);
        }
        match self.new_code(role, Some(by)).await {
            Ok(code) => views::invitation(&self.username, &code, role, CODE_TIME.as_secs() / 3600),
            Err(CodeError::Change(error)) => change_failed(&error),
            Err(CodeError::Random(error)) => views::no_code(&error.to_string()),
        }
    }

    fn listed(&self) -> Vec<ListedChat> {
        let served = self.sender.served();
        let owners = self.all_owners();
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.recorder.state();
        let configured: BTreeSet<ChatId> =
            self.configured.iter().map(|chat| state.chats().current(*chat)).collect();
        let listed = served.into_iter().map(|chat| {
            let pairing = state.chats().pairing(chat);
            ListedChat {
                chat,
                name: names.get(&chat).cloned().or_else(|| pairing.map(|pairing| pairing.name.clone())),
                role: if owners.contains(&chat) { Role::Owner } else { Role::Member },
                since: pairing.filter(|_| !configured.contains(&chat)).map(|pairing| pairing.since),
            }
        });
        listed.collect()
    }

    fn list(&self, head: Text) -> Reply {
        let listed = self.listed();
        let buttons = views::removal_buttons(&listed);
        Reply { text: head.join(views::chats(&listed, self.zone)), buttons, ..Reply::default() }
    }
}

impl AccessControl for Access {
    fn has_owner(&self) -> bool {
        !self.is_unowned()
    }

    fn is_owner(&self, chat: ChatId) -> bool {
        self.is_owner(chat)
    }

    fn pair<'a>(&'a self, chat: ChatId, code: &'a str) -> BoxFuture<'a, Option<Reply>> {
        let name = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&chat).cloned();
        Box::pin(self.pair_chat(chat, name.unwrap_or_default(), code))
    }

    fn invite(&self, owner: ChatId, role: Role) -> BoxFuture<'_, Reply> {
        Box::pin(async move { self.new_invitation(owner, role).await.into() })
    }

    fn chats(&self) -> Reply {
        self.list(Text::default())
    }

    fn confirm_removal(&self, owner: ChatId, chat: ChatId) -> PressReply {
        match self.removable(owner, chat) {
            Ok(listed) => PressReply::Edit(views::confirm_removal(&listed)),
            Err(why) => PressReply::Notify(why.to_owned()),
        }
    }

    fn remove(&self, owner: ChatId, chat: ChatId) -> BoxFuture<'_, PressReply> {
        Box::pin(self.remove_chat(owner, chat))
    }
}

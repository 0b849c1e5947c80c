//! Access control: owners invite chats with one-time codes, and remove them. While the bot has no owner, the service
//! logs a code for the first one.
//!
//! Invariants:
//! - A code has 128 random bits, works once, and expires after [`CODE_LIFETIME`]. Only its hash is stored. The code
//!   itself is in the service's log or in the owner's chat, and nowhere else.
//! - A code for the first owner works only while there is none. A new one invalidates the previous one.
//! - A wrong code reveals nothing, not even that it is wrong.
//! - An invitation works only while the owner who made it is one.
//! - Chats that the configuration names cannot be removed; nor can the last owner.
//! - The bot leaves a removed group only after the removal is on disk. If it is killed in between, it no longer serves
//!   the group, although it is still a member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dot11::hex;
use store::event::{ChatId, CodeHash, Event, EventKind, Role, Timestamp};
use store::recorder::{ChangeError, RecorderHandle};
use teloxide::payloads::LeaveChat;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::api::Api;
use super::bot_commands::Menus;
use super::group_admins::GroupAdmins;
use super::outgoing::telegram_id;
use super::sender::Sender;
use crate::chat::views::access::{self as views, ChatProblem, ListedChat, refused};
use crate::chat::{AccessControl, BoxFuture, PressReply, Reply, views::change_failed};
use crate::chat_settings::ConfiguredSettings;
use crate::status::{Ownership, OwnershipState};
use crate::text::Text;

/// How long a code is valid.
const CODE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The wait after a code could not be made.
const CODE_RETRY: Duration = Duration::from_secs(60);

/// The longest stored name of a chat, in characters.
const NAME_LIMIT: usize = 64;

/// Decides which chats are served, and who owns the bot.
pub(super) struct Access {
    api: Api,
    sender: Sender,
    recorder: RecorderHandle,
    settings: Arc<ConfiguredSettings>,
    username: String,
    /// The menus of the served chats.
    pub(super) menus: Menus,
    /// The chats and the owners that the configuration names, by the IDs in it.
    configured: Vec<ChatId>,
    configured_owners: Vec<ChatId>,
    members_may_name: bool,
    admins: GroupAdmins,
    /// The names of chats that wrote in this run; for a configured chat there is no other.
    names: Mutex<BTreeMap<ChatId, String>>,
    /// Held from the check of a removal until the state has it: of two owners who remove each other at once, one stays.
    removal: tokio::sync::Mutex<()>,
    /// Notified when an owner was added or removed.
    owners_changed: Notify,
    /// Notified when a chat proposed something.
    pub(super) proposed: Notify,
}

/// Why no code could be made.
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
        chat_settings: Arc<ConfiguredSettings>,
        username: &str,
    ) -> Arc<Self> {
        let (configured, configured_owners) = (settings.chats.clone(), settings.owners.clone());
        Arc::new(Self {
            admins: GroupAdmins::new(api.clone()),
            menus: Menus::new(api.clone()),
            api,
            sender,
            recorder,
            settings: chat_settings,
            username: username.to_owned(),
            configured,
            configured_owners,
            members_may_name: settings.members_may_name,
            names: Mutex::default(),
            removal: tokio::sync::Mutex::default(),
            owners_changed: Notify::new(),
            proposed: Notify::new(),
        })
    }

    /// Until `stop`, logs a code whenever the bot has no owner, and a new one when that expires. Tells `ownership`.
    pub(super) async fn offer_ownership(&self, ownership: &Ownership, stop: &CancellationToken) {
        loop {
            if !self.is_unowned() {
                ownership.set(OwnershipState::Owned);
                tokio::select! {
                    () = self.owners_changed.notified() => continue,
                    () = stop.cancelled() => return,
                }
            }
            let wait = match self.create_invitation_code(Role::Owner, None).await {
                Ok(code) => {
                    let link = format!("https://t.me/{}?start={code}", self.username);
                    info!(
                        event = "ownership_offered",
                        %link,
                        command = format!("/start {code}"),
                        valid_hours = CODE_LIFETIME.as_secs() / 3600,
                        "this bot has no owner yet: the first person to open the link, or to send it the command, owns it",
                    );
                    ownership.set(OwnershipState::Offered { link });
                    CODE_LIFETIME
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

    /// Gives the chat access if the code is valid, and returns its role.
    ///
    /// # Errors
    /// The text that says why it gets none, although the code is valid.
    pub(super) async fn pair_chat(
        &self,
        chat: ChatId,
        name: String,
        code: &str,
    ) -> Option<Result<Role, Text>> {
        let (code, time) = (CodeHash::of(code), self.recorder.now());
        let invitation = self.recorder.state().chats().invitation(&code, chat, time)?;
        // The owner who made the code may be one no longer.
        let is_authorised = invitation.by.map_or_else(|| self.is_unowned(), |by| self.is_owner(by));
        if !is_authorised {
            return None;
        }
        if invitation.role == Role::Owner && chat.0 < 0 {
            return Some(Err(views::owner_is_a_person()));
        }
        let name = name.chars().take(NAME_LIMIT).collect();
        if let Err(error) =
            self.recorder.change(Event::new(time, EventKind::Paired { chat, code, name })).await
        {
            return Some(Err(change_failed(&error)));
        }
        // Another chat may have used the code first.
        let role = self.recorder.state().chats().pairing(chat)?.role;
        info!(event = "chat_paired", %chat, ?role, "a chat used an invitation code");
        if role == Role::Owner {
            self.owners_changed.notify_one();
        }
        self.menus.set(chat, role).await;
        Some(Ok(role))
    }

    /// Checks that this owner may remove the chat.
    ///
    /// # Errors
    /// The text that says why not.
    fn removable(&self, owner: ChatId, chat: ChatId) -> Result<ListedChat, &'static str> {
        if !self.is_owner(owner) {
            return Err(refused::NOT_YOURS);
        }
        let Some(listed) = self.list_chats().into_iter().find(|listed| listed.chat == chat) else {
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

    /// Removes the chat if this owner may.
    async fn remove_chat(&self, owner: ChatId, chat: ChatId) -> PressReply {
        let removal = self.removal.lock().await;
        let listed = match self.removable(owner, chat) {
            Ok(listed) => listed,
            Err(reason) => return PressReply::Notify(reason.to_owned()),
        };
        let event = Event::new(self.recorder.now(), EventKind::ChatRemoved { chat, by: owner });
        if let Err(error) = self.recorder.change(event).await {
            return PressReply::Send(change_failed(&error).into());
        }
        drop(removal);
        info!(event = "chat_removed", %chat, %owner, "an owner removed a chat");
        if listed.role == Role::Owner {
            self.owners_changed.notify_one();
        }
        self.menus.clear(chat).await;
        let removed = views::removed(&listed, self.leave_group(chat).await);
        PressReply::Edit(if chat == owner {
            removed.into()
        } else {
            self.list(owner, removed.append("\n\n"))
        })
    }

    /// Leaves a removed group or channel; a private chat cannot be left. Returns false if the bot is still a member.
    async fn leave_group(&self, chat: ChatId) -> bool {
        if chat.0 > 0 {
            return true;
        }
        match self.api.request(&LeaveChat::new(telegram_id(chat))).await {
            Ok(_) => true,
            // The bot was removed from it, or it was deleted.
            Err(error) if error.refusal().is_some() => {
                info!(event = "chat_already_left", %chat, reason = %error, "the bot is no longer in a removed chat");
                true
            }
            Err(error) => {
                warn!(event = "leave_failed", %chat, %error, "could not leave a removed chat; the bot answers nobody there");
                false
            }
        }
    }

    /// Whether this is the private chat of an owner.
    pub(super) fn is_owner(&self, chat: ChatId) -> bool {
        self.all_owners().contains(&chat)
    }

    /// Records the name of a served chat.
    pub(super) fn record_name(&self, chat: ChatId, name: String) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(chat, name);
    }

    /// All owners: those that the configuration names, and those who used an owner code.
    pub(super) fn all_owners(&self) -> BTreeSet<ChatId> {
        let state = self.recorder.state();
        let paired = state.chats().paired().filter(|(_, pairing)| pairing.role == Role::Owner);
        self.configured_owners.iter().copied().chain(paired.map(|(chat, _)| chat)).collect()
    }

    /// The role of a served chat.
    fn role_of(&self, chat: ChatId) -> Role {
        if self.is_owner(chat) { Role::Owner } else { Role::Member }
    }

    /// Sets the command menus of all served chats and of strangers, and deletes those of chats that watched or followed
    /// something and are served no more.
    pub(super) async fn set_all_menus(&self) {
        let served = self.sender.chats_with_access();
        let former = {
            let state = self.recorder.state();
            let watches = state.watches().iter().map(|(_, chat, _)| chat);
            let patterns = state.watches().patterns().map(|(_, chat, _)| chat);
            let follows = state.follows().iter().map(|(chat, _)| chat);
            let known: BTreeSet<ChatId> = watches.chain(patterns).chain(follows).collect();
            known.into_iter().filter(|chat| chat.0 > 0 && !served.contains(chat)).collect()
        };
        let served = served.into_iter().map(|chat| (chat, self.role_of(chat))).collect();
        self.menus.set_all(served, former).await;
    }

    /// Sets the command menu of a served chat that wrote, if it has none.
    pub(super) async fn set_menu_if_missing(&self, chat: ChatId) {
        self.menus.set_if_missing(chat, || self.role_of(chat)).await;
    }

    /// Whether the bot has no owner.
    fn is_unowned(&self) -> bool {
        self.all_owners().is_empty()
    }

    /// Makes a code that gives `role`, and stores its hash. `by` is the owner who invites.
    async fn create_invitation_code(&self, role: Role, by: Option<ChatId>) -> Result<String, CodeError> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).map_err(CodeError::Random)?;
        let code = hex(&octets);
        let time = self.recorder.now();
        let micros = i64::try_from(CODE_LIFETIME.as_micros()).unwrap_or(i64::MAX);
        let expires = Timestamp::from_micros(time.as_micros().saturating_add(micros));
        self.recorder
            .change(Event::new(time, EventKind::Invited { code: CodeHash::of(&code), role, expires, by }))
            .await?;
        Ok(code)
    }

    /// Makes an invitation for `role`, with a link.
    async fn new_invitation(&self, by: ChatId, role: Role) -> Reply {
        if let Some(limit) = self.recorder.state().chats().paired_limit_reached() {
            return views::too_many_chats(limit).into();
        }
        match self.create_invitation_code(role, Some(by)).await {
            Ok(code) => views::invitation(&self.username, &code, role, CODE_LIFETIME.as_secs() / 3600),
            Err(CodeError::Change(error)) => change_failed(&error).into(),
            Err(CodeError::Random(error)) => views::no_code(&error.to_string()).into(),
        }
    }

    /// The served chats with their names and roles.
    fn list_chats(&self) -> Vec<ListedChat> {
        let served = self.sender.chats_with_access();
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
                problem: match state.chats().block(chat) {
                    Some(block) => Some(ChatProblem::Blocked(block.since)),
                    None => self.sender.refusal(chat).map(ChatProblem::Refused),
                },
            }
        });
        listed.collect()
    }

    /// The list of served chats for this owner, behind `head`.
    fn list(&self, owner: ChatId, head: Text) -> Reply {
        let zone = self.settings.of(&self.recorder.state().chat_settings().of(owner)).time_zone.value;
        let listed = self.list_chats();
        let buttons = views::removal_buttons(&listed);
        Reply { text: head.append_text(views::chats(&listed, zone)), buttons, ..Reply::default() }
    }
}

impl AccessControl for Access {
    fn has_owner(&self) -> bool {
        !self.is_unowned()
    }

    fn is_owner(&self, chat: ChatId) -> bool {
        self.is_owner(chat)
    }

    fn members_may_name(&self) -> bool {
        self.members_may_name
    }

    fn is_group_admin(&self, group: ChatId, person: ChatId) -> BoxFuture<'_, Option<bool>> {
        Box::pin(self.admins.is_admin(group, person))
    }

    fn ask_about_proposals(&self) {
        self.proposed.notify_one();
    }

    fn tell(&self, chat: ChatId, text: Text) {
        if !self.sender.has_access(chat) {
            return;
        }
        let (sender, message) = (self.sender.clone(), Reply::from(text));
        tokio::spawn(async move { sender.reply(chat.into(), &message, false).await });
    }

    fn pair<'a>(&'a self, chat: ChatId, code: &'a str) -> BoxFuture<'a, Option<Result<Role, Text>>> {
        let name = self.names.lock().unwrap_or_else(PoisonError::into_inner).get(&chat).cloned();
        Box::pin(self.pair_chat(chat, name.unwrap_or_default(), code))
    }

    fn invite(&self, owner: ChatId, role: Role) -> BoxFuture<'_, Reply> {
        Box::pin(self.new_invitation(owner, role))
    }

    fn chats(&self, owner: ChatId) -> Reply {
        self.list(owner, Text::default())
    }

    fn confirm_removal(&self, owner: ChatId, chat: ChatId) -> PressReply {
        match self.removable(owner, chat) {
            Ok(listed) => PressReply::Edit(views::confirm_removal(&listed)),
            Err(reason) => PressReply::Notify(reason.to_owned()),
        }
    }

    fn remove(&self, owner: ChatId, chat: ChatId) -> BoxFuture<'_, PressReply> {
        Box::pin(self.remove_chat(owner, chat))
    }
}

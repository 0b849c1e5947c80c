//! Paired chats, valid invitation codes, group migrations, handled updates, and chats that blocked the bot.
//!
//! Codes are validated in the fold, so the first chat in the log wins.

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, CodeHash, Offset, Role, Timestamp};

/// Handled updates that are remembered; beyond this the oldest is removed.
pub const HANDLED_UPDATES_LIMIT: usize = 256;

/// Chats that may be paired, in addition to those in the configuration.
pub const PAIRED_LIMIT: usize = 50;

/// Open invitations at a time; beyond this the first to expire is removed.
pub const INVITATION_LIMIT: usize = 32;

/// Chats that are known to block the bot; beyond this the one that did so first is forgotten.
const BLOCKED_LIMIT: usize = 256;

/// The longest kept reason of a block, in characters.
const REASON_LENGTH: usize = 200;

/// An invitation whose code was not used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The role of a chat that uses it.
    pub role: Role,
    /// Until when it is valid.
    pub expires: Timestamp,
    /// The owner who made it; `None` if nobody owned the bot.
    pub by: Option<ChatId>,
}

/// A chat that used an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// Its role.
    pub role: Role,
    /// Since when.
    pub since: Timestamp,
    /// The title of the group, or the person's name, as it was then.
    pub name: String,
}

/// A chat that blocked or removed the bot, or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Since when the bot knows.
    pub since: Timestamp,
    /// How it learned of it.
    pub reason: String,
}

/// The chats' part of the state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chats {
    /// The current ID by each earlier one.
    pub(super) migrated: DirtyMap<ChatId, ChatId>,
    /// The IDs of handled updates, by the offset of the event.
    pub(super) handled_updates: DirtyMap<Offset, u32>,
    pub(super) invitations: DirtyMap<CodeHash, Invitation>,
    pub(super) paired: DirtyMap<ChatId, Pairing>,
    pub(super) blocked: DirtyMap<ChatId, Block>,
}

impl Chats {
    /// The current ID of this chat.
    pub fn current(&self, chat: ChatId) -> ChatId {
        self.migrated.get(&chat).copied().unwrap_or(chat)
    }

    /// Whether this Telegram update was handled, if it is among the last [`HANDLED_UPDATES_LIMIT`].
    pub fn was_handled(&self, update: u32) -> bool {
        self.handled_updates.iter().any(|(_, handled)| *handled == update)
    }

    /// The paired chats.
    pub fn paired(&self) -> impl Iterator<Item = (ChatId, &Pairing)> {
        self.paired.iter().map(|(chat, pairing)| (*chat, pairing))
    }

    /// The pairing of this chat, if it is paired.
    pub fn pairing(&self, chat: ChatId) -> Option<&Pairing> {
        self.paired.get(&chat)
    }

    /// The chats that blocked the bot.
    pub fn blocked(&self) -> impl Iterator<Item = (ChatId, &Block)> {
        self.blocked.iter().map(|(chat, block)| (*chat, block))
    }

    /// Since when and why this chat gets no messages, if it blocked the bot.
    pub fn block(&self, chat: ChatId) -> Option<&Block> {
        self.blocked.get(&chat)
    }

    pub(super) fn set_blocked(&mut self, time: Timestamp, chat: ChatId, reason: &str) {
        let reason = reason.chars().take(REASON_LENGTH).collect();
        let since = self.block(chat).map_or(time, |before| before.since);
        self.blocked.insert(chat, Block { since, reason });
        if self.blocked.len() > BLOCKED_LIMIT
            && let Some((first, _)) = self.blocked.iter().min_by_key(|(_, block)| block.since)
        {
            let first = *first;
            self.blocked.remove(&first);
        }
    }

    pub(super) fn set_unblocked(&mut self, chat: ChatId) {
        self.blocked.remove(&chat);
    }

    /// `Some(limit)` once the limit is reached.
    pub fn paired_limit_reached(&self) -> Option<usize> {
        (self.paired.len() >= PAIRED_LIMIT).then_some(PAIRED_LIMIT)
    }

    /// The invitation with this code, if `chat` can use it at `time`.
    pub fn invitation(&self, code: &CodeHash, chat: ChatId, time: Timestamp) -> Option<Invitation> {
        let has_room = self.paired.len() < PAIRED_LIMIT || self.pairing(chat).is_some();
        self.invitations.get(code).copied().filter(|invitation| time <= invitation.expires && has_room)
    }

    pub(super) fn invite(&mut self, time: Timestamp, code: CodeHash, invitation: Invitation) {
        self.revoke(|_, old| old.expires < time || (invitation.by, old.by) == (None, None));
        self.invitations.insert(code, invitation);
        if self.invitations.len() > INVITATION_LIMIT
            && let Some((first, _)) = self.invitations.iter().min_by_key(|(_, open)| open.expires)
        {
            let first = *first;
            self.invitations.remove(&first);
        }
    }

    pub(super) fn pair(&mut self, time: Timestamp, chat: ChatId, code: CodeHash, name: String) {
        let Some(Invitation { role, .. }) = self.invitation(&code, chat, time) else { return };
        self.invitations.remove(&code);
        let before = self.pairing(chat);
        let role = before.map_or(role, |before| before.role.max(role));
        let since = before.map_or(time, |before| before.since);
        self.paired.insert(chat, Pairing { role, since, name });
    }

    /// Removes the chat and revokes its codes.
    pub(super) fn remove(&mut self, chat: ChatId) {
        self.paired.remove(&chat);
        self.blocked.remove(&chat);
        // It may have made them before it became a supergroup.
        self.revoke(|chats, open| open.by.is_some_and(|by| chats.current(by) == chat));
    }

    fn revoke(&mut self, is_over: impl Fn(&Self, &Invitation) -> bool) {
        let over = self.invitations.iter().filter(|(_, open)| is_over(self, open));
        let over: Vec<CodeHash> = over.map(|(code, _)| *code).collect();
        for code in over {
            self.invitations.remove(&code);
        }
    }

    /// Maps `from`, and all its earlier IDs, to `to`.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        let earlier = self.migrated.iter().filter(|(_, now)| **now == from).map(|(before, _)| *before);
        let moved: Vec<ChatId> = earlier.chain([from]).filter(|before| *before != to).collect();
        self.migrated.remove(&to);
        // Telegram names the new ID to those that it lets in.
        self.blocked.remove(&from);
        for before in moved {
            self.migrated.insert(before, to);
        }
        if let Some(pairing) = self.paired.remove(&from)
            && self.pairing(to).is_none()
        {
            self.paired.insert(to, pairing);
        }
    }

    pub(super) fn record_handled_update(&mut self, offset: Offset, update: u32) {
        self.handled_updates.insert(offset, update);
        if self.handled_updates.len() > HANDLED_UPDATES_LIMIT
            && let Some(oldest) = self.handled_updates.first_key().copied()
        {
            self.handled_updates.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_chat_over_several_migrations() {
        let mut chats = Chats::default();
        let [a, b, c, other] = [-1, -2, -3, -4].map(ChatId);
        chats.migrate(a, b);
        chats.migrate(b, c);
        assert_eq!([a, b, c, other].map(|chat| chats.current(chat)), [c, c, c, other]);
        // Prevent migration cycles.
        chats.migrate(c, a);
        assert_eq!([a, b, c].map(|chat| chats.current(chat)), [a, a, a]);
    }

    #[test]
    fn a_code_is_valid_once_and_until_it_expires() {
        let [alice, bob, group] = [1, 2, -3].map(ChatId);
        let time = Timestamp::from_micros;
        let open = |by: Option<i64>, role| Invitation { role, expires: time(100), by: by.map(ChatId) };
        let code = |number: u32| CodeHash::of(&number.to_string());
        let mut chats = Chats::default();
        chats.pair(time(1), alice, code(1), "Alice".to_owned());
        assert_eq!(chats.paired().count(), 0, "there is no such code");
        // While nobody owns the bot, only the newest code is valid.
        chats.invite(time(1), code(1), open(None, Role::Owner));
        chats.invite(time(2), code(2), open(None, Role::Owner));
        chats.pair(time(3), alice, code(1), "Alice".to_owned());
        assert_eq!(chats.pairing(alice), None);
        chats.pair(time(3), alice, code(2), "Alice".to_owned());
        chats.pair(time(3), bob, code(2), "Bob".to_owned());
        assert_eq!(chats.pairing(alice).map(|alice| alice.role), Some(Role::Owner));
        assert_eq!(chats.pairing(bob), None);
        // An expired code.
        chats.invite(time(4), code(3), open(Some(1), Role::Member));
        chats.pair(time(101), bob, code(3), "Bob".to_owned());
        assert_eq!(chats.pairing(bob), None);
        // Keep the owner role; a migrated group keeps its slot.
        chats.pair(time(100), alice, code(3), "Alice".to_owned());
        assert_eq!(chats.pairing(alice).map(|alice| (alice.role, alice.since)), Some((Role::Owner, time(3))));
        chats.invite(time(5), code(4), open(Some(1), Role::Member));
        chats.pair(time(6), group, code(4), "Group".to_owned());
        chats.migrate(group, ChatId(-100));
        assert_eq!((chats.pairing(group), chats.pairing(ChatId(-100)).is_some()), (None, true));
        chats.remove(ChatId(-100));
        assert_eq!(chats.paired().count(), 1);
    }

    #[test]
    fn removing_a_chat_revokes_its_codes() {
        let [ann, bob, carol] = [1, 2, 3].map(ChatId);
        let time = Timestamp::from_micros;
        let by = |by: ChatId| Invitation { role: Role::Owner, expires: time(100), by: Some(by) };
        let [bobs, anns] = ["bob's", "ann's"].map(CodeHash::of);
        let mut chats = Chats::default();
        chats.invite(time(1), bobs, by(bob));
        chats.invite(time(1), anns, by(ann));
        chats.migrate(bob, ChatId(-100));
        chats.remove(ChatId(-100));
        chats.pair(time(2), bob, bobs, "Bob".to_owned());
        assert_eq!(chats.pairing(bob), None);
        chats.pair(time(2), carol, anns, "Carol".to_owned());
        assert_eq!(chats.pairing(carol).map(|carol| carol.role), Some(Role::Owner));
    }

    #[test]
    fn limits_invitations_and_paired_chats() {
        let mut chats = Chats::default();
        let code = |number: usize| CodeHash::of(&number.to_string());
        for number in 0..=PAIRED_LIMIT {
            let time = Timestamp::from_micros(number as i64);
            let expires = Timestamp::from_micros(1_000 + number as i64);
            let by = Some(ChatId(1));
            chats.invite(time, code(number), Invitation { role: Role::Member, expires, by });
            chats.pair(time, ChatId(number as i64 + 1), code(number), String::new());
        }
        assert_eq!((chats.paired.len(), chats.invitations.len()), (PAIRED_LIMIT, 1));
        assert_eq!(chats.paired_limit_reached(), Some(PAIRED_LIMIT));
        chats.remove(ChatId(1));
        assert_eq!((chats.paired.len(), chats.paired_limit_reached()), (PAIRED_LIMIT - 1, None));
        for number in 1_000..1_000 + 2 * INVITATION_LIMIT {
            let expires = Timestamp::from_micros(number as i64);
            let open = Invitation { role: Role::Member, expires, by: Some(ChatId(1)) };
            chats.invite(Timestamp::from_micros(0), code(number), open);
        }
        assert_eq!(chats.invitations.len(), INVITATION_LIMIT);
    }

    #[test]
    fn a_block_lasts_until_the_chat_is_back_and_few_are_kept() {
        let time = Timestamp::from_micros;
        let mut chats = Chats::default();
        chats.set_blocked(time(1), ChatId(7), "blocked");
        chats.set_blocked(time(2), ChatId(7), &"é".repeat(300));
        let block = chats.block(ChatId(7)).unwrap();
        assert_eq!((block.since, block.reason.chars().count()), (time(1), REASON_LENGTH));
        chats.set_unblocked(ChatId(7));
        assert_eq!(chats.block(ChatId(7)), None);
        for chat in 0..=BLOCKED_LIMIT as i64 {
            chats.set_blocked(time(10 + chat), ChatId(chat), "");
        }
        assert_eq!((chats.blocked().count(), chats.block(ChatId(0))), (BLOCKED_LIMIT, None));
        chats.remove(ChatId(1));
        chats.migrate(ChatId(2), ChatId(-100));
        assert_eq!([1, 2, -100].map(|chat| chats.block(ChatId(chat)).is_some()), [false; 3]);
    }

    #[test]
    fn forgets_the_oldest_update() {
        let mut chats = Chats::default();
        let limit = HANDLED_UPDATES_LIMIT as u32;
        for number in 0..=limit {
            chats.record_handled_update(Offset(number.into()), 1000 + number);
        }
        assert!(!chats.was_handled(1000));
        assert!(chats.was_handled(1001) && chats.was_handled(1000 + limit));
        assert_eq!(chats.handled_updates.len(), HANDLED_UPDATES_LIMIT);
    }
}

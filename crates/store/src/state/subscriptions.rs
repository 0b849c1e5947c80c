//! What chats set for devices: that they follow them, or ignore them.
//!
//! - A subscription holds what the device was when it was set: addresses and phones, its members. It is looked up by
//!   member and never by name. So a name that is given or taken away later neither adds a device nor removes one.
//! - A member is in at most one subscription of a chat: setting one that shares a member with others makes them one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, DeviceKey, GroupId};

/// The most members that a subscription gets at once.
pub const MEMBERS_LIMIT: usize = 64;

/// What a chat set for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription<V> {
    /// The addresses and phones that the device is.
    pub members: BTreeSet<DeviceKey>,
    /// What holds for it.
    pub value: V,
}

/// All subscriptions of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscriptions<V> {
    /// By one of the members, and the chat.
    pub(super) rows: DirtyMap<(DeviceKey, ChatId), Subscription<V>>,
    /// The member by which `rows` has a subscription, by each of its members.
    index: BTreeMap<(DeviceKey, ChatId), DeviceKey>,
}

impl<V> Default for Subscriptions<V> {
    fn default() -> Self {
        Self { rows: DirtyMap::default(), index: BTreeMap::new() }
    }
}

impl<V> Subscriptions<V> {
    /// Has a subscription of the chat cover these members, beside what it covers already. `value` gives what holds for
    /// it from what held so far.
    pub(super) fn set(
        &mut self,
        chat: ChatId,
        members: impl IntoIterator<Item = DeviceKey>,
        value: impl FnOnce(Option<V>) -> V,
    ) {
        let mut members: BTreeSet<DeviceKey> = members.into_iter().collect();
        let there = self.keys_of(&members, chat);
        let mut known = None;
        for key in &there {
            if let Some(one) = self.take(key, chat) {
                members.extend(one.members);
                known = known.or(Some(one.value));
            }
        }
        if let Some(key) = there.first().or(members.first()).cloned() {
            self.insert(key, chat, Subscription { members, value: value(known) });
        }
    }

    /// Removes the chat's subscriptions that have any of these members.
    pub(super) fn remove<'a>(&mut self, members: impl IntoIterator<Item = &'a DeviceKey>, chat: ChatId) {
        for key in self.keys_of(members, chat) {
            self.take(&key, chat);
        }
    }

    /// Changes what holds for the subscriptions that have any of these members.
    pub(super) fn update<'a>(
        &mut self,
        members: impl IntoIterator<Item = &'a DeviceKey>,
        is_meant: impl Fn(ChatId, &Subscription<V>) -> bool,
        change: impl Fn(&mut V),
    ) {
        let keys: BTreeSet<(DeviceKey, ChatId)> =
            members.into_iter().flat_map(|member| self.by_member(member)).collect();
        for key in keys {
            if self.rows.get(&key).is_some_and(|one| is_meant(key.1, one))
                && let Some(one) = self.rows.get_mut(&key)
            {
                change(&mut one.value);
            }
        }
    }

    /// The phone `from` is the phone `to` from now on.
    pub(super) fn rename_phone(&mut self, from: GroupId, to: GroupId) {
        let [from, to] = [from, to].map(DeviceKey::Phone);
        let keys: Vec<(DeviceKey, ChatId)> = self.by_member(&from).collect();
        for (key, chat) in keys {
            if let Some(Subscription { mut members, value }) = self.take(&key, chat) {
                members.remove(&from);
                members.insert(to.clone());
                self.set(chat, members, |known| known.unwrap_or(value));
            }
        }
    }

    /// Gives the subscriptions of the chat `from` to `to`, whose own go before them.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        for key in self.keys_of_chat(from) {
            if let Some(Subscription { members, value }) = self.take(&key, from) {
                self.set(to, members, |known| known.unwrap_or(value));
            }
        }
    }

    /// Removes this chat's subscriptions.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        for key in self.keys_of_chat(chat) {
            self.take(&key, chat);
        }
    }

    /// Completes the table after its rows were loaded. A row of an old snapshot has no members: `members_of` gives them
    /// for the device by whose key it was kept.
    pub(super) fn finish_loading(&mut self, members_of: impl Fn(&DeviceKey) -> Vec<DeviceKey>) {
        self.index.clear();
        let old: Vec<(DeviceKey, ChatId)> =
            self.rows.iter().filter(|(_, one)| one.members.is_empty()).map(|(key, _)| key.clone()).collect();
        let rows = self.rows.iter().flat_map(|((key, chat), one)| {
            one.members.iter().map(|member| ((member.clone(), *chat), key.clone()))
        });
        self.index = rows.collect();
        for (device, chat) in old {
            if let Some(Subscription { value, .. }) = self.take(&device, chat) {
                self.set(chat, members_of(&device), |known| known.unwrap_or(value));
            }
        }
    }

    fn insert(&mut self, key: DeviceKey, chat: ChatId, one: Subscription<V>) {
        let members = one.members.iter().map(|member| ((member.clone(), chat), key.clone()));
        self.index.extend(members);
        self.rows.insert((key, chat), one);
    }

    fn take(&mut self, key: &DeviceKey, chat: ChatId) -> Option<Subscription<V>> {
        let one = self.rows.remove(&(key.clone(), chat))?;
        for member in &one.members {
            self.index.remove(&(member.clone(), chat));
        }
        Some(one)
    }

    /// The keys of all chats' subscriptions that have this member.
    fn by_member(&self, member: &DeviceKey) -> impl Iterator<Item = (DeviceKey, ChatId)> {
        let [first, last] = [i64::MIN, i64::MAX].map(|chat| (member.clone(), ChatId(chat)));
        self.index.range(first..=last).map(|((_, chat), key)| (key.clone(), *chat))
    }

    fn keys_of<'a>(
        &self,
        members: impl IntoIterator<Item = &'a DeviceKey>,
        chat: ChatId,
    ) -> BTreeSet<DeviceKey> {
        members.into_iter().filter_map(|member| self.index.get(&(member.clone(), chat)).cloned()).collect()
    }

    fn keys_of_chat(&self, chat: ChatId) -> Vec<DeviceKey> {
        let of_chat = self.rows.iter().filter(|((_, by), _)| *by == chat);
        of_chat.map(|((key, _), _)| key.clone()).collect()
    }

    /// What the chat set for this address or phone.
    pub fn get(&self, member: &DeviceKey, chat: ChatId) -> Option<&V> {
        let key = self.index.get(&(member.clone(), chat))?;
        self.rows.get(&(key.clone(), chat)).map(|one| &one.value)
    }

    /// The subscriptions of all chats that have any of these members, each once.
    pub fn of<'a>(
        &self,
        members: impl IntoIterator<Item = &'a DeviceKey>,
    ) -> Vec<(ChatId, &Subscription<V>)> {
        if self.is_empty() {
            return Vec::new();
        }
        let keys: BTreeSet<(DeviceKey, ChatId)> =
            members.into_iter().flat_map(|member| self.by_member(member)).collect();
        keys.iter().filter_map(|key| Some((key.1, self.rows.get(key)?))).collect()
    }

    /// Whether any chat has a subscription with this member.
    pub(super) fn has(&self, member: &DeviceKey) -> bool {
        !self.is_empty() && self.by_member(member).next().is_some()
    }

    /// All subscriptions, each with its chat.
    pub fn iter(&self) -> impl Iterator<Item = (ChatId, &Subscription<V>)> {
        self.rows.iter().map(|((_, chat), one)| (*chat, one))
    }

    /// How many the chat has.
    pub fn count(&self, chat: ChatId) -> usize {
        self.iter().filter(|(by, _)| *by == chat).count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }
}

//! The networks that chats watch.

use serde::{Deserialize, Serialize};

use super::rows::Rows;
use crate::dot11::Ssid;
use crate::event::{ChatId, Timestamp};

/// A chat's wish to hear when someone asks for a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Since when.
    pub since: Timestamp,
    /// Why, in the chat's words.
    pub reason: Option<String>,
}

/// All watches, by SSID and chat.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watches {
    pub(super) rows: Rows<(Ssid, ChatId), Watch>,
}

impl Watches {
    pub(super) fn set(&mut self, ssid: &Ssid, chat: ChatId, time: Timestamp, reason: Option<String>) {
        let since = self.get(ssid, chat).map_or(time, |watch| watch.since);
        self.rows.insert((ssid.clone(), chat), Watch { since, reason });
    }

    pub(super) fn remove(&mut self, ssid: &Ssid, chat: ChatId) {
        self.rows.remove(&(ssid.clone(), chat));
    }

    /// Gives the watches of `from` to `to`, which keeps what it watches already.
    pub(super) fn migrate(&mut self, from: ChatId, to: ChatId) {
        let moving: Vec<Ssid> =
            self.iter().filter(|(_, chat, _)| *chat == from).map(|(ssid, _, _)| ssid.clone()).collect();
        for ssid in moving {
            if let Some(watch) = self.rows.remove(&(ssid.clone(), from))
                && self.get(&ssid, to).is_none()
            {
                self.rows.insert((ssid, to), watch);
            }
        }
    }

    /// Forgets what this chat watches.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        let gone: Vec<Ssid> =
            self.iter().filter(|(_, by, _)| *by == chat).map(|(ssid, _, _)| ssid.clone()).collect();
        gone.iter().for_each(|ssid| self.remove(ssid, chat));
    }

    /// The chat's watch on exactly this SSID.
    pub fn get(&self, ssid: &Ssid, chat: ChatId) -> Option<&Watch> {
        self.rows.get(&(ssid.clone(), chat))
    }

    /// Who watches this SSID.
    pub fn on(&self, ssid: &Ssid) -> impl Iterator<Item = (ChatId, &Watch)> {
        let first = (ssid.clone(), ChatId(i64::MIN));
        let last = (ssid.clone(), ChatId(i64::MAX));
        self.rows.range(first..=last).map(|((_, chat), watch)| (*chat, watch))
    }

    /// All watches, ordered by SSID.
    pub fn iter(&self) -> impl Iterator<Item = (&Ssid, ChatId, &Watch)> {
        self.rows.iter().map(|((ssid, chat), watch)| (ssid, *chat, watch))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

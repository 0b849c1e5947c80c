//! The networks that chats watch: by their SSIDs, and by patterns of them.

use serde::{Deserialize, Serialize};

use super::dirty_map::DirtyMap;
use crate::event::{ChatId, Pattern, Person, Timestamp};
use dot11::Ssid;

/// A chat watches a network: it gets an alert when a device looks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// Since when.
    pub since: Timestamp,
    /// Why, in the chat's words.
    pub reason: Option<String>,
    /// Who set it, if that is known: the last person who changed it.
    #[serde(default)]
    pub set_by: Option<Person>,
}

/// All watches, by SSID or pattern, and chat.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watches {
    pub(super) rows: DirtyMap<(Ssid, ChatId), Watch>,
    /// Few: each is matched against every requested SSID.
    pub(super) patterns: DirtyMap<(Pattern, ChatId), Watch>,
}

impl Watches {
    /// A repeated watch holds since the first one.
    pub(super) fn set(&mut self, ssid: &Ssid, chat: ChatId, watch: Watch) {
        let since = self.get(ssid, chat).map_or(watch.since, |watch| watch.since);
        self.rows.insert((ssid.clone(), chat), Watch { since, ..watch });
    }

    pub(super) fn remove(&mut self, ssid: &Ssid, chat: ChatId) {
        self.rows.remove(&(ssid.clone(), chat));
    }

    pub(super) fn set_pattern(&mut self, pattern: &Pattern, chat: ChatId, watch: Watch) {
        let since = self.pattern(pattern, chat).map_or(watch.since, |watch| watch.since);
        self.patterns.insert((pattern.clone(), chat), Watch { since, ..watch });
    }

    pub(super) fn remove_pattern(&mut self, pattern: &Pattern, chat: ChatId) {
        self.patterns.remove(&(pattern.clone(), chat));
    }

    /// Gives the watches of `from` to `to`, which keeps those that it has already.
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
        let of_from = self.patterns().filter(|(_, chat, _)| *chat == from);
        let moving: Vec<Pattern> = of_from.map(|(pattern, _, _)| pattern.clone()).collect();
        for pattern in moving {
            if let Some(watch) = self.patterns.remove(&(pattern.clone(), from))
                && self.pattern(&pattern, to).is_none()
            {
                self.patterns.insert((pattern, to), watch);
            }
        }
    }

    /// Removes this chat's watches.
    pub(super) fn remove_chat(&mut self, chat: ChatId) {
        let gone: Vec<Ssid> =
            self.iter().filter(|(_, by, _)| *by == chat).map(|(ssid, _, _)| ssid.clone()).collect();
        gone.iter().for_each(|ssid| self.remove(ssid, chat));
        let of_chat = self.patterns().filter(|(_, by, _)| *by == chat);
        let gone: Vec<Pattern> = of_chat.map(|(pattern, _, _)| pattern.clone()).collect();
        gone.iter().for_each(|pattern| self.remove_pattern(pattern, chat));
    }

    /// The chat's watch on exactly this SSID.
    pub fn get(&self, ssid: &Ssid, chat: ChatId) -> Option<&Watch> {
        self.rows.get(&(ssid.clone(), chat))
    }

    /// The chats that watch this SSID.
    pub fn on(&self, ssid: &Ssid) -> impl Iterator<Item = (ChatId, &Watch)> {
        let first = (ssid.clone(), ChatId(i64::MIN));
        let last = (ssid.clone(), ChatId(i64::MAX));
        self.rows.range(first..=last).map(|((_, chat), watch)| (*chat, watch))
    }

    /// The chat's watch on exactly this pattern.
    pub fn pattern(&self, pattern: &Pattern, chat: ChatId) -> Option<&Watch> {
        self.patterns.get(&(pattern.clone(), chat))
    }

    /// The chats that watch this SSID by a pattern, with the pattern and the reason.
    pub fn patterns_of(&self, ssid: &Ssid) -> impl Iterator<Item = (ChatId, &Pattern, Option<&str>)> {
        let matching = self.patterns.iter().filter(|((pattern, _), _)| pattern.matches(ssid));
        matching.map(|((pattern, chat), watch)| (*chat, pattern, watch.reason.as_deref()))
    }

    /// All watches on patterns, ordered by pattern.
    pub fn patterns(&self) -> impl Iterator<Item = (&Pattern, ChatId, &Watch)> {
        self.patterns.iter().map(|((pattern, chat), watch)| (pattern, *chat, watch))
    }

    /// All watches on SSIDs, ordered by SSID.
    pub fn iter(&self) -> impl Iterator<Item = (&Ssid, ChatId, &Watch)> {
        self.rows.iter().map(|((ssid, chat), watch)| (ssid, *chat, watch))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len() + self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(1);
    const OTHER: ChatId = ChatId(2);

    fn watch(second: i64, reason: &str) -> Watch {
        let since = Timestamp::from_micros(second * 1_000_000);
        Watch { since, reason: Some(reason.to_owned()), set_by: None }
    }

    fn home() -> Ssid {
        Ssid::from("Home")
    }

    fn pattern() -> Pattern {
        Pattern::new("Ho*")
    }

    /// Both chats watch the network, by its name and by a pattern.
    fn watches() -> Watches {
        let mut watches = Watches::default();
        for (chat, second) in [(CHAT, 1), (OTHER, 2)] {
            watches.set(&home(), chat, watch(second, "a"));
            watches.set_pattern(&pattern(), chat, watch(second, "b"));
        }
        watches
    }

    #[test]
    fn a_repeated_watch_holds_since_the_first_one() {
        let mut watches = watches();
        watches.set(&home(), CHAT, watch(9, "new"));
        watches.set_pattern(&pattern(), CHAT, watch(9, "new"));
        assert_eq!(watches.get(&home(), CHAT), Some(&watch(1, "new")));
        assert_eq!(watches.pattern(&pattern(), CHAT), Some(&watch(1, "new")));
        assert_eq!(watches.get(&home(), OTHER), Some(&watch(2, "a")));
        assert_eq!(watches.pattern(&pattern(), OTHER), Some(&watch(2, "b")));
        assert_eq!(watches.len(), 4);
    }

    #[test]
    fn only_what_a_chat_watches_is_found() {
        let mut watches = watches();
        watches.set(&Ssid::from("Home 2"), CHAT, watch(3, "c"));
        watches.set_pattern(&Pattern::new("Home?2"), CHAT, watch(3, "d"));
        assert_eq!(watches.get(&Ssid::from("Home 2"), OTHER), None);
        assert_eq!(watches.pattern(&Pattern::new("Home?2"), OTHER), None);
        let on: Vec<ChatId> = watches.on(&home()).map(|(chat, _)| chat).collect();
        assert_eq!(on, [CHAT, OTHER]);
        let by_pattern: Vec<_> = watches.patterns_of(&home()).collect();
        assert_eq!(by_pattern, [(CHAT, &pattern(), Some("b")), (OTHER, &pattern(), Some("b"))]);
        assert_eq!(watches.patterns_of(&Ssid::from("Home 2")).count(), 3);
        assert_eq!((watches.iter().count(), watches.patterns().count(), watches.len()), (3, 3, 6));
    }

    #[test]
    fn a_chat_that_moves_keeps_what_the_other_has_already() {
        let mut watches = watches();
        let (van, vans) = (Ssid::from("van"), Pattern::new("van*"));
        watches.set(&van, CHAT, watch(3, "c"));
        watches.set_pattern(&vans, CHAT, watch(3, "d"));
        watches.migrate(CHAT, OTHER);
        assert_eq!(watches.get(&home(), OTHER), Some(&watch(2, "a")));
        assert_eq!(watches.pattern(&pattern(), OTHER), Some(&watch(2, "b")));
        assert_eq!(watches.get(&van, OTHER), Some(&watch(3, "c")));
        assert_eq!(watches.pattern(&vans, OTHER), Some(&watch(3, "d")));
        assert_eq!((watches.get(&van, CHAT), watches.pattern(&vans, CHAT), watches.len()), (None, None, 4));
    }

    #[test]
    fn what_is_removed_is_removed_for_one_chat() {
        let mut watches = watches();
        watches.remove(&home(), CHAT);
        watches.remove_pattern(&pattern(), CHAT);
        assert_eq!((watches.get(&home(), CHAT), watches.pattern(&pattern(), CHAT)), (None, None));
        assert_eq!(watches.len(), 2);
        let mut watches = self::watches();
        watches.remove_chat(CHAT);
        assert!(watches.iter().all(|(_, chat, _)| chat == OTHER));
        assert!(watches.patterns().all(|(_, chat, _)| chat == OTHER));
        assert!(watches.len() == 2 && !watches.is_empty());
        watches.remove(&home(), OTHER);
        assert!(!watches.is_empty());
        watches.remove_chat(OTHER);
        assert!(watches.is_empty());
    }
}

//! Where in a forum a chat is told what it did not ask for: in General, and where Telegram takes nothing for that,
//! in the topic in which someone spoke with the bot last.
//!
//! It is known in memory only: after a restart, what a closed General does not take waits until someone speaks
//! with the bot in a topic.

use std::collections::{BTreeMap, BTreeSet};

use teloxide::types::ThreadId;

use super::outgoing::Destination;
use crate::event::ChatId;

/// The topics of the chats that are served.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// The topic in which someone spoke with the bot last.
    spoken: BTreeMap<ChatId, ThreadId>,
    /// The forums whose General takes nothing.
    closed: BTreeSet<ChatId>,
}

impl Topics {
    /// Someone spoke with the bot here.
    pub(super) fn heard(&mut self, place: Destination) {
        if let Some(topic) = place.topic {
            self.spoken.insert(place.chat, topic);
        }
    }

    /// Where the chat is told what it did not ask for.
    pub(super) fn destination_of(&self, chat: ChatId) -> Destination {
        let topic = self.spoken.get(&chat).filter(|_| self.closed.contains(&chat));
        Destination { topic: topic.copied(), ..chat.into() }
    }

    /// Telegram takes nothing here. Returns another place of the chat's, where there is one.
    pub(super) fn refused(&mut self, place: Destination) -> Option<Destination> {
        let Destination { chat, topic, .. } = place;
        match topic {
            None => drop(self.closed.insert(chat)),
            // General may be open by now.
            Some(topic) => {
                self.closed.remove(&chat);
                if self.spoken.get(&chat) == Some(&topic) {
                    self.spoken.remove(&chat);
                }
            }
        }
        Some(self.destination_of(chat)).filter(|other| *other != place)
    }
}

#[cfg(test)]
mod tests {
    use teloxide::types::MessageId;

    use super::*;

    #[test]
    fn a_place_is_tried_once_until_there_is_another() {
        const FORUM: ChatId = ChatId(-100_200);
        let general = Destination::from(FORUM);
        let topic = |number| Destination { topic: Some(ThreadId(MessageId(number))), ..general };
        let mut topics = Topics::default();
        assert_eq!(topics.refused(general), None, "nobody spoke so far");
        topics.heard(topic(77));
        assert_eq!(topics.destination_of(FORUM), topic(77));
        topics.heard(general);
        topics.heard(topic(78));
        assert_eq!(topics.destination_of(FORUM), topic(78), "where someone spoke last");
        assert_eq!(topics.refused(topic(78)), Some(general));
        assert_eq!(topics.refused(general), None);
        topics.heard(topic(77));
        let mut open = Topics::default();
        open.heard(topic(77));
        assert_eq!(open.destination_of(FORUM), general, "General comes first");
    }
}

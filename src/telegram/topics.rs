//! Chooses the forum topic for messages that are not replies: General, or if that is closed, the topic in which
//! someone last wrote to the bot (Bot API, `message_thread_id`).
//!
//! Topics are remembered in memory only. After a restart, messages to a forum whose General is closed wait until
//! someone writes to the bot in a topic.

use std::collections::{BTreeMap, BTreeSet};

use store::event::ChatId;
use teloxide::types::ThreadId;

use super::outgoing::Destination;

/// The topics of the served forums.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// The topic of the latest message to the bot.
    latest: BTreeMap<ChatId, ThreadId>,
    /// The forums whose General is closed.
    general_closed: BTreeSet<ChatId>,
}

impl Topics {
    /// Records where someone wrote to the bot.
    pub(super) fn record_message(&mut self, destination: Destination) {
        if let Some(topic) = destination.topic {
            self.latest.insert(destination.chat, topic);
        }
    }

    /// Where to send a message to this chat that is not a reply.
    pub(super) fn destination_of(&self, chat: ChatId) -> Destination {
        let topic = self.latest.get(&chat).filter(|_| self.general_closed.contains(&chat));
        Destination { topic: topic.copied(), ..chat.into() }
    }

    /// Records that a topic accepts no message. Returns another destination in the chat, if there is one.
    pub(super) fn record_closed(&mut self, destination: Destination) -> Option<Destination> {
        let Destination { chat, topic, .. } = destination;
        match topic {
            None => drop(self.general_closed.insert(chat)),
            // General may be open again.
            Some(topic) => {
                self.general_closed.remove(&chat);
                if self.latest.get(&chat) == Some(&topic) {
                    self.latest.remove(&chat);
                }
            }
        }
        Some(self.destination_of(chat)).filter(|other| *other != destination)
    }
}

#[cfg(test)]
mod tests {
    use teloxide::types::MessageId;

    use super::*;

    #[test]
    fn falls_back_to_the_latest_topic_while_general_is_closed() {
        const FORUM: ChatId = ChatId(-100_200);
        let general = Destination::from(FORUM);
        let topic = |number| Destination { topic: Some(ThreadId(MessageId(number))), ..general };
        let mut topics = Topics::default();
        assert_eq!(topics.record_closed(general), None, "no topic is known");
        topics.record_message(topic(77));
        assert_eq!(topics.destination_of(FORUM), topic(77));
        topics.record_message(general);
        topics.record_message(topic(78));
        assert_eq!(topics.destination_of(FORUM), topic(78), "the latest topic");
        assert_eq!(topics.record_closed(topic(78)), Some(general));
        assert_eq!(topics.record_closed(general), None);
        topics.record_message(topic(77));
        let mut open = Topics::default();
        open.record_message(topic(77));
        assert_eq!(open.destination_of(FORUM), general, "General comes first");
    }
}

//! One chat's updates one after the other, different chats' at the same time.
//!
//! What must hold: whoever enters a chat's lane first has the first turn, and a turn ends when its value goes,
//! also where what it was for is broken off. A lane is gone with its last turn.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::event::ChatId;

/// A lane for each chat that has something to be done; `None` is for all that is no chat's.
#[derive(Debug, Default)]
pub(super) struct ChatQueues(Mutex<HashMap<Option<ChatId>, ChatQueue>>);

#[derive(Debug, Default)]
struct ChatQueue {
    /// Ends with the last turn that was given.
    last: Option<oneshot::Receiver<Infallible>>,
    turns: usize,
}

/// A turn in a chat's lane.
#[derive(Debug)]
pub(super) struct Ticket {
    lanes: Arc<ChatQueues>,
    chat: Option<ChatId>,
    before: Option<oneshot::Receiver<Infallible>>,
    /// Nothing is ever sent: the next turn begins when this is gone.
    _end: oneshot::Sender<Infallible>,
}

impl ChatQueues {
    /// The turn behind all that were given for this chat.
    pub(super) fn enter(self: &Arc<Self>, chat: Option<ChatId>) -> Ticket {
        let (end, ended) = oneshot::channel();
        let mut lanes = self.lock();
        let lane = lanes.entry(chat).or_default();
        let before = lane.last.replace(ended);
        lane.turns += 1;
        Ticket { lanes: Arc::clone(self), chat, before, _end: end }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<ChatId>, ChatQueue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits until all turns before this one have ended.
    pub(super) async fn begin(&mut self) {
        if let Some(before) = &mut self.before {
            // It ends with an error, and with nothing else.
            let _ = before.await;
            self.before = None;
        }
    }

    /// How many turns of the chat, this one among them, have not ended.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.lock().get(&self.chat).map_or(0, |lane| lane.turns)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get_mut(&self.chat) {
            lane.turns -= 1;
            if lane.turns == 0 {
                lanes.remove(&self.chat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_in_order_and_chats_do_not_wait_for_each_other() {
        let lanes = Arc::new(ChatQueues::default());
        let [alice, bob] = [1, 2].map(|chat| Some(ChatId(chat)));
        let mut first = lanes.enter(alice);
        let mut second = lanes.enter(alice);
        let mut third = lanes.enter(alice);
        let mut other = lanes.enter(bob);
        first.begin().await;
        other.begin().await;
        assert_eq!((first.waiting(), other.waiting()), (3, 1));
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |number: u32| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(number)
        };
        let (note_second, note_third) = (note(2), note(3));
        let waiting = tokio::join!(
            async {
                third.begin().await;
                note_third();
                drop(third);
            },
            async {
                second.begin().await;
                note_second();
                drop(second);
            },
            async {
                note(1)();
                drop(first);
            }
        );
        assert_eq!(waiting, ((), (), ()));
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        drop(other);
        assert!(lanes.lock().is_empty());
    }
}

//! Orders updates: those of one chat are handled one after the other, those of different chats concurrently.
//!
//! Invariants:
//! - Tickets of one chat are served in the order in which they were taken.
//! - Dropping a ticket serves the next one, even if the task that held it was cancelled.
//! - A chat's queue exists only while it has tickets.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::event::ChatId;
use tokio::sync::oneshot;

/// A queue for each chat with tickets. `None` is the queue of all updates that belong to no served chat.
#[derive(Debug, Default)]
pub(super) struct ChatQueues(Mutex<HashMap<Option<ChatId>, ChatQueue>>);

#[derive(Debug, Default)]
struct ChatQueue {
    /// Closes when the last ticket is dropped.
    last: Option<oneshot::Receiver<Infallible>>,
    tickets: usize,
}

/// A place in a chat's queue.
#[derive(Debug)]
pub(super) struct Ticket {
    queues: Arc<ChatQueues>,
    chat: Option<ChatId>,
    previous: Option<oneshot::Receiver<Infallible>>,
    /// Never sends: dropping it closes the channel on which the next ticket waits.
    _done: oneshot::Sender<Infallible>,
}

impl ChatQueues {
    /// Takes the next ticket of this chat.
    pub(super) fn take_ticket(self: &Arc<Self>, chat: Option<ChatId>) -> Ticket {
        let (done, closed) = oneshot::channel();
        let mut queues = self.lock();
        let queue = queues.entry(chat).or_default();
        let previous = queue.last.replace(closed);
        queue.tickets += 1;
        Ticket { queues: Arc::clone(self), chat, previous, _done: done }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<ChatId>, ChatQueue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Waits until all earlier tickets of the chat are dropped.
    pub(super) async fn wait_for_turn(&mut self) {
        if let Some(previous) = &mut self.previous {
            // Nothing is ever sent, so this returns an error when the channel closes.
            let _ = previous.await;
            self.previous = None;
        }
    }

    /// How many tickets the chat holds, including this one.
    pub(super) fn queue_length(&self) -> usize {
        self.queues.lock().get(&self.chat).map_or(0, |queue| queue.tickets)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get_mut(&self.chat) {
            queue.tickets -= 1;
            if queue.tickets == 0 {
                queues.remove(&self.chat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_limit::in_time;

    #[tokio::test]
    async fn serves_a_chat_in_order_and_chats_independently() {
        let queues = Arc::new(ChatQueues::default());
        let [alice, bob] = [1, 2].map(|chat| Some(ChatId(chat)));
        let mut first = queues.take_ticket(alice);
        let mut second = queues.take_ticket(alice);
        let mut third = queues.take_ticket(alice);
        let mut other = queues.take_ticket(bob);
        in_time("the first turn of a chat", first.wait_for_turn()).await;
        in_time("the turn of another chat", other.wait_for_turn()).await;
        assert_eq!((first.queue_length(), other.queue_length()), (3, 1));
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |number: u32| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(number)
        };
        let (note_second, note_third) = (note(2), note(3));
        let served = async {
            tokio::join!(
                async {
                    third.wait_for_turn().await;
                    note_third();
                    drop(third);
                },
                async {
                    second.wait_for_turn().await;
                    note_second();
                    drop(second);
                },
                async {
                    note(1)();
                    drop(first);
                }
            )
        };
        assert_eq!(in_time("each ticket to be served", served).await, ((), (), ()));
        assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
        drop(other);
        assert!(queues.lock().is_empty());
    }
}

//! Presses of buttons whose reply takes long. People press again while nothing happens; that makes no second reply.
//!
//! - A press is repeated if an equal one, of the same button of the same message, waits or is carried out. So is one
//!   that comes within [`REPEAT_INTERVAL`] after the reply or after another repeated press, unless another button of
//!   the message was pressed in between.
//! - A repeated delivery of one update is no repeated press.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::event::ChatId;

/// How long after a reply, or a repeated press, an equal press counts as repeated.
const REPEAT_INTERVAL: Duration = Duration::from_secs(3);

/// A message of a chat.
type MessageKey = (ChatId, i32);

/// The presses of the last seconds.
#[derive(Debug, Default)]
pub(super) struct SlowPresses(Mutex<Presses>);

#[derive(Debug, Default)]
struct Presses {
    /// What waits or is carried out, with the number of its update.
    running: HashMap<(MessageKey, String), u32>,
    /// What each message's last reply was to, with the number of its update, and when.
    done: HashMap<MessageKey, (String, u32, Instant)>,
}

/// A press until its reply was sent, which is when this is dropped.
#[derive(Debug)]
pub(super) struct RunningPress {
    presses: Arc<SlowPresses>,
    message: MessageKey,
    data: String,
    update: u32,
}

/// Why a press is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeated {
    /// An equal one waits or is carried out.
    Running,
    /// An equal one was, a few seconds ago.
    JustDone,
}

impl SlowPresses {
    /// Begins a press at `now`, unless it is repeated. A second delivery of the same update is no press of its own:
    /// `Ok(None)`.
    pub(super) fn begin(
        self: &Arc<Self>,
        message: MessageKey,
        data: &str,
        update: u32,
        now: Instant,
    ) -> Result<Option<RunningPress>, Repeated> {
        let mut presses = self.lock();
        presses.done.retain(|_, (_, _, done)| now.saturating_duration_since(*done) < REPEAT_INTERVAL);
        let key = (message, data.to_owned());
        match presses.running.get(&key) {
            Some(running) if *running == update => return Ok(None),
            Some(_) => return Err(Repeated::Running),
            None => {}
        }
        match presses.done.get_mut(&message) {
            Some((_, done, _)) if *done == update => return Ok(None),
            Some((done, _, at)) if done == data => {
                *at = now;
                return Err(Repeated::JustDone);
            }
            _ => {}
        }
        presses.done.remove(&message);
        presses.running.insert(key, update);
        Ok(Some(RunningPress { presses: Arc::clone(self), message, data: data.to_owned(), update }))
    }

    fn lock(&self) -> MutexGuard<'_, Presses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningPress {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let mut presses = self.presses.lock();
        presses.running.remove(&(self.message, data.clone()));
        presses.done.insert(self.message, (data, self.update, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_presses_one_is_carried_out() {
        let presses = Arc::new(SlowPresses::default());
        let (card, other) = ((ChatId(1), 7), (ChatId(1), 8));
        let begin = |message, data, update, now| presses.begin(message, data, update, now);
        let start = Instant::now();
        let running = begin(card, "chart", 1, start).unwrap().unwrap();
        assert_eq!(begin(card, "chart", 2, start).unwrap_err(), Repeated::Running);
        assert!(begin(card, "chart", 1, start).unwrap().is_none(), "the same update again");
        let on_other = begin(other, "chart", 3, start).unwrap().unwrap();
        let week = begin(card, "week", 4, start).unwrap().unwrap();
        drop((running, on_other));
        assert!(begin(card, "chart", 1, start).unwrap().is_none(), "the same update again");
        assert_eq!(begin(card, "chart", 5, start).unwrap_err(), Repeated::JustDone);
        // The message shows the week now.
        drop(week);
        assert_eq!(begin(card, "week", 6, start).unwrap_err(), Repeated::JustDone);
        drop(begin(card, "chart", 7, start).unwrap().unwrap());
        assert_eq!(begin(card, "chart", 8, start).unwrap_err(), Repeated::JustDone);
        let later = Instant::now() + REPEAT_INTERVAL;
        drop(begin(card, "chart", 9, later).unwrap().unwrap());
        assert_eq!(presses.lock().done.len(), 1, "the others are forgotten");
    }
}

//! Reads events on another thread while the caller uses those before.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::vec;

use tracing::warn;

use super::reader::{Entry, Events};

/// Entries per message between the threads: enough to make its cost irrelevant.
const BATCH_SIZE: usize = 512;

/// How many batches are read in advance at most.
const BATCH_LIMIT: usize = 4;

/// The entries of [`Events`], read in advance. Dropping it ends the thread.
pub struct Prefetch {
    batch: vec::IntoIter<Entry>,
    source: EventSource,
}

enum EventSource {
    Thread {
        batches: Receiver<Vec<Entry>>,
        thread: Option<JoinHandle<()>>,
    },
    /// The thread could not be started.
    SameThread(Box<Events>),
    Closed,
}

impl Events {
    /// Reads the events in advance on another thread.
    pub fn prefetch(self) -> Prefetch {
        // The thread gets the events once it runs, so they are still here if it cannot be started.
        let (hand_over, take_over) = sync_channel::<Self>(1);
        let (sender, batches) = sync_channel(BATCH_LIMIT);
        let work = move || {
            if let Ok(events) = take_over.recv() {
                send_batches(events, &sender);
            }
        };
        let source = match thread::Builder::new().name("log reader".to_owned()).spawn(work) {
            Ok(thread) => match hand_over.send(self) {
                Ok(()) => EventSource::Thread { batches, thread: Some(thread) },
                Err(unsent) => EventSource::SameThread(Box::new(unsent.0)),
            },
            Err(error) => {
                warn!(%error, "could not start the thread that reads the log in advance");
                EventSource::SameThread(Box::new(self))
            }
        };
        Prefetch { batch: Vec::new().into_iter(), source }
    }
}

fn send_batches(mut events: Events, batches: &SyncSender<Vec<Entry>>) {
    loop {
        let batch: Vec<Entry> = events.by_ref().take(BATCH_SIZE).collect();
        // Sending fails once the receiver is dropped.
        if batch.is_empty() || batches.send(batch).is_err() {
            return;
        }
    }
}

impl Iterator for Prefetch {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(entry) = self.batch.next() {
            return Some(entry);
        }
        match &mut self.source {
            EventSource::Thread { batches, thread } => match batches.recv() {
                Ok(batch) => {
                    self.batch = batch.into_iter();
                    self.batch.next()
                }
                Err(_) => {
                    // A panic must not look like the end of the log.
                    if let Some(Err(panic)) = thread.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                    None
                }
            },
            EventSource::SameThread(events) => events.next(),
            EventSource::Closed => None,
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // The thread ends once the channel is closed, so that comes before the join.
        if let EventSource::Thread { batches, thread } =
            std::mem::replace(&mut self.source, EventSource::Closed)
        {
            drop(batches);
            let _ = thread.map(JoinHandle::join);
        }
    }
}

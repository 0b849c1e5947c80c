//! Reads on a thread of its own, so that the next events are read while the last ones are used.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::vec;

use tracing::warn;

use super::reader::{Entry, Events};

/// Entries that go from thread to thread at once: enough that the hand-over costs nothing.
const BATCH: usize = 512;

/// Batches that are read in advance at most.
const BATCHES: usize = 4;

/// The same entries as of [`Events`], read ahead of their use. The reading ends when this is dropped.
pub struct Prefetch {
    batch: vec::IntoIter<Entry>,
    source: Source,
}

enum Source {
    Thread {
        batches: Receiver<Vec<Entry>>,
        thread: Option<JoinHandle<()>>,
    },
    /// There was no thread to be had.
    Here(Box<Events>),
    Nothing,
}

impl Events {
    /// Has the events read ahead on a thread of their own.
    pub fn prefetch(self) -> Prefetch {
        // The events are handed over once there is a thread, so that they are still here where there is none.
        let (hand_over, take_over) = sync_channel::<Self>(1);
        let (sender, batches) = sync_channel(BATCHES);
        let reading = move || {
            if let Ok(events) = take_over.recv() {
                read(events, &sender);
            }
        };
        let source = match thread::Builder::new().name("log reader".to_owned()).spawn(reading) {
            Ok(thread) => match hand_over.send(self) {
                Ok(()) => Source::Thread { batches, thread: Some(thread) },
                Err(unsent) => Source::Here(Box::new(unsent.0)),
            },
            Err(error) => {
                warn!("could not start a thread to read the log ahead: {error}");
                Source::Here(Box::new(self))
            }
        };
        Prefetch { batch: Vec::new().into_iter(), source }
    }
}

fn read(mut events: Events, batches: &SyncSender<Vec<Entry>>) {
    loop {
        let batch: Vec<Entry> = events.by_ref().take(BATCH).collect();
        // Nobody wants more where sending fails.
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
            Source::Thread { batches, thread } => match batches.recv() {
                Ok(batch) => {
                    self.batch = batch.into_iter();
                    self.batch.next()
                }
                Err(_) => {
                    // A reader that panicked must not look like the end of the log.
                    if let Some(Err(panic)) = thread.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                    None
                }
            },
            Source::Here(events) => events.next(),
            Source::Nothing => None,
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // The thread learns that nobody wants more from the channel's end, which has to come first.
        if let Source::Thread { batches, thread } = std::mem::replace(&mut self.source, Source::Nothing) {
            drop(batches);
            let _ = thread.map(JoinHandle::join);
        }
    }
}

//! How many read the log at a time, and how much the tables hold that are made of it.
//!
//! What must hold:
//! - Whoever comes first is served first, and nobody waits for one other's long reading: several read at once.
//!   (A chat's own messages come one after the other, so that it has one reading at a time.)
//! - Tables take no more memory than [`FULL_DOCUMENTS`] of the largest, counted until they are sent. A picture or a page
//!   of probes needs none of that, so that neither waits for tables.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::chat::ReplyKind;

/// How many pictures and pages of probes are read for at a time.
const SHORT_READS: usize = 4;

/// How many tables have room at a time, where each is as large as it may be.
const FULL_DOCUMENTS: usize = 2;

/// The turns that are left. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::chat) struct ReadLimiter {
    short: Arc<Semaphore>,
    tables: Arc<Semaphore>,
    /// The longest document, in bytes.
    document_limit: u32,
}

/// A turn at the log, until it is dropped.
#[derive(Debug)]
pub(in crate::chat) struct ReadPermit(Option<OwnedSemaphorePermit>);

/// The room that a document takes, until its last clone is dropped. Whatever the room, a document is the same.
#[derive(Debug, Clone, Default)]
pub struct DocumentPermit {
    _permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl PartialEq for DocumentPermit {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for DocumentPermit {}

impl ReadLimiter {
    /// Turns for documents of at most so many bytes.
    pub(in crate::chat) fn new(document_limit: usize) -> Self {
        let document_limit = u32::try_from(document_limit).unwrap_or(u32::MAX);
        Self {
            short: Arc::new(Semaphore::new(SHORT_READS)),
            tables: Arc::new(Semaphore::new(FULL_DOCUMENTS * document_limit as usize)),
            document_limit,
        }
    }

    /// The longest document, in bytes.
    pub(in crate::chat) fn document_limit(&self) -> usize {
        self.document_limit as usize
    }

    /// A turn for what is made, for a table with room for the longest document. Where there is none at once,
    /// `wait` is called.
    pub(in crate::chat) async fn acquire(&self, kind: ReplyKind, wait: impl FnOnce()) -> ReadPermit {
        let (semaphore, count) = match kind {
            ReplyKind::Document => (&self.tables, self.document_limit),
            ReplyKind::Picture | ReplyKind::Text => (&self.short, 1),
        };
        if let Ok(at_once) = Arc::clone(semaphore).try_acquire_many_owned(count) {
            return ReadPermit(Some(at_once));
        }
        wait();
        // Nobody closes it.
        ReadPermit(Arc::clone(semaphore).acquire_many_owned(count).await.ok())
    }
}

impl ReadPermit {
    /// Ends the turn, but for the room that a document of so many bytes takes.
    pub(in crate::chat) fn shrink_to(self, bytes: usize) -> DocumentPermit {
        let held = self.0.and_then(|mut all| all.split(bytes.min(all.num_permits())));
        DocumentPermit { _permit: held.map(Arc::new) }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// What the future gives without any waiting.
    fn at_once<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn tables_wait_for_room_and_for_nothing_else() {
        let read_limiter = ReadLimiter::new(1_000);
        let table = || read_limiter.acquire(ReplyKind::Document, || ());
        let picture = || read_limiter.acquire(ReplyKind::Picture, || ());
        let one = table().await;
        let other = table().await;
        assert!(at_once(table()).is_none(), "the third has no room");
        assert!(at_once(picture()).is_some(), "a picture needs none");
        // What is being sent takes as much room as it has bytes.
        let sent = one.shrink_to(400);
        assert!(at_once(table()).is_none());
        let short = other.shrink_to(600);
        let third = at_once(table());
        assert!(third.is_some());
        drop((sent.clone(), short));
        drop(third);
        assert_eq!(read_limiter.tables.available_permits(), 1_600);
        drop(sent);
        assert_eq!(read_limiter.tables.available_permits(), 2_000);
    }
}

//! Limits how many replies read the log at a time, and how much memory documents take.
//!
//! Invariants:
//! - First come, first served. Several reads run at once, so one long read does not block the others. (A chat's
//!   messages are handled one after the other, so a chat has one read at a time.)
//! - Documents take no more memory than [`FULL_DOCUMENTS`] of the largest, counted until they are sent. Pictures and
//!   pages of probes do not count against that and never wait for documents.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::chat::ReplyKind;

/// How many reads for pictures and pages of probes run at a time.
const SHORT_READS: usize = 4;

/// How many documents of the largest size fit into memory at a time.
const FULL_DOCUMENTS: usize = 2;

/// The limits. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::chat) struct ReadLimiter {
    short: Arc<Semaphore>,
    tables: Arc<Semaphore>,
    /// The longest document, in bytes.
    document_limit: u32,
}

/// Permission to read the log, until it is dropped.
#[derive(Debug)]
pub(in crate::chat) struct ReadPermit(Option<OwnedSemaphorePermit>);

/// The memory that a document takes, until its last clone is dropped. It does not affect equality of documents.
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
    /// Limits for documents of at most `document_limit` bytes.
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

    /// Permission to read for a reply; that for a document covers the largest. Calls `wait` before it waits.
    pub(in crate::chat) async fn acquire(&self, kind: ReplyKind, wait: impl FnOnce()) -> ReadPermit {
        let (semaphore, count) = match kind {
            ReplyKind::Document => (&self.tables, self.document_limit),
            ReplyKind::Picture | ReplyKind::Text => (&self.short, 1),
        };
        if let Ok(at_once) = Arc::clone(semaphore).try_acquire_many_owned(count) {
            return ReadPermit(Some(at_once));
        }
        wait();
        // The semaphore is never closed.
        ReadPermit(Arc::clone(semaphore).acquire_many_owned(count).await.ok())
    }
}

impl ReadPermit {
    /// Ends the read, but keeps the memory for a document of `bytes` bytes.
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
    use crate::test_limit::in_time;

    /// The output of a future that is ready.
    fn at_once<F: Future>(future: F) -> Option<F::Output> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn documents_wait_for_memory_and_pictures_do_not() {
        let read_limiter = ReadLimiter::new(1_000);
        let table = || read_limiter.acquire(ReplyKind::Document, || ());
        let picture = || read_limiter.acquire(ReplyKind::Picture, || ());
        let one = in_time("memory for a document", table()).await;
        let other = in_time("memory for another document", table()).await;
        assert!(at_once(table()).is_none(), "the third does not fit");
        assert!(at_once(picture()).is_some(), "a picture needs no memory");
        // A document that is being sent counts with its size.
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

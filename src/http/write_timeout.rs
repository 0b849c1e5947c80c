//! A stream that fails once its peer has read nothing for some time, whatever that peer still sends.
//!
//! hyper 1 has a timeout for reading a request header and none for writing a response.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Wraps a stream; a write, flush or shutdown that makes no progress for `timeout` fails with
/// [`io::ErrorKind::TimedOut`].
pub(crate) struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// Runs while a write is pending.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(crate) fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, timer: None }
    }

    /// Passes `outcome` on, or fails if the write has been pending for too long.
    fn check<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.timer = None;
            return outcome;
        }
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.check(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.check(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.check(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.check(closed, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::test_limit::in_time;

    #[tokio::test]
    async fn fails_while_the_peer_reads_nothing() {
        let (near, mut far) = tokio::io::duplex(16);
        let mut near = WriteTimeout::new(near, Duration::from_millis(20));
        in_time("a write that fits", near.write_all(&[7; 16])).await.unwrap();
        let stalled = in_time("the write timeout", near.write_all(&[8; 16])).await;
        assert_eq!(stalled.unwrap_err().kind(), io::ErrorKind::TimedOut);
        in_time("what was written", far.read_exact(&mut [0; 16])).await.unwrap();
        in_time("another write", near.write_all(&[9; 16])).await.unwrap();
    }

    #[tokio::test]
    async fn waits_for_a_peer_that_reads_slowly() {
        let (near, mut far) = tokio::io::duplex(1);
        let mut near = WriteTimeout::new(near, Duration::from_secs(60));
        let writing = async {
            near.write_all(&[7; 100]).await.unwrap();
            near.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let both = async { tokio::join!(writing, far.read_to_end(&mut received)) };
        let (_, read) = in_time("the end of the stream", both).await;
        assert_eq!((read.unwrap(), near.timer.is_none()), (100, true));
    }
}

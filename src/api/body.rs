//! Bodies of answers: whole, or streamed as a thread writes them.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, TRAILER};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

use super::ApiError;

pub(super) const JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const CSV: &str = "text/csv; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What is written is sent once there is this much of it, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks that wait for the client.
const CHUNKS_AHEAD: usize = 2;

/// An object and a line break.
pub(super) fn json(value: &impl Serialize) -> Result<Response, ApiError> {
    let mut body = serde_json::to_vec(value).map_err(ApiError::failed)?;
    body.push(b'\n');
    Ok(bytes(JSON, body))
}

/// A body that is there already.
pub(super) fn bytes(content_type: &'static str, body: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

enum Part {
    Data(Bytes),
    /// The body is whole.
    End(HeaderMap),
    Failed(io::Error),
}

/// Sends what is written to it; writing fails once the client has gone.
pub(super) struct BodyWriter {
    parts: mpsc::Sender<Part>,
    waiting: Vec<u8>,
}

impl BodyWriter {
    fn send(&self, part: Part) -> io::Result<()> {
        self.parts.blocking_send(part).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Whether the client is still there.
    pub(super) fn has_client(&self) -> bool {
        !self.parts.is_closed()
    }

    /// Sends the bytes if that needs no wait for the client, and drops them otherwise.
    pub(super) fn try_send(&mut self, bytes: Vec<u8>) {
        // If the client has gone, the next write fails.
        let _ = self.parts.try_send(Part::Data(bytes.into()));
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.get(..CHUNK_BYTES).unwrap_or(bytes);
        self.waiting.extend_from_slice(taken);
        if self.waiting.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.send(Part::Data(waiting.into()))
    }
}

/// Streams what `write` writes on a thread of its own. It returns the trailer that ends a whole body.
///
/// If it fails before anything was sent, the client gets that error. If it fails later, the body is aborted: a
/// client sees that it is not whole, and the log says why.
pub(super) async fn stream(
    content_type: &'static str,
    trailer: &'static str,
    write: impl FnOnce(&mut BodyWriter) -> Result<Option<HeaderValue>, io::Error> + Send + 'static,
) -> Result<Response, ApiError> {
    let (sender, mut parts) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut writer = BodyWriter { parts: sender, waiting: Vec::new() };
        let written = write(&mut writer).and_then(|value| writer.flush().map(|()| value));
        let last = match written {
            Ok(value) => {
                let name = HeaderName::from_static(trailer);
                Part::End(value.into_iter().map(|value| (name.clone(), value)).collect())
            }
            Err(error) => Part::Failed(error),
        };
        // The client may have gone.
        let _ = writer.send(last);
    });
    let first = match parts.recv().await {
        Some(Part::Failed(error)) => return Err(ApiError::failed(error)),
        None => return Err(ApiError::bug()),
        first => first,
    };
    let headers = [(CONTENT_TYPE, content_type), (TRAILER, trailer)];
    Ok((headers, Body::new(StreamBody { first, parts, is_whole: false })).into_response())
}

struct StreamBody {
    first: Option<Part>,
    parts: mpsc::Receiver<Part>,
    is_whole: bool,
}

impl hyper::body::Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        let part = match self.first.take() {
            Some(first) => Some(first),
            None => std::task::ready!(self.parts.poll_recv(context)),
        };
        Poll::Ready(Some(match part {
            Some(Part::Data(bytes)) => Ok(Frame::data(bytes)),
            Some(Part::End(trailers)) => {
                self.is_whole = true;
                Ok(Frame::trailers(trailers))
            }
            Some(Part::Failed(error)) => {
                tracing::warn!(event = "answer_aborted", %error, "an answer was aborted");
                Err(error)
            }
            None => Err(io::Error::other("the thread that writes it ended unexpectedly; this is a bug")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::test_limit::in_time;

    const OUTCOME: &str = "probewatch-outcome";

    /// The complete body, or the error that ends it.
    async fn whole(response: Response) -> Result<Bytes, axum::Error> {
        in_time("the end of the body", to_bytes(response.into_body(), usize::MAX)).await
    }

    async fn body_of(
        write: impl FnOnce(&mut BodyWriter) -> io::Result<Option<HeaderValue>> + Send + 'static,
    ) -> Result<Result<usize, axum::Error>, ApiError> {
        let response = in_time("the start of the body", stream(NDJSON, OUTCOME, write)).await?;
        assert_eq!(response.headers()[TRAILER], OUTCOME);
        Ok(whole(response).await.map(|body| body.len()))
    }

    #[tokio::test]
    async fn a_body_is_complete_or_aborted_or_an_error() {
        let whole = body_of(|out| out.write_all(&[b'x'; 3 * CHUNK_BYTES + 1]).map(|()| None)).await;
        assert_eq!(whole.unwrap().unwrap(), 3 * CHUNK_BYTES + 1);
        let empty = body_of(|_| Ok(None)).await;
        assert_eq!(empty.unwrap().unwrap(), 0);
        let aborted = body_of(|out| {
            out.write_all(&[b'x'; CHUNK_BYTES])?;
            Err(io::Error::other("the disk is gone"))
        });
        assert!(aborted.await.unwrap().is_err());
        let panicked = body_of(|out| {
            out.write_all(&[b'x'; CHUNK_BYTES])?;
            panic!("a bug, for the test")
        });
        assert!(panicked.await.unwrap().is_err());
        // Nothing was sent yet: the client gets a status code.
        let failed = body_of(|out| {
            out.write_all(b"few bytes")?;
            Err(io::Error::other("the disk is gone"))
        });
        assert_eq!(failed.await.unwrap_err(), ApiError::failed("the disk is gone"));
    }

    #[tokio::test]
    async fn progress_does_not_wait_for_the_client() {
        let (finished, is_finished) = tokio::sync::oneshot::channel();
        let response = stream(NDJSON, OUTCOME, |out| {
            for _ in 0..1000 {
                out.try_send(b"progress\n".to_vec());
            }
            // The client reads only now.
            finished.send(()).unwrap();
            out.write_all(b"result\n").map(|()| None)
        });
        let response = in_time("the start of the body", response).await.unwrap();
        in_time("all progress", is_finished).await.unwrap();
        let body = whole(response).await.unwrap();
        assert!(body.len() < 1000 && body.ends_with(b"progress\nresult\n"), "{body:?}");
    }
}

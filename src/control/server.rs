//! The service's side: serves the HTTP API on the control socket.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::HEAD_LIMIT;
use super::socket::{Listener, Peer};
use crate::api::ApiError;
use crate::http::WriteTimeout;

/// Connections that are answered at a time.
const CONNECTIONS: usize = 16;

/// Connections beyond them that wait at a time. Further ones are refused.
const WAITING: usize = 16;

/// Connections that are being refused at a time, those of other users included. Further ones are closed.
const REFUSALS: usize = 32;

/// How long they wait before they are refused.
const PERMIT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a request's head may take to arrive, the wait on an idle connection included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client that is refused may take to send its request.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client may take nothing of its answer: a person may read an export page by page.
const WRITE_TIMEOUT: Duration = Duration::from_secs(3600);

/// The wait after a connection could not be accepted, as when no file descriptor is left.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// The hosts that the socket answers for. The Unix socket has no name: this refuses what was meant for another server.
const HOSTS: [&str; 4] = ["", "localhost", "127.0.0.1", "[::1]"];

/// Serves `router` on `listener` until `stop`, which closes all connections at once.
pub async fn serve(listener: &Listener, router: Router, stop: CancellationToken) {
    let server = Server {
        router: router.layer(middleware::from_fn(check_headers)),
        busy: refusal(ApiError::busy(format!("the service answers {CONNECTIONS} others already"))),
        other_user: refusal(ApiError::other_user()),
        connections: Arc::new(Semaphore::new(CONNECTIONS)),
        waiting: Arc::new(Semaphore::new(WAITING)),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        stop,
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, Peer::Permitted)) => server.start_answering(stream),
            Ok((stream, Peer::OtherUser)) => server.start_refusing(stream, &server.other_user),
            Err(error) => {
                warn!(event = "control_accept_failed", %error, "could not accept a connection on the control socket");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// Answers every request with this error.
fn refusal(error: ApiError) -> Router {
    Router::new().fallback(move || async move { error })
}

/// What connections are answered with, and how many of them.
struct Server {
    router: Router,
    /// Answers connections beyond the limit.
    busy: Router,
    other_user: Router,
    connections: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    /// Answers a connection as soon as there is room, and refuses it if there is none in time.
    fn start_answering(&self, stream: UnixStream) {
        let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else {
            return self.start_refusing(stream, &self.busy);
        };
        let (connections, router, busy) =
            (Arc::clone(&self.connections), self.router.clone(), self.busy.clone());
        self.spawn(async move {
            let permit = tokio::time::timeout(PERMIT_TIMEOUT, connections.acquire_owned()).await;
            match permit {
                Ok(permit) => {
                    drop(waiting);
                    let _permit = permit;
                    handle_connection(stream, router, HEAD_TIMEOUT).await
                }
                Err(_) => handle_connection(stream, busy, REFUSAL_TIMEOUT).await,
            }
        });
    }

    /// Answers a connection with the error of `refusal`; closes it if too many are being refused.
    fn start_refusing(&self, stream: UnixStream, refusal: &Router) {
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let refusal = refusal.clone();
        self.spawn(async move {
            let _permit = permit;
            handle_connection(stream, refusal, REFUSAL_TIMEOUT).await
        });
    }

    fn spawn(&self, answering: impl Future<Output = io::Result<()>> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            if let Some(Err(error)) = stop.run_until_cancelled(answering).await {
                debug!(%error, "a connection to the control socket ended");
            }
        });
    }
}

/// Answers the requests of a connection until either side ends it.
async fn handle_connection(stream: UnixStream, router: Router, timeout: Duration) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let first = with_timeout(timeout, reader.fill_buf()).await?;
    if first.starts_with(b"{") {
        return with_timeout(timeout, writer.write_all(&answer_to_old_client())).await;
    }
    serve_http(tokio::io::join(reader, writer), router, timeout).await.map_err(io::Error::other)
}

async fn with_timeout<T>(timeout: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    timeout: Duration,
) -> hyper::Result<()> {
    let stream = WriteTimeout::new(stream, WRITE_TIMEOUT);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}

/// What a client gets that is older than the HTTP API: a frame of the protocol that it speaks.
fn answer_to_old_client() -> Vec<u8> {
    let error = concat!(
        "this is an older probewatch than the service that runs, which is ",
        env!("CARGO_PKG_VERSION"),
        ": use the program that belongs to the service"
    );
    format!("{{\"frame\":\"failed\",\"bytes\":{}}}\n{error}", error.len()).into_bytes()
}

/// Refuses what is meant for another server, or comes from a web page.
async fn check_headers(request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return ApiError::forbidden_origin().into_response();
    }
    // The target's own host comes before the header (RFC 9112 §3.2.2), so both must be ours.
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = request.headers().get_all(HOST).iter().map(|host| host.as_bytes()).chain(target);
    if !hosts.all(|host| HOSTS.iter().any(|known| host.eq_ignore_ascii_case(known.as_bytes()))) {
        return ApiError::misdirected().into_response();
    }
    next.run(request).await
}

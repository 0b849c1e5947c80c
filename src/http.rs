//! An HTTP/1.1 listener, with TLS if it has a certificate.
//!
//! Invariants:
//! - The number of open connections is bounded (`connection_limiter`).
//! - It drops clients that do not finish the TLS handshake, send no request header, or read no response in time.

mod certificate;
mod connection_limiter;
mod write_timeout;

use std::io;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use certificate::{Certificate, CertificateError};
pub use connection_limiter::Peer;
use connection_limiter::{ConnectionLimiter, Permit};
pub(crate) use write_timeout::WriteTimeout;

/// Open connections at a time from reserved networks, and as many from all others. Telegram opens at most 100 (Bot API,
/// `setWebhook`, `max_connections`).
const CONNECTION_LIMIT: usize = 128;

/// The longest TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request header may take to arrive, including the wait on an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a client may read nothing of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long requests in progress may take once the listener stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The wait after a failed `accept`, for example while no file descriptor is free.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Serves `router` on `listener` until `stop`, over TLS if there is a `certificate`. Requests in progress then have
/// five seconds to finish. Each request carries its [`Peer`] as an extension. Other networks cannot keep out the `reserved`
/// ones.
pub async fn serve(
    listener: TcpListener,
    reserved: &[IpNet],
    certificate: Option<&Certificate>,
    router: Router,
    stop: CancellationToken,
) {
    let tls = certificate.map(Certificate::acceptor);
    let limiter = ConnectionLimiter::new(CONNECTION_LIMIT, reserved);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &limiter) => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, permit) = match accepted {
            Ok(Some(accepted)) => accepted,
            Ok(None) => {
                debug!("refused a connection: all others are authenticated");
                continue;
            }
            Err(error) => {
                warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (tls, stop, watcher) = (tls.clone(), stop.clone(), connections.watcher());
        let router = router.clone().layer(Extension(permit.peer().clone()));
        tokio::spawn(async move {
            tokio::select! {
                () = serve_connection(stream, tls, router, watcher, &stop) => {}
                () = permit.evicted() => debug!("closed a connection in favour of another"),
            }
        });
    }
    if tokio::time::timeout(DRAIN_TIMEOUT, connections.shutdown()).await.is_err() {
        warn!(event = "drain_timeout", "some requests did not finish before the listener stopped");
    }
}

/// Accepts the next connection, and waits for a permit for it. `None` if it gets none and is closed.
async fn accept(
    listener: &TcpListener,
    limiter: &ConnectionLimiter,
) -> io::Result<Option<(TcpStream, Permit)>> {
    let (stream, address) = listener.accept().await?;
    Ok(limiter.acquire(address.ip()).await.map(|permit| (stream, permit)))
}

async fn serve_connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    watcher: Watcher,
    stop: &CancellationToken,
) {
    let stream = WriteTimeout::new(stream, WRITE_TIMEOUT);
    let Some(tls) = tls else { return serve_requests(stream, router, watcher).await };
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)) => handshake,
        () = stop.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => serve_requests(stream, router, watcher).await,
        Ok(Err(error)) => debug!(%error, "a TLS handshake failed"),
        Err(_) => debug!("a TLS handshake timed out"),
    }
}

/// Answers the requests of a connection until either side closes it.
async fn serve_requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    watcher: Watcher,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "a connection failed");
    }
}

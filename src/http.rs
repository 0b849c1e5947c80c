//! The listener for what comes over HTTP, with TLS where it has a certificate. It serves a bounded number of
//! connections, and none that does not say what it wants within some seconds, or takes nothing of its answer.

mod certificate;
mod patience;
mod places;

use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use certificate::{Certificate, CertificateError};
use patience::Patient;
pub use places::Caller;
use places::{Place, Places};

/// Connections at a time; Telegram opens at most 100.
const CONNECTIONS: usize = 128;

/// How long the two sides may take to agree on TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How long a request's head may take to arrive, the wait on an idle connection included.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// How long the other side may take nothing of what is written to it.
const WRITE_TIME: Duration = Duration::from_secs(15);

/// How long requests that are being answered may still take when the listener stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The wait after a connection could not be accepted, as where no file descriptor is left.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Serves `router` on `listener` until `stop`, over TLS with this certificate; requests that are being answered
/// then are answered. Each request knows its [`Caller`], which keeps its place once it is recognized.
pub async fn serve(
    listener: TcpListener,
    certificate: Option<&Certificate>,
    router: Router,
    stop: CancellationToken,
) {
    let tls = certificate.map(Certificate::acceptor);
    let places = Places::new(CONNECTIONS);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("could not accept a connection: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let (tls, stop, watcher) = (tls.clone(), stop.clone(), connections.watcher());
        let router = router.clone().layer(Extension(place.caller().clone()));
        tokio::spawn(async move {
            tokio::select! {
                () = serve_connection(stream, tls, router, watcher, &stop) => {}
                () = place.given_up() => debug!("a connection was given up for another"),
            }
        });
    }
    if tokio::time::timeout(LAST_ANSWERS, connections.shutdown()).await.is_err() {
        warn!("some requests were not answered in time");
    }
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Places) -> std::io::Result<(TcpStream, Place)> {
    let (stream, peer) = listener.accept().await?;
    Ok((stream, places.take(peer.ip()).await))
}

async fn serve_connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    watcher: Watcher,
    stop: &CancellationToken,
) {
    let stream = Patient::new(stream, WRITE_TIME);
    let Some(tls) = tls else { return answer(stream, router, watcher).await };
    let agreed = tokio::select! {
        agreed = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)) => agreed,
        () = stop.cancelled() => return,
    };
    match agreed {
        Ok(Ok(stream)) => answer(stream, router, watcher).await,
        Ok(Err(error)) => debug!("no TLS with a connection: {error}"),
        Err(_) => debug!("no TLS with a connection in time"),
    }
}

/// Answers the requests of a connection until either side ends it.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, router: Router, watcher: Watcher) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        debug!("a connection ended: {error}");
    }
}

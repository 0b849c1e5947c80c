//! The listener for what comes over HTTP. It serves a bounded number of connections, and none that does
//! not say what it wants within some seconds.

mod places;

use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

pub use places::Caller;
use places::{Place, Places};

/// Connections at a time; Telegram opens at most 100.
const CONNECTIONS: usize = 128;

/// How long a request's head may take to arrive, the wait on an idle connection included.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// How long requests that are being answered may still take when the listener stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The wait after a connection could not be accepted, as where no file descriptor is left.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Serves `router` on `listener` until `stop`; requests that are being answered then are answered. Each request knows its [`Caller`], which keeps its place once it is recognized.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
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
        let router = router.clone().layer(Extension(place.caller().clone()));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    debug!("a connection ended: {error}");
                },
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

//! The listener for what comes over HTTP. It serves a bounded number of connections, and none that does
//! not say what it wants within some seconds.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Connections at a time; Telegram opens at most 100.
const CONNECTIONS: usize = 128;

/// How long a request's head may take to arrive, the wait on an idle connection included.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// How long requests that are being answered may still take when the listener stops.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// The wait after a connection could not be accepted, as where no file descriptor is left.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Serves `router` on `listener` until `stop`; requests that are being answered then are answered.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
            () = stop.cancelled() => break,
        };
        let (place, stream) = match accepted {
            (place, Ok((stream, _))) => (place, stream),
            (_, Err(error)) => {
                warn!("could not accept a connection: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                debug!("a connection ended: {error}");
            }
        });
    }
    if tokio::time::timeout(LAST_ANSWERS, connections.shutdown()).await.is_err() {
        warn!("some requests were not answered in time");
    }
}

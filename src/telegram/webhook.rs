//! Receives updates by webhook (Bot API, `setWebhook`).
//!
//! Invariants:
//! - The path cannot be guessed. It is derived from the token, so it stays the same over restarts and a proxy can be
//!   configured with it.
//! - Telegram sends a secret with each request. It is checked before the body is read. It is the configured one, or a
//!   random one for each start.
//! - Telegram learns path, secret and, if the bot serves TLS itself, the certificate from `setWebhook`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::{Extension, Router};
use dot11::hex;
use sha2::{Digest, Sha256};
use teloxide::payloads::{SetWebhook, SetWebhookSetters};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use url::Url;

use super::TelegramError;
use super::api::Api;
use super::handler::Handler;
use super::update::Update;
use crate::config::{Secret, Tls, Webhook};
use crate::http::{self, Certificate, Peer};

/// The header with the secret (Bot API, `setWebhook`, `secret_token`).
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// The file with the certificate and its key, in the data directory.
const CERTIFICATE_FILE: &str = "webhook.pem";

/// The first port that needs no capability to listen on.
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

/// The largest update that is read, in bytes; real ones have a few kilobytes.
const BODY_LIMIT: usize = 1 << 20;

/// How long the body of an update may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The bound listener for webhook requests.
pub(super) struct WebhookListener {
    listener: TcpListener,
    /// The certificate if the bot serves TLS itself.
    certificate: Option<Certificate>,
}

impl WebhookListener {
    /// Binds the configured address, and loads or makes the certificate.
    ///
    /// # Errors
    /// [`TelegramError`] if either fails.
    pub(super) async fn bind(webhook: &Webhook, data_dir: &Path) -> Result<Self, TelegramError> {
        let address = webhook.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| {
            if source.kind() == io::ErrorKind::PermissionDenied && address.port() < FIRST_UNPRIVILEGED_PORT {
                TelegramError::ListenPermission { address }
            } else {
                TelegramError::Listen { address, source }
            }
        })?;
        let host = webhook.url.host_str().filter(|_| webhook.tls == Tls::SelfSigned);
        let certificate = host
            .map(|host| Certificate::load_or_create(&data_dir.join(CERTIFICATE_FILE), host))
            .transpose()
            .map_err(TelegramError::Certificate)?;
        Ok(Self { listener, certificate })
    }
}

/// Sets the webhook, and serves its requests until `stop`.
///
/// # Errors
/// [`TelegramError`] if Telegram rejects the token, or the system gives no random secret.
pub(super) async fn run(
    webhook: &Webhook,
    token: &Secret,
    WebhookListener { listener, certificate }: WebhookListener,
    api: &Api,
    handler: Arc<Handler>,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    let secret = match &webhook.secret_token {
        Some(secret) => secret.reveal().to_owned(),
        None => random_secret()?,
    };
    let url = public_url(webhook, token);
    let updates = handler.requested_updates().to_vec();
    let endpoint = Arc::new(Endpoint {
        // A proxy may or may not strip the path of the public address.
        path_digests: [path(token).as_str(), url.path()].map(|path| Sha256::digest(path).into()),
        secret_digest: Sha256::digest(&secret).into(),
        handler,
    });
    // No route: the configured path may contain characters with a meaning in axum's routes.
    let router = Router::new().fallback(receive).with_state(endpoint);
    match listener.local_addr() {
        Ok(address) => info!(event = "webhook_listening", %address, "listening for webhook requests"),
        Err(error) => warn!(%error, "could not read the webhook listener's address"),
    }
    let server =
        http::serve(listener, &webhook.reserved_networks, certificate.as_ref(), router, stop.clone());
    let registration = async {
        let request = SetWebhook::new(url).secret_token(secret).allowed_updates(updates);
        // Without a certificate, this also makes Telegram forget an earlier one.
        let pem = certificate.as_ref().map(Certificate::to_pem);
        let outcome = api.set_webhook_until_accepted(&request, pem.as_deref(), stop).await;
        match &outcome {
            Ok(Some(_)) => {
                info!(event = "webhook_registered", url = %webhook.url, "Telegram posts updates to the webhook");
            }
            Ok(None) => {}
            // No request will come, so the server can stop.
            Err(_) => stop.cancel(),
        }
        outcome
    };
    let ((), outcome) = tokio::join!(server, registration);
    outcome.map(drop)
}

/// What a webhook request is checked against, and who handles its update.
struct Endpoint {
    /// SHA-256 of each path at which requests are accepted.
    path_digests: [[u8; 32]; 2],
    /// SHA-256 of the secret token.
    secret_digest: [u8; 32],
    handler: Arc<Handler>,
}

impl Endpoint {
    /// Checks path, method and secret.
    ///
    /// # Errors
    /// The status with which to refuse the request.
    fn authenticate(&self, request: &Request<Body>) -> Result<(), StatusCode> {
        // The time that it takes to compare digests reveals nothing about the path or the secret.
        let path_digest: [u8; 32] = Sha256::digest(request.uri().path()).into();
        if !self.path_digests.contains(&path_digest) {
            return Err(StatusCode::NOT_FOUND);
        }
        if request.method() != Method::POST {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        let digest = request.headers().get(SECRET_HEADER).map(|value| Sha256::digest(value.as_bytes()));
        match digest {
            Some(digest) if digest.as_slice() == self.secret_digest => Ok(()),
            _ => Err(StatusCode::UNAUTHORIZED),
        }
    }
}

/// Handles a webhook request. Telegram repeats an update until it gets a 2xx status, so the update is handled before
/// this returns 200.
async fn receive(
    State(endpoint): State<Arc<Endpoint>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> StatusCode {
    if let Err(refusal) = endpoint.authenticate(&request) {
        return refusal;
    }
    peer.mark_authenticated();
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), BODY_LIMIT)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    match Update::read(&body) {
        Ok(update) => {
            // A separate task finishes even if the proxy closes the connection.
            if let Err(error) = tokio::spawn(endpoint.handler.handle(update)).await {
                error!(event = "handler_panicked", %error, "the handler of an update panicked; this is a bug");
            }
        }
        // Telegram would send the same body again, so it gets 200 too.
        Err(error) => {
            let bytes = body.len();
            warn!(event = "update_unreadable", %error, bytes, "ignored a webhook request whose body is not an update");
        }
    }
    StatusCode::OK
}

/// The address to which Telegram posts: the configured one with the secret path appended.
pub(super) fn public_url(webhook: &Webhook, token: &Secret) -> Url {
    let mut url = webhook.url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    url.set_path(&format!("{base}{}", path(token)));
    url
}

/// The path of webhook requests, which only those who know the token can compute.
fn path(token: &Secret) -> String {
    let mut digest = Sha256::new();
    digest.update(b"probewatch webhook path\0");
    digest.update(token.reveal());
    format!("/telegram/{}", hex(digest.finalize().get(..16).unwrap_or_default()))
}

fn random_secret() -> Result<String, TelegramError> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|error| TelegramError::Secret(error.to_string()))?;
    Ok(hex(&octets))
}

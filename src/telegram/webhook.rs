//! Updates by webhook: Telegram posts them to a path that nobody can guess, with a secret that is checked
//! before the body is read.
//!
//! The path is derived from the token, so it stays the same over restarts and a proxy may know it. The
//! secret is the configured one, or else made anew at each start; `setWebhook` tells both to Telegram, and gives it
//! the certificate where the bot serves TLS itself.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::{Extension, Router};
use sha2::{Digest, Sha256};
use teloxide::payloads::{SetWebhook, SetWebhookSetters};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use url::Url;

use super::TelegramError;
use super::api::{Api, UPDATES};
use super::handler::Handler;
use super::incoming::read_update;
use crate::config::{Secret, Tls, Webhook};
use crate::dot11::hex;
use crate::http::{self, Certificate, Peer};

/// The header in which Telegram sends the secret (Bot API, `setWebhook`).
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// The certificate and its key in the data directory, where Telegram is given one.
const CERTIFICATE: &str = "webhook.pem";

/// Ports below need a right of their own to be listened on.
const UNPRIVILEGED: u16 = 1024;

/// The largest update that is read, in bytes; real ones are a few kilobytes.
const BODY_LIMIT: usize = 1 << 20;

/// How long an update's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Where posts will come in.
pub(super) struct WebhookListener {
    listener: TcpListener,
    /// What Telegram is to trust, where the bot serves TLS itself.
    certificate: Option<Certificate>,
}

impl WebhookListener {
    /// Listens where `webhook` says.
    ///
    /// # Errors
    /// [`TelegramError`] where that cannot be, or there can be no certificate.
    pub(super) async fn open(webhook: &Webhook, data_dir: &Path) -> Result<Self, TelegramError> {
        let address = webhook.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| {
            if source.kind() == io::ErrorKind::PermissionDenied && address.port() < UNPRIVILEGED {
                TelegramError::ListenPermission { address }
            } else {
                TelegramError::Listen { address, source }
            }
        })?;
        let host = webhook.url.host_str().filter(|_| webhook.tls == Tls::SelfSigned);
        let certificate = host.map(|host| Certificate::kept_in(&data_dir.join(CERTIFICATE), host));
        Ok(Self { listener, certificate: certificate.transpose().map_err(TelegramError::Certificate)? })
    }
}

/// Tells Telegram where to post, and takes what is posted until `stop`.
pub(super) async fn run(
    webhook: &Webhook,
    token: &Secret,
    WebhookListener { listener, certificate }: WebhookListener,
    api: &Api,
    handler: Arc<Handler>,
    stop: &CancellationToken,
) -> Result<(), TelegramError> {
    let path = path(token);
    let secret = match &webhook.secret_token {
        Some(secret) => secret.reveal().to_owned(),
        None => random_secret()?,
    };
    let url = address(webhook, token);
    let posts = Arc::new(Posts {
        // A proxy may strip the public address's own path, or not.
        paths: [path, url.path().to_owned()],
        secret: Sha256::digest(&secret).into(),
        handler,
    });
    // No route: a path of the configuration may hold what routes give a meaning to.
    let router = Router::new().fallback(receive).with_state(posts);
    match listener.local_addr() {
        Ok(address) => info!(event = "webhook_listening", %address, "listening for webhook requests"),
        Err(error) => warn!(%error, "could not read the webhook listener's address"),
    }
    let server = http::serve(listener, certificate.as_ref(), router, stop.clone());
    let request = SetWebhook::new(url).secret_token(secret).allowed_updates(UPDATES);
    // Where there is no certificate, this also makes Telegram forget one that it had.
    let pem = certificate.as_ref().map(Certificate::to_pem);
    let registration = api.until_webhook_set(&request, pem.as_deref(), stop);
    let ((), registered) = tokio::join!(server, async {
        let registered = registration.await;
        match &registered {
            Ok(Some(_)) => {
                info!(event = "webhook_registered", url = %webhook.url, "Telegram posts updates to the webhook")
            }
            Ok(None) => {}
            // Nobody will post: the server need not wait for it.
            Err(_) => stop.cancel(),
        }
        registered
    });
    registered.map(drop)
}

struct Posts {
    paths: [String; 2],
    secret: [u8; 32],
    handler: Arc<Handler>,
}

async fn receive(
    State(posts): State<Arc<Posts>>,
    Extension(peer): Extension<Peer>,
    request: Request<Body>,
) -> StatusCode {
    if !posts.paths.iter().any(|path| path == request.uri().path()) {
        return StatusCode::NOT_FOUND;
    }
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED;
    }
    let given = request.headers().get(SECRET_HEADER).map(|value| Sha256::digest(value.as_bytes()));
    // Digests are compared, so the time that it takes tells nothing about the secret.
    if given.is_none_or(|given| given.as_slice() != posts.secret) {
        return StatusCode::UNAUTHORIZED;
    }
    peer.mark_authenticated();
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), BODY_LIMIT)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE,
        Err(_) => return StatusCode::REQUEST_TIMEOUT,
    };
    match serde_json::from_slice(&body).and_then(read_update) {
        Ok(update) => {
            // A task of its own, so that it comes to its end even where the proxy does not wait for it.
            let handling = tokio::spawn(posts.handler.begin(update));
            if let Err(error) = handling.await {
                error!(%error, "the handler of an update panicked; this is a bug");
            }
        }
        // Telegram would send the same bytes again and again.
        Err(error) => warn!(%error, "ignored a webhook request whose body is not an update"),
    }
    StatusCode::OK
}

/// Where Telegram is to post.
pub(super) fn address(webhook: &Webhook, token: &Secret) -> Url {
    public_url(&webhook.url, &path(token))
}

fn path(token: &Secret) -> String {
    format!("/telegram/{}", path_segment(token))
}

/// A part of the path that only who knows the token can know.
fn path_segment(token: &Secret) -> String {
    let mut digest = Sha256::new();
    digest.update(b"probewatch webhook path\0");
    digest.update(token.reveal());
    hex(digest.finalize().get(..16).unwrap_or_default())
}

fn random_secret() -> Result<String, TelegramError> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets).map_err(|error| TelegramError::Secret(error.to_string()))?;
    Ok(hex(&octets))
}

/// The public address with the unguessable path behind whatever path it has itself.
fn public_url(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

//! The HTTP API: handlers over reads of the state and commands to the recorder. They do not depend on the
//! transport: the control socket is one listener of [`router`], others may follow. `docs/control-api.md` lists the
//! endpoints.
//!
//! # Invariants
//! - An answer has the same bytes as the command prints while no service runs: both call the functions here.
//! - Recording does not wait for a request: the state is locked for a few rows at a time.
//! - A whole export or a check starts with a copy of the state. It is made in parts and is still the state at
//!   one offset. At most one copy exists at a time, and no client can hold it: an export is spooled before it is sent.
//! - At most `JOBS` requests work at a time. The log is read, and the state copied, on threads that may block.
//! - A change is on disk before the answer says so. It is finished even if the client has gone.
//! - Only a POST changes anything.

mod body;
mod chat;
mod data_source;
mod error;
mod params;

pub mod check;
pub mod export;
pub mod lookup;
pub mod status;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use store::recorder::RecorderHandle;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::chat::Chat;
pub use data_source::{DataSource, Live, Offline};
pub use error::{ApiError, ErrorBody};
pub use export::ExportOutcome;
pub(crate) use export::OUTCOME;

/// Requests that read the log, copy the state or change something, at a time.
const JOBS: usize = 16;

/// The longest message to the chat, in bytes.
pub const MESSAGE_LIMIT: usize = 16 << 10;

/// Asks Telegram now how it sees the bot; the answer is a JSON object.
pub type BotStatusQuery =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// What is wrong with the service now, a line each; empty if it is healthy. It does not wait.
pub type HealthCheck = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// What the handlers work with.
#[derive(Clone)]
pub struct Services {
    /// Takes commands, and gives read access to the state.
    pub recorder: RecorderHandle,
    /// Answers messages.
    pub chat: Chat,
    /// The time zone in which times are shown unless a request names another.
    pub zone: Tz,
    /// The data directory, where exports are spooled.
    pub data_dir: PathBuf,
    /// Asks Telegram how it sees the bot, if there is one.
    pub bot: Option<BotStatusQuery>,
    /// Tells what is wrong with the service.
    pub problems: HealthCheck,
}

/// What the service answers to `GET /v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `probewatch`.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Whether the state is being copied for an export or a check; the next one has to wait.
    pub copying: bool,
}

/// What all requests share.
#[derive(Clone)]
struct Api {
    services: Services,
    jobs: Arc<Semaphore>,
    /// Locked while a copy of the whole state exists.
    copying: Arc<Mutex<()>>,
}

/// The API's routes.
pub fn router(services: Services) -> Router {
    let api = Api { services, jobs: Arc::new(Semaphore::new(JOBS)), copying: Arc::default() };
    Router::new()
        .route("/v1", get(about))
        .route("/v1/health", get(status::get_health))
        .route("/v1/status", get(status::get_status))
        .route("/v1/lookup", get(lookup::get_lookup))
        .route("/v1/chat", post(chat::post_chat).layer(DefaultBodyLimit::max(MESSAGE_LIMIT)))
        .route("/v1/export/{what}", get(export::get_export))
        .route("/v1/check", get(check::get_check))
        .route("/v1/bot", get(status::get_bot))
        .route("/v1/ownership", get(status::get_ownership))
        .fallback(async || ApiError::not_found("there is no such path"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .with_state(api)
}

async fn about(State(api): State<Api>) -> Result<Response, ApiError> {
    body::json(&About {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        copying: api.copying.try_lock().is_err(),
    })
}

impl Api {
    /// The right to do work, which is given back when it is dropped.
    fn start_job(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.jobs)
            .try_acquire_owned()
            .map_err(|_| ApiError::busy(format!("the service works on {JOBS} requests already")))
    }

    /// The right to copy the state, once no other copy exists.
    async fn start_copy(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.copying).lock_owned().await
    }

    /// The service's data. Not for async code.
    fn source(&self) -> Live {
        Live { recorder: self.services.recorder.clone(), runtime: tokio::runtime::Handle::current() }
    }
}

//! `GET /v1/status`, `/v1/health`, `/v1/bot` and `/v1/ownership`, and what `probewatch status` prints.

use std::io::{self, Write};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use chrono_tz::Tz;
use serde_json::{Map, Value, json};
use store::event::Timestamp;

use super::params::Params;
use super::{Api, ApiError, body};
use crate::status::{self, Status};

/// Fields that only a running service has.
const LIVE_FIELDS: [&str; 8] = [
    "uptime_seconds",
    "sensors",
    "lost_probes",
    "lost_log_lines",
    "disk_error",
    "disk_remedy",
    "telegram_waits",
    "telegram_server_lacks",
];

/// The status of the service that this process is, as a JSON object or a text.
pub(super) async fn get_status(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut params = Params::parse(query.as_deref());
    let (zone, is_json) = (params.zone(api.services.zone)?, params.is_json()?);
    params.end()?;
    let _job = api.start_job()?;
    let found = api.services.chat.status().await;
    if !is_json {
        let text = format!("{}\n", status::full_report(&found, api.services.recorder.now(), zone).to_text());
        return Ok(body::bytes(body::TEXT, text.into_bytes()));
    }
    let mut object = object(&found, true).map_err(ApiError::failed)?;
    object.insert("process".to_owned(), std::process::id().into());
    body::json(&object)
}

/// 200 if the service does what it is for, and 503 otherwise. It is answered while others wait, as `/healthz` is.
pub(super) async fn get_health(State(api): State<Api>) -> Result<Response, ApiError> {
    match &(api.services.problems)()[..] {
        [] => body::json(&json!({ "healthy": true })),
        problems => Err(ApiError::unhealthy(problems)),
    }
}

/// What Telegram says of the bot now; `null` if there is no bot.
pub(super) async fn get_bot(State(api): State<Api>) -> Result<Response, ApiError> {
    let Some(query) = api.services.bot.clone() else { return body::json(&Value::Null) };
    let _job = api.start_job()?;
    let status = query().await.map_err(ApiError::failed)?;
    Ok(body::bytes(body::JSON, (status + "\n").into_bytes()))
}

/// Whether the bot has an owner, and otherwise the link for the first one.
pub(super) async fn get_ownership(State(api): State<Api>) -> Result<Response, ApiError> {
    body::json(&api.services.chat.ownership().get())
}

/// Writes what a data directory holds while no service runs; a text starts with the line `none_runs`.
///
/// # Errors
/// What writing gives.
pub fn write_offline(
    none_runs: &str,
    status: &Status,
    json: bool,
    zone: Tz,
    mut out: impl Write,
) -> io::Result<()> {
    if !json {
        return writeln!(out, "{none_runs}{}", status::offline_report(status, Timestamp::now(), zone));
    }
    let mut object = object(status, false)?;
    object.retain(|key, _| !LIVE_FIELDS.contains(&key.as_str()));
    writeln!(out, "{}", Value::Object(object))
}

fn object(status: &Status, is_running: bool) -> io::Result<Map<String, Value>> {
    let mut object = Map::new();
    object.insert("running".to_owned(), is_running.into());
    object.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
    if let Value::Object(fields) = serde_json::to_value(status)? {
        object.extend(fields);
    }
    Ok(object)
}

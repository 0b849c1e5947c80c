//! `POST /v1/chat`: one message to the chat, as typed at a terminal.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::params::Params;
use super::{Api, ApiError, MESSAGE_LIMIT, body};
use crate::chat::console;

/// How long a message may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the message in the body.
pub(super) async fn post_chat(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, ApiError> {
    let mut params = Params::parse(query.as_deref());
    let zone = params.zone(api.services.zone)?;
    params.end()?;
    let message = tokio::time::timeout(ARRIVAL_TIMEOUT, Bytes::from_request(request, &()))
        .await
        .map_err(|_| ApiError::too_slow())?
        .map_err(|rejected| match rejected.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_long(MESSAGE_LIMIT),
            _ => ApiError::bad_request("the body is incomplete"),
        })?;
    let message = String::from_utf8_lossy(&message).into_owned();
    if message.trim().is_empty() {
        return Err(ApiError::bad_request("the message is empty"));
    }
    let job = api.start_job()?;
    // A task of its own, so that a change is finished even if the client goes.
    let answering = tokio::spawn(async move {
        let _job = job;
        console::answer(&api.services.chat.with_time_zone(zone), &message).await
    });
    Ok(body::bytes(body::TEXT, answering.await.map_err(|_| ApiError::bug())?.into_bytes()))
}

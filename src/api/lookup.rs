//! `GET /v1/lookup`, and what `probewatch lookup` prints.

use std::io;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono_tz::Tz;
use serde::Serialize;

use super::params::Params;
use super::{Api, ApiError, DataSource, body};
use crate::chat::model::lookup::{LookupResult, look_up};
use crate::chat::views;

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether one device was found.
    pub is_found: bool,
    /// A JSON object or a text, with its line break.
    pub text: String,
}

/// Looks up the device that `query` names.
///
/// # Errors
/// If the answer cannot be put into JSON.
pub fn answer(source: &impl DataSource, query: &str, json: bool, zone: Tz) -> io::Result<Answer> {
    let query = query.trim();
    let found = source.with_state(|state| look_up(state, query));
    let text = match json {
        true => format!("{}\n", object(query, &found)?),
        false => format!("{}\n", views::device_reply(&found, source.now(), zone).text),
    };
    Ok(Answer { is_found: matches!(found, LookupResult::Device(_)), text })
}

/// 200 with the device, or 404 with what is known instead.
pub(super) async fn get_lookup(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut params = Params::parse(query.as_deref());
    let zone = params.zone(api.services.zone)?;
    let json = params.is_json()?;
    let query = params.take("q")?;
    params.end()?;
    let query = query.ok_or_else(|| ApiError::bad_request("the parameter \"q\" is missing"))?;
    if query.trim().is_empty() {
        return Err(ApiError::bad_request("the parameter \"q\" is empty: it must be a name or an address"));
    }
    let job = api.start_job()?;
    let source = api.source();
    let looking = tokio::task::spawn_blocking(move || {
        let _job = job;
        answer(&source, &query, json, zone)
    });
    let answer = looking.await.map_err(|_| ApiError::bug())?.map_err(ApiError::failed)?;
    let content_type = if json { body::JSON } else { body::TEXT };
    let mut response = body::bytes(content_type, answer.text.into_bytes());
    if !answer.is_found {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

fn object(query: &str, found: &LookupResult) -> io::Result<String> {
    #[derive(Serialize)]
    struct NotFound<'a> {
        query: &'a str,
        found: bool,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        candidates: &'a [String],
    }
    let not_found = |candidates| serde_json::to_string(&NotFound { query, found: false, candidates });
    let object = match found {
        LookupResult::Device(report) => serde_json::to_string(report),
        LookupResult::Ambiguous(names) => not_found(names),
        LookupResult::NeverSeen { .. } | LookupResult::NotFound { .. } => not_found(&[]),
    };
    Ok(object?)
}

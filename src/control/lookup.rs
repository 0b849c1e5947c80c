//! Look-ups, as texts or as JSON.

use std::io::{self, Write};

use chrono_tz::Tz;
use serde::Serialize;

use super::DataSource;
use crate::chat::model::lookup::{LookupResult, look_up};
use crate::chat::views;
use crate::event::Timestamp;

/// Answers each of the queries in order; whether all were found.
///
/// # Errors
/// What writing gives.
pub fn write(
    view: &impl DataSource,
    queries: &[String],
    json: bool,
    zone: Tz,
    mut out: impl Write,
) -> io::Result<bool> {
    let mut all_found = true;
    for query in queries.iter().map(|query| query.trim()) {
        let found = view.with_state(|state| look_up(state, query));
        all_found &= matches!(found, LookupResult::Device(_));
        if json {
            writeln!(out, "{}", json_line(query, &found)?)?;
        } else {
            writeln!(out, "{}", views::found(&found, Timestamp::now(), zone))?;
        }
    }
    Ok(all_found)
}

fn json_line(query: &str, found: &LookupResult) -> io::Result<String> {
    #[derive(Serialize)]
    struct NotFound<'a> {
        query: &'a str,
        found: bool,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        candidates: &'a [String],
    }
    let not_found = |candidates| serde_json::to_string(&NotFound { query, found: false, candidates });
    let line = match found {
        LookupResult::Device(report) => serde_json::to_string(report),
        LookupResult::Ambiguous(names) => not_found(names),
        LookupResult::NeverSeen { .. } | LookupResult::NotFound { .. } => not_found(&[]),
    };
    Ok(line?)
}

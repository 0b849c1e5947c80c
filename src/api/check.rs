//! `GET /v1/check`, and what `probewatch check` prints: whether the state is what the log gives.

use std::io::{self, Write};

use axum::extract::State;
use axum::response::Response;
use dot11::write_printable;
use serde::{Deserialize, Serialize};
use store::recorder::CheckReport;
use store::state::Difference;

use super::{Api, ApiError, ErrorBody, OUTCOME, body};
use crate::text::format::pluralize;

/// Differences and damaged places that are shown one by one.
pub const SHOWN_LIMIT: usize = 10;

/// What was compared with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The state in sled, while no service runs.
    Sled,
    /// The state in the memory of the service.
    Memory,
}

impl Compared {
    fn name(self) -> &'static str {
        match self {
            Self::Sled => "the saved state",
            Self::Memory => "the service's state",
        }
    }
}

/// A line of the answer. The last one is a result or an error; without it, the answer is not whole.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum CheckLine {
    /// How far the log is read, in events, and up to where it will be.
    Progress { at: u64, end: u64 },
    /// What was found.
    Result(CheckResult),
    /// Why nothing was found.
    Failed(ErrorBody),
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Whether the state is what the log gives, and neither the log nor a snapshot is damaged.
    pub passed: bool,
    /// What was found, in lines.
    pub report: String,
}

impl CheckResult {
    /// Describes what was found.
    pub fn new(check: &CheckReport, compared: Compared) -> Self {
        Self { passed: passed(check), report: report(check, compared) }
    }
}

/// Checks while the recording goes on. Progress that the client does not take in time is left out, so that no client
/// can hold the copy of the state.
pub(super) async fn get_check(State(api): State<Api>) -> Result<Response, ApiError> {
    let job = api.start_job()?;
    let copy = api.start_copy().await;
    let source = api.source();
    body::stream(body::NDJSON, OUTCOME, move |out| {
        let (_job, copy) = (job, copy);
        let checked = source.recorder.check(&source.runtime, SHOWN_LIMIT, &mut |at, end| {
            if let Ok(line) = line(&CheckLine::Progress { at: at.0, end: end.0 }) {
                out.try_send(line);
            }
        });
        drop(copy);
        let last = match checked {
            Ok(check) => CheckLine::Result(CheckResult::new(&check, Compared::Memory)),
            Err(error) => CheckLine::Failed(ApiError::failed(&error).with_remedy(error.remedy()).body()),
        };
        out.write_all(&line(&last)?)?;
        Ok(None)
    })
    .await
}

fn line(line: &CheckLine) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec(line)?;
    json.push(b'\n');
    Ok(json)
}

fn passed(check: &CheckReport) -> bool {
    check.checkpoint.is_ok() && check.differences.count == 0 && check.damaged == 0
}

fn report(check: &CheckReport, compared: Compared) -> String {
    let differences = &check.differences;
    let mut lines = check.damage.clone();
    lines.extend(more(check.damaged, check.damage.len(), ["damaged place", "damaged places"]));
    lines.extend(differences.first.iter().map(|difference| describe(difference, compared)));
    lines.extend(more(differences.count, differences.first.len(), ["row that differs", "rows that differ"]));
    lines.push(verdict(check, compared));
    lines.join("\n") + "\n"
}

fn verdict(check: &CheckReport, compared: Compared) -> String {
    let other = compared.name();
    let count = check.differences.count;
    let is_damaged = check.damaged > 0;
    match &check.checkpoint {
        Err(why) => format!("There is no state to compare: {why}. `probewatch rebuild` makes it anew"),
        Ok(_) if count > 0 => {
            let rows = pluralize(count, "row", "rows");
            // The state may still have what the damage removed from the log.
            let what_to_do = match (is_damaged, compared) {
                (true, _) => format!("since the log or a snapshot is damaged, {other} may be right"),
                (false, Compared::Sled) => {
                    "`probewatch rebuild` makes the state anew from the log".to_owned()
                }
                (false, Compared::Memory) => {
                    "stop the service, run `probewatch rebuild`, and start it again".to_owned()
                }
            };
            format!("The log and {other} differ in {rows}; {what_to_do}")
        }
        Ok(checkpoint) => {
            let behind = match *checkpoint < check.end {
                true => format!(", of which {other} includes {checkpoint}"),
                false => String::new(),
            };
            let events = pluralize(check.end.0, "event", "events");
            let devices = pluralize(check.devices, "device", "devices");
            let damaged = if is_damaged { "; the log or a snapshot is damaged" } else { "" };
            format!("The log and {other} match: {events}{behind}, {devices}{damaged}")
        }
    }
}

fn more(count: u64, shown: usize, [one, many]: [&str; 2]) -> Option<String> {
    let left = count.saturating_sub(shown as u64);
    (left > 0).then(|| format!("… and {left} more {}", if left == 1 { one } else { many }))
}

fn describe(Difference { subject, one, other }: &Difference, compared: Compared) -> String {
    let row = |row: &Option<String>| row.as_deref().map_or("no such row".to_owned(), on_one_line);
    format!("{subject}: the log gives {}, {} has {}", row(one), compared.name(), row(other))
}

/// Escapes what JSON leaves unescaped and a terminal would not show in its place.
fn on_one_line(json: &str) -> String {
    let mut line = String::new();
    for (number, part) in json.split('\\').enumerate() {
        if number > 0 {
            line.push('\\');
        }
        // Writing to a String cannot fail.
        let _ = write_printable(&mut line, part);
    }
    line
}

//! `GET /v1/check`, and what `probewatch check` prints: whether the state is what the log gives.
//!
//! The service folds the log in a process of its own, so that a check does not take the memory of a second state within
//! the service. That process, [`check_image`], gets a copy of the state as its standard input and answers with lines of
//! JSON. It has the rows of devices in files: its memory hardly grows with them. It ends when nobody reads its answer.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{self, Child, Command, ExitCode, ExitStatus, Stdio};

use axum::extract::State;
use axum::response::Response;
use dot11::write_printable;
use serde::{Deserialize, Serialize};
use store::recorder::{CheckError, CheckReport, check_image as compare};
use store::state::Difference;

use super::body::{self, BodyWriter};
use super::{Api, ApiError, ErrorBody, Live, OUTCOME};
use crate::text::format::pluralize;

/// Differences and damaged places that are shown one by one.
pub const SHOWN_LIMIT: usize = 10;

/// Attempts if segments are removed from the log while it is read.
const MAX_ATTEMPTS: u32 = 3;

/// This program, also if a newer one has replaced its file.
const PROGRAM: &str = "/proc/self/exe";

/// The subcommand that calls [`check_image`].
pub const IMAGE_SUBCOMMAND: &str = "check-image";

/// The exit status of a process that needs a newer copy of the state: `EX_TEMPFAIL`.
const EXIT_MOVING: u8 = 75;

/// The exit status of a process whose answer nobody reads.
const EXIT_UNREAD: i32 = 1;

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
    let data_dir = api.services.data_dir;
    body::stream(body::NDJSON, OUTCOME, move |out| {
        let (_job, copy) = (job, copy);
        let last = check_running(&source, &data_dir, out).unwrap_or_else(failed);
        drop(copy);
        out.write_all(&line(&last)?)?;
        Ok(None)
    })
    .await
}

/// The last line of the answer.
fn check_running(source: &Live, data_dir: &Path, out: &mut BodyWriter) -> Result<CheckLine, CheckError> {
    for _ in 0..MAX_ATTEMPTS {
        let mut image = tempfile::tempfile_in(data_dir)?;
        source.recorder.write_image(&source.runtime, &mut image)?;
        let mut process = Command::new(PROGRAM)
            .args([IMAGE_SUBCOMMAND.as_ref(), data_dir.as_os_str()])
            .env_clear()
            .stdin(image)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let last = pass_on_progress(&mut process, out);
        if last.is_err() {
            // It may have ended.
            let _ = process.kill();
        }
        let status = process.wait()?;
        if status.code() != Some(EXIT_MOVING.into()) {
            return Ok(last?.unwrap_or_else(|| ended(status)));
        }
    }
    Err(CheckError::Moving)
}

/// Passes the progress of the checking process on to the client; returns the process's last line, if it had one.
fn pass_on_progress(process: &mut Child, out: &mut BodyWriter) -> io::Result<Option<CheckLine>> {
    let Some(stdout) = process.stdout.take() else { return Ok(None) };
    for text in BufReader::new(stdout).lines() {
        match serde_json::from_str(&text?)? {
            progress @ CheckLine::Progress { .. } if out.has_client() => out.try_send(line(&progress)?),
            CheckLine::Progress { .. } => return Err(io::ErrorKind::BrokenPipe.into()),
            last => return Ok(Some(last)),
        }
    }
    Ok(None)
}

fn ended(status: ExitStatus) -> CheckLine {
    let error = format!("the process that folds the log ended with {status}");
    let remedy = "it needs some 60 MiB of memory; without that, stop the service and check again";
    CheckLine::Failed(ApiError::failed(error).with_remedy(Some(remedy)).body())
}

fn failed(error: CheckError) -> CheckLine {
    CheckLine::Failed(ApiError::failed(&error).with_remedy(error.remedy()).body())
}

/// The process that folds the log of `data_dir`, and compares the result with the image on standard input.
pub fn check_image(data_dir: &Path) -> ExitCode {
    // If memory runs out, this process ends and not the service.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let print = |last: &CheckLine| io::stdout().write_all(&line(last)?);
    let checked = compare(data_dir, io::stdin(), SHOWN_LIMIT, &mut |at, end| {
        if print(&CheckLine::Progress { at: at.0, end: end.0 }).is_err() {
            // The service or its client has gone.
            process::exit(EXIT_UNREAD);
        }
    });
    let last = match checked {
        Ok(check) => CheckLine::Result(CheckResult::new(&check, Compared::Memory)),
        Err(CheckError::Moving) => return ExitCode::from(EXIT_MOVING),
        Err(error) => failed(error),
    };
    if print(&last).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

//! How everything is doing, as a text or as JSON.

use std::io::{self, Write};

use chrono_tz::Tz;
use serde_json::{Map, Value};

use crate::event::Timestamp;
use crate::status::{self, SourceState, SourceStatus, Status};

/// What only a running service has.
const OF_A_SERVICE: [&str; 4] = ["uptime_seconds", "sensors", "lost_probes", "disk_error"];

/// How a service is doing that runs as this process.
///
/// # Errors
/// What writing gives.
pub fn write_running(status: &Status, json: bool, zone: Tz, mut out: impl Write) -> io::Result<()> {
    if !json {
        return writeln!(out, "{}", status::status(status, Timestamp::now(), zone));
    }
    let mut object = object(status, true)?;
    object.insert("process".to_owned(), std::process::id().into());
    writeln!(out, "{}", Value::Object(object))
}

/// Whether a service does what it is for: it records, it hears, and no source has failed.
pub fn is_well(status: &Status) -> bool {
    let has_failed =
        |sensor: &SourceStatus| matches!(sensor.condition, SourceState::Failed(_) | SourceState::Broken);
    let is_heard = |sensor: &SourceStatus| sensor.condition == SourceState::Hearing;
    status.disk_error.is_none()
        && status.sensors.iter().any(is_heard)
        && !status.sensors.iter().any(has_failed)
}

/// What there is while no service runs, as the line `none_runs` says.
///
/// # Errors
/// What writing gives.
pub fn write_stored(
    none_runs: &str,
    status: &Status,
    json: bool,
    zone: Tz,
    mut out: impl Write,
) -> io::Result<()> {
    if !json {
        return writeln!(out, "{none_runs}{}", status::holdings(status, Timestamp::now(), zone));
    }
    let mut object = object(status, false)?;
    object.retain(|key, _| !OF_A_SERVICE.contains(&key.as_str()));
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

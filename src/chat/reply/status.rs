//! How the box is doing.

use std::time::Duration;

use chrono_tz::Tz;

use super::words::{counted, shown_bytes, shown_duration, shown_time};
use crate::chat::text::{Text, printable};
use crate::event::Timestamp;
use crate::recorder::LogSize;
use crate::vendor;

/// How the box is doing.
#[derive(Debug, Clone)]
pub struct Status {
    /// Since the service was started.
    pub uptime: Duration,
    /// Each source of frames.
    pub sensors: Vec<SensorStatus>,
    /// Probe requests recorded, ever.
    pub probes: u64,
    /// Those of them for any network.
    pub wildcard_probes: u64,
    /// Addresses heard, ever.
    pub addresses: u64,
    /// Those of them that are random.
    pub random_addresses: u64,
    /// Addresses that were not heard for long and are not known any more.
    pub forgotten_addresses: u64,
    /// The latest probe's capture time, and how long ago that is.
    pub last_probe: Option<(Timestamp, Duration)>,
    /// Events in the log.
    pub events: u64,
    /// Watched networks.
    pub watches: usize,
    /// Alerts that Telegram has not taken yet.
    pub alerts_waiting: usize,
    /// Probes that were lost inside this program.
    pub lost_probes: u64,
    /// Damaged lines found in the log.
    pub lost_events: u64,
    /// What the log takes on disk.
    pub log: Option<LogSize>,
    /// Why nothing can be written at the moment.
    pub disk_error: Option<String>,
}

/// Whether a source of frames is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is heard, or about to be.
    Hearing,
    /// It is at its end.
    Over,
    /// It failed, for this reason.
    Failed(String),
}

/// How a source of frames is doing.
#[derive(Debug, Clone)]
pub struct SensorStatus {
    /// The interface or file.
    pub name: String,
    /// What it is doing: hearing, at its end, or why it failed.
    pub state: String,
    /// Whether that is as it should be.
    pub condition: Condition,
    /// Frames captured.
    pub frames: u64,
    /// Frames that could not be decoded.
    pub undecodable: u64,
    /// Probe requests that were left out since their FCS is wrong.
    pub bad_fcs: u64,
    /// Frames that the kernel or the interface dropped.
    pub dropped: u64,
}

pub(in crate::chat) fn status(status: &Status, zone: Tz) -> Text {
    let mut text = Text::default()
        .bold(format_args!("📟 probewatch {}", env!("CARGO_PKG_VERSION")))
        .then(format_args!("\nRunning for {}", shown_duration(status.uptime)));
    if let Some(why) = &status.disk_error {
        text = text.then(format_args!("\n❌ Nothing can be written at the moment: {}", printable(why)));
    }
    for sensor in &status.sensors {
        text = text.then(format_args!(
            "\n{}: {}, {}",
            printable(&sensor.name),
            printable(&sensor.state),
            counted(sensor.frames, "frame", "frames")
        ));
        if sensor.dropped > 0 {
            text = text.then(format_args!(", {} dropped", sensor.dropped));
        }
        if sensor.bad_fcs > 0 {
            text = text.then(format_args!(", {} damaged on the air", sensor.bad_fcs));
        }
        if sensor.undecodable > 0 {
            text = text.then(format_args!(", {} undecodable", sensor.undecodable));
        }
    }
    text = text.then(match status.last_probe {
        Some((time, age)) => {
            format!("\nLast probe: {} ({} ago)", shown_time(time, zone), shown_duration(age))
        }
        None => "\nNo probe was heard yet".to_owned(),
    });
    text = text
        .then(format_args!("\nProbes: {} ({} for any network)", status.probes, status.wildcard_probes))
        .then(format_args!("\nAddresses: {} ({} random)", status.addresses, status.random_addresses))
        .then(match status.forgotten_addresses {
            0 => String::new(),
            count => format!(", {count} more were not heard for long and are forgotten"),
        })
        .then(format_args!("\nEvents in the log: {}", status.events))
        .then(match status.log {
            Some(LogSize { bytes, oldest: Some(oldest) }) => {
                format!("\nLog on disk: {}, since {}", shown_bytes(bytes), shown_time(oldest, zone))
            }
            Some(LogSize { bytes, oldest: None }) => format!("\nLog on disk: {}", shown_bytes(bytes)),
            None => String::new(),
        })
        .then(format_args!("\nWatched networks: {}", status.watches))
        .then(format_args!("\nAlerts waiting for Telegram: {}", status.alerts_waiting))
        .then(format_args!("\nRegistry of vendors: of {}", vendor::registry_date()));
    if status.lost_probes > 0 {
        text = text.then(format_args!("\n⚠️ Probes lost for want of room: {}", status.lost_probes));
    }
    if status.lost_events > 0 {
        text = text.then(format_args!("\n⚠️ Events that damage has cost the log: {}", status.lost_events));
    }
    text
}

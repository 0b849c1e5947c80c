//! The status report: its values, and in `report` its text.

mod ownership;
mod report;
mod requested_waits;
mod server_features;
mod telegram_problems;

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use store::event::Timestamp;
use store::recorder::{ClockDoubt, LogSize, PendingDeletion};
use store::state::{DEVICE_SHARDS, Flood, State};

use crate::device_counts::DeviceCounts;
pub use ownership::{Ownership, OwnershipState};
pub use report::{clock_doubt, flood, full_report, offline_report, pending_deletion, requested_wait};
pub use requested_waits::{RequestedWait, RequestedWaits, WaitsWith};
pub use server_features::{ServerFeature, ServerFeatures};
pub use telegram_problems::{TelegramProblem, TelegramProblems, UpdateConflict};

/// The values of the status report.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Since the service was started.
    #[serde(rename = "uptime_seconds", serialize_with = "whole_seconds")]
    pub uptime: Duration,
    /// Every source.
    #[serde(rename = "sensors")]
    pub sources: Vec<SourceStatus>,
    /// Probe requests ever recorded.
    pub probes: u64,
    /// Wildcard ones among them.
    pub wildcard_probes: u64,
    /// Addresses ever seen.
    pub addresses: u64,
    /// Random ones among them.
    pub random_addresses: u64,
    /// How many devices these addresses are, as far as is known.
    pub devices: DeviceCounts,
    /// Addresses that were evicted after long silence.
    pub forgotten_addresses: u64,
    /// Of the networks that are new, how many of a hundred show no phone that returned, because too many were
    /// forgotten.
    #[serde(default)]
    pub mistaken_networks_percent: u8,
    /// The capture time of the latest probe.
    pub last_probe: Option<Timestamp>,
    /// Events in the log.
    pub events: u64,
    /// Watched networks.
    pub watches: usize,
    /// Alerts that are not delivered yet.
    pub alerts_waiting: usize,
    /// The waits that Telegram asked for.
    pub telegram_waits: Vec<RequestedWait>,
    /// What keeps the bot from its work in Telegram until somebody helps.
    pub telegram_problems: Vec<TelegramProblem>,
    /// What the Bot API server is known to lack.
    #[serde(default)]
    pub telegram_server_lacks: Vec<ServerFeature>,
    /// The latest flood of invented addresses.
    pub flood: Option<Flood>,
    /// Probes that this program lost.
    pub lost_probes: u64,
    /// Lines of the service's own log that standard error did not take.
    pub lost_log_lines: u64,
    /// Events that were damaged in the log or are gone from it.
    pub lost_events: u64,
    /// Probes of invented addresses that were left out of the log, to make room.
    pub thinned_probes: u64,
    /// The log's size on disk.
    pub log: Option<LogSize>,
    /// Why writing to disk fails.
    pub disk_error: Option<String>,
    /// What helps against that.
    pub disk_remedy: Option<&'static str>,
    /// Whether the machine's clock is in doubt.
    pub clock_doubt: Option<ClockDoubt>,
    /// What will leave the log because of its age.
    pub pending_deletion: Option<PendingDeletion>,
    /// The zone of times and quiet hours, and where it comes from; in a chat, that of the chat.
    pub time_zone: Option<ShownTimeZone>,
}

/// A time zone, as the status shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTimeZone {
    /// Its name in tzdata.
    pub name: String,
    /// Where it comes from, as a phrase.
    pub origin: String,
}

impl Status {
    /// The status without a running service: from a state and its log.
    pub fn offline(state: &State, log: Option<LogSize>, now: Timestamp) -> Self {
        let totals = state.totals();
        Self {
            uptime: Duration::ZERO,
            sources: Vec::new(),
            probes: totals.probes,
            wildcard_probes: totals.wildcard_probes,
            addresses: totals.addresses,
            random_addresses: totals.random_addresses,
            devices: DeviceCounts::of_state(state),
            forgotten_addresses: totals.forgotten_addresses,
            mistaken_networks_percent: state.grouping().mistaken_networks_percent(),
            last_probe: latest_probe(state, now),
            events: state.next_offset().0,
            watches: state.watches().len(),
            alerts_waiting: state.alerts().waiting(),
            telegram_waits: Vec::new(),
            telegram_problems: telegram_problems::blocking(state),
            telegram_server_lacks: Vec::new(),
            flood: state.floods().latest(),
            lost_probes: 0,
            lost_log_lines: 0,
            lost_events: totals.lost_events,
            thinned_probes: totals.thinned_probes,
            log,
            disk_error: None,
            disk_remedy: None,
            clock_doubt: None,
            pending_deletion: None,
            time_zone: None,
        }
    }
}

/// The capture time of the latest probe, without those that are later than now: logs of older versions have some, of
/// files whose clock was ahead.
fn latest_probe(state: &State, now: Timestamp) -> Option<Timestamp> {
    let latest = state.totals().last_probe?;
    if latest.is_possible_at(now) {
        return Some(latest);
    }
    let rows = (0..DEVICE_SHARDS).flat_map(|shard| state.devices_of_shard(shard));
    let times = rows.filter_map(|row| row.summary()).map(|device| device.last_probe);
    times.filter(|time| time.is_possible_at(now)).max().or(Some(latest))
}

/// The state of a source. The names in JSON are older than those here; scripts use them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// It is being opened; standard input then waits for the first bytes.
    Opening,
    /// Frames are captured.
    #[serde(rename = "hearing")]
    Capturing,
    /// It has ended, like a file that was read.
    #[serde(rename = "over")]
    Ended,
    /// It failed, for this reason; see [`SourceStatus::remedy`].
    Failed(String),
    /// Capturing ended because of a bug in this program.
    #[serde(rename = "broken")]
    Crashed,
}

/// The status of a source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The interface or file.
    pub name: String,
    /// Its state.
    pub condition: SourceState,
    /// What helps against its failure, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// When its last frame was captured.
    pub last_frame: Option<Timestamp>,
    /// Frames captured.
    pub frames: u64,
    /// Frames that could not be decoded.
    pub undecodable: u64,
    /// Probe requests with a wrong FCS, which were skipped.
    pub bad_fcs: u64,
    /// Frames that the kernel or the interface dropped.
    pub dropped: u64,
    /// Restarts after a failure.
    pub restarts: u64,
    /// Its clock is behind, so the times of its probes are unknown.
    pub clock_is_behind: bool,
    /// Why its radio stays on one channel, while it should hop over several.
    #[serde(default)]
    pub hopping_failure: Option<HoppingFailure>,
}

/// Why a radio does not change its channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoppingFailure {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: String,
    /// What helps, if known.
    pub remedy: Option<String>,
}

/// The reason and, after a semicolon, what to do.
impl std::fmt::Display for HoppingFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}

impl SourceStatus {
    /// Why it failed and, after a semicolon, what to do; `None` if it has not failed.
    pub fn failure(&self) -> Option<String> {
        match (&self.condition, &self.remedy) {
            (SourceState::Failed(why), Some(remedy)) => Some(format!("{why}; {remedy}")),
            (SourceState::Failed(why), None) => Some(why.clone()),
            _ => None,
        }
    }
}

fn whole_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

#[cfg(test)]
impl SourceStatus {
    /// A source in this state without frames or failures, for tests.
    pub(crate) fn example(name: &str, condition: SourceState) -> Self {
        Self {
            name: name.to_owned(),
            condition,
            remedy: None,
            last_frame: None,
            frames: 0,
            undecodable: 0,
            bad_fcs: 0,
            dropped: 0,
            restarts: 0,
            clock_is_behind: false,
            hopping_failure: None,
        }
    }
}

//! Counts over all devices.

use serde::{Deserialize, Serialize};

use crate::event::Timestamp;

/// Counts over all devices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Probe requests.
    pub probes: u64,
    /// Those with a wildcard SSID.
    pub wildcard_probes: u64,
    /// Those for a hidden network (an SSID of NUL bytes).
    #[serde(default)]
    pub hidden_probes: u64,
    /// Addresses in the state.
    pub addresses: u64,
    /// Those that are random.
    pub random_addresses: u64,
    /// Addresses that left the state because they sent no probe for long.
    pub forgotten_addresses: u64,
    /// The capture time of the latest probe.
    pub last_probe: Option<Timestamp>,
    /// The time of the newest event. Snapshots of older versions have none.
    #[serde(default)]
    pub last_event: Option<Timestamp>,
    /// The latest probe's [`not_before`](crate::event::Probe::not_before): set if its sensor's clock was behind.
    #[serde(default)]
    pub last_mark: Option<Timestamp>,
    /// When the elements of models that are not remembered were last removed, to make room for others.
    #[serde(default)]
    pub elements_removed: Option<Timestamp>,
    /// How often it was forgotten who looks for a network, to make room for others.
    #[serde(default)]
    pub forgotten_networks: u64,
    /// Whether somebody stopped the deletion of old events and addresses.
    #[serde(default)]
    pub keeps_log: bool,
    /// Events that the log lost by damage.
    pub lost_events: u64,
    /// Probes of invented addresses that were left out of the log, to make room.
    #[serde(default)]
    pub thinned_probes: u64,
}

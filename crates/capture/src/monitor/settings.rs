//! The settings of monitor mode and channel hopping.

use std::collections::BTreeSet;
use std::time::Duration;

use super::channel::{Band, Channel};

/// How an interface is put into monitor mode and hopped with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorSettings {
    /// The channels to hop over, in this order; empty: all channels of `bands` that the hardware has and may use.
    pub channels: Vec<Channel>,
    /// The bands whose channels are used if `channels` is empty.
    pub bands: BTreeSet<Band>,
    /// How long each channel is listened to; less than 10 ms counts as 10 ms.
    pub dwell: Duration,
    /// Use the interface even if it is the machine's only way to the internet.
    pub force: bool,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            bands: BTreeSet::from(Band::ALL),
            dwell: Duration::from_millis(250),
            force: false,
        }
    }
}

//! What `/doorbell` asks for.

use std::time::Duration;

/// The signal from which on a device is near, in dBm, while no named device was seen.
pub(in crate::chat) const DEFAULT_DBM: i8 = -65;

/// For how long a stranger must be near.
pub(in crate::chat) const DEFAULT_STAY: Duration = Duration::from_secs(180);

/// What `/doorbell` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorbellRequest {
    /// The settings.
    Show,
    /// Alerts about strangers that stay near. What is not given has a default.
    On {
        /// The signal from which on a device is near, in dBm.
        min_dbm: Option<i8>,
        /// For how long a stranger must be near.
        stay: Option<Duration>,
        /// Whether it rings only during quiet hours.
        only_in_quiet_hours: bool,
    },
    /// No more of them.
    Off,
}

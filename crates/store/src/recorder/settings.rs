//! How the recorder works.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::retention::Retention;
use crate::event::Timestamp;
use crate::event_log::{Rotation, Vfs};
use crate::state::AlertPolicy;

/// Where and how to record.
#[derive(Debug, Clone)]
pub struct RecorderSettings {
    /// The folder that holds the log and the state.
    pub data_dir: PathBuf,
    /// The file system of the log.
    pub vfs: Arc<dyn Vfs>,
    /// How long a probe may wait for its fsync.
    pub fsync_interval: Duration,
    /// How often the state is saved to the state store.
    pub checkpoint_interval: Duration,
    /// When a segment of the log is sealed.
    pub rotation: Rotation,
    /// Which chats get alerts, and when.
    pub alerts: AlertPolicy,
    /// How long events and addresses are kept.
    pub retention: Retention,
    /// Bytes of memory that devices may take. Above it, those with the oldest last probe are evicted.
    pub devices_memory_limit: usize,
    /// When the program was built: a clock that says an earlier time is wrong.
    pub built: Timestamp,
}

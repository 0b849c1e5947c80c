//! The one writer: appends events to the log, folds them into the state, decides about alerts, and moves the
//! checkpoint. Everyone else reads.
//!
//! Invariants:
//! - Every event is appended to the log before its state is saved: the state store's checkpoint is never ahead of
//!   what the log has fsynced.
//! - A change that a person made is fsynced before [`RecorderHandle::change`] returns. Probes are written to the
//!   system at once and fsynced in groups.
//! - While writes fail, probes and deliveries are folded and buffered in memory, up to the log's limit; then probes
//!   are dropped and counted. Changes of people are refused. Recording recovers without a restart.
//! - The queue is bounded. A live source that finds it full drops the probe and counts it.
//!
//! Imports run in one direction, from the settings and the handle up to the loop.

mod alert_metrics;
mod check;
mod clock;
mod error;
#[cfg(test)]
mod failure_tests;
mod handle;
mod history;
mod maintenance;
mod memory_limit;
mod offline;
#[cfg(test)]
mod recorder_tests;
mod recovery;
mod retention;
mod run_loop;
mod segment_pruner;
mod settings;
mod thinning;

pub use alert_metrics::AlertMetrics;
pub use check::{CheckError, CheckReport, check_image};
pub use clock::ClockDoubt;
pub use error::RecorderError;
pub use handle::{CapturedProbe, ChangeError, DiskError, Losses, RecorderHandle};
pub use history::{History, LogSize, ProbeFilter};
pub use offline::{ImportError, OfflineDataDir, import};
pub use retention::{PendingDeletion, Retention};
pub use run_loop::Recorder;
pub use settings::RecorderSettings;

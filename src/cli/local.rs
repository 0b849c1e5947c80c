//! Commands on a data directory that no service has open.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;
use store::recorder::OfflineDataDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::runtime;
use crate::config::Config;
use crate::service::{RunningRecorder, recorder_settings};

/// What taking the data directory's lock needs.
pub(super) const LOCKING: Access = Access::WRITE_OK.union(Access::EXEC_OK);

/// Whether this user has these rights on the data directory, if it exists.
///
/// # Errors
/// [`CliError::NotADirectory`] and [`CliError::NotPermitted`]. Other problems show when the directory is opened.
pub(super) fn check_access(data_dir: &Path, rights: Access) -> Result<(), CliError> {
    if fs::metadata(data_dir).is_ok_and(|found| !found.is_dir()) {
        return Err(CliError::NotADirectory(data_dir.to_owned()));
    }
    match access(data_dir, rights) {
        Err(Errno::ACCESS | Errno::PERM) => Err(CliError::NotPermitted(data_dir.to_owned())),
        _ => Ok(()),
    }
}

/// Opens the data directory, which must hold data.
pub(super) fn open_offline(config: &Config) -> Result<OfflineDataDir, CliError> {
    check_access(&config.data_dir, LOCKING)?;
    if !["events", "snapshots"].iter().any(|folder| config.data_dir.join(folder).is_dir()) {
        return Err(CliError::NoData(config.data_dir.clone()));
    }
    Ok(OfflineDataDir::open(&config.data_dir)?)
}

/// Starts a recorder on the data directory, does the `work`, and stops the recorder.
pub(super) fn with_recorder<T>(
    config: &Config,
    work: impl FnOnce(&Runtime, &RunningRecorder) -> Result<T, CliError>,
) -> Result<T, CliError> {
    check_access(&config.data_dir, LOCKING)?;
    let runtime = runtime()?;
    let recorder = RunningRecorder::start(
        config,
        recorder_settings(config),
        runtime.handle().clone(),
        CancellationToken::new(),
    )?;
    let outcome = work(&runtime, &recorder);
    let stopped = runtime.block_on(recorder.stop());
    let outcome = outcome?;
    stopped?;
    Ok(outcome)
}

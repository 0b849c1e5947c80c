//! Commands that the service runs which has the data directory open.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use rustix::fs::Access;
use store::event::Offset;

use super::error::CliError;
use super::local::check_access;
use super::output::write_to;
use super::progress::Progress;
use super::report;
use crate::config::Config;
use crate::control::{Client, ClientError, Screen};

/// Runs `remote` with a client of the service that has the data directory open, or `local` if there is none.
///
/// The service is asked before any file is opened: it answers even while the disk hangs, but a process that waits for
/// the disk cannot even be killed.
pub(super) fn or_local(
    config: &Config,
    remote: impl FnOnce(&Client) -> Result<ExitCode, CliError>,
    local: impl FnOnce() -> Result<ExitCode, CliError>,
) -> Result<ExitCode, CliError> {
    check_access(&config.data_dir, Access::EXEC_OK)?;
    match Client::connect(&config.data_dir, config.time_zone) {
        Ok(client) => remote(&client),
        Err(ClientError::NotRunning) => local(),
        Err(error) => Err(error.into()),
    }
}

/// Writes as [`write_to`] does. If a [`ClientError`] made `write` fail, that is the error.
pub(super) fn write_answer(
    output: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    write_to(output, write).map_err(or_client_error)
}

/// The [`ClientError`] within an I/O error, if there is one.
pub(super) fn or_client_error(error: CliError) -> CliError {
    match error {
        CliError::Io { action, error } => match error.downcast() {
            Ok(error) => CliError::Client(error),
            Err(error) => CliError::Io { action, error },
        },
        CliError::Output { file, error } => match error.downcast() {
            Ok(error) => CliError::Client(error),
            Err(error) => CliError::Output { file, error },
        },
        other => other,
    }
}

/// Shows the service's warnings and progress on standard error.
#[derive(Default)]
pub(super) struct Terminal {
    progress: Option<Progress>,
}

impl Screen for Terminal {
    fn warn(&mut self, warning: &dyn Display) {
        report(warning);
    }

    fn progress(&mut self, at: Offset, end: Offset) {
        self.progress.get_or_insert_with(|| Progress::new("checking", end)).at(at);
    }
}

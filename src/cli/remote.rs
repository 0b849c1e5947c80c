//! Commands that ask the service while one has the data directory.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::output::write_to;
use super::progress::Progress;
use super::{CliError, report};
use crate::config::Config;
use crate::control::{Client, ClientError, Screen};
use crate::event::Offset;

/// Has `remote` ask the service that has the data directory; if none listens, `local` does without. The service comes
/// first: while a disk hangs it still answers, and a process that waits for a file cannot even be killed.
pub(super) fn or_local(
    config: &Config,
    remote: impl FnOnce(&Client) -> Result<ExitCode, CliError>,
    local: impl FnOnce() -> Result<ExitCode, CliError>,
) -> Result<ExitCode, CliError> {
    permit(&config.data_dir, Access::EXEC_OK)?;
    match Client::connect(&config.data_dir, config.time_zone) {
        Ok(client) => remote(&client),
        Err(ClientError::NotRunning) => local(),
        Err(error) => Err(error.into()),
    }
}

/// As `write_to`; where a [`ClientError`] kept `write` from writing, that is the error.
pub(super) fn write_answer(
    output: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    write_to(output, write).map_err(or_client_error)
}

/// The [`ClientError`] in an I/O error, where there is one.
pub(super) fn or_client_error(error: CliError) -> CliError {
    match error {
        CliError::Io { what, error } => match error.downcast() {
            Ok(error) => CliError::Client(error),
            Err(error) => CliError::Io { what, error },
        },
        CliError::Output { file, error } => match error.downcast() {
            Ok(error) => CliError::Client(error),
            Err(error) => CliError::Output { file, error },
        },
        other => other,
    }
}

/// Whether this user may use the data directory, if it is there.
pub(super) fn permit(data_dir: &Path, rights: Access) -> Result<(), CliError> {
    match access(data_dir, rights) {
        Err(Errno::ACCESS | Errno::PERM) => Err(CliError::NotPermitted(data_dir.to_owned())),
        // What else is wrong is told where it is opened.
        _ => Ok(()),
    }
}

/// Standard error: warnings, and how far a check is.
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

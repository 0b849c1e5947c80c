//! Commands while a service has the data directory: the service is asked.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::output::write_to;
use super::progress::Progress;
use super::{CliError, report};
use crate::config::Config;
use crate::control::{Answer, ClientError, Command, Request, Screen};
use crate::event::Offset;

/// Asks the service that has the data directory, and writes its answer to `output` as `write_to` does; where none
/// listens, the command runs `here`. The service comes first: while a disk hangs it still answers, and who waits for
/// a file cannot even be killed.
pub(super) fn or_here(
    config: &Config,
    command: Command,
    output: &str,
    here: impl FnOnce() -> Result<ExitCode, CliError>,
) -> Result<ExitCode, CliError> {
    permit(&config.data_dir, Access::EXEC_OK)?;
    match ask(config, command, output) {
        Err(CliError::Beside(ClientError::NobodyListens)) => here(),
        outcome => outcome,
    }
}

fn ask(config: &Config, command: Command, output: &str) -> Result<ExitCode, CliError> {
    let request = Request::new(command, config.time_zone);
    let mut terminal = Terminal { progress: None };
    let answer = Answer::ask(&config.data_dir, &request, io::stdin(), &mut terminal)?;
    let mut status = 1;
    let written = write_to(output, |out| {
        status = answer.print(out, &mut terminal)?;
        Ok(())
    });
    written.map_err(or_unanswered)?;
    Ok(ExitCode::from(status))
}

/// What the service said in the middle of its answer, where that is what kept it from being written.
fn or_unanswered(error: CliError) -> CliError {
    match error {
        CliError::Io { what, error } => match error.downcast() {
            Ok(unanswered) => CliError::Beside(unanswered),
            Err(error) => CliError::Io { what, error },
        },
        CliError::Output { file, error } => match error.downcast() {
            Ok(unanswered) => CliError::Beside(unanswered),
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

/// The terminal, where there is one.
struct Terminal {
    progress: Option<Progress>,
}

impl Screen for Terminal {
    fn tell(&mut self, what: &dyn Display) {
        report(what);
    }

    fn progress(&mut self, at: Offset, end: Offset) {
        self.progress.get_or_insert_with(|| Progress::new("checking", end)).at(at);
    }
}

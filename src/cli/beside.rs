//! Commands while a service has the data directory: the service is asked.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use super::output::write_to;
use super::progress::Progress;
use super::{CliError, Place, report};
use crate::config::Config;
use crate::control::{Answer, Command, Request, Screen, Unanswered};
use crate::event::Offset;

/// What came of a command in this process, or of the same asked of the service that has the data directory.
pub(super) fn or_beside(
    place: &Place,
    here: Result<ExitCode, CliError>,
    command: impl FnOnce() -> Command,
) -> Result<ExitCode, CliError> {
    match here {
        Err(held) if held.is_held() => ask(&place.config()?, command(), "-", held),
        outcome => outcome,
    }
}

/// Asks the service, and writes its answer to `output` as `write_to` does. `held` is the error where none answers.
pub(super) fn ask(
    config: &Config,
    command: Command,
    output: &str,
    held: CliError,
) -> Result<ExitCode, CliError> {
    let request = Request::new(command, config.time_zone);
    let mut terminal = Terminal { progress: None };
    let answer = match Answer::ask(&config.data_dir, &request, io::stdin(), None, &mut terminal) {
        Err(Unanswered::NobodyListens) => return Err(held),
        answer => answer?,
    };
    let mut status = 1;
    write_to(output, |out| {
        status = answer.print(out, &mut terminal)?;
        Ok(())
    })?;
    Ok(ExitCode::from(status))
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

//! `probewatch check`: whether the state is what the log gives, row by row. It changes neither.

use std::io::{self, Write};
use std::process::ExitCode;

use super::progress::Progress;
use super::remote::{self, Terminal};
use super::{CliError, DataDirArgs};
use crate::api::check::{CheckResult, Compared, SHOWN_LIMIT};

pub(super) fn check(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    remote::or_local(
        &place.config()?,
        |client| print(&client.check(&mut Terminal::default())?),
        || check_here(place),
    )
}

fn check_here(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    let (_, stored) = place.stored()?;
    let mut progress = Progress::new("checking", stored.log().next_offset());
    let check = stored.check(SHOWN_LIMIT, &mut |offset| progress.at(offset))?;
    drop(progress);
    print(&CheckResult::new(&check, Compared::Sled))
}

fn print(result: &CheckResult) -> Result<ExitCode, CliError> {
    write!(io::stdout(), "{}", result.report).map_err(CliError::io("could not print what was found"))?;
    Ok(if result.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

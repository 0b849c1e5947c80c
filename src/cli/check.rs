//! `probewatch check`: whether the state is what the log gives, row by row. It changes neither.

use std::io::{self, Write};
use std::process::ExitCode;

use super::progress::Progress;
use super::{CliError, DataDirArgs, remote};
use crate::control::Command;
use crate::control::check::{Compared, SHOWN_LIMIT, is_well, report};

pub(super) fn check(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    remote::or_here(&place.config()?, Command::Check, "-", || here(place))
}

fn here(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    let (_, stored) = place.stored()?;
    let mut progress = Progress::new("checking", stored.log().next_offset());
    let check = stored.check(SHOWN_LIMIT, &mut |offset| progress.at(offset))?;
    drop(progress);
    write!(io::stdout(), "{}", report(&check, Compared::Sled))
        .map_err(CliError::io("could not print what was found"))?;
    Ok(if is_well(&check) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

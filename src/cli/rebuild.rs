//! `probewatch rebuild`: the state anew from the log.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use super::progress::Progress;
use super::{CliError, DataDirArgs};

pub(super) fn rebuild(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    let (_, mut stored) = place.stored()?;
    let started = Instant::now();
    let mut progress = Progress::new("rebuilding", stored.log().next_offset());
    let state = stored.rebuild(&mut |offset| progress.at(offset))?;
    drop(progress);
    writeln!(
        io::stdout(),
        "Rebuilt the state from the log: {} events, {} devices in {:.2} s",
        state.next_offset(),
        state.totals().addresses,
        started.elapsed().as_secs_f64(),
    )
    .map_err(CliError::io("could not print what was done"))?;
    Ok(ExitCode::SUCCESS)
}

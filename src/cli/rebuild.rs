//! `probewatch rebuild`: rebuilds the state from the log.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use super::args::DataDirArgs;
use super::error::CliError;
use super::local;
use super::progress::Progress;
use crate::text::format::pluralize;

pub(super) fn rebuild(data: &DataDirArgs) -> Result<ExitCode, CliError> {
    let mut data_dir = local::open_offline(&data.config()?)?;
    let started = Instant::now();
    let mut progress = Progress::new("rebuilding", data_dir.log().next_offset());
    let state = data_dir.rebuild(&mut |offset| progress.at(offset))?;
    drop(progress);
    writeln!(
        io::stdout(),
        "Rebuilt the state from the log: {}, {} in {:.2} s",
        pluralize(state.next_offset().0, "event", "events"),
        pluralize(state.totals().addresses, "device", "devices"),
        started.elapsed().as_secs_f64(),
    )
    .map_err(CliError::io("could not print the result"))?;
    Ok(ExitCode::SUCCESS)
}

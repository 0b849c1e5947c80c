//! `probewatch check`: compares the state with the log, row by row. It changes neither.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::DataDirArgs;
use super::error::CliError;
use super::local;
use super::progress::Progress;
use super::remote::{self, Terminal};
use crate::api::check::{CheckResult, Compared, SHOWN_LIMIT};
use crate::config::Config;
use crate::control::Client;

pub(super) fn check(data: &DataDirArgs) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    let remote = |client: &Client| print(&client.check(&mut Terminal::default())?);
    remote::or_local(&config, remote, || check_locally(&config))
}

fn check_locally(config: &Config) -> Result<ExitCode, CliError> {
    let data_dir = local::open_offline(config)?;
    let mut progress = Progress::new("checking", data_dir.log().next_offset());
    let check = data_dir.check(SHOWN_LIMIT, &mut |offset| progress.at(offset))?;
    drop(progress);
    print(&CheckResult::new(&check, Compared::Sled))
}

fn print(result: &CheckResult) -> Result<ExitCode, CliError> {
    write!(io::stdout(), "{}", result.report).map_err(CliError::io("could not print the differences"))?;
    Ok(if result.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

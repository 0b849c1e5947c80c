//! `probewatch status`: how the service is doing, or what there is while none runs; with `--quiet`, whether it
//! does what it is for, as the image's health check asks.

use std::io::{self, Write};
use std::process::ExitCode;

use super::progress::Progress;
use super::{CliError, DataDirArgs, remote, stored};
use crate::api::status::write_offline;
use crate::config::Config;
use crate::control::Client;
use crate::status::Status;

pub(super) fn status(place: &DataDirArgs, json: bool) -> Result<ExitCode, CliError> {
    let config = place.config()?;
    let remote = |client: &Client| {
        io::stdout().write_all(&client.status(json)?).map_err(CliError::io("could not print the status"))?;
        Ok(ExitCode::SUCCESS)
    };
    remote::or_local(&config, remote, || status_here(&config, json))
}

/// Whether a service runs that records and captures.
pub(super) fn health(place: &DataDirArgs) -> Result<ExitCode, CliError> {
    let config = place.config()?;
    let remote =
        |client: &Client| Ok(if client.is_healthy()? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    remote::or_local(&config, remote, || Err(CliError::NoService(config.data_dir.clone())))
}

fn status_here(config: &Config, json: bool) -> Result<ExitCode, CliError> {
    let data_dir = config.data_dir.display();
    let none_runs = format!("No service runs on {data_dir}; `probewatch run` starts it.\n");
    let stored = match stored(config) {
        Err(CliError::NoData(data_dir)) => return Err(CliError::NoServiceAndNoData(data_dir)),
        stored => stored?,
    };
    let mut progress = Progress::new("reading", stored.log().next_offset());
    let state = stored.state(&mut |offset| progress.at(offset))?;
    drop(progress);
    let status = Status::of_state(&state, stored.log_size().ok());
    write_offline(&none_runs, &status, json, config.time_zone, io::stdout().lock())
        .map_err(CliError::io("could not print the status"))?;
    Ok(ExitCode::SUCCESS)
}

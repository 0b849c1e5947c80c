//! `probewatch status`: how the service is doing; without a service, what the data directory holds. With `--quiet`
//! only the exit status, for the health check of the Docker image.

use std::io::{self, Write};
use std::process::ExitCode;

use store::event::Timestamp;

use super::args::DataDirArgs;
use super::error::CliError;
use super::progress::Progress;
use super::{local, remote};
use crate::api::status::write_offline;
use crate::config::Config;
use crate::control::Client;
use crate::status::{ShownTimeZone, Status};

pub(super) fn status(data: &DataDirArgs, json: bool) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    let remote = |client: &Client| {
        io::stdout().write_all(&client.status(json)?).map_err(CliError::io("could not print the status"))?;
        Ok(ExitCode::SUCCESS)
    };
    remote::or_local(&config, remote, || status_locally(&config, json))
}

/// Whether a service runs, records and captures.
pub(super) fn health(data: &DataDirArgs) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    let remote =
        |client: &Client| Ok(if client.is_healthy()? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    remote::or_local(&config, remote, || Err(CliError::NoService(config.data_dir.clone())))
}

fn status_locally(config: &Config, json: bool) -> Result<ExitCode, CliError> {
    let no_service =
        format!("No service runs on {}; `probewatch run` starts it.\n", config.data_dir.display());
    let data_dir = local::open_offline(config).map_err(|error| match error {
        CliError::NoData(data_dir) => CliError::NoServiceAndNoData(data_dir),
        error => error,
    })?;
    let mut progress = Progress::new("reading", data_dir.log().next_offset());
    let state = data_dir.state(&mut |offset| progress.at(offset))?;
    drop(progress);
    let time_zone =
        ShownTimeZone { name: config.time_zone.to_string(), origin: config.time_zone_origin.to_string() };
    let offline = Status::offline(&state, data_dir.log_size().ok(), Timestamp::now());
    let status = Status { time_zone: Some(time_zone), ..offline };
    write_offline(&no_service, &status, json, config.time_zone, io::stdout().lock())
        .map_err(CliError::io("could not print the status"))?;
    Ok(ExitCode::SUCCESS)
}

//! `probewatch lookup`: what is known about devices.

use std::io::{self, Write};
use std::process::ExitCode;

use super::args::DataDirArgs;
use super::error::CliError;
use super::{local, remote};
use crate::api::Live;
use crate::api::lookup::{self, Answer};
use crate::config::Config;
use crate::control::Client;

pub(super) fn lookup(queries: &[String], data: &DataDirArgs, json: bool) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    let remote = |client: &Client| print_answers(queries, |query| Ok(client.look_up(query, json)?));
    remote::or_local(&config, remote, || lookup_locally(queries, &config, json))
}

fn lookup_locally(queries: &[String], config: &Config, json: bool) -> Result<ExitCode, CliError> {
    if !config.data_dir.join("events").is_dir() {
        return Err(CliError::NoData(config.data_dir.clone()));
    }
    local::with_recorder(config, |runtime, recorder| {
        let source = Live { recorder: recorder.handle().clone(), runtime: runtime.handle().clone() };
        print_answers(queries, |query| {
            lookup::answer(&source, query, json, config.time_zone).map_err(CliError::io("could not answer"))
        })
    })
}

/// Prints the answer to each query in order; succeeds if each found a device.
fn print_answers(
    queries: &[String],
    mut answer: impl FnMut(&str) -> Result<Answer, CliError>,
) -> Result<ExitCode, CliError> {
    let mut all_found = true;
    for query in queries {
        let answer = answer(query)?;
        all_found &= answer.is_found;
        write!(io::stdout(), "{}", answer.text).map_err(CliError::io("could not print the answer"))?;
    }
    Ok(if all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

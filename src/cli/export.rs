//! `probewatch export`: the whole state as a snapshot, or events or devices as NDJSON or CSV.

use std::process::ExitCode;

use chrono_tz::Tz;
use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};

use super::output::write_to;
use super::period::{Moment, period};
use super::progress::Progress;
use super::remote::{self, Terminal, write_answer};
use super::{Cli, CliError, DataDirArgs, report};
use crate::api::export::{Export, ExportError, Format, Selection, What};
use crate::api::{Offline, Outcome};
use crate::config::Config;
use crate::control::Client;
use crate::recorder::OfflineDataDir;
use crate::state::State;

#[derive(Args)]
pub(super) struct Choice {
    /// What is written
    #[arg(value_enum, default_value_t = What::State)]
    what: What,
    /// The form of events or devices [default: ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only this device, by its name, a part of it, or its address; more than once for several
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
    /// Only from this time on: a date, a local time such as "2026-11-22 18:30", or RFC 3339
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only before this time; a date stands for the end of that day
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// The file to write, compressed where its name ends in .zst, or - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,
    #[command(flatten)]
    place: DataDirArgs,
}

impl ValueEnum for What {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::State, Self::Events, Self::Devices]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::State => PossibleValue::new("state").help("The whole state, for `probewatch import`"),
            Self::Events => {
                PossibleValue::new("events").help("The events of the log; as CSV only the probe requests")
            }
            Self::Devices => PossibleValue::new("devices").help(
                "The statistics of each address; with --from or --to of those that may have been seen then",
            ),
        })
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Ndjson, Self::Csv]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Ndjson => {
                PossibleValue::new("ndjson").help("A JSON object per line; events as they stand in the log")
            }
            Self::Csv => PossibleValue::new("csv").help("A table for spreadsheets"),
        })
    }
}

impl Choice {
    fn selection(&self, zone: Tz) -> Selection {
        Selection {
            what: self.what,
            format: self.format.unwrap_or(Format::Ndjson),
            devices: self.devices.clone(),
            period: period(self.from, self.to, zone),
        }
    }
}

pub(super) fn export(choice: &Choice) -> Result<ExitCode, CliError> {
    let is_filtered = !choice.devices.is_empty() || choice.from.is_some() || choice.to.is_some();
    if choice.what == What::State && (is_filtered || choice.format.is_some()) {
        let message = "--format, --device, --from and --to are for `export events` and `export devices`; \
                       the state is written whole, in the one form that `import` reads";
        Cli::command().error(ErrorKind::ArgumentConflict, message).exit();
    }
    let config = choice.place.config()?;
    let selection = choice.selection(config.time_zone);
    let output = &choice.output;
    let remote = |client: &Client| export_remote(client, &selection, output);
    remote::or_local(&config, remote, || export_here(&config, &selection, output))
}

fn export_remote(client: &Client, selection: &Selection, output: &str) -> Result<ExitCode, CliError> {
    let download = client.export(selection, &mut Terminal::default())?;
    let mut outcome = Outcome::default();
    write_answer(output, |out| {
        outcome = download.write(out)?;
        Ok(())
    })?;
    for warning in &outcome.warnings {
        report(warning);
    }
    if outcome.more_warnings > 0 {
        report(&format_args!("… and {} more", outcome.more_warnings));
    }
    Ok(if outcome.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn export_here(config: &Config, selection: &Selection, output: &str) -> Result<ExitCode, CliError> {
    let stored = &super::stored(config)?;
    let state = if selection.needs_state() { state(stored)? } else { State::default() };
    let source = Offline { data_dir: stored, state };
    let export = Export::new(&source, selection)?;
    let mut damaged = 0;
    write_to(output, |out| {
        damaged = export.write(out, &mut |damage| report(damage)).map_err(ExportError::into_io)?;
        Ok(())
    })?;
    Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn state(stored: &OfflineDataDir) -> Result<State, CliError> {
    let mut progress = Progress::new("reading", stored.log().next_offset());
    Ok(stored.state(&mut |offset| progress.at(offset))?)
}

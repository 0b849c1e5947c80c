//! `probewatch export`: the whole state as a snapshot, or events or devices as NDJSON or CSV.

use std::process::ExitCode;

use chrono_tz::Tz;
use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use store::recorder::OfflineDataDir;
use store::state::State;

use super::args::{Cli, DataDirArgs};
use super::error::CliError;
use super::output::write_to;
use super::period::{Moment, period};
use super::progress::Progress;
use super::remote::{self, Terminal, write_answer};
use super::{local, report};
use crate::api::export::{Export, ExportError, Format, Selection, What};
use crate::api::{ExportOutcome, Offline};
use crate::config::Config;
use crate::control::Client;

#[derive(Args)]
pub(super) struct ExportArgs {
    /// What to write
    #[arg(value_enum, default_value_t = What::State)]
    what: What,
    /// The format of events or devices [default: ndjson]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only this device, by name, part of a name, or address; repeat it for several
    #[arg(long = "device", value_name = "DEVICE")]
    devices: Vec<String>,
    /// Only from this time on: a date, a local time such as "2026-11-22 18:30", or RFC 3339
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Only before this time; a date means the end of that day
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// The file to write, compressed if its name ends in .zst, or - for standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: String,
    #[command(flatten)]
    data: DataDirArgs,
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
                PossibleValue::new("ndjson").help("A JSON object per line; events as the log has them")
            }
            Self::Csv => PossibleValue::new("csv").help("A table for spreadsheets"),
        })
    }
}

impl ExportArgs {
    fn selection(&self, zone: Tz) -> Selection {
        Selection {
            what: self.what,
            format: self.format.unwrap_or(Format::Ndjson),
            devices: self.devices.clone(),
            period: period(self.from, self.to, zone),
        }
    }
}

pub(super) fn export(args: &ExportArgs) -> Result<ExitCode, CliError> {
    let is_filtered = !args.devices.is_empty() || args.from.is_some() || args.to.is_some();
    if args.what == What::State && (is_filtered || args.format.is_some()) {
        let message = "--format, --device, --from and --to need `export events` or `export devices`: the state \
                       is written whole, in the format that `import` reads";
        usage_error(ErrorKind::ArgumentConflict, message);
    }
    let config = args.data.config()?;
    let selection = args.selection(config.time_zone);
    if selection.period.is_reversed() {
        usage_error(ErrorKind::ValueValidation, "--from is later than --to");
    }
    let output = &args.output;
    let remote = |client: &Client| export_remote(client, &selection, output);
    remote::or_local(&config, remote, || export_locally(&config, &selection, output))
}

/// Ends the program as clap does for wrong arguments, with the usage of this subcommand.
fn usage_error(kind: ErrorKind, message: &str) -> ! {
    let mut program = Cli::command();
    program.build();
    let export = program.find_subcommand("export").cloned();
    export.unwrap_or(program).error(kind, message).exit()
}

fn export_remote(client: &Client, selection: &Selection, output: &str) -> Result<ExitCode, CliError> {
    let download = client.export(selection, &mut Terminal::default())?;
    let mut outcome = ExportOutcome::default();
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

fn export_locally(config: &Config, selection: &Selection, output: &str) -> Result<ExitCode, CliError> {
    let data_dir = &local::open_offline(config)?;
    let state = if selection.needs_state() { read_state(data_dir)? } else { State::default() };
    let source = Offline { data_dir, state };
    let export = Export::new(&source, selection)?;
    let mut damaged = 0;
    write_to(output, |out| {
        damaged = export.write(out, &mut |damage| report(damage)).map_err(ExportError::into_io)?;
        Ok(())
    })?;
    Ok(if damaged == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read_state(stored: &OfflineDataDir) -> Result<State, CliError> {
    let mut progress = Progress::new("reading", stored.log().next_offset());
    Ok(stored.state(&mut |offset| progress.at(offset))?)
}

//! The subcommands: what each takes, prints and returns.
//!
//! - Exit status: 0 for success, 1 for a failure or if nothing was found, 2 for wrong arguments.
//! - A command that needs the data directory asks the service that has it (`remote`); without a service it opens the
//!   directory itself (`local`).
//! - Files are created for their owner alone, whatever the shell's umask; only man pages are for everyone.

mod args;
mod chat;
mod check;
mod completions;
mod decode;
mod demo;
mod demo_data;
mod doctor;
mod error;
mod export;
mod group;
mod import;
mod local;
mod logging;
mod lookup;
mod output;
mod period;
mod progress;
mod rebuild;
mod remote;
mod replay;
mod setup;
mod status;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use capture::with_remedy;
use clap::Parser;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};
use tokio::runtime::{Builder, Runtime};
use tracing::warn;

use crate::api::check::check_image;
use crate::config::Config;
use crate::log_writer::LogWriter;
use crate::service;
use args::{Cli, Command, FcsArgs};
use error::CliError;

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let _logging = logging::start();
    if !matches!(command, Command::Man { .. }) {
        umask(Mode::RWXG | Mode::RWXO);
    }
    let outcome = match command {
        Command::Run { config, fcs } => run(config.config.as_deref(), fcs),
        Command::Decode { file, fcs } => decode::decode(&file, fcs),
        Command::Group { files, after } => group::group(&files, after),
        Command::Replay { files, data, fcs } => replay::replay(&files, &data, fcs),
        Command::Lookup { queries, data, json } => lookup::lookup(&queries, &data, json),
        Command::Chat { data } => chat::chat(&data),
        Command::Setup(args) => setup::setup(&args),
        Command::Doctor { data, json } => doctor::doctor(&data, json),
        Command::Status { data, quiet: true, .. } => status::health(&data),
        Command::Status { data, json, .. } => status::status(&data, json),
        Command::Rebuild { data } => rebuild::rebuild(&data),
        Command::Check { data } => check::check(&data),
        Command::CheckImage { data_dir } => Ok(check_image(&data_dir)),
        Command::Export(args) => export::export(&args),
        Command::Import { file, data } => import::import(&file, &data),
        Command::Completions { shell } => completions::completions(shell),
        Command::Man { folder } => completions::man(folder.as_deref()),
        Command::Demo => demo::demo(),
    };
    // What is still buffered; a full disk must not go unnoticed.
    let printed = || io::stdout().flush().map_err(CliError::io("could not print the answer"));
    match outcome.and_then(|code| printed().map(|()| code)) {
        Ok(code) => code,
        // The reader of the output, such as `head`, has seen enough.
        Err(CliError::Io { error, .. }) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            report(&with_remedy(&error, error.remedy()));
            ExitCode::FAILURE
        }
    }
}

/// Prints a message to standard error, after what was logged.
fn report(message: &dyn Display) {
    let _ = LogWriter.write_all(format!("probewatch: {message}\n").as_bytes());
}

fn runtime() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::io("could not start the runtime"))
}

/// A core dump would hold the bot's token. Other processes of this user cannot read the memory either.
fn keep_out_of_core_dumps() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(event = "core_dumps_possible", %error, "could not turn off core dumps, which would hold the bot's token");
    }
}

fn run(config: Option<&Path>, fcs: FcsArgs) -> Result<ExitCode, CliError> {
    keep_out_of_core_dumps();
    let config = Config::load(config)?;
    let runtime = runtime()?;
    let outcome = runtime.block_on(service::run(config, fcs.include_bad_fcs));
    // A thread that is blocked on standard input never ends by itself.
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}

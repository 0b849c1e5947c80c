//! `probewatch completions` and `probewatch man`, made from the same description as the help.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Cli;
use super::error::CliError;

/// Prints the completions for this shell.
pub(super) fn completions(shell: Shell) -> Result<ExitCode, CliError> {
    // Into memory first: clap_complete panics if the output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "probewatch", &mut script);
    print(&script)
}

/// Prints the man page, or writes it and those of all subcommands to a folder.
pub(super) fn man(folder: Option<&Path>) -> Result<ExitCode, CliError> {
    match folder {
        Some(folder) => {
            clap_mangen::generate_to(Cli::command(), folder)
                .map_err(|error| CliError::Output { file: folder.display().to_string(), error })?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let mut page = Vec::new();
            // `help` has no page in the folder either.
            Man::new(Cli::command().disable_help_subcommand(true))
                .render(&mut page)
                .map_err(CliError::io("could not make the man page"))?;
            print(&page)
        }
    }
}

fn print(bytes: &[u8]) -> Result<ExitCode, CliError> {
    io::stdout().write_all(bytes).map_err(CliError::io("could not print"))?;
    Ok(ExitCode::SUCCESS)
}

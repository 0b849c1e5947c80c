//! `probewatch chat`: the chat on the terminal or through a pipe.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use super::args::DataDirArgs;
use super::error::CliError;
use super::{local, remote};
use crate::chat::{Chat, console};
use crate::config::Config;
use crate::control::Client;

pub(super) fn chat(data: &DataDirArgs) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    let remote = |client: &Client| {
        converse(|message| client.chat(message).map_err(io::Error::other))
            .map_err(remote::or_client_error)?;
        Ok(ExitCode::SUCCESS)
    };
    remote::or_local(&config, remote, || chat_locally(&config))
}

fn chat_locally(config: &Config) -> Result<ExitCode, CliError> {
    local::with_recorder(config, |runtime, recorder| {
        let chat = Chat::new(recorder.handle().clone(), config.time_zone, Vec::new)
            .with_zone_origin(&config.time_zone_origin)
            .with_follow_silence(config.follow_silence)
            .with_settings(config.chat_settings.clone());
        converse(|message| Ok(runtime.block_on(console::answer(&chat, message))))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Answers the lines of standard input on standard output, to the end of the input.
pub(super) fn converse(answer: impl FnMut(&str) -> io::Result<String>) -> Result<(), CliError> {
    console::run(io::stdin().lock(), io::stdout().lock(), prompt(), answer)
        .map_err(CliError::io("the chat on the terminal ended"))
}

/// What a person sees before each line to write; `None` unless both ends are terminals.
fn prompt() -> Option<&'static str> {
    (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some("> ")
}

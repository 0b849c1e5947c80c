//! The bot's token: where it comes from, and whether Telegram knows it.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::dialogue::{Dialogue, Hidden};
use super::error::SetupError;
use crate::cli::doctor::{describe_failure, reachability_remedy};
use crate::config::{Secret, Telegram};
use crate::telegram::{QueryError, query_bot_status};

/// The variable from which a token may come, which the service knows, too.
pub(super) const VARIABLE: &str = "PROBEWATCH__TELEGRAM__TOKEN";

/// The longest file with a token, in bytes.
const SIZE_LIMIT: u64 = 4 << 10;

/// The token of a file, `-` for standard input, or of the environment, if one of them is given.
pub(super) fn given(file: Option<&Path>) -> Result<Option<Secret>, SetupError> {
    let (origin, text) = match file {
        Some(file) => {
            let origin =
                if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
            (origin.clone(), read(file).map_err(|error| SetupError::UnreadToken { origin, error })?)
        }
        None => match env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => (format!("the environment variable {VARIABLE}"), text),
            _ => return Ok(None),
        },
    };
    parse(&text, origin).map(Some)
}

/// The token that a text holds and nothing else.
pub(super) fn parse(text: &str, origin: String) -> Result<Secret, SetupError> {
    // Editors of Windows put a mark at the start.
    Secret::bot_token(text.trim_start_matches('\u{feff}')).ok_or(SetupError::NoToken { origin })
}

/// The text of a file, or of standard input for `-`.
pub(super) fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(file)?) };
    input.as_mut().take(SIZE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

/// What Telegram says of a token.
pub(super) enum Check {
    /// It is that of the bot of this name.
    Bot(String),
    /// Telegram does not know it.
    Unknown,
    /// It could not be asked, for this reason; with a remedy.
    Unchecked(String, String),
}

/// Asks the server of `settings`.
pub(super) fn check(settings: &Telegram) -> Result<Check, crate::cli::CliError> {
    let status = match crate::cli::runtime()?.block_on(query_bot_status(settings)) {
        Ok(status) => status,
        Err(error) => {
            let remedy = error.remedy().unwrap_or("check telegram.api_url").to_owned();
            return Ok(Check::Unchecked(error.to_string(), remedy));
        }
    };
    Ok(match &status.bot {
        Ok(name) => Check::Bot(name.clone()),
        Err(QueryError::Token) => Check::Unknown,
        Err(error) => {
            Check::Unchecked(describe_failure(&status.server, error), reachability_remedy(&status.server))
        }
    })
}

/// Asks for a token until one is typed that looks like one.
pub(super) fn ask(dialogue: &Dialogue) -> Result<Secret, SetupError> {
    // All of it without echo: lines behind a wrong one, as of a whole message that is pasted, may hold the token.
    let hidden = Hidden::start()?;
    loop {
        let typed = dialogue.ask_secret(
            &hidden,
            "The bot's token from @BotFather (it is not shown; paste it and press Enter)",
        )?;
        // Terminals put marks around what is pasted.
        let typed = typed.replace("\u{1b}[200~", "").replace("\u{1b}[201~", "");
        match Secret::bot_token(&typed) {
            Some(token) => return Ok(token),
            None => dialogue.say(
                "That is no token: it has digits, a colon, and some 35 letters and digits, such as\n\
                 123456789:AAF…. @BotFather sends it after /newbot, and shows it again with /mybots.",
            )?,
        }
    }
}

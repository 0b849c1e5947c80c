//! `probewatch import`: creates a data directory from an exported state.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use store::event::Timestamp;
use store::recorder;

use super::args::DataDirArgs;
use super::error::CliError;
use super::local;
use crate::service::recorder_settings;
use crate::text::format::pluralize;

/// The magic number of a zstd frame (RFC 8878, 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

pub(super) fn import(file: &str, data: &DataDirArgs) -> Result<ExitCode, CliError> {
    let config = data.config()?;
    local::check_access(&config.data_dir, local::LOCKING)?;
    let snapshot = open(file).map_err(|error| CliError::Input { file: file.to_owned(), error })?;
    let state = recorder::import(&recorder_settings(&config), snapshot, Timestamp::now())?;
    writeln!(
        io::stdout(),
        "Imported the state after {}: {}; recording continues from there",
        pluralize(state.next_offset().0, "event", "events"),
        pluralize(state.totals().addresses, "device", "devices"),
    )
    .map_err(CliError::io("could not print the result"))?;
    Ok(ExitCode::SUCCESS)
}

/// The file's text, decompressed if needed.
fn open(file: &str) -> io::Result<Box<dyn BufRead>> {
    let mut bytes: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin().lock()),
        _ => Box::new(File::open(file)?),
    };
    let mut start = Vec::new();
    bytes.by_ref().take(ZSTD.len() as u64).read_to_end(&mut start)?;
    let is_compressed = start == ZSTD;
    let all = BufReader::with_capacity(1 << 16, io::Cursor::new(start).chain(bytes));
    match is_compressed {
        true => Ok(Box::new(BufReader::with_capacity(1 << 16, zstd::Decoder::with_buffer(all)?))),
        false => Ok(Box::new(all)),
    }
}

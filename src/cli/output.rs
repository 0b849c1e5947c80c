//! Where an export goes: to standard output, or to a file that appears only when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::error::CliError;

/// Calls `write` with the output: `-` is standard output, a name that ends in `.zst` a compressed file.
///
/// A file gets its name, and replaces an older one, only when it is complete; only its owner may read it.
pub(super) fn write_to(
    output: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    if output == "-" {
        let mut standard = BufWriter::with_capacity(1 << 16, io::stdout().lock());
        let written = write(&mut standard).and_then(|()| standard.flush());
        return written.map_err(CliError::io("could not print the answer"));
    }
    write_file(Path::new(output), write).map_err(|error| CliError::Output { file: output.to_owned(), error })
}

fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let is_compressed = path.extension().is_some_and(|extension| extension == "zst");
    // Devices and pipes are written to, not replaced.
    if fs::symlink_metadata(path).is_ok_and(|known| !known.is_file()) {
        write_contents(&File::create(path)?, is_compressed, write)?;
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(without_temporary_name)?;
    write_contents(file.as_file(), is_compressed, write)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The error without the name of the temporary file, which tempfile appends and the reader does not know.
fn without_temporary_name(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((cause, _)) => io::Error::new(error.kind(), cause.to_owned()),
        None => error,
    }
}

fn write_contents(
    file: &File,
    is_compressed: bool,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    if is_compressed {
        let mut encoder = zstd::Encoder::new(&mut file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
        encoder.include_checksum(true)?;
        write(&mut encoder)?;
        encoder.finish()?;
    } else {
        write(&mut file)?;
    }
    file.flush()
}

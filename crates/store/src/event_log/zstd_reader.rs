//! Reads the text of a sealed segment.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zstd::zstd_safe::DParameter;

use super::error::LogError;
use super::log_dir::LogDir;
use super::vfs::{OpenMode, VfsFile};

type Decoder = zstd::Decoder<'static, BufReader<Box<dyn VfsFile>>>;

/// Decompresses a segment. After a failure it first returns everything that can still be read, and then the error: a
/// wrong checksum withholds only the last part of the text, which is read again without the checksum.
pub(super) struct ZstdReader {
    dir: LogDir,
    path: PathBuf,
    decoder: Decoder,
    bytes_read: u64,
    failure: Option<io::Error>,
}

impl ZstdReader {
    pub(super) fn open(dir: &LogDir, path: &Path) -> Result<Self, LogError> {
        let file = dir.open(path, OpenMode::Read)?;
        let decoder = zstd::Decoder::new(file).map_err(LogError::new("decompress", path))?;
        Ok(Self { dir: dir.clone(), path: path.to_owned(), decoder, bytes_read: 0, failure: None })
    }

    /// Reopens the file at the same position, without checking the checksum.
    fn reopen_without_checksum(&mut self) -> io::Result<()> {
        let file = self.dir.open(&self.path, OpenMode::Read).map_err(LogError::into_io)?;
        self.decoder = zstd::Decoder::new(file)?;
        self.decoder.set_parameter(DParameter::ForceIgnoreChecksum(true))?;
        let skipped = io::copy(&mut (&mut self.decoder).take(self.bytes_read), &mut io::sink())?;
        if skipped == self.bytes_read { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Read for ZstdReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut outcome = self.decoder.read(buffer);
        if let Err(error) = outcome {
            if self.failure.is_none() {
                outcome = self.reopen_without_checksum().and_then(|()| self.decoder.read(buffer));
            } else {
                outcome = Ok(0);
            }
            self.failure.get_or_insert(error);
        }
        match (outcome.unwrap_or(0), &mut self.failure) {
            // Nothing follows; further reads fail again.
            (0, Some(failure)) if !buffer.is_empty() => {
                let again = io::Error::from(failure.kind());
                Err(std::mem::replace(failure, again))
            }
            (read, _) => {
                self.bytes_read += read as u64;
                Ok(read)
            }
        }
    }
}

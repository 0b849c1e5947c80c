//! The text of a sealed segment.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zstd::zstd_safe::DParameter;

use super::LogError;
use super::log_dir::LogDir;
use super::vfs::{OpenMode, VfsFile};

type Decoder = zstd::Decoder<'static, BufReader<Box<dyn VfsFile>>>;

/// Decompresses. Where that fails, all that can be had in spite of it comes first and the failure behind
/// it: that the checksum is wrong stops nothing but the last of the text, which is read once more without.
pub(super) struct ZstdReader {
    folder: LogDir,
    path: PathBuf,
    decoder: Decoder,
    given: u64,
    failure: Option<io::Error>,
}

impl ZstdReader {
    pub(super) fn open(folder: &LogDir, path: &Path) -> Result<Self, LogError> {
        let file = folder.open(path, OpenMode::Read)?;
        let decoder = zstd::Decoder::new(file).map_err(LogError::new("decompress", path))?;
        Ok(Self { folder: folder.clone(), path: path.to_owned(), decoder, given: 0, failure: None })
    }

    /// Has the decoder stand where it stood, and look at no checksum.
    fn go_on_without_checksum(&mut self) -> io::Result<()> {
        let file = self.folder.open(&self.path, OpenMode::Read).map_err(|error| error.source)?;
        self.decoder = zstd::Decoder::new(file)?;
        self.decoder.set_parameter(DParameter::ForceIgnoreChecksum(true))?;
        let given = io::copy(&mut (&mut self.decoder).take(self.given), &mut io::sink())?;
        if given == self.given { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Read for ZstdReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut outcome = self.decoder.read(buffer);
        if let Err(error) = outcome {
            if self.failure.is_none() {
                outcome = self.go_on_without_checksum().and_then(|()| self.decoder.read(buffer));
            } else {
                outcome = Ok(0);
            }
            self.failure.get_or_insert(error);
        }
        match (outcome.unwrap_or(0), &mut self.failure) {
            // Nothing follows; whoever reads on is told again.
            (0, Some(failure)) if !buffer.is_empty() => {
                let told = io::Error::from(failure.kind());
                Err(std::mem::replace(failure, told))
            }
            (read, _) => {
                self.given += read as u64;
                Ok(read)
            }
        }
    }
}

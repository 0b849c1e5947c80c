//! Reads compressed capture files as they are decompressed: gzip (RFC 1952) and zstd (RFC 8878).
//!
//! - Compressed parts may follow each other, of either format, as appending to a file makes them. A part that is not
//!   compressed may come last. NUL bytes between parts are padding.
//! - It streams: a pipe is decompressed as its bytes arrive, and memory is bounded whatever a file unpacks to: by the
//!   window of the format, 32 KiB for gzip and at most 128 MiB for zstd.
//! - A zstd frame with a longer window is refused as [`WindowTooLarge`].
//! - A part that is cut is [`io::ErrorKind::UnexpectedEof`], one that is corrupt [`io::ErrorKind::InvalidData`]. What
//!   comes before the damage is read first.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::peek_reader::PeekReader;

/// A compression that is read directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression that these first bytes of a part announce.
    pub fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A frame, or a skippable frame before one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Decompresses what a reader returns.
pub(crate) struct Decompressor(Part);

/// The part that is being read.
enum Part {
    /// None: at the start of one, or at the end.
    Between(PeekReader),
    Gzip(Box<GzDecoder<PeekReader>>),
    Zstd(ZstdDecoder<'static, PeekReader>),
    Uncompressed(PeekReader),
    /// Nothing can be read after an error.
    Failed,
}

impl Decompressor {
    pub fn new(reader: PeekReader) -> Self {
        Self(Part::Between(reader))
    }

    /// Begins the part at which `reader` is.
    fn begin(mut reader: PeekReader) -> io::Result<Part> {
        while reader.peek(1)? == [0] {
            reader.consume(1);
        }
        let magic = reader.peek(4)?;
        let (compression, is_end) = (Compression::of(magic), magic.is_empty());
        Ok(match compression {
            Some(Compression::Gzip) => Part::Gzip(Box::new(GzDecoder::new(reader))),
            Some(Compression::Zstd) => Part::Zstd(ZstdDecoder::with_buffer(reader)?.single_frame()),
            None if is_end => Part::Between(reader),
            None => Part::Uncompressed(reader),
        })
    }
}

impl Read for Decompressor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let (outcome, compression) = match &mut self.0 {
                Part::Between(_) => {
                    let Part::Between(reader) = std::mem::replace(&mut self.0, Part::Failed) else {
                        return Ok(0);
                    };
                    self.0 = Self::begin(reader)?;
                    if matches!(self.0, Part::Between(_)) {
                        return Ok(0);
                    }
                    continue;
                }
                Part::Gzip(decoder) => (decoder.read(buffer), Compression::Gzip),
                Part::Zstd(decoder) => (decoder.read(buffer), Compression::Zstd),
                Part::Uncompressed(reader) => return reader.read(buffer),
                Part::Failed => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            match outcome {
                Ok(0) => {
                    self.0 = match std::mem::replace(&mut self.0, Part::Failed) {
                        Part::Gzip(decoder) => Part::Between(decoder.into_inner()),
                        Part::Zstd(decoder) => Part::Between(decoder.finish()),
                        other => other,
                    };
                }
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.0 = Part::Failed;
                    return Err(of_part(error, compression));
                }
            }
        }
    }
}

/// A zstd frame needs a longer window than is read.
#[derive(Debug, thiserror::Error)]
#[error("its zstd data needs a window of more than 128 MiB")]
pub(crate) struct WindowTooLarge;

/// An error of the input itself as it is; one of what it holds as [`io::ErrorKind::InvalidData`], with the format.
fn of_part(error: io::Error, compression: Compression) -> io::Error {
    if error.raw_os_error().is_some() || error.kind() == io::ErrorKind::UnexpectedEof {
        return error;
    }
    // The decoder tells its errors apart by their text only.
    if compression == Compression::Zstd && error.to_string().contains("too much memory") {
        return io::Error::new(io::ErrorKind::InvalidData, WindowTooLarge);
    }
    let why = format!("its {} data is corrupt ({error})", compression.name());
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decompressor")
    }
}

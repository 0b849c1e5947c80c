//! Opens a capture file in the format that its first bytes announce.

use std::io;

use dot11::LinkType;

use crate::error::{CaptureError, ReadError};
use crate::pcap_file::PcapFile;
use crate::pcapng::Pcapng;
use crate::peek_reader::PeekReader;
use crate::record::ReadOutcome;
use crate::stop_handle::{StopHandle, Wake};

/// An open capture file, read up to its first frame.
#[derive(Debug)]
pub(crate) struct CaptureFile {
    name: String,
    frames: u64,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Pcap(PcapFile),
    Pcapng(Pcapng),
}

impl CaptureFile {
    /// Opens the file with `open` and reads up to the first frame; `stop` ends the wait for that.
    pub fn open(
        name: String,
        open: impl FnOnce() -> io::Result<(PeekReader, Wake)>,
        stop: &StopHandle,
    ) -> Result<Self, CaptureError> {
        match open() {
            Ok((reader, wake)) => {
                stop.wake_with(wake);
                Self::new(name, reader)
            }
            Err(error) => Err(ReadError::Io(error).in_file(name, 0)),
        }
    }

    /// Reads up to the first frame.
    pub fn new(name: String, reader: PeekReader) -> Result<Self, CaptureError> {
        match Format::open(reader) {
            Ok(format) => Ok(Self { name, frames: 0, format }),
            Err(error) => Err(error.in_file(name, 0)),
        }
    }

    pub fn link_type(&self) -> LinkType {
        match &self.format {
            Format::Pcap(pcap) => pcap.link_type(),
            Format::Pcapng(pcapng) => pcapng.link_type(),
        }
    }

    /// The next frame, or the end.
    pub fn next(&mut self) -> Result<ReadOutcome<'_>, CaptureError> {
        let record = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(),
            Format::Pcapng(pcapng) => pcapng.next(),
        };
        match record {
            Ok(Some(record)) => {
                self.frames += 1;
                Ok(ReadOutcome::Record(record))
            }
            Ok(None) => Ok(ReadOutcome::End),
            Err(error) => Err(error.in_file(self.name.clone(), self.frames)),
        }
    }
}

impl Format {
    fn open(mut reader: PeekReader) -> Result<Self, ReadError> {
        let not_a_capture = |reason: &str| Err(ReadError::NotACapture(reason.to_owned()));
        match reader.peek(4)? {
            [0x0a, 0x0d, 0x0d, 0x0a] => Pcapng::open(reader).map(Self::Pcapng),
            [0x1f, 0x8b, ..] => not_a_capture("it is compressed with gzip, unpack it first"),
            [0x28, 0xb5, 0x2f, 0xfd] => not_a_capture("it is compressed with zstd, unpack it first"),
            [] => not_a_capture("it is empty"),
            magic => match PcapFile::format(magic) {
                Some(format) => PcapFile::open(reader, format).map(Self::Pcap),
                None => not_a_capture("it is no capture file"),
            },
        }
    }
}

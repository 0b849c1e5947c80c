//! Opens a capture file in the format that its first bytes announce, compressed or not.
//!
//! Where a record could begin, another file may begin instead: a pcap file of another byte order, resolution or link
//! type, or a pcapng file. Nothing else there looks like the header of one: its first record would claim no bytes, or
//! too many.

use std::io::{self, BufRead};

use dot11::LinkType;

use crate::decompress::{Compression, Decompressor};
use crate::error::{CaptureError, ReadError};
use crate::other_format::OtherFormat;
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
        let record = match self.format.skip_to_record() {
            Ok(()) => match &mut self.format {
                Format::Pcap(pcap) => pcap.next(),
                Format::Pcapng(pcapng) => pcapng.next(),
            },
            Err(error) => Err(error),
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
    /// Opens the file that begins at `reader`, which has to have frames of 802.11.
    fn open(mut reader: PeekReader) -> Result<Self, ReadError> {
        if Compression::of(reader.peek(4)?).is_some() {
            reader = reader.decoded(Decompressor::new);
            if Compression::of(reader.peek(4)?).is_some() {
                return Err(ReadError::Other(OtherFormat::COMPRESSED_TWICE));
            }
        }
        let magic = reader.peek(4)?;
        if let Some(format) = PcapFile::format(magic) {
            return PcapFile::open(reader, format).map(Self::Pcap);
        }
        if Pcapng::starts_with(magic) {
            return Pcapng::open(reader).map(Self::Pcapng);
        }
        Err(what_it_is(reader)?)
    }

    /// Skips to the next record. A file in the middle of the input, as appending to a file makes it, goes on with the
    /// format and the link type of its own header; frames of a link type without 802.11 are skipped there.
    fn skip_to_record(&mut self) -> Result<(), ReadError> {
        loop {
            let (has_record, reader) = match self {
                Self::Pcap(pcap) => (pcap.is_at_record()?, pcap.reader()),
                Self::Pcapng(pcapng) => (pcapng.is_at_record()?, pcapng.reader()),
            };
            if has_record {
                return Ok(());
            }
            let start = reader.peek(4)?;
            let pcap = PcapFile::format(start);
            if pcap.is_none() && !Pcapng::starts_with(start) {
                return Ok(());
            }
            let reader = std::mem::replace(reader, PeekReader::new(Box::new(io::empty())));
            *self = match pcap {
                Some(format) => Self::Pcap(PcapFile::open_further(reader, format)?),
                None => Self::Pcapng(Pcapng::open_further(reader)),
            };
        }
    }
}

/// What an input is that is no capture file, by what was read of it: a pipe may bring no more for long.
fn what_it_is(mut reader: PeekReader) -> Result<ReadError, ReadError> {
    let start = reader.fill_buf()?;
    Ok(match OtherFormat::of(start) {
        Some(format) => ReadError::Other(format),
        None if start.is_empty() => ReadError::NotACapture("it is empty".to_owned()),
        None => ReadError::NotACapture("it is no capture file".to_owned()),
    })
}

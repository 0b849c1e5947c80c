//! Capture files, by the format that their first bytes tell.

use std::io;

use super::interruptible_reader::Window;
use super::pcap_file::PcapFile;
use super::pcapng::Pcapng;
use super::{CaptureError, ReadOutcome, Record, StopHandle, Wake};
use dot11::LinkType;

/// An open capture file, read up to its first frame.
#[derive(Debug)]
pub(super) struct CaptureFile {
    name: String,
    frames: u64,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Pcap(PcapFile),
    Pcapng(Pcapng),
}

/// What goes wrong in a file, before its name is known.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    NotACapture(String),
    NotWifi(String),
    Cut,
    Damaged(String),
}

impl CaptureFile {
    /// Opens what `input` gives and reads up to the first frame, a wait that `stop` ends.
    pub fn open(
        name: String,
        input: impl FnOnce() -> io::Result<(Window, Wake)>,
        stop: &StopHandle,
    ) -> Result<Self, CaptureError> {
        match input() {
            Ok((window, wake)) => {
                stop.wake_with(wake);
                Self::new(name, window)
            }
            Err(error) => Err(ReadError::Io(error).named(name, 0)),
        }
    }

    /// Reads up to the first frame.
    pub fn new(name: String, window: Window) -> Result<Self, CaptureError> {
        match Format::open(window) {
            Ok(format) => Ok(Self { name, frames: 0, format }),
            Err(error) => Err(error.named(name, 0)),
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
            Err(error) => Err(error.named(self.name.clone(), self.frames)),
        }
    }
}

impl Format {
    fn open(mut window: Window) -> Result<Self, ReadError> {
        let not_a_capture = |reason: &str| Err(ReadError::NotACapture(reason.to_owned()));
        match window.peek(4)? {
            [0x0a, 0x0d, 0x0d, 0x0a] => Pcapng::open(window).map(Self::Pcapng),
            [0x1f, 0x8b, ..] => not_a_capture("it is compressed with gzip, unpack it first"),
            [0x28, 0xb5, 0x2f, 0xfd] => not_a_capture("it is compressed with zstd, unpack it first"),
            [] => not_a_capture("it is empty"),
            magic => match PcapFile::format(magic) {
                Some(format) => PcapFile::open(window, format).map(Self::Pcap),
                None => not_a_capture("it is no capture file"),
            },
        }
    }
}

impl ReadError {
    fn named(self, file: String, frames: u64) -> CaptureError {
        match self {
            Self::Io(error) => CaptureError::Read { file, error },
            Self::NotACapture(reason) => CaptureError::NotACapture { file, reason },
            Self::NotWifi(link_types) => CaptureError::NotWifi { file, link_types },
            Self::Cut => CaptureError::Cut { file, frames },
            Self::Damaged(reason) => CaptureError::Damaged { file, frames, reason },
        }
    }
}

/// A link type as people know it, such as `EN10MB (1)`.
pub(super) fn link_type_name(dlt: i32) -> String {
    match pcap::Linktype(dlt).get_name() {
        Ok(name) => format!("{name} ({dlt})"),
        Err(_) => format!("link type {dlt}"),
    }
}

/// The most that libpcap captures of a frame; more is not a frame.
pub(super) const MAX_FRAME: u32 = 262_144;

/// What a record has to say once its bytes are there.
pub(super) type Read<'a> = Result<Option<Record<'a>>, ReadError>;

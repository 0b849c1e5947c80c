//! Writes frames to a pcap file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use dot11::LinkType;

use crate::error::CaptureError;

/// Writes a pcap file: little-endian, timestamps in microseconds.
#[derive(Debug)]
pub struct PcapWriter {
    name: String,
    file: BufWriter<File>,
}

impl PcapWriter {
    /// Creates a file for frames that start with the header of this link type, or truncates one that exists.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn create(path: impl AsRef<Path>, link_type: LinkType) -> Result<Self, CaptureError> {
        let name = path.as_ref().display().to_string();
        let header: Vec<u8> = [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65_535, link_type.dlt().cast_unsigned()]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        let created = File::create(path).and_then(|file| {
            let mut file = BufWriter::new(file);
            file.write_all(&header)?;
            Ok(file)
        });
        match created {
            Ok(file) => Ok(Self { name, file }),
            Err(error) => Err(CaptureError::Write { file: name, error }),
        }
    }

    /// Appends a complete frame with its radio header, captured at `time_us` microseconds since the Unix epoch. The
    /// format holds the years 1970 to 2106; a time outside becomes the nearest one inside.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&mut self, time_us: i64, frame: &[u8]) -> Result<(), CaptureError> {
        let time_us = time_us.clamp(0, i64::from(u32::MAX) * 1_000_000 + 999_999).cast_unsigned();
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let seconds = u32::try_from(time_us / 1_000_000).unwrap_or(u32::MAX);
        let header = [seconds, (time_us % 1_000_000) as u32, length, length];
        let result = header
            .into_iter()
            .try_for_each(|word| self.file.write_all(&word.to_le_bytes()))
            .and_then(|()| self.file.write_all(frame));
        self.name_file(result)
    }

    /// Passes everything written so far to the operating system.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        let result = self.file.flush();
        self.name_file(result)
    }

    /// Flushes and closes the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<(), CaptureError> {
        self.flush()
    }

    fn name_file(&self, result: io::Result<()>) -> Result<(), CaptureError> {
        result.map_err(|error| CaptureError::Write { file: self.name.clone(), error })
    }
}

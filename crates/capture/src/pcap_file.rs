//! pcap files (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of seconds, a fraction,
//! captured length, original length, and the frame. Read in both byte orders, with fractions in
//! microseconds and nanoseconds, and with the eight bytes more per record of the "modified" format
//! that some Linux distributions wrote around 1998.

use super::Record;
use super::byte_order::ByteOrder;
use super::file::{MAX_FRAME, Read, ReadError, link_type_name};
use super::interruptible_reader::Window;
use dot11::LinkType;

/// What a file's magic number says.
#[derive(Debug, Clone, Copy)]
pub(super) struct PcapFormat {
    order: ByteOrder,
    /// How many units of a record's fraction make a microsecond.
    per_us: u32,
    record_header: usize,
}

/// A pcap file past its header.
#[derive(Debug)]
pub(super) struct PcapFile {
    window: Window,
    format: PcapFormat,
    link: LinkType,
}

impl PcapFile {
    /// The format that a file's first four bytes tell.
    pub fn format(magic: &[u8]) -> Option<PcapFormat> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
            let (per_us, record_header) = match order.u32(magic, 0)? {
                0xa1b2_c3d4 => (1, 16),
                0xa1b2_3c4d => (1000, 16),
                0xa1b2_cd34 => (1, 24),
                _ => return None,
            };
            Some(PcapFormat { order, per_us, record_header })
        })
    }

    pub fn open(mut window: Window, format: PcapFormat) -> Result<Self, ReadError> {
        let header = window.take(24)?;
        // The upper bits may hold the length of an FCS, which radiotap says better.
        let number = format.order.u32(header, 20).ok_or(ReadError::Cut)? & 0x03ff_ffff;
        let dlt = i32::try_from(number).unwrap_or(-1);
        let link = LinkType::from_dlt(dlt).ok_or_else(|| ReadError::NotWifi(link_type_name(dlt)))?;
        Ok(Self { window, format, link })
    }

    pub fn link_type(&self) -> LinkType {
        self.link
    }

    pub fn next(&mut self) -> Read<'_> {
        let PcapFormat { order, per_us, record_header } = self.format;
        let header = self.window.peek(16)?;
        if header.is_empty() {
            return Ok(None);
        }
        let [seconds, fraction, captured, original] =
            [0, 4, 8, 12].map(|at| order.u32(header, at).ok_or(ReadError::Cut));
        let (seconds, fraction, captured, original) = (seconds?, fraction?, captured?, original?);
        if captured > MAX_FRAME {
            return Err(ReadError::Damaged(format!("a record claims {captured} bytes")));
        }
        let record = self.window.take(record_header + captured as usize)?;
        Ok(Some(Record {
            link: Some(self.link),
            time_us: i64::from(seconds) * 1_000_000 + i64::from(fraction / per_us),
            original_length: original as usize,
            stored_bytes: record.len() as u64,
            bytes: record.get(record_header..).unwrap_or_default(),
        }))
    }
}

//! Reads pcap files (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of seconds, a fraction, captured
//! length, original length, and the frame.
//!
//! Both byte orders are read, fractions in microseconds and nanoseconds, and the "modified" format that some Linux
//! distributions wrote around 1998, whose record headers are eight bytes longer.

use dot11::LinkType;

use crate::byte_order::ByteOrder;
use crate::error::{ReadError, link_type_name};
use crate::further_file::{self, START_BYTES};
use crate::pcapng::Pcapng;
use crate::peek_reader::PeekReader;
use crate::record::{MAX_FRAME_BYTES, NextRecord, Record};

/// The variant of the format, as given by the file's magic number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PcapFormat {
    order: ByteOrder,
    /// How many units of a record's fraction make a microsecond.
    units_per_us: u32,
    record_header_bytes: usize,
}

/// A pcap file past its header.
#[derive(Debug)]
pub(crate) struct PcapFile {
    reader: PeekReader,
    format: PcapFormat,
    /// The number of the link type.
    dlt: i32,
    /// `None` if it does not carry 802.11.
    link_type: Option<LinkType>,
    has_fcs: bool,
}

const HEADER_BYTES: usize = 24;

/// The magic number of each variant, how many units of a record's fraction make a microsecond in it, and the length of a
/// record's header in bytes.
const VARIANTS: [(u32, u32, usize); 3] =
    [(0xa1b2_c3d4, 1, 16), (0xa1b2_3c4d, 1000, 16), (0xa1b2_cd34, 1, 24)];

/// The bytes of a record's header that all formats have, which tell it from the header of a file.
const START_OF_RECORD: usize = 16;

impl PcapFormat {
    /// Whether a record can start like this.
    fn is_plausible(self, start: &[u8]) -> bool {
        let [fraction, captured, original] = [4, 8, 12].map(|at| self.order.u32(start, at));
        let (Some(fraction), Some(captured), Some(original)) = (fraction, captured, original) else {
            return false;
        };
        fraction / self.units_per_us < 1_000_000
            && (1..=MAX_FRAME_BYTES).contains(&captured)
            && (captured..=MAX_FRAME_BYTES).contains(&original)
    }

    /// How many of the next bytes [`PcapFormat::goes_on`] needs, as far as these tell: also those of the record that
    /// follows the next `length` bytes, and the start of what comes then.
    fn bytes_to_go_on(self, bytes: &[u8], length: usize) -> usize {
        let next = bytes.get(length..).filter(|next| self.is_plausible(next));
        let captured = next.and_then(|next| self.order.u32(next, 8));
        let record = captured.map_or(0, |captured| self.record_header_bytes + captured as usize);
        length + record + START_OF_RECORD
    }

    /// Whether the end, another file or a record follows the first `length` of these bytes; what follows that record
    /// counts too, if it is whole: the start of a file can pass for one record.
    fn goes_on(self, bytes: &[u8], length: usize) -> bool {
        let Some(next) = bytes.get(length..) else { return false };
        if next.is_empty() || is_file(next) {
            return true;
        }
        if !self.is_plausible(next) {
            return false;
        }
        let end = self.bytes_to_go_on(bytes, length) - START_OF_RECORD;
        bytes
            .get(end..)
            .is_none_or(|after| is_file(after) || after.len() < START_OF_RECORD || self.is_plausible(after))
    }
}

/// Whether these 16 bytes start a file, and no record: a record with this magic number for a time would claim that its
/// frame had no bytes.
fn is_header(start: &[u8]) -> bool {
    let Some(PcapFormat { order, .. }) = PcapFile::format(start) else { return false };
    let version = (order.u16(start, 4), order.u16(start, 6));
    version == (Some(2), Some(4)) && start.get(8..16) == Some(&[0; 8])
}

/// Whether a file of either format starts like this, and no record.
fn is_file(start: &[u8]) -> bool {
    is_header(start) || Pcapng::is_section(start)
}

/// Bits of the header's last word: the link type, and whether the four upper bits are the length of the frames' FCS in
/// units of two bytes.
const LINK_TYPE: u32 = 0x03ff_ffff;
const FCS_LENGTH_PRESENT: u32 = 0x0400_0000;

/// The length of the FCS of 802.11.
const FCS_BYTES: u32 = 4;

impl PcapFile {
    /// The format that the file's first four bytes announce.
    pub fn format(magic: &[u8]) -> Option<PcapFormat> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
            let number = order.u32(magic, 0)?;
            let (_, units_per_us, record_header_bytes) =
                VARIANTS.into_iter().find(|&(magic, ..)| magic == number)?;
            Some(PcapFormat { order, units_per_us, record_header_bytes })
        })
    }

    /// The first four bytes of files of all formats.
    pub fn magic_numbers() -> impl Iterator<Item = [u8; 4]> {
        VARIANTS.into_iter().flat_map(|(magic, ..)| [magic.to_le_bytes(), magic.to_be_bytes()])
    }

    /// Opens a file of 802.11 frames.
    pub fn open(reader: PeekReader, format: PcapFormat) -> Result<Self, ReadError> {
        let file = Self::open_further(reader, format)?;
        match file.link_type {
            Some(_) => Ok(file),
            None => Err(ReadError::NotWifi(link_type_name(file.dlt))),
        }
    }

    /// Opens a file that follows another, of any link type.
    pub fn open_further(mut reader: PeekReader, format: PcapFormat) -> Result<Self, ReadError> {
        let header = reader.take(HEADER_BYTES)?;
        let word = format.order.u32(header, 20).ok_or(ReadError::Truncated)?;
        let has_fcs = word & FCS_LENGTH_PRESENT != 0 && (word >> 28) * 2 == FCS_BYTES;
        let dlt = i32::try_from(word & LINK_TYPE).unwrap_or(-1);
        Ok(Self { reader, format, dlt, link_type: LinkType::from_dlt(dlt), has_fcs })
    }

    /// The link type. A file that follows another may have none of 802.11; it has then that of bare frames.
    pub fn link_type(&self) -> LinkType {
        self.link_type.unwrap_or(LinkType::Ieee80211)
    }

    pub fn reader(&mut self) -> &mut PeekReader {
        &mut self.reader
    }

    /// Whether a file begins like this with a header and a first record that can be true, or no record.
    pub fn begins_plausibly(start: &[u8]) -> bool {
        let Some(format) = Self::format(start).filter(|_| is_header(start)) else { return false };
        let (snaplen, word) = (format.order.u32(start, 16), format.order.u32(start, 20));
        snaplen.is_some_and(|snaplen| snaplen <= i32::MAX as u32)
            && word.is_some_and(|word| word & LINK_TYPE <= 0xffff)
            && start
                .get(HEADER_BYTES..)
                .is_some_and(|record| record.is_empty() || format.is_plausible(record))
    }

    /// Whether a record follows, and not the end or another file. Skips a torn record in which another file begins.
    pub fn is_at_record(&mut self) -> Result<bool, ReadError> {
        let start = self.reader.peek(START_OF_RECORD)?;
        if start.is_empty() || is_file(start) {
            return Ok(false);
        }
        let Some(at) = self.file_in_torn_record()? else { return Ok(true) };
        further_file::report(at);
        self.reader.take(at)?;
        Ok(false)
    }

    /// Where in the next record another file begins, if nothing that can be true follows the record.
    fn file_in_torn_record(&mut self) -> Result<Option<usize>, ReadError> {
        let format = self.format;
        let captured = format.order.u32(self.reader.peek(START_OF_RECORD)?, 8).unwrap_or(0);
        let is_possible = captured <= MAX_FRAME_BYTES;
        let length = format.record_header_bytes + if is_possible { captured as usize } else { 0 };
        // Nearly always what is read already tells that the file goes on. That is quicker than a search through the
        // record.
        let needed = format.bytes_to_go_on(self.reader.peek_buffered(length + START_OF_RECORD), length);
        let seen = self.reader.peek_buffered(needed);
        if is_possible && seen.len() == needed && format.goes_on(seen, length) {
            return Ok(None);
        }
        // A stream's frame is held back for what follows it only if it holds a magic number or two bytes of one at its
        // end. One in fifty ends in the first byte of one.
        let at_least = if self.reader.is_file() { 1 } else { 2 };
        if !further_file::may_begin_in(self.reader.peek(length)?, at_least) {
            return Ok(None);
        }
        if is_possible {
            let needed = format.bytes_to_go_on(self.reader.peek(length + START_OF_RECORD)?, length);
            if format.goes_on(self.reader.peek(needed)?, length) {
                return Ok(None);
            }
        }
        let bytes = self.reader.peek(length + START_BYTES)?;
        Ok(further_file::find(bytes, length))
    }

    pub fn next(&mut self) -> NextRecord<'_> {
        let PcapFormat { order, units_per_us, record_header_bytes } = self.format;
        let header = self.reader.peek(16)?;
        if header.is_empty() {
            return Ok(None);
        }
        let [seconds, fraction, captured, original] =
            [0, 4, 8, 12].map(|at| order.u32(header, at).ok_or(ReadError::Truncated));
        let (seconds, fraction, captured, original) = (seconds?, fraction?, captured?, original?);
        if captured > MAX_FRAME_BYTES {
            return Err(ReadError::Damaged(format!("a record claims {captured} bytes")));
        }
        let record = self.reader.take(record_header_bytes + captured as usize)?;
        Ok(Some(Record {
            link_type: self.link_type,
            time_us: i64::from(seconds) * 1_000_000 + i64::from(fraction / units_per_us),
            original_length: original as usize,
            has_fcs: self.has_fcs,
            stored_bytes: record.len() as u64,
            bytes: record.get(record_header_bytes..).unwrap_or_default(),
        }))
    }
}

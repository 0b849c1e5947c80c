//! Reads pcapng files (draft-ietf-opsawg-pcapng): blocks of a type, a length, a body, and the length again.
//!
//! Sections in both byte orders are read, interfaces of any mixture of link types, snaplens and timestamp formats,
//! and the three kinds of packet blocks; other blocks are skipped.
//!
//! - A frame of an interface that does not deliver 802.11 has no link type. Such frames are skipped before the first
//!   interface that delivers 802.11. A file without such an interface is refused.
//! - A simple packet block has no timestamp: its frame gets the Unix epoch.
//! - The option if_fcslen says how long the FCS of an interface's frames is, in bits; some programs write bytes. The
//!   flags of a packet (epb_flags, pack_flags) may give that length for it alone, in bytes; it goes before that of the
//!   interface.
//! - A block whose two lengths differ, or are no multiple of four, is damaged: the start of the next block cannot be
//!   relied on.

use std::collections::BTreeSet;

use dot11::LinkType;

use crate::byte_order::ByteOrder;
use crate::error::{ReadError, link_type_name};
use crate::further_file::{self, START_BYTES};
use crate::pcap_file::PcapFile;
use crate::peek_reader::PeekReader;
use crate::record::{MAX_FRAME_BYTES, NextRecord, Record};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
/// Packet blocks: the obsolete kind, the kind without a timestamp, and the current kind.
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// The option that ends all options.
const OPTION_END: u16 = 0;
/// A packet's option of flags: bits 5 to 8 are the length of its FCS in bytes, 0 if that is not known.
const OPTION_PACKET_FLAGS: u16 = 2;

/// The longest block that libpcap accepts.
const MAX_BLOCK_BYTES: u32 = 16 << 20;
/// A limit, so that a hostile file cannot exhaust the memory.
const MAX_INTERFACES: usize = 4096;

/// A pcapng file up to its next packet block, with the blocks before it read.
#[derive(Debug)]
pub(crate) struct Pcapng {
    reader: PeekReader,
    order: ByteOrder,
    /// The interfaces of the current section.
    interfaces: Vec<Interface>,
    link_type: LinkType,
}

#[derive(Debug)]
struct Interface {
    dlt: i32,
    link_type: Option<LinkType>,
    snaplen: u32,
    timestamps: TimestampFormat,
    has_fcs: bool,
}

impl Pcapng {
    /// The first bytes of a file, in either byte order.
    pub const MAGIC: [u8; 4] = SECTION_HEADER.to_le_bytes();

    /// Whether a file starts like this, as far as its first four bytes tell.
    pub fn starts_with(magic: &[u8]) -> bool {
        magic == Self::MAGIC
    }

    /// Whether these 12 bytes start a section.
    pub fn is_section(start: &[u8]) -> bool {
        start.get(..4).is_some_and(Self::starts_with) && start.get(8..12).and_then(section_order).is_some()
    }

    /// Opens a file that follows another, of any link types.
    pub fn open_further(reader: PeekReader) -> Self {
        // Placeholders: the section header, which comes first, gives the byte order, an interface the link type.
        let (order, link_type) = (ByteOrder::Little, LinkType::Ieee80211);
        Self { reader, order, interfaces: Vec::new(), link_type }
    }

    pub fn reader(&mut self) -> &mut PeekReader {
        &mut self.reader
    }

    /// Whether a file begins like this with a section header.
    pub fn begins_plausibly(start: &[u8]) -> bool {
        let order = start.get(8..12).and_then(section_order);
        Self::is_section(start) && order.is_some_and(|order| order.u16(start, 12) == Some(1))
    }

    /// Whether a packet follows, and not the end or a pcap file; takes the blocks before it. Skips a torn packet block
    /// in which another file begins.
    pub fn is_at_record(&mut self) -> Result<bool, ReadError> {
        let length = match self.skip_to_packet() {
            Ok(None) => return Ok(false),
            Ok(Some((_, length))) => length,
            // The block's own header is torn.
            Err(error @ ReadError::Damaged(_)) => {
                return if self.skip_to_file(12)? { Ok(false) } else { Err(error) };
            }
            Err(error) => return Err(error),
        };
        let order = self.order;
        let end = self.reader.peek(length)?.get(length - 4..).and_then(|end| order.u32(end, 0));
        let is_whole = end.is_some_and(|end| end as usize == length);
        Ok(is_whole || !self.skip_to_file(length)?)
    }

    /// Skips to the file that begins within the next `length` bytes, if one does.
    fn skip_to_file(&mut self, length: usize) -> Result<bool, ReadError> {
        let bytes = self.reader.peek(length + START_BYTES)?;
        let Some(at) = further_file::find(bytes, length) else { return Ok(false) };
        further_file::report(at);
        self.reader.take(at)?;
        Ok(true)
    }

    /// Opens a file with 802.11 frames.
    pub fn open(reader: PeekReader) -> Result<Self, ReadError> {
        let mut file = Self::open_further(reader);
        let mut other_link_types = BTreeSet::new();
        loop {
            let packet = file.skip_to_packet()?;
            if let Some(link_type) = file.interfaces.iter().find_map(|interface| interface.link_type) {
                file.link_type = link_type;
                return Ok(file);
            }
            other_link_types.extend(file.interfaces.iter().map(|interface| interface.dlt));
            match packet {
                Some((_, length)) => _ = file.take_block(length)?,
                None if other_link_types.is_empty() => {
                    return Err(ReadError::NotACapture("it describes no interface".to_owned()));
                }
                None => {
                    let names: Vec<String> = other_link_types.into_iter().map(link_type_name).collect();
                    return Err(ReadError::NotWifi(names.join(", ")));
                }
            }
        }
    }

    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    pub fn next(&mut self) -> NextRecord<'_> {
        let Some((kind, length)) = self.skip_to_packet()? else { return Ok(None) };
        let (order, interfaces) = (self.order, &self.interfaces);
        let block = take_block(&mut self.reader, order, length)?;
        let u32_at = |at| order.u32(block, at).ok_or_else(too_short);
        let interface_at = |number: u32| {
            let interface = interfaces.get(number as usize);
            interface.ok_or_else(|| {
                ReadError::Damaged(format!("a frame names interface {number}, which is not described"))
            })
        };
        let ticks =
            || -> Result<u64, ReadError> { Ok((u64::from(u32_at(12)?) << 32) | u64::from(u32_at(16)?)) };

        let (interface, ticks, start, captured, original) = match kind {
            SIMPLE_PACKET => {
                let interface = interface_at(0)?;
                let original = u32_at(8)?;
                let available = u32::try_from(length - 16).unwrap_or(0);
                let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
                (interface, None, 12, original.min(available).min(snaplen), original)
            }
            OBSOLETE_PACKET => {
                let number = order.u16(block, 8).ok_or_else(too_short)?;
                (interface_at(number.into())?, Some(ticks()?), 28, u32_at(20)?, u32_at(24)?)
            }
            _ => (interface_at(u32_at(8)?)?, Some(ticks()?), 28, u32_at(20)?, u32_at(24)?),
        };
        let bytes = block.get(start..start + captured as usize).filter(|_| captured <= MAX_FRAME_BYTES);
        let options_start = (start + captured as usize).next_multiple_of(4);
        let options = if kind == SIMPLE_PACKET { None } else { block.get(options_start..) };
        let fcs_length = options.and_then(|options| {
            let flags = Options::new(order, options).find(|(code, _)| *code == OPTION_PACKET_FLAGS)?;
            Some(order.u32(flags.1, 0)? >> 5 & 0xf).filter(|length| *length != 0)
        });
        Ok(Some(Record {
            link_type: interface.link_type,
            time_us: ticks.map_or(0, |ticks| interface.timestamps.time_us(ticks)),
            original_length: original as usize,
            has_fcs: fcs_length.map_or(interface.has_fcs, |length| length == 4),
            stored_bytes: length as u64,
            bytes: bytes.ok_or_else(too_short)?,
        }))
    }

    fn take_block(&mut self, length: usize) -> Result<&[u8], ReadError> {
        take_block(&mut self.reader, self.order, length)
    }

    /// Takes the blocks before the next packet block; returns that block's type and length.
    fn skip_to_packet(&mut self) -> Result<Option<(u32, usize)>, ReadError> {
        loop {
            let header = self.reader.peek(12)?;
            // No block has such a type: its length would be none of a block.
            if header.is_empty() || PcapFile::format(header).is_some() {
                return Ok(None);
            }
            // The type of a section header is the same in both byte orders.
            if self.order.u32(header, 0) == Some(SECTION_HEADER) {
                let order = section_order(header.get(8..12).ok_or(ReadError::Truncated)?);
                self.order =
                    order.ok_or_else(|| ReadError::Damaged("a section has no byte order".to_owned()))?;
                self.interfaces.clear();
            }
            let kind = self.order.u32(header, 0).ok_or(ReadError::Truncated)?;
            let length = self.order.u32(header, 4).ok_or(ReadError::Truncated)?;
            let min_length = match kind {
                SECTION_HEADER => 28,
                SIMPLE_PACKET => 16,
                _ => 12,
            };
            if !(min_length..=MAX_BLOCK_BYTES).contains(&length) || !length.is_multiple_of(4) {
                return Err(ReadError::Damaged(format!("a block claims {length} bytes")));
            }
            let length = length as usize;
            match kind {
                OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => return Ok(Some((kind, length))),
                INTERFACE_DESCRIPTION => {
                    let order = self.order;
                    let body = self.take_block(length)?.get(8..).unwrap_or_default();
                    let interface = Interface::read(order, body).ok_or_else(too_short)?;
                    if self.interfaces.len() == MAX_INTERFACES {
                        return Err(ReadError::Damaged(format!("it has over {MAX_INTERFACES} interfaces")));
                    }
                    self.interfaces.push(interface);
                }
                SECTION_HEADER => {
                    let order = self.order;
                    let major = order.u16(self.take_block(length)?, 12);
                    if major != Some(1) {
                        let why = format!("a section is of version {}, not 1", major.unwrap_or(0));
                        return Err(ReadError::Damaged(why));
                    }
                }
                _ => _ = self.take_block(length)?,
            }
        }
    }
}

/// The byte order of a section, by the four bytes that give it.
fn section_order(magic: &[u8]) -> Option<ByteOrder> {
    match magic {
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(ByteOrder::Little),
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(ByteOrder::Big),
        _ => None,
    }
}

/// Takes a block; returns it without its trailing length.
fn take_block(reader: &mut PeekReader, order: ByteOrder, length: usize) -> Result<&[u8], ReadError> {
    let block = reader.take(length)?;
    let (block, end) = block.split_last_chunk::<4>().ok_or_else(too_short)?;
    if order.u32(end, 0).is_none_or(|end| end as usize != length) {
        return Err(ReadError::Damaged(
            "a block's trailing length differs from its leading length".to_owned(),
        ));
    }
    Ok(block)
}

fn too_short() -> ReadError {
    ReadError::Damaged("a block is shorter than its content".to_owned())
}

/// The options at the end of a block, each a code and a value, up to the one that ends them or one that is cut.
struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    fn new(order: ByteOrder, rest: &'a [u8]) -> Self {
        Self { order, rest }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (code, length) = (self.order.u16(self.rest, 0)?, usize::from(self.order.u16(self.rest, 2)?));
        let value = self.rest.get(4..4 + length)?;
        self.rest = self.rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        (code != OPTION_END).then_some((code, value))
    }
}

impl Interface {
    const OPTION_RESOLUTION: u16 = 9;
    const OPTION_FCS_LENGTH: u16 = 13;
    const OPTION_OFFSET: u16 = 14;

    fn read(order: ByteOrder, body: &[u8]) -> Option<Self> {
        let dlt = i32::from(order.u16(body, 0)?);
        let mut interface = Self {
            dlt,
            link_type: LinkType::from_dlt(dlt),
            snaplen: order.u32(body, 4)?,
            timestamps: TimestampFormat { resolution: 6, offset_s: 0 },
            has_fcs: false,
        };
        for (option, value) in Options::new(order, body.get(8..).unwrap_or_default()) {
            match (option, value) {
                (Self::OPTION_RESOLUTION, [resolution, ..]) => interface.timestamps.resolution = *resolution,
                (Self::OPTION_FCS_LENGTH, [length, ..]) => interface.has_fcs = matches!(length, 4 | 32),
                (Self::OPTION_OFFSET, value) => {
                    interface.timestamps.offset_s = order.u64(value, 0).unwrap_or(0).cast_signed();
                }
                _ => {}
            }
        }
        Some(interface)
    }
}

/// The unit and offset of an interface's timestamps.
#[derive(Debug)]
struct TimestampFormat {
    /// The option if_tsresol: the length of a tick in seconds, as a negative power of 10, or of 2 if 0x80 is set.
    resolution: u8,
    /// The option if_tsoffset: seconds to add.
    offset_s: i64,
}

impl TimestampFormat {
    /// A timestamp in microseconds since the Unix epoch.
    fn time_us(&self, ticks: u64) -> i64 {
        let ticks = u128::from(ticks);
        let power = u32::from(self.resolution & 0x7f);
        let us = if self.resolution & 0x80 != 0 {
            (ticks * 1_000_000) >> power
        } else if power <= 6 {
            ticks * 10u128.pow(6 - power)
        } else {
            10u128.checked_pow(power - 6).map_or(0, |per_us| ticks / per_us)
        };
        i64::try_from(us).unwrap_or(i64::MAX).saturating_add(self.offset_s.saturating_mul(1_000_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_timestamps_of_every_resolution() {
        for (resolution, offset_s, ticks, us) in [
            (6, 0, 1_587_229_467_123_456, 1_587_229_467_123_456),
            (9, 0, 1_587_229_467_123_456_789, 1_587_229_467_123_456),
            (3, 0, 1_587_229_467_123, 1_587_229_467_123_000),
            (0, 0, 1_587_229_467, 1_587_229_467_000_000),
            (6, 10, 5, 10_000_005),
            (6, -10, 5, -9_999_995),
            (0x80, 0, 7, 7_000_000),
            (0x80 | 20, 0, 3 << 19, 1_500_000),
            (127, 0, u64::MAX, 0),
            (0xff, 0, u64::MAX, 0),
            (0, 0, u64::MAX, i64::MAX),
            (0, i64::MAX, u64::MAX, i64::MAX),
            (6, i64::MIN, 0, i64::MIN),
        ] {
            assert_eq!(
                TimestampFormat { resolution, offset_s }.time_us(ticks),
                us,
                "{resolution} {offset_s} {ticks}"
            );
        }
    }
}

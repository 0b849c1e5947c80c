//! Radiotap headers (radiotap.org): a length, words of present bits, then the fields that the bits announce, each
//! aligned to its own size, in little-endian order.
//!
//! Decisions:
//!
//! - Bit 31 of a present word announces another word. Bit 29 starts the radiotap bits anew in that word. Bit 30 starts
//!   a vendor's bits, whose data is skipped by its own length. With neither, the next word continues at bit 32, where
//!   nothing is defined.
//! - If a field comes twice, the first is that of the whole frame; the others are those of single antennas. (Wireshark
//!   lists them all and shows the last in its summary.)
//! - A signal that no receiver measures ([`measured_dbm`]) is as if the field were missing: the first that one can have
//!   measured counts. (Wireshark shows any number.)
//! - A field of unknown size (bit 28 and up) ends the fields, because the position of those after it is unknown. So does
//!   a field that the header's end cuts. The fields before it and the frame are kept.
//! - The frequency is that of the field Channel, else of XChannel; 0 means unknown.
//! - A header of another version than 0 is skipped by its length; its fields are not read.
//! - If a header is shorter than 8 bytes, or longer than what was captured, the frame cannot be decoded: its start is
//!   unknown.

use crate::bytes::{u16_le, u32_le};
use crate::error::DecodeError;
use crate::link_type::LinkType;
use crate::radio_info::RadioInfo;
use crate::signal::measured_dbm;

const FLAGS: u32 = 1;
const CHANNEL: u32 = 3;
const DBM_ANTENNA_SIGNAL: u32 = 5;
const XCHANNEL: u32 = 18;

/// The field Flags: the frame ends with its FCS.
const FLAG_FCS: u8 = 0x10;
/// The field Flags: the frame failed the FCS check.
const FLAG_BAD_FCS: u8 = 0x40;

/// Alignment and size in bytes of each field, by its bit.
const LAYOUT: [(u8, u8); 28] = [
    (8, 8),  // TSFT
    (1, 1),  // Flags
    (1, 1),  // Rate
    (2, 4),  // Channel
    (2, 2),  // FHSS
    (1, 1),  // Antenna signal in dBm
    (1, 1),  // Antenna noise in dBm
    (2, 2),  // Lock quality
    (2, 2),  // TX attenuation
    (2, 2),  // TX attenuation in dB
    (1, 1),  // TX power in dBm
    (1, 1),  // Antenna
    (1, 1),  // Antenna signal in dB
    (1, 1),  // Antenna noise in dB
    (2, 2),  // RX flags
    (2, 2),  // TX flags
    (1, 1),  // RTS retries
    (1, 1),  // Data retries
    (4, 8),  // XChannel
    (1, 3),  // MCS
    (4, 8),  // A-MPDU status
    (2, 12), // VHT
    (8, 12), // Timestamp
    (2, 12), // HE
    (2, 12), // HE-MU
    (2, 6),  // HE-MU other user
    (1, 1),  // Zero-length PSDU
    (2, 4),  // L-SIG
];

/// Parses the header at the start of a captured frame.
pub(crate) fn parse(captured: &[u8]) -> Result<RadioInfo, DecodeError> {
    let error = DecodeError::RadioHeader(LinkType::Radiotap);
    let length = usize::from(u16_le(captured, 2).ok_or(error)?);
    let header = captured.get(..length).filter(|header| header.len() >= 8).ok_or(error)?;
    let mut radio = RadioInfo { header_length: length, ..RadioInfo::default() };
    if header.first() != Some(&0) {
        return Ok(radio);
    }
    let mut flags = None;
    let mut xchannel_mhz = None;
    for field in Fields::new(header) {
        match (field.bit, field.bytes) {
            (FLAGS, [value]) => _ = flags.get_or_insert(*value),
            (CHANNEL, [low, high, ..]) => set_if_known(&mut radio.frequency_mhz, [*low, *high]),
            (XCHANNEL, [_, _, _, _, low, high, ..]) => set_if_known(&mut xchannel_mhz, [*low, *high]),
            (DBM_ANTENNA_SIGNAL, [value]) => {
                radio.signal_dbm = radio.signal_dbm.or_else(|| measured_dbm(value.cast_signed()));
            }
            _ => {}
        }
    }
    radio.fcs_follows = flags.map(|flags| flags & FLAG_FCS != 0);
    radio.fcs_failed = flags.is_some_and(|flags| flags & FLAG_BAD_FCS != 0);
    radio.frequency_mhz = radio.frequency_mhz.or(xchannel_mhz);
    Ok(radio)
}

fn set_if_known(frequency_mhz: &mut Option<u16>, octets: [u8; 2]) {
    let mhz = u16::from_le_bytes(octets);
    if mhz != 0 {
        frequency_mhz.get_or_insert(mhz);
    }
}

/// A field of the radiotap namespace.
struct Field<'a> {
    bit: u32,
    bytes: &'a [u8],
}

/// Iterates over the fields of a header.
struct Fields<'a> {
    /// The header up to its own length.
    header: &'a [u8],
    /// The current present word, as in the header.
    word: u32,
    word_offset: usize,
    /// The bits of its fields that have not been yielded yet.
    pending: u32,
    namespace: Namespace,
    /// Where the last field ended; the next one starts here or at the next aligned offset.
    offset: usize,
    /// The fields ended before the present words did.
    is_malformed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Namespace {
    Radiotap,
    /// Bits 32 and up of radiotap's own.
    Undefined,
    Vendor,
}

const NAMESPACE_RADIOTAP: u32 = 1 << 29;
const NAMESPACE_VENDOR: u32 = 1 << 30;
const ANOTHER_WORD: u32 = 1 << 31;
const FIELD_BITS: u32 = NAMESPACE_RADIOTAP - 1;

impl<'a> Fields<'a> {
    fn new(header: &'a [u8]) -> Self {
        let word = u32_le(header, 4).unwrap_or(0);
        let mut fields = Self {
            header,
            word,
            word_offset: 4,
            pending: word & FIELD_BITS,
            namespace: Namespace::Radiotap,
            offset: 8,
            is_malformed: false,
        };
        let mut last = word;
        while last & ANOTHER_WORD != 0 {
            let Some(next) = u32_le(header, fields.offset) else {
                fields.end_malformed();
                break;
            };
            last = next;
            fields.offset += 4;
        }
        fields
    }

    fn end_malformed(&mut self) {
        self.is_malformed = true;
        self.word = 0;
        self.pending = 0;
    }

    /// Moves on to the next present word; `None` if there is none.
    fn next_word(&mut self) -> Option<()> {
        if self.word & ANOTHER_WORD == 0 {
            return None;
        }
        let starts = self.word & (NAMESPACE_RADIOTAP | NAMESPACE_VENDOR);
        self.word_offset += 4;
        self.word = u32_le(self.header, self.word_offset)?;
        self.pending = self.word & FIELD_BITS;
        self.namespace = match (starts, self.namespace) {
            (0, Namespace::Vendor) => Namespace::Vendor,
            (0, _) => Namespace::Undefined,
            (NAMESPACE_RADIOTAP, _) => Namespace::Radiotap,
            (NAMESPACE_VENDOR, _) => {
                // OUI, sub-namespace, and the length of the vendor's data, which follows.
                let start = self.offset.next_multiple_of(2);
                let length = u16_le(self.header, start + 4);
                self.offset = start + 6 + usize::from(length.unwrap_or(0));
                if length.is_none() || self.offset > self.header.len() {
                    self.end_malformed();
                    return None;
                }
                Namespace::Vendor
            }
            _ => {
                self.end_malformed();
                return None;
            }
        };
        Some(())
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        while self.pending == 0 || self.namespace == Namespace::Vendor {
            self.next_word()?;
        }
        let bit = self.pending.trailing_zeros();
        self.pending &= self.pending - 1;
        let layout = match self.namespace {
            Namespace::Radiotap => LAYOUT.get(bit as usize),
            Namespace::Undefined | Namespace::Vendor => None,
        };
        let field = layout.and_then(|(alignment, size)| {
            // Faster than `next_multiple_of`, since alignments are powers of two.
            let mask = usize::from(*alignment) - 1;
            let start = (self.offset + mask) & !mask;
            self.offset = start + usize::from(*size);
            self.header.get(start..self.offset)
        });
        if field.is_none() {
            self.end_malformed();
        }
        field.map(|bytes| Field { bit, bytes })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::builder::radiotap;

    /// Parses a header of these present words and bytes.
    #[track_caller]
    fn check(words: &[u32], fields: &[u8], dbm: Option<i8>, mhz: Option<u16>, flags: u8) {
        let header = radiotap(words, fields);
        let radio = parse(&header).unwrap();
        let expected = RadioInfo {
            header_length: header.len(),
            signal_dbm: dbm,
            frequency_mhz: mhz,
            fcs_follows: radio.fcs_follows,
            fcs_failed: flags & FLAG_BAD_FCS != 0,
        };
        assert_eq!(radio, expected, "{header:02x?}");
        assert_eq!(radio.fcs_follows.unwrap_or(false), flags & FLAG_FCS != 0, "{header:02x?}");
    }

    #[test]
    fn parses_flags_channel_and_signal() {
        check(&[0], &[], None, None, 0);
        check(&[0x2], &[0x10], None, None, 0x10);
        check(&[0x2], &[0x50], None, None, 0x50);
        check(&[0x20], &[0xd6], Some(-42), None, 0);
        check(&[0x8], &[0x85, 9, 0, 0], None, Some(2437), 0);
        // Channel is aligned to two bytes, XChannel to four.
        check(&[0xa], &[0, 0xff, 0x85, 9, 0, 0], None, Some(2437), 0);
        check(&[0x8], &[0, 0, 0, 0], None, None, 0);
        check(&[1 << 18 | 0x20], &[0xd6, 0, 0, 0, 0, 0, 0, 0, 0x3c, 0x14, 36, 0], Some(-42), Some(5180), 0);
        check(&[1 << 18 | 0x8], &[0x85, 9, 0, 0, 0, 0, 0, 0, 0x3c, 0x14, 36, 0], None, Some(2437), 0);
        // TSFT is aligned to eight from the header's start: two words end at 12.
        let after_tsft = [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0xd6];
        check(&[0x8000_0021, 0], &after_tsft, Some(-42), None, 0);
    }

    #[test]
    fn without_flags_nothing_is_said_about_an_fcs() {
        for (word, fields, fcs_follows) in
            [(0, &[][..], None), (0x20, &[0xd6], None), (2, &[0], Some(false)), (2, &[0x10], Some(true))]
        {
            assert_eq!(parse(&radiotap(&[word], fields)).unwrap().fcs_follows, fcs_follows);
        }
    }

    #[test]
    fn the_first_of_several_antennas_counts() {
        check(&[0xa000_0022, 0x20], &[0, 0xd6, 0xe0], Some(-42), None, 0);
        check(&[0xa000_0002, 0xa000_0820, 0x820], &[0x10, 0xd6, 0, 0xe0, 1], Some(-42), None, 0x10);
        check(&[0xa000_0008, 0x8], &[0x6c, 9, 0, 0, 0x85, 9, 0, 0], None, Some(2412), 0);
    }

    #[test]
    fn a_signal_that_no_receiver_measures_is_unknown() {
        for invented in [0_i8, 127, -128, -127, 20] {
            let invented = invented.cast_unsigned();
            check(&[0x20], &[invented], None, None, 0);
            // The other antennas still count, the first that has one.
            check(&[0xa000_0022, 0x20], &[0, invented, 0xe0], Some(-32), None, 0);
            check(&[0xa000_0020, 0xa000_0020, 0x20], &[invented, 0xd6, 0xe0], Some(-42), None, 0);
            check(&[0xa000_0020, 0x20], &[invented, invented], None, None, 0);
            check(&[0xa000_0020, 0x20], &[0xd6, invented], Some(-42), None, 0);
        }
    }

    #[test]
    fn namespaces_and_cut_fields_end_the_fields() {
        // A vendor's three bytes between two of radiotap's words.
        let vendor = [0x10, 0, 1, 2, 3, 4, 3, 0, 9, 9, 9, 0xd6];
        check(&[0xc000_0002, 0xa000_ffff, 0x20], &vendor, Some(-42), None, 0x10);
        // A further word of the vendor's own has no fields either.
        check(&[0xc000_0002, 0x8000_ffff, 0xa000_ffff, 0x20], &vendor, Some(-42), None, 0x10);
        // A vendor's length that leads out of the header.
        let too_long = [0x10, 0, 1, 2, 3, 4, 4, 0, 9, 9, 9];
        check(&[0xc000_0002, 0xa000_ffff, 0x20], &too_long, None, None, 0x10);
        // Bits 32 and up have no size.
        check(&[0x8000_0002, 0xa000_0001, 0x20], &[0x10, 0xd6], None, None, 0x10);
        check(&[0x8000_0002, 0xa000_0000, 0x20], &[0x10, 0xd6], Some(-42), None, 0x10);
        // Nor has bit 28.
        check(&[0xb000_0002, 0x20], &[0x10, 0xd6], None, None, 0x10);
        // Both namespaces at once are neither.
        check(&[0xe000_0002, 0x20], &[0x10, 0xd6], None, None, 0x10);
        // A word that the header's end cuts; a field likewise.
        check(&[0x8000_0002], &[0x10], None, None, 0);
        check(&[0x0a], &[0x10, 0, 0x85], None, None, 0x10);
    }

    #[test]
    fn accepts_any_possible_length() {
        for (header, length) in [
            (&b""[..], None),
            (b"\0\0\x08", None),
            (b"\0\0\x08\0\0\0\0", None),
            (b"\0\0\x07\0\0\0\0\0", None),
            (b"\0\0\x09\0\0\0\0\0", None),
            (b"\0\0\x08\0\0\0\0\0", Some(8)),
            (b"\x01\0\x09\0\x20\0\0\0\xd6", Some(9)),
        ] {
            assert_eq!(
                parse(header).ok(),
                length.map(|length| RadioInfo { header_length: length, ..RadioInfo::default() })
            );
        }
    }

    /// The header's fields in the format of radiotap-library's `parse` program.
    fn describe(header: &[u8]) -> String {
        let mut text = String::new();
        let mut fields = Fields::new(header);
        for Field { bit, bytes } in fields.by_ref() {
            match (bit, bytes) {
                (0, tsft) => {
                    writeln!(text, "\tTSFT: {}", u64::from_le_bytes(tsft.try_into().unwrap())).unwrap();
                }
                (FLAGS, [flags]) => writeln!(text, "\tflags: {flags:02x}").unwrap(),
                (2, [rate]) => writeln!(text, "\trate: {:.6}", f64::from(*rate) / 2.0).unwrap(),
                (14, flags) => {
                    writeln!(text, "\tRX flags: {:04x}", u16::from_le_bytes(flags.try_into().unwrap()))
                        .unwrap();
                }
                _ => {}
            }
        }
        if fields.is_malformed {
            text.push_str("malformed radiotap data\n");
        }
        text
    }

    #[test]
    fn agrees_with_radiotap_library() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures/radiotap-vectors");
        let Ok(entries) = fs::read_dir(&folder) else {
            assert!(
                std::env::var("PROBEWATCH_REQUIRE_ALL").as_deref() != Ok("1"),
                "{} is missing",
                folder.display()
            );
            return eprintln!("skipped: {} is missing", folder.display());
        };
        let mut count = 0;
        for path in
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().unwrap() == "bin")
        {
            let header = fs::read(&path).unwrap();
            assert_eq!(parse(&header).unwrap().header_length, header.len());
            // Vendors' data is skipped here, and so are the lines about it.
            let expected: String = fs::read_to_string(path.with_extension("out"))
                .unwrap()
                .split_inclusive('\n')
                .filter(|line| {
                    !line.contains("vendor NS") && !line.starts_with("\t\t") && !line.contains('|')
                })
                // `.args` asks for the old meaning of bit 14; today it means RX flags.
                .map(|line| if line == "\tFCS in header: ddccbbaa\n" { "\tRX flags: bbaa\n" } else { line })
                .collect();
            assert_eq!(describe(&header), expected, "{}", path.display());
            count += 1;
        }
        assert_eq!(count, 10);
    }
}

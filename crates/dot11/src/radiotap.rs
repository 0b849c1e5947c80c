//! Radiotap headers (radiotap.org): a length, words of present bits, then the fields that they
//! announce, each aligned to its own size, in little-endian order.
//!
//! Decisions:
//!
//! - A present word whose bit 31 is set is followed by another. Bit 29 starts the radiotap bits
//!   anew in the next word, bit 30 starts a vendor's, whose data is skipped by its own length; with
//!   neither, the next word goes on at bit 32, where nothing is defined.
//! - Of a field that comes twice the first is the frame's own; what follows is single antennas'.
//!   (Wireshark lists them all, and takes the last for its summary.)
//! - A field of unknown size (bit 28 and up) ends the fields, since nothing after it can be found.
//!   So does a field that the header's end cuts. Neither costs the fields before it, nor the frame.
//! - The channel's frequency is that of the field Channel, else of XChannel; 0 is "not known".
//! - A header of another version than 0 is skipped by its length, its fields are not read.
//! - A header shorter than 8 bytes, or longer than what was captured, makes the frame undecodable:
//!   nobody knows where the frame starts.

use super::bytes::{u16_le, u32_le};
use super::radio::Radio;
use super::{DecodeError, LinkType};

const FLAGS: u32 = 1;
const CHANNEL: u32 = 3;
const DBM_ANTENNA_SIGNAL: u32 = 5;
const XCHANNEL: u32 = 18;

/// The field Flags: the frame ends with its FCS.
const FLAG_FCS: u8 = 0x10;
/// The field Flags: the frame failed the FCS check.
const FLAG_BAD_FCS: u8 = 0x40;

/// Alignment and size in bytes of the fields by their bits.
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

/// Reads the header at the start of a captured frame.
pub(super) fn read(captured: &[u8]) -> Result<Radio, DecodeError> {
    let wrong = DecodeError::RadioHeader(LinkType::Radiotap);
    let length = usize::from(u16_le(captured, 2).ok_or(wrong)?);
    let header = captured.get(..length).filter(|header| header.len() >= 8).ok_or(wrong)?;
    let mut radio = Radio { length, ..Radio::default() };
    if header.first() != Some(&0) {
        return Ok(radio);
    }
    let mut flags = None;
    let mut xchannel_mhz = None;
    for field in Fields::new(header) {
        match (field.bit, field.bytes) {
            (FLAGS, [value]) => _ = flags.get_or_insert(*value),
            (CHANNEL, [low, high, ..]) => first_known(&mut radio.frequency_mhz, [*low, *high]),
            (XCHANNEL, [_, _, _, _, low, high, ..]) => first_known(&mut xchannel_mhz, [*low, *high]),
            (DBM_ANTENNA_SIGNAL, [value]) => _ = radio.signal_dbm.get_or_insert(value.cast_signed()),
            _ => {}
        }
    }
    let flags = flags.unwrap_or(0);
    radio.fcs_follows = flags & FLAG_FCS != 0;
    radio.fcs_failed = flags & FLAG_BAD_FCS != 0;
    radio.frequency_mhz = radio.frequency_mhz.or(xchannel_mhz);
    Ok(radio)
}

fn first_known(frequency_mhz: &mut Option<u16>, octets: [u8; 2]) {
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

/// Walks the fields of a header in their order.
struct Fields<'a> {
    /// The header up to its own length.
    header: &'a [u8],
    /// The present word that is being walked, as it stands in the header.
    word: u32,
    word_at: usize,
    /// Its fields that have not been given yet.
    pending: u32,
    namespace: Namespace,
    /// Where the next field's alignment starts.
    at: usize,
    /// The fields ended before the present words did.
    malformed: bool,
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
            word_at: 4,
            pending: word & FIELD_BITS,
            namespace: Namespace::Radiotap,
            at: 8,
            malformed: false,
        };
        let mut last = word;
        while last & ANOTHER_WORD != 0 {
            let Some(next) = u32_le(header, fields.at) else {
                fields.end_malformed();
                break;
            };
            last = next;
            fields.at += 4;
        }
        fields
    }

    fn end_malformed(&mut self) {
        self.malformed = true;
        self.word = 0;
        self.pending = 0;
    }

    /// Moves on to the next present word; `None` where there is none.
    fn next_word(&mut self) -> Option<()> {
        if self.word & ANOTHER_WORD == 0 {
            return None;
        }
        let starts = self.word & (NAMESPACE_RADIOTAP | NAMESPACE_VENDOR);
        self.word_at += 4;
        self.word = u32_le(self.header, self.word_at)?;
        self.pending = self.word & FIELD_BITS;
        self.namespace = match (starts, self.namespace) {
            (0, Namespace::Vendor) => Namespace::Vendor,
            (0, _) => Namespace::Undefined,
            (NAMESPACE_RADIOTAP, _) => Namespace::Radiotap,
            (NAMESPACE_VENDOR, _) => {
                // OUI, sub-namespace, and the length of the vendor's data, which follows.
                let start = self.at.next_multiple_of(2);
                let length = u16_le(self.header, start + 4);
                self.at = start + 6 + usize::from(length.unwrap_or(0));
                if length.is_none() || self.at > self.header.len() {
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
            // Alignments are powers of two, which the compiler does not know.
            let below = usize::from(*alignment) - 1;
            let start = (self.at + below) & !below;
            self.at = start + usize::from(*size);
            self.header.get(start..self.at)
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

    use super::super::test_frame::radiotap;
    use super::*;

    /// Reads a header of these present words and bytes.
    #[track_caller]
    fn check(words: &[u32], fields: &[u8], dbm: Option<i8>, mhz: Option<u16>, flags: u8) {
        let header = radiotap(words, fields);
        let radio = read(&header).unwrap();
        let expected = Radio {
            length: header.len(),
            signal_dbm: dbm,
            frequency_mhz: mhz,
            fcs_follows: flags & FLAG_FCS != 0,
            fcs_failed: flags & FLAG_BAD_FCS != 0,
        };
        assert_eq!(radio, expected, "{header:02x?}");
    }

    #[test]
    fn reads_the_fields_that_matter() {
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
    fn several_antennas_have_one_first() {
        check(&[0xa000_0022, 0x20], &[0, 0xd6, 0xe0], Some(-42), None, 0);
        check(&[0xa000_0002, 0xa000_0820, 0x820], &[0x10, 0xd6, 0, 0xe0, 1], Some(-42), None, 0x10);
        check(&[0xa000_0008, 0x8], &[0x6c, 9, 0, 0, 0x85, 9, 0, 0], None, Some(2412), 0);
    }

    #[test]
    fn namespaces_end_what_they_must() {
        // A vendor's three bytes between two of radiotap's words.
        let vendor = [0x10, 0, 1, 2, 3, 4, 3, 0, 9, 9, 9, 0xd6];
        check(&[0xc000_0002, 0xa000_ffff, 0x20], &vendor, Some(-42), None, 0x10);
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
    fn the_length_is_believed_where_it_can_be_true() {
        for (header, length) in [
            (&b""[..], None),
            (b"\0\0\x08", None),
            (b"\0\0\x08\0\0\0\0", None),
            (b"\0\0\x07\0\0\0\0\0", None),
            (b"\0\0\x09\0\0\0\0\0", None),
            (b"\0\0\x08\0\0\0\0\0", Some(8)),
            (b"\x01\0\x09\0\x20\0\0\0\xd6", Some(9)),
        ] {
            assert_eq!(read(header).ok(), length.map(|length| Radio { length, ..Radio::default() }));
        }
    }

    /// The header's fields in the words of radiotap-library's `parse` program.
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
        if fields.malformed {
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
            assert_eq!(read(&header).unwrap().length, header.len());
            // What vendors' data means is theirs: it is skipped here, and so are the lines for it.
            let expected: String = fs::read_to_string(path.with_extension("out"))
                .unwrap()
                .split_inclusive('\n')
                .filter(|line| {
                    !line.contains("vendor NS") && !line.starts_with("\t\t") && !line.contains('|')
                })
                // Bit 14 in its old meaning, which `.args` asks for; it means RX flags today.
                .map(|line| if line == "\tFCS in header: ddccbbaa\n" { "\tRX flags: bbaa\n" } else { line })
                .collect();
            assert_eq!(describe(&header), expected, "{}", path.display());
            count += 1;
        }
        assert_eq!(count, 10);
    }
}

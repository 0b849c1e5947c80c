//! Builds probe requests and the radio headers in front of them, for tests, benchmarks and demonstrations.
//!
//! Nothing is checked: the builder also makes frames that no device may send, which a decoder has to survive.
//!
//! ```
//! use dot11::builder::{FrameBuilder, RadiotapHeader};
//! use dot11::{LinkType, MacAddr, decode};
//!
//! let source = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
//! let header = RadiotapHeader { signal_dbm: Some(-42), fcs_follows: true, ..RadiotapHeader::default() };
//! let frame = FrameBuilder::new(source).ssid(b"Home").to_bytes_with_fcs();
//! let captured = [header.to_bytes(), frame].concat();
//! let probe_request = decode(LinkType::Radiotap, &captured, captured.len())?.unwrap();
//! assert_eq!(probe_request.signal_dbm, Some(-42));
//! # Ok::<(), dot11::DecodeError>(())
//! ```

use crate::element::Element;
use crate::mac::MacAddr;

/// A management frame, by default a probe request to all access points without any elements.
#[derive(Debug, Clone)]
pub struct FrameBuilder {
    /// The two octets of Frame Control (IEEE 802.11-2020 §9.2.4.1).
    pub frame_control: [u8; 2],
    /// Address 1.
    pub destination: MacAddr,
    /// Address 2.
    pub source: MacAddr,
    /// Address 3.
    pub bssid: MacAddr,
    /// Sequence Control (§9.2.4.4): the sequence number times 16, plus the fragment number.
    pub sequence_control: u16,
    /// The bytes between the header and the elements: HT Control, or the fixed fields of a probe response.
    pub before_elements: Vec<u8>,
    /// The information elements.
    pub elements: Vec<u8>,
}

impl FrameBuilder {
    /// A probe request from this address.
    pub fn new(source: MacAddr) -> Self {
        Self {
            frame_control: [0x40, 0],
            destination: MacAddr::BROADCAST,
            source,
            bssid: MacAddr::BROADCAST,
            sequence_control: 0,
            before_elements: Vec::new(),
            elements: Vec::new(),
        }
    }

    /// Sets the flags, the second octet of Frame Control.
    pub fn flags(mut self, flags: u8) -> Self {
        self.frame_control[1] = flags;
        self
    }

    /// Sets the sequence number, of which 12 bits count.
    pub fn sequence_number(mut self, number: u16) -> Self {
        self.sequence_control = number << 4;
        self
    }

    /// Appends an SSID element.
    pub fn ssid(self, ssid: &[u8]) -> Self {
        self.element(Element::SSID, ssid)
    }

    /// Appends an SSID List element; what does not fit into its 255 bytes is cut.
    pub fn ssid_list(self, ssids: &[&[u8]]) -> Self {
        let list: Vec<u8> = ssids.iter().flat_map(|ssid| element(Element::SSID, ssid)).collect();
        self.element(Element::SSID_LIST, &list)
    }

    /// Appends a Short SSID List element with those of these SSIDs.
    pub fn short_ssid_list(self, ssids: &[&[u8]]) -> Self {
        let short = ssids.iter().flat_map(|ssid| crc32fast::hash(ssid).to_le_bytes());
        let body: Vec<u8> = [Element::SHORT_SSID_LIST].into_iter().chain(short).collect();
        self.element(Element::EXTENSION, &body)
    }

    /// Appends an element; a body of more than 255 bytes is cut.
    pub fn element(mut self, id: u8, body: &[u8]) -> Self {
        self.elements.extend(element(id, body));
        self
    }

    /// Appends elements as bytes, which may be malformed.
    pub fn raw_elements(mut self, elements: &[u8]) -> Self {
        self.elements.extend(elements);
        self
    }

    /// The frame without an FCS.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            &self.frame_control[..],
            &[0, 0],
            &self.destination.octets(),
            &self.source.octets(),
            &self.bssid.octets(),
            &self.sequence_control.to_le_bytes(),
            &self.before_elements,
            &self.elements,
        ]
        .concat()
    }

    /// The frame with its FCS.
    pub fn to_bytes_with_fcs(&self) -> Vec<u8> {
        let mut frame = self.to_bytes();
        frame.extend(crc32fast::hash(&frame).to_le_bytes());
        frame
    }
}

/// An element as bytes; a body of more than 255 bytes is cut.
pub fn element(id: u8, body: &[u8]) -> Vec<u8> {
    let body = body.get(..255).unwrap_or(body);
    [&[id, body.len() as u8], body].concat()
}

/// A radiotap header as Linux writes it, in short: flags, and the fields that are set.
#[derive(Debug, Clone, Copy, Default)]
pub struct RadiotapHeader {
    /// The frame ends with its FCS.
    pub fcs_follows: bool,
    /// The radio found the FCS wrong.
    pub fcs_failed: bool,
    /// The centre frequency of the channel in MHz.
    pub frequency_mhz: Option<u16>,
    /// The signal in dBm.
    pub signal_dbm: Option<i8>,
}

impl RadiotapHeader {
    /// The header as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut present: u32 = 1 << 1;
        let mut fields = vec![u8::from(self.fcs_follows) << 4 | u8::from(self.fcs_failed) << 6];
        if let Some(frequency_mhz) = self.frequency_mhz {
            present |= 1 << 3;
            fields.push(0); // The channel is aligned to two bytes.
            fields.extend(frequency_mhz.to_le_bytes());
            // 2.4 GHz with CCK, or 5 GHz with OFDM.
            let band: u16 = if frequency_mhz < 3000 { 0x00a0 } else { 0x0140 };
            fields.extend(band.to_le_bytes());
        }
        if let Some(signal_dbm) = self.signal_dbm {
            present |= 1 << 5;
            fields.push(signal_dbm.cast_unsigned());
        }
        radiotap(&[present], &fields)
    }
}

/// A radiotap header of these present words and the bytes of the fields.
pub fn radiotap(present_words: &[u32], fields: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + 4 * present_words.len() + fields.len()).unwrap_or(u16::MAX);
    let words: Vec<u8> = present_words.iter().flat_map(|word| word.to_le_bytes()).collect();
    [&[0, 0], &length.to_le_bytes()[..], &words, fields].concat()
}

/// A PPI header with these flags and fields of type and value; `dlt` is the link type of what follows.
pub fn ppi(flags: u8, dlt: u32, fields: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in fields {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(*value);
        if flags & 1 != 0 {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    let length = u16::try_from(8 + bytes.len()).unwrap_or(u16::MAX);
    [&[0, flags], &length.to_le_bytes()[..], &dlt.to_le_bytes(), &bytes].concat()
}

/// The value of PPI's field 802.11-Common (type 2).
pub fn ppi_common(flags: u16, frequency_mhz: u16, signal_dbm: i8) -> [u8; 20] {
    let mut field = [0; 20];
    field[8..10].copy_from_slice(&flags.to_le_bytes());
    field[12..14].copy_from_slice(&frequency_mhz.to_le_bytes());
    field[18] = signal_dbm.cast_unsigned();
    field
}

/// A Prism header with channel and RSSI, each with its status (0: present).
pub fn prism(big_endian: bool, channel: (u16, u32), rssi: (u16, i32)) -> Vec<u8> {
    let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut header = [&word(0x44)[..], &word(144), b"wlan0\0\0\0\0\0\0\0\0\0\0\0"].concat();
    for item in 1..=10 {
        let (status, value) = match item {
            3 => channel,
            4 => (rssi.0, rssi.1.cast_unsigned()),
            _ => (0, item),
        };
        header.extend([&word((item << 16) | 0x44)[..], &half(status), &half(4), &word(value)].concat());
    }
    header
}

/// An AVS header of 64 bytes with this magic number, channel, unit of the signal (2: dBm) and signal.
pub fn avs(magic: u32, channel: u32, ssi_type: u32, signal: i32) -> Vec<u8> {
    let mut words = [0u32; 16];
    words[0] = magic;
    words[1] = 64;
    words[6] = 8;
    words[7] = channel;
    words[11] = ssi_type;
    words[12] = signal.cast_unsigned();
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

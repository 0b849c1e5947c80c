//! Builds frames for tests.

/// A probe request, octet by octet; the default is a whole one for the wildcard SSID.
#[derive(Clone)]
pub struct TestFrame {
    pub control: [u8; 2],
    pub source: [u8; 6],
    pub sequence_control: u16,
    /// What stands between the header and the elements.
    pub ht_control: Vec<u8>,
    pub elements: Vec<u8>,
}

pub const SOURCE: [u8; 6] = [0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15];

impl TestFrame {
    pub fn new(elements: &[u8]) -> Self {
        Self {
            control: [0x40, 0],
            source: SOURCE,
            sequence_control: 2743 << 4,
            ht_control: Vec::new(),
            elements: elements.to_vec(),
        }
    }

    /// With an SSID element, and the rates that every probe request has.
    pub fn asking_for(ssid: &[u8]) -> Self {
        Self::new(&[&element(0, ssid)[..], b"\x01\x04\x02\x04\x0b\x16"].concat())
    }

    pub fn flags(mut self, flags: u8) -> Self {
        self.control[1] = flags;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let sequence_control = self.sequence_control.to_le_bytes();
        let parts: [&[u8]; 7] = [
            &self.control,
            &[0, 0],
            &[0xff; 6],
            &self.source,
            &[0xff; 6],
            &sequence_control,
            &self.ht_control,
        ];
        [&parts.concat()[..], &self.elements].concat()
    }

    pub fn with_fcs(&self) -> Vec<u8> {
        let frame = self.bytes();
        let fcs = crc32fast::hash(&frame).to_le_bytes();
        [&frame[..], &fcs].concat()
    }
}

pub fn element(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id, u8::try_from(body.len()).unwrap()], body].concat()
}

/// A radiotap header with these present words and these bytes after them.
pub fn radiotap(words: &[u32], fields: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + 4 * words.len() + fields.len()).unwrap();
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    [&[0, 0], &length.to_le_bytes()[..], &words, fields].concat()
}

/// What Linux writes in monitor mode, in short: flags, 2437 MHz, -42 dBm.
pub fn radiotap_with_flags(flags: u8) -> Vec<u8> {
    radiotap(&[0x2a], &[flags, 0, 0x85, 0x09, 0xa0, 0, 0xd6])
}

/// A PPI header around these fields of type and value.
pub fn ppi(flags: u8, dlt: u32, fields: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, value) in fields {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        bytes.extend(*value);
        if flags & 1 != 0 {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    let length = u16::try_from(8 + bytes.len()).unwrap();
    [&[0, flags], &length.to_le_bytes()[..], &dlt.to_le_bytes(), &bytes].concat()
}

/// PPI's 802.11-Common field.
pub fn ppi_common(flags: u16, mhz: u16, dbm: i8) -> Vec<u8> {
    let mut field = vec![0; 20];
    field[8..10].copy_from_slice(&flags.to_le_bytes());
    field[12..14].copy_from_slice(&mhz.to_le_bytes());
    field[18] = dbm.cast_unsigned();
    field
}

/// A Prism header with channel and RSSI, each with its status.
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

/// An AVS header of 64 bytes.
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

//! Frames as a radio would receive them, and capture files.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use dot11::MacAddr;
use dot11::builder::{FrameBuilder, RadiotapHeader};

/// The link type of bare 802.11 frames.
pub const DLT_IEEE802_11: u32 = 105;
/// The link type of 802.11 frames with a radiotap header.
pub const DLT_IEEE802_11_RADIO: u32 = 127;

const BROADCAST: [u8; 6] = [0xff; 6];

/// The frame check sequence after the last element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fcs {
    /// No FCS, and radiotap announces none.
    None,
    Good,
    /// Four wrong octets; radiotap announces an FCS but not that it is bad.
    Bad,
    /// Four wrong octets, and radiotap says that the FCS is bad (flag 0x40).
    MarkedBad,
}

/// A probe request. Defaults: wildcard SSID, the elements of a phone, -50 dBm, channel 6, no FCS.
#[derive(Debug, Clone)]
pub struct ProbeRequestFrame {
    source: [u8; 6],
    destination: [u8; 6],
    bssid: [u8; 6],
    ssid: Option<Vec<u8>>,
    elements: Vec<(u8, Vec<u8>)>,
    signal_dbm: Option<i8>,
    frequency_mhz: Option<u16>,
    sequence: u16,
    fcs: Fcs,
    response: bool,
}

impl ProbeRequestFrame {
    /// From this address, written with colons.
    pub fn new(source: &str) -> Self {
        Self::from_octets(octets(source))
    }

    pub fn from_octets(source: [u8; 6]) -> Self {
        Self {
            source,
            destination: BROADCAST,
            bssid: BROADCAST,
            ssid: Some(Vec::new()),
            elements: vec![
                (1, vec![0x02, 0x04, 0x0b, 0x16]),                          // supported rates
                (50, vec![0x0c, 0x12, 0x18, 0x24, 0x30, 0x48, 0x60, 0x6c]), // extended rates
                (45, [&[0x2d, 0x40, 0x1b, 0xff][..], &[0; 22][..]].concat()), // HT capabilities
                (127, vec![0x04, 0x00, 0x08, 0x84, 0x00, 0x00, 0x00, 0x40]), // extended capabilities
                (221, vec![0x00, 0x50, 0xf2, 0x08, 0x00, 0x10, 0x00]),      // Microsoft
            ],
            signal_dbm: Some(-50),
            frequency_mhz: Some(2437),
            sequence: 0,
            fcs: Fcs::None,
            response: false,
        }
    }

    /// Asks for this network; an empty SSID is the wildcard.
    pub fn ssid(mut self, ssid: impl AsRef<[u8]>) -> Self {
        self.ssid = Some(ssid.as_ref().to_vec());
        self
    }

    /// Asks for any network: an SSID element of length 0.
    pub fn wildcard(self) -> Self {
        self.ssid([])
    }

    /// Has no SSID element at all.
    pub fn without_ssid(mut self) -> Self {
        self.ssid = None;
        self
    }

    /// Replaces the elements after the SSID.
    pub fn elements(mut self, elements: impl IntoIterator<Item = (u8, Vec<u8>)>) -> Self {
        self.elements = elements.into_iter().collect();
        self
    }

    /// One more element at the end.
    pub fn element(mut self, id: u8, body: impl AsRef<[u8]>) -> Self {
        self.elements.push((id, body.as_ref().to_vec()));
        self
    }

    pub fn signal(mut self, dbm: i8) -> Self {
        self.signal_dbm = Some(dbm);
        self
    }

    /// The radio reports no signal.
    pub fn without_signal(mut self) -> Self {
        self.signal_dbm = None;
        self
    }

    /// The frequency in MHz on which the radio received it.
    pub fn channel(mut self, frequency_mhz: u16) -> Self {
        self.frequency_mhz = Some(frequency_mhz);
        self
    }

    /// The radio reports no channel.
    pub fn without_channel(mut self) -> Self {
        self.frequency_mhz = None;
        self
    }

    /// The sequence number, 0 to 4095.
    pub fn sequence(mut self, number: u16) -> Self {
        assert!(number < 4096, "a sequence number has 12 bits");
        self.sequence = number;
        self
    }

    pub fn fcs(mut self, fcs: Fcs) -> Self {
        self.fcs = fcs;
        self
    }

    /// Makes it a probe *response* to this address.
    pub fn response_to(mut self, destination: &str) -> Self {
        self.destination = octets(destination);
        self.bssid = self.source;
        self.response = true;
        self
    }

    /// The frame without a radiotap header, with its FCS if it has one.
    pub fn bare(&self) -> Vec<u8> {
        let mut frame = FrameBuilder::new(MacAddr::new(self.source)).sequence_number(self.sequence);
        frame.destination = MacAddr::new(self.destination);
        frame.bssid = MacAddr::new(self.bssid);
        if self.response {
            frame.frame_control = [0x50, 0];
            // Timestamp, beacon interval, capabilities.
            frame.before_elements = vec![1, 2, 3, 4, 5, 6, 7, 8, 0x64, 0x00, 0x11, 0x04];
        }
        if let Some(ssid) = &self.ssid {
            frame = frame.ssid(ssid);
        }
        for (id, body) in &self.elements {
            frame = frame.element(*id, body);
        }
        match self.fcs {
            Fcs::None => frame.to_bytes(),
            Fcs::Good => frame.to_bytes_with_fcs(),
            Fcs::Bad | Fcs::MarkedBad => {
                let mut bytes = frame.to_bytes_with_fcs();
                let fcs_start = bytes.len() - 4;
                bytes[fcs_start..].iter_mut().for_each(|octet| *octet = !*octet);
                bytes
            }
        }
    }

    /// The frame with its radiotap header.
    pub fn build(&self) -> Vec<u8> {
        let header = RadiotapHeader {
            fcs_follows: self.fcs != Fcs::None,
            fcs_failed: self.fcs == Fcs::MarkedBad,
            frequency_mhz: self.frequency_mhz,
            signal_dbm: self.signal_dbm,
        };
        [header.to_bytes(), self.bare()].concat()
    }
}

/// Writes a capture file: pcap, little-endian, microseconds since 1970, complete packets.
pub fn write_pcap(path: &Path, dlt: u32, packets: &[(u64, Vec<u8>)]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&pcap_bytes(dlt, packets))?;
    file.into_inner().map_err(|error| error.into_error())?.sync_all()
}

/// The bytes of such a file.
pub fn pcap_bytes(dlt: u32, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
    bytes.extend_from_slice(&[2, 0, 4, 0]); // version 2.4
    bytes.extend_from_slice(&[0; 8]); // time zone, accuracy: always 0
    bytes.extend_from_slice(&65535_u32.to_le_bytes());
    bytes.extend_from_slice(&dlt.to_le_bytes());
    for (time_us, packet) in packets {
        push_pcap_record(&mut bytes, *time_us, packet);
    }
    bytes
}

/// Appends a packet to such bytes.
pub fn push_pcap_record(bytes: &mut Vec<u8>, time_us: u64, packet: &[u8]) {
    let seconds = u32::try_from(time_us / 1_000_000).expect("pcap counts seconds in 32 bits");
    let microseconds = (time_us % 1_000_000) as u32;
    let length = u32::try_from(packet.len()).expect("a packet fits 32 bits");
    for number in [seconds, microseconds, length, length] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(packet);
}

/// `a4:83:e7:4e:39:15` as six octets.
pub fn octets(address: &str) -> [u8; 6] {
    let parsed: Option<Vec<u8>> =
        address.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
    let parsed = parsed.and_then(|octets| octets.try_into().ok());
    parsed.unwrap_or_else(|| panic!("{address:?} is no MAC address with colons"))
}

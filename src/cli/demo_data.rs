//! A simulated street for the demo: phones with random addresses pass by, a neighbour's phone is there every evening,
//! one that nobody knows waits there at night, a tablet stays there, and a delivery van's tablet looks for its depot's
//! network.

use capture::{CaptureError, PcapWriter};
use dot11::builder::{FrameBuilder, RadiotapHeader};
use dot11::{LinkType, MacAddr};
use fastrand::Rng;

/// A tablet with a fixed address that looks for its home network.
pub(super) const RESIDENT: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);

/// The network that the van's tablet looks for.
pub(super) const VAN_NETWORK: &str = "ParcelDepot 7";

/// Days that the street was recorded before the demo: enough to learn which phones are usual.
const DAYS: i64 = 16;

const VAN: MacAddr = MacAddr::new([0x00, 0x23, 0xa7, 0x19, 0x5c, 0x02]);
const HOME: &str = "Elm Street 12";
const NETWORKS: [&str; 6] = ["Cafe Zentral", "eduroam", "FRITZ!Box 7590", "Vodafone-2F41", "📶 Oma", "Gäste"];
const CHANNELS_MHZ: [u16; 4] = [2412, 2437, 2462, 5180];

const MINUTE: i64 = 60_000_000;
const DAY_MINUTES: i64 = 24 * 60;

/// The elements after the SSID, by model: the same in all its probe requests.
type Elements = &'static [u8];
const PASSERS_BY: [Elements; 3] = [
    &[1, 4, 2, 4, 11, 22, 50, 8, 12, 18, 24, 36, 48, 72, 96, 108, 3, 1, 6, 221, 4, 0x00, 0x50, 0xf2, 8],
    &[1, 4, 2, 4, 11, 22, 50, 4, 12, 24, 48, 96, 127, 4, 0, 0, 0, 0x40],
    &[1, 8, 130, 132, 139, 150, 12, 18, 24, 36, 221, 5, 0x00, 0x17, 0xf2, 10, 0],
];
const TABLET: Elements = PASSERS_BY[0];
const VAN_TABLET: Elements = PASSERS_BY[2];
const NEIGHBOUR: Elements =
    &[1, 4, 2, 4, 11, 22, 50, 8, 12, 18, 24, 36, 48, 72, 96, 108, 45, 4, 0x6f, 0x01, 0x17, 0xff, 127, 1, 4];
const STRANGER: Elements =
    &[1, 4, 2, 4, 11, 22, 45, 4, 0x2d, 0x00, 0x17, 0xff, 191, 4, 0x32, 0x70, 0x80, 0x0f];

/// A phone that takes a new random address for each scan and goes on counting its frames.
struct Phone {
    elements: Elements,
    sequence: u16,
    signal_dbm: i8,
}

impl Phone {
    fn new(elements: Elements, rng: &mut Rng, signal_dbm: i8) -> Self {
        Self { elements, sequence: rng.u16(..4096), signal_dbm }
    }

    /// Writes one scan: mostly wildcard probe requests, now and then one for a network. Returns their number.
    fn scan(&mut self, file: &mut PcapWriter, rng: &mut Rng, time_us: i64) -> Result<u64, CaptureError> {
        let mut octets = [0; 6];
        rng.fill(&mut octets);
        octets[0] = octets[0] & 0xfc | 0x02;
        let frames = rng.u8(2..4);
        for frame in 0..frames {
            let ssid = if rng.u8(0..8) == 0 { NETWORKS[rng.usize(..NETWORKS.len())] } else { "" };
            self.sequence = (self.sequence + 1) % 4096;
            let sent = Sent {
                source: MacAddr::new(octets),
                ssid,
                elements: self.elements,
                sequence: self.sequence,
                signal_dbm: self.signal_dbm + rng.i8(-3..4),
            };
            sent.write(file, rng, time_us + i64::from(frame) * 20_000)?;
        }
        // It sent frames of other kinds meanwhile.
        self.sequence = (self.sequence + rng.u16(0..6)) % 4096;
        Ok(frames.into())
    }
}

/// Writes the days of the street that end at `now_us`, in µs since the Unix epoch. Returns the number of its probe
/// requests.
pub(super) fn write_days(file: &mut PcapWriter, rng: &mut Rng, now_us: i64) -> Result<u64, CaptureError> {
    let mut neighbour = Phone::new(NEIGHBOUR, rng, -58);
    let mut stranger = Phone::new(STRANGER, rng, -61);
    let mut passers_by: Vec<(Phone, i64)> = Vec::new();
    let mut probes = 0;
    let start = now_us - DAYS * DAY_MINUTES * MINUTE;
    for minute in 0..DAYS * DAY_MINUTES {
        let time = start + minute * MINUTE + rng.i64(0..MINUTE / 2);
        let of_day = time.div_euclid(MINUTE).rem_euclid(DAY_MINUTES);
        let is_last_night = minute >= (DAYS - 1) * DAY_MINUTES && (160..185).contains(&of_day);
        if rng.u8(0..12) == 0 {
            let (model, signal_dbm) = (rng.usize(..PASSERS_BY.len()), rng.i8(-88..-62));
            let phone = Phone::new(PASSERS_BY[model], rng, signal_dbm);
            passers_by.push((phone, minute + rng.i64(1..4)));
        }
        for (phone, _) in &mut passers_by {
            probes += phone.scan(file, rng, time)?;
        }
        passers_by.retain(|(_, until)| *until > minute);
        if (18 * 60..22 * 60).contains(&of_day) && rng.u8(0..4) == 0 {
            probes += neighbour.scan(file, rng, time + MINUTE / 4)?;
        }
        if is_last_night {
            probes += stranger.scan(file, rng, time + MINUTE / 3)?;
        }
        if !(9 * 60..17 * 60).contains(&of_day) && rng.u8(0..6) == 0 {
            let ssid = if rng.u8(0..3) == 0 { HOME } else { "" };
            resident(rng, ssid).write(file, rng, time)?;
            probes += 1;
        }
    }
    Ok(probes)
}

/// Writes the van's arrival at `now_us`, in µs since the Unix epoch.
pub(super) fn write_van(file: &mut PcapWriter, rng: &mut Rng, now_us: i64) -> Result<(), CaptureError> {
    Phone::new(PASSERS_BY[1], rng, -70).scan(file, rng, now_us)?;
    let sequence = rng.u16(..4000);
    for (number, ssid) in (0..).zip(["", VAN_NETWORK, VAN_NETWORK]) {
        let signal_dbm = -66 + i8::from(number == 1) * 2;
        let sequence = sequence + number;
        Sent { source: VAN, ssid, elements: VAN_TABLET, sequence, signal_dbm }.write(
            file,
            rng,
            now_us + 40_000 + i64::from(number) * 20_000,
        )?;
    }
    Ok(())
}

fn resident(rng: &mut Rng, ssid: &'static str) -> Sent {
    let (sequence, signal_dbm) = (rng.u16(..4096), rng.i8(-62..-44));
    Sent { source: RESIDENT, ssid, elements: TABLET, sequence, signal_dbm }
}

/// A probe request as a device sends it.
struct Sent {
    source: MacAddr,
    ssid: &'static str,
    elements: Elements,
    sequence: u16,
    signal_dbm: i8,
}

impl Sent {
    fn write(&self, file: &mut PcapWriter, rng: &mut Rng, time_us: i64) -> Result<(), CaptureError> {
        let header = RadiotapHeader {
            frequency_mhz: Some(CHANNELS_MHZ[rng.usize(..CHANNELS_MHZ.len())]),
            signal_dbm: Some(self.signal_dbm),
            ..RadiotapHeader::default()
        };
        let frame = FrameBuilder::new(self.source)
            .sequence_number(self.sequence)
            .ssid(self.ssid.as_bytes())
            .raw_elements(self.elements)
            .to_bytes();
        file.write(time_us, &[header.to_bytes(), frame].concat())
    }
}

/// A new capture file for [`write_days`] and [`write_van`].
pub(super) fn create(path: &std::path::Path) -> Result<PcapWriter, CaptureError> {
    PcapWriter::create(path, LinkType::Radiotap)
}

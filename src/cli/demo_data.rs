//! A simulated street for the demo: phones with random addresses pass by, a tablet lives there, and
//! a delivery van's tablet looks for its depot's network.

use capture::{CaptureError, PcapWriter};
use dot11::builder::{FrameBuilder, RadiotapHeader};
use dot11::{LinkType, MacAddr};
use fastrand::Rng;

/// A tablet with a fixed address that looks for its home network.
pub(super) const RESIDENT: MacAddr = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);

/// The network that the van's tablet looks for.
pub(super) const VAN_NETWORK: &str = "ParcelDepot 7";

const VAN: MacAddr = MacAddr::new([0x00, 0x23, 0xa7, 0x19, 0x5c, 0x02]);
const HOME: &str = "Elm Street 12";
const NETWORKS: [&str; 6] = ["Cafe Zentral", "eduroam", "FRITZ!Box 7590", "Vodafone-2F41", "📶 Oma", "Gäste"];
const CHANNELS_MHZ: [u16; 4] = [2412, 2437, 2462, 5180];

const MINUTE: i64 = 60_000_000;
const DAY_MINUTES: i64 = 24 * 60;

/// The elements after the SSID, by phone model: the same in all its probe requests.
const MODELS: [&[u8]; 3] = [
    &[1, 4, 2, 4, 11, 22, 50, 8, 12, 18, 24, 36, 48, 72, 96, 108, 3, 1, 6, 221, 4, 0x00, 0x50, 0xf2, 8],
    &[1, 4, 2, 4, 11, 22, 50, 4, 12, 24, 48, 96, 127, 4, 0, 0, 0, 0x40],
    &[1, 8, 130, 132, 139, 150, 12, 18, 24, 36, 221, 5, 0x00, 0x17, 0xf2, 10, 0],
];

/// Writes a day of the street that ends at `now_us`, in µs since the Unix epoch. Returns the number of its probe
/// requests.
pub(super) fn write_day(file: &mut PcapWriter, rng: &mut Rng, now_us: i64) -> Result<u64, CaptureError> {
    let mut probes = 0;
    for minute in 0..DAY_MINUTES {
        let time = now_us - (DAY_MINUTES - minute) * MINUTE;
        for _ in 0..rng.u8(0..4) {
            probes += write_passer_by(file, rng, time)?;
        }
        let is_home = !(9 * 60..17 * 60).contains(&minute);
        if is_home && rng.u8(0..6) == 0 {
            let ssid = if rng.u8(0..3) == 0 { HOME } else { "" };
            let signal = rng.i8(-62..-44);
            write(file, rng, time, RESIDENT, ssid, 0, signal)?;
            probes += 1;
        }
    }
    Ok(probes)
}

/// Writes the van's arrival at `now_us`, in µs since the Unix epoch.
pub(super) fn write_van(file: &mut PcapWriter, rng: &mut Rng, now_us: i64) -> Result<(), CaptureError> {
    write_passer_by(file, rng, now_us)?;
    write(file, rng, now_us + 40_000, VAN, "", 2, -66)?;
    write(file, rng, now_us + 60_000, VAN, VAN_NETWORK, 2, -64)?;
    write(file, rng, now_us + 90_000, VAN, VAN_NETWORK, 2, -63)
}

/// Writes a burst of a phone with a new random address: mostly wildcard probes, now and then a named network.
fn write_passer_by(file: &mut PcapWriter, rng: &mut Rng, time: i64) -> Result<u64, CaptureError> {
    let mut octets = [0; 6];
    rng.fill(&mut octets);
    octets[0] = octets[0] & 0xfc | 0x02;
    let (model, signal, burst) = (rng.usize(..MODELS.len()), rng.i8(-90..-50), rng.u8(1..4));
    for probe in 0..burst {
        let ssid = if rng.u8(0..5) == 0 { NETWORKS[rng.usize(..NETWORKS.len())] } else { "" };
        write(file, rng, time + i64::from(probe) * 20_000, MacAddr::new(octets), ssid, model, signal)?;
    }
    Ok(burst.into())
}

fn write(
    file: &mut PcapWriter,
    rng: &mut Rng,
    time_us: i64,
    source: MacAddr,
    ssid: &str,
    model: usize,
    signal_dbm: i8,
) -> Result<(), CaptureError> {
    let header = RadiotapHeader {
        frequency_mhz: Some(CHANNELS_MHZ[rng.usize(..CHANNELS_MHZ.len())]),
        signal_dbm: Some(signal_dbm),
        ..RadiotapHeader::default()
    };
    let frame = FrameBuilder::new(source)
        .sequence_number(rng.u16(0..4096))
        .ssid(ssid.as_bytes())
        .raw_elements(MODELS[model])
        .to_bytes();
    file.write(time_us, &[header.to_bytes(), frame].concat())
}

/// A new capture file for [`write_day`] and [`write_van`].
pub(super) fn create(path: &std::path::Path) -> Result<PcapWriter, CaptureError> {
    PcapWriter::create(path, LinkType::Radiotap)
}

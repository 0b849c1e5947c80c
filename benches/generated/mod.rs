//! Generates probe requests, the same in every run and on every machine. They resemble what Linux captures in a busy
//! street: a radiotap header of 36 bytes with the signal of the frame and of one antenna, the frame, its FCS.

#![allow(dead_code, reason = "each program uses a part of it")]

use dot11::MacAddr;
use dot11::builder::{self, FrameBuilder};

/// The default number of devices.
pub const DEVICES: u64 = 20_000;

/// The time of the first frame: 2020-04-18 17:04:27 UTC.
const START_US: i64 = 1_587_229_467_000_000;

/// The time from one frame to the next.
const PERIOD_US: i64 = 977;

/// Writes the probe request of this number, from one of `devices`, into `frame`, radio header included. Returns its
/// time in microseconds.
pub fn frame(number: u64, devices: u64, frame: &mut Vec<u8>) -> i64 {
    let dice = mix(number);
    let device = dice % devices;
    // Two in three are wildcard requests, the others ask for one of the device's four networks.
    let ssid = match (dice >> 40) % 3 {
        0 => ssid(device, (dice >> 48) % 4),
        _ => String::new(),
    };
    probe_request(number, address(device), &ssid, device % 12, frame)
}

/// Like [`frame`], but each probe request has its own random address and its own SSID.
pub fn flood_frame(number: u64, frame: &mut Vec<u8>) -> i64 {
    let dice = mix(number);
    let [a, rest @ ..] = mix(dice).to_le_bytes();
    let [b, c, d, e, f, ..] = rest;
    probe_request(number, [a & 0xfc | 0x02, b, c, d, e, f], &format!("{dice:016x}"), dice % 12, frame)
}

fn probe_request(number: u64, source: [u8; 6], ssid: &str, model: u64, frame: &mut Vec<u8>) -> i64 {
    let dice = mix(number);
    let time_us = START_US + PERIOD_US * number.cast_signed();
    let channel = 1 + (dice >> 20) % 13;
    let frequency_mhz = 2407 + 5 * channel as u16;
    let signal_dbm = (-30 - ((dice >> 28) % 60) as i8).cast_unsigned();

    // TSFT (aligned to eight bytes), flags, rate, channel, signal, RX flags; in a second word, one antenna's signal.
    let header = builder::radiotap(
        &[0xa000_402f, 0x0000_0820],
        &[
            &[0; 4],
            &time_us.to_le_bytes()[..],
            &[0x10, 2], // an FCS follows; 1 Mbit/s
            &frequency_mhz.to_le_bytes(),
            &0x00a0_u16.to_le_bytes(),
            &[signal_dbm, 0, 0, 0, signal_dbm, 0],
        ]
        .concat(),
    );
    let builder =
        FrameBuilder::new(MacAddr::new(source)).sequence_number((number % 4096) as u16).ssid(ssid.as_bytes());
    frame.clear();
    frame.extend(header);
    frame.extend(add_elements_of_model(builder, model, channel as u8).to_bytes_with_fcs());
    time_us
}

/// One device in four uses its global address, the others a random one.
fn address(device: u64) -> [u8; 6] {
    let [a, b, c, ..] = mix(!device).to_le_bytes();
    let [.., x, y, z] = device.to_be_bytes();
    if device.is_multiple_of(4) { [0xa4, 0x83, 0xe7, x, y, z] } else { [a & 0xfc | 0x02, b, c, x, y, z] }
}

fn ssid(device: u64, choice: u64) -> String {
    let network = mix(device ^ (choice << 32)) % 5000;
    match network % 5 {
        0 => format!("FRITZ!Box {network}"),
        1 => format!("Müllers WLAN {network}"),
        2 => format!("net{network}"),
        3 => format!("\"Guest\" {network}"),
        _ => format!("Vodafone-{network:08X}"),
    }
}

fn add_elements_of_model(frame: FrameBuilder, model: u64, channel: u8) -> FrameBuilder {
    let variant = model as u8;
    let mut ht = [0; 26];
    ht[..4].copy_from_slice(&[0x2d, 0x40 | variant, 0x1b, 0xff]);
    let mut frame = frame
        .element(1, &[0x02, 0x04, 0x0b, 0x16])
        .element(50, &[0x0c, 0x12, 0x18, 0x24, 0x30, 0x48, 0x60, 0x6c])
        .element(3, &[channel])
        .element(45, &ht)
        .element(127, &[0x04, 0x00, 0x08, 0x84, 0x00, variant, 0x00, 0x40]);
    if model.is_multiple_of(3) {
        frame = frame.element(191, &[0x92, 0x79, 0x80, 0x33, 0xfa, 0xff, 0, 0, 0xfa, 0xff, 0, variant]);
    }
    frame
        .element(221, &[0x00, 0x50, 0xf2, 0x08, 0x00, variant, 0x00])
        .element(221, &[0x00, 0x17, 0xf2, 0x0a, 0x00, 0x01, 0x04, 0, 0, 0, 0])
}

/// The finalizer of SplitMix64: numbers in a row become numbers without order.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

//! `pace_frames RATE COUNT [DEVICES]`: made-up probe requests as a capture on standard output, RATE of them a
//! second, as a radio would hear them.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../benches/generated/mod.rs"]
mod generated;

/// How often a second frames go out, all that are due at once.
const BURSTS_A_SECOND: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(rate), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pace_frames RATE COUNT [DEVICES]".into());
    };
    let (rate, count): (u64, u64) = (rate.parse()?, count.parse()?);
    let devices = arguments.next().map_or(Ok(generated::DEVICES), |devices| devices.parse())?;
    let mut output = io::stdout().lock();
    // pcap in little-endian: version 2.4, no cut, link type 127 (radiotap).
    let header: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 127];
    let mut bytes: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
    let mut frame = Vec::new();
    let start = Instant::now();
    for number in 0..count {
        let time_us = generated::frame(number, devices, &mut frame);
        let (seconds, micros) = (time_us / 1_000_000, time_us % 1_000_000);
        for field in [seconds as u32, micros as u32, frame.len() as u32, frame.len() as u32] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(&frame);
        if number % (rate / BURSTS_A_SECOND).max(1) == 0 {
            let due = start + Duration::from_micros(number * 1_000_000 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            output.write_all(&bytes)?;
            bytes.clear();
        }
    }
    Ok(output.write_all(&bytes)?)
}

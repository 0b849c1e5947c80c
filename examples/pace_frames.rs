//! `pace_frames RATE COUNT [DEVICES]`: writes COUNT generated probe requests as a capture file to standard output, RATE of
//! them per second, as a radio would deliver them.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

#[path = "../benches/generated/mod.rs"]
mod generated;

/// How many times per second the frames that are due are written.
const BURSTS_PER_SECOND: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(rate), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pace_frames RATE COUNT [DEVICES]".into());
    };
    let (rate, count): (u64, u64) = (rate.parse()?, count.parse()?);
    let devices = arguments.next().map_or(Ok(generated::DEVICES), |devices| devices.parse())?;
    let mut output = io::stdout().lock();
    // A little-endian pcap header: version 2.4, snaplen 65,535, link type 127 (radiotap).
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
        if number % (rate / BURSTS_PER_SECOND).max(1) == 0 {
            let due = start + Duration::from_micros(number * 1_000_000 / rate);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            output.write_all(&bytes)?;
            bytes.clear();
        }
    }
    Ok(output.write_all(&bytes)?)
}

//! `generate_frames FILE COUNT [DEVICES | flood] [FIRST]`: a capture file of made-up probe requests, the same at
//! every run, of so many devices (20,000 where nothing is said) or each of a device and for an SSID of its own.
//! Another FIRST (0 where nothing is said) gives other frames, heard after those that were asked for before.

use std::env;
use std::error::Error;

use probewatch::capture::PcapWriter;
use probewatch::dot11::LinkType;

#[path = "../benches/generated/mod.rs"]
mod generated;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: generate_frames FILE COUNT [DEVICES | flood] [FIRST]".into());
    };
    let devices = match arguments.next().as_deref() {
        None => Some(generated::DEVICES),
        Some("flood") => None,
        Some(devices) => Some(devices.parse()?),
    };
    let first: u64 = arguments.next().map_or(Ok(0), |first| first.parse())?;
    let count: u64 = count.parse()?;
    let mut file = PcapWriter::create(path, LinkType::Radiotap)?;
    let mut frame = Vec::new();
    for number in first..first + count {
        let time_us = match devices {
            Some(devices) => generated::frame(number, devices, &mut frame),
            None => generated::flood_frame(number, &mut frame),
        };
        file.write(time_us, &frame)?;
    }
    Ok(file.finish()?)
}

//! `generate_frames FILE COUNT [DEVICES | flood] [FIRST]`: writes a capture file of COUNT generated probe requests, the
//! same in every run. They come from DEVICES devices (default 20,000), or with `flood` each from a device of its own and
//! for an SSID of its own. FIRST (default 0) is the number of the first frame; frames of higher numbers come later.

use std::env;
use std::error::Error;

use capture::PcapWriter;
use dot11::LinkType;

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

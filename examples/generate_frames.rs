//! `generate_frames FILE COUNT`: a capture file of made-up probe requests, the same at every run.

use std::env;
use std::error::Error;

use probewatch::capture::FrameWriter;
use probewatch::dot11::LinkType;

#[path = "../benches/generated/mod.rs"]
mod generated;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: generate_frames FILE COUNT".into());
    };
    let mut file = FrameWriter::create(path, LinkType::Radiotap)?;
    let mut frame = Vec::new();
    for number in 0..count.parse()? {
        let time_us = generated::frame(number, &mut frame);
        file.write(time_us, &frame)?;
    }
    Ok(file.finish()?)
}

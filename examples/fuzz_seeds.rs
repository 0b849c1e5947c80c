//! `fuzz_seeds CORPUS [CAPTURES]`: writes the frames and files from which the fuzz targets start: generated ones and, if
//! the folder of captures exists, recorded ones.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use capture::PcapWriter;
use dot11::{LinkType, builder};

#[path = "../benches/generated/mod.rs"]
mod generated;

/// How many frames of each recorded capture are used.
const FRAMES_PER_CAPTURE: usize = 40;
/// Larger files and frames only slow the fuzzer down.
const MAX_FILE_BYTES: u64 = 32 << 10;
const MAX_FRAME_BYTES: usize = 512;

/// The length of a generated frame's radiotap header.
const RADIOTAP_BYTES: usize = 36;

struct Corpus(PathBuf);

impl Corpus {
    /// Adds a seed of this name for a target.
    fn add(&self, target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let corpus = Corpus(arguments.next().ok_or("usage: fuzz_seeds CORPUS [CAPTURES]")?);
    add_generated(&corpus)?;
    match arguments.next().filter(|captures| captures.is_dir()) {
        Some(captures) => add_recorded(&corpus, &captures),
        None => Ok(()),
    }
}

fn add_generated(corpus: &Corpus) -> Result<(), Box<dyn Error>> {
    let ppi = builder::ppi(0, 105, &[(2, &builder::ppi_common(1, 2437, -42))]);
    let prism = builder::prism(false, (0, 6), (0, -42));
    let avs = builder::avs(0x8021_1001, 6, 2, -42);

    fs::create_dir_all(corpus.0.join("file"))?;
    let mut file = PcapWriter::create(corpus.0.join("file/generated.pcap"), LinkType::Radiotap)?;
    let mut frame = Vec::new();
    for number in 0..8 {
        let time_us = generated::frame(number, generated::DEVICES, &mut frame);
        file.write(time_us, &frame)?;
        let name = format!("generated-{number}");
        let bare = frame.get(RADIOTAP_BYTES..).unwrap_or_default();
        corpus.add("radiotap", &name, &frame)?;
        corpus.add("frame", &name, bare)?;
        corpus.add("ppi", &name, &[&ppi, bare].concat())?;
        corpus.add("prism", &name, &[&prism, bare].concat())?;
        corpus.add("avs", &name, &[&avs, bare].concat())?;
    }
    file.finish()?;
    for (name, line) in [
        (
            "probe",
            r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","alerts":[{"decision":"raise","chat":1,"reason":"the van","swallowed":2}]}"#,
        ),
        (
            "behind",
            r#"{"type":"probe","time":"1970-01-01T00:00:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":null,"signal_dbm":null,"frequency_mhz":null,"sequence":0,"signature":"9f1c06d2ab47e310","not_before":"2026-11-22T00:00:00.000000Z"}"#,
        ),
        (
            "device_info",
            r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","device_info":{"manufacturer":"samsung","p2p_name":"[TV] Zoë","uuid":"07070707-0707-0707-0707-070707070707","device_type":"7-0050F204-1"}}"#,
        ),
        (
            "watch",
            r#"{"type":"watch","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"ssid_hex":"ff","reason":null}"#,
        ),
        (
            "name",
            r#"{"type":"name","time":"1970-01-01T00:00:00.000000Z","address":"a4:83:e7:4e:39:15","name":"Zoë","by":"config"}"#,
        ),
        ("signature", r#"{"type":"signature","signature":"9f1c06d2ab47e310","elements":"0001ff"}"#),
        ("delivered", r#"{"type":"delivered","time":"1970-01-01T00:00:00.000000Z","probe":7,"chat":1}"#),
    ] {
        corpus.add("event", name, line.as_bytes())?;
    }
    Ok(())
}

fn add_recorded(corpus: &Corpus, captures: &Path) -> Result<(), Box<dyn Error>> {
    for folder in ["real", "crashers"] {
        for entry in fs::read_dir(captures.join(folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.metadata()?.len() <= MAX_FILE_BYTES {
                corpus.add("file", &name, &fs::read(entry.path())?)?;
            }
            // A file that libpcap refuses is a seed for the target `file` only.
            let Ok(mut frames) = pcap::Capture::from_file(entry.path()) else { continue };
            let target = match LinkType::from_dlt(frames.get_datalink().0) {
                Some(LinkType::Ieee80211) => "frame",
                Some(LinkType::Radiotap) => "radiotap",
                Some(LinkType::Ppi) => "ppi",
                Some(LinkType::Prism) => "prism",
                Some(LinkType::Avs) => "avs",
                None => continue,
            };
            for number in 0..FRAMES_PER_CAPTURE {
                let Ok(packet) = frames.next_packet() else { break };
                let bytes = packet.data.get(..MAX_FRAME_BYTES).unwrap_or(packet.data);
                corpus.add(target, &format!("{name}-{number}"), bytes)?;
            }
        }
    }
    for entry in fs::read_dir(captures.join("radiotap-vectors"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "bin") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            corpus.add("radiotap", &name, &fs::read(&path)?)?;
        }
    }
    Ok(())
}

//! A frame whose time cannot be right, later than now or before 2000, counts like any other and passes for no recent
//! one: in a file it counts at the time of the frame before it, and what comes through a pipe was captured now.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use store::event::{EventKind, Probe};

use crate::commands::{Data, stderr, stdout};
use crate::support::bot_api::BotApi;
use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, pcap_bytes, write_pcap};
use crate::support::process;
use crate::support::recorder::events;
use crate::support::service::{Config, Service, probewatch, toml_string};
use crate::support::wait_until;

const GLITCH: &str = "a4:83:e7:4e:39:15";
const OTHER: &str = "a4:83:e7:00:00:01";

/// 2106-02-07, the last second that a pcap file counts.
const LAST: u64 = 4_294_967_295_000_000;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn frame(source: &str, sequence: u16) -> Vec<u8> {
    ProbeRequestFrame::new(source).sequence(sequence).ssid("RNM0").signal(-40).build()
}

/// What the chat on the terminal answers without a service.
fn ask(data: &Data, line: &str) -> String {
    let answer = data.run(&["chat"], &format!("{line}\n"));
    assert!(answer.status.success(), "{}", stderr(&answer));
    stdout(&answer)
}

fn status(data: &Data) -> serde_json::Value {
    serde_json::from_slice(&data.run(&["status", "--json"], "").stdout).unwrap()
}

/// The position of the device in the list.
fn place(list: &str, device: &str) -> usize {
    list.find(device).unwrap_or_else(|| panic!("{device} is not in {list}"))
}

#[test]
fn a_frame_from_the_future_among_others_counts_at_the_time_before_it() {
    let start = now() - 24 * HOUR;
    let data = Data::new(&[
        (start, frame(GLITCH, 1)),
        (LAST, frame(GLITCH, 2)),
        (start + 2 * SECOND, frame(GLITCH, 3)),
        (start + HOUR, frame(OTHER, 4)),
    ]);
    let (found, _) = data.json(GLITCH);
    assert_eq!(found["probe_count"], json!(3));
    assert!(
        found["last_probe"].as_str().unwrap()
            < found["first_probe"].as_str().unwrap().replace("20", "21").as_str()
    );
    let devices = ask(&data, "/devices");
    assert!(place(&devices, OTHER) < place(&devices, GLITCH), "{devices}");
    let nearby = ask(&data, "/nearby 60");
    assert!(!nearby.contains(GLITCH) && !nearby.contains(OTHER), "{nearby}");
    assert!(ask(&data, "/nearby 1500").contains(GLITCH));
    let card = ask(&data, GLITCH);
    assert!(card.contains("Latest probe: "), "{card}");
    assert!(!card.contains("just now") && !card.contains("2106") && !card.contains("unknown"), "{card}");
    let last = status(&data)["last_probe"].as_str().unwrap().to_owned();
    assert_eq!(last, data.json(OTHER).0["last_probe"].as_str().unwrap());
    let doctor = stdout(&probewatch(&["doctor", "-c", &data.path("config.toml")]));
    assert!(!doctor.contains("the latest probe is from"), "{doctor}");
}

#[test]
fn the_first_frames_count_at_the_first_right_time() {
    let start = now() - 24 * HOUR;
    let data = Data::new(&[
        (17 * SECOND, frame(GLITCH, 1)),
        (LAST, frame(GLITCH, 2)),
        (start, frame(OTHER, 3)),
        (5, frame(OTHER, 4)),
    ]);
    let first = data.json(OTHER).0["first_probe"].clone();
    for device in [GLITCH, OTHER] {
        let found = data.json(device).0;
        assert_eq!((&found["first_probe"], &found["last_probe"]), (&first, &first), "{device}");
    }
}

#[test]
fn a_file_of_which_no_time_is_right_has_an_unknown_time() {
    for (name, begin) in [
        ("the future", now() + 400 * 24 * HOUR),
        ("minutes ahead", now() + HOUR / 6),
        ("a boot", 12 * SECOND),
    ] {
        let past = now() - 24 * HOUR;
        let data = Data::new(&[(past, frame(OTHER, 1))]);
        let path = data.path("other.pcap");
        let frames = [(begin, frame(GLITCH, 1)), (begin + 5 * SECOND, frame(GLITCH, 2))];
        write_pcap(path.as_ref(), DLT_IEEE802_11_RADIO, &frames).unwrap();
        let replayed = data.run(&["replay", &path], "");
        assert!(
            stdout(&replayed).contains("2 have a time in the future or before 2000"),
            "{}",
            stdout(&replayed)
        );
        let devices = ask(&data, "/devices");
        assert!(place(&devices, OTHER) < place(&devices, GLITCH), "{name}: {devices}");
        assert!(devices.contains("at an unknown time"), "{name}: {devices}");
        let nearby = ask(&data, "/nearby 1440");
        assert!(!nearby.contains(GLITCH), "{name}: {nearby}");
        let card = ask(&data, GLITCH);
        assert!(card.contains("Latest probe: at an unknown time"), "{name}: {card}");
        assert_eq!(data.json(GLITCH).0["probe_count"], json!(2));
        assert_eq!(status(&data)["last_probe"], data.json(OTHER).0["last_probe"], "{name}");
        let doctor = stdout(&probewatch(&["doctor", "-c", &data.path("config.toml")]));
        assert!(!doctor.contains("the latest probe is from"), "{name}: {doctor}");
    }
}

fn probes(service: &Service) -> Vec<Probe> {
    let probe = |(_, event): (_, store::event::Event)| match event.kind {
        EventKind::Probe(probe) => Some(probe),
        _ => None,
    };
    events(&service.data_dir()).into_iter().filter_map(probe).collect()
}

/// The service has four sources at once: a file, a named pipe, standard input, and a command whose clock is two hours
/// behind.
#[test]
fn live_sources_count_at_the_time_of_arrival_and_files_at_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert!(process::output(Command::new("mkfifo").arg(path("pipe"))).status.success());
    let started = now();
    let old = started - 24 * HOUR;
    let capture = |first: u8, times: &[u64]| {
        let frames: Vec<_> = (first..)
            .zip(times)
            .map(|(number, time)| (*time, frame(&format!("a4:83:e7:00:00:{number:02x}"), number.into())))
            .collect();
        pcap_bytes(DLT_IEEE802_11_RADIO, &frames)
    };
    fs::write(path("file"), capture(0x10, &[old, LAST, old + SECOND])).unwrap();
    fs::write(path("behind"), capture(0x20, &[started - 2 * HOUR, started - 2 * HOUR + SECOND, LAST]))
        .unwrap();
    let command = toml_string(&format!("cat {}; exec sleep 1000", path("behind")));
    let sources = format!(
        "[{{ command = {command}, name = \"command\" }}, {{ file = {:?}, name = \"file\" }}, \
          {{ file = {:?}, name = \"pipe\" }}, \"-\"]",
        path("file"),
        path("pipe")
    );
    let api = BotApi::start();
    let mut service = Service::start_with(&api, Config::new(&api).set("capture", "sources", &sources));
    // Opening the pipe waits for the reader.
    fs::write(path("pipe"), capture(0x30, &[130 * SECOND, old, LAST])).unwrap();
    let mut stdin = service.take_stdin();
    std::io::Write::write_all(&mut stdin, &capture(0x40, &[15 * SECOND, old, LAST])).unwrap();
    wait_until("all probes", || (probes(&service).len() >= 12).then_some(()));
    let config = service.config_path().to_str().unwrap().to_owned();
    let nearby =
        stdout(&crate::support::service::probewatch_with_input(&["chat", "-c", &config], b"/nearby 5\n"));
    let status = stdout(&probewatch(&["status", "-c", &config]));
    drop(stdin);
    assert!(service.terminate().success());
    let ended = now();
    let is_now = |number: u8| {
        let of = |probe: &&Probe| probe.source.octets()[5] == number;
        let time = probes(&service).iter().find(of).unwrap().corrected_time().as_micros().cast_unsigned();
        match (started..=ended).contains(&time) {
            true => "now",
            false if time.abs_diff(old) <= SECOND => "old",
            false => panic!("{number:x} counts at {time}"),
        }
    };
    for (first, expected) in [
        (0x10, ["old", "old", "old"]),
        (0x20, ["now", "now", "now"]),
        (0x30, ["now", "old", "now"]),
        (0x40, ["now", "old", "now"]),
    ] {
        assert_eq!([0, 1, 2].map(|more| is_now(first + more)), expected, "{first:x}");
        for (more, expected) in expected.into_iter().enumerate() {
            let device = format!("a4:83:e7:00:00:{:02x}", first + more as u8);
            assert_eq!(nearby.contains(&device), expected == "now", "{device} in {nearby}");
        }
    }
    assert!(!status.contains("2106") && !status.contains("unknown time"), "{status}");
}

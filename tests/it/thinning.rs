//! A flood of invented addresses does not push out the history before it: its probes leave the log first. What else was
//! recorded stays, and so does the state that follows from it, whenever the power fails.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use dot11::{MacAddr, RequestedSsid, Ssid};
use serde_json::{Value, json};
use store::event::{Event, EventKind, NamedBy, Offset, Probe, Timestamp};
use store::event_log::{Rotation, Writer, encode_line};
use store::recorder::{RecorderSettings, Retention};

use crate::support::bot_api::BotApi;
use crate::support::faulty_disk::{Fault, FaultyDisk, Leftover};
use crate::support::log::{HOUR, open, recover};
use crate::support::recorder::{
    Input, Running, addresses, assert_same, events, open_offline, probe, settings,
};
use crate::support::service::{Config, Service, probewatch};
use crate::support::wait_until;

const MINUTE_MICROS: i64 = 60_000_000;

/// When the flood begins.
const FLOOD_MICROS: i64 = 600_000 * MINUTE_MICROS;

/// A number for this one, as from a random generator (splitmix64).
fn random(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// An address that is sent from once.
pub fn invented(number: u64) -> [u8; 6] {
    let [.., a, b, c, d] = random(number).to_be_bytes();
    [0x02, a, b, c, d, number as u8]
}

pub fn is_invented(source: MacAddr) -> bool {
    source.octets()[0] == 0x02
}

/// A text that does not compress.
pub fn text(number: u64, length: u64) -> String {
    (1..=length).map(|at| char::from(b'A' + (random(number * 64 + at) % 58) as u8)).collect()
}

/// Of a flood of 20 frames a second.
fn flood_probe(number: u64) -> Probe {
    let source = invented(number);
    let ssid = RequestedSsid::Named(Ssid::from(text(number, 30).as_str()));
    let probe = probe(MacAddr::new(source), ssid, FLOOD_MICROS + number as i64 * 50_000);
    Probe { sequence: u16::from_be_bytes([source[1] % 16, source[2]]), ..probe }
}

pub fn log_bytes(data_dir: &Path) -> u64 {
    let files = fs::read_dir(data_dir.join("events")).unwrap();
    files.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len())).sum()
}

/// What is neither of the flood nor about the thinning.
fn without_flood(log: Vec<(Offset, Event)>) -> Vec<Event> {
    let kept = log.into_iter().map(|(_, event)| event).filter(|event| match &event.kind {
        EventKind::Probe(probe) => !is_invented(probe.source),
        EventKind::Omitted { .. } | EventKind::Thinned { .. } => false,
        _ => true,
    });
    kept.collect()
}

/// Records what was before the flood, and the flood, with a device in every twentieth frame.
fn record(running: &Running, flood: u64) {
    let [alice, passer_by, neighbour, ..] = addresses()[..] else { unreachable!() };
    let name = EventKind::Name { address: alice, name: "Alice".into(), by: NamedBy::Chat };
    running.record(&Input::Change(Event::new(Timestamp::from_micros(0), name)));
    for minute in 0..600 {
        let source = if minute == 300 { passer_by } else { alice };
        let minute = i64::from(minute);
        running.record(&Input::Probe(probe(source, RequestedSsid::Wildcard, minute * MINUTE_MICROS)));
    }
    for number in 0..flood {
        let flood = flood_probe(number);
        if number % 20 == 0 {
            let neighbour = probe(neighbour, RequestedSsid::Wildcard, flood.time.as_micros());
            running.record(&Input::Probe(neighbour));
        }
        running.record(&Input::Probe(flood));
        if number % 100 == 0 {
            running.sync();
        }
    }
    running.sync();
}

#[test]
fn a_flood_leaves_the_log_before_older_events_do() {
    const FLOOD: u64 = 6000;
    const LIMIT: u64 = 160 << 10;
    let keeping = |data_dir: &Path, log_bytes| RecorderSettings {
        rotation: Rotation { bytes: 16 << 10, age: HOUR },
        retention: Retention { log_bytes, ..Retention::default() },
        ..settings(data_dir)
    };
    let (whole, limited) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = Running::start(keeping(whole.path(), None));
    record(&running, FLOOD);
    running.stop();
    assert!(log_bytes(whole.path()) > LIMIT * 3 / 2, "{}", log_bytes(whole.path()));

    let data_dir = limited.path();
    let running = Running::start(keeping(data_dir, Some(LIMIT)));
    record(&running, FLOOD);
    wait_until("the log to be thinned", || (log_bytes(data_dir) <= LIMIT).then_some(()));
    running.stop();
    let log = events(data_dir);
    assert_eq!(log[0].0, Offset(0), "nothing was pushed out");
    let mut next = Offset(0);
    for (offset, event) in &log {
        assert_eq!(*offset, next, "{event:?}");
        next = event.end(*offset);
    }
    let left = log
        .iter()
        .filter(|(_, event)| matches!(&event.kind, EventKind::Probe(probe) if is_invented(probe.source)));
    let left = left.count() as u64;
    assert!(left < FLOOD * 2 / 3, "{left} are left");
    assert_eq!(without_flood(log), without_flood(events(whole.path())));

    let mut stored = open_offline(data_dir);
    let check = stored.check(10, &mut |_| {}).unwrap();
    assert_eq!((check.damaged, check.differences.count), (0, 0), "{check:?}");
    let state = stored.state(&mut |_| {}).unwrap();
    assert_eq!(state.totals().thinned_probes, FLOOD - left);
    assert_eq!(state.totals().probes, 600 + FLOOD + FLOOD / 20, "they still count");
    assert_same(&state, &stored.rebuild(&mut |_| {}).unwrap());
}

/// A log with a sealed segment of a flood, and another after it.
fn log_of_flood(disk: &FaultyDisk) -> Writer {
    let mut writer = open(disk, Rotation { bytes: 4096, age: HOUR }).unwrap();
    for number in 0..60 {
        let probe = match number % 20 {
            0 => probe(addresses()[0], RequestedSsid::Wildcard, FLOOD_MICROS + number as i64),
            _ => flood_probe(number),
        };
        writer.append(&Event::from(probe)).unwrap();
        writer.sync().unwrap();
    }
    // Wait for the sealing, so that the operations have a fixed order.
    drop(writer.read_from(Offset(u64::MAX)));
    writer
}

/// Leaves all probes of invented addresses out of the first segment.
fn thin(writer: &mut Writer) -> Option<u64> {
    let thinner = writer.thinner(Offset(0)).expect("it is sealed");
    let is_left_out =
        |event: &Event| matches!(&event.kind, EventKind::Probe(probe) if is_invented(probe.source));
    let thinned = thinner.thin(|event| ControlFlow::Continue(is_left_out(event))).ok()??;
    let omitted = thinned.omitted;
    writer.note_thinned(thinned);
    Some(omitted)
}

/// Checks that the log has every event, or none of the flood in its first segment. Returns how many it has.
#[track_caller]
fn assert_whole(disk: &FaultyDisk, omitted: u64, what: &str) -> usize {
    let log = recover(disk).unwrap();
    let found: Vec<_> = log
        .read_from(Offset(0))
        .map(|entry| entry.unwrap_or_else(|error| panic!("{what}: {error}")))
        .collect();
    let mut next = Offset(0);
    for (offset, event) in &found {
        assert_eq!(*offset, next, "{what}: {event:?}");
        next = event.end(*offset);
    }
    assert_eq!(next, Offset(60), "{what}");
    assert_eq!(
        found.iter().filter(|(_, event)| event.address() == Some(addresses()[0])).count(),
        3,
        "{what}"
    );
    let probes = found.iter().filter(|(_, event)| matches!(event.kind, EventKind::Probe(_))).count();
    assert!([60, 60 - omitted as usize].contains(&probes), "{what}: {probes} probes");
    probes
}

#[test]
fn a_power_cut_leaves_a_segment_as_it_was_or_thinned() {
    let disk = FaultyDisk::default();
    let mut writer = log_of_flood(&disk);
    disk.keep_images();
    let omitted = thin(&mut writer).expect("it becomes smaller");
    assert!(omitted > 10, "{omitted}");
    drop(writer);
    let mut found = Vec::new();
    for leftover in [Leftover::Nothing, Leftover::Half, Leftover::Zeros] {
        for (number, image) in disk.images(leftover).iter().enumerate() {
            found.push(assert_whole(image, omitted, &format!("{leftover:?} at {number}")));
        }
    }
    found.push(assert_whole(&disk, omitted, "in the end"));
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 2, "both happened");
}

#[test]
fn a_failing_disk_leaves_a_segment_as_it_was_or_thinned() {
    let whole = FaultyDisk::default();
    let mut writer = log_of_flood(&whole);
    let first = whole.operations();
    let omitted = thin(&mut writer).unwrap();
    drop(writer);
    for operation in first..whole.operations() {
        let disk = FaultyDisk::default();
        let mut writer = log_of_flood(&disk);
        disk.fail(Fault {
            operations: operation..operation + 1,
            only: None,
            errno: libc::EIO,
            is_short: false,
        });
        let _ = thin(&mut writer);
        drop(writer);
        disk.fail(Fault { operations: 0..0, only: None, errno: libc::EIO, is_short: false });
        assert_whole(&disk, omitted, &format!("operation {operation}"));
    }
}

#[test]
fn a_corrupt_segment_is_left_to_the_repair() {
    let disk = FaultyDisk::default();
    let mut writer = log_of_flood(&disk);
    let name = format!("{:020}.ndjson.zst", 0);
    let before = disk.bytes(&name);
    disk.change(&name, |bytes| bytes.truncate(bytes.len() / 2));
    assert_eq!(thin(&mut writer), None);
    assert_eq!(disk.bytes(&name), before[..before.len() / 2]);
    assert!(disk.names().iter().all(|name| !name.ends_with(".tmp")), "{:?}", disk.names());
}

/// Writes a sealed segment with a line for each of these probes. Those of the flood have device information, so that
/// few fill the log.
pub fn write_segment(events: &Path, base: u64, probes: impl Iterator<Item = (u64, Probe)>) {
    let path = events.join(format!("{base:020}.ndjson.zst"));
    let mut file = zstd::Encoder::new(fs::File::create(path).unwrap(), 1).unwrap();
    file.include_checksum(true).unwrap();
    for (offset, probe) in probes {
        let mut line = Vec::new();
        encode_line(Offset(offset), &Event::from(probe.clone()), &mut line).unwrap();
        let mut line = String::from_utf8(line).unwrap();
        if is_invented(probe.source) {
            let [maker, model, number, name] = [0, 1, 2, 3].map(|part| text(offset * 4 + part, 62));
            let info = json!({
                "manufacturer": maker, "model_name": model, "model_number": number, "device_name": name,
            });
            line = line.replace("}\n", &format!(",\"device_info\":{info}}}\n"));
        }
        file.write_all(line.as_bytes()).unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn the_service_thins_a_log_beyond_its_limit() {
    const FLOOD: u64 = 12_000;
    const PER_SEGMENT: u64 = 1500;
    const DAYS: u64 = 365;
    let api = BotApi::start();
    let config = Config::new(&api).sources(&["-"]);
    let config = config.set("record", "segment_mebibytes", "1").set("retention", "log_mebibytes", "4");
    let mut service = Service::start_with(&api, config);
    service.wait_for_log_event("webhook_registered", &[]);
    assert!(service.terminate().success());
    let data_dir = service.data_dir();
    let events = data_dir.join("events");
    fs::remove_dir_all(&data_dir).unwrap();
    fs::create_dir_all(&events).unwrap();

    let neighbour = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
    let of_day = |day: u64| {
        let time = FLOOD_MICROS - (DAYS - day) as i64 * 1440 * MINUTE_MICROS;
        (day, probe(neighbour, RequestedSsid::Wildcard, time))
    };
    write_segment(&events, 0, (0..DAYS).map(of_day));
    for first in (0..FLOOD).step_by(PER_SEGMENT as usize) {
        let of_flood = |number: u64| match number % 100 {
            0 => (DAYS + number, Probe { source: neighbour, ..flood_probe(number) }),
            _ => (DAYS + number, flood_probe(number)),
        };
        write_segment(&events, DAYS + first, (first..first + PER_SEGMENT).map(of_flood));
    }
    let before = log_bytes(&data_dir);
    assert!(before > 9 << 18, "{before}");

    service.restart();
    service.wait_for_log_event("webhook_registered", &[]);
    let config = service.config_path().to_str().unwrap().to_owned();
    let status = || -> Value {
        serde_json::from_slice(&probewatch(&["status", "--json", "-c", &config]).stdout).unwrap()
    };
    wait_until("a thinned log", || {
        let status = status();
        (status["thinned_probes"].as_u64()? > 0 && log_bytes(&data_dir) < 2 << 20).then_some(())
    });
    let check = || {
        let check = probewatch(&["check", "-c", &config]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    };
    check();
    assert!(service.terminate().success());
    check();
    let status = status();
    assert_eq!(status["log"]["oldest"], of_day(0).1.time.to_string(), "the year before is there");
    assert_eq!(status["probes"], DAYS + FLOOD);
    let thinned = status["thinned_probes"].as_u64().unwrap();
    let report = probewatch(&["status", "-c", &config]);
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains(&format!("{thinned} probes of invented addresses")), "{report}");
    let events = probewatch(&["export", "events", "-c", &config]).stdout;
    let events = String::from_utf8(events).unwrap();
    let source = format!("\"source\":\"{neighbour}\"");
    let of_neighbour = events.lines().filter(|line| line.contains(&source)).count() as u64;
    assert_eq!(of_neighbour, DAYS + FLOOD / 100, "every probe of a device is there");
    let probes = events.lines().filter(|line| line.contains("\"type\":\"probe\"")).count() as u64;
    assert_eq!(probes + thinned, DAYS + FLOOD, "the others are counted");
}

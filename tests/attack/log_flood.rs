//! Invented addresses, each heard once, would fill the log's limit and more. What was recorded in the year before stays, and
//! the probes that leave are counted.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use dot11::{MacAddr, RequestedSsid};
use serde_json::Value;
use store::event::{EventKind, Probe, Timestamp};

use crate::support::frames::ProbeRequestFrame;
use crate::support::recorder::{events, open_offline, probe};
use crate::support::service::{Config, probewatch};
use crate::support::testbed::{Mode, Testbed};
use crate::support::wait_until;
use crate::thinning::{invented, is_invented, log_bytes, text, write_segment};

/// The limit of the log: a thousandth of the default.
const LIMIT_MEBIBYTES: u64 = 4;

/// What sealed segments may take of it. The rest is for two that are not sealed yet.
const ROOM: u64 = 2 << 20;

/// A probe of the flood has at least so many random bytes: those of its texts, and of its address.
const BYTES: u64 = 200;

/// It would fill that six times. Programs that are not optimised take too long to record so many.
const FLOOD: u64 = if cfg!(debug_assertions) { 16_000 } else { 6 * ROOM / BYTES };

/// One frame in so many comes from the neighbour.
const NEIGHBOUR_EVERY: u64 = 50;
const NEIGHBOUR: [u8; 6] = [0xa4, 0x83, 0xe7, 0, 0, 1];

/// How long the flood may take. A test ends after 120 seconds.
const TIME_LIMIT: Duration = Duration::from_secs(80);

const DAYS: u64 = 360;
const PROBES_A_DAY: u64 = 24;
const DAY: Duration = Duration::from_secs(86_400);

/// A probe of the year before: by turns a device, and a passer-by whose random address was never heard again.
fn old_probe(number: u64, start: Timestamp) -> Probe {
    let [.., a, b] = number.to_be_bytes();
    let source = match number % 4 {
        0 => [0xda, 0xa1, 0x19, 0, a, b],
        device => [0xa4, 0x83, 0xe7, 0, 1, device as u8],
    };
    let time = start.saturating_add(DAY / PROBES_A_DAY as u32 * number as u32);
    probe(MacAddr::new(source), RequestedSsid::Wildcard, time.as_micros())
}

/// Writes twelve segments of a month, each as old as its newest event.
fn write_history(events: &Path, start: Timestamp) {
    fs::create_dir_all(events).unwrap();
    let per_month = DAYS * PROBES_A_DAY / 12;
    for month in 0..12 {
        let first = month * per_month;
        let numbers = first..first + per_month;
        write_segment(events, first, numbers.map(|number| (number, old_probe(number, start))));
        let newest = SystemTime::from(old_probe(first + per_month, start).time);
        let path = events.join(format!("{first:020}.ndjson.zst"));
        fs::File::options().append(true).open(path).unwrap().set_modified(newest).unwrap();
    }
}

/// A frame of the flood. Its texts do not compress.
fn flood_frame(number: u64) -> Vec<u8> {
    let attribute = |kind: u16, value: &str| {
        [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value.as_bytes()].concat()
    };
    let texts = (0..).zip([0x1021, 0x1023, 0x1024, 0x1011]);
    let texts = texts.flat_map(|(at, kind)| attribute(kind, &text(number * 8 + at, 62)));
    let setup: Vec<u8> = [0x00, 0x50, 0xf2, 4].into_iter().chain(texts).collect();
    let source = if number.is_multiple_of(NEIGHBOUR_EVERY) { NEIGHBOUR } else { invented(number) };
    let frame = ProbeRequestFrame::from_octets(source).ssid(text(number * 8 + 7, 30));
    frame.sequence((number * 7 % 4096) as u16).element(221, setup).build()
}

#[test]
#[ignore = "long: tests/attack/run"]
fn a_flood_that_would_fill_the_log_pushes_out_nothing_of_the_year_before() {
    let limit = LIMIT_MEBIBYTES.to_string();
    let set_up = |config: Config| {
        let config = config.set("record", "segment_mebibytes", "1").set("retention", "log_mebibytes", &limit);
        // The state keeps all addresses, to compare the log with it.
        config.set("retention", "random_address_days", "0")
    };
    let Some(mut testbed) = Testbed::start(Mode::Webhook, set_up) else { return };
    let starts = testbed.api.webhook_history().len() + 1;
    assert!(testbed.service.terminate().success());
    let data_dir = testbed.service.data_dir();
    fs::remove_dir_all(&data_dir).unwrap();
    let start = Timestamp::now().saturating_sub(DAY * DAYS as u32);
    write_history(&data_dir.join("events"), start);
    testbed.service.restart();
    testbed.wait_until_ready(starts);
    let config = testbed.service.config_path().to_str().unwrap().to_owned();
    let status = || -> Value {
        serde_json::from_slice(&probewatch(&["status", "--json", "-c", &config]).stdout).unwrap()
    };
    let old = DAYS * PROBES_A_DAY;
    assert_eq!(status()["probes"], old);

    let (begun, mut sent, mut peak) = (Instant::now(), 0, 0);
    let recorded = || status()["probes"].as_u64().unwrap() - old;
    while recorded() < FLOOD {
        assert!(begun.elapsed() < TIME_LIMIT, "{} of {FLOOD} were recorded", recorded());
        for _ in 0..2000 {
            testbed.radio.transmit(&flood_frame(sent));
            sent += 1;
            // As fast as a radio could receive them.
            std::thread::sleep(Duration::from_micros(200));
        }
        peak = peak.max(log_bytes(&data_dir));
    }
    let seconds = begun.elapsed().as_secs();
    wait_until("a log within its limit", || (log_bytes(&data_dir) <= LIMIT_MEBIBYTES << 20).then_some(()));
    assert!(testbed.service.terminate().success());
    let check = probewatch(&["check", "-c", &config]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));

    let mut probes: BTreeMap<MacAddr, u64> = BTreeMap::new();
    let mut of_flood = 0;
    for (_, event) in events(&data_dir) {
        let EventKind::Probe(probe) = event.kind else { continue };
        match is_invented(probe.source) {
            true => of_flood += 1,
            false => *probes.entry(probe.source).or_default() += 1,
        }
    }
    // Every address of the year before and the neighbour, with each of its probes.
    let state = open_offline(&data_dir).state(&mut |_| {}).unwrap();
    assert_eq!(probes.len() as u64, old / 4 + 3 + 1);
    for (address, count) in &probes {
        assert_eq!(state.device(*address).map(|device| device.probe_count), Some(*count), "{address}");
    }
    let all = state.totals().probes;
    let thinned = state.totals().thinned_probes;
    assert!(thinned > FLOOD / 8, "{thinned}");
    assert_eq!(probes.values().sum::<u64>() + of_flood + thinned, all, "what left is counted");
    let report = probewatch(&["status", "-c", &config]).stdout;
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains(&format!("{thinned} probes of invented addresses")), "{report}");
    println!(
        "attack: {} frames in {seconds} s, of which {} were recorded; the log's peak was {} KiB, {thinned} probes of \
         invented addresses left it, and all {old} of the year before stayed",
        sent,
        all - old,
        peak >> 10,
    );
}

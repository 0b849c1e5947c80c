//! A clock that is behind or ahead, or was set, neither stops alerts nor makes times run backwards. `clock_jump.rs`
//! sets it while the service runs, and `tests/hwsim/run --clock` sets a real one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use dot11::{MacAddr, RequestedSsid, Ssid};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;
use store::event::{Event, EventKind, Probe, Timestamp};
use store::state::State;

use crate::support::http;
use crate::support::recorder::{Input, Running, addresses, events, probe, settings};
use crate::support::service::{Config, log_field, probewatch};
use crate::support::testbed::{Mode, Testbed};
use crate::support::wait_until;

fn seconds() -> impl Strategy<Value = Timestamp> {
    (0..600_i64).prop_map(|seconds| Timestamp::from_micros(seconds * 1_000_000))
}

fn any_probe() -> impl Strategy<Value = Probe> {
    let network = prop::sample::select(vec!["Depot", "Home"]);
    let source = prop::sample::select(addresses());
    (source, network, seconds(), option::of(seconds())).prop_map(|(source, network, time, not_before)| {
        let ssid = RequestedSsid::from_element(network.as_bytes());
        Probe { not_before, ..probe(source, ssid, time.as_micros()) }
    })
}

/// First and last seen of the address and of the network.
fn seen_times(state: &State, source: MacAddr, ssid: &Ssid) -> [Option<(Timestamp, Timestamp)>; 2] {
    let device = state.device(source).map(|device| (device.first_probe, device.last_probe));
    [device, state.networks().get(ssid).map(|network| (network.first_probe, network.last_probe))]
}

proptest! {
    #[test]
    fn first_and_last_seen_never_run_backwards(probes in prop::collection::vec(any_probe(), 1..60)) {
        let mut state = State::default();
        for probe in probes {
            let (source, ssid) = (probe.source, probe.ssid.named().unwrap().clone());
            let (newest, before) = (state.newest_time(), seen_times(&state, source, &ssid));
            let counted = probe.corrected_time();
            state.fold(state.next_offset(), &Event::from(probe));
            prop_assert!(state.newest_time() >= newest);
            for (before, after) in before.into_iter().zip(seen_times(&state, source, &ssid)) {
                let (first, last) = after.unwrap();
                let expected = before.map_or((counted, counted), |(first, last)| {
                    (first.min(counted), last.max(counted))
                });
                prop_assert_eq!((first, last), expected);
            }
        }
    }
}

#[test]
fn a_marked_probe_counts_at_its_mark() {
    let hour = |hours: i64| Timestamp::from_micros(hours * 3_600_000_000);
    let source = addresses()[0];
    let at = |time: Timestamp| probe(source, RequestedSsid::Wildcard, time.as_micros());
    let mut state = State::default();
    let marked = |time, mark| Probe { not_before: Some(mark), signal_dbm: Some(-40), ..at(time) };
    // A capture file from the future changes nothing for the others.
    for probe in [at(hour(100)), marked(hour(0), hour(3)), marked(hour(1), hour(27))] {
        state.fold(state.next_offset(), &Event::from(probe));
    }
    let device = state.device(source).unwrap();
    assert_eq!((device.first_probe, device.last_probe), (hour(3), hour(100)));
    assert_eq!(device.hours.busiest(), Some(3));
    assert_eq!((device.probe_count, device.signal.unwrap().last_dbm), (3, -40));
}

/// Changes the file that carries the time over restarts, as if the machine's clock had been set `ahead` seconds ahead
/// while nothing ran, or back if that is negative.
pub fn set_clock(data_dir: &Path, ahead: i64) {
    let path = data_dir.join("clock");
    let mut saved: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let time: Timestamp = serde_json::from_value(saved["time"].clone()).unwrap();
    saved["time"] = Timestamp::from_micros(time.as_micros() - ahead * 1_000_000).to_string().into();
    fs::write(path, saved.to_string()).unwrap();
}

/// As if the machine had been booted since.
fn boot(data_dir: &Path) {
    let path = data_dir.join("clock");
    let mut saved: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    saved["boot"] = "another".into();
    fs::write(path, saved.to_string()).unwrap();
}

#[test]
fn the_time_survives_a_boot_with_a_slow_clock() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now().as_micros();
    let minutes = |minutes: i64| Timestamp::from_micros(now + minutes * 60_000_000);
    let probe_at = |time: Timestamp, not_before| {
        let probe = probe(addresses()[0], RequestedSsid::Wildcard, time.as_micros());
        Input::Probe(Probe { not_before, ..probe })
    };
    let at_start = || {
        let running = Running::start(settings(folder.path()));
        let (time, floor) = (running.handle.now(), running.handle.time_floor());
        let is_doubted = running.handle.clock_doubt().is_some();
        running.stop();
        assert!(floor <= Some(time));
        (time, is_doubted)
    };
    // The clock was half an hour behind when the log was written.
    let running = Running::start(settings(folder.path()));
    running.record(&probe_at(minutes(0), Some(minutes(30))));
    running.stop();
    assert!(!at_start().1, "within a boot the monotonic clock says more than the log");
    boot(folder.path());
    let (time, is_doubted) = at_start();
    assert!(is_doubted && time >= minutes(30), "{time}");
    // A capture file's times in the future say nothing of the clock.
    let other = tempfile::tempdir().unwrap();
    let running = Running::start(settings(other.path()));
    running.record(&probe_at(minutes(60), None));
    running.stop();
    boot(other.path());
    let running = Running::start(settings(other.path()));
    assert_eq!(running.handle.clock_doubt(), None);
    assert!(running.handle.time_floor() < Some(minutes(5)));
    running.stop();
}

pub const TEN_YEARS: i64 = 10 * 365 * 86_400;
pub const ONE_YEAR: i64 = 365 * 86_400;

#[test]
fn a_clock_that_was_set_is_not_followed_and_alerts_come() {
    let programs = tempfile::tempdir().unwrap();
    let synchronized = programs.path().join("synchronized");
    let timedatectl = programs.path().join("timedatectl");
    fs::write(&timedatectl, format!("#!/bin/sh\ncat {}\n", synchronized.display())).unwrap();
    fs::set_permissions(&timedatectl, Permissions::from_mode(0o755)).unwrap();
    fs::write(&synchronized, "no\n").unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let set_up = |config: Config| {
        config.env("PATH", &path).set("monitoring", "listen", "\"127.0.0.1:0\"").cooldown_seconds(3600)
    };
    let Some(mut testbed) = Testbed::start(Mode::Webhook, set_up) else { return };
    testbed.ask("/watch RNM0");
    let started = Timestamp::now();
    let device = |number: usize| format!("a4:83:e7:4e:39:{number:02x}");
    let mut ahead = 0;
    // A year back, right again, and ten years back, each while nothing runs. Ten years forward, the time would be
    // before the program was built.
    for (number, jump) in [0, -ONE_YEAR, ONE_YEAR, -TEN_YEARS].into_iter().enumerate() {
        let data_dir = testbed.service.data_dir();
        if jump != 0 {
            let starts = testbed.api.webhook_history().len() + 1;
            assert!(testbed.service.terminate().success());
            set_clock(&data_dir, jump);
            testbed.service.restart();
            testbed.wait_until_ready(starts);
            ahead += jump;
        }
        // The recorder's time is what the clock would say if nobody had set it.
        let expected = Timestamp::from_micros(started.as_micros() - ahead * 1_000_000);
        let count = testbed.alerts().len();
        testbed.transmit(&device(number), "RNM0");
        testbed.wait_for_alert(count + 1);
        let status = testbed.ask("/status").plain;
        assert_eq!(status.contains("The machine's clock is in doubt since"), ahead != 0, "{status}");
        let probes: Vec<Probe> = events(&data_dir)
            .into_iter()
            .filter_map(|(_, event)| match event.kind {
                EventKind::Probe(probe) => Some(probe),
                _ => None,
            })
            .collect();
        let last = probes.last().unwrap();
        assert!(last.corrected_time().abs_diff(expected) < Duration::from_secs(300), "{last:?} {expected}");
        assert_eq!(last.not_before.is_some(), ahead != 0);
    }
    let monitor = testbed.service.wait_for_log_event("monitoring_listening", &[]);
    let monitor = log_field(&monitor, "address").parse().unwrap();
    let health = http::get(monitor, "/healthz").unwrap();
    assert!(health.status == 200 && health.text().contains("the machine's clock is in doubt"));
    let doctor = probewatch(&["doctor", "--config", testbed.service.config_path().to_str().unwrap()]);
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains("✗ Clock: the service doubts it"), "{doctor}");
    // A time server ends the doubt. Alerts still come: nothing hangs on the times until then.
    fs::write(&synchronized, "yes\n").unwrap();
    wait_until("the clock to be trusted", || {
        let health = http::get(monitor, "/healthz").unwrap();
        (!health.text().contains("in doubt")).then_some(())
    });
    let data_dir = testbed.service.data_dir();
    let steps = || {
        let events = events(&data_dir).into_iter();
        events.filter(|(_, event)| matches!(event.kind, EventKind::ClockSet { .. })).count()
    };
    wait_until("the step to be on disk", || (steps() > 0).then_some(()));
    let count = testbed.alerts().len();
    testbed.transmit(&device(9), "RNM0");
    testbed.wait_for_alert(count + 1);
    assert_eq!(steps(), 1);
}

#[test]
fn a_person_can_confirm_the_clock() {
    let programs = tempfile::tempdir().unwrap();
    // Neither timedatectl nor anything else.
    let path = programs.path().display().to_string();
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.env("PATH", &path)) else { return };
    testbed.ask_until("/clock", "not in doubt");
    let data_dir = testbed.service.data_dir();
    testbed.kill_and_restart_after(|| set_clock(&data_dir, -ONE_YEAR));
    testbed.ask_until("/clock", "The machine's clock is in doubt");
    testbed.ask_until("/clock right", "The machine's clock is trusted");
    testbed.ask_until("/clock", "not in doubt");
    testbed.kill_and_restart();
    testbed.ask_until("/clock", "not in doubt");
}

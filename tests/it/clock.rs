//! First and last seen never run backwards when the clock is behind, as after the start of a board without a battery.

use dot11::{MacAddr, RequestedSsid, Ssid};
use proptest::option;
use proptest::prelude::*;
use store::event::{Event, Probe, Timestamp};
use store::state::State;

use crate::support::recorder::{Input, Running, addresses, probe, settings};

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
            let is_marked = probe.not_before.is_some();
            let (time, least) = (probe.time, probe.corrected_time());
            state.fold(state.next_offset(), &Event::from(probe));
            let counted = if is_marked { newest.map_or(least, |newest| newest.max(least)) } else { time };
            prop_assert!(state.newest_time() >= newest);
            for (before, after) in before.into_iter().zip(seen_times(&state, source, &ssid)) {
                let (first, last) = after.unwrap();
                let expected = before.map_or((counted, counted), |(first, last)| {
                    (first.min(counted), last.max(counted))
                });
                prop_assert_eq!((first, last), expected);
                if is_marked {
                    prop_assert_eq!(first, before.map_or(counted, |(first, _)| first));
                    prop_assert_eq!(Some(last), state.newest_time());
                }
            }
        }
    }
}

#[test]
fn a_probe_below_the_time_floor_counts_in_the_hour_of_the_floor() {
    let hour = |hours: i64| Timestamp::from_micros(hours * 3_600_000_000);
    let source = addresses()[0];
    let at = |time: Timestamp| probe(source, RequestedSsid::Wildcard, time.as_micros());
    let mut state = State::default();
    let marked = |time| Probe { not_before: Some(hour(3)), signal_dbm: Some(-40), ..at(time) };
    for probe in [at(hour(100)), marked(hour(0)), marked(hour(1))] {
        state.fold(state.next_offset(), &Event::from(probe));
    }
    let device = state.device(source).unwrap();
    assert_eq!((device.first_probe, device.last_probe), (hour(100), hour(100)));
    assert_eq!(device.hours.busiest(), Some(4));
    assert_eq!((device.probe_count, device.signal.unwrap().last_dbm), (3, -40));
}

#[test]
fn the_time_floor_survives_a_restart_with_a_slow_clock() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now().as_micros();
    let minutes = |minutes: i64| Timestamp::from_micros(now + minutes * 60_000_000);
    let probe_at = |time: Timestamp, not_before| {
        let probe = probe(addresses()[0], RequestedSsid::Wildcard, time.as_micros());
        Input::Probe(Probe { not_before, ..probe })
    };
    let floor_at_start = || {
        let running = Running::start(settings(folder.path()));
        let floor = running.handle.time_floor();
        running.stop();
        floor
    };
    // The clock was half an hour behind the time floor when the log was written.
    let running = Running::start(settings(folder.path()));
    running.record(&probe_at(minutes(0), Some(minutes(30))));
    running.stop();
    assert_eq!(floor_at_start(), Some(minutes(30)));
    // A capture file's times in the future do not raise the floor.
    let running = Running::start(settings(folder.path()));
    running.record(&probe_at(minutes(60), None));
    running.stop();
    assert!(floor_at_start() < Some(minutes(5)));
}

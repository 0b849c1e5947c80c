//! Promise: the log is the truth and sled its view. Whatever is recorded, with whatever restarts, crashes
//! and losses of sled in between, the state is the fold of all events in the log; and a log that was cut
//! anywhere keeps every event before the cut.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use probewatch::dot11::{MacAddr, RequestedSsid, Signature, Ssid};
use probewatch::event::{ChatId, Event, NamedBy, Offset, Probe, Timestamp};
use probewatch::event_log;
use probewatch::recorder::{Heard, Recorder, RecorderError, RecorderHandle, Settings};
use probewatch::state::{AlertPolicy, COOLDOWN_LIMIT, OUTBOX_LIMIT, SSIDS_PER_ADDRESS, State};
use proptest::prelude::*;
use tokio::runtime::Runtime;

const CHATS: [ChatId; 2] = [ChatId(1001), ChatId(-100_200)];

fn settings(data_dir: &Path) -> Settings {
    Settings {
        data_dir: data_dir.to_owned(),
        fsync_interval: Duration::from_millis(5),
        checkpoint_interval: Duration::from_millis(20),
        // Small, so that segments are sealed in every test.
        segment_bytes: 4096,
        alerts: AlertPolicy { chats: CHATS.to_vec(), cooldown: Duration::from_secs(60) },
    }
}

/// A recorder on a thread, as the service has it.
struct Running {
    handle: RecorderHandle,
    thread: std::thread::JoinHandle<Result<(), RecorderError>>,
    runtime: Runtime,
}

impl Running {
    fn start(settings: Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let (recorder, handle) = Recorder::open(settings).unwrap();
        let on = runtime.handle().clone();
        let thread = std::thread::spawn(move || recorder.run(&on));
        Self { handle, thread, runtime }
    }

    fn record(&self, input: &Input) {
        match input.clone() {
            Input::Heard(probe) => {
                let elements = Some(Box::from(&b"\x00\x00"[..]));
                self.handle.record(Heard { probe, elements }).unwrap();
            }
            Input::Change(event) => self.runtime.block_on(self.handle.change(event)).unwrap(),
        }
    }

    fn sync(&self) {
        self.runtime.block_on(self.handle.sync()).unwrap();
    }

    fn stop(self) {
        self.runtime.block_on(self.handle.stop());
        self.thread.join().unwrap().unwrap();
    }
}

#[derive(Debug, Clone)]
enum Input {
    Heard(Probe),
    Change(Event),
}

#[derive(Debug, Clone)]
enum Step {
    Input(Input),
    /// A clean stop and start.
    Restart,
    /// The process ends without a word, and starts again.
    Crash,
    /// As a crash, and sled's files are lost.
    LoseState,
}

fn addresses() -> Vec<MacAddr> {
    (0..6).map(|last| MacAddr::new([0xda, 0xa1, 0x19, 0, 0, last])).collect()
}

fn probe(source: MacAddr, ssid: RequestedSsid, micros: i64) -> Probe {
    Probe {
        time: Timestamp::from_micros(micros),
        sensor: Arc::from("test"),
        source,
        ssid,
        signal_dbm: None,
        frequency_mhz: None,
        sequence: 0,
        signature: Signature::from_u64(1),
        alerts: Vec::new(),
    }
}

fn ssid() -> impl Strategy<Value = Ssid> {
    prop_oneof![Just("Depot"), Just("Home"), Just("\u{202e}evil\n")]
        .prop_map(Ssid::from)
        .boxed()
        .prop_union(Just(Ssid::new(b"\xff\xfe\x00")).boxed())
}

fn requested() -> impl Strategy<Value = RequestedSsid> {
    prop_oneof![
        Just(RequestedSsid::Absent),
        Just(RequestedSsid::Wildcard),
        ssid().prop_map(RequestedSsid::Named),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let address = || prop::sample::select(addresses());
    let time = || (0..600_i64).prop_map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
    let chat = || prop::sample::select(vec![CHATS[0], CHATS[1], ChatId::TERMINAL, ChatId(7)]);
    let by = || prop_oneof![Just(NamedBy::Chat), Just(NamedBy::Config)];
    let offset = || (0..40_u64).prop_map(Offset);
    prop_oneof![
        8 => (address(), requested(), time(), any::<Option<i8>>(), any::<u8>()).prop_map(
            |(source, ssid, time, signal_dbm, signature)| Input::Heard(Probe {
                signal_dbm,
                signature: Signature::from_u64(signature.into()),
                ..probe(source, ssid, time.as_micros())
            })
        ),
        1 => (time(), chat(), ssid(), any::<Option<bool>>()).prop_map(|(time, chat, ssid, reason)| {
            Input::Change(Event::Watch { time, chat, ssid, reason: reason.map(|r| format!("reason {r}")) })
        }),
        1 => (time(), chat(), ssid())
            .prop_map(|(time, chat, ssid)| Input::Change(Event::Unwatch { time, chat, ssid })),
        1 => (time(), address(), "[A-C]", by())
            .prop_map(|(time, address, name, by)| Input::Change(Event::Name { time, address, name, by })),
        1 => (time(), address(), by())
            .prop_map(|(time, address, by)| Input::Change(Event::Unname { time, address, by })),
        1 => (time(), offset(), chat())
            .prop_map(|(time, probe, chat)| Input::Change(Event::Delivered { time, probe, chat })),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => input().prop_map(Step::Input),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => Just(Step::LoseState),
    ]
}

/// The events of the log in `data_dir`, which must be whole.
fn events(data_dir: &Path) -> Vec<(Offset, Event)> {
    let log = event_log::recover(&data_dir.join("events")).unwrap();
    log.read_from(Offset::default()).map(|entry| entry.unwrap()).collect()
}

fn fold(events: &[(Offset, Event)]) -> State {
    let mut state = State::in_memory();
    for (offset, event) in events {
        state.prepare(event).unwrap();
        state.fold(*offset, event);
    }
    state
}

/// Both say the same of everything.
fn assert_same(one: &State, other: &State) {
    assert_eq!(one.next_offset(), other.next_offset());
    assert_eq!(one.totals(), other.totals());
    assert_eq!(one.names(), other.names());
    assert_eq!(one.watches(), other.watches());
    assert_eq!(one.alerts(), other.alerts());
    for address in addresses() {
        assert_eq!(one.device(address).unwrap(), other.device(address).unwrap(), "{address}");
    }
}

/// What a killed process leaves behind: the files as they are at this moment.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // A segment may have been sealed since the folder was listed.
            let _ = fs::copy(entry.path(), target);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_fold_of_the_log(steps in prop::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        let mut data_dir = folder.path().join("0");
        let mut running = Running::start(settings(&data_dir));
        let mut probes = 0;
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Input(input) => {
                    running.record(input);
                    probes += u64::from(matches!(input, Input::Heard(_)));
                    continue;
                }
                Step::Restart => running.stop(),
                Step::Crash | Step::LoseState => {
                    running.sync();
                    let image = folder.path().join((number + 1).to_string());
                    copy(&data_dir, &image);
                    running.stop();
                    data_dir = image;
                    if matches!(step, Step::LoseState) {
                        fs::remove_dir_all(data_dir.join("state")).unwrap();
                    }
                }
            }
            running = Running::start(settings(&data_dir));
        }
        running.sync();
        prop_assert_eq!(running.handle.state().totals().probes, probes);
        let live = (running.handle.state().alerts().clone(), running.handle.state().names().clone());
        running.stop();
        let folded = fold(&events(&data_dir));
        prop_assert_eq!(&live.0, folded.alerts());
        prop_assert_eq!(&live.1, folded.names());
        let reopened = Running::start(settings(&data_dir));
        assert_same(&reopened.handle.state(), &folded);
        reopened.stop();
    }

    #[test]
    fn probes_in_any_order_give_the_same_statistics(
        times in prop::collection::vec((0..1000_i64, any::<Option<i8>>()), 1..40),
        seed in any::<u64>(),
    ) {
        let source = addresses()[0];
        let all: Vec<Probe> = times
            .iter()
            .enumerate()
            // Of two signals at the same microsecond the later arrival counts: give each its own.
            .map(|(place, (time, signal_dbm))| Probe {
                signal_dbm: *signal_dbm,
                ..probe(source, RequestedSsid::Wildcard, time * 1000 + place as i64)
            })
            .collect();
        let mut shuffled = all.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let statistics = |probes: &[Probe]| {
            let events: Vec<_> = probes.iter().cloned().map(Event::Probe).collect();
            let events: Vec<_> = events.into_iter().zip(0..).map(|(event, at)| (Offset(at), event)).collect();
            fold(&events).device(source).unwrap().unwrap().into_owned()
        };
        prop_assert_eq!(statistics(&all), statistics(&shuffled));
        let (one, other) = all.split_at(all.len() / 2);
        if !one.is_empty() && !other.is_empty() {
            let merged = statistics(one).merge(&statistics(other));
            prop_assert_eq!(merged, statistics(&all));
        }
    }
}

/// A log of some events in one open segment, and the bytes of that segment.
fn small_log(folder: &Path) -> (Vec<(Offset, Event)>, Vec<u8>, std::path::PathBuf) {
    let running = Running::start(Settings { segment_bytes: 1 << 20, ..settings(folder) });
    for number in 0..5 {
        running.record(&Input::Heard(probe(addresses()[0], RequestedSsid::Wildcard, number)));
    }
    running.stop();
    let segment = folder.join("events").join(format!("{:020}.ndjson", 0));
    let bytes = fs::read(&segment).unwrap();
    (events(folder), bytes, segment)
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_event() {
    let folder = tempfile::tempdir().unwrap();
    let (all, bytes, segment) = small_log(folder.path());
    assert_eq!(all.len(), 6, "a signature and five probes");
    for length in 0..=bytes.len() {
        for tail in [&b""[..], &[0; 100], b"{\"offset\":"] {
            fs::write(&segment, [&bytes[..length], tail].concat()).unwrap();
            let whole = bytes[..length].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(events(folder.path()), all[..whole], "cut at {length}, then {tail:?}");
        }
    }
}

#[test]
fn recording_goes_on_behind_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (all, bytes, segment) = small_log(folder.path());
    fs::write(&segment, &bytes[..bytes.len() - 7]).unwrap();
    // sled is ahead of the log now: it is dropped.
    let running = Running::start(settings(folder.path()));
    assert_eq!(running.handle.state().next_offset(), Offset(5));
    running.record(&Input::Heard(probe(addresses()[1], RequestedSsid::Absent, 9)));
    running.stop();
    let now = events(folder.path());
    assert_eq!(now[..5], all[..5]);
    assert_eq!(now.len(), 6);
    let reopened = Running::start(settings(folder.path()));
    assert_same(&reopened.handle.state(), &fold(&now));
    reopened.stop();
}

#[test]
fn a_damaged_line_is_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut bytes, segment) = small_log(folder.path());
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 20;
    bytes[third] ^= 0x80;
    fs::write(&segment, &bytes).unwrap();
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    let running = Running::start(settings(folder.path()));
    assert_eq!(running.handle.losses().damaged_lines.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(running.handle.state().totals().probes, all.len() as u64 - 2);
    running.stop();
}

/// What is read of a log after `change` was made to the bytes of its one segment: the offsets of the
/// events, and what is reported.
fn read_after(change: impl FnOnce(&mut Vec<u8>)) -> (Vec<u64>, Vec<String>, Offset) {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut bytes, segment) = small_log(folder.path());
    change(&mut bytes);
    fs::write(&segment, &bytes).unwrap();
    let log = event_log::recover(&folder.path().join("events")).unwrap();
    let (mut offsets, mut damage) = (Vec::new(), Vec::new());
    for entry in log.read_from(Offset::default()) {
        match entry {
            Ok((offset, _)) => offsets.push(offset.0),
            Err(what) => damage.push(what.to_string()),
        }
    }
    (offsets, damage, log.next_offset())
}

/// Where line `number`, from 0, begins.
fn line_start(bytes: &[u8], number: usize) -> usize {
    match number {
        0 => 0,
        _ => bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(number - 1).unwrap().0 + 1,
    }
}

#[test]
fn damage_costs_no_more_than_the_lines_that_it_hit() {
    // Every bit of a line in the middle, and of the last line: no other line is lost for it.
    let line = line_start(&small_log(tempfile::tempdir().unwrap().path()).1, 1) / 2;
    for number in [2, 5] {
        for at in 0..line {
            for bit in [0x01, 0x10, 0x80] {
                let (offsets, damage, next) = read_after(|bytes| {
                    let at = line_start(bytes, number) + at;
                    bytes[at] ^= bit;
                });
                let others: Vec<u64> = (0..6).filter(|other| *other != number as u64).collect();
                let rest: Vec<u64> = offsets.into_iter().filter(|other| *other != number as u64).collect();
                assert_eq!(rest, others, "line {number}, byte {at}, bit {bit}");
                assert_eq!(next, Offset(6), "line {number}, byte {at}, bit {bit}");
                assert!(damage.iter().all(|what| what.contains("ndjson")), "{damage:?}");
            }
        }
    }
    // Two lines run into one.
    let (offsets, damage, next) = read_after(|bytes| {
        let end = line_start(bytes, 3) - 1;
        bytes[end] = b' ';
    });
    assert_eq!((offsets, damage.len(), next), (vec![0, 1, 4, 5], 1, Offset(6)));
    // A line that claims to be far ahead does not hide those behind it.
    let (offsets, damage, next) = read_after(|bytes| {
        let at = line_start(bytes, 2) + "{\"offset\":".len();
        bytes.splice(at..=at, *b"18446744073709551615");
    });
    assert_eq!((offsets, damage.len(), next), (vec![0, 1, 3, 4, 5], 1, Offset(6)));
}

#[test]
fn missing_and_damaged_segments_are_reported_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(folder.path()));
    for number in 0..200 {
        running.record(&Input::Heard(probe(addresses()[0], RequestedSsid::Wildcard, number)));
        if number % 10 == 0 {
            running.sync();
        }
    }
    running.stop();
    let mut sealed: Vec<_> = fs::read_dir(folder.path().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "zst"))
        .collect();
    sealed.sort();
    let bytes = fs::read(&sealed[1]).unwrap();
    fs::write(&sealed[1], &bytes[..bytes.len() / 2]).unwrap();
    fs::remove_file(&sealed[3]).unwrap();
    // An interrupted seal leaves its unfinished file, or the open form beside the sealed one.
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    fs::write(sealed[2].with_file_name(name(&sealed[2]).replace(".zst", "")), b"old").unwrap();
    fs::write(sealed[2].with_file_name(name(&sealed[2]) + ".tmp"), b"half").unwrap();
    fs::write(folder.path().join("events/README"), b"not a segment").unwrap();

    let log = event_log::recover(&folder.path().join("events")).unwrap();
    let (events, damage): (Vec<_>, Vec<_>) = log.read_from(Offset::default()).partition(Result::is_ok);
    let damage: Vec<String> = damage.into_iter().map(|what| what.err().unwrap().to_string()).collect();
    assert_eq!(damage.len(), 2, "{damage:?}");
    assert!(damage[0].contains(&name(&sealed[1])) && damage[1].contains("are missing"), "{damage:?}");
    assert!(events.len() > 100, "{}", events.len());
    assert_eq!(log.next_offset(), Offset(201));
    assert!(!sealed[2].with_file_name(name(&sealed[2]) + ".tmp").exists());
    let running = Running::start(settings(folder.path()));
    running.record(&Input::Heard(probe(addresses()[0], RequestedSsid::Wildcard, 0)));
    running.stop();
}

#[test]
fn a_stray_empty_segment_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (all, _, segment) = small_log(folder.path());
    fs::write(segment.with_file_name(format!("{:020}.ndjson", 3)), b"").unwrap();
    assert_eq!(events(folder.path()), all);
    assert_eq!(event_log::recover(&folder.path().join("events")).unwrap().next_offset(), Offset(6));
}

#[test]
fn full_segments_are_sealed_and_read_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(folder.path()));
    for number in 0..200 {
        running.record(&Input::Heard(probe(addresses()[0], RequestedSsid::Wildcard, number)));
        if number % 10 == 0 {
            running.sync();
        }
    }
    running.stop();
    let names: Vec<String> = fs::read_dir(folder.path().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.iter().filter(|name| name.ends_with(".ndjson.zst")).count() > 5, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".ndjson")).count(), 1, "{names:?}");
    assert!(names.iter().all(|name| name.len() == 27 || name.len() == 31), "{names:?}");
    let all = events(folder.path());
    assert_eq!(all.len(), 201);
    assert!(all.iter().zip(0..).all(|((offset, _), expected)| offset.0 == expected));
    let log = event_log::recover(&folder.path().join("events")).unwrap();
    for from in [0, 1, 57, 199, 200, 201, 500] {
        let rest: Vec<_> = log.read_from(Offset(from)).map(|entry| entry.unwrap().0.0).collect();
        assert_eq!(rest, (from..201).collect::<Vec<_>>(), "from {from}");
    }
}

#[test]
fn a_data_directory_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(folder.path()));
    let error = Recorder::open(settings(folder.path())).err().unwrap().to_string();
    let id = std::process::id().to_string();
    assert!(error.contains(&id) && error.contains(folder.path().to_str().unwrap()), "{error}");
    running.stop();
    Recorder::open(settings(folder.path())).unwrap();
}

#[test]
fn every_bound_holds_and_counts() {
    let mut state = State::in_memory();
    let policy = AlertPolicy { chats: vec![CHATS[0]], cooldown: Duration::from_secs(60) };
    let watched = Ssid::from("Depot");
    let mut events = vec![Event::Watch {
        time: Timestamp::from_micros(0),
        chat: CHATS[0],
        ssid: watched.clone(),
        reason: None,
    }];
    let mut offset = Offset::default();
    let mut fold_in = |state: &mut State, event: Event| {
        state.fold(offset, &event);
        offset = offset.next();
    };
    fold_in(&mut state, events.remove(0));
    let flood = COOLDOWN_LIMIT + OUTBOX_LIMIT;
    for number in 0..flood {
        let octets = (number as u64).to_be_bytes();
        let source = MacAddr::new([0x02, 0, octets[4], octets[5], octets[6], octets[7]]);
        let mut probe = probe(source, RequestedSsid::Named(watched.clone()), number as i64);
        probe.alerts = state.decide_alerts(&probe, &policy);
        fold_in(&mut state, Event::Probe(probe));
    }
    assert_eq!(state.alerts().waiting(), OUTBOX_LIMIT);
    assert_eq!(state.alerts().overflow(CHATS[0]), (flood - OUTBOX_LIMIT) as u64);
    let told = Event::OverflowTold { time: Timestamp::from_micros(0), chat: CHATS[0], count: 10 };
    fold_in(&mut state, told);
    assert_eq!(state.alerts().overflow(CHATS[0]), (flood - OUTBOX_LIMIT - 10) as u64);

    let source = addresses()[0];
    let count = SSIDS_PER_ADDRESS + 100;
    for number in 0..count {
        let ssid = RequestedSsid::Named(Ssid::from(format!("net {number}").as_str()));
        fold_in(&mut state, Event::Probe(probe(source, ssid, 0)));
    }
    let device = state.device(source).unwrap().unwrap().into_owned();
    assert_eq!(device.ssids().len(), SSIDS_PER_ADDRESS);
    assert_eq!((device.probe_count, device.probes_for_further_ssids), (count as u64, 100));
}

#[test]
fn configured_names_follow_the_configuration_and_yield_to_a_persons() {
    let folder = tempfile::tempdir().unwrap();
    let [alice, bob] = [addresses()[0], addresses()[1]];
    let time = Timestamp::from_micros(0);
    let open = |devices: &[(MacAddr, &str)]| {
        let (mut recorder, handle) = Recorder::open(settings(folder.path())).unwrap();
        let devices: BTreeMap<MacAddr, String> =
            devices.iter().map(|(address, name)| (*address, (*name).to_owned())).collect();
        recorder.set_configured_names(&devices, time).unwrap();
        let names: Vec<(MacAddr, String)> =
            handle.state().names().iter().map(|(address, name)| (address, name.to_owned())).collect();
        names
    };
    assert_eq!(open(&[(alice, "Alice"), (bob, "Bob")]), [(alice, "Alice".into()), (bob, "Bob".into())]);
    let logged = events(folder.path()).len();
    assert_eq!(open(&[(alice, "Alice"), (bob, "Bob")]).len(), 2);
    assert_eq!(events(folder.path()).len(), logged, "what did not change is not logged again");
    assert_eq!(open(&[(bob, "Bobby")]), [(bob, "Bobby".into())]);

    let running = Running::start(settings(folder.path()));
    running.record(&Input::Change(Event::Name { time, address: bob, name: "Rob".into(), by: NamedBy::Chat }));
    running.stop();
    assert_eq!(open(&[(bob, "Bobby")]), [(bob, "Rob".into())]);
}

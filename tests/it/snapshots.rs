//! A snapshot is the whole state in a documented text format. Read back, it equals the state, also after every later
//! event. An incomplete snapshot is detected. A snapshot and the log after it replace the log before it.

use std::fs;
use std::path::{Path, PathBuf};

use dot11::{RequestedSsid, Signature, Ssid};
use proptest::prelude::*;
use store::event::{ChatId, Event, EventKind, EvictionScope, NamedBy, Offset, Probe, Timestamp};
use store::event_log::{self, Snapshots};
use store::state::{AlertPolicy, State};

use crate::recording::input;
use crate::support::recorder::{
    CHATS, Input, Running, addresses, copy, events, fold, open_offline, probe, settings,
};

pub fn snapshot(state: &State) -> Vec<u8> {
    let mut snapshot = Vec::new();
    state.image().write_to(Timestamp::from_micros(0), &mut snapshot).unwrap();
    snapshot
}

fn event() -> impl Strategy<Value = Event> {
    let time = || (0..600_i64).prop_map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
    let forgettable = prop_oneof![Just(EvictionScope::Random), Just(EvictionScope::Unnamed)];
    prop_oneof![
        20 => input().prop_map(|input| match input {
            Input::Probe(probe) => Event::from(probe),
            Input::Change(event) => event,
        }),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(signature, elements)| {
            Event::without_time(EventKind::Signature { signature: Signature::from_u64(signature.into()), elements })
        }),
        1 => (time(), 1..3_u64)
            .prop_map(|(time, count)| Event::new(time, EventKind::OverflowReported { chat: CHATS[0], count, flood: None, message: None })),
        1 => (time(), forgettable, time())
            .prop_map(|(time, addresses, last_seen_before)| Event::new(time, EventKind::Evict { addresses, last_seen_before })),
        1 => (1..9_u64).prop_map(|count| Event::without_time(EventKind::Lost { count, why: "a test".to_owned() })),
    ]
}

/// Folds the events as the recorder does, with its decisions about alerts.
fn fold_in(state: &mut State, events: &[Event]) {
    let AlertPolicy { cooldown, .. } = settings("".as_ref()).alerts;
    let policy = AlertPolicy {
        chats: CHATS.to_vec(),
        cooldown,
        max_age: std::time::Duration::MAX,
        capturing_since: None,
        quiet_hours: None,
    };
    for event in events {
        let offset = state.next_offset();
        match &event.kind {
            EventKind::Probe(probe) => {
                let alerts = state.decide_alerts(probe, &policy);
                state.fold(offset, &Event::from(Probe { alerts, ..probe.clone() }));
            }
            _ => state.fold(offset, event),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_reads_as_it_was_written(
        before in prop::collection::vec(event(), 0..150),
        after in prop::collection::vec(event(), 0..50),
    ) {
        let mut state = State::default();
        fold_in(&mut state, &before);
        let written = snapshot(&state);
        state.image().verify(written.as_slice()).unwrap();
        let mut read = State::from_snapshot(written.as_slice()).unwrap();
        prop_assert_eq!(&read, &state);
        prop_assert_eq!(read.differences(&state, 1).count, 0);
        prop_assert_eq!(snapshot(&read), written);
        fold_in(&mut state, &after);
        fold_in(&mut read, &after);
        while state.continue_eviction() | read.continue_eviction() {}
        prop_assert_eq!(&read, &state);
        prop_assert_eq!(snapshot(&read), snapshot(&state));
    }

    #[test]
    fn a_differing_row_is_found(
        events in prop::collection::vec(event(), 0..100),
        more in prop::collection::vec(event(), 1..3),
    ) {
        let mut one = State::default();
        fold_in(&mut one, &events);
        let mut other = one.clone();
        fold_in(&mut other, &more);
        let differences = one.differences(&other, 3);
        prop_assert!(differences.count > 0);
        prop_assert_eq!(differences.first.len() as u64, differences.count.min(3));
        prop_assert_eq!(other.differences(&one, 0).count, differences.count);
    }
}

/// A state with a row of each kind.
fn small_state() -> State {
    let [alice, other] = [addresses()[0], addresses()[1]];
    let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    let watch = |chat: ChatId, ssid: Ssid| Event::new(time(1), EventKind::Watch { chat, ssid, reason: None });
    let asks = |source, ssid: &[u8], seconds: i64| Probe {
        signal_dbm: Some(-50 - seconds as i8),
        ..probe(source, RequestedSsid::from_element(ssid), seconds * 1_000_000)
    };
    let mut events = vec![
        Event::without_time(EventKind::Signature {
            signature: Signature::from_u64(1),
            elements: b"\x00\x04RNM0".to_vec(),
        }),
        Event::new(
            time(0),
            EventKind::Watch { chat: CHATS[0], ssid: "Depot".into(), reason: Some("the \"van\"".into()) },
        ),
        watch(CHATS[1], Ssid::new(b"\xff\xfe\x00")),
        Event::new(
            time(2),
            EventKind::Name { address: alice, name: "Alice's phone".into(), by: NamedBy::Chat },
        ),
        Event::new(time(2), EventKind::Name { address: alice, name: "phone 1".into(), by: NamedBy::Config }),
        Event::from(asks(alice, b"Depot", 5)),
        Event::from(asks(alice, b"Depot", 6)),
        Event::from(asks(alice, b"\xff\xfe\x00", 4)),
        Event::from(asks(alice, b"=1+1\n\xe2\x80\xae", 7)),
        Event::from(asks(other, b"", 8)),
        Event::from(probe(other, RequestedSsid::Absent, 9_000_000)),
    ];
    events.extend((10..40).map(|second| {
        let source = dot11::MacAddr::new([0x00, 0, 0, 0, 0, second as u8]);
        Event::from(probe(source, RequestedSsid::Named("Depot".into()), second * 1_000_000))
    }));
    events.push(Event::new(
        time(41),
        EventKind::Evict { addresses: EvictionScope::Random, last_seen_before: time(38) },
    ));
    let mut state = State::default();
    fold_in(&mut state, &events);
    state
}

#[test]
fn a_snapshot_of_the_first_format_is_read() {
    let snapshot = concat!(
        r#"{"snapshot":9,"format":1,"time":"1970-01-01T00:00:00.000000Z"}"#,
        "\n",
        r#"{"row":"totals","probes":1,"wildcard_probes":0,"addresses":1,"random_addresses":1,"#,
        r#""forgotten_addresses":0,"last_probe":"1970-01-01T00:00:10.000000Z","lost_events":0}"#,
        "\n",
        r#"{"row":"device","address":"02:00:00:00:00:0a","probe_count":1,"wildcard_count":0,"#,
        r#""first_probe":"1970-01-01T00:00:10.000000Z","last_probe":"1970-01-01T00:00:10.000000Z","#,
        r#""signal":null,"ssids":[{"ssid":"Depot","count":1}],"probes_for_further_ssids":0}"#,
        "\n{\"end\":2}\n",
    );
    let state = State::from_snapshot(snapshot.as_bytes()).unwrap();
    let device = state.device("02:00:00:00:00:0a".parse().unwrap()).unwrap();
    assert_eq!((device.probe_count, device.hours.busiest()), (1, None));
    assert!(state.networks().is_empty());
}

#[test]
fn a_snapshot_has_the_documented_form() {
    let text = String::from_utf8(snapshot(&small_state())).unwrap();
    // Two rows of each kind are enough for the snapshot.
    let mut kinds: Vec<(String, usize)> = Vec::new();
    let lines = text.lines().filter(|line| {
        let kind = line.split(',').next().unwrap().to_owned();
        let position = kinds.iter().position(|(listed, _)| *listed == kind).unwrap_or_else(|| {
            kinds.push((kind, 0));
            kinds.len() - 1
        });
        kinds[position].1 += 1;
        kinds[position].1 <= 2
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn an_incomplete_snapshot_is_reported_with_its_line() {
    let state = small_state();
    let whole = snapshot(&state);
    let text = String::from_utf8(whole.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let check = |snapshot: &str, wanted: &str| {
        let error = State::from_snapshot(snapshot.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error:?} without {wanted:?}");
        assert!(state.image().verify(snapshot.as_bytes()).is_err(), "{wanted}");
    };
    for length in (0..whole.len() - 1).step_by(61) {
        assert!(State::from_snapshot(&whole[..length]).is_err(), "cut at {length}");
        assert!(state.image().verify(&whole[..length]).is_err(), "cut at {length}");
    }
    let without = |position: usize| {
        let rest = lines.iter().enumerate().filter(|(number, _)| *number != position);
        rest.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let last = lines.len();
    check("", "the snapshot is empty");
    check(&without(last - 1), &format!("truncated after line {}", last - 1));
    check(&without(5), &format!("line {} of the snapshot cannot be used: it counts", last - 1));
    check(&without(0), "line 1 of the snapshot cannot be used: this is not the beginning of a snapshot");
    check(&format!("{text}{{}}"), &format!("line {} of the snapshot cannot be used: it follows", last + 1));
    check(
        &text.replace("\"format\":4", "\"format\":7"),
        "line 1 of the snapshot cannot be used: it is of format 7",
    );
    check(
        &text.replacen("\"probe_count\":", "\"count\":", 1),
        "line 4 of the snapshot cannot be used: missing field `probe_count`",
    );
    check(&text.replacen("da:a1:19:00:00:00", "da:a1", 1), "a MAC address such as");
    check(&text.replacen("{\"row\":\"device\"", "{\"row\":\"gadget\"", 1), "unknown variant `gadget`");
    check(&text.replacen("\"Depot\",\"count\":2", "\"!\",\"count\":2", 1), "not in order");
    let totals = lines.iter().position(|line| line.contains("\"totals\"")).unwrap();
    let end = format!("{{\"end\":{}}}", last - 3);
    check(&without(totals).replace(lines[last - 1], &end), "there was no row `totals`");

    // Complete, but of another state.
    for wrong in [text.replacen("\"probe_count\":4", "\"probe_count\":5", 1), text.replacen(":42", ":43", 1)]
    {
        assert_ne!(wrong, text);
        State::from_snapshot(wrong.as_bytes()).unwrap();
        assert!(state.image().verify(wrong.as_bytes()).is_err());
    }
}

#[test]
fn differences_name_the_row_and_the_fields() {
    let mut one = small_state();
    while one.continue_eviction() {}
    let mut other = one.clone();
    fold_in(
        &mut other,
        &[
            Event::from(probe(addresses()[1], RequestedSsid::Wildcard, 9_000_000)),
            Event::new(
                Timestamp::from_micros(0),
                EventKind::Unwatch { chat: CHATS[0], ssid: "Depot".into() },
            ),
        ],
    );
    let differences = one.differences(&other, 10);
    let lines: Vec<String> = differences.first.iter().map(|difference| format!("{difference:?}\n")).collect();
    assert_eq!(differences.count as usize, lines.len());
    insta::assert_snapshot!(lines.concat());
    assert_eq!(Offset(one.next_offset().0 + 2), other.next_offset());
}

/// Records probes over many small segments, and returns the resulting state.
fn record(data_dir: &Path, count: i64) -> State {
    let running = Running::start(settings(data_dir));
    for number in 0..count {
        let ssid = RequestedSsid::Named(Ssid::from(format!("net {}", number % 7).as_str()));
        running.record(&Input::Probe(probe(addresses()[number as usize % 6], ssid, number)));
        if number % 10 == 0 {
            running.sync();
        }
    }
    running.stop();
    fold(&events(data_dir))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

fn name(at: u64) -> String {
    format!("{at:020}.ndjson.zst")
}

/// Writes a snapshot of all events before this one.
fn write_snapshot(data_dir: &Path, all: &[(Offset, Event)], at: u64) {
    let image = fold(&all[..at as usize]).image();
    assert_eq!(image.next_offset(), Offset(at));
    Snapshots::of(data_dir)
        .write(Offset(at), |file| image.write_to(Timestamp::from_micros(0), file), |file| image.verify(file))
        .unwrap();
}

/// Removes the segments that contain only events before this one. Returns the base of the first remaining segment.
fn expire(data_dir: &Path, at: u64) -> u64 {
    let segments = files(&data_dir.join("events"));
    let base = |path: &Path| path.file_name().unwrap().to_str().unwrap()[..20].parse::<u64>().unwrap();
    let gone: Vec<_> = segments.windows(2).filter(|pair| base(&pair[1]) <= at).map(|pair| &pair[0]).collect();
    assert!(gone.len() > 2, "{segments:?}");
    gone.iter().for_each(|segment| fs::remove_file(segment).unwrap());
    base(&segments[gone.len()])
}

#[track_caller]
fn starts_with(data_dir: &Path, expected: &State) {
    let running = Running::start(settings(data_dir));
    assert_eq!(running.handle.state().differences(expected, 3).first, []);
    running.stop();
    let mut stored = open_offline(data_dir);
    let check = stored.check(3, &mut |_| {}).unwrap();
    assert_eq!((check.differences.count, check.damaged), (0, 0), "{check:?}");
    assert_eq!(check.checkpoint, Ok(expected.next_offset()));
    assert_eq!(&stored.state(&mut |_| {}).unwrap(), expected);
    assert_eq!(&stored.rebuild(&mut |_| {}).unwrap(), expected);
    let again = stored.check(3, &mut |_| {}).unwrap();
    assert_eq!((again.checkpoint, again.differences.count), (Ok(expected.next_offset()), 0));
}

#[test]
fn segments_may_be_pruned_once_a_snapshot_covers_them() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record(&data_dir, 60);
    let old_state = folder.path().join("old state");
    copy(&data_dir.join("state"), &old_state);
    let expected = record(&data_dir, 140);
    let all = events(&data_dir);
    write_snapshot(&data_dir, &all, 150);
    let first = expire(&data_dir, 150);
    assert!(first > 100, "{first}");
    starts_with(&data_dir, &expected);
    // Without sled, and with a sled whose checkpoint is at a pruned event.
    fs::remove_dir_all(data_dir.join("state")).unwrap();
    starts_with(&data_dir, &expected);
    fs::remove_dir_all(data_dir.join("state")).unwrap();
    copy(&old_state, &data_dir.join("state"));
    let check = open_offline(&data_dir).check(3, &mut |_| {}).unwrap();
    assert_eq!(check.checkpoint, Err(format!("the saved state is at event 61, the log begins at {first}")));
    starts_with(&data_dir, &expected);
    // Recording continues.
    let running = Running::start(settings(&data_dir));
    running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, 0)));
    running.stop();
    let mut more = expected.clone();
    more.fold(more.next_offset(), &Event::from(probe(addresses()[0], RequestedSsid::Wildcard, 0)));
    starts_with(&data_dir, &more);
}

#[test]
fn a_newer_snapshot_replaces_older_ones() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    record(data_dir, 60);
    let all = events(data_dir);
    let snapshots = data_dir.join("snapshots");
    write_snapshot(data_dir, &all, 20);
    write_snapshot(data_dir, &all, 30);
    assert_eq!(names(&snapshots), [name(30)]);
    // If the new snapshot fails verification or cannot be written, the older one remains.
    let files = Snapshots::of(data_dir);
    let unverified = files.write(Offset(40), |file| file.write_all(b"x"), |_| Err("it is an x")).unwrap_err();
    assert!(unverified.to_string().contains("failed verification after writing: it is an x"), "{unverified}");
    let unwritten = files.write(Offset(40), |_| Err(std::io::Error::other("full")), |_| Ok::<_, String>(()));
    assert!(unwritten.unwrap_err().to_string().contains("full"));
    assert_eq!(names(&snapshots), [name(30)]);
    // The next start removes an unfinished snapshot, and leaves other files alone.
    fs::write(snapshots.join(name(50) + ".tmp"), b"half").unwrap();
    fs::write(snapshots.join("README"), b"mine").unwrap();
    Running::start(settings(data_dir)).stop();
    assert_eq!(names(&snapshots), [name(30), "README".to_owned()]);
}

#[test]
fn a_damaged_snapshot_is_quarantined_and_the_next_older_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    let expected = record(&good, 150);
    let all = events(&good);
    write_snapshot(&good, &all, 100);
    let older = fs::read(good.join("snapshots").join(name(100))).unwrap();
    write_snapshot(&good, &all, 120);
    fs::write(good.join("snapshots").join(name(100)), older).unwrap();
    fs::remove_dir_all(good.join("state")).unwrap();
    expire(&good, 100);
    let length = fs::metadata(good.join("snapshots").join(name(120))).unwrap().len() as usize;
    let cuts = (0..length).step_by(length / 7).map(|at| (at, true));
    let flips = (0..length).step_by(length / 7).map(|at| (at, false));
    for (number, (at, is_cut)) in cuts.chain(flips).enumerate() {
        let data_dir = folder.path().join(number.to_string());
        copy(&good, &data_dir);
        let newest = data_dir.join("snapshots").join(name(120));
        let mut bytes = fs::read(&newest).unwrap();
        if is_cut {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 0x10;
        }
        // Some bits of a zstd frame have no meaning.
        if zstd::decode_all(bytes.as_slice()).is_ok() {
            continue;
        }
        fs::write(&newest, bytes).unwrap();
        let check = open_offline(&data_dir).check(3, &mut |_| {}).unwrap();
        assert_eq!(check.damaged, 1, "{at}: {check:?}");
        assert!(check.damage[0].contains(&name(120)), "{check:?}");
        starts_with(&data_dir, &expected);
        assert_eq!(names(&data_dir.join("snapshots")), [name(100), name(120) + ".damaged"]);
    }
}

#[test]
fn lost_events_are_reported_with_their_range() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path(), 100);
    let all = events(folder.path());
    let first = expire(folder.path(), 80);
    // sled still has the state of those events.
    let running = Running::start(settings(folder.path()));
    assert_eq!(running.handle.state().totals().probes, 100);
    running.stop();
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    let check = open_offline(folder.path()).check(3, &mut |_| {}).unwrap();
    assert_eq!(check.damage, [format!("the events from 0 up to {first} are missing: no segment holds them")]);
    let running = Running::start(settings(folder.path()));
    let totals = running.handle.state().totals();
    assert_eq!((totals.probes, totals.lost_events), (all.len() as u64 - first, first));
    running.stop();
}

#[test]
fn a_snapshot_ahead_of_the_log_is_used_and_no_offset_is_reused() {
    for kept in [0, 1, 3] {
        let folder = tempfile::tempdir().unwrap();
        let expected = record(folder.path(), 100);
        let all = events(folder.path());
        write_snapshot(folder.path(), &all, all.len() as u64);
        for segment in files(&folder.path().join("events")).into_iter().skip(kept) {
            fs::remove_file(segment).unwrap();
        }
        let probes = expected.totals().probes;
        let running = Running::start(settings(folder.path()));
        running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, 0)));
        running.stop();
        // After it come the number of what was lost, if something was, and the probe.
        let log = event_log::recover(&folder.path().join("events")).unwrap();
        let mut expected = expected;
        for (offset, event) in log.read_from(expected.next_offset()).map(Result::unwrap) {
            expected.fold(offset, &event);
        }
        drop(log);
        let running = Running::start(settings(folder.path()));
        assert_eq!(running.handle.state().differences(&expected, 3).first, [], "{kept}");
        assert_eq!(running.handle.state().totals().probes, probes + 1);
        running.stop();
    }
}

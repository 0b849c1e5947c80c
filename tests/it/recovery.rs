//! Recording continues after damage in the log, and the damage is counted. A damaged sled is rebuilt from the log.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use dot11::{RequestedSsid, Ssid};
use probewatch::chat::model::lookup::{LookupResult, look_up};
use store::event::{Event, EventKind, Offset, Timestamp};
use store::event_log::{self, Snapshots};
use store::recorder::{Recorder, RecorderSettings};
use store::state::Differences;

use crate::support::recorder::{
    Input, Running, addresses, assert_same, copy, events, fold, one_segment, open, open_offline, probe,
    settings,
};
use crate::support::wait_until;

/// A log of some events in one open segment, and the bytes of that segment.
fn small_log(folder: &Path) -> (Vec<(Offset, Event)>, Vec<u8>, std::path::PathBuf) {
    let running = Running::start(RecorderSettings { rotation: one_segment(), ..settings(folder) });
    for number in 0..5 {
        running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, number)));
    }
    running.stop();
    let segment = folder.join("events").join(format!("{:020}.ndjson", 0));
    let bytes = fs::read(&segment).unwrap();
    (events(folder), bytes, segment)
}

#[test]
fn recording_continues_after_a_truncated_line() {
    let folder = tempfile::tempdir().unwrap();
    let (all, bytes, segment) = small_log(folder.path());
    fs::write(&segment, &bytes[..bytes.len() - 7]).unwrap();
    // The saved state is now ahead of the log. It is kept, and the gap is reported.
    let running = Running::start(settings(folder.path()));
    assert_eq!(running.handle.state().next_offset(), Offset(7));
    assert_eq!(running.handle.losses().history_at_start.load(Ordering::Relaxed), 1);
    assert_eq!(running.handle.state().totals().lost_events, 1);
    running.record(&Input::Probe(probe(addresses()[1], RequestedSsid::Absent, 9)));
    running.stop();
    let now = events(folder.path());
    assert_eq!(now[..5], all[..5]);
    assert!(matches!(now[5].1.kind, EventKind::Lost { count: 1, .. }), "{:?}", now[5]);
    assert!(matches!(now[6].1.kind, EventKind::HistoryLost { count: 1 }), "{:?}", now[6]);
    assert_eq!(now.len(), 8);
    let kept = fold(&[&all[..], &now[6..]].concat());
    for is_store_lost in [false, true] {
        if is_store_lost {
            fs::remove_dir_all(folder.path().join("state")).unwrap();
        }
        let reopened = Running::start(settings(folder.path()));
        assert_same(&reopened.handle.state(), &kept);
        reopened.stop();
    }
}

#[test]
fn removed_sealed_segments_are_noticed_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let events_folder = folder.path().join("events");
    // The last is the one that is written.
    let segments = || {
        let names = fs::read_dir(&events_folder).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> = names.filter(|path| path.to_string_lossy().contains(".ndjson")).collect();
        segments.sort();
        segments
    };
    let running = Running::start(settings(folder.path()));
    let mut time = 0;
    let mut record = |running: &Running| {
        time += 1;
        running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, time)));
        running.sync();
    };
    let sealed = wait_until("three sealed segments", || {
        record(&running);
        let segments = segments();
        let are_sealed =
            segments.len() > 3 && segments[..3].iter().all(|path| path.extension() == Some("zst".as_ref()));
        are_sealed.then(|| segments[1].clone())
    });
    let probes = running.handle.state().totals().probes;
    fs::remove_file(&sealed).unwrap();
    wait_until("the loss", || {
        let lost = running.handle.losses().history.load(Ordering::Relaxed);
        (lost > 0 && running.handle.disk_error().is_none()).then_some(())
    });
    let lost = running.handle.losses().history.load(Ordering::Relaxed);
    assert_eq!(running.handle.state().totals().lost_events, lost);
    assert_eq!(running.handle.state().totals().probes, probes);
    running.stop();
    // What is lost stays counted, also when the state is rebuilt.
    for is_store_lost in [false, true] {
        if is_store_lost {
            fs::remove_dir_all(folder.path().join("state")).unwrap();
        }
        let reopened = Running::start(settings(folder.path()));
        let totals = reopened.handle.state().totals();
        assert_eq!((totals.probes, totals.lost_events), (probes, lost), "{is_store_lost}");
        reopened.stop();
    }
}

#[test]
fn a_damaged_line_is_counted_and_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let (all, mut bytes, segment) = small_log(folder.path());
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 20;
    bytes[third] ^= 0x80;
    fs::write(&segment, &bytes).unwrap();
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    let running = Running::start(settings(folder.path()));
    let totals = running.handle.state().totals();
    assert_eq!((totals.probes, totals.lost_events), (all.len() as u64 - 2, 1));
    running.stop();
    // The damaged file is quarantined under another name, and the log is intact from here on.
    assert_eq!(fs::read(segment.with_extension("ndjson.damaged")).unwrap(), bytes);
    assert_eq!(fold(&events(folder.path())).totals(), totals);
}

#[test]
fn repair_works_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    record_many_segments(folder.path());
    let events_folder = folder.path().join("events");
    let sealed = events_folder.join(format!("{:020}.ndjson.zst", 0));
    let mut damaged = fs::read(&sealed).unwrap();
    let length = damaged.len();
    damaged[length / 2..].fill(0);
    fs::write(&sealed, &damaged).unwrap();
    let mut log = event_log::recover(&events_folder).unwrap();
    let bases = log.read_from(Offset(0)).filter_map(Result::err).map(|damage| damage.segment()).collect();
    assert_eq!(log.repair(&bases).unwrap(), bases);
    assert_eq!(fs::read(events_folder.join(format!("{:020}.ndjson.zst.damaged", 0))).unwrap(), damaged);
    // No damage is reported any more, and the recorder folds the remaining events.
    let left = events(folder.path());
    assert!(
        matches!(left[0], (Offset(0), Event { kind: EventKind::Lost { count: 1.., .. }, .. })),
        "{:?}",
        left[0]
    );
    fs::remove_dir_all(folder.path().join("state")).unwrap();
    let running = Running::start(settings(folder.path()));
    assert_same(&running.handle.state(), &fold(&left));
    assert_eq!(running.handle.state().next_offset(), Offset(201));
    running.stop();
}

/// Records a signature and two hundred probes over many small segments.
fn record_many_segments(folder: &Path) {
    let running = Running::start(settings(folder));
    for number in 0..200 {
        running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, number)));
        if number % 10 == 0 {
            running.sync();
        }
    }
    running.stop();
}

#[test]
fn full_segments_are_sealed_and_read_as_before() {
    let folder = tempfile::tempdir().unwrap();
    record_many_segments(folder.path());
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
fn a_damaged_sled_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    let running = Running::start(settings(&good));
    for number in 0..300 {
        let source = addresses()[number as usize % 6];
        let ssid = RequestedSsid::Named(Ssid::from(format!("net {}", number % 40).as_str()));
        running.record(&Input::Probe(probe(source, ssid, number)));
    }
    running.stop();
    let expected = fold(&events(&good));
    let length = fs::metadata(good.join("state/db")).unwrap().len() as usize;
    type Damage = Box<dyn Fn(&Path)>;
    let damage: Vec<Damage> = vec![
        Box::new(|state| {
            fs::remove_dir_all(state).unwrap();
            fs::write(state, b"a file").unwrap();
        }),
        Box::new(|state| fs::write(state.join("db"), b"garbage").unwrap()),
        Box::new(|state| fs::write(state.join("conf"), b"garbage").unwrap()),
        Box::new(|state| fs::remove_file(state.join("conf")).unwrap()),
    ];
    let flips = (0..40).map(|number| -> Damage {
        let at = number * length / 40;
        Box::new(move |state| {
            let mut bytes = fs::read(state.join("db")).unwrap();
            bytes[at..(at + 16).min(length)].iter_mut().for_each(|byte| *byte ^= 0x55);
            fs::write(state.join("db"), bytes).unwrap();
        })
    });
    for (number, damage) in damage.into_iter().chain(flips).enumerate() {
        let data_dir = folder.path().join(number.to_string());
        copy(&good, &data_dir);
        damage(&data_dir.join("state"));
        let running = Running::start(settings(&data_dir));
        for address in addresses() {
            let query = address.to_string();
            let found = look_up(&running.handle.state(), &query);
            assert!(matches!(found, LookupResult::Device(_)), "damage {number}");
        }
        assert_same(&running.handle.state(), &expected);
        running.stop();
    }
}

#[test]
fn a_store_in_use_is_reported_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(folder.path()));
    running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, 0)));
    running.stop();
    let path = folder.path().join("state/db");
    let other = fs::File::open(&path).unwrap();
    other.lock().unwrap();
    let error = Recorder::open(settings(folder.path())).err().unwrap().to_string();
    let id = std::process::id().to_string();
    assert!(error.contains(&id) && error.contains(path.to_str().unwrap()), "{error}");
    drop(other);
    let (_, handle) = open(&settings(folder.path()));
    assert_eq!(handle.state().totals().probes, 1);
}

#[test]
fn a_lost_end_of_the_log_is_reported_and_its_offsets_are_not_reused() {
    let folder = tempfile::tempdir().unwrap();
    let (all, bytes, segment) = small_log(folder.path());
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let cut = ends.collect::<Vec<_>>()[all.len() - 3];
    fs::write(&segment, &bytes[..cut]).unwrap();
    let running = Running::start(settings(folder.path()));
    running.record(&Input::Probe(probe(addresses()[1], RequestedSsid::Wildcard, 9)));
    running.stop();
    let now = events(folder.path());
    let (at, lost) = &now[all.len() - 2];
    assert_eq!(*at, all[all.len() - 2].0);
    assert!(matches!(lost.kind, EventKind::Lost { count: 2, .. }), "{lost:?}");
    assert!(matches!(now[all.len() - 1].1.kind, EventKind::HistoryLost { count: 2 }));
    assert_eq!(now.last().unwrap().0, Offset(all.len() as u64 + 1));
    let mut stored = open_offline(folder.path());
    let check = stored.check(3, &mut |_| {}).unwrap();
    assert!(check.checkpoint.is_ok() && check.damage.is_empty(), "{check:?}");
    // Their effects are kept.
    let kept = fold(&[&all[..], &now[all.len() - 1..]].concat());
    assert_same(&stored.state(&mut |_| {}).unwrap(), &kept);
    assert_same(&stored.rebuild(&mut |_| {}).unwrap(), &kept);
}

#[test]
fn damage_around_a_snapshot_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let running = Running::start(RecorderSettings { rotation: one_segment(), ..settings(data_dir) });
    for number in 0..60 {
        running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, number)));
    }
    running.stop();
    // A snapshot of a state in the middle of the segment.
    let image = fold(&events(data_dir)[..30]).image();
    Snapshots::of(data_dir)
        .write(
            image.next_offset(),
            |file| image.write_to(Timestamp::from_micros(0), file),
            |file| image.verify(file),
        )
        .unwrap();
    let segment = data_dir.join("events").join(format!("{:020}.ndjson", 0));
    let mut lines: Vec<Vec<u8>> =
        fs::read(&segment).unwrap().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    for damaged in [5..7, 25..35] {
        lines[damaged].iter_mut().for_each(|line| line[0] ^= 1);
    }
    fs::write(&segment, lines.concat()).unwrap();
    fs::remove_dir_all(data_dir.join("state")).unwrap();

    let mut stored = open_offline(data_dir);
    let rebuilt = stored.rebuild(&mut |_| {}).unwrap();
    // The snapshot contains the events before it.
    assert_eq!((rebuilt.totals().probes, rebuilt.totals().lost_events), (55, 5));
    let check = stored.check(3, &mut |_| {}).unwrap();
    assert!(check.checkpoint.is_ok() && check.damage.is_empty(), "{check:?}");
    assert_eq!(format!("{:?}", check.differences), format!("{:?}", Differences::default()));
    drop(stored);
    let running = Running::start(settings(data_dir));
    assert_same(&running.handle.state(), &rebuilt);
    running.stop();
}

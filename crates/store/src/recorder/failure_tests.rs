//! What a recorder makes of a disk that fails, and of files that somebody damages or removes.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::recorder_tests::{
    Running, address, captured, check, no_progress, probe, recorded, segments, settings, state_at_start,
};
use super::*;
use crate::event::{Event, EventKind, NamedBy};
use crate::event_log::Rotation;
use crate::event_log::test_disk::FaultyDisk;

#[test]
fn damage_in_the_log_is_reported_once_and_costs_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path());
    let path = segments(dir.path()).into_iter().nth(1).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = check(dir.path());
    assert_eq!((report.damaged, report.damage.len()), (1, 1), "{report:?}");
    // The saved state has the effects of what is damaged: those are the differences.
    assert!(report.differences.count > 0);
    // A start that folds no damaged event does not read them.
    assert_eq!(state_at_start(dir.path()), before);
    // A rebuild does, and repairs the log.
    let rebuilt = OfflineDataDir::open(dir.path()).unwrap().rebuild(&mut no_progress()).unwrap();
    assert!(rebuilt.totals().lost_events > 0 && rebuilt.totals().probes < 200);
    let report = check(dir.path());
    assert_eq!((report.damaged, report.differences.count), (0, 0), "{report:?}");
    assert_eq!(state_at_start(dir.path()), rebuilt);
}

#[test]
fn a_state_that_is_ahead_of_the_log_is_kept_and_no_offset_is_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path());
    let end = before.next_offset();
    let mut lost = 0;
    while lost == 0 {
        let last = segments(dir.path()).pop().unwrap();
        let base: u64 = last.file_name().unwrap().to_str().unwrap()[..20].parse().unwrap();
        lost = end.0 - base;
        fs::remove_file(last).unwrap();
    }
    let running = Running::start(settings(dir.path()));
    assert_eq!(running.handle.losses().history_at_start.load(Ordering::Relaxed), lost);
    assert_eq!(running.handle.state().totals().lost_events, lost);
    assert_eq!(running.handle.state().totals().probes, before.totals().probes);
    running.record([probe(5)]);
    let after = running.stop();
    assert!(after.next_offset() > end.next());
    // Also without the store: a snapshot has the effects.
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(state_at_start(dir.path()), after);
    let report = check(dir.path());
    assert_eq!((report.damaged, report.differences.count), (0, 0), "{report:?}");
}

#[test]
fn the_state_is_made_again_from_the_log_whatever_is_wrong_with_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path());
    let store = dir.path().join("state");
    fs::remove_dir_all(&store).unwrap();
    assert_eq!(state_at_start(dir.path()), before);
    fs::remove_dir_all(&store).unwrap();
    fs::write(&store, "no folder").unwrap();
    assert_eq!(state_at_start(dir.path()), before);
    assert_eq!(check(dir.path()).differences.count, 0);
}

#[test]
fn while_the_disk_fails_probes_wait_and_changes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let running = Running::start(RecorderSettings { vfs: Arc::new(disk.clone()), ..settings(dir.path()) });
    running.use_everything();
    running.record((0..20).map(probe));
    assert_eq!(running.handle.disk_error(), None);
    disk.fail_writes(true);
    (20..40).for_each(|number| running.handle.record(captured(probe(number))).unwrap());
    let synced = running.runtime.block_on(running.handle.sync());
    assert!(matches!(synced, Err(ChangeError::NotOnDiskYet(_))), "{synced:?}");
    let error = running.handle.disk_error().unwrap();
    assert!(!error.why.is_empty() && !error.remedy.is_empty());
    let name = EventKind::Name { address: address(9), name: "Bob".to_owned(), by: NamedBy::Chat };
    let refused =
        running.runtime.block_on(running.handle.change(Event::new(running.handle.now(), name.clone())));
    assert!(matches!(&refused, Err(error @ ChangeError::Disk(_)) if error.remedy().is_some()), "{refused:?}");
    assert_eq!(running.handle.state().name_of(address(9)), None);
    assert_eq!(running.handle.state().totals().probes, 40, "they are in the state already");
    // What no person asked for is not refused: nobody could ask for it again.
    let handled = Event::new(running.handle.now(), EventKind::UpdateHandled { update: 6 });
    let waits = running.runtime.block_on(running.handle.change(handled));
    assert!(matches!(waits, Err(ChangeError::NotOnDiskYet(_))), "{waits:?}");
    assert!(running.handle.state().chats().was_handled(6));
    disk.fail_writes(false);
    let mut disk_error = running.handle.subscribe_disk_error();
    assert!(running.in_time(disk_error.wait_for(Option::is_none)).is_ok());
    running.change(name);
    running.record((40..60).map(probe));
    assert_eq!(running.handle.losses().disk_failed.load(Ordering::Relaxed), 0);
    let after = running.stop();
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(state_at_start(dir.path()), after);
    assert_eq!((after.totals().probes, after.name_of(address(9))), (60, Some("Bob")));
    assert_eq!(check(dir.path()).damaged, 0);
}

#[test]
fn a_log_that_somebody_deletes_under_the_recorder_costs_the_state_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(settings(dir.path()));
    running.use_everything();
    running.record((0..50).map(probe));
    fs::remove_dir_all(dir.path().join("events")).unwrap();
    let first = running.runtime.block_on(running.handle.sync());
    assert!(first.is_err(), "it is noticed at the next sync");
    let mut disk_error = running.handle.subscribe_disk_error();
    assert!(running.in_time(disk_error.wait_for(Option::is_none)).is_ok());
    running.record((50..60).map(probe));
    assert!(running.handle.losses().history.load(Ordering::Relaxed) > 0);
    let after = running.stop();
    assert_eq!((after.totals().probes, after.name_of(address(1))), (60, Some("Zoë")));
    assert!(after.totals().lost_events > 50);
    assert_eq!(state_at_start(dir.path()), after);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(state_at_start(dir.path()), after);
}

#[test]
fn a_bad_sector_in_the_open_segment_costs_the_state_nothing_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let on_disk = || RecorderSettings {
        vfs: Arc::new(disk.clone()),
        rotation: Rotation { bytes: u64::MAX, age: Duration::MAX },
        ..settings(dir.path())
    };
    let running = Running::start(on_disk());
    running.record((0..100).map(probe));
    running.use_everything();
    running.record((100..200).map(probe));
    let before = running.stop();
    let name = segments(dir.path()).pop().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    disk.add(&name, 8192..8193);

    let running = Running::start(on_disk());
    let lost = running.handle.losses().history_at_start.load(Ordering::Relaxed);
    assert!((10..60).contains(&lost), "{lost}");
    assert_eq!(running.handle.disk_error(), None);
    running.record((200..220).map(probe));
    let after = running.stop();
    assert_eq!(after.totals().probes, before.totals().probes + 20);
    assert_eq!(after.totals().lost_events, lost);
    assert_eq!(after.name_of(address(1)), Some("Zoë"));
    let report = check(dir.path());
    assert_eq!((report.damaged, report.differences.count), (0, 0), "{report:?}");
    assert_eq!(state_at_start(dir.path()), after);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!(state_at_start(dir.path()), after);

    // Without the state, the rest of the log gives one, and its end is no other than before.
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("events")).unwrap();
    let damaged = segments(dir.path()).into_iter().find(|path| path.extension() == Some("damaged".as_ref()));
    fs::copy(damaged.unwrap(), other.path().join("events").join(&name)).unwrap();
    disk.add(&name, 8192..8193);
    let running = Running::start(RecorderSettings { data_dir: other.path().to_owned(), ..on_disk() });
    let state = running.stop();
    assert_eq!(state.next_offset(), before.next_offset());
    assert_eq!(state.totals().lost_events, lost);
    assert!(state.totals().probes < before.totals().probes);
    assert_eq!(check(other.path()).damaged, 0);
}

#[test]
fn a_snapshot_that_cannot_be_opened_prevents_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let before = recorded(dir.path());
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    // A folder can be listed and not be read, like a file on a bad sector.
    let snapshot = dir.path().join("snapshots").join(format!("{:020}.ndjson.zst", before.next_offset().0));
    fs::create_dir_all(&snapshot).unwrap();
    assert_eq!(state_at_start(dir.path()), before);
    assert!(!snapshot.exists(), "it is moved aside");
    assert_eq!(state_at_start(dir.path()), before);
}

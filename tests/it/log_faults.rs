//! Every acknowledged event is in the log exactly once and in order, whichever disk operation fails, once or for a
//! while, and whenever the power fails.

use std::time::{Duration, SystemTime};

use store::event::{EventKind, Offset};
use store::event_log::{Rotation, Writer};

use crate::support::faulty_disk::{Fault, FaultyDisk, Leftover, Operation};
use crate::support::log::{Contents, HOUR, append, event, log_of, open, read, read_all, recover};

/// Two or three batches of events fill a segment.
const SMALL: Rotation = Rotation { bytes: 600, age: HOUR };

/// Attempts before a test fails.
const ATTEMPT_LIMIT: usize = 200;

fn until_it_works<T, E: std::fmt::Debug>(mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let mut last = None;
    for _ in 0..ATTEMPT_LIMIT {
        match attempt() {
            Ok(done) => return done,
            Err(error) => last = Some(error),
        }
    }
    panic!("it never worked: {last:?}");
}

/// Records events in batches as the recorder does, over several segments and a restart, until all are acknowledged.
/// The disk's note is the number of acknowledged events.
fn record(disk: &FaultyDisk) -> Writer {
    let mut writer = until_it_works(|| open(disk, SMALL));
    for group in 0..10 {
        for number in group * 3..group * 3 + 3 {
            assert_eq!(writer.append(&event(number)).unwrap(), Offset(number));
            let _ = writer.write();
        }
        until_it_works(|| writer.sync());
        disk.note(group * 3 + 3);
        // Wait for the sealing, so that the operations have a fixed order.
        drop(writer.read_from(Offset(u64::MAX)));
        if group == 4 {
            drop(writer);
            writer = until_it_works(|| open(disk, SMALL));
            drop(writer.read_from(Offset(u64::MAX)));
        }
    }
    writer
}

/// Checks that the log has every acknowledged event, and only recorded ones.
#[track_caller]
fn assert_kept(disk: &FaultyDisk, what: &str) -> Contents {
    let found = read_all(disk);
    assert!(found.damage.is_empty(), "{what}: {:?}", found.damage);
    found.assert_accounted(Offset(0), what);
    assert_eq!(found.whole().len(), found.events.len(), "{what}: {found:?}");
    assert!(found.next.0 >= disk.noted(), "{what}: {} of {}", found.next, disk.noted());
    found
}

fn fault(operations: std::ops::Range<usize>, errno: i32) -> Fault {
    Fault { operations, only: None, errno, is_short: false }
}

#[test]
fn any_failing_operation_loses_nothing_acknowledged() {
    let whole = FaultyDisk::default();
    drop(record(&whole));
    assert!(whole.names().iter().filter(|name| name.ends_with(".zst")).count() >= 3, "{:?}", whole.names());
    let operations = whole.operations();
    for first in 0..operations {
        let faults = [
            fault(first..first + 1, libc::EIO),
            Fault { is_short: true, ..fault(first..first + 1, libc::ENOSPC) },
            fault(first..first + 7, libc::EIO),
            fault(first..first + 40, libc::EROFS),
            Fault { only: Some(Operation::Sync), ..fault(first..first + 60, libc::EIO) },
            Fault { only: Some(Operation::Write), ..fault(first..first + 60, libc::ENOSPC) },
            Fault { only: Some(Operation::SyncFolder), ..fault(first..first + 60, libc::EIO) },
            Fault { only: Some(Operation::Remove), ..fault(first..first + 60, libc::EIO) },
        ];
        for fault in faults {
            let what = format!("{fault:?}");
            let disk = FaultyDisk::default();
            disk.fail(fault);
            drop(record(&disk));
            let found = assert_kept(&disk.copy(), &what);
            assert_eq!(found.next, Offset(30), "{what}");
        }
    }
}

#[test]
fn power_cut_at_any_write_loses_nothing_synced() {
    let disk = FaultyDisk::default();
    disk.keep_images();
    drop(record(&disk));
    for leftover in [Leftover::Nothing, Leftover::Half, Leftover::Zeros] {
        for (moment, image) in disk.images(leftover).into_iter().enumerate() {
            let what = format!("{leftover:?} of the unsynced at operation {moment}");
            let next = assert_kept(&image, &what).next.0;
            append(&mut open(&image, SMALL).unwrap(), next..next + 4);
            assert_eq!(assert_kept(&image, &what).next.0, next + 4, "{what}");
        }
    }
}

#[test]
fn recovered_events_are_on_disk() {
    let disk = FaultyDisk::default();
    let mut writer = open(&disk, SMALL).unwrap();
    for number in 0..3 {
        writer.append(&event(number)).unwrap();
    }
    // Written but not synced, as a killed process leaves it.
    writer.write().unwrap();
    drop(writer);
    disk.keep_images();
    let log = recover(&disk).unwrap();
    assert_eq!(log.next_offset(), Offset(3));
    drop(read(&log, Offset(0)));
    let image = disk.images(Leftover::Nothing).pop().unwrap();
    assert_eq!(read_all(&image).whole(), [0, 1, 2]);
}

#[test]
fn power_cut_while_the_disk_fails_loses_nothing_synced() {
    let whole = FaultyDisk::default();
    drop(record(&whole));
    for first in (0..whole.operations()).step_by(7) {
        for (length, only) in
            [(1, None), (5, None), (30, Some(Operation::Sync)), (30, Some(Operation::Write))]
        {
            let disk = FaultyDisk::default();
            disk.fail(Fault { only, ..fault(first..first + length, libc::EIO) });
            disk.keep_images();
            drop(record(&disk));
            for (moment, image) in disk.images(Leftover::Half).into_iter().enumerate().skip(first).take(25) {
                assert_kept(&image, &format!("{length} from {first}, {only:?}, power cut at {moment}"));
            }
        }
    }
}

/// Makes the disk lose events that the writer had synced, and fails some of the writer's following operations.
/// Returns the contents of the log afterwards.
fn lose_synced(
    lose: &dyn Fn(&FaultyDisk, &str),
    faulty: Option<std::ops::Range<usize>>,
) -> (Contents, usize) {
    let disk = FaultyDisk::default();
    let mut writer = open(&disk, Rotation { bytes: 1 << 20, age: HOUR }).unwrap();
    append(&mut writer, 0..9);
    lose(&disk, "00000000000000000000.ndjson");
    let before = disk.operations();
    // A failed write makes the writer check the log.
    disk.fail(Fault { only: Some(Operation::Write), ..fault(before..before + 1, libc::EIO) });
    writer.append(&event(9)).unwrap();
    writer.sync().unwrap_err();
    assert!(writer.has_failed());
    if let Some(range) = faulty.clone() {
        disk.fail(fault(before + range.start..before + range.end, libc::EIO));
    }
    until_it_works(|| writer.sync());
    let operations = disk.operations() - before;
    assert!(!writer.take_corruption().is_empty(), "the corruption is reported");
    append(&mut writer, 10..15);
    // All of this must be on disk.
    disk.keep_images();
    let bytes = writer.total_bytes();
    assert!(writer.sealed_segments().next().is_none());
    drop(recover(&disk));
    let image = disk.images(Leftover::Nothing).remove(0);
    assert_eq!(image.names().len(), disk.names().len());
    let on_disk: usize = disk.names().iter().map(|name| disk.bytes(name).len()).sum();
    // A file that a failure interrupted may be missing from the count until the next start.
    assert!(bytes == on_disk as u64 || faulty.is_some() && bytes < on_disk as u64, "{bytes} of {on_disk}");
    (read_all(&image), operations)
}

#[test]
fn a_repair_reports_synced_events_that_are_gone() {
    type Lose = dyn Fn(&FaultyDisk, &str);
    let cut_at_a_line: &Lose = &|disk, name| {
        disk.change(name, |bytes| {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').take(5).collect();
            *bytes = lines.concat();
        });
    };
    let cut: &Lose = &|disk, name| disk.change(name, |bytes| bytes.truncate(bytes.len() - 10));
    let zeros: &Lose = &|disk, name| {
        disk.change(name, |bytes| {
            let length = bytes.len();
            bytes[length - 300..].fill(0);
        });
    };
    let gone: &Lose = &|disk, name| disk.lose(name);
    for (what, lose, kept) in
        [("cut at a line", cut_at_a_line, 5), ("cut", cut, 8), ("zeros", zeros, 6), ("gone", gone, 0)]
    {
        let (found, operations) = lose_synced(lose, None);
        let check = |found: &Contents, what: &str| {
            found.assert_accounted(Offset(0), what);
            assert!(found.damage.is_empty(), "{what}: {found:?}");
            let expected: Vec<u64> = (0..kept).chain(9..15).collect();
            assert_eq!((found.whole(), found.lost()), (expected, 9 - kept), "{what}: {found:?}");
        };
        check(&found, what);
        for first in 1..operations {
            for length in [1, 2, 5] {
                let what = format!("{what}, operations {first} to {} of the repair fail", first + length - 1);
                check(&lose_synced(lose, Some(first..first + length)).0, &what);
            }
        }
    }
}

#[test]
fn an_interrupted_repair_is_finished() {
    let damaged = log_of(62, 2000);
    let names = damaged.names();
    let [sealed, last] = [&names[1], names.last().unwrap()];
    damaged.change(sealed, |bytes| {
        let length = bytes.len();
        bytes[length / 2..].fill(0);
    });
    damaged.change(last, |bytes| bytes[20] ^= 0x80);
    damaged.lose(&names[3]);
    let before = read_all(&damaged);
    assert_eq!(before.damaged.len(), 3);
    before.assert_accounted(Offset(0), "before");

    let disk = damaged.copy();
    disk.keep_images();
    recover(&disk).unwrap().repair(&before.damaged).unwrap();
    let images = [Leftover::Nothing, Leftover::Half].map(|leftover| disk.images(leftover));
    let operations = images[0].len();
    for (moment, image) in images.into_iter().flatten().enumerate() {
        let mut log = recover(&image).unwrap();
        log.repair(&before.damaged).unwrap();
        let after = read_all(&image);
        let what = format!("power cut at operation {moment} of twice {operations}");
        assert_eq!((&after.events, after.next), (&before.events, before.next), "{what}");
        assert!(after.damage.is_empty(), "{what}: {after:?}");
        for name in [sealed, last] {
            assert_eq!(image.bytes(&format!("{name}.damaged")), damaged.bytes(name), "{what}");
        }
    }
    for first in 0..operations {
        // A read error looks the same as lost bytes, so reading the log does not fail.
        for only in [Operation::Write, Operation::Sync, Operation::SyncFolder, Operation::Rename] {
            let disk = damaged.copy();
            disk.fail(Fault { only: Some(only), ..fault(first..first + 4, libc::EIO) });
            let what = format!("operations {first} to {} fail if they are {only:?}", first + 3);
            until_it_works(|| recover(&disk)?.repair(&before.damaged));
            let after = read_all(&disk);
            assert_eq!((&after.events, after.next), (&before.events, before.next), "{what}");
            assert!(after.damage.is_empty(), "{what}: {after:?}");
        }
    }
}

#[test]
fn a_passing_read_error_is_not_repaired() {
    let disk = log_of(60, 2000);
    let all = read_all(&disk);
    let mut log = recover(&disk).unwrap();
    let at = disk.operations();
    disk.fail(Fault { only: Some(Operation::Read), ..fault(at..at + 6, libc::EIO) });
    let found = read(&log, Offset(0));
    found.assert_accounted(Offset(0), "a segment that could not be read");
    assert!(found.lost() > 0 && found.damage[0].contains("os error 5"), "{found:?}");
    assert!(log.repair(&found.damaged).unwrap().is_empty());
    assert_eq!(read_all(&disk), all);
}

#[test]
fn a_segment_is_sealed_when_it_is_old() {
    let sealed = |disk: &FaultyDisk| disk.names().iter().filter(|name| name.ends_with(".zst")).count();
    let all_ages = |age: Duration| {
        let disk = FaultyDisk::default();
        let mut writer = open(&disk, Rotation { bytes: 1 << 20, age }).unwrap();
        writer.sync().unwrap();
        append(&mut writer, 0..6);
        writer.sync().unwrap();
        drop(writer);
        sealed(&disk)
    };
    assert_eq!(all_ages(HOUR), 0);
    assert_eq!(all_ages(Duration::ZERO), 2, "one for each group of events, and none that is empty");

    // A segment that an earlier process began.
    let old = |age: i64| {
        let disk = log_of(3, 1 << 20);
        let now = SystemTime::now();
        let moment = match age {
            0.. => now - Duration::from_secs(age.unsigned_abs()),
            _ => now + Duration::from_secs(age.unsigned_abs()),
        };
        disk.set_created("00000000000000000000.ndjson", moment);
        let mut writer = open(&disk, Rotation { bytes: 1 << 20, age: HOUR }).unwrap();
        writer.sync().unwrap();
        append(&mut writer, 3..6);
        drop(writer);
        assert_kept(&disk, "old");
        sealed(&disk)
    };
    assert_eq!([old(3700), old(3500), old(-86_400)], [1, 0, 0]);
}

#[test]
fn old_segments_are_removed_and_counted() {
    let disk = log_of(60, 1000);
    let names = disk.names();
    disk.change(&names[1], |bytes| bytes[10] ^= 0x80);
    let damaged = read_all(&disk).damaged;
    recover(&disk).unwrap().repair(&damaged).unwrap();
    let on_disk = || disk.names().iter().map(|name| disk.bytes(name).len() as u64).sum::<u64>();
    assert_eq!(recover(&disk).unwrap().total_bytes(), on_disk());
    let listed: Vec<_> = recover(&disk).unwrap().sealed_segments().map(|one| (one.base, one.end)).collect();

    let mut writer = open(&disk, Rotation { bytes: 1000, age: HOUR }).unwrap();
    assert_eq!(writer.total_bytes(), on_disk());
    let segments: Vec<_> = writer.sealed_segments().collect();
    assert_eq!(segments.iter().map(|one| (one.base, one.end)).collect::<Vec<_>>(), listed[..segments.len()]);
    assert_eq!(segments[0].base, Offset(0));
    assert!(segments.windows(2).all(|pair| pair[0].end == pair[1].base && pair[0].bytes > 0));
    let aside = disk.bytes(&format!("{}.damaged", names[1])).len() as u64;
    assert_eq!(segments[1].bytes, disk.bytes(&names[1]).len() as u64 + aside);

    assert_eq!(writer.remove_before(segments[0].end.min(Offset(1))).unwrap(), 0, "it holds event 1");
    assert_eq!(writer.remove_before(Offset(segments[2].end.0 - 1)).unwrap(), 2);
    assert_eq!(writer.total_bytes(), on_disk());
    assert!(!disk.names().iter().any(|name| name.starts_with(&names[1][..20])), "{:?}", disk.names());
    assert_eq!(writer.remove_before(Offset(u64::MAX)).unwrap(), segments.len() - 2, "never the open one");
    assert_eq!(writer.sealed_segments().count(), 0);
    assert_eq!(writer.total_bytes(), on_disk());
    append(&mut writer, 60..63);
    drop(writer);

    let log = recover(&disk).unwrap();
    let first = log.first_offset();
    assert_eq!((first, log.next_offset()), (segments.last().unwrap().end, Offset(63)));
    let found = read(&log, first);
    found.assert_accounted(first, "from the first that is there");
    assert_eq!((found.damage.len(), found.lost()), (0, 0));
    let from_0 = read(&log, Offset(0));
    assert_eq!((from_0.damage.len(), from_0.lost()), (1, first.0), "the rest is missing");
}

#[test]
fn a_power_cut_during_removal_leaves_no_gap() {
    let disk = log_of(60, 1000);
    let mut writer = open(&disk, Rotation { bytes: 1000, age: HOUR }).unwrap();
    disk.keep_images();
    writer.remove_before(Offset(40)).unwrap();
    let images = disk.images(Leftover::Nothing);
    assert!(images.len() > 10);
    for image in images {
        let log = recover(&image).unwrap();
        let found = read(&log, log.first_offset());
        assert!(found.damage.is_empty(), "{found:?}");
        found.assert_accounted(log.first_offset(), "a removal");
    }
}

#[test]
fn a_snapshot_may_be_ahead_of_the_log() {
    for events in [0, 6, 30] {
        let disk = log_of(events, 600);
        let mut log = recover(&disk).unwrap();
        log.next_offset_at_least(Offset(events.saturating_sub(1)));
        assert_eq!(log.next_offset(), Offset(events), "a snapshot that is older changes nothing");
        log.next_offset_at_least(Offset(100));
        assert_eq!(log.next_offset(), Offset(100));
        let mut writer = log.into_writer(SMALL).unwrap();
        append(&mut writer, 100..106);
        drop(writer);
        let log = recover(&disk).unwrap();
        let found = read(&log, Offset(100));
        assert_eq!((found.whole(), found.damage.len()), ((100..106).collect(), 0));
        let mut log = log;
        let from_0 = read(&log, Offset(0));
        from_0.assert_accounted(Offset(0), "with the gap");
        assert_eq!((from_0.lost(), from_0.damage.len()), (100 - events, 1));
        log.repair(&from_0.damaged).unwrap();
        assert_eq!(read_all(&disk).events, from_0.events);
        assert!(matches!(from_0.events[events as usize].1.kind, EventKind::Lost { .. }));
    }
}

//! Logs in a folder: what was synced is read again, whatever happens to the files, and each offset is accounted for.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::test_disk::FaultyDisk;
use super::*;
use crate::event::{Event, EventKind, Offset, Probe};
use dot11::{MacAddr, RequestedSsid};

const EVENTS: u64 = 60;

fn rotation(bytes: u64) -> Rotation {
    Rotation { bytes, age: Duration::MAX }
}

fn event(number: u64) -> Event {
    let source = MacAddr::new([2, 0, 0, 0, (number >> 8) as u8, number as u8]);
    let ssid = RequestedSsid::from_element(format!("net {number}").as_bytes());
    Event::from(Probe::example(source, ssid, 1_000_000 * number as i64))
}

fn writer(folder: &Path, bytes: u64) -> Writer {
    recover(folder).unwrap().into_writer(rotation(bytes)).unwrap()
}

/// Appends the events with these numbers, which are their offsets, with a sync after every fifth.
fn append(writer: &mut Writer, numbers: std::ops::Range<u64>) {
    for number in numbers {
        assert_eq!(writer.append(&event(number)), Ok(Offset(number)));
        if number % 5 == 4 {
            writer.sync().unwrap();
        }
    }
    writer.sync().unwrap();
}

/// Waits until all full segments are sealed.
fn wait_for_sealing(writer: &mut Writer) {
    drop(writer.read_from(Offset::MAX));
}

/// A log whose segments have some 2,000 bytes of text.
fn log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), 2_000);
    append(&mut writer, 0..EVENTS);
    wait_for_sealing(&mut writer);
    folder
}

/// A log with one segment, which is open.
fn open_log(events: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    append(&mut writer(folder.path(), u64::MAX), 0..events);
    let path = folder.path().join(format!("{:020}.ndjson", 0));
    (folder, path)
}

fn expected(from: u64, to: u64) -> Vec<(Offset, Event)> {
    (from..to).map(|number| (Offset(number), event(number))).collect()
}

fn read(log: &RecoveredLog, from: u64) -> Vec<(Offset, Event)> {
    log.read_from(Offset(from)).map(Result::unwrap).collect()
}

/// What is read, and the damage that is reported. Every offset is accounted for, once.
fn read_damaged(log: &RecoveredLog) -> (Vec<(Offset, Event)>, Vec<Corruption>) {
    let (mut events, mut damage, mut next) = (Vec::new(), Vec::new(), Offset(0));
    for entry in log.read_from(Offset(0)) {
        match entry {
            Ok((offset, event)) => {
                assert_eq!(offset, next);
                next = event.end(offset);
                events.push((offset, event));
            }
            Err(corruption) => damage.push(corruption),
        }
    }
    assert_eq!(next, log.next_offset());
    (events, damage)
}

/// The events besides `Lost` ones, and the offsets that those stand for.
fn split(events: &[(Offset, Event)]) -> (Vec<u64>, Vec<u64>) {
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for (offset, found) in events {
        match found.kind {
            EventKind::Lost { count, .. } => lost.extend(offset.0..offset.0 + count),
            _ => {
                assert_eq!(*found, event(offset.0));
                kept.push(offset.0);
            }
        }
    }
    (kept, lost)
}

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_str().unwrap().ends_with(suffix));
    files.sort();
    files
}

fn bytes_of(folder: &Path) -> u64 {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn what_was_synced_is_read_in_order_from_any_offset() {
    let folder = log();
    let log = recover(folder.path()).unwrap();
    assert_eq!((log.first_offset(), log.next_offset()), (Offset(0), Offset(EVENTS)));
    for from in 0..=EVENTS {
        assert_eq!(read(&log, from), expected(from, EVENTS), "{from}");
    }
    let segments: Vec<SealedSegment> = log.sealed_segments().collect();
    assert!(segments.len() >= 4, "{segments:?}");
    assert_eq!((segments[0].base, segments.last().unwrap().end), (Offset(0), Offset(EVENTS)));
    assert!(segments.is_sorted_by(|one, next| one.end == next.base && one.base < one.end));
    assert_eq!(log.total_bytes(), bytes_of(folder.path()));
    assert_eq!(log.total_bytes(), segments.iter().map(|segment| segment.bytes).sum::<u64>());
    // All but the last are compressed: nothing is left to do.
    let sealed = files(folder.path(), ".ndjson.zst").len();
    assert_eq!((sealed, files(folder.path(), "").len()), (segments.len() - 1, segments.len()));
}

#[test]
fn a_writer_reads_what_it_has_written_and_knows_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), 2_000);
    append(&mut writer, 0..EVENTS);
    writer.append(&event(EVENTS)).unwrap();
    assert!(writer.unsynced_bytes() > 100);
    let read = |writer: &mut Writer, from| -> Vec<(Offset, Event)> {
        writer.read_from(Offset(from)).map(Result::unwrap).collect()
    };
    assert_eq!(read(&mut writer, 50), expected(50, EVENTS), "it is not written yet");
    writer.write().unwrap();
    assert_eq!(read(&mut writer, 50), expected(50, EVENTS + 1));
    assert_eq!(writer.total_bytes(), bytes_of(folder.path()));
    writer.sync().unwrap();
    assert_eq!(writer.unsynced_bytes(), 0);
    wait_for_sealing(&mut writer);
    assert_eq!(writer.total_bytes(), bytes_of(folder.path()));
}

#[test]
fn a_segment_ends_at_its_size_or_its_age() {
    for (rotation, segments) in [
        (rotation(u64::MAX), 1),
        (rotation(1), 13),
        (Rotation { bytes: u64::MAX, age: Duration::ZERO }, 13),
        (Rotation { bytes: u64::MAX, age: Duration::from_secs(3600) }, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = recover(folder.path()).unwrap().into_writer(rotation).unwrap();
        append(&mut writer, 0..EVENTS);
        // One without events is never sealed.
        (0..3).for_each(|_| writer.sync().unwrap());
        drop(writer);
        assert_eq!(files(folder.path(), "").len(), segments, "{rotation:?}");
        assert_eq!(read(&recover(folder.path()).unwrap(), 0), expected(0, EVENTS));
    }
}

#[test]
fn a_line_that_was_not_completed_is_cut_off_wherever_it_ends() {
    let (folder, path) = open_log(4);
    let text = fs::read(&path).unwrap();
    let ends = |length: &usize| text[..*length].ends_with(b"\n") || text[*length..].starts_with(b"\n");
    for length in (0..=text.len()).filter(|length| length % 40 == 0 || ends(length)) {
        fs::write(&path, &text[..length]).unwrap();
        let whole = text[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        let log = recover(folder.path()).unwrap();
        assert_eq!(read(&log, 0), expected(0, whole), "{length}");
        let ends = text[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        assert_eq!(fs::metadata(&path).unwrap().len(), ends as u64, "{length}");
        append(&mut log.into_writer(rotation(u64::MAX)).unwrap(), whole..5);
        assert_eq!(fs::read(&path).unwrap()[..text.len()], text, "{length}");
    }
}

#[test]
fn a_damaged_line_costs_its_own_events_and_is_reported_once() {
    for (first, last) in [(0, 0), (3, 3), (5, 7), (8, 9)] {
        let (folder, path) = open_log(10);
        let text = fs::read_to_string(&path).unwrap();
        let damaged: Vec<String> = text
            .lines()
            .enumerate()
            .map(|(number, line)| match (first..=last).contains(&number) {
                true => line.replacen("offset", "0ffset", 1),
                false => line.to_owned(),
            })
            .collect();
        fs::write(&path, damaged.join("\n") + "\n").unwrap();
        let mut log = recover(folder.path()).unwrap();
        assert_eq!(log.next_offset(), Offset(10));
        let lost: Vec<u64> = (first as u64..=last as u64).collect();
        let kept: Vec<u64> = (0..10).filter(|offset| !lost.contains(offset)).collect();
        let (events, damage) = read_damaged(&log);
        assert_eq!(split(&events), (kept.clone(), lost.clone()));
        let lines = first as u64 + 1..last as u64 + 2;
        assert!(
            matches!(&damage[..], [Corruption::Lines { base: Offset(0), lines: found, .. }] if *found == lines),
            "{damage:?}"
        );
        assert!(!damage[0].is_missing_segment() && !damage[0].is_only_removal());
        // Once repaired, it is as it was read, and the file is kept.
        assert_eq!(log.repair(&[damage[0].segment()].into()).unwrap(), [Offset(0)].into());
        assert_eq!(read_damaged(&log).0, events);
        assert_eq!(read_damaged(&log).1.len(), 0);
        assert_eq!(files(folder.path(), ".damaged").len(), 1);
        assert_eq!(log.total_bytes(), bytes_of(folder.path()));
        assert_eq!(read_damaged(&recover(folder.path()).unwrap()).0, events);
        // Whole segments stay as they are.
        assert_eq!(log.repair(&[Offset(0)].into()).unwrap(), [].into());
    }
}

#[test]
fn a_damaged_or_missing_segment_costs_no_event_of_another() {
    let folder = log();
    let segments: Vec<SealedSegment> = recover(folder.path()).unwrap().sealed_segments().collect();
    let (damaged, missing) = (segments[1], segments[3]);
    let path = |segment: SealedSegment| folder.path().join(format!("{:020}.ndjson.zst", segment.base.0));
    let mut bytes = fs::read(path(damaged)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path(damaged), bytes).unwrap();
    fs::remove_file(path(missing)).unwrap();
    let mut log = recover(folder.path()).unwrap();
    let (events, damage) = read_damaged(&log);
    let (kept, lost) = split(&events);
    let (gap, of_damaged) = damage.split_last().unwrap();
    assert!(gap.is_missing_segment() && gap.segment() == missing.base, "{gap}");
    assert!(of_damaged.iter().all(|one| !one.is_missing_segment() && one.segment() == damaged.base));
    assert!(of_damaged.iter().any(|one| matches!(one, Corruption::Segment { .. })), "the checksum is wrong");
    let of = |segment: SealedSegment| segment.base.0..segment.end.0;
    assert!(lost.iter().all(|offset| of(damaged).contains(offset) || of(missing).contains(offset)));
    assert!(
        of(missing).all(|offset| lost.contains(&offset)) && lost.iter().any(|at| of(damaged).contains(at))
    );
    assert_eq!(kept.len() + lost.len(), EVENTS as usize);
    let bases = damage.iter().map(Corruption::segment).collect();
    assert_eq!(log.repair(&bases).unwrap(), bases);
    for log in [log, recover(folder.path()).unwrap()] {
        let (events, damage) = read_damaged(&log);
        assert_eq!((split(&events), damage.len()), ((kept.clone(), lost.clone()), 0));
    }
}

#[test]
fn a_start_removes_unfinished_files_and_completes_a_repair() {
    let folder = log();
    let before = files(folder.path(), "");
    let sealed = &files(folder.path(), ".ndjson.zst")[0];
    let name = |suffix: &str| sealed.with_file_name(format!("{:020}{suffix}", 0));
    fs::write(name(".ndjson.zst.tmp"), "half").unwrap();
    fs::copy(sealed, name(".ndjson.zst.mended")).unwrap();
    // A file of somebody else.
    fs::write(folder.path().join("notes"), "mine").unwrap();
    let log = recover(folder.path()).unwrap();
    assert_eq!(read(&log, 0), expected(0, EVENTS));
    assert_eq!(files(folder.path(), ".tmp").len() + files(folder.path(), ".mended").len(), 0);
    assert_eq!(fs::read_to_string(folder.path().join("notes")).unwrap(), "mine");
    assert!(before.iter().all(|path| path.exists()));
}

/// The open segment was lost, and the last one that is there is damaged.
#[test]
fn a_log_that_ends_in_a_damaged_segment_ends_after_what_can_be_read_of_it() {
    let folder = log();
    files(folder.path(), ".ndjson").into_iter().for_each(|open| fs::remove_file(open).unwrap());
    let sealed = files(folder.path(), ".zst");
    let last = sealed.last().unwrap();
    let whole = recover(folder.path()).unwrap();
    let base = whole.sealed_segments().last().unwrap().base;
    let mut bytes = fs::read(last).unwrap();
    let checksum = bytes.len() - 1;
    bytes[checksum] ^= 1;
    fs::write(last, bytes).unwrap();
    let log = recover(folder.path()).unwrap();
    assert!(log.next_offset() >= whole.next_offset(), "no offset is used twice");
    append(&mut log.into_writer(rotation(2_000)).unwrap(), 100..100);
    let (events, damage) = read_damaged(&recover(folder.path()).unwrap());
    let (kept, _) = split(&events);
    assert!(kept.starts_with(&(0..base.0).collect::<Vec<_>>()));
    assert!(!damage.is_empty());
}

#[test]
fn offsets_that_a_snapshot_knows_are_not_used_again() {
    let folder = log();
    let mut log = recover(folder.path()).unwrap();
    log.next_offset_at_least(Offset(10));
    assert_eq!(log.next_offset(), Offset(EVENTS));
    log.next_offset_at_least(Offset(100));
    assert_eq!(log.next_offset(), Offset(100));
    append(&mut log.into_writer(rotation(u64::MAX)).unwrap(), 100..110);
    let (events, damage) = read_damaged(&recover(folder.path()).unwrap());
    let (kept, lost) = split(&events);
    assert_eq!((kept, lost), ((0..EVENTS).chain(100..110).collect(), (EVENTS..100).collect()));
    assert!(matches!(damage[..], [Corruption::Gap { from: Offset(EVENTS), to: Offset(100) }]), "{damage:?}");
}

#[test]
fn the_oldest_segments_are_removed_whole() {
    let folder = log();
    let mut writer = writer(folder.path(), 2_000);
    let segments: Vec<SealedSegment> = writer.sealed_segments().collect();
    assert_eq!(writer.remove_before(segments[0].end.next()).unwrap(), 1);
    assert_eq!(writer.remove_before(segments[0].end.next()).unwrap(), 0);
    assert_eq!(writer.sealed_segments().collect::<Vec<_>>(), segments[1..]);
    assert_eq!(writer.total_bytes(), bytes_of(folder.path()));
    drop(writer);
    let log = recover(folder.path()).unwrap();
    let first = segments[1].base;
    assert_eq!((log.first_offset(), read(&log, first.0)), (first, expected(first.0, EVENTS)));
    // Never the open one.
    let mut writer = log.into_writer(rotation(2_000)).unwrap();
    writer.remove_before(Offset::MAX).unwrap();
    append(&mut writer, EVENTS..EVENTS + 1);
    drop(writer);
    assert_eq!(recover(folder.path()).unwrap().next_offset(), Offset(EVENTS + 1));
}

/// What somebody did to the open segment of a writer with ten synced events, and how many of them are gone.
#[test]
fn a_log_that_somebody_changed_fails_and_goes_on_with_what_is_left() {
    type Harm = fn(&Path, &[u8]);
    let harms: [(Harm, u64); 5] = [
        (|path, _| fs::remove_file(path).unwrap(), 10),
        (|path, _| fs::remove_dir_all(path.parent().unwrap()).unwrap(), 10),
        (|path, text| fs::write(path, &text[..text.len() / 2]).unwrap(), 5),
        (|path, _| fs::write(path, "").unwrap(), 10),
        (
            |path, text| {
                let copy = path.with_extension("copy");
                fs::write(&copy, text).unwrap();
                fs::rename(copy, path).unwrap();
            },
            0,
        ),
    ];
    for (number, (harm, gone)) in harms.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events");
        let path = events.join(format!("{:020}.ndjson", 0));
        let mut writer = writer(&events, u64::MAX);
        append(&mut writer, 0..10);
        assert!(!writer.has_lost_events().unwrap() && !writer.has_failed());
        harm(&path, &fs::read(&path).unwrap());
        writer.append(&event(10)).unwrap();
        let error = writer.sync().unwrap_err();
        assert!(!error.remedy().is_empty() && writer.has_failed(), "{number}");
        assert!(writer.has_lost_events().unwrap(), "{number}");
        writer.resume().unwrap();
        assert!(!writer.has_failed() && !writer.has_lost_events().unwrap(), "{number}");
        assert_eq!(writer.take_lost(), gone, "{number}");
        assert_eq!(
            (writer.take_lost(), writer.take_corruption().len()),
            (0, usize::from(gone > 0)),
            "{number}"
        );
        append(&mut writer, 11..15);
        drop(writer);
        let (kept, lost) = split(&read_damaged(&recover(&events).unwrap()).0);
        assert_eq!(lost, (10 - gone..10).collect::<Vec<_>>(), "{number}");
        assert_eq!(kept, (0..10 - gone).chain(10..15).collect::<Vec<_>>(), "{number}");
    }
}

#[test]
fn a_sealed_segment_that_somebody_removed_is_missed_at_the_next_sync() {
    let folder = log();
    let mut writer = writer(folder.path(), 2_000);
    writer.sync().unwrap();
    let first = writer.sealed_segments().next().unwrap();
    fs::remove_file(&files(folder.path(), ".zst")[0]).unwrap();
    writer.append(&event(EVENTS)).unwrap();
    assert!(writer.sync().is_err() && writer.has_lost_events().unwrap());
    writer.resume().unwrap();
    assert_eq!(writer.take_lost(), first.end.0);
    assert_eq!(writer.sealed_segments().next().unwrap().base, first.end);
    append(&mut writer, EVENTS + 1..EVENTS + 5);
    drop(writer);
    let log = recover(folder.path()).unwrap();
    assert_eq!(read(&log, first.end.0), expected(first.end.0, EVENTS + 5));
}

#[test]
fn two_logs_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let mut ours = writer(folder.path(), u64::MAX);
    append(&mut ours, 0..5);
    let newer = folder.path().join(format!("{:020}.ndjson", 50));
    fs::write(&newer, "").unwrap();
    ours.suspend();
    ours.resume().unwrap();
    let mut line = Vec::new();
    encode_line(Offset(50), &event(50), &mut line).unwrap();
    fs::write(&newer, line).unwrap();
    ours.suspend();
    assert!(ours.sync().is_err() && ours.has_failed());
    fs::remove_file(newer).unwrap();
    ours.sync().unwrap();
    append(&mut ours, 5..10);
}

#[test]
fn readers_see_the_log_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let reader = ConcurrentReader::new(Arc::new(OsVfs), folder.path());
    let mut writer = writer(folder.path(), 2_000);
    append(&mut writer, 0..EVENTS);
    wait_for_sealing(&mut writer);
    let up_to = |from: Option<u64>, end: u64| -> Vec<(Offset, Event)> {
        let events = reader.events_up_to(from.map(Offset), Offset(end)).unwrap();
        events.map(Result::unwrap).collect()
    };
    // All that there is: a fold goes on after the oldest event that it has not seen.
    for end in [0, 7, 31, EVENTS] {
        assert_eq!((up_to(Some(7), end), up_to(None, end)), (expected(0, end), expected(0, end)), "{end}");
    }
    let segments = reader.segments().unwrap();
    assert_eq!(segments.iter().map(ListedSegment::bytes).sum::<u64>(), bytes_of(folder.path()));
    let mut seen = Vec::new();
    for segment in &segments {
        let all = segment.read(&LineFilter::any(), |offset, event| {
            seen.push((offset, event));
            ControlFlow::Continue(())
        });
        assert_eq!(all.unwrap(), ControlFlow::Continue(()));
    }
    assert_eq!(seen, expected(0, EVENTS));
    assert_eq!(
        segments[0].read(&LineFilter::any(), |_, _| ControlFlow::Break(())).unwrap(),
        ControlFlow::Break(())
    );
    // Segments that were listed before they were removed: their events are missing, and that is no damage.
    let events = reader.events_up_to(Some(Offset(0)), Offset(EVENTS)).unwrap();
    let gone = writer.sealed_segments().nth(1).unwrap().end;
    writer.remove_before(gone).unwrap();
    assert_eq!(
        segments[0].read(&LineFilter::any(), |_, _| unreachable!()).unwrap(),
        ControlFlow::Continue(())
    );
    let entries: Vec<Entry> = events.collect();
    assert!(matches!(entries[0], Err(Corruption::Removed { from: Offset(0), to }) if to == gone));
    let rest: Vec<(Offset, Event)> = entries.into_iter().skip(1).map(Result::unwrap).collect();
    assert_eq!(rest, expected(gone.0, EVENTS));
    // From before the oldest event on.
    let first = reader.events_up_to(None, Offset(EVENTS)).unwrap().next().unwrap().unwrap().0;
    assert_eq!(first, gone);
}

#[test]
fn thinning_leaves_all_offsets_and_all_other_events() {
    let folder = log();
    let mut writer = writer(folder.path(), 2_000);
    let all: Vec<SealedSegment> = writer.sealed_segments().collect();
    let segment = all[1];
    let modified = fs::metadata(&files(folder.path(), ".zst")[1]).unwrap().modified().unwrap();
    assert!(writer.thinner(segment.base.next()).is_none(), "there is no such segment");
    let thinner = writer.thinner(segment.base).unwrap();
    let mut count = 0;
    let counted = thinner.read(|_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert_eq!((counted.unwrap(), count), (ControlFlow::Continue(()), segment.end.0 - segment.base.0));
    assert!(thinner.thin(|_| ControlFlow::Continue(false)).unwrap().is_none(), "it is no smaller");
    assert!(thinner.thin(|_| ControlFlow::Break(())).unwrap().is_none());
    let mut number = 0;
    let every_third_stays = |_: &Event| {
        number += 1;
        ControlFlow::Continue(number % 3 != 0)
    };
    let thinned = thinner.thin(every_third_stays).unwrap().unwrap();
    let (omitted, freed) = (thinned.omitted, thinned.freed);
    let stay = (segment.end.0 - segment.base.0) / 3;
    assert_eq!(omitted, segment.end.0 - segment.base.0 - stay);
    writer.note_thinned(thinned);
    assert_eq!(writer.sealed_segments().nth(1).unwrap().bytes, segment.bytes - freed);
    // Again, all of it.
    let thinned =
        writer.thinner(segment.base).unwrap().thin(|_| ControlFlow::Continue(true)).unwrap().unwrap();
    assert_eq!(thinned.omitted, stay);
    writer.note_thinned(thinned);
    assert_eq!(fs::metadata(&files(folder.path(), ".zst")[1]).unwrap().modified().unwrap(), modified);
    drop(writer);
    let log = recover(folder.path()).unwrap();
    assert_eq!(log.total_bytes(), bytes_of(folder.path()));
    let events = read(&log, 0);
    let omitted = EventKind::Omitted { count: segment.end.0 - segment.base.0 };
    let omitted = (segment.base, Event::without_time(omitted));
    let around = [expected(0, segment.base.0), vec![omitted], expected(segment.end.0, EVENTS)].concat();
    assert_eq!(events, around);
}

#[test]
fn a_segment_that_cannot_be_opened_is_an_error_and_one_that_is_gone_is_empty() {
    let (folder, path) = open_log(5);
    let reader = ConcurrentReader::new(Arc::new(OsVfs), folder.path());
    let segments = reader.segments().unwrap();
    let read = || segments[0].read(&LineFilter::any(), |_, _| ControlFlow::Continue(()));
    fs::remove_file(&path).unwrap();
    assert_eq!(read().unwrap(), ControlFlow::Continue(()));
    // A link to itself.
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(read().is_err());
}

#[test]
fn a_seal_that_is_stopped_leaves_the_segment_as_it_was() {
    let (folder, path) = open_log(EVENTS);
    let dir = super::log_dir::LogDir::existing(Arc::new(OsVfs), folder.path());
    let segment = dir.list_segments().unwrap().remove(0);
    let before = fs::read(&path).unwrap();
    let stop = StopFlag::default();
    stop.set();
    assert!(dir.seal(&segment, &stop).is_err());
    assert_eq!((files(folder.path(), ""), fs::read(&path).unwrap()), (vec![path.clone()], before));
    assert_eq!(read(&recover(folder.path()).unwrap(), 0), expected(0, EVENTS));
    assert!(dir.seal(&segment, &StopFlag::default()).unwrap().sealed);
    assert_eq!(read(&recover(folder.path()).unwrap(), 0), expected(0, EVENTS));
}

#[test]
fn the_end_of_a_writer_does_not_wait_for_a_seal_that_is_aborted() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(folder.path(), 1_000);
    append(&mut writer, 0..EVENTS);
    writer.abort_sealing();
    drop(writer);
    assert_eq!(files(folder.path(), ".tmp"), [] as [PathBuf; 0]);
    let log = recover(folder.path()).unwrap();
    assert_eq!(read(&log, 0), expected(0, EVENTS));
    let mut writer = log.into_writer(rotation(1_000)).unwrap();
    wait_for_sealing(&mut writer);
    assert_eq!(files(folder.path(), ".ndjson").len(), 1, "the next one goes on with the rest");
}

/// The lines of a text, with the bytes that they take in it.
fn line_ranges(text: &[u8]) -> Vec<std::ops::Range<u64>> {
    let mut end = 0;
    let lines = text.split_inclusive(|byte| *byte == b'\n').map(|line| {
        let start = end;
        end += line.len() as u64;
        start..end
    });
    lines.collect()
}

#[test]
fn a_bad_sector_in_the_last_segment_costs_its_own_events_alone() {
    const BLOCK: u64 = 4096;
    for at in ["start", "middle", "two", "end", "all"] {
        let (folder, path) = open_log(500);
        let before = fs::read(&path).unwrap();
        let length = before.len() as u64;
        assert!(length > 12 * BLOCK);
        let bad = match at {
            "start" => vec![(0, 1)],
            "middle" => vec![(5 * BLOCK, 6 * BLOCK)],
            "two" => vec![(2 * BLOCK, 2 * BLOCK + 1), (8 * BLOCK, 8 * BLOCK + 1)],
            "end" => vec![(length - 1, length)],
            _ => vec![(0, length)],
        };
        let bad: Vec<std::ops::Range<u64>> = bad.into_iter().map(|(start, end)| start..end).collect();
        let disk = FaultyDisk::default();
        let name = path.file_name().unwrap().to_str().unwrap();
        bad.iter().for_each(|bad| disk.add(name, bad.clone()));
        let is_bad = |line: &std::ops::Range<u64>| {
            let blocks =
                |bad: &std::ops::Range<u64>| bad.start / BLOCK * BLOCK..bad.end.next_multiple_of(BLOCK);
            bad.iter().map(blocks).any(|bad| line.start < bad.end && bad.start < line.end)
        };
        let whole: Vec<u64> = (0..)
            .zip(line_ranges(&before))
            .filter(|(_, line)| !is_bad(line))
            .map(|(number, _)| number)
            .collect();

        let log = recover_on(Arc::new(disk.clone()), folder.path()).unwrap();
        let (events, damage) = read_damaged(&log);
        assert!(damage.is_empty(), "{at}: {damage:?}");
        let (kept, lost) = split(&events);
        assert_eq!(kept, whole, "{at}");
        assert_eq!(log.salvaged_before(Offset::MAX), lost.len() as u64, "{at}");
        assert_eq!(log.salvaged_before(Offset(0)), 0);
        assert_eq!(fs::read(files(folder.path(), ".damaged").remove(0)).unwrap(), before, "{at}");
        assert_eq!(log.total_bytes(), bytes_of(folder.path()));
        // Recording goes on, and the next start finds nothing to do.
        let next = log.next_offset();
        let mut writer = log.into_writer(rotation(u64::MAX)).unwrap();
        assert_eq!(writer.append(&event(1)), Ok(next));
        writer.sync().unwrap();
        drop(writer);
        let again = recover_on(Arc::new(disk), folder.path()).unwrap();
        assert_eq!(again.salvaged_before(Offset::MAX), 0, "{at}");
        assert_eq!(again.next_offset(), next.next(), "{at}");
        assert_eq!(read_damaged(&again).0[..events.len()], events, "{at}");
        assert_eq!(files(folder.path(), ".damaged").len(), 1, "{at}");
    }
}

#[test]
fn a_read_that_fails_for_a_while_costs_nothing() {
    for count in 1..40 {
        let (folder, _) = open_log(EVENTS);
        let disk = FaultyDisk::default();
        disk.fail_reads(count);
        let log = std::iter::repeat_with(|| recover_on(Arc::new(disk.clone()), folder.path()))
            .take(50)
            .find_map(Result::ok)
            .unwrap();
        assert_eq!(read(&log, 0), expected(0, EVENTS), "{count}");
        assert_eq!(files(folder.path(), "").len(), 1, "{count}");
    }
}

#[test]
fn a_bad_sector_in_a_sealed_segment_prevents_no_start() {
    let numbers = log().path().read_dir().unwrap().count();
    for segment in 0..numbers {
        for is_last in [false, true] {
            let folder = log();
            let sealed = files(folder.path(), ".zst");
            if is_last {
                files(folder.path(), ".ndjson").iter().for_each(|open| fs::remove_file(open).unwrap());
            }
            let Some(path) = sealed.get(segment) else { continue };
            let disk = FaultyDisk::default();
            disk.add(path.file_name().unwrap().to_str().unwrap(), 0..1);
            let mut log = recover_on(Arc::new(disk.clone()), folder.path()).unwrap();
            let (events, damage) = read_damaged(&log);
            assert_eq!(damage.len(), 1, "{damage:?}");
            let (kept, lost) = split(&events);
            assert!(!lost.is_empty() && !kept.is_empty());
            let base = damage[0].segment();
            assert_eq!(log.repair(&BTreeSet::from([base])).unwrap(), BTreeSet::from([base]));
            let (after, damage) = read_damaged(&log);
            assert_eq!((after, damage.len()), (events, 0));
            let next = log.next_offset();
            let mut writer = log.into_writer(rotation(u64::MAX)).unwrap();
            assert_eq!(writer.append(&event(1)), Ok(next));
            writer.sync().unwrap();
        }
    }
}

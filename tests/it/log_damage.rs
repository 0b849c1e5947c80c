//! A reader of a damaged log gets every intact event, and a report of each loss with its range of offsets. A repair
//! makes the loss permanent.

use std::io::Read;

use store::event::{Event, EventKind, Offset};
use store::event_log::Rotation;

use crate::support::faulty_disk::FaultyDisk;
use crate::support::log::{HOUR, append, event, log_of, open, read, read_all, recover, repair};

const FIRST: &str = "00000000000000000000.ndjson";

/// The name of the first sealed segment that begins at or after `base`.
fn sealed_from(disk: &FaultyDisk, base: u64) -> String {
    let is_it = |name: &String| name.ends_with(".zst") && name[..20].parse::<u64>().unwrap() >= base;
    disk.names().into_iter().find(is_it).unwrap()
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_event() {
    let whole = log_of(6, 1 << 20);
    let bytes = whole.bytes(FIRST);
    let tails = [&b""[..], &[0], &[0; 100], &[0; 5000], b"{\"offset\":", b"{\"offset\":3,\0\0"];
    for length in 0..=bytes.len() {
        for tail in tails {
            let disk = whole.copy();
            disk.change(FIRST, |bytes| {
                bytes.truncate(length);
                bytes.extend_from_slice(tail);
            });
            let found = read_all(&disk);
            let count = bytes[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
            let what = format!("cut at {length}, then {tail:?}");
            assert_eq!(found.whole(), (0..count).collect::<Vec<_>>(), "{what}");
            found.assert_accounted(Offset(0), &what);
            assert!(found.damage.is_empty(), "{what}: {found:?}");
            assert_eq!(read_all(&disk).events, found.events, "{what}: another start");
        }
    }
}

#[test]
fn every_flipped_byte_of_an_open_segment_costs_one_line_at_most() {
    let whole = log_of(6, 1 << 20);
    let length = whole.bytes(FIRST).len();
    for at in 0..length {
        for mask in [0x01, 0x10, 0x80, 0xff] {
            let disk = whole.copy();
            let mut line_of = 0;
            disk.change(FIRST, |bytes| {
                line_of = bytes[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
                bytes[at] ^= mask;
            });
            let what = format!("byte {at} of line {line_of}, mask {mask:x}");
            let found = repair(&disk, &what);
            found.assert_accounted(Offset(0), &what);
            if at + 1 == length {
                // The end of the last line: as after an unfinished write.
                assert_eq!((found.next, found.damage.len()), (Offset(5), 0), "{what}");
                continue;
            }
            // The end of a line: the next line is lost too.
            let is_hit = |number: u64| number == line_of || number == line_of + 1;
            let others = |number: &u64| !is_hit(*number);
            let kept: Vec<u64> = found.whole().into_iter().filter(others).collect();
            assert_eq!(kept, (0..6).filter(others).collect::<Vec<_>>(), "{what}: {found:?}");
            assert_eq!(found.next, Offset(6), "{what}");
            let says_where = |text: &String| text.contains("line") && text.contains(FIRST);
            assert!(found.damage.iter().all(says_where), "{what}: {found:?}");
            assert_eq!(found.damage.is_empty(), found.lost() == 0, "{what}: {found:?}");
            let is_aside = disk.names().contains(&format!("{FIRST}.damaged"));
            assert_eq!(is_aside, !found.damage.is_empty(), "{what}");
        }
    }
}

#[test]
fn every_flipped_byte_of_a_sealed_segment_is_reported() {
    let whole = log_of(60, 2000);
    let name = sealed_from(&whole, 1);
    let base: u64 = name[..20].parse().unwrap();
    let next: u64 = sealed_from(&whole, base + 1)[..20].parse().unwrap();
    let all = read_all(&whole);
    assert_eq!(all.whole(), (0..60).collect::<Vec<_>>());
    let mut silent = 0;
    for at in 0..whole.bytes(&name).len() {
        for mask in [0x01, 0x10, 0x80, 0xff] {
            let disk = whole.copy();
            disk.change(&name, |bytes| bytes[at] ^= mask);
            let what = format!("byte {at}, mask {mask:x}");
            let found = repair(&disk, &what);
            found.assert_accounted(Offset(0), &what);
            assert_eq!(found.next, all.next, "{what}");
            let outside = |(offset, _): &&(Offset, Event)| !(base..next).contains(&offset.0);
            assert!(found.events.iter().filter(outside).eq(all.events.iter().filter(outside)), "{what}");
            if found.damage.is_empty() {
                silent += 1;
                assert_eq!(found.events, all.events, "{what}: wrong and not reported");
            } else {
                assert!(found.damage.iter().all(|text| text.contains(&name)), "{what}: {found:?}");
                assert!(disk.names().contains(&format!("{name}.damaged")), "{what}");
            }
        }
    }
    assert!(silent <= 10, "only bits that zstd does not need: {silent}");
}

#[test]
fn the_intact_part_of_a_sealed_segment_is_kept() {
    // A text of several zstd blocks.
    let whole = log_of(6000, 400_000);
    let name = sealed_from(&whole, 0);
    let end: u64 = sealed_from(&whole, 1)[..20].parse().unwrap();
    let length = whole.bytes(&name).len();
    let check = |what: &str, change: &dyn Fn(&mut Vec<u8>), lost: std::ops::Range<u64>| {
        let disk = whole.copy();
        disk.change(&name, change);
        let found = repair(&disk, what);
        found.assert_accounted(Offset(0), what);
        assert!(lost.contains(&found.lost()), "{what}: {} of {end} lost", found.lost());
        assert_eq!(found.whole().len() as u64, 6000 - found.lost(), "{what}");
        assert_eq!(found.damage.len(), 1, "{what}: {:?}", found.damage);
        // Standard tools can read the repaired file.
        let mut text = String::new();
        let bytes = disk.bytes(&name);
        zstd::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text.contains("\"type\":\"lost\""), found.lost() > 0, "{what}");
    };
    check("wrong checksum", &|bytes| bytes[length - 1] ^= 1, 0..1);
    check("cut by a byte", &|bytes| bytes.truncate(length - 1), 0..1);
    check("cut in the middle", &|bytes| bytes.truncate(length / 2), 500..end);
    check("zeros in the last third", &|bytes| bytes[length * 2 / 3..].fill(0), 500..end);
    check("empty", &|bytes| bytes.clear(), end..end + 1);
    check("all zeros", &|bytes| bytes.fill(0), end..end + 1);
}

#[test]
fn invalid_lines_are_reported_in_runs() {
    let whole = log_of(6, 1 << 20);
    let line = |disk: &FaultyDisk, number: usize| {
        let bytes = disk.bytes(FIRST);
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        lines[..number].concat().len()..lines[..=number].concat().len()
    };
    let check = |what: &str, change: &dyn Fn(&FaultyDisk), lost: &[u64], reports: &[&str]| {
        let disk = whole.copy();
        change(&disk);
        let found = repair(&disk, what);
        found.assert_accounted(Offset(0), what);
        let kept: Vec<u64> = (0..6).filter(|number| !lost.contains(number)).collect();
        assert_eq!((found.whole(), found.next), (kept, Offset(6)), "{what}: {found:?}");
        assert_eq!(found.damage.len(), reports.len(), "{what}: {found:?}");
        for (found, report) in found.damage.iter().zip(reports) {
            assert!(found.contains(report), "{what}: {found}");
        }
    };
    let overwrite = |number: usize| {
        move |disk: &FaultyDisk| {
            let range = line(disk, number);
            disk.change(FIRST, |bytes| bytes[range.start..range.end - 1].fill(b'x'));
        }
    };
    let both = |disk: &FaultyDisk| {
        overwrite(1)(disk);
        overwrite(2)(disk);
        overwrite(4)(disk);
    };
    check("two runs", &both, &[1, 2, 4], &["lines 2 to 3 of", "line 5 of"]);
    check("the last", &overwrite(5), &[5], &["line 6 of"]);
    let join = |disk: &FaultyDisk| {
        let range = line(disk, 2);
        disk.change(FIRST, |bytes| bytes[range.end - 1] = b' ');
    };
    check("two lines in one", &join, &[2, 3], &["line 3 of"]);
    let far = |disk: &FaultyDisk| {
        let range = line(disk, 2);
        let digit = range.start + "{\"offset\":".len();
        disk.change(FIRST, |bytes| drop(bytes.splice(digit..=digit, *b"18446744073709551615")));
    };
    check("one that claims to be far ahead", &far, &[2], &["line 3 of"]);
    let twice = |disk: &FaultyDisk| {
        let range = line(disk, 2);
        disk.change(FIRST, |bytes| drop(bytes.splice(range.end..range.end, bytes[range.clone()].to_vec())));
    };
    check("a repeated line", &twice, &[], &["its offset is 2, expected 3"]);
    let hostile = |disk: &FaultyDisk| {
        let range = line(disk, 2);
        let text = b"{\"offset\":2,\"type\":\"\\u001b[31mevil\"}";
        disk.change(FIRST, |bytes| drop(bytes.splice(range.start..range.end - 1, *text)));
    };
    check("a hostile one", &hostile, &[2], &["\\u{1b}[31mevil"]);
}

#[test]
fn missing_segments_are_reported_and_the_rest_is_read() {
    let disk = log_of(100, 1000);
    let name = sealed_from(&disk, 20);
    let base: u64 = name[..20].parse().unwrap();
    let next: u64 = sealed_from(&disk, base + 1)[..20].parse().unwrap();
    disk.lose(&name);
    // An interrupted sealing leaves its unfinished file, or the open file beside the sealed one.
    let other = sealed_from(&disk, 50);
    disk.plant(&other, &other.replace(".zst", ""), b"old");
    disk.plant(&other, &format!("{other}.tmp"), b"half");
    disk.plant(&other, "README", b"not a segment");
    let found = repair(&disk, "a missing segment");
    found.assert_accounted(Offset(0), "a missing segment");
    let expected: Vec<u64> = (0..100).filter(|number| !(base..next).contains(number)).collect();
    assert_eq!((found.whole(), found.lost()), (expected, next - base));
    assert_eq!(
        found.damage,
        [format!("the events from {base} up to {next} are missing: no segment holds them")]
    );
    assert!(!disk.names().iter().any(|name| name.ends_with(".tmp") || *name == other.replace(".zst", "")));
    append(&mut open(&disk, Rotation { bytes: 1000, age: HOUR }).unwrap(), 100..110);
    assert_eq!(read_all(&disk).whole().len() as u64, 110 - (next - base));
}

#[test]
fn a_second_repair_keeps_the_first_quarantine() {
    let disk = log_of(6, 1 << 20);
    for (round, name) in [".damaged", ".damaged-2", ".damaged-3"].into_iter().enumerate() {
        let mut damaged = Vec::new();
        disk.change(FIRST, |bytes| {
            let at = bytes.len() * (2 * round + 1) / 6;
            bytes[at] ^= 0x80;
            damaged = bytes.clone();
        });
        repair(&disk, name);
        assert_eq!(disk.bytes(&format!("{FIRST}{name}")), damaged);
    }
    assert_eq!(read_all(&disk).lost(), 3);
}

#[test]
fn an_empty_segment_is_harmless() {
    for stray in [3, 6] {
        let disk = log_of(6, 1 << 20);
        disk.plant(FIRST, &format!("{stray:020}.ndjson"), b"");
        for end in [6, 9] {
            let found = read_all(&disk);
            assert_eq!(found.whole(), (0..end).collect::<Vec<_>>(), "{stray}");
            assert!(found.damage.is_empty(), "{stray}: {found:?}");
            if end == 6 {
                append(&mut open(&disk, Rotation { bytes: 1 << 20, age: HOUR }).unwrap(), 6..9);
            }
        }
    }
}

#[test]
fn a_lost_run_is_read_from_anywhere() {
    let disk = log_of(4, 1 << 20);
    let lost = Event::without_time(EventKind::Lost { count: 10, why: "a test".to_owned() });
    {
        let mut writer = open(&disk, Rotation { bytes: 1 << 20, age: HOUR }).unwrap();
        assert_eq!(writer.append(&lost).unwrap(), Offset(4));
        append(&mut writer, 14..20);
    }
    let log = recover(&disk).unwrap();
    assert_eq!(log.next_offset(), Offset(20));
    for from in 0..=21 {
        let found = read(&log, Offset(from));
        assert!(found.damage.is_empty());
        if from <= 20 {
            found.assert_accounted(Offset(from), "from within");
        }
        let expected: Vec<u64> = (from..20).filter(|number| !(4..14).contains(number)).collect();
        assert_eq!(found.whole(), expected, "from {from}");
    }
}

#[test]
fn prefetching_ends_with_its_reader() {
    let disk = log_of(3000, 50_000);
    let log = recover(&disk).unwrap();
    let mut ahead = log.read_from(Offset(0)).prefetch();
    assert_eq!(ahead.next().unwrap().unwrap(), (Offset(0), event(0)));
    drop(ahead);
    // Its thread has ended and reads no more.
    let operations = disk.operations();
    assert_eq!(log.read_from(Offset(3000)).prefetch().count(), 0);
    assert_eq!(read(&log, Offset(0)).whole().len(), 3000);
    assert!(disk.operations() > operations);
}

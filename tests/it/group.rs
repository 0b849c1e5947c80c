//! `group` prints which phone each probe request of capture files came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::frames::{DLT_IEEE802_11_RADIO, ProbeRequestFrame, pcap_bytes};
use crate::support::require::captures_dir;
use crate::support::service::{probewatch, probewatch_with_input};

const START: u64 = 1_795_341_600_000_000;

/// A probe request at this second.
fn packet(second: u64, address: [u8; 6], sequence: u16) -> (u64, Vec<u8>) {
    (START + second * 1_000_000, ProbeRequestFrame::from_octets(address).sequence(sequence % 4096).build())
}

/// A phone that scans every 30 seconds, each time from another random address, and goes on counting.
fn phone(tag: u8, scans: u64, start: u16, offset: u64) -> Vec<(u64, Vec<u8>)> {
    let scan = |number: u64| {
        let address = [0x02, tag, 0, 0, 0, number as u8];
        [0, 1].map(|step| packet(offset + number * 30, address, start + number as u16 * 9 + step))
    };
    (0..scans).flat_map(scan).collect()
}

/// The lines for these files.
#[track_caller]
fn group(arguments: &[&str]) -> Vec<Value> {
    let output = probewatch(&[&["group"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&output.stdout)
}

fn lines(stdout: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn write(folder: &Path, name: &str, packets: &[(u64, Vec<u8>)]) -> String {
    let path = folder.join(name);
    fs::write(&path, pcap_bytes(DLT_IEEE802_11_RADIO, packets)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap()
}

#[test]
fn a_phone_keeps_its_group_when_it_changes_its_address() {
    let packets = phone(1, 20, 100, 0);
    let output = probewatch_with_input(&["group", "-"], &pcap_bytes(DLT_IEEE802_11_RADIO, &packets));
    let lines = lines(&output.stdout);
    assert_eq!(lines.len(), 40);
    let groups: BTreeSet<&str> = lines.iter().map(|line| text(line, "group")).collect();
    assert_eq!(groups.len(), 1, "{groups:?}");
    let sources: BTreeSet<&str> = lines.iter().map(|line| text(line, "source")).collect();
    assert_eq!(sources.len(), 20);
    let first = serde_json::json!({
        "time": "2026-11-22T10:00:00.000000Z", "source": "02:01:00:00:00:00", "sequence": 100,
        "model": lines[0]["model"], "group": lines[0]["group"], "at_least": 1, "why": "first",
    });
    assert_eq!(lines[0], first);
    assert_eq!(text(&lines[39], "why"), "sequence_continued");
}

#[test]
fn a_globally_unique_address_is_its_own_group() {
    let folder = tempfile::tempdir().unwrap();
    let fixed = [0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15];
    let mut packets = phone(1, 10, 100, 0);
    // Its numbers fit between those of the phone, and its elements are the same.
    packets.insert(3, packet(31, fixed, 111));
    let lines = group(&[&write(folder.path(), "mixed.pcap", &packets)]);
    assert_eq!(text(&lines[3], "group"), "a4:83:e7:4e:39:15");
    assert!(lines.iter().filter(|line| text(line, "group") == "a4:83:e7:4e:39:15").count() == 1);
}

#[test]
fn a_file_that_is_not_in_the_order_of_time_has_the_same_groups() {
    let mut packets = phone(1, 20, 100, 0);
    let group_set = |packets: &[(u64, Vec<u8>)]| -> BTreeSet<String> {
        let output = probewatch_with_input(&["group", "-"], &pcap_bytes(DLT_IEEE802_11_RADIO, packets));
        lines(&output.stdout).iter().map(|line| text(line, "group").to_owned()).collect()
    };
    let expected = group_set(&packets);
    packets.swap(0, 39);
    assert_eq!(expected.len(), 1);
    assert_eq!(group_set(&packets), expected);
}

#[test]
fn files_are_grouped_together_and_printed_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let all = phone(1, 20, 100, 0);
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let part = |packets: Vec<(usize, &(u64, Vec<u8>))>| -> Vec<(u64, Vec<u8>)> {
        packets.into_iter().map(|(_, packet)| packet.clone()).collect()
    };
    let files = [write(folder.path(), "a.pcap", &part(even)), write(folder.path(), "b.pcap", &part(odd))];
    let lines = group(&[&files[0], &files[1]]);
    let sequences: Vec<u64> = lines.iter().map(|line| line["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences[..3], [100, 109, 118]);
    assert_eq!(sequences[20..23], [101, 110, 119]);
    assert_eq!(lines.iter().map(|line| text(line, "group")).collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn files_of_one_name_are_of_two_radios() {
    let folder = tempfile::tempdir().unwrap();
    // On one clock, addresses in use at the same time prove two phones.
    let packets = |address: u8| -> Vec<(u64, Vec<u8>)> {
        let scan = |number: u64| {
            let sequence = number as u16 * 3 + u16::from(address) * 2000;
            packet(number * 10 + u64::from(address) * 5, [2, 1, 0, 0, 0, address], sequence)
        };
        (0..10).map(scan).collect()
    };
    let file = |name: &str, address: u8| {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        write(folder.path(), name, &packets(address))
    };
    let (one, same_name, other_name) = (file("a/x.pcap", 0), file("b/x.pcap", 1), file("b/y.pcap", 1));
    let lines = group(&[&one, &other_name]);
    assert_eq!(group(&[&one, &same_name]), lines);
    assert!(lines.iter().all(|line| line["at_least"] == 1), "{lines:?}");
    let mut both = [packets(0), packets(1)].concat();
    both.sort_by_key(|(time, _)| *time);
    assert_eq!(most_phones(&write(folder.path(), "both.pcap", &both)), [2, 2]);
}

/// The greatest number of phones that any line says at least, at the end and at the time of each frame.
fn most_phones(file: &str) -> [u64; 2] {
    let most = |lines: Vec<Value>| lines.iter().filter_map(|line| line["at_least"].as_u64()).max();
    [group(&[file]), group(&["--after", "0", file])].map(|lines| most(lines).unwrap())
}

#[test]
fn two_addresses_by_turns_are_one_phone_if_they_share_a_counter() {
    let folder = tempfile::tempdir().unwrap();
    let by_turns = |sequence: fn(u64) -> u64| -> Vec<(u64, Vec<u8>)> {
        let address = |number: u64| [0x02, 1, 0, 0, 0, (number % 2) as u8];
        (0..60).map(|number| packet(number * 5, address(number), sequence(number) as u16)).collect()
    };
    let one_counter = write(folder.path(), "one.pcap", &by_turns(|number| number * 3));
    assert_eq!(most_phones(&one_counter), [1, 1]);
    let two_counters = write(folder.path(), "two.pcap", &by_turns(|number| number * 3 + number % 2 * 2000));
    assert_eq!(most_phones(&two_counters), [2, 2]);
}

#[test]
fn an_older_file_after_a_newer_one_is_grouped_as_the_service_groups_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let two_days = 2 * 86_400;
    let newer = write(folder.path(), "newer.pcap", &phone(1, 20, 100, two_days));
    let older = write(folder.path(), "older.pcap", &phone(2, 20, 900, 0));
    fs::write(path("config.toml"), format!("data_dir = {:?}", path("data"))).unwrap();
    for file in [&newer, &older] {
        let output = probewatch(&["replay", file, "-c", &path("config.toml")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let lines = group(&[&newer, &older]);
    for line in [&lines[7], &lines[39], &lines[40], &lines[79]] {
        let output = probewatch(&["lookup", text(line, "source"), "--json", "-c", &path("config.toml")]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let phone = &found["phone"];
        assert_eq!((&phone["id"], &phone["at_least"]), (&line["group"], &line["at_least"]));
        assert_eq!((&phone["visits"], &phone["address_count"]), (&1.into(), &20.into()));
    }
    assert_ne!(text(&lines[0], "group"), text(&lines[40], "group"));
}

#[test]
fn after_prints_what_was_known_by_then() {
    let folder = tempfile::tempdir().unwrap();
    let mut packets = [phone(1, 60, 100, 0), phone(2, 60, 2148, 11)].concat();
    packets.sort_by_key(|(time, _)| *time);
    let file = write(folder.path(), "two.pcap", &packets);
    let groups_of = |lines: &[Value], tag: &str| -> Vec<String> {
        let of_tag = lines.iter().filter(|line| text(line, "source").starts_with(tag));
        of_tag.map(|line| text(line, "group").to_owned()).collect()
    };
    let end = group(&[&file]);
    // At the end the two are known to be two.
    let (one, other) = (groups_of(&end, "02:01"), groups_of(&end, "02:02"));
    assert_ne!(one.last(), other.last());
    // At the time of its first frame nothing distinguished the second from the first.
    let at_once = group(&["--after", "0", &file]);
    assert_eq!(groups_of(&at_once, "02:01")[0], groups_of(&at_once, "02:02")[0]);
    assert_eq!(groups_of(&at_once, "02:01").last(), one.last());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let output = probewatch(&["group", "/nonexistent.pcap"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent.pcap"));
}

/// How well `groups` tell `labels` apart: the harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg,
/// 2007).
fn v_measure(labels: &[String], groups: &[String]) -> f64 {
    fn counts<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, f64> {
        let mut counts = BTreeMap::new();
        keys.for_each(|key| *counts.entry(key).or_insert(0.0) += 1.0);
        counts
    }
    let total = labels.len() as f64;
    let (of_label, of_group) = (counts(labels.iter()), counts(groups.iter()));
    let joint = counts(labels.iter().zip(groups));
    let entropy = |counts: &BTreeMap<&String, f64>| -> f64 {
        counts.values().map(|count| -count / total * (count / total).ln()).sum()
    };
    let conditional = |given: &dyn Fn(&(&String, &String)) -> f64| -> f64 {
        joint.iter().map(|(pair, count)| -count / total * (count / given(pair)).ln()).sum()
    };
    let homogeneity = 1.0 - conditional(&|(_, group)| of_group[group]) / entropy(&of_label);
    let completeness = 1.0 - conditional(&|(label, _)| of_label[label]) / entropy(&of_group);
    2.0 * homogeneity * completeness / (homogeneity + completeness)
}

/// Nine phones, with a label for each frame.
#[test]
fn labelled_phones_are_told_apart() {
    let Some(captures) = captures_dir() else { return };
    let base = captures.join("labelled/confront-a");
    let lines = group(&[base.join("capture_A.pcap").to_str().unwrap()]);
    let table = fs::read_to_string(base.join("capture_A.csv")).unwrap();
    let mut rows = table.lines();
    let column = rows.next().unwrap().split(',').position(|name| name == "true_label").unwrap();
    let labels: Vec<String> = rows.map(|row| row.split(',').nth(column).unwrap().to_owned()).collect();
    let groups: Vec<String> = lines.iter().map(|line| text(line, "group").to_owned()).collect();
    assert_eq!(labels.len(), groups.len());
    let v = v_measure(&labels, &groups);
    assert!(v >= 0.99, "V = {v:.4}");
}

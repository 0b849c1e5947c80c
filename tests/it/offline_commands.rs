//! `probewatch check`, `rebuild`, `export` and `import` work on a data directory. None of them adds an event, whatever
//! the configuration. Exported SSIDs stay text in every program that opens them.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::commands::{ALICE, Data, RANDOM, TIME, stderr, stdout};
use crate::support::frames::ProbeRequestFrame;
use crate::support::process;
use crate::support::recorder::copy;
use crate::support::service::{log_event, probewatch, probewatch_command, probewatch_with_input};

/// SSIDs that an attacker may send.
const HOSTILE: [&[u8]; 8] = [
    b"=HYPERLINK(\"http://x\",\"a\")",
    b" +1",
    b"@SUM(A1)",
    b"-2",
    b"\t=1\r\n",
    b"x;=1",
    "\u{ff1d}1 \u{202e}, \"quoted\"".as_bytes(),
    b"\xff\xfe\x00",
];

fn hostile() -> Data {
    let frame = |number: usize, ssid: &[u8]| {
        ProbeRequestFrame::new(if number.is_multiple_of(2) { ALICE } else { RANDOM })
            .sequence(number as u16)
            .ssid(ssid)
            .signal(-42)
            .build()
    };
    let frames: Vec<_> =
        HOSTILE.iter().zip(0..).map(|(ssid, number)| (TIME + number as u64, frame(number, ssid))).collect();
    let data = Data::new(&frames);
    data.run(&["chat"], &format!("/name {ALICE} =1+1\n/watch \"=1\" +1\n"));
    data
}

/// The same frames from other devices, so that the log has the same length.
fn other_street(data: &Data) -> Data {
    let length = stdout(&data.run(&["export", "events"], "")).lines().count() as u64 - 1;
    let frame = |sequence| {
        ProbeRequestFrame::new("00:11:22:33:44:55").sequence(sequence).ssid("Else\u{202e}").build()
    };
    Data::new(&(0..length).map(|number| (TIME + number, frame(number as u16))).collect::<Vec<_>>())
}

#[track_caller]
fn check(output: &Output, code: i32, wanted: &str) {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
    let text = stdout(output) + &stderr(output);
    assert!(text.contains(wanted), "{text:?} without {wanted:?}");
}

fn log(data: &Data) -> Vec<u8> {
    fs::read(data.path("data/events/00000000000000000000.ndjson")).unwrap()
}

/// The exported state without its first line, which contains the time of the export.
fn state(data: &Data, more: &[&str]) -> String {
    let output = data.run(&[&["export"], more].concat(), "");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).split_once('\n').unwrap().1.to_owned()
}

#[test]
fn the_log_and_sled_agree_and_checking_changes_neither() {
    let data = Data::street();
    // The configuration now names a device. Only commands that record, such as `run` and `chat`, apply that.
    let mut config = fs::read_to_string(data.config()).unwrap();
    config += &format!("[devices]\n{ALICE:?} = \"Alice\"\n");
    fs::write(data.config(), config).unwrap();
    let before = (log(&data), state(&data, &[]));
    check(&data.run(&["check"], ""), 0, "The log and the saved state match: 8 events, 2 devices\n");
    check(&data.run(&["rebuild"], ""), 0, "Rebuilt the state from the log: 8 events, 2 devices in 0.");
    check(&data.run(&["check"], ""), 0, "The log and the saved state match: 8 events, 2 devices\n");
    check(&data.run(&["export", "devices", "--format", "csv"], ""), 0, ALICE);
    assert_eq!((log(&data), state(&data, &[])), before);
}

#[test]
fn a_missing_or_damaged_state_is_reported_and_rebuilt() {
    let data = Data::street();
    let before = state(&data, &[]);
    let folder = data.path("data/state");
    let damages: [&dyn Fn(); 3] = [
        &|| fs::remove_dir_all(&folder).unwrap(),
        &|| fs::write(Path::new(&folder).join("db"), b"garbage").unwrap(),
        &|| {
            fs::remove_dir_all(&folder).unwrap();
            fs::write(&folder, b"a file").unwrap();
        },
    ];
    for damage in damages {
        damage();
        check(&data.run(&["check"], ""), 1, "There is no state to compare: ");
        assert_eq!(state(&data, &[]), before, "what is exported comes from the log then");
        check(&data.run(&["rebuild"], ""), 0, "Rebuilt the state from the log: 8 events, 2 devices");
        check(&data.run(&["check"], ""), 0, "The log and the saved state match");
        damage();
        let output = data.run(&["lookup", ALICE], "");
        check(&output, 0, "Probe count: 5");
        assert_eq!(
            stderr(&output).matches(&log_event("state_rebuild", &[("from", "0"), ("end", "8")])).count(),
            1
        );
        check(&data.run(&["check"], ""), 0, "The log and the saved state match");
    }
}

#[test]
fn every_differing_row_is_found() {
    let data = Data::street();
    let other = other_street(&data);
    fs::remove_dir_all(data.path("data/state")).unwrap();
    copy(Path::new(&other.path("data/state")), Path::new(&data.path("data/state")));
    let output = data.run(&["check"], "");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stdout(&output));
    assert_eq!(stdout(&data.run(&["check"], "")), stdout(&output), "it changed nothing");
    check(&data.run(&["rebuild"], ""), 0, "Rebuilt");
    check(&data.run(&["check"], ""), 0, "The log and the saved state match");
}

#[test]
fn the_first_differences_are_listed_and_all_are_counted() {
    let frames = |first: u8| -> Vec<(u64, Vec<u8>)> {
        let source = |number: u8| format!("00:00:00:00:00:{:02x}", first + number);
        (0..20).map(|number| (TIME, ProbeRequestFrame::new(&source(number)).wildcard().build())).collect()
    };
    let (data, other) = (Data::new(&frames(0)), Data::new(&frames(20)));
    fs::remove_dir_all(data.path("data/state")).unwrap();
    copy(Path::new(&other.path("data/state")), Path::new(&data.path("data/state")));
    let output = data.run(&["check"], "");
    check(&output, 1, "… and 30 more rows that differ\nThe log and the saved state differ in 40 rows; ");
    assert_eq!(stdout(&output).lines().filter(|line| line.starts_with("device ")).count(), 10);
}

#[test]
fn a_checkpoint_may_be_behind_the_log_but_not_ahead() {
    let data = Data::street();
    let (state, old) = (data.path("data/state"), data.path("old state"));
    copy(Path::new(&state), Path::new(&old));
    data.run(&["chat"], "/watch RNM0\n");
    fs::remove_dir_all(&state).unwrap();
    copy(Path::new(&old), Path::new(&state));
    check(
        &data.run(&["check"], ""),
        0,
        "The log and the saved state match: 9 events, of which the saved state includes 8, 2 devices\n",
    );
    let text = String::from_utf8(log(&data)).unwrap();
    let cut: String = text.split_inclusive('\n').take(4).collect();
    fs::write(data.path("data/events/00000000000000000000.ndjson"), cut).unwrap();
    let wanted = "There is no state to compare: the saved state is at event 8, the log ends at 4. `probewatch rebuild`";
    check(&data.run(&["check"], ""), 1, wanted);
}

#[test]
fn damage_of_the_log_fails_the_check() {
    let data = Data::street();
    let mut bytes = log(&data);
    let third = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 20;
    bytes[third] ^= 0x80;
    fs::write(data.path("data/events/00000000000000000000.ndjson"), bytes).unwrap();
    let output = data.run(&["check"], "");
    check(&output, 1, "line 3 of ");
    check(&output, 1, "The log and the saved state differ in ");
    check(&output, 1, "; since the log or a snapshot is damaged, the saved state may be right\n");
    // The intact part is exported, and the loss is reported.
    let output = data.run(&["export", "events"], "");
    check(&output, 1, "line 3 of ");
    assert_eq!(stdout(&output).lines().count(), 8);
    assert!(
        stdout(&output).contains(r#"{"offset":2,"type":"lost","count":1,"why":"line 3 of "#),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_directory_in_use_is_reported_with_its_user() {
    let data = Data::street();
    let lock = fs::File::options().write(true).open(data.path("data/lock")).unwrap();
    lock.lock().unwrap();
    for command in [&["check"][..], &["rebuild"], &["export"], &["import", "-"]] {
        check(&data.run(command, ""), 1, "is in use by another probewatch (process ");
    }
    drop(lock);
    // Only sled is locked: it is not discarded.
    let sled = fs::File::options().write(true).open(data.path("data/state/db")).unwrap();
    sled.lock().unwrap();
    let id = std::process::id();
    for command in [&["check"][..], &["rebuild"], &["export"], &["lookup", ALICE]] {
        check(&data.run(command, ""), 1, &format!("is in use by process {id}; stop that first"));
    }
    drop(sled);
    check(&data.run(&["check"], ""), 0, "match");
    for command in ["check", "rebuild", "export"] {
        check(&probewatch(&[command, "--data-dir", "/nonexistent"]), 1, "there is no data in /nonexistent");
    }
    assert!(!Path::new("/nonexistent").exists());
    let file = data.path("file");
    fs::write(&file, "").unwrap();
    for command in [&["check"][..], &["rebuild"], &["export"], &["lookup", ALICE], &["chat"], &["status"]] {
        let output = probewatch(&[command, &["--data-dir", file.as_str()]].concat());
        check(&output, 1, "file is not a directory; name a directory in --data-dir or data_dir");
    }
}

#[test]
fn import_restores_an_export() {
    for data in [Data::street(), hostile()] {
        data.run(&["chat"], "/watch hex:fffe00 because\n");
        // Once from a file, and once compressed from standard input.
        for (file, start) in
            [("state.ndjson", &b"{\"snapshot\":"[..]), ("state.ndjson.zst", b"\x28\xb5\x2f\xfd")]
        {
            let before = state(&data, &[]);
            assert!(before.lines().count() > 5);
            let (path, new) = (data.path(file), data.path(&format!("of {file}")));
            let there = ["--data-dir", new.as_str()];
            check(&data.run(&["export", "--output", &path], ""), 0, "");
            let exported = fs::read(&path).unwrap();
            assert!(exported.starts_with(start));
            let output = match file.ends_with("zst") {
                true => probewatch_with_input(&["import", "-", there[0], there[1]], &exported),
                false => data.run(&["import", &path, there[0], there[1]], ""),
            };
            check(&output, 0, " 2 devices; recording continues from there\n");
            check(
                &data.run(&[&["check"], &there[..]].concat(), ""),
                0,
                "The log and the saved state match: ",
            );
            assert_eq!(state(&data, &there), before);
            check(&data.run(&[&["rebuild"], &there[..]].concat(), ""), 0, " 2 devices in ");
            assert_eq!(state(&data, &there), before);
            // Recording continues in the new directory as in the old one.
            for place in [&[][..], &there] {
                check(
                    &data.run(&[&["replay", &data.path("street.pcap")], place].concat(), ""),
                    0,
                    "Replayed",
                );
            }
            let after = state(&data, &[]);
            assert_ne!(after, before);
            assert_eq!(state(&data, &there), after);
            check(
                &data.run(&[&["check"], &there[..]].concat(), ""),
                0,
                "The log and the saved state match: ",
            );
        }
    }
}

#[test]
fn a_failed_import_changes_nothing() {
    let data = Data::street();
    let whole = stdout(&data.run(&["export"], ""));
    let before = state(&data, &[]);
    let output = data.run(&["import", "-"], &whole);
    check(
        &output,
        1,
        "is not empty: it holds clock, events, state; import into an empty directory, named with --data-dir",
    );
    assert_eq!(state(&data, &[]), before);

    let new = data.path("new");
    let import = |text: &str| data.run(&["import", "-", "--data-dir", &new], text);
    let cut = whole.rsplit_once("{\"end\"").unwrap().0;
    check(&import(""), 1, "the snapshot is empty; nothing was imported");
    check(&import(cut), 1, "the snapshot is truncated after line ");
    check(
        &import("{}\n"),
        1,
        "line 1 of the snapshot cannot be used: this is not the beginning of a snapshot",
    );
    check(
        &import(&whole.replace("\"format\":4", "\"format\":9")),
        1,
        "it is of format 9, and this version reads",
    );
    let compressed = zstd::encode_all(whole.as_bytes(), 0).unwrap();
    let half = &compressed[..compressed.len() / 2];
    check(&probewatch_with_input(&["import", "-", "--data-dir", &new], half), 1, "could not be read");
    check(&data.run(&["import", "/nonexistent", "--data-dir", &new], ""), 1, "could not read /nonexistent: ");
    let names: Vec<_> = fs::read_dir(&new).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"]);
    check(&import(&whole), 0, "Imported the state after 8 events: 2 devices");
}

#[test]
fn an_interrupted_import_is_finished_at_the_next_start() {
    let data = Data::street();
    let new = data.path("new");
    let whole = stdout(&data.run(&["export"], ""));
    check(&data.run(&["import", "-", "--data-dir", &new], &whole), 0, "Imported");
    // Only the snapshot had been written.
    fs::remove_dir_all(Path::new(&new).join("state")).unwrap();
    fs::remove_dir_all(Path::new(&new).join("events")).unwrap();
    check(&data.run(&["lookup", ALICE, "--data-dir", &new], ""), 1, "there is no data");
    check(&data.run(&["replay", &data.path("street.pcap"), "--data-dir", &new], ""), 0, "Replayed");
    data.run(&["replay", &data.path("street.pcap")], "");
    assert_eq!(state(&data, &["--data-dir", &new]), state(&data, &[]));
}

#[test]
fn exported_events_equal_the_lines_of_the_log() {
    let data = hostile();
    assert_eq!(data.run(&["export", "events"], "").stdout, log(&data));
    let path = data.path("events.ndjson.zst");
    check(&data.run(&["export", "events", "-o", &path], ""), 0, "");
    assert_eq!(zstd::decode_all(fs::read(&path).unwrap().as_slice()).unwrap(), log(&data));
}

#[test]
fn tables_contain_no_formulas() {
    let data = hostile();
    let events = stdout(&data.run(&["export", "events", "--format", "csv"], ""));
    let devices = stdout(&data.run(&["export", "devices", "--format", "csv"], ""));
    for (place, text) in [&events, &devices].into_iter().enumerate() {
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let columns = table.headers().unwrap().clone();
        for row in table.records().map(Result::unwrap) {
            for (column, cell) in columns.iter().zip(&row) {
                let is_signal = column.starts_with("signal_") && cell.parse::<i8>().is_ok();
                let first = cell.trim_start_matches([' ', '"']).chars().next();
                let is_formula = first.is_some_and(|first| "=+-@\t\r＝＋－＠".contains(first));
                assert!(is_signal || !is_formula, "{place}: {column}: {cell}");
                assert!(!cell.contains(char::is_control), "{cell:?}");
            }
        }
    }
    insta::assert_snapshot!(format!("{events}\n{devices}"));
}

#[test]
fn devices_are_exported_as_lines_too() {
    let data = Data::street();
    data.run(&["chat"], &format!("/name {ALICE} Alice\n"));
    let text = stdout(&data.run(&["export", "devices"], ""));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        lines[0],
        json!({
            "address": ALICE, "name": "Alice", "random": false, "probe_count": 5, "wildcard_count": 1,
            "first_probe": "2020-04-18T17:04:27.123456Z", "last_probe": "2020-04-18T17:04:31.123456Z",
            "signal": {
                "last_dbm": -50, "min_dbm": -70, "max_dbm": -40, "last_time": "2020-04-18T17:04:29.123456Z",
            },
            "signature": "2251bc60a236c5f0",
            "ssids": [
                {"ssid": "<b>\u{202e}\n", "count": 1}, {"ssid": "RNM0", "count": 1},
                {"ssid_hex": "fffe00", "count": 1},
            ],
            "probes_for_further_ssids": 0,
            "probes_by_hour": [[17, 5]],
        })
    );
    assert!(text.starts_with(&format!("{{\"address\":\"{ALICE}\",\"name\":\"Alice\",\"random\":false,")));
}

#[test]
fn exports_are_filtered_by_device_and_time() {
    let data = Data::street();
    data.run(&["chat"], &format!("/name {ALICE} Alice's phone\n/watch RNM0\n"));
    let lines = |arguments: &[&str]| {
        let output = data.run(&[&["export"], arguments].concat(), "");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).lines().count()
    };
    // Two signatures, six probes, a name and a watch.
    assert_eq!(lines(&["events"]), 10);
    assert_eq!(lines(&["events", "--format", "csv"]), 7);
    for device in [ALICE, "Alice's phone", "alice", "A483E74E3915"] {
        assert_eq!(lines(&["events", "--device", device]), 6, "{device}");
        assert_eq!(lines(&["devices", "--device", device]), 1, "{device}");
    }
    assert_eq!(lines(&["events", "--device", ALICE, "--device", RANDOM]), 7);
    assert_eq!(lines(&["events", "--device", "00:11:22:33:44:55"]), 0);
    // Captured on 2020-04-18 from 19:04:27.123456 to 19:04:32.123456 in Berlin.
    for (period, events, devices) in [
        (&["--to", "2020-04-17"][..], 0, 0),
        (&["--to", "2020-04-18"], 6, 2),
        (&["--from", "2020-04-18", "--to", "2020-04-18"], 6, 2),
        (&["--from", "2020-04-18 19:04:31.123456", "--to", "2020-04-18"], 2, 2),
        (&["--from", "2020-04-18T17:04:31.123456Z", "--to", "2020-04-18 19:04:32.123456"], 1, 1),
        (&["--from", "2020-04-18 19:05", "--to", "2020-04-19"], 0, 0),
        // The name and the watch have the current time.
        (&["--from", "2020-04-19"], 2, 0),
    ] {
        assert_eq!(lines(&[&["events"], period].concat()), events, "{period:?}");
        assert_eq!(lines(&[&["devices"], period].concat()), devices, "{period:?}");
    }
    check(&data.run(&["export", "events", "--device", "nobody"], ""), 1, "no device is called \"nobody\"");
    check(
        &data.run(&["export", "events", "--from", "yesterday"], ""),
        2,
        "expected a date such as 2026-11-22",
    );
    check(
        &data.run(&["export", "events", "--from", "2020-04-19", "--to", "2020-04-17"], ""),
        2,
        "--from is later than --to",
    );
    check(&data.run(&["lookup", " "], ""), 2, "expected a name or an address");
    let unsuitable = data.run(&["export", "--format", "csv"], "");
    check(&unsuitable, 2, "need `export events` or `export devices`");
    check(&unsuitable, 2, "Usage: probewatch export [OPTIONS] [WHAT]");
    check(&data.run(&["export", "--from", "2020-04-18"], ""), 2, "the state is written whole");
}

#[test]
fn a_file_is_written_completely_or_not_at_all() {
    let data = Data::street();
    let path = data.path("state");
    fs::write(&path, b"an older export").unwrap();
    let missing = data.path("none/state");
    let expected = format!("could not write {missing}: No such file or directory (os error 2)\n");
    check(&data.run(&["export", "-o", &missing], ""), 1, &expected);
    check(&data.run(&["export", "-o", &path], ""), 0, "");
    assert!(fs::read_to_string(&path).unwrap().starts_with("{\"snapshot\":8,"));
    // Only regular files are replaced.
    check(&data.run(&["export", "-o", "/dev/null"], ""), 0, "");
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let full = data.run(&["export", "-o", "/dev/full"], "");
    check(&full, 1, "could not write /dev/full: No space left on device");
}

#[test]
fn a_closed_output_is_no_failure() {
    let frame = |number: u64| {
        let source = format!("02:00:00:00:{:02x}:{:02x}", number / 256, number % 256);
        (TIME + number, ProbeRequestFrame::new(&source).ssid("a network with a name").build())
    };
    let data = Data::new(&(0..2000).map(frame).collect::<Vec<_>>());
    let data_dir = data.path("data");
    for what in [&["state"][..], &["events"], &["events", "--format", "csv"], &["devices", "--format", "csv"]]
    {
        let arguments = [&["export", "--data-dir", data_dir.as_str()], what].concat();
        let mut command = probewatch_command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let output = process::finish(child, "export to end");
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{what:?}");
    }
}

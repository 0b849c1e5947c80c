//! `decode` prints each probe request of a capture file as a line of JSON, and reports the frames that it left out.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::frames::{DLT_IEEE802_11_RADIO, Fcs, ProbeRequestFrame, pcap_bytes};
use crate::support::require::captures_dir;
use crate::support::service::{probewatch, probewatch_command, probewatch_with_input};
use crate::support::{process, wait};

const SOURCE: &str = "a4:83:e7:4e:39:15";

/// A capture file with one probe request for "RNM0" for each FCS.
fn capture(fcs: &[Fcs]) -> Vec<u8> {
    let packets: Vec<(u64, Vec<u8>)> = fcs
        .iter()
        .map(|fcs| ProbeRequestFrame::new(SOURCE).ssid("RNM0").sequence(7).fcs(*fcs).build())
        .map(|frame| (1_587_229_467_123_456, frame))
        .collect();
    pcap_bytes(DLT_IEEE802_11_RADIO, &packets)
}

/// Decodes from standard input. Returns the printed lines and the text on standard error.
#[track_caller]
fn decode(input: &[u8], flags: &[&str]) -> (Vec<Value>, String) {
    let output = probewatch_with_input(&[&["decode", "-"], flags].concat(), input);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    (stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), stderr)
}

#[test]
fn frames_are_printed_as_they_arrive() {
    let mut command = probewatch_command(&["decode", "-"]);
    let mut decode =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = decode.stdin.take().unwrap();
    let output = decode.stdout.take().unwrap();
    input.write_all(&capture(&[Fcs::Good])).unwrap();
    let lines = process::lines(output);
    // The input stays open, so the end of the input cannot have flushed this line.
    let line = wait::receive(&lines, "the line of a frame");
    drop(input);
    assert!(process::wait_for_exit(&mut decode, "decode to end").success());
    assert!(line.contains(SOURCE));
}

#[test]
fn dash_reads_standard_input() {
    let output = probewatch_with_input(&["decode", "-"], &capture(&[Fcs::Good]));
    assert!(output.status.success());
    let line = String::from_utf8(output.stdout).unwrap();
    let signature = line.split("\"signature\":\"").nth(1).unwrap().get(..16).unwrap().to_owned();
    assert_eq!(
        line,
        format!(
            "{{\"type\":\"probe\",\"time\":\"2020-04-18T17:04:27.123456Z\",\"sensor\":\"stdin\",\
             \"source\":\"{SOURCE}\",\"ssid\":\"RNM0\",\"signal_dbm\":-50,\"frequency_mhz\":2437,\
             \"sequence\":7,\"signature\":\"{signature}\",\"fcs\":\"good\"}}\n"
        )
    );
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "1 frame: 1 probe request (FCS good 1, bad 0, absent 0), 0 others, 0 undecodable\n"
    );
}

#[test]
fn frames_with_a_wrong_fcs_are_left_out_with_one_hint() {
    let mostly_bad = capture(&[Fcs::Bad, Fcs::MarkedBad, Fcs::Bad]);
    let (lines, stderr) = decode(&mostly_bad, &[]);
    assert!(lines.is_empty(), "{lines:?}");
    assert_eq!(stderr.matches("--include-bad-fcs").count(), 1, "{stderr}");
    assert!(stderr.contains("3 of 3 probe requests have a wrong FCS"), "{stderr}");

    let (lines, stderr) = decode(&mostly_bad, &["--include-bad-fcs"]);
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["fcs"] == "bad" && line["source"] == SOURCE), "{lines:?}");
    assert!(!stderr.contains("--include-bad-fcs"), "{stderr}");
}

#[test]
fn a_few_wrong_fcs_give_no_hint() {
    let (lines, stderr) = decode(&capture(&[Fcs::Good, Fcs::Bad, Fcs::None, Fcs::Good]), &[]);
    let fcs: Vec<&str> = lines.iter().filter_map(|line| line["fcs"].as_str()).collect();
    assert_eq!(fcs, ["good", "absent", "good"]);
    assert!(!stderr.contains("--include-bad-fcs"), "{stderr}");
}

#[test]
fn a_closed_output_ends_decode_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.pcap");
    // More than a pipe holds, so that `decode` still writes after the reader has closed it.
    fs::write(&path, capture(&[Fcs::Good; 20_000])).unwrap();
    let mut child = probewatch_command(&["decode", path.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = process::lines(child.stdout.take().unwrap());
    let first = wait::receive(&lines, "the first line");
    drop(lines);
    assert!(serde_json::from_str::<Value>(&first).is_ok(), "{first}");
    let output = process::finish(child, "decode to end");
    assert!(output.status.success(), "{}", output.status);
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// Files that crashed other decoders. Each is decoded, or refused with its name.
#[test]
fn crafted_files_do_not_crash_the_decoder() {
    let Some(captures) = captures_dir() else { return };
    let mut count = 0;
    for entry in fs::read_dir(captures.join("crashers")).unwrap() {
        let path = entry.unwrap().path();
        let output = probewatch(&["decode", path.to_str().unwrap(), "--include-bad-fcs"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {}", path.display(), output.status);
        assert!(!stderr.contains("panicked"), "{}: {stderr}", path.display());
        assert!(output.status.success() || stderr.contains(name(&path)), "{}: {stderr}", path.display());
        count += 1;
    }
    assert_eq!(count, 21);
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

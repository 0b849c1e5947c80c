//! Capture files as they are found: appended to each other, compressed, or of a format that is not read.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::support::frames::{DLT_IEEE802_11, DLT_IEEE802_11_RADIO, ProbeRequestFrame, pcap_bytes};
use crate::support::service::{probewatch, probewatch_command, probewatch_with_input};
use crate::support::{process, wait};

const SOURCE: &str = "a4:83:e7:4e:39:15";

fn frame(sequence: u16) -> ProbeRequestFrame {
    ProbeRequestFrame::new(SOURCE).ssid("RNM0").sequence(sequence)
}

/// A capture file with one probe request of each of these sequence numbers.
fn capture(sequences: &[u16]) -> Vec<u8> {
    let frames: Vec<_> = sequences.iter().map(|sequence| (1_000_000, frame(*sequence).build())).collect();
    pcap_bytes(DLT_IEEE802_11_RADIO, &frames)
}

/// The start of a gzip member, and a block of DEFLATE with these bytes as they are (RFC 1951, 3.2.4).
fn gzip_block(bytes: &[u8], is_last: bool) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    [&[u8::from(is_last)][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat()
}

const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let (checksum, length) = (crc32fast::hash(bytes).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    [&GZIP_HEADER[..], &gzip_block(bytes, true), &checksum, &length].concat()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// The sequence numbers that `decode` prints, from a file and from standard input.
#[track_caller]
fn check(file: &[u8], sequences: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, file).unwrap();
    for output in
        [probewatch(&["decode", path.to_str().unwrap()]), probewatch_with_input(&["decode", "-"], file)]
    {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let printed: Vec<u64> = lines.map(|line| line["sequence"].as_u64().unwrap()).collect();
        assert_eq!(printed, sequences);
    }
}

#[test]
fn a_file_appended_to_another_is_read() {
    let bare = pcap_bytes(DLT_IEEE802_11, &[(2_000_000, frame(3).bare())]);
    check(&[capture(&[1, 2]), bare, capture(&[]), capture(&[4])].concat(), &[1, 2, 3, 4]);
}

#[test]
fn compressed_files_and_streams_are_read() {
    check(&gzip(&capture(&[1, 2])), &[1, 2]);
    check(&zstd(&capture(&[1, 2])), &[1, 2]);
    check(&[gzip(&capture(&[1])), zstd(&capture(&[2])), gzip(&capture(&[3]))].concat(), &[1, 2, 3]);
}

#[test]
fn compressed_frames_are_printed_as_they_arrive() {
    let mut command = probewatch_command(&["decode", "-"]);
    let mut decode =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = decode.stdin.take().unwrap();
    let lines = process::lines(decode.stdout.take().unwrap());
    input.write_all(&GZIP_HEADER).unwrap();
    input.write_all(&gzip_block(&capture(&[7]), false)).unwrap();
    // The stream goes on.
    let line = wait::receive(&lines, "the line of a frame");
    assert!(line.contains("\"sequence\":7,"), "{line}");
    drop(input);
    // The end of the stream is missing.
    assert!(!process::wait_for_exit(&mut decode, "decode to end").success());
}

#[test]
fn a_cut_or_corrupt_file_yields_what_comes_before() {
    let whole = gzip(&capture(&[1, 2]));
    let mut corrupt = whole.clone();
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 1;
    for file in [&whole[..whole.len() - 20], &corrupt] {
        let output = probewatch_with_input(&["decode", "-"], file);
        assert!(!output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        assert!(lines.contains("\"sequence\":1,"), "{lines}");
    }
}

#[test]
fn other_formats_are_named_with_what_to_do() {
    for (start, name, remedy) in [
        (&b"\xfd7zXZ\0\0\x04"[..], "xz", "xz -dk"),
        (b"BZh91AY&SY", "bzip2", "bunzip2"),
        (b"\x04\x22\x4d\x18\x64\x40", "lz4", "lz4 -d"),
        (b"PK\x03\x04\x14\0\0\0", "zip", "unzip"),
        (b"snoop\0\0\0\0\0\0\x02", "snoop", "editcap"),
        (b"SQLite format 3\0\x10\0\x01\x01", ".kismet", "kismetdb_to_pcap"),
    ] {
        let output = probewatch_with_input(&["decode", "-"], start);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(name) && error.contains(remedy), "{error}");
    }
}

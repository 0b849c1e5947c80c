//! The radio, the frames and the oracle, each compared with another program.

use std::process::{Command, Stdio};

use crate::support::frames::{
    DLT_IEEE802_11, DLT_IEEE802_11_RADIO, Fcs, ProbeRequestFrame, pcap_bytes, write_pcap,
};
use crate::support::require;
use crate::support::tap_radio::TapRadio;
use crate::support::tshark::{self, FcsStatus, Row};
use crate::support::{process, wait, wait_until};

const PHONE: &str = "a4:83:e7:4e:39:15";
const OTHER: &str = "02:00:00:00:01:ff";

/// Kills the program when dropped.
struct Program(std::process::Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tcpdump_captures_transmitted_frames() {
    if !require::tcpdump_present() || !require::tap_allowed() {
        return;
    }
    let radio = TapRadio::unique("pwself").expect("a TAP radio");
    let mut command = Command::new("tcpdump");
    command.args(["-i", radio.name(), "-n", "-e", "-l", "-c", "2", "--immediate-mode"]);
    command.args(["type", "mgt", "subtype", "probe-req"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = Program(command.spawn().expect("tcpdump starts"));
    let log = process::lines(program.0.stderr.take().expect("a pipe"));
    let listening =
        wait_until("tcpdump to listen", || log.try_recv().ok().filter(|line| line.contains("listening on")));
    assert!(listening.contains("link-type IEEE802_11_RADIO"), "{listening}");
    radio.transmit(&ProbeRequestFrame::new(PHONE).ssid("RNM0").signal(-42).build());
    radio.transmit(&ProbeRequestFrame::new(PHONE).ssid("no request").response_to(OTHER).build());
    radio.transmit(&ProbeRequestFrame::new(OTHER).ssid("Café").fcs(Fcs::Good).build());
    let output = process::lines(program.0.stdout.take().expect("a pipe"));
    let lines = [(); 2].map(|()| wait::receive(&output, "the line of a frame"));
    assert_eq!(wait::try_receive(&output, "the end of tcpdump"), None);
    for part in ["-42dBm signal", "2437 MHz", "SA:a4:83:e7:4e:39:15", "Probe Request (RNM0)"] {
        assert!(lines[0].contains(part), "{part:?} in {:?}", lines[0]);
    }
    assert!(lines[1].contains("SA:02:00:00:00:01:ff"), "{:?}", lines[1]);
}

#[test]
fn a_dropped_radio_is_removed() {
    if !require::tap_allowed() {
        return;
    }
    let radio = TapRadio::unique("pwgone").expect("a TAP radio");
    let path = format!("/sys/class/net/{}", radio.name());
    let link_type = std::fs::read_to_string(format!("{path}/type")).expect("a link type");
    assert_eq!(link_type.trim(), "803");
    assert!(TapRadio::open(radio.name()).is_err(), "one name, two radios");
    drop(radio);
    assert!(!std::path::Path::new(&path).exists());
    assert!(TapRadio::open("a-name-of-16-byte").is_err());
}

/// Frames of each kind, with the rows that tshark must print.
fn frames_and_rows() -> (Vec<(u64, Vec<u8>)>, Vec<Row>) {
    let phone = || ProbeRequestFrame::new(PHONE);
    let plain = Row {
        time_us: 0,
        source: PHONE.to_owned(),
        ssid: Some(Vec::new()),
        signal_dbm: Some(-50),
        frequency_mhz: Some(2437),
        sequence: Some(0),
        fcs: None,
    };
    let row = || plain.clone();
    let named = |name: &[u8]| Some(name.to_vec());
    let cases = [
        (phone().ssid("RNM0"), Row { ssid: named(b"RNM0"), ..row() }),
        (phone().wildcard().sequence(4095), Row { sequence: Some(4095), ..row() }),
        (phone().without_ssid(), Row { ssid: None, ..row() }),
        (phone().ssid([0xff, 0xfe, 0x00]), Row { ssid: named(b"\xff\xfe\x00"), ..row() }),
        (phone().ssid([b'x'; 32]), Row { ssid: named(&[b'x'; 32]), ..row() }),
        (phone().signal(-127), Row { signal_dbm: Some(-127), ..row() }),
        (phone().channel(5180), Row { frequency_mhz: Some(5180), ..row() }),
        (phone().without_signal(), Row { signal_dbm: None, ..row() }),
        (phone().fcs(Fcs::Good), Row { fcs: Some(FcsStatus::Good), ..row() }),
        (phone().fcs(Fcs::Bad), Row { fcs: Some(FcsStatus::Bad), ..row() }),
        (phone().fcs(Fcs::MarkedBad), Row { fcs: Some(FcsStatus::Bad), ..row() }),
        (ProbeRequestFrame::new(OTHER).elements([]), Row { source: OTHER.to_owned(), ..row() }),
    ];
    let times = (0..).map(|i: u64| 1_587_229_467_999_998 + i);
    let cases = times.zip(cases);
    cases.map(|(time_us, (frame, row))| ((time_us, frame.build()), Row { time_us, ..row })).unzip()
}

#[test]
fn tshark_reads_the_frames_as_intended() {
    if !require::tshark_present() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("frames.pcap");
    let (mut frames, rows) = frames_and_rows();
    let response = ProbeRequestFrame::new(PHONE).ssid("no request").response_to(OTHER).build();
    frames.push((1, response));
    write_pcap(&path, DLT_IEEE802_11_RADIO, &frames).expect("a file");
    assert_eq!(tshark::probe_requests(&path), rows);
}

#[test]
fn tshark_reads_bare_frames_and_files_that_are_cut_short() {
    if !require::tshark_present() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bare.pcap");
    let frame = |name: &str| ProbeRequestFrame::new(PHONE).ssid(name).sequence(7).bare();
    let bytes = pcap_bytes(DLT_IEEE802_11, &[(1, frame("A")), (2_000_003, frame("B"))]);
    std::fs::write(&path, &bytes[..bytes.len() - 3]).expect("a file");
    let rows = tshark::probe_requests(&path);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].time_us, rows[0].ssid.as_deref()), (1, Some(&b"A"[..])));
    assert_eq!((rows[0].signal_dbm, rows[0].sequence), (None, Some(7)));
}

#[test]
fn the_aggregate_orders_by_capture_time() {
    let row = |time_us, ssid: Option<&[u8]>, signal_dbm| Row {
        time_us,
        source: PHONE.to_owned(),
        ssid: ssid.map(<[u8]>::to_vec),
        signal_dbm,
        frequency_mhz: None,
        sequence: None,
        fcs: None,
    };
    let rows = [
        row(30, Some(b"A"), Some(-30)),
        row(10, Some(b""), Some(-70)),
        row(40, None, None),
        row(20, Some(b"A"), Some(-20)),
        Row { source: OTHER.to_owned(), ..row(5, Some(b"B"), None) },
    ];
    let sources = tshark::aggregate(&rows);
    assert_eq!(sources.keys().collect::<Vec<_>>(), [OTHER, PHONE]);
    let phone = &sources[PHONE];
    assert_eq!((phone.count, phone.wildcard_count, phone.absent_count), (4, 1, 1));
    assert_eq!((phone.first_us, phone.last_us), (10, 40));
    assert_eq!(phone.ssids, [(b"A".to_vec(), 2)].into());
    let signals = [phone.last_signal_dbm, phone.min_signal_dbm, phone.max_signal_dbm];
    assert_eq!(signals, [Some(-30), Some(-70), Some(-20)]);
    assert_eq!((sources[OTHER].count, sources[OTHER].last_signal_dbm), (1, None));
}

#[test]
fn tshark_rows_of_real_captures_are_parsed() {
    let Some(captures) = require::captures_dir() else { return };
    if !require::tshark_present() {
        return;
    }
    let rows = tshark::probe_requests(&captures.join("real/wireshark-wpa-Induction.pcap"));
    let count = |wanted: fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count();
    assert_eq!(rows.len(), 13);
    assert_eq!(count(|row| row.fcs == Some(FcsStatus::Bad)), 1);
    assert_eq!(count(|row| row.ssid.is_none()), 1);
    assert_eq!(count(|row| row.ssid.as_deref() == Some(&[])), 5);
    assert_eq!((rows[0].time_us, rows[0].source.as_str()), (1_167_891_291_039_368, "00:0d:93:82:36:3a"));
    assert_eq!(rows[0].ssid.as_deref(), Some(&b"Coherer"[..]));
}

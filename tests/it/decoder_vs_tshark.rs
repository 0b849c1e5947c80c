//! Every probe request reads as it does in Wireshark.
//!
//! tshark decodes the same files, and each frame's time, source, SSID, signal, frequency, sequence number and FCS
//! status must be equal. The files are real captures, and generated ones for cases that no real capture has.
//! Differences are listed in `known_tshark_differences`.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use capture::{Capture, CaptureSettings, PcapWriter, Source};
use dot11::{Fcs, LinkType, RequestedSsid, hex};

use crate::support::process;
use crate::support::require::{captures_dir, runs_with, tshark_present};

/// The fields that tshark prints for a probe request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields {
    time_us: i64,
    source: String,
    /// Hex digits; `<MISSING>` for the wildcard, empty without an SSID element.
    ssid: String,
    signal_dbm: Option<i64>,
    frequency_mhz: Option<i64>,
    sequence: u16,
    /// `wlan.fcs.status`: 0 bad, 1 good, 2 not checked, empty without an FCS.
    fcs: String,
}

const WILDCARD: &str = "<MISSING>";

fn tshark(path: &Path, check_fcs: bool) -> Vec<Fields> {
    // Radiotap's first signal is the frame's; `wlan_radio` has the last one.
    let fields = [
        "frame.time_epoch",
        "wlan.sa",
        "wlan.ssid",
        "radiotap.dbm_antsignal",
        "wlan_radio.signal_dbm",
        "wlan_radio.frequency",
        "wlan.seq",
        "wlan.fcs.status",
    ];
    let mut command = Command::new("tshark");
    command
        .args(["-n", "-o", &format!("wlan.check_checksum:{}", if check_fcs { "TRUE" } else { "FALSE" })])
        .arg("-r")
        .arg(path)
        .args(["-Y", "wlan.fc.type_subtype==4 && wlan.sa", "-T", "fields", "-E", "occurrence=f"])
        .args(fields.iter().flat_map(|field| ["-e", field]));
    let output = process::output(&mut command);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let [time, source, ssid, radiotap_dbm, dbm, mhz, sequence, fcs] =
                line.split('\t').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
            let (seconds, nanoseconds) = time.split_once('.').unwrap();
            Fields {
                time_us: format!("{seconds}{}", &nanoseconds[..6]).parse().unwrap(),
                source: source.to_owned(),
                ssid: ssid.to_owned(),
                signal_dbm: radiotap_dbm.parse().ok().or_else(|| dbm.parse().ok()),
                frequency_mhz: mhz.parse().ok(),
                sequence: sequence.parse().unwrap(),
                fcs: fcs.to_owned(),
            }
        })
        .collect()
}

fn ours(path: &Path, check_fcs: bool) -> Vec<Fields> {
    let mut all = Vec::new();
    let capture = Capture::open(&Source::file(path), &CaptureSettings::default()).unwrap();
    let outcome = capture.run(|frame| {
        let probe = frame.probe_request;
        all.push(Fields {
            time_us: frame.time_us,
            source: probe.source.to_string(),
            ssid: match &probe.ssid {
                RequestedSsid::Absent => String::new(),
                RequestedSsid::Wildcard => WILDCARD.to_owned(),
                RequestedSsid::Named(ssid) => hex(ssid.as_bytes()),
            },
            signal_dbm: probe.signal_dbm.map(Into::into),
            frequency_mhz: probe.frequency_mhz.map(Into::into),
            sequence: probe.sequence,
            fcs: match probe.fcs {
                Fcs::Absent => "",
                _ if !check_fcs => "2",
                Fcs::Good => "1",
                Fcs::Bad => "0",
            }
            .to_owned(),
        });
        ControlFlow::Continue(())
    });
    if let Err(error) = outcome {
        eprintln!("{error}");
    }
    all
}

fn real_captures_are_read_as_in_tshark(check_fcs: bool) {
    let Some(captures) = captures_dir() else { return };
    if !tshark_present() {
        return;
    }
    let mut total = 0;
    for entry in fs::read_dir(captures.join("real")).unwrap() {
        let path = entry.unwrap().path();
        let (ours, theirs) = (ours(&path, check_fcs), tshark(&path, check_fcs));
        for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "probe request {number} of {}", path.display());
        }
        assert_eq!(ours.len(), theirs.len(), "{}", path.display());
        total += ours.len();
    }
    // 25,532 + 33,698 + 28,478 in the lab's captures, 1,185 in a phone's, 110 in others.
    assert_eq!(total, 89_003);
}

#[test]
fn real_captures_read_as_in_tshark_with_the_fcs_check() {
    real_captures_are_read_as_in_tshark(true);
}

#[test]
fn real_captures_read_as_in_tshark_without_the_fcs_check() {
    real_captures_are_read_as_in_tshark(false);
}

/// A probe request with this SSID, followed by other elements.
fn probe(flags: u8, ssid: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x40, flags, 0, 0];
    frame.extend([0xff; 6]);
    frame.extend([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
    frame.extend([0xff; 6]);
    frame.extend((2743u16 << 4).to_le_bytes());
    frame.extend([0, u8::try_from(ssid.len()).unwrap()]);
    frame.extend(ssid);
    frame.extend(rest);
    frame
}

fn with_fcs(mut frame: Vec<u8>) -> Vec<u8> {
    let fcs = crc32fast::hash(&frame);
    frame.extend(fcs.to_le_bytes());
    frame
}

fn radiotap(words: &[u32], fields: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + 4 * words.len() + fields.len()).unwrap();
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    [&[0, 0], &length.to_le_bytes()[..], &words, fields].concat()
}

/// PPI with 802.11-Common: flags, 2437 MHz, -42 dBm.
fn ppi(flags: u8) -> Vec<u8> {
    let mut header = vec![0, 0, 32, 0, 105, 0, 0, 0, 2, 0, 20, 0];
    header.extend([0, 0, 0, 0, 0, 0, 0, 0, flags, 0, 0, 0, 0x85, 9, 0xa0, 0, 0, 0, 0xd6, 0xa0]);
    header
}

fn prism(rssi: i32) -> Vec<u8> {
    let mut header =
        [&0x44u32.to_le_bytes()[..], &144u32.to_le_bytes(), b"wlan0\0\0\0\0\0\0\0\0\0\0\0"].concat();
    for item in 1..=10u32 {
        let value = match item {
            3 => 6,
            4 => rssi.cast_unsigned(),
            _ => 0,
        };
        header.extend([(item << 16) | 0x44, 4 << 16, value].into_iter().flat_map(u32::to_le_bytes));
    }
    header
}

fn avs(version: u32, phy: u32, channel: u32, ssi_type: u32, signal: i32) -> Vec<u8> {
    let mut words = [0u32; 16];
    words[..2].copy_from_slice(&[0x8021_1000 + version, 64]);
    words[6..8].copy_from_slice(&[phy, channel]);
    words[11..13].copy_from_slice(&[ssi_type, signal.cast_unsigned()]);
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A generated frame, and a correction of tshark's fields before the comparison.
struct Case {
    what: &'static str,
    link: LinkType,
    frame: Vec<u8>,
    correct: fn(&mut Fields),
}

fn case(what: &'static str, link: LinkType, frame: Vec<u8>) -> Case {
    Case { what, link, frame, correct: |_| {} }
}

fn equal_cases() -> Vec<Case> {
    let plain = || probe(0, b"RNM0", b"\x01\x04\x02\x04\x0b\x16");
    let elements = |what, flags, ssid: &[u8], rest: &[u8]| {
        case(what, LinkType::Radiotap, [radiotap(&[0x22], &[0, 0xd6]), probe(flags, ssid, rest)].concat())
    };
    let header = |what, header: Vec<u8>, frame| case(what, LinkType::Radiotap, [header, frame].concat());
    let signal = radiotap(&[0x22], &[0, 0xd6]);
    vec![
        elements("wildcard", 0, b"", b""),
        elements("NUL", 0, b"\0", b""),
        elements("32 bytes", 0, &[0xff; 32], b""),
        elements("second SSID", 0, b"one", b"\0\x03two"),
        elements("wildcard, then an SSID", 0, b"", b"\0\x03two"),
        elements("elements of length 0", 0, b"RNM0", b"\x01\0\x32\0\xdd\0"),
        elements("a cut element", 0, b"RNM0", b"\x01\x08\x02"),
        elements("a cut second SSID", 0, b"RNM0", b"\0\x08ab"),
        elements("retry", 0x08, b"RNM0", b""),
        elements("power management, more data", 0x30, b"RNM0", b""),
        elements("to and from DS", 0x03, b"RNM0", b""),
        elements("protected", 0x40, b"RNM0", b""),
        elements("more fragments", 0x04, b"RNM0", b""),
        header("HT Control", signal.clone(), {
            let mut frame = probe(0x80, b"RNM0", b"");
            frame.splice(24..24, [1, 2, 3, 4]);
            frame
        }),
        header("fragment number", signal.clone(), {
            let mut frame = plain();
            // With the same sequence number, tshark would reassemble it with the frame above.
            frame[22..24].copy_from_slice(&(99u16 << 4 | 3).to_le_bytes());
            frame
        }),
        header("no SSID", signal.clone(), plain()[..24].to_vec()),
        header("a cut SSID", signal.clone(), plain()[..28].to_vec()),
        header("good FCS", radiotap(&[0x22], &[0x10, 0xd6]), with_fcs(plain())),
        header("bad FCS", radiotap(&[0x22], &[0x10, 0xd6]), [plain(), vec![1, 2, 3, 4]].concat()),
        header("good FCS that the radio found bad", radiotap(&[0x22], &[0x50, 0xd6]), with_fcs(plain())),
        header("a header and an FCS", radiotap(&[0x22], &[0x10, 0xd6]), with_fcs(plain()[..24].to_vec())),
        header("no room for an FCS", radiotap(&[0x22], &[0x10, 0xd6]), plain()[..24].to_vec()),
        header("no fields", radiotap(&[0], &[]), plain()),
        header("channel 0", radiotap(&[0x8], &[0, 0, 0xa0, 0]), plain()),
        header("channel", radiotap(&[0x8], &[0x3c, 0x14, 0x40, 1]), plain()),
        header("XChannel", radiotap(&[1 << 18], &[0, 0, 0, 0, 0x40, 1, 0, 0, 0x3c, 0x14, 36, 0]), plain()),
        header("two antennas", radiotap(&[0xa000_0022, 0x20], &[0, 0xd6, 0xe0]), plain()),
        header("bits past 31", radiotap(&[0x8000_0002, 0x20], &[0x10, 0xd6]), with_fcs(plain())),
        header(
            "a vendor's data",
            radiotap(&[0xc000_0002, 0xa000_ffff, 0x20], &[0x10, 0, 1, 2, 3, 4, 3, 0, 9, 9, 9, 0xd6]),
            with_fcs(plain()),
        ),
        header("a cut field", radiotap(&[0x0a], &[0x10, 0, 0x85]), with_fcs(plain())),
        header("another version", [1, 0, 9, 0, 0x20, 0, 0, 0, 0xd6].to_vec(), plain()),
        case("bare", LinkType::Ieee80211, plain()),
        case("PPI", LinkType::Ppi, [ppi(0), plain()].concat()),
        case("PPI with FCS", LinkType::Ppi, [ppi(1), with_fcs(plain())].concat()),
        case("PPI with a bad FCS", LinkType::Ppi, [ppi(1), plain(), vec![1, 2, 3, 4]].concat()),
        case("AVS", LinkType::Avs, [avs(1, 4, 6, 2, -42), plain()].concat()),
        case("AVS, 5 GHz", LinkType::Avs, [avs(1, 8, 36, 2, -42), plain()].concat()),
        case("AVS, MHz", LinkType::Avs, [avs(1, 4, 2437, 2, -42), plain()].concat()),
        case("AVS, raw RSSI", LinkType::Avs, [avs(1, 4, 14, 3, 42), plain()].concat()),
        case("AVS, version 3", LinkType::Avs, [avs(3, 4, 6, 2, -42), plain()].concat()),
        case("AVS as Prism", LinkType::Prism, [avs(1, 4, 6, 2, -42), plain()].concat()),
        case("bare as Prism", LinkType::Prism, plain()),
    ]
}

/// Frames for which Wireshark is wrong or incomplete.
fn known_tshark_differences() -> Vec<Case> {
    let plain = || probe(0, b"RNM0", b"\x01\x04\x02\x04\x0b\x16");
    let signal = || radiotap(&[0x22], &[0, 0xd6]);
    let wrong = |what, link, header: Vec<u8>, frame, correct| Case {
        what,
        link,
        frame: [header, frame].concat(),
        correct,
    };
    vec![
        // It shows only 32 bytes of the SSID.
        wrong("33 bytes", LinkType::Radiotap, signal(), probe(0, &[b'a'; 33], b""), |theirs| {
            theirs.ssid = hex(&[b'a'; 33]);
        }),
        wrong("255 bytes", LinkType::Radiotap, signal(), probe(0, &[b'a'; 255], b""), |theirs| {
            theirs.ssid = hex(&[b'a'; 255]);
        }),
        // It has a status only for an FCS in the capture. We also use the radio's flag for an FCS that it removed.
        wrong(
            "the radio's bad FCS",
            LinkType::Radiotap,
            radiotap(&[0x22], &[0x40, 0xd6]),
            plain(),
            |theirs| {
                theirs.fcs = "0".to_owned();
            },
        ),
        wrong("PPI's bad FCS", LinkType::Ppi, ppi(4), plain(), |theirs| theirs.fcs = "0".to_owned()),
        // It uses the last of two channels, although later fields describe single antennas.
        wrong(
            "two channels",
            LinkType::Radiotap,
            radiotap(&[0xa000_0028, 0x28], &[0x6c, 9, 0, 0, 0xd6, 0, 0x85, 9, 0, 0, 0xd6]),
            plain(),
            |theirs| theirs.frequency_mhz = Some(2412),
        ),
        // It shows the channel but no frequency.
        wrong("Prism", LinkType::Prism, prism(-42), plain(), |theirs| theirs.frequency_mhz = Some(2437)),
        // It interprets a value without a unit as dBm.
        wrong("Prism's RSSI", LinkType::Prism, prism(57), plain(), |theirs| {
            theirs.signal_dbm = None;
            theirs.frequency_mhz = Some(2437);
        }),
        // It rejects a 5 GHz channel with a 2.4 GHz modulation, which drivers may guess, and frequencies in kHz.
        wrong("AVS, 5 GHz", LinkType::Avs, avs(1, 4, 36, 2, -42), plain(), |theirs| {
            theirs.frequency_mhz = Some(5180);
        }),
        wrong("AVS, kHz", LinkType::Avs, avs(1, 4, 5_180_000, 2, -42), plain(), |theirs| {
            theirs.frequency_mhz = Some(5180);
        }),
        // It truncates the channel number to 8 bits.
        wrong("AVS, -300 dBm", LinkType::Avs, avs(1, 4, 6, 2, -300), plain(), |theirs| {
            theirs.signal_dbm = None
        }),
    ]
}

#[test]
fn generated_frames_read_as_in_tshark() {
    if !tshark_present() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("generated.pcap");
    let links = [LinkType::Ieee80211, LinkType::Radiotap, LinkType::Ppi, LinkType::Prism, LinkType::Avs];
    for link in links {
        let cases: Vec<Case> = equal_cases()
            .into_iter()
            .chain(known_tshark_differences())
            .filter(|case| case.link == link)
            .collect();
        let mut file = PcapWriter::create(&path, link).unwrap();
        for case in &cases {
            file.write(1_587_229_467_123_456, &case.frame).unwrap();
        }
        file.finish().unwrap();
        for check_fcs in [true, false] {
            let (ours, mut theirs) = (ours(&path, check_fcs), tshark(&path, check_fcs));
            assert_eq!((ours.len(), theirs.len()), (cases.len(), cases.len()), "{link}");
            for ((case, ours), theirs) in cases.iter().zip(ours).zip(&mut theirs) {
                (case.correct)(theirs);
                if !check_fcs && theirs.fcs == "0" {
                    theirs.fcs = "2".to_owned();
                }
                assert_eq!(ours, *theirs, "{link}: {}", case.what);
            }
        }
    }
}

/// tshark's `editcap` converts a real capture to other file formats, which must read the same.
#[test]
fn every_file_format_reads_as_in_tshark() {
    let Some(captures) = captures_dir() else { return };
    let real = captures.join("real/wireshark-wpa-Induction.pcap");
    if !tshark_present() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("form");
    for arguments in [
        &["-F", "nsecpcap"][..],
        &["-F", "pcapng"],
        &["-F", "modpcap"],
        &["-F", "pcap", "-s", "60"],
        &["-F", "pcapng", "-s", "52"],
    ] {
        if !runs_with("editcap", "--version") {
            return;
        }
        let edited = process::output(Command::new("editcap").args(arguments).args([&real, &path]));
        assert!(edited.status.success(), "{edited:?}");
        let (ours, theirs) = (ours(&path, true), tshark(&path, true));
        assert_eq!(ours.len(), 13);
        assert_eq!(ours, theirs, "{arguments:?}");
    }
}

/// mergecap joins files of different link types into one pcapng, which libpcap cannot read.
#[test]
fn several_link_types_in_one_file_read_as_in_tshark() {
    let Some(captures) = captures_dir() else { return };
    let real = captures.join("real");
    let files = [
        "aircrack-wpa2-psk-linksys.cap",
        "libpcap-http_PPI.pcap",
        "tcpdump-ieee802.11_exthdr.pcap",
        "aircrack-wpa.cap",
        "wireshark-owe.pcapng",
    ];
    if !tshark_present() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("merged.pcapng");
    if !runs_with("mergecap", "--version") {
        return;
    }
    let mut merge = Command::new("mergecap");
    merge.args(["-F", "pcapng", "-w"]).arg(&path).args(files.map(|file| real.join(file)));
    let merged = process::output(&mut merge);
    assert!(merged.status.success(), "{merged:?}");
    let (ours, theirs) = (ours(&path, true), tshark(&path, true));
    assert_eq!(ours.len(), 35);
    assert_eq!(ours, theirs);
}

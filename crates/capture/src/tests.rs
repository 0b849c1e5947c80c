use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use dot11::builder::{FrameBuilder, RadiotapHeader, avs, ppi, ppi_common, prism};
use dot11::{LinkType, MacAddr};
use tempfile::TempDir;

use super::*;

mod compressed;
mod damaged;
mod further_files;

/// A probe request as these tests compare it: time and sequence number.
type FrameKey = (i64, u16);

fn probe_request(sequence: u16) -> FrameBuilder {
    let source = MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15]);
    FrameBuilder::new(source).sequence_number(sequence).ssid(b"RNM0").element(1, b"\x02\x04\x0b\x16")
}

fn radiotap(fcs_follows: bool) -> Vec<u8> {
    let (frequency_mhz, signal_dbm) = (Some(2437), Some(-42));
    RadiotapHeader { fcs_follows, fcs_failed: false, frequency_mhz, signal_dbm }.to_bytes()
}

/// A probe request with a radiotap header of 15 bytes and an FCS.
fn frame(sequence: u16) -> Vec<u8> {
    [radiotap(true), probe_request(sequence).to_bytes_with_fcs()].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn in_file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read(path: &Path) -> (Vec<FrameKey>, Result<Arc<Counters>, CaptureError>) {
    let mut received = Vec::new();
    let outcome = Capture::open(&Source::file(path), &CaptureSettings::default()).and_then(|capture| {
        let counters = capture.counters();
        capture.run(|frame| {
            received.push((frame.time_us, frame.probe_request.sequence));
            ControlFlow::Continue(())
        })?;
        Ok(counters)
    });
    (received, outcome)
}

/// Reads a file of these bytes. Compares the received frames and the outcome: an error that contains these words, or
/// success.
#[track_caller]
fn check(bytes: &[u8], expected: &[FrameKey], error: Option<&str>) {
    let (_folder, path) = in_file(bytes);
    let (received, outcome) = read(&path);
    assert_eq!(received, expected);
    match (outcome, error) {
        (Ok(counters), None) => assert_eq!(counters.probe_requests.load(Relaxed), received.len() as u64),
        (Err(found), Some(words)) => {
            let found = with_remedy(&found, found.remedy());
            assert!(found.contains(words), "{found}");
            assert!(found.contains(path.to_str().unwrap()), "{found}");
        }
        (outcome, error) => panic!("expected {error:?}, got {outcome:?}"),
    }
}

/// Writes integers in one byte order.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn pcap(self, magic: u32, dlt: u32, records: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = [self.u32(magic), if self.big { [0, 2, 0, 4] } else { [2, 0, 4, 0] }].concat();
        file.extend([0, 0, 65_535, dlt].into_iter().flat_map(|word| self.u32(word)));
        for (seconds, fraction, bytes) in records {
            let length = u32::try_from(bytes.len()).unwrap();
            file.extend([*seconds, *fraction, length, length].into_iter().flat_map(|word| self.u32(word)));
            if magic == 0xa1b2_cd34 {
                file.extend([0; 8]);
            }
            file.extend(*bytes);
        }
        file
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.u32(u32::try_from(padded).unwrap() + 12);
        let mut block = [&self.u32(kind)[..], &length, body].concat();
        block.resize(8 + padded, 0);
        block.extend(length);
        block
    }

    fn section(self) -> Vec<u8> {
        let body = [&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat();
        self.block(0x0a0d_0d0a, &body)
    }

    fn interface(self, dlt: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
        self.block(1, &[&self.u16(dlt)[..], &[0, 0], &self.u32(snaplen), options].concat())
    }

    fn packet(self, interface: u32, ticks: u64, bytes: &[u8]) -> Vec<u8> {
        let length = self.u32(u32::try_from(bytes.len()).unwrap());
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        let head = [self.u32(interface), self.u32(high), self.u32(low), length, length].concat();
        self.block(6, &[&head[..], bytes].concat())
    }

    /// Two sections, four interfaces: radiotap in µs, Ethernet, bare 802.11 in ns with an offset, and
    /// a second radiotap with another snaplen; all kinds of packets.
    fn pcapng(self) -> Vec<u8> {
        let ns = [&self.u16(9)[..], &self.u16(1), &[9, 0, 0, 0]].concat();
        let offset = [&self.u16(14)[..], &self.u16(8), &self.offset_10()].concat();
        let bare = &frame(3)[15..];
        let obsolete = [
            &self.u16(0)[..],
            &self.u16(0),
            &self.u32(0),
            &self.u32(4),
            &self.u32(u32::try_from(frame(4).len()).unwrap()),
            &self.u32(u32::try_from(frame(4).len()).unwrap()),
            &frame(4),
        ]
        .concat();
        let simple = [&self.u32(u32::try_from(frame(5).len()).unwrap())[..], &frame(5)].concat();
        [
            self.section(),
            self.interface(127, 0, b""),
            self.block(0x0bad_cafe, b"unknown"),
            self.packet(0, 5_000_000_000, &frame(1)),
            self.interface(1, 65_535, b""),
            self.interface(105, 100, &[&ns[..], &offset].concat()),
            self.packet(1, 1, b"an Ethernet frame that is skipped"),
            self.packet(2, 7_000_123, bare),
            self.section(),
            self.interface(127, 300, b""),
            self.block(2, &obsolete),
            self.block(3, &simple),
            self.block(5, &[0; 12]),
        ]
        .concat()
    }

    fn offset_10(self) -> [u8; 8] {
        if self.big { 10u64.to_be_bytes() } else { 10u64.to_le_bytes() }
    }
}

const LITTLE: Order = Order { big: false };
const BIG: Order = Order { big: true };
const RADIOTAP: u32 = 127;
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

#[test]
fn reads_every_variant_of_pcap() {
    let records: &[(u32, u32, &[u8])] =
        &[(1_587_229_467, 123_456, &frame(1)), (u32::MAX, 999_999, &frame(2))];
    let received = [(1_587_229_467_123_456, 1), (4_294_967_295_999_999, 2)];
    for order in [LITTLE, BIG] {
        check(&order.pcap(MICROSECONDS, RADIOTAP, records), &received, None);
        check(&order.pcap(0xa1b2_cd34, RADIOTAP, records), &received, None);
        check(&order.pcap(MICROSECONDS, 0xf000_0000 | RADIOTAP, records), &received, None);
        let ns: &[(u32, u32, &[u8])] = &[(1, 123_456_789, &frame(1)), (0, u32::MAX, &frame(2))];
        check(&order.pcap(NANOSECONDS, RADIOTAP, ns), &[(1_123_456, 1), (4_294_967, 2)], None);
        check(&order.pcap(MICROSECONDS, RADIOTAP, &[]), &[], None);
    }
}

#[test]
fn reads_every_interface_of_a_pcapng_file() {
    for order in [LITTLE, BIG] {
        let file = order.pcapng();
        check(&file, &[(5_000_000_000, 1), (10_007_000, 3), (4, 4), (0, 5)], None);
        let (_folder, path) = in_file(&file);
        let capture = Capture::open(&Source::file(path), &CaptureSettings::default()).unwrap();
        assert_eq!(capture.link_type(), LinkType::Radiotap);
        let counters = capture.counters();
        capture.run(|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(counters.frames.load(Relaxed), 5);
        assert_eq!(counters.other_frames.load(Relaxed), 1);
        // Neither the bare frame nor its interface announces the FCS that it ends with.
        assert_eq!(counters.fcs_good.load(Relaxed), 4);
    }
}

/// The FCS of one bare frame in a file of these bytes, which is found wrong only if something announced it.
#[track_caller]
fn check_announced(file: &[u8], is_announced: bool) {
    let (_folder, path) = in_file(file);
    let counters = read(&path).1.unwrap();
    let fcs = [&counters.fcs_bad, &counters.fcs_absent].map(|counter| counter.load(Relaxed));
    assert_eq!(fcs, if is_announced { [1, 0] } else { [0, 1] });
}

#[test]
fn a_file_may_announce_the_fcs_of_bare_frames() {
    let mut damaged = probe_request(1).to_bytes_with_fcs();
    *damaged.last_mut().unwrap() ^= 1;
    let records: &[(u32, u32, &[u8])] = &[(1, 0, &damaged)];
    for order in [LITTLE, BIG] {
        for (bits, is_announced) in [
            (0, false),
            (0x2400_0000, true),
            (0x2000_0000, false),
            (0x0400_0000, false),
            (0x4400_0000, false),
        ] {
            check_announced(&order.pcap(MICROSECONDS, bits | 105, records), is_announced);
        }
        let option = |code: u16, value: &[u8]| {
            let mut option = [&order.u16(code)[..], &order.u16(value.len() as u16), value].concat();
            option.resize(option.len().next_multiple_of(4), 0);
            option
        };
        let file = |interface: &[u8], packet: &[u8]| {
            let length = order.u32(u32::try_from(damaged.len()).unwrap());
            let head = [[0; 4], [0; 4], order.u32(1), length, length].concat();
            let mut body = [&head[..], &damaged].concat();
            body.resize(body.len().next_multiple_of(4), 0);
            body.extend(packet);
            [order.section(), order.interface(105, 0, interface), order.block(6, &body)].concat()
        };
        // The length in bits, or in bytes; an option before it; other lengths are none of 802.11.
        check_announced(&file(b"", b""), false);
        check_announced(&file(&option(13, &[32]), b""), true);
        check_announced(&file(&[option(2, b"mon0!"), option(13, &[4])].concat(), b""), true);
        check_announced(&file(&[option(0, b""), option(13, &[32])].concat(), b""), false);
        check_announced(&file(&option(13, &[0]), b""), false);
        check_announced(&file(&option(13, &[16]), b""), false);
        check_announced(&file(&option(13, &[32])[..4], b""), false);
        // Of one packet.
        let flags = |bytes: u32| option(2, &order.u32(bytes << 5 | 1));
        check_announced(&file(b"", &flags(4)), true);
        check_announced(&file(&option(13, &[32]), &flags(0)), true);
        check_announced(&file(&option(13, &[32]), &flags(2)), false);
        check_announced(&file(b"", &[option(1, b"a comment"), flags(4)].concat()), true);
    }
}

#[test]
fn reads_a_pcapng_file_with_a_late_wifi_interface() {
    let ethernet =
        [LITTLE.section(), LITTLE.interface(1, 0, b""), LITTLE.packet(0, 1, b"not Wi-Fi")].concat();
    let wifi = [LITTLE.interface(127, 0, b""), LITTLE.packet(1, 2, &frame(2))].concat();
    check(&[&ethernet[..], &wifi].concat(), &[(2, 2)], None);
    let section = [LITTLE.section(), LITTLE.interface(127, 0, b""), LITTLE.packet(0, 3, &frame(3))].concat();
    check(&[&ethernet[..], &section].concat(), &[(3, 3)], None);
    check(&ethernet, &[], Some("EN10MB (1), not 802.11"));
}

#[test]
fn decodes_each_link_type() {
    let probe = probe_request(2743).to_bytes();
    for (link, header) in [
        (LinkType::Ieee80211, vec![]),
        (LinkType::Radiotap, radiotap(false)),
        (LinkType::Ppi, ppi(0, 105, &[(2, &ppi_common(0, 2437, -42))])),
        (LinkType::Prism, prism(true, (0, 6), (0, -42))),
        (LinkType::Avs, avs(0x8021_1001, 6, 2, -42)),
    ] {
        let record = [header, probe.clone()].concat();
        let dlt = link.dlt().cast_unsigned();
        check(&BIG.pcap(MICROSECONDS, dlt, &[(1, 0, &record)]), &[(1_000_000, 2743)], None);
    }
}

#[test]
fn counts_every_frame_by_its_kind() {
    let mut bad = frame(2);
    bad[30] ^= 1;
    let beacon = [radiotap(false), vec![0x80, 0, 0, 0]].concat();
    let without_fcs = [radiotap(false), probe_request(3).to_bytes()].concat();
    let file = LITTLE.pcap(
        MICROSECONDS,
        RADIOTAP,
        &[
            (1, 0, &frame(1)),
            (1, 0, &bad),
            (1, 0, &without_fcs),
            (1, 0, &beacon),
            (1, 0, b"\0\0\xff"),
            (1, 0, b""),
        ],
    );
    let (_folder, path) = in_file(&file);
    let counters = read(&path).1.unwrap();
    let Counters { frames, probe_requests, other_frames, undecodable, fcs_good, fcs_bad, fcs_absent, .. } =
        &*counters;
    let counted = [frames, probe_requests, other_frames, undecodable, fcs_good, fcs_bad, fcs_absent];
    assert_eq!(counted.map(|counter| counter.load(Relaxed)), [6, 3, 1, 2, 1, 1, 1]);
    assert_eq!(counters.bytes.load(Relaxed), file.len() as u64 - 24);
}

#[test]
fn round_trips_written_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.pcap");
    let mut writer = PcapWriter::create(&path, LinkType::Radiotap).unwrap();
    for (sequence, time_us) in [(1, 1_587_229_467_123_456), (2, -1), (3, i64::MAX)] {
        writer.write(time_us, &frame(sequence)).unwrap();
    }
    writer.finish().unwrap();
    let (received, outcome) = read(&path);
    outcome.unwrap();
    assert_eq!(received, [(1_587_229_467_123_456, 1), (0, 2), (4_294_967_295_999_999, 3)]);

    let error = PcapWriter::create(folder.path(), LinkType::Radiotap).unwrap_err().to_string();
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    let mut full = PcapWriter::create("/dev/full", LinkType::Radiotap).unwrap();
    full.write(0, &frame(1)).unwrap();
    assert!(full.flush().unwrap_err().to_string().contains("/dev/full"));
}

#[test]
fn a_capture_can_be_ended_by_its_closure_and_its_stop_handle() {
    let (_folder, path) =
        in_file(&LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1)), (2, 0, &frame(2))]));
    let open = || Capture::open(&Source::file(&path), &CaptureSettings::default()).unwrap();
    let mut count = 0;
    open()
        .run(|_| {
            count += 1;
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!(count, 1);

    let capture = open();
    let stop = capture.stop_handle();
    capture
        .run(|_| {
            count += 1;
            stop.stop();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(count, 2);

    let capture = open();
    capture.stop_handle().stop();
    capture.run(|_| panic!("stopped before it ran")).unwrap();
}

/// The limit of a wait for something that takes no time on an idle machine.
const DEADLINE: Duration = Duration::from_secs(60);

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[track_caller]
fn join<T>(thread: std::thread::JoinHandle<T>, what: &str) -> T {
    wait_until(what, || thread.is_finished());
    thread.join().unwrap()
}

/// Standard input is read like a named pipe.
#[test]
fn reads_a_pipe_as_data_arrives_and_stops_while_it_is_idle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let file = LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1)), (2, 0, &frame(2))]);
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut pipe = fs::File::options().write(true).open(path).unwrap();
            // All but the end of the second frame.
            for piece in file[..file.len() - 3].chunks(7) {
                pipe.write_all(piece).unwrap();
            }
            pipe
        }
    });
    let capture =
        std::thread::spawn(move || Capture::open(&Source::file(&path), &CaptureSettings::default()));
    let capture = join(capture, "the pipe is opened").unwrap();
    let stop = capture.stop_handle();
    let (sender, received) = std::sync::mpsc::channel();
    let run = std::thread::spawn(move || {
        capture.run(|frame| {
            sender.send(frame.time_us).unwrap();
            ControlFlow::Continue(())
        })
    });
    assert_eq!(received.recv_timeout(DEADLINE), Ok(1_000_000), "the first frame");
    // The pipe stays open, so only the stop can end the capture.
    let pipe = join(writer, "all is written to the pipe");
    stop.stop();
    join(run, "the capture stops").unwrap();
    drop(pipe);
}

#[test]
fn an_interface_that_cannot_be_captured_has_its_error() {
    for (interface, words) in [
        ("no-such-if0", &["there is no such interface"][..]),
        ("lo", &["not a Wi-Fi interface", "not permitted"]),
    ] {
        let source = Source::Interface(interface.to_owned());
        let error = Capture::open(&source, &CaptureSettings::default()).unwrap_err().to_string();
        assert!(error.contains(interface), "{error}");
        assert!(words.iter().any(|words| error.contains(words)), "{error}");
    }
    let source = Source::Interface("nul\0".to_owned());
    Capture::open(&source, &CaptureSettings::default()).unwrap_err();
}

#[test]
fn counters_show_whether_a_capture_waits_for_input() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&BIG.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1))])).unwrap();
    let capture = std::thread::spawn(|| Capture::from_reader("a pipe", reader));
    let capture = join(capture, "the file header is read").unwrap();
    let counters = capture.counters();
    let (at_frame, received) = std::sync::mpsc::channel();
    let run = std::thread::spawn(move || {
        let counters = capture.counters();
        capture.run(|_| {
            at_frame.send(counters.loop_iterations()).unwrap();
            ControlFlow::Continue(())
        })
    });
    assert_eq!(received.recv_timeout(DEADLINE), Ok(Some(1)), "handling a frame is no waiting");
    wait_until("the capture waits for input", || counters.loop_iterations().is_none());
    drop(writer);
    join(run, "the end of the capture").unwrap();
    assert_eq!(counters.loop_iterations(), Some(2));
}

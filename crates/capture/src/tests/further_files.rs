//! Files that follow each other in one file or stream.

use std::io::{self, Cursor, Read};

use super::*;

/// One frame of each file, at its sequence number in seconds.
fn files() -> Vec<(u32, Vec<u8>)> {
    let bare = |sequence: u16| probe_request(sequence).to_bytes();
    let pcapng = |order: Order, sequence: u16| {
        let packet = order.packet(0, u64::from(sequence) * 1_000_000, &frame(sequence));
        [order.section(), order.interface(127, 0, b""), packet].concat()
    };
    vec![
        (1, LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(1, 0, &frame(1))])),
        (2, BIG.pcap(MICROSECONDS, RADIOTAP, &[(2, 0, &frame(2))])),
        (3, LITTLE.pcap(NANOSECONDS, 105, &[(3, 0, &bare(3))])),
        (4, BIG.pcap(NANOSECONDS, 105, &[(4, 0, &bare(4))])),
        (5, LITTLE.pcap(0xa1b2_cd34, RADIOTAP, &[(5, 0, &frame(5))])),
        (6, pcapng(LITTLE, 6)),
        (7, pcapng(BIG, 7)),
    ]
}

fn key(sequence: u32) -> FrameKey {
    (i64::from(sequence) * 1_000_000, sequence as u16)
}

#[test]
fn every_kind_of_file_may_follow_every_other() {
    for (first, one) in files() {
        for (second, other) in files() {
            let both = [&one[..], &other, &one].concat();
            check(&both, &[key(first), key(second), key(first)], None);
        }
    }
    let all: Vec<u8> = files().into_iter().flat_map(|(_, file)| file).collect();
    check(&all, &(1..=7).map(key).collect::<Vec<_>>(), None);
}

#[test]
fn files_without_records_between_others_are_read() {
    let empty = [LITTLE, BIG].map(|order| order.pcap(MICROSECONDS, RADIOTAP, &[]));
    for (sequence, file) in files() {
        let whole = [&empty[0][..], &empty[1], &file, &empty[0], &LITTLE.section(), &empty[1]].concat();
        check(&whole, &[key(sequence)], None);
    }
}

/// Its frames are frames of other kinds, as those of a pcapng interface are.
#[test]
fn a_further_file_of_another_link_type_is_skipped() {
    let (_, wifi) = files().remove(0);
    let ethernet = BIG.pcap(MICROSECONDS, 1, &[(9, 0, b"an Ethernet frame")]);
    check(&[&wifi[..], &ethernet, &wifi].concat(), &[key(1), key(1)], None);
    let ethernet =
        [LITTLE.section(), LITTLE.interface(1, 0, b""), LITTLE.packet(0, 1, b"not Wi-Fi")].concat();
    check(&[&wifi[..], &ethernet, &wifi].concat(), &[key(1), key(1)], None);
    check(&[&wifi[..], &LITTLE.section()].concat(), &[key(1)], None);
}

#[test]
fn a_cut_header_of_a_further_file_is_reported() {
    for (_, second) in files() {
        let header = if second.starts_with(&[0x0a]) { 28 } else { 24 };
        for (sequence, first) in files() {
            for length in 1..header {
                let cut = [&first[..], &second[..length]].concat();
                check(&cut, &[key(sequence)], Some("ends in the middle of a record"));
            }
        }
    }
}

/// The magic number of another byte order is a time of 2011, and one of this is a time of 2055.
#[test]
fn a_record_with_a_magic_number_for_a_time_is_a_record() {
    for magic in [0xa1b2_c3d4_u32, 0xd4c3_b2a1, 0xa1b2_3c4d, 0x4d3c_b2a1, 0x0a0d_0d0a] {
        // The fraction of a record reads as version 2.4.
        for fraction in [0, 0x0004_0002, 0x0200_0400 % 1_000_000] {
            let file =
                LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(magic, fraction, &frame(1)), (2, 0, &frame(2))]);
            let time = i64::from(magic) * 1_000_000 + i64::from(fraction);
            check(&file, &[(time, 1), (2_000_000, 2)], None);
        }
    }
}

#[test]
fn each_file_announces_its_own_fcs() {
    let mut damaged = probe_request(1).to_bytes_with_fcs();
    *damaged.last_mut().unwrap() ^= 1;
    let announced = LITTLE.pcap(MICROSECONDS, 0x2400_0000 | 105, &[(1, 0, &damaged)]);
    let unannounced = LITTLE.pcap(MICROSECONDS, 105, &[(1, 0, &damaged)]);
    let (_folder, path) = in_file(&[announced, unannounced].concat());
    let counters = read(&path).1.unwrap();
    assert_eq!((counters.fcs_bad.load(Relaxed), counters.fcs_absent.load(Relaxed)), (1, 1));
}

/// The program that wrote the first file was killed, and another file was appended.
#[test]
fn a_file_after_a_torn_record_is_read_whole() {
    for (first, one) in files() {
        // A second record of each pcap file, or a second section.
        let last = if one.starts_with(&[0x0a]) { &one[..] } else { &one[24..] };
        for (second, other) in files() {
            for cut in [1, 2, 3, 4, 5, 8, 9, 20] {
                let both = [&one[..], &last[..last.len() - cut], &other, &other].concat();
                check(&both, &[key(first), key(second), key(second)], None);
            }
        }
    }
}

/// Returns a few bytes at a time, as a slow stream does.
struct SlowReader(Cursor<Vec<u8>>);

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}

/// The frames of a stream, and how it ended.
fn read_stream(stream: impl Read + Send + 'static) -> (Vec<FrameKey>, Option<String>) {
    let mut received = Vec::new();
    let outcome = Capture::from_reader("stream", stream).and_then(|capture| {
        capture.run(|frame| {
            received.push((frame.time_us, frame.probe_request.sequence));
            ControlFlow::Continue(())
        })
    });
    (received, outcome.err().map(|error| error.to_string()))
}

#[test]
fn what_follows_a_torn_record_does_not_depend_on_how_the_bytes_arrive() {
    for (first, one) in files() {
        let last = if one.starts_with(&[0x0a]) { &one[..] } else { &one[24..] };
        for (second, other) in files() {
            for cut in 1..=last.len().min(40) {
                let both = [&one[..], &last[..last.len() - cut], &other, &other].concat();
                let at_once = read_stream(Cursor::new(both.clone()));
                let slowly = read_stream(SlowReader(Cursor::new(both)));
                assert_eq!(at_once, slowly, "{first} before {second}, {cut} bytes cut");
                // What is left of a record that is cut further can pass for a record.
                if (2..=9).contains(&cut) {
                    assert_eq!(
                        at_once,
                        (vec![key(first), key(second), key(second)], None),
                        "{cut} bytes cut"
                    );
                }
            }
        }
    }
}

#[test]
fn a_frame_that_holds_a_file_stays_one_frame() {
    for (_, inner) in files() {
        let holding = [&frame(2)[..], &inner].concat();
        let file = LITTLE.pcap(MICROSECONDS, RADIOTAP, &[(2, 0, &holding), (3, 0, &frame(3))]);
        let (_folder, path) = in_file(&file);
        let counters = read(&path).1.unwrap();
        assert_eq!(counters.frames.load(Relaxed), 2);
    }
}

//! In steady state a frame causes no allocation, from its bytes to its line of JSON and back. The exceptions are SSIDs
//! of more than 32 bytes, which the standard forbids, and parsing SSIDs that JSON escapes.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use capture::{Capture, CaptureSettings, PcapWriter, Source};
use dot11::{LinkType, decode};
use store::event::{EventDecoder, Probe, Timestamp, push_probe_fields};

use crate::support::allocations;

#[path = "../../benches/generated/mod.rs"]
mod generated;

const FRAMES: u64 = 20_000;
/// After this many frames every buffer has its final size.
const STEADY: u64 = 2_000;

#[test]
fn the_allocator_counts() {
    let before = allocations::so_far();
    drop(black_box(vec![1]));
    assert_eq!(allocations::so_far(), before + 1);
}

#[test]
fn decoding_from_memory_allocates_nothing() {
    let mut frame = Vec::new();
    for number in 0..FRAMES {
        generated::frame(number, generated::DEVICES, &mut frame);
        let before = allocations::so_far();
        let decoded = decode(LinkType::Radiotap, &frame, frame.len());
        assert!(matches!(black_box(decoded), Ok(Some(_))));
        assert_eq!(allocations::so_far(), before, "frame {number}");
    }
}

/// Runs a file of generated frames through a capture, and checks that after the warm-up neither the capture nor
/// `each` allocates.
fn check_capture(mut each: impl FnMut(capture::CapturedFrame<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.pcap");
    let mut file = PcapWriter::create(&path, LinkType::Radiotap).unwrap();
    let mut frame = Vec::new();
    for number in 0..FRAMES {
        let time_us = generated::frame(number, generated::DEVICES, &mut frame);
        file.write(time_us, &frame).unwrap();
    }
    file.finish().unwrap();

    let capture = Capture::open(&Source::file(&path), &CaptureSettings::default()).unwrap();
    let (mut received, mut steady, mut last) = (0, 0, 0);
    let outcome = capture.run(|frame| {
        each(frame);
        received += 1;
        last = allocations::so_far();
        if received == STEADY {
            steady = last;
        }
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    assert_eq!((received, last - steady), (FRAMES, 0));
}

#[test]
fn reading_a_capture_file_allocates_nothing_per_frame() {
    check_capture(|frame| _ = black_box(frame));
}

#[test]
fn writing_a_line_allocates_nothing() {
    let sensor: Arc<str> = Arc::from("mon0");
    let mut lines = Vec::new();
    check_capture(|frame| {
        let time = Timestamp::from_micros(frame.time_us);
        lines.clear();
        push_probe_fields(&mut lines, &Probe::new(Arc::clone(&sensor), time, frame.probe_request)).unwrap();
        assert!(!lines.is_empty());
    });
}

#[test]
fn reading_a_line_allocates_nothing() {
    let sensor: Arc<str> = Arc::from("mon0");
    let mut decoder = EventDecoder::default();
    let mut line = Vec::new();
    check_capture(|frame| {
        line.clear();
        line.push(b'{');
        let time = Timestamp::from_micros(frame.time_us);
        push_probe_fields(&mut line, &Probe::new(Arc::clone(&sensor), time, frame.probe_request)).unwrap();
        line.push(b'}');
        if !line.contains(&b'\\') {
            assert!(black_box(decoder.decode(&line)).is_ok());
        }
    });
}

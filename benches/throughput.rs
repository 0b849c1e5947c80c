//! The cost of each step from a frame in memory to a line of JSON, and from the line to an event. `cargo bench`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::hint::black_box;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use capture::{Capture, CaptureSettings, PcapWriter, Source};
use divan::Bencher;
use divan::counter::ItemsCount;
use dot11::{LinkType, decode};
use store::event::{Event, EventDecoder, EventKind, Offset, Probe, Timestamp, push_probe_fields};
use store::event_log::{self, Rotation};

mod generated;

/// One per device on average: 3 MB, more than a core's own cache holds.
const FRAMES: u64 = generated::DEVICES;

fn main() {
    divan::main();
}

fn frames() -> Vec<Vec<u8>> {
    (0..FRAMES)
        .map(|number| {
            let mut frame = Vec::new();
            generated::frame(number, generated::DEVICES, &mut frame);
            frame
        })
        .collect()
}

fn probes() -> Vec<Probe> {
    let sensor: Arc<str> = Arc::from("mon0");
    let time = Timestamp::from_micros(1_587_229_467_123_456);
    let probe_requests = frames();
    let decoded =
        probe_requests.iter().filter_map(|frame| decode(LinkType::Radiotap, frame, frame.len()).ok()?);
    decoded.map(|frame| Probe::new(Arc::clone(&sensor), time, frame)).collect()
}

/// The bare frame has no radio header, and its FCS is not checked.
#[divan::bench(args = [LinkType::Radiotap, LinkType::Ieee80211])]
fn decode_from_memory(bencher: Bencher<'_, '_>, link: LinkType) {
    let mut frames = frames();
    if link == LinkType::Ieee80211 {
        frames.iter_mut().for_each(|frame| drop(frame.drain(..36)));
    }
    bencher.counter(ItemsCount::new(frames.len())).bench_local(|| {
        for frame in &frames {
            _ = black_box(decode(link, black_box(frame), frame.len()));
        }
    });
}

#[divan::bench]
fn capture_file_to_closure(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.pcap");
    let mut file = PcapWriter::create(&path, LinkType::Radiotap).unwrap();
    for frame in frames() {
        file.write(0, &frame).unwrap();
    }
    file.finish().unwrap();
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        let capture = Capture::open(&Source::file(&path), &CaptureSettings::default()).unwrap();
        capture.run(|frame| {
            black_box(frame);
            ControlFlow::Continue(())
        })
    });
}

#[divan::bench]
fn probe_to_json(bencher: Bencher<'_, '_>) {
    let probes = probes();
    let mut lines = Vec::new();
    bencher.counter(ItemsCount::new(probes.len())).bench_local(|| {
        lines.clear();
        for probe in &probes {
            push_probe_fields(&mut lines, probe).unwrap();
        }
    });
}

/// For comparison with [`probe_to_json`].
#[divan::bench]
fn probe_to_json_by_serde(bencher: Bencher<'_, '_>) {
    let kinds: Vec<EventKind> = probes().into_iter().map(EventKind::Probe).collect();
    let mut lines = Vec::new();
    bencher.counter(ItemsCount::new(kinds.len())).bench_local(|| {
        lines.clear();
        for kind in &kinds {
            serde_json::to_writer(&mut lines, kind).unwrap();
            lines.write_all(b"\n").unwrap();
        }
    });
}

fn lines() -> Vec<Vec<u8>> {
    let line = |probe| serde_json::to_vec(&EventKind::Probe(probe)).unwrap();
    probes().into_iter().map(line).collect()
}

#[divan::bench]
fn line_to_event(bencher: Bencher<'_, '_>) {
    let lines = lines();
    let mut decoder = EventDecoder::default();
    bencher.counter(ItemsCount::new(lines.len())).bench_local(|| {
        for line in &lines {
            _ = black_box(decoder.decode(black_box(line)));
        }
    });
}

/// For comparison with [`line_to_event`].
#[divan::bench]
fn line_to_event_by_serde(bencher: Bencher<'_, '_>) {
    let lines = lines();
    bencher.counter(ItemsCount::new(lines.len())).bench_local(|| {
        for line in &lines {
            _ = black_box(serde_json::from_slice::<EventKind>(black_box(line)));
        }
    });
}

/// Decompresses and parses sealed segments, on one thread and with the prefetching thread.
#[divan::bench(sample_count = 20, args = ["one thread", "prefetch"])]
fn sealed_log_to_events(bencher: Bencher<'_, '_>, how: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { bytes: 16 << 20, age: Duration::MAX };
    let mut log = event_log::recover(folder.path()).unwrap().into_writer(rotation).unwrap();
    let events: Vec<Event> = probes().into_iter().map(Event::from).collect();
    let times = 10;
    for event in std::iter::repeat_n(&events, times).flatten() {
        log.append(event).unwrap();
        if log.unsynced_bytes() > 1 << 20 {
            log.sync().unwrap();
        }
    }
    log.sync().unwrap();
    drop(log);
    let log = event_log::recover(folder.path()).unwrap();
    bencher.counter(ItemsCount::new(events.len() * times)).bench_local(|| {
        let events = log.read_from(Offset::default());
        match how {
            "one thread" => events.for_each(|event| _ = black_box(event)),
            _ => events.prefetch().for_each(|event| _ = black_box(event)),
        }
    });
}

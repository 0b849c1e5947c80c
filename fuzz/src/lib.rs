//! The properties that hold for any bytes, checked by the fuzz targets.
//!
//! The store's `event` module is compiled here by itself. With the whole store, sled and zstd included, every run would
//! begin with minutes of compiling for the fuzzer.

#![allow(dead_code, unused_imports)]

#[path = "../../crates/store/src/event/mod.rs"]
pub mod event;

use std::io::{Cursor, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use capture::{Capture, CaptureError};
use dot11::{
    Capabilities, DeviceInfo, Element, Elements, LinkType, ProbeRequest, RequestedSsid, ShortText, Signature,
    decode,
};
use event::{Event, EventDecoder, EventKind, Probe, Timestamp, push_probe_fields};

/// Decodes a frame as captured completely, and as cut by a snaplen.
pub fn check_frame(link: LinkType, captured: &[u8]) {
    let decoded = decode(link, captured, captured.len());
    assert_eq!(decoded, decode(link, captured, captured.len()), "decoding is deterministic");
    if let Ok(Some(probe_request)) = decoded {
        check_probe_request(&probe_request, captured);
        if let Some(ssid) = probe_request.ssid.named() {
            assert!(!ssid.to_string().chars().any(char::is_control), "an SSID stays on its line");
        }
        let time = Timestamp::from_micros(1_587_229_467_123_456);
        check_probe(Probe::new(Arc::from("fuzz"), time, probe_request));
    }
    for original_length in [captured.len() + 3, usize::MAX] {
        if let Ok(Some(probe_request)) = decode(link, captured, original_length) {
            check_probe_request(&probe_request, captured);
        }
    }
}

/// Checks a decoded probe request against the captured bytes.
pub fn check_probe_request(probe_request: &ProbeRequest<'_>, captured: &[u8]) {
    let elements = probe_request.elements;
    assert!(
        elements.is_empty()
            || captured.as_ptr() <= elements.as_ptr()
                && elements.as_ptr_range().end <= captured.as_ptr_range().end,
        "the elements are a part of the frame"
    );
    let mut remaining = Elements::new(elements);
    let first_ssid = remaining.by_ref().find(|element| element.id == Element::SSID);
    remaining.by_ref().for_each(drop);
    assert!(remaining.rest().is_empty(), "all elements are complete");
    let ssid = first_ssid.map_or(RequestedSsid::Absent, |ssid| RequestedSsid::from_element(ssid.body));
    assert_eq!(probe_request.ssid, ssid, "the first SSID element counts");
    assert_eq!(probe_request.signature, Signature::of(elements));
    assert!(probe_request.sequence < 4096);
    assert_ne!(probe_request.frequency_mhz, Some(0));
    if let Some(ssid) = ssid.named() {
        assert!((1..=255).contains(&ssid.as_bytes().len()));
    }
    let _ = Capabilities::of(elements);
    if let Some(info) = DeviceInfo::of(elements) {
        assert_ne!(info, DeviceInfo::default());
        let DeviceInfo { manufacturer, model_name, model_number, device_name, p2p_name, .. } = info;
        let texts = [manufacturer, model_name, model_number, device_name, p2p_name];
        for text in texts.into_iter().flatten() {
            assert!((1..=ShortText::MAX_BYTES).contains(&text.as_str().len()));
            assert!(!text.to_string().chars().any(char::is_control), "a text stays on its line");
        }
    }
}

/// The JSON form of a probe is JSON, and the probe can be read from it.
pub fn check_probe(probe: Probe) {
    let mut line = b"{".to_vec();
    push_probe_fields(&mut line, &probe).expect("a probe can be written");
    line.push(b'}');
    let kind: EventKind = serde_json::from_slice(&line).expect("a probe's form is JSON");
    assert_eq!(kind, EventKind::Probe(probe.clone()));
    assert_eq!(EventDecoder::default().decode(&line).expect("and an event's"), Event::from(probe));
}

/// Reads a capture file at once, and in small pieces as from a slow pipe: the frames are the same.
pub fn check_file(bytes: &[u8]) {
    let at_once = read_file(Cursor::new(bytes.to_vec()));
    let slowly = read_file(SlowReader(Cursor::new(bytes.to_vec())));
    assert_eq!(at_once, slowly, "the frames do not depend on how the bytes arrive");
}

/// A hash of the probe requests in a file, and how it ended.
fn read_file(input: impl Read + Send + 'static) -> (u64, Result<(), String>) {
    let capture = match Capture::from_reader("fuzz", input) {
        Ok(capture) => capture,
        // What an input is that is no capture file is told by what has arrived of it.
        Err(CaptureError::NotACapture { .. } | CaptureError::OtherFormat { .. }) => {
            return (0, Err(String::new()));
        }
        Err(error) => return (0, Err(error.to_string())),
    };
    let counters = capture.counters();
    let (mut hash, mut count) = (0, 0);
    let outcome = capture.run(|frame| {
        let probe_request = &frame.probe_request;
        check_probe_request(probe_request, probe_request.elements);
        hash = Signature::of(probe_request.elements).as_u64() ^ u64::rotate_left(hash, 5);
        hash ^= frame.time_us.cast_unsigned() ^ u64::from(probe_request.sequence);
        count += 1;
        ControlFlow::Continue(())
    });
    let probe_requests = counters.probe_requests.load(Relaxed);
    assert_eq!(probe_requests, count);
    let by_fcs = [&counters.fcs_good, &counters.fcs_bad, &counters.fcs_absent];
    assert_eq!(probe_requests, by_fcs.iter().map(|count| count.load(Relaxed)).sum::<u64>());
    assert_eq!(
        counters.frames.load(Relaxed),
        probe_requests + counters.other_frames.load(Relaxed) + counters.undecodable.load(Relaxed),
        "every frame is counted once"
    );
    (hash, outcome.map_err(|error| error.to_string()))
}

struct SlowReader(Cursor<Vec<u8>>);

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}

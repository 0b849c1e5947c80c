//! Tests of whole pictures; positions are tested with the series and the axes.

mod generated;

use chrono_tz::Europe;
use proptest::prelude::*;
use store::event::Timestamp;

use super::*;
use generated::{before, labels, now, street};

/// Width and height of a PNG file, once it was decoded.
#[track_caller]
fn decoded(png: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.chunks(3).any(|pixel| pixel == TEXT.0), "there is text");
    (frame.width, frame.height)
}

#[test]
fn pictures_decode_and_are_small() {
    for (hours, per_hour, height) in [
        (1, 0, 960),
        (24, 3_000, 960),
        (72, 3, 960),
        (7 * 24, 3_000, 960),
        (30 * 24, 3, 960 + 31 * 18 - 304),
        (31 * 24, 3_000, 960 + 32 * 18 - 304),
    ] {
        let png = draw(&labels("Title", "subtitle"), &street(now(), hours, Europe::Berlin, per_hour));
        assert_eq!(decoded(&png), (1280, height), "{hours} h");
        assert!(png.len() < 1_000_000, "{hours} h, {per_hour} an hour: {} bytes", png.len());
    }
}

#[test]
fn the_same_series_gives_the_same_bytes() {
    let picture = || draw(&labels("Title", "subtitle"), &street(now(), 7 * 24, Europe::Berlin, 50));
    assert_eq!(picture(), picture());
}

#[test]
fn a_probe_without_signal_has_no_dot() {
    let mut series = Series::new(before(now(), 24), now(), Europe::Berlin);
    series.add(before(now(), 3), None);
    let without = draw(&labels("Title", ""), &series);
    series.add(before(now(), 3), Some(-50));
    assert_ne!(without, draw(&labels("Title", ""), &series));
    assert_eq!(series.signals().count(), 1);
}

#[test]
fn any_title_can_be_drawn() {
    let series = Series::new(before(now(), 24), now(), Europe::Berlin);
    for title in ["", "📡📡", "網絡", "\n\r\t\0\u{202e}\u{200b}", &"W".repeat(100_000), "e\u{301}"] {
        decoded(&draw(&labels(title, title), &series));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_data_can_be_drawn(
        title: String,
        subtitle: String,
        zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        to: i64,
        hours in 0_i64..900,
        probes in proptest::collection::vec((0..900 * 3_600_000_000_i64, any::<Option<i8>>()), 0..40),
    ) {
        let to = Timestamp::from_micros(to);
        let mut series = Series::new(before(to, hours), to, zone);
        for (earlier, signal) in probes {
            series.add(Timestamp::from_micros(to.as_micros() - earlier), signal);
        }
        let (width, _) = decoded(&draw(&labels(&title, &subtitle), &series));
        prop_assert_eq!(width, u32::from(WIDTH));
    }
}

//! What holds for whole pictures. What stands where is tested at the series and the axes.

use chrono::TimeZone;
use chrono_tz::{Europe, Tz};
use proptest::prelude::*;

use super::*;
use crate::event::Timestamp;

/// Width and height of a PNG file, once it was decoded.
#[track_caller]
fn decoded(png: &[u8]) -> (u32, u32) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert!(pixels.chunks(3).any(|pixel| pixel == TEXT.0), "there is text");
    (frame.width, frame.height)
}

/// 22 November 2026, 17:20 in Berlin.
fn now() -> Timestamp {
    let time = Europe::Berlin.with_ymd_and_hms(2026, 11, 22, 17, 20, 0).unwrap();
    Timestamp::from_micros(time.timestamp_micros())
}

fn before(time: Timestamp, hours: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros() - hours * 3_600_000_000)
}

/// Some hours of a street with `per_hour` probes at its busiest: it sleeps at night, and at weekends late.
fn street(to: Timestamp, hours: i64, zone: Tz, per_hour: u64) -> Series {
    let mut random = fastrand::Rng::with_seed(7);
    let mut series = Series::new(before(to, hours), to, zone);
    for hour in 0..hours {
        let start = before(to, hour + 1).as_micros();
        let clock = (start / 3_600_000_000 + 1).rem_euclid(24) as f64;
        let weekend = if (start / 86_400_000_000 + 4) % 7 < 2 { 0.5 } else { 1.0 };
        let day = (((clock - 8.0) / 24.0 * std::f64::consts::TAU).sin() * 0.5 + 0.55).powi(2) * weekend;
        for _ in 0..(per_hour as f64 * day * random.f64()) as u64 {
            let time = Timestamp::from_micros(start + random.i64(0..3_600_000_000));
            let spread: i8 = (0..6).map(|_| random.i8(-7..=7)).sum();
            let signal = -68 + spread + if random.u8(..5) == 0 { 22 } else { 0 };
            series.add(time, Some(signal));
        }
    }
    series
}

fn words<'a>(title: &'a str, subtitle: &'a str) -> Words<'a> {
    let (per_hour, per_day) = ("Probes per hour", "Per day");
    Words { title, subtitle, per_hour, per_day, signal: "Signal, dBm", nothing: "Nothing heard" }
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
        let png = draw(&words("Title", "subtitle"), &street(now(), hours, Europe::Berlin, per_hour));
        assert_eq!(decoded(&png), (1280, height), "{hours} h");
        assert!(png.len() < 1_000_000, "{hours} h, {per_hour} an hour: {} bytes", png.len());
    }
}

#[test]
fn the_same_series_makes_the_same_bytes() {
    let picture = || draw(&words("Title", "subtitle"), &street(now(), 7 * 24, Europe::Berlin, 50));
    assert_eq!(picture(), picture());
}

#[test]
fn a_probe_without_signal_has_no_dot() {
    let mut series = Series::new(before(now(), 24), now(), Europe::Berlin);
    series.add(before(now(), 3), None);
    let without = draw(&words("Title", ""), &series);
    series.add(before(now(), 3), Some(-50));
    assert_ne!(without, draw(&words("Title", ""), &series));
    assert_eq!(series.signals().count(), 1);
}

#[test]
fn any_title_can_be_drawn() {
    let series = Series::new(before(now(), 24), now(), Europe::Berlin);
    for title in ["", "📡📡", "網絡", "\n\r\t\0\u{202e}\u{200b}", &"W".repeat(100_000), "e\u{301}"] {
        decoded(&draw(&words(title, title), &series));
    }
}

#[test]
#[ignore = "writes pictures to look at, to probewatch-charts in the folder for temporary files"]
fn pictures_to_look_at() {
    let folder = std::env::temp_dir().join("probewatch-charts");
    std::fs::create_dir_all(&folder).unwrap();
    let berlin = Europe::Berlin;
    let spring =
        Timestamp::from_micros(berlin.with_ymd_and_hms(2026, 4, 1, 9, 40, 0).unwrap().timestamp_micros());
    for (name, to, hours, per_hour) in [
        ("day-quiet", now(), 24, 12),
        ("day-busy", now(), 24, 4_000),
        ("days", now(), 72, 40),
        ("week-quiet", now(), 7 * 24, 6),
        ("week-busy", spring, 7 * 24, 1_500),
        ("month-quiet", now(), 30 * 24, 8),
        ("month-busy", spring, 30 * 24, 3_000),
        ("nothing", now(), 24, 0),
    ] {
        let series = street(to, hours, berlin, per_hour);
        let title = "Kitchen tablet · a4:83:e7:4e:39:15";
        let subtitle = format!("{} probes in {hours} hours", series.probes());
        std::fs::write(folder.join(format!("{name}.png")), draw(&words(title, &subtitle), &series)).unwrap();
    }
    let mut series = Series::new(before(now(), 24), now(), berlin);
    for hour in [2, 3, 3, 9] {
        series.add(before(now(), hour), None);
    }
    let title = "SSID \"📡 Café Ωmega Привет 網絡\" and a title that goes on for longer than there is room";
    std::fs::write(folder.join("no-signal.png"), draw(&words(title, title), &series)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_data_breaks_a_picture(
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
        let (width, _) = decoded(&draw(&words(&title, &subtitle), &series));
        prop_assert_eq!(width, u32::from(WIDTH));
    }
}

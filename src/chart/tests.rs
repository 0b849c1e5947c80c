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

/// Lanes as an evening has them: strangers first, some devices that stay and some that come and go.
fn lanes(count: usize, from: Timestamp, minutes: i64) -> Vec<Lane> {
    let at = |minute: i64| Timestamp::from_micros(from.as_micros() + minute * 60_000_000);
    let names =
        ["phone 3f2a", "phone 91c0", "Kitchen tablet", "A name that does not fit into the lane", "📡"];
    let lane = |number: usize| {
        let step = number as i64;
        Lane {
            label: names
                .get(number)
                .map_or_else(|| format!("00:23:a7:19:5c:{number:02x}"), |name| (*name).into()),
            is_stranger: number < 2,
            intervals: match number % 3 {
                0 => vec![(at(7 * step % minutes), at(7 * step % minutes))],
                1 => vec![(at(0), at(minutes / 4)), (at(minutes / 2), at(minutes / 2 + 12))],
                _ => vec![(at(step), at(minutes))],
            },
        }
    };
    (0..count).map(lane).collect()
}

fn lane_labels<'a>(subtitle: &'a str, more: Option<&'a str>) -> LaneLabels<'a> {
    let (strangers, others, nothing) = ("Strangers", "Others", "Nobody");
    LaneLabels { title: "Who was here", subtitle, strangers, others, more, nothing }
}

fn device_labels(subtitle: &str) -> DeviceLabels<'_> {
    let (stayed, passed, nothing) = ("Stayed", "Passed by (less than 2 minutes)", "No devices");
    DeviceLabels { title: "Devices per hour", subtitle, stayed, passed, nothing }
}

/// Devices of a street: some always, more by day, and most of those pass by.
fn devices(count: usize) -> Vec<DevicesInHour> {
    let hour = |number: usize| {
        let day = ((number as f64 + 9.0) / 24.0 * std::f64::consts::TAU).sin() * 0.5 + 0.5;
        DevicesInHour {
            stayed: 3 + (day * 9.0) as u64,
            passed: (day * 31.0) as u64 + (number * 7 % 5) as u64,
        }
    };
    (0..count).map(hour).collect()
}

/// Writes a picture to the folder that `CHART_PICTURES` names, if it names one, for a person to look at.
fn keep_picture(name: &str, png: &[u8]) {
    if let Some(folder) = std::env::var_os("CHART_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), png).unwrap();
    }
}

#[test]
fn lanes_make_the_picture_higher() {
    for (name, count, minutes, height) in [
        ("lanes-none.png", 0, 180, 960),
        ("lanes-one.png", 1, 20, 386),
        ("lanes-evening.png", 5, 180, 594),
        ("lanes-night.png", 20, 9 * 60, 1374),
        ("lanes-week.png", 30, 7 * 24 * 60, 1434),
    ] {
        let from = Timestamp::from_micros(now().as_micros() - minutes * 60_000_000);
        let more = (count > LANE_LIMIT).then_some("… and 10 more, which the list and the export have");
        let labels = lane_labels("Sun 22 Nov 2026 14:20 – 17:20 CET", more);
        let png = draw_lanes(&labels, (from, now(), Europe::Berlin), &lanes(count, from, minutes));
        keep_picture(name, &png);
        assert_eq!(decoded(&png), (1280, height), "{name}");
        assert!(png.len() < 1_000_000, "{name}: {} bytes", png.len());
    }
}

#[test]
fn strangers_have_another_colour() {
    let from = before(now(), 3);
    let draw = |is_stranger| {
        let lane = Lane { label: "x".into(), is_stranger, intervals: vec![(from, now())] };
        draw_lanes(&lane_labels("", None), (from, now(), Europe::Berlin), &[lane])
    };
    assert_ne!(draw(true), draw(false));
}

#[test]
fn devices_per_hour_are_bars_for_any_period() {
    for (name, hours_back, count) in [
        ("devices-day.png", 24, 25),
        ("devices-week.png", 7 * 24, 169),
        ("devices-month.png", 30 * 24, 721),
        ("devices-none.png", 24, 0),
    ] {
        let from = before(now(), hours_back);
        if count > 0 {
            assert_eq!(hours(from, now(), Europe::Berlin).len(), count, "{name}");
        }
        let bounds = (from, now(), Europe::Berlin);
        let png = draw_devices(&device_labels("At least 12 devices in 24 hours"), bounds, &devices(count));
        keep_picture(name, &png);
        assert_eq!(decoded(&png), (1280, 960), "{name}");
        assert!(png.len() < 1_000_000, "{name}: {} bytes", png.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_lanes_and_counts_can_be_drawn(
        label: String,
        zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
        from: i64,
        length in 1_i64..900 * 3_600_000_000,
        intervals in proptest::collection::vec(any::<(i64, i64)>(), 0..9),
        counts in proptest::collection::vec(any::<(u64, u64)>(), 0..30),
    ) {
        let [from, to] = [from, from.saturating_add(length)].map(Timestamp::from_micros);
        let time = Timestamp::from_micros;
        let intervals = intervals.into_iter().map(|(start, end)| (time(start.min(end)), time(start.max(end))));
        let lane = Lane { label: label.clone(), is_stranger: true, intervals: intervals.collect() };
        decoded(&draw_lanes(&lane_labels(&label, Some(&label)), (from, to, zone), &[lane]));
        let counts: Vec<DevicesInHour> =
            counts.into_iter().map(|(stayed, passed)| DevicesInHour { stayed, passed }).collect();
        decoded(&draw_devices(&device_labels(&label), (from, to, zone), &counts));
    }
}

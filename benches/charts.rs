//! Writes sample charts into the folder for temporary files: `cargo bench --bench charts`.

#![allow(dead_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../src/chart/tests/generated.rs"]
mod generated;

use std::{env, fs};

use chrono::TimeZone;
use chrono_tz::Europe;
use generated::{before, labels, now, street};
use probewatch::chart::{Labels, Series, draw};
use store::event::Timestamp;

fn main() {
    let folder = env::temp_dir().join("probewatch-charts");
    fs::create_dir_all(&folder).unwrap();
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
        fs::write(folder.join(format!("{name}.png")), draw(&labels(title, &subtitle), &series)).unwrap();
    }
    let mut series = Series::new(before(now(), 24), now(), berlin);
    for hour in [2, 3, 3, 9] {
        series.add(before(now(), hour), None);
    }
    let title = "SSID \"📡 Café Ωmega Привет 網絡\" and a title that goes on for longer than there is room";
    fs::write(folder.join("no-signal.png"), draw(&labels(title, title), &series)).unwrap();
    println!("charts are in {}", folder.display());
}

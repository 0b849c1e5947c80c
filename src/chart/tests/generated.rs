//! Generated series, which `benches/charts.rs` draws too.

use chrono::TimeZone;
use chrono_tz::{Europe, Tz};

use super::{Labels, Series, Timestamp};

/// 22 November 2026, 17:20 in Berlin.
pub fn now() -> Timestamp {
    let time = Europe::Berlin.with_ymd_and_hms(2026, 11, 22, 17, 20, 0).unwrap();
    Timestamp::from_micros(time.timestamp_micros())
}

pub fn before(time: Timestamp, hours: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros() - hours * 3_600_000_000)
}

/// A series of `hours` with up to `per_hour` probes: few at night, and a later morning at weekends.
pub fn street(to: Timestamp, hours: i64, zone: Tz, per_hour: u64) -> Series {
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

pub fn labels<'a>(title: &'a str, subtitle: &'a str) -> Labels<'a> {
    let (per_hour, per_day) = ("Probes per hour", "Per day");
    Labels { title, subtitle, per_hour, per_day, signal: "Signal, dBm", nothing: "No probes" }
}

//! Strangers: visitors that are unusual by what was learned in three weeks, with the reason; none that is named or
//! ignored.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::commands::{Data, stdout};
use crate::support::frames::ProbeRequestFrame;

const HOUR: u64 = 3600 * 1_000_000;
const DAY: u64 = 24 * HOUR;
const FIXED: &str = "00:23:a7:19:5c:02";

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

/// The frames of ten minutes from `start_us` on.
fn visit(start_us: u64, sequence: u16, frame: &ProbeRequestFrame) -> Vec<(u64, Vec<u8>)> {
    let at = |minute: u16| start_us + u64::from(minute) * HOUR / 60;
    (0..=10).map(|minute| (at(minute), frame.clone().sequence(sequence + minute).build())).collect()
}

/// A phone of the household's model.
fn phone(number: u8) -> ProbeRequestFrame {
    ProbeRequestFrame::from_octets([0xda, 0xa1, 0x19, 0, 0, number]).wildcard()
}

/// Three weeks of a phone that is here at the same hour each day, each time with another random address; then three
/// visitors of last night.
fn three_weeks() -> Data {
    let usual_hour = now_us() - 12 * HOUR;
    let days = (0..=21_u8).map(|day| {
        visit(usual_hour - u64::from(21 - day) * DAY, u16::from(day) * 150, &phone(day).signal(-40))
    });
    let mut frames: Vec<(u64, Vec<u8>)> = days.flatten().collect();
    frames.extend(visit(now_us() - 5 * HOUR, 1000, &phone(100).signal(-71)));
    frames.extend(visit(now_us() - 4 * HOUR, 2000, &phone(101).signal(-72).element(255, [35, 1])));
    frames.extend(visit(now_us() - 3 * HOUR, 3000, &ProbeRequestFrame::new(FIXED).signal(-73)));
    Data::new(&frames)
}

#[test]
fn lists_the_unusual_visitors_of_a_day_with_their_reasons() {
    let data = three_weeks();
    let ask = |input: &str| stdout(&data.run(&["chat"], input));
    let list = ask("/strangers\n");
    let lines: Vec<&str> = list.lines().filter(|line| line.contains(". ")).collect();
    let expected = [
        (FIXED, "for 10 min 0 s, strongest -73 dBm; a device that I do not remember from before"),
        ("phone ", "for 10 min 0 s, strongest -72 dBm; a model that I do not remember from before"),
        (
            "phone ",
            "for 10 min 0 s, strongest -71 dBm; no phone of this model was here around this hour of the week before, in \
             3 weeks",
        ),
    ];
    assert_eq!(lines.len(), 3, "{list}");
    for (line, (who, what)) in lines.iter().zip(expected) {
        assert!(line.contains(who) && line.ends_with(what), "{line}\n{list}");
    }
    assert!(!list.contains("I have learned"), "{list}");
    // What is named or ignored is no stranger.
    let list = ask(&format!("/name {FIXED} Van\n/ignore da:a1:19:00:00:64\n/strangers\n"));
    assert!(list.contains("a model that I do not remember"), "{list}");
    assert!(
        !list.contains("a device that I do not remember") && !list.contains("around this hour"),
        "{list}"
    );
}

#[test]
fn says_that_it_has_not_learned_for_long() {
    let usual = visit(now_us() - 25 * HOUR, 0, &phone(1));
    let data = Data::new(&[usual, visit(now_us() - 5 * HOUR, 900, &phone(2))].concat());
    let list = stdout(&data.run(&["chat"], "/strangers\n/strangers 7d\n/strangers 30d\n"));
    assert!(list.contains("🕵 No strangers in the last day.\nI have learned for less than a day."), "{list}");
    assert!(list.contains("🕵 Strangers in the last 7 days") && list.contains("1. phone "), "{list}");
    assert!(list.contains("“30d” is not a period. Write 24h or 7d."), "{list}");
}

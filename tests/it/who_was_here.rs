//! `/between` lists who was here, strangers first, and `/count` counts devices.

use crate::commands::{ALICE, Data, RANDOM, TIME, stderr, stdout};
use crate::support::bot_api::Incoming;
use crate::support::frames::ProbeRequestFrame;
use crate::support::testbed::{CHAT, Mode, Testbed};

const VAN: &str = "00:23:a7:19:5c:02";
const NEIGHBOUR: &str = "00:11:22:33:44:55";
const MINUTE: u64 = 60_000_000;

/// An hour from 19:04:27 in Berlin. The neighbour is seen the day before too, the van never before. A phone changes its
/// address every minute and continues its sequence numbers.
fn evening() -> Vec<(u64, Vec<u8>)> {
    let frame =
        |source: &str, sequence, dbm| ProbeRequestFrame::new(source).sequence(sequence).signal(dbm).build();
    let mut frames = vec![
        (TIME - 24 * 60 * MINUTE, frame(NEIGHBOUR, 1, -70)),
        (TIME, frame(ALICE, 1, -50)),
        (TIME + 5 * MINUTE, frame(ALICE, 2, -55)),
        (TIME + 6 * MINUTE, frame(NEIGHBOUR, 2, -71)),
        (TIME + 12 * MINUTE, frame(VAN, 1, -40)),
        (TIME + 13 * MINUTE, frame(VAN, 2, -44)),
        (TIME + 40 * MINUTE, frame(VAN, 3, -48)),
        (TIME + 50 * MINUTE, frame(ALICE, 3, -52)),
    ];
    for scan in 0..12_u64 {
        for step in 0..3 {
            let source = format!("da:a1:19:00:01:{scan:02x}");
            let sequence = (100 + scan * 12 + step) as u16;
            frames.push((TIME + 20 * MINUTE + scan * MINUTE + step * 20_000, frame(&source, sequence, -60)));
        }
    }
    frames.sort_by_key(|(time, _)| *time);
    frames
}

#[test]
fn lists_who_was_here_on_the_terminal() {
    let data = Data::new(&evening());
    let messages = [
        &format!("/name {ALICE} Alice"),
        "/between 2020-04-18 19:00 20:00",
        "/between 2020-04-17 12:00 2020-04-18 19:15",
        "/between 2020-04-18 03:00 04:00",
        "/between",
        "/between 02:00",
        "/between 02:00 3",
        "/between 02:00 03:00 please",
        "/between today 03:00 yesterday 02:00",
        "/between 2999-01-01 02:00 03:00",
        "/between 2020-04-01 02:00 2020-04-18 03:00",
        "/count",
        "/count 7d",
        "/count 1h",
    ];
    let output = data.run(&["chat"], &(messages.join("\n") + "\n"));
    assert!(output.status.success(), "{}", stderr(&output));
    let filters = vec![(r"picture of \d+ bytes", "picture of [n] bytes")];
    insta::with_settings!({filters => filters}, {
        insta::assert_snapshot!(stdout(&output));
    });
}

#[test]
fn a_long_list_fits_into_a_message() {
    let frames: Vec<_> = (0..200_u64)
        .map(|number| {
            let source = format!("00:23:a7:00:00:{number:02x}");
            (TIME + number * 1_000_000, ProbeRequestFrame::new(&source).build())
        })
        .collect();
    let text = stdout(&Data::new(&frames).run(&["chat"], "/between 2020-04-18 19:00 20:00\n"));
    assert!(text.contains("200 devices: 200 with a fixed address"), "{text}");
    let rows = text.lines().filter(|line| line.starts_with("• ")).count();
    let more = text.lines().find_map(|line| line.strip_prefix("… and ")?.strip_suffix(" more")).unwrap();
    assert_eq!(rows + more.parse::<usize>().unwrap(), 200);
    assert!(text.encode_utf16().count() <= 4100, "{}", text.len());
}

#[test]
fn buttons_chart_export_and_follow_strangers() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[CHAT])) else { return };
    testbed.transmit(VAN, "Depot");
    testbed.transmit(RANDOM, "Depot");
    testbed.ask_until("/status", "Probes: 2 (");
    let list = testbed.ask("/between yesterday 00:00 2999-01-01 00:00");
    assert!(
        list.plain.contains("Probably at least 2 devices: 1 with a fixed address, 1 phone"),
        "{}",
        list.plain
    );
    assert!(list.plain.contains("2 strangers, the strongest signals first:"), "{}", list.plain);

    let chart = testbed.bring_and_wait(CHAT, Incoming::press(&list, list.button("Chart")));
    assert_eq!(chart.method, "sendPhoto");
    assert!(chart.files[0].bytes.starts_with(b"\x89PNG") && chart.plain.contains("Who was here"));

    let table = testbed.bring_and_wait(CHAT, Incoming::press(&list, list.button("Export")));
    assert_eq!(table.method, "sendDocument");
    let csv = String::from_utf8(table.files[0].bytes.clone()).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|row| row.split(',').collect()).collect();
    assert_eq!((rows.len(), rows[0][..2].to_vec()), (3, vec!["device", "stranger"]), "{csv}");
    assert!(rows.iter().any(|row| row[..2] == [VAN, "never_seen"]), "{csv}");
    let phone = rows.iter().find(|row| row[1] == "new_model").unwrap()[0];

    let followed = testbed
        .bring_and_wait(CHAT, Incoming::press(&list, list.button(&format!("Alert me if {VAN} returns"))));
    assert!(followed.plain.contains(VAN), "{}", followed.plain);
    let followed = testbed
        .bring_and_wait(CHAT, Incoming::press(&list, list.button(&format!("Alert me if {phone} returns"))));
    assert!(followed.plain.contains(phone), "{}", followed.plain);
    assert!(followed.plain.contains("It uses random addresses"), "{}", followed.plain);
    let watches = testbed.ask("/watches");
    assert!(watches.plain.contains(VAN) && watches.plain.contains(phone), "{}", watches.plain);

    // Both stay followed after a restart.
    testbed.kill_and_restart();
    let watches = testbed.ask("/watches");
    assert!(watches.plain.contains(VAN) && watches.plain.contains(phone), "{}", watches.plain);

    let count = testbed.ask("/count");
    assert_eq!(count.method, "sendPhoto");
    assert!(count.plain.contains("Of these, none stayed for 2 minutes or longer."), "{}", count.plain);
    let week = testbed.bring_and_wait(CHAT, Incoming::press(&count, count.button("7d")));
    assert_eq!((week.method.as_str(), week.message_id), ("editMessageMedia", count.message_id));
    testbed.api.assert_clean();
}

#[test]
fn a_file_that_was_replayed_late_counts() {
    let frame = |time, sequence: u64| {
        (time, ProbeRequestFrame::new(VAN).sequence((sequence % 4096) as u16).signal(-44).build())
    };
    // Frames of the next day come first, then an hour with its newest frame first.
    let mut frames = vec![frame(TIME + 24 * 60 * MINUTE, 0)];
    frames.extend((0..2500).rev().map(|second| frame(TIME + second * 1_000_000, second)));
    let text = stdout(&Data::new(&frames).run(&["chat"], "/between 2020-04-18 19:00 20:00\n"));
    assert!(text.contains("1 device: 1 with a fixed address"), "{text}");
    assert!(text.contains(&format!("• {VAN}: 19:04–19:46 (41 min 39 s), strongest -44 dBm")), "{text}");
}

//! What drivers and devices get wrong does not reach the lists: signals that no receiver measures.

use crate::commands::{Data, TIME, stdout};
use crate::support::frames::ProbeRequestFrame;

fn source(number: usize) -> String {
    format!("a4:83:e7:00:00:{number:02x}")
}

#[test]
fn signals_that_no_receiver_measures_are_unknown() {
    let signals = [-35, 127, 0, -128, 20, -127, -80];
    let frame = |number: usize, dbm: i8| ProbeRequestFrame::new(&source(number)).signal(dbm).build();
    let frames: Vec<_> = signals
        .iter()
        .enumerate()
        .map(|(number, dbm)| (TIME + number as u64, frame(number, *dbm)))
        .collect();
    let data = Data::new(&frames);
    for (number, dbm) in signals.into_iter().enumerate() {
        let (device, _) = data.json(&source(number));
        let known = (-110..0).contains(&dbm).then_some(i64::from(dbm));
        assert_eq!(device["signal_dbm"]["max"].as_i64(), known, "{dbm}: {device}");
    }
    let top = stdout(&data.run(&["chat"], "/top\n"));
    let shown: Vec<&str> = top.matches(" dBm").collect();
    assert_eq!(shown.len(), 2, "{top}");
    assert!(top.contains("-35 dBm") && top.contains("-80 dBm"), "{top}");
    // The table of probe requests has no invented level either.
    let csv = stdout(&data.run(&["export", "events", "--format", "csv"], ""));
    assert!(csv.contains(",-35,") && !csv.contains(",127,") && !csv.contains(",-128,"), "{csv}");
}

/// A log that an earlier version wrote: such a level is read as none.
#[test]
fn old_logs_with_invented_signals_are_read_without_them() {
    let data = Data::new(&[(TIME, ProbeRequestFrame::new(&source(1)).signal(-35).build())]);
    let log = data.path("data/events");
    let segment = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .expect("the log has a segment");
    let lines = std::fs::read_to_string(&segment).unwrap();
    let changed = lines.replace("\"signal_dbm\":-35", "\"signal_dbm\":127");
    assert_ne!(changed, lines);
    std::fs::write(&segment, changed).unwrap();
    let rebuilt = data.run(&["rebuild"], "");
    assert!(rebuilt.status.success(), "{}", stdout(&rebuilt));
    let (device, _) = data.json(&source(1));
    assert!(device["signal_dbm"].is_null(), "{device}");
    let events = stdout(&data.run(&["export", "events"], ""));
    assert!(events.contains("\"signal_dbm\":null"), "{events}");
    // The log itself stays as it is.
    assert!(std::fs::read_to_string(&segment).unwrap().contains("\"signal_dbm\":127"));
}

//! What drivers and devices get wrong does not reach the lists: signals that no receiver measures, checksums that
//! nothing announces, and SSIDs of NUL bytes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::commands::{Data, TIME, stdout};
use crate::support::frames::{DLT_IEEE802_11, DLT_IEEE802_11_RADIO, Fcs, ProbeRequestFrame, pcap_bytes};
use crate::support::service::probewatch_with_input;

fn source(number: usize) -> String {
    format!("a4:83:e7:00:00:{number:02x}")
}

#[test]
fn signals_that_no_receiver_measures_are_unknown() {
    let signals = [-35, 127, 0, -128, 20, -127, -80];
    let frame = |number: usize, dbm: i8| ProbeRequestFrame::new(&source(number)).signal(dbm).build();
    let frames: Vec<_> =
        signals.iter().enumerate().map(|(number, dbm)| (TIME + number as u64, frame(number, *dbm))).collect();
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

/// Thousands of different checksums, of which some would pass for elements.
#[test]
fn an_fcs_that_nothing_announces_is_no_element() {
    let frames = |header: &[u8]| -> Vec<(u64, Vec<u8>)> {
        let frame =
            |sequence| ProbeRequestFrame::new(&source(1)).ssid("RNM0").sequence(sequence).fcs(Fcs::Good);
        (0..4096).map(|sequence| (TIME, [header, &frame(sequence).bare()].concat())).collect()
    };
    // Radiotap with the signal only, and with flags that say there is no FCS.
    let only_signal = [0, 0, 9, 0, 0x20, 0, 0, 0, 0xd6];
    let no_fcs = [0, 0, 9, 0, 0x02, 0, 0, 0, 0];
    let mut signatures = BTreeSet::new();
    for (dlt, header) in
        [(DLT_IEEE802_11, &[][..]), (DLT_IEEE802_11_RADIO, &only_signal), (DLT_IEEE802_11_RADIO, &no_fcs)]
    {
        let output = probewatch_with_input(&["decode", "-"], &pcap_bytes(dlt, &frames(header)));
        assert!(output.status.success());
        let lines: Vec<Value> =
            stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4096);
        assert!(lines.iter().all(|line| line["fcs"] == "good" && line["ssid"] == "RNM0"));
        signatures.extend(lines.iter().map(|line| line["signature"].to_string()));
    }
    assert_eq!(signatures.len(), 1, "{signatures:?}");
}

/// Of every length; beside them names that only contain NULs.
#[test]
fn an_ssid_of_nuls_is_a_hidden_network_and_no_name() {
    let frame = |number: usize, ssid: &[u8]| ProbeRequestFrame::new(&source(number)).ssid(ssid).build();
    let hidden = [1, 9, 32, 255].map(|length| vec![0; length]);
    let mut frames: Vec<_> =
        hidden.iter().enumerate().map(|(place, ssid)| (TIME + place as u64, frame(1, ssid))).collect();
    frames.push((TIME + 10, frame(1, b"")));
    frames.push((TIME + 11, frame(2, b"a\0")));
    frames.push((TIME + 12, frame(2, b"RNM0")));
    let data = Data::new(&frames);

    let networks = stdout(&data.run(&["chat"], "/networks\n"));
    assert!(networks.contains("RNM0: 1 probe") && networks.contains("a\\u{0}: 1 probe"), "{networks}");
    assert!(networks.contains("Hidden networks, without a name: 4 probes"), "{networks}");
    assert_eq!(networks.matches("\\u{0}").count(), 1, "{networks}");
    let (device, _) = data.json(&source(1));
    assert_eq!((&device["probe_count"], &device["wildcard_count"]), (&5.into(), &1.into()), "{device}");
    assert_eq!((&device["hidden_count"], &device["unique_ssids"]), (&4.into(), &0.into()), "{device}");
    let card = stdout(&data.run(&["chat"], &format!("{}\n", source(1))));
    assert!(card.contains("(1 for any network, 4 for hidden networks)"), "{card}");
    // It cannot be watched, and says why; a watch of an earlier version can be removed.
    for command in ["/watch hex:00", "/watch hex:000000 a reason"] {
        let reply = stdout(&data.run(&["chat"], &format!("{command}\n")));
        assert!(reply.contains("cannot be watched"), "{command}: {reply}");
    }
    assert!(!stdout(&data.run(&["chat"], "/watches\n")).contains("\\u{0}"));
    let devices = stdout(&data.run(&["chat"], "/ssid hex:00\n"));
    assert!(devices.contains("hidden network"), "{devices}");
    // Tables have no such name; the log and `decode` keep the bytes.
    for table in ["devices", "events"] {
        let csv = stdout(&data.run(&["export", table, "--format", "csv"], ""));
        assert_eq!(csv.matches("\\u{0}").count(), 1, "{csv}");
    }
    let events = stdout(&data.run(&["export", "events"], ""));
    assert!(events.contains(r#""ssid":"\u0000","#), "{events}");
    assert!(events.contains(&format!(r#""ssid":"{}","#, r"\u0000".repeat(9))), "{events}");
}

/// A watch that an earlier version accepted alerts no more, and can be removed.
#[test]
fn old_watches_on_nuls_can_be_removed() {
    let data = Data::new(&[(TIME, ProbeRequestFrame::new(&source(1)).ssid([0, 0]).build())]);
    assert!(data.run(&["chat"], "/watch Depot\n").status.success());
    let log = std::fs::read_dir(data.path("data/events")).unwrap().map(|entry| entry.unwrap().path());
    for segment in log.filter(|path| path.extension().is_some_and(|extension| extension == "ndjson")) {
        let lines = std::fs::read_to_string(&segment).unwrap();
        std::fs::write(&segment, lines.replace("\"ssid\":\"Depot\"", r#""ssid":"\u0000\u0000""#)).unwrap();
    }
    assert!(data.run(&["rebuild"], "").status.success());
    let watches = stdout(&data.run(&["chat"], "/watches\n"));
    assert!(watches.contains("0000") || watches.contains("u{0}"), "{watches}");
    let reply = stdout(&data.run(&["chat"], "/unwatch hex:0000\n"));
    assert!(!reply.contains('❌'), "{reply}");
    let watches = stdout(&data.run(&["chat"], "/watches\n"));
    assert!(!watches.contains("0000") && !watches.contains("u{0}"), "{watches}");
}

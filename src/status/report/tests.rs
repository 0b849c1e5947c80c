//! The texts of the status.

use super::*;
use crate::device_counts::DeviceCounts;
use crate::status::{HoppingFailure, ShownTimeZone};

fn at(text: &str) -> Timestamp {
    Timestamp::from_micros(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_micros())
}

fn source(name: &str, condition: SourceState, last_frame: Option<&str>, frames: u64) -> SourceStatus {
    SourceStatus { last_frame: last_frame.map(at), frames, ..SourceStatus::example(name, condition) }
}

fn shown(value: &Status) -> String {
    let text = full_report(value, at("2026-11-22T12:00:00Z"), Tz::Europe__Berlin).to_text().to_string();
    let registry = registry(vendor::registry_date(), at("2026-11-22T12:00:00Z"));
    text.replace(env!("CARGO_PKG_VERSION"), "1.2.3").replace(&registry, "[age]")
}

fn hopping_failure() -> HoppingFailure {
    HoppingFailure {
        since: at("2026-11-22T11:50:00Z"),
        why: "cannot change the channel of mon1: wlan0 is up on the same radio".to_owned(),
        remedy: Some("take it down: ip link set wlan0 down".to_owned()),
    }
}

#[test]
fn the_report_is_grouped() {
    let mon0 = source("mon0", SourceState::Capturing, Some("2026-11-22T11:59:53Z"), 1);
    let mon1 = source("mon1", SourceState::Capturing, None, 0);
    let failed = SourceState::Failed("the interface is gone".to_owned());
    let mon2 = source("mon2", failed, Some("2026-11-22T09:00:00Z"), 312);
    let value = Status {
        uptime: Duration::from_secs(273_600),
        sources: vec![
            SourceStatus { dropped: 3, bad_fcs: 2, undecodable: 1, ..mon0 },
            SourceStatus { clock_is_behind: true, hopping_failure: Some(hopping_failure()), ..mon1 },
            SourceStatus { restarts: 2, ..mon2 },
            source("a.pcap", SourceState::Ended, Some("2020-04-18T17:04:27Z"), 7),
            source("stdin", SourceState::Opening, None, 0),
            source("b", SourceState::Crashed, None, 0),
        ],
        probes: 320,
        wildcard_probes: 200,
        addresses: 12,
        random_addresses: 7,
        devices: DeviceCounts {
            at_least: 9,
            proven: 5,
            named: 3,
            fixed: 2,
            phones: 4,
            groups: 4,
            grouped_addresses: 7,
            ungrouped_addresses: 0,
            may_be_more: true,
        },
        forgotten_addresses: 5,
        mistaken_networks_percent: 2,
        last_probe: Some(at("2026-11-22T11:59:53Z")),
        events: 340,
        watches: 2,
        alerts_waiting: 1,
        telegram_waits: vec![
            RequestedWait {
                with: WaitsWith::Updates,
                until: at("2026-11-22T12:00:30Z"),
                wait_seconds: 35,
                asked_seconds: 35,
            },
            RequestedWait {
                with: WaitsWith::Alerts(store::event::ChatId(7)),
                until: at("2026-11-22T12:50:00Z"),
                wait_seconds: 3600,
                asked_seconds: 4_000_000_000,
            },
        ],
        telegram_problems: vec![
            TelegramProblem::ChatRefuses {
                chat: store::event::ChatId(-200),
                since: at("2026-11-22T11:30:00Z"),
                reason: "Bad Request: CHAT_RESTRICTED".to_owned(),
            },
            TelegramProblem::ChatBlocks {
                chat: store::event::ChatId(5),
                since: at("2026-11-22T11:31:00Z"),
                reason: "Forbidden: bot was blocked by the user".to_owned(),
            },
        ],
        telegram_server_lacks: vec![ServerFeature::RichMessages],
        flood: Some(Flood {
            since: at("2026-11-22T11:43:00Z"),
            last: at("2026-11-22T11:59:30Z"),
            addresses: 59_000,
        }),
        lost_probes: 4,
        lost_log_lines: 8,
        lost_events: 6,
        thinned_probes: 7,
        log: Some(LogSize { bytes: 12_345, oldest: Some(at("2026-11-19T12:00:00Z")) }),
        disk_error: Some("No space left on device".to_owned()),
        disk_remedy: Some("free some space on the disk"),
        clock_doubt: Some(ClockDoubt {
            since: at("2026-11-22T10:00:00Z"),
            now: at("2026-11-22T12:00:00Z"),
            machine: at("2036-11-22T12:00:00Z"),
            is_estimate: false,
        }),
        pending_deletion: Some(PendingDeletion {
            oldest: at("2025-01-22T10:00:00Z"),
            before: at("2025-11-22T12:00:00Z"),
            starts: at("2026-11-23T10:00:00Z"),
        }),
        time_zone: Some(ShownTimeZone {
            name: "Europe/Berlin".to_owned(),
            origin: "from the link /etc/localtime".to_owned(),
        }),
    };
    let report = full_report(&value, at("2026-11-22T12:00:00Z"), Tz::Europe__Berlin).both_forms();
    insta::with_settings!({filters => vec![
        (r"probewatch \d+\.\d+\.\d+", "probewatch 1.2.3"),
        (r"\d+ days? old \(of [0-9-]+\)", "[age]"),
    ]}, {
        insta::assert_snapshot!("report_in_both_forms", report);
    });
    insta::assert_snapshot!(shown(&value), @r"
    📟 probewatch 1.2.3
    Running for 3 d 4 h
    Vendor registry: [age]
    Time zone: Europe/Berlin, from the link /etc/localtime
    ❌ Writing to disk fails: No space left on device; free some space on the disk
    ⚠️ Lines missing in the service's own log: 8
    ⏰ The machine's clock is in doubt since 2026-11-22 11:00:00 CET: it says 2036-11-22 13:00:00 CET. Until it is right, time goes on without it, and nothing is deleted because of its age. Set it from the network (timedatectl set-ntp true). If it is right already: /clock right

    👂 Sources
    • mon0: capturing
       last frame 7 s ago
       1 frame, 3 dropped, 2 damaged in transmission, 1 undecodable
    • mon1: capturing
       no frame yet
       ⚠️ it has stayed on one channel for 10 min 0 s: cannot change the channel of mon1: wlan0 is up on the same radio; take it down: ip link set wlan0 down
       ⏰ its clock is behind; until it is right, this machine's time counts
    • mon2: ❌ the interface is gone
       last frame 3 h ago
       312 frames, restarted 2 times
    • a.pcap: ended
       last frame 6 years ago
       7 frames
    • stdin: opening
       no frame yet
    • b: ❌ stopped by a bug in probewatch; restart the service
       no frame yet

    📡 Captured
    Probes: 320 (200 for any network)
    Last probe: 7 s ago (2026-11-22 12:59:53 CET)
    Addresses: 12 (7 random)
    Probably at least 9 devices: 3 named, 2 with a fixed address, 4 phones using random addresses (7 addresses)
    Forgotten after long silence: 5 more
    ⚠️ Phones that return: 2 % of new networks show none, because too many networks were forgotten
    ⚠️ Probes lost: queue or log buffer was full: 4

    🗂 Log
    Events: 340
    On disk: 12.3 kB
    Since: 3 days ago (2026-11-19 13:00:00 CET)
    Left out to make room: 7 probes of invented addresses
    ⚠️ Events lost from the log: 6
    🗑 The log of 2025-01-22 11:00:00 CET to 2025-11-22 13:00:00 CET is older than retention.log_days. From 2026-11-23 11:00:00 CET on it is deleted, a day's worth an hour. To stop that: /history keep

    📣 Alerts
    Watched networks: 2
    Alerts waiting for Telegram: 1
    ⏳ Telegram asked to wait: no messages are received until 2026-11-22 13:00:30 CET
    ⏳ Telegram asked for 46296 d 7 h, more than the bot waits: no alerts are sent to a chat for 1 h 0 min, until 2026-11-22 13:50:00 CET
    ⚠️ A chat takes no alerts since 2026-11-22 12:30:00 CET, so they wait. Telegram says: Bad Request: CHAT_RESTRICTED; let the bot send messages in this chat: /chats says which one it is
    ⚠️ A chat gets no alerts since 2026-11-22 12:31:00 CET, because it blocked the bot or is gone: Forbidden: bot was blocked by the user; unblock the bot there and write to it, or remove the chat: /chats says which one it is
    Telegram's server is older than Bot API 10.1: lists are sent as plain text
    🌊 Flood of invented addresses since 12:43:00, about 60 per second
    ");
    let new = Status {
        sources: Vec::new(),
        devices: DeviceCounts::default(),
        forgotten_addresses: 0,
        mistaken_networks_percent: 0,
        last_probe: None,
        telegram_waits: Vec::new(),
        telegram_problems: Vec::new(),
        telegram_server_lacks: Vec::new(),
        flood: Some(Flood {
            since: at("2026-11-22T08:00:00Z"),
            last: at("2026-11-22T09:00:00Z"),
            addresses: 1800,
        }),
        lost_probes: 0,
        lost_log_lines: 0,
        lost_events: 0,
        thinned_probes: 0,
        log: None,
        disk_error: None,
        disk_remedy: None,
        clock_doubt: None,
        pending_deletion: None,
        ..value
    };
    insta::assert_snapshot!(shown(&new), @r"
    📟 probewatch 1.2.3
    Running for 3 d 4 h
    Vendor registry: [age]
    Time zone: Europe/Berlin, from the link /etc/localtime

    📡 Captured
    Probes: 320 (200 for any network)
    Last probe: none yet
    Addresses: 12 (7 random)

    🗂 Log
    Events: 340

    📣 Alerts
    Watched networks: 2
    Alerts waiting for Telegram: 1
    🌊 Flood of invented addresses from 09:00:00 to 10:00:00, about 30 per minute
    ");
}

#[test]
fn shows_the_age_of_the_registry() {
    let now = at("2026-11-22T12:00:00Z");
    for (day, shown) in [
        ("2026-11-21", "1 day old (of 2026-11-21)"),
        ("2026-08-26", "88 days old (of 2026-08-26)"),
        ("2026-12-01", "0 days old (of 2026-12-01)"),
        ("unknown", "of unknown"),
    ] {
        assert_eq!(registry(day, now), shown);
    }
}

//! The JSON form of events.

use super::test_probes::complete_probe;
use super::*;
use dot11::{DeviceInfo, DeviceType, RequestedSsid, ShortText, Ssid, Uuid};

fn probe() -> Probe {
    complete_probe(Timestamp::from_micros(1_587_229_467_123_456))
}

#[track_caller]
fn check(event: &Event, json: &str) {
    let mut fields = Vec::new();
    push_event_fields(&mut fields, event).unwrap();
    assert_eq!(format!("{{{}}}", String::from_utf8(fields).unwrap()), json);
    assert_eq!(&EventDecoder::default().decode(json.as_bytes()).unwrap(), event);
}

#[test]
fn a_probe_has_its_documented_json() {
    check(
        &Event::from(probe()),
        r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310"}"#,
    );
}

#[test]
fn not_before_marks_a_clock_that_was_behind() {
    let not_before = Some(Timestamp::from_micros(1_795_305_600_000_000));
    let marked = Probe { not_before, alerts: vec![AlertDecision::Mute { chat: ChatId(7) }], ..probe() };
    assert_eq!(Event::from(marked.clone()).time, not_before);
    check(
        &Event::from(marked),
        r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","not_before":"2026-11-22T00:00:00.000000Z","alerts":[{"decision":"mute","chat":7}]}"#,
    );
}

#[test]
fn a_probe_has_what_the_device_says_about_itself() {
    let text = |text: &str| ShortText::new(text.as_bytes());
    let info = DeviceInfo {
        manufacturer: text("Samsung Electronics"),
        p2p_name: text("[TV] \"Zoë\""),
        uuid: Some(Uuid([7; 16])),
        device_type: Some(DeviceType([0, 7, 0, 0x50, 0xf2, 4, 0, 1])),
        ..DeviceInfo::default()
    };
    check(
        &Event::from(Probe { device_info: Some(Box::new(info)), ..probe() }),
        r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","device_info":{"manufacturer":"Samsung Electronics","p2p_name":"[TV] \"Zoë\"","uuid":"07070707-0707-0707-0707-070707070707","device_type":"7-0050F204-1"}}"#,
    );
}

#[test]
fn wildcard_absent_and_raw_ssids_differ() {
    for (ssid, field) in [
        (RequestedSsid::Wildcard, r#""ssid":"""#),
        (RequestedSsid::Absent, r#""ssid":null"#),
        (RequestedSsid::from_element(b"\xff\xfe\x00"), r#""ssid_hex":"fffe00""#),
        (RequestedSsid::from_element(b"a\"b\n"), r#""ssid":"a\"b\n""#),
    ] {
        let event = Event::from(Probe { ssid, signal_dbm: None, frequency_mhz: None, ..probe() });
        check(
            &event,
            &format!(
                r#"{{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15",{field},"signal_dbm":null,"frequency_mhz":null,"sequence":2743,"signature":"9f1c06d2ab47e310"}}"#
            ),
        );
    }
}

#[test]
fn every_field_is_kept() {
    let time = Timestamp::from_micros(0);
    let chat = ChatId(-100_123);
    check(
        &Event::from(Probe {
            alerts: vec![
                AlertDecision::Raise { chat, pattern: None, reason: Some("the van".into()), suppressed: 2 },
                AlertDecision::Suppress { chat },
            ],
            ..probe()
        }),
        r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","alerts":[{"decision":"raise","chat":-100123,"reason":"the van","swallowed":2},{"decision":"swallow","chat":-100123}]}"#,
    );
    check(
        &Event::new(time, EventKind::Watch { chat, ssid: Ssid::new(b"\xff"), reason: None }),
        r#"{"type":"watch","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"ssid_hex":"ff","reason":null}"#,
    );
    check(
        &Event::new(
            time,
            EventKind::Name { address: probe().source, name: "Zoë".into(), by: NamedBy::Config },
        ),
        r#"{"type":"name","time":"1970-01-01T00:00:00.000000Z","address":"a4:83:e7:4e:39:15","name":"Zoë","by":"config"}"#,
    );
    check(
        &Event::from(Probe {
            alerts: vec![
                AlertDecision::Raise {
                    chat,
                    pattern: Some(Pattern::new("RNM*")),
                    reason: None,
                    suppressed: 0,
                },
                AlertDecision::Arrive { chat, silent_seconds: Some(960), outcome: AlertOutcome::Raise },
                AlertDecision::Mute { chat },
            ],
            ..probe()
        }),
        r#"{"type":"probe","time":"2020-04-18T17:04:27.123456Z","sensor":"mon0","source":"a4:83:e7:4e:39:15","ssid":"RNM0","signal_dbm":-42,"frequency_mhz":2437,"sequence":2743,"signature":"9f1c06d2ab47e310","alerts":[{"decision":"raise","chat":-100123,"pattern":"RNM*","reason":null,"swallowed":0},{"decision":"arrive","chat":-100123,"silent_seconds":960,"fate":"raise"},{"decision":"mute","chat":-100123}]}"#,
    );
    check(
        &Event::new(time, EventKind::WatchPattern { chat, pattern: Pattern::new(r"Dep*\*"), reason: None }),
        r#"{"type":"watch_pattern","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"pattern":"Dep*\\*","reason":null}"#,
    );
    check(
        &Event::new(
            time,
            EventKind::Follow {
                chat,
                device: DeviceKey::Address(probe().source),
                silence_seconds: 900,
                members: Vec::new(),
            },
        ),
        r#"{"type":"follow","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"address":"a4:83:e7:4e:39:15","silence_seconds":900}"#,
    );
    check(
        &Event::new(
            time,
            EventKind::Left {
                chat,
                device: DeviceKey::Address(probe().source),
                source: probe().source,
                last_seen: time,
                alerts: Vec::new(),
            },
        ),
        r#"{"type":"left","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"address":"a4:83:e7:4e:39:15","source":"a4:83:e7:4e:39:15","last_heard":"1970-01-01T00:00:00.000000Z","alerts":[]}"#,
    );
    check(
        &Event::new(
            time,
            EventKind::Left {
                chat,
                device: DeviceKey::Name("zoë".into()),
                source: probe().source,
                last_seen: time,
                alerts: vec![LeaveDecision { chat, outcome: AlertOutcome::Mute }],
            },
        ),
        r#"{"type":"left","time":"1970-01-01T00:00:00.000000Z","chat":-100123,"name":"zoë","source":"a4:83:e7:4e:39:15","last_heard":"1970-01-01T00:00:00.000000Z","alerts":[{"chat":-100123,"fate":"mute"}]}"#,
    );
    check(
        &Event::without_time(EventKind::Signature {
            signature: probe().signature,
            elements: vec![0, 1, 255],
        }),
        r#"{"type":"signature","signature":"9f1c06d2ab47e310","elements":"0001ff"}"#,
    );
}

#[test]
fn an_event_says_which_address_it_is_about() {
    let (time, chat, source) = (Timestamp::from_micros(0), ChatId(1), probe().source);
    let device = DeviceKey::Name("zoë".into());
    let left = EventKind::Left { chat, device: device.clone(), source, last_seen: time, alerts: Vec::new() };
    let outcome = AlertOutcome::Raise;
    let stranger = EventKind::StrangerLeft { chat, device, source, first: time, last_seen: time, outcome };
    let name = EventKind::Name { address: source, name: "Zoë".to_owned(), by: NamedBy::Chat };
    let unname = EventKind::Unname { address: source, by: NamedBy::Chat };
    for kind in [left, stranger, name, unname] {
        assert_eq!(Event::new(time, kind).address(), Some(source));
    }
    assert_eq!(Event::from(probe()).address(), Some(source));
    assert_eq!(Event::new(time, EventKind::Unmute { chat }).address(), None);
}

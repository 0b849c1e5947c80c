//! `recorded.ndjson` has a line of every form in which any version has written an event. Each must be read as the same
//! event forever, and is still written byte for byte the same. Add a line for each new form; change none.
//!
//! One form is missing on purpose: a single commit of 2026-11-22, which no release contains, wrote `left` with `address`
//! instead of `source`. No later version reads it.

use std::fs;

use super::{encode_line, recover};
use crate::event::test_probes::complete_probe;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, ChatSetting, CodeHash, DailyHours, DeviceKey, Event, EventDecoder,
    EventKind, EvictionScope, GroupId, GroupingMode, LeaveDecision, ListedNetworks, MessageId, NamedBy,
    Offset, Pattern, Person, PhoneEvidence, Probe, ProposedChange, Role, StrangerReason, Timestamp,
};
use dot11::builder::FrameBuilder;
use dot11::{DeviceInfo, DeviceType, MacAddr, ModelKey, RequestedSsid, ShortText, Signature, Ssid, Uuid};

const RECORDED: &str = include_str!("recorded.ndjson");

const CHAT: ChatId = ChatId(-100_123);

fn time() -> Timestamp {
    Timestamp::from_micros(1_795_341_600_000_000)
}

fn seconds_before(seconds: i64) -> Timestamp {
    Timestamp::from_micros(time().as_micros() - seconds * 1_000_000)
}

fn address() -> MacAddr {
    MacAddr::new([0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15])
}

fn probe() -> Probe {
    complete_probe(time())
}

fn probes() -> Vec<Probe> {
    let requesting = |ssid: &[u8]| Probe { ssid: RequestedSsid::from_element(ssid), ..probe() };
    let alerting = |alerts| Probe { alerts, ..probe() };
    let arrive = |silent_seconds, outcome| AlertDecision::Arrive { chat: CHAT, silent_seconds, outcome };
    let raise = |pattern: Option<&str>, reason: Option<&str>, suppressed| AlertDecision::Raise {
        chat: CHAT,
        pattern: pattern.map(Pattern::new),
        reason: reason.map(str::to_owned),
        suppressed,
    };
    vec![
        probe(),
        requesting(b""),
        Probe {
            ssid: RequestedSsid::Absent,
            signal_dbm: None,
            frequency_mhz: None,
            sequence: 0,
            signature: Signature::from_u64(1),
            ..probe()
        },
        requesting(b"\xff\xfe\x00"),
        requesting("a\"b\n\u{1}é📶".as_bytes()),
        alerting(vec![
            raise(None, Some("the van"), 2),
            AlertDecision::Suppress { chat: CHAT },
            AlertDecision::Overflow { chat: CHAT },
        ]),
        alerting(vec![
            raise(Some("RNM*"), None, 0),
            AlertDecision::Mute { chat: CHAT },
            arrive(Some(960), AlertOutcome::Raise),
            arrive(None, AlertOutcome::Overflow),
            arrive(Some(0), AlertOutcome::Mute),
        ]),
        alerting(vec![arrive(Some(960), AlertOutcome::Skip)]),
        Probe { not_before: Some(seconds_before(-1)), ..probe() },
        Probe {
            not_before: Some(seconds_before(1)),
            alerts: vec![AlertDecision::Mute { chat: CHAT }],
            ..probe()
        },
    ]
}

fn probe_with_device_info() -> Probe {
    let text = |text: &str| ShortText::new(text.as_bytes());
    let info = DeviceInfo {
        manufacturer: text("Samsung Electronics"),
        model_name: text("SM-G991B"),
        model_number: text("1\"2"),
        device_name: text("Zoë's phone"),
        p2p_name: text("[TV] Samsung 7 Series"),
        uuid: Some(Uuid([7; 16])),
        device_type: Some(DeviceType([0, 10, 0, 0x50, 0xf2, 4, 0, 5])),
    };
    Probe { device_info: Some(Box::new(info)), not_before: Some(seconds_before(-1)), ..probe() }
}

fn probe_with_lists() -> Probe {
    let lists =
        FrameBuilder::new(address()).ssid_list(&[b"Depot", b"", b"\xff"]).short_ssid_list(&[b"123456789"]);
    let raise = AlertDecision::Raise { chat: CHAT, pattern: None, reason: None, suppressed: 0 };
    let about = |ssid: &str, is_short, decision| AlertDecision::Listed {
        ssid: Ssid::from(ssid),
        is_short,
        decision: Box::new(decision),
    };
    Probe {
        listed: ListedNetworks::of(&lists.elements),
        alerts: vec![
            about("Depot", false, raise),
            about("123456789", true, AlertDecision::Suppress { chat: CHAT }),
        ],
        ..probe()
    }
}

/// What the chat asked for.
fn subscriptions() -> Vec<EventKind> {
    let chat = CHAT;
    let (named, hex) = (Ssid::from("RNM0"), Ssid::new(b"\xff"));
    let reason = Some("the van".to_owned());
    let pattern = Pattern::new("R?M");
    let mut kinds = vec![
        EventKind::Watch { chat, ssid: named.clone(), reason: None },
        EventKind::Watch { chat, ssid: hex.clone(), reason: reason.clone() },
        EventKind::Unwatch { chat, ssid: named },
        EventKind::Unwatch { chat, ssid: hex },
        EventKind::WatchPattern { chat, pattern: Pattern::new(r"Dep*\*"), reason: None },
        EventKind::WatchPattern { chat, pattern: pattern.clone(), reason },
        EventKind::UnwatchPattern { chat, pattern },
    ];
    for device in [DeviceKey::Address(address()), DeviceKey::Name("Zoë".to_owned())] {
        kinds.extend([
            EventKind::Follow { chat, device: device.clone(), silence_seconds: 900, members: Vec::new() },
            EventKind::Unfollow { chat, device: device.clone() },
            EventKind::Ignore { chat, device: device.clone(), members: Vec::new() },
            EventKind::Unignore { chat, device },
        ]);
    }
    kinds
}

fn departures() -> Vec<EventKind> {
    let left = |device, alerts| EventKind::Left {
        chat: CHAT,
        device,
        source: address(),
        last_seen: seconds_before(3600),
        alerts,
    };
    let alerts = [
        (-100_123, AlertOutcome::Raise),
        (7, AlertOutcome::Overflow),
        (8, AlertOutcome::Mute),
        (9, AlertOutcome::Skip),
    ];
    let alerts = alerts.map(|(chat, outcome)| LeaveDecision { chat: ChatId(chat), outcome });
    vec![
        left(DeviceKey::Address(address()), Vec::new()),
        left(DeviceKey::Name("Zoë".to_owned()), alerts.to_vec()),
    ]
}

fn others() -> Vec<EventKind> {
    let (chat, count, probe) = (CHAT, 3, Offset(17));
    let mut kinds = vec![
        EventKind::Mute { chat, until: seconds_before(-3600) },
        EventKind::Unmute { chat },
        EventKind::MuteReported { chat, count },
    ];
    for by in [NamedBy::Chat, NamedBy::Config, NamedBy::Import, NamedBy::Lease] {
        kinds.push(EventKind::Name { address: address(), name: "Zoë".to_owned(), by });
        kinds.push(EventKind::Unname { address: address(), by });
    }
    let code: CodeHash = serde_json::from_str(&format!("\"{}\"", "0c".repeat(32))).unwrap();
    let invited = |role, by| EventKind::Invited { code, role, expires: seconds_before(-86_400), by };
    let forget = |addresses| EventKind::Evict { addresses, last_seen_before: seconds_before(3600) };
    kinds.extend([
        EventKind::Delivered { probe, chat, message: None },
        EventKind::Undeliverable { probe, chat, reason: "chat not found".to_owned() },
        EventKind::OverflowReported { chat, count, flood: None, message: None },
        EventKind::AlertExpired { probe, chat },
        EventKind::UpdateHandled { update: u32::MAX },
        EventKind::ChatMigrated { from: ChatId(-5), to: CHAT },
        invited(Role::Owner, None),
        invited(Role::Member, Some(ChatId(7))),
        EventKind::Paired { chat, code, name: "Zoë".to_owned() },
        EventKind::ChatRemoved { chat, by: ChatId(7) },
        forget(EvictionScope::Random),
        forget(EvictionScope::Unnamed),
    ]);
    kinds
}

/// What people say about phones with random addresses.
fn phones() -> Vec<EventKind> {
    let phone: GroupId = "3f2a".parse().unwrap();
    let random = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);
    let keep = |name: Option<&str>, addresses, networks| EventKind::KeepPhone {
        phone,
        name: name.map(str::to_owned),
        model: ModelKey::of(&[1, 1, 2]),
        addresses,
        networks,
        by_member: false,
    };
    let (chat, device) = (CHAT, DeviceKey::Phone(phone));
    let mut kinds = vec![
        keep(Some("Zoë's phone"), vec![random], vec![Ssid::from("RNM0"), Ssid::new(b"\xff")]),
        keep(None, Vec::new(), Vec::new()),
        EventKind::SplitPhone { phone, address: random, evidence: None },
        EventKind::Follow { chat, device: device.clone(), silence_seconds: 900, members: Vec::new() },
        EventKind::Ignore { chat, device, members: Vec::new() },
    ];
    for mode in [GroupingMode::Off, GroupingMode::InRange, GroupingMode::Returns] {
        kinds.push(EventKind::SetGrouping { mode });
    }
    kinds
}

/// What a chat wants to know about strangers, and what it gets.
fn doorbells() -> Vec<Event> {
    let chat = CHAT;
    let left = |device, outcome| EventKind::StrangerLeft {
        chat,
        device,
        source: address(),
        first: seconds_before(1800),
        last_seen: seconds_before(900),
        outcome,
    };
    let kinds = [
        EventKind::Doorbell { chat, min_dbm: -65, stay_seconds: 180, only_in_quiet_hours: false },
        EventKind::DoorbellOff { chat },
        left(DeviceKey::Address(address()), AlertOutcome::Raise),
        left(DeviceKey::Phone("3f2a".parse().unwrap()), AlertOutcome::Mute),
    ];
    let reasons = [
        StrangerReason::NeverSeen,
        StrangerReason::NewModel,
        StrangerReason::UnusualModel { weeks_learned: 5 },
        StrangerReason::OneMoreThanUsual { usual: 2, now: 3 },
    ];
    let ring = |reason| AlertDecision::Ring {
        chat,
        reason,
        near_since: seconds_before(180),
        outcome: AlertOutcome::Raise,
    };
    let rings = Probe { alerts: reasons.into_iter().map(ring).collect(), ..probe() };
    kinds.map(|kind| Event::new(time(), kind)).into_iter().chain([Event::from(rings)]).collect()
}

/// The events of the file, in order.
fn expected() -> Vec<(Offset, Event)> {
    let elements = vec![0, 1, 255];
    let signature = EventKind::Signature { signature: probe().signature, elements };
    let mut events = vec![Event::without_time(signature)];
    events.extend(probes().into_iter().map(Event::from));
    let timed = [subscriptions(), departures(), others()].into_iter().flatten();
    events.extend(timed.map(|kind| Event::new(time(), kind)));
    events.push(Event::without_time(EventKind::Lost { count: 2, why: "a test".to_owned() }));
    events.extend(phones().into_iter().map(|kind| Event::new(time(), kind)));
    events.extend(doorbells());
    events.push(Event::from(probe_with_device_info()));
    let (probe, chat, message) = (Offset(65), CHAT, Some(MessageId(7)));
    events.push(Event::new(time(), EventKind::Delivered { probe, chat, message }));
    let quiet = EventKind::Doorbell { chat, min_dbm: -65, stay_seconds: 180, only_in_quiet_hours: true };
    events.push(Event::new(time(), quiet));
    let flood = Some(seconds_before(600));
    for (count, message) in [(37, Some(MessageId(8))), (0, None)] {
        events.push(Event::new(time(), EventKind::OverflowReported { chat, count, flood, message }));
    }
    let members = vec![DeviceKey::Address(address()), DeviceKey::Phone("3f2a".parse().unwrap())];
    let device = DeviceKey::Name("Zoë".to_owned());
    let follow =
        EventKind::Follow { chat, device: device.clone(), silence_seconds: 900, members: members.clone() };
    let subscriptions = [follow, EventKind::Ignore { chat, device, members }];
    events.extend(subscriptions.map(|kind| Event::new(time(), kind)));
    events.push(Event::new(time(), EventKind::HistoryLost { count: 312 }));
    events.push(Event::without_time(EventKind::Omitted { count: 3 }));
    events.push(Event::new(time(), EventKind::Thinned { count: 3 }));
    for since in [Some(seconds_before(60)), None] {
        events.push(Event::new(time(), EventKind::ClockSet { from: seconds_before(7200), since }));
    }
    events.push(Event::new(time(), EventKind::KeepLog { keep: true }));
    let [random, other] = [1, 2].map(|number| MacAddr::new([0xda, 0xa1, 0x19, 0, 0, number]));
    let evidence = Some(PhoneEvidence { model: ModelKey::of(&[1, 1, 2]), addresses: vec![other] });
    let phone: GroupId = "3f2a".parse().unwrap();
    events.push(Event::new(time(), EventKind::SplitPhone { phone, address: random, evidence }));
    let device = DeviceKey::Address(address());
    let changes = [
        ProposedChange::Name { device, name: "Zoë".to_owned() },
        ProposedChange::Unname { device: DeviceKey::Phone(phone) },
        ProposedChange::Split { phone, address: address() },
    ];
    let proposed = changes.map(|change| EventKind::NameProposed { chat, change });
    let answered = EventKind::ProposalAnswered { proposal: Offset(73), by: ChatId(7), accepted: true };
    let member = [
        EventKind::Name { address: address(), name: "Zoë".to_owned(), by: NamedBy::Member },
        EventKind::Unname { address: address(), by: NamedBy::Member },
        EventKind::KeepPhone {
            phone,
            name: Some("Zoë's phone".to_owned()),
            by_member: true,
            model: ModelKey::of(&[1, 1, 2]),
            addresses: Vec::new(),
            networks: Vec::new(),
        },
    ];
    let person = Person { id: ChatId(2002), name: "Anna".to_owned() };
    let by_person = |kind| Event::new(time(), kind).by(Some(&person));
    events.extend(proposed.into_iter().chain([answered]).chain(member).map(by_person));
    events.push(Event::new(time(), EventKind::OwnersAsked { proposal: Offset(82) }));
    let reason = "Forbidden: bot was blocked by the user".to_owned();
    events.push(Event::new(time(), EventKind::ChatBlocked { chat: CHAT, reason }));
    events.push(Event::new(time(), EventKind::ChatUnblocked { chat: CHAT }));
    events.push(Event::from(probe_with_lists()));
    let settings = [
        ChatSetting::QuietHours(DailyHours::from_minutes(22 * 60 + 30, 7 * 60)),
        ChatSetting::QuietHours(None),
        ChatSetting::GatherSeconds(60),
        ChatSetting::TimeZone("Europe/Berlin".to_owned()),
    ];
    let chosen = |setting| Event::new(time(), EventKind::ChatSetting { chat, setting }).by(Some(&person));
    events.extend(settings.map(chosen));
    let mut next = Offset::default();
    let with_offset = |event: Event| {
        let offset = next;
        next = event.end(offset);
        (offset, event)
    };
    events.into_iter().map(with_offset).collect()
}

#[test]
fn recorded_lines_load_as_a_log() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(format!("{:020}.ndjson", 0)), RECORDED).unwrap();
    let log = recover(folder.path()).unwrap();
    let read: Vec<_> = log.read_from(Offset::default()).map(Result::unwrap).collect();
    assert_eq!(read, expected());
}

#[test]
fn events_are_written_as_recorded() {
    let mut written = Vec::new();
    for (offset, event) in expected() {
        encode_line(offset, &event, &mut written).unwrap();
    }
    assert_eq!(String::from_utf8(written).unwrap(), RECORDED);
}

/// A sensor of an old version, or an export, may give an event without its offset.
#[test]
fn recorded_lines_load_without_an_offset() {
    for (line, (_, event)) in RECORDED.lines().zip(expected()) {
        let (_, fields) = line.split_once(',').unwrap();
        assert_eq!(EventDecoder::default().decode(format!("{{{fields}").as_bytes()).unwrap(), event);
        assert_eq!(EventDecoder::default().decode(line.as_bytes()).unwrap(), event);
    }
}

#[test]
fn an_event_needs_its_time() {
    for (line, (_, event)) in RECORDED.lines().zip(expected()) {
        let untimed = line.replacen("\"time\":", "\"when\":", 1);
        assert_eq!(
            EventDecoder::default().decode(untimed.as_bytes()).is_ok(),
            event.time.is_none(),
            "{line}"
        );
    }
}

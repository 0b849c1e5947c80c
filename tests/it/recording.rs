//! The log is the source of truth, and sled caches its state. Whatever is recorded, and with any restarts, crashes and
//! losses of sled, the state is the fold of all events in the log, and every limit holds.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use dot11::{DeviceInfo, MacAddr, RequestedSsid, ShortText, Signature, Ssid};
use proptest::option;
use proptest::prelude::*;
use store::event::{
    AlertDecision, AlertOutcome, ChatId, CodeHash, DeviceKey, Event, EventKind, EvictionScope, LeaveDecision,
    NamedBy, Offset, Pattern, Probe, Role, Timestamp,
};
use store::recorder::Retention;
use store::recorder::{Recorder, RecorderHandle, RecorderSettings};
use store::state::{ALERTS_PER_MINUTE, AlertPolicy, COOLDOWN_LIMIT, OUTBOX_LIMIT, SSIDS_PER_ADDRESS, State};

use crate::support::recorder::{
    CHATS, Input, Running, addresses, assert_same, copy, events, fold, one_segment, open, probe, settings,
};

#[derive(Debug, Clone)]
enum Step {
    Input(Input),
    /// A clean stop and start.
    Restart,
    /// The process is killed and starts again.
    Crash,
    /// Like a crash, and sled's files are lost.
    LoseState,
}

fn ssid() -> impl Strategy<Value = Ssid> {
    prop_oneof![Just("Depot"), Just("Home"), Just("\u{202e}evil\n")]
        .prop_map(Ssid::from)
        .boxed()
        .prop_union(Just(Ssid::new(b"\xff\xfe\x00")).boxed())
}

fn requested() -> impl Strategy<Value = RequestedSsid> {
    prop_oneof![
        Just(RequestedSsid::Absent),
        Just(RequestedSsid::Wildcard),
        ssid().prop_map(RequestedSsid::Named),
    ]
}

/// What the device says about itself, for some signatures.
fn device_info(signature: u8) -> Option<Box<DeviceInfo>> {
    let device_name = ShortText::new(format!("\u{202e}TV {}", signature % 32).as_bytes());
    (signature < 64).then(|| Box::new(DeviceInfo { device_name, ..DeviceInfo::default() }))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    prop::sample::select(vec!["D*", "*e*", "H?me"]).prop_map(Pattern::new)
}

fn device() -> impl Strategy<Value = DeviceKey> {
    prop_oneof![
        prop::sample::select(addresses()).prop_map(DeviceKey::Address),
        "[A-Ca-c]".prop_map(DeviceKey::Name),
    ]
}

fn outcome() -> impl Strategy<Value = AlertOutcome> {
    prop::sample::select(vec![
        AlertOutcome::Raise,
        AlertOutcome::Overflow,
        AlertOutcome::Mute,
        AlertOutcome::Skip,
    ])
}

pub fn input() -> impl Strategy<Value = Input> {
    let address = || prop::sample::select(addresses());
    let time = || (0..600_i64).prop_map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
    let chat = || prop::sample::select(vec![CHATS[0], CHATS[1], ChatId::TERMINAL, ChatId(7)]);
    let by = || {
        prop::sample::select(vec![
            NamedBy::Chat,
            NamedBy::Config,
            NamedBy::Member,
            NamedBy::Import,
            NamedBy::Lease,
        ])
    };
    let offset = || (0..40_u64).prop_map(Offset);
    prop_oneof![
        8 => (address(), requested(), time(), option::weighted(0.2, time()), any::<Option<i8>>(), any::<u8>()).prop_map(
            |(source, ssid, time, not_before, signal_dbm, signature)| Input::Probe(Probe {
                signal_dbm,
                not_before,
                signature: Signature::from_u64(signature.into()),
                device_info: device_info(signature),
                ..probe(source, ssid, time.as_micros())
            })
        ),
        1 => (time(), chat(), ssid(), any::<Option<bool>>()).prop_map(|(time, chat, ssid, reason)| {
            Input::Change(Event::new(time, EventKind::Watch { chat, ssid, reason: reason.map(|r| format!("reason {r}")) }))
        }),
        1 => (time(), chat(), ssid())
            .prop_map(|(time, chat, ssid)| Input::Change(Event::new(time, EventKind::Unwatch { chat, ssid }))),
        1 => (time(), chat(), pattern(), any::<Option<bool>>()).prop_map(|(time, chat, pattern, reason)| {
            let reason = reason.map(|reason| format!("reason {reason}"));
            Input::Change(Event::new(time, EventKind::WatchPattern { chat, pattern, reason }))
        }),
        1 => (time(), chat(), pattern())
            .prop_map(|(time, chat, pattern)| Input::Change(Event::new(time, EventKind::UnwatchPattern { chat, pattern }))),
        2 => (time(), chat(), device(), 0..300_u64).prop_map(|(time, chat, device, silence_seconds)| {
            Input::Change(Event::new(time, EventKind::Follow { chat, device, silence_seconds, members: Vec::new() }))
        }),
        1 => (time(), chat(), device())
            .prop_map(|(time, chat, device)| Input::Change(Event::new(time, EventKind::Unfollow { chat, device }))),
        1 => (time(), chat(), device(), address(), time(), outcome()).prop_map(
            |(time, chat, device, source, last_seen, outcome)| {
                let alerts = vec![LeaveDecision { chat, outcome }];
                Input::Change(Event::new(time, EventKind::Left { chat, device, source, last_seen, alerts }))
            }
        ),
        1 => (time(), chat(), time())
            .prop_map(|(time, chat, until)| Input::Change(Event::new(time, EventKind::Mute { chat, until }))),
        1 => prop_oneof![
            (time(), chat()).prop_map(|(time, chat)| Event::new(time, EventKind::Unmute { chat })),
            (time(), chat(), 0..3_u64).prop_map(|(time, chat, count)| Event::new(time, EventKind::MuteReported { chat, count })),
            (time(), chat(), device()).prop_map(|(time, chat, device)| Event::new(time, EventKind::Ignore { chat, device, members: Vec::new() })),
            (time(), chat(), device()).prop_map(|(time, chat, device)| Event::new(time, EventKind::Unignore { chat, device })),
        ]
        .prop_map(Input::Change),
        1 => (time(), address(), "[A-C]", by())
            .prop_map(|(time, address, name, by)| Input::Change(Event::new(time, EventKind::Name { address, name, by }))),
        1 => (time(), address(), by())
            .prop_map(|(time, address, by)| Input::Change(Event::new(time, EventKind::Unname { address, by }))),
        1 => (time(), offset(), chat())
            .prop_map(|(time, probe, chat)| Input::Change(Event::new(time, EventKind::Delivered { probe, chat, message: None }))),
        1 => (time(), time(), prop_oneof![Just(EvictionScope::Random), Just(EvictionScope::Unnamed)]).prop_map(
            |(time, last_seen_before, addresses)| Input::Change(Event::new(time, EventKind::Evict { addresses, last_seen_before }))
        ),
        1 => (time(), offset(), chat())
            .prop_map(|(time, probe, chat)| Input::Change(Event::new(time, EventKind::AlertExpired { probe, chat }))),
        1 => (time(), chat(), 0..3_u64)
            .prop_map(|(time, chat, count)| Input::Change(Event::new(time, EventKind::OverflowReported { chat, count, flood: None, message: None }))),
        1 => (time(), chat(), chat())
            .prop_map(|(time, from, to)| Input::Change(Event::new(time, EventKind::ChatMigrated { from, to }))),
        1 => (time(), any::<u32>())
            .prop_map(|(time, update)| Input::Change(Event::new(time, EventKind::UpdateHandled { update }))),
        1 => (time(), time(), 0..3_u8, option::of(chat()), any::<bool>()).prop_map(
            |(time, expires, code, by, owner)| Input::Change(Event::new(time, EventKind::Invited { code: CodeHash::of(&code.to_string()), role: if owner { Role::Owner } else { Role::Member }, expires, by }))
        ),
        1 => (time(), chat(), 0..3_u8, "[A-C]").prop_map(|(time, chat, code, name)| {
            Input::Change(Event::new(time, EventKind::Paired { chat, code: CodeHash::of(&code.to_string()), name }))
        }),
        1 => (time(), chat()).prop_map(|(time, chat)| {
            Input::Change(Event::new(time, EventKind::ChatBlocked { chat, reason: "blocked".to_owned() }))
        }),
        1 => (time(), chat()).prop_map(|(time, chat)| Input::Change(Event::new(time, EventKind::ChatUnblocked { chat }))),
        1 => (time(), chat(), chat())
            .prop_map(|(time, chat, by)| Input::Change(Event::new(time, EventKind::ChatRemoved { chat, by }))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => input().prop_map(Step::Input),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => Just(Step::LoseState),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_state_is_the_fold_of_the_log(steps in prop::collection::vec(step(), 1..120)) {
        let folder = tempfile::tempdir().unwrap();
        let mut data_dir = folder.path().join("0");
        let mut running = Running::start(settings(&data_dir));
        let mut probes = 0;
        for (number, step) in steps.iter().enumerate() {
            match step {
                Step::Input(input) => {
                    running.record(input);
                    probes += u64::from(matches!(input, Input::Probe(_)));
                    continue;
                }
                Step::Restart => running.stop(),
                Step::Crash | Step::LoseState => {
                    running.sync();
                    let image = folder.path().join((number + 1).to_string());
                    copy(&data_dir, &image);
                    running.stop();
                    data_dir = image;
                    if matches!(step, Step::LoseState) {
                        fs::remove_dir_all(data_dir.join("state")).unwrap();
                    }
                }
            }
            running = Running::start(settings(&data_dir));
        }
        running.sync();
        prop_assert_eq!(running.handle.state().totals().probes, probes);
        let live = (running.handle.state().alerts().clone(), running.handle.state().names().clone());
        running.stop();
        let folded = fold(&events(&data_dir));
        prop_assert_eq!(&live.0, folded.alerts());
        prop_assert_eq!(&live.1, folded.names());
        let reopened = Running::start(settings(&data_dir));
        assert_same(&reopened.handle.state(), &folded);
        reopened.stop();
    }

    #[test]
    fn probes_in_any_order_give_the_same_statistics(
        times in prop::collection::vec((0..1000_i64, any::<Option<i8>>()), 1..40),
        seed in any::<u64>(),
    ) {
        let source = addresses()[0];
        let all: Vec<Probe> = times
            .iter()
            .enumerate()
            // Of two signals with the same time, the later arrival counts: give each probe its own time.
            .map(|(place, (time, signal_dbm))| Probe {
                signal_dbm: *signal_dbm,
                ..probe(source, RequestedSsid::Wildcard, time * 1000 + place as i64)
            })
            .collect();
        let mut shuffled = all.clone();
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let statistics = |probes: &[Probe]| {
            let events: Vec<_> = probes.iter().cloned().map(Event::from).collect();
            let events: Vec<_> = events.into_iter().zip(0..).map(|(event, at)| (Offset(at), event)).collect();
            fold(&events).device(source).unwrap()
        };
        prop_assert_eq!(statistics(&all), statistics(&shuffled));
        let (one, other) = all.split_at(all.len() / 2);
        if !one.is_empty() && !other.is_empty() {
            let merged = statistics(one).merge(&statistics(other));
            prop_assert_eq!(merged, statistics(&all));
        }
    }
}

#[test]
fn many_devices_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let roomy = RecorderSettings { rotation: one_segment(), ..settings(folder.path()) };
    let running = Running::start(roomy.clone());
    let count = 70_000_u32;
    let address = |number: u32| {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr::new([0x02, 0x11, a, b, c, d])
    };
    for round in 0..2 {
        for number in 0..count {
            running.record(&Input::Probe(probe(address(number), RequestedSsid::Wildcard, round)));
        }
    }
    running.sync();
    let check = |handle: &RecorderHandle| {
        let state = handle.state();
        assert_eq!(state.totals().addresses, u64::from(count));
        for number in (0..count).step_by(97) {
            assert_eq!(state.device(address(number)).unwrap().probe_count, 2, "{number}");
        }
    };
    check(&running.handle);
    running.stop();
    let running = Running::start(roomy);
    check(&running.handle);
    running.stop();
}

#[test]
fn old_random_addresses_are_evicted_and_others_kept() {
    let folder = tempfile::tempdir().unwrap();
    const DAY: i64 = 86_400_000_000;
    let now = Timestamp::now().as_micros();
    let [random, named, young] = [1, 2, 3].map(|last| MacAddr::new([0x02, 0, 0, 0, 0, last]));
    let global = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
    let running = Running::start(settings(folder.path()));
    let name = Event::new(
        Timestamp::from_micros(now),
        EventKind::Name { address: named, name: "Alice".into(), by: NamedBy::Chat },
    );
    running.record(&Input::Change(name));
    for (source, days) in [(random, 12), (named, 12), (global, 12), (young, 1), (random, 20)] {
        running.record(&Input::Probe(probe(source, RequestedSsid::Wildcard, now - days * DAY)));
    }
    running.stop();

    let retention =
        Retention { random_addresses: Some(Duration::from_secs(10 * 86_400)), ..Retention::default() };
    let keeping = RecorderSettings { retention, ..settings(folder.path()) };
    let running = Running::start(keeping.clone());
    running.sync();
    {
        let state = running.handle.state();
        assert_eq!(state.addresses(), [named, young, global]);
        let totals = state.totals();
        assert_eq!((totals.addresses, totals.random_addresses, totals.forgotten_addresses), (3, 2, 1));
        assert_eq!(totals.probes, 5);
    }
    // If it sends again, it counts as a new device.
    running.record(&Input::Probe(probe(random, RequestedSsid::Wildcard, now)));
    running.stop();
    let logged = events(folder.path());
    let running = Running::start(keeping);
    running.sync();
    assert_eq!(running.handle.state().device(random).unwrap().probe_count, 1);
    assert_same(&running.handle.state(), &fold(&logged));
    running.stop();
    assert_eq!(events(folder.path()).len(), logged.len(), "nothing more is to be forgotten");
}

#[test]
fn many_addresses_are_evicted_before_active_ones() {
    let folder = tempfile::tempdir().unwrap();
    let roomy = RecorderSettings {
        rotation: one_segment(),
        devices_memory_limit: 200_000,
        ..settings(folder.path())
    };
    let running = Running::start(roomy.clone());
    let global = MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, 1]);
    running.record(&Input::Probe(probe(global, RequestedSsid::Wildcard, 0)));
    let count = 20_000_u32;
    for number in 0..count {
        let [a, b, c, d] = number.to_be_bytes();
        let source = MacAddr::new([0x02, 0x11, a, b, c, d]);
        running.record(&Input::Probe(probe(source, RequestedSsid::Wildcard, number.into())));
        running.record(&Input::Probe(probe(addresses()[0], RequestedSsid::Wildcard, number.into())));
    }
    running.sync();
    {
        let state = running.handle.state();
        let totals = state.totals();
        assert!((1000..2500).contains(&totals.addresses), "{totals:?}");
        assert_eq!(totals.addresses + totals.forgotten_addresses, u64::from(count) + 2);
        assert_eq!(state.addresses().len() as u64, totals.addresses);
        assert_eq!(state.device(addresses()[0]).unwrap().probe_count, u64::from(count));
        assert_eq!(state.device(global).unwrap().probe_count, 1, "while random ones can leave instead");
    }
    running.stop();
    let running = Running::start(roomy);
    assert_same(&running.handle.state(), &fold(&events(folder.path())));
    running.stop();
}

#[test]
fn a_data_directory_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(folder.path()));
    let error = Recorder::open(settings(folder.path())).err().unwrap().to_string();
    let id = std::process::id().to_string();
    assert!(error.contains(&id) && error.contains(folder.path().to_str().unwrap()), "{error}");
    running.stop();
    open(&settings(folder.path()));
}

#[test]
fn every_limit_holds_and_is_counted() {
    let mut state = State::default();
    let policy = AlertPolicy {
        chats: vec![CHATS[0]],
        cooldown: Duration::from_secs(60),
        max_age: Duration::MAX,
        capturing_since: None,
        quiet_hours: None,
    };
    let watched = Ssid::from("Depot");
    let mut events = vec![Event::new(
        Timestamp::from_micros(0),
        EventKind::Watch { chat: CHATS[0], ssid: watched.clone(), reason: None },
    )];
    let mut offset = Offset::default();
    let mut fold_in = |state: &mut State, event: Event| {
        state.fold(offset, &event);
        offset = offset.next();
    };
    fold_in(&mut state, events.remove(0));
    let flood = COOLDOWN_LIMIT + OUTBOX_LIMIT;
    for number in 0..flood {
        let octets = (number as u64).to_be_bytes();
        let source = MacAddr::new([0x00, 0, octets[4], octets[5], octets[6], octets[7]]);
        // Ten per minute, which is below the limit per minute.
        let micros = number as i64 * 6_000_000;
        let mut probe = probe(source, RequestedSsid::Named(watched.clone()), micros);
        probe.alerts = state.decide_alerts(&probe, &policy);
        fold_in(&mut state, Event::from(probe));
    }
    assert_eq!(state.alerts().waiting(), OUTBOX_LIMIT);
    assert_eq!(state.alerts().overflow(CHATS[0]).unwrap().count(), (flood - OUTBOX_LIMIT) as u64);
    let reported = Event::new(
        Timestamp::from_micros(0),
        EventKind::OverflowReported { chat: CHATS[0], count: 10, flood: None, message: None },
    );
    fold_in(&mut state, reported);
    let overflow = state.alerts().overflow(CHATS[0]).unwrap();
    assert_eq!((overflow.count(), overflow.networks()), ((flood - OUTBOX_LIMIT - 10) as u64, 1));

    let waiting = state.alerts().waiting();
    for (probe, chat) in (0..waiting as u64).map(|number| (Offset(number + 1), CHATS[0])) {
        fold_in(
            &mut state,
            Event::new(Timestamp::from_micros(0), EventKind::Delivered { probe, chat, message: None }),
        );
    }
    assert_eq!(state.alerts().waiting(), 0);
    for number in 0..100 {
        let source = MacAddr::new([0x04, 0, 0, 0, 0, number]);
        let micros = flood as i64 * 6_000_000 + 120_000_000;
        let mut probe = probe(source, RequestedSsid::Named(watched.clone()), micros);
        probe.alerts = state.decide_alerts(&probe, &policy);
        fold_in(&mut state, Event::from(probe));
    }
    assert_eq!(state.alerts().waiting(), ALERTS_PER_MINUTE, "more in a minute are only counted");
    // Neither a clock that was a day ahead nor a continuing flood starves later alerts.
    let later = flood as i64 * 6_000_000 + 120_000_000;
    let mut raised = 0;
    for number in 0..300_i64 {
        let source = MacAddr::new([0x08, 0, 0, 0, (number >> 8) as u8, number as u8]);
        let ahead = if number == 0 { 86_400_000_000 } else { 0 };
        let mut probe =
            probe(source, RequestedSsid::Named(watched.clone()), later + number * 1_000_000 + ahead);
        probe.alerts = state.decide_alerts(&probe, &policy);
        raised += usize::from(matches!(probe.alerts[..], [AlertDecision::Raise { .. }]));
        fold_in(&mut state, Event::from(probe));
    }
    assert!((80..=120).contains(&raised), "five minutes at twenty a minute: {raised}");

    let source = addresses()[0];
    let count = SSIDS_PER_ADDRESS + 100;
    for number in 0..count {
        let ssid = RequestedSsid::Named(Ssid::from(format!("net {number}").as_str()));
        fold_in(&mut state, Event::from(probe(source, ssid, 0)));
    }
    let device = state.device(source).unwrap();
    assert_eq!(device.ssids().len(), SSIDS_PER_ADDRESS);
    assert_eq!((device.probe_count, device.probes_for_further_ssids), (count as u64, 100));
}

#[test]
fn configured_names_follow_the_configuration_and_yield_to_chat_names() {
    let folder = tempfile::tempdir().unwrap();
    let [alice, bob] = [addresses()[0], addresses()[1]];
    let time = Timestamp::from_micros(0);
    let open = |devices: &[(MacAddr, &str)]| {
        let (mut recorder, handle) = open(&settings(folder.path()));
        let devices: BTreeMap<MacAddr, String> =
            devices.iter().map(|(address, name)| (*address, (*name).to_owned())).collect();
        recorder.set_configured_names(&devices, time).unwrap();
        let names: Vec<(MacAddr, String)> =
            handle.state().names().iter().map(|(address, name)| (address, name.to_owned())).collect();
        names
    };
    assert_eq!(open(&[(alice, "Alice"), (bob, "Bob")]), [(alice, "Alice".into()), (bob, "Bob".into())]);
    let logged = events(folder.path()).len();
    assert_eq!(open(&[(alice, "Alice"), (bob, "Bob")]).len(), 2);
    assert_eq!(events(folder.path()).len(), logged, "what did not change is not logged again");
    assert_eq!(open(&[(bob, "Bobby")]), [(bob, "Bobby".into())]);

    let running = Running::start(settings(folder.path()));
    running.record(&Input::Change(Event::new(
        time,
        EventKind::Name { address: bob, name: "Rob".into(), by: NamedBy::Chat },
    )));
    running.stop();
    assert_eq!(open(&[(bob, "Bobby")]), [(bob, "Rob".into())]);
}

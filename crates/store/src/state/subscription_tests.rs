//! Follows and ignores hold for what the device was when they were set, whatever is named later.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, GroupId, NamedBy, Probe, Timestamp,
};
use dot11::{MacAddr, RequestedSsid, Ssid};

const CHAT: ChatId = ChatId(7);
const OTHER: ChatId = ChatId(8);

fn address(number: u8) -> MacAddr {
    MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, number])
}

fn member(number: u8) -> DeviceKey {
    DeviceKey::Address(address(number))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn say(state: &mut State, kind: EventKind) {
    let event = Event::new(at(0), kind);
    state.fold(state.next_offset(), &event);
}

fn name(state: &mut State, number: u8, name: &str) {
    say(state, EventKind::Name { address: address(number), name: name.to_owned(), by: NamedBy::Chat });
}

fn policy() -> AlertPolicy {
    AlertPolicy {
        chats: vec![CHAT],
        cooldown: Duration::ZERO,
        max_age: Duration::MAX,
        capturing_since: Some(at(0)),
        quiet_hours: None,
    }
}

fn ask(state: &mut State, number: u8, seconds: i64) -> Vec<AlertDecision> {
    let ssid = RequestedSsid::Named(Ssid::from("Depot"));
    let mut probe = Probe::example(address(number), ssid, seconds * 1_000_000);
    probe.alerts = state.decide_alerts(&probe, &policy());
    let decided = probe.alerts.clone();
    state.fold(state.next_offset(), &Event::from(probe));
    decided
}

/// A chat that watches a network and ignores a lamp.
fn with_ignored_lamp(members: Vec<DeviceKey>) -> State {
    let mut state = State::default();
    name(&mut state, 1, "Lamp");
    say(&mut state, EventKind::Watch { chat: CHAT, ssid: Ssid::from("Depot"), reason: None });
    let device = DeviceKey::Name("Lamp".to_owned());
    say(&mut state, EventKind::Ignore { chat: CHAT, device, members });
    state
}

#[test]
fn a_device_that_gets_the_name_of_an_ignored_one_still_alerts() {
    // An old event does not say what the device was: it is what had the name then.
    for members in [vec![member(1)], Vec::new()] {
        let mut state = with_ignored_lamp(members);
        name(&mut state, 2, "LAMP");
        assert!(matches!(ask(&mut state, 2, 10)[..], [AlertDecision::Raise { chat: CHAT, .. }]));
        assert_eq!(ask(&mut state, 1, 11), []);
        // Nor does another name make the ignored one alert.
        name(&mut state, 1, "Stranger");
        assert_eq!(ask(&mut state, 1, 12), []);
        // It is ignored no longer under the name that it has now.
        let device = DeviceKey::Name("stranger".to_owned());
        say(&mut state, EventKind::Unignore { chat: CHAT, device });
        assert!(matches!(ask(&mut state, 1, 13)[..], [AlertDecision::Raise { .. }]));
    }
}

#[test]
fn a_namesake_neither_holds_up_nor_makes_the_arrival_of_a_followed_device() {
    let mut state = State::default();
    name(&mut state, 1, "Anna");
    let device = DeviceKey::Name("anna".to_owned());
    let members = vec![member(1)];
    say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds: 60, members });
    name(&mut state, 2, "Anna");
    assert_eq!(ask(&mut state, 2, 10), []);
    let arrive =
        |silent_seconds| [AlertDecision::Arrive { chat: CHAT, silent_seconds, outcome: AlertOutcome::Raise }];
    assert_eq!(ask(&mut state, 1, 20), arrive(None));
    // The namesake stays; the device does not.
    for second in (30..=90).step_by(10) {
        assert_eq!(ask(&mut state, 2, second), []);
    }
    let left = state.departures(at(95), &policy());
    let [Event { kind: EventKind::Left { source, last_seen, alerts, .. }, .. }] = &left[..] else {
        panic!("{left:?}");
    };
    assert_eq!((*source, *last_seen, alerts.len()), (address(1), at(20), 1));
    left.iter().for_each(|event| state.fold(state.next_offset(), event));
    let waiting = state.alerts.waiting_for(CHAT).last().map(|(_, alert)| alert.presence.clone());
    assert_eq!(waiting, Some(Some(Presence::Left { last_seen: at(20) })));
    assert_eq!(state.departures(at(200), &policy()), [], "it has left once");
    assert_eq!(ask(&mut state, 1, 300), arrive(Some(280)));
}

#[test]
fn what_shares_a_member_becomes_one_subscription() {
    let mut state = State::default();
    for number in 1..=3 {
        let (device, silence_seconds) = (member(number), u64::from(number));
        say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds, members: Vec::new() });
    }
    say(
        &mut state,
        EventKind::Follow { chat: OTHER, device: member(1), silence_seconds: 9, members: Vec::new() },
    );
    let members = vec![member(1), member(2), DeviceKey::Phone(GroupId(5))];
    let device = DeviceKey::Name("van".to_owned());
    say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds: 900, members: members.clone() });
    assert_eq!((state.follows().count(CHAT), state.follows().count(OTHER)), (2, 1));
    for member in &members {
        assert_eq!(state.follows().get(member, CHAT).map(|follow| follow.silence_seconds), Some(900));
    }
    assert_eq!(state.follows().of(&members).len(), 2);
    say(&mut state, EventKind::Unfollow { chat: CHAT, device: DeviceKey::Phone(GroupId(5)) });
    assert!(members.iter().all(|member| state.follows().get(member, CHAT).is_none()));
    assert!(state.follows().get(&member(1), OTHER).is_some());
    assert!(state.follows().get(&member(3), CHAT).is_some());
}

#[test]
fn a_subscription_of_an_old_snapshot_gets_its_members() {
    let mut state = with_ignored_lamp(Vec::new());
    let device = DeviceKey::Name("lamp".to_owned());
    say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds: 900, members: Vec::new() });
    let mut snapshot = Vec::new();
    state.image().write_to(at(1), &mut snapshot).unwrap();
    let snapshot = String::from_utf8(snapshot).unwrap();
    assert_eq!(State::from_snapshot(snapshot.as_bytes()).unwrap(), state);
    // As version 0.1 wrote it: by the name, without members.
    let member = r#""address":"a4:83:e7:00:00:01","chat":7,"members":[{"address":"a4:83:e7:00:00:01"}],"#;
    assert_eq!(snapshot.matches(member).count(), 2, "{snapshot}");
    let old =
        snapshot.replace(member, r#""name":"lamp","chat":7,"#).replace(r#""format":4"#, r#""format":3"#);
    assert_eq!(State::from_snapshot(old.as_bytes()).unwrap(), state);
}

#[derive(Debug, Clone)]
enum Change {
    Set(ChatId, Vec<DeviceKey>),
    Remove(ChatId, DeviceKey),
    RenamePhone(GroupId, GroupId),
    Migrate(ChatId, ChatId),
    RemoveChat(ChatId),
}

fn changes() -> impl Strategy<Value = Change> {
    let chat = || (1..4_i64).prop_map(ChatId);
    let phone = || (0..4_u16).prop_map(GroupId);
    let any_member = || prop_oneof![(0..6_u8).prop_map(member), phone().prop_map(DeviceKey::Phone)];
    prop_oneof![
        4 => (chat(), prop::collection::vec(any_member(), 1..4)).prop_map(|(chat, members)| Change::Set(chat, members)),
        1 => (chat(), any_member()).prop_map(|(chat, member)| Change::Remove(chat, member)),
        1 => (phone(), phone()).prop_map(|(from, to)| Change::RenamePhone(from, to)),
        1 => (chat(), chat()).prop_map(|(from, to)| Change::Migrate(from, to)),
        1 => chat().prop_map(Change::RemoveChat),
    ]
}

proptest! {
    /// Whatever happens, each member has at most one subscription of a chat, and is found in it.
    #[test]
    fn members_find_their_subscription(changes in prop::collection::vec(changes(), 0..40)) {
        let mut table: Subscriptions<u32> = Subscriptions::default();
        for (number, change) in (0..).zip(changes) {
            match change {
                Change::Set(chat, members) => table.set(chat, members, |known| known.unwrap_or(number)),
                Change::Remove(chat, member) => table.remove([&member], chat),
                Change::RenamePhone(from, to) => table.rename_phone(from, to),
                Change::Migrate(from, to) => table.migrate(from, to),
                Change::RemoveChat(chat) => table.remove_chat(chat),
            }
            let mut loaded = table.clone();
            loaded.finish_loading(|_| Vec::new());
            prop_assert_eq!(&loaded, &table);
            let mut seen = std::collections::BTreeSet::new();
            for (chat, one) in table.iter() {
                prop_assert!(!one.members.is_empty());
                for member in &one.members {
                    prop_assert!(seen.insert((chat, member.clone())));
                    prop_assert_eq!(table.get(member, chat), Some(&one.value));
                }
            }
        }
    }
}

/// It was found to have left at 95 s. A frame that was captured before arrives late.
#[test]
fn a_late_frame_of_a_device_that_was_said_to_have_left_makes_it_arrive() {
    for (second, expected) in [(79, true), (21, true), (20, false)] {
        let mut state = State::default();
        let (device, members) = (member(1), vec![member(1)]);
        say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds: 60, members });
        ask(&mut state, 1, 20);
        let left = state.departures(at(95), &policy());
        assert_eq!(left.len(), 1);
        left.iter().for_each(|event| state.fold(state.next_offset(), event));
        let arrived = ask(&mut state, 1, second);
        assert_eq!(matches!(arrived[..], [AlertDecision::Arrive { .. }]), expected, "{second}");
    }
}

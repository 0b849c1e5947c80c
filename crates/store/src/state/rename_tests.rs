//! What chats know of a phone follows it when it gets another identifier or is recognised.

use super::State;
use super::grouping::tests::{fold, frame, record};
use crate::event::{
    AlertDecision, ChatId, DeviceKey, Event, EventKind, GroupId, GroupingMode, Probe, Timestamp,
};
use dot11::RequestedSsid;

const CHAT: ChatId = ChatId(1);
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const MODEL: u64 = 7;

/// Records a probe. Returns whether a doorbell rang.
fn rings_for(state: &mut State, probe: Probe) -> bool {
    record(state, CHAT, probe).iter().any(|alert| matches!(alert, AlertDecision::Ring { .. }))
}

fn say(state: &mut State, kind: EventKind) {
    let time = state.newest_time().unwrap_or(Timestamp::from_micros(0));
    fold(state, &Event::new(time, kind));
}

fn home(probe: Probe) -> Probe {
    Probe { ssid: RequestedSsid::from_element("Zoë's home".as_bytes()), ..probe }
}

/// Three weeks with a neighbour, in which a phone of the model came once; the doorbell of the chat is on.
fn three_weeks() -> (State, GroupId) {
    let mut state = State::default();
    say(&mut state, EventKind::SetGrouping { mode: GroupingMode::Returns });
    let first = home(frame(5 * HOUR, 1, 0, MODEL));
    rings_for(&mut state, first.clone());
    for quarter in 1..=21 * 4 {
        rings_for(&mut state, frame(5 * HOUR + quarter * DAY / 4, 5000 + quarter as u32, 0, 99));
    }
    let doorbell =
        EventKind::Doorbell { chat: CHAT, min_dbm: -65, stay_seconds: 180, only_in_quiet_hours: false };
    say(&mut state, doorbell);
    let phone = state.grouping().group_of(first.source).unwrap();
    (state, phone)
}

/// Frames of a phone that stays near, at midnight after the three weeks: it rings once.
fn stranger_stays(state: &mut State) -> DeviceKey {
    let frames = (0..10).map(|minute| frame(22 * DAY + minute * 60, 2, minute as u16 * 4, MODEL));
    let rings = frames.map(|probe| rings_for(state, probe)).filter(|rings| *rings).count();
    assert_eq!(rings, 1);
    state.device_key(frame(0, 2, 0, MODEL).source)
}

#[test]
fn a_doorbell_rings_once_for_a_stranger_that_is_recognised_during_its_visit() {
    let (mut state, before) = three_weeks();
    let stranger = stranger_stays(&mut state);
    assert_ne!(stranger, DeviceKey::Phone(before));
    // It looks for the network of the phone that was here three weeks ago.
    for minute in 10..30 {
        assert!(!rings_for(&mut state, home(frame(22 * DAY + minute * 60, 2, minute as u16 * 4, MODEL))));
    }
    assert_eq!(state.device_key(frame(0, 2, 0, MODEL).source), DeviceKey::Phone(before));
    let visitors: Vec<&DeviceKey> = state.doorbells.visitors.iter().map(|((_, device), _)| device).collect();
    assert!(visitors.contains(&&DeviceKey::Phone(before)) && !visitors.contains(&&stranger), "{visitors:?}");
    // When it has left, the chat learns of the visit as a whole.
    let visitor = state.doorbells.visitors.get(&(CHAT, DeviceKey::Phone(before))).unwrap();
    assert_eq!(visitor.first, Timestamp::from_micros(22 * DAY * 1_000_000));
    assert!(visitor.alert.is_some());
}

#[test]
fn what_chats_said_of_a_phone_goes_with_its_identifier() {
    let (mut state, _) = three_weeks();
    let DeviceKey::Phone(phone) = stranger_stays(&mut state) else { panic!() };
    let device = DeviceKey::Phone(phone);
    say(&mut state, EventKind::Ignore { chat: CHAT, device: device.clone(), members: Vec::new() });
    say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds: 600, members: Vec::new() });
    // Another version gave it another identifier.
    let group = state.grouping().group(phone).unwrap();
    let keep = EventKind::KeepPhone {
        phone: GroupId(phone.0.wrapping_add(77)),
        name: None,
        model: group.model,
        addresses: group.addresses().map(|(address, _)| address).collect(),
        networks: Vec::new(),
        by_member: false,
    };
    say(&mut state, keep);
    let now = DeviceKey::Phone(GroupId(phone.0.wrapping_add(77)));
    assert_eq!(state.device_key(frame(0, 2, 0, MODEL).source), now);
    assert!(state.mutes().ignored().get(&now, CHAT).is_some());
    assert!(state.follows().get(&now, CHAT).is_some());
    say(&mut state, EventKind::Unignore { chat: CHAT, device: now.clone() });
    let rings = (10..20).map(|minute| frame(22 * DAY + minute * 60, 2, minute as u16 * 4, MODEL));
    assert!(rings.map(|probe| rings_for(&mut state, probe)).all(|rings| !rings));
    assert!(state.doorbells.visitors.get(&(CHAT, now)).is_some_and(|visitor| visitor.alert.is_some()));
}

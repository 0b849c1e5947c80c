//! What chats know of a phone follows it when it gets another identifier or is recognised; and how visits end.

use std::time::Duration;

use super::grouping::tests::{fold, frame, record};
use super::{AlertPolicy, State};
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, GroupId, GroupingMode, Probe, Timestamp,
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

fn policy(capturing_since: i64) -> AlertPolicy {
    AlertPolicy {
        chats: vec![CHAT],
        cooldown: Duration::from_secs(60),
        max_age: Duration::MAX,
        capturing_since: Some(Timestamp::from_micros(capturing_since * 1_000_000)),
        quiet_hours: None,
    }
}

#[test]
fn a_visit_ends_after_a_silence_and_is_reported_once() {
    let (mut state, _) = three_weeks();
    let device = stranger_stays(&mut state);
    let alert = state.alerts().waiting_for(CHAT).next().map(|(offset, _)| offset).unwrap();
    let last = 22 * DAY + 9 * 60;
    let left = |state: &State, second: i64, since: i64| {
        state.departures(Timestamp::from_micros(second * 1_000_000), &policy(since))
    };
    assert_eq!(left(&state, last + 15 * 60 - 1, 0), []);
    assert_eq!(left(&state, last + 15 * 60, last + 1), [], "nothing was captured when it was silent");
    let events = left(&state, last + 15 * 60, 0);
    let [Event { kind: EventKind::StrangerLeft { device: gone, first, outcome, .. }, .. }] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((gone, *outcome), (&device, AlertOutcome::Raise));
    assert_eq!(*first, Timestamp::from_micros(22 * DAY * 1_000_000));
    fold(&mut state, &events[0]);
    assert_eq!(left(&state, last + DAY, 0), []);
    // What waits is the alert about the visit, and that it has ended.
    let waiting: Vec<_> = state.alerts().waiting_for(CHAT).map(|(at, alert)| alert.visit(at)).collect();
    assert_eq!(waiting, [Some(alert), Some(alert)]);
}

#[test]
fn a_mute_counts_what_it_keeps_back() {
    let (mut state, _) = three_weeks();
    let device = DeviceKey::Address(frame(0, 7, 0, MODEL).source);
    say(&mut state, EventKind::Follow { chat: CHAT, device, silence_seconds: 60, members: Vec::new() });
    let suppressed = |state: &State| state.mutes().get(CHAT).map(|mute| mute.suppressed);
    // It arrives, leaves and arrives again, of which the mute keeps back the last two.
    record(&mut state, CHAT, frame(22 * DAY, 7, 0, MODEL));
    assert_eq!((suppressed(&state), state.alerts().waiting()), (None, 1));
    say(&mut state, EventKind::Mute { chat: CHAT, until: Timestamp::MAX });
    let left = state.departures(Timestamp::from_micros((22 * DAY + 600) * 1_000_000), &policy(0));
    assert_eq!(left.len(), 1);
    fold(&mut state, &left[0]);
    assert_eq!(suppressed(&state), Some(1));
    record(&mut state, CHAT, frame(22 * DAY + 900, 7, 4, MODEL));
    assert_eq!((suppressed(&state), state.alerts().waiting()), (Some(2), 1));
}

#[test]
fn a_stranger_that_goes_away_and_comes_back_is_near_since_then() {
    let (mut state, _) = three_weeks();
    let at = |minute: i64, dbm: i8| {
        let probe = frame(22 * DAY + minute * 60, 2, minute as u16 * 4, MODEL);
        Probe { signal_dbm: Some(dbm), ..probe }
    };
    // Near for two minutes, far for eight, and near again: the doorbell rings after three minutes.
    let far = (2..10).map(|minute| at(minute, -95));
    let rings = [at(0, -60), at(1, -60)].into_iter().chain(far).map(|probe| rings_for(&mut state, probe));
    assert_eq!(rings.filter(|rings| *rings).count(), 0);
    let minutes: Vec<i64> = (10..20).filter(|minute| rings_for(&mut state, at(*minute, -40))).collect();
    assert!(matches!(minutes[..], [13..=16]), "{minutes:?}");
}

//! After an address was split off, each of the two phones has only its own times.

use proptest::collection::vec;
use proptest::prelude::*;

use super::doorbells::{DoorbellVisitor, Ring};
use super::grouping::tests::{counting_phone, fold, frame, from_snapshot, record, reloaded, together};
use super::{Presence, State};
use crate::event::{AlertDecision, ChatId, DeviceKey, Event, EventKind, GroupId, Probe, Timestamp};
use dot11::MacAddr;

const CHAT: ChatId = ChatId(1);
const MODEL: u64 = 7;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn address(number: u32) -> MacAddr {
    frame(0, number, 0, MODEL).source
}

/// Frames of an address each minute. Returns since when the stranger was near for which a doorbell rang, and when it rang.
fn stay(state: &mut State, address: u32, seconds: std::ops::RangeInclusive<i64>) -> Vec<(i64, i64)> {
    seconds.step_by(60).flat_map(|second| sight(state, address, second, -60)).collect()
}

/// A frame of an address with this signal. Returns the same as [`stay`].
fn sight(state: &mut State, address: u32, second: i64, dbm: i8) -> Vec<(i64, i64)> {
    let probe = frame(second, address, (second / 60) as u16 * 7, MODEL);
    let alerts = record(state, CHAT, Probe { signal_dbm: Some(dbm), ..probe });
    let rings = alerts.iter().filter_map(|alert| match alert {
        AlertDecision::Ring { near_since, .. } => Some((near_since.as_micros() / 1_000_000, second)),
        _ => None,
    });
    rings.collect()
}

fn with_doorbell(stay_seconds: u64) -> State {
    let mut state = State::default();
    say(
        &mut state,
        0,
        EventKind::Doorbell { chat: CHAT, min_dbm: -65, stay_seconds, only_in_quiet_hours: false },
    );
    state
}

fn say(state: &mut State, second: i64, kind: EventKind) {
    fold(state, &Event::new(at(second), kind));
}

fn phone_of(state: &State, number: u32) -> GroupId {
    state.grouping().group_of(address(number)).unwrap()
}

/// Splits the address off its phone. Saving the state before or after makes no difference.
fn split(state: &mut State, number: u32, second: i64) {
    let kind =
        EventKind::SplitPhone { phone: phone_of(state, number), address: address(number), evidence: None };
    let mut loaded = reloaded(state);
    say(&mut loaded, second, kind.clone());
    say(state, second, kind);
    for other in [loaded, reloaded(state), from_snapshot(state)] {
        assert_eq!(state.differences(&other, 3), Default::default());
    }
}

/// The first frame, since when it is near, and the last frame of the visitor with this address, in seconds.
fn visitor(state: &State, number: u32) -> Option<(i64, Option<i64>, i64)> {
    let visitor = state.doorbells.visitors.get(&(CHAT, state.device_key(address(number))))?;
    let seconds = |time: Timestamp| time.as_micros() / 1_000_000;
    Some((seconds(visitor.first), visitor.near_since.map(seconds), seconds(visitor.last)))
}

/// The phone, and since when it is near, that each alert that waits is about.
fn waiting(state: &State) -> Vec<(Option<GroupId>, i64)> {
    let waiting = state.alerts().waiting_for(CHAT);
    let about = waiting.filter_map(|(_, alert)| match alert.presence {
        Some(Presence::Stranger { phone, near_since, .. }) => {
            Some((phone, near_since.as_micros() / 1_000_000))
        }
        _ => None,
    });
    about.collect()
}

#[test]
fn a_doorbell_counts_only_the_time_of_the_part_that_stays() {
    let mut state = with_doorbell(900);
    assert_eq!(stay(&mut state, 1, 0..=600), []);
    assert_eq!(stay(&mut state, 2, 480..=840), []);
    assert_eq!(phone_of(&state, 1), phone_of(&state, 2));
    split(&mut state, 1, 850);
    assert_eq!(visitor(&state, 1), Some((0, Some(0), 600)));
    assert_eq!(visitor(&state, 2), Some((480, Some(480), 840)));
    assert_eq!(stay(&mut state, 2, 900..=1800), [(480, 1380)]);
}

#[test]
fn an_alert_says_since_when_the_part_that_stays_is_near() {
    let mut state = with_doorbell(600);
    stay(&mut state, 1, 0..=480);
    assert_eq!(stay(&mut state, 2, 420..=660), [(0, 600)]);
    let (offset, _) = state.alerts().waiting_for(CHAT).next().unwrap();
    let phone = phone_of(&state, 2);
    split(&mut state, 1, 700);
    // The address that left raised no alert, the other did.
    assert_eq!(phone_of(&state, 2), phone);
    assert_eq!(waiting(&state), [(Some(phone), 420)]);
    let message = Some(crate::event::MessageId(7));
    say(&mut state, 700, EventKind::Delivered { probe: offset, chat: CHAT, message });
    let shown: Vec<_> =
        state.doorbells().shown_visits().map(|(_, device, visit)| (device.clone(), visit)).collect();
    let [(device, visit)] = shown.as_slice() else { panic!("{shown:?}") };
    assert_eq!((device, visit.offset), (&DeviceKey::Phone(phone), offset));
    assert!(
        matches!(visit.alert.presence, Some(Presence::StrangerStays { near_since, .. }) if near_since == at(420)),
        "{visit:?}"
    );
    assert_eq!(stay(&mut state, 2, 720..=3000), [], "it rang already");
}

#[test]
fn an_alert_goes_with_the_address_that_raised_it() {
    let mut state = with_doorbell(180);
    assert_eq!(stay(&mut state, 1, 0..=600), [(0, 180)]);
    assert_eq!(stay(&mut state, 2, 660..=900), []);
    let phone = phone_of(&state, 1);
    split(&mut state, 1, 910);
    let own = phone_of(&state, 1);
    assert_ne!(own, phone);
    assert_eq!(waiting(&state), [(Some(own), 0)]);
    // The phone that stays is another stranger.
    assert_eq!(stay(&mut state, 2, 960..=1200), [(660, 960)]);
    assert_eq!(stay(&mut state, 1, 960..=1200), []);
}

/// The address 1 is near each minute until 600, when the doorbell rings; the address 2 is far, at these seconds.
fn one_near_and_one_far(stay_seconds: u64, far: &[i64]) -> (State, Vec<(i64, i64)>) {
    let mut state = with_doorbell(stay_seconds);
    let near = (0..=600).step_by(60).map(|second| (second, 1, -60));
    let mut frames: Vec<_> = near.chain(far.iter().map(|second| (*second, 2, -76))).collect();
    frames.sort_unstable();
    let rings = frames.into_iter().flat_map(|(second, address, dbm)| sight(&mut state, address, second, dbm));
    let rings = rings.collect();
    assert_eq!(phone_of(&state, 1), phone_of(&state, 2));
    (state, rings)
}

#[test]
fn an_alert_goes_with_the_part_that_was_near() {
    // It may be a frame of the one that is far with which the doorbell rings.
    for (stay_seconds, far, ring) in [(600, vec![30, 330], 600), (620, vec![30, 330, 625], 625)] {
        for split_off in [1, 2] {
            let (mut state, rings) = one_near_and_one_far(stay_seconds, &far);
            assert_eq!(rings, [(0, ring)]);
            split(&mut state, split_off, 640);
            assert_eq!(waiting(&state), [(Some(phone_of(&state, 1)), 0)]);
            let (_, alert) = state.alerts().waiting_for(CHAT).next().unwrap();
            assert_eq!(alert.source, address(1));
            assert_eq!(visitor(&state, 2), None, "it was never near");
            assert_eq!(stay(&mut state, 1, 660..=3000), [], "it rang already");
            // The other one may come near later.
            let far: Vec<_> =
                [700, 760].into_iter().flat_map(|second| sight(&mut state, 2, second, -80)).collect();
            assert_eq!(far, []);
            let near = stay(&mut state, 2, 840..=1800);
            assert_eq!(near.first().map(|(since, _)| *since >= 840), Some(true), "{near:?}");
            assert_eq!(near.len(), 1);
        }
    }
}

/// Counters tell two phones apart after the doorbell has rung for one of them.
#[test]
fn an_alert_goes_with_the_counter_that_was_near() {
    for swap in [false, true] {
        let mut state = State::default();
        let (chat, min_dbm, stay_seconds) = (CHAT, -70, 120);
        say(&mut state, 0, EventKind::Doorbell { chat, min_dbm, stay_seconds, only_in_quiet_hours: false });
        let phones = [counting_phone(1, 60, 0, 40, MODEL), counting_phone(1001, 60, 2048, 47, MODEL)];
        let near = phones[usize::from(swap)].clone();
        let mut rings = 0;
        for probe in together(&phones) {
            let dbm = if near.iter().any(|other| other.source == probe.source) { -60 } else { -76 };
            let alerts = record(&mut state, CHAT, Probe { signal_dbm: Some(dbm), ..probe });
            rings += alerts.iter().filter(|alert| matches!(alert, AlertDecision::Ring { .. })).count();
        }
        let group = |probe: &Probe| state.grouping().group_of(probe.source).unwrap();
        let phone = group(near.last().unwrap());
        let far = phones[usize::from(!swap)].last().unwrap();
        assert_ne!(group(far), phone);
        assert_eq!(rings, 1);
        assert_eq!(waiting(&state).iter().map(|(phone, _)| *phone).collect::<Vec<_>>(), [Some(phone)]);
        let of_far = state.doorbells.visitors.get(&(CHAT, DeviceKey::Phone(group(far))));
        let is_silent =
            |visitor: &DoorbellVisitor| (visitor.ring, visitor.near_since) == (Ring::Silent, None);
        assert!(of_far.is_none_or(is_silent), "{of_far:?}");
    }
}

#[test]
fn an_alert_keeps_since_when_its_part_was_near() {
    // The address 1 was here before, and goes away after the doorbell rang.
    let mut state = with_doorbell(300);
    sight(&mut state, 1, 0, -90);
    assert_eq!(stay(&mut state, 1, 600..=900), [(600, 900)]);
    sight(&mut state, 2, 910, -80);
    sight(&mut state, 1, 1000, -90);
    sight(&mut state, 1, 1060, -90);
    split(&mut state, 2, 1100);
    assert_eq!(waiting(&state), [(Some(phone_of(&state, 1)), 600)]);
    assert_eq!(visitor(&state, 2), None);
    assert_eq!(visitor(&state, 1).map(|(_, near_since, last)| (near_since, last)), Some((None, 1060)));
}

proptest! {
    #[test]
    fn a_doorbell_rings_once_for_the_part_that_was_near(
        frames in vec((1..3_u32, 0..4_usize, 5..200_i64), 10..60),
        split_off in 1..3_u32,
    ) {
        let mut state = with_doorbell(180);
        let (mut second, mut near, mut rang) = (0, Vec::new(), None);
        for (address, signal, gap) in frames {
            second += gap;
            let dbm = [-50, -60, -70, -90][signal];
            if dbm >= -65 {
                near.push((second, address));
            }
            if let Some((since, _)) = sight(&mut state, address, second, dbm).first() {
                prop_assert!(rang.is_none());
                rang = Some((*since, near.last().unwrap().1));
            }
        }
        let both = [1, 2].map(|number| state.grouping().group_of(address(number)));
        let (Some((since, by)), [Some(one), Some(other)]) = (rang, both) else { return Ok(()) };
        if one != other {
            return Ok(());
        }
        split(&mut state, split_off, second);
        let alerts = waiting(&state);
        prop_assert_eq!(alerts.len(), 1);
        prop_assert_eq!(alerts[0].0, Some(phone_of(&state, by)));
        prop_assert!(alerts[0].1 == since || alerts[0].1 > since && near.contains(&(alerts[0].1, by)));
        let other = 3 - by;
        if near.iter().all(|(_, address)| *address != other) {
            prop_assert_eq!(visitor(&state, other), None);
        }
        prop_assert_eq!(stay(&mut state, by, second + 60..=second + 1200), []);
    }
}

#[test]
fn a_part_that_may_have_been_silent_is_not_claimed_to_have_stayed() {
    // The address 1 was near at the beginning and at the end, and the other one in between.
    let mut state = with_doorbell(1800);
    stay(&mut state, 1, 0..=60);
    stay(&mut state, 2, 120..=1140);
    stay(&mut state, 1, 1200..=1200);
    split(&mut state, 2, 1210);
    assert_eq!(visitor(&state, 1), Some((0, Some(1200), 1200)));
    assert_eq!(visitor(&state, 2), Some((120, Some(1140), 1140)));
    assert_eq!(stay(&mut state, 1, 1260..=3060), [(1200, 3000)]);
    // What was here before the visit alone is no visitor.
    let mut state = with_doorbell(1800);
    stay(&mut state, 1, 0..=60);
    stay(&mut state, 2, 7000..=7060);
    stay(&mut state, 2, 14000..=14060);
    assert_eq!(phone_of(&state, 1), phone_of(&state, 2));
    let visits = state.doorbells.visitors.len();
    split(&mut state, 1, 14_100);
    assert_eq!((visits, state.doorbells.visitors.len()), (1, 2));
}

#[test]
fn a_followed_phone_is_as_here_as_the_addresses_that_it_keeps() {
    for name in [None, Some("Zoë's phone")] {
        let mut state = State::default();
        stay(&mut state, 1, 0..=600);
        stay(&mut state, 2, 3600..=4200);
        let phone = phone_of(&state, 1);
        assert_eq!(phone_of(&state, 2), phone);
        let keep = EventKind::KeepPhone {
            phone,
            name: name.map(str::to_owned),
            model: state.grouping().group(phone).unwrap().model,
            addresses: vec![address(1), address(2)],
            networks: Vec::new(),
            by_member: false,
        };
        say(&mut state, 4210, keep);
        let device = state.device_key(address(1));
        say(
            &mut state,
            4210,
            EventKind::Follow {
                chat: CHAT,
                device: device.clone(),
                silence_seconds: 900,
                members: Vec::new(),
            },
        );
        let is_here = |state: &State| state.follows().get(&DeviceKey::Phone(phone), CHAT).unwrap().is_here;
        assert!(is_here(&state));
        // One that stays here does not come or go because of the other.
        let mut other = state.clone();
        split(&mut other, 1, 4220);
        assert!(is_here(&other));
        assert_eq!(record(&mut other, CHAT, frame(4260, 2, 900, MODEL)), []);
        split(&mut state, 2, 4220);
        assert!(!is_here(&state));
        let arrival = record(&mut state, CHAT, frame(4800, 1, 900, MODEL));
        assert!(
            matches!(arrival.as_slice(), [AlertDecision::Arrive { silent_seconds: Some(4200), .. }]),
            "{arrival:?}"
        );
        assert!(is_here(&state));
    }
}

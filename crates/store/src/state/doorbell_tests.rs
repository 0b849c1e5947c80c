//! Visits near a doorbell: when they begin, go on and end.

use super::doorbells::{
    Doorbell, DoorbellVisitor, Doorbells, NearAddress, Ring, Sight, VISITOR_LIMIT, VISITOR_SILENCE,
    VisitAlert,
};
use super::grouping::OUT_OF_RANGE;
use crate::event::{ChatId, DeviceKey, MessageId, Offset, StrangerReason, Timestamp};
use dot11::MacAddr;

const CHAT: ChatId = ChatId(1);
const OTHER: ChatId = ChatId(2);
const NEAR: i8 = -60;
const FAR: i8 = -90;
const SILENCE: i64 = VISITOR_SILENCE.as_secs() as i64;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn address(number: u16) -> MacAddr {
    let [high, low] = number.to_be_bytes();
    MacAddr::new([0, 1, 2, 3, high, low])
}

fn device(number: u16) -> DeviceKey {
    DeviceKey::Address(address(number))
}

fn sight(second: i64, dbm: i8) -> Sight {
    Sight { time: at(second), source: address(1), dbm }
}

/// The doorbells of both chats, which ring from -65 dBm on.
fn doorbells() -> Doorbells {
    let mut doorbells = Doorbells::default();
    for chat in [CHAT, OTHER] {
        let (stay_seconds, only_in_quiet_hours, set_by) = (180, false, None);
        doorbells.set(chat, Doorbell { min_dbm: -65, stay_seconds, only_in_quiet_hours, set_by });
    }
    doorbells
}

fn see(doorbells: &mut Doorbells, second: i64, dbm: i8) {
    doorbells.see(&device(1), sight(second, dbm));
}

fn visitor(doorbells: &Doorbells) -> Option<&DoorbellVisitor> {
    doorbells.visitors.get(&(CHAT, device(1)))
}

fn near_since(doorbells: &Doorbells) -> Option<i64> {
    visitor(doorbells)?.near_since.map(|since| since.as_micros() / 1_000_000)
}

fn alert(offset: u64) -> VisitAlert {
    let reason = StrangerReason::NewModel;
    VisitAlert { offset: Offset(offset), time: at(200), reason, near_since: at(0), message: None }
}

fn rang(doorbells: &Doorbells) -> Option<Ring> {
    visitor(doorbells).map(|visitor| visitor.ring)
}

#[test]
fn a_visit_begins_with_the_first_frame_that_is_near() {
    let mut doorbells = doorbells();
    see(&mut doorbells, 0, -66);
    assert_eq!(visitor(&doorbells), None);
    see(&mut doorbells, 10, -65);
    let visitor = visitor(&doorbells).unwrap();
    assert_eq!((visitor.first, visitor.near_since, visitor.last), (at(10), Some(at(10)), at(10)));
    assert_eq!((visitor.strongest_dbm, visitor.ring, &visitor.alert), (Some(-65), Ring::Silent, &None));
}

#[test]
fn one_weak_frame_ends_no_stay_and_several_do() {
    let mut doorbells = doorbells();
    see(&mut doorbells, 0, -60);
    see(&mut doorbells, 10, -80);
    assert_eq!(near_since(&doorbells), Some(0));
    see(&mut doorbells, 20, -80);
    assert_eq!(near_since(&doorbells), None);
    // Near again since then.
    for second in (30..100).step_by(10) {
        see(&mut doorbells, second, -60);
    }
    assert!(near_since(&doorbells) >= Some(30));
    let visitor = visitor(&doorbells).unwrap();
    assert_eq!((visitor.first, visitor.last, visitor.strongest_dbm), (at(0), at(90), Some(-60)));
}

#[test]
fn who_was_silent_for_longer_than_a_visitor_is_near_anew() {
    for (silence, since) in [(SILENCE, 0), (SILENCE + 1, SILENCE + 1)] {
        let mut doorbells = doorbells();
        see(&mut doorbells, 0, NEAR);
        see(&mut doorbells, silence, NEAR);
        assert_eq!(near_since(&doorbells), Some(since));
        // Of the signal before, nothing counts any more.
        let mut doorbells = self::doorbells();
        see(&mut doorbells, 0, -64);
        see(&mut doorbells, silence, FAR);
        let smoothed = if silence > SILENCE { FAR.into() } else { (4 * -64 + i32::from(FAR)) / 5 };
        assert!((visitor(&doorbells).unwrap().signal / 16 - smoothed).abs() <= 1);
    }
    // A visit that is much longer ago is another one.
    for (silence, is_known) in
        [(OUT_OF_RANGE.as_secs() as i64, true), (OUT_OF_RANGE.as_secs() as i64 + 1, false)]
    {
        let mut doorbells = doorbells();
        see(&mut doorbells, 0, NEAR);
        see(&mut doorbells, silence, NEAR);
        assert_eq!(visitor(&doorbells).unwrap().first == at(0), is_known);
    }
}

#[test]
fn a_late_frame_changes_no_time() {
    let mut doorbells = doorbells();
    see(&mut doorbells, 100, NEAR);
    see(&mut doorbells, 50, -50);
    let visitor = visitor(&doorbells).unwrap();
    assert_eq!(
        (visitor.near_since, visitor.last, visitor.strongest_dbm),
        (Some(at(100)), at(100), Some(-50))
    );
}

#[test]
fn only_a_visitor_with_an_alert_goes_on_with_its_visit_and_only_when_it_is_near() {
    for (raised, dbm, ring) in [
        (true, NEAR, Ring::Rang),
        (true, FAR, Ring::Done),
        (false, NEAR, Ring::Done),
        (false, FAR, Ring::Done),
    ] {
        let mut doorbells = doorbells();
        see(&mut doorbells, 0, NEAR);
        doorbells.rang(CHAT, &device(1), raised.then(|| alert(7)));
        assert_eq!(rang(&doorbells), Some(if raised { Ring::Rang } else { Ring::Done }));
        assert_eq!(doorbells.left(CHAT, &device(1)).map(|visitor| visitor.ring), Some(Ring::Done));
        see(&mut doorbells, SILENCE + 60, dbm);
        assert_eq!(rang(&doorbells), Some(ring), "{raised} {dbm}");
    }
    // One that did not ring stays silent, also while it is near.
    let mut doorbells = doorbells();
    see(&mut doorbells, 0, NEAR);
    see(&mut doorbells, 10, NEAR);
    assert_eq!(rang(&doorbells), Some(Ring::Silent));
    assert!(doorbells.left(CHAT, &device(9)).is_none());
}

#[test]
fn the_address_that_was_near_last_is_the_one_that_rings() {
    let near = |doorbells: &Doorbells| visitor(doorbells).unwrap().near.unwrap();
    let by = |number, second, dbm| Sight { source: address(number), ..sight(second, dbm) };
    let mut doorbells = doorbells();
    for (seen, expected) in [
        (by(1, 0, -60), (1, 0, 0, -60)),
        (by(1, 10, -62), (1, 0, 10, -62)),
        (by(1, 5, -61), (1, 0, 10, -61)),
        (by(2, 20, -66), (1, 0, 10, -61)),
        (by(2, 30, -65), (2, 30, 30, -65)),
        (by(2, 30 + SILENCE, -60), (2, 30, 30 + SILENCE, -60)),
        (by(2, 31 + 2 * SILENCE, -60), (2, 31 + 2 * SILENCE, 31 + 2 * SILENCE, -60)),
    ] {
        doorbells.see(&device(1), seen);
        let (number, since, last, dbm) = expected;
        let expected = NearAddress { address: address(number), since: at(since), last: at(last), dbm };
        assert_eq!(near(&doorbells), expected, "{seen:?}");
    }
    // Once it rang, the one that was near then stays.
    let before = near(&doorbells);
    doorbells.rang(CHAT, &device(1), Some(alert(7)));
    doorbells.see(&device(1), by(3, 40 + 2 * SILENCE, NEAR));
    assert_eq!(near(&doorbells), before);
}

#[test]
fn visitors_up_to_the_limit_stay_and_then_those_leave_that_did_not_ring() {
    let mut doorbells = Doorbells::default();
    let (stay_seconds, only_in_quiet_hours, set_by) = (180, false, None);
    doorbells.set(CHAT, Doorbell { min_dbm: -65, stay_seconds, only_in_quiet_hours, set_by });
    let limit = VISITOR_LIMIT as u16;
    for number in 0..limit {
        doorbells.see(&device(number), sight(number.into(), NEAR));
    }
    assert_eq!(doorbells.visitors.len(), VISITOR_LIMIT);
    doorbells.rang(CHAT, &device(0), Some(alert(7)));
    doorbells.see(&device(limit), sight(limit.into(), NEAR));
    assert_eq!(doorbells.visitors.len(), VISITOR_LIMIT + 1 - VISITOR_LIMIT / 4);
    let stays = |number| doorbells.has_visit(CHAT, &device(number));
    assert!(stays(0) && !stays(1) && !stays(limit / 4) && stays(limit / 4 + 1) && stays(limit));
}

#[test]
fn a_message_shows_the_visit_of_its_alert_while_that_lasts() {
    let mut doorbells = doorbells();
    for (number, chat) in [(1, CHAT), (2, CHAT), (3, OTHER)] {
        doorbells.see(&device(number), Sight { source: address(number), ..sight(0, NEAR) });
        doorbells.rang(chat, &device(number), Some(alert(number.into())));
    }
    assert_eq!(doorbells.shown_visits().count(), 0, "no message yet");
    doorbells.shown_in(CHAT, Offset(2), MessageId(20));
    doorbells.shown_in(OTHER, Offset(2), MessageId(30));
    assert_eq!(doorbells.message_of(CHAT, Offset(2)), Some(MessageId(20)));
    for (chat, offset) in [(CHAT, 1), (CHAT, 3), (OTHER, 3), (OTHER, 2)] {
        assert_eq!(doorbells.message_of(chat, Offset(offset)), None);
    }
    doorbells.see(&device(2), Sight { source: address(2), ..sight(90, -50) });
    let (chat, shown, visit) = doorbells.shown_visits().next().unwrap();
    assert_eq!((chat, shown, visit.offset, visit.message), (CHAT, &device(2), Offset(2), MessageId(20)));
    assert_eq!((visit.raised, visit.alert.time, visit.alert.source), (at(200), at(90), address(2)));
    let presence = format!("{:?}", visit.alert.presence);
    assert!(presence.contains("NewModel") && presence.contains("Some(-50)"), "{presence}");
    doorbells.left(CHAT, &device(2));
    assert_eq!(doorbells.shown_visits().count(), 0);
    assert_eq!(doorbells.message_of(CHAT, Offset(2)), Some(MessageId(20)), "it can still be edited");
}

#[test]
fn a_chat_that_moves_takes_its_visits_along_and_keeps_its_own_doorbell() {
    let mut doorbells = doorbells();
    see(&mut doorbells, 0, NEAR);
    doorbells.rang(CHAT, &device(1), Some(alert(7)));
    doorbells.shown_in(CHAT, Offset(7), MessageId(20));
    let own = doorbells.get(OTHER).cloned();
    doorbells.rows.get_mut(&CHAT).unwrap().stay_seconds = 9;
    doorbells.migrate(CHAT, OTHER);
    assert_eq!((doorbells.get(CHAT), doorbells.get(OTHER).cloned()), (None, own));
    assert!(!doorbells.has_visit(CHAT, &device(1)) && doorbells.has_visit(OTHER, &device(1)));
    assert_eq!(doorbells.message_of(OTHER, Offset(7)), None, "the other chat numbers its messages anew");
    let new = ChatId(3);
    doorbells.migrate(OTHER, new);
    assert!(doorbells.get(new).is_some() && doorbells.get(OTHER).is_none());
    doorbells.remove_chat(new);
    assert!(doorbells.is_empty() && doorbells.visitors.len() == 0);
}

#[test]
fn a_device_that_gets_a_name_is_no_visitor_any_more() {
    let mut doorbells = doorbells();
    for number in [1, 2] {
        doorbells.see(&device(number), sight(i64::from(number) * 10, NEAR));
    }
    doorbells.rename(&device(1), &DeviceKey::Name("anna".to_owned()));
    assert_eq!(doorbells.visitors.len(), 2, "one for each chat");
    doorbells.see(&device(1), sight(30, NEAR));
    doorbells.rename(&device(1), &device(2));
    let joined = doorbells.visitors.get(&(OTHER, device(2))).unwrap();
    assert_eq!((joined.first, joined.last, doorbells.visitors.len()), (at(20), at(30), 2));
    doorbells.rename(&device(2), &device(3));
    assert!(doorbells.has_visit(CHAT, &device(3)) && !doorbells.has_visit(CHAT, &device(2)));
}

/// One visitor from the first second to the last.
fn from_to(first: i64, last: i64, ring: Ring) -> DoorbellVisitor {
    let mut doorbells = doorbells();
    see(&mut doorbells, first, NEAR);
    see(&mut doorbells, last, if ring == Ring::Silent { -64 } else { -50 });
    let mut visitor = visitor(&doorbells).unwrap().clone();
    visitor.alert = (ring == Ring::Rang).then(|| alert(first as u64));
    DoorbellVisitor { ring, ..visitor }
}

#[test]
fn of_two_visitors_that_are_one_device_the_visit_goes_on() {
    let range = OUT_OF_RANGE.as_secs() as i64;
    for (ring, other, expected) in [
        (Ring::Silent, Ring::Silent, Ring::Silent),
        (Ring::Rang, Ring::Silent, Ring::Rang),
        (Ring::Silent, Ring::Rang, Ring::Rang),
        (Ring::Done, Ring::Rang, Ring::Rang),
        (Ring::Rang, Ring::Done, Ring::Done),
    ] {
        let (earlier, later) = (from_to(100, 200, ring), from_to(300, 400, other));
        let joined = earlier.clone().join(later.clone());
        assert_eq!(joined, later.clone().join(earlier.clone()), "in either order");
        assert_eq!((joined.first, joined.last, joined.ring), (at(100), at(400), expected));
        let strongest = earlier.strongest_dbm.max(later.strongest_dbm);
        assert_eq!((joined.strongest_dbm, joined.signal), (strongest, later.signal));
        let of_later = later.ring != Ring::Silent;
        let (alert, near) = match of_later || earlier.ring == Ring::Silent {
            true => (later.alert, later.near),
            false => (earlier.alert, earlier.near),
        };
        assert_eq!((joined.alert, joined.near), (alert, near));
    }
    let earlier = from_to(100, 200, Ring::Rang);
    for (after, is_one) in [(range, true), (range + 1, false)] {
        let later = from_to(200 + after, 300 + after, Ring::Silent);
        let joined = later.clone().join(earlier.clone());
        assert_eq!((joined.first == at(100), joined == later), (is_one, !is_one));
    }
    // They overlap.
    let within = from_to(150, 250, Ring::Silent);
    assert_eq!(earlier.clone().join(within).first, at(100));
    let around = from_to(50, 50 + range, Ring::Silent);
    assert_eq!(around.join(earlier).first, at(50));
}

//! Promise: a snapshot is the whole state in a form that anyone can read. What is read from it is equal to
//! what was written, now and after every later event; a snapshot that is not whole is told from one that is.

use probewatch::dot11::{RequestedSsid, Signature, Ssid};
use probewatch::event::{ChatId, Event, Forgettable, NamedBy, Offset, Probe, Timestamp};
use probewatch::state::{AlertPolicy, State};
use proptest::prelude::*;

use crate::recording::input;
use crate::support::recorder::{CHATS, Input, addresses, probe, settings};

pub fn snapshot(state: &State) -> Vec<u8> {
    let mut snapshot = Vec::new();
    state.image().write_to(Timestamp::from_micros(0), &mut snapshot).unwrap();
    snapshot
}

fn event() -> impl Strategy<Value = Event> {
    let time = || (0..600_i64).prop_map(|seconds| Timestamp::from_micros(seconds * 1_000_000));
    let forgettable = prop_oneof![Just(Forgettable::Random), Just(Forgettable::Unnamed)];
    prop_oneof![
        20 => input().prop_map(|input| match input {
            Input::Heard(probe) => Event::Probe(probe),
            Input::Change(event) => event,
        }),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(signature, elements)| {
            Event::Signature { signature: Signature::from_u64(signature.into()), elements }
        }),
        1 => (time(), 1..3_u64)
            .prop_map(|(time, count)| Event::OverflowTold { time, chat: CHATS[0], count }),
        1 => (time(), forgettable, time())
            .prop_map(|(time, addresses, heard_before)| Event::Forget { time, addresses, heard_before }),
        1 => (1..9_u64).prop_map(|count| Event::Lost { count, why: "a test".to_owned() }),
    ]
}

/// Folds in the events as the recorder would, which decides about alerts.
fn fold_in(state: &mut State, events: &[Event]) {
    let AlertPolicy { cooldown, .. } = settings("".as_ref()).alerts;
    let policy = AlertPolicy { chats: CHATS.to_vec(), cooldown };
    for event in events {
        let offset = state.next_offset();
        match event {
            Event::Probe(probe) => {
                let alerts = state.decide_alerts(probe, &policy);
                state.fold(offset, &Event::Probe(Probe { alerts, ..probe.clone() }));
            }
            other => state.fold(offset, other),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_was_written(
        before in prop::collection::vec(event(), 0..150),
        after in prop::collection::vec(event(), 0..50),
    ) {
        let mut state = State::default();
        fold_in(&mut state, &before);
        let written = snapshot(&state);
        state.image().verify(written.as_slice()).unwrap();
        let mut read = State::from_snapshot(written.as_slice()).unwrap();
        prop_assert_eq!(&read, &state);
        prop_assert_eq!(read.differences(&state, 1).count, 0);
        prop_assert_eq!(snapshot(&read), written);
        fold_in(&mut state, &after);
        fold_in(&mut read, &after);
        while state.sweep() | read.sweep() {}
        prop_assert_eq!(&read, &state);
        prop_assert_eq!(snapshot(&read), snapshot(&state));
    }

    #[test]
    fn a_row_that_differs_is_found(
        events in prop::collection::vec(event(), 0..100),
        more in prop::collection::vec(event(), 1..3),
    ) {
        let mut one = State::default();
        fold_in(&mut one, &events);
        let mut other = one.clone();
        fold_in(&mut other, &more);
        let differences = one.differences(&other, 3);
        prop_assert!(differences.count > 0);
        prop_assert_eq!(differences.first.len() as u64, differences.count.min(3));
        prop_assert_eq!(other.differences(&one, 0).count, differences.count);
    }
}

/// A state with a row of each kind.
fn small_state() -> State {
    let [alice, other] = [addresses()[0], addresses()[1]];
    let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
    let watch = |chat: ChatId, ssid: Ssid| Event::Watch { time: time(1), chat, ssid, reason: None };
    let asks = |source, ssid: &[u8], seconds: i64| Probe {
        signal_dbm: Some(-50 - seconds as i8),
        ..probe(source, RequestedSsid::from_element(ssid), seconds * 1_000_000)
    };
    let mut events = vec![
        Event::Signature { signature: Signature::from_u64(1), elements: b"\x00\x04RNM0".to_vec() },
        Event::Watch {
            time: time(0),
            chat: CHATS[0],
            ssid: "Depot".into(),
            reason: Some("the \"van\"".into()),
        },
        watch(CHATS[1], Ssid::new(b"\xff\xfe\x00")),
        Event::Name { time: time(2), address: alice, name: "Alice's phone".into(), by: NamedBy::Chat },
        Event::Name { time: time(2), address: alice, name: "phone 1".into(), by: NamedBy::Config },
        Event::Probe(asks(alice, b"Depot", 5)),
        Event::Probe(asks(alice, b"Depot", 6)),
        Event::Probe(asks(alice, b"\xff\xfe\x00", 4)),
        Event::Probe(asks(alice, b"=1+1\n\xe2\x80\xae", 7)),
        Event::Probe(asks(other, b"", 8)),
        Event::Probe(probe(other, RequestedSsid::Absent, 9_000_000)),
    ];
    events.extend((10..40).map(|second| {
        let source = probewatch::dot11::MacAddr::new([0x02, 0, 0, 0, 0, second as u8]);
        Event::Probe(probe(source, RequestedSsid::Named("Depot".into()), second * 1_000_000))
    }));
    events.push(Event::Forget { time: time(41), addresses: Forgettable::Random, heard_before: time(38) });
    let mut state = State::default();
    fold_in(&mut state, &events);
    state
}

#[test]
fn a_snapshot_reads_as_its_module_says() {
    let text = String::from_utf8(snapshot(&small_state())).unwrap();
    // Of many rows of a kind, two are enough to read.
    let mut kinds: Vec<(String, usize)> = Vec::new();
    let lines = text.lines().filter(|line| {
        let kind = line.split(',').next().unwrap().to_owned();
        let place = kinds.iter().position(|(known, _)| *known == kind).unwrap_or_else(|| {
            kinds.push((kind, 0));
            kinds.len() - 1
        });
        kinds[place].1 += 1;
        kinds[place].1 <= 2
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_snapshot_that_is_not_whole_is_told_with_its_line() {
    let state = small_state();
    let whole = snapshot(&state);
    let text = String::from_utf8(whole.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let check = |snapshot: &str, wanted: &str| {
        let error = State::from_snapshot(snapshot.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error:?} without {wanted:?}");
        assert!(state.image().verify(snapshot.as_bytes()).is_err(), "{wanted}");
    };
    for length in (0..whole.len() - 1).step_by(61) {
        assert!(State::from_snapshot(&whole[..length]).is_err(), "cut at {length}");
        assert!(state.image().verify(&whole[..length]).is_err(), "cut at {length}");
    }
    let without = |place: usize| {
        let rest = lines.iter().enumerate().filter(|(number, _)| *number != place);
        rest.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let last = lines.len();
    check("", "the snapshot is empty");
    check(&without(last - 1), &format!("cut off behind its line {}", last - 1));
    check(&without(5), &format!("line {} of the snapshot cannot be used: it tells of", last - 1));
    check(&without(0), "line 1 of the snapshot cannot be used: no snapshot begins like this");
    check(
        &format!("{text}{{}}"),
        &format!("line {} of the snapshot cannot be used: it stands behind", last + 1),
    );
    check(
        &text.replace("\"format\":1", "\"format\":7"),
        "line 1 of the snapshot cannot be used: it is of format 7",
    );
    check(
        &text.replacen("\"probe_count\":", "\"count\":", 1),
        "line 4 of the snapshot cannot be used: missing field `probe_count`",
    );
    check(&text.replacen("da:a1:19:00:00:00", "da:a1", 1), "a MAC address such as");
    check(&text.replacen("{\"row\":\"device\"", "{\"row\":\"gadget\"", 1), "unknown variant `gadget`");
    check(&text.replacen("\"Depot\",\"count\":2", "\"!\",\"count\":2", 1), "not in order");
    let totals = lines.iter().position(|line| line.contains("\"totals\"")).unwrap();
    let end = format!("{{\"end\":{}}}", last - 3);
    check(&without(totals).replace(lines[last - 1], &end), "there was no row `totals`");

    // Whole, and of another state.
    for wrong in [text.replacen("\"probe_count\":4", "\"probe_count\":5", 1), text.replacen(":42", ":43", 1)]
    {
        assert_ne!(wrong, text);
        State::from_snapshot(wrong.as_bytes()).unwrap();
        assert!(state.image().verify(wrong.as_bytes()).is_err());
    }
}

#[test]
fn differences_name_the_row_and_the_fields() {
    let mut one = small_state();
    while one.sweep() {}
    let mut other = one.clone();
    fold_in(
        &mut other,
        &[
            Event::Probe(probe(addresses()[1], RequestedSsid::Wildcard, 9_000_000)),
            Event::Unwatch { time: Timestamp::from_micros(0), chat: CHATS[0], ssid: "Depot".into() },
        ],
    );
    let differences = one.differences(&other, 10);
    let lines: Vec<String> = differences.first.iter().map(|difference| format!("{difference:?}\n")).collect();
    assert_eq!(differences.count as usize, lines.len());
    insta::assert_snapshot!(lines.concat());
    assert_eq!(Offset(one.next_offset().0 + 2), other.next_offset());
}

//! Every network that a probe request asks for counts: those of an SSID List as that of the SSID element, those of a
//! list of Short SSIDs as a guess.

use std::time::Duration;

use dot11::builder::FrameBuilder;
use dot11::{LinkType, MacAddr, RequestedSsid, ShortSsid, Ssid, decode};
use probewatch::chat::views::alerts as words;
use serde_json::{Value, json};
use store::event::{AlertDecision, ChatId, Event, EventKind, ListedNetworks, Pattern, Probe, Timestamp};
use store::state::{Alert, AlertPolicy, MATCHES_PER_ALERT, State};

use crate::commands::{ALICE, Data, TIME, stdout};
use crate::support::frames::ProbeRequestFrame;
use crate::support::recorder::probe;

const CHAT: ChatId = ChatId(7);

/// The body of an SSID List element.
fn list(ssids: &[&str]) -> Vec<u8> {
    let element = |ssid: &&str| [&[0, ssid.len() as u8], ssid.as_bytes()].concat();
    ssids.iter().flat_map(element).collect()
}

/// The body of a list of the Short SSIDs of these names.
fn short_list(ssids: &[&str]) -> Vec<u8> {
    let short = |ssid: &&str| crc32fast::hash(ssid.as_bytes()).to_le_bytes();
    [58].into_iter().chain(ssids.iter().flat_map(short)).collect()
}

/// The frames of the example: two networks in a list, behind the wildcard and behind another name.
fn example() -> Data {
    let frame = || ProbeRequestFrame::new(ALICE).element(84, list(&["RNM0", "Depot"]));
    Data::new(&[(TIME, frame().wildcard().build()), (TIME + 1, frame().ssid("First").sequence(1).build())])
}

#[test]
fn every_network_of_a_list_counts_in_lists_cards_log_and_tables() {
    let data = example();
    let networks = stdout(&data.run(&["chat"], "/networks\n"));
    for line in ["RNM0: 2 probes", "Depot: 2 probes", "First: 1 probe"] {
        assert!(networks.contains(line), "{line}: {networks}");
    }
    let (device, _) = data.json(ALICE);
    assert_eq!((&device["probe_count"], &device["wildcard_count"]), (&json!(2), &json!(1)));
    assert_eq!(device["ssids"], json!(["Depot", "First", "RNM0"]));
    let requesters = stdout(&data.run(&["chat"], "/ssid Depot\n"));
    assert!(requesters.contains("Probe count: 2") && requesters.contains("2 times"), "{requesters}");
    let events = stdout(&data.run(&["export", "events"], ""));
    assert_eq!(events.matches(r#""ssid_list":["RNM0","Depot"]"#).count(), 2, "{events}");
    let csv = stdout(&data.run(&["export", "events", "--format", "csv"], ""));
    assert!(csv.contains(",First; RNM0; Depot,") && csv.contains(",RNM0; Depot,"), "{csv}");
    assert!(data.run(&["check"], "").status.success());
    // What follows from the log is the same again.
    assert!(data.run(&["rebuild"], "").status.success());
    assert_eq!(data.json(ALICE).0, device);
}

#[test]
fn decode_prints_lists() {
    let frame = ProbeRequestFrame::new(ALICE)
        .element(84, list(&["RNM0", "", "RNM0"]))
        .element(255, short_list(&["123456789"]));
    let data = Data::new(&[(TIME, frame.build())]);
    let events = stdout(&data.run(&["export", "events"], ""));
    let probe: Value = events.lines().map(|line| serde_json::from_str(line).unwrap()).find(is_probe).unwrap();
    assert_eq!(probe["ssid_list"], json!(["RNM0", ""]));
    assert_eq!(probe["short_ssids"], json!(["cbf43926"]));
}

fn is_probe(event: &Value) -> bool {
    event["type"] == "probe"
}

#[test]
fn a_short_ssid_is_shown_as_a_guess() {
    let frame = |number| ProbeRequestFrame::new(ALICE).sequence(number);
    let data = Data::new(&[
        (TIME, frame(0).ssid("Depot").build()),
        (TIME + 1, frame(1).element(255, short_list(&["Depot", "nobody knows"])).build()),
    ]);
    let (device, _) = data.json(ALICE);
    let [depot, unknown] = ["Depot", "nobody knows"].map(|name| ShortSsid::of(&Ssid::from(name)).to_string());
    let mut expected = vec![
        json!({"short_ssid": depot, "count": 1, "probably": ["Depot"]}),
        json!({"short_ssid": unknown, "count": 1, "probably": []}),
    ];
    expected.sort_by_key(|short| short["short_ssid"].to_string());
    assert_eq!(device["short_ssids"], json!(expected));
    assert_eq!(device["ssids"], json!(["Depot"]));
    let card = stdout(&data.run(&["chat"], &format!("{ALICE}\n")));
    assert!(card.contains(&format!("Short SSID {depot}, probably Depot (1×)")), "{card}");
    assert!(card.contains(&format!("Short SSID {unknown}, no network that I know (1×)")), "{card}");
    let requesters = stdout(&data.run(&["chat"], "/ssid Depot\n"));
    assert!(requesters.contains("Probe count: 1"), "{requesters}");
    assert!(requesters.contains("by its Short SSID, which other names may share: 1 probe"), "{requesters}");
}

/// A state without a recorder, which decides about alerts and folds them.
struct Folded {
    state: State,
    policy: AlertPolicy,
}

impl Folded {
    fn watching(ssids: &[&str]) -> Self {
        let policy = AlertPolicy {
            chats: vec![CHAT],
            cooldown: Duration::from_secs(600),
            max_age: Duration::MAX,
            capturing_since: None,
            quiet_hours: None,
        };
        let mut folded = Self { state: State::default(), policy };
        for ssid in ssids {
            folded.fold(EventKind::Watch { chat: CHAT, ssid: Ssid::from(*ssid), reason: None });
        }
        folded
    }

    fn fold(&mut self, kind: EventKind) {
        self.state.fold(self.state.next_offset(), &Event::new(Timestamp::from_micros(0), kind));
    }

    /// A frame at this second that asks for these networks; folds it as it is read from the log.
    fn receive(&mut self, second: i64, ssid: &str, ssids: &[&str], short: &[&str]) -> Vec<AlertDecision> {
        let source = MacAddr::new([0, 0x23, 0xa7, 0x19, 0x5c, 2]);
        let bytes =
            |names: &[&str]| -> Vec<Vec<u8>> { names.iter().map(|name| name.as_bytes().to_vec()).collect() };
        let (ssids, short) = (bytes(ssids), bytes(short));
        let [ssids, short] =
            [&ssids, &short].map(|names| names.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let frame = FrameBuilder::new(source).ssid_list(&ssids).short_ssid_list(&short);
        let listed = ListedNetworks::of(&frame.elements);
        let requested = RequestedSsid::from_element(ssid.as_bytes());
        let mut probe = Probe { listed, ..probe(source, requested, second * 1_000_000) };
        probe.alerts = self.state.decide_alerts(&probe, &self.policy);
        let alerts = probe.alerts.clone();
        self.state.fold(self.state.next_offset(), &Event::from(probe));
        alerts
    }

    fn alerts(&self) -> Vec<&Alert> {
        self.state.alerts().waiting_for(CHAT).map(|(_, alert)| alert).collect()
    }

    fn last_text(&self) -> String {
        let alerts = self.alerts();
        let alert = alerts.last().unwrap();
        words::alert(alert, None.into(), (alert.time, chrono_tz::Tz::UTC)).text.to_string()
    }
}

fn ssids_of(alert: &Alert) -> Vec<String> {
    alert.matches().map(|of| of.ssid.to_string()).collect()
}

#[test]
fn a_frame_raises_one_alert_for_all_its_watched_networks() {
    let mut folded = Folded::watching(&["Depot", "RNM0", "First", "Other"]);
    folded.receive(1, "", &["Depot", "x"], &[]);
    assert_eq!(ssids_of(folded.alerts()[0]), ["Depot"]);
    assert!(folded.last_text().contains("looked for SSID \"Depot\""), "{}", folded.last_text());
    // The cool-down holds for each network.
    let decided = folded.receive(2, "First", &["Depot", "RNM0", "First"], &[]);
    assert_eq!((decided.len(), folded.alerts().len()), (3, 2));
    assert_eq!(ssids_of(folded.alerts()[1]), ["First", "RNM0"]);
    let text = folded.last_text();
    assert!(
        text.contains("looked for SSID \"First\"") && text.contains("also looked for SSID \"RNM0\""),
        "{text}"
    );
    assert_eq!(folded.receive(3, "First", &["Depot", "RNM0"], &[]).len(), 3);
    assert_eq!(folded.alerts().len(), 2);
    // After it, the alert says how many it suppressed.
    folded.receive(1_000, "", &["Depot"], &[]);
    assert!(folded.last_text().contains("2 more probes since the last alert"), "{}", folded.last_text());
}

#[test]
fn a_short_ssid_of_a_watched_or_known_network_raises_an_alert_as_a_guess() {
    let mut folded = Folded::watching(&["Depot"]);
    folded.receive(1, "", &[], &["Depot", "nobody knows"]);
    let alert = folded.alerts()[0].watch_match.clone().unwrap();
    assert!(alert.is_short && alert.ssid == Ssid::from("Depot"));
    assert!(folded.last_text().contains("probably looked for SSID \"Depot\""), "{}", folded.last_text());
    // A pattern matches the names of networks that are known.
    let pattern = Pattern::new("RNM*");
    folded.fold(EventKind::WatchPattern { chat: CHAT, pattern, reason: None });
    assert_eq!(folded.receive(2, "", &[], &["RNM0"]), []);
    folded.receive(3, "RNM0", &[], &[]);
    folded.receive(1_000, "", &[], &["RNM0"]);
    let last = folded.alerts().last().unwrap().watch_match.clone().unwrap();
    assert!(last.is_short && last.ssid == Ssid::from("RNM0"));
    // A name says more than its checksum.
    folded.receive(2_000, "", &["Depot"], &["Depot"]);
    let last = folded.alerts().last().unwrap().watch_match.clone().unwrap();
    assert!(!last.is_short);
}

#[test]
fn a_muted_or_crowded_chat_counts_a_frame_once() {
    let mut folded = Folded::watching(&["Depot", "RNM0"]);
    folded.fold(EventKind::Mute { chat: CHAT, until: Timestamp::from_micros(i64::MAX) });
    folded.receive(1, "", &["Depot", "RNM0"], &[]);
    assert_eq!(folded.state.mutes().get(CHAT).unwrap().suppressed, 1);
    assert_eq!(folded.alerts().len(), 0);
}

/// As many watched networks as a list can have: an alert has some of them, fits into a message, and the others follow.
#[test]
fn the_networks_of_an_alert_are_bounded() {
    let names: Vec<String> = (0..80).map(|number| char::from(b'!' + number).to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut folded = Folded::watching(&names);
    for second in 1..=6 {
        folded.receive(second, "", &names, &[]);
    }
    let alerts: Vec<usize> = folded.alerts().iter().map(|alert| alert.matches().count()).collect();
    assert_eq!(alerts.iter().sum::<usize>(), 80);
    assert!(alerts.iter().all(|count| *count <= MATCHES_PER_ALERT), "{alerts:?}");
    assert!(folded.alerts().iter().all(|alert| {
        words::alert(alert, None.into(), (alert.time, chrono_tz::Tz::UTC)).text.length() < 4096
    }));
    assert_eq!(folded.state.networks().len(), 80);
}

/// Lists that no device may send.
#[test]
fn malformed_lists_are_read_as_far_as_they_go() {
    for (body, ssids) in [
        (&b"\0\x05Depot\0\x09cut"[..], &["Depot"][..]),
        (b"\x01\x02ab\0\x05Depot", &["Depot"]),
        (b"\0\0\0\x02\0\0\0\x05Depot", &["Depot"]),
        (b"\0", &[]),
        (b"", &[]),
    ] {
        let frame = FrameBuilder::new(MacAddr::BROADCAST).ssid(b"").element(84, body).to_bytes();
        let request = decode(LinkType::Ieee80211, &frame, frame.len()).unwrap().unwrap();
        let probe = Probe::new("mon0".into(), Timestamp::from_micros(0), request);
        let names: Vec<String> = probe.names().map(|ssid| ssid.to_string()).collect();
        assert_eq!(names, ssids, "{body:02x?}");
    }
}

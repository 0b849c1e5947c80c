//! Which alerts a frame causes, at the limits of the times that decide it, and for which chats.

use std::time::Duration;

use super::*;
use crate::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, LeaveDecision, NamedBy, Pattern, Probe,
    StrangerReason, Timestamp,
};
use dot11::{MacAddr, RequestedSsid, Ssid};

const CHAT: ChatId = ChatId(7);
const OTHER: ChatId = ChatId(8);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn address(number: u8) -> MacAddr {
    MacAddr::new([0xa4, 0x83, 0xe7, 0, 0, number])
}

fn device(number: u8) -> DeviceKey {
    DeviceKey::Address(address(number))
}

/// Two chats, and a state that no alert has changed yet.
struct Scene {
    state: State,
    policy: AlertPolicy,
}

impl Scene {
    fn new() -> Self {
        let policy = AlertPolicy {
            chats: vec![CHAT, OTHER],
            cooldown: Duration::from_secs(600),
            max_age: Duration::MAX,
            capturing_since: Some(at(0)),
            quiet_hours: None,
        };
        Self { state: State::default(), policy }
    }

    fn fold(&mut self, event: &Event) {
        self.state.fold(self.state.next_offset(), event);
    }

    fn say(&mut self, kind: EventKind) -> &mut Self {
        self.fold(&Event::new(at(0), kind));
        self
    }

    fn watch(&mut self, chat: ChatId, ssid: &str, reason: &str) -> &mut Self {
        self.say(EventKind::Watch { chat, ssid: Ssid::from(ssid), reason: Some(reason.to_owned()) })
    }

    fn watch_pattern(&mut self, chat: ChatId, pattern: &str, reason: &str) -> &mut Self {
        self.say(EventKind::WatchPattern {
            chat,
            pattern: Pattern::new(pattern),
            reason: Some(reason.to_owned()),
        })
    }

    fn follow(&mut self, chat: ChatId, number: u8, silence_seconds: u64) -> &mut Self {
        self.say(EventKind::Follow { chat, device: device(number), silence_seconds, members: Vec::new() })
    }

    fn ignore(&mut self, chat: ChatId, number: u8) -> &mut Self {
        self.say(EventKind::Ignore { chat, device: device(number), members: Vec::new() })
    }

    fn probe(number: u8, second: i64, ssid: Option<&str>) -> Probe {
        let ssid = ssid.map_or(RequestedSsid::Wildcard, |ssid| RequestedSsid::Named(Ssid::from(ssid)));
        Probe { signal_dbm: Some(-60), ..Probe::example(address(number), ssid, second * 1_000_000) }
    }

    fn decide(&self, probe: &Probe) -> Vec<AlertDecision> {
        self.state.decide_alerts(probe, &self.policy)
    }

    /// Decides about a frame and folds it in.
    fn see(&mut self, number: u8, second: i64, ssid: Option<&str>) -> Vec<AlertDecision> {
        let mut probe = Self::probe(number, second, ssid);
        probe.alerts = self.decide(&probe);
        let decided = probe.alerts.clone();
        self.fold(&Event::from(probe));
        decided
    }

    /// What follows from silence until this second; it is folded in.
    fn depart(&mut self, second: i64) -> Vec<EventKind> {
        let events = self.state.departures(at(second), &self.policy);
        events.iter().for_each(|event| self.fold(event));
        events.into_iter().map(|event| event.kind).collect()
    }
}

fn raise(chat: ChatId, pattern: Option<&str>, reason: &str, suppressed: u64) -> AlertDecision {
    AlertDecision::Raise {
        chat,
        pattern: pattern.map(Pattern::new),
        reason: Some(reason.to_owned()),
        suppressed,
    }
}

fn arrive(chat: ChatId, silent_seconds: Option<u64>, outcome: AlertOutcome) -> AlertDecision {
    AlertDecision::Arrive { chat, silent_seconds, outcome }
}

#[test]
fn a_cooldown_ends_after_its_time_and_holds_for_earlier_frames_as_well() {
    for (second, is_over) in [(1_599, false), (1_600, true), (401, false), (400, true)] {
        let mut scene = Scene::new();
        scene.watch(CHAT, "Depot", "van");
        assert_eq!(scene.see(1, 1_000, Some("Depot")), [raise(CHAT, None, "van", 0)]);
        let expected = match is_over {
            true => raise(CHAT, None, "van", 0),
            false => AlertDecision::Suppress { chat: CHAT },
        };
        assert_eq!(scene.see(1, second, Some("Depot")), [expected], "{second}");
        // It is of one device and one network.
        assert_eq!(scene.see(2, 1_001, Some("Depot")), [raise(CHAT, None, "van", 0)]);
        assert_eq!(scene.see(1, 1_001, Some("Shop")), []);
    }
}

#[test]
fn the_watch_that_says_most_about_the_network_counts() {
    let mut scene = Scene::new();
    let decided = |scene: &Scene, ssid| scene.decide(&Scene::probe(1, 0, Some(ssid)));
    assert_eq!(decided(&scene, "Depot"), []);
    scene.watch_pattern(ChatId::TERMINAL, "De*", "all, by pattern");
    let for_all = |pattern, reason| [CHAT, OTHER].map(|chat| raise(chat, pattern, reason, 0));
    assert_eq!(decided(&scene, "Depot"), for_all(Some("De*"), "all, by pattern"));
    scene.watch(ChatId::TERMINAL, "Depot", "all");
    assert_eq!(decided(&scene, "Depot"), for_all(None, "all"));
    assert_eq!(decided(&scene, "Depot 2"), for_all(Some("De*"), "all, by pattern"));
    // A chat's own goes before the terminal's.
    scene.watch_pattern(CHAT, "*pot", "own, by pattern");
    let expected = [raise(CHAT, Some("*pot"), "own, by pattern", 0), raise(OTHER, None, "all", 0)];
    assert_eq!(decided(&scene, "Depot"), expected);
    scene.watch(CHAT, "Depot", "own");
    assert_eq!(decided(&scene, "Depot"), [raise(CHAT, None, "own", 0), raise(OTHER, None, "all", 0)]);
    assert_eq!(decided(&scene, "Shop"), []);
    // Only chats that are configured, or paired, get alerts.
    scene.policy.chats = vec![OTHER];
    assert_eq!(decided(&scene, "Depot"), [raise(OTHER, None, "all", 0)]);
}

#[test]
fn a_chat_ignores_for_itself_and_the_terminal_for_all() {
    let mut scene = Scene::new();
    scene.watch(ChatId::TERMINAL, "Depot", "all").ignore(CHAT, 1).ignore(ChatId::TERMINAL, 2);
    let decided = |number| scene.decide(&Scene::probe(number, 0, Some("Depot")));
    assert_eq!(decided(1), [raise(OTHER, None, "all", 0)]);
    assert_eq!(decided(2), []);
    assert_eq!(decided(3).len(), 2);
    let ignores = |chat, number| scene.state.ignores(chat, &device(number));
    let all = [1, 2, 3].map(|number| (ignores(CHAT, number), ignores(OTHER, number)));
    assert_eq!(all, [(true, false), (true, true), (false, false)]);
}

#[test]
fn a_followed_device_arrives_after_its_silence_if_frames_were_captured_all_the_while() {
    for (second, capturing_since, is_back) in [
        (160, Some(at(100)), true),
        (159, Some(at(100)), false),
        (160, Some(Timestamp::from_micros(100_000_001)), false),
        (160, None, false),
        (50, Some(at(0)), false),
    ] {
        let mut scene = Scene::new();
        scene.follow(CHAT, 1, 60);
        assert_eq!(scene.see(1, 100, None), [arrive(CHAT, None, AlertOutcome::Raise)]);
        assert_eq!(scene.see(1, 100, None), []);
        scene.policy.capturing_since = capturing_since;
        let expected: Vec<_> =
            is_back.then(|| arrive(CHAT, Some(60), AlertOutcome::Raise)).into_iter().collect();
        assert_eq!(scene.see(1, second, None), expected, "{second}");
        assert_eq!(scene.see(2, second, None), [], "nobody follows it");
    }
}

#[test]
fn the_shortest_silence_of_several_follows_counts_for_its_chat() {
    let mut scene = Scene::new();
    scene.follow(CHAT, 1, 60).follow(OTHER, 1, 600);
    assert_eq!(scene.see(1, 0, None).len(), 2);
    assert_eq!(scene.see(1, 60, None), [arrive(CHAT, Some(60), AlertOutcome::Raise)]);
    assert_eq!(
        scene.see(1, 660, None),
        [CHAT, OTHER].map(|chat| arrive(chat, Some(600), AlertOutcome::Raise))
    );
}

#[test]
fn the_terminals_follow_is_that_of_all_chats_without_their_own() {
    let mut scene = Scene::new();
    scene.follow(ChatId::TERMINAL, 1, 60).follow(CHAT, 1, 600);
    assert_eq!(scene.see(1, 0, None).len(), 2);
    assert_eq!(scene.see(1, 60, None), [arrive(OTHER, Some(60), AlertOutcome::Raise)]);
    let left = |chat, alerts| EventKind::Left {
        chat,
        device: device(1),
        source: address(1),
        last_seen: at(60),
        alerts,
    };
    let alert = |chat| vec![LeaveDecision { chat, outcome: AlertOutcome::Raise }];
    assert_eq!(scene.depart(119), []);
    assert_eq!(scene.depart(120), [left(ChatId::TERMINAL, alert(OTHER))]);
    assert_eq!(scene.depart(659), []);
    assert_eq!(scene.depart(660), [left(CHAT, alert(CHAT))]);
    assert_eq!(scene.depart(10_000), []);
}

#[test]
fn a_device_leaves_only_while_frames_are_captured() {
    for (capturing_since, left_at) in [(Some(0), Some(160)), (Some(130), Some(190)), (None, None)] {
        let mut scene = Scene::new();
        scene.follow(CHAT, 1, 60);
        scene.see(1, 100, None);
        scene.policy.capturing_since = capturing_since.map(at);
        let first = (0..400).find(|second| !scene.depart(*second).is_empty());
        assert_eq!(first, left_at, "{capturing_since:?}");
    }
}

#[test]
fn a_departure_alerts_only_who_does_not_ignore_the_device() {
    let mut scene = Scene::new();
    scene.follow(ChatId::TERMINAL, 1, 60).follow(CHAT, 2, 60);
    scene.see(1, 0, None);
    scene.see(2, 0, None);
    scene.ignore(CHAT, 1).say(EventKind::Mute { chat: OTHER, until: at(900) });
    scene.policy.chats = vec![OTHER, CHAT];
    let alerts = |events: Vec<EventKind>| -> Vec<Vec<LeaveDecision>> {
        let of = |kind| match kind {
            EventKind::Left { alerts, .. } => alerts,
            other => panic!("{other:?}"),
        };
        events.into_iter().map(of).collect()
    };
    let outcome = |chat, outcome| vec![LeaveDecision { chat, outcome }];
    let mut found = alerts(scene.depart(100));
    found.sort_by_key(|alerts| alerts.first().map(|alert| alert.chat));
    assert_eq!(found, [outcome(CHAT, AlertOutcome::Raise), outcome(OTHER, AlertOutcome::Mute)]);
    assert_eq!(scene.state.mutes().get(OTHER).map(|mute| mute.suppressed), Some(1));
}

/// The follow must know that it is here, whoever is told.
#[test]
fn an_arrival_that_nobody_is_told_of_is_recorded_once() {
    let mut scene = Scene::new();
    scene.follow(CHAT, 1, 60).follow(OTHER, 1, 60).ignore(ChatId::TERMINAL, 1);
    assert_eq!(scene.see(1, 0, None), [arrive(CHAT, None, AlertOutcome::Skip)]);
    assert_eq!(scene.see(1, 1, None), []);
    assert!(scene.state.follows().iter().all(|(_, follow)| follow.value.is_here));
    // While it is here, nothing needs to be recorded.
    assert_eq!(scene.see(1, 100, None), []);
}

#[test]
fn one_frame_is_counted_once_for_a_chat() {
    for (is_muted, outcome) in [(true, AlertOutcome::Skip), (false, AlertOutcome::Raise)] {
        let mut scene = Scene::new();
        scene.watch(CHAT, "Depot", "van").follow(CHAT, 1, 60).follow(OTHER, 1, 60);
        if is_muted {
            scene.say(EventKind::Mute { chat: CHAT, until: at(100) });
        }
        let watch = match is_muted {
            true => AlertDecision::Mute { chat: CHAT },
            false => raise(CHAT, None, "van", 0),
        };
        let arrivals = [arrive(CHAT, None, outcome), arrive(OTHER, None, AlertOutcome::Raise)];
        assert_eq!(scene.see(1, 0, Some("Depot")), [&[watch][..], &arrivals].concat());
        let suppressed = scene.state.mutes().get(CHAT).map(|mute| mute.suppressed);
        assert_eq!(suppressed, is_muted.then_some(1));
    }
}

fn doorbell(chat: ChatId, only_in_quiet_hours: bool) -> EventKind {
    EventKind::Doorbell { chat, min_dbm: -65, stay_seconds: 180, only_in_quiet_hours }
}

/// When the doorbells ring for the device 1, which sends a frame each minute.
fn rings(scene: &mut Scene, ssid: Option<&str>) -> Vec<(i64, ChatId)> {
    let mut rings = Vec::new();
    for second in (0..=600).step_by(60) {
        for decision in scene.see(1, second, ssid) {
            if let AlertDecision::Ring { chat, reason, near_since, .. } = decision {
                assert_eq!((reason, near_since), (StrangerReason::NeverSeen, at(0)));
                rings.push((second, chat));
            }
        }
    }
    rings
}

#[test]
fn a_doorbell_rings_once_after_the_stay() {
    let mut scene = Scene::new();
    scene.say(doorbell(CHAT, false)).say(doorbell(OTHER, false));
    assert_eq!(rings(&mut scene, None), [(180, CHAT), (180, OTHER)]);
    // A second less is too short.
    let mut scene = Scene::new();
    scene.say(doorbell(CHAT, false));
    scene.see(1, 0, None);
    assert_eq!(scene.see(1, 179, None), []);
    assert_eq!(scene.see(1, 180, None).len(), 1);
    // A frame of before is none of a stay.
    let mut scene = Scene::new();
    scene.say(doorbell(CHAT, false));
    scene.see(1, 1_000, None);
    assert_eq!(scene.see(1, 500, None), []);
}

#[test]
fn a_doorbell_rings_for_nobody_who_is_known_or_ignored_and_beside_no_other_alert() {
    let mut scene = Scene::new();
    scene.say(doorbell(CHAT, false)).say(doorbell(OTHER, false)).ignore(CHAT, 1);
    assert_eq!(rings(&mut scene, None), [(180, OTHER)]);
    let mut scene = Scene::new();
    let (name, by) = ("Anna".to_owned(), NamedBy::Chat);
    scene.say(doorbell(CHAT, false)).say(EventKind::Name { address: address(1), name, by });
    assert_eq!(rings(&mut scene, None), []);
    // A chat gets another alert with the frame, here or elsewhere.
    let mut scene = Scene::new();
    scene.policy.cooldown = Duration::from_secs(200);
    scene.say(doorbell(CHAT, false)).watch(OTHER, "Depot", "van");
    assert_eq!(rings(&mut scene, Some("Depot")), []);
    // It is the first time, more than a day after which it is no stranger.
    let mut scene = Scene::new();
    scene.see(1, -100_000, None);
    scene.say(doorbell(CHAT, false));
    assert_eq!(rings(&mut scene, None), []);
}

#[test]
fn a_doorbell_for_quiet_hours_rings_in_them_or_always_if_there_are_none() {
    let is_quiet = |from: i64, to: i64| QuietHours::new(move |time| (at(from)..at(to)).contains(&time));
    for (only_in_quiet_hours, quiet_hours, rung) in [
        (true, None, Some(180)),
        (true, Some(is_quiet(300, 1_000)), Some(300)),
        (true, Some(is_quiet(2_000, 3_000)), None),
        (false, Some(is_quiet(2_000, 3_000)), Some(180)),
    ] {
        let mut scene = Scene::new();
        scene.policy.quiet_hours = quiet_hours;
        scene.say(doorbell(CHAT, only_in_quiet_hours));
        let expected: Vec<_> = rung.map(|second| (second, CHAT)).into_iter().collect();
        assert_eq!(rings(&mut scene, None), expected);
    }
}

#[test]
fn a_stranger_leaves_after_fifteen_minutes_and_what_is_shown_is_no_further_alert() {
    for (prepare, outcome) in [
        (None, AlertOutcome::Raise),
        // The alert about its visit waits, and becomes one with it.
        (Some(EventKind::Mute { chat: CHAT, until: Timestamp::MAX }), AlertOutcome::Raise),
        (Some(EventKind::Ignore { chat: CHAT, device: device(1), members: Vec::new() }), AlertOutcome::Skip),
    ] {
        let mut scene = Scene::new();
        scene.say(doorbell(CHAT, false));
        assert_eq!(rings(&mut scene, None).len(), 1);
        if let Some(kind) = prepare {
            scene.say(kind);
        }
        assert_eq!(scene.depart(600 + 899), []);
        let left = scene.depart(600 + 900);
        let [EventKind::StrangerLeft { chat: CHAT, first, last_seen, outcome: found, source, .. }] =
            &left[..]
        else {
            panic!("{left:?}");
        };
        assert_eq!((*first, *last_seen, *source, *found), (at(0), at(600), address(1), outcome));
        assert_eq!(scene.depart(10_000), []);
    }
    // Nor does a chat get it that is configured no more.
    let mut scene = Scene::new();
    scene.say(doorbell(CHAT, false));
    rings(&mut scene, None);
    scene.policy.chats = vec![OTHER];
    let left = scene.depart(1_500);
    assert!(matches!(left[..], [EventKind::StrangerLeft { outcome: AlertOutcome::Skip, .. }]), "{left:?}");
    // After a gap in the capture, the silence counts from its end.
    let mut scene = Scene::new();
    scene.say(doorbell(CHAT, false));
    rings(&mut scene, None);
    scene.policy.capturing_since = Some(at(1_000));
    assert_eq!((scene.depart(1_899).len(), scene.depart(1_900).len()), (0, 1));
}

#[test]
fn a_device_is_here_when_it_is_followed_if_its_last_frame_is_recent() {
    for (second, is_here) in [(159, true), (160, false), (41, true), (40, false)] {
        let mut scene = Scene::new();
        scene.see(1, 100, None);
        let follow =
            EventKind::Follow { chat: CHAT, device: device(1), silence_seconds: 60, members: Vec::new() };
        scene.fold(&Event::new(at(second), follow));
        assert_eq!(scene.state.follows().get(&device(1), CHAT).map(|follow| follow.is_here), Some(is_here));
    }
}

//! Strangers: visitors that are unusual by what was learned in three weeks, with the reason; none that is named or
//! ignored. A doorbell rings once for each that stays near.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dot11::{MacAddr, RequestedSsid};
use probewatch::chat::views::alerts as words;
use probewatch::text::Text;
use store::event::{
    AlertDecision, ChatId, DeviceKey, Event, EventKind, NamedBy, Offset, Probe, StrangerReason, Timestamp,
};
use store::state::{AlertPolicy, EndedVisit, Presence, QuietHours, State};

use crate::commands::{Data, stdout};
use crate::support::frames::ProbeRequestFrame;
use crate::support::recorder::{Input, Running, probe, settings};
use crate::support::service::toml_string;
use crate::support::testbed::{CHAT, Mode, Testbed};

const HOUR: u64 = 3600 * 1_000_000;
const DAY: u64 = 24 * HOUR;
const FIXED: &str = "00:23:a7:19:5c:02";

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

/// The frames of ten minutes from `start_us` on.
fn visit(start_us: u64, sequence: u16, frame: &ProbeRequestFrame) -> Vec<(u64, Vec<u8>)> {
    let at = |minute: u16| start_us + u64::from(minute) * HOUR / 60;
    (0..=10).map(|minute| (at(minute), frame.clone().sequence(sequence + minute).build())).collect()
}

/// A phone of the household's model.
fn phone(number: u8) -> ProbeRequestFrame {
    ProbeRequestFrame::from_octets([0xda, 0xa1, 0x19, 0, 0, number]).wildcard()
}

/// Three weeks of a phone that is here at the same hour each day, each time with another random address; then three
/// visitors of last night.
fn three_weeks() -> Data {
    let usual_hour = now_us() - 12 * HOUR;
    let days = (0..=21_u8).map(|day| {
        visit(usual_hour - u64::from(21 - day) * DAY, u16::from(day) * 150, &phone(day).signal(-40))
    });
    let mut frames: Vec<(u64, Vec<u8>)> = days.flatten().collect();
    frames.extend(visit(now_us() - 5 * HOUR, 1000, &phone(100).signal(-71)));
    frames.extend(visit(now_us() - 4 * HOUR, 2000, &phone(101).signal(-72).element(255, [35, 1])));
    frames.extend(visit(now_us() - 3 * HOUR, 3000, &ProbeRequestFrame::new(FIXED).signal(-73)));
    Data::new(&frames)
}

#[test]
fn lists_the_unusual_visitors_of_a_day_with_their_reasons() {
    let data = three_weeks();
    let ask = |input: &str| stdout(&data.run(&["chat"], input));
    let list = ask("/strangers\n");
    let lines: Vec<&str> = list.lines().filter(|line| line.contains(". ")).collect();
    let expected = [
        (FIXED, "for 10 min 0 s, strongest -73 dBm; a device that I do not remember from before"),
        ("phone ", "for 10 min 0 s, strongest -72 dBm; a model that I do not remember from before"),
        (
            "phone ",
            "for 10 min 0 s, strongest -71 dBm; no phone of this model was here around this hour of the week before, in \
             3 weeks",
        ),
    ];
    assert_eq!(lines.len(), 3, "{list}");
    for (line, (who, what)) in lines.iter().zip(expected) {
        assert!(line.contains(who) && line.ends_with(what), "{line}\n{list}");
    }
    assert!(!list.contains("I have learned"), "{list}");
    // What is named or ignored is no stranger.
    let list = ask(&format!("/name {FIXED} Van\n/ignore da:a1:19:00:00:64\n/strangers\n"));
    assert!(list.contains("a model that I do not remember"), "{list}");
    assert!(
        !list.contains("a device that I do not remember") && !list.contains("around this hour"),
        "{list}"
    );
}

#[test]
fn a_fixed_address_is_a_stranger_for_a_day_and_may_have_visited_twice() {
    const TWICE: &str = "00:23:a7:19:5c:03";
    const KNOWN: &str = "00:23:a7:19:5c:04";
    let seen = |source: &str, ago: u64| {
        [0, 15].map(|second| (now_us() - ago + second * 1_000_000, ProbeRequestFrame::new(source).build()))
    };
    let visits = [(KNOWN, 30 * HOUR), (TWICE, 22 * HOUR), (FIXED, 2 * HOUR), (TWICE, HOUR), (KNOWN, HOUR)];
    let frames: Vec<(u64, Vec<u8>)> = visits.iter().flat_map(|(source, ago)| seen(source, *ago)).collect();
    let data = Data::new(&frames);
    let ask = |input: &str| stdout(&data.run(&["chat"], input));
    let list = ask("/strangers\n");
    let line = |source: &str, text: &str| {
        text.lines().find(|line| line.contains(source)).unwrap_or_default().to_owned()
    };
    assert!(line(FIXED, &list).contains(", for 15 s"), "{list}");
    let twice = line(TWICE, &list);
    assert!(twice.contains(": first seen ") && twice.contains(", last seen "), "{list}");
    assert!(twice.contains(", maybe in several visits") && !twice.contains(" for "), "{list}");
    assert!(!list.contains(KNOWN), "{list}");
    // The last five hours, written with their days.
    let day = |ago: u64| {
        let time = UNIX_EPOCH + Duration::from_micros(now_us() - ago);
        chrono::DateTime::<chrono::Utc>::from(time)
            .with_timezone(&chrono_tz::Europe::Berlin)
            .format("%F %H:%M")
            .to_string()
    };
    let between = format!("/between {} {}\n", day(5 * HOUR), day(0));
    let who = ask(&between);
    assert!(who.contains("2 strangers, then the others"), "{who}");
    assert!(!line(FIXED, &who).contains("first seen "), "{who}");
    assert!(line(TWICE, &who).contains(". Stranger: a new device, first seen "), "{who}");
    assert!(line(KNOWN, &who).contains(KNOWN) && !line(KNOWN, &who).contains("Stranger"), "{who}");
    // Both lists leave out whom the chat ignores.
    let both = ask(&format!("/ignore {TWICE}\n/strangers\n{between}"));
    assert!(both.contains("1 stranger, then the others") && !both.contains("maybe in several"), "{both}");
}

#[test]
fn says_that_it_has_not_learned_for_long() {
    let usual = visit(now_us() - 25 * HOUR, 0, &phone(1));
    let data = Data::new(&[usual, visit(now_us() - 5 * HOUR, 900, &phone(2))].concat());
    let list = stdout(&data.run(&["chat"], "/strangers\n/strangers 7d\n/strangers 30d\n"));
    assert!(list.contains("🕵 No strangers in the last day.\nI have learned for less than a day."), "{list}");
    assert!(list.contains("🕵 Strangers in the last 7 days") && list.contains("1. phone "), "{list}");
    assert!(list.contains("“30d” is not a period. Write 24h or 7d."), "{list}");
}

const CHAT_ID: ChatId = ChatId(CHAT);
const SECOND: i64 = 1_000_000;

/// A state that is folded by hand, with no clock but the probes', and a doorbell: -65 dBm for three minutes.
struct Folded {
    state: State,
    policy: AlertPolicy,
}

impl Folded {
    fn new() -> Self {
        let policy = AlertPolicy {
            chats: vec![CHAT_ID],
            cooldown: Duration::from_secs(600),
            max_age: Duration::MAX,
            capturing_since: Some(Timestamp::from_micros(0)),
            quiet_hours: None,
        };
        let mut folded = Self { state: State::default(), policy };
        folded.change(
            0,
            EventKind::Doorbell {
                chat: CHAT_ID,
                min_dbm: -65,
                stay_seconds: 180,
                only_in_quiet_hours: false,
            },
        );
        folded
    }

    fn change(&mut self, second: i64, kind: EventKind) {
        self.fold(&Event::new(Timestamp::from_micros(second * SECOND), kind));
    }

    fn fold(&mut self, event: &Event) {
        self.state.fold(self.state.next_offset(), event);
    }

    /// A frame of this address; returns the rings.
    fn see(&mut self, source: MacAddr, second: i64, dbm: i8) -> Vec<AlertDecision> {
        let mut probe = probe(source, RequestedSsid::Wildcard, second * SECOND);
        probe.signal_dbm = Some(dbm);
        probe.alerts = self.state.decide_alerts(&probe, &self.policy);
        let alerts = probe.alerts.clone();
        self.fold(&Event::from(probe));
        alerts
    }

    /// Frames every 30 seconds; returns the seconds at which the doorbell rang.
    fn stay(&mut self, source: MacAddr, seconds: std::ops::RangeInclusive<i64>, dbm: i8) -> Vec<i64> {
        seconds.step_by(30).filter(|second| !self.see(source, *second, dbm).is_empty()).collect()
    }

    /// What the strangers that have left by then give, which is folded in.
    fn leave(&mut self, second: i64) -> usize {
        let left = self.state.departures(Timestamp::from_micros(second * SECOND), &self.policy);
        left.iter().for_each(|event| self.fold(event));
        left.len()
    }

    fn presences(&self) -> Vec<Presence> {
        let waiting = self.state.alerts().waiting_for(CHAT_ID);
        waiting.filter_map(|(_, alert)| alert.presence.clone()).collect()
    }
}

fn fixed() -> MacAddr {
    FIXED.parse().unwrap()
}

fn random(last: u8) -> MacAddr {
    MacAddr::new([0xda, 0xa1, 0x19, 0, 0, last])
}

#[test]
fn a_doorbell_rings_once_in_a_visit_and_says_when_the_stranger_has_left() {
    let mut folded = Folded::new();
    assert_eq!(folded.stay(fixed(), 0..=1200, -60), [180]);
    assert_eq!((folded.leave(1200 + 899), folded.leave(1200 + 900), folded.leave(9999)), (0, 1, 0));
    // Back within two hours it is the same visit, and later it was seen before.
    assert_eq!(folded.stay(fixed(), 4000..=5000, -60), [0_i64; 0]);
    assert_eq!(folded.stay(fixed(), 90_000..=91_000, -60), [0_i64; 0]);
    let at = |second: i64| Timestamp::from_micros(second * SECOND);
    let (phone, reason) = (None, StrangerReason::NeverSeen);
    let expected = [
        Presence::Stranger { phone, reason, near_since: at(0) },
        Presence::StrangerLeft {
            phone,
            first: at(0),
            last_seen: at(1200),
            visit: Some(EndedVisit {
                offset: Offset(7),
                reason,
                near_since: at(0),
                strongest_dbm: Some(-60),
            }),
        },
    ];
    assert_eq!(folded.presences(), expected);
    let waiting = folded.state.alerts().waiting_for(CHAT_ID);
    let texts: Vec<String> = waiting
        .map(|(_, alert)| words::alert(alert, None.into(), (alert.time, chrono_tz::Tz::UTC)).text.to_string())
        .collect();
    let near = format!(
        "📣 A stranger is near: {FIXED}, since 1970-01-01 00:00:00 UTC\nWhy it is a stranger: a device that I do not \
         remember from before\nVendor: Redpine Signals, Signal: -60 dBm"
    );
    let left = format!(
        "📣 A stranger was near: {FIXED}, since 1970-01-01 00:00:00 UTC\nLeft at 00:20 after 20 min 0 s, strongest -60 \
         dBm\nWhy it was a stranger: a device that I do not remember from before\nVendor: Redpine Signals"
    );
    assert_eq!(texts, [near, left]);
}

#[test]
fn an_alert_about_a_second_visit_says_when_the_device_was_first_seen() {
    let mut folded = Folded::new();
    assert_eq!(folded.stay(fixed(), 0..=1200, -60), [180]);
    folded.leave(3000);
    let first = "Why it is a stranger: a device that I do not remember from before\n";
    let again = "Why it is a stranger: a new device, first seen 1970-01-01 00:00:00 UTC\n";
    let says = |folded: &Folded, text: &str| {
        let waiting = folded.state.alerts().waiting_for(CHAT_ID);
        let device = words::AlertDevice::of(&folded.state, fixed());
        waiting.last().is_some_and(|(_, alert)| {
            let alert = words::alert(alert, device, (alert.time, chrono_tz::Tz::UTC)).text.to_string();
            assert!(alert.contains(text), "{alert}");
            true
        })
    };
    let was = |text: &str| text.replace(" is a ", " was a ");
    assert!(says(&folded, &was(first)));
    assert_eq!(folded.stay(fixed(), 20_000..=20_300, -60), [20_180]);
    assert!(says(&folded, again));
    folded.leave(30_000);
    assert!(says(&folded, &was(again)));
    // Alerts that come together say the same.
    let device = words::AlertDevice::of(&folded.state, fixed());
    let alerts: Vec<_> = folded.state.alerts().waiting_for(CHAT_ID).collect();
    let (offset, alert) = alerts.iter().rev().nth(1).unwrap();
    let now = (Timestamp::from_micros(21_000 * SECOND), chrono_tz::Tz::UTC);
    let digest = words::digest(
        &[(*offset, *alert, device)],
        words::burst_headline,
        words::Rest::Counted(Text::default()),
        now,
    );
    let text = digest.answer.text.to_string();
    assert!(text.contains(", a stranger, is near: a new device, first seen 00:00:00 ("), "{text}");
}

#[test]
fn a_doorbell_rings_for_a_phone_that_changes_its_address() {
    let mut folded = Folded::new();
    let rang: Vec<i64> = (0..10_u8)
        .filter_map(|number| {
            let second = i64::from(number) * 40;
            (!folded.see(random(number), second, -50).is_empty()).then_some(second)
        })
        .collect();
    assert_eq!(rang, [200]);
    let phone = folded.state.grouping().group_of(random(0));
    assert!(phone.is_some());
    let presences = folded.presences();
    assert!(
        matches!(presences.as_slice(), [Presence::Stranger { phone: of, .. }] if *of == phone),
        "{presences:?}"
    );
}

#[test]
fn a_doorbell_does_not_ring_for_weak_short_named_or_ignored_visitors() {
    assert_eq!(Folded::new().stay(fixed(), 0..=1200, -66), [0_i64; 0]);
    assert_eq!(Folded::new().stay(fixed(), 0..=170, -60), [0_i64; 0]);
    // It goes away in between.
    let mut folded = Folded::new();
    assert_eq!(folded.stay(fixed(), 0..=120, -60), [0_i64; 0]);
    assert_eq!(folded.stay(fixed(), 150..=600, -80), [0_i64; 0]);
    assert_eq!(folded.stay(fixed(), 630..=1200, -50), [870]);
    // One weak frame is not going away.
    let mut folded = Folded::new();
    folded.stay(fixed(), 0..=90, -55);
    folded.see(fixed(), 100, -80);
    assert_eq!(folded.stay(fixed(), 120..=240, -55), [180]);
    let name = EventKind::Name { address: fixed(), name: "Van".to_owned(), by: NamedBy::Chat };
    let ignore =
        EventKind::Ignore { chat: CHAT_ID, device: DeviceKey::Address(fixed()), members: Vec::new() };
    for kind in [name, ignore, EventKind::DoorbellOff { chat: CHAT_ID }] {
        let mut folded = Folded::new();
        folded.stay(fixed(), 0..=60, -60);
        folded.change(61, kind);
        assert_eq!(folded.stay(fixed(), 90..=1200, -60), [0_i64; 0]);
        assert_eq!(folded.leave(9999), 0);
    }
}

#[test]
fn a_doorbell_for_quiet_hours_rings_only_then() {
    let mut folded = Folded::new();
    let (chat, min_dbm, stay_seconds) = (CHAT_ID, -65, 180);
    folded.change(0, EventKind::Doorbell { chat, min_dbm, stay_seconds, only_in_quiet_hours: true });
    let quiet = |time: Timestamp| time.as_micros() >= 600 * SECOND;
    folded.policy.quiet_hours = Some(QuietHours::new(quiet));
    assert_eq!(folded.stay(fixed(), 0..=1200, -60), [600]);
    // The settings of the configuration are gone.
    let mut folded = Folded::new();
    folded.change(0, EventKind::Doorbell { chat, min_dbm, stay_seconds, only_in_quiet_hours: true });
    assert_eq!(folded.stay(fixed(), 0..=1200, -60), [180]);
}

#[test]
fn a_mute_counts_a_ring_and_says_nothing_of_the_departure() {
    let mut folded = Folded::new();
    let until = Timestamp::from_micros(600 * SECOND);
    folded.change(0, EventKind::Mute { chat: CHAT_ID, until });
    assert_eq!(folded.stay(fixed(), 0..=1200, -60), [180]);
    assert_eq!(folded.leave(9999), 0);
    assert_eq!(folded.state.mutes().get(CHAT_ID).unwrap().suppressed, 1);
    assert_eq!(folded.state.alerts().waiting(), 0);
}

/// Records a stranger that has been near for five minutes, and a doorbell.
fn record_a_visit(data_dir: &Path) {
    let running = Running::start(settings(data_dir));
    let now = Timestamp::now();
    let doorbell =
        EventKind::Doorbell { chat: CHAT_ID, min_dbm: -65, stay_seconds: 600, only_in_quiet_hours: false };
    running.record(&Input::Change(Event::new(now, doorbell)));
    for minute in (0..=5).rev() {
        let time = now.saturating_sub(Duration::from_secs(60 * minute)).as_micros();
        let near = Probe { signal_dbm: Some(-60), ..probe(fixed(), RequestedSsid::Wildcard, time) };
        running.record(&Input::Probe(near));
    }
    running.sync();
    running.stop();
}

#[test]
fn a_stranger_that_stays_rings_the_doorbell_once_whatever_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record_a_visit(&data_dir);
    let set = toml_string(data_dir.to_str().unwrap());
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.set("", "data_dir", &set)) else {
        return;
    };
    assert!(testbed.ask("/doorbell").plain.contains("(-65 dBm or stronger) for 10 minutes"));
    testbed.transmit(FIXED, "");
    testbed.ask_until(FIXED, "Probe count: 7 (");
    assert!(testbed.alerts().is_empty(), "it has been near for five minutes only");
    // Alice's phone has a name, so it is no stranger, and its signal is what is near.
    testbed.transmit("a4:83:e7:4e:39:15", "");
    testbed.ask_until("a4:83:e7:4e:39:15", "Probe count: 1 (");
    let on = testbed.ask("/doorbell on 3m").plain;
    assert!(on.contains("(-61 dBm or stronger) for 3 minutes"), "{on}");
    assert!(on.contains("I have learned for less than a day."), "{on}");
    testbed.ask("/doorbell on -65 3m");
    testbed.transmit(FIXED, "");
    let alert = testbed.wait_for_alert(1);
    assert!(alert.plain.starts_with(&format!("📣 A stranger is near: {FIXED}, since ")), "{}", alert.plain);
    assert!(alert.plain.contains("Why it is a stranger: a device that I do not remember"), "{}", alert.plain);
    let labels: Vec<String> = alert.buttons().into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["🔕 Mute 1 h", "✏️ Name it", "🙈 Ignore device", "📇 Card"]);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    testbed.kill_and_restart();
    testbed.transmit(FIXED, "");
    testbed.ask_until(FIXED, "Probe count: 9 (");
    assert_eq!(testbed.ask("/doorbell off").plain, "🚪 The doorbell is off. No more alerts about strangers.");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(testbed.alerts().len(), 1);
    testbed.api.assert_clean();
}

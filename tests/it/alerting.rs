//! A chat gets exactly the alerts that it subscribed to: networks by pattern, devices that arrive and leave. They
//! arrive in few messages, never for ignored devices, and not during a mute or quiet hours.

use std::path::Path;
use std::time::Duration;

use dot11::{MacAddr, RequestedSsid, Ssid};
use probewatch::chat::views::alerts as words;
use probewatch::text::Text;
use serde_json::Value;
use store::event::{
    AlertDecision, AlertOutcome, ChatId, DeviceKey, Event, EventKind, NamedBy, Offset, Pattern, Probe,
    Timestamp,
};
use store::recorder::RecorderSettings;
use store::state::{Alert, AlertPolicy, Presence, State};

use crate::support::bot_api::SentMessage;
use crate::support::recorder::{CHATS, Input, Running, events, probe, settings};
use crate::support::service::toml_string;
use crate::support::tap_radio::TapRadio;
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::wait;

const VAN: &str = "00:23:a7:19:5c:02";
const ZONE: chrono_tz::Tz = chrono_tz::Tz::UTC;
const OWNER: ChatId = CHATS[0];

fn van() -> MacAddr {
    VAN.parse().unwrap()
}

fn minutes(count: i64) -> i64 {
    count * 60_000_000
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// The day on which the test alerts are shown.
fn today() -> (Timestamp, chrono_tz::Tz) {
    (time(0), ZONE)
}

fn asks(source: MacAddr, ssid: &str, micros: i64) -> Probe {
    probe(source, RequestedSsid::Named(Ssid::from(ssid)), micros)
}

/// The labels and data of the buttons under a message.
fn buttons(message: &SentMessage) -> Vec<(String, String)> {
    let rows = message.raw["reply_markup"]["inline_keyboard"].as_array().cloned().unwrap_or_default();
    let text = |button: &Value, field: &str| button[field].as_str().unwrap().to_owned();
    let all = rows.iter().flat_map(|row| row.as_array().unwrap());
    all.map(|button| (text(button, "text"), text(button, "callback_data"))).collect()
}

/// A state without a recorder. Its only clock is the time of the probes.
struct Folded {
    state: State,
    policy: AlertPolicy,
}

impl Folded {
    fn new() -> Self {
        let policy = AlertPolicy {
            chats: vec![OWNER],
            cooldown: Duration::from_secs(600),
            max_age: Duration::MAX,
            capturing_since: Some(time(0)),
            quiet_hours: None,
        };
        Self { state: State::default(), policy }
    }

    fn fold(&mut self, event: Event) {
        let offset = self.state.next_offset();
        self.state.fold(offset, &event);
    }

    fn receive(&mut self, mut probe: Probe) -> Vec<AlertDecision> {
        probe.alerts = self.state.decide_alerts(&probe, &self.policy);
        let alerts = probe.alerts.clone();
        self.fold(Event::from(probe));
        alerts
    }

    /// Folds in the departures at this time and returns their number.
    fn fold_departures(&mut self, micros: i64) -> usize {
        let left = self.state.departures(time(micros), &self.policy);
        let count = left.len();
        left.into_iter().for_each(|event| self.fold(event));
        count
    }

    fn follow(&mut self, device: DeviceKey, micros: i64) {
        self.fold(Event::new(
            time(micros),
            EventKind::Follow { chat: OWNER, device, silence_seconds: 900, members: Vec::new() },
        ));
    }

    fn presences(&self) -> Vec<Presence> {
        let waiting = self.state.alerts().waiting_for(OWNER);
        waiting.filter_map(|(_, alert)| alert.presence.clone()).collect()
    }
}

fn arrived(silent_minutes: u64) -> AlertDecision {
    let silent_seconds = Some(silent_minutes * 60);
    AlertDecision::Arrive { chat: OWNER, silent_seconds, outcome: AlertOutcome::Raise }
}

#[test]
fn a_followed_device_arrives_and_leaves_once_each() {
    let mut folded = Folded::new();
    let wildcard = |at: i64| probe(van(), RequestedSsid::Wildcard, minutes(at));
    folded.receive(wildcard(1));
    folded.follow(DeviceKey::Address(van()), minutes(2));
    // It has been here since before the follow, so there is no alert.
    assert_eq!(folded.receive(wildcard(3)), []);
    assert_eq!(folded.fold_departures(minutes(17)), 0);
    assert_eq!(folded.fold_departures(minutes(18)), 1);
    assert_eq!(folded.fold_departures(minutes(40)), 0);
    assert_eq!(folded.receive(wildcard(63)), [arrived(60)]);
    assert_eq!(folded.receive(wildcard(64)), []);
    // Silent for long enough, although no departure was checked meanwhile.
    assert_eq!(folded.receive(wildcard(80)), [arrived(16)]);
    let left = Presence::Left { last_seen: time(minutes(3)) };
    let back = |silent: u64| Presence::Arrived { silent_seconds: Some(silent * 60) };
    assert_eq!(folded.presences(), [left, back(60), back(16)]);
}

#[test]
fn downtime_raises_no_arrival_and_no_departure() {
    let mut folded = Folded::new();
    let wildcard = |at: i64| probe(van(), RequestedSsid::Wildcard, minutes(at));
    folded.receive(wildcard(1));
    folded.follow(DeviceKey::Address(van()), minutes(2));
    // Down until minute 200: whether it was here is unknown, so the device has its silence period again after the
    // start.
    folded.policy.capturing_since = Some(time(minutes(200)));
    let mut gone = Folded { state: folded.state.clone(), policy: folded.policy.clone() };
    assert_eq!(folded.fold_departures(minutes(201)), 0);
    assert_eq!(folded.receive(wildcard(202)), []);
    // In the other state it sends no more. Its departure is raised once, with the time of its last probe.
    assert_eq!(
        (
            gone.fold_departures(minutes(214)),
            gone.fold_departures(minutes(215)),
            gone.fold_departures(minutes(300))
        ),
        (0, 1, 0)
    );
    gone.policy.capturing_since = Some(time(minutes(400)));
    assert_eq!(gone.fold_departures(minutes(500)), 0);
    assert_eq!(gone.receive(wildcard(501)), [arrived(500)]);
    // Without a capture, as in a command on the terminal, there are no departures.
    folded.policy.capturing_since = None;
    assert_eq!(folded.fold_departures(minutes(900)), 0);
}

#[test]
fn a_followed_name_covers_all_its_addresses() {
    let mut folded = Folded::new();
    let other = MacAddr::new([0xda, 0xa1, 0x19, 0, 0, 1]);
    let name = |address, name: &str| {
        Event::new(time(0), EventKind::Name { address, name: name.to_owned(), by: NamedBy::Chat })
    };
    folded.fold(name(van(), "Van"));
    folded.fold(name(other, "VAN"));
    folded.follow(DeviceKey::Name("van".to_owned()), 0);
    let first_arrival =
        AlertDecision::Arrive { chat: OWNER, silent_seconds: None, outcome: AlertOutcome::Raise };
    assert_eq!(folded.receive(probe(other, RequestedSsid::Wildcard, minutes(1))), [first_arrival]);
    assert_eq!(folded.receive(probe(van(), RequestedSsid::Wildcard, minutes(10))), []);
    assert_eq!(folded.fold_departures(minutes(20)), 0, "one of its addresses probed recently");
    assert_eq!(folded.fold_departures(minutes(25)), 1);
    // A probe that matches a watch and a follow raises one alert.
    folded
        .fold(Event::new(time(0), EventKind::Watch { chat: OWNER, ssid: Ssid::from("Depot"), reason: None }));
    assert_eq!(folded.receive(asks(van(), "Depot", minutes(60))).len(), 2);
    let (_, last) = folded.state.alerts().waiting_for(OWNER).last().unwrap();
    assert!(last.watch_match.is_some() && last.presence.is_some());
    assert_eq!(folded.state.alerts().waiting_for(OWNER).count(), 3);
}

#[test]
fn a_mute_counts_suppressed_alerts_but_not_ignored_devices() {
    let mut folded = Folded::new();
    folded
        .fold(Event::new(time(0), EventKind::Watch { chat: OWNER, ssid: Ssid::from("Depot"), reason: None }));
    folded.follow(DeviceKey::Address(van()), 0);
    folded.fold(Event::new(time(0), EventKind::Mute { chat: OWNER, until: time(minutes(60)) }));
    let muted = folded.receive(asks(van(), "Depot", minutes(1)));
    let arrival = AlertDecision::Arrive { chat: OWNER, silent_seconds: None, outcome: AlertOutcome::Skip };
    assert_eq!(muted, [AlertDecision::Mute { chat: OWNER }, arrival]);
    assert_eq!(folded.fold_departures(minutes(30)), 1);
    // The probe that matched a watch and a follow counts as one alert.
    assert_eq!(folded.state.mutes().get(OWNER).unwrap().suppressed, 2);
    assert_eq!(folded.state.alerts().waiting(), 0);
    let device = DeviceKey::Address(van());
    folded.fold(Event::new(
        time(0),
        EventKind::Ignore { chat: OWNER, device: device.clone(), members: Vec::new() },
    ));
    let skipped =
        AlertDecision::Arrive { chat: OWNER, silent_seconds: Some(39 * 60), outcome: AlertOutcome::Skip };
    assert_eq!(folded.receive(asks(van(), "Depot", minutes(40))), [skipped]);
    assert_eq!(folded.receive(asks(van(), "Depot", minutes(41))), []);
    folded.fold(Event::new(time(0), EventKind::Unignore { chat: OWNER, device }));
    folded.fold(Event::new(time(minutes(61)), EventKind::MuteReported { chat: OWNER, count: 2 }));
    assert!(folded.state.mutes().get(OWNER).is_none());
    assert!(!folded.receive(asks(van(), "Depot", minutes(62))).is_empty());
}

#[test]
fn a_device_that_arrives_during_a_mute_counts_as_present_afterwards() {
    let device = DeviceKey::Address(van());
    let wildcard = |at: i64| probe(van(), RequestedSsid::Wildcard, minutes(at));
    let ignore = || {
        Event::new(time(0), EventKind::Ignore { chat: OWNER, device: device.clone(), members: Vec::new() })
    };
    let unignore = || Event::new(time(0), EventKind::Unignore { chat: OWNER, device: device.clone() });
    let mute = || Event::new(time(0), EventKind::Mute { chat: OWNER, until: time(minutes(90)) });
    let unmute = || Event::new(time(0), EventKind::Unmute { chat: OWNER });
    for (begin, end) in [(ignore(), unignore()), (mute(), unmute())] {
        let mut folded = Folded::new();
        folded.receive(wildcard(1));
        folded.follow(device.clone(), minutes(2));
        folded.fold(begin);
        assert_eq!(folded.fold_departures(minutes(30)), 1);
        folded.receive(wildcard(60));
        assert!(folded.state.follows().get(&device, OWNER).unwrap().is_here);
        folded.fold(end);
        assert_eq!(folded.receive(wildcard(61)), [], "it has been here for a minute");
        assert_eq!(folded.fold_departures(minutes(80)), 1);
        assert_eq!(folded.presences(), [Presence::Left { last_seen: time(minutes(61)) }]);
    }
    // A chat that the configuration does not list for a while.
    let mut folded = Folded::new();
    folded.receive(wildcard(1));
    folded.follow(device.clone(), minutes(2));
    let served = std::mem::take(&mut folded.policy.chats);
    assert_eq!(folded.fold_departures(minutes(30)), 1);
    folded.receive(wildcard(60));
    folded.policy.chats = served;
    assert_eq!(folded.receive(wildcard(61)), []);
    assert_eq!(folded.state.alerts().waiting(), 0);
}

#[test]
fn a_probe_with_two_reasons_overflows_once() {
    let mut folded = Folded::new();
    folded
        .fold(Event::new(time(0), EventKind::Watch { chat: OWNER, ssid: Ssid::from("Depot"), reason: None }));
    let pattern = Pattern::new("net *");
    folded.fold(Event::new(time(0), EventKind::WatchPattern { chat: OWNER, pattern, reason: None }));
    let name = EventKind::Name { address: van(), name: "Van".to_owned(), by: NamedBy::Chat };
    folded.fold(Event::new(time(0), name));
    for number in 0..10 {
        folded.receive(asks(van(), &format!("net {number}"), minutes(20)));
    }
    folded.fold(Event::new(
        time(0),
        EventKind::OverflowReported { chat: OWNER, count: 5, flood: None, message: None },
    ));
    assert!(folded.state.alerts().overflow(OWNER).is_none(), "five alerts a minute about one device");
    folded.follow(DeviceKey::Name("van".to_owned()), 0);
    let arrival = AlertDecision::Arrive { chat: OWNER, silent_seconds: Some(1), outcome: AlertOutcome::Skip };
    let decided = folded.receive(asks(van(), "Depot", minutes(20) + 1_000_000));
    assert_eq!(decided, [AlertDecision::Overflow { chat: OWNER }, arrival]);
    assert_eq!(folded.state.alerts().overflow(OWNER).unwrap().count(), 1);
}

fn alert_of(number: u64, ssid: &str) -> Alert {
    let mut folded = Folded::new();
    let reason = Some("\u{1f4e1}<reason> ".repeat(10));
    folded.fold(Event::new(time(0), EventKind::Watch { chat: OWNER, ssid: Ssid::from(ssid), reason }));
    let [.., a, b] = number.to_be_bytes();
    folded.receive(asks(MacAddr::new([0, 0x23, 0xa7, 0, a, b]), ssid, number as i64 * 1_000_000));
    folded.state.alerts().waiting_for(OWNER).next().unwrap().1.clone()
}

#[test]
fn a_digest_is_cut_between_entries_and_lists_each_alert_once() {
    let alerts: Vec<Alert> = (0..120).map(|number| alert_of(number / 2, "Depot <7>")).collect();
    let mut left: Vec<_> =
        alerts.iter().zip(0..).map(|(alert, at)| (Offset(at), alert, None.into())).collect();
    let (mut messages, mut included) = (0, Vec::new());
    while !left.is_empty() {
        let digest = words::digest(&left, words::burst_headline, words::Rest::Left, today());
        assert!(digest.answer.text.length() <= 4096);
        let text = digest.answer.text.to_string();
        assert!(text.starts_with(&format!("📣 {} alerts\n", digest.included.len())), "{text}");
        assert_eq!(
            text.lines().count(),
            1 + digest.included.len() / 2,
            "two alerts of a device share one entry"
        );
        assert!(
            text.lines().skip(1).all(|line| line.contains("(2×)") && line.ends_with("Signals)")),
            "{text}"
        );
        assert!(!digest.included.is_empty());
        left.retain(|(offset, _, _)| !digest.included.contains(offset));
        included.extend(digest.included);
        messages += 1;
    }
    assert!((3..8).contains(&messages), "{messages}");
    included.sort_unstable();
    assert_eq!(included, (0..120).map(Offset).collect::<Vec<_>>());
    // In the morning there is one message, which counts the alerts that do not fit.
    let all: Vec<_> =
        alerts.iter().zip(0..).map(|(alert, at)| (Offset(at), alert, Some("Van").into())).collect();
    let digest = words::digest(&all, words::quiet_headline, words::Rest::Counted(Text::default()), today());
    assert_eq!(digest.included.len(), 120);
    let many: Vec<_> = alerts.iter().zip(0..).map(|(alert, at)| (Offset(at), alert, None.into())).collect();
    let digest = words::digest(&many, words::quiet_headline, words::Rest::Counted(Text::default()), today());
    let text = digest.answer.text.to_string();
    assert_eq!(digest.included.len(), 120);
    assert!(text.starts_with("📣 Good morning. 120 alerts during quiet hours:\n"), "{text}");
    assert!(text.ends_with(" more alerts") && digest.answer.text.length() <= 4096, "{text}");
}

#[test]
fn an_alert_for_a_pattern_shows_its_facts_and_buttons() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    assert!(testbed.ask("/watch Dep?t* the vans").plain.contains("every network that matches Dep?t*"));
    testbed.transmit(VAN, "Elsewhere");
    testbed.transmit(VAN, "Depot 7");
    let alert = testbed.wait_for_alert(1);
    let lines: Vec<&str> = alert.plain.lines().skip(1).collect();
    let why = "This SSID is watched by Dep?t* because: the vans";
    assert_eq!(lines, [why, "Vendor: Redpine Signals, Signal: -61 dBm"]);
    assert!(alert.plain.contains("looked for SSID \"Depot 7\""));
    let labels: Vec<String> = buttons(&alert).into_iter().map(|(label, _)| label).collect();
    assert_eq!(labels, ["🔕 Mute 1 h", "✏️ Name it", "🙈 Ignore device", "✋ Stop watching"]);
    // A mute suppresses the alert; its end reports how many there were.
    assert!(testbed.ask("/mute 2h").plain.contains("Muted until"));
    testbed.transmit("00:23:a7:19:5c:03", "Depot 8");
    testbed.ask_until("00:23:a7:19:5c:03", "Probe count: 1\n");
    assert!(testbed.ask("/unmute").plain.contains("1 alert was suppressed"));
    assert_eq!(testbed.alerts().len(), 1);
    testbed.api.assert_clean();
}

#[test]
fn a_burst_of_alerts_ends_in_a_digest() {
    let change = |config: crate::support::service::Config| config.set("alerts", "gather_seconds", "3");
    let Some(mut testbed) = Testbed::start(Mode::Webhook, change) else { return };
    testbed.ask("/watch Depot");
    for number in 0..12 {
        testbed.transmit(&format!("00:23:a7:00:00:{number:02x}"), "Depot");
    }
    testbed.ask_until("/status", "Probes: 12 (");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    let alerts = testbed.alerts();
    assert!(alerts.len() <= 4, "{}", alerts.len());
    let all: String = alerts.iter().map(|alert| alert.plain.as_str()).collect();
    for number in 0..12 {
        assert_eq!(all.matches(&format!("00:23:a7:00:00:{number:02x}")).count(), 1, "{all}");
    }
    assert!(alerts.iter().any(|alert| alert.plain.contains(" alerts\n• ")), "{all}");
    assert!(testbed.service.terminate().success());
    let logged = events(&testbed.service.data_dir());
    let delivered = logged.iter().filter(|(_, event)| matches!(event.kind, EventKind::Delivered { .. }));
    assert_eq!(delivered.count(), 12);
    testbed.api.assert_clean();
}

/// A device may raise five alerts a minute. The message about those beyond follows the digest with the last of the
/// five.
#[test]
fn the_number_of_further_alerts_follows_those_that_it_continues() {
    const LAMP: &str = "a4:83:e7:00:01:00";
    let change = |config: crate::support::service::Config| {
        config.set("alerts", "gather_seconds", "3").device(LAMP, "Lamp")
    };
    let Some(mut testbed) = Testbed::start(Mode::Webhook, change) else { return };
    testbed.ask("/watch Depot*");
    for number in 0..6 {
        testbed.transmit(LAMP, &format!("Depot{number}"));
    }
    testbed.api.wait_for_message(|message| message.plain.contains("and 1 more alert"));
    let alerts = testbed.alerts();
    let at = |part: &str| alerts.iter().position(|alert| alert.plain.contains(part));
    assert!(at("Depot4").unwrap() < at("and 1 more alert").unwrap(), "{alerts:?}");
    testbed.api.assert_clean();
}

#[test]
fn a_digest_has_the_buttons_of_its_alerts() {
    let labels = |alerts: &[(Alert, Option<&str>)]| {
        let waiting: Vec<_> =
            (0..).map(Offset).zip(alerts).map(|(at, (alert, name))| (at, alert, (*name).into())).collect();
        let digest = words::digest(&waiting, words::burst_headline, words::Rest::Left, today());
        let rows = digest.answer.buttons.iter().map(|row| row.iter().map(|button| button.label.as_str()));
        rows.map(|row| row.collect::<Vec<_>>().join(" | ")).collect::<Vec<_>>()
    };
    let of = |device: u64, ssid: &str| (alert_of(device, ssid), None);
    let (mute, ignore) = ("🔕 Mute 1 h", "🙈 Ignore device");
    let stop = |ssid: &str| format!("✋ Stop watching \"{ssid}\"");
    assert_eq!(
        labels(&[of(1, "Attic"), of(1, "Depot"), of(1, "Attic")]),
        ["🔕 Mute 1 h | ✏️ Name it", ignore, &stop("Attic"), &stop("Depot")]
    );
    let named = |device: u64, ssid: &str| (alert_of(device, ssid), Some("Van"));
    assert_eq!(labels(&[named(1, "Attic"), named(2, "Attic")]), [mute, ignore, &stop("Attic")]);
    assert_eq!(labels(&[of(1, "A"), of(2, "B"), of(2, "C")]), [mute, &stop("A"), &stop("B"), &stop("C")]);
    assert_eq!(labels(&[of(1, "A"), of(2, "B"), of(2, "C"), of(3, "D")]), [mute]);
}

/// Records 25 undelivered alerts of the last two hours, 5 that were too many, and one that a mute suppressed.
fn record_the_night(data_dir: &Path) {
    let running = Running::start(RecorderSettings { ..settings(data_dir) });
    let now = Timestamp::now().as_micros();
    let ssid = Ssid::from("Depot");
    let watch =
        Event::new(time(now), EventKind::Watch { chat: ChatId(CHAT), ssid, reason: Some("vans".into()) });
    running.record(&Input::Change(watch));
    for number in 0..5 {
        let source = MacAddr::new([0, 0x23, 0xa7, 0, 0, number]);
        let ago = minutes(110 - 10 * i64::from(number));
        running.record(&Input::Probe(asks(source, "Depot", now - ago)));
    }
    // In one minute, of which a chat gets 20 alerts.
    for number in 0..25 {
        let source = MacAddr::new([0, 0x23, 0xa7, 0, 1, number]);
        running.record(&Input::Probe(asks(source, "Depot", now - minutes(65) + i64::from(number))));
    }
    let mute = Event::new(time(now), EventKind::Mute { chat: ChatId(CHAT), until: time(now - minutes(40)) });
    running.record(&Input::Change(mute));
    running.record(&Input::Probe(asks(van(), "Depot", now - minutes(50))));
    running.sync();
    running.stop();
}

/// A value for `alerts.quiet`: from and to are minutes relative to now.
fn hours(from: i64, to: i64) -> String {
    let now = Timestamp::now().as_micros();
    let clock = |at: i64| time(now + minutes(at)).to_utc().format("%H:%M").to_string();
    toml_string(&format!("{}-{}", clock(from), clock(to)))
}

#[test]
fn quiet_hours_end_with_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record_the_night(&data_dir);
    let set = format!("{:?}", data_dir.to_str().unwrap());
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| {
        config.set("", "data_dir", &set).set("", "time_zone", &toml_string("UTC")).set(
            "alerts",
            "quiet",
            &hours(-180, 60),
        )
    }) else {
        return;
    };
    testbed.ask_until("/status", "Alerts waiting for Telegram: 25");
    testbed.transmit("00:23:a7:00:00:10", "Depot");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 26");
    assert!(testbed.alerts().is_empty());
    testbed.service.kill();
    testbed.service.restart_with(|config| config.set("alerts", "quiet", &hours(-180, -5)));
    testbed.wait_until_ready(2);
    let morning = testbed.api.wait_for_message(|message| message.plain.contains("Good morning"));
    assert!(
        morning.plain.starts_with("📣 Good morning. 25 alerts during quiet hours:\n• "),
        "{}",
        morning.plain
    );
    assert_eq!(morning.plain.lines().count(), 30);
    assert!(morning.plain.contains("\n\n📣 … and 5 more alerts, for 1 network"), "{}", morning.plain);
    assert!(
        morning.plain.contains("\n\n") && morning.plain.contains("1 alert was suppressed"),
        "{}",
        morning.plain
    );
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    let further = |message: &&SentMessage| {
        message.plain.contains("suppressed") || message.plain.contains("more alerts")
    };
    assert_eq!(testbed.api.sent().iter().filter(further).count(), 1);
    assert_eq!(testbed.alerts().len(), 2, "the alert after the quiet hours has its own message");
    assert!(testbed.service.terminate().success());
    let logged = events(&data_dir);
    let count = |is: fn(&Event) -> bool| logged.iter().filter(|(_, event)| is(event)).count();
    assert_eq!(count(|event| matches!(event.kind, EventKind::Delivered { .. })), 26);
    assert_eq!(count(|event| matches!(event.kind, EventKind::MuteReported { count: 1, .. })), 1);
    testbed.api.assert_clean();
}

#[test]
fn a_departure_is_raised_by_the_clock_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut settings = settings(folder.path());
        settings.alerts.capturing_since = Some(Timestamp::now());
        Running::start(settings)
    };
    let left = |running: &Running| {
        let state = running.handle.state();
        let waiting = state.alerts().waiting_for(OWNER);
        waiting.filter(|(_, alert)| matches!(alert.presence, Some(Presence::Left { .. }))).count()
    };
    let running = start();
    let now = Timestamp::now();
    running.record(&Input::Probe(probe(van(), RequestedSsid::Wildcard, now.as_micros())));
    let device = DeviceKey::Address(van());
    let follow =
        Event::new(now, EventKind::Follow { chat: OWNER, device, silence_seconds: 1, members: Vec::new() });
    running.record(&Input::Change(follow));
    wait::block_on(&running.runtime, "an alert", running.handle.alert_raised());
    assert_eq!(left(&running), 1);
    running.stop();
    let running = start();
    running.sync();
    assert_eq!(left(&running), 1);
    running.stop();
    let events = events(folder.path());
    assert_eq!(events.iter().filter(|(_, event)| matches!(event.kind, EventKind::Left { .. })).count(), 1);
}

#[test]
fn the_log_tells_which_sensors_received_probes() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(folder.path()));
    let sensor = std::sync::Arc::from("mon \"1\"");
    running.record(&Input::Probe(Probe { sensor, ..asks(van(), "Depot", minutes(1)) }));
    running.sync();
    let history = running.handle.history();
    let received = ["mon \"1\"", "mon", "Depot"].map(|sensor| history.has_probe_from(sensor).unwrap());
    assert_eq!(received, [true, false, false]);
    running.stop();
}

#[test]
fn a_failing_source_and_its_recovery_are_reported() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "Probe count: 1\n");
    let name = testbed.radio.name().to_owned();
    drop(std::mem::replace(&mut testbed.radio, TapRadio::unique("pwoth").unwrap()));
    let warning = testbed.api.wait_for_message(|message| message.plain.starts_with("⚠️ "));
    assert!(warning.plain.starts_with(&format!("⚠️ {name}: ")), "{}", warning.plain);
    assert_eq!(warning.raw.get("disable_notification"), None);
    testbed.radio = TapRadio::open(&name).unwrap();
    let recovered = testbed.api.wait_for_message(|message| message.plain.starts_with("✅ "));
    assert_eq!(recovered.plain, format!("✅ {name} is capturing again."));
    assert_eq!(recovered.raw["disable_notification"], true);
    testbed.api.assert_clean();
}

#[test]
fn a_source_that_failed_before_a_restart_gets_its_all_clear_after_it() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "Probe count: 1\n");
    let name = testbed.radio.name().to_owned();
    drop(std::mem::replace(&mut testbed.radio, TapRadio::unique("pwoth").unwrap()));
    testbed.api.wait_for_message(|message| message.plain.starts_with("⚠️ "));
    testbed.service.kill();
    testbed.radio = TapRadio::open(&name).unwrap();
    testbed.service.restart();
    testbed.wait_until_ready(2);
    testbed.ask("/status");
    let is_notice = |message: &&SentMessage| message.plain.starts_with(['⚠', '✅']);
    assert_eq!(testbed.api.sent().iter().filter(is_notice).count(), 1, "no frame came yet");
    testbed.transmit(VAN, "Depot");
    let recovered = testbed.api.wait_for_message(|message| message.plain.starts_with("✅ "));
    assert_eq!(recovered.plain, format!("✅ {name} is capturing again."));
    testbed.api.assert_clean();
}

/// Strangers that share a program's word for "no name" stay strangers.
#[test]
fn a_table_of_another_program_makes_no_device_of_several() {
    const OTHER: &str = "00:23:a7:19:5c:0a";
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("devices.csv");
    let rows = format!(
        "\"devMac\",\"devName\",\"devVendor\"\n\"{VAN}\",\"Prazno\",\"Redpine\"\n\"{OTHER}\",\"prazno\",\"Redpine\"\n\
         \"a4:83:e7:10:00:34\",\"Kitchen tablet\",\"Apple, Inc.\"\n"
    );
    std::fs::write(&table, rows).unwrap();
    let vendors = folder.path().join("vendors.csv");
    std::fs::write(&vendors, format!("{VAN},\"Redpine Signals, Inc.\"\n{OTHER},Intel Corporate\n")).unwrap();
    let [table, vendors] = [table, vendors].map(|path| toml_string(path.to_str().unwrap()));
    let list = format!("[{table}, {vendors}]");
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.set("names", "import", &list))
    else {
        return;
    };
    testbed.service.wait_for_log_event("name_file", &[("finding", "\"shared_name\"")]);
    testbed.service.wait_for_log_event("name_file", &[("finding", "\"no_name_column\"")]);
    testbed.service.wait_for_log_event("names_imported", &[("added", "1")]);
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, &format!("stats for {VAN}\n"));
    testbed.api.assert_clean();
}

/// What a DHCP server knows names the device, whichever server it is.
#[test]
fn leases_of_several_servers_name_devices() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("odhcpd", format!("# br-lan {} ipv4 delivery-van 4102444800 3e8 32 192.168.1.20/32\n", VAN.replace(':', ""))),
        (
            "kea-leases4.csv",
            "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n\
             10.0.0.1,a4:83:e7:10:00:01,,3600,1,1,0,0,kea&#x2cphone,0\n"
                .to_owned(),
        ),
        (
            "dhcpd.leases",
            "lease 10.0.0.2 {\n binding state active;\n hardware ethernet a4:83:e7:10:00:02;\n client-hostname \"isc\";\n}\n"
                .to_owned(),
        ),
        (
            "br0",
            "{\"BootID\":\"d7\",\"Leases\":[{\"Address\":[10,0,0,3],\"Hostname\":\"networkd\",\
             \"HardwareAddressType\":1,\"HardwareAddress\":[164,131,231,16,0,3]}]}\n"
                .to_owned(),
        ),
        ("static.conf", "dhcp-host=a4:83:e7:10:00:04,10.0.0.4,pihole\n".to_owned()),
    ];
    let paths = files.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        toml_string(path.to_str().unwrap())
    });
    let list = format!("[{}]", paths.join(", "));
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.set("names", "import", &list))
    else {
        return;
    };
    testbed.service.wait_for_log_event("names_imported", &[("added", "5")]);
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "stats for delivery-van\n");
    testbed.api.assert_clean();
}

#[test]
fn imported_names_yield_to_names_given_in_a_chat() {
    let folder = tempfile::tempdir().unwrap();
    let leases = folder.path().join("dhcp.leases");
    std::fs::write(&leases, format!("1767225600 {VAN} 192.168.1.7 delivery-van *\n")).unwrap();
    let list = format!("[{}]", toml_string(leases.to_str().unwrap()));
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.set("names", "import", &list))
    else {
        return;
    };
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "stats for delivery-van\n");
    testbed.ask(&format!("/name {VAN} Van"));
    testbed.ask_until(VAN, "stats for Van\n");
    assert!(testbed.ask(&format!("/unname {VAN}")).plain.contains("delivery-van"));
    assert!(testbed.ask(&format!("/unname {VAN}")).plain.contains("from an imported file"));
    // A start imports from several files, and removes names that are no longer in them or whose import is gone.
    testbed.service.kill();
    let (ethers, hosts) = (folder.path().join("ethers"), folder.path().join("hosts"));
    std::fs::write(&ethers, format!("{VAN} 192.168.1.7\n")).unwrap();
    std::fs::write(&hosts, "127.0.0.1 localhost\n192.168.1.7 van.lan van\n").unwrap();
    let two = [&ethers, &hosts].map(|path| toml_string(path.to_str().unwrap())).join(", ");
    testbed.service.restart_with(|config| config.set("names", "import", &format!("[{two}]")));
    testbed.wait_until_ready(2);
    testbed.ask_until(VAN, "stats for van.lan\n");
    testbed.service.kill();
    std::fs::write(&ethers, "00:23:a7:19:5c:09 192.168.1.7\n").unwrap();
    testbed.service.restart_with(|config| config);
    testbed.wait_until_ready(3);
    testbed.ask_until(VAN, &format!("stats for {VAN}\n"));
    testbed.service.kill();
    testbed.service.restart_with(|config| config.set("names", "import", "[]"));
    testbed.wait_until_ready(4);
    testbed
        .service
        .wait_for_log_event("names_imported", &[("added", "0"), ("changed", "0"), ("removed", "1")]);
    testbed.api.assert_clean();
}

//! A visit of a stranger is one message: the alert, which is edited while the visit lasts and when it has ended,
//! whatever restarts. If the message cannot be edited, a new one says how the visit ended.

use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use dot11::{MacAddr, RequestedSsid};
use store::event::{AlertOutcome, ChatId, DeviceKey, Event, EventKind, MessageId, Probe, Timestamp};
use store::state::State;

use crate::snapshots::snapshot;
use crate::support::bot_api::{Fault, Incoming, SentMessage};
use crate::support::recorder::{Input, Running, events, fold, probe, settings};
use crate::support::service::{Config, toml_string};
use crate::support::testbed::{CHAT, Mode, Testbed};

const CHAT_ID: ChatId = ChatId(CHAT);
const FIXED: &str = "00:23:a7:19:5c:02";

fn fixed() -> MacAddr {
    FIXED.parse().unwrap()
}

fn minutes_ago(minutes: u64) -> Timestamp {
    Timestamp::now().saturating_sub(Duration::from_secs(60 * minutes))
}

/// Records a stranger that came near ten minutes ago, for which the doorbell rang, and that was last seen five minutes
/// ago.
fn record_a_visit(data_dir: &Path) {
    record_a_visit_with(data_dir, false);
}

fn record_a_visit_with(data_dir: &Path, only_in_quiet_hours: bool) {
    let running = Running::start(settings(data_dir));
    let doorbell =
        EventKind::Doorbell { chat: CHAT_ID, min_dbm: -65, stay_seconds: 180, only_in_quiet_hours };
    running.record(&Input::Change(Event::new(minutes_ago(11), doorbell)));
    for minute in (5..=10).rev() {
        let time = minutes_ago(minute).as_micros();
        let near = Probe { signal_dbm: Some(-62), ..probe(fixed(), RequestedSsid::Wildcard, time) };
        running.record(&Input::Probe(near));
    }
    running.sync();
    running.stop();
}

/// Records that the stranger has left.
fn record_the_end(data_dir: &Path) {
    let running = Running::start(settings(data_dir));
    let left = EventKind::StrangerLeft {
        chat: CHAT_ID,
        device: DeviceKey::Address(fixed()),
        source: fixed(),
        first: minutes_ago(10),
        last_seen: minutes_ago(5),
        outcome: AlertOutcome::Raise,
    };
    running.record(&Input::Change(Event::new(Timestamp::now(), left)));
    running.sync();
    running.stop();
}

fn start(data_dir: &Path) -> Option<Testbed> {
    start_with(data_dir, |config| config)
}

fn start_with(data_dir: &Path, change: impl FnOnce(Config) -> Config) -> Option<Testbed> {
    let data_dir = toml_string(data_dir.to_str().unwrap());
    Testbed::start(Mode::Webhook, |config| {
        change(config.chats(&[CHAT]).set("", "time_zone", "\"UTC\"").set("", "data_dir", &data_dir))
    })
}

/// Quiet hours around this moment.
fn quiet_now() -> String {
    let clock = |hours: i64| (Utc::now() + TimeDelta::hours(hours)).format("%H:%M").to_string();
    format!("{}-{}", clock(-6), clock(6))
}

/// The messages that were sent about strangers, each time that it was sent or edited.
fn sent(testbed: &Testbed) -> Vec<(String, i64)> {
    testbed.alerts().into_iter().map(|message| (message.method, message.message_id)).collect()
}

/// The new ones of these.
fn new_messages(testbed: &Testbed) -> Vec<i64> {
    sent(testbed).into_iter().filter(|(method, _)| method == "sendMessage").map(|(_, id)| id).collect()
}

fn starts_with(message: &SentMessage, start: &str) -> bool {
    message.plain.starts_with(&format!("📣 {start}: {FIXED}, since "))
}

/// Waits for the edit that says that the stranger is still here after this many minutes.
fn wait_for_stay(testbed: &Testbed, minutes: u64) -> SentMessage {
    let stays = format!(", after {minutes} min ");
    let says = |text: &str| text.contains("Still here at ") && text.contains(&stays);
    testbed.api.wait_for_message(|message| says(&message.plain))
}

#[test]
fn one_message_says_that_a_stranger_is_near_stays_and_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record_a_visit(&data_dir);
    let Some(mut testbed) = start(&data_dir) else { return };
    let alert = testbed.wait_for_alert(1);
    assert!(
        starts_with(&alert, "A stranger is near") && !alert.plain.contains("Still here"),
        "{}",
        alert.plain
    );
    wait_for_stay(&testbed, 5);

    testbed.kill_and_restart();
    testbed.transmit(FIXED, "");
    let stays = wait_for_stay(&testbed, 10);
    assert_eq!((stays.method.as_str(), stays.message_id), ("editMessageText", alert.message_id));
    assert!(starts_with(&stays, "A stranger is near"), "{}", stays.plain);
    assert!(stays.plain.contains(", strongest -61 dBm\nWhy it is a stranger: a device"), "{}", stays.plain);
    assert_eq!(stays.buttons(), alert.buttons());

    // An edit that changed nothing after all is none that failed.
    testbed.api.fail_next("editMessageText", 1, Fault::NotModified);
    testbed.kill_and_restart_after(|| record_the_end(&data_dir));
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    testbed.kill_and_restart_after(|| record_the_end(&data_dir));
    let left = testbed.api.wait_for_message(|message| message.plain.contains("\nLeft at "));
    assert_eq!(left.message_id, alert.message_id);
    assert!(starts_with(&left, "A stranger was near"), "{}", left.plain);
    assert!(left.plain.contains(", strongest -61 dBm\nWhy it was a stranger: a device"), "{}", left.plain);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(new_messages(&testbed), [alert.message_id]);
    testbed.api.assert_clean();
}

#[test]
fn the_alert_of_a_second_visit_says_when_the_device_was_first_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let first = minutes_ago(300);
    let running = Running::start(settings(&data_dir));
    running.record(&Input::Probe(probe(fixed(), RequestedSsid::Wildcard, first.as_micros())));
    running.sync();
    running.stop();
    record_a_visit(&data_dir);
    let Some(testbed) = start(&data_dir) else { return };
    let alert = testbed.wait_for_alert(1);
    let why = format!("\nWhy it is a stranger: a new device, first seen {}", shown(first));
    assert!(starts_with(&alert, "A stranger is near") && alert.plain.contains(&why), "{}", alert.plain);
    testbed.api.assert_clean();
}

/// A time as messages show it.
fn shown(time: Timestamp) -> String {
    time.to_utc().format("%F %H:%M:%S UTC").to_string()
}

/// Has the doorbell ring for whoever is near for ten minutes.
fn turn_doorbell_on(running: &Running) {
    let (chat, min_dbm, stay_seconds) = (CHAT_ID, -65, 600);
    let doorbell = EventKind::Doorbell { chat, min_dbm, stay_seconds, only_in_quiet_hours: false };
    running.record(&Input::Change(Event::new(minutes_ago(21), doorbell)));
}

/// Says in the chat that this address is not of the phone with this card. Returns what the bot says then.
fn split_off(testbed: &Testbed, card: &SentMessage, address: MacAddr) -> SentMessage {
    // Meanwhile the alert's message may be edited.
    let press = |under: &SentMessage, label: &str| {
        let seen = testbed.api.sent().len();
        testbed.bring(Incoming::press(under, under.button(label)));
        testbed.api.wait_for_message_after(seen, |message| message.plain.starts_with("✂️ "))
    };
    let choice = press(card, "Not the same device");
    press(&choice, &address.to_string())
}

/// The random address of this number.
fn random(number: u8) -> MacAddr {
    MacAddr::new([0xda, 0xa1, 0x19, 0, 0, number])
}

#[test]
fn after_a_split_the_message_says_since_when_the_phone_that_stays_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let running = Running::start(settings(&data_dir));
    turn_doorbell_on(&running);
    // Taken for one phone: one leaves when the other has come.
    let came = minutes_ago(13);
    let stays = (12..=20).rev().map(|minute| (1, minutes_ago(minute)));
    let others = (3..=12).rev().map(|minute| (2, minutes_ago(minute)));
    for (number, time) in stays.chain([(2, came)]).chain(others) {
        let near = probe(random(number), RequestedSsid::Wildcard, time.as_micros());
        running.record(&Input::Probe(Probe { signal_dbm: Some(-60), ..near }));
    }
    running.sync();
    running.stop();
    let Some(mut testbed) = start(&data_dir) else { return };
    let alert = testbed.wait_for_alert(1);
    assert!(alert.plain.starts_with("📣 A stranger is near: phone "), "{}", alert.plain);
    assert!(!alert.plain.contains(&shown(came)), "{}", alert.plain);
    let card = testbed.ask(&random(2).to_string());
    split_off(&testbed, &card, random(1));
    testbed.kill_and_restart();
    // The age of a time that is shown live stands behind it.
    let since = format!(", since {} (", shown(came));
    let is_edited = |text: &str| text.contains(&since) && text.contains("\nStill here at ");
    let edited = testbed.api.wait_for_message(|message| is_edited(&message.plain));
    assert_eq!(edited.message_id, alert.message_id);
    testbed.api.assert_clean();
}

#[test]
fn after_a_split_the_message_is_about_the_phone_that_was_near() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let running = Running::start(settings(&data_dir));
    turn_doorbell_on(&running);
    let near = (9..=20).map(|minute| (minute, 1, -60));
    let mut frames: Vec<(u64, u8, i8)> = near.chain([(19, 2, -76), (14, 2, -76), (9, 2, -76)]).collect();
    frames.sort_by_key(|(minute, number, _)| (std::cmp::Reverse(*minute), *number));
    for (minute, number, dbm) in frames {
        let frame = probe(random(number), RequestedSsid::Wildcard, minutes_ago(minute).as_micros());
        running.record(&Input::Probe(Probe { signal_dbm: Some(dbm), ..frame }));
    }
    running.sync();
    running.stop();
    let Some(mut testbed) = start(&data_dir) else { return };
    let alert = testbed.wait_for_alert(1);
    assert!(alert.plain.starts_with("📣 A stranger is near: phone "), "{}", alert.plain);
    let card = testbed.ask(&random(2).to_string());
    let split = split_off(&testbed, &card, random(1));
    let (_, near) = split.plain.split_once("It is ").unwrap();
    let (near, _) = near.split_once(" from now on").unwrap();
    // It stays, and does not ring again.
    testbed.kill_and_restart();
    testbed.transmit(&random(1).to_string(), "");
    let about = format!(" is near: {near}, since ");
    let edited = testbed.api.wait_for_message(|message| message.plain.contains(&about));
    assert_eq!(edited.message_id, alert.message_id);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(new_messages(&testbed), [alert.message_id]);
    testbed.api.assert_clean();
}

#[test]
fn a_message_that_cannot_be_edited_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record_a_visit(&data_dir);
    let Some(mut testbed) = start(&data_dir) else { return };
    let alert = testbed.wait_for_alert(1);
    wait_for_stay(&testbed, 5);
    testbed.api.fail_next("editMessageText", 1, Fault::BadRequest);
    testbed.kill_and_restart_after(|| record_the_end(&data_dir));
    let left = testbed.api.wait_for_message(|message| starts_with(message, "A stranger was near"));
    assert!(left.message_id != alert.message_id, "it is a new message");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    // The stranger is back: the new message says so.
    testbed.transmit(FIXED, "");
    let back = wait_for_stay(&testbed, 10);
    assert_eq!(back.message_id, left.message_id);
    assert_eq!(new_messages(&testbed), [alert.message_id, left.message_id]);
    testbed.api.assert_clean();
}

#[test]
fn a_visit_that_ended_before_its_alert_was_sent_is_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record_a_visit(&data_dir);
    record_the_end(&data_dir);
    let Some(testbed) = start(&data_dir) else { return };
    let alert = testbed.wait_for_alert(1);
    assert!(
        starts_with(&alert, "A stranger was near") && alert.plain.contains("\nLeft at "),
        "{}",
        alert.plain
    );
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(sent(&testbed).len(), 1);
    testbed.api.assert_clean();
}

#[test]
fn a_doorbell_for_quiet_hours_does_not_wait_for_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    record_a_visit_with(&data_dir, true);
    let hours = quiet_now();
    let quiet = toml_string(&hours);
    let Some(mut testbed) = start_with(&data_dir, |config| config.set("alerts", "quiet", &quiet)) else {
        return;
    };
    let alert = testbed.wait_for_alert(1);
    assert!(starts_with(&alert, "A stranger is near"), "{}", alert.plain);
    let shown = testbed.ask("/doorbell").plain;
    let on = format!("🚪 The doorbell is on during quiet hours ({hours}): you get one alert when");
    assert!(shown.starts_with(&on) && shown.contains("do not wait"), "{shown}");
    // Another alert waits.
    testbed.ask("/watch Depot");
    testbed.transmit("00:23:a7:00:05:01", "Depot");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 1");
    let shown = testbed.ask("/doorbell on").plain;
    assert!(shown.contains(&format!("During quiet hours ({hours}) its alerts wait.")), "{shown}");
    assert_eq!(new_messages(&testbed), [alert.message_id]);
    testbed.api.assert_clean();
}

#[test]
fn a_doorbell_for_quiet_hours_needs_some() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[CHAT])) else { return };
    let refused = testbed.ask("/doorbell on quiet").plain;
    assert!(refused.starts_with("❌ This chat has no quiet hours"), "{refused}");
    assert!(testbed.ask("/doorbell").plain.starts_with("🚪 The doorbell is off."));
    testbed.api.assert_clean();
}

/// Another chat numbers its messages anew: an edit there would change a message about something else.
#[test]
fn a_visit_keeps_its_message_in_a_snapshot_and_loses_it_in_another_chat() {
    let folder = tempfile::tempdir().unwrap();
    record_a_visit(folder.path());
    let mut state = fold(&events(folder.path()));
    let change = |state: &mut State, kind| {
        state.fold(state.next_offset(), &Event::new(Timestamp::now(), kind));
    };
    let (alert, _) = state.alerts().waiting_for(CHAT_ID).next().unwrap();
    let message = Some(MessageId(7));
    change(&mut state, EventKind::Delivered { probe: alert, chat: CHAT_ID, message });
    assert_eq!(state.doorbells().message_of(CHAT_ID, alert), message);
    let restored = State::from_snapshot(snapshot(&state).as_slice()).unwrap();
    assert!(restored == state);
    let to = ChatId(-100_999);
    change(&mut state, EventKind::ChatMigrated { from: CHAT_ID, to });
    assert_eq!(state.doorbells().message_of(to, alert), None);
    assert_eq!(state.doorbells().shown_visits().count(), 0);
}

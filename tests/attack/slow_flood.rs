//! Known devices alert although invented addresses ask for the same network all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dot11::{MacAddr, RequestedSsid, Ssid};
use store::event::{ChatId, Event, EventKind, MessageId, Timestamp};
use store::recorder::RecorderSettings;
use store::state::AlertPolicy;

use crate::support::bot_api::SentMessage;
use crate::support::frames::ProbeRequestFrame;
use crate::support::recorder::{Input, Running, events, fold, probe, settings};
use crate::support::service::{Config, toml_string};
use crate::support::tap_radio::TapRadio;
use crate::support::testbed::{CHAT, Mode, Testbed};

const NAMED: u8 = 12;
const FOLLOWED: u8 = 8;

fn named(number: u8) -> String {
    format!("a4:83:e7:00:01:{number:02x}")
}

fn followed(number: u8) -> String {
    format!("a4:83:e7:00:02:{number:02x}")
}

/// The vendor of the invented addresses; and the same with the bit that says that they are random.
const VENDOR: &str = "00:23:a7";
const RANDOM: &str = "02:23:a7";

/// The pause between two frames of a flood of 20 a second.
const PAUSE: Duration = Duration::from_millis(50);

/// Sends frames from invented addresses until it is stopped.
fn flood(radio: &TapRadio, prefix: &str, pause: Duration, is_over: &AtomicBool) {
    for number in (0..u16::MAX).cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let [a, b] = number.to_be_bytes();
        let source = format!("{prefix}:00:{a:02x}:{b:02x}");
        radio.transmit(&ProbeRequestFrame::new(&source).ssid("Depot").signal(-50).sequence(number).build());
        thread::sleep(pause);
    }
}

#[test]
fn every_known_device_is_alerted_during_a_flood() {
    assert_known_devices_alert(PAUSE);
}

#[test]
#[ignore = "long: tests/attack/run"]
fn every_known_device_is_alerted_during_a_flood_of_a_frame_in_two_seconds() {
    assert_known_devices_alert(Duration::from_secs(2));
}

#[test]
#[ignore = "long: tests/attack/run"]
fn every_known_device_is_alerted_during_a_flood_of_a_frame_a_second() {
    assert_known_devices_alert(Duration::from_secs(1));
}

#[test]
#[ignore = "long: tests/attack/run"]
fn every_known_device_is_alerted_during_a_flood_of_a_thousand_frames_a_second() {
    assert_known_devices_alert(Duration::from_millis(1));
}

/// Asserts that named and followed devices alert during a flood with this pause between its frames, and prints when.
fn assert_known_devices_alert(pause: Duration) {
    let change = |config: Config| {
        let names = (0..NAMED).fold(config, |config, number| {
            config.set("devices", &toml_string(&named(number)), &toml_string(&format!("Lamp {number}.")))
        });
        names.set("alerts", "gather_seconds", "5")
    };
    let Some(testbed) = Testbed::start(Mode::Webhook, change) else { return };
    testbed.ask("/watch Depot");
    for number in 0..FOLLOWED {
        testbed.ask(&format!("/follow {}", followed(number)));
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| flood(&testbed.radio, VENDOR, pause, &is_over));
        // The others have used up their allowance.
        let is_summary = |message: &SentMessage| message.plain.contains("too many at once");
        let summary = testbed.api.wait_for_message(is_summary);
        // What is slower may be passers-by.
        if pause <= PAUSE {
            let flood = "🌊 Flood of invented addresses since ";
            assert!(
                summary.plain.contains(flood) && summary.plain.contains(" per second"),
                "{}",
                summary.plain
            );
            testbed.ask_until("/status", flood);
        }
        let sent = Instant::now();
        for number in 0..NAMED {
            testbed.radio.transmit(&ProbeRequestFrame::new(&named(number)).ssid("Depot").build());
        }
        for number in 0..FOLLOWED {
            testbed.radio.transmit(&ProbeRequestFrame::new(&followed(number)).ssid("").build());
        }
        let names = (0..NAMED).map(|number| format!("Lamp {number}."));
        for wanted in names.chain((0..FOLLOWED).map(followed)) {
            let alert = testbed.api.wait_for_message(|message| {
                message.plain.starts_with('📣') && message.plain.contains(&wanted)
            });
            println!(
                "attack with a pause of {pause:?}: {wanted} after {:.1} s",
                (alert.at - sent).as_secs_f64()
            );
        }
        is_over.store(true, Ordering::Relaxed);
    });
    testbed.api.assert_clean();
}

/// Grouping takes the random addresses of one transmitter for one phone: its first alert suppresses those about the others,
/// and none is too many.
#[test]
fn a_flood_of_random_addresses_is_reported() {
    let change = |config: Config| config.set("alerts", "gather_seconds", "60");
    let Some(testbed) = Testbed::start(Mode::Webhook, change) else { return };
    testbed.ask("/watch Depot");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| flood(&testbed.radio, RANDOM, PAUSE, &is_over));
        let is_report =
            |message: &SentMessage| message.plain.starts_with("🌊 Flood of invented addresses since ");
        let report = testbed.api.wait_for_message(is_report);
        assert!(report.plain.contains(" per second"), "{}", report.plain);
        testbed.ask_until("/status", "🌊 Flood of invented addresses since ");
        let told: Vec<SentMessage> = testbed.api.sent().into_iter().filter(is_report).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        is_over.store(true, Ordering::Relaxed);
    });
    testbed.api.assert_clean();
}

/// A flood has one message. Alerts that were only counted since are added to its number, and its end is shown.
#[test]
fn the_message_of_a_flood_is_edited_when_it_is_over() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let message = testbed.ask("/watch Depot").message_id;
    let data_dir = testbed.service.data_dir();
    testbed.kill_and_restart_after(|| {
        let alerts = AlertPolicy { chats: vec![ChatId(CHAT)], ..settings(&data_dir).alerts };
        let running = Running::start(RecorderSettings { alerts, ..settings(&data_dir) });
        // Floods are counted by the minute.
        let minute = 60_000_000;
        let start = (Timestamp::now().as_micros() / minute - 10) * minute;
        let ask = |number: u8| {
            let source = MacAddr::new([0, 0x23, 0xa7, 0, 0, number]);
            let ssid = RequestedSsid::Named(Ssid::from("Depot"));
            running.record(&Input::Probe(probe(source, ssid, start + i64::from(number) * 100_000)));
        };
        (0..80).for_each(ask);
        running.sync();
        let flood = running.handle.state().floods().latest().map(|flood| flood.since);
        let message = Some(MessageId(message as i32));
        // Sixty were too many; a message told of the first forty.
        let told = EventKind::OverflowReported { chat: ChatId(CHAT), count: 40, flood, message };
        running.record(&Input::Change(Event::new(Timestamp::now(), told)));
        (80..90).for_each(ask);
        running.sync();
        running.stop();
    });
    let edited = testbed.api.wait_for_message(|sent| sent.method == "editMessageText");
    assert_eq!(edited.message_id, message);
    assert!(edited.plain.contains("70 more alerts, for 1 network"), "{}", edited.plain);
    assert!(edited.plain.contains("🌊 Flood of invented addresses from "), "{}", edited.plain);
    testbed.ask_until("/status", "🌊 Flood of invented addresses from ");
    assert!(testbed.service.terminate().success());
    let state = fold(&events(&testbed.service.data_dir()));
    assert!(state.floods().message(ChatId(CHAT)).is_none(), "nothing is left to be said");
    assert!(state.alerts().overflow(ChatId(CHAT)).is_none());
    testbed.api.assert_clean();
}

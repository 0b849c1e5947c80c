//! Readers see times in their own zone and language, and ages stay correct, where the Bot API server knows date-time
//! entities. With an older server times are text in the configured zone, and no message is lost for it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::bot_api::{Fault, SentMessage, Version};
use crate::support::testbed::{CHAT, Mode, Testbed};

const VAN: &str = "00:23:a7:19:5c:02";

/// The last version without date-time entities.
const OLDER: Version = Version(9, 4);

fn start(version: Version) -> Option<Testbed> {
    let testbed = Testbed::start(Mode::Webhook, |config| {
        config.cooldown_seconds(0).set("", "time_zone", "\"Asia/Kathmandu\"")
    })?;
    testbed.api.set_version(version);
    testbed.ask("/watch Depot");
    Some(testbed)
}

/// The times of a message: how the client shows them, when they are, and the text that stands for them.
fn times(message: &SentMessage) -> Vec<(String, u64, String)> {
    let units: Vec<u16> = message.plain.encode_utf16().collect();
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let times = message.entities.iter().filter(|entity| entity["type"] == "date_time");
    times
        .map(|entity| {
            let start = number(&entity["offset"]);
            let text = String::from_utf16(&units[start..start + number(&entity["length"])]).unwrap();
            (
                entity["date_time_format"].as_str().unwrap().to_owned(),
                entity["unix_time"].as_u64().unwrap(),
                text,
            )
        })
        .collect()
}

fn formats(message: &SentMessage) -> Vec<String> {
    times(message).into_iter().map(|(format, ..)| format).collect()
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn each_reader_sees_their_own_times() {
    let before = unix_now();
    let Some(mut testbed) = start(Version::V10_1) else { return };
    testbed.transmit(VAN, "Depot");
    let alert = testbed.wait_for_alert(1);
    let seen = times(&alert);
    // The time itself and how long ago it was, both of the frame.
    let [(exact, at, text), (relative, age_of, age)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((exact.as_str(), relative.as_str()), ("wdT", "r"));
    assert!(at == age_of && (before..=unix_now()).contains(at), "{seen:?}");
    assert!(text.ends_with("+0545") && age.ends_with("ago") | age.ends_with("just now"), "{seen:?}");
    assert!(alert.plain.contains(&format!("At {text} ({age}) ")), "{}", alert.plain);

    let card = testbed.ask_until(VAN, "Probe count: 1");
    assert_eq!(formats(&card), ["r", "wdT", "r", "wdT"], "{}", card.plain);
    let status = testbed.ask("/status");
    assert!(formats(&status).contains(&"r".to_owned()), "{}", status.plain);
    assert!(!status.plain.contains("older than"), "{}", status.plain);
    testbed.api.assert_clean();
}

#[test]
fn an_older_server_gets_times_as_text_after_one_try() {
    let Some(mut testbed) = start(OLDER) else { return };
    for number in 1..=2 {
        testbed.transmit(VAN, "Depot");
        let alert = testbed.wait_for_alert(number);
        assert!(alert.plain.starts_with("📣 At 2") && alert.plain.contains("+0545 MAC"), "{}", alert.plain);
        assert_eq!(times(&alert), []);
        assert!(!alert.buttons().is_empty());
        assert_eq!((testbed.alerts().len(), testbed.api.unknown_count("tg-time")), (number, 1));
    }
    let status = testbed.ask("/status");
    assert!(status.plain.contains("times are in this machine's zone"), "{}", status.plain);

    // After a restart the server may be a newer one.
    testbed.api.set_version(Version::V10_1);
    testbed.kill_and_restart();
    testbed.transmit(VAN, "Depot");
    let alert = testbed.wait_for_alert(3);
    assert_eq!(formats(&alert), ["wdT", "r"]);
    testbed.api.assert_clean();
}

#[test]
fn a_time_that_the_server_refuses_is_sent_as_text() {
    let Some(mut testbed) = start(Version::V10_1) else { return };
    let description = "Bad Request: can't parse entities: Tag \"tg-time\" must have another time";
    testbed.api.fail_next("sendMessage", 1, Fault::Error { status: 400, description });
    testbed.transmit(VAN, "Depot");
    let alert = testbed.wait_for_alert(1);
    assert_eq!((alert.chat_id, times(&alert)), (CHAT, vec![]));
    assert!(!alert.buttons().is_empty(), "it is no plain text");
    testbed.transmit(VAN, "Depot");
    assert_eq!(formats(&testbed.wait_for_alert(2)), ["wdT", "r"]);
    testbed.api.assert_clean();
}

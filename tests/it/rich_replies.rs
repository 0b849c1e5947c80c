//! Cards and reports are rich messages where the Bot API server knows those. An older server gets the same in the classic
//! form at once, and is asked for what it does not know once in a run. Nothing that somebody else wrote becomes a link, a
//! mention or a command.

use serde_json::json;

use crate::support::bot_api::{Fault, Incoming, SentMessage, Version};
use crate::support::testbed::{CHAT, GROUP, Mode, Testbed, is_alert};

const VAN: &str = "00:23:a7:00:00:01";

const UNKNOWN_METHOD: Fault = Fault::Error { status: 404, description: "Not Found" };

/// The service, which has seen the van, beside a server of this version.
fn start(version: Version) -> Option<Testbed> {
    let mut testbed = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0))?;
    testbed.api.set_version(version);
    testbed.transmit(VAN, "Depot");
    Some(testbed)
}

/// The card of the van.
fn card(testbed: &Testbed) -> SentMessage {
    testbed.ask_until(VAN, "Unique SSIDs: 1")
}

#[test]
fn a_card_is_a_rich_message_without_entity_detection() {
    let Some(testbed) = start(Version::V10_1) else { return };
    let card = card(&testbed);
    assert!(card.rich.is_some(), "{card:?}");
    assert_eq!(card.raw["rich_message"]["skip_entity_detection"], true);
    assert!(card.text.contains("<td align=\"right\">1</td>"), "{}", card.text);
    assert!(testbed.ask("/help").text.contains("<details><summary>"));
    let status = testbed.ask("/status");
    assert!(status.rich.is_some() && !status.plain.contains("older than"), "{}", status.plain);
    testbed.api.assert_clean();
}

#[test]
fn an_old_server_gets_the_classic_form_and_is_asked_once_in_a_run() {
    let Some(mut testbed) = start(Version::V7_0) else { return };
    let first = card(&testbed);
    assert!(first.rich.is_none() && first.plain.contains("Probe count: 1"), "{}", first.plain);
    testbed.ask("/help");
    let status = testbed.ask("/status");
    assert!(status.plain.contains("Telegram's server is older than Bot API"), "{}", status.plain);
    assert!(status.plain.contains("lists are sent as plain text"), "{}", status.plain);
    assert_eq!(testbed.api.unknown_count("sendRichMessage"), 1);
    testbed.ask("/watch Depot");
    testbed.transmit(VAN, "Depot");
    assert!(testbed.wait_for_alert(1).plain.contains(VAN));
    assert_eq!(testbed.api.sent().iter().filter(|sent| is_alert(sent)).count(), 1, "it was sent once");
    // After a restart it may be newer.
    testbed.api.set_version(Version::V10_1);
    testbed.kill_and_restart();
    assert!(card(&testbed).rich.is_some());
    testbed.api.assert_clean();
}

#[test]
fn a_rich_message_is_edited_as_text_on_a_server_that_lost_them() {
    let Some(mut testbed) = start(Version::V10_1) else { return };
    let card = card(&testbed);
    testbed.api.set_version(Version::V7_0);
    testbed.kill_and_restart();
    let sent = || testbed.api.calls().iter().filter(|call| call.is("sendMessage")).count();
    let before = sent();
    testbed.bring(Incoming::press(&card, "networks:0"));
    let edited = testbed.api.message(CHAT, card.message_id).unwrap();
    assert!(edited.plain.contains("Depot") && edited.rich.is_none(), "{}", edited.plain);
    // Such a server shows the bot the message without its content.
    let old = json!({"callback_query": {
        "id": "77", "from": {"id": CHAT, "is_bot": false, "first_name": "Owner"}, "chat_instance": "1",
        "data": "devices:0",
        "message": {"message_id": card.message_id, "date": 1_700_000_000, "chat": {"id": CHAT, "type": "private"}},
    }, "update_id": 900_000});
    assert_eq!(testbed.api.post_update(testbed.service.listen_address(), &old), 200);
    let edited = testbed.api.message(CHAT, card.message_id).unwrap();
    assert!(edited.plain.contains(VAN), "{}", edited.plain);
    assert_eq!(sent(), before, "no message is new");
    // The test made that press itself, so the server does not know it.
    assert_eq!(testbed.api.take_violations().len(), 1);
}

#[test]
fn a_wrong_token_is_not_taken_for_an_old_server() {
    let Some(testbed) = start(Version::V10_1) else { return };
    card(&testbed);
    // Both forms are refused, as with a token that nobody knows.
    testbed.api.fail_next("sendMessage", 2, UNKNOWN_METHOD);
    let seen = testbed.service.log_lines().len();
    testbed.say(CHAT, "/status");
    testbed.service.wait_for_log_event_after(seen, "reply_failed", &[("chat", "1001")]);
    assert!(!testbed.service.has_logged("server_feature_lacking"));
    assert!(testbed.ask("/status").rich.is_some());
    testbed.api.assert_clean();
}

#[test]
fn a_refused_rich_message_is_sent_in_the_classic_form() {
    let Some(testbed) = start(Version::V10_1) else { return };
    card(&testbed);
    let invalid = Fault::Error { status: 400, description: "Bad Request: RICH_MESSAGE_INVALID" };
    testbed.api.fail_next("sendRichMessage", 1, invalid);
    let status = testbed.ask("/status");
    assert!(status.rich.is_none() && status.plain.contains("Events: "), "{}", status.plain);
    assert!(testbed.ask("/status").rich.is_some(), "it says nothing about the server");
    assert!(!testbed.service.has_logged("server_feature_lacking"));
    testbed.api.assert_clean();
}

#[test]
fn a_reply_to_a_rich_message_in_a_group_is_for_the_bot() {
    let Some(mut testbed) = Testbed::start_with_group() else { return };
    testbed.transmit(VAN, "Elsewhere");
    card_in(&testbed, "Elsewhere");
    let card = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, format!("@probewatch_test_bot {VAN}")));
    assert!(card.rich.is_some());
    let reply = testbed.bring_and_wait(GROUP, Incoming::reply(&card, VAN));
    assert!(reply.plain.contains("Elsewhere"), "{}", reply.plain);
    testbed.api.assert_clean();
}

/// Waits until the van's card has this network.
fn card_in(testbed: &Testbed, network: &str) {
    testbed.ask_until(VAN, network);
}

#[test]
fn what_strangers_write_becomes_nothing_to_tap() {
    const NAMES: [&str; 6] =
        ["@admin", "/start", "https://evil.example", "#tag", "evil.example", "a@evil.example"];
    for version in [Version::V10_1, Version::V7_0] {
        let Some(mut testbed) = start(version) else { return };
        for name in NAMES {
            testbed.transmit(VAN, name);
        }
        let card = testbed.ask_until(VAN, "Unique SSIDs: 7");
        assert_eq!(card.detected, [], "{}", card.plain);
        for name in NAMES {
            assert!(card.plain.contains(name), "{name}: {}", card.plain);
        }
        testbed.api.assert_clean();
    }
}

//! The bot handles groups, topics, edits, channel posts, stickers and forwarded messages. No chat delays another.

use serde_json::{Value, json};

use crate::support::bot_api::{Fault, Incoming, Outcome};
use crate::support::testbed::{CHAT, Mode, Testbed, is_alert};

const GROUP: i64 = -100_200;
const BUSY_GROUP: i64 = -100_201;
const CHANNEL: i64 = -100_900;
const ALICE: &str = "a4:83:e7:4e:39:15";

fn start(mode: Mode) -> Option<Testbed> {
    Testbed::start(mode, |config| config.chats(&[CHAT, GROUP, BUSY_GROUP]))
}

fn photo(caption: Option<&str>) -> Value {
    let file = json!({"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1, "file_size": 1});
    match caption {
        Some(caption) => json!({"photo": [file], "caption": caption}),
        None => json!({"photo": [file]}),
    }
}

/// The bot's first message in response, if there is one.
fn outcome(testbed: &Testbed, incoming: Incoming) -> Option<String> {
    let seen = testbed.api.sent().len();
    testbed.bring(incoming);
    testbed.api.sent().get(seen).map(|message| message.plain.clone())
}

#[test]
fn the_bot_ignores_conversations_in_a_group() {
    let Some(testbed) = start(Mode::Webhook) else { return };
    let forwarded = json!({"forward_origin":
        {"type": "hidden_user", "sender_user_name": "Bob", "date": 1_500_000_000}});
    let of_another_bot = json!({"from": {"id": 5, "is_bot": true, "first_name": "Other"}});
    let of_the_channel = json!({"is_automatic_forward": true,
        "sender_chat": {"id": CHANNEL, "type": "channel", "title": "News"}});
    for silent in [
        Incoming::text(GROUP, "has anyone seen Alice?"),
        Incoming::text(GROUP, ALICE),
        Incoming::text(GROUP, "/help@other_bot"),
        Incoming::text(GROUP, "/roll 6"),
        Incoming::other(GROUP, photo(None)),
        Incoming::other(GROUP, json!({"new_chat_title": "Friends"})),
        Incoming::text(GROUP, "/status").with(forwarded.clone()),
        Incoming::text(GROUP, "/status").with(of_another_bot),
        Incoming::text(GROUP, "/status").with(of_the_channel),
        Incoming::membership(GROUP, "left"),
        Incoming::membership(GROUP, "member"),
        Incoming::membership(-100_666, "member"),
    ] {
        let shown = format!("{silent:?}");
        assert_eq!(outcome(&testbed, silent), None, "{shown}");
    }
    testbed.service.wait_for_log_event("bot_removed", &[("chat", "-100200")]);

    let anonymous = json!({"from": {"id": 1_087_968_824, "is_bot": true, "first_name": "Group"},
        "sender_chat": {"id": GROUP, "type": "supergroup", "title": "Test group"}});
    let as_channel = json!({"from": {"id": 136_817_688, "is_bot": true, "first_name": "Channel"},
        "sender_chat": {"id": CHANNEL, "type": "channel", "title": "News"}});
    for answered in [
        Incoming::text(GROUP, "/status"),
        Incoming::text(GROUP, "/STATUS@Probewatch_Test_Bot"),
        Incoming::other(GROUP, photo(Some("/status"))),
        Incoming::text(GROUP, "/status").with(anonymous),
    ] {
        let shown = format!("{answered:?}");
        let answer = outcome(&testbed, answered).unwrap_or_else(|| panic!("no answer to {shown}"));
        assert!(answer.contains("Running for"), "{answer}");
    }
    let answer = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/help").with(as_channel));
    // A look-up in a message that mentions the bot or replies to it.
    for look_up in
        [Incoming::text(GROUP, format!("@probewatch_test_bot {ALICE}")), Incoming::reply(&answer, ALICE)]
    {
        let answer = testbed.bring_and_wait(GROUP, look_up);
        assert!(
            answer.plain.contains("Alice's phone has a name but has not been seen yet"),
            "{}",
            answer.plain
        );
    }
    testbed.api.assert_clean();
}

#[test]
fn every_message_of_a_private_chat_gets_a_reply() {
    let Some(testbed) = start(Mode::Webhook) else { return };
    assert!(outcome(&testbed, Incoming::other(CHAT, photo(None))).unwrap().contains("only read text"));
    // The photos of an album get one reply.
    assert_eq!(outcome(&testbed, Incoming::other(CHAT, photo(None))), None);
    assert!(
        outcome(&testbed, Incoming::other(CHAT, photo(Some(ALICE))))
            .unwrap()
            .contains("has not been seen yet")
    );
    assert_eq!(outcome(&testbed, Incoming::text(CHAT, "/help@other_bot")), None);
    assert!(
        outcome(&testbed, Incoming::text(CHAT, "/watch@probewatch_test_bot Depot"))
            .unwrap()
            .contains("Depot")
    );
    assert!(outcome(&testbed, Incoming::text(CHAT, "x".repeat(4096))).unwrap().contains("No device matches"));
    testbed.bring(Incoming::membership(CHAT, "kicked"));
    testbed.service.wait_for_log_event("bot_removed", &[]);
    testbed.api.assert_clean();
}

#[test]
fn a_forwarded_command_is_refused() {
    let Some(testbed) = start(Mode::Webhook) else { return };
    let forwarded = json!({"forward_origin":
        {"type": "hidden_user", "sender_user_name": "Bob", "date": 1_500_000_000}});
    let answer = outcome(&testbed, Incoming::text(CHAT, "/watch Depot").with(forwarded)).unwrap();
    assert!(answer.contains("forwarded"), "{answer}");
    assert!(testbed.ask("/watches").plain.contains("No network is watched"));
    testbed.api.assert_clean();
}

#[test]
fn edits_and_channel_posts_are_not_requested() {
    let Some(testbed) = start(Mode::Polling) else { return };
    testbed.ask("/watch Depot");
    let sent = testbed.api.sent().len();
    testbed.api.push(Incoming::edited_text(CHAT, "/unwatch Depot"));
    testbed.api.push(Incoming::channel_post(CHANNEL, "/status"));
    testbed.ask("/help");
    assert_eq!(testbed.api.sent().len(), sent + 1);
    assert!(testbed.ask("/watches").plain.contains("Depot"));
    testbed.api.assert_clean();

    // Nor does the bot act on them if it receives them anyway.
    let Some(testbed) = start(Mode::Webhook) else { return };
    let secret = testbed.api.webhook().secret_token;
    for incoming in [Incoming::edited_text(CHAT, "/status"), Incoming::channel_post(CHANNEL, "/status")] {
        let update = testbed.api.update(incoming);
        let listen = testbed.service.listen_address();
        assert_eq!(testbed.api.post_update_with_secret(listen, &update, secret.as_deref()), 200);
    }
    assert_eq!(testbed.api.sent().len(), 0);
    testbed.api.assert_clean();
}

#[test]
fn a_slow_chat_delays_no_other_and_keeps_its_order() {
    let Some(mut testbed) = start(Mode::Polling) else { return };
    testbed.api.fail_next("sendMessage", 1, Fault::Hang);
    for ssid in ["Attic", "Cellar", "Depot"] {
        testbed.say(GROUP, &format!("/watch {ssid}"));
    }
    testbed.api.wait_for_call("sendMessage", |call| call.params["chat_id"] == GROUP);
    // While the group's first reply hangs, another chat gets several replies and an alert.
    for _ in 0..3 {
        testbed.bring_and_wait(CHAT, Incoming::text(CHAT, "/watch Garage"));
    }
    testbed.transmit(ALICE, "Garage");
    assert_eq!(testbed.wait_for_alert(1).chat_id, CHAT);
    let of_group = |testbed: &Testbed| {
        let sent = testbed.api.sent().into_iter().filter(|message| message.chat_id == GROUP);
        sent.map(|message| message.plain).collect::<Vec<_>>()
    };
    assert_eq!(of_group(&testbed), [""; 0], "the group gets no reply before its first one");
    testbed.api.clear_faults();
    testbed.api.wait_until_confirmed();
    let replies = of_group(&testbed);
    let order: Vec<bool> =
        replies.iter().zip(["Attic", "Cellar", "Depot"]).map(|(reply, ssid)| reply.contains(ssid)).collect();
    assert_eq!(order, [true; 3], "{replies:?}");
    testbed.api.assert_clean();
}

#[test]
fn unhandled_updates_are_not_acknowledged() {
    let Some(mut testbed) = start(Mode::Polling) else { return };
    testbed.api.fail_next("sendMessage", 1, Fault::Hang);
    testbed.say(GROUP, "/status");
    testbed.api.wait_for_call("sendMessage", |call| call.params["chat_id"] == GROUP);
    testbed.say(CHAT, "/watch Depot");
    testbed.api.wait_for_message(|message| message.chat_id == CHAT);
    // After a kill, Telegram delivers the group's message again; the owner's command does not act a second time.
    testbed.service.kill();
    testbed.api.clear_faults();
    testbed.service.restart();
    testbed.wait_until_ready(1);
    testbed.api.wait_for_message(|message| message.chat_id == GROUP);
    testbed.api.wait_until_confirmed();
    assert_eq!(testbed.api.sent().len(), 2);
    assert!(testbed.ask("/watches").plain.contains("Depot"));
    testbed.api.assert_clean();
}

#[test]
fn a_busy_group_is_rate_limited_and_delays_no_other() {
    let Some(testbed) = start(Mode::Polling) else { return };
    for number in 0..60 {
        testbed.say(BUSY_GROUP, &format!("/watch net{number}"));
    }
    let status = testbed.bring_and_wait(CHAT, Incoming::text(CHAT, "/status"));
    assert!(status.plain.contains("Running"), "{}", status.plain);
    testbed.service.wait_for_log_event("reply_dropped", &[]);
    // All its commands have acted, except the last few, which wait for their replies.
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    let is_done =
        |status: &str| (52..=60).any(|count| status.contains(&format!("Watched networks: {count}\n")));
    while !is_done(&testbed.bring_and_wait(CHAT, Incoming::text(CHAT, "/status")).plain) {
        assert!(std::time::Instant::now() < deadline);
    }
    let replies = testbed.api.sent().iter().filter(|message| message.chat_id == BUSY_GROUP).count();
    assert!(replies < 20, "{replies}");
    testbed.api.assert_clean();
}

/// The topics of the alerts that a forum got.
fn alerts_in(testbed: &Testbed, forum: i64) -> Vec<Option<i64>> {
    let of_forum = testbed.alerts().into_iter().filter(|alert| alert.chat_id == forum);
    of_forum.map(|alert| alert.thread_id).collect()
}

#[test]
fn alerts_go_to_the_last_used_topic_while_general_is_closed() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.api.close_topic(GROUP, None);
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/watch Depot").in_thread(77));
    testbed.transmit(ALICE, "Depot");
    testbed.api.wait_for_message(is_alert);
    assert_eq!(alerts_in(&testbed, GROUP), [Some(77)]);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    // After a restart there is no last topic yet: the alert waits and is not dropped.
    testbed.kill_and_restart();
    let calls = testbed.api.calls().len();
    testbed.transmit("00:23:a7:19:5c:02", "Depot");
    let delayed = testbed.service.wait_for_log_event("alert_delayed", &[("chat", &GROUP.to_string())]);
    assert!(delayed.contains("remedy="), "{delayed}");
    assert!(testbed.api.calls()[calls..].iter().any(|call| call.outcome == Outcome::Refused(400)));
    assert!(testbed.ask("/status").plain.contains("Alerts waiting for Telegram: 1"));
    // It goes to the topic of the next message; later alerts go to the topic of the latest message.
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/status").in_thread(78));
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(alerts_in(&testbed, GROUP), [Some(77), Some(78)]);
    testbed.bring(Incoming::text(GROUP, "/status").in_thread(79));
    testbed.transmit("00:23:a7:19:5c:03", "Depot");
    testbed.api.wait_for_message(|message| is_alert(message) && message.thread_id == Some(79));
    testbed.api.assert_clean();
}

#[test]
fn alerts_go_to_an_open_general_topic() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/watch Depot").in_thread(77));
    testbed.transmit(ALICE, "Depot");
    testbed.api.wait_for_message(is_alert);
    assert_eq!(alerts_in(&testbed, GROUP), [None]);
    testbed.api.assert_clean();
}

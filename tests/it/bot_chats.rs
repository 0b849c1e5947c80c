//! Promise: groups, topics, edits, channel posts, stickers, forwarded messages and whatever else people do has a
//! sane outcome; and what one chat does holds up no other.

use serde_json::{Value, json};

use crate::support::bot_api::{Fault, Incoming, Outcome};
use crate::support::home::{CHAT, Home, Mode, is_alert};

const GROUP: i64 = -100_200;
const BUSY_GROUP: i64 = -100_201;
const CHANNEL: i64 = -100_900;
const ALICE: &str = "a4:83:e7:4e:39:15";

fn start(mode: Mode) -> Option<Home> {
    Home::start(mode, |config| config.chats(&[CHAT, GROUP, BUSY_GROUP]))
}

fn photo(caption: Option<&str>) -> Value {
    let file = json!({"file_id": "x", "file_unique_id": "x", "width": 1, "height": 1, "file_size": 1});
    match caption {
        Some(caption) => json!({"photo": [file], "caption": caption}),
        None => json!({"photo": [file]}),
    }
}

/// What comes of it in the chat: nothing, or the first message.
fn outcome(home: &Home, incoming: Incoming) -> Option<String> {
    let seen = home.api.sent().len();
    home.bring(incoming);
    home.api.sent().get(seen).map(|message| message.plain.clone())
}

#[test]
fn in_a_group_the_bot_keeps_out_of_what_people_say() {
    let Some(home) = start(Mode::Webhook) else { return };
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
        assert_eq!(outcome(&home, silent), None, "{shown}");
    }
    home.service.wait_for_log_event("bot_removed", &[("chat", "-100200")]);

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
        let answer = outcome(&home, answered).unwrap_or_else(|| panic!("no answer to {shown}"));
        assert!(answer.contains("Running for"), "{answer}");
    }
    let answer = home.bring_and_wait(GROUP, Incoming::text(GROUP, "/help").with(as_channel));
    // A look-up, where the bot is mentioned or replied to.
    for look_up in
        [Incoming::text(GROUP, format!("@probewatch_test_bot {ALICE}")), Incoming::reply(&answer, ALICE)]
    {
        let answer = home.bring_and_wait(GROUP, look_up);
        assert!(answer.plain.contains("No result found for device Alice's phone"), "{}", answer.plain);
    }
    home.api.assert_clean();
}

#[test]
fn in_a_private_chat_every_message_has_an_outcome() {
    let Some(home) = start(Mode::Webhook) else { return };
    assert!(outcome(&home, Incoming::other(CHAT, photo(None))).unwrap().contains("only read text"));
    // An album is one thing to say something about.
    assert_eq!(outcome(&home, Incoming::other(CHAT, photo(None))), None);
    assert!(outcome(&home, Incoming::other(CHAT, photo(Some(ALICE)))).unwrap().contains("No result found"));
    assert_eq!(outcome(&home, Incoming::text(CHAT, "/help@other_bot")), None);
    assert!(
        outcome(&home, Incoming::text(CHAT, "/watch@probewatch_test_bot Depot")).unwrap().contains("Depot")
    );
    assert!(outcome(&home, Incoming::text(CHAT, "x".repeat(4096))).unwrap().contains("No result found"));
    home.bring(Incoming::membership(CHAT, "kicked"));
    home.service.wait_for_log_event("bot_removed", &[]);
    home.api.assert_clean();
}

#[test]
fn a_forwarded_command_is_not_acted_on() {
    let Some(home) = start(Mode::Webhook) else { return };
    let forwarded = json!({"forward_origin":
        {"type": "hidden_user", "sender_user_name": "Bob", "date": 1_500_000_000}});
    let answer = outcome(&home, Incoming::text(CHAT, "/watch Depot").with(forwarded)).unwrap();
    assert!(answer.contains("forwarded"), "{answer}");
    assert!(home.ask("/watches").plain.contains("No network is watched"));
    home.api.assert_clean();
}

#[test]
fn edits_and_channel_posts_are_not_even_asked_for() {
    let Some(home) = start(Mode::Polling) else { return };
    home.ask("/watch Depot");
    let sent = home.api.sent().len();
    home.api.push(Incoming::edited_text(CHAT, "/unwatch Depot"));
    home.api.push(Incoming::channel_post(CHANNEL, "/status"));
    home.ask("/help");
    assert_eq!(home.api.sent().len(), sent + 1);
    assert!(home.ask("/watches").plain.contains("Depot"));
    home.api.assert_clean();

    // Nor are they acted on where they come all the same.
    let Some(home) = start(Mode::Webhook) else { return };
    let secret = home.api.webhook().secret_token;
    for incoming in [Incoming::edited_text(CHAT, "/status"), Incoming::channel_post(CHANNEL, "/status")] {
        let update = home.api.update(incoming);
        let listen = home.service.listen_address();
        assert_eq!(home.api.post_update_with_secret(listen, &update, secret.as_deref()), 200);
    }
    assert_eq!(home.api.sent().len(), 0);
    home.api.assert_clean();
}

#[test]
fn a_chat_that_takes_long_holds_up_no_other_and_keeps_its_order() {
    let Some(mut home) = start(Mode::Polling) else { return };
    home.api.fail_next("sendMessage", 1, Fault::Hang);
    for ssid in ["Attic", "Cellar", "Depot"] {
        home.say(GROUP, &format!("/watch {ssid}"));
    }
    home.api.wait_for_call("sendMessage", |call| call.params["chat_id"] == GROUP);
    // The group's first reply hangs; others are answered meanwhile, several times, and alerted.
    for _ in 0..3 {
        home.bring_and_wait(CHAT, Incoming::text(CHAT, "/watch Garage"));
    }
    home.transmit(ALICE, "Garage");
    assert_eq!(home.wait_for_alert(1).chat_id, CHAT);
    let of_group = |home: &Home| {
        let sent = home.api.sent().into_iter().filter(|message| message.chat_id == GROUP);
        sent.map(|message| message.plain).collect::<Vec<_>>()
    };
    assert_eq!(of_group(&home), [""; 0], "nothing of the group's came out of turn");
    home.api.clear_faults();
    home.api.wait_until_confirmed();
    let replies = of_group(&home);
    let order: Vec<bool> =
        replies.iter().zip(["Attic", "Cellar", "Depot"]).map(|(reply, ssid)| reply.contains(ssid)).collect();
    assert_eq!(order, [true; 3], "{replies:?}");
    home.api.assert_clean();
}

#[test]
fn what_was_not_handled_is_not_acknowledged() {
    let Some(mut home) = start(Mode::Polling) else { return };
    home.api.fail_next("sendMessage", 1, Fault::Hang);
    home.say(GROUP, "/status");
    home.api.wait_for_call("sendMessage", |call| call.params["chat_id"] == GROUP);
    home.say(CHAT, "/watch Depot");
    home.api.wait_for_message(|message| message.chat_id == CHAT);
    // Killed now, the group's message comes again, and the owner's acts no second time.
    home.service.kill();
    home.api.clear_faults();
    home.service.restart();
    home.wait_until_ready(1);
    home.api.wait_for_message(|message| message.chat_id == GROUP);
    home.api.wait_until_confirmed();
    assert_eq!(home.api.sent().len(), 2);
    assert!(home.ask("/watches").plain.contains("Depot"));
    home.api.assert_clean();
}

#[test]
fn a_group_that_asks_too_much_gets_what_telegram_allows_and_others_do_not_wait() {
    let Some(home) = start(Mode::Polling) else { return };
    for number in 0..60 {
        home.say(BUSY_GROUP, &format!("/watch net{number}"));
    }
    let status = home.bring_and_wait(CHAT, Incoming::text(CHAT, "/status"));
    assert!(status.plain.contains("Running"), "{}", status.plain);
    home.service.wait_for_log_event("reply_dropped", &[]);
    // All that it asked for is done, but for the last few, which wait for their replies.
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    let is_done =
        |status: &str| (52..=60).any(|count| status.contains(&format!("Watched networks: {count}\n")));
    while !is_done(&home.bring_and_wait(CHAT, Incoming::text(CHAT, "/status")).plain) {
        assert!(std::time::Instant::now() < deadline);
    }
    let replies = home.api.sent().iter().filter(|message| message.chat_id == BUSY_GROUP).count();
    assert!(replies < 20, "{replies}");
    home.api.assert_clean();
}

/// The alerts that a forum got, with their topics.
fn alerts_in(home: &Home, forum: i64) -> Vec<Option<i64>> {
    let of_forum = home.alerts().into_iter().filter(|alert| alert.chat_id == forum);
    of_forum.map(|alert| alert.thread_id).collect()
}

#[test]
fn where_general_is_closed_alerts_go_to_the_topic_that_was_spoken_in() {
    let Some(mut home) = start(Mode::Webhook) else { return };
    home.api.close_topic(GROUP, None);
    home.bring_and_wait(GROUP, Incoming::text(GROUP, "/watch Depot").in_thread(77));
    home.transmit(ALICE, "Depot");
    home.api.wait_for_message(is_alert);
    assert_eq!(alerts_in(&home, GROUP), [Some(77)]);
    home.ask_until("/status", "Alerts waiting for Telegram: 0");
    // After a restart nobody has spoken yet: the alert waits, and is not dropped.
    home.kill_and_restart();
    let calls = home.api.calls().len();
    home.transmit("00:23:a7:19:5c:02", "Depot");
    let delayed = home.service.wait_for_log_event("alert_delayed", &[("chat", &GROUP.to_string())]);
    assert!(delayed.contains("remedy="), "{delayed}");
    assert!(home.api.calls()[calls..].iter().any(|call| call.outcome == Outcome::Refused(400)));
    assert!(home.ask("/status").plain.contains("Alerts waiting for Telegram: 1"));
    // It goes to where someone speaks next, and from there on to wherever someone spoke last.
    home.bring_and_wait(GROUP, Incoming::text(GROUP, "/status").in_thread(78));
    home.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(alerts_in(&home, GROUP), [Some(77), Some(78)]);
    home.bring(Incoming::text(GROUP, "/status").in_thread(79));
    home.transmit("00:23:a7:19:5c:03", "Depot");
    home.api.wait_for_message(|message| is_alert(message) && message.thread_id == Some(79));
    home.api.assert_clean();
}

#[test]
fn an_open_general_has_the_alerts() {
    let Some(mut home) = start(Mode::Webhook) else { return };
    home.bring_and_wait(GROUP, Incoming::text(GROUP, "/watch Depot").in_thread(77));
    home.transmit(ALICE, "Depot");
    home.api.wait_for_message(is_alert);
    assert_eq!(alerts_in(&home, GROUP), [None]);
    home.api.assert_clean();
}

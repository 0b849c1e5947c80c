//! Updates with parts that the bot does not know: an ordinary message is answered, by its text and sender; nothing of a
//! chat with access is dropped without a log line; and no update holds up another.

use serde_json::{Value, json};

use crate::support::bot_api::Incoming;
use crate::support::testbed::{CHAT, Mode, Testbed};

/// Parts of a message that no version of the Bot API has.
fn unknown_parts() -> Vec<Value> {
    let unknown = json!({"type": "of tomorrow", "date": -1, "nested": [{"a": null}]});
    vec![
        // A reply to a text of another chat or topic, which has no medium.
        json!({"external_reply": {"origin": {"type": "user", "date": 1,
                   "sender_user": {"id": 5, "is_bot": false, "first_name": "Bob"}}},
               "quote": {"text": "b", "position": 1}}),
        json!({"external_reply": {"origin": unknown, "medium_of_tomorrow": unknown}}),
        json!({"reply_markup": {"inline_keyboard": [[{"text": "x", "of_tomorrow": {}}]]}}),
        json!({"entities": [unknown, {"type": "of tomorrow", "offset": 0, "length": 7}]}),
        json!({"link_preview_options": [], "sender_boost_count": "many", "effect_id": 5}),
        json!({"chat": {"id": CHAT, "type": "of tomorrow", "first_name": "Test"}}),
        json!({"date": "today", "edit_date": {}, "via_bot": unknown, "reply_to_message": unknown}),
    ]
}

#[test]
fn a_message_with_an_unknown_part_is_answered() {
    for mode in [Mode::Webhook, Mode::Polling] {
        let Some(testbed) = Testbed::start(mode, |config| config) else { return };
        for part in unknown_parts() {
            let shown = part.to_string();
            let reply = testbed.bring_and_wait(CHAT, Incoming::text(CHAT, "/status").with(part));
            assert!(reply.plain.contains("Running for"), "{shown}: {}", reply.plain);
        }
        let hint = testbed.bring_and_wait(CHAT, Incoming::other(CHAT, json!({"medium_of_tomorrow": {}})));
        assert!(hint.plain.contains("only read text"), "{}", hint.plain);
        testbed.api.assert_clean();
    }
}

#[test]
fn a_press_under_a_message_with_an_unknown_part_is_carried_out() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let listen = testbed.service.listen_address();
    for part in unknown_parts() {
        let mut update = testbed.api.update(Incoming::callback(CHAT, 5, "watches:0"));
        for (name, value) in part.as_object().unwrap() {
            update["callback_query"]["message"][name] = value.clone();
        }
        update["callback_query"]["of_tomorrow"] = part.clone();
        let answers = testbed.api.calls().iter().filter(|call| call.is("answerCallbackQuery")).count();
        assert_eq!(testbed.api.post_update(listen, &update), 200);
        testbed.api.wait_for_calls("answerCallbackQuery", answers + 1);
    }
    testbed.api.assert_clean();
}

#[test]
fn one_bad_update_holds_up_no_other() {
    let Some(testbed) = Testbed::start(Mode::Polling, |config| config) else { return };
    let seen = testbed.api.sent().len();
    let good = testbed.api.update(Incoming::text(CHAT, "/watches"));
    let last = testbed.api.update(Incoming::text(CHAT, "/help"));
    let number = |update: &Value| update["update_id"].as_i64().unwrap();
    let deep = (0..200).fold(Value::Null, |inside, _| json!([inside]));
    for bad in [
        json!({"update_id": number(&good) - 3, "message": "none"}),
        json!({"update_id": number(&good) - 2, "message": {"text": "/status", "chat": {}}}),
        json!({"update_id": number(&good) - 1, "message": {"text": deep, "chat": deep}}),
        good,
        json!({"message": {"text": "no number"}}),
        last,
    ] {
        testbed.api.push_update(bad);
    }
    testbed.api.wait_for_message_after(seen, |message| message.plain.contains("No network is watched"));
    testbed.api.wait_for_message_after(seen, |message| message.plain.contains("/status"));
    for _ in 0..2 {
        testbed.service.wait_for_log_event("update_ignored", &[]);
    }
    testbed.service.wait_for_log_event("update_unreadable", &[]);
    testbed.api.assert_clean();
}

#[test]
fn what_a_chat_with_access_sends_is_logged_if_it_is_ignored() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let listen = testbed.service.listen_address();
    let secret = testbed.api.webhook().secret_token;
    let post = |mut update: Value| {
        update["update_id"] = testbed.api.update(Incoming::text(CHAT, ""))["update_id"].clone();
        let seen = testbed.service.log_lines().len();
        let status = testbed.api.post_update_with_secret(listen, &update, secret.as_deref());
        assert_eq!(status, 200, "{update}");
        testbed.service.wait_for_log_event_after(seen, "update_ignored", &[]);
    };
    let chat = json!({"id": CHAT, "type": "private", "first_name": "Test"});
    post(
        json!({"edited_message": {"message_id": 5, "date": 1, "chat": chat, "text": "/help", "of_tomorrow": 1}}),
    );
    post(json!({"of_tomorrow": {"chat": chat}}));
    post(json!({"my_chat_member": {"chat": chat, "new_chat_member": {"status": "of tomorrow"}}}));
    post(json!({"message": {"message_id": 5, "chat": chat, "pinned_message": {"of_tomorrow": 1}}}));
    post(json!({"callback_query": {"id": "5", "from": {"id": CHAT}, "game_short_name": "x"}}));
    // The server knows no such press.
    testbed.api.take_violations();
    assert!(testbed.ask("/status").plain.contains("Running for"));
    testbed.api.assert_clean();
}

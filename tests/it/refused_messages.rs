//! Messages that Telegram refuses. An alert waits, over restarts too, while the cause may be undone; one chat's
//! refusals delay no other chat. A rejected content is sent once more as plain text. The waits that Telegram asks for
//! are obeyed.

use std::time::Duration;

use serde_json::Value;

use crate::support::bot_api::{Call, Fault, Incoming, Outcome};
use crate::support::service::probewatch;
use crate::support::testbed::{CHAT, GROUP, Mode, Testbed, is_alert, is_alert_call};

const VAN: &str = "00:23:a7:00:00:01";

fn refusal(description: &'static str) -> Fault {
    Fault::Error { status: if description.starts_with("Forbidden") { 403 } else { 400 }, description }
}

fn alert_calls(testbed: &Testbed) -> Vec<Call> {
    let sends_alert = |call: &Call| call.is("sendMessage") && is_alert_call(call);
    testbed.api.calls().into_iter().filter(sends_alert).collect()
}

#[test]
fn an_alert_waits_while_its_chat_is_restricted() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0)) else {
        return;
    };
    testbed.ask("/watch Depot");
    for (number, description) in [
        "Bad Request: not enough rights to send text messages to the chat",
        "Bad Request: have no rights to send a message",
        "Bad Request: CHAT_RESTRICTED",
        "Bad Request: CHAT_WRITE_FORBIDDEN",
        "Bad Request: TOPIC_CLOSED",
        "Forbidden: bot is not a member of the supergroup chat",
        "Bad Request: a wording that nobody has seen before",
    ]
    .into_iter()
    .enumerate()
    {
        testbed.api.fail_next("sendMessage", 2, refusal(description));
        let seen = testbed.service.log_lines().len();
        testbed.transmit(&format!("00:23:a7:00:00:{number:02x}"), "Depot");
        testbed.service.wait_for_log_event_after(seen, "alert_delayed", &[("chat", "1001")]);
        testbed.wait_for_alert(number + 1);
    }
    assert!(!testbed.service.has_logged("alert_undeliverable"));
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(alert_calls(&testbed).len(), 7 * 3, "it did not hammer");
    testbed.api.assert_clean();
}

#[test]
fn a_refused_alert_outlives_a_kill() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    testbed.api.fail_next("sendMessage", usize::MAX, refusal("Bad Request: CHAT_RESTRICTED"));
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event("alert_delayed", &[]);
    testbed.kill_and_restart();
    testbed.service.wait_for_log_event("alert_delayed", &[]);
    testbed.api.clear_faults();
    assert!(testbed.wait_for_alert(1).plain.contains(VAN));
    testbed.api.assert_clean();
}

#[test]
fn the_refusals_of_a_chat_are_shown_and_delay_no_other() {
    let Some(mut testbed) = Testbed::start_with_group() else { return };
    testbed.ask("/watch Depot");
    testbed.api.fail_next_in(GROUP, "sendMessage", usize::MAX, Fault::Hang);
    testbed.transmit(VAN, "Depot");
    testbed.api.wait_for_call("sendMessage", |call| call.outcome == Outcome::Faulted(Fault::Hang));
    // While the group's request has no answer, the other chat gets its alerts.
    for number in 1..=3 {
        let alert = testbed.wait_for_alert(number);
        assert_eq!(alert.chat_id, CHAT);
        testbed.transmit(VAN, "Depot");
    }
    testbed.api.clear_faults();
    testbed.api.fail_next_in(GROUP, "sendMessage", usize::MAX, refusal("Bad Request: CHAT_RESTRICTED"));
    testbed.service.wait_for_line("CHAT_RESTRICTED");
    let status = testbed.ask_until("/status", "A chat takes no alerts since");
    assert!(status.plain.contains("CHAT_RESTRICTED"), "{}", status.plain);
    testbed.api.clear_faults();
    // An admin gives the right back, of which Telegram tells the bot.
    testbed.bring(Incoming::membership(GROUP, "member"));
    testbed.api.wait_for_message(|message| message.chat_id == GROUP && is_alert(message));
    testbed.api.assert_clean();
}

#[test]
fn a_chat_that_blocked_the_bot_costs_no_further_request_until_it_is_back() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0)) else {
        return;
    };
    testbed.ask("/watch Depot");
    testbed.api.fail_next("sendMessage", 1, refusal("Forbidden: bot was blocked by the user"));
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event("alert_undeliverable", &[("chat", "1001")]);
    let refused = alert_calls(&testbed).len();
    testbed.kill_and_restart();
    for _ in 0..2 {
        let seen = testbed.service.log_lines().len();
        testbed.transmit(VAN, "Depot");
        testbed.service.wait_for_log_event_after(seen, "alert_undeliverable", &[("chat", "1001")]);
    }
    let data_dir = testbed.service.data_dir();
    let status = probewatch(&["status", "--data-dir", data_dir.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("because it blocked the bot"), "{status:?}");
    let config = testbed.service.config_path();
    let doctor = probewatch(&["doctor", "-c", config.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("because it blocked the bot"), "{doctor:?}");
    assert_eq!(alert_calls(&testbed).len(), refused, "no alert was tried");
    // It writes.
    let status = testbed.ask("/status");
    assert!(!status.plain.contains("blocked the bot"), "{}", status.plain);
    testbed.transmit(VAN, "Depot");
    testbed.wait_for_alert(1);
    // Telegram says that the bot was blocked, and later that it is not any more.
    testbed.bring(Incoming::membership(CHAT, "kicked"));
    let (seen, calls) = (testbed.service.log_lines().len(), alert_calls(&testbed).len());
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event_after(seen, "alert_undeliverable", &[("chat", "1001")]);
    assert_eq!(alert_calls(&testbed).len(), calls);
    testbed.bring(Incoming::membership(CHAT, "member"));
    testbed.transmit(VAN, "Depot");
    testbed.wait_for_alert(2);
    testbed.api.assert_clean();
}

#[test]
fn rejected_content_is_sent_once_more_as_plain_text() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0)) else {
        return;
    };
    testbed.ask("/watch Depot");
    for (number, description) in
        ["Bad Request: can't parse entities: Unsupported start tag", "Bad Request: message is too long"]
            .into_iter()
            .enumerate()
    {
        testbed.api.fail_next("sendMessage", 1, refusal(description));
        testbed.transmit(VAN, "Depot");
        let alert = testbed.wait_for_alert(2 * number + 1);
        assert_eq!((&alert.raw["parse_mode"], &alert.raw["reply_markup"]), (&Value::Null, &Value::Null));
        assert!(alert.plain.contains(VAN) && alert.entities.is_empty(), "{}", alert.plain);
        // The next one has its form again.
        testbed.transmit(VAN, "Depot");
        let next = testbed.wait_for_alert(2 * number + 2);
        assert_eq!(next.raw["parse_mode"], "HTML");
    }
    // What is rejected as plain text, too, is dropped with a log line.
    testbed.api.fail_next("sendMessage", 2, refusal("Bad Request: can't parse entities"));
    let seen = testbed.service.log_lines().len();
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event_after(seen, "alert_undeliverable", &[("chat", "1001")]);
    testbed.transmit("00:23:a7:00:00:02", "Depot");
    assert!(testbed.wait_for_alert(5).plain.contains("00:23:a7:00:00:02"));
    // Replies, too, if the classic form of a rich message is rejected as well.
    testbed.api.fail_next("sendMessage", 2, refusal("Bad Request: can't parse entities"));
    let reply = testbed.ask("/watches");
    assert!(reply.plain.contains("Depot") && reply.raw["parse_mode"].is_null(), "{}", reply.plain);
    testbed.api.assert_clean();
}

#[test]
fn a_wait_that_telegram_asks_for_is_obeyed_for_replies() {
    for mode in [Mode::Webhook, Mode::Polling] {
        let Some(testbed) = Testbed::start(mode, |config| config.chats(&[CHAT, GROUP])) else { return };
        let too_many = Fault::TooManyRequests { retry_after: 11 };
        testbed.api.fail_next_in(CHAT, "sendMessage", 1, too_many.clone());
        testbed.say(CHAT, "/watches");
        testbed.say(CHAT, "/networks");
        let refused = testbed
            .api
            .wait_for_call("sendMessage", |call| call.outcome == Outcome::Faulted(too_many.clone()));
        // Another chat is answered meanwhile.
        let other = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/watches"));
        assert!(other.at - refused.at < Duration::from_secs(11));
        let reply = testbed.api.wait_for_message(|message| message.chat_id == CHAT);
        assert!(reply.at - refused.at >= Duration::from_secs(11), "{:?}", reply.at - refused.at);
        assert_eq!(reply.plain, other.plain, "it is the reply to the first message");
        testbed.api.wait_for_message_after(2, |message| message.chat_id == CHAT);
        testbed.api.assert_clean();
    }
}

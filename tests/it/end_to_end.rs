//! The whole program: the binary captures from a TAP radio and talks to a Bot API server on loopback, by webhook and by
//! polling. The tests cover look-ups, access, watches and alerts. A kill between any two steps loses no watch, name,
//! count or undelivered alert.

use std::io::Write;

use crate::support::bot_api::{Fault, Incoming, Outcome};
use crate::support::http;
use crate::support::testbed::{CHAT, Mode, Testbed, is_alert_call};

const STRANGER: i64 = 666;
const ALICE: &str = "a4:83:e7:4e:39:15";
const VAN: &str = "00:23:a7:19:5c:02";
const RANDOM: &str = "da:a1:19:00:00:01";

fn looks_up_and_alerts(mode: Mode) {
    let Some(mut testbed) = Testbed::start(mode, |config| config) else { return };

    // Before the first frame.
    testbed.ask_until("/status", "capturing · none yet");
    assert!(testbed.ask(ALICE).plain.starts_with("🛎 Alice's phone has a name but has not been seen yet"));
    assert!(testbed.ask("Alicia").plain.contains("Alice's phone"), "suggests a similar name");

    // A look-up by address and by name, in every notation.
    testbed.transmit(ALICE, "RNM0");
    testbed.transmit(ALICE, "");
    testbed.transmit(ALICE, "<b>&amp;");
    testbed.transmit(RANDOM, "");
    let by_address = testbed.ask_until("A4-83-E7-4E-39-15", "Probe count: 3 (1 for any network)");
    assert!(by_address.plain.starts_with("📡 Wi-Fi probe stats for Alice's phone\n"), "{}", by_address.plain);
    assert!(by_address.text.contains("📡 Wi-Fi probe stats for Alice's phone"), "{}", by_address.text);
    for part in ["Earliest probe: ", "Latest probe: ", "Unique SSIDs: 2", "RNM0", "<b>&amp;"] {
        assert!(by_address.plain.contains(part), "{part}: {}", by_address.plain);
    }
    for query in ["alice's PHONE", "alice", "a483e74e3915", "a483.e74e.3915"] {
        assert_eq!(testbed.ask(query).plain, by_address.plain, "{query}");
    }
    assert!(testbed.ask_until(RANDOM, "Probe count: 1").plain.contains("random"));

    // A stranger gets one line, and only to /start.
    let sent = testbed.api.sent().len();
    testbed.say(STRANGER, "/start");
    testbed.say(STRANGER, ALICE);
    testbed.service.wait_for_log_event("chat_not_served", &[("chat", &STRANGER.to_string())]);
    testbed.api.wait_for_message(|message| message.chat_id == STRANGER);
    testbed.ask("/help");
    let replies: Vec<_> =
        testbed.api.sent()[sent..].iter().filter(|message| message.chat_id != CHAT).cloned().collect();
    let [hint] = &replies[..] else { panic!("{replies:?}") };
    assert!(hint.chat_id == STRANGER && hint.plain.contains("666") && !hint.plain.contains('\n'));

    // A watch, a frame, the alert. The cool-down suppresses the next alert.
    let reply = testbed.ask("/watch \"Depot 7\" the van is here");
    assert!(reply.plain.contains("Depot 7") && reply.plain.contains("the van is here"), "{}", reply.plain);
    testbed.transmit(VAN, "Depot");
    testbed.transmit(VAN, "Depot 7");
    let alert = testbed.wait_for_alert(1);
    assert_eq!(alert.chat_id, CHAT);
    let lines: Vec<&str> = alert.plain.lines().collect();
    let [first, second, third] = lines[..] else { panic!("{}", alert.plain) };
    assert!(first.starts_with("📣 At ") && first.contains(" CE"), "the configured zone: {first}");
    assert!(first.ends_with(&format!(" MAC address {VAN} looked for SSID \"Depot 7\"")), "{first}");
    assert_eq!(second, "This SSID is watched because: the van is here");
    assert_eq!(third, "Vendor: Redpine Signals, Signal: -61 dBm");
    testbed.transmit(VAN, "Depot 7");
    testbed.ask_until(VAN, "Probe count: 3");
    testbed.transmit(ALICE, "Depot 7");
    let second = testbed.wait_for_alert(2);
    assert!(
        second.plain.contains(&format!("MAC address {ALICE} (Alice's phone) looked for")),
        "{}",
        second.plain
    );
    assert_eq!(testbed.alerts().len(), 2);

    assert!(testbed.ask("/watches").plain.contains("Depot 7"));
    assert!(testbed.ask("/unwatch Depot 7").plain.contains("No longer"));
    let status = testbed.ask("/status").plain;
    assert!(status.contains("capturing · ") && !status.contains("capturing · none yet"), "{status}");
    let menu = testbed.api.commands_of(CHAT).unwrap();
    assert!(menu.to_string().contains("\"watch\""), "{menu}");

    assert!(testbed.service.terminate().success());
    let token = testbed.api.token();
    assert!(testbed.service.log_lines().iter().all(|line| !line.contains(token)), "no token in the log");
    testbed.api.assert_clean();
}

#[test]
fn look_ups_watches_and_alerts_by_webhook() {
    looks_up_and_alerts(Mode::Webhook);
}

#[test]
fn look_ups_watches_and_alerts_by_polling() {
    looks_up_and_alerts(Mode::Polling);
}

#[test]
fn a_post_without_the_right_secret_is_refused() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let address = testbed.service.listen_address();
    let update = testbed.api.update(Incoming::text(CHAT, "/help"));
    let webhook = testbed.api.webhook();
    let secret = webhook.secret_token.clone().expect("a secret is always set");
    assert!(secret.len() >= 32);
    for wrong in [None, Some("wrong"), Some(""), Some(&secret[1..])] {
        assert_eq!(testbed.api.post_update_with_secret(address, &update, wrong), 401, "{wrong:?}");
    }
    let header = [("x-telegram-bot-api-secret-token", secret.as_str())];
    for path in ["/", "/telegram", "/telegram/", "/webhook", &format!("{}x", webhook.path())] {
        let response = http::request(address, "POST", path, &header, update.to_string().as_bytes());
        assert_eq!(response.unwrap().status, 404, "{path}");
    }
    assert!(testbed.api.sent().is_empty());
    // Garbage with the right secret gets 200: otherwise Telegram would send it again and again.
    let response = http::request(address, "POST", webhook.path(), &header, b"\xff{");
    assert_eq!(response.unwrap().status, 200);
    // The same update, posted twice, is answered once.
    assert_eq!(testbed.api.post_update(address, &update), 200);
    assert_eq!(testbed.api.post_update(address, &update), 200);
    testbed.ask("/status");
    assert_eq!(testbed.api.sent().len(), 2);
    testbed.api.assert_clean();
}

fn survives_kill_9(mode: Mode) {
    let Some(mut testbed) = Testbed::start(mode, |config| config.set("record", "checkpoint_seconds", "1"))
    else {
        return;
    };
    testbed.ask(&format!("/name {VAN} Van"));
    testbed.kill_and_restart();
    assert!(testbed.ask("van").plain.starts_with("🛎 Van has a name but has not been seen yet"));

    testbed.ask("/watch Depot parcels");
    testbed.kill_and_restart();
    let watches = testbed.ask("/watches").plain;
    assert!(watches.contains("Depot") && watches.contains("parcels"), "{watches}");

    for count in 1..=3 {
        testbed.transmit(VAN, "Elsewhere");
        testbed.ask_until("van", &format!("Probe count: {count}\n"));
        testbed.kill_and_restart();
        testbed.ask_until("van", &format!("Probe count: {count}\n"));
    }

    // While Telegram refuses it, the alert survives two kills. It is then sent once.
    testbed.api.fail_next("sendMessage", usize::MAX, Fault::TooManyRequests { retry_after: 1 });
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event("alert_delayed", &[("chat", "1001")]);
    testbed.kill_and_restart();
    testbed.service.wait_for_log_event("alert_delayed", &[("chat", "1001")]);
    testbed.service.kill();
    testbed.api.clear_faults();
    testbed.service.restart();
    let alert = testbed.wait_for_alert(1);
    assert!(alert.plain.contains("(Van) looked for SSID \"Depot\""), "{}", alert.plain);
    testbed.wait_until_ready(1);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    testbed.kill_and_restart();
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(testbed.alerts().len(), 1, "a delivered alert is not sent again");

    // The cool-down survives a kill.
    testbed.transmit(VAN, "Depot");
    testbed.ask_until("van", "Probe count: 5\n");
    assert_eq!(testbed.alerts().len(), 1);
    testbed.api.assert_clean();
}

#[test]
fn kill_9_loses_nothing_by_webhook() {
    survives_kill_9(Mode::Webhook);
}

#[test]
fn kill_9_loses_nothing_by_polling() {
    survives_kill_9(Mode::Polling);
}

#[test]
fn alerts_survive_outages_delays_and_refusals() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0)) else {
        return;
    };
    testbed.ask("/watch Depot");
    for (number, fault) in [
        Fault::TooManyRequests { retry_after: 1 },
        Fault::ServerError(500),
        Fault::ServerError(502),
        Fault::Close,
    ]
    .into_iter()
    .enumerate()
    {
        testbed.api.fail_next("sendMessage", 1, fault);
        testbed.transmit(VAN, "Depot");
        testbed.wait_for_alert(number + 1);
    }
    testbed.api.set_down(true);
    let seen = testbed.service.log_lines().len();
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event_after(seen, "alert_delayed", &[("chat", "1001")]);
    testbed.api.set_down(false);
    testbed.wait_for_alert(5);

    // An alert that Telegram refuses permanently is dropped with a warning and does not delay the next.
    testbed.api.fail_next("sendMessage", 1, Fault::Forbidden);
    testbed.transmit(VAN, "Depot");
    testbed.service.wait_for_log_event("alert_undeliverable", &[]);
    testbed.ask("/help");
    testbed.transmit(VAN, "Depot");
    testbed.wait_for_alert(6);
    testbed.api.assert_clean();
}

#[test]
fn the_next_alert_counts_suppressed_probes() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(2)) else {
        return;
    };
    testbed.ask("/watch Depot");
    testbed.transmit(VAN, "Depot");
    testbed.wait_for_alert(1);
    testbed.transmit(VAN, "Depot");
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "Probe count: 3\n");
    // The cool-down is measured in capture time; send probes until it is over.
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    let mut count = 3;
    while testbed.alerts().len() < 2 {
        assert!(std::time::Instant::now() < deadline);
        testbed.transmit(VAN, "Depot");
        count += 1;
        testbed.ask_until(VAN, &format!("Probe count: {count}\n"));
    }
    let alert = testbed.wait_for_alert(2).plain;
    // The last probe may already belong to the next cool-down.
    let has_count = |count| alert.contains(&format!("\n{count} more probes since the last alert"));
    assert!(has_count(count - 2) || has_count(count - 3), "{alert}\nafter {count} probes");
    testbed.api.assert_clean();
}

#[test]
fn an_update_whose_connection_breaks_is_still_answered() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.api.fail_next("sendMessage", 1, Fault::Hang);
    let update = testbed.api.update(Incoming::text(CHAT, "/watch Depot cut off"));
    let webhook = testbed.api.webhook();
    let body = update.to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: bot\r\nx-telegram-bot-api-secret-token: {}\r\ncontent-length: {}\r\n\r\n",
        webhook.path(),
        webhook.secret_token.as_deref().unwrap(),
        body.len()
    );
    let mut post = http::connect(testbed.service.listen_address()).unwrap();
    post.write_all(head.as_bytes()).unwrap();
    post.write_all(body.as_bytes()).unwrap();
    testbed.api.wait_for_call("sendMessage", |_| true);
    drop(post);
    testbed.api.clear_faults();
    // Telegram got no answer, so it posts the update again. The bot handles it once.
    assert_eq!(testbed.api.post_update(testbed.service.listen_address(), &update), 200);
    testbed.api.wait_for_message(|message| message.plain.contains("Watching for \"Depot\""));
    assert_eq!(testbed.api.sent().len(), 1);
    assert!(testbed.ask("/watches").plain.contains("cut off"));
    testbed.api.assert_clean();
}

#[test]
fn requests_that_hang_or_lose_their_response_lose_no_alert() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0)) else {
        return;
    };
    testbed.ask("/watch Depot");
    testbed.api.fail_next("sendMessage", 1, Fault::Hang);
    testbed.transmit(VAN, "Depot");
    testbed.api.wait_for_call("sendMessage", is_alert_call);
    // Killed before Telegram answered: the delivery is unconfirmed, so the alert is sent again.
    testbed.service.kill();
    testbed.api.clear_faults();
    testbed.service.restart();
    testbed.wait_until_ready(2);
    testbed.wait_for_alert(1);
    // Telegram accepted the alert, but its answer was lost: the alert is sent again.
    testbed.api.fail_next("sendMessage", 1, Fault::AcceptThenClose);
    testbed.transmit(VAN, "Depot");
    testbed.wait_for_alert(2);
    testbed.wait_for_alert(3);
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    // The bot waits as long as Telegram demands.
    testbed.api.fail_next("sendMessage", 1, Fault::TooManyRequests { retry_after: 2 });
    testbed.transmit(VAN, "Depot");
    let alert = testbed.wait_for_alert(4);
    let calls = testbed.api.calls();
    let throttled = Outcome::Faulted(Fault::TooManyRequests { retry_after: 2 });
    let refused = calls.iter().rfind(|call| call.outcome == throttled).unwrap();
    assert!(alert.at - refused.at >= std::time::Duration::from_secs(2));
    testbed.api.assert_clean();
}

#[test]
fn groups_forums_and_messages_without_text_are_handled() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[CHAT, -100_200])) else {
        return;
    };
    let group = -100_200;
    testbed.say(group, "/help@some_other_bot");
    testbed.say(group, "/watch@Probewatch_Test_Bot Depot for the group");
    testbed.api.wait_for_message(|message| message.chat_id == group);
    assert_eq!(testbed.api.sent().len(), 1, "the other bot's command is not ours");
    // Each chat has its own watches.
    assert!(testbed.ask("/watches").plain.contains("No network is watched"));
    testbed.transmit(VAN, "Depot");
    assert_eq!(testbed.wait_for_alert(1).chat_id, group);
    testbed.ask_until(VAN, "Probe count: 1\n");
    // No more after /unwatch.
    testbed.say(group, "/unwatch Depot");
    testbed.transmit(ALICE, "Depot");
    testbed.ask_until(ALICE, "Probe count: 1\n");
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    assert_eq!(testbed.alerts().len(), 1);
    // In a forum the reply goes into the topic.
    let seen = testbed.api.sent().len();
    let in_topic = Incoming::text(group, "/help").in_thread(77);
    assert_eq!(testbed.api.post(testbed.service.listen_address(), in_topic), 200);
    assert_eq!(testbed.api.wait_for_message_after(seen, |_| true).thread_id, Some(77));
    // Messages of the maximum length, with characters that take the most room when shown.
    for message in ["\u{202e}".repeat(4096), format!("/{}", "<".repeat(4000)), "x".repeat(4096)] {
        assert!(testbed.ask(&message).plain.chars().count() > 10);
    }
    // A message without text is ignored in a group and gets one line in a private chat.
    let sent = testbed.api.sent().len();
    let sticker = serde_json::json!({"dice": {"emoji": "🎲", "value": 3}});
    for chat in [group, CHAT, CHAT] {
        let incoming = Incoming::other(chat, sticker.clone());
        assert_eq!(testbed.api.post(testbed.service.listen_address(), incoming), 200);
    }
    let replies = testbed.api.sent().split_off(sent);
    assert!(
        replies.len() == 1 && replies[0].chat_id == CHAT && replies[0].plain.contains("text"),
        "{replies:?}"
    );
    testbed.service.signal(libc::SIGINT);
    assert!(testbed.service.wait_for_exit().success());
    testbed.api.assert_clean();
}

#[test]
fn a_flood_of_alerts_is_summarized() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    for number in 0..300 {
        testbed.transmit(&format!("00:23:a7:00:{:02x}:{:02x}", number >> 8, number & 0xff), "Depot");
    }
    testbed.ask_until("/status", "Probes: 300 (");
    let summary = testbed.api.wait_for_message(|message| message.plain.contains("too many at once"));
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    let count = store::state::ALERTS_PER_MINUTE;
    assert_eq!(testbed.alerts().len(), count + 1, "{}", summary.plain);
    testbed.api.assert_clean();
}

#[test]
fn the_token_is_never_logged() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, |config| config.env("RUST_LOG", "trace")) else {
        return;
    };
    let token = testbed.api.token().to_owned();
    testbed.api.set_down(true);
    testbed.service.wait_for_log_event("polling_failed", &[]);
    testbed.service.kill();
    let quiet = |line: &String| !line.contains(&token) && !line.contains(token.split(':').nth(1).unwrap());
    assert!(testbed.service.log_lines().iter().all(quiet), "{:#?}", testbed.service.log_lines());
    // A custom API server under a path: teloxide does not hide the token in such URLs.
    let address = format!("{}/some/path", testbed.api.url());
    testbed.service.restart_with(|config| config.set("telegram", "api_url", &format!("{address:?}")));
    testbed.service.wait_for_log_event("request_failed", &[("method", "\"GetMe\"")]);
    assert!(testbed.service.terminate().success(), "it stops while it waits for Telegram");
    assert!(testbed.service.log_lines().iter().all(quiet), "{:#?}", testbed.service.log_lines());
    let token = "123456:WRONG-token";
    testbed.api.set_down(false);
    let url = testbed.api.url();
    testbed.service.restart_with(|config| {
        config.set("telegram", "token", &format!("{token:?}")).set("telegram", "api_url", &format!("{url:?}"))
    });
    assert_eq!(testbed.service.wait_for_exit().code(), Some(1));
    let lines = testbed.service.log_lines();
    assert!(lines.iter().any(|line| line.contains("Telegram refused the bot's token")), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("WRONG")), "{lines:#?}");
}

//! A press of a button acts once and is always answered. Its result goes to the chat and topic of its message: an
//! edited page, a question, a picture, a file, or a short notice.

use crate::support::bot_api::{Fault, Incoming, SentMessage, Version};
use crate::support::testbed::{CHAT, Mode, Testbed};

const GROUP: i64 = -100_200;
const VAN: &str = "00:23:a7:19:5c:02";

fn start(mode: Mode) -> Option<Testbed> {
    Testbed::start(mode, |config| config.chats(&[CHAT, GROUP]))
}

fn buttons_act(mode: Mode) {
    let Some(mut testbed) = start(mode) else { return };
    testbed.transmit(VAN, "Depot");
    let card = testbed.ask_until(VAN, "Probe count: 1");

    // The button asks a question; the reply to it names the device.
    let question = testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Name it")));
    assert_eq!(question.raw["reply_markup"]["force_reply"], true);
    let named = testbed.bring_and_wait(CHAT, Incoming::reply(&question, "Van"));
    assert!(named.plain.contains("is now called Van"), "{}", named.plain);
    // A message that is not a reply is a look-up.
    let card = testbed.ask("Van");
    assert!(card.plain.starts_with("📡 Wi-Fi probe stats for Van"), "{}", card.plain);

    // A picture, with the chat action of an upload.
    let chart = testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
    assert_eq!(chart.method, "sendPhoto");
    assert!(chart.files[0].bytes.starts_with(b"\x89PNG") && chart.plain.contains("Van"), "{}", chart.plain);
    testbed.api.wait_for_call("sendChatAction", |call| call.params["action"] == "upload_photo");
    // Another period replaces the picture. A press on the card sends a new message.
    let week = testbed.bring_and_wait(CHAT, Incoming::press(&chart, chart.button("7d")));
    assert_eq!((week.method.as_str(), week.message_id), ("editMessageMedia", chart.message_id));
    assert!(week.files[0].bytes.starts_with(b"\x89PNG") && week.plain.contains("7 days"), "{}", week.plain);
    let card = testbed.ask("Van");
    let another = testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
    assert_eq!(another.method, "sendPhoto");
    assert_ne!(another.message_id, chart.message_id);

    // A file.
    let table = testbed.bring_and_wait(CHAT, Incoming::text(CHAT, "/export Van"));
    assert_eq!(table.method, "sendDocument");
    assert!(table.files[0].file_name.as_ref().unwrap().ends_with(".csv"));
    assert!(String::from_utf8_lossy(&table.files[0].bytes).contains("Depot"));

    // A short notice.
    testbed.bring(Incoming::press(&card, "no button of ours"));
    testbed.api.wait_for_call("answerCallbackQuery", |call| call.params.contains_key("text"));
    if mode == Mode::Polling {
        testbed.api.wait_until_confirmed();
    }
    assert_eq!(testbed.api.unanswered_presses(), 0);
    testbed.api.assert_clean();
}

#[test]
fn buttons_act_by_webhook() {
    buttons_act(Mode::Webhook);
}

#[test]
fn buttons_act_by_polling() {
    buttons_act(Mode::Polling);
}

#[test]
fn a_button_shows_what_it_is_about() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.transmit(VAN, "Depot");
    let card = testbed.ask_until(VAN, "Probe count: 1");
    assert_eq!(card.style("Name it").as_deref(), Some("primary"));
    assert_eq!(card.style("Follow").as_deref(), None);
    testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Follow")));
    assert_eq!(testbed.ask(VAN).style("Unfollow").as_deref(), Some("danger"));
    assert_eq!(testbed.ask("/ssid Depot").style("Watch").as_deref(), Some("primary"));
    testbed.api.assert_clean();
}

#[test]
fn a_copied_text_is_what_the_command_needs() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    let copied = |message: &SentMessage, label: &str| {
        message.copied_text(label).unwrap_or_else(|| panic!("{label}: {message:?}"))
    };
    let awkward = "a \"b\" \\ <c> *";
    testbed.transmit(VAN, awkward);
    let card = testbed.ask_until(VAN, "Probe count: 1");
    assert_eq!(copied(&card, "Copy address"), VAN);

    // An SSID with all that a command reads in its own way, and one that is no text.
    testbed.transmit(VAN, "caf\u{e9}\u{202e}");
    testbed.ask_until(VAN, "Probe count: 2");
    for (ssid, command) in [
        (r#""a \"b\" \\ <c> *""#, r#"/watch "a \"b\" \\ <c> *""#),
        ("hex:636166c3a9e280ae", "/watch hex:636166c3a9e280ae"),
    ] {
        let network = testbed.ask(&format!("/ssid {ssid}"));
        assert_eq!(copied(&network, "/watch"), command);
        let watching = testbed.ask(command);
        assert!(watching.plain.contains("Watching for"), "{}", watching.plain);
        testbed.transmit(VAN, if command.contains("hex") { "caf\u{e9}\u{202e}" } else { awkward });
    }
    testbed.wait_for_alert(2);

    let ignored = testbed.ask(&format!("/ignore {VAN}"));
    assert_eq!(copied(&ignored, "/unignore"), format!("/unignore {VAN}"));
    let alerts_again = testbed.ask(&copied(&ignored, "/unignore"));
    assert!(alerts_again.plain.contains("are on again"), "{}", alerts_again.plain);
    testbed.api.assert_clean();
}

#[test]
fn a_server_that_knows_no_copied_text_gets_the_message_without() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.transmit(VAN, "Depot");
    testbed.ask_until("/status", "Probes: 1 (");
    testbed.api.set_version(Version::V7_0);
    for _ in 0..3 {
        let card = testbed.ask(VAN);
        assert!(card.copied_texts().is_empty() && card.buttons().len() > 2, "{card:?}");
    }
    // It is remembered.
    assert_eq!(testbed.api.unknown_count("InlineKeyboardButton.copy_text"), 1);
    testbed.api.assert_clean();
}

#[test]
fn paging_edits_the_message() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    for number in 0..30 {
        testbed.transmit(&format!("00:23:a7:00:00:{number:02x}"), "Depot");
    }
    testbed.ask_until("/status", "Probes: 30 (");
    let first = testbed.ask("/devices");
    let second = testbed.bring_and_wait(CHAT, Incoming::press(&first, first.button("▶")));
    assert_eq!((second.method.as_str(), second.message_id), ("editMessageText", first.message_id));
    assert_ne!(second.plain, first.plain);
    let back = testbed.bring_and_wait(CHAT, Incoming::press(&second, second.button("◀")));
    assert_eq!(back.message_id, first.message_id);

    // Pressed twice: the message already shows that page, so nothing fails and nothing is sent.
    let sent = testbed.api.sent().len();
    testbed.bring(Incoming::press(&back, second.button("◀")));
    assert_eq!(testbed.api.sent().len(), sent);

    // If the message is too old to be edited, or deleted, the page is sent as a new message.
    let resent =
        testbed.bring_and_wait(CHAT, Incoming::press_under_old(CHAT, first.message_id, first.button("▶")));
    assert_eq!(resent.method, "sendRichMessage");
    testbed.api.fail_next("editMessageText", 1, Fault::BadRequest);
    let resent = testbed.bring_and_wait(CHAT, Incoming::press(&first, first.button("▶")));
    assert_eq!(resent.method, "sendRichMessage");
    // Telegram refuses an answer to an old press; the page is sent nevertheless.
    testbed.api.fail_next("answerCallbackQuery", 1, Fault::BadRequest);
    testbed.bring_and_wait(CHAT, Incoming::press(&first, first.button("▶")));
    testbed.api.assert_clean();
}

#[test]
fn another_period_edits_the_chart() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.transmit(VAN, "Depot");
    let list = testbed.ask_until("/ssid Depot", "1 device");
    let chart = testbed.bring_and_wait(CHAT, Incoming::press(&list, list.button("Chart")));
    assert_eq!(chart.method, "sendPhoto");
    let week = testbed.bring_and_wait(CHAT, Incoming::press(&chart, chart.button("7d")));
    let month = testbed.bring_and_wait(CHAT, Incoming::press(&week, week.button("30d")));
    for edited in [&week, &month] {
        assert_eq!((edited.method.as_str(), edited.message_id), ("editMessageMedia", chart.message_id));
    }
    assert_eq!(month.buttons().len(), 2, "the other periods");

    // If the first edit fails, it is retried, and no second picture is sent.
    for fault in [Fault::Close, Fault::ServerError(502), Fault::TooManyRequests { retry_after: 1 }] {
        testbed.api.fail_next("editMessageMedia", 1, fault);
        let day = testbed.bring_and_wait(CHAT, Incoming::press(&month, month.button("24h")));
        assert_eq!((day.method.as_str(), day.message_id), ("editMessageMedia", chart.message_id));
        testbed.bring_and_wait(CHAT, Incoming::press(&day, day.button("30d")));
    }

    // If the message is too old to be edited, or deleted, the chart is sent as a new message.
    let press = Incoming::press_under_old(CHAT, chart.message_id, month.button("7d"));
    assert_eq!(testbed.bring_and_wait(CHAT, press).method, "sendPhoto");
    testbed.api.fail_next("editMessageMedia", 1, Fault::BadRequest);
    let resent = testbed.bring_and_wait(CHAT, Incoming::press(&month, month.button("24h")));
    assert_eq!(resent.method, "sendPhoto");
    assert_ne!(resent.message_id, chart.message_id);

    // The message already shows that picture: nothing fails and nothing is sent.
    testbed.api.fail_next("editMessageMedia", 1, Fault::NotModified);
    let sent = testbed.api.sent_count();
    testbed.bring(Incoming::press(&resent, resent.button("7d")));
    assert_eq!(testbed.api.sent_count(), sent);
    testbed.api.assert_clean();
}

#[test]
fn a_press_acts_once_and_in_its_topic() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "Probe count: 1");
    let listen = testbed.service.listen_address();
    let seen = testbed.api.sent().len();
    assert_eq!(testbed.api.post(listen, Incoming::text(GROUP, "/ssid Depot").in_thread(77)), 200);
    let asked = testbed.api.wait_for_message_after(seen, |message| message.chat_id == GROUP);
    assert_eq!(asked.thread_id, Some(77));

    // The same press, delivered twice and once more after a restart, acts once and is answered once.
    let press = testbed.api.update(Incoming::press(&asked, asked.button("👁 Watch")));
    assert_eq!(testbed.api.post_update(listen, &press), 200);
    assert_eq!(testbed.api.post_update(listen, &press), 200);
    let answers = testbed.api.wait_for_calls("answerCallbackQuery", 1);
    assert_eq!(answers.len(), 1);
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/unwatch Depot"));
    testbed.kill_and_restart();
    let listen = testbed.service.listen_address();
    testbed.api.fail_next("answerCallbackQuery", 1, Fault::BadRequest);
    assert_eq!(testbed.api.post_update(listen, &press), 200);
    let watches = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/watches"));
    assert!(watches.plain.contains("No network is watched"), "{}", watches.plain);

    // The result of a press is sent to the topic of its message.
    let card = testbed.bring_and_wait(GROUP, Incoming::press(&asked, asked.button("1")));
    assert_eq!(card.thread_id, Some(77));
    // In a group, the question is addressed to the person who pressed.
    let question = testbed.bring_and_wait(GROUP, Incoming::press(&card, card.button("Name it")));
    assert_eq!(question.raw["reply_markup"]["force_reply"], true);
    let named = testbed.bring_and_wait(GROUP, Incoming::reply(&question, "Van"));
    assert!(named.plain.contains("is now called Van"), "{}", named.plain);
    testbed.api.assert_clean();
}

#[test]
fn a_failed_upload_of_a_chart_is_retried() {
    let Some(mut testbed) = start(Mode::Webhook) else { return };
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "Probe count: 1");
    for fault in [Fault::Close, Fault::ServerError(502), Fault::TooManyRequests { retry_after: 1 }] {
        let card = testbed.ask(VAN);
        testbed.api.fail_next("sendPhoto", 1, fault);
        let chart = testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
        assert!(chart.files[0].bytes.starts_with(b"\x89PNG"));
    }
    testbed.api.assert_clean();
}

//! Promise: buttons instead of syntax. A press acts once, is always answered, and what comes of it goes where
//! the message stands: edited pages, questions, pictures, files, or a few words.

use crate::support::bot_api::{Fault, Incoming};
use crate::support::home::{CHAT, Home, Mode};

const GROUP: i64 = -100_200;
const VAN: &str = "00:23:a7:19:5c:02";

fn start(mode: Mode) -> Option<Home> {
    Home::start(mode, |config| config.chats(&[CHAT, GROUP]))
}

fn buttons_in_place_of_syntax(mode: Mode) {
    let Some(mut home) = start(mode) else { return };
    home.transmit(VAN, "Depot");
    let card = home.ask_until(VAN, "Probe count: 1");

    // A question, whose reply is the answer.
    let question = home.bring_and_wait(CHAT, Incoming::press(&card, card.button("Name it")));
    assert_eq!(question.raw["reply_markup"]["force_reply"], true);
    let named = home.bring_and_wait(CHAT, Incoming::reply(&question, "Van"));
    assert!(named.plain.contains("is now called Van"), "{}", named.plain);
    // What replies to nothing is a look-up as ever.
    let card = home.ask("Van");
    assert!(card.plain.starts_with("📡 Wi-Fi probe stats for Van"), "{}", card.plain);

    // A picture, announced as one.
    let chart = home.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
    assert_eq!(chart.method, "sendPhoto");
    assert!(chart.files[0].bytes.starts_with(b"\x89PNG") && chart.plain.contains("Van"), "{}", chart.plain);
    home.api.wait_for_call("sendChatAction", |call| call.params["action"] == "upload_photo");
    // Another period takes its place; from the card, a chart is a message of its own.
    let week = home.bring_and_wait(CHAT, Incoming::press(&chart, chart.button("7d")));
    assert_eq!((week.method.as_str(), week.message_id), ("editMessageMedia", chart.message_id));
    assert!(week.files[0].bytes.starts_with(b"\x89PNG") && week.plain.contains("7 days"), "{}", week.plain);
    let another = home.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
    assert_eq!(another.method, "sendPhoto");
    assert_ne!(another.message_id, chart.message_id);

    // A file to be kept.
    let table = home.bring_and_wait(CHAT, Incoming::text(CHAT, "/export Van"));
    assert_eq!(table.method, "sendDocument");
    assert!(table.files[0].file_name.as_ref().unwrap().ends_with(".csv"));
    assert!(String::from_utf8_lossy(&table.files[0].bytes).contains("Depot"));

    // Few words.
    home.bring(Incoming::press(&card, "no button of ours"));
    home.api.wait_for_call("answerCallbackQuery", |call| call.params.contains_key("text"));
    if mode == Mode::Polling {
        home.api.wait_until_confirmed();
    }
    assert_eq!(home.api.unanswered_presses(), 0);
    home.api.assert_clean();
}

#[test]
fn buttons_in_place_of_syntax_by_webhook() {
    buttons_in_place_of_syntax(Mode::Webhook);
}

#[test]
fn buttons_in_place_of_syntax_by_polling() {
    buttons_in_place_of_syntax(Mode::Polling);
}

#[test]
fn pages_are_turned_by_editing_the_message() {
    let Some(mut home) = start(Mode::Webhook) else { return };
    for number in 0..30 {
        home.transmit(&format!("00:23:a7:00:00:{number:02x}"), "Depot");
    }
    home.ask_until("/status", "Probes: 30 (");
    let first = home.ask("/devices");
    let second = home.bring_and_wait(CHAT, Incoming::press(&first, first.button("▶")));
    assert_eq!((second.method.as_str(), second.message_id), ("editMessageText", first.message_id));
    assert_ne!(second.plain, first.plain);
    let back = home.bring_and_wait(CHAT, Incoming::press(&second, second.button("◀")));
    assert_eq!(back.message_id, first.message_id);

    // Pressed again before the person sees the page, it says so already: no failure, and nothing new.
    let sent = home.api.sent().len();
    home.bring(Incoming::press(&back, second.button("◀")));
    assert_eq!(home.api.sent().len(), sent);

    // A page that is too old to be edited comes as a new message; so does one that is gone.
    let anew =
        home.bring_and_wait(CHAT, Incoming::press_under_old(CHAT, first.message_id, first.button("▶")));
    assert_eq!(anew.method, "sendMessage");
    home.api.fail_next("editMessageText", 1, Fault::BadRequest);
    let anew = home.bring_and_wait(CHAT, Incoming::press(&first, first.button("▶")));
    assert_eq!(anew.method, "sendMessage");
    // An answer to a press that comes too late for Telegram is no trouble.
    home.api.fail_next("answerCallbackQuery", 1, Fault::BadRequest);
    home.bring_and_wait(CHAT, Incoming::press(&first, first.button("▶")));
    home.api.assert_clean();
}

#[test]
fn a_picture_becomes_another_where_it_can() {
    let Some(mut home) = start(Mode::Webhook) else { return };
    home.transmit(VAN, "Depot");
    let list = home.ask_until("/ssid Depot", "1 device");
    let chart = home.bring_and_wait(CHAT, Incoming::press(&list, list.button("Chart")));
    assert_eq!(chart.method, "sendPhoto");
    let week = home.bring_and_wait(CHAT, Incoming::press(&chart, chart.button("7d")));
    let month = home.bring_and_wait(CHAT, Incoming::press(&week, week.button("30d")));
    for edited in [&week, &month] {
        assert_eq!((edited.method.as_str(), edited.message_id), ("editMessageMedia", chart.message_id));
    }
    assert_eq!(month.buttons().len(), 2, "the other periods");

    // Not taken at first, it is edited all the same, and does not come a second time.
    for fault in [Fault::Close, Fault::ServerError(502), Fault::TooManyRequests { retry_after: 1 }] {
        home.api.fail_next("editMessageMedia", 1, fault);
        let day = home.bring_and_wait(CHAT, Incoming::press(&month, month.button("24h")));
        assert_eq!((day.method.as_str(), day.message_id), ("editMessageMedia", chart.message_id));
        home.bring_and_wait(CHAT, Incoming::press(&day, day.button("30d")));
    }

    // What is too old to be edited, or is gone, comes anew.
    let press = Incoming::press_under_old(CHAT, chart.message_id, month.button("7d"));
    assert_eq!(home.bring_and_wait(CHAT, press).method, "sendPhoto");
    home.api.fail_next("editMessageMedia", 1, Fault::BadRequest);
    let anew = home.bring_and_wait(CHAT, Incoming::press(&month, month.button("7d")));
    assert_eq!(anew.method, "sendPhoto");
    assert_ne!(anew.message_id, chart.message_id);

    // It may show that picture already: no failure, and nothing new.
    home.api.fail_next("editMessageMedia", 1, Fault::NotModified);
    let sent = home.api.sent_count();
    home.bring(Incoming::press(&anew, anew.button("24h")));
    assert_eq!(home.api.sent_count(), sent);
    home.api.assert_clean();
}

#[test]
fn a_press_acts_once_and_in_its_topic() {
    let Some(mut home) = start(Mode::Webhook) else { return };
    home.transmit(VAN, "Depot");
    home.ask_until(VAN, "Probe count: 1");
    let listen = home.service.listen_address();
    let seen = home.api.sent().len();
    assert_eq!(home.api.post(listen, Incoming::text(GROUP, "/ssid Depot").in_thread(77)), 200);
    let asked = home.api.wait_for_message_after(seen, |message| message.chat_id == GROUP);
    assert_eq!(asked.thread_id, Some(77));

    // The same press twice, also over a restart, is one watch and one answer.
    let press = home.api.update(Incoming::press(&asked, asked.button("👁 Watch")));
    assert_eq!(home.api.post_update(listen, &press), 200);
    assert_eq!(home.api.post_update(listen, &press), 200);
    let told = home.api.wait_for_calls("answerCallbackQuery", 1);
    assert_eq!(told.len(), 1);
    home.bring_and_wait(GROUP, Incoming::text(GROUP, "/unwatch Depot"));
    home.kill_and_restart();
    let listen = home.service.listen_address();
    home.api.fail_next("answerCallbackQuery", 1, Fault::BadRequest);
    assert_eq!(home.api.post_update(listen, &press), 200);
    let watches = home.bring_and_wait(GROUP, Incoming::text(GROUP, "/watches"));
    assert!(watches.plain.contains("No network is watched"), "{}", watches.plain);

    // What a press sends stands in the topic of its message.
    let card = home.bring_and_wait(GROUP, Incoming::press(&asked, asked.button("1")));
    assert_eq!(card.thread_id, Some(77));
    // In a group, a question is put to whoever asked.
    let question = home.bring_and_wait(GROUP, Incoming::press(&card, card.button("Name it")));
    assert_eq!(question.raw["reply_markup"]["force_reply"], true);
    let named = home.bring_and_wait(GROUP, Incoming::reply(&question, "Van"));
    assert!(named.plain.contains("is now called Van"), "{}", named.plain);
    home.api.assert_clean();
}

#[test]
fn a_picture_that_telegram_does_not_take_at_first_is_sent_again() {
    let Some(mut home) = start(Mode::Webhook) else { return };
    home.transmit(VAN, "Depot");
    let card = home.ask_until(VAN, "Probe count: 1");
    for fault in [Fault::Close, Fault::ServerError(502), Fault::TooManyRequests { retry_after: 1 }] {
        home.api.fail_next("sendPhoto", 1, fault);
        let chart = home.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
        assert!(chart.files[0].bytes.starts_with(b"\x89PNG"));
    }
    home.api.assert_clean();
}

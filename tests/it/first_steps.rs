//! After pairing, the bot asks three questions with buttons, shows a device as an example, and is ready.

use crate::support::bot_api::{Incoming, SentMessage};
use crate::support::service::{Config, toml_string};
use crate::support::testbed::{Mode, Testbed};

const OWNER: i64 = 1001;
const MEMBER: i64 = 2002;
const GROUP: i64 = -100_300;
const VAN: &str = "00:23:a7:19:5c:02";
const RANDOM: &str = "da:a1:19:00:00:01";

/// The code in a link.
fn code_in(text: &str) -> String {
    let after = text.split("?start=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    after.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// A service without chats and owners whose configuration sets nothing of what chats choose.
fn new_bot(config: Config) -> Config {
    config
        .chats(&[])
        .cooldown_seconds(0)
        .unset("", "time_zone")
        .unset("alerts", "gather_seconds")
        .env("TZ", "Europe/Berlin")
}

/// Has the owner open the link in the log.
fn pair(testbed: &Testbed) -> (SentMessage, String) {
    let code = code_in(&testbed.service.wait_for_log_event("ownership_offered", &[]));
    let welcome = testbed.bring_and_wait(OWNER, Incoming::text(OWNER, format!("/start {code}")));
    assert!(welcome.plain.starts_with("🔑 You now own this bot."), "{}", welcome.plain);
    (welcome, code)
}

fn press(testbed: &Testbed, message: &SentMessage, label: &str) -> SentMessage {
    testbed.bring_and_wait(message.chat_id, Incoming::press(message, message.button(label)))
}

#[track_caller]
fn assert_asks(message: &SentMessage, question: &str) {
    assert!(message.plain.contains(question), "{question}: {}", message.plain);
}

/// The message after this one.
fn next_message(testbed: &Testbed, after: &SentMessage) -> SentMessage {
    testbed
        .api
        .wait_for_message(|message| message.chat_id == after.chat_id && message.message_id > after.message_id)
}

#[test]
fn from_pairing_to_the_first_alert() {
    for mode in [Mode::Webhook, Mode::Polling] {
        let Some(mut testbed) = Testbed::start(mode, new_bot) else { return };
        for (source, ssid) in
            [(RANDOM, "Depot"), (VAN, "Depot"), (VAN, "Depot"), (VAN, "<b>Café</b> & co"), (VAN, " ")]
        {
            testbed.transmit(source, ssid);
        }
        let (zone, _) = pair(&testbed);
        assert_asks(
            &zone,
            "Setting this chat up, 1 of 3\n\nWhich time zone are you in? I guess Europe/Berlin.",
        );
        assert!(zone.button("Europe/Berlin, ") == "first:zone:Europe/Berlin");
        let quiet = press(&testbed, &zone, "Europe/London");
        assert_eq!((quiet.method.as_str(), quiet.message_id), ("editMessageText", zone.message_id));
        assert_asks(&quiet, "2 of 3\n✓ Time zone: Europe/London\n\n");
        let watch = press(&testbed, &quiet, "No quiet hours");
        assert_asks(&watch, "3 of 3\n✓ Time zone: Europe/London\n✓ Quiet hours: none\n\n");
        let mut labels: Vec<String> = watch.buttons().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels.remove(0), "Depot");
        labels.sort();
        assert_eq!(labels, ["\" \"", "<b>Café</b> & co", "Nothing now", "Something else…"]);
        let ready = press(&testbed, &watch, "Depot");
        assert_asks(&ready, "🎉 This chat is ready.");
        assert_asks(&ready, "👁 Watching 1 network");
        // The example is the device whose address is its own, as a card like any other.
        let card = next_message(&testbed, &ready);
        assert!(card.plain.contains(VAN), "{}", card.plain);
        card.button("Name it");
        testbed.transmit(VAN, "Depot");
        let alert = testbed.wait_for_alert(1);
        assert_eq!(alert.chat_id, OWNER);
        assert!(alert.plain.contains(" GMT") || alert.plain.contains(" BST"), "{}", alert.plain);
        testbed.api.assert_clean();
    }
}

#[test]
fn every_question_can_be_skipped_and_answered_in_words() {
    let Some(testbed) = Testbed::start(Mode::Webhook, new_bot) else { return };
    let (zone, _) = pair(&testbed);
    let watch = press(&testbed, &press(&testbed, &zone, "Skip"), "Skip");
    assert_asks(&watch, "✓ Time zone: Europe/Berlin\n✓ Quiet hours: none\n");
    assert_asks(&watch, "No device has looked for a network by name yet.");
    let ready = press(&testbed, &watch, "Nothing now");
    assert_asks(&ready, "👁 Watching nothing yet");
    assert_asks(&ready, "but there is none");
    let nothing_chosen = testbed.ask("/settings").plain;
    assert!(nothing_chosen.contains("TZ=Europe/Berlin"), "{nothing_chosen}");
    // Again, in words.
    let zone = press(&testbed, &testbed.ask("/start"), "Set this chat up");
    assert_asks(&zone, "1 of 3\n");
    let asked = press(&testbed, &zone, "Another");
    let quiet = testbed.bring_and_wait(OWNER, Incoming::text(OWNER, "são paulo?"));
    assert!(quiet.plain.starts_with("❌"), "{}", quiet.plain);
    let quiet = testbed.bring_and_wait(OWNER, Incoming::reply(&asked, "sao paulo"));
    assert_asks(&quiet, "2 of 3\n✓ Time zone: America/Sao_Paulo\n\n");
    press(&testbed, &quiet, "Other hours");
    let refused = testbed.ask("at night");
    assert!(refused.plain.starts_with("❌ “at night” are no hours."), "{}", refused.plain);
    let watch = testbed.ask("23:30 - 6:15");
    assert_asks(&watch, "✓ Quiet hours: 23:30–06:15\n\n");
    press(&testbed, &watch, "Something else");
    let ready = testbed.ask("My home network");
    assert_asks(&ready, "🎉 This chat is ready.");
    assert!(testbed.ask("/watches").plain.contains("My home network"));
    testbed.api.assert_clean();
}

#[test]
fn a_kill_an_old_button_and_a_second_press_lose_nothing() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, new_bot) else { return };
    let (zone, code) = pair(&testbed);
    // The update comes again, since a crash cut its handling off.
    testbed.kill_and_restart();
    let again = testbed.ask(&format!("/start {code}"));
    assert!(again.plain.starts_with("🔑 You now own this bot."), "{}", again.plain);
    assert_asks(&again, "1 of 3\n");
    let berlin = Incoming::press(&zone, zone.button("Europe/Berlin, "));
    let quiet = testbed.bring_and_wait(OWNER, berlin.clone());
    assert_asks(&quiet, "2 of 3\n");
    testbed.kill_and_restart();
    // A second press changes nothing, and the message shows the next question already.
    testbed.bring(berlin);
    let watch = press(&testbed, &quiet, "22:00–07:00");
    testbed.kill_and_restart();
    assert_asks(&watch, "3 of 3\n");
    let ready = press(&testbed, &watch, "Nothing now");
    assert_asks(&ready, "🎉 This chat is ready.");
    // A button of the first question still answers it, and shows what holds now.
    let quiet = testbed.bring_and_wait(OWNER, Incoming::press(&again, again.button("Europe/Athens")));
    assert_asks(&quiet, "2 of 3\n✓ Time zone: Europe/Athens\n\n");
    let settings = testbed.ask("/settings").plain;
    assert!(
        settings.contains("Quiet hours: 22:00–07:00\n") && settings.contains("Europe/Athens ("),
        "{settings}"
    );
    // The chat has chosen, so a used code is not greeted like a new one.
    let start = testbed.ask(&format!("/start {code}"));
    assert!(start.plain.starts_with("📡 probewatch"), "{}", start.plain);
    testbed.api.assert_clean();
}

#[test]
fn a_member_answers_for_its_own_chat_and_a_group_is_offered_to() {
    let Some(testbed) = Testbed::start(Mode::Webhook, new_bot) else { return };
    let (zone, _) = pair(&testbed);
    press(&testbed, &zone, "Europe/London");
    let code = code_in(&testbed.ask("/invite").plain);
    let welcome = testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, format!("/start {code}")));
    assert!(welcome.plain.starts_with("👋 This chat now has access."), "{}", welcome.plain);
    assert_asks(&welcome, "I guess Europe/Berlin.");
    press(&testbed, &welcome, "Europe/Athens");
    assert!(testbed.ask("/settings").plain.contains("Europe/London"));
    let code = code_in(&testbed.ask("/invite").plain);
    let in_group = format!("/start@probewatch_test_bot {code}");
    let welcome = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, in_group));
    assert!(!welcome.plain.contains("1 of 3"), "{}", welcome.plain);
    let by = |user, name: &str, message: &SentMessage, label: &str| {
        let press = Incoming::press(message, message.button(label)).by_user(user, name);
        testbed.bring_and_wait(GROUP, press)
    };
    let zone = by(9001, "Ann", &welcome, "Set this chat up");
    let quiet = by(9001, "Ann", &zone, "Europe/London");
    assert_asks(&quiet, "2 of 3\n");
    assert!(quiet.plain.ends_with("\nBy Ann"), "{}", quiet.plain);
    // Bob is no admin, so what Ann chose stays.
    let refused = by(9002, "Bob", &zone, "Europe/Athens");
    assert!(refused.plain.starts_with("❌ Only admins"), "{}", refused.plain);
    testbed.api.assert_clean();
}

#[test]
fn what_the_configuration_sets_is_not_asked() {
    let set = |config: Config| {
        new_bot(config).set("", "time_zone", &toml_string("Asia/Tokyo")).set(
            "alerts",
            "quiet",
            &toml_string("22:30-07:00"),
        )
    };
    let Some(testbed) = Testbed::start(Mode::Webhook, set) else { return };
    let (watch, _) = pair(&testbed);
    assert_asks(
        &watch,
        "1 of 1\n🔒 Time zone: Asia/Tokyo, set in the configuration\n\
         🔒 Quiet hours: 22:30–07:00, set in the configuration\n\nWhich network",
    );
    // A button of a time when it was not set goes on.
    let still = testbed.bring_and_wait(OWNER, Incoming::press(&watch, "first:zone:Europe/Berlin"));
    assert_asks(&still, "🔒 Time zone: Asia/Tokyo");
    let ready = press(&testbed, &watch, "Nothing now");
    assert_asks(&ready, "🔒 Quiet hours: 22:30–07:00");
    testbed.api.assert_clean();
}

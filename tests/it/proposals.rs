//! Owners name devices; members propose names, which an owner accepts or refuses, unless the configuration lets them.

use crate::support::bot_api::{Fault, Incoming, SentMessage};
use crate::support::service::Config;
use crate::support::testbed::{CHAT, Mode, Testbed};

const BOB: i64 = 2002;
const GROUP: i64 = -100_300;
/// Named by the configuration.
const PHONE: &str = "a4:83:e7:4e:39:15";
const LAMP: &str = "a4:83:e7:00:00:01";

/// A service that [`CHAT`] owns.
fn owned(change: impl FnOnce(Config) -> Config) -> Option<Testbed> {
    Testbed::start(Mode::Webhook, |config| {
        change(config.chats(&[BOB, GROUP]).set("telegram", "owners", &format!("[{CHAT}]")))
    })
}

fn bob(testbed: &Testbed, text: &str) -> SentMessage {
    testbed.bring_and_wait(BOB, Incoming::text(BOB, text).by_user(BOB, "Bob <b>"))
}

/// Bob proposes a change. Returns the question to the owner.
fn propose(testbed: &Testbed, text: &str) -> SentMessage {
    let seen = testbed.api.sent().len();
    let reply = bob(testbed, text);
    assert!(reply.plain.contains("Only an owner can do that. I asked them"), "{}", reply.plain);
    testbed.api.wait_for_message_after(seen, |message| message.chat_id == CHAT)
}

/// Presses a button, and waits for the notification.
fn press(testbed: &Testbed, under: &SentMessage, data: &str) -> String {
    let answered = testbed.api.calls().iter().filter(|call| call.method == "answerCallbackQuery").count();
    testbed.bring(Incoming::press(under, data));
    let calls = testbed.api.wait_for_calls("answerCallbackQuery", answered + 1);
    calls[answered].params.get("text").and_then(|text| text.as_str()).unwrap_or_default().to_owned()
}

#[test]
fn an_owner_accepts_or_refuses_the_name_that_a_member_proposes() {
    let Some(mut testbed) = owned(|config| config) else { return };
    let question = propose(&testbed, &format!("/name {LAMP} Alice's phone"));
    let text = &question.plain;
    assert!(text.contains("Bob <b> (chat 2002) asks you to call") && text.contains(LAMP), "{text}");
    assert!(text.contains("It would count as one device with 1 address of that name."), "{text}");
    let again = bob(&testbed, &format!("/name {LAMP} Alice's phone"));
    assert!(again.plain.contains("asked for that already"), "{}", again.plain);
    // Neither the proposal nor a forged button names the device.
    let accept = question.button("Accept");
    let forged = Incoming::callback(BOB, again.message_id, accept.clone()).by_user(BOB, "Bob");
    testbed.bring(forged);
    testbed.api.wait_for_call("answerCallbackQuery", |call| {
        call.params.get("text").is_some_and(|text| text == "Only owners can do that, in a private chat.")
    });
    assert!(testbed.ask("/proposals").plain.contains(LAMP));
    testbed.kill_and_restart();
    // The list has buttons, too. The first answer counts.
    let list = testbed.ask("/proposals");
    assert!(list.plain.contains(LAMP) && list.buttons().len() == 2, "{}", list.plain);
    let seen = testbed.api.sent().len();
    testbed.bring(Incoming::press(&question, accept.clone()));
    let done = testbed.api.wait_for_message_after(seen, |message| message.chat_id == CHAT);
    assert!(
        done.method == "editMessageText" && done.plain.contains("is now called Alice's phone"),
        "{done:?}"
    );
    let told = testbed.api.wait_for_message_after(seen, |message| message.chat_id == BOB);
    assert!(told.plain.starts_with("✅ An owner accepted to call"), "{}", told.plain);
    for data in [accept, list.button("Refuse"), "proposal:accept:99999999".to_owned()] {
        let notified = press(&testbed, &list, &data);
        assert_eq!(notified, "That was answered already, or nobody answered it for a week.");
    }
    let card = testbed.bring_and_wait(CHAT, Incoming::text(CHAT, "/unname").by_user(CHAT, "Ann"));
    assert!(card.plain.starts_with('❌'), "{}", card.plain);

    // A name that is refused is not given.
    let question = propose(&testbed, &format!("/unname {LAMP}"));
    assert!(question.plain.contains("to remove the name of"), "{}", question.plain);
    let seen = testbed.api.sent().len();
    testbed.bring(Incoming::press(&question, question.button("Refuse")));
    let told = testbed.api.wait_for_message_after(seen, |message| message.chat_id == BOB);
    assert!(told.plain.starts_with("❌ An owner refused to remove the name of"), "{}", told.plain);
    let unnamed = testbed.ask(&format!("/unname {LAMP}"));
    assert!(unnamed.plain.contains("no longer has a name"), "it had one: {}", unnamed.plain);
    testbed.api.assert_clean();
}

#[test]
fn owners_are_asked_although_telegram_failed_and_the_service_was_killed() {
    let Some(mut testbed) = owned(|config| config) else { return };
    testbed.api.fail_next("sendMessage", 1000, Fault::ServerError(500));
    testbed.bring(Incoming::text(BOB, format!("/name {LAMP} Lamp")).by_user(BOB, "Bob"));
    testbed.kill_and_restart_after(|| ());
    testbed.api.clear_faults();
    let is_question =
        |message: &SentMessage| message.chat_id == CHAT && message.plain.contains("asks you to call");
    let question = testbed.api.wait_for_message(is_question);
    assert!(question.plain.contains(LAMP) && question.buttons().len() == 2, "{}", question.plain);
    // The second question follows once it is recorded that the first was sent.
    propose(&testbed, "/name a4:83:e7:00:00:02 Radio");
    testbed.kill_and_restart();
    propose(&testbed, "/name a4:83:e7:00:00:03 Clock");
    let of_lamp = |message: &&SentMessage| is_question(message) && message.plain.contains(LAMP);
    assert_eq!(testbed.api.sent().iter().filter(of_lamp).count(), 1);
    testbed.api.assert_clean();
}

#[test]
fn a_chat_proposes_few_names_and_an_owner_in_a_group_names() {
    let Some(testbed) = owned(|config| config) else { return };
    for number in 0..8 {
        propose(&testbed, &format!("/name a4:83:e7:00:01:{number:02x} Lamp {number}."));
    }
    let refused = bob(&testbed, &format!("/name {LAMP} Lamp"));
    assert!(refused.plain.contains("Too many names wait for an owner"), "{}", refused.plain);
    // What cannot be done is not proposed.
    let refused = bob(&testbed, "/unname 00:23:a7:00:00:09");
    assert!(refused.plain.contains("has no name"), "{}", refused.plain);
    let list = testbed.ask("/proposals");
    assert_eq!(list.buttons().len(), 16);
    let in_group = |user: i64| {
        let message = Incoming::text(GROUP, format!("/name {LAMP} Lamp")).by_user(user, "Somebody");
        testbed.bring_and_wait(GROUP, message).plain
    };
    assert!(in_group(BOB).contains("I asked them to call"));
    assert!(in_group(CHAT).contains("is now called Lamp"));
    testbed.api.assert_clean();
}

#[test]
fn members_who_may_name_do_so_where_nothing_has_a_name() {
    let Some(testbed) = owned(|config| config.set("telegram", "members_may_name", "true")) else { return };
    let named = bob(&testbed, &format!("/name {LAMP} Bob's lamp"));
    assert!(named.plain.contains("is now called Bob's lamp"), "{}", named.plain);
    // The configuration named the phone; the lamp has a member's name, which may be another member's.
    for command in [
        format!("/name {PHONE} Mine"),
        format!("/unname {PHONE}"),
        format!("/name {LAMP} Lamp"),
        format!("/unname {LAMP}"),
        "/name a4:83:e7:00:00:77 bob's LAMP".to_owned(),
        "/name a4:83:e7:00:00:77 Alice's phone".to_owned(),
    ] {
        let seen = testbed.api.sent().len();
        let asked = bob(&testbed, &command);
        match asked.plain.starts_with('❌') {
            true => assert_eq!(command, format!("/unname {PHONE}"), "{}", asked.plain),
            false => {
                assert!(asked.plain.contains("Only an owner can do that"), "{command}: {}", asked.plain);
                testbed.api.wait_for_message_after(seen, |message| message.chat_id == CHAT);
            }
        }
    }
    assert!(testbed.ask(PHONE).plain.contains("Alice's phone"));
    assert!(testbed.ask(LAMP).plain.contains("Bob's lamp"));
    // An owner's name goes before it.
    assert!(testbed.ask(&format!("/name {LAMP} Lamp")).plain.contains("is now called Lamp"));
    let unnamed = testbed.ask(&format!("/unname {LAMP}"));
    assert!(unnamed.plain.contains("has its earlier name again: Bob's lamp"), "{}", unnamed.plain);
    let unnamed = testbed.ask(&format!("/unname {LAMP}"));
    assert!(unnamed.plain.contains("no longer has a name"), "{}", unnamed.plain);
    testbed.api.assert_clean();
}

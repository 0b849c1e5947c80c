//! The bot answers only paired and configured chats. Without an owner, the service logs a one-time code for the first
//! one. Owners invite and remove other chats. A stranger gets one line in reply to /start, and nothing else.

use serde_json::json;

use crate::support::bot_api::{Fault, Incoming, Outcome, SentMessage};
use crate::support::service::log_event;
use crate::support::testbed::{CHAT, Mode, Testbed};

const OWNER: i64 = 1001;
const BOB: i64 = 2002;
const STRANGER: i64 = 666;
const GROUP: i64 = -100_300;
const VAN: &str = "00:23:a7:19:5c:02";

/// The code in a link.
fn code_in(text: &str) -> String {
    let after = text.split("?start=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    after.chars().take_while(char::is_ascii_alphanumeric).collect()
}

/// A service whose configuration lists no chats and no owners.
fn unowned(mode: Mode) -> Option<Testbed> {
    Testbed::start(mode, |config| config.chats(&[]))
}

fn logged_code(testbed: &Testbed) -> String {
    let line = testbed.service.wait_for_log_event("ownership_offered", &[]);
    assert!(line.contains("https://t.me/probewatch_test_bot?start="), "{line}");
    code_in(&line)
}

/// Makes [`OWNER`] the owner with the logged code, and returns the code.
fn claim_ownership(testbed: &Testbed) -> String {
    let code = logged_code(testbed);
    let welcome = testbed.bring_and_wait(OWNER, Incoming::text(OWNER, format!("/start {code}")));
    assert!(welcome.plain.contains("You now own this bot"), "{}", welcome.plain);
    code
}

fn sent_to(testbed: &Testbed, chat: i64) -> Vec<SentMessage> {
    testbed.api.sent().into_iter().filter(|message| message.chat_id == chat).collect()
}

/// The chats that the bot has left, in order.
fn left(testbed: &Testbed) -> Vec<i64> {
    let calls = testbed.api.calls().into_iter().filter(|call| call.method == "leaveChat");
    calls.map(|call| call.params["chat_id"].as_i64().unwrap()).collect()
}

/// Invites the group and removes it again, without waiting for the outcome of the removal.
fn remove_group(testbed: &Testbed) {
    let code = code_in(&testbed.ask("/invite").plain);
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, format!("/start@probewatch_test_bot {code}")));
    let list = testbed.ask("/chats");
    let question = testbed.bring_and_wait(OWNER, Incoming::press(&list, list.button("Test group")));
    assert!(question.plain.contains("I will leave it."), "{}", question.plain);
    testbed.api.push(Incoming::press(&question, question.button("Remove")));
}

/// All of these messages say that the bot is private. It replies so once per hour and run of the service.
#[track_caller]
fn assert_only_refusals(sent: &[SentMessage], times: usize) {
    assert_eq!(sent.len(), times);
    for message in sent {
        assert!(message.plain.starts_with("This bot is private."), "{}", message.plain);
    }
}

fn pairs_and_removes_chats(mode: Mode) {
    let Some(mut testbed) = unowned(mode) else { return };
    let code = logged_code(&testbed);
    assert!(code.len() * 4 >= 80, "{code}");
    // Wrong codes get the same reply as any other message, with or without the command.
    for wrong in [&*"0".repeat(32), &code[1..], &format!("{code}0")] {
        testbed.say(STRANGER, wrong);
    }
    testbed.say(GROUP, &code);
    for wrong in ["x", "0000", &code[1..], &code.to_uppercase().replace(|c: char| c.is_numeric(), "0")] {
        testbed.say(STRANGER, &format!("/start {wrong}"));
    }
    testbed.service.wait_for_log_event("chat_not_served", &[("chat", "666")]);
    claim_ownership(&testbed);
    assert_only_refusals(&sent_to(&testbed, STRANGER), 1);
    // The code works once.
    testbed.say(STRANGER, &format!("/start {code}"));
    testbed.ask("/help");
    assert_only_refusals(&sent_to(&testbed, STRANGER), 1);

    // The ownership survives kill -9, and the service offers no further code.
    testbed.kill_and_restart();
    assert!(testbed.ask("/help").plain.contains("/invite"));
    assert!(!testbed.service.has_logged("ownership_offered"));
    assert!(testbed.api.commands_of(OWNER).unwrap().to_string().contains("\"invite\""));
    assert!(!testbed.api.commands().to_string().contains("\"invite\""), "only owners have /invite");

    // An invitation gives a group access. It has its own watches and alerts.
    let invitation = testbed.ask("/invite").plain;
    assert!(invitation.contains("?startgroup="), "{invitation}");
    let in_group = format!("/start@probewatch_test_bot {}", code_in(&invitation));
    assert!(testbed.bring_and_wait(GROUP, Incoming::text(GROUP, in_group)).plain.contains("now has access"));
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/watch Depot"));
    testbed.transmit(VAN, "Depot");
    assert_eq!(testbed.wait_for_alert(1).chat_id, GROUP);
    let refused = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "/invite"));
    assert!(refused.plain.contains("in a private chat"), "{}", refused.plain);

    // The owner finds the group in the list, cancels its removal once, and then removes it.
    let list = testbed.ask("/chats");
    assert!(list.plain.contains("Test group") && list.plain.contains("owner"), "{}", list.plain);
    let question = testbed.bring_and_wait(OWNER, Incoming::press(&list, list.button("Test group")));
    assert!(
        question.method == "editMessageText" && question.plain.contains("Remove Test group"),
        "{}",
        question.plain
    );
    let kept = testbed.bring_and_wait(OWNER, Incoming::press(&question, question.button("Keep")));
    assert!(kept.plain.contains("Test group"), "{}", kept.plain);
    let question = testbed.bring_and_wait(OWNER, Incoming::press(&kept, kept.button("Test group")));
    let gone = testbed.bring_and_wait(OWNER, Incoming::press(&question, question.button("Remove")));
    assert!(gone.plain.starts_with("✅ Removed ") && gone.buttons().len() == 1, "{}", gone.plain);
    assert_eq!(left(&testbed), [GROUP]);
    // The owner's own entry remains, but the last owner cannot be removed.
    testbed.bring(Incoming::press(&gone, gone.button("Remove Test")));
    let answer = testbed.api.wait_for_call("answerCallbackQuery", |call| call.params.contains_key("text"));
    assert!(answer.params["text"].as_str().unwrap().contains("last owner"), "{answer:?}");

    // The group is a stranger again, and its watches are gone.
    let seen = sent_to(&testbed, GROUP).len();
    testbed.say(GROUP, "/watches");
    testbed.transmit("00:23:a7:19:5c:03", "Depot");
    testbed.ask_until("00:23:a7:19:5c:03", "Probe count: 1");
    assert_eq!(sent_to(&testbed, GROUP).len(), seen);
    assert_eq!(testbed.alerts().len(), 1);
    testbed.kill_and_restart();
    testbed.say(GROUP, "/watches");
    testbed.ask("/help");
    assert_eq!(sent_to(&testbed, GROUP).len(), seen);
    assert!(testbed.service.terminate().success());
    // The event log contains only the hash of the code.
    let events = testbed.service.data_dir().join("events");
    for file in std::fs::read_dir(events).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(code.len()).any(|window| window == code.as_bytes()));
    }
    assert_eq!(testbed.api.unanswered_presses(), 0);
    testbed.api.assert_clean();
}

#[test]
fn chats_are_paired_and_removed_by_webhook() {
    pairs_and_removes_chats(Mode::Webhook);
}

#[test]
fn chats_are_paired_and_removed_by_polling() {
    pairs_and_removes_chats(Mode::Polling);
}

#[test]
fn each_start_logs_a_new_code_until_there_is_an_owner() {
    let Some(mut testbed) = unowned(Mode::Webhook) else { return };
    let old = logged_code(&testbed);
    testbed.kill_and_restart();
    let new = logged_code(&testbed);
    assert_ne!(old, new);
    testbed.say(STRANGER, &format!("/start {old}"));
    assert_only_refusals(&testbed.api.sent(), 1);
    // A group cannot own the bot. The refusal says so, and the code stays valid.
    let refused = testbed.bring_and_wait(GROUP, Incoming::text(GROUP, format!("/start {new}")));
    assert!(refused.plain.contains("private chat"), "{}", refused.plain);
    testbed.say(GROUP, "/status");
    assert_eq!(testbed.api.sent().len(), 2);
    testbed.bring_and_wait(OWNER, Incoming::text(OWNER, format!("/start {new}")));
    // The bare code of an invitation for owners makes a second owner, who may remove the first.
    let code = code_in(&testbed.ask("/invite owner").plain);
    let welcome = testbed.bring_and_wait(BOB, Incoming::text(BOB, code));
    assert!(welcome.plain.contains("You now own this bot"), "{}", welcome.plain);
    let list = testbed.bring_and_wait(BOB, Incoming::text(BOB, "/chats"));
    testbed.bring(Incoming::press(&list, format!("access:remove:{OWNER}")));
    let sent = testbed.api.sent().len();
    testbed.say(OWNER, "/status");
    assert_eq!(testbed.api.sent().len(), sent);
    assert_eq!(testbed.api.commands_of(OWNER), None);
    assert_eq!(left(&testbed), [] as [i64; 0], "a private chat has nothing to leave");
    testbed.api.assert_clean();
}

#[test]
fn a_removed_owner_cannot_return_with_their_own_code() {
    let Some(mut testbed) = unowned(Mode::Webhook) else { return };
    two_owners(&testbed);
    let invitation = testbed.bring_and_wait(BOB, Incoming::text(BOB, "/invite owner"));
    let list = testbed.ask("/chats");
    let gone = testbed.bring_and_wait(OWNER, Incoming::press(&list, format!("access:remove:{BOB}")));
    assert!(gone.plain.starts_with("✅ Removed "), "{}", gone.plain);
    let seen = sent_to(&testbed, BOB).len();
    testbed.say(BOB, &format!("/start {}", code_in(&invitation.plain)));
    testbed.kill_and_restart();
    testbed.say(BOB, &format!("/start {}", code_in(&invitation.plain)));
    testbed.say(BOB, "/chats");
    assert!(!testbed.ask("/chats").plain.contains("2002"));
    assert_only_refusals(&sent_to(&testbed, BOB)[seen..], 2);
    testbed.api.assert_clean();
}

#[test]
fn codes_of_an_owner_removed_from_the_configuration_are_void() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| {
        config.chats(&[]).set("telegram", "owners", &format!("[{OWNER}, {BOB}]"))
    }) else {
        return;
    };
    let invitation = testbed.bring_and_wait(BOB, Incoming::text(BOB, "/invite owner"));
    testbed.service.kill();
    testbed.service.restart_with(owned_by_configuration);
    testbed.wait_until_ready(2);
    testbed.say(BOB, &format!("/start {}", code_in(&invitation.plain)));
    assert!(!testbed.ask("/chats").plain.contains("2002"));
    assert_only_refusals(&sent_to(&testbed, BOB)[1..], 1);
    testbed.api.assert_clean();
}

#[test]
fn two_owners_removing_each_other_leave_one() {
    let Some(testbed) = unowned(Mode::Webhook) else { return };
    claim_ownership(&testbed);
    let ask = |chat: i64, text: &str| testbed.bring_and_wait(chat, Incoming::text(chat, text));
    let press = |under: &SentMessage, whom: i64| Incoming::press(under, format!("access:remove:{whom}"));
    let (mut owner, mut other) = (OWNER, BOB);
    // The two presses overlap in some rounds only.
    for _ in 0..10 {
        let code = code_in(&ask(owner, "/invite owner").plain);
        ask(other, &format!("/start {code}"));
        let [owners, others] = [owner, other].map(|chat| ask(chat, "/chats"));
        std::thread::scope(|both| {
            both.spawn(|| testbed.bring(press(&owners, other)));
            both.spawn(|| testbed.bring(press(&others, owner)));
        });
        let answers = |chat: i64| {
            let seen = sent_to(&testbed, chat).len();
            testbed.say(chat, "/chats");
            sent_to(&testbed, chat).len() > seen
        };
        (owner, other) = match [owner, other].map(answers) {
            [true, false] => (owner, other),
            [false, true] => (other, owner),
            answers => panic!("which of the two chats has access: {answers:?}"),
        };
    }
    testbed.api.assert_clean();
}

/// Makes [`OWNER`] and [`BOB`] owners.
fn two_owners(testbed: &Testbed) {
    claim_ownership(testbed);
    let code = code_in(&testbed.ask("/invite owner").plain);
    testbed.bring_and_wait(BOB, Incoming::text(BOB, format!("/start {code}")));
}

#[test]
fn a_group_is_left_once_its_removal_is_on_disk() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, owned_by_configuration) else { return };
    testbed.api.fail_next("leaveChat", 1, Fault::Hang);
    remove_group(&testbed);
    testbed.api.wait_for_call("leaveChat", |_| true);
    let seen = sent_to(&testbed, GROUP).len();
    testbed.kill_and_restart();
    testbed.say(GROUP, "/watches");
    assert!(!testbed.ask("/chats").plain.contains("Test group"));
    assert_eq!(sent_to(&testbed, GROUP).len(), seen);
    testbed.api.assert_clean();
}

#[test]
fn a_failure_to_leave_a_group_is_reported_unless_the_group_is_gone() {
    let Some(testbed) = Testbed::start(Mode::Polling, owned_by_configuration) else { return };
    for (fault, is_reported) in [(Fault::ServerError(502), true), (Fault::Forbidden, false)] {
        let seen = testbed.api.sent().len();
        testbed.api.fail_next("leaveChat", 1, fault);
        remove_group(&testbed);
        let removed = |message: &SentMessage| message.plain.starts_with("✅ Removed Test group.");
        let gone = testbed.api.wait_for_message_after(seen, removed);
        assert_eq!(gone.plain.contains("I could not leave it"), is_reported, "{}", gone.plain);
    }
    assert_eq!(left(&testbed), [GROUP, GROUP]);
    testbed.api.assert_clean();
}

fn owned_by_configuration(config: crate::support::service::Config) -> crate::support::service::Config {
    config.chats(&[]).set("telegram", "owners", &format!("[{OWNER}]"))
}

#[test]
fn chats_of_the_configuration_are_served_and_cannot_be_removed() {
    let change = |config: crate::support::service::Config| {
        config.chats(&[BOB]).set("telegram", "owners", &format!("[{OWNER}]"))
    };
    let Some(testbed) = Testbed::start(Mode::Webhook, change) else { return };
    assert!(!testbed.service.has_logged("ownership_offered"));
    let refused = testbed.bring_and_wait(BOB, Incoming::text(BOB, "/invite"));
    assert!(refused.plain.contains("Only the bot's owner"), "{}", refused.plain);
    assert!(!testbed.bring_and_wait(BOB, Incoming::text(BOB, "/help")).plain.contains("/invite"));
    let list = testbed.ask("/chats");
    for part in ["2002", "1001", "telegram.chats"] {
        assert!(list.plain.contains(part), "{part}: {}", list.plain);
    }
    assert!(list.buttons().is_empty());
    // Forged button presses have no effect, for owners and for others.
    let press = |incoming, wanted: &str| {
        testbed.bring(incoming);
        let has =
            |call: &crate::support::bot_api::Call| call.params["text"].as_str().unwrap().contains(wanted);
        testbed.api.wait_for_call("answerCallbackQuery", has);
    };
    press(Incoming::press(&list, format!("access:remove:{BOB}")), "comes from the configuration");
    press(Incoming::press(&list, "access:remove:77"), "no longer has access");
    let bobs = testbed.bring_and_wait(BOB, Incoming::text(BOB, "/status"));
    press(Incoming::press(&bobs, format!("access:remove:{OWNER}")), "Only owners");
    assert!(testbed.ask("/invite her").plain.contains("Usage: /invite [owner]"));
    assert!(testbed.bring_and_wait(BOB, Incoming::text(BOB, "/status")).plain.contains("Running"));
    testbed.api.assert_clean();
}

#[test]
fn without_an_owner_nobody_can_invite() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    assert!(testbed.ask("/invite").plain.contains("telegram.owners"));
    testbed.api.assert_clean();
}

#[test]
fn replies_to_strangers_are_limited() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let sticker = json!({"dice": {"emoji": "🎲", "value": 3}});
    for _ in 0..3 {
        for text in ["/start", "/start", "/help", "hello", "/start x"] {
            testbed.say(STRANGER, text);
        }
        testbed.bring(Incoming::other(STRANGER, sticker.clone()));
        testbed.bring(Incoming::press_under_old(STRANGER, 5, "access:list"));
    }
    let replies = sent_to(&testbed, STRANGER);
    let [line] = &replies[..] else { panic!("{replies:?}") };
    assert!(line.plain.contains("666") && !line.plain.contains('\n'), "{}", line.plain);
    assert_eq!(testbed.api.calls().iter().filter(|call| call.method == "answerCallbackQuery").count(), 0);
    for number in 0..300 {
        testbed.say(10_000 + number, "/start");
    }
    let lines = testbed.api.sent().len();
    assert!((2..=20).contains(&lines), "{lines}");
    let logged = testbed
        .service
        .log_lines()
        .iter()
        .filter(|line| line.contains(&log_event("chat_not_served", &[])))
        .count();
    assert!(logged <= 64, "{logged}");
    assert!(testbed.ask("/status").plain.contains("Running"));
    assert_eq!(testbed.api.sent().last().unwrap().chat_id, CHAT);
    testbed.api.assert_clean();
}

#[test]
fn menus_are_set_after_an_outage_and_follow_the_role() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, owned_by_configuration) else { return };
    let has_invite =
        |testbed: &Testbed| testbed.api.commands_of(OWNER).map(|menu| menu.to_string().contains("invite"));
    testbed.api.wait_for_call("setMyCommands", |call| call.params.contains_key("scope"));
    assert_eq!(has_invite(&testbed), Some(true));
    // Bob owns the bot instead, and Telegram refuses the first menus.
    testbed.service.kill();
    testbed.api.fail_next("setMyCommands", 2, Fault::Close);
    let bobs = |config: crate::support::service::Config| {
        config.chats(&[OWNER]).set("telegram", "owners", &format!("[{BOB}]"))
    };
    testbed.service.restart_with(bobs);
    testbed.api.wait_for_call("setMyCommands", |call| {
        call.outcome == Outcome::Accepted
            && call.params.get("scope").is_some_and(|scope| scope["chat_id"] == BOB)
    });
    assert_eq!(has_invite(&testbed), Some(false));
    assert!(!testbed.api.commands().to_string().contains("\"watch\""), "strangers learn nothing");
    testbed.api.assert_clean();
}

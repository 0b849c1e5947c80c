//! Promise: only who was let in is answered. With no owner yet, the log has a one-time code for the first;
//! owners let others in and remove them; strangers get one line to /start and nothing else, whatever they send.

use serde_json::json;

use crate::support::bot_api::{Fault, Incoming, Outcome, SentMessage};
use crate::support::home::{CHAT, Home, Mode};
use crate::support::service::log_event;

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

/// A box whose configuration names nobody.
fn unowned(mode: Mode) -> Option<Home> {
    Home::start(mode, |config| config.chats(&[]))
}

fn logged_code(home: &Home) -> String {
    let line = home.service.wait_for_log_event("ownership_offered", &[]);
    assert!(line.contains("https://t.me/probewatch_test_bot?start="), "{line}");
    code_in(&line)
}

/// An owner, who came with the logged code.
fn owned(home: &Home) -> String {
    let code = logged_code(home);
    let welcome = home.bring_and_wait(OWNER, Incoming::text(OWNER, format!("/start {code}")));
    assert!(welcome.plain.contains("You now own this bot"), "{}", welcome.plain);
    code
}

fn sent_to(home: &Home, chat: i64) -> Vec<SentMessage> {
    home.api.sent().into_iter().filter(|message| message.chat_id == chat).collect()
}

/// The chats that the bot has left, in order.
fn left(home: &Home) -> Vec<i64> {
    let calls = home.api.calls().into_iter().filter(|call| call.method == "leaveChat");
    calls.map(|call| call.params["chat_id"].as_i64().unwrap()).collect()
}

/// Lets the group in, and has the owner remove it; what comes of that is not waited for.
fn remove_group(home: &Home) {
    let code = code_in(&home.ask("/invite").plain);
    home.bring_and_wait(GROUP, Incoming::text(GROUP, format!("/start@probewatch_test_bot {code}")));
    let list = home.ask("/chats");
    let sure = home.bring_and_wait(OWNER, Incoming::press(&list, list.button("Test group")));
    assert!(sure.plain.contains("I will leave it."), "{}", sure.plain);
    home.api.push(Incoming::press(&sure, sure.button("Remove")));
}

/// So many times, once in each run of the service within an hour, and nothing else.
#[track_caller]
fn assert_only_told_as_a_stranger(sent: &[SentMessage], times: usize) {
    assert_eq!(sent.len(), times);
    for message in sent {
        assert!(message.plain.starts_with("This bot is private."), "{}", message.plain);
    }
}

fn the_whole_way(mode: Mode) {
    let Some(mut home) = unowned(mode) else { return };
    let code = logged_code(&home);
    assert!(code.len() * 4 >= 80, "{code}");
    // Who guesses learns nothing, however often, with or without the command.
    for wrong in [&*"0".repeat(32), &code[1..], &format!("{code}0")] {
        home.say(STRANGER, wrong);
    }
    home.say(GROUP, &code);
    for wrong in ["x", "0000", &code[1..], &code.to_uppercase().replace(|c: char| c.is_numeric(), "0")] {
        home.say(STRANGER, &format!("/start {wrong}"));
    }
    home.service.wait_for_log_event("chat_not_served", &[("chat", "666")]);
    owned(&home);
    assert_only_told_as_a_stranger(&sent_to(&home, STRANGER), 1);
    // The code is good once.
    home.say(STRANGER, &format!("/start {code}"));
    home.ask("/help");
    assert_only_told_as_a_stranger(&sent_to(&home, STRANGER), 1);

    // It outlasts kill -9, and no further code is made.
    home.kill_and_restart();
    assert!(home.ask("/help").plain.contains("/invite"));
    assert!(!home.service.has_logged("ownership_offered"));
    assert!(home.api.commands_of(OWNER).unwrap().to_string().contains("\"invite\""));
    assert!(!home.api.commands().to_string().contains("\"invite\""), "only owners have it");

    // A group is let in by an invitation, and has its own watches and alerts.
    let invitation = home.ask("/invite").plain;
    assert!(invitation.contains("?startgroup="), "{invitation}");
    let in_group = format!("/start@probewatch_test_bot {}", code_in(&invitation));
    assert!(home.bring_and_wait(GROUP, Incoming::text(GROUP, in_group)).plain.contains("now has access"));
    home.bring_and_wait(GROUP, Incoming::text(GROUP, "/watch Depot"));
    home.transmit(VAN, "Depot");
    assert_eq!(home.wait_for_alert(1).chat_id, GROUP);
    let refused = home.bring_and_wait(GROUP, Incoming::text(GROUP, "/invite"));
    assert!(refused.plain.contains("in a private chat"), "{}", refused.plain);

    // The owner sees it, thinks again, and removes it.
    let list = home.ask("/chats");
    assert!(list.plain.contains("Test group") && list.plain.contains("owner"), "{}", list.plain);
    let sure = home.bring_and_wait(OWNER, Incoming::press(&list, list.button("Test group")));
    assert!(sure.method == "editMessageText" && sure.plain.contains("Remove Test group"), "{}", sure.plain);
    let kept = home.bring_and_wait(OWNER, Incoming::press(&sure, sure.button("Keep")));
    assert!(kept.plain.contains("Test group"), "{}", kept.plain);
    let sure = home.bring_and_wait(OWNER, Incoming::press(&kept, kept.button("Test group")));
    let gone = home.bring_and_wait(OWNER, Incoming::press(&sure, sure.button("Remove")));
    assert!(gone.plain.starts_with("✅ Removed ") && gone.buttons().len() == 1, "{}", gone.plain);
    assert_eq!(left(&home), [GROUP]);
    // Its own entry remains, but the last owner stays.
    home.bring(Incoming::press(&gone, gone.button("Remove Test")));
    let told = home.api.wait_for_call("answerCallbackQuery", |call| call.params.contains_key("text"));
    assert!(told.params["text"].as_str().unwrap().contains("last owner"), "{told:?}");

    // The group is a stranger again, and what it watched is forgotten.
    let seen = sent_to(&home, GROUP).len();
    home.say(GROUP, "/watches");
    home.transmit("00:23:a7:19:5c:03", "Depot");
    home.ask_until("00:23:a7:19:5c:03", "Probe count: 1");
    assert_eq!(sent_to(&home, GROUP).len(), seen);
    assert_eq!(home.alerts().len(), 1);
    home.kill_and_restart();
    home.say(GROUP, "/watches");
    home.ask("/help");
    assert_eq!(sent_to(&home, GROUP).len(), seen);
    assert!(home.service.terminate().success());
    // No code stands in the log of events, only its hash.
    let events = home.service.data_dir().join("events");
    for file in std::fs::read_dir(events).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(code.len()).any(|window| window == code.as_bytes()));
    }
    assert_eq!(home.api.unanswered_presses(), 0);
    home.api.assert_clean();
}

#[test]
fn chats_are_let_in_and_removed_by_webhook() {
    the_whole_way(Mode::Webhook);
}

#[test]
fn chats_are_let_in_and_removed_by_polling() {
    the_whole_way(Mode::Polling);
}

#[test]
fn each_start_has_a_new_code_until_someone_owns_the_bot() {
    let Some(mut home) = unowned(Mode::Webhook) else { return };
    let old = logged_code(&home);
    home.kill_and_restart();
    let new = logged_code(&home);
    assert_ne!(old, new);
    home.say(STRANGER, &format!("/start {old}"));
    assert_only_told_as_a_stranger(&home.api.sent(), 1);
    // A group does not own a bot; whoever has the code is told so, and may use it still.
    let told = home.bring_and_wait(GROUP, Incoming::text(GROUP, format!("/start {new}")));
    assert!(told.plain.contains("private chat"), "{}", told.plain);
    home.say(GROUP, "/status");
    assert_eq!(home.api.sent().len(), 2);
    home.bring_and_wait(OWNER, Incoming::text(OWNER, format!("/start {new}")));
    // A second owner comes by an invitation for owners, as the bare code, and may remove the first.
    let code = code_in(&home.ask("/invite owner").plain);
    let welcome = home.bring_and_wait(BOB, Incoming::text(BOB, code));
    assert!(welcome.plain.contains("You now own this bot"), "{}", welcome.plain);
    let list = home.bring_and_wait(BOB, Incoming::text(BOB, "/chats"));
    home.bring(Incoming::press(&list, format!("access:remove:{OWNER}")));
    let sent = home.api.sent().len();
    home.say(OWNER, "/status");
    assert_eq!(home.api.sent().len(), sent);
    assert_eq!(home.api.commands_of(OWNER), None);
    assert_eq!(left(&home), [] as [i64; 0], "a private chat has nothing to leave");
    home.api.assert_clean();
}

#[test]
fn an_owner_who_was_removed_does_not_come_back_by_a_code_of_their_own() {
    let Some(mut home) = unowned(Mode::Webhook) else { return };
    two_owners(&home);
    let invitation = home.bring_and_wait(BOB, Incoming::text(BOB, "/invite owner"));
    let list = home.ask("/chats");
    let gone = home.bring_and_wait(OWNER, Incoming::press(&list, format!("access:remove:{BOB}")));
    assert!(gone.plain.starts_with("✅ Removed "), "{}", gone.plain);
    let seen = sent_to(&home, BOB).len();
    home.say(BOB, &format!("/start {}", code_in(&invitation.plain)));
    home.kill_and_restart();
    home.say(BOB, &format!("/start {}", code_in(&invitation.plain)));
    home.say(BOB, "/chats");
    assert!(!home.ask("/chats").plain.contains("2002"));
    assert_only_told_as_a_stranger(&sent_to(&home, BOB)[seen..], 2);
    home.api.assert_clean();
}

#[test]
fn an_owner_whom_the_configuration_drops_lets_nobody_in_any_more() {
    let Some(mut home) = Home::start(Mode::Webhook, |config| {
        config.chats(&[]).set("telegram", "owners", &format!("[{OWNER}, {BOB}]"))
    }) else {
        return;
    };
    let invitation = home.bring_and_wait(BOB, Incoming::text(BOB, "/invite owner"));
    home.service.kill();
    home.service.restart_with(owned_by_configuration);
    home.wait_until_ready(2);
    home.say(BOB, &format!("/start {}", code_in(&invitation.plain)));
    assert!(!home.ask("/chats").plain.contains("2002"));
    assert_only_told_as_a_stranger(&sent_to(&home, BOB)[1..], 1);
    home.api.assert_clean();
}

#[test]
fn two_owners_who_remove_each_other_at_once_are_one_owner_then() {
    let Some(home) = unowned(Mode::Webhook) else { return };
    owned(&home);
    let ask = |chat: i64, text: &str| home.bring_and_wait(chat, Incoming::text(chat, text));
    let press = |under: &SentMessage, whom: i64| Incoming::press(under, format!("access:remove:{whom}"));
    let (mut owner, mut other) = (OWNER, BOB);
    // Whether they meet is up to chance.
    for _ in 0..10 {
        let code = code_in(&ask(owner, "/invite owner").plain);
        ask(other, &format!("/start {code}"));
        let [owners, others] = [owner, other].map(|chat| ask(chat, "/chats"));
        std::thread::scope(|both| {
            both.spawn(|| home.bring(press(&owners, other)));
            both.spawn(|| home.bring(press(&others, owner)));
        });
        let answers = |chat: i64| {
            let seen = sent_to(&home, chat).len();
            home.say(chat, "/chats");
            sent_to(&home, chat).len() > seen
        };
        (owner, other) = match [owner, other].map(answers) {
            [true, false] => (owner, other),
            [false, true] => (other, owner),
            answers => panic!("who answers: {answers:?}"),
        };
    }
    home.api.assert_clean();
}

/// The owner has let Bob in as another.
fn two_owners(home: &Home) {
    owned(home);
    let code = code_in(&home.ask("/invite owner").plain);
    home.bring_and_wait(BOB, Incoming::text(BOB, format!("/start {code}")));
}

#[test]
fn a_group_is_left_once_its_removal_is_on_disk() {
    let Some(mut home) = Home::start(Mode::Polling, owned_by_configuration) else { return };
    home.api.fail_next("leaveChat", 1, Fault::Hang);
    remove_group(&home);
    home.api.wait_for_call("leaveChat", |_| true);
    let seen = sent_to(&home, GROUP).len();
    home.kill_and_restart();
    home.say(GROUP, "/watches");
    assert!(!home.ask("/chats").plain.contains("Test group"));
    assert_eq!(sent_to(&home, GROUP).len(), seen);
    home.api.assert_clean();
}

#[test]
fn a_group_that_cannot_be_left_is_told_and_one_that_is_gone_is_not() {
    let Some(home) = Home::start(Mode::Polling, owned_by_configuration) else { return };
    for (fault, is_told) in [(Fault::ServerError(502), true), (Fault::Forbidden, false)] {
        let seen = home.api.sent().len();
        home.api.fail_next("leaveChat", 1, fault);
        remove_group(&home);
        let removed = |message: &SentMessage| message.plain.starts_with("✅ Removed Test group.");
        let gone = home.api.wait_for_message_after(seen, removed);
        assert_eq!(gone.plain.contains("I could not leave it"), is_told, "{}", gone.plain);
    }
    assert_eq!(left(&home), [GROUP, GROUP]);
    home.api.assert_clean();
}

fn owned_by_configuration(config: crate::support::service::Config) -> crate::support::service::Config {
    config.chats(&[]).set("telegram", "owners", &format!("[{OWNER}]"))
}

#[test]
fn what_the_configuration_names_is_served_and_stays() {
    let change = |config: crate::support::service::Config| {
        config.chats(&[BOB]).set("telegram", "owners", &format!("[{OWNER}]"))
    };
    let Some(home) = Home::start(Mode::Webhook, change) else { return };
    assert!(!home.service.has_logged("ownership_offered"));
    let refused = home.bring_and_wait(BOB, Incoming::text(BOB, "/invite"));
    assert!(refused.plain.contains("Only the bot's owner"), "{}", refused.plain);
    assert!(!home.bring_and_wait(BOB, Incoming::text(BOB, "/help")).plain.contains("/invite"));
    let list = home.ask("/chats");
    for part in ["2002", "1001", "telegram.chats"] {
        assert!(list.plain.contains(part), "{part}: {}", list.plain);
    }
    assert!(list.buttons().is_empty());
    // Buttons that were never there do nothing, for owners and for others.
    let tell = |incoming, wanted: &str| {
        home.bring(incoming);
        let has =
            |call: &crate::support::bot_api::Call| call.params["text"].as_str().unwrap().contains(wanted);
        home.api.wait_for_call("answerCallbackQuery", has);
    };
    tell(Incoming::press(&list, format!("access:remove:{BOB}")), "comes from the configuration");
    tell(Incoming::press(&list, "access:remove:77"), "no longer has access");
    let bobs = home.bring_and_wait(BOB, Incoming::text(BOB, "/status"));
    tell(Incoming::press(&bobs, format!("access:remove:{OWNER}")), "Only owners");
    assert!(home.ask("/invite her").plain.contains("/invite owner"));
    assert!(home.bring_and_wait(BOB, Incoming::text(BOB, "/status")).plain.contains("Running"));
    home.api.assert_clean();
}

#[test]
fn nobody_can_invite_where_nobody_owns_the_bot() {
    let Some(home) = Home::start(Mode::Webhook, |config| config) else { return };
    assert!(home.ask("/invite").plain.contains("telegram.owners"));
    home.api.assert_clean();
}

#[test]
fn strangers_get_one_line_an_hour_and_a_flood_of_them_costs_little() {
    let Some(home) = Home::start(Mode::Webhook, |config| config) else { return };
    let sticker = json!({"dice": {"emoji": "🎲", "value": 3}});
    for _ in 0..3 {
        for text in ["/start", "/start", "/help", "hello", "/start x"] {
            home.say(STRANGER, text);
        }
        home.bring(Incoming::other(STRANGER, sticker.clone()));
        home.bring(Incoming::press_under_old(STRANGER, 5, "access:list"));
    }
    let told = sent_to(&home, STRANGER);
    let [line] = &told[..] else { panic!("{told:?}") };
    assert!(line.plain.contains("666") && !line.plain.contains('\n'), "{}", line.plain);
    assert_eq!(home.api.calls().iter().filter(|call| call.method == "answerCallbackQuery").count(), 0);
    for number in 0..300 {
        home.say(10_000 + number, "/start");
    }
    let lines = home.api.sent().len();
    assert!((2..=20).contains(&lines), "{lines}");
    let logged = home
        .service
        .log_lines()
        .iter()
        .filter(|line| line.contains(&log_event("chat_not_served", &[])))
        .count();
    assert!(logged <= 64, "{logged}");
    assert!(home.ask("/status").plain.contains("Running"));
    assert_eq!(home.api.sent().last().unwrap().chat_id, CHAT);
    home.api.assert_clean();
}

#[test]
fn menus_are_set_once_telegram_is_back_and_a_former_owner_loses_theirs() {
    let Some(mut home) = Home::start(Mode::Polling, owned_by_configuration) else { return };
    let has_invite =
        |home: &Home| home.api.commands_of(OWNER).map(|menu| menu.to_string().contains("invite"));
    home.api.wait_for_call("setMyCommands", |call| call.params.contains_key("scope"));
    assert_eq!(has_invite(&home), Some(true));
    // Bob owns the bot instead, and the first menus are not taken.
    home.service.kill();
    home.api.fail_next("deleteMyCommands", 1, Fault::ServerError(502));
    home.api.fail_next("setMyCommands", 2, Fault::Close);
    let bobs = |config: crate::support::service::Config| {
        config.chats(&[OWNER]).set("telegram", "owners", &format!("[{BOB}]"))
    };
    let calls = home.api.calls().len();
    home.service.restart_with(bobs);
    home.api.wait_for_call("setMyCommands", |call| {
        call.outcome == Outcome::Accepted
            && call.params.get("scope").is_some_and(|scope| scope["chat_id"] == BOB)
    });
    assert_eq!(has_invite(&home), None);
    assert!(home.api.commands().to_string().contains("\"watch\""));
    let cleared = home.api.calls().into_iter().skip(calls).filter(|call| call.is("deleteMyCommands"));
    assert_eq!(cleared.count(), 2);
    home.api.assert_clean();
}

//! Each chat has the menu of its role, and strangers one that tells nothing.

use serde_json::Value;

use crate::support::bot_api::{Fault, Incoming};
use crate::support::testbed::{CHAT, Mode, Testbed};

const MEMBER: i64 = 2002;
const GROUP: i64 = -100_300;

fn names(menu: &Value) -> Vec<String> {
    let commands = menu.as_array().cloned().unwrap_or_default();
    commands.iter().map(|command| command["command"].as_str().unwrap_or_default().to_owned()).collect()
}

fn menu_of(testbed: &Testbed, chat: i64) -> Vec<String> {
    testbed.api.commands_of(chat).map(|menu| names(&menu)).unwrap_or_default()
}

fn code_in(text: &str) -> String {
    let after = text.split("?start=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    after.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn menus_follow_the_roles_of_chats() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| {
        config.chats(&[]).set("telegram", "owners", &format!("[{CHAT}]"))
    }) else {
        return;
    };
    let has = |menu: &[String], name: &str| menu.iter().any(|known| known == name);
    testbed.api.wait_for_calls("setMyCommands", 2);
    let strangers = testbed.api.commands();
    assert_eq!(names(&strangers), ["start"]);
    for word in ["Wi-Fi", "network", "device", "alert"] {
        assert!(!strangers.to_string().contains(word), "{strangers}");
    }
    assert!(has(&menu_of(&testbed, CHAT), "invite"));
    // A member, and a group.
    let code = code_in(&testbed.ask("/invite").plain);
    testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, format!("/start {code}")));
    let member = menu_of(&testbed, MEMBER);
    assert!(has(&member, "settings") && has(&member, "start") && !has(&member, "invite"), "{member:?}");
    let code = code_in(&testbed.ask("/invite").plain);
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, format!("/start@probewatch_test_bot {code}")));
    let group = menu_of(&testbed, GROUP);
    assert!(has(&group, "watch") && !has(&group, "start") && !has(&group, "invite"), "{group:?}");
    // The member becomes an owner.
    let code = code_in(&testbed.ask("/invite owner").plain);
    testbed.bring_and_wait(MEMBER, Incoming::text(MEMBER, format!("/start {code}")));
    assert!(has(&menu_of(&testbed, MEMBER), "invite"));
    // A start sets each menu once.
    let before = testbed.api.calls().iter().filter(|call| call.is("setMyCommands")).count();
    testbed.kill_and_restart();
    testbed.api.wait_for_calls("setMyCommands", before + 4);
    // Who is removed is a stranger.
    let list = testbed.ask("/chats");
    let question = testbed.bring_and_wait(CHAT, Incoming::press(&list, format!("access:ask:{MEMBER}")));
    testbed.bring_and_wait(CHAT, Incoming::press(&question, question.button("Remove")));
    assert_eq!(testbed.api.commands_of(MEMBER), None);
    let list = testbed.ask("/chats");
    let question = testbed.bring_and_wait(CHAT, Incoming::press(&list, format!("access:ask:{GROUP}")));
    testbed.bring_and_wait(CHAT, Incoming::press(&question, question.button("Remove")));
    assert_eq!(testbed.api.commands_of(GROUP), None);
    let set = testbed.api.calls().iter().filter(|call| call.is("setMyCommands")).count();
    assert_eq!(set, before + 4);
    testbed.api.assert_clean();
}

#[test]
fn a_chat_whose_menu_was_refused_gets_it_when_it_writes() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[MEMBER])) else { return };
    let calls =
        |testbed: &Testbed| testbed.api.calls().iter().filter(|call| call.is("setMyCommands")).count();
    testbed.api.wait_for_calls("setMyCommands", 2);
    testbed.service.kill();
    let before = calls(&testbed);
    // As Telegram does it for a chat that never wrote to the bot.
    testbed.api.fail_next("setMyCommands", 2, Fault::BadRequest);
    testbed.service.restart();
    testbed.wait_until_ready(2);
    testbed.api.wait_for_calls("setMyCommands", before + 2);
    let help = || Incoming::text(MEMBER, "/help");
    // The refusal of the last menu may not be handled yet.
    while calls(&testbed) == before + 2 {
        testbed.bring_and_wait(MEMBER, help());
    }
    testbed.bring_and_wait(MEMBER, help());
    testbed.bring_and_wait(MEMBER, help());
    assert_eq!(calls(&testbed), before + 3);
    assert!(menu_of(&testbed, MEMBER).contains(&"settings".to_owned()));
    testbed.api.assert_clean();
}

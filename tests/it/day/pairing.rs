//! A code lets in one chat, however many come with it at once; and a chat that was removed leaves
//! nothing behind that it finds again when it is invited anew.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use store::event::{ChatId, CodeHash, Event, EventKind, Role, Timestamp};
use store::recorder::Settings;

use super::{assert_scenes, code_in};
use crate::support::bot_api::{Incoming, SentMessage};
use crate::support::recorder::{Running, events, fold, one_segment, settings};
use crate::support::service::{Config, toml_string};
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::transcript::{Scene, masked};
use crate::support::wait;

const BOB: i64 = 2002;
const CAROL: i64 = 3003;
const VAN: &str = "00:23:a7:19:5c:02";
const OTHER_VAN: &str = "00:23:a7:19:5c:03";

/// Strangers all come with the code at the same moment, in every round other ones; who was let in.
fn race(testbed: &Testbed, code: &str, round: i64) -> i64 {
    let strangers = 5000 + 100 * round..5008 + 100 * round;
    let seen = testbed.api.sent().len();
    let start = Barrier::new(strangers.clone().count());
    thread::scope(|scope| {
        for chat in strangers {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                testbed.bring(Incoming::text(chat, format!("/start {code}")));
            });
        }
    });
    let answered = testbed.api.sent_after(seen);
    let is_stranger = |message: &&SentMessage| message.plain.starts_with("This bot is private.");
    let let_in: Vec<i64> =
        answered.iter().filter(|message| !is_stranger(message)).map(|message| message.chat_id).collect();
    let [winner] = let_in[..] else { panic!("one code, and let in: {let_in:?}") };
    winner
}

#[test]
fn a_code_lets_in_one_of_many_chats_at_once() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[])) else { return };
    let code = code_in(&testbed.service.wait_for_log_event("ownership_offered", &[]));
    let owner = race(&testbed, &code, 0);
    let mut let_in = vec![ChatId(owner)];
    for round in 1..6 {
        let invitation = testbed.bring_and_wait(owner, Incoming::text(owner, "/invite"));
        let_in.push(ChatId(race(&testbed, &code_in(&invitation.plain), round)));
    }
    assert!(testbed.service.terminate().success());
    let state = fold(&events(&testbed.service.data_dir()));
    let paired: Vec<_> = state.chats().paired().map(|(chat, pairing)| (chat, pairing.role)).collect();
    let expected = let_in.iter().map(|chat| match chat.0 == owner {
        true => (*chat, Role::Owner),
        false => (*chat, Role::Member),
    });
    assert_eq!(paired, expected.collect::<Vec<_>>());
    testbed.api.assert_clean();
}

#[test]
fn a_code_lets_in_the_first_of_many_chats() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, |config| config.chats(&[])) else { return };
    let code = code_in(&testbed.service.wait_for_log_event("ownership_offered", &[]));
    for chat in 3000..3020 {
        testbed.api.push(Incoming::text(chat, format!("/start {code}")));
    }
    let first = testbed.api.wait_for_message(|message| message.plain.contains("You now own this bot"));
    assert_eq!(first.chat_id, 3000);
    // For the others it is a /start as any other.
    let told = testbed.api.wait_for_message(|message| message.chat_id == 3001);
    assert!(told.plain.starts_with("This bot is private."), "{}", told.plain);
    assert!(testbed.service.terminate().success());
    testbed.api.assert_clean();
}

/// As many chats are paired as may be.
fn fill_with_chats(data_dir: &Path) {
    let running = Running::start(Settings { rotation: one_segment(), ..settings(data_dir) });
    let (time, expires) = (Timestamp::now(), Timestamp::now().saturating_add(Duration::from_secs(3600)));
    let chats = (5000..5050).flat_map(|chat: i64| {
        let code = CodeHash::of(&chat.to_string());
        let by = Some(ChatId(CHAT));
        let invited = Event::new(time, EventKind::Invited { code, role: Role::Member, expires, by });
        [
            invited,
            Event::new(time, EventKind::Paired { chat: ChatId(chat), code, name: format!("Guest {chat}") }),
        ]
    });
    wait::block_on(&running.runtime, "the changes to be on disk", running.handle.change_all(chats.collect()))
        .unwrap();
    running.stop();
}

#[test]
fn the_number_of_chats_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    fill_with_chats(&data_dir);
    let change = |config: Config| {
        let config = config.chats(&[]).set("telegram", "owners", &format!("[{CHAT}]"));
        config.set("", "data_dir", &toml_string(data_dir.to_str().unwrap()))
    };
    let Some(testbed) = Testbed::start(Mode::Webhook, change) else { return };
    assert_scenes(
        "pairing",
        &[Scene { title: "Too many chats", text: masked(&testbed.ask("/invite").plain) }],
    );
    // All of them can be removed, by as many buttons as there may be.
    assert_eq!(testbed.ask("/chats").buttons().len(), 50);
    testbed.api.assert_clean();
}

/// Lets a chat in.
fn let_in(testbed: &Testbed, chat: i64) {
    let invitation = testbed.ask("/invite");
    testbed.bring_and_wait(chat, Incoming::text(chat, format!("/start {}", code_in(&invitation.plain))));
}

fn ask(testbed: &Testbed, chat: i64, text: &str) -> String {
    testbed.bring_and_wait(chat, Incoming::text(chat, text)).plain
}

#[test]
fn a_removed_chat_that_is_invited_again_starts_anew() {
    let change = |config: Config| config.chats(&[]).set("telegram", "owners", &format!("[{CHAT}]"));
    let Some(mut testbed) = Testbed::start(Mode::Webhook, change) else { return };
    let_in(&testbed, BOB);
    let fresh = ask(&testbed, BOB, "/watches");
    ask(&testbed, BOB, "/watch Depot");
    testbed.transmit(VAN, "Depot");
    assert_eq!(testbed.wait_for_alert(1).chat_id, BOB);
    let wishes = [
        "/watch Dep*t",
        "/watch Garage*",
        &format!("/follow {OTHER_VAN}"),
        &format!("/ignore {VAN}"),
        "/mute 2h",
    ];
    for wish in wishes {
        ask(&testbed, BOB, wish);
    }
    assert_ne!(ask(&testbed, BOB, "/watches"), fresh);
    // Something is kept back, and is never told.
    testbed.transmit(OTHER_VAN, "Garage 7");
    testbed.ask_until(OTHER_VAN, "Garage 7");

    let list = testbed.ask("/chats");
    testbed.bring(Incoming::press(&list, format!("access:remove:{BOB}")));
    testbed.kill_and_restart();
    let_in(&testbed, BOB);
    assert_eq!(ask(&testbed, BOB, "/watches"), fresh);
    let before = testbed.api.sent().len();
    testbed.transmit(VAN, "Depot");
    testbed.transmit(OTHER_VAN, "Garage 8");
    testbed.ask_until(OTHER_VAN, "Garage 8");
    let told = testbed.api.sent_after(before);
    assert!(told.iter().all(|message| message.chat_id == CHAT), "{told:?}");
    // Neither mute nor ignoring nor cool-down holds for what it watches now.
    ask(&testbed, BOB, "/watch Depot");
    testbed.transmit(VAN, "Depot");
    assert_eq!(testbed.wait_for_alert(2).chat_id, BOB);
    // Whoever comes for the first time is no better off.
    let_in(&testbed, CAROL);
    assert_eq!(ask(&testbed, CAROL, "/watches"), fresh);
    assert!(testbed.service.terminate().success());
    let state = fold(&events(&testbed.service.data_dir()));
    let bob = ChatId(BOB);
    assert_eq!(state.watches().len(), 1);
    assert!(state.follows().is_empty() && state.mutes().get(bob).is_none());
    assert_eq!(state.mutes().all_ignored().count(), 0);
    testbed.api.assert_clean();
}

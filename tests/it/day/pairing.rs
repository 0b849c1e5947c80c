//! A code gives access to one chat, however many use it at once. A removed chat that is invited again starts with
//! none of its former settings.

use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use store::event::{ChatId, CodeHash, Event, EventKind, Role, Timestamp};
use store::recorder::RecorderSettings;

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

/// Eight strangers, different ones in each round, use the code at the same time. Returns the one that got access.
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
    let paired: Vec<i64> =
        answered.iter().filter(|message| !is_stranger(message)).map(|message| message.chat_id).collect();
    let [winner] = paired[..] else { panic!("the chats that one code paired: {paired:?}") };
    winner
}

#[test]
fn a_code_pairs_one_of_many_concurrent_chats() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[])) else { return };
    let code = code_in(&testbed.service.wait_for_log_event("ownership_offered", &[]));
    let owner = race(&testbed, &code, 0);
    let mut winners = vec![ChatId(owner)];
    for round in 1..6 {
        let invitation = testbed.bring_and_wait(owner, Incoming::text(owner, "/invite"));
        winners.push(ChatId(race(&testbed, &code_in(&invitation.plain), round)));
    }
    assert!(testbed.service.terminate().success());
    let state = fold(&events(&testbed.service.data_dir()));
    let paired: Vec<_> = state.chats().paired().map(|(chat, pairing)| (chat, pairing.role)).collect();
    let expected = winners.iter().map(|chat| match chat.0 == owner {
        true => (*chat, Role::Owner),
        false => (*chat, Role::Member),
    });
    assert_eq!(paired, expected.collect::<Vec<_>>());
    testbed.api.assert_clean();
}

#[test]
fn a_code_pairs_the_first_of_many_chats() {
    let Some(mut testbed) = Testbed::start(Mode::Polling, |config| config.chats(&[])) else { return };
    let code = code_in(&testbed.service.wait_for_log_event("ownership_offered", &[]));
    for chat in 3000..3020 {
        testbed.api.push(Incoming::text(chat, format!("/start {code}")));
    }
    let first = testbed.api.wait_for_message(|message| message.plain.contains("You now own this bot"));
    assert_eq!(first.chat_id, 3000);
    // The others get the usual reply to /start.
    let refused = testbed.api.wait_for_message(|message| message.chat_id == 3001);
    assert!(refused.plain.starts_with("This bot is private."), "{}", refused.plain);
    assert!(testbed.service.terminate().success());
    testbed.api.assert_clean();
}

/// Pairs the maximum number of chats.
fn fill_with_chats(data_dir: &Path) {
    let running = Running::start(RecorderSettings { rotation: one_segment(), ..settings(data_dir) });
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
    // The list has a button to remove each of them.
    assert_eq!(testbed.ask("/chats").buttons().len(), 50);
    testbed.api.assert_clean();
}

/// Invites and pairs a chat.
fn pair(testbed: &Testbed, chat: i64) {
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
    pair(&testbed, BOB);
    let fresh = ask(&testbed, BOB, "/watches");
    ask(&testbed, BOB, "/watch Depot");
    testbed.transmit(VAN, "Depot");
    assert_eq!(testbed.wait_for_alert(1).chat_id, BOB);
    let preferences = [
        "/watch Dep*t",
        "/watch Garage*",
        &format!("/follow {OTHER_VAN}"),
        &format!("/ignore {VAN}"),
        "/mute 2h",
    ];
    for preference in preferences {
        ask(&testbed, BOB, preference);
    }
    assert_ne!(ask(&testbed, BOB, "/watches"), fresh);
    // The mute suppresses an alert, which the chat must never receive.
    testbed.transmit(OTHER_VAN, "Garage 7");
    testbed.ask_until(OTHER_VAN, "Garage 7");

    let list = testbed.ask("/chats");
    testbed.bring(Incoming::press(&list, format!("access:remove:{BOB}")));
    testbed.kill_and_restart();
    pair(&testbed, BOB);
    assert_eq!(ask(&testbed, BOB, "/watches"), fresh);
    let before = testbed.api.sent().len();
    testbed.transmit(VAN, "Depot");
    testbed.transmit(OTHER_VAN, "Garage 8");
    testbed.ask_until(OTHER_VAN, "Garage 8");
    let sent = testbed.api.sent_after(before);
    assert!(sent.iter().all(|message| message.chat_id == CHAT), "{sent:?}");
    // The former mute, ignored device and cool-down do not affect its new watch.
    ask(&testbed, BOB, "/watch Depot");
    testbed.transmit(VAN, "Depot");
    assert_eq!(testbed.wait_for_alert(2).chat_id, BOB);
    // A chat that is paired for the first time has the same empty list.
    pair(&testbed, CAROL);
    assert_eq!(ask(&testbed, CAROL, "/watches"), fresh);
    assert!(testbed.service.terminate().success());
    let state = fold(&events(&testbed.service.data_dir()));
    let bob = ChatId(BOB);
    assert_eq!(state.watches().len(), 1);
    assert!(state.follows().is_empty() && state.mutes().get(bob).is_none());
    assert_eq!(state.mutes().ignored().iter().count(), 0);
    testbed.api.assert_clean();
}

//! In a group everybody sets alerts, but only its admins and the bot's owners change what others set. The bot says who
//! did.

use serde_json::json;

use crate::support::bot_api::{Fault, Incoming};
use crate::support::testbed::{CHAT, Mode, Testbed};

const GROUP: i64 = -100_300;
const CHANNEL: i64 = -100_400;
const ANN: i64 = 9001;
const BOB: i64 = 9002;
const CAROL: i64 = 9003;
const LAMP: &str = "a4:83:e7:00:00:01";
const REFUSED: &str = "❌ Only admins of this group and the bot's owners can do that";

/// A service that [`CHAT`] owns, with a group.
fn owned() -> Option<Testbed> {
    Testbed::start(Mode::Webhook, |config| {
        config.chats(&[GROUP]).set("telegram", "owners", &format!("[{CHAT}]"))
    })
}

fn name_of(user: i64) -> &'static str {
    match user {
        ANN => "Ann",
        BOB => "Bob *b*",
        CAROL => "Carol",
        _ => "Olga",
    }
}

/// What a user gets for a command in the group.
fn in_group(testbed: &Testbed, user: i64, command: &str) -> String {
    let message = Incoming::text(GROUP, command).by_user(user, name_of(user));
    testbed.bring_and_wait(GROUP, message).plain
}

/// Whom the bot asked about so far.
fn asked_about(testbed: &Testbed) -> Vec<(i64, i64)> {
    let number =
        |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_i64).unwrap_or_default();
    let calls = testbed.api.calls().into_iter().filter(|call| call.is("getChatMember"));
    calls.map(|call| (number(call.params.get("chat_id")), number(call.params.get("user_id")))).collect()
}

#[test]
fn only_admins_and_owners_change_what_others_set_in_a_group() {
    let Some(mut testbed) = owned() else { return };
    for command in ["/watch Depot vans", "/watch Dep*", "/doorbell on"] {
        let done = in_group(&testbed, ANN, command);
        assert!(done.ends_with("\nBy Ann"), "{done}");
    }
    // What others set, and what would keep their alerts from them.
    let commands = [
        "/unwatch Depot",
        "/watch Depot other",
        "/unwatch Dep*",
        "/doorbell off",
        "/doorbell on -40",
        "/mute 1h",
        &format!("/ignore {LAMP}"),
    ];
    for command in commands {
        let refused = in_group(&testbed, BOB, command);
        assert!(refused.starts_with(REFUSED), "{command}: {refused}");
    }
    let pressed = Incoming::callback(GROUP, 1, "mute:60").by_user(BOB, name_of(BOB));
    assert!(testbed.bring_and_wait(GROUP, pressed).plain.starts_with(REFUSED));
    assert_eq!(asked_about(&testbed), [(GROUP, BOB)], "an answer holds for a minute");
    // What somebody set, they change.
    for command in ["/watch Harbour", "/watch Harbour boats", "/unwatch Harbour", "/watch Island"] {
        let done = in_group(&testbed, BOB, command);
        assert!(done.ends_with("\nBy Bob *b*"), "{done}");
    }
    testbed.kill_and_restart();
    let listed = in_group(&testbed, BOB, "/watches");
    assert!(listed.contains(", set by Ann") && listed.contains(", set by Bob *b*"), "{listed}");
    assert!(in_group(&testbed, BOB, "/unwatch Depot").starts_with(REFUSED));
    // An admin, and who writes as the group: only admins can.
    testbed.api.make_admin(GROUP, CAROL);
    let done = in_group(&testbed, CAROL, "/unwatch Depot");
    assert!(done.starts_with("👁") && done.ends_with("\nBy Carol"), "{done}");
    let asked = asked_about(&testbed);
    let as_chat = |id: i64, title: &str, command: &str| {
        let sender = json!({"sender_chat": {"id": id, "type": "supergroup", "title": title}});
        testbed.bring_and_wait(GROUP, Incoming::text(GROUP, command).by_user(ANN, "x").with(sender)).plain
    };
    assert!(as_chat(CHANNEL, "News", "/mute 1h").starts_with(REFUSED));
    let muted = as_chat(GROUP, "Test group", "/mute 1h");
    assert!(muted.starts_with("🔕 Muted") && muted.ends_with("\nBy an admin of this group."), "{muted}");
    assert!(in_group(&testbed, BOB, "/unmute").starts_with(REFUSED));
    // An owner of the bot.
    let done = in_group(&testbed, CHAT, "/unmute");
    assert!(done.starts_with("🔔") && done.ends_with("\nBy Olga"), "{done}");
    assert_eq!(asked_about(&testbed), asked);
    // In a private chat there is nobody else.
    testbed.ask("/watch Depot");
    assert_eq!(testbed.ask("/mute 1h").plain.lines().count(), 1);
    testbed.api.assert_clean();
}

#[test]
fn what_somebody_follows_or_ignores_in_a_group_is_theirs() {
    let Some(testbed) = owned() else { return };
    // Nobody gets alerts yet, so nobody loses any.
    let ignored = in_group(&testbed, BOB, &format!("/ignore {LAMP}"));
    assert!(ignored.ends_with("\nBy Bob *b*"), "{ignored}");
    assert!(in_group(&testbed, ANN, &format!("/unignore {LAMP}")).starts_with(REFUSED));
    assert!(in_group(&testbed, BOB, "/mute 1h").ends_with("\nBy Bob *b*"));
    assert!(in_group(&testbed, ANN, "/unmute").starts_with(REFUSED));
    assert!(in_group(&testbed, BOB, "/unmute").ends_with("\nBy Bob *b*"));
    assert!(in_group(&testbed, BOB, &format!("/unignore {LAMP}")).ends_with("\nBy Bob *b*"));
    let follow = in_group(&testbed, BOB, &format!("/follow {LAMP}"));
    assert!(follow.ends_with("\nBy Bob *b*"), "{follow}");
    for command in ["follow", "unfollow"] {
        let minutes = if command == "follow" { " 30" } else { "" };
        let refused = in_group(&testbed, ANN, &format!("/{command} {LAMP}{minutes}"));
        assert!(refused.starts_with(REFUSED), "{refused}");
    }
    let follow = in_group(&testbed, ANN, &format!("/follow {LAMP}"));
    assert!(follow.contains("Already following"), "{follow}");
    // They may mute what only they get.
    assert!(in_group(&testbed, BOB, "/mute 1h").ends_with("\nBy Bob *b*"));
    testbed.api.assert_clean();
}

#[test]
fn members_with_alerts_end_the_mute_of_another_member() {
    let Some(testbed) = owned() else { return };
    testbed.api.make_admin(GROUP, CAROL);
    let (ignore, unignore) = (format!("/ignore {LAMP}"), format!("/unignore {LAMP}"));
    for command in ["/mute 1h", &ignore] {
        let done = in_group(&testbed, BOB, command);
        assert!(done.ends_with("\nBy Bob *b*"), "{done}");
    }
    assert!(in_group(&testbed, ANN, "/unmute").starts_with(REFUSED), "Ann gets no alerts");
    let watch = in_group(&testbed, ANN, "/watch Depot");
    assert!(watch.contains("\n🔕 Alerts are muted here until") && watch.ends_with("\nBy Ann"), "{watch}");
    for command in ["/unmute", &unignore] {
        let done = in_group(&testbed, ANN, command);
        assert!(done.ends_with("\nBy Ann"), "{done}");
    }
    // What an admin or an owner set stays.
    for user in [CAROL, CHAT] {
        let muted = in_group(&testbed, user, "/mute 1h");
        assert!(muted.ends_with(&format!("\nBy {}", name_of(user))), "{muted}");
        assert!(in_group(&testbed, ANN, "/unmute").starts_with(REFUSED));
    }
    testbed.api.assert_clean();
}

#[test]
fn without_telegrams_answer_nobody_is_an_admin() {
    let Some(testbed) = owned() else { return };
    in_group(&testbed, ANN, "/watch Depot");
    testbed.api.make_admin(GROUP, CAROL);
    for fault in [Fault::BadRequest, Fault::ServerError(500), Fault::Close] {
        testbed.api.fail_next("getChatMember", 1, fault);
        let refused = in_group(&testbed, CAROL, "/unwatch Depot");
        assert!(refused.starts_with(REFUSED) && refused.contains("make me an admin"), "{refused}");
    }
    assert!(in_group(&testbed, CAROL, "/unwatch Depot").ends_with("\nBy Carol"));
    testbed.api.assert_clean();
}

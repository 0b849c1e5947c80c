//! A chat with access gives a stranger the name of a device that another chat, or the owner, ignores or follows.

use crate::support::bot_api::Incoming;
use crate::support::testbed::{CHAT, Mode, Testbed};

/// Another chat with access.
const BOB: i64 = 2002;

const LAMP: &str = "a4:83:e7:00:00:01";
/// Named by the configuration.
const PHONE: &str = "a4:83:e7:4e:39:15";
const STRANGER: &str = "00:23:a7:19:5c:03";

#[test]
fn a_stranger_with_the_name_of_an_ignored_device_still_alerts() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[CHAT, BOB])) else {
        return;
    };
    testbed.ask(&format!("/name {LAMP} Lamp"));
    testbed.ask("/watch Depot");
    assert!(testbed.ask("/ignore Lamp").plain.contains("No more alerts about Lamp"));
    // What holds in one chat is not offered in another.
    let named = testbed.bring_and_wait(BOB, Incoming::text(BOB, format!("/name {STRANGER} lamp")));
    assert!(named.plain.contains("is now called lamp") && named.buttons().is_empty(), "{}", named.plain);
    assert_only_the_stranger_alerts(&mut testbed, LAMP);
    // The chat that ignores the lamp can have the other address covered, too.
    let named = testbed.ask(&format!("/name {STRANGER} Lamp"));
    assert!(named.plain.contains("ignores the others of that name, but not yet this one"), "{}", named.plain);
    let also = named.button("Also ignore this one");
    testbed.bring_and_wait(CHAT, Incoming::press(&named, also));
    let ignored = testbed.ask("/watches").plain;
    assert_eq!(ignored.matches("Lamp").count(), 1, "it is one device: {ignored}");
    let both = testbed.ask("/ignore Lamp").plain;
    assert!(both.contains("Already ignoring Lamp"), "{both}");
    testbed.api.assert_clean();
}

#[test]
fn a_stranger_with_the_name_of_a_followed_device_does_not_count_as_it() {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config.chats(&[CHAT, BOB])) else {
        return;
    };
    testbed.ask(&format!("/name {LAMP} Anna"));
    testbed.ask("/follow Anna");
    testbed.bring_and_wait(BOB, Incoming::text(BOB, format!("/name {STRANGER} Anna")));
    testbed.transmit(STRANGER, "Elsewhere");
    testbed.ask_until(STRANGER, "Probe count: 1");
    testbed.transmit(LAMP, "Elsewhere");
    let alert = testbed.wait_for_alert(1);
    assert!(alert.plain.contains("Anna") && alert.plain.contains(LAMP), "{}", alert.plain);
    // Nor does a name that the device itself gets end the follow.
    testbed.bring_and_wait(BOB, Incoming::text(BOB, format!("/name {LAMP} Somebody")));
    let followed = testbed.ask("/watches").plain;
    assert!(followed.contains("Somebody · here"), "{followed}");
    testbed.api.assert_clean();
}

#[test]
fn a_member_cannot_hide_a_stranger_from_the_owner() {
    let Some(mut testbed) = attacked_by_a_member("false") else { return };
    let asked = testbed.bring_and_wait(BOB, Incoming::text(BOB, format!("/name {STRANGER} Alice's phone")));
    assert!(asked.plain.contains("Only an owner can do that"), "{}", asked.plain);
    assert_only_the_stranger_alerts(&mut testbed, PHONE);
}

#[test]
fn a_member_who_may_name_cannot_hide_a_stranger_from_the_owner() {
    let Some(mut testbed) = attacked_by_a_member("true") else { return };
    // The name of another device, also in other letters, and a change of a name are proposals.
    testbed.ask(&format!("/name {LAMP} Lamp"));
    for change in [
        format!("/name {STRANGER} Alice's phone"),
        format!("/name {STRANGER} LAMP"),
        format!("/name {PHONE} Stranger"),
        format!("/unname {LAMP}"),
    ] {
        let seen = testbed.api.sent().len();
        let asked = testbed.bring_and_wait(BOB, Incoming::text(BOB, change));
        assert!(asked.plain.contains("Only an owner can do that"), "{}", asked.plain);
        testbed.api.wait_for_message_after(seen, |message| message.chat_id == CHAT);
    }
    for (device, name) in [(PHONE, "Alice's phone"), (LAMP, "Lamp")] {
        let card = testbed.ask(device);
        assert!(card.plain.contains(name), "{}", card.plain);
    }
    let named = testbed.bring_and_wait(BOB, Incoming::text(BOB, format!("/name {STRANGER} Postman")));
    assert!(named.plain.contains("is now called Postman"), "{}", named.plain);
    assert_only_the_stranger_alerts(&mut testbed, PHONE);
}

/// A service whose owner watches a network and ignores a device that the configuration names; a member attacks.
fn attacked_by_a_member(may_name: &str) -> Option<Testbed> {
    let testbed = Testbed::start(Mode::Webhook, |config| {
        let config = config.chats(&[BOB]).set("telegram", "owners", &format!("[{CHAT}]"));
        config.set("telegram", "members_may_name", may_name)
    })?;
    testbed.ask("/watch Depot");
    let ignored = testbed.ask("/ignore Alice's phone");
    assert!(ignored.plain.contains("No more alerts about Alice's phone"), "{}", ignored.plain);
    Some(testbed)
}

/// The chat still gets alerts about the stranger, and none about the device that it ignores, also after a restart.
fn assert_only_the_stranger_alerts(testbed: &mut Testbed, ignored: &str) {
    testbed.kill_and_restart();
    testbed.transmit(ignored, "Depot");
    testbed.ask_until(ignored, "Probe count: 1");
    testbed.transmit(STRANGER, "Depot");
    let alert = testbed.wait_for_alert(1);
    assert_eq!(alert.chat_id, CHAT);
    assert!(alert.plain.contains(STRANGER), "{}", alert.plain);
    testbed.api.assert_clean();
}

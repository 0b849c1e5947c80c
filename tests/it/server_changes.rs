//! A Bot API server that is updated or downgraded while the bot runs, and refusals of rich content only: every message
//! arrives, and the bot concludes about the server only what its answers say.

use crate::support::bot_api::{Call, Fault, Incoming, Outcome, SentMessage, Version};
use crate::support::testbed::{CHAT, Mode, Testbed, is_alert_call};
use crate::support::wait_until;

const VAN: &str = "00:23:a7:19:5c:02";

/// A service that knows one device.
fn start() -> Option<Testbed> {
    let mut testbed = Testbed::start(Mode::Webhook, |config| config.cooldown_seconds(0))?;
    testbed.transmit(VAN, "Depot");
    testbed.ask_until(VAN, "Depot");
    Some(testbed)
}

fn is_rich_call(call: &Call) -> bool {
    call.params.contains_key("rich_message")
}

/// Whether the server ignored the colours of buttons cannot be noticed.
fn assert_tried_once(testbed: &Testbed) {
    for (what, count) in testbed.api.unknown() {
        assert!(count == 1 || what == "InlineKeyboardButton.style", "{what} was tried {count} times");
    }
}

fn forms(replies: &[SentMessage]) -> Vec<bool> {
    replies.iter().map(|reply| reply.rich.is_some()).collect()
}

#[test]
fn a_downgraded_server_gets_classic_messages_until_the_next_start() {
    let Some(mut testbed) = start() else { return };
    let mut replies = vec![testbed.ask(VAN)];
    testbed.api.set_version(Version::V7_0);
    replies.extend([VAN, VAN, VAN].map(|text| testbed.ask(text)));
    // The first one may be a hiccup.
    assert_eq!(testbed.api.unknown_count("sendRichMessage"), 2);
    testbed.api.set_version(Version::V10_1);
    replies.push(testbed.ask(VAN));
    testbed.kill_and_restart();
    replies.push(testbed.ask(VAN));
    assert_eq!(forms(&replies), [true, false, false, false, false, true]);
    assert!(replies.iter().all(|reply| reply.plain.contains("Depot")), "{replies:?}");
}

#[test]
fn one_404_of_a_server_that_knows_rich_messages_changes_nothing() {
    let Some(testbed) = start() else { return };
    let not_found = Fault::Error { status: 404, description: "Not Found" };
    testbed.api.fail_next("sendRichMessage", 1, not_found);
    let replies = [VAN, VAN].map(|text| testbed.ask(text));
    assert_eq!(forms(&replies), [false, true]);
    assert!(!testbed.ask("/status").plain.contains("older"));
}

#[test]
fn a_reply_arrives_as_text_if_the_server_fails_at_rich_messages_only() {
    let Some(testbed) = start() else { return };
    let failure = Fault::Error { status: 500, description: "Internal Server Error" };
    testbed.api.fail_when(usize::MAX, failure, is_rich_call);
    let reply = testbed.ask(VAN);
    assert!(reply.rich.is_none() && reply.plain.contains("Depot"), "{reply:?}");
    testbed.api.clear_faults();
    assert_eq!(forms(&[testbed.ask(VAN)]), [true]);
}

#[test]
fn an_edit_on_a_downgraded_server_becomes_classic() {
    let Some(mut testbed) = start() else { return };
    for number in 0..11 {
        testbed.transmit(&format!("00:23:a7:00:01:{number:02x}"), "Depot");
    }
    let list = testbed.ask_until("/devices", "page 1 of 2");
    testbed.api.set_version(Version::V7_0);
    let edited = testbed.bring_and_wait(CHAT, Incoming::press(&list, list.button("▶")));
    assert_eq!((edited.message_id, edited.rich.is_some()), (list.message_id, false));
    assert!(edited.plain.contains("11. "), "{edited:?}");
    assert!(testbed.ask(VAN).rich.is_none());
    assert_tried_once(&testbed);
}

#[test]
fn rich_content_that_is_refused_arrives_as_text_and_says_nothing_about_the_server() {
    let Some(testbed) = start() else { return };
    let refusal = Fault::Error { status: 400, description: "Bad Request: RICH_MESSAGE_DATE_INVALID" };
    testbed.api.fail_when(1, refusal, is_rich_call);
    let replies = [testbed.ask(VAN), testbed.ask(VAN)];
    assert_eq!(forms(&replies), [false, true]);
    let status = testbed.ask("/status");
    assert!(!status.plain.contains("older"), "{status:?}");
}

#[test]
fn an_unknown_token_is_not_taken_for_an_older_server() {
    let Some(testbed) = start() else { return };
    // Telegram answers 404 to every method of a bot that it does not know, for a moment here.
    testbed.api.fail_next("sendMessage", 2, Fault::Error { status: 404, description: "Not Found" });
    testbed.say(CHAT, VAN);
    let reply = testbed.ask(VAN);
    assert!(reply.rich.is_some(), "{reply:?}");
}

#[test]
fn a_kill_while_an_alert_is_sent_again_in_another_form_loses_and_repeats_nothing() {
    for version in [Version::V10_1, Version::V7_0] {
        let Some(mut testbed) =
            Testbed::start_against(version, Mode::Webhook, |config| config.cooldown_seconds(0))
        else {
            return;
        };
        testbed.ask("/watch Depot");
        let calls = testbed.api.calls().len();
        testbed.api.fail_when(usize::MAX, Fault::Hang, is_alert_call);
        testbed.transmit(VAN, "Depot");
        let hangs = |call: &Call| call.outcome == Outcome::Faulted(Fault::Hang);
        wait_until("an alert that hangs", || testbed.api.calls()[calls..].iter().any(hangs).then_some(()));
        let api_calls = testbed.api.calls().len();
        testbed.kill_and_restart_after(|| ());
        testbed.api.clear_faults();
        let alert = testbed.wait_for_alert(1);
        assert!(alert.plain.contains("Depot"), "{alert:?}");
        // The next reply comes after whatever else was waiting.
        testbed.ask("/status");
        assert_eq!(testbed.alerts().len(), 1, "{:?}", &testbed.api.calls()[api_calls..]);
    }
}

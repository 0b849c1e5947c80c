//! In a private chat, the text after the question for a name is that name, also if Telegram leaves out that it is a
//! reply.

use crate::support::bot_api::{Incoming, SentMessage};
use crate::support::testbed::{CHAT, Mode, Testbed};

const ALICE: &str = "a4:83:e7:4e:39:15";
const TABLET: &str = "00:23:a7:00:00:01";
const GROUP: i64 = -200;

/// The service, which has seen the tablet, and the tablet's card.
fn start(mode: Mode) -> Option<(Testbed, SentMessage)> {
    let mut testbed = Testbed::start(mode, |config| config.chats(&[CHAT, GROUP]))?;
    testbed.transmit(TABLET, "Depot");
    let card = testbed.ask_until(TABLET, "Probe count: 1");
    Some((testbed, card))
}

/// Has the bot ask for the tablet's name.
fn question(testbed: &Testbed, card: &SentMessage) -> SentMessage {
    let question = testbed.bring_and_wait(CHAT, Incoming::press(card, card.button("Name it")));
    assert_eq!(question.raw["reply_markup"]["force_reply"], true);
    question
}

#[test]
fn the_next_text_is_the_name() {
    for mode in [Mode::Webhook, Mode::Polling] {
        let Some((testbed, card)) = start(mode) else { return };
        question(&testbed, &card);
        let reply = testbed.ask("Kitchen tablet");
        assert!(reply.plain.contains("is now called Kitchen tablet"), "{}", reply.plain);
        // Only one.
        let reply = testbed.ask("Bathroom tablet");
        assert!(reply.plain.contains("No device matches"), "{}", reply.plain);
        testbed.api.assert_clean();
    }
}

#[test]
fn what_is_no_name_stays_what_it_is() {
    let Some((testbed, card)) = start(Mode::Webhook) else { return };
    let is_named = |testbed: &Testbed| testbed.ask(TABLET).plain.contains("tablet");
    // An address, a known name, a command, a press of another button, a restart.
    for text in [ALICE, "alice's PHONE", "/watches", "/tablet"] {
        question(&testbed, &card);
        let reply = testbed.ask(text);
        assert!(!reply.plain.contains("is now called"), "{text}: {}", reply.plain);
        let reply = testbed.ask("tablet of the kitchen");
        assert!(!reply.plain.contains("is now called"), "after {text}: {}", reply.plain);
    }
    question(&testbed, &card);
    testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Chart")));
    assert!(!testbed.ask("tablet of the kitchen").plain.contains("is now called"));
    // A group is no private chat.
    testbed.bring_and_wait(CHAT, Incoming::press(&card, card.button("Name it")));
    testbed.bring_and_wait(GROUP, Incoming::text(GROUP, "@probewatch_test_bot tablet of the kitchen"));
    assert!(!is_named(&testbed));
    testbed.api.assert_clean();
}

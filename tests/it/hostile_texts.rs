//! Whatever a network or a device is called, it is text: in alerts, cards, lists and confirmations it stays whole, and
//! becomes no link, no mention, no command, no hashtag and no formatting; on today's Bot API server and on an older one.

use std::thread;

use crate::support::bot_api::{BotApi, Incoming, SentMessage, Version};
use crate::support::testbed::{CHAT, Mode, Testbed};
use crate::support::wait::{self, TEST_LIMIT};
use dot11::Ssid;

/// SSIDs that an attacker may choose.
const SSIDS: [&str; 14] = [
    "@admin",
    "/start",
    "/watch@some_bot",
    "https://evil.example",
    "evil.com/login",
    "mail@evil.example",
    "#tag",
    "$USD",
    "<b>bold</b>",
    "&lt;&#60;&amp;",
    "</td></tr></table>",
    "\u{202e}moc.live\u{200f}",
    "🏴🦜🦜🦜🦜🦜🦜🦜",
    "<tg-time unix=\"1\" format=\"r\">",
];

/// Names that somebody with access may give.
const NAMES: [&str; 5] = ["@admin", "/start", "https://evil.example", "#tag", "<u>x</u>&amp;"];

/// How the bot shows an SSID.
fn shown(ssid: &str) -> String {
    Ssid::from(ssid).to_string()
}

fn address(number: usize) -> String {
    format!("00:23:a7:00:00:{number:02x}")
}

/// Panics if a part of a hostile text became something to tap, or formatting of its own.
fn assert_harmless(message: &SentMessage) {
    for found in &message.detected {
        let hostile =
            SSIDS.iter().chain(&NAMES).find(|text| text.contains(&found.text) || found.text.contains(**text));
        assert!(hostile.is_none(), "{found:?} comes from {hostile:?} in {message:?}");
    }
    let ours =
        ["bold", "italic", "code", "pre", "date_time", "heading", "blockquote", "expandable_blockquote"];
    for entity in &message.entities {
        assert!(ours.iter().any(|kind| entity["type"] == *kind), "{entity} in {message:?}");
    }
}

fn play(version: Version) {
    let change = |config: crate::support::service::Config| config.cooldown_seconds(0);
    let api = BotApi::start_version(version);
    api.set_inline_mode(true);
    let Some(mut testbed) = Testbed::start_with(api, Mode::Webhook, change) else { return };
    for (number, ssid) in SSIDS.iter().enumerate() {
        let confirmed = testbed.ask(&format!("/watch \"{}\" because of {ssid}", ssid.replace('"', "\\\"")));
        assert!(confirmed.plain.contains(&shown(ssid)), "{ssid:?}: {confirmed:?}");
        testbed.transmit(&address(number), ssid);
        let alert = testbed.wait_for_alert(number + 1);
        assert!(alert.plain.contains(&shown(ssid)), "{ssid:?}: {alert:?}");
    }
    for (number, name) in NAMES.iter().enumerate() {
        testbed.ask(&format!("/name {} {name}", address(number)));
        let card = testbed.ask(&address(number));
        assert!(card.plain.contains(name), "{name:?}: {card:?}");
        assert!(card.plain.contains(&shown(SSIDS[number])), "{number}: {card:?}");
        testbed.ask(&format!("/follow {}", address(number)));
    }
    // What a refusal repeats.
    let commands = ["/devices", "/mute", "/settings quiet", "/settings zone", "/chart ssid Depot"];
    for (command, text) in commands.iter().zip(NAMES) {
        assert_harmless(&testbed.ask(&format!("{command} {text}")));
    }
    let lists = [
        "/devices",
        "/devices addresses",
        "/networks",
        "/watches",
        "/nearby",
        "/top",
        "/strangers",
        "/status",
    ];
    for list in lists {
        let mut reply = testbed.ask(list);
        let mut whole = reply.plain.clone();
        for page in 2..=2 {
            let next = |(label, _): &(String, String)| {
                label.contains("▶") || label.contains("›") || label.contains("Next")
            };
            if reply.buttons().iter().any(next) {
                reply = testbed.ask(&format!("{list} {page}"));
                whole.push_str(&reply.plain);
            }
        }
        if ["/networks", "/watches"].contains(&list) {
            for ssid in SSIDS {
                assert!(whole.contains(&shown(ssid)), "{ssid:?} is not in {list}: {whole}");
            }
        }
    }
    for ssid in SSIDS {
        testbed.ask(&format!("/ssid \"{}\"", ssid.replace('"', "\\\"")));
    }
    // No more than one person may ask for in a minute.
    for number in (0..SSIDS.len()).step_by(2) {
        testbed.bring(Incoming::inline_query(CHAT, address(number)));
        for article in testbed.api.wait_for_inline_answer() {
            assert!(article.plain.contains(&shown(SSIDS[number])), "{number}: {article:?}");
            assert_eq!(article.detected, [], "{article:?}");
        }
    }
    let sent = testbed.api.sent();
    sent.iter().for_each(assert_harmless);
    let rich = sent.iter().filter(|message| message.rich.is_some()).count();
    assert_eq!(rich > 0, version == Version::V10_1, "{rich} rich messages");
    // The bot's own commands can be tapped.
    let help = testbed.ask("/help");
    assert!(help.detected.iter().any(|found| found.text == "/devices"), "{help:?}");
    assert!(help.detected.iter().all(|found| found.kind == "bot_command"), "{help:?}");
    for (what, count) in testbed.api.unknown() {
        assert!(count == 1 || what == "InlineKeyboardButton.style", "{what} was tried {count} times");
    }
}

#[test]
fn a_hostile_text_is_only_text() {
    let playing = [Version::V10_1, Version::V7_0].map(|version| thread::spawn(move || play(version)));
    for play in playing {
        wait::join_within(TEST_LIMIT, play, "the end of the play");
    }
}

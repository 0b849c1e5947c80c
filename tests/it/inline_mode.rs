//! Inline mode: who has access by a private chat of their own is offered cards in any chat. Everybody else gets nothing,
//! and no query waits.

use serde_json::json;

use crate::support::bot_api::{BotApi, Fault, Incoming, InlineArticle, Outcome, Version};
use crate::support::testbed::{CHAT, Mode, Testbed};

const GROUP: i64 = -100_200;
const MEMBER: i64 = 1002;
const STRANGER: i64 = 5005;

const LAMP: &str = "00:23:a7:19:5c:02";
const KETTLE: &str = "00:23:a7:19:5c:03";

/// A bot whose inline mode is on, with a device called "Kitchen lamp" and one called "Kitchen kettle".
fn start(mode: Mode) -> Option<Testbed> {
    start_in(BotApi::start(), mode)
}

fn start_in(api: BotApi, mode: Mode) -> Option<Testbed> {
    api.set_inline_mode(true);
    let mut testbed = Testbed::start_with(api, mode, |config| config.chats(&[CHAT, MEMBER, GROUP]))?;
    for (device, name) in [(LAMP, "Kitchen lamp"), (KETTLE, "Kitchen kettle")] {
        testbed.transmit(device, "Depot <b>&");
        testbed.ask_until(device, "Probe count: 1");
        testbed.ask(&format!("/name {device} {name}"));
    }
    Some(testbed)
}

fn ask(testbed: &Testbed, person: i64, query: &str) -> Vec<InlineArticle> {
    testbed.bring(Incoming::inline_query(person, query));
    testbed.api.wait_for_inline_answer()
}

fn titles(articles: &[InlineArticle]) -> Vec<&str> {
    articles.iter().map(|article| article.title.as_str()).collect()
}

fn offers_cards(mode: Mode) {
    let Some(testbed) = start(mode) else { return };
    let one = ask(&testbed, CHAT, "kitchen lamp");
    assert_eq!(titles(&one), ["Kitchen lamp"]);
    assert!(one[0].description.contains("1 probe"), "{:?}", one[0]);
    assert!(one[0].plain.contains("Wi-Fi probe stats for Kitchen lamp"), "{}", one[0].plain);
    assert!(one[0].plain.contains("Depot <b>&") && one[0].detected.is_empty(), "{:?}", one[0]);
    assert!(one[0].raw.get("reply_markup").is_none());
    let answer = testbed.api.wait_for_call("answerInlineQuery", |_| true);
    assert_eq!((&answer.params["is_personal"], &answer.params["cache_time"]), (&json!(true), &json!(5)));

    // All whose names have that part, last seen first; without a query, all that were seen.
    for query in ["kitchen", "KITCHEN", " Kitchen ", ""] {
        assert_eq!(titles(&ask(&testbed, CHAT, query)), ["Kitchen kettle", "Kitchen lamp"], "{query:?}");
    }
    assert_eq!(titles(&ask(&testbed, MEMBER, LAMP)), ["Kitchen lamp"]);
    assert!(ask(&testbed, CHAT, "garage").is_empty());

    // The card comes back as a message of the person who sent it, which is no request.
    let sent = testbed.api.sent_count();
    let bot = json!({"id": 123_456, "is_bot": true, "first_name": "probewatch under test"});
    for chat in [CHAT, GROUP] {
        testbed.bring(Incoming::text(chat, one[0].plain.clone()).with(json!({"via_bot": bot})));
    }
    testbed.ask("/help");
    assert_eq!(testbed.api.sent_count(), sent + 1);
    assert_eq!(testbed.api.unanswered_inline_queries(), 0);
    testbed.api.assert_clean();
}

#[test]
fn cards_are_offered_by_webhook() {
    offers_cards(Mode::Webhook);
}

#[test]
fn cards_are_offered_by_polling() {
    offers_cards(Mode::Polling);
}

#[test]
fn who_has_no_access_of_their_own_gets_nothing() {
    let Some(testbed) = start(Mode::Webhook) else { return };
    // A person of a group with access has none elsewhere.
    testbed.bring(Incoming::text(GROUP, "/help").by_user(STRANGER, "Mallory"));
    testbed.api.wait_for_message(|message| message.chat_id == GROUP);
    let sent = testbed.api.sent_count();
    assert!(ask(&testbed, STRANGER, "kitchen").is_empty());
    // A second query of theirs, and those of more strangers than a few in a minute, get no answer at all.
    for person in 0..100 {
        testbed.bring(Incoming::inline_query(STRANGER + person, "kitchen"));
    }
    let answers = testbed.api.calls().into_iter().filter(|call| call.is("answerInlineQuery"));
    let results: Vec<_> = answers.map(|call| call.params["results"].clone()).collect();
    assert_eq!(results, vec![json!([]); 20]);
    // They are told nothing, and do not use up what others may ask.
    assert_eq!(testbed.api.sent_count(), sent);
    assert_eq!(ask(&testbed, CHAT, "kitchen").len(), 2);
    testbed.api.assert_clean();
}

#[test]
fn hostile_queries_are_answered_like_others() {
    let Some(testbed) = start(Mode::Webhook) else { return };
    let long = "k".repeat(10_000);
    let emoji = "👩‍👩‍👧‍👦".repeat(64);
    for query in [
        "'; DROP TABLE devices; --",
        "<b>kitchen</b>",
        "%",
        "*",
        ".*",
        "\u{202e}nehctik",
        "مطبخ",
        "\0",
        "\n\n",
        &long,
        &emoji,
    ] {
        testbed.bring(Incoming::inline_query(MEMBER, query));
    }
    // More queries than a person can type are not answered.
    for _ in 0..50 {
        testbed.bring(Incoming::inline_query(MEMBER, "kitchen"));
    }
    let answers = testbed.api.calls().into_iter().filter(|call| call.is("answerInlineQuery")).count();
    assert!((10..60).contains(&answers), "{answers}");
    // Queries that cannot be read are ignored.
    let mut update = testbed.api.update(Incoming::inline_query(CHAT, "kitchen"));
    for part in [json!(null), json!([]), json!({"id": 5}), json!({"id": "7", "from": {}, "query": 5})] {
        update["inline_query"] = part;
        assert_eq!(testbed.api.post_update(testbed.service.listen_address(), &update), 200);
    }
    assert_eq!(ask(&testbed, CHAT, "kitchen").len(), 2);
    testbed.api.assert_clean();
}

#[test]
fn a_query_waits_for_no_other_work() {
    let Some(testbed) = start(Mode::Polling) else { return };
    testbed.api.fail_next_in(CHAT, "sendMessage", 1, Fault::Hang);
    testbed.bring(Incoming::text(CHAT, "/unmute"));
    testbed.api.wait_for_call("sendMessage", |call| call.outcome == Outcome::Faulted(Fault::Hang));
    assert_eq!(ask(&testbed, CHAT, "kitchen").len(), 2);
    // An answer that Telegram refuses, since it comes too late, ends there.
    let late = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    testbed.api.fail_next("answerInlineQuery", 1, Fault::Error { status: 400, description: late });
    testbed.bring(Incoming::inline_query(CHAT, "kitchen"));
    testbed.api.wait_for_calls("answerInlineQuery", 2);
    testbed.api.clear_faults();
    assert_eq!(ask(&testbed, CHAT, "kitchen lamp").len(), 1);
}

#[test]
fn an_older_server_gets_classic_cards() {
    let Some(testbed) = start_in(BotApi::start_version(Version::V7_0), Mode::Webhook) else { return };
    let cards = ask(&testbed, CHAT, "kitchen");
    assert_eq!(titles(&cards), ["Kitchen kettle", "Kitchen lamp"]);
    assert!(cards[0].raw["input_message_content"]["message_text"].is_string(), "{:?}", cards[0]);
    testbed.api.assert_clean();
}

#[test]
fn without_the_switch_there_are_no_inline_queries() {
    let Some(testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    let kinds = testbed.api.webhook().allowed_updates;
    assert!(!kinds.is_empty() && !kinds.contains(&"inline_query".to_owned()), "{kinds:?}");
}

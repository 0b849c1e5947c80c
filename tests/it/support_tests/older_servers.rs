//! How a server of an older version of the Bot API answers.

use serde_json::{Value, json};

use super::bot_rules::{JSON, call};
use crate::support::bot_api::{BotApi, Fault, Outcome, Version};

fn ask(api: &BotApi, method: &str, body: &Value) -> (u16, String) {
    let response = call(api, method, JSON, &body.to_string());
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    (response.status, answer["description"].as_str().unwrap_or_default().to_owned())
}

fn rich() -> Value {
    json!({"chat_id": 1001, "rich_message": {"html": "<p>x</p>", "skip_entity_detection": true}})
}

fn with_time() -> Value {
    let text = "é <tg-time unix=\"5\" format=\"r\">then</tg-time>";
    json!({"chat_id": 1001, "text": text, "parse_mode": "HTML"})
}

fn with_button(button: &Value) -> Value {
    json!({"chat_id": 1001, "text": "x", "reply_markup": {"inline_keyboard": [[button]]}})
}

#[test]
fn an_older_server_does_not_know_what_is_newer() {
    let api = BotApi::start_version(Version::V7_0);
    assert_eq!(ask(&api, "sendRichMessage", &rich()), (404, "Not Found".into()));
    let draft = json!({"chat_id": 1001, "draft_id": 1, "text": "x"});
    assert_eq!(ask(&api, "sendMessageDraft", &draft), (404, "Not Found".into()));
    let unsupported =
        "Bad Request: can't parse entities: Unsupported start tag \"tg-time\" at byte offset 3".to_owned();
    assert_eq!(ask(&api, "sendMessage", &with_time()), (400, unsupported));
    assert_eq!(ask(&api, "sendMessage", &json!({"chat_id": 1001, "text": "x"})).0, 200);
    let mut edit = rich();
    edit["message_id"] = api.sent()[0].message_id.into();
    assert_eq!(ask(&api, "editMessageText", &edit), (400, "Bad Request: message text is empty".into()));
    let copying = with_button(&json!({"text": "b", "copy_text": {"text": "c"}, "style": "primary"}));
    let text_button = "Bad Request: can't parse inline keyboard button: \
                       Text buttons are unallowed in the inline keyboard";
    assert_eq!(ask(&api, "sendMessage", &copying), (400, text_button.into()));
    let styled = with_button(&json!({"text": "b", "callback_data": "c", "style": "primary"}));
    assert_eq!(ask(&api, "sendMessage", &styled).0, 200);
    assert_eq!(
        api.sent()[1].raw["reply_markup"]["inline_keyboard"][0][0],
        json!({"text": "b", "callback_data": "c"})
    );
    let unknown = [
        ("InlineKeyboardButton.copy_text", 1),
        ("InlineKeyboardButton.style", 2),
        ("editMessageText.rich_message", 1),
        ("sendMessageDraft", 1),
        ("sendRichMessage", 1),
        ("tg-time", 1),
    ];
    assert_eq!(api.unknown(), unknown.map(|(what, count)| (what.to_owned(), count)).into());
    assert_eq!(api.unknown_count("tg-time"), 1);
    assert_eq!((api.sent().len(), api.take_violations().len()), (2, 0));
    // What is wrong in every version is a violation here too.
    let wrong = json!({"chat_id": 1, "rich_message": {"html": "<p>", "skip_entity_detection": true}});
    assert_eq!(ask(&api, "sendRichMessage", &wrong).0, 400);
    assert_eq!(api.take_violations().len(), 1);
}

#[test]
fn a_server_in_between_knows_some() {
    let api = BotApi::start_version(Version::V9_5);
    assert_eq!(ask(&api, "sendMessage", &with_time()).0, 200);
    let copying = with_button(&json!({"text": "b", "copy_text": {"text": "c"}, "style": "primary"}));
    assert_eq!(ask(&api, "sendMessage", &copying).0, 200);
    assert_eq!(ask(&api, "sendRichMessage", &rich()).0, 404);
    assert_eq!(api.unknown(), [("sendRichMessage".to_owned(), 1)].into());
}

#[test]
fn inline_results_and_captions_are_read_as_by_an_older_server() {
    let api = BotApi::start_version(Version::V7_0);
    let result = |content: &Value| {
        json!({"inline_query_id": "1", "results": [
            {"type": "article", "id": "1", "title": "T", "input_message_content": content}
        ]})
    };
    let refused = ask(&api, "answerInlineQuery", &result(&json!({"rich_message": rich()["rich_message"]})));
    assert!(refused.1.contains("message content is not specified"), "{refused:?}");
    let text = json!({"message_text": with_time()["text"], "parse_mode": "HTML"});
    assert!(ask(&api, "answerInlineQuery", &result(&text)).1.contains("Unsupported start tag \"tg-time\""));
    let document =
        json!({"chat_id": 1, "document": "id", "caption": with_time()["text"], "parse_mode": "HTML"});
    assert!(ask(&api, "sendDocument", &document).1.contains("Unsupported start tag \"tg-time\""));
    assert_eq!(api.unknown_count("tg-time"), 2);
}

#[test]
fn a_server_can_be_updated_and_downgraded() {
    let api = BotApi::start();
    let mut statuses = Vec::new();
    for version in [Version::V10_1, Version::V7_0, Version::V10_1] {
        api.set_version(version);
        statuses.push(ask(&api, "sendRichMessage", &rich()).0);
    }
    assert_eq!(statuses, [200, 404, 200]);
}

#[test]
fn a_fault_can_be_for_rich_content_only() {
    let api = BotApi::start();
    let fault = Fault::Error { status: 400, description: "Bad Request: RICH_MESSAGE_DATE_INVALID" };
    api.fail_when(1, fault.clone(), |call| call.params.contains_key("rich_message"));
    assert_eq!(ask(&api, "sendMessage", &with_time()).0, 200);
    assert_eq!(ask(&api, "sendRichMessage", &rich()).1, "Bad Request: RICH_MESSAGE_DATE_INVALID");
    assert_eq!(ask(&api, "sendRichMessage", &rich()).0, 200);
    assert_eq!(api.calls()[1].outcome, Outcome::Faulted(fault));
}

//! Which requests the Bot API server accepts and which it refuses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use crate::support::bot_api::{BotApi, published, schema};
use crate::support::http::{self, Response};
use crate::support::require;

pub const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

pub fn call(api: &BotApi, method: &str, content_type: &str, body: &str) -> Response {
    let target = format!("/bot{}/{method}", api.token());
    let headers = [("content-type", content_type)];
    http::request(api.address(), "POST", &target, &headers, body.as_bytes()).expect("an answer")
}

pub fn refused(method: &str, body: Value, because: &str) {
    let api = BotApi::start();
    let response = call(&api, method, JSON, &body.to_string());
    let violations = api.take_violations();
    assert_eq!(response.status, 400, "{method} {body}: {}", response.text());
    assert!(violations.iter().any(|found| found.contains(because)), "{method} {body}: {violations:?}");
    assert!(api.sent().is_empty());
}

pub fn accepted(method: &str, content_type: &str, body: &str) -> Value {
    let api = BotApi::start();
    let response = call(&api, method, content_type, body);
    assert_eq!(response.status, 200, "{method} {body}: {}", response.text());
    api.assert_clean();
    serde_json::from_slice::<Value>(&response.body).expect("JSON")["result"].clone()
}

fn message(text: &str) -> Value {
    json!({"chat_id": 1001, "text": text, "parse_mode": "HTML"})
}

/// The displayed text of a message, and its entities.
fn read(html: &str) -> (String, Vec<(String, u64, u64)>) {
    let result = accepted("sendMessage", JSON, &message(html).to_string());
    let entities = result["entities"].as_array().cloned().unwrap_or_default();
    let entity = |entity: &Value| {
        let number = |name: &str| entity[name].as_u64().expect("a number");
        (entity["type"].as_str().expect("a type").to_owned(), number("offset"), number("length"))
    };
    (result["text"].as_str().expect("a text").to_owned(), entities.iter().map(entity).collect())
}

#[test]
fn text_is_measured_after_its_entities_and_in_utf16() {
    refused("sendMessage", json!({"chat_id": 1, "text": ""}), "non-empty");
    refused("sendMessage", json!({"chat_id": 1, "text": " \n "}), "non-empty");
    refused("sendMessage", message("<b></b>"), "non-empty");
    refused("sendMessage", message(&"a".repeat(4097)), "4097 UTF-16 units of at most 4096");
    refused("sendMessage", message(&"📡".repeat(2049)), "4098 UTF-16 units");
    accepted("sendMessage", JSON, &message(&"📡".repeat(2048)).to_string());
    accepted("sendMessage", JSON, &message(&"&lt;".repeat(4096)).to_string());
    let caption = |length| json!({"chat_id": 1, "document": "id", "caption": "a".repeat(length)});
    accepted("sendDocument", JSON, &caption(1024).to_string());
    refused("sendDocument", caption(1025), "1025 UTF-16 units of at most 1024");
}

#[test]
fn html_is_parsed_as_by_telegram() {
    let entity = |kind: &str, offset, length| (kind.to_owned(), offset, length);
    assert_eq!(read("a &lt;b&gt; &amp;amp; &quot;&#39;&#x1F4E1;"), ("a <b> &amp; \"'📡".into(), vec![]));
    assert_eq!(
        read("📡 <b>x <i>y</i></b> <code>z</code>"),
        ("📡 x y z".into(), vec![entity("bold", 3, 3), entity("italic", 5, 1), entity("code", 7, 1)])
    );
    assert_eq!(read("<a href=\"https://a.b/?c=1&amp;d=2\">l</a>").1, [entity("text_link", 0, 1)]);
    assert_eq!(read("<pre><code class=\"language-rust\">fn</code></pre>").1, [entity("pre", 0, 2)]);
    assert_eq!(read("<blockquote expandable>q</blockquote>").1, [entity("expandable_blockquote", 0, 1)]);
    assert_eq!(read("<span class='tg-spoiler'>s</span>").1, [entity("spoiler", 0, 1)]);
    for format in ["r", "w", "d", "D", "t", "T", "wDT", "wd", "DT", "dt"] {
        let html = format!("<tg-time unix=\"0\" format=\"{format}\">t</tg-time>");
        assert_eq!(read(&html).1, [entity("date_time", 0, 1)]);
    }
    assert_eq!(read("<B>x</b >").1, [entity("bold", 0, 1)]);
    for (html, because) in [
        ("<b>x", "Can't find end tag"),
        ("x</b>", "Unexpected end tag"),
        ("<b><i>x</b></i>", "Unmatched end tag"),
        ("<script>x</script>", "Unsupported start tag"),
        ("<br>", "Unsupported start tag"),
        ("<>x</>", "Unsupported start tag"),
        ("1 < 2", "Unclosed start tag"),
        ("1 > 2", "bare \">\""),
        ("AT&T", "bare \"&\""),
        ("a &nbsp; b", "entity \"nbsp\""),
        ("&#xD800;", "entity"),
        ("<b onclick=\"x\">x</b>", "Unsupported attribute"),
        ("<a>x</a>", "without href"),
        ("<a href=x>x</a>", "without quotes"),
        ("<span>x</span>", "tg-spoiler"),
        ("<tg-time format=\"r\">t</tg-time>", "must have a unix time"),
        ("<tg-time unix=\"-1\" format=\"r\">t</tg-time>", "must have a unix time"),
        ("<tg-time unix=\"+1\" format=\"r\">t</tg-time>", "must have a unix time"),
        ("<tg-time unix=\"9999999999\" format=\"r\">t</tg-time>", "too far in the future"),
        ("<tg-time unix=\"1\">t</tg-time>", "must have a format"),
        ("<tg-time unix=\"1\" format=\"\">t</tg-time>", "the format"),
        ("<tg-time unix=\"1\" format=\"rT\">t</tg-time>", "the format"),
        ("<tg-time unix=\"1\" format=\"TD\">t</tg-time>", "the format"),
        ("<tg-time unix=\"1\" format=\"dD\">t</tg-time>", "the format"),
        ("<code><b>x</b></code>", "must not lie in"),
        ("<b><code>x</code></b>", "must not lie in"),
    ] {
        refused("sendMessage", message(html), because);
    }
    refused("sendMessage", json!({"chat_id": 1, "text": "x", "parse_mode": "MarkdownV2"}), "MarkdownV2");
    let outside =
        json!({"chat_id": 1, "text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]});
    refused("sendMessage", outside, "outside the text");
}

#[test]
fn limits_of_the_other_methods_hold() {
    let hook = |secret: &str| json!({"url": "https://a.b/c", "secret_token": secret});
    accepted("setWebhook", JSON, &hook(&"aZ0_-".repeat(51)).to_string());
    refused("setWebhook", hook(""), "secret token");
    refused("setWebhook", hook(&"a".repeat(257)), "secret token");
    refused("setWebhook", hook("a b"), "secret token");
    refused("setWebhook", json!({"url": "http://a.b/c"}), "HTTPS URL");
    refused("setWebhook", json!({"url": "https:///c"}), "HTTPS URL");
    refused("setWebhook", json!({"url": "https://a.b:8080/c"}), "ports 80, 88, 443 or 8443");
    refused("setWebhook", json!({"url": "https://a.b", "max_connections": 101}), "max_connections");
    let commands = |name: &str, text: &str| json!({"commands": [{"command": name, "description": text}]});
    accepted("setMyCommands", JSON, &commands("watch_1", "Watch a network").to_string());
    refused("setMyCommands", commands("Watch", "x"), "BOT_COMMAND_INVALID");
    refused("setMyCommands", commands(&"a".repeat(33), "x"), "BOT_COMMAND_INVALID");
    refused("setMyCommands", commands("watch", ""), "BOT_COMMAND_DESCRIPTION_INVALID");
    let scoped = |scope: Value| json!({"commands": [], "scope": scope});
    accepted("setMyCommands", JSON, &scoped(json!({"type": "all_private_chats"})).to_string());
    accepted(
        "setMyCommands",
        JSON,
        &scoped(json!({"type": "chat_member", "chat_id": -1, "user_id": 2})).to_string(),
    );
    refused("setMyCommands", scoped(json!({"type": "chat"})), "BotCommandScope");
    refused("setMyCommands", scoped(json!({"type": "default", "chat_id": 1})), "BotCommandScope");
    refused("setMyCommands", scoped(json!({"type": "everybody"})), "unsupported type");
    refused("sendChatAction", json!({"chat_id": 1, "action": "sleeping"}), "action");
    refused("getUpdates", json!({"limit": 101}), "limit");
    refused("answerCallbackQuery", json!({"callback_query_id": "1", "text": "a".repeat(201)}), "200");
    let button = |data: &str| {
        let row = json!([{"text": "b", "callback_data": data}]);
        json!({"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": [row]}})
    };
    accepted("sendMessage", JSON, &button(&"é".repeat(32)).to_string());
    refused("sendMessage", button(&"é".repeat(33)), "66 bytes of 1 to 64");
    refused("sendMessage", button(""), "0 bytes of 1 to 64");
}

#[test]
fn buttons_questions_and_menus_have_their_limits() {
    let message = |markup: Value| json!({"chat_id": 1, "text": "x", "reply_markup": markup});
    let one_button = |button: Value| message(json!({"inline_keyboard": [[button]]}));
    let copied = |length| one_button(json!({"text": "b", "copy_text": {"text": "a".repeat(length)}}));
    accepted("sendMessage", JSON, &copied(256).to_string());
    refused("sendMessage", copied(257), "BUTTON_COPY_TEXT_INVALID");
    refused("sendMessage", copied(0), "BUTTON_COPY_TEXT_INVALID");
    refused("sendMessage", one_button(json!({"text": "b"})), "exactly one kind");
    let two = json!({"text": "b", "callback_data": "d", "copy_text": {"text": "a"}});
    refused("sendMessage", one_button(two), "exactly one kind");
    let styled = |style: &str| one_button(json!({"text": "b", "callback_data": "d", "style": style}));
    accepted("sendMessage", JSON, &styled("danger").to_string());
    refused("sendMessage", styled("red"), "unknown style");
    let keyboard = |widths: &[usize]| {
        let row = |width: &usize| vec![json!({"text": "b", "callback_data": "d"}); *width];
        json!({"inline_keyboard": widths.iter().map(row).collect::<Vec<_>>()})
    };
    accepted("sendMessage", JSON, &message(keyboard(&[8; 12])).to_string());
    refused("sendMessage", message(keyboard(&[9])), "too many buttons");
    refused("sendMessage", message(keyboard(&[8; 13])), "too many buttons");
    let nameless = json!({"inline_keyboard": [[{"text": "", "callback_data": "d"}]]});
    refused("sendMessage", message(nameless), "without text");
    let question =
        |length| message(json!({"force_reply": true, "input_field_placeholder": "a".repeat(length)}));
    accepted("sendMessage", JSON, &question(64).to_string());
    refused("sendMessage", question(65), "input_field_placeholder");
    refused("sendMessage", question(0), "input_field_placeholder");
    // The same limits apply to edits.
    let edit = |text: &str, markup: Value| json!({"chat_id": 1, "message_id": 1, "text": text, "parse_mode": "HTML", "reply_markup": markup});
    refused("editMessageText", edit("x", keyboard(&[9])), "too many buttons");
    refused("editMessageText", edit(&"a".repeat(4097), keyboard(&[1])), "4097 UTF-16 units");
    refused("editMessageText", edit("<b>x", keyboard(&[1])), "Can't find end tag");
    let commands = |count: usize, text: &str| json!({"commands": vec![json!({"command": "watch", "description": text}); count]});
    accepted("setMyCommands", JSON, &commands(100, &"a".repeat(256)).to_string());
    refused("setMyCommands", commands(101, "x"), "101 commands of at most 100");
    refused("setMyCommands", commands(1, &"a".repeat(257)), "BOT_COMMAND_DESCRIPTION_INVALID");
    let notice = |length| json!({"callback_query_id": "1", "text": "a".repeat(length)});
    refused("answerCallbackQuery", notice(201), "longer than 200");
}

/// A multipart request with a file.
fn upload(method: &str, fields: &[(&str, &str)], file_field: &str, file: &[u8]) -> (u16, Vec<String>) {
    let api = BotApi::start();
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head =
        format!("--B\r\nContent-Disposition: form-data; name=\"{file_field}\"; filename=\"f\"\r\n\r\n");
    for bytes in [head.as_bytes(), file, b"\r\n--B--\r\n"] {
        body.extend_from_slice(bytes);
    }
    let target = format!("/bot{}/{method}", api.token());
    let headers = [("content-type", "multipart/form-data; boundary=B")];
    let response = http::request(api.address(), "POST", &target, &headers, &body).expect("an answer");
    (response.status, api.take_violations())
}

/// The header of a PNG of this size, padded to this length.
fn png(width: u32, height: u32, length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend_from_slice(&width.to_be_bytes());
    bytes.extend_from_slice(&height.to_be_bytes());
    bytes.resize(length.max(bytes.len()), 0);
    bytes
}

#[test]
fn files_have_their_limits() {
    let refused = |method: &str, fields: &[(&str, &str)], field: &str, file: &[u8], because: &str| {
        let (status, violations) = upload(method, fields, field, file);
        assert_eq!(status, 400, "{because}: {violations:?}");
        assert!(violations.iter().any(|found| found.contains(because)), "{because}: {violations:?}");
    };
    let to_chat = [("chat_id", "1")];
    let long = "a".repeat(1025);
    assert_eq!(upload("sendPhoto", &to_chat, "photo", &png(1280, 960, 10_000_000)), (200, Vec::new()));
    refused("sendPhoto", &to_chat, "photo", &png(1280, 960, 10_000_001), "larger than 10 MB");
    refused("sendPhoto", &to_chat, "photo", &png(9_000, 1_001, 0), "PHOTO_INVALID_DIMENSIONS");
    refused("sendPhoto", &to_chat, "photo", &png(2_100, 100, 0), "PHOTO_INVALID_DIMENSIONS");
    refused("sendPhoto", &to_chat, "photo", b"offset,time", "IMAGE_PROCESS_FAILED");
    refused("sendPhoto", &to_chat, "photo", b"", "non-empty");
    refused("sendPhoto", &[to_chat[0], ("caption", &long)], "photo", &png(9, 9, 0), "1025 UTF-16 units");
    assert_eq!(upload("sendDocument", &to_chat, "document", &vec![0; 50_000_000]).0, 200);
    refused("sendDocument", &to_chat, "document", &vec![0; 50_000_001], "larger than 50 MB");
    refused("sendDocument", &to_chat, "document", b"", "non-empty");
    let html = [to_chat[0], ("caption", "<b>x"), ("parse_mode", "HTML")];
    refused("sendDocument", &html, "document", b"x", "Can't find end tag");
    let edit = |media: &'static str| [to_chat[0], ("message_id", "1"), ("media", media)];
    let photo =
        edit("{\"type\":\"photo\",\"media\":\"attach://f\",\"caption\":\"<i>x\",\"parse_mode\":\"HTML\"}");
    refused("editMessageMedia", &photo, "f", &png(9, 9, 0), "Can't find end tag");
    let photo = edit("{\"type\":\"photo\",\"media\":\"attach://f\"}");
    refused("editMessageMedia", &photo, "f", b"no picture", "IMAGE_PROCESS_FAILED");
    refused("editMessageMedia", &photo, "g", &png(9, 9, 0), "nothing attaches it");
}

#[test]
fn requests_are_checked_against_the_schema() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"chat_id": 1, "text": "x"});
        body[name] = value;
        body
    };
    refused("sendMessage", json!({"chat_id": 1}), "sendMessage.text: required, absent");
    refused("sendMessage", with("text", Value::Null), "sendMessage.text: required, absent");
    refused("sendMessage", with("txt", "x".into()), "unknown field \"txt\"");
    refused("sendMessage", with("text", 5.into()), "sendMessage.text: expected String");
    refused("sendMessage", with("chat_id", 1.5.into()), "sendMessage.chat_id: expected Integer");
    refused("sendMessage", with("protect_content", "yes".into()), "expected Boolean");
    refused("sendMessage", with("message_thread_id", "5".into()), "expected Integer");
    let keyboard = |button: Value| with("reply_markup", json!({"inline_keyboard": [[button]]}));
    refused("sendMessage", keyboard(json!({"txt": "b"})), "inline_keyboard[0][0]");
    refused("sendMessage", keyboard(json!(5)), "expected InlineKeyboardButton");
    refused("sendMessage", with("link_preview_options", json!({"is_disabled": 1})), "is_disabled");
    refused("setMyCommands", json!({"commands": [{"command": "a"}]}), "commands[0].description");
    refused("sendPhoto", json!({"chat_id": 1}), "sendPhoto.photo: required, absent");
    refused("setWebhook", json!({}), "url: required, absent");
    let reply = json!({"message_id": 1, "allow_sending_without_reply": true});
    accepted("sendMessage", JSON, &with("reply_parameters", reply).to_string());
    accepted("sendMessage", JSON, &keyboard(json!({"text": "b", "callback_data": "d"})).to_string());
    // Methods without their own code answer true too.
    assert_eq!(accepted("unpinAllChatMessages", JSON, "{\"chat_id\":1}"), true);
}

#[test]
fn the_schema_agrees_with_the_published_one() {
    match published() {
        Ok(published) => assert_eq!(schema().differences_from(published), [""; 0]),
        Err(missing) => require::skip(&missing),
    }
}

#[test]
fn an_unknown_method_is_not_found_and_breaks_the_rules() {
    let api = BotApi::start();
    assert_eq!(call(&api, "sendMassage", JSON, "{}").status, 404);
    assert_eq!(api.take_violations(), ["unknown method sendMassage"]);
    let path = http::get(api.address(), "/sendMessage").expect("an answer");
    assert_eq!((path.status, api.take_violations().len()), (404, 1));
}

#[test]
fn accepts_parameters_in_every_encoding() {
    let seen = |result: &Value| (result["chat"]["id"].as_i64(), result["text"].as_str().map(str::to_owned));
    let expected = (Some(-1001), Some("a b & c".to_owned()));
    let form = "chat_id=-1001&text=a+b+%26amp;+c&parse_mode=html&disable_notification=true";
    assert_eq!(seen(&accepted("SENDMESSAGE", FORM, form)), expected);
    assert_eq!(seen(&accepted(&format!("sendMessage?{form}"), JSON, "")), expected);
    let markup = json!({"inline_keyboard": [[{"text": "b", "callback_data": "d"}]]}).to_string();
    let text = json!({"chat_id": -1001, "text": "a b & c", "reply_markup": markup});
    assert_eq!(seen(&accepted("sendmessage", JSON, &text.to_string())), expected);
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n-1001\r\n\
         --B\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n1;2\r\n3;4\r\n\r\n--B--\r\n";
    let result = accepted("sendDocument", "multipart/form-data; boundary=B", multipart);
    assert_eq!(
        (&result["document"]["file_name"], &result["document"]["file_size"]),
        (&json!("a.csv"), &json!(10))
    );
}

#[test]
fn another_token_is_unauthorized() {
    let api = BotApi::start();
    let response = http::get(api.address(), "/bot123456:WRONG/getMe").expect("an answer");
    let unauthorized = json!({"ok": false, "error_code": 401, "description": "Unauthorized"});
    assert_eq!(response.status, 401);
    assert_eq!(serde_json::from_slice::<Value>(&response.body).expect("JSON"), unauthorized);
}

#[test]
fn a_violation_fails_the_test() {
    let broken = || {
        let api = BotApi::start();
        call(&api, "sendMessage", JSON, "{\"chat_id\":1,\"text\":\"\"}");
        api
    };
    let dropped = catch_unwind(|| drop(broken()));
    assert!(dropped.is_err(), "the drop did not panic");
    let api = broken();
    let waited = catch_unwind(AssertUnwindSafe(|| api.wait_for_message(|_| true)));
    let message = *waited.expect_err("the wait did not panic").downcast::<String>().expect("a message");
    assert!(message.contains("broke the rules") && message.contains("call: sendMessage"), "{message}");
    api.take_violations();
}

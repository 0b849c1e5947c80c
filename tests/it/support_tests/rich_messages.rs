//! The Bot API server's rich messages, inline answers and drafts.

use serde_json::{Value, json};

use super::bot_rules::{JSON, accepted, call, refused};
use crate::support::bot_api::{BotApi, Detected, Incoming, SentMessage, type_violations};

fn rich(html: &str) -> Value {
    json!({"chat_id": 1001, "rich_message": {"html": html, "skip_entity_detection": true}})
}

fn sent(method: &str, body: &Value) -> SentMessage {
    let api = BotApi::start();
    let response = call(&api, method, JSON, &body.to_string());
    assert_eq!(response.status, 200, "{body}: {}", response.text());
    api.sent().pop().expect("a message")
}

fn blocks(html: &str) -> Value {
    let result = accepted("sendRichMessage", JSON, &rich(html).to_string());
    assert_eq!(type_violations("Message", &result), [""; 0]);
    assert_eq!(result["text"], Value::Null);
    result["rich_message"]["blocks"].clone()
}

/// The readable form, and its entities.
fn plain(html: &str) -> (String, Vec<(String, u64, u64)>) {
    let sent = sent("sendRichMessage", &rich(html));
    let entity = |entity: &Value| {
        let number = |name: &str| entity[name].as_u64().expect("a number");
        (entity["type"].as_str().expect("a type").to_owned(), number("offset"), number("length"))
    };
    (sent.plain, sent.entities.iter().map(entity).collect())
}

#[test]
fn a_rich_message_becomes_blocks() {
    assert_eq!(
        blocks(
            "<h2>A <i>b</i></h2>\n<p> c\n  <b>d </b> e&amp;f </p><hr/><pre><code class=\"language-sh\">a  b\n</code></pre>"
        ),
        json!([
            {"type": "heading", "size": 2, "text": ["A ", {"type": "italic", "text": "b"}]},
            {"type": "paragraph", "text": ["c ", {"type": "bold", "text": "d "}, "e&f"]},
            {"type": "divider"},
            {"type": "pre", "text": "a  b\n", "language": "sh"},
        ])
    );
    let cell = |text: &str| json!({"text": text, "align": "left", "valign": "top"});
    assert_eq!(
        blocks(
            "<table bordered striped><caption>t</caption><tr><th>a</th><td align=\"right\" colspan=\"2\">1</td></tr>\
             <tr><td rowspan=\"2\">b</td><td>c</td><td></td></tr><tr><td>d</td><td>e</td></tr></table>"
        ),
        json!([{
            "type": "table", "is_bordered": true, "is_striped": true, "caption": "t",
            "cells": [
                [
                    {"text": "a", "is_header": true, "align": "left", "valign": "top"},
                    {"text": "1", "align": "right", "valign": "top", "colspan": 2},
                ],
                [
                    {"text": "b", "align": "left", "valign": "top", "rowspan": 2},
                    cell("c"),
                    {"align": "left", "valign": "top"},
                ],
                [cell("d"), cell("e")],
            ],
        }])
    );
    assert_eq!(
        blocks("<details open><summary>s</summary><ul><li>a<ol><li>b</li></ol></li></ul></details>"),
        json!([{
            "type": "details", "summary": "s", "is_open": true,
            "blocks": [{"type": "list", "items": [{"label": "•", "blocks": [
                {"type": "paragraph", "text": "a"},
                {"type": "list", "items": [
                    {"label": "1.", "value": 1, "blocks": [{"type": "paragraph", "text": "b"}]}
                ]},
            ]}]}],
        }])
    );
    assert_eq!(
        blocks(
            "<blockquote>q</blockquote><footer><tg-time unix=\"5\" format=\"wDT\">then</tg-time></footer>"
        ),
        json!([
            {"type": "blockquote", "blocks": [{"type": "paragraph", "text": "q"}]},
            {"type": "footer", "text":
                {"type": "date_time", "text": "then", "unix_time": 5, "date_time_format": "wDT"}},
        ])
    );
}

#[test]
fn a_rich_message_has_a_readable_form() {
    let entity = |kind: &str, offset, length| (kind.to_owned(), offset, length);
    assert_eq!(
        plain("<h3>📱 Devices</h3><ul><li><b>a</b> x</li><li><p>b</p><p>y</p></li></ul><p>c</p><p>d</p>"),
        ("📱 Devices\n• a x\n• b\ny\nc\nd".into(), vec![entity("heading", 0, 10), entity("bold", 13, 1)])
    );
    let labels = "<table><tr><th>First seen</th><td>today</td></tr><tr><td>Names:</td><td><code>n</code></td></tr>\
                  <tr><td>only</td><td></td></tr></table>";
    assert_eq!(
        plain(labels),
        ("First seen: today\nNames: n\nonly".into(), vec![entity("bold", 0, 10), entity("code", 25, 1)])
    );
    let rows =
        "<table><caption>c</caption><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>";
    assert_eq!(plain(rows).0, "c\na · b\n1 · 2");
    assert_eq!(plain("<table><tr><td>1</td><td></td><td>3</td></tr></table>").0, "1 · 3");
    assert_eq!(
        plain("<details><summary>s</summary><p>x</p>y</details><hr/><ol start=\"3\"><li>z</li></ol>").0,
        "s\nx\ny\n———\n3. z"
    );
    assert_eq!(plain("<ul><li>a<ul><li>b</li></ul></li></ul>").0, "• a\n  • b");
}

#[test]
fn rich_html_has_its_rules() {
    for (html, because) in [
        ("", "non-empty"),
        ("<hr/>", "non-empty"),
        ("<p>x", "Can't find the end tag"),
        ("<p>x</b></p>", "Unexpected end tag"),
        ("x</p>", "Unexpected end tag"),
        ("</>", "Unexpected end tag"),
        ("<p>1 < 2</p>", "Unclosed start tag"),
        ("<p>1 > 2</p>", "bare \">\""),
        ("<p>AT&T</p>", "bare \"&\""),
        ("<p>&nbsp;</p>", "entity \"nbsp\""),
        ("<div>x</div>", "Unsupported start tag \"div\""),
        ("<p>a<br>b</p>", "Unsupported start tag \"br\""),
        ("<p>a<br/>b</p>", "Unsupported start tag \"br\""),
        ("<img src=\"https://a.b/c\"/>", "Unsupported start tag \"img\""),
        ("<p/>", "must have an end tag"),
        ("<p></p>x", "an empty paragraph"),
        ("<p><b></b></p>x", "\"b\" is empty"),
        ("<p><p>x</p></p>", "\"p\" must not lie in text"),
        ("<p><ul><li>x</li></ul></p>", "\"ul\" must not lie in text"),
        ("<h1><p>x</p></h1>", "\"p\" must not lie in text"),
        ("<b><p>x</p></b>", "\"p\" must not lie in text"),
        ("<li>x</li>", "must lie in a list"),
        ("<ul>x</ul>", "Text must not lie directly in \"ul\""),
        ("<ul><p>x</p></ul>", "must not lie in a list"),
        ("<ul></ul>x", "an empty list"),
        ("<ul><li></li></ul>x", "an empty item"),
        ("<table><td>x</td></table>", "must not lie here in a table"),
        ("<table><tr><td>x</td></tr><caption>c</caption></table>", "must not lie here in a table"),
        ("<table><tr><p>x</p></tr></table>", "must not lie in a row"),
        ("<table><tr><td><p>x</p></td></tr></table>", "\"p\" must not lie in text"),
        ("<table><tr></tr></table>x", "a row without cells"),
        ("<table></table>x", "a table without rows"),
        ("<table><tr><td>x</td></tr><tr><td>x</td><td>x</td></tr></table>", "not as wide"),
        ("<table><tr><td rowspan=\"2\">x</td></tr></table>", "beyond its end"),
        ("<table><tr><td align=\"middle\">x</td></tr></table>", "cannot be \"middle\""),
        ("<table><tr><td colspan=\"21\">x</td></tr></table>", "cannot be \"21\""),
        ("<table border=\"1\"><tr><td>x</td></tr></table>", "Unsupported attribute \"border\""),
        ("<p class=\"x\">x</p>", "Unsupported attribute \"class\""),
        ("<details>x</details>", "must begin with a summary"),
        ("<details><p>x</p><summary>s</summary></details>", "must begin with a summary"),
        ("<details><summary></summary>x</details>", "an empty summary"),
        ("<details><summary>s</summary></details>", "details without content"),
        ("<summary>s</summary>", "\"summary\" must not lie in text"),
        ("<p><code><b>x</b></code></p>", "must not lie in"),
        ("<p><b><b>x</b></b></p>", "must not lie in"),
        ("<pre>a<b>x</b></pre>", "must not lie in \"pre\""),
        ("<p><code class=\"language-sh\">x</code></p>", "only code in \"pre\""),
        ("<p><a>x</a></p>", "without href"),
        ("<p><a href=\"javascript:x\">x</a></p>", "cannot be"),
        ("<p><tg-time unix=\"1\" format=\"x\">t</tg-time></p>", "the format"),
        ("<p><b id=\"x\" id=\"x\">x</b></p>", "Unsupported attribute"),
    ] {
        refused("sendRichMessage", rich(html), because);
    }
}

#[test]
fn rich_messages_have_their_limits() {
    let text = |length| format!("<p>{}</p>", "&lt;".repeat(length));
    accepted("sendRichMessage", JSON, &rich(&text(32_768)).to_string());
    refused("sendRichMessage", rich(&text(32_769)), "32769 characters of 32768");
    let paragraphs = |count| "<p>x</p>".repeat(count);
    accepted("sendRichMessage", JSON, &rich(&paragraphs(500)).to_string());
    refused("sendRichMessage", rich(&paragraphs(501)), "too many blocks: 501 of 500");
    // Items and rows count too.
    let rows = |count| format!("<table>{}</table>", "<tr><td>x</td></tr>".repeat(count));
    accepted("sendRichMessage", JSON, &rich(&rows(499)).to_string());
    refused("sendRichMessage", rich(&rows(500)), "501 of 500");
    let columns = |count| format!("<table><tr>{}</tr></table>", "<td>x</td>".repeat(count));
    accepted("sendRichMessage", JSON, &rich(&columns(20)).to_string());
    refused("sendRichMessage", rich(&columns(21)), "more than 20 columns");
    let levels = |count| format!("{}x{}", "<blockquote>".repeat(count), "</blockquote>".repeat(count));
    accepted("sendRichMessage", JSON, &rich(&levels(16)).to_string());
    refused("sendRichMessage", rich(&levels(17)), "more than 16 levels");
}

#[test]
fn a_rich_message_is_html_without_detection() {
    let with = |message: Value| json!({"chat_id": 1, "rich_message": message});
    refused("sendRichMessage", with(json!({"html": "x"})), "skip_entity_detection");
    refused(
        "sendRichMessage",
        with(json!({"skip_entity_detection": true})),
        "exactly one of html and markdown",
    );
    let both = json!({"html": "x", "markdown": "x", "skip_entity_detection": true});
    refused("sendRichMessage", with(both), "exactly one of html and markdown");
    refused("sendRichMessage", json!({"chat_id": 1}), "rich_message: required, absent");
    let edit = |fields: Value| {
        let mut body = json!({"chat_id": 1, "message_id": 1});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body
    };
    let message = json!({"html": "x", "skip_entity_detection": true});
    refused(
        "editMessageText",
        edit(json!({"text": "x", "rich_message": message})),
        "text beside rich_message",
    );
    refused(
        "editMessageText",
        edit(json!({"parse_mode": "HTML", "rich_message": message})),
        "parse_mode beside",
    );
    refused("editMessageText", edit(json!({})), "non-empty");
}

#[test]
fn a_text_can_become_rich_and_plain_again() {
    let api = BotApi::start();
    let edit = |html: Option<&str>| {
        let mut body = json!({"chat_id": 1001, "message_id": api.sent()[0].message_id});
        match html {
            Some(html) => body["rich_message"] = rich(html)["rich_message"].clone(),
            None => body["text"] = "a".into(),
        }
        call(&api, "editMessageText", JSON, &body.to_string()).status
    };
    call(&api, "sendMessage", JSON, "{\"chat_id\":1001,\"text\":\"a\"}");
    assert_eq!(edit(Some("<p>a</p>")), 200);
    assert_eq!(edit(Some("<p>a</p>")), 400, "nothing changed");
    assert_eq!(edit(Some("<footer>a</footer>")), 200);
    assert_eq!(edit(None), 200);
    assert_eq!(
        api.sent().iter().map(|sent| sent.rich.is_some()).collect::<Vec<_>>(),
        [false, true, true, false]
    );
}

#[test]
fn texts_are_searched_for_things_to_tap() {
    let detected = |html: &str| {
        let body = json!({"chat_id": 1001, "text": html, "parse_mode": "HTML"});
        sent("sendMessage", &body).detected
    };
    let found = |kind, text: &str| Detected { kind, text: text.to_owned() };
    assert_eq!(
        detected(
            "@admin /start /go@some_bot, #tag #1 $USD a@b.example evil.com/x <b>https://evil.example/x?y#z</b>"
        ),
        [
            found("mention", "@admin"),
            found("bot_command", "/start"),
            found("bot_command", "/go@some_bot"),
            found("hashtag", "#tag"),
            found("cashtag", "$USD"),
            found("email", "a@b.example"),
            found("url", "evil.com/x"),
            found("url", "https://evil.example/x?y#z"),
        ]
    );
    assert_eq!(detected("<code>@admin /start</code> <pre>#tag</pre> <a href=\"https://a.b\">c.com</a>"), []);
    assert_eq!(detected("x@y a/b 1/2 /a/b x#y a.b 02:00:00:00:00:01 10.1 &lt;/start&gt; 3.5 kB"), []);
    assert_eq!(sent("sendRichMessage", &rich("<p>@admin https://evil.example</p>")).detected, []);
    let searched = |html: &str| json!({"chat_id": 1001, "rich_message": {"html": html}});
    let commands = sent("sendRichMessage", &searched("<ul><li>/devices: all</li></ul>"));
    assert_eq!(commands.detected, [found("bot_command", "/devices")]);
    refused("sendRichMessage", searched("<p>/devices of @admin</p>"), "skip_entity_detection");
}

#[test]
fn inline_queries_are_answered_once() {
    let api = BotApi::start();
    let get_me = || {
        let answer = call(&api, "getMe", JSON, "{}");
        serde_json::from_slice::<Value>(&answer.body).expect("JSON")["result"]["supports_inline_queries"]
            .clone()
    };
    assert_eq!(get_me(), false);
    api.set_inline_mode(true);
    assert_eq!(get_me(), true);
    let update = api.update(Incoming::inline_query(1001, "kitchen"));
    assert_eq!(type_violations("Update", &update), [""; 0]);
    assert_eq!((&update["inline_query"]["query"], api.unanswered_inline_queries()), (&json!("kitchen"), 1));
    let article = |id: &str, content: Value| json!({"type": "article", "id": id, "title": "T", "description": "D", "input_message_content": content});
    let answer = json!({
        "inline_query_id": update["inline_query"]["id"],
        "is_personal": true,
        "results": [
            article("1", json!({"message_text": "<b>x</b> @admin", "parse_mode": "HTML"})),
            article("2", json!({"rich_message": {"html": "<p>@admin</p>", "skip_entity_detection": true}})),
        ],
    });
    assert_eq!(call(&api, "answerInlineQuery", JSON, &answer.to_string()).status, 200);
    let articles = api.wait_for_inline_answer();
    let seen: Vec<_> =
        articles.iter().map(|article| (article.plain.as_str(), article.detected.len())).collect();
    assert_eq!(seen, [("x @admin", 1), ("@admin", 0)]);
    assert_eq!(call(&api, "answerInlineQuery", JSON, &answer.to_string()).status, 400);
    assert!(api.take_violations()[0].contains("query ID is invalid"));
}

#[test]
fn inline_answers_have_their_limits() {
    let article = |id: &str, text: &str| json!({"type": "article", "id": id, "title": "T", "input_message_content": {"message_text": text}});
    let refused = |results: Value, because| {
        refused("answerInlineQuery", json!({"inline_query_id": "1", "results": results}), because);
    };
    refused(json!((0..51).map(|i| article(&i.to_string(), "x")).collect::<Vec<_>>()), "51 of at most 50");
    refused(json!([article("1", "x"), article("1", "x")]), "RESULT_ID_DUPLICATE");
    refused(json!([article("", "x")]), "RESULT_ID_INVALID");
    refused(json!([article(&"a".repeat(65), "x")]), "RESULT_ID_INVALID");
    refused(json!([article("1", "")]), "non-empty");
    refused(json!([{"type": "article", "id": "1", "title": "T"}]), "input_message_content: required");
    let mut with_button = json!({"inline_query_id": "1", "results": []});
    with_button["button"] = json!({"text": "Pair", "start_parameter": "a b"});
    super::bot_rules::refused("answerInlineQuery", with_button, "START_PARAM_INVALID");
}

#[test]
fn drafts_are_for_private_chats() {
    let draft = |chat: i64, id: i64, text: &str| json!({"chat_id": chat, "draft_id": id, "text": text});
    accepted("sendMessageDraft", JSON, &draft(1001, 1, "⏳ 5 %").to_string());
    refused("sendMessageDraft", draft(-1001, 1, "x"), "outside a private chat");
    refused("sendMessageDraft", draft(1001, 0, "x"), "non-zero");
    refused("sendMessageDraft", draft(1001, 1, &"a".repeat(4097)), "4097");
    let mut rich = rich("<p>x</p>");
    rich["draft_id"] = 1.into();
    accepted("sendRichMessageDraft", JSON, &rich.to_string());
}

#[test]
fn a_user_sees_the_menu_of_the_narrowest_scope() {
    let api = BotApi::start();
    let set = |scope: Value, name: &str| {
        let body = json!({"commands": [{"command": name, "description": "x"}], "scope": scope});
        assert_eq!(call(&api, "setMyCommands", JSON, &body.to_string()).status, 200);
    };
    let seen = |user, chat| api.menu_seen_by(user, chat)[0]["command"].as_str().map(str::to_owned);
    assert_eq!(seen(7, 7), None);
    set(json!({"type": "default"}), "a");
    set(json!({"type": "all_private_chats"}), "b");
    set(json!({"type": "chat", "chat_id": 7}), "c");
    set(json!({"type": "all_chat_administrators"}), "d");
    api.make_admin(-5, 8);
    let menus = [seen(7, 7), seen(8, 8), seen(7, -5), seen(8, -5)];
    assert_eq!(menus.map(Option::unwrap), ["c", "b", "a", "d"]);
}

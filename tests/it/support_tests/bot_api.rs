//! The Bot API server and its faults, with the client that the service uses.

use std::io::{BufReader, ErrorKind};
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};
use teloxide::prelude::*;
use teloxide::types::Update;
use teloxide::types::{
    BotCommand, ChatAction, InlineKeyboardButton, InlineKeyboardMarkup, InputFile, LinkPreviewOptions,
    MessageId, ParseMode, ThreadId, UpdateKind,
};
use teloxide::{ApiError, RequestError};
use tokio::runtime::Runtime;

use crate::support::bot_api::{BotApi, Fault, Incoming, Outcome};
use crate::support::http::{self, Request};
use crate::support::{DEADLINE, wait};

/// A photo of one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn bot(api: &BotApi) -> Bot {
    Bot::new(api.token()).set_api_url(api.url().parse().expect("a URL"))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A raw call, for requests that the client would not send or would retry.
fn raw(api: &BotApi, method: &str, body: Value) -> std::io::Result<(u16, Value)> {
    let target = format!("/bot{}/{method}", api.token());
    let headers = [("content-type", "application/json")];
    let response = http::request(api.address(), "POST", &target, &headers, body.to_string().as_bytes())?;
    Ok((response.status, serde_json::from_slice(&response.body).unwrap_or_default()))
}

fn hello() -> Value {
    json!({"chat_id": 1001, "text": "hello"})
}

#[test]
fn the_client_understands_every_answer() {
    let api = BotApi::start();
    let bot = bot(&api);
    wait::block_on(&runtime(), "the client's calls", async {
        assert_eq!(bot.get_me().await.unwrap().username(), "probewatch_test_bot");
        let commands = [BotCommand::new("watch", "Watch a network")];
        bot.set_my_commands(commands.clone()).await.unwrap();
        assert_eq!(bot.get_my_commands().await.unwrap(), commands);
        let url = "https://bot.example.org/telegram/x";
        bot.set_webhook(url.parse().unwrap()).secret_token("s3cret").await.unwrap();
        let set = bot.get_webhook_info().await.unwrap().url;
        assert_eq!(set.map(String::from).as_deref(), Some(url));
        bot.delete_webhook().await.unwrap();
        assert_eq!(bot.get_webhook_info().await.unwrap().url, None);
        bot.send_chat_action(ChatId(1001), ChatAction::Typing).await.unwrap();
        let press = api.update(Incoming::press_under_old(1001, 1, "data"));
        let press = press["callback_query"]["id"].as_str().unwrap().to_owned();
        bot.answer_callback_query(teloxide::types::CallbackQueryId(press)).text("ok").await.unwrap();
    });
    let webhook = api.webhook_history();
    assert_eq!(webhook.len(), 1);
    assert_eq!((webhook[0].path(), webhook[0].secret_token.as_deref()), ("/telegram/x", Some("s3cret")));
    assert_eq!(api.commands(), json!([{"command": "watch", "description": "Watch a network"}]));
}

#[test]
fn the_client_understands_messages() {
    let api = BotApi::start();
    let bot = bot(&api);
    let button = InlineKeyboardButton::callback("More", "more");
    let no_preview = LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    };
    wait::block_on(&runtime(), "the client's calls", async {
        let sent = bot
            .send_message(ChatId(-1001), "<b>a</b> &lt;x&gt;")
            .parse_mode(ParseMode::Html)
            .message_thread_id(ThreadId(MessageId(7)))
            .link_preview_options(no_preview)
            .reply_markup(InlineKeyboardMarkup::new([[button]]))
            .await
            .unwrap();
        assert_eq!((sent.text(), sent.chat.id), (Some("a <x>"), ChatId(-1001)));
        assert_eq!(sent.entities().map(<[_]>::len), Some(1));
        let edited = bot.edit_message_text(sent.chat.id, sent.id, "b").await.unwrap();
        assert_eq!((edited.id, edited.text()), (sent.id, Some("b")));
        let same = bot.edit_message_text(sent.chat.id, sent.id, "b").await;
        assert!(matches!(same, Err(RequestError::Api(ApiError::MessageNotModified))), "{same:?}");
        let photo = InputFile::memory(PNG).file_name("chart.png");
        let sent = bot.send_photo(ChatId(1001), photo).caption("<i>c</i>").parse_mode(ParseMode::Html).await;
        let sent = sent.unwrap();
        assert_eq!((sent.caption(), sent.photo().map(|photos| photos[0].width)), (Some("c"), Some(1)));
        let file = InputFile::memory("a;b\n").file_name("probes.csv");
        let sent = bot.send_document(ChatId(1001), file).await.unwrap();
        assert_eq!(sent.document().and_then(|d| d.file_name.clone()).as_deref(), Some("probes.csv"));
    });
    let sent = api.sent();
    assert!(sent.windows(2).all(|pair| pair[0].message_id <= pair[1].message_id));
    assert_eq!((sent[0].thread_id, sent[0].text.as_str()), (Some(7), "<b>a</b> &lt;x&gt;"));
    assert_eq!((sent[0].plain.as_str(), sent[0].raw["parse_mode"].as_str()), ("a <x>", Some("HTML")));
    assert_eq!(sent[2].files[0].bytes, PNG);
    assert_eq!(sent[3].files[0].bytes, b"a;b\n");
    let found = api.wait_for_message(|message| message.plain == "c");
    assert_eq!(found.method.to_ascii_lowercase(), "sendphoto");
}

#[test]
fn updates_stay_until_a_higher_offset_confirms_them() {
    let api = BotApi::start();
    let bot = bot(&api);
    let text = |update: &Update| match &update.kind {
        UpdateKind::Message(message) => message.text().map(str::to_owned),
        UpdateKind::EditedMessage(message) => message.text().map(|text| format!("edited {text}")),
        UpdateKind::CallbackQuery(query) => query.data.as_ref().map(|data| format!("pressed {data}")),
        _ => None,
    };
    wait::block_on(&runtime(), "the client's calls", async {
        assert_eq!(bot.get_updates().timeout(0).await.unwrap().len(), 0);
        api.push(Incoming::text(1001, "/watch@probewatch_test_bot x"));
        api.push(Incoming::edited_text(-5, "b").by_user(7, "Bob").in_thread(3));
        api.push(Incoming::callback(1001, 9, "d"));
        let first = bot.get_updates().limit(2).await.unwrap();
        let texts: Vec<_> = first.iter().filter_map(text).collect();
        assert_eq!(texts, ["/watch@probewatch_test_bot x", "edited b"]);
        assert_eq!(bot.get_updates().await.unwrap().len(), 3);
        let last = bot.get_updates().offset(first[1].id.as_offset()).await.unwrap();
        assert_eq!(last.iter().filter_map(text).collect::<Vec<_>>(), ["pressed d"]);
        assert_eq!(bot.get_updates().offset(last[0].id.as_offset()).timeout(0).await.unwrap().len(), 0);
    });
    api.wait_until_confirmed();
}

#[test]
fn updates_of_other_kinds_are_not_delivered() {
    let api = BotApi::start();
    api.push(Incoming::edited_text(1001, "a"));
    api.push(Incoming::text(1001, "b"));
    let (_, body) = raw(&api, "getUpdates", json!({"allowed_updates": ["message"]})).expect("an answer");
    assert_eq!(body["result"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["result"][0]["message"]["text"], "b");
}

#[test]
fn a_long_poll_ends_on_an_update() {
    let api = BotApi::start();
    let poll = || raw(&api, "getUpdates", json!({"timeout": 50}));
    thread::scope(|scope| {
        let first = scope.spawn(poll);
        api.wait_for_calls("getUpdates", 1);
        let second = scope.spawn(poll);
        let (status, body) = first.join().unwrap().expect("an answer");
        assert_eq!(status, 409);
        assert!(body["description"].as_str().is_some_and(|text| text.contains("other getUpdates")), "{body}");
        api.push(Incoming::text(1001, "x"));
        let (status, body) = second.join().unwrap().expect("an answer");
        assert_eq!((status, body["result"].as_array().map(Vec::len)), (200, Some(1)));
    });
    raw(&api, "setWebhook", json!({"url": "https://a.b/c"})).expect("an answer");
    assert_eq!(poll().expect("an answer").0, 409);
}

#[test]
fn an_empty_long_poll_times_out() {
    let api = BotApi::start();
    let (status, body) = raw(&api, "getUpdates", json!({"timeout": 1})).expect("an answer");
    assert_eq!((status, body["result"].clone()), (200, json!([])));
}

#[test]
fn scripted_faults_are_used_in_order_and_end() {
    let api = BotApi::start();
    api.fail_next("SendMessage", 2, Fault::TooManyRequests { retry_after: 3 });
    for fault in [Fault::ServerError(500), Fault::ServerError(502), Fault::Forbidden, Fault::BadRequest] {
        api.fail_next("sendMessage", 1, fault);
    }
    api.fail_next("sendMessage", 1, Fault::MigratedTo(-100));
    let send = || raw(&api, "sendMessage", hello()).expect("an answer");
    let answers: Vec<(u16, Value)> = (0..8).map(|_| send()).collect();
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [429, 429, 500, 502, 403, 400, 400, 200]);
    assert_eq!(answers[0].1["parameters"]["retry_after"], 3);
    assert_eq!(answers[6].1["parameters"]["migrate_to_chat_id"], -100);
    assert_eq!(api.sent().len(), 1);
    let calls = api.wait_for_calls("sendmessage", 8);
    assert_eq!(calls[0].outcome, Outcome::Faulted(Fault::TooManyRequests { retry_after: 3 }));
    assert_eq!(calls[7].outcome, Outcome::Accepted);
    // Other methods are not affected.
    assert_eq!(raw(&api, "getMe", json!({})).expect("an answer").0, 200);
}

#[test]
fn the_client_understands_faults() {
    let api = BotApi::start();
    let bot = bot(&api);
    wait::block_on(&runtime(), "the client's calls", async {
        api.fail_next("sendMessage", 1, Fault::TooManyRequests { retry_after: 3 });
        let answer = bot.send_message(ChatId(1), "x").await;
        assert!(matches!(answer, Err(RequestError::RetryAfter(after)) if after.seconds() == 3), "{answer:?}");
        api.fail_next("sendMessage", 1, Fault::MigratedTo(-100));
        let answer = bot.send_message(ChatId(1), "x").await;
        assert!(matches!(answer, Err(RequestError::MigrateToChatId(ChatId(-100)))), "{answer:?}");
        api.fail_next("sendMessage", 1, Fault::Forbidden);
        let answer = bot.send_message(ChatId(1), "x").await;
        assert!(matches!(answer, Err(RequestError::Api(ApiError::BotBlocked))), "{answer:?}");
        api.fail_next("sendMessage", 1, Fault::BadRequest);
        let answer = bot.send_message(ChatId(1), "x").await;
        assert!(matches!(answer, Err(RequestError::Api(ApiError::ChatNotFound))), "{answer:?}");
    });
}

#[test]
fn a_cut_connection_may_or_may_not_have_had_effect() {
    let api = BotApi::start();
    api.fail_next("*", 1, Fault::Close);
    assert!(raw(&api, "sendMessage", hello()).is_err());
    assert_eq!(api.sent().len(), 0);
    api.fail_next("*", 1, Fault::AcceptThenClose);
    assert!(raw(&api, "sendMessage", hello()).is_err());
    assert_eq!(api.sent().len(), 1);
}

#[test]
fn a_hanging_request_ends_when_the_faults_are_cleared() {
    let api = BotApi::start();
    api.fail_next("sendMessage", usize::MAX, Fault::Hang);
    thread::scope(|scope| {
        let hanging = scope.spawn(|| raw(&api, "sendMessage", hello()));
        api.wait_for_call("sendMessage", |call| call.outcome == Outcome::Faulted(Fault::Hang));
        assert!(!hanging.is_finished());
        api.clear_faults();
        assert!(hanging.join().unwrap().is_err());
    });
    assert_eq!(raw(&api, "sendMessage", hello()).expect("an answer").0, 200);
    assert_eq!(api.sent().len(), 1);
}

#[test]
fn a_stopped_server_refuses_and_returns_on_the_same_port() {
    let api = BotApi::start();
    for round in 1..=3 {
        thread::scope(|scope| {
            let poll = scope.spawn(|| raw(&api, "getUpdates", json!({"timeout": 50})));
            api.wait_for_calls("getUpdates", round);
            api.set_down(true);
            assert!(poll.join().unwrap().is_err());
        });
        let refused = raw(&api, "sendMessage", hello()).expect_err("no connection");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        api.set_down(true);
        api.set_down(false);
        assert_eq!(raw(&api, "sendMessage", hello()).expect("an answer").0, 200);
    }
    assert_eq!(api.sent().len(), 3);
}

#[test]
fn a_posted_update_is_as_telegram_posts_it() {
    let api = BotApi::start();
    let url = "https://bot.example.org/telegram/s3";
    raw(&api, "setWebhook", json!({"url": url, "secret_token": "s"})).expect("an answer");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = thread::spawn(move || {
        let serve = |status| {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut stream = BufReader::new(stream);
            let request = Request::read(&mut stream).expect("a request").expect("a request");
            http::write_json(stream.get_mut(), status, "{}").expect("an answer");
            request
        };
        [serve(200), serve(401), serve(403)]
    });
    let text = "/watch@bot \"X\" 📡 /a b/c";
    assert_eq!(api.post(address, Incoming::text(-1001, text).in_thread(5).by_user(9, "<Eve>")), 200);
    let update = api.update(Incoming::other(1001, json!({"sticker": {}})));
    assert_eq!(api.post_update_with_secret(address, &update, Some("wrong")), 401);
    assert_eq!(api.post_update_with_secret(address, &update, None), 403);
    let [right, wrong, missing] = wait::join(served, "three requests");
    let secret = |request: &Request| request.header("x-telegram-bot-api-secret-token").map(str::to_owned);
    assert_eq!((right.method.as_str(), right.path.as_str()), ("POST", "/telegram/s3"));
    assert_eq!(right.header("content-type"), Some("application/json"));
    assert_eq!([&right, &wrong, &missing].map(secret), [Some("s".into()), Some("wrong".into()), None]);
    let update: Value = serde_json::from_slice(&right.body).expect("JSON");
    let message = &update["message"];
    assert_eq!((&message["text"], &message["message_thread_id"]), (&json!(text), &json!(5)));
    assert_eq!((&message["chat"]["id"], &message["from"]["first_name"]), (&json!(-1001), &json!("<Eve>")));
    assert_eq!(
        message["entities"],
        json!([
            {"type": "bot_command", "offset": 0, "length": 10},
            {"type": "bot_command", "offset": 18, "length": 2},
        ])
    );
    serde_json::from_value::<Update>(update).expect("an update that the client reads");
}

#[test]
fn waits_for_a_webhook_that_is_set_later() {
    let api = BotApi::start();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| api.webhook_number(2));
        for path in ["a", "b"] {
            let body = json!({"url": format!("https://bot.example.org/{path}")});
            raw(&api, "setWebhook", body).expect("an answer");
        }
        assert_eq!(waiting.join().unwrap().path(), "/b");
    });
    assert_eq!(api.webhook().path(), "/b");
}

#[test]
fn requests_with_effect_are_answered_before_the_server_stops() {
    let api = BotApi::start();
    for round in 1..=20 {
        thread::scope(|scope| {
            let sending = scope.spawn(|| raw(&api, "sendMessage", hello()));
            api.wait_for_message_after(round - 1, |_| true);
            assert_eq!(api.calls().len(), round);
            api.set_down(true);
            assert_eq!(sending.join().unwrap().expect("an answer").0, 200);
        });
        api.set_down(false);
    }
}

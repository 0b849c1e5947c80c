//! Promise: an answer that takes long shows that it is being made, in a line that is gone when it comes, and
//! holds up no other chat. The bot runs in the test's process, where the test says how long an answer takes.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use probewatch::chat::Chat;
use probewatch::config::Config;
use probewatch::telegram;
use tokio_util::sync::CancellationToken;

use crate::support::bot_api::{BotApi, Incoming};
use crate::support::recorder::{Running, settings};

const CHAT: i64 = 1001;
const OTHER: i64 = 1002;

#[test]
fn long_work_is_shown_and_the_line_is_gone_when_it_ends() {
    let api = BotApi::start();
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(settings(&folder.path().join("data")));
    let path = folder.path().join("config.toml");
    let toml = format!(
        "[telegram]\ntoken = \"{}\"\nchats = [{CHAT}, {OTHER}]\napi_url = \"{}\"\n",
        api.token(),
        api.url()
    );
    std::fs::write(&path, toml).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    // What /status asks of the sensors waits for the test, and no longer than that: whoever asks.
    let (end, ended) = mpsc::channel::<()>();
    let ended = Arc::new(Mutex::new(ended));
    let chat = Chat::new(running.handle.clone(), config.time_zone, move || {
        let _ = tokio::task::block_in_place(|| ended.lock().unwrap().recv());
        Vec::new()
    });
    let stop = CancellationToken::new();
    let bot =
        runtime.spawn(telegram::run(config.telegram.unwrap(), chat, running.handle.clone(), stop.clone()));

    api.push(Incoming::text(CHAT, "/status"));
    api.wait_for_call("sendChatAction", |call| call.params["action"] == "typing");
    let line = api.wait_for_message(|message| message.chat_id == CHAT);
    assert!(line.plain.starts_with('⏳') && line.raw["disable_notification"] == true, "{}", line.plain);
    // Others are answered meanwhile.
    api.push(Incoming::text(OTHER, "/help"));
    api.wait_for_message(|message| message.chat_id == OTHER);
    // The line is edited at times, and the action shown again.
    let edited = api.wait_for_message(|message| message.method == "editMessageText");
    assert_eq!(edited.message_id, line.message_id);
    assert!(edited.at - line.at >= std::time::Duration::from_millis(1900), "{:?}", edited.at - line.at);
    let actions = api.wait_for_calls("sendChatAction", 2);
    assert!(actions[1].at - actions[0].at >= std::time::Duration::from_millis(3900));
    assert!(!api.is_deleted(&line));

    drop(end);
    api.wait_for_message(|message| message.plain.contains("Running for"));
    api.wait_for_call("deleteMessage", |call| call.params["message_id"] == line.message_id);
    api.wait_until_confirmed();
    // What is answered at once shows nothing.
    let calls = api.calls().len();
    api.push(Incoming::text(OTHER, "/help"));
    api.wait_until_confirmed();
    assert!(api.calls()[calls..].iter().all(|call| call.method != "sendChatAction"));

    stop.cancel();
    runtime.block_on(bot).unwrap().unwrap();
    running.stop();
    api.assert_clean();
}

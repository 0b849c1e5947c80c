//! A slow reply shows its progress: in a private chat in a draft, in a group in a message that is deleted when the reply is
//! sent. It delays no other chat, and a press is answered before the work is done. The bot runs in the test's process, so that the test controls how long a
//! reply takes.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dot11::{MacAddr, RequestedSsid};
use probewatch::chat::Chat;
use probewatch::config::Config;
use probewatch::status::SourceStatus;
use probewatch::telegram::{self, RequestMetrics, TelegramError};
use store::event::Timestamp;
use store::event_log::Vfs;
use store::recorder::RecorderSettings;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::bot_api::{BotApi, Call, Fault, Incoming, Outcome, SentMessage};
use crate::support::held_disk::HeldDisk;
use crate::support::recorder::{Input, Running, one_segment, probe, settings};
use crate::support::{DEADLINE, wait};

const CHAT: i64 = 1001;
const OTHER: i64 = 1002;
const THIRD: i64 = 1003;
const GROUP: i64 = -2001;

const VAN: MacAddr = MacAddr::new([0x00, 0x23, 0xa7, 0x19, 0x5c, 0x02]);

/// A bot and its recorder.
struct Bot {
    api: BotApi,
    recorder: Running,
    runtime: Runtime,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), TelegramError>>,
    _folder: tempfile::TempDir,
}

impl Bot {
    /// Each `/status` calls `sensors`.
    fn start(
        disk: Option<Arc<dyn Vfs>>,
        sensors: impl Fn() -> Vec<SourceStatus> + Send + Sync + 'static,
    ) -> Self {
        let api = BotApi::start();
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("data"));
        let disk = disk.unwrap_or_else(|| Arc::clone(&settings.vfs));
        let recorder = Running::start(RecorderSettings { vfs: disk, rotation: one_segment(), ..settings });
        let path = folder.path().join("config.toml");
        let toml = format!(
            "[telegram]\ntoken = \"{}\"\nchats = [{CHAT}, {OTHER}, {THIRD}, {GROUP}]\napi_url = \"{}\"\n",
            api.token(),
            api.url()
        );
        std::fs::write(&path, toml).unwrap();
        let config = Config::load(Some(&path)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let runtime = runtime.unwrap();
        let chat = Chat::new(recorder.handle.clone(), config.time_zone, sensors);
        let stop = CancellationToken::new();
        let (settings, requests) = (config.telegram.unwrap(), RequestMetrics::default());
        let serving = {
            let (recorder, data_dir, stop) = (recorder.handle.clone(), config.data_dir, stop.clone());
            runtime.spawn(
                async move { telegram::run(settings, &data_dir, chat, recorder, requests, stop).await },
            )
        };
        Self { api, recorder, runtime, stop, serving, _folder: folder }
    }

    fn ask(&self, chat: i64, text: &str) -> SentMessage {
        let seen = self.api.sent_count();
        self.api.push(Incoming::text(chat, text));
        self.api.wait_for_message_after(seen, |message| message.chat_id == chat)
    }

    fn stop(self) {
        self.stop.cancel();
        wait::block_on(&self.runtime, "the bot to stop", self.serving).unwrap().unwrap();
        self.recorder.stop();
        self.api.assert_clean();
    }
}

/// A bot whose `/status` takes as long as the returned sender lives.
fn with_slow_status() -> (Bot, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let ended = Arc::new(Mutex::new(ended));
    let bot = Bot::start(None, move || {
        let _ = tokio::task::block_in_place(|| ended.lock().unwrap().recv_timeout(DEADLINE));
        Vec::new()
    });
    (bot, end)
}

#[test]
fn progress_is_shown_as_a_draft_in_a_private_chat() {
    let (bot, end) = with_slow_status();
    let api = &bot.api;
    api.push(Incoming::text(CHAT, "/status"));
    api.wait_for_call("sendChatAction", |call| call.params["action"] == "typing");
    // Other chats are answered meanwhile.
    bot.ask(OTHER, "/help");
    // The draft is repeated, which replaces its text, and the chat action too.
    let drafts = api.wait_for_calls("sendMessageDraft", 2);
    for draft in &drafts {
        assert_eq!((&draft.params["chat_id"], &draft.outcome), (&CHAT.into(), &Outcome::Accepted));
        assert_eq!(draft.params["draft_id"], drafts[0].params["draft_id"]);
        assert!(draft.params["text"].as_str().unwrap().starts_with('⏳'), "{draft:?}");
    }
    assert_ne!(drafts[0].params["draft_id"], 0);
    assert!(drafts[1].at - drafts[0].at >= Duration::from_millis(1900));
    let actions = api.wait_for_calls("sendChatAction", 2);
    assert!(actions[1].at - actions[0].at >= Duration::from_millis(3900));
    assert!(!api.sent().iter().any(|message| message.chat_id == CHAT), "a draft is no message");

    drop(end);
    api.wait_for_message(|message| message.plain.contains("Running for"));
    api.wait_until_confirmed();
    // A fast reply has no draft.
    let calls = api.calls().len();
    bot.ask(OTHER, "/help");
    api.wait_until_confirmed();
    let is_progress =
        |call: &Call| ["sendChatAction", "sendMessageDraft", "deleteMessage"].contains(&&*call.method);
    assert!(!api.calls()[calls..].iter().any(is_progress));
    bot.stop();
}

#[test]
fn progress_is_shown_as_a_message_in_a_group() {
    let (bot, end) = with_slow_status();
    let api = &bot.api;
    api.push(Incoming::text(GROUP, "/status"));
    let line = api.wait_for_progress(|message| message.chat_id == GROUP);
    assert!(line.raw["disable_notification"] == true, "{}", line.plain);
    let edited = api.wait_for_progress(|message| message.method == "editMessageText");
    assert_eq!(edited.message_id, line.message_id);
    assert!(edited.at - line.at >= Duration::from_millis(1900), "{:?}", edited.at - line.at);
    assert!(!api.is_deleted(&line));

    drop(end);
    api.wait_for_message(|message| message.plain.contains("Running for"));
    api.wait_for_call("deleteMessage", |call| call.params["message_id"] == line.message_id);
    api.wait_until_confirmed();
    assert!(!api.calls().iter().any(|call| call.is("sendMessageDraft")));
    bot.stop();
}

#[test]
fn a_server_without_drafts_gets_a_progress_message() {
    let (bot, end) = with_slow_status();
    let api = &bot.api;
    api.fail_next("sendMessageDraft", 1, Fault::Error { status: 404, description: "Not Found" });
    api.push(Incoming::text(CHAT, "/status"));
    let line = api.wait_for_progress(|message| message.chat_id == CHAT);
    // It is remembered, for all chats.
    api.push(Incoming::text(OTHER, "/status"));
    api.wait_for_progress(|message| message.chat_id == OTHER);
    api.wait_for_calls("sendMessageDraft", 1);

    drop(end);
    for chat in [CHAT, OTHER] {
        api.wait_for_message(|message| message.chat_id == chat && message.plain.contains("Running for"));
    }
    api.wait_for_call("deleteMessage", |call| call.params["message_id"] == line.message_id);
    api.wait_until_confirmed();
    assert_eq!(api.wait_for_calls("sendMessageDraft", 1).len(), 1);
    bot.stop();
}

#[test]
fn a_draft_without_an_answer_delays_no_reply() {
    let (bot, end) = with_slow_status();
    let api = &bot.api;
    api.fail_next("sendMessageDraft", usize::MAX, Fault::Hang);
    api.push(Incoming::text(CHAT, "/status"));
    api.wait_for_call("sendMessageDraft", |_| true);
    drop(end);
    api.wait_for_message(|message| message.plain.contains("Running for"));
    api.clear_faults();
    bot.stop();
}

#[test]
fn a_press_is_answered_before_its_work_is_done() {
    let disk = HeldDisk::default();
    let bot = Bot::start(Some(Arc::new(disk.clone())), Vec::new);
    let asked_for = RequestedSsid::Named("Depot".into());
    bot.recorder.record(&Input::Probe(probe(VAN, asked_for, Timestamp::now().as_micros())));
    bot.recorder.sync();
    let api = &bot.api;
    let card = bot.ask(CHAT, &VAN.to_string());
    let network = bot.ask(OTHER, "/ssid Depot");
    let third = bot.ask(THIRD, &VAN.to_string());
    api.wait_until_confirmed();

    // A change that is not on disk yet, another whose button only shows a notice, and a chart while the log cannot be
    // read.
    disk.hold();
    let (seen, pressed) = (api.sent_count(), Instant::now());
    api.push(Incoming::press(&card, card.button("Follow")));
    api.push(Incoming::press(&network, network.button("Watch")));
    // A person presses again and again while nothing happens.
    for _ in 0..50 {
        api.push(Incoming::press(&third, third.button("Chart")));
    }
    let ends = api.wait_for_calls("answerCallbackQuery", 52);
    let (of_charts, of_others): (Vec<_>, Vec<_>) =
        ends.iter().partition(|end| end.params.contains_key("text"));
    let is_told = |end: &&Call| end.params["text"] == "The chart is being made.";
    assert!(of_charts.len() == 50 && of_charts.iter().all(is_told), "{ends:?}");
    // The answer to a fast press contains its result and is not sent before.
    assert!(of_others.iter().all(|end| end.at - pressed >= Duration::from_millis(2900)));
    let lines = api.sent_after(seen);
    assert!(lines.iter().all(SentMessage::is_progress), "{lines:?}");
    assert_eq!(api.unanswered_presses(), 0);

    disk.release();
    let answer_in = |chat: i64| api.wait_for_message_after(seen, |message| message.chat_id == chat);
    assert!(answer_in(CHAT).plain.contains(&VAN.to_string()));
    // The notice of a slow press is sent as a message.
    assert!(answer_in(OTHER).plain.contains("Watching for \"Depot\""));
    assert_eq!(answer_in(THIRD).method, "sendPhoto");
    api.wait_until_confirmed();
    for line in api.sent_after(seen).iter().filter(|message| message.is_progress()) {
        api.wait_for_call("deleteMessage", |call| call.params["message_id"] == line.message_id);
    }
    // A moment later the same button makes no second chart, but that of another message does.
    api.push(Incoming::press(&third, third.button("Chart")));
    let ends = api.wait_for_calls("answerCallbackQuery", 53);
    assert_eq!(ends[52].params["text"], "I have just sent that.");
    let card = bot.ask(THIRD, &VAN.to_string());
    let seen = api.sent_count();
    api.push(Incoming::press(&card, card.button("Chart")));
    api.wait_for_message_after(seen, |message| message.method == "sendPhoto");
    api.wait_until_confirmed();
    assert_eq!(api.sent().iter().filter(|message| message.method == "sendPhoto").count(), 2);
    let answered = api.calls().iter().filter(|call| call.method == "answerCallbackQuery").count();
    assert_eq!(answered, 54, "each press once");
    bot.stop();
}

#[test]
fn reading_the_log_delays_no_other_chat() {
    let disk = HeldDisk::default();
    let bot = Bot::start(Some(Arc::new(disk.clone())), Vec::new);
    let asked_for = RequestedSsid::Named("Depot".into());
    bot.recorder.record(&Input::Probe(probe(VAN, asked_for, Timestamp::now().as_micros())));
    bot.recorder.sync();
    let api = &bot.api;
    disk.hold_next_listing();
    api.push(Incoming::text(CHAT, format!("/export {VAN}")));
    disk.wait_until_listing();
    // Other chats can read the log.
    assert_eq!(bot.ask(OTHER, &format!("/chart {VAN}")).method, "sendPhoto");
    assert_eq!(bot.ask(THIRD, &format!("/export {VAN}")).method, "sendDocument");
    assert_eq!(bot.ask(THIRD, "/export networks").method, "sendDocument");
    let of_chat = |message: &SentMessage| message.chat_id == CHAT && !message.files.is_empty();
    assert!(!api.sent().iter().any(of_chat));
    disk.release();
    api.wait_for_message(of_chat);
    bot.stop();
}

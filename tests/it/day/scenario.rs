//! A scripted conversation: the service with standard input as its source, a radio that can fail, and people who write
//! messages and press buttons. A transcript records what they do and see.
//!
//! The script does not depend on the bot's texts, except for the code in a link: it finds buttons by their callback
//! data, and reads results from the event log. So a change of a text does not change the script.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::bot_api::{BotApi, Call, Fault, Incoming, Outcome, SentMessage, Version};
use crate::support::frames::{self, ProbeRequestFrame};
use crate::support::ndjson;
use crate::support::service::{Config, Service, toml_string};
use crate::support::tap_radio::TapRadio;
use crate::support::testbed::Mode;
use crate::support::transcript::{Scene, Transcript};
use crate::support::wait::Wait;
use crate::support::{DEADLINE, wait_at_most, wait_until};

/// A person in a chat.
#[derive(Clone, Copy)]
pub struct Person {
    pub name: &'static str,
    pub id: i64,
    /// The group and its name; `None` is the private chat.
    pub group: Option<(i64, &'static str)>,
    pub topic: Option<i64>,
}

impl Person {
    pub const fn new(name: &'static str, id: i64) -> Self {
        Self { name, id, group: None, topic: None }
    }

    pub const fn among(self, group: (i64, &'static str)) -> Self {
        Self { group: Some(group), ..self }
    }

    pub const fn in_topic(self, topic: i64) -> Self {
        Self { topic: Some(topic), ..self }
    }

    pub fn chat(&self) -> i64 {
        self.group.map_or(self.id, |(chat, _)| chat)
    }

    fn shown(&self) -> String {
        match (self.group, self.topic) {
            (Some((_, group)), Some(topic)) => format!("{} in {group}, topic {topic}", self.name),
            (Some((_, group)), None) => format!("{} in {group}", self.name),
            (None, _) => self.name.to_owned(),
        }
    }

    /// The update with this person as its sender.
    fn sends(&self, incoming: Incoming) -> Incoming {
        let incoming = match self.topic {
            Some(topic) => incoming.in_thread(topic),
            None => incoming,
        };
        let chat = match self.group {
            Some((id, title)) => json!({"id": id, "type": "supergroup", "title": title, "is_forum": true}),
            None => json!({"id": self.id, "type": "private", "first_name": self.name}),
        };
        incoming.by_user(self.id, self.name).with(json!({"chat": chat}))
    }
}

/// A frame that the service receives on standard input.
pub struct Frame {
    bytes: Vec<u8>,
    time_us: u64,
    is_probe: bool,
}

/// Durations in seconds.
pub const MINUTE: u64 = 60;
pub const HOUR: u64 = 3600;
pub const DAY: u64 = 86_400;

/// The time between two frames of [`Scenario::send_probes_until`].
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// How updates reach the bot, and the version of the Bot API that the server knows.
#[derive(Clone, Copy)]
pub struct Connection {
    pub mode: Mode,
    pub version: Version,
}

pub struct Scenario {
    pub api: BotApi,
    pub service: Service,
    pub radio: Option<TapRadio>,
    connection: Connection,
    stdin: ChildStdin,
    transcript: Transcript,
    /// The number of calls that are in the transcript or left out of it.
    seen: usize,
    probes: usize,
    sequence: u16,
    /// How often the service was started.
    starts: usize,
    /// The start of the script, in microseconds since 1970.
    began_us: u64,
    data_dir: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scenario {
    /// Starts the service with standard input and `radio`, if given, as its sources. `prepare` may fill the data
    /// directory before.
    pub fn open(
        connection: Connection,
        chats: &[(i64, &'static str)],
        radio: Option<TapRadio>,
        prepare: impl FnOnce(&Path),
        change: impl FnOnce(Config) -> Config,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        prepare(&data_dir);
        let api = BotApi::start_version(connection.version);
        let sources: Vec<&str> = ["-"].into_iter().chain(radio.as_ref().map(TapRadio::name)).collect();
        let config = Config::new(&api).sources(&sources).set("record", "fsync_milliseconds", "5");
        let config = config.set("", "data_dir", &toml_string(data_dir.to_str().unwrap()));
        let config = if connection.mode == Mode::Polling { config.polling() } else { config };
        let mut service = Service::start_with(&api, change(config));
        let stdin = open_stdin(&mut service);
        let transcript = Transcript::new(chats);
        let mut scenario = Self {
            api,
            service,
            radio,
            connection,
            stdin,
            transcript,
            seen: 0,
            probes: 0,
            sequence: 0,
            starts: 1,
            began_us: now_us(),
            data_dir,
            _folder: folder,
        };
        scenario.wait_until_ready(1);
        // The calls before the first menu, which remove earlier menus, are not in the transcript.
        let calls = scenario.api.calls();
        scenario.seen = calls.iter().position(|call| call.is("setMyCommands")).unwrap_or_default();
        scenario
    }

    /// Stops the service, runs `meanwhile`, and restarts it with a changed configuration. Waits until it has set
    /// `menus` menus, and leaves them out of the transcript.
    pub fn restart(
        &mut self,
        what: &str,
        menus: usize,
        meanwhile: impl FnOnce(&Service),
        change: impl FnOnce(Config) -> Config,
    ) {
        let starts = self.api.webhook_history().len() + 1;
        assert!(self.service.terminate().success());
        meanwhile(&self.service);
        let is_menu = |call: &Call| call.is("setMyCommands") || call.is("deleteMyCommands");
        let set = self.api.calls().iter().filter(|call| call.is("setMyCommands")).count();
        self.service.restart_with(change);
        self.starts += 1;
        self.stdin = open_stdin(&mut self.service);
        self.wait_until_ready(starts);
        self.api.wait_for_calls("setMyCommands", set + menus);
        self.settle();
        self.transcript.add_action(&format!("({what})"));
        self.show_sorted(0, |calls| calls.retain(|call| !is_menu(call)));
    }

    fn wait_until_ready(&self, start: usize) {
        self.service.wait_until_capturing("stdin");
        if let Some(radio) = &self.radio {
            self.service.wait_until_capturing(radio.name());
        }
        match self.connection.mode {
            Mode::Webhook => {
                self.api.webhook_number(start);
                self.service.wait_for_log_event("webhook_registered", &[]);
            }
            Mode::Polling => drop(self.service.wait_for_log_event("polling_started", &[])),
        }
        self.api.wait_for_call("setMyCommands", |_| true);
    }

    /// Waits until `count` menus are set, and leaves all calls so far out of the transcript.
    pub fn skip_menus(&mut self, count: usize) {
        self.api.wait_for_calls("setMyCommands", count);
        self.seen = self.api.calls().len();
    }

    /// Begins the next scene.
    pub fn scene(&mut self, title: &'static str) {
        self.transcript.begin(title);
    }

    /// Stops the service and returns all scenes.
    pub fn end(mut self) -> Vec<Scene> {
        assert!(self.service.terminate().success());
        assert_eq!(self.api.unanswered_presses(), 0);
        self.api.assert_clean();
        self.assert_tried_once();
        self.transcript.scenes()
    }

    /// What the server does not know, the bot tries at most once after each start. Only fields that a server ignores
    /// without a word cannot be noticed.
    fn assert_tried_once(&self) {
        let tried = self.api.unknown().into_iter().filter(|(what, _)| what != "InlineKeyboardButton.style");
        let often: Vec<(String, usize)> = tried.filter(|(_, count)| *count > self.starts).collect();
        assert!(often.is_empty(), "tried again after {} starts: {often:?}", self.starts);
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Notes an action that no person takes, and what the chats received because of it.
    pub fn note(&mut self, what: &str) {
        self.transcript.add_action(&format!("({what})"));
        self.show(0);
    }

    /// Like [`Self::note`], for messages whose order within a chat may vary.
    pub fn note_unordered(&mut self, what: &str) {
        self.transcript.add_action(&format!("({what})"));
        self.show_sorted(0, |calls| calls.sort_by_key(Call::plain));
    }

    /// Sends a text. Returns the bot's last message in response in the same chat.
    pub fn say(&mut self, who: Person, text: &str) -> Option<SentMessage> {
        self.act(who, &format!(": {text}"), Incoming::text(who.chat(), text))
    }

    /// Like [`Self::say`], and panics if there is no response.
    #[track_caller]
    pub fn ask(&mut self, who: Person, text: &str) -> SentMessage {
        self.say(who, text).unwrap_or_else(|| panic!("no answer to {text:?}\n{}", self.transcript.text()))
    }

    /// Replies to a message of the bot.
    pub fn reply(&mut self, who: Person, to: &SentMessage, text: &str) -> Option<SentMessage> {
        let number = self.transcript.number(to.chat_id, to.message_id);
        self.act(who, &format!(", in reply to #{number}: {text}"), Incoming::reply(to, text))
    }

    /// Sends an update that the transcript describes in these words, such as `sends a sticker`.
    pub fn act(&mut self, who: Person, words: &str, incoming: Incoming) -> Option<SentMessage> {
        self.transcript.add_action(&format!("{}{words}", who.shown()));
        self.bring(who.sends(incoming));
        self.show(who.chat())
    }

    /// Presses the first button under the message's current version whose callback data begins or ends with `data`.
    #[track_caller]
    pub fn press(&mut self, who: Person, under: &SentMessage, part: &str) -> Option<SentMessage> {
        let under = self.api.message(under.chat_id, under.message_id).expect("the message is there");
        let matches = |data: &str| data.starts_with(part) || data.ends_with(part);
        let button = under.buttons().into_iter().find(|(_, data)| matches(data));
        let (label, data) =
            button.unwrap_or_else(|| panic!("no button {part}: {under:?}\n{}", self.transcript.text()));
        let number = self.transcript.number(under.chat_id, under.message_id);
        let words = format!(" presses [{label}] under #{number}");
        self.act(who, &words, Incoming::press(&under, data))
    }

    /// Presses a button that this message no longer has, as on a screen that is not up to date.
    pub fn press_stale(&mut self, who: Person, under: &SentMessage, data: &str) -> Option<SentMessage> {
        let number = self.transcript.number(under.chat_id, under.message_id);
        let words = format!(" presses a former button of #{number}");
        self.act(who, &words, Incoming::press(under, data))
    }

    /// Delivers an update to the bot and waits until it is handled. Does nothing if the bot does not subscribe to this
    /// kind of update: Telegram would not send it.
    pub fn bring(&self, incoming: Incoming) {
        let update = self.api.update(incoming);
        if !self.api.is_asked_for(&update) {
            return;
        }
        match self.connection.mode {
            Mode::Webhook => assert_eq!(self.api.post_update(self.service.listen_address(), &update), 200),
            Mode::Polling => {
                self.api.push_update(update);
                self.api.wait_until_confirmed();
            }
        }
    }

    /// A probe request `ago` seconds before the start of the script.
    pub fn probe(&mut self, ago: u64, source: &str, ssid: &str, dbm: i8) -> Frame {
        self.frame(ago, ProbeRequestFrame::new(source).ssid(ssid).signal(dbm))
    }

    /// A probe request with the current time.
    pub fn probe_now(&mut self, source: &str, ssid: &str, dbm: i8) -> Frame {
        let mut frame = self.probe(0, source, ssid, dbm);
        frame.time_us = now_us();
        frame
    }

    /// A probe request `ago` seconds before this moment.
    pub fn probe_lately(&mut self, ago: u64, source: &str, ssid: &str, dbm: i8) -> Frame {
        let mut frame = self.probe_now(source, ssid, dbm);
        frame.time_us -= ago * 1_000_000;
        frame
    }

    /// Any probe request, `ago` seconds before the start of the script.
    pub fn frame(&mut self, ago: u64, frame: ProbeRequestFrame) -> Frame {
        self.sequence = (self.sequence + 1) % 4096;
        let bytes = frame.sequence(self.sequence).build();
        Frame { bytes, time_us: self.began_us - ago * 1_000_000, is_probe: true }
    }

    /// Bytes that the service does not record as a probe request.
    pub fn noise(&mut self, ago: u64, bytes: Vec<u8>) -> Frame {
        Frame { bytes, time_us: self.began_us - ago * 1_000_000, is_probe: false }
    }

    /// Sends frames to the service. Waits until they are recorded and their alerts delivered, and notes the messages.
    pub fn receive(&mut self, what: &str, frames: Vec<Frame>) -> Option<SentMessage> {
        self.record(frames);
        self.settle();
        self.transcript.add_action(&format!("(received: {what})"));
        self.show(0)
    }

    /// Like [`Self::receive`], but Telegram accepts no alert until the last probe is recorded.
    pub fn receive_before_delivery(&mut self, what: &str, frames: Vec<Frame>) {
        let calls = self.api.calls().len();
        self.api.fail_next("sendMessage", 1, Fault::Hang);
        self.record(frames);
        self.wait_until_hanging(calls);
        self.api.clear_faults();
        self.settle();
        self.transcript.add_action(&format!("(received: {what})"));
        self.show(0);
    }

    /// Sends the frames to the service in the order of their times, and waits until they are recorded.
    pub fn record(&mut self, mut frames: Vec<Frame>) {
        frames.sort_by_key(|frame| (frame.time_us, frame.is_probe));
        let mut bytes = Vec::new();
        for frame in &frames {
            frames::push_pcap_record(&mut bytes, frame.time_us, &frame.bytes);
            self.probes += usize::from(frame.is_probe);
        }
        self.stdin.write_all(&bytes).unwrap();
        wait_until("all probes recorded", || {
            let count = self.events().iter().filter(|event| event["type"] == "probe").count();
            assert!(count <= self.probes);
            (count == self.probes).then_some(())
        });
    }

    /// Waits until every alert is delivered, on its own or counted in a summary.
    pub fn settle(&self) {
        wait_until("all alerts delivered", || is_settled(&self.events()).then_some(()));
    }

    /// Waits until a call after the first `calls` hangs.
    pub fn wait_until_hanging(&self, calls: usize) {
        let hangs = |call: &Call| call.outcome == Outcome::Faulted(Fault::Hang);
        wait_until("a call that hangs", || self.api.calls().iter().skip(calls).any(hangs).then_some(()));
    }

    /// Waits until each of these chats has received `count` messages after the first `calls` calls.
    pub fn wait_for_messages(&self, chats: &[i64], calls: usize, count: usize) {
        self.wait_for_late_messages(Duration::ZERO, chats, calls, count);
    }

    /// Like [`Self::wait_for_messages`], for messages that are due only after `delay`.
    pub fn wait_for_late_messages(&self, delay: Duration, chats: &[i64], calls: usize, count: usize) {
        let received = |calls: &[Call], chat: i64| {
            let of_chat =
                calls.iter().filter(|call| call.params.get("chat_id").is_some_and(|id| *id == chat));
            of_chat.filter(|call| call.message_id.is_some()).count()
        };
        wait_at_most(delay + DEADLINE, "messages to each chat", || {
            let all = self.api.calls();
            chats.iter().all(|chat| received(&all[calls..], *chat) >= count).then_some(())
        });
    }

    /// Waits for an event that `matches`.
    pub fn wait_for_event(&self, matches: impl Fn(&Value) -> bool) {
        self.wait_for_late_event(Duration::ZERO, matches);
    }

    /// Like [`Self::wait_for_event`], for an event that is due only after `delay`.
    pub fn wait_for_late_event(&self, delay: Duration, matches: impl Fn(&Value) -> bool) {
        wait_at_most(delay + DEADLINE, "an event", || self.events().iter().any(&matches).then_some(()));
    }

    /// Sends probes from this address until there is an event that `matches`, which is due only after `delay`.
    pub fn send_probes_until(&mut self, delay: Duration, source: &str, matches: impl Fn(&Value) -> bool) {
        let wait = Wait::start(delay + DEADLINE, "an event");
        let mut is_over = false;
        while !is_over {
            if wait.left().is_none() {
                wait.fail("");
            }
            let frame = self.probe_now(source, "", -50);
            self.record(vec![frame]);
            let sent = Instant::now();
            is_over = wait_until("an event, or the next frame", || {
                let is_there = self.events().iter().any(&matches);
                (is_there || sent.elapsed() >= PROBE_INTERVAL).then_some(is_there)
            });
        }
    }

    fn events(&self) -> Vec<Value> {
        ndjson::events_so_far(&self.data_dir.join("events"))
    }

    fn show(&mut self, here: i64) -> Option<SentMessage> {
        self.show_sorted(here, |_| {})
    }

    /// Adds the calls since the last time to the transcript, after sorting them.
    fn show_sorted(&mut self, here: i64, sort: impl FnOnce(&mut Vec<Call>)) -> Option<SentMessage> {
        let calls = self.api.calls();
        let mut new = calls.get(self.seen..).unwrap_or_default().to_vec();
        self.seen = calls.len();
        sort(&mut new);
        self.transcript.add_calls(&new, here);
        let of_chat = |call: &&Call| here == 0 || call.params.get("chat_id").is_some_and(|id| *id == here);
        let is_seen = |call: &&Call| call.outcome == Outcome::Accepted && !call.is("deleteMessage");
        let mut made = new.iter().rev().filter(of_chat).filter(is_seen);
        made.find_map(|call| self.api.message(call.params.get("chat_id")?.as_i64()?, call.message_id?))
    }
}

/// The service's standard input, after writing the header of a capture file.
fn open_stdin(service: &mut Service) -> ChildStdin {
    let mut stdin = service.take_stdin();
    stdin.write_all(&frames::pcap_bytes(frames::DLT_IEEE802_11_RADIO, &[])).unwrap();
    stdin
}

fn is_settled(events: &[Value]) -> bool {
    let (mut raised, mut settled, mut overflow) = (BTreeSet::new(), BTreeSet::new(), 0);
    for event in events {
        let chat = |value: &Value| value["chat"].as_i64().unwrap();
        for alert in event["alerts"].as_array().into_iter().flatten() {
            let decision = if event["type"] == "left" { &alert["fate"] } else { &alert["decision"] };
            let decision = match decision.as_str().unwrap() {
                "arrive" => &alert["fate"],
                "ring" => &alert["outcome"],
                _ => decision,
            };
            match decision.as_str().unwrap() {
                "raise" => drop(raised.insert((chat(alert), event["offset"].as_u64().unwrap()))),
                "overflow" => overflow += 1,
                _ => {}
            }
        }
        match event["type"].as_str().unwrap() {
            "delivered" | "undeliverable" => {
                settled.insert((chat(event), event["probe"].as_u64().unwrap()));
            }
            "stranger_left" if event["outcome"] == "raise" => {
                raised.insert((chat(event), event["offset"].as_u64().unwrap()));
            }
            "overflow_told" => overflow -= event["count"].as_i64().unwrap(),
            _ => {}
        }
    }
    raised.is_subset(&settled) && overflow == 0
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

//! kill -9 at any moment loses nothing that was on disk, and the state equals the statistics of the recorded frames.
//! The binary reads frames from a pipe as fast as it can, and receives changes through the chat. It is killed two
//! hundred times in total, at random moments. Then the log and the state are compared with the input.

use std::io::Write;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::process::ChildStdin;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fastrand::Rng;
use serde_json::Value;

use crate::support::bot_api::{BotApi, Incoming};
use crate::support::frames::{DLT_IEEE802_11_RADIO, pcap_bytes, push_pcap_record};
use crate::support::ndjson;
use crate::support::service::{Config, Service, log_event, probewatch};
use crate::support::testbed::{CHAT, is_alert};
use crate::support::traffic::{SentProbe, Tally, address};
use crate::support::wait_until;

/// Kills in each of the eight tests.
const KILLS: usize = 25;

/// The senders, and the networks that they look for.
const SENDERS: u64 = 40;
const NETWORKS: u64 = 12;

/// The number of frames in one write.
const FRAMES_PER_WRITE: u64 = 64;

/// The maximum number of frames in one run. With more, changes would wait longer than most runs last.
const FRAMES_PER_RUN: u64 = 5000;

const FRAME_PERIOD_US: u64 = 1000;

/// The frames of all runs. Their numbers continue from one run to the next.
#[derive(Clone, Copy)]
struct Feed {
    start_us: u64,
}

impl Feed {
    fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self { start_us: since_1970.as_secs() / 8 * 8 * 1_000_000 }
    }

    /// The probe of this number. Its time is unique, and times are slightly out of order.
    fn probe(self, number: u64) -> SentProbe {
        let mut dice = Rng::with_seed(number);
        let sender = dice.u64(..SENDERS);
        let [.., last] = sender.to_be_bytes();
        let ssid = match dice.u64(..NETWORKS + 4) {
            0 => None,
            1..=3 => Some(Vec::new()),
            4 => Some(b"\xff\xfe\x00".to_vec()),
            5 => Some(b"Depot".to_vec()),
            network => Some(format!("\"net\" {network} of {}", sender / 8).into_bytes()),
        };
        SentProbe {
            source: [if sender.is_multiple_of(2) { 0x02 } else { 0xa4 }, 0x11, 0x22, 0x33, 0x44, last],
            ssid,
            signal_dbm: (dice.u8(..8) > 0).then(|| dice.i8(-90..-30)),
            sequence: (number % 4096) as u16,
            time_us: self.start_us + (number ^ 5) * FRAME_PERIOD_US,
        }
    }

    /// The number of the frame that this event records.
    fn number(self, event: &Value) -> u64 {
        let time = chrono::DateTime::parse_from_rfc3339(event["time"].as_str().unwrap()).unwrap();
        ((time.timestamp_micros().cast_unsigned() - self.start_us) / FRAME_PERIOD_US) ^ 5
    }

    /// Writes frames from `first` until `end` or until the pipe breaks. Returns the number after the last frame that
    /// the service may have received.
    fn write(self, pipe: &mut ChildStdin, first: u64, end: u64) -> u64 {
        let mut bytes = pcap_bytes(DLT_IEEE802_11_RADIO, &[]);
        let mut next = first;
        while next < end {
            for number in next..end.min(next + FRAMES_PER_WRITE) {
                let probe = self.probe(number);
                push_pcap_record(&mut bytes, probe.time_us, &probe.frame());
            }
            next = end.min(next + FRAMES_PER_WRITE);
            if pipe.write_all(&bytes).is_err() {
                break;
            }
            bytes.clear();
        }
        next
    }
}

/// A change that the chat requests.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Watch { ssid: String, reason: String },
    Unwatch { ssid: String },
    Name { source: String, name: String },
}

impl Change {
    /// The change of this number, which differs from the next few.
    fn number(number: usize) -> Self {
        let ssid = format!("W{}", number / 4 % 20);
        match number % 4 {
            0 => Self::Watch { ssid, reason: format!("r{number}") },
            // Frames look for this network, so that the kill interrupts alerts.
            1 => Self::Watch { ssid: "Depot".to_owned(), reason: format!("r{number}") },
            2 => Self::Unwatch { ssid },
            // A name of a random address would name its phone.
            _ => {
                let [_, rest @ ..] = Feed { start_us: 0 }.probe(number as u64).source;
                let [a, b, c, d, e] = rest;
                Self::Name { source: address([0xa4, a, b, c, d, e]), name: format!("N{number}") }
            }
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Watch { ssid, reason } => format!("/watch {ssid} {reason}"),
            Self::Unwatch { ssid } => format!("/unwatch {ssid}"),
            Self::Name { source, name } => format!("/name {source} {name}"),
        }
    }

    /// Whether this reply confirms the change.
    fn is_confirmed_by(&self, reply: &str) -> bool {
        match self {
            Self::Watch { ssid, reason } => reply == format!("👁 Watching for \"{ssid}\".\nReason: {reason}"),
            Self::Unwatch { ssid } => reply == format!("👁 No longer watching for \"{ssid}\"."),
            Self::Name { source, name } => reply == format!("✏️ {source} is now called {name}."),
        }
    }

    /// The change that this event records, if it records one.
    fn logged(event: &Value) -> Option<Self> {
        let text = |field: &str| event[field].as_str().unwrap().to_owned();
        match event["type"].as_str().unwrap() {
            "watch" => Some(Self::Watch { ssid: text("ssid"), reason: text("reason") }),
            "unwatch" => Some(Self::Unwatch { ssid: text("ssid") }),
            "name" if event["by"] == "chat" => {
                Some(Self::Name { source: text("address"), name: text("name") })
            }
            _ => None,
        }
    }
}

/// Requests one change after another until the service is gone. Returns each with whether its reply arrived.
fn request_changes(api: &BotApi, service: &Service, starts: usize, from: usize) -> Vec<(Change, bool)> {
    let Some(listen) = service.listen_address_or_end() else { return Vec::new() };
    if service.wait_for_line_or_end(0, &log_event("webhook_registered", &[])).is_none() {
        return Vec::new();
    }
    let webhook = api.webhook_number(starts);
    let mut requested = Vec::new();
    for change in (from..).map(Change::number) {
        let seen = api.sent_count();
        let status = api.try_post(listen, Incoming::text(CHAT, change.message()), &webhook);
        let replies = api.sent_after(seen);
        let is_confirmed = replies.iter().any(|reply| change.is_confirmed_by(&reply.plain));
        requested.push((change, is_confirmed));
        match status {
            Ok(status) => assert_eq!(status, 200),
            Err(_) => break,
        }
    }
    requested
}

/// When to kill: a random time after the start, or after the service captures.
fn kill_time(dice: &mut Rng) -> (bool, Duration) {
    let (is_capturing, milliseconds) = match dice.u8(..20) {
        0..9 => (false, 0..200),
        9..18 => (true, 0..200),
        // Around the first checkpoint.
        _ => (true, 900..1150),
    };
    (is_capturing, Duration::from_micros(dice.u64(milliseconds.start * 1000..milliseconds.end * 1000)))
}

struct KilledService {
    api: BotApi,
    service: Service,
    feed: Feed,
    runs: Vec<Range<u64>>,
    requested: Vec<(Change, bool)>,
    /// The number of starts that rebuilt the state.
    rebuilds: usize,
}

impl KilledService {
    fn start() -> Self {
        let api = BotApi::start();
        let config = Config::new(&api)
            .sources(&["-"])
            .cooldown_seconds(0)
            .set("grouping", "mode", "\"in-range\"")
            .set("record", "fsync_milliseconds", "5")
            .set("record", "checkpoint_seconds", "1")
            .set("record", "segment_mebibytes", "1");
        let service = Service::start_with(&api, config);
        Self { api, service, feed: Feed::new(), runs: Vec::new(), requested: Vec::new(), rebuilds: 0 }
    }

    fn next_frame(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.end)
    }

    /// Sends frames and changes to the service and kills it. Returns the complete lines of the log's last file just
    /// before the kill.
    fn run_until_killed(&mut self, dice: &mut Rng) -> Option<(u64, Vec<u8>)> {
        let events = self.service.data_dir().join("events");
        let (first, feed) = (self.next_frame(), self.feed);
        let end = first + dice.u64(..FRAMES_PER_RUN);
        let mut pipe = self.service.take_stdin();
        let (is_capturing, wait) = kill_time(dice);
        let (api, service) = (&self.api, &self.service);
        let (starts, changes) = (api.webhook_history().len() + 1, self.requested.len());
        let (end, requested, seen) = thread::scope(|scope| {
            let feeding = scope.spawn(|| feed.write(&mut pipe, first, end));
            let asking = scope.spawn(move || request_changes(api, service, starts, changes));
            if is_capturing {
                service.wait_until_capturing("stdin");
            }
            thread::sleep(wait);
            let seen = ndjson::last_lines(&events);
            service.signal(libc::SIGKILL);
            (feeding.join().unwrap(), asking.join().unwrap(), seen)
        });
        let status = self.service.wait_for_exit();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "it did not end by itself: {status}");
        self.runs.push(first..end);
        self.requested.extend(requested);
        seen
    }

    /// The last run: sends frames to the end of the input, waits until all alerts are delivered, and stops the service.
    fn run_to_end(&mut self) {
        let first = self.next_frame();
        let end = first + FRAMES_PER_RUN;
        let mut pipe = self.service.take_stdin();
        assert_eq!(self.feed.write(&mut pipe, first, end), end);
        drop(pipe);
        self.runs.push(first..end);
        self.service.wait_for_log_event("source_finished", &[("source", "stdin")]);
        self.service.wait_for_log_event("webhook_registered", &[]);
        let listen = self.service.listen_address();
        // A change after all frames: once it is confirmed, they are recorded and their alerts raised. It is a watch,
        // whose reply does not depend on earlier changes.
        let change = Change::number(self.requested.len() / 4 * 4 + 5);
        assert_eq!(self.api.post(listen, Incoming::text(CHAT, change.message())), 200);
        self.api.wait_for_message(|message| change.is_confirmed_by(&message.plain));
        self.requested.push((change, true));
        let waiting = |api: &BotApi| {
            let seen = api.sent_count();
            assert_eq!(api.post(listen, Incoming::text(CHAT, "/status")), 200);
            let reply = api.wait_for_message_after(seen, |message| !is_alert(message)).plain;
            reply.lines().find(|line| line.starts_with("Alerts waiting")).unwrap().to_owned()
        };
        wait_until("every alert to be delivered", || {
            (waiting(&self.api) == "Alerts waiting for Telegram: 0").then_some(())
        });
        let status = self.service.terminate();
        assert!(status.success(), "{status}");
        // The groups, too, are as if there had been no kill.
        let check = probewatch(&["check", "-c", self.service.config_path().to_str().unwrap()]);
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        self.stop_grouping();
    }

    /// Without groups, each random address is looked up on its own.
    fn stop_grouping(&mut self) {
        self.service.restart_with(|config| config.set("grouping", "mode", "\"off\""));
        self.service.wait_for_log_event("webhook_registered", &[]);
        assert!(self.service.terminate().success());
    }
}

#[test]
fn kill_9_loses_nothing_1() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_2() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_3() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_4() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_5() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_6() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_7() {
    kills_lose_nothing();
}

#[test]
fn kill_9_loses_nothing_8() {
    kills_lose_nothing();
}

fn kills_lose_nothing() {
    let seed = fastrand::u64(..);
    let mut dice = Rng::with_seed(seed);
    let mut killed = KilledService::start();
    let events = killed.service.data_dir().join("events");
    let mut seen_before: Option<(u64, Vec<u8>)> = None;
    for kill in 0..KILLS {
        let context = format!("kill {kill} of seed {seed}");
        let seen = killed.run_until_killed(&mut dice);
        for (base, lines) in [seen_before, seen.clone()].into_iter().flatten() {
            assert!(ndjson::lines_from(&events, base).starts_with(&lines), "{context}: events are gone");
        }
        let lines = killed.service.log_lines();
        let is_bad = |line: &&String| ["damaged", "missing", "panicked"].iter().any(|bad| line.contains(bad));
        assert_eq!(lines.iter().find(is_bad), None, "{context}");
        killed.rebuilds +=
            usize::from(lines.iter().any(|line| line.contains(&log_event("state_rebuild", &[]))));
        seen_before = seen;
        killed.service.restart();
    }
    killed.run_to_end();
    compare(&killed, seed);
}

/// Compares the log and the state with the input.
fn compare(killed: &KilledService, seed: u64) {
    let mut tally = Tally::default();
    let mut runs = killed.runs.iter();
    let mut run = runs.next().unwrap().clone();
    let mut requested = killed.requested.iter();
    let (mut raised, mut delivered) = (0, 0);
    let count = ndjson::for_each(&killed.service.data_dir().join("events"), |event| {
        if let Some(change) = Change::logged(event) {
            // Changes are logged in the order of their requests. Only unconfirmed ones may be missing.
            loop {
                let (next, is_confirmed) = requested.next().expect("a change that was requested");
                if *next == change {
                    break;
                }
                assert!(!is_confirmed, "seed {seed}: {next:?} was confirmed and is not in the log");
            }
        }
        match event["type"].as_str().unwrap() {
            "probe" => {
                let number = killed.feed.number(event);
                while run.is_empty() || number != run.start {
                    // A run's frames are recorded without a gap from its first one. Any other number begins a later
                    // run.
                    run = runs.next().unwrap_or_else(|| panic!("seed {seed}: out of order: {event}")).clone();
                }
                run.start += 1;
                let probe = killed.feed.probe(number);
                probe.assert_logged(event);
                tally.add(&probe);
                let decisions = event["alerts"].as_array().into_iter().flatten();
                raised += decisions.filter(|alert| alert["decision"] == "raise").count();
            }
            "delivered" => delivered += 1,
            _ => {}
        }
    });
    assert!(requested.all(|(_, is_confirmed)| !is_confirmed), "seed {seed}: a confirmed change is missing");
    assert!(runs.next().is_none() && run.is_empty(), "seed {seed}: the last run is recorded to its end");
    assert_eq!(raised, delivered, "seed {seed}: every alert is logged as delivered once");
    let alerts = killed.api.sent().iter().filter(|message| is_alert(message)).count();
    assert!(alerts >= raised, "seed {seed}");
    tally.assert_looked_up(&["-c", killed.service.config_path().to_str().unwrap()], false);
    let confirmed = killed.requested.iter().filter(|(_, is_confirmed)| *is_confirmed).count();
    println!(
        "seed {seed}: {} frames sent, {count} events, {confirmed} of {} changes confirmed, {raised} alerts, \
         {} rebuilds",
        killed.next_frame(),
        killed.requested.len(),
        killed.rebuilds,
    );
}

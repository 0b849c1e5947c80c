//! Promise: whatever is asked is answered soon, with 100,000 devices in the state, and also while frames arrive.
//! This is no test but the measurement behind the figures in `benches/README.md`: from the post of an update to
//! the request with the reply, so that Telegram's own time is in none of them.
//!
//! The bot spaces its replies as Telegram wants it (`telegram/token_bucket.rs`). One message at a time is asked, and
//! the next only when the bot may send again, so that no reply waits for its place: what is measured is work.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use capture::PcapWriter;
use dot11::LinkType;

use crate::support::bot_api::{BotApi, Incoming, SentMessage};
use crate::support::frames::{DLT_IEEE802_11_RADIO, pcap_bytes, push_pcap_record};
use crate::support::service::{Config, Service, probewatch};
use crate::support::testbed::{is_alert, is_notice};
use crate::support::traffic::{SentProbe, address};

const DEVICES: u64 = 100_000;
const NAMED: u64 = 1_000;

/// Just below what is kept of them.
const NETWORKS: u64 = 30_000;

/// The network that nearly every device asks for.
const COMMON: &str = "Station Wi-Fi";

/// In the log before anything is asked, heard in the day before.
const FRAMES: u64 = 1_000_000;
const DAY_US: u64 = 86_400_000_000;

/// While frames arrive, so many a second, in so many bursts.
const A_SECOND: u64 = 1_000;
const BURSTS: u64 = 100;

/// Private chats, which ask by turns.
const CHATS: [i64; 4] = [1001, 1002, 1003, 1004];

/// How often everything is asked.
const ROUNDS: u64 = 60;
const LONG_ROUNDS: u64 = 10;

/// After a reply: longer than it takes the bot to get the place back that it took. A long answer takes places
/// for the lines that tell how far it is.
const PAUSE: Duration = Duration::from_millis(90);
const LONG_PAUSE: Duration = Duration::from_millis(600);

/// The finalizer of SplitMix64: numbers in a row become numbers without order.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// One device in four shows its own address, the others a random one.
fn source(device: u64) -> [u8; 6] {
    let [a, b, c, ..] = mix(!device).to_le_bytes();
    let [.., x, y, z] = device.to_be_bytes();
    if device.is_multiple_of(4) { [0xa4, 0x83, 0xe7, x, y, z] } else { [a & 0xfc | 0x02, b, c, x, y, z] }
}

fn home_network(device: u64) -> String {
    format!("Home {:05}", mix(device) % NETWORKS)
}

/// The frame of this number: all devices come by turns.
fn fed(number: u64, time_us: u64) -> SentProbe {
    let device = number * 7919 % DEVICES;
    let dice = mix(number);
    let ssid = match dice % 6 {
        0 => home_network(device),
        1 => COMMON.to_owned(),
        _ => String::new(),
    };
    SentProbe {
        source: source(device),
        ssid: Some(ssid.into_bytes()),
        signal_dbm: Some(-30 - ((dice >> 28) % 60) as i8),
        sequence: (number % 4096) as u16,
        time_us,
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// What is asked.
enum Asked {
    Text(String),
    /// A press of the button that shows this page of `/devices`.
    Page(u32),
}

/// A row of the table: its kind, and what is asked in a round.
type Kind = (&'static str, fn(u64) -> Asked);

fn text(text: impl Into<String>) -> Asked {
    Asked::Text(text.into())
}

fn some_device(round: u64) -> String {
    address(source(mix(round) % DEVICES))
}

/// A network that nobody but a few ask for.
fn some_network(round: u64) -> String {
    home_network(mix(round) % DEVICES)
}

const KINDS: [Kind; 34] = [
    ("an address", |round| text(some_device(round))),
    ("an address that was never heard", |round| text(address([0x02, 0xff, 0xff, 0, 0, round as u8]))),
    ("a name", |round| text(format!("Phone {:04}", round % NAMED))),
    ("a part of 1,000 names", |_| text("phone")),
    ("a name that nobody has", |_| text("Fone 17")),
    ("/devices", |_| text("/devices")),
    ("/devices 500", |_| text("/devices 500")),
    ("/devices 1000, the last page", |_| text("/devices 1000")),
    ("a press of ▶ under /devices", |round| Asked::Page(1 + round as u32)),
    ("/nearby", |_| text("/nearby")),
    ("/nearby 10080, everything", |_| text("/nearby 10080")),
    ("/top", |_| text("/top")),
    ("/top 1000, the last page", |_| text("/top 1000")),
    ("/ssid, few devices asked", |round| text(format!("/ssid {}", some_network(round)))),
    ("/ssid, nearly all devices asked", |_| text(format!("/ssid {COMMON}"))),
    ("/networks", |_| text("/networks")),
    ("/networks 1000, the last page", |_| text("/networks 1000")),
    ("/watch", |round| text(format!("/watch \"{}\" the van", some_network(round)))),
    ("/watches", |_| text("/watches")),
    ("/unwatch", |round| text(format!("/unwatch \"{}\"", some_network(round)))),
    ("/follow", |round| text(format!("/follow {}", some_device(round)))),
    ("/unfollow", |round| text(format!("/unfollow {}", some_device(round)))),
    ("/ignore", |round| text(format!("/ignore {}", some_device(round)))),
    ("/unignore", |round| text(format!("/unignore {}", some_device(round)))),
    ("/mute", |_| text("/mute 30m")),
    ("/unmute", |_| text("/unmute")),
    ("/name", |round| text(format!("/name {} Visitor {round}", some_device(round)))),
    ("/unname", |round| text(format!("/unname {}", some_device(round)))),
    ("/status", |_| text("/status")),
    ("/help", |_| text("/help")),
    ("/start", |_| text("/start")),
    ("/export networks", |_| text("/export networks")),
    ("an unknown command", |_| text("/devises")),
    ("a command without what it needs", |_| text("/watch")),
];

/// These read the log, and tell meanwhile how far they are.
const LONG_KINDS: [Kind; 4] = [
    ("/chart of a device", |round| text(format!("/chart {}", some_device(round)))),
    ("/chart ssid, nearly all devices asked", |_| text(format!("/chart ssid {COMMON}"))),
    ("/chart of a device, 30 days", |round| text(format!("/chart {} 30d", some_device(round)))),
    ("/export of a device", |round| text(format!("/export {}", some_device(round)))),
];

/// The service with all devices in its state.
struct Bench {
    api: BotApi,
    service: Service,
    _data: tempfile::TempDir,
    /// The list whose pages are turned in each chat.
    lists: BTreeMap<i64, SentMessage>,
}

impl Bench {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let (capture, data_dir) = (data.path().join("frames.pcap"), data.path().join("data"));
        let (capture, data_dir) = (capture.to_str().unwrap(), data_dir.to_str().unwrap());
        let mut file = PcapWriter::create(capture, LinkType::Radiotap).unwrap();
        let start = now_us() - DAY_US;
        for number in 0..FRAMES {
            let time_us = start + number * (DAY_US / FRAMES);
            file.write(time_us.cast_signed(), &fed(number, time_us).frame()).unwrap();
        }
        file.finish().unwrap();
        let replayed = probewatch(&["replay", capture, "--data-dir", data_dir]);
        assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));

        let api = BotApi::start();
        let config = Config::new(&api).sources(&["-"]).chats(&CHATS);
        let config = config.set("", "data_dir", &format!("{data_dir:?}"));
        let config = (0..NAMED).fold(config, |config, number| {
            config.device(&address(source(number * (DEVICES / NAMED))), &format!("Phone {number:04}"))
        });
        let service = Service::start_with(&api, config);
        service.wait_for_log_event("webhook_registered", &[]);
        let mut bench = Self { api, service, _data: data, lists: BTreeMap::new() };
        for chat in CHATS {
            let (list, _) = bench.ask(chat, &text("/devices"));
            bench.lists.insert(chat, list);
        }
        bench
    }

    /// The reply, and how long it took from the post to the request.
    fn ask(&self, chat: i64, asked: &Asked) -> (SentMessage, Duration) {
        let incoming = match asked {
            Asked::Text(text) => Incoming::text(chat, text.as_str()),
            Asked::Page(page) => Incoming::press(&self.lists[&chat], format!("devices:{page}")),
        };
        let listen = self.service.listen_address();
        let update = self.api.update(incoming);
        let (seen, start) = (self.api.sent_count(), Instant::now());
        assert_eq!(self.api.post_update(listen, &update), 200);
        let reply = self.api.wait_for_message_after(seen, |message| {
            message.chat_id == chat
                && !is_alert(message)
                && !is_notice(message)
                && !message.plain.starts_with('⏳')
        });
        let took = reply.at - start;
        (reply, took)
    }

    /// Asks everything by turns, so that what the machine does besides is spread over all.
    fn measure(&self, kinds: &[Kind], rounds: u64, pause: Duration) -> Vec<Vec<Duration>> {
        let mut times = vec![Vec::new(); kinds.len()];
        for round in 0..rounds {
            for ((_, ask), times) in kinds.iter().zip(&mut times) {
                let (_, took) = self.ask(CHATS[(round % CHATS.len() as u64) as usize], &ask(round));
                times.push(took);
                thread::sleep(pause);
            }
        }
        times
    }

    fn print_table(&self, heading: &str) {
        println!("\n{heading}\n\n| | half | 99 in 100 | all of | |\n|---|---|---|---|---|");
        let times = self.measure(&KINDS, ROUNDS, PAUSE);
        for ((kind, _), times) in KINDS.iter().zip(&times) {
            print_row(kind, times);
        }
        print_row("**all of these**", &times.concat());
        for ((kind, _), times) in LONG_KINDS.iter().zip(self.measure(&LONG_KINDS, LONG_ROUNDS, LONG_PAUSE)) {
            print_row(kind, &times);
        }
    }
}

fn print_row(kind: &str, times: &[Duration]) {
    let mut times = times.to_vec();
    times.sort_unstable();
    let place = |share: usize| times[(times.len() * share).div_ceil(100) - 1].as_secs_f64() * 1e3;
    println!("| {kind} | {:.1} | {:.1} | {:.1} | {} |", place(50), place(99), place(100), times.len());
}

/// Has the service hear frames at their pace until it is over; how many.
fn feed(mut input: ChildStdin, is_over: &AtomicBool) -> u64 {
    let mut bytes = pcap_bytes(DLT_IEEE802_11_RADIO, &[]);
    let start = Instant::now();
    let burst = A_SECOND / BURSTS;
    for number in FRAMES.. {
        let time_us = now_us();
        push_pcap_record(&mut bytes, time_us, &fed(number, time_us).frame());
        let done = number + 1 - FRAMES;
        if done.is_multiple_of(burst) {
            input.write_all(&bytes).unwrap();
            input.flush().unwrap();
            bytes.clear();
            if is_over.load(Ordering::Relaxed) {
                return done;
            }
            let due = start + Duration::from_secs(1) * (done / burst) as u32 / BURSTS as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    unreachable!("numbers do not end")
}

pub fn measure() {
    let mut bench = Bench::start();
    println!("{DEVICES} devices, {NETWORKS} networks and {NAMED} names; milliseconds");
    bench.print_table("Nothing is heard meanwhile");
    let input = bench.service.take_stdin();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let fed = scope.spawn(|| feed(input, &is_over));
        bench.print_table(&format!("{A_SECOND} frames a second arrive meanwhile"));
        is_over.store(true, Ordering::Relaxed);
        let fed = fed.join().unwrap();
        println!("\n{fed} frames arrived");
    });
    assert!(bench.service.terminate().success());
    bench.api.assert_clean();
}

//! The bot replies quickly with 100,000 devices in the state, and also while frames arrive. This measurement gives the
//! figures in `benches/README.md`: from the POST of an update to the request with the reply, without Telegram's own
//! time.
//!
//! The bot limits the rate of its replies (`telegram/token_bucket.rs`). So there is one message at a time, and the
//! next is sent only when the bot may reply at once: the times contain no wait for the rate limiter.

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

/// Just below the number that the state keeps.
const NETWORKS: u64 = 30_000;

/// Nearly every device asks for this network.
const COMMON: &str = "Station Wi-Fi";

/// Frames in the log at the start, spread over the day before.
const FRAMES: u64 = 1_000_000;
const DAY_US: u64 = 86_400_000_000;

/// The rate of the frames that arrive during the second table.
const FRAMES_PER_SECOND: u64 = 1_000;
const BURSTS_PER_SECOND: u64 = 100;

/// Private chats, which take turns.
const CHATS: [i64; 4] = [1001, 1002, 1003, 1004];

/// How often each kind of message is sent.
const ROUNDS: u64 = 60;
const LONG_ROUNDS: u64 = 10;

/// The pause after a reply: longer than the rate limiter needs to refill. A long answer also sends progress messages,
/// which count for the limiter.
const PAUSE: Duration = Duration::from_millis(90);
const LONG_PAUSE: Duration = Duration::from_millis(600);

/// The finalizer of SplitMix64: numbers in a row become numbers without order.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// One device in four uses its global address, the others a random one.
fn source(device: u64) -> [u8; 6] {
    let [a, b, c, ..] = mix(!device).to_le_bytes();
    let [.., x, y, z] = device.to_be_bytes();
    if device.is_multiple_of(4) { [0xa4, 0x83, 0xe7, x, y, z] } else { [a & 0xfc | 0x02, b, c, x, y, z] }
}

fn home_network(device: u64) -> String {
    format!("Home {:05}", mix(device) % NETWORKS)
}

/// The probe request of this number. The devices take turns.
fn sent(number: u64, time_us: u64) -> SentProbe {
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

/// What a person sends.
enum Query {
    Text(String),
    /// A press of the button that shows this page of `/devices`.
    Page(u32),
}

/// A row of the table: its label, and the query of each round.
type Kind = (&'static str, fn(u64) -> Query);

fn text(text: impl Into<String>) -> Query {
    Query::Text(text.into())
}

fn some_device(round: u64) -> String {
    address(source(mix(round) % DEVICES))
}

/// A network that few devices ask for.
fn some_network(round: u64) -> String {
    home_network(mix(round) % DEVICES)
}

const KINDS: [Kind; 34] = [
    ("an address", |round| text(some_device(round))),
    ("an unknown address", |round| text(address([0x02, 0xff, 0xff, 0, 0, round as u8]))),
    ("a name", |round| text(format!("Phone {:04}", round % NAMED))),
    ("a part of 1,000 names", |_| text("phone")),
    ("an unknown name", |_| text("Fone 17")),
    ("/devices", |_| text("/devices")),
    ("/devices 500", |_| text("/devices 500")),
    ("/devices 1000, the last page", |_| text("/devices 1000")),
    ("a press of ▶ under /devices", |round| Query::Page(1 + round as u32)),
    ("/nearby", |_| text("/nearby")),
    ("/nearby 10080, everything", |_| text("/nearby 10080")),
    ("/top", |_| text("/top")),
    ("/top 1000, the last page", |_| text("/top 1000")),
    ("/ssid, requested by few devices", |round| text(format!("/ssid {}", some_network(round)))),
    ("/ssid, requested by nearly all devices", |_| text(format!("/ssid {COMMON}"))),
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
    ("a command without its argument", |_| text("/watch")),
];

/// These read the log and send progress messages meanwhile.
const LONG_KINDS: [Kind; 4] = [
    ("/chart of a device", |round| text(format!("/chart {}", some_device(round)))),
    ("/chart ssid, requested by nearly all devices", |_| text(format!("/chart ssid {COMMON}"))),
    ("/chart of a device, 30 days", |round| text(format!("/chart {} 30d", some_device(round)))),
    ("/export of a device", |round| text(format!("/export {}", some_device(round)))),
];

/// The service with all devices in its state.
struct Bench {
    api: BotApi,
    service: Service,
    _data: tempfile::TempDir,
    /// The message in each chat whose buttons turn the pages.
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
            file.write(time_us.cast_signed(), &sent(number, time_us).frame()).unwrap();
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

    /// The reply, and the time from the POST to the request with the reply.
    fn ask(&self, chat: i64, query: &Query) -> (SentMessage, Duration) {
        let incoming = match query {
            Query::Text(text) => Incoming::text(chat, text.as_str()),
            Query::Page(page) => Incoming::press(&self.lists[&chat], format!("devices:{page}")),
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

    /// Sends one query of each kind per round, so that other load on the machine affects all kinds alike.
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
        println!("\n{heading}\n\n| | median | 99th percentile | maximum | count |\n|---|---|---|---|---|");
        let times = self.measure(&KINDS, ROUNDS, PAUSE);
        for ((kind, _), times) in KINDS.iter().zip(&times) {
            print_row(kind, times);
        }
        print_row("**all kinds**", &times.concat());
        for ((kind, _), times) in LONG_KINDS.iter().zip(self.measure(&LONG_KINDS, LONG_ROUNDS, LONG_PAUSE)) {
            print_row(kind, &times);
        }
    }
}

fn print_row(kind: &str, times: &[Duration]) {
    let mut times = times.to_vec();
    times.sort_unstable();
    let percentile = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1e3;
    println!(
        "| {kind} | {:.1} | {:.1} | {:.1} | {} |",
        percentile(50),
        percentile(99),
        percentile(100),
        times.len()
    );
}

/// Writes frames to the service at [`FRAMES_PER_SECOND`] until `is_over`, and returns their number.
fn feed(mut input: ChildStdin, is_over: &AtomicBool) -> u64 {
    let mut bytes = pcap_bytes(DLT_IEEE802_11_RADIO, &[]);
    let start = Instant::now();
    let burst = FRAMES_PER_SECOND / BURSTS_PER_SECOND;
    for number in FRAMES.. {
        let time_us = now_us();
        push_pcap_record(&mut bytes, time_us, &sent(number, time_us).frame());
        let done = number + 1 - FRAMES;
        if done.is_multiple_of(burst) {
            input.write_all(&bytes).unwrap();
            input.flush().unwrap();
            bytes.clear();
            if is_over.load(Ordering::Relaxed) {
                return done;
            }
            let due = start + Duration::from_secs(1) * (done / burst) as u32 / BURSTS_PER_SECOND as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
    unreachable!("the loop has no last number")
}

pub fn measure() {
    let mut bench = Bench::start();
    println!("{DEVICES} devices, {NETWORKS} networks and {NAMED} names; milliseconds");
    bench.print_table("No frames arrive meanwhile");
    let input = bench.service.take_stdin();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let sent = scope.spawn(|| feed(input, &is_over));
        bench.print_table(&format!("{FRAMES_PER_SECOND} frames per second arrive meanwhile"));
        is_over.store(true, Ordering::Relaxed);
        let sent = sent.join().unwrap();
        println!("\n{sent} frames arrived");
    });
    assert!(bench.service.terminate().success());
    bench.api.assert_clean();
}

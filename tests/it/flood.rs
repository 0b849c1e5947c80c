//! A flood of random addresses and invented models needs bounded memory and few messages. Meanwhile look-ups are
//! answered, real devices are counted exactly, and the addresses of real phones are grouped.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use store::state::ALERTS_PER_MINUTE;

use crate::support::bot_api::{BotApi, Incoming};
use crate::support::service::probewatch;
use crate::support::tap_radio::TapRadio;
use crate::support::testbed::{CHAT, Mode, Testbed, is_alert};
use crate::support::traffic::{SentProbe, Tally, address};

/// Devices with global addresses that send throughout the flood.
const DEVICES: u64 = 50;

/// Phones that send throughout the flood, each from a new random address after so many of its frames.
const PHONES: u64 = 5;
const FRAMES_PER_ADDRESS: u64 = 6;
const PHONE_EVERY: u64 = 200;

/// One frame in this many comes from one of these devices, and one from an invented address looks for the watched
/// network.
const DEVICE_EVERY: u64 = 20;
const WATCHED_EVERY: u64 = 50;

/// The limit of the service's memory.
const MEMORY_KIB: u64 = 256 << 10;

/// The pause between look-ups: with a shorter one, replies would wait for the rate limiter.
const LOOK_UP_PERIOD: Duration = Duration::from_millis(120);

/// The number of frames between two checks of the clock.
const BURST: u64 = 50;

/// The vendor element in which models differ.
const VENDOR_ELEMENT: u8 = 221;

/// The frame with this number if a phone sends it: the phone, its address and its sequence number.
fn phone_frame(number: u64) -> Option<(u64, [u8; 6], u64)> {
    let turn = number.checked_sub(10).filter(|rest| rest.is_multiple_of(PHONE_EVERY))? / PHONE_EVERY;
    let (phone, sequence) = (turn % PHONES, turn / PHONES);
    let [a, b, ..] = (sequence / FRAMES_PER_ADDRESS).to_le_bytes();
    Some((phone, [0xda, 0xa1, 0x19, phone as u8, b, a], sequence))
}

/// The model of the sender of this frame: that of the devices, one of each phone, or an invented one, of which so many
/// frames have the same.
fn model(number: u64, frames_per_model: u64) -> [u8; 4] {
    match phone_frame(number) {
        _ if number.is_multiple_of(DEVICE_EVERY) => [0x00, 0x50, 0xf2, 0x00],
        Some((phone, ..)) => [0x00, 0x17, 0xf2, phone as u8],
        None => ((number / frames_per_model) as u32).to_le_bytes(),
    }
}

fn probe(number: u64) -> SentProbe {
    if let Some((_, source, sequence)) = phone_frame(number) {
        return SentProbe {
            source,
            ssid: Some(Vec::new()),
            signal_dbm: Some(-60),
            sequence: (sequence % 4096) as u16,
            time_us: number,
        };
    }
    let mut dice = fastrand::Rng::with_seed(number);
    let [random, rest @ ..] = dice.u64(..).to_le_bytes();
    let [a, b, c, d, e, ..] = rest;
    let random = [random & 0xfc | 0x02, a, b, c, d, e];
    let device = number / DEVICE_EVERY % DEVICES;
    let (source, ssid) = if number.is_multiple_of(DEVICE_EVERY) {
        let ssid = match dice.u8(..6) {
            network @ 0..2 => format!("Home {network} of {device}"),
            _ => String::new(),
        };
        ([0xa4, 0x83, 0xe7, 0, 1, device as u8], ssid)
    } else if number % WATCHED_EVERY == 1 {
        // Random addresses of one model are one phone to an alert; invented global ones are a device each.
        ([0x00, a, b, c, d, e], "Depot".to_owned())
    } else {
        (random, format!("{:016x}", dice.u64(..)))
    };
    SentProbe {
        source,
        ssid: Some(ssid.into_bytes()),
        signal_dbm: Some(dice.i8(-90..-30)),
        sequence: (number % 4096) as u16,
        time_us: number,
    }
}

/// Transmits this many frames at this rate and counts those of the devices.
fn transmit(radio: &TapRadio, count: u64, per_second: u64, frames_per_model: u64) -> Tally {
    let mut tally = Tally::default();
    let burst = Duration::from_secs(1) / (per_second / BURST) as u32;
    let mut due = Instant::now();
    for number in 0..count {
        if number.is_multiple_of(BURST) {
            // A late thread does not catch up in one burst.
            due = (due + burst).max(Instant::now() - burst);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let probe = probe(number);
        radio.transmit(&probe.request().element(VENDOR_ELEMENT, model(number, frames_per_model)).build());
        if number.is_multiple_of(DEVICE_EVERY) {
            tally.add(&probe);
        }
    }
    tally
}

/// Looks devices up in turn until the flood is over. Returns the time of each reply, from the POST to the request.
fn run_look_ups(testbed: &Testbed, is_over: &AtomicBool) -> Vec<Duration> {
    let listen = testbed.service.listen_address();
    let mut times = Vec::new();
    for device in (0..DEVICES).cycle() {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let query = address(probe(device * DEVICE_EVERY).source);
        let (seen, asked) = (testbed.api.sent_count(), Instant::now());
        assert_eq!(testbed.api.post(listen, Incoming::text(CHAT, query.as_str())), 200);
        let reply = testbed.api.wait_for_message_after(seen, |message| !is_alert(message));
        assert!(reply.plain.contains(&query), "{}", reply.plain);
        times.push(reply.at - asked);
        thread::sleep(LOOK_UP_PERIOD);
    }
    times.sort_unstable();
    times
}

/// The latest addresses of a phone, sorted.
fn addresses_of(phone: u64, count: u64) -> Vec<String> {
    let all = (0..count).filter_map(phone_frame).filter(|(of, ..)| *of == phone);
    let mut addresses: Vec<String> = all.map(|(_, source, _)| address(source)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The addresses that are grouped with a phone's latest, sorted.
fn addresses_beside(config: &str, phone: u64, count: u64) -> Vec<String> {
    let latest = addresses_of(phone, count).pop().unwrap();
    let output = probewatch(&["lookup", "--json", "-c", config, &latest]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut addresses: Vec<String> = serde_json::from_value(answer["addresses"].clone()).unwrap();
    addresses.sort_unstable();
    addresses
}

fn alert_count(api: &BotApi) -> usize {
    api.sent().iter().filter(|message| is_alert(message)).count()
}

fn peak_memory_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn folder_bytes(folder: &Path) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).unwrap() {
        bytes.add_assign(entry.unwrap().metadata().unwrap().len());
    }
    bytes
}

/// `benches/flood.sh` runs this too, with many more frames.
pub fn flood(count: u64, per_second: u64, frames_per_model: u64) {
    let Some(mut testbed) = Testbed::start(Mode::Webhook, |config| config) else { return };
    testbed.ask("/watch Depot");
    let start = Instant::now();
    let is_over = AtomicBool::new(false);
    let (tally, times) = thread::scope(|scope| {
        let looking_up = scope.spawn(|| run_look_ups(&testbed, &is_over));
        let tally = transmit(&testbed.radio, count, per_second, frames_per_model);
        is_over.store(true, Ordering::Relaxed);
        (tally, looking_up.join().unwrap())
    });
    let percentile = |percent: usize| times[times.len() * percent / 100];
    let memory = peak_memory_kib(testbed.service.id());
    println!(
        "{count} frames in {:.1} s, peak resident memory {} MiB\n\
         {} look-ups: median {:?}, 99th percentile {:?}, maximum {:?}",
        start.elapsed().as_secs_f64(),
        memory >> 10,
        times.len(),
        percentile(50),
        percentile(99),
        times[times.len() - 1],
    );
    assert!(memory < MEMORY_KIB, "{memory} KiB");

    testbed.ask_until("/status", &format!("Probes: {count} ("));
    testbed.api.wait_for_message(|message| message.plain.contains("too many at once"));
    testbed.ask_until("/status", "Alerts waiting for Telegram: 0");
    let alerts = alert_count(&testbed.api);
    let minutes = start.elapsed().as_secs() as usize / 60 + 1;
    assert!((2..=minutes * (ALERTS_PER_MINUTE + 1)).contains(&alerts), "{alerts} alerts in {minutes} min");
    assert!(testbed.service.terminate().success());
    let config = testbed.service.config_path().to_str().unwrap().to_owned();
    tally.assert_looked_up(&["-c", &config], true);
    for phone in 0..PHONES {
        assert_eq!(addresses_beside(&config, phone, count), addresses_of(phone, count), "phone {phone}");
    }
    testbed.api.assert_clean();

    let log = folder_bytes(&testbed.service.data_dir().join("events"));
    println!(
        "{} of {DEVICES} devices counted exactly\n\
         {alerts} messages about {} alerts\n\
         log {} MiB, {} bytes an event",
        tally.senders().count(),
        count / WATCHED_EVERY,
        log >> 20,
        log / count,
    );
}

#[test]
fn a_flood_of_random_addresses_hides_no_device() {
    // More models than are remembered, and not so many that a debug build falls behind on a busy machine.
    flood(60_000, 6000, 4);
}

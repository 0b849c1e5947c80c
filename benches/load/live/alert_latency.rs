//! The time from the write of a frame to the request with the alert, at 1,000 frames per second.
//!
//! The times contain no wait for the rate limiter (`telegram/token_bucket.rs`), which would also merge alerts beyond
//! its limit into one number. So each of many chats watches its own network, and these networks are requested in turn,
//! a little slower than the bot may send. Each request comes from a new address, so the cool-down holds none back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::other_programs::{CaptureProgram, Tcpdump};
use super::traffic::{Pace, Traffic};
use super::{Live, Verdicts, milliseconds, percentile, print_machine};
use crate::support::frames::octets;
use crate::support::testbed::is_alert;
use crate::support::traffic::{SentProbe, address};
use crate::support::wait_until;

const PACE: Pace = Pace { per_second: 1_000, burst: 1, seconds: 120 };

const DEVICES: u64 = 2_000;
const NETWORKS: u64 = 500;

/// One frame in this many asks for a watched network: four per second. Each delivery is fsynced before the next alert
/// is sent, so on a slow disk more of them would wait for each other.
const WATCHED_INTERVAL: u64 = 250;

/// The IDs of the private chats.
const CHATS: std::ops::Range<i64> = 2001..2041;

/// The prefix of the addresses that ask for watched networks.
const ASKER_PREFIX: &str = "a4:83:e7:fe:";

const TARGET: Duration = Duration::from_millis(50);

/// A time for each device that asks for a watched network, by its number.
type Times = BTreeMap<u64, Instant>;

fn asker(number: u64) -> SentProbe {
    let [.., x, y] = number.to_be_bytes();
    SentProbe {
        source: [0xa4, 0x83, 0xe7, 0xfe, x, y],
        ssid: Some(watched(CHATS.start + (number % CHATS.count() as u64) as i64).into_bytes()),
        signal_dbm: Some(-50),
        sequence: (number % 4096) as u16,
        time_us: 0,
    }
}

fn watched(chat: i64) -> String {
    format!("Van of {chat}")
}

/// The number of the asker whose address this text contains.
fn asker_in(text: &str) -> Option<u64> {
    let at = text.find(ASKER_PREFIX)?;
    let [.., x, y] = octets(text.get(at..at + 17)?);
    Some(u16::from_be_bytes([x, y]).into())
}

pub fn measure() {
    print_machine();
    let chats: Vec<i64> = CHATS.collect();
    let Some(mut live) = Live::start(|config| config.chats(&chats)) else { return };
    for chat in CHATS {
        live.testbed.say(chat, &format!("/watch \"{}\"", watched(chat)));
        live.testbed.api.wait_for_message(|message| message.chat_id == chat);
    }
    let folder = tempfile::tempdir().unwrap();
    let radio = live.testbed.radio.name();
    let mut tcpdump = CaptureProgram::tcpdump(radio, &Tcpdump::Lines, Stdio::piped());
    let mut tshark = CaptureProgram::tshark(radio, folder.path(), Stdio::piped());
    let outputs = [tcpdump.take_output(), tshark.take_output()];
    let readers = outputs.map(|output| thread::spawn(move || line_times(output)));

    let traffic = Traffic::new(DEVICES, NETWORKS);
    let mut asked = Times::new();
    let written = thread::scope(|scope| {
        let radio = &live.testbed.radio;
        let asked = &mut asked;
        let transmit = move |number: u64| {
            if !number.is_multiple_of(WATCHED_INTERVAL) {
                return radio.transmit(traffic.frame(number));
            }
            let number = number / WATCHED_INTERVAL;
            let frame = asker(number).frame();
            asked.insert(number, Instant::now());
            radio.transmit(&frame);
        };
        scope.spawn(|| PACE.keep(transmit)).join().unwrap()
    });
    let alerted = wait_until("every alert", || {
        let alerted = alert_times(&live);
        (alerted.len() == asked.len()).then_some(alerted)
    });
    let names = [tcpdump.name, tshark.name];
    for other in [tcpdump, tshark] {
        other.wait_until_idle();
        other.end();
    }
    let [tcpdump, tshark] = readers.map(|reader| reader.join().unwrap());

    println!("\n### From frame to alert at {} frames per second\n", PACE.per_second);
    written.print();
    println!(
        "\n| milliseconds | median | 99th percentile | maximum | of | target |\n|---|---|---|---|---|---|"
    );
    let times = print_row(
        "`probewatch run`: the request with the alert",
        &asked,
        &alerted,
        "50 for the 99th percentile",
    );
    for (name, seen) in names.iter().zip([tcpdump, tshark]) {
        print_row(&format!("{name}: the line"), &asked, &seen, "");
    }
    println!();
    let mut verdicts = Verdicts::default();
    let slow = percentile(&times, 99);
    verdicts.add(slow < TARGET, format!("99th percentile of alerts {} ms, target 50", milliseconds(slow)));
    let metrics = live.metrics();
    verdicts.add(metrics.lost() == 0, format!("{} frames lost", metrics.lost()));
    assert!(live.testbed.service.terminate().success());
    live.testbed.api.assert_clean();
    verdicts.end();
}

/// When the Bot API server received the alert about each asker.
fn alert_times(live: &Live) -> Times {
    let sent = live.testbed.api.sent();
    let alerts = sent.iter().filter(|message| is_alert(message));
    alerts.filter_map(|alert| Some((asker_in(&alert.plain)?, alert.at))).collect()
}

/// When the first line about each asker was read.
fn line_times(output: ChildStdout) -> Times {
    let mut times = Times::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(number) = asker_in(&line) {
            times.entry(number).or_insert_with(Instant::now);
        }
    }
    times
}

/// Prints the row of one program, and returns its delays in ascending order.
fn print_row(name: &str, asked: &Times, seen: &Times, target: &str) -> Vec<Duration> {
    let mut times: Vec<Duration> =
        seen.iter().filter_map(|(number, at)| Some(*at - *asked.get(number)?)).collect();
    times.sort_unstable();
    if times.is_empty() {
        println!("| {name} | none | | | 0 of {} | {target} |", asked.len());
    } else {
        let [median, p99, max] = [50, 99, 100].map(|percent| milliseconds(percentile(&times, percent)));
        println!("| {name} | {median} | {p99} | {max} | {} of {} | {target} |", times.len(), asked.len());
    }
    times
}

#[test]
fn parses_the_number_from_a_line() {
    let source = address(asker(259).source);
    assert_eq!(asker_in(&format!("SA:{source} (oui Unknown) Probe Request")), Some(259));
    assert_eq!(asker_in("SA:a4:83:e7:00:01:03 Probe Request"), None);
    assert_eq!(asker_in(ASKER_PREFIX), None);
}

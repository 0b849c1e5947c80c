//! From the write of a frame to the request with the alert, at 1,000 frames a second.
//!
//! What is measured is work, not waiting for a place: the bot spaces its alerts as Telegram wants it
//! (`telegram/token_bucket.rs`), and of too many in a minute a chat is only told how many they were. So each of many
//! chats watches a network of its own, and they are asked for by turns, a little slower than the bot may send; each
//! time by an address that was not heard before, so that none is swallowed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::other_programs::{Other, Tcpdump};
use super::traffic::{Pace, Traffic};
use super::{Live, Verdicts, milliseconds, percentile, print_machine};
use crate::support::frames::octets;
use crate::support::testbed::is_alert;
use crate::support::traffic::{SentProbe, address};
use crate::support::wait_until;

const PACE: Pace = Pace { a_second: 1_000, burst: 1, seconds: 120 };

const DEVICES: u64 = 2_000;
const NETWORKS: u64 = 500;

/// One frame in so many asks for a watched network: four a second. Each delivery is fsynced before the next alert goes
/// out, so that more would wait for one another on a slow disk.
const WATCHED_EVERY: u64 = 250;

/// Private chats, by their numbers.
const CHATS: std::ops::Range<i64> = 2001..2041;

/// How the addresses begin that ask for watched networks.
const STRANGERS: &str = "a4:83:e7:fe:";

const WANTED: Duration = Duration::from_millis(50);

/// When something became of the frames of strangers, by the number of the stranger.
type Moments = BTreeMap<u64, Instant>;

fn stranger(number: u64) -> SentProbe {
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

/// The number of the stranger whose address stands in this text.
fn stranger_in(text: &str) -> Option<u64> {
    let at = text.find(STRANGERS)?;
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
    let mut tcpdump = Other::tcpdump(radio, &Tcpdump::Lines, Stdio::piped());
    let mut tshark = Other::tshark(radio, folder.path(), Stdio::piped());
    let outputs = [tcpdump.take_output(), tshark.take_output()];
    let readers = outputs.map(|output| thread::spawn(move || moments_of_lines(output)));

    let traffic = Traffic::new(DEVICES, NETWORKS);
    let mut asked = Moments::new();
    let written = thread::scope(|scope| {
        let radio = &live.testbed.radio;
        let asked = &mut asked;
        let transmit = move |number: u64| {
            if !number.is_multiple_of(WATCHED_EVERY) {
                return radio.transmit(traffic.frame(number));
            }
            let number = number / WATCHED_EVERY;
            let frame = stranger(number).frame();
            asked.insert(number, Instant::now());
            radio.transmit(&frame);
        };
        scope.spawn(|| PACE.keep(transmit)).join().unwrap()
    });
    let alerted = wait_until("every alert", || {
        let alerted = moments_of_alerts(&live);
        (alerted.len() == asked.len()).then_some(alerted)
    });
    let names = [tcpdump.name, tshark.name];
    for other in [tcpdump, tshark] {
        other.wait_until_idle();
        other.end();
    }
    let [tcpdump, tshark] = readers.map(|reader| reader.join().unwrap());

    println!("\n### From the frame to the alert at {} frames a second\n", PACE.a_second);
    written.print();
    println!("\n| milliseconds | half | 99 in 100 | all | of | wanted |\n|---|---|---|---|---|---|");
    let times =
        print_row("`probewatch run`: the request with the alert", &asked, &alerted, "50 for 99 in 100");
    for (name, seen) in names.iter().zip([tcpdump, tshark]) {
        print_row(&format!("{name}: the line"), &asked, &seen, "");
    }
    println!();
    let mut verdicts = Verdicts::default();
    let slow = percentile(&times, 99);
    verdicts.add(slow < WANTED, format!("99 in 100 alerts within {} ms, 50 wanted", milliseconds(slow)));
    let metrics = live.metrics();
    verdicts.add(metrics.lost() == 0, format!("{} frames lost", metrics.lost()));
    assert!(live.testbed.service.terminate().success());
    live.testbed.api.assert_clean();
    verdicts.end();
}

/// When the Bot API server got the alert about each stranger.
fn moments_of_alerts(live: &Live) -> Moments {
    let sent = live.testbed.api.sent();
    let alerts = sent.iter().filter(|message| is_alert(message));
    alerts.filter_map(|alert| Some((stranger_in(&alert.plain)?, alert.at))).collect()
}

/// When the first line about each stranger was read.
fn moments_of_lines(output: ChildStdout) -> Moments {
    let mut moments = Moments::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(number) = stranger_in(&line) {
            moments.entry(number).or_insert_with(Instant::now);
        }
    }
    moments
}

/// How long each took, in order; who saw nothing has no row.
fn print_row(name: &str, asked: &Moments, seen: &Moments, wanted: &str) -> Vec<Duration> {
    let mut times: Vec<Duration> =
        seen.iter().filter_map(|(number, at)| Some(*at - *asked.get(number)?)).collect();
    times.sort_unstable();
    if times.is_empty() {
        println!("| {name} | none | | | 0 of {} | {wanted} |", asked.len());
    } else {
        let [half, most, all] = [50, 99, 100].map(|share| milliseconds(percentile(&times, share)));
        println!("| {name} | {half} | {most} | {all} | {} of {} | {wanted} |", times.len(), asked.len());
    }
    times
}

#[test]
fn a_stranger_is_found_in_a_line() {
    let source = address(stranger(259).source);
    assert_eq!(stranger_in(&format!("SA:{source} (oui Unknown) Probe Request")), Some(259));
    assert_eq!(stranger_in("SA:a4:83:e7:00:01:03 Probe Request"), None);
    assert_eq!(stranger_in(STRANGERS), None);
}

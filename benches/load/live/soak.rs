//! Growth of the service during half an hour at 1,000 frames per second.
//!
//! A new device adds a row to the state, which is not a leak. So all devices and all the networks that each asks for
//! appear within the first half minute, and only those from then on. The log is kept small, so that segments are
//! sealed and deleted throughout, each after a snapshot. Meanwhile chats send look-ups and receive alerts.

use std::env;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::other_programs::{CaptureProgram, Tcpdump};
use super::traffic::{Pace, Traffic, network, source};
use super::usage::Usage;
use super::{Live, Verdicts, mebibytes, milliseconds, percentile, print_machine};
use crate::support::bot_api::Incoming;
use crate::support::statistics::{quarters, slope};
use crate::support::testbed::is_alert;
use crate::support::traffic::address;

const FRAMES_PER_SECOND: u64 = 1_000;
const DEVICES: u64 = 5_000;
const NETWORKS: u64 = 500;

/// Private chats. Each watches one network, and they take turns with look-ups.
const CHATS: [i64; 4] = [1001, 1002, 1003, 1004];
const COOLDOWN_SECONDS: u64 = 120;
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(1);

/// The environment variable that sets the duration in minutes.
const DURATION_VARIABLE: &str = "LIVE_SOAK_MINUTES";

/// The time between two samples. One per minute is printed.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
const SAMPLES_PER_MINUTE: usize = 12;

/// From this minute on, all devices are known and the log has its maximum size.
const STEADY_FROM_MINUTE: usize = 5;

/// How much the mean memory may grow from the first to the last quarter of the steady part.
const TOLERANCE: f64 = 0.05;

/// One measurement.
struct Sample {
    usage: Usage,
    tcpdump: Usage,
    tshark: Usage,
    log_bytes: u64,
    events: u64,
    lost: u64,
    requests: usize,
}

fn small_log(config: crate::support::service::Config) -> crate::support::service::Config {
    config.chats(&CHATS).cooldown_seconds(COOLDOWN_SECONDS).set("record", "segment_mebibytes", "2").set(
        "retention",
        "log_mebibytes",
        "8",
    )
}

pub fn measure() {
    print_machine();
    let minutes: u64 = env::var(DURATION_VARIABLE).map_or(30, |minutes| minutes.parse().unwrap());
    let Some(mut live) = Live::start(small_log) else { return };
    for (number, chat) in CHATS.iter().enumerate() {
        live.testbed.say(*chat, &format!("/watch \"{}\"", network(number as u64 * 100)));
        live.testbed.api.wait_for_message(|message| message.chat_id == *chat);
    }
    let folder = tempfile::tempdir().unwrap();
    let radio = live.testbed.radio.name();
    let tcpdump = CaptureProgram::tcpdump(radio, &Tcpdump::Lines, Stdio::null());
    let tshark = CaptureProgram::tshark(radio, folder.path(), Stdio::null());
    let traffic = Traffic::new(DEVICES, NETWORKS);
    let pace = Pace { per_second: FRAMES_PER_SECOND, burst: 1, seconds: minutes * 60 };

    println!("\n### {minutes} minutes at {FRAMES_PER_SECOND} frames per second\n");
    println!(
        "| minute | resident, MiB | peak | descriptors | threads | log, MiB | events | lost | Bot API requests | tcpdump, MiB | tshark, MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let is_over = AtomicBool::new(false);
    let (written, samples, look_ups) = thread::scope(|scope| {
        let asking = scope.spawn(|| run_look_ups(&live, &is_over));
        let sampling = scope.spawn(|| sample_until(&is_over, || sample(&live, &tcpdump, &tshark)));
        let written = scope.spawn(|| pace.transmit(&traffic, &live.testbed.radio)).join().unwrap();
        is_over.store(true, Ordering::Relaxed);
        (written, sampling.join().unwrap(), asking.join().unwrap())
    });
    let metrics = live.wait_until_recorded(written.frames);
    println!();
    written.print();
    println!(
        "{} look-ups: {} ms (median), {} ms (99th percentile), {} ms (maximum); {} alerts",
        look_ups.len(),
        milliseconds(percentile(&look_ups, 50)),
        milliseconds(percentile(&look_ups, 99)),
        milliseconds(percentile(&look_ups, 100)),
        live.testbed.alerts().len(),
    );
    for other in [tcpdump, tshark] {
        other.wait_until_idle();
        let name = other.name;
        let ended = other.end();
        println!("{name}: {} captured, {} lost", ended.captured, ended.dropped);
    }
    println!();
    let mut verdicts = Verdicts::default();
    judge(&samples, &mut verdicts);
    let recorded = metrics.probes();
    verdicts.add(recorded == written.frames, format!("{recorded} probes recorded of {}", written.frames));
    assert!(live.testbed.service.terminate().success());
    live.testbed.api.assert_clean();
    verdicts.end();
}

fn sample(live: &Live, tcpdump: &CaptureProgram, tshark: &CaptureProgram) -> Sample {
    let metrics = live.metrics();
    Sample {
        usage: live.usage(),
        tcpdump: tcpdump.usage(),
        tshark: tshark.usage(),
        log_bytes: metrics.plain("probewatch_log_bytes"),
        events: metrics.plain("probewatch_events_total"),
        lost: metrics.lost(),
        requests: live.testbed.api.calls().len(),
    }
}

/// Takes samples until `is_over`, and prints one per minute.
fn sample_until(is_over: &AtomicBool, take_sample: impl Fn() -> Sample) -> Vec<Sample> {
    let start = Instant::now();
    let mut samples = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let sample = take_sample();
        if samples.len().is_multiple_of(SAMPLES_PER_MINUTE) {
            print_row(samples.len() / SAMPLES_PER_MINUTE, &sample);
        }
        samples.push(sample);
        let due = start + SAMPLE_INTERVAL * samples.len() as u32;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    samples
}

fn print_row(minute: usize, sample: &Sample) {
    let Sample { usage, tcpdump, tshark, log_bytes, events, lost, requests } = sample;
    println!(
        "| {minute} | {} | {} | {} | {} | {} | {events} | {lost} | {requests} | {} | {} |",
        mebibytes(usage.resident_kib),
        mebibytes(usage.peak_kib),
        usage.descriptors,
        usage.threads,
        mebibytes(log_bytes >> 10),
        mebibytes(tcpdump.resident_kib),
        mebibytes(tshark.resident_kib),
    );
}

/// Looks devices up in turn until `is_over`. Returns the reply times in ascending order.
fn run_look_ups(live: &Live, is_over: &AtomicBool) -> Vec<Duration> {
    let testbed = &live.testbed;
    let listen = testbed.service.listen_address();
    let mut times = Vec::new();
    let mut due = Instant::now();
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let chat = CHATS[number % CHATS.len()];
        let query = address(source(number as u64 * 7 % DEVICES));
        let (seen, asked) = (testbed.api.sent_count(), Instant::now());
        assert_eq!(testbed.api.post(listen, Incoming::text(chat, query.as_str())), 200);
        let reply =
            testbed.api.wait_for_message_after(seen, |message| message.chat_id == chat && !is_alert(message));
        times.push(reply.at - asked);
        due += LOOK_UP_INTERVAL;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    times.sort_unstable();
    times
}

/// Checks that nothing grows from [`STEADY_FROM_MINUTE`] on, or in the second half of a short run.
fn judge(samples: &[Sample], verdicts: &mut Verdicts) {
    let from = (STEADY_FROM_MINUTE * SAMPLES_PER_MINUTE).min(samples.len() / 2);
    let memory = |of: fn(&Sample) -> &Usage| -> Vec<f64> {
        samples[from..].iter().map(|sample| of(sample).resident_kib as f64).collect()
    };
    println!("From minute {:.1} on:\n", from as f64 / SAMPLES_PER_MINUTE as f64);
    println!("| | KiB a minute | first quarter, MiB | last quarter, MiB |\n|---|---|---|---|");
    let row = |name: &str, kib: &[f64]| {
        let slope = slope(kib) * SAMPLES_PER_MINUTE as f64;
        let (first, last) = quarters(kib);
        println!("| {name} | {slope:+.1} | {:.2} | {:.2} |", first / 1024.0, last / 1024.0);
        (first, last)
    };
    let (first, last) = row("`probewatch run`", &memory(|sample| &sample.usage));
    row("tcpdump", &memory(|sample| &sample.tcpdump));
    row("tshark with dumpcap", &memory(|sample| &sample.tshark));
    println!();
    let grown = last / first - 1.0;
    let what = format!("memory in the last quarter {:+.1} % against the first", grown * 100.0);
    verdicts.add(grown < TOLERANCE, what);
    for (name, of) in [
        ("descriptors", (|usage| usage.descriptors) as fn(&Usage) -> u64),
        ("threads", |usage| usage.threads),
    ] {
        let counts = samples[from..].iter().map(|sample| of(&sample.usage));
        let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
        let (begin, end) = (of(&samples[from].usage), of(&samples[samples.len() - 1].usage));
        // A connection or a sealing thread may be open at the moment.
        verdicts.add(end <= begin + 4, format!("{name} between {least} and {most}, {begin} then {end}"));
    }
}

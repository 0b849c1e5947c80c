//! Losses of each program at 20,000 probe requests per second for 30 seconds.

use std::time::Duration;

use super::other_programs::{CaptureProgram, Tcpdump, line_count, output_file};
use super::traffic::{Pace, Traffic, Written};
use super::usage::Usage;
use super::{LOSSES, Live, Metrics, Verdicts, mebibytes, print_machine};
use crate::support::service::probewatch;
use crate::support::testbed::CHAT;

const PACE: Pace = Pace { per_second: 20_000, burst: 20, seconds: 30 };

const DEVICES: u64 = 2_000;
const NETWORKS: u64 = 500;

pub fn measure() {
    print_machine();
    let mut verdicts = Verdicts::default();
    for beside in [false, true] {
        round(beside, &mut verdicts);
    }
    verdicts.end();
}

fn round(beside: bool, verdicts: &mut Verdicts) {
    let Some(mut live) = Live::start(|config| config) else { return };
    live.testbed.ask("/watch Depot");
    let folder = tempfile::tempdir().unwrap();
    let tshark_lines = folder.path().join("tshark");
    let radio = live.testbed.radio.name().to_owned();
    let others = match beside {
        true => vec![
            CaptureProgram::tcpdump(&radio, &Tcpdump::File, output_file(&folder.path().join("tcpdump"))),
            CaptureProgram::tshark(&radio, folder.path(), output_file(&tshark_lines)),
        ],
        false => Vec::new(),
    };
    let traffic = Traffic::new(DEVICES, NETWORKS);
    let before = live.usage();
    let dropped_before = live.interface_counter("rx_dropped");

    let written = std::thread::scope(|scope| {
        scope.spawn(|| PACE.transmit(&traffic, &live.testbed.radio)).join().unwrap()
    });
    let metrics = live.wait_until_recorded(written.frames);
    let usage = live.usage();
    let dropped = live.interface_counter("rx_dropped") - dropped_before;
    let among = if beside { "all three at once" } else { "probewatch alone" };
    println!("\n### {} probe requests per second for {} s, {among}\n", PACE.per_second, PACE.seconds);
    written.print();
    println!("the interface itself dropped {dropped}\n");
    println!("| | frames seen | lost | CPU seconds | peak resident memory, MiB |\n|---|---|---|---|---|");
    let row = |name: &str, seen: u64, lost: u64, cpu: Duration, usage: &Usage| {
        let memory = mebibytes(usage.peak_kib);
        println!("| {name} | {seen} | {lost} | {:.2} | {memory} |", cpu.as_secs_f64());
    };
    let cpu = usage.cpu - before.cpu;
    row("`probewatch run`", metrics.probes(), metrics.lost(), cpu, &usage);
    for other in others {
        other.wait_until_idle();
        let (name, usage, ended) = (other.name, other.usage(), other.end());
        row(name, ended.captured, ended.dropped, usage.cpu, &usage);
    }
    println!();
    if beside {
        println!("tshark printed {} lines\n", line_count(&tshark_lines));
    }
    judge(&mut live, &metrics, &written, dropped, among, verdicts);
}

/// Ends the service and counts the probes in its log.
fn judge(
    live: &mut Live,
    metrics: &Metrics,
    written: &Written,
    dropped: u64,
    among: &str,
    verdicts: &mut Verdicts,
) {
    assert!(live.testbed.service.terminate().success());
    let in_log = probes_in_log(live);
    let losses: Vec<String> = LOSSES
        .into_iter()
        .map(|loss| format!("{} {}", loss.1, metrics.lost_by(loss)))
        .chain([format!("by the radio {dropped}")])
        .collect();
    let is_whole = in_log == written.frames && metrics.lost() == 0 && dropped == 0;
    let losses = losses.join(", ");
    verdicts.add(
        is_whole,
        format!("{among}: {in_log} probes in the log of {} frames written; lost: {losses}", written.frames),
    );
    let rate = written.frames as f64 / written.elapsed.as_secs_f64();
    let is_fast = rate >= 0.99 * PACE.per_second as f64;
    verdicts.add(
        is_fast,
        format!("{among}: {rate:.0} frames per second were written, target {}", PACE.per_second),
    );
    assert!(live.testbed.api.sent().iter().all(|message| message.chat_id == CHAT));
}

fn probes_in_log(live: &Live) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (data, events) = (live.testbed.service.data_dir(), folder.path().join("events.csv"));
    let [data, events_path] = [&data, &events].map(|path| path.to_str().unwrap());
    let output = probewatch(&["export", "events", "--format", "csv", "--data-dir", data, "-o", events_path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    line_count(&events) - 1 // the header
}

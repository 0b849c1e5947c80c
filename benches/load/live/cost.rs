//! CPU and memory of each program at ordinary rates.

use std::process::Stdio;
use std::thread;

use super::other_programs::{CaptureProgram, Tcpdump};
use super::traffic::{Pace, Traffic};
use super::{Live, Verdicts, mebibytes, print_machine};

const PACES: [Pace; 2] =
    [Pace { per_second: 100, burst: 1, seconds: 60 }, Pace { per_second: 1_000, burst: 1, seconds: 60 }];

const DEVICES: u64 = 2_000;
const NETWORKS: u64 = 500;

/// Frames before the measurement, so that it does not include the start of the programs.
const WARM_UP: Pace = Pace { per_second: 100, burst: 1, seconds: 5 };

pub fn measure() {
    print_machine();
    let mut verdicts = Verdicts::default();
    for pace in PACES {
        at(pace, &mut verdicts);
    }
    verdicts.end();
}

fn at(pace: Pace, verdicts: &mut Verdicts) {
    let Some(mut live) = Live::start(|config| config) else { return };
    let folder = tempfile::tempdir().unwrap();
    let radio = live.testbed.radio.name();
    let others = [
        CaptureProgram::tcpdump(radio, &Tcpdump::Lines, Stdio::null()),
        CaptureProgram::tshark(radio, folder.path(), Stdio::null()),
    ];
    let traffic = Traffic::new(DEVICES, NETWORKS);
    let all = || [live.usage(), others[0].usage(), others[1].usage()];
    let (before, written) = thread::scope(|scope| {
        let feed = || {
            let warm = WARM_UP.transmit(&traffic, &live.testbed.radio);
            let before = all();
            let mut written = pace.transmit(&traffic, &live.testbed.radio);
            written.frames += warm.frames;
            (before, written)
        };
        scope.spawn(feed).join().unwrap()
    });
    let after = all();
    let metrics = live.wait_until_recorded(written.frames);

    println!("\n### At {} frames per second\n", pace.per_second);
    written.print();
    println!("\n| | CPU, % of a core | resident memory, MiB | peak |\n|---|---|---|---|");
    let names = ["`probewatch run`", others[0].name, others[1].name];
    for ((name, before), after) in names.iter().zip(&before).zip(&after) {
        let share = after.share_since(before, written.elapsed);
        println!(
            "| {name} | {share:.2} | {} | {} |",
            mebibytes(after.resident_kib),
            mebibytes(after.peak_kib)
        );
    }
    println!();
    for other in others {
        other.wait_until_idle();
        let name = other.name;
        let ended = other.end();
        println!("{name}: {} captured, {} lost", ended.captured, ended.dropped);
    }
    let recorded = metrics.probes();
    verdicts.add(
        recorded == written.frames,
        format!("{recorded} probes recorded of {} at {} per second", written.frames, pace.per_second),
    );
    assert!(live.testbed.service.terminate().success());
}

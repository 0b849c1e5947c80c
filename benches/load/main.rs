//! Load runs of the real service, which give the figures in `benches/README.md`. The scripts in `benches` start them:
//!
//!     cargo bench --bench load -- RUN
//!
//! They use the support code of the integration tests. Without a RUN, the program lists the runs.

// For signals, TAP devices, priorities and resource usage: std has no safe calls for them.
#![allow(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
// The load runs use a part of the tests' support code.
#![allow(dead_code, unused_imports)]

mod copy_pause;
#[path = "../../tests/it/flood.rs"]
mod flood;
mod live;
mod reply_latency;
#[path = "../../tests/it/support/mod.rs"]
mod support;

use std::env;
use std::process::ExitCode;

/// The runs by name.
const RUNS: [(&str, fn()); 7] = [
    // 18,000 random addresses per second for a minute, each of a model of its own.
    ("flood", || flood::flood(1_080_000, 18_000, 1)),
    ("reply-latency", reply_latency::measure),
    ("burst", live::burst::measure),
    ("alert-latency", live::alert_latency::measure),
    ("cost", live::cost::measure),
    ("soak", live::soak::measure),
    ("copy-pause", copy_pause::measure),
];

fn main() -> ExitCode {
    // cargo adds `--bench`.
    let names: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for name in &names {
        let Some((_, run)) = RUNS.iter().find(|(run, _)| run == name) else {
            eprintln!("there is no run {name:?}");
            return ExitCode::FAILURE;
        };
        run();
    }
    if names.is_empty() {
        println!("cargo bench --bench load -- {}", RUNS.map(|(name, _)| name).join("|"));
    }
    ExitCode::SUCCESS
}
